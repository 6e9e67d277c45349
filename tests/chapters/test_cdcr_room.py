"""The room of CDCR: its runs, what is read from them, and its claims."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from chapters.cdcr import claims, figures, record, runs, tables
from matplotlib import pyplot as plt

from tests.library.tiny_datasets import coco
from weaklabels import methods, models
from weaklabels.lab import two_stage
from weaklabels.lab.multilabel import annotate, load_splits
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record, Store, digest
from weaklabels.press.chapter import Chapter
from weaklabels.press.verdicts import FAILS, HOLDS, NOT_TESTABLE, OPEN

# -- the experiment --------------------------------------------------------------------------------


@pytest.fixture
def chapter(tmp_path, monkeypatch):
    monkeypatch.setenv("WEAKLABELS_BUILD", str(tmp_path))
    monkeypatch.setenv("WEAKLABELS_WORKERS", "1")
    monkeypatch.setenv("WEAKLABELS_PROGRESS", str(tmp_path / "progress"))
    return Chapter("cdcr", "smoke", seeds=2)


def test_candidates_hold_every_true_label_and_nothing_else_is_positive():
    spec = runs.settings(Chapter("cdcr", "smoke"))[0.5]
    truth = np.random.default_rng(0).integers(0, 2, (400, 10))
    observed = annotate(spec, truth)
    assert (observed[truth == 1] == 1).all()
    assert set(np.unique(observed)) == {-1, 1}
    assert (observed[truth == 0] == 1).mean() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("name", [*runs.METHODS, *runs.PARTS, *runs.PROPORTION])
def test_every_method_of_the_tables_runs(chapter, name):
    spec = runs.vary(runs.settings(chapter)[0.5], name)
    (record,) = chapter.run(two_stage.run, [spec])
    assert np.isfinite(record["test_ap"]).all()
    assert record["tally"].sum((1, 2, 3, 4)).tolist() == [2000, 2000]
    purity, recall = (tables.curves([record], key) for key in ("purity", "recall"))
    assert ((purity >= 0) & (purity <= 100) & (recall >= 0) & (recall <= 100)).all()
    if name == "True labels":
        assert (purity == 100).all()
        assert (recall == 100).all()
    if name == "BCE":
        assert (recall == 100).all()
        assert tables.candidate_purity([record])[0] < 60


def test_runs_are_repeatable_and_share_first_stages(chapter):
    base = runs.settings(chapter)[0.5]
    specs = [runs.vary(base, name) for name in ("BCE", "CDCR", "CDCR, one threshold")]
    first_stages = {two_stage.first_stage(spec) for spec in specs}
    assert len(first_stages) == 1
    assert two_stage.first_stage(runs.vary(base, "ASL")) not in first_stages
    first = chapter.run(two_stage.warm_up, first_stages)
    records = chapter.run(two_stage.run, specs)
    again = {name: np.asarray(value) for name, value in two_stage.run(specs[1]).items()}
    assert digest(records[1].values) == digest(again)
    epochs, curve = tables.test_curve(first, records[1:2])
    assert epochs.tolist() == [1, 2, 3, 4]
    assert curve.shape == (1, 4)


def test_thresholds_can_be_drawn(chapter):
    (record,) = chapter.run(two_stage.run, [runs.settings(chapter)[0.5]])
    fig, ax = plt.subplots()
    figures.draw_thresholds(ax, record, 0, [str(c) for c in range(10)])
    assert len(ax.patches) == 10
    plt.close(fig)


def test_tables_keep_their_seeds_and_changes(chapter):
    settings = {rate: runs.balanced(base, 0.1) for rate, base in runs.settings(chapter).items()}
    groups = chapter.repeat(two_stage.run, runs.table(settings, ("BCE", "CDCR")))
    assert list(groups) == [(name, rate) for rate in (0.3, 0.5) for name in ("BCE", "CDCR")]
    for (name, rate), records in groups.items():
        assert [record.spec.seed for record in records] == [0, 1]
        assert all(("rate", rate) in record.spec.annotation_options for record in records)
        assert all(("noise", 0.1) in record.spec.data_options for record in records)
        assert {record.spec.method for record in records} == {
            "CDCR" if name == "CDCR" else "Annotated"
        }


def test_candidates_are_judged_at_the_end_of_the_first_stage(chapter):
    spec = runs.settings(chapter)[0.5]
    (record,) = chapter.run(two_stage.warm_up, [two_stage.first_stage(spec)])
    found = runs.judged(record)
    truth = load_splits(spec).train.y.numpy()
    assert len(found["confidence"]) == (annotate(spec, truth) == 1).sum()
    assert found["true"].sum() == truth.sum()
    assert ((found["confidence"] > 0) & (found["confidence"] < 1)).all()
    assert 0 <= found["auc"] <= 1
    fig, ax = plt.subplots()
    figures.draw_confidences(ax, found, 0.6)
    assert sum(bar.get_height() for bar in ax.patches) == len(found["confidence"])
    plt.close(fig)


def test_the_selection_can_be_drawn(chapter):
    groups = chapter.repeat(two_stage.run, {"CDCR": runs.settings(chapter)[0.5]})
    fig, ax = plt.subplots()
    figures.draw_curves(ax, groups, "recall")
    np.testing.assert_allclose(
        ax.lines[0].get_ydata(), tables.curves(groups["CDCR"], "recall").mean(0)
    )
    plt.close(fig)


def test_gains_by_class_go_from_frequent_to_rare():
    def record(ap, counts):
        tally = np.zeros((1, 3, 2, 2, 2))
        tally[0, :, 1, 1, 1] = counts
        return Record({}, {"tally": tally, "test_ap": np.array([ap])}, {})

    ours, other = [record([90, 80, 70], [5, 9, 7])], [record([80, 79, 75], [5, 9, 7])]
    gains = tables.class_gains(ours, other)
    assert gains.tolist() == [[1, -5, 10]]
    fig, ax = plt.subplots()
    figures.draw_class_gains(ax, {"CDCR": gains, "CDCR, one threshold": gains})
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "CDCR",
        "CDCR, one threshold",
    ]
    plt.close(fig)


def test_weak_views_only_change_the_second_stage():
    base = runs.settings(Chapter("cdcr", "quick"))[0.3]
    weak = runs.vary(base, "CDCR, weak views")
    assert weak.strong == base.weak
    assert two_stage.first_stage(weak) == two_stage.first_stage(base)


def test_variants_of_the_setting():
    base = runs.settings(Chapter("cdcr", "quick"))[0.3]
    even = runs.balanced(base, 0.3)
    assert "tail" not in dict(even.data_options)
    assert dict(even.data_options)["noise"] == 0.3
    short = runs.short_warm_up(base)
    assert short.warm_up.epochs == 10
    assert short.warm_up.optimiser.cycle_epochs == 50


def test_thirty_classes_change_the_scenes_and_the_rate_alone():
    base = runs.settings(Chapter("cdcr", "quick"))[0.3]
    many = runs.many_classes(base)
    changed = {"data_options", "annotation_options", "network_options"}
    same = {name: getattr(base, name) for name in changed}
    assert replace(many, **same) == base
    splits = load_splits(replace(many, data_options=(*many.data_options, ("seed", 3))))
    assert splits.train.y.shape == (1500, 30)
    assert splits.train.x.shape[1] == dict(many.network_options)["channels"] == 3
    photographs = runs.settings(Chapter("cdcr", "paper", data_root="somewhere"))[0.2]
    assert runs.many_classes(photographs) == photographs


def test_a_threshold_of_zero_selects_everything(chapter):
    table = runs.threshold_table(runs.settings(chapter)[0.5], (0.0, 0.6), ("CDCR, one threshold",))
    groups = chapter.repeat(two_stage.run, table)
    everything = groups["CDCR, one threshold", 0.0]
    assert (tables.curves(everything, "recall") == 100).all()
    assert (tables.selected(everything) > tables.labels_an_image(everything)).all()
    some = tables.selected(groups["CDCR, one threshold", 0.6])
    assert (some < tables.selected(everything)).all()


def test_the_paper_profile_holds_the_authors_settings():
    spec = runs.settings(Chapter("cdcr", "paper", data_root="somewhere"))[0.2]
    assert (spec.dataset, spec.batch_size, spec.decay) == ("coco2014", 128, 0.9997)
    assert (spec.warm_up.epochs, spec.epochs, spec.optimiser.cycle_epochs) == (16, 21, 80)
    assert not spec.optimiser.decay_vectors
    assert spec.weak == spec.strong[:1] == (("flip",),)
    assert runs.vary(spec, "CDCR, one threshold").epochs == 41
    model = models.build("patch_net", 3)
    method = methods.create("CDCR")
    groups = spec.optimiser.build(model, method).param_groups
    assert all(p.ndim > 1 for group in groups if group["weight_decay"] for p in group["params"])
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))


def test_the_paper_protocol_runs_on_files_in_the_official_format(tmp_path):
    coco(tmp_path)
    spec = runs.settings(Chapter("cdcr", "paper", data_root=str(tmp_path)))[0.2]
    small = replace(
        spec,
        data_options=options(resolution=32, empty=True),
        network="resnet18",
        network_options=options(pretrained=False),
        warm_up=replace(spec.warm_up, epochs=1, batch_size=4),
        epochs=1,
        batch_size=4,
    )
    found = two_stage.run(small)
    assert np.isfinite(found["test_ap"]).all()
    assert (found["tally"][..., 1, 0, :].sum() + found["tally"][..., 1, :].sum()) > 0


# -- the claims ------------------------------------------------------------------------------------


def scored(test, purity=(90, 95), recall=(50, 60)):
    """Records of two seeds: a test mAP each, and what was selected in two epochs."""

    def record(value):
        # Of 1000 true labels so many are trained on as positives, and so many wrong ones with them.
        right = np.array([10 * r for r in recall])
        wrong = np.array([r * (100 - p) / p for r, p in zip(right, purity, strict=True)])
        tally = np.zeros((len(recall), 1, 2, 2, 2))
        tally[:, 0, 1, 1, 1], tally[:, 0, 1, 1, 0] = right, wrong
        tally[:, 0, 0, 1, 1] = 1000 - right
        names = ("test_ap", "val_ap", "test_ap_current", "val_ap_current")
        scores = dict.fromkeys(names, np.array([[value]]))
        return Record(None, {"tally": tally} | scores, {})

    return [record(value) for value in test]


RATES = (0.1, 0.5)


def found(lead=2.0, spread=0.1, more=1.0):
    """Groups at two rates: CDCR ahead of all others, at the second rate by so much more."""
    groups = {}
    for rate, extra in zip(RATES, (0.0, more), strict=True):
        for name in ("BCE", "ASL", "CDCR, one threshold", *runs.PARTS):
            groups[name, rate] = scored([80, 81], (50, 50), (100, 100))
        ours = [80 + lead + extra, 81 + lead + extra * (1 + spread) + spread]
        groups["CDCR", rate] = scored(ours)
    return groups


def outcomes(rows):
    return {row.id: row.verdict.outcome for row in rows}


@pytest.mark.parametrize(
    ("lead", "spread", "outcome"), [(2.0, 0.1, HOLDS), (-3.0, 0.1, FAILS), (-0.5, 4.0, OPEN)]
)
def test_claims_about_scores_follow_the_lead(lead, spread, outcome):
    groups = found(lead, spread)
    rows = [
        *claims.claim_1(groups, RATES),
        *claims.claim_2(groups, RATES),
        *claims.claim_3(groups, RATES),
        *(rule(groups, 0.5) for rule in (claims.claim_7, claims.claim_8, claims.claim_9)),
    ]
    ids = ("1a", "1b", "1d", "1e", "2a", "2b", "2d", "2e", "3a", "3b", "7", "8", "9")
    assert outcomes(rows) == dict.fromkeys(ids, outcome)


@pytest.mark.parametrize(
    ("scores", "outcome"), [([82, 83.1], HOLDS), ([75, 76.1], FAILS), ([78, 83], OPEN)]
)
def test_one_threshold_has_rows_of_its_own(scores, outcome):
    groups = found() | {("CDCR, one threshold", rate): scored(scores) for rate in RATES}
    rows = outcomes(claims.claim_11(groups, RATES))
    assert rows == dict.fromkeys(("11a", "11b", "11d", "11e"), outcome)


def test_class_difficulty_may_be_a_little_below_one_threshold():
    groups = found() | {("CDCR", 0.1): scored([79.9, 80.9])}
    assert claims.claim_2(groups, RATES)[0].verdict.outcome == FAILS
    assert claims.claim_3(groups, RATES)[0].verdict.outcome == HOLDS


@pytest.mark.parametrize(
    ("more", "spread", "outcome"), [(1.0, 0.1, HOLDS), (-1.0, 0.1, FAILS), (1.0, 4.0, OPEN)]
)
def test_claims_about_gains_compare_two_settings(more, spread, outcome):
    assert outcomes([claims.claim_4(found(more=more, spread=spread), *RATES)]) == {"4": outcome}
    equal = np.array([0.5, 0.5])
    unequal = equal + np.array([more, more + spread])
    assert claims.claim_3d(unequal, equal, "quick").verdict.outcome == outcome
    assert claims.claim_3d(unequal, equal, "paper").verdict.outcome == NOT_TESTABLE


def many(lead=2.0, spread=0.1, relief=3.0):
    """Thirty classes: CDCR ahead of BCE and ASL, and more so with negatives in proportion."""
    groups = {name: scored([50, 51]) for name in ("BCE", "ASL")}
    for name, more in (("CDCR", 0.0), ("CDCR, in proportion", relief)):
        ours = [50 + lead + more, 51 + lead + more + spread]
        groups |= {name: scored(ours), name.replace("CDCR", "CDCR, one threshold", 1): scored(ours)}
    return groups


@pytest.mark.parametrize(
    ("lead", "spread", "outcome"), [(2.0, 0.1, HOLDS), (-3.0, 0.1, FAILS), (0.0, 4.0, OPEN)]
)
def test_claims_about_thirty_classes_follow_the_lead(lead, spread, outcome):
    rows = claims.claim_12(many(lead, spread))
    assert outcomes(rows) == dict.fromkeys((f"12{letter}" for letter in "abcdef"), outcome)
    assert outcomes([claims.claim_14(many(lead, spread, relief=0.0))]) == {"14": outcome}


@pytest.mark.parametrize(("relief", "outcome"), [(3.0, HOLDS), (-3.0, FAILS)])
def test_the_explanation_is_tested_by_taking_the_imbalance_away(relief, outcome):
    groups = many(relief=relief)
    ten = {(name, 0.3): records for name, records in groups.items()}
    rows = claims.claim_13(ten, groups, 0.3)
    assert outcomes(rows) == dict.fromkeys(("13a", "13b", "13c", "13d"), outcome)


@pytest.mark.parametrize(
    ("lead", "spread", "outcome"), [(2.0, 0.1, HOLDS), (-3.0, 0.1, FAILS), (0.0, 4.0, OPEN)]
)
def test_tuned_runs_have_rows_of_their_own(lead, spread, outcome):
    tuned = {
        (kind, name): group for kind in runs.KINDS for name, group in many(lead, spread).items()
    }
    rows = claims.claim_15(tuned)
    assert outcomes(rows) == dict.fromkeys((f"15{letter}" for letter in "abcdef"), outcome)
    assert tables.tuned(tuned).loc["BCE", "ten classes"] == "50.5 ± 0.7"


@pytest.mark.parametrize(("lead", "outcome"), [(2.0, HOLDS), (-3.0, FAILS)])
def test_other_rates_have_tuned_rows_too(lead, outcome):
    def tuned(groups):
        return {
            (kind, name): group
            for kind in runs.OTHER_RATES.values()
            for name, group in groups.items()
        }

    groups = many(lead, 0.1)  # both rules are level
    ids = [f"22{letter}" for letter in "abcdefgh"]
    level = {"22d": HOLDS, "22h": HOLDS}
    found = outcomes(claims.claim_22(tuned(groups), "quick"))
    assert found == dict.fromkeys(ids, outcome) | level
    behind = groups | {"CDCR": many(lead - 3, 0.1)["CDCR"]}
    found = outcomes(claims.claim_22(tuned(behind), "quick"))
    assert found["22d"] == found["22h"] == FAILS
    for nothing in (claims.claim_22({}, "smoke"), claims.claim_22(tuned(groups), "paper")):
        assert outcomes(nothing) == dict.fromkeys(ids, NOT_TESTABLE)


def test_kinds_of_scenes_have_their_rate():
    settings = runs.settings(Chapter("cdcr", "quick"))
    kinds = runs.tuned_kinds(settings, 0.3)
    rates = [dict(spec.annotation_options)["rate"] for spec in kinds.values()]
    assert rates == [0.3, runs.MANY_RATE, 0.1, 0.5]
    paper = runs.settings(Chapter("cdcr", "paper"))
    assert list(runs.tuned_kinds(paper, 0.1)) == list(runs.KINDS)


@pytest.mark.parametrize(("gain", "outcome"), [(2.0, HOLDS), (-2.0, FAILS)])
def test_a_longer_warm_up_is_all_that_the_tuned_threshold_has(gain, outcome):
    base, name = runs.settings(Chapter("cdcr", "quick"))[0.3], "CDCR, one threshold"
    spec = runs.tuned_table({runs.KINDS[0]: base})[runs.KINDS[0], name]
    usual = runs.vary(base, name)
    assert replace(spec, warm_up=usual.warm_up) == usual
    assert replace(spec.warm_up, epochs=usual.warm_up.epochs) == usual.warm_up
    usual, longer = ({name: scored([80 + more, 81 + 1.1 * more])} for more in (0.0, gain))
    given = ({(runs.KINDS[0], name): longer[name]}, {(name, 0.3): usual[name]}, 0.3)
    assert outcomes([claims.claim_15g(*given, "quick")]) == {"15g": outcome}
    assert outcomes([claims.claim_15g(*given, "paper")]) == {"15g": NOT_TESTABLE}


def test_every_method_is_tuned_alike():
    tried = {(each.setting, each.values) for each in runs.TUNED}
    assert len(tried) == len({each.setting for each in runs.TUNED}) == 2
    shown = tables.choices(runs.TUNED)
    assert shown.shape == (len(runs.TUNED_METHODS), len(runs.KINDS) + len(runs.OTHER_RATES))
    assert shown.loc["BCE", "ten classes"] == "20 epochs, 0.004"
    base = runs.settings(Chapter("cdcr", "quick"))[0.3]
    table = runs.tuned_table(dict.fromkeys((*runs.KINDS, *runs.OTHER_RATES.values()), base))
    for key, (epochs, rate) in runs.CHOSEN.items():
        spec = table[key]
        assert spec.warm_up.epochs == epochs
        assert spec.optimiser.lr == spec.warm_up.optimiser.lr == rate


class Scored(Setting):
    """A setting in which a run scores by its schedule alone."""

    def repeat(self, function, table, seeds=None):
        def score(spec):
            return (spec.warm_up.epochs == 40) + 0.5 * (spec.optimiser.lr == 4e-3)

        return {
            name: [Record(spec, {"val_ap": np.array([[score(spec)]])}, {}) for _ in seeds]
            for name, spec in table.items()
        }


def test_the_rate_is_tuned_with_the_length_that_was_chosen(tmp_path):
    found = record.tuning(Scored("quick", "cpu", 1, "", Store(tmp_path), tmp_path))["scenes"]
    assert list(found) == [*runs.KINDS, *runs.OTHER_RATES.values()]
    for kind in found:
        for name in runs.TUNED_METHODS:
            length, rate = found[kind][name].values()
            assert (length["chosen"], rate["chosen"]) == (40, 4e-3)
            assert rate["validation"]["0.004"] == [1.5] * len(runs.TUNING_SEEDS)
    assert json.loads(json.dumps(found)) == found


def test_the_choices_are_those_of_the_record():
    path = Path(record.__file__).parent / "recorded" / "tuning.json"
    if not path.exists():
        pytest.skip("not recorded yet: make record CHAPTERS=cdcr NAME=tuning")
    found = json.loads(path.read_text(encoding="utf-8"))["scenes"]
    for (kind, name), chosen in runs.CHOSEN.items():
        assert tuple(each["chosen"] for each in found[kind][name].values()) == chosen


def test_the_takeaway_lists_the_rows():
    text = claims.takeaway({"1a": OPEN, "1b": HOLDS, "12a": FAILS, "15c": HOLDS})
    assert "at three rates: **holds** (1b), **open** (1a).\n" in text
    assert "with the same warm-up: **fails** (12a).\n" in text
    assert "thirty classes: **holds** (15c)." in text
    assert "One threshold beats BCE there" not in text  # none of its rows is there


def test_earlier_methods_are_not_at_hand():
    assert claims.claim_10().verdict.outcome == NOT_TESTABLE


def selection(seeds):
    """Groups at one rate: CDCR selects with ``(purity, recall)`` of two epochs, one pair a seed."""
    ours = [scored([80], *seed)[0] for seed in seeds]
    everything = scored([80] * len(ours), (50, 50), (100, 100))
    return {("CDCR", 0.5): ours, ("BCE", 0.5): everything}


GROWS, SHRINKS = ((90, 95), (50, 60)), ((90, 40), (60, 50))


@pytest.mark.parametrize(
    ("seeds", "outcome"),
    [([GROWS] * 5, HOLDS), ([SHRINKS] * 5, FAILS), ([GROWS] * 3 + [SHRINKS] * 2, OPEN)],
)
def test_claims_about_the_selection_look_at_its_epochs(seeds, outcome):
    groups = selection(seeds)
    # Purer in the mean over epochs in either case, 92.5 or 65 % against 50.
    assert outcomes(claims.claim_5(groups, [0.5])) == {"5a": outcome, "5d": HOLDS}
    assert outcomes(claims.claim_6(groups, 0.5)) == {"6a": outcome, "6b": outcome}


def test_a_selection_may_be_less_pure_in_the_mean():
    groups = selection([((45, 40), (60, 50)), ((46, 40), (60, 50))])
    assert outcomes(claims.claim_5(groups, [0.5]))["5d"] == FAILS


def test_a_selection_of_nothing_has_no_purity():
    (record,) = scored([80], (90, 90), (50, 50))
    record["tally"][1, :, 1] = 0
    shown = tables.shown_curves([record], "purity")
    np.testing.assert_allclose(shown, [[90, np.nan]])
    assert tables.parts({"CDCR": [record]}).loc["CDCR", "purity (%)"] == "-"
    fig, ax = plt.subplots()
    figures.draw_curves(ax, {"CDCR": [record]}, "purity")
    assert np.isnan(ax.lines[0].get_ydata()[1])
    plt.close(fig)


def test_thresholds_are_compared_with_frequencies_and_each_other():
    tally = np.zeros((1, 3, 2, 2, 2))
    tally[0, :, 1, 1, 1] = 5, 9, 7
    bars = Record(
        {}, {"tally": tally, "thresholds": np.array([[0.3, 0.6, 0.5], [0.6, 0.3, 0.5]])}, {}
    )
    assert tables.frequency_order([bars], 0) == pytest.approx([1])
    assert tables.frequency_order([bars], -1) == pytest.approx([-1])


def judged(validation, test):
    """One record whose validation mAP and test mAP (%) after the last epoch are these."""
    (record,) = scored([test])
    record.values["val_ap"] = np.array([[0.0, 0.0], [validation - 1, validation + 1]])
    return [record]


def test_the_best_threshold_is_chosen_on_validation_and_reported_on_test():
    groups = {
        ("CDCR", 0.0): judged(80, 70),
        ("CDCR", 0.5): judged(90, 60),  # the best on validation, the worst on test
        ("CDCR", 0.8): judged(70, 95),
    }
    panels = {"ten": (groups, np.array([64.0, 66.0]))}
    say = tables.best_thresholds
    ours = "- ten, CDCR: 0.5, test mAP 60.0 % (BCE 65.0 %)."
    assert say(panels, (0.0, 0.5, 0.8), ["CDCR"]) == ours
    assert "0 *(edge)*, test mAP 70.0 %" in say(panels, (0.0, 0.8), ["CDCR"])


def test_after_a_first_drop_the_selection_may_grow():
    groups = selection([((90,) * 6, (80, 60, 50, 55, 60, 65))] * 2)
    assert outcomes(claims.claim_6(groups, 0.5)) == {"6a": FAILS, "6b": HOLDS}
