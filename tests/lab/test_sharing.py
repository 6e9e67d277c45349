"""How many runs share a card: what is measured, when it ends, and what has room."""

import os
import signal
import time

import psutil
import pytest
import torch

from tests.lab import sweep_runs
from weaklabels.lab import sharing
from weaklabels.lab.sharing import CONTEXT, Shared


@pytest.fixture
def measured(monkeypatch):
    """Measuring costs nothing: number of processes -> runs a minute and bytes, or an error."""
    told, asked = {}, []

    def together(function, spec, device, count, seconds):
        asked.append(count)
        if isinstance(told[count], Exception):
            raise told[count]
        return told[count]

    monkeypatch.setattr(sharing, "_together", together)
    monkeypatch.setattr("joblib.cpu_count", lambda: 16)
    return told, asked


def test_processes_repeat_a_short_run_together(monkeypatch):
    """Five runs a second at most, whose pauses two processes have at the same time."""
    monkeypatch.setattr("joblib.cpu_count", lambda: 2)
    walk = sweep_runs.Walk(pause=0.2)
    shared = sharing.measure(sweep_runs.walk, walk, "cpu", counts=(1, 2, 4), seconds=1.0)
    assert list(shared.rates) == [1, 2]  # four have no core each
    assert 60 < shared.rates[1] <= 300
    assert 1.2 * shared.rates[1] < shared.rates[2] <= 600
    assert (shared.best, shared.peak) == (2, 0)


def test_what_a_run_raises_alone_is_told():
    with pytest.raises(ValueError, match="length is -1"):
        sharing.measure(sweep_runs.walk, sweep_runs.Walk(length=-1), "cpu")


def test_it_ends_with_the_number_that_no_longer_pays(measured):
    told, asked = measured
    told |= {1: (100.0, 10), 2: (180.0, 30), 4: (190.0, 20), 8: (400.0, 20)}
    shared = sharing.measure(sweep_runs.walk, None, "cpu")
    assert asked == [1, 2, 4]
    assert (shared.best, shared.peak) == (2, 30)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("full"), RuntimeError("died")])
def test_it_ends_where_a_process_fails(error, measured):
    told, _ = measured
    told |= {1: (100.0, 10), 2: (180.0, 10), 4: error}
    assert sharing.measure(sweep_runs.walk, None, "cpu").best == 2
    told[1] = error
    with pytest.raises(type(error)):
        sharing.measure(sweep_runs.walk, None, "cpu")


def test_processes_have_to_fit_into_what_is_free(measured, monkeypatch):
    told, asked = measured
    told |= {count: (100.0 * count, 10**9) for count in sharing.COUNTS}
    room = 7 * (10**9 + CONTEXT)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (room, 10 * room))
    assert sharing.measure(sweep_runs.walk, None, "cuda:0").best == 4
    assert asked == [1, 2, 4]
    assert sharing.that_fit("cuda:0", 10**9) == 7
    assert sharing.that_fit("cuda:0", 0) == 16  # cores
    assert sharing.that_fit("cuda:0", room) == 1


def test_one_process_is_best_unless_more_pay():
    assert Shared({1: 10.0}, 0).best == 1
    assert Shared({1: 10.0, 2: 10.5, 4: 12.0}, 0).best == 4
    assert Shared({1: 10.0, 2: 15.0, 4: 16.0}, 0).best == 2
    assert Shared({1: 10.0, 2: 8.0}, 0).best == 1


def test_what_was_measured_is_written_and_read(tmp_path):
    path = tmp_path / "sharing.json"
    assert sharing.read(path) == {}
    found = {"an MLP": Shared({1: 10.0, 2: 19.5}, 123)}
    path.write_text(sharing.written(found))
    assert sharing.read(path) == found
    for damaged in (sharing.written(found)[:-20], "[]", '{"an MLP": {"rates": {"1": 2}}}'):
        path.write_text(damaged)
        assert sharing.read(path) == {}


def test_processes_live_no_longer_than_what_measures(tmp_path):
    walk = sweep_runs.Walk(pause=0.1, log=str(tmp_path / "log"))
    number = os.fork()
    if not number:
        try:
            sharing.measure(sweep_runs.walk, walk, "cpu", seconds=300.0)
        finally:
            os._exit(1)
    while not (tmp_path / "log").exists():
        time.sleep(0.1)
    children = psutil.Process(number).children(recursive=True)
    os.kill(number, signal.SIGKILL)
    os.waitpid(number, 0)
    _, alive = psutil.wait_procs(children, timeout=30)
    for child in alive:
        child.kill()
    assert len(children) > len(alive) == 0
