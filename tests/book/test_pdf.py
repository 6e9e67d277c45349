"""The toy book as one PDF."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from tests.book.conftest import ToyBook
from weaklabels import __version__
from weaklabels.press.html import BookError, pdf


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


def test_without_a_browser_it_says_so(
    toy_book: ToyBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(BookError, match="printed by Chromium or Chrome, which is not installed"):
        pdf.build_pdf("smoke", tmp_path, toy_book.book)
    with pytest.raises(ValueError, match="profile is 'large'"):
        pdf.build_pdf("large", tmp_path, toy_book.book)
