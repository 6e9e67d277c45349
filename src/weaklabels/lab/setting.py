"""The size, device and seeds at which experiments are run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from weaklabels.lab import sweep
from weaklabels.lab.store import Record, Store

K = TypeVar("K")
T = TypeVar("T")


@dataclass(frozen=True)
class Setting:
    """What experiments are told from outside.

    Attributes:
        profile: name of a size, such as ``"quick"``.
        device: where to compute, ``"cpu"`` or ``"cuda"``.
        seeds: number of repetitions.
        data_root: folder of the downloaded datasets.
        store: where finished runs are found and kept.
        recorded_results: folder of committed results.
        workers, scheduler, gpus: what works on them (see ``sweep.run``).
        first_seed: the number of the first repetition.
    """

    profile: str
    device: str
    seeds: int
    data_root: str
    store: Store
    recorded_results: Path
    workers: int = 1
    scheduler: str | None = None
    gpus: int = 1
    first_seed: int = 0

    @property
    def seed_numbers(self) -> range:
        """The seeds of the repetitions: ``seeds`` numbers from ``first_seed`` on."""
        return range(self.first_seed, self.first_seed + self.seeds)

    def choose(self, **by_profile: T) -> T:
        """The one of several settings that belongs to the profile.

        The record has the sizes of the check, ``quick``, where nothing is said of it.

        Raises:
            ValueError: if there is none for it.
        """
        profile = self.profile
        if profile == "record" and profile not in by_profile:
            profile = "quick"
        if profile not in by_profile:
            raise ValueError(
                f"nothing is set for profile {self.profile!r}: expected one of "
                f"{', '.join(by_profile)}"
            )
        return by_profile[profile]

    def run(self, function: sweep.RunFunction, specs: Iterable[Any]) -> list[Record]:
        """Run all specs (see ``sweep.run``), in their order."""
        return sweep.run(
            function,
            specs,
            self.store,
            workers=self.workers,
            scheduler=self.scheduler,
            gpus=self.gpus,
        )

    def repeat(
        self,
        function: sweep.RunFunction,
        table: Mapping[K, Any],
        seeds: Iterable[int] | None = None,
    ) -> dict[K, list[Record]]:
        """Run every spec of a table once a seed, in one sweep.

        Args:
            function: what to run.
            table: name -> spec, which has a field ``seed``.
            seeds: those of the setting, if left out.

        Returns:
            name -> one record a seed.
        """
        seeds = self.seed_numbers if seeds is None else list(seeds)
        wanted = [replace(spec, seed=seed) for spec in table.values() for seed in seeds]
        records = iter(self.run(function, wanted))
        return {name: [next(records) for _ in seeds] for name in table}

    def recorded(self, name: str) -> dict[str, Any] | None:
        """A committed result, ``<recorded_results>/<name>.json``; None if there is none."""
        path = self.recorded_results / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
