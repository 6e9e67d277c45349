"""Photographs that had no part in any trial: those of PASCAL VOC, darkened as the chapter's is.

The chapter's settings were found with the test half of its photograph in view. What they are worth
elsewhere is measured here, with references. Only numbers are kept, no picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from chapters.all_e.enhanced import enhanced, rounded
from chapters.all_e.photographs import MEASURES, darken, measures
from weaklabels import data
from weaklabels.lab.setting import Setting
from weaklabels.lab.sweep import one_thread
from weaklabels.seeding import numpy_rng

PHOTOGRAPHS = 50
SIDE = 128

DIFFERENCES = (
    "Photographs of VOC 2012, of the part of val that is at hand, most of them of animals; scaled "
    "to 128 x 128 pixels and darkened once each, with the ramps and the noise of the chapter's own "
    "photograph.",
    "The agents learnt on one photograph and never saw these, nor did anybody while settings were "
    "sought. Nothing was chosen on them: weights, rate and episodes are those of the chapter.",
    "The formula A in place of NIMA.",
)


def darkened(chapter: Setting) -> dict[str, Any]:
    """One row per method and seed (-1 where it does not matter), means over the photographs."""
    clear = _clear(chapter.data_root)
    rng = numpy_rng(0, "darkening of other photographs")
    dark = torch.cat([darken(photograph, 1, rng) for photograph in clear])
    protocol, made = enhanced(chapter, dark)
    with one_thread():
        rows = [_means(row) | fidelity(images, clear) for row, images in made]
    return {
        "what": "Photographs that had no part in any trial (VOC, darkened): with references",
        "data": {
            "set": "VOC 2012, val, as far as it is at hand",
            "photographs": len(clear),
            "side": SIDE,
            "mean value": rounded([clear.mean().item()])[0],
        },
        "protocol": protocol,
        "differences": list(DIFFERENCES),
        "rows": rows,
    }


def _clear(root: str) -> Tensor:
    """Photographs drawn from the official list, ``(PHOTOGRAPHS, 3, SIDE, SIDE)`` in [0, 1]."""
    x = data.load("voc2012", root, resolution=SIDE).test.x
    drawn = numpy_rng(0, "photographs that had no part").permutation(len(x))[:PHOTOGRAPHS]
    return x[torch.from_numpy(drawn)].float() / 255


def _means(row: dict[str, Any]) -> dict[str, Any]:
    """Mean over the photographs of what is a list of theirs."""
    return {k: rounded([sum(v) / len(v)])[0] if isinstance(v, list) else v for k, v in row.items()}


def fidelity(images: Sequence[Tensor], clear: Tensor) -> dict[str, float]:
    """Mean over photographs ``(1, 3, h, w)`` of each of ``MEASURES``, against ``(N, 3, h, w)``."""
    pairs = zip(images, clear.split(1), strict=True)
    found = [measures(image, reference) for image, reference in pairs]
    means = (sum(one[name] for one in found) / len(found) for name in MEASURES)
    return dict(zip(MEASURES, rounded(means), strict=True))
