"""Classes by name and by number: which are meant, and in which order they come."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from weaklabels.estimator.inputs import columns_of, differing

WHOLE = re.compile(r"[+-]?\d{1,99}")
"""Names that are whole numbers."""

UNKNOWN = {"", "nan", "na", "<na>", "n/a", "none", "null"}
"""Words for a gap, in small letters."""

BETWEEN = (";", "|", ",")
"""What stands between several labels in one cell."""


def listed(classes: Any) -> list[Any] | None:
    """Classes as a list, whatever sequence, array, index or tensor they are; None stays None.

    Raises:
        ValueError: if they are no such thing.
    """
    if classes is None:
        return None
    several = hasattr(classes, "__len__") and not isinstance(
        classes, str | set | frozenset | Mapping
    )
    names: list[Any] = []
    if several and getattr(classes, "ndim", 1) == 1:
        names = classes.tolist() if hasattr(classes, "tolist") else list(classes)
    if not names or any(np.ndim(name) for name in names):
        raise ValueError(f"classes is {classes!r}: expected a list of names")
    return names


def in_order(names: Iterable[str]) -> list[str]:
    """Names, each once: by their value if all are whole numbers, else as texts are sorted."""
    found = sorted(set(names))
    return sorted(found, key=int) if all(map(WHOLE.fullmatch, found)) else found


def warn_of_lists(names: Sequence[str], where: str = "", *, stacklevel: int) -> None:
    """Ask about the first name that lists others, such as "cat;dog" beside "cat" and "dog".

    Args:
        names: of the classes, as found in labels of one class a row.
        where: what the sentence begins with.
        stacklevel: of the warning, 1 being this function.
    """
    for name in names:
        for mark in BETWEEN:
            parts = [part.strip() for part in name.split(mark)]
            if len(parts) > 1 and all(part in names for part in parts):
                warnings.warn(
                    f"{where}the class {name!r} lists other classes: if rows have several labels, "
                    "give them a column for each class, such as "
                    f"frame.labels.str.get_dummies({mark!r})",
                    stacklevel=stacklevel,
                )
                return


def refuse_mixed(values: np.ndarray, what: str) -> None:
    """Refuse objects some of which are names, and others not.

    Raises:
        ValueError: naming one of each.
    """
    text = [value for value in values.flat if isinstance(value, str)]
    other = [value for value in values.flat if not isinstance(value, str)]
    if text and other:
        raise ValueError(
            f"{what} hold {other[0]!r} beside {text[0]!r}: expected names alone, or numbers alone"
        )


def check_columns(observed: Any, classes: Sequence[Any] | np.ndarray) -> None:
    """Refuse a frame of labels whose columns are not the classes in their order.

    Classes that are but numbered are the columns of an array: other names say nothing about them.

    Raises:
        ValueError: naming the first that differs.
    """
    columns, wanted = columns_of(observed), [str(name) for name in classes]
    if columns is None or list(columns) == wanted:
        return
    numbered = wanted == [str(number) for number in range(len(wanted))]
    if not numbered or set(columns) == set(wanted):
        raise ValueError(
            f"the labels have columns {differing(columns, wanted)} as in the classes (to_numpy() "
            "goes without names)"
        )


def named(observed: Any, classes: Sequence[Any] | None) -> Sequence[Any] | None:
    """The classes, or the names of the columns of a frame if there are none."""
    if classes is None:
        return columns_of(observed)
    check_columns(observed, classes)
    return classes


def valued(observed: Any, classes: Sequence[Any] | None) -> Sequence[Any] | None:
    """The same for one label a row, which is a value of a column: numbers stay numbers."""
    names = named(observed, classes)
    if classes is None and names and all(isinstance(each, Integral) for each in observed.columns):
        return observed.columns.tolist()
    return names


def are_values(names: np.ndarray) -> bool:
    """Whether classes are numbers of their own, which labels and predictions hold; else names."""
    return names.dtype.kind not in "US"


def array_of_names(classes: Sequence[Any] | None, count: int) -> np.ndarray:
    """The classes as an array, ``(count,)``; without any, the numbers from 0 as names.

    Raises:
        ValueError: if there are more or fewer, one stands there twice, or some are numbers and some
            names.
    """
    if classes is not None:
        refuse_mixed(np.array(classes, dtype=object), "classes")
    names = np.array([str(i) for i in range(count)] if classes is None else classes)
    if len(names) != count:
        raise ValueError(f"{len(names)} classes for labels of {count}: expected as many names")
    doubled = [name for name, times in Counter(names.tolist()).items() if times > 1]
    if doubled:
        raise ValueError(f"the class {doubled[0]!r} stands twice: expected different names")
    return names


def refuse_one_class(names: np.ndarray) -> None:
    """Refuse to tell one class from no other.

    Raises:
        ValueError: naming it.
    """
    if len(names) < 2:
        raise ValueError(f"there is one class, {names.tolist()[0]!r}: expected two or more")


def of_rows(classes: np.ndarray, values: np.ndarray, rows: int, what: str) -> np.ndarray:
    """One class for each row, ``(N,)`` or a column ``(N, 1)``, as positions in the list of classes.

    Raises:
        ValueError: if there are more or fewer, or a value is no class.
    """
    if values.shape == (rows, 1):
        values = values[:, 0]
    if values.shape != (rows,):
        raise ValueError(f"{what} {values.shape}: expected one class for each of {rows} inputs")
    return positions_in(classes, values)


def positions_in(classes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Positions in the list of classes: of their names, or the values themselves.

    Raises:
        ValueError: if a value is no class, or could be the name of one and the position of another.
    """
    if values.dtype.kind in "iuf" and not are_values(classes):
        outside = values[(values < 0) | (values >= len(classes)) | (values % 1 != 0)]
        if len(outside):
            raise ValueError(
                f"label {outside[0]}: expected a class of 0 to {len(classes) - 1}, or a name such "
                f"as {str(classes[0])!r}"
            )
        positions = values.astype(np.int64)
        _refuse_unclear(classes.tolist(), sorted(set(positions.tolist())))
        return positions
    place = {value: i for i, value in enumerate(classes.tolist())}
    unknown = [value for value in values.tolist() if value not in place]
    if unknown:
        known = ", ".join(map(str, classes.tolist()[:8]))
        raise ValueError(f"label {unknown[0]!r} is none of the classes ({known} ...)")
    return np.array([place[value] for value in values.tolist()], dtype=np.int64)


def _refuse_unclear(names: list[str], positions: list[int]) -> None:
    """Refuse numbers that are all names of classes as well, and of others than stand there."""
    if not all(isinstance(name, str) and WHOLE.fullmatch(name) for name in names):
        return
    numbers = [int(name) for name in names]
    other = [place for place in positions if numbers[place] != place]
    if other and set(positions) <= set(numbers):
        raise ValueError(
            f"label {other[0]} may be the class called '{other[0]}', or the one in place "
            f"{other[0]}, {names[other[0]]!r}: expected names, np.array(classes)[labels], or "
            "classes that are numbers, classes=[...] of fit"
        )
