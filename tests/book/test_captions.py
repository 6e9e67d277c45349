"""Captions of the forest plots explain the marks that are drawn, and no others."""

import json
from pathlib import Path

import pytest

from weaklabels.press.html import BOOK

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


def test_most_chapters_keep_a_record() -> None:
    assert len(KEPT) > 10
