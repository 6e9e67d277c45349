"""What the library's functions refuse, each with one sentence that says what was expected.

A check changes nothing and returns nothing: it raises, or it might as well not have been there. So
a call of one that stands alone is not part of the key of a run (see ``lab.keys``), and a check can
be added without computing any result anew.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

Array = np.ndarray | Tensor


def present_or_absent(truth: Array, name: str = "truth") -> None:
    """Refuse a truth that is not ``(N, C)`` in {0, 1}, such as -1 absent and 0 unknown."""
    if _tensor(truth).ndim != 2:
        raise ValueError(f"{name} has shape {tuple(truth.shape)}: expected (N, C)")
    binary(truth, name)


def binary(truth: Array, name: str) -> None:
    """Refuse other values than 0 and 1 (or False and True)."""
    values = _tensor(truth)
    other = values[(values != 0) & (values != 1)]
    if len(other):
        raise ValueError(f"{name} holds {other[0].item()}: expected 1 present and 0 absent")


def class_numbers(labels: Array, classes: int, name: str = "labels") -> None:
    """Refuse labels that are not whole numbers in 0..K-1; -1, often "unknown", is none."""
    values = _tensor(labels)
    if values.ndim != 1:
        raise ValueError(f"{name} has shape {tuple(values.shape)}: expected (N,) class numbers")
    if len(values) and (values.is_floating_point() or values.dtype == torch.bool):
        raise ValueError(f"{name} is of type {values.dtype}: expected whole class numbers")
    other = values[(values < 0) | (values >= classes)]
    if len(other):
        raise ValueError(
            f"{name} holds {other[0].item()}: expected class numbers in 0..{classes - 1}"
        )


def same_shape(axes: str, *, least: int = 1, **arrays: Array) -> None:
    """Refuse arrays whose shapes differ, which would be spread over each other in silence.

    Args:
        axes: what each axis is, such as ``"N, C"``.
        least: how long the first axis is at least.
        arrays: by the names they have for the caller.
    """
    shapes = {name: tuple(array.shape) for name, array in arrays.items()}
    first = next(iter(shapes.values()))
    fit = set(shapes.values()) == {first} and len(first) == len(axes.split(", "))
    if not fit or first[0] < least:
        found = " and ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"{found}: expected the same shape ({axes}) with {axes[0]} >= {least}")


def one_a_row(scores: Array, labels: Array) -> None:
    """Refuse anything but ``(N, K)`` scores and ``(N,)`` labels, with at least one row."""
    if scores.ndim != 2 or tuple(labels.shape) != (len(scores),) or not len(scores):
        raise ValueError(
            f"scores {tuple(scores.shape)} and labels {tuple(labels.shape)}: expected (N, K) and "
            "(N,) with N >= 1"
        )


def at_least(value: float, least: float, name: str) -> None:
    """Refuse a number below ``least``, or one that is not a number."""
    if not value >= least:
        raise ValueError(f"{name} is {value}: expected at least {least}")


def probabilities(values: Iterable[float], name: str) -> None:
    """Refuse what is not a number in [0, 1]."""
    for value in values:
        if not 0 <= value <= 1:
            raise ValueError(f"{name} hold {value}: expected probabilities in [0, 1]")


def _tensor(values: Array) -> Tensor:
    return values if isinstance(values, Tensor) else torch.as_tensor(np.asarray(values))
