"""The recorded runs of the chapter on *Meta Objective Guided Disambiguation*."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from chapters.mogd import runs
from chapters.mogd.runs import RATES, RULE, Spec
from weaklabels.lab.candidate_sets import scores
from weaklabels.lab.candidate_setting import present
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record
from weaklabels.lab.tuned import best
from weaklabels.train import OptimiserSpec

CHOOSING = (*runs.COMPARATORS, "MoGD", runs.CLEAN_ONLY)
"""Rows that choose a learning rate; those with "+v" take that of the plain row."""


def tuning(chapter: Setting) -> dict[str, Any]:
    """The learning rates on digits, chosen anew."""
    base = runs.settings(replace(chapter, profile="quick"))
    tried = {
        kind: replace(base.sets[name], data_options=options(test=500, val=300))
        for kind, name in runs.TUNED_ON.items()
    }
    rows = []
    for kind, spec in tried.items():
        found = _tried(chapter, spec, runs.TUNING_SEEDS, base.last)
        rows += [{"kind": kind, **row} for row in found]
    return {
        "what": "Learning rates on digits, by kind of candidate sets and row",
        "rule": RULE,
        "values": list(RATES),
        "rows": rows,
    }


def _tried(chapter: Setting, spec: Spec, seeds: Sequence[int], last: int) -> list[dict[str, Any]]:
    """Validation accuracies of every row that chooses, by rate, and the choice."""
    table = {
        (row, rate): replace(varied, optimiser=replace(varied.optimiser, lr=rate))
        for row, varied in runs.rows(spec, CHOOSING).items()
        for rate in RATES
    }
    found = chapter.repeat(runs.run, table, seeds)
    lines = []
    for row in CHOOSING:
        values = {rate: scores(found[row, rate], last, "val_accuracy") for rate in RATES}
        means = [round(float(each.mean()), 2) for each in values.values()]
        lines.append({"row": row, "chosen": best(values), "validation": means})
    return lines


# -- real-world sets ------------------------------------------------------------------------------

CLEAN_SHARE = 0.1
"""Share of the training set whose true labels are known, drawn at random."""

EPOCHS = {"lost": 180, "msrcv2": 120, "birdsong": 45}
"""About 1,400 steps each."""

REAL_TUNING_SEEDS = runs.TUNING_SEEDS[:2]
CURVES = ("test_accuracy", "auc", "true weight", "clean loss")


def real_spec(name: str, data_root: str) -> Spec:
    """The protocol on a real-world set: random 80/20 splits, a tenth of the training part clean."""
    return Spec(
        "MoGD",
        dataset="partial_label",
        data_options=options(which=name),
        data_root=data_root,
        candidates="given",
        network="mlp",
        epochs=EPOCHS[name],
        batch_size=128,
        optimiser=OptimiserSpec("sgd", lr=0.1, weight_decay=1e-4),
        clean_share=CLEAN_SHARE,
    )


def real_sets(chapter: Setting) -> dict[str, Any]:
    """Real candidate sets: each row at the rate chosen on validation data of other splits."""
    rows, choices = [], []
    for name in runs.REAL:
        if not present("partial_label", chapter.data_root, which=name):
            continue
        base = real_spec(name, chapter.data_root)
        trial = replace(base, data_options=options(which=name, validation=0.1))
        chosen = _tried(chapter, trial, REAL_TUNING_SEEDS, 10)
        choices += [{"dataset": name, **row} for row in chosen]
        groups = chapter.repeat(runs.run, at_rates(base, {c["row"]: c["chosen"] for c in chosen}))
        rows += [
            {"dataset": name, "row": row, "seed": record.spec.seed} | _kept(record)
            for row, records in groups.items()
            for record in records
        ]
    return {
        "what": "Real-world partial-label sets, a tenth of the training examples clean",
        "settings": {
            "network": "MLP d-500-classes",
            "epochs": EPOCHS,
            "batch size": 128,
            "optimiser": "SGD with momentum, learning rate per set and row by validation accuracy "
            "of two further splits",
            "score": "mean of the last 10 epochs",
        },
        "rows": rows,
        "choices": choices,
    }


def at_rates(base: Spec, rates: Mapping[str, float]) -> dict[str, Spec]:
    """All rows of the tables, each at its rate; one with "+v" at that of the plain row."""
    return {
        name: replace(spec, optimiser=replace(spec.optimiser, lr=rates[name.removesuffix(" +v")]))
        for name, spec in runs.rows(base, runs.ROWS).items()
    }


def _kept(record: Record) -> dict[str, float]:
    """Means of the last epochs, and the weight at which all true labels start."""
    kept = {
        curve: round(float(scores([record], 10, curve)[0]), 4)
        for curve in CURVES
        if curve in record.values
    }
    return kept | {"uniform": round(float(record["uniform"]), 4)}


RECORDS: dict[str, Callable[[Setting], dict[str, Any]]] = {
    "tuning": tuning,
    "real_sets": real_sets,
}
"""Recorded result -> function that computes its content."""
