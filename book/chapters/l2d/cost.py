"""What a student's training step costs, by what it is taught with (see ``weaklabels.lab.cost``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from chapters.l2d import runs
from weaklabels import methods, weaken
from weaklabels.lab import cost
from weaklabels.lab.execute import started
from weaklabels.lab.loading import load_splits
from weaklabels.lab.setting import Setting
from weaklabels.seeding import seed_torch

EPOCHS = 2
"""Of each trial."""

ASKED = "L2D, teacher asked at every step"
"""As it has to be on augmented images; here its answers to all scenes are kept, and asking for them
once is not part of a trial."""


def measure(chapter: Setting) -> dict[str, Any]:
    """The record: the terms of the main table against the student that learns from labels alone."""
    base = replace(runs.scenes(chapter), epochs=EPOCHS, untrained=True)
    weights = {name: runs.distil(base, name) for name in runs.MAIN_TERMS}
    full = runs.full_l2d(base, dict.fromkeys(weights))
    specs = {"Vanilla": base, **weights, "L2D": full}
    trials = {name: trial(spec) for name, spec in specs.items()} | {ASKED: trial(full, asked=True)}
    return cost.measure(chapter, trials, f"{EPOCHS} epochs on scenes, with an untrained teacher")


def trial(spec: runs.Spec, *, asked: bool = False) -> Callable[[], None]:
    """A function that trains a student for a few epochs.

    Args:
        spec: of the student.
        asked: whether its teacher is asked at every step; otherwise its answers are kept.
    """
    splits = load_splits(spec)
    x = splits.train.x.to(spec.device)
    observed = torch.from_numpy(weaken.full(splits.train.y.numpy())).to(spec.device)
    method = methods.create(spec.method, **dict(spec.method_options))
    started(method, observed, teacher=runs.taught_by(spec), inputs=None if asked else x)

    def train() -> None:
        seed_torch(spec.seed, "dropout and projections")
        model = runs.build(spec)
        method.prepare(model)
        cost.train(spec, model, method, x)

    return train
