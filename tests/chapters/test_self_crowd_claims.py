"""Self-Crowd: measures and rows on made-up records."""

import numpy as np
import pytest
from chapters.self_crowd import claims, tables

from weaklabels.lab.store import Record


def made(recalls, skews, rare=None):
    """A record for each seed with two classes, the second one rare, and three measurements.

    Args:
        recalls: method -> recall of both classes at the end, one a seed.
        skews: strategy -> imbalance of its annotations in the rounds.
        rare: method -> recall of the rare class; the same as the other by default.
    """
    records = []
    for seed in range(6):
        values = {"order": np.array([0, 1])}
        for name, ends in recalls.items():
            low = ends if rare is None or name not in rare else rare[name]
            values[f"{name}/recall"] = np.array([[0, 0], [0, 0], [ends[seed], low[seed]]])
        for name, rounds in skews.items():
            values[f"{name}/counts"] = np.array([[100 * x + seed, 100] for x in rounds])
        records.append(Record(None, values, {}))
    return records


HIGH, LOW = (90.0, 91.0, 92.0, 90.0, 91.0, 92.0), (80.0, 81.0, 83.0, 81.0, 82.0, 80.0)
WIDE = (70.0, 95.0, 85.0, 79.0, 90.0, 78.0)
RECALLS = {"MV": LOW, "DS": LOW, "EM": LOW, "DL-CL": LOW, "plain": LOW, "aware": HIGH}
BALANCED = {"plain": (3, 4, 5), "aware": (3, 3, 2)}
AS_CLAIMED = made(RECALLS, BALANCED)
CONTRARY = made({**RECALLS, "aware": LOW, "plain": HIGH}, {"plain": (3, 3, 2), "aware": (3, 4, 5)})
UNDECIDED = made({**RECALLS, "aware": WIDE}, BALANCED)[:3]
UNDECIDED += made({**RECALLS, "aware": WIDE}, {"plain": (3, 3, 2.5), "aware": (3, 4, 5)})[3:]
"""Accuracies that spread; annotations that are balanced in three seeds, and skewed in three."""


def outcomes(rows):
    return [row.verdict.outcome for row in rows]


def test_measures_of_made_up_runs():
    assert tables.final(AS_CLAIMED, "aware").tolist() == list(HIGH)
    assert tables.best(AS_CLAIMED, "plain").tolist() == list(LOW)
    assert tables.ratio(AS_CLAIMED, "plain")[0].tolist() == [3, 4, 5]
    mixed = made({"aware": HIGH}, {}, rare={"aware": LOW})
    assert tables.final(mixed, "aware", rare=True).tolist() == list(LOW)


def test_filled_pairs_are_counted_among_those_that_were_missing():
    values = {
        "truth_counts": np.array([6, 4]),
        "aware/kernel": np.zeros((2, 2, 5)),
        "aware/counts": np.array([[6, 4], [10, 10], [12, 18]]),
        "aware/added": np.array([[4, 6], [2, 8]]),
    }
    assert tables.filled_share([Record(None, values, {})], "aware").tolist() == [50]


def test_knowing_who_answered_is_held_against_one_matrix_for_all():
    known = {
        (level, name): made({method: ends}, {})
        for level, low in ((2.0, LOW), (1.0, WIDE))
        for name, method, ends in (
            ("shares", "shares", LOW),
            ("one matrix", "DL-CL", low),
            ("a matrix each", "DL-CL", HIGH),
        )
    }
    rows = claims.claim_9(known)
    assert [row.id for row in rows] == ["9a", "9b", "9c", "9d"]
    assert outcomes(rows) == ["holds", "holds", "fails", "open"]
    assert tables.known_table(known).shape == (3, 4)


def test_the_summary_names_the_rows_that_are_shown():
    ids = {id for rows in claims.QUESTIONS.values() for id in rows}
    text = claims.summary(dict.fromkeys(ids, "open") | {"9a": "holds"})
    assert "**holds** (9a)" in text
    assert all(id in text for id in ids)


