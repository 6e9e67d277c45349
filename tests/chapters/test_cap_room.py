"""The room of CAP: its runs, what is read from them, and its claims."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from chapters.cap import claims, record, runs, tables

from tests.library.tiny_datasets import voc2012
from weaklabels.lab import two_stage
from weaklabels.lab.multilabel import annotate, load_splits
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record, Store, digest
from weaklabels.methods.pseudo_labels import tally
from weaklabels.press.chapter import Chapter
from weaklabels.press.verdicts import FAILS, HOLDS, NOT_TESTABLE, OPEN
from weaklabels.weaken import labelled_share


@pytest.fixture
def chapter(tmp_path, monkeypatch):
    monkeypatch.setenv("WEAKLABELS_BUILD", str(tmp_path))
    monkeypatch.setenv("WEAKLABELS_WORKERS", "1")
    monkeypatch.setenv("WEAKLABELS_PROGRESS", str(tmp_path / "progress"))
    return Chapter("cap", "smoke", seeds=2)


def test_labelled_share_annotates_the_authors_rows():
    truth = np.eye(40, 3, dtype=np.int8)
    rng = np.random.RandomState(1)
    observed = labelled_share(truth, 0.15, rng)
    chosen = np.random.RandomState(1).permutation(40)[:6]
    assert (observed[chosen] == 2 * truth[chosen] - 1).all()
    assert (np.delete(observed, chosen, 0) == 0).all()


def test_a_run_is_repeatable_and_shares_its_first_stage(chapter):
    base = runs.base_spec(chapter, 0.1)
    specs = [runs.vary(base, name) for name in ("Supervised", "CAP")]
    records = chapter.run(two_stage.run, specs)
    again = two_stage.run(specs[1])
    assert digest(records[1].values) == digest(
        {name: np.asarray(value) for name, value in again.items()}
    )
    stored = list((chapter.store.folder).glob("warm_up-*"))
    assert len(stored) == 1
    supervised, ours = records
    assert supervised["tally"][:, :, 1].sum() == 0
    assert ours["tally"].sum((1, 2, 3, 4)).tolist() == [180 * 10] * 2
    assert ours["evaluated"].tolist() == [1, 2]


@pytest.mark.parametrize("name", [*runs.METHODS, *runs.LARGE_LOSS])
def test_every_method_of_the_tables_runs(chapter, name):
    (record,) = chapter.run(two_stage.run, [runs.vary(runs.base_spec(chapter, 0.2), name)])
    assert np.isfinite(record["test_ap"]).all()


def test_quality_leaves_out_what_is_not_used():
    truth = torch.tensor([[1, 0], [1, 1], [0, 0]])
    targets = torch.tensor([[1, 1], [0, 1], [1, 0]])
    weights = torch.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 1.0]])
    found = two_stage.quality(tally(targets, weights, truth).numpy())
    assert found["OP"] == pytest.approx(100 * 2 / 3)
    assert found["OR"] == pytest.approx(100 * 2 / 3)
    assert found["CP"] == pytest.approx(75)
    assert found["CR"] == pytest.approx(75)
    assert found["share gap"] == pytest.approx(0)


def test_the_best_moment_is_chosen_on_validation_scores():
    def record(val, val_current, test, test_current):
        values = {
            "val_ap": np.array(val)[:, None],
            "val_ap_current": np.array(val_current)[:, None],
            "test_ap": np.array(test)[:, None],
            "test_ap_current": np.array(test_current)[:, None],
        }
        return Record({}, values, {})

    runs = [record([1, 5, 4], [2, 6, 3], [10, 20, 30], [40, 50, 60])]
    assert two_stage.mean_ap(runs, "best").tolist() == [50]
    assert two_stage.mean_ap(runs, "last").tolist() == [30]


def test_the_paper_profile_holds_the_authors_settings():
    chapter = Chapter("cap", "paper", data_root="somewhere")
    spec = runs.base_spec(chapter, 0.05)
    assert (spec.dataset, spec.network) == ("coco2014", "resnet50")
    assert (spec.labelled_batch, spec.batch_size, spec.warm_up.batch_size) == (4, 60, 16)
    assert (spec.warm_up.epochs, spec.epochs, spec.optimiser.cycle_epochs) == (12, 28, 40)
    assert spec.warm_up.optimiser == replace(spec.optimiser, cycle_epochs=None)
    assert dict(runs.vary(spec, "Top-k").method_options)["k"] == 3
    voc = runs.base_spec(chapter, 0.2, dataset="voc2012")
    assert (voc.labelled_batch, voc.batch_size, voc.warm_up.batch_size) == (8, 24, 64)
    assert runs.base_spec(chapter, 0.1, dataset="nuswide").warm_up.hand_over == "average"


def test_the_paper_protocol_runs_on_files_in_the_official_format(tmp_path):
    voc2012(tmp_path, train=10, val=4)
    chapter = Chapter("cap", "paper", data_root=str(tmp_path))
    spec = runs.base_spec(chapter, 0.4, dataset="voc2012")
    small = replace(
        spec,
        data_options=options(resolution=32),
        network="resnet18",
        network_options=options(pretrained=False),
        warm_up=replace(spec.warm_up, epochs=1),
        epochs=1,
    )
    found = two_stage.run(small)
    assert found["test_ap"].shape == (1, 20)
    assert found["tally"].sum() == 20 * (8 - 3)


def test_proportions_are_estimated_on_the_labelled_rows(chapter):
    spec = runs.base_spec(chapter, 0.2)
    found = tables.proportions(spec)
    truth = load_splits(spec).train.y.numpy()
    known = (annotate(spec, truth) != 0).any(1)
    assert found["rows"] == known.sum() == 40
    np.testing.assert_allclose(found["estimated"], truth[known].mean(0))
    np.testing.assert_allclose(found["true"], truth[~known].mean(0))


def test_the_main_table_leaves_out_methods_at_higher_shares(chapter):
    base = runs.base_spec(chapter, 0.1)
    table = runs.table(dict.fromkeys((0.05, 0.1, 0.2), base))
    names = {share: [name for name, at in table if at == share] for share in (0.05, 0.1, 0.2)}
    assert names[0.05] == names[0.1] == list(runs.METHODS)
    assert names[0.2] == list(runs.FEW_METHODS)


# -- what was tuned --------------------------------------------------------------------------------


def test_every_method_is_tuned_alike():
    tried = {"labelled batch": 6, "learning rate": 8}
    assert all(len(each.values) == tried.get(each.setting, 6) for each in runs.TUNED)
    for place, (share, chosen) in enumerate(runs.CHOSEN.items()):
        assert tuple(chosen) == runs.choosing(place)
        with_dial = {name for name, choice in chosen.items() if choice.dial is not None}
        assert with_dial == {*runs.DIALS} & {*chosen}
        base = runs.base_spec(Chapter("cap", "quick"), share)
        observed = annotate(base, load_splits(base).train.y.numpy())
        assert runs.batches(share)[-1] == (observed != 0).any(1).sum()


def test_what_was_chosen_is_shown_at_every_share():
    shown = tables.chosen_table(runs.TUNED)
    assert list(shown) == ["tried", "5 %", "10 %", "15 %", "20 %"]
    assert len(shown) == 2 * len(runs.CHOOSING) + len(runs.DIALS)
    for name in ("CAP", "LL-R"):  # chosen at four shares, and at one
        assert shown["tried"][name, "labelled batch"] == "4, 16, 32, 64, 128, all"
    assert shown.loc["LL-R", "labelled batch"]["10 %"] == "-"
    assert shown["tried"]["IAT", "threshold"] == "0.5, 0.6, 0.7, 0.8, 0.9, 0.95"
    for share in runs.CHOSEN:
        column = shown[tables.percent(share)]
        for name, choice in runs.CHOSEN[share].items():
            assert column[name, "labelled batch"].split()[0] == f"{choice.batch}"
            assert column[name, "learning rate"].split()[0] == f"{choice.rate:g}"
            if name in runs.DIALS:
                assert column[name, runs.DIALS[name].setting].split()[0] == f"{choice.dial:g}"


def test_a_method_runs_with_the_settings_that_were_chosen_for_it():
    chapter = Chapter("cap", "quick")
    for share, chosen in runs.CHOSEN.items():
        base = runs.base_spec(chapter, share)
        for name, choice in chosen.items():
            spec = runs.vary(base, name)
            assert (spec.labelled_batch, spec.optimiser.lr) == (choice.batch, choice.rate)
            dials = runs.DIALS[name].options if name in runs.DIALS else ()
            assert {dict(spec.method_options)[option] for option in dials} <= {choice.dial}
        for name in ("True labels", "CAP, true proportions"):
            spec, choice = runs.vary(base, name), chosen["CAP"]
            assert (spec.labelled_batch, spec.optimiser.lr) == (choice.batch, choice.rate)
        assert dict(runs.vary(base, "Top-1").method_options)["k"] == 1
    between = runs.vary(runs.base_spec(chapter, 0.11), "IAT").labelled_batch
    assert between == runs.CHOSEN[0.10]["IAT"].batch
    beyond = runs.vary(runs.base_spec(chapter, 0.20), "LL-R")  # chosen for at 5 % alone
    assert beyond.optimiser.lr == runs.CHOSEN[0.05]["LL-R"].rate


def test_on_photographs_the_authors_batches_stay():
    spec = runs.base_spec(Chapter("cap", "paper", data_root="somewhere"), 0.05)
    assert {runs.vary(spec, name).labelled_batch for name in runs.METHODS} == {4}
    assert runs.vary(spec, "IAT").method_options == spec.method_options


def test_what_is_tried_changes_one_setting():
    base = runs.base_spec(Chapter("cap", "quick"), 0.05)
    choice = runs.Choice(32, 0.6, 0.01)
    by_batch = runs.tuning_table(base, "IAT", "batch", choice)
    assert [spec.labelled_batch for spec in by_batch.values()] == [*runs.BATCHES, 150]
    assert len({replace(spec, labelled_batch=1) for spec in by_batch.values()}) == 1
    by_rate = runs.tuning_table(base, "Supervised", "rate", replace(choice, dial=None))
    assert [spec.optimiser.lr for spec in by_rate.values()] == list(by_rate)
    assert {spec.labelled_batch for spec in by_rate.values()} == {32}
    tried = runs.tuning_table(base, "CAP", "dial", choice)
    used = tried[0.8].method_options
    assert dict(used)["positive_share"] == dict(used)["negative_share"] == 0.8
    assert {(spec.labelled_batch, spec.optimiser.lr) for spec in tried.values()} == {(32, 0.01)}


def test_the_choices_are_those_of_the_record():
    path = Path(record.__file__).parent / "recorded" / "tuning.json"
    content = json.loads(path.read_text(encoding="utf-8"))["shares"]
    assert list(content) == [tables.percent(share) for share in runs.CHOSEN]
    for found, chosen in zip(content.values(), runs.CHOSEN.values(), strict=True):
        for name, choice in chosen.items():
            told = {field: tried["chosen"] for field, tried in found[name].items()}
            assert runs.Choice(**told) == choice


@dataclass(frozen=True)
class Scored(Setting):
    """A setting in which every run has the same score but for those that are better.

    Attributes:
        breaking: with this learning rate FreeMatch breaks down at the lowest share; up to it the
            higher the better.
    """

    breaking: float = 0.0

    def repeat(self, function, table, seeds=None):
        def score(spec):
            lr, better = spec.optimiser.lr, spec.optimiser.lr if self.breaking else 0
            share = dict(spec.annotation_options)["share"]
            if lr == self.breaking > 0 and spec.method == "FreeMatch" and share == 0.05:
                return 0.4
            known = dict(spec.method_options).get("k") == 5
            return 1 + (spec.labelled_batch == 32) + 0.5 * known + better

        return {
            name: [Record(spec, {"val_ap": np.array([[score(spec)]])}, {}) for _ in seeds]
            for name, spec in table.items()
        }


def test_a_rate_at_which_a_run_breaks_down_is_not_chosen_for_its_method(tmp_path):
    setting = Scored("quick", "cpu", 1, "", Store(tmp_path), tmp_path, breaking=0.3)
    found = record.tuning(setting)
    chosen = {
        (share, name): each["rate"]["chosen"]
        for share, methods in found["shares"].items()
        for name, each in methods.items()
    }
    assert chosen.pop(("5 %", "FreeMatch")) == 0.1
    assert set(chosen.values()) == {0.3}
    assert found["runs that broke down"]["0.3"] == len(runs.TUNING_SEEDS)
    scores = {"0": [80.0, 60.0], "0.1": [41.0, 29.0]}
    assert record.broken_down([scores, scores | {"0.1": [80.0, 80.0]}]) == {0.0: 0, 0.1: 1}


def test_a_setting_is_chosen_with_those_before_it(tmp_path):
    setting = Scored("quick", "cpu", 1, "", Store(tmp_path), tmp_path)
    shares = record.tuning(setting)["shares"]
    assert list(shares) == ["5 %", "10 %", "15 %", "20 %"]
    for place, found in enumerate(shares.values()):
        assert tuple(found) == runs.choosing(place)
        assert {each["batch"]["chosen"] for each in found.values()} == {32}
        assert {each["rate"]["chosen"] for each in found.values()} == {runs.RATES[0]}  # all tie
        assert set(found["Supervised"]) == set(found.get("Top-1", found["Supervised"]))
        assert set(found["Supervised"]) == {"batch", "rate"}
        assert found["Top-k"]["dial"]["chosen"] == 5
        assert found["Top-k"]["dial"]["validation"]["5"] == [2.5] * len(runs.TUNING_SEEDS)
    assert json.loads(json.dumps(shares)) == shares


def test_only_what_a_record_lacks_is_computed(tmp_path):
    whole = record.tuning(Scored("quick", "cpu", 1, "", Store(tmp_path), tmp_path))
    held = json.loads(json.dumps(whole))
    del held["shares"]["5 %"]["LL-R"]
    for rate in ("0.3", "0.0003"):
        del held["shares"]["10 %"]["CAP"]["rate"]["validation"][rate]
    asked = []

    class Counting(Scored):
        def repeat(self, function, table, seeds=None):
            asked.extend(table)
            return super().repeat(function, table, seeds)

    counting = Counting("quick", "cpu", 1, "", Store(tmp_path), tmp_path)
    assert record.widened_tuning(counting, held) == whole
    assert {name for name, _ in asked} == {(0.05, "LL-R"), (0.10, "CAP")}
    assert len(asked) == 6 + 6 + 8 + 2


# -- the claims ------------------------------------------------------------------------------------


def scored(test, right=60, wrong=20):
    """Records of two seeds: a test mAP each, and pseudo-labels of one class in one epoch.

    ``right`` and ``wrong`` pseudo positives of a hundred each: one number, or one a seed.
    """

    def record(value, right, wrong):
        counts = np.zeros((1, 1, 2, 2, 2))
        counts[0, 0, 1, 1, 1], counts[0, 0, 1, 1, 0] = right, wrong
        counts[0, 0, 1, 0, 1], counts[0, 0, 1, 0, 0] = 100 - right, 100 - wrong
        names = ("test_ap", "val_ap", "test_ap_current", "val_ap_current")
        return Record(LEARNING, {"tally": counts} | dict.fromkeys(names, np.array([[value]])), {})

    by_seed = (np.broadcast_to(values, len(test)) for values in (right, wrong))
    return [record(*values) for values in zip(test, *by_seed, strict=True)]


def test_labels_that_a_mask_leaves_out_count_as_the_others_do():
    masked, whole = scored([60], 80, 20)[0], scored([60], 80, 20)[0]
    labels = masked["tally"][0, 0]
    labels[0], labels[1] = labels[1] / 4, labels[1] * 3 / 4
    for measure in ("CF1", "OF1", "share gap"):
        assert tables.curves([masked], measure) == pytest.approx(tables.curves([whole], measure))
    assert tables.curves([whole], "CF1")[0, 0] == pytest.approx(80)
    assert tables.positives_by_class(masked).tolist() == [[100, 100]]


LEARNING = runs.base_spec(Chapter("cap", "quick"), 0.05)
SHARES = (0.05, 0.1)
PLACES = {"a": 0.05, "b": 0.1}


def groups(lead=2.0, right=80, wrong=20, more=1.0, spread=0.1):
    """CAP ahead of all others, at the lowest share by so much more, in the second seed as well."""
    found = {}
    for share, extra in zip(SHARES, (more, 0.0), strict=True):
        for name in runs.METHODS:
            found[name, share] = scored([60, 62], 60, 60)
        ours = [60 + lead + extra, 62 + lead + extra * (1 + spread) + spread]
        found["CAP", share] = scored(ours, right, wrong)
    return found


def outcomes(rows):
    return {row.id: row.verdict.outcome for row in rows}


@pytest.mark.parametrize(
    ("lead", "spread", "outcome"), [(2.0, 0.1, HOLDS), (-4.0, 0.1, FAILS), (0.0, 4.0, OPEN)]
)
def test_claims_about_scores_follow_the_lead(lead, spread, outcome):
    found = groups(lead, spread=spread)
    supervised = np.array([70.0, 71.0])
    rows = [
        *claims.claim_1(found, PLACES),
        claims.claim_1i(supervised + np.array([lead, lead + spread]), supervised),
        *claims.claim_2(found, 0.05, claims.OTHER_RULES),
        *claims.claim_2(found, 0.1, ("IAT", "FreeMatch"), shift=4),
        *claims.claim_2(found, 0.1, ("Top-1",), shift=12, moment="best"),
        *claims.claim_5(found, SHARES),
    ]
    ids = ("1a", "1b", "1e", "1f", "1i", *(f"2{letter}" for letter in "abcdghm"), "5a", "5b")
    assert outcomes(rows) == dict.fromkeys(ids, outcome)


def test_a_rule_that_does_best_without_a_second_stage_is_said_to_be_the_warm_up():
    found = groups()
    still = replace(LEARNING, optimiser=replace(LEARNING.optimiser, lr=0.0))
    found["Top-k", 0.05] = [Record(still, each.values, {}) for each in found["Top-k", 0.05]]
    told = [row.claim for row in claims.claim_2(found, 0.05, ("Top-k", "IAT"))]
    assert [claim.endswith("rate is 0: it is the warm-up.") for claim in told] == [True, False]


def test_what_counts_follows_from_the_readme():
    parts = {row.id: row.verdict.parts[0] for row in claims.claim_1(groups(), PLACES)}
    assert parts["1a"].paper_effect == pytest.approx(62.43 - 58.30)
    assert parts["1a"].worth == 1
    assert parts["1b"].worth == pytest.approx((65.22 - 63.54) / 2)


def test_estimated_proportions_may_cost_less_than_a_point():
    rows = claims.claim_5(groups(-0.5, more=0.0), SHARES)
    assert outcomes(rows) == {"5a": HOLDS, "5b": HOLDS}


@pytest.mark.parametrize(
    ("right", "wrong", "outcome"),
    [(80, 20, HOLDS), (50, 90, FAILS), ((80, 55), (20, 60), OPEN)],
)
def test_claims_about_pseudo_labels_look_at_their_quality(right, wrong, outcome):
    found = groups(right=right, wrong=wrong)
    rows = [*claims.claim_3(found, 0.05), claims.claim_6(found, 0.05)]
    assert outcomes(rows) == dict.fromkeys(("3a", "3b", "6"), outcome)


@pytest.mark.parametrize(
    ("lead", "spread", "outcome"), [(2.0, 0.1, HOLDS), (-4.0, 0.1, FAILS), (0.0, 4.0, OPEN)]
)
def test_batches_of_one_size_are_compared(lead, spread, outcome):
    study = {
        (name, share, 16): records for (name, share), records in groups(lead, spread=spread).items()
    }
    rows = claims.claim_9(study, {"a": (0.05, 16), "d": (0.1, 16)})
    assert outcomes(rows) == {"9a": outcome, "9d": outcome}


@pytest.mark.parametrize(
    ("all_used", "outcome"), [([60.9, 62.0], HOLDS), ([57, 58], FAILS), ([60, 58], OPEN)]
)
def test_using_everything_may_cost_half_a_point(all_used, outcome):
    study = {("CAP", 1.0): scored(all_used)} | {
        ("CAP", share): scored([61, 62.1]) for share in (0.8, 0.6)
    }
    assert outcomes(claims.claim_10(study)) == {"10a": outcome, "10b": outcome}


def test_the_takeaway_names_the_rows_that_answer():
    text = claims.takeaway({"1a": HOLDS, "1b": OPEN, "2c": FAILS, "9a": FAILS, "9d": FAILS})
    assert "at every labelled share: **holds** (1a), **open** (1b)." in text
    assert "with labelled batches of one size for both: **fails** (9a, 9d)." in text
    assert "one threshold for all classes (IAT), at 5 and at 10 % labelled: **fails** (2c)." in text
    assert "Top-k" not in text


def test_drift_counts_what_is_called_positive():
    (row,) = tables.drift({"CAP": scored([60, 62], 80, 20)}).to_dict("records")
    assert row["called positive, last"] == "50.0 ± 0.0"
    assert row["positive"] == "50.0 ± 0.0"


def test_gains_are_shown_by_share_and_batch():
    study = {(name, share, 16): records for (name, share), records in groups(2.0, spread=0).items()}
    table = tables.gain_table(study, SHARES, [16])
    assert table.loc[16].tolist() == ["+3.0 [+3.0, +3.0]", "+2.0 [+2.0, +2.0]"]


def test_proportions_must_stay_in_the_bound_and_in_order():
    few = {"labelled": "5 %", "largest gap": 8.0, "bound": 10.0, "correlation": 0.97}
    more = {"labelled": "20 %", "largest gap": 9.0, "bound": 5.0, "correlation": 0.5}
    gaps = pd.DataFrame([few] * 5 + [more] * 5)
    assert outcomes(claims.claim_4(gaps)) == {"4a": HOLDS, "4b": HOLDS}
    bad = gaps.assign(correlation=0.9, bound=7.0)
    assert outcomes(claims.claim_4(bad)) == {"4a": FAILS, "4b": FAILS}
    gaps.loc[0, ["largest gap", "correlation"]] = 11.0, 0.8
    assert outcomes(claims.claim_4(gaps)) == {"4a": OPEN, "4b": OPEN}


def test_the_bound_is_that_on_the_difference_of_two_samples(chapter):
    gaps = tables.proportion_gaps({0.2: runs.base_spec(chapter, 0.2)}, [0])
    expected = 100 * np.sqrt(np.log(2 * 10 / 0.05) / 2 * (1 / 40 + 1 / 160))
    assert gaps["bound"].item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("more", "spread", "outcome"), [(1.0, 0.1, HOLDS), (-1.0, 0.1, FAILS), (1.0, 4.0, OPEN)]
)
def test_the_gain_is_compared_between_the_lowest_and_the_highest_share(more, spread, outcome):
    assert outcomes([claims.claim_7(groups(more=more, spread=spread), *SHARES)]) == {"7": outcome}


def test_the_gain_is_a_share_of_what_the_true_labels_would_bring():
    found = groups(1.0, spread=0.0) | {("True labels", 0.1): scored([70, 72])}
    assert tables.headroom(found, 0.1) == pytest.approx(10)


def test_the_published_figures_are_a_bar_in_the_paper_profile_only():
    assert claims.claim_8(groups(), "quick").verdict.outcome == NOT_TESTABLE

    def outcome(*last):
        scores = [[70.5, 70.6]] * 3 + [last]
        pairs = zip(tables.README.index, scores, strict=True)
        reached = {("CAP", share): scored(values) for share, values in pairs}
        return claims.claim_8(reached, "paper").verdict.outcome

    assert outcome(70.2, 70.3) == HOLDS
    assert outcome(66.5, 66.6) == FAILS
    assert outcome(68.5, 70.6) == OPEN
