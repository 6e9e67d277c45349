"""Sentences of the front page, whose numbers and outcomes the record decides."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.book import toy
from weaklabels import Classifier
from weaklabels.estimator.settings import check_settings
from weaklabels.press.html import BOOK
from weaklabels.press.html.chapters import Shown
from weaklabels.press.html.findings import FOUND, filled, findings_of, found, guide, measured
from weaklabels.press.runner.notebooks import chapters_of
from weaklabels.press.verdicts import FAILS, HOLDS, OPEN

CHAPTERS = [Shown(each.slug, each.path, Path()) for each in chapters_of(BOOK)]
PLACE = re.compile(r"\{(\w+) (\w+)[^}]*\}")


def chapter(*rows: dict[str, Any], shown: bool = True) -> Any:
    return SimpleNamespace(
        slug="toys", claims=rows if shown else (), edition=SimpleNamespace(claims=rows)
    )


def row(id: str, outcome: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"id": id, "claim": "Toys are better.", "outcome": outcome, "parts": list(parts)}


ONE = toy.part(HOLDS, effect=7.52, low=7.21, high=7.88)


def test_a_place_becomes_effect_unit_and_interval_with_a_link() -> None:
    said = filled("Toys help\n ({toys 4a points}).", HOLDS, [chapter(row("4a", HOLDS, ONE))])
    link = '<a href="scoreboard.html#claim-toys-4a">+7.5 points [7.2, 7.9]</a>'
    assert said == f"Toys help ({link})."


def test_a_row_that_the_scoreboard_lacks_is_not_linked() -> None:
    said = filled("{toys 4a}", HOLDS, [chapter(row("4a", HOLDS, ONE), shown=False)])
    assert said == "+7.5 [7.2, 7.9]"


@pytest.mark.parametrize("came_out", [FAILS, OPEN, "not testable here"])
def test_a_sentence_whose_row_came_out_otherwise_is_refused(came_out: str) -> None:
    with pytest.raises(ValueError, match=f"toys 4a has the outcome '{came_out}'.*'holds'.*Toys"):
        filled("Toys help ({toys 4a}).", HOLDS, [chapter(row("4a", came_out, ONE))])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("Toys help.", "no row stands behind 'Toys help.'"),
        ("{toys 5}", "toys 5 is not recorded"),
        ("{games 4a}", "games 4a is not recorded"),
        ("{toys 6}", r"row 6 .* has no effect"),
    ],
)
def test_a_sentence_without_a_number_is_refused(text: str, complaint: str) -> None:
    exact = row("6", HOLDS, toy.part(HOLDS, kind="exact", effect=None))
    with pytest.raises(ValueError, match=complaint):
        filled(text, HOLDS, [chapter(row("4a", HOLDS, ONE), exact)])


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([toy.part(FAILS, effect=-0.09, low=-0.67, high=0.49)], "−0.09 cm [−0.67, 0.49]"),
        ([toy.part(HOLDS, effect=e) for e in (3.2, -0.04, 1.0)], "−0.0 to +3.2 cm"),
        ([toy.part(HOLDS, kind="every seed", effect=0.75, seeds=12)], "9 of 12 seeds"),
    ],
)
def test_what_was_measured(parts: list[dict[str, Any]], said: str) -> None:
    assert measured(row("1", HOLDS, *parts), "cm") == said


def test_a_sentence_stands_under_an_outcome(tmp_path: Path) -> None:
    (tmp_path / "findings.yml").write_text("found: {hold: x}\nmethods: {}\n")
    with pytest.raises(ValueError, match=r"findings\.yml: 'hold' is none of holds, fails, open"):
        findings_of(tmp_path)


def test_the_sentences_of_the_book_agree_with_its_record() -> None:
    findings = findings_of(BOOK)
    assert list(findings.found) == list(FOUND)
    for text in findings.found.values():
        assert len(PLACE.findall(text)) == 3
    said = found(findings, CHAPTERS) + guide(findings, CHAPTERS)
    assert "{" not in said
    assert said.count("claim-") == sum(
        len(PLACE.findall(text))
        for group in (findings.found, *findings.methods.values())
        for text in group.values()
    )


def test_every_kind_of_weak_labels_has_a_method() -> None:
    methods = findings_of(BOOK).methods
    assert list(methods) == [
        "Single positive labels",
        "Partial labels with missing entries",
        "Candidate sets",
        "Too many labels",
        "Wrong labels",
        "Crowds",
        "Few labelled images",
    ]
    for said in methods.values():
        assert 'Classifier("' in " ".join(said.values())
        assert HOLDS in said


CALL = re.compile(r"`(Classifier\([^`]*\))`")


def calls() -> list[Classifier]:
    """The classifiers of the front page, as one who copies them makes them."""
    said = [text for group in findings_of(BOOK).methods.values() for text in group.values()]
    found = [code for text in said for code in CALL.findall(text)]
    return [eval(" ".join(code.split()), {"Classifier": Classifier}) for code in found]


def test_the_calls_of_the_front_page_are_taken() -> None:
    made = calls()
    assert len(made) > 10
    for model in made:
        check_settings(model.get_params(), model.method_options)


@pytest.mark.parametrize(
    ("record", "row"),
    [
        ("large_loss_matters/recorded/photographs", "LL-R"),
        ("acknowledging_the_unknown/recorded/voc2012_features", "LS"),
        ("pu_mlc/recorded/photographs", "PU-MLC, 60 % known"),
    ],
)
def test_a_call_with_options_is_that_of_the_row_it_cites(record: str, row: str) -> None:
    held = json.loads((BOOK / "chapters" / f"{record}.json").read_text())
    [wanted] = [each for each in held["rows"] if each["row"] == row]
    [model] = [m for m in calls() if m.method == wanted["method"] and m.method_options]
    options = {name: value for name, value in wanted["options"].items() if name != "epsilon"}
    assert model.method_options == options
    assert (model.epochs, model.batch_size) == tuple(
        held["protocol"][name] for name in ("epochs", "batch_size")
    )
    features = "network" not in held["protocol"]
    assert (model.pretrained, model.network) == ((False, "linear") if features else (True, "auto"))
    assert (model.lr or 1e-4) == wanted["learning_rate"]  # that of pretrained layers
