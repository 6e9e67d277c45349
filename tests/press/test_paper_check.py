"""`make paper-check` and `make paper-plan`: what is tried again, and what is not known."""

from __future__ import annotations

import copy
import json
import os
import random
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import replace

import psutil
import pytest
import torch
from torch.nn import functional as F

from tests.library import tiny_datasets
from tests.press.toy_paper import CELLS, repository
from weaklabels.lab import candidate_sets
from weaklabels.lab.sharing import Shared, read
from weaklabels.lab.spec import Data
from weaklabels.lab.store import Record
from weaklabels.models import build
from weaklabels.press import machine
from weaklabels.press.paper import __main__ as program
from weaklabels.press.paper import check, follow, plan, sharing, slices, throughput, work

time_networks = check.time_networks
"""As it is; see ``parts``."""

TRACE = {"slug": "toy", "cells": 1, "silent": [], "made_up": {}, "tables": [], "seconds": 1}


@pytest.fixture
def followed(tmp_path, monkeypatch):
    """Following a chapter costs nothing: how each attempt ends, and how many there were."""
    repository(tmp_path, monkeypatch, CELLS[:1])
    attempts, ends = [], []

    def run(command, **_):
        attempts.append(command[command.index("--data") + 1])
        status, failed = ends.pop(0)
        if status != 1:
            (tmp_path / "toy.json").write_text(json.dumps(TRACE | {"failed": failed}))
        said = "Traceback:\nModuleNotFoundError: No module named 'IPython'\n"
        return subprocess.CompletedProcess(command, status, stderr=said)

    monkeypatch.setattr(subprocess, "run", run)

    def attempt(*planned, data="data"):
        ends.extend(planned)
        return check.follow_all(["toy"], "cpu", str(tmp_path / data), tmp_path, 1)

    return attempt, attempts


def test_a_chapter_in_which_something_failed_is_followed_again(followed, capsys):
    attempt, attempts = followed
    failed = (follow.FAILED, [("Tables", "cell 'x': RuntimeError: CUDA out of memory")])
    assert attempt(failed) == attempt(failed) == [False]
    assert attempt((0, [])) == attempt() == [True]
    assert len(attempts) == 3
    said = capsys.readouterr().out
    assert said.count("  failed: Tables: cell 'x': RuntimeError: CUDA out of memory\n") == 2


def test_a_chapter_that_cannot_be_followed_is_no_success_of_an_earlier_day(followed, capsys):
    attempt, attempts = followed
    assert attempt((0, [])) == [True]
    assert attempt((1, []), data="other") == attempt((1, []), data="other") == [False]
    assert len(attempts) == 3
    told = "toy: could not be followed: ModuleNotFoundError: No module named 'IPython'\n"
    assert told in capsys.readouterr().out


def test_a_chapter_is_followed_again_when_other_data_are_named_or_more_have_come(
    followed, tmp_path
):
    attempt, attempts = followed
    attempt((0, []))
    attempt((0, []), data="other")
    (tmp_path / "other" / "cifar10").mkdir(parents=True)
    attempt((0, []), data="other")
    attempt(data="other")
    assert [path.rpartition("/")[2] for path in attempts] == ["data", "other", "other"]


ENDLESS = """
import os, sys, time, types
def follow(*_):
    open(os.environ["WEAKLABELS_BUILD"] + "/on", "w").close()
    time.sleep(300)
sys.modules["weaklabels.press.paper.follow"] = types.SimpleNamespace(FAILED=3, follow=follow)
from weaklabels.press.paper.__main__ import main
main(sys.argv[1:])
"""
"""The program that follows a chapter, of which it never comes to an end."""


def check_without_end(root, monkeypatch):
    """A command that follows a chapter, in a process of its own; returns its number."""
    number, run = os.fork(), subprocess.run
    if number:
        return number

    def run_endless(command, **told):
        return run([command[0], "-c", ENDLESS, *command[3:]], **told)

    try:
        monkeypatch.setattr(subprocess, "run", run_endless)
        check.follow_all(["toy"], "cpu", str(root), root, 1)
    finally:
        os._exit(1)


def test_a_chapter_is_followed_no_longer_than_the_command_lives(tmp_path, monkeypatch):
    repository(tmp_path, monkeypatch, CELLS[:1])
    number = check_without_end(tmp_path, monkeypatch)
    while not (tmp_path / "on").exists():
        time.sleep(0.1)
    (follower,) = psutil.Process(number).children()
    os.kill(number, signal.SIGKILL)
    os.waitpid(number, 0)
    _, alive = psutil.wait_procs([follower], timeout=20)
    for process in alive:
        process.kill()
    assert not alive


