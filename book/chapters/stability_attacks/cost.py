"""What attack and defence cost, an image each (see ``weaklabels.lab.cost``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from chapters.stability_attacks import runs
from weaklabels import methods
from weaklabels.lab import cost
from weaklabels.lab.execute import network, started
from weaklabels.lab.loading import load_splits
from weaklabels.lab.setting import Setting
from weaklabels.methods.stability_attacks import poison

EPOCHS = 3
"""Of each training; as often every image is poisoned."""

BATCH = 256
"""Images that are poisoned together, as in ``runs.craft``."""

PLAIN = "plain training"
CRAFTING = "crafting a hypocritical image"


def measure(chapter: Setting) -> dict[str, Any]:
    """The record: the defences of the chapter and the crafting of its attack, against training that
    is not adversarial."""
    settings = runs.settings(chapter)
    base = settings.base
    specs = {PLAIN: replace(base, budget=0.0), **runs.defences(settings)}
    trials = {name: training(spec) for name, spec in specs.items()}
    trials[CRAFTING] = crafting(runs.poisons(settings)["hypocritical"])
    work = (
        f"{EPOCHS} epochs on digits in batches of {base.batch_size}; in those of {BATCH} as many "
        f"times {base.craft_steps} steps on each image"
    )
    return cost.measure(chapter, trials, work)


def training(spec: runs.Spec) -> Callable[[], None]:
    """A function that trains on clean images for a few epochs."""
    splits = load_splits(spec)
    spec = replace(spec, epochs=EPOCHS)
    y = splits.train.y.to(spec.device)

    def train() -> None:
        eps = spec.budget * spec.eps
        method = methods.create(spec.method, eps=eps, steps=spec.steps, seed=spec.chance)
        model = network(spec, len(splits.classes), spec.chance)
        cost.train(spec, model, started(method, y), splits.train.x.to(spec.device))

    return train


def crafting(spec: runs.Spec) -> Callable[[], None]:
    """A function that poisons all images a few times, by a network that has learnt nothing yet."""
    splits = load_splits(spec)
    x, y = (each.to(spec.device) for each in (splits.train.x, splits.train.y))
    model = network(spec, len(splits.classes), spec.chance).eval()

    def craft() -> None:
        for _ in range(EPOCHS):
            for part, target in zip(x.split(BATCH), y.split(BATCH), strict=True):
                poison(model, part, target, spec.eps, steps=spec.craft_steps)

    return craft
