"""An edition that is brought up to date without its runs."""

from __future__ import annotations

import ast
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager as Kernels
from pathlib import Path
from typing import Any

import chapters
import nbformat
import numpy as np
import pytest

from tests.lab.sweep_runs import Walk, walk
from tests.press.toy_book import ToyBook
from weaklabels.lab import definitions
from weaklabels.lab.store import Store
from weaklabels.lab.sweep import STORED_ONLY, NotStored, run
from weaklabels.press import record
from weaklabels.press.ledger import without_repeats
from weaklabels.press.refresh import Missing
from weaklabels.press.runner.edition import Edition
from weaklabels.press.statements import apart, assigned, records_read

RUNS = """
from dataclasses import dataclass
from weaklabels.press.claims import Row, exact

@dataclass(frozen=True)
class Run:
    seed: int = 0
    power: int = 2

def square(spec):
    return {"value": spec.seed ** spec.power}

def row(name, value):
    return Row(name, "c", "p", exact(value > 0, str(value), "above 0"))
"""
OPEN = """
from weaklabels.press.chapter import Chapter
from chapters.toy import runs
chapter = Chapter("toy", profile, device, seeds, data_root)
total = 0
"""
NEEDS_RUNS = """
records = chapter.repeat(runs.square, {"a": runs.Run()})["a"]
total = sum(int(each["value"]) for each in records)
print("runs:", total)
"""
READS = """
value = chapter.recorded("table")["value"]
print("table:", value)
"""
CLAIMS = """
ledger = chapter.ledger
ledger.add(runs.row("1", total), *[runs.row("2", value)])
ledger.save()
"""
SHOWS = "print('rows:', *(row['ours'] for row in ledger.rows))"


@pytest.fixture
def toy(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    warm_kernels: Callable[[], Kernels],
    request: pytest.FixtureRequest,
) -> Iterator[ToyBook]:
    """A recorded chapter whose runs are gone; its last cells are the test's."""
    book = ToyBook(tmp_path)
    book.chapter("toy", OPEN, NEEDS_RUNS, READS, CLAIMS, SHOWS, *getattr(request, "param", ()))
    room = book.room("toy")
    for path in (room / "__init__.py", room.parent / "__init__.py"):
        path.touch()
    (room / "runs.py").write_text(RUNS)
    (room / "recorded").mkdir()
    tell(book, 5)
    monkeypatch.setattr(chapters, "__path__", [str(room.parent)])
    monkeypatch.setattr(definitions, "ROOTS", {**definitions.ROOTS, "chapters": room.parent})
    # Before all others: kernels find this book's rooms.
    monkeypatch.setenv("PYTHONPATH", str(book.places.book), prepend=os.pathsep)
    monkeypatch.setenv("WEAKLABELS_BUILD", str(tmp_path / "build"))
    with warm_kernels():
        assert record.main(["--chapters=toy", "--workers=1", "--seeds=2"], tmp_path) == 0
        assert texts(book)[:3] == ["runs: 20201", "table: 5", "rows: 20201 5"]
        shutil.rmtree(tmp_path / "build")
        yield book
    for name in [name for name in sys.modules if name.startswith("chapters.toy")]:
        del sys.modules[name]


def tell(book: ToyBook, value: int) -> None:
    (book.room("toy") / "recorded" / "table.json").write_text(json.dumps({"value": value}))


def refresh(book: ToyBook) -> int:
    return record.main(["--chapters=toy", "--name=claims", "--refresh", "--workers=1"], book.root)


def texts(book: ToyBook) -> list[str]:
    notebook = Edition(book.room("toy") / "recorded").notebook or {}
    return [
        "".join(output["text"]).strip()
        for cell in notebook["cells"]
        for output in cell.get("outputs", [])
        if "text" in output
    ]


