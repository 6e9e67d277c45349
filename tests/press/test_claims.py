"""Outcomes follow from the numbers by the rules of the book, at the error rates they promise."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from weaklabels.press.claims import (
    LARGEST_WORTH,
    WORTH,
    Row,
    all_of,
    every_seed,
    exact,
    greater,
    interval,
    lettered,
    mean_std,
    not_testable,
    order,
    rank_agreement,
)
from weaklabels.press.ledger import Ledger
from weaklabels.press.verdicts import FAILS, HOLDS, NOT_TESTABLE, OPEN

RECORDS = sorted((Path(__file__).parents[2] / "book" / "chapters").glob("*/recorded/claims.json"))

SEEDS = 20
REPETITIONS = 300


def expected_rates(effect, spread, worth, margin=0.0, parts=1):
    """Probabilities of holding and of failing, computed without drawing.

    Given the sample's deviation, which has a chi-squared distribution, the ends of the interval
    follow from the mean, which is normal. With several independent parts all have to hold, and one
    of them fails at 5 % divided by their number.
    """
    quantiles = (np.arange(20_000) + 0.5) / 20_000
    deviation = spread * np.sqrt(stats.chi2.ppf(quantiles, SEEDS - 1) / (SEEDS - 1))
    error = spread / np.sqrt(SEEDS)
    half, strict = (
        stats.t.ppf(1 - 0.05 / count, SEEDS - 1) * deviation / np.sqrt(SEEDS)
        for count in (1, parts)
    )
    decisive = margin if margin < 0 else max(worth, margin)
    holds = stats.norm.sf((margin + half - effect) / error).mean()
    highest = np.minimum(decisive - strict, margin + half)  # what holds does not fail as well
    fails = stats.norm.cdf((highest - effect) / error).mean()
    return holds**parts, 1 - (1 - fails) ** parts


def assert_rates(outcomes, expected):
    """Holding and failing are as frequent as they should be, neither more nor less."""
    for outcome, rate in zip((HOLDS, FAILS), expected, strict=True):
        count = outcomes.count(outcome)
        assert stats.binomtest(count, len(outcomes), rate).pvalue > 1e-3, outcome


@pytest.mark.parametrize("margin", [0.0, 1.0, -1.0])
@pytest.mark.parametrize("spread", [0.3, 1.5])
@pytest.mark.parametrize("times", [0, 0.5, 1, 2])
def test_error_rates_are_those_of_the_t_test(times, spread, margin):
    rng = np.random.default_rng(round(10 * times + spread))
    effect = margin + times * WORTH
    drawn = effect + spread * rng.standard_normal((REPETITIONS, SEEDS))
    outcomes = [greater(values, np.zeros(SEEDS), margin=margin).outcome for values in drawn]
    assert_rates(outcomes, expected_rates(effect, spread, WORTH, margin))
    if times >= 1 and margin <= 0:  # what counts is called absent in one of twenty cases at most
        assert outcomes.count(FAILS) <= stats.binom.ppf(0.9999, REPETITIONS, 0.05)


@pytest.mark.parametrize("times", [0, 0.5, 1, 2])
def test_error_rates_of_a_conjunction(times):
    """Of all parts, and of the first two of them."""
    rng = np.random.default_rng(round(10 * times + 2))
    drawn = times * WORTH + 0.8 * rng.standard_normal((REPETITIONS, 5, SEEDS))
    verdicts = [[greater(each, np.zeros(SEEDS)) for each in values] for values in drawn]
    for parts in (2, 5):
        wholes = ({str(k): each for k, each in enumerate(held[:parts])} for held in verdicts)
        outcomes = [all_of(whole).outcome for whole in wholes]
        assert_rates(outcomes, expected_rates(times * WORTH, 0.8, WORTH, parts=parts))


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.95])
def test_error_rates_of_shares_of_seeds(share):
    rng = np.random.default_rng(round(100 * share))
    passed = rng.random((REPETITIONS, SEEDS)) < share
    outcomes = [every_seed(values, "x", "y").outcome for values in passed]
    counts = np.arange(SEEDS + 1)
    tail = stats.binom.sf(counts - 1, SEEDS, 0.5), stats.binom.cdf(counts, SEEDS, 0.5)
    expected = [stats.binom.pmf(counts, SEEDS, share)[each < 0.05].sum() for each in tail]
    assert_rates(outcomes, expected)


values = st.lists(st.floats(-50, 50).map(lambda v: round(v, 3)), min_size=2, max_size=25)


def assert_says_no_more_than_its_interval(part):
    """Of a part as ``Part.as_dict`` gives it, or as it is committed."""
    decisive = part["margin"] if part["margin"] < 0 else max(part["worth"], part["margin"])
    assert part["low"] <= part["effect"] <= part["high"]
    if part["outcome"] == FAILS:
        assert part["high"] < decisive
    if part["outcome"] == HOLDS:
        assert part["low"] > part["margin"]
    if part["outcome"] == OPEN:
        assert part["low"] <= part["margin"]
        assert part["high"] >= decisive


@given(values, st.sampled_from([0.1, 0.5, 2.0]), st.sampled_from([-1.0, 0.0, 0.3, 5.0]))
def test_no_outcome_says_more_than_its_interval(found, worth, margin):
    verdict = greater(found, [0.0] * len(found), worth=worth, margin=margin)
    assert_says_no_more_than_its_interval(verdict.parts[0].as_dict())


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.parents[1].name)
def test_no_recorded_outcome_says_more_than_its_interval(path):
    for row in json.loads(path.read_text(encoding="utf-8")):
        for part in row["parts"]:
            if part["kind"] in ("comparison", "margin") and part["effect"] is not None:
                assert_says_no_more_than_its_interval(part)


@given(values)
def test_what_is_open_says_how_many_seeds_would_decide(found):
    part = greater(found, [0.0] * len(found)).parts[0]
    if part.outcome != OPEN:
        assert part.needed is None
        return
    if part.needed is None:
        return
    assert part.needed > len(found)
    half = np.std(found, ddof=1) / np.sqrt(part.needed) * stats.t.ppf(0.95, part.needed - 1)
    assert np.mean(found) - half > 0 or np.mean(found) + half < WORTH


@pytest.mark.parametrize("shift", [-1.0, 0.2, 0.5, 2.0])
def test_greater_is_the_paired_t_test(shift):
    rng = np.random.default_rng(0)
    a, b = rng.normal(shift, 0.5, 5), rng.normal(0, 0.5, 5)
    verdict = greater(a, b)
    wanted = stats.ttest_rel(a, b, alternative="greater").pvalue < 0.05
    assert (verdict.outcome == HOLDS) == wanted
    below = stats.ttest_1samp(a - b, WORTH, alternative="less").pvalue
    assert verdict.parts[0].p_fails == pytest.approx(below)


def test_worth_is_half_of_the_papers_effect_and_at_most_a_point():
    def worth(**given):
        return greater([1.0, 2.0], [0.0, 0.0], **given).parts[0].worth

    assert worth() == WORTH
    assert worth(paper_effect=0.6) == pytest.approx(0.3)
    assert worth(paper_effect=8.0) == LARGEST_WORTH
    assert worth(paper_effect=8.0, worth=0.01) == 0.01


def test_a_small_effect_that_holds_is_called_small():
    assert greater([0.2, 0.21, 0.19], [0, 0, 0]).ours.endswith("small")
    assert not greater([1.2, 1.21, 1.19], [0, 0, 0]).ours.endswith("small")


def test_margins():
    near = [9.9, 10.0, 10.1, 10.0]
    assert greater(near, [0] * 4, margin=8).outcome == HOLDS
    assert greater(near, [0] * 4, margin=12).outcome == FAILS
    assert greater(near, [0] * 4, margin=10).outcome == OPEN
    worse = [-0.3, -0.31, -0.29, -0.3]
    assert greater(worse, [0] * 4, margin=-0.5).outcome == HOLDS  # no worse by half a point
    assert greater(worse, [0] * 4, margin=-0.2).outcome == FAILS
    assert greater([-1, 1, -1, 1], [0] * 4, margin=-0.5).outcome == OPEN


def test_equal_values_do_not_count_as_greater():
    assert greater([1.0, 1.0, 1.0], [1.0, 1.0, 1.0]).outcome == FAILS
    assert interval(np.ones(3)) == (1.0, 1.0, 1.0)


@pytest.mark.filterwarnings("error")
def test_differences_that_are_equal_up_to_rounding_have_no_spread():
    ours = np.array([0.1, 0.7, 1e3]) + 0.2
    assert greater(ours, ours - 1.0).outcome == HOLDS


def test_one_seed_decides_nothing():
    assert greater([2.0], [1.0]).outcome == NOT_TESTABLE
    assert every_seed([True], "x", "y").outcome == NOT_TESTABLE


@pytest.mark.parametrize(
    ("ours", "other", "message"),
    [
        ([1.0, 2.0], [1.0], "paired values have shapes"),
        ([1.0, np.nan], [1.0, 2.0], "not finite"),
        ([1.0, 2.0], [np.inf, 2.0], "not finite"),
    ],
)
def test_what_cannot_be_compared_is_refused(ours, other, message):
    with pytest.raises(ValueError, match=message):
        greater(ours, other)


@pytest.mark.parametrize(
    ("passed", "n", "outcome"),
    [(5, 5, HOLDS), (4, 4, OPEN), (2, 2, OPEN), (0, 5, FAILS), (0, 4, OPEN), (10, 20, OPEN),
     (15, 20, HOLDS), (5, 20, FAILS)],
)  # fmt: skip
def test_every_seed_is_a_share_above_one_half(passed, n, outcome):
    verdict = every_seed([True] * passed + [False] * (n - passed), "x", "y")
    assert verdict.outcome == outcome
    ends = stats.binomtest(passed, n).proportion_ci(0.9, "exact")
    assert (verdict.parts[0].low, verdict.parts[0].high) == pytest.approx(ends)
    if (passed, n) == (4, 4):
        assert verdict.parts[0].needed == 5


def test_a_whole_is_as_good_as_its_parts():
    yes, no, unknown = exact(True, "a", "t"), exact(False, "b", "t"), not_testable("because")
    undecided = greater([-1, 1, 0.5], [0, 0, 0])
    assert all_of({"1": yes, "2": yes}).outcome == HOLDS
    assert all_of({"1": yes, "2": no, "3": unknown}).outcome == FAILS
    assert all_of({"1": yes, "2": undecided}).outcome == OPEN
    assert all_of({"1": yes, "3": unknown}).outcome == NOT_TESTABLE
    assert all_of({"1": yes, "3": unknown}).why == "because"
    nested = all_of({"x": all_of({"1": yes, "2": undecided}), "y": yes})
    assert [part.name for part in nested.parts] == ["x, 1", "x, 2", "y"]


def test_a_small_effect_that_holds_does_not_fail_the_whole():
    """Its interval lies between 0 and worth: it holds, although no larger effect is possible."""
    small = greater([10.1, 10.11, 10.09, 10.1], [10.0] * 4)
    assert small.outcome == HOLDS
    assert all_of({"1": small, "2": small}).outcome == HOLDS


def test_a_part_has_to_fail_beyond_the_number_of_parts():
    """Of many true parts one fails at 5 % by chance: the whole then is open, not failed."""
    short = greater([0.4, -0.4, 0.3, 0.2, -0.3], [0] * 5)
    assert short.outcome == FAILS
    assert 0.0125 < short.parts[0].p_fails < 0.05
    holding = greater([2.0, 2.1, 1.9], [0, 0, 0])
    assert all_of({"a": short}).outcome == FAILS
    assert all_of({"a": short, "b": holding, "c": holding, "d": holding}).outcome == OPEN


def test_rows_have_letters_of_their_own_and_none_is_lost():
    assert list(lettered("abc", ["x", "y"])) == [("a", "x"), ("b", "y")]
    with pytest.raises(ValueError, match="3 rows: expected at most 2, one a letter"):
        lettered("ab", iter("xyz"))


def test_mean_and_sample_deviation():
    assert mean_std([1.0, 2.0, 3.0]) == "2.0 ± 1.0"
    assert mean_std([1.0]) == "1.0"


def ids_shown(ledger: Ledger) -> list[str]:
    return re.findall("<tr><th>([^<]+)</th>", str(ledger.table().data))


def test_ledger_is_written_whole_and_ids_are_unique(tmp_path):
    ledger = Ledger(tmp_path / "claims" / "x.json")
    why = {HOLDS: "it does", FAILS: "it does not"}
    ledger.add(Row("1", "a claim", "the paper", exact(True, "ours", "test"), "fig-x", why))
    ledger.add(Row("2", "another", "the paper", not_testable("no data"), why=why))
    ledger.add(Row("3", "a third", "the paper", greater([-1, 1, 0.5], [0, 0, 0]), why=why))
    with pytest.raises(ValueError, match="claim '1' is in the ledger already"):
        ledger.add(Row("1", "again", "", exact(True, "", "")))
    ledger.save()
    rows = json.loads(ledger.path.read_text())
    wanted = "id claim paper ours test seeds outcome figure why parts"
    assert all(set(row) == set(wanted.split()) for row in rows)
    fields = "name kind effect low high worth margin paper_effect seeds outcome needed values"
    assert all(set(part) == set(fields.split()) for row in rows for part in row["parts"])
    assert [row["why"] for row in rows] == ["it does", "no data", ""]
    assert ledger.outcomes() == {"1": HOLDS, "2": NOT_TESTABLE, "3": OPEN}
    assert ids_shown(ledger) == ["1", "2", "3"]
    assert [p.name for p in ledger.path.parent.iterdir()] == ["x.json"]


def test_rows_are_shown_by_number_in_whatever_order_they_were_added(tmp_path):
    ledger = Ledger(tmp_path / "x.json")
    ids = ["10", "2b", "r1", "14a2", "2a", "14a10", "1", "f2"]
    ledger.add(*(Row(id, "a claim", "", exact(True, "", "")) for id in ids))
    wanted = ["1", "2a", "2b", "10", "14a10", "14a2", "f2", "r1"]
    assert [row["id"] for row in ledger.rows] == wanted
    ledger.save()
    again = Ledger(tmp_path / "y.json", record=ledger.path)
    again.add(*(Row(id, "a claim", "", exact(True, "", "")) for id in ids[:3]))
    assert ids_shown(again) == list(again.outcomes()) == wanted


def test_order_of_methods():
    assert order(0.8, 0.5, 0.9, "x").outcome == HOLDS
    assert order(-0.8, -0.9, -0.5, "x").outcome == FAILS
    assert order(0.1, -0.3, 0.5, "x").outcome == OPEN


def test_rank_agreement():
    orders = np.arange(8.0)[:, None] + np.zeros((8, 3))
    assert rank_agreement(orders, orders[:, 0]) == pytest.approx((1.0, 1.0, 1.0))
    assert rank_agreement(-orders, orders[:, 0])[0] == pytest.approx(-1.0)
    rng = np.random.default_rng(0)
    rho, low, high = rank_agreement(rng.normal(size=(15, 5)), rng.normal(size=15))
    assert low < rho < high
    assert high - low > 0.5
    with pytest.raises(ValueError, match="at least 3 methods"):
        rank_agreement(np.zeros((2, 3)), [0, 1])


@pytest.mark.filterwarnings("error")
def test_ties_have_their_mean_rank_and_resamples_of_one_method_are_left_aside():
    scores = np.array([[1.0, 1.0], [2.0, 2.0], [2.0, 2.0]])
    rho, low, high = rank_agreement(scores, [1.0, 2.0, 3.0])  # ranks 1, 2.5, 2.5 and 1, 2, 3
    assert rho == pytest.approx(np.sqrt(3) / 2)
    assert np.isfinite([low, high]).all()
