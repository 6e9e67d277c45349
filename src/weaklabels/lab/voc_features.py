"""A table of methods on photographs: linear heads on frozen features of VOC 2012.

The data is ``voc2012-subset-features/mobilenet_v1_gap.npz`` in the folder of datasets. Two papers
have such a table; it takes too long for a reader and is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from weaklabels.data import Splits
from weaklabels.lab.missing_labels import best_validation, mean_ap
from weaklabels.lab.multilabel import Spec, load_splits, run
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.train import OptimiserSpec

SEEDS = (0, 1, 2, 3, 4)
LEARNING_RATES = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4)
EPOCHS = 25
SPLIT_SEED = 1200

DIFFERENCES = (
    "3,804 photographs of VOC 2012 instead of 11,540: a subset in which animals dominate; split "
    "60/15/25 over all of them, the same share of every class in each part.",
    "Frozen features of MobileNet v1 (ImageNet, 1,024 values, images with a shorter side of 128 "
    "pixels) and one linear layer, 25 epochs, batch 16, Adam (the linear protocol of Cole et al.); "
    "the published numbers come from a ResNet-50 trained end to end at 448 pixels for 10 epochs.",
    "The learning rate of every method is chosen by its validation mAP, on complete labels, "
    "from the grid given here.",
    "The split is the same for all seeds; the positive labels kept, the initial weights and the "
    "order of the batches are drawn anew.",
)


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


def record(setting: Setting, rows: Mapping[str, Spec], notes: Sequence[str]) -> dict[str, Any]:
    """The content of a record: the table, the data, the protocol, and what differs from the paper.

    Args:
        setting: where to compute and what to keep.
        rows: row of the table -> its run with seed 0, a variation of ``protocol``.
        notes: what differs from the paper, beside ``DIFFERENCES``.
    """
    base = next(iter(rows.values()))
    return {
        "what": "Test mAP (%) on frozen features of VOC 2012, one positive label an image",
        "protocol": {
            "epochs": base.epochs,
            "batch_size": base.batch_size,
            "optimiser": "adam",
            "learning_rates_tried": list(LEARNING_RATES),
            "seeds": list(SEEDS),
            "split_seed": SPLIT_SEED,
        },
        "data": counts(load_splits(base)),
        "differences": [*DIFFERENCES, *notes],
        "rows": compute(setting, rows),
    }


def compute(
    setting: Setting,
    rows: Mapping[str, Spec],
    rates: Sequence[float] = LEARNING_RATES,
    seeds: Sequence[int] = SEEDS,
) -> list[dict[str, Any]]:
    """Run all rows and seeds at all learning rates, and choose a rate for each row.

    Returns:
        one dict a row: ``row``, ``method``, its ``options``, the chosen ``learning_rate``, the
        ``validation`` mAP (%, mean over seeds, best epoch) of every rate, and per seed the test mAP
        (%) at the ``best`` validation epoch and the ``last`` one, and the ``best_epochs``.
    """
    table = {
        (name, rate): replace(spec, optimiser=OptimiserSpec("adam", lr=rate))
        for name, spec in rows.items()
        for rate in rates
    }
    records = setting.repeat(run, table, seeds)
    found = []
    for name, spec in rows.items():
        validation = {rate: round(best_validation(records[name, rate]), 3) for rate in rates}
        chosen = records[name, max(validation, key=validation.__getitem__)]
        found.append(
            {
                "row": name,
                "method": spec.method,
                "options": dict(spec.method_options),
                "learning_rate": chosen[0].spec.optimiser.lr,
                "validation": {f"{rate:g}": value for rate, value in validation.items()},
                "best": [round(float(value), 3) for value in mean_ap(chosen, "best")],
                "last": [round(float(value), 3) for value in mean_ap(chosen, "last")],
                "best_epochs": [int(each["best_epoch"]) for each in chosen],
            }
        )
    return found


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
