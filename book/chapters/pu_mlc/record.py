"""What the chapter on PU-MLC records: the choice of the learning rates, and its studies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from chapters.pu_mlc import photographs, studies
from chapters.pu_mlc.runs import (
    ABLATION,
    ABLATION_PERCENTS,
    FULL,
    MAIN,
    ON_SCENES,
    PERCENTS,
    PRETRAINED,
    RATES,
    TUNING_SEEDS,
    rate_settings,
    run,
    specify,
)
from weaklabels.lab import widen
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
        The record: ``settings``, ``seeds``, ``validation`` (method -> percent -> rate -> mAP in
        percent, last epoch, mean over seeds), ``chosen`` (method -> percent -> rate).
    """
    base = replace(ON_SCENES, device=chapter.device)
    specs = {
        (name, percent, lr): replace(specify(base, name, percent, lr), track=())
        for name, percent in choices()
        for lr in RATES
    }
    validation: dict[str, dict[str, dict[str, float]]] = {}
    for (name, percent, lr), records in chapter.repeat(run, specs, TUNING_SEEDS).items():
        reached = np.mean([record["val_ap"][-1].mean() for record in records])
        row = validation.setdefault(name, {}).setdefault(str(percent), {})
        row[str(lr)] = round(float(reached), 2)
    return {
        "what": "Validation mAP (%) on scenes by learning rate, last epoch, mean over seeds",
        "settings": rate_settings(),
        "seeds": list(TUNING_SEEDS),
        "validation": validation,
        "chosen": {
            name: {percent: float(max(row, key=row.get)) for percent, row in rows.items()}
            for name, rows in validation.items()
        },
    }


def widened_rates(chapter: Setting, content: Mapping[str, Any]) -> dict[str, Any]:
    """``choose_rates`` with rates added where a chosen one stands at an end."""
    base = replace(ON_SCENES, device=chapter.device)
    found: dict[str, Any] = {"validation": {}, "chosen": {}}
    for name, percent in choices():

        def score(rate: float, name: str = name, percent: int = percent) -> dict[str, Any]:
            spec = replace(specify(base, name, percent, rate), track=())
            (records,) = chapter.repeat(run, {"": spec}, TUNING_SEEDS).values()
            reached = np.mean([record["val_ap"][-1].mean() for record in records])
            return {"validation": {rate: round(float(reached), 2)}}

        choice = {key: content[key][name][str(percent)] for key in ("validation", "chosen")}
        for key, value in widen.inside(choice, widen.RATES, score).items():
            found[key].setdefault(name, {})[str(percent)] = value
    return {**content, **found}


def voc2012_features(setting: Setting) -> dict[str, Any]:
    """Linear heads on features of photographs (see ``studies.features``)."""
    rows = studies.features(setting)
    return {
        "what": "Test mAP (%) of linear heads on features of VOC 2012, by known percent",
        **studies.common_part(next(iter(rows.values()))),
        "rows": studies.compare(setting, rows, studies.FEATURE_RATES),
    }


def context(setting: Setting) -> dict[str, Any]:
    """A task in which another place decides (see ``studies.context``)."""
    return {
        "what": "Test mAP (%) where a class counts if a scene holds two digits of it",
        "rows": studies.compare(setting, studies.context(setting)),
    }


def heads(setting: Setting) -> dict[str, Any]:
    """The graph head, for a rival as well (see ``studies.heads``)."""
    return {
        "what": "Test mAP (%) on scenes with 10 % of the labels known, by head of the network",
        "rows": studies.compare(setting, studies.heads(setting), studies.HEAD_RATES),
    }


def invented(setting: Setting) -> dict[str, Any]:
    """Absent classes marked present, at rates chosen with them (see ``studies.invented``)."""
    return {
        "what": "Test mAP (%) on scenes with all labels known, by percent of invented positives",
        "rows": studies.compare(setting, studies.invented(setting), studies.HEAD_RATES),
    }


RECORDS: dict[str, Callable[[Setting], dict[str, Any]]] = {
    "rates": choose_rates,
    "voc2012_features": voc2012_features,
    "photographs": photographs.record,
    "context": context,
    "heads": heads,
    "invented": invented,
}

WIDENED = {"rates": widened_rates}
