"""How good predictions are, class by class, and from which probability a label counts as there."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import precision_recall_curve

from weaklabels import metrics
from weaklabels.estimator import class_names, inputs, labels

FEWEST = 5
"""Annotated positives and negatives that a class needs for a threshold of its own."""

IN_MEAN = "in the mean"
SUMMARIES = ("mean", "all")
"""Rows of a table of results that are no classes."""

AS_ABSENT = (
    "the labels to judge by are 1 and 0 alone, and 0 is taken for absent, though in training it "
    "was unknown: give complete labels as 2 * truth - 1; evaluate and score may be told "
    "zeros='absent', or zeros='unknown' if they are not complete"
)


def read(
    form: inputs.Form,
    x: Any,
    truth: Any,
    classes: np.ndarray,
    several: bool,
    zeros: str | None = None,
    said: str | None = None,
    *,
    gaps: bool = True,
) -> tuple[torch.Tensor, np.ndarray]:
    """Inputs in the form of the training, and what is known of their labels.

    Args:
        form: of the training inputs.
        x: inputs, see ``inputs.tensors``.
        truth: their labels, of several classes a row or of one.
        classes: C names, or the values that the labels had.
        several: whether a row may have several labels.
        zeros, said, gaps: see ``known_labels``.

    Returns:
        the inputs, and labels ``(N, C)`` int8 or positions in the classes ``(N,)`` int64.

    Raises:
        ValueError: if inputs and labels do not fit each other or the training.
    """
    inputs.same_rows(x, truth)
    x = form.read(x)
    if several:
        known = known_labels(truth, len(x), classes, zeros=zeros, said=said, gaps=gaps)
        rankable(known)
        return x, known
    return x, class_names.of_rows(classes, labels.array_of(truth), len(x), "labels")


def known_labels(
    truth: Any,
    rows: int,
    classes: np.ndarray,
    *,
    zeros: str | None = None,
    said: str | None = None,
    gaps: bool = True,
) -> np.ndarray:
    """Labels ``(N, C)`` as +1 present, -1 absent and 0 unknown, int8; masked ones are unknown.

    Labels of 1 and 0 alone are complete, 0 being absent, unless it is said otherwise.

    Args:
        truth: labels of that form, or of 1 and 0.
        rows: N.
        classes: C names; a frame has such columns.
        zeros: "absent" or "unknown", what 0 means in labels of 1 and 0 alone.
        said: the same of the labels of the training, as somebody said or they showed: after
            "unknown" a warning says how 0 is taken.
        gaps: whether some may be unknown.

    Raises:
        ValueError: if the labels have another shape or other values, or some are unknown and none
            may be.
    """
    class_names.check_columns(truth, classes)
    values, hidden = labels.with_mask(truth)
    shape = (rows, len(classes))
    if values.shape != shape:
        raise ValueError(
            f"labels {values.shape}: expected {shape}, a label for each input and class"
        )
    known, unclear = labels.signs_of(values, hidden, zeros)
    if unclear:
        if said == "unknown":
            warnings.warn(AS_ABSENT, labels.ZerosAreUnclear, stacklevel=5)
        known, _ = labels.signs_of(values, hidden, "absent")
    if not gaps and (known == 0).any():
        raise ValueError(
            "some of the labels are unknown: say unknown='ignore' to judge by those that are "
            "known, or zeros='absent' if 0 means absent"
        )
    return known


def rankable(known: np.ndarray) -> np.ndarray:
    """Classes that can be ranked, ``(C,)`` bool: a known label is present, and another absent.

    Raises:
        ValueError: if there is no such class.
    """
    both = (known == 1).any(0) & (known == -1).any(0)
    if not both.any():
        raise ValueError(
            "no class has a label that is known to be present and another known to be absent: "
            "there is nothing to rank"
        )
    return both


def several_labels(
    logits: torch.Tensor, chosen: np.ndarray, known: np.ndarray, classes: np.ndarray,
    thresholds: np.ndarray,
) -> pd.DataFrame:  # fmt: skip
    """Average precision and F1 (%) of each class, and their mean over the classes that can be.

    A class of which no known label is present has neither. One of which none is absent has 100 %
    whatever is predicted. Both are left out of the mean: the column "in the mean" says so.

    Args:
        logits: ``(N, C)``.
        chosen: ``(N, C)`` bool, what is predicted.
        known: ``(N, C)``, +1, -1, and 0 for what does not count.
        classes: C names.
        thresholds: ``(C,)``.

    Returns:
        A row a class, and "mean". A class of that name is called "mean (class)".

    Raises:
        ValueError: if no class has labels of both kinds.
    """
    counted = rankable(known)
    precision = metrics.annotated_average_precision(logits, torch.from_numpy(known))
    right = (chosen & (known == 1)).sum(0)
    made = (chosen & (known != 0)).sum(0) + (known == 1).sum(0)
    frame = pd.DataFrame(
        {
            "known": (known != 0).sum(0).astype(float),  # their means are no whole numbers
            "positives": (known == 1).sum(0).astype(float),
            "AP": np.where(counted, precision, np.nan),
            "F1": np.where(counted, 200 * right / np.maximum(made, 1), np.nan),
            "threshold": thresholds,
            IN_MEAN: np.where(counted, "yes", "no"),
        },
        index=_rows(classes),
    )
    mean = frame[counted].drop(columns=IN_MEAN).mean()
    frame.loc["mean"] = mean.to_dict() | {IN_MEAN: f"{counted.sum()} of {len(counted)}"}
    return frame


def _rows(classes: np.ndarray) -> pd.Index:
    """Names of the rows: those of the classes, told from the rows that sum up."""
    names = [str(name) for name in classes]
    names = [f"{name} (class)" if name in SUMMARIES else name for name in names]
    return pd.Index(names, name="class")


def one_label(chosen: np.ndarray, truth: np.ndarray, classes: np.ndarray) -> pd.DataFrame:
    """Recall, precision and F1 (%) of each class, their mean over those that occur, and accuracy.

    Args:
        chosen, truth: ``(N,)`` positions in the classes.
        classes: K names.

    Returns:
        The row "all" counts all examples alike: its three shares are the accuracy. A class of the
        name "mean" or "all" is called "mean (class)", "all (class)".
    """
    places = np.arange(len(classes))
    there, made = (values[:, None] == places for values in (truth, chosen))
    right = (there & made).sum(0)
    counted = there.any(0)
    shares = {
        "recall": right / np.maximum(there.sum(0), 1),
        "precision": right / np.maximum(made.sum(0), 1),
        "F1": 2 * right / np.maximum(there.sum(0) + made.sum(0), 1),
    }
    frame = pd.DataFrame(
        {"examples": there.sum(0).astype(float)}
        | {name: np.where(counted, 100 * share, np.nan) for name, share in shares.items()}
        | {IN_MEAN: np.where(counted, "yes", "no")},
        index=_rows(classes),
    )
    mean = frame[counted].drop(columns=IN_MEAN).mean()
    accuracy = 100 * float((chosen == truth).mean())
    frame.loc["mean"] = mean.to_dict() | {IN_MEAN: f"{counted.sum()} of {len(counted)}"}
    frame.loc["all"] = {"examples": len(truth), **dict.fromkeys(shares, accuracy), IN_MEAN: ""}
    return frame


def best_thresholds(p: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The threshold of each class with the best F1 on annotated labels, ``(C,)``.

    A class with fewer than five annotated positives or negatives takes the best common one.

    Args:
        p: ``(N, C)`` probabilities.
        known: ``(N, C)``, +1 present, -1 absent, 0 unknown (left out).

    Raises:
        ValueError: if no positive or no negative is annotated at all.
    """
    if not ((known == 1).any() and (known == -1).any()):
        raise ValueError(
            "thresholds need annotated positives and negatives, +1 and -1: one kind is absent "
            "(complete truth of 1 and 0 becomes such labels as 2 * truth - 1)"
        )
    thresholds = np.full(known.shape[1], best_threshold(p[known != 0], known[known != 0]))
    for c in range(known.shape[1]):
        rows = known[:, c] != 0
        positives = int((known[:, c] == 1).sum())
        if min(positives, rows.sum() - positives) >= FEWEST:
            thresholds[c] = best_threshold(p[rows, c], known[rows, c])
    return thresholds


def best_threshold(p: np.ndarray, known: np.ndarray) -> float:
    """The threshold with the best F1, half-way to the next lower score.

    So the label does not hang on one example.
    """
    precision, recall, thresholds = precision_recall_curve(known == 1, p)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    best = int(f1[:-1].argmax())
    return float((thresholds[best] + thresholds[max(best - 1, 0)]) / 2)
