"""Figures of the chapter on PU-MLC. They take frames and arrays, never models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from chapters.pu_mlc import demo
from weaklabels.data import Split
from weaklabels.press import style
from weaklabels.press.verdicts import NOT_RECORDED

BLUE, RED, GREEN, PINK, ORANGE, SKY, BLACK, BROWN = style.PALETTE
STYLES = {
    "AN": (BROWN, ":", "v"),
    "partial BCE": (BLUE, "--", "s"),
    "partial BCE (Durand)": (SKY, ":", "D"),
    "ASL": (ORANGE, "-.", "^"),
    "nnPU": (PINK, "--", "P"),
    "VPU": (GREEN, ":", "o"),
    "VPU + R": (RED, "--", "D"),
    "PU-MLC": (BLACK, "-", "o"),
    "PU-MLC (VOC setting)": (PINK, "-", "X"),
}
"""Colour, line and marker of a method: none is told by its colour alone."""


def draw_method() -> Figure:
    """How a batch becomes the two losses (after the diagram in the authors' repository)."""
    fig, ax = plt.subplots(figsize=(style.WIDTH, 2.5))
    ax.set(xlim=(0, 100), ylim=(3, 37))
    ax.set_axis_off()
    boxes = {
        "x": (8, 31, 14, "batch of\nimages $x$"),
        "xm": (8, 9, 14, "mixed\nimages $\\tilde x$"),
        "net": (30, 20, 16, "network with\nLgConv beside\n3 x 3 conv."),
        "s": (51, 31, 14, "logits $s$"),
        "sm": (51, 9, 14, "logits $\\tilde s$"),
        "tau": (71, 31, 15, "divide by\n$\\tau_c$ (batch std)"),
        "lpu": (91, 31, 16, "$L_{var}$: positives\nagainst all rows"),
        "lreg": (91, 9, 16, "$L_{reg}$: squared\nlog difference"),
        "t": (71, 20, 15, "mixed labels $t$\nfrom raw $s$, $y$"),
    }
    for x, y, width, text in boxes.values():
        loss = "L_{" in text
        ax.add_patch(
            FancyBboxPatch(
                (x - width / 2, y - 4.5),
                width,
                9,
                boxstyle="round,pad=0.3",
                facecolor="#FCE8DC" if loss else "#E8F1F8",
                edgecolor=RED if loss else BLUE,
            )
        )
        ax.text(x, y, text, ha="center", va="center", fontsize=9)
    arrows = [
        ("x", "net"),
        ("xm", "net"),
        ("net", "s"),
        ("net", "sm"),
        ("s", "tau"),
        ("tau", "lpu"),
        ("sm", "lreg"),
        ("s", "t"),
        ("t", "lreg"),
        ("x", "xm"),
    ]
    for start, end in arrows:
        (xa, ya, wa, _), (xb, yb, wb, _) = boxes[start], boxes[end]
        vertical = xa == xb
        a = (xa, ya - 5) if vertical else (xa + wa / 2 + 0.5, ya)
        b = (xb, yb + 5) if vertical else (xb - wb / 2 - 0.5, yb)
        ax.add_patch(
            FancyArrowPatch(
                a,
                b,
                arrowstyle="-|>",
                mutation_scale=10,
                color="#555555",
            )
        )
    ax.text(7, 20, "mixup", ha="right", va="center", fontsize=9, color="#555555")
    return fig


# -- the line -------------------------------------------------------------------------------------


def draw_line_fits(probabilities: Mapping[str, np.ndarray]) -> Figure:
    """The two densities, the Bayes rule and the fitted curves of one sample.

    Args:
        probabilities: estimator -> ``(len(GRID),)``.
    """
    fig, (ax, right) = style.panels(2, height=3.4, sharex=True)
    x = demo.GRID
    shown = (x > -5) & (x < 5)
    posterior = demo.posterior(x)
    styles = {
        "VPU": (BLACK, "-"),
        "uPU, prior 0.3": (BLUE, "--"),
        "uPU, prior 0.1": (ORANGE, "-."),
        "nnPU, prior 0.6": (PINK, ":"),
        "unlabelled as negative": (BROWN, (0, (7, 1, 1, 1, 1, 1))),
    }
    for density, colour, name in (
        (demo.PRIOR * np.exp(-((x - demo.MEAN) ** 2) / 2), BLUE, "positives (30 %)"),
        ((1 - demo.PRIOR) * np.exp(-((x + demo.MEAN) ** 2) / 2), RED, "negatives (70 %)"),
    ):
        ax.fill_between(x[shown], density[shown], alpha=0.3, color=colour, label=name)
    ax.plot(x[shown], posterior[shown], color="#888888", lw=3, label="Bayes: $P(y=1\\,|\\,x)$")
    ax.set(xlabel="x", ylabel="density (scaled), probability", title="the truth")
    ax.legend(loc="upper left", fontsize=9)
    right.plot(x[shown], posterior[shown], color="#BBBBBB", lw=5, label="Bayes")
    for name, (colour, line) in styles.items():
        right.plot(x[shown], probabilities[name][shown], color=colour, ls=line, label=name)
    right.axhline(0.5, color="#888888", lw=0.8)
    right.set(xlabel="x", ylabel="estimated $P(y=1\\,|\\,x)$", title="what is learned")
    right.legend(loc="upper left", fontsize=9)
    for panel in (ax, right):
        panel.set_ylim(0, 1.95)
        panel.set_yticks((0, 0.5, 1))
    return fig


def draw_line_limit(frame: pd.DataFrame) -> Figure:
    """Accuracy against the number of labelled positives, towards the Bayes rule.

    Args:
        frame: a line per (estimator, labelled, draw): accuracy in percent.
    """
    fig, ax = plt.subplots(figsize=(style.WIDTH, 3.4))
    styles = {
        "VPU": (BLACK, "-"),
        "uPU, prior 0.3": (BLUE, "--"),
        "nnPU, prior 0.3": (GREEN, "-."),
        "uPU, prior 0.1": (ORANGE, "-.s"),
        "unlabelled as negative": (BROWN, ":"),
    }
    for name, (colour, line) in styles.items():
        runs = frame[frame.estimator == name].pivot(
            index="draw", columns="labelled", values="accuracy"
        )
        style.band(ax, runs.columns, runs.to_numpy(), name, colour=colour, style=line)
    ax.axhline(demo.bayes_accuracy(), color="#888888", lw=1)
    ax.text(
        frame.labelled.max(),
        demo.bayes_accuracy() + 0.5,
        "Bayes rule",
        color="#666666",
        fontsize=9,
        va="bottom",
        ha="right",
    )
    ax.set(xscale="log", xlabel="labelled positives", ylabel="accuracy (%)", ylim=(None, 98))
    ax.legend(loc="center", bbox_to_anchor=(0.5, 0.5))
    return fig


def draw_flexible(runs: Mapping[str, Sequence[Mapping[str, np.ndarray]]]) -> Figure:
    """Risk on negatives and accuracy along the training of a flexible model.

    Args:
        runs: method -> records of ``demo.fit_flexible``.
    """
    fig, (left, right) = style.panels(2, height=3.4)
    styles = {
        "uPU": (BLUE, "--"),
        "nnPU": (GREEN, "-."),
        "VPU": (RED, ":"),
        "VPU with mixup": (BLACK, "-"),
    }
    for name, records in runs.items():
        colour, line = styles[name]
        steps = records[0]["steps"]
        if "PU" in name and "VPU" not in name:
            style.band(left, steps, [r["risk"] for r in records], name, colour=colour, style=line)
        style.band(right, steps, [r["accuracy"] for r in records], name, colour=colour, style=line)
    left.axhline(0, color="#888888", lw=0.8)
    right.axhline(demo.bayes_accuracy(), color="#888888", lw=1)
    right.text(0, demo.bayes_accuracy() + 0.3, "Bayes rule", color="#666666", fontsize=9)
    left.set(xlabel="step", ylabel="estimated risk on negatives (nats)")
    right.set(xlabel="step", ylabel="accuracy (%)", ylim=(65, 97))
    left.legend()
    right.legend(loc="lower right")
    return fig


# -- the scenes -----------------------------------------------------------------------------------


def draw_scenes(scenes: Split, observed: np.ndarray, classes: Sequence[str]) -> Figure:
    """The first scenes with their true classes, in brackets the positives that are known.

    Args:
        scenes: at least five.
        observed: ``(N, C)``, +1 for a known positive.
        classes: names.
    """
    fig, axes = style.panels(5, height=1.9)
    for i, ax in enumerate(axes):
        present = np.flatnonzero(scenes.y[i])
        marks = ["[{}]" if observed[i, c] == 1 else "{}" for c in present]
        names = [mark.format(classes[c]) for mark, c in zip(marks, present, strict=True)]
        style.show_image(ax, scenes.x[i], " ".join(names))
    return fig


def draw_proportions(
    frame: pd.DataFrame, panels: Sequence[tuple[str, Sequence[str]]], moment: str = "last"
) -> Figure:
    """Test mAP against the known proportion, mean and one standard deviation over seeds.

    Args:
        frame: of ``tables.frame``; empty where nothing is recorded.
        panels: (title, methods) of each panel.
        moment: ``"best"`` validation epoch or ``"last"`` one.
    """
    if frame.empty:
        return style.draw_note(f"This is {NOT_RECORDED}.")
    fig, axes = style.panels(len(panels), height=3.9, sharey=True)
    for ax, (title, names) in zip(np.atleast_1d(axes), panels, strict=True):
        for name in names:
            runs = frame[frame.method == name].pivot(index="seed", columns="known", values=moment)
            colour, line, marker = STYLES[name]
            style.band(ax, runs.columns, runs.to_numpy(), name, colour=colour, style=line)
            ax.plot(runs.columns, runs.mean(), marker, color=colour, ms=5)
        ax.set(xlabel="known proportion (%)", title=title, xticks=sorted(frame.known.unique()))
        _method_legend(ax, names, loc="lower right")
    np.atleast_1d(axes)[0].set_ylabel(f"test mAP (%), {moment} epoch")
    return fig


def _method_legend(ax: Axes, names: Sequence[str], **where: object) -> None:
    """A legend with the line and the marker of every method."""
    handles = []
    for name in names:
        colour, line, marker = STYLES[name]
        handles.append(Line2D([], [], color=colour, ls=line, marker=marker, ms=5, label=name))
    ax.legend(handles=handles, handlelength=3, **where)


def draw_against_annotations(
    frame: pd.DataFrame, counts: pd.DataFrame, names: Sequence[str]
) -> Figure:
    """Test mAP against the number of annotations that a method uses.

    Args:
        frame: of ``tables.frame``.
        counts: of ``tables.annotations``.
        names: methods; those of the PU family use positives only.
    """
    fig, ax = plt.subplots(figsize=(style.WIDTH, 3.5))
    both = counts.set_index("known")
    for place, name in enumerate(names):
        runs = frame[frame.method == name].pivot(index="seed", columns="known", values="last")
        known = both.loc[runs.columns]
        used = known.positive if "PU" in name else known.positive + known.negative
        colour, line, marker = STYLES[name]
        style.band(ax, used, runs.to_numpy(), name, colour=colour, style=line)
        ax.plot(used, runs.mean(), marker, color=colour, ms=5)
        for percent, x, y in zip(runs.columns, used, runs.mean(), strict=True):
            if percent in (runs.columns[0], runs.columns[-1]):
                offset = (4, -13) if place % 2 else (4, 6)
                ax.annotate(f"{percent} %", (x, y), xytext=offset, textcoords="offset points")
    ax.set(xscale="log", xlabel="annotations used in training", ylabel="test mAP (%), last epoch")
    _method_legend(ax, names, loc="lower right")
    return fig


def draw_ablation(frame: pd.DataFrame, names: Sequence[str], over: Sequence[int]) -> Figure:
    """Test mAP of the method's parts: every seed, the mean and one standard deviation.

    Args:
        frame: of ``tables.frame``.
        names: rows, from top to bottom.
        over: known proportions, a panel each.
    """
    fig, axes = style.panels(len(over), height=0.42 * len(names) + 0.9, sharey=True)
    for ax, percent in zip(np.atleast_1d(axes), over, strict=True):
        for row, name in enumerate(names):
            values = frame[(frame.method == name) & (frame.known == percent)]["last"]
            deviation = values.std() if len(values) > 1 else 0
            ax.errorbar(values.mean(), row, xerr=deviation, fmt="D", color=BLACK, ms=5, capsize=3)
            ax.plot(values, np.full(len(values), row) + 0.22, "o", color=RED, ms=3.5)
        ax.set(xlabel="test mAP (%)", title=f"{percent} % known")
        ax.set_yticks(range(len(names)), names)
        ax.set_ylim(len(names) - 0.5, -0.5)
    return fig


def draw_rates(validation: Mapping[str, Mapping[str, Mapping[str, float]]], percent: int) -> Figure:
    """Validation mAP against the learning rate at one known proportion."""
    fig, ax = plt.subplots(figsize=(style.WIDTH, 3.5))
    for name, rows in validation.items():
        if name not in STYLES or str(percent) not in rows:
            continue
        row = rows[str(percent)]
        colour, line, marker = STYLES[name]
        lr = [float(value) for value in row]
        values = list(row.values())
        ax.plot(lr, values, ls=line, marker=marker, color=colour, ms=5, label=name)
        best = int(np.argmax(values))
        ax.plot(lr[best], values[best], "o", mfc="none", mec=colour, ms=12)
    ax.set(xscale="log", xlabel="learning rate", ylabel="validation mAP (%)")
    ax.set_xticks(lr, [f"{value:g}" for value in lr])
    ax.minorticks_off()
    ax.legend(ncols=1, loc="center left", bbox_to_anchor=(1, 0.5))
    return fig


def draw_temperatures(tau: np.ndarray, probability: Mapping[str, np.ndarray]) -> Figure:
    """The temperature of every class over the steps of a run, and the mean probability.

    Args:
        tau: ``(steps, C)``.
        probability: method -> ``(steps, C)`` mean tempered probability of a batch.
    """
    fig, (left, right) = style.panels(2, height=3.3)
    steps = np.arange(1, len(tau) + 1)
    colours = plt.get_cmap("cividis")(np.linspace(0, 0.92, tau.shape[1]))
    for c, colour in enumerate(colours):
        left.plot(steps, tau[:, c], color=colour, lw=1)
    left.set(xscale="log", yscale="log", xlabel="step", ylabel="temperature $\\tau_c$")
    left.set_title("one line per class\n(dark: frequent, light: rare)", fontsize=9)
    for name, values in probability.items():
        colour, line, _ = STYLES[name]
        right.plot(steps, 100 * values.mean(1), color=colour, ls=line, label=name)
    right.set(xscale="log", xlabel="step", ylabel="mean probability in the batch (%)")
    right.set_title("all classes", fontsize=9)
    right.legend()
    return fig


def draw_histograms(
    probability: Mapping[str, np.ndarray], truth: np.ndarray, spread: Mapping[str, np.ndarray]
) -> Figure:
    """Predicted probabilities of test labels without and with the temperature, and their spread.

    Args:
        probability: method -> ``(N, C)``.
        truth: ``(N, C)`` in {0, 1}.
        spread: method -> median standard deviation of the logits, one per seed.
    """
    names = list(probability)
    fig, axes = style.panels(3, height=3.2, width_ratios=(1, 1, 0.75))
    bins = np.linspace(0, 1, 26)
    for ax, name in zip(axes[:2], names, strict=True):
        for value, colour, label in ((0, RED, "truly absent"), (1, BLUE, "truly present")):
            entries = probability[name][truth == value]
            weights = np.full(len(entries), 100 / len(entries))
            ax.hist(
                entries,
                bins,
                weights=weights,
                histtype="stepfilled",
                color=colour,
                alpha=0.35,
                edgecolor=colour,
                label=label,
            )
        ax.set(xlabel="predicted probability", title=name, yscale="log", ylim=(0.1, 100))
        ax.legend(loc="upper center")
    axes[0].set_ylabel("share of the labels (%)")
    for place, name in enumerate(names):
        values = spread[name]
        axes[2].plot(np.full(len(values), place), values, "o", color=STYLES[name][0], alpha=0.7)
        axes[2].plot([place - 0.2, place + 0.2], [values.mean()] * 2, color=STYLES[name][0])
    axes[2].set_xticks(range(len(names)), names)
    highest = max(values.max() for values in spread.values())
    axes[2].set(xlim=(-0.5, len(names) - 0.5), ylim=(0, 1.1 * highest), title="every seed")
    axes[2].set_ylabel("std of test logits (median class)")
    return fig


def draw_classes(table: pd.DataFrame, names: Sequence[str]) -> Figure:
    """Average precision against class frequency; batches with a positive; inflated probabilities.

    Args:
        table: of ``tables.by_class``.
        names: methods of the first panel.
    """
    fig, (left, right) = style.panels(2, height=3.7)
    for name in names:
        colour, line, marker = STYLES[name]
        left.plot(
            table.frequency, table[name], ls=line, marker=marker, color=colour, ms=5, label=name
        )
    _frequency_axis(left, table)
    left.set(ylabel="average precision (%)", ylim=(0, 103))
    left.legend(loc="lower right")
    right.plot(
        table.frequency,
        table.batches,
        "--",
        marker="s",
        color=SKY,
        ms=5,
        label="batches with a labelled positive",
    )
    for name in names:
        if f"{name}, probability" in table:
            colour, line, marker = STYLES[name]
            right.plot(
                table.frequency,
                table[f"{name}, probability"],
                ls=line,
                marker=marker,
                color=colour,
                ms=5,
                label=f"mean prediction, {name}",
            )
    right.plot(table.frequency, table.frequency, color="#AAAAAA", lw=3, label="true frequency")
    _frequency_axis(right, table)
    right.set(ylabel="share (%)", ylim=(0, 168), yticks=range(0, 101, 20))
    right.legend(loc="upper left", fontsize=9)
    return fig


def _frequency_axis(ax: Axes, table: pd.DataFrame) -> None:
    ticks = [2, 5, 10, 20, 50]
    ax.set(xscale="log", xlabel="class frequency (% of scenes)")
    low = table.frequency.min()
    ax.set_xticks([t for t in ticks if t > 0.7 * low], [str(t) for t in ticks if t > 0.7 * low])
    ax.minorticks_off()


def draw_branches(
    images: np.ndarray, maps: Mapping[str, np.ndarray], titles: Sequence[str]
) -> Figure:
    """What the two branches do with some scenes: one column a scene, one row a kind of map.

    Args:
        images: ``(B, 1, H, W)`` in [0, 1].
        maps: of ``branches.looks``.
        titles: of the columns.
    """
    rows = {
        "scene": None,
        "local\nbranch": maps["local"],
        "global\nbranch": maps["global"],
        "gathered\nfrom": maps["gather"],
        "handed\nback to": maps["gate"],
    }
    fig, axes = plt.subplots(
        len(rows), len(images), figsize=(style.WIDTH, 1.28 * len(rows)), squeeze=False
    )
    side = images.shape[-1]
    for r, (label, values) in enumerate(rows.items()):
        for c, image in enumerate(images):
            ax = axes[r, c]
            ax.imshow(np.clip(image[0], 0, 1), cmap="gray", extent=(0, side, side, 0))
            if values is not None:
                drawn = ax.imshow(
                    values[c],
                    cmap="cividis",
                    extent=(0, side, side, 0),
                    alpha=0.8,
                    vmin=values.min(),
                    vmax=values.max(),
                )
            ax.set_xticks([])
            ax.set_yticks([])
            ax.grid(False)
            if r == 0:
                ax.set_title(titles[c], fontsize=9)
        axes[r, 0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
        if values is not None:
            bar = fig.colorbar(drawn, ax=axes[r, :], aspect=10, pad=0.01)
            bar.ax.tick_params(labelsize=9)
    return fig
