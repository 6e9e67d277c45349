"""What the chapter records: the budget of a defence that knows of the attack, and photographs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chapters.stability_attacks import cost, runs
from chapters.stability_attacks.photographs import photographs
from weaklabels.lab.setting import Setting
from weaklabels.lab.tuned import FIRST_TUNING_SEED, best


def tune(chapter: Setting) -> dict[str, Any]:
    """Choose the budget of each radius by robust accuracy on clean validation images.

    Returns:
        The record: ``seeds``, ``validation``, radius -> budget -> robust accuracy (%) of each seed,
        and ``chosen``, radius -> budget.
    """
    seeds = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + chapter.seeds)
    found = chapter.repeat(runs.run, runs.trials(runs.settings(chapter)), seeds)
    scores: dict[float, dict[float, list[float]]] = {}
    for (eps, _, budget), records in found.items():
        reached = [round(float(record["validation"]), 2) for record in records]
        scores.setdefault(eps, {})[budget] = reached
    return {
        "what": "Robust accuracy (%) on clean validation digits after adversarial training on "
        "hypocritical ones, by radius and budget of the defence",
        "seeds": list(seeds),
        "validation": {
            f"{eps:g}": {f"{budget:g}": reached for budget, reached in budgets.items()}
            for eps, budgets in scores.items()
        },
        "chosen": {f"{eps:g}": best(budgets) for eps, budgets in scores.items()},
    }


RECORDS: dict[str, Callable[[Setting], dict[str, Any]]] = {
    "tuning": tune,
    "photographs": photographs,
    "cost": cost.measure,
}
"""Name of a recorded result -> what computes its content."""
