"""``make record PROFILE=paper``: the tables of the papers, computed within a budget.

The chapters come in the order of the plan (see ``plan``), each in a process of its own: what ruins
one of them leaves the others alone. The code of each notebook is executed with the profile
``paper`` on all data that are at hand; every table that is complete is written at once to
``recorded/paper.json`` of its room, in its own place there, with the scores of its rows, seed by
seed (see ``scores``). Of a table over several datasets those rows are written whose data are at
hand, and it is told which were left out. Finished runs lie in ``build/paper/runs``, and those under
way keep their state. Cells that fail for another reason than that data are missing are told, and
so are tables of which nothing can be kept.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from weaklabels.lab import keys, sweep
from weaklabels.lab.definitions import Reference
from weaklabels.lab.store import Record
from weaklabels.press import chapter as chapters
from weaklabels.press import machine
from weaklabels.press.paper import plan
from weaklabels.press.paper.at_hand import CARRIED, LEFT_OUT, RANDOM, rows_at_hand
from weaklabels.press.paper.cells import execute_cells, notebook_of, parameters
from weaklabels.press.paper.follow import FAILED
from weaklabels.press.paper.scores import by_difference, kept_of, name_of, says_something, scores
from weaklabels.press.paper.shorten import (
    resumable,
    with_weights,
    with_weights_at_hand,
)
from weaklabels.press.paper.throughput import Cost, add_cost, file_of
from weaklabels.press.record import AGAIN, REPOSITORY, computed_on, readable
from weaklabels.press.runner import options
from weaklabels.press.runner.files import (
    PART,
    only_one,
    read_json,
    remove_leftovers,
    write_atomically,
)
from weaklabels.press.runner.interrupt import kill_descendants, stopping_cleanly
from weaklabels.press.stale import reference

NAME = "paper"

PLACE = ("section", "cell", "number")
"""What tells tables of a chapter apart: the heading above, the first line of the cell, and which of
its tables it is."""

Process: type[BaseProcess] = multiprocessing.get_context("spawn").Process
"""That of a chapter; in one that is forked CUDA may not be usable."""


@dataclass
class Tables:
    """What was computed of one chapter.

    Attributes:
        slug: of the chapter.
        device: where.
        command: that computed it.
        budget: time that the command was given, as typed; empty: no limit.
        found: the complete tables, also those of earlier commands: where each stands (``section``,
            first line of the ``cell``, ``number`` among the tables of this cell), ``rows``,
            networks with random weights, datasets that are left out, and how it came about.
        seeds: repetitions that are asked for.
        added: how many tables are new.
        place: of the table under way; None between tables.
        code, random, carried: where the code of that table starts, and its networks with random
            weights and with those of ImageNet.
        asked: tables that a cell asked for, by section and first line.
        section, line, cells, silent, failed: of the cells (see ``cells.execute_cells``).
    """

    slug: str
    device: str
    command: str
    found: list[dict[str, Any]] = field(init=False)
    budget: str = ""
    seeds: int = 1
    added: int = 0
    place: dict[str, Any] | None = None
    code: set[Reference] = field(default_factory=set)
    random: set[str] = field(default_factory=set)
    carried: set[str] = field(default_factory=set)
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    section: str = ""
    line: str = ""
    cells: int = 0
    silent: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.found = (read_json(self.path) or {}).get("tables", [])

    @property
    def path(self) -> Path:
        """Where they are written."""
        return REPOSITORY / "book" / "chapters" / self.slug / "recorded" / f"{NAME}.json"

    @contextmanager
    def one(self, function: sweep.RunFunction) -> Iterator[dict[str, Any]]:
        """While a table is computed: its place, which stays the same when others are not complete.

        Raises:
            ValueError: if nothing is said of what to keep of its runs, before they are computed.
        """
        name = name_of(function)
        kept_of(name)
        self.code.clear()
        self.random.clear()
        self.carried.clear()
        self.asked[self.section, self.line] += 1
        number = self.asked[self.section, self.line]
        self.place = {"section": self.section, "cell": self.line, "number": number}
        try:
            yield {**self.place, "function": name}
        finally:
            self.place = None

    def add(
        self,
        table: Mapping[str, Any],
        rows: Mapping[Any, Sequence[Record]],
        left_out: Sequence[str] = (),
    ) -> None:
        """Add a complete table in its place, and write all of them.

        One of which nothing can be kept, though something was to be, counts as failed; one that
        leaves out what the table in its place has is not written.

        Args:
            table: its place, and its function.
            rows: the runs of each, not none.
            left_out: datasets that are not at hand, from which further rows would learn.
        """
        kept = kept_of(table["function"])
        scored = {_name(key): scores(records, kept) for key, records in rows.items()}
        if not kept:
            return
        if not says_something(scored):
            told = f"no value of {table['function']} can be kept: expected {', '.join(kept)}"
            self.failed.append((self.section, told))
            return
        place = self._place_of(table)
        if place is not None and not set(left_out) <= set(self.found[place].get(LEFT_OUT, ())):
            return
        runs = [record for records in rows.values() for record in records]
        new = {
            **table,
            "rows": scored,
            LEFT_OUT: list(left_out),
            "seeds": self.seeds,
            **cost_of(runs, self.device),
            "timed": file_of(Path(), self.device).name,
            RANDOM: sorted(self.random),
            CARRIED: sorted(self.carried),
            "command": self.command,
            "provenance": self._provenance(runs),
            "keys": _keys(self.code),
        }
        if place is None:
            self.found.append(new)
        else:
            self.found[place] = new
        self.added += 1
        write_atomically(self.path, readable(self.content()) + "\n")

    def _place_of(self, table: Mapping[str, Any]) -> int | None:
        """Which of the found tables is that of this place, if there is one."""
        same = (all(each.get(key) == table[key] for key in PLACE) for each in self.found)
        return next((number for number, is_so in enumerate(same) if is_so), None)

    def _provenance(self, runs: Sequence[Record] = ()) -> dict[str, Any]:
        devices = [run.provenance["device"] for run in runs if "device" in run.provenance]
        return {
            **sweep.provenance(self.device),
            **computed_on(devices),
            "commit": machine.commit(REPOSITORY),
            "date": datetime.now(UTC).date().isoformat(),
        }

    def content(self) -> dict[str, Any]:
        """The record, as ``press.record`` writes records; its key is that of old code as long as
        one of its tables is."""
        held = [each["keys"] for each in self.found]
        code = {reference(start) for each in held for start in each["code"]}
        old = [each["key"] for each in held if _keys(map(reference, each["code"])) != each]
        return {
            "what": "Scores of the runs of the profile paper that are complete, seed by seed.",
            "command": self.command,
            "provenance": self._provenance(),
            RANDOM: sorted({name for each in self.found for name in each[RANDOM]}),
            "tables": self.found,
            "keys": _keys(code) | ({"key": old[0]} if old else {}),
        }


def _keys(starts: Iterable[Reference]) -> dict[str, Any]:
    code = sorted(starts)
    return {"code": [":".join(start) for start in code], "key": keys.code_key(code)}


def _name(key: Any) -> str:
    return ", ".join(map(str, key)) if isinstance(key, tuple) else str(key)


def cost_of(runs: Sequence[Record], device: str = "cpu") -> dict[str, Any]:
    """What the plan is told of runs that are finished.

    Args:
        runs: which.
        device: that was asked for.

    Returns:
        ``runs``, their number; ``images`` that pass through their networks (see
        ``throughput.add_cost``), and ``seconds``, one after another; of a run that was resumed
        they are those since its last checkpoint.
    """
    cost: Cost = {}
    for spec in dict.fromkeys(run.spec for run in runs):
        add_cost(cost, spec, device)
    seconds = {id(run): run.provenance.get("seconds", 0.0) for run in runs}
    return {
        "runs": len(runs),
        "images": sum(cost.values()),
        "seconds": round(sum(seconds.values()), 1),
    }


class Working(chapters.Chapter):
    """A chapter that writes down every table of runs that is complete."""

    tables: Tables

    def run(self, function: sweep.RunFunction, specs: Iterable[Any]) -> list[Record]:
        if self.tables.place is not None:  # ``repeat`` is under way, and names the rows
            return self._compute(function, specs)
        with self.tables.one(function) as table:
            numbered = dict(enumerate(specs))

            def compute(rows: Mapping[int, Any]) -> dict[int, Record]:
                return dict(zip(rows, self._compute(function, rows.values()), strict=True))

            found, missing = rows_at_hand(numbered, compute)
            records = list(found.values())
            self._add(table, by_difference(records), missing)
        return records

    def _compute(self, function: sweep.RunFunction, specs: Iterable[Any]) -> list[Record]:
        specs = list(specs)
        fitting = [with_weights_at_hand(spec) for spec in specs]
        told = [resumable(spec) for spec in fitting]
        if self.tables.budget and any(self._begins_anew(function, spec) for spec in told):
            print(
                f"{self.slug}: runs of {name_of(function)} keep no checkpoints: one that takes "
                f"longer than BUDGET={self.tables.budget} is never finished",
                flush=True,
            )
        records = super().run(function, told)
        for spec, asked in zip(told, specs, strict=True):
            self.tables.code.update(keys.starts(function, spec))
            self.tables.carried.update(with_weights(spec))
            self.tables.random.update(with_weights(asked) - with_weights(spec))
        return records

    def _begins_anew(self, function: sweep.RunFunction, spec: Any) -> bool:
        """Whether a run is still to be computed, and starts from its beginning when stopped."""
        kept = getattr(spec, "checkpoint", False)
        return not kept and not self.store.path(function, spec).exists()

    def repeat(
        self,
        function: sweep.RunFunction,
        table: Mapping[Any, Any],
        seeds: Iterable[int] | None = None,
    ) -> dict[Any, list[Record]]:
        numbers = None if seeds is None else list(seeds)
        with self.tables.one(function) as under_way:
            records, missing = rows_at_hand(
                table, lambda rows: super(Working, self).repeat(function, rows, numbers)
            )
            self._add(under_way, records, missing)
        return records

    def _add(
        self,
        table: Mapping[str, Any],
        rows: Mapping[Any, Sequence[Record]],
        missing: Mapping[str, FileNotFoundError],
    ) -> None:
        """Add the rows of a table whose data are at hand, and name what others lack.

        Raises:
            FileNotFoundError: if there are others: the cell shows all of them.
        """
        if rows:
            self.tables.add(table, rows, list(missing))
        if rows and missing:
            names = ", ".join(missing)
            print(f"{self.slug}: {table['section']}: rows of {names} are left out", flush=True)
        for error in missing.values():
            raise error


def compute(tables: Tables, seeds: int, data_root: str, workers: int) -> None:
    """Execute the code of a chapter's notebook, and write down its tables."""
    tables.seeds = seeds

    class Here(Working):
        def __init__(self, slug: str, *_: Any) -> None:
            super().__init__(slug, "paper", tables.device, seeds, data_root)
            object.__setattr__(self, "tables", tables)
            object.__setattr__(self, "workers", workers)

    execute_cells(
        tables,
        notebook_of(REPOSITORY, tables.slug),
        Here,
        parameters(tables.device, seeds),
        excused=lambda error: isinstance(error, FileNotFoundError),
    )


