"""Figures can be read and tables fit, on a phone and on a desktop."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.book.browsing import DESKTOP, PHONE, Site

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


def widths(site: Site) -> dict[str, float]:
    """Figures and the pixels that they are wide on a phone."""
    return {k: v for visit in site.visits.values() for k, v in visit.phone_pictures.items()}


def test_letters_of_figures_can_be_read_on_a_phone(real_site: Site) -> None:
    found = {
        source: smallest_letters((real_site.folder / source).read_text(), pixels)
        for source, pixels in widths(real_site).items()
    }
    assert len(found) > 100
    assert "_images/front.svg" in found
    narrow = {source: pixels for source, pixels in widths(real_site).items() if "narrow" in source}
    assert len(narrow) > 14  # chapters have their forest plots
    assert max(narrow.values()) <= PHONE["width"]
    assert min(found.values()) < 12  # letters were found, and figures are not shown at full size
    assert {source: size for source, size in found.items() if size < LETTERS} == {}


def test_a_figure_outside_of_chapters_is_enlarged_as_well(real_site: Site, browser: Any) -> None:
    page = browser.new_page(viewport=PHONE)
    page.goto(f"{real_site.address}index.html")
    page.locator(".bd-article button:has(img[src$='front.svg'])").press("Enter")
    page.locator("dialog.enlarged img[src$='front.svg']").wait_for()  # the wide form
    page.close()


def test_no_table_and_no_output_is_wider_than_a_desktop_page(real_site: Site) -> None:
    wide = {name: one.scrolling for name, one in real_site.visits.items() if one.scrolling}
    assert wide == {}


MOST_SCROLLING = 24
SHORT = 14
"""Characters of a number and its spread."""


def is_grid(table: dict[str, Any]) -> bool:
    """Whether a table is one of short numbers, in more rows than can be read one by one."""
    texts = [" ".join(cell.split()) for cell in table["cells"]]
    numbers = [len(text) <= SHORT and not re.search("[A-Za-z]{3}", text) for text in texts]
    return table["rows"] > 3 and sum(numbers) >= 0.9 * len(texts) and max(map(len, texts)) <= 40


def test_on_a_phone_tables_fit_but_for_grids_of_numbers(real_site: Site) -> None:
    tables = [table for one in real_site.visits.values() for table in one.phone_tables]
    scrolling = [table for table in tables if table["scrolls"]]
    assert [table["name"] for table in scrolling if not is_grid(table)] == []
    assert [table["name"] for table in scrolling if "scrolls sideways" not in table["hint"]] == []
    assert 0 < len(scrolling) <= MOST_SCROLLING
    assert len([table for table in tables if table["stacked"]]) > 20
    assert min(table["letters"] for table in tables if table["cells"]) >= LETTERS


def test_on_a_phone_tables_stay_tables_to_those_who_listen(site: Site) -> None:
    for name, one in site.visits.items():
        for table in one.phone_tables:
            assert (table["roles"], table["unnamed"]) == (0, 0), (name, table["name"])


NESTED = """<table class="dataframe has-sentences"><thead>
<tr><th></th><th></th><th colspan="2">digits</th><th>scenes</th></tr>
<tr><th>rate</th><th>method</th><th>outcome</th><th>mean</th><th>outcome</th></tr></thead>
<tbody><tr><th rowspan="2">0.1</th><th>AN</th><td>it is not as good as it was</td><td>1.5</td>
<td>the other way round, and clearly so</td></tr>
<tr><th>LL-R</th><td>it is better in every respect</td><td>2.5</td><td></td></tr>
<tr><th>0.5</th><th>AN</th><td>nothing could be found here</td><td>3.5</td>
<td>nothing could be found there</td></tr></tbody></table>"""

BLOCKS = """(table) => [...table.tBodies[0].rows].map((row) => [...row.cells]
  .filter((cell) => cell.offsetHeight).map((cell) => {
    const label = getComputedStyle(cell, "::before").content.replaceAll('"', "");
    const { left, width } = cell.getBoundingClientRect();
    return [label === "none" ? "" : label, cell.innerText, left, left + width];
  }))"""


def test_stacked_rows_bear_all_names_of_their_columns_and_of_themselves(
    toy_site: Site, browser: Any
) -> None:
    page = browser.new_page(viewport=DESKTOP)
    page.goto(f"{toy_site.address}executed.html")
    table = page.locator("#tab-executed-scores table")
    table.evaluate("(table, html) => { table.outerHTML = html; }", NESTED)
    assert table.evaluate("(table) => getComputedStyle(table.rows[2]).display") == "table-row"
    page.set_viewport_size(PHONE)
    page.wait_for_selector("#tab-executed-scores table.stacked")
    first, second, third = table.evaluate(BLOCKS)
    assert [label + text for label, text, *_ in first] == [
        "0.1, AN",
        "digits, outcome: it is not as good as it was",
        "digits, mean: 1.5",
        "scenes, outcome: the other way round, and clearly so",
    ]
    assert [label + text for label, text, *_ in second] == [
        "0.1, LL-R",
        "digits, outcome: it is better in every respect",
        "digits, mean: 2.5",
    ]
    assert third[0][:2] == ["0.5, ", "AN"]
    assert all(0 <= left < right <= PHONE["width"] for *_, left, right in (*first, *second))
    page.set_viewport_size(DESKTOP)
    page.wait_for_selector("#tab-executed-scores table:not(.stacked)")
    assert table.evaluate("(table) => getComputedStyle(table.rows[3]).display") == "table-row"
    page.close()


STAYS = """(box) => {
  box.scrollLeft = box.scrollWidth;
  const left = box.getBoundingClientRect().left;
  return box.scrollLeft > 0 && [...box.querySelectorAll("tbody tr:first-child > :first-child")]
    .every((cell) => Math.abs(cell.getBoundingClientRect().left - left) < 2);
}"""


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("cdcr", "#tab-cdcr-selection .text_html"),
        ("head_to_head", "#tab-h2h-sets .text_html"),
        ("self_crowd", "#tab-crowd-networks .text_html"),
    ],
)
def test_the_first_column_stays_in_sight(
    real_site: Site, browser: Any, name: str, table: str
) -> None:
    page = browser.new_page(viewport=PHONE)
    page.goto(f"{real_site.address}{name}.html")
    assert page.locator(table).first.evaluate(STAYS)
    page.close()
