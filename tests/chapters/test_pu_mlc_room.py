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
from weaklabels.data import Split
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
        assert [float(lr) for lr in row] == list(runs.RATES)
        assert row[str(settings.rate(name, percent))] == max(row.values())


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
    found = tables.annotations({100: spec}, 1).loc[0]
    assert (found.positive, found.negative) == (truth.sum(), (1 - truth).sum())
    assert found.share == pytest.approx(100 * truth.mean())


def test_cells_with_objects_are_those_under_the_boxes():
    boxes = torch.tensor([[0, 3, 0, 8, 8, 16], [1, 2, 16, 0, 24, 8], [2, 0, 4, 4, 12, 12]])
    split = Split(torch.zeros(3, 1, 24, 24), torch.zeros(3, 10), boxes)
    inside = branches.cells_with_objects(split, (3, 3, 3))
    assert np.argwhere(inside[:2]).tolist() == [[0, 0, 1], [1, 2, 0]]
    assert inside[2].tolist() == [[True, True, False], [True, True, False], [False] * 3]


# -- claims ---------------------------------------------------------------------------------------

BASE, BETTER = (70.0, 71.0, 70.5), (75.0, 76.2, 75.4)
KNOWN = (10, 50)


def verdicts(rows):
    rows = rows if isinstance(rows, list) else [rows]
    return {row.id: row.verdict.verdict for row in rows}


def records_where(better, worse):
    """Records at 10, 50 and 100 % in which one method is better than another."""
    ours = {(better, percent): made_up(BETTER) for percent in (10, 50, 100)}
    return ours | {(worse, percent): made_up(BASE) for percent in (10, 50, 100)}


@pytest.mark.parametrize(
    ("claim", "better", "worse"),
    [
        (lambda records: claims.claim_1(records, KNOWN), "PU-MLC", "partial BCE"),
        (claims.claim_4a, "PU-MLC", "partial BCE"),
        (claims.claim_4b, "PU-MLC", "AN"),
        (lambda records: claims.claim_5(records, KNOWN), "VPU + R", "VPU"),
        (lambda records: claims.claim_6(records, KNOWN), "PU-MLC", "VPU + R"),
        (claims.claim_8, "VPU", "VPU without mixup"),
        (claims.claim_10b, runs.PRETRAINED[1], runs.PRETRAINED[0]),
    ],
)
def test_a_claim_that_a_method_is_better(claim, better, worse):
    assert set(verdicts(claim(records_where(better, worse))).values()) == {"holds"}
    assert set(verdicts(claim(records_where(worse, better))).values()) == {"fails"}


def test_small_proportions_and_large_ones_are_told_apart():
    records = records_where("VPU + R", "VPU")
    records["VPU + R", 50] = made_up(BASE)
    assert verdicts(claims.claim_5(records, KNOWN)) == {"5a": "holds", "5b": "fails"}
    records = records_where("PU-MLC", "partial BCE")
    records["PU-MLC", 50] = made_up(BASE)  # above 30 % the first claim says nothing
    assert verdicts(claims.claim_1(records, KNOWN)) == {"1": "holds"}


def test_claim_2_asks_for_both():
    records = records_where("PU-MLC", "AN") | {("ASL", 10): made_up(BASE)}
    assert verdicts(claims.claim_2(records)) == {"2": "holds"}
    records["ASL", 10] = made_up(BETTER)
    assert verdicts(claims.claim_2(records)) == {"2": "fails"}


def test_claim_3_counts_annotations_below_100_percent():
    records = records_where("PU-MLC", "partial BCE")
    columns = ["known", "positive", "negative"]
    counts = pd.DataFrame([(10, 20.0, 80.0), (50, 100.0, 400.0), (100, 1.0, 0.0)], columns=columns)
    row = claims.claim_3(records, KNOWN, counts)
    assert verdicts(row) == {"3": "holds"}
    assert "120 against 600 annotations" in row.verdict.ours
    assert verdicts(claims.claim_3(records, KNOWN, counts.assign(negative=0.0))) == {"3": "fails"}


def test_claim_7_compares_the_spread_of_the_logits():
    logits = np.random.default_rng(0).normal(size=(20, 10))
    records = {
        (name, 10): [
            Record(runs.SMALL, {"test_scores_last": size * (1 + 0.01 * i) * logits}, {})
            for i in range(3)
        ]
        for name, size in (("PU-MLC", 2), ("VPU + R", 1))
    }
    assert verdicts(claims.claim_7(records)) == {"7": "holds"}
    swapped = dict(zip(records, reversed(records.values()), strict=True))
    assert verdicts(claims.claim_7(swapped)) == {"7": "fails"}


def test_claim_9_measures_from_the_bayes_rule():
    bayes = demo.bayes_accuracy()
    line = pd.DataFrame(
        {"estimator": name, "labelled": 200, "draw": draw, "accuracy": bayes - below + 0.1 * draw}
        for name, below in (("VPU", 0.5), ("uPU, prior 0.1", 20.0))
        for draw in range(3)
    )
    assert verdicts(claims.claim_9(line)) == {"9": "holds"}
    line.loc[line.estimator == "VPU", "accuracy"] -= 1
    assert verdicts(claims.claim_9(line)) == {"9": "fails"}


def test_claim_10a_asks_for_every_seed():
    changes = [Record(runs.SMALL, {"change": np.array(x)}, {}) for x in (1e-4, 2e-4, 2e-3)]
    assert verdicts(claims.claim_10a(changes[:2])) == {"10a": "holds"}
    assert verdicts(claims.claim_10a(changes)) == {"10a": "fails"}


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
