"""The protocol on photographs, on a tiny folder of them: choices, rows, what a record holds."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.library import tiny_datasets as tiny
from weaklabels.lab import photographs, tuned, two_stage
from weaklabels.lab.multilabel import load_splits
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Store
from weaklabels.lab.voc_features import Row


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    folder = tmp_path_factory.mktemp("voc")
    tiny.voc2012(folder, train=40, val=40)
    return Setting("quick", "cpu", 2, str(folder), Store(folder / "runs"), folder / "recorded")


@pytest.fixture(scope="module")
def small(setting):
    spec = photographs.protocol(setting)
    data = options(**dict(spec.data_options) | {"resolution": 32})
    own = options(pretrained=False)
    return replace(spec, data_options=data, network_options=own, frozen_layers=16, epochs=2)


@pytest.fixture(scope="module")
def rows(setting, small):
    wanted = {
        "AN": Row(small),
        "EM": Row(
            replace(small, method="EM", method_options=options(alpha=0.2)), "alpha", (0.1, 0.2)
        ),
    }
    measures = {"runs": len, "nothing": lambda runs: None}
    return photographs.compute(setting, wanted, range(2), measures=measures, rates=(1e-5, 1e-2))


def test_rate_and_option_are_the_best_on_validation_of_another_repetition(rows):
    tried = [[each["setting"] for each in row["tried"]] for row in rows]
    assert tried == [["learning rate"], ["learning rate", "alpha"]]
    for row in rows:
        for each in row["tried"]:
            means = {float(value): sum(scores) for value, scores in each["validation"].items()}
            assert means[each["chosen"]] == max(means.values())
        assert row["learning_rate"] == row["tried"][0]["chosen"]
    assert min(photographs.TUNING_SEEDS) >= tuned.FIRST_TUNING_SEED


def test_a_row_has_scores_curves_and_what_is_measured(rows):
    for row in rows:
        assert len(row["best"]) == len(row["last"]) == row["runs"] == 2
        assert [len(curve) for curve in row["test"]] == [2, 2]
        assert row["last"] == [curve[-1] for curve in row["test"]]
        assert [len(precision) for precision in row["by class"]] == [20, 20]
        assert "nothing" not in row
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows


def test_a_record_says_what_was_run_on_which_data_and_not_where(setting, small):
    record = photographs.record(setting, {"AN": Row(small)}, ["a note"], rates=(1e-4,))
    assert setting.data_root not in json.dumps(record)
    assert record["protocol"]["seeds"] == [100, 101]
    assert record["protocol"]["learning_rates_tried"] == [1e-4]
    assert record["differences"][-1] == "a note"
    counted = sum(record["data"][f"{part} images"] for part in ("training", "validation", "test"))
    assert counted == 80


def test_decoded_images_lie_beside_the_runs_and_not_beside_the_data(setting, small):
    load_splits(small)
    assert (setting.store.folder.parent / "photographs").is_dir()


def test_two_stages_are_chosen_and_reported_alike(setting, small):
    fields = photographs.photographs(setting) | {
        "data_options": small.data_options,
        "network_options": small.network_options,
        "frozen_layers": 16,
        "epochs": 1,
    }
    base = two_stage.Spec(
        "CAP",
        annotation="labelled share",
        annotation_options=options(share=0.5),
        warm_up=two_stage.Stage(epochs=1, batch_size=8),
        weak=(("pick_view", 0, 1),),
        strong=(("pick_view", 1, 2),),
        labelled_batch=4,
        **fields,
    )
    (row,) = photographs.compute(
        setting, {"CAP": Row(base)}, range(1), photographs.TWO_STAGE, rates=(1e-4,)
    )
    assert len(row["best"]) == len(row["last"]) == 1
