"""Tables of labels, as spreadsheets and pandas write them, and the images that they name.

A cell, a row or a name that could be meant in two ways is refused with one sentence that names the
file, the row (the header is row 1) and the column. Nothing is guessed in silence.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from weaklabels.estimator.class_names import UNKNOWN, in_order, listed, warn_of_lists
from weaklabels.estimator.files import SUFFIXES, find, images

SEPARATORS = (",", ";", "\t", "|")
PACKED = (b"\x1f\x8b", b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"BZh", b"\xfd7zXZ")
"""First bytes of gzip, zip (and .xlsx), .xls, bzip2 and xz."""
WORDS = {"true": 1, "false": 0}
WHOLE = re.compile(r"([+-]?\d+)(\.0*|,0?)")
NUMBER = re.compile(r"[+-]?\d+([.,]\d*)?")


@dataclass(frozen=True)
class Labelled:
    """Images with what is known about their labels.

    Attributes:
        x: ``(N, 3, side, side)`` uint8, in a memory map; None if no folder was named.
        observed: the labels, in the form that the reading function names.
        classes: C names.
        files: N names, as in the table.
        workers: those who answered, if it is a table of answers.
    """

    x: Tensor | None
    observed: Tensor
    classes: tuple[str, ...]
    files: tuple[str, ...]
    workers: tuple[str, ...] = ()


def read_table(
    table: str | Path,
    folder: str | Path,
    *,
    classes: Sequence[str] | None = None,
    side: int = 128,
    cache: str | Path | None = None,
    separator: str | None = None,
    encoding: str | None = None,
) -> Labelled:
    """Read a table with a column for each class, and the images that it names.

    The first row names the columns. The first column names the image's file; a column of row
    numbers before it, which pandas writes unless told otherwise, is passed over. Every further
    column is a class: ``1``, ``1.0`` or ``True`` for present, ``0``, ``0.0`` or ``False`` for
    absent, and nothing (or pandas' ``NaN``, ``NA``, ``None``) where nobody said. Blanks around
    names and cells do not count.

    Args:
        table: a text file with separated values.
        folder: where the files are.
        classes: their names in the order that is wanted, such as the ``classes`` of a table read
            before; default: as in this table.
        side: images are resized to squares of this many pixels. They are turned as their EXIF
            orientation says, and what is transparent lies on white.
        cache: folder for the decoded images; default: ``.weaklabels`` in ``folder``.
        separator: of the columns; default: whichever of comma, semicolon, tab and bar fits.
        encoding: of the text; default: UTF-8, or UTF-16 with a byte order mark.

    Returns:
        ``observed`` is ``(N, C)`` int8: +1 present, -1 absent, 0 unknown.

    Raises:
        FileNotFoundError: if the table or an image is missing.
        ValueError: if the table cannot be read in one way only, has no rows or no classes, names a
            file or a class twice, or holds another value; the message names the place.
    """
    read = _read(table, separator, encoding)
    header, rows = _without_index(read)
    if len(header) < 2 or not rows:
        raise ValueError(f"{table}: expected a row for each image and a column for each class")
    names = _class_names(table, header)
    _refuse_images(table, header, folder)
    observed = np.array(
        [
            [_presence(cell, table, number, name)
             for cell, name in zip(cells[1:], names, strict=True)]
            for number, cells in rows
        ], dtype=np.int8,
    )  # fmt: skip
    order = _in_order(names, _wanted(classes, _composed), table)
    missing = [name for name in order if name not in names]
    if missing:
        raise ValueError(f"{table}, row 1: there is no column {missing[0]!r}")
    observed = observed[:, [names.index(name) for name in order]]
    paths = _paths([(number, cells[0]) for number, cells in rows], table, Path(folder))
    files = tuple(cells[0].strip() for _, cells in rows)
    return Labelled(
        images(paths, side, cache, folder), torch.from_numpy(observed), tuple(order), files
    )


def read_labels(
    table: str | Path,
    folder: str | Path,
    *,
    classes: Sequence[str] | None = None,
    side: int = 128,
    cache: str | Path | None = None,
    separator: str | None = None,
    encoding: str | None = None,
) -> Labelled:
    """Read a table of two columns, image and the name of its one class (see ``read_table``).

    A class that is a whole number may be written ``1`` or ``1.0``, and is called ``1``.

    Args:
        classes: their names in the order that is wanted; default: those that occur, sorted by
            name, or by value if all are whole numbers. Tables that are to fit together need the
            same list, as a class that does not occur in one of them would move the others.
        table, folder, side, cache, separator, encoding: see ``read_table``.

    Returns:
        ``observed`` is ``(N,)`` int64, positions in ``classes``.

    Raises:
        FileNotFoundError, ValueError: as ``read_table``; also if a label is missing, or is -1 or a
            word for a gap, such as ``NA``, and none of ``classes``.
    """
    header, rows = _without_index(_read(table, separator, encoding))
    if len(header) != 2 or not rows:
        raise ValueError(f"{table}: {len(header)} columns, expected two: the image and its class")
    _refuse_images(table, header, folder)
    wanted = _wanted(classes, _one_spelling)
    names = [_label(cells[1], table, number, header[1], wanted) for number, cells in rows]
    order = _in_order(in_order(names), wanted, table)
    if wanted is None:
        warn_of_lists(order, f"{table}: ", stacklevel=3)
    paths = _paths([(number, cells[0]) for number, cells in rows], table, Path(folder))
    files = tuple(cells[0].strip() for _, cells in rows)
    observed = torch.tensor([order.index(name) for name in names])
    return Labelled(images(paths, side, cache, folder), observed, tuple(order), files)


def read_answers(
    table: str | Path,
    folder: str | Path | None = None,
    *,
    classes: Sequence[str] | None = None,
    side: int = 128,
    cache: str | Path | None = None,
    separator: str | None = None,
    encoding: str | None = None,
) -> Labelled:
    """Read a long table of what workers said: columns ``task``, ``worker`` and ``label``.

    What is a whole number may be written ``1`` or ``1.0``, and is called ``1``.

    Args:
        table: one row an answer (see ``read_table``).
        folder: where the images are if tasks are names of image files; default: none are read.
        classes: their names in the order that is wanted; default: those that occur, sorted as
            by ``read_labels``.
        side, cache, separator, encoding: see ``read_table``.

    Returns:
        ``observed`` is ``(N, R)`` int64: what worker r said about task i, as a position in
        ``classes``, -1 where nothing; ``crowds`` takes ``observed.numpy()``. Tasks (``files``)
        stand in the order of their first row, ``workers`` sorted by name.

    Raises:
        FileNotFoundError, ValueError: as ``read_labels``; also if a worker answers a task twice.
    """
    header, rows = _without_index(_read(table, separator, encoding))
    names = [name.strip().lower() for name in header]
    if sorted(names) != ["label", "task", "worker"] or not rows:
        raise ValueError(
            f"{table}: columns {', '.join(header)}, expected task, worker and label, and rows"
        )
    place = {name: names.index(name) for name in names}
    said: dict[tuple[str, str], str] = {}
    first: dict[str, int] = {}
    wanted = _wanted(classes, _one_spelling)
    for number, cells in rows:
        task, worker = (_named(cells[place[n]], table, number, n) for n in ("task", "worker"))
        label = _label(cells[place["label"]], table, number, "label", wanted)
        if (task, worker) in said:
            raise ValueError(f"{table}, row {number}: {worker} answers {task} a second time")
        said[task, worker] = label
        first.setdefault(task, number)
    tasks, workers = list(first), sorted({worker for _, worker in said})
    order = _in_order(in_order(said.values()), wanted, table)
    if wanted is None:
        warn_of_lists(order, f"{table}: ", stacklevel=3)
    observed = torch.full((len(tasks), len(workers)), -1)
    row, column, value = ({name: i for i, name in enumerate(v)} for v in (tasks, workers, order))
    for (task, worker), label in said.items():
        observed[row[task], column[worker]] = value[label]
    x = None
    if folder is not None:
        paths = _paths([(first[task], task) for task in tasks], table, Path(folder))
        x = images(paths, side, cache, folder)
    return Labelled(x, observed, tuple(order), tuple(tasks), tuple(workers))


# --- rows and columns ----------------------------------------------------------------------------

Rows = list[tuple[int, list[str]]]
"""Row numbers, counted from 1 with the header, and cells."""


def _read(
    table: str | Path, separator: str | None, encoding: str | None
) -> tuple[Path, list[str], Rows]:
    """The header and all rows that are not empty; each has as many cells as the header."""
    if separator is not None and len(separator) != 1:
        raise ValueError(f"separator is {separator!r}: expected one character")
    if not isinstance(table, str | Path):
        raise TypeError(f"table is a {type(table).__name__}: expected the path of a file")
    text = _text(Path(table), encoding)
    if not text.strip():
        raise ValueError(f"{table}: it is empty, expected the names of the columns in row 1")
    if separator is None:
        fitting = [s for s in SEPARATORS if len(_first_row(text, s)) > 1]
        if len(fitting) > 1:
            raise ValueError(
                f"{table}: row 1 holds {' and '.join(map(repr, fitting))}: say which separates "
                "the columns by separator="
            )
        separator = fitting[0] if fitting else ","
    rows: Rows = []
    reader = _cells(text, separator)
    number = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((number, cells))
            number = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{table}, row {reader.line_num}: {error}") from None
    (_, header), *body = rows
    for number, cells in body:
        if len(cells) != len(header):
            raise ValueError(
                f"{table}, row {number}: {len(cells)} cells, expected {len(header)} as in row 1"
            )
    return Path(table), [_composed(name.strip()) for name in header], body


def _cells(text: str, separator: str) -> Any:
    """A reader of the rows, which are split where the format says so and nowhere else."""
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)


def _first_row(text: str, separator: str) -> list[str]:
    try:
        return next(filter(any, _cells(text, separator)))
    except csv.Error:  # with another separator the quotes may be in the wrong places
        return []


def _text(path: Path, encoding: str | None) -> str:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such table")
    content = path.read_bytes()
    if content.startswith(PACKED):
        raise ValueError(f"{path}: it is compressed, or a spreadsheet: expected a text file (CSV)")
    if encoding is None:
        sixteen = content[:2] in (b"\xff\xfe", b"\xfe\xff")
        encoding = "utf-16" if sixteen else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        before = content[: getattr(error, "start", 0)].count(b"\n")
        raise ValueError(
            f"{path}, row {before + 1}: the text is not {encoding}: name its encoding, such as "
            "encoding='cp1252'"
        ) from None
    if "\x00" in text:
        raise ValueError(f"{path}: the text is not {encoding}: name its encoding by encoding=")
    return text.removeprefix("\ufeff")


def _without_index(read: tuple[Path, list[str], Rows]) -> tuple[list[str], Rows]:
    """Leave out first columns without a name that number the rows."""
    table, header, rows = read
    numbers = [cells[0].strip() for _, cells in rows]
    counted = all(cell.isascii() and cell.isdigit() for cell in numbers)
    if _is_unnamed(header[0]) and rows and counted and len(header) > 2:
        shorter = [(number, cells[1:]) for number, cells in rows]
        return _without_index((table, header[1:], shorter))  # read and saved twice, it has two
    return header, rows


def _is_unnamed(name: str) -> bool:
    """Whether a column has no name, or the one that pandas gives to such."""
    return name == "" or re.fullmatch(r"Unnamed: \d+", name) is not None


def _class_names(table: str | Path, header: Sequence[str]) -> tuple[str, ...]:
    names = tuple(header[1:])
    for place, name in enumerate(names):
        if _is_unnamed(name):
            raise ValueError(f"{table}, row 1: column {place + 2} has no name")
        if name in names[:place]:
            first = names.index(name) + 2
            raise ValueError(
                f"{table}, row 1: columns {first} and {place + 2} are both called {name!r}"
            )
        if re.fullmatch(r".*\.\d+", name) and name.rpartition(".")[0] in names:
            warnings.warn(
                f"{table}, row 1: {name!r} is how pandas renames a second column of the name "
                f"{name.rpartition('.')[0]!r}: are these two classes?",
                stacklevel=3,
            )
    return names


def _in_order(found: Sequence[str], wanted: list[str] | None, table: str | Path) -> list[str]:
    """The classes in the order that is wanted, or as found.

    Raises:
        ValueError: if a class is not among those that are wanted, or one of these is named twice.
    """
    if wanted is None:
        return list(found)
    if len(set(wanted)) != len(wanted):
        raise ValueError(f"classes are {', '.join(wanted)}: expected names that differ")
    for name in found:
        if name not in wanted:
            raise ValueError(f"{table}: class {name!r} is none of {', '.join(wanted)}")
    return wanted


def _wanted(classes: Any, spelling: Callable[[str], str]) -> list[str] | None:
    """The classes that are wanted, spelt as those of the table are."""
    names = listed(classes)
    return None if names is None else [spelling(str(name)) for name in names]


def _presence(cell: str, table: str | Path, number: int, name: str) -> int:
    """+1, -1 or 0 for what a cell says."""
    text = cell.strip().lower()
    if text in UNKNOWN:
        return 0
    if Path(text).suffix in SUFFIXES:
        raise ValueError(
            f"{table}, row {number}, class {name}: {cell.strip()!r}, an image: expected the images "
            "in the first column"
        )
    value: float | None = WORDS.get(text)
    if NUMBER.fullmatch(text):
        value = float(text.replace(",", "."))
    if value not in (0, 1):
        raise ValueError(
            f"{table}, row {number}, class {name}: {cell.strip()!r}, expected 1 (present), 0 "
            "(absent) or nothing (unknown)"
        )
    return 1 if value else -1


def _label(
    cell: str, table: str | Path, number: int, column: str, classes: Sequence[str] | None
) -> str:
    """The name of a class in a cell: -1 and words for a gap are none, unless they are classes."""
    text = _one_spelling(cell.strip())
    if (text == "-1" or text.lower() in UNKNOWN) and text not in (classes or ()):
        meant = "which stands for no label" if text == "-1" else "a gap"
        raise ValueError(
            f"{table}, row {number}: {column or 'a column'} is {text!r}, {meant}: leave such rows "
            "out, or name it among classes= if it is a class"
        )
    return text


def _named(cell: str, table: str | Path, number: int, column: str) -> str:
    """A name in a cell; that of a gap is none, though anybody may be called NA."""
    text = cell.strip()
    if text.lower() in ("", "nan"):
        raise ValueError(f"{table}, row {number}: {column or 'a column'} is {text!r}, a gap")
    return _one_spelling(text)


def _one_spelling(name: str) -> str:
    """A whole number without the decimals that pandas gives to a column with gaps."""
    whole = WHOLE.fullmatch(name)
    return whole[1] if whole else _composed(name)


def _composed(name: str) -> str:
    """A name whose accented letters are composed, as some systems write them and others not."""
    return unicodedata.normalize("NFC", name)


# --- files ---------------------------------------------------------------------------------------


def _refuse_images(table: str | Path, header: Sequence[str], folder: str | Path) -> None:
    """Refuse a table whose first row is already that of an image."""
    for name in filter(None, header):
        if Path(name).suffix.lower() in SUFFIXES or find(Path(folder), name) is not None:
            raise ValueError(
                f"{table}: row 1 holds {name!r}, an image: expected the names of the columns there"
            )


def _paths(names: Sequence[tuple[int, str]], table: str | Path, folder: Path) -> list[Path]:
    """The files of the rows, each of which is there and named once."""
    paths: dict[Path, int] = {}
    for number, name in names:
        path = find(folder, name)
        if path is None:
            raise FileNotFoundError(
                f"{table}, row {number}: {name.strip()!r}, but there is no such file in {folder}"
            )
        real = path.resolve()
        if real in paths:
            raise ValueError(
                f"{table}: rows {paths[real]} and {number} name the same file, {name.strip()}"
            )
        paths[real] = number
    return list(paths)
