"""The recorded result of the chapter: which views suit which method."""

from __future__ import annotations

from typing import Any

from chapters.bldr import runs
from chapters.bldr.tables import last
from weaklabels.lab.noisy_labels import run
from weaklabels.lab.setting import Setting
from weaklabels.lab.tuned import FIRST_TUNING_SEED, best

SEEDS = 20
TUNING_SEEDS = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + 3)


def tuning(setting: Setting) -> dict[str, Any]:
    """Accuracy at the last epoch by method and strength of its views."""
    specs = {
        (name, strength): spec
        for name in runs.TUNED_METHODS
        for strength, spec in runs.tuning(setting, name).items()
    }
    records = setting.repeat(run, specs, TUNING_SEEDS)
    rows = []
    for name in runs.TUNED_METHODS:
        scores = {
            strength: [round(float(value), 2) for value in last(records[name, strength])]
            for strength in runs.VIEWS
        }
        rows.append({"method": name, "chosen": best(scores), "accuracy": list(scores.values())})
    return {
        "what": "Accuracy (%) on held-out digits at the last epoch, by the strength of the views",
        "noise": "symmetric",
        "seeds": list(TUNING_SEEDS),
        "strengths": list(runs.VIEWS),
        "rows": rows,
    }


RECORDS = {"tuning": tuning}
