"""Five kinds of labels as the arrays that people have -> as the methods take them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.sparse import issparse
from torch import Tensor

from weaklabels import methods
from weaklabels.crowds import dawid_skene, majority_vote
from weaklabels.estimator.choices import (
    KINDS,
    NEED_NEGATIVES,
    PSEUDO_LABELS,
    SETS_OF_LABELS,
    is_any,
    kinds_of,
)
from weaklabels.estimator.class_names import (
    UNKNOWN,
    are_values,
    array_of_names,
    in_order,
    listed,
    named,
    positions_in,
    refuse_mixed,
    refuse_one_class,
    valued,
    warn_of_lists,
)
from weaklabels.estimator.inputs import plain
from weaklabels.estimator.votes import (
    refuse_counts,
    refuse_presence,
    warn_of_counts,
    warn_of_missing,
)
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
        by_name: whether a prediction is a value of ``classes``, as the labels were, or because the
            classes are numbers; else it is a position in them.
        zeros: "absent" or "unknown", what 0 means in labels of 1 and 0 alone: as somebody said, or
            as it is in these labels, beside -1; else None.
    """

    observed: Tensor
    classes: np.ndarray
    several: bool
    asks: str = ""
    by_name: bool = False
    zeros: str | None = None


def of_method(
    name: str,
    observed: Any,
    classes: Any,
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
        classes: names in a list, an array or the like, or None to take them from the labels, or
            from the columns of their frame.
        rows: number of inputs.
        zeros: "absent" or "unknown", what 0 means in labels of 1 and 0 alone.
        aggregate: how answers of a crowd become one class a row, for methods that take that:
            "Dawid-Skene" or "majority" (ties at random).
        seed: of ties.

    Raises:
        ValueError: if the labels are none that the method takes, or do not fit the inputs.
    """
    classes = listed(classes)
    values, hidden = with_mask(observed)
    if values.ndim not in (1, 2) or len(values) != rows or not values.size:
        raise ValueError(
            f"labels {values.shape} for {rows} inputs: expected one row of labels for each input"
        )
    form = methods.get(name).label_form
    if form == "partial":
        if is_any(name, SETS_OF_LABELS):
            array_of(observed)  # says where it is masked
        return _presence(name, values, hidden, named(observed, classes), zeros)
    if form == "answers":
        return _answers(name, values, hidden, classes)
    distributions, one = form == "distributions", values.ndim == 1 or values.shape[1] == 1
    crowd = not one and form != "candidates"
    if distributions and crowd and values.dtype.kind == "f" and not _are_answers(values):
        crowd = False
    if crowd:
        return _aggregated(name, values, hidden, classes, aggregate, seed, distributions)
    array_of(observed)  # says where it is masked
    if form == "candidates":
        return _candidates(name, values, valued(observed, classes))
    if not one:
        return _shares(values, valued(observed, classes))
    given = _single(name, values.reshape(-1), classes)
    if not distributions:
        return given
    one_hot = torch.nn.functional.one_hot(given.observed, len(given.classes)).float()
    return Labels(one_hot, given.classes, False, by_name=given.by_name)


def array_of(observed: Any) -> np.ndarray:
    """Labels as an array of finite numbers, truth values or names.

    Raises:
        ValueError: if they are anything else, or masked.
    """
    values = plain(observed.toarray() if issparse(observed) else observed, "labels")
    _refuse_columns_of_names(values)
    if values.dtype.kind == "O" and values.ndim:
        gaps = np.argwhere(pd.isna(values))
        if len(gaps):
            raise ValueError(f"the label of row {gaps[0][0]} is missing: leave such rows out")
        if all(isinstance(v, str) for v in values.flat):
            values = values.astype(str)
        refuse_mixed(values, "labels")
    if values.dtype.kind not in "biufUS":
        raise ValueError(f"labels are {values.dtype}: expected numbers, truth values or names")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        if values.ndim == 1 or values.shape[1:] == (1,):
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ValueError(f"the label of row {row} is a gap, or not finite: leave such rows out")
        raise ValueError(
            "labels hold a gap, or a value that is not finite: expected +1 present, -1 absent, 0 "
            "unknown, which (2 * frame - 1).fillna(0) makes of 1, 0 and gaps; or -1 for an answer "
            "that was not given"
        )
    return values


def _refuse_columns_of_names(values: np.ndarray) -> None:
    """Refuse names in several columns, as a table with a column for each worker has them."""
    names = values.dtype.kind in "OUS" and values.ndim == 2 and values.shape[1] > 1
    name = next((v for v in values.flat if isinstance(v, str)), None) if names else None
    if name is not None:
        raise ValueError(
            f"labels {values.shape} hold the name {str(name)!r}: expected numbers in several "
            "columns, 0 where unknown, or -1 where a worker gave no answer (read_answers takes "
            "what workers said by name)"
        )


def with_mask(observed: Any) -> tuple[np.ndarray, np.ndarray]:
    """Labels (see ``array_of``), 0 where they are masked, and where that is, bool.

    Raises:
        ValueError: as ``array_of``.
    """
    if not isinstance(observed, np.ma.MaskedArray):
        values = array_of(observed)
        return values, np.zeros(values.shape, bool)
    return array_of(observed.filled(0)), np.ma.getmaskarray(observed)


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


def signs_of(values: np.ndarray, hidden: np.ndarray, zeros: str | None) -> tuple[np.ndarray, bool]:
    """Labels of +1 present, -1 absent and 0 unknown, int8, and whether it is unclear what 0 means.

    Args:
        values: labels of that form, or of 1 and 0.
        hidden: which are masked, bool of the same shape: they are unknown, and 0 in ``values``.
        zeros: "absent" or "unknown", what 0 means in labels of 1 and 0 alone; None if nobody said.

    Raises:
        ValueError: if there are other values, or ``zeros`` contradicts them.
    """
    if zeros not in (None, "absent", "unknown"):
        raise ValueError(f"zeros is {zeros!r}: expected 'absent' or 'unknown'")
    other = values[~np.isin(values, (-1, 0, 1))].tolist()
    if other:
        raise ValueError(f"labels hold {other[0]!r}: expected +1 present, -1 absent, 0 unknown")
    signs = values.astype(np.int8)
    zero, alone = (signs == 0) & ~hidden, not (signs == -1).any()
    if zeros == "absent":
        if zero.any() and not alone:
            raise ValueError(
                "zeros='absent', but -1 means absent in these labels and there are 0 beside it: "
                "expected zeros='unknown', or labels of 1 and 0 alone"
            )
        signs[zero] = -1
    return signs, bool(zeros is None and alone and zero.any())


def _presence(
    name: str,
    values: np.ndarray,
    hidden: np.ndarray,
    classes: Sequence[Any] | None,
    zeros: str | None,
) -> Labels:
    sets = is_any(name, SETS_OF_LABELS)  # what is no candidate is surely absent
    mixed = sets and np.isin(-1, values) and (values == 0).any()
    if values.ndim != 2 or values.dtype.kind not in "biuf" or mixed:
        raise _refuse(name, values)
    zeros = "absent" if sets else zeros
    signs, unclear = signs_of(values, hidden, zeros)
    if (signs == -1).any() and ((signs == 0) & ~hidden).any():
        zeros = "unknown"  # part of these labels may have no -1, and 0 means the same there
    names = array_of_names(classes, signs.shape[1])
    if not (signs == 1).any():
        raise ValueError("no label is annotated as present: there is nothing to learn from")
    asks = QUESTION if unclear else ""
    if not (signs == -1).any() and (signs == 0).any() and is_any(name, NEED_NEGATIVES):
        raise ValueError(
            f"method {name!r} learns from negative labels (-1), and there is none"
            + (f"; {asks}" if asks else "")
        )
    return Labels(torch.from_numpy(signs), names, True, asks, zeros=zeros)


def warn(name: str, given: Labels) -> None:
    """Say what looks wrong in the labels for a method, though it can be meant.

    That nobody said what 0 means; a class of which no label is known; rows that all have labels,
    for a method that makes some for those without.
    """
    if given.asks:
        warnings.warn(f"{given.asks} (it counts as unknown now)", ZerosAreUnclear, stacklevel=4)
    known = (given.observed != 0).any(0).numpy()
    if given.several and not known.all():
        nobody = [str(name) for name in given.classes[~known]]
        names = ", ".join(nobody[:5]) + (" ..." if len(nobody) > 5 else "")
        warnings.warn(f"no label of {names} is known in any row", stacklevel=4)
    if is_any(name, PSEUDO_LABELS) and bool((given.observed != 0).any(1).all()):
        warnings.warn(
            f"no row is without any label: method {name!r} makes pseudo-labels for such rows "
            "alone; for gaps within rows see Classifier.methods('missing')",
            stacklevel=4,
        )


# --- one label a row -----------------------------------------------------------------------------


def _candidates(name: str, values: np.ndarray, classes: Sequence[Any] | None) -> Labels:
    if values.ndim != 2 or values.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
        raise _refuse(name, values)
    names = array_of_names(classes, values.shape[1])
    refuse_one_class(names)
    candidates = torch.from_numpy(values.astype(bool))
    return Labels(candidates, names, False, by_name=are_values(names))


def _single(name: str, values: np.ndarray, classes: Sequence[Any] | None) -> Labels:
    if values.dtype.kind == "f":
        if not _are_whole(values):
            raise _refuse(name, values)
        values = values.astype(np.int64)
    if classes is None:
        _refuse_wrapped(values)
        found, positions = np.unique(values, return_inverse=True)
        if found.dtype.kind == "U":
            _refuse_gaps(values)
            found = np.array(in_order(found.tolist()))
            positions = positions_in(found, values)
            _refuse_blanks(found.tolist())
            warn_of_lists(found.tolist(), stacklevel=6)
        called = found.astype(str).tolist()
        if "-1" in called and called != ["-1", "1"]:
            raise ValueError(
                "labels hold -1: expected a class for each row; leave rows without a label out of "
                "inputs and labels, or give the class -1 another number"
            )
        if len(found) < 2:
            raise ValueError(f"every label is {found.tolist()[0]!r}: expected two classes or more")
        return Labels(torch.from_numpy(positions.astype(np.int64)), found, False, by_name=True)
    names = array_of_names(classes, len(classes))
    positions = positions_in(names, values)
    refuse_one_class(names)
    by_name = values.dtype.kind in "US" or are_values(names)
    return Labels(torch.from_numpy(positions), names, False, by_name=by_name)


def _shares(values: np.ndarray, classes: Sequence[Any] | None) -> Labels:
    sums = values.sum(1)
    wrong = np.flatnonzero((values < 0).any(1) | ~np.isclose(sums, 1, atol=1e-4))
    if len(wrong):
        raise ValueError(
            f"labels are not distributions: row {wrong[0]} has values from "
            f"{values[wrong[0]].min():g} that add up to {sums[wrong[0]]:g}, expected values from 0 "
            "that add up to 1 (divide rows by their sum)"
        )
    shares, names = (
        torch.from_numpy(values.astype(np.float32)),
        array_of_names(classes, values.shape[1]),
    )
    return Labels(shares, names, False, by_name=are_values(names))


# --- crowds --------------------------------------------------------------------------------------


def _are_answers(values: np.ndarray) -> bool:
    """Whether floats are numbers of classes, -1 for none, and no shares of them."""
    return not (values % 1).any() and bool((values < 0).any() or (values > 1).any())


def _are_whole(values: np.ndarray) -> bool:
    """Whether numbers are whole, and stay what they are as integers."""
    return values.dtype.kind != "f" or bool(
        ((values % 1 == 0) & (np.abs(values.astype(float)) < 2**53)).all()
    )


def _refuse_gaps(names: np.ndarray) -> None:
    """Refuse the names that a gap becomes in an array of texts, or by which it is written."""
    words = [name for name in np.unique(names).tolist() if name.strip().lower() in UNKNOWN]
    gaps = np.flatnonzero(np.isin(names, words))
    if len(gaps):
        raise ValueError(
            f"the label of row {gaps[0]} is {str(names[gaps[0]])!r}, which stands for a gap: leave "
            "such rows out, or name it among classes= if it is a class"
        )


def _refuse_blanks(names: Sequence[str]) -> None:
    """Refuse names that differ by the blanks around them alone."""
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(name.strip(), name)
        if other != name:
            raise ValueError(
                f"labels hold {other!r} and {name!r}, which differ by blanks alone: expected one "
                "name for each class, or both among classes="
            )


def _refuse_wrapped(values: np.ndarray) -> None:
    """Refuse the number that -1 becomes in an unsigned type."""
    if values.dtype.kind == "u" and values.size and values.max() == np.iinfo(values.dtype).max:
        raise ValueError(
            f"labels hold {values.max()}, which is what -1 becomes in {values.dtype}: give them as "
            "signed numbers, such as int64"
        )


def _answers(
    name: str, values: np.ndarray, hidden: np.ndarray, classes: Sequence[Any] | None
) -> Labels:
    """Answers ``(N, R)`` as positions in the classes; masked ones were not given.

    They are positions already, unless the classes are numbers: then they are these.
    """
    if values.ndim != 2 or values.dtype.kind not in "iuf" or not _are_whole(values):
        raise _refuse(name, values)
    _refuse_wrapped(values)
    answers = np.where(hidden, -1, values.astype(np.int64))
    refuse_counts(name, answers)
    if classes is None and answers.min() == answers.max() >= 0:
        raise ValueError(f"every answer is {answers.max()}: expected two classes or more")
    if classes is None:
        warn_of_missing(answers)
        warn_of_counts(answers)
    names = array_of_names(classes, int(answers.max()) + 1 if classes is None else len(classes))
    count = len(names)
    if are_values(names):
        answers = _places(answers, names)
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
    return Labels(torch.from_numpy(answers), names, False, by_name=are_values(names))


def _places(answers: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Answers that are values of the classes as positions in these, -1 where there is none."""
    if -1 in classes.tolist():
        raise ValueError(
            "classes hold -1, which stands for no answer: expected another number for that class"
        )
    found = np.full(answers.shape, -1)
    found[answers != -1] = positions_in(classes, answers[answers != -1])
    return found


def _aggregated(
    name: str,
    values: np.ndarray,
    hidden: np.ndarray,
    classes: Sequence[Any] | None,
    aggregate: str,
    seed: int,
    distributions: bool,
) -> Labels:
    given = _answers(name, values, hidden, classes)
    answers, count = given.observed.numpy(), len(given.classes)
    refuse_presence(name, answers, count)
    if aggregate == "Dawid-Skene":
        posterior = dawid_skene(answers, count)[0]
    else:
        chosen = majority_vote(answers, count, numpy_rng(seed, "ties"))
        posterior = np.eye(count)[chosen]
    labels = posterior.astype(np.float32) if distributions else posterior.argmax(1)
    return replace(given, observed=torch.from_numpy(labels))
