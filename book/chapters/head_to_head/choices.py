"""The recorded choice of learning rate and knob, made on validation scenes of other seeds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from chapters.head_to_head.entries import (
    ALL_LABELS,
    METHODS,
    RATES,
    USUAL_RATE,
    WEAKENINGS,
    applies,
    cells,
    scene_spec,
    specify,
)
from weaklabels.lab.multilabel import Spec, run
from weaklabels.lab.setting import Setting
from weaklabels.lab.tuned import FIRST_TUNING_SEED, Tuned

TUNING_SEEDS = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + 3)
"""Seeds of the choice, which no result is reported for."""


def choice_settings() -> dict[str, Any]:
    """What the choice depends on, as it is recorded."""
    base, usual = asdict(scene_spec()), asdict(Spec("AN"))
    settings = {
        "run": {key: value for key, value in base.items() if value != usual[key]},
        "rates": RATES,
        "weakenings": {name: asdict(weak) for name, weak in WEAKENINGS.items()},
        "methods": {name: (entry.method, entry.knobs) for name, entry in METHODS.items()},
    }
    return json.loads(json.dumps(settings))


Cell = tuple[str, str]
"""Weakening and method."""


FIRST_RATE = RATES.index(6e-2)
"""Where the search for the learning rate starts, of most methods near its end."""


def choose(chapter: Setting) -> dict[str, Any]:
    """Choose the learning rate with the default knob, then the knob; keep validation scores only.

    Each search starts at a usual value and tries the neighbours of the best so far, until both
    are no better or there is none.

    Returns:
        ``what``, ``settings``, ``seeds`` of the choice, and ``validation``: weakening -> method ->
        ``rates``, a score for each learning rate that was tried, and ``knobs``, one for the place
        of each knob that was tried at the best of these: mAP in percent at the last epoch, mean
        over seeds.
    """
    everything: list[Cell] = [("-", ALL_LABELS), *cells()]
    usual = {cell: default_of(cell[1]) for cell in everything}

    def by_rate(wanted: Sequence[Place]) -> list[float]:
        return _scores(chapter, [(cell, RATES[at], usual[cell]) for cell, at in wanted])

    rates = climb(by_rate, dict.fromkeys(everything, FIRST_RATE), lambda cell: len(RATES))
    best = {cell: max(scores, key=scores.__getitem__) for cell, scores in rates.items()}

    def by_knob(wanted: Sequence[Place]) -> list[float]:
        return _scores(chapter, [(cell, RATES[best[cell]], knob) for cell, knob in wanted])

    knobs = climb(by_knob, usual, lambda cell: knobs_of(cell[1]))
    validation: dict[str, dict[str, Any]] = {}
    for weak, name in everything:
        tried = sorted(rates[weak, name].items())
        validation.setdefault(weak, {})[name] = {
            "rates": {f"{RATES[at]:g}": score for at, score in tried},
            "knobs": {str(knob): score for knob, score in sorted(knobs[weak, name].items())},
        }
    return {
        "what": "Validation mAP (%) on scenes by learning rate, and by setting of the dial at the "
        "best of these, last epoch, mean over seeds",
        "settings": choice_settings(),
        "seeds": list(TUNING_SEEDS),
        "validation": validation,
    }


Place = tuple[Cell, int]
"""A cell and the place of a value in its list."""


def climb(
    score: Callable[[Sequence[Place]], Sequence[float]],
    starts: Mapping[Cell, int],
    size: Callable[[Cell], int],
) -> dict[Cell, dict[int, float]]:
    """Search the best of ordered values, in every cell: try the neighbours of the best so far.

    Args:
        score: of many places at once.
        starts: the first place in each cell.
        size: number of values in a cell.

    Returns:
        cell -> place -> score, of those that were tried.
    """
    found: dict[Cell, dict[int, float]] = {cell: {} for cell in starts}
    wanted: list[Place] = list(starts.items())
    while wanted:
        for (cell, place), value in zip(wanted, score(wanted), strict=True):
            found[cell][place] = value
        wanted = [
            (cell, place)
            for cell, scores in found.items()
            for top in [max(scores, key=scores.__getitem__)]
            for place in (top - 1, top + 1)
            if 0 <= place < size(cell) and place not in scores
        ]
    return found


def _scores(chapter: Setting, tried: Sequence[tuple[Cell, float, int]]) -> list[float]:
    """Validation mAP (%) at the last epoch, mean over the seeds of the choice.

    Args:
        chapter: where to compute.
        tried: cells with a learning rate and a knob.
    """
    base = scene_spec()
    # Not by chapter.repeat: among the options of PU-MLC is a seed.
    specs = [
        specify(base, name, weak, seed, lr, knob)
        for seed in TUNING_SEEDS
        for (weak, name), lr, knob in tried
    ]
    reached = [float(record["val_ap"][-1].mean()) for record in chapter.run(run, specs)]
    return np.reshape(reached, (len(TUNING_SEEDS), len(tried))).mean(0).round(2).tolist()


def knobs_of(name: str) -> int:
    """Number of a method's knobs; one for the reference."""
    return 1 if name == ALL_LABELS else len(METHODS[name].knobs)


