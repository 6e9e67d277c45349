"""The one protocol in which the multi-label chapters train on photographs, and its records.

The data are the photographs of VOC 2012 that are at hand, in ``voc2012-subset-small`` or in the
whole devkit of the folder of datasets; the network is EfficientNet-Lite0 with ImageNet weights,
whose last ``TRAINED`` layers and head are trained (see ``lab.trunk``). Split, size, augmentation,
schedule and the rule by which settings are chosen stand here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from weaklabels.lab import missing_labels, multilabel, trunk, tuned, two_stage, widen
from weaklabels.lab.multilabel import Spec, load_splits
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record
from weaklabels.lab.sweep import RunFunction
from weaklabels.lab.two_stage import Steps
from weaklabels.lab.voc_features import SPLIT_SEED, Row, counts, with_option
from weaklabels.train import OptimiserSpec

SIDE = 160
ALONE = 100
FROZEN = 13
"""Layers of the network that stay as they are: the stem and 11 of 16 blocks."""

LAST_ONLY = 18
"""In their place where a table would take hours of two cores: all but the last convolution."""

EPOCHS = 10
LEARNING_RATES = (3e-5, 1e-4, 3e-4, 1e-3)
HEAD_FACTOR = 10
FIRST_SEED = 100
TUNING_SEEDS = (tuned.FIRST_TUNING_SEED,)

MIRRORED = (("flip", 1.0),)
EITHER = (("pick_view", 0, 2),)
"""The image or its mirror image, each as often as the other."""

STRONG: Steps = (("pick_view", 2, 5),)
"""One of the strong views, each as often as the others."""

DIFFERENCES = (
    "Photographs of VOC 2012 at hand: 3,804 of 17,125, most of them animals, with shorter sides of "
    f"128 pixels. Of those that show one class alone {ALONE} a class are kept, all of the others; "
    "split 60/15/25 with the same share of every class in each part. Rare classes have few test "
    "images, by which their precision is uncertain.",
    f"EfficientNet-Lite0 from ImageNet weights, {SIDE} x {SIDE} pixels. The stem and the first 11 "
    "of 16 blocks, 21 % of the weights of the features, stay as they are, with their statistics; 5 "
    "blocks, the last convolution and the head are trained. The published numbers come from a "
    "ResNet-50 trained end to end at 448 pixels.",
    f"{EPOCHS} epochs in batches of 16 with Adam at a constant rate, ten times as high for the "
    "head; the image or its mirror image.",
    "Learning rate and then option of every method are chosen by the best validation mAP, on "
    "complete labels, with a repetition of its own; as many rates are tried for every method, and "
    "further ones where the best stands at an end.",
    "The split is the same for all seeds; the labels kept, the weights of the head and the order "
    "of the batches are drawn anew.",
)

LAST_ONLY_DIFFERENCES = (
    DIFFERENCES[0],
    f"EfficientNet-Lite0 from ImageNet weights, {SIDE} x {SIDE} pixels. The stem and all blocks, "
    "88 % of the weights of the features, stay as they are, with their statistics; the last "
    "convolution and the head are trained. The published numbers come from networks that are "
    "trained end to end.",
)


@dataclass(frozen=True)
class Protocol:
    """How runs are made, chosen among, and reported.

    Attributes:
        run: the function.
        validation: best validation mAP (%) of runs, their mean.
        test: test mAP (%) of each run, at the ``"best"`` or the ``"last"`` epoch.
    """

    run: RunFunction
    validation: Callable[[Sequence[Record]], float]
    test: Callable[[Sequence[Record], str], np.ndarray]


MULTILABEL = Protocol(multilabel.run, missing_labels.best_validation, missing_labels.mean_ap)
TWO_STAGE = Protocol(two_stage.run, two_stage.best_validation, two_stage.mean_ap)

Measure = Callable[[Sequence[Record]], Any]


def photographs(setting: Setting) -> dict[str, Any]:
    """Fields that every spec of the protocol shares, whichever its class."""
    shards = setting.store.folder.parent / "photographs"
    return {
        "dataset": "voc2012",
        "data_root": setting.data_root,
        "data_options": options(
            balanced=True, alone=ALONE, seed=SPLIT_SEED, resolution=SIDE, cache=str(shards)
        ),
        "network": "efficientnet_lite0",
        "frozen_layers": FROZEN,
        "views": (MIRRORED,),
        "epochs": EPOCHS,
        "batch_size": 16,
        "optimiser": rated(OptimiserSpec("adam"), 1e-4),
        "device": setting.device,
        "checkpoint": setting.device == "cpu",  # on a GPU a run is shorter than what saving takes
    }


def strong_views() -> tuple[Steps, ...]:
    """Of each photograph its mirror image and three strong views, drawn once."""
    crop = ("square_crop", tuple(SIDE * tenths // 10 for tenths in (10, 9, 8, 7, 6)), SIDE)
    strong = (("flip",), crop, ("cutout", 0.5, None))
    return MIRRORED, strong, strong, strong


def rated(optimiser: OptimiserSpec, rate: float) -> OptimiserSpec:
    """The same with another learning rate, and the head's in proportion."""
    return replace(optimiser, lr=rate, head_lr=HEAD_FACTOR * rate)


