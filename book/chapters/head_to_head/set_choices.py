"""The learning rate of every method on candidate sets, chosen for every task.

Recorded: the accuracy on validation digits whose labels are true, mean over the last epochs, with
repetitions that no result is reported for. All methods have the same values to choose from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from chapters.head_to_head.classes import run_classes
from chapters.head_to_head.runs import (
    PARTIAL,
    SUPERVISED,
    Rates,
    class_specs,
    set_specs,
    set_table,
)
from weaklabels.lab import candidate_sets, candidate_setting
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.tuned import FIRST_TUNING_SEED, best

LEARNING_RATES = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
TUNING_SEEDS = (FIRST_TUNING_SEED, FIRST_TUNING_SEED + 1)
VALIDATION = 300
"""Digits that are kept back from training while the rates are chosen."""


def set_choices(setting: Setting) -> dict[str, Any]:
    """The choice of every task and method.

    Returns:
        ``rows``, one for every task and method, in the form of ``test_tuned``: what was
        ``chosen``, and the ``validation`` accuracy (%) of every rate, one number a seed.
    """
    quick = replace(setting, profile="quick")
    compared = candidate_setting.comparison(quick)
    rows = [
        row
        for run, table in (
            (candidate_sets.run, set_table(set_specs(compared))),
            (run_classes, set_table(class_specs(quick, compared))),
        )
        for row in _chosen(setting, run, table, compared.last)
    ]
    return {
        "what": "Validation accuracy (%) of the methods on candidate sets of digits, by rate",
        "protocol": {
            "validation digits": VALIDATION,
            "tuning_seeds": list(TUNING_SEEDS),
            "rule": f"best mean of the last {compared.last} epochs",
        },
        "rows": rows,
    }


def _chosen(
    setting: Setting, run: Any, table: Mapping[tuple[str, str], Any], last: int
) -> list[dict[str, Any]]:
    trials = {
        (key, rate): _trial(spec, rate) for key, spec in table.items() for rate in LEARNING_RATES
    }
    found = setting.repeat(run, trials, TUNING_SEEDS)
    rows = []
    for task, name in table:
        scores = {
            rate: candidate_sets.scores(found[(task, name), rate], last, "val_accuracy").round(2)
            for rate in LEARNING_RATES
        }
        validation = {f"{rate:g}": values.tolist() for rate, values in scores.items()}
        tried = {"setting": "learning rate", "chosen": best(scores), "validation": validation}
        rows.append({"row": f"{task}, {name}", "task": task, "method": name, "tried": [tried]})
    return rows


def _trial(spec: Any, rate: float) -> Any:
    held_out = options(**dict(spec.data_options) | {"val": VALIDATION})
    optimiser = replace(spec.optimiser, lr=rate)
    return replace(spec, data_options=held_out, optimiser=optimiser, track=())


# -- the record, read -----------------------------------------------------------------------------


def rates(record: Mapping[str, Any] | None) -> Rates:
    """(task, method) -> the chosen learning rate; empty without a record."""
    rows = record["rows"] if record else ()
    return {(row["task"], row["method"]): row["tried"][0]["chosen"] for row in rows}


def choice_table(record: Mapping[str, Any] | None, tasks: Sequence[str]) -> pd.DataFrame:
    """The chosen rates, methods x tasks; a star marks an end of what was tried."""
    chosen = rates(record)
    ends = {min(LEARNING_RATES), max(LEARNING_RATES)}
    return pd.DataFrame(
        {
            task: {
                name: f"{chosen[task, name]:g}" + "*" * (chosen[task, name] in ends)
                for name in (SUPERVISED, *PARTIAL)
                if (task, name) in chosen
            }
            for task in tasks
        }
    )
