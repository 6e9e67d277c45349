"""Figures of the chapter on Class Activation Value Learning; they take arrays and frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, ScalarFormatter
from torch.nn import functional as F

from chapters.class_activation_value.tables import Cells, Run, curves, in_order
from weaklabels.methods.class_activation_value import WINDOW, class_activation_value
from weaklabels.press import style
from weaklabels.press.verdicts import NOT_RECORDED

COLOURS = {
    "CAVL": style.PALETTE[1],
    "IM-max": style.PALETTE[0],
    "IM-avg": style.PALETTE[7],
    "CC": style.PALETTE[2],
    "RC": style.PALETTE[3],
    "PRODEN": style.PALETTE[4],
    "LWS": style.PALETTE[5],
    "LWC": "#555555",
    "supervised": style.PALETTE[6],
}
MARKERS = dict(zip(COLOURS, "osv^DPX<*", strict=True))
LINES = {
    "train_accuracy": ("classifier, all classes", style.PALETTE[6], "-"),
    "select IM-max": ("IM-max selection", style.PALETTE[0], "--"),
    "select CAM, count": ("CAM selection", style.PALETTE[1], "-"),
    "select CAV": ("CAV selection, final form", style.PALETTE[2], "-"),
    "select CAV, first form": ("CAV selection, first form", style.PALETTE[0], "--"),
}
"""Curve -> its name in legends, colour and line style."""


def _unit(image: np.ndarray) -> np.ndarray:
    """Scaled to [0, 1], for images that were standardised."""
    low, high = image.min(), image.max()
    return (image - low) / (high - low) if high > low else image


def draw_setting(
    image: np.ndarray, truth: int, candidates: np.ndarray, classes: Sequence[str]
) -> Figure:
    """One instance with one label, and the same with a candidate set.

    Args:
        image: ``(c, h, w)``.
        truth: its class.
        candidates: ``(K,)`` bool.
        classes: their names.
    """
    fig, axes = plt.subplots(1, 4, figsize=(style.WIDTH, 2.1), width_ratios=(1, 1.1, 1, 1.9))
    single = np.arange(len(classes)) == truth
    for k, (labels, title) in enumerate(
        ((single, "ordinary supervision"), (candidates, "partial label"))
    ):
        style.show_image(axes[2 * k], _unit(image))
        ax = axes[2 * k + 1]
        ax.set_title(title, fontsize=10)
        ax.set_axis_off()
        ax.set(xlim=(0, 1), ylim=(0, 1))
        names = [classes[c] for c in np.flatnonzero(labels)]
        short = max(map(len, classes)) <= 3
        for i, name in enumerate(names):
            right = k == 0
            ax.text(
                0.12 + 0.26 * (i % 4 if len(names) > 1 else 1) if short else 0.5,
                0.72 - 0.32 * (i // 4) if short else 0.85 - 0.2 * i,
                name,
                fontsize=13 if short else 9,
                ha="center",
                bbox={
                    "boxstyle": "round",
                    "facecolor": "#DCEEF8" if right else "#F3F3F3",
                    "edgecolor": style.PALETTE[0] if right else "#888888",
                },
            )
        note = "the true label" if k == 0 else "one of these is true; which one is not told"
        ax.text(0.5, 0.02, note, fontsize=9, ha="center")
    return fig


def draw_sizes(sizes: Mapping[str, np.ndarray]) -> Figure:
    """How many labels a candidate set holds: share of sets by size, one line per generator."""
    fig, ax = plt.subplots(figsize=(style.WIDTH, 3.0))
    for i, (label, counts) in enumerate(sizes.items()):
        share = 100 * counts[1:] / counts.sum()
        # Broad and pale, because q = 0.5 draws nearly the same sets and would hide it.
        broad = {"linewidth": 7, "alpha": 0.35} if i == 0 else {"marker": "osv^DP"[i % 6]}
        ax.plot(np.arange(1, len(counts)), share, markersize=5, label=label, **broad)
    ax.set(xlabel="labels in the candidate set", ylabel="share of sets (%)")
    ax.set_xticks(range(1, len(counts)))
    ax.legend()
    return fig


def draw_maps(rows: Sequence[Mapping[str, object]]) -> Figure:
    """Images with the maps of some classes laid over them.

    Args:
        rows: each with ``image`` ``(c, h, w)``, ``maps`` ``(n, h', w')``, ``titles`` (n strings)
            and ``true`` (n bools); maps of a row share one colour scale, blue negative.
    """
    columns = 1 + max(len(row["titles"]) for row in rows)
    fig, axes = plt.subplots(
        len(rows), columns, figsize=(style.WIDTH, 1.45 * len(rows)), squeeze=False
    )
    for row, line in zip(rows, axes, strict=True):
        image, maps = _unit(np.asarray(row["image"])), torch.as_tensor(row["maps"])
        style.show_image(line[0], image, "image")
        large = F.interpolate(
            maps[None].float(), image.shape[1:], mode="bilinear", align_corners=False
        )[0]
        bound = float(large.abs().max()) or 1.0
        for ax, field, title, true in zip(
            line[1:], large, row["titles"], row["true"], strict=False
        ):
            ax.imshow(image.mean(0), cmap="gray", vmin=0, vmax=1.6)
            ax.imshow(field, cmap="RdBu_r", vmin=-bound, vmax=bound, alpha=0.6)
            ax.set_title(title, fontsize=9, fontweight="bold" if true else "normal")
        for ax in line[1:]:
            ax.set_axis_off()
    return fig


def draw_anatomy(
    image: np.ndarray, parts: Mapping[str, np.ndarray], maps: Mapping[str, np.ndarray]
) -> Figure:
    """How a class activation map is made, and what Grad-CAM makes of it.

    Args:
        image: ``(c, h, w)``.
        parts: title -> feature map ``(h', w')``, not negative; one shared grey scale.
        maps: title -> map ``(h', w')``; each has a colour scale of its own, blue negative.
    """
    fig, axes = plt.subplots(2, 4, figsize=(style.WIDTH, 4.1))
    panels = iter(axes.flat)
    style.show_image(next(panels), _unit(image), "image")
    bound = max(float(part.max()) for part in parts.values())
    for title, part in parts.items():
        ax = next(panels)
        ax.imshow(part, cmap="gray", vmin=0, vmax=bound)
        ax.set_title(title, fontsize=9)
    for title, values in maps.items():
        ax = next(panels)
        limit = float(np.abs(values).max()) or 1.0
        ax.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit)
        ax.set_title(title, fontsize=9)
    for ax in axes.flat:
        ax.set_axis_off()
    return fig


def _selection(
    ax: Axes, curves: Mapping[str, np.ndarray], names: Sequence[str], chance: float
) -> None:
    """Accuracy curves of one training run with bands over seeds, and the chance level."""
    for name in names:
        label, colour, line = LINES[name]
        epochs = np.arange(1, curves[name].shape[1] + 1)
        style.band(ax, epochs, curves[name], label, colour=colour, style=line)
    ax.axhline(chance, color="grey", ls=":", label="chance")
    style.epoch_axis(ax)


def draw_selection(
    panels: Mapping[str, tuple[Mapping[str, np.ndarray], float]], names: Sequence[str]
) -> Figure:
    """One panel per training run; ``panels`` holds its curves and chance level by title."""
    fig, axes = style.panels(len(panels), height=3.4, sharey=True, squeeze=False)
    for ax, (title, (found, chance)) in zip(axes[0], panels.items(), strict=True):
        _selection(ax, found, names, chance)
        ax.set_title(title)
    axes[0, 0].set(ylabel="accuracy on training set (%)", ylim=(0, 102))
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=3)
    return fig


def draw_photographs(pilot: Mapping[str, Sequence[Run]]) -> Figure:
    """The recorded pilot on photographs: training on the average, by maps, and by values."""
    names = ("train_accuracy", "select IM-max", "select CAM, count", "select CAV")
    titles = {"IM-avg": "IM training (average)", "CAM": "CAM training", "CAVL": "CAVL"}
    panels = {title: curves(pilot[row], names) for row, title in titles.items() if row in pilot}
    return draw_selection(panels, names) if panels else style.draw_note(NOT_RECORDED)


def draw_geometry(shares: Mapping[str, np.ndarray]) -> Figure:
    """The final form of the value, and how many instances meet its window.

    Args:
        shares: training run -> ``(seeds, epochs)``, percent of the training set whose largest
            candidate logit is inside the window.
    """
    fig, (left, right) = style.panels(2, height=3.0)
    t = torch.linspace(-1, 2, 301)
    left.plot(t, class_activation_value(t), color=style.PALETTE[1])
    left.axvspan(*WINDOW, color=style.PALETTE[5], alpha=0.3)
    left.axhline(0.25, color="grey", ls=":")
    left.annotate("0.25", (-0.95, 0.29), color="#555555", fontsize=9)
    left.set(xlabel="logit $f_j$", ylabel="class activation value $v_j$", ylim=(-2, 2))
    for (title, values), name in zip(shares.items(), ("IM-avg", "CAVL"), strict=True):
        epochs = np.arange(1, values.shape[1] + 1)
        style.band(right, epochs, values, title, colour=COLOURS[name])
    style.epoch_axis(right)
    right.set(ylabel="instances inside the window (%)", ylim=(0, 100))
    right.legend()
    return fig


def _grid(count: int, height: float, **options: object) -> tuple[Figure, list[Axes]]:
    """A figure with ``count`` panels, at most three beside each other."""
    columns = min(count, 3)
    rows = -(-count // columns)
    fig, axes = style.panels(columns, rows, height=height, squeeze=False, **options)
    for ax in axes.flat[count:]:
        ax.set_axis_off()
    return fig, list(axes.flat[:count])


def _error_axis(ax: Axes) -> None:
    """Test error on a logarithmic axis with plain numbers."""
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(ScalarFormatter())
    ax.yaxis.set_minor_locator(NullLocator())


def _draw_errors(
    ax: Axes, x: np.ndarray, accuracies: Sequence[np.ndarray], name: str, **line: object
) -> None:
    """Mean test error (%) with one standard deviation, from accuracies ``(seeds,)`` per point."""
    error = np.array([100 - values.mean() for values in accuracies])
    spread = np.array([values.std(ddof=1) if len(values) > 1 else 0 for values in accuracies])
    below = np.minimum(spread, 0.9 * error)  # a logarithmic axis has no place for 0
    ax.errorbar(
        x,
        error,
        (below, spread),
        label=name,
        color=COLOURS[name],
        marker=MARKERS[name],
        markersize=5,
        capsize=2,
        **line,
    )


def draw_flipping(panels: Mapping[str, Cells]) -> Figure:
    """Test error against the flipping probability, one line per method, one panel per network.

    The points are shifted a little to the side of each other, so that error bars can be told apart.
    """
    fig, axes = _grid(len(panels), 3.9)
    for ax, (title, cells) in zip(axes, panels.items(), strict=True):
        qs = sorted({q for q, _ in cells})
        names = [name for name in COLOURS if any(name == n for _, n in cells)]
        for i, name in enumerate(names):
            shift = 0.006 * (i - len(names) / 2)
            width = 2.4 if name == "CAVL" else 1.2
            _draw_errors(
                ax, np.array(qs) + shift, [cells[q, name] for q in qs], name, linewidth=width
            )
        _error_axis(ax)
        ax.set(title=title, xlabel="flipping probability $q$", xticks=qs)
    axes[0].set_ylabel("test error (%, log scale)")
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=4)
    return fig


def draw_start(
    starts: Sequence[int],
    panels: Mapping[str, Mapping[str, np.ndarray]],
    levels: Mapping[str, float],
) -> Figure:
    """Test error against the starting epoch; the epochs stand at equal distances.

    Args:
        starts: T0.
        panels: title -> method -> accuracies ``(starts, seeds)`` in percent; NaN leaves a gap.
        levels: horizontal lines, mean accuracy of other methods.
    """
    fig, axes = style.panels(len(panels), height=3.6, sharey=True, squeeze=False)
    places = np.arange(len(starts))
    for ax, (title, lines) in zip(axes[0], panels.items(), strict=True):
        for name, values in lines.items():
            _draw_errors(ax, places, list(values), name)
        for name, level in levels.items():
            ax.axhline(100 - level, color=COLOURS[name], ls=":", label=name)
        ax.set_xticks(places, [str(start) for start in starts])
        ax.set(title=title, xlabel="starting epoch $T_0$")
    _error_axis(axes[0, 0])
    axes[0, 0].set_ylabel("test error (%, log scale)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=4)
    return fig


def draw_real_world(panels: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """Test accuracy by method on each real-world set, a dot and one standard deviation."""
    fig, axes = _grid(len(panels), 3.4, sharey=True)
    names = in_order(dict.fromkeys(name for results in panels.values() for name in results))
    for ax, (title, results) in zip(axes, panels.items(), strict=True):
        for y, name in ((y, name) for y, name in enumerate(names) if name in results):
            colour = COLOURS[name.partition(",")[0]]
            values = results[name]
            spread = values.std(ddof=1) if len(values) > 1 else 0
            ax.errorbar(values.mean(), y, xerr=spread, fmt="o", color=colour, capsize=3)
        ax.set_yticks(range(len(names)), names)
        ax.set(title=title, xlabel="test accuracy (%)")
    axes[0].invert_yaxis()
    return fig
