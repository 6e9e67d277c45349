"""How long a reproduction will take on this machine: what the chapters cost, and how fast it is.

``book/costs.json`` holds the seconds that each chapter took once, on one core, and the seconds that
a fixed piece of work took on the same machine then. ``python -m weaklabels.press.runner.estimate``
writes it anew from the last complete check.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from weaklabels.press.runner.files import read_json, write_atomically
from weaklabels.press.runner.notebooks import chapters_of, default_parameters, read_notebook

COSTS = "costs.json"
PROFILE = "quick"


def seconds(
    book: Path, slugs: Sequence[str], *, jobs: int, seeds: int | None, work: float
) -> float | None:
    """Expected duration of executing chapters with the profile ``quick``.

    Args:
        book: folder of the book's sources.
        slugs: what is to be executed.
        jobs: how many at a time, a core each.
        seeds: repetitions; None: each chapter's own number, for which it was measured.
        work: seconds that ``measured_work`` takes here.

    Returns:
        None if nothing is known of one of them.
    """
    costs = read_json(book / COSTS)
    if not isinstance(costs, dict) or any(slug not in costs["chapters"] for slug in slugs):
        return None
    total = sum(costs["chapters"][slug] * _more_seeds(book, slug, seeds) for slug in slugs)
    longest = max(costs["chapters"][slug] for slug in slugs)
    return max(total / jobs, longest) * work / costs["work"]


def shares(book: Path, slugs: Sequence[str]) -> dict[str, float]:
    """What each chapter takes of their execution, in percent; all the same if nothing is known."""
    costs = read_json(book / COSTS)
    known = costs["chapters"] if isinstance(costs, dict) else {}
    usual = statistics.mean(known.values()) if known else 1.0
    weights = {slug: known.get(slug, usual) for slug in slugs}
    total = sum(weights.values())
    return {slug: 100 * weight / total for slug, weight in weights.items()}


def measured(book: Path, jobs: int) -> float | None:
    """Seconds that the check of all chapters takes on a machine as fast as the one it was timed on.

    Args:
        book: folder of the book's sources.
        jobs: chapters at a time, a core each.

    Returns:
        None if it has not been measured.
    """
    costs = read_json(book / COSTS)
    if not isinstance(costs, dict):
        return None
    return seconds(book, [*costs["chapters"]], jobs=jobs, seeds=None, work=costs["work"])


def _more_seeds(book: Path, slug: str, seeds: int | None) -> float:
    if seeds is None:
        return 1.0
    defaults = default_parameters(read_notebook(book / "chapters" / slug / f"{slug}.ipynb"))
    return seeds / defaults["seeds"]


def work_here() -> float:
    """``measured_work`` in a process of its own, so that the caller need not import PyTorch."""
    command = [sys.executable, "-c", f"from {__name__} import measured_work as w; print(w())"]
    return float(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def measured_work() -> float:
    """Seconds for a hundred training steps of the small scene network on one core, median of 5."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    from weaklabels import models

    torch.set_num_threads(1)
    model = models.build("patch_net", 10, seed=0)
    optimiser = torch.optim.Adam(model.parameters(), fused=True)
    x, y = torch.rand(16, 1, 24, 24), torch.zeros(16, 10)
    taken = []
    for _ in range(6):
        started = time.perf_counter()
        for _ in range(100):
            optimiser.zero_grad()
            binary_cross_entropy_with_logits(model(x), y).backward()
            optimiser.step()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken[1:])


def costs_of(states: Mapping[str, Mapping[str, Any]], work: float) -> dict[str, Any]:
    """The content of ``costs.json`` from what the runner noted of each chapter (see ``schedule``).

    Raises:
        ValueError: if a chapter had several workers.
    """
    for slug, state in states.items():
        if state["workers"] != 1:
            raise ValueError(f"{slug} was executed with {state['workers']} workers: expected one")
    return {
        "what": "seconds of each chapter's check on one core, and of measured_work there",
        "work": round(work, 4),
        "chapters": {slug: round(state["duration"], 1) for slug, state in states.items()},
    }


def main(repository: Path = Path(__file__).parents[4]) -> int:
    """Write ``costs.json`` from the last check."""
    states = {
        chapter.slug: read_json(repository / "build" / PROFILE / "state" / f"{chapter.slug}.json")
        for chapter in chapters_of(repository / "book")
    }
    missing = [slug for slug, state in states.items() if not isinstance(state, dict)]
    if missing:
        print(f"Not executed with the profile {PROFILE}: {', '.join(missing)}.", file=sys.stderr)
        return 2
    content = costs_of(states, work_here())
    write_atomically(repository / "book" / COSTS, json.dumps(content, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
