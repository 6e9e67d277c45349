"""CAP against values from the authors' code, closed forms and boundaries."""

import math

import numpy as np
import pytest
import torch
from chapters.cap import runs
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from tests.golden import cases
from weaklabels import methods, models
from weaklabels.ema import WeightAverage
from weaklabels.lab import two_stage
from weaklabels.methods.base import REGISTRY, Context
from weaklabels.methods.baselines import asymmetric
from weaklabels.methods.cap import (
    class_aware,
    class_proportions,
    fixed_threshold,
    hoeffding_bound,
    self_adaptive,
    top_k,
)
from weaklabels.methods.pseudo_labels import Annotated, tally, weighted_loss
from weaklabels.metrics import mean_average_precision
from weaklabels.train import OptimiserSpec, fit, paired_batches
from weaklabels.weaken import candidates, labelled_share

GOLDEN = cases("cap")
TOLERANCE = {"atol": 1e-9, "rtol": 0}


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def signed(labels):
    return 2 * tensor(labels) - 1


# -- the authors' values ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in GOLDEN if n.startswith("pseudo_labels")])
def test_pseudo_labels_agree_with_the_authors_code(name):
    inputs, expected = GOLDEN[name]["inputs"], GOLDEN[name]["expected"]
    proportions = class_proportions(signed(inputs["labelled_labels"]))
    if "pos_freq" in expected:
        torch.testing.assert_close(proportions, tensor(expected["pos_freq"]), **TOLERANCE)
    labels, mask = class_aware(
        tensor(inputs["unlabelled_logits"]),
        proportions,
        inputs["pos_per"],
        inputs["neg_per"],
        as_released=True,
    )
    assert torch.equal(labels.double(), tensor(expected["pseudo_labels"]))
    assert torch.equal(mask.double(), tensor(expected["mask"]))
    if "quality" in expected:
        truth = np.array(inputs["unlabelled_true"])
        counts = tally(labels, torch.ones(labels.shape), torch.tensor(truth)).numpy()
        found = two_stage.quality(counts)
        auc = roc_auc_score(truth, labels.numpy())
        ours = [found[key] / 100 for key in ("OP", "CP", "OR", "CR")]
        np.testing.assert_allclose([*ours, auc], expected["quality"], **TOLERANCE)


def test_a_class_without_labelled_positives_gets_none_unless_the_release_is_copied():
    case = GOLDEN["pseudo_labels_empty_class_quirk"]
    inputs, expected = case["inputs"], case["expected"]
    scores = tensor(inputs["unlabelled_logits"])
    labels, mask = class_aware(scores, class_proportions(signed(inputs["labelled_labels"])))
    released = tensor(expected["pseudo_labels"])
    others = [0, 1, 2, 4]
    assert torch.equal(labels[:, others].double(), released[:, others])
    assert torch.equal(mask[:, others].double(), tensor(expected["mask"])[:, others])
    assert released[:, 3].all()
    assert not labels[:, 3].any()
    kept = int(0.998 * len(scores))
    assert torch.equal(mask[:, 3], scores[:, 3] <= scores[:, 3].sort().values[kept - 1])


@pytest.mark.parametrize("name", [n for n in GOLDEN if n.startswith("asl")])
def test_asymmetric_loss_agrees_with_the_authors_code(name):
    inputs, expected = GOLDEN[name]["inputs"], GOLDEN[name]["expected"]
    z = tensor(inputs["logits"]).requires_grad_()
    entries = asymmetric(
        z,
        tensor(inputs["labels"]),
        focus_positive=inputs["gamma_pos"],
        focus_negative=inputs["gamma_neg"],
        margin=inputs["clip"],
        detach_weight=inputs["disable_torch_grad_focal_loss"],
        reduction="none",
    )
    torch.testing.assert_close(entries, tensor(expected["loss_elementwise"]), **TOLERANCE)
    assert entries.sum().item() == pytest.approx(expected["loss_sum"], abs=1e-9)
    (gradient,) = torch.autograd.grad(entries.sum(), z)
    torch.testing.assert_close(gradient, tensor(expected["grad_sum"]), **TOLERANCE)


