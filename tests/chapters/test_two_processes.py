"""Several processes at work on one batch find what one process finds, under every protocol."""

import numpy as np

from tests.chapters.shared_runs import RUNS, Every, SlowStore, every
from weaklabels.lab import keys, sweep
from weaklabels.lab.store import Store

TOLERANCES = {"modified": 0, "structure": 5e-3}
"""Losses of structure compare small distances between embeddings, which are what is left of the
squares of much larger numbers: a last digit counts there."""


def test_two_processes_give_the_results_of_one(tmp_path):
    """Gloo on the CPU. LL-Cp picks the largest losses of the whole batch, and L2R adds a penalty
    on the weights: both see what they see in one process. So do gradients that train nothing, of
    attacks and for clean samples; and no process trains a teacher that the others have stored."""
    assert all(keys.executes(function, spec) for function, spec in RUNS.values())
    (together,) = sweep.run(every, [Every()], SlowStore(tmp_path / "two"), gpus=2)
    (alone,) = sweep.run(every, [Every()], Store(tmp_path / "one"))
    assert together.values.keys() == alone.values.keys()
    off = {}
    for name, value in alone.values.items():
        near = TOLERANCES.get(name.partition("/")[2], 1e-4)
        if not np.allclose(together[name], value, rtol=near, atol=near, equal_nan=True):
            off[name] = together[name], value
    assert off == {}
    left = {path.suffix for path in (tmp_path / "two").iterdir() if path.is_file()}
    assert left == {".npz"}
