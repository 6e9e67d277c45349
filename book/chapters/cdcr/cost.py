"""What a step of the second stage costs, method by method (see ``weaklabels.lab.cost``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from chapters.cdcr import runs
from weaklabels import methods
from weaklabels.data.augment import pipeline
from weaklabels.lab import cost
from weaklabels.lab.execute import network, started
from weaklabels.lab.multilabel import annotate, load_splits
from weaklabels.lab.setting import Setting
from weaklabels.lab.two_stage import Spec
from weaklabels.seeding import torch_rng

EPOCHS = 2
"""Of each trial; CDCR selects before both."""


def measure(chapter: Setting) -> dict[str, Any]:
    """The record: the methods that are tuned alike, against BCE on all candidates."""
    base = replace(runs.settings(chapter)[runs.TUNING_RATE], epochs=EPOCHS)
    trials = {name: trial(runs.vary(base, name)) for name in runs.TUNED_METHODS}
    return cost.measure(chapter, trials, f"{EPOCHS} epochs of the second stage on scenes")


def trial(spec: Spec) -> Callable[[], None]:
    """A function that trains for a few epochs of the second stage, from random weights."""
    splits = load_splits(spec)
    x, classes = splits.train.x, len(splits.classes)
    observed = torch.from_numpy(annotate(spec, splits.train.y.numpy())).to(spec.device)

    def train() -> None:
        method = methods.create(spec.method, **dict(spec.method_options))
        views = {
            name: pipeline(steps, torch_rng(spec.seed, name), spec.device)
            for name, steps in (("augment", spec.strong), ("view", spec.weak))
        }
        model = network(spec, classes, spec.seed)
        cost.train(spec, model, started(method, observed), x, decay=spec.decay, **views)

    return train
