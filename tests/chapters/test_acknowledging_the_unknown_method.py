"""Acknowledging the Unknown against values from the authors' code, closed forms and boundaries."""

import math

import numpy as np
import pytest
import torch
from chapters.acknowledging_the_unknown.tables import autograd
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tests.golden import cases
from weaklabels import methods
from weaklabels.data.files import train_val_indices
from weaklabels.methods import baselines
from weaklabels.methods.acknowledging_the_unknown import (
    AsymmetricPseudoLabels,
    em_apl,
    entropy_maximisation,
    labels_per_pass,
    lowest_scored,
)
from weaklabels.methods.base import Context
from weaklabels.metrics import mean_average_precision
from weaklabels.models import Network
from weaklabels.train import OptimiserSpec, fit
from weaklabels.weaken import few_labels, single_positive

GOLDEN = cases("acknowledging_the_unknown")
TOLERANCE = 1e-9


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def batch(name, key="observed"):
    inputs = GOLDEN[name]["inputs"]
    return tensor(inputs["logits"]).requires_grad_(), tensor(inputs[key])


def agrees(name, loss, z):
    """Loss and gradient of a golden case."""
    expected = GOLDEN[name]["expected"]
    assert loss.item() == pytest.approx(expected["loss"], abs=TOLERANCE)
    (gradient,) = torch.autograd.grad(loss, z, retain_graph=True)
    close(gradient, expected["grad_logits"])


def close(found, expected):
    torch.testing.assert_close(found.double(), tensor(expected), atol=TOLERANCE, rtol=0)


def names(*starts):
    return [name for name in GOLDEN if name.startswith(starts)]


# -- the paper's losses ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", names("em_alpha", "entmin", "extreme_em"))
def test_em_agrees_with_the_authors_code(name):
    z, observed = batch(name)
    alpha = -0.1 if name.startswith("entmin") else GOLDEN[name]["inputs"]["alpha"]
    agrees(name, entropy_maximisation(z, observed, alpha), z)
    matrix = entropy_maximisation(z, observed, alpha, reduction="none")
    close(matrix, GOLDEN[name]["expected"]["loss_matrix"])


@pytest.mark.parametrize("name", names("em_apl"))
def test_em_apl_agrees_with_the_authors_code(name):
    z, code = batch(name, "label_code")
    inputs = GOLDEN[name]["inputs"]
    observed = (code == 1).to(torch.int8)
    loss = em_apl(z, observed, code < 0, -code, inputs["alpha"], inputs["beta"])
    agrees(name, loss, z)
    matrix = em_apl(z, observed, code < 0, -code, inputs["alpha"], inputs["beta"], reduction="none")
    close(matrix, GOLDEN[name]["expected"]["loss_matrix"])


def official_code(method):
    """The authors' one-matrix form: 1 positive, 0 unknown, -q pseudo-label with target q."""
    targets = torch.where(method.labelled, -method.targets, 0.0)
    return torch.where(method.observed == 1, 1.0, targets)


def test_apl_rounds_agree_with_the_authors_code():
    case = GOLDEN["apl_rounds"]
    inputs, expected = case["inputs"], case["expected"]
    method = AsymmetricPseudoLabels(0.2, 0.02, inputs["T_w"], inputs["T_t"], inputs["theta"])
    method.start(Context((tensor(inputs["label_code_start"]) == 1).to(torch.int8)))
    method.targets = method.targets.double()
    assert method.counts.tolist() == expected["k_per_class"]
    for given_round, wanted in zip(inputs["rounds"], expected["rounds"], strict=True):
        before = method.labelled.clone()
        method.epoch = given_round["after_epoch"]
        method.after_epoch(lambda logits=given_round["logits"]: tensor(logits))
        new = method.labelled & ~before
        found = [new[:, c].nonzero().flatten().tolist() for c in range(new.shape[1])]
        assert found == wanted["newly_labelled_indices_per_class"]
        close(official_code(method), wanted["label_code"])


