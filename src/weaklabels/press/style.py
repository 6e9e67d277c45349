"""The book's plotting style. A figure function takes data frames or arrays, never models."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from weaklabels.lab.tuned import Tuned
from weaklabels.press.claims import mean_std
from weaklabels.press.line_labels import line_labels
from weaklabels.press.verdicts import FAILS, HOLDS, NOT_RECORDED, OPEN, unit_of

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")
"""Okabe and Ito's colours, which colour-blind readers can tell apart."""

WIDTH = 7.0
"""Width of a figure in inches: that of the text column."""

NARROW = 4.5
"""Width of a figure for a phone, on which letters of 9 points are shown with 9 pixels."""

KEPT: dict[str, Any] = {"bbox_inches": "tight", "metadata": {"Date": None}}
"""How a figure is written: no more ground than it needs, and the same bytes on every day."""

OUTCOME_STYLES: dict[str, dict[str, Any]] = {
    HOLDS: {"color": PALETTE[2], "marker": "o", "markerfacecolor": PALETTE[2]},
    FAILS: {"color": PALETTE[1], "marker": "s", "markerfacecolor": PALETTE[1]},
    OPEN: {"color": PALETTE[0], "marker": "D", "markerfacecolor": "white"},
}
"""Colour and marker of an outcome in a forest plot: either alone tells them apart."""


@dataclass(frozen=True)
class ForestPanel:
    """Lines of a forest plot that share an axis.

    Attributes:
        kinds: of the parts that are its lines.
        axis: what the axis shows.
        bounds: vertical lines, value -> style.
    """

    kinds: tuple[str, ...]
    axis: str
    bounds: Mapping[float, str]


EFFECTS = ForestPanel(
    ("comparison", "margin"),
    "effect, in units of the smallest that would count\n"
    '(of "no worse": in units of the margin); logarithmic beyond ±1',
    {0.0: "-", 1.0: ":"},
)
FOREST_PANELS = (
    EFFECTS,
    ForestPanel(("every seed",), "share of the seeds that pass", {0.5: "-"}),
    ForestPanel(("order",), "rank correlation of the methods' order with the paper's", {0.0: "-"}),
)

NO_ROWS = "This table has no rows: what it shows is not recorded yet, or nothing meets it."

NO_LINES = "No claim of this chapter is decided by a comparison over seeds."

LINE_HEIGHT = 0.22
"""Inches a line of a forest plot takes."""

LABELLED = 1.6
"""How many of these it takes with its label above it."""


def use_style() -> None:
    """Set the style of all figures and tables that follow; called in a chapter's first cell."""
    pd.set_option("display.max_colwidth", None)
    pd.set_option("display.max_rows", None)  # else rows of a long table are left out in silence
    pd.set_option("display.max_columns", None)
    style_figures()
    _show_in_notebooks()


