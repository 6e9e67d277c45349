"""The room of *Acknowledging the Unknown*: what is run, recorded, drawn, and what decides."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from chapters.acknowledging_the_unknown import (
    figures,
    landscape,
    record,
    runs,
    study,
    tables,
)
from chapters.acknowledging_the_unknown.slider import ALPHA_SLIDER
from torch import nn

from tests.golden import cases
from tests.lab.recorded_features import check_record
from weaklabels import methods
from weaklabels.lab import voc_features
from weaklabels.lab.multilabel import frozen_features, load_splits, run
from weaklabels.lab.store import Record
from weaklabels.metrics import average_precision
from weaklabels.models import Network
from weaklabels.press import style
from weaklabels.press.chapter import Chapter

GOLDEN = cases("acknowledging_the_unknown")

# -- what is run ----------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["quick", "smoke", "paper"])
def test_every_row_of_the_table_is_a_method_that_exists(profile):
    settings = runs.settings(Chapter("acknowledging_the_unknown", profile))
    for (_, row), spec in runs.benchmarks(settings).items():
        methods.create(spec.method, **dict(spec.method_options))
        assert spec.linear_init == (row == "ROLE+LI" and not spec.frozen)
    for benchmark in settings.benchmarks:
        assert len(runs.more_labels(benchmark)) == 4 * len(runs.RATES)


def test_frozen_runs_train_the_head_on_what_the_body_makes_of_the_inputs():
    base = runs.settings(Chapter("acknowledging_the_unknown", "smoke")).benchmarks[0].base
    spec = replace(base, frozen=True, track=("weights",))
    found, features = run(spec), frozen_features(spec)
    assert {name for name in found if name.startswith("weights_last/")} == {
        "weights_last/head.weight",
        "weights_last/head.bias",
    }
    logits = features["test"] @ found["weights_last/head.weight"].T
    logits += found["weights_last/head.bias"]
    truth = load_splits(spec).test.y
    wanted = average_precision(torch.from_numpy(logits), truth)
    np.testing.assert_allclose(found["test_ap"][-1], wanted, atol=1e-3)


def test_filter_normalised_direction_agrees_with_its_authors_code():
    case = GOLDEN["filter_normalised_direction"]
    inputs = case["inputs"]
    for weights, direction, wanted in zip(
        inputs["weights"], inputs["direction"], case["expected"]["direction"], strict=True
    ):
        values = (torch.tensor(each, dtype=torch.float64) for each in (direction, weights))
        found = landscape.normalise_filters(*values)
        np.testing.assert_allclose(found, wanted, atol=1e-9, rtol=0)
    with pytest.raises(ValueError, match=r"direction \(2,\) and weights \(3,\)"):
        landscape.normalise_filters(torch.zeros(2), torch.zeros(3))


def test_surface_measures_moved_weights_and_leaves_the_model_alone():
    model = Network(nn.Identity(), nn.Identity(), nn.Linear(2, 1))
    x = torch.randn(5, 2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first, second = (
        landscape.random_direction(model, torch.Generator().manual_seed(seed)) for seed in (0, 1)
    )
    assert not first["head.bias"].any()
    assert first["head.weight"].norm().item() == pytest.approx(
        model.head.weight.norm().item(), rel=1e-5
    )
    steps = np.array([-1.0, 0.0, 1.0])
    values = landscape.surface(model.train(), x, (lambda z: float(z.sum()),), first, second, steps)
    assert model.training
    assert values.shape == (3, 3, 1)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    moved = model.head.weight + first["head.weight"] - second["head.weight"]
    wanted = (x @ moved.T + model.head.bias).sum().item()
    assert values[2, 0, 0] == pytest.approx(wanted, abs=1e-4)
    bowl = (steps[:, None, None] ** 2) + 3 * (steps[None, :, None] ** 2)
    assert landscape.rise(bowl, steps, 1.0).tolist() == [2.0]
    with pytest.raises(ValueError, match=r"do not hold 0 and ±0\.5"):
        landscape.rise(bowl, steps, 0.5)


# -- what is recorded -----------------------------------------------------------------------------


def test_the_settings_are_those_that_the_recorded_tuning_chose():
    recorded = Chapter("acknowledging_the_unknown").recorded("tuning")
    if recorded is None:
        pytest.skip("make record CHAPTERS=acknowledging_the_unknown NAME=tuning was not run yet")
    chosen = {(row["method"], row["setting"]): row["chosen"] for row in recorded["rows"]}
    assert {(each.method, each.setting): each.chosen for each in runs.TUNED} == chosen
    for (_, field), value in chosen.items():
        assert getattr(runs.SCENE_CHOICES, field) == value
    assert len({len(values) for values in runs.GRIDS.values()}) == 1


def test_references_train_on_and_smoothings_vary_the_strength_alone():
    settings = runs.settings(Chapter("acknowledging_the_unknown", "quick"))
    for row, spec in runs.references(settings).items():
        usual = runs.vary(settings.benchmarks[0], row)
        assert replace(spec, epochs=usual.epochs) == usual
        assert spec.epochs == runs.REFERENCE_EPOCHS
    for strength, spec in runs.smoothings(settings).items():
        assert dict(spec.method_options) == {"smoothing": strength, "negatives_only": True}


def test_the_study_pairs_runs_that_differ_in_the_pseudo_labels_alone():
    for case in study.CASES:
        em, apl = case.specs().values()
        assert replace(apl, method="EM", method_options=em.method_options) == em
        assert dict(apl.method_options)["alpha"] == dict(em.method_options)["alpha"]


def test_the_recorded_study_is_that_of_the_code():
    recorded = Chapter("acknowledging_the_unknown").recorded("apl")
    cases_here = [(case.factor, case.setting) for case in study.CASES]
    assert len(set(cases_here)) == len(cases_here)
    assert [(row["factor"], row["setting"]) for row in recorded["rows"]] == cases_here


def test_em_with_pseudo_labels_has_the_alpha_that_was_chosen_for_em(monkeypatch):
    asked = {}

    def compute(setting, wanted):
        asked.update(wanted)
        best = {"EM, 20%": 0.4, "EM, 80%": 0.1}
        return [{"row": name, "options": {"alpha": best.get(name)}} for name in wanted]

    monkeypatch.setattr(voc_features, "compute", compute)
    chapter = Chapter("acknowledging_the_unknown")
    row = record.rows(voc_features.protocol(chapter))["EM+APL"]
    wanted = {f"{name}, {rate}%": row for rate in (20, 80) for name in ("EM", "EM+APL")}
    found = record.with_alpha_of_em(chapter, wanted)
    assert [each["row"] for each in found] == list(wanted)
    alphas = {name: dict(each.spec.method_options)["alpha"] for name, each in asked.items()}
    assert alphas == {"EM, 20%": 0.2, "EM, 80%": 0.2, "EM+APL, 20%": 0.4, "EM+APL, 80%": 0.1}


def test_the_recorded_table_is_that_of_the_code():
    chapter = Chapter("acknowledging_the_unknown")
    rows = record.feature_rows(chapter)
    assert [*rows, "ROLE+LI"] != list(runs.ROWS)
    assert {*rows, "ROLE+LI"} == set(runs.ROWS)
    assert {len(row.values) for row in rows.values()} == {0, 7}  # as many for each method
    apl = dict(rows["EM+APL"].spec.method_options)
    assert apl == {"alpha": 0.2, "beta": 0.02, "share": 0.9, "warm_up": 12, "epochs": 25}
    recorded = chapter.recorded("voc2012_features")
    check_record(recorded, rows)
    table = style.recorded_table(recorded, {"VOC": tables.PUBLISHED["VOC"].drop("EM")})
    assert table["published", "VOC"][["AN", "EM"]].tolist() == ["85.9", ""]
    assert all("±" in cell for cell in table["recorded here", "best epoch"])


# -- tables and figures ---------------------------------------------------------------------------


def test_published_rows_are_those_of_the_table():
    assert list(tables.PUBLISHED.index) == list(runs.ROWS)
    assert tuple(tables.MORE_LABELS_PUBLISHED.index) == runs.RATES


def test_pseudo_labels_are_compared_with_the_truth():
    labelled = np.array([[[0, 0, 0]], [[0, 0, 1]], [[0, 1, 1]]], bool)
    values = {
        "truth": np.array([[1, 1, 0]]),
        "observed": np.array([[1, 0, 0]]),
        "modified": np.packbits(labelled, axis=2),
        "test_ap": np.zeros((3, 3)),
    }
    run = Record(None, values, {})
    frame = tables.pseudo_label_quality(run)
    assert frame["labelled"].tolist() == [0, 50, 100]
    assert frame["wrong"].tolist()[1:] == [0, 50]
    assert frame["hidden"].tolist() == [0, 0, 100]
    assert tables.hidden_share([run]) == 50


def test_curves_about_pseudo_labels_are_told_apart_without_colour():
    frame = pd.DataFrame({"epoch": [1, 2], "labelled": [0, 9], "wrong": [np.nan, 2], "hidden": 1})
    left, right = figures.draw_pseudo_labels([frame] * 2, 5.0, np.zeros((2, 2))).axes
    assert [line.get_linestyle() for line in left.get_lines()] == ["-", "--", ":"]
    assert len(right.get_lines()) == 3


def test_settings_of_the_study_that_cannot_differ_are_counted_apart():
    frame = pd.DataFrame({"low": [-1, 1, -2, 0], "high": [1, 2, -1, 0]})
    wanted = "1 clearly gain, 1 clearly lose, 1 lie between, and 1 are the same runs up to then"
    assert tables.outcome(frame) == wanted


def test_recorded_looks_are_arrays_with_nan_where_a_class_has_none():
    row = {"row": "AN", "wasserstein": [[0.1, None]], "medians": [[0.5, 0.1]], "test_ap": [[1, 2]]}
    found = tables.recorded_looks({"rows": [row]})
    assert np.isnan(found["wasserstein"]["AN"]).tolist() == [[False, True]]
    assert found["medians"]["AN"].shape == (1, 2)
    counts = {"row": "AN", "test": [[1, 0, 0, 2], [0, 4, 0, 0]]}
    positives, negatives = tables.recorded_densities({"person": [counts]})["AN"]["test"]
    assert positives.tolist() == [0.125, 0.875, 0.875]
    assert negatives.tolist() == [0.375] * 4


def test_what_a_reference_still_learns_is_shown():
    curve = np.array([[60.0], [70.0], [71.0], [71.5]])
    run = Record(None, {"val_ap": curve, "test_ap": curve, "best_epoch": np.array(4)}, {})
    short = Record(None, {"test_ap": curve[:2], "best_epoch": np.array(2)}, {})
    table = tables.reference_table({"full": [short]}, {"full": [run]})
    assert table.loc["full"].tolist() == ["70.0", "71.5", "4", "1.50"]


def test_tables_and_figures_take_arrays():
    rng = np.random.default_rng(0)
    classes = [f"class {i}" for i in range(6)]
    figures.draw_proportions(rng.random(6), classes)
    figures.draw_annotated_loss({"AN": rng.random((2, 40)), "EM": rng.random((2, 40))})
    nothing = np.array([[np.nan, *rng.random(5)]])
    figures.draw_wasserstein(nothing, nothing / 2)
    figures.draw_class_gain(rng.normal(size=(1, 6)), classes)
    figures.draw_smoothing({0.1: rng.random(2), 0.5: rng.random(2)}, rng.random(2), rng.random(2))
    bowl = np.add.outer(np.arange(-2, 3) ** 2, np.arange(-2, 3) ** 2)[..., None] / 10
    figures.draw_landscapes(np.arange(-2, 3), {"AN": bowl, "EM": 100 * bowl - 3}, ["own loss"])
    ours = pd.Series(rng.random(15), index=runs.ROWS)
    figures.draw_ranks(ours, tables.PUBLISHED)
    assert (tables.displaced(ours, ours) == 0).all(axis=None)
    published = tables.MORE_LABELS_PUBLISHED
    frame = pd.DataFrame(
        {"rate": [0.2, 0.5, 0.8] * 4, "method": np.repeat(list(published), 3), "mAP": 1.0}
    )
    figures.draw_more_labels({"here": frame, "there": frame}, published)
    rows = [{"row": "BCE (Ign.), 20%", "best": [70.0, 71.0]}]
    assert tables.recorded_more_labels({"rows": rows})[0.2, "BCE (Ign.)"].tolist() == [70, 71]
    plt.close("all")


def test_the_slider_needs_no_network_and_names_its_parts():
    assert "http://" not in ALPHA_SLIDER.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in ALPHA_SLIDER
    assert '<label id="atu-alpha-label" for="atu-alpha">' in ALPHA_SLIDER
    assert 'aria-live="polite"' in ALPHA_SLIDER
    assert ALPHA_SLIDER.count('id="') == len(set(ALPHA_SLIDER.split('id="')[1:])) == 6
