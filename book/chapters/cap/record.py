"""What is recorded of the CAP chapter: how its settings were tuned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chapters.cap import runs
from weaklabels.lab.setting import Setting
from weaklabels.lab.tuned import best
from weaklabels.lab.two_stage import Spec, run

SEEDS = 20
TUNING_SHARE = 0.05


def tuning(setting: Setting) -> dict[str, Any]:
    """Choose the labelled batch of every method, then, with that, its own dial."""
    base = runs.base_spec(replace(setting, profile="quick"), TUNING_SHARE)
    methods = {}
    for name, dial in runs.DIALS.items():
        batches = _validation(setting, runs.tuning_table(base, name))
        batch = int(best(batches))
        own = _validation(setting, runs.tuning_table(base, name, batch))
        methods[name] = {
            "labelled batch": {"validation": _readable(batches), "chosen": batch},
            dial.setting: {"validation": _readable(own), "chosen": best(own)},
        }
    return {
        "what": "Validation mAP (%) at the last epoch by setting, one value a tuning seed",
        "share": TUNING_SHARE,
        "seeds": [*runs.TUNING_SEEDS],
        "methods": methods,
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