def style_figures() -> None:
    """Set the style of the figures that follow; within ``matplotlib.rc_context`` of those alone."""
    sns.set_theme(context="notebook", style="whitegrid", palette=PALETTE)
    plt.rcParams.update(
        {
            "figure.figsize": (WIDTH, 3.6),
            "figure.dpi": 110,  # of the images in a figure; all else is drawn in vectors
            "svg.hashsalt": "book",  # the same names in every execution
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


def as_html(frame: pd.DataFrame) -> str:
    """A table as a notebook shows it; a sentence in place of one without rows."""
    return str(frame.to_html(notebook=True)) if len(frame) else f"<p>{NO_ROWS}</p>"


def _show_in_notebooks() -> None:
    """Figures stay sharp when they are enlarged, and have no date; an empty table says so."""
    from IPython.core.getipython import get_ipython  # not needed to compute a record
    from matplotlib_inline.config import InlineBackend

    shell = get_ipython()
    if shell is not None and shell.display_formatter is not None:
        backend = InlineBackend.instance(parent=shell)
        backend.figure_formats = {"svg"}
        backend.print_figure_kwargs = dict(KEPT)
        shell.display_formatter.formatters["text/html"].for_type(pd.DataFrame, as_html)


def panels(columns: int, rows: int = 1, *, height: float = 3.2, **options: Any):
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


def recorded_note(record: Mapping[str, Any] | None) -> str:
    """How a table of ``recorded_table`` or of ``lab.photographs`` was made, in Markdown.

    Args:
        record: its content; None if it has not been recorded yet.
    """
    if record is None:
        return "This has not been recorded yet."
    made, data, seeds = record["provenance"], record["data"], record["protocol"]["seeds"]
    lines = "\n".join(f"- {text}" for text in record["differences"])
    added = made.get("widened")
    later = f"; values were added with `WIDEN=1` on {added[-1]['date']}" if added else ""
    return (
        f"Made with `{record['command']}` on {made['date']} (torch {made['torch']}{later}): "
        f"{data['training images']:,} training, {data['validation images']:,} validation and "
        f"{data['test images']:,} test images with {data['labels an image']:.2f} labels each, "
        f"{len(seeds)} seeds. What differs from the paper:\n\n{lines}"
    )


def chosen_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """What was chosen for every row of a record of ``lab.photographs``, and among which values.

    A choice at an end of what was tried is marked, but for 0, below which there is nothing to try.
    """
    table: dict[str, dict[str, str]] = {}
    for row in rows:
        cells = table.setdefault(row["row"], {})
        for name, tried in zip(("learning rate", "option"), row["tried"], strict=False):
            values, chosen = list(tried["validation"]), f"{tried['chosen']:g}"
            own = "" if name == tried["setting"] else f"{tried['setting']} "
            end = " (end)" if chosen in (values[0], values[-1]) and tried["chosen"] else ""
            cells |= {name: f"{own}{chosen}{end}", f"{name}: tried": ", ".join(values)}
    return pd.DataFrame.from_dict(table, orient="index").fillna("-")


def first_stage_table(record: Mapping[str, Any] | None) -> pd.DataFrame:
    """The same of the learning rates of the first stage, where a record of photographs has one."""
    stages = record["first stage"] if record else {}
    return chosen_table(
        [
            {"row": name, "tried": [{"setting": "learning rate", **stage}]}
            for name, stage in stages.items()
        ]
    )


def tuned_table(tuned: Sequence[Tuned]) -> pd.DataFrame:
    """The tuned settings of a chapter, one row each; a choice at the edge of what was tried is
    marked."""
    rows = [
        {
            "method": each.method,
            "setting": each.setting,
            "tried": ", ".join(f"{value:g}" for value in each.values),
            "chosen": f"{each.chosen:g}" + ("" if each.interior else " (edge)"),
            "by": each.rule,
            "on": each.data,
        }
        for each in tuned
    ]
    return pd.DataFrame(rows).set_index("method").rename_axis(None)


def places_table(
    findings: Mapping[str, Mapping[str, str]], outcomes: Mapping[str, str]
) -> pd.DataFrame:
    """What was found in several places, as ready text.

    Args:
        findings: what is asked -> place -> ids of the rows that answer it there, separated by
            spaces.
        outcomes: id -> outcome.
    """
    rows = {
        what: {
            place: ", ".join(f"{outcomes[id]} ({id})" for id in ids.split())
            for place, ids in places.items()
        }
        for what, places in findings.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").fillna("-")


def show_image(ax: Axes, image: np.ndarray, title: str = "") -> None:
    """Draw ``(c, h, w)`` values in [0, 1] without axes; one channel in grey."""
    picture = np.clip(np.moveaxis(np.asarray(image, float), 0, -1), 0, 1)
    ax.imshow(picture[..., 0] if picture.shape[-1] == 1 else picture, cmap="gray", vmin=0, vmax=1)
    ax.set_title(title, fontsize=9)
    ax.set_axis_off()


def draw_note(text: str, figure: Figure | None = None, width: float = WIDTH) -> Figure:
    """A sentence in place of a figure for which there is nothing to draw.

    Args:
        text: the sentence; it wraps in a figure that is narrower than the text.
        figure: to draw on; by default a new one of pyplot's, which a notebook shows.
        width: in inches.
    """
    figure = figure or plt.figure()
    figure.set_size_inches(width, 0.5)
    text = text if width == WIDTH else "\n".join(wrap(text, 45))
    ax = figure.subplots()
    ax.set_axis_off()
    ax.text(0, 0.5, text, fontsize=10, va="center")
    return figure


def legend_or_note(axes: Sequence[Axes], recorded: Any) -> None:
    """A legend in the first panel, or in place of what they show that nothing is recorded yet."""
    if recorded:
        axes[0].legend()
    for ax in () if recorded else axes:
        ax.text(0.5, 0.5, NOT_RECORDED, ha="center", va="center", transform=ax.transAxes)


def draw_forest(
    rows: Sequence[Mapping[str, Any]], figure: Figure | None = None, width: float = WIDTH
) -> Figure:
    """Forest plot of a ledger: one line a test, the effect between the ends of its interval.

    Comparisons are drawn in units of the smallest effect that would count, so that effects of any
    scale and size can be read side by side; the numbers at their right are on their own scale.
    Shares of seeds and rank correlations have panels of their own; exact statements and what could
    not be tested have no interval and are left out.

    Args:
        rows: claims as they are saved, see ``claims.Row.as_dict``.
        figure: to draw on; by default a new one of pyplot's, which a notebook shows.
        width: in inches; in a figure that is narrower than the text, labels stand above their
            lines.
    """
    drawn = [(row, part) for row in rows for part in row["parts"] if part["effect"] is not None]
    lines = [(*line, label) for line, label in zip(drawn, line_labels(drawn), strict=True)]
    shown = [
        (panel, found)
        for panel in FOREST_PANELS
        if (found := [line for line in lines if line[1]["kind"] in panel.kinds])
    ]
    if not shown:
        return draw_note(NO_LINES, figure, width)
    figure = figure or plt.figure()
    figure.set_layout_engine("constrained")
    above = width < WIDTH
    ratios = [(LABELLED if above else 1.0) * len(found) + 1 for _, found in shown]
    figure.set_size_inches(width, sum(LINE_HEIGHT * ratio + 0.5 for ratio in ratios) + 0.4)
    axes = figure.subplots(len(shown), height_ratios=ratios, squeeze=False)
    for ax, (panel, found) in zip(axes[:, 0], shown, strict=True):
        _draw_forest_panel(ax, panel, found, 0.25 if above else 0.0)
        _label_lines(ax, [label for *_, label in found], panel.axis, above=above)
    parts = [part for _, found in shown for _, part, _ in found]
    figure.legend(**_forest_legend(parts, 2 if above else None))
    return figure


def _label_lines(ax: Axes, labels: Sequence[str], axis: str, *, above: bool) -> None:
    """Name the lines of a panel, beside or above them, and its axis."""
    if above:
        ax.set_yticks([])
        title_lines(ax, {y - 0.22: label for y, label in enumerate(labels)})
    else:
        ax.set_yticks(range(len(labels)), labels, parse_math=False)
    ax.tick_params(labelsize=9)
    text = "\n".join(wrap(axis, 48)) if above else axis
    ax.set_xlabel(text, fontsize=9, loc="left" if above else "center")
    ax.grid(visible=False, axis="y")


def title_lines(ax: Axes, texts: Mapping[float, str]) -> None:
    """Write texts within a forest plot, at its left, on a ground on which they can be read.

    Args:
        ax: of the plot.
        texts: y -> text.
    """
    ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.3}
    place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "va": "center", "bbox": ground}
    for y, text in texts.items():
        ax.annotate(text, (0.01, y), fontsize=9, parse_math=False, **place)


def _forest_legend(parts: Sequence[Mapping[str, Any]], columns: int | None) -> dict[str, Any]:
    """What the marks mean that are drawn of some parts; by default in one line."""
    outcomes = {part["outcome"] for part in parts}
    handles = [
        Line2D([], [], label=outcome, **options)
        for outcome, options in OUTCOME_STYLES.items()
        if outcome in outcomes
    ]
    handles.append(Line2D([], [], color="black", marker="|", ls="", label="what is claimed"))
    if any(part["paper_effect"] is not None for part in parts):
        label = "the paper's effect"
        handles.append(Line2D([], [], color="black", marker="v", mfc="none", ls="", label=label))
    place = "outside upper center"
    return {"handles": handles, "loc": place, "ncols": columns or len(handles), "fontsize": 9}


def _draw_forest_panel(
    ax: Axes,
    panel: ForestPanel,
    lines: Sequence[tuple[Mapping[str, Any], Mapping[str, Any], str]],
    lower: float,
) -> None:
    """Draw the lines of one panel from top to bottom, every second claim on a shaded ground.

    Each has a place of height 1 and stands ``lower`` than its middle.
    """
    ids = list(dict.fromkeys(row["id"] for row, *_ in lines))
    scaled = panel is EFFECTS
    for place, (row, part, _) in enumerate(lines):
        y = place + lower
        if ids.index(row["id"]) % 2:
            ax.axhspan(place - 0.5, place + 0.5, color="#F2F2F2", lw=0, zorder=0)
        unit = unit_of(part) if scaled else 1.0
        effect, low, high = (part[name] / unit for name in ("effect", "low", "high"))
        options = OUTCOME_STYLES[part["outcome"]]
        ax.plot([low, high], [y, y], color=options["color"], lw=1.6, solid_capstyle="butt")
        ax.plot(effect, y, ms=6, ls="", **options)
        if scaled:
            ax.plot(part["margin"] / unit, y, marker="|", ms=9, mew=1.4, color="black")
        if part["paper_effect"] is not None:
            ax.plot(part["paper_effect"] / unit, y, marker="v", ms=6, mfc="none", color="black")
        ax.annotate(
            _effect_text(part, unit if scaled else 0.1),
            (1.02, y),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=9,
            annotation_clip=False,
        )
    for value, style in panel.bounds.items():
        ax.axvline(value, color="#888888", ls=style, lw=1.0, zorder=1)
    if scaled:
        symmetric_log_axis(ax)
    ax.set_ylim(len(lines) - 0.5, -0.5)


def symmetric_log_axis(ax: Axes) -> None:
    """An x axis that is linear between -1 and 1 and logarithmic beyond."""
    low, high = ax.dataLim.intervalx
    low, high = min(1.3 * low, -1.3), max(1.3 * high, 1.6)
    ax.set_xscale("symlog", linthresh=1.0, linscale=0.8)
    ax.set_xlim(low, high)
    sizes = [10.0**power for power in range(7)]
    if max(-low, high) < 30:
        sizes.append(3.0)
    ticks = [value for value in (*(-size for size in sizes), 0.0, *sizes) if low < value < high]
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter("{x:g}")


def _effect_text(part: Mapping[str, Any], unit: float) -> str:
    """Effect and interval on their own scale, with digits enough to tell ``unit`` apart."""
    digits = max(1, math.ceil(-math.log10(unit)))
    sign = "" if part["kind"] == "every seed" else "+"
    effect, low, high = (f"{part[name]:{sign}.{digits}f}" for name in ("effect", "low", "high"))
    return f"{effect} [{low}, {high}]"
