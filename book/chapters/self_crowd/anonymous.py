"""CIFAR-10H: answers without names, drawn from the counts of about 51 people an image."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from chapters.self_crowd import photographs, runs
from weaklabels import checks, data
from weaklabels.data import Splits
from weaklabels.lab.features import extracted, standardised
from weaklabels.methods.self_crowd import SHARED
from weaklabels.seeding import numpy_rng

TEST = 1 / 3
"""Share of the images that tests."""

PLACES = 3
"""Answers that an image may get, as many as CIFAR-10N has columns; nobody stands behind one."""

METHODS = ("MV", "true labels", *runs.CONTINUED)
"""Those that do not estimate every worker's errors, as Dawid-Skene and EM with network do."""


def load(root: str) -> Splits:
    """The images that people have counted on, training and test part."""
    return data.load("cifar10h", root, raw=True, test=TEST)


def drawn(counts: np.ndarray, rng: np.random.Generator, most: int | None = None) -> np.ndarray:
    """Answers to every image in a random order, without replacement.

    Args:
        counts: ``(n, K)`` int64, answers for each class.
        rng: source of randomness.
        most: answers an image; all if left out.

    Returns:
        ``(n, most)`` int64, -1 where an image has no more.
    """
    answers = np.full((len(counts), int(counts.sum(1).max())), -1)
    for row, each in zip(answers, counts, strict=True):
        row[: each.sum()] = rng.permutation(np.repeat(np.arange(len(each)), each))
    return answers[:, :most]


@lru_cache(maxsize=1)  # all crowds of a process
def features(
    root: str, cache: str
) -> tuple[torch.Tensor, np.ndarray, np.ndarray, torch.Tensor, np.ndarray]:
    """Training features, truth and counts, and the test features and truth."""
    splits = load(root)
    parts = [extracted(part.x, root, cache) for part in (splits.train, splits.test)]
    train, test = standardised(*parts)
    counts = np.asarray(splits.train.extra["counts"])
    return train, splits.train.y.numpy(), counts, test, splits.test.y.numpy()


def run(spec: photographs.Spec) -> dict[str, Any]:
    """All methods on answers of one draw (see ``runs.run``)."""
    checks.one_of(spec.dataset, ["cifar10h"], "dataset")
    checks.one_of(spec.data_options, [()], "data_options")
    checks.unused(spec, "workers")
    assert spec.data_root is not None
    train, truth, counts, test, test_y = features(spec.data_root, spec.cache)
    task = runs.make_task(
        train, truth, test, test_y, ratio=spec.ratio, mean_answers=spec.mean_answers, workers=0,
        answers=drawn(counts, numpy_rng(spec.seed, "answers"), PLACES), seed=spec.seed,
    )  # fmt: skip
    return runs.run_on(spec, task)


def without_names(spec: photographs.Spec) -> photographs.Spec:
    """What is run here, from the spec of CIFAR-10N: one matrix for all answers."""
    return replace(spec, dataset="cifar10h", form=SHARED, methods=METHODS)
