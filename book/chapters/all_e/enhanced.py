"""What the chapter's agents and the simple methods make of photographs that none of them saw."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from torch import Tensor

from chapters.all_e import runs
from chapters.all_e.comparators import FIXED, enhancer
from chapters.all_e.photographs import photographs
from chapters.all_e.tables import CHOSEN
from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Record
from weaklabels.lab.sweep import one_thread
from weaklabels.methods import all_e

FIRST_SEED = 100

Made = list[tuple[dict[str, Any], list[Tensor]]]
"""Rows, and the pictures ``(1, 3, h, w)`` that they are about."""


def enhanced(chapter: Setting, photos: Tensor) -> tuple[dict[str, Any], Made]:
    """Train the chapter's agents and enhance ``(N, 3, h, w)``, on the CPU.

    Returns:
        the protocol; a row per method and seed (-1 where it does not matter) with ``follows`` by
        photograph where there are agents, and the pictures.
    """
    settings = runs.settings(chapter)
    kinds = runs.long(settings) | runs.as_coded(settings)
    seeds = range(FIRST_SEED, FIRST_SEED + chapter.seeds)
    found = chapter.repeat(runs.run, kinds, seeds)
    protocol = {
        "agents": "those of the chapter's claims, trained on its darkened photograph",
        "episodes": {name: spec.episodes for name, spec in kinds.items()},
        "steps": settings.base.test_steps,
        "selection": "none: the last episode",
        "seeds": list(seeds),
    }
    with one_thread():
        made = [*_by_fixed(settings, photos, seeds)]
        for name, records in found.items():
            for record in records:
                row = {"method": f"agents, {name}", "seed": record.spec.seed}
                follows, images = by_agents(record, photos)
                made.append((row | follows, images))
    return protocol, made


def _by_fixed(
    settings: runs.Settings, photos: Tensor, seeds: Iterable[int]
) -> Iterator[tuple[dict[str, Any], list[Tensor]]]:
    """What the comparators make of them."""
    for name in FIXED:
        if name != "reference":
            for seed in seeds if name in CHOSEN else (-1,):
                trained = photographs(replace(settings.base, seed=max(seed, 0)))
                change = enhancer(name, trained, settings.base.test_steps)
                yield {"method": name, "seed": seed}, [change(x) for x in photos.split(1)]


def by_agents(record: Record, photos: Tensor) -> tuple[dict[str, list[float]], list[Tensor]]:
    """What trained agents make of photographs, and ``follows``."""
    agents = runs.agents_of(record)
    paths = [all_e.enhance(agents, x, record.spec.test_steps) for x in photos.split(1)]
    alphas = [all_e.strength(actions).sum((0, 1, 2)) for _, actions in paths]
    follows = [runs.correlation(a, x.mean(0)) for a, x in zip(alphas, photos, strict=True)]
    return {"follows": rounded(follows)}, [states[-1] for states, _ in paths]


def rounded(values: Iterable[float]) -> list[float]:
    """To four digits after the point."""
    return [round(float(value), 4) for value in values]
