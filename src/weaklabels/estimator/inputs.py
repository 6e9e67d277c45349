"""What people have -> the tensors that networks take, or one sentence that says what is wrong."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from scipy.sparse import issparse
from torch import Tensor
from torch.utils.data import Dataset

from weaklabels.checks import ROUNDING
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
        reach: smallest and largest value of the training images, as the network sees them.
        names: of the features, where they were columns of a frame.
        free: whether images need not be in [0, 1].
    """

    shape: tuple[int, ...]
    reach: tuple[float, float] | None = None
    names: tuple[str, ...] | None = None
    free: bool = False

    @property
    def are_images(self) -> bool:
        return len(self.shape) == 3

    @property
    def bounded(self) -> bool:
        """Whether they are images in [0, 1], as the network sees them."""
        return self.are_images and not self.free

    def read(self, x: Any) -> Tensor:
        """Inputs that look the same (see ``tensors``); files are read at the size of the images.

        Raises:
            ValueError: as ``tensors`` and ``check``, or if a frame has other columns.
        """
        names = columns_of(x)
        x = tensors(x, self.shape[-1], bounded=not self.free, trained=True)
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
            least, most = _reach(x)
            if self.free and (least < 2 * low - high or most > 2 * high - low):
                raise ValueError(
                    f"images reach from {least:g} to {most:g}, those of the training from {low:g} "
                    f"to {high:g}: they are of another scale"
                )
            if 0 < most - least < (high - low) / 50:
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
    are_images = x.ndim == 4
    reach = _reach(x) if are_images else None
    return Form(tuple(x.shape[1:]), reach, names, are_images and not bounded)


def _some(x: Tensor) -> Tensor:
    """Up to 2,048 evenly spaced rows."""
    return x[torch.linspace(0, len(x) - 1, min(len(x), SAMPLE)).round().long()]


def _reach(x: Tensor) -> tuple[float, float]:
    """Smallest and largest value of images as networks see them; of bytes, those of some rows."""
    part, scale = (_some(x), 255) if x.dtype == torch.uint8 else (x, 1)
    return part.min().item() / scale, part.max().item() / scale


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
    Names beside other things stay objects, where NumPy would make names of all.

    Raises:
        ValueError: if something is masked, which the array would show, or rows differ in length.
    """
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        row = int(np.argwhere(np.ma.getmaskarray(values))[0][0])
        raise ValueError(f"{what} are masked in row {row}: expected values that are all known")
    if isinstance(values, Tensor):
        return _array(values)
    try:
        array = _listed(values) if isinstance(values, list | tuple) else np.asarray(values)
    except ValueError:
        raise ValueError(
            f"{what} are a list whose rows differ in length: expected as many values in each"
        ) from None
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


def _array(values: Tensor) -> np.ndarray:
    """A tensor as an array, wherever and however it lies."""
    values = values.detach().cpu().to_dense()
    return (values.float() if values.dtype == torch.bfloat16 else values).numpy()


def _listed(values: Sequence[Any]) -> np.ndarray:
    """A list as an array, of objects if there are names and something else in it."""
    items = [_array(value) if isinstance(value, Tensor) else value for value in values]
    array = np.asarray(items)
    if array.dtype.kind not in "US":
        return array
    objects = np.asarray(items, dtype=object)
    kinds = {str if isinstance(value, str) else type(value) for value in objects.flat}
    return objects if len(kinds) > 1 else array


def tensors(
    x: Any,
    side: int,
    *,
    bounded: bool = True,
    cache: str | Path | None = None,
    trained: bool = False,
) -> Tensor:
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
        trained: whether they are for a network that is trained already: what it was trained on says
            how close together its features may be.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if the inputs have another shape or type, are not finite, are images that leave
            [0, 1], or features that 32 bits do not tell apart.
    """
    names = columns_of(x)
    if isinstance(x, Dataset):
        x = _materialised(x, side)
    if not isinstance(x, Tensor) and hasattr(x, "to_numpy"):  # of pandas
        x = x.to_numpy()
    if isinstance(x, str | Path) or _holds_files(x):
        paths = listed(x)
        if not bounded:
            raise ValueError("bounded=False is for arrays of floats: image files have a scale")
        return images(paths, side, cache, paths[0].parent)
    if issparse(x) or (isinstance(x, Tensor) and x.layout != torch.strided):
        dense = "x.to_dense()" if isinstance(x, Tensor) else "x.toarray()"
        raise ValueError(f"inputs are a sparse {type(x).__name__}: expected an array ({dense})")
    if not isinstance(x, Tensor):
        array = plain(x, "inputs")
        if array.dtype.kind not in "biuf":
            raise ValueError(
                f"inputs are {array.dtype}: expected numbers, or names of image files"
                + _where_text_is(array, names)
            )
        x = _tensor(array)
    narrow = _checked(x, bounded=bounded)
    if narrow.ndim == 2 and not trained:
        _refuse_lost(x, names)
    return narrow


