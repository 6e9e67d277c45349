"""What a reproduction tells at its end: times, claims, failures."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from weaklabels.press.runner.edition import edition_of
from weaklabels.press.runner.files import read_json
from weaklabels.press.runner.notebooks import Notebook
from weaklabels.press.runner.outcome import Outcome
from weaklabels.press.verdicts import AGREES, DISAGREES, OUTCOMES, in_words


def clock(seconds: float) -> str:
    """``"1:02:03"``, ``"2:03"`` or ``"3.4 s"``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def summary(chapters: Sequence[Notebook], profile: Path, executed: Iterable[str]) -> str:
    """A table of the chapters, time of their execution and outcomes, and the totals in words.

    Args:
        chapters: rows of the table.
        profile: the profile's build folder.
        executed: slugs that were executed just now; the others' times are from before.
    """
    now, total, seconds = set(executed), Counter(dict.fromkeys(OUTCOMES, 0)), 0.0
    claims: dict[str, list[dict[str, Any]]] = {}
    seeds_of: dict[str, int] = {}
    rows: list[tuple[str, ...]] = [("chapter", "time", "", *OUTCOMES)]
    for chapter in chapters:
        state = read_json(profile / "state" / f"{chapter.slug}.json")
        if not isinstance(state, dict):
            rows.append((chapter.slug, "-", "not executed", *("" for _ in OUTCOMES)))
            continue
        claims[chapter.slug] = _rows(profile / "claims" / f"{chapter.slug}.json")
        if count := edition_of(chapter.path).provenance.get("seeds"):
            seeds_of[chapter.slug] = count
        found = Counter(row["outcome"] for row in claims[chapter.slug])
        total.update(found)
        seconds += state["duration"]
        when = "" if chapter.slug in now else "earlier"
        counts = (str(found[name]) for name in OUTCOMES)
        rows.append((chapter.slug, clock(state["duration"]), when, *counts))
    rows.append(("total", clock(seconds), "", *(str(total[name]) for name in OUTCOMES)))
    counted = f"{total.total()} claim{'' if total.total() == 1 else 's'}"
    text = f"{_table(rows)}\n\n{counted}: {', '.join(in_words(total))}"
    return text + _agreement(claims, seeds_of)


def failure_text(outcome: Outcome, profile: Path) -> str:
    """The failing cell and its error."""
    failure = outcome.failure
    assert failure is not None
    lines = [f"{outcome.slug} failed after {clock(outcome.seconds)}"]
    if failure.source:
        lines += ["in this cell:", textwrap.indent(failure.source, "    | ")]
    lines.append(f"  {failure.error}")
    if failure.notebook is not None:
        lines.append(f"  as far as it came: {profile / 'failed' / outcome.slug}.ipynb")
    return "\n".join(lines)


def _agreement(
    claims: Mapping[str, Sequence[Mapping[str, Any]]], seeds_of: Mapping[str, int]
) -> str:
    """Whose outcomes were counted, and how many this run agrees with; empty without a record."""
    every = {f"{slug} {row['id']}": row for slug, rows in claims.items() for row in rows}
    checked = {name: row for name, row in every.items() if "check" in row}
    if not checked:
        return ""
    seeds = sorted(seeds_of[slug] for slug, rows in claims.items() if rows and slug in seeds_of)
    span = " to ".join(str(each) for each in dict.fromkeys((*seeds[:1], *seeds[-1:])))
    many = f", {span} seeds" if span else ""
    without = [slug for slug, rows in claims.items() if rows and "check" not in rows[0]]
    here = f"; measured here: {', '.join(without)}" if without else ""
    said = Counter(row["check"]["says"] for row in checked.values())
    text = f" (record{many}{here})."
    text += f" This run agrees with {said[AGREES]} of {said[AGREES] + said[DISAGREES]}."
    names = [name for name, row in checked.items() if row["check"]["says"] == DISAGREES]
    return text + (f" It does not agree with: {', '.join(names)}." if names else "")


def _rows(path: Path) -> list[dict[str, Any]]:
    rows = read_json(path)
    return rows if isinstance(rows, list) else []


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for name, *cells in rows:
        right = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        lines.append("  ".join([name.ljust(widths[0]), *right]).rstrip())
    return "\n".join(lines)
