"""The real front page and the list of methods from the record, among stubs of the other pages."""

from __future__ import annotations

import re
from pathlib import Path

from weaklabels.press.html import BOOK
from weaklabels.press.html.builder import run_sphinx
from weaklabels.press.html.staging import stage
from weaklabels.press.runner.notebooks import read_notebook, source_of

SHOWN = {"index.md", "methods.md"}
_LABEL = re.compile(r"^\(([\w-]+)\)=$", re.MULTILINE)
_REFERENCE = re.compile(r"\{(?:term|class|cite(?::\w)?)\}`(?:weaklabels\.)?([^`]+)`")


def build_front(work: Path) -> Path:
    """The folder of the pages; the other ones have their titles and labels alone."""
    source = stage("record", work, BOOK)
    for path in sorted([*source.glob("*.md"), *source.glob("*.ipynb")]):
        if path.name in SHOWN:
            words = path.read_text(encoding="utf-8")
            path.write_text(_REFERENCE.sub(r"\1", words), encoding="utf-8")
        else:
            words = _words(path)
            path.unlink()
            path.with_suffix(".md").write_text(_stub(words), encoding="utf-8")
    return run_sphinx(source, work / "sphinx")


def _words(path: Path) -> str:
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    cells = read_notebook(path)["cells"]
    return "\n".join(source_of(cell) for cell in cells if cell["cell_type"] == "markdown")


def _stub(words: str) -> str:
    title = re.search(r"^# (.+)$", words, re.MULTILINE)
    labels = "\n\n".join(f"({name})=\n## {name}" for name in _LABEL.findall(words))
    return f"# {title[1] if title else 'A page'}\n\n{labels}\n"
