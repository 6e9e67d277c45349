"""A check agrees with the record as often as it should, and not where something differs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from weaklabels.press import agreement
from weaklabels.press.claims import Row, every_seed, exact, greater, not_testable, order
from weaklabels.press.ledger import Ledger

RECORDS = sorted((Path(__file__).parents[2] / "book" / "chapters").glob("*/recorded/claims.json"))


def comparison(differences: np.ndarray, name: str = "1") -> dict[str, Any]:
    """What a row says to the check, without the work of deciding it."""
    part = {"name": "", "kind": "comparison", "outcome": "holds", "values": differences.tolist()}
    return {"id": name, "ours": "", "outcome": "holds", "parts": [part]}


def says(recorded: list[dict[str, Any]], measured: list[dict[str, Any]]) -> list[str]:
    return [row["check"]["says"] for row in agreement.checked(recorded, measured)]


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_other_seeds_of_the_same_effect_rarely_disagree(seeds: int) -> None:
    rng, rows, trials = np.random.default_rng(0), 10, 400
    wrong = 0
    for _ in range(trials):
        record = [comparison(rng.normal(1, 2, 20), str(k)) for k in range(rows)]
        check = [comparison(rng.normal(1, 2, seeds), str(k)) for k in range(rows)]
        wrong += "no" in says(record, check)
    # One chapter in a hundred; 400 chapters have more than 11 with a probability below 0.1 %.
    assert wrong <= 11


def test_the_p_value_is_that_of_students_t_test() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 1, 20), rng.normal(0.5, 1, 3)
    parts = [comparison(values)["parts"][0] for values in (a, b)]
    assert agreement.p_same(*parts) == pytest.approx(stats.ttest_ind(a, b).pvalue)


def test_another_effect_is_found_even_with_one_seed() -> None:
    record = [comparison(np.random.default_rng(2).normal(1, 1, 20))]
    for seeds in (1, 2, 3):
        assert says(record, [comparison(np.full(seeds, 6.0) + 0.1 * np.arange(seeds))]) == ["no"]
        assert says(record, [comparison(np.full(seeds, 1.5))]) == ["yes"]


def test_values_without_spread_must_be_the_same() -> None:
    record = [comparison(np.full(20, 2.0))]
    assert says(record, [comparison(np.full(3, 2.0))]) == ["yes"]
    assert says(record, [comparison(np.full(3, 2.1))]) == ["no"]


def test_each_kind_of_row_is_compared_in_its_way() -> None:
    def row(verdict: Any) -> list[dict[str, Any]]:
        return [Row("1", "a claim", "", verdict).as_dict()]

    often = row(every_seed([True] * 20, "x", "y"))
    assert says(often, row(every_seed([True, True, False], "x", "y"))) == ["yes"]
    assert says(often, row(every_seed([False] * 3, "x", "y"))) == ["no"]
    assert says(row(exact(True, "", "")), row(exact(True, "", ""))) == ["yes"]
    assert says(row(exact(True, "", "")), row(exact(False, "", ""))) == ["no"]
    found = row(order(0.8, 0.5, 0.9, "x"))
    assert says(found, row(order(0.6, 0.2, 0.8, "x"))) == ["yes"]
    assert says(found, row(order(0.1, -0.3, 0.4, "x"))) == ["no"]
    assert says(row(not_testable("why")), row(not_testable("why"))) == ["not checked"]
    assert says(found, []) == ["not checked"]


def test_a_ledger_shows_the_record_and_what_the_check_says(tmp_path: Path) -> None:
    values = np.random.default_rng(3).normal(5, 1, 20)
    recorded = [Row(n, "a claim", "", greater(values, 0 * values)).as_dict() for n in "12"]
    path = tmp_path / "claims.json"
    ledger = Ledger(tmp_path / "now.json", path)
    ledger.add(Row("1", "a claim", "", greater([4.0, 5.0], [0.0, 0.0])))
    assert ledger.rows == ledger.measured  # nothing is recorded yet
    path.write_text(json.dumps(recorded))
    assert [row["check"]["says"] for row in ledger.rows] == ["yes", "not checked"]
    assert ledger.outcomes() == {"1": "holds", "2": "holds"}
    assert ledger.outcomes()["3"] == "not recorded yet"
    agrees = re.findall('<td class="agrees">(.*?)</td>', str(ledger.table().data))
    assert agrees == ["yes", "not checked"]
    ledger.save()
    assert json.loads(ledger.path.read_text()) == ledger.rows


def test_rows_that_are_read_from_the_record_are_not_checked() -> None:
    """They would always agree, and make the test of the others laxer."""
    rng = np.random.default_rng(4)
    draw = [rng.normal(1, 1, 12) for _ in range(2)]
    rows = [Row(str(n), "", "", greater(each, 0 * each)).as_dict() for n, each in enumerate(draw)]
    ranks = Row("2", "", "", order(0.8, 0.5, 0.9, "x")).as_dict()
    closed = Row("3", "", "", exact(True, "", "")).as_dict()
    other = Row("1", "", "", greater(draw[1][:3] + 0.5, [0, 0, 0])).as_dict()
    rounded = Row("2", "", "", order(0.8 + 1e-15, 0.5, 0.9, "x")).as_dict()
    found = agreement.checked([*rows, ranks, closed], [rows[0], other, rounded, closed])
    assert [row["check"]["says"] for row in found] == ["not checked", "yes", "not checked", "yes"]
    alone = agreement.checked(rows[1:], [other])
    assert alone[0]["check"]["p"] == found[1]["check"]["p"]


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.parents[1].name)
def test_three_seeds_of_a_record_agree_with_the_others(path: Path) -> None:
    rows = json.loads(path.read_text(encoding="utf-8"))
    rng, compared, wrong = np.random.default_rng(0), 0, 0
    for _ in range(20):
        draw: dict[int, np.ndarray] = {}
        pairs = [split(row, rng, draw) for row in rows]
        found = says([rest for rest, _ in pairs], [few for _, few in pairs])
        compared += len(found) - found.count("not checked")
        wrong += found.count("no")
    assert wrong <= 0.02 * compared


def split(
    row: dict[str, Any], rng: np.random.Generator, draw: dict[int, np.ndarray]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A row as the other seeds and as three of them would have it; the same three for all rows."""
    rest, few = {**row, "parts": []}, {**row, "parts": []}
    for part in row["parts"]:
        values = np.asarray(part["values"], float)
        if len(values) >= 8:
            order_of = draw.setdefault(len(values), rng.permutation(len(values)))
            rest["parts"].append({**part, "values": values[order_of[3:]].tolist()})
            few["parts"].append({**part, "values": values[order_of[:3]].tolist()})
    return rest, few


def test_of_rows_on_the_same_runs_the_first_counts() -> None:
    rng = np.random.default_rng(5)
    ours, other, rival = (rng.normal(2, 1, 12) for _ in range(3))
    ledger = Ledger(Path("unused"))
    ledger.add(
        Row("3a", "the same", "", greater(ours, other)),
        Row("1a", "first", "", greater(ours, other)),
        Row("1b", "another rival", "", greater(ours, rival)),
        Row("2", "another margin", "", greater(ours, other, margin=-1.0)),
        Row("4", "by chance", "", greater(np.ones(3), np.zeros(3))),
        Row("5", "by chance", "", greater(np.ones(3), np.zeros(3))),
    )
    rows = {row["id"]: row for row in ledger.rows}
    assert rows["3a"]["outcome"] == "not testable here"
    assert rows["3a"]["why"].startswith("The same runs as 1a:")
    assert rows["3a"]["parts"][0]["effect"] is None, "it would be drawn twice"
    assert {id for id, row in rows.items() if row["why"]} == {"3a"}
    assert ledger.outcomes()["1a"] != "not testable here"
