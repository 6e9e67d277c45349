"""Figures of the chapter on *Meta Objective Guided Disambiguation* (MoGD, 2022)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chapters.mogd.tables import Groups
from weaklabels.lab.candidate_sets import scores
from weaklabels.lab.store import Record
from weaklabels.press import style
from weaklabels.press.verdicts import NOT_RECORDED

STYLES = {
    "MoGD": (style.PALETTE[1], "-"),
    "MoGD +v": (style.PALETTE[1], "--"),
    "PRODEN": (style.PALETTE[0], "-"),
    "CC": (style.PALETTE[2], "-"),
    "LW": (style.PALETTE[3], "-"),
    "uniform CE": ("#777777", "-"),
    "PRODEN +v": (style.PALETTE[0], "--"),
    "uniform CE +v": ("#777777", "--"),
    "CC +v": (style.PALETTE[2], "--"),
    "LW +v": (style.PALETTE[3], "--"),
    "clean only": (style.PALETTE[6], ":"),
}
"""Row -> colour and line; what trains on the clean samples, too, is dashed."""


def _grid(count: int, height: float, *, sharex: bool = True):
    columns = 2
    fig, axes = style.panels(columns, -(-count // columns), height=height, sharex=sharex)
    axes = np.atleast_1d(axes).ravel()
    for ax in axes[count:]:
        ax.set_axis_off()
    return fig, axes[:count]


def _epochs(ax: Axes, axes: Sequence[Axes]) -> None:
    style.epoch_axis(ax)
    if ax not in axes[-2:]:  # the panels below have the same axis
        ax.set_xlabel("")


def draw_curves(
    groups: Groups, rows: Sequence[str], curve: str, label: str, *, log: bool = False
) -> Figure:
    """A curve over epochs, one panel a kind of candidate sets, with one legend below.

    Args:
        groups: records.
        rows: of the tables.
        curve: which.
        label: of the vertical axis, with its unit.
        log: whether that axis is logarithmic.
    """
    fig, axes = _grid(len(groups), 2.6)
    for ax, (kind, records) in zip(axes, groups.items(), strict=True):
        for row in rows:
            values = np.stack([record[curve] for record in records[row]])
            colour, line = STYLES[row]
            epochs = range(1, values.shape[1] + 1)
            style.band(ax, epochs, values, row, colour=colour, style=line)
        _epochs(ax, axes)
        ax.set(title=kind, ylabel=label, yscale="log" if log else "linear")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncol=len(rows))
    return fig


def draw_longer(
    records: Mapping[str, Sequence[Record]], rows: Sequence[str], marks: Sequence[int]
) -> Figure:
    """Test accuracy and clean loss over a long training; dotted: some numbers of epochs."""
    fig, axes = style.panels(2, height=3.4)
    for ax, curve, label, scale in (
        (axes[0], "test_accuracy", "test accuracy (%)", "linear"),
        (axes[1], "clean loss", "clean loss (nats)", "log"),
    ):
        for row in rows:
            values = np.stack([record[curve] for record in records[row]])
            colour, line = STYLES[row]
            style.band(ax, range(1, values.shape[1] + 1), values, row, colour=colour, style=line)
        for mark in marks:
            ax.axvline(mark, color="black", ls=":", lw=0.8)
        ax.set(xscale="log", xlabel="epoch", ylabel=label, yscale=scale)
        ax.set_xticks([1, 10, *marks], [str(tick) for tick in (1, 10, *marks)])
        ax.xaxis.minorticks_off()
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncol=4)
    return fig


def draw_weights(groups: Groups, row: str = "MoGD") -> Figure:
    """Mean weight of true labels and of false candidates over epochs; dotted: equal weights."""
    fig, axes = _grid(len(groups), 2.6)
    for ax, (kind, records) in zip(axes, groups.items(), strict=True):
        for (curve, name), colour in zip(
            (("true weight", "true label"), ("false weight", "false candidate")),
            style.PALETTE,
            strict=False,
        ):
            values = np.stack([record[curve] for record in records[row]])
            style.band(ax, range(1, values.shape[1] + 1), values, name, colour=colour)
        equal = np.mean([record["uniform"] for record in records[row]])
        ax.axhline(equal, color="black", ls=":", label="mean of 1 / |S|")
        _epochs(ax, axes)
        ax.set(title=kind, ylabel="mean weight", ylim=(0, 1))
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncol=3)
    return fig


def draw_auc(groups: Groups, row: str = "MoGD") -> Figure:
    """AUC of the meta-gradient, true labels against false candidates, over epochs."""
    fig, ax = style.panels(1, height=3.2)
    lowest = 0.45
    for kind, records in groups.items():
        values = np.stack([record["auc"] for record in records[row]])
        style.band(ax, range(1, values.shape[1] + 1), values, kind)
        lowest = min(lowest, values.min())
    ax.axhline(0.5, color="black", ls=":", label="guessing")
    style.epoch_axis(ax)
    ax.set(ylabel="AUC of the meta-gradient", ylim=(max(0, lowest - 0.05), 1))
    fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncol=5)
    return fig


def draw_sizes(
    groups: Mapping[int, Mapping[str, Sequence[Record]]], rows: Sequence[str], last: int
) -> Figure:
    """Test accuracy over the number of clean samples per class (bars: standard deviation)."""
    fig, ax = style.panels(1, height=3.8)
    counts = list(groups)
    for i, row in enumerate(rows):
        values = [scores(groups[count][row], last) for count in counts]
        spread = [v.std(ddof=1) if len(v) > 1 else 0 for v in values]
        colour, line = STYLES[row]
        shifted = np.array(counts) * 1.02 ** (i - len(rows) / 2)
        ax.errorbar(
            shifted, [v.mean() for v in values], spread, label=row, color=colour, ls=line,
            marker="o", ms=4, capsize=2,
        )  # fmt: skip
    ax.set(xscale="log", xlabel="clean samples per class", ylabel="test accuracy (%)")
    ax.set_xticks(counts, [str(count) for count in counts])
    ax.minorticks_off()
    ax.legend(loc="lower right", ncol=2)
    return fig


def draw_examples(
    images: np.ndarray,
    useful: np.ndarray,
    candidates: np.ndarray,
    truth: np.ndarray,
    names: Sequence[str],
) -> Figure:
    """Images with the meta-gradient of each of their candidates.

    Args:
        images: ``(n, c, h, w)`` in [0, 1].
        useful: ``(n, K)``.
        candidates: ``(n, K)`` bool.
        truth: ``(n,)``.
        names: of the classes.
    """
    fig, axes = style.panels(len(images), 2, height=1.9)
    for i in range(len(images)):
        style.show_image(axes[0, i], images[i], f"truth: {names[truth[i]]}")
        labels = np.flatnonzero(candidates[i])
        values = useful[i, labels] / np.abs(useful[i, labels]).max()
        colours = [style.PALETTE[0 if label == truth[i] else 1] for label in labels]
        axes[1, i].bar([names[label] for label in labels], values, color=colours)
        axes[1, i].axhline(0, color="black", lw=0.8)
        axes[1, i].set(xlabel="candidate label", ylim=(-1.1, 1.1))
        axes[1, i].tick_params(axis="x", labelsize=9)
    axes[1, 0].set_ylabel("meta-gradient\n(longest bar: 1)")
    return fig


def draw_real(found: Mapping[str, Mapping[str, Mapping[str, np.ndarray]]]) -> Figure:
    """Recorded test accuracy by row, a panel a set: a dot and one standard deviation.

    Rows that train on the clean samples, too, are hollow.

    Args:
        found: set -> row -> what was kept, ``(seeds,)`` each; nothing if nothing is recorded.
    """
    if not found:
        return style.draw_note(NOT_RECORDED)
    fig, axes = _grid(len(found), 2.9, sharex=False)
    rows = list(next(iter(found.values())))
    for ax, (name, each) in zip(axes, found.items(), strict=True):
        for y, row in enumerate(rows):
            values = each[row]["test_accuracy"]
            spread = values.std(ddof=1) if len(values) > 1 else 0
            colour, _ = STYLES[row]
            fill = "white" if row.endswith("+v") else colour
            ax.errorbar(values.mean(), y, xerr=spread, fmt="o", color=colour, mfc=fill, capsize=3)
        ax.set_yticks(range(len(rows)), rows)
        ax.invert_yaxis()
        ax.set(title=name, xlabel="test accuracy (%)")
    return fig
