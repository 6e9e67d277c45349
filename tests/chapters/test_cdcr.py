"""CDCR against values from the authors' code, closed forms and boundaries."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from chapters.cdcr import claims, figures, runs, tables
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot as plt

from tests.golden import cases
from tests.library.tiny_datasets import coco
from weaklabels import methods, models
from weaklabels.lab import two_stage
from weaklabels.lab.multilabel import annotate, load_splits
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record, digest
from weaklabels.methods.base import Context
from weaklabels.methods.cdcr import (
    class_confidences,
    count_regulariser,
    curriculum_weights,
    select,
    smoothed_loss,
)
from weaklabels.methods.pseudo_labels import weighted_loss
from weaklabels.metrics import average_precision
from weaklabels.press.chapter import Chapter
from weaklabels.train import OptimiserSpec, fit
from weaklabels.weaken import candidates

GOLDEN = cases("cdcr")
TOLERANCE = {"atol": 1e-9, "rtol": 0}


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


# -- the authors' values ---------------------------------------------------------------------------


class Replay:
    """A generator that returns the uniform numbers of the authors' run."""

    def __init__(self, values):
        self.values = np.array(values)

    def uniform(self, size):
        assert self.values.shape == size
        return self.values


def test_candidates_agree_with_the_authors_code():
    case = GOLDEN["candidate_generation"]
    inputs, truth = case["inputs"], np.array(case["inputs"]["true_labels"])
    ours = candidates(truth, inputs["noise_level"], Replay(inputs["uniform"]))
    assert (ours == np.array(case["expected"]["candidates"])).all()


@pytest.mark.parametrize("name", [n for n in GOLDEN if n.startswith("selection")])
def test_selection_agrees_with_the_authors_code(name):
    inputs, expected = GOLDEN[name]["inputs"], GOLDEN[name]["expected"]
    p, given_set = tensor(inputs["confidences"]), tensor(inputs["candidates"]) == 1
    selected = select(p, given_set, inputs["alpha"], class_difficulty="difficulty" in name)
    assert torch.equal(
        curriculum_weights(given_set, selected).double(), tensor(expected["weights"])
    )
    right = int((selected & (tensor(inputs["true_labels"]) == 1)).sum())
    assert (right, int(selected.sum())) == (expected["true_selected"], expected["selected"])
    assert right / int(selected.sum()) == pytest.approx(expected["purity"], abs=1e-9)
    if "class_mean_confidence" in expected:
        by_class, mean = class_confidences(p, given_set)
        torch.testing.assert_close(by_class, tensor(expected["class_mean_confidence"]), **TOLERANCE)
        assert mean.item() == pytest.approx(expected["global_mean_confidence"], abs=1e-9)


LOSSES = {
    "warmup_bce": lambda z, s, w: weighted_loss(z, s, torch.ones_like(s)),
    "weighted_bce": weighted_loss,
    "asl_on_candidates": lambda z, s, w: weighted_loss(z, s, torch.ones_like(s), **runs.ASL),
    "weighted_bce_count_regulariser": lambda z, s, w: weighted_loss(z, s, w) + count_regulariser(z),
    "label_smoothing_bce": smoothed_loss,
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_agree_with_the_authors_code(name):
    inputs, expected = GOLDEN[name]["inputs"], GOLDEN[name]["expected"]
    z = tensor(inputs["logits"]).requires_grad_()
    loss = LOSSES[name](z, tensor(inputs["candidates"]), tensor(inputs.get("weights", [])))
    assert loss.item() == pytest.approx(expected["loss"], abs=1e-9)
    (gradient,) = torch.autograd.grad(loss, z)
    torch.testing.assert_close(gradient, tensor(expected["grad"]), **TOLERANCE)


def test_average_precision_agrees_up_to_the_constant_in_the_authors_divisor():
    inputs, expected = GOLDEN["mAP"]["inputs"], GOLDEN["mAP"]["expected"]
    labels = tensor(inputs["labels"])
    count = labels.sum(0).numpy()
    ours = average_precision(tensor(inputs["scores"]), labels) * count / (count + 1e-8)
    np.testing.assert_allclose(ours / 100, expected["ap"], **TOLERANCE)
    assert ours.mean() == pytest.approx(expected["mAP"], abs=1e-7)


# -- selection -------------------------------------------------------------------------------------

confidences = st.tuples(st.integers(1, 12), st.integers(1, 5)).flatmap(
    lambda shape: st.tuples(
        st.lists(st.floats(0, 1), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]),
        st.lists(st.booleans(), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]),
        st.just(shape),
    )
)


