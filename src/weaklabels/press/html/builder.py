"""Stage, run Sphinx, publish: the previous HTML stays until the new one is complete."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from weaklabels.press.html.staging import stage
from weaklabels.press.runner.options import PROFILES

BOOK = Path(__file__).parents[4] / "book"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class BookError(Exception):
    """The book cannot be built; the message lists Sphinx's warnings."""


def build(profile: str, build: Path, book: Path = BOOK) -> Path:
    """Build the HTML book of one profile.

    Args:
        profile: whose results it shows; what was not executed is shown as source.
        build: folder of everything generated; HTML goes to ``build/<profile>/html``.
        book: folder of the book's sources.

    Returns:
        Path of the first page.

    Raises:
        BookError: if Sphinx warns or fails (an unknown citation, a reference to nothing, an image
            without alternative text); the HTML of the previous build is left as it was.
        UsageError: if the table of contents is missing or names no notebook.
        ValueError: if the profile is unknown.
    """
    if profile not in PROFILES:
        raise ValueError(f"profile is {profile!r}: expected {', '.join(PROFILES)}")
    results = build.absolute() / profile
    html = results / "html"
    with only_one(results):
        source = stage(profile, results, book)
        _publish(run_sphinx(source, results / "sphinx"), html)
    return html / "index.html"


def run_sphinx(source: Path, work: Path, builder: str = "html") -> Path:
    """Let Jupyter Book write ``conf.py`` and Sphinx the pages; parsed ones are kept in ``work``.

    All pages are written each time, because Sphinx rewrites only changed ones otherwise and their
    tables of contents would disagree. Both run in processes of their own: they change the state of
    theirs (the import path, loaded extensions, loggers).

    Returns:
        The folder of the pages.

    Raises:
        BookError: if it warns or fails.
    """
    path = os.pathsep.join([str(source / "_ext"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "NO_COLOR": "1", "PYTHONPATH": path, "PYTHONWARNINGS": "ignore"}
    options = ["-b", builder, "-d", str(work / "doctrees"), "-a", "-q", "-n", "-W", "--keep-going"]
    for command in (
        [str(Path(sys.executable).with_name("jupyter-book")), "config", "sphinx", str(source)],
        [sys.executable, "-m", "sphinx", *options, str(source), str(work / builder)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode:
            shutil.rmtree(work, ignore_errors=True)  # or the next build would not warn again
            said = COLOURS.sub("", done.stderr + done.stdout).strip().replace(f"{source}/", "")
            raise BookError(f"The book was not built. Sphinx says:\n{said}")
    return work / builder


def _publish(new: Path, html: Path) -> None:
    """Put a copy in the place of the previous HTML; links would be written through later."""
    part, old = html.with_name("html.part"), html.with_name("html.old")
    shutil.rmtree(part, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    shutil.copytree(new, part, ignore=shutil.ignore_patterns(".buildinfo"))
    if html.exists():
        html.rename(old)
    part.rename(html)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def only_one(results: Path) -> Iterator[None]:
    """Wait until no other process builds this profile's book."""
    results.mkdir(parents=True, exist_ok=True)
    with FileLock(results / ".book.lock"):
        old, html = results / "html.old", results / "html"
        if old.exists() and not html.exists():  # killed between two renames
            old.rename(html)
        yield
