"""Small helpers of the loaders: finding files, splitting, stratifying."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def find(root: str | Path | None, relative: str | tuple[str, ...], command: str) -> Path:
    """The first of some paths under ``root`` that exists.

    Args:
        root: folder that holds the datasets in their official layout.
        relative: one path below ``root``, or several of which any will do.
        command: what brings the dataset, such as ``make data-voc2012``.

    Raises:
        FileNotFoundError: naming the missing path and the command.
    """
    options = (relative,) if isinstance(relative, str) else relative
    base = Path("data") if root is None else Path(root)
    for option in options:
        if (base / option).exists():
            return base / option
    raise FileNotFoundError(f"{base / options[0]} is not there: bring it with `{command}`")


def train_val_indices(count: int, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split ``count`` examples as the single-positive papers' code does.

    One legacy permutation; the last ``round(fraction * count)`` entries validate (half to even);
    both parts are sorted. Source: snucml/LargeLossMatters and Correr-Zhou/SPML-AckTheUnknown,
    datasets.py.

    Returns:
        int64 indices of the training and of the validation part.

    Raises:
        ValueError: if ``fraction`` is not in [0, 1).
    """
    if not 0 <= fraction < 1:
        raise ValueError(f"validation fraction {fraction}: expected a number in [0, 1)")
    order = np.random.RandomState(seed).permutation(count)
    held_out = int(np.round(fraction * count))
    return np.sort(order[: count - held_out]), np.sort(order[count - held_out :])


def stratified_parts(
    y: np.ndarray, fractions: tuple[float, ...], rng: np.random.Generator
) -> list[np.ndarray]:
    """Split multi-label examples so that every part has its share of every class.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011, Algorithm 1): the rarest
    class still to be placed goes first, each of its examples to the part that lacks most of it.

    Args:
        y: ``(N, C)`` truth in {0, 1}.
        fractions: share of each part; they add up to 1.
        rng: breaks ties and places examples without any class.

    Returns:
        One sorted int64 index array per part.

    Raises:
        ValueError: if the fractions do not add up to 1.
    """
    shares = np.asarray(fractions, dtype=np.float64)
    if not np.isclose(shares.sum(), 1.0) or (shares <= 0).any():
        raise ValueError(f"fractions {fractions}: expected positive numbers that add up to 1")
    y = np.asarray(y).astype(bool)
    wanted_of_class = shares[:, None] * y.sum(0)[None, :].astype(np.float64)
    wanted = shares * len(y)
    part_of = np.full(len(y), -1)
    while (part_of < 0).any():
        free = part_of < 0
        left = y[free].sum(0)
        if left.sum() == 0:
            examples = np.flatnonzero(free)
            by_class = None
        else:
            by_class = int(np.argmin(np.where(left > 0, left, np.iinfo(np.int64).max)))
            examples = np.flatnonzero(free & y[:, by_class])
        for i in rng.permutation(examples):
            need = wanted if by_class is None else wanted_of_class[:, by_class]
            best = np.flatnonzero(need == need.max())
            best = best[wanted[best] == wanted[best].max()]
            part = int(rng.choice(best))
            part_of[i] = part
            wanted_of_class[part, y[i]] -= 1
            wanted[part] -= 1
    return [np.flatnonzero(part_of == part) for part in range(len(shares))]


def random_parts(
    count: int, test: float, seed: int, validation: float = 0.0
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """Random training, validation and test indices, for sets without an official split.

    Args:
        count: number of examples.
        test: share of the examples that tests.
        seed: of the permutation (``numpy.random.default_rng``).
        validation: share of the examples that validates; 0 for none.

    Raises:
        ValueError: if a share is out of range or leaves no training example.
    """
    n_test, n_val = round(count * test), round(count * validation)
    if not 0 < test < 1 or validation < 0 or count - n_test - n_val < 1:
        raise ValueError(
            f"test {test} and validation {validation} of {count} examples: expected shares that "
            "leave examples to train on"
        )
    order = np.random.default_rng(seed).permutation(count)
    val = np.sort(order[n_test : n_test + n_val]) if n_val else None
    return np.sort(order[n_test + n_val :]), val, np.sort(order[:n_test])


def scale_box(
    box: tuple[float, float, float, float], size: tuple[int, int], side: int
) -> tuple[int, int, int, int]:
    """Scale a box to a square frame: edges rounded, at least one pixel, inside the frame.

    Args:
        box: (top, left, bottom, right) in pixels of the original, half-open.
        size: (height, width) of the original.
        side: side of the new frame, pixels.
    """
    scaled = []
    for low, high, extent in ((box[0], box[2], size[0]), (box[1], box[3], size[1])):
        start = min(max(round(low * side / extent), 0), side - 1)
        scaled.append((start, min(max(round(high * side / extent), start + 1), side)))
    (top, bottom), (left, right) = scaled
    return top, left, bottom, right


def finite(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    """The values, none of which may be infinite or not a number.

    Args:
        path: the file that they come from.
        name: what they are called in it.
        values: ``(N, ...)`` numbers.

    Raises:
        ValueError: naming the file and the first bad row.
    """
    good = np.isfinite(values).reshape(len(values), -1).all(1)
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        raise ValueError(f"{path}: row {row} of {name} holds a value that is not finite")
    return values


def standardise(train: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """Shift and scale features to mean 0 and variance 1 on the training part, as float32.

    A feature that is constant there is only shifted.

    Args:
        train: ``(N, d)`` training features.
        others: further parts ``(M, d)``.
    """
    mean, std = train.mean(0, dtype=np.float64), train.std(0, dtype=np.float64)
    std[std == 0] = 1
    return [((part - mean) / std).astype(np.float32) for part in (train, *others)]
