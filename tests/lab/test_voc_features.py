"""Tables on VOC features: how a rate is chosen, what a record holds."""

import json

import pytest

from tests.lab.recorded_features import base
from weaklabels.lab import voc_features
from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Store


def setting(folder):
    return Setting("quick", "cpu", 2, "somewhere", Store(folder / "runs"), folder / "recorded")


@pytest.fixture(scope="module")
def rows(features, tmp_path_factory):
    em = base(features, epochs=2, method="EM", method_options=(("alpha", 0.2),))
    wanted = {
        "AN": voc_features.Row(base(features, epochs=2)),
        "EM": voc_features.Row(em, "alpha", (0.1, 0.2)),
    }
    where = setting(tmp_path_factory.mktemp("features"))
    return voc_features.compute(where, wanted, (1e-5, 1e-2), (0, 1, 2), (1000, 1001))


def test_rate_and_option_are_the_best_on_validation_of_other_repetitions(rows):
    tried = [[each["setting"] for each in row["tried"]] for row in rows]
    assert tried == [["learning rate"], ["learning rate", "alpha"]]
    for row in rows:
        for each in row["tried"]:
            means = {float(value): sum(scores) for value, scores in each["validation"].items()}
            assert means[each["chosen"]] == max(means.values())
            assert {len(scores) for scores in each["validation"].values()} == {2}
        assert row["learning_rate"] == row["tried"][0]["chosen"]
        assert len(row["best"]) == len(row["last"]) == len(row["best_epochs"]) == 3
        assert set(row["best_epochs"]) <= {1, 2}
    chosen = {"alpha": rows[1]["tried"][1]["chosen"], "epsilon": 0.0}  # the loss is exact
    assert rows[1]["options"] == chosen
    assert json.loads(json.dumps(rows)) == rows


def test_a_record_says_what_was_run_on_which_data(features, tmp_path):
    small = base(features, epochs=2, data_root="somewhere")
    rows = {"AN": voc_features.Row(small)}
    record = voc_features.record(setting(tmp_path), rows, ["a note"])
    assert "somewhere" not in json.dumps(record)
    parts = [record["data"][f"{part} images"] for part in ("training", "validation", "test")]
    assert sum(parts) == 160
    assert record["differences"] == [*voc_features.DIFFERENCES, "a note"]
    assert record["protocol"]["epochs"] == 2
    assert [len(row["best"]) for row in record["rows"]] == [len(voc_features.SEEDS)]
