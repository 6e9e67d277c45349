"""Figures of the field guide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from chapters.field_guide.tables import ABSENT, POSSIBLE, PRESENT, UNKNOWN
from weaklabels.press import style

FILL = {PRESENT: "#0072B2", POSSIBLE: "#9CCBEA", ABSENT: "#FFFFFF", UNKNOWN: "#D4D4D4"}
NAMES = {
    PRESENT: "told: present",
    POSSIBLE: "told: may be present",
    ABSENT: "told: absent",
    UNKNOWN: "nothing told",
}


def draw_settings(settings: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """The first eight examples of each of nine settings.

    Args:
        settings: name -> what is told and the truth, each ``(N, K)``.
    """
    fig, axes = style.panels(3, 3, height=2.45)
    for ax, (name, (told, truth)) in zip(axes.flat, settings.items(), strict=True):
        draw_setting(ax, told[:8], truth[:8], name)
    legend(fig)
    return fig


def draw_setting(ax: Axes, told: np.ndarray, truth: np.ndarray, title: str) -> None:
    """One example a row, one class a column; a dot marks what is truly present, a cross an error.

    Args:
        ax: where to draw.
        told: ``(N, K)``, the codes above.
        truth: ``(N, K)`` in {0, 1}.
        title: of the panel.
    """
    rows, columns = truth.shape
    for i in range(rows):
        for k in range(columns):
            fill = FILL[int(told[i, k])]
            ax.add_patch(Rectangle((k, i), 1, 1, fc=fill, ec="#888888", lw=0.6))
            claims = {PRESENT: 1, ABSENT: 0}.get(int(told[i, k]))
            if claims is not None and claims != truth[i, k]:
                ax.plot(k + 0.5, i + 0.5, "x", color="#D55E00", ms=7, mew=2)
            elif truth[i, k]:
                ax.plot(k + 0.5, i + 0.5, "o", color="black", mec="white", mew=0.8, ms=5.5)
    ax.set(xlim=(0, columns), ylim=(rows, 0), aspect="equal")
    ax.set_xticks(np.arange(columns) + 0.5, range(columns))
    ax.tick_params(axis="x", length=0, pad=1)
    ax.set_yticks([])
    ax.grid(False)
    ax.set_title(title, fontsize=10)


def legend(fig: Figure) -> None:
    """Explain fills and marks below the panels."""
    handles: list = [Patch(fc=FILL[code], ec="#888888", label=NAMES[code]) for code in NAMES]
    handles += [
        Line2D([], [], marker="o", color="black", mec="white", ls="", ms=6, label="truly present"),
        Line2D([], [], marker="x", color="#D55E00", ls="", ms=7, mew=2, label="told wrongly"),
    ]
    fig.legend(handles=handles, loc="outside lower center", ncols=3)


def draw_knowledge(
    image: np.ndarray,
    present: Sequence[str],
    kept: str,
    believed: Mapping[str, np.ndarray],
    scored: Mapping[str, np.ndarray],
) -> Figure:
    """A scene with its one label, what networks believe of the others, and what they learn.

    Args:
        image: ``(c, h, w)`` in [0, 1].
        present: names of the classes on it.
        kept: the one that was written down.
        believed, scored: belief and test mAP (%) by network, each ``(runs, epochs)``.
    """
    fig, (scene, belief, score) = style.panels(3, height=3.3, width_ratios=(0.8, 1.1, 1.1))
    style.show_image(scene, image)
    others = ", ".join(name for name in present if name != kept)
    scene.set_title(f"written down: {kept}\nalso there: {others}", fontsize=10)
    for ax, curves in ((belief, believed), (score, scored)):
        for name, values in curves.items():
            style.band(ax, np.arange(1, values.shape[1] + 1), values, name)
    belief.set(ylabel="belief in labels left out (%)", ylim=(0, 100))
    score.set(ylabel="test mAP (%)")
    for ax in (belief, score):
        style.epoch_axis(ax)
    fig.legend(*belief.get_legend_handles_labels(), loc="outside lower center", ncols=len(believed))
    return fig
