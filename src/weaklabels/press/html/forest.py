"""The forest plots of the book: one of each chapter, and lines of one in the scoreboard's rows."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from weaklabels.press.verdicts import FAILS, HOLDS, OPEN, unit_of

HALF, LINE = 110, 14
"""Pixels from the middle of a row's picture to its sides, and those that a comparison takes."""

REACH = 300.0
"""Effects at the sides, in units of what would count; larger ones are drawn there."""

SHAPES = {
    HOLDS: "M-4 0A4 4 0 1 0 4 0A4 4 0 1 0-4 0Z",
    FAILS: "M-3.5-3.5H3.5V3.5H-3.5Z",
    OPEN: "M0-4.5 4.5 0 0 4.5-4.5 0Z",
}
"""Mark of an outcome around its middle, as in the plots of the chapters."""

PAPER = "M-4-3.5H4L0 3.5Z"


def draw_chapter(rows: Sequence[Mapping[str, Any]], *, narrow: bool = False) -> str:
    """The SVG of a chapter's forest plot (``style.draw_forest``), as its notebook stores it.

    Args:
        rows: of its ledger.
        narrow: whether it is drawn for a phone.
    """
    import matplotlib  # here, because a book without claims is built without it
    from matplotlib.figure import Figure

    from weaklabels.press.style import KEPT, NARROW, WIDTH, draw_forest, style_figures

    drawn = io.BytesIO()
    with matplotlib.rc_context():
        style_figures()
        figure = draw_forest(rows, Figure(), NARROW if narrow else WIDTH)
        figure.savefig(drawn, format="svg", **KEPT)
    return drawn.getvalue().decode()


def draw_row(row: Mapping[str, Any]) -> str:
    """An SVG for within a text: the comparisons of a claim, on a scale that all claims share.

    A line a comparison: the effect between the ends of its interval, in units of what would count;
    linear up to one such unit, logarithmic beyond. Other kinds of tests have no common scale and
    are left out. The numbers stand beside it, so it is hidden from assistive software.

    Args:
        row: of a ledger, see ``claims.Row.as_dict``.

    Returns:
        nothing if there is no comparison.
    """
    parts = [
        part
        for part in row.get("parts", [])
        if part["kind"] in ("comparison", "margin") and part["effect"] is not None
    ]
    if not parts:
        return ""
    height = LINE * len(parts)
    ground = f'<path class="none" d="M0 0V{height}"/><path class="counts" d="M{_x(1)} 0V{height}"/>'
    lines = "".join(_line(part, LINE * (k + 0.5)) for k, part in enumerate(parts))
    box = f'viewBox="{-HALF} 0 {2 * HALF} {height}" width="{2 * HALF}" height="{height}"'
    return f'<svg class="intervals" {box} aria-hidden="true">{ground}{lines}</svg>'


def _line(part: Mapping[str, Any], y: float) -> str:
    """Bar and mark of a comparison, what is claimed, and the paper's effect where it is known."""
    unit = unit_of(part)
    effect, low, high = (_x(part[name] / unit) for name in ("effect", "low", "high"))
    paper = part["paper_effect"]
    bar = f'<path class="bar" d="M{low} {y:g}H{high}"/>'
    found = bar + _mark(SHAPES[part["outcome"]], effect, y)
    claimed = _mark("M0-5V5", _x(part["margin"] / unit), y, "claimed")
    known = "" if paper is None else _mark(PAPER, _x(paper / unit), y, "paper")
    return f'<g class="{part["outcome"]}">{found}</g>{claimed}{known}'


def _mark(shape: str, x: float, y: float, kind: str = "mark") -> str:
    return f'<path class="{kind}" transform="translate({x:g} {y:g})" d="{shape}"/>'


def _x(units: float) -> float:
    """Place of an effect."""

    def spread(size: float) -> float:
        return 0.8 * size if size <= 1 else 0.8 + math.log10(min(size, REACH))

    place = spread(abs(units)) / spread(REACH)
    return round(math.copysign((HALF - 5) * place, units), 1)
