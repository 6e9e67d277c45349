"""What a chapter's notebook opens in its first cell: its settings, its runs, its ledger."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from weaklabels import sweep
from weaklabels.claims import Ledger
from weaklabels.runner.options import PROFILES

REPOSITORY = Path(__file__).parents[2]
K = TypeVar("K")
T = TypeVar("T")


@dataclass(frozen=True)
class Chapter:
    """One execution of a chapter.

    Attributes:
        slug: the chapter's name, as in its file.
        profile: ``"quick"`` (embedded data, a laptop), ``"paper"`` (the papers' data and settings,
            a GPU) or ``"smoke"`` (the smallest setting that executes every cell, for tests).
        device: ``"cpu"`` or ``"cuda"``.
        seeds: number of repetitions; they are numbered from 0.
        data_root: folder of the downloaded datasets; a relative one is under the repository, for
            notebooks run in its folder ``book``.
        ledger: the chapter's claims.

    Raises:
        ValueError: if profile, device or seeds are not usable here.
    """

    slug: str
    profile: str = "quick"
    device: str = "cpu"
    seeds: int = 3
    data_root: str = "data"
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise ValueError(f"profile is {self.profile!r}: expected {', '.join(PROFILES)}")
        if not isinstance(self.seeds, int) or self.seeds < 1:
            raise ValueError(f"seeds is {self.seeds!r}: expected a whole number of at least 1")
        if self.device.startswith("cuda") and not torch.cuda.is_available():
            raise ValueError(f"device is {self.device!r}: this machine has no usable GPU")
        object.__setattr__(self, "data_root", str(REPOSITORY / self.data_root))
        object.__setattr__(self, "ledger", Ledger(self._build / "claims" / f"{self.slug}.json"))

    @property
    def _build(self) -> Path:
        return Path(os.environ.get("WEAKLABELS_BUILD", REPOSITORY / "build")) / self.profile

    def choose(self, *, quick: T, paper: T, smoke: T) -> T:
        """The one of three settings that belongs to the profile."""
        return {"quick": quick, "paper": paper, "smoke": smoke}[self.profile]

    def run(self, function: sweep.RunFunction, specs: Iterable[Any]) -> list[sweep.Record]:
        """Run all specs (see ``sweep.run``) with the workers this machine has."""
        return sweep.run(
            function,
            specs,
            sweep.Store(self._build / "runs"),
            workers=int(os.environ.get("WEAKLABELS_WORKERS", os.cpu_count() or 1)),
            scheduler=os.environ.get("WEAKLABELS_SCHEDULER") or None,
            gpus=int(os.environ.get("WEAKLABELS_GPUS", 1)) if self.device == "cuda" else 1,
        )

    def repeat(
        self,
        function: sweep.RunFunction,
        table: Mapping[K, Any],
        seeds: Iterable[int] | None = None,
    ) -> dict[K, list[sweep.Record]]:
        """Run every spec of a table once a seed, in one sweep.

        Args:
            function: what to run.
            table: name -> spec, which has a field ``seed``.
            seeds: the chapter's, if left out.

        Returns:
            name -> one record a seed.
        """
        seeds = range(self.seeds) if seeds is None else list(seeds)
        wanted = [replace(spec, seed=seed) for spec in table.values() for seed in seeds]
        records = iter(self.run(function, wanted))
        return {name: [next(records) for _ in seeds] for name in table}

    def recorded(self, name: str) -> dict[str, Any] | None:
        """A committed result, ``book/recorded/<slug>/<name>.json``; None if there is none."""
        path = REPOSITORY / "book" / "recorded" / self.slug / f"{name}.json"
        if not path.exists():
            return None
        return json.loads(path.read_text(encoding="utf-8"))
