"""The human labels of CIFAR-10N as a sparse crowd, on features of the photographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from chapters.self_crowd import runs, tables
from weaklabels import checks, data
from weaklabels.lab.features import DESCRIPTION, WIDTH, extracted, standardised
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record
from weaklabels.train import OptimiserSpec

COLUMNS = ("random_label1", "random_label2", "random_label3")
IMAGES = 6000
"""Training images that are used, the first ones; all test images."""

FIRST_SEED = 100
RATIO = 10

SHARES = {1: 1 / 6, 2: 0.05}
"""Answers an image -> pseudo-annotations of a round, as a share of the answers: six rounds fill
half of the missing pairs (two of three columns are missing with one answer, 1.1 with two)."""

DIFFERENCES = (
    "CIFAR-10N in place of the paper's image set: a column of the label file counts as one worker, "
    "though many people stand behind it. Imbalance and sparsity are imposed.",
    "Features of a frozen MobileNet (ImageNet) and a small network on them; the paper's network "
    "could not be read.",
    "The method is a reconstruction from the abstract. No setting was tuned on these images: all "
    "but rate and pairs a round are those of the digits, and the same for all methods.",
)


@dataclass(frozen=True, kw_only=True)
class Spec(runs.Spec):
    """One crowd on the photographs.

    Attributes:
        cache: folder of the features.
    """

    cache: str


@lru_cache(maxsize=1)  # all crowds of a process
def features(
    root: str, cache: str
) -> tuple[torch.Tensor, np.ndarray, np.ndarray, torch.Tensor, np.ndarray]:
    """Training features, truth and answers, and the test features and truth."""
    splits = data.load("cifar10n", root, raw=True)
    parts = [extracted(x, root, cache) for x in (splits.train.x[:IMAGES], splits.test.x)]
    train, test = standardised(*parts)
    answers = np.stack([splits.train.extra[name][:IMAGES] for name in COLUMNS], 1)
    return train, splits.train.y[:IMAGES].numpy(), answers, test, splits.test.y.numpy()


def run(spec: Spec) -> dict[str, Any]:
    """All methods on one crowd (see ``runs.run``)."""
    checks.one_of(spec.dataset, ["cifar10n"], "dataset")
    checks.one_of(spec.data_options, [()], "data_options")
    checks.unused(spec, "workers")
    assert spec.data_root is not None
    train, truth, answers, test, test_y = features(spec.data_root, spec.cache)
    task = runs.make_task(
        train, truth, test, test_y, answers=answers, ratio=spec.ratio,
        mean_answers=spec.mean_answers, workers=0, seed=spec.seed,
    )  # fmt: skip
    return runs.run_on(spec, task)


def table(setting: Setting) -> dict[int, Spec]:
    """Answers an image -> spec."""
    base = Spec(
        dataset="cifar10n",
        data_root=setting.data_root,
        data_options=(),
        cache=str(setting.store.folder.parent / "features"),
        ratio=RATIO,
        network_options=options(inputs=WIDTH, hidden=(128,)),
        optimiser=OptimiserSpec("adam", lr=1e-3),
    )
    if setting.profile == "smoke":
        base = replace(base, warm_up=5, base_steps=5, rounds=3, round_steps=2)
    return {
        answers: replace(base, mean_answers=float(answers), share=share)
        for answers, share in SHARES.items()
    }


def sparse_crowd(setting: Setting) -> dict[str, Any]:
    """Balance of the annotations by round, and what networks make of them. It computes on the CPU.

    Returns:
        The record: ``protocol``, ``data``, ``differences``; a row for each number of answers and
        method: ``accuracy``, ``best`` and ``minority`` (%), one a seed, and for self-training
        ``balance`` and ``agreement``, one list over rounds a seed.
    """
    wanted = table(setting)
    first = next(iter(wanted.values()))
    features(setting.data_root, first.cache)  # once, before the processes want them
    seeds = range(FIRST_SEED, FIRST_SEED + setting.seeds)
    found = setting.repeat(run, wanted, seeds)
    sizes = [int(records[0]["truth_counts"].sum()) for records in found.values()]
    return {
        "what": "CIFAR-10N as a sparse crowd: balance of the annotations by round, and test "
        "accuracy (%) of networks on features of the images",
        "protocol": protocol(first, seeds),
        "data": {
            "set": f"CIFAR-10N, first {IMAGES:,} training images at hand, all test images at hand",
            "training images after thinning": sizes[0],
            "class ratio": RATIO,
        },
        "differences": list(DIFFERENCES),
        "rows": [
            {"answers": answers, **scores(name, records)}
            for answers, records in found.items()
            for name in first.methods
        ],
    }


def protocol(spec: Spec, seeds: Sequence[int]) -> dict[str, Any]:
    """How networks were trained, in words."""
    return {
        "features": DESCRIPTION,
        "network": f"MLP {WIDTH}-128-10, dropout {spec.dropout:g}",
        "optimiser": f"Adam, rate {spec.optimiser.lr:g}, batch {spec.batch_size}",
        "steps": f"{spec.warm_up} on majority votes, {spec.base_steps} with the crowd layer, "
        f"{spec.rounds} rounds of {spec.round_steps}",
        "selection": "none: the last round; also the best round on the test set, as an upper bound",
        "seeds": list(seeds),
    }


def scores(name: str, records: Sequence[Record]) -> dict[str, Any]:
    """What is recorded of a method, but for the crowd."""
    row = {
        "method": name,
        "accuracy": rounded(tables.final(records, name)),
        "best": rounded(tables.best(records, name)),
        "minority": rounded(tables.final(records, name, rare=True)),
    }
    if name not in tables.SELF_TRAINING:
        return row
    named = [record[f"{name}/right"].sum(1) / record[f"{name}/added"].sum(1) for record in records]
    return row | {
        "balance": [rounded(rounds) for rounds in tables.ratio(records, name)],
        "agreement": [rounded(100 * rounds) for rounds in named],
    }


def rounded(values: np.ndarray | Sequence[float]) -> list[float]:
    return [round(float(value), 3) for value in values]
