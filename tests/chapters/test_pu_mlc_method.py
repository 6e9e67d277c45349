"""PU-MLC's losses: values of the authors' code, closed forms, the cases that batches bring."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from torch import nn
from torch.nn import functional as F

from weaklabels import methods, metrics, models, weaken
from weaklabels.ema import WeightAverage
from weaklabels.lab.multilabel import Spec, annotate
from weaklabels.lab.spec import options
from weaklabels.methods import baselines
from weaklabels.methods import pu_mlc as pu
from weaklabels.methods.base import Context

CASES = {
    case["case"]: case
    for case in json.loads((Path(__file__).parents[1] / "golden" / "pu_mlc.json").read_text())
}
CLOSE = {"rtol": 1e-6, "atol": 1e-7}
OFF = 1e9  # the oracles switch the temperature off by an alpha that is never active


def tensor(values, dtype=torch.float64):
    return torch.tensor(values, dtype=dtype)


def case(name):
    """Inputs as float64 tensors (numbers stay numbers), and what is expected."""
    found = CASES[name]
    inputs = {k: tensor(v) if isinstance(v, list) else v for k, v in found["inputs"].items()}
    return inputs, found["expected"]


def check(value, expected, **tolerance):
    np.testing.assert_allclose(
        np.asarray(value.detach() if torch.is_tensor(value) else value),
        np.asarray(expected, float),
        **(CLOSE | tolerance),
    )


VARIATIONAL = [name for name in CASES if name.startswith("pumlc_vpu") and "float32" not in name]


@pytest.mark.parametrize("name", VARIATIONAL)
def test_variational_loss_agrees_with_the_authors_code(name):
    inputs, expected = case(name)
    logits = inputs["logits"].requires_grad_()
    how = {"gamma": inputs["gamma"], "alpha": inputs["alpha"], "tau_min": 0.0}
    terms = pu.variational_terms(logits, inputs["labels"], **how)
    loss = pu.variational_loss(logits, inputs["labels"], **how)
    (gradient,) = torch.autograd.grad(loss, logits)
    columns = ~np.isnan(np.array(expected["grad_logits"], float)).any(0)
    check(gradient[:, columns], np.array(expected["grad_logits"], float)[:, columns])
    assert torch.isfinite(gradient).all()
    if columns.all():
        check(loss, expected["loss"])
        check(terms.tau, expected["tau"])
        check(terms.mean_probability, expected["mean_prob"])
        check(terms.mean_probability ** inputs["gamma"], expected["rebalance_weight"])
        check(terms.unlabeled, expected["unlabeled_term_per_class"])
        check(terms.positive, expected["positive_term_per_class"])


def test_variational_loss_in_float32_as_shipped():
    inputs, expected = case("pumlc_vpu_float32_as_shipped")
    logits = inputs["logits"].float().requires_grad_()
    loss = pu.variational_loss(
        logits, inputs["labels"], gamma=inputs["gamma"], alpha=inputs["alpha"], tau_min=0.0
    )
    check(loss, expected["loss"], rtol=1e-5)
    check(torch.autograd.grad(loss, logits)[0], expected["grad_logits"], rtol=1e-5, atol=1e-6)


def test_negatives_are_never_used():
    first, expected = case("pumlc_vpu_coco_setting")
    second, same = case("pumlc_vpu_negatives_ignored")
    assert (first["labels"] == -1).any()
    assert not (second["labels"] == -1).any()
    assert expected["loss"] == same["loss"]
    a, b = (
        pu.variational_loss(i["logits"], i["labels"], gamma=0.55, alpha=1.0)
        for i in (first, second)
    )
    assert a == b


@pytest.mark.parametrize("tau_min", [pu.TAU_MIN, 0.0])
def test_a_class_whose_logits_are_all_equal_has_no_temperature(tau_min):
    alone = pu.temperature(torch.tensor([[-0.002, 3.0]]), 1.0, tau_min)
    assert alone.tolist() == [1, 1]
    mixed = pu.temperature(torch.tensor([[1.0, 0.0], [1.0, 0.5]]), 1.0, tau_min)
    assert mixed.tolist() == [1, 0.25]


def test_no_temperature_is_a_temperature_of_one():
    inputs, _ = case("pumlc_vpu_rebalance_only")
    a, b = (
        pu.variational_loss(inputs["logits"], inputs["labels"], gamma=0.55, alpha=alpha)
        for alpha in (None, OFF)
    )
    assert a == b


def test_gradient_is_the_closed_form():
    r"""(w s(1-s) / (N p) - y (1-s) / n) / tau, away from the floors (spec, section 3.2)."""
    rng = np.random.default_rng(0)
    s = rng.normal(0, 1.5, (9, 4))
    y = (rng.random((9, 4)) < 0.4).astype(float)
    y[0], gamma, alpha = 1, 0.85, 0.4
    tau = np.minimum(alpha * s.std(0), 1)
    p = expit(s / tau)
    mean = p.mean(0)
    closed = (mean**gamma * p * (1 - p) / (9 * mean) - y * (1 - p) / y.sum(0)) / tau
    logits = tensor(s).requires_grad_()
    loss = pu.variational_loss(logits, tensor(y), gamma=gamma, alpha=alpha)
    check(torch.autograd.grad(loss, logits)[0], closed, atol=1e-8)


def test_plain_loss_is_vpu_class_by_class():
    rng = np.random.default_rng(1)
    s, y = tensor(rng.normal(0, 2, (12, 3))), tensor(rng.random((12, 3)) < 0.5)
    y[0] = 1
    one_by_one = sum(pu.variational_pu(s[y[:, c] == 1, c], s[:, c]) for c in range(3))
    check(pu.variational_loss(s, y, gamma=0, alpha=None), one_by_one, atol=1e-7)


def test_gradcheck_of_the_consistency_term():
    rng = np.random.default_rng(2)
    logits = tensor(rng.normal(0, 1, (4, 3))).requires_grad_()
    observed = tensor(rng.integers(-1, 2, (4, 3)))
    order = torch.tensor([1, 0])

    def loss(s):
        labels = pu.mix(pu.soft_labels(s, observed), order, 0.3)
        return pu.consistency(pu.mix(s, order, 0.3), labels)

    assert torch.autograd.gradcheck(loss, (logits,))


@pytest.mark.parametrize("name", ["pumlc_mixup_even", "pumlc_mixup_odd"])
def test_mixup_agrees_with_the_authors_code(name):
    inputs, expected = case(name)
    x, order = inputs["x"], inputs["perm"].long()
    weight, bias = inputs["weight"].requires_grad_(), inputs["bias"].requires_grad_()

    def forward(rows):
        return rows.flatten(1) @ weight.T + bias

    mixed = pu.mix(x, order, inputs["lam"])
    soft = pu.soft_labels(forward(x), inputs["labels"])
    labels = pu.mix(soft, order, inputs["lam"])
    loss = pu.consistency(forward(mixed), labels)
    check(mixed, expected["mixed_x"])
    check(labels, expected["mixed_target"])
    check(loss, expected["loss"])
    for gradient, name in zip(
        torch.autograd.grad(loss, [weight, bias]), ["grad_weight", "grad_bias"], strict=True
    ):
        check(gradient, expected[name])


def test_original_vpu_step():
    inputs, expected = case("vpu_original_step")
    w = inputs["w"].requires_grad_()
    p, u, lam = inputs["x_positive"], inputs["x_unlabeled"], inputs["lam"]
    variational = pu.variational_pu(p @ w, u @ w)
    # Its mixup is the same term with the positives, whose label is 1, in the permuted half.
    rows = torch.cat([p, u])
    known = torch.cat([torch.ones(len(p)), torch.zeros(len(u))])[:, None]
    order, share = inputs["perm"].long(), 1 - lam
    labels = pu.mix(pu.soft_labels((rows @ w)[:, None], known), order, share)
    regular = pu.consistency((pu.mix(rows, order, share) @ w)[:, None], labels)
    total = variational + inputs["reg_weight"] * regular
    check(variational, expected["var_loss"])
    check(regular, expected["reg_loss"])
    check(total, expected["total"])
    check(torch.autograd.grad(total, w)[0], expected["grad_w"])


@pytest.mark.parametrize("number", range(3))
def test_unbiased_and_non_negative_risk(number):
    inputs, expected = case(f"upu_{number}")
    how = {"surrogate": "sigmoid", "unlabeled": "rest"}
    for name, function in (("upu", pu.unbiased_pu), ("nnpu", pu.non_negative_pu)):
        expected = CASES[f"{name}_{number}"]["expected"]
        logits = inputs["logits"].detach().requires_grad_()
        column, t = logits[:, None], inputs["t"][:, None]
        as_positive, as_negative = pu.pu_risks(column, t, inputs["prior"], **how)
        loss = function(column, t, inputs["prior"], **how)
        check(as_positive, [expected["positive_risk"]])
        check(as_negative, [expected["negative_risk"]])
        check(loss, expected["loss"])
        check(torch.autograd.grad(loss, logits)[0], expected["grad_logits"])


def test_the_clip_of_nnpu_is_taken_class_by_class():
    """One class over-fits (risk on negatives below 0), the other does not: they do not cancel."""
    inputs = [CASES[f"nnpu_{i}"]["inputs"] for i in (1, 0)]
    rows = min(len(i["logits"]) for i in inputs)
    logits = tensor([i["logits"][:rows] for i in inputs]).T
    t = tensor([i["t"][:rows] for i in inputs]).T
    prior = tensor([0.9, 0.2])
    _, as_negative = pu.pu_risks(logits, t, prior, surrogate="sigmoid")
    assert as_negative[0] < 0 < as_negative[1]
    both = pu.non_negative_pu(logits, t, prior, surrogate="sigmoid")
    alone = sum(
        pu.non_negative_pu(logits[:, [c]], t[:, [c]], prior[c], surrogate="sigmoid")
        for c in range(2)
    )
    check(both, alone)


def test_the_step_back_changes_the_gradient_and_not_the_value():
    logits = torch.tensor([[3.0], [2.0], [-4.0]], requires_grad=True)
    t = torch.tensor([[1], [1], [0]])
    values, gradients = [], []
    for ascend in (True, False):
        loss = pu.non_negative_pu(logits, t, 0.9, surrogate="sigmoid", ascend=ascend)
        values.append(loss)
        gradients.append(torch.autograd.grad(loss, logits)[0])
    assert values[0] == values[1]
    assert not torch.equal(*gradients)
    assert gradients[1][2] == 0  # the unlabelled row counts only in the half that was clipped


@pytest.mark.parametrize("option", [{"surrogate": "hinge"}, {"unlabeled": "some"}])
def test_risks_name_what_they_do_not_know(option):
    with pytest.raises(ValueError, match=next(iter(option.values()))):
        pu.pu_risks(torch.zeros(2, 1), torch.zeros(2, 1), 0.5, **option)


# -- what batches bring ---------------------------------------------------------------------------


def small_model():
    return models.build("patch_net", 5, width=16, batch_norm=False)


BATCHES = {
    "no positive": (lambda s: s, lambda y: 0 * y),
    "all positive": (lambda s: s, lambda y: 0 * y + 1),
    "zero spread": (lambda s: 0 * s - 2, lambda y: y),
    "one row": (lambda s: s[:1], lambda y: y[:1]),
    "two rows": (lambda s: s[:2], lambda y: y[:2]),
    "logits of 100": (lambda s: 100 * s.sign(), lambda y: y),
    "logits of 10000": (lambda s: 1e4 * s.sign(), lambda y: y),
}


@pytest.mark.parametrize("tau_min", [pu.TAU_MIN, 0.0])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("batch", BATCHES)
def test_losses_and_gradients_stay_finite(batch, dtype, tau_min):
    rng = np.random.default_rng(3)
    of_logits, of_labels = BATCHES[batch]
    s = of_logits(tensor(rng.normal(0, 1, (6, 5)))).to(dtype).requires_grad_()
    y = of_labels(torch.from_numpy(rng.integers(-1, 2, (6, 5)).astype(np.int8)))
    half = len(s) // 2
    order = torch.arange(half).flip(0)
    losses = [
        pu.variational_loss(s, y, gamma=0.55, alpha=1.0, tau_min=tau_min),
        pu.consistency(pu.mix(s, order, 0.4), pu.mix(pu.soft_labels(s, y), order, 0.4)),
        pu.unbiased_pu(s, y, 0.3),
        pu.non_negative_pu(s, y, 0.3, surrogate="sigmoid"),
        pu.non_negative_pu(s, y, 0.3),
    ]
    for loss in losses:
        assert torch.isfinite(loss)
        if loss.requires_grad:
            (gradient,) = torch.autograd.grad(loss, s, retain_graph=True)
            assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("rows", [1, 2, 3, 8])
@pytest.mark.parametrize("autocast", [False, True])
def test_training_steps_of_any_size_leave_finite_weights(rows, autocast):
    model = small_model()
    method = methods.create("PU-MLC", local_global=1)
    method.start(Context(torch.zeros(rows, 5, dtype=torch.int8)))
    method.prepare(model)
    x = torch.rand(rows, 1, 24, 24)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        logits, loss = method.step(model, x, torch.arange(rows))
    loss.backward()
    assert logits.shape == (rows, 5)
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_a_class_without_positives_is_only_pushed_down():
    logits = torch.randn(6, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    y = torch.tensor([[0, 1]] * 3 + [[0, 0]] * 3)
    loss = pu.variational_loss(logits, y, gamma=0.55, alpha=None)
    gradient = torch.autograd.grad(loss, logits)[0]
    assert (gradient[:, 0] > 0).all()
    assert (gradient[:3, 1] < 0).any()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    rows=st.integers(2, 9),
    gamma=st.floats(0, 1),
    alpha=st.floats(0.1, 5),
)
def test_properties_of_the_loss(seed, rows, gamma, alpha):
    rng = np.random.default_rng(seed)
    s, y = tensor(rng.normal(0, 2, (rows, 4))), tensor(rng.integers(-1, 2, (rows, 4)))
    how = {"gamma": gamma, "alpha": alpha}
    terms = pu.variational_terms(s, y, **how)
    loss = pu.variational_loss(s, y, **how)
    assert (terms.tau <= 1).all()
    assert (terms.tau >= pu.TAU_MIN).all()
    # A sum over classes, in which neither their order nor that of the rows matters.
    check(sum(pu.variational_loss(s[:, [c]], y[:, [c]], **how) for c in range(4)), loss.numpy())
    rows_order = rng.permutation(rows)
    check(pu.variational_loss(s[rows_order], y[rows_order], **how), loss.numpy())
    # A smaller factor than 1 on a negative logarithm: re-balancing never lowers the first term.
    plain = pu.variational_terms(s, y, gamma=0, alpha=alpha)
    assert (terms.unlabeled >= plain.unlabeled - 1e-12).all()


def test_rebalancing_weakens_the_push_on_classes_believed_rare():
    logits = torch.tensor([[-6.0, 0.0], [-5.0, 0.5], [-6.5, -0.5]], requires_grad=True)
    y = torch.zeros(3, 2)
    push = {}
    for gamma in (0.0, 0.55):
        loss = pu.variational_loss(logits, y, gamma=gamma, alpha=None)
        push[gamma] = torch.autograd.grad(loss, logits)[0].sum(0)
    ratio = push[0.55] / push[0.0]
    check(ratio, torch.sigmoid(logits).mean(0).detach() ** 0.55, rtol=1e-5)
    assert ratio[0] < ratio[1] < 1


@pytest.mark.parametrize(("positives", "direction"), [(0, 1), (2, -1)])
def test_moving_all_logits_of_a_class_that_knows_nothing(positives, direction):
    """The derivative is (p^gamma - [a labelled positive in the batch])(1 - p)."""
    level = torch.tensor(-1.0, dtype=torch.float64, requires_grad=True)
    y = torch.zeros(5, 1)
    y[:positives] = 1
    loss = pu.variational_loss(level.expand(5, 1), y, gamma=0.55, alpha=None)
    p = expit(-1.0)
    expected = (p**0.55 - (positives > 0)) * (1 - p)
    check(torch.autograd.grad(loss, level)[0], expected)
    assert np.sign(expected) == direction


def test_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match="alpha 0"):
        methods.create("PU-MLC", alpha=0)
    with pytest.raises(ValueError, match="known_share is 0"):
        methods.create("nnPU", known_share=0)


# -- comparators, labels, scores ------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("asl")])
def test_asl(name):
    inputs, expected = case(name)
    logits = inputs["logits"].requires_grad_()
    loss = baselines.asymmetric(
        logits,
        inputs["labels"],
        focus_positive=inputs["gamma_pos"],
        focus_negative=inputs["gamma_neg"],
        margin=inputs["clip"],
        detach_weight=name.endswith("weightdetached"),
        reduction="none",
    ).sum()
    check(loss, expected["loss"])
    check(torch.autograd.grad(loss, logits)[0], expected["grad_logits"])


def test_partial_cross_entropy():
    inputs, expected = case("partial_bce_mean_over_known")
    logits = inputs["logits"].requires_grad_()
    loss = baselines.partial_cross_entropy(logits, inputs["labels"])
    check(loss, expected["loss"])
    check(torch.autograd.grad(loss, logits)[0], expected["grad_logits"])


def test_partial_losses_without_any_known_label_are_zero():
    logits, y = torch.randn(3, 4), torch.zeros(3, 4, dtype=torch.int8)
    assert baselines.partial_cross_entropy(logits, y) == 0
    assert baselines.durand_cross_entropy(logits, y) == 0


def test_durand_weights_an_image_by_its_known_share():
    """No code of the authors is public: g(q) = 5.45 - 4.45 q written out, and its fixed points."""
    logits = torch.randn(4, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    y = torch.zeros(4, 10)
    y[0] = 1  # q = 1, g = 1
    y[1, 3] = -1  # q = 0.1, g = 5.005
    y[2, :4] = 1
    bce = F.binary_cross_entropy_with_logits(logits, (y == 1).double(), reduction="none")
    by_hand = sum(
        g / 10 * (bce[i] * (y[i] != 0)).sum() for i, g in enumerate([1.0, 5.005, 5.45 - 1.78, 5.45])
    )
    check(baselines.durand_cross_entropy(logits, y), (by_hand / 4).numpy())


@pytest.mark.parametrize("percent", [10, 50, 90])
def test_known_labels_are_the_papers_draw(percent):
    inputs, expected = CASES[f"mlcpl_mask_p{percent}"]["inputs"], CASES[f"mlcpl_mask_p{percent}"]
    truth = (np.array(inputs["labels"]) == 1).astype(np.int8)
    observed = weaken.keep_fraction(truth, inputs["proportion"], np.random.RandomState(0))
    np.testing.assert_array_equal(observed, expected["expected"]["masked"])


def test_positives_only_are_the_positives_of_the_known_labels():
    truth = (np.random.default_rng(0).random((50, 6)) < 0.3).astype(np.int8)
    drawn = {
        rate: {
            name: annotate(
                Spec("AN", annotation=name, annotation_options=options(rate=rate)), truth
            )
            for name in ("fraction", "fraction of positives")
        }
        for rate in (0.1, 0.5)
    }
    for both in drawn.values():
        np.testing.assert_array_equal(both["fraction of positives"], both["fraction"] == 1)
    # The known sets are nested: what 10 % know, 50 % know.
    assert (drawn[0.5]["fraction"][drawn[0.1]["fraction"] != 0] != 0).all()


def test_average_precision():
    inputs, expected = case("map")
    check(metrics.average_precision(inputs["scores"], inputs["labels"]) / 100, expected["ap"])
    check(metrics.mean_average_precision(inputs["scores"], inputs["labels"]), expected["map"])


def test_overall_and_class_f1():
    inputs, expected = case("of1_cf1")
    found = metrics.precision_recall_f1(inputs["scores"], inputs["labels"], 0.5)
    for name, value in found.items():
        check(value, expected[name])
    thresholds = np.arange(0.01, 1, 0.01)
    swept = [metrics.precision_recall_f1(inputs["scores"], inputs["labels"], t) for t in thresholds]
    for name in ("OF1", "CF1"):
        check(max(row[name] for row in swept), expected[f"best_{name.lower()}"])


def test_weight_average():
    inputs, expected = case("ema")
    model = nn.Linear(2, 3, bias=False).double()
    model.weight.data = inputs["w0"].clone()
    average = WeightAverage(model, inputs["decay"])
    for step in ("w1", "w2"):
        model.weight.data = inputs[step].clone()
        average.update(model)
        check(average.model.weight, expected[f"after_{step}"])


def test_nnpu_learns_the_prior_from_the_labelled_share():
    observed = torch.zeros(100, 2, dtype=torch.int8)
    observed[:5, 0] = 1
    observed[:20, 1] = 1
    method = methods.create("nnPU", known_share=0.1)
    method.start(Context(observed))
    check(method.prior, [0.5, 1.0])