def follow_in_a_fork(command, env, stdin, **_):
    """In place of ``subprocess.run``: a process that need not import anything."""
    number = os.fork()
    if number:
        status = os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
        return subprocess.CompletedProcess(command, status, stderr="")
    status = 1
    try:
        os.dup2(stdin, 0)
        for each in range(3, 256):  # the other end of its standard input is among them
            with suppress(OSError):
                if os.path.samestat(os.fstat(each), os.fstat(0)):
                    os.close(each)
        os.environ.update(env)
        status = program.main(command[3:])
    finally:
        os._exit(status)


def start(*arguments):
    """The command, in a process of its own; returns its number."""
    number = os.fork()
    if number:
        return number
    status = 1
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        status = check.main(["--jobs", "1", *arguments])
    finally:
        os._exit(status)


def found_in(folder):
    """What a check has found, but for the times that it took."""
    trace = json.loads((folder / "cpu" / "toy.json").read_text())
    tables = [table | {"seconds": 0} for table in trace["tables"]]
    timed = json.loads(throughput.file_of(folder, "cpu").read_text())
    return trace | {"seconds": 0, "tables": tables}, set(timed)


def test_killed_at_random_moments_it_ends_with_what_it_finds_in_one_go(
    tmp_path, monkeypatch, parts
):
    repository(tmp_path, monkeypatch, CELLS)
    follow.follow("toy", "cpu", str(tmp_path / "data"), workers=1)  # here all code is read once
    monkeypatch.setattr(subprocess, "run", follow_in_a_fork)
    monkeypatch.setattr(check, "time_networks", time_networks)
    runs = plan.FOUND / "cpu" / "paper" / "runs"
    assert os.waitstatus_to_exitcode(os.waitpid(start(), 0)[1]) == 0
    expected, names = found_in(plan.FOUND), {path.name for path in runs.glob("*.npz")}
    assert len(names) == 2
    assert len(expected[1]) == 1
    shutil.rmtree(tmp_path / "build")

    moments, kept = random.Random(2023), set()
    for sent in (signal.SIGINT, signal.SIGKILL, signal.SIGTERM, None):
        process = psutil.Process(start(*([] if sent else ["--budget", "0.2s"])))
        time.sleep(moments.uniform(0.02, 0.3))
        children = process.children(recursive=True)
        if sent:
            process.send_signal(sent)
        status = os.waitstatus_to_exitcode(os.waitpid(process.pid, 0)[1])
        assert status in ({0, 130, -sent} if sent else {0})
        assert not psutil.wait_procs(children, timeout=20)[1]
        now = {path.name for path in runs.glob("*.npz")}
        assert kept <= now <= names
        kept = now
    assert os.waitstatus_to_exitcode(os.waitpid(start(), 0)[1]) == 0
    assert found_in(plan.FOUND) == expected
    assert {path.name for path in runs.glob("*")} - {"checkpoints"} == names
    assert not [
        *plan.FOUND.rglob("*.part"),
        *plan.FOUND.rglob("*.tmp"),
        *runs.glob("checkpoints/*"),
    ]


def test_an_empty_run_is_no_success(tmp_path, monkeypatch):
    repository(tmp_path, monkeypatch, [CELLS[0], f"import missing\n{CELLS[1]}", *CELLS[2:]])
    monkeypatch.setenv("WEAKLABELS_BUILD", str(tmp_path))
    assert program.main(["toy", "--data", str(tmp_path)]) == follow.FAILED
    trace = json.loads((tmp_path / "toy.json").read_text())
    ((_, error),) = trace["failed"]
    assert error.endswith("ModuleNotFoundError: No module named 'missing'")
    told = "\n".join(check.lines(trace))
    assert "  failed: Tables: cell 'import missing'" in told


def test_a_chapter_may_not_be_silent_as_a_whole(tmp_path, monkeypatch):
    few = "raise ValueError('class 0 has 2 samples: more than clean are needed')"
    for silent, told in ((1, []), (2, [("all", "2 of 7 cells are silent: expected at most 20%")])):
        repository(tmp_path, monkeypatch, [CELLS[0], *["pass"] * (6 - silent), *[few] * silent])
        assert follow.follow("toy", "cpu", str(tmp_path), workers=1).failed == told


