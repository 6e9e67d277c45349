"""What an episode costs with a judge and without (see ``weaklabels.lab.cost``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from chapters.all_e import runs
from chapters.all_e.photographs import Photographs, patches, photographs
from weaklabels.lab import cost
from weaklabels.lab.setting import Setting
from weaklabels.methods import all_e
from weaklabels.seeding import numpy_rng, torch_rng

EPISODES = 40
"""Of each trial."""


def measure(chapter: Setting) -> dict[str, Any]:
    """The record: agents with all terms of the reward against those that ask no judge."""
    specs = runs.table(runs.settings(chapter))
    photos = photographs(specs[runs.ALL])
    trials = {
        name: trial(specs[name], photos, judge)
        for name, judge in ((runs.NO_SCORE, _unasked), (runs.ALL, all_e.stand_in))
    }
    return cost.measure(chapter, trials, f"{EPISODES} episodes; the judge is a formula")


def trial(spec: runs.Spec, photos: Photographs, judge: all_e.Scorer) -> Callable[[], None]:
    """A function that trains agents for some episodes.

    Args:
        spec: of the agents.
        photos: the photographs of the run.
        judge: what scores a picture.
    """

    def train() -> None:
        agents = runs.new_agents(spec)
        optimiser = torch.optim.Adam(agents.parameters(), spec.lr)
        order, chance = numpy_rng(spec.seed, "patches"), torch_rng(spec.seed, "actions")
        for _ in range(EPISODES):
            batch = patches(photos.train, spec, order)
            episode = all_e.play(agents, batch, judge, spec.training, chance)
            optimiser.zero_grad()
            episode.loss.backward()
            if spec.clip:
                torch.nn.utils.clip_grad_norm_(agents.parameters(), spec.clip)
            optimiser.step()

    return train


def _unasked(images: Tensor) -> Tensor:
    """The same score ``(B,)`` for all images ``(B, 3, h, w)``."""
    return images.new_zeros(len(images))