def test_objective_of_a_step_agrees_with_the_authors_code():
    inputs, expected = GOLDEN["batch_objective"]["inputs"], GOLDEN["batch_objective"]["expected"]
    z = tensor(inputs["logits"]).requires_grad_()
    weights = torch.cat([torch.ones(2, 5), tensor(inputs["mask_unlabelled"])])
    loss = weighted_loss(z, tensor(inputs["labels"]), weights, **runs.ASL)
    assert loss.item() == pytest.approx(expected["loss"], abs=1e-9)
    (gradient,) = torch.autograd.grad(loss, z)
    torch.testing.assert_close(gradient, tensor(expected["grad"]), **TOLERANCE)


def test_map_agrees_with_the_authors_code():
    inputs, expected = GOLDEN["mAP"]["inputs"], GOLDEN["mAP"]["expected"]
    ours = mean_average_precision(tensor(inputs["scores"]), tensor(inputs["labels"]))
    assert ours == pytest.approx(expected["mAP"], abs=1e-9)


# -- pseudo-labels ---------------------------------------------------------------------------------

scores_and_proportions = st.integers(1, 60).flatmap(
    lambda rows: st.integers(1, 6).flatmap(
        lambda classes: st.tuples(
            st.permutations(range(rows * classes)).map(
                lambda order: torch.tensor(order, dtype=torch.float64).reshape(rows, classes)
            ),
            st.lists(st.floats(0, 1), min_size=classes, max_size=classes).map(tensor),
        )
    )
)


@given(scores_and_proportions)
@settings(max_examples=60, deadline=None)
def test_each_class_gets_its_share_of_positives(case):
    scores, proportions = case
    labels, mask = class_aware(scores, proportions)
    wanted = [int(share * len(scores)) for share in proportions.tolist()]
    assert labels.sum(0).tolist() == wanted
    assert mask[labels].all()


@given(scores_and_proportions, st.floats(0.1, 5), st.floats(-3, 3))
@settings(max_examples=40, deadline=None)
def test_no_monotone_distortion_of_a_class_changes_anything(case, slope, shift):
    scores, proportions = case
    factors = torch.linspace(slope, 2 * slope, scores.shape[1], dtype=torch.float64)
    distorted = torch.tanh((scores * factors + shift) / (4 * len(scores) * scores.shape[1]))
    pairs = zip(class_aware(scores, proportions), class_aware(distorted, proportions), strict=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)


def test_smaller_shares_only_remove_entries_from_the_mask():
    scores = torch.randn(100, 4, generator=torch.Generator().manual_seed(0))
    proportions = tensor([0.1, 0.5, 0.9, 0.29])
    _, all_of_it = class_aware(scores, proportions)
    _, half = class_aware(scores, proportions, 0.5, 0.5)
    assert (half <= all_of_it).all()
    # int(0.29 * 100) is 28 in floating point, in the authors' code as here.
    assert class_aware(scores, proportions)[0].sum(0).tolist() == [10, 50, 90, 28]


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_boundaries_of_the_rules(rows):
    scores = torch.arange(2.0 * rows).reshape(rows, 2)
    for shares, expected in ((0.0, 0), (1.0, rows)):
        for as_released in (False, True):
            labels, mask = class_aware(
                scores, torch.full((2,), shares).double(), as_released=as_released
            )
            assert labels.shape == mask.shape == (rows, 2)
            if shares or not as_released:
                assert (labels.sum(0) == expected).all()
    assert top_k(scores, 2)[0].all()
    assert fixed_threshold(scores, 0.5)[0].shape == (rows, 2)


