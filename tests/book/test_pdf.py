"""The toy book as one PDF, and what the real one would have on its sheets."""

from __future__ import annotations

import copy
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup, NavigableString, Tag
from pypdf import PageObject, PdfReader

from tests.book.conftest import ToyBook, parsed
from weaklabels import __version__
from weaklabels.press.html import BookError, pdf

LEGIBLE = 6
"""Points of the smallest letters outside of formulas."""

SMALLEST = """() => Math.min(...[...document.querySelectorAll(".bd-article table *")]
  .filter((part) => part.innerText?.trim() && !part.closest("mjx-container, sub, sup"))
  .map((part) => parseFloat(getComputedStyle(part).fontSize)))"""
"""CSS pixels of the smallest letters in the tables of a page; infinite without a table."""

HANGING = """(width) => {
  const edge = (part) => part.closest(".across") ? 1002 : width + 1;
  const hangs = (part) => part.getBoundingClientRect().right > edge(part);
  return [...document.querySelectorAll(".bd-article *:not(mjx-assistive-mml *)")]
    .filter((part) => hangs(part) && !hangs(part.parentElement))
    .map((part) => `${part.tagName} in ${part.closest("[id]").id}`);
}"""
"""What is wider than its sheet; a sheet across has 1002 CSS pixels."""


