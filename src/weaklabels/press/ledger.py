"""The claims of a chapter: what was measured of them, and what a check says of the record."""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weaklabels.press.agreement import checked
from weaklabels.press.claims import Row
from weaklabels.press.claims_table import claims_table
from weaklabels.press.verdicts import NOT_RECORDED, NOT_TESTABLE

if TYPE_CHECKING:
    from IPython.display import HTML


@dataclass
class Ledger:
    """The claims of one chapter.

    Attributes:
        path: the JSON file that ``save`` writes.
        record: the chapter's recorded claims, which a check is held against; None if this
            execution is held against nothing.
        kept: rows that stay as they are recorded where this execution does not measure them (see
            ``refresh``).
        measured: rows of this execution, in the order in which they were added.
    """

    path: Path
    record: Path | None = None
    kept: Callable[[], list[dict[str, Any]]] = list
    measured: list[dict[str, Any]] = field(default_factory=list)

    def add(self, *rows: Row) -> None:
        """Add claims.

        Raises:
            ValueError: if an id stands already.
        """
        for row in rows:
            if any(known["id"] == row.id for known in self.measured):
                raise ValueError(f"claim {row.id!r} is in the ledger already")
            self.measured.append(row.as_dict())

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows that the chapter shows, by number.

        The recorded ones, with what the check says of each under ``"check"`` (see
        ``agreement.checked``); without a record the measured ones.
        """
        if self.record is not None and self.record.exists():
            record = json.loads(self.record.read_text(encoding="utf-8"))
            return sorted(checked(record, self.measured), key=_number)
        rows = {row["id"]: row for row in [*self.kept(), *self.measured]}
        return without_repeats(sorted(rows.values(), key=_number))

    def outcomes(self) -> dict[str, str]:
        """id -> outcome, of the rows that are shown; ``NOT_RECORDED`` for any other, such as a row
        of a study in a check without a record."""
        found: dict[str, str] = defaultdict(lambda: NOT_RECORDED)
        found.update({row["id"]: row["outcome"] for row in self.rows})
        return found

    def table(self) -> HTML:
        """The claims as a table for the reader."""
        from IPython.display import HTML  # not needed to compute a record

        return HTML(claims_table(self.rows))

    def save(self) -> None:
        """Write the claims that are shown as JSON, atomically."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(self.rows, indent=1, ensure_ascii=False), encoding="utf-8")
        temporary.replace(self.path)


def _number(row: Mapping[str, Any]) -> tuple[bool, int, str]:
    """2a, 2b, 10, r1: studies add their rows after those of the main comparison."""
    digits = "".join(re.findall(r"^\d+", row["id"]))
    return not digits, int(digits or 0), row["id"].removeprefix(digits)


REPEATED = "The same runs as"


def without_repeats(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of which no two count the same runs.

    Where a choice makes two methods one training (a distillation of weight 0, the first epoch as
    the start), two claims compare the same values seed by seed. The first of them stands; the
    others are not testable, and say of which they are the runs.

    Args:
        rows: of a ledger, in the order in which they are shown.

    Raises:
        ValueError: if a row that was kept from a record is a repeat there and none here.
    """
    first: dict[Any, str] = {}
    return [_repeat(row, first.setdefault(_compared(row), row["id"])) for row in rows]


def _compared(row: Mapping[str, Any]) -> Any:
    """The test and the values of all parts; the id of a row that has parts without a spread.

    Shares of seeds and values that are all the same coincide by chance, so they prove nothing.
    """
    parts = row["parts"]
    telling = all(
        part["kind"] in ("comparison", "margin") and len(set(part["values"])) > 1 for part in parts
    )
    if not telling:
        return row["id"]
    return tuple((part["kind"], part["margin"], tuple(part["values"])) for part in parts)


def _repeat(row: dict[str, Any], first: str) -> dict[str, Any]:
    repeated = row["why"].startswith(REPEATED)
    if first == row["id"] and repeated:
        raise ValueError(f"row {first} has other runs now than the row that it repeats: measure it")
    if first == row["id"] or repeated:
        return row
    why = f"{REPEATED} {first}: the settings that were chosen make two comparisons one."
    why = f"{why} {row['why']}".strip()
    left_out = dict.fromkeys(("effect", "low", "high", "needed")) | {"outcome": NOT_TESTABLE}
    parts = [{**part, **left_out} for part in row["parts"]]
    return {**row, "outcome": NOT_TESTABLE, "why": why, "parts": parts}
