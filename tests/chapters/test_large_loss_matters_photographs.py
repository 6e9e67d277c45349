"""What Large Loss Matters records of its runs on photographs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from chapters.large_loss_matters import record, tables
from chapters.large_loss_matters.runs import LL, TABLE_METHODS

from weaklabels.lab import photographs
from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Record, Store

EPOCHS, CLASSES = 3, 8


@pytest.fixture
def rows(tmp_path):
    setting = Setting("quick", "cpu", 3, "somewhere", Store(tmp_path / "runs"), tmp_path)
    return record.photograph_rows(setting)


def made_up(spec):
    """A run on four images: two labels each, the first one annotated."""
    truth = np.zeros((4, CLASSES), np.int8)
    truth[:, :2] = 1
    observed = np.zeros_like(truth)
    observed[:, 0] = 1
    logits = np.zeros((EPOCHS, 4, CLASSES), np.float16)
    logits[:, :, 1] = np.array([[1], [2], [-1]])  # false negatives: the loss rises and falls
    modified = np.zeros((EPOCHS, 4, CLASSES), bool)
    modified[1, 0, 1] = modified[2, 0, :2] = modified[2, 1, 3] = True
    hits = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 1]])
    values = {
        "test_ap": np.zeros((EPOCHS, CLASSES)),
        "truth": truth,
        "observed": observed,
        "entry_logits": logits,
        "modified": np.packbits(modified, axis=2),
        "pointing_best": hits,
        "pointing_last": hits,
    }
    return Record(spec, values, {})


def test_rows_are_those_of_table_2_under_one_protocol(rows):
    assert tuple(rows) == TABLE_METHODS
    specs = [row.spec for row in rows.values()]
    assert len({(each.network, each.frozen_layers, each.epochs, each.views) for each in specs}) == 1
    for name, row in rows.items():
        assert ("modified" in row.spec.track) == (name in LL)


def test_the_record_tried_the_values_of_the_code(rows):
    path = Path(record.__file__).parent / "recorded" / "photographs.json"
    recorded = json.loads(path.read_text(encoding="utf-8"))
    assert {len(row.values) for row in rows.values() if row.option} == {7}
    for row in recorded["rows"]:
        tried = [list(each["validation"]) for each in row["tried"]]
        wanted = [photographs.LEARNING_RATES, rows[row["row"]].values]
        assert tried == [[f"{value:g}" for value in values] for values in wanted if values]
        assert len(row["best"]) == len(recorded["protocol"]["seeds"]) >= 6


def test_curves_shares_and_precision_are_recorded_where_they_exist(rows):
    for name in ("LL-R", "Naive AN", "Full label"):
        runs = [made_up(rows[name].spec)] * 2
        found = {key: measure(runs) for key, measure in tables.MEASURES.items()}
        assert json.loads(json.dumps(found, allow_nan=False)) == found
        assert found["pointing"]["pooled, best epoch"] == pytest.approx([66.667] * 2)
        assert found["pointing"]["class mean, last epoch"] == [50.0] * 2
        assert (found["memorisation"] is None) == (name == "Full label")
        assert (found["modified"] is None) == (name != "LL-R")
    curves = tables.MEASURES["memorisation"]([made_up(rows["Naive AN"].spec)])
    assert [len(curve) for curve in curves["FN"]] == [EPOCHS]
    assert curves["first FN"] == [0.0]
    modified = tables.MEASURES["modified"]([made_up(rows["LL-R"].spec)])
    assert modified["precision"] == [[None, 100.0, pytest.approx(33.333)]]
    assert modified["guessing"] == [pytest.approx(100 * 4 / 28, abs=1e-3)]


def test_a_run_with_full_labels_is_never_asked_for_what_it_lacks(rows):
    full = rows["Full label"].spec
    assert full.annotation == "full"
    with_values = replace(made_up(full), values={})
    assert tables.MEASURES["memorisation"]([with_values]) is None
