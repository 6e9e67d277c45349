"""Figures of the chapter on *Noise-Robust Bidirectional Learning* (BLDR, 2022)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chapters.bldr import photographs
from chapters.bldr.tables import NOT_YET, Groups, Human, last
from weaklabels.lab.store import Record
from weaklabels.press import style


def draw_transitions(transitions: Mapping[str, np.ndarray]) -> Figure:
    """Probabilities ``(K, K)`` of the given class, a row for each true one; one panel a title."""
    fig, axes = style.panels(len(transitions), height=3.2)
    for ax, (title, transition) in zip(axes, transitions.items(), strict=True):
        picture = ax.imshow(transition, cmap="Blues", vmin=0, vmax=1)
        ticks = range(0, len(transition), 3)
        ax.set(title=title, xlabel="given class", ylabel="true class", xticks=ticks, yticks=ticks)
        ax.grid(False)
    fig.colorbar(picture, ax=axes, label="probability")
    return fig


def draw_curves(groups: Groups, names: Sequence[str]) -> Figure:
    """Test accuracy and share of fitted wrong labels over epochs (band: standard deviation)."""
    fig, axes = style.panels(2, height=3.4)
    for ax, curve, label in (
        (axes[0], "test", "test accuracy (%)"),
        (axes[1], "fitted", "wrong labels fitted (%)"),
    ):
        for name, line in zip(names, cycle(("-", "--", "-.", ":")), strict=False):
            runs = groups[name]
            style.band(ax, runs[0]["epoch"], np.stack([r[curve] for r in runs]), name, style=line)
        style.epoch_axis(ax)
        ax.set_ylabel(label)
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=3, handlelength=3)
    return fig


def _histogram(ax: Axes, values: np.ndarray, wrong: np.ndarray, label: str) -> None:
    """Distribution of a number in [0, 1] among right and wrong labels."""
    bins = np.linspace(0, 1, 26)
    for mask, name, colour in (
        (~wrong, "right labels", style.PALETTE[0]),
        (wrong, "wrong labels", style.PALETTE[1]),
    ):
        ax.hist(values[mask], bins, color=colour, alpha=0.6, label=name)
    ax.set(xlabel=label, ylabel="training samples", yscale="log", xlim=(0, 1))


def draw_separation(groups: Groups, names: Mapping[str, str]) -> Figure:
    """Histograms of the probability of the given label, one panel a method, first run.

    The AUC in a title is the mean over all runs.

    Args:
        groups: method -> records.
        names: method -> title.
    """
    fig, axes = style.panels(len(names), height=3.2, sharey=True)
    for ax, (name, title) in zip(axes, names.items(), strict=True):
        record = groups[name][0]
        _histogram(ax, record["found"], record["wrong"], "probability of the given label")
        ax.set_title(f"{title}\n(AUC {last(groups[name], 'auc').mean():.3f})", fontsize=10)
    axes[0].legend(loc="upper center")
    return fig


def draw_weights(runs: Sequence[Record], true_share: float) -> Figure:
    """Weights of right and wrong labels over training, at the end, and the noise estimate."""
    fig, (left, middle, right) = style.panels(3, height=3.3)
    record = runs[0]
    weights, wrong = record["weights"].astype(float), record["wrong"]
    for mask, name, colour in (
        (~wrong, "right labels", style.PALETTE[0]),
        (wrong, "wrong labels", style.PALETTE[1]),
    ):
        low, median, high = np.quantile(weights[:, mask], (0.25, 0.5, 0.75), axis=1)
        left.plot(record["epoch"], median, color=colour, label=name)
        left.fill_between(record["epoch"], low, high, color=colour, alpha=0.2, lw=0)
    style.epoch_axis(left)
    left.set(ylabel="weight", title="median, quartiles")
    left.legend(loc="center right", handlelength=1, handletextpad=0.4)
    _histogram(middle, weights[-1], wrong, "final weight")
    middle.set_title("at the end")
    estimates = 100 * np.stack([r["noise_share"] for r in runs])
    style.band(right, record["epoch"], estimates, "estimate")
    right.axhline(100 * true_share, color="black", ls=":", label="truth")
    style.epoch_axis(right)
    right.set(ylabel="wrong labels (%)", title="how many are wrong", ylim=(0, None))
    right.legend(loc="lower right")
    return fig


def draw_ladder(groups: Groups, kinds: Mapping[str, Sequence[str]]) -> Figure:
    """Last-epoch test accuracy: mean with one standard deviation, and one dot a run.

    Args:
        groups: method -> records.
        kinds: kind of method (one colour each) -> methods.
    """
    fig, ax = style.panels(1, height=3.8)
    for (kind, names), colour in zip(kinds.items(), ("#777777", *style.PALETTE), strict=False):
        scores = [last(groups[name]) for name in names]
        for name, values in zip(names, scores, strict=True):
            ax.plot([name] * len(values), values, ".", color=colour, alpha=0.35, ms=7)
        spread = [s.std(ddof=1) if len(s) > 1 else 0 for s in scores]
        ax.errorbar(
            list(names), [s.mean() for s in scores], spread, fmt="s", ms=6, capsize=4,
            color=colour, label=kind,
        )  # fmt: skip
    ax.set_ylabel("test accuracy, last epoch (%)")
    ax.tick_params(axis="x", rotation=40)
    for label in ax.get_xticklabels():
        label.set_ha("right")
    fig.legend(loc="outside upper center", ncols=3)
    return fig


def draw_views(groups: Groups, names: Sequence[str], bare: str) -> Figure:
    """Last-epoch test accuracy on bare images beside that with a method's own views.

    Args:
        groups: method -> records.
        names: methods.
        bare: what the name of a method ends in that trains on bare images.
    """
    fig, ax = style.panels(1, height=3.6)
    for offset, suffix, marker, label in (
        (-0.15, bare, "o", "as they are"),
        (0.15, "", "s", "its views"),
    ):
        colour = style.PALETTE[0 if suffix else 1]
        for x, name in enumerate(names):
            scores = last(groups[name + suffix])
            ax.plot([x + offset] * len(scores), scores, marker, color=colour, ms=3, alpha=0.4)
            mean = {"label": label} if not x else {}
            ax.plot(x + offset, scores.mean(), marker, color=colour, ms=8, mec="black", **mean)
    ax.set(ylabel="test accuracy, last epoch (%)", ylim=(0, 105), xticks=range(len(names)))
    ax.set_xticklabels(names, rotation=30, ha="right")
    ax.legend(loc="lower right", ncol=2)
    return fig


def draw_collapse(groups: Groups) -> Figure:
    """Test accuracy of the two heads over epochs, one panel a group."""
    fig, axes = style.panels(len(groups), height=3.0, sharey=True)
    for ax, (title, runs) in zip(axes, groups.items(), strict=True):
        for curve, name in (("positive", "positive head"), ("negative", "negative head")):
            style.band(ax, runs[0]["epoch"], np.stack([r[curve] for r in runs]), name)
        style.epoch_axis(ax)
        ax.set_title(title)
    axes[0].set_ylabel("test accuracy (%)")
    axes[0].legend(loc="lower right")
    return fig


def draw_human(human: Human) -> Figure:
    """Test accuracy over epochs on the labels of people, one panel a kind of labels."""
    if not human:
        return style.draw_note(NOT_YET)
    fig, axes = style.panels(len(photographs.LABELS), height=3.6, sharey=True)
    for ax, labels in zip(axes, photographs.LABELS.values(), strict=True):
        for method in photographs.METHODS:
            found = human[labels, method]
            style.band(ax, found["epoch"], found["test by epoch"], method)
        style.epoch_axis(ax)
        ax.set_title(labels)
    axes[0].set_ylabel("test accuracy (%)")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return fig


def draw_human_weights(record: Mapping[str, Any] | None) -> Figure:
    """Final weights of right and wrong labels, one panel a kind of labels, first seed.

    The AUC in a title is the mean over all seeds.
    """
    if record is None:
        return style.draw_note(NOT_YET)
    rows = {row["labels"]: row for row in record["rows"] if row["method"] == "BLDR"}
    fig, axes = style.panels(len(rows), height=3.2, sharey=True)
    for ax, (labels, row) in zip(axes, rows.items(), strict=True):
        for kind, colour in zip(("right", "wrong"), style.PALETTE, strict=False):
            counts = np.array(row[f"weights of {kind}"])
            edges = np.linspace(0, 1, len(counts) + 1)
            name = f"{kind} labels"
            ax.stairs(counts, edges, fill=True, color=colour, alpha=0.6, label=name)
        title = f"{photographs.LABELS[labels]}\n(AUC {np.mean(row['weights auc']):.3f})"
        ax.set(xlabel="final weight", yscale="log", xlim=(0, 1))
        ax.set_title(title, fontsize=10)
    axes[0].set_ylabel("training images")
    axes[0].legend(loc="upper center")
    return fig