def default_of(name: str) -> int:
    """Which of them is the default."""
    return 0 if name == ALL_LABELS else METHODS[name].default


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
        self.rule = f"validation mAP, last epoch, mean of {len(record['seeds'])} seeds"

    def rates(self, name: str, weakening: str) -> dict[float, float]:
        """Learning rate -> validation mAP (%) with the default knob."""
        found = self._cell(name, weakening)["rates"]
        return {float(lr): score for lr, score in found.items()}

    def knobs(self, name: str, weakening: str) -> dict[int, float]:
        """Place of a knob -> validation mAP (%) at the best of these rates, of those tried."""
        found = self._cell(name, weakening)["knobs"]
        return {int(knob): score for knob, score in found.items()}

    def _cell(self, name: str, weakening: str) -> dict[str, Any]:
        return self.validation["-" if name == ALL_LABELS else weakening][name]

    def best(self, name: str, weakening: str) -> tuple[float, int]:
        """The learning rate and knob with the best validation score; the first on ties."""
        rates, knobs = self.rates(name, weakening), self.knobs(name, weakening)
        return max(rates, key=rates.__getitem__), max(knobs, key=knobs.__getitem__)

    def tuned(self) -> dict[Cell, tuple[Tuned, ...]]:
        """What was chosen for every (weakening, method): learning rate, and its dial if any."""
        return {cell: self._tuned(*cell) for cell in cells()}

    def _tuned(self, weakening: str, name: str) -> tuple[Tuned, ...]:
        data = f"validation scenes, {weakening}"
        rate, knob = self.best(name, weakening)
        tried = tuple(sorted(self.rates(name, weakening)))
        found = [Tuned(name, "learning rate", tried, rate, self.rule, data)]
        entry = METHODS[name]
        if entry.dial:
            values = tuple(entry.values[k] for k in sorted(self.knobs(name, weakening)))
            chosen = entry.values[knob]
            found.append(Tuned(name, entry.dial, values, chosen, self.rule, data, entry.bounds))
        return tuple(found)

    def score(self, name: str, weakening: str) -> float:
        """Validation mAP (%) of that choice."""
        return max(self.knobs(name, weakening).values())

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
        """Points lost by not choosing: usual learning rate and default knob in place of the best.

        Measured on the validation scenes on which the best was chosen, so rather too large.
        """
        return self.score(name, weakening) - self.rates(name, weakening)[USUAL_RATE]

    def leaders(self, weakening: str) -> tuple[str, str]:
        """Best method on the validation scenes with chosen settings, and with the default ones."""
        names = [name for name in METHODS if applies(name, weakening)]
        chosen = {name: self.score(name, weakening) for name in names}
        plain = {name: chosen[name] - self.default_loss(name, weakening) for name in names}
        return max(chosen, key=chosen.get), max(plain, key=plain.get)

    def at_an_edge(self) -> tuple[int, int]:
        """How many choices fell on an end of what was tried, natural bounds aside; and of all."""
        every = [each for tuned in self.tuned().values() for each in tuned]
        return sum(not each.interior for each in every), len(every)