def test_wrong_arguments_are_refused():
    scores = torch.zeros(3, 2)
    with pytest.raises(ValueError, match="expected \\(M, C\\) and \\(C,\\)"):
        class_aware(scores, torch.zeros(3))
    with pytest.raises(ValueError, match="k is 3"):
        top_k(scores, 3)
    with pytest.raises(ValueError, match="threshold 1"):
        fixed_threshold(scores, 1)
    with pytest.raises(ValueError, match="unknown reduction"):
        weighted_loss(scores, scores, scores, reduction="mean")
    with pytest.raises(ValueError, match="at least one row"):
        labelled_share(np.zeros((3, 2)), 0.1, np.random.default_rng(0))
    with pytest.raises(ValueError, match="expected a probability"):
        candidates(np.zeros((3, 2)), 1.5, np.random.default_rng(0))


def test_instance_aware_rules_decide_row_by_row():
    logits = tensor([[2.0, -1.0, 0.0], [-3.0, -2.0, -1.0]])
    assert top_k(logits, 1)[0].int().tolist() == [[1, 0, 0], [0, 0, 1]]
    assert fixed_threshold(logits, 0.5)[0].int().tolist() == [[1, 0, 1], [0, 0, 0]]
    assert fixed_threshold(logits, 0.9)[0].sum() == 0


def test_self_adaptive_thresholds_follow_the_mean_confidence():
    p = tensor([[0.95], [0.7], [0.1], [0.45]])
    labels, mask = self_adaptive(torch.logit(p))
    # Mean confidence 0.775, mean probability 0.55: 0.775 for positives, 0.634 for negatives.
    assert labels[:, 0].tolist() == [True, True, False, False]
    assert mask[:, 0].tolist() == [True, False, True, False]


def test_self_adaptive_thresholds_need_no_rows():
    labels, mask = self_adaptive(torch.zeros(0, 3))
    assert labels.shape == mask.shape == (0, 3)


def test_hoeffding_bound_covers():
    assert hoeffding_bound(150, 10) == pytest.approx(math.sqrt(math.log(400) / 300))
    rng = np.random.default_rng(0)
    truth = rng.uniform(size=10)
    drawn = rng.binomial(50, truth, (2000, 10)) / 50
    outside = np.abs(drawn - truth).max(1) > hoeffding_bound(50, 10, 0.05)
    assert outside.mean() <= 0.05


# -- the loss --------------------------------------------------------------------------------------


def test_gradient_of_the_cross_entropy_is_weight_times_error():
    z = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    targets, weights = torch.rand(4, 3) > 0.5, torch.rand(4, 3).double()
    (gradient,) = torch.autograd.grad(weighted_loss(z, targets, weights), z)
    torch.testing.assert_close(gradient, weights * (torch.sigmoid(z) - targets.double()))


def test_gradient_by_finite_differences_where_the_weight_is_constant():
    z = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    targets, weights = torch.tensor([[1, 0], [0, 1], [1, 1]]), torch.ones(3, 2).double()
    assert torch.autograd.gradcheck(lambda z: weighted_loss(z, targets, weights), (z,))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["ASL", "BCE"])
def test_extreme_logits_stay_finite(dtype, kind):
    z = torch.tensor([[100.0, -100.0, 0.0]] * 2, dtype=dtype, requires_grad=True)
    targets = torch.tensor([[1, 1, 1], [0, 0, 0]])
    loss = weighted_loss(z, targets, torch.ones(2, 3), **getattr(runs, kind))
    (gradient,) = torch.autograd.grad(loss, z)
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient).all()


def test_entries_without_weight_give_neither_loss_nor_gradient():
    z = torch.tensor([[50.0, -2.0]], requires_grad=True)
    loss = weighted_loss(z, torch.tensor([[0, 1]]), torch.tensor([[0.0, 1.0]]))
    (gradient,) = torch.autograd.grad(loss, z)
    assert loss.item() == pytest.approx(math.log1p(math.exp(2)), rel=1e-6)
    assert gradient[0, 0] == 0


# -- the methods in the loop -----------------------------------------------------------------------


def semi_supervised(rows=24, labelled=6, classes=3):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(rows, 4, generator=generator)
    truth = (x[:, :classes] > 0).to(torch.int8)
    observed = 2 * truth - 1
    observed[labelled:] = 0
    return x, truth, observed


