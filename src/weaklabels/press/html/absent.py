"""Displays whose record does not exist: the record edition says in one sentence what makes them.

A cell reads a record with ``chapter.recorded("name")`` and has nothing to show where there is none.
It stays in the notebook that can be downloaded, but not on the page.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weaklabels.lab.definitions import parse, texts_in
from weaklabels.press.runner.notebooks import Cell, Content, source_of, tags_of
from weaklabels.press.verdicts import NOT_RECORDED

NOTE = re.compile(r"[\w\s]*\bnot (been )?recorded yet\.?", re.IGNORECASE)
"""What is said in place of a text or a figure."""

EMPTY = re.compile(r"Empty DataFrame\b.*\bIndex: \[\]", re.DOTALL)
"""How a table without rows begins and ends, as plain text."""

SENTENCE = "*What stands here is not recorded yet: {} makes it.*"

_TAG = re.compile(r"<[^>]+>")
_COMMENT = re.compile(r"<!--(.*?)-->", re.DOTALL)
_AXES = re.compile(r'id="axes_\d+"')
_REFERENCE = re.compile(r"(^|\. )?\{(?:numref|ref)\}`(?:[^`<]*<)?([\w-]+)>?`", re.MULTILINE)
_APART = re.compile(r"^#|^\([\w-]+\)=|^:label:", re.MULTILINE)


def absent_in(notebook: Content, slug: str, recorded: Path) -> dict[str, str]:
    """Cells of which an output shows nothing because a record does not exist.

    Args:
        notebook: with the outputs of its record.
        slug: of the chapter.
        recorded: the folder of its records.

    Returns:
        id of the cell -> the command that would make the record which was read last, of those that
        do not exist. Without such a record a table may well be empty.
    """
    found, command = {}, ""
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        lost = [name for name in _read(cell) if not (recorded / f"{name}.json").is_file()]
        if lost:
            made = [f"`make record CHAPTERS={slug} NAME={name}`" for name in lost]
            command = " and ".join(made)
        if command and any(map(_says_nothing, cell["outputs"])):
            found[cell["id"]] = command
    return found


def _read(cell: Cell) -> list[str]:
    """Names of the records that a cell reads."""
    source = source_of(cell)
    if ".recorded(" not in source:
        return []
    tree = parse(source)
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "recorded"
    ]
    named = [name for call in calls for name in texts_in(call.args[0])]
    loops = (node for node in ast.walk(tree) if isinstance(node, ast.comprehension))
    return named or [name for loop in loops for name in texts_in(loop.iter)]


def _says_nothing(output: Mapping[str, Any]) -> bool:
    """Whether an output is a table without rows, a figure of notes alone, or a note."""
    data = {kind: "".join(text) for kind, text in output.get("data", {}).items()}
    if svg := data.get("image/svg+xml"):
        notes = [text for text in _COMMENT.findall(svg) if NOTE.fullmatch(text.strip())]
        return 0 < len(_AXES.findall(svg)) == len(notes)
    if html := data.get("text/html"):
        shown = " ".join(_TAG.sub(" ", html).split())
        return shown == NOT_RECORDED or bool(EMPTY.match(data.get("text/plain", "")))
    return bool(NOTE.fullmatch(data.get("text/markdown", "").strip("* \n")))


def _is_empty(cell: Cell) -> bool:
    return all(map(_says_nothing, cell["outputs"]))


def labels_of(notebook: Content, absent: Mapping[str, str]) -> set[str]:
    """Labels of the figures and tables of which nothing is shown."""
    figures = [
        cell.get("metadata", {}).get("mystnb", {}).get("figure", {})
        for cell in notebook["cells"]
        if cell.get("id") in absent and _is_empty(cell)
    ]
    return {figure["name"] for figure in figures if "name" in figure}


def without_absent(notebook: Content, absent: Mapping[str, str]) -> None:
    """Take the displays off the page, and put one sentence in the place of those of a record.

    What stands between two of them tells what is seen there, and goes as well; headings, labels and
    what stands before and after stay. In a cell that shows something else, too, the sentence stands
    in the place of the output.
    """
    cells: list[Cell] = []
    waiting: list[Cell] = []
    last = ""
    for cell in notebook["cells"]:
        command = absent.get(cell.get("id", ""), "")
        if command and not _is_empty(cell):
            cell["outputs"] = [_told(output, command) for output in cell["outputs"]]
            command = ""
        if command:
            if command == last:
                waiting = []
            else:
                cells += [*waiting, _sentence(cell, command)]
            last, waiting = command, []
            cell["metadata"]["tags"] = [*tags_of(cell), "remove-cell"]
            cells.append(cell)
        elif last and cell["cell_type"] == "markdown" and not _APART.search(source_of(cell)):
            waiting.append(cell)
        else:
            cells += [*waiting, cell]
            waiting = []
            last = last if "remove-cell" in tags_of(cell) else ""
    notebook["cells"] = [*cells, *waiting]


def _sentence(cell: Cell, command: str) -> Cell:
    text = SENTENCE.format(command)
    return {"cell_type": "markdown", "id": f"{cell['id']}-not", "metadata": {}, "source": text}


def _told(output: dict[str, Any], command: str) -> dict[str, Any]:
    if not _says_nothing(output):
        return output
    return output | {"data": {"text/markdown": SENTENCE.format(command)}}


def without_references(text: str, labels: set[str]) -> str:
    """Markdown in which references to some figures and tables are words: they have no number."""

    def say(found: re.Match[str]) -> str:
        begins, label = found[1], found[2]
        if label not in labels:
            return found[0]
        kind = "figure" if label.startswith("fig-") else "table"
        article = "a" if begins is None else "A"
        return f"{begins or ''}{article} {kind} not recorded yet"

    return _REFERENCE.sub(say, text)


def unlinked(notebook: Content, labels: set[str]) -> Content:
    """The notebook with ``without_references`` in its text and captions; changed in place."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = without_references(source_of(cell), labels)
        figure = cell.get("metadata", {}).get("mystnb", {}).get("figure", {})
        if "caption" in figure:
            figure["caption"] = without_references(figure["caption"], labels)
    return notebook