@pytest.fixture(scope="module")
def printed(toy_book: ToyBook) -> PdfReader:
    if not any(map(shutil.which, pdf.BROWSERS)):
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is missing: in CI the PDF must be tested")
        pytest.skip("Chromium is missing: install Debian's chromium to test the PDF")
    # The command, in a process of its own: in this one the browser tests use Playwright already.
    command = [sys.executable, "-m", "weaklabels.press.html", "--pdf", "--profile", "smoke"]
    command += ["--build", str(toy_book.build), "--book", str(toy_book.book)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return PdfReader(done.stdout.removeprefix("Book: ").strip())


def test_all_pages_are_in_it_with_an_outline(printed: PdfReader) -> None:
    def titles(entries: list) -> list[str]:
        nested = [titles(e) if isinstance(e, list) else [e.title] for e in entries]
        return [title for group in nested for title in group]

    found = " | ".join(titles(printed.outline))
    for title in ("A toy book", "Executed executed", "Executed unexecuted", "Scoreboard", "Words"):
        assert title in found
    text = " ".join(page.extract_text() for page in printed.pages)
    assert "A striped horse" in text
    assert "15 claims" in text.replace("\n", " ")


def test_what_is_looked_up_is_left_out_and_claims_lead_to_their_chapters(
    printed: PdfReader,
) -> None:
    text = " ".join(page.extract_text() for page in printed.pages)
    assert "Totals" in text
    assert "All claims" not in text
    annotations = [each.get_object() for page in printed.pages for each in page.get("/Annots", [])]
    addresses = [each["/A"].get("/URI", "") for each in annotations if "/A" in each]
    assert not [address for address in addresses if "scoreboard.html" in address]


def described(node: Any) -> list[str]:
    """Alternative texts of the figures below a node of the tree that a screen reader follows."""
    node = node.get_object() if hasattr(node, "get_object") else node
    if isinstance(node, list):
        return [text for each in node for text in described(each)]
    if not isinstance(node, dict):
        return []
    own = [str(node["/Alt"])] if "/Alt" in node else []
    return own + described(node.get("/K", []))


def test_maths_is_typeset_and_figures_are_there(printed: PdfReader) -> None:
    text = " ".join(page.extract_text() for page in printed.pages)
    assert "\\begin{" not in text
    assert "\\alpha" not in text.replace("$\\alpha$", "")  # a claim of the toy has it in dollars
    tree = printed.trailer["/Root"]["/StructTreeRoot"]
    assert "A rising line." in described(tree)


def test_the_first_page_is_a_title_page(printed: PdfReader) -> None:
    first, second = (printed.pages[number].extract_text() for number in (0, 1))
    for said in ("A toy book", f"Version {__version__}", "MIT licence", "smoke"):
        assert said in first
    assert "zebras" not in first
    assert "zebras" in second


def test_chapters_start_on_a_page(printed: PdfReader) -> None:
    tops = [page.extract_text().strip() for page in printed.pages]
    for number, slug in enumerate(("executed", "unexecuted"), start=1):
        assert any(top.startswith(f"{number}. Executed {slug}") for top in tops)


def words(page: PageObject) -> str:
    return " ".join(page.extract_text().split())


def sizes(page: PageObject) -> list[float]:
    """Points of the letters of every piece of text on a sheet."""
    found = []

    def note(text: str, cm: list[float], tm: list[float], _: object, size: float) -> None:
        if text.strip():
            across, up = (tm[2] * cm[k] + tm[3] * cm[2 + k] for k in (0, 1))
            found.append(size * math.hypot(across, up))

    page.extract_text(visitor_text=note)
    return found


def test_a_wide_table_is_whole_and_legible_and_makes_no_other_sheet_smaller(
    printed: PdfReader,
) -> None:
    [wide] = [page for page in printed.pages if "column 19" in words(page)]
    assert wide.mediabox.width > wide.mediabox.height, "it stands across"
    found = [size for page in printed.pages for size in sizes(page)]
    assert min(found) > LEGIBLE - 0.01
    assert any(math.isclose(size, 9.75, abs_tol=0.01) for size in found), "as the style sheet says"


def test_a_caption_stands_on_the_sheet_of_its_table(printed: PdfReader) -> None:
    texts = [words(page) for page in printed.pages]
    for caption, first in (("Scores in per cent.", "column 0"), ("What was claimed.", "outcome")):
        held = [text.partition(caption)[2] for text in texts if f"{caption} " in text]
        assert any(first in below for below in held), caption


@pytest.mark.timeout(600)  # the book is built by whichever test comes first
def test_the_real_pages_fit_their_sheets_with_legible_tables(real_book: Path, browser: Any) -> None:
    """As the printing script lays them out, page by page."""
    view = {"width": pdf.WIDTH, "height": pdf.HEIGHT}
    page = browser.new_page(color_scheme="light", viewport=view)
    page.emulate_media(media="print")
    hanging, small = {}, {}
    for path in sorted(real_book.glob("*.html")):
        if path.stem not in ("api", "search"):
            page.goto(path.as_uri(), timeout=0)
            page.evaluate(pdf.READY, [pdf.HEIGHT, pdf.ONLINE, {}])
            if parts := page.evaluate(HANGING, pdf.WIDTH):
                hanging[path.stem] = parts
            if (points := page.evaluate(SMALLEST) * 72 / 96) < LEGIBLE:
                small[path.stem] = points
    page.close()
    assert hanging == {}
    assert small == {}


def empty_headings(page: Tag) -> list[str]:
    """Headings that another one of their own or of a higher level follows at once."""
    found, above = [], None
    for part in page.descendants:
        if isinstance(part, Tag):
            if re.fullmatch("h[1-6]", part.name):
                if above is not None and part.name <= above.name:
                    found.append(above.get_text())
                above = part
            elif part.name in ("img", "table"):
                above = None
        elif type(part) is NavigableString and part.strip():
            above = above if part.find_parent(re.compile("^(h[1-6]|script)$")) else None
    return found if above is None else [*found, above.get_text()]


def test_an_empty_heading_is_seen() -> None:
    text = "<h1>A</h1><h2>B</h2><p> </p><h2>C</h2><p>d</p><h3>E</h3><h2>F</h2><img><h2>G</h2>"
    assert empty_headings(BeautifulSoup(text, "html.parser")) == ["B", "E", "G"]


@pytest.mark.timeout(600)
def test_every_heading_of_the_real_book_has_something_below_it(real_book: Path) -> None:
    found = {}
    for path in sorted(real_book.glob("*.html")):
        article = copy.copy(parsed(path).select_one("article.bd-article"))
        if article is None:  # the page of the search
            continue
        for part in article.select(f"{pdf.ONLINE}, .headerlink, details.hide, .tag_hide-cell"):
            part.decompose()
        if empty := empty_headings(article):
            found[path.stem] = empty
    assert found == {}


def test_without_a_browser_it_says_so(
    toy_book: ToyBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(BookError, match="printed by Chromium or Chrome, which is not installed"):
        pdf.build_pdf("smoke", tmp_path, toy_book.book)
    with pytest.raises(ValueError, match="profile is 'large'"):
        pdf.build_pdf("large", tmp_path, toy_book.book)
