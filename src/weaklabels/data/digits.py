"""Real handwritten digits, shipped with scikit-learn: 1,797 images of 8 x 8, ten classes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from weaklabels.data import Split, Splits

CLASSES = tuple(str(digit) for digit in range(10))


def load(root: str | Path | None = None, *, seed: int = 0, test: int = 360, val: int = 0) -> Splits:
    """Digits as single-label data, split with equal class shares.

    Args:
        root: not used; the digits are embedded.
        seed: of the random split.
        test: images in the test split.
        val: images in the validation split (0: none).

    Returns:
        Splits whose ``x`` is ``(N, 1, 8, 8)`` float32 in [0, 1] and ``y`` ``(N,)`` int64.
    """
    del root
    images, labels = arrays()
    keep, held_out = train_test_split(
        np.arange(len(labels)), test_size=test, stratify=labels, random_state=seed
    )
    validation = None
    if val:
        keep, chosen = train_test_split(
            keep, test_size=val, stratify=labels[keep], random_state=seed
        )
        validation = _split(images, labels, chosen)
    return Splits(
        CLASSES, _split(images, labels, keep), validation, _split(images, labels, held_out)
    )


@cache
def arrays() -> tuple[np.ndarray, np.ndarray]:
    """All images ``(1797, 8, 8)`` float32 in [0, 1] and labels ``(1797,)`` int64."""
    bunch = load_digits()
    return (bunch.images / 16).astype(np.float32), bunch.target.astype(np.int64)


def _split(images: np.ndarray, labels: np.ndarray, index: np.ndarray) -> Split:
    return Split(torch.from_numpy(images[index])[:, None], torch.from_numpy(labels[index]))
