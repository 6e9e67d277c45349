"""What Large Loss Matters shows and decides of its record on photographs."""

from __future__ import annotations

import json

import numpy as np
import pytest
from chapters.large_loss_matters import (
    photograph_claims,
    photograph_figures,
    photographs,
    record,
    tables,
)
from chapters.large_loss_matters.runs import LL, TABLE_METHODS

from tests.chapters import small_photographs
from weaklabels.press import style
from weaklabels.press.verdicts import FAILS, HOLDS, NOT_TESTABLE, OPEN

NOISE = np.array([0.0, 0.1, 0.2, 0.1, 0.0])
WIDE = np.array([-6.0, 7.0, -5.0, 6.0, -2.0])
RISING, FALLING = [0.5, 2.0, 0.3], [0.3, 0.2, 0.1]
LEVEL = dict.fromkeys(TABLE_METHODS, 80.0) | dict.fromkeys(LL, 84.0)


@pytest.fixture(scope="module")
def miniature(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        setting = small_photographs.miniature(tmp_path_factory.mktemp("voc"), patch, seeds=2)
        rows = record.photograph_rows(setting)
        kept = ("Naive AN", "LL-Ct")
        made = small_photographs.record(setting, rows, tables.MEASURES, kept)
    return json.loads(json.dumps(made, allow_nan=False))


def made_up(level=LEVEL, *, fn=RISING, noise=NOISE, precision=(90.0, 60.0), last=-1.0):
    """Rows in the form of a record: scores and hits at a level for each method."""
    curves = {"TP": FALLING, "TN": FALLING, "FN": fn, "AUC": [0.8, 0.9, 0.7]}
    memorisation = {name: [curve] * len(noise) for name, curve in curves.items()}
    memorisation |= {"first TP": [90.0] * len(noise), "first TN": [90.0] * len(noise)}
    memorisation |= {"first FN": (20.0 + noise).tolist()}
    rows = {}
    for name in TABLE_METHODS:
        best = level[name] + (noise if name in LL else NOISE)
        fall = 0.0 if name in LL else last
        hits = {
            f"{kind}, {moment} epoch": best.tolist()
            for kind in ("pooled", "class mean")
            for moment in tables.MOMENTS
        }
        tried = [{"setting": "learning rate", "chosen": 1e-4, "validation": {"0.0001": [1.0]}}]
        row = {"best": best.tolist(), "last": (best + fall).tolist(), "tried": tried}
        rows[name] = row | {"pointing": hits, "memorisation": memorisation}
        rows[name]["options"] = {"smoothing": 0.1} if name == "LSAN" else {}
        rows[name]["single labels"] = {"FN": fn, "TN": FALLING}
        if name in LL:
            rows[name]["modified"] = {
                "precision": [[None, *precision]] * len(noise),
                "guessing": [4.0] * len(noise),
                "persistence": (70 + noise).tolist(),
            }
    return rows


def decided(rows):
    return {row.id: row.verdict.outcome for row in photograph_claims.every_claim(rows)}


def test_a_record_in_miniature_has_the_form_that_the_rows_are_made_up_in(miniature):
    rows = photographs.rows_of(miniature)
    for name, row in made_up().items():
        if name in rows:
            assert row.keys() <= rows[name].keys()
            for key, value in row.items():
                if isinstance(value, dict):
                    assert value.keys() <= rows[name][key].keys()


def test_tables_and_figures_show_a_record_in_miniature(miniature):
    rows = photographs.rows_of(miniature)
    table = photographs.table_2(rows)
    assert tuple(table.index) == TABLE_METHODS
    assert "±" in table.loc["LL-Ct", ("photographs", "best epoch")]
    assert table.loc["WAN", ("photographs", "last epoch")] == "-"
    assert "rate" in style.chosen_table([*rows.values()]).loc["LL-Ct", "option"]
    assert style.chosen_table([*rows.values()]).loc["Naive AN", "option"] == "-"
    assert list(photographs.table_4(rows).index) == ["Naive AN", "LL-Ct"]
    assert len(photograph_figures.draw_memorisation(rows).axes) == 1
    assert len(photograph_figures.draw_separation(rows).axes) == 2


def test_without_a_record_the_published_numbers_are_shown_and_nothing_is_decided():
    rows = photographs.rows_of(None)
    assert photograph_claims.every_claim(rows) == []
    assert (photographs.table_2(rows)["photographs"] == "-").all(axis=None)
    assert not len(style.chosen_table([*rows.values()]))
    assert "VOC (paper)" in photographs.table_4(rows)
    for name in ("memorisation", "separation", "methods", "precision"):
        assert (
            "not been recorded"
            in getattr(photograph_figures, f"draw_{name}")(rows).axes[0].texts[0].get_text()
        )


def test_figures_show_every_row():
    rows = made_up()
    names = [
        text.get_text() for text in photograph_figures.draw_methods(rows).axes[0].get_yticklabels()
    ]
    assert tuple(names) == TABLE_METHODS
    assert len(photograph_figures.draw_precision(rows).axes) == 2


def test_claims_that_all_hold():
    found = decided(made_up())
    assert set(found.values()) == {HOLDS}
    assert len(found) == 3 + 3 + 2 + 6 + 8 + 2 + 8 + 3


def test_claims_about_memorisation():
    found = decided(made_up(fn=FALLING))
    assert (found["16a"], found["16b"], found["16c"]) == (FAILS, HOLDS, HOLDS)
    assert decided(made_up(fn=[0.5, 2.0, 1.8]))["16b"] == FAILS


@pytest.mark.parametrize(
    ("ours", "noise", "wanted"), [(84.0, NOISE, HOLDS), (78.0, NOISE, FAILS), (81.0, WIDE, OPEN)]
)
def test_claims_about_scores_and_pointing(ours, noise, wanted):
    found = decided(made_up(LEVEL | dict.fromkeys(LL, ours), noise=noise, last=0.0))
    for id in ("19a", "19c", "19f", "20a", "20d", "20h", "22a", "22d", "22g", "22h"):
        assert found[id] == wanted


def test_claims_about_what_is_modified():
    flat = decided(made_up(precision=(12.0, 12.0)))
    assert (flat["21a"], flat["21b"]) == (HOLDS, FAILS)
    assert decided(made_up(precision=(9.0, 3.0)))["21a"] == FAILS
    assert decided(made_up(noise=40 * NOISE - 24))["25"] == OPEN


def test_what_is_modified_is_a_table_too():
    shown = photographs.modified(made_up())
    assert shown.loc["LL-R"].tolist() == ["90.0 ± 0.0", "60.0 ± 0.0", "70.1 ± 0.1"]
    assert shown.loc["LL-Cp", "modified again"] == "-"
    assert photographs.modified({}).empty


def test_a_rival_whose_smoothing_is_zero_is_naive_and_none_to_be_compared_with():
    rows = made_up()
    assert decided(rows)["20b"] == decided(rows)["20f"] == HOLDS
    rows["LSAN"]["options"] = {"smoothing": 0.0}
    found = {row.id: row for row in photograph_claims.every_claim(rows)}
    assert {found[id].verdict.outcome for id in ("20b", "20f")} == {NOT_TESTABLE}
    assert found["22d"].claim.startswith("LL-R points better than WAN, EPR and ROLE (")
    assert len(found["22h"].verdict.parts) == 3


def test_claim_about_the_gap_between_the_epochs():
    assert decided(made_up(last=0.0))["24"] == FAILS
    assert decided(made_up(last=-2.0))["24"] == HOLDS


def test_effects_are_those_of_the_papers_voc_columns():
    effects = {
        row.id: [part.paper_effect for part in row.verdict.parts]
        for row in photograph_claims.every_claim(made_up())
    }
    assert effects["19a"] == [4.1]
    assert effects["19d"] == [None]
    assert effects["20d"] == [1.3]
    assert effects["22a"] == [4.8]
    assert effects["17a"] == pytest.approx([64.5, 66.9])


def test_the_same_questions_are_rows_in_every_place():
    ids = set(decided(made_up()))
    for places in photograph_claims.FINDINGS.values():
        assert set(places[photograph_claims.LAYERS].split()) <= ids
        assert places["scenes"]
