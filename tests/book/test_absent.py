"""Displays whose record does not exist are left out of the record edition."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.book import toy
from tests.book.conftest import ToyBook
from weaklabels.press.html import BOOK
from weaklabels.press.html.absent import absent_in, labels_of, without_absent, without_references
from weaklabels.press.html.staging import stage
from weaklabels.press.runner.notebooks import chapters_of

NOTE = "<svg><g id='x' id=\"axes_1\"/><!-- This has not been recorded yet. --></svg>"
MADE = '<svg><g id="axes_1"/><!-- epoch --><g id="axes_2"/><!-- not recorded yet --></svg>'
NO_ROWS = {
    "text/html": '<p class="placeholder">This table has no rows.</p>',
    "text/plain": "Empty DataFrame\nColumns: []\nIndex: []",
}
NOTE_ALONE = re.compile(r"(runs|This|study) .*recorded yet")
COMMAND = "`make record CHAPTERS=toys NAME=runs`"


def code(id: str, source: str, *outputs: dict[str, str], name: str = "") -> dict[str, Any]:
    figure = {"mystnb": {"figure": {"name": name, "caption": "Recorded: toys."}}} if name else {}
    shown = [{"output_type": "display_data", "metadata": {}, "data": data} for data in outputs]
    return {
        "cell_type": "code", "id": id, "source": source, "metadata": figure, "outputs": shown,
        "execution_count": 1,
    }  # fmt: skip


def words(id: str, source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": id, "source": source, "metadata": {}}


def notebook(*cells: dict[str, Any]) -> dict[str, Any]:
    return {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


READ = code("read", 'record = chapter.recorded("runs")')


@pytest.mark.parametrize(
    ("outputs", "empty"),
    [
        ([NO_ROWS], True),
        ([{"text/html": "<th></th><th>not recorded yet</th>", "text/plain": "x"}], True),
        ([{"text/html": "<td>a</td><td>not recorded yet</td>", "text/plain": "x"}], False),
        ([{"image/svg+xml": NOTE}], True),
        ([{"image/svg+xml": MADE}], False),
        ([{"text/markdown": "*These runs are not recorded yet.*"}], True),
        ([{"text/markdown": "Row 1 is not recorded yet, row 2 holds."}], False),
        ([], False),
    ],
)
def test_a_display_is_absent_if_it_shows_a_note_alone(
    outputs: list[dict[str, str]], empty: bool, tmp_path: Path
) -> None:
    given = notebook(READ, code("shown", "show(record)", *outputs))
    assert absent_in(given, "toys", tmp_path) == ({"shown": COMMAND} if empty else {})
    (tmp_path / "runs.json").write_text("{}")
    assert absent_in(given, "toys", tmp_path) == {}  # a table may well be empty


def test_records_that_are_read_in_a_loop_are_found(tmp_path: Path) -> None:
    read = '{n: chapter.recorded(n) for n in ("runs", "more")}'
    given = notebook(code("read", read, {"text/markdown": "Not recorded yet."}))
    (tmp_path / "more.json").write_text("{}")
    assert absent_in(given, "toys", tmp_path) == {"read": COMMAND}


def test_one_sentence_stands_in_the_place_of_what_a_record_would_show(tmp_path: Path) -> None:
    given = notebook(
        words("before", "So we asked."),
        READ,
        code("table", "show(record)", NO_ROWS, name="tab-toys"),
        words("between", "The last line says how weak they are."),
        code("figure", "draw(record)", {"image/svg+xml": NOTE}, name="fig-toys"),
        words("after", "Others are there."),
        code("there", "draw(others)", {"image/svg+xml": toy.SVG}),
        words("head", "## Another section"),
        code("again", "draw(record)", {"image/svg+xml": NOTE}),
    )
    without_absent(given, absent_in(given, "toys", tmp_path))
    seen = [
        cell["id"]
        for cell in given["cells"]
        if "remove-cell" not in cell["metadata"].get("tags", [])
    ]
    assert seen == ["before", "read", "table-not", "after", "there", "head", "again-not"]
    sentence = f"*What stands here is not recorded yet: {COMMAND} makes it.*"
    assert given["cells"][2]["source"] == sentence
    code_cells = [cell["id"] for cell in given["cells"] if cell["cell_type"] == "code"]
    assert code_cells == ["read", "table", "figure", "there", "again"]  # still in the download


def test_an_output_beside_another_is_a_sentence(tmp_path: Path) -> None:
    note, other = {"text/markdown": "Not recorded yet."}, {"text/markdown": "Made in May."}
    given = notebook(READ, code("notes", "show(record)", note, other, name="tab-toys"))
    absent = absent_in(given, "toys", tmp_path)
    assert labels_of(given, absent) == set()
    without_absent(given, absent)
    assert [cell["id"] for cell in given["cells"]] == ["read", "notes"]
    said = [output["data"] for output in given["cells"][1]["outputs"]]
    sentence = f"*What stands here is not recorded yet: {COMMAND} makes it.*"
    assert said == [{"text/markdown": sentence}, other]


def test_a_reference_to_what_is_not_there_is_words() -> None:
    text = "{numref}`tab-a` has it, as has {numref}`fig-b`. {numref}`see %s <fig-a>` and {ref}`c`."
    said = without_references(text, {"tab-a", "fig-a"})
    assert said == (
        "A table not recorded yet has it, as has {numref}`fig-b`. A figure not recorded yet and "
        "{ref}`c`."
    )


def test_the_record_edition_leaves_it_out_and_a_check_does_not(
    toy_book: ToyBook, tmp_path: Path
) -> None:
    path = toy.notebook(toy_book.book, "executed")
    book = tmp_path / "book"
    for each in toy_book.book.rglob("*"):
        if each.is_file():
            target = book / each.relative_to(toy_book.book)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(each.read_bytes())
    source = json.loads(path.read_text())
    source["cells"].append(
        code("late", 'chapter.recorded("runs")', NO_ROWS, name="tab-executed-late")
    )
    source["cells"][0]["source"] += "\nSee {numref}`tab-executed-late`.\n"
    for where in (path, path.parent / "recorded" / "edition.ipynb"):
        toy.write_json(book / where.relative_to(toy_book.book), source)
    rows = toy.claims("executed", number=3)
    rows[0]["figure"] = "tab-executed-late"
    toy.write_json(book / path.parent.relative_to(toy_book.book) / "recorded/claims.json", rows)
    staged = stage("record", tmp_path / "record", book)
    shown = (staged / "executed.ipynb").read_text()
    assert "`make record CHAPTERS=executed NAME=runs` makes it" in shown
    assert "See a table not recorded yet." in shown
    assert "tab-executed-late" not in (staged / "scoreboard.md").read_text()


@pytest.mark.timeout(600)  # the book is built by whichever test comes first
def test_no_display_of_the_book_says_that_nothing_is_recorded(real_book: Path) -> None:
    """What is left must be a figure or table in which something is recorded."""
    for each in chapters_of(BOOK):
        notebook = real_book / "_sources" / f"{each.slug}.ipynb"
        for cell in json.loads(notebook.read_text("utf-8"))["cells"]:
            shown = "remove-cell" not in cell["metadata"].get("tags", [])
            for output in cell.get("outputs", []) if shown else []:
                told = json.dumps(output.get("data", {}))
                where = (each.slug, cell["id"])
                assert "Empty DataFrame" not in told, where
                assert "text/markdown" not in told or not NOTE_ALONE.search(told), where
