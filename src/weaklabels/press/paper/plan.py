"""``make paper-plan``: what each table of the papers costs on the device that was measured.

It is made from what ``make paper-check`` found: the runs that every notebook asks for with the
profile ``paper``, and how many images a second their networks train on. First come the chapters
whose data are at hand, and among them those with the most undecided rows for each minute. What a
table costs is unknown where its runs train no network on a published dataset, or that could not be
timed; chapters of which nothing is known come last.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weaklabels.press.paper.throughput import NOT_COUNTED, file_of
from weaklabels.press.runner.files import read_json
from weaklabels.press.runner.notebooks import chapters_of
from weaklabels.press.verdicts import NOT_TESTABLE, OPEN

REPOSITORY = Path(__file__).parents[4]
FOUND = REPOSITORY / "build" / "paper-check"
UNKNOWN = "cost unknown"


@dataclass(frozen=True)
class Costs:
    """What the tables of a chapter cost.

    Attributes:
        slug: of the chapter.
        tables: (section, runs, minutes) of each; None where they are unknown.
        undecided: rows of the chapter that are open or not testable in the book.
        lacking: datasets that are not at hand.
    """

    slug: str
    tables: tuple[tuple[str, int, float | None], ...]
    undecided: int
    lacking: tuple[str, ...]

    @property
    def minutes(self) -> float | None:
        """What is known of it; None if that is nothing."""
        known = [minutes for _, _, minutes in self.tables if minutes is not None]
        return sum(known) if known or not self.tables else None

    @property
    def rank(self) -> tuple[bool, bool, float]:
        """Small for what should be computed first."""
        gain = (self.undecided + 1) / ((self.minutes or 0) + 1)
        return bool(self.lacking), self.minutes is None, -gain


def slugs() -> list[str]:
    """All chapters, in the order of the book."""
    return [chapter.slug for chapter in chapters_of(REPOSITORY / "book")]


def costs(device: str, seeds: int = 1, folder: Path = FOUND) -> list[Costs]:
    """The chapters that were followed, in the order in which they should be computed."""
    speeds = read_json(file_of(folder, device)) or {}
    found = []
    for slug in slugs():
        trace = read_json(folder / device.partition(":")[0] / f"{slug}.json")
        if trace is not None:
            tables = tuple(
                (table["section"], seeds * table["runs"], _minutes(table, seeds, speeds))
                for table in trace["tables"]
            )
            lacking = tuple(name for name, made_up in trace["made_up"].items() if made_up)
            found.append(Costs(slug, tables, _undecided(slug), lacking))
    return sorted(found, key=lambda each: each.rank)


def _minutes(table: dict[str, Any], seeds: int, speeds: dict[str, Any]) -> float | None:
    """What a table costs; None if that is unknown of some of its runs."""
    cost = table["cost"]
    untold = table.get("uncosted") or (table["runs"] and not cost)
    if untold or not all(speeds.get(key) for key in cost):
        return None
    return seeds * sum(images / speeds[key] for key, images in cost.items()) / 60


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
        for section, runs, minutes in sorted(each.tables, key=lambda table: table[2] is None):
            told = UNKNOWN if minutes is None else f"{minutes:,.1f} min"
            found.append(f"  {told:>14}  {runs:5} runs  {section}")
    total = sum(each.minutes or 0 for each in planned)
    ready = sum(each.minutes or 0 for each in planned if not each.lacking)
    untold = sum(minutes is None for each in planned for _, _, minutes in each.tables)
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
