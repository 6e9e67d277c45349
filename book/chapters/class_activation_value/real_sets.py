"""Real candidate sets by the protocol of the benchmark PLENCH, and choices that need no truth.

PLENCH (Wang et al., *Realistic Evaluation of Deep Partial-Label Learning Algorithms*, ICLR 2025;
its code was read) trains on whole batches only, for a number of steps, and judges settings on a
validation part that keeps its candidate sets (see ``lab.candidate_criteria``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from chapters.class_activation_value.runs import GRID, SETS, TUNING_SEEDS, real_world_spec
from chapters.class_activation_value.tables import choice_text, or_note, recorded_scores
from weaklabels.lab import candidate_criteria, candidate_setting
from weaklabels.lab.candidate_criteria import CRITERIA
from weaklabels.lab.candidate_sets import Spec, load_splits, scores
from weaklabels.lab.candidate_setting import COMPARATORS, present
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.press.claims import mean_std
from weaklabels.train import OptimiserSpec

EPOCHS = {"lost": 143, "msrcv2": 91, "birdsong": 32}
"""Set -> 1,000 steps in whole batches of 128, rounded to epochs."""

TEST, VALIDATION = 0.1, 0.09
"""Shares of all examples: a tenth tests, and a tenth of the rest validates."""

SETTING = OptimiserSpec("adam", lr=1e-3, weight_decay=1e-5)
"""PLENCH's setting for all methods."""

PLENCH_ROWS = {
    "CC": "CC",
    "PRODEN": "RC",
    "CAVL": "CAVL, official masking",
    "CAVL, candidates only": "CAVL",
}
"""Row -> the row of our tables that does what PLENCH's code does: its PRODEN takes new weights
after the step, as RC does, and its CAVL masks as the authors' code. The last row is ours."""

RANKED = (*COMPARATORS, "CAVL")

DIFFERENCES = (
    "Features are standardised with the statistics of the training part; PLENCH's code takes those "
    "of all examples.",
    "1,000 steps are rounded to whole epochs. PLENCH's own runs have 60,000.",
)


