"""The comparison on other data sets: tables of features with several labels, one small network.

Recorded, under one weakening of each family. Everything is done as on scenes: the methods and the
values of their dials are those of ``entries``, learning rate and dial are found by the same search.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chapters.head_to_head.choices import Cell, Place, climb, default_of, knobs_of
from chapters.head_to_head.entries import (
    ALL_LABELS,
    METHODS,
    RANKED,
    RATES,
    USUAL_RATE,
    WEAKENINGS,
    scene_spec,
    specify,
)
from chapters.head_to_head.runs import FIRST
from weaklabels.lab.multilabel import Spec, load_splits, run
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.tuned import FIRST_TUNING_SEED
from weaklabels.lab.voc_features import SPLIT_SEED

FIRST_SEED = 100
TUNING_SEEDS = (FIRST_TUNING_SEED, FIRST_TUNING_SEED + 1)

FIRST_RATE = RATES.index(USUAL_RATE)
"""Where the search for the learning rate starts."""

HIDDEN = 128


def _mulan(which: str, batch_size: int) -> dict[str, Any]:
    chosen = options(which=which, validation=0.2)
    return {"dataset": "mulan", "data_options": chosen, "batch_size": batch_size}


DATA_SETS: dict[str, dict[str, Any]] = {
    "emotions": _mulan("emotions", 16),
    "yeast": _mulan("yeast", 32),
    "scene": _mulan("scene", 32),
    "medical": _mulan("medical", 16),
    "corel5k": _mulan("corel5k", 128),
    "VOC 2012": {
        "dataset": "voc2012_features",
        "data_options": options(balanced=True, seed=SPLIT_SEED),
        "batch_size": 64,
    },
}
"""Name -> what its runs have of their own."""

DIFFERENCES = (
    "Network, schedule, number of epochs and batch size are our choice, the same for all methods, "
    "and none of them is tuned.",
    "A class without a positive in the validation or the test part is left out of the mean over "
    "classes there. No image is without a positive label.",
    "Test images are the same for all seeds: Mulan's own, and a fixed quarter of the VOC images. "
    "Validation images of the Mulan sets are drawn with the seed from the official training file. "
    "Weak labels, initial weights and order of the batches are drawn anew for every seed.",
    "VOC 2012: 3,804 photographs, as frozen features of a MobileNet v1 that was trained on "
    "ImageNet.",
)


def data_sets(chapter: Setting) -> dict[str, Any]:
    """All methods that can be ranked, on all data sets, under one weakening of each family.

    Returns:
        ``rows``, one for every data set, weakening and method: of every choice in ``tried`` its
        ``setting``, what was ``chosen``, and the ``validation`` mAP (%) at the last epoch of every
        value that was tried, mean over tuning seeds; and in ``last`` the test mAP (%) at the last
        epoch, one number a seed. ``data``: what the sets hold.
    """
    seeds = range(FIRST_SEED, FIRST_SEED + chapter.seeds)
    bases = {name: base_spec(name, chapter) for name in DATA_SETS}
    return {
        "what": "Test mAP (%) of the methods on other data sets, last epoch",
        "protocol": {
            "network": f"MLP d-{HIDDEN}-classes, batch norm",
            "optimiser": "Adam, one-cycle schedule, a fifth of it warm-up",
            "epochs": scene_spec().epochs,
            "batch_size": {name: base.batch_size for name, base in bases.items()},
            "rates": list(RATES),
            "seeds": list(seeds),
            "tuning_seeds": list(TUNING_SEEDS),
        },
        "data": {name: counts(base) for name, base in bases.items()},
        "differences": list(DIFFERENCES),
        "rows": [
            {"data set": name, **row}
            for name, base in bases.items()
            for row in compare(chapter, base, seeds)
        ],
    }


def base_spec(name: str, setting: Setting) -> Spec:
    """The run on a data set that all others vary: AN."""
    spec = replace(
        scene_spec(setting.device),
        **DATA_SETS[name],
        data_root=setting.data_root,
        network="mlp",
    )
    inputs = load_splits(spec).train.x.shape[1]
    return replace(spec, network_options=options(inputs=inputs, hidden=(HIDDEN,), batch_norm=True))


def vary(base: Spec, cell: Cell, seed: int, lr: float, knob: int) -> Spec:
    """One run: ``entries.specify`` on other data.

    Args:
        base: the run that is varied.
        cell: weakening and method.
        seed: of everything.
        lr: learning rate.
        knob: which of the method's settings.
    """
    weak, name = cell
    there = replace(base, seed=seed, optimiser=replace(base.optimiser, lr=lr))
    on_scenes = specify(scene_spec(), name, weak, seed, lr, knob)
    own = dict(on_scenes.method_options)
    if "known_share" in own and WEAKENINGS[weak].known is None:
        own["known_share"] = single_share(there)
    return replace(
        there,
        method=on_scenes.method,
        method_options=options(**own),
        annotation=on_scenes.annotation,
        annotation_options=on_scenes.annotation_options,
    )


def single_share(spec: Spec) -> float:
    """Positives of a run's training part that are known if one of each image is."""
    truth = load_splits(spec).train.y.numpy()
    return float(truth.any(1).sum() / truth.sum())


