"""The learning rates: what was tried, and what the training loss chose on seeds of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from chapters.isgd_pinn import runs
from chapters.isgd_pinn.runs import QUICK, Key
from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Record
from weaklabels.lab.tuned import FIRST_TUNING_SEED, Tuned

SEEDS = 9
"""Repetitions of the recorded choice."""

RULE = f"lowest training loss at the end, median of {SEEDS} seeds"

FULL, BATCH, DEFAULT = "Poisson, full batch", "Poisson, mini-batches", "Poisson, PyTorch's start"

CHOSEN: dict[str, dict[str, float]] = {
    FULL: {
        "SGD": 0.1,
        "Adam": 0.03,
        "ISGD (L-BFGS)": 10,
        "ISGD (Adam)": 10,
        "ISGD (Adam, restarted)": 100,
        "Adam, then L-BFGS": 0.03,
        "L-BFGS, fixed step": 0.1,
    },
    BATCH: {
        "SGD": 0.2,
        "Adam": 0.03,
        "ISGD (L-BFGS)": 1,
    },
    DEFAULT: {
        "Adam": 0.02,
        "ISGD (L-BFGS)": 10000,
        "Adam, then L-BFGS": 0.01,
    },
    "inverse Poisson": {
        "SGD": 1,
        "Adam": 0.03,
        "ISGD (L-BFGS)": 100,
    },
    "Helmholtz": {
        "SGD": 0.5,
        "Adam": 0.01,
        "ISGD (L-BFGS)": 10,
    },
    "Reaction": {
        "SGD": 1,
        "Adam": 0.03,
        "ISGD (L-BFGS)": 100000,
    },
    "Burgers": {
        "SGD": 1,
        "Adam": 0.1,
        "ISGD (L-BFGS)": 1000,
    },
}
"""Problem -> method -> the rate that the recorded study chose."""


BOUNDS = {"L-BFGS, fixed step": (1.0,)}
"""Method -> natural end of its rates: the step that a quasi-Newton method takes by itself."""


def grids() -> dict[str, tuple[Key, ...]]:
    """Problem -> methods and rates from which one is chosen; infinite rates are no choice."""
    found = {FULL: (*QUICK.full, *QUICK.variants), BATCH: QUICK.batch, DEFAULT: QUICK.defaults}
    found |= dict.fromkeys(QUICK.others, QUICK.few)
    return {
        group: tuple(key for key in keys if 0 < key[1] < float("inf"))
        for group, keys in found.items()
    }


def inner_specs(settings: runs.Settings) -> dict[tuple[str, float], runs.Spec]:
    """The runs among which the learning rate of an inner Adam is chosen, by method and rate."""
    return {
        (method, rate): replace(settings.base, method=method, alpha=runs.INNER_AT, inner_rate=rate)
        for method in runs.INNER
        for rate in runs.INNER_RATES
    }


def specs(
    settings: runs.Settings, inner_rates: Mapping[str, float] = runs.INNER
) -> dict[tuple[str, Key], runs.Spec]:
    """The runs among which all other rates are chosen, with those of inner Adams."""
    # The losses alone decide, so no kernel is followed.
    tables = {FULL: runs.table(settings.base, (*settings.full, *settings.variants), inner_rates)}
    tables |= {BATCH: runs.mini_batches(settings), DEFAULT: runs.default_start(settings)}
    tables |= {
        name: runs.table(spec, settings.few) for name, spec in runs.other_problems(settings).items()
    }
    return {
        (group, key): tables[group][key]
        for group, keys in grids().items()
        for key in keys
        if key in tables[group]
    }


def last_losses(records: Sequence[Record]) -> np.ndarray:
    """``(seeds,)``: loss of the kept state at the end; infinite where a run diverged."""
    losses = np.array([float(record["kept_loss"][-1]) for record in records])
    return np.where(np.isnan(losses), np.inf, losses)


def study(chapter: Setting) -> dict[str, Any]:
    """Choose every rate: first those of inner Adams, then, with them, all others.

    Returns:
        The record: ``seeds``, ``losses``, problem -> method -> rate -> median loss (None if it
        diverged), and ``chosen``, problem -> method -> rate; the same of the ``inner`` rates,
        without problem.
    """
    seeds = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + chapter.seeds)
    settings = runs.settings(chapter)
    inner: dict[str, dict[float, float]] = {}
    for (method, rate), records in chapter.repeat(runs.run, inner_specs(settings), seeds).items():
        inner.setdefault(method, {})[rate] = _median_loss(records)
    inner_rates = _lowest(inner)
    losses: dict[str, dict[str, dict[float, float]]] = {}
    found = chapter.repeat(runs.run, specs(settings, inner_rates), seeds)
    for (group, (method, rate)), records in found.items():
        losses.setdefault(group, {}).setdefault(method, {})[rate] = _median_loss(records)
    return {
        "what": "Training loss at the end by problem, method and learning rate, median of seeds "
        "that no result is reported for; and the rates of the lowest",
        "seeds": list(seeds),
        "inner": {"losses": _readable(inner), "chosen": inner_rates},
        "losses": {group: _readable(methods) for group, methods in losses.items()},
        "chosen": {group: _lowest(methods) for group, methods in losses.items()},
    }


def _median_loss(records: Sequence[Record]) -> float:
    return float(np.median(last_losses(records)))


def _lowest(losses: Mapping[str, Mapping[float, float]]) -> dict[str, float]:
    return {method: min(rates, key=rates.__getitem__) for method, rates in losses.items()}


def _readable(losses: Mapping[str, Mapping[float, float]]) -> dict[str, dict[str, float | None]]:
    return {
        method: {
            f"{rate:g}": float(f"{loss:.4g}") if np.isfinite(loss) else None
            for rate, loss in rates.items()
        }
        for method, rates in losses.items()
    }


def _tuned(group: str, keys: Iterable[Key], chosen: Mapping[str, float]) -> list[Tuned]:
    rates: dict[str, list[float]] = {}
    for method, rate in keys:
        rates.setdefault(method, []).append(rate)
    return [
        Tuned(
            method,
            "learning rate",
            tuple(sorted(tried)),
            chosen[method],
            RULE,
            group,
            BOUNDS.get(method, ()),
        )
        for method, tried in rates.items()
    ]


TUNED: tuple[Tuned, ...] = (
    *(
        Tuned(method, "inner rate", runs.INNER_RATES, rate, RULE, FULL)
        for method, rate in runs.INNER.items()
    ),
    *chain.from_iterable(
        _tuned(group, keys, CHOSEN[group]) for group, keys in grids().items() if group in CHOSEN
    ),
)
"""Rates of SGD in units of 2 / lambda_max."""


def at_an_end(group: str, *methods: str) -> str:
    """For a row: whose choice on a problem lies at an end of the rates tried; empty if nobody's."""
    found = [t.method for t in TUNED if t.data == group and t.method in methods and not t.interior]
    return f"; at an end of its rates: {', '.join(found)}" if found else ""


def chosen(group: str, method: str) -> Key:
    """The rate of a method on a problem; L-BFGS with line search has none."""
    return method, CHOSEN[group].get(method, 0)
