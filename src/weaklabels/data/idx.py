"""MNIST, Fashion-MNIST and Kuzushiji-MNIST: the idx format of LeCun, Cortes and Burges.

Official layout (that of torchvision): ``<root>/<folder>/raw/train-images-idx3-ubyte.gz`` and the
three files beside it, gzipped or not.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import TypedDict, Unpack

import numpy as np
import torch

from weaklabels.data import Split, Splits
from weaklabels.data.files import find, random_parts, train_val_indices

FASHION = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
    "Ankle boot",
)  # fmt: skip
DIGITS = tuple("0123456789")
KUZUSHIJI = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")


class Options(TypedDict, total=False):
    """Options of the three sets (see ``_load``)."""

    validation: float
    seed: int
    resplit_test: float | None
    raw: bool


def mnist(root: str | Path | None = None, **options: Unpack[Options]) -> Splits:
    """MNIST, 60,000 + 10,000 images (options: see ``_load``)."""
    return _load(root, "MNIST", DIGITS, "make data-mnist", **options)


def fashion_mnist(root: str | Path | None = None, **options: Unpack[Options]) -> Splits:
    """Fashion-MNIST, 60,000 + 10,000 images (options: see ``_load``)."""
    return _load(root, "FashionMNIST", FASHION, "make data-fashion-mnist", **options)


def kmnist(root: str | Path | None = None, **options: Unpack[Options]) -> Splits:
    """Kuzushiji-MNIST, 60,000 + 10,000 images (options: see ``_load``)."""
    return _load(root, "KMNIST", KUZUSHIJI, "make data-kmnist", **options)


def _load(
    root: str | Path | None,
    folder: str,
    classes: tuple[str, ...],
    command: str,
    *,
    validation: float = 0.0,
    seed: int = 1200,
    resplit_test: float | None = None,
    raw: bool = False,
) -> Splits:
    """Load one of the three sets.

    Args:
        root: folder that holds ``<folder>/raw``.
        folder: official folder name.
        classes: class names.
        command: what brings the set.
        validation: share of the training images held out, by ``train_val_indices``.
        seed: of the split.
        resplit_test: if given, the training images are not read; this share of the official test
            images tests and the others train (for a copy without training images).
        raw: keep pixels as uint8 in 0..255 instead of float32 in [0, 1].

    Returns:
        ``x`` ``(N, 1, 28, 28)``, ``y`` ``(N,)`` int64.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file is damaged.
    """
    base = find(root, f"{folder}/raw", command)
    x_test, y_test = _pair(base, "t10k", len(classes), command)
    if resplit_test is not None:
        train, val, test = random_parts(len(x_test), resplit_test, seed, validation)
        x, y, x_test, y_test = x_test, y_test, x_test[test], y_test[test]
    else:
        x, y = _pair(base, "train", len(classes), command)
        train, val = train_val_indices(len(x), validation, seed)
        val = val if len(val) else None

    def split(images: np.ndarray, labels: np.ndarray, rows: np.ndarray | None = None) -> Split:
        if rows is not None and len(rows) < len(images):
            images, labels = images[rows], labels[rows]
        x = torch.from_numpy(np.array(images)[:, None])
        y = torch.from_numpy(labels.astype(np.int64))
        return Split(x if raw else x.to(torch.float32).div_(255), y)

    return Splits(
        classes, split(x, y, train), None if val is None else split(x, y, val),
        split(x_test, y_test),
    )  # fmt: skip


def _pair(base: Path, prefix: str, classes: int, command: str) -> tuple[np.ndarray, np.ndarray]:
    files = {}
    for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"):
        name = f"{prefix}-{kind}"
        files[kind] = find(base, (f"{name}.gz", name), command)
    images, labels = (read_idx(path) for path in files.values())
    path = files["labels-idx1-ubyte"]
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
        raise ValueError(
            f"{path}: {labels.shape} labels for images of shape {images.shape}, expected one each"
        )
    if len(labels) and labels.max() >= classes:
        raise ValueError(f"{path}: label {labels.max()}, expected 0..{classes - 1}")
    return images, labels


def read_idx(path: str | Path) -> np.ndarray:
    """Read an idx file of unsigned bytes, gzipped if its name ends in ``.gz``.

    Returns:
        A read-only uint8 array of the shape that stands in the header.

    Raises:
        ValueError: if the file is damaged, cut short, or of another type.
    """
    path = Path(path)
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path}: damaged or cut short ({error})") from None
    if len(data) < 4 or data[:3] != b"\x00\x00\x08":
        raise ValueError(f"{path}: not an idx file of unsigned bytes (starts with {data[:4]!r})")
    dimensions = data[3]
    header = 4 + 4 * dimensions
    shape = tuple(int(n) for n in np.frombuffer(data[4:header], dtype=">i4"))
    if len(shape) != dimensions or len(data) != header + int(np.prod(shape)):
        raise ValueError(f"{path}: {len(data)} bytes, expected {shape} values after the header")
    return np.frombuffer(data, dtype=np.uint8, offset=header).reshape(shape)
