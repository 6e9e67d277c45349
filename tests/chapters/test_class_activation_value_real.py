"""Real data in the room of Class Activation Value Learning: its protocols and its records."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from chapters.class_activation_value import (
    figures,
    photographs,
    real_claims,
    real_sets,
    runs,
    tables,
)

from tests.library import tiny_datasets as tiny
from weaklabels.lab import candidate_criteria
from weaklabels.lab.candidate_setting import COMPARATORS
from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Store
from weaklabels.press.verdicts import FAILS, HOLDS, NOT_TESTABLE, OPEN
from weaklabels.train import OptimiserSpec


@pytest.fixture
def setting(tmp_path):
    """Two repetitions on tiny data in the official formats."""
    return Setting("quick", "cpu", 2, str(tmp_path), Store(tmp_path / "runs"), tmp_path)


# -- judging without truth ------------------------------------------------------------------------


def test_batches_are_whole_and_the_validation_part_keeps_its_sets(tmp_path, monkeypatch):
    tiny.lost(tmp_path)
    seen = []

    def execute(spec, task):
        seen.extend(len(batch) for batch in task.batches(torch.Generator()))
        return {"steps": task.steps}

    base = dataclasses.replace(real_sets.base_spec("lost", str(tmp_path)), batch_size=16, epochs=1)
    spec = dataclasses.replace(base, track=())
    found = real_sets.run(spec)
    assert {"covering rate", "approximated accuracy", "val_accuracy"} <= set(found)
    assert found["covering rate"][0] >= found["val_accuracy"][0]
    monkeypatch.setattr(candidate_criteria, "execute", execute)
    assert real_sets.run(spec) == {"steps": 3}
    assert seen == [16, 16, 16]  # of 49 training examples
    assert real_sets.counts(spec)["validation examples"] == 5


# -- records --------------------------------------------------------------------------------------


def small_steps(monkeypatch):
    """One epoch in batches that fit, and few values."""
    made = real_sets.base_spec

    def base_spec(name, root):
        return dataclasses.replace(made(name, root), batch_size=16, epochs=2)

    monkeypatch.setattr(real_sets, "base_spec", base_spec)
    monkeypatch.setattr(real_sets, "GRID", runs.GRID[:2])


def test_plench_is_followed_with_the_rows_that_do_what_its_code_does(setting, monkeypatch):
    tiny.lost(Path(setting.data_root))
    spec = real_sets.base_spec("lost", setting.data_root)
    assert (spec.epochs, spec.batch_size, spec.network) == (143, 128, "mlp")
    assert spec.optimiser == OptimiserSpec("adam", lr=1e-3, weight_decay=1e-5)
    assert real_sets.PLENCH_ROWS["PRODEN"] == "RC"
    assert real_sets.PLENCH_ROWS["CAVL"] == "CAVL, official masking"
    small_steps(monkeypatch)
    made = real_sets.plench(setting)
    assert [(row["method"], row["seed"]) for row in made["rows"]] == [
        (method, seed) for method in real_sets.PLENCH_ROWS for seed in (0, 1)
    ]
    assert made["data"]["lost"]["training examples"] == 49


def test_settings_are_chosen_by_each_criterion_on_other_splits(setting, monkeypatch):
    tiny.lost(Path(setting.data_root))
    small_steps(monkeypatch)
    monkeypatch.setattr(real_sets, "RANKED", ("CC", "CAVL"))
    made = real_sets.selection(setting)
    cells = [(c, m) for c in candidate_criteria.CRITERIA for m in real_sets.RANKED]
    assert [(each["criterion"], each["method"]) for each in made["choices"]] == cells
    assert all(len(each["validation"]) == 2 for each in made["choices"])
    assert len(made["rows"]) == 2 * len(cells)
    assert {row["seed"] for row in made["rows"]} == {0, 1}


def test_the_pilot_on_photographs_keeps_its_curves(setting, monkeypatch):
    tiny.cifar10_subset(Path(setting.data_root))
    small = {"TRAIN": 30, "EPOCHS": 2, "TRIAL_EPOCHS": 1, "LATE": 1, "RATES": (1e-3,)}
    for name, value in small.items():
        monkeypatch.setattr(photographs, name, value)
    rows = ("IM-avg", "CAM", "CAM, T0 = 1")
    monkeypatch.setattr(photographs, "ROWS", rows)
    made = photographs.cifar10(setting)
    assert made["data"]["training images"] == 30
    assert made["data"]["drawn from"] == 40
    assert [each["method"] for each in made["choices"]] == list(rows)
    found = photographs.recorded_pilot(made)
    assert list(found) == list(rows)
    assert all(len(each) == 2 for each in found.values())
    assert found["CAM"][0]["select CAM, count"].shape == (2,)
    assert photographs.recorded_pilot(None) == {}


# -- claims ---------------------------------------------------------------------------------------


def outcomes(rows):
    return {row.id: row.verdict.outcome for row in rows}


def around(mean, spread=0.1):
    return mean + spread * np.array([-1.0, 0.0, 1.0])


def test_a_figure_of_another_code_allows_two_of_its_errors():
    assert real_claims.allowed("Lost", "CAVL") == 5.5
    assert real_claims.allowed("MSRCv2", "CC") == 4.3
    found = {
        "Lost": {"CC": around(70), "PRODEN": around(60), "CAVL": around(59)},
        "BirdSong": dict.fromkeys(("CC", "PRODEN", "CAVL"), around(70)),
    }
    rows = real_claims.claim_17(found)
    decided = {"17a": HOLDS, "17b": FAILS, "17c": FAILS}
    assert outcomes(rows) == decided | dict.fromkeys(("17d", "17e", "17f"), NOT_TESTABLE)
    assert rows[0].paper == "PLENCH's code: 68.7"
    found["Lost"]["CAVL"] = around(55, 5)
    assert outcomes(real_claims.claim_17(found))["17c"] == OPEN
    assert real_claims.claim_17({}) == []


def made_selection(**changed):
    """Accuracies of 70 everywhere; ``changed`` holds those of CAVL by the last word of a rule."""
    usual = dict.fromkeys(real_sets.RANKED, around(70))
    return {
        criterion: {"Lost": usual | {"CAVL": around(changed.get(criterion.split()[-1], 70.0))}}
        for criterion in candidate_criteria.CRITERIA
    }


def test_cavl_is_ranked_by_every_criterion():
    rows = real_claims.claim_18(made_selection(rate=80.0, labels=60.0))
    assert outcomes(rows) == {"18a": HOLDS, "18b": FAILS, "18c": FAILS}
    assert rows[0].claim.endswith("Lost, settings chosen by covering rate")
    assert [part.name for part in rows[0].verdict.parts] == list(COMPARATORS)
    assert real_claims.claim_18({}) == []


def test_a_choice_without_truth_costs_little_or_more():
    rows = real_claims.claim_19(made_selection(rate=40.0))
    assert outcomes(rows) == {"19a": FAILS, "19b": HOLDS}
    unclear = made_selection()
    unclear["covering rate"]["Lost"]["CAVL"] = around(70, 30)
    assert outcomes(real_claims.claim_19(unclear))["19a"] == OPEN
    assert real_claims.claim_19({}) == []


def made_pilot(**levels):
    """Three runs of every row whose curves stand at a level, with steps of their own."""
    rng = np.random.default_rng(0)
    moves = rng.normal(0, 3, (3, 12))
    found = {}
    for row in photographs.ROWS:
        runs_of = []
        for i in range(3):
            curves = {
                name: levels.get(name.split()[-1], 50.0) + 0.1 * i + moves[i]
                for name in photographs.CURVES
            }
            final = levels.get(row.replace(" ", ""), 50.0) + 0.1 * i
            runs_of.append(curves | {"test_accuracy": np.full(12, final), "chance": np.array(20.0)})
        found[row] = runs_of
    return found


def test_the_pilot_on_photographs_is_asked_what_the_pilot_on_digits_is():
    rows = real_claims.claim_20(made_pilot(CAM=60.0))
    found = outcomes(rows)
    assert list(found) == [there for _, there in real_claims.PLACES.values()]
    assert found["20a"] == found["20c"] == found["20d"] == found["20g"] == found["20h"] == HOLDS
    assert (found["20b"], found["20e"], found["20f"]) == (FAILS, HOLDS, FAILS)
    weak = outcomes(real_claims.claim_20(made_pilot(count=25.0, CAV=25.0)))
    assert weak["20a"] == weak["20g"] == FAILS
    assert real_claims.claim_20({}) == []


# -- tables ---------------------------------------------------------------------------------------


def test_what_is_not_recorded_is_said_and_leaves_empty_tables():
    assert "not recorded yet" in tables.record_note(None)
    assert real_sets.recorded_selection(None) == {}
    assert real_sets.selection_table({}).empty
    assert real_sets.selection_choices(None).empty
    assert photographs.rate_table(None).empty
    assert tables.pilot_table({}, 1).empty
    assert tables.rules_table([], {"IM-max": "select IM-max"}).empty
    assert figures.draw_photographs({}).axes


def test_recorded_selections_are_read_by_criterion_and_set():
    rows = [
        {"dataset": "lost", "criterion": c, "method": "CC", "seed": seed, "test": 60.0 + seed}
        for c in candidate_criteria.CRITERIA
        for seed in range(2)
    ]
    choice = {"dataset": "lost", "criterion": "covering rate", "method": "CC"}
    record = {"rows": rows, "choices": [choice | {"lr": 1e-3, "weight_decay": 1e-5}]}
    found = real_sets.recorded_selection(record)
    assert found["true labels"]["Lost"]["CC"].tolist() == [60.0, 61.0]
    assert real_sets.selection_table(found).loc[("Lost", "covering rate"), "CC"] == "60.5 ± 0.7"
    chosen = real_sets.selection_choices(record)
    assert chosen.loc[("Lost", "covering rate"), "CC"] == "0.001, 1e-05"


def test_a_note_names_command_data_and_differences():
    made = {
        "command": "make record",
        "provenance": {"commit": "0123456789ab", "torch": "2", "device": "x86_64"},
        "data": {"lost": {"test examples": 112}},
        "differences": ["Fewer steps."],
    }
    note = tables.record_note(made)
    assert "`make record` as of commit `0123456789`" in note
    assert "Lost: test examples 112" in note
    assert note.endswith("- Fewer steps.")
    assert "Data: training images 40" in tables.record_note(
        made | {"data": {"training images": 40}}
    )


def test_the_pilot_on_photographs_has_a_figure_and_tables():
    pilot = made_pilot()
    assert len(figures.draw_photographs(pilot).axes) == 3
    assert list(tables.pilot_table(pilot, photographs.LAST).index) == list(photographs.ROWS)
    choices = [{"method": "CAM", "chosen": 1e-3, "validation": [50.0, 60.04]}]
    shown = photographs.rate_table({"tried": [3e-4, 1e-3], "choices": choices})
    assert shown.loc["CAM"].to_dict() == {"0.0003": "50.0", "0.001": "60.0*"}
