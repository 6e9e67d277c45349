"""The runner on a toy book: what is redone and when, failures, what is recorded."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import nbformat
import pytest

from tests.press.toy_book import CLAIM, ToyBook
from weaklabels.press.runner import report, stamps
from weaklabels.press.runner.notebooks import chapters_of


def test_only_what_changed_is_redone(toy: ToyBook) -> None:
    assert toy.reproduce() == (0, ["alone", "board", "sharing"])
    assert "['alone.json']" in toy.executed()["board"].decode()
    assert toy.built == 1
    before = toy.executed()

    assert toy.reproduce() == (0, [])
    assert (toy.built, toy.executed()) == (1, before)

    toy.module("shared", "def double(x):\n    return x + x\n")
    assert toy.reproduce() == (0, ["sharing"])
    toy.module("dynamic", "VALUE = 2\n")
    assert toy.reproduce() == (0, ["sharing"])
    toy.chapter("alone", "print(5)", CLAIM.format(slug="alone").replace("holds", "fails"))
    assert toy.reproduce() == (0, ["alone", "board"])
    assert toy.built == 4


STALE: dict[str, tuple[Callable[[ToyBook], object], list[str]]] = {
    "comment": (lambda toy: toy.module("shared", "# x\ndef double(x):\n    return 2 * x\n"), []),
    "unused module": (lambda toy: toy.module("other", "VALUE = 3\n"), []),
    "module": (lambda toy: toy.module("shared", "double = abs\n"), ["sharing"]),
    "broken module": (lambda toy: toy.module("shared", "double =\n"), ["sharing"]),
    "lock": (
        lambda toy: toy.places.lock.write_text("numpy==2\n"), ["alone", "board", "sharing"],
    ),
    "recorded": (
        lambda toy: toy.record("alone"),
        ["alone", "board"],
    ),
    "notebook lost": (lambda toy: (toy._made("notebooks") / "alone.ipynb").unlink(), ["alone"]),
    "claims altered": (
        lambda toy: (toy._made("claims") / "alone.json").write_text("[]"), ["alone", "board"],
    ),
    "state damaged": (lambda toy: (toy._made("state") / "alone.json").write_text("{"), ["alone"]),
    "another seed": (
        lambda toy: setattr(toy, "options", replace(toy.options, seeds=4)),
        ["alone", "board", "sharing"],
    ),
}  # fmt: skip


def test_what_makes_a_chapter_stale(toy: ToyBook) -> None:
    """Each change is undone again, so that one execution serves all."""
    toy.reproduce()
    for name, (change, expected) in STALE.items():
        kept = {p: p.read_bytes() for p in toy.root.rglob("*") if p.is_file()}
        options = toy.options
        change(toy)
        stale = [
            chapter.slug
            for chapter in sorted(chapters_of(toy.places.book), key=lambda c: c.slug)
            if stamps.why_stale(chapter, toy.options, toy.places)
        ]
        assert stale == expected, name
        toy.options = options
        for path in set(toy.root.rglob("*.*")) - kept.keys():
            path.unlink()
        for path, content in kept.items():
            path.write_bytes(content)


def test_a_failure_stays_alone_and_is_shown(
    toy: ToyBook, capsys: pytest.CaptureFixture[str]
) -> None:
    toy.chapter("broken", "print('fine')", "value = 41\nraise KeyError('lost', value)")
    assert toy.reproduce(jobs=2) == (1, ["alone", "board", "sharing"])
    shown = capsys.readouterr().out
    assert "    | raise KeyError('lost', value)" in shown
    assert "KeyError: ('lost', 41)" in shown
    assert "broken" not in toy.executed()
    assert toy.built == 1

    assert toy.reproduce() == (1, [])  # only the failing one is tried again
    toy.chapter("broken", "print('mended')")
    assert toy.reproduce() == (0, ["broken"])
    assert "mended" in toy.executed()["broken"].decode()
    assert not list((toy.places.build / "smoke" / "failed").glob("*"))


def test_a_dying_kernel_and_a_file_that_is_no_notebook_are_failures(
    toy: ToyBook, capsys: pytest.CaptureFixture[str]
) -> None:
    toy.chapter("dying", "import os\nos._exit(3)")
    toy.chapter("torn", "1")
    (toy.room("torn") / "torn.ipynb").write_text('{"cells": [')
    status, done = toy.reproduce(chapters=("dying", "torn", "alone"))
    shown = capsys.readouterr().out
    assert (status, done) == (1, ["alone"])
    assert "    | os._exit(3)" in shown
    assert "DeadKernelError" in shown
    assert "torn.ipynb is not a notebook" in shown


def test_parameters_reach_the_notebook_and_only_differing_ones_are_injected(toy: ToyBook) -> None:
    toy.options = replace(toy.options, seeds=3)
    assert toy.reproduce(chapters=("sharing",)) == (0, ["sharing"])
    notebook = nbformat.reads(toy.executed()["sharing"].decode(), as_version=4)
    assert [out.text for cell in notebook.cells for out in cell.get("outputs", [])] == ["smoke 3\n"]
    injected = [c for c in notebook.cells if "injected-parameters" in c.metadata.get("tags", [])]
    assert [cell.source for cell in injected] == ['# Parameters\nprofile = "smoke"\n']


def test_the_summary_ends_with_the_outcomes_in_words(toy: ToyBook) -> None:
    profile = toy.places.build / "smoke"
    for folder in ("state", "claims"):
        (profile / folder).mkdir(parents=True)
    for slug, outcomes in (("alone", ["holds", "holds", "open"]), ("board", ["fails", "open"])):
        (profile / "state" / f"{slug}.json").write_text('{"duration": 61}')
        rows = [{"id": str(n), "outcome": outcome} for n, outcome in enumerate(outcomes)]
        (profile / "claims" / f"{slug}.json").write_text(json.dumps(rows))
    lines = report.summary(chapters_of(toy.places.book), profile, ["alone"]).splitlines()
    assert lines[0].split("  ")[0] == "chapter"
    assert lines[0].endswith("holds  fails  open  not testable here")
    by_chapter = {line.split()[0]: line.split()[1:] for line in lines[1:-2]}
    assert by_chapter == {
        "alone": ["1:01", "2", "0", "1", "0"],
        "board": ["1:01", "earlier", "0", "1", "1", "0"],
        "sharing": ["-", "not", "executed"],
        "total": ["2:02", "2", "1", "2", "0"],
    }
    assert lines[-1] == "5 claims: 2 hold, 1 fails, 2 are open, 0 not testable"


def test_the_totals_name_the_seeds_of_the_records(toy: ToyBook) -> None:
    """Not those of single rows, which may stand on other runs."""
    profile = toy.places.build / "smoke"
    for folder in ("state", "claims"):
        (profile / folder).mkdir(parents=True)
    for slug, count in (("alone", 12), ("board", 30)):
        (profile / "state" / f"{slug}.json").write_text('{"duration": 61}')
        checks = {"1": "yes", "2": "not checked"}
        rows = [
            {"id": id, "outcome": "holds", "seeds": 3, "check": {"says": says}}
            for id, says in checks.items()
        ]
        (profile / "claims" / f"{slug}.json").write_text(json.dumps(rows))
        chapter = next(each for each in chapters_of(toy.places.book) if each.slug == slug)
        recorded = chapter.path.parent / "recorded"
        recorded.mkdir(exist_ok=True)
        (recorded / "provenance.json").write_text(json.dumps({"seeds": count}))
    text = report.summary(chapters_of(toy.places.book), profile, ["alone"])
    assert text.endswith("(record, 12 to 30 seeds). This run agrees with 2 of 2.")


def test_two_executions_give_the_same_bytes_and_record_how(toy: ToyBook) -> None:
    both = ("alone", "sharing")
    toy.reproduce(chapters=both, jobs=1)
    first = toy.executed()
    shutil.rmtree(toy.places.build)
    toy.reproduce(chapters=both, jobs=2)
    assert toy.executed() == first
    state = json.loads(toy.states()["sharing"])
    assert state["parameters"] == {**toy.options.parameters(), "seeds": 3}
    assert state["seeds"] == 3
    assert state["used"] == ["weaklabels.dynamic"]
    assert state["duration"] > 0
    assert {"python", "numpy", "papermill"} <= state["versions"].keys()
    assert state["device"]
    assert "commit" in state


def test_results_of_a_removed_chapter_go(toy: ToyBook) -> None:
    toy.reproduce(chapters=("alone", "board"))
    toc = toy.places.book / "_toc.yml"
    toc.write_text(toc.read_text().replace("  - file: chapters/alone/alone\n", ""))
    toy.reproduce(chapters=("board",))
    assert sorted(toy.executed()) == ["board"]
    assert "alone" not in toy.executed()["board"].decode()


def test_nothing_heavy_is_imported_when_nothing_changed() -> None:
    code = (
        "import sys, weaklabels.press.runner.reproduction\n"
        "print({'torch', 'papermill', 'numpy', 'pandas'} & set(sys.modules))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "set()\n"
