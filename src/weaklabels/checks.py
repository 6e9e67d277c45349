"""What the library's functions refuse, each with one sentence that says what was expected.

A check changes nothing and returns nothing: it raises, or it might as well not have been there. So
a call of one that stands alone is not part of the key of a run (see ``lab.keys``), and a check can
be added without computing any result anew.

Losses are called at every step, so their checks look at shapes and types, which are known, and at
values only on a CPU: a GPU would have to wait, and ``torch.func`` and compiled code show none.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Array = np.ndarray | Tensor

ROUNDING = 1e-5
"""By how much arrays may leave an interval."""


# -- labels ---------------------------------------------------------------------------------------


def present_or_absent(truth: Array, name: str = "truth") -> None:
    """Refuse a truth that is not ``(N, C)`` in {0, 1}, such as -1 absent and 0 unknown."""
    values = _tensor(truth, name)
    if values.ndim != 2:
        raise ValueError(f"{name} has shape {tuple(values.shape)}: expected (N, C)")
    binary(values, name)


def binary(truth: Array, name: str, *, wait: bool = True) -> None:
    """Refuse other values than 0 and 1 (or False and True).

    Args:
        truth: the values.
        name: what they are called.
        wait: whether to look at what lies on a GPU; False in what is called at every step.
    """
    if not wait and not _seen(truth):
        return
    values = _tensor(truth, name)
    other = values[(values != 0) & (values != 1)]
    if len(other):
        raise ValueError(f"{name} holds {other[0].item()}: expected 1 present and 0 absent")


def finite(scores: Array) -> None:
    """Refuse scores that are not all finite, naming the first row that is not."""
    values = _tensor(scores, "scores")
    good = torch.isfinite(values)
    if not bool(good.all()):
        place = tuple((~good).nonzero()[0].tolist())
        raise ValueError(f"score {place} is {float(values[place])}: expected finite numbers")


def class_numbers(labels: Array, classes: int, name: str = "labels", *, wait: bool = True) -> None:
    """Refuse labels that are not whole numbers in 0..K-1; -1, often "unknown", is none.

    Args:
        labels: ``(N,)``.
        classes: K.
        name: what they are called.
        wait: whether to look at what lies on a GPU; False in what is called at every step.
    """
    values = _tensor(labels, name)
    if values.ndim != 1:
        raise ValueError(f"{name} has shape {tuple(values.shape)}: expected (N,) class numbers")
    if len(values) and (values.is_floating_point() or values.dtype == torch.bool):
        raise ValueError(f"{name} is of type {values.dtype}: expected whole class numbers")
    if not wait and not _seen(labels):
        return
    values = values.long()  # in a smaller type the number of classes would wrap around
    other = values[(values < 0) | (values >= classes)]
    if len(other):
        raise ValueError(
            f"{name} holds {other[0].item()}: expected class numbers in 0..{classes - 1}"
        )


def every_class(labels: Array, classes: int) -> None:
    """Refuse class numbers ``(N,)`` in 0..K-1 among which a class is missing."""
    missing = sorted(set(range(classes)) - set(_tensor(labels).tolist()))
    if missing:
        raise ValueError(f"labels has no example of class {missing[0]}: expected every class")


def observed(logits: Array, observed: Array, *, flags: bool = False) -> None:
    """Refuse weak labels that are not +1, 0 (unknown) and -1, one for every logit ``(B, C)``.

    Args:
        logits: ``(B, C)``.
        observed: the labels.
        flags: whether True (present) and False (everything else) will do.
    """
    labels = _tensor(observed)
    if labels.ndim != 2 or labels.shape != logits.shape:
        raise ValueError(
            f"logits {tuple(logits.shape)} and observed {tuple(labels.shape)}: expected the same "
            "shape (B, C)"
        )
    if labels.dtype == torch.bool:
        if not flags:
            raise ValueError(
                "observed is of type torch.bool: expected numbers of +1, 0 (unknown) and -1"
            )
    elif _seen(observed):
        # Not "!= -1", which as a byte is 255.
        other = labels[(labels != 0) & (labels.abs() != 1)]
        if len(other):
            raise ValueError(f"observed holds {other[0].item()}: expected +1, 0 (unknown) and -1")


def candidates(candidates: Array, logits: Array | None = None) -> None:
    """Refuse candidate sets that are empty, coded otherwise, or not those of the logits.

    Args:
        candidates: ``(B, K)`` bool; without logits numbers of 1 and 0 will do.
        logits: ``(B, K)``.
    """
    if logits is not None:
        same_shape("B, K", least=0, logits=logits, candidates=candidates)
        boolean(candidates, "candidates")
    else:
        same_shape("B, K", least=0, candidates=candidates)
        binary(candidates, "candidates", wait=False)
    if _seen(candidates):
        empty = ~_tensor(candidates != 0).any(1)
        if empty.any():
            row = int(empty.int().argmax())
            raise ValueError(f"row {row} of candidates holds none: expected at least one a row")


def answers(answers: Array, classes: int) -> None:
    """Refuse answers of workers that are not ``(n, R)`` whole numbers in 0..K-1, or -1 for none."""
    values = _tensor(answers, "answers")
    signed = values.dtype in (torch.int8, torch.int16, torch.int32, torch.int64)
    if values.ndim != 2 or not signed:
        raise ValueError(
            f"answers are {tuple(values.shape)} of type {values.dtype}: expected (n, R) whole "
            "numbers, -1 for none"
        )
    values = values.long()  # in a smaller type the number of classes would wrap around
    other = values[(values < -1) | (values >= classes)]
    if len(other):
        raise ValueError(f"answers hold {other[0].item()}: expected -1 (none) to {classes - 1}")


def weak_labels(observed: Tensor, form: str) -> None:
    """Refuse weak labels of the right type whose values mean something else.

    Args:
        observed: the labels of a training set.
        form: as in ``methods.base.LABEL_FORMS``: "classes" are at least 0, "answers" at least -1,
            "distributions" shares that add up to at most 1; the other forms have been looked at.
    """
    least = {"classes": 0, "answers": -1}.get(form)
    if form == "distributions":
        within(observed, 0, 1, "weak labels")
        within(observed.sum(-1), 0, 1 + 1e-3, "sums of weak labels")
    elif least is not None and len(other := observed[observed < least]):
        raise ValueError(
            f"weak labels hold {other[0].item()}: expected class numbers from 0"
            + (", -1 where there is no answer" if least else "")
        )


# -- types and shapes -----------------------------------------------------------------------------

REMEDIES = {Tensor: "a tensor (torch.from_numpy)", np.ndarray: "a NumPy array (its numpy())"}


def instances(kind: type, **values: Any) -> None:
    """Refuse, with a ``TypeError``, arrays for tensors, tensors for arrays, and lists for either.

    Args:
        kind: ``Tensor`` or ``np.ndarray``.
        values: by the names they have for the caller.

    Raises:
        ValueError: if values of an array are masked.
    """
    for name, value in values.items():
        if not isinstance(value, kind):
            raise TypeError(f"{name} is a {type(value).__name__}: expected {REMEDIES[kind]}")
        _unmasked(value, name)


def generator(rng: Any) -> None:
    """Refuse, with a ``TypeError``, what is no source of randomness, such as a seed."""
    if not hasattr(rng, "uniform"):  # the module np.random will do, too
        raise TypeError(f"rng is {rng!r}: expected a NumPy generator (np.random.default_rng)")


def boolean(values: Array | None, name: str) -> None:
    """Refuse other types than bool; None passes."""
    if values is not None and _tensor(values).dtype != torch.bool:
        raise ValueError(f"{name} is of type {values.dtype}: expected bool")


def floating(values: Array, name: str) -> None:
    """Refuse whole numbers."""
    if not _tensor(values).is_floating_point():
        raise ValueError(f"{name} is of type {values.dtype}: expected floating-point numbers")


def rankable(scores: Array, name: str) -> None:
    """Refuse scores that have no order, or whose order is lost when they are negated."""
    values = _tensor(scores)
    if not (values.is_floating_point() or values.dtype.is_signed):
        raise ValueError(f"{name} is of type {scores.dtype}: expected numbers that can be negative")
    if _seen(scores) and values.isnan().any():
        raise ValueError(f"{name} holds nan: expected numbers")


def same_shape(axes: str, *, least: int = 1, **arrays: Array | None) -> None:
    """Refuse arrays whose shapes differ, which would be spread over each other in silence.

    Args:
        axes: what each axis is, such as ``"N, C"``; ``"..."`` for any.
        least: how long the first axis is at least.
        arrays: by the names they have for the caller; None is left out.
    """
    shapes = {name: tuple(array.shape) for name, array in arrays.items() if array is not None}
    first, names = next(iter(shapes.values())), axes.split(", ")
    fit = set(shapes.values()) == {first}
    short = axes != "..." and least and len(first) == len(names) and min(first) < least
    if not fit or short or (axes != "..." and len(first) != len(names)):
        found = " and ".join(f"{name} {shape}" for name, shape in shapes.items())
        same = "the same shape" if len(shapes) > 1 else "a shape"
        tight = names[first.index(min(first))] if fit and short else names[0]
        with_least = "" if axes == "..." or not least else f" with {tight} >= {least}"
        raise ValueError(f"{found}: expected {same} ({axes}){with_least}")


def shaped(values: Array, shape: tuple[int | None, ...], axes: str, name: str) -> None:
    """Refuse an array of another shape.

    Args:
        values: the array.
        shape: lengths of its axes; None for any.
        axes: what they are, such as ``"M, 6"``.
        name: what the array is called.
    """
    found = tuple(values.shape)
    if len(found) != len(shape) or any(
        n not in (None, m) for m, n in zip(found, shape, strict=True)
    ):
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(f"{name} has shape {found}: expected ({axes}) = ({wanted})")


def same_length(**arrays: Array | None) -> None:
    """Refuse arrays of different lengths; None is left out."""
    shapes = {name: tuple(array.shape) for name, array in arrays.items() if array is not None}
    if len({shape[:1] for shape in shapes.values()}) > 1:
        found = " and ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"{found}: expected as many rows")


def one_a_row(scores: Array, labels: Array | None = None, **others: Array | None) -> None:
    """Refuse anything but ``(N, K)`` scores and ``(N,)`` labels, with at least one row.

    Args:
        scores: ``(N, K)``.
        labels: ``(N,)``.
        others: what else is ``(N,)``, by name; None is left out.
    """
    vectors = {"labels": labels, **others}
    shapes = {name: tuple(array.shape) for name, array in vectors.items() if array is not None}
    fit = all(shape == (len(scores),) for shape in shapes.values())
    if scores.ndim != 2 or not fit or not len(scores):
        found = "".join(f" and {name} {shape}" for name, shape in shapes.items())
        raise ValueError(
            f"scores {tuple(scores.shape)}{found}: expected (N, K) and (N,) with N >= 1"
        )


def one_each(values: Any, count: int, name: str) -> None:
    """Refuse what is neither one number for all nor ``count`` of them; None passes."""
    if values is None or isinstance(values, int | float):
        return
    shape = tuple(np.shape(values))
    if shape not in ((), (1,), (count,)):
        raise ValueError(f"{name} has shape {shape}: expected one number, or {count}")


# -- numbers --------------------------------------------------------------------------------------


def number(value: float, name: str, *, finite: bool = False) -> None:
    """Refuse NaN, which is neither below nor above anything; what has to be finite, if infinite."""
    if math.isnan(value) or (finite and math.isinf(value)):
        raise ValueError(f"{name} is {value}: expected a {'finite ' * finite}number")


def whole(value: int, name: str) -> None:
    """Refuse what is no whole number."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ValueError(f"{name} is {value!r}: expected a whole number")


