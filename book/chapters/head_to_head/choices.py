"""The recorded choice of learning rate and knob, made on validation scenes of other seeds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from chapters.head_to_head.entries import (
    ALL_LABELS,
    METHODS,
    RATES,
    WEAKENINGS,
    applies,
    cells,
    scene_spec,
    specify,
)
from weaklabels.lab.multilabel import Spec, run
from weaklabels.lab.setting import Setting

CHOICE_SEEDS = (100, 101)
"""Seeds of the choice; those of the results start at 0."""


def choice_settings() -> dict[str, Any]:
    """What the choice depends on, as it is recorded."""
    base, usual = asdict(scene_spec()), asdict(Spec("AN"))
    settings = {
        "run": {key: value for key, value in base.items() if value != usual[key]},
        "rates": RATES,
        "seeds": CHOICE_SEEDS,
        "weakenings": {name: asdict(weak) for name, weak in WEAKENINGS.items()},
        "methods": {name: (entry.method, entry.knobs) for name, entry in METHODS.items()},
    }
    return json.loads(json.dumps(settings))


def choose(chapter: Setting) -> dict[str, Any]:
    """Train everything with every learning rate and knob; keep validation scores only.

    Returns:
        ``what``, ``settings``, and ``validation``: weakening -> method -> one row per learning rate
        with a column per knob: mAP in percent at the last epoch, mean over seeds.
    """
    base = scene_spec()
    knobs = {(weak, name): len(METHODS[name].knobs) for weak, name in cells()}
    knobs = {("-", ALL_LABELS): 1} | knobs
    specs = {
        (weak, name, lr, knob, seed): specify(base, name, weak, seed, lr, knob)
        for seed in CHOICE_SEEDS
        for (weak, name), count in knobs.items()
        for lr in RATES
        for knob in range(count)
    }
    records = chapter.run(run, specs.values())
    reached = {key: record["val_ap"][-1].mean() for key, record in zip(specs, records, strict=True)}
    validation: dict[str, dict[str, list[list[float]]]] = {}
    for (weak, name), count in knobs.items():
        scores = [
            [
                [reached[weak, name, lr, knob, seed] for seed in CHOICE_SEEDS]
                for knob in range(count)
            ]
            for lr in RATES
        ]
        validation.setdefault(weak, {})[name] = np.mean(scores, 2).round(2).tolist()
    return {
        "what": "Validation mAP (%) on scenes by learning rate (rows) and knob (columns), last "
        "epoch, mean over seeds",
        "settings": choice_settings(),
        "validation": validation,
    }


class Choices:
    """The recorded choice of learning rate and knob for every method and weakening.

    Args:
        chapter: whose recorded results count.

    Raises:
        FileNotFoundError: if the record is missing.
        ValueError: if it was made with other settings than the present ones.
    """

    def __init__(self, chapter: Setting) -> None:
        record = chapter.recorded("choices")
        path = chapter.recorded_results / "choices.json"
        again = "run make record CHAPTERS=head_to_head NAME=choices"
        if record is None:
            raise FileNotFoundError(f"{path} is missing: {again}")
        if record["settings"] != choice_settings():
            raise ValueError(f"{path} was made with other settings: {again}")
        self.validation = record["validation"]

    def table(self, name: str, weakening: str) -> np.ndarray:
        """Validation mAP (%) by learning rate and knob, ``(rates, knobs)``."""
        return np.array(self.validation["-" if name == ALL_LABELS else weakening][name])

    def best(self, name: str, weakening: str) -> tuple[float, int]:
        """The learning rate and knob with the best validation score; the first on ties."""
        table = self.table(name, weakening)
        row, knob = np.unravel_index(table.argmax(), table.shape)
        return RATES[row], int(knob)

    def score(self, name: str, weakening: str) -> float:
        """Validation mAP (%) of that choice."""
        return float(self.table(name, weakening).max())

    def favourite(self, weakening: str, names: Sequence[str]) -> str:
        """The one of ``names`` with the best validation score under a weakening."""
        usable = [name for name in names if applies(name, weakening)]
        return max(usable, key=lambda name: self.score(name, weakening))

    def closest(self, names: Sequence[str]) -> str:
        """The one of ``names`` that stays closest to the best under all weakenings.

        What counts is a method's largest distance from the best validation score. All ``names``
        have to apply under every weakening.
        """
        scores = np.array([[self.score(name, weak) for name in names] for weak in WEAKENINGS])
        return names[int((scores.max(1, keepdims=True) - scores).max(0).argmin())]

    def default_loss(self, name: str, weakening: str) -> float:
        """Points lost by not choosing: middle learning rate and default knob in place of the best.

        Measured on the validation scenes on which the best was chosen, so rather too large.
        """
        table = self.table(name, weakening)
        return float(table.max() - table[len(RATES) // 2, METHODS[name].default])

    def leaders(self, weakening: str) -> tuple[str, str]:
        """Best method on the validation scenes with chosen settings, and with the default ones."""
        names = [name for name in METHODS if applies(name, weakening)]
        chosen = {name: self.score(name, weakening) for name in names}
        plain = {name: chosen[name] - self.default_loss(name, weakening) for name in names}
        return max(chosen, key=chosen.get), max(plain, key=plain.get)

    def largest_rate(self) -> float:
        """Share (%) of the choices that fell on the largest learning rate."""
        chosen = [self.best(name, weak)[0] for weak, name in cells()]
        return 100 * float(np.mean([lr == RATES[-1] for lr in chosen]))
