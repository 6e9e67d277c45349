"""The room of PU-MLC: settings and recorded rates, tables, claims, the line."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from chapters.pu_mlc import branches, claims, demo, record, runs, tables
from scipy.special import expit
from scipy.stats import hypergeom, norm

from weaklabels import methods
from weaklabels.data import Split, Splits
from weaklabels.lab import multilabel
from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Record, Store
from weaklabels.press.chapter import Chapter


def setting(folder, profile="quick"):
    return Setting(profile, "cpu", 2, "data", Store(folder), folder)


def made_up(points, **values):
    """Records of so many seeds that end at these test mAPs."""
    return [
        Record(
            replace(runs.SMALL, seed=seed),
            {"test_ap": np.full((1, 10), float(mean)), "best_epoch": np.array(1)} | values,
            {},
        )
        for seed, mean in enumerate(points)
    ]


# -- settings -------------------------------------------------------------------------------------


def test_recorded_rates_belong_to_the_present_settings():
    settings = runs.settings(Chapter("pu_mlc"))
    for name, percent in record.choices():
        row = settings.rates["validation"][name][str(percent)]
        tried = [float(lr) for lr in row]
        assert set(runs.RATES) <= set(tried)
        assert min(tried) < settings.rate(name, percent) < max(tried)
        assert row[str(settings.rate(name, percent))] == max(row.values())


def test_chosen_rates_are_registered_and_their_edges_marked():
    settings = runs.settings(Chapter("pu_mlc"))
    tuned = runs.tuned(settings.rates)
    assert set(tuned) == set(record.choices())
    shown = tables.chosen_rates(tuned)
    for (name, percent), each in tuned.items():
        assert each.chosen == settings.rate(name, percent)
        assert shown.loc[name, f"{percent} %"].endswith("*") == (not each.interior)


def test_rates_of_other_settings_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="make record"):
        runs.settings(setting(tmp_path))
    (tmp_path / "rates.json").write_text(json.dumps({"settings": {"grid": [1]}}))
    with pytest.raises(ValueError, match="other settings"):
        runs.settings(setting(tmp_path))


def test_the_best_validation_score_chooses_the_rate(tmp_path):
    class Made(Setting):
        def run(self, function, specs):
            return [
                Record(spec, {"val_ap": np.full((2, 10), -1e3 * abs(spec.optimiser.lr - 3e-3))}, {})
                for spec in specs
            ]

    found = record.RECORDS["rates"](Made("smoke", "cpu", 1, "data", Store(tmp_path), tmp_path))
    assert found["settings"] == runs.rate_settings()
    assert {rate for rows in found["chosen"].values() for rate in rows.values()} == {3e-3}
    assert {(name, int(p)) for name, row in found["chosen"].items() for p in row} == set(
        record.choices()
    )


def test_what_a_method_is_given():
    for name, variant in runs.VARIANTS.items():
        spec = runs.specify(runs.ON_SCENES, name, 30, 1e-3)
        assert spec.annotation == ("fraction of positives" if "PU" in name else "fraction"), name
        assert spec.optimiser.lr == 1e-3
        assert spec.optimiser.weight_decay == (1e-5 if variant.mean_loss else 1e-4)
        seeded = runs.seeded(replace(spec, seed=5))
        assert dict(seeded.method_options).get("seed") == (5 if spec.method == "PU-MLC" else None)
        assert methods.create(spec.method, **dict(seeded.method_options))
    spec = runs.specify(runs.ON_SCENES, "nnPU", 30, 1e-3)
    assert dict(spec.method_options) == {"known_share": 0.3}


def test_the_paper_profile_names_the_papers_settings():
    settings = runs.settings(Chapter("pu_mlc", "paper"))
    spec = runs.table(settings, ["PU-MLC"], [10])["PU-MLC", 10]
    found = dict(spec.method_options)
    assert (found["gamma"], found["alpha"]) == (0.55, 1.0)
    assert (found["local_global"], found["graph_head"]) == (3, True)
    assert (spec.dataset, spec.network, spec.average) == ("coco2014", "resnet101", 0.9997)
    assert spec.optimiser.lr == 1e-4
    assert settings.known == tuple(range(10, 100, 10))


def test_in_the_paper_profile_every_method_has_the_papers_network():
    settings = runs.settings(Chapter("pu_mlc", "paper"))
    for (name, percent), spec in runs.table(settings, runs.MAIN, [10]).items():
        given = dict(runs.seeded(spec).method_options)
        network = [given[key] for key in ("local_global", "graph_head", "train_features")]
        assert network == [3, True, ("8",)], name
        assert methods.create(spec.method, **given), percent


# -- tables ---------------------------------------------------------------------------------------


def test_classes_that_are_not_learned_are_counted_by_frequency():
    learned = np.full((2, 10), 100.0)
    first, last = learned.copy(), learned.copy()
    first[-1, 0] = 50  # class 0, in half of the scenes, ranked by chance
    last[-1, 8:] = 1
    last[0] = 0  # an earlier epoch does not count
    spec = runs.SMALL
    records = {
        ("AN", 10): [
            Record(spec, {"test_ap": first}, {}),
            Record(replace(spec, seed=1), {"test_ap": learned}, {}),
        ],
        ("ASL", 50): [Record(spec, {"test_ap": last}, {})],
    }
    found = tables.not_learned(records).set_index(["method", "seed"])
    assert found.loc[("AN", 0), ["frequent", "rare"]].tolist() == [1, 0]
    assert found.loc[("AN", 1), ["frequent", "rare"]].tolist() == [0, 0]
    assert found.loc[("ASL", 0), ["frequent", "rare"]].tolist() == [0, 2]
    assert found.known.tolist() == [10, 10, 50]
    shown = tables.lost_classes(records)
    assert shown.loc["AN"].tolist() == ["0.5 / 0.0", "-"]
    assert shown.loc["PU-MLC"].tolist() == ["-", "-"]


def test_predictions_of_lost_classes():
    scores = np.zeros((60, 10), np.float32)
    ap = np.full((1, 10), 100.0)
    ap[0, 3] = 0
    run = Record(runs.SMALL, {"test_ap": ap, "test_scores_last": scores}, {})
    found = tables.lost_predictions([run])
    assert found.predicted.tolist() == [50.0]
    assert found.true.tolist() == [tables.frequencies(run)[3]]


@pytest.mark.parametrize("positives", [0, 1, 7, 150, 250, 299, 300])
def test_share_of_batches_with_a_positive(positives):
    expected = 1 - hypergeom.pmf(0, 300, positives, 100)
    found = tables.batches_with(np.array([positives]), 300, 100)
    np.testing.assert_allclose(found, [expected], atol=1e-9)


def test_annotations_are_those_of_the_runs():
    spec = runs.specify(runs.SMALL, "partial BCE", 100, 1e-2)
    truth = multilabel.load_splits(spec).train.y.numpy()
    found = tables.annotations({100: spec}, [0]).loc[0]
    assert (found.positive, found.negative) == (truth.sum(), (1 - truth).sum())
    assert found.share == pytest.approx(100 * truth.mean())


def test_cells_with_objects_are_those_under_the_boxes():
    boxes = torch.tensor([[0, 3, 0, 8, 8, 16], [1, 2, 16, 0, 24, 8], [2, 0, 4, 4, 12, 12]])
    split = Split(torch.zeros(3, 1, 24, 24), torch.zeros(3, 10), boxes)
    inside = branches.cells_with_objects(split, (3, 3, 3))
    assert np.argwhere(inside[:2]).tolist() == [[0, 0, 1], [1, 2, 0]]
    assert inside[2].tolist() == [[True, True, False], [True, True, False], [False] * 3]


def test_contrast_divides_cells_with_an_object_by_the_others(monkeypatch):
    test = Split(torch.zeros(1, 1, 24, 24), torch.zeros(1, 10), torch.tensor([[0, 3, 0, 0, 8, 8]]))
    local = np.ones((1, 3, 3))
    local[0, 0, 0] = 10
    maps = {"local": local, "global": np.full((1, 3, 3), 0.5)}
    monkeypatch.setattr(branches, "load_splits", lambda spec: Splits((), test, test, test))
    monkeypatch.setattr(branches, "trained", lambda record: None)
    monkeypatch.setattr(branches, "looks", lambda model, x: maps)
    found = branches.contrast(Record(runs.SMALL, {}, {}))
    assert found == {"local": 10.0, "global": 1.0, "size": 0.25}


def test_the_highest_mean_probability_is_that_of_a_batch():
    run = Record(runs.SMALL, {"readings/mean_probability": np.array([[0.2, 0.4], [0.9, 0.1]])}, {})
    assert tables.highest_mean_probability([run]).tolist() == [50.0]


# -- claims ---------------------------------------------------------------------------------------

BASE = (70.0, 71.0, 70.5, 70.2, 70.8)
BETTER = tuple(value + 5 + 0.1 * i for i, value in enumerate(BASE))
UNSURE = (64.0, 78.0, 71.0, 75.0, 66.5)
"""Scores that may be better or worse than ``BASE``, by more than what counts."""
KNOWN = (10, 30, 50)


def outcomes(rows):
    rows = rows if isinstance(rows, list) else [rows]
    return {row.id: row.verdict.outcome for row in rows}


def records_of(**points):
    """Records of methods that score the same at every proportion."""
    return {
        (name, percent): made_up(values)
        for name, values in points.items()
        for percent in (*KNOWN, 100)
    }


@pytest.mark.parametrize(
    ("claim", "better", "worse"),
    [
        (lambda records: claims.claim_1(records, 10), "PU-MLC", "partial BCE"),
        (lambda records: claims.claim_1(records, 30), "PU-MLC", "partial BCE"),
        (lambda records: claims.claim_3a(records, KNOWN), "PU-MLC", "partial BCE"),
        (claims.claim_4a, "PU-MLC", "partial BCE"),
        (lambda records: claims.claim_4b(records, KNOWN), "PU-MLC", "AN"),
        (claims.claim_5a, "VPU + R", "VPU"),
        (lambda records: claims.claim_5b(records, KNOWN), "VPU + R", "VPU"),
        (claims.claim_6a, "PU-MLC", "VPU + R"),
        (lambda records: claims.claim_6b(records, KNOWN), "PU-MLC", "VPU + R"),
        (claims.claim_8, "VPU", "VPU without mixup"),
        (claims.claim_10b, runs.PRETRAINED[1], runs.PRETRAINED[0]),
    ],
)
def test_a_claim_that_a_method_is_better(claim, better, worse):
    for first, expected in ((BETTER, "holds"), (UNSURE, "open"), (BASE, "fails")):
        found = claim(records_of(**{better: first, worse: BASE}))
        assert set(outcomes(found).values()) == {expected}


def test_small_proportions_and_large_ones_are_told_apart():
    records = records_of(**{"VPU + R": BETTER, "VPU": BASE})
    records["VPU + R", 30] = records["VPU + R", 50] = made_up(BASE)
    rows = [claims.claim_5a(records), claims.claim_5b(records, KNOWN)]
    assert outcomes(rows) == {"5a": "holds", "5b": "fails"}
    records = records_of(**{"PU-MLC": BETTER, "partial BCE": BASE})
    records["PU-MLC", 30] = made_up(UNSURE)
    rows = [claims.claim_1(records, percent) for percent in (10, 30)]
    assert outcomes(rows) == {"1a": "holds", "1b": "open"}


def test_claim_2_has_a_row_for_each_rival():
    records = records_of(**{"PU-MLC": BETTER, "AN": BASE, "ASL": BETTER})
    assert outcomes(claims.claim_2(records)) == {"2a": "holds", "2b": "fails"}
    records["ASL", 10] = made_up(UNSURE)
    assert outcomes(claims.claim_2(records)) == {"2a": "holds", "2b": "open"}


def test_claim_3b_counts_annotations_below_100_percent():
    columns = ["known", "positive", "negative"]
    counts = pd.DataFrame([(10, 20.0, 80.0), (50, 100.0, 400.0), (100, 1.0, 0.0)], columns=columns)
    row = claims.claim_3b(counts)
    assert outcomes(row) == {"3b": "holds"}
    assert "120 against 600 annotations" in row.verdict.ours
    assert outcomes(claims.claim_3b(counts.assign(negative=0.0))) == {"3b": "fails"}


def test_claim_7_compares_the_spread_of_the_logits():
    logits = np.random.default_rng(0).normal(size=(20, 10))

    def wider_by(*factors):
        sizes = {"PU-MLC": factors, "VPU + R": (1.0,) * len(factors)}
        return {
            (name, 10): [Record(runs.SMALL, {"test_scores_last": a * logits}, {}) for a in each]
            for name, each in sizes.items()
        }

    assert outcomes(claims.claim_7(wider_by(2.0, 2.1, 2.2))) == {"7": "holds"}
    assert outcomes(claims.claim_7(wider_by(0.5, 1.6, 1.2))) == {"7": "open"}
    assert outcomes(claims.claim_7(wider_by(1.01, 1.0, 1.02))) == {"7": "fails"}  # below 0.1


def test_claim_9_measures_from_the_bayes_rule():
    bayes = demo.bayes_accuracy()

    def below(vpu, upu):
        lines = (("VPU", vpu), ("uPU, prior 0.1", upu))
        return pd.DataFrame(
            {"estimator": name, "labelled": 200, "draw": draw, "accuracy": bayes - missing}
            for name, each in lines
            for draw, missing in enumerate(each)
        )

    found = claims.claim_9(below((0.4, 0.5, 0.6), (20.0, 20.5, 19.5)))
    assert outcomes(found) == {"9a": "holds", "9b": "holds"}
    found = claims.claim_9(below((0.2, 0.9, 1.6), (10.0, 20.0, 19.5)))
    assert outcomes(found) == {"9a": "open", "9b": "open"}
    found = claims.claim_9(below((1.4, 1.5, 1.6), (14.0, 14.1, 14.2)))
    assert outcomes(found) == {"9a": "fails", "9b": "fails"}


def test_claim_10a_asks_for_every_seed():
    near, far = (Record(runs.SMALL, {"change": np.array(x)}, {}) for x in (1e-4, 2e-3))
    assert outcomes(claims.claim_10a([near] * 5)) == {"10a": "holds"}
    assert outcomes(claims.claim_10a([near] * 4 + [far])) == {"10a": "open"}
    assert outcomes(claims.claim_10a([far] * 5)) == {"10a": "fails"}


def test_a_reason_stands_beside_its_outcome():
    (row,) = claims.claim_4b(records_of(**{"PU-MLC": UNSURE, "AN": BASE}), [50])
    assert (row.as_dict()["outcome"], row.as_dict()["why"]) == ("open", "")


@pytest.mark.parametrize(("ours", "outcome"), [(BETTER, "holds"), (BASE, "fails")])
def test_invented_positives_are_a_claim_of_their_own(ours, outcome):
    wrong = {
        (name, percent): made_up(values)
        for name, values in (("PU-MLC", ours), ("partial BCE", BASE))
        for percent in runs.INVENTED
    }
    assert outcomes(claims.claim_4e(wrong)) == {"4e": outcome, "4f": outcome}


# -- the line -------------------------------------------------------------------------------------


def test_bayes_rule_on_the_line():
    """The posterior is logistic with slope 3; its accuracy is that of the threshold."""
    offset = math.log(0.3 / 0.7)
    np.testing.assert_allclose(
        demo.posterior(demo.GRID), expit(3 * demo.GRID + offset), rtol=1e-6, atol=1e-9
    )
    threshold = -offset / 3
    closed = 30 * norm.sf(threshold, 1.5) + 70 * norm.cdf(threshold, -1.5)
    np.testing.assert_allclose(demo.bayes_accuracy(), closed, rtol=1e-3)


def test_vpu_finds_the_rule_on_the_line_without_the_prior():
    found = demo.fit_line(demo.LineSpec(1, labelled=3000))
    accuracy = dict(zip(demo.ESTIMATORS, found["accuracy"], strict=True))
    assert accuracy["VPU"] > demo.bayes_accuracy() - 0.5
    assert accuracy["uPU, prior 0.1"] < demo.bayes_accuracy() - 15
    assert accuracy["VPU"] <= demo.bayes_accuracy() + 1e-6


def test_the_median_draw_is_no_outlier():
    accuracies = {"VPU": (99.0, 90.0, 91.0), "uPU, prior 0.3": (50.0, 88.0, 90.0)}
    line = pd.DataFrame(
        {"estimator": name, "labelled": 200, "draw": draw, "accuracy": value}
        for name, values in accuracies.items()
        for draw, value in enumerate(values)
    )
    assert tables.median_draw(line) == 1


def test_f1_takes_its_threshold_from_validation_scenes():
    spec = runs.SMALL
    splits = multilabel.load_splits(spec)

    def logits(part, shift):
        return (6 * part.y.numpy().astype(np.float32) - 3 + shift).astype(np.float32)

    values = {
        "test_scores_last": logits(splits.test, -4),
        "val_scores_last": logits(splits.validation(), -4),
    }
    found = tables.f1(Record(spec, values, {}))
    assert found["OF1, at one half"] == 0
    assert found["OF1, validated"] == found["CF1, validated"] == pytest.approx(100)


def test_overlooked_and_invented_labels_are_tabled_by_their_share():
    names = (*runs.FULL, "AN")
    records = records_of(**dict.fromkeys(names, BASE)) | {("AN", 50): made_up(BETTER)}
    shown = tables.full_labels(records, KNOWN)
    columns = ["all labels right", "50 % overlooked", "70 % overlooked", "90 % overlooked"]
    assert shown.columns.tolist() == columns
    assert shown.loc["BCE", "50 % overlooked"] != shown.loc["BCE", "70 % overlooked"]
    wrong = {(name, 5): made_up(BETTER) for name in runs.NOISE}
    found = tables.noise_table(records, wrong)
    assert found.columns.tolist() == ["none invented", "5 % invented"]
    assert found.index.tolist() == ["BCE", *runs.NOISE[1:]]


def test_invented_labels_are_positives_that_are_not_there():
    settings = runs.settings(Chapter("pu_mlc", "smoke"))
    table = runs.invented(settings, ["partial BCE", "PU-MLC"], [10])
    observed = []
    for spec in table.values():
        truth = multilabel.load_splits(spec).train.y.numpy()
        observed.append(multilabel.annotate(spec, truth))
        assert (observed[-1][truth == 1] == 1).all()
        assert 0.05 < (observed[-1][truth == 0] == 1).mean() < 0.15
    np.testing.assert_array_equal(*observed)
