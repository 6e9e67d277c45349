"""CIFAR-10N as a sparse crowd: what is run, and rows on made-up records."""

import numpy as np
import pytest
import torch
from chapters.self_crowd import figures, photograph_claims, photographs, tables

from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Store
from weaklabels.press.verdicts import FAILS, HOLDS, NOT_TESTABLE, OPEN

HIGH, LOW = (90.0, 91.0, 92.0, 90.0, 91.0), (80.0, 81.0, 83.0, 81.0, 82.0)
WIDE = (70.0, 95.0, 85.0, 79.0, 88.0)


def test_a_record_in_miniature(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    truth = np.tile(np.arange(10), 20)
    x = torch.from_numpy(np.eye(10)[truth] + 0.1 * rng.standard_normal((200, 10))).float()
    wrong = rng.random((200, 3)) < 0.2
    answers = np.where(wrong, rng.integers(0, 10, (200, 3)), truth[:, None])
    given = (x, truth, answers, x, truth)
    monkeypatch.setattr(photographs, "features", lambda *_: given)
    monkeypatch.setattr(photographs, "WIDTH", 10)
    setting = Setting("smoke", "cpu", 2, str(tmp_path), Store(tmp_path / "runs"), tmp_path)
    record = photographs.sparse_crowd(setting)
    assert record["protocol"]["seeds"] == [100, 101]
    cells = tables.photograph_cells(record)
    assert cells[1, "aware"]["balance"].shape == (2, 4)
    assert cells[2, "plain"]["agreement"].shape == (2, 3)
    assert "balance" not in cells[1, "DS"]
    assert tables.photograph_table(cells).shape == (9, 8)
    assert len(figures.draw_photograph_balance(cells).axes) == 2
    assert len(photograph_claims.on_photographs(cells)) == 20


def test_six_rounds_fill_half_of_what_is_missing(tmp_path):
    setting = Setting("quick", "cpu", 2, str(tmp_path), Store(tmp_path / "runs"), tmp_path)
    table = photographs.table(setting)
    columns = len(photographs.COLUMNS)
    given = {1: 1.0, 2: 1.0 + sum(min(k, 2) * p for k, p in ((1, 0.3679), (2, 0.2642)))}
    for level, spec in table.items():
        filled = spec.rounds * spec.share * given[level] / (columns - given[level])
        assert filled == pytest.approx(0.5, abs=0.03)
        assert spec.network_options == options(inputs=photographs.WIDTH, hidden=(128,))


def made(aware, plain, rising=(3.0, 4.0, 5.0, 6.0), flat=(3.0, 3.0, 2.5, 2.5)):
    """Cells in which both numbers of answers have the same values."""
    steps = np.arange(5)[:, None] / 10
    methods = {"aware": aware, "plain": plain} | dict.fromkeys(
        ("MV", "DS", "EM", "DL-CL", "random"), LOW
    )
    balance = {"aware": np.array(flat) + steps, "plain": np.array(rising) + steps}
    return {
        (level, name): dict.fromkeys(("accuracy", "best", "minority"), np.array(values))
        | ({"balance": balance[name]} if name in balance else {})
        for level in photograph_claims.LEVELS
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


def test_without_a_record_nothing_is_decided():
    rows = photograph_claims.on_photographs(tables.photograph_cells(None))
    assert outcomes(rows) == {NOT_TESTABLE}
    assert len({row.id for row in rows}) == len(rows)
    assert tables.photograph_table({}).empty
    assert all(ax.texts for ax in figures.draw_photograph_balance({}).axes)
