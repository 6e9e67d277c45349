"""The recorded results of the chapter: which views suit which method, and runs on human labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chapters.bldr import cost, photographs, runs
from chapters.bldr.tables import last
from weaklabels.lab.features import DESCRIPTION
from weaklabels.lab.noisy_labels import run
from weaklabels.lab.photographs import FIRST_SEED, rounded
from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Record
from weaklabels.lab.tuned import FIRST_TUNING_SEED, best
from weaklabels.metrics import separation_auc

TUNING_SEEDS = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + 3)
HUMAN_TUNING_SEEDS = TUNING_SEEDS[:2]

LEARNING_RATES = (0.003, 0.01, 0.03, 0.1, 0.3)
STRENGTHS = tuple(photographs.PICKED)
CHOSEN_ON = "random_label1"
"""One setting for all labels of a data set, as the challenge wants it: chosen on one person's."""

BINS = 25
"""Of equal width on [0, 1], for the weights of samples with right and with wrong labels."""

DIFFERENCES = (
    "CIFAR-10 at hand: 15,000 of 50,000 training and 3,000 of 10,000 test images. A tenth of the "
    "training images, drawn with the seed, is held out; nothing else is reported of them than how "
    "well their given labels are predicted.",
    "A network like that of the digits (three layers of 128, two branches) on features of a "
    f"{DESCRIPTION}; in place of a ResNet-34 on pixels: what is learnt by heart is the labels, not "
    "the pictures.",
    "30 epochs in batches of 256 in place of 320, 10 of them warm-up: 530 steps of warm-up instead "
    "of 3,900.",
    "Views are drawn once: of each photograph itself, two weak ones (shifted, mirrored) and three "
    "strong ones (also cut out, a square of 16 pixels, without AutoAugment).",
    "The negative head spares its own prediction after the warm-up only, as on digits.",
    "The network itself is evaluated after the last epoch, not its moving average.",
    "NLNL: half of the epochs negative learning, a quarter each SelNL and SelPL. Co-teaching is "
    "told the share of wrong labels, nobody else.",
    "The learning rate of every method, and then the strength of its views, is the one with the "
    "best accuracy on the held-out given labels of one person (random 1) after the last epoch, in "
    "repetitions of their own; as many are tried for every method, and all labels have the same.",
)


def tuning(setting: Setting) -> dict[str, Any]:
    """Accuracy at the last epoch by kind of wrong labels, method and strength of its views."""
    specs = {
        (noise, name, strength): spec
        for noise, base in runs.settings(setting).items()
        for name in runs.TUNED_METHODS
        for strength, spec in runs.tuning(base, name).items()
    }
    records = setting.repeat(run, specs, TUNING_SEEDS)
    rows = []
    for noise in runs.RATES:
        for name in runs.TUNED_METHODS:
            scores = {
                strength: [round(float(value), 2) for value in last(records[noise, name, strength])]
                for strength in runs.VIEWS
            }
            row = {"noise": noise, "method": name, "chosen": best(scores)}
            rows.append(row | {"accuracy": list(scores.values())})
    return {
        "what": "Accuracy (%) on held-out digits at the last epoch, by the strength of the views",
        "seeds": list(TUNING_SEEDS),
        "strengths": list(runs.VIEWS),
        "rows": rows,
    }


