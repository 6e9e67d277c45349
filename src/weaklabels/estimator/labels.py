"""Five kinds of labels as the arrays that people have -> as the methods take them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from weaklabels import methods
from weaklabels.crowds import dawid_skene, majority_vote
from weaklabels.estimator.choices import KINDS, NEED_NEGATIVES, SETS_OF_LABELS, is_any, kinds_of
from weaklabels.seeding import numpy_rng

AGGREGATIONS = ("Dawid-Skene", "majority")


class ZerosAreUnclear(UserWarning):
    """Labels of 1 and 0 alone were given, and nobody said what 0 means."""


@dataclass(frozen=True)
class Labels:
    """Labels in the form of a method.

    Attributes:
        observed: see ``methods.base.LABEL_FORMS``.
        classes: the classes in the order of the network's outputs: names, or the values that stood
            in the labels.
        several: whether a row may have several labels (sigmoid), or one (softmax).
        asks: a question to the user, or "".
        by_name: whether a prediction is a value of ``classes``, as the labels were; else it is a
            position in them.
    """

    observed: Tensor
    classes: np.ndarray
    several: bool
    asks: str = ""
    by_name: bool = False


def of_method(
    name: str,
    observed: Any,
    classes: Sequence[Any] | None,
    rows: int,
    *,
    zeros: str | None = None,
    aggregate: str = "Dawid-Skene",
    seed: int = 0,
) -> Labels:
    """The labels of all training rows for a method.

    Args:
        name: of the method.
        observed: array or tensor of one of the ``KINDS``.
        classes: names, or None to take them from the labels.
        rows: number of inputs.
        zeros: "absent" or "unknown", what 0 means in labels of 1 and 0 alone.
        aggregate: how answers of a crowd become one class a row, for methods that take that:
            "Dawid-Skene" or "majority" (ties at random).
        seed: of ties.

    Raises:
        ValueError: if the labels are none that the method takes, or do not fit the inputs.
    """
    values = array_of(observed)
    if values.ndim not in (1, 2) or len(values) != rows:
        raise ValueError(
            f"labels {values.shape} for {rows} inputs: expected one row of labels for each input"
        )
    if zeros not in (None, "absent", "unknown"):
        raise ValueError(f"zeros is {zeros!r}: expected 'absent' or 'unknown'")
    form = methods.get(name).label_form
    if form == "partial":
        return _presence(name, values, classes, zeros)
    if form == "candidates":
        return _candidates(name, values, classes)
    if form == "answers":
        return _answers(name, values, classes)
    distributions = form == "distributions"
    if distributions and values.ndim == 2 and values.dtype.kind == "f":
        return _shares(values, classes)
    if values.ndim == 2:
        return _aggregated(name, values, classes, aggregate, seed, distributions)
    given = _single(name, values, classes)
    if not distributions:
        return given
    one_hot = torch.nn.functional.one_hot(given.observed, len(given.classes)).float()
    return Labels(one_hot, given.classes, False, by_name=given.by_name)


def array_of(observed: Any) -> np.ndarray:
    """Labels as an array of finite numbers, truth values or names.

    Raises:
        ValueError: if they are anything else.
    """
    if isinstance(observed, Tensor):
        observed = observed.detach().cpu().numpy()
    values = np.asarray(observed)
    if values.dtype.kind == "O":
        values = _of_one_kind(values)
    if values.dtype.kind not in "biufUS":
        raise ValueError(f"labels are {values.dtype}: expected numbers, truth values or names")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError(
            "labels hold a value that is not finite: expected 0 for what is unknown (-1 for an "
            "answer that was not given)"
        )
    return values


def _of_one_kind(values: np.ndarray) -> np.ndarray:
    """Objects, as pandas has them in mixed tables, as names or numbers if all are such."""
    if all(isinstance(v, str) for v in values.flat):
        return values.astype(str)
    if all(isinstance(v, bool | int | float | np.bool_ | np.number) for v in values.flat):
        return values.astype(np.float64)
    return values


def _names(classes: Sequence[Any] | None, count: int) -> np.ndarray:
    names = np.array([str(i) for i in range(count)] if classes is None else list(classes))
    if len(names) != count or len(set(names.tolist())) != len(names):
        raise ValueError(
            f"{len(names)} classes for labels of {count}: expected as many names, all different"
        )
    return names


def _refuse(name: str, values: np.ndarray) -> ValueError:
    kinds = " or ".join(KINDS[kind] for kind in KINDS if kind in kinds_of(name))
    return ValueError(
        f"labels {values.shape} {values.dtype} are none for method {name!r}, which takes {kinds}"
    )


# --- several labels a row ------------------------------------------------------------------------

QUESTION = (
    "the labels are 1 and 0 alone: does 0 mean that a label is absent, or that nobody knows? Tell "
    "fit by zeros='absent' or zeros='unknown'"
)


def _presence(
    name: str, values: np.ndarray, classes: Sequence[Any] | None, zeros: str | None
) -> Labels:
    if values.ndim != 2 or values.dtype.kind not in "biuf":
        raise _refuse(name, values)
    other = values[~np.isin(values, (-1, 0, 1))]
    if len(other):
        raise ValueError(f"labels hold {other[0]}: expected +1 present, -1 absent, 0 unknown")
    signs = values.astype(np.int8)
    names = _names(classes, signs.shape[1])
    if not (signs == 1).any():
        raise ValueError("no label is annotated as present: there is nothing to learn from")
    asks = ""
    if is_any(name, SETS_OF_LABELS):  # what is no candidate is surely absent
        if (signs == -1).any() and (signs == 0).any():
            raise _refuse(name, values)
        zeros = "absent"
    if zeros == "absent" and (signs == -1).any() and (signs == 0).any():
        raise ValueError("zeros='absent', but -1 means absent in these labels")
    if zeros == "absent":
        signs = np.where(signs == 0, np.int8(-1), signs)
    if not (signs == -1).any() and (signs == 0).any():
        asks = QUESTION if zeros is None else ""
        if is_any(name, NEED_NEGATIVES):
            raise ValueError(
                f"method {name!r} learns from negative labels (-1), and there is none"
                + (f"; {asks}" if asks else "")
            )
    return Labels(torch.from_numpy(signs), names, True, asks)


def unknown_to_all(labels: Labels) -> list[str]:
    """Classes of which no label is known."""
    known = (labels.observed != 0).any(0).numpy()
    return [str(name) for name in labels.classes[~known]]


# --- one label a row -----------------------------------------------------------------------------


def _candidates(name: str, values: np.ndarray, classes: Sequence[Any] | None) -> Labels:
    if values.ndim != 2 or values.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
        raise _refuse(name, values)
    candidates = torch.from_numpy(values.astype(bool))
    return Labels(candidates, _names(classes, values.shape[1]), False)


def _single(name: str, values: np.ndarray, classes: Sequence[Any] | None) -> Labels:
    if values.dtype.kind == "f":
        if (values % 1).any():
            raise _refuse(name, values)
        values = values.astype(np.int64)
    if classes is None:
        found, positions = np.unique(values, return_inverse=True)
        if len(found) < 2:
            raise ValueError(f"every label is {found[0]!r}: expected two classes or more")
        return Labels(torch.from_numpy(positions.astype(np.int64)), found, False, by_name=True)
    names = _names(classes, len(classes))
    positions = positions_in(names, values)
    by_name = values.dtype.kind in "US" or names.dtype.kind not in "US"
    return Labels(torch.from_numpy(positions), names, False, by_name=by_name)


def of_rows(classes: np.ndarray, values: np.ndarray, rows: int, what: str) -> np.ndarray:
    """One class for each row, as positions in the list of classes.

    Raises:
        ValueError: if there are more or fewer, or a value is no class.
    """
    if values.shape != (rows,):
        raise ValueError(f"{what} {values.shape}: expected one class for each of {rows} inputs")
    return positions_in(classes, values)


def positions_in(classes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Positions in the list of classes: of their names, or the values themselves.

    Raises:
        ValueError: if a value is no class.
    """
    if values.dtype.kind in "iuf" and classes.dtype.kind in "US":
        outside = values[(values < 0) | (values >= len(classes)) | (values % 1 != 0)]
        if len(outside):
            raise ValueError(f"label {outside[0]}: expected a class of 0 to {len(classes) - 1}")
        return values.astype(np.int64)
    place = {value: i for i, value in enumerate(classes.tolist())}
    unknown = [value for value in values.tolist() if value not in place]
    if unknown:
        known = ", ".join(map(str, classes.tolist()[:8]))
        raise ValueError(f"label {unknown[0]!r} is none of the classes ({known} ...)")
    return np.array([place[value] for value in values.tolist()], dtype=np.int64)


