"""Settings and tables of the chapter on implicit SGD for physics-informed networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from chapters.isgd_pinn.runs import Spec
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record

# -- settings -------------------------------------------------------------------------------------

Key = tuple[str, float]
"""Method and learning rate; L-BFGS with line search has the rate 0."""


def base_spec(chapter: Setting) -> Spec:
    """The Poisson problem in full batch; the other runs vary it."""
    paper = Spec(hidden=(50,) * 4, points=128, budget=50_000, device=chapter.device)
    smoke = Spec(hidden=(6,), points=16, budget=24, iterations=3)
    return chapter.choose(quick=Spec(), paper=paper, smoke=smoke)


def grid(chapter: Setting) -> list[Key]:
    """Learning rates of every method, on the Poisson problem in full batch."""
    rates = chapter.choose(
        quick={
            "SGD": (0.01, 0.1, 0.5, 1, 2, 10),
            "Adam": (1e-4, 1e-3, 3e-3, 1e-2, 1e-1),
            "ISGD (L-BFGS)": (1e-5, 1e-3, 0.1, 1, 10, 1e3, math.inf),
            "ISGD (Adam)": (1, 100),
            "L-BFGS": (0,),
            "L-BFGS, fixed step": (0.01, 0.1, 1),
        },
        paper={
            "SGD": (0.001, 0.01, 0.1, 0.2, 0.5, 1, 2, 10),
            "Adam": (1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 1e-1),
            "ISGD (L-BFGS)": (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10, 100, 1e3, math.inf),
            "ISGD (Adam)": (1e-4, 1e-2, 1, 100),
            "L-BFGS": (0,),
            "L-BFGS, fixed step": (0.01, 0.1, 1),
        },
        smoke={
            "SGD": (0.1, 0.5, 10),
            "Adam": (1e-3,),
            "ISGD (L-BFGS)": (0.1, 10, math.inf),
            "ISGD (Adam)": (1,),
            "L-BFGS": (0,),
            "L-BFGS, fixed step": (1,),
        },
    )
    return [(method, alpha) for method, alphas in rates.items() for alpha in alphas]


FOLLOWED: tuple[Key, ...] = (("SGD", 0.1), ("Adam", 1e-3), ("ISGD (L-BFGS)", 10), ("L-BFGS", 0))
"""Runs whose tangent kernel is followed."""


def batch_grid(chapter: Setting) -> list[Key]:
    """Learning rates with fresh mini-batches."""
    quick = {
        "SGD": (0.1, 0.5),
        "Adam": (1e-3, 3e-3, 1e-2),
        "ISGD (L-BFGS)": (0.1, 1, 10, math.inf),
    }
    smoke = {"SGD": (0.1,), "Adam": (1e-3,), "ISGD (L-BFGS)": (1, math.inf)}
    rates = chapter.choose(quick=quick, paper=quick, smoke=smoke)
    return [(method, alpha) for method, alphas in rates.items() for alpha in alphas]


def start_grid(chapter: Setting) -> list[Key]:
    """Learning rates with PyTorch's default initial parameters."""
    quick = [("Adam", 1e-3), ("Adam", 3e-3), ("Adam", 1e-2)]
    quick += [("ISGD (L-BFGS)", alpha) for alpha in (0.1, 1, 10)] + [("L-BFGS", 0)]
    return chapter.choose(quick=quick, paper=quick, smoke=[quick[0], quick[4], quick[6]])


def few_rates(chapter: Setting) -> list[Key]:
    """Learning rates on the other problems."""
    few = [
        ("SGD", 0.1),
        ("Adam", 1e-3),
        ("Adam", 1e-2),
        ("ISGD (L-BFGS)", 0.1),
        ("ISGD (L-BFGS)", 10),
        ("L-BFGS", 0),
    ]
    more = [("SGD", 0.5), ("Adam", 1e-4), ("ISGD (L-BFGS)", 1), ("ISGD (L-BFGS)", 1e3)]
    return chapter.choose(quick=few, paper=few + more, smoke=[few[0], few[2], few[4], few[5]])


def frequencies(chapter: Setting) -> tuple[int, ...]:
    """Frequencies k of the Poisson problem's small component."""
    return chapter.choose(quick=(4, 10, 20), paper=(10, 50), smoke=(4, 10))


