"""``make chapter``: start a chapter with a room that runs at once, to be filled."""

from __future__ import annotations

import json
import keyword
import re
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from weaklabels.press.runner.files import write_atomically
from weaklabels.press.runner.options import Parser, UsageError

REPOSITORY = Path(__file__).parents[3]
TEMPLATES = files("weaklabels.press") / "template"
ROOM, TESTS = "book/chapters/SLUG", "tests/chapters"
FILES = {
    f"{ROOM}/SLUG.ipynb": "chapter.ipynb",
    f"{ROOM}/runs.py": "runs.py",
    f"{ROOM}/figures.py": "figures.py",
    f"{ROOM}/claims.py": "claims.py",
    f"{TESTS}/test_SLUG.py": "test.py",
}
"""What a new chapter consists of -> its template."""

NEXT_PART = "  - caption: In your own work\n"
"""The line of the table of contents above which a new chapter is put: after the last paper."""

NEXT_STEPS = """\
The chapter {slug} runs as it is:   make reproduce CHAPTERS={slug}
Next:
- replace the experiment (runs.py), the figure, the claim and the text, and the tests of them;
- move its line in book/_toc.yml to the part where it belongs;
- add the paper to README's table and to book/references.bib."""


def contents(slug: str, title: str) -> dict[str, str]:
    """Path of each file of a new room -> its text."""
    words = {"SLUG": slug, "LABEL": slug.replace("_", "-"), "TITLE": title}
    found = {f"{ROOM}/__init__.py".replace("SLUG", slug): ""}
    for path, name in FILES.items():
        text = (TEMPLATES / f"{name}.template").read_text(encoding="utf-8")
        if name.endswith(".ipynb"):  # a title may hold quotation marks
            notebook = _filled(json.loads(text), words)
            filled = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
        else:
            filled = _filled(text, words)
        found[path.replace("SLUG", slug)] = filled
    return found


def _filled(value: Any, words: dict[str, str]) -> Any:
    """A template, or what JSON makes of one, with its words in capitals replaced."""
    if isinstance(value, dict):
        return {key: _filled(each, words) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, words) for each in value]
    if isinstance(value, str):
        return re.sub("|".join(words), lambda match: words[match[0]], value)
    return value


def create(slug: str, title: str, repository: Path = REPOSITORY) -> None:
    """Write a new room, the test of it, and its line in the table of contents.

    Raises:
        UsageError: if the slug is malformed or taken, or the title is missing; nothing is written.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", slug) or keyword.iskeyword(slug):
        raise UsageError(
            f"SLUG={slug} is malformed: expected small letters, digits and single underscores, a "
            "letter first, as in my_paper."
        )
    if not title.strip():
        raise UsageError("TITLE is missing: expected the heading of the chapter.")
    toc = repository / "book" / "_toc.yml"
    pages = toc.read_text(encoding="utf-8")
    found = {repository / path: text for path, text in contents(slug, title.strip()).items()}
    named = re.search(rf"(root|file): (\S+/)?{slug}$", pages, re.MULTILINE)
    if named or any(path.exists() for path in found):
        raise UsageError(f"SLUG={slug} is taken: expected the name of a chapter that is not there.")
    if NEXT_PART not in pages:
        raise UsageError(f"{toc} has no line {NEXT_PART.strip()!r}: expected to add a line above.")
    for path, text in found.items():
        write_atomically(path, text)
    entry = f"      - file: chapters/{slug}/{slug}\n"
    write_atomically(toc, pages.replace(NEXT_PART, entry + NEXT_PART))


def main(arguments: Sequence[str] | None = None, repository: Path = REPOSITORY) -> int:
    """The command behind ``make chapter``. Returns its exit status: 0, or 2 for misuse."""
    parser = Parser(prog="python -m weaklabels.press.new_chapter", description=__doc__)
    parser.add_argument("--slug", default="", help="name of its room, file and tests")
    parser.add_argument("--title", default="", help="its heading")
    try:
        given = parser.parse_args(arguments)
        create(given.slug, given.title, repository)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    print(NEXT_STEPS.format(slug=given.slug))
    return 0


if __name__ == "__main__":
    sys.exit(main())
