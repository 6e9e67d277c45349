"""What a chapter's notebook opens in its first cell: its setting, its runs, its ledger."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from weaklabels.lab.definitions import ROOTS
from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Store
from weaklabels.press import figure_data, refresh
from weaklabels.press.ledger import Ledger
from weaklabels.press.machine import default_workers
from weaklabels.press.runner.options import FIRST_RECORD_SEED, PROFILES, number

ROOMS = ROOTS.get("chapters")
HOME = ROOMS.parents[1] if ROOMS else Path.cwd()
"""The folder of ``book/chapters``, from which rooms are imported: a clone, or what a chapter's zip
holds. Where no room is, the working folder."""


class Chapter(Setting):
    """One execution of a chapter: a setting, and a ledger.

    Attributes:
        slug: the chapter's name, as in its file.
        ledger: the chapter's claims.

    Args:
        slug: see above.
        profile: ``"quick"`` (embedded data, a laptop: a check of the record), ``"record"`` (the
            same with more seeds, others, and all studies: the book's own evidence), ``"paper"``
            (the papers' data and settings, a GPU) or ``"smoke"`` (the smallest setting that
            executes every cell, for tests).
        device: ``"cpu"`` or ``"cuda"``.
        seeds: number of repetitions, numbered from 0, those of the record from 100.
        data_root: folder of the downloaded datasets; a relative one is under ``HOME``, as notebooks
            run in their rooms.

    Raises:
        ValueError: if profile, device or seeds are not usable here.
    """

    slug: str
    ledger: Ledger

    def __init__(
        self,
        slug: str,
        profile: str = "quick",
        device: str = "cpu",
        seeds: int = 3,
        data_root: str = "data",
    ) -> None:
        if profile not in PROFILES:
            raise ValueError(f"profile is {profile!r}: expected {', '.join(PROFILES)}")
        if not isinstance(seeds, int) or seeds < 1:
            raise ValueError(f"seeds is {seeds!r}: expected a whole number of at least 1")
        on_gpu = device.startswith("cuda")
        if on_gpu and not torch.cuda.is_available():
            raise ValueError(f"device is {device!r}: this machine has no usable GPU")
        build = Path(os.environ.get("WEAKLABELS_BUILD", HOME / "build")) / profile
        recorded = HOME / "book" / "chapters" / slug / "recorded"
        super().__init__(
            profile,
            device,
            seeds,
            data_root=str(HOME / data_root),
            store=Store(build / "runs"),
            recorded_results=recorded,
            workers=_told("WEAKLABELS_WORKERS") or default_workers(device, profile),
            scheduler=os.environ.get("WEAKLABELS_SCHEDULER") or None,
            gpus=(_told("WEAKLABELS_GPUS") or 1) if on_gpu else 1,
            first_seed=FIRST_RECORD_SEED if profile == "record" else 0,
        )
        object.__setattr__(self, "slug", slug)
        if profile == "record":
            figure_data.register()
        claims = recorded / "claims.json"
        held_against = claims if profile == "quick" else None
        ledger = Ledger(build / "claims" / f"{slug}.json", held_against)
        if profile == "record" and refresh.wanted():
            ledger.kept = refresh.kept_rows(claims)
        object.__setattr__(self, "ledger", ledger)


def _told(variable: str) -> int | None:
    return number(variable, os.environ.get(variable, ""))
