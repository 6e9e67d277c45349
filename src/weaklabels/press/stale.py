"""Records that other code may have made than the book's."""

from __future__ import annotations

from pathlib import Path

from weaklabels.lab import keys
from weaklabels.lab.definitions import Reference
from weaklabels.press.runner import edition
from weaklabels.press.runner.files import read_json

PARTS = (edition.CLAIMS, edition.FIGURES)
"""Files of an edition whose keys stand in its ``provenance.json``."""

CHANGED = "its code has changed since it was made"
NO_KEY = "it has no key, so that nobody is told when its code changes"


def reference(text: str) -> Reference:
    """A place in the code as a record names it, ``module:definition``."""
    module, _, name = text.partition(":")
    return module, name


def stale(recorded: Path) -> dict[str, str]:
    """What is the matter with the records in a chapter's folder, by the name of their file.

    What was taken over from elsewhere, and says its ``source``, needs no key.
    """
    found = {}
    for path in sorted(path for path in recorded.glob("*.json") if path.name not in PARTS):
        content = read_json(path) or {}
        held = content.get("keys")
        if "source" in content:
            continue
        if held is None:
            found[path.name] = NO_KEY
        elif keys.code_key(map(reference, held["code"])) != held["key"]:
            found[path.name] = CHANGED
    return found
