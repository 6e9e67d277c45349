"""Figures as a phone shows them: drawn anew, or with their panels below each other."""

from __future__ import annotations

import re
from itertools import pairwise

_SIZE = re.compile(r'width="[\d.]+pt" height="[\d.]+pt" viewBox="0 0 ([\d.]+) ([\d.]+)"')
_PANEL = re.compile(r'<g id="(axes_\d+)">\s*<g id="patch_\d+">\s*<path d="([^"]+)"')
_LEGEND = re.compile(r'<g id="legend_1">.*', re.DOTALL)
_POINT = re.compile(r"[ML] ([\d.]+) ([\d.]+)")


def narrow(name: str) -> str:
    """Where the book's sources have a figure's form for a phone, which the extension looks for.

    Args:
        name: label of the figure, or of its file where it has none.
    """
    return f"generated/narrow-{name}.svg"


def stacked(svg: str) -> str:
    """A figure with panels beside each other, with the panels below each other.

    Each keeps its size, and so do letters: what is narrower can be shown larger. A legend stands
    below the panels and stays the last.

    Args:
        svg: as matplotlib writes it.

    Returns:
        nothing if it is not one row of panels.
    """
    size = _SIZE.search(svg)
    panels = {name: _POINT.findall(path) for name, path in _PANEL.findall(svg)}
    tops = {min(float(y) for _, y in points) for points in panels.values()}
    if size is None or len(panels) < 2 or len(tops) > 1:
        return ""
    width, height = float(size[1]), float(size[2])
    lefts = [min(float(x) for x, _ in points) for points in panels.values()]
    step = min(right - left for left, right in pairwise(lefts))
    panel = height - (legend := _legend_height(svg, height))
    for number, (name, left) in enumerate(zip(panels, lefts, strict=True)):
        svg = _moved(svg, name, lefts[0] - left, number * panel)
    across = width - step * (len(panels) - 1)
    down = panel * len(panels) + legend
    svg = _moved(svg, "legend_1", (across - width) / 2, down - height)
    svg = _moved(svg, "patch_1", 0, 0, f" scale({across / width:.5f} {down / height:.5f})")
    shown = f'width="{across:.2f}pt" height="{down:.2f}pt" viewBox="0 0 {across:.2f} {down:.2f}"'
    return _SIZE.sub(shown, svg, count=1)


def _legend_height(svg: str, height: float) -> float:
    """What a legend at the lower edge takes: its first line of a series is in its middle."""
    legend = _LEGEND.search(svg)
    line = _POINT.search(legend[0]) if legend else None
    return 2 * (height - float(line[2])) if line else 0.0


def _moved(svg: str, name: str, right: float, down: float, more: str = "") -> str:
    place = f'transform="translate({right:.2f} {down:.2f}){more}"'
    return svg.replace(f'<g id="{name}">', f'<g id="{name}" {place}>', 1)