def _shares(values: np.ndarray, classes: Sequence[Any] | None) -> Labels:
    if (values < 0).any() or not np.allclose(values.sum(1), 1, atol=1e-4):
        raise ValueError("labels are not distributions: expected rows from 0 that add up to 1")
    shares = torch.from_numpy(values.astype(np.float32))
    return Labels(shares, _names(classes, values.shape[1]), False)


# --- crowds --------------------------------------------------------------------------------------


def _answers(name: str, values: np.ndarray, classes: Sequence[Any] | None) -> Labels:
    if values.ndim != 2 or values.dtype.kind not in "iu":
        raise _refuse(name, values)
    answers = values.astype(np.int64)
    count = int(answers.max()) + 1 if classes is None else len(classes)
    if answers.min() < -1 or answers.max() >= count or count < 2:
        raise ValueError(
            f"answers from {answers.min()} to {answers.max()}: expected -1 (none) to {count - 1}, "
            "and two classes or more"
        )
    silent = np.flatnonzero((answers < 0).all(1))
    if len(silent):
        raise ValueError(
            f"nobody answered about row {silent[0]} ({len(silent)} such): leave these rows out"
        )
    return Labels(torch.from_numpy(answers), _names(classes, count), False)


def _refuse_presence(name: str, answers: np.ndarray, classes: int) -> None:
    """Refuse answers that look like a column for each class, which have the same numbers.

    What may be either, two classes that workers named, is taken with a warning.
    """
    if answers.max() > 1:
        return
    one_hot = answers.min() == 0 and bool((answers.sum(1) == 1).all())
    if one_hot or answers.shape[1] == classes > 2:
        raise ValueError(
            f"labels {answers.shape} of method {name!r} look like a column for each class, and "
            "would be taken for answers of workers: expected (N,), such as observed.argmax(1)"
        )
    if classes == 2:
        warnings.warn(
            f"labels {answers.shape} of method {name!r} are taken for what {answers.shape[1]} "
            "workers said, class 0 or 1, and -1 for nothing",
            stacklevel=6,
        )


def _aggregated(
    name: str,
    values: np.ndarray,
    classes: Sequence[Any] | None,
    aggregate: str,
    seed: int,
    distributions: bool,
) -> Labels:
    given = _answers(name, values, classes)
    answers, count = given.observed.numpy(), len(given.classes)
    _refuse_presence(name, answers, count)
    if aggregate not in AGGREGATIONS:
        raise ValueError(f"aggregate is {aggregate!r}: expected {' or '.join(AGGREGATIONS)}")
    if aggregate == "Dawid-Skene":
        posterior = dawid_skene(answers, count)[0]
    else:
        chosen = majority_vote(answers, count, numpy_rng(seed, "ties"))
        posterior = np.eye(count)[chosen]
    if distributions:
        return Labels(torch.from_numpy(posterior.astype(np.float32)), given.classes, False)
    return Labels(torch.from_numpy(posterior.argmax(1)), given.classes, False)
