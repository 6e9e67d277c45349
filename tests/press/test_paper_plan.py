"""`make paper-plan` beside what `make record PROFILE=paper` has recorded."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from tests.press.toy_paper import CELLS, repository
from weaklabels.lab import candidate_sets, keys
from weaklabels.lab.store import Record
from weaklabels.press.paper import plan, throughput, work

SPEED = 1e4
SECONDS = 60.0
"""Of each run, as it was recorded."""


@pytest.fixture
def followed(tmp_path, monkeypatch):
    """A chapter of two tables, followed on a CPU, whose networks were timed; what a call of
    ``record`` finds there, in so many repetitions, costs nothing."""

    def run(self, function, specs):
        provenance = {"seconds": SECONDS}
        return [Record(spec, {"test_accuracy": np.array(50.0)}, provenance) for spec in specs]

    monkeypatch.setattr("weaklabels.press.chapter.Chapter.run", run, raising=False)
    repository(tmp_path, monkeypatch, CELLS[:4] + CELLS[5:])
    cost = {}
    spec = candidate_sets.Spec("PRODEN", dataset="cifar10", epochs=250, candidates="flip", q=0.1)
    throughput.add_cost(cost, spec)
    ((key, images),) = cost.items()
    tables = [
        {"section": "Tables", "runs": runs, "cost": {key: runs * images}, "uncosted": 0}
        for runs in (3, 2)
    ]
    trace = {"slug": "toy", "made_up": {}, "tables": tables}
    (plan.FOUND / "cpu").mkdir(parents=True)
    (plan.FOUND / "cpu" / "toy.json").write_text(json.dumps(trace))
    throughput.file_of(plan.FOUND, "cpu").write_text(json.dumps({key: SPEED}))

    def record(seeds, cells=CELLS[:4] + CELLS[5:]):
        repository(tmp_path, monkeypatch, cells)
        tables = work.Tables("toy", "cpu", "make record PROFILE=paper")
        work.compute(tables, seeds, str(tmp_path / "data"), workers=1)
        return tables

    return record, images / SPEED / 60


def planned(seeds):
    (chapter,) = plan.costs("cpu", seeds, plan.FOUND)
    return [(table.runs, table.minutes) for table in chapter.tables]


def test_a_table_that_is_finished_is_not_planned_again(followed):
    record, one = followed
    assert planned(1) == [(3, pytest.approx(3 * one)), (2, pytest.approx(2 * one))]
    record(1, CELLS[:4])
    assert planned(1) == [(0, 0.0), (2, pytest.approx(2 * one))]
    told = plan.lines(plan.costs("cpu", 1, plan.FOUND))
    assert [line.split() for line in told[2:4]] == [
        ["finished", "0", "runs", "Tables"],
        [f"{2 * one:,.1f}", "min", "2", "runs", "Tables"],
    ]
    record(1)
    assert planned(1) == [(0, 0.0), (0, 0.0)]


def test_the_second_of_two_tables_is_known_for_what_it_is(followed):
    record, one = followed
    record(1, CELLS[:3] + CELLS[5:])
    assert planned(1) == [(3, pytest.approx(3 * one)), (0, 0.0)]


def test_further_seeds_cost_what_those_that_are_there_took(followed):
    record, one = followed
    record(2, CELLS[:4])
    minute = SECONDS / 60
    assert planned(5) == [(9, pytest.approx(3 * 3 * minute)), (10, pytest.approx(5 * 2 * one))]


def test_a_table_of_changed_code_is_planned_at_what_it_took(followed, monkeypatch):
    record, _ = followed
    record(1)
    monkeypatch.setattr(keys, "code_key", lambda _: "changed")
    assert planned(1) == [(3, 3 * SECONDS / 60), (2, 2 * SECONDS / 60)]


def test_what_another_device_took_says_nothing(followed):
    record, one = followed
    path = record(2, CELLS[:4]).path
    content = path.read_text()
    assert '"timed": "throughput-cpu.json"' in content
    path.write_text(content.replace("throughput-cpu", "throughput-NVIDIA-H200"))
    assert planned(3)[0] == (3, pytest.approx(3 * one))


def test_a_chapter_that_is_finished_comes_last():
    left, done = plan.Planned("Tables", 3, 90.0), plan.Planned("Tables", 0, 0.0)
    finished = plan.Costs("done", (done,), 9, ())
    assert plan.Costs("half", (left, done), 0, ("voc2012",)).rank < finished.rank


def test_away_from_the_card_its_speeds_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    names = ["throughput-cpu.json", "throughput-NVIDIA-H200.json", "throughput-NVIDIA-A100.json"]
    (tmp_path / names[0]).touch()
    assert plan.speeds_of(tmp_path, "cuda").name == "throughput-cuda.json"
    (tmp_path / names[1]).touch()
    assert plan.speeds_of(tmp_path, "cuda").name == names[1]
    assert plan.speeds_of(tmp_path, "cpu").name == names[0]
    (tmp_path / names[2]).touch()  # which of the two is meant cannot be known
    assert plan.speeds_of(tmp_path, "cuda").name == "throughput-cuda.json"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA L4")
    (tmp_path / names[2]).unlink()  # a card that is there was not timed
    assert plan.speeds_of(tmp_path, "cuda").name == "throughput-NVIDIA-L4.json"
