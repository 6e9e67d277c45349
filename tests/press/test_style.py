"""Forest plots show every test with an interval, whatever its scale; empty tables say so."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from weaklabels.press import style
from weaklabels.press.claims import (
    Row,
    all_of,
    every_seed,
    exact,
    greater,
    not_testable,
    order,
)
from weaklabels.press.ledger import Ledger


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.mark.parametrize("rows", [{}, {"a row": 1}])
def test_panels_have_a_legend_or_say_that_nothing_is_recorded(rows: dict[str, int]) -> None:
    _, axes = style.panels(2)
    axes[0].plot([0, 1], label="a row")
    style.legend_or_note(axes, rows)
    assert (axes[0].get_legend() is not None) == bool(rows)
    assert [[text.get_text() for text in ax.texts] for ax in axes] == [
        [] if rows else ["not recorded yet"]
    ] * 2


def ledger_rows(*verdicts) -> list[dict]:
    ledger = Ledger(Path("unused"))
    ledger.add(*(Row(str(n), f"Claim {n} costs $5.", "", each) for n, each in enumerate(verdicts)))
    return ledger.rows


def comparison(effect: float, spread: float = 1.0, seed: int = 0, **options):
    noise = np.random.default_rng(seed).standard_normal(12)
    return greater(effect + spread * (noise - noise.mean()), np.zeros(12), **options)


def texts(figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in (*ax.texts, *ax.get_yticklabels())]


def test_every_part_with_an_interval_is_a_line_in_its_panel():
    rows = ledger_rows(
        comparison(30.0, paper_effect=10.0),
        all_of({"A": comparison(0.0), "B": comparison(-3.0, margin=-1.0)}),
        every_seed([True] * 5, "a peak", "peaks"),
        order(0.4, -0.1, 0.8, "rank correlation"),
        exact(True, "2", "equal"),
        not_testable("needs ImageNet"),
    )
    figure = style.draw_forest(rows)
    labels = [[tick.get_text() for tick in ax.get_yticklabels()] for ax in figure.axes]
    single = [f"{n}  Claim {n} costs $5." for n in (0, 2, 3)]
    assert labels == [[single[0], "1  A", "1  B"], [single[1]], [single[2]]]
    shown = texts(figure)
    assert "+30.0 [+29.6, +30.4]" in shown
    assert "+0.4 [-0.1, +0.8]" in shown
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["holds", "fails", "open", "what is claimed", "the paper's effect"]
    assert plt.fignum_exists(figure.number)


def test_outcomes_differ_in_colour_and_in_marker():
    for key in ("color", "marker"):
        assert len({options[key] for options in style.OUTCOME_STYLES.values()}) == 3


@pytest.mark.parametrize("scale", [0.001, 1.0, 1000.0])
def test_the_picture_does_not_depend_on_the_scale(scale):
    figure = style.draw_forest(
        ledger_rows(comparison(3 * scale, scale, worth=scale, paper_effect=2 * scale))
    )
    xs = [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() in "ov"]
    assert xs == pytest.approx([3.0, 2.0])


def test_height_grows_by_line_and_text_stays_legible():
    def draw(count):
        verdicts = [comparison(10.0 ** (n % 3) - 5, seed=n) for n in range(count)]
        return style.draw_forest(ledger_rows(*verdicts))

    short, long = draw(5), draw(45)
    assert long.get_figwidth() == short.get_figwidth() == style.WIDTH
    grown = long.get_figheight() - short.get_figheight()
    assert grown == pytest.approx(40 * style.LINE_HEIGHT)
    long.canvas.draw()
    ax = long.axes[0]
    assert min(text.get_fontsize() for text in (*ax.texts, *ax.get_yticklabels())) >= 9
    assert ax.get_position().width > 0.3  # labels leave room for the lines themselves
    boxes = [label.get_window_extent() for label in ax.get_yticklabels()]
    assert all(one.y0 >= other.y1 for one, other in pairwise(boxes))
    assert all(box.x0 >= 0 for box in boxes)
    right = long.bbox.x1
    assert all(text.get_window_extent().x1 <= right for text in ax.texts)


def test_in_a_narrow_figure_labels_stand_above_their_lines():
    rows = ledger_rows(comparison(30.0, paper_effect=10.0), comparison(0.0, seed=1))
    wide, narrow = style.draw_forest(rows), style.draw_forest(rows, width=style.NARROW)
    assert narrow.get_figwidth() == style.NARROW < wide.get_figwidth()
    assert sorted(texts(narrow)) == sorted(texts(wide))  # nothing is left out
    narrow.canvas.draw()
    [ax] = narrow.axes
    assert ax.get_position().width > 0.5  # labels take nothing from the lines
    effects = [line for line in ax.lines if line.get_marker() in "osD"]
    labels = [text for text in ax.texts if "Claim" in text.get_text()]
    shown = [*ax.texts, ax.xaxis.label, *narrow.legends[0].get_texts()]
    boxes = [text.get_window_extent() for text in shown]
    assert all(box.x0 >= 0 and box.x1 <= narrow.bbox.x1 for box in boxes)
    for label, effect in zip(labels, effects, strict=True):
        _, y = ax.transData.transform((0, effect.get_ydata()[0]))
        assert y < label.get_window_extent().y0


@pytest.mark.parametrize("width", [style.WIDTH, style.NARROW])
def test_without_a_comparison_a_note_says_so(width):
    rows = ledger_rows(exact(True, "2", "equal"), not_testable("ImageNet"))
    note, *_ = texts(style.draw_forest(rows, width=width))
    assert " ".join(note.split()) == style.NO_LINES


def test_a_table_without_rows_says_so_and_others_are_as_ever():
    frame = pd.DataFrame({("x", "a<b"): [1.5, None]}, index=["r", "s"])
    assert style.as_html(frame) == frame._repr_html_()
    for empty in (pd.DataFrame(), frame.iloc[:0]):
        assert style.as_html(empty) == f"<p>{style.NO_ROWS}</p>"
