"""CAP on photographs: the recorder in miniature, what is read from its record, its claims."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from chapters.cap import record, runs, tables

from tests.chapters.small_photographs import miniature
from weaklabels.lab import photographs
from weaklabels.lab.spec import options

DIALS = runs.DIALS


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        setting = miniature(tmp_path_factory.mktemp("voc"), patch, seeds=1)
        usual = photographs.photographs
        own = {"network_options": options(pretrained=False)}
        patch.setattr(photographs, "photographs", lambda setting: usual(setting) | own)
        patch.setattr(photographs, "EPOCHS", 2)
        patch.setattr(runs, "DIALS", {n: replace(d, values=d.values[:1]) for n, d in DIALS.items()})
        for name, value in {"SHARES": (0.3,), "RATES": (1e-4,), "FIRST_EPOCHS": 1}.items():
            patch.setattr(record, name, value)
        yield record.on_photographs(setting)


def test_every_method_is_recorded_at_every_share(recorded):
    rows = recorded["rows"]
    assert [(row["name"], row["share"]) for row in rows] == [
        (name, 0.3) for name in tables.ON_PHOTOGRAPHS
    ]
    assert json.loads(json.dumps(recorded, allow_nan=False)) == recorded
    for row in rows:
        tried = [each["setting"] for each in row["tried"]]
        assert tried == ["learning rate", *record.DIALS.get(row["name"], ())[:1]]
        assert ("pseudo-labels" in row) == (row["name"] != "Supervised")


def test_pseudo_labels_are_counted_on_the_unlabelled_photographs(recorded):
    by_name = {(row["name"], row["share"]): row["pseudo-labels"] for row in recorded["rows"][1:]}
    images = recorded["data"]["training images"]
    ours, top = by_name["CAP", 0.3], by_name["Top-k", 0.3]
    assert ours["positive"] == top["positive"]
    k = next(row for row in recorded["rows"] if row["name"] == "Top-k")["options"]["k"]
    assert np.sum(top["called"], 1).tolist() == [k * (images - int(0.3 * images))]
    assert [len(curve) for curve in ours["share gap"]] == [2]
