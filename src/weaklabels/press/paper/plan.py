"""``make paper-plan``: what each table of the papers costs on the device that was measured.

It is made from what ``make paper-check`` found: the runs that every notebook asks for with the
profile ``paper``, and how many images a second their networks train on. First come the chapters
whose data are at hand, and among them those with the most undecided rows for each minute. What a
table costs is unknown where its runs train no network on a published dataset, or that could not be
timed, or where some compute on the CPU beside a GPU; chapters of which nothing is known come last.

What is recorded in ``recorded/paper.json`` by the code of today is not planned again; where a table
needs further seeds, or has to be made anew, its own runs say what it costs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import isclose
from pathlib import Path
from typing import Any, NamedTuple

import torch

from weaklabels.lab import keys
from weaklabels.press.machine import FOUND
from weaklabels.press.paper.throughput import NOT_COUNTED, file_of
from weaklabels.press.runner.files import read_json
from weaklabels.press.runner.notebooks import chapters_of
from weaklabels.press.stale import reference
from weaklabels.press.verdicts import NOT_TESTABLE, OPEN

REPOSITORY = Path(__file__).parents[4]
UNKNOWN = "cost unknown"
FINISHED = "finished"


class Planned(NamedTuple):
    """What is left of a table: the heading above it, its runs, minutes, None if unknown, and how
    many of the runs compute on the CPU, though another device is asked for."""

    section: str
    runs: int
    minutes: float | None
    on_cpu: int = 0


@dataclass(frozen=True)
class Costs:
    """What the tables of a chapter cost.

    Attributes:
        slug: of the chapter.
        tables: what is left of each.
        undecided: rows of the chapter that are open or not testable in the book.
        lacking: datasets that are not at hand.
    """

    slug: str
    tables: tuple[Planned, ...]
    undecided: int
    lacking: tuple[str, ...]

    @property
    def minutes(self) -> float | None:
        """What is known of it; None if that is nothing."""
        known = [table.minutes for table in self.tables if table.minutes is not None]
        return sum(known) if known or not self.tables else None

    @property
    def rank(self) -> tuple[bool, bool, bool, float]:
        """Small for what should be computed first."""
        gain = (self.undecided + 1) / ((self.minutes or 0) + 1)
        finished = bool(self.tables) and not any(table.runs for table in self.tables)
        return finished, bool(self.lacking), self.minutes is None, -gain


def slugs() -> list[str]:
    """All chapters, in the order of the book."""
    return [chapter.slug for chapter in chapters_of(REPOSITORY / "book")]


def costs(device: str, seeds: int = 1, folder: Path = FOUND) -> list[Costs]:
    """The chapters that were followed, in the order in which they should be computed."""
    timed = speeds_of(folder, device)
    speeds = read_json(timed) or {}
    found = []
    for slug in slugs():
        trace = read_json(folder / device.partition(":")[0] / f"{slug}.json")
        if trace is not None:
            path = REPOSITORY / "book" / "chapters" / slug / "recorded" / "paper.json"
            held = _recorded(trace["tables"], (read_json(path) or {}).get("tables", []))
            tables = tuple(
                _planned(table, each, seeds, speeds, timed.name)
                for table, each in zip(trace["tables"], held, strict=True)
            )
            lacking = tuple(name for name, made_up in trace["made_up"].items() if made_up)
            found.append(Costs(slug, tables, _undecided(slug), lacking))
    return sorted(found, key=lambda each: each.rank)


def _recorded(
    traced: Sequence[dict[str, Any]], recorded: Sequence[dict[str, Any]]
) -> list[dict[str, Any] | None]:
    """The recorded table for each traced one: under the same heading, with as many runs (a seed, or
    in all) on as many images. Of several that are alike the first ones."""
    left, found = list(recorded), []
    for table in traced:
        same = next((each for each in left if _is_of(each, table)), None)
        if same is not None:
            left.remove(same)
        found.append(same)
    return found


def _is_of(recorded: dict[str, Any], table: dict[str, Any]) -> bool:
    times = _times(recorded, table)
    images = times * sum(table["cost"].values())
    return (
        recorded["section"] == table["section"]
        and times in (1, recorded["seeds"])
        and isclose(recorded["images"], images, rel_tol=1e-6)
    )


def _times(recorded: dict[str, Any], table: dict[str, Any]) -> float:
    """How often the runs of a trace are in a recorded table."""
    return recorded["runs"] / table["runs"] if table["runs"] else 0


def _planned(
    table: dict[str, Any],
    recorded: dict[str, Any] | None,
    seeds: int,
    speeds: dict[str, Any],
    timed: str,
) -> Planned:
    """What is left of a table.

    Args:
        table: as it was traced, for one seed.
        recorded: what is recorded of it, if anything is.
        seeds: that are asked for.
        speeds: images a second, by network.
        timed: name of the file that holds them, which tells cards apart.
    """
    left, one = seeds, _minutes(table, speeds)
    if recorded is not None:
        held = recorded["keys"]
        if keys.code_key(map(reference, held["code"])) == held["key"]:
            left = max(0, seeds - recorded["seeds"])
        if recorded["timed"] == timed and recorded["seconds"]:
            one = recorded["seconds"] / _times(recorded, table) / 60
    minutes = 0.0 if not left else None if one is None else left * one
    return Planned(table["section"], left * table["runs"], minutes, left * table.get("on_cpu", 0))


def _minutes(table: dict[str, Any], speeds: dict[str, Any]) -> float | None:
    """What one seed of a table costs; None if that is unknown of some of its runs."""
    cost = table["cost"]
    untold = table.get("uncosted") or (table["runs"] and not cost)
    if untold or not all(speeds.get(key) for key in cost):
        return None
    return sum(images / speeds[key] for key, images in cost.items()) / 60


def speeds_of(folder: Path, device: str) -> Path:
    """Where the speeds of a device are; away from any card those of the only one that was timed,
    as a folder that was brought home holds them."""
    path = file_of(folder, device)
    if device != "cpu" and not torch.cuda.is_available() and not path.exists():
        cards = set(folder.glob("throughput-*.json")) - {file_of(folder, "cpu")}
        path = cards.pop() if len(cards) == 1 else path
    return path


def _undecided(slug: str) -> int:
    recorded = REPOSITORY / "book" / "chapters" / slug / "recorded" / "claims.json"
    checked = REPOSITORY / "build" / "quick" / "claims" / f"{slug}.json"
    rows = read_json(recorded) or read_json(checked) or []
    rows = rows.get("rows", []) if isinstance(rows, dict) else rows
    return sum(row.get("outcome") in (OPEN, NOT_TESTABLE) for row in rows)


def order(device: str) -> list[str]:
    """Slugs in the order of the plan; those that were not followed come last."""
    planned = [each.slug for each in costs(device)]
    return planned + [slug for slug in slugs() if slug not in planned]


def lines(planned: list[Costs]) -> list[str]:
    """The plan as text; in a chapter tables of unknown cost stand last."""
    found = [NOT_COUNTED]
    for each in planned:
        lacking = f"; not at hand: {', '.join(each.lacking)}" if each.lacking else ""
        cost = UNKNOWN if each.minutes is None else f"{each.minutes:,.1f} minutes"
        found.append(f"{each.slug}: {cost}, {each.undecided} undecided rows{lacking}")
        for table in sorted(each.tables, key=lambda table: table.minutes is None):
            told = UNKNOWN if table.minutes is None else f"{table.minutes:,.1f} min"
            told = told if table.runs else FINISHED
            place = f"; on the CPU: {table.on_cpu} runs" if table.on_cpu else ""
            found.append(f"  {told:>14}  {table.runs:5} runs  {table.section}{place}")
    total = sum(each.minutes or 0 for each in planned)
    ready = sum(each.minutes or 0 for each in planned if not each.lacking)
    untold = sum(table.minutes is None for each in planned for table in each.tables)
    return [
        *found,
        f"{total:,.0f} minutes in all, {ready:,.0f} of them with the data at hand"
        + (f"; {untold} tables of unknown cost" if untold else ""),
    ]


def main(arguments: list[str] | None = None) -> int:
    """The command behind ``make paper-plan``. Returns 1 if nothing has been measured yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seeds", default=1, type=lambda text: int(text or 1))
    given = parser.parse_args(arguments)
    planned = costs(given.device, given.seeds)
    if not planned:
        print(f"Nothing is measured yet: run `make paper-check DEVICE={given.device}` first.")
        return 1
    print("\n".join(lines(planned)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
