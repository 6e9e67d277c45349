"""CIFAR-10N and CIFAR-10H as crowds: what is run, and rows on made-up records."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from chapters.self_crowd import (
    anonymous,
    figures,
    photograph_claims,
    photograph_tuning,
    photographs,
    record,
    runs,
    tables,
)

from weaklabels import data
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Store
from weaklabels.methods.self_crowd import SHARED
from weaklabels.press.record import readable
from weaklabels.press.verdicts import FAILS, HOLDS, NOT_RECORDED, NOT_TESTABLE, OPEN

HIGH, LOW = (90.0, 91.0, 92.0, 90.0, 91.0), (80.0, 81.0, 83.0, 81.0, 82.0)
WIDE = (70.0, 95.0, 85.0, 79.0, 88.0)


@pytest.fixture
def setting(tmp_path, monkeypatch):
    """Two hundred images that are easy to tell apart, and two repetitions."""
    rng = np.random.default_rng(0)
    truth = np.tile(np.arange(10), 20)
    x = torch.from_numpy(np.eye(10)[truth] + 0.1 * rng.standard_normal((200, 10))).float()
    wrong = rng.random((200, 3)) < 0.2
    answers = np.where(wrong, rng.integers(0, 10, (200, 3)), truth[:, None])
    counts = 12 * np.eye(10, dtype=np.int64)[truth] + rng.integers(0, 2, (200, 10))
    monkeypatch.setattr(photographs, "features", lambda *_: (x, truth, answers, x, truth))
    monkeypatch.setattr(anonymous, "features", lambda *_: (x, truth, counts, x, truth))
    monkeypatch.setattr(photographs, "WIDTH", 10)

    def load(name, *_, **__):
        extra = {"answers": answers} if name == "crowd_truth_infer" else {"counts": counts}
        part = data.Split(x, torch.from_numpy(truth), extra=extra)
        return data.Splits(tuple("abcdefghij"), part, None, part)

    monkeypatch.setattr(data, "load", load)
    return Setting("smoke", "cpu", 2, str(tmp_path), Store(tmp_path / "runs"), tmp_path)


def test_a_record_in_miniature(setting):
    content = photographs.sparse_crowd(setting)
    assert content["protocol"]["seeds"] == [100, 101]
    cells = tables.photograph_cells(content, "answers")
    assert cells[1, "aware"]["balance"].shape == (2, 4)
    assert cells[2, "plain"]["agreement"].shape == (2, 3)
    assert "balance" not in cells[1, "DS"]
    assert tables.photograph_table(cells).shape == (9, 8)
    assert len(figures.draw_photograph_balance(cells).axes) == 2
    assert len(photograph_claims.on_photographs(cells)) == 20


def test_real_crowds_in_miniature(setting):
    content = record.real_crowds(setting)
    assert content["protocol"]["seeds"] == [100, 101]
    inference = {(row["set"], row["answers"]): row for row in content["truth_inference"]}
    assert len(inference) == 3 * 4 + 5
    assert [level for name, level in inference if name == "CIFAR-10H"][:4] == [1, 3, 5, 10]
    assert max(inference["dog", 1]["majority vote"]) <= 100
    assert tables.recorded_inference_table(content).shape == (17, 4)
    cells = tables.photograph_cells(content, "crowd")
    assert cells[tables.NAMELESS, "quota"]["balance"].shape == (2, 4)
    assert (tables.NAMELESS, "DS") not in cells
    table = tables.photograph_table(cells)
    assert table.shape == (9, 8)
    assert (table == "-").sum().sum() == 5 * 2 + 2 * 3
    assert len(figures.draw_photograph_balance(cells).axes) == 2
    made_with = {"command": "make record", "provenance": {"date": "today", "torch": "2"}}
    assert "one matrix for all" in tables.photograph_note(content | made_with)


def test_settings_of_every_method_in_miniature(setting, monkeypatch):
    monkeypatch.setattr(photograph_tuning, "RATES", (1e-3, 1e-2))
    monkeypatch.setattr(photograph_tuning, "FILLED", (0, 0.5))
    content = record.tuned_photographs(setting)
    named, nameless = 3 * len(photograph_tuning.METHODS), len(photograph_tuning.METHODS) - 2
    assert len(content["choices"]) == len(content["rows"]) == named + nameless
    for each in content["choices"]:
        assert list(map(float, each["rate"]["validation"])) == list(photograph_tuning.RATES)
        if each["method"] in photograph_tuning.STRATEGIES:
            assert list(map(float, each["share"]["validation"])) == list(photograph_tuning.FILLED)
        else:
            assert "share" not in each
    assert readable(content)  # no number that is none
    cells = tables.photograph_cells(content, "crowd")
    assert (tables.NAMELESS, "EM") not in cells
    assert cells[tables.TWO, "aware"]["accuracy"].shape == (2,)
    assert tables.photograph_own_table(cells).shape == (2 * len(photograph_tuning.METHODS), 4)
    shown = tables.photograph_choices(content)
    assert shown.shape == (len(photograph_tuning.METHODS) + len(photograph_tuning.STRATEGIES), 4)
    assert (shown == "-").sum().sum() == 2


def test_a_trial_is_judged_on_images_that_train_nothing(setting, monkeypatch):
    seen = {}
    monkeypatch.setattr(runs, "run_on", lambda _, task: seen.update(task=task))
    spec = photographs.table(setting)[1]
    photograph_tuning.trial(replace(spec, ratio=0))
    x = photographs.features("", "")[0]
    rows = [{tuple(row) for row in part.tolist()} for part in (seen["task"].x, seen["task"].test_x)]
    assert len(rows[1]) == len(x) // photograph_tuning.HELD_BACK
    assert len(rows[0]) == len(x) - len(rows[1])
    assert not rows[0] & rows[1]


def test_pairs_of_all_rounds_are_the_share_that_is_said(setting):
    for spec in photographs.table(replace(setting, profile="quick")).values():
        half, whole = (photograph_tuning.share(spec, filled) for filled in (0.5, 1))
        assert (half, whole) == (spec.share, 2 * spec.share)


def test_answers_without_names_are_drawn_from_the_counts():
    counts = np.array([[3, 0, 1], [0, 2, 0], [1, 1, 4]])
    rng = np.random.default_rng(0)
    everyone = anonymous.drawn(counts, rng)
    assert everyone.shape == (3, 6)
    assert [np.bincount(row[row >= 0], minlength=3).tolist() for row in everyone] == counts.tolist()
    assert (everyone[1] >= 0).tolist() == [True] * 2 + [False] * 4
    first = np.concatenate([anonymous.drawn(counts, rng, 1) for _ in range(2000)], 1)
    shares = [np.bincount(row, minlength=3) / 2000 for row in first]
    np.testing.assert_allclose(shares, counts / counts.sum(1, keepdims=True), atol=0.05)


def test_what_is_said_of_the_ratios_is_what_is_run(setting):
    sparse = photographs.table(setting)[1]
    assert tables.NAMED.endswith(f"{record.RATIO:g} : 1")
    assert tables.NAMELESS.endswith(f"{sparse.ratio:g} : 1")
    spec = anonymous.without_names(sparse)
    assert (spec.form, spec.mean_answers, spec.share) == (SHARED, 1, sparse.share)
    assert len(photographs.COLUMNS) == anonymous.PLACES
    assert set(spec.methods) < set(runs.Spec().methods)


def test_six_rounds_fill_half_of_what_is_missing(tmp_path):
    setting = Setting("quick", "cpu", 2, str(tmp_path), Store(tmp_path / "runs"), tmp_path)
    table = photographs.table(setting)
    columns = len(photographs.COLUMNS)
    given = {1: 1.0, 2: 1.0 + sum(min(k, 2) * p for k, p in ((1, 0.3679), (2, 0.2642)))}
    for level, spec in table.items():
        filled = spec.rounds * spec.share * given[level] / (columns - given[level])
        assert filled == pytest.approx(0.5, abs=0.03)
        assert spec.network_options == options(inputs=photographs.WIDTH, hidden=(128,))


def made(aware, plain, crowds=(1, 2), rising=(3.0, 4.0, 5.0, 6.0), flat=(3.0, 3.0, 2.5, 2.5)):
    """Cells in which both crowds have the same values."""
    steps = np.arange(5)[:, None] / 10
    methods = {"aware": aware, "plain": plain} | dict.fromkeys(
        ("MV", "DS", "EM", "DL-CL", "random"), LOW
    )
    balance = {"aware": np.array(flat) + steps, "plain": np.array(rising) + steps}
    return {
        (crowd, name): dict.fromkeys(("accuracy", "best", "minority"), np.array(values))
        | ({"balance": balance[name]} if name in balance else {})
        for crowd in crowds
        for name, values in methods.items()
    }


def outcomes(rows):
    return {row.verdict.outcome for row in rows}


def test_rows_on_the_balance_of_annotations():
    as_claimed = made(HIGH, LOW)
    swapped = made(HIGH, LOW, rising=(3.0, 3.0, 2.5, 2.5), flat=(3.0, 4.0, 5.0, 6.0))
    for rule in (photograph_claims.claim_10, photograph_claims.claim_11):
        assert outcomes(rule(as_claimed)) == {HOLDS}
        assert outcomes(rule(swapped)) == {FAILS}


def test_rows_on_accuracy():
    for aware, expected in ((HIGH, HOLDS), (LOW, FAILS), (WIDE, OPEN)):
        cells = made(aware, LOW)
        assert outcomes(photograph_claims.claim_12(cells)) == {expected}
        assert outcomes(photograph_claims.claim_13(cells)) == {expected}
        assert outcomes(photograph_claims.claim_14(cells)) == {expected}
        assert outcomes(photograph_claims.claim_15(cells)) == {expected}


def test_rows_on_one_more_crowd_stand_for_it_alone():
    real = (tables.NAMED, tables.NAMELESS)
    for aware, expected in ((HIGH, HOLDS), (LOW, FAILS), (WIDE, OPEN)):
        cells = made(HIGH, LOW, real) | made(aware, LOW, real[1:])
        rows, last = photograph_claims.claim_8(cells), photograph_claims.claim_16(cells)
        assert outcomes(rows) == outcomes([last[0]]) == {HOLDS}
        assert outcomes(last[1:]) == {expected}
        assert [row.id for row in rows + last] == [f"8{x}" for x in "fghijkl"] + [
            f"16{x}" for x in "abcdefg"
        ]
    swapped = made(HIGH, LOW, real, rising=(3.0, 2.5), flat=(3.0, 6.0))
    assert outcomes([photograph_claims.claim_16(swapped)[0]]) == {FAILS}


def test_rows_with_settings_of_their_own_are_means_over_crowds():
    four = (tables.ONE, tables.TWO, tables.NAMED, tables.NAMELESS)
    cells = made(HIGH, LOW, four)
    cells = {k: v for k, v in cells.items() if k not in {(four[-1], "DS"), (four[-1], "EM")}}
    rows = photograph_claims.claim_18(cells)
    assert [row.id for row in rows] == [f"18{letter}" for letter in "abcdefg"]
    assert outcomes(rows) == {HOLDS}
    assert ["three" in row.claim for row in rows] == [False] * 4 + [True] * 2 + [False]
    cells[four[-1], "aware"] = dict.fromkeys(("accuracy", "minority"), np.array(LOW) - 60)
    worse = photograph_claims.claim_18(cells)
    assert [row.verdict.outcome for row in worse] == [FAILS] * 4 + [HOLDS] * 2 + [FAILS]


def test_without_a_record_nothing_is_decided():
    cells = tables.photograph_cells(None, "answers")
    rows = photograph_claims.on_photographs(cells)
    rows += photograph_claims.claim_8(cells) + photograph_claims.claim_16(cells)
    rows += photograph_claims.claim_18(cells)
    assert tables.recorded_inference_table(None).empty
    assert outcomes(rows) == {NOT_TESTABLE}
    assert len({row.id for row in rows}) == len(rows)
    assert tables.photograph_table({}).empty
    assert tables.photograph_own_table({}).empty
    assert tables.photograph_choices(None).empty
    assert tables.photograph_note(None) == NOT_RECORDED
    assert {ax.get_title() for ax in figures.draw_photograph_balance({}).axes} == {NOT_RECORDED}
