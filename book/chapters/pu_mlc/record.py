"""What the chapter on PU-MLC records: the choice of the learning rates, on validation scenes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from chapters.pu_mlc.runs import (
    ABLATION,
    ABLATION_PERCENTS,
    FULL,
    MAIN,
    ON_SCENES,
    PERCENTS,
    PRETRAINED,
    RATE_SEEDS,
    RATES,
    rate_settings,
    run,
    specify,
)
from weaklabels.lab.setting import Setting


def choices() -> list[tuple[str, int]]:
    """(method, percent) pairs whose learning rate is chosen."""
    pairs = [(name, percent) for name in MAIN for percent in PERCENTS]
    pairs += [(name, 100) for name in FULL]
    pairs += [(name, percent) for name in ABLATION for percent in ABLATION_PERCENTS]
    return list(dict.fromkeys([*pairs, *((name, 10) for name in PRETRAINED)]))


def choose_rates(chapter: Setting) -> dict[str, Any]:
    """Train everything at every rate; the rate with the best mean validation mAP wins.

    Returns:
        The record: ``settings``, ``validation`` (method -> percent -> rate -> mAP in percent, last
        epoch, mean over seeds), ``chosen`` (method -> percent -> rate).
    """
    base = replace(ON_SCENES, device=chapter.device)
    specs = {
        (name, percent, lr): replace(specify(base, name, percent, lr), track=())
        for name, percent in choices()
        for lr in RATES
    }
    validation: dict[str, dict[str, dict[str, float]]] = {}
    for (name, percent, lr), records in chapter.repeat(run, specs, RATE_SEEDS).items():
        reached = np.mean([record["val_ap"][-1].mean() for record in records])
        row = validation.setdefault(name, {}).setdefault(str(percent), {})
        row[str(lr)] = round(float(reached), 2)
    return {
        "what": "Validation mAP (%) on scenes by learning rate, last epoch, mean over seeds",
        "settings": rate_settings(),
        "validation": validation,
        "chosen": {
            name: {percent: float(max(row, key=row.get)) for percent, row in rows.items()}
            for name, rows in validation.items()
        },
    }


RECORDS: dict[str, Callable[[Setting], dict[str, Any]]] = {"rates": choose_rates}
