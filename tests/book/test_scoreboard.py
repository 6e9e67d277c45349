"""The scoreboard's kinds of data, its order, and the pictures in its rows."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from weaklabels.press.claims import Row, greater, not_testable
from weaklabels.press.html import BOOK
from weaklabels.press.html.data_kinds import kind_of
from weaklabels.press.html.forest import HALF, draw_row
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
        ("head_to_head", r"1[3-6]|2[5-7]", {"digits"}),
        ("head_to_head", "28", {"photographs"}),
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


def drawn_at(row: dict[str, Any]) -> dict[str, list[float]]:
    """Class of the marks of a row's picture -> how far right of the middle they stand."""
    found = re.findall(r'class="(\w+)" transform="translate\((\S+) ', draw_row(row))
    return {kind: [float(x) for each, x in found if each == kind] for kind, _ in found}


def test_marks_stand_at_their_effects() -> None:
    row = Row("1", "Better.", "", greater([3.0, 3.1, 2.9], [1.0, 1.1, 0.9], worth=1.0)).as_dict()
    [part] = row["parts"]
    assert "paper" not in drawn_at(row)
    places = []
    for effect in (-1e6, -300.0, -10.0, -1.0, 0.0, 0.5, 1.0, 10.0, 100.0, 300.0, 1e6):
        part["effect"] = part["paper_effect"] = effect
        marks = drawn_at(row)
        assert marks["mark"] == marks["paper"]
        places += marks["mark"]
    one, ten, hundred = places[6:9]
    assert places == sorted(places)
    assert places[4] == 0.0
    assert places[:2] + places[-2:] == [-HALF + 5] * 2 + [HALF - 5] * 2
    assert places[5] == pytest.approx(one / 2, abs=0.1)
    assert hundred - ten == pytest.approx(ten - one, abs=0.2)
    assert f"M{one} 0V" in draw_row(row)  # the dotted line: what would count


def test_a_margin_is_the_unit_of_its_comparison() -> None:
    verdict = greater([1.0, 1.1, 0.9], [1.0, 1.2, 0.8], margin=-0.5)
    row = Row("1", "No worse.", "", verdict).as_dict()
    [claimed] = drawn_at(row)["claimed"]
    row["parts"][0]["effect"] = -0.5
    assert drawn_at(row)["mark"] == [claimed]
    assert claimed < 0


def test_a_row_without_comparisons_has_no_picture() -> None:
    assert draw_row(Row("1", "On photographs.", "", not_testable("None.")).as_dict()) == ""
    assert draw_row({"id": "1"}) == ""
