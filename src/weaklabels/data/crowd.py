"""Labels from crowds: CIFAR-10N, CIFAR-100N, CIFAR-10H, LabelMe, and three label-only sets.

Layout under ``<root>``: ``crowd/cifar-10n/CIFAR-10_human.pt``,
``crowd/cifar-100n/CIFAR-100_human.pt``, ``crowd/cifar-10h/cifar10h-counts.npy``,
``crowd/crowd_truth_infer/<set>/{answer,truth}.csv``, ``LabelMe/prepared/*.npy``, and the images
of CIFAR beside them (see ``cifar``).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from weaklabels.data import Split, Splits
from weaklabels.data.cifar import RECONSTRUCT, cifar10, cifar100
from weaklabels.data.files import find, finite, random_parts

LABEL_ONLY = {"duck": "d_Duck Identification", "dog": "s4_Dog data",
              "face": "s4_Face Sentiment Identification"}  # fmt: skip
NOISE_KINDS = ("aggre_label", "worse_label", "random_label1", "random_label2", "random_label3")
LABELME = ("highway", "insidecity", "tallbuilding", "street", "forest", "coast", "mountain",
           "opencountry")  # fmt: skip


def cifar10n(root: str | Path | None = None, *, raw: bool = False) -> Splits:
    """CIFAR-10 with the human labels of CIFAR-10N on the training images.

    Args:
        root: folder that holds ``crowd`` and CIFAR-10 (or its subset, which keeps the positions
            of its images, so that the labels line up).
        raw: see ``cifar.cifar10``.

    Returns:
        The splits of CIFAR-10; ``train.extra`` has in addition ``aggre_label``, ``worse_label``
        and ``random_label1`` to ``random_label3``, ``(N,)`` int64 each. The true labels in the
        label file are checked against those of the images.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if the label file is damaged or does not fit the images.
    """
    path = find(root, "crowd/cifar-10n/CIFAR-10_human.pt", "make data-crowd")
    noisy = read_human_labels(path, ("clean_label", *NOISE_KINDS), 50_000, 10)
    return _with_noise(cifar10(root, raw=raw), noisy, NOISE_KINDS, path)


def cifar100n(root: str | Path | None = None, *, raw: bool = False) -> Splits:
    """CIFAR-100 with the human fine labels of CIFAR-100N, ``train.extra["noisy_label"]``."""
    path = find(root, "crowd/cifar-100n/CIFAR-100_human.pt", "make data-crowd")
    noisy = read_human_labels(path, ("clean_label", "noisy_label"), 50_000, 100)
    return _with_noise(cifar100(root, raw=raw), noisy, ("noisy_label",), path)


def _with_noise(
    splits: Splits, labels: dict[str, np.ndarray], kinds: tuple[str, ...], path: Path
) -> Splits:
    index = np.asarray(splits.train.extra["index"])
    if not np.array_equal(labels["clean_label"][index], splits.train.y.numpy()):
        raise ValueError(f"{path}: its true labels are not those of the images, in their order")
    extra = {**splits.train.extra, **{kind: labels[kind][index] for kind in kinds}}
    return replace(splits, train=replace(splits.train, extra=extra))


def read_human_labels(
    path: Path, keys: tuple[str, ...], count: int, classes: int
) -> dict[str, np.ndarray]:
    """Read a label file of CIFAR-N: numpy arrays in a torch pickle.

    Only the types that such arrays consist of are allowed while it is read.

    Returns:
        For each key ``(count,)`` int64 labels.

    Raises:
        ValueError: if the file is damaged, holds other types, or an array is missing or odd.
    """
    allowed: list[Any] = [
        (RECONSTRUCT, "numpy.core.multiarray._reconstruct"),
        (RECONSTRUCT, "numpy._core.multiarray._reconstruct"),
        np.ndarray, np.dtype, np.dtypes.Int64DType, np.dtypes.Int32DType,
    ]  # fmt: skip
    try:
        with torch.serialization.safe_globals(allowed):
            content = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # a damaged file raises almost anything
        reason = str(error).splitlines()[-1] if str(error) else type(error).__name__
        raise ValueError(f"{path}: not a readable label file ({reason.strip()[:200]})") from None
    labels = {}
    for key in keys:
        values = np.asarray(content.get(key) if isinstance(content, dict) else None)
        if values.dtype.kind not in "iu" or values.shape != (count,):
            raise ValueError(f"{path}: {key} is {values.dtype} {values.shape}, expected ({count},)")
        if values.min() < 0 or values.max() >= classes:
            raise ValueError(f"{path}: {key} has labels outside 0..{classes - 1}")
        labels[key] = values.astype(np.int64)
    return labels


def cifar10h(
    root: str | Path | None = None,
    *,
    test: float = 0.2,
    validation: float = 0.0,
    seed: int = 0,
    raw: bool = False,
) -> Splits:
    """The CIFAR-10 test images with the answers of about 51 people each, split at random.

    Args:
        root: folder that holds ``crowd`` and CIFAR-10 (or its subset).
        test: share of the images that tests.
        validation: share that validates; 0 for none.
        seed: of the split.
        raw: see ``cifar.cifar10``.

    Returns:
        Images and truth of CIFAR-10; ``extra["counts"]`` ``(N, 10)`` int64 answers per class.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if the counts are not 10,000 rows of ten.
    """
    path = find(root, "crowd/cifar-10h/cifar10h-counts.npy", "make data-crowd")
    try:
        counts = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path}: not a readable array ({error})") from None
    if counts.shape != (10_000, 10) or counts.dtype.kind not in "iu" or counts.min() < 0:
        raise ValueError(
            f"{path}: {counts.dtype} {counts.shape}, expected (10000, 10) numbers of answers"
        )
    splits = cifar10(root, raw=raw)
    images = splits.test
    index = np.asarray(images.extra["index"])

    def make(part: np.ndarray) -> Split:
        extra = {"index": index[part], "counts": counts[index[part]].astype(np.int64)}
        return Split(images.x[part], images.y[part], extra=extra)

    train, val, test_rows = random_parts(len(images), test, seed, validation)
    return Splits(splits.classes, make(train), None if val is None else make(val), make(test_rows))


def labelme(root: str | Path | None = None) -> Splits:
    """LabelMe as released with CrowdLayer: 10,000 training images, 59 annotators, 8 classes.

    Args:
        root: folder that holds ``LabelMe/prepared``.

    Returns:
        ``x`` float32 VGG16 features ``(N, 512, 4, 4)``, ``y`` ``(N,)`` int64;
        ``train.extra["answers"]`` ``(N, 59)`` int64, -1 where an annotator gave none.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if the arrays do not fit each other.
    """
    base = find(root, "LabelMe/prepared", "make data-labelme")

    def array(name: str) -> np.ndarray:
        return np.load(find(base, f"{name}.npy", "make data-labelme"), allow_pickle=False)

    def make(part: str, extra: dict[str, np.ndarray]) -> Split:
        x, y = array(f"data_{part}_vgg16"), array(f"labels_{part}").astype(np.int64).ravel()
        if x.ndim != 4 or not all(len(values) == len(x) for values in (y, *extra.values())):
            raise ValueError(f"{base}: {part} features {x.shape} for {len(y)} labels")
        if not ((y >= 0) & (y < len(LABELME))).all():
            raise ValueError(f"{base}: {part} labels outside 0..{len(LABELME) - 1}")
        finite(base, f"the {part} features", x)
        features = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2), np.float32))
        return Split(features, torch.from_numpy(y), extra=extra)

    answers = array("answers").astype(np.int64)
    if answers.ndim != 2 or not ((answers >= -1) & (answers < len(LABELME))).all():
        raise ValueError(f"{base}: answers other than -1 (none) to {len(LABELME) - 1}")
    return Splits(LABELME, make("train", {"answers": answers}), make("valid", {}), make("test", {}))


def crowd_truth_infer(root: str | Path | None = None, *, which: str = "duck") -> Splits:
    """A crowd-sourced label set without features, for truth inference.

    Args:
        root: folder that holds ``crowd``.
        which: ``"duck"``, ``"dog"`` or ``"face"``.

    Returns:
        The same split for training and test: ``x`` ``(N, 0)`` float32, ``y`` ``(N,)`` int64,
        ``extra["answers"]`` ``(N, workers)`` int64 with -1 where a worker gave no answer. If a
        worker answered a task more than once, the last answer counts.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if the set is unknown, a file is damaged, or a task has no truth.
    """
    if which not in LABEL_ONLY:
        raise ValueError(f"unknown crowd set {which!r}: expected one of {', '.join(LABEL_ONLY)}")
    base = find(root, f"crowd/crowd_truth_infer/{LABEL_ONLY[which]}", "make data-crowd")
    answers, truth = read_answers(base)
    classes = tuple(f"class {i}" for i in range(int(max(answers.max(), truth.max())) + 1))
    split = Split(torch.empty(len(truth), 0), torch.from_numpy(truth), extra={"answers": answers})
    return Splits(classes, split, None, split)


def read_answers(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Answers ``(N, workers)`` int64 (-1: none) and truth ``(N,)`` int64 of one set.

    Tasks stand in the order of ``truth.csv``, workers in the order of their names.
    """
    tables = {}
    for name, columns in (("answer", ("question", "worker", "answer")),
                          ("truth", ("question", "truth"))):  # fmt: skip
        path = folder / f"{name}.csv"
        try:
            # A worker may be called "NA": nothing but an empty cell is missing.
            table = pd.read_csv(path, dtype=str, keep_default_na=False)
        except FileNotFoundError:
            raise FileNotFoundError(f"{path} is not there: the set is incomplete") from None
        except ValueError as error:
            raise ValueError(f"{path}: not a readable table ({error})") from None
        if tuple(table.columns) != columns:
            raise ValueError(f"{path}: columns {', '.join(table)}, expected {', '.join(columns)}")
        labels = pd.to_numeric(table[columns[-1]], errors="coerce")
        if not ((labels >= 0) & (labels % 1 == 0)).all():
            raise ValueError(f"{path}: a label is not a whole number from 0")
        if (table[list(columns[:-1])] == "").to_numpy().any():
            raise ValueError(f"{path}: a task or a worker has no name")
        tables[name] = table.assign(label=labels.astype(np.int64))
    tasks = pd.Index(tables["truth"]["question"])
    if tasks.has_duplicates:
        doubled = tasks[tasks.duplicated()][0]
        raise ValueError(f"{folder / 'truth.csv'}: task {doubled} is listed more than once")
    workers = pd.Index(sorted(set(tables["answer"]["worker"])))
    row = tasks.get_indexer(tables["answer"]["question"])
    if (row < 0).any():
        task = tables["answer"]["question"][row < 0].iloc[0]
        raise ValueError(f"{folder / 'answer.csv'}: task {task} has no truth in truth.csv")
    answers = np.full((len(tasks), len(workers)), -1, dtype=np.int64)
    answers[row, workers.get_indexer(tables["answer"]["worker"])] = tables["answer"]["label"]
    return answers, tables["truth"]["label"].to_numpy(copy=True)
