"""Small grey patches of the two photographs that scikit-learn ships: images that are no digits."""

from __future__ import annotations

from functools import cache

import numpy as np
from sklearn.datasets import load_sample_images


def draw(count: int, rng: np.random.Generator, *, side: int = 8) -> np.ndarray:
    """Patches cut at random places, each stretched to the full range of grey.

    Args:
        count: number of patches.
        rng: of the places.
        side: in pixels.

    Returns:
        ``(count, 1, side, side)`` float32 in [0, 1]; a patch of one grey is 0.
    """
    photos = _photos()
    patches = np.empty((count, side, side), np.float32)
    for patch in patches:
        photo = photos[rng.integers(len(photos))]
        top, left = (rng.integers(length - side + 1) for length in photo.shape)
        patch[:] = photo[top : top + side, left : left + side]
    low, high = patches.min((1, 2), keepdims=True), patches.max((1, 2), keepdims=True)
    return ((patches - low) / np.where(high > low, high - low, 1))[:, None]


@cache
def _photos() -> tuple[np.ndarray, ...]:
    return tuple(image.mean(2).astype(np.float32) for image in load_sample_images().images)
