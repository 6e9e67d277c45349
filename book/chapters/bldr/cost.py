"""What a training step costs, method by method (see ``weaklabels.lab.cost``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from chapters.bldr import runs
from weaklabels.lab import cost
from weaklabels.lab.execute import network
from weaklabels.lab.loading import load_splits
from weaklabels.lab.noisy_labels import Spec, run_on
from weaklabels.lab.setting import Setting

EPOCHS, WARM_UP = 10, 4
"""Of each trial: a tenth of the chapter's, every phase of a method shortened alike."""


def measure(chapter: Setting) -> dict[str, Any]:
    """The record: all methods with their views, against cross-entropy."""
    base = replace(
        runs.settings(chapter)["symmetric"],
        epochs=EPOCHS,
        constant_epochs=WARM_UP,
        evaluate_every=EPOCHS + 1,  # never
    )
    trials = {name: trial(runs.vary(base, name)) for name in runs.TUNED_METHODS}
    return cost.measure(chapter, trials, f"{EPOCHS} epochs on digits, {WARM_UP} of them warm-up")


def trial(spec: Spec) -> Callable[[], None]:
    """A function that trains for a few epochs."""
    splits = load_splits(spec)

    def train() -> None:
        run_on(spec, splits, network(spec, len(splits.classes), spec.seed))

    return train
