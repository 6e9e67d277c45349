"""Learning rate and share of pseudo-annotations of every method, chosen on photographs.

The chapter's other records have one rate and one share for all methods. Here each has its own, in
every crowd: the share at the usual rate, then the rate with it, then the share at that rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chapters.self_crowd import anonymous, photographs, runs
from chapters.self_crowd.tuning import Choice, choices, with_choice
from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Record
from weaklabels.lab.tuned import FIRST_TUNING_SEED
from weaklabels.seeding import numpy_rng

STRATEGIES = ("random", "plain", "aware")
METHODS = ("MV", "DS", "EM", "DL-CL", *STRATEGIES)
"""Those that rows compare."""

RATES = (3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
FILLED = (0, 0.1, 0.25, 0.5, 0.75, 1)
"""Of the missing pairs, in all rounds together. Both ends are natural: with 0 nothing is filled in,
and the crowd layer is trained on; with 1 nothing is left to choose at the end."""

TUNING_SEEDS = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + 3)
HELD_BACK = 6
"""Every how many-th training image judges while settings are chosen."""

UNTUNED = (
    "The method is a reconstruction from the abstract. Rate and share were chosen; numbers of "
    "steps and rounds, dropout and the batch are those of the digits, and the same for all methods."
)

RULE = "best validation accuracy at the end, mean of 3 crowds"

Specs = Mapping[str, photographs.Spec]
"""Crowd -> spec of all methods."""


def trial(spec: photographs.Spec) -> dict[str, Any]:
    """A run that is judged on training images that were held back (see ``runs.run``)."""
    assert spec.data_root is not None
    if spec.dataset == "cifar10h":
        x, truth, counts = anonymous.features(spec.data_root, spec.cache)[:3]
        answers = anonymous.drawn(counts, numpy_rng(spec.seed, "answers"), anonymous.PLACES)
    else:
        x, truth, answers = photographs.features(spec.data_root, spec.cache)[:3]
    order = numpy_rng(spec.seed, "held back").permutation(len(truth))
    judge, learn = np.split(order, [len(truth) // HELD_BACK])
    task = runs.make_task(
        x[learn], truth[learn], x[judge], truth[judge], answers=answers[learn], ratio=spec.ratio,
        mean_answers=spec.mean_answers, workers=0, seed=spec.seed,
    )  # fmt: skip
    return runs.run_on(spec, task)


def tuned(setting: Setting, crowds: Specs) -> dict[str, Any]:
    """Choose settings in every crowd, then run with them. It computes on the CPU.

    Args:
        setting: where to compute and what to keep.
        crowds: of those without names only the methods that their spec has are run.

    Returns:
        The record: ``protocol``, ``data``, ``differences``; ``choices``, for each crowd and method
        its ``rate`` and, of self-training, its ``share``, each with what was ``chosen`` and the
        ``validation`` accuracy (%) of all values, one a tuning seed; ``rows`` (see
        ``photographs.scores``), without the agreement.
    """
    _extract(crowds)
    usual = {
        (crowd, method): Choice(spec.optimiser.lr, spec.share)
        for crowd, spec in crowds.items()
        for method in METHODS
        if method in spec.methods
    }
    own = _shares(setting, crowds, usual)[1]
    trials = {
        key: {rate: replace(choice, rate=rate) for rate in RATES} for key, choice in own.items()
    }
    rates = choices(setting, trial, TUNING_SEEDS, crowds, trials)
    own = {key: trials[key][each["chosen"]] for key, each in rates.items()}
    shares, own = _shares(setting, crowds, own)
    seeds = range(photographs.FIRST_SEED, photographs.FIRST_SEED + setting.seeds)
    found = _run(setting, crowds, own, seeds)
    return {
        "what": "CIFAR-10N and CIFAR-10H as sparse crowds, with a learning rate and a share of "
        "pseudo-annotations chosen for every method in every crowd",
        **_told(crowds, seeds),
        "choices": [
            {"crowd": crowd, "method": method, "rate": rates[crowd, method]}
            | ({"share": shares[crowd, method]} if (crowd, method) in shares else {})
            for crowd, method in own
        ],
        "rows": [
            {"crowd": crowd, **_scores(method, records)}
            for (crowd, method), records in found.items()
        ],
    }


def _scores(method: str, records: Sequence[Record]) -> dict[str, Any]:
    """Without the agreement: there is none in a round that has nothing left to fill in."""
    with np.errstate(invalid="ignore"):
        row = photographs.scores(method, records)
    row.pop("agreement", None)
    return row


def _shares(
    setting: Setting, crowds: Specs, own: Mapping[tuple[str, str], Choice]
) -> tuple[dict[tuple[str, str], dict[str, Any]], dict[tuple[str, str], Choice]]:
    """The share of every form of self-training at its present rate, and all choices with it."""
    filling = {
        key: {filled: replace(choice, share=share(crowds[key[0]], filled)) for filled in FILLED}
        for key, choice in own.items()
        if key[1] in STRATEGIES
    }
    shares = choices(setting, trial, TUNING_SEEDS, crowds, filling)
    return shares, dict(own) | {key: tried[shares[key]["chosen"]] for key, tried in filling.items()}


def share(spec: photographs.Spec, filled: float) -> float:
    """Of a round, as a multiple of the given annotations; half of the pairs are the usual."""
    return filled / 0.5 * spec.share


def _extract(crowds: Specs) -> None:
    """Once, before the processes want the features."""
    for spec in crowds.values():
        assert spec.data_root is not None
        features = anonymous.features if spec.dataset == "cifar10h" else photographs.features
        features(spec.data_root, spec.cache)


def _run(
    setting: Setting,
    crowds: Specs,
    own: Mapping[tuple[str, str], Choice],
    seeds: Sequence[int],
) -> dict[tuple[str, str], list[Record]]:
    """All methods with settings of their own, one sweep a dataset."""
    found = {}
    for dataset, run in (("cifar10n", photographs.run), ("cifar10h", anonymous.run)):
        wanted = {
            key: with_choice(crowds[key[0]], key[1], choice)
            for key, choice in own.items()
            if crowds[key[0]].dataset == dataset
        }
        found |= setting.repeat(run, wanted, seeds)
    return found


def _told(crowds: Specs, seeds: Sequence[int]) -> dict[str, Any]:
    first = next(iter(crowds.values()))
    protocol = photographs.protocol(first, seeds)
    protocol["optimiser"] = f"Adam, batch {first.batch_size}; a rate for each method and crowd"
    protocol["choice"] = (
        f"the share of a round at the rate {first.optimiser.lr:g}, the rate, and the share once "
        f"more at that rate: {RULE}, on one of {HELD_BACK} training images, held back with true "
        f"labels; seeds {TUNING_SEEDS[0]} to {TUNING_SEEDS[-1]}"
    )
    same = f"those of the records sparse_crowd and real_crowds: {', '.join(crowds)}"
    return {
        "protocol": protocol,
        "data": {"crowds": same},
        "differences": [*photographs.DIFFERENCES[:2], UNTUNED],
    }
