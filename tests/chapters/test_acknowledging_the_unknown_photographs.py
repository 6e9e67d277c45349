"""What Acknowledging the Unknown records, shows and decides of its runs on photographs."""

from __future__ import annotations

import json

import numpy as np
import pytest
from chapters.acknowledging_the_unknown import (
    photograph_claims,
    photograph_figures,
    photographs,
    record,
    runs,
    tables,
)
from chapters.acknowledging_the_unknown.photographs import PUBLISHED_EM

from tests.chapters import small_photographs
from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Record, Store
from weaklabels.press.verdicts import FAILS, HOLDS, NOT_TESTABLE, OPEN

NOISE = np.array([0.0, 0.1, 0.2, 0.1, 0.0])
WIDE = np.array([-6.0, 7.0, -5.0, 6.0, -2.0])
NAMES = [*(row for row in runs.ROWS if row != "ROLE+LI"), PUBLISHED_EM]
LEVEL = dict.fromkeys(NAMES, 80.0) | {"EM": 90.0, "EM+APL": 91.0, PUBLISHED_EM: 89.5}
LEVEL |= {runs.FULL: 90.2, "LS": 83.0, "N-LS": 83.0, "EntMin": 60.0}
KEPT = ("AN", "EM+APL", PUBLISHED_EM)


