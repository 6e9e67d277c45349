"""Sweeps: stored, resumable, the same bits for any number of workers."""

import os
import signal
import time
import warnings
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from tests.lab import sweep_runs
from weaklabels.lab import sweep
from weaklabels.lab.keys import run_key
from weaklabels.lab.store import Store, digest

SPECS = [sweep_runs.Walk(seed=i) for i in range(6)]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


def digests(records):
    return [digest(record.values) for record in records]


def test_records_come_in_the_order_of_the_specs_and_are_not_computed_twice(store, tmp_path):
    counted = [sweep_runs.Walk(seed=i % 2, log=str(tmp_path / "log")) for i in range(4)]
    first = sweep.run(sweep_runs.walk, counted, store)
    again = sweep.run(sweep_runs.walk, counted, store)
    assert [r.spec.seed for r in first] == [0, 1, 0, 1]
    assert digests(first) == digests(again)
    assert (tmp_path / "log").read_text() == "0\n1\n"


def test_runs_of_a_seed_follow_each_other(store, tmp_path):
    wanted = [
        sweep_runs.Walk(length=length, seed=seed, log=str(tmp_path / "log"))
        for length in (100, 200)
        for seed in (1, 0)
    ]
    found = sweep.run(sweep_runs.walk, wanted, store)
    assert [record.spec for record in found] == wanted
    assert (tmp_path / "log").read_text() == "0\n0\n1\n1\n"


def test_two_workers_give_the_same_bits_as_one(store, tmp_path):
    alone = sweep.run(sweep_runs.walk, SPECS, store, workers=1)
    together = sweep.run(sweep_runs.walk, SPECS, Store(tmp_path / "other"), workers=2)
    assert digests(alone) == digests(together)


def test_damaged_record_is_reported_and_computed_again(store):
    wanted = digests(sweep.run(sweep_runs.walk, SPECS[:2], store))
    path = store.path(sweep_runs.walk, SPECS[0])
    for damage in (lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[:-200] + bytes(200)):
        path.write_bytes(damage(path.read_bytes()))
        with pytest.warns(UserWarning, match=f"{path.name} is damaged"):
            found = sweep.run(sweep_runs.walk, SPECS[:2], store)
        assert digests(found) == wanted


def test_one_flipped_bit_is_noticed(store):
    sweep.run(sweep_runs.walk, SPECS[:1], store)
    path = store.path(sweep_runs.walk, SPECS[0])
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(bytes(content))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        record = store.load(path, SPECS[0])
    assert record is None
    assert "damaged" in str(caught[0].message)


def test_nothing_half_written_is_left_behind(store, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        sweep.run(sweep_runs.walk, SPECS[:1], store)
    assert list(store.folder.iterdir()) == []


def test_a_failing_run_loses_no_finished_one(store):
    specs = [*SPECS[:3], sweep_runs.Walk(seed=3, length=-1)]
    with pytest.raises(ValueError, match="length is -1"):
        sweep.run(sweep_runs.walk, specs, store)
    assert all(store.path(sweep_runs.walk, spec).exists() for spec in SPECS[:3])


def test_key_follows_spec_and_function():
    keys = {
        run_key(sweep_runs.walk, SPECS[0]),
        run_key(sweep_runs.walk, SPECS[1]),
        run_key(sweep_runs.build_on, SPECS[0]),
    }
    assert len(keys) == 3
    assert run_key(sweep_runs.walk, sweep_runs.Walk(seed=0)) in keys


def test_a_question_tells_functions_and_specs_apart():
    spec = sweep_runs.Walk(seed=3)
    asked = sweep.question(sweep_runs.walk, spec)
    assert asked == sweep.question(sweep_runs.walk, sweep_runs.Walk(seed=3))
    others = (sweep.question(sweep_runs.walk, sweep_runs.Walk(seed=4)),)
    others += (sweep.question(sweep_runs.build_on, spec),)
    assert asked not in others


def test_runs_that_build_on_a_run_share_it(store, tmp_path):
    log = str(tmp_path / "log")
    specs = [sweep_runs.Walk(seed=3, log=log, length=n) for n in (5, 6)]
    found = sweep.run(sweep_runs.build_on, specs, store)
    assert Path(log).read_text() == "3\n"
    assert float(found[0]["base"]) == float(found[1]["base"])


def test_used_modules_and_progress_are_told(store, tmp_path, monkeypatch):
    monkeypatch.setenv("WEAKLABELS_USED", str(tmp_path / "used"))
    monkeypatch.setenv("WEAKLABELS_PROGRESS", str(tmp_path / "progress"))
    sweep.run(sweep_runs.walk, SPECS[:2], store)
    *runs, module = (tmp_path / "used").read_text().split()
    asked = (sweep.question(sweep_runs.walk, spec) for spec in SPECS[:2])
    assert runs == sorted(f"run={each}" for each in asked)
    assert module == "tests.lab.sweep_runs"
    assert (tmp_path / "progress").read_text() == '{"done": 2, "total": 2}'


def test_killed_at_random_moments_it_ends_with_the_same_bits(tmp_path):
    """SIGKILL to the whole group, several times; every finished run survives every kill."""
    folder = tmp_path / "runs"
    specs = [sweep_runs.Walk(seed=i, pause=0.15) for i in range(12)]
    rng = np.random.default_rng(os.getpid())
    kept: set[str] = set()
    for _ in range(3):
        process = get_context("fork").Process(
            target=sweep.run, args=(sweep_runs.walk, specs, Store(folder))
        )
        process.start()
        os.setpgid(process.pid, process.pid)
        time.sleep(rng.uniform(0.05, 0.6))
        os.killpg(process.pid, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL
        now = {path.name for path in folder.glob("*.npz")}
        assert kept <= now
        kept = now
    resumed = sweep.run(sweep_runs.walk, specs, Store(folder))
    fresh = sweep.run(
        sweep_runs.walk,
        [sweep_runs.Walk(seed=s.seed) for s in specs],
        Store(tmp_path / "fresh"),
    )
    assert digests(resumed) == digests(fresh)
    assert not list(folder.glob("*.tmp")) or kept


def test_an_error_that_is_not_damage_leaves_the_record(store, monkeypatch):
    """No memory, a network file system that does not answer: the file is as good as before."""
    sweep.run(sweep_runs.walk, SPECS[:1], store)
    path = store.path(sweep_runs.walk, SPECS[0])
    for error in (MemoryError(), OSError(5, "Input/output error")):

        def fail(*_, error=error, **__):
            raise error

        with monkeypatch.context() as patched:
            patched.setattr(np, "load", fail)
            with pytest.raises(type(error)):
                sweep.run(sweep_runs.walk, SPECS[:1], store)
    assert len(sweep.run(sweep_runs.walk, SPECS[:1], store)) == 1
    assert path.exists()
