"""Figures of the chapter on *Learning from Crowds* (Self-Crowd, 2022)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from chapters.self_crowd.runs import CONTINUED
from chapters.self_crowd.tables import (
    LEVELS,
    SELF_TRAINING,
    TITLES,
    Cells,
    Records,
    accuracy,
    agreement,
    evenness,
    final,
    implied_confusion,
    minority,
    ratio,
)
from weaklabels.lab.store import Record
from weaklabels.press import style
from weaklabels.press.verdicts import NOT_RECORDED

_P = style.PALETTE
COLOURS = {
    "MV": _P[4],
    "DS": _P[7],
    "EM": _P[3],
    "true labels": "#888888",
    "DL-CL": _P[6],
    "random": _P[5],
    "plain": _P[1],
    "aware": _P[0],
    "quota": _P[2],
}


def _quartiles(ax: Axes, x: Sequence[float], runs: np.ndarray, label: str, colour: str) -> None:
    """Median over seeds and a band between the quartiles: it stays where values can be.

    Args:
        ax: where to draw.
        x: ``(T,)``.
        runs: ``(seeds, T)``; NaN where a run has no value.
        label: in the legend.
        colour: of line and band.
    """
    low, median, high = np.nanquantile(runs, (0.25, 0.5, 0.75), axis=0)
    ax.plot(x, median, color=colour, lw=1.8, label=label)
    ax.fill_between(x, low, high, color=colour, alpha=0.2, lw=0)


def draw_shares(records: Records) -> Figure:
    """Class shares of truth and annotations, sorted from the most frequent class to the rarest."""
    fig, ax = style.panels(1, height=3.4)
    order = [r["order"] for r in records]

    def shares(key: str, row: int | None) -> np.ndarray:
        counts = [r[key] if row is None else r[key][row] for r in records]
        return np.array([100 * c[o] / c.sum() for c, o in zip(counts, order, strict=True)])

    kinds = {
        "true classes": (shares("truth_counts", None), "#BBBBBB"),
        "given annotations": (shares("plain/counts", 0), _P[6]),
        "after plain self-training": (shares("plain/counts", -1), COLOURS["plain"]),
        "after Self-Crowd": (shares("aware/counts", -1), COLOURS["aware"]),
    }
    for i, (label, (values, colour)) in enumerate(kinds.items()):
        x = np.arange(values.shape[1]) + 0.2 * (i - 1.5)
        spread = values.std(0, ddof=1) if len(values) > 1 else None
        ax.bar(x, values.mean(0), 0.2, yerr=spread, label=label, color=colour, error_kw={"lw": 0.8})
    ax.set_xticks(range(values.shape[1]), range(1, values.shape[1] + 1))
    ax.set(xlabel="class, from the most frequent to the rarest", ylabel="share (%)")
    ax.legend()
    return fig


def _rounds(ax: Any) -> None:
    ax.set_xlabel("round of self-training")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def draw_balance(records: Records) -> Figure:
    """Imbalance ratio and evenness of the annotations by round."""
    fig, (left, right) = style.panels(2, height=3.6)
    for name in SELF_TRAINING:
        x = np.arange(ratio(records, name).shape[1])
        _quartiles(left, x, ratio(records, name), TITLES[name], COLOURS[name])
        _quartiles(right, x, evenness(records, name), TITLES[name], COLOURS[name])
    left.set(ylabel="largest over smallest class of annotations", yscale="log")
    left.set_yticks([1, 2, 5, 10, 20], ["1", "2", "5", "10", "20"])
    left.minorticks_off()
    right.set(ylabel="evenness of annotations (1: even)")
    for ax in (left, right):
        _rounds(ax)
    fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncol=4)
    return fig


def draw_learning(records: Records) -> Figure:
    """Accuracy and recall of the rarer half by round, and what each strategy adds to the base."""
    fig, axes = style.panels(2, 2, height=3.1)
    kinds = ((accuracy, "test accuracy"), (minority, "recall of the rarer half"))
    for (upper, lower), (curve, label) in zip(axes.T, kinds, strict=True):
        for name in ("MV", "EM", "DL-CL", "aware"):
            values = curve(records, name)
            x = np.arange(values.shape[1])
            _quartiles(upper, x, values, TITLES[name], COLOURS[name])
        for name in CONTINUED:
            # Seeds differ much more than strategies: differences within a seed.
            values = curve(records, name)
            _quartiles(lower, x, values - values[:, :1], TITLES[name], COLOURS[name])
        upper.set(ylabel=f"{label} (%)", title=label)
        lower.set_ylabel("gain over the base (points)")
        for ax in (upper, lower):
            _rounds(ax)
    labels = {}
    for ax in axes[:, 0]:
        labels |= dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    fig.legend(labels.values(), labels.keys(), loc="outside lower center", ncol=3)
    return fig


def draw_sparsity(groups: Mapping[float, Records]) -> Figure:
    """Accuracy and recall of the rarer half against the number of answers an example."""
    fig, axes = style.panels(2, height=4.0)
    levels = sorted(groups)
    for ax, rare, label in (
        (axes[0], False, "test accuracy (%)"),
        (axes[1], True, "recall of the rarer half (%)"),
    ):
        for name in ("MV", "DS", "EM", *CONTINUED, "true labels"):
            values = np.stack([final(groups[m], name, rare=rare) for m in levels], 1)
            _quartiles(ax, range(len(levels)), values, TITLES[name], COLOURS[name])
        ax.set_xticks(range(len(levels)), [f"{m:g}" for m in levels])
        ax.set(xlabel="answers an example", ylabel=label)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncol=3)
    return fig


def draw_agreement(records: Records) -> Figure:
    """Share of pseudo-annotations that name the true class, by round and group of classes."""
    fig, axes = style.panels(2, height=3.6, sharey=True)
    for ax, rare in zip(axes, (False, True), strict=True):
        for name in SELF_TRAINING:
            values = agreement(records, name, rare=rare)
            x = np.arange(1, values.shape[1] + 1)
            # A strategy may add none of these classes at all.
            keep = (~np.isnan(values)).sum(0) >= min(2, len(values))
            if keep.any():
                _quartiles(ax, x[keep], values[:, keep], TITLES[name], COLOURS[name])
        ax.set_title("rarer half of the classes" if rare else "more frequent half")
        _rounds(ax)
    axes[0].set_ylabel("pseudo-annotations naming the truth (%)")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncol=4)
    return fig


def draw_workers(record: Record, confusion: np.ndarray, chosen: Sequence[int]) -> Figure:
    """True confusions of some workers above those that the crowd layer has learnt."""
    learnt = implied_confusion(record["aware/kernel"])
    fig, axes = style.panels(len(chosen), 2, height=2.5, sharex=True, sharey=True)
    for column, r in zip(axes.T, chosen, strict=True):
        for ax, matrix in zip(column, (confusion[r], learnt[r]), strict=True):
            picture = ax.imshow(matrix, cmap="Blues", vmin=0, vmax=1)
            ax.grid(False)
            ax.set_xticks(range(0, len(matrix), 3))
            ax.set_yticks(range(0, len(matrix), 3))
        column[0].set_title(f"worker {r}")
        column[1].set_xlabel("answer")
    axes[0, 0].set_ylabel("simulated\ntrue class")
    axes[1, 0].set_ylabel("learnt\ntrue class")
    fig.colorbar(picture, ax=axes, label="probability")
    return fig


def draw_photograph_balance(cells: Cells) -> Figure:
    """Imbalance ratio of the annotations of photographs by round, one panel a crowd."""
    fig, axes = style.panels(2, height=3.6, sharey=True)
    crowds = list(dict.fromkeys(crowd for crowd, _ in cells)) or [NOT_RECORDED] * 2
    for ax, crowd in zip(axes, crowds, strict=True):
        for name in SELF_TRAINING if cells else ():
            values = cells[crowd, name]["balance"]
            _quartiles(ax, range(values.shape[1]), values, TITLES[name], COLOURS[name])
        ax.set_title(LEVELS.get(crowd, crowd))
        _rounds(ax)
    axes[0].set_ylabel("largest over smallest class of annotations")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncol=4)
    return fig
