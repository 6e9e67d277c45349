"""The book folder: which notebooks are its chapters, in which order, and what they contain."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from weaklabels.lab.definitions import parse
from weaklabels.press.runner.options import UsageError

Cell = dict[str, Any]
Content = dict[str, Any]
"""What a notebook's file holds, as JSON."""


@dataclass(frozen=True)
class Places:
    """The folders a reproduction works with.

    Attributes:
        book: notebooks, table of contents and recorded results.
        build: everything generated.
        lock: the locked requirements.
    """

    book: Path
    build: Path
    lock: Path


@dataclass(frozen=True)
class Notebook:
    """A notebook of the book: the file of a chapter.

    Attributes:
        slug: its name without the suffix.
        path: the file.
        after: slugs of the chapters whose claims it reads, and which therefore run before it.
    """

    slug: str
    path: Path
    after: tuple[str, ...] = ()


def chapters_of(book: Path) -> list[Notebook]:
    """Notebooks in the order of the table of contents.

    Raises:
        UsageError: if there is no table of contents or no notebook in it.
    """
    toc = book / "_toc.yml"
    if not toc.is_file():
        raise UsageError(f"{toc} is missing: expected the book's table of contents.")
    files = list(_files(yaml.safe_load(toc.read_text(encoding="utf-8"))))
    paths = [path for name in files if (path := book / f"{name}.ipynb").is_file()]
    if not paths:
        raise UsageError(f"{toc} names no notebook that exists: expected at least one.")
    last = {path for path in paths if _runs_last(path)}
    first = tuple(path.stem for path in paths if path not in last)
    return [Notebook(path.stem, path, first if path in last else ()) for path in paths]


def select(chapters: list[Notebook], slugs: tuple[str, ...]) -> list[Notebook]:
    """The chapters asked for, all of them if none was named, in the order of the book.

    Raises:
        UsageError: if a notebook exists that the table of contents does not name.
    """
    known = [chapter.slug for chapter in chapters]
    for slug in slugs:
        if slug not in known:
            raise UsageError(f"CHAPTERS={slug} does not stand in the book's table of contents.")
    return [chapter for chapter in chapters if not slugs or chapter.slug in slugs]


def source_of(cell: Cell) -> str:
    """A cell's text."""
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def tags_of(cell: Cell) -> list[str]:
    """A cell's tags."""
    return cell.get("metadata", {}).get("tags", [])


def label_of(cell: Cell) -> str:
    """The label of the figure that a cell shows; nothing if it shows none."""
    return str(cell.get("metadata", {}).get("mystnb", {}).get("figure", {}).get("name") or "")


def code_of(notebook: Content) -> str:
    """The code cells as one piece of Python, without IPython's magic lines."""
    cells = [source_of(cell) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    lines = "\n".join(cells).splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))


def default_parameters(notebook: Content) -> dict[str, Any]:
    """Names and values assigned in the cell tagged ``parameters``; empty if there is none.

    Raises:
        ValueError: if the cell holds anything but assignments of literals.
    """
    found: dict[str, Any] = {}
    for cell in notebook["cells"]:
        if "parameters" not in tags_of(cell):
            continue
        for statement in parse(source_of(cell)).body:
            if not isinstance(statement, ast.Assign):
                raise ValueError(
                    f"the parameters cell holds {ast.unparse(statement)!r}: expected "
                    "assignments of plain values only."
                )
            value = ast.literal_eval(statement.value)
            found |= {ast.unparse(target): value for target in statement.targets}
    return found


def content_hash(notebook: Content) -> str:
    """Hash of what an author writes; editors may change the rest (kernel names, widget states)."""
    cells = [[cell["cell_type"], source_of(cell), tags_of(cell)] for cell in notebook["cells"]]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def read_notebook(path: Path) -> Content:
    """The notebook's JSON.

    Raises:
        ValueError: if the file is not a notebook.
    """
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(notebook["cells"], list):
            return notebook
    except (KeyError, TypeError, ValueError):
        pass
    raise ValueError(f"{path} is not a notebook: expected JSON with a list of cells.")


def _runs_last(path: Path) -> bool:
    try:
        metadata = read_notebook(path).get("metadata", {})
    except ValueError:
        return False  # executing it will say what is wrong, and only that chapter fails
    return metadata.get("weaklabels", {}).get("after") == "chapters"


def _files(entry: Any) -> Iterator[str]:
    """Names of all pages in a table of contents, depth first."""
    if isinstance(entry, dict):
        yield from (str(entry[key]) for key in ("root", "file") if key in entry)
        for key in ("parts", "chapters", "sections"):
            yield from _files(entry.get(key))
    elif isinstance(entry, list):
        for item in entry:
            yield from _files(item)
