"""The claims of a chapter as one table: what its notebook shows, and the book that is built of it.

It is made from the rows alone, so that a change of its form needs no execution.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from weaklabels.press.fine_print import conditions, needed
from weaklabels.press.verdicts import OPEN, OUTCOMES

COLUMNS = ("claim", "paper", "here", "outcome", "test", "why")
CHECKED = ("this run", "agrees")
"""Columns of a check, which has measured anew what was recorded."""

LABEL = re.compile(r"\b(?:fig|tab)-[a-z0-9]+(?:-[a-z0-9]+)*")
"""The label of a figure or table, in a text."""

_PLACE = re.compile(
    r"(?<!['’]s )\b(?:Table|Figure|Section|Theorem|Appendix|Equation)s? [S\d]\w*(?! of )\b"
)
"""A numbered place that is not said to be in a paper."""


def claims_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """HTML of a table with a row a claim; cells have the name of their column as class.

    The test, its seeds, the paper's effect, the smallest that counts and the figure that decides
    share a cell. A figure is named by its label, in explanations as well: a book puts its number
    there.

    Args:
        rows: of the ledger, as ``claims.Row.as_dict`` gives them; those of a check have what it
            found under ``"check"``.
    """
    checked = any("check" in row for row in rows)
    columns = (*COLUMNS[:4], *(CHECKED if checked else ()), *COLUMNS[4:])
    head = "".join(f'<th class="{_class(name)}">{name}</th>' for name in columns)
    lines = []
    for row in rows:
        cells = _cells(row)
        texts = [f'<td class="{_class(name)}">{cells.get(name, "")}</td>' for name in columns]
        lines.append(f"<tr><th>{escape(row['id'])}</th>{''.join(texts)}</tr>")
    body = "\n".join(lines)
    return (
        f'<table class="dataframe">\n<thead><tr><th></th>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table>"
    )


def in_the_paper(text: str) -> str:
    """What a row says of its paper; ``Table 2`` becomes ``the paper's Table 2``."""
    return _PLACE.sub(lambda place: f"the paper's {place[0]}", text)


def _class(column: str) -> str:
    return column.replace(" ", "-")


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    """HTML by column."""
    paper = in_the_paper(row["paper"])
    texts = {"claim": row["claim"], "paper": paper, "here": row["ours"], "why": row["why"]}
    if check := row.get("check"):
        texts |= {"this run": check["found"], "agrees": check["says"]}
    cells = {name: escape(text) for name, text in texts.items()}
    why = LABEL.sub(lambda label: _link(label[0], "named"), cells["why"])
    return cells | {"outcome": _outcome(row), "test": _test(row), "why": why}


def _outcome(row: Mapping[str, Any]) -> str:
    outcome = row["outcome"]
    kind = outcome.split()[0] if outcome in OUTCOMES else "unknown"
    mark = f'<span class="verdict {kind}">{escape(outcome)}</span>'
    return f'{mark} <span class="small">{needed(row)}</span>' if outcome == OPEN else mark


def _test(row: Mapping[str, Any]) -> str:
    said, label = [escape(text) for text in conditions(row)], escape(row["figure"])
    said += [f"decided by {_link(label, 'decides')}"] if label else []
    return f'<span class="small">{"; ".join(said)}</span>' if said else ""


def _link(label: str, kind: str) -> str:
    return f'<a class="{kind}" href="#{label}">{label}</a>'
