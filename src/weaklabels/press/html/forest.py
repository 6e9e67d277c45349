"""The forest plot of the whole book: every comparison as one thin line, chapter by chapter."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

LINE = 0.05
"""Inches that a comparison takes."""

GAP = 5
"""Lines between two chapters."""


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
    import matplotlib  # here, because a book without claims is built without it
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

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
            lines = [(top + k, line) for k, line in enumerate(found) if line[3] == outcome]
            bars = [[(low, y), (high, y)] for y, (_, low, high, _) in lines]
            ax.add_collection(LineCollection(bars, colors=options["color"], linewidths=0.8))
            ax.plot([line[0] for _, line in lines], [y for y, _ in lines], ls="", ms=2.4, **options)
        top += height
    symmetric_log_axis(ax)
    ax.set_yticks(middles, list(shown), fontsize=9, parse_math=False)
    ax.set_ylim(top - GAP / 2, -GAP / 2)
    ax.tick_params(axis="x", labelsize=9)
    ax.set_xlabel("effect, in units of the smallest that would count", fontsize=9)
    outcomes = {line[3] for found in shown.values() for line in found}
    handles = [
        Line2D([], [], label=outcome, lw=0.8, ms=4, **options)
        for outcome, options in OUTCOME_STYLES.items()
        if outcome in outcomes
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), fontsize=9)
    drawn = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "book", "font.sans-serif": ["DejaVu Sans"]}):
        FigureCanvasSVG(figure).print_svg(drawn, metadata={"Date": None, "Creator": None})
    return drawn.getvalue()


def _comparisons(rows: Sequence[Mapping[str, Any]]) -> list[tuple[float, float, float, str]]:
    """Effect, ends of its interval and outcome, in units of what would count, largest first."""
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
        lines.append((effect, low, high, part["outcome"]))
    return sorted(lines, reverse=True)
