"""The learning rates: what was tried, and what the training loss chose on seeds of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from chapters.isgd_pinn import runs
from chapters.isgd_pinn.runs import QUICK, Key
from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Record
from weaklabels.lab.tuned import FIRST_TUNING_SEED, Tuned

SEEDS = 3
"""Repetitions of the recorded choice."""

RULE = f"lowest training loss at the end, median of {SEEDS} seeds"

FULL, BATCH, DEFAULT = "Poisson, full batch", "Poisson, mini-batches", "Poisson, PyTorch's start"

CHOSEN: dict[str, dict[str, float]] = {
    FULL: {
        "SGD": 0.1,
        "Adam": 0.003,
        "ISGD (L-BFGS)": 0.1,
        "ISGD (Adam)": 1000,
        "ISGD (Adam, restarted)": 0.01,
        "Adam, then L-BFGS": 0.0003,
        "L-BFGS, fixed step": 1,
    },
    BATCH: {
        "SGD": 0.1,
        "Adam": 0.03,
        "ISGD (L-BFGS)": 100,
    },
    DEFAULT: {
        "Adam": 0.01,
        "ISGD (L-BFGS)": 0.1,
        "Adam, then L-BFGS": 0.01,
    },
    "inverse Poisson": {
        "SGD": 1,
        "Adam": 0.1,
        "ISGD (L-BFGS)": 10,
    },
    "Helmholtz": {
        "SGD": 0.5,
        "Adam": 0.03,
        "ISGD (L-BFGS)": 0.1,
    },
    "Reaction": {
        "SGD": 2,
        "Adam": 0.03,
        "ISGD (L-BFGS)": 100,
    },
    "Burgers": {
        "SGD": 0.5,
        "Adam": 0.1,
        "ISGD (L-BFGS)": 100,
    },
}
"""Problem -> method -> the rate that the recorded study chose."""


def grids() -> dict[str, tuple[Key, ...]]:
    """Problem -> methods and rates from which one is chosen; infinite rates are no choice."""
    found = {FULL: (*QUICK.full, *QUICK.variants), BATCH: QUICK.batch, DEFAULT: QUICK.defaults}
    found |= dict.fromkeys(QUICK.others, QUICK.few)
    return {
        group: tuple(key for key in keys if 0 < key[1] < float("inf"))
        for group, keys in found.items()
    }


def specs(settings: runs.Settings) -> dict[tuple[str, Key], runs.Spec]:
    """The runs of the study."""
    # The losses alone decide, so no kernel is followed.
    tables = {FULL: runs.table(settings.base, (*settings.full, *settings.variants))}
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
    """Choose every rate.

    Returns:
        The record: ``seeds``, ``losses``, problem -> method -> rate -> median loss (None if it
        diverged), and ``chosen``, problem -> method -> rate.
    """
    seeds = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + chapter.seeds)
    found = chapter.repeat(runs.run, specs(runs.settings(chapter)), seeds)
    losses: dict[str, dict[str, dict[float, float]]] = {}
    for (group, (method, rate)), records in found.items():
        median = float(np.median(last_losses(records)))
        losses.setdefault(group, {}).setdefault(method, {})[rate] = median
    return {
        "what": "Training loss at the end by problem, method and learning rate, median of seeds "
        "that no result is reported for; and the rates of the lowest",
        "seeds": list(seeds),
        "losses": {
            group: {
                method: {
                    f"{rate:g}": float(f"{loss:.4g}") if np.isfinite(loss) else None
                    for rate, loss in rates.items()
                }
                for method, rates in methods.items()
            }
            for group, methods in losses.items()
        },
        "chosen": {
            group: {method: min(rates, key=rates.__getitem__) for method, rates in methods.items()}
            for group, methods in losses.items()
        },
    }


def _tuned(group: str, keys: Iterable[Key], chosen: Mapping[str, float]) -> list[Tuned]:
    rates: dict[str, list[float]] = {}
    for method, rate in keys:
        rates.setdefault(method, []).append(rate)
    return [
        Tuned(method, "learning rate", tuple(sorted(tried)), chosen[method], RULE, group)
        for method, tried in rates.items()
    ]


TUNED: tuple[Tuned, ...] = tuple(
    chain.from_iterable(
        _tuned(group, keys, CHOSEN[group]) for group, keys in grids().items() if group in CHOSEN
    )
)
"""Rates of SGD in units of 2 / lambda_max."""


def at_an_end(group: str, *methods: str) -> str:
    """For a row: whose choice on a problem lies at an end of the rates tried; empty if nobody's."""
    found = [t.method for t in TUNED if t.data == group and t.method in methods and not t.interior]
    return f"; at an end of its rates: {', '.join(found)}" if found else ""


def chosen(group: str, method: str) -> Key:
    """The rate of a method on a problem; L-BFGS with line search has none."""
    return method, CHOSEN[group].get(method, 0)