def test_what_needs_no_run_is_executed_and_the_rest_stays(
    toy: ToyBook, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(toy, -7)
    edit(toy, '"table:"', '"told:"')
    assert refresh(toy) == 0
    assert texts(toy) == ["runs: 20201", "told: -7", "rows: 20201 -7"]
    found = Edition(toy.room("toy") / "recorded")
    assert [(row["id"], row["ours"], row["outcome"]) for row in found.claims] == [
        ("1", "20201", "holds"),
        ("2", "-7", "fails"),
    ]
    made = found.provenance["refreshed"]
    assert (made["cells kept"], made["cells executed"]) == (2, 3)
    assert found.provenance["seeds"] == 2
    assert not (toy.root / "build" / "record" / "runs").exists()  # none was computed

    before = (toy.room("toy") / "recorded" / "edition.ipynb").read_bytes()
    edit(toy, '"runs:"', '"sum:"')  # of a cell that needs runs
    assert refresh(toy) == 2
    assert "begins with 'records = chapter.repeat" in capsys.readouterr().err
    edit(toy, "runs.Run()", "runs.Run(power=3)")
    assert refresh(toy) == 2
    assert "2 runs have other settings than those of the record" in capsys.readouterr().err
    source = toy.room("toy") / "runs.py"
    source.write_text(source.read_text().replace("** spec.power", "** spec.power + 1"))
    assert refresh(toy) == 2
    assert "expected a record of the same code" in capsys.readouterr().err
    assert (toy.room("toy") / "recorded" / "edition.ipynb").read_bytes() == before


BOTH = "print('together:', total + value)"
MORE = """
more = total + value
ledger.add(runs.row("3", more))
ledger.save()
"""


@pytest.mark.parametrize("toy", [[BOTH], [MORE]], indirect=True)
def test_runs_beside_a_record_that_has_changed_are_refused(
    toy: ToyBook, capsys: pytest.CaptureFixture[str]
) -> None:
    edition = toy.room("toy") / "recorded" / "edition.ipynb"
    (edition.parent / "table.json").write_text(json.dumps({"value": 5, "what": "in other words"}))
    assert refresh(toy) == 0  # its numbers are the same
    before = edition.read_bytes()
    tell(toy, -7)
    assert refresh(toy) == 2
    assert "beside the record table, which has changed" in capsys.readouterr().err
    assert edition.read_bytes() == before


def test_statements_read_records_by_way_of_names() -> None:
    lines = [
        "from room import tables",
        "table = chapter.recorded('table')",
        "tables.show(table)",
        "tables.show(total)",
        "value = table['value']",
        "other = chapter.recorded('other')",
        "found = {}",
        "found.update(other)",
        "ledger.add(row(value), row(found), *[row(total)])",
        "table = 3",
        "print(table, ledger.rows)",
        "both = [chapter.recorded(name) for name in names]",
        "table = chapter.recorded('table')",
        "for name in table: print(name)",
        "print({name: total for name in names})",
        "real = tables.recorded_real(chapter)",
        "later = chapter.recorded('not made yet')",
        "shown = tables.recorded_note(total)",
        "total = 0",
        "print(total)",
        "total = chapter.recorded('other')",
        "print(total)",
        "total = 0",
        "print(total)",
    ]
    cells = [{"cell_type": "code", "id": "c", "source": "\n".join(lines)}]
    read = records_read({"cells": cells}, {"table", "other"})
    told = {statement: names for (_, statement), names in read.items()}
    assert told["tables.show(table)"] == {"table"}
    assert told["tables.show(total)"] == set()
    assert told["value = table['value']"] == {"table"}
    assert told["ledger.add(row(value))"] == {"table"}
    assert told["ledger.add(row(found))"] == {"other"}
    assert told["ledger.add(*[row(total)])"] == set()
    assert told["print(table, ledger.rows)"] == set()
    assert told["both = [chapter.recorded(name) for name in names]"] == {"table", "other"}
    assert told["print({name: total for name in names})"] == set()
    assert told["real = tables.recorded_real(chapter)"] == {"table", "other"}
    assert told["print(total)"] == {"other"}
    assert told["later = chapter.recorded('not made yet')"] == set()
    assert told["shown = tables.recorded_note(total)"] == set()


def edit(book: ToyBook, old: str, new: str) -> None:
    path = book.room("toy") / "toy.ipynb"
    notebook = nbformat.read(path, 4)
    for cell in notebook.cells:
        cell.source = cell.source.replace(old, new)
    nbformat.write(notebook, path)


def test_nothing_is_computed_where_only_stored_runs_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    (first,) = run(walk, [Walk(3)], store)
    monkeypatch.setenv(STORED_ONLY, "1")
    (again,) = run(walk, [Walk(3)], store)
    assert again["end"] == first["end"]
    with pytest.raises(NotStored, match="1 runs of walk are not stored"):
        run(walk, [Walk(3), Walk(4)], store)


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        ("a, (b, *c) = 1, (2, 3)", {"a", "b", "c"}),
        ("a.b[0].c = d[e]", {"a"}),
        ("a[i] += 1", {"a"}),
        ("for i, x in y: z = x", {"i", "x", "z"}),
        ("with f() as g: pass", {"g"}),
        ("import a.b, c as d", {"a", "d"}),
        ("def f(x): y = x", {"f"}),
        ("print(a)", set()),
        ("a = [b for b in c if (d := b)]", {"a", "d"}),
        ("match a:\n    case [b, *c]: pass", {"b", "c"}),
        ("async def f(): x = 1", {"f"}),
    ],
)
def test_the_names_that_a_statement_sets(statement: str, names: set[str]) -> None:
    assert assigned(ast.parse(statement).body[0]) == names


