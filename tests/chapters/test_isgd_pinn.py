"""Implicit SGD: independent reference values, closed forms, autograd, SciPy, boundaries."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from chapters.isgd_pinn import problems, study
from chapters.isgd_pinn import runs as ex
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from tests.golden import cases
from weaklabels.methods import isgd_pinn as pinn

CASES = cases("isgd_pinn")
SMALL = ex.Spec(hidden=(5,), points=12, budget=60, iterations=6)


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


# -- problems -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", problems.PROBLEMS)
def test_the_exact_solution_solves_the_equation(name):
    extra = {"viscosity": 0.1} if name == "burgers" else {}
    problem = problems.create(name, **extra)
    points = problem.draw(50, torch.Generator().manual_seed(0))
    h, values = 1e-4, problem.exact(points)
    first, second = [], []
    for i in range(len(problem.lower)):
        shift = torch.zeros(len(problem.lower), dtype=torch.float64)
        shift[i] = h
        ahead, behind = problem.exact(points + shift), problem.exact(points - shift)
        first.append((ahead - behind) / (2 * h))
        second.append((ahead - 2 * values + behind) / h**2)
    jet = pinn.Jet(values, torch.stack(first), torch.stack(second))
    coefficients = tensor([getattr(problem, "coefficient", 0.0)])
    missed = problem.operator(jet, coefficients) - problem.source(points)
    assert missed.abs().max() < 1e-3 * (1 + problem.source(points).abs().max())
    noise = 4 * getattr(problem, "noise", 0.0)
    told = problem.conditions(problem.exact(problem.edge()))
    assert (told - problem.target()).abs().max() <= noise + 1e-9


def test_burgers_against_the_method_of_lines():
    from scipy.integrate import solve_ivp

    problem = problems.Burgers(viscosity=0.05 / math.pi)
    x = np.linspace(-1, 1, 401)
    h = x[1] - x[0]

    def slope(_, u):
        du = np.zeros_like(u)
        du[1:-1] = -(u[2:] ** 2 - u[:-2] ** 2) / (4 * h)
        du[1:-1] += problem.viscosity * (u[2:] - 2 * u[1:-1] + u[:-2]) / h**2
        return du

    end = solve_ivp(slope, (0, 1), -np.sin(np.pi * x), rtol=1e-6, atol=1e-8, method="RK23")
    points = torch.from_numpy(np.stack([x, np.ones_like(x)], 1))
    assert np.abs(problem.exact(points).numpy() - end.y[:, -1]).max() < 5e-3


def test_grids_lie_inside_and_draws_in_the_box():
    problem = problems.Burgers()
    for points in (problem.grid(25), problem.draw(25, torch.Generator().manual_seed(0))):
        assert points.shape == (25, 2)
        assert (points[:, 0].abs() < 1).all()
        assert ((points[:, 1] > 0) & (points[:, 1] < 1)).all()
    assert problems.Poisson().grid(3).flatten().tolist() == [0.25, 0.5, 0.75]
    with pytest.raises(ValueError, match="24 points do not make a square grid"):
        problem.grid(24)
    with pytest.raises(ValueError, match="unknown problem 'heat'"):
        problems.create("heat")


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


# -- runs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ex.METHODS)
def test_runs_end_at_their_budget_and_repeat(method):
    spec = ex.replace(SMALL, method=method, alpha=0.0 if method == "L-BFGS" else 1e-3)
    found, again = ex.run(spec), ex.run(spec)
    assert found["loss"].shape == found["evaluations"].shape
    assert found["evaluations"][-1] == spec.budget
    assert np.array_equal(found["loss"], again["loss"])
    assert (len(found["outer"]) > 1) == method.startswith("ISGD")
    assert not found["diverged"]
    assert (np.diff(found["kept_loss"]) <= 0).all()
    assert found["kept_loss"][-1] <= np.min(found["loss"]) * (1 + 1e-12)


def test_a_diverging_run_says_when():
    found = ex.run(ex.replace(SMALL, method="SGD", alpha=1e3))
    assert 1 <= found["diverged"] < SMALL.budget
    assert np.isnan(found["kept_error"][-1])
    assert np.isfinite(found["error"][0])


def test_batches_and_kernels():
    spec = ex.replace(SMALL, method="SGD", alpha=0.1, batch=4, spectra=True)
    found = ex.run(spec)
    assert found["kernel"].shape == found["share"].shape == (len(found["kernel_at"]), 14)
    exactly(found["share"].sum(1), np.ones(len(found["share"])))
    close(2 / found["kernel"][0, 0], found["limit"])
    exactly(ex.start_spectrum(spec)[0], found["kernel"][0, 0])


def test_the_unknown_coefficient_is_followed():
    found = ex.run(ex.replace(SMALL, problem="inverse", method="Adam", alpha=1e-2))
    assert abs(found["coefficient"][0] - 1) < 0.011
    assert found["coefficient"][-1] != found["coefficient"][0]


@pytest.mark.parametrize("kind", ["tanh", "relu"])
def test_wide_networks_follow_the_frozen_kernel_for_small_rates(kind):
    found = ex.wide(ex.WideSpec(kind, 1e-3, width=300, steps=1))
    first = np.linalg.norm(found["modes"][0])
    assert np.linalg.norm(found["modes"][1] - found["predicted"][1]) < 1e-3 * first
    exactly(found["modes"][0], found["predicted"][0])


def test_more_inner_iterations_come_closer_to_the_implicit_step():
    found = ex.inner(ex.InnerSpec(ex.replace(SMALL, alpha=1e-3), (1, 4, 200)))
    assert found["defect"][2] < found["defect"][1] < found["defect"][0]
    assert found["evaluations"][0] < found["evaluations"][2]


# -- tables ---------------------------------------------------------------------------------------


def record(loss, error, outer=(), moved=(), alpha=1.0):
    """A run of two looks, as far as the tables read it."""
    return {
        "evaluations": np.array([1, 10]),
        "kept_loss": np.array([9.0, loss]),
        "kept_error": np.array([0.9, error]),
        "outer": np.array(outer),
        "moved": np.array(moved),
        "alpha": np.array(alpha),
    }


def test_rates_are_chosen_by_the_loss_and_divergence_counts_as_infinite():
    nan = math.nan
    runs = {
        ("Adam", 0.1): [record(2.0, 0.01), record(2.0, 0.01)],
        ("Adam", 1.0): [record(1.0, 0.5), record(1.0, 0.3)],
        ("Adam", 10.0): [record(nan, nan), record(0.1, 0.2)],
    }
    assert study.chosen(runs, "Adam") == ("Adam", 1.0)
    assert study.best_of_grid(runs, "Adam").tolist() == [0.01, 0.01]
    assert study.median_of_grid(runs, "Adam").tolist() == [0.5, 0.2]
    assert study.last(runs["Adam", 10.0], "error").tolist() == [math.inf, 0.2]
    found = study.table(runs).loc["Adam"]
    assert found["error"] == "0.4 (0.3–0.5)"
    assert found["diverged"] == "1 of 6"
    exactly(study.log_accuracy(np.array([0.01, math.inf])), [2, 0])
    assert study.error_at(runs["Adam", 0.1][0], 5) == 0.9


def test_rises_and_broken_inequalities_are_counted():
    fine = record(0, 0, outer=[4.0, 2.0, 1.0], moved=[1.0, 1.0])
    rising = record(0, 0, outer=[4.0, 5.0, 1.0], moved=[0.1, 0.1])
    far = record(0, 0, outer=[4.0, 3.0, 1.0], moved=[4.0, 1.0])
    assert study.increases([fine, rising, far]).tolist() == [0, 1, 0]
    assert study.energy_violations([fine, rising, far]).tolist() == [0, 1, 1]