def train(method, observed, x, epochs=3, **options):
    model = models.build("linear", observed.shape[1], inputs=4)
    method.start(Context(observed))
    optimiser = OptimiserSpec("adamw", lr=0.1).build(model, method)
    order = torch.Generator().manual_seed(0)
    fit(model, x, method, epochs=epochs, batch_size=8, optimiser=optimiser, order=order, **options)
    return model


@pytest.mark.parametrize("name", ["CAP", "Top-k", "IAT"])
def test_pseudo_labels_start_after_the_warm_up_and_leave_annotated_rows_alone(name):
    x, truth, observed = semi_supervised()
    used = []
    method = methods.create(name, warm_up=2)
    train(method, observed, x, after_epoch=lambda epoch: used.append(method.weights.sum(1)))
    assert [float(weights[6:].sum()) for weights in used[:2]] == [0, 0]
    assert used[2][6:].sum() > 0
    assert torch.equal(method.targets[:6], truth[:6] == 1)
    assert (method.weights[:6] == 1).all()


def test_cap_gives_the_labelled_share_of_every_class():
    x, _, observed = semi_supervised()
    method = methods.create("CAP", warm_up=0)
    train(method, observed, x)
    wanted = [int(share * 18) for share in class_proportions(observed).tolist()]
    assert method.targets[6:].sum(0).tolist() == wanted


def test_upper_bounds_use_the_truth_they_are_told():
    _, truth, observed = semi_supervised()
    for name in ("CAP, true proportions", "True labels"):
        method = methods.create(name, warm_up=0)
        method.start(Context(observed, truth=truth))
        method.renew(torch.randn(24, 3))
        assert method.targets[6:].sum(0).tolist() == truth[6:].sum(0).tolist()
    assert torch.equal(method.targets, truth == 1)


def test_predictions_come_from_the_averaged_weights_on_weak_views():
    x, _, observed = semi_supervised()
    seen = []

    class Spy(Annotated):
        def before_epoch(self, epoch, predict):
            super().before_epoch(epoch, predict)
            seen.append((predict(), predict(averaged=True)))

        def after_epoch(self, predict):
            seen.append((predict(), predict(averaged=True)))

    method = Spy()
    method.start(Context(observed))
    model = models.build("linear", 3, inputs=4)
    average = WeightAverage(model, 0.5)
    optimiser = OptimiserSpec("sgd", lr=0.1).build(model, method)
    fit(
        model,
        x,
        method,
        epochs=1,
        batch_size=8,
        optimiser=optimiser,
        order=torch.Generator().manual_seed(0),
        average=average,
        view=lambda batch: 2 * batch,
    )
    torch.testing.assert_close(seen[0][0], seen[0][1])
    torch.testing.assert_close(seen[1][0], model(2 * x).detach())
    torch.testing.assert_close(seen[1][1], average.model(2 * x))
    assert not torch.allclose(*seen[1])


def test_a_rule_must_be_defined():
    class Nothing(REGISTRY["CAP"].__mro__[1]):
        pass

    method = Nothing(warm_up=0)
    method.start(Context(torch.zeros(2, 2, dtype=torch.int8)))
    with pytest.raises(TypeError, match="must define rule"):
        method.renew(torch.zeros(2, 2))


def test_paired_batches_pass_once_over_the_second_kind():
    first, second = torch.arange(3), torch.arange(10, 20)
    batches = list(paired_batches(first, second, (2, 4))(torch.Generator().manual_seed(0)))
    assert [len(rows) for rows in batches] == [6, 6, 4]
    assert torch.cat([rows[2:] for rows in batches]).sort().values.tolist() == second.tolist()
    assert sorted(torch.cat([rows[:2] for rows in batches]).tolist()) == [0, 0, 1, 1, 2, 2]
    with pytest.raises(ValueError, match="at least one of each"):
        paired_batches(first, second[:0], (2, 4))
