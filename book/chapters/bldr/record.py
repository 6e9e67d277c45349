"""The recorded results of the chapter: which settings suit which method, runs on human labels."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from chapters.bldr import cost, photographs, runs
from chapters.bldr.tables import last
from weaklabels.lab.features import DESCRIPTION
from weaklabels.lab.noisy_labels import Spec, run
from weaklabels.lab.photographs import FIRST_SEED, rounded
from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Record
from weaklabels.lab.tuned import FIRST_TUNING_SEED, best
from weaklabels.metrics import separation_auc

K = TypeVar("K", bound=Hashable)

Step = tuple[str, Sequence[float], Callable[[Any, float], Any]]
"""What is chosen, among which values, and how a spec is changed to one of them."""

Tried = list[dict[str, Any]]
"""Of each step what was chosen, and the accuracy with every value, one a seed."""

TUNING_SEEDS = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + 3)

HUMAN_STEPS: tuple[Step, ...] = (
    ("learning rate", (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0), runs.at_rate),
    ("strength of views", tuple(photographs.PICKED), photographs.seen),
)
AT_HOME_BARE = ("NL", "NLNL")
"""Methods of one view whose first choice was bare digits: their learning rates were tried there."""

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
    "NLNL: half of the epochs negative learning, a quarter the same on the images whose given "
    "label has a probability above 1 / K (SelNL), a quarter cross-entropy on those above its "
    "threshold (SelPL). Co-teaching is told the share of wrong labels, nobody else.",
    "The learning rate of every method, and then the strength of its views, is the one with the "
    "best accuracy on the held-out given labels of one person (random 1) after the last epoch, in "
    "repetitions of their own; as many are tried for every method, and all labels have the same.",
)


def tuning(setting: Setting) -> dict[str, Any]:
    """Accuracy at the last epoch by kind of wrong labels, method, and views or learning rate.

    The views are chosen twice: at the same learning rate for all, and at the method's own.
    """
    starts = {
        (noise, name): runs.with_method(replace(base, evaluate_every=base.epochs), name)
        for noise, base in runs.settings(setting).items()
        for name in runs.TUNED_METHODS
    }
    views: Step = ("strength of views", tuple(runs.VIEWS), runs.seen)
    steps = (views, ("learning rate", runs.LEARNING_RATES, runs.at_rate), views)
    tried = _chosen(lambda specs: setting.repeat(run, specs, TUNING_SEEDS), starts, steps, "test")
    return {
        "what": "Accuracy (%) on held-out digits at the last epoch, by strength of the views, by "
        "learning rate, and by strength of the views again",
        "seeds": list(TUNING_SEEDS),
        "tried": [
            {"noise": noise, "method": name} | each
            for (noise, name), choices in tried.items()
            for each in choices
        ],
    }


def with_bare_rates(setting: Setting, content: Mapping[str, Any]) -> dict[str, Any]:
    """``tuning`` with a learning rate of every method on bare digits, all views being the same.

    It is chosen under the main noise, the only one with rows without views. What is held of it is
    not computed again.
    """
    noise, base = next(iter(runs.settings(setting).items()))
    start = runs.bare(replace(base, evaluate_every=base.epochs))
    tried = _tried_bare(content, noise)
    missing = {
        (name, rate): runs.at_rate(runs.with_method(start, name), rate)
        for name in runs.TUNED_METHODS
        for rate in runs.BARE_LEARNING_RATES
        if rate not in tried.get(name, {})
    }
    for (name, rate), found in setting.repeat(run, missing, TUNING_SEEDS).items():
        tried.setdefault(name, {})[rate] = rounded(last(found))
    return {**content, "no views": [_row(noise, name, tried[name]) for name in runs.TUNED_METHODS]}


def _tried_bare(content: Mapping[str, Any], noise: str) -> dict[str, dict[float, list[float]]]:
    """Method -> learning rate -> accuracy on bare digits, as far as it is recorded."""
    rows = content.get("no views") or [
        row
        for row in content["tried"]
        if (row["noise"], row["setting"]) == (noise, "learning rate")
        and row["method"] in AT_HOME_BARE
    ]
    return {
        row["method"]: {float(rate): scores for rate, scores in row["validation"].items()}
        for row in rows
    }


def _row(noise: str, method: str, scores: Mapping[float, list[float]]) -> dict[str, Any]:
    told = {f"{rate:g}": scores[rate] for rate in sorted(scores)}
    chosen = {"setting": "learning rate", "chosen": best(scores), "validation": told}
    return {"noise": noise, "method": method} | chosen


def _chosen(
    repeat: Callable[[dict], Mapping[Any, Sequence[Record]]],
    starts: Mapping[K, Spec],
    steps: Sequence[Step],
    curve: str,
) -> dict[K, Tried]:
    """One choice after the other, each with what was chosen before: the best last value."""
    now = dict(starts)
    tried: dict[K, Tried] = {key: [] for key in starts}
    for name, values, change in steps:
        trials = {
            (key, value): change(spec, value) for key, spec in now.items() for value in values
        }
        found = repeat(trials)
        for key, spec in now.items():
            scores = {value: last(found[key, value], curve).tolist() for value in values}
            told = {f"{value:g}": rounded(np.array(one)) for value, one in scores.items()}
            tried[key].append({"setting": name, "chosen": best(scores), "validation": told})
            now[key] = change(spec, best(scores))
    return tried


def cifar10n(setting: Setting) -> dict[str, Any]:
    """Every method on three kinds of human labels, with settings chosen on held-out labels."""
    base = {labels: photographs.human_labels(setting, labels) for labels in photographs.LABELS}
    photographs.on_features(setting.data_root, base[CHOSEN_ON].cache)  # once, before all processes
    longest_first = tuple(reversed(photographs.METHODS))  # so that no worker waits in the end
    tried = _chosen(
        lambda specs: setting.repeat(photographs.run, specs, TUNING_SEEDS),
        {name: runs.with_method(base[CHOSEN_ON], name) for name in longest_first},
        HUMAN_STEPS,
        "validation",
    )
    specs = {
        (labels, name): _with(runs.with_method(spec, name), tried[name])
        for name in longest_first
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
            "learning_rates_tried": list(HUMAN_STEPS[0][1]),
            "chosen_on": CHOSEN_ON,
            "seeds": list(seeds),
            "tuning_seeds": list(TUNING_SEEDS),
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


def _with(spec: Spec, tried: Tried) -> Spec:
    """The same run on human labels with what was chosen."""
    for each, (_, _, change) in zip(tried, HUMAN_STEPS, strict=True):
        spec = change(spec, each["chosen"])
    return spec


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
    if "weights" not in records[0].values or (records[0]["weights"] == 1).all():
        return kept  # a method without them, or one that never renews them
    weights = [record["weights"][-1].astype(float) for record in records]
    right = [~record["wrong"] for record in records]
    kept["weights auc"] = rounded(np.array(list(map(separation_auc, weights, right))))
    kept["noise share"] = rounded(100 * last(records, "noise_share"))
    for name, rows in (("right", right[0]), ("wrong", ~right[0])):
        kept[f"weights of {name}"] = np.histogram(weights[0][rows], BINS, (0, 1))[0].tolist()
    return kept


RECORDS = {"tuning": tuning, "cifar10n": cifar10n, "cost": cost.measure}
WIDENED = {"tuning": with_bare_rates}