def _tensor(array: np.ndarray) -> Tensor:
    """Numbers as a tensor, however they lie."""
    if array.dtype not in TORCH_TYPES:  # long doubles, sixteen bits, another byte order
        array = array.astype(np.float64)
    with warnings.catch_warnings():  # nothing here writes to an array that is read-only
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(np.ascontiguousarray(array))


def _where_text_is(array: np.ndarray, names: Sequence[str] | None) -> str:
    """The first column of a table that holds something else than numbers, in words."""
    for c, column in enumerate(array.T if array.ndim == 2 else ()):
        known = (v for v in column.tolist() if v is not None and v is not pd.NA)
        other = [v for v in known if not isinstance(v, Real | np.bool_)]
        if other:
            alone = array.shape[1] == 1 and isinstance(other[0], str)
            return (
                ", in one dimension" if alone else ""
            ) + f" (column {repr(names[c]) if names else c} holds {other[0]!r})"
    return ""


def _refuse_lost(x: Tensor, names: Sequence[str] | None) -> None:
    """Refuse features that lie too close together, beside their size, for 32 bits.

    What varies by less than numbers of 64 bits are rounded by is constant.
    """
    if x.dtype not in (torch.float64, torch.int64, torch.int32):
        return
    wide = x.detach().cpu().double()  # not every device has this type
    mean, deviation = wide.mean(0), wide.std(0, correction=0)
    close = _flat(mean, deviation) & (deviation > 1e-12 * mean.abs())
    for c in close.nonzero().flatten().tolist():
        column = wide[:, c]
        if not torch.equal(column.float().double(), column):
            raise ValueError(
                f"column {repr(names[c]) if names else c} of the inputs reaches from "
                f"{column.min().item()} to {column.max().item()}, and numbers of 32 bits hardly "
                "tell its values apart: subtract their mean, and divide by their deviation"
            )


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
        if low < -ROUNDING or high > 1 + ROUNDING:
            raise ValueError(
                f"images reach from {low:g} to {high:g}: floats are expected in [0, 1]; divide "
                f"pixels by {255 if high <= 255 else '65535 (those of 16 bits)'} or give them as "
                "uint8 (the network normalises by itself), or say bounded=False to have them taken "
                "as they are"
            )
        x = x.clamp(0, 1)  # resizing leaves the interval by rounding
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
        value = item if isinstance(item, Tensor) else _tensor(_numbers(item, number))
        if items and (value.shape, value.dtype) != (items[0].shape, items[0].dtype):
            raise ValueError(
                f"item {number} of the dataset is {tuple(value.shape)} {value.dtype}: the first "
                f"is {tuple(items[0].shape)} {items[0].dtype}"
            )
        items.append(value)
    if not items:
        raise ValueError("the dataset is empty")
    return torch.stack(items)


def _numbers(item: Any, number: int) -> np.ndarray:
    array = plain(item, f"the values of item {number} of the dataset")
    if array.dtype.kind not in "biuf":
        raise ValueError(
            f"item {number} of the dataset is a {type(item).__name__}: expected an array of "
            "numbers, an image, or a tuple that begins with one"
        )
    return array


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
        labels.append(plain(item[1], "labels"))
        if labels[-1].shape != labels[0].shape:
            raise ValueError(
                f"item {number} of the dataset has labels {labels[-1].shape}: the first has "
                f"{labels[0].shape}"
            )
    if not labels:
        raise ValueError("the dataset is empty")
    if any(label.dtype.kind in "US" for label in labels):  # NumPy would write gaps as names
        labels = [label.astype(object) for label in labels]
    return np.stack(labels)


def statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel or feature, float32, of up to 2,048 evenly spaced rows.

    A channel that is constant has deviation 1.
    """
    part = _some(x).cpu().double()  # not every device has this type
    part = part / 255 if x.dtype == torch.uint8 else part
    spread = (0, 2, 3) if part.ndim == 4 else (0,)
    mean, deviation = part.mean(spread), part.std(spread, correction=0)
    return mean.float(), torch.where(_flat(mean, deviation), 1.0, deviation).float()


def _flat(mean: Tensor, deviation: Tensor) -> Tensor:
    """Whether a column is constant, though rounding makes it look as if it varied a little."""
    return deviation <= (1e-6 * mean.abs()).clamp(min=1e-37)