def at_least(value: float | None, least: float, name: str, *, above: bool = False) -> None:
    """Refuse a number below ``least``, or one that is not a number; None passes.

    Args:
        value: the number.
        least: what it is at least.
        name: what it is called.
        above: whether it must be larger.
    """
    if value is not None and not (value > least if above else value >= least):
        expected = "a number above" if above else "at least"
        raise ValueError(f"{name} is {value}: expected {expected} {least}")


def within(
    value: float | Array | None, low: float, high: float, name: str, *, finite: bool = False
) -> None:
    """Refuse numbers outside an interval (but for rounding, in arrays); None passes.

    Args:
        value: a number or many.
        low, high: ends of the interval.
        name: what the numbers are called.
        finite: whether to pass over those that are not finite, in what training calls: where it
            diverges, the loss says so.
    """
    if value is None or not _seen(value):
        return
    if isinstance(value, np.ndarray | Tensor):
        values = _tensor(value, name).detach()
        ends = _ends(values)
        if finite and not all(math.isfinite(end) for end in ends):
            ends = _ends(values[values.isfinite()])
        for end in ends:
            if not low - ROUNDING <= end <= high + ROUNDING:
                raise ValueError(f"{name} holds {end:g}: expected numbers in [{low}, {high}]")
    elif not low <= value <= high:
        raise ValueError(f"{name} is {value}: expected a number in [{low}, {high}]")


