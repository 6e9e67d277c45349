"""The recorded results of the chapter: answers of real crowds.

They need the label-only sets, CIFAR-10 (or its subset) with CIFAR-10N, and MobileNet weights.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from chapters.self_crowd import cost, runs, tables
from chapters.self_crowd.photographs import IMAGES, features, sparse_crowd
from weaklabels import crowds, data
from weaklabels.data.crowd import LABEL_ONLY
from weaklabels.lab.features import DESCRIPTION
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record
from weaklabels.lab.sweep import one_thread
from weaklabels.seeding import numpy_rng
from weaklabels.train import OptimiserSpec

DRAWS = range(10)
SEEDS = 30
"""Crowds of the recorded claims: one with another differs by far more than method from method."""

NETWORK_SEEDS = range(5)
METHODS = ("MV", "true labels", "DL-CL", "random", "plain", "aware", "quota")


def truth_inference(root: str) -> list[dict[str, Any]]:
    """Majority vote and Dawid-Skene on label-only sets, with fewer and fewer answers."""
    rows = []
    for name in LABEL_ONLY:
        splits = data.load("crowd_truth_infer", root, which=name)
        answers = np.asarray(splits.train.extra["answers"])
        truth, classes = splits.train.y.numpy(), len(splits.classes)
        full = float((answers >= 0).sum(1).mean())
        for mean in (1, 2, 4, None):
            row: dict[str, Any] = {
                "set": name,
                "answers": mean or round(full, 1),
                "tasks": len(truth),
                "workers": answers.shape[1],
                "classes": classes,
                "truth ratio": tables.imbalance(np.bincount(truth, minlength=classes)),
                "majority vote": [],
                "Dawid-Skene": [],
                "ratio": [],
            }
            for draw in DRAWS:
                rng = numpy_rng(draw, "real crowd", name)
                kept = answers
                if mean is not None:
                    asked = crowds.few_workers(answers >= 0, mean, rng)
                    kept = np.where(asked, answers, -1)
                vote = crowds.majority_vote(kept, classes, rng)
                posterior = crowds.dawid_skene(kept, classes)[0]
                row["majority vote"].append(100 * float((vote == truth).mean()))
                row["Dawid-Skene"].append(100 * float((posterior.argmax(1) == truth).mean()))
                row["ratio"].append(tables.imbalance(crowds.class_counts(kept, classes)))
            rows.append(row)
    return rows


def networks(root: str, cache: str) -> list[dict[str, Any]]:
    """All methods on features of photographs, one answer an image, at two imbalance ratios."""
    train, truth, answers, test, test_y = features(root, cache)
    rows = []
    for ratio in (10, 30):
        spec = runs.Spec(
            dataset="cifar10n",
            ratio=ratio,
            mean_answers=1,
            network_options=options(inputs=train.shape[1], hidden=(128,)),
            dropout=0.3,
            optimiser=OptimiserSpec("adam", lr=1e-3),
            rounds=3,
            methods=METHODS,
        )
        records = []
        for seed in NETWORK_SEEDS:
            task = runs.make_task(
                train, truth, test, test_y, answers=answers, ratio=ratio, mean_answers=1,
                workers=0, seed=seed,
            )  # fmt: skip
            with one_thread():
                found = runs.run_on(replace(spec, seed=seed), task)
            records.append(Record(spec, {k: np.asarray(v) for k, v in found.items()}, {}))
        for name in METHODS:
            pseudo = name in tables.SELF_TRAINING
            rows.append(
                {
                    "ratio": ratio,
                    "method": name,
                    "accuracy": _rounded(tables.final(records, name)),
                    "minority": _rounded(tables.final(records, name, rare=True)),
                    "balance": _rounded(tables.ratio(records, name)[:, -1]) if pseudo else [],
                    "given": _rounded(tables.ratio(records, "plain")[:, 0]),
                }
            )
    return rows


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 3) for value in values]


def real_crowds(setting: Setting) -> dict[str, Any]:
    """All of it; features of images are kept beside the runs."""
    return {
        "what": "Answers of real crowds: truth inference, and networks on CIFAR-10N",
        "settings": {
            "truth inference": f"{len(DRAWS)} random draws of 1 + Poisson(m - 1) answers a task",
            "images": f"the first {IMAGES:,} training images and 3,000 test images of CIFAR-10 (a "
            "subset of both), thinned to the wanted imbalance",
            "features": f"{DESCRIPTION}; MLP 1,024-128-10, dropout 0.3, Adam 1e-3, batch 64",
            "answers": "one of three an image, drawn at random; a column of the label file counts "
            "as one worker, though many people stand behind it",
            "training": "300 steps on majority votes, 500 with the crowd layer, 3 rounds of 200; "
            "each round adds half as many pseudo-annotations as there are answers",
            "seeds": list(NETWORK_SEEDS),
        },
        "truth_inference": truth_inference(setting.data_root),
        "networks": networks(setting.data_root, str(setting.store.folder.parent / "features")),
    }


RECORDS = {"real_crowds": real_crowds, "sparse_crowd": sparse_crowd, "cost": cost.measure}