@given(confidences, st.floats(0, 1), st.booleans())
@settings(max_examples=80, deadline=None)
def test_only_candidates_are_selected_and_every_negative_counts(table, threshold, difficulty):
    p, chosen, shape = table
    p, chosen = tensor(p).reshape(shape), torch.tensor(chosen).reshape(shape)
    selected = select(p, chosen, threshold, class_difficulty=difficulty)
    weights = curriculum_weights(chosen, selected)
    assert not (selected & ~chosen).any()
    assert (weights[~chosen] == 1).all()
    assert torch.equal(weights[chosen] == 1, selected[chosen])


def test_a_hard_class_gets_a_lower_bar():
    p = tensor([[0.9, 0.5], [0.7, 0.3]])
    everything = torch.ones(2, 2, dtype=torch.bool)
    by_class, mean = class_confidences(p, everything)
    torch.testing.assert_close(by_class, tensor([0.8, 0.4]))
    assert mean.item() == pytest.approx(0.6)
    assert select(p, everything, 0.6).tolist() == [[True, True], [False, False]]
    one = select(p, everything, 0.6, class_difficulty=False)
    assert one.tolist() == [[True, False], [True, False]]


def test_the_overall_mean_pools_entries_and_is_not_the_mean_of_the_class_means():
    p = tensor([[0.9, 0.1], [0.9, 0.5], [0.9, 0.5]])
    chosen = torch.tensor([[1, 1], [1, 0], [1, 0]]).bool()
    by_class, mean = class_confidences(p, chosen)
    torch.testing.assert_close(by_class, tensor([0.9, 0.1]))
    assert mean.item() == pytest.approx(0.7)


def test_classes_without_candidates_and_empty_tables_are_harmless():
    chosen = torch.tensor([[True, False], [True, False]])
    by_class, mean = class_confidences(tensor([[0.2, 0.9], [0.4, 0.9]]), chosen)
    assert by_class.tolist() == pytest.approx([0.3, 0.3])
    assert mean.item() == pytest.approx(0.3)
    none = torch.zeros(3, 2, dtype=torch.bool)
    assert not select(torch.rand(3, 2), none).any()
    assert select(torch.rand(0, 2), none[:0]).shape == (0, 2)
    assert (curriculum_weights(none, none) == 1).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_half_precision_selects_without_nan(dtype):
    p = torch.sigmoid(torch.tensor([[100.0, -100.0], [0.0, 1.0]])).to(dtype)
    assert select(p, torch.ones(2, 2, dtype=torch.bool)).tolist() == [[True, False], [False, True]]


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="expected the same shape"):
        select(torch.zeros(2, 3), torch.zeros(2, 2))
    with pytest.raises(ValueError, match="unselected is 'dropped'"):
        methods.create("CDCR", unselected="dropped")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_extreme_logits_stay_finite(dtype):
    z = torch.tensor([[100.0, -100.0, 0.0]] * 2, dtype=dtype, requires_grad=True)
    given_set, weights = torch.tensor([[1, 1, 1], [0, 0, 0]]), torch.ones(2, 3)
    loss = smoothed_loss(z, given_set, weights) + weighted_loss(z, given_set, weights, **runs.ASL)
    (gradient,) = torch.autograd.grad(loss, z)
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient).all()


# -- the method in the loop ------------------------------------------------------------------------


def candidate_data():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(30, 4, generator=generator)
    truth = (x[:, :3] > 0).to(torch.int8)
    noise = torch.rand(30, 3, generator=generator) < 0.3
    return x, truth, torch.where((truth == 1) | noise, 1, -1).to(torch.int8)


def train(epochs=3, **options):
    x, _, observed = candidate_data()
    method = methods.create(options.pop("name", "CDCR"), **options)
    method.start(Context(observed))
    model = models.build("linear", 3, inputs=4)
    used = []
    fit(
        model,
        x,
        method,
        epochs=epochs,
        batch_size=10,
        optimiser=OptimiserSpec("adam", lr=0.2).build(model, method),
        order=torch.Generator().manual_seed(0),
        after_epoch=lambda epoch: used.append((method.weights.clone(), method.targets.clone())),
    )
    return method, used, observed


