"""Figures of the head to head, from frames and rankings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chapters.head_to_head.ranking import Ranking
from weaklabels.press import style

STYLES = ("-", "--", "-.", ":")


def _two_lines(name: str) -> str:
    """A label with its last word on a line of its own."""
    return "\n".join(name.rsplit(" ", 1))


def draw_gaps(frame: pd.DataFrame, unit: str, most: float = 30.0) -> Figure:
    """Points behind the best method of each task, as numbers on colour.

    Args:
        frame: methods x tasks, NaN where a method does not apply.
        unit: of the points.
        most: where the colours end.
    """
    fig, ax = plt.subplots(figsize=(style.WIDTH, 0.29 * len(frame) + 1.3))
    values = frame.to_numpy(float)
    shown = ax.imshow(values, cmap="Blues", vmin=0, vmax=most, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        text = "n/a" if np.isnan(value) else f"{value:.1f}"
        colour = "white" if value > 0.6 * most else "black"
        weight = "bold" if value == 0 else "normal"
        ax.text(
            column, row, text, ha="center", va="center", color=colour, fontsize=9, weight=weight
        )
    ax.set_xticks(range(len(frame.columns)), [_two_lines(name) for name in frame.columns])
    ax.set_yticks(range(len(frame)), frame.index)
    ax.set_xlabel("weakening")
    ax.grid(False)
    ax.tick_params(length=0)
    bar = fig.colorbar(shown, ax=ax, extend="max", pad=0.02)
    bar.set_label(f"behind the best ({unit})", fontsize=10)
    return fig


def draw_critical(rankings: Mapping[str, Ranking]) -> Figure:
    """Critical-difference diagrams, one below the other.

    Args:
        rankings: title -> ranking.
    """
    rows = [(len(ranking.names) + 1) // 2 for ranking in rankings.values()]
    heights = [0.24 * row + 1.35 for row in rows]
    fig, axes = plt.subplots(
        len(rankings), 1, figsize=(style.WIDTH, sum(heights)), height_ratios=heights
    )
    for ax, (title, ranking) in zip(np.atleast_1d(axes), rankings.items(), strict=True):
        _diagram(ax, ranking)
        ax.set_title(title, loc="left")
    return fig


def _diagram(ax: Axes, ranking: Ranking) -> None:
    """Demsar's diagram: methods on an axis of mean ranks, bars join those not told apart."""
    count, means = len(ranking.names), ranking.mean_ranks
    groups = ranking.groups()
    half = (count + 1) // 2
    first = 0.55 + 0.28 * len(groups)
    depth = first + 0.6 * half
    ax.set(xlim=(1 - 0.42 * count, 1.42 * count), ylim=(-depth, 1.9))
    ax.axis("off")
    ax.plot([1, count], [0, 0], color="black", lw=1)
    for tick in range(1, count + 1):
        ax.plot([tick, tick], [0, 0.14], color="black", lw=1)
        ax.text(tick, 0.22, str(tick), ha="center", va="bottom", fontsize=9)
    ax.text(0.55, 0.22, "mean rank", ha="right", va="bottom", fontsize=9)
    width = min(ranking.difference, count - 1)
    ax.plot([1, 1 + width], [1.25, 1.25], color="#555555", lw=1.5, marker="|", ms=7)
    ax.text(
        1 + width + 0.25,
        1.25,
        f"critical difference {ranking.difference:.1f}",
        va="center",
        fontsize=9,
    )
    for i, (name, mean) in enumerate(zip(ranking.names, means, strict=True)):
        left = i < half
        level = -first - 0.6 * (i if left else count - 1 - i)
        end = 0.75 if left else count + 0.25
        ax.plot([mean, mean, end], [0, level, level], color="#777777", lw=0.8)
        ax.text(
            end + (-0.1 if left else 0.1),
            level,
            f"{name} ({mean:.1f})",
            ha="right" if left else "left",
            va="center",
            fontsize=9,
        )
    for i, (start, stop) in enumerate(groups):
        y = -0.3 - 0.28 * i
        span = [means[start] - 0.06, means[stop] + 0.06]
        ax.plot(span, [y, y], color=style.PALETTE[1], lw=3.2, solid_capstyle="butt")


