"""A table of methods on photographs: linear heads on frozen features of VOC 2012.

The data is ``voc2012-subset-features/mobilenet_v1_gap.npz`` in the folder of datasets. Two papers
have such a table; it takes too long for a reader and is recorded. Learning rate and option of every
method are chosen on validation images with repetitions that no result is reported for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any

from weaklabels import methods
from weaklabels.data import Splits
from weaklabels.lab import tuned
from weaklabels.lab.missing_labels import TUNING_SEEDS, mean_ap, validation_scores
from weaklabels.lab.multilabel import Spec, load_splits, run
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.train import OptimiserSpec

SEEDS = tuple(range(100, 112))
LEARNING_RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)
EPOCHS = 25
SPLIT_SEED = 1200

DIFFERENCES = (
    "3,804 photographs of VOC 2012 instead of 11,540: a subset in which animals dominate; split "
    "60/15/25 over all of them, the same share of every class in each part.",
    "Frozen features of MobileNet v1 (ImageNet, 1,024 values, images with a shorter side of 128 "
    "pixels) and one linear layer, 25 epochs, batch 16, Adam (the linear protocol of Cole et al.); "
    "the published numbers come from a ResNet-50 trained end to end at 448 pixels for 10 epochs.",
    "The learning rate of every method, and then its option if it has one, are chosen by the "
    "validation mAP, on complete labels, with repetitions of their own; as many values are tried "
    "for every method, and further ones where the best stands at an end.",
    "Losses are exact. The papers' code adds 1e-5 inside the logarithm, with which training breaks "
    "down at learning rates of 0.01 and more (Focal and ASL keep 1e-8 there, and break down).",
    "The split is the same for all seeds; the positive labels kept, the initial weights and the "
    "order of the batches are drawn anew.",
)


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        spec: its run with seed 0, a variation of ``protocol``.
        option: of the method, which is to be chosen; empty if it has none.
        values: to be tried, ascending.
    """

    spec: Spec
    option: str = ""
    values: tuple[float, ...] = ()


Computed = Callable[[Setting, Mapping[str, Row]], list[dict[str, Any]]]
"""What ``compute`` is, with its other arguments left out."""


def with_option(spec: Spec, option: str, value: float) -> Spec:
    """The same run with one of the method's options changed."""
    return replace(spec, method_options=options(**dict(spec.method_options) | {option: value}))


def exact(spec: Spec) -> Spec:
    """The same run without a constant inside the logarithm of its loss, if it has one."""
    if "epsilon" not in signature(methods.get(spec.method)).parameters:
        return spec
    return with_option(spec, "epsilon", 0.0)


def protocol(setting: Setting) -> Spec:
    """The AN run that all others vary: one positive label an image, learning rate to be chosen."""
    return Spec(
        "AN",
        options(epsilon=0.0),
        dataset="voc2012_features",
        data_root=setting.data_root,
        data_options=options(balanced=True, seed=SPLIT_SEED),
        network="linear",
        network_options=options(inputs=1024),
        epochs=EPOCHS,
        batch_size=16,
        device=setting.device,
    )


def record(
    setting: Setting,
    rows: Mapping[str, Row],
    notes: Sequence[str],
    computed: Computed | None = None,
) -> dict[str, Any]:
    """The content of a record: the table, the data, the protocol, and what differs from the paper.

    Args:
        setting: where to compute and what to keep.
        rows: of the table, by name.
        notes: what differs from the paper, beside ``DIFFERENCES``.
        computed: what computes the rows; ``compute`` if left out.
    """
    base = next(iter(rows.values())).spec
    return {
        "what": "Test mAP (%) on frozen features of VOC 2012, one positive label an image",
        "protocol": {
            "epochs": base.epochs,
            "batch_size": base.batch_size,
            "optimiser": "adam",
            "learning_rates_tried": list(LEARNING_RATES),
            "seeds": list(SEEDS),
            "tuning_seeds": list(TUNING_SEEDS),
            "split_seed": SPLIT_SEED,
        },
        "data": counts(load_splits(base)),
        "differences": [*DIFFERENCES, *notes],
        "rows": (computed or compute)(setting, rows),
    }


def compute(
    setting: Setting,
    rows: Mapping[str, Row],
    rates: Sequence[float] = LEARNING_RATES,
    seeds: Sequence[int] = SEEDS,
    tuning_seeds: Sequence[int] = TUNING_SEEDS,
) -> list[dict[str, Any]]:
    """Choose a learning rate for each row, then the value of its option, and run it with them.

    Losses are ``exact``.

    Returns:
        one dict a row: ``row``, ``method``, its chosen ``options`` and ``learning_rate``; of every
        choice in ``tried`` its ``setting``, what was ``chosen``, and the ``validation`` mAP (%,
        best epoch) of every value, one number a tuning seed; and per seed the test mAP (%) at the
        ``best`` validation epoch and the ``last`` one, and the ``best_epochs``.
    """
    found = []
    for name, row in rows.items():
        row = replace(row, spec=exact(row.spec))
        spec, tried = _chosen(setting, row, rates, tuning_seeds)
        (records,) = setting.repeat(run, {name: spec}, seeds).values()
        found.append(
            {
                "row": name,
                "method": spec.method,
                "options": dict(spec.method_options),
                "learning_rate": spec.optimiser.lr,
                "tried": tried,
                "best": [round(float(value), 3) for value in mean_ap(records, "best")],
                "last": [round(float(value), 3) for value in mean_ap(records, "last")],
                "best_epochs": [int(each["best_epoch"]) for each in records],
            }
        )
    return found


def choices(
    setting: Setting,
    row: Row,
    rates: Sequence[float] = LEARNING_RATES,
    tuning_seeds: Sequence[int] = TUNING_SEEDS,
) -> list[dict[str, Any]]:
    """The choices of a row, as in ``compute``, which then runs it with them."""
    return _chosen(setting, replace(row, spec=exact(row.spec)), rates, tuning_seeds)[1]


def _chosen(
    setting: Setting, row: Row, rates: Sequence[float], seeds: Sequence[int]
) -> tuple[Spec, list[dict[str, Any]]]:
    """A row's run with its chosen settings, and what was tried for each of them."""
    trials = {rate: replace(row.spec, optimiser=OptimiserSpec("adam", lr=rate)) for rate in rates}
    spec, of_rate = _best(setting, "learning rate", trials, seeds)
    if not row.option:
        return spec, [of_rate]
    trials = {value: with_option(spec, row.option, value) for value in row.values}
    spec, of_option = _best(setting, row.option, trials, seeds)
    return spec, [of_rate, of_option]


def _best(
    setting: Setting, name: str, trials: Mapping[float, Spec], seeds: Sequence[int]
) -> tuple[Spec, dict[str, Any]]:
    """The trial with the best validation mAP, and an account of all of them."""
    scores = validation_scores(setting, trials, seeds)
    chosen = tuned.best(scores)
    validation = {f"{value:g}": each for value, each in scores.items()}
    return trials[chosen], {"setting": name, "chosen": chosen, "validation": validation}


def counts(splits: Splits) -> dict[str, Any]:
    """How many images each part has, and labels an image and images a class in training."""
    truth = splits.train.y.numpy()
    return {
        "training images": len(splits.train),
        "validation images": len(splits.validation()),
        "test images": len(splits.test),
        "labels an image": round(float(truth.sum(1).mean()), 3),
        "training images by class": dict(zip(splits.classes, truth.sum(0).tolist(), strict=True)),
    }
