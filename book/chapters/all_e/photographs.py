"""Dark photographs, their references, patches of them, and what an enhanced one is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.datasets import load_sample_image
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)
from torchvision.transforms.functional import InterpolationMode, rotate

from weaklabels import data
from weaklabels.lab.spec import Data
from weaklabels.methods import all_e
from weaklabels.seeding import numpy_rng

BLOCK = 100
"""After so many episodes, at most, the state of a run is kept."""


@dataclass(frozen=True, kw_only=True)
class Enhancement(Data):
    """Which photographs are enhanced, and spec.

    Attributes:
        dataset: ``"china"`` (scikit-learn's photograph, darkened) or ``"lol"``; the options are
            those of ``china`` or of the loader.
        test_steps: bends of the curve at test time.
        device: where to compute.
    """

    dataset: str = "china"
    test_steps: int = 6
    device: str = "cpu"

    def code(self) -> list[Any]:
        """What the run depends on besides what reading its function shows."""
        return [] if self.dataset == "china" else super().code()


@dataclass(frozen=True, kw_only=True)
class Learnt(Enhancement):
    """An enhancement that is learnt from patches of the training photographs.

    Attributes:
        episodes: batches that are learnt from.
        batch, crop: number and side of the patches of one; ``scales`` by which they are shrunk.
        turn: half of the patches are turned by up to so many degrees.
        lr: of Adam.
        checkpoint: a run that was killed goes on after its last block of episodes.
    """

    checkpoint: ClassVar[bool] = True
    episodes: int = 400
    batch: int = 3
    crop: int = 24
    scales: tuple[int, ...] = (1, 2, 3)
    turn: float = 0.0
    lr: float = 2e-3

    @property
    def block(self) -> int:
        """Episodes after which the state of a run is kept."""
        return min(BLOCK, (self.episodes + 1) // 2)


@dataclass(frozen=True)
class Photographs:
    """Low-light images ``(N, 3, h, w)`` and what they should look like; no pixel is in both parts.

    Training references are for tuning one comparator that is marked accordingly.
    """

    train: Tensor
    train_reference: Tensor
    test: Tensor
    test_reference: Tensor


def photographs(spec: Enhancement) -> Photographs:
    """The images of a run.

    Raises:
        ValueError: if there is no such dataset.
        FileNotFoundError: if files are missing.
    """
    if spec.dataset == "china":
        return china(spec.seed, **dict(spec.data_options))
    if spec.dataset != "lol":
        raise ValueError(f"dataset {spec.dataset!r}: expected 'china' or 'lol'")
    splits = data.load("lol", spec.data_root, **dict(spec.data_options))
    train, test = splits.train, splits.test
    return Photographs(train.x, train.extra["reference"], test.x, test.extra["reference"])


def china(seed: int, copies: int = 32, tests: int = 6) -> Photographs:
    """Darkened versions of one photograph's halves: ``copies`` of the left, ``tests`` of the right.

    The latter are the same for all seeds.
    """
    left, right = halves()
    train = darken(left, copies, numpy_rng(seed, "darkening"))
    test = darken(right, tests, numpy_rng(0, "darkening of the test photograph"))
    return Photographs(train, left.expand_as(train), test, right.expand_as(test))


def halves() -> tuple[Tensor, Tensor]:
    """Every second pixel of china.jpg, left and right half: ``(3, 214, 160)`` each."""
    pixels = load_sample_image("china.jpg")[::2, ::2].transpose(2, 0, 1)
    image = torch.from_numpy(np.ascontiguousarray(pixels)).float() / 255
    return image[..., :160], image[..., 160:]


def darken(photograph: Tensor, copies: int, rng: np.random.Generator) -> Tensor:
    """Low-light versions ``(copies, 3, h, w)`` of ``(3, h, w)``.

    Light falls linearly across the image, at a random angle, from U(.5, .8) to U(.12, .22) of the
    original; normal noise of deviation 0.01; then [0, 1].
    """
    _, h, w = photograph.shape
    down, across = np.mgrid[0 : 1 : h * 1j, 0 : 1 : w * 1j]
    made = []
    for _ in range(copies):
        angle, low, high = rng.uniform(0, 2 * np.pi), rng.uniform(0.12, 0.22), rng.uniform(0.5, 0.8)
        place = np.cos(angle) * across + np.sin(angle) * down
        place = (place - place.min()) / np.ptp(place)
        light = torch.from_numpy(low + (high - low) * place).float()
        noise = torch.from_numpy(rng.normal(0, 0.01, photograph.shape)).float()
        made.append((photograph * light + noise).clamp(0, 1))
    return torch.stack(made)


def patches(images: Tensor, spec: Learnt, rng: np.random.Generator) -> Tensor:
    """A batch of training patches ``(batch, 3, crop, crop)``: shrunk, mirrored, turned."""
    found = []
    for _ in range(spec.batch):
        image, scale = images[rng.integers(len(images))], int(rng.choice(spec.scales))
        side = spec.crop * scale
        top, left = (int(rng.integers(n - side + 1)) for n in image.shape[1:])
        patch = F.avg_pool2d(image[:, top : top + side, left : left + side], scale)
        if rng.random() < 0.5:
            patch = patch.flip(2)
        if spec.turn and rng.random() < 0.5:
            angle = float(rng.uniform(-spec.turn, spec.turn))
            patch = rotate(patch, angle, InterpolationMode.BILINEAR)
        found.append(patch)
    return torch.stack(found).to(spec.device, memory_format=torch.channels_last)


MEASURES = ("psnr", "ssim", "score", "light", "error")
"""What ``measures`` returns."""


def measures(image: Tensor, reference: Tensor) -> dict[str, float]:
    """Of ``(1, 3, h, w)`` after storing it as bytes.

    Returns:
        ``psnr`` (dB) and ``ssim`` against the reference (torchmetrics, range 1), ``score`` by the
        stand-in judge, ``light``, the mean value, ``error``, mean absolute difference of luminance
        from the reference.
    """
    stored = all_e.to_bytes(image).float() / 255
    gap = (all_e.luminance(stored) - all_e.luminance(reference)).abs().mean()
    return {
        "psnr": float(peak_signal_noise_ratio(stored, reference, data_range=1.0)),
        "ssim": float(structural_similarity_index_measure(stored, reference, data_range=1.0)),
        "score": float(all_e.stand_in(stored)),
        "light": float(stored.mean()),
        "error": float(gap),
    }
