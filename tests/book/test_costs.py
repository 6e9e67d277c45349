"""What a training step costs, read from the records of the rooms for the boxes of the chapters."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.book import toy
from weaklabels.press.html import BOOK
from weaklabels.press.html.papers import Paper, box, costs_of, entries_of, steps_of

RECORDED: dict[str, dict[str, Any]] = {
    "head_to_head": {
        "what": "Time",
        "scenes": {"AN": [1.0, 1.0, 1.0], "ASL": [1.02, 1.07, 1.09]},
        "sets": {"CAVL": [1.29, 1.36, 1.44]},
    },
    "games": {"what": "Time", "steps": {"BCE": [1.0, 1.0, 1.0], "ASL": [1.9, 2.0, 2.1]}},
    "other_form": {"what": "Time", "milliseconds": {"Adam": [0.6, 0.7]}},
}


@pytest.fixture
def book(tmp_path: Path) -> Path:
    for room, record in RECORDED.items():
        toy.write_json(tmp_path / "chapters" / room / "recorded" / "cost.json", record)
    (tmp_path / "chapters" / "quiet" / "recorded").mkdir(parents=True)
    return tmp_path


def entry(*costs: str) -> Paper:
    return Paper(
        "TOY", "Idea.", "abstract", ("digits",), "Always.", "from toys import f", "", "", costs
    )


def told(book: Path, slug: str, *costs: str) -> str:
    """The line of a chapter's box; empty if there is none."""
    chapter: Any = SimpleNamespace(slug=slug, claims=())
    lines = box(entry(*costs), chapter, steps_of(book)).splitlines()
    return next((line for line in lines if line.startswith("*A training step")), "")


def test_medians_are_kept_apart_by_room(book: Path) -> None:
    assert steps_of(book) == {
        "head_to_head": {"AN": 1.0, "ASL": 1.07, "CAVL": 1.36},
        "games": {"BCE": 1.0, "ASL": 2.0},
    }


def test_a_chapter_has_the_costs_of_its_room_or_else_of_the_head_to_head(book: Path) -> None:
    begin = "*A training step takes,* where that of"
    assert told(book, "games", "ASL") == f"{begin} BCE takes 1: 2.00 (ASL)."
    told_of_all = f"{begin} its simplest rival takes 1: 1.36 (CAVL), 1.07 (ASL)."
    assert told(book, "quiet", "CAVL", "ASL") == told_of_all
    assert told(book, "head_to_head", "CAVL", "ASL") == told_of_all


def test_costs_that_are_not_recorded_yet_leave_the_line_out(book: Path) -> None:
    assert told(book, "quiet", "ASL", "TOY") == ""  # not that of another room
    assert told(book, "games") == ""
    assert told(book / "empty", "games", "ASL") == ""


def records_costs(slug: str) -> bool:
    """Whether the room has such a record to make."""
    name = f"chapters.{slug}.record"
    return find_spec(name) is not None and "cost" in import_module(name).RECORDS


@pytest.mark.parametrize("slug", entries_of(BOOK))
def test_the_methods_of_every_box_are_in_one_record(slug: str) -> None:
    paper, steps = entries_of(BOOK)[slug], steps_of(BOOK)
    assert paper.costs or paper.step
    waiting = records_costs(slug) and slug not in steps
    assert waiting or costs_of(paper, slug, steps).keys() == set(paper.costs)
