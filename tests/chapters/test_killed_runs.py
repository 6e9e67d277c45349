"""Runs of rooms that keep their own checkpoints: killed and resumed they end with the same bits."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import numpy as np
import pytest
from chapters.all_e import comparators
from chapters.all_e import runs as all_e
from chapters.isgd_pinn import runs as isgd
from chapters.lfosa import runs as lfosa
from chapters.self_crowd import runs as crowd

from weaklabels.lab import sweep
from weaklabels.lab.checkpoint import Checkpoint
from weaklabels.lab.spec import options
from weaklabels.lab.store import Store, digest
from weaklabels.press.chapter import Chapter

POOL = replace(lfosa.settings(Chapter("lfosa", "smoke"))["near unknowns"], steps=3)
CROWD = next(iter(crowd.settings(Chapter("self_crowd", "smoke")).values()))
CROWD = replace(CROWD, warm_up=3, base_steps=3, rounds=2, round_steps=2)
FEW = {"episodes": 4, "batch": 2, "crop": 8, "test_steps": 1}
FEW |= {"data_options": options(copies=1, tests=1)}
SMALL = isgd.Spec(hidden=(5,), points=12, budget=40, iterations=3)


def equation(method):
    alpha = 0.1 if method in ("SGD", "L-BFGS, fixed step") else 1e-2
    full = not method.startswith("Adam")
    return replace(SMALL, method=method, alpha=alpha, batch=0 if full else 6, spectra=full)


RUNS = {
    "lfosa": (lfosa.run, lfosa.vary(POOL, "LfOSA"), 2),
    "lfosa, dropout": (lfosa.run, lfosa.vary(POOL, "BALD"), 1),
    "labels": (crowd.run, CROWD, 2),
    "pseudo-annotations": (crowd.run, CROWD, 1 + len(CROWD.methods) - len(crowd.CONTINUED)),
    "agents": (all_e.run, all_e.Spec(width=4, **FEW), 1),
    "direct descent": (comparators.direct_descent, comparators.Descent(**FEW), 1),
} | {method: (isgd.run, equation(method), 1) for method in isgd.METHODS}
"""Name -> function, spec, and after which checkpoint it is killed."""


def killed(function, spec, store, after):
    """Kill the run, in a process of its own, when it has saved its state so often."""
    number, save, saved = os.fork(), Checkpoint.save, []
    if number:
        return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])

    def save_and_die(self, done):
        save(self, done)
        saved.append(done)
        if len(saved) == after:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        Checkpoint.save = save_and_die
        sweep.run(function, [spec], store)
    finally:
        os._exit(1)


@pytest.mark.parametrize("name", RUNS)
def test_a_killed_run_goes_on_and_ends_with_the_same_bits(name, tmp_path, monkeypatch):
    function, spec, after = RUNS[name]
    store, seen, restore = Store(tmp_path), [], Checkpoint.restore
    assert killed(function, spec, store, after) == -signal.SIGKILL
    (left,) = (tmp_path / "checkpoints").iterdir()
    monkeypatch.setattr(Checkpoint, "restore", lambda self: seen.append(restore(self)) or seen[-1])
    (resumed,) = sweep.run(function, [spec], store)
    assert len(seen) == 1
    assert seen[0] >= after
    assert not left.exists()
    whole = {each: np.asarray(value) for each, value in function(spec).items()}
    assert digest(resumed.values) == digest(whole)


def test_runs_that_keep_checkpoints_say_so():
    assert all(spec.checkpoint for _, spec, _ in RUNS.values())
