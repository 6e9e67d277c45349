"""What readers take away from the published site: the PDF, the archive, a chapter's notebook."""

from __future__ import annotations

from weaklabels.press.runner.notebooks import Cell

PDF = "weak-labels.pdf"
ARCHIVE = "weak-labels-record.zip"
"""Names beside the first page, where ``publish.yml`` puts them."""


def offered(profile: str, address: str) -> str:
    """What the front page of the record edition says of the two files, in Markdown; else nothing.

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
        f'records as <a href="{ARCHIVE}">one archive with checksums</a>.\n'
        ":::\n"
    )


def needs(slug: str) -> Cell:
    """The first cell of a notebook that is downloaded, which its page in the book leaves out."""
    text = (
        "This notebook is a chapter of *Weak Labels*. To execute it you need a clone of the book's "
        f"repository, because it imports `chapters.{slug}`, which the installed package does not "
        "have: `make env` there sets up the environment, and `make lab` opens the chapters in "
        f"JupyterLab, this one as `chapters/{slug}/{slug}.ipynb`."
    )
    metadata = {"tags": ["remove-cell"]}
    return {"cell_type": "markdown", "id": "needs", "metadata": metadata, "source": text}
