"""Tables of records, and what is said of findings in several places."""

import matplotlib.pyplot as plt

from weaklabels.press import style
from weaklabels.press.verdicts import (
    FAILS,
    HOLDS,
    NOT_RECORDED,
    NOT_TESTABLE,
    OPEN,
    answers,
    carried_over,
    tally,
    together,
)

OUTCOMES = {"1a": HOLDS, "1b": HOLDS, "2a": HOLDS, "2b": FAILS, "3a": OPEN, "3b": HOLDS}
TRIED = [
    {"setting": "learning rate", "chosen": 1e-4, "validation": {"3e-05": [50.0], "0.0001": [51.0]}},
    {"setting": "alpha", "chosen": 0.2, "validation": {"0.1": [1.0], "0.2": [2.0], "0.4": [1.0]}},
]


def test_choices_are_shown_with_what_was_tried_and_marked_at_an_end():
    table = style.chosen_table([{"row": "AN", "tried": TRIED[:1]}, {"row": "EM", "tried": TRIED}])
    assert list(table.index) == ["AN", "EM"]
    assert table.loc["AN", "learning rate"] == "0.0001 (end)"
    assert table.loc["AN", "option"] == "-"
    assert table.loc["EM", "option"] == "alpha 0.2"
    assert table.loc["EM", "option: tried"] == "0.1, 0.2, 0.4"
    without = TRIED[1] | {"chosen": 0.0, "validation": {"0": [2.0], "0.1": [1.0]}}
    table = style.chosen_table([{"row": "EM", "tried": [TRIED[0], without]}])
    assert table.loc["EM", "option"] == "alpha 0"  # nothing lies beyond it
    assert not len(style.chosen_table([]))


def test_rates_of_the_first_stage_are_shown_as_well():
    stage = {"chosen": 3e-4, "validation": {"0.0001": [1.0], "0.0003": [2.0], "0.001": [1.0]}}
    table = style.first_stage_table({"first stage": {"5 %": stage}})
    assert table.loc["5 %"].tolist() == ["0.0003", "0.0001, 0.0003, 0.001"]
    assert not len(style.first_stage_table(None))


def test_a_record_tells_how_it_was_made():
    record = {
        "command": "make record CHAPTERS=x",
        "provenance": {"date": "2026-01-02", "torch": "2"},
        "data": {f"{part} images": 1200 for part in ("training", "validation", "test")}
        | {"labels an image": 1.749},
        "protocol": {"seeds": [100, 101, 102]},
        "differences": ["Small images.", "Few epochs."],
    }
    text = style.recorded_note(record)
    for part in ("`make record CHAPTERS=x`", "1,200 training", "1.75 labels", "3 seeds"):
        assert part in text
    assert text.endswith("- Small images.\n- Few epochs.")
    assert "not been recorded" in style.recorded_note(None)


def test_a_note_stands_in_place_of_a_figure():
    assert style.draw_note("Nothing yet.").axes[0].texts[0].get_text() == "Nothing yet."
    plt.close("all")


def test_findings_stand_side_by_side():
    findings = {"first": {"here": "1a", "there": "1b 2b"}, "second": {"here": "3a"}}
    table = style.places_table(findings, OUTCOMES)
    assert table.loc["first", "there"] == "holds (1b), fails (2b)"
    assert table.loc["second", "there"] == "-"


def test_several_rows_answer_together():
    assert together("1a 1b", OUTCOMES) == HOLDS
    assert together("1a 2b 3a", OUTCOMES) == FAILS
    assert together("1a 3a", OUTCOMES) == OPEN
    assert together("x", {"x": NOT_TESTABLE}) == NOT_TESTABLE
    assert together("1a x", OUTCOMES | {"x": NOT_TESTABLE}) == HOLDS
    assert together("1a x", OUTCOMES | {"x": NOT_RECORDED}) == NOT_RECORDED


def test_what_carries_over_is_counted():
    text = carried_over([("1a", "1b"), ("2a", "2b"), ("3a", "3b")], OUTCOMES)
    assert (
        "2 hold on the scenes; of these on photographs, as far as they can be tested: 1 holds, 1 f"
        in text
    )
    assert text.endswith("Of the other 1 on photographs: 1 holds.")
    assert NOT_RECORDED in carried_over([("1a", "x")], OUTCOMES | {"x": NOT_RECORDED})


def test_questions_are_answered_by_their_rows():
    outcomes = OUTCOMES | {"4a": NOT_TESTABLE}
    asked = {"is it so": ("1a", "2b", "1b", "4a"), "and this": ("4a", "5")}
    said = "**holds** (1a, 1b), **fails** (2b), **not testable here** (4a)"
    assert answers(asked, outcomes) == f"- Is it so: {said}."
    assert answers({"and this": ("4a",)}, outcomes) == f"{NOT_RECORDED.capitalize()}."


def test_rows_of_a_kind_are_counted_in_words():
    assert tally({"x": ("2", "3")}, OUTCOMES) == "- x: of 4 rows 2 hold, 1 fails, 1 is open."
    assert tally({"x": ("9",)}, OUTCOMES) == ""
    assert tally({"x": ("9",)}, {"9a": NOT_TESTABLE}) == ""
    more = OUTCOMES | {"3z": NOT_TESTABLE}
    assert tally({"x": ("2", "3")}, more).endswith("1 is open, 1 not testable.")