def mean_ap(by_class: np.ndarray) -> float:
    """Mean of average precisions over the classes that have positives.

    Args:
        by_class: ``(C,)`` in percent, as ``metrics.average_precision`` gives them: 0 for a class
            without positives, and above 0 for any other.
    """
    return float(by_class[by_class > 0].mean())


def compare(chapter: Setting, base: Spec, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """All methods on one data set, with settings chosen on tuning seeds: rows of the record.

    The learning rate is searched with the default of the dial, then the dial at the best of these
    rates, as on scenes (see ``choices.climb``).
    """
    cells = [("-", ALL_LABELS), *((weak, name) for weak in FIRST for name in RANKED)]
    usual = {cell: default_of(cell[1]) for cell in cells}

    def by_rate(wanted: Sequence[Place]) -> list[float]:
        tried = [(cell, RATES[at], usual[cell]) for cell, at in wanted]
        return _scores(chapter, base, tried)

    rates = climb(by_rate, dict.fromkeys(cells, FIRST_RATE), lambda cell: len(RATES))
    rate = {cell: RATES[_top(scores)] for cell, scores in rates.items()}

    def by_knob(wanted: Sequence[Place]) -> list[float]:
        return _scores(chapter, base, [(cell, rate[cell], knob) for cell, knob in wanted])

    knobs = climb(by_knob, usual, lambda cell: knobs_of(cell[1]))
    knob = {cell: _top(scores) for cell, scores in knobs.items()}
    # Not by chapter.repeat: among the options of PU-MLC is a seed.
    specs = [vary(base, cell, seed, rate[cell], knob[cell]) for cell in cells for seed in seeds]
    reached = iter(round(mean_ap(each["test_ap"][-1]), 3) for each in chapter.run(run, specs))
    return [
        {
            "weakening": weak,
            "method": name,
            "tried": _tried(name, rates[weak, name], knobs[weak, name]),
            "last": [next(reached) for _ in seeds],
        }
        for weak, name in cells
    ]


def _top(scores: Mapping[int, float]) -> int:
    """The place with the best score; the first on ties."""
    return max(sorted(scores), key=scores.__getitem__)


def _scores(chapter: Setting, base: Spec, tried: Sequence[tuple[Cell, float, int]]) -> list[float]:
    """Validation mAP (%) at the last epoch, mean over the tuning seeds.

    Args:
        chapter: where to compute.
        base: the run that is varied.
        tried: cells with a learning rate and a knob.
    """
    # As above: every seed has a spec of its own.
    specs = [vary(base, cell, seed, lr, knob) for cell, lr, knob in tried for seed in TUNING_SEEDS]
    reached = [mean_ap(record["val_ap"][-1]) for record in chapter.run(run, specs)]
    return np.reshape(reached, (len(tried), len(TUNING_SEEDS))).mean(1).round(3).tolist()


def _tried(
    name: str, rates: Mapping[int, float], knobs: Mapping[int, float]
) -> list[dict[str, Any]]:
    """What was tried and chosen, with its validation scores: learning rate, and the dial if any."""
    found = {"learning rate": {RATES[at]: score for at, score in rates.items()}}
    if name in METHODS and (entry := METHODS[name]).dial:
        found[entry.dial] = {entry.values[knob]: score for knob, score in knobs.items()}
    return [
        {
            "setting": setting,
            "chosen": max(sorted(scores), key=scores.__getitem__),
            "validation": {f"{value:g}": scores[value] for value in sorted(scores)},
        }
        for setting, scores in found.items()
    ]


def counts(base: Spec) -> dict[str, float]:
    """What a data set holds, in the split of the run."""
    splits = load_splits(base)
    parts = {"training": splits.train, "validation": splits.validation(), "test": splits.test}
    truths = {name: part.y.numpy() for name, part in parts.items()}
    return {
        **{f"{name} images": len(truth) for name, truth in truths.items()},
        "images without a positive": sum(int((~y.any(1)).sum()) for y in truths.values()),
        "features": splits.train.x.shape[1],
        "classes": len(splits.classes),
        **{f"classes in {name}": int(truth.any(0).sum()) for name, truth in truths.items()},
        "labels an image": round(float(truths["training"].sum(1).mean()), 2),
        "known with single positives (%)": round(100 * single_share(base), 1),
    }
