"""The record edition of a chapter: what is committed of its execution with the profile ``record``.

Four files in the room's ``recorded/``: ``claims.json`` with the rows of the ledger,
``figures.json`` with the numbers behind each figure, ``edition.ipynb`` with all outputs, and
``provenance.json``. The published book is built from them; the check shows the edition's outputs
where a cell is a study, and holds its own rows against the recorded ones.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from weaklabels.lab import keys
from weaklabels.press.runner.files import read_json, write_atomically
from weaklabels.press.runner.notebooks import (
    Cell,
    Content,
    label_of,
    read_notebook,
    source_of,
    tags_of,
)
from weaklabels.press.runner.options import FIRST_RECORD_SEED, UsageError
from weaklabels.press.statements import records_read

STUDY = "study"
"""Tag of a cell that a check leaves to the record."""

PARAMETERS = {"parameters", "injected-parameters"}
"""Tags of the cells that hold a notebook's parameters."""

NOT_RECORDED = "A study, which a check leaves to the record; it has not been recorded yet."
FIGURE_NUMBERS = "application/vnd.weaklabels.figure+json"
"""Kind of output under which a figure of the record says its numbers (see ``figure_data``)."""

KEPT = "application/vnd.weaklabels.kept+json"
"""Kind of output by which a cell says that it keeps what is recorded of it (see ``refresh``)."""

NOTEBOOK, CLAIMS, FIGURES, PROVENANCE = (
    "edition.ipynb", "claims.json", "figures.json", "provenance.json"
)  # fmt: skip


@dataclass(frozen=True)
class Edition:
    """The committed execution of a chapter, which may not exist.

    Attributes:
        folder: the room's ``recorded/``.
    """

    folder: Path

    @cached_property
    def notebook(self) -> Content | None:
        """The executed notebook; None if there is no record yet."""
        path = self.folder / NOTEBOOK
        return read_notebook(path) if path.is_file() else None

    @cached_property
    def claims(self) -> list[dict[str, Any]]:
        """Rows of the ledger, as ``claims.Row.as_dict`` gives them."""
        rows = read_json(self.folder / CLAIMS)
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """What the execution used; empty if unknown."""
        found = read_json(self.folder / PROVENANCE)
        return found if isinstance(found, dict) else {}

    def outputs_in(self, source: Content) -> Content | None:
        """A notebook with the record's outputs; None if one of its code cells was edited since."""
        if self.notebook is None:
            return None
        recorded = _code_cells(self.notebook)
        shown = copy.deepcopy(source)
        for cell in shown["cells"]:
            if _is_code(cell):
                known = recorded.pop(cell["id"], None)
                if known is None or source_of(known) != source_of(cell):
                    return None
                cell["outputs"] = copy.deepcopy(known["outputs"])
                cell["execution_count"] = known["execution_count"]
        return None if recorded else shown

    def studies_in(self, source: Content) -> dict[str, Cell]:
        """What stands in place of the cells of a notebook that a check leaves to the record, by id.

        The record's cells; where there is none, or one of them was edited since (they depend on
        each other), cells that say so.
        """
        recorded = _code_cells(self.notebook) if self.notebook else {}
        wanted = [cell for cell in source["cells"] if STUDY in tags_of(cell)]
        same = all(
            (known := recorded.get(cell["id"])) is not None and source_of(known) == source_of(cell)
            for cell in wanted
        )
        return {cell["id"]: recorded[cell["id"]] if same else _empty(cell) for cell in wanted}


def edition_of(notebook: Path) -> Edition:
    """The edition of a chapter, which stands in the room of its notebook."""
    return Edition(notebook.parent / "recorded")


def pack(
    folder: Path, executed: Content, claims: Any, state: Mapping[str, Any], command: str
) -> None:
    """Write the edition of one execution.

    Args:
        folder: the room's ``recorded/``.
        executed: the notebook, with the numbers of its figures.
        claims: the rows of its ledger; None if it keeps none.
        state: what the runner noted of the execution (see ``schedule``).
        command: what was typed.
    """
    notebook, figures = _without_numbers(executed)
    code = sorted(state["code"])
    seeds = range(FIRST_RECORD_SEED, FIRST_RECORD_SEED + state["seeds"])
    provenance = {
        "what": f"All runs of the chapter, with the {len(seeds)} seeds {seeds[0]} to {seeds[-1]}",
        "command": command,
        **{name: state[name] for name in ("seeds", "device", "versions", "commit", "start")},
        "duration": state["duration"],
        "parameters": {k: v for k, v in state["parameters"].items() if k != "data_root"},
        "runs": " ".join(state["runs"]),
        "keys": {"code": code, "key": _code_key(code)},
        "records": _records(folder),
    }
    _write(folder, notebook, figures, provenance, claims)


