"""What people have -> the tensors that networks take, or one sentence that says what is wrong."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from scipy.sparse import issparse
from torch import Tensor
from torch.utils.data import Dataset

from weaklabels.data.decode import to_rgb
from weaklabels.estimator.files import images, listed

TORCH_TYPES = (
    np.bool_, np.uint8, np.int8, np.int16, np.int32, np.int64, np.float16, np.float32, np.float64,
)  # fmt: skip
SAMPLE = 2048
"""Rows that are looked at for the mean and the deviation of the inputs."""


@dataclass(frozen=True)
class Form:
    """What inputs look like: every later input must look the same.

    Attributes:
        shape: of one input: ``(c, h, w)`` of images or ``(d,)`` of features.
        reach: smallest and largest value of the training images, where these need not be in [0, 1].
        names: of the features, where they were columns of a frame.
    """

    shape: tuple[int, ...]
    reach: tuple[float, float] | None = None
    names: tuple[str, ...] | None = None

    @property
    def are_images(self) -> bool:
        return len(self.shape) == 3

    @property
    def bounded(self) -> bool:
        """Whether they are images in [0, 1], as the network sees them."""
        return self.are_images and self.reach is None

    def read(self, x: Any) -> Tensor:
        """Inputs that look the same (see ``tensors``); files are read at the size of the images.

        Raises:
            ValueError: as ``tensors`` and ``check``, or if a frame has other columns.
        """
        names = columns_of(x)
        x = tensors(x, self.shape[-1], bounded=self.reach is None)
        self.check(x)
        if names and self.names and names != self.names:
            raise ValueError(f"the inputs have columns {differing(names, self.names)} as in fit")
        if (names is None) != (self.names is None):
            given, other = ("these", "the training") if names else ("the training", "these")
            warnings.warn(
                f"the columns of {given} inputs have names, and those of {other} have none: they "
                "are taken in their order",
                stacklevel=4,
            )
        return x

    def check(self, x: Tensor) -> None:
        """Refuse inputs of another form or scale, which the network would take without a word.

        Much smaller values may be right (the images may be dark): they make a warning.

        Raises:
            ValueError: naming both.
        """
        if tuple(x.shape[1:]) != self.shape:
            raise ValueError(f"inputs are {_words(x.shape[1:])}: the model takes {self}")
        if self.reach is not None:
            low, high = self.reach
            least, most = x.min().item(), x.max().item()
            if least < 2 * low - high or most > 2 * high - low:
                raise ValueError(
                    f"images reach from {least:g} to {most:g}, those of the training from {low:g} "
                    f"to {high:g}: they are of another scale"
                )
            if most - least < (high - low) / 50:
                warnings.warn(
                    f"images reach from {least:g} to {most:g} only, those of the training from "
                    f"{low:g} to {high:g}: are they of another scale?",
                    stacklevel=4,
                )

    def __str__(self) -> str:
        return _words(self.shape)


def _words(shape: Sequence[int]) -> str:
    if len(shape) == 3:
        channels, height, width = shape
        return f"images of {height} x {width} pixels and {channels} channels"
    return f"rows of {' x '.join(map(str, shape))} features"


def form_of(x: Tensor, *, bounded: bool, names: tuple[str, ...] | None = None) -> Form:
    """The form of training inputs."""
    free = x.ndim == 4 and not bounded
    reach = (x.min().item(), x.max().item()) if free else None
    return Form(tuple(x.shape[1:]), reach, names)


def columns_of(x: Any) -> tuple[str, ...] | None:
    """Names of the columns of a frame, None for anything else and for columns merely numbered."""
    if not isinstance(x, pd.DataFrame) or x.columns.equals(pd.RangeIndex(x.shape[1])):
        return None
    return tuple(map(str, x.columns))


def differing(found: Sequence[str], wanted: Sequence[str]) -> str:
    """Where two lists of names begin to differ, in words."""
    if len(found) != len(wanted):
        return f"in the number of {len(found)}: expected {len(wanted)}"
    place = next(i for i, pair in enumerate(zip(found, wanted, strict=True)) if len(set(pair)) > 1)
    return f"of which number {place} is {found[place]!r}: expected {wanted[place]!r}"


def same_rows(x: Any, observed: Any) -> None:
    """Refuse inputs and labels of pandas whose rows are called otherwise, or lie in another order.

    Raises:
        ValueError: if their indexes differ.
    """
    both = all(isinstance(each, pd.DataFrame | pd.Series) for each in (x, observed))
    if both and len(x) == len(observed) and not x.index.equals(observed.index):
        pairs = list(zip(x.index, observed.index, strict=True))
        place = next((i for i, (one, other) in enumerate(pairs) if one != other), 0)
        raise ValueError(
            f"row {place} is {pairs[place][0]!r} in the index of the inputs and "
            f"{pairs[place][1]!r} in that of the labels: expected the same index in the same "
            "order, or labels without one (to_numpy())"
        )


def plain(values: Any, what: str) -> np.ndarray:
    """An array without a mask; objects that are numbers, truth values or gaps become numbers.

    These are float64 with NaN for gaps (of pandas, or None), or int64 if all are whole numbers.

    Raises:
        ValueError: if something is masked, which the array would show.
    """
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        row = int(np.argwhere(np.ma.getmaskarray(values))[0][0])
        raise ValueError(f"{what} are masked in row {row}: expected values that are all known")
    array = np.asarray(values)
    if array.dtype.kind != "O" or not array.ndim:
        return array
    gaps = pd.isna(array)
    known = array[~gaps]
    whole = bool | int | np.bool_ | np.integer
    if not all(isinstance(value, whole | float | np.floating) for value in known):
        return array
    if len(known) == array.size and all(isinstance(value, whole) for value in known):
        return array.astype(np.int64)
    numbers = np.full(array.shape, np.nan)
    numbers[~gaps] = known.astype(np.float64)
    return numbers


def tensors(x: Any, side: int, *, bounded: bool = True, cache: str | Path | None = None) -> Tensor:
    """Any input as ``(N, c, h, w)`` images, uint8 or float32 in [0, 1], or ``(N, d)`` float32.

    Args:
        x: a folder of images; a list of image files; an array or a tensor; or a
            ``torch.utils.data.Dataset`` whose items are inputs, or tuples that begin with one.
            Arrays may have their channels last if these are 1 or 3 and the second dimension is
            not; 2 or 4 in the last place are refused. Images in [0, 1] may be of any
            floating-point type, whole numbers must be uint8.
        side: of the squares to which image files are resized, pixels.
        bounded: floating-point images are in [0, 1]; if not, they are taken as they are, and others
            are refused, as nobody knows how their scales compare.
        cache: where decoded files go; default: ``.weaklabels`` beside the first file.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if the inputs have another shape or type, are not finite, or are images that
            leave [0, 1].
    """
    if isinstance(x, Dataset):
        return _checked(_materialised(x, side), bounded=bounded)
    if not isinstance(x, Tensor) and hasattr(x, "to_numpy"):  # of pandas
        x = x.to_numpy()
    if isinstance(x, str | Path) or _holds_files(x):
        paths = listed(x)
        if not bounded:
            raise ValueError("bounded=False is for arrays of floats: image files have a scale")
        return images(paths, side, cache, paths[0].parent)
    if issparse(x):
        raise ValueError(f"inputs are a sparse {type(x).__name__}: expected an array (x.toarray())")
    if not isinstance(x, Tensor):
        array = plain(x, "inputs")
        if array.dtype.kind not in "biuf":
            raise ValueError(f"inputs are {array.dtype}: expected numbers, or names of image files")
        if array.dtype not in TORCH_TYPES:  # long doubles, sixteen bits, another byte order
            array = array.astype(np.float64)
        with warnings.catch_warnings():  # nothing here writes to an array that is read-only
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")
            x = torch.from_numpy(np.ascontiguousarray(array))
    return _checked(x, bounded=bounded)


def _holds_files(x: Any) -> bool:
    if isinstance(x, np.ndarray):
        return x.dtype.kind in "UO" and x.ndim == 1 and all(isinstance(i, str | Path) for i in x)
    return isinstance(x, list | tuple) and len(x) > 0 and all(isinstance(i, str | Path) for i in x)


def _checked(x: Tensor, *, bounded: bool) -> Tensor:
    x = x.detach()
    if x.ndim not in (2, 4) or not len(x) or 0 in x.shape:
        raise ValueError(
            f"inputs {tuple(x.shape)}: expected (N, c, h, w) images or (N, d) features, N >= 1"
        )
    if x.ndim == 4 and x.shape[1] not in (1, 3) and x.shape[3] in (1, 3):
        x = x.permute(0, 3, 1, 2).contiguous()
    elif x.ndim == 4 and x.shape[1] > 4 >= x.shape[3]:
        raise ValueError(
            f"images {tuple(x.shape)} have {x.shape[3]} channels in the last place: expected "
            "(N, c, h, w), or colours without transparency"
        )
    if x.dtype == torch.uint8 and x.ndim == 4 and bounded:
        return x
    if x.ndim == 4 and not x.is_floating_point():
        expected = "uint8 of 0 to 255, or floats in [0, 1]" if bounded else "floats (bounded=False)"
        raise ValueError(f"images are {x.dtype}: expected {expected}")
    if x.is_complex():
        raise ValueError(f"inputs are {x.dtype}: expected real numbers")
    x = x.to(torch.float32)
    _finite(x)
    if x.ndim == 4 and bounded:
        low, high = x.min().item(), x.max().item()
        if low < 0 or high > 1:
            raise ValueError(
                f"images reach from {low:g} to {high:g}: floats are expected in [0, 1]; divide "
                "pixels by 255 or give them as uint8 (the network normalises by itself), or say "
                "bounded=False to have them taken as they are"
            )
    return x


def _finite(x: Tensor) -> None:
    for first, block in zip(range(0, len(x), 4096), x.split(4096), strict=True):
        good = block.flatten(1).isfinite().all(1)
        if not bool(good.all()):
            row = first + int((~good).nonzero()[0])
            raise ValueError(f"input {row} holds a value that is not a finite number (in float32)")


def _materialised(data: Dataset, side: int) -> Tensor:
    """All inputs of a dataset as one tensor."""
    _counted(data)
    items: list[Tensor] = []
    for number in range(len(data)):  # type: ignore[arg-type]
        item = data[number]
        item = item[0] if isinstance(item, tuple | list) else item
        if isinstance(item, Image.Image):
            pixels = to_rgb(item, upright=True).resize((side, side), Image.Resampling.BILINEAR)
            item = np.asarray(pixels).transpose(2, 0, 1).copy()
        value = item if isinstance(item, Tensor) else torch.as_tensor(plain(item, "inputs"))
        if items and (value.shape, value.dtype) != (items[0].shape, items[0].dtype):
            raise ValueError(
                f"item {number} of the dataset is {tuple(value.shape)} {value.dtype}: the first "
                f"is {tuple(items[0].shape)} {items[0].dtype}"
            )
        items.append(value)
    if not items:
        raise ValueError("the dataset is empty")
    return torch.stack(items)


def _counted(data: Dataset) -> None:
    if not hasattr(data, "__len__"):
        raise ValueError(
            f"a {type(data).__name__} has no length: expected a dataset whose items have numbers"
        )


def labels_of(data: Any) -> Any:
    """The second entries of a dataset's items, as one array.

    Raises:
        ValueError: if it is no dataset, an item is not a tuple of input and label, or its label is
            masked.
    """
    if not isinstance(data, Dataset):
        raise ValueError("no labels are given: fit(x, observed), or fit(dataset)")
    _counted(data)
    labels = []
    for number in range(len(data)):  # type: ignore[arg-type]
        item = data[number]
        if not isinstance(item, tuple | list) or len(item) < 2:
            raise ValueError(f"item {number} of the dataset has no label: give them as observed")
        labels.append(item[1].numpy() if isinstance(item[1], Tensor) else plain(item[1], "labels"))
    return np.stack(labels)


def statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel or feature, float32, of up to 2,048 evenly spaced rows.

    A channel that is constant has deviation 1.
    """
    rows = torch.linspace(0, len(x) - 1, min(len(x), SAMPLE)).round().long()
    part = x[rows].cpu().double()  # not every device has this type
    part = part / 255 if x.dtype == torch.uint8 else part
    spread = (0, 2, 3) if part.ndim == 4 else (0,)
    mean, deviation = part.mean(spread), part.std(spread, correction=0)
    # Rounding makes a constant column look as if it varied a little.
    flat = deviation <= 1e-6 * mean.abs().clamp(min=1e-12)
    return mean.float(), torch.where(flat, 1.0, deviation).float()
