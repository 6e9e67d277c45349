"""A repository with one chapter, to be followed and computed at the papers' settings."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Sequence
from pathlib import Path

import pytest

from weaklabels.press.paper import follow, plan, work

CELLS = [
    "profile, device, seeds, data_root = 'quick', 'cpu', 3, 'data'",
    "from dataclasses import replace\n"
    "from weaklabels.lab.candidate_sets import Spec, run\n"
    "from weaklabels.press.chapter import Chapter\n"
    "chapter = Chapter('toy', profile, device, seeds, data_root)",
    "base = Spec('PRODEN', dataset='cifar10', data_root=chapter.data_root, epochs=250,\n"
    "            candidates='flip', q=0.1, device=device)",
    "found = chapter.repeat(run, {q: replace(base, q=q) for q in (0.1, 0.3, 0.5)})",
    "found[0.5][0]['test_accuracy'][200]",
    "other = chapter.repeat(run, {'CC': replace(base, method='CC'), 'PRODEN': base})",
]
"""Two tables of runs on CIFAR-10."""

DIGITS = [
    *CELLS[:2],
    "base = Spec('PRODEN', data_options=(('test', 1500),), candidates='flip', q=0.1,\n"
    "            network_options=(('hidden', (8,)),), epochs=3, batch_size=100, device=device)",
    "found = chapter.repeat(run, {q: replace(base, q=q) for q in (0.1, 0.3, 0.5)})",
    "other = chapter.repeat(run, {'CC': replace(base, method='CC'), 'PRODEN': base})",
]
"""Two tables that need no files; the last run is one of the first table."""


def repository(
    root: Path, monkeypatch: pytest.MonkeyPatch, cells: Sequence[str], slug: str = "toy"
) -> Path:
    """Add a chapter to the repository in a folder, and let the commands work there."""
    found = [{"cell_type": "markdown", "source": "## Tables", "metadata": {}}]
    for place, source in enumerate(cells):
        tags = [] if place else ["parameters"]
        found.append({"cell_type": "code", "source": source, "metadata": {"tags": tags}})
    room = root / "book" / "chapters" / slug
    room.mkdir(parents=True, exist_ok=True)
    (room / f"{slug}.ipynb").write_text(json.dumps({"cells": found, "metadata": {}}))
    slugs = sorted(path.stem for path in (root / "book").glob("chapters/*/*.ipynb"))
    first, *others = ({"file": f"chapters/{each}/{each}"} for each in slugs)
    contents = {"root": first["file"], "chapters": others}
    (root / "book" / "_toc.yml").write_text(json.dumps(contents))
    monkeypatch.setenv("WEAKLABELS_BUILD", str(root / "build"))
    for module in (follow, work, plan):
        monkeypatch.setattr(module, "REPOSITORY", root)
    monkeypatch.setattr(plan, "FOUND", root / "build" / "paper-check")
    # This process has imported everything.
    monkeypatch.setattr(work, "Process", multiprocessing.get_context("fork").Process)
    return root
