"""Tables of two papers on photographs: frozen features of VOC 2012, recorded once.

    python -m weaklabels.lab.voc_features record --data FOLDER

FOLDER holds ``voc2012-subset-features/mobilenet_v1_gap.npz``. The command writes
``book/recorded/{large_loss_matters,acknowledging_the_unknown}/voc2012_features.json``. Tables are
stored under ``build/recorded`` as they finish, so an interrupted command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from chapters.acknowledging_the_unknown import runs as atu
from chapters.large_loss_matters import runs as lm

from weaklabels.data import Splits
from weaklabels.lab import sweep
from weaklabels.lab.linear_protocol import Together, run_together
from weaklabels.lab.multilabel import Spec, load_splits
from weaklabels.lab.spec import options
from weaklabels.lab.store import Store
from weaklabels.press.chapter import REPOSITORY
from weaklabels.press.claims import mean_std
from weaklabels.train import OptimiserSpec

CHAPTERS = ("large_loss_matters", "acknowledging_the_unknown")
NAME = "voc2012_features"
SEEDS = (0, 1, 2, 3, 4)
LEARNING_RATES = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4)
EPOCHS, PAPER_EPOCHS = 25, 10
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


def protocol(data_root: str) -> Spec:
    """The AN run that all others vary: one positive label an image, learning rate to be chosen."""
    return Spec(
        "AN",
        options(epsilon=0.0),
        dataset="voc2012_features",
        data_root=data_root,
        data_options=options(balanced=True, seed=SPLIT_SEED),
        network="linear",
        network_options=options(inputs=1024),
        epochs=EPOCHS,
        batch_size=16,
    )


def rows_of(chapter: str, base: Spec) -> dict[str, Spec]:
    """Row of the chapter's table -> its run with seed 0.

    Raises:
        ValueError: if there is no such table.
    """
    if chapter == "large_loss_matters":
        rows = {name: lm.vary(base, name) for name in lm.TABLE_METHODS}
        published = lm.PAPER_RATES["voc2012"]
        rows |= {name: lm.vary(base, name, rate=published[name]) for name in lm.LL}
        # k grows with the epoch in LL-R and LL-Ct: over 25 epochs instead of 10 the published rates
        # end at 24/9 times as many labels. LL-Cp's k is 1 of 320, which cannot be lowered.
        for name in ("LL-R", "LL-Ct"):
            rate = round(published[name] * (PAPER_EPOCHS - 1) / (EPOCHS - 1), 6)
            rows[f"{name}, rate × 9/24"] = lm.vary(base, name, rate=rate)
        return rows
    if chapter == "acknowledging_the_unknown":
        settings = replace(atu.PAPER_SETTINGS["VOC"][3], warm_up=EPOCHS // 2)
        benchmark = atu.Benchmark("VOC, frozen features", base, settings, EPOCHS)
        # ROLE+LI is the end-to-end phase after a linear one: there is none on frozen features.
        return {row: atu.vary(benchmark, row) for row in atu.ROWS if row != "ROLE+LI"}
    raise ValueError(f"no table of {chapter!r} on VOC features: expected {', '.join(CHAPTERS)}")


NOTES = {
    "large_loss_matters": (
        "LL-R, LL-Ct and LL-Cp: the published rates for VOC, 0.2, 0.2 and 0.1 % of the labels an "
        "epoch; LL-R and LL-Ct also with 9/24 of them, with which 25 epochs end where the paper's "
        "10 do. LL-Cp corrects one of the 320 entries of a batch, the least there is.",
        "The highest learning rate tried, 0.01, is that of the grid of Cole et al.; full labels, "
        "AN, ROLE and LL choose it.",
        "EPR and ROLE are told the mean number of positives of the training images.",
    ),
    "acknowledging_the_unknown": (
        "EM and EM+APL: the published alpha 0.2, beta 0.02 and theta 0.9; the warm-up is rescaled "
        "from 5 of 10 epochs to 12 of 25.",
        "Strengths of DW, L1R, L2R, LS, N-LS, EntMin, Focal and ASL are this book's defaults: the "
        "paper's were not found.",
        "ROLE is told the mean number of positives of the training images. ROLE+LI is left out: "
        "on frozen features there is no second phase.",
    ),
}


def compute(
    rows: dict[str, Spec],
    store: Store,
    rates: Sequence[float] = LEARNING_RATES,
    seeds: Sequence[int] = SEEDS,
) -> list[dict[str, Any]]:
    """Run all rows and seeds at all learning rates, and choose a rate for each row.

    Returns:
        one dict a row: ``row``, ``method``, its ``options``, the chosen ``learning_rate``, the
        ``validation`` mAP (%, mean over seeds, best epoch) of every rate, and per seed the test mAP
        (%) at the ``best`` validation epoch and the ``last`` one, and the ``best_epochs``.
    """
    tables = [
        Together(
            tuple(
                replace(spec, seed=seed, optimiser=OptimiserSpec("adam", lr=rate))
                for spec in rows.values()
                for seed in seeds
            )
        )
        for rate in rates
    ]
    records = dict(zip(rates, sweep.run(run_together, tables, store), strict=True))
    found = []
    for i, (name, spec) in enumerate(rows.items()):
        part = slice(i * len(seeds), (i + 1) * len(seeds))
        validation = {
            rate: round(float(record["val_ap"][part].mean(2).max(1).mean()), 3)
            for rate, record in records.items()
        }
        chosen = max(validation, key=validation.__getitem__)
        test = records[chosen]["test_ap"][part].mean(2)
        epochs = records[chosen]["best_epoch"][part]
        best = test[np.arange(len(seeds)), epochs - 1]
        found.append(
            {
                "row": name,
                "method": spec.method,
                "options": dict(spec.method_options),
                "learning_rate": chosen,
                "validation": {f"{rate:g}": value for rate, value in validation.items()},
                "best": [round(float(v), 3) for v in best],
                "last": [round(float(v), 3) for v in test[:, -1]],
                "best_epochs": epochs.tolist(),
            }
        )
    return found


def counts(splits: Splits) -> dict[str, Any]:
    """How many images each part has, and labels an image and images a class in training."""
    truth = splits.train.y.numpy()
    return {
        "training images": len(splits.train),
        "validation images": len(splits.val),
        "test images": len(splits.test),
        "labels an image": round(float(truth.sum(1).mean()), 3),
        "training images by class": dict(zip(splits.classes, truth.sum(0).tolist(), strict=True)),
    }


def table(record: dict[str, Any], published: dict[str, pd.Series]) -> pd.DataFrame:
    """A record beside published columns, as ready text.

    Args:
        record: content of ``voc2012_features.json`` (``Chapter.recorded``).
        published: heading -> mAP (%) by row; rows that it lacks stay empty.
    """
    columns = {
        ("recorded here", "best epoch"): [mean_std(row["best"]) for row in record["rows"]],
        ("recorded here", "last epoch"): [mean_std(row["last"]) for row in record["rows"]],
        ("recorded here", "learning rate"): [f"{r['learning_rate']:g}" for r in record["rows"]],
    }
    names = [row["row"] for row in record["rows"]]
    for heading, values in published.items():
        cells = values.reindex(names)
        columns["published", heading] = ["" if pd.isna(v) else f"{v:.1f}" for v in cells]
    return pd.DataFrame(columns, index=pd.Index(names, name="method"))


def write(chapter: str, data_root: str, store: Store, recorded: Path) -> Path:
    """Compute one chapter's record and write it, atomically."""
    base = protocol(data_root)
    content = {
        "what": "Test mAP (%) on frozen features of VOC 2012, one positive label an image",
        "command": f"python -m weaklabels.lab.voc_features record --data FOLDER {chapter}",
        "protocol": {
            "epochs": base.epochs,
            "batch_size": base.batch_size,
            "optimiser": "adam",
            "learning_rates_tried": list(LEARNING_RATES),
            "seeds": list(SEEDS),
            "split_seed": SPLIT_SEED,
        },
        "data": counts(load_splits(base)),
        "differences": [*DIFFERENCES, *NOTES[chapter]],
        "provenance": sweep.provenance("cpu") | {"date": datetime.now(UTC).date().isoformat()},
        "rows": compute(rows_of(chapter, base), store),
    }
    path = recorded / chapter / f"{NAME}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
    temporary.replace(path)
    return path


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the records that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=("record",))
    parser.add_argument("chapter", nargs="*", help=f"{' | '.join(CHAPTERS)} (default: both)")
    parser.add_argument("--data", required=True, help="folder of the downloaded datasets")
    given = parser.parse_args(arguments)
    store = Store(REPOSITORY / "build" / "recorded" / "runs")
    for chapter in given.chapter or CHAPTERS:
        path = write(chapter, given.data, store, REPOSITORY / "book" / "recorded")
        print(path.relative_to(REPOSITORY))


if __name__ == "__main__":
    main()
