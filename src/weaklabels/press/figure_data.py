"""The numbers behind a figure, read off its axes."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.container import BarContainer
from matplotlib.figure import Figure

from weaklabels.press.runner.edition import FIGURE_NUMBERS

DIGITS = 5
"""Significant digits that are kept."""


def numbers(figure: Figure) -> list[dict[str, Any]]:
    """What is drawn in each panel that shows data: titles, axis labels, and series.

    Returns:
        one dict a panel: ``title``, ``x``, ``y``, and of ``lines``, ``points``, ``bars`` and
        ``bands`` those that there are, each a list of ``{"label", "x", "y"}``; a band's points run
        around it. Images are pixels, not numbers, and are left out.
    """
    panels = []
    for axes in figure.axes:
        series = {
            "lines": [
                _series(line.get_label(), line.get_xdata(), line.get_ydata()) for line in axes.lines
            ],
            "points": _collections(axes, PathCollection),
            "bars": [_bars(bars) for bars in axes.containers if isinstance(bars, BarContainer)],
            "bands": _collections(axes, PolyCollection),
        }
        drawn = {name: found for name, found in series.items() if found}
        if drawn:
            head = {"title": axes.get_title(), "x": axes.get_xlabel(), "y": axes.get_ylabel()}
            panels.append({**head, **drawn})
    return panels


def register() -> None:
    """Let every figure that IPython shows say its numbers in an output of its own kind."""
    from IPython.core.formatters import JSONFormatter
    from IPython.core.getipython import get_ipython

    class Numbers(JSONFormatter):
        # Not ``for_type``: Jupyter's plots drop every formatter of figures at their first cell.
        def __call__(self, shown: Any) -> Any:
            return numbers(shown) if isinstance(shown, Figure) else None

    shell = get_ipython()
    if shell is None or shell.display_formatter is None:
        return
    formatter = Numbers(parent=shell.display_formatter)
    formatter.format_type = FIGURE_NUMBERS  # type: ignore[assignment]
    shell.display_formatter.formatters[FIGURE_NUMBERS] = formatter


def _collections(axes: Axes, kind: type) -> list[dict[str, Any]]:
    found = []
    for each in axes.collections:
        if isinstance(each, PathCollection) and kind is PathCollection:
            offsets = np.ma.getdata(each.get_offsets())
            found.append(_series(each.get_label(), offsets[:, 0], offsets[:, 1]))
        elif isinstance(each, PolyCollection) and kind is PolyCollection:
            for path in each.get_paths():
                vertices = np.asarray(path.vertices)
                found.append(_series(each.get_label(), vertices[:, 0], vertices[:, 1]))
    return found


def _bars(bars: BarContainer) -> dict[str, Any]:
    centres = [bar.get_x() + bar.get_width() / 2 for bar in bars]
    return _series(bars.get_label(), centres, [bar.get_height() for bar in bars])


def _series(label: object, x: Any, y: Any) -> dict[str, Any]:
    text = str(label)
    return {"label": "" if text.startswith("_") else text, "x": _plain(x), "y": _plain(y)}


def _plain(values: Any) -> list[Any]:
    return [_number(value) for value in np.atleast_1d(np.asarray(values, object))]


def _number(value: Any) -> float | str | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    return float(f"{number:.{DIGITS}g}") if np.isfinite(number) else None