def refresh(folder: Path, executed: Content, claims: Any, state: Mapping[str, Any]) -> None:
    """Write the edition anew where cells were executed without runs (see ``press.refresh``).

    Args:
        folder: the room's ``recorded/``.
        executed: the notebook; what is ``KEPT`` of it stays as it is recorded.
        claims: the rows of its ledger, those that were not measured as they are recorded.
        state: what the runner noted of the execution.

    Raises:
        UsageError: if what is kept is not what the notebook would compute: a cell that needs runs
            is not as it was recorded or reads a record that has changed, or a run has other
            settings; nothing is written then.
    """
    edition = Edition(folder)
    known_runs = edition.provenance.get("runs")  # not noted before November 2026
    if known_runs is not None and (others := set(state["runs"]) - set(known_runs.split())):
        raise UsageError(
            f"REFRESH=1 cannot be used: {len(others)} runs have other settings than those of the "
            "record."
        )
    records = _records(folder)
    executed = copy.deepcopy(executed)
    kept = _keep(executed, edition, records)
    notebook, figures = _without_numbers(executed)
    figures = (read_json(folder / FIGURES) or {}) | figures
    named = {label_of(cell) for cell in notebook["cells"]}
    figures = {name: numbers for name, numbers in figures.items() if name in named}
    told = {name: state[name] for name in ("device", "versions", "commit", "start", "duration")}
    every = len(_code_cells(executed))
    refreshed = {"cells kept": len(kept), "cells executed": every - len(kept), **told}
    provenance = {**edition.provenance, "records": records, "refreshed": refreshed}
    _write(folder, notebook, figures, provenance, claims)


def _keep(executed: Content, edition: Edition, records: Mapping[str, str]) -> list[str]:
    """Give cells that were passed over the outputs that are recorded of them, and their ids.

    Args:
        executed: the notebook.
        edition: as it was.
        records: those of the room now (see ``_records``).
    """
    before = edition.provenance.get("records", {})
    changed = {name for name, told in records.items() if told != before.get(name)}
    recorded = _code_cells(edition.notebook or {"cells": []})
    read = records_read(executed, records)
    kept = []
    for cell in executed["cells"]:
        said = [output.get("data", {}).get(KEPT) for output in cell.get("outputs", [])]
        passed = next((statements for statements in said if statements is not None), None)
        if passed is None:
            continue
        known, begin = recorded.get(cell["id"]), source_of(cell).strip().partition("\n")[0]
        if known is None or source_of(known) != source_of(cell):
            raise UsageError(
                f"REFRESH=1 cannot be used: the cell that begins with {begin!r} needs runs "
                "that are not stored, and it is not as it was recorded."
            )
        for (id, statement), names in read.items():
            # Rows stay one by one, and all that a cell shows together.
            stays = statement in passed or not statement.startswith("ledger.add(")
            if id == cell["id"] and stays and (both := names & changed):
                raise UsageError(
                    f"REFRESH=1 cannot be used: the cell that begins with {begin!r} shows runs "
                    f"that are not stored beside the record {min(both)}, which has changed."
                )
        cell["outputs"] = known["outputs"]
        kept.append(cell["id"])
    return kept


def _records(folder: Path) -> dict[str, str]:
    """Name of each record of a room -> digest of its numbers, however they came about."""
    made = {"command", "provenance", "keys"}
    found = {}
    for path in sorted(folder.glob("*.json")):
        content = read_json(path) if path.name not in (CLAIMS, FIGURES, PROVENANCE) else None
        if isinstance(content, dict):
            numbers = _numbers({key: content[key] for key in content if key not in made})
            found[path.stem] = sha256(json.dumps(numbers).encode()).hexdigest()
    return found


def _numbers(content: Any) -> Any:
    """The same without its texts, but for keys."""
    if isinstance(content, dict):
        return {key: _numbers(each) for key, each in content.items() if not isinstance(each, str)}
    if isinstance(content, list):
        return [_numbers(each) for each in content if not isinstance(each, str)]
    return content


def _without_numbers(executed: Content) -> tuple[Content, dict[str, Any]]:
    """A notebook without the numbers of its figures, and these by the figure's name."""
    notebook, figures = copy.deepcopy(executed), {}
    for cell in notebook["cells"]:
        name = label_of(cell)
        for output in cell.get("outputs", []):
            numbers = output.get("data", {}).pop(FIGURE_NUMBERS, None)
            if numbers is not None and name:
                figures[name] = numbers
    return notebook, figures


def _code_key(code: Sequence[str]) -> str:
    """Key of all code that starts at ``module:definition``."""
    return keys.code_key([(module, name) for module, _, name in (c.partition(":") for c in code)])


def same_code(provenance: Mapping[str, Any]) -> bool:
    """Whether the code of an edition's runs is what it was."""
    return _code_key(provenance["keys"]["code"]) == provenance["keys"]["key"]


def _write(
    folder: Path, notebook: Content, figures: Any, provenance: Mapping[str, Any], claims: Any
) -> None:
    for name, content in ((NOTEBOOK, notebook), (FIGURES, figures), (PROVENANCE, provenance)):
        text = json.dumps(content, ensure_ascii=False, indent=None if name == FIGURES else 1)
        write_atomically(folder / name, f"{text}\n")
    # Last: whoever finds the claims finds the rest.
    write_atomically(folder / CLAIMS, json.dumps(claims or [], ensure_ascii=False, indent=1) + "\n")


def placeholder(text: str) -> dict[str, Any]:
    """An output that takes the number and caption of a figure which has not been drawn."""
    data = {"text/html": f'<p class="placeholder">{text}</p>', "text/plain": text}
    return {"output_type": "display_data", "metadata": {}, "data": data}


def _empty(cell: Cell) -> Cell:
    """A study without a record: its figures keep their numbers."""
    named = cell.get("metadata", {}).get("mystnb", {}).get("figure")
    return {**cell, "outputs": [placeholder(NOT_RECORDED)] if named else []}


def _code_cells(notebook: Content) -> dict[str, Cell]:
    """Cells of code by id, without the parameters: the record was made with its own."""
    return {cell["id"]: cell for cell in notebook["cells"] if _is_code(cell)}


def _is_code(cell: Cell) -> bool:
    return cell["cell_type"] == "code" and not PARAMETERS.intersection(tags_of(cell))
