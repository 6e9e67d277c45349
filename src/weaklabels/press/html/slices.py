"""Where a forest plot that is longer than a sheet may be cut: between its lines."""

from __future__ import annotations

import re

BAND = "#f2f2f2"
"""Ground of every second claim of a forest plot; its edges lie between lines."""

LEAST = 90.0
"""Points that a slice has at least: some six lines of a chapter's plot."""

Slice = tuple[float, float]
"""Top and height, in units of the picture."""

_SIZE = re.compile(r'<svg\b[^>]*?viewBox="0 0 [\d.]+ ([\d.]+)"')
_BAND = re.compile(rf'<path d="([^"]+)"[^>]*style="fill: {BAND}[";]')
_POINT = re.compile(r"[ML] [\d.]+ ([\d.]+)")


def slices(svg: str) -> list[Slice]:
    """A picture cut at the edges of its shaded bands.

    Args:
        svg: as matplotlib writes it.

    Returns:
        From top to bottom, without gaps; a picture without bands, or of unknown size, is one
        slice or none.
    """
    found = _SIZE.search(svg)
    if found is None:
        return []
    bottom = float(found[1])
    edges = {float(y) for band in _BAND.findall(svg) for y in _POINT.findall(band)}
    tops = [0.0]
    for edge in sorted(edges):
        if edge - tops[-1] >= LEAST and bottom - edge >= LEAST:
            tops.append(edge)
    return [(top, end - top) for top, end in zip(tops, [*tops[1:], bottom], strict=True)]
