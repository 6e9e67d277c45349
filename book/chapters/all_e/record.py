"""What the chapter records: real low-light photographs, and an audit of released weights.

The photographs are those of the LIME set, which have no well-lit partners; the agents that enhance
them are those of the chapter. Only numbers are kept, no picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from torch import Tensor

from chapters.all_e import cost, naturalness, runs
from chapters.all_e.comparators import FIXED, enhancer
from chapters.all_e.photographs import photographs
from chapters.all_e.released import audit
from chapters.all_e.tables import CHOSEN
from weaklabels import data
from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Record
from weaklabels.lab.sweep import one_thread
from weaklabels.methods import all_e

FIRST_SEED = 100

DIFFERENCES = (
    "Photographs of the LIME set, scaled to 256 x 256 pixels, without well-lit partners: no "
    "PSNR, no SSIM.",
    "The formula A in place of NIMA; BRISQUE as a second measure, of naturalness, not of beauty; "
    "no NIQE.",
    "The agents learnt on one photograph, darkened, and never saw these. Nothing was chosen on "
    "them: weights, rate and episodes are those of the chapter.",
)


Made = list[tuple[dict[str, Any], list[Tensor]]]
"""Rows, and the pictures that they are about."""


def lime(chapter: Setting) -> dict[str, Any]:
    """One row per method and seed (-1 where it does not matter), a value per photograph.

    It computes on the CPU, where the photographs are.
    """
    versions = naturalness.versions()  # first, so that nothing is computed where BRISQUE is missing
    settings = runs.settings(chapter)
    photos = data.load("lime", chapter.data_root).test.x
    kinds = runs.long(settings) | runs.as_coded(settings)
    seeds = range(FIRST_SEED, FIRST_SEED + chapter.seeds)
    found = chapter.repeat(runs.run, kinds, seeds)
    with one_thread():
        made = _by_fixed(settings, photos, seeds)
        for name, records in found.items():
            for record in records:
                row = {"method": f"agents, {name}", "seed": record.spec.seed}
                follows, images = enhance(record, photos)
                made.append((row | follows, images))
        rows = [row | measure(images) for row, images in made]
    scores = iter(_rounded(naturalness.brisque([x for _, images in made for x in images])))
    return {
        "what": "Real low-light photographs (LIME): measures without a reference",
        "data": {"set": "LIME", "photographs": len(photos), "side": photos.shape[-1]},
        "protocol": {
            "agents": "those of the chapter's claims, trained on its darkened photograph",
            "episodes": {name: spec.episodes for name, spec in kinds.items()},
            "steps": settings.base.test_steps,
            "selection": "none: the last episode",
            "seeds": list(seeds),
        },
        "differences": list(DIFFERENCES),
        "brisque": {"versions": versions, "known": naturalness.known()},
        "rows": [row | {"brisque": list(islice(scores, len(photos)))} for row in rows],
    }


def _by_fixed(settings: runs.Settings, photos: Tensor, seeds: Iterable[int]) -> Made:
    """What the comparators make of ``(N, 3, h, w)``."""
    made: Made = []
    for name in FIXED:
        if name != "reference":
            for seed in seeds if name in CHOSEN else (-1,):
                trained = photographs(replace(settings.base, seed=max(seed, 0)))
                change = enhancer(name, trained, settings.base.test_steps)
                row = {"method": name, "seed": seed}
                made.append((row, [change(x) for x in photos[:, None]]))
    return made


def enhance(record: Record, photos: Tensor) -> tuple[dict[str, list[float]], list[Tensor]]:
    """What trained agents make of ``(N, 3, h, w)``, and ``follows``."""
    agents = runs.agents_of(record)
    paths = [all_e.enhance(agents, x, record.spec.test_steps) for x in photos[:, None]]
    alphas = [all_e.strength(actions).sum((0, 1, 2)) for _, actions in paths]
    follows = [runs.correlation(a, x.mean(0)) for a, x in zip(alphas, photos, strict=True)]
    return {"follows": _rounded(follows)}, [states[-1] for states, _ in paths]


def measure(images: Sequence[Tensor]) -> dict[str, list[float]]:
    """Per photograph: judge, mean value, exposure error, share of blown-out values (%)."""
    stored = [all_e.to_bytes(image).float() / 255 for image in images]
    return {
        "score": _rounded(all_e.stand_in(x).item() for x in stored),
        "light": _rounded(x.mean().item() for x in stored),
        "exposure": _rounded(all_e.exposure(x).mean().item() for x in stored),
        "blown": _rounded(100 * (x >= 250 / 255).float().mean().item() for x in stored),
    }


def _rounded(values: Iterable[float]) -> list[float]:
    return [round(float(value), 4) for value in values]


RECORDS: dict[str, Callable[[Setting], dict[str, Any]]] = {
    "lime": lime,
    "released_policy": audit,
    "cost": cost.measure,
}
"""Name of a recorded result -> what computes its content."""
