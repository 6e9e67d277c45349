"""A chapter's notebook as the book shows it: executed, or its source with plain notices."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

from weaklabels.press.claims_table import claims_table as as_html
from weaklabels.press.html.absent import without_absent
from weaklabels.press.html.chapters import HEADING, Shown
from weaklabels.press.html.forest import draw_chapter
from weaklabels.press.html.narrow import narrow
from weaklabels.press.html.pages import claims_table
from weaklabels.press.html.paper_scale import paper_scale
from weaklabels.press.runner.edition import placeholder
from weaklabels.press.runner.notebooks import Cell, Content, label_of, source_of, tags_of
from weaklabels.press.stale import CHANGED, NO_KEY

SVG = "image/svg+xml"
NOT_EXECUTED = "Appears here once the chapter has been executed."

_CLAIMS = re.compile(r"(tab|fig)-.*\bclaims")

_STALE = {
    CHANGED: (
        "Recorded by other code",
        "The code of {} has changed since it was recorded.",
    ),
    NO_KEY: (
        "Recorded without a key",
        "Made before records had a key of their code: {}. Nothing tells whether that code has "
        "changed since.",
    ),
}
"""What is the matter with records -> title and text of a notice, in which their names stand."""


def staged(chapter: Shown, profile: str, box: str = "") -> Content:
    """The notebook to put into the book's source tree, with a box of Markdown below its title, and
    at its end what runs at the papers' settings gave, if that is recorded."""
    if chapter.executed is None:
        notebook = _unexecuted(chapter, profile)
    else:
        notebook = _executed(chapter, chapter.executed, profile)
    if box:
        _after_title(notebook, box)
    notebook["cells"] += paper_scale(chapter.edition.folder)
    return notebook


def _executed(chapter: Shown, executed: Content, profile: str) -> Content:
    notebook = copy.deepcopy(executed)
    if not chapter.edited_since:
        _take_metadata(notebook, chapter.source)
    if chapter.claims:
        _show_claims(notebook, chapter.claims)
    without_absent(notebook, chapter.absent)
    notebook.get("metadata", {}).pop("papermill", None)  # it holds paths of the machine
    for cell in notebook["cells"]:
        cell.get("metadata", {}).pop("papermill", None)
        if "injected-parameters" in tags_of(cell):
            cell["metadata"]["tags"] = [*tags_of(cell), "remove-cell"]
    if chapter.edited_since:
        _after_title(
            notebook,
            _notice(
                "Edited since it was executed",
                "This chapter's source has changed after the execution shown here. "
                f"`{_command(chapter, profile)}` brings it up to date.",
            ),
        )
    for why, (title, what) in _STALE.items():
        if names := [f"`{name}`" for name, found in chapter.stale.items() if found == why]:
            again = f"`make record CHAPTERS={chapter.slug} NAME=...` records it anew."
            text = f"{what.format(', '.join(names))} {again}"
            _after_title(notebook, _notice(title, text))
    return notebook


def _show_claims(notebook: Content, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put the table and the forest plot of claims, made of the rows, in the place of stored ones.

    Their cells are named ``tab-...-claims`` and ``fig-...-claims``.
    """
    for cell in notebook["cells"]:
        if found := _CLAIMS.fullmatch(label_of(cell)):
            table = found[1] == "tab"
            shown = {"text/html": as_html(rows)} if table else {SVG: draw_chapter(rows)}
            cell["outputs"] = [{"output_type": "display_data", "metadata": {}, "data": shown}]


def for_phones(chapter: Shown, notebook: Content) -> dict[str, bytes]:
    """The forest plot of a chapter's staged notebook, drawn for a phone: file name -> content."""
    if not (chapter.executed and chapter.claims):
        return {}
    labels = [label for cell in notebook["cells"] if (label := label_of(cell)).startswith("fig-")]
    drawn = [label for label in labels if _CLAIMS.fullmatch(label)]
    return {narrow(label): draw_chapter(chapter.claims, narrow=True).encode() for label in drawn}


def _unexecuted(chapter: Shown, profile: str) -> Content:
    notebook = copy.deepcopy(chapter.source)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            figure = cell.get("metadata", {}).get("mystnb", {}).get("figure")
            cell["outputs"] = [placeholder(NOT_EXECUTED)] if figure else []
            cell["execution_count"] = None
    why = "Its last execution stopped with an error. " if chapter.failed else ""
    text = (
        f"{why}What follows is the chapter's source: figures, tables and numbers appear once "
        f"`{_command(chapter, profile)}` has executed it."
    )
    if chapter.recorded:
        label = f"recorded-claims-{chapter.slug.replace('_', '-')}"
        text += f" The verdicts of an earlier execution stand [at the end](#{label})."
        notebook["cells"].append(_recorded(chapter, label))
    _after_title(notebook, _notice("Not executed in this build", text))
    return notebook


def _command(chapter: Shown, profile: str) -> str:
    if profile == "record":
        return f"make record CHAPTERS={chapter.slug}"
    return f"make reproduce CHAPTERS={chapter.slug} PROFILE={profile}"


def _notice(title: str, text: str) -> str:
    return f"```{{admonition}} {title}\n:class: warning\n{text}\n```"


def _recorded(chapter: Shown, label: str) -> Cell:
    text = (
        f"({label})=\n## Recorded claims\n\n"
        "These verdicts were **recorded** in an earlier execution; nothing on this page was "
        f"computed in this build.\n\n{claims_table([chapter], {})}"
    )
    return {"cell_type": "markdown", "id": "recorded-claims", "metadata": {}, "source": text}


def _after_title(notebook: Content, text: str) -> None:
    """Put Markdown right below the chapter's first heading."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown" and (found := HEADING.search(source_of(cell))):
            source = source_of(cell)
            cell["source"] = f"{source[: found.end()]}\n\n{text}\n{source[found.end() :]}"
            return
    cell = {"cell_type": "markdown", "id": "notice", "metadata": {}, "source": text}
    notebook["cells"].insert(0, cell)


def _take_metadata(notebook: Content, source: Content) -> None:
    """Captions, alternative texts and tags come from the source: editing them needs no run."""
    ran = (cell for cell in notebook["cells"] if "injected-parameters" not in tags_of(cell))
    for cell, authored in zip(ran, source["cells"], strict=True):
        cell["metadata"] = copy.deepcopy(authored.get("metadata", {}))
