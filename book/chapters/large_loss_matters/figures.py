"""The figures of the chapter on *Large Loss Matters*: arrays and tables in, figures out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from weaklabels.press import style

BLUE, ORANGE, GREEN, PINK, YELLOW, _, BLACK, BROWN = style.PALETTE
COLOURS = {"FN": ORANGE, "TN": BLUE, "TP": GREEN}
KINDS = {"FN": "false negatives", "TN": "true negatives"}
LINES = {"FN": "-", "TN": "--"}

STYLES = {
    "LL-R": (BLUE, "-", "o"),
    "LL-Ct": (ORANGE, "--", "s"),
    "LL-Cp": (GREEN, "-.", "D"),
    "Naive AN": (BLACK, ":", "v"),
    "naive AN": (BLACK, ":", "v"),
    "LSAN": (YELLOW, "-.", "^"),
    "ROLE": (PINK, ":", "P"),
    "Full label": (BROWN, "-", "X"),
}
"""Colour, line and marker of a method: none is told by its colour alone."""

MOMENT_STYLES = {"best": (BLUE, "-", "o", ":"), "last": (ORANGE, "--", "s", "-.")}
"""Colour, line and marker of LL-Ct at a moment, and the line of naive AN."""


def _curve(
    ax: Axes,
    x: Sequence[float],
    runs: np.ndarray,
    label: str,
    look: tuple[str, str, str],
) -> None:
    """A curve with its spread (see ``style.band``), told by colour, line and marker."""
    colour, line, marker = look
    style.band(ax, x, runs, label, colour=colour, style=line)
    ax.lines[-1].set(marker=marker, markersize=5)


def draw_scenes(images: Tensor, truth: np.ndarray, observed: np.ndarray) -> Figure:
    """The first five scenes with their labels; the one that is kept in brackets.

    Args:
        images: ``(N, c, h, w)`` in [0, 1].
        truth, observed: ``(N, C)``.
    """
    fig, axes = style.panels(5, height=1.9)
    for i, ax in enumerate(axes):
        names = [f"[{c}]" if observed[i, c] == 1 else str(c) for c in np.flatnonzero(truth[i])]
        style.show_image(ax, images[i], " ".join(names))
    return fig


def draw_memorisation(single: dict[str, np.ndarray], curves: dict[str, np.ndarray]) -> Figure:
    """Loss of false and true negatives over epochs (Figure 1 of the paper).

    Args:
        single: kind of label -> loss (nats) of one label, ``(epochs,)``.
        curves: kind of label -> mean loss (nats), ``(runs, epochs)``.
    """
    fig, (left, right) = style.panels(2)
    for kind, loss in single.items():
        epochs = np.arange(1, len(loss) + 1)
        left.plot(epochs, loss, LINES[kind], color=COLOURS[kind])
    left.set(ylabel="loss (nats)", title="two labels of one run")
    right.set_title("all labels")
    _mark_phases(left, single["FN"])
    style.epoch_axis(left)
    _mean_losses(right, curves)
    handles = right.get_legend_handles_labels()
    fig.legend(*handles, loc="outside lower center", ncols=2, handlelength=3)
    return fig


def draw_mean_memorisation(curves: dict[str, np.ndarray]) -> Figure:
    """Mean loss of false and true negatives over epochs, without single labels.

    Args:
        curves: kind of label -> mean loss (nats), ``(runs, epochs)``.
    """
    fig, ax = plt.subplots(figsize=(0.68 * style.WIDTH, 3.2))  # the front page has it on phones
    _mean_losses(ax, curves)
    ax.legend(loc="center right", handlelength=3)
    return fig


def _mean_losses(ax: Axes, curves: dict[str, np.ndarray]) -> None:
    """Mean loss (nats) of the two kinds against the epoch, with the phases marked."""
    for kind, name in KINDS.items():
        epochs = np.arange(1, curves[kind].shape[1] + 1)
        style.band(ax, epochs, curves[kind], name, colour=COLOURS[kind], style=LINES[kind])
    ax.set_ylabel("mean loss (nats)")
    _mark_phases(ax, curves["FN"].mean(0))
    style.epoch_axis(ax)


def _mark_phases(ax: Axes, losses: np.ndarray) -> None:
    """A line at the peak of the false negatives' loss, and the phases on both of its sides.

    Args:
        ax: where the curve stands.
        losses: of the false negatives (nats), ``(epochs,)``.
    """
    peak, epochs = int(losses.argmax()) + 1, len(losses)
    top = 1.3 * ax.get_ylim()[1]
    ax.set_ylim(0, top)
    ax.axvline(peak, color="grey", ls=":")
    for start, end, name in ((1, peak, "rise"), (peak, epochs, "memorisation")):
        if end > start:
            look = {"arrowstyle": "<->", "color": "grey"}
            ax.annotate("", (end, 0.89 * top), (start, 0.89 * top), arrowprops=look)
            ax.text((start + end) / 2, 0.91 * top, name, ha="center", va="bottom", fontsize=9)


def draw_pipeline(
    names: Sequence[str], probabilities: Sequence[float], losses: Mapping[str, Sequence[float]]
) -> Figure:
    """From an image's predictions to the three losses (Figure 2 of the paper), on its example.

    Args:
        names: of the labels; the first is the annotated one.
        probabilities: predicted.
        losses: ``"AN"``, and each scheme -> loss of each entry (nats).
    """
    fig, ax = plt.subplots(figsize=(style.WIDTH, 3.9))
    ax.set(xlim=(0, 10), ylim=(-0.9, len(names) + 0.9))
    ax.set_axis_off()
    columns = {"label": 0.9, "assumed": 2.4, "prediction": 3.9}
    columns |= dict(zip(losses, np.linspace(5.6, 9.4, len(losses)), strict=True))
    for text, x in columns.items():
        ax.text(x, len(names) + 0.45, text, ha="center", fontweight="bold")
    large = np.argsort(losses["AN"])[-2:]
    for row, (name, p) in enumerate(zip(names, probabilities, strict=True)):
        y = len(names) - 1 - row + 0.3
        ax.text(columns["label"], y, name, ha="center", va="center")
        ax.text(columns["assumed"], y, "1" if row == 0 else "0", ha="center", va="center")
        ax.text(columns["prediction"], y, f"{p:.2f}", ha="center", va="center")
        for scheme, values in losses.items():
            changed = row in large and scheme != "AN"
            colour = style.PALETTE[1] if changed else "black"
            box = {"boxstyle": "round", "fc": "#FFF1E0" if row in large else "white", "ec": colour}
            text = "rejected" if changed and values[row] == 0 else f"{values[row]:.2f}"
            ax.text(columns[scheme], y, text, ha="center", va="center", color=colour, bbox=box)
    for scheme, values in losses.items():
        ax.text(columns[scheme], -0.6, f"mean {np.mean(values):.2f}", ha="center")
    middle, places = 0.5 * len(names), list(columns.values())
    for start, end in pairwise(places[1:5]):
        look = {"arrowstyle": "->", "color": "grey"}
        ax.annotate("", (end - 0.6, middle), (start + 0.6, middle), arrowprops=look, zorder=0)
    for left, right in pairwise(places[4:]):
        ax.text((left + right) / 2, middle, "or", ha="center", color="grey")
    return fig


def draw_separation(curves: dict[str, np.ndarray]) -> Figure:
    """How well the loss tells the two kinds apart, and when it is largest.

    Args:
        curves: of ``tables.memorisation``.
    """
    fig, (left, right) = style.panels(2)
    epochs = np.arange(1, curves["AUC"].shape[1] + 1)
    style.band(left, epochs, curves["AUC"], "loss of an assumed negative")
    left.axhline(0.5, color="grey", ls=":", label="guessing")
    style.epoch_axis(left)
    left.set(ylabel="ROC-AUC (FN against TN)", ylim=(0.45, 1))
    left.legend()
    first = pd.DataFrame({kind: curves[f"first {kind}"] for kind in ("TP", "TN", "FN")})
    colours = [COLOURS[kind] for kind in first]
    spread = first.std().fillna(0)
    right.bar(first.columns, first.mean(), yerr=spread, color=colours, capsize=4)
    right.set(xlabel="kind of label", ylabel="largest loss in epoch 1 (% of labels)")
    return fig


def draw_methods(frame: pd.DataFrame, place: str = "end to end") -> Figure:
    """Test mAP of every method at the best-validation and at the last epoch.

    Args:
        frame: of ``tables.scores``.
        place: where it was measured, for the axis.
    """
    methods = list(dict.fromkeys(frame.method))
    fig, ax = plt.subplots(figsize=(style.WIDTH, 3.8))
    for k, moment in enumerate(dict.fromkeys(frame.moment)):
        group = frame[frame.moment == moment].groupby("method", sort=False)["mAP"]
        y = np.arange(len(methods)) + 0.17 * (1 - 2 * k)
        spread = group.std().fillna(0)
        ax.errorbar(group.mean(), y, xerr=spread, fmt="os"[k], capsize=3, label=f"{moment} epoch")
    ax.set_yticks(range(len(methods)), methods)
    ax.invert_yaxis()
    ax.set(xlabel=f"test mAP (%), {place}")
    ax.legend()
    return fig


def draw_precision(
    precision: dict[str, np.ndarray], guessing: dict[str, np.ndarray], auc: dict[str, np.ndarray]
) -> Figure:
    """Precision of what is modified, from epoch 2 on, and what modifying does to the separation.

    Args:
        precision: scheme -> ``(runs, epochs)`` in percent.
        guessing: the same of guessing; drawn once where schemes have the same.
        auc: LL-R and naive AN -> ``(runs, epochs)``; the same number of epochs is shown.
    """
    fig, (left, right) = style.panels(2)
    for name, runs in precision.items():
        _curve(left, np.arange(2, runs.shape[1] + 1), runs[:, 1:], name, STYLES[name])
    for mean in np.unique([runs.mean(0) for runs in guessing.values()], axis=0):
        left.plot(np.arange(2, len(mean) + 1), mean[1:], color="grey", ls=":", label="guessing")
    left.set(ylabel="precision (% of modified)", ylim=(0, 103))
    count = min(runs.shape[1] for runs in auc.values())
    for name, runs in auc.items():
        _curve(right, np.arange(1, count + 1), runs[:, :count], name, STYLES[name])
    right.set(ylabel="ROC-AUC (FN against TN)")
    for ax in (left, right):
        style.epoch_axis(ax)
    named = {
        label: handle
        for ax in (left, right)
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    fig.legend(
        named.values(), named.keys(), loc="outside lower center", ncols=len(named), handlelength=3
    )
    return fig


def draw_corrections(
    images: Tensor, truth: np.ndarray, classes: Sequence[str], found: Mapping[int, dict]
) -> Figure:
    """Scenes, and below each which labels count as positive, by epoch.

    Args:
        images: ``(N, c, h, w)`` in [0, 1].
        truth: ``(N, C)``.
        classes: names.
        found: scene -> ``tables.corrections``.
    """
    fig, axes = style.panels(
        len(found), 2, height=2.3, gridspec_kw={"height_ratios": [1, 1.5]}, squeeze=False
    )
    for (top, bottom), (scene, masks) in zip(axes.T, found.items(), strict=True):
        style.show_image(top, images[scene], f"scene {scene}")
        names = [f"[{c}]" if p else c for c, p in zip(classes, truth[scene] == 1, strict=True)]
        _chart(bottom, masks, names)
    axes[1, 0].set_ylabel("class ([ ]: truly present)")
    fig.legend(*axes[1, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig


def _chart(ax: Axes, masks: dict[str, np.ndarray], names: Sequence[str]) -> None:
    """A mark for each class and epoch at which it counts as positive."""
    looks = ((style.PALETTE[6], "s"), (style.PALETTE[0], "s"), (style.PALETTE[1], "X"))
    for (label, mask), (colour, marker) in zip(masks.items(), looks, strict=True):
        row, epoch = np.nonzero(mask)
        ax.scatter(epoch + 1, row, color=colour, marker=marker, s=22, label=label)
    ax.set_yticks(range(len(names)), names)
    ax.set(xlim=(0.5, mask.shape[1] + 0.5), ylim=(len(names) - 0.5, -0.5), xlabel="epoch")


def draw_rates(
    rates: Sequence[float], found: dict[str, np.ndarray], naive: dict[str, float]
) -> Figure:
    """Test mAP of LL-Ct against its rate, beside naive AN.

    Args:
        rates: ``(R,)`` shares of the labels per epoch.
        found: moment -> ``(runs, R)`` in percent.
        naive: moment -> mean of naive AN in percent.
    """
    fig, ax = plt.subplots()
    percent = [100 * rate for rate in rates]
    for moment, runs in found.items():
        *look, line = MOMENT_STYLES[moment]
        _curve(ax, percent, runs, f"LL-Ct, {moment} epoch", tuple(look))
        ax.axhline(naive[moment], color=look[0], ls=line, label=f"naive AN, {moment} epoch")
    ax.set(xlabel=r"rate $\Delta_{rel}$ (% of the labels per epoch)", ylabel="test mAP (%)")
    ax.legend(handlelength=3)
    return fig


def draw_learning_rates(
    factors: Sequence[float], found: Mapping[str, Mapping[str, np.ndarray]]
) -> Figure:
    """Test mAP against the learning rate, at the best and at the last epoch.

    Args:
        factors: ``(F,)``, on the learning rates of the main table.
        found: moment -> method -> ``(runs, F)`` in percent; what is far below naive AN is cut off.
    """
    fig, axes = style.panels(2, sharey=True, height=3.6)
    for ax, (moment, methods) in zip(axes, found.items(), strict=True):
        for (name, runs), look in zip(methods.items(), ("-", "--", "-.", ":") * 2, strict=False):
            style.band(ax, factors, runs, name, style=look)
        ax.set(
            xscale="log", xlabel="learning rate (times that of the table)", title=f"{moment} epoch"
        )
        ax.set_xticks(factors, [f"{factor:g}" for factor in factors])
        ax.minorticks_off()
    lowest = min(methods["Naive AN"].mean(0).min() for methods in found.values())
    axes[0].set_ylim(max(lowest - 10, 0), axes[0].get_ylim()[1])
    axes[0].set_ylabel("test mAP (%)")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig


def draw_sizes(
    sizes: Sequence[int], by_budget: Mapping[str, Mapping[str, np.ndarray]], classes: int
) -> Figure:
    """Test mAP against the number of observed labels.

    Args:
        sizes: ``(S,)`` numbers of training images.
        by_budget: what is the same at every size -> method -> ``(runs, S)`` in percent; "Full
            label" knows all labels of an image.
        classes: number of labels of an image.
    """
    fig, axes = style.panels(2, sharey=True, height=3.9)
    for ax, (budget, found) in zip(axes, by_budget.items(), strict=True):
        for name, runs in found.items():
            known = [n * (classes if name == "Full label" else 1) for n in sizes]
            _curve(ax, known, runs, name, STYLES[name])
        ax.set(xscale="log", xlabel="number of observed labels", title=f"as many {budget}")
        ticks = [*sizes, max(sizes) * classes]
        ax.set_xticks(ticks, [f"{n:,}" for n in ticks], rotation=60, minor=False)
        ax.minorticks_off()
    axes[0].set_ylabel("test mAP (%), best epoch")
    handles = axes[0].get_legend_handles_labels()
    fig.legend(*handles, loc="outside lower center", ncols=5, handlelength=3)
    return fig


def draw_maps(image: Tensor, maps: dict[str, Tensor], boxes: Sequence[Sequence[int]]) -> Figure:
    """An image and, for each class on it, where the methods see it.

    Args:
        image: ``(c, h, w)`` in [0, 1].
        maps: method -> ``(C, h, w)``.
        boxes: class, top, left, bottom and right (in pixels) of what is on it.
    """
    present = sorted({c for c, *_ in boxes})
    fig, axes = style.panels(len(maps) + 1, len(present), height=1.9, squeeze=False)
    for row, c in zip(axes, present, strict=True):
        style.show_image(row[0], image, f"digit {c}")
        for ax, (name, found) in zip(row[1:], maps.items(), strict=True):
            ax.imshow(found[c], cmap="viridis")
            ax.set_axis_off()
            ax.set_title(name, fontsize=9)
            for top, left, bottom, right in (place for label, *place in boxes if label == c):
                corner, size = (left - 0.5, top - 0.5), (right - left, bottom - top)
                ax.add_patch(plt.Rectangle(corner, *size, fill=False, ec="white", lw=1.5))
    return fig
