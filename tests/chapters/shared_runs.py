"""Small runs of protocols that train by ``lab.execute``, all as one run: the processes that work on
them together are started once."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chapters.l2d import runs as l2d
from chapters.mogd import runs as mogd
from chapters.stability_attacks import runs as attacks

from weaklabels.lab import candidate_sets, multilabel, noisy_labels, two_stage
from weaklabels.lab.spec import Options, options
from weaklabels.lab.store import Record, Store
from weaklabels.train import OptimiserSpec

SCENES = {"data_options": options(train=50, val=20, test=21), "epochs": 2}
DIGITS = {"data_options": options(test=1700), "epochs": 2, "batch_size": 15}
PLAIN = options(width=8, batch_norm=False)
"""Batch normalisation on CPUs sees the part of a batch that a process works on."""

LARGE_LOSSES = multilabel.Spec(
    "LL-Cp",
    options(rate=0.02),
    network_options=PLAIN,
    average=0.8,
    track=("weights", "modified", "pointing"),
    checkpoint=True,
    **SCENES | {"epochs": 3},
)
PENALTY = replace(
    LARGE_LOSSES, method="L2R", method_options=options(weight=1e-3), track=(), checkpoint=False
)
SETS = candidate_sets.Spec("PRODEN", candidates="flip", q=0.3, track=("weights",), **DIGITS)
WRONG = noisy_labels.Spec(
    "GCE", network_options=options(hidden=(8,), inputs=64), constant_epochs=1, **DIGITS
)
STAGES = two_stage.Spec(
    "CAP",
    options(warm_up=0),
    annotation="labelled share",
    annotation_options=options(share=0.5),
    network_options=PLAIN,
    warm_up=two_stage.Stage(epochs=1, batch_size=9),
    weak=(("noise", 0.05),),
    strong=(("noise", 0.3),),
    batch_size=9,
    labelled_batch=4,
    optimiser=OptimiserSpec("adamw", lr=1e-3, weight_decay=1e-4, warm_up=0.2),
    **SCENES,
)


def decoder(width: int) -> Options:
    """Options of a network of so many channels, whose embeddings differ from image to image."""
    body = options(width=width, depth=1, patch=8, stride=8, batch_norm=False, normalise=(0.12, 0.3))
    return options(
        backbone="patch_net", backbone_options=body, width=8, heads=2, hidden=8, dropout=0.0
    )


TEACHER = l2d.Spec(
    "Vanilla",
    network="label_decoder",
    network_options=decoder(32),
    optimiser=OptimiserSpec(lr=1e-2),
    track=("weights",),
    **SCENES,
)
STUDENT = replace(TEACHER, network_options=decoder(16), teacher=TEACHER)
FOLLOWED = ("embeddings", "scores")
CLEAN = mogd.Spec(
    "MoGD",
    candidates="flip",
    q=0.3,
    network_options=options(hidden=(8,)),
    clean=1,
    use="judge",
    **DIGITS,
)
ATTACKED = attacks.Spec(
    network_options=options(inputs=64, hidden=(8,)), steps=2, test_steps=2, **DIGITS
)
RUNS = {
    "large losses": (multilabel.run, LARGE_LOSSES),
    "a penalty": (multilabel.run, PENALTY),
    "candidate sets": (candidate_sets.run, SETS),
    "noisy labels": (noisy_labels.run, WRONG),
    "two stages": (two_stage.run, STAGES),
    "an untrained teacher": (l2d.near_trained, replace(STUDENT, method="MLD", untrained=True)),
    "distillation": (l2d.run, l2d.distil(STUDENT, "MLD", 10.0, track=FOLLOWED)),
    "distances": (l2d.run, l2d.distil(STUDENT, "RKD", 1.0, track=FOLLOWED)),
    "attacks": (attacks.run, ATTACKED),
    "clean samples": (mogd.run, CLEAN),
}
"""The student of an untrained teacher is measured against a trained one, which is trained last: the
next run looks for it at once."""


@dataclass(frozen=True)
class Every:
    """Stands for all of ``RUNS``."""

    def code(self) -> list[Any]:
        return [function for function, _ in RUNS.values()]


def every(_: Every) -> dict[str, Any]:
    """What each run finds, by ``run/name``."""
    found = {}
    for name, (function, spec) in RUNS.items():
        found |= {f"{name}/{key}": value for key, value in function(spec).items()}
    return found


class SlowStore(Store):
    """Where a record is not there at once for a process that did not write it."""

    def save(self, path: Path, record: Record) -> None:
        time.sleep(0.3)
        super().save(path, record)
