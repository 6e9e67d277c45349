"""CUB-200-2011: 312 binary attributes of bird photographs.

Official layout under ``<root>/CUB_200_2011``: ``images.txt``, ``train_test_split.txt``,
``image_class_labels.txt``, ``attributes/image_attribute_labels.txt``, ``images/``; the names of
the attributes stand in ``attributes.txt``, beside that folder or in it. An attribute is present
if its flag is 1; how certain the annotator was is ignored, as in the single-positive papers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

import numpy as np
import torch

from weaklabels.data import Split, Splits
from weaklabels.data.files import find, train_val_indices
from weaklabels.data.shards import Decoding, photographs

ATTRIBUTES = 312


def load(
    root: str | Path | None = None,
    *,
    validation: float = 0.2,
    seed: int = 1200,
    **decoding: Unpack[Decoding],
) -> Splits:
    """The official split, a share of its training part held out.

    Args:
        root: folder that holds ``CUB_200_2011``.
        validation: share of the training part held out (``train_val_indices``).
        seed: of that split.
        decoding: how the images are decoded.

    Returns:
        ``x`` memory-mapped uint8 ``(N, 3, side, side)``, ``y`` ``(N, 312)`` int8,
        ``extra``: ``certainty`` ``(N, 312)`` int8 in 1..4, ``species`` ``(N,)`` int64 from 0.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file is damaged.
    """
    base = find(root, "CUB_200_2011", "make data-cub")
    files = _by_id(base / "images.txt", "file", str)
    is_train = _by_id(base / "train_test_split.txt", "train")
    species = _by_id(base / "image_class_labels.txt", "species")
    y, certainty = read_attributes(base, len(files))
    if not len(files) == len(is_train) == len(species):
        raise ValueError(
            f"{base}: {len(files)} images, {len(is_train)} split flags and {len(species)} species, "
            "expected one of each"
        )
    if not np.isin(is_train, (0, 1)).all():
        raise ValueError(f"{base / 'train_test_split.txt'}: flags other than 0 and 1")
    rows, held_out = train_val_indices(int((is_train == 1).sum()), validation, seed)
    pool = np.flatnonzero(is_train == 1)
    parts = {"train": pool[rows], "val": pool[held_out], "test": np.flatnonzero(is_train == 0)}

    def make(name: str) -> Split | None:
        part = parts[name]
        if not len(part):
            return None
        x = photographs([base / "images" / f for f in files[part]], base, f"cub-{name}", **decoding)
        extra = {"certainty": certainty[part], "species": species[part] - 1}
        return Split(x, torch.from_numpy(y[part]), extra=extra)

    train, test = make("train"), make("test")
    if train is None or test is None:
        raise ValueError(f"{base / 'train_test_split.txt'}: no image for training, or for the test")
    return Splits(attribute_names(base), train, make("val"), test)


def attribute_names(base: Path) -> tuple[str, ...]:
    """The names of the 312 attributes, in the order of their numbers."""
    options = (base / "attributes.txt", base / "attributes" / "attributes.txt",
               base.parent / "attributes.txt")  # fmt: skip
    path = next((path for path in options if path.exists()), None)
    if path is None:
        raise FileNotFoundError(f"{options[-1]} is not there: it names the attributes")
    names = tuple(line.split(maxsplit=1)[1].strip() for line in path.read_text().splitlines())
    if len(names) != ATTRIBUTES:
        raise ValueError(f"{path}: {len(names)} attributes, expected {ATTRIBUTES}")
    return names


def read_attributes(base: Path, images: int) -> tuple[np.ndarray, np.ndarray]:
    """Presence and certainty of every attribute, both ``(images, 312)`` int8.

    The official file has lines with a field or two too many at their end; only the first four
    fields are read.

    Raises:
        FileNotFoundError: if the file is missing.
        ValueError: if an (image, attribute) pair is missing, doubled or out of range.
    """
    path = base / "attributes" / "image_attribute_labels.txt"
    image, attribute, present, certain = _table(
        path, ("image", "attribute", "present", "certainty")
    )
    image, attribute = image - 1, attribute - 1
    cell = image * ATTRIBUTES + attribute
    inside = (image >= 0) & (image < images) & (attribute >= 0) & (attribute < ATTRIBUTES)
    whole = len(cell) == images * ATTRIBUTES and len(np.unique(cell)) == len(cell)
    if not (inside.all() and whole and np.isin(present, (0, 1)).all()):
        raise ValueError(
            f"{path}: {len(cell)} lines, expected one 0 or 1 for each of {images} images and "
            f"{ATTRIBUTES} attributes"
        )
    y = np.empty(images * ATTRIBUTES, dtype=np.int8)
    certainty = np.empty_like(y)
    y[cell], certainty[cell] = present, certain
    return y.reshape(images, -1), certainty.reshape(images, -1)


def _by_id(path: Path, column: str, dtype: type = np.int64) -> np.ndarray:
    """The column of a file ``id value``, in the order of the ids 1, 2, ..., whatever that of lines.

    Raises:
        ValueError: if an id is missing, doubled or not a number.
    """
    ids, values = _table(path, ("id", column), dtype)
    if sorted(map(str, ids)) != sorted(map(str, range(1, len(ids) + 1))):
        raise ValueError(f"{path}: expected each of the ids 1 to {len(ids)} once")
    return values[np.argsort(ids.astype(np.int64))]


def _table(path: Path, columns: tuple[str, ...], dtype: type = np.int64) -> list[np.ndarray]:
    """The first columns of a file of fields separated by spaces."""
    try:
        table: np.ndarray = np.loadtxt(
            path, dtype=dtype, usecols=range(len(columns)), ndmin=2, comments=None, encoding="utf-8"
        )
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is not there: the set is incomplete") from None
    except ValueError as error:
        raise ValueError(f"{path}: not a table of {', '.join(columns)} ({error})") from None
    return list(table.T)