def run(spec: Spec) -> dict[str, Any]:
    """Train in whole batches; what is left of an epoch's shuffled examples is not seen in it.

    Returns:
        What ``candidate_criteria.train`` does.
    """
    splits, size = load_splits(spec), spec.batch_size
    count = len(splits.train)

    def whole(order: torch.Generator) -> Iterable[Tensor]:
        batches = torch.randperm(count, generator=order).split(size)
        return [batch for batch in batches if len(batch) == size]

    return candidate_criteria.train(spec, splits, batches=whole, steps=count // size)


# -- records --------------------------------------------------------------------------------------


def base_spec(name: str, data_root: str) -> Spec:
    """PLENCH's protocol on a real-world set: MLP of 500 units, batches of 128, 1,000 steps.

    The tables are small: whatever the setting's device, the CPU computes.
    """
    return replace(
        real_world_spec(name, "mlp", data_root),
        data_options=options(which=name, test=TEST, validation=VALIDATION),
        epochs=EPOCHS[name],
        optimiser=SETTING,
    )


def here(setting: Setting) -> dict[str, Spec]:
    """The runs to be varied, of those sets that are there."""
    return {
        name: base_spec(name, setting.data_root)
        for name in EPOCHS
        if present("partial_label", setting.data_root, which=name)
    }


def plench(setting: Setting) -> dict[str, Any]:
    """CC, PRODEN and CAVL on real sets by the protocol of the benchmark PLENCH."""
    rows, data = [], {}
    for name, base in here(setting).items():
        data[name] = counts(base)
        table = {label: candidate_setting.vary(base, row) for label, row in PLENCH_ROWS.items()}
        rows += [
            {"dataset": name, "method": label, "seed": record.spec.seed, "test": _last(record)}
            for label, records in setting.repeat(run, table).items()
            for record in records
        ]
    return {
        "what": "Test accuracy (%) on real-world sets by the protocol of PLENCH",
        "protocol": _protocol() | {"optimiser": "Adam, lr 1e-3, weight decay 1e-5, for all"},
        "data": data,
        "differences": list(DIFFERENCES),
        "rows": rows,
    }


def selection(setting: Setting) -> dict[str, Any]:
    """The ranking on real sets, settings chosen on candidate labels or on true ones."""
    rows, choices, data = [], [], {}
    for name, base in here(setting).items():
        data[name] = counts(base)
        chosen = _chosen(setting, base)
        choices += [{"dataset": name, **choice} for choice in chosen]
        table = {
            (choice["criterion"], choice["method"]): _at(
                candidate_setting.vary(base, choice["method"]), choice
            )
            for choice in chosen
        }
        rows += [
            {"dataset": name, "criterion": criterion, "method": method}
            | {"seed": record.spec.seed, "test": _last(record)}
            for (criterion, method), records in setting.repeat(run, table).items()
            for record in records
        ]
    return {
        "what": "Test accuracy (%) on real-world sets, by what learning rate and decay are "
        "chosen by",
        "protocol": _protocol()
        | {
            "choice": "learning rate and weight decay of Adam per set, method and criterion, by "
            "the criterion on the validation part after the last epoch, mean of three splits "
            f"(numbered {min(TUNING_SEEDS)} to {max(TUNING_SEEDS)}) that are not reported"
        },
        "data": data,
        "differences": [
            *DIFFERENCES,
            "PLENCH draws 20 settings at random and chooses among them, and among the states of "
            f"a run, on the split that is reported; here {len(GRID)} settings of a grid are tried "
            "for every method on other splits, and the last state is taken.",
        ],
        "tried": [{"lr": each.lr, "weight_decay": each.weight_decay} for each in GRID],
        "choices": choices,
        "rows": rows,
    }


def _protocol() -> dict[str, Any]:
    return {
        "split": "a tenth of the examples tests, a tenth of the rest validates; drawn anew for "
        "every seed",
        "network": "MLP d-500-classes, ReLU",
        "batches": "128, the rest of an epoch left out",
        "epochs": EPOCHS,
        "score": "after the last epoch",
    }


def _chosen(setting: Setting, base: Spec) -> list[dict[str, Any]]:
    """The best optimiser of each method by each criterion, and what all of them reached."""
    table = {
        (method, optimiser): replace(candidate_setting.vary(base, method), optimiser=optimiser)
        for method in RANKED
        for optimiser in GRID
    }
    trials = setting.repeat(run, table, TUNING_SEEDS)
    choices = []
    for criterion, curve in CRITERIA.items():
        for method in RANKED:
            found = [scores(trials[method, each], 1, curve).mean() for each in GRID]
            best = GRID[int(np.argmax(found))]
            choices.append(
                {
                    "criterion": criterion,
                    "method": method,
                    "lr": best.lr,
                    "weight_decay": best.weight_decay,
                    "validation": [round(float(value), 2) for value in found],
                }
            )
    return choices


def _at(spec: Spec, choice: dict[str, Any]) -> Spec:
    lr, decay = choice["lr"], choice["weight_decay"]
    return replace(spec, optimiser=OptimiserSpec("adam", lr=lr, weight_decay=decay))


def _last(record: Any) -> float:
    return round(float(record["test_accuracy"][-1]), 3)


def counts(spec: Spec) -> dict[str, Any]:
    """What a set holds, in the split of the spec's seed."""
    splits = load_splits(spec)
    sets = np.asarray(splits.train.extra["candidates"])
    return {
        "training examples": len(splits.train),
        "validation examples": len(splits.validation()),
        "test examples": len(splits.test),
        "features": splits.train.x.shape[1],
        "classes": len(splits.classes),
        "mean candidates": round(float(sets.sum(1).mean()), 2),
    }


# -- the records, read ----------------------------------------------------------------------------


def selection_table(found: Mapping[str, Mapping[str, Mapping[str, np.ndarray]]]) -> pd.DataFrame:
    """Mean and spread of test accuracies: set and criterion x methods.

    Args:
        found: criterion -> set -> method -> ``(seeds,)``.
    """
    rows = {
        (name, criterion): {method: mean_std(values) for method, values in each.items()}
        for criterion, sets in found.items()
        for name, each in sets.items()
    }
    return or_note(pd.DataFrame(rows).T.sort_index(level=0, sort_remaining=False))


def recorded_selection(
    record: Mapping[str, Any] | None,
) -> dict[str, dict[str, dict[str, np.ndarray]]]:
    """Recorded test accuracies: criterion -> set -> method -> ``(seeds,)``; none without one."""
    rows = record["rows"] if record else []
    return {
        criterion: {
            SETS[which]: recorded_scores(rows, dataset=which, criterion=criterion)
            for which in dict.fromkeys(row["dataset"] for row in rows)
        }
        for criterion in dict.fromkeys(row["criterion"] for row in rows)
    }


def selection_choices(record: Mapping[str, Any] | None) -> pd.DataFrame:
    """What each method chose by each criterion, one row a set and criterion."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for each in record["choices"] if record else ():
        row = rows.setdefault((SETS[each["dataset"]], each["criterion"]), {})
        row[each["method"]] = choice_text(each)
    return or_note(pd.DataFrame(rows).T)
