"""Figures of the chapter on *Active Learning for Open-set Annotation* (LfOSA, 2022)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from chapters.lfosa.tables import (
    NOT_YET,
    Groups,
    curve,
    drawn_class,
    evenness,
    final,
    mean_precision,
    same_counts,
)
from weaklabels.lab.store import Record
from weaklabels.methods.lfosa import fit_mixture
from weaklabels.press import style

_P = style.PALETTE
COLOURS = {
    "Random": "#888888",
    "Uncertainty": _P[1],
    "BALD": _P[4],
    "Coreset": _P[7],
    "Certainty": _P[2],
    "OpenMax": _P[5],
    "AV+GMM": _P[3],
    "LfOSA": _P[0],
    "LfOSA, balanced": _P[6],
}
CURVES = {
    "recall": "recall of known classes (%)",
    "precision": "precision of the query (%)",
    "accuracy": "test accuracy (%)",
}
"""The three panels of the paper's figures."""


def draw_rounds(groups: Groups) -> Figure:
    """Recall, precision and accuracy by round, one curve a strategy, band: standard deviation."""
    fig, axes = style.panels(3, height=4.0)
    for ax, (name, label) in zip(axes, CURVES.items(), strict=True):
        for strategy, runs in groups.items():
            values = curve(runs, name)
            rounds = np.arange(1, values.shape[1] + 1)
            style.band(ax, rounds, values, strategy, colour=COLOURS[strategy])
        ax.set(xlabel="query round", ylabel=label)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_ylim(top=min(ax.get_ylim()[1], 102))  # the band may pass 100, no share does
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncol=5)
    return fig


def draw_swings(groups: Mapping[str, Groups], name: str) -> Figure:
    """Precision of a strategy's queries by round, one thin line a run and their mean."""
    fig, axes = style.panels(len(groups), height=3.2, sharey=True)
    for ax, (title, strategies) in zip(axes, groups.items(), strict=True):
        values = curve(strategies[name], "precision")
        rounds = np.arange(1, values.shape[1] + 1)
        ax.plot(rounds, values.T, color=COLOURS[name], lw=0.8, alpha=0.6)
        ax.plot(rounds, values.mean(0), color="black", lw=2)
        ax.set(title=title, xlabel="query round")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].set_ylabel(CURVES["precision"])
    lines = [
        Line2D([], [], color=COLOURS[name], lw=0.8, label="one run"),
        Line2D([], [], color="black", lw=2, label="mean"),
    ]
    axes[1].legend(handles=lines)
    return fig


def draw_control(groups: Mapping[str, Groups]) -> Figure:
    """Last accuracy beside that with random examples, as many of each class, one panel a task."""
    fig, axes = style.panels(len(groups), height=3.4, sharey=True)
    for ax, (title, strategies) in zip(axes, groups.items(), strict=True):
        for i, runs in enumerate(strategies.values()):
            pairs = np.stack([final(runs, "accuracy"), same_counts(runs)])
            ax.plot([i - 0.15, i + 0.15], pairs, color="#BBBBBB", lw=0.8, zorder=1)
            for x, values, marker, colour in (
                (i - 0.15, pairs[0], "o", _P[0]),
                (i + 0.15, pairs[1], "s", _P[1]),
            ):
                ax.plot([x] * len(values), values, marker, color=colour, ms=4, alpha=0.5)
                ax.plot(x, values.mean(), marker, color=colour, ms=9, mec="black")
        ax.set_xticks(range(len(strategies)), list(strategies), rotation=30, ha="right")
        ax.set(title=title)
    axes[0].set_ylabel("last test accuracy (%)")
    handles = [
        Line2D([], [], color=_P[0], marker="o", ls="", label="its queries"),
        Line2D([], [], color=_P[1], marker="s", ls="", label="random, same counts"),
    ]
    fig.legend(handles=handles, loc="outside lower center", ncol=2)
    return fig


def draw_published(record: Mapping[str, Any], known: int) -> Figure:
    """The same three panels from the authors' result logs."""
    fig, axes = style.panels(3, height=3.7)
    rows = [r for r in record["curves"] if r["known"] == known and r["strategy"] in COLOURS]
    for ax, (name, label) in zip(axes, CURVES.items(), strict=True):
        scale = 1 if name == "accuracy" else 100
        for row in rows:
            mean, std = (scale * np.array(row[part][name]) for part in ("mean", "std"))
            rounds = np.arange(1, len(mean) + 1)
            colour = COLOURS[row["strategy"]]
            ax.plot(rounds, mean, color=colour, label=row["strategy"], lw=1.8)
            ax.fill_between(rounds, mean - std, mean + std, color=colour, alpha=0.2, lw=0)
        ax.set(xlabel="query round", ylabel=label)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncol=5)
    return fig


def draw_examples(images: Mapping[str, np.ndarray]) -> Figure:
    """A row of pictures for each kind of example."""
    columns = max(len(rows) for rows in images.values())
    fig = plt.figure(figsize=(style.WIDTH, 0.95 * len(images)), layout="constrained")
    for part, (title, pictures) in zip(fig.subfigures(len(images), 1), images.items(), strict=True):
        part.suptitle(title, x=0.01, ha="left", fontsize=10)
        for ax, picture in zip(part.subplots(1, columns), pictures, strict=True):
            style.show_image(ax, picture)
    return fig


