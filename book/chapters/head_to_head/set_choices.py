"""The learning rate of every method on candidate sets, chosen for every task.

Recorded: the accuracy on validation digits whose labels are true, mean over the last epochs, with
repetitions that no result is reported for. All methods have the same values to choose from. The
same runs are judged by the candidate sets of those digits alone (see ``lab.candidate_criteria``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from chapters.head_to_head.classes import ClassSpec, with_classes
from chapters.head_to_head.runs import (
    PARTIAL,
    SUPERVISED,
    Rates,
    class_specs,
    set_specs,
    set_table,
)
from weaklabels.lab import candidate_criteria, candidate_sets, candidate_setting
from weaklabels.lab.candidate_criteria import CRITERIA, TRUE
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.sweep import RunFunction
from weaklabels.lab.tuned import FIRST_TUNING_SEED, best

LEARNING_RATES = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
TUNING_SEEDS = (FIRST_TUNING_SEED, FIRST_TUNING_SEED + 1)
VALIDATION = 300
"""Digits that are kept back from training while the rates are chosen."""


def judge(spec: candidate_sets.Spec) -> dict[str, Any]:
    """Train, judging on the validation digits by every criterion."""
    return candidate_criteria.train(spec, candidate_sets.load_splits(spec))


def judge_classes(spec: ClassSpec) -> dict[str, Any]:
    """The same on another number of classes."""
    splits = candidate_sets.load_splits(spec)
    splits = with_classes(splits, spec.classes, spec.examples, spec.seed)
    return candidate_criteria.train(spec, splits)


def set_choices(setting: Setting) -> dict[str, Any]:
    """The choice of every task and method.

    Returns:
        ``rows``, one for every task and method, in the form of ``test_tuned``: by every
        ``criterion`` what was ``chosen``, and the ``validation`` score (%) of every rate, one
        number a seed.
    """
    quick = replace(setting, profile="quick")
    compared = candidate_setting.comparison(quick)
    by_set, by_class = set_table(set_specs(compared)), set_table(class_specs(quick, compared))
    return {
        "what": "Validation scores (%) of the methods on candidate sets of digits, by rate",
        "protocol": {
            "validation digits": VALIDATION,
            "tuning_seeds": list(TUNING_SEEDS),
            "rule": f"best mean of the last {compared.last} epochs",
        },
        "rows": [
            *_chosen(setting, judge, by_set, compared.last),
            *_chosen(setting, judge_classes, by_class, compared.last),
        ],
    }


def _chosen(
    setting: Setting, function: RunFunction, table: Mapping[tuple[str, str], Any], last: int
) -> list[dict[str, Any]]:
    trials = {
        (key, rate): _trial(spec, rate) for key, spec in table.items() for rate in LEARNING_RATES
    }
    found = setting.repeat(function, trials, TUNING_SEEDS)
    rows = []
    for task, name in table:
        tried = []
        for criterion, curve in CRITERIA.items():
            scores = {
                rate: candidate_sets.scores(found[(task, name), rate], last, curve).round(2)
                for rate in LEARNING_RATES
            }
            validation = {f"{rate:g}": values.tolist() for rate, values in scores.items()}
            tried.append({"criterion": criterion, "chosen": best(scores), "validation": validation})
        rows.append({"row": f"{task}, {name}", "task": task, "method": name, "tried": tried})
    return rows


def _trial(spec: Any, rate: float) -> Any:
    held_out = options(**dict(spec.data_options) | {"val": VALIDATION})
    optimiser = replace(spec.optimiser, lr=rate)
    return replace(spec, data_options=held_out, optimiser=optimiser, track=())


# -- the record, read -----------------------------------------------------------------------------

SHOWN = (TRUE, "covering rate", "approximated accuracy")
"""Criteria in the order of the tables."""


def rates(record: Mapping[str, Any] | None, criterion: str = TRUE) -> Rates:
    """(task, method) -> the learning rate that a criterion chose; empty without a record."""
    return {key: tried["chosen"] for key, tried in _by(record, criterion).items()}


def _by(record: Mapping[str, Any] | None, criterion: str) -> dict[tuple[str, str], dict[str, Any]]:
    """(task, method) -> what was tried and chosen by a criterion."""
    return {
        (row["task"], row["method"]): tried
        for row in (record["rows"] if record else ())
        for tried in row["tried"]
        if tried["criterion"] == criterion
    }


def favourites(record: Mapping[str, Any], criterion: str) -> dict[str, str]:
    """Task -> the method whose best validation score is the highest, by a criterion."""
    scores: dict[str, dict[str, float]] = {}
    for (task, name), tried in _by(record, criterion).items():
        if name in PARTIAL:
            best_of = max(float(np.mean(values)) for values in tried["validation"].values())
            scores.setdefault(task, {})[name] = best_of
    return {task: max(each, key=each.__getitem__) for task, each in scores.items()}


def choice_table(record: Mapping[str, Any] | None, tasks: Sequence[str]) -> pd.DataFrame:
    """The chosen rates, criteria and methods x tasks; a star marks an end of what was tried."""
    ends = {min(LEARNING_RATES), max(LEARNING_RATES)}
    rows = [(TRUE, SUPERVISED), *((each, name) for each in SHOWN for name in PARTIAL)]
    chosen = {criterion: rates(record, criterion) for criterion in SHOWN}
    cells = {
        (criterion, name): {
            task: f"{rate:g}" + "*" * (rate in ends)
            for task in tasks
            if (rate := chosen[criterion].get((task, name))) is not None
        }
        for criterion, name in rows
    }
    return pd.DataFrame(cells).T.dropna(how="all")
