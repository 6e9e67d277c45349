"""Figures of the CAP chapter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chapters.cap.tables import (
    ON_PHOTOGRAPHS,
    README,
    Groups,
    Rows,
    by_share,
    curves,
    gains,
    percent,
    positives_by_class,
    shares_of,
)
from weaklabels.lab.store import Record
from weaklabels.lab.two_stage import mean_ap
from weaklabels.methods.cap import hoeffding_bound
from weaklabels.press import style

_NAMES = (
    "CAP",
    "Top-1",
    "Top-k",
    "IAT",
    "Supervised",
    "True labels",
    "CAP, true proportions",
    "FreeMatch",
)
COLOURS = dict(zip(_NAMES, (*style.PALETTE[:6], style.PALETTE[7], style.PALETTE[6]), strict=True))
LINES = dict(zip(_NAMES, ("o-", "v:", "^:", "s--", "D-.", "P-", "X--", "*-."), strict=True))
"""Line and marker of a method: none is told by its colour alone."""


def _class_ticks(ax: Axes, order: Sequence[int]) -> None:
    """Name the classes below an axis, unless they are too many."""
    ax.set_xticks(range(len(order)), order if len(order) <= 20 else [""] * len(order))


def draw_proportions(found: Mapping[float, Mapping[str, np.ndarray]]) -> Figure:
    """Estimated and true proportions of the classes, one panel a labelled share.

    Args:
        found: share -> of ``tables.proportions``.
    """
    fig, axes = style.panels(len(found), sharey=True)
    for ax, (share, values) in zip(axes, found.items(), strict=True):
        order = np.argsort(-values["true"], kind="stable")
        ax.plot(100 * values["true"][order], "k-", label="unlabelled images (true)")
        ax.plot(100 * values["estimated"][order], "o:", label="labelled images (estimate)")
        _class_ticks(ax, order)
        ax.set(xlabel="class, by frequency", title=f"{percent(share)} labelled")
    axes[0].set(ylabel="positives (% of the images)", ylim=(0, None))
    axes[0].legend()
    return fig


def draw_bound(
    drawn: np.ndarray, sizes: np.ndarray, classes: int, marked: Sequence[float]
) -> Figure:
    """Largest gap of random labelled sets and its bound, against their size.

    Args:
        drawn: of ``tables.resampled_gaps``.
        sizes: of the sets.
        classes: how many there are.
        marked: sizes that are used in this chapter.
    """
    fig, ax = style.panels(1, height=3.6)
    ax.fill_between(sizes, *np.percentile(drawn, (5, 95), axis=0), alpha=0.25, lw=0)
    ax.plot(sizes, drawn.mean(0), "o-", label="largest gap over the classes, mean and 5 to 95 %")
    limit = [100 * hoeffding_bound(n, classes) for n in sizes]
    ax.plot(sizes, limit, "k--", label="bound, 5 % risk")
    for size in marked:
        ax.axvline(size, color="#888888", ls=":", lw=1)
    ax.set(xscale="log", yscale="log", xlabel="labelled images n", ylabel="error (percent points)")
    ax.legend()
    return fig


def draw_decisions(
    ax: Axes, scores: np.ndarray, labels: np.ndarray, truth: np.ndarray, lines: str
) -> None:
    """Scores of a few images (rows) and classes (columns), with the positives of a rule.

    Args:
        ax: where to draw.
        scores: ``(M, C)`` in [0, 1].
        labels: ``(M, C)`` bool, marked by a ring, or by a cross if it is wrong.
        truth: ``(M, C)`` in {0, 1}; a missed positive is marked by a diamond.
        lines: ``"rows"`` or ``"columns"``: what the rule looks at together.
    """
    ax.imshow(scores, cmap="Greys", vmin=0, vmax=2, aspect="auto")  # light, so that marks show
    marks = {
        "positive, right": (labels & (truth == 1), "o", style.PALETTE[0]),
        "positive, wrong": (labels & (truth == 0), "X", style.PALETTE[1]),
        "missed": (~labels & (truth == 1), "D", style.PALETTE[6]),
    }
    for name, (mask, marker, colour) in marks.items():
        row, column = np.nonzero(mask)
        face = colour if marker == "X" else "none"
        ax.scatter(column, row, marker=marker, s=38, fc=face, ec=colour, lw=1.6, label=name)
    edges = np.arange(scores.shape[0 if lines == "rows" else 1] + 1) - 0.5
    for edge in edges:
        (ax.axhline if lines == "rows" else ax.axvline)(edge, color="#888888", lw=0.8)
    ax.set(xlabel="class", ylabel="image")
    ax.set_xticks(range(scores.shape[1]))
    ax.set_yticks([])
    ax.grid(False)


def draw_map(records: Groups, shares: Sequence[float]) -> Figure:
    """Test mAP by labelled share (left) and what CAP gains, with the published gains (right)."""
    fig, (left, right) = style.panels(2, height=3.6)
    for name in ("True labels", "CAP", "Supervised", "FreeMatch", "IAT", "Top-k", "Top-1"):
        measured = [p for p in shares if (name, p) in records]
        values = np.array([mean_ap(records[name, p]) for p in measured]).T
        style.band(
            left, 100 * np.array(measured), values, name, colour=COLOURS[name], style=LINES[name]
        )
    left.set(xlabel="labelled share (%)", ylabel="test mAP (%)", ylim=(None, 100))
    style.band(right, 100 * np.array(shares), gains(records, shares), "here, over supervised")
    published = README["CAP"] - README["warm-up"]
    right.plot(100 * published.index, published, "k^--", label="readme, over warm-up")
    right.axhline(0, color="#888888", lw=1)
    right.set(xlabel="labelled share (%)", ylabel="gain of CAP (mAP points)")
    right.legend()
    for ax in (left, right):
        ax.set_xticks(100 * np.array(shares))
    handles, labels = left.get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=4, title="left", handlelength=3)
    return fig


def draw_distribution(groups: Mapping[str, Sequence[Record]]) -> Figure:
    """Shares of the classes in one run (left) and their gap to the truth by epoch (right)."""
    fig, (left, right) = style.panels(2, height=3.6)
    draw_shares(left, {name: records[0] for name, records in groups.items()})
    draw_quality(right, groups, "share gap")
    right.set(ylabel="gap to the true share (percent points)", ylim=(0, None))
    return fig


def draw_shares(ax: Axes, records: Mapping[str, Record]) -> None:
    """Share of pseudo positives per class in the last epoch, classes sorted by their true share."""
    tables = {name: positives_by_class(record) for name, record in records.items()}
    rows = {name: record["tally"][-1].sum((1, 2, 3)) for name, record in records.items()}
    for name, table in tables.items():
        order = np.argsort(-table[:, 1], kind="stable")
        share = 100 * table / rows[name][:, None]
        look = {"color": COLOURS[name], "marker": LINES[name][0]}
        ax.plot(share[order, 0], ls=":", lw=1, ms=5, label=name, zorder=3, **look)
    ax.plot(share[order, 1], "k-", lw=1.8, label="truth")
    _class_ticks(ax, order)
    ax.set(xlabel="class, by true frequency", ylabel="positives (% of the images)")
    ax.legend()


def draw_counts(ax: Axes, records: Mapping[str, Record]) -> None:
    """Pseudo positives against true positives, one mark per class and rule."""
    for name, record in records.items():
        found, wanted = positives_by_class(record).T
        look = {"color": COLOURS[name], "marker": LINES[name][0]}
        ax.scatter(wanted, found, s=34, label=name, alpha=0.9, **look)
    limit = max(line for line in ax.axis())
    ax.plot([0, limit], [0, limit], color="#888888", ls=":", lw=1)
    ax.set(xlabel="true positives of the class", ylabel="pseudo positives of the class")
    ax.legend()


def draw_quality(ax: Axes, groups: Mapping[str, Sequence[Record]], measure: str) -> None:
    """A measure of the pseudo-labels by epoch (see ``tables.curves``)."""
    for name, records in groups.items():
        values = curves(records, measure)
        epochs = np.arange(1, values.shape[1] + 1)
        style.band(ax, epochs, values, name, colour=COLOURS[name], style=LINES[name])
    style.epoch_axis(ax)


def draw_batches(study: Groups, shares: Sequence[float], batches: Sequence[int]) -> Figure:
    """Test mAP against the labelled batch, one panel a share."""
    fig, axes = style.panels(len(shares), height=3.4)
    for ax, share in zip(axes, shares, strict=True):
        for name in ("CAP", "Supervised"):
            values = np.array([mean_ap(study[name, share, batch]) for batch in batches]).T
            style.band(ax, batches, values, name, colour=COLOURS[name], style=LINES[name])
        ax.set_xscale("log", base=2)
        ax.set_xticks(batches, [str(batch) for batch in batches])
        ax.set(xlabel="labelled images in a batch", title=f"{percent(share)} labelled")
    axes[0].set_ylabel("test mAP (%)")
    axes[0].legend()
    return fig


def draw_shares_used(study: Groups, supervised: Sequence[Record]) -> Figure:
    """Test mAP of CAP against the share of the pseudo-labels it uses; supervised as a line."""
    fig, ax = style.panels(1, height=3.4)
    shares = [share for _, share in study]
    values = np.array([mean_ap(records) for records in study.values()]).T
    style.band(ax, 100 * np.array(shares), values, "CAP", colour=COLOURS["CAP"], style=LINES["CAP"])
    ax.axhline(mean_ap(supervised).mean(), color=COLOURS["Supervised"], ls="--", label="Supervised")
    ax.set(xlabel="share of the pseudo-labels that is used (%)", ylabel="test mAP (%)")
    ax.legend()
    return fig


def draw_strengths(study: Groups, strengths: Sequence[float]) -> Figure:
    """Test mAP against the strength of the strong view."""
    fig, ax = style.panels(1, height=3.6)
    for name in ("Supervised", "CAP"):
        values = np.array([mean_ap(study[name, strength]) for strength in strengths]).T
        style.band(ax, strengths, values, name, colour=COLOURS[name], style=LINES[name])
    ax.set(xlabel="strength of the strong view (noise, standard deviation)", ylabel="test mAP (%)")
    ax.legend()
    return fig


# -- photographs ----------------------------------------------------------------------------------


def draw_on_photographs(rows: Rows) -> Figure:
    """Test mAP on photographs by labelled share (left), and what CAP gains over each (right)."""
    fig, (left, right) = style.panels(2, height=3.4)
    shares = 100 * np.array(shares_of(rows))
    for name in ON_PHOTOGRAPHS if rows else ():
        values = by_share(rows, name)
        style.band(left, shares, values, name, colour=COLOURS[name], style=LINES[name])
        if name != "CAP":
            gain = by_share(rows, "CAP") - values
            style.band(right, shares, gain, f"over {name}", colour=COLOURS[name], style=LINES[name])
    right.axhline(0, color="#888888", lw=1)
    left.set(xlabel="labelled share (%)", ylabel="test mAP (%)")
    right.set(xlabel="labelled share (%)", ylabel="gain of CAP (mAP points)")
    style.legend_or_note((left, right), rows)
    return fig


def draw_photograph_classes(rows: Rows, classes: Sequence[str]) -> Figure:
    """Photographs of each class that a rule calls positive, and true ones; one panel a share."""
    fig, axes = style.panels(1, max(1, len(shares_of(rows))), height=2.6, squeeze=False)
    axes = axes[:, 0]
    for ax, share in zip(axes, shares_of(rows), strict=False):
        true = np.array(rows["CAP", share]["pseudo-labels"]["positive"]).mean(0)
        order = np.argsort(-true, kind="stable")
        for name in ON_PHOTOGRAPHS[:0:-1]:
            called = np.array(rows[name, share]["pseudo-labels"]["called"]).mean(0)
            look = {"color": COLOURS[name], "marker": LINES[name][0]}
            ax.plot(called[order], ls=":", lw=1, ms=5, label=name, **look)
        ax.plot(true[order], "k-", lw=1.8, label="truth")
        ax.set_yscale("symlog", linthresh=10)
        ax.set_xticks(range(len(order)), [classes[i] for i in order], rotation=60, ha="right")
        ax.set(title=f"{percent(share)} labelled", ylabel="photographs", ylim=(0, None))
    axes[-1].set_xlabel("class, by true frequency among the unlabelled photographs")
    style.legend_or_note(axes, rows)
    return fig


def draw_photograph_gaps(rows: Rows) -> Figure:
    """Gap of the classes' shares, and F1 of the pseudo-labels, by epoch at the lowest share."""
    fig, axes = style.panels(3, height=3.2)
    labels = {
        "share gap": "gap to the true share\n(percent points)",
        "CF1": "F1 from class means (%)",
        "OF1": "F1 over all labels (%)",
    }
    for ax, (measure, label) in zip(axes, labels.items(), strict=True):
        for name in ON_PHOTOGRAPHS[:0:-1] if rows else ():
            values = np.array(rows[name, shares_of(rows)[0]]["pseudo-labels"][measure])
            epochs = np.arange(1, values.shape[1] + 1)
            style.band(ax, epochs, values, name, colour=COLOURS[name], style=LINES[name])
        style.epoch_axis(ax)
        ax.set(ylabel=label, ylim=(0, None))
    style.legend_or_note(axes, rows)
    return fig
