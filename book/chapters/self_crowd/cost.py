"""What a step of self-training costs, strategy by strategy (see ``weaklabels.lab.cost``)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from chapters.self_crowd import runs
from chapters.self_crowd.tables import TITLES
from weaklabels.lab import cost
from weaklabels.lab.setting import Setting

ROUNDS = 2
"""Of self-training, in each trial."""


def measure(chapter: Setting) -> dict[str, Any]:
    """The record: all that may follow the base training, against more steps of the crowd layer."""
    base = next(iter(runs.settings(chapter).values()))
    base = replace(base, warm_up=0, base_steps=0, rounds=ROUNDS)
    task = runs.load_task(base)
    task = replace(task, test_x=task.test_x[:1], test_y=task.test_y[:1])  # hardly any evaluation
    trials = {
        TITLES[name]: partial(runs.run_on, replace(base, methods=(name,)), task)
        for name in runs.CONTINUED
    }
    steps = base.round_steps
    work = f"{ROUNDS * steps} steps on digits, pseudo-annotations chosen before every {steps}"
    return cost.measure(chapter, trials, work)