@pytest.fixture(scope="module")
def miniature(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        setting = small_photographs.miniature(tmp_path_factory.mktemp("voc"), patch, seeds=2)
        rows = record.photograph_rows(setting)
        made = small_photographs.record(setting, rows, record.MEASURES, KEPT)
    return json.loads(json.dumps(made, allow_nan=False))


def made_up(level=LEVEL, *, em_noise=NOISE, em_loss=0.1, distance=0.6, positive=0.9, push=20.0):
    """Rows in the form of a record, with scores at a level for each of them."""
    rows = {}
    for name in NAMES:
        noise = em_noise if name == "EM" else NOISE[::-1]
        scores = (level[name] + noise).tolist()
        is_em = name in ("EM", PUBLISHED_EM)
        rows[name] = {
            "options": {},
            "best": scores,
            "last": scores,
            "validation": [[score, score] for score in scores],
            "test_ap": [
                [score, score, score + (-20 if is_em and k else 0)]
                for k, score in enumerate(scores)
            ],
            "unannotated": {
                "wasserstein": [[distance if is_em else 0.2, 0.3 if is_em else 0.1, None]] * 5,
                "medians": [[positive, 0.5] if is_em else [0.05, 0.01]] * 5,
            },
            "annotated loss": [[em_loss, em_loss / 2] if is_em else [1.5, 0.5]] * 5,
        }
        if name in ("AN", "EM", PUBLISHED_EM):
            counts = [0] * 49 + [3]
            parts = ("training, unannotated", "test")
            rows[name]["person"] = {part: [counts, counts[::-1]] for part in parts}
            rows[name]["gradients"] = {"TP": [[-80.0, -10.0]] * 5, "FN": [[push, push]] * 5}
            rows[name]["gradients"]["TN"] = [[8.0, 2.0]] * 5
    found = {"labelled": [[0.0, 50.0]] * 5, "wrong": [[None, 1.0]] * 5, "hidden": [[0.0, 9.0]] * 5}
    rows["EM+APL"]["pseudo-labels"] = found | {"guessing": 4.0}
    return rows


def decided(rows):
    return {row.id: row.verdict.outcome for row in photograph_claims.every_claim(rows)}


def test_every_row_has_a_run_and_pseudo_labels_are_watched(tmp_path):
    setting = Setting("quick", "cpu", 3, "somewhere", Store(tmp_path / "runs"), tmp_path)
    rows = record.photograph_rows(setting)
    assert list(rows) == NAMES
    assert [name for name, row in rows.items() if "modified" in row.spec.track] == ["EM+APL"]
    apl, em = (dict(rows[name].spec.method_options) for name in ("EM+APL", PUBLISHED_EM))
    assert apl["alpha"] == em["alpha"] == 0.2
    assert apl["warm_up"] == 5


def test_losses_and_gradients_are_those_of_the_logits_when_visited(tmp_path):
    setting = Setting("quick", "cpu", 3, "somewhere", Store(tmp_path / "runs"), tmp_path)
    rows = record.photograph_rows(setting)
    truth, observed = np.array([[1, 1, 0]], np.int8), np.array([[1, 0, 0]], np.int8)
    logits = np.array([[[2.0, 1.0, -3.0]]], np.float16)
    values = {"truth": truth, "observed": observed, "entry_logits": logits}
    p = 1 / (1 + np.exp([-2.0, -1.0, 3.0]))
    run = Record(rows["AN"].spec, values, {})
    assert tables.visited_loss(run) == pytest.approx([-np.log(p[0])])
    found = tables.gradients(run)
    assert found["TP"] == pytest.approx([p[0] - 1], abs=1e-3)
    assert found["FN"] == pytest.approx([p[1]], abs=1e-3)
    found = tables.gradients(Record(rows[PUBLISHED_EM].spec, values, {}))
    assert found["TN"] == pytest.approx([0.2 * -3 * p[2] * (1 - p[2])], abs=1e-3)


def test_a_record_in_miniature_has_the_form_that_the_rows_are_made_up_in(miniature):
    rows = photographs.rows_of(miniature)
    assert list(rows) == list(KEPT)
    for name, row in made_up().items():
        if name in rows:
            assert row.keys() <= rows[name].keys()
            for key, value in row.items():
                if isinstance(value, dict):
                    assert value.keys() <= rows[name][key].keys()
    table = photographs.benchmark_table(rows)
    assert "±" in table.loc["AN", ("photographs", "best epoch")]
    assert table.loc["EM", ("photographs", "best epoch")] == "-"
    assert len(photographs.classes_of(miniature)) == 20
    assert len(photograph_figures.draw_pseudo_labels(rows).axes) == 2


def test_without_a_record_the_published_numbers_are_shown_and_nothing_is_decided():
    rows = photographs.rows_of(None)
    assert photograph_claims.every_claim(rows) == []
    assert (photographs.benchmark_table(rows)["photographs"] == "-").all(axis=None)
    assert photographs.summary(rows) == photographs.NOTHING
    for name in ("wasserstein", "densities", "training", "pseudo_labels"):
        figure = getattr(photograph_figures, f"draw_{name}")(rows)
        assert figure.axes[0].texts[0].get_text() == photographs.NOTHING
    assert photograph_figures.draw_class_gain(rows, None).axes[0].texts


def test_figures_and_summary_of_a_whole_record():
    rows = made_up()
    assert len(photograph_figures.draw_training(rows).axes) == 2
    assert len(photograph_figures.draw_densities(rows).axes) == 4
    assert "100.0 %" in photograph_figures.draw_wasserstein(rows).axes[0].get_title()
    classes = dict.fromkeys("abc", 1)
    named = {"data": {"training images by class": classes}}
    assert len(photograph_figures.draw_class_gain(rows, named).axes[0].patches) == 3
    assert "ahead of EM: EM+APL." in photographs.summary(rows)


def test_claims_that_all_hold():
    found = decided(made_up())
    assert {id for id, outcome in found.items() if outcome != HOLDS} <= {"30", "32"}
    assert len(found) == 2 + 10 + 6 + 2 + 3 + 4 + 1 + 1 + 3 + 1 + 1 + 1


@pytest.mark.parametrize(("em", "noise", "wanted"), [(70.0, NOISE, FAILS), (81.0, WIDE, OPEN)])
def test_claims_about_scores(em, noise, wanted):
    found = decided(made_up(LEVEL | {"EM": em}, em_noise=noise))
    for id in ("19a", "19b", "20a", "20j", "21a", "21f", "23"):
        assert found[id] == wanted
    assert found["24"] == FAILS


def test_claims_about_other_rows():
    found = decided(made_up(LEVEL | {"EM+APL": 85.0, "L1R": 82.0, "LS": 79.0, "EntMin": 79.0}))
    for id in ("22a", "22b", "25", "26a", "26c"):
        assert found[id] == FAILS


def test_a_method_whose_strength_is_zero_is_an_and_no_rival():
    rows = made_up()
    rows["N-LS"]["options"] = {"smoothing": 0.0, "negatives_only": True}
    rows["Focal"]["options"] = {"focus": 0.0}
    rows["LS"]["options"] = {"smoothing": 0.1}
    found = decided(rows)
    left_out = {id for id, outcome in found.items() if outcome == NOT_TESTABLE}
    assert left_out == {"20e", "20j", "21a", "21d", "26d"}


def test_claims_about_what_the_network_makes_of_unknown_labels():
    found = decided(made_up(em_loss=2.0, distance=0.1, positive=0.6, push=1.0))
    for id in ("27", "28", "29b", "31"):
        assert found[id] == FAILS
    assert (found["29a"], found["29c"]) == (HOLDS, HOLDS)


def test_effects_are_those_of_the_papers_voc_column():
    effects = {
        row.id: row.verdict.parts[0].paper_effect
        for row in photograph_claims.every_claim(made_up())
    }
    assert (effects["19a"], effects["19b"]) == (3.2, None)
    assert (effects["20d"], effects["22a"], effects["23"]) == (1.19, 0.1, 1.49)


def test_the_same_questions_are_rows_in_every_place():
    ids = set(decided(made_up()))
    for places in photograph_claims.FINDINGS.values():
        assert set(places[photograph_claims.LAYERS].split()) <= ids
        assert places[photograph_claims.SCENES]
