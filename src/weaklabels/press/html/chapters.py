"""What is known about each chapter when the book is staged: its execution and its claims."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from weaklabels.press.html.absent import absent_in, labels_of
from weaklabels.press.runner.edition import PROVENANCE, Edition, edition_of
from weaklabels.press.runner.files import read_json
from weaklabels.press.runner.notebooks import (
    Cell,
    Content,
    label_of,
    read_notebook,
    source_of,
    tags_of,
)
from weaklabels.press.stale import stale
from weaklabels.press.verdicts import OUTCOMES

HEADING = re.compile(r"^# +(.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Shown:
    """A chapter as this build of the book shows it.

    Attributes:
        slug: the chapter's name.
        authored: path of the notebook without outputs.
        results: the profile's build folder.
        from_record: whether the book is built from what is committed, and not from ``results``.
    """

    slug: str
    authored: Path
    results: Path
    from_record: bool = False

    @cached_property
    def edition(self) -> Edition:
        """The committed execution, which may not exist."""
        return edition_of(self.authored)

    @cached_property
    def source(self) -> Content:
        """The notebook as its author wrote it."""
        return read_notebook(self.authored)

    @cached_property
    def executed(self) -> Content | None:
        """The notebook with outputs; None if it was not executed to its end."""
        if self.from_record:
            return self.edition.outputs_in(self.source) or self.edition.notebook
        path = self.results / "notebooks" / f"{self.slug}.ipynb"
        if not path.is_file():
            return None
        notebook = read_notebook(path)
        outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
        broken = any(output.get("output_type") == "error" for output in outputs)
        return None if broken else notebook

    @cached_property
    def edited_since(self) -> bool:
        """Whether the source changed after the execution that is shown."""
        if self.executed is None:
            return False
        ran = [
            cell for cell in self.executed["cells"] if "injected-parameters" not in tags_of(cell)
        ]
        return _content(ran) != _content(self.source["cells"])

    @cached_property
    def stale(self) -> dict[str, str]:
        """Records that other code may have made, and why; ``claims`` is the execution itself."""
        found = stale(self.authored.parent / "recorded")
        names = {PROVENANCE: "claims"}
        return {names.get(name, name.removesuffix(".json")): why for name, why in found.items()}

    @cached_property
    def failed(self) -> bool:
        """Whether the last execution stopped with an error."""
        return self.executed is None and (self.results / "failed" / f"{self.slug}.ipynb").is_file()

    @cached_property
    def title(self) -> str:
        """The first heading, or the slug."""
        for cell in self.source["cells"]:
            if cell["cell_type"] == "markdown" and (found := HEADING.search(source_of(cell))):
                return found[1]
        return self.slug.replace("_", " ")

    @cached_property
    def tests_claims(self) -> bool:
        """Whether the chapter keeps a ledger; one that only shows how to do things has none."""
        cells = (cell for cell in self.source["cells"] if cell["cell_type"] == "code")
        return any("ledger" in source_of(cell) for cell in cells)

    @cached_property
    def state(self) -> Mapping[str, Any]:
        """What the execution used; empty if unknown."""
        if self.from_record:
            return self.edition.provenance
        state = read_json(self.results / "state" / f"{self.slug}.json")
        return state if isinstance(state, dict) and self.executed is not None else {}

    @cached_property
    def computed(self) -> list[dict[str, Any]]:
        """Claims of this execution."""
        if self.from_record:
            return self.edition.claims
        return _rows(self.results / "claims" / f"{self.slug}.json") if self.executed else []

    @cached_property
    def recorded(self) -> list[dict[str, Any]]:
        """Committed claims of an earlier execution, where this build has none."""
        return [] if self.executed else self.edition.claims

    @cached_property
    def absent(self) -> dict[str, str]:
        """Cells that show nothing for want of a record, by id, with the command that makes it."""
        if not self.from_record or self.executed is None:
            return {}
        return absent_in(self.executed, self.slug, self.edition.folder)

    @cached_property
    def absent_labels(self) -> set[str]:
        """Labels of the figures and tables that are not there."""
        return labels_of(self.executed, self.absent) if self.executed else set()

    @cached_property
    def claims(self) -> list[dict[str, Any]]:
        """The claims that the book shows; one whose figure is not there names none."""
        rows = self.computed or self.recorded
        lost = self.absent_labels
        return [row | {"figure": ""} if row.get("figure") in lost else row for row in rows]

    def picture(self, label: str) -> tuple[bytes, dict[str, Any]] | None:
        """A figure of this execution: its SVG and its cell's ``mystnb`` metadata, or None."""
        for cell in (self.executed or {}).get("cells", []):
            if label_of(cell) == label:
                for output in cell.get("outputs", []):
                    if svg := output.get("data", {}).get("image/svg+xml"):
                        return "".join(svg).encode(), cell["metadata"]["mystnb"]
        return None

    def totals(self) -> Counter[str]:
        """Number of claims by verdict, in the order of ``OUTCOMES``."""
        found = Counter(dict.fromkeys(OUTCOMES, 0))
        found.update(str(row.get("outcome", "")) for row in self.claims)
        return found


def _content(cells: list[Cell]) -> list[tuple[str, str]]:
    return [(cell["cell_type"], source_of(cell)) for cell in cells]


def _rows(path: Path) -> list[dict[str, Any]]:
    rows = read_json(path)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
