"""The multi-label sets of Mulan: ARFF data with the labels named in an XML file.

Layout: ``<root>/mulan/<set>/`` with ``*-train*.arff``, ``*-test*.arff`` and one ``*.xml``. Columns
of the truth stand in the order of the XML file.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import torch

from weaklabels.data import Split, Splits
from weaklabels.data.files import find, standardise, train_val_indices

SETS = ("emotions", "yeast", "scene", "birds", "corel5k", "medical", "flags")
_NAME = re.compile(
    r"""@attribute\s+('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\S+)\s+(.*)""", re.IGNORECASE
)

_CELL = re.compile(r"""(?:^|,)((?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^,])*)""")


def load(
    root: str | Path | None = None,
    *,
    which: str = "emotions",
    validation: float = 0.0,
    seed: int = 1200,
    standard: bool = True,
) -> Splits:
    """One Mulan set with its official training and test files.

    Args:
        root: folder that holds ``mulan``.
        which: one of ``SETS``.
        validation: share of the training file held out (``train_val_indices``).
        seed: of that split.
        standard: standardise with the statistics of the training part.

    Returns:
        ``x`` float32 ``(N, d)`` (nominal features as their numbers, or their rank in the list of
        values), ``y`` ``(N, C)`` int8.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if the set is unknown or a file is damaged.
    """
    if which not in SETS:
        raise ValueError(f"unknown Mulan set {which!r}: expected one of {', '.join(SETS)}")
    base = find(root, (f"mulan/{which}", which), "make data-mulan")
    files = {}
    for kind in ("*.xml", "*-train*.arff", "*-test*.arff"):
        matches = sorted(base.glob(kind))
        if len(matches) != 1:
            raise FileNotFoundError(f"{base}: {len(matches)} files match {kind}, expected one")
        files[kind] = matches[0]
    labels = read_labels(files["*.xml"])
    x, y = read_arff(files["*-train*.arff"], labels)
    x_test, y_test = read_arff(files["*-test*.arff"], labels)
    if x.shape[1] != x_test.shape[1]:
        raise ValueError(f"{base}: {x.shape[1]} features for training, {x_test.shape[1]} for test")
    rows, held_out = train_val_indices(len(x), validation, seed)
    parts = [(x[rows], y[rows]), (x_test, y_test)]
    if len(held_out):
        parts.append((x[held_out], y[held_out]))
    features = [values.astype(np.float32) for values, _ in parts]
    if standard:
        features = standardise(*(values for values, _ in parts))
    made = [
        Split(torch.from_numpy(values), torch.from_numpy(truth))
        for values, (_, truth) in zip(features, parts, strict=True)
    ]
    return Splits(labels, made[0], made[2] if len(made) == 3 else None, made[1])


def read_labels(path: Path) -> tuple[str, ...]:
    """The label names of a Mulan XML file, in its order."""
    try:
        # With a namespace, as in the official files, or without.
        nodes = [node for node in ET.parse(path).iter() if node.tag.split("}")[-1] == "label"]
    except ET.ParseError as error:
        raise ValueError(f"{path}: not well-formed XML ({error})") from None
    names = tuple(node.get("name", "") for node in nodes)
    if not names or "" in names or len(set(names)) < len(names):
        raise ValueError(f"{path}: expected labels, each with a name of its own")
    return names


def read_arff(path: Path, labels: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Read a dense or sparse ARFF file of numbers and nominal values.

    What a sparse row leaves out is 0, or the first value of a nominal attribute. A missing value
    (``?``) is refused: there is no number for it.

    Args:
        path: the file.
        labels: attributes that are labels, in the order of the truth's columns.

    Returns:
        features ``(N, d)`` float64 in the order of the file, truth ``(N, C)`` int8.

    Raises:
        ValueError: naming the file and the line that cannot be read, or the label it lacks.
    """
    names: list[str] = []
    values: list[dict[str, float] | None] = []
    rows: list[np.ndarray] = []
    in_data = False
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines()):
        text = line.strip()
        if not text or text.startswith("%"):
            continue
        if in_data:
            try:
                rows.append(_row(text, values))
            except (ValueError, KeyError, IndexError):
                raise ValueError(
                    f"{path}: line {number + 1} cannot be read: {text[:60]!r}"
                ) from None
        elif text.lower().startswith("@data"):
            in_data = True
        elif match := _NAME.match(text):
            names.append(_unquote(match[1]))
            values.append(_nominal(match[2]))
    column = {name: i for i, name in enumerate(names)}
    if len(column) < len(names):
        doubled = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{path}: attribute {doubled!r} is declared more than once")
    if lost := [label for label in labels if label not in column]:
        raise ValueError(f"{path}: no attribute {lost[0]!r}, which the XML file names as a label")
    if not rows:
        raise ValueError(f"{path}: no data in it")
    table = np.stack(rows)
    targets = [column[label] for label in labels]
    y = table[:, targets]
    if not np.isin(y, (0, 1)).all():
        raise ValueError(f"{path}: labels other than 0 and 1")
    return np.delete(table, targets, axis=1), y.astype(np.int8)


def _row(text: str, values: list[dict[str, float] | None]) -> np.ndarray:
    if text.startswith("{"):
        row = np.array([0.0 if kind is None else next(iter(kind.values())) for kind in values])
        seen = set()
        for entry in filter(None, (part.strip() for part in _cells(text.strip("{} ")))):
            index, value = entry.split(maxsplit=1)
            if int(index) < 0 or int(index) in seen:
                raise ValueError
            seen.add(int(index))
            row[int(index)] = _number(value, values[int(index)])
        return row
    cells = _cells(text)
    if len(cells) != len(values):
        raise ValueError
    return np.array([_number(cell, kind) for cell, kind in zip(cells, values, strict=True)])


def _cells(text: str) -> list[str]:
    """What commas separate, those within quotes aside."""
    return [match[1] for match in _CELL.finditer(text)] if "," in text else [text]


def _number(cell: str, nominal: dict[str, float] | None) -> float:
    number = float(cell) if nominal is None else nominal[_unquote(cell.strip())]
    if not math.isfinite(number):
        raise ValueError
    return number


def _nominal(kind: str) -> dict[str, float] | None:
    """The number of each nominal value; ``None`` for a numeric attribute."""
    if not kind.startswith("{"):
        return None
    names = [_unquote(name.strip()) for name in _cells(kind.strip("{} "))]
    try:
        return {name: float(name) for name in names}
    except ValueError:
        return {name: float(rank) for rank, name in enumerate(names)}


def _unquote(name: str) -> str:
    if len(name) > 1 and name[0] == name[-1] and name[0] in "'\"":
        return re.sub(r"\\(.)", r"\1", name[1:-1])
    return name
