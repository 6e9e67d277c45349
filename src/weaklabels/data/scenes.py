"""Multi-label scenes: several real handwritten digits on one canvas, with known boxes.

A scene holds one to four digits, of distinct classes unless repeats are allowed, at non-overlapping
places. In colour, a class is a digit in one of three channels, which makes 30 classes. The digits
behind the training, validation and test scenes (and the pre-training images) are disjoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from weaklabels.data import Split, Splits
from weaklabels.data.digits import arrays
from weaklabels.seeding import numpy_rng

DIGIT = 8
CHANNEL_NAMES = ("red", "green", "blue")
POOLS = {"pretrain": 500, "train": 600, "val": 200, "test": 497}
PLACEMENT_TRIES = 60


@dataclass(frozen=True)
class Style:
    """How scenes look.

    Attributes:
        colours: 1 (grey, 10 classes) or 3 (30 classes: class c is digit c mod 10 in channel
            c // 10).
        canvas: side of the square scene, pixels.
        grid: digits are placed at multiples of this many pixels.
        min_digits, max_digits: the number of digits is uniform between the two, both included.
        repeats: draw the digits of a scene independently, so that several may be of one class.
        intensity: range of the factor by which a digit is dimmed.
        noise: standard deviation of the Gaussian noise added to every pixel.

    Raises:
        ValueError: if colours, canvas or numbers of digits are out of range.
    """

    colours: int = 1
    canvas: int = 24
    grid: int = 4
    min_digits: int = 1
    max_digits: int = 4
    repeats: bool = False
    intensity: tuple[float, float] = (0.6, 1.0)
    noise: float = 0.1

    def __post_init__(self) -> None:
        canvas, grid, least, most = self.canvas, self.grid, self.min_digits, self.max_digits
        if self.colours not in (1, 3):
            raise ValueError(
                f"colours is {self.colours}: expected 1 (grey) or 3 (red, green, blue)"
            )
        if canvas < DIGIT or (canvas - DIGIT) % grid:
            raise ValueError(
                f"canvas is {canvas}: expected at least {DIGIT}, and {DIGIT} plus a multiple of "
                f"{grid}"
            )
        if not 1 <= least <= most:
            raise ValueError(
                f"min_digits {least}, max_digits {most}: expected 1 or more, ascending"
            )


def load(
    root: str | Path | None = None,
    *,
    seed: int = 0,
    train: int = 1000,
    val: int = 500,
    test: int = 800,
    pretrain: int = 0,
    first_class_weight: float = 1.0,
    class_weights: Sequence[float] | None = None,
    tail: float | None = None,
    pools: dict[str, int] | tuple[tuple[str, int], ...] | None = None,
    **style: Any,
) -> Splits:
    """Compose scenes.

    Args:
        root: not used; the digits are embedded.
        seed: of everything but the assignment of digits to pools, which never changes.
        train, val, test: number of scenes in each part.
        pretrain: number of one-digit images for pre-training (0: none).
        first_class_weight: how many times as likely class 0 is as each other class (an
            imbalance like that of "person" in photographs).
        class_weights: how likely each class is, up to a common factor (say, a long tail); replaces
            ``first_class_weight``.
        tail: how likely the rarest class is, relative to the most frequent one; the weights of all
            classes form a geometric series in an order drawn with the seed. Replaces the two above.
        pools: source digits per part, at most 1,797 in all; a dict, or pairs (so that a spec can
            be hashed).
        style: attributes of ``Style``.

    Returns:
        Splits with ``x`` ``(N, colours, canvas, canvas)`` float32, ``y`` ``(N, C)`` int8 and boxes;
        ``pretrain`` is single-label.

    Raises:
        ValueError: if class weights, pools or an attribute of the style are out of range.
    """
    del root
    look = Style(**style)
    if tail is not None:
        class_weights = _long_tail(tail, 10 * look.colours, seed)
    elif class_weights is None:
        class_weights = [first_class_weight] + [1.0] * (10 * look.colours - 1)
    sources = _source_pools(POOLS if pools is None else dict(pools))
    parts = {
        name: compose(sources[name], count, numpy_rng(seed, "scenes", name), look, class_weights)
        for name, count in {"train": train, "val": val, "test": test}.items()
    }
    one_digit = None
    if pretrain:
        rng, alone = (
            numpy_rng(seed, "scenes", "pretrain"),
            replace(look, min_digits=1, max_digits=1),
        )
        single = compose(sources["pretrain"], pretrain, rng, alone, class_weights)
        one_digit = Split(single.x, single.y.argmax(1), single.boxes)
    names = class_names(look.colours)
    return Splits(names, parts["train"], parts["val"], parts["test"], one_digit)


def _long_tail(ratio: float, classes: int, seed: int) -> list[float]:
    weights = ratio ** (np.arange(classes) / (classes - 1))
    return numpy_rng(seed, "class frequencies").permutation(weights).round(6).tolist()


def class_names(colours: int) -> tuple[str, ...]:
    """Names of the classes in column order."""
    digits = [str(d) for d in range(10)]
    if colours == 1:
        return tuple(digits)
    return tuple(f"{colour} {d}" for colour in CHANNEL_NAMES for d in digits)


def compose(
    pool: np.ndarray,
    count: int,
    rng: np.random.Generator,
    style: Style,
    class_weights: Sequence[float],
) -> Split:
    """Compose ``count`` scenes from the digits whose indices are in ``pool``.

    Raises:
        ValueError: if there is not one weight above 0 for each class.
    """
    images, labels = arrays()
    by_digit = [pool[labels[pool] == digit] for digit in range(10)]
    classes, canvas = 10 * style.colours, style.canvas
    if len(class_weights) != classes or min(class_weights) <= 0:
        raise ValueError(f"class_weights is {class_weights}: expected {classes} numbers above 0")
    weights = np.asarray(class_weights, float) / np.sum(class_weights)

    x = np.zeros((count, style.colours, canvas, canvas), np.float32)
    y = np.zeros((count, classes), np.int8)
    boxes: list[tuple[int, ...]] = []
    for scene in range(count):
        digits = rng.integers(style.min_digits, style.max_digits + 1)
        wanted = rng.choice(classes, digits, replace=style.repeats, p=weights)
        placed: list[tuple[int, int]] = []
        for label in wanted:
            corner = _free_corner(placed, canvas, style.grid, rng)
            if corner is None:
                continue
            placed.append(corner)
            top, left = corner
            digit = images[rng.choice(by_digit[label % 10])] * rng.uniform(*style.intensity)
            x[scene, label // 10, top : top + DIGIT, left : left + DIGIT] = digit
            y[scene, label] = 1
            boxes.append((scene, label, top, left, top + DIGIT, left + DIGIT))
    x += rng.normal(0, style.noise, x.shape).astype(np.float32)
    box_tensor = torch.tensor(boxes, dtype=torch.int64).reshape(-1, 6)
    return Split(torch.from_numpy(x), torch.from_numpy(y), box_tensor)


def _free_corner(
    placed: list[tuple[int, int]], canvas: int, grid: int, rng: np.random.Generator
) -> tuple[int, int] | None:
    """A random grid corner at which a digit overlaps none that is placed; None if none is found."""
    steps = (canvas - DIGIT) // grid + 1
    for _ in range(PLACEMENT_TRIES):
        top, left = (int(v) * grid for v in rng.integers(0, steps, 2))
        if all(max(abs(top - t), abs(left - l_)) >= DIGIT for t, l_ in placed):
            return top, left
    return None


def _source_pools(sizes: dict[str, int]) -> dict[str, np.ndarray]:
    total = len(arrays()[1])
    if sum(sizes.values()) > total:
        raise ValueError(f"pools ask for {sum(sizes.values())} digits: there are {total}")
    order = np.random.RandomState(0).permutation(total)
    ends = np.cumsum(list(sizes.values()))
    starts = [0, *ends[:-1]]
    return {name: order[a:b] for name, a, b in zip(sizes, starts, ends, strict=True)}
