"""What readers take away from the published site: PDF, archive, wheel, and what runs a chapter."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from weaklabels import __version__
from weaklabels.press.runner.files import entry
from weaklabels.press.runner.notebooks import Cell

PDF = "weak-labels.pdf"
ARCHIVE = "weak-labels-record.zip"
WHEEL = f"weaklabels-{__version__}-py3-none-any.whl"
"""Names beside the first page, where ``publish.yml`` puts them."""

ROOMS = "rooms"
"""Folder among the sources; what it holds stands beside the pages (``html_extra_path``)."""

README = """# {title}

A chapter of *Weak Labels*, with all that its notebook reads. What it shares with other chapters is
in the package `{wheel}`, which stands beside the first page of the
published book (in a copy of the repository `pip wheel --no-deps .` makes it). With that file
in this folder, and Python 3.11 or newer:

    pip install "{wheel}[book]"
    jupyter lab book/{slug}.ipynb

The first cells have the parameters: `profile = "quick"` is the check of the book's record, and
`"smoke"` executes every cell in a few minutes, with numbers that mean nothing. Cells tagged `study`
are the long ones, and no other cell uses what they compute. Finished runs are kept in `build/`.
"""


def offered(profile: str, address: str) -> str:
    """What the front page of the record edition says of the three files, in Markdown; else nothing.

    Links are HTML, because Sphinx would look for the files among the sources.

    Args:
        profile: of the book.
        address: of the repository; set where the book is published, with the files beside it.
    """
    if profile != "record":
        return ""
    if not address:
        return (
            "`make pdf PROFILE=record` prints this book, and `make archive PROFILE=record` packs "
            "its pages with all records and their checksums.\n"
        )
    return (
        ":::{only} not singlehtml\n"
        f'You can take the book away as <a href="{PDF}">one PDF</a>, and its pages with all '
        f'records as <a href="{ARCHIVE}">one archive with checksums</a>. What the chapters share '
        f'is <a href="{WHEEL}">a package for pip</a>, with which any of them runs.\n'
        ":::\n"
    )


def needs(slug: str) -> Cell:
    """The first cell of a notebook that is downloaded, which its page in the book leaves out."""
    text = (
        "This notebook is a chapter of *Weak Labels*, as it was executed. To execute it, take "
        f"`{slug}.zip`, which its page offers beside it: that has the modules and records that its "
        "cells read, and says how to run them. In a clone of the repository, `make lab` opens all "
        f"chapters in JupyterLab, this one as `chapters/{slug}/{slug}.ipynb`."
    )
    metadata = {"tags": ["remove-cell"]}
    return {"cell_type": "markdown", "id": "needs", "metadata": metadata, "source": text}


def runnable(title: str, notebook: Path) -> bytes:
    """A zip of what a chapter needs, beside the installed package, to be executed without a clone.

    It is laid out as the repository is, with one difference: the notebook stands beside the package
    ``chapters``, as a kernel imports from the folder of its notebook.

    Args:
        title: of the chapter.
        notebook: as its author wrote it, in its room.
    """
    slug, rooms = notebook.stem, notebook.parents[1]
    readme = README.format(title=title, slug=slug, wheel=WHEEL).encode()
    contents = {"README.md": readme, f"book/{notebook.name}": notebook.read_bytes()}
    read = (path for path in notebook.parent.rglob("*") if path.suffix in (".py", ".json"))
    for path in sorted([*rooms.glob("__init__.py"), *read]):
        contents[path.relative_to(rooms.parents[1]).as_posix()] = path.read_bytes()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in contents.items():
            archive.writestr(entry(f"{slug}/{name}"), content)
    return made.getvalue()
