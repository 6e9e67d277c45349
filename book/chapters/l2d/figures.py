"""Figures of the L2D chapter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chapters.l2d.runs import FEATURE_TERMS, LOGIT_TERMS, UNTRAINED
from chapters.l2d.tables import label_counts, largest_softmax, predicted_count
from weaklabels.methods import l2d
from weaklabels.press import style
from weaklabels.press.verdicts import NOT_RECORDED

LINES = ("-", "--", "-.", ":")


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


def draw_overview(
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
    fig = plt.figure(figsize=(style.WIDTH, 7.4))
    top, bottom = fig.subfigures(2, 1, height_ratios=(1, 1.35))
    _draw_cells(top.subplots(), images, labels, column, row)
    axes = bottom.subplots(2, len(embeddings))
    for j, (name, values) in enumerate(embeddings.items()):
        numbers = [f"{i + 1}" for i in scenes]
        draw_graph(axes[0, j], values[scenes, column], numbers, style.PALETTE[0])
        draw_graph(axes[1, j], values[row, classes], [f"{k}" for k in classes], style.PALETTE[1])
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
    blue, red = style.PALETTE[:2]
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


def draw_scores(table: pd.DataFrame) -> Figure:
    """Bars of mAP with one standard deviation and one dot a seed; the teacher is a line.

    Args:
        table: of ``tables.long_table``, first method the teacher; empty where nothing is recorded.
            Students of an untrained teacher are drawn last.
    """
    if table.empty:
        return style.draw_note(f"This is {NOT_RECORDED}.")
    scores = table[table["metric"] == "mAP"].pivot(index="seed", columns="method", values="value")
    order = list(dict.fromkeys(table["method"]))
    teacher, names = scores[order[0]], sorted(order[1:], key=lambda name: name in UNTRAINED)
    means, spread = scores[names].mean(), scores[names].std().fillna(0)
    colours = [_colour(name) for name in names]
    fig, ax = style.panels(1, height=3.6)
    ax.bar(names, means, yerr=spread, capsize=3, color=colours, alpha=0.85)
    for i, name in enumerate(names):
        ax.plot(np.full(len(scores), i), scores[name], ".", color="black", ms=4)
    ax.axhline(teacher.mean(), color=style.PALETTE[6], ls="--", lw=1.5, label="teacher")
    ax.axhline(means["Vanilla"], color="grey", ls=":", lw=1.5, label="vanilla student")
    low, high = min(scores.min()), teacher.mean()
    ax.set(ylabel="test mAP (%)", xlabel="student", ylim=(low - 4, high + 0.25 * (high - low)))
    plt.setp(ax.get_xticklabels(), rotation=40, ha="right", rotation_mode="anchor")
    ax.legend(loc="upper left", ncol=2)
    return fig


def _colour(name: str) -> str:
    if name in UNTRAINED:
        return style.PALETTE[7]
    if name in LOGIT_TERMS:
        return style.PALETTE[5]
    if name in (*FEATURE_TERMS, "ReviewKD"):
        return style.PALETTE[4]
    return "#999999" if name == "Vanilla" else style.PALETTE[2]


def draw_structure(pairs: dict[str, dict[str, np.ndarray]]) -> Figure:
    """Teacher's against student's normalised distances, one column a student, rows CD and ID.

    Args:
        pairs: student -> of ``tables.positive_pairs``.
    """
    fig, axes = style.panels(len(pairs), 2, height=2.9, sharex="row", sharey="row")
    for j, (name, kinds) in enumerate(pairs.items()):
        for i, (kind, points) in enumerate(kinds.items()):
            ax, colour = axes[i, j], style.PALETTE[i]
            ax.plot(*points.T, ".", color=colour, ms=3, alpha=0.5)
            limit = [0, max(points.max() for p in pairs.values() for points in [p[kind]])]
            ax.plot(limit, limit, color="black", lw=1)
            correlation = np.corrcoef(points.T)[0, 1]
            ax.set_title(f"{name}, {kind} pairs (correlation {correlation:.2f})")
            ax.set(xlabel="teacher's distance (mean = 1)", ylabel="student's (mean = 1)")
    return fig


def draw_shares(shares: Sequence[float], validation: Mapping[str, Sequence[float]]) -> Figure:
    """Validation mAP against the weight of each term, as a share of the hard-label loss.

    Args:
        shares: the grid, with 0, no distillation, in front.
        validation: term -> mAP (percent) at each share.
    """
    groups = {
        "logits": LOGIT_TERMS,
        "whole-image features": FEATURE_TERMS,
        "label-wise embeddings": ("CD", "ID", "LED"),
        "… of an untrained teacher": tuple(UNTRAINED),
    }
    fig, axes = style.panels(2, 2, height=2.8, sharey=True)
    places = range(len(shares))
    for ax, (title, names) in zip(axes.flat, groups.items(), strict=True):
        for name, (marker, line) in zip(names, zip("os^D", LINES, strict=True), strict=False):
            values = validation[name]
            label = UNTRAINED.get(name, name)
            ax.plot(places, values, marker=marker, ls=line, ms=5, label=label)
        ax.set_xticks(places, [f"{share:g}" for share in shares])
        ax.set(title=title, xlabel="share of the hard loss")
        ax.legend(loc="lower left")
    for ax in axes[:, 0]:
        ax.set_ylabel("validation mAP (%)")
    return fig


def draw_softmax(truths: Sequence[np.ndarray], scores: dict[str, Sequence[np.ndarray]]) -> Figure:
    """What softmax hides, and what a student taught through it alone predicts.

    Args:
        truths: test labels of each seed, ``(N, C)``.
        scores: network -> test logits of each seed; ``teacher`` among them.
    """

    def curves(name: str, values: Callable) -> tuple[list[int], np.ndarray]:
        rows = [label_counts(s, y, values) for s, y in zip(scores[name], truths, strict=True)]
        counts = sorted(set.intersection(*(set(row) for row in rows)))
        return counts, np.array([[row[k] for k in counts] for row in rows])

    fig, (left, right) = style.panels(2, height=3.3)
    counts, values = curves("teacher", largest_softmax)
    style.band(left, counts, values, "largest softmax probability")
    left.plot(counts, 1 / np.array(counts), ":", color="black", label="1 / number of labels")
    left.set(xlabel="true labels of the scene", ylabel="probability", title="the teacher's softmax")
    left.set(ylim=(0, 1), xticks=counts)
    left.legend()
    for name, colour in zip(scores, ("#000000", *style.PALETTE), strict=False):
        style.band(right, *curves(name, predicted_count), name, colour=colour)
    right.plot(counts, counts, ":", color="grey", label="right answer")
    right.set(xlabel="true labels of the scene", ylabel="predicted labels", xticks=counts)
    right.set_title("teacher, and students without labels")
    right.legend()
    return fig


def draw_budgets(
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
    fig, (left, right) = style.panels(2, height=3.3, sharey=True)
    for name, values in lengths.items():
        style.band(left, np.arange(len(epochs)), values, name, colour=_colour(name))
    for name, values in sizes.items():
        style.band(right, np.arange(len(names)), values, name, colour=_colour(name))
    left.set_xticks(range(len(epochs)), [str(e) for e in epochs])
    left.set(xlabel="epochs of a complete training", ylabel="test mAP (%)")
    right.set_xticks(range(len(names)), [name.replace(" ", "\n") for name in names])
    right.set(xlabel="student's backbone")
    low, high = left.get_ylim()
    left.set_ylim(low, max(high, teacher + 0.05 * (teacher - low)))
    for ax in (left, right):
        ax.axhline(teacher, color=style.PALETTE[6], ls="--", lw=1.5, label="teacher")
        ax.legend(loc="lower right")
    return fig
