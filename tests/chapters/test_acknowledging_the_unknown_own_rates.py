"""Acknowledging the Unknown, epochs and a rate for each method: the record, and what is read."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from chapters.acknowledging_the_unknown import own_rates, record, runs, study, study_claims

from weaklabels.lab.missing_labels import TUNING_SEEDS
from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Record, Store
from weaklabels.press.chapter import Chapter
from weaklabels.press.verdicts import FAILS, HOLDS, NOT_TESTABLE, OPEN

SMALL = np.array([0.0, 0.1, 0.2, 0.1, 0.0, 0.2])
WIDE = np.array([-6.0, 7.0, -5.0, 6.0, -7.0, 5.0])
LEVEL = dict.fromkeys(study.OWN_ROWS, 70.0) | {"EM": 80.0, "EM+APL": 82.0}
IDS = [f"33{letter}" for letter in "abcdef"]

PEAKS = dict.fromkeys(study.OWN_ROWS, (20, 2e-3)) | {"AN": (40, 4e-3), "LS": (5, 1.6e-2)}
"""Row -> epochs and learning rate at which the made-up runs are best; those of LS lie outside what
all rows try."""

METHODS = {"WAN": "DW", "LSAN": "LS"}


def row_of(spec):
    smoothed = dict(spec.method_options).get("negatives_only")
    return "N-LS" if smoothed else METHODS.get(spec.method, spec.method)


class MadeUp(Setting):
    """A setting whose runs are best at the settings of ``PEAKS``; it notes what was asked for."""

    asked: list

    def run(self, function, specs):
        specs = list(specs)
        self.asked.extend(specs)
        return [self.made(spec) for spec in specs]

    @staticmethod
    def made(spec):
        epochs, rate = PEAKS[row_of(spec)]
        miss = np.log2(spec.epochs / epochs) ** 2 + np.log2(spec.optimiser.lr / rate) ** 2
        curve = np.full((3, 2), 90.0 - miss)
        curve[1] += 1  # the best epoch is not the last
        values = {"val_ap": curve, "test_ap": curve - spec.seed / 1e4, "best_epoch": np.array(2)}
        return Record(spec, values, {})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    setting = MadeUp("quick", "cpu", 3, "data", Store(folder), folder)
    object.__setattr__(setting, "asked", [])
    return json.loads(json.dumps(record.own_rates(setting), allow_nan=False)), setting.asked


def chosen(row):
    return {each["setting"]: each["chosen"] for each in row["tried"]}


def tried(row):
    return {each["setting"]: [*map(float, each["validation"])] for each in row["tried"]}


def test_every_method_chooses_its_epochs_and_with_them_its_rate(made):
    content, _ = made
    rows = own_rates.rows_of(content)
    assert tuple(rows) == study.OWN_ROWS
    for name, row in rows.items():
        epochs, rate = PEAKS[name]
        assert chosen(row) == {"learning rate": rate, "epochs": epochs}


def test_all_begin_with_as_many_values_and_others_are_added_beyond_an_end(made):
    content, _ = made
    rows = own_rates.rows_of(content)
    begun = {"learning rate": [*study.OWN_RATES], "epochs": [*study.OWN_EPOCHS]}
    assert [name for name, row in rows.items() if tried(row) != begun] == ["LS"]
    assert tried(rows["LS"]) == {
        "learning rate": [*study.OWN_RATES, 1.6e-2, 3.2e-2],
        "epochs": [2, 5, *study.OWN_EPOCHS],
    }
    assert "the rows LS have more values" in content["differences"][-1]


def test_settings_are_chosen_on_repetitions_that_no_result_is_reported_for(made):
    content, asked = made
    assert content["seeds"] == [300, 301, 302]
    assert content["tuning_seeds"] == list(TUNING_SEEDS)
    seen = {spec.seed for spec in asked}
    assert seen == {*content["seeds"], *TUNING_SEEDS}
    judged = [spec for spec in asked if spec.seed in content["seeds"]]
    assert len(judged) == 2 * len(study.OWN_ROWS) * 3
    assert not any(spec.track for spec in asked)
    usual = runs.scenes("cpu")
    for row in study.OWN_ROWS:
        assert replace(runs.vary(usual, row), seed=300) in judged


def test_scores_are_those_of_the_last_and_of_the_best_epoch(made):
    rows = own_rates.rows_of(made[0])
    an = rows["AN"]
    assert an["last"] == pytest.approx([89.97, 89.9699, 89.9698], abs=1e-3)
    assert an["best"] == pytest.approx([90.97, 90.9699, 90.9698], abs=1e-3)
    assert own_rates.gain(an) == pytest.approx([2, 2, 2])
    assert own_rates.gain(rows["EM"]) == pytest.approx([0, 0, 0])


def test_other_epochs_and_rates_change_nothing_else():
    benchmark = runs.scenes("cpu")
    for row in study.OWN_ROWS:
        usual = runs.vary(benchmark, row)
        assert study.with_schedule(benchmark, row, 20, 2e-3) == usual
        other = study.with_schedule(benchmark, row, 40, 1e-3)
        assert (other.epochs, other.optimiser.lr) == (40, 1e-3)
        same = replace(other, epochs=20, optimiser=usual.optimiser)
        assert replace(same, method_options=usual.method_options) == usual
    starts = {
        n: dict(study.with_schedule(benchmark, "EM+APL", n, 2e-3).method_options)["warm_up"]
        for n in study.MORE_EPOCHS
    }
    assert starts == {2: 1, 5: 3, 10: 7, 20: 15, 40: 30, 80: 60, 160: 120}


def test_a_record_in_miniature(tmp_path, monkeypatch):
    small = runs.settings(Chapter("acknowledging_the_unknown", "smoke")).benchmarks[0]
    monkeypatch.setattr(record, "scenes", lambda device: small)
    for name, value in {
        "OWN_ROWS": ("AN", "EM", "EM+APL"),
        "OWN_EPOCHS": (2, 3),
        "OWN_RATES": (1e-3, 2e-3),
        "MORE_EPOCHS": (2, 3),
        "MORE_RATES": (1e-3, 2e-3),
        "TUNING_SEEDS": (1000,),
    }.items():
        monkeypatch.setattr(study, name, value)
    setting = Setting("quick", "cpu", 2, "data", Store(tmp_path), tmp_path)
    content = json.loads(json.dumps(record.own_rates(setting), allow_nan=False))
    assert content["benchmark"] == {"epochs": 2, "learning rate": 2e-3}
    rows = own_rates.rows_of(content)
    assert list(rows) == ["AN", "EM", "EM+APL"]
    for row in rows.values():
        assert set(row) == set(made_up()["rows"][0])
        assert len(row["best"]) == len(row["last"]) == len(row["usual"]["last"]) == 2
    shown = own_rates.table(content)
    assert shown.loc["AN", ("epochs", "tried")] == "2, 3"
    assert "(end)" in shown.loc["AN", ("epochs", "chosen")]


# -- what is read from the record -----------------------------------------------------------------


def made_up(level=LEVEL, noise=SMALL):
    """A record with a level for each row, 5 points lower with the settings of the benchmark."""
    rows = []
    for name, value in level.items():
        scores = value + {"EM": noise, "EM+APL": noise[::-1]}.get(name, SMALL[::-1])
        usual = {when: (scores - 5).tolist() for when in ("best", "last")}
        tried = [
            {"setting": setting, "chosen": value, "validation": {"1": [1.0], "2": [2.0], "3": [1]}}
            for setting, value in (("learning rate", 2), ("epochs", 3))
        ]
        row = {"row": name, "options": {}, "tried": tried, "best": (scores + 1).tolist()}
        rows.append(row | {"last": scores.tolist(), "usual": usual})
    return {"benchmark": {"epochs": 20, "learning rate": 0.002}, "rows": rows}


def decided(content):
    return {row.id: row.verdict.outcome for row in study_claims.claim_33(content)}


@pytest.mark.parametrize(
    ("em", "apl", "noise", "wanted"),
    [
        (80.0, 82.0, SMALL, HOLDS),
        (70.0, 70.0, SMALL, FAILS),
        (60.0, 55.0, SMALL, FAILS),
        (71.0, 71.0, WIDE, OPEN),
    ],
)
def test_rows_follow_the_lead(em, apl, noise, wanted):
    found = decided(made_up(LEVEL | {"EM": em, "EM+APL": apl}, noise))
    assert found == dict.fromkeys(IDS, wanted)


@pytest.mark.parametrize(("letter", "rival"), zip("abcde", study.OWN_ROWS[:5], strict=True))
def test_each_row_looks_at_its_own_rival(letter, rival):
    found = decided(made_up(LEVEL | {rival: 90.0}))
    assert [id for id, outcome in found.items() if outcome == FAILS] == [f"33{letter}"]


def test_rows_say_what_counts_and_on_what_data():
    rows = study_claims.claim_33(made_up())
    worth = [row.verdict.parts[0].worth for row in rows]
    assert worth == pytest.approx([1.0, 1.0, 0.595, 0.485, 0.66, 0.5])
    assert [row.verdict.parts[0].margin for row in rows] == [0.0] * 6
    assert len({row.claim for row in rows}) == 6
    assert all(row.claim.endswith("of its own (scenes; last epoch).") for row in rows)
    assert {row.figure for row in rows} == {"tab-atu-own-rates"}


def test_reasons_have_their_numbers_from_the_record():
    content = made_up()
    content["rows"][0]["usual"]["last"] = [60.0] * 6
    reasons = study_claims.claim_33(content)[0].why
    assert set(reasons) == {HOLDS, FAILS, OPEN}
    for text in reasons.values():
        assert "20 epochs and the rate 0.002" in text
        assert "EM minus AN is +15.1 points" in text
        assert "worth +5.0 points to EM and +10.1 to AN" in text


def test_the_table_marks_a_choice_at_an_end():
    table = own_rates.table(made_up())
    assert list(table.index) == list(study.OWN_ROWS)
    line = table.loc["EM"]
    assert line["epochs", "chosen"] == "3 (end)"
    assert line["learning rate", "chosen"] == "2"
    assert line["learning rate", "tried"] == "1, 2, 3"
    assert line["its own settings", "last epoch"] == "80.1 ± 0.1"
    assert line["20 epochs, 0.002", "last epoch"] == "75.1 ± 0.1"
    assert line["gain (points)", "last epoch"] == "5.0 ± 0.0"
    assert table.columns.nlevels == 2


def test_without_a_record_the_table_is_empty_and_nothing_is_decided():
    assert own_rates.table(None).empty
    assert decided(None) == dict.fromkeys(IDS, NOT_TESTABLE)


def test_what_is_recorded_is_that_of_the_code():
    content = Chapter("acknowledging_the_unknown").recorded("own_rates")
    if content is None:
        pytest.skip("make record CHAPTERS=acknowledging_the_unknown NAME=own_rates was not run yet")
    assert not {*content["seeds"]} & {*content["tuning_seeds"]}
    rows = own_rates.rows_of(content)
    assert tuple(rows) == study.OWN_ROWS
    for row in rows.values():
        assert {*study.OWN_RATES} <= {*tried(row)["learning rate"]} <= {*study.MORE_RATES}
        assert {*study.OWN_EPOCHS} <= {*tried(row)["epochs"]} <= {*study.MORE_EPOCHS}
        assert len(row["last"]) == len(row["usual"]["last"]) == len(content["seeds"])
