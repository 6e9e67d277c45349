"""What the chapter records: the choice of learning rates, and the cost of an evaluation, which no
cell may show: it is measured on one thread, a minute on an idle machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from chapters.isgd_pinn.runs import METHODS, Spec, Task, table
from chapters.isgd_pinn.tuning import study
from weaklabels.lab.setting import Setting
from weaklabels.lab.sweep import one_thread
from weaklabels.methods import isgd_pinn as pinn

EVALUATIONS = 600
REPEATS = 7
KEYS = {"SGD": 1e-7, "Adam": 1e-3, "ISGD (L-BFGS)": 10.0, "ISGD (Adam)": 1.0, "L-BFGS": 0.0}


def seconds(spec: Spec) -> float:
    """Processor seconds of one evaluation with its share of the optimiser's own work."""
    task = Task(spec)
    optimiser, objective = METHODS[spec.method](spec, spec.alpha), pinn.Objective(task.loss)
    theta = task.start
    started = time.process_time()
    while objective.evaluations < EVALUATIONS:
        theta = optimiser.step(objective, theta)
    return (time.process_time() - started) / objective.evaluations


def measure(chapter: Setting) -> dict[str, Any]:
    """Time every optimiser on the Poisson problem.

    Returns:
        The record: ``milliseconds``, method -> one an evaluation for each repeat.
    """
    specs = table(Spec(), KEYS.items())
    found: dict[str, list[float]] = {name: [] for name, _ in specs}
    with one_thread():
        for _ in range(REPEATS):  # in turn, so that a busy moment meets all of them
            for (name, _), spec in specs.items():
                found[name].append(round(1e3 * seconds(spec), 4))
    return {
        "what": "processor seconds per loss and gradient, optimiser included; Poisson, k = 10, "
        "64 points, tanh 2 x 40, float64, one thread",
        "milliseconds": found,
        "evaluations": EVALUATIONS,
    }


RECORDS: dict[str, Callable[[Setting], dict[str, Any]]] = {"cost": measure, "tuning": study}
