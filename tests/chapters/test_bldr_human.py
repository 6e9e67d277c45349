"""BLDR on the labels of people: what is run, and rows on made-up records."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from chapters.bldr import claims, figures, record, runs, tables

from weaklabels import methods, models
from weaklabels.lab.noisy_labels import run
from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Record, Store
from weaklabels.networks.two_heads import add_heads, outputs
from weaklabels.press.chapter import Chapter

BEST = 0.1
WRONG = np.arange(20) < 8


@pytest.fixture
def setting(tmp_path):
    return Setting("quick", "cpu", 3, str(tmp_path), Store(tmp_path / "runs"), tmp_path)


def made(spec):
    """A run whose accuracy falls with the distance of its rate from the best one."""
    accuracy = 70 - 10 * abs(spec.optimiser.lr - BEST) + spec.seed / 1000
    values = {
        "epoch": np.array([5, 10]),
        "test": np.array([50.0, accuracy]),
        "validation": np.array([50.0, accuracy]),
        "fitted": np.array([10.0, 60.0]),
        "auc": np.array([0.5, 0.7]),
        "wrong": WRONG,
    }
    if spec.method == "BLDR":
        weights = np.where(WRONG, 0.2, 0.9)
        values |= {"weights": np.stack([weights, weights]), "noise_share": np.array([0.1, 0.4])}
    return Record(spec, values, {})


@pytest.fixture
def recorded(setting, monkeypatch):
    asked = []

    def run_all(self, function, specs):
        specs = list(specs)
        assert function is run
        asked.extend(specs)
        return [made(spec) for spec in specs]

    monkeypatch.setattr(Setting, "run", run_all)
    return record.RECORDS["cifar10n"](setting), asked


def test_rates_are_chosen_on_held_out_labels_of_another_seed(recorded):
    found, asked = recorded
    assert {row["chosen"] for row in found["tried"]} == {BEST}
    tuning = [spec for spec in asked if spec.seed >= 1000]
    assert {spec.noise for spec in tuning} == {record.CHOSEN_ON}
    tried = {name: [s.optimiser.lr for s in tuning if s.method == name] for name in HUMAN}
    assert all(tuple(rates) == record.LEARNING_RATES for rates in tried.values())
    reported = [spec for spec in asked if spec.seed < 1000]
    assert {spec.optimiser.lr for spec in reported} == {BEST}
    assert {spec.seed for spec in reported} == {100, 101, 102}
    assert all(spec.held_out == 0.1 for spec in asked)


HUMAN = runs.HUMAN_METHODS


def test_the_record_fills_table_figures_and_text(recorded):
    found, _ = recorded
    human = tables.human_runs(found)
    assert list(human) == [(name, m) for name in runs.HUMAN_LABELS.values() for m in HUMAN]
    table = tables.human_table(human)
    assert table.loc[("worst", "CE"), "AUC of weights"] == "-"
    assert table.loc[("worst", "BLDR"), "AUC of weights"] == "1.000 ± 0.000"
    assert list(tables.human_rates(found)["chosen"]) == ["0.1"] * len(HUMAN)
    assert "40.0 % wrong" in tables.human_findings(found)
    assert len(figures.draw_human(human).axes) == 3
    assert len(figures.draw_human_weights(found).axes) == 3


def test_without_a_record_everything_says_so():
    assert tables.human_runs(None) == {}
    assert tables.human_table({}).empty
    assert tables.human_rates(None).empty
    assert tables.human_findings(None) == tables.NOT_YET
    for figure in (figures.draw_human({}), figures.draw_human_weights(None)):
        assert figure.axes[0].texts[0].get_text() == tables.NOT_YET
    rows = [row for claim in ROWS for row in claim({})]
    assert {row.verdict.outcome for row in rows} == {"not testable here"}
    assert {row.id for row in rows} <= {id for ids in claims.QUESTIONS.values() for id in ids}


def test_every_method_is_made_for_photographs_with_its_own_options():
    base = runs.human_labels(Chapter("bldr", "quick"), "worse_label")
    for name in HUMAN:
        spec = runs.human_method(base, name)
        assert methods.create(spec.method, **dict(spec.method_options)), name
        assert (spec.epochs, spec.weak) == (base.epochs, base.weak)
    assert dict(runs.human_method(base, "Co-teaching").method_options) == {"forget": 0.4}
    chosen = dict(runs.human_method(base, "BLDR").method_options)
    model = models.build(base.network, 10, **dict(base.network_options))
    add_heads(model, chosen["taps"], chosen["shrink"])
    seen = outputs(model, torch.rand(3, 3, 32, 32))
    assert seen.middle.shape == (2, 3, 10)
    assert seen.middle_features.shape == (2, *seen.features.shape)


def test_held_out_images_are_not_trained_on_and_measured_by_their_given_labels():
    base = runs.settings(Chapter("bldr", "smoke"))["symmetric"]
    spec = replace(runs.vary(base, "BLDR"), data_options=(("test", 1500),))
    whole, part = run(spec), run(replace(spec, held_out=0.25))
    assert len(part["wrong"]) == round(0.75 * len(whole["wrong"]))
    assert part["weights"].shape[1] == len(part["wrong"])
    assert part["validation"].shape == part["test"].shape
    assert "validation" not in whole


# -- claims ---------------------------------------------------------------------------------------

SPREAD = np.array([-0.1, 0.0, 0.1])
ROWS = tuple(getattr(claims, f"claim_{number}") for number in range(12, 19))


def human(method="", **changed):
    """BLDR is ten points ahead, its weights find the mistakes, and CE has fitted most of them."""
    found = {}
    for labels in runs.HUMAN_LABELS.values():
        for name in HUMAN:
            test = {"BLDR": 80, "NLNL": 75}.get(name, 70)
            judged = 0.85 if name == "BLDR" else 0.7
            values = {"test": test, "fitted": 80.0, "auc": judged, "weights auc": 0.9}
            values["test by epoch"] = np.stack([60 + SPREAD, test + SPREAD], axis=1)
            values |= changed if name == method else {}
            found[labels, name] = {
                key: value + SPREAD * (0.01 if "auc" in key else 1)
                if np.ndim(value) == 0
                else np.array(value)
                for key, value in values.items()
            }
    return found


@pytest.mark.parametrize(
    ("number", "method", "fails", "undecided"),
    [
        ("12", "GCE", {"test": 85}, {"test": [60, 95, 84]}),
        ("13", "CE", {"auc": 0.95}, {"auc": [0.5, 0.99, 0.95]}),
        ("14", "BLDR", {"weights auc": 0.7}, {"weights auc": [0.6, 0.95, 0.8]}),
        ("15", "CE", {"fitted": 20}, {"fitted": [20, 90, 50]}),
        ("16", "NLNL", {"test": 60}, {"test": [60, 95, 70]}),
        ("17", "BLDR", {"auc": 0.6}, {"auc": [0.5, 0.99, 0.8]}),
        ("18", "GCE", {"test by epoch": [[85, 70]] * 3}, {"test by epoch": [[60], [95], [84]]}),
    ],
)
def test_rows_hold_fail_and_stay_open(number, method, fails, undecided):
    claim = getattr(claims, f"claim_{number}")
    for found, outcome in (
        (human(), "holds"),
        (human(method, **fails), "fails"),
        (human(method, **undecided), "open"),
    ):
        rows = claim(found)
        assert [row.id for row in rows] == [f"{number}{letter}" for letter in "abc"]
        assert {row.verdict.outcome for row in rows} == {outcome}