def probabilities(values: Iterable[float], name: str) -> None:
    """Refuse what is not a number in [0, 1]."""
    for value in values:
        if not 0 <= value <= 1:
            raise ValueError(f"{name} hold {value}: expected probabilities in [0, 1]")


def shares(values: Array | Sequence[float] | None, name: str) -> None:
    """Refuse distributions along the last axis that hold counts or logits; None passes."""
    if values is None or not _seen(values):
        return
    found = _tensor(values, name).detach()
    within(found, 0, 1, name)
    sums = found.double().sum(-1).flatten()
    other = sums[~((sums - 1).abs() < 1e-3)]
    if len(other):
        raise ValueError(f"{name} add up to {float(other[0]):g}: expected shares that add up to 1")


def ascending(numbers: Sequence[float], name: str) -> None:
    """Refuse numbers of which one is not above that before it."""
    if not all(a < b for a, b in pairwise(numbers)):
        raise ValueError(f"{name} is {tuple(numbers)}: expected ascending numbers")


def one_of(value: Any, allowed: Collection[Any], name: str) -> None:
    """Refuse what is not among the values that there are."""
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}: expected one of {', '.join(map(str, allowed))}")


def among(values: Iterable[Any], allowed: Collection[Any], name: str) -> None:
    """Refuse several values of which one is not among those that there are."""
    for value in values:
        one_of(value, allowed, name)


