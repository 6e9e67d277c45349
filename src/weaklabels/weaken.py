"""Annotation models: how full truth becomes weak labels.

Pure functions of (truth, parameters, generator). Observed multi-labels are int8: +1 annotated
positive, 0 unknown, -1 annotated negative. Any NumPy generator will do, the legacy
``RandomState`` of the papers' code included.
"""

from __future__ import annotations

import numpy as np

Rng = np.random.Generator | np.random.RandomState


def single_positive(truth: np.ndarray, rng: Rng) -> np.ndarray:
    """Keep one positive label per row, chosen uniformly; everything else becomes unknown.

    A row without positives stays wholly unknown.

    Args:
        truth: ``(N, C)`` in {0, 1}.
        rng: source of randomness.

    Returns:
        ``(N, C)`` int8 in {0, +1}.
    """
    return few_labels(truth, rng, positives=1, negatives=0)


def few_labels(truth: np.ndarray, rng: Rng, *, positives: int, negatives: int) -> np.ndarray:
    """Annotate at most so many positives and negatives per row, chosen uniformly.

    Row by row, the positives are shuffled and the first ones kept, then the negatives (shuffled
    even when none is kept), as in the code of Cole et al. (CVPR 2021): ``RandomState(1200)`` gives
    the papers' draw.

    Args:
        truth: ``(N, C)`` in {0, 1}.
        rng: source of randomness.
        positives, negatives: labels kept per row, where the row has that many.

    Returns:
        ``(N, C)`` int8 in {-1, 0, +1}.
    """
    observed = np.zeros(truth.shape, np.int8)
    for row, labels in enumerate(np.asarray(truth)):
        for value, sign, count in ((1, 1, positives), (0, -1, negatives)):
            candidates = np.flatnonzero(labels == value)
            rng.shuffle(candidates)
            observed[row, candidates[:count]] = sign
    return observed


def keep_fraction(truth: np.ndarray, rate: float, rng: Rng) -> np.ndarray:
    """Annotate every label, positive or negative, independently with probability ``rate``.

    Args:
        truth: ``(N, C)`` in {0, 1}.
        rate: share of labels that are annotated, in [0, 1].
        rng: source of randomness.

    Returns:
        ``(N, C)`` int8 in {-1, 0, +1}.

    Raises:
        ValueError: if the rate is not in [0, 1].
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"rate is {rate}: expected a share in [0, 1]")
    signed = 2 * np.asarray(truth, np.int8) - 1
    return np.where(rng.uniform(size=truth.shape) < rate, signed, 0).astype(np.int8)


def full(truth: np.ndarray) -> np.ndarray:
    """Annotate everything: +1 for present, -1 for absent."""
    return (2 * np.asarray(truth, np.int8) - 1).astype(np.int8)


def labelled_share(truth: np.ndarray, share: float, rng: Rng) -> np.ndarray:
    """Annotate some rows fully and the others not at all (semi-supervised learning).

    The first ``int(share * N)`` rows of a random permutation are annotated: ``RandomState(1)``
    gives the draw of the CAP code.

    Args:
        truth: ``(N, C)`` in {0, 1}.
        share: of the rows, in (0, 1].
        rng: source of randomness.

    Returns:
        ``(N, C)`` int8 in {-1, 0, +1}.

    Raises:
        ValueError: if no row would be annotated.
    """
    count = int(share * len(truth))
    if not 1 <= count <= len(truth):
        raise ValueError(f"a share of {share} of {len(truth)} rows: expected at least one row")
    observed = np.zeros(truth.shape, np.int8)
    rows = rng.permutation(len(truth))[:count]
    observed[rows] = full(np.asarray(truth)[rows])
    return observed


def candidates(truth: np.ndarray, rate: float, rng: Rng) -> np.ndarray:
    """Candidate sets: every true label, and each wrong one independently with ``rate``.

    Args:
        truth: ``(N, C)`` in {0, 1}.
        rate: in [0, 1].
        rng: source of randomness.

    Returns:
        ``(N, C)`` bool.

    Raises:
        ValueError: if the rate is not in [0, 1].
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"rate is {rate}: expected a probability in [0, 1]")
    truth = np.asarray(truth)
    return (truth == 1) | (rng.uniform(size=truth.shape) < rate)
