"""Records of the chapter on *Acknowledging the Unknown* as tables, beside the published ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch

from chapters.acknowledging_the_unknown import landscape
from chapters.acknowledging_the_unknown.runs import ROWS
from weaklabels.lab.missing_labels import (
    best_validation,
    label_kinds,
    mean_ap,
    modified_labels,
)
from weaklabels.lab.multilabel import load_splits
from weaklabels.lab.store import Record
from weaklabels.methods.acknowledging_the_unknown import entropy_maximisation
from weaklabels.methods.baselines import assume_negative
from weaklabels.metrics import class_wasserstein
from weaklabels.press.claims import mean_std, rank_agreement

MOMENTS = ("best", "last")

# -- published numbers ----------------------------------------------------------------------------

COLUMNS = ("VOC", "COCO", "NUS", "CUB")
_TABLE = {
    "BCE, all P & all N": ((89.42, 0.27), (76.78, 0.13), (52.08, 0.20), (30.90, 0.64)),
    "BCE, 1 P & all N": ((87.60, 0.31), (71.39, 0.19), (46.45, 0.27), (20.65, 1.11)),
    "AN": ((85.89, 0.38), (64.92, 0.19), (42.27, 0.56), (18.31, 0.47)),
    "DW": ((86.98, 0.36), (67.59, 0.11), (45.71, 0.23), (19.15, 0.56)),
    "L1R": ((85.97, 0.31), (64.44, 0.20), (42.15, 0.46), (17.59, 1.82)),
    "L2R": ((85.96, 0.36), (64.41, 0.24), (42.72, 0.12), (17.71, 1.79)),
    "LS": ((87.90, 0.21), (67.15, 0.13), (43.77, 0.29), (16.26, 0.45)),
    "N-LS": ((88.12, 0.32), (67.15, 0.10), (43.86, 0.54), (16.82, 0.42)),
    "EntMin": ((53.16, 2.81), (32.52, 5.55), (19.38, 3.64), (13.08, 0.15)),
    "Focal": ((87.59, 0.58), (68.79, 0.14), (47.00, 0.14), (19.80, 0.30)),
    "ASL": ((87.76, 0.51), (68.78, 0.32), (46.93, 0.30), (18.81, 0.48)),
    "ROLE": ((87.77, 0.22), (67.04, 0.19), (41.63, 0.35), (13.66, 0.24)),
    "ROLE+LI": ((88.26, 0.21), (69.12, 0.13), (45.98, 0.26), (14.86, 0.72)),
    "EM": ((89.09, 0.17), (70.70, 0.31), (47.15, 0.11), (20.85, 0.42)),
    "EM+APL": ((89.19, 0.31), (70.87, 0.23), (47.59, 0.22), (21.84, 0.34)),
}
PUBLISHED = pd.DataFrame(
    {row: [mean for mean, _ in cells] for row, cells in _TABLE.items()}, index=COLUMNS
).T
PUBLISHED_STD = pd.DataFrame(
    {row: [std for _, std in cells] for row, cells in _TABLE.items()}, index=COLUMNS
).T
"""Test mAP (%), mean and std. Source: benchmark slide of the authors, same on their poster."""

MORE_LABELS_PUBLISHED = pd.DataFrame(
    {
        "BCE (Ign.)": (78.5, 86.2, 89.1),
        "BCE (Neg.)": (np.nan, 81.1, 87.9),
        "EM": (79.4, 86.8, 89.2),
        "EM+APL": (80.8, 86.9, 89.1),
    },
    index=(0.2, 0.5, 0.8),
)
"""mAP (%) read off the plotted points of the authors' poster, ± 0.1; NaN: below the axis (78.2)."""

# -- the benchmark --------------------------------------------------------------------------------


