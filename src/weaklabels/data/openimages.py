"""OpenImages V3: 5,000 trainable classes with human-verified positives and negatives.

Official layout under ``<root>/openimages``: ``2017_11/classes-trainable.txt``,
``2017_11/{train,validation,test}/annotations-human.csv``, and the images as
``{train,validation,test}/<ImageID>.jpg``. Almost every label of an image is unobserved. Only
images whose file is there are loaded: the whole set has nine million.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from filelock import FileLock

from weaklabels.data import Split, Splits
from weaklabels.data.files import find
from weaklabels.data.shards import build

CHUNK = 1_000_000
GROUPS = 5
COLUMNS = ("ImageID", "LabelName", "Confidence")


def load(
    root: str | Path | None = None,
    *,
    resolution: int = 448,
    resample: str = "bilinear",
    cache: str | Path | None = None,
    workers: int | None = None,
    progress: bool = False,
) -> Splits:
    """The official training, validation and test parts.

    Args:
        root: folder that holds ``openimages``.
        resolution: side of the square images, pixels (aspect ratio not kept).
        resample: resizing filter, see ``shards.build``.
        cache: where decoded images and label matrices go; default ``<root>/shards``.
        workers: decoding threads.
        progress: show a progress bar while decoding.

    Returns:
        ``x`` memory-mapped uint8 ``(N, 3, resolution, resolution)``. ``extra["observed"]``
        ``(N, C)`` int8: 1 verified positive, -1 verified negative, 0 not annotated. ``y`` is 1
        exactly for the verified positives: evaluate a class on annotated images only. Both
        matrices are memory-mapped. ``extra["ids"]`` ``(N,)`` str.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a table is damaged, or a part has no image.
    """
    base = find(root, "openimages", "make data-openimages")
    cache = Path(cache) if cache is not None else base.parent / "shards"
    path = base / "2017_11" / "classes-trainable.txt"
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: the set is incomplete")
    classes = tuple(path.read_text().split())

    def make(part: str) -> Split:
        table = base / "2017_11" / part / "annotations-human.csv"
        files = sorted((base / part).glob("*.jpg"))
        if not files:
            raise ValueError(f"{base / part}: empty, expected images named <ImageID>.jpg")
        ids = tuple(file.stem for file in files)
        x = build(files, resolution, cache, f"openimages-{part}", resample=resample,
                  workers=workers, progress=progress)  # fmt: skip
        y, observed = read_labels(table, ids, classes, cache / f"openimages-{part}-labels")
        return Split(x, torch.from_numpy(y), extra={"observed": observed, "ids": np.array(ids)})

    return Splits(classes, make("train"), make("validation"), make("test"))


def read_labels(
    table: Path, ids: tuple[str, ...], classes: tuple[str, ...], cache: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Truth and observed labels of some images, as memory-mapped ``(N, C)`` int8 matrices.

    Args:
        table: ``annotations-human.csv`` with the columns ImageID, LabelName and Confidence.
        ids: the images, in the order of the rows.
        classes: label names, in the order of the columns; other labels are skipped.
        cache: prefix of the folder in which the matrices are kept for the next time.

    Raises:
        FileNotFoundError: if the table is missing.
        ValueError: if it lacks a column or holds a confidence other than 0 or 1.
    """
    if not table.exists():
        raise FileNotFoundError(f"{table} is not there: the set is incomplete")
    key = hashlib.sha256("\n".join((*ids, *classes, str(table.stat().st_size))).encode())
    target = cache.with_name(f"{cache.name}-{key.hexdigest()[:12]}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(f".{target.name}.lock")):
        if not target.exists():
            partial = target.with_name(f"{target.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            try:
                _write_labels(table, ids, classes, partial)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
            partial.rename(target)
    y, observed = (np.load(target / f"{name}.npy", mmap_mode="c") for name in ("y", "observed"))
    return y, observed


def _write_labels(
    table: Path, ids: tuple[str, ...], classes: tuple[str, ...], folder: Path
) -> None:
    shape = (len(ids), len(classes))
    if shutil.disk_usage(folder).free < 2 * len(ids) * len(classes):
        raise OSError(28, f"{folder}: no room for two label matrices of {shape}")
    y, observed = (
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.int8, shape)
        for name in ("y", "observed")
    )
    rows, columns = pd.Index(ids), pd.Index(classes)
    try:
        reader = pd.read_csv(table, usecols=list(COLUMNS), chunksize=CHUNK,
                             dtype={"ImageID": str, "LabelName": str})  # fmt: skip
        for chunk in reader:
            row = rows.get_indexer(chunk["ImageID"])
            column = columns.get_indexer(chunk["LabelName"])
            confidence = chunk["Confidence"].to_numpy()
            if not np.isin(confidence, (0, 1)).all():
                bad = confidence[~np.isin(confidence, (0, 1))][0]
                raise ValueError(f"confidence {bad}, expected 0 or 1")
            known = (row >= 0) & (column >= 0)
            row, column, positive = row[known], column[known], confidence[known] == 1
            observed[row, column] = np.where(positive, 1, -1)
            y[row, column] = positive
    except ValueError as error:
        raise ValueError(f"{table}: {error}") from None
    y.flush()
    observed.flush()


def groups(observed: np.ndarray, count: int = GROUPS) -> np.ndarray:
    """Assign classes to groups by their number of training annotations.

    Source: Large Loss Matters, Table 3: classes sorted ascending, cut into equal groups; group 0
    has the fewest annotations. Ties keep the class order.

    Args:
        observed: ``(N, C)`` of the training part, 0 where not annotated.
        count: number of groups.

    Returns:
        ``(C,)`` int64 group of each class.
    """
    annotations = np.zeros(observed.shape[1], dtype=np.int64)
    for start in range(0, len(observed), 4096):
        annotations += (observed[start : start + 4096] != 0).sum(0)
    group = np.empty(len(annotations), dtype=np.int64)
    for number, part in enumerate(np.array_split(np.argsort(annotations, kind="stable"), count)):
        group[part] = number
    return group
