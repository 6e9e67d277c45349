"""What the commands can be told, and how many things are done at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.press.toy_book import ToyBook
from weaklabels.lab.sharing import COUNTS, Shared, written
from weaklabels.press import machine
from weaklabels.press.runner import reproduction, schedule
from weaklabels.press.runner.options import Options, UsageError, parse


@pytest.mark.parametrize(
    ("argument", "named"),
    [
        ("--profile=fast", "PROFILE=fast"),
        ("--profile=record", "PROFILE=record is computed by `make record`"),
        ("--chapters=alone,nowhere", "CHAPTERS=nowhere"),
        ("--device=tpu", "DEVICE=tpu"),
        ("--device=mps", "DEVICE=mps is for `make test`"),
        ("--seeds=-1", "SEEDS=-1"),
        ("--seeds=0", "SEEDS=0"),
        ("--seeds=2.5", "SEEDS=2.5"),
        ("--seeds=many", "SEEDS=many"),
        ("--jobs=0", "JOBS=0"),
        ("--workers=0", "WORKERS=0"),
        ("--gpus=two", "GPUS=two"),
        ("--gpus=2", "GPUS=2 needs DEVICE=cuda"),
        ("--data=/nowhere/at/all", "DATA=/nowhere/at/all"),
        ("--data=/dev/null", "DATA=/dev/null"),
        ("--scheduler=here", "SCHEDULER=here"),
        ("--budget=9m", "BUDGET=9m is for `make record` and `make paper-check`"),
        ("--colour=red", "--colour=red"),
    ],
)
def test_a_wrong_parameter_is_one_sentence(toy: ToyBook, argument: str, named: str) -> None:
    with pytest.raises(UsageError) as error:
        parse([argument], toy.places.book)
    message = str(error.value)
    assert named in message
    assert message.endswith(".")
    assert "\n" not in message
    assert not toy.places.build.exists()


def test_a_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch, toy: ToyBook) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("weaklabels.press.runner.options.SIGNS_OF_A_GPU", ())
    with pytest.raises(UsageError, match="DEVICE=cuda needs an NVIDIA GPU"):
        parse(["--device=cuda"], toy.places.book)


def test_the_command_itself_refuses(tmp_path: Path) -> None:
    """As typed: one line on stderr, a non-zero status, no folder created."""
    environment = {**os.environ, "WEAKLABELS_BUILD": str(tmp_path / "build")}
    environment.pop("PYTHONPATH", None)
    command = [sys.executable, "-m", "weaklabels.press.reproduce", "--profile=fast"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "PROFILE=fast is unknown: expected quick, record, paper, smoke.\n"
    assert not (tmp_path / "build").exists()


def test_a_budget_is_not_ignored_by_make_reproduce() -> None:
    command = ["make", "-n", "check", "BUDGET=9m"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert "weaklabels.press.reproduce --check" in done.stdout
    assert "--budget='9m'" in done.stdout


def test_a_mistyped_variable_of_make_is_refused() -> None:
    root = Path(__file__).parents[2]
    for variable in ("CHAPTER=cap", "seeds=2"):
        command = ["make", "-n", "book", variable]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True)
        assert done.returncode == 2
        assert f"{variable} is unknown: expected one of ARCHIVE BUDGET CHAPTERS" in done.stderr


@pytest.mark.parametrize("name", ["CHAPTER", "SEED", "WORKER", "JOB", "PROFIL"])
def test_a_mistyped_variable_of_the_environment_is_refused(name: str) -> None:
    root = Path(__file__).parents[2]
    for flags, environment in ([], {name: "x"}), (["-e"], {name: "x"}):
        command = ["make", "-n", *flags, "book"]
        told = {"capture_output": True, "text": True, "env": {**os.environ, **environment}}
        done = subprocess.run(command, cwd=root, **told)
        assert done.returncode == 2
        assert f"{name}=x is unknown: expected one of ARCHIVE BUDGET CHAPTERS" in done.stderr


def test_variables_of_other_programs_are_let_through() -> None:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "COLOUR": "red", "CHAPTERS": "cap", "SEEDS": "2"}
    command = ["make", "-n", "book"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


def test_jupyterlab_gets_its_options() -> None:
    root = Path(__file__).parents[2]
    command = ["make", "-n", "lab", "LAB=--port=9999 --no-browser"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "jupyter lab --notebook-dir=book --port=9999 --no-browser\n" in done.stdout


def test_several_gpus_are_for_this_machine_and_have_to_be_there(
    toy: ToyBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weaklabels.press.runner.options.SIGNS_OF_A_GPU", ("/",))
    options, _ = parse(["--gpus=2", "--device=cuda"], toy.places.book)
    assert options.gpus == 2
    with pytest.raises(UsageError, match="GPUS=2 is for this machine: leave it out with SCHED"):
        parse(["--gpus=2", "--device=cuda", "--scheduler=tcp://a:1"], toy.places.book)
    monkeypatch.setattr(reproduction, "COUNT_GPUS", "print(1)")
    with pytest.raises(UsageError, match="GPUS=2 is more than torch sees here: 1"):
        toy.reproduce(device="cuda", gpus=2)
    monkeypatch.setattr(reproduction, "COUNT_GPUS", "print(0)")
    with pytest.raises(UsageError, match="DEVICE=cuda needs a GPU, and torch sees none"):
        toy.reproduce(device="cuda")


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """A card with 140 GB beside 16 cores: what is free, and kind of run -> what was measured."""
    monkeypatch.setattr("joblib.cpu_count", lambda: 16)
    monkeypatch.setattr(machine, "FOUND", tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA H200")

    def measured(free: float = 140e9, profile: str = "quick", **kinds: tuple[int, float]) -> None:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (int(free), int(140e9)))
        shared = {
            name: Shared({count: 10.0 * count for count in COUNTS if count <= best}, int(peak))
            for name, (best, peak) in kinds.items()
        }
        (tmp_path / f"sharing-{profile}-NVIDIA-H200.json").write_text(written(shared))

    return measured


@pytest.mark.parametrize(
    ("device", "cores", "jobs", "workers"),
    [
        ("cpu", 1, 1, 1),
        ("cpu", 2, 2, 1),
        ("cpu", 16, 2, 8),
        ("cuda", 1, 1, 1),
        ("cuda:1", 6, 3, 1),
        ("cuda", 64, 8, 1),
    ],
)
def test_the_cores_are_shared_out(
    device: str,
    cores: int,
    jobs: int,
    workers: int,
    card: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is measured of the GPU: one run a notebook, and one notebook at the papers'
    settings."""
    card()
    monkeypatch.setattr("joblib.cpu_count", lambda: cores)
    assert machine.default_jobs(device) == jobs
    assert machine.default_workers(device, jobs=jobs) == workers
    if device != "cpu":
        assert machine.default_jobs(device, "paper") == 1
        assert machine.default_workers(device, "paper") == 1
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        assert machine.default_jobs(device) == 1


