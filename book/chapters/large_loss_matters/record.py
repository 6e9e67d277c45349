"""What the chapter on *Large Loss Matters* records: choices, and runs on real photographs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from chapters.large_loss_matters import tables
from chapters.large_loss_matters.runs import (
    GRIDS,
    LL,
    TABLE_METHODS,
    VOC_RATES,
    settings,
    vary,
)
from weaklabels.lab import photographs, tuned, voc_features
from weaklabels.lab.missing_labels import TUNING_SEEDS, validation_scores
from weaklabels.lab.multilabel import Spec
from weaklabels.lab.setting import Setting

Grids = Mapping[str, tuple[float, ...]]
"""Method -> values tried of its option; 0.002 is the published rate of LL-R and LL-Ct, 0.001 that
of LL-Cp. Without weight or smoothing WAN is BCE on what is known, and LSAN is AN."""

PHOTOGRAPH_GRIDS: Grids = {
    "WAN": (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2),
    "LSAN": (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4),
    "LL-R": (0.00025, 0.00075, 0.002, 0.004, 0.008, 0.016, 0.032),
    "LL-Ct": (0.00025, 0.00075, 0.002, 0.004, 0.008, 0.016, 0.032),
    "LL-Cp": (0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08),
}

FEATURE_GRIDS: Grids = {
    "WAN": (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
    "LSAN": (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4),
    "LL-R": (0.0001, 0.00025, 0.00075, 0.002, 0.004, 0.008, 0.016),
    "LL-Ct": (0.0001, 0.00025, 0.00075, 0.002, 0.004, 0.008, 0.016),
    "LL-Cp": (0.001, 0.005, 0.01, 0.02, 0.03, 0.04, 0.08),
}

NOTES = (
    "The published rates of LL are among those tried. LL-Cp's lowest one corrects one of the 320 "
    "entries of a batch, the least there is.",
    "EPR and ROLE are told the mean number of positives of the training images.",
)

LARGE_BATCH = 160
"""With ten times the paper's batch the published rate of LL-Cp is more than one label a batch."""

LARGE_BATCH_RATES = (*voc_features.LEARNING_RATES, 1.0, 3.0)
"""Fewer steps bear larger ones."""


def rows(base: Spec, grids: Grids) -> dict[str, voc_features.Row]:
    """Row of the table -> its run, and what is chosen of it."""
    return {
        name: voc_features.Row(vary(base, name), GRIDS[name][0], grids[name])
        if name in GRIDS
        else voc_features.Row(vary(base, name))
        for name in TABLE_METHODS
    }


def feature_rows(setting: Setting) -> dict[str, voc_features.Row]:
    """The rows on frozen features, where a run takes seconds."""
    return rows(voc_features.protocol(setting), FEATURE_GRIDS)


def voc2012_features(setting: Setting) -> dict[str, Any]:
    """Test mAP of every method of Table 2, its settings chosen on validation images."""
    return voc_features.record(setting, feature_rows(setting), NOTES)


def large_batches(base: Spec) -> dict[str, voc_features.Row]:
    """Naive AN and LL-Cp with its published rate, in large batches."""
    larger = replace(base, batch_size=LARGE_BATCH)
    return {
        "Naive AN": voc_features.Row(vary(larger, "Naive AN")),
        "LL-Cp": voc_features.Row(vary(larger, "LL-Cp", VOC_RATES["LL-Cp"])),
    }


def voc2012_large_batches(setting: Setting) -> dict[str, Any]:
    """LL-Cp and naive AN on photographs, in batches in which LL-Cp's rate is the published one."""
    return _in_large_batches(setting, voc_features.protocol(setting))


def voc2012_ten_epochs(setting: Setting) -> dict[str, Any]:
    """The same for as many epochs as that rate was published for."""
    return _in_large_batches(setting, replace(voc_features.protocol(setting), epochs=10))


def _in_large_batches(setting: Setting, base: Spec) -> dict[str, Any]:
    compute = partial(voc_features.compute, rates=LARGE_BATCH_RATES)
    found = voc_features.record(setting, large_batches(base), (), compute)
    found["protocol"]["learning_rates_tried"] = list(LARGE_BATCH_RATES)
    del found["differences"]
    what = "Test mAP (%) of naive AN and LL-Cp (published rate) on features of VOC 2012"
    return found | {"what": f"{what}, in batches of {LARGE_BATCH}, {base.epochs} epochs"}


def tuning(setting: Setting) -> dict[str, Any]:
    """The option of every method that has one, chosen on validation scenes of the tuning seeds."""
    base = settings(setting).base
    trials = {
        (method, value): vary(base, method, value)
        for method, (_, values) in GRIDS.items()
        for value in values
    }
    found = validation_scores(setting, trials)
    rows = []
    for method, (option, values) in GRIDS.items():
        scores = {value: found[method, value] for value in values}
        rows.append(
            {
                "method": method,
                "setting": option,
                "chosen": tuned.best(scores),
                "validation": {f"{value:g}": scores[value] for value in values},
            }
        )
    return {
        "what": "Options on scenes: best validation mAP (%) of every value, one number a seed",
        "seeds": list(TUNING_SEEDS),
        "rows": rows,
    }


PHOTOGRAPH_NOTES = (
    "EPR and ROLE are told the mean number of positives of the training images.",
    "There is no linear phase before the training.",
)


def photograph_rows(setting: Setting) -> dict[str, voc_features.Row]:
    """The same rows with the last layers trained; LL also records what it modifies."""
    found = rows(photographs.protocol(setting), PHOTOGRAPH_GRIDS)
    for name in LL:
        spec = found[name].spec
        watched = replace(spec, track=(*spec.track, "modified"))
        found[name] = replace(found[name], spec=watched)
    return found


def on_photographs(setting: Setting) -> dict[str, Any]:
    """Table 2 on photographs, and of the same runs what Figures 1 and 4, Tables 1 and 4 need."""
    return photographs.record(
        setting, photograph_rows(setting), PHOTOGRAPH_NOTES, measures=tables.MEASURES
    )


RECORDS = {
    "tuning": tuning,
    "voc2012_features": voc2012_features,
    "voc2012_large_batches": voc2012_large_batches,
    "voc2012_ten_epochs": voc2012_ten_epochs,
    "photographs": on_photographs,
}
