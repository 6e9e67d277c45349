"""Verdicts are computed, and computed right."""

import json

import numpy as np
import pytest
from scipy import stats

from weaklabels.press.claims import (
    FAILS,
    HOLDS,
    NOT_TESTABLE,
    Ledger,
    Row,
    all_of,
    every_seed,
    exact,
    greater,
    mean_std,
    not_testable,
    rank_agreement,
)


@pytest.mark.parametrize("shift", [-1.0, 0.2, 0.5, 2.0])
def test_greater_is_the_paired_t_test(shift):
    rng = np.random.default_rng(0)
    a, b = rng.normal(shift, 0.5, 5), rng.normal(0, 0.5, 5)
    wanted = stats.ttest_rel(a, b, alternative="greater").pvalue < 0.05
    assert (greater(a, b).verdict == HOLDS) == wanted


def test_equal_values_do_not_count_as_greater():
    assert greater([1.0, 1.0, 1.0], [1.0, 1.0, 1.0]).verdict == FAILS


def test_one_seed_decides_nothing():
    assert greater([2.0], [1.0]).verdict == NOT_TESTABLE
    assert every_seed([True], "x", "y").verdict == NOT_TESTABLE


def test_unpaired_values_are_refused():
    with pytest.raises(ValueError, match="paired values have shapes"):
        greater([1.0, 2.0], [1.0])


def test_every_seed_means_every_seed():
    assert every_seed([True, True], "x", "y").verdict == HOLDS
    assert every_seed([True, False], "x", "y").verdict == FAILS


def test_a_whole_fails_with_a_part_and_is_open_with_an_open_part():
    yes, no, unknown = exact(True, "a", "t"), exact(False, "b", "t"), not_testable("because")
    assert all_of({"1": yes, "2": yes}).verdict == HOLDS
    assert all_of({"1": yes, "2": no, "3": unknown}).verdict == FAILS
    open_part = all_of({"1": yes, "3": unknown})
    assert open_part.verdict == NOT_TESTABLE
    assert open_part.why == "because"


def test_mean_and_sample_deviation():
    assert mean_std([1.0, 2.0, 3.0]) == "2.0 ± 1.0"
    assert mean_std([1.0]) == "1.0"


def test_ledger_is_written_whole_and_ids_are_unique(tmp_path):
    ledger = Ledger(tmp_path / "claims" / "x.json")
    ledger.add(Row("1", "a claim", "the paper", exact(True, "ours", "test"), figure="fig-x"))
    ledger.add(Row("2", "another", "the paper", not_testable("no data")))
    with pytest.raises(ValueError, match="claim '1' is in the ledger already"):
        ledger.add(Row("1", "again", "", exact(True, "", "")))
    ledger.save()
    rows = json.loads(ledger.path.read_text())
    wanted = {"id", "claim", "paper", "ours", "test", "seeds", "verdict", "figure", "why"}
    assert all(set(row) == wanted for row in rows)
    assert rows[1]["why"] == "no data"
    assert ledger.totals() == {HOLDS: 1, FAILS: 0, NOT_TESTABLE: 1}
    assert list(ledger.table().index) == ["1", "2"]
    assert [p.name for p in ledger.path.parent.iterdir()] == ["x.json"]


def test_a_comparison_that_fails_says_how():
    assert greater([2, 3, 4], [1, 2, 3.1]).why == ""
    assert "spread" in greater([2, 3, 9], [1, 2.5, 1]).why
    assert "other way" in greater([1, 2, 3], [2, 3, 4]).why
    assert "falls short" in greater([2, 3, 4], [1, 2, 3.1], margin=5).why
    both = all_of({"a": greater([2, 3, 9], [1, 2.5, 1]), "b": exact(True, "", "")})
    assert (both.verdict, "spread" in both.why) == (FAILS, True)


def test_rank_agreement():
    order = np.arange(8.0)[:, None] + np.zeros((8, 3))
    assert rank_agreement(order, order[:, 0]) == (1.0, 1.0, 1.0)
    assert rank_agreement(-order, order[:, 0])[0] == -1.0
    rng = np.random.default_rng(0)
    rho, low, high = rank_agreement(rng.normal(size=(15, 5)), rng.normal(size=15))
    assert low < rho < high
    assert high - low > 0.5
    with pytest.raises(ValueError, match="at least 3 methods"):
        rank_agreement(np.zeros((2, 3)), [0, 1])
