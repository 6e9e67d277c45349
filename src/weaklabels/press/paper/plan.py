"""``make paper-plan``: what each table of the papers costs on the device that was measured.

It is made from what ``make paper-check`` found: the runs that every notebook asks for with the
profile ``paper``, and how many images a second their networks train on. First come the chapters
whose data are at hand, and among them those with the most undecided rows for each minute.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weaklabels.press.paper.throughput import file_of
from weaklabels.press.runner.files import read_json
from weaklabels.press.runner.notebooks import chapters_of
from weaklabels.press.verdicts import NOT_TESTABLE, OPEN

REPOSITORY = Path(__file__).parents[4]
FOUND = REPOSITORY / "build" / "paper-check"


@dataclass(frozen=True)
class Costs:
    """What the tables of a chapter cost.

    Attributes:
        slug: of the chapter.
        tables: (section, runs, minutes) of each.
        undecided: rows of the chapter that are open or not testable in the book.
        lacking: datasets that are not at hand.
    """

    slug: str
    tables: tuple[tuple[str, int, float], ...]
    undecided: int
    lacking: tuple[str, ...]

    @property
    def minutes(self) -> float:
        return sum(minutes for _, _, minutes in self.tables)

    @property
    def rank(self) -> tuple[bool, float]:
        """Small for what should be computed first."""
        return bool(self.lacking), -(self.undecided + 1) / (self.minutes + 1)


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
                (table["section"], seeds * table["runs"], seeds * _minutes(table["cost"], speeds))
                for table in trace["tables"]
            )
            lacking = tuple(name for name, made_up in trace["made_up"].items() if made_up)
            found.append(Costs(slug, tables, _undecided(slug), lacking))
    return sorted(found, key=lambda each: each.rank)


def _minutes(cost: dict[str, float], speeds: dict[str, Any]) -> float:
    return sum(images / speeds[key] for key, images in cost.items() if speeds.get(key)) / 60


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
    """The plan as text."""
    found = []
    for each in planned:
        lacking = f"; not at hand: {', '.join(each.lacking)}" if each.lacking else ""
        found.append(
            f"{each.slug}: {each.minutes:,.1f} minutes, {each.undecided} undecided rows{lacking}"
        )
        found += [f"  {m:10,.1f} min  {n:5} runs  {section}" for section, n, m in each.tables]
    total = sum(each.minutes for each in planned)
    ready = sum(each.minutes for each in planned if not each.lacking)
    return [*found, f"{total:,.0f} minutes in all, {ready:,.0f} of them with the data at hand"]


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
