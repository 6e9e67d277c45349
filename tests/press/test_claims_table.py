"""A chapter's table of claims: columns, fine print, and the link to what decides."""

from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup

from weaklabels.press.claims import Row, all_of, exact, greater, not_testable, order
from weaklabels.press.claims_table import claims_table, in_the_paper
from weaklabels.press.fine_print import FEW_METHODS, NOT_BY_HOLM, conditions, needed
from weaklabels.press.ledger import Ledger

MANY = "more than 1000 seeds would decide"
GAIN = np.array([1.0, 2.0, 1.5, 1.2])


def rows(*made: Row) -> list[dict]:
    ledger = Ledger(Path("unused"))
    ledger.add(*made)
    return ledger.rows


def cells(html: str, name: str) -> list[str]:
    soup = BeautifulSoup(html, "html.parser")
    return [cell.get_text(" ", strip=True) for cell in soup.select(f"td.{name}")]


def test_the_notebook_and_the_book_show_one_and_the_same_table():
    ledger = Ledger(Path("unused"))
    ledger.add(Row("1", "a <claim>", "5 & 6", greater(GAIN, 0 * GAIN), "fig-x-line"))
    html = claims_table(ledger.rows)
    assert ledger.table().data == html
    head = BeautifulSoup(html, "html.parser").select("thead th")
    assert [each.text for each in head] == [
        *("", "claim", "paper", "here", "outcome", "test", "why"),
    ]
    assert '<td class="claim">a &lt;claim&gt;</td><td class="paper">5 &amp; 6</td>' in html


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Table 2: 85 to 87", "the paper's Table 2: 85 to 87"),
        ("5 (PGD-20, Tables 2 and 5)", "5 (PGD-20, the paper's Tables 2 and 5)"),
        ("Figure 1b; Section 4.2", "the paper's Figure 1b; the paper's Section 4.2"),
        ("the paper's Table S3", "the paper's Table S3"),
        ("4.1 points (Table 12 of Large Loss Matters)",) * 2,
        ("not in the paper, which reports the best epoch",) * 2,
        ("Figures on CIFAR-10",) * 2,
    ],
)
def test_a_table_of_the_paper_is_not_taken_for_one_of_the_book(written: str, shown: str):
    assert in_the_paper(written) == shown
    assert cells(claims_table(rows(Row("1", "c", written, not_testable("x")))), "paper") == [shown]


def test_the_fine_print_has_the_test_the_seeds_both_effects_and_the_link():
    html = claims_table(
        rows(
            Row("1", "c", "", greater(GAIN, 0 * GAIN, paper_effect=1.5), "tab-x-scores"),
            Row("2", "c", "", exact(True, "2", "equal"), "fig-x"),
            Row("3", "c", "", not_testable("no data")),
        )
    )
    assert cells(html, "test") == [
        "Test: mean paired difference > 0; fails below 0.75; 95 % t-interval ends; 4 seeds; "
        "effect in the paper +1.5; smallest effect that counts 0.75; decided by tab-x-scores",
        "Test: equal; decided by fig-x",
        "",
    ]
    link = BeautifulSoup(html, "html.parser").select_one("a.decides")
    assert link is not None
    assert link["href"] == "#tab-x-scores"
    assert cells(html, "why") == ["", "", "no data"]


def test_an_explanation_leads_to_the_figures_that_it_names():
    why = {"holds": "As x - 1 < 2 says (tab-x-scores), and fig-x-line-2."}
    html = claims_table(rows(Row("1", "c", "", greater(GAIN, 0 * GAIN), why=why)))
    [cell] = BeautifulSoup(html, "html.parser").select("td.why")
    assert cell.get_text() == why["holds"]
    assert [link["href"] for link in cell.select("a.named")] == ["#tab-x-scores", "#fig-x-line-2"]


def test_several_parts_say_their_effects_by_name_and_what_counts_as_a_range():
    parts = {
        "A": greater(GAIN, 0 * GAIN, paper_effect=1.0),
        "B": greater(GAIN, 0 * GAIN, paper_effect=3.0),
        "C": greater(GAIN, 0 * GAIN, margin=-1.0),
    }
    [row] = rows(Row("1", "c", "", all_of(parts)))
    assert conditions(row)[1:] == [
        *("4 seeds", "effects in the paper: A +1, B +3", "smallest effect that counts 0.5 to 1"),
    ]


def test_an_open_claim_says_what_would_decide_it_beside_its_outcome():
    unsure = np.array([-1.0, 1.0, 0.9, 1.2])
    html = claims_table(
        rows(
            Row("1", "c", "", greater(unsure, 0 * unsure)),
            Row("2", "c", "", order(0.3, -0.2, 0.8, "order")),
            Row("3", "c", "", greater(GAIN, 0 * GAIN)),
        )
    )
    said = cells(html, "outcome")
    assert said[0].startswith("open about ")
    assert said[1:] == [f"open {FEW_METHODS}", "holds"]
    marks = BeautifulSoup(html, "html.parser").select(".verdict")
    assert [mark["class"] for mark in marks] == [
        ["verdict", each] for each in ("open", "open", "holds")
    ]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([("comparison", "open", 12), ("comparison", "open", 40)], "about 40 seeds would decide"),
        (
            [("comparison", "open", 12), ("margin", "open", None)],
            MANY,
        ),
        ([("order", "open", None), ("comparison", "open", 12)], FEW_METHODS),
        ([("comparison", "fails", None), ("comparison", "holds", None)], NOT_BY_HOLM),
    ],
)
def test_what_would_decide(parts: list[tuple], said: str):
    names = ("kind", "outcome", "needed")
    assert needed({"parts": [dict(zip(names, part, strict=True)) for part in parts]}) == said


def test_a_check_has_two_columns_more():
    [row] = rows(Row("1", "c", "", exact(True, "2", "equal")))
    html = claims_table([row | {"check": {"found": "3", "says": "no", "p": 0.0}}, row])
    assert cells(html, "this-run") == ["3", ""]
    assert cells(html, "agrees") == ["no", ""]
    assert "agrees" not in claims_table([row])
