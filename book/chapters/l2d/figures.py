"""Tables and figures of the chapter on *Multi-Label Knowledge Distillation* (L2D, ICCV 2023).

Apart from the runs (``experiments.l2d``), so that a change of a figure recomputes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from chapters.l2d.runs import FEATURE_TERMS, LOGIT_TERMS
from weaklabels.lab.store import Record
from weaklabels.methods import l2d
from weaklabels.press import style as figures

# -- tables ---------------------------------------------------------------------------------------

METRICS = ("mAP", "OF1", "CF1")


def long_table(groups: dict[str, list[Record]]) -> pd.DataFrame:
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


def predicted_count(scores: np.ndarray) -> np.ndarray:
    """Number of labels with a sigmoid probability of at least one half, of each row."""
    return (scores >= 0).sum(1)


def count_error(scores: Sequence[np.ndarray], truths: Sequence[np.ndarray]) -> np.ndarray:
    """Mean absolute error of the number of predicted labels, one value a seed."""
    pairs = zip(scores, truths, strict=True)
    return np.array([np.abs(predicted_count(s) - y.sum(1)).mean() for s, y in pairs])


def weights_table(
    weights: dict[str, float | None],
    shares: Sequence[float],
    grid: dict[str, list[float]],
    sizes: dict[str, Record],
) -> pd.DataFrame:
    """Chosen weights, their shares of the hard-label loss, and the weight of a share of one."""
    rows = {}
    for name, weight in weights.items():
        if name in grid:
            share = shares[grid[name].index(weight)]
            unit = float(sizes[name]["hard"] / sizes[name]["term"])
            rows[name] = (f"{weight:g}", f"{share:g}", f"{unit:.2g}")
        else:
            rows[name] = ("as released", "-", "-")
    return pd.DataFrame(rows, index=["weight", "share", "weight at a share of 1"]).T


# -- figures --------------------------------------------------------------------------------------


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


def draw_graph(ax: Axes, rows: np.ndarray, names: Sequence[str], colour: str) -> None:
    """Rows as a graph: nodes on a circle, every edge labelled with its normalised distance.

    Args:
        ax: where to draw.
        rows: ``(m, D)`` embeddings.
        names: of the nodes.
        colour: of the nodes.
    """
    group = torch.from_numpy(rows)[None]
    distances = l2d.normalised_distances(group, torch.ones(1, len(rows), dtype=torch.bool))[0]
    angles = np.pi / 2 + 2 * np.pi * np.arange(len(rows)) / len(rows)
    place = np.stack([np.cos(angles), np.sin(angles)], 1)
    for a in range(len(rows)):
        for b in range(a + 1, len(rows)):
            ax.plot(*place[[a, b]].T, color="#999999", lw=2 / float(distances[a, b]), zorder=1)
            # Off the middle, where the diagonals cross.
            at = 0.68 * place[a] + 0.32 * place[b]
            white = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
            text = f"{distances[a, b]:.2f}"
            ax.text(*at, text, fontsize=9, ha="center", va="center", zorder=2, bbox=white)
    ax.scatter(*place.T, s=330, color=colour, zorder=3)
    for name, at in zip(names, place, strict=True):
        ax.text(*at, name, color="white", fontsize=9, ha="center", va="center", zorder=4)
    ax.set(xlim=(-1.35, 1.35), ylim=(-1.3, 1.3), aspect="equal")
    ax.set_axis_off()


def figure_overview(
    images: np.ndarray, labels: np.ndarray, embeddings: dict[str, np.ndarray]
) -> Figure:
    """The idea in one picture: a column of positive cells feeds CD, a row feeds ID.

    Column: the class with most positives. Row: the scene with most labels, up to four.

    Args:
        images: ``(n, 1, h, w)`` of a few scenes.
        labels: ``(n, C)`` in {0, 1}.
        embeddings: network -> ``(n, C, D)``; one column of graphs each.
    """
    counts = labels.sum(1)
    column, row = int(labels.sum(0).argmax()), int(np.where(counts <= 4, counts, 0).argmax())
    scenes, classes = np.flatnonzero(labels[:, column])[:4], np.flatnonzero(labels[row])
    fig = plt.figure(figsize=(figures.WIDTH, 7.4))
    top, bottom = fig.subfigures(2, 1, height_ratios=(1, 1.35))
    _draw_cells(top.subplots(), images, labels, column, row)
    axes = bottom.subplots(2, len(embeddings))
    for j, (name, values) in enumerate(embeddings.items()):
        numbers = [f"{i + 1}" for i in scenes]
        draw_graph(axes[0, j], values[scenes, column], numbers, figures.PALETTE[0])
        draw_graph(axes[1, j], values[row, classes], [f"{k}" for k in classes], figures.PALETTE[1])
        axes[0, j].set_title(f"{name}: class {column} in scenes")
        axes[1, j].set_title(f"{name}: classes in scene {row + 1}")
    return fig


def _draw_cells(ax: Axes, images: np.ndarray, labels: np.ndarray, column: int, row: int) -> None:
    """The N x q table of embeddings, positive cells filled, one column and one row framed."""
    rows, columns = labels.shape
    for i, image in enumerate(images):
        place = (-1.7, -0.75, i + 0.47, i - 0.47)
        ax.imshow(image[0].clip(0, 1), cmap="gray", extent=place)
    for i, k in np.ndindex(labels.shape):
        face = "#BBBBBB" if labels[i, k] else "white"
        cell = plt.Rectangle((k - 0.45, i - 0.45), 0.9, 0.9, ec="#BBBBBB", fc=face, lw=0.8)
        ax.add_patch(cell)
    blue, red = figures.PALETTE[:2]
    for corner, w, h, colour in (
        ((column - 0.5, -0.5), 1, rows, blue),
        ((-0.5, row - 0.5), columns, 1, red),
    ):
        ax.add_patch(plt.Rectangle(corner, w, h, fill=False, lw=2.5, ec=colour))
    bold = {"fontsize": 11, "weight": "bold"}
    ax.text(column, -0.6, "CD", color=blue, ha="center", va="bottom", **bold)
    ax.text(columns - 0.4, row, "ID", color=red, ha="left", va="center", **bold)
    ax.set(xlim=(-1.8, columns + 0.4), ylim=(rows - 0.4, -1.1), aspect="equal")
    ax.set(xlabel="class", ylabel="scene", xticks=range(columns), yticks=range(rows))
    ax.set_yticklabels(range(1, rows + 1))
    ax.grid(False)
    for side in ax.spines.values():
        side.set_visible(False)


def figure_scores(table: pd.DataFrame) -> Figure:
    """Bars of mAP with one standard deviation and one dot a seed; the teacher is a line.

    Args:
        table: of ``long_table``, first method the teacher.
    """
    scores = table[table["metric"] == "mAP"].pivot(index="seed", columns="method", values="value")
    order = list(dict.fromkeys(table["method"]))
    teacher, names = scores[order[0]], order[1:]
    means, spread = scores[names].mean(), scores[names].std().fillna(0)
    colours = [_colour(name) for name in names]
    fig, ax = figures.panels(1, height=3.6)
    ax.bar(names, means, yerr=spread, capsize=3, color=colours, alpha=0.85)
    for i, name in enumerate(names):
        ax.plot(np.full(len(scores), i), scores[name], ".", color="black", ms=4)
    ax.axhline(teacher.mean(), color=figures.PALETTE[6], ls="--", lw=1.5, label="teacher")
    ax.axhline(means["Vanilla"], color="grey", ls=":", lw=1.5, label="vanilla student")
    low, high = min(scores.min()), teacher.mean()
    ax.set(ylabel="test mAP (%)", xlabel="student", ylim=(low - 4, high + 0.25 * (high - low)))
    ax.tick_params(axis="x", rotation=40)
    ax.legend(loc="upper left", ncol=2)
    return fig


def _colour(name: str) -> str:
    if name in LOGIT_TERMS:
        return figures.PALETTE[5]
    if name in (*FEATURE_TERMS, "ReviewKD"):
        return figures.PALETTE[4]
    return "#999999" if name == "Vanilla" else figures.PALETTE[2]


def figure_structure(pairs: dict[str, dict[str, np.ndarray]]) -> Figure:
    """Teacher's against student's normalised distances, one column a student, rows CD and ID.

    Args:
        pairs: student -> of ``positive_pairs``.
    """
    fig, axes = figures.panels(len(pairs), 2, height=2.9, sharex="row", sharey="row")
    for j, (name, kinds) in enumerate(pairs.items()):
        for i, (kind, points) in enumerate(kinds.items()):
            ax, colour = axes[i, j], figures.PALETTE[i]
            ax.plot(*points.T, ".", color=colour, ms=3, alpha=0.5)
            limit = [0, max(points.max() for p in pairs.values() for points in [p[kind]])]
            ax.plot(limit, limit, color="black", lw=1)
            correlation = np.corrcoef(points.T)[0, 1]
            ax.set_title(f"{name}, {kind} pairs (correlation {correlation:.2f})")
            ax.set(xlabel="teacher's distance (mean = 1)", ylabel="student's (mean = 1)")
    return fig


def figure_shares(
    shares: Sequence[float], validation: dict[str, list[float]], vanilla: float
) -> Figure:
    """Validation mAP against the weight of each term, as a share of the hard-label loss.

    Args:
        shares: the grid.
        validation: method -> mAP (percent) at each share.
        vanilla: mAP without distillation.
    """
    groups = {
        "logits": LOGIT_TERMS,
        "whole-image features": FEATURE_TERMS,
        "label-wise embeddings": ("CD", "ID", "LED"),
    }
    fig, axes = figures.panels(3, height=3.4, sharey=True)
    for ax, (title, names) in zip(axes, groups.items(), strict=True):
        ax.set_xscale("log")
        for name, marker in zip([n for n in names if n in validation], "os^D", strict=False):
            ax.plot(shares, validation[name], marker=marker, ms=5, label=name)
        ax.axhline(vanilla, color="grey", ls=":", lw=1.5)
        ax.set(title=title, xlabel="share of the hard loss")
        if validation:
            ax.legend(loc="lower left")
    axes[0].set_ylabel("validation mAP (%)")
    return fig


def figure_softmax(truths: Sequence[np.ndarray], scores: dict[str, Sequence[np.ndarray]]) -> Figure:
    """What softmax hides, and what a student taught through it alone predicts.

    Args:
        truths: test labels of each seed, ``(N, C)``.
        scores: network -> test logits of each seed; ``teacher`` among them.
    """

    def curves(name: str, values: Callable) -> tuple[list[int], np.ndarray]:
        rows = [label_counts(s, y, values) for s, y in zip(scores[name], truths, strict=True)]
        counts = sorted(set.intersection(*(set(row) for row in rows)))
        return counts, np.array([[row[k] for k in counts] for row in rows])

    fig, (left, right) = figures.panels(2, height=3.3)
    counts, runs = curves("teacher", largest_softmax)
    figures.band(left, counts, runs, "largest softmax probability")
    left.plot(counts, 1 / np.array(counts), ":", color="black", label="1 / number of labels")
    left.set(xlabel="true labels of the scene", ylabel="probability", title="the teacher's softmax")
    left.set(ylim=(0, 1), xticks=counts)
    left.legend()
    for name, colour in zip(scores, ("#000000", *figures.PALETTE), strict=False):
        figures.band(right, *curves(name, predicted_count), name, colour=colour)
    right.plot(counts, counts, ":", color="grey", label="right answer")
    right.set(xlabel="true labels of the scene", ylabel="predicted labels", xticks=counts)
    right.set_title("students that saw no labels")
    right.legend()
    return fig


def figure_budgets(
    lengths: dict[str, np.ndarray],
    epochs: Sequence[int],
    sizes: dict[str, np.ndarray],
    names: Sequence[str],
    teacher: float,
) -> Figure:
    """Test mAP against the length of training (left) and the size of the student (right).

    Args:
        lengths: method -> ``(seeds, len(epochs))`` test mAP, percent.
        epochs: lengths of training.
        sizes: method -> ``(seeds, len(names))``.
        names: of the student sizes, ascending.
        teacher: its mean test mAP.
    """
    fig, (left, right) = figures.panels(2, height=3.3, sharey=True)
    for name, runs in lengths.items():
        figures.band(left, np.arange(len(epochs)), runs, name, colour=_colour(name))
    for name, runs in sizes.items():
        figures.band(right, np.arange(len(names)), runs, name, colour=_colour(name))
    left.set_xticks(range(len(epochs)), [str(e) for e in epochs])
    left.set(xlabel="epochs of a complete training", ylabel="test mAP (%)")
    right.set_xticks(range(len(names)), names)
    right.set(xlabel="student's backbone")
    for ax in (left, right):
        ax.axhline(teacher, color=figures.PALETTE[6], ls="--", lw=1.5, label="teacher")
        ax.legend(loc="lower right")
    return fig
