"""How good predictions are, class by class, and from which probability a label counts as there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import precision_recall_curve

from weaklabels import metrics

FEWEST = 5
"""Annotated positives and negatives that a class needs for a threshold of its own."""

IN_MEAN = "in the mean"


def known_labels(truth: np.ndarray, unknown: str | None, shape: tuple[int, int]) -> np.ndarray:
    """Truth of 0 and 1, or labels of +1, -1 and 0 of which the known ones count, as +1, -1 and 0.

    Raises:
        ValueError: if the labels have another shape or other values, or nobody said what is to be
            done with unknown ones.
    """
    if unknown not in (None, "ignore"):
        raise ValueError(f"unknown is {unknown!r}: expected 'ignore', or None for complete truth")
    if truth.shape != shape:
        raise ValueError(f"truth {truth.shape}: expected {shape}, a label for each input and class")
    values = truth.astype(np.float64)
    other = values[~np.isin(values, (-1, 0, 1))]
    if len(other):
        raise ValueError(f"truth holds {other[0]:g}: expected 1 present and 0 absent")
    if unknown == "ignore":
        return values.astype(np.int8)
    if (values == -1).any():
        raise ValueError(
            "truth holds -1: if 0 means unknown there, say unknown='ignore' to judge by what is "
            "known; complete truth is 1 present, 0 absent"
        )
    return np.where(values == 1, 1, -1).astype(np.int8)


def stated_labels(truth: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Labels as +1, -1 and 0: with -1 in them 0 is unknown, without it they are complete truth.

    Raises:
        ValueError: as ``known_labels`` and ``rankable``.
    """
    unknown = "ignore" if (truth == -1).any() else None
    known = known_labels(truth, unknown, shape)
    rankable(known)
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
        index=pd.Index([str(name) for name in classes], name="class"),
    )
    mean = frame[counted].drop(columns=IN_MEAN).mean()
    frame.loc["mean"] = mean.to_dict() | {IN_MEAN: f"{counted.sum()} of {len(counted)}"}
    return frame


def one_label(chosen: np.ndarray, truth: np.ndarray, classes: np.ndarray) -> pd.DataFrame:
    """Recall, precision and F1 (%) of each class, their mean over those that occur, and accuracy.

    Args:
        chosen, truth: ``(N,)`` positions in the classes.
        classes: K names.

    Returns:
        The row "all" counts all examples alike: its three shares are the accuracy.
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
        index=pd.Index([str(name) for name in classes], name="class"),
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
