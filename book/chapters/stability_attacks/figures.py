"""Figures of the chapter on stability attacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from weaklabels.press import style
from weaklabels.press.verdicts import NOT_RECORDED

STYLES = {
    "clean": (style.PALETTE[0], "-"),
    "random": (style.PALETTE[3], ":"),
    "adversarial": (style.PALETTE[4], "-."),
    "hypocritical": (style.PALETTE[1], "--"),
}
"""Colour and line of each kind of training data."""

MARKS = {"clean": "o", "adversarial": "s", "hypocritical": "D"}


def draw_closed_form(
    curves: Mapping[str, pd.DataFrame],
    fits: Mapping[str, Mapping[float, np.ndarray]],
    eps: float,
    eta: float,
) -> Figure:
    """Accuracy against the defence budget: closed forms as lines, trained classifiers as dots.

    Args:
        curves: training data -> columns ``budget``, ``natural``, ``robust`` (%).
        fits: training data -> budget -> ``(seeds, 2)`` natural and robust accuracy (%).
        eps, eta: where vertical lines are drawn.
    """
    fig, axes = style.panels(2, height=3.8, sharey=True)
    for column, (ax, measure) in enumerate(zip(axes, ("natural", "robust"), strict=True)):
        for name, frame in curves.items():
            colour, line = STYLES[name]
            ax.plot(frame.budget, frame[measure], line, color=colour, label=name)
            for budget, values in fits.get(name, {}).items():
                value = values[:, column]
                error = value.std(ddof=1) if len(value) > 1 else 0.0
                ax.errorbar(budget, value.mean(), error, fmt=MARKS[name], color=colour, ms=5)
        for place, text in ((eps, "ε"), (eps + eta, "ε + η")):
            ax.axvline(place, color="0.4", lw=0.8, ls=":")
            ax.text(place + 0.005, 3, text, fontsize=9)
        ax.set(xlabel="budget of the defence", title=f"{measure} accuracy", ylim=(0, 100))
    axes[0].set_ylabel("accuracy on clean test data (%)")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig


def draw_strengths(curves: Mapping[str, np.ndarray], strengths: Sequence[float]) -> Figure:
    """Accuracy against the radius of the attack at test time.

    Args:
        curves: training data -> ``(seeds, strengths)``; empty if nothing is recorded.
        strengths: in units of eps.
    """
    fig, ax = style.panels(1, height=3.6)
    for name, runs in curves.items():
        colour, line = STYLES[name]
        style.band(ax, strengths, runs, name, colour=colour, style=line)
    ax.axvline(1, color="0.4", lw=0.8, ls=":")
    ax.set(
        xlabel="radius of the attack at test time / ε", ylabel="test accuracy (%)", ylim=(0, 100)
    )
    if curves:
        ax.legend(title="training images", title_fontsize=9)
    else:
        ax.text(0.5, 0.5, NOT_RECORDED, transform=ax.transAxes, ha="center")
    return fig


def draw_budgets(
    curves: Mapping[float, Mapping[str, Mapping[str, np.ndarray]]], budgets: Sequence[float]
) -> Figure:
    """Natural and robust accuracy against the budget of the defence, one column per radius.

    Args:
        curves: radius -> training data -> measure -> ``(seeds, budgets)``.
        budgets: in units of eps.
    """
    fig, axes = style.panels(len(curves), height=3.8, sharey=True, squeeze=False)
    for ax, (eps, groups) in zip(axes[0], curves.items(), strict=True):
        for name, measures in groups.items():
            colour, _ = STYLES[name]
            for measure, line in (("natural", ":"), ("robust", "-")):
                label = f"{name}, {measure}"
                style.band(ax, budgets, measures[measure], label, colour=colour, style=line)
        ax.set(title=f"ε = {eps:.3g}", xlabel="budget of the defence / ε", ylim=(0, 100))
    axes[0, 0].set_ylabel("test accuracy (%)")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig


def draw_examples(clean: np.ndarray, poisons: Mapping[str, np.ndarray], eps: float) -> Figure:
    """Clean images, what each attack adds to them, and the result.

    Args:
        clean: ``(n, c, h, w)`` in [0, 1].
        poisons: training data -> the poisoned images, in the same order.
        eps: limit of the colour scale of what is added.
    """
    rows = 1 + 2 * len(poisons)
    fig, axes = style.panels(len(clean), rows, height=0.95)
    for column, image in enumerate(clean):
        style.show_image(axes[0, column], image)
    names = ["clean"]
    for number, (name, images) in enumerate(poisons.items()):
        top, bottom = axes[1 + 2 * number], axes[2 + 2 * number]
        for column, image in enumerate(images):
            added = (image - clean[column]).mean(0)
            drawn = top[column].imshow(added, cmap="PuOr_r", vmin=-eps, vmax=eps)
            top[column].set_axis_off()
            style.show_image(bottom[column], image)
        names += [f"added:\n{name}", "result"]
    for row, name in zip(axes, names, strict=True):
        row[0].text(
            -0.15, 0.5, name, transform=row[0].transAxes, ha="right", va="center", fontsize=9
        )
    fig.colorbar(drawn, ax=axes, label="added to the pixel", shrink=0.6)
    return fig