def test_all_candidates_are_trained_on_during_the_warm_up():
    method, used, observed = train(warm_up=2)
    assert all((weights == 1).all() for weights, _ in used[:2])
    assert torch.equal(used[2][0] == 0, (observed == 1) & ~method.selected)
    assert (used[2][0] == 0).any()
    assert torch.equal(used[2][1], observed == 1)


def test_rest_negative_turns_unselected_candidates_into_negatives():
    method, used, observed = train(warm_up=1, unselected="negative")
    assert all((weights == 1).all() for weights, _ in used)
    assert torch.equal(used[-1][1], method.selected)
    assert (method.targets <= (observed == 1)).all()


def test_a_selection_made_once_is_kept_and_the_usual_one_is_not():
    _, once, _ = train(epochs=5, warm_up=1, once=True)
    _, anew, _ = train(epochs=5, warm_up=1)
    assert torch.equal(once[1][0], once[4][0])
    assert not torch.equal(anew[1][0], anew[4][0])


def test_one_threshold_does_not_look_at_the_classes():
    method, *_ = train(warm_up=1, name="CDCR, one threshold")
    assert method.trace()["thresholds"].tolist() == pytest.approx([0.6] * 3)
    assert methods.create("CDCR").class_difficulty


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


@pytest.mark.parametrize("name", [*runs.METHODS, *runs.PARTS])
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


def test_the_paper_profile_holds_the_authors_settings():
    spec = runs.settings(Chapter("cdcr", "paper", data_root="somewhere"))[0.2]
    assert (spec.dataset, spec.batch_size, spec.decay) == ("coco2014", 128, 0.9997)
    assert (spec.warm_up.epochs, spec.epochs, spec.optimiser.cycle_epochs) == (16, 21, 80)
    assert not spec.optimiser.decay_vectors
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


def found(lead=2.0, purity=(90, 95), recall=(50, 60)):
    """Groups at two rates: CDCR ahead of all others, at the second rate by one point more."""
    groups = {}
    for rate, more in ((0.1, 0.0), (0.5, 1.0)):
        for name in ("BCE", "ASL", "CDCR, one threshold", *runs.PARTS):
            groups[name, rate] = scored([80, 81], (50, 50), (100, 100))
        groups["CDCR", rate] = scored([80 + lead + more, 81.1 + lead + more], purity, recall)
    return groups


def score_claims(groups):
    rates = (0.1, 0.5)
    return [
        *claims.claim_1(groups, rates),
        claims.claim_2(groups, rates),
        claims.claim_3a(groups, rates),
        *(rule(groups, 0.5) for rule in (claims.claim_7, claims.claim_8, claims.claim_9)),
    ]


def test_claims_about_scores_follow_the_lead():
    rows = score_claims(found(2.0))
    assert [row.id for row in rows] == ["1a", "1b", "2", "3a", "7", "8", "9"]
    assert {row.verdict.verdict for row in rows} == {"holds"}
    assert {row.verdict.verdict for row in score_claims(found(-3.0))} == {"fails"}


def test_class_difficulty_may_be_a_little_below_one_threshold():
    groups = found()
    groups["CDCR", 0.1] = scored([79.9, 80.9])
    assert claims.claim_2(groups, (0.1, 0.5)).verdict.verdict == "fails"
    assert claims.claim_3a(groups, (0.1, 0.5)).verdict.verdict == "holds"


def test_claims_about_gains_compare_two_settings():
    groups = found()
    assert claims.claim_4(groups, 0.1, 0.5).verdict.verdict == "holds"
    assert claims.claim_4(groups, 0.5, 0.1).verdict.verdict == "fails"
    unequal, equal = np.array([2.0, 2.1]), np.array([0.5, 0.5])
    assert claims.claim_3b(unequal, equal, "quick").verdict.verdict == "holds"
    assert claims.claim_3b(equal, unequal, "quick").verdict.verdict == "fails"
    assert claims.claim_3b(unequal, equal, "paper").verdict.verdict == "not testable here"
    assert claims.claim_10().verdict.verdict == "not testable here"


def test_claims_about_the_selection_look_at_its_epochs():
    rates = (0.1, 0.5)
    assert claims.claim_5(found(), rates).verdict.verdict == "holds"
    assert claims.claim_5(found(purity=(90, 40)), rates).verdict.verdict == "fails"
    assert claims.claim_6(found(), 0.5).verdict.verdict == "holds"
    assert claims.claim_6(found(recall=(60, 50)), 0.5).verdict.verdict == "fails"