def stand_in(self, function, cases):
    """In place of ``Chapter.run``: runs that find nothing, and cost nothing."""
    return [Record(case, {}, {}) for case in cases]


def test_what_is_made_up_is_told_of_runs_that_are_stored(tmp_path, monkeypatch):
    def stored(self, function, cases):
        return [Record(case, {}, {}) for case in cases if case.made_up]

    monkeypatch.setattr("weaklabels.press.chapter.Chapter.run", stored, raising=False)
    repository(tmp_path, monkeypatch, CELLS[:4])
    trace = follow.follow("toy", "cpu", str(tmp_path / "data"), workers=1)
    assert (trace.failed, trace.made_up) == ([], {"cifar10": True})


def test_two_workers_are_tried(tmp_path, monkeypatch):
    told = {}

    def run(function, cases, store, **given):
        told.update(given, seeds=[case.spec.seed for case in cases])

    monkeypatch.setattr(check.sweep, "run", run)
    check.two_workers(str(tmp_path), tmp_path)
    assert told == {"workers": 2, "seeds": [0, 1]}


# -- costs ----------------------------------------------------------------------------------------


def written(root, **tables):
    """What was found of a chapter: table -> its costs, and how many runs have none."""
    found = [
        {"section": name, "runs": 2, "cost": cost, "uncosted": uncosted}
        for name, (cost, uncosted) in tables.items()
    ]
    path = plan.FOUND / "cpu" / f"{root}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(TRACE | {"slug": root, "tables": found}))


def test_a_table_whose_cost_is_unknown_comes_last_and_says_so(tmp_path, monkeypatch):
    for slug in ("alone", "known", "mixed"):
        repository(tmp_path, monkeypatch, CELLS[:1], slug)
    written("alone", equations=({}, 2))
    written("mixed", part=({"net": 6e4}, 1), untimed=({"other": 6e4}, 0), timed=({"net": 6e4}, 0))
    written("known", slow=({"net": 6e6}, 0))
    throughput.file_of(plan.FOUND, "cpu").write_text(json.dumps({"net": 1000.0, "other": None}))
    planned = plan.costs("cpu", 3, plan.FOUND)
    assert [each.slug for each in planned] == ["mixed", "known", "alone"]
    assert [each.minutes for each in planned] == [3.0, 300.0, None]
    told = plan.lines(planned)
    assert told[0] == throughput.NOT_COUNTED
    assert [line.split() for line in told[1:5]] == [
        ["mixed:", "3.0", "minutes,", "0", "undecided", "rows"],
        ["3.0", "min", "6", "runs", "timed"],
        ["cost", "unknown", "6", "runs", "part"],
        ["cost", "unknown", "6", "runs", "untimed"],
    ]
    assert "alone: cost unknown, 0 undecided rows" in told
    assert told[-1].endswith("; 3 tables of unknown cost")


def test_only_networks_on_published_data_have_a_cost():
    cost = {}
    spec = candidate_sets.Spec("CC", dataset="cifar10", epochs=10)
    assert throughput.add_cost(cost, spec)
    assert not throughput.add_cost(cost, replace(spec, dataset="digits"))
    assert not throughput.add_cost(cost, Data(dataset="cifar10"))
    assert len(cost) == 1


def test_the_speed_of_a_card_says_nothing_of_runs_on_the_cpu(tmp_path, monkeypatch):
    monkeypatch.setattr(slices, "SIZES", dict.fromkeys(("cpu", "cuda"), slices.SIZES["cpu"]))
    monkeypatch.setattr("weaklabels.press.chapter.Chapter.run", stand_in, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "a card")
    beside = "_ = chapter.repeat(run, {'on a card': base, 'beside': replace(base, device='cpu')})"
    repository(tmp_path, monkeypatch, [*CELLS[:4], beside])
    for device, beside_it in (("cuda:0", 1), ("cpu", 0)):
        trace = follow.follow("toy", device, str(tmp_path), workers=1)
        assert trace.failed == []
        first, second = trace.tables
        assert (first.uncosted, first.on_cpu) == (0, 0)
        assert (second.uncosted, second.on_cpu) == (beside_it, beside_it)
    told = {"section": "Tables", "runs": 2, "cost": {"net": 6e4}, "uncosted": 1, "on_cpu": 1}
    table = plan._planned(told, None, 3, {"net": 1e3}, "throughput-H200.json")
    assert table == ("Tables", 6, None, 3)
    (_, _, line, _) = plan.lines([plan.Costs("toy", (table,), 0, ())])
    assert line.split("  ")[-1] == "Tables; on the CPU: 3 runs"