def test_gradient_regimes_agree_with_the_authors_code():
    inputs, expected = (GOLDEN["gradient_regime"][key] for key in ("inputs", "expected"))
    logits = np.array(inputs["logit"])

    def em(z, y):
        return entropy_maximisation(z, y, 1.0)

    for label, loss, key in (
        (1, em, "grad_positive"),
        (1, baselines.assume_negative, "grad_positive"),
        (0, baselines.assume_negative, "grad_unannotated_an"),
        (0, em, "grad_unannotated_em"),
    ):
        np.testing.assert_allclose(
            autograd(loss, logits, label), expected[key], atol=TOLERANCE, rtol=0
        )
    values = entropy_maximisation(
        tensor(inputs["logit"])[:, None], torch.zeros(len(logits), 1), 1.0, reduction="none"
    )
    close(values[:, 0], expected["loss_unannotated_em"])


# -- the comparators ------------------------------------------------------------------------------

ENTRY_LOSSES = {
    "bce_full": lambda z, y, i: baselines.ignore_unobserved(z, 2 * y - 1),
    "an": lambda z, y, i: baselines.assume_negative(z, y),
    "extreme_an": lambda z, y, i: baselines.assume_negative(z, y),
    "iun": lambda z, y, i: baselines.ignore_unobserved(
        z, torch.where(tensor(i["true"]) == 0, -1.0, y)
    ),
    "iu": lambda z, y, i: baselines.ignore_unobserved(z, y),
    "wan": lambda z, y, i: baselines.weighted_assume_negative(z, y),
    "bce_ls_0.1": lambda z, y, i: baselines.label_smoothing(z, y, i["eps"]),
    "bce_ls_0.2": lambda z, y, i: baselines.label_smoothing(z, y, i["eps"]),
    "an_ls_0.1": lambda z, y, i: baselines.label_smoothing(z, y, i["eps"]),
    "an_ls_0.2": lambda z, y, i: baselines.label_smoothing(z, y, i["eps"]),
    "n_ls_0.1": lambda z, y, i: baselines.label_smoothing(z, y, i["eps"], negatives_only=True),
    "n_ls_0.2": lambda z, y, i: baselines.label_smoothing(z, y, i["eps"], negatives_only=True),
    "epr": lambda z, y, i: baselines.expected_positive_regularisation(z, y, i["k"]),
}


@pytest.mark.parametrize("name", ENTRY_LOSSES)
def test_comparators_agree_with_their_authors_code(name):
    z, observed = batch(name)
    agrees(name, ENTRY_LOSSES[name](z, observed, GOLDEN[name]["inputs"]), z)


def test_down_weighting_is_wan_with_another_weight():
    z, observed = batch("wan")
    weight = 1 / (z.shape[1] - 1)
    agrees("wan", baselines.weighted_assume_negative(z, observed, weight), z)


def test_role_and_its_start_agree_with_the_authors_code():
    z, observed = batch("role")
    inputs, expected = GOLDEN["role"]["inputs"], GOLDEN["role"]["expected"]
    estimates = tensor(inputs["estimator_logits"]).requires_grad_()
    loss = baselines.role(z, estimates, observed, inputs["k"])
    agrees("role", loss, z)
    (gradient,) = torch.autograd.grad(loss, estimates)
    close(gradient, expected["grad_estimator_logits"])

    observed = tensor(GOLDEN["role_estimator_init"]["inputs"]["observed"])
    start = baselines.initial_estimates(observed)
    bounds = GOLDEN["role_estimator_init"]["expected"]
    np.testing.assert_allclose(start[observed == 1], bounds["positive_logit"], atol=1e-6)
    assert start[observed == 0].abs().max() <= bounds["unannotated_abs_bound"]
    assert start[observed == 0].unique().numel() == (observed == 0).sum()

    method = baselines.Role()
    method.start(Context(torch.zeros(1, 10), expected_positives=1.0))
    method.estimates.data = method.estimates.data.double()
    method.start_from(tensor(GOLDEN["inverse_sigmoid"]["inputs"]["p"])[None])
    close(method.estimates.data[0], GOLDEN["inverse_sigmoid"]["expected"]["logit"])


