"""The settings of every method: how they are chosen, on validation digits, and the runs with them.

A method has the learning rate and, where it fills pairs in, the share of a round. The share is
chosen first, at the usual rate, then the rate with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from chapters.self_crowd import runs
from chapters.self_crowd.runs import Spec, Task
from weaklabels.lab.loading import load_splits
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record
from weaklabels.lab.sweep import RunFunction
from weaklabels.lab.tuned import FIRST_TUNING_SEED, Tuned, best

S = TypeVar("S", bound=Spec)

STRATEGIES = ("random", "plain", "aware", "quota")
METHODS = ("MV", "DS", "EM", "true labels", "DL-CL", *STRATEGIES)

RATES = (6e-5, 2e-4, 6e-4, 2e-3, 6e-3, 2e-2, 6e-2)
SHARES = (0, 0.05, 0.15, 0.5, 1, 2, 4)
"""Pseudo-annotations of a round, as a multiple of the given annotations; with 0 nothing is filled
in, and the crowd layer is trained on; with 4 six rounds want more than the missing pairs, and
nothing is left to choose at the end."""

TUNING_SEEDS = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + 5)
VALIDATION = 300
"""Digits that are kept back from training while settings are chosen."""

RULE = "best validation accuracy at the end, mean of 5 crowds"


@dataclass(frozen=True)
class Choice:
    """Settings of a method: learning rate, and the share of a round if it fills pairs in."""

    rate: float = Spec().optimiser.lr
    share: float = Spec.share


CHOSEN: Mapping[str, Mapping[str, Choice]] = {
    "2 answers": {
        "MV": Choice(2e-4),
        "DS": Choice(2e-4),
        "EM": Choice(0.006),
        "true labels": Choice(0.002),
        "DL-CL": Choice(0.02),
        "random": Choice(0.002, 0.5),
        "plain": Choice(0.002, 0.05),
        "aware": Choice(0.002, 0.05),
        "quota": Choice(0.02, 0.05),
    },
    "1 answer": {
        "MV": Choice(2e-4),
        "DS": Choice(6e-4),
        "EM": Choice(0.002),
        "true labels": Choice(0.002),
        "DL-CL": Choice(0.002),
        "random": Choice(0.002, 2),
        "plain": Choice(0.002, 4),
        "aware": Choice(0.002, 4),
        "quota": Choice(0.002, 2),
    },
    "4 answers": {
        "MV": Choice(6e-4),
        "DS": Choice(6e-4),
        "EM": Choice(0.02),
        "true labels": Choice(0.002),
        "DL-CL": Choice(0.002),
        "random": Choice(0.002, 0.05),
        "plain": Choice(0.002, 0.05),
        "aware": Choice(0.002, 0.15),
        "quota": Choice(0.002, 0.15),
    },
    "2 answers, ratio 30": {
        "MV": Choice(2e-4),
        "DS": Choice(2e-4),
        "EM": Choice(0.006),
        "true labels": Choice(6e-4),
        "DL-CL": Choice(0.002),
        "random": Choice(0.002, 4),
        "plain": Choice(0.002, 4),
        "aware": Choice(0.002, 2),
        "quota": Choice(0.002, 1),
    },
}
"""Setting (see ``runs.settings``) -> method -> what was chosen; see ``choose``."""


def _tuned(setting: str, method: str, chosen: Choice) -> Iterator[Tuned]:
    yield Tuned(method, "learning rate", RATES, chosen.rate, RULE, setting)
    if method in STRATEGIES:
        yield Tuned(
            method, "share a round", SHARES, chosen.share, RULE, setting, (SHARES[0], SHARES[-1])
        )


TUNED = tuple(
    tuned
    for setting, of_method in CHOSEN.items()
    for method, chosen in of_method.items()
    for tuned in _tuned(setting, method, chosen)
)


def with_choice(spec: S, method: str, choice: Choice) -> S:
    """A run of one method with settings of its own."""
    optimiser = replace(spec.optimiser, lr=choice.rate)
    return replace(spec, methods=(method,), share=choice.share, optimiser=optimiser)


def table(chapter: Setting) -> dict[tuple[str, str], Spec]:
    """(Setting, method) -> run with what was chosen; none of LabelMe, on which nothing was."""
    return {
        (name, method): with_choice(spec, method, choice)
        for name, spec in runs.settings(chapter).items()
        if spec.dataset == Spec.dataset
        for method, choice in CHOSEN[name].items()
    }


# -- how they are chosen --------------------------------------------------------------------------


def trial(spec: Spec) -> dict[str, Any]:
    """A run that is judged on validation digits (see ``runs.run``)."""
    return runs.run_on(spec, _held_out(spec))


def _held_out(spec: Spec) -> Task:
    splits = load_splits(spec)
    judged = splits.validation()
    return runs.make_task(
        splits.train.x, splits.train.y.numpy(), judged.x, judged.y.numpy(), answers=None,
        ratio=spec.ratio, mean_answers=spec.mean_answers, workers=spec.workers, seed=spec.seed,
    )  # fmt: skip


def choose(setting: Setting) -> dict[str, Any]:
    """Choose share, then learning rate, of every method in every setting of the profile quick.

    Returns:
        The record: ``settings``, by name, of every method ``share`` (if it has one) and ``rate``:
        what was ``chosen``, and the ``validation`` accuracy (%) of each value, one a tuning seed.
    """
    bases = {
        name: replace(spec, data_options=options(**dict(spec.data_options), val=VALIDATION))
        for name, spec in runs.settings(replace(setting, profile="quick")).items()
    }
    usual = {(name, method): Choice() for name in bases for method in METHODS}
    shares = choices(
        setting,
        trial,
        TUNING_SEEDS,
        bases,
        {key: {s: replace(c, share=s) for s in SHARES} for key, c in usual.items() if _fills(key)},
    )
    chosen = {
        key: replace(choice, share=shares[key]["chosen"]) if key in shares else choice
        for key, choice in usual.items()
    }
    rates = choices(
        setting,
        trial,
        TUNING_SEEDS,
        bases,
        {key: {r: replace(choice, rate=r) for r in RATES} for key, choice in chosen.items()},
    )
    return {
        "what": "Validation accuracy (%) at the end by setting, one value a tuning seed",
        "seeds": [*TUNING_SEEDS],
        "protocol": {"validation digits": VALIDATION, "rule": RULE},
        "settings": {
            name: {
                method: ({"share": shares[name, method]} if (name, method) in shares else {})
                | {"rate": rates[name, method]}
                for method in METHODS
            }
            for name in bases
        },
    }


def _fills(key: tuple[str, str]) -> bool:
    return key[1] in STRATEGIES


def choices(
    setting: Setting,
    run: RunFunction,
    seeds: Sequence[int],
    bases: Mapping[str, S],
    trials: Mapping[tuple[str, str], Mapping[float, Choice]],
) -> dict[tuple[str, str], dict[str, Any]]:
    """What was chosen, and the validation accuracy of every value; all in one sweep.

    Args:
        setting: where to compute and what to keep.
        run: a run that is judged on what was held back.
        seeds: of the tuning repetitions.
        bases: setting of the crowd -> spec.
        trials: (setting of the crowd, method) -> value -> what to run.
    """
    wanted = {
        (key, value): with_choice(bases[key[0]], key[1], choice)
        for key, values in trials.items()
        for value, choice in values.items()
    }
    found = setting.repeat(run, wanted, seeds)
    chosen = {}
    for key, values in trials.items():
        scores = {value: _accuracies(found[key, value], key[1]) for value in values}
        validation = {f"{value:g}": each for value, each in scores.items()}
        chosen[key] = {"chosen": best(scores), "validation": validation}
    return chosen


def _accuracies(records: Sequence[Record], method: str) -> list[float]:
    """Mean recall of all classes at the end (%)."""
    return [round(float(np.mean(record[f"{method}/recall"][-1])), 3) for record in records]