def test_runs_on_the_cpu_are_left_out_on_both_sides():
    spec = candidate_sets.Spec("CC", dataset="cifar10", device="cuda:0")
    runs = [Record(each, {}, {}) for each in (spec, replace(spec, device="cpu"))]
    assert work.cost_of(runs, "cuda:0")["images"] == work.cost_of(runs[:1], "cuda:0")["images"] > 0


def test_each_step_of_an_attack_is_a_pass():
    from chapters.stability_attacks.runs import Spec

    spec = Spec(dataset="cifar10", epochs=100, steps=10)
    cost = {}
    throughput.add_cost(cost, spec)
    assert sum(cost.values()) == pytest.approx(100 * (11 * 50_000 + 10_000 / 3))


def test_a_network_that_could_not_be_timed_is_tried_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(plan, "FOUND", tmp_path)
    key = throughput.signature(candidate_sets.Spec("CC", dataset="cifar10"))
    written("toy", table=({key: 1.0}, 0))
    results = [RuntimeError("CUDA error: unspecified launch failure"), 5.0]

    def measure(*_):
        if isinstance(result := results.pop(0), Exception):
            raise result
        return result

    monkeypatch.setattr(throughput, "measure", measure)
    throughput.file_of(tmp_path, "cpu").write_text(json.dumps({key: None}))
    check.time_networks("cpu", tmp_path / "cpu")
    assert "RuntimeError: CUDA error: unspecified launch failure" in capsys.readouterr().out
    check.time_networks("cpu", tmp_path / "cpu")
    assert json.loads(throughput.file_of(tmp_path, "cpu").read_text()) == {key: 5.0}


def test_speeds_are_those_of_a_card_and_its_clock_waits_for_it(tmp_path, monkeypatch):
    waited = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"NVIDIA H{device[-1]}00")
    monkeypatch.setattr(torch.cuda, "synchronize", lambda *given: waited.append(given))
    assert throughput.file_of(tmp_path, "cpu").name == "throughput-cpu.json"
    assert throughput.file_of(tmp_path, "cuda:2").name == "throughput-NVIDIA-H200.json"
    assert throughput.file_of(tmp_path, "cuda:1").name == "throughput-NVIDIA-H100.json"
    throughput._seconds(lambda: None, "cuda:1")
    assert waited == [("cuda:1",)] * 2


@pytest.fixture
def parts(monkeypatch):
    """The parts of a check cost nothing: the names of those that were done."""
    done = []
    names = ("time_networks", "time_reading", "time_compiled", "two_processes", "two_workers")
    for name in (*names, "time_sharing", "tell_speeds"):

        def part(*_, name=name):
            done.append(name)

        part.__name__ = name
        monkeypatch.setattr(check, name, part)
    return done


def test_a_part_that_fails_leaves_the_others_alone(parts, tmp_path, monkeypatch, capsys):
    def fails(*_):
        raise ChildProcessError("the run on 2 processes failed: see above")

    monkeypatch.setattr(check, "two_processes", fails)
    assert not check._check([], "cpu", "data", tmp_path, 1)
    assert parts.count("time_networks") == 3
    assert parts[-4:] == ["two_workers", "time_sharing", "time_networks", "tell_speeds"]
    assert "failed: fails: ChildProcessError: the run on 2 processes" in capsys.readouterr().out


def test_networks_are_timed_early_and_what_has_failed_comes_last(parts, tmp_path, monkeypatch):
    def follow_all(slugs, *_):
        parts.extend(slugs)
        return [slug != "b" for slug in slugs]

    monkeypatch.setattr(check, "follow_all", follow_all)
    (tmp_path / "b.json").write_text(json.dumps(TRACE | {"failed": [("Tables", "broken")]}))
    (tmp_path / "c.json").write_text(json.dumps(TRACE | {"failed": []}))
    assert not check._check(["a", "b", "c"], "cpu", "data", tmp_path, 1)
    assert parts[:5] == ["time_networks", "a", "c", "time_networks", "time_reading"]
    assert parts[-3:] == ["b", "time_networks", "tell_speeds"]
    (tmp_path / "b.json").unlink()
    assert check._check(["a"], "cpu", "data", tmp_path, 1)


