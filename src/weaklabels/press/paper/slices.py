"""A few examples of every dataset that the papers use.

What is under the folder of datasets is read by its own loader, of VOC's photographs the first ones
alone; what is not there is made up, with the shape, the classes and the further arrays of the real
one. Sides of photographs are those of the papers on a GPU, and a fourteenth of them on a CPU.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache, wraps
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from weaklabels import data
from weaklabels.data import Split, Splits
from weaklabels.lab import candidate_setting
from weaklabels.seeding import numpy_rng, torch_rng

ANSWERS = 59


@dataclass(frozen=True)
class Size:
    """How small a slice is.

    Attributes:
        images: training photographs with several labels; half as many validate, and test.
        each: training examples of each class where an example has one label; as many test.
        examples: fewer of each class where there would be more than so many in all.
        batch: examples a step, at most.
        factor: by which sides of photographs are divided.
    """

    images: int
    each: int
    examples: int
    batch: int
    factor: int

    def of_each(self, classes: int) -> int:
        """Examples of each of so many classes, at least one."""
        return max(1, min(self.each, self.examples // classes))


SIZES = {"cpu": Size(6, 2, 200, 6, 14), "cuda": Size(64, 8, 1600, 32, 1)}
"""So many photographs that the five which notebooks show are among them, and that no step has a
single one: there batch normalisation refuses maps of one pixel."""


def size_for(device: str) -> Size:
    """The size of slices on a device."""
    return SIZES["cpu" if device == "cpu" else "cuda"]


@dataclass(frozen=True)
class Published:
    """A dataset as it is published.

    Attributes:
        counts: examples that train, validate and test, as the chapters split it.
        shape: of an example; the side of photographs is an option.
        classes: their number.
        several: whether an example has several labels.
        extra: names of further arrays.
    """

    counts: tuple[int, int, int]
    shape: tuple[int, ...]
    classes: int
    several: bool = False
    extra: tuple[str, ...] = ()


def _photographs(train: int, val: int, test: int, classes: int) -> Published:
    return Published((train, val, test), (3, 448, 448), classes, several=True)


def _small(train: int, test: int, *shape: int, classes: int = 10, extra: Any = ()) -> Published:
    return Published((train, 0, test), shape, classes, extra=extra)


PUBLISHED = {
    "voc2007": _photographs(5011, 0, 4952, 20),
    "voc2012": _photographs(4574, 1143, 5823, 20),
    "coco2014": _photographs(77_978, 4104, 40_137, 80),
    "nuswide": _photographs(129_431, 32_358, 107_859, 81),
    "cub": _photographs(4795, 1199, 5794, 312),
    "mnist": _small(60_000, 10_000, 1, 28, 28),
    "fashion_mnist": _small(60_000, 10_000, 1, 28, 28),
    "kmnist": _small(60_000, 10_000, 1, 28, 28),
    "cifar10": _small(50_000, 10_000, 3, 32, 32),
    "cifar100": _small(50_000, 10_000, 3, 32, 32, classes=100),
    "tiny_imagenet": _small(100_000, 10_000, 3, 64, 64, classes=200),
    "cifar10n": _small(
        50_000, 10_000, 3, 32, 32, extra=("aggre_label", "random_label1", "worse_label")
    ),
    "cifar100n": _small(50_000, 10_000, 3, 32, 32, classes=100, extra=("noisy_label",)),
    "labelme": Published((10_000, 500, 1188), (512, 4, 4), 8, extra=("answers",)),
    "partial_label": Published((3300, 0, 820), (108,), 16, extra=("candidates",)),
    "lol": Published((485, 0, 15), (3, 400, 600), 1, extra=("reference",)),
}
"""Datasets of the profile ``paper`` that are not embedded; the real-world sets of partial labels
stand under one name, with the sizes of the middle ones."""


@contextmanager
def installed(size: Size, seen: Callable[[str, bool], None] = lambda *_: None) -> Iterator[None]:
    """Within this block ``data.load`` gives slices.

    Args:
        size: how small they are.
        seen: told each dataset that was asked for, and whether it was made up.
    """
    if data.LOADERS["voc2012"].startswith(__name__):  # by who called
        yield
        return
    places = {name: f"{__name__}:{name}" for name in PUBLISHED}
    real = {name: data.loader(name) for name in PUBLISHED}
    loaders = {name: _slicing(name, real[name], size, seen) for name in PUBLISHED}
    with (
        patch.dict(data.LOADERS, places),
        patch.dict(globals(), loaders),
        patch.object(candidate_setting, "data", _Asked(real)),
    ):
        yield


class _Asked:
    """Stands in for ``weaklabels.data`` where settings ask which datasets are at hand.

    They hear the truth, and so follow the runs that ``make record`` would compute. Only where all
    images are missing, and it would compute nothing, everything is there: made up.
    """

    def __init__(self, real: Mapping[str, Callable[..., Splits]]) -> None:
        self.real = real
        self.images_at_hand = cache(self._images_at_hand)

    def load(self, name: str, root: str | None = None, **options: Any) -> Splits:
        """Load a dataset.

        Raises:
            FileNotFoundError: if its files are missing, and those of some images are not.
        """
        if self.images_at_hand(root):
            return self.real[name](root, **options)
        return data.load(name, root, **options)

    def _images_at_hand(self, root: str | None) -> bool:
        for name in candidate_setting.IMAGES:
            with suppress(FileNotFoundError):
                self.real[name](root)
                return True
        return False


def _slicing(
    name: str, real: Callable[..., Splits], size: Size, seen: Callable[[str, bool], None]
) -> Callable[..., Splits]:
    @wraps(real)  # its options and its code are looked at
    def load(root: str | Path | None = None, **options: Any) -> Splits:
        try:
            base = _first_photographs(root, size) if name == "voc2012" else root
            splits, at_hand = real(base, **options), True
        except FileNotFoundError:
            splits, at_hand = made_up(name, size, **options), False
        seen(name, not at_hand)
        return cut(splits, size)

    return load


def _first_photographs(root: str | Path | None, size: Size) -> Path:
    """A devkit of VOC 2012 that lists the first photographs alone; its files are links.

    Raises:
        FileNotFoundError: if there is no devkit.
    """
    from weaklabels.data.files import find

    places = ("VOCdevkit/VOC2012", "voc2012-subset-small/VOCdevkit/VOC2012")
    kit = find(root, places, "make data-voc2012").resolve()
    place = hashlib.sha256(str(kit).encode()).hexdigest()[:8]  # links of another are no use
    folder = Path(os.environ["WEAKLABELS_BUILD"]) / f"voc2012-{size.images}-{place}"
    ours = folder / "VOCdevkit" / "VOC2012"
    lists = ours / "ImageSets" / "Main"
    lists.mkdir(parents=True, exist_ok=True)
    for part in ("JPEGImages", "Annotations"):
        with suppress(FileExistsError):  # another process was as quick
            (ours / part).symlink_to(kit / part)
    for path in (kit / "ImageSets" / "Main").glob("*.txt"):
        lines = path.read_text().splitlines(keepends=True)
        temporary = lists / f"{path.name}.{os.getpid()}"
        temporary.write_text("".join(lines[: 2 * size.images]))
        temporary.replace(lists / path.name)
    return folder


def made_up(name: str, size: Size, *, resolution: int | None = None, **options: Any) -> Splits:
    """Random examples in the form of a dataset."""
    form = PUBLISHED[name]
    shape = form.shape
    if name == "lol":
        shape = (3, shape[1] // size.factor, shape[2] // size.factor)
    elif form.several:
        side = resolution or shape[-1]
        shape = (3, side, side)
    chance, order = torch_rng(0, name), numpy_rng(0, name)
    whole = form.several or options.get("raw") or name == "tiny_imagenet"

    def make(part: int) -> Split | None:
        count = size.images
        if not form.several and form.classes > 1:
            count = size.of_each(form.classes) * form.classes
        if part and not form.counts[part]:
            return None
        x = torch.rand(count, *shape, generator=chance)
        y = _truth(form, count, order)
        extra = {key: _further(key, form, x, y, order) for key in form.extra}
        boxes = _boxes(y, x.shape[-1]) if form.several else None
        return Split((255 * x).to(torch.uint8) if whole else x, y, boxes, extra)

    train, val, test = (make(part) for part in range(3))
    assert train is not None
    assert test is not None
    if val is None and options.get("validation"):
        val = test
    return Splits(tuple(f"class {k}" for k in range(form.classes)), train, val, test)


def _truth(form: Published, count: int, order: np.random.Generator) -> Tensor:
    if not form.several:
        return torch.arange(count) % form.classes
    y = (order.random((count, form.classes)) < 1.5 / form.classes).astype(np.int8)
    y[np.arange(count), np.arange(count) % form.classes] = 1
    return torch.from_numpy(y)


def _boxes(y: Tensor, side: int) -> Tensor:
    """One box ``(image, class, top, left, bottom, right)`` for each that is present."""
    image, present = torch.nonzero(y == 1, as_tuple=True)
    ends = torch.tensor([side // 4, side // 4, side // 2, side // 2]).expand(len(image), 4)
    return torch.cat([image[:, None], present[:, None], ends], 1)


def _further(key: str, form: Published, x: Tensor, y: Tensor, order: np.random.Generator) -> Any:
    count = len(y)
    if key == "reference":
        return (2 * x).clamp(max=1)
    if key == "answers":
        given = order.random((count, ANSWERS)) < 0.1
        given[:, 0] = True
        return np.where(given, order.integers(0, form.classes, (count, ANSWERS)), -1)
    if key == "candidates":
        sets = order.random((count, form.classes)) < 0.2
        sets[np.arange(count), y.numpy()] = True
        return sets
    wrong = order.random(count) < 0.3
    return np.where(wrong, order.integers(0, form.classes, count), y.numpy())


def cut(splits: Splits, size: Size) -> Splits:
    """The first examples of every part: of each class where an example has one label."""
    val = None if splits.val is None else _first(splits.val, size)
    return replace(
        splits, train=_first(splits.train, size), val=val, test=_first(splits.test, size)
    )


def _first(split: Split, size: Size) -> Split:
    if split.y.ndim > 1 or not split.y.any():
        rows = np.arange(min(len(split), size.images))
    else:
        labels = split.y.numpy()
        classes = np.unique(labels)
        each = size.of_each(len(classes))
        firsts = [np.flatnonzero(labels == k)[:each] for k in classes]
        rows = np.sort(np.concatenate(firsts))
    kept = torch.from_numpy(rows)
    boxes = None
    if split.boxes is not None:  # the first column counts images, and the rows are the first ones
        boxes = split.boxes[split.boxes[:, 0] < len(rows)]
    extra: dict[str, np.ndarray | Tensor] = {
        key: values[kept] if isinstance(values, Tensor) else values[rows]
        for key, values in split.extra.items()
    }
    return Split(split.x[kept], split.y[kept], boxes, extra)
