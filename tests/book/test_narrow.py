"""A figure with panels beside each other, and the same with its panels below each other."""

from __future__ import annotations

import io
import re

import pytest
from matplotlib.figure import Figure

from weaklabels.press.html.narrow import stacked


def drawn(columns: int, rows: int = 1, *, legend: bool = True) -> str:
    """A figure of 7 by 3 inches, and a legend at its lower edge."""
    figure = Figure(figsize=(7, 3), layout="constrained")
    for ax in figure.subplots(rows, columns, squeeze=False).flat:
        ax.plot([0, 1], [0, 1], label="line")
    if legend:
        figure.legend(["line"], loc="outside lower center", frameon=False)
    file = io.BytesIO()
    figure.savefig(file, format="svg")
    return file.getvalue().decode()


def size(svg: str) -> tuple[float, float]:
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert found
    return float(found[1]), float(found[2])


def moved(svg: str, name: str) -> tuple[float, float]:
    found = re.search(rf'<g id="{name}" transform="translate\((\S+) (\S+)\)', svg)
    assert found
    return float(found[1]), float(found[2])


@pytest.mark.parametrize("columns", [2, 3])
def test_panels_stand_below_each_other(columns: int) -> None:
    wide = drawn(columns)
    svg = stacked(wide)
    width, height = size(svg)
    assert width == pytest.approx(504 / columns, rel=0.1)
    assert 216 < height < 216 * columns  # the legend is there once
    steps = [moved(svg, f"axes_{number + 1}") for number in range(columns)]
    assert steps[0] == (0, 0)
    assert all(right < 0 for right, _ in steps[1:])
    downs = [down for _, down in steps]
    assert downs == pytest.approx([number * downs[1] for number in range(columns)], abs=0.1)
    assert moved(svg, "legend_1")[1] == pytest.approx(height - 216, abs=0.1)
    assert f'width="{width:.2f}pt" height="{height:.2f}pt"' in svg


def test_without_a_legend_each_panel_keeps_the_height_of_the_figure() -> None:
    assert size(stacked(drawn(2, legend=False)))[1] == 432


@pytest.mark.parametrize("svg", [drawn(1), drawn(2, 2), "<svg/>"])
def test_other_figures_are_left_alone(svg: str) -> None:
    assert stacked(svg) == ""
