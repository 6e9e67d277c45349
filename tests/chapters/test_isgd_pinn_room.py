"""The room of implicit SGD: problems, runs, tables, claims."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from chapters.isgd_pinn import claims, problems, runs, summary, tables, tuning, wide
from chapters.isgd_pinn import record as recording

from tests.chapters.test_isgd_pinn_method import close, exactly, tensor
from weaklabels.lab.store import Record
from weaklabels.methods import isgd_pinn as pinn
from weaklabels.press.chapter import Chapter

ROOM = Path(claims.__file__).parent
SMALL = runs.Spec(hidden=(5,), points=12, budget=60, iterations=6)

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


# -- runs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", runs.METHODS)
def test_runs_end_at_their_budget_and_repeat(method):
    spec = replace(SMALL, method=method, alpha=0.0 if method == "L-BFGS" else 1e-3)
    found, again = runs.run(spec), runs.run(spec)
    assert found["loss"].shape == found["evaluations"].shape
    assert found["evaluations"][-1] == spec.budget
    assert np.array_equal(found["loss"], again["loss"])
    assert (len(found["outer"]) > 1) == method.startswith("ISGD")
    assert not found["diverged"]
    assert (np.diff(found["kept_loss"]) <= 0).all()
    assert found["kept_loss"][-1] <= np.min(found["loss"]) * (1 + 1e-12)


def test_a_diverging_run_says_when():
    found = runs.run(replace(SMALL, method="SGD", alpha=1e3))
    assert 1 <= found["diverged"] < SMALL.budget
    assert np.isnan(found["kept_error"][-1])
    assert np.isfinite(found["error"][0])


class Tries:
    """Looks far away after every state, as a line search may, and takes a step of its own."""

    def __init__(self, step):
        self.step_by = step

    def step(self, objective, theta):
        for place in (theta, 1e9 * torch.ones_like(theta)):
            objective(place.requires_grad_())
        return theta.detach() + self.step_by

    def memory(self):
        return {}


@pytest.mark.parametrize(("step", "diverged"), [(1e-9, 0), (1e9, 4), (math.nan, 2)])
def test_a_state_diverges_and_not_what_was_tried(monkeypatch, step, diverged):
    monkeypatch.setitem(runs.METHODS, "Adam", lambda spec, alpha: Tries(step))
    assert runs.run(replace(SMALL, method="Adam"))["diverged"] == diverged
    last = runs.run(replace(SMALL, method="Adam", budget=2))  # no step begins at the last state
    assert last["diverged"] == min(diverged, 2)


def test_batches_and_kernels():
    spec = replace(SMALL, method="SGD", alpha=0.1, batch=4, spectra=True)
    found = runs.run(spec)
    assert found["kernel"].shape == found["share"].shape == (len(found["kernel_at"]), 14)
    exactly(found["share"].sum(1), np.ones(len(found["share"])))
    close(2 / found["kernel"][0, 0], found["limit"])
    exactly(runs.start_spectrum(spec)[0], found["kernel"][0, 0])


def test_the_unknown_coefficient_is_followed():
    found = runs.run(replace(SMALL, problem="inverse", method="Adam", alpha=1e-2))
    assert abs(found["coefficient"][0] - 1) < 0.011
    assert found["coefficient"][-1] != found["coefficient"][0]


@pytest.mark.parametrize("kind", ["tanh", "relu"])
def test_wide_networks_follow_the_frozen_kernel_for_small_rates(kind):
    found = wide.run(wide.WideSpec(kind, 1e-3, width=300, steps=1))
    first = np.linalg.norm(found["modes"][0])
    assert np.linalg.norm(found["modes"][1] - found["predicted"][1]) < 1e-3 * first
    exactly(found["modes"][0], found["predicted"][0])


def test_more_inner_iterations_come_closer_to_the_implicit_step():
    found = runs.inner(runs.InnerSpec(replace(SMALL, alpha=1e-3), (1, 4, 200)))
    assert found["defect"][2] < found["defect"][1] < found["defect"][0]
    assert found["evaluations"][0] < found["evaluations"][2]


# -- tables ---------------------------------------------------------------------------------------

ISGD = "ISGD (L-BFGS)"


def record(loss=1.0, error=0.1, outer=(), moved=(), alpha=1.0, **others):
    """A run of two looks, as far as tables and claims read it."""
    values = {
        "evaluations": np.array([1, 10]),
        "kept_loss": np.array([9.0, loss]),
        "kept_error": np.array([0.9, error]),
        "outer": np.array(outer),
        "moved": np.array(moved),
        "alpha": np.array(alpha),
    }
    others = {name: np.asarray(value) for name, value in others.items()}
    return Record(SMALL, values | others, {})


def errors(*values):
    """Records of as many seeds, with these errors."""
    return [record(error=value) for value in values]


@pytest.fixture
def rates(monkeypatch):
    """What was chosen on every problem of these tests."""
    chosen = {ISGD: 1.0, "Adam": 0.1, "SGD": 0.1, "ISGD (Adam)": 1.0}
    chosen |= {"ISGD (Adam, restarted)": 1.0, "Adam, then L-BFGS": 0.1}
    groups = (tuning.FULL, tuning.BATCH, tuning.DEFAULT, tables.INVERSE, "Burgers", "Helmholtz")
    monkeypatch.setattr(tuning, "CHOSEN", dict.fromkeys(groups, chosen))


@pytest.mark.usefixtures("rates")
def test_errors_at_the_chosen_rate_and_divergence_counts_as_infinite():
    nan = math.nan
    found = {
        ("Adam", 0.01): [record(error=0.01), record(error=0.01)],
        ("Adam", 0.1): [record(error=0.5), record(error=0.3)],
        ("Adam", 10.0): [record(nan, nan), record(error=0.2)],
    }
    assert tables.best_of_grid(found, "Adam").tolist() == [0.01, 0.01]
    assert tables.median_of_grid(found, "Adam").tolist() == [0.5, 0.2]
    assert tables.last(found["Adam", 10.0], "error").tolist() == [math.inf, 0.2]
    row = tables.by_method(found, tuning.FULL).loc["Adam"]
    assert row["error"] == "0.4 (0.3–0.5)"
    assert row["diverged"] == "1 of 6"
    exactly(tables.log_accuracy(np.array([0.01, math.inf])), [2, 0])
    assert tables.error_at(found["Adam", 0.01][0], 5) == 0.9


# -- the choice of rates --------------------------------------------------------------------------


def test_every_method_with_a_rate_is_given_as_many():
    for group, keys in tuning.grids().items():
        counts = {m: sum(key[0] == m for key in keys) for m, _ in keys}
        fixed = counts.pop("L-BFGS, fixed step", 3)
        assert fixed == 3
        assert len(set(counts.values())) == 1, group


def test_the_chosen_rates_are_those_of_the_record():
    recorded = Chapter("isgd_pinn").recorded("tuning")
    assert recorded["chosen"] == tuning.CHOSEN
    assert len(recorded["seeds"]) == tuning.SEEDS
    assert min(recorded["seeds"]) >= 1000
    assert recorded["inner"]["chosen"] == runs.INNER
    assert len(tuning.TUNED) == len(runs.INNER) + sum(map(len, tuning.CHOSEN.values()))
    wanted = {(g, tuning.chosen(g, method)) for g, m in tuning.CHOSEN.items() for method in m}
    assert all(set(tuning.specs(profile)) > wanted for profile in (runs.SMOKE, runs.PAPER))
    assert all(key == tuning.chosen(tuning.FULL, key[0]) for key in runs.FOLLOWED)


def test_the_lowest_loss_chooses(monkeypatch):
    def run_all(self, function, specs):
        losses = {0.1: 3.0, 0.5: 2.0, 10: math.nan}
        return [record(loss=losses.get(spec.alpha, 5.0)) for spec in specs]

    monkeypatch.setattr(Chapter, "run", run_all)
    found = tuning.study(Chapter("isgd_pinn", "smoke"))
    assert found["chosen"][tuning.FULL]["SGD"] == 0.5
    losses = found["losses"][tuning.FULL]["SGD"]
    assert [losses[rate] for rate in ("0.01", "0.1", "0.5", "10")] == [5.0, 3.0, 2.0, None]
    assert found["seeds"] == [1000, 1001, 1002]


def test_other_rates_are_chosen_with_the_inner_rate_that_was(monkeypatch):
    seen = {}

    def run_all(self, function, specs):
        for spec in specs:
            seen.setdefault(spec.method, []).append((spec.alpha, spec.inner_rate))
        return [record(loss=1 + (spec.inner_rate != 0.03)) for spec in specs]

    monkeypatch.setattr(Chapter, "run", run_all)
    found = tuning.study(Chapter("isgd_pinn", "smoke"))
    assert found["inner"]["chosen"] == dict.fromkeys(runs.INNER, 0.03)
    for method in runs.INNER:
        first, later = seen[method][: 3 * len(runs.INNER_RATES)], seen[method]
        assert {alpha for alpha, _ in first} == {runs.INNER_AT}
        assert {rate for _, rate in first} == set(runs.INNER_RATES)
        assert {rate for _, rate in later[len(first) :]} == {0.03}


# -- steps ----------------------------------------------------------------------------------------


def test_rises_and_broken_inequalities_are_counted():
    fine = record(outer=[4.0, 2.0, 1.0], moved=[1.0, 1.0])
    rising = record(outer=[4.0, 5.0, 1.0], moved=[0.1, 0.1])
    far = record(outer=[4.0, 3.0, 1.0], moved=[4.0, 1.0])
    assert tables.increases([fine, rising, far]).tolist() == [0, 1, 0]
    assert tables.energy_violations([fine, rising, far]).tolist() == [0, 1, 1]


# -- claims ---------------------------------------------------------------------------------------

GOOD, BAD = (0.001, 0.0012, 0.0011), (0.1, 0.12, 0.11)
UNSURE = (0.002, 4.0, 0.09)


KEYS = ((ISGD, 1.0), ("Adam", 0.1))


def outcomes(*rows):
    return {row.id: row.verdict.outcome for row in rows}


def errors_of(isgd, adam, sgd=BAD, lbfgs=BAD, restarted=BAD):
    return {
        ("ISGD (Adam)", 1.0): errors(*isgd),
        ("ISGD (Adam, restarted)", 1.0): errors(*restarted),
        ("Adam, then L-BFGS", 0.1): errors(*lbfgs),
        (ISGD, 1.0): errors(*isgd),
        (ISGD, math.inf): errors(*restarted),
        ("Adam", 0.1): errors(*adam),
        ("SGD", 0.1): errors(*sgd),
        ("L-BFGS", 0): errors(*lbfgs),
    }


@pytest.mark.parametrize(
    "claim",
    [
        lambda runs: claims.claim_3_4(runs, "full batch"),
        lambda runs: claims.claim_3_4(runs, "mini-batches"),
        lambda runs: claims.claim_4e({"Burgers": runs, "Helmholtz": runs}),
        lambda runs: [claims.claim_4f(runs)],
        lambda runs: [claims.claim_4g({(key, k): runs[key] for key in KEYS for k in (4, 20)})],
        lambda runs: claims.claim_3_4_chosen(runs, tuning.FULL),
        lambda runs: claims.claim_3_4_chosen(runs, tuning.BATCH),
        lambda runs: [claims.claim_4i(runs, runs)],
        lambda runs: [claims.claim_7a(runs), claims.claim_7b(runs), claims.claim_7c(runs)],
        lambda runs: [claims.claim_7d(runs, runs), claims.claim_10(runs)],
        lambda runs: [claims.claim_8b(runs, dict.fromkeys(tables.METHODS, 0.1))],
    ],
)
@pytest.mark.usefixtures("rates")
def test_a_claim_that_implicit_sgd_is_ahead(claim):
    ahead = claim(errors_of(GOOD, BAD))
    unsure = claim(errors_of(UNSURE, BAD))
    behind = claim(errors_of(BAD, GOOD, sgd=GOOD, lbfgs=GOOD, restarted=GOOD))
    for rows, expected in ((ahead, "holds"), (unsure, "open"), (behind, "fails")):
        assert set(outcomes(*rows).values()) == {expected}


@pytest.mark.usefixtures("rates")
def test_claims_read_full_batch_and_mini_batches_and_each_problem():
    good, bad = errors_of(GOOD, BAD), errors_of(BAD, GOOD, sgd=GOOD)
    rows = claims.claim_3_4(good, "full batch")
    assert outcomes(*rows) == {"3a": "holds", "4a": "holds", "4b": "holds"}
    assert "1 rates each" in rows[0].claim
    rows = claims.claim_3_4(bad, "mini-batches")
    assert outcomes(*rows) == {"3b": "fails", "4c": "fails", "4d": "fails"}
    rows = claims.claim_4e({"Burgers": good, "Helmholtz": bad})
    assert outcomes(*rows) == {"4e1": "holds", "4e2": "fails"}


def test_a_choice_at_an_end_of_its_rates_is_named(monkeypatch):
    tuned = [
        tuning.Tuned(method, "learning rate", (0.1, 1.0, 10.0), best, tuning.RULE, group)
        for group, method, best in ((tuning.FULL, ISGD, 1.0), (tuning.FULL, "Adam", 10.0))
    ]
    monkeypatch.setattr(tuning, "TUNED", tuned)
    assert tuning.at_an_end(tuning.FULL, ISGD, "Adam") == "; at an end of its rates: Adam"
    assert tuning.at_an_end(tuning.FULL, ISGD) == tuning.at_an_end(tuning.BATCH, "Adam") == ""


@pytest.mark.usefixtures("rates")
def test_an_error_that_is_not_halved_is_a_small_gain():
    runs = errors_of([0.08, 0.095, 0.09], BAD)
    row = claims.claim_4f(runs)
    assert row.verdict.outcome == "holds"
    assert row.verdict.ours.endswith("small")


def test_claim_1_counts_divergence():
    def full(lost):
        """Five seeds, of which so many go against the claims."""
        kept = 5 - lost
        return {
            (ISGD, 0.1): errors(*[0.1] * kept, *[math.nan] * lost),
            ("SGD", 0.5): [record(diverged=0)] * kept + [record(diverged=9)] * lost,
            ("SGD", 2): [record(diverged=7)] * kept + [record(diverged=0)] * lost,
        }

    for lost, expected in ((0, "holds"), (2, "open"), (5, "fails")):
        rows = [rule(full(lost)) for rule in (claims.claim_1a, claims.claim_1b, claims.claim_1c)]
        assert outcomes(*rows) == dict.fromkeys(("1a", "1b", "1c"), expected)
    row = claims.claim_1b(full(0))
    assert "2 · 2/λ_max: after 7 at most" in row.verdict.ours
    assert row.claim.endswith("from twice 2/λ_max on (2).")


def test_claim_2_counts_rises_and_broken_inequalities():
    fine = record(outer=[4.0, 2.0], moved=[1.0])
    rising = record(outer=[4.0, 5.0], moved=[0.1])
    far = record(outer=[4.0, 3.0], moved=[4.0])
    for rule, broken in ((claims.claim_2a, rising), (claims.claim_2c, far)):
        for bad, expected in ((0, "holds"), (1, "open"), (5, "fails")):
            row = rule({(ISGD, 1.0): [fine] * (5 - bad) + [broken] * bad})
            assert row.verdict.outcome == expected
    assert outcomes(claims.claim_2a({(ISGD, 1.0): [far] * 5})) == {"2a": "holds"}
    rows = claims.claim_2b({(claims.RESTARTED, 1.0): [rising] * 5, (claims.KEPT, 1.0): [fine] * 5})
    assert outcomes(*rows) == {"2b": "fails", "2d": "holds"}
    assert "6 iterations" in rows[0].claim


def test_claims_on_wide_networks():
    modes = np.array([[3.0, 4.0], [0.3, 0.4]])

    def wide_run(predicted, rate):
        values = {"modes": modes, "predicted": predicted, "alpha": np.array(1.0)}
        return Record(wide.WideSpec(), values | {"limit_eigenvalues": np.array([rate])}, {})

    near = wide_run(modes + 0.1, 50.0)  # misses 0.14 of 5; bound 1/51 above the square, 1/100
    far = wide_run(modes + 0.3, 150.0)
    for rule in (claims.claim_5, claims.claim_6):
        for bad, expected in ((0, "holds"), (1, "open"), (5, "fails")):
            second = [near] * (5 - bad) + [far] * bad
            assert rule({1.0: [near] * 5, 10.0: second}).verdict.outcome == expected
    assert outcomes(claims.claim_6b()) == {"6b": "not testable here"}


@pytest.mark.usefixtures("rates")
def test_claims_on_cost_and_on_the_coefficient():
    assert outcomes(claims.claim_8a({ISGD: 1.4, "Adam": 1.0})) == {"8a": "holds"}
    assert outcomes(claims.claim_8a({ISGD: 1.6, "Adam": 1.0})) == {"8a": "fails"}
    near, far = (record(coefficient=[1.0, found]) for found in (0.41, 0.5))
    for bad, expected in ((0, "holds"), (1, "open"), (5, "fails")):
        found = {(ISGD, 1.0): [near] * (5 - bad) + [far] * bad}
        assert outcomes(claims.claim_9(found)) == {"9": expected}


# -- what is recorded -----------------------------------------------------------------------------


def test_costs_are_measured_for_every_optimiser(monkeypatch):
    monkeypatch.setattr(recording, "EVALUATIONS", 1)
    monkeypatch.setattr(recording, "REPEATS", 2)
    found = recording.RECORDS["cost"](None)
    assert {name: len(values) for name, values in found["milliseconds"].items()} == dict.fromkeys(
        recording.KEYS, 2
    )
    cost = tables.milliseconds(found)
    assert all(value >= 0 for value in cost.values())


def test_the_answers_name_rows_that_are_recorded():
    recorded = json.loads((ROOM / "recorded" / "claims.json").read_text(encoding="utf-8"))
    ids = {id for rows in summary.QUESTIONS.values() for id in rows}
    assert ids <= {row["id"] for row in recorded}
    assert summary.summary({"3a": "holds", "3b": "fails"}) == (
        "- At equal evaluations, and the best rate of each seed, ISGD is more accurate than SGD: "
        "**holds** (3a), **fails** (3b)."
    )
