"""What the chapter records: learning rates, budgets of a defence that knows of the attack, cost,
and photographs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from chapters.stability_attacks import cost, runs
from chapters.stability_attacks.photographs import photographs
from chapters.stability_attacks.tuning import DEFENCES, RATES, Choice
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.tuned import FIRST_TUNING_SEED, best

HELD_OUT = 200
"""Clean training digits that validate and do not train."""


def tune(chapter: Setting) -> dict[str, Any]:
    """Choose by robust accuracy on clean validation images: the learning rate of every defence and
    victim after training on clean images, then the budget of every defence on hypocritical ones.

    Returns:
        The record: ``seeds``; ``rates`` and ``budgets``, each a list with what the choice is for
        (``name``, ``eps``), ``validation``, value -> robust accuracy (%) of each seed, and
        ``chosen``.
    """
    settings = runs.settings(chapter)
    kept = options(**dict(settings.base.data_options) | {"val": HELD_OUT})
    settings = replace(settings, base=replace(settings.base, data_options=kept))
    clean = {(name, eps): replace(settings.base, eps=eps, method=name) for name, eps in DEFENCES}
    for name in settings.victims:
        spec = runs.victim(settings, name)
        clean[name, spec.eps] = spec
    rates = _chosen(
        chapter,
        {
            choice: {rate: runs.at_rate(spec, rate) for rate in RATES}
            for choice, spec in clean.items()
        },
    )
    budgets = _chosen(
        chapter,
        {
            choice: {
                budget: replace(
                    runs.at_rate(clean[choice], rates[choice]["chosen"]),
                    attack="hypocritical",
                    budget=budget,
                )
                for budget in settings.budgets
            }
            for choice in DEFENCES
        },
    )
    return {
        "what": "Robust accuracy (%) on clean validation digits: after adversarial training on "
        "clean ones by learning rate, and on hypocritical ones by budget of the defence",
        "seeds": list(_seeds(chapter)),
        "rates": list(rates.values()),
        "budgets": list(budgets.values()),
    }


def _seeds(chapter: Setting) -> range:
    return range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + chapter.seeds)


def _chosen(
    chapter: Setting, trials: Mapping[Choice, Mapping[float, runs.Spec]]
) -> dict[Choice, dict[str, Any]]:
    """What a choice is for -> its values and the best of them."""
    table = {(choice, value): spec for choice, of in trials.items() for value, spec in of.items()}
    found = chapter.repeat(runs.run, table, _seeds(chapter))
    chosen = {}
    for choice, values in trials.items():
        scores = {
            value: [round(float(one["validation"]), 2) for one in found[choice, value]]
            for value in values
        }
        chosen[choice] = {
            "name": choice[0],
            "eps": choice[1],
            "validation": {f"{value:g}": of for value, of in scores.items()},
            "chosen": best(scores),
        }
    return chosen


RECORDS: dict[str, Callable[[Setting], dict[str, Any]]] = {
    "tuning": tune,
    "photographs": photographs,
    "cost": cost.measure,
}
"""Name of a recorded result -> what computes its content."""
