"""Tables and figures of the chapter on *Active Learning for Open-set Annotation* (LfOSA, 2022).

Apart from the runs (``experiments.lfosa``), so that a change of a figure recomputes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from weaklabels.lab.store import Record
from weaklabels.methods.lfosa import fit_mixture
from weaklabels.press import style as figures
from weaklabels.press.claims import HOLDS, Verdict, all_of, greater, mean_std

_P = figures.PALETTE
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

Groups = Mapping[str, Sequence[Record]]


def curve(runs: Sequence[Record], name: str) -> np.ndarray:
    """A curve over rounds in percent, ``(seeds, rounds)``."""
    values = np.stack([record[name] for record in runs])
    return values if name == "accuracy" else 100 * values


def mean_precision(runs: Sequence[Record]) -> np.ndarray:
    """Precision (%) averaged over the rounds, one a seed."""
    return curve(runs, "precision").mean(1)


def final(runs: Sequence[Record], name: str) -> np.ndarray:
    """Last value (%) of a curve, one a seed."""
    return curve(runs, name)[:, -1]


def evenness(runs: Sequence[Record]) -> np.ndarray:
    """Entropy of the classes' shares of the labelled set over ln K, in percent; 100 is even."""
    values = []
    for record in runs:
        share = record["counts"][-1] / record["counts"][-1].sum()
        logs = np.log(share, where=share > 0, out=np.zeros_like(share))
        values.append(-100 * (share * logs).sum() / np.log(len(share)))
    return np.array(values)


def against_each(
    groups: Groups, others: Sequence[str], measure: Callable[[Sequence[Record]], np.ndarray]
) -> Verdict:
    """Is LfOSA's measure larger than that of each of the others? The text names the differences."""
    ours = measure(groups["LfOSA"])
    parts = {name: greater(ours, measure(groups[name])) for name in others}
    text = ", ".join(
        f"{name} {(ours - measure(groups[name])).mean():+.1f}"
        + ("" if part.verdict == HOLDS else f" ({part.verdict})")
        for name, part in parts.items()
    )
    return replace(all_of(parts), ours=f"{mean_std(ours)}; mean difference to {text}")


def score_table(groups: Groups) -> pd.DataFrame:
    """Mean and standard deviation over seeds, one row a strategy."""
    rows = {}
    for name, runs in groups.items():
        rows[name] = {
            "precision": mean_std(mean_precision(runs)),
            "recall": mean_std(final(runs, "recall")),
            "first acc.": mean_std(curve(runs, "accuracy")[:, 0]),
            "last acc.": mean_std(final(runs, "accuracy")),
            "evenness": mean_std(evenness(runs), 0),
        }
    return pd.DataFrame(rows).T


def figure_rounds(groups: Groups) -> Figure:
    """Recall, precision and accuracy by round, one curve a strategy, band: standard deviation."""
    fig, axes = figures.panels(3, height=4.0)
    for ax, (name, label) in zip(axes, CURVES.items(), strict=True):
        for strategy, runs in groups.items():
            values = curve(runs, name)
            rounds = np.arange(1, values.shape[1] + 1)
            figures.band(ax, rounds, values, strategy, colour=COLOURS[strategy])
        ax.set(xlabel="query round", ylabel=label)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncol=5)
    return fig


def figure_published(record: Mapping[str, Any], known: int) -> Figure:
    """The same three panels from the authors' result logs."""
    fig, axes = figures.panels(3, height=3.7)
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


def quote(
    record: Mapping[str, Any], name: str, strategies: Sequence[str], *, average: bool = False
) -> str:
    """Published figures of some strategies in words (20 known classes of CIFAR-100)."""
    rows = {r["strategy"]: r["mean"][name] for r in record["curves"] if r["known"] == 20}
    scale = 1 if name == "accuracy" else 100
    values = {s: scale * (np.mean(rows[s]) if average else rows[s][-1]) for s in strategies}
    return "official logs, CIFAR-100 with 20 known: " + ", ".join(
        f"{s} {value:.1f} %" for s, value in values.items()
    )