def protocol(setting: Setting) -> Spec:
    """The AN run that others vary: one positive label an image; settings are to be chosen."""
    return Spec(
        "AN",
        options(epsilon=0.0),
        augment=EITHER,
        track=("entry_logits", "pointing", "test_scores", "train_scores"),
        **photographs(setting),
    )


def record(
    setting: Setting,
    rows: Mapping[str, Row],
    notes: Sequence[str] = (),
    *,
    how: Protocol = MULTILABEL,
    what: str = "Test mAP (%) on photographs of VOC 2012, one positive label an image",
    measures: Mapping[str, Measure] | None = None,
    rates: Sequence[float] = LEARNING_RATES,
) -> dict[str, Any]:
    """The content of a record: the table, the data, the protocol, and what differs from the paper.

    Args:
        setting: where to compute and what to keep; as many seeds as it says, from ``FIRST_SEED``.
        rows: of the table, by name; their specs are variations of ``protocol``.
        notes: what differs from the paper, beside ``DIFFERENCES``.
        how: protocol of the runs.
        what: one sentence.
        measures: name -> what else is recorded of the runs of a row, as JSON takes it; None leaves
            it out of a row.
        rates: learning rates to be tried.
    """
    base = next(iter(rows.values())).spec
    seeds = range(FIRST_SEED, FIRST_SEED + setting.seeds)
    splits = load_splits(base)
    return {
        "what": what,
        "protocol": {
            "network": base.network,
            "frozen_layers": base.frozen_layers,
            "side": SIDE,
            "epochs": base.epochs,
            "batch_size": base.batch_size,
            "optimiser": base.optimiser.name,
            "head_factor": HEAD_FACTOR,
            "learning_rates_tried": list(rates),
            "seeds": list(seeds),
            "tuning_seeds": list(TUNING_SEEDS),
            "split_seed": SPLIT_SEED,
        },
        "data": counts(splits)
        | {
            "test images by class": dict(
                zip(splits.classes, splits.test.y.sum(0).tolist(), strict=True)
            )
        },
        "differences": [*DIFFERENCES, *notes],
        "rows": compute(setting, rows, seeds, how, measures, rates),
    }


def compute(
    setting: Setting,
    rows: Mapping[str, Row],
    seeds: Sequence[int],
    how: Protocol = MULTILABEL,
    measures: Mapping[str, Measure] | None = None,
    rates: Sequence[float] = LEARNING_RATES,
) -> list[dict[str, Any]]:
    """Choose a learning rate for each row, then the value of its option, and run it with them.

    Returns:
        one dict a row: ``row``, ``method``, its chosen ``options`` and ``learning_rate``; of every
        choice in ``tried`` its ``setting``, what was ``chosen`` and the ``validation`` mAP (%) of
        every value; per seed the test mAP (%) at the ``best`` validation epoch and the ``last``
        one; ``validation`` and ``test`` mAP after every evaluation, and ``by class`` the test
        precision (%) of the last epoch, each a list a seed; and what else is measured.
    """
    _draw_maps(setting, [row.spec for row in rows.values()])
    chosen = _chosen(setting, rows, how, rates)
    records = setting.repeat(how.run, {name: spec for name, (spec, _) in chosen.items()}, seeds)
    found = []
    for name, (spec, tried) in chosen.items():
        runs = records[name]
        row = {
            "row": name,
            "method": spec.method,
            "options": dict(spec.method_options),
            "learning_rate": spec.optimiser.lr,
            "tried": tried,
            "best": rounded(how.test(runs, "best")),
            "last": rounded(how.test(runs, "last")),
            "validation": [rounded(run["val_ap"].mean(1)) for run in runs],
            "test": [rounded(run["test_ap"].mean(1)) for run in runs],
            "by class": [rounded(run["test_ap"][-1]) for run in runs],
        }
        more = {key: measure(runs) for key, measure in (measures or {}).items()}
        found.append(row | {key: value for key, value in more.items() if value is not None})
    return found


