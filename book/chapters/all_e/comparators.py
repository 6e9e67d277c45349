"""Other ways to enhance a photograph: fixed curves, equalisation, descent of the losses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from chapters.all_e.photographs import (
    MEASURES,
    Enhancement,
    Learnt,
    Photographs,
    measures,
    patches,
    photographs,
)
from weaklabels.lab import sweep
from weaklabels.lab.checkpoint import Checkpoint, Progress
from weaklabels.methods import all_e
from weaklabels.seeding import numpy_rng, seed_torch

Change = Callable[[Tensor], Tensor]
"""From an image ``(1, 3, h, w)`` to the same."""

FIXED = (
    "input",
    "gamma 0.5",
    "gamma to mean 0.6",
    "histogram equalisation",
    "released curve",
    "constant curve",
    "constant curve, tuned on references",
    "reference",
)
"""Comparators without randomness at test time."""


@dataclass(frozen=True, kw_only=True)
class Fixed(Enhancement):
    """A comparator without randomness.

    Attributes:
        method: one of ``FIXED``.
    """

    method: str


@dataclass(frozen=True, kw_only=True)
class Descent(Learnt):
    """A network that descends the losses themselves, without agents.

    Attributes:
        cell: of the exposure term.
    """

    cell: int = 4


def compare(spec: Fixed) -> dict[str, np.ndarray]:
    """What ``judge`` returns, of a comparator without randomness."""
    photos = photographs(spec)
    if spec.method == "reference":
        return judge(photos.test_reference.split(1), photos)
    change = enhancer(spec.method, photos, spec.test_steps)
    return judge([change(raw) for raw in photos.test.split(1)], photos)


def judge(images: Sequence[Tensor], photos: Photographs) -> dict[str, np.ndarray]:
    """Measures ``(tests,)`` each, see ``measures``, and the ``image`` (uint8) of the first one."""
    pairs = zip(images, photos.test_reference.split(1), strict=True)
    rows = [measures(image, reference) for image, reference in pairs]
    found = {name: np.array([row[name] for row in rows]) for name in MEASURES}
    return found | {"image": all_e.to_bytes(images[0][0]).numpy()}


def enhancer(method: str, photos: Photographs, steps: int) -> Change:
    """What a comparator of ``FIXED``, other than the reference, does to an image.

    Raises:
        ValueError: if there is no such method.
    """
    if method.startswith("constant curve"):
        action = best_constant(photos, steps, with_reference=method.endswith("references"))
        return lambda x: repeat_action(x, (action,) * 3, steps)
    changes: dict[str, Change] = {
        "input": lambda x: x,
        "gamma 0.5": lambda x: x.clamp(min=0) ** 0.5,
        "gamma to mean 0.6": gamma_to_mean,
        "histogram equalisation": equalise,
        "released curve": lambda x: repeat_action(x, all_e.RELEASED, steps),
    }
    if method not in changes:
        raise ValueError(f"method {method!r}: expected one of {', '.join(FIXED)}")
    return changes[method]


def repeat_action(x: Tensor, action: tuple[int, ...], steps: int) -> Tensor:
    """The same action at every pixel, ``steps`` times."""
    for _ in range(steps):
        x = all_e.step(x, all_e.constant_action(x, action))
    return x


def gamma_to_mean(x: Tensor, level: float = 0.6) -> Tensor:
    """x^g with g such that the mean is ``level``, by bisection."""
    low, high = 0.01, 10.0
    for _ in range(50):
        g = (low * high) ** 0.5
        low, high = (g, high) if float((x**g).mean()) > level else (low, g)
    return x**g


def equalise(x: Tensor) -> Tensor:
    """Luminance (8 bits) spread evenly over [0, 1]; channels keep their ratios, cut at 1. An image
    of a single level stays as it is."""
    light = all_e.luminance(x)
    level = (light * 255).long().clamp(0, 255)
    counts = torch.bincount(level.flatten(), minlength=256).double().cumsum(0)
    above = counts[-1] - counts[level.min()]
    if above == 0:
        return x
    even = ((counts - counts[level.min()]) / above)[level]
    return (x * even.to(x) / light.clamp(min=1 / 255)).clamp(0, 1)


def best_constant(photos: Photographs, steps: int, *, with_reference: bool) -> int:
    """The action that, taken everywhere in every step, is best on the training photographs.

    Args:
        with_reference: best in squared error against the references, otherwise in exposure.
    """
    few = slice(0, 8)
    costs = []
    for action in range(all_e.LEVELS):
        x = repeat_action(photos.train[few], (action,) * 3, steps)
        gap = (x - photos.train_reference[few]) ** 2 if with_reference else all_e.exposure(x)
        costs.append(float(gap.mean()))
    return int(np.argmin(costs))


def direct_descent(spec: Descent) -> dict[str, np.ndarray]:
    """What ``judge`` returns, of strengths from a network that descends the losses themselves."""
    photos = photographs(spec)
    seed_torch(spec.seed, "weights of direct descent")
    net = all_e.CurveNet().to(spec.device, memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(net.parameters(), spec.lr)
    order = numpy_rng(spec.seed, "patches of direct descent")
    drawn = Progress(order=order)
    kept = Checkpoint(sweep.checkpoint_file(), net=net, optimiser=optimiser, drawn=drawn)
    for done in range(kept.restore() * spec.block + 1, spec.episodes + 1):
        raw = patches(photos.train, spec, order)
        alpha = net(raw)
        x = all_e.bend_repeatedly(raw, alpha, spec.test_steps)
        loss = all_e.direct_loss(x, raw, alpha, cell=spec.cell)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if done % spec.block == 0:
            kept.save(done // spec.block)
    with torch.no_grad():
        placed = [raw.to(spec.device) for raw in photos.test.split(1)]
        images = [all_e.bend_repeatedly(x, net(x), spec.test_steps).cpu() for x in placed]
    kept.remove()
    return judge(images, photos)