def figure_examples(images: Mapping[str, np.ndarray]) -> Figure:
    """A row of pictures for each kind of example."""
    columns = max(len(rows) for rows in images.values())
    fig = plt.figure(figsize=(figures.WIDTH, 0.95 * len(images)), layout="constrained")
    for part, (title, pictures) in zip(fig.subfigures(len(images), 1), images.items(), strict=True):
        part.suptitle(title, x=0.01, ha="left", fontsize=10)
        for ax, picture in zip(part.subplots(1, columns), pictures, strict=True):
            figures.show_image(ax, picture)
    return fig


def figure_mixtures(runs: Mapping[str, Record], classes: int) -> Figure:
    """Maximum activations of the pool that one class is predicted for, with the two Gaussians.

    The class is the one that all runs predict for some examples, and the most by the fewest.

    Args:
        runs: panel title -> record with ``mav``, ``predicted`` and ``truth``.
        classes: K.
    """
    counts = [np.bincount(r["predicted"], minlength=classes)[:classes] for r in runs.values()]
    chosen = np.min(counts, axis=0).argmax()
    fig, axes = figures.panels(len(runs), height=3.3)
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
        for density, style in zip(mixture.densities(grid).T, ("--", "-"), strict=True):
            ax.plot(grid, scale * density, style, color="black", lw=1.5)
        top = max(np.histogram(values, edges)[0].max(), 1)
        ax.set_ylim(0, 1.25 * top)
        ax.legend(loc="upper left")
    axes[0].set_ylabel("examples of the pool")
    return fig


def figure_counts(groups: Mapping[str, Groups], labels: Mapping[str, Sequence[str]]) -> Figure:
    """Labelled examples of each known class after the last round, one panel a task.

    Args:
        groups: task -> strategy -> runs.
        labels: task -> names of the classes.
    """
    fig, axes = figures.panels(len(groups), height=3.5)
    for ax, (title, strategies) in zip(np.atleast_1d(axes), groups.items(), strict=True):
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
        ax.set(title=title, xlabel="known classes, most bought first", xticks=[])
        ax.set_xlabel(f"the {len(labels[title])} known classes, most bought first")
    np.atleast_1d(axes)[0].set_ylabel("labelled examples")
    np.atleast_1d(axes)[0].legend()
    return fig


def figure_balance(groups: Mapping[str, Groups]) -> Figure:
    """Final accuracy against the number of labels (left axis of each task) and their evenness."""
    fig, axes = figures.panels(len(groups), height=3.9, sharey=True)
    for ax, (title, strategies) in zip(np.atleast_1d(axes), groups.items(), strict=True):
        for name, runs in strategies.items():
            size = [r["counts"][-1].sum() for r in runs]
            ax.scatter(
                evenness(runs), final(runs, "accuracy"), s=np.array(size) / 2, label=name,
                color=COLOURS[name], alpha=0.8, edgecolor="white", lw=0.5,
            )  # fmt: skip
        ax.set(title=title, xlabel="evenness of the labelled classes (%)")
    np.atleast_1d(axes)[0].set_ylabel("last test accuracy (%)")
    handles, names = np.atleast_1d(axes)[0].get_legend_handles_labels()
    legend = fig.legend(handles, names, loc="outside lower center", ncol=5)
    for handle in legend.legend_handles:
        handle.set_sizes([40])
    return fig


def figure_openness(groups: Mapping[str, Groups]) -> Figure:
    """Recall, mean precision and accuracy against the share of known classes."""
    fig, axes = figures.panels(3, height=3.7)
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
            figures.band(ax, x, np.array(values).T, strategy, colour=COLOURS[strategy])
        ax.set_xticks(x, [s.partition(" of")[0].split(", ")[-1] for s in settings])
        ax.set(xlabel="known classes", ylabel=label)
    axes[0].set_ylabel("final recall (%)")
    axes[1].set_ylabel("mean precision (%)")
    axes[2].set_ylabel("last test accuracy (%)")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncol=4)
    return fig
