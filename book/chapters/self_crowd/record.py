"""The recorded results of the chapter: how settings were chosen, and answers of real crowds.

The latter need the label-only sets, CIFAR-10 (or its subset) with CIFAR-10N and CIFAR-10H, and
MobileNet weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from chapters.self_crowd import anonymous, cost, photograph_tuning, photographs, tables, tuning
from weaklabels import crowds, data
from weaklabels.data.crowd import LABEL_ONLY
from weaklabels.lab.setting import Setting
from weaklabels.seeding import numpy_rng

SEEDS = 30
"""Crowds of the recorded claims: one with another differs by far more than method from method."""

RATIO = 30
"""Of the classes of CIFAR-10N here; the record ``sparse_crowd`` has 10."""

ASKED, VOTES = (1, 2, 4, None), (1, 3, 5, 10, None)
"""Answers to a task of a label-only set on average, and to an image of CIFAR-10H; None: all."""

Draw = Callable[[np.random.Generator], np.ndarray]
"""Answers ``(n, R)`` of one draw."""


def truth_inference(root: str, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Majority vote, and Dawid-Skene where workers have names, with fewer and fewer answers."""
    return [
        _inferred(name, truth, classes, level, draw, seeds)
        for name, truth, classes, draws in _crowds(root)
        for level, draw in draws.items()
    ]


def _crowds(root: str) -> Iterator[tuple[str, np.ndarray, int, dict[int | None, Draw]]]:
    """Name, truth and number of classes of each set; answers a task -> how they are drawn."""
    for name in LABEL_ONLY:
        splits = data.load("crowd_truth_infer", root, which=name)
        answers = np.asarray(splits.train.extra["answers"])
        draws = {mean: partial(_asked, answers, mean) for mean in ASKED}
        yield name, splits.train.y.numpy(), len(splits.classes), draws
    splits = anonymous.load(root)
    parts = (splits.train, splits.test)
    counts = np.concatenate([part.extra["counts"] for part in parts])
    truth = torch.cat([part.y for part in parts]).numpy()
    draws = {most: partial(anonymous.drawn, counts, most=most) for most in VOTES}
    yield "CIFAR-10H", truth, len(splits.classes), draws


def _asked(answers: np.ndarray, mean: int | None, rng: np.random.Generator) -> np.ndarray:
    if mean is None:
        return answers
    return np.where(crowds.few_workers(answers >= 0, mean, rng), answers, -1)


def _inferred(
    name: str, truth: np.ndarray, classes: int, level: int | None, draw: Draw, seeds: Sequence[int]
) -> dict[str, Any]:
    found: dict[str, list[float]] = {"majority vote": [], "Dawid-Skene": [], "ratio": []}
    for seed in seeds:
        rng = numpy_rng(seed, "real crowd", name)
        kept = draw(rng)
        vote = crowds.majority_vote(kept, classes, rng)
        found["majority vote"].append(100 * (vote == truth).mean())
        if name in LABEL_ONLY:  # workers have names
            posterior = crowds.dawid_skene(kept, classes)[0]
            found["Dawid-Skene"].append(100 * (posterior.argmax(1) == truth).mean())
        found["ratio"].append(tables.imbalance(crowds.class_counts(kept, classes)))
    return {
        "set": name,
        "answers": level or round(float((kept >= 0).sum(1).mean()), 1),
        "tasks": len(truth),
        "classes": classes,
        "truth ratio": tables.imbalance(np.bincount(truth, minlength=classes)),
        **{measure: photographs.rounded(values) for measure, values in found.items()},
    }


def real_crowds(setting: Setting) -> dict[str, Any]:
    """Truth inference from answers alone, and networks on photographs with one answer an image.

    It computes on the CPU.

    Returns:
        The record: ``protocol``, ``data``, ``differences``; ``truth_inference``, a row for each set
        and number of answers; ``rows``, one for each crowd and method of the networks (see
        ``photographs.scores``).
    """
    seeds = range(photographs.FIRST_SEED, photographs.FIRST_SEED + setting.seeds)
    sparse = photographs.table(setting)[1]
    named, nameless = replace(sparse, ratio=RATIO), anonymous.without_names(sparse)
    found = {
        tables.NAMED: setting.repeat(photographs.run, {1: named}, seeds)[1],
        tables.NAMELESS: setting.repeat(anonymous.run, {1: nameless}, seeds)[1],
    }
    inference = truth_inference(setting.data_root, seeds)
    sizes = {crowd: int(records[0]["truth_counts"].sum()) for crowd, records in found.items()}
    return {
        "what": "Answers of real crowds: truth inference, and networks on CIFAR-10N and CIFAR-10H",
        "protocol": photographs.protocol(named, seeds),
        "data": {
            "label-only sets": "1 + Poisson(m - 1) answers a task, drawn once a seed, or all",
            "CIFAR-10H": f"counts of answers to {inference[-1]['tasks']:,} test images of "
            "CIFAR-10, from which answers are drawn without replacement",
            tables.NAMED: f"{sizes[tables.NAMED]:,} training images after thinning; one of the "
            "three answers to each",
            tables.NAMELESS: f"{sizes[tables.NAMELESS]:,} training images after thinning, of two "
            f"thirds of those with counts, and the other third to test; {anonymous.PLACES} drawn "
            "answers may be known of an image, and one is",
        },
        "differences": [
            *photographs.DIFFERENCES,
            "CIFAR-10H does not say who answered: the crowd layer has one matrix for all answers, "
            "and the methods that estimate the errors of every worker are left out.",
        ],
        "truth_inference": inference,
        "rows": [
            {"crowd": crowd, **photographs.scores(method, records)}
            for crowd, records in found.items()
            for method in tables.names(records)
        ],
    }


def tuned_photographs(setting: Setting) -> dict[str, Any]:
    """The crowds of the other records on photographs, with settings chosen for every method."""
    one, two = photographs.table(setting).values()
    crowds = {
        tables.ONE: one,
        tables.TWO: two,
        tables.NAMED: replace(one, ratio=RATIO),
        tables.NAMELESS: anonymous.without_names(one),
    }
    return photograph_tuning.tuned(setting, crowds)


RECORDS = {
    "tuning": tuning.choose,
    "real_crowds": real_crowds,
    "sparse_crowd": photographs.sparse_crowd,
    "tuned_photographs": tuned_photographs,
    "cost": cost.measure,
}
