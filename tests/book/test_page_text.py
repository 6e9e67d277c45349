"""What the texts of the built pages say: formulas typeset, and mentions of rows that lead there."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
from bs4 import Tag

from tests.book.conftest import parsed

CODE = "pre, code, script, svg"


@pytest.fixture(scope="module")
def articles(real_book: Path) -> dict[str, Tag]:
    """Page -> its article, without code."""
    found = {}
    for path in sorted(real_book.glob("*.html")):
        article = copy.copy(parsed(path).select_one("article"))
        if article is not None:  # the page of the search has none
            for part in article.select(CODE):
                part.decompose()
            found[path.stem] = article
    return found


@pytest.mark.timeout(600)  # the book is built by whichever test comes first
def test_no_formula_is_shown_as_it_was_typed(articles: dict[str, Tag]) -> None:
    typed = re.compile(r"\$[^$\n]{1,60}\$")
    raw = {page: typed.findall(article.get_text()) for page, article in articles.items()}
    assert len(raw) > 20
    assert {page: found for page, found in raw.items() if found} == {}


@pytest.mark.timeout(600)
def test_mentions_of_rows_lead_to_rows(articles: dict[str, Tag]) -> None:
    for article in articles.values():
        places = {place["id"]: place for place in article.select("[id]")}
        for link in article.select("a.to-row"):
            row = places[link["href"].removeprefix("#")]
            verdict = (row if row.name == "tr" else row.find_parent("tr")).select_one(".verdict")
            assert verdict.get_text() == link["title"]
    assert len(articles["pu_mlc"].select("a.to-row")) > 50
    assert len(articles["scoreboard"].select("a.to-row")) > 200
