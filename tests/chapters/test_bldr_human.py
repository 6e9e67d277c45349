"""BLDR on the labels of people: what is run, and rows on made-up records."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from chapters.bldr import claims, figures, human_claims, photographs, record, runs, tables

from tests.chapters.small_photographs import coarse_pixels
from weaklabels import data, methods, models
from weaklabels.data import Split, Splits
from weaklabels.lab.features import WIDTH
from weaklabels.lab.noisy_labels import run
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record, Store
from weaklabels.networks.two_heads import add_heads, outputs
from weaklabels.press.chapter import Chapter

BEST, STRENGTH = 0.1, 2
PICKED = photographs.PICKED
WRONG = np.arange(20) < 8


@pytest.fixture
def setting(tmp_path):
    return Setting("quick", "cpu", 3, str(tmp_path), Store(tmp_path / "runs"), tmp_path)


def made(spec):
    """A run whose accuracy falls with the distance of its rate and its views from the best."""
    accuracy = 70 - 10 * abs(spec.optimiser.lr - BEST) + spec.seed / 1000
    accuracy -= spec.weak != PICKED[STRENGTH]
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
        assert function is photographs.run
        asked.extend(specs)
        return [made(spec) for spec in specs]

    monkeypatch.setattr(Setting, "run", run_all)
    monkeypatch.setattr(photographs, "on_features", lambda *_: None)
    return record.RECORDS["cifar10n"](setting), asked


def test_rates_are_chosen_on_held_out_labels_of_another_seed(recorded):
    found, asked = recorded
    chosen = [(row["setting"], row["chosen"]) for row in found["tried"]]
    assert set(chosen) == {("learning rate", BEST), ("strength of views", STRENGTH)}
    tuning = [spec for spec in asked if spec.seed == 1000]
    assert {spec.noise for spec in tuning} == {record.CHOSEN_ON}
    tried_rates, strengths = (values for _, values, _ in record.HUMAN_STEPS)
    base = photographs.human_labels(Chapter("bldr", "quick"), record.CHOSEN_ON)
    for name in HUMAN:
        spec = runs.with_method(base, name)
        tried = [
            (s.optimiser.lr, s.weak)
            for s in tuning
            if (s.method, s.method_options) == (spec.method, spec.method_options)
        ]
        rates, views = tried[: len(tried_rates)], tried[len(tried_rates) :]
        assert rates == [(rate, PICKED[1]) for rate in tried_rates]
        assert views == [(BEST, PICKED[strength]) for strength in strengths]
    reported = [spec for spec in asked if spec.seed < 1000]
    assert {(s.optimiser.lr, s.weak) for s in reported} == {(BEST, PICKED[STRENGTH])}
    assert {spec.seed for spec in reported} == {100, 101, 102}
    assert all(spec.held_out == 0.1 for spec in asked)


HUMAN = photographs.METHODS


def test_the_record_fills_table_figures_and_text(recorded):
    found, _ = recorded
    human = tables.human_runs(found)
    assert list(human) == [(name, m) for name in photographs.LABELS.values() for m in HUMAN]
    table = tables.human_table(human)
    assert table.loc[("worst", "CE"), "AUC of weights"] == "-"
    assert table.loc[("worst", "BLDR"), "AUC of weights"] == "1.000 ± 0.000"
    rates = tables.human_rates(found)
    assert list(rates.loc["learning rate"]) == ["0.1"] * len(HUMAN)
    assert list(rates.loc["strength of views"]) == ["strong"] * len(HUMAN)
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
    base = photographs.human_labels(Chapter("bldr", "quick"), "worse_label")
    for name in HUMAN:
        spec = runs.with_method(base, name)
        assert methods.create(spec.method, **dict(spec.method_options)), name
        assert (spec.epochs, spec.weak) == (base.epochs, base.weak)
    assert dict(runs.with_method(base, "Co-teaching").method_options) == {"forget": 0.4}
    chosen = dict(runs.with_method(base, "BLDR").method_options)
    model = models.build(base.network, 10, **dict(base.network_options))
    add_heads(model, chosen["taps"])
    seen = outputs(model, torch.rand(3, WIDTH))
    assert seen.middle.shape == (2, 3, 10)
    assert seen.middle_features.shape == (2, *seen.features.shape)


@pytest.mark.parametrize("name", HUMAN)
def test_a_run_on_features_in_miniature(name, monkeypatch, tmp_path):
    """Pictures of ten plain greys, a tenth of them wrongly labelled."""
    y = np.arange(200) % 10
    x = np.broadcast_to((25 * y).astype(np.uint8)[:, None, None, None], (200, 3, 32, 32)).copy()
    given = np.where(np.arange(200) % 10 == 3, 4, y)
    part = Split(torch.from_numpy(x), torch.from_numpy(y), extra={"worse_label": given})
    splits = Splits(tuple("abcdefghij"), part, None, part)
    monkeypatch.setattr(data, "load", lambda *_, **__: splits)
    monkeypatch.setattr(photographs, "extracted", coarse_pixels)
    photographs.on_features.cache_clear()
    setting = Setting("quick", "cpu", 1, str(tmp_path), Store(tmp_path / "runs"), tmp_path)
    base = replace(
        photographs.human_labels(setting, "worse_label"),
        network_options=options(inputs=48, hidden=(16, 16, 16), batch_norm=True),
        epochs=20,
        evaluate_every=20,
        constant_epochs=10,
        batch_size=20,
    )
    found = photographs.run(runs.with_method(photographs.seen(base, 0), name))
    photographs.on_features.cache_clear()
    assert found["wrong"].shape == (180,)
    assert found["test"].shape == (1,)
    assert found["test"][0] > 30


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
ROWS = tuple(getattr(human_claims, f"claim_{number}") for number in (*range(12, 18), 22, 23))


def human(method="", **changed):
    """BLDR is ten points ahead, its weights find the mistakes, and CE has fitted most of them."""
    found = {}
    for labels in photographs.LABELS.values():
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
        ("13", "CE", {"auc": 0.95}, {"auc": [0.5, 0.99, 0.95]}),
        ("14", "BLDR", {"weights auc": 0.7}, {"weights auc": [0.6, 0.95, 0.8]}),
        ("15", "CE", {"fitted": 20}, {"fitted": [20, 90, 50]}),
        ("16", "NLNL", {"test": 60}, {"test": [60, 95, 70]}),
        ("17", "BLDR", {"auc": 0.6}, {"auc": [0.5, 0.99, 0.8]}),
        ("23", "PL", {"test": 85}, {"test": [60, 95, 84]}),
    ],
)
def test_rows_hold_fail_and_stay_open(number, method, fails, undecided):
    claim = getattr(human_claims, f"claim_{number}")
    for found, outcome in (
        (human(), "holds"),
        (human(method, **fails), "fails"),
        (human(method, **undecided), "open"),
    ):
        rows = claim(found)
        assert [row.id for row in rows] == [f"{number}{letter}" for letter in "abc"]
        assert {row.verdict.outcome for row in rows} == {outcome}


def test_every_rival_of_the_accuracy_is_a_row():
    for test, outcome in ((70, "holds"), (85, "fails"), ([60, 95, 84], "open")):
        rows = human_claims.claim_12(human("GCE", test=test))
        assert [row.id for row in rows] == [f"12{letter}" for letter in "abcdefghijkl"]
        assert [row.verdict.outcome for row in rows] == ["holds", outcome, "holds", "holds"] * 3
    behind = human_claims.claim_12(human("Co-teaching", test=85))[3]
    assert "told nothing" in behind.why["fails"]


def test_rivals_that_tell_mistakes_apart_are_rows():
    for auc, outcome in ((0.7, "holds"), (0.95, "fails"), ([0.5, 0.99, 0.95], "open")):
        rows = human_claims.claim_22(human("GCE", auc=auc))
        assert [row.id for row in rows] == [f"22{letter}" for letter in "abcdef"]
        assert [row.verdict.outcome for row in rows] == [outcome, "holds"] * 3
