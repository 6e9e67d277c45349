"""The audit of released policies: which actions do the authors' weights take, and how often?

The files are the authors' and belong to no part of this book. Under ``<data>/all-e`` are expected
``*.npz``, weights of agents as their code saves them (Chainer; one trained policy ships with it),
and ``images/*``, photographs of any size.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from weaklabels.data.lowlight import read_images
from weaklabels.lab.setting import Setting
from weaklabels.lab.sweep import one_thread
from weaklabels.methods import all_e

STEPS = 6
"""At test time, as in the authors' script."""

LAYERS = {
    "conv1": "trunk.0",
    "diconv2/diconv": "trunk.2",
    "diconv3/diconv": "trunk.4",
    "diconv4/diconv": "trunk.6",
    "diconv5_pi/diconv": "policy.0",
    "diconv6_pi/diconv": "policy.2",
    "diconv5_V/diconv": "value.0",
    "diconv6_V/diconv": "value.2",
    "conv7_V": "value.4",
}
"""Name in a file -> layer of ``PixelAgents``, whose last policy layer is three heads of a file."""

HEADS = ("conv7_r_pi/model", "conv7_g_pi/model", "conv7_b_pi/model")


def agents_from(path: Path) -> all_e.PixelAgents:
    """Agents with the weights of a file.

    Raises:
        ValueError: if a layer is missing there.
    """
    with np.load(path) as stored:
        names = [*LAYERS, *HEADS]
        if lost := [n for n in names if f"{n}/W" not in stored or f"{n}/b" not in stored]:
            raise ValueError(f"{path}: layers {', '.join(lost)} are missing")
        weights = {n: [torch.from_numpy(stored[f"{n}/{part}"]) for part in "Wb"] for n in names}
    agents = all_e.PixelAgents(width=len(weights["conv1"][1]))
    state = {}
    for name, layer in LAYERS.items():
        state[f"{layer}.weight"], state[f"{layer}.bias"] = weights[name]
    for i, part in enumerate(("weight", "bias")):
        state[f"policy.4.{part}"] = torch.cat([weights[head][i] for head in HEADS])
    agents.load_state_dict(state)
    return agents.eval()


def shares(agents: all_e.PixelAgents, images: list[Tensor]) -> dict[str, Any]:
    """What the most probable actions are, without a denoiser between the steps.

    Args:
        agents: of one file.
        images: each ``(1, 3, h, w)`` in [0, 1], blue first as in the authors' code.

    Returns:
        ``action`` ``(3,)``, the most frequent one of each channel; ``share_at_least`` ``(3,)``, the
        smallest share of pixels (%) that take it, over images and steps; ``share_by_step``
        ``(steps, 3)``, the same by step; ``mean_before`` and ``mean_after`` of each image.
    """
    paths = [all_e.enhance(agents, image, STEPS) for image in images]
    counts = torch.zeros(3, all_e.LEVELS, dtype=torch.int64)
    for _, actions in paths:
        for c in range(3):
            counts[c] += torch.bincount(actions[:, :, c].flatten(), minlength=all_e.LEVELS)
    top = counts.argmax(1)
    same = torch.stack(
        [(a == top.view(1, 1, 3, 1, 1)).float().mean((1, 3, 4)) for _, a in paths]
    )  # (images, steps, 3)
    return {
        "action": top.tolist(),
        "share_at_least": _percent(same.amin((0, 1))),
        "share_by_step": [_percent(step) for step in same.amin(0)],
        "mean_before": [round(float(states[0].mean()), 3) for states, _ in paths],
        "mean_after": [round(float(states[-1].mean()), 3) for states, _ in paths],
    }


def _percent(values: Tensor) -> list[float]:
    return [round(100 * float(value), 2) for value in values]


def audit(chapter: Setting) -> dict[str, Any]:
    """Look at every file of weights with every photograph.

    Returns:
        The record: what ``shares`` finds of the first file, and of all under ``files``.
    """
    base = Path(chapter.data_root) / "all-e"
    files, pictures = sorted(base.glob("*.npz")), sorted(base.glob("images/*"))
    if not (files and pictures):
        raise FileNotFoundError(f"{base}: expected the authors' weights, *.npz, and images/*")
    images = [read_images([path], None).flip(1) for path in pictures]
    with one_thread():
        found = {path.stem: shares(agents_from(path), images) for path in files}
    first = next(iter(found.values()))
    return {
        "what": "The authors' released policy, most probable actions on photographs: share of "
        "pixels (%) that take the most frequent action, by channel of the official code (BGR), and "
        "what follows for the mean value of the image",
        "images": len(images),
        **first,
        "files": found,
    }
