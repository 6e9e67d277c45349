"""`make record PROFILE=paper`: what is kept, what is told, and what a kill leaves behind."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import psutil
import pytest
from chapters.l2d import runs as l2d

from tests.press.toy_paper import CELLS, DIGITS, repository
from weaklabels.lab import candidate_sets
from weaklabels.lab.checkpoint import Checkpoint
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record
from weaklabels.press.paper import follow, work
from weaklabels.press.paper.at_hand import by_data
from weaklabels.press.paper.shorten import (
    resumable,
    with_weights,
    with_weights_at_hand,
)
from weaklabels.press.runner.files import only_one


def tables_of(root, slug="toy"):
    path = root / "book" / "chapters" / slug / "recorded" / "paper.json"
    return json.loads(path.read_text())["tables"] if path.exists() else []


def scores_of(root):
    return [(each["cell"], each["rows"]) for each in tables_of(root)]


@pytest.fixture
def scored(monkeypatch):
    """Runs that cost nothing: all have the score that is set here."""
    score = {"now": 50.0}

    def run(self, function, specs):
        return [Record(spec, {"test_accuracy": np.array([score["now"]])}, {}) for spec in specs]

    monkeypatch.setattr("weaklabels.press.chapter.Chapter.run", run, raising=False)
    return score


def compute(root):
    tables = work.Tables("toy", "cpu", "make record PROFILE=paper CHAPTERS=toy")
    work.compute(tables, 1, str(root / "data"), workers=1)
    return tables


def test_a_table_is_replaced_by_its_own_new_result_alone(tmp_path, monkeypatch, scored):
    single, pair = (
        f"# {name}\n" + "".join(f"chapter.repeat(run, {{{q}: base}})\n" for q in qs)
        for name, qs in (("single", "1"), ("pair", "23"))
    )
    repository(tmp_path, monkeypatch, [*CELLS[:3], single, pair])
    compute(tmp_path)
    assert [each["number"] for each in tables_of(tmp_path)] == [1, 1, 2]

    repository(tmp_path, monkeypatch, [*CELLS[:3], "# single\n1 / 0", pair + "1 / 0"])
    scored["now"] = 70.0
    assert len(compute(tmp_path).failed) == 2
    found = {row: values for _, rows in scores_of(tmp_path) for row, values in rows.items()}
    assert [found[row]["test_accuracy"] for row in "123"] == [[50.0], [70.0], [70.0]]

    repository(tmp_path, monkeypatch, [*CELLS[:3], pair.replace("3: base", "1 / 0: base")])
    scored["now"] = 90.0
    compute(tmp_path)
    found = {row: values for _, rows in scores_of(tmp_path) for row, values in rows.items()}
    assert [found[row]["test_accuracy"] for row in "123"] == [[50.0], [90.0], [70.0]]


def test_what_fails_is_told_and_leaves_the_other_chapters_alone(
    tmp_path, monkeypatch, scored, capfd
):
    dead = [CELLS[0], "import os", "os.kill(os.getpid(), 9)"]
    repository(tmp_path, monkeypatch, dead, "a_dead")
    raises = [CELLS[0], "raise RuntimeError('device-side assert')"]
    repository(tmp_path, monkeypatch, raises, "b_raises")
    repository(tmp_path, monkeypatch, [CELLS[0], "open('/no/such/data')"], "c_lacks")
    repository(tmp_path, monkeypatch, CELLS[:4])
    assert work.main([]) == 1
    said = capfd.readouterr().out.splitlines()
    assert said == [
        "a_dead: failed: its process ended with status -9",
        "b_raises: 0 tables; 0 cells lack data",
        "  failed: Tables: cell \"raise RuntimeError('device-side assert')\": "
        "RuntimeError: device-side assert",
        "c_lacks: 0 tables; 1 cells lack data",
        "toy: 1 tables; 0 cells lack data",
    ]
    assert len(tables_of(tmp_path)) == 1
    assert work.main(["--chapters", "c_lacks,toy"]) == 0


def test_a_run_that_was_stopped_goes_on_from_its_checkpoint(tmp_path, monkeypatch):
    repository(tmp_path, monkeypatch, DIGITS[:4])
    restored, restore = [], Checkpoint.restore
    monkeypatch.setattr(
        Checkpoint, "restore", lambda self: restored.append(restore(self)) or restored[-1]
    )
    compute(tmp_path)
    whole = scores_of(tmp_path)
    shutil.rmtree(tmp_path / "build")
    with follow._dying_after_an_epoch(), suppress(follow._Killed):
        compute(tmp_path)
    compute(tmp_path)
    assert restored == [0, 0, 0, 0, 1, 0, 0]
    assert scores_of(tmp_path) == whole


def test_nothing_half_written_stays_and_two_at_once_are_refused(tmp_path, monkeypatch, capsys):
    repository(tmp_path, monkeypatch, CELLS[:1])
    left = [
        tmp_path / "build" / "paper" / "runs" / "run-1.99999999.tmp",
        tmp_path / "book" / "chapters" / "toy" / "recorded" / "paper.json.part",
    ]
    for path in left:
        path.parent.mkdir(parents=True)
        path.touch()
    with only_one(tmp_path / "build" / "paper"):
        assert work.main(["--workers", "1"]) == 2
    assert "Another command executes notebooks in" in capsys.readouterr().err
    assert work.main(["--workers", "1"]) == 0
    assert not any(path.exists() for path in left)


def start(*arguments):
    """The command, in a process that need not import anything."""
    number = os.fork()
    if not number:
        status = 1
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(1, 2)
            status = work.main(["--workers", "1", *arguments])
        finally:
            os._exit(status)
    return number


def test_killed_at_random_moments_it_ends_with_the_same_tables(tmp_path, monkeypatch):
    repository(tmp_path, monkeypatch, DIGITS)
    assert os.waitstatus_to_exitcode(os.waitpid(start(), 0)[1]) == 0
    expected, runs = scores_of(tmp_path), tmp_path / "build" / "paper" / "runs"
    assert len(expected) == 2
    shutil.rmtree(tmp_path / "build")
    shutil.rmtree(tmp_path / "book" / "chapters" / "toy" / "recorded")

    moments, kept = random.Random(2022), set()
    for sent in (signal.SIGINT, signal.SIGKILL, signal.SIGTERM, None):
        process = psutil.Process(start(*([] if sent else ["--budget", "0.2s"])))
        time.sleep(moments.uniform(0.05, 0.4))
        children = process.children(recursive=True)
        if sent:
            process.send_signal(sent)
        status = os.waitstatus_to_exitcode(os.waitpid(process.pid, 0)[1])
        assert status in ({0, 130, -sent} if sent else {0})
        assert not psutil.wait_procs(children, timeout=5)[1]
        now = {path.name for path in runs.glob("*.npz")}
        assert kept <= now
        kept = now
        assert all(table in expected for table in scores_of(tmp_path))
        if sent != signal.SIGKILL:
            assert not list(runs.glob("*.tmp"))
    assert os.waitstatus_to_exitcode(os.waitpid(start(), 0)[1]) == 0
    assert scores_of(tmp_path) == expected
    assert not list(runs.glob("*.tmp"))
    assert not list(runs.glob("checkpoints/*"))


# -- tables over several datasets -----------------------------------------------------------------


SEVERAL = [
    *CELLS[:2],
    "sets = {'C': 'cifar10', 'D': 'digits', 'M': 'mnist'}\n"
    "table = {name: Spec('CC', dataset=each, device=device) for name, each in sets.items()}",
    "found = chapter.repeat(run, table)",
    "found['D']",
    "listed = chapter.run(run, [*table.values()])",
]
"""Two tables over three datasets, of which one needs no files."""


@pytest.fixture
def at_hand(monkeypatch):
    """Runs that cost nothing, of which those on other datasets than these find no data."""
    names = {"digits"}

    def run(self, function, specs):
        specs = list(specs)
        for spec in specs:
            if spec.dataset not in names:
                raise FileNotFoundError(f"{spec.dataset} is missing: run `make data`")
        return [Record(spec, {"test_accuracy": np.array(50.0)}, {}) for spec in specs]

    monkeypatch.setattr("weaklabels.press.chapter.Chapter.run", run, raising=False)
    return names


def test_rows_of_a_table_whose_data_are_at_hand_are_written(tmp_path, monkeypatch, at_hand, capsys):
    repository(tmp_path, monkeypatch, SEVERAL)
    tables = compute(tmp_path)
    assert (tables.failed, tables.added) == ([], 2)
    named, listed = tables_of(tmp_path)
    assert [*named["rows"]] == ["D"]
    assert [values for row in listed["rows"].values() for values in row.values()] == [[50.0]]
    assert named["left out"] == listed["left out"] == ["cifar10", "mnist"]
    assert named["runs"] == 1
    loaders = [each for each in named["keys"]["code"] if each.startswith("weaklabels.data")]
    assert loaders == ["weaklabels.data.digits:load"]
    assert capsys.readouterr().out == "toy: Tables: rows of cifar10, mnist are left out\n" * 2
    assert work.lines(tables) == ["toy: 2 tables; 2 cells lack data"]


def test_more_data_give_more_rows_and_fewer_take_none_away(tmp_path, monkeypatch, at_hand):
    repository(tmp_path, monkeypatch, SEVERAL)
    for more, rows in (("cifar10", "CD"), ("mnist", "CDM")):
        at_hand.add(more)
        compute(tmp_path)
        assert "".join(tables_of(tmp_path)[0]["rows"]) == rows
    assert tables_of(tmp_path)[0]["left out"] == []
    at_hand.remove("cifar10")
    assert compute(tmp_path).added == 0
    assert "".join(tables_of(tmp_path)[0]["rows"]) == "CDM"


def test_without_any_of_its_data_there_is_no_table(tmp_path, monkeypatch, at_hand, capsys):
    at_hand.clear()
    repository(tmp_path, monkeypatch, SEVERAL)
    tables = compute(tmp_path)
    assert (tables.failed, tables.added, tables_of(tmp_path)) == ([], 0, [])
    assert capsys.readouterr().out == ""


@dataclass(frozen=True)
class Around:
    """A run that builds on another."""

    run: candidate_sets.Spec
    seed: int = 0


def test_what_a_run_learns_from_is_named_at_any_depth():
    spec = candidate_sets.Spec("CC", dataset="partial_label", data_options=options(which="lost"))
    other = replace(spec, data_options=options(which="birdsong"))
    table = {"a": spec, "b": Around(spec), "c": other, "d": replace(spec, seed=3)}
    assert {name: [*rows] for name, rows in by_data(table).items()} == {
        "partial_label (which=lost)": ["a", "b", "d"],
        "partial_label (which=birdsong)": ["c"],
    }


def test_random_weights_are_named_at_any_depth(monkeypatch):
    monkeypatch.setattr("weaklabels.press.paper.shorten.weights_at_hand", lambda _: False)
    decoder = candidate_sets.Spec(
        "CC", network="label_decoder", network_options=options(backbone="resnet34")
    )
    plain = candidate_sets.Spec("CC", network="resnet50")
    for spec, names in ((Around(decoder), {"resnet34"}), (plain, {"resnet50"})):
        assert with_weights(spec) == names
        assert with_weights(with_weights_at_hand(spec)) == set()
    assert with_weights(replace(plain, network="mlp")) == set()
    small = options(small=True, pretrained=False)
    assert with_weights(replace(plain, network_options=small)) == set()


def test_a_run_that_others_build_on_is_the_one_that_stands_alone():
    """A teacher that were another run would be trained twice, and anew after each kill."""
    student = l2d.Spec("Vanilla", teacher=l2d.Spec("Vanilla", network="resnet50"))
    resumed = resumable(student)
    assert resumed.checkpoint
    assert (
        resumed.teacher == resumable(student.teacher) == replace(student.teacher, checkpoint=True)
    )
    assert resumable(Around(plain := candidate_sets.Spec("CC"))).run == resumable(plain)
