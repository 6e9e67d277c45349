"""Figures can be read and tables fit, on a phone and on a desktop."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.book.browsing import PHONE, Site

pytestmark = pytest.mark.timeout(1200)  # the book is visited by whichever test comes first

LETTERS = 8
"""Pixels that the smallest letters have at least."""

_SIZE = re.compile(r"scale\(([\d.]+) -[\d.]+\)")
_WIDTH = re.compile(r'viewBox="0 0 ([\d.]+) ')


def smallest_letters(svg: str, pixels: float) -> float:
    """Nominal size of the smallest letters of a figure that is shown ``pixels`` wide.

    Matplotlib draws letters as paths that are scaled by a hundredth of their size.
    """
    width = _WIDTH.search(svg)
    assert width is not None
    sizes = [100 * float(scale) for scale in _SIZE.findall(svg)]
    return min(sizes, default=float("inf")) * pixels / float(width[1])


def test_letters_of_figures_can_be_read_on_a_phone(real_site: Site) -> None:
    found = {
        source: smallest_letters((real_site.folder / source).read_text(), pixels)
        for visit in real_site.visits.values()
        for source, pixels in visit.phone_pictures.items()
    }
    assert len(found) > 100
    assert "_images/front.svg" in found
    assert min(found.values()) < 12  # letters were found, and figures are not shown at full size
    assert {source: size for source, size in found.items() if size < LETTERS} == {}


def test_a_figure_outside_of_chapters_is_enlarged_as_well(real_site: Site, browser: Any) -> None:
    page = browser.new_page(viewport=PHONE)
    page.goto(f"{real_site.address}index.html")
    page.locator(".bd-article button:has(img[src$='front.svg'])").press("Enter")
    assert page.locator("dialog.enlarged img[src$='front.svg']").is_visible()
    page.close()


def test_no_table_and_no_output_is_wider_than_a_desktop_page(real_site: Site) -> None:
    wide = {name: one.scrolling for name, one in real_site.visits.items() if one.scrolling}
    assert wide == {}


CARD = """(box) => [...box.querySelector("tbody tr").cells].map((cell) => {
  const { top, left } = cell.getBoundingClientRect();
  return [top, left, getComputedStyle(cell, "::before").content];
})"""


def test_a_row_of_a_table_of_settings_is_a_card_on_a_phone(real_site: Site, browser: Any) -> None:
    page = browser.new_page(viewport=PHONE)
    page.goto(f"{real_site.address}large_loss_matters.html")
    box = page.locator("#tab-llm-tuned .text_html")
    assert box.evaluate("(box) => box.scrollWidth <= box.clientWidth")
    tops, lefts, names = zip(*box.evaluate(CARD), strict=True)
    page.close()
    assert list(tops) == sorted(set(tops))  # below each other
    assert len(set(lefts)) == 1
    heads = ("setting", "tried", "chosen", "by", "on")
    assert names[1:] == tuple(f'"{head}: "' for head in heads)


STAYS = """(box) => {
  box.scrollLeft = box.scrollWidth;
  const left = box.getBoundingClientRect().left;
  return box.scrollLeft > 0 && [...box.querySelectorAll("tbody tr:first-child > :first-child")]
    .every((cell) => Math.abs(cell.getBoundingClientRect().left - left) < 2);
}"""


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("field_guide", "#which-chapter-for-which-labels .pst-scrollable-table-container"),
        ("provenance", ".pst-scrollable-table-container:has(table.executions)"),
        ("scoreboard", ".pst-scrollable-table-container:has(table.totals)"),
        ("cdcr", "#tab-cdcr-selection .text_html"),
    ],
)
def test_the_first_column_stays_in_sight(
    real_site: Site, browser: Any, name: str, table: str
) -> None:
    page = browser.new_page(viewport=PHONE)
    page.goto(f"{real_site.address}{name}.html")
    assert page.locator(table).first.evaluate(STAYS)
    page.close()
