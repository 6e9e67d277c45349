"""The recorded cost of the chapter's optimisers: seconds per evaluation, which no cell may show.

``python -m chapters.isgd_pinn.record`` measures them on one thread of an idle
machine, a minute long, and writes ``book/recorded/isgd_pinn/cost.json``.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from datetime import UTC, datetime

import torch

from chapters.isgd_pinn import runs as ex
from weaklabels.lab import sweep
from weaklabels.methods import isgd_pinn as pinn
from weaklabels.press.chapter import REPOSITORY

EVALUATIONS = 600
REPEATS = 7


def seconds(spec: ex.Spec) -> float:
    """Processor seconds of one evaluation with its share of the optimiser's own work."""
    task = ex.Task(spec)
    optimiser, objective = ex.METHODS[spec.method](spec, spec.alpha), pinn.Objective(task.loss)
    theta = task.start
    started = time.process_time()
    while objective.evaluations < EVALUATIONS:
        theta = optimiser.step(objective, theta)
    return (time.process_time() - started) / objective.evaluations


def main() -> None:
    torch.set_num_threads(1)
    keys = {
        "SGD": 1e-7,
        "Adam": 1e-3,
        "ISGD (L-BFGS)": 10.0,
        "ISGD (Adam)": 1.0,
        "L-BFGS": 0.0,
    }
    specs = {name: replace(ex.Spec(), method=name, alpha=rate) for name, rate in keys.items()}
    found: dict[str, list[float]] = {name: [] for name in specs}
    for _ in range(REPEATS):  # in turn, so that a busy moment meets all of them
        for name, spec in specs.items():
            found[name].append(seconds(spec))
    record = {
        "what": "processor seconds per loss and gradient, optimiser included; Poisson, k = 10, "
        "64 points, tanh 2 x 40, float64, one thread",
        "milliseconds": {
            name: [round(1e3 * s, 4) for s in values] for name, values in found.items()
        },
        "evaluations": EVALUATIONS,
        "provenance": sweep.provenance("cpu") | {"date": datetime.now(UTC).date().isoformat()},
    }
    path = REPOSITORY / "book" / "recorded" / "isgd_pinn" / "cost.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


if __name__ == "__main__":
    main()
