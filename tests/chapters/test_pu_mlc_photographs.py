"""PU-MLC on photographs: the rows of its record, what is measured, the claims that it decides."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from chapters.pu_mlc import photographs, runs

from tests.library import tiny_datasets as tiny
from weaklabels import methods
from weaklabels.lab.multilabel import annotate, load_splits
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Store


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    folder = tmp_path_factory.mktemp("voc")
    tiny.voc2012(folder, train=40, val=40)
    return Setting("quick", "cpu", 2, str(folder), Store(folder / "runs"), folder / "recorded")


def small(row):
    """The same row on tiny images, with random weights."""
    data = options(**dict(row.spec.data_options) | {"resolution": 32})
    own = options(pretrained=False)
    spec = replace(row.spec, data_options=data, network_options=own, epochs=1, batch_size=16)
    return replace(row, spec=spec)


def test_rows_differ_in_method_and_labels_alone(setting):
    rows = photographs.rows(setting)
    assert len(rows) == 4 * len(photographs.CURVES) + len(photographs.PARTS) + 2
    common = {
        (s.network, s.frozen_layers, s.epochs, s.batch_size, s.optimiser, s.views, s.augment)
        for s in (row.spec for row in rows.values())
    }
    assert len(common) == 1
    for name, row in rows.items():
        given = dict(row.spec.method_options)
        assert given.get("gamma", 0.85) in (0.0, 0.85)
        assert given.get("alpha") in (None, 2.0)
        assert (given.get("local_global") == photographs.KERNEL) == ("LgConv" in name)
        seeded = dict(runs.seeded(row.spec).method_options)
        assert methods.create(row.spec.method, **seeded)


def test_labels_that_are_known_are_nested_and_shared(setting):
    rows = {name: small(row).spec for name, row in photographs.rows(setting).items()}
    truth = load_splits(next(iter(rows.values()))).train.y.numpy()

    def known(method, percent):
        return annotate(rows[photographs.row_name(method, percent)], truth)

    few, many = (known("partial BCE", percent) != 0 for percent in (30, 60))
    assert many[few].all()
    np.testing.assert_array_equal(known("PU-MLC", 30), known("partial BCE", 30).clip(0))


def test_the_record_in_miniature(setting, monkeypatch):
    names = [("partial BCE", 10), ("PU-MLC", 10), ("PU-MLC", 60), ("PU-MLC with LgConv", 10)]
    wanted = {
        key: small(row)
        for key, row in photographs.rows(setting).items()
        if key in [photographs.row_name(*each) for each in names]
    }
    monkeypatch.setattr(photographs, "rows", lambda setting: wanted)
    monkeypatch.setattr(photographs, "RATES", (1e-4, 1e-3))
    content = json.loads(json.dumps(photographs.record(setting), allow_nan=False))
    assert next(iter(content)) == "what"
    assert [row["row"] for row in content["rows"]] == list(wanted)
    for row in content["rows"]:
        assert len(row["best"]) == len(row["predicted"]) == len(row["spread"]) == 2
        assert all(0 <= value <= 100 for value in row["predicted"])
    assert all(
        content["cost"]["with"][key] > value for key, value in content["cost"]["without"].items()
    )
    assert setting.data_root not in json.dumps(content)
    found = photographs.found(content)
    assert set(found) == set(names)
    assert len(photographs.frame(found)) == 8
    assert photographs.score_table(found).loc["PU-MLC with LgConv", "60 % known"] == "-"
    assert photographs.part_table(found).index.tolist() == [
        "partial BCE",
        "PU-MLC",
        "PU-MLC with LgConv",
    ]
    assert {each.chosen for each in photographs.tuned(content)} <= {1e-4, 1e-3}
