"""Ranking methods over several weakenings: Friedman's test and Nemenyi's critical difference.

Scores are ``(tasks, methods)`` or ``(tasks, methods, seeds)``, larger is better; rank 1 is the
best, ties share the mean of their ranks. Source: Demsar, *Statistical Comparisons of Classifiers
over Multiple Data Sets*, JMLR 7 (2006).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import stats

MOST_DRAWS = 4000
"""Bootstrap draws that are enumerated; if there are more, so many are drawn at random."""


def ranks(scores: np.ndarray) -> np.ndarray:
    """Ranks of the methods within each task, ``(..., methods)``, 1 for the largest score."""
    return stats.rankdata(-np.asarray(scores, float), axis=-1)


def studentised(methods: int, level: float = 0.05) -> float:
    r"""Nemenyi's :math:`q_\alpha`: the studentised range for infinite degrees, over root 2."""
    return float(stats.studentized_range.ppf(1 - level, methods, np.inf) / math.sqrt(2))


def critical_difference(methods: int, tasks: int, level: float = 0.05) -> float:
    r""":math:`CD=q_\alpha\sqrt{k(k+1)/(6N)}`: mean ranks that differ by less are not told apart."""
    return studentised(methods, level) * math.sqrt(methods * (methods + 1) / (6 * tasks))


@dataclass(frozen=True)
class Ranking:
    """The outcome of a comparison.

    Attributes:
        names: of the methods, best mean rank first.
        mean_ranks: in that order.
        tasks: N, on which the ranks were averaged.
        statistic: Friedman's chi-squared (SciPy's, corrected for ties).
        p: its p-value: how often N tasks without any difference would look like this.
        difference: Nemenyi's critical difference at 5 %.
    """

    names: tuple[str, ...]
    mean_ranks: np.ndarray
    tasks: int
    statistic: float
    p: float
    difference: float

    def groups(self) -> list[tuple[int, int]]:
        """Longest runs (first, last) of methods no further apart than the critical difference."""
        found: list[tuple[int, int]] = []
        for first, rank in enumerate(self.mean_ranks):
            last = int(np.flatnonzero(self.mean_ranks - rank <= self.difference)[-1])
            if last > first and (not found or last > found[-1][1]):
                found.append((first, last))
        return found

    def leaders(self) -> list[str]:
        """Methods that are not told apart from the best."""
        near = self.mean_ranks - self.mean_ranks[0] <= self.difference
        return [name for name, close in zip(self.names, near, strict=True) if close]


def rank(scores: np.ndarray, names: Sequence[str]) -> Ranking:
    """Rank methods over tasks.

    Args:
        scores: ``(tasks, methods)``.
        names: of the methods.

    Raises:
        ValueError: if there are fewer than three methods or two tasks, or the names do not fit.
    """
    scores = np.asarray(scores, float)
    if scores.ndim != 2 or scores.shape[1] != len(names) or len(names) < 3 or len(scores) < 2:
        raise ValueError(
            f"scores {scores.shape} of {len(names)} methods: expected (tasks, methods) with at "
            "least 2 tasks and 3 methods"
        )
    means = ranks(scores).mean(0)
    order = np.argsort(means, kind="stable")
    test = stats.friedmanchisquare(*scores.T)
    return Ranking(
        tuple(names[i] for i in order),
        means[order],
        len(scores),
        float(test.statistic),
        float(test.pvalue),
        critical_difference(len(names), len(scores)),
    )


def blocks(scores: np.ndarray) -> np.ndarray:
    """``(tasks, methods, seeds)`` as one task per (task, seed): ``(tasks * seeds, methods)``.

    Runs of a seed share scenes and initial weights, so these are fewer independent tasks than
    they look like.
    """
    return np.moveaxis(scores, 2, 1).reshape(-1, scores.shape[1])


def seed_intervals(scores: np.ndarray, level: float = 0.95, seed: int = 0) -> np.ndarray:
    """How far mean ranks move with the seeds: ends of percentile bootstrap intervals.

    In every draw the seeds are drawn with replacement, the same for all tasks and methods; scores
    are averaged over them and ranked. All draws are enumerated if they are few.

    Args:
        scores: ``(tasks, methods, seeds)``.
        level: of the interval.
        seed: of random draws.

    Returns:
        ``(methods, 2)``.
    """
    count = scores.shape[2]
    if count**count <= MOST_DRAWS:
        draws = np.array(list(product(range(count), repeat=count)))
    else:
        draws = np.random.default_rng(seed).integers(count, size=(MOST_DRAWS, count))
    means = ranks(np.stack([scores[..., drawn].mean(2) for drawn in draws])).mean(1)
    return np.percentile(means, [50 * (1 - level), 50 * (1 + level)], axis=0).T


def agreement(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's correlation, seed by seed, of the orders of methods in two tasks.

    Args:
        first, second: ``(methods, seeds)``.

    Returns:
        ``(seeds,)``.
    """
    return np.array(
        [stats.spearmanr(a, b)[0] for a, b in zip(first.T, second.T, strict=True)], float
    )
