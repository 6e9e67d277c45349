"""Implicit SGD: independent reference values, closed forms, autograd, SciPy, boundaries."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from chapters.isgd_pinn import problems
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from tests.golden import cases
from weaklabels.methods import isgd_pinn as pinn

CASES = cases("isgd_pinn")


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def case(name):
    """Inputs with lists as float64 tensors, and what is expected."""
    given = CASES[name]["inputs"]
    as_tensors = {k: tensor(v) if isinstance(v, list) else v for k, v in given.items()}
    return as_tensors, CASES[name]["expected"]


def close(found, expected, tolerance=1e-9):
    np.testing.assert_allclose(np.asarray(found), expected, rtol=tolerance, atol=tolerance)


def exactly(found, expected):
    close(found, expected, 1e-12)


def poisson(given):
    """Residuals and loss of the golden problem, its parameters."""
    problem = problems.Poisson(k=given["k"], amplitude=given["amp"], weight=given["lambda_b"])
    network = pinn.Network((1, given["H"], 1))
    residuals = problem.residuals(network, problem.grid(given["N"]))
    return residuals, lambda theta: 0.5 * residuals(theta) @ residuals(theta), given["params"]


def random_network(widths=(2, 7, 5, 1), seed=0):
    generator = torch.Generator().manual_seed(seed)
    network = pinn.Network(widths, (-1.0, 0.5)[: widths[0]], (2.0, 3.0)[: widths[0]])
    theta = torch.randn(network.size, generator=generator, dtype=torch.float64)
    x = torch.rand(6, widths[0], generator=generator, dtype=torch.float64) + 0.6
    return network, theta, x


# -- networks and their derivatives ---------------------------------------------------------------


def test_the_jet_is_what_autograd_finds():
    network, theta, x = random_network()
    jet = network.jet(theta, x)
    points = x.clone().requires_grad_()
    value = network(theta, points)
    (slope,) = torch.autograd.grad(value.sum(), points, create_graph=True)
    exactly(jet.value, value.detach())
    exactly(jet.first, slope.T.detach())
    for i in range(2):
        (curve,) = torch.autograd.grad(slope[:, i].sum(), points, retain_graph=True)
        exactly(jet.second[i], curve[:, i])


def test_lower_orders_leave_out_and_change_nothing():
    network, theta, x = random_network()
    whole, first = network.jet(theta, x), network.jet(theta, x, 1)
    exactly(first.value, whole.value)
    exactly(first.first, whole.first)
    assert first.second.shape == (0, 6)
    assert network.jet(theta, x, 0).first.shape == (0, 6)


def test_the_network_is_a_tanh_network():
    network, theta, x = random_network((1, 4, 1))
    w, b, a, d = theta.split([4, 4, 4, 1])
    z = 2 * (x + 1) / 3 - 1
    exactly(network(theta, x), torch.tanh(z * w + b) @ a + d)
    assert network.size == 13
    start = network.initial(torch.Generator().manual_seed(0))
    assert (start[4:8] == 0).all()
    assert start[-1] == 0
    assert start.dtype == torch.float64
    linear = network.initial(torch.Generator().manual_seed(0), "torch")
    assert linear[:8].abs().max() <= 1
    assert linear[8:].abs().max() <= 0.5
    with pytest.raises(ValueError, match="expected 'xavier' or 'torch'"):
        network.initial(torch.Generator(), "zeros")


# -- reference values -----------------------------------------------------------------------------


def test_loss_gradient_and_kernel_of_a_physics_informed_network():
    given, expected = case("pinn_loss_poisson1d")
    residuals, loss, theta = poisson(given)
    s = residuals(theta)
    close(s[:10] / math.sqrt(2 / 10), expected["u_xx_minus_f"])
    close(s[10:] / math.sqrt(given["lambda_b"]), expected["boundary_error"])
    value, gradient = pinn.Objective(loss)(theta)
    close(value, expected["loss"])
    close(gradient, expected["grad"])
    problem = problems.Poisson(k=given["k"], amplitude=given["amp"])
    close(problem.source(problem.grid(10)), expected["f"])
    kernel = pinn.tangent_kernel(residuals, theta)
    close(kernel, CASES["pinn_ntk"]["expected"]["kernel"])
    close(pinn.spectrum(kernel), CASES["pinn_ntk"]["expected"]["eigenvalues"])
    close(pinn.explicit_limit(kernel), CASES["pinn_ntk"]["expected"]["lr_threshold"])


@pytest.mark.parametrize("alpha", ["0.0001", "0.1"])
def test_decay_with_a_frozen_kernel(alpha):
    given, expected = case(f"linearised_decay_alpha_{alpha}")
    for name, implicit in (("implicit3", True), ("explicit3", False)):
        found = pinn.frozen_decay(given["kernel"], given["s0"], given["alpha"], 3, implicit)
        close(found, expected[name])


@pytest.mark.parametrize("alpha", ["0.0001", "0.001", "0.01"])
def test_exact_implicit_steps_and_those_of_the_inner_optimiser(alpha):
    given, expected = case(f"pinn_implicit_step_alpha_{alpha}")
    _, loss, theta = poisson(given)
    objective = pinn.Objective(loss)
    exact = theta
    for rate in np.geomspace(given["alpha"] / 16, given["alpha"], 9):
        exact = pinn.newton_step(loss, theta, rate, exact)
    close(exact, expected["theta1"])
    close(loss(theta), expected["loss0"])
    close(loss(exact), expected["loss1"])
    close(pinn.proximal(objective, theta, given["alpha"])(exact)[0], expected["prox_objective"])
    assert pinn.implicit_defect(objective, theta, exact, given["alpha"]) < 1e-11
    solver = pinn.Implicit(given["alpha"], partial(pinn.LBFGS, 500, 700))
    close(solver.step(objective, theta), expected["theta1"], 1e-7)


@pytest.mark.parametrize("alpha", ["1e-05", "0.001", "1"])
def test_a_stiff_quadratic(alpha):
    given, expected = case(f"quadratic_alpha_{alpha}")

    def loss(t):
        return 0.5 * t @ given["A"] @ t - given["b"] @ t

    rate, objective = given["alpha"], pinn.Objective(loss)
    by_newton = by_lbfgs = explicit = given["theta0"]
    solver = pinn.Implicit(rate, partial(pinn.LBFGS, 200, 400))
    for n in range(5):
        by_newton = pinn.newton_step(loss, by_newton, rate)
        by_lbfgs = solver.step(objective, by_lbfgs)
        explicit = pinn.Explicit(rate).step(objective, explicit)
        close(by_newton, expected["implicit"][n])
        close(by_lbfgs, expected["implicit"][n], 1e-6)
        close(explicit, expected["explicit"][n])
        close(loss(by_newton), expected["loss_implicit"][n])
        close(loss(explicit), expected["loss_explicit"][n])
    assert (rate < pinn.explicit_limit(given["A"])) == expected["explicit_stable"]
    values = pinn.spectrum(given["A"]).flip(0)
    close(1 / (1 + rate * values), expected["factor_implicit"])
    close(1 - rate * values, expected["factor_explicit"], 1e-8)


def test_the_limit_of_wide_relu_networks():
    given, expected = case("relu_limit_gram")
    limit = pinn.relu_limit_gram(given["X"])
    close(limit, expected["H"])
    close(pinn.spectrum(limit), expected["eigenvalues"])


def test_helmholtz_and_relative_errors():
    given, expected = case("helmholtz_reference")
    problem = problems.Helmholtz(a=given["a1"], b=given["a2"])
    close(problem.exact(given["xy"]), expected["u"])
    close(problem.source(given["xy"]), expected["q"])
    given, expected = case("relative_l2")
    close(pinn.relative_error(given["pred"], given["true"]), expected["rel_l2"])


# -- optimisers -----------------------------------------------------------------------------------


def test_adam_is_torchs_adam():
    _, loss, theta = poisson(case("pinn_loss_poisson1d")[0])
    free = theta.clone().requires_grad_()
    reference = torch.optim.Adam([free], lr=0.01)
    mine, objective, found = pinn.Adam(0.01), pinn.Objective(loss), theta
    for _ in range(30):
        reference.zero_grad()
        loss(free).backward()
        reference.step()
        found = mine.step(objective, found)
    exactly(found, free.detach())
    assert objective.evaluations == 30


def test_an_inner_adam_is_restarted_or_keeps_its_moments():
    start = tensor([1.0, -2.0])
    for keep in (False, True):
        objective = pinn.Objective(lambda t: (t**4).sum())
        adam = pinn.Adam(0.1)
        expected, implicit = start, pinn.Implicit(0.5, partial(pinn.Adam, 0.1), 3, keep)
        found = start
        for _ in range(2):
            found = implicit.step(objective, found)
            adam = adam if keep else pinn.Adam(0.1)
            inner = pinn.proximal(objective, expected, 0.5)
            for _ in range(3):
                expected = adam.step(inner, expected)
        exactly(found, expected)


def test_one_optimiser_is_followed_by_another():
    objective = pinn.Objective(lambda t: 0.5 * t @ t)
    both = pinn.Followed(pinn.Explicit(0.5), pinn.Explicit(0.1), 2)
    theta, found = tensor([1.0]), []
    for _ in range(3):
        theta = both.step(objective, theta)
        found.append(float(theta))
    exactly(found, [0.5, 0.25, 0.225])


def test_lbfgs_finds_the_minimum_that_scipy_finds():
    def loss(t):
        return (100 * (t[1:] - t[:-1] ** 2) ** 2 + (1 - t[:-1]) ** 2).sum()

    start, optimiser, objective = tensor([-1.2, 1.0, 0.5]), pinn.LBFGS(), pinn.Objective(loss)
    found = start
    for _ in range(5):  # the curvature is kept from step to step
        found = optimiser.step(objective, found)
    reference = optimize.minimize(
        lambda t: optimize.rosen(t), start.numpy(), jac=optimize.rosen_der, tol=1e-12
    )
    close(found, reference.x, 1e-5)
    assert start.tolist() == [-1.2, 1.0, 0.5]


def test_the_proximal_objective_and_its_gradient():
    _, loss, theta = poisson(case("pinn_loss_poisson1d")[0])
    objective = pinn.Objective(loss)
    away = theta + 0.1
    found, slope = pinn.proximal(objective, theta, 0.3)(away)
    free = away.clone().requires_grad_()
    value = 0.5 * ((free - theta) ** 2).sum() + 0.3 * loss(free)
    exactly(found, value.detach())
    exactly(slope, torch.autograd.grad(value, free)[0])
    assert pinn.proximal(objective, theta, math.inf) is objective
    # theta is copied: changing it afterwards does not move the centre.
    centre = theta.clone()
    evaluate = pinn.proximal(objective, centre, 0.0)
    centre += 1
    assert float(evaluate(theta)[0]) == 0


@given(seed=st.integers(0, 50), exponent=st.floats(-6, 6))
@settings(max_examples=10, deadline=None)
def test_no_implicit_step_breaks_the_energy_inequality(seed, exponent):
    """L(new) + |step|² / (2 alpha) <= L(old), whatever the rate."""
    network, theta, _ = random_network((1, 5, 1), seed)
    problem = problems.Poisson()
    residuals, alpha = problem.residuals(network, problem.grid(10)), 10.0**exponent
    objective = pinn.Objective(lambda t: 0.5 * residuals(t) @ residuals(t))
    new = pinn.Implicit(alpha, partial(pinn.LBFGS, 5, 7)).step(objective, theta)
    old, after = objective.loss(theta), objective.loss(new)
    step = (new - theta) @ (new - theta)
    assert float(after + step / (2 * alpha)) <= float(old) * (1 + 1e-12)


@given(alpha=st.floats(1e-6, 1e8), values=st.lists(st.floats(1e-3, 1e5), min_size=1, max_size=5))
@settings(max_examples=20, deadline=None)
def test_newton_solves_a_quadratic_at_any_rate(alpha, values):
    curvature = tensor(values)
    start = torch.ones(len(values), dtype=torch.float64)
    new = pinn.newton_step(lambda t: 0.5 * (curvature * t * t).sum(), start, alpha)
    close(new, 1 / (1 + alpha * curvature), 1e-9)


def test_newton_says_when_it_fails():
    with pytest.raises(ArithmeticError, match="start from the solution for a smaller alpha"):
        pinn.newton_step(lambda t: torch.sin(50 * t).sum(), tensor([0.3]), 10.0, iterations=1)
