"""What a chapter was made from, and whether that still is what is there."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from weaklabels.lab.definitions import imports_of
from weaklabels.lab.keys import closure
from weaklabels.press.runner.files import read_json, sha256, tree
from weaklabels.press.runner.notebooks import (
    Notebook,
    Places,
    code_of,
    content_hash,
    default_parameters,
    read_notebook,
)
from weaklabels.press.runner.options import Options

Stamp = dict[str, Any]


def inputs(chapter: Notebook, options: Options, places: Places, used: Iterable[str]) -> Stamp:
    """Hashes of everything the executed chapter depends on.

    Args:
        chapter: the notebook.
        options: its parameters.
        places: the folders.
        used: modules that its runs were seen to depend on, besides those it imports.
    """
    modules: set[str] = set(used)
    content, defaults = sha256(chapter.path), {}
    with suppress(ValueError, SyntaxError):  # execution will report what cannot be parsed
        notebook = read_notebook(chapter.path)
        content = content_hash(notebook)
        defaults = default_parameters(notebook)
        modules |= imports_of(code_of(notebook))
    claims = places.build / options.profile / "claims"
    return {
        "notebook": content,
        "parameters": {**defaults, **options.parameters()},
        "requirements": sha256(places.lock),
        "modules": _modules(modules),
        "recorded": _recorded(places.book if chapter.after else chapter.path.parent),
        "claims": {slug: sha256(claims / f"{slug}.json") for slug in chapter.after},
    }


def outputs(chapter: Notebook, options: Options, places: Places) -> Stamp:
    """Hashes of what the chapter left behind."""
    profile = places.build / options.profile
    return {
        "notebook": sha256(profile / "notebooks" / f"{chapter.slug}.ipynb"),
        "claims": sha256(profile / "claims" / f"{chapter.slug}.json"),
    }


def why_stale(chapter: Notebook, options: Options, places: Places) -> str | None:
    """The reason to execute a chapter, in a few words; None if it is up to date."""
    state = read_json(places.build / options.profile / "state" / f"{chapter.slug}.json")
    if not isinstance(state, dict) or not isinstance(state.get("fingerprints"), dict):
        return "not executed yet"
    before, now = state["fingerprints"], inputs(chapter, options, places, state.get("used", ()))
    for part, value in now.items():
        if before.get(part) != value:
            return _difference(part, before.get(part), value)
    if state.get("outputs") != outputs(chapter, options, places):
        return "its results are missing or were altered"
    return None


def book_inputs(options: Options, places: Places) -> Stamp:
    """Hashes of everything the HTML book is made from."""
    profile = places.build / options.profile
    made = {name: tree(profile / name, "*.*") for name in ("notebooks", "claims", "state")}
    builder = _modules({"weaklabels.press.html"})
    return {"book": tree(places.book), "builder": builder, "lock": sha256(places.lock), **made}


def _modules(names: set[str]) -> dict[str, str]:
    """Hashes of the closure; what is missing or broken is a difference, not an error here."""
    found: dict[str, str] = {}
    for name in sorted(names):
        try:
            found |= closure([name])
        except ModuleNotFoundError:
            found[name] = "missing"
        except SyntaxError as error:
            found[name] = f"broken: {error}"
    return dict(sorted(found.items()))


def _recorded(folder: Path) -> dict[str, str | None]:
    """Recorded results below a folder: of one chapter, or of the whole book."""
    return tree(folder, "**/recorded/**/*")


def _difference(part: str, before: Any, now: Any) -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        changed = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        return f"{part} changed: {', '.join(changed[:3])}{' ...' if len(changed) > 3 else ''}"
    return f"{part} changed"
