"""The control of LED on photographs: its students, measured against a teacher that was trained.

The record ``photographs`` measures every student against its own teacher, which for ``CONTROL``
was not trained. Here students are trained again, with the settings of that record and the same
teachers, and all of them are measured against the trained one of their seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from chapters.l2d import photographs
from chapters.l2d.photographs import CONTROL, PhotographSpec
from chapters.l2d.runs import structure_to
from weaklabels.lab import multilabel
from weaklabels.lab.photographs import rated, rounded
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.sweep import remember
from weaklabels.lab.trunk import maps, maps_spec

STUDENTS = ("Vanilla", "LED", CONTROL)
"""What is compared; the first two are trained again so that all have the same teachers."""

NOTES = (
    "Learning rates and weights are those of the record photographs; nothing is chosen here.",
    "Vanilla and LED are trained again beside the control, so that a teacher that rounding makes "
    "another one on another machine is the same for all rows.",
)


def near_trained(spec: PhotographSpec) -> dict[str, Any]:
    """Train a student, and measure it against the trained teacher of its seed.

    Returns:
        ``structure`` (2,), as ``photographs.run`` has it, but to the trained teacher; ``best``,
        test mAP (%), at the best epoch as well.

    Raises:
        ValueError: if the run has no teacher.
    """
    spec = replace(spec, track=("weights",))
    splits, student, teacher = photographs.prepared(replace(spec, untrained=False))
    if teacher is None:
        raise ValueError("the run has no teacher: expected one that is trained or left untrained")
    found = remember(photographs.run, spec)
    multilabel.restore(student, found, "best")
    losses = structure_to(
        student, teacher, splits.test, spec.batch_size, lambda x: x.to(spec.device)
    )
    return {"structure": losses, "best": multilabel.mean_ap_at(found)}


def specs(setting: Setting, rows: photographs.Found) -> dict[str, PhotographSpec]:
    """``STUDENTS`` -> their runs with the settings of the record ``photographs``."""
    first = photographs.teacher_spec(setting)
    student = photographs.student_spec(_with_rate(first, rows["teacher"]))
    untold = {
        name: student if name == "Vanilla" else photographs.distil(student, name)
        for name in STUDENTS
    }
    return {
        name: _with_rate(replace(spec, method_options=options(**rows[name]["options"])), rows[name])
        for name, spec in untold.items()
    }


def _with_rate(spec: PhotographSpec, row: Mapping[str, Any]) -> PhotographSpec:
    return replace(spec, optimiser=rated(spec.optimiser, row["learning_rate"]))


def record(setting: Setting) -> dict[str, Any]:
    """How near ``STUDENTS`` come to the structure of the trained teacher; seeds of ``photographs``.

    Raises:
        ValueError: if that record is missing.
    """
    held = setting.recorded("photographs")
    if held is None:
        raise ValueError("record 'photographs' is missing: expected it for its settings")
    wanted, seeds = specs(setting, photographs.found(held)), held["protocol"]["seeds"]
    base = wanted["Vanilla"]
    # What several processes would want at once is computed before they start.
    setting.run(maps, [maps_spec(each) for each in (base, base.teacher)])
    setting.repeat(photographs.run, {"teacher": base.teacher}, seeds)
    groups = setting.repeat(near_trained, wanted, seeds)
    return {
        "what": "Structure losses CD and ID between students and the trained teacher on test "
        "photographs of VOC 2012, LED with an untrained teacher among them",
        "protocol": {
            "network": base.network,
            "frozen_layers": base.frozen_layers,
            "epochs": base.epochs,
            "batch_size": base.batch_size,
            "seeds": seeds,
            "settings": "as chosen in the record photographs",
        },
        "differences": [*held["differences"], *NOTES],
        "rows": [
            {
                "row": name,
                "method": wanted[name].method,
                "options": dict(wanted[name].method_options),
                "learning_rate": wanted[name].optimiser.lr,
                "best": rounded(np.array([run["best"] for run in runs])),
                "structure": photographs.structure(runs),
            }
            for name, runs in groups.items()
        ],
    }
