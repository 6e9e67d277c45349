"""How much the learning rate and the steps of the pools of digits matter, on held-out digits.

Both stand in ``runs.Spec`` as they were set by hand, in trials that looked at test images. Here no
test digit is looked at; ``tuning`` has the rates that are chosen by this. Classifiers say which
rate is best, and detectors, which divide their logits by a temperature and so have larger
gradients, which rates they do not stand.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from chapters.lfosa import runs
from chapters.lfosa.runs import Spec
from weaklabels.lab.photographs import rounded
from weaklabels.lab.setting import Setting
from weaklabels.lab.tuned import FIRST_TUNING_SEED

K = TypeVar("K", bound=Hashable)

RATES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
STEPS = (75, 150, 300, 600, 1200)
SEEDS = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + 12)
BROKEN = 0.5
"""A training has broken down if it ends below this share of what the best rate has on average."""


def held_out(setting: Setting) -> dict[str, Any]:
    """Train classifiers on known digits of every pool of the profile quick, and judge them on
    others.

    Returns:
        The record: ``pools``, by name, of each the accuracies (%) ``by rate`` and ``by steps``, the
        other one being that of the runs, a pair a seed (early and late), and how many trainings
        have ``broken down`` at each rate.
    """
    quick = replace(setting, profile="quick")
    pools = runs.settings(quick) | runs.openness(quick)
    rates = _judged(
        setting, {(title, r): at_rate(pool, r) for title, pool in pools.items() for r in RATES}
    )
    steps = _judged(
        setting,
        {(title, n): replace(pool, steps=n) for title, pool in pools.items() for n in STEPS},
    )
    usual = next(iter(pools.values()))
    return {
        "what": "Accuracy (%) on held-out known digits by pool, early and late, a pair a seed",
        "seeds": [*SEEDS],
        "protocol": {
            "classifier": "trained on the first labels and random known digits of the pool, as "
            "many as a round asks for (early) or as all rounds do, at most half of them (late), "
            "and judged on its other known digits; no test digit",
            "broken down": f"below {BROKEN:g} of the mean of the best rate",
            "learning rate of the runs": usual.optimiser.lr,
            "steps of the runs": usual.steps,
        },
        "pools": {
            title: {
                "by rate": {f"{rate:g}": rates[title, rate] for rate in RATES},
                "broken down": _broken({rate: rates[title, rate] for rate in RATES}),
                "by steps": {f"{count}": steps[title, count] for count in STEPS},
            }
            for title in pools
        },
    }


def detectors(setting: Setting) -> dict[str, Any]:
    """Train the first round's detectors of every pool, at every temperature that is used there.

    Returns:
        The record: ``pools``, by name and temperature, of each the accuracies (%) ``by rate``, one
        a seed, and how many trainings have ``broken down`` at each rate.
    """
    quick = replace(setting, profile="quick")
    names = dict.fromkeys(runs.settings(quick), runs.ALL) | dict.fromkeys(
        runs.openness(quick), runs.FEW
    )
    pools = runs.settings(quick) | runs.openness(quick)
    trials = {
        (title, temperature, rate): replace(at_rate(pools[title], rate), temperature=temperature)
        for title, used in names.items()
        for temperature in sorted({runs.vary(pools[title], name).temperature for name in used})
        for rate in RATES
    }
    found = setting.repeat(runs.first_detector_accuracy, trials, SEEDS)
    content: dict[str, dict[str, Any]] = {title: {} for title in pools}
    for title, temperature in dict.fromkeys(key[:2] for key in trials):
        by_rate = {
            rate: rounded(
                np.array([each["validation"] for each in found[title, temperature, rate]])
            )
            for rate in RATES
        }
        content[title][f"{temperature:g}"] = {
            "by rate": {f"{rate:g}": values for rate, values in by_rate.items()},
            "broken down": _broken({rate: [values] for rate, values in by_rate.items()}),
        }
    return {
        "what": "Accuracy (%) of the first round's detectors on held-out known digits by pool and "
        "temperature, one a seed",
        "seeds": [*SEEDS],
        "protocol": {
            "detector": "trained on the first labels, before any example was answered with "
            "unknown, and judged on the other known digits of the pool; no test digit",
            "broken down": f"below {BROKEN:g} of the mean of the best rate",
        },
        "pools": content,
    }


def at_rate(pool: Spec, rate: float) -> Spec:
    """The same with another learning rate of classifier and detector."""
    return replace(pool, optimiser=replace(pool.optimiser, lr=rate))


def late(pool: Spec) -> Spec:
    """A pool of which a classifier learns as many known digits as all rounds ask for, or half."""
    task = runs.load_task(pool)
    known = int((task.y < task.classes).sum())
    return replace(pool, budget=min(pool.rounds * pool.budget, known // 2))


def _judged(setting: Setting, trials: Mapping[K, Spec]) -> dict[K, list[list[float]]]:
    wanted = {
        (key, when): spec
        for key, pool in trials.items()
        for when, spec in (("early", pool), ("late", late(pool)))
    }
    found = setting.repeat(runs.held_out_accuracy, wanted, SEEDS)
    return {
        key: [
            rounded(np.array([each["validation"] for each in pair]))
            for pair in zip(found[key, "early"], found[key, "late"], strict=True)
        ]
        for key in trials
    }


def _broken(by_rate: Mapping[float, list[list[float]]]) -> dict[str, int]:
    floor = BROKEN * max(float(np.mean(pairs)) for pairs in by_rate.values())
    return {f"{rate:g}": int((np.array(pairs) < floor).sum()) for rate, pairs in by_rate.items()}