def widened(
    setting: Setting,
    content: Mapping[str, Any],
    rows: Mapping[str, Row],
    values: Mapping[str, Sequence[float]],
    *,
    how: Protocol = MULTILABEL,
    measures: Mapping[str, Measure] | None = None,
) -> dict[str, Any]:
    """A record of this protocol with values added where a choice stands at an end (see ``widen``).

    Args:
        setting: where to compute.
        content: of the record, as ``record`` returns it.
        rows: of the table, by name; others stay as they are.
        values: row -> all values of its option that make sense.
        how, measures: as for ``record``.
    """
    seeds = content["protocol"]["seeds"]
    _draw_maps(setting, [row.spec for row in rows.values()])

    def choose(row: Row, rates: Sequence[float]) -> list[widen.Choice]:
        ((_, tried),) = _chosen(setting, {"": row}, how, rates).values()
        return tried

    def one(held: Mapping[str, Any]) -> dict[str, Any]:
        def run(row: Row, rate: float) -> dict[str, Any]:
            (found,) = compute(setting, {name: row}, seeds, how, measures, [rate])
            return found

        name = held["row"]
        if name not in rows:
            return dict(held)
        return widen.widened(held, rows[name], values.get(name, ()), choose, run)

    return widen.noted(content, [one(held) for held in content["rows"]])


def _draw_maps(setting: Setting, specs: Sequence[Any]) -> None:
    """Compute the frozen layers' maps once, before several processes want them."""
    wanted = {trunk.maps_spec(spec): None for spec in specs if spec.frozen_layers}
    setting.run(trunk.maps, wanted)


Chosen = dict[str, tuple[Any, list[dict[str, Any]]]]
"""Name of a row -> its run with its chosen settings, and what was tried for each of them."""


def _chosen(
    setting: Setting, rows: Mapping[str, Row], how: Protocol, rates: Sequence[float]
) -> Chosen:
    """The learning rates of all rows are tried in one sweep, and then all options in another."""
    trials = {
        name: {rate: replace(row.spec, optimiser=rated(row.spec.optimiser, rate)) for rate in rates}
        for name, row in rows.items()
    }
    chosen = _best(setting, dict.fromkeys(rows, "learning rate"), trials, how)
    names = {name: row.option for name, row in rows.items() if row.option}
    trials = {
        name: {value: with_option(chosen[name][0], option, value) for value in rows[name].values}
        for name, option in names.items()
    }
    for name, (spec, tried) in _best(setting, names, trials, how).items():
        chosen[name] = spec, chosen[name][1] + tried
    return chosen


def _best(
    setting: Setting,
    names: Mapping[str, str],
    trials: Mapping[str, Mapping[float, Any]],
    how: Protocol,
) -> Chosen:
    """Of every row the trial with the best validation mAP, and an account of all of them.

    Args:
        setting: where to compute.
        names: row -> what is chosen.
        trials: row -> value -> its run.
        how: protocol of the runs.
    """
    table = {(row, value): spec for row, each in trials.items() for value, spec in each.items()}
    runs = setting.repeat(how.run, table, TUNING_SEEDS)
    found = {}
    for row, each in trials.items():
        scores = {value: [how.validation([run]) for run in runs[row, value]] for value in each}
        best = tuned.best(scores)
        account = {f"{value:g}": rounded(np.array(one)) for value, one in scores.items()}
        tried = {"setting": names[row], "chosen": best, "validation": account}
        found[row] = each[best], [tried]
    return found


def rounded(values: np.ndarray) -> list[Any]:
    """Numbers as JSON takes them: with three digits, and None where there is none."""
    kept = np.round(values.astype(float), 3).astype(object)
    kept[~np.isfinite(values)] = None
    return kept.tolist()
