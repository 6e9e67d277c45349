"""CDCR on photographs and on real candidates: its recorders in miniature, and what is read."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import scipy.io
from chapters.cdcr import real_candidates, record, runs

from tests.chapters.small_photographs import miniature
from weaklabels.lab import photographs
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Store

METHODS = ("BCE", "CDCR", "True labels")
"""Those that are run here."""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        setting = miniature(tmp_path_factory.mktemp("voc"), patch, seeds=1)
        usual = photographs.photographs
        own = {"network_options": options(pretrained=False)}
        patch.setattr(photographs, "photographs", lambda setting: usual(setting) | own)
        patch.setattr(photographs, "EPOCHS", 2)
        patch.setattr(runs, "METHODS", METHODS)
        for name, value in {"RATES": (1e-4,), "FIRST_EPOCHS": 1}.items():
            patch.setattr(record, name, value)
        yield record.on_photographs(setting)


def test_every_method_is_recorded_at_both_rates(recorded):
    found = [(row["name"], row["rate"]) for row in recorded["rows"]]
    low, high = record.NOISE
    assert found == [
        *((name, low) for name in METHODS),
        *((name, high) for name in METHODS if name != "True labels"),
    ]
    assert json.loads(json.dumps(recorded, allow_nan=False)) == recorded
    for row in recorded["rows"]:
        assert [each["setting"] for each in row["tried"]] == ["learning rate"]
        assert recorded["first stage"][row["row"]]["chosen"] == 1e-4


def test_all_candidates_are_selected_without_a_rule(recorded):
    for row in recorded["rows"]:
        if row["name"] != "CDCR":
            assert row["selection"]["recall"] == [[100.0, 100.0]]
        purity = np.array(row["selection"]["purity"])
        assert (purity == 100).all() == (row["name"] == "True labels")


@pytest.fixture
def setting(tmp_path):
    """A setting with a tiny MirFlickr: one feature a class, and every second wrong label."""
    rng = np.random.default_rng(0)
    truth = (rng.uniform(size=(200, 3)) < 0.4).astype(np.uint8)
    wrong = rng.uniform(size=truth.shape) < 0.5
    content = {
        "data": truth + 0.3 * rng.normal(size=truth.shape),
        "target": truth.T,
        "partial_labels": (truth | wrong).astype(np.uint8).T,
    }
    (tmp_path / "partial-multilabel").mkdir()
    scipy.io.savemat(tmp_path / "partial-multilabel" / "mirflickr.mat", content)
    return Setting("quick", "cpu", 2, str(tmp_path), Store(tmp_path / "runs"), tmp_path)


def test_real_candidates_are_those_of_the_file(setting):
    spec = real_candidates.mirflickr(setting.data_root, {})["BCE"]
    short = replace(spec, epochs=2)
    found = real_candidates.run(short)
    assert found["test_ap"].shape == found["val_ap"].shape == (2, 3)
    assert found["tally"].sum((1, 2, 3, 4)).tolist() == [120 * 3] * 2
    assert found["tally"][..., 0, 1, :].sum() == 0
    given = real_candidates.load_splits(short).train
    assert found["tally"][0][:, 1, 1].sum() == given.extra["candidates"].sum()
    truth = real_candidates.run(replace(short, told="truth"))
    assert truth["tally"][0][:, 1, 1, 0].sum() == 0


def test_the_selection_begins_after_the_warm_up(setting):
    spec = real_candidates.mirflickr(setting.data_root, {})["CDCR"]
    found = real_candidates.run(replace(spec, epochs=real_candidates.WARM_UP + 1))
    left_out = found["tally"][:, :, 0, 1].sum((1, 2))
    assert (left_out[:-1] == 0).all()
    assert left_out[-1] > 0


def test_mirflickr_is_recorded_with_what_was_tried(setting, monkeypatch):
    monkeypatch.setattr(record, "MIRFLICKR_SEEDS", range(100, 102))
    monkeypatch.setattr(real_candidates, "RATES", (1e-2,))
    usual = real_candidates.mirflickr
    short = lambda *given: {n: replace(s, epochs=6) for n, s in usual(*given).items()}  # noqa: E731
    monkeypatch.setattr(real_candidates, "mirflickr", short)
    found = record.mirflickr(setting)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert [row["row"] for row in found["rows"]] == list(real_candidates.METHODS)
    for row in found["rows"]:
        dial = real_candidates.DIALS.get(row["row"], ())[:1]
        assert [each["setting"] for each in row["tried"]] == ["learning rate", *dial]
        assert {len(each["validation"]) for each in row["tried"][1:]} <= {5}
        assert len(row["last"]) == 2
    assert found["data"]["true among the candidates (%)"] < 100
