"""Tables and figures of the chapter on *Noise-Robust Bidirectional Learning* (BLDR, 2022).

Apart from the runs (``experiments.bldr``), so that a change of a figure recomputes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from weaklabels.lab.store import Record
from weaklabels.press import style as figures
from weaklabels.press.claims import mean_std

FLAGGED = 0.05
"""A given label less likely than this is reported as wrong (official threshold)."""


def at_share(records: Sequence[Record], share: float, curve: str = "test") -> np.ndarray:
    """A curve's value (one a run) at the first measurement after a share of all epochs."""
    values = []
    for record in records:
        epochs = record["epoch"]
        values.append(record[curve][int(np.searchsorted(epochs, share * epochs[-1]))])
    return np.array(values)


def last(records: Sequence[Record], curve: str = "test") -> np.ndarray:
    """A curve's last value, one a run."""
    return np.array([record[curve][-1] for record in records])


def best(records: Sequence[Record]) -> np.ndarray:
    """The largest test accuracy of each run, in percent: what an early stop could have had."""
    return np.array([record["test"].max() for record in records])


def detection_f1(record: Record) -> float:
    """F1 (%) with which a probability below ``FLAGGED`` finds the wrong labels."""
    flagged, wrong = record["found"] < FLAGGED, record["wrong"]
    return 200 * float((flagged & wrong).sum()) / max(int(flagged.sum() + wrong.sum()), 1)


def score_table(groups: dict[str, list[Record]]) -> pd.DataFrame:
    """Table of mean and standard deviation over runs, one row a method."""
    rows = {}
    for name, runs in groups.items():
        rows[name] = {
            "last": mean_std(last(runs)),
            "averaged": mean_std(last(runs, "test_average")),
            "best": mean_std(best(runs)),
            "at 10 %": mean_std(at_share(runs, 0.1)),
            "fitted": mean_std(last(runs, "fitted"), 0),
            "AUC": mean_std(last(runs, "auc"), 3),
            "F1": mean_std([detection_f1(record) for record in runs]),
        }
    return pd.DataFrame(rows).T


def figure_curves(groups: dict[str, list[Record]], names: Sequence[str]) -> Figure:
    """Test accuracy and share of fitted wrong labels over epochs (band: standard deviation)."""
    fig, axes = figures.panels(2, height=3.4)
    for ax, curve, label in (
        (axes[0], "test", "test accuracy (%)"),
        (axes[1], "fitted", "wrong labels fitted (%)"),
    ):
        for name in names:
            runs = groups[name]
            figures.band(ax, runs[0]["epoch"], np.stack([r[curve] for r in runs]), name)
        figures.epoch_axis(ax)
        ax.set_ylabel(label)
    axes[1].legend(loc="upper right", bbox_to_anchor=(1, 0.9))
    return fig


def draw_histogram(ax: Axes, values: np.ndarray, wrong: np.ndarray, label: str) -> None:
    """Distribution of a number in [0, 1] among right and wrong labels."""
    bins = np.linspace(0, 1, 26)
    for mask, name, colour in (
        (~wrong, "right labels", figures.PALETTE[0]),
        (wrong, "wrong labels", figures.PALETTE[1]),
    ):
        ax.hist(values[mask], bins, color=colour, alpha=0.6, label=name)
    ax.set(xlabel=label, ylabel="training samples", yscale="log", xlim=(0, 1))


def figure_separation(groups: dict[str, list[Record]], names: dict[str, str]) -> Figure:
    """Histograms of the probability of the given label, one panel a method, first run.

    Args:
        groups: of ``run_methods``.
        names: method -> title.
    """
    fig, axes = figures.panels(len(names), height=3.2, sharey=True)
    for ax, (name, title) in zip(axes, names.items(), strict=True):
        record = groups[name][0]
        draw_histogram(ax, record["found"], record["wrong"], "probability of the given label")
        ax.set_title(f"{title}\n(AUC {record['auc'][-1]:.3f})", fontsize=10)
    axes[0].legend(loc="upper center")
    return fig


def figure_weights(runs: Sequence[Record], true_share: float) -> Figure:
    """Weights of right and wrong labels over training, at the end, and the noise estimate."""
    fig, (left, middle, right) = figures.panels(3, height=3.3)
    record = runs[0]
    weights, wrong = record["weights"].astype(float), record["wrong"]
    for mask, name, colour in (
        (~wrong, "right labels", figures.PALETTE[0]),
        (wrong, "wrong labels", figures.PALETTE[1]),
    ):
        low, median, high = np.quantile(weights[:, mask], (0.25, 0.5, 0.75), axis=1)
        left.plot(record["epoch"], median, color=colour, label=name)
        left.fill_between(record["epoch"], low, high, color=colour, alpha=0.2, lw=0)
    figures.epoch_axis(left)
    left.set(ylabel="weight", title="median, quartiles")
    left.legend(loc="center right")
    draw_histogram(middle, weights[-1], wrong, "final weight")
    middle.set_title("at the end")
    estimates = 100 * np.stack([r["noise_share"] for r in runs])
    figures.band(right, record["epoch"], estimates, "estimate")
    right.axhline(100 * true_share, color="black", ls=":", label="truth")
    figures.epoch_axis(right)
    right.set(ylabel="wrong labels (%)", title="how many are wrong", ylim=(0, None))
    right.legend(loc="lower right")
    return fig


def figure_ladder(groups: dict[str, list[Record]], kinds: dict[str, Sequence[str]]) -> Figure:
    """Bars of last-epoch test accuracy with one standard deviation and one dot a run.

    Args:
        groups: of ``run_methods``.
        kinds: kind of method (one colour each) -> methods.
    """
    fig, ax = figures.panels(1, height=3.8)
    for (kind, names), colour in zip(kinds.items(), ("#999999", *figures.PALETTE), strict=False):
        scores = [last(groups[name]) for name in names]
        spread = [s.std(ddof=1) if len(s) > 1 else 0 for s in scores]
        ax.bar(
            list(names), [s.mean() for s in scores], yerr=spread, capsize=3, color=colour,
            label=kind, alpha=0.85,
        )  # fmt: skip
        for name, values in zip(names, scores, strict=True):
            ax.plot([name] * len(values), values, ".", color="black", ms=4)
    ax.set(ylabel="test accuracy, last epoch (%)", ylim=(0, 115), yticks=range(0, 101, 20))
    ax.tick_params(axis="x", rotation=40)
    for label in ax.get_xticklabels():
        label.set_ha("right")
    ax.legend(loc="upper left", ncol=3)
    return fig


def figure_collapse(groups: dict[str, list[Record]]) -> Figure:
    """Test accuracy of the two heads over epochs, one panel a group."""
    fig, axes = figures.panels(len(groups), height=3.0, sharey=True)
    for ax, (title, runs) in zip(axes, groups.items(), strict=True):
        for curve, name in (("positive", "positive head"), ("negative", "negative head")):
            figures.band(ax, runs[0]["epoch"], np.stack([r[curve] for r in runs]), name)
        figures.epoch_axis(ax)
        ax.set_title(title)
    axes[0].set_ylabel("test accuracy (%)")
    axes[0].legend(loc="lower right")
    return fig
