"""The recorded tables on VOC features: how a rate is chosen, what the committed files say."""

import json
from dataclasses import replace

import numpy as np
import pytest
from chapters.acknowledging_the_unknown import runs as atu
from chapters.large_loss_matters import runs as lm

from tests.lab.test_heads import base
from weaklabels.lab import voc_features
from weaklabels.lab.store import Store
from weaklabels.press.chapter import Chapter


@pytest.fixture(scope="module")
def rows(features, tmp_path_factory):
    specs = {
        "AN": base(features, epochs=2),
        "EM": base(features, epochs=2, method="EM", method_options=(("alpha", 0.2),)),
    }
    store = Store(tmp_path_factory.mktemp("runs"))
    return voc_features.compute(specs, store, rates=(1e-2, 1e-5), seeds=(0, 1, 2))


def test_the_learning_rate_is_the_best_on_validation(rows):
    for row in rows:
        by_rate = {float(rate): value for rate, value in row["validation"].items()}
        assert set(by_rate) == {1e-2, 1e-5}
        assert by_rate[row["learning_rate"]] == max(by_rate.values())
        assert len(row["best"]) == len(row["last"]) == len(row["best_epochs"]) == 3
        assert set(row["best_epochs"]) <= {1, 2}
    assert json.loads(json.dumps(rows)) == rows


def test_the_table_stands_beside_the_published_columns(rows):
    table = voc_features.table({"rows": rows}, {"VOC": atu.PUBLISHED["VOC"]})
    assert list(table.index) == ["AN", "EM"]
    assert table["published", "VOC"].tolist() == ["85.9", "89.1"]
    assert all("±" in cell for cell in table["recorded here", "best epoch"])
    other = voc_features.table({"rows": rows}, {"LL": lm.TABLE_2["end to end", "VOC"]})
    assert other["published", "LL"].tolist() == ["", ""]


def test_methods_have_the_published_settings_of_voc():
    spec = voc_features.protocol("data")
    large = voc_features.rows_of("large_loss_matters", spec)
    assert dict(large["LL-R"].method_options) == {"rate": 0.002}
    assert dict(large["LL-Cp"].method_options) == {"rate": 0.001}
    assert dict(large["LL-R, rate × 9/24"].method_options) == {"rate": 0.00075}
    unknown = voc_features.rows_of("acknowledging_the_unknown", spec)
    assert [*unknown, "ROLE+LI"] != list(atu.ROWS)
    assert {*unknown, "ROLE+LI"} == set(atu.ROWS)
    apl = dict(unknown["EM+APL"].method_options)
    assert apl == {"alpha": 0.2, "beta": 0.02, "share": 0.9, "warm_up": 12, "epochs": 25}
    with pytest.raises(ValueError, match="no table of 'cap'"):
        voc_features.rows_of("cap", spec)


@pytest.mark.parametrize("chapter", voc_features.CHAPTERS)
def test_the_committed_record_is_complete(chapter):
    record = Chapter(chapter).recorded(voc_features.NAME)
    assert record is not None, "run: python -m weaklabels.lab.voc_features record --data D"
    expected = voc_features.rows_of(chapter, voc_features.protocol("data"))
    assert [row["row"] for row in record["rows"]] == list(expected)
    for row in record["rows"]:
        assert row["method"] == expected[row["row"]].method
        assert row["options"] == dict(expected[row["row"]].method_options)
        values = np.array([row["best"], row["last"]])
        assert values.shape == (2, 5)
        assert ((values > 0) & (values < 100)).all()
        assert row["learning_rate"] == float(max(row["validation"], key=row["validation"].get))
    counts = record["data"]
    assert sum(counts[f"{part} images"] for part in ("training", "validation", "test")) == 3804
    assert record["differences"] == [*voc_features.DIFFERENCES, *voc_features.NOTES[chapter]]
    assert {"date", "device", "torch", "numpy", "python"} <= record["provenance"].keys()


def test_the_command_writes_a_record_atomically(features, tmp_path, monkeypatch):
    small = replace(base(features, epochs=2), data_root="somewhere")
    monkeypatch.setattr(voc_features, "protocol", lambda root: small)
    monkeypatch.setattr(voc_features, "rows_of", lambda chapter, spec: {"AN": spec})
    store = Store(tmp_path / "runs")
    path = voc_features.write("large_loss_matters", "somewhere", store, tmp_path / "recorded")
    record = json.loads(path.read_text("utf-8"))
    assert "somewhere" not in path.read_text("utf-8")
    parts = [record["data"][f"{part} images"] for part in ("training", "validation", "test")]
    assert sum(parts) == 160
    assert [file.name for file in path.parent.iterdir()] == ["voc2012_features.json"]
