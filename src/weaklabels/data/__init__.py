"""Datasets as tensors: ``load(name, root, **options) -> Splits``.

A loader is a module of this package with a function ``load(root, **options) -> Splits``. It is
imported only when it is asked for, so that a run depends on the one loader it uses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

LOADERS = {
    "digits": "weaklabels.data.digits",
    "scenes": "weaklabels.data.scenes",
    "voc2007": "weaklabels.data.voc:voc2007",
    "voc2012": "weaklabels.data.voc:voc2012",
    "voc2012_features": "weaklabels.data.voc:voc2012_features",
    "coco2014": "weaklabels.data.coco",
    "nuswide": "weaklabels.data.nuswide",
    "cub": "weaklabels.data.cub",
    "mnist": "weaklabels.data.idx:mnist",
    "fashion_mnist": "weaklabels.data.idx:fashion_mnist",
    "kmnist": "weaklabels.data.idx:kmnist",
    "cifar10": "weaklabels.data.cifar:cifar10",
    "cifar100": "weaklabels.data.cifar:cifar100",
    "tiny_imagenet": "weaklabels.data.tiny_imagenet",
    "cifar10n": "weaklabels.data.crowd:cifar10n",
    "cifar10h": "weaklabels.data.crowd:cifar10h",
    "cifar100n": "weaklabels.data.crowd:cifar100n",
    "labelme": "weaklabels.data.crowd:labelme",
    "crowd_truth_infer": "weaklabels.data.crowd:crowd_truth_infer",
    "partial_label": "weaklabels.data.partial_label",
    "mirflickr": "weaklabels.data.partial_label:mirflickr",
    "mulan": "weaklabels.data.mulan",
    "lol": "weaklabels.data.lowlight:lol",
    "lime": "weaklabels.data.lowlight:lime",
}
"""Dataset name -> module that loads it, with the function's name after a colon unless ``load``."""


@dataclass(frozen=True)
class Split:
    """One part of a dataset.

    Attributes:
        x: inputs, ``(N, c, h, w)`` images or ``(N, d)`` features. float32 in memory (images scaled
            to [0, 1]), or uint8 images in a memory map that the loader's ``images`` turns into
            batches.
        y: full truth. Multi-label: ``(N, C)`` int8 in {0, 1}. Single-label: ``(N,)`` int64.
        boxes: ``(M, 6)`` int64 rows ``(image, class, top, left, bottom, right)``, half-open, in
            pixels of ``x``; ``None`` where the dataset has no boxes.
        extra: further arrays of the dataset, by name (candidate sets of a real partial-label set,
            labels to be ignored in evaluation, ...), each with N rows.
    """

    x: torch.Tensor
    y: torch.Tensor
    boxes: torch.Tensor | None = None
    extra: Mapping[str, np.ndarray | torch.Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.x)

    def to(self, device: str | torch.device) -> Split:
        """Return the same split with inputs and truth on ``device``."""
        return Split(self.x.to(device), self.y.to(device), self.boxes, self.extra)


@dataclass(frozen=True)
class Splits:
    """A dataset: class names in column order and its parts.

    ``pretrain`` is a single-label split, disjoint from the others, that stands in for the data on
    which a paper's backbone was pre-trained.
    """

    classes: tuple[str, ...]
    train: Split
    val: Split | None
    test: Split
    pretrain: Split | None = None

    def validation(self) -> Split:
        """``val``, for those who cannot do without.

        Raises:
            ValueError: if there is none.
        """
        if self.val is None:
            raise ValueError("the data have no validation part: load them with one")
        return self.val


def load(name: str, /, root: str | Path | None = None, **options: Any) -> Splits:
    """Load a dataset.

    Args:
        name: a key of ``LOADERS``.
        root: the folder that holds downloaded datasets; embedded ones need none.
        options: passed to the loader (see its module).

    Raises:
        ValueError: if the name is unknown.
        FileNotFoundError: if a dataset's files are not under ``root``; the message names the
            command that brings them.
    """
    return loader(name)(root, **options)


def loader(name: str) -> Callable[..., Splits]:
    """The function ``(root, **options) -> Splits`` that loads dataset ``name``.

    Raises:
        ValueError: if the name is unknown.
    """
    if name not in LOADERS:
        raise ValueError(f"unknown dataset {name!r}: expected one of {', '.join(sorted(LOADERS))}")
    module, _, function = LOADERS[name].partition(":")
    return getattr(import_module(module), function or "load")