@pytest.mark.parametrize(
    ("skewed", "expected"),
    [
        ((3.0, 3.2, 3.1), ["holds", "holds"]),
        ((1.3, 1.4, 1.42), ["holds", "fails"]),
        ((1.2, 1.3, 1.1), ["fails", "fails"]),
        ((1.1, 2.9, 1.6), ["open", "open"]),
    ],
)
def test_answers_have_to_be_skewed_in_two_ways(skewed, expected):
    skews = {(1, 2): (1.1, 1.2, 1.3), (10, 2): skewed}
    assert outcomes(claims.claim_1(skews, 2)) == expected


def test_claims_about_the_balance_of_annotations():
    for records, expected in (
        (AS_CLAIMED, "holds"),
        (CONTRARY, "fails"),
        (UNDECIDED, "open"),
    ):
        rows = [claims.claim_2(records), *claims.claim_3(records)]
        assert [row.id for row in rows] == ["2", "3a", "3b"]
        assert outcomes(rows) == [expected] * 3
    one_round_late = made(RECALLS, {"plain": (3, 4, 4, 5), "aware": (3, 5, 4.5, 2)})
    assert outcomes(claims.claim_3(one_round_late)) == ["fails", "holds"]
    half = made(RECALLS, {"plain": (3, 4, 5), "aware": (3, 3, 3.4)})  # within what would count
    assert outcomes(claims.claim_3(half)) == ["holds", "holds"]
    more = made(RECALLS, {"plain": (3, 4, 5), "aware": (3, 3, 3.6)})
    assert outcomes(claims.claim_3(more)) == ["holds", "fails"]


def test_balance_is_asked_of_every_setting():
    rows = claims.claim_6d({"1 answer": AS_CLAIMED, "4 answers": CONTRARY})
    assert {row.id: row.verdict.outcome for row in rows} == {"6d": "holds", "6e": "fails"}
    assert rows[1].claim.endswith(": 4 answers.")


def test_claims_about_accuracy():
    assert outcomes(claims.claim_4(AS_CLAIMED)) == ["holds", "fails", "holds"]
    assert outcomes(claims.claim_4(CONTRARY)) == ["fails", "holds", "fails"]
    assert outcomes(claims.claim_4(UNDECIDED)) == ["open", "fails", "open"]
    assert claims.claim_5(AS_CLAIMED).verdict.outcome == "holds"
    assert claims.claim_5(UNDECIDED).verdict.outcome == "open"
    common_only = made(RECALLS, BALANCED, rare={"aware": LOW})
    assert claims.claim_5(common_only).verdict.outcome == "fails"


@pytest.mark.parametrize(
    ("second", "expected"),
    [(AS_CLAIMED, "holds"), (CONTRARY, "fails"), (UNDECIDED, "open")],
)
def test_a_claim_about_all_settings_needs_them_all(second, expected):
    groups = {"a": AS_CLAIMED, "b": second}
    assert outcomes([claims.claim_6a(groups), claims.claim_6c(groups)]) == [expected] * 2


def test_a_mean_over_settings_is_one_comparison():
    groups = {"a": AS_CLAIMED, "b": AS_CLAIMED, "c": CONTRARY}
    rows = [claims.claim_6b(groups), *claims.claim_7(groups)]
    parts = [row.verdict.parts for row in rows]
    assert {len(each) for each in parts} == {1}
    alone = [
        [row.verdict.parts[0].effect for row in (claims.claim_6b(one), *claims.claim_7(one))]
        for one in ({name: records} for name, records in groups.items())
    ]
    np.testing.assert_allclose([each[0].effect for each in parts], np.mean(alone, axis=0))


def test_a_reason_of_one_setting_is_given_for_that_setting_alone():
    missing = claims.claim_6a({"2 answers": AS_CLAIMED, "4 answers": CONTRARY})
    assert "four answers" in missing.why[missing.verdict.outcome]
    for groups in (
        {"2 answers": CONTRARY, "4 answers": AS_CLAIMED},
        {"2 answers": CONTRARY, "4 answers": CONTRARY},
    ):
        assert not claims.claim_6a(groups).why


def test_comparators_are_met_at_the_end():
    records = made(RECALLS, BALANCED)
    for one in records:
        one.values["MV/early"] = np.full((2, 2), 99)
        one.values["DS/recall"][1] = 99
    found = [row.verdict.outcome for row in claims.claim_7({"a": records})]
    assert found == ["holds"] * 3
