"""The recorded results of the chapter: which views suit which method, and runs on human labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chapters.bldr import runs
from chapters.bldr.tables import last
from weaklabels.lab.noisy_labels import Spec, run
from weaklabels.lab.photographs import FIRST_SEED, rounded
from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Record
from weaklabels.lab.tuned import FIRST_TUNING_SEED, best
from weaklabels.metrics import separation_auc

TUNING_SEEDS = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + 3)

LEARNING_RATES = (0.01, 0.03, 0.1, 0.3)
CHOSEN_ON = "random_label1"
"""One setting for all labels of a data set, as the challenge wants it: chosen on one person's."""

BINS = 25
"""Of equal width on [0, 1], for the weights of samples with right and with wrong labels."""

DIFFERENCES = (
    "CIFAR-10 at hand: 15,000 of 50,000 training and 3,000 of 10,000 test images. A tenth of the "
    "training images, drawn with the seed, is held out; nothing else is reported of them than how "
    "well their given labels are predicted.",
    "ResNet-8 (16, 32 and 64 channels; two branches, after its first two stages) in place of "
    "ResNet-34.",
    "30 epochs in batches of 256 in place of 320, 10 of them warm-up (20 in the official code): "
    "530 steps of warm-up instead of 3,900.",
    "The strong view is shifted, mirrored and cut out (a square of 16 pixels), without "
    "AutoAugment; the weak one is shifted and mirrored, and that is what methods of one view see.",
    "The negative head spares its own prediction after the warm-up only, as on digits.",
    "The network itself is evaluated after the last epoch, not its moving average.",
    "NLNL: half of the epochs negative learning, a quarter each SelNL and SelPL. Co-teaching is "
    "told the share of wrong labels, nobody else.",
    "The learning rate of every method is the one with the best accuracy on the held-out given "
    "labels of one person (random 1) after the last epoch, in a repetition of its own; as many "
    "are tried for every method, and all labels have the same.",
)


def tuning(setting: Setting) -> dict[str, Any]:
    """Accuracy at the last epoch by method and strength of its views."""
    specs = {
        (name, strength): spec
        for name in runs.TUNED_METHODS
        for strength, spec in runs.tuning(setting, name).items()
    }
    records = setting.repeat(run, specs, TUNING_SEEDS)
    rows = []
    for name in runs.TUNED_METHODS:
        scores = {
            strength: [round(float(value), 2) for value in last(records[name, strength])]
            for strength in runs.VIEWS
        }
        rows.append({"method": name, "chosen": best(scores), "accuracy": list(scores.values())})
    return {
        "what": "Accuracy (%) on held-out digits at the last epoch, by the strength of the views",
        "noise": "symmetric",
        "seeds": list(TUNING_SEEDS),
        "strengths": list(runs.VIEWS),
        "rows": rows,
    }


def cifar10n(setting: Setting) -> dict[str, Any]:
    """Every method on three kinds of human labels, at a learning rate chosen on held-out labels."""
    tried = _learning_rates(setting)
    base = {labels: runs.human_labels(setting, labels) for labels in runs.HUMAN_LABELS}
    specs = {
        (labels, name): _at_rate(runs.human_method(spec, name), tried[name]["chosen"])
        for name in reversed(runs.HUMAN_METHODS)  # the longest first: no worker waits in the end
        for labels, spec in base.items()
    }
    seeds = range(FIRST_SEED, FIRST_SEED + setting.seeds)
    records = setting.repeat(run, specs, seeds)
    one = base[CHOSEN_ON]
    return {
        "what": "Human labels of CIFAR-10N: test accuracy (%) on true labels, and what becomes of "
        "the mistakes",
        "protocol": {
            "network": f"{one.network}, {dict(one.network_options)}",
            "epochs": one.epochs,
            "warm_up": one.constant_epochs,
            "batch_size": one.batch_size,
            "optimiser": "SGD, momentum 0.9, weight decay 5e-4, constant, then a cosine",
            "held_out": one.held_out,
            "learning_rates_tried": list(LEARNING_RATES),
            "chosen_on": CHOSEN_ON,
            "seeds": list(seeds),
            "tuning_seeds": list(TUNING_SEEDS[:1]),
        },
        "data": _counts({labels: records[labels, "CE"] for labels in runs.HUMAN_LABELS}),
        "differences": list(DIFFERENCES),
        "tried": [{"method": name} | tried[name] for name in runs.HUMAN_METHODS],
        "rows": [
            {"labels": labels, "method": name, "learning_rate": tried[name]["chosen"]}
            | _measures(records[labels, name])
            for labels in runs.HUMAN_LABELS
            for name in runs.HUMAN_METHODS
        ],
    }


def _learning_rates(setting: Setting) -> dict[str, dict[str, Any]]:
    """Method -> what was chosen and its accuracy on held-out labels at every rate."""
    base = runs.human_labels(setting, CHOSEN_ON)
    trials = {
        (name, rate): _at_rate(runs.human_method(base, name), rate)
        for name in reversed(runs.HUMAN_METHODS)
        for rate in LEARNING_RATES
    }
    found = setting.repeat(run, trials, TUNING_SEEDS[:1])
    tried = {}
    for name in runs.HUMAN_METHODS:
        scores = {rate: last(found[name, rate], "validation").tolist() for rate in LEARNING_RATES}
        tried[name] = {
            "setting": "learning rate",
            "chosen": best(scores),
            "validation": {f"{rate:g}": rounded(np.array(v)) for rate, v in scores.items()},
        }
    return tried


def _at_rate(spec: Spec, rate: float) -> Spec:
    return replace(spec, optimiser=replace(spec.optimiser, lr=rate))


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


RECORDS = {"tuning": tuning, "cifar10n": cifar10n}
