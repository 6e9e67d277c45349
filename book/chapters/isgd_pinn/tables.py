"""Tables and curves of the chapter on implicit SGD: records become frames and arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from chapters.isgd_pinn import problems
from chapters.isgd_pinn.runs import FOLLOWED, RIPPLES, Key
from chapters.isgd_pinn.tuning import FULL, chosen
from weaklabels.lab.store import Record
from weaklabels.press.claims import mean_std

METHODS = ("SGD", "Adam", "ISGD (L-BFGS)", "L-BFGS")
"""Those that are compared on every problem."""

Curves = dict[str, tuple[np.ndarray, np.ndarray]]
"""Name -> places ``(T,)`` and values ``(seeds, T)``."""

Runs = Mapping[Key, Sequence[Record]]
"""Method and rate -> one record a seed."""


def last(records: Sequence[Record], name: str) -> np.ndarray:
    """``(seeds,)``: ``"loss"`` or ``"error"`` of the kept state; infinite where a run diverged."""
    values = np.array([float(record[f"kept_{name}"][-1]) for record in records])
    return np.where(np.isnan(values), np.inf, values)


def rates_of(runs: Runs, method: str, finite: bool = True) -> list[Key]:
    """The keys of a method; without infinite rates unless they are asked for."""
    return [key for key in runs if key[0] == method and not (finite and math.isinf(key[1]))]


def best_of_grid(runs: Runs, method: str) -> np.ndarray:
    """``(seeds,)``: the smallest error of any rate."""
    return np.min([last(runs[key], "error") for key in rates_of(runs, method)], 0)


def median_of_grid(runs: Runs, method: str) -> np.ndarray:
    """``(seeds,)``: the median error of all rates."""
    return np.median([last(runs[key], "error") for key in rates_of(runs, method)], 0)


def spread(values: np.ndarray) -> str:
    """Median and range of a few positive numbers."""
    if not np.isfinite(np.median(values)):
        return "diverged"
    ends = (np.median(values), values.min(), values.max())
    middle, low, high = (f"{v:.2g}" if np.isfinite(v) else "∞" for v in ends)
    return f"{middle} ({low}–{high})"


def rate_text(key: Key) -> str:
    """A learning rate for a table."""
    method, alpha = key
    if method == "L-BFGS":
        return "line search"
    if method == "SGD":
        return f"{alpha:g} · 2/λ_max"
    return "∞" if math.isinf(alpha) else f"{alpha:g}"


def by_method(runs: Runs, group: str) -> pd.DataFrame:
    """A row a method: error at the chosen rate, best and median of its rates.

    Args:
        runs: on one problem.
        group: its name in the choice of rates.
    """
    rows = {}
    for method in dict.fromkeys(key[0] for key in runs):
        keys = rates_of(runs, method)
        infinite = [key for key in rates_of(runs, method, finite=False) if key not in keys]
        if keys:
            key = chosen(group, method) if len(keys) > 1 else keys[0]
            rows[method] = _row(runs, keys, key)
        for key in infinite:
            rows["restarted L-BFGS"] = _row(runs, [key], key)
    return pd.DataFrame(rows).T


def _row(runs: Runs, keys: Sequence[Key], key: Key) -> dict[str, str]:
    errors = np.array([last(runs[each], "error") for each in keys])
    return {
        "rate": rate_text(key),
        "error": spread(last(runs[key], "error")),
        "best rate": spread(errors.min(0)),
        "median rate": spread(np.median(errors, 0)),
        "diverged": f"{np.isinf(errors).sum()} of {errors.size}",
    }


def errors_by_problem(groups: Mapping[str, Runs], methods: Sequence[str]) -> pd.DataFrame:
    """A row a problem, a column a method: error at the chosen rate."""
    return pd.DataFrame(
        {
            method: {
                name: spread(last(runs[chosen(name, method)], "error"))
                for name, runs in groups.items()
            }
            for method in methods
        }
    )


def log_accuracy(values: np.ndarray) -> np.ndarray:
    """-log10 of relative errors, digits that are right; a diverged run has none (0)."""
    return np.where(np.isfinite(values), -np.log10(np.minimum(values, 1e300)), 0.0)


def error_at(record: Record, evaluations: float) -> float:
    """Relative error of the state kept after that many evaluations (the last mark before them)."""
    place = np.searchsorted(record["evaluations"], evaluations, "right") - 1
    return float(record["kept_error"][max(place, 0)])


def increases(records: Sequence[Record], slack: float = 1e-12) -> np.ndarray:
    """``(seeds,)``: implicit steps after which the full loss was higher than before."""
    return np.array([int((np.diff(r["outer"]) > slack * r["outer"][:-1]).sum()) for r in records])


def energy_violations(records: Sequence[Record], slack: float = 1e-12) -> np.ndarray:
    """``(seeds,)``: steps that break L(new) + |step|² / (2 alpha) <= L(old)."""
    return np.array(
        [
            int(
                (
                    r["outer"][1:] + r["moved"] / (2 * float(r["alpha"]))
                    > r["outer"][:-1] * (1 + slack)
                ).sum()
            )
            for r in records
        ]
    )


def first_factors(records: Sequence[Record], share: float = 1e-3) -> tuple[np.ndarray, np.ndarray]:
    """Patterns of a wide network: alpha lambda and the observed factor of the first step.

    Args:
        records: of ``wide.run``.
        share: of the residual's length that a pattern must hold, so that its factor is no noise.
    """
    where, factors = [], []
    for r in records:
        before, after = np.abs(r["modes"][:2])
        large = before > share * np.linalg.norm(before)
        where.append(float(r["alpha"]) * r["eigenvalues"][large])
        factors.append(after[large] / before[large])
    return np.concatenate(where), np.concatenate(factors)


# -- wide networks --------------------------------------------------------------------------------


def residual_lengths(groups: Mapping[float, Sequence[Record]], of: str) -> dict[float, np.ndarray]:
    """Lengths of the residual, as parts of the first: stiffness -> ``(seeds, steps + 1)``.

    Args:
        groups: stiffness -> records of ``wide.run``.
        of: ``"modes"``, what was found, or ``"predicted"``.
    """
    return {
        stiffness: np.array([np.linalg.norm(r[of], axis=1) / _first(r) for r in records])
        for stiffness, records in groups.items()
    }


def misses(records: Sequence[Record]) -> np.ndarray:
    """``(seeds,)``: distance of the last residual from the predicted one, as part of the first."""
    return np.array(
        [np.linalg.norm(r["modes"][-1] - r["predicted"][-1]) / _first(r) for r in records]
    )


def _first(record: Record) -> float:
    return np.linalg.norm(record["modes"][0])


def wide_table(groups: Mapping[float, Sequence[Record]]) -> pd.DataFrame:
    """Lengths of the residual at the end: found, predicted, and by explicit steps."""
    found, predicted = (residual_lengths(groups, of) for of in ("modes", "predicted"))
    rows = {
        f"{stiffness:g}": {
            "implicit": mean_std(found[stiffness][:, -1], 3),
            "frozen kernel": mean_std(predicted[stiffness][:, -1], 3),
            "explicit, frozen kernel": f"{np.median([r['explicit'] for r in records]):.1e}",
        }
        for stiffness, records in groups.items()
    }
    return pd.DataFrame(rows).T.rename_axis("α λ_max")


def squared_lengths(groups: Mapping[float, Sequence[Record]]) -> dict[float, np.ndarray]:
    """Squared residuals as parts of the first: stiffness -> ``(seeds, steps + 1)``."""
    squares = {a: [(r["modes"] ** 2).sum(1) for r in records] for a, records in groups.items()}
    return {a: np.array([square / square[0] for square in runs]) for a, runs in squares.items()}


def bounds(groups: Mapping[float, Sequence[Record]]) -> dict[float, np.ndarray]:
    """The rate of theory, (1 + alpha lambda_0)^-n with lambda_0 of the infinitely wide network."""
    found = {}
    for stiffness, records in groups.items():
        rates = [float(r["alpha"]) * float(r["limit_eigenvalues"][0]) for r in records]
        steps = np.arange(len(records[0]["modes"]), dtype=float)
        found[stiffness] = np.array([(1 + rate) ** -steps for rate in rates])
    return found


# -- curves ---------------------------------------------------------------------------------------


def inner_curves(groups: Runs) -> dict[Key, tuple[np.ndarray, np.ndarray]]:
    """Evaluations (median over seeds) and defects ``(seeds, iterations)`` of ``runs.inner``."""
    return {
        key: (
            np.median([r["evaluations"] for r in records], 0),
            np.array([r["defect"] for r in records]),
        )
        for key, records in groups.items()
    }


def loss_curves(runs: Runs, methods: Sequence[str]) -> dict[str, Curves]:
    """Training losses: method -> rate -> curves."""
    return {
        method: {
            f"{key[1]:g}": (runs[key][0]["evaluations"], np.array([r["loss"] for r in runs[key]]))
            for key in rates_of(runs, method)
        }
        for method in methods
    }


def error_curves(runs: Runs, keys: Mapping[str, Key]) -> Curves:
    """Errors of the kept states, of one rate a method."""
    return {
        method: (runs[key][0]["evaluations"], np.array([r["kept_error"] for r in runs[key]]))
        for method, key in keys.items()
    }


def error_by_rate(runs: Runs) -> Curves:
    """Method -> learning rates in absolute terms, and errors at the end."""
    found = {}
    for method in dict.fromkeys(key[0] for key in runs):
        keys = rates_of(runs, method)
        if keys:
            rates = np.array([np.median([r["alpha"] for r in runs[key]]) for key in keys])
            found[method] = rates, np.stack([last(runs[key], "error") for key in keys], 1)
    return found


def error_by_frequency(
    groups: Mapping[tuple[Key, int], Sequence[Record]], frequencies: Sequence[int]
) -> dict[str, np.ndarray]:
    """Method -> errors ``(seeds, frequencies)``."""
    return {
        key[0]: np.stack([last(groups[key, k], "error") for k in frequencies], 1) for key in RIPPLES
    }


def choices(group: str) -> dict[str, Key]:
    """The chosen rate of every compared method on a problem."""
    return {method: chosen(group, method) for method in METHODS}


# -- the kernel -----------------------------------------------------------------------------------


def followed(runs: Runs) -> dict[str, Key]:
    """Runs whose kernel was followed, by their name in figures and tables."""
    return {f"{key[0]}, {rate_text(key)}": key for key in FOLLOWED if key in runs}


def steepest(runs: Runs) -> Curves:
    """The largest eigenvalue of the kernel along the training."""
    return {
        name: (runs[key][0]["kernel_at"], np.array([r["kernel"][:, 0] for r in runs[key]]))
        for name, key in followed(runs).items()
    }


def spectra(runs: Runs) -> dict[str, np.ndarray]:
    """Eigenvalues of the kernel at the start and at the end of training, of the first seed."""
    _, *learning = followed(runs).values()
    kernels = {key[0]: runs[key][0]["kernel"] for key in learning}
    first = next(iter(kernels.values()))[0]
    return {"at the start": first} | {f"after {m}": kernel[-1] for m, kernel in kernels.items()}


def explicit_limit(runs: Runs) -> float:
    """2 / lambda_max at the start, median over seeds."""
    return float(np.median([r["limit"] for r in runs[FOLLOWED[0]]]))


def stiffness(runs: Runs) -> pd.DataFrame:
    """The kernel from start to end: growth, usable eigenvalues, where the residual lies."""
    rows = {}
    for name, key in followed(runs).items():
        records = runs[key]
        growth = [r["kernel"][-1, 0] / r["kernel"][0, 0] for r in records]
        usable = [
            np.median([(r["kernel"][i] > 1e-8 * r["kernel"][i, 0]).sum() for r in records])
            for i in (0, -1)
        ]
        first, final = (
            np.median([100 * r["share"][i, :5].sum() for r in records]) for i in (0, -1)
        )
        rows[name] = {
            "λ_max, end/start": spread(np.array(growth)),
            "eigenvalues in reach": "{:.0f} → {:.0f}".format(*usable),
            "residual in steepest": f"{first:.2g} % → {final:.2g} %",
        }
    return pd.DataFrame(rows).T


# -- other problems -------------------------------------------------------------------------------

INVERSE = "inverse Poisson"
TRUE_COEFFICIENT = problems.InversePoisson.coefficient


def coefficients(records: Sequence[Record]) -> np.ndarray:
    """``(seeds,)``: the coefficient that was found."""
    return np.array([float(r["coefficient"][-1]) for r in records])


def coefficient_misses(records: Sequence[Record]) -> np.ndarray:
    """``(seeds,)``: relative error of the coefficient that was found."""
    return np.abs(coefficients(records) - TRUE_COEFFICIENT) / TRUE_COEFFICIENT


def inverse_table(runs: Runs) -> pd.DataFrame:
    """The coefficient of the inverse problem, by method at its chosen rate."""
    rows = {
        method: {
            "rate": rate_text(key),
            "D": mean_std(coefficients(runs[key]), 3),
            "missed by (%)": spread(100 * coefficient_misses(runs[key])),
        }
        for method, key in choices(INVERSE).items()
    }
    return pd.DataFrame(rows).T.rename_axis(f"true D: {TRUE_COEFFICIENT}")


def solution_maps(
    runs: Runs, group: str, axes: Sequence[str]
) -> tuple[np.ndarray, dict[str, np.ndarray], list[float], Sequence[str]]:
    """A problem with two inputs: exact solution, predictions of the first seed, extent, axes."""
    keys = {method: key for method, key in choices(group).items() if method != "SGD"}
    spec = runs[keys["Adam"]][0].spec
    problem = problems.create(spec.problem, **dict(spec.problem_options))
    side = round(len(problem.dense()) ** 0.5)
    found = {m: runs[key][0]["prediction"].reshape(side, side) for m, key in keys.items()}
    extent = [end for pair in zip(problem.lower, problem.upper, strict=True) for end in pair]
    return problem.exact(problem.dense()).numpy().reshape(side, side), found, extent, axes


# -- cost -----------------------------------------------------------------------------------------


def milliseconds(recorded: Mapping[str, Any]) -> dict[str, float]:
    """Method -> recorded time of an evaluation, median."""
    return {name: float(np.median(v)) for name, v in recorded["milliseconds"].items()}


def cost_table(runs: Runs, cost: Mapping[str, float]) -> pd.DataFrame:
    """Cost of an evaluation and of a step.

    Args:
        runs: in full batch.
        cost: of ``milliseconds``.
    """
    evaluations = {
        method: np.mean([r.spec.budget / len(r["moved"]) for r in runs[method, rate]])
        for method, rate in (("ISGD (L-BFGS)", 10), ("ISGD (Adam)", 1))
        if (method, rate) in runs
    }
    rows = {}
    for name, value in cost.items():
        each, least = evaluations.get(name, 1), "at least " if name == "L-BFGS" else ""
        rows[name] = {
            "ms / evaluation": f"{value:.2f}",
            "of SGD's": f"{value / cost['SGD']:.2f}",
            "evaluations / step": f"{least}{each:.0f}",
            "step, of SGD's": f"{least}{each * value / cost['SGD']:.1f}",
        }
    return pd.DataFrame(rows).T


def at_equal_time(runs: Runs, cost: Mapping[str, float]) -> dict[str, np.ndarray]:
    """Errors at the chosen rates after the time that Adam needs for its budget: ``(seeds,)``."""
    return {
        method: np.array(
            [error_at(r, r.spec.budget * cost["Adam"] / cost[method]) for r in runs[key]]
        )
        for method, key in choices(FULL).items()
    }


def equal_table(runs: Runs, cost: Mapping[str, float]) -> pd.DataFrame:
    """Errors at the chosen rates after equal evaluations and after equal time."""
    return pd.DataFrame(
        {
            "equal evaluations": {
                method: spread(last(runs[key], "error")) for method, key in choices(FULL).items()
            },
            "equal time": {m: spread(v) for m, v in at_equal_time(runs, cost).items()},
        }
    )
