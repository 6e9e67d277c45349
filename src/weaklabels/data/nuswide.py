"""NUS-WIDE: 81 concepts, with the official training and test lists.

Official layout under ``<root>/NUS-WIDE``: ``ConceptsList/Concepts81.txt``,
``ImageList/{Train,Test}Imagelist.txt``,
``Groundtruth/TrainTestLabels/Labels_<concept>_{Train,Test}.txt`` and ``Flickr/<folder>/*.jpg``.
Many of the images can no longer be had from their first source, so copies differ: say which one
was used.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Unpack

import numpy as np
import torch

from weaklabels.data import Split, Splits
from weaklabels.data.files import find, train_val_indices
from weaklabels.data.shards import Decoding, photographs


def load(
    root: str | Path | None = None,
    *,
    validation: float = 0.2,
    seed: int = 1200,
    keep: str | Path | None = None,
    drop_missing: bool = False,
    empty: bool = True,
    **decoding: Unpack[Decoding],
) -> Splits:
    """The official training list trains and validates, the official test list tests.

    Args:
        root: folder that holds ``NUS-WIDE``.
        validation: share of the training list held out (``train_val_indices``).
        seed: of that split.
        keep: a text file with one image a line (``folder/name.jpg``): only these are used, for
            the re-crawled subset of the single-positive papers.
        drop_missing: leave out listed images whose file is missing, with a warning that counts
            them, instead of an error.
        empty: keep images without any of the 81 concepts.
        decoding: how the images are decoded.

    Returns:
        ``x`` memory-mapped uint8 ``(N, 3, side, side)``, ``y`` ``(N, 81)`` int8,
        ``extra["files"]`` ``(N,)`` str.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a list does not fit the others.
    """
    base = find(root, "NUS-WIDE", "make data-nuswide")
    classes = read_concepts(base)
    wanted = None if keep is None else set(map(_posix, _lines(Path(keep))))

    def make(name: str, files: list[str], y: np.ndarray) -> Split:
        paths = [base / "Flickr" / file for file in files]
        x = photographs(paths, base, f"nuswide-{name}", **decoding)
        return Split(x, torch.from_numpy(y), extra={"files": np.array(files)})

    listed = {part: read_part(base, part, classes) for part in ("Train", "Test")}
    if lost := sorted((wanted or set()).difference(*(files for files, _ in listed.values()))):
        raise ValueError(f"{keep}: {lost[0]} is in neither official list ({len(lost):,} such)")
    pools = {
        part: _chosen(base, part, *both, wanted, empty=empty, drop_missing=drop_missing)
        for part, both in listed.items()
    }
    files, y = pools["Train"]
    rows, held_out = train_val_indices(len(files), validation, seed)
    parts = {"train": rows, "val": held_out}
    made = {name: make(name, [files[i] for i in r], y[r]) for name, r in parts.items() if len(r)}
    return Splits(classes, made["train"], made.get("val"), make("test", *pools["Test"]))


def read_concepts(base: Path) -> tuple[str, ...]:
    """The 81 concepts in their official order."""
    return tuple(line.strip() for line in _lines(base / "ConceptsList" / "Concepts81.txt"))


def read_part(base: Path, part: str, classes: tuple[str, ...]) -> tuple[list[str], np.ndarray]:
    """Image names and ``(N, C)`` int8 truth of the official ``Train`` or ``Test`` list.

    Raises:
        FileNotFoundError: if a list is missing.
        ValueError: if a label file has another length than the list, or values other than 0, 1.
    """
    files = [_posix(line) for line in _lines(base / "ImageList" / f"{part}Imagelist.txt")]
    y = np.empty((len(files), len(classes)), dtype=np.int8)
    for column, name in enumerate(classes):
        path = base / "Groundtruth" / "TrainTestLabels" / f"Labels_{name}_{part}.txt"
        lines = [line.strip() for line in _lines(path)]
        if len(lines) != len(files) or not set(lines) <= {"0", "1"}:
            raise ValueError(
                f"{path}: {len(lines)} lines with values {sorted(set(lines))[:5]}, expected "
                f"{len(files)} lines of 0 or 1"
            )
        y[:, column] = np.array(lines, dtype=np.int8)
    return files, y


def _chosen(
    base: Path, part: str, files: list[str], y: np.ndarray, wanted: set[str] | None,
    *, empty: bool, drop_missing: bool,
) -> tuple[list[str], np.ndarray]:  # fmt: skip
    """The images of a list, and their truth, that ``load`` is asked for."""
    chosen: np.ndarray = np.ones(len(files), dtype=bool) if empty else np.asarray(y.any(1))
    if wanted is not None:
        chosen &= np.array([file in wanted for file in files])
    if drop_missing:
        there = np.array([(base / "Flickr" / file).exists() for file in files])
        if lost := int((chosen & ~there).sum()):
            warnings.warn(
                f"NUS-WIDE {part}: {lost:,} of {int(chosen.sum()):,} images are missing",
                stacklevel=3,
            )
        chosen &= there
    if not chosen.any():
        raise ValueError(f"{base}: no image of the {part} list is left")
    return [file for file, ok in zip(files, chosen, strict=True) if ok], y[chosen]


def _posix(line: str) -> str:
    return line.strip().replace("\\", "/")


def _lines(path: Path) -> list[str]:
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: the set is incomplete")
    return [line for line in path.read_text().splitlines() if line.strip()]