def benchmark_table(records: Mapping[tuple[str, str], Sequence[Record]]) -> pd.DataFrame:
    """Ours at the best and the last epoch next to the published columns, as ready text.

    Args:
        records: (benchmark, row) -> runs.
    """
    columns: dict[tuple[str, str], dict[str, str]] = {}
    for name in dict.fromkeys(name for name, _ in records):
        for moment in MOMENTS:
            columns["here", f"{name}, {moment}"] = {
                row: mean_std(mean_ap(records[name, row], moment)) for row in ROWS
            }
    for column in COLUMNS:
        columns["published", column] = {
            row: f"{PUBLISHED.loc[row, column]:.1f} ± {PUBLISHED_STD.loc[row, column]:.1f}"
            for row in ROWS
        }
    return pd.DataFrame(columns).loc[list(ROWS)]


def reference_table(
    short: Mapping[str, Sequence[Record]], long: Mapping[str, Sequence[Record]]
) -> pd.DataFrame:
    """The references at the table's number of epochs and trained on, as ready text.

    Args:
        short, long: reference -> runs.
    """
    rows = {}
    for row, records in long.items():
        epochs = len(records[0]["test_ap"])
        half = [float(record["val_ap"].mean(1)[: epochs // 2].max()) for record in records]
        rows[row] = {
            f"{len(short[row][0]['test_ap'])} epochs": mean_std(mean_ap(short[row])),
            f"{epochs} epochs": mean_std(mean_ap(records)),
            "best epochs": ", ".join(str(int(record["best_epoch"])) for record in records),
            "validation, second half": mean_std(
                np.array([best_validation([record]) for record in records]) - half, 2
            ),
        }
    return pd.DataFrame(rows).T


def agreement_table(scores: Mapping[str, Sequence[float]]) -> pd.DataFrame:
    """Rank correlation of our order of the rows with each published column, as ready text.

    Args:
        scores: row -> test mAP (%) of each run.
    """
    choices = {
        "all 15 rows": list(ROWS),
        "without references and EntMin": [row for row in ROWS[2:] if row != "EntMin"],
    }
    cells: dict[str, dict[str, str]] = {column: {} for column in COLUMNS}
    for name, rows in choices.items():
        values = np.array([scores[row] for row in rows])
        for column in COLUMNS:
            rho, low, high = rank_agreement(values, PUBLISHED.loc[rows, column])
            cells[column][name] = f"{rho:.2f} [{low:.2f}, {high:.2f}]"
    return pd.DataFrame(cells).T


def displaced(ours: pd.Series, published: pd.Series, steps: int = 3) -> pd.DataFrame:
    """Rows whose rank (1 is best) differs by ``steps`` or more from the published one."""
    ranks = pd.DataFrame(
        {
            "rank here": ours.rank(ascending=False),
            "rank published": published[ours.index].rank(ascending=False),
        }
    ).astype(int)
    return ranks[(ranks["rank here"] - ranks["rank published"]).abs() >= steps]


def f1_table(groups: Mapping[str, Sequence[Record]]) -> pd.DataFrame:
    """Micro-F1 (%) on test at thresholds 0.5, 0.75 and the best one on validation, ready text.

    Args:
        groups: method -> runs that tracked ``"val_scores"`` and ``"test_scores"``.
    """
    rows = {}
    grid = np.linspace(0.02, 0.98, 49)
    for name, records in groups.items():
        scores: dict[str, list[float]] = {"0.5": [], "0.75": [], "chosen on validation": []}
        for record in records:
            splits = load_splits(record.spec)
            val, test = splits.val.y.numpy() == 1, splits.test.y.numpy() == 1
            p_val, p_test = sigmoid(record["val_scores_best"]), sigmoid(record["test_scores_best"])
            best = grid[np.argmax([micro_f1(p_val > t, val) for t in grid])]
            for key, threshold in zip(scores, (0.5, 0.75, best), strict=True):
                scores[key].append(100 * micro_f1(p_test > threshold, test))
        rows[name] = {f"threshold {key}": mean_std(values) for key, values in scores.items()}
    return pd.DataFrame(rows).T


def micro_f1(predicted: np.ndarray, truth: np.ndarray) -> float:
    """F1 over all (image, class) pairs; 0 if nothing is true or predicted."""
    total = predicted.sum() + truth.sum()
    return float(2 * (predicted & truth).sum() / total) if total else 0.0


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Probabilities, float64."""
    return torch.sigmoid(torch.from_numpy(logits).double()).numpy()


# -- gradients ------------------------------------------------------------------------------------


def autograd(loss: object, logits: np.ndarray, observed: int) -> np.ndarray:
    """Gradient of one entry's loss ``loss(logits, observed)`` at each logit, by autograd."""
    z = torch.tensor(logits, dtype=torch.float64).reshape(-1, 1).requires_grad_()
    labels = torch.full_like(z, observed)
    (gradient,) = torch.autograd.grad(loss(z, labels) * len(z), z)
    return gradient[:, 0].numpy()


LOSSES: dict[str, Callable[..., torch.Tensor]] = {
    "AN": assume_negative,
    "EM": entropy_maximisation,
}
"""Method -> its loss, of logits, labels and its options."""


def gradients(record: Record) -> dict[str, np.ndarray]:
    """Mean gradient that the entries of each kind felt in training, by epoch.

    It is the derivative of an entry's own loss by its logit, where the entry was last visited.

    Args:
        record: of a run with a method of ``LOSSES`` that tracked ``"entry_logits"``.

    Returns:
        ``TP``, ``FN``, ``TN`` -> ``(epochs,)``; positive values push the logit down.
    """
    loss = partial(LOSSES[record.spec.method], **dict(record.spec.method_options))
    logits = record["entry_logits"].astype(float)
    return {
        kind: autograd(loss, logits[:, mask], int(kind == "TP")).reshape(len(logits), -1).mean(1)
        for kind, mask in label_kinds(record["truth"], record["observed"]).items()
    }


# -- what the network thinks of unannotated labels ------------------------------------------------


@dataclass(frozen=True)
class Unannotated:
    """Training labels and predictions of one run at its best validation epoch.

    Attributes:
        p: ``(N, C)`` probabilities.
        positive, negative: ``(N, C)`` bool, the unannotated entries by their truth.
    """

    p: np.ndarray
    positive: np.ndarray
    negative: np.ndarray

    def wasserstein(self) -> np.ndarray:
        """W1 distance per class between the two kinds, NaN where a class lacks one of them."""
        return class_wasserstein(self.p, self.positive, self.positive | self.negative)

    def medians(self) -> tuple[float, float]:
        """Median probability of unannotated positives and of unannotated negatives."""
        return float(np.median(self.p[self.positive])), float(np.median(self.p[self.negative]))

    def of_class(self, c: int) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities of class ``c`` for its unannotated positives and negatives."""
        p = self.p[:, c]
        return p[self.positive[:, c]], p[self.negative[:, c]]


def unannotated(record: Record) -> Unannotated:
    """Predictions on the training labels that nobody gave, of a run that tracked them."""
    kinds = label_kinds(record["truth"], record["observed"])
    return Unannotated(sigmoid(record["train_scores_best"]), kinds["FN"], kinds["TN"])


def densities(
    groups: Mapping[str, Sequence[Record]], c: int
) -> dict[str, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Method -> part of the data -> probabilities of one class, of (positives, negatives).

    Args:
        groups: method -> runs; the first one counts.
        c: the class.
    """
    found = {}
    for name, (record, *_) in groups.items():
        there = load_splits(record.spec).test.y[:, c].numpy() == 1
        p_test = sigmoid(record["test_scores_best"])[:, c]
        found[name] = {
            "training, unannotated": unannotated(record).of_class(c),
            "test": (p_test[there], p_test[~there]),
        }
    return found


def recorded_looks(recorded: Mapping[str, Any]) -> dict[str, dict[str, np.ndarray]]:
    """What is recorded of AN's and EM's predictions on photographs.

    Returns:
        ``wasserstein`` ``(runs, C)``, NaN where a class has none, ``medians`` ``(runs, 2)`` and
        ``test_ap`` ``(runs, C)``, each by method.
    """
    names = ("wasserstein", "medians", "test_ap")
    return {
        name: {row["row"]: np.array(row[name], float) for row in recorded["rows"]} for name in names
    }


def recorded_densities(
    recorded: Mapping[str, Any],
) -> dict[str, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """The recorded counts of *person* as ``densities`` has them: a bin's centre for each entry."""
    found = {}
    for row in recorded["person"]:
        parts = {part: pair for part, pair in row.items() if part != "row"}
        found[row["row"]] = {
            part: (_spread(positives), _spread(negatives))
            for part, (positives, negatives) in parts.items()
        }
    return found


def _spread(counts: Sequence[int]) -> np.ndarray:
    return np.repeat((np.arange(len(counts)) + 0.5) / len(counts), counts)


def annotated_loss_curve(records: Sequence[Record], steps: int = 10) -> np.ndarray:
    """Mean loss (nats) of annotated labels over windows of ``steps`` steps, ``(runs, windows)``."""
    curves = np.stack([record["annotated_loss"] for record in records])
    steps = min(steps, curves.shape[1])
    windows = curves.shape[1] // steps
    return np.nanmean(curves[:, : windows * steps].reshape(len(records), windows, steps), 2)


def annotated_loss_by_epoch(records: Sequence[Record]) -> np.ndarray:
    """Mean loss (nats) of annotated labels in every epoch, ``(runs, epochs)``."""
    curves = np.stack([record["annotated_loss"] for record in records])
    return np.nanmean(curves.reshape(len(records), len(records[0]["test_ap"]), -1), 2)


def visited_loss(record: Record) -> np.ndarray:
    """Mean loss (nats) of the annotated positives in every epoch, ``(epochs,)``.

    Args:
        record: of a run that tracked ``"entry_logits"``.
    """
    logits = record["entry_logits"][:, record["observed"] == 1].astype(float)
    return np.logaddexp(0, -logits).mean(1)


def class_ap(records: Sequence[Record]) -> np.ndarray:
    """Test AP (%) of every class at the best validation epoch, ``(runs, C)``."""
    return np.array([record["test_ap"][int(record["best_epoch"]) - 1] for record in records])


@dataclass(frozen=True)
class Example:
    """One image of the qualitative figure.

    Attributes:
        title: above the image.
        image: ``(c, h, w)``, values in [0, 1].
        labels: names of its true labels.
        annotated: which of them the training was told.
        p: method -> predicted probability of each label.
        boxes: ``(top, left, bottom, right)`` of each label in pixels; empty where unknown.
    """

    title: str
    image: np.ndarray
    labels: Sequence[str]
    annotated: Sequence[bool]
    p: dict[str, Sequence[float]]
    boxes: Sequence[tuple[float, float, float, float]] = ()


def examples(
    records: Mapping[str, Record], part: str, count: int, wanted: tuple[int, int] = (3, 4)
) -> list[Example]:
    """The first ``count`` images of a part with so many true labels, and what was predicted.

    Args:
        records: method -> tracked run, all of one seed.
        part: ``"train"`` or ``"test"``.
        count: of images.
        wanted: smallest and largest number of true labels.
    """
    tracked = next(iter(records.values()))
    splits = load_splits(tracked.spec)
    split = getattr(splits, part)
    truth = split.y.numpy()
    observed = tracked["observed"] if part == "train" else np.zeros_like(truth)
    total = truth.sum(1)
    rows = np.flatnonzero((total >= wanted[0]) & (total <= wanted[1]))[:count]
    p = {name: sigmoid(record[f"{part}_scores_best"]) for name, record in records.items()}
    found = []
    for row in rows:
        labels = np.flatnonzero(truth[row])
        boxes = {} if split.boxes is None else {
            c: tuple(box) for image, c, *box in split.boxes.tolist() if image == row
        }  # fmt: skip
        found.append(
            Example(
                f"{part} {row}",
                split.x[row].numpy(),
                [splits.classes[c] for c in labels],
                [bool(observed[row, c] == 1) for c in labels],
                {name: values[row, labels] for name, values in p.items()},
                [boxes[c] for c in labels if c in boxes],
            )
        )
    return found


# -- pseudo-labels --------------------------------------------------------------------------------


def pseudo_label_quality(record: Record) -> pd.DataFrame:
    """Per epoch of an EM+APL run: share of unknown labels with a pseudo-label, and its errors.

    ``wrong`` is the share (%) of hidden positives among all pseudo-labels given so far, ``hidden``
    the share (%) of all hidden positives that have been given one.
    """
    kinds = label_kinds(record["truth"], record["observed"])
    labelled, positive = modified_labels(record), kinds["FN"]
    count = labelled.sum((1, 2))
    wrong = (labelled & positive).sum((1, 2))
    return pd.DataFrame(
        {
            "epoch": np.arange(1, len(labelled) + 1),
            "labelled": 100 * count / (~kinds["TP"]).sum(),
            "wrong": np.where(count > 0, 100 * wrong / np.maximum(count, 1), np.nan),
            "hidden": 100 * wrong / positive.sum(),
        }
    )


def hidden_share(records: Sequence[Record]) -> float:
    """Share (%) of hidden positives among unknown labels, mean over runs: errors of guessing."""
    found = [label_kinds(record["truth"], record["observed"]) for record in records]
    return 100 * np.mean([kinds["FN"].sum() / (~kinds["TP"]).sum() for kinds in found])


def study_frame(rows: Iterable[dict[str, Any]], moment: str) -> pd.DataFrame:
    """The recorded study as a table for one moment, ``"best"`` or ``"last"``."""
    return pd.DataFrame(
        [{"factor": r["factor"], "setting": r["setting"], **r[moment]} for r in rows]
    )


def outcome(frame: pd.DataFrame) -> str:
    """How many settings of the study gain and lose, in words."""
    same = ((frame.low == 0) & (frame.high == 0)).sum()
    up, down = (frame.low > 0).sum(), (frame.high < 0).sum()
    between = len(frame) - up - down - same
    return (
        f"{up} clearly gain, {down} clearly lose, {between} lie between, and {same} are the same "
        "runs up to then"
    )


def recorded_scores(recorded: Mapping[str, Any]) -> dict[str, dict[str, np.ndarray]]:
    """Moment -> row -> test mAP (%) of each run of the recorded table on photographs."""
    return {when: {row["row"]: np.array(row[when]) for row in recorded["rows"]} for when in MOMENTS}


def tricks_table(groups: Mapping[str, Sequence[Record]]) -> pd.DataFrame:
    """Test mAP (%) at both moments, as ready text."""
    return pd.DataFrame(
        {
            name: {f"{moment} epoch": mean_std(mean_ap(records, moment)) for moment in MOMENTS}
            for name, records in groups.items()
        }
    ).T


# -- loss surfaces and more labels ----------------------------------------------------------------


def rise_table(rises: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Changes from the centre of the surfaces, as ready text.

    Args:
        rises: method -> ``(runs, distances, measures)`` of ``landscape.rises``.
    """
    columns = {"rise of own loss": 3, "rise of BCE with true labels": 3, "fall of mAP": 1}
    return pd.DataFrame(
        {
            (measure, f"at {d}"): {k: mean_std(r[:, i, m], digits) for k, r in rises.items()}
            for m, (measure, digits) in enumerate(columns.items())
            for i, d in enumerate(landscape.DISTANCES)
        }
    ).T


def more_labels_frame(scores: Mapping[tuple[float, str], np.ndarray]) -> pd.DataFrame:
    """Long frame: rate, method, seed, test mAP (%).

    Args:
        scores: (annotated label rate, method) -> test mAP (%) of each run.
    """
    return pd.DataFrame(
        [
            {"rate": rate, "method": name, "seed": seed, "mAP": value}
            for (rate, name), values in scores.items()
            for seed, value in enumerate(values)
        ]
    )


def recorded_more_labels(recorded: Mapping[str, Any]) -> dict[tuple[float, str], np.ndarray]:
    """(annotated label rate, method) -> test mAP (%, best epoch) of each run on photographs."""
    cells = [(row["row"].rsplit(", ", 1), row["best"]) for row in recorded["rows"]]
    return {(int(rate[:-1]) / 100, name): np.array(best) for (name, rate), best in cells}
