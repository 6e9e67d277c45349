"""The claims of a chapter: what was measured of them, and what a check says of the record."""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weaklabels.press.agreement import checked
from weaklabels.press.claims import Row
from weaklabels.press.claims_table import claims_table
from weaklabels.press.verdicts import NOT_RECORDED

if TYPE_CHECKING:
    from IPython.display import HTML


@dataclass
class Ledger:
    """The claims of one chapter.

    Attributes:
        path: the JSON file that ``save`` writes.
        record: the chapter's recorded claims, which a check is held against; None if this
            execution is held against nothing.
        measured: rows of this execution, in the order in which they were added.
    """

    path: Path
    record: Path | None = None
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
        shown = self.measured
        if self.record is not None and self.record.exists():
            shown = checked(json.loads(self.record.read_text(encoding="utf-8")), shown)
        return sorted(shown, key=_number)

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