# -- networks -------------------------------------------------------------------------------------


def box(lower: Sequence[float], upper: Sequence[float], inputs: int) -> None:
    """Refuse a box that has not two ends for every input; no ends at all are no box."""
    ends = zip(lower, upper, strict=False)
    if {len(lower), len(upper)} not in ({0}, {inputs}) or not all(a < b for a, b in ends):
        raise ValueError(
            f"the box from {tuple(lower)} to {tuple(upper)}: expected a lower and a higher end for "
            f"each of {inputs} inputs, or none"
        )


def continues(theta: Tensor, last: Tensor | None) -> None:
    """Refuse to go on from other parameters than the last, which an optimiser remembers."""
    if last is not None and _seen(theta) and not _same(theta, last):
        raise ValueError(
            f"theta {tuple(theta.shape)} is not what the last step returned, from where this "
            "optimiser goes on: expected a new optimiser for another start"
        )


def same_parameters(model: nn.Module, other: nn.Module) -> None:
    """Refuse a network whose parameters have other names or shapes, or are more or fewer."""
    here, there = (
        {name: tuple(value.shape) for name, value in network.named_parameters()}
        for network in (model, other)
    )
    if here != there:
        name = min(name for name, _ in here.items() ^ there.items())
        raise ValueError(
            f"parameter {name} has the shapes {here.get(name)} and {there.get(name)}: expected "
            "networks of the same shapes"
        )


def unused(spec: Any, *names: str) -> None:
    """Refuse settings of a run that it would ignore: they have to be what they are by default.

    Args:
        spec: a dataclass.
        names: of the fields that the run does not look at; they have defaults.
    """
    for field in dataclasses.fields(spec):
        found = getattr(spec, field.name)
        if field.name in names and found != field.default:
            raise ValueError(
                f"{field.name} is {found!r}, which this run ignores: expected {field.default!r}"
            )


def has_dropout(model: nn.Module) -> None:
    """Refuse a network that draws nothing: all of its passes would be the same."""
    if not any(isinstance(m, nn.Dropout) and m.p > 0 for m in model.modules()):
        raise ValueError(
            "the network has no dropout, so all passes would be the same: expected a network from "
            "add_dropout"
        )


# -- how to look ----------------------------------------------------------------------------------

WIDE = (torch.uint16, torch.uint32, torch.uint64)
"""Types that PyTorch has but can hardly compute with."""


def _tensor(values: Any, name: str = "an array") -> Tensor:
    """Values as a tensor, whatever their strides and the order of their bytes.

    Raises:
        ValueError: if some are masked, or they are neither numbers nor truth values.
    """
    if isinstance(values, Tensor):
        return values.long() if values.dtype in WIDE else values
    _unmasked(values, name)
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} is of type {array.dtype}: expected numbers or truth values")
    kept = array.dtype.newbyteorder("=")
    if array.dtype.itemsize > 8:
        kept = np.dtype(float)
    elif array.dtype.kind == "u" and array.dtype.itemsize > 1:
        kept = np.dtype(np.int64)
    usable = array.flags.writeable and array.dtype == kept and min(array.strides, default=0) >= 0
    return torch.from_numpy(array if usable else np.array(array, kept, order="C"))


def _unmasked(values: Any, name: str) -> None:
    if np.ma.is_masked(values):
        raise ValueError(f"{name} has masked values: expected values that are all known")


def _seen(values: Any) -> bool:
    """Whether there are values, and nobody has to wait for them."""
    if not isinstance(values, Tensor):
        return True
    if values.device.type != "cpu" or torch.compiler.is_compiling():
        return False
    return not torch._C._functorch.is_batchedtensor(values)


def _ends(values: Tensor) -> list[float]:
    """The smallest and the largest value, NaN if there is one; nothing if there are none."""
    if values.dtype == torch.bool:
        values = values.float()
    return [float(end) for end in values.aminmax()] if values.numel() else []


def _same(first: Tensor, second: Tensor) -> bool:
    if first.shape != second.shape:
        return False
    return torch.allclose(first.detach(), second.detach(), rtol=0, atol=0, equal_nan=True)
