"""The pilot experiment on colour photographs: CIFAR-10, and the paper's network with few layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from chapters.class_activation_value.runs import TUNING_SEEDS, labelled
from chapters.class_activation_value.tables import or_note
from weaklabels.lab.candidate_sets import Spec, load_splits, run, scores
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record
from weaklabels.lab.tuned import best
from weaklabels.train import OptimiserSpec

DEPTH, TRAIN, BATCH_SIZE, EPOCHS, TRIAL_EPOCHS = 8, 5_000, 64, 20, 6
LATE = 4
"""Epochs of averaging before the maps guide, in a row of its own: 316 steps."""

ROWS = ("IM-avg", "CAM", "CAVL", f"CAM, T0 = {LATE}")
RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
TRIED = TUNING_SEEDS[:2]
VALIDATION, SPLIT_SEED = 0.1, 1200

CURVES = (
    "train_accuracy",
    "test_accuracy",
    "select IM-max",
    "select CAV",
    "select CAV, first form",
    "select CAM, count",
    "select CAM, relu_sum",
    "select CAM, max",
    "select CAM, raw_mean",
    "window inside",
)
"""What is kept of a run: one value an epoch, in percent."""

LAST = 5
"""A score is the mean over so many last epochs."""

DIFFERENCES = (
    f"{TRAIN:,} training images, drawn anew for every seed from those of CIFAR-10 that are at hand "
    "(see data); the paper trains on 50,000.",
    f"ResNet-{DEPTH}: the paper's ResNet-32 with one block a stage. Its maps have 8 x 8 positions, "
    "as there.",
    f"{EPOCHS} epochs; the paper trains for 250.",
)


def base_spec(setting: Setting) -> Spec:
    """The run that the rows vary: uniform sets, no augmentation."""
    return Spec(
        "IM-avg",
        dataset="cifar10",
        data_root=setting.data_root,
        data_options=options(seed=SPLIT_SEED),
        train_size=TRAIN,
        inputs="standard",
        candidates="uniform",
        network="cifar_resnet",
        network_options=options(depth=DEPTH),
        epochs=EPOCHS,
        batch_size=BATCH_SIZE,
        optimiser=OptimiserSpec("adam", weight_decay=1e-4),
        track=("values", "maps"),
        device=setting.device,
    )


def cifar10(setting: Setting) -> dict[str, Any]:
    """The pilot on photographs: each row at the learning rate chosen for it."""
    base = base_spec(setting)
    choices = _choices(setting, base)
    rates = {choice["method"]: choice["chosen"] for choice in choices}
    table = {label: _at(labelled(base, label), rates[label]) for label in ROWS}
    groups = setting.repeat(run, table)
    return {
        "what": "The pilot experiment on CIFAR-10, uniform candidate sets",
        "protocol": {
            "network": f"ResNet-{DEPTH} for small images, global average pooling",
            "candidate sets": "uniform, drawn anew for every seed",
            "inputs": "mean 0 and variance 1 of each channel, no augmentation",
            "epochs": EPOCHS,
            "batch size": BATCH_SIZE,
            "optimiser": "Adam, weight decay 1e-4",
            "choice": f"learning rate of each row by validation accuracy on true labels, mean of "
            f"{len(TRIED)} repetitions (numbered from {TRIED[0]}) of {TRIAL_EPOCHS} epochs, their "
            "last one; a tenth of the training images validates",
            "score": f"mean of the last {LAST} epochs",
        },
        "data": counts(base),
        "differences": list(DIFFERENCES),
        "tried": list(RATES),
        "choices": choices,
        "rows": [
            {"method": label, "seed": record.spec.seed} | _kept(record)
            for label, records in groups.items()
            for record in records
        ],
    }


def _at(spec: Spec, rate: float) -> Spec:
    return replace(spec, optimiser=replace(spec.optimiser, lr=rate))


def _choices(setting: Setting, base: Spec) -> list[dict[str, Any]]:
    """Validation accuracy of each row by learning rate, and the choice."""
    trial = replace(
        base,
        data_options=options(seed=SPLIT_SEED, validation=VALIDATION),
        epochs=TRIAL_EPOCHS,
        track=(),
    )
    table = {(row, rate): _at(labelled(trial, row), rate) for row in ROWS for rate in RATES}
    found = setting.repeat(run, table, TRIED)
    choices = []
    for row in ROWS:
        values = {rate: scores(found[row, rate], 1, "val_accuracy") for rate in RATES}
        means = [round(float(each.mean()), 2) for each in values.values()]
        choices.append({"method": row, "chosen": best(values), "validation": means})
    return choices


def _kept(record: Record) -> dict[str, Any]:
    curves = {name: _rounded(record[name]) for name in CURVES}
    return {"chance": round(float(record["chance"]), 3), **curves}


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(float(value), 2) for value in values]


def counts(spec: Spec) -> dict[str, Any]:
    """How many photographs there are, and how many train."""
    splits = load_splits(replace(spec, train_size=None))
    return {
        "training images": spec.train_size,
        "drawn from": len(splits.train),
        "test images": len(splits.test),
        "pixels": "32 x 32, RGB",
    }


# -- the record, read -----------------------------------------------------------------------------


def recorded_pilot(
    record: Mapping[str, Any] | None,
) -> dict[str, list[dict[str, np.ndarray]]]:
    """The recorded runs, one a seed, by row of the table; none without a record."""
    found: dict[str, list[dict[str, np.ndarray]]] = {}
    for row in record["rows"] if record else ():
        kept = {name: np.array(row[name]) for name in (*CURVES, "chance")}
        found.setdefault(row["method"], []).append(kept)
    return found


def rate_table(record: Mapping[str, Any] | None) -> pd.DataFrame:
    """Validation accuracy (%) of a record's rows by learning rate; the chosen one is starred."""
    lines = {
        choice["method"]: {
            f"{rate:g}": f"{value:.1f}" + ("*" if rate == choice["chosen"] else "")
            for rate, value in zip(record["tried"], choice["validation"], strict=True)
        }
        for choice in (record["choices"] if record else ())
    }
    return or_note(pd.DataFrame(lines).T)
