"""What stands at claims: captions explain the marks that are drawn, and no others, and tables of
papers are told from those of the book."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from weaklabels.press.claims_table import claims_table
from weaklabels.press.html import BOOK
from weaklabels.press.html.pages import claims_table as on_the_scoreboard

EXPLAINED = "riangle: the"
RECORDED = sorted(BOOK.glob("chapters/*/recorded/claims.json"))
KEPT = [path for path in RECORDED if json.loads(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.parts[-3])
def test_the_triangle_is_explained_where_one_is_drawn(path: Path) -> None:
    rows = json.loads(path.read_text(encoding="utf-8"))
    room = path.parents[1]
    notebook = json.loads((room / f"{room.name}.ipynb").read_text(encoding="utf-8"))
    figures = [cell["metadata"].get("mystnb", {}).get("figure", {}) for cell in notebook["cells"]]
    [caption] = [
        figure["caption"]
        for figure in figures
        if figure.get("name", "").startswith("fig-") and figure["name"].endswith("-claims")
    ]
    parts = [part for row in rows for part in row["parts"] if part["effect"] is not None]
    drawn = any(part["paper_effect"] is not None for part in parts)
    assert (EXPLAINED in caption) == drawn, caption


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.parts[-3])
def test_a_row_names_no_table_of_a_paper_as_if_it_were_of_the_book(path: Path) -> None:
    """The book's own are numbered by chapter, and stand in other columns."""
    chapter: Any = SimpleNamespace(slug=path.parts[-3], recorded=[])
    chapter.claims = json.loads(path.read_text(encoding="utf-8"))
    ledger, scoreboard = claims_table(chapter.claims), on_the_scoreboard([chapter], {})
    for text in (ledger.replace("&#x27;", "'"), scoreboard.replace("\\", "")):
        text = re.sub(r"(Table|Figure|Section)(s? \d\w*) of (the paper )?[A-Z]", "", text)
        for place in re.finditer(r"(?:Table|Figure|Section)s? S?\d", text):
            assert text[: place.start()].endswith("the paper's "), text[place.start() - 60 :][:99]


def test_most_chapters_keep_a_record() -> None:
    assert len(KEPT) > 10
