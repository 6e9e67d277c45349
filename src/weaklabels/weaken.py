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

    The positives of a row are shuffled and the first is kept, rows in order, as in the code of
    Cole et al. (CVPR 2021), so that ``RandomState(1200)`` gives the papers' draw. A row without
    positives stays wholly unknown.

    Args:
        truth: ``(N, C)`` in {0, 1}.
        rng: source of randomness.

    Returns:
        ``(N, C)`` int8 in {0, 1}.
    """
    observed = np.zeros(truth.shape, np.int8)
    for row, labels in enumerate(np.asarray(truth)):
        positives = np.flatnonzero(labels == 1)
        if len(positives):
            rng.shuffle(positives)
            observed[row, positives[0]] = 1
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
