"""Small runs for the tests of sweeps."""

import time
from dataclasses import dataclass

import torch

from weaklabels.lab import sweep
from weaklabels.seeding import torch_rng


@dataclass(frozen=True)
class Walk:
    """A random walk. ``log`` is a file that notes each computation."""

    seed: int = 0
    length: int = 200
    pause: float = 0.0
    log: str = ""


def walk(spec: Walk):
    if spec.length < 0:
        raise ValueError(f"length is {spec.length}: expected at least 0")
    if spec.log:
        with open(spec.log, "a") as file:
            file.write(f"{spec.seed}\n")
    time.sleep(spec.pause)
    steps = torch.randn(spec.length, 50, generator=torch_rng(spec.seed, "walk"))
    return {"path": (steps @ steps.T).cumsum(0).numpy(), "end": float(steps.sum())}


def seed_and_draw(spec: Walk):
    """Like a network's initialisation: two at a time in one process would mix their draws."""
    torch.manual_seed(spec.seed)
    first = torch.randn(3)
    time.sleep(spec.pause)
    return {"first": first.numpy(), "second": torch.randn(3).numpy()}


def build_on(spec: Walk):
    base = sweep.remember(walk, Walk(seed=spec.seed, log=spec.log))
    return {"base": base["end"], "length": spec.length}
