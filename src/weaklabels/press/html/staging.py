"""The book's source tree for one profile: text, executed notebooks and generated pages."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from weaklabels.press.html import pages
from weaklabels.press.html.absent import unlinked, without_references
from weaklabels.press.html.chapters import Shown
from weaklabels.press.html.downloads import ROOMS, needs, offered, runnable
from weaklabels.press.html.findings import FINDINGS, findings_of, found, guide
from weaklabels.press.html.method_list import method_list
from weaklabels.press.html.notebooks import for_phones, staged
from weaklabels.press.html.papers import (
    PAPERS,
    box,
    cards,
    entries_of,
    papers_of,
    sources_of,
    steps_of,
)
from weaklabels.press.html.repository import repository, where_to_report, with_buttons
from weaklabels.press.runner.estimate import COSTS, measured
from weaklabels.press.runner.files import PART
from weaklabels.press.runner.notebooks import chapters_of

NOT_STAGED = ("chapters", "_build", "pyproject.toml", PAPERS, FINDINGS, COSTS)
METHODS = b"- file: methods\n"
"""How the table of contents asks for the page of all methods."""

SMOKE = (
    "Built from the <strong>smoke</strong> profile, which only tests that every cell runs: "
    "the numbers in this copy of the book mean nothing."
)


def stage(profile: str, results: Path, book: Path) -> Path:
    """Bring ``results/source`` up to date; files that would not change keep their times.

    Args:
        profile: whose results the book shows.
        results: the profile's build folder.
        book: folder of the book's sources.

    Returns:
        The folder of the staged sources.

    Raises:
        UsageError: if the table of contents is missing or names no notebook, or if the address of
            the repository is none.
    """
    chapters = [
        Shown(chapter.slug, chapter.path, results, from_record=profile == "record")
        for chapter in chapters_of(book)
    ]
    entries, papers = entries_of(book), papers_of(book)
    findings = findings_of(book)
    contents: dict[str, bytes] = dict(_texts(book))
    for chapter in chapters:  # a chapter's page is found under its slug, not under its room
        room = chapter.authored.relative_to(book).with_suffix("").as_posix().encode()
        contents["_toc.yml"] = contents["_toc.yml"].replace(room, chapter.slug.encode())
    steps, lost = steps_of(book), set().union(*(chapter.absent_labels for chapter in chapters))
    for chapter in chapters:
        entry = entries.get(chapter.slug)
        head = box(entry, chapter, steps) if entry else ""
        notebook = unlinked(staged(chapter, profile, head), lost)
        contents |= for_phones(chapter, notebook)
        notebook["cells"].insert(0, needs(chapter.slug))
        text = json.dumps(notebook, indent=1, ensure_ascii=False)
        contents[f"{chapter.slug}.ipynb"] = f"{text}\n".encode()
        contents[f"{ROOMS}/{chapter.slug}.zip"] = runnable(chapter.title, chapter.authored)
    contents["scoreboard.md"] = pages.scoreboard(chapters, entries).encode()
    contents["provenance.md"] = pages.provenance(chapters).encode()
    contents["generated/duration.md"] = pages.duration(measured(book, jobs=2)).encode()
    contents["generated/title.md"] = pages.title_page(profile).encode()
    contents["generated/found.md"] = found(findings, chapters).encode()
    contents["generated/guide.md"] = guide(findings, chapters).encode()
    contents["generated/cards.md"] = cards(chapters, papers, sources_of(book, papers)).encode()
    if METHODS in contents["_toc.yml"]:
        shown = {chapter.slug for chapter in chapters}
        contents["methods.md"] = method_list(shown, entries).encode()
    contents["generated/totals.md"] = pages.totals_sentence(chapters).encode()
    contents |= pages.front_figure(chapters)
    for name in [name for name in contents if name.endswith(".md")]:
        contents[name] = without_references(contents[name].decode(), lost).encode()
    address = repository()
    contents["generated/errors.md"] = where_to_report(address).encode()
    contents["generated/downloads.md"] = offered(profile, address).encode()
    contents["_config.yml"] = _configured(contents["_config.yml"], profile, address)
    source = results / "source"
    _synchronise(source, contents)
    return source


def _texts(book: Path) -> Iterator[tuple[str, bytes]]:
    """Everything but notebooks, recorded results and hidden files."""
    for path in sorted(book.rglob("*")):
        name = path.relative_to(book)
        hidden = any(part.startswith(".") or part == "__pycache__" for part in name.parts)
        elsewhere = name.parts[0] in NOT_STAGED or path.suffix == ".ipynb"
        if path.is_file() and not hidden and not elsewhere:
            yield name.as_posix(), path.read_bytes()


def _configured(config: bytes, profile: str, address: str) -> bytes:
    """``_config.yml`` with what this build knows: its repository, and whether its numbers count."""
    settings: dict[str, Any] = with_buttons(yaml.safe_load(config), address)
    if profile == "smoke":
        settings["html"] = settings.get("html", {}) | {"announcement": SMOKE}
    return yaml.safe_dump(settings, allow_unicode=True, sort_keys=False).encode()


def _synchronise(folder: Path, contents: dict[str, bytes]) -> None:
    """Make a folder hold exactly these files, writing only what differs."""
    for name, content in contents.items():
        path = folder / name
        if path.is_file() and path.read_bytes() == content:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + PART)
        part.write_bytes(content)
        part.replace(path)
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_file() and path.relative_to(folder).as_posix() not in contents:
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()
