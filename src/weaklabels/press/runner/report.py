"""What a reproduction tells at its end: times, claims, failures."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from weaklabels.press.runner.files import read_json
from weaklabels.press.runner.notebooks import Notebook
from weaklabels.press.runner.outcome import Outcome
from weaklabels.press.verdicts import OUTCOMES


def clock(seconds: float) -> str:
    """``"1:02:03"``, ``"2:03"`` or ``"3.4 s"``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def summary(chapters: Sequence[Notebook], profile: Path, executed: Iterable[str]) -> str:
    """A table of the chapters: time of their execution and verdicts, with totals.

    Args:
        chapters: rows of the table.
        profile: the profile's build folder.
        executed: slugs that were executed just now; the others' times are from before.
    """
    now, total, seconds = set(executed), Counter(), 0.0
    rows = [("chapter", "time", "", *OUTCOMES)]
    for chapter in chapters:
        state = read_json(profile / "state" / f"{chapter.slug}.json")
        if not isinstance(state, dict):
            rows.append((chapter.slug, "-", "not executed", "", "", ""))
            continue
        verdicts = _verdicts(profile / "claims" / f"{chapter.slug}.json")
        total += verdicts
        seconds += state["duration"]
        when = "" if chapter.slug in now else "earlier"
        counts = (str(verdicts[verdict]) for verdict in OUTCOMES)
        rows.append((chapter.slug, clock(state["duration"]), when, *counts))
    rows.append(("total", clock(seconds), "", *(str(total[verdict]) for verdict in OUTCOMES)))
    return _table(rows)


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


def _verdicts(path: Path) -> Counter[str]:
    rows = read_json(path)
    return Counter(row["outcome"] for row in rows) if isinstance(rows, list) else Counter()


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for name, *cells in rows:
        right = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        lines.append("  ".join([name.ljust(widths[0]), *right]).rstrip())
    return "\n".join(lines)
