"""The book's plotting style. A figure function takes data frames or arrays, never models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from weaklabels.press.claims import mean_std

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")
"""Okabe and Ito's colours, which colour-blind readers can tell apart."""

WIDTH = 7.0
"""Width of a figure in inches: that of the text column."""


def use_style() -> None:
    """Set the style of all figures and tables that follow; called in a chapter's first cell."""
    pd.set_option("display.max_colwidth", None)
    sns.set_theme(context="notebook", style="whitegrid", palette=PALETTE)
    plt.rcParams.update(
        {
            "figure.figsize": (WIDTH, 3.6),
            "figure.dpi": 110,
            "savefig.dpi": 160,
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so it is everywhere
            "font.size": 10,
            "axes.titlesize": 11,
            "axes.labelsize": 10,
            "xtick.labelsize": 9,
            "ytick.labelsize": 9,
            "legend.fontsize": 9,
            "legend.frameon": False,
            "grid.color": "#E5E5E5",
            "axes.edgecolor": "#888888",
        }
    )


def panels(columns: int, rows: int = 1, *, height: float = 3.2, **options: object):
    """A figure of text width with ``rows`` x ``columns`` axes, each row ``height`` inches high."""
    return plt.subplots(rows, columns, figsize=(WIDTH, height * rows), **options)


def band(
    ax: Axes,
    x: Sequence[float],
    runs: np.ndarray,
    label: str,
    *,
    colour: str | None = None,
    style: str = "-",
) -> None:
    """A curve with its spread: the mean over seeds and one standard deviation around it.

    Args:
        ax: where to draw.
        x: ``(T,)``.
        runs: ``(seeds, T)``; NaN where a run has no value.
        label: in the legend.
        colour, style: of the line.
    """
    runs = np.atleast_2d(np.asarray(runs, float))
    mean = np.nanmean(runs, 0)
    (line,) = ax.plot(x, mean, style, label=label, color=colour, linewidth=1.8)
    if len(runs) > 1:
        spread = np.nanstd(runs, 0, ddof=1)
        ax.fill_between(x, mean - spread, mean + spread, color=line.get_color(), alpha=0.2, lw=0)


def epoch_axis(ax: Axes) -> None:
    """Whole numbers on an axis that counts epochs."""
    ax.set_xlabel("epoch")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def mean_std_table(
    frame: pd.DataFrame, row: str, column: str, value: str, digits: int = 1
) -> pd.DataFrame:
    """A table of ``mean ± std`` from a long frame with one line per seed, in order of appearance.

    Args:
        frame: long table.
        row, column: whose values become rows and columns.
        value: what is averaged.
        digits: after the point.
    """
    cells = frame.groupby([row, column], sort=False)[value].apply(
        lambda values: mean_std(list(values), digits)
    )
    wide = cells.unstack(column)
    return wide.loc[list(dict.fromkeys(frame[row])), list(dict.fromkeys(frame[column]))]


def recorded_table(record: Mapping[str, Any], published: Mapping[str, pd.Series]) -> pd.DataFrame:
    """A record of ``lab.voc_features`` beside published columns, as ready text.

    Args:
        record: its content.
        published: heading -> mAP (%) by row; rows that it lacks stay empty.
    """
    rows = {row["row"]: row for row in record["rows"]}
    columns = {
        ("recorded here", f"{moment} epoch"): [mean_std(row[moment]) for row in rows.values()]
        for moment in ("best", "last")
    }
    columns["recorded here", "learning rate"] = [f"{r['learning_rate']:g}" for r in rows.values()]
    for heading, values in published.items():
        cells = values.reindex(list(rows))
        columns["published", heading] = ["" if pd.isna(v) else f"{v:.1f}" for v in cells]
    return pd.DataFrame(columns, index=pd.Index(rows, name="method"))


def show_image(ax: Axes, image: np.ndarray, title: str = "") -> None:
    """Draw ``(c, h, w)`` values in [0, 1] without axes; one channel in grey."""
    picture = np.clip(np.moveaxis(np.asarray(image, float), 0, -1), 0, 1)
    ax.imshow(picture[..., 0] if picture.shape[-1] == 1 else picture, cmap="gray", vmin=0, vmax=1)
    ax.set_title(title, fontsize=9)
    ax.set_axis_off()
