"""Tables and figures of the chapter on *Meta Objective Guided Disambiguation* (MoGD, 2022).

Apart from the runs (``experiments.mogd``), so that a change of a figure recomputes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from weaklabels.lab.candidate_sets import last_epochs
from weaklabels.lab.store import Record
from weaklabels.press import style as figures
from weaklabels.press.claims import mean_std

Groups = Mapping[str, Mapping[str, Sequence[Record]]]
"""Candidate sets -> row of the tables -> one record a seed."""

STYLES = {
    "MoGD": (figures.PALETTE[1], "-"),
    "MoGD +v": (figures.PALETTE[1], "--"),
    "PRODEN": (figures.PALETTE[0], "-"),
    "CC": (figures.PALETTE[2], "-"),
    "LW": (figures.PALETTE[3], "-"),
    "RC": (figures.PALETTE[5], "-"),
    "uniform CE": ("#777777", "-"),
    "PRODEN +v": (figures.PALETTE[0], "--"),
    "CC +v": (figures.PALETTE[2], "--"),
    "LW +v": (figures.PALETTE[3], "--"),
    "clean only": (figures.PALETTE[6], ":"),
}
"""Row -> colour and line; what trains on the clean samples, too, is dashed."""


def score(runs: Sequence[Record], last: int, curve: str = "test_accuracy") -> np.ndarray:
    """Mean of a curve over the last epochs, one a run."""
    return np.array([last_epochs(record, last, curve) for record in runs])


def score_table(
    groups: Groups, rows: Sequence[str], last: int, curve: str = "test_accuracy"
) -> pd.DataFrame:
    """Mean and standard deviation over seeds, one column a kind of candidate sets."""
    return pd.DataFrame(
        {
            kind: {row: mean_std(score(runs[row], last, curve)) for row in rows}
            for kind, runs in groups.items()
        }
    )


def choices_table(groups: Groups, rows: Sequence[str], last: int) -> pd.DataFrame:
    """Who finds the true label, the weights or the network, for each way to set the weights."""
    lines = {}
    for kind, runs in groups.items():
        for row in rows:
            lines[kind, row] = {
                "test accuracy": mean_std(score(runs[row], last)),
                "found by weights": mean_std(score(runs[row], last, "select weights")),
                "found by network": mean_std(score(runs[row], last, "select IM-max")),
                "dropped": mean_std(score(runs[row], last, "dropped")),
            }
    return pd.DataFrame(lines).T


def _grid(count: int, height: float):
    columns = 2
    fig, axes = figures.panels(columns, -(-count // columns), height=height, sharex=True)
    axes = np.atleast_1d(axes).ravel()
    for ax in axes[count:]:
        ax.set_axis_off()
    return fig, axes[:count]


def _epochs(ax: Axes, axes: Sequence[Axes]) -> None:
    figures.epoch_axis(ax)
    if ax not in axes[-2:]:  # the panels below have the same axis
        ax.set_xlabel("")


def figure_curves(groups: Groups, rows: Sequence[str], curve: str, label: str) -> Figure:
    """A curve (%) over epochs, one panel a kind of candidate sets, with one legend below."""
    fig, axes = _grid(len(groups), 2.6)
    for ax, (kind, runs) in zip(axes, groups.items(), strict=True):
        for row in rows:
            values = np.stack([record[curve] for record in runs[row]])
            colour, style = STYLES[row]
            epochs = range(1, values.shape[1] + 1)
            figures.band(ax, epochs, values, row, colour=colour, style=style)
        _epochs(ax, axes)
        ax.set(title=kind, ylabel=label)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncol=len(rows))
    return fig


def figure_weights(groups: Groups, row: str = "MoGD") -> Figure:
    """Mean weight of true labels and of false candidates over epochs; dotted: equal weights."""
    fig, axes = _grid(len(groups), 2.6)
    for ax, (kind, runs) in zip(axes, groups.items(), strict=True):
        for (curve, name), colour in zip(
            (("true weight", "true label"), ("false weight", "false candidate")),
            figures.PALETTE,
            strict=False,
        ):
            values = np.stack([record[curve] for record in runs[row]])
            figures.band(ax, range(1, values.shape[1] + 1), values, name, colour=colour)
        equal = np.mean([record["uniform"] for record in runs[row]])
        ax.axhline(equal, color="black", ls=":", label="mean of 1 / |S|")
        _epochs(ax, axes)
        ax.set(title=kind, ylabel="mean weight", ylim=(0, 1))
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncol=3)
    return fig


def figure_auc(groups: Groups, row: str = "MoGD") -> Figure:
    """AUC of the meta-gradient, true labels against false candidates, over epochs."""
    fig, ax = figures.panels(1, height=3.2)
    for kind, runs in groups.items():
        values = np.stack([record["auc"] for record in runs[row]])
        figures.band(ax, range(1, values.shape[1] + 1), values, kind)
    ax.axhline(0.5, color="black", ls=":", label="guessing")
    figures.epoch_axis(ax)
    ax.set(ylabel="AUC of the meta-gradient", ylim=(0.4, 1))
    ax.legend(ncol=5, loc="lower center")
    return fig


def figure_sizes(
    groups: Mapping[int, Mapping[str, Sequence[Record]]], rows: Sequence[str], last: int
) -> Figure:
    """Test accuracy over the number of clean samples per class (bars: standard deviation)."""
    fig, ax = figures.panels(1, height=3.8)
    counts = list(groups)
    for i, row in enumerate(rows):
        values = [score(groups[count][row], last) for count in counts]
        spread = [v.std(ddof=1) if len(v) > 1 else 0 for v in values]
        colour, style = STYLES[row]
        shifted = np.array(counts) * 1.02 ** (i - len(rows) / 2)
        ax.errorbar(
            shifted, [v.mean() for v in values], spread, label=row, color=colour, ls=style,
            marker="o", ms=4, capsize=2,
        )  # fmt: skip
    ax.set(xscale="log", xlabel="clean samples per class", ylabel="test accuracy (%)")
    ax.set_xticks(counts, [str(count) for count in counts])
    ax.minorticks_off()
    ax.legend(loc="lower right", ncol=2)
    return fig


def figure_examples(
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
    fig, axes = figures.panels(len(images), 2, height=1.9)
    for i in range(len(images)):
        figures.show_image(axes[0, i], images[i], f"truth: {names[truth[i]]}")
        labels = np.flatnonzero(candidates[i])
        values = useful[i, labels] / np.abs(useful[i, labels]).max()
        colours = [figures.PALETTE[0 if label == truth[i] else 1] for label in labels]
        axes[1, i].bar([names[label] for label in labels], values, color=colours)
        axes[1, i].axhline(0, color="black", lw=0.8)
        axes[1, i].set(xlabel="candidate label", ylim=(-1.1, 1.1))
        axes[1, i].tick_params(axis="x", labelsize=9)
    axes[1, 0].set_ylabel("meta-gradient\n(longest bar: 1)")
    return fig


def cost_table(counts: Mapping[int, Mapping[str, int]]) -> pd.DataFrame:
    """Operations of a step with the meta-gradient, as multiples of a plain step.

    Args:
        counts: clean samples in a step -> what ``experiments.mogd.operations`` returns.
    """
    rows = {
        size: {
            name: f"{(found['plain'] + found[name]) / found['plain']:.2f} x"
            for name in ("closed form", "double backward")
        }
        for size, found in counts.items()
    }
    return pd.DataFrame(rows).T.rename_axis("clean samples")
