"""Sweeps on a real local Dask cluster, one worker of which is killed while it works."""

import os
import signal
import threading
import time
from dataclasses import replace

import pytest

from tests.lab import sweep_runs
from weaklabels.lab import sweep
from weaklabels.lab.store import Store, digest

dask, distributed = map(pytest.importorskip, ("dask", "distributed"))


@pytest.fixture(scope="module")
def cluster(warm_kernels):
    """Its workers are forked as kernels are."""
    with (
        dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}),
        distributed.LocalCluster(
            n_workers=3,
            threads_per_worker=2,
            processes=True,
            dashboard_address=None,
            silence_logs="CRITICAL",
        ) as running,
    ):
        yield running


def digests(records):
    return [digest(record.values) for record in records]


def kill_one(address, log, killed):
    """Kill the process that computes the fourth run that has begun."""
    with distributed.Client(address, set_as_default=False) as client:
        for _ in range(600):
            if log.exists() and len(log.read_text().split()) >= 4:
                break
            time.sleep(0.05)
        busy = [worker for worker, tasks in client.processing().items() if tasks]
        pids = client.run(os.getpid, workers=busy[:1])
        for pid in pids.values():
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)


def test_a_killed_worker_costs_no_run_and_changes_no_bit(cluster, tmp_path):
    log = tmp_path / "log"
    specs = [sweep_runs.Walk(seed=i, pause=0.4, log=str(log)) for i in range(14)]
    killed: list[int] = []
    killer = threading.Thread(target=kill_one, args=(cluster.scheduler_address, log, killed))
    killer.start()
    shared = Store(tmp_path / "shared")
    remote = sweep.run(sweep_runs.walk, specs, shared, scheduler=cluster.scheduler_address)
    killer.join()
    assert len(killed) == 1
    begun = [int(seed) for seed in log.read_text().split()]
    assert set(begun) == set(range(14))
    plain = [replace(spec, pause=0.0, log="") for spec in specs]
    local = sweep.run(sweep_runs.walk, plain, Store(tmp_path / "local"))
    assert digests(remote) == digests(local)
    assert [record.spec.seed for record in remote] == list(range(14))


def test_threads_of_a_worker_do_not_share_random_numbers(cluster, tmp_path):
    specs = [sweep_runs.Walk(seed=seed, pause=0.1) for seed in range(9)]
    store = Store(tmp_path / "shared")
    remote = sweep.run(sweep_runs.seed_and_draw, specs, store, scheduler=cluster.scheduler_address)
    local = sweep.run(sweep_runs.seed_and_draw, specs, Store(tmp_path / "local"))
    assert digests(remote) == digests(local)


def test_finished_runs_need_no_scheduler(cluster, tmp_path):
    store = Store(tmp_path / "shared")
    specs = [sweep_runs.Walk(seed=seed) for seed in range(3)]
    remote = sweep.run(sweep_runs.walk, specs, store, scheduler=cluster.scheduler_address)
    again = sweep.run(sweep_runs.walk, specs, store, scheduler="tcp://127.0.0.1:1")
    assert digests(remote) == digests(again)


def test_an_error_in_a_run_comes_back_and_finished_runs_stay(cluster, tmp_path):
    store = Store(tmp_path / "shared")
    good = [sweep_runs.Walk(seed=i) for i in range(3)]
    sweep.run(sweep_runs.walk, good, store, scheduler=cluster.scheduler_address)
    with pytest.raises(ValueError, match="length is -1"):
        sweep.run(
            sweep_runs.walk,
            [*good, sweep_runs.Walk(seed=9, length=-1)],
            store,
            scheduler=cluster.scheduler_address,
        )
    assert all(store.path(sweep_runs.walk, spec).exists() for spec in good)
