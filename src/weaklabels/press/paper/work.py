"""``make record PROFILE=paper``: the tables of the papers, computed within a budget.

The chapters come in the order of the plan (see ``plan``). The code of each notebook is executed
with the profile ``paper`` on all data that are at hand; every table that is complete is written at
once to ``recorded/paper.json`` of its room, with the scores of its rows, seed by seed. Finished
runs lie in ``build/paper/runs``, and long ones keep their state after every epoch.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from weaklabels.lab import keys, sweep
from weaklabels.lab.store import Record
from weaklabels.press import chapter as chapters
from weaklabels.press import machine
from weaklabels.press.paper import plan
from weaklabels.press.paper.follow import execute_cells
from weaklabels.press.paper.shorten import with_weights_at_hand
from weaklabels.press.record import AGAIN, REPOSITORY, readable
from weaklabels.press.runner import options
from weaklabels.press.runner.files import write_atomically
from weaklabels.press.runner.interrupt import stopping_cleanly

NAME = "paper"
SCORES = ("val_ap", "test_ap", "val_accuracy", "test_accuracy", "test", "test_average", "accuracy")
"""Values of a run that are scores in percent, one or one a class after every epoch."""


@dataclass
class Tables:
    """What was computed of one chapter.

    Attributes:
        slug: of the chapter.
        device: where.
        command: that computed it.
        found: the complete tables: ``section`` and ``rows``.
        code: where the code of their runs starts.
        random: networks that had random weights, as ImageNet's were not at hand.
        section, silent, cells: of the cell that is executed (see ``follow``).
    """

    slug: str
    device: str
    command: str
    found: list[dict[str, Any]] = field(default_factory=list)
    code: set[keys.Reference] = field(default_factory=set)
    random: set[str] = field(default_factory=set)
    section: str = ""
    cells: int = 0
    silent: list[tuple[str, str]] = field(default_factory=list)

    def add(self, rows: Mapping[Any, Sequence[Record]]) -> None:
        """Add a complete table, and write all of them."""
        scored = {_name(key): scores(records) for key, records in rows.items()}
        if any(scored.values()):
            self.found.append({"section": self.section, "rows": scored})
            folder = REPOSITORY / "book" / "chapters" / self.slug / "recorded"
            write_atomically(folder / f"{NAME}.json", readable(self.content()) + "\n")

    def content(self) -> dict[str, Any]:
        """The record, as ``press.record`` writes records."""
        code = sorted(self.code)
        return {
            "what": "Scores (%) of the runs of the profile paper that are complete, seed by seed.",
            "command": self.command,
            "provenance": {
                **sweep.provenance(self.device),
                "commit": machine.commit(REPOSITORY),
                "date": datetime.now(UTC).date().isoformat(),
            },
            "random weights": sorted(self.random),
            "tables": self.found,
            "keys": {"code": [":".join(start) for start in code], "key": keys.code_key(code)},
        }


def _name(key: Any) -> str:
    return ", ".join(map(str, key)) if isinstance(key, tuple) else str(key)


def scores(records: Sequence[Record]) -> dict[str, list[float]]:
    """Score -> its last value of each run, in percent, the mean over classes."""
    found = {}
    for name in SCORES:
        if all(name in record.values for record in records):
            values = [np.atleast_1d(record.values[name]) for record in records]
            last = [float(np.mean(each[-1])) for each in values]
            if np.isfinite(last).all():
                found[name] = [round(value, 3) for value in last]
    return found


class Working(chapters.Chapter):
    """A chapter that writes down every table of runs that is complete."""

    tables: Tables

    def run(self, function: sweep.RunFunction, specs: Iterable[Any]) -> list[Record]:
        told = [self._with_weights(spec) for spec in specs]
        for spec in told:
            self.tables.code.update(keys.starts(function, spec))
        return super().run(function, told)

    def _with_weights(self, spec: Any) -> Any:
        fitting = with_weights_at_hand(spec)
        if fitting != spec:
            self.tables.random.add(fitting.network)
        return fitting

    def repeat(
        self,
        function: sweep.RunFunction,
        table: Mapping[Any, Any],
        seeds: Iterable[int] | None = None,
    ) -> dict[Any, list[Record]]:
        records = super().repeat(function, table, seeds)
        self.tables.add(records)
        return records


def compute(tables: Tables, seeds: int, data_root: str, workers: int) -> None:
    """Execute the code of a chapter's notebook, and write down its tables."""

    class Here(Working):
        def __init__(self, slug: str, *_: Any) -> None:
            super().__init__(slug, "paper", tables.device, seeds, data_root)
            object.__setattr__(self, "tables", tables)
            object.__setattr__(self, "workers", workers)

    execute_cells(tables, Here, f"profile, seeds = 'paper', {seeds}")


def main(arguments: list[str] | None = None) -> int:
    """The command behind ``make record PROFILE=paper``."""
    parser = options.Parser(prog="python -m weaklabels.press.paper.work")
    parser.add_argument("--chapters", default="", help="slugs; else all, as planned")
    parser.add_argument("--device", default="cpu", help="cpu | cuda | cuda:N")
    parser.add_argument("--seeds", default="", help="repetitions; 1 if left out")
    parser.add_argument("--data", default="", help="folder of the downloaded datasets")
    parser.add_argument("--budget", default="", help="time after which it stops: 90s, 25m, 1.5h")
    options.add_workers(parser)
    try:
        given = parser.parse_args(arguments)
        known = plan.slugs()
        slugs = options.chapters(given.chapters, known) or plan.order(given.device)
        device, limit = options.device(given.device), options.budget(given.budget)
        seeds = options.number("SEEDS", given.seeds) or 1
        workers = options.number("WORKERS", given.workers) or machine.default_workers(device)
        root = options.data_root(given.data)
    except options.UsageError as error:
        print(error, file=sys.stderr)
        return 2
    with stopping_cleanly(lambda: None, AGAIN, limit):
        for slug in slugs:
            command = _command(slug, given)
            tables = Tables(slug, device, command)
            compute(tables, seeds, root, workers)
            missing = sum("FileNotFoundError" in error for _, error in tables.silent)
            print(f"{slug}: {len(tables.found)} tables; {missing} cells lack data", flush=True)
    return 0


def _command(slug: str, given: argparse.Namespace) -> str:
    parts = [f"make record PROFILE=paper CHAPTERS={slug}", "DATA=folder" if given.data else ""]
    parts += [f"DEVICE={given.device}" if given.device != "cpu" else ""]
    parts += [f"SEEDS={given.seeds}" if given.seeds else ""]
    return " ".join(part for part in parts if part)


if __name__ == "__main__":
    sys.exit(main())