def lines(tables: Tables) -> list[str]:
    """How a chapter went, in a few lines."""
    missing = sum(error.startswith("FileNotFoundError") for _, error in tables.silent)
    found = [f"{tables.slug}: {tables.added} tables; {missing} cells lack data"]
    return found + [f"  failed: {section}: {error}" for section, error in tables.failed]


def work(tables: Tables, seeds: int, data_root: str, workers: int) -> None:
    """What the process of a chapter does. It ends with ``FAILED`` if a cell failed.

    The process that started it decides when it stops, and it ends when that one is gone.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    compute(tables, seeds, data_root, workers)
    print("\n".join(lines(tables)), flush=True)
    sys.exit(FAILED if tables.failed else 0)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    kill_descendants()
    os._exit(1)


def work_apart(tables: Tables, seeds: int, data_root: str, workers: int) -> bool:
    """``work`` in a process of its own. Returns whether nothing failed."""
    arguments = (tables, seeds, data_root, workers)
    process = Process(target=work, args=arguments)
    process.start()
    process.join()
    if process.exitcode not in (0, FAILED):
        print(
            f"{tables.slug}: failed: its process ended with status {process.exitcode}", flush=True
        )
    return process.exitcode == 0


def _clean(folder: Path) -> None:
    """Remove what a process that is dead has half written."""
    remove_leftovers(folder)
    for path in REPOSITORY.glob(f"book/chapters/*/recorded/{NAME}.json{PART}"):
        path.unlink(missing_ok=True)


def main(arguments: list[str] | None = None) -> int:
    """The command behind ``make record PROFILE=paper``. Returns 1 if a cell failed for another
    reason than that data are missing, 2 for misuse."""
    parser = options.Parser(prog="python -m weaklabels.press.paper.work")
    parser.add_argument("--chapters", default="", help="slugs; else all, as planned")
    parser.add_argument("--device", default="cpu", help="cpu | cuda | cuda:N")
    parser.add_argument("--seeds", default="", help="repetitions; 1 if left out")
    parser.add_argument("--data", default="", help="folder of the downloaded datasets")
    parser.add_argument("--budget", default="", help="time after which it stops: 90s, 25m, 1.5h")
    options.add_workers(parser)
    folder = Path(os.environ.get("WEAKLABELS_BUILD", REPOSITORY / "build")) / "paper"
    try:
        given = parser.parse_args(arguments)
        known = plan.slugs()
        device, limit = options.device(given.device), options.budget(given.budget)
        slugs = options.chapters(given.chapters, known) or plan.order(device)
        seeds = options.number("SEEDS", given.seeds) or 1
        workers = options.number("WORKERS", given.workers) or machine.default_workers(
            device, "paper"
        )
        root = options.data_root(given.data)
        clean = partial(_clean, folder)
        with only_one(folder), stopping_cleanly(clean, AGAIN, limit):
            clean()
            tables = [Tables(slug, device, _command(slug, given), given.budget) for slug in slugs]
            well = [work_apart(each, seeds, root, workers) for each in tables]
    except options.UsageError as error:
        print(error, file=sys.stderr)
        return 2
    return 0 if all(well) else 1


def _command(slug: str, given: argparse.Namespace) -> str:
    parts = [f"make record PROFILE=paper CHAPTERS={slug}", "DATA=folder" if given.data else ""]
    parts += [f"DEVICE={given.device}" if given.device != "cpu" else ""]
    parts += [f"SEEDS={given.seeds}" if given.seeds else ""]
    return " ".join(part for part in parts if part)


if __name__ == "__main__":
    sys.exit(main())
