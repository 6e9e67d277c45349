"""CAP on photographs: the recorder in miniature, what is read from its record, its claims."""

from __future__ import annotations

import json

import numpy as np
import pytest
from chapters.cap import claims, figures, record, tables
from matplotlib import pyplot as plt

from tests.chapters.small_photographs import miniature
from weaklabels.lab import photographs
from weaklabels.lab.spec import options
from weaklabels.press.verdicts import FAILS, HOLDS, NOT_RECORDED, NOT_TESTABLE, OPEN

DIALS = {
    name: (option, usual, values[:1]) for name, (option, usual, values) in record.DIALS.items()
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        setting = miniature(tmp_path_factory.mktemp("voc"), patch, seeds=1)
        usual = photographs.photographs
        own = {"network_options": options(pretrained=False)}
        patch.setattr(photographs, "photographs", lambda setting: usual(setting) | own)
        patch.setattr(photographs, "EPOCHS", 2)
        small = {"SHARES": (0.3,), "RATES": (1e-4,), "FIRST_EPOCHS": 1, "DIALS": DIALS}
        for name, value in small.items():
            patch.setattr(record, name, value)
        yield record.on_photographs(setting)


def test_every_method_is_recorded_at_every_share(recorded):
    rows = recorded["rows"]
    assert [(row["name"], row["share"]) for row in rows] == [
        (name, 0.3) for name in tables.ON_PHOTOGRAPHS
    ]
    assert json.loads(json.dumps(recorded, allow_nan=False)) == recorded
    for row in rows:
        tried = [each["setting"] for each in row["tried"]]
        assert tried == ["learning rate", *record.DIALS.get(row["name"], ())[:1]]
        assert ("pseudo-labels" in row) == (row["name"] != "Supervised")


def test_pseudo_labels_are_counted_on_the_unlabelled_photographs(recorded):
    by_name = {(row["name"], row["share"]): row["pseudo-labels"] for row in recorded["rows"][1:]}
    images = recorded["data"]["training images"]
    ours, top = by_name["CAP", 0.3], by_name["Top-k", 0.3]
    assert ours["positive"] == top["positive"]
    k = next(row for row in recorded["rows"] if row["name"] == "Top-k")["options"]["k"]
    assert np.sum(top["called"], 1).tolist() == [k * (images - int(0.3 * images))]
    assert [len(curve) for curve in ours["share gap"]] == [2]


def test_tables_and_figures_show_what_was_recorded(recorded):
    rows = tables.photograph_rows(recorded)
    classes = list(recorded["data"]["test images by class"])
    table = tables.photograph_table(rows)
    assert list(table.index) == list(tables.ON_PHOTOGRAPHS)
    counts = tables.distribution_table(rows, classes)
    assert counts["30 %", "true"].is_monotonic_decreasing
    assert set(counts.index) == set(classes)
    first = rows["CAP", 0.3]["pseudo-labels"]["called"][0]
    assert counts["30 %", "CAP"].sum() == sum(first)
    assert tables.never_called(rows, 0.3) == [first.count(0)]
    images = recorded["data"]["training images"]
    assert tables.one_stands_for(recorded) == pytest.approx(images / int(0.3 * images) - 1)
    drawn = (
        figures.draw_on_photographs(rows),
        figures.draw_photograph_classes(rows, classes),
        figures.draw_photograph_gaps(rows),
    )
    for fig in drawn:
        assert all(ax.get_lines() for ax in fig.axes)
        plt.close(fig)


def test_without_a_record_everything_says_so():
    rows = tables.photograph_rows(None)
    assert tables.photograph_table(rows).empty
    assert tables.distribution_table(rows, []).empty
    for fig in (
        figures.draw_on_photographs(rows),
        figures.draw_photograph_classes(rows, []),
        figures.draw_photograph_gaps(rows),
    ):
        assert NOT_RECORDED in [text.get_text() for text in fig.axes[0].texts]
        plt.close(fig)
    found = decided(rows)
    assert set(found.values()) == {NOT_TESTABLE}
    assert len(found) == 17


# -- claims ---------------------------------------------------------------------------------------


def decided(rows):
    parts = (claims.claim_11, claims.claim_12, claims.claim_13, claims.claim_14)
    return {row.id: row.verdict.outcome for part in parts for row in part(rows)}


def made_up(lead=2.0, spread=0.1, good=10.0):
    """Rows of three seeds: CAP ahead in mAP by a lead, and its pseudo-labels better by so much."""
    wobble = spread * np.array([-1, 0, 1])

    def row(more, better):
        curve = np.array([[50.0, 52.0]] * 3) + better + wobble[:, None]
        measures = {"CF1": curve, "OF1": curve, "share gap": 100 - curve}
        return {
            "last": (np.array([60.0, 61.0, 62.0]) + more + wobble * (more != 0)).tolist(),
            "best": (np.array([61.0, 62.0, 63.0]) + more + wobble * (more != 0)).tolist(),
            "pseudo-labels": {name: each.tolist() for name, each in measures.items()},
        }

    return {
        (name, share): row(lead, good) if name == "CAP" else row(0.0, 0.0)
        for share in claims.PHOTOGRAPH_SHARES
        for name in tables.ON_PHOTOGRAPHS
    }


@pytest.mark.parametrize(
    ("lead", "spread", "outcome"), [(2.0, 0.1, HOLDS), (-2.0, 0.1, FAILS), (0.4, 3.0, OPEN)]
)
def test_rows_about_scores_follow_the_lead(lead, spread, outcome):
    found = decided(made_up(lead, spread))
    ids = [*(f"11{letter}" for letter in "abcdef"), *(f"12{letter}" for letter in "abcdef")]
    assert {found[id] for id in ids} == {outcome}


@pytest.mark.parametrize(("good", "outcome"), [(10.0, HOLDS), (-10.0, FAILS)])
def test_rows_about_pseudo_labels_look_at_their_quality(good, outcome):
    found = decided(made_up(good=good))
    assert {found[id] for id in ("13a", "13b", "13c", "14a", "14b")} == {outcome}


def test_what_counts_is_half_of_the_published_gain_or_a_point():
    parts = {row.id: row.verdict.parts[0] for row in claims.claim_11(made_up())}
    assert parts["11a"].worth == 1
    assert parts["11b"].worth == pytest.approx((65.22 - 63.54) / 2)