def test_runs_share_a_gpu_as_was_measured(card: Callable[..., None]) -> None:
    card(mlp=(16, 2e8), cnn=(8, 1e9))
    assert machine.default_workers("cuda", "quick") == 8  # the smaller of the two
    assert machine.default_workers("cuda", "record", jobs=4) == 2
    assert machine.default_jobs("cuda", "quick") == 8
    assert machine.default_jobs("cuda", "quick", workers=4) == 2
    assert machine.default_workers("cuda", "paper") == machine.default_jobs("cuda", "paper") == 1
    card(profile="paper", resnet50=(2, 1e10))
    assert machine.default_workers("cuda", "paper") == machine.default_jobs("cuda", "paper") == 2
    assert machine.default_workers("cpu") == 16


def test_no_more_runs_share_a_gpu_than_have_room_now(card: Callable[..., None]) -> None:
    card(free=7e9, mlp=(16, 2e8), cnn=(8, 1e9))
    assert machine.default_workers("cuda", "quick") == 4
    card(free=1e9, cnn=(8, 1e9))
    assert machine.default_workers("cuda", "quick") == machine.default_jobs("cuda", "quick") == 1
    card(free=4e9)  # nothing is measured
    assert machine.default_jobs("cuda", "quick") == 3
    assert machine.default_workers("cuda", "quick") == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, (4, 1)),
        ({"jobs": 1}, (1, 4)),
        ({"workers": 2}, (2, 2)),
        ({"workers": 16}, (1, 16)),
        ({"jobs": 5, "workers": 3}, (5, 3)),
        ({"gpus": 2}, (1, 4)),
    ],
)
def test_notebooks_and_their_workers_share_a_gpu(
    given: dict[str, int], told: tuple[int, int], card: Callable[..., None]
) -> None:
    card(mlp=(4, 2e8))
    assert schedule._at_a_time(17, Options(device="cuda", **given)) == told


@pytest.mark.parametrize(
    ("arguments", "variable", "told"),
    [
        (["--jobs=1"], None, "6 1"),
        (["--jobs=3"], None, "3 1"),
        ([], None, "3 1"),
        (["--jobs=1"], "2", "2 1"),
        ([], "5", "5 1"),
        (["--workers=4"], "5", "4 1"),
    ],
)
def test_a_notebook_gets_the_workers_that_were_asked_for(
    arguments: list[str],
    variable: str | None,
    told: str,
    empty: ToyBook,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("joblib.cpu_count", lambda: 6)
    monkeypatch.delenv("WEAKLABELS_WORKERS", raising=False)
    monkeypatch.setenv("WEAKLABELS_GPUS", "7")
    if variable:
        monkeypatch.setenv("WEAKLABELS_WORKERS", variable)
    seen = []
    monkeypatch.setattr(
        schedule, "execute", lambda *given: seen.append(given[3]) or given[1].write_text("{}")
    )
    for slug in ("one", "two"):
        empty.chapter(slug, "1")
    (empty.places.build / "smoke" / "notebooks").mkdir(parents=True)
    empty.options, _ = parse(["--profile=smoke", *arguments], empty.places.book)
    assert empty.reproduce()[0] == 0
    assert [f"{e['WEAKLABELS_WORKERS']} {e['WEAKLABELS_GPUS']}" for e in seen] == [told, told]