@pytest.mark.parametrize("source", ["def f():\n    global a\n    a = 1", "get_ipython().magic()"])
def test_what_cannot_be_seen_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="its effects are not seen"):
        assigned(ast.parse(source).body[0])


def execute(source: str, missing: Missing) -> None:
    """As a kernel does that is to refresh."""
    try:
        exec(compile(source, "cell", "exec"), missing.namespace)
    except NotStored as error:
        missing.go_on(source, error, error.__traceback__)


def test_what_was_filled_in_part_is_missing() -> None:
    names: dict[str, Any] = {"get": _get, "rows": [], "kept": [1], "np": np}
    missing = Missing(names)
    source = "for i in range(2): rows.append(i if i < 1 else get())\nnp.array(get())"
    execute(source, missing)
    assert "rows" not in names
    assert (names["kept"], names["np"]) == ([1], np)


def test_a_kept_repeat_of_a_row_that_has_moved_is_refused() -> None:
    part = {"kind": "comparison", "margin": 0.0, "values": [1.0, 2.0]}
    rows = [{"id": name, "outcome": "holds", "why": "", "parts": [part]} for name in "12"]
    first, second = without_repeats(rows)
    assert second["why"].startswith("The same runs as 1")
    assert without_repeats([first, second]) == [first, second]
    moved = first | {"parts": [part | {"values": [1.0, 3.0]}]}
    with pytest.raises(ValueError, match="row 2 has other runs now"):
        without_repeats([moved, second])


def test_rows_are_added_one_by_one() -> None:
    (statement,) = ast.parse("ledger.add(a, *b(1), c)").body
    texts = [ast.unparse(part) for part in apart(statement)]
    assert texts == ["ledger.add(a)", "ledger.add(*b(1))", "ledger.add(c)"]
    for other in ("ledger.add(a)", "add(a, b)", "x = ledger.add(a, b)", "books.add(a, b)"):
        (statement,) = ast.parse(other).body
        assert apart(statement) == [statement]


def test_no_older_value_is_taken_for_one_that_is_missing() -> None:
    names: dict[str, Any] = {"records": 1, "get": _get}
    missing = Missing(names)
    source = "records = get()\nseen = [records]\nother = 2\nseen = [other]"
    execute(source, missing)
    assert names["seen"] == [2]
    assert "records" not in names
    with pytest.raises(ZeroDivisionError):
        missing.go_on("get()\n1 / 0", NotStored(), None)
    with pytest.raises(NameError, match="mistyped"):
        missing.go_on("get()\nmistyped", NotStored(), None)
    missing.go_on("get()\nrecords", NotStored(), None)


def _get() -> None:
    raise NotStored
