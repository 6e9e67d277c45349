"""How long a reproduction is said to take."""

from __future__ import annotations

import json

import pytest

from tests.press.toy_book import ToyBook
from weaklabels.press.html import pages
from weaklabels.press.runner import estimate, schedule
from weaklabels.press.runner.options import Options


def test_the_estimate_scales_with_machine_seeds_and_cores(tmp_path):
    toy = ToyBook(tmp_path)
    for slug in ("long", "short"):
        toy.chapter(slug, "1")
    book = toy.places.book

    def said(*slugs: str, jobs: int = 1, seeds: int | None = None, work: float = 1.0):
        return estimate.seconds(book, slugs, jobs=jobs, seeds=seeds, work=work)

    assert said("long") is None
    assert estimate.measured(book, jobs=2) is None
    costs = {"work": 1.0, "chapters": {"long": 90.0, "short": 10.0}}
    (book / "costs.json").write_text(json.dumps(costs))
    assert said("long", "short") == 100.0
    assert said("long", "short", jobs=2) == 90.0  # no chapter is cut in two
    assert said("long", work=2.5) == 225.0
    assert said("short", seeds=6) == 20.0  # the toy chapters have three seeds
    assert said("long", "unknown") is None
    assert estimate.measured(book, jobs=1) == 100.0
    assert "**2 minutes** on two cores" in pages.duration(estimate.measured(book, jobs=2))
    assert pages.duration(None) == ""


def test_the_bar_advances_by_what_a_chapter_usually_takes(tmp_path):
    assert estimate.shares(tmp_path, ["long", "short"]) == {"long": 50.0, "short": 50.0}
    costs = {"work": 1.0, "chapters": {"long": 90.0, "short": 10.0}}
    (tmp_path / "costs.json").write_text(json.dumps(costs))
    assert estimate.shares(tmp_path, ["long", "short"]) == {"long": 90.0, "short": 10.0}
    some = estimate.shares(tmp_path, ["long", "short", "unknown"])  # the mean of the others
    assert some["unknown"] == pytest.approx(100 / 3)


def test_as_many_cores_count_as_are_busy(monkeypatch):
    monkeypatch.setattr(schedule.joblib, "cpu_count", lambda: 4)
    for options, chapters, cores in (
        (Options(jobs=1, workers=1), 5, 1),
        (Options(jobs=2, workers=1), 5, 2),
        (Options(jobs=2, workers=1), 1, 1),
        (Options(jobs=3, workers=2), 5, 4),
    ):
        assert schedule.cores_used(chapters, options) == cores


def test_costs_are_those_of_one_core():
    states = {"a": {"workers": 1, "duration": 12.345}}
    assert estimate.costs_of(states, 0.25)["chapters"] == {"a": 12.3}
    states["a"]["workers"] = 2
    with pytest.raises(ValueError, match="a was executed with 2 workers: expected one"):
        estimate.costs_of(states, 0.25)


def test_the_measured_work_takes_some_time():
    assert 0.01 < estimate.measured_work() < 60
