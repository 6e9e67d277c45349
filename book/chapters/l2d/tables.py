"""Records of the L2D runs as tables and arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from weaklabels.lab.store import Record
from weaklabels.methods import l2d
from weaklabels.press.claims import mean_std

Groups = Mapping[str, Sequence[Record]]
"""Records by method, one a seed."""

METRICS = ("mAP", "OF1", "CF1")


def long_table(groups: Groups) -> pd.DataFrame:
    """Long frame (method, seed, metric, value) of the test scores, in percent."""
    return pd.DataFrame(
        [
            {"method": name, "seed": record.spec.seed, "metric": metric, "value": value}
            for name, records in groups.items()
            for record in records
            for metric, value in zip(METRICS, record["test"].tolist(), strict=True)
        ]
    )


def score(records: Sequence[Record], metric: str = "mAP") -> np.ndarray:
    """One test score (percent) of each run."""
    return np.array([record["test"][METRICS.index(metric)] for record in records])


def structure_losses(records: Sequence[Record]) -> np.ndarray:
    """``(runs, 2)``: structure losses CD and ID to the teacher on test scenes."""
    return np.array([record["structure"] for record in records])


def structure_table(groups: Groups) -> pd.DataFrame:
    """``structure_losses`` of the students, for the reader."""
    losses = {name: structure_losses(records) for name, records in groups.items()}
    return pd.DataFrame(
        {
            kind: {name: mean_std(values[:, i], 2) for name, values in losses.items()}
            for i, kind in enumerate(("CD", "ID"))
        }
    )


EQUAL = "all distances equal"


def agreement(groups: Groups, names: Sequence[str], labels: Sequence[Tensor]) -> pd.DataFrame:
    """How near students come to the teacher's distances in a test batch, for the reader.

    The last row is a student whose distances within a group are all equal: its loss is what a
    student reaches that knows nothing of the teacher's geometry.

    Args:
        groups: ``names`` and ``teacher``, with the embeddings of a test batch.
        names: of the students.
        labels: ``(N, C)`` in {0, 1}, of the batch of every seed.

    Returns:
        Structure loss and correlation of the normalised distances, by kind.
    """
    teachers = [torch.from_numpy(record["embeddings"]) for record in groups["teacher"]]
    students = {
        name: [torch.from_numpy(record["embeddings"]) for record in groups[name]] for name in names
    }
    students[EQUAL] = [_equidistant(*present.shape) for present in labels]
    losses = {"CD": l2d.class_aware, "ID": l2d.instance_aware}
    table: dict[str, dict[str, str]] = {}
    for name, each in students.items():
        batches = list(zip(each, teachers, labels, strict=True))
        pairs = [positive_pairs(*batch) for batch in batches]
        for kind, loss in losses.items():
            values = [float(loss(*batch)) for batch in batches]
            table.setdefault(f"{kind}, loss", {})[name] = mean_std(values, 2)
            told = [np.corrcoef(points[kind].T)[0, 1] for points in pairs] if name != EQUAL else []
            table.setdefault(f"{kind}, correlation", {})[name] = mean_std(told, 2) if told else "-"
    return pd.DataFrame(table)


def _equidistant(images: int, classes: int) -> Tensor:
    """Embeddings ``(N, C, N + C)``: equal distances within a class and within an image."""
    of_image = torch.eye(images)[:, None].expand(-1, classes, -1)
    of_class = torch.eye(classes)[None].expand(images, -1, -1)
    return torch.cat([of_image, of_class], 2)


def of_budgets(
    studies: Mapping[tuple[str, str, object], Sequence[Record]], kind: str
) -> dict[str, np.ndarray]:
    """Test mAP by method, ``(seeds, values)``, of ``runs.budgets`` with a kind of budget."""
    found: dict[str, list[np.ndarray]] = {}
    for (name, varied, _), records in studies.items():
        if varied == kind:
            found.setdefault(name, []).append(score(records))
    return {name: np.stack(values, 1) for name, values in found.items()}


def label_counts(scores: np.ndarray, truth: np.ndarray, values: Callable) -> dict[int, float]:
    """Mean of ``values(scores)`` over the images with 2, 3, ... true labels.

    Args:
        scores: ``(N, C)`` logits.
        truth: ``(N, C)`` in {0, 1}.
        values: ``(N, C)`` logits -> ``(N,)``.
    """
    counts, measured = truth.sum(1), values(scores)
    return {int(k): float(measured[counts == k].mean()) for k in np.unique(counts)}


def largest_softmax(scores: np.ndarray) -> np.ndarray:
    """Largest softmax probability of each row."""
    return torch.softmax(torch.from_numpy(scores), 1).amax(1).numpy()


def predicted_count(scores: np.ndarray, cut: float = 0.0) -> np.ndarray:
    """Number of labels with a logit of at least ``cut`` (0: a probability of one half), by row."""
    return (scores >= cut).sum(1)


def best_cut(scores: np.ndarray, truth: np.ndarray) -> float:
    """The logit at which to cut so that the number of predicted labels errs least.

    It is one number for all images and classes, midway between two neighbouring logits or below
    all of them; the lowest of those that tie.

    Args:
        scores: ``(N, C)`` logits of validation images.
        truth: ``(N, C)`` in {0, 1}.

    Returns:
        a logit; NaN without images.
    """
    if not len(scores):
        return float("nan")
    logits = np.unique(scores)
    cuts = np.concatenate([logits[:1], (logits[1:] + logits[:-1]) / 2])
    return float(cuts[np.argmin([count_error([scores], [truth], [cut])[0] for cut in cuts])])


def count_error(
    scores: Sequence[np.ndarray],
    truths: Sequence[np.ndarray],
    cuts: Sequence[float] | None = None,
) -> np.ndarray:
    """Mean absolute error of the number of predicted labels.

    Args:
        scores: of each seed, ``(N, C)`` logits.
        truths: of each seed, ``(N, C)`` in {0, 1}.
        cuts: of each seed, the logit from which a label is predicted; None is a probability of one
            half.

    Returns:
        ``(seeds,)``, labels an image; NaN where the cut is.
    """
    cuts = [0.0] * len(scores) if cuts is None else cuts
    triples = zip(scores, truths, cuts, strict=True)
    errors = [np.abs(predicted_count(s, cut) - y.sum(1)).mean() for s, y, cut in triples]
    return np.where(np.isnan(cuts), np.nan, errors)


def alone_table(
    groups: Groups, errors: Mapping[str, np.ndarray], at_cut: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    """Test mAP and ``count_error`` of students that saw no labels, for the reader.

    Args:
        groups: the teacher and these students.
        errors: method -> error of each seed, cut at a probability of one half.
        at_cut: the same, cut at ``best_cut``; NaN without validation images.
    """
    columns = {
        "digits miscounted, cut at one half": errors,
        "digits miscounted, cut chosen": at_cut,
    }
    return pd.DataFrame(
        {"test mAP (%)": {name: mean_std(score(group)) for name, group in groups.items()}}
        | {
            title: {
                name: mean_std(values, 2) if np.isfinite(values).all() else "-"
                for name, values in each.items()
            }
            for title, each in columns.items()
        }
    )


def weights_table(weights: Mapping[str, float | None]) -> pd.DataFrame:
    """The weights of the terms, None being the shipped one, for the reader."""
    shown = {name: "as released" if w is None else f"{w:g}" for name, w in weights.items()}
    return pd.DataFrame({"weight": shown})


def mean_validation(tuning: Mapping[str, Any]) -> dict[str, list[float]]:
    """Term -> mean validation mAP (%) over the tuning seeds, at each share of the grid."""
    return {
        name: [float(np.mean(scores)) for scores in rows.values()]
        for name, rows in tuning["validation"].items()
    }


def positive_pairs(student: Tensor, teacher: Tensor, labels: Tensor) -> dict[str, np.ndarray]:
    """Normalised distances of all pairs that CD and ID compare.

    Groups of two are left out: their normalised distance is 1 whatever the embeddings are.

    Args:
        student, teacher: embeddings ``(N, C, D)``.
        labels: ``(N, C)`` in {0, 1}.

    Returns:
        ``CD`` and ``ID``, each ``(pairs, 2)``: teacher's and student's distance.
    """
    swapped = (student.transpose(0, 1), teacher.transpose(0, 1), labels.T)
    result = {}
    for kind, (own, target, present) in {
        "CD": swapped,
        "ID": (student, teacher, labels),
    }.items():
        mask = present == 1
        mask = mask & (mask.sum(1, keepdim=True) > 2)
        pairs = torch.triu(mask[:, :, None] & mask[:, None, :], diagonal=1)
        distances = (l2d.normalised_distances(rows, mask)[pairs] for rows in (target, own))
        result[kind] = torch.stack(list(distances), 1).numpy()
    return result
