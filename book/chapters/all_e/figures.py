"""Figures of the chapter on ALL-E."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from weaklabels.press import style

COLOURS = dict(
    zip(
        ("with", "without", "coded", "reference"),
        (style.PALETTE[0], style.PALETTE[1], style.PALETTE[3], "0.35"),
        strict=True,
    )
)


def draw_curves(x: np.ndarray, curves: Mapping[str, np.ndarray], steps: int) -> Figure:
    """The curve after one step and after all steps.

    Args:
        x: ``(n,)`` input values.
        curves: name -> ``(steps + 1, n)`` values after each step, the input first.
    """
    fig, axes = style.panels(2, height=3.7, sharey=True)
    for ax, at, title in zip(axes, (1, -1), ("after 1 step", f"after {steps} steps"), strict=True):
        for (name, values), colour in zip(curves.items(), style.PALETTE, strict=False):
            line = "--" if name.startswith("released") else "-"
            ax.plot(x, values[at], line, color=colour, label=name, lw=1.8)
        ax.plot(x, x, ":", color="0.5", lw=1)
        ax.set(xlabel="input value", title=title, aspect="equal")
    axes[0].set_ylabel("output value")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig


def draw_judge(
    gammas: np.ndarray, light: np.ndarray, scores: np.ndarray, psnr: np.ndarray, original: float
) -> Figure:
    """The judge's verdict and the PSNR along a family of gamma corrections.

    Args:
        gammas: ``(n,)`` exponents; ``light``, ``scores``, ``psnr``: ``(n,)``.
        original: the judge's score of the reference.
    """
    fig, axes = style.panels(2, height=3.2)
    for ax, values, label in zip(axes, (scores, psnr), ("judge A", "PSNR (dB)"), strict=True):
        ax.plot(light, values, color=COLOURS["with"], lw=1.8)
        best = int(np.argmax(values))
        ax.plot(light[best], values[best], "o", color=COLOURS["without"])
        ax.annotate(
            f"best: x^{gammas[best]:.2f}", (light[best], values[best]), (0, -45),
            textcoords="offset points", ha="center", fontsize=9,
        )  # fmt: skip
        ax.set(xlabel="mean value of the corrected image", ylabel=label)
    axes[0].axhline(original, color=COLOURS["reference"], ls="--", lw=1.2)
    axes[0].annotate(
        "the reference itself", ((light.min() + light.max()) / 2, original), (0, 4),
        textcoords="offset points", ha="center", fontsize=9,
    )  # fmt: skip
    return fig


def draw_training(terms: Mapping[str, np.ndarray], names: Sequence[str], bins: int = 25) -> Figure:
    """The reward and its parts over training.

    Args:
        terms: agents -> ``(seeds, episodes, terms)``, mean per step.
        names: of the terms.
    """
    shown = ["reward", "exposure", "aesthetic", "variation"]
    fig, axes = style.panels(2, 2, height=2.5, sharex=True)
    for ax, name in zip(axes.flat, shown, strict=True):
        for (label, values), key in zip(terms.items(), ("with", "without"), strict=True):
            part = values.sum(2) if name == "reward" else values[:, :, list(names).index(name)]
            _binned_band(ax, part, bins, label, key)
        ax.set_title(name)
    for ax in axes[1]:
        ax.set_xlabel("episode")
    for ax in axes[:, 0]:
        ax.set_ylabel("reward per step")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig


def draw_strip(
    rows: Mapping[str, np.ndarray], reference: np.ndarray, light: Mapping[str, np.ndarray]
) -> Figure:
    """Input, every step, reference; one row per kind of agents.

    Args:
        rows: agents -> ``(steps + 1, 3, h, w)`` bytes.
        reference: ``(3, h, w)`` in [0, 1].
        light: agents -> ``(steps + 1,)`` mean values.
    """
    columns = len(next(iter(rows.values()))) + 1
    h, w = reference.shape[1:]
    height = style.WIDTH / columns * h / w + 0.45
    fig, axes = style.panels(columns, len(rows), height=height, squeeze=False)
    for line, (name, states) in zip(axes, rows.items(), strict=True):
        for t, (ax, state) in enumerate(zip(line, states, strict=False)):
            title = "input" if t == 0 else f"step {t}"
            style.show_image(ax, state / 255, f"{title}\n{light[name][t]:.2f}")
        style.show_image(line[-1], reference, f"reference\n{reference.mean():.2f}")
        line[0].text(
            -0.08, 0.5, name, rotation=90, va="center", ha="right", fontsize=9,
            transform=line[0].transAxes,
        )  # fmt: skip
    return fig


def draw_actions(states: np.ndarray, actions: np.ndarray) -> Figure:
    """Strengths of the leading channel, step by step, beside the luminance they act on.

    Args:
        states: ``(steps + 1, 3, h, w)`` bytes.
        actions: ``(steps, 3, h, w)``, 0 to 26. The scale goes from the 1st to the 99th percentile
            of their strengths.
    """
    steps = len(actions)
    h, w = states.shape[2:]
    fig, axes = style.panels(steps, 2, height=style.WIDTH / steps * h / w + 0.3, squeeze=False)
    alpha = (actions[:, 0].astype(float) - 9) / 18
    low, high = np.percentile(alpha, [1, 99])
    for t in range(steps):
        style.show_image(axes[0, t], states[t].mean(0, keepdims=True) / 255, f"step {t + 1}")
        picture = axes[1, t].imshow(alpha[t], cmap="gray", vmin=low, vmax=max(high, low + 1 / 18))
        axes[1, t].set_axis_off()
    bar = fig.colorbar(picture, ax=axes[1, :], orientation="horizontal", shrink=0.5, aspect=40)
    bar.set_label("strength of the leading channel (lower row); upper row: luminance")
    return fig


def draw_progress(steps: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """Quality after every step.

    Args:
        steps: agents -> measure -> ``(seeds, steps + 1)``.
    """
    labels = {"error": "luminance error", "psnr": "PSNR (dB)", "score": "judge A"}
    fig, axes = style.panels(3, height=3.1)
    for ax, (measure, label) in zip(axes, labels.items(), strict=True):
        for (name, values), key in zip(steps.items(), ("with", "without"), strict=True):
            runs = values[measure]
            line = "-" if key == "with" else "--"
            style.band(ax, range(runs.shape[1]), runs, name, colour=COLOURS[key], style=line)
        ax.set(xlabel="step (0: input)", title=label)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig


def draw_pictures(pictures: Mapping[str, np.ndarray], columns: int = 4) -> Figure:
    """Pictures side by side.

    Args:
        pictures: title -> ``(3, h, w)`` in [0, 1], all of one size.
    """
    h, w = next(iter(pictures.values())).shape[1:]
    rows = -(-len(pictures) // columns)
    height = style.WIDTH / columns * h / w + 0.35
    fig, axes = style.panels(columns, rows, height=height, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, (title, picture) in zip(axes.flat, pictures.items(), strict=False):
        style.show_image(ax, picture, title)
    return fig


def draw_ranking(groups: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """PSNR, SSIM and judge of all methods as bars, sorted by PSNR.

    Args:
        groups: method -> measure -> ``(seeds,)``.
    """
    labels = {"psnr": "PSNR (dB)", "ssim": "SSIM", "score": "judge A"}
    names = sorted(groups, key=lambda name: groups[name]["psnr"].mean())
    fig, axes = style.panels(3, height=0.3 * len(names) + 1.0, sharey=True)
    for ax, (measure, label) in zip(axes, labels.items(), strict=True):
        means = [groups[n][measure].mean() for n in names]
        spread = [
            groups[n][measure].std(ddof=1) if len(groups[n][measure]) > 1 else 0 for n in names
        ]
        colours = [COLOURS["with"] if n.startswith("agents") else "0.6" for n in names]
        ax.barh(names, means, xerr=spread, color=colours, ecolor="black", error_kw={"lw": 1})
        ax.set_xlabel(label)
        ax.grid(axis="y", visible=False)
    return fig


def draw_collapse(
    noise: Mapping[str, np.ndarray], pattern: Mapping[str, np.ndarray], bins: int = 25
) -> Figure:
    """How much actions vary: within one pixel's policy, and across pixels.

    Args:
        noise, pattern: agents -> ``(seeds, episodes)``.
    """
    fig, axes = style.panels(2, height=3.2)
    titles = ("noise: spread within a pixel's policy", "pattern: spread across pixels")
    for ax, groups, title in zip(axes, (noise, pattern), titles, strict=True):
        for (name, values), key in zip(groups.items(), ("coded", "with"), strict=True):
            _binned_band(ax, values, bins, name, key)
        ax.set(xlabel="episode", title=title, ylim=(0, None))
    axes[0].set_ylabel("standard deviation of the strength")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig


def _binned_band(ax: Axes, values: np.ndarray, bins: int, label: str, key: str) -> None:
    """A band over seeds of ``(seeds, episodes)`` values, averaged over runs of episodes."""
    count = min(bins, values.shape[1])
    kept = values[:, : values.shape[1] // count * count]
    means = kept.reshape(len(kept), count, -1).mean(2)
    centres = (np.arange(count) + 0.5) * kept.shape[1] / count
    line = "-" if key == "with" else "--"
    style.band(ax, centres, means, label, colour=COLOURS[key], style=line)
