"""The forest plots of the book: one of each chapter, and one of all of them in thin lines."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

LINE = 0.05
"""Inches that a comparison takes."""

GAP = 5
"""Lines between two chapters."""

PAPER: dict[str, Any] = {"color": "black", "marker": "v", "mfc": "none", "ls": "", "mew": 0.5}
"""The mark of an effect in the paper: that of the chapters' plots."""


class Comparison(NamedTuple):
    """One line of the plot, in units of what would count; ``paper`` is the paper's effect."""

    effect: float
    low: float
    high: float
    outcome: str
    paper: float | None


def draw_chapter(rows: Sequence[Mapping[str, Any]]) -> str:
    """The SVG of a chapter's forest plot (``style.draw_forest``), as its notebook stores it."""
    import matplotlib  # here, because a book without claims is built without it
    from matplotlib.figure import Figure

    from weaklabels.press.style import KEPT, draw_forest, style_figures

    drawn = io.BytesIO()
    with matplotlib.rc_context():
        style_figures()
        draw_forest(rows, Figure()).savefig(drawn, format="svg", **KEPT)
    return drawn.getvalue().decode()


def draw_book(chapters: Mapping[str, Sequence[Mapping[str, Any]]]) -> bytes:
    """An SVG with the comparisons of all chapters, sorted by effect within each.

    Args:
        chapters: title -> rows of its ledger. Comparisons are in units of what would count, as in
            the plots of the chapters; other kinds of tests have no common scale and are left out.

    Returns:
        nothing if there is no comparison.
    """
    shown = {title: found for title, rows in chapters.items() if (found := _comparisons(rows))}
    if not shown:
        return b""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    from weaklabels.press.style import OUTCOME_STYLES, WIDTH, symmetric_log_axis

    heights = [len(found) + GAP for found in shown.values()]
    figure = Figure(figsize=(WIDTH, LINE * sum(heights) + 1.1), layout="constrained")
    ax = figure.subplots()
    ax.axvline(0.0, color="#888888", lw=1.0)
    ax.axvline(1.0, color="#888888", lw=1.0, ls=":")
    top, middles = 0, []
    for number, (found, height) in enumerate(zip(shown.values(), heights, strict=True)):
        if number % 2:
            ax.axhspan(top - GAP / 2, top + height - GAP / 2, color="#F2F2F2", lw=0, zorder=0)
        middles.append(top + (len(found) - 1) / 2)
        for outcome, options in OUTCOME_STYLES.items():
            lines = [(top + k, line) for k, line in enumerate(found) if line.outcome == outcome]
            bars = [[(line.low, y), (line.high, y)] for y, line in lines]
            ax.add_collection(LineCollection(bars, colors=options["color"], linewidths=0.8))
            effects = [line.effect for _, line in lines]
            ax.plot(effects, [y for y, _ in lines], ls="", ms=2.4, **options)
        papers = [(line.paper, top + k) for k, line in enumerate(found) if line.paper is not None]
        ax.plot([x for x, _ in papers], [y for _, y in papers], ms=2.8, **PAPER)
        top += height
    symmetric_log_axis(ax)
    ax.set_yticks(middles, list(shown), fontsize=9, parse_math=False)
    ax.set_ylim(top - GAP / 2, -GAP / 2)
    ax.tick_params(axis="x", labelsize=9)
    ax.set_xlabel("effect, in units of the smallest that would count", fontsize=9)
    handles = _legend([line for found in shown.values() for line in found])
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), fontsize=9)
    drawn = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "book", "font.sans-serif": ["DejaVu Sans"]}):
        FigureCanvasSVG(figure).print_svg(drawn, metadata={"Date": None, "Creator": None})
    return drawn.getvalue()


def _legend(lines: Sequence[Comparison]) -> list[Any]:
    """What the marks mean that are drawn of some comparisons."""
    from matplotlib.lines import Line2D

    from weaklabels.press.style import OUTCOME_STYLES

    outcomes = {line.outcome for line in lines}
    handles = [
        Line2D([], [], label=outcome, lw=0.8, ms=4, **options)
        for outcome, options in OUTCOME_STYLES.items()
        if outcome in outcomes
    ]
    if any(line.paper is not None for line in lines):
        handles.append(Line2D([], [], label="the paper's effect", ms=4, **PAPER))
    return handles


def _comparisons(rows: Sequence[Mapping[str, Any]]) -> list[Comparison]:
    """In units of what would count, largest effect first."""
    from weaklabels.press.style import unit_of

    parts = [
        part
        for row in rows
        for part in row.get("parts", [])
        if part["kind"] in ("comparison", "margin") and part["effect"] is not None
    ]
    lines = []
    for part in parts:
        unit = unit_of(part)
        effect, low, high = (part[name] / unit for name in ("effect", "low", "high"))
        paper = part["paper_effect"]
        paper = None if paper is None else paper / unit
        lines.append(Comparison(effect, low, high, part["outcome"], paper))
    return sorted(lines, key=lambda line: line[:4], reverse=True)
