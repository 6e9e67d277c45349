"""The learning rates of LfOSA's pools of digits, and what is said of other rates and steps."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from chapters.lfosa import held_out, runs, tables, tuning

from weaklabels.press.chapter import Chapter

RECORD = Path(held_out.__file__).parent / "recorded" / "held_out.json"
CONTENT = json.loads(RECORD.read_text(encoding="utf-8"))
DETECTORS = json.loads(RECORD.with_name("detectors.json").read_text(encoding="utf-8"))
POOLS = runs.settings(Chapter("lfosa")) | runs.openness(Chapter("lfosa"))


def test_the_rates_of_the_runs_are_those_that_the_record_chooses():
    assert tuning.rates_of(CONTENT, DETECTORS) == tuning.CHOSEN
    assert {each.chosen for each in tuning.TUNED} == set(tuning.CHOSEN.values())
    for title, pool in CONTENT["pools"].items():
        assert tuple(map(float, pool["by rate"])) == held_out.RATES
        assert not pool["broken down"][f"{tuning.CHOSEN[title]:g}"]


def test_a_rate_at_which_a_training_breaks_down_is_not_chosen():
    pool = {
        "by rate": {"0.1": [[90.0, 92.0]], "0.2": [[91.0, 92.0]], "0.4": [[99.0, 99.0]]},
        "broken down": {"0.1": 0, "0.2": 0, "0.4": 1},
    }
    stands = {"0.1": 0, "0.2": 0, "0.4": 0}
    record, detectors = {"pools": {"near": pool}}, {"0.5": {"broken down": stands}}
    assert tuning.rates_of(record, {"pools": {"near": detectors}}) == {"near": 0.2}
    detectors["0.2"] = {"broken down": stands | {"0.2": 3}}
    assert tuning.rates_of(record, {"pools": {"near": detectors}}) == {"near": 0.1}


@pytest.mark.parametrize("profile", ["smoke", "quick", "record"])
def test_every_strategy_on_a_pool_of_digits_has_its_rate(profile: str):
    chapter = Chapter("lfosa", profile)
    plain = runs.settings(chapter) | runs.openness(chapter)
    pools = tuning.at_chosen_rates(plain)
    assert list(pools) == list(tuning.CHOSEN)
    for title, rows in runs.table(pools, runs.ALL).items():
        assert {spec.optimiser.lr for spec in rows.values()} == {tuning.CHOSEN[title]}
        assert held_out.at_rate(pools[title], plain[title].optimiser.lr) == plain[title]


def test_photographs_keep_their_rate():
    chapter = Chapter("lfosa", "paper")
    for pools in (runs.settings(chapter), runs.openness(chapter), runs.small_photographs(chapter)):
        assert tuning.at_chosen_rates(pools) == pools


def test_every_pool_of_digits_in_the_notebook_has_its_rate():
    notebook = json.loads((RECORD.parents[1] / "lfosa.ipynb").read_text(encoding="utf-8"))
    code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for made in ("runs.settings(chapter)", "runs.openness(chapter)"):
        (cell,) = (source for source in code if made in source)
        assert f"tuning.at_chosen_rates({made})" in cell


def test_the_record_is_made_around_the_rate_and_the_steps_of_a_spec():
    assert list(CONTENT["pools"]) == list(POOLS)
    for title, pool in CONTENT["pools"].items():
        spec = POOLS[title]
        assert spec.optimiser.lr == CONTENT["protocol"]["learning rate of the runs"]
        assert spec.steps == CONTENT["protocol"]["steps of the runs"]
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
    record, stands = {"pools": {"near": pool}}, {"broken down": {"0.1": 0, "0.2": 0}}
    table = tables.held_out_table(record, {"pools": {"near": {"0.5": stands}}}, {"near": 0.1})
    assert table["near"].to_dict() == {
        "rate 0.1": "91.00",
        "rate 0.2": "below half",
        "rate chosen": "0.1",
        "75 steps": "88.50",
    }
    lost = {"0.5": stands, "0.2": {"broken down": {"0.1": 1, "0.2": 2}}}
    table = tables.held_out_table(record, {"pools": {"near": lost}}, {"near": 0.1})
    assert table.loc[["rate 0.1", "rate 0.2"], "near"].tolist() == [
        "91.00 (detector)",
        "below half",
    ]
    assert tables.held_out_table(None, None, {}).empty


def test_detectors_are_tried_at_every_temperature_of_their_pool():
    for title, spec in POOLS.items():
        names = runs.ALL if title in runs.settings(Chapter("lfosa")) else runs.FEW
        used = {f"{runs.vary(spec, name).temperature:g}" for name in names}
        assert set(DETECTORS["pools"][title]) == used
        for each in DETECTORS["pools"][title].values():
            assert tuple(map(float, each["by rate"])) == held_out.RATES
            assert not each["broken down"][f"{tuning.CHOSEN[title]:g}"]


def test_a_first_detector_learns_from_the_first_labels_and_looks_at_no_test_digit(monkeypatch):
    trained, seen = [], []
    spec = POOLS["near unknowns"]
    task, train = runs.load_task(spec), runs._train
    monkeypatch.setattr(runs, "_train", lambda *a: trained.append(a[2]) or train(*a))
    predict = runs.predict
    monkeypatch.setattr(runs, "predict", lambda net, x: seen.append(x) or predict(net, x))
    found = runs.first_detector_accuracy(replace(spec, steps=2))
    assert trained == [task.initial.tolist()]
    known = int((task.y < task.classes).sum())
    assert len(seen[0]) == known - len(task.initial)
    assert 0 <= found["validation"] <= 100


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