@pytest.mark.parametrize("name", names("asl"))
def test_asymmetric_loss_agrees_with_its_authors_code(name):
    z, observed = batch(name)
    inputs, expected = GOLDEN[name]["inputs"], GOLDEN[name]["expected"]
    settings = {
        "focus_positive": float(inputs["gamma_pos"]),
        "focus_negative": float(inputs["gamma_neg"]),
        "margin": inputs["clip"],
        "detach_weight": inputs["detach_weight"],
    }
    total = baselines.asymmetric(z, observed, **settings, reduction="none").sum()
    assert total.item() == pytest.approx(expected["loss_sum"], abs=TOLERANCE)
    (gradient,) = torch.autograd.grad(total, z)
    close(gradient, expected["grad_logits_of_sum"])
    mean = baselines.asymmetric(z, observed, **settings)
    assert mean.item() == pytest.approx(expected["loss_sum"] / z.numel(), abs=TOLERANCE)
    if name == "asl_gn2_gp2_clip0_weight_differentiated":
        assert baselines.focal(z, observed).item() == mean.item()


@pytest.mark.parametrize("focus", [0.25, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_label_that_is_sure_costs_nothing_and_has_no_slope(focus, dtype):
    """A power below 1 of a probability that is 0 in floating point has no finite slope."""
    z = torch.tensor([[17.0, 200.0, 1e4, -17.0, -200.0, -1e4]], dtype=dtype, requires_grad=True)
    observed = torch.tensor([[1, 1, 1, -1, -1, 0]])
    entries = baselines.focal(z, observed, focus, reduction="none")
    (gradient,) = torch.autograd.grad(entries.sum(), z)
    close(entries[0], [0.0] * 6)
    close(gradient[0], [0.0] * 6)
    (gradient,) = torch.autograd.grad(baselines.focal(z, -observed, focus), z)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("name", "penalty"), [("L1R", lambda p: p.abs().sum()), ("L2R", lambda p: p.square().sum())]
)
def test_penalties_are_added_outside_the_mean(name, penalty):
    model = Network(nn.Identity(), nn.Identity(), nn.Linear(4, 3))
    model.head.bias.requires_grad_(False)
    method = methods.create(name, weight=0.3)
    observed = torch.tensor([[1, 0, 0], [0, 0, 1]], dtype=torch.int8)
    method.start(Context(observed))
    x, index = torch.randn(2, 4), torch.arange(2)
    logits, loss = method.step(model, x, index)
    wanted = baselines.assume_negative(logits, observed) + 0.3 * penalty(model.head.weight)
    assert loss.item() == pytest.approx(wanted.item(), abs=1e-6)
    loss.backward()
    assert model.head.weight.grad.isfinite().all()


# -- data and metric -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", names("observe_single"))
def test_single_positives_are_drawn_as_in_the_authors_code(name):
    case = GOLDEN[name]
    found = single_positive(np.array(case["inputs"]["true"]), random_state(case["inputs"]["seed"]))
    np.testing.assert_array_equal(found, case["expected"]["observed"])
    np.testing.assert_array_equal(found.argmax(1), case["expected"]["kept_index"])


def random_state(seed):
    return np.random.RandomState(seed)


def test_all_positives_and_two_negatives_are_drawn_as_in_the_authors_code():
    case = GOLDEN["observe_allpos_2neg"]
    truth = np.array(case["inputs"]["true"])
    rng = random_state(case["inputs"]["seed"])
    found = few_labels(truth, rng, positives=truth.shape[1], negatives=2)
    np.testing.assert_array_equal(found, case["expected"]["observed"])


@pytest.mark.parametrize("name", names("split"))
def test_validation_split_is_that_of_the_authors_code(name):
    inputs, expected = GOLDEN[name]["inputs"], GOLDEN[name]["expected"]
    train, val = train_val_indices(inputs["n"], inputs["frac"], inputs["seed"])
    assert train.tolist() == expected["train"]
    assert val.tolist() == expected["val"]


def test_mean_average_precision_is_that_of_the_authors_code():
    case = GOLDEN["metrics"]
    scores, truth = tensor(case["inputs"]["y_score"]), tensor(case["inputs"]["y_true"])
    assert (truth.sum(0) == 0).any()  # a class without positives counts 0
    wanted = case["expected"]["mAP"]
    assert mean_average_precision(scores, truth) == pytest.approx(wanted, abs=1e-9)


# -- closed forms and facts -----------------------------------------------------------------------


@given(st.floats(-30, 30), st.floats(0.001, 2))
def test_em_gradient_on_an_unannotated_label_is_its_closed_form(g, alpha):
    z = tensor([[g]]).requires_grad_()
    (gradient,) = torch.autograd.grad(entropy_maximisation(z, torch.zeros(1, 1), alpha, 0.0), z)
    p = 1 / (1 + math.exp(-g))
    q = 1 / (1 + math.exp(g))
    assert gradient.item() == pytest.approx(alpha * g * p * q, abs=1e-12)
    mirrored = tensor([[-g]]).requires_grad_()
    other = entropy_maximisation(mirrored, torch.zeros(1, 1), alpha, 0.0)
    (opposite,) = torch.autograd.grad(other, mirrored)
    assert opposite.item() == pytest.approx(-gradient.item(), abs=1e-12)


def test_facts_about_the_em_gradient():
    g = torch.linspace(-10, 10, 200001, dtype=torch.float64)
    p = torch.sigmoid(g)
    gradient = g * p * (1 - p)
    assert gradient.max().item() == pytest.approx(0.2239, abs=1e-4)
    assert abs(g[gradient.argmax()].item()) == pytest.approx(1.5434, abs=1e-3)
    for at, value in ((3, 0.1355), (5, 0.0332), (10, 4.5e-4)):
        assert autograd(
            lambda z, y: entropy_maximisation(z, y, 1.0, 0.0), np.array([float(at)]), 0
        )[0] == pytest.approx(value, abs=1e-4)


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_em_loss_stays_above_its_bound(seed, alpha):
    rng = np.random.default_rng(seed)
    z = tensor(rng.normal(scale=5, size=(4, 6)))
    observed = torch.from_numpy(single_positive(np.ones((4, 6)), rng))
    loss = entropy_maximisation(z, observed, alpha, 0.0).item()
    assert loss >= -alpha * math.log(2) * 5 / 6 - 1e-12


def test_em_loss_of_an_undecided_network():
    z, observed = torch.zeros(3, 20, dtype=torch.float64), torch.zeros(3, 20)
    observed[:, 0] = 1
    wanted = math.log(2) * (1 - 0.2 * 19) / 20
    assert entropy_maximisation(z, observed, 0.2, 0.0).item() == pytest.approx(wanted, abs=1e-12)


@given(st.floats(-20, 20), st.floats(0, 1), st.floats(0, 2))
def test_pseudo_label_gradient_is_beta_times_the_gap(g, target, beta):
    z = tensor([[g]]).requires_grad_()
    labelled = torch.ones(1, 1, dtype=torch.bool)
    loss = em_apl(z, torch.zeros(1, 1), labelled, tensor([[target]]), 0.1, beta, 0.0)
    (gradient,) = torch.autograd.grad(loss, z)
    assert gradient.item() == pytest.approx(beta * (1 / (1 + math.exp(-g)) - target), abs=1e-12)


def test_losses_are_differentiable():
    z = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    observed = torch.tensor([[1, 0, 0, 0], [0, -1, 0, 1], [0, 0, 0, 0]])
    labelled = (observed == 0) & (torch.rand(3, 4) < 0.5)
    targets = torch.rand(3, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda v: em_apl(v, observed, labelled, targets, 0.2, 0.4), z)
    assert torch.autograd.gradcheck(lambda v: baselines.focal(v, observed), z)


def test_annotated_negatives_are_negatives_and_nothing_flows_into_targets():
    # In the authors' one-matrix code an annotated negative would be read as a soft target of 1.
    z = tensor([[2.0, -1.0]])
    observed = torch.tensor([[-1, -1]])
    wanted = torch.nn.functional.softplus(z)
    close(entropy_maximisation(z, observed, 0.3, 0.0, "none"), wanted.tolist())
    targets = torch.rand(1, 2, requires_grad=True)
    unknown = torch.zeros(1, 2)
    loss = em_apl(z.requires_grad_(), unknown, torch.ones(1, 2) == 1, targets, 0.1, 0.5)
    loss.backward()
    assert targets.grad is None


# -- boundaries -----------------------------------------------------------------------------------

HALF = (torch.float32, torch.float16, torch.bfloat16)


@pytest.mark.parametrize("dtype", HALF, ids=str)
@pytest.mark.parametrize("observed", ["single", "unknown", "full"])
def test_saturated_logits_give_finite_losses_and_gradients(dtype, observed):
    labels = {
        "single": [[1, 0, 0, 0], [0, 1, 0, 0]],
        "unknown": [[0] * 4] * 2,
        "full": [[1, -1, 1, -1], [-1, 1, -1, 1]],
    }[observed]
    y = torch.tensor(labels, dtype=torch.int8)
    labelled = y == 0
    for losses in (
        lambda z: entropy_maximisation(z, y, 0.2),
        lambda z: entropy_maximisation(z, y, 0.2, 0.0),
        lambda z: em_apl(z, y, labelled, torch.zeros_like(z), 0.2, 0.4),
        lambda z: em_apl(z, y, labelled, torch.ones_like(z), 0.2, 0.4, 0.0),
        lambda z: baselines.assume_negative(z, y),
        lambda z: baselines.asymmetric(z, y),
        lambda z: baselines.focal(z, y),
        lambda z: baselines.label_smoothing(z, y),
    ):
        z = torch.tensor([[100.0, -100, 0, 5], [100, -100, -5, 0]], dtype=dtype)
        z.requires_grad_()
        loss = losses(z)
        loss.backward()
        assert loss.isfinite()
        assert z.grad.isfinite().all()


def test_an_unknown_reduction_is_refused():
    z = torch.zeros(1, 2)
    with pytest.raises(ValueError, match="unknown reduction 'sum': expected 'mean' or 'none'"):
        entropy_maximisation(z, z, 0.1, reduction="sum")
    with pytest.raises(ValueError, match="unknown reduction 'sum'"):
        baselines.asymmetric(z, z, reduction="sum")


def test_entropy_of_even_odds_is_one_bit():
    def entropy(logit):
        z = torch.tensor([[logit]], dtype=torch.float64)
        return entropy_maximisation(z, torch.zeros(1, 1), -1.0, 0.0).item()

    assert entropy(0.0) == pytest.approx(math.log(2), abs=1e-12)
    assert entropy(200.0) == pytest.approx(0, abs=1e-12)
    assert entropy(-200.0) == pytest.approx(0, abs=1e-12)


# -- pseudo-labelling -----------------------------------------------------------------------------


def test_lowest_scores_per_class_ties_go_to_the_lower_row():
    z = torch.tensor([[0.0, 100], [0, 200], [0, 300], [-1, 50]])
    candidates = torch.ones(4, 2, dtype=torch.bool)
    candidates[3, 1] = False
    found = lowest_scored(z, candidates, torch.tensor([2, 1]))
    # In class 1 all probabilities round to 1: the logits still tell them apart.
    assert found.nonzero().tolist() == [[0, 0], [0, 1], [3, 0]]
    everything = lowest_scored(z, candidates, torch.tensor([9, 9]))
    assert torch.equal(everything, candidates)
    assert not lowest_scored(z, torch.zeros_like(candidates), torch.tensor([2, 2])).any()


@given(st.integers(1, 40), st.floats(0, 1), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_passes_label_what_was_promised_and_nothing_twice(rows, share, passes, seed):
    rng = np.random.default_rng(seed)
    observed = torch.from_numpy(single_positive(rng.integers(0, 2, (rows, 3)), rng))
    method = AsymmetricPseudoLabels(0.1, 0.2, 2, 2 + passes, share)
    method.start(Context(observed))
    unknown = (observed == 0).sum(0)
    for epoch in range(1, 4 + passes):
        before, frozen = method.labelled.clone(), method.targets.clone()
        method.epoch = epoch
        method.after_epoch(lambda: torch.from_numpy(rng.normal(size=(rows, 3))))
        assert (method.labelled >= before).all()
        assert torch.equal(method.targets[before], frozen[before])
    assert not (method.labelled & (observed != 0)).any()
    assert (method.labelled.sum(0) == passes * method.counts).all()
    assert (method.labelled.sum(0) <= share * unknown + 1e-6).all()
    assert torch.equal(method.counts, labels_per_pass(observed, share, passes))


def test_label_counts_are_truncated_but_not_by_rounding_errors():
    unknown = torch.zeros(100, 1)
    assert labels_per_pass(unknown, 0.29, 1).tolist() == [29]  # 0.29 * 100 = 28.999999999999996
    assert labels_per_pass(torch.zeros(20, 1), 0.9, 5).tolist() == [3]


def test_before_the_first_pass_em_apl_is_em():
    observed = torch.from_numpy(single_positive(np.ones((6, 5)), np.random.default_rng(0)))
    em, apl = methods.create("EM", alpha=0.1), AsymmetricPseudoLabels(0.1, 0.9, 2, 4)
    z, index = torch.randn(6, 5), torch.arange(6)
    for method in (em, apl):
        method.start(Context(observed))
    apl.epoch = 1
    apl.after_epoch(lambda: pytest.fail("no pass is due"))
    assert apl.loss(z, index) == em.loss(z, index)
    apl.epoch = 2
    apl.after_epoch(lambda: z)
    assert apl.modified_labels().sum() > 0
    assert apl.loss(z, index) != em.loss(z, index)


def test_hard_targets_are_zero_and_one_pass_takes_the_whole_share():
    observed = torch.zeros(10, 2, dtype=torch.int8)
    method = AsymmetricPseudoLabels(0.1, 0.2, 1, 8, 0.9, passes=1, targets="hard")
    method.start(Context(observed))
    method.epoch = 1
    method.after_epoch(lambda: torch.randn(10, 2))
    assert method.labelled.sum(0).tolist() == [9, 9]
    assert not method.targets.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"warm_up": 0}, "warm_up is 0: expected 1 to 9 of 10 epochs"),
        ({"warm_up": 10}, "warm_up is 10"),
        ({"share": 1.5}, "share is 1.5"),
        ({"passes": 9}, "passes is 9: expected 1 to 5"),
        ({"targets": "sharp"}, "unknown targets 'sharp': expected one of soft, hard"),
        ({"alpha": -1}, "alpha is -1"),
    ],
)
def test_bad_settings_get_one_clear_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        AsymmetricPseudoLabels(
            **({"alpha": 0.1, "beta": 0.1, "warm_up": 5, "epochs": 10} | options)
        )


def test_apl_trains_through_the_one_loop_whatever_the_number_of_batches():
    # The authors' pass does nothing in an epoch of a single batch.
    observed = torch.from_numpy(single_positive(np.ones((12, 4)), np.random.default_rng(0)))
    method = AsymmetricPseudoLabels(0.1, 0.4, 1, 3)
    method.start(Context(observed))
    model = Network(nn.Identity(), nn.Identity(), nn.Linear(5, 4))
    fit(
        model,
        torch.randn(12, 5),
        method,
        epochs=3,
        batch_size=12,
        optimiser=OptimiserSpec().build(model, method),
        order=torch.Generator().manual_seed(0),
    )
    assert (method.labelled.sum(0) == 2 * method.counts).all()
    assert all(p.isfinite().all() for p in model.parameters())
