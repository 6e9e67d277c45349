"""The figures of the chapter on *Acknowledging the Unknown*: arrays and tables in, figures out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure

from chapters.acknowledging_the_unknown.tables import Example, autograd
from weaklabels.methods.acknowledging_the_unknown import entropy_maximisation
from weaklabels.methods.baselines import assume_negative
from weaklabels.press.style import PALETTE, WIDTH, band, epoch_axis, panels, show_image

AN, EM, APL = PALETTE[1], PALETTE[0], PALETTE[2]
POSITIVE, NEGATIVE = PALETTE[1], PALETTE[0]


def draw_gradients(alpha: float = 1.0) -> Figure:
    """Closed-form gradients (lines) and those of the code, by autograd (dots)."""
    z = np.linspace(-10, 10, 401)
    dots = np.arange(-10.0, 10.5, 1.0)
    p = 1 / (1 + np.exp(-z))
    curves = {
        "annotated positive, $p-1$": (p - 1, assume_negative, 1, PALETTE[6], "-"),
        "unannotated, AN: $p$": (p, assume_negative, 0, AN, "--"),
        r"unannotated, EM: $\alpha\,z\,p(1-p)$": (
            alpha * z * p * (1 - p),
            lambda logits, labels: entropy_maximisation(logits, labels, alpha),
            0,
            EM,
            "-.",
        ),
    }
    fig, axes = panels(2, height=3.9, sharey=True)
    for ax, count, title in zip(axes, (2, 3), ("assume negative", "with EM"), strict=True):
        for name, (closed, loss, label, colour, style) in list(curves.items())[:count]:
            ax.plot(z, closed, style, color=colour, label=name, linewidth=1.8)
            ax.plot(dots, autograd(loss, dots, label), "o", color=colour, markersize=4)
        ax.set(xlabel="logit $z$", title=title, ylim=(-1.1, 1.1))
    axes[0].set_ylabel("gradient of the loss with respect to $z$")
    notes = (
        ("ambiguous:\nno push", (0, 0), (3.0, -0.62)),
        ("no false\nnegatives", (-7, 0), (-9.6, 0.28)),
        ("confident\npositives kept", (6.5, 0.01), (4.2, 0.45)),
    )
    for text, point, place in notes:
        axes[1].annotate(
            text, point, place, fontsize=9, arrowprops={"arrowstyle": "->", "color": "grey"}
        )
    fig.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig


def draw_proportions(positive: np.ndarray, classes: Sequence[str]) -> Figure:
    """Share of positives among the unannotated labels of each class, stacked to one.

    Args:
        positive: ``(C,)`` shares.
        classes: names.
    """
    fig, ax = plt.subplots(figsize=(WIDTH, 2.8))
    place = np.arange(len(positive))
    ax.bar(place, positive, color=POSITIVE, label="unannotated positives", width=0.9)
    ax.bar(
        place, 1 - positive, bottom=positive, color="#C9DDEB", label="unannotated negatives",
        width=0.9,
    )  # fmt: skip
    step = max(1, len(classes) // 30)
    ax.set_xticks(place[::step], list(classes)[::step], rotation=90, fontsize=9)
    ax.set(xlabel="class", ylabel="share of unannotated labels", ylim=(0, 1))
    ax.grid(False)
    fig.legend(loc="outside upper center", ncols=2)
    return fig


def draw_annotated_loss(curves: dict[str, np.ndarray], steps: int = 10) -> Figure:
    """Loss of annotated labels over training, a point per ``steps`` steps, and its beginning."""
    fig, (whole, start) = panels(2, sharey=True)
    for (name, runs), colour, style in zip(curves.items(), (AN, EM), ("--", "-"), strict=True):
        x = steps * (np.arange(runs.shape[1]) + 0.5)
        band(whole, x, runs, name, colour=colour, style=style)
        first = max(1, runs.shape[1] // 10)
        band(start, x[:first], runs[:, :first], name, colour=colour, style=style)
    whole.set(xlabel="optimiser step", ylabel="loss of annotated labels (nats)", title="training")
    start.set(xlabel="optimiser step", title="its first tenth")
    whole.set_ylim(bottom=0)
    whole.legend()
    return fig


def draw_wasserstein(em: np.ndarray, an: np.ndarray) -> Figure:
    """One mark per class: mean distance over seeds under EM (across) and AN (up).

    Args:
        em, an: ``(seeds, C)``, NaN where a class lacks an unannotated positive; a class that
            lacks them in every seed is left out.
    """
    some = ~np.isnan(em).all(0)
    x, y = (np.nanmean(values[:, some], 0) for values in (em, an))
    share = 100 * np.mean((em > an)[~np.isnan(em)])
    top = 1.1 * max(0.5, x.max(), y.max())
    fig, ax = plt.subplots(figsize=(4.6, 4.2))
    ax.plot([0, top], [0, top], ls="--", color="grey", label="equal")
    ax.plot(x, y, "o", color=EM, alpha=0.8, label="a class")
    ax.set_title(f"{share:.1f} % of the classes lie below the diagonal")
    ax.set(xlabel="Wasserstein distance, EM", ylabel="Wasserstein distance, AN")
    ax.set(xlim=(0, top), ylim=(0, top), aspect="equal")
    ax.legend(loc="upper left")
    return fig


def draw_densities(
    panels_of: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]], bins: int = 50
) -> Figure:
    """Densities of predicted probabilities of one class, positives against negatives.

    Args:
        panels_of: method -> part of the data -> probabilities of (positives, negatives).
        bins: of equal width on [0, 1].
    """
    columns = len(next(iter(panels_of.values())))
    fig, axes = panels(columns, len(panels_of), height=2.3, sharex=True, squeeze=False)
    edges = np.linspace(0, 1, bins + 1)
    for line, (method, parts) in zip(axes, panels_of.items(), strict=True):
        for ax, (part, (positives, negatives)) in zip(line, parts.items(), strict=True):
            for values, colour, name in (
                (negatives, NEGATIVE, "negatives"),
                (positives, POSITIVE, "positives"),
            ):
                ax.hist(values, edges, density=True, color=colour, alpha=0.6, label=name)
            ax.set_yscale("symlog", linthresh=1)
            ax.set_yticks([0, 1, 3, 10, 30], ["0", "1", "3", "10", "30"])
            ax.set_title(f"{method}: {part}")
        line[0].set_ylabel("density")
    for ax in axes[-1]:
        ax.set_xlabel("predicted probability")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig


def draw_smoothing(strengths: Mapping[float, np.ndarray], em: np.ndarray, an: np.ndarray) -> Figure:
    """Test mAP of N-LS against its strength, between AN and EM.

    Args:
        strengths: target of the assumed negatives -> ``(runs,)`` in percent.
        em, an: ``(runs,)`` in percent.
    """
    fig, ax = plt.subplots()
    band(ax, list(strengths), np.array(list(strengths.values())).T, "N-LS", colour=PALETTE[3])
    for name, values, colour, style in (("EM", em, EM, "-"), ("AN", an, AN, "--")):
        ax.axhline(values.mean(), color=colour, ls=style, label=f"{name}, mean over seeds")
    ax.set(xlabel="target of an unannotated label", ylabel="test mAP (%), best epoch")
    fig.legend(loc="outside lower center", ncols=3)
    return fig


def draw_class_gain(gain: np.ndarray, classes: Sequence[str]) -> Figure:
    """AP of EM minus AP of AN for every class, classes in order of their mean gain.

    Args:
        gain: ``(seeds, C)`` in AP points.
        classes: names.
    """
    order = np.argsort(-gain.mean(0), kind="stable")
    spread = gain.std(0, ddof=1) if len(gain) > 1 else np.zeros(gain.shape[1])
    fig, ax = plt.subplots(figsize=(WIDTH, 2.9))
    place = np.arange(len(order))
    ax.bar(place, gain.mean(0)[order], yerr=spread[order], color=EM, capsize=2, ecolor="#555555")
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set_xticks(place, [classes[i] for i in order], rotation=90)
    ax.set(xlabel="class", ylabel="EM minus AN (AP points)")
    ax.grid(axis="x", visible=False)
    return fig


def draw_ranks(ours: pd.Series, published: pd.DataFrame) -> Figure:
    """Rank of every method here against its rank in four published columns (1 is best)."""
    here = ours.rank(ascending=False)
    limit = (0, len(here) + 1)
    fig, axes = panels(2, 2, height=3.3, sharex=True, sharey=True)
    for ax, column in zip(axes.flat, published, strict=True):
        there = published.loc[ours.index, column].rank(ascending=False)
        ax.plot(limit, limit, ls="--", color="grey", linewidth=1)
        ax.scatter(there, here, color=EM, s=18)
        for name in there.index[(there - here).abs() >= 4]:
            right = there[name] > len(here) / 2
            ax.annotate(
                name.removeprefix("BCE, "), (there[name], here[name]),
                (-5 if right else 5, -3), textcoords="offset points", fontsize=9,
                ha="right" if right else "left",
            )  # fmt: skip
        ax.set(title=column, xlim=limit, ylim=limit, aspect="equal")
        ax.set(xticks=[1, 5, 10, 15], yticks=[1, 5, 10, 15])
    for ax in axes[:, 0]:
        ax.set_ylabel("rank here")
    for ax in axes[-1]:
        ax.set_xlabel("published rank")
    return fig


def draw_landscapes(
    steps: np.ndarray, values: dict[str, np.ndarray], measures: Sequence[str]
) -> Figure:
    """Filled contours of each measure (row) around the trained weights of each method (column).

    Args:
        steps: ``(G,)``.
        values: method -> ``(G, G, measures)``; every panel has its own colour scale, finest near
            its lowest value.
        measures: names, nats.
    """
    fig, axes = panels(len(values), len(measures), height=2.9, squeeze=False, sharex=True)
    for m, (line, measure) in enumerate(zip(axes, measures, strict=True)):
        for ax, (name, all_values) in zip(line, values.items(), strict=True):
            surface = all_values[..., m] - all_values[len(steps) // 2, len(steps) // 2, m]
            low, high = float(surface.min()), float(np.percentile(surface, 98))
            levels = low + (high - low) * np.linspace(0, 1, 13) ** 2  # dense near the centre
            look = {"cmap": "viridis", "norm": BoundaryNorm(levels, 256, extend="max")}
            filled = ax.contourf(steps, steps, surface.T, levels, extend="max", **look)
            ax.contour(steps, steps, surface.T, levels, colors="white", linewidths=0.4)
            ax.plot(0, 0, "+", color="white", markersize=9)
            ax.set_title(f"{name}: {measure}")
            ax.set_aspect("equal")
            ax.grid(False)
            fig.colorbar(filled, ax=ax, label="rise (nats)", format="%.3f")
        line[0].set_ylabel(r"$\lambda_2$")
    for ax in axes[-1]:
        ax.set_xlabel(r"$\lambda_1$")
    return fig


def draw_more_labels(frames: Mapping[str, pd.DataFrame], published: pd.DataFrame) -> Figure:
    """mAP against the annotated label rate, ours (mean and std over seeds) and published.

    Args:
        frames: where -> columns ``rate`` (share), ``method``, ``mAP``, one line per run.
        published: rate -> method -> mAP.
    """
    fig, axes = panels(len(frames) + 1, height=3.3)
    looks = ((PALETTE[3], "s"), (AN, "v"), (EM, "o"), (APL, "D"))
    for method, (colour, marker) in zip(published, looks, strict=True):
        look = {"color": colour, "marker": marker, "ls": "--"}
        for ax, frame in zip(axes, frames.values(), strict=False):
            group = frame[frame.method == method].groupby("rate")["mAP"]
            mean, spread = group.mean(), group.std().fillna(0)
            ax.errorbar(100 * mean.index, mean, yerr=spread, capsize=3, label=method, **look)
        axes[-1].plot(100 * published.index, published[method], **look)
    for ax, title in zip(axes, (*frames, "published (read off)"), strict=True):
        ax.set(xlabel="annotated label rate (%)", xticks=100 * published.index, title=title)
    axes[0].set_ylabel("test mAP (%)")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return fig


def draw_pseudo_labels(
    quality: Sequence[pd.DataFrame], guessing: float, gain: np.ndarray
) -> Figure:
    """Left: errors of the pseudo-labels; right: what they change, epoch by epoch.

    Args:
        quality: one table per seed from ``pseudo_label_quality``.
        guessing: share (%) of hidden positives among unknown labels.
        gain: ``(seeds, epochs)`` validation mAP with them minus that without (points).
    """
    fig, (left, right) = panels(2, height=3.4)
    epochs = quality[0]["epoch"]
    shown = epochs[quality[0]["labelled"] > 0]
    for column, name, colour, style in (
        ("wrong", "wrong among all pseudo-labels", APL, "-"),
        ("hidden", "hidden positives caught", PALETTE[3], "--"),
    ):
        runs = np.stack([table[column].to_numpy() for table in quality])
        band(left, shown, runs[:, shown.index], name, colour=colour, style=style)
    left.axhline(guessing, color="grey", ls=":", label="wrong, if drawn at random")
    left.set(ylabel="share (%)")
    left.set_ylim(0, 1.5 * left.get_ylim()[1])
    band(right, epochs, gain, "mean over seeds", colour=APL)
    right.axhline(0, color="black", linewidth=0.8)
    right.axvline(shown.iloc[0], color="grey", ls=":", label="first pass")
    right.set(ylabel="gain in validation mAP (points)")
    for ax in (left, right):
        epoch_axis(ax)
        ax.legend(loc="upper left" if ax is left else "best")
    return fig


def draw_study(frames: dict[str, pd.DataFrame]) -> Figure:
    """EM+APL minus EM for every setting of the study: mean and two-sided 95 % interval.

    Args:
        frames: moment -> table with columns ``factor``, ``setting``, ``gain``, ``low``, ``high``
            (mAP points), the same rows in each.
    """
    frame = next(iter(frames.values()))
    place = np.arange(len(frame))
    colours = dict(zip(dict.fromkeys(frame.factor), [*PALETTE, *PALETTE], strict=False))
    fig, axes = panels(len(frames), height=0.9 + 0.21 * len(frame), sharey=True)
    for ax, (moment, table) in zip(axes, frames.items(), strict=True):
        for factor, colour in colours.items():
            rows = table.factor == factor
            part = table[rows]
            error = np.stack([part.gain - part.low, part.high - part.gain])
            ax.errorbar(
                part.gain, place[rows], xerr=error, fmt="o", color=colour, capsize=2, markersize=4
            )
        ax.axvline(0, color="black", linewidth=0.8)
        ax.set(title=f"{moment} epoch", xlabel="gain of APL (mAP points)")
    labels = [
        setting if setting.startswith(factor) else f"{factor}: {setting}"
        for factor, setting in zip(frame.factor, frame.setting, strict=True)
    ]
    axes[0].set_yticks(place, labels, fontsize=9)
    axes[0].invert_yaxis()
    return fig


RED = "#B00020"


def draw_qualitative(examples: Sequence[Example], columns: int = 3) -> Figure:
    """Scenes with the predicted probability of each of their true labels; annotated ones red."""
    rows = -(-len(examples) // columns)
    fig, axes = plt.subplots(
        rows, 2 * columns, figsize=(WIDTH, 1.75 * rows), squeeze=False,
        gridspec_kw={"width_ratios": [1, 1.25] * columns},
    )  # fmt: skip
    for i, example in enumerate(examples):
        picture, chart = axes[i // columns, 2 * (i % columns) :][:2]
        show_image(picture, example.image, example.title)
        for (top, left, bottom, right), red in zip(example.boxes, example.annotated, strict=False):
            colour = RED if red else "white"
            corner, size = (left - 0.5, top - 0.5), (right - left, bottom - top)
            picture.add_patch(plt.Rectangle(corner, *size, fill=False, ec=colour, lw=1.2))
        _bars(chart, example)
    handles, names = axes[0, 1].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside lower center", ncols=2)
    return fig


def _bars(ax: Axes, example: Example) -> None:
    place = np.arange(len(example.labels))
    for k, ((name, p), colour) in enumerate(zip(example.p.items(), (AN, EM), strict=True)):
        ax.barh(place + 0.2 * (2 * k - 1), p, 0.38, color=colour, label=name)
    ax.set_yticks(place, example.labels, fontsize=9)
    for text, annotated in zip(ax.get_yticklabels(), example.annotated, strict=True):
        if annotated:
            text.set(color=RED, fontweight="bold")
    ax.set(xlim=(0, 1), ylim=(max(3, len(place) - 1) + 0.6, -0.6))
    ax.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
