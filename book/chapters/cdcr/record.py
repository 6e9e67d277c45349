"""What is recorded of the CDCR chapter: how length and rate of the training were tuned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chapters.cdcr import runs
from weaklabels.lab.setting import Setting
from weaklabels.lab.tuned import best
from weaklabels.lab.two_stage import Spec, run


def tuning(setting: Setting) -> dict[str, Any]:
    """Choose the epochs of the warm-up, then, with them, the learning rate, for every method."""
    base = runs.settings(replace(setting, profile="quick"))[runs.TUNING_RATE]
    found = {}
    for kind, spec in zip(runs.KINDS, (base, runs.many_classes(base)), strict=True):
        rate = spec.optimiser.lr
        found[kind] = {}
        for name in runs.TUNED_METHODS:
            method = runs.vary(spec, name)
            lengths = _validation(
                setting, {n: runs.with_schedule(method, n, rate) for n in runs.WARM_UPS}
            )
            epochs = int(best(lengths))
            rates = _validation(
                setting, {r: runs.with_schedule(method, epochs, r) for r in runs.LEARNING_RATES}
            )
            found[kind][name] = {
                "epochs of the warm-up": {"validation": _readable(lengths), "chosen": epochs},
                "learning rate": {"validation": _readable(rates), "chosen": best(rates)},
            }
    return {
        "what": "Validation mAP (%) at the last epoch by setting, one value a tuning seed",
        "seeds": [*runs.TUNING_SEEDS],
        "scenes": found,
    }


def _validation(setting: Setting, table: dict[float, Spec]) -> dict[float, list[float]]:
    records = setting.repeat(run, table, runs.TUNING_SEEDS)
    return {
        value: [round(float(record["val_ap"][-1].mean()), 3) for record in group]
        for value, group in records.items()
    }


def _readable(scores: dict[float, list[float]]) -> dict[str, list[float]]:
    return {f"{value:g}": each for value, each in scores.items()}


RECORDS = {"tuning": tuning}
