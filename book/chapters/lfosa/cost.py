"""What a round of queries costs, strategy by strategy (see ``weaklabels.lab.cost``)."""

from __future__ import annotations

from functools import partial
from typing import Any

from chapters.lfosa import runs
from weaklabels.lab import cost
from weaklabels.lab.setting import Setting


def measure(chapter: Setting) -> dict[str, Any]:
    """The record: the strategies of the main comparison against random choice."""
    near = runs.settings(chapter)["near unknowns"]
    task = runs.load_task(near)
    trials = {name: partial(runs.ask, runs.vary(near, name), task) for name in runs.MAIN}
    work = (
        f"one query on digits: {near.steps} steps of the classifier, as many of a detector where "
        "there is one, and the choice"
    )
    return cost.measure(chapter, trials, work)
