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
    specs = {
        "AN": base(features, epochs=2),
        "EM": base(features, epochs=2, method="EM", method_options=(("alpha", 0.2),)),
    }
    where = setting(tmp_path_factory.mktemp("features"))
    return voc_features.compute(where, specs, rates=(1e-2, 1e-5), seeds=(0, 1, 2))


def test_the_learning_rate_is_the_best_on_validation(rows):
    for row in rows:
        by_rate = {float(rate): value for rate, value in row["validation"].items()}
        assert set(by_rate) == {1e-2, 1e-5}
        assert by_rate[row["learning_rate"]] == max(by_rate.values())
        assert len(row["best"]) == len(row["last"]) == len(row["best_epochs"]) == 3
        assert set(row["best_epochs"]) <= {1, 2}
    assert json.loads(json.dumps(rows)) == rows


def test_a_record_says_what_was_run_on_which_data(features, tmp_path):
    small = base(features, epochs=2, data_root="somewhere")
    record = voc_features.record(setting(tmp_path), {"AN": small}, ["a note"])
    assert "somewhere" not in json.dumps(record)
    parts = [record["data"][f"{part} images"] for part in ("training", "validation", "test")]
    assert sum(parts) == 160
    assert record["differences"] == [*voc_features.DIFFERENCES, "a note"]
    assert record["protocol"]["epochs"] == 2
    assert [len(row["best"]) for row in record["rows"]] == [5]