def other_problems(chapter: Setting) -> dict[str, Spec]:
    """The other problems: name in the tables -> run to be varied."""
    base = base_spec(chapter)
    inverse = replace(base, problem="inverse")
    kinds = {
        "Helmholtz": ("helmholtz", {"weight": 100.0}, 196),
        "Reaction": ("reaction", {"weight": 10.0}, 144),
        "Burgers": ("burgers", {"viscosity": 0.05 / math.pi}, 144),
    }
    if chapter.profile == "paper":
        steep = {"viscosity": 0.01 / math.pi}
        kinds = {
            name: (problem, (steep if problem == "burgers" else extra) | {"side": 64}, 4096)
            for name, (problem, extra, _) in kinds.items()
        }
    if chapter.profile == "smoke":
        kinds = {name: (p, extra | {"side": 3}, 9) for name, (p, extra, _) in kinds.items()}
    if chapter.profile == "quick":
        base = replace(base, budget=800)
        kinds = {name: (p, extra | {"side": 12}, n) for name, (p, extra, n) in kinds.items()}
    return {"inverse Poisson": inverse} | {
        name: replace(base, problem=problem, problem_options=options(**extra), points=points)
        for name, (problem, extra, points) in kinds.items()
    }


def varied(base: Spec, keys: Sequence[Key]) -> dict[Key, Spec]:
    """The base run with other methods and rates."""
    return {
        key: replace(base, method=key[0], alpha=key[1], spectra=base.spectra and key in FOLLOWED)
        for key in keys
    }


# -- tables ---------------------------------------------------------------------------------------

Runs = dict[Key, list[Record]]


def last(records: list[Record], name: str) -> np.ndarray:
    """``(seeds,)``: ``"loss"`` or ``"error"`` of the kept state; infinite where a run diverged."""
    values = np.array([float(record[f"kept_{name}"][-1]) for record in records])
    return np.where(np.isnan(values), np.inf, values)


def rates_of(runs: Runs, method: str, finite: bool = True) -> list[Key]:
    """The keys of a method; without infinite rates unless they are asked for."""
    return [key for key in runs if key[0] == method and not (finite and math.isinf(key[1]))]


def chosen(runs: Runs, method: str) -> Key:
    """The rate with the lowest training loss, median over seeds: no solution is looked at."""
    return min(rates_of(runs, method), key=lambda key: np.median(last(runs[key], "loss")))


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


def table(runs: Runs) -> pd.DataFrame:
    """A row a method: error at the rate chosen by the loss, best and median of its rates."""
    rows = {}
    for method in dict.fromkeys(key[0] for key in runs):
        keys = rates_of(runs, method)
        if keys:
            lost = sum(int(np.isinf(last(runs[key], "error")).sum()) for key in keys)
            total = sum(len(runs[key]) for key in keys)
            rows[method] = {
                "rate": rate_text(chosen(runs, method)),
                "error": spread(last(runs[chosen(runs, method)], "error")),
                "best rate": spread(best_of_grid(runs, method)),
                "median rate": spread(median_of_grid(runs, method)),
                "diverged": f"{lost} of {total}",
            }
        for key in rates_of(runs, method, finite=False)[len(keys) :]:
            error = spread(last(runs[key], "error"))
            lost = int(np.isinf(last(runs[key], "error")).sum())
            rows["restarted L-BFGS"] = {
                "rate": "∞",
                "error": error,
                "best rate": error,
                "median rate": error,
                "diverged": f"{lost} of {len(runs[key])}",
            }
    return pd.DataFrame(rows).T


def errors_by_problem(groups: dict[str, Runs], methods: Sequence[str]) -> pd.DataFrame:
    """A row a problem, a column a method: error at the rate chosen by the loss."""
    return pd.DataFrame(
        {
            method: {
                name: spread(last(runs[chosen(runs, method)], "error"))
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


def increases(records: list[Record], slack: float = 1e-12) -> np.ndarray:
    """``(seeds,)``: implicit steps after which the full loss was higher than before."""
    return np.array([int((np.diff(r["outer"]) > slack * r["outer"][:-1]).sum()) for r in records])


def energy_violations(records: list[Record], slack: float = 1e-12) -> np.ndarray:
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


def first_factors(records: list[Record], share: float = 1e-3) -> tuple[np.ndarray, np.ndarray]:
    """Patterns of a wide network: alpha lambda and the observed factor of the first step.

    Args:
        records: of ``isgd_pinn.wide``.
        share: of the residual's length that a pattern must hold, so that its factor is no noise.
    """
    where, factors = [], []
    for r in records:
        before, after = np.abs(r["modes"][:2])
        large = before > share * np.linalg.norm(before)
        where.append(float(r["alpha"]) * r["eigenvalues"][large])
        factors.append(after[large] / before[large])
    return np.concatenate(where), np.concatenate(factors)


def with_frequency(spec: Spec, k: int) -> Spec:
    """The Poisson problem with another frequency; the paper profile's points grow with it."""
    points = max(spec.points, 8 * k if spec.budget > 10_000 else 0)
    return replace(spec, problem_options=options(k=k), points=points)
