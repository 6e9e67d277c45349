"""What runs at the papers' settings gave, for the end of a chapter that has such a record."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from weaklabels.press.html.markup import plain, table
from weaklabels.press.paper.at_hand import CARRIED, LEFT_OUT, RANDOM
from weaklabels.press.runner.files import read_json
from weaklabels.press.runner.notebooks import Cell

FILE = "paper.json"
NOTHING = "–"

HEAD = """\
## At the papers' settings

Beside what this chapter tests, its tables were computed with the profile `paper`, the data and
networks of the papers, as far as data were at hand. Behind a ± stands the standard deviation over
seeds; what is more than one number a run is in `recorded/paper.json` alone. No claim of this
chapter is decided here.
"""


def paper_scale(recorded: Path) -> list[Cell]:
    """The cell that shows the tables of a chapter, none if there is no record of them.

    Args:
        recorded: folder of the chapter's records.
    """
    tables = (read_json(recorded / FILE) or {}).get("tables", [])
    if not tables:
        return []
    text = "\n".join([HEAD, *(_shown(each) for each in tables)])
    return [{"cell_type": "markdown", "id": "paper-scale", "metadata": {}, "source": text}]


def _shown(found: Mapping[str, Any]) -> str:
    """A table, and how it came about."""
    rows = found["rows"]
    names = dict.fromkeys(
        name for kept in rows.values() for name, values in kept.items() if _single(values)
    )
    body = [
        [plain(row), *(_value(kept.get(name, ())) for name in names)] for row, kept in rows.items()
    ]
    head = f"**{plain(found['section'])}.** {'; '.join(_facts(found))}.\n"
    return f"{head}\n{table(['', *map(plain, names)], body, classes='paper-scale')}"


def _facts(found: Mapping[str, Any]) -> list[str]:
    made, seeds = found["provenance"], found["seeds"]
    facts = [f"{seeds} seed{'s' * (seeds > 1)} on {plain(made['device'])}, {made['date']}"]
    facts += [f"commit `{made['commit'][:10]}`, `{found['command']}`"]
    for key, told in (
        (RANDOM, "**random weights**, as ImageNet's were not at hand, of"),
        (CARRIED, "**carried weights**, those of ImageNet, of"),
        (LEFT_OUT, "left out, as their data were not at hand: rows of"),
    ):
        facts += [f"{told} {plain(', '.join(found[key]))}"] if found.get(key) else []
    return facts


def _single(values: Sequence[Any]) -> bool:
    """Whether runs have one number each; None stands for one that is not finite."""
    return not any(isinstance(value, list) for value in values)


def _value(values: Sequence[Any]) -> str:
    finite = [value for value in values if value is not None] if _single(values) else []
    if len(finite) < max(len(values), 1):
        return NOTHING
    mean = f"{statistics.fmean(finite):.4g}"
    return f"{mean} ± {statistics.stdev(finite):.2g}" if len(finite) > 1 else mean
