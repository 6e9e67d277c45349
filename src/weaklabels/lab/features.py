"""Photographs as a frozen network sees them: its features take the place of the pixels.

Training a network on photographs takes hours of a processor. What a pretrained one makes of them is
computed once, kept, and shared by all runs; a small network learns on top of it. An augmentation is
then one of several views whose features are kept as well.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from weaklabels.backbones import MOBILENET_FILE, Backbone, extract_features, mobilenet_v1
from weaklabels.data.augment import pipeline
from weaklabels.data.files import find
from weaklabels.seeding import torch_rng

RESOLUTION = 96
"""Pixels of a side, to which small photographs are enlarged."""

WIDTH = 1024
"""Features of a photograph."""

SMALLEST = 1e-3
"""Deviations below it are taken for it: such a feature is nearly always 0."""

DESCRIPTION = f"frozen MobileNet v1 (ImageNet), {RESOLUTION} pixels, standardised"


def extracted(
    images: Tensor, root: str, cache: str, *, steps: tuple[tuple[Any, ...], ...] = (), view: int = 0
) -> Tensor:
    """Globally averaged features of a frozen MobileNet, computed once.

    Args:
        images: ``(N, 3, h, w)`` uint8.
        root: folder of datasets, where its weights are.
        cache: folder where features are kept.
        steps: what is done to the images first, for ``data.augment.pipeline``; drawn once.
        view: number of the draw.

    Returns:
        ``(N, WIDTH)`` float32, on the CPU.

    Raises:
        FileNotFoundError: if the weights are not there.
    """
    seen = pipeline(steps, torch_rng(view, "view"))(images) if steps else images
    return extract_features(seen, _backbone(root), resolution=RESOLUTION, cache=Path(cache))


@lru_cache(maxsize=1)
def _backbone(root: str) -> Backbone:
    return mobilenet_v1(find(root, MOBILENET_FILE, "make data-imagenet-weights"))


def standardised(train: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
    """All features, with the mean and the deviation of the training images ``(N, D)`` taken off."""
    mean, deviation = train.mean(0), train.std(0).clamp(min=SMALLEST)
    return tuple((each - mean) / deviation for each in (train, *others))


class FirstView(nn.Module):
    """Features as a network wants them ``(B, D)``; of several views ``(B, V, D)`` the first."""

    def forward(self, x: Tensor) -> Tensor:
        return (x[:, 0] if x.ndim == 3 else x).float()
