"""The recorded results of the chapter: other learning rates and steps on held-out digits, and query
rounds on the photographs of CIFAR-10."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chapters.lfosa import cost, held_out, runs
from chapters.lfosa.tables import curve, evenness, same_counts
from weaklabels.lab import widen
from weaklabels.lab.features import DESCRIPTION
from weaklabels.lab.photographs import FIRST_SEED, rounded
from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Record
from weaklabels.lab.tuned import FIRST_TUNING_SEED, best

LEARNING_RATES = (0.0003, 0.001, 0.003, 0.01, 0.03)
"""Every task chooses among these, and among more where the best is the first or the last."""

MORE_RATES = (0.0001, *LEARNING_RATES, 0.05, 0.1)
"""Those among which a choice that stands at an end is moved on."""

TUNING_SEEDS = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + 3)

DIFFERENCES = (
    "CIFAR-10 at hand: 15,000 of 50,000 training and 3,000 of 10,000 test images. A round asks "
    "about 450 of them instead of 1,500 of 50,000; 6 rounds instead of 10.",
    "As many first labels as in the paper, 50 a known class on average: 3.3 % of the images of "
    "known classes instead of 1 %.",
    "The network of the digits (layers of 128 and 64, dropout 0.2), without augmentation, on "
    f"features of a {DESCRIPTION}; in place of a ResNet-18 on pixels, whose released code ends in "
    "two features.",
    "Every training has 500 steps of 128 images instead of 100 epochs, the learning rate halved "
    "after each fifth of them as in the paper.",
    "The learning rate is chosen with three repetitions of their own, by the accuracy of a "
    "classifier on images of known classes that it was not trained on; all strategies and both "
    "networks have it.",
    "Far unknowns are not in the paper: pictures of Fashion-MNIST, grey in three channels in a "
    "black frame, in place of the photographs of unknown classes, as many as there are of these.",
)


def cifar10(setting: Setting) -> dict[str, Any]:
    """Purity of the queries, share found and accuracy by round, on near and far unknowns."""
    pools = runs.small_photographs(setting)
    counts = [_counts(title, task) for title, task in pools.items()]  # features come into being
    tasks, tried = {}, []
    for title, task in pools.items():
        rate, account = _learning_rate(setting, task)
        tasks[title] = replace(task, optimiser=replace(task.optimiser, lr=rate))
        tried.append({"task": title} | account)
    specs = {
        (title, name): runs.vary(task, name)
        for name in reversed(runs.ON_PHOTOGRAPHS)  # the longest first: no worker waits in the end
        for title, task in tasks.items()
    }
    seeds = range(FIRST_SEED, FIRST_SEED + setting.seeds)
    records = setting.repeat(runs.run, specs, seeds)
    one = next(iter(tasks.values()))
    return {
        "what": "Open-set queries on CIFAR-10: precision and recall (%) and test accuracy (%) by "
        "round, one list a seed",
        "protocol": {
            "features": DESCRIPTION,
            "network": f"{one.network}, {dict(one.network_options)}",
            "steps": one.steps,
            "batch_size": one.batch_size,
            "optimiser": "SGD, momentum 0.9, weight decay 5e-4, halved after each fifth",
            "temperature": one.temperature,
            "budget": one.budget,
            "rounds": one.rounds,
            "learning_rates_tried": list(LEARNING_RATES),
            "seeds": list(seeds),
            "tuning_seeds": list(TUNING_SEEDS),
        },
        "data": counts,
        "differences": list(DIFFERENCES),
        "tried": tried,
        "rows": [
            {"task": title, "strategy": name} | _measures(records[title, name])
            for title in tasks
            for name in runs.ON_PHOTOGRAPHS
        ],
    }


def widened(setting: Setting, content: Mapping[str, Any]) -> dict[str, Any]:
    """``cifar10`` with rates added where a chosen one stands at an end; where another is chosen
    then, all rows of its task are made with it."""
    pools = runs.small_photographs(setting)
    tried, moved = [], {}
    for old, (title, task) in zip(content["tried"], pools.items(), strict=True):

        def score(rate: float, task: runs.Spec = task) -> dict[str, Any]:
            return _learning_rate(setting, task, [rate])[1]

        new = widen.inside(old, MORE_RATES, score)
        tried.append(new)
        if new["chosen"] != old["chosen"]:
            moved[title] = replace(task, optimiser=replace(task.optimiser, lr=new["chosen"]))
    specs = {
        (title, name): runs.vary(task, name)
        for name in reversed(runs.ON_PHOTOGRAPHS)
        for title, task in moved.items()
    }
    records = setting.repeat(runs.run, specs, content["protocol"]["seeds"])
    rows = [
        row | _measures(records[key]) if (key := (row["task"], row["strategy"])) in records else row
        for row in content["rows"]
    ]
    return {**content, "tried": tried, "rows": rows}


def _learning_rate(
    setting: Setting, task: runs.Spec, rates: Sequence[float] = LEARNING_RATES
) -> tuple[float, dict[str, Any]]:
    """The rate of a task, and the accuracy on held-out images at each of them."""
    trials = {rate: replace(task, optimiser=replace(task.optimiser, lr=rate)) for rate in rates}
    found = setting.repeat(runs.held_out_accuracy, trials, TUNING_SEEDS)
    scores = {rate: [float(r["validation"]) for r in found[rate]] for rate in rates}
    chosen = best(scores)
    account = {f"{rate:g}": rounded(np.array(values)) for rate, values in scores.items()}
    return chosen, {"setting": "learning rate", "chosen": chosen, "validation": account}


def _counts(title: str, spec: runs.Spec) -> dict[str, Any]:
    """Sizes of a pool."""
    task = runs.load_task(spec)
    known = int((task.y < task.classes).sum())
    return {
        "task": title,
        "known classes": task.classes,
        "of known classes": known,
        "unknown": len(task.y) - known,
        "labelled at first": len(task.initial),
        "tested": len(task.test_y),
    }


def _measures(records: Sequence[Record]) -> dict[str, Any]:
    """Curves over rounds and numbers of the last one, one a seed."""
    curves = {name: curve(records, name) for name in ("precision", "recall", "accuracy")}
    return {name: [rounded(each) for each in values] for name, values in curves.items()} | {
        "same counts": rounded(same_counts(records)),
        "evenness": rounded(evenness(records)),
        "counts": [record["counts"][-1].tolist() for record in records],
    }


RECORDS = {
    "held_out": held_out.held_out,
    "detectors": held_out.detectors,
    "cifar10": cifar10,
    "cost": cost.measure,
}
WIDENED = {"cifar10": widened}
