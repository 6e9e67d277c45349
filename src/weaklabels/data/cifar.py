"""CIFAR-10 and CIFAR-100: the official Python batches, or an exact subset as one npz file.

Official layout: ``<root>/cifar-10-batches-py/{data_batch_1..5,test_batch,batches.meta}`` and
``<root>/cifar-100-python/{train,test,meta}``. The batches are pickles; they are read by an
unpickler that can build arrays, lists and strings and nothing else.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from weaklabels.data import Split, Splits
from weaklabels.data.files import find, train_val_indices

CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
SUBSET = "cifar10-subset/cifar10_subset_15k_3k.npz"


def cifar10(
    root: str | Path | None = None,
    *,
    validation: float = 0.0,
    seed: int = 1200,
    raw: bool = False,
) -> Splits:
    """CIFAR-10, 50,000 + 10,000 images, or the subset if the official batches are not there.

    Args:
        root: folder that holds ``cifar-10-batches-py``, or ``cifar10-subset``.
        validation: share of the training images held out, by ``train_val_indices``.
        seed: of the split.
        raw: keep pixels as uint8 in 0..255 instead of float32 in [0, 1].

    Returns:
        ``x`` ``(N, 3, 32, 32)`` RGB, ``y`` ``(N,)`` int64; ``extra["index"]`` ``(N,)`` int64 is
        each image's position in the official order of its part.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file is damaged.
    """
    base = find(root, ("cifar-10-batches-py", SUBSET, Path(SUBSET).name), "make data-cifar10")
    if base.suffix == ".npz":
        parts = _read_subset(base)
    else:
        train = [_batch(base / f"data_batch_{i}", b"labels") for i in range(1, 6)]
        parts = (
            _numbered(np.concatenate([x for x, _ in train]), np.concatenate([y for _, y in train])),
            _numbered(*_batch(base / "test_batch", b"labels")),
        )
    return _splits(parts, CLASSES, validation, seed, raw)


def cifar100(
    root: str | Path | None = None,
    *,
    validation: float = 0.0,
    seed: int = 1200,
    raw: bool = False,
) -> Splits:
    """CIFAR-100 with its 100 fine classes, 50,000 + 10,000 images (see ``cifar10``)."""
    base = find(root, "cifar-100-python", "make data-cifar100")
    names = read_pickle(base / "meta")
    if not isinstance(names, dict) or b"fine_label_names" not in names:
        raise ValueError(f"{base / 'meta'}: no fine_label_names in it")
    parts = tuple(_numbered(*_batch(base / part, b"fine_labels")) for part in ("train", "test"))
    classes = tuple(_text(name) for name in names[b"fine_label_names"])
    return _splits(parts, classes, validation, seed, raw)


Part = tuple[np.ndarray, np.ndarray, np.ndarray]


def _splits(
    parts: tuple[Part, ...], classes: tuple[str, ...], validation: float, seed: int, raw: bool
) -> Splits:
    def split(part: Part, rows: np.ndarray | None = None) -> Split:
        x, y, index = part if rows is None else (array[rows] for array in part)
        images = torch.from_numpy(np.ascontiguousarray(x))
        images = images if raw else images.to(torch.float32).div_(255)
        return Split(images, torch.from_numpy(y.astype(np.int64)), extra={"index": index})

    train, test = parts
    for labels in (train[1], test[1]):
        outside = labels[(labels < 0) | (labels >= len(classes))]
        if len(outside):
            raise ValueError(f"label {outside[0]}: expected 0 to {len(classes) - 1}")
    if not validation:
        return Splits(classes, split(train), None, split(test))
    rows, held_out = train_val_indices(len(train[0]), validation, seed)
    return Splits(classes, split(train, rows), split(train, held_out), split(test))


def _read_subset(path: Path) -> tuple[Part, Part]:
    with np.load(path, allow_pickle=False) as file:
        wanted = [f"{kind}_{part}" for part in ("train", "test") for kind in ("x", "y", "index")]
        missing = [key for key in wanted if key not in file.files]
        if missing:
            raise ValueError(f"{path}: no {', '.join(missing)} in it")
        parts = []
        for part in ("train", "test"):
            x, y, index = (file[f"{kind}_{part}"] for kind in ("x", "y", "index"))
            if (
                x.dtype != np.uint8
                or x.shape[1:] != (32, 32, 3)
                or not len(x) == len(y) == len(index)
            ):
                raise ValueError(
                    f"{path}: x_{part} {x.dtype} {x.shape} with {len(y)} labels, expected uint8 "
                    "(N, 32, 32, 3) with N labels"
                )
            parts.append((x.transpose(0, 3, 1, 2), y, index.astype(np.int64)))
    return parts[0], parts[1]


def _numbered(x: np.ndarray, y: np.ndarray) -> Part:
    return x, y, np.arange(len(x))


def _batch(path: Path, key: bytes) -> tuple[np.ndarray, np.ndarray]:
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: the set is incomplete, bring it again")
    content = read_pickle(path)
    if not isinstance(content, dict) or b"data" not in content or key not in content:
        raise ValueError(f"{path}: expected a batch with {key.decode()} and data")
    data, labels = np.asarray(content[b"data"]), np.asarray(content[key])
    if data.dtype != np.uint8 or data.shape != (len(labels), 3072):
        raise ValueError(
            f"{path}: data {data.dtype} {data.shape} for {len(labels)} labels, expected uint8 "
            "(N, 3072)"
        )
    return data.reshape(-1, 3, 32, 32), labels


RECONSTRUCT = np.empty(0).__reduce__()[0]
"""What pickles call to make an empty array."""


class _ArraysOnly(pickle.Unpickler):
    """Builds arrays, containers, numbers and strings; refuses every other name."""

    allowed: ClassVar[dict[tuple[str, str], Any]] = {
        ("numpy.core.multiarray", "_reconstruct"): RECONSTRUCT,
        ("numpy._core.multiarray", "_reconstruct"): RECONSTRUCT,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("_codecs", "encode"): lambda text, _encoding: text.encode("latin1"),
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.allowed:
            raise pickle.UnpicklingError(f"it wants {module}.{name}, which is not allowed")
        return self.allowed[module, name]


def read_pickle(path: str | Path) -> Any:
    """Read a pickle that holds only arrays, containers, numbers and strings (keys are bytes).

    Raises:
        ValueError: if the file is damaged, or asks for anything else.
    """
    try:
        with open(path, "rb") as file:
            return _ArraysOnly(file, encoding="bytes").load()
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged pickle raises almost anything
        raise ValueError(f"{path}: not a readable batch ({error})") from None


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name