@pytest.mark.parametrize("at_hand", [True, False])
def test_where_photographs_are_read_from_is_told_beside_the_speed_on_tensors(
    at_hand, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("WEAKLABELS_BUILD", str(tmp_path / "build"))
    if at_hand:
        tiny_datasets.voc2012(tmp_path, train=20, val=10)
    monkeypatch.setattr(throughput, "measure_reading", lambda *_, **__: 30.0)
    monkeypatch.setattr(throughput, "measure", lambda *_, **__: 40.0)
    check.time_reading("cpu", str(tmp_path))
    source = "on disk" if at_hand else "made up in memory"
    assert capsys.readouterr().out == (
        f"resnet50 from photographs {source}, with its augmentation: 30.0 im/s, "
        "75% of the 40.0 im/s on synthetic tensors\n"
    )


def test_a_network_is_timed_compiled_on_a_gpu_alone(tmp_path, monkeypatch, capsys):
    asked = []

    def measure(key, device, size, *, compiled=False):
        asked.append((json.loads(key)["network"], json.loads(key)["shape"], device))
        return 60.0 if compiled else 40.0

    monkeypatch.setattr(throughput, "measure", measure)
    check.time_compiled("cpu", str(tmp_path))
    assert asked == []
    check.time_compiled("cuda:1", str(tmp_path))
    assert asked == [("resnet50", [3, 448, 448], "cuda:1")] * 2
    assert capsys.readouterr().out.splitlines() == [
        "not compiled: on a CPU compiling a network takes longer than a check",
        "resnet50 compiled: 60.0 im/s, 150% of 40.0 im/s",
    ]


def test_a_card_is_shared_once_by_each_kind_of_run(tmp_path, monkeypatch, capsys):
    asked = []

    def measure(function, case, device):
        asked.append((function, case.function, case.spec.network, case.spec.batch_size))
        return Shared({1: 10.0, 2: 19.0}, 2_000_000_000)

    monkeypatch.setattr(sharing.sharing, "measure", measure)
    monkeypatch.setattr(sharing, "measure_stacked", lambda count, device: count / 2)
    sharing.time_sharing("cpu", "data", tmp_path)
    assert (asked, [*tmp_path.iterdir()]) == ([], [])
    sharing.time_sharing("cuda", str(tmp_path), tmp_path)
    protocols = [f"weaklabels.lab.{name}:run" for name in ("candidate_sets", "multilabel")] * 2
    assert [(follow.run_case, name) for name in protocols] == [each[:2] for each in asked]
    networks = [("mlp", 32), ("patch_net", 16), ("lenet", 256), ("resnet50", 16)]
    assert [each[2:] for each in asked] == networks
    assert len(read(machine.sharing_file(tmp_path, "cuda", "record"))) == 2
    assert len(read(machine.sharing_file(tmp_path, "cuda", "paper"))) == 2
    sharing.time_sharing("cuda", str(tmp_path), tmp_path)
    assert len(asked) == 4
    line = (
        "LeNet on CIFAR-10: runs a minute by number of processes 1: 10.0, 2: 19.0; best 2, 2.0 GB"
    )
    said = capsys.readouterr().out
    assert f"{line} each\n" in said
    assert said.endswith(
        "16 MLPs on digits stacked in one computation: at most 8.0 times one alone\n"
    )


def test_the_runs_that_share_a_card_can_be_computed(tmp_path, monkeypatch):
    monkeypatch.setenv("WEAKLABELS_BUILD", str(tmp_path))
    for cases in sharing.kinds(str(tmp_path), "cpu").values():
        for case in cases.values():
            assert follow.run_case(case)


def test_stacked_networks_learn_what_each_learns_alone():
    models = [build("mlp", 3, seed=seed, inputs=8) for seed in range(4)]
    alone = copy.deepcopy(models)
    x, target = torch.rand(4, 5, 8), torch.rand(4, 5, 3).round()
    step, weights = throughput.stacked_step(models, x, target)
    for _ in range(20):
        step()
    for place, model in enumerate(alone):
        optimiser = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
        for _ in range(20):
            optimiser.zero_grad()
            loss = F.binary_cross_entropy_with_logits(model(x[place]), target[place])
            loss.backward()
            optimiser.step()
        for name, weight in model.named_parameters():
            torch.testing.assert_close(weights[name][place], weight, atol=1e-5, rtol=1e-5)
            assert not torch.equal(weight, dict(models[place].named_parameters())[name])
    assert throughput.measure_stacked(2, "cpu") > 0
