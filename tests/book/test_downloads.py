"""The zip with which a chapter runs beside the installed package."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from tests.book.conftest import ToyBook
from weaklabels.lab.definitions import imports_of
from weaklabels.press.html import BOOK, downloads
from weaklabels.press.runner.notebooks import chapters_of, code_of, read_notebook

NOTEBOOKS = [chapter.path for chapter in chapters_of(BOOK)]


def unpacked(content: bytes) -> dict[str, str]:
    """Name -> text of each file in a zip."""
    with zipfile.ZipFile(io.BytesIO(content)) as held:
        return {name: held.read(name).decode() for name in held.namelist()}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_zip_has_every_module_and_record_of_its_room(path: Path) -> None:
    slug = path.stem
    files = unpacked(downloads.runnable("A title", path))
    assert files[f"{slug}/book/{slug}.ipynb"] == path.read_text(encoding="utf-8")
    sources = [text for name, text in files.items() if name.endswith(".py")]
    imported = set().union(*map(imports_of, [code_of(read_notebook(path)), *sources]))
    for module in {"chapters", *(name for name in imported if name.startswith("chapters."))}:
        file = f"{slug}/book/{module.replace('.', '/')}"
        assert {f"{file}.py", f"{file}/__init__.py"} & files.keys(), module
    records = {name.rpartition("/")[2] for name in files if "/recorded/" in name}
    assert records == {file.name for file in path.parent.glob("recorded/*.json")}
    assert not [name for name in files if name.endswith("edition.ipynb")]


def test_a_zip_says_how_to_run_it_and_is_the_same_each_time() -> None:
    path = NOTEBOOKS[0]
    content = downloads.runnable("A title", path)
    readme = unpacked(content)[f"{path.stem}/README.md"]
    assert readme.startswith("# A title\n")
    assert f'pip install "{downloads.WHEEL}[book]"' in readme
    assert f"jupyter lab book/{path.stem}.ipynb" in readme
    assert downloads.runnable("A title", path) == content


def test_zips_stand_beside_the_pages_of_chapters_alone(toy_book: ToyBook) -> None:
    found = {path.stem for path in toy_book.html.glob("*.zip")}
    assert found == {"executed", "unexecuted"}
    link = 'href="{}.zip"'
    for page in toy_book.html.glob("*.html"):
        offered = link.format(page.stem) in page.read_text(encoding="utf-8")
        assert offered == (page.stem in found), page.name
