"""What the chapter on *Acknowledging the Unknown* records."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chapters.acknowledging_the_unknown.runs import ROWS, VOC_CHOICES, Benchmark, vary
from chapters.acknowledging_the_unknown.study import STUDY_SEEDS, TUNING_SEEDS, study_apl, tune
from weaklabels.lab import voc_features
from weaklabels.lab.multilabel import Spec
from weaklabels.lab.setting import Setting

NOTES = (
    "EM and EM+APL: the published alpha 0.2, beta 0.02 and theta 0.9; the warm-up is rescaled "
    "from 5 of 10 epochs to 12 of 25.",
    "Strengths of DW, L1R, L2R, LS, N-LS, EntMin, Focal and ASL are this book's defaults: the "
    "paper's were not found.",
    "ROLE is told the mean number of positives of the training images. ROLE+LI is left out: "
    "on frozen features there is no second phase.",
)


def rows(base: Spec) -> dict[str, Spec]:
    """Row of the table on VOC features -> its run.

    ROLE+LI is the end-to-end phase after a linear one: there is none on frozen features.
    """
    choices = replace(VOC_CHOICES, warm_up=base.epochs // 2)
    benchmark = Benchmark("VOC, frozen features", base, choices, base.epochs)
    return {row: vary(benchmark, row) for row in ROWS if row != "ROLE+LI"}


def voc2012_features(setting: Setting) -> dict[str, Any]:
    """Test mAP of every row, with its learning rate chosen on validation images."""
    return voc_features.record(setting, rows(voc_features.protocol(setting)), NOTES)


def tuning(setting: Setting) -> dict[str, Any]:
    """Hyper-parameters of every row, chosen on validation scenes."""
    return {
        "what": "Hyper-parameters on scenes: best validation mAP and its test mAP (%), mean of "
        "seeds",
        "seeds": list(TUNING_SEEDS),
        "rows": tune(setting),
    }


def apl(setting: Setting) -> dict[str, Any]:
    """What APL adds to EM, under many settings."""
    return {
        "what": "EM+APL minus EM on scenes, test mAP (points), paired by seed, 95 % t-intervals",
        "seeds": list(STUDY_SEEDS),
        "rows": study_apl(setting),
    }


RECORDS = {"tuning": tuning, "apl": apl, "voc2012_features": voc2012_features}
