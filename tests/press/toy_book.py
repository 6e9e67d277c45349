"""A book of tiny notebooks, for the tests of what executes them."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from pathlib import Path

import nbformat

from weaklabels.press.runner.notebooks import Places
from weaklabels.press.runner.options import Options
from weaklabels.press.runner.reproduction import reproduce

PARAMETERS = 'profile = "quick"\ndevice = "cpu"\nseeds = 3\ndata_root = "data"'
CLAIM = """
import json, os
from pathlib import Path
folder = Path(os.environ["WEAKLABELS_BUILD"], profile, "claims")
folder.mkdir(parents=True, exist_ok=True)
Path(folder, "{slug}.json").write_text(json.dumps([{{"id": "1", "outcome": "holds"}}]))
"""


class ToyBook:
    """A book of tiny notebooks in a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.places = Places(root / "book", root / "build", root / "requirements.lock")
        self.package = root / "weaklabels"
        self.options = Options(profile="smoke")
        self.built = 0
        (root / "book").mkdir(parents=True)
        (root / "weaklabels").mkdir()
        self.module("__init__", "")
        self.places.lock.write_text("numpy==1\n")

    def module(self, name: str, source: str) -> None:
        (self.package / f"{name}.py").write_text(source)

    def chapter(self, slug: str, *cells: str, after: str | None = None) -> None:
        """A notebook with a parameters cell and further cells; the file is put into the toc."""
        parameters = nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
        further = [nbformat.v4.new_code_cell(textwrap.dedent(cell)) for cell in cells]
        notebook = nbformat.v4.new_notebook(cells=[parameters, *further])
        for number, cell in enumerate(notebook.cells):
            cell["id"] = f"cell-{number}"
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        if after:
            notebook.metadata["weaklabels"] = {"after": after}
        room = self.room(slug)
        room.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, room / f"{slug}.ipynb")
        toc = self.places.book / "_toc.yml"
        text = toc.read_text() if toc.exists() else "format: jb-book\nroot: index\nchapters:\n"
        entry = f"  - file: chapters/{slug}/{slug}\n"
        if entry not in text:
            toc.write_text(f"{text}{entry}")

    def room(self, slug: str) -> Path:
        return self.places.book / "chapters" / slug

    def record(self, slug: str) -> None:
        path = self.room(slug) / "recorded" / "result.json"
        path.parent.mkdir()
        path.write_text("{}")

    def reproduce(self, **changes: object) -> tuple[int, list[str]]:
        """Exit status and the slugs that were executed."""
        before = self.states()
        status = reproduce(replace(self.options, **changes), self.places, self._build)
        after = self.states()
        return status, sorted(slug for slug in after if after[slug] != before.get(slug))

    def states(self) -> dict[str, str]:
        return {p.stem: p.read_text() for p in self._made("state").glob("*.json")}

    def executed(self) -> dict[str, bytes]:
        return {p.stem: p.read_bytes() for p in self._made("notebooks").glob("*")}

    def _made(self, kind: str) -> Path:
        return self.places.build / "smoke" / kind

    def _build(self, profile: str, build: Path) -> Path:
        self.built += 1
        index = build / profile / "html" / "index.html"
        index.parent.mkdir(parents=True, exist_ok=True)
        index.write_text("a book")
        return index
