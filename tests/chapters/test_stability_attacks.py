"""Stability attacks: values of the authors' code, closed forms against simulation, boundaries."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from tests.golden import cases
from weaklabels.methods import stability_attacks

CASES = cases("stability_attacks")


def case(name):
    """Inputs as float64 tensors (labels int64, numbers as they are), and what is expected."""

    def value(x):
        if not isinstance(x, list):
            return x
        return torch.from_numpy(np.array(x))

    found = CASES[name]
    return {k: value(v) for k, v in found["inputs"].items()}, found["expected"]


class Toy(nn.Module):
    """The network of the golden values."""

    def __init__(self, given):
        super().__init__()
        for name in ("W1", "b1", "W2", "b2"):
            setattr(self, name, nn.Parameter(given[name].clone()))

    def forward(self, x):
        return torch.tanh(x.flatten(1) @ self.W1.T + self.b1) @ self.W2.T + self.b2


def close(found, expected, atol=1e-9):
    np.testing.assert_allclose(
        found.detach().numpy() if torch.is_tensor(found) else found, expected, rtol=0, atol=atol
    )


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_step_and_its_projection(norm):
    given, expected = case(f"{norm}_step_project")
    stepped = stability_attacks.step(given["x"], given["g"], -given["step_size"], norm)
    close(stepped, expected["stepped"])
    close(
        stability_attacks.project(stepped, given["x0"], given["eps"], norm), expected["projected"]
    )


def test_unknown_norms_are_refused():
    x = torch.zeros(1, 2)
    for function in (stability_attacks.step, stability_attacks.project):
        with pytest.raises(ValueError, match="expected 'linf' or 'l2'"):
            function(x, x, 0.1, "l1")


@pytest.mark.parametrize("name", ["fgsm_no_random_start", "pgd10_no_random_start"])
def test_attacks_at_test_time(name):
    given, expected = case(name)
    model, x, y = Toy(given), given["x"], given["y"]
    close(F.cross_entropy(model(x), y), expected["loss_clean"])
    moved = stability_attacks.pgd(
        model, x, y, given["eps"], steps=given["num_steps"], size=given["step_size"]
    )
    close(moved, expected["x_adv"])
    close(F.cross_entropy(model(moved), y), expected["loss_adv"])


def test_the_random_start():
    given, expected = case("pgd10_random_start")
    model, x, y, eps = Toy(given), given["x"], given["y"], given["eps"]
    start = stability_attacks.random_start(x, eps, given["u"])
    moved = stability_attacks.pgd(model, x, y, eps, steps=given["num_steps"], start=start)
    close(moved, expected["x_adv"])
    close(F.cross_entropy(model(moved), y), expected["loss_adv"])


def test_the_margin_objective():
    given, expected = case("cw_loss")
    logits = given["logits"].requires_grad_()
    loss = stability_attacks.carlini_wagner(logits, given["y"])
    close(loss, expected["loss"])
    close(torch.autograd.grad(loss, logits)[0], expected["grad_logits"])


@pytest.mark.parametrize("name", ["hyp", "adv"])
def test_poisons(name):
    given, expected = case(f"poison_{name}_noaug")
    model, x, y = Toy(given), given["x"], given["y"]
    target = y if name == "hyp" else stability_attacks.adversarial_target(y, 4)
    assert target.tolist() == expected["target"]
    close(F.cross_entropy(model(x), target), expected["loss_before"])
    moved = stability_attacks.poison(model, x, target, given["eps"], steps=given["steps"])
    close(moved, expected["x_poison"])
    close(F.cross_entropy(model(moved), target), expected["loss_after"])


def test_shifts_and_flips():
    given, expected = case("random_transform")
    # The authors' grid is float32, turned into float64 afterwards.
    close(
        stability_attacks.shift_and_flip(given["x"], given["randgen"], given["shift"]),
        expected["out"],
        1e-6,
    )


def test_poisons_under_shifts_and_flips():
    given, expected = case("poison_hyp_aug5")

    def transform(x, t):
        return stability_attacks.shift_and_flip(x, given["randgen"][t], 2)

    moved = stability_attacks.poison(
        Toy(given), given["x"], given["y"], given["eps"], steps=given["steps"], transform=transform
    )
    close(moved, expected["x_poison"])


def test_bytes_are_cut_not_rounded():
    given, expected = case("poison_quantise")
    assert stability_attacks.as_bytes(given["x"].float()).squeeze().tolist() == (
        torch.tensor(expected["uint8"]).squeeze().tolist()
    )


@pytest.mark.parametrize("name", ["pgd_at", "trades", "mart"])
def test_losses_of_the_defences_and_their_gradients(name):
    given, expected = case(f"{name}_loss")
    model, x, y, eps = Toy(given), given["x"], given["y"], given["eps"]
    search = {"size": given["step_size"], "steps": given["num_steps"]}
    if name == "pgd_at":
        loss = stability_attacks.adversarial_loss(
            model, stability_attacks.pgd(model, x, y, eps, **search), y
        )
    elif name == "trades":
        moved = stability_attacks.trades_attack(model, x, given["z"], eps, **search)
        close(moved, expected["x_adv"])
        loss = stability_attacks.trades_loss(model, x, moved, y)
    else:
        moved = stability_attacks.pgd(model, x, y, eps, start=x + 0.001 * given["z"], **search)
        loss = stability_attacks.mart_loss(model, x, moved, y)
    close(loss, expected["loss"])
    for parameter, gradient in zip(("W1", "b1", "W2", "b2"), torch.autograd.grad(
        loss, [model.W1, model.b1, model.W2, model.b2]), strict=True):  # fmt: skip
        close(gradient, expected[f"g{parameter}"])


NAMES = {
    "clean": "clean",
    "hyp_weak_only": "hypocritical",
    "hyp_all": "hypocritical, all features",
    "adv_weak_only": "adversarial",
}


@pytest.mark.parametrize("name", [n for n in CASES if n.startswith("gaussian")])
def test_closed_forms(name):
    given, expected = CASES[name]["inputs"], CASES[name]["expected"]
    setting = stability_attacks.Gaussians(given["d"], given["eta"], given["eps"], given["sigma"])
    eps, eta = setting.eps, setting.eta
    budgets = {
        "0": 0.0, "eps": eps, "eps+eta/2": eps + eta / 2, "eps+eta": eps + eta, "2eps": 2 * eps
    }  # fmt: skip
    for key, values in expected.items():
        attack, budget = key.split("|")
        weights = setting.robust_weights(NAMES[attack], budgets[budget])
        close(weights[0], values["w_robust"])
        close(weights[1:], np.full(setting.d, values["w_nonrobust"]))
        close(setting.accuracy(weights), values["natural_acc"])
        close(setting.accuracy(weights, eps), values["robust_acc"])


def test_the_closed_form_is_what_a_simulation_gives():
    setting = stability_attacks.Gaussians(d=20)
    rng = np.random.default_rng(0)
    weights = setting.robust_weights("hypocritical", setting.eps)
    y = rng.choice([-1, 1], 200_000)
    x = y[:, None] * setting.mean + setting.sigma * rng.standard_normal((len(y), 21))
    margin = y * (x @ weights)
    assert (margin > 0).mean() == pytest.approx(setting.accuracy(weights), abs=0.005)
    robust = margin - setting.eps * np.abs(weights).sum() > 0
    assert robust.mean() == pytest.approx(setting.accuracy(weights, setting.eps), abs=0.005)


@given(
    d=st.integers(1, 200),
    eta=st.floats(0.01, 0.3),
    ratio=st.floats(1.1, 3),
    sigma=st.floats(0.3, 2),
)
@settings(max_examples=50, deadline=None)
def test_eps_plus_eta_is_the_smallest_budget_that_repairs(d, eta, ratio, sigma):
    setting = stability_attacks.Gaussians(d, eta, min(eta * ratio, 0.6), sigma)
    repaired = setting.robust_weights("hypocritical", setting.eps + eta + 1e-9)
    assert (repaired[1:] == 0).all()
    assert repaired[0] > 0
    almost = setting.robust_weights("hypocritical", setting.eps + 0.9 * eta)
    assert (almost[1:] > 0).all()
    assert setting.accuracy(almost, setting.eps) < setting.accuracy(repaired, setting.eps)


def test_nothing_survives_a_budget_above_every_mean():
    setting = stability_attacks.Gaussians()
    weights = setting.robust_weights("clean", 1.5)
    assert not weights.any()
    assert setting.accuracy(weights) == setting.accuracy(weights, 0.2) == 0.5
    with pytest.raises(ValueError, match="attack 'other'"):
        setting.training_mean("other")


@given(eps=st.floats(0.01, 0.5), seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_moved_inputs_stay_in_the_ball_and_in_the_box(eps, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(4, 6, generator=generator)
    y = torch.tensor([0, 1, 2, 0])
    model = nn.Linear(6, 3)
    for moved in (
        stability_attacks.pgd(model, x, y, eps, steps=3),
        stability_attacks.poison(model, x, y, eps, steps=3),
        stability_attacks.random_sign(x, eps, generator),
        stability_attacks.trades_attack(
            model, x, torch.randn(4, 6, generator=generator), eps, eps / 4, 3
        ),
    ):
        assert ((moved - x).abs() <= eps + 1e-6).all()
        assert ((moved >= 0) & (moved <= 1)).all()
        assert not moved.requires_grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_losses_are_finite_for_huge_logits(dtype):
    class Fixed(nn.Module):
        def forward(self, x):
            return (100 * x[:, :3]).to(dtype)

    x = torch.tensor([[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0]], requires_grad=True)
    y = torch.tensor([0, 0])
    for loss in (
        stability_attacks.adversarial_loss(Fixed(), x, y),
        stability_attacks.trades_loss(Fixed(), x, x.flip(0), y),
        stability_attacks.mart_loss(Fixed(), x, x.flip(0), y),
        stability_attacks.carlini_wagner(Fixed()(x), y),
    ):
        assert torch.isfinite(loss)
        (gradient,) = torch.autograd.grad(loss, x)
        assert torch.isfinite(gradient).all()
