"""MoGD: the meta-gradient three ways, reference values and boundaries."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from tests.golden import cases
from weaklabels import methods, models
from weaklabels.methods import mogd
from weaklabels.methods import partial_label as pl
from weaklabels.methods.base import Context
from weaklabels.train import OptimiserSpec, fit

GOLDEN = cases("mogd")
TOLERANCE = 1e-9


def doubles(values):
    return torch.tensor(values, dtype=torch.float64)


def close(found, wanted, tolerance=TOLERANCE):
    torch.testing.assert_close(found, doubles(wanted), atol=tolerance, rtol=0)


# -- reference values -----------------------------------------------------------------------------


def reference():
    """Network, batch, clean set, candidates, rate and expected values of the reference case."""
    case = GOLDEN["mogd_meta_weights"]
    inputs = case["inputs"]
    w1, w2 = doubles(inputs["W1"]), doubles(inputs["W2"])
    net = nn.Sequential(
        nn.Linear(*reversed(w1.shape)), nn.Tanh(), nn.Linear(*reversed(w2.shape))
    ).double()
    values = (w1, doubles(inputs["b1"]), w2, doubles(inputs["b2"]))
    for parameter, value in zip(net.parameters(), values, strict=True):
        parameter.data.copy_(value)
    clean = doubles(inputs["X_val"]), torch.tensor(inputs["y_val"])
    sets = torch.tensor(inputs["candidates"]) > 0
    return net, doubles(inputs["X"]), clean, sets, inputs["alpha"], case["expected"]


@pytest.mark.parametrize("find", [mogd.meta_gradient, mogd.virtual_step_gradient])
def test_meta_gradient_agrees_with_the_reference(find):
    net, x, clean, _, rate, expected = reference()
    close(find(net, x, clean, rate), expected["u"])
    assert all(parameter.grad is None for parameter in net.parameters())


def test_slopes_and_weights_agree_with_the_reference():
    net, x, clean, sets, rate, expected = reference()
    _, slopes = mogd.clean_slopes(net, x, clean)
    close(slopes, expected["logit_directional_derivative"])
    useful = mogd.meta_gradient(net, x, clean, rate)
    weights = mogd.label_weights(useful, sets)
    close(weights, expected["per_instance"])
    close(mogd.label_weights(useful, sets, "batch"), expected["per_batch"])
    uniform = pl.uniform_weights(sets.double())
    close(mogd.remembered(uniform, weights), expected["ema_from_uniform"])
    assert (weights.sum(1) == 0).nonzero().flatten().tolist() == expected["zero_rows"]


COMPARATORS = {
    "proden": lambda z, c: pl.weighted_cross_entropy(z, doubles(c["weights"])),
    "rc": lambda z, c: pl.weighted_cross_entropy(z, doubles(c["weights"])),
    "cc": lambda z, c: pl.cc_loss(z, torch.tensor(c["candidates"]) > 0),
    "lws": lambda z, c: pl.lw_sigmoid(
        z, torch.tensor(c["candidates"]) > 0, doubles(c["weights"]), c["lw"]
    ),
    "lwc": lambda z, c: pl.lw_cross_entropy(
        z, torch.tensor(c["candidates"]) > 0, doubles(c["weights"]), c["lw"]
    ),
}


@pytest.mark.parametrize("name", COMPARATORS)
def test_comparators_agree_with_their_authors_code(name):
    case = GOLDEN[name]
    z = doubles(case["inputs"]["logits"]).requires_grad_()
    loss = COMPARATORS[name](z, case["inputs"])
    assert loss.item() == pytest.approx(case["expected"]["loss"], abs=TOLERANCE)
    close(torch.autograd.grad(loss, z)[0], case["expected"]["grad_logits"])


@pytest.mark.parametrize(
    ("name", "update"),
    [
        ("proden", pl.candidate_posterior),
        ("rc_confidence_update", pl.candidate_posterior),
        ("lw_confidence_update", pl.lw_weights),
    ],
)
def test_updates_of_comparators_agree_with_their_authors_code(name, update):
    case = GOLDEN[name]
    sets = torch.tensor(case["inputs"]["candidates"]) > 0
    close(update(doubles(case["inputs"]["logits"]), sets), case["expected"]["new_weights"])


# -- the meta-gradient ----------------------------------------------------------------------------


def tiny(seed=0, samples=4, classes=3, held=5):
    generator = torch.Generator().manual_seed(seed)
    net = models.build("mlp", classes, seed=seed, inputs=4, hidden=(6,)).double()
    x = torch.randn(samples, 4, generator=generator, dtype=torch.float64)
    clean_x = torch.randn(held, 4, generator=generator, dtype=torch.float64)
    return net, x, (clean_x, torch.randint(classes, (held,), generator=generator))


def test_meta_gradient_is_that_of_finite_differences():
    net, x, clean = tiny()
    rate, step = 0.3, 1e-4
    theta = dict(net.named_parameters())
    found = mogd.meta_gradient(net, x, clean, rate)
    for i, j in np.ndindex(*found.shape):
        ends = []
        for epsilon in (step, -step):
            loss = epsilon * F.cross_entropy(net(x[i : i + 1]), torch.tensor([j])) / len(x)
            slopes = torch.autograd.grad(loss, list(theta.values()))
            pairs = zip(theta.items(), slopes, strict=True)
            moved = {name: value - rate * slope for (name, value), slope in pairs}
            logits = torch.func.functional_call(net, moved, (clean[0],))
            ends.append(F.cross_entropy(logits, clean[1]).item())
        assert found[i, j].item() == pytest.approx(-(ends[0] - ends[1]) / (2 * step), abs=1e-8)


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 999), samples=st.integers(1, 6), classes=st.integers(2, 5),
    held=st.integers(1, 5), rate=st.floats(0.01, 2),
)  # fmt: skip
def test_closed_form_is_the_double_backward(seed, samples, classes, held, rate):
    net, x, clean = tiny(seed, samples, classes, held)
    closed = mogd.meta_gradient(net, x, clean, rate)
    double = mogd.virtual_step_gradient(net, x, clean, rate)
    torch.testing.assert_close(closed, double, atol=1e-12, rtol=1e-9)
    # Moving all labels by their probabilities moves nothing.
    balance = (net(x).softmax(1) * closed).sum(1)
    torch.testing.assert_close(balance, torch.zeros_like(balance), atol=1e-12, rtol=0)


def test_a_clean_sample_judges_its_own_label_best():
    net, x, _ = tiny()
    labels = torch.tensor([0, 1, 2, 0])
    for i in range(len(x)):
        useful = mogd.meta_gradient(net, x[i : i + 1], (x[i : i + 1], labels[i : i + 1]))
        assert useful.argmax() == labels[i]
        assert useful[0, labels[i]] > 0


def test_convolutions_and_batch_norm_in_a_fixed_mode():
    net = models.build("cifar_resnet", 3, depth=8).double().eval()
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(3, 3, 16, 16, generator=generator, dtype=torch.float64)
    clean = x + 0.1, torch.tensor([0, 1, 2])
    before = {name: value.clone() for name, value in net.state_dict().items()}
    closed = mogd.meta_gradient(net, x, clean)
    torch.testing.assert_close(closed, mogd.virtual_step_gradient(net, x, clean))
    single = mogd.meta_gradient(net, x[:1], clean)
    torch.testing.assert_close(single[0] / 3, closed[0])
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_saturated_logits_stay_finite(dtype):
    logits = torch.tensor([[100.0, -100.0, 0.0], [0.0, 0.0, 0.0]], dtype=dtype)
    slopes = torch.tensor([[100.0, -50.0, 0.0], [0.0, 0.0, 0.0]], dtype=dtype)
    useful = mogd.closed_form_gradient(logits, slopes)
    weights = mogd.label_weights(useful, torch.ones(2, 3, dtype=torch.bool))
    assert useful.dtype == weights.dtype == dtype
    assert torch.isfinite(useful).all()
    assert torch.isfinite(weights).all()


# -- weights --------------------------------------------------------------------------------------


@given(seed=st.integers(0, 999), rows=st.integers(0, 6), classes=st.integers(2, 6))
def test_weights_are_distributions_on_the_candidates_or_nothing(seed, rows, classes):
    generator = torch.Generator().manual_seed(seed)
    useful = torch.randn(rows, classes, generator=generator)
    sets = torch.rand(rows, classes, generator=generator) < 0.5
    weights = mogd.label_weights(useful, sets)
    total = weights.sum(1)
    some = ((useful > 0) & sets).any(1)
    torch.testing.assert_close(total, some.float())
    assert (weights >= 0).all()
    assert not weights[~sets].any()
    # Scale does not matter.
    torch.testing.assert_close(mogd.label_weights(7 * useful, sets), weights)
    batch = mogd.label_weights(useful, sets, "batch")
    assert batch.sum().item() == pytest.approx(float(some.any()), abs=1e-5)
    old = pl.uniform_weights(sets | (torch.arange(classes) == 0))
    mixed = mogd.remembered(old, weights, 0.9)
    assert torch.equal(mixed[~some], old[~some])
    torch.testing.assert_close(mixed.sum(1), torch.ones(rows))


def test_bad_options_are_refused_in_one_sentence():
    with pytest.raises(ValueError, match="memory is 1: expected a share"):
        methods.create("MoGD", memory=1)
    with pytest.raises(ValueError, match="expected instance or batch"):
        methods.create("MoGD", normalise="row")
    with pytest.raises(ValueError, match="has no memory"):
        methods.create("MoGD", normalise="batch")
    with pytest.raises(ValueError, match="expected closed form or double backward"):
        methods.create("MoGD", gradient="third")
    with pytest.raises(ValueError, match="expected at least one sample"):
        methods.create("MoGD", clean_batch=0)
    with pytest.raises(ValueError, match="expected instance or batch"):
        mogd.label_weights(torch.zeros(1, 2), torch.ones(1, 2) > 0, "row")


def trained(**options):
    _, x, clean = tiny(samples=6)
    net = models.build("mlp", 3, inputs=4, hidden=(6,)).double()
    method = methods.create("MoGD", **options)
    sets = torch.tensor([[1, 1, 0], [0, 1, 1], [1, 0, 1]] * 2) > 0
    method.start(Context(sets, clean=clean, generator=torch.Generator().manual_seed(0)))
    method.weights = method.weights.double()
    method.useful = method.useful.double()
    fit(
        net, x, method, epochs=3, batch_size=4, order=torch.Generator().manual_seed(0),
        optimiser=OptimiserSpec("sgd", lr=0.1).build(net, method),
    )  # fmt: skip
    return net, method


def test_both_gradients_train_the_same_network():
    first, second = (trained(gradient=name)[0] for name in mogd.GRADIENTS)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-9, rtol=0)


def test_weights_stay_on_the_candidates_and_the_model_in_training_mode():
    net, method = trained()
    assert net.training
    torch.testing.assert_close(method.weights.sum(1), torch.ones(6, dtype=torch.float64))
    assert not method.weights[~method.observed].any()
    _, method = trained(memory=0.0, clean_batch=2)
    total = method.weights.sum(1)
    assert ((total - 1).abs() < 1e-9).logical_or(total == 0).all()
    trained(memory=0.0, normalise="batch")
