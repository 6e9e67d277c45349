"""The scoreboard's kinds of data, its order, and the picture of all comparisons."""

from __future__ import annotations

import json
import re
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from tests.book import toy
from weaklabels.press.claims import Row, not_testable
from weaklabels.press.html import BOOK
from weaklabels.press.html.data_kinds import kind_of
from weaklabels.press.html.forest import draw_book
from weaklabels.press.html.pages import scoreboard
from weaklabels.press.html.papers import Paper, entries_of

PAPER = Paper("M", "An idea.", "all", ("digits", "photographs"), "", "")


@pytest.mark.parametrize(
    ("claim", "figure", "kind"),
    [
        ("It is better.", "tab-m-main", "digits"),
        ("On photographs it is better.", "", "photographs"),
        ("On photographs (Fashion-MNIST, recorded) it is better.", "", "Fashion-MNIST"),
        ("Better (linear heads on photographs, recorded).", "", "features of photographs"),
        ("It is better later.", "tab-m-features", "features of photographs"),
        ("It is ahead (recorded); Lost", "", "real candidate sets"),
        ("Its accuracy is lost, mostly.", "", "digits"),
        (
            "Human labels of CIFAR-10N (worst, recorded): better.",
            "",
            "photographs labelled by people",
        ),
        ("Leaders on scenes lead on other data sets, too.", "", "other data sets"),
    ],
)
def test_a_claim_names_its_data_or_means_the_first_of_its_chapter(
    claim: str, figure: str, kind: str
) -> None:
    assert kind_of({"claim": claim, "figure": figure}, PAPER) == kind


def test_without_a_paper_only_named_data_count() -> None:
    assert kind_of({"claim": "It is better."}, None) == ""
    assert kind_of({"claim": "It is better by two decimal digits."}, None) == ""
    assert kind_of({"claim": "It is better on scenes."}, None) == "scenes of digits"


def test_a_claim_for_which_nothing_was_measured_has_no_data() -> None:
    row = Row("1", "On photographs it is better.", "", not_testable("No photographs."))
    assert kind_of(row.as_dict(), PAPER) == ""


REAL = re.compile("photograph|voc|cifar|human|mirflickr|real|lime|feature")
"""In the label of a figure or table of what was not measured on scenes or digits alone."""


def test_recorded_claims_are_on_data_of_their_chapter() -> None:
    papers, strange = entries_of(BOOK), []
    for path in sorted(BOOK.glob("chapters/*/recorded/claims.json")):
        paper = papers.get(path.parts[-3])
        for row in json.loads(path.read_text(encoding="utf-8")):
            kind = kind_of(row, paper)
            lost = REAL.search(row["figure"] or "") and kind in ("digits", "scenes of digits")
            fits = kind in paper.data if kind and paper else row["ours"] == "-"
            if paper and (lost or not fits):
                strange.append(f"{path.parts[-3]} {row['id']}: {kind}")
    assert strange == []


@pytest.mark.parametrize(
    ("slug", "rows", "kinds"),
    [
        ("isgd_pinn", r"\d", {"differential equations", ""}),
        ("head_to_head", r"([1-9]|1[0-2]|17)[a-z]?$", {"scenes of digits", ""}),
        ("head_to_head", r"1[3-6]|25", {"digits"}),
        ("head_to_head", r"1[89]|2[0-3]|24[ab]", {"other data sets", ""}),
        ("head_to_head", r"24[cd]", {"features of photographs", ""}),
        ("large_loss_matters", "15", {"features of photographs"}),
        ("cap", "8$", {""}),
    ],
)
def test_real_claims_stand_under_what_they_were_measured_on(
    slug: str, rows: str, kinds: set[str]
) -> None:
    path = BOOK / "chapters" / slug / "recorded" / "claims.json"
    told = [row for row in json.loads(path.read_text("utf-8")) if re.match(rows, row["id"])]
    assert told
    assert {kind_of(row, entries_of(BOOK)[slug]) for row in told} <= kinds


def test_filters_stand_above_the_picture() -> None:
    chapter: Any = SimpleNamespace(slug="executed", recorded=[], claims=toy.claims("executed"))
    chapter.totals = lambda: Counter(row["outcome"] for row in chapter.claims)
    text = scoreboard([chapter], {"executed": PAPER}, pictured=True)
    assert 0 < text.index(":class: claims") < text.index("![Forest plot")


def marks(drawn: bytes) -> Counter[str]:
    """Names of the markers of an SVG, and how often each is drawn."""
    return Counter(re.findall(r'xlink:href="#(m[0-9a-f]+)"', drawn.decode()))


def test_the_paper_s_effect_is_a_mark_of_its_own() -> None:
    rows = toy.claims("executed")
    parts = [part for row in rows for part in row["parts"] if part["effect"] is not None]
    known = draw_book({"Executed": rows})
    for part in parts:
        part["paper_effect"] = None
    unknown = draw_book({"Executed": rows})
    assert b"<!-- the paper's effect -->" in known
    assert b"<!-- the paper's effect -->" not in unknown
    added = {name: count for name, count in marks(known).items() if name not in marks(unknown)}
    assert sorted(added.values()) == [1, len(parts)]  # in the legend, and at each effect


def test_the_paper_s_effect_stands_at_its_place() -> None:
    rows = toy.claims("executed", number=3)
    there = draw_book({"Executed": rows})
    rows[0]["parts"][0]["paper_effect"] -= 1.0
    elsewhere = draw_book({"Executed": rows})
    assert elsewhere != there
    assert sorted(marks(elsewhere).values()) == sorted(marks(there).values())
