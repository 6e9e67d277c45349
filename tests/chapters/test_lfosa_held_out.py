"""What is said of other learning rates and steps of LfOSA's pools of digits."""

import json
from pathlib import Path

import numpy as np
import pytest
from chapters.lfosa import held_out, runs, tables

from weaklabels.press.chapter import Chapter

RECORD = Path(held_out.__file__).parent / "recorded" / "held_out.json"
POOLS = runs.settings(Chapter("lfosa")) | runs.openness(Chapter("lfosa"))


def test_the_record_has_the_rate_and_the_steps_of_the_runs():
    content = json.loads(RECORD.read_text(encoding="utf-8"))
    assert list(content["pools"]) == list(POOLS)
    for title, pool in content["pools"].items():
        spec = POOLS[title]
        assert spec.optimiser.lr == content["protocol"]["learning rate of the runs"]
        assert spec.steps == content["protocol"]["steps of the runs"]
        usual = pool["by rate"][f"{spec.optimiser.lr:g}"]
        assert usual == pool["by steps"][f"{spec.steps}"]
        assert np.array(usual).shape == (len(held_out.SEEDS), 2)
        floor = held_out.BROKEN * max(np.mean(pairs) for pairs in pool["by rate"].values())
        for rate, pairs in pool["by rate"].items():
            assert pool["broken down"][rate] == (np.array(pairs) < floor).sum()


def test_a_late_round_leaves_digits_to_judge_by():
    for pool in POOLS.values():
        task = runs.load_task(pool)
        known = int((task.y < task.classes).sum())
        assert pool.budget < held_out.late(pool).budget <= known // 2


def test_a_rate_at_which_a_training_breaks_down_is_marked():
    pool = {
        "by rate": {"0.1": [[90.0, 92.0]], "0.2": [[80.0, 11.0]]},
        "broken down": {"0.1": 0, "0.2": 1},
        "by steps": {"75": [[88.0, 89.0]]},
    }
    shown = tables.held_out_table({"pools": {"near unknowns": pool}})["near unknowns"]
    assert shown.to_dict() == {"rate 0.1": "91.0", "rate 0.2": "below half", "75 steps": "88.5"}
    assert tables.held_out_table(None).empty


def test_a_trial_looks_at_no_test_digit(monkeypatch: pytest.MonkeyPatch):
    seen = []
    spec = POOLS["near unknowns"]
    task = runs.load_task(spec)
    monkeypatch.setattr(runs, "predict", lambda _, x: seen.append(x) or x)
    monkeypatch.setattr(runs, "accuracy", lambda *_: 0.0)
    runs.held_out_accuracy(spec)
    judged, pool = ({row.numpy().tobytes() for row in x} for x in (seen[0], task.x))
    known = int((task.y < task.classes).sum())
    assert len(seen[0]) == known - len(task.initial) - spec.budget
    assert judged <= pool