def draw_agreement(correlations: np.ndarray, tasks: Sequence[str]) -> Figure:
    """Do two weakenings order the methods alike? Spearman's correlation of every pair."""
    fig, ax = plt.subplots(figsize=(style.WIDTH, 4.0))
    shown = ax.imshow(correlations, cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(correlations):
        colour = "white" if abs(value) > 0.75 else "black"
        ax.text(column, row, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=9)
    ax.set_xticks(range(len(tasks)), [_two_lines(task) for task in tasks])
    ax.set_yticks(range(len(tasks)), tasks)
    ax.set(xlabel="weakening", ylabel="weakening")
    ax.grid(False)
    ax.tick_params(length=0)
    fig.colorbar(shown, ax=ax, pad=0.02).set_label("rank correlation of the methods", fontsize=10)
    return fig


def draw_losses(losses: pd.DataFrame) -> Figure:
    """What a method loses without a choice of its settings: one dot per weakening.

    Args:
        losses: methods x weakenings, in points of validation mAP.
    """
    order = losses.mean(axis=1).sort_values().index
    fig, ax = plt.subplots(figsize=(style.WIDTH, 0.24 * len(order) + 1.0))
    for row, name in enumerate(order):
        values = losses.loc[name].dropna()
        ax.scatter(values, np.full(len(values), row), s=22, color=style.PALETTE[0], alpha=0.6, lw=0)
        ax.plot(values.mean(), row, marker="|", ms=13, mew=2.5, color=style.PALETTE[1])
    ax.set_yticks(range(len(order)), order)
    ax.invert_yaxis()
    ax.set(xlabel="validation mAP lost with the default setting (points)", xlim=(-0.5, None))
    return fig


def draw_cost(panels: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """Time per step relative to the plain method: median and quartiles.

    Args:
        panels: title -> method -> lower quartile, median, upper quartile.
    """
    longest = max(len(rows) for rows in panels.values())
    fig, axes = style.panels(len(panels), height=0.25 * longest + 0.9)
    for ax, (title, rows) in zip(axes, panels.items(), strict=True):
        low, middle, high = np.array(list(rows.values())).T
        y = np.arange(len(rows))
        ax.axvline(1, color="grey", ls=":", lw=1)
        ax.errorbar(middle, y, xerr=[middle - low, high - middle], fmt="o", ms=4, capsize=2.5)
        ax.set_yticks(y, list(rows))
        ax.set(xlabel="time of a step (multiple)", title=title, xlim=(0.8, None))
        ax.invert_yaxis()
    return fig


def draw_partial(
    scores: Mapping[tuple[str, str], np.ndarray],
    panels: Mapping[str, Mapping[float, str]],
    names: Sequence[str],
    reference: str,
) -> Figure:
    """Test error along one quantity a panel, on a logarithmic scale, with bands over seeds.

    Args:
        scores: (task, method) -> accuracy in percent, over seeds.
        panels: label of the x axis -> place on it -> task.
        names: methods.
        reference: told the truth, drawn in grey.
    """
    fig, axes = style.panels(len(panels), height=3.4, sharey=True)
    for ax, (label, places) in zip(axes, panels.items(), strict=True):
        x = list(places)

        def values(name: str, places: Mapping[float, str] = places) -> np.ndarray:
            return 100 - np.stack([scores[task, name] for task in places.values()], 1)

        style.band(ax, x, values(reference), reference, colour="grey", style=":")
        for i, name in enumerate(names):
            style.band(
                ax,
                x,
                values(name),
                name,
                colour=style.PALETTE[i % len(style.PALETTE)],
                style=STYLES[i % len(STYLES)],
            )
        ax.set_xticks(x)
        ax.set_xlabel(label)
    axes[0].set(ylabel="test error (%)", yscale="log")
    axes[0].yaxis.set_major_formatter("{x:g}")
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=5)
    return fig