def cifar10n(setting: Setting) -> dict[str, Any]:
    """Every method on three kinds of human labels, with settings chosen on held-out labels."""
    base = {labels: photographs.human_labels(setting, labels) for labels in photographs.LABELS}
    photographs.on_features(setting.data_root, base[CHOSEN_ON].cache)  # once, before all processes
    tried = _chosen(setting, base[CHOSEN_ON])
    specs = {
        (labels, name): _with(runs.with_method(spec, name), tried[name])
        for name in reversed(photographs.METHODS)  # the longest first: no worker waits in the end
        for labels, spec in base.items()
    }
    seeds = range(FIRST_SEED, FIRST_SEED + setting.seeds)
    records = setting.repeat(photographs.run, specs, seeds)
    one = base[CHOSEN_ON]
    return {
        "what": "Human labels of CIFAR-10N: test accuracy (%) on true labels, and what becomes of "
        "the mistakes",
        "protocol": {
            "features": DESCRIPTION,
            "network": f"{one.network}, {dict(one.network_options)}",
            "epochs": one.epochs,
            "warm_up": one.constant_epochs,
            "batch_size": one.batch_size,
            "optimiser": "SGD, momentum 0.9, weight decay 5e-4, constant, then a cosine",
            "held_out": one.held_out,
            "learning_rates_tried": list(LEARNING_RATES),
            "chosen_on": CHOSEN_ON,
            "seeds": list(seeds),
            "tuning_seeds": list(HUMAN_TUNING_SEEDS),
        },
        "data": _counts({labels: records[labels, "CE"] for labels in photographs.LABELS}),
        "differences": list(DIFFERENCES),
        "tried": [{"method": name} | each for name in photographs.METHODS for each in tried[name]],
        "rows": [
            {"labels": labels, "method": name} | _measures(records[labels, name])
            for labels in photographs.LABELS
            for name in photographs.METHODS
        ],
    }


Tried = list[dict[str, Any]]
"""Of each setting what was chosen, and the accuracy on held-out labels with every value."""

CHANGES: dict[str, Callable[[photographs.Spec, float], photographs.Spec]] = {
    "learning rate": lambda spec, rate: replace(spec, optimiser=replace(spec.optimiser, lr=rate)),
    "strength of views": photographs.seen,
}


def _with(spec: photographs.Spec, tried: Tried) -> photographs.Spec:
    """The same run with what was chosen."""
    for each in tried:
        spec = CHANGES[each["setting"]](spec, each["chosen"])
    return spec


def _chosen(setting: Setting, base: photographs.Spec) -> dict[str, Tried]:
    """Of every method the learning rate, and then the views."""
    tried: dict[str, Tried] = {name: [] for name in photographs.METHODS}
    for option, values in (("learning rate", LEARNING_RATES), ("strength of views", STRENGTHS)):
        trials = {
            (name, value): CHANGES[option](_with(runs.with_method(base, name), tried[name]), value)
            for name in reversed(photographs.METHODS)
            for value in values
        }
        found = setting.repeat(photographs.run, trials, HUMAN_TUNING_SEEDS)
        for name in photographs.METHODS:
            scores = {value: last(found[name, value], "validation").tolist() for value in values}
            account = {f"{value:g}": rounded(np.array(one)) for value, one in scores.items()}
            choice = {"setting": option, "chosen": best(scores), "validation": account}
            tried[name].append(choice)
    return tried


def _counts(records: Mapping[str, Sequence[Record]]) -> dict[str, Any]:
    """Images that are trained on, and by labels the share of wrong ones (%), one a seed."""
    wrong = {labels: [each["wrong"] for each in found] for labels, found in records.items()}
    return {
        "trained on": len(next(iter(wrong.values()))[0]),
        "wrong": {
            labels: rounded(np.array([100 * each.mean() for each in found]))
            for labels, found in wrong.items()
        },
    }


def _measures(records: Sequence[Record]) -> dict[str, Any]:
    """What is kept of the runs of a row: numbers of the last epoch by seed, curves, weights."""
    kept: dict[str, Any] = {
        name: rounded(last(records, name)) for name in ("test", "validation", "fitted", "auc")
    }
    kept["epoch"] = records[0]["epoch"].tolist()
    for name in ("test", "fitted"):
        kept[f"{name} by epoch"] = [rounded(record[name]) for record in records]
    if "weights" not in records[0].values:
        return kept
    weights = [record["weights"][-1].astype(float) for record in records]
    right = [~record["wrong"] for record in records]
    kept["weights auc"] = rounded(np.array(list(map(separation_auc, weights, right))))
    kept["noise share"] = rounded(100 * last(records, "noise_share"))
    for name, rows in (("right", right[0]), ("wrong", ~right[0])):
        kept[f"weights of {name}"] = np.histogram(weights[0][rows], BINS, (0, 1))[0].tolist()
    return kept


RECORDS = {"tuning": tuning, "cifar10n": cifar10n, "cost": cost.measure}
