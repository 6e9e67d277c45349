"""PU-MLC on photographs: the rows of its record, what is measured, the claims that it decides."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from chapters.pu_mlc import claims, figures, photograph_claims, photographs, runs

from tests.library import tiny_datasets as tiny
from weaklabels import methods
from weaklabels.lab.multilabel import annotate, load_splits
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Store


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    folder = tmp_path_factory.mktemp("voc")
    tiny.voc2012(folder, train=40, val=40)
    return Setting("quick", "cpu", 2, str(folder), Store(folder / "runs"), folder / "recorded")


def small(row):
    """The same row on tiny images, with random weights."""
    data = options(**dict(row.spec.data_options) | {"resolution": 32})
    own = options(pretrained=False)
    spec = replace(row.spec, data_options=data, network_options=own, epochs=1, batch_size=16)
    return replace(row, spec=spec)


def test_rows_differ_in_method_and_labels_alone(setting):
    rows = photographs.rows(setting)
    assert len(rows) == 4 * len(photographs.CURVES) + len(photographs.PARTS) + 2
    common = {
        (s.network, s.frozen_layers, s.epochs, s.batch_size, s.optimiser, s.views, s.augment)
        for s in (row.spec for row in rows.values())
    }
    assert len(common) == 1
    for name, row in rows.items():
        given = dict(row.spec.method_options)
        assert given.get("gamma", 0.85) in (0.0, 0.85)
        assert given.get("alpha") in (None, 2.0)
        assert (given.get("local_global") == photographs.KERNEL) == ("LgConv" in name)
        seeded = dict(runs.seeded(row.spec).method_options)
        assert methods.create(row.spec.method, **seeded)


def test_labels_that_are_known_are_nested_and_shared(setting):
    rows = {name: small(row).spec for name, row in photographs.rows(setting).items()}
    truth = load_splits(next(iter(rows.values()))).train.y.numpy()

    def known(method, percent):
        return annotate(rows[photographs.row_name(method, percent)], truth)

    few, many = (known("partial BCE", percent) != 0 for percent in (30, 60))
    assert many[few].all()
    np.testing.assert_array_equal(known("PU-MLC", 30), known("partial BCE", 30).clip(0))


def test_the_record_in_miniature(setting, monkeypatch):
    names = [("partial BCE", 10), ("PU-MLC", 10), ("PU-MLC", 60), ("PU-MLC with LgConv", 10)]
    wanted = {
        key: small(row)
        for key, row in photographs.rows(setting).items()
        if key in [photographs.row_name(*each) for each in names]
    }
    monkeypatch.setattr(photographs, "rows", lambda setting: wanted)
    monkeypatch.setattr(photographs, "RATES", (1e-4, 1e-3))
    content = json.loads(json.dumps(photographs.record(setting), allow_nan=False))
    assert next(iter(content)) == "what"
    assert [row["row"] for row in content["rows"]] == list(wanted)
    for row in content["rows"]:
        assert len(row["best"]) == len(row["predicted"]) == len(row["spread"]) == 2
        assert all(0 <= value <= 100 for value in row["predicted"])
    assert all(
        content["cost"]["with"][key] > value for key, value in content["cost"]["without"].items()
    )
    assert setting.data_root not in json.dumps(content)
    found = photographs.found(content)
    assert set(found) == set(names)
    assert len(photographs.frame(found)) == 8
    assert photographs.score_table(found).loc["PU-MLC with LgConv", "60 % known"] == "-"
    assert photographs.part_table(found).index.tolist() == [
        "partial BCE",
        "PU-MLC",
        "PU-MLC with LgConv",
    ]
    assert {each.chosen for each in photographs.tuned(content)} <= {1e-4, 1e-3}
    assert len(photographs.tuned_table(content)) == len(names)
    assert "The branch adds" in photographs.cost_text(content)
    assert figures.draw_proportions(photographs.frame(found), (("", ("PU-MLC",)),), "best").axes


# -- claims ---------------------------------------------------------------------------------------

BASE = (60.0, 61.0, 60.5)
BETTER = (63.0, 64.1, 63.4)
UNSURE = (55.0, 69.0, 61.0)


def scores(**points):
    """All rows of the record at ``BASE``, but for methods that are given."""
    names = (*photographs.CURVES, *photographs.PARTS, *photographs.WITH_BRANCHES.values())
    return {
        (name, percent): np.array(points.get(name, BASE))
        for name in names
        for percent in photographs.PERCENTS
    }


def outcomes(found):
    every = (
        photograph_claims.claim_14,
        photograph_claims.claim_15,
        photograph_claims.claim_16,
        photograph_claims.claim_17,
        photograph_claims.claim_18,
    )
    return {row.id: row.verdict.outcome for claim in every for row in claim(found)}


@pytest.mark.parametrize(
    ("ours", "outcome"), [(BETTER, "holds"), (UNSURE, "open"), (BASE, "fails")]
)
@pytest.mark.parametrize(
    ("name", "ids"),
    [
        (
            "PU-MLC",
            (
                *("14a", "14b", "14c", "14d", "15a", "15b", "16b", "16d"),
                *("18a", "18b", "18c", "18d", "18e", "18f", "18h", "18j"),
            ),
        ),
        ("VPU + R", ("16a", "18g")),
        ("VPU", ("16c", "18i")),
        ("PU-MLC with LgConv", ("17a",)),
        ("partial BCE with LgConv", ("17b",)),
    ],
)
def test_claims_follow_the_recorded_scores(name, ids, ours, outcome):
    found = outcomes(scores(**{name: ours}))
    assert {found[id] for id in ids} == {outcome}
    assert set(outcomes(scores()).values()) == {"fails"}


def test_either_epoch_can_be_asked_for():
    row = {"best": [62.0, 63.0], "last": [60.0, 61.0]}
    found = {("PU-MLC", 10): row}
    assert photographs.scores(found)["PU-MLC", 10].tolist() == [62.0, 63.0]
    assert photographs.scores(found, "last")["PU-MLC", 10].tolist() == [60.0, 61.0]
    assert photographs.score_table(found, "last").loc["PU-MLC", "10 % known"] == "60.5 ± 0.7"


def test_every_proportion_has_a_row_of_its_own():
    found = scores()
    found["PU-MLC", 30] = np.array(BETTER)
    assert [outcomes(found)[f"14{letter}"] for letter in "abcd"] == [
        "fails",
        "holds",
        "fails",
        "fails",
    ]


def test_without_a_record_nothing_is_decided_and_nothing_breaks():
    nothing = photographs.found(None)
    assert set(outcomes(photographs.scores(nothing)).values()) == {"not testable here"}
    assert photographs.score_table(nothing).empty
    assert photographs.part_table(nothing).empty
    assert photographs.tuned_table(None).empty
    assert photographs.cost_text(None) == photographs.NOTHING
    assert figures.draw_proportions(photographs.frame(nothing), (("", ("PU-MLC",)),), "best").axes


def test_what_is_asked_in_several_places_is_answered_by_rows_on_photographs():
    decided = outcomes(scores())
    for places in claims.FINDINGS.values():
        assert places[claims.PHOTOGRAPHS] in decided
        assert set(places) <= {claims.SCENES, claims.FEATURES, claims.PHOTOGRAPHS}