def draw_mixtures(runs: Mapping[str, Record], classes: int) -> Figure:
    """Maximum activations of the pool that one class is predicted for, with the two Gaussians.

    The class is that of ``tables.drawn_class``.

    Args:
        runs: panel title -> record with ``mav``, ``predicted`` and ``truth``.
        classes: K.
    """
    chosen = drawn_class(runs, classes)
    fig, axes = style.panels(len(runs), height=3.3)
    for ax, (title, record) in zip(axes, runs.items(), strict=True):
        mine = record["predicted"] == chosen
        values, known = record["mav"][mine].astype(float), record["truth"][mine] < classes
        ax.set(title=title, xlabel="maximum activation")
        if len(values) < 2:
            ax.text(0.5, 0.5, "predicted for\nno two examples", ha="center", transform=ax.transAxes)
            continue
        edges = np.linspace(values.min(), values.max() + 1e-6, 25)
        ax.hist(
            [values[known], values[~known]], edges, stacked=True, color=[_P[0], _P[1]],
            label=["known", "unknown"], alpha=0.75,
        )  # fmt: skip
        grid = np.linspace(edges[0], edges[-1], 200)
        mixture = fit_mixture(values)
        scale = len(values) * (edges[1] - edges[0])
        for density, line in zip(mixture.densities(grid).T, ("--", "-"), strict=True):
            ax.plot(grid, scale * density, line, color="black", lw=1.5)
        top = max(np.histogram(values, edges)[0].max(), 1)
        ax.set_ylim(0, 1.25 * top)
        ax.legend(loc="upper left")
    axes[0].set_ylabel("examples of the pool")
    return fig


def draw_counts(groups: Mapping[str, Groups]) -> Figure:
    """Labelled examples of each known class after the last round, one panel a task."""
    fig, axes = style.panels(len(groups), height=3.5)
    for ax, (title, strategies) in zip(axes, groups.items(), strict=True):
        width = 0.8 / len(strategies)
        for i, (name, runs) in enumerate(strategies.items()):
            # The classes that are bought most change with the seed: sorted within each run.
            counts = np.stack([np.sort(r["counts"][-1])[::-1] for r in runs])
            x = np.arange(counts.shape[1]) + (i - (len(strategies) - 1) / 2) * width
            spread = counts.std(0, ddof=1) if len(counts) > 1 else None
            ax.bar(
                x, counts.mean(0), width, yerr=spread, color=COLOURS[name], label=name,
                error_kw={"lw": 0.8},
            )  # fmt: skip
        known = f"the {counts.shape[1]} known classes, most bought first"
        ax.set(title=title, xlabel=known, xticks=[])
        ax.set_ylim(bottom=0)
    axes[0].set_ylabel("labelled examples")
    axes[0].legend()
    return fig


def draw_balance(groups: Mapping[str, Groups]) -> Figure:
    """Final accuracy against the evenness of the labelled classes; a dot's area is their number."""
    fig, axes = style.panels(len(groups), height=3.9, sharey=True)
    for ax, (title, strategies) in zip(axes, groups.items(), strict=True):
        for name, runs in strategies.items():
            size = [r["counts"][-1].sum() for r in runs]
            ax.scatter(
                evenness(runs), final(runs, "accuracy"), s=np.array(size) / 2, label=name,
                color=COLOURS[name], alpha=0.8, edgecolor="white", lw=0.5,
            )  # fmt: skip
        ax.set(title=title, xlabel="evenness of the labelled classes (%)")
    axes[0].set_ylabel("last test accuracy (%)")
    handles, names = axes[0].get_legend_handles_labels()
    legend = fig.legend(handles, names, loc="outside lower center", ncol=5)
    for handle in legend.legend_handles:
        handle.set_sizes([40])
    return fig


def draw_openness(groups: Mapping[str, Groups]) -> Figure:
    """Recall, mean precision and accuracy against the share of known classes."""
    fig, axes = style.panels(3, height=3.7)
    settings = list(groups)
    x = np.arange(len(settings))
    for ax, (name, label) in zip(axes, CURVES.items(), strict=True):
        for strategy in groups[settings[0]]:
            values = [
                mean_precision(groups[s][strategy])
                if name == "precision"
                else final(groups[s][strategy], name)
                for s in settings
            ]
            style.band(ax, x, np.array(values).T, strategy, colour=COLOURS[strategy])
        ax.set_xticks(x, [s.partition(" of")[0].split(", ")[-1] for s in settings])
        ax.set(xlabel="known classes", ylabel=label)
    axes[0].set_ylabel("final recall (%)")
    axes[1].set_ylabel("mean precision (%)")
    axes[2].set_ylabel("last test accuracy (%)")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncol=4)
    return fig


def draw_recorded(groups: Mapping[str, Groups]) -> Figure:
    """Recall, precision and accuracy by round, a row of panels for each recorded pool."""
    if not groups:
        return style.draw_note(NOT_YET)
    fig, axes = style.panels(3, len(groups), height=2.7, squeeze=False)
    for row, (title, strategies) in zip(axes, groups.items(), strict=True):
        for ax, (name, label) in zip(row, CURVES.items(), strict=True):
            for strategy, runs in strategies.items():
                values = curve(runs, name)
                rounds = np.arange(1, values.shape[1] + 1)
                style.band(ax, rounds, values, strategy, colour=COLOURS[strategy])
            ax.set(xlabel="query round", ylabel=label)
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        row[0].set_title(title, loc="left", fontsize=10)
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncol=5)
    return fig
