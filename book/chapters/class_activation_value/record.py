"""The recorded runs of the chapter: real data, too long for a reader to wait for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from chapters.class_activation_value.runs import real_world_spec
from weaklabels.data.partial_label import FILES
from weaklabels.lab import candidate_setting
from weaklabels.lab.candidate_sets import Spec, last_epochs, run
from weaklabels.lab.candidate_setting import present
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record
from weaklabels.train import OptimiserSpec

REPEATS = range(5)
FLIPPING = (0.1, 0.3, 0.5)
RECORDED_LENET = ("supervised", "IM-avg", "IM-max", "CC", "RC", "PRODEN", "LWC", "CAVL")
"""Without LWS, which does not learn without batch norm: LeNet has none."""
RECORDED_REAL = (*RECORDED_LENET, "LWS", "IM-max, T0 = 10", "CAVL, T0 = 10")
"""One epoch of a small set is a handful of steps, so a later start is run as well."""
RECORDED_NETWORKS = (*RECORDED_LENET, "IM-max, T0 = 5", "CAVL, T0 = 5")

GRID = tuple(
    OptimiserSpec("adam", lr=lr, weight_decay=decay)
    for lr in (1e-3, 1e-2)
    for decay in (1e-5, 1e-3)
)
"""Learning rates and weight decays among which the real-world runs choose on validation data."""

CHOICE_SEED = 1000
"""Seed of the one split on which they are chosen; none of the reported repeats uses it."""


def vary(spec: Spec, label: str) -> Spec:
    """The same run with a method of the tables; ``", T0 = n"`` after its name starts it later."""
    name, _, start = label.partition(", T0 = ")
    return candidate_setting.vary(spec, name, **({"start_epoch": int(start)} if start else {}))


# -- real-world sets ------------------------------------------------------------------------------


def record_real_world(network: str, chapter: Setting) -> dict[str, Any]:
    """Choose each method's optimiser on validation data, then run the five repeats."""
    rows, choices, curves = [], [], []
    for name in FILES:
        if not present("partial_label", chapter.data_root, which=name):
            continue
        base = real_world_spec(name, network, chapter.data_root)
        chosen = _choices(chapter, base, name)
        best = {choice["method"]: choice for choice in chosen}
        choices += chosen
        groups = chapter.repeat(
            run,
            {
                method: replace(
                    vary(base, method),
                    optimiser=OptimiserSpec(
                        "adam", lr=best[method]["lr"], weight_decay=best[method]["weight_decay"]
                    ),
                    track=("values",),
                )
                for method in RECORDED_REAL
            },
            REPEATS,
        )
        found = [(method, groups[method][seed]) for seed in REPEATS for method in RECORDED_REAL]
        rows += [
            {"dataset": name, "network": network} | _row(record, method, 10)
            for method, record in found
        ]
        curves += [
            {"dataset": name, "method": method, "seed": record.spec.seed} | _curves(record, 60)
            for method, record in found
            if name == "birdsong" and method in ("CAVL", "IM-avg")
        ]
    return {
        "what": "Real-world partial-label sets, five random 80/20 splits, standardised features",
        "settings": {
            "network": "MLP d-500-classes" if network == "mlp" else "linear",
            "epochs": 250,
            "batch size": 128,
            "optimiser": "Adam; learning rate and weight decay per set and method, chosen by the "
            "validation accuracy of one further split (10 % of the data, 50 epochs)",
            "score": "mean of the last 10 epochs",
        },
        "rows": rows,
        "choices": choices,
        "curves": curves,
    }


def _choices(chapter: Setting, base: Spec, name: str) -> list[dict[str, Any]]:
    """The optimiser of each method with the best validation accuracy on one further split."""
    trial = replace(base, epochs=50, data_options=options(which=name, validation=0.1))
    table = {
        (method, optimiser): replace(vary(trial, method), optimiser=optimiser)
        for method in RECORDED_REAL
        for optimiser in GRID
    }
    trials = chapter.repeat(run, table, [CHOICE_SEED])
    choices = []
    for method in RECORDED_REAL:
        scores = [last_epochs(trials[method, o][0], 10, "val_accuracy") for o in GRID]
        best = GRID[int(np.argmax(scores))]
        choices.append(
            {
                "dataset": name,
                "method": method,
                "lr": best.lr,
                "weight_decay": best.weight_decay,
                "validation": [round(score, 2) for score in scores],
            }
        )
    return choices


# -- images ---------------------------------------------------------------------------------------


def fashion_spec(data_root: str) -> Spec:
    """Fashion-MNIST with LeNet, cut to what two CPU cores can do: see the record's settings."""
    return Spec(
        "CAVL",
        dataset="fashion_mnist",
        data_root=data_root,
        train_size=10_000,
        candidates="flip",
        network="lenet",
        epochs=8,
        batch_size=64,
        optimiser=OptimiserSpec("adam", lr=1e-3, weight_decay=1e-5),
        track=("values",),
    )


def record_fashion(chapter: Setting) -> dict[str, Any]:
    """Fashion-MNIST with LeNet at three flipping probabilities, five repeats."""
    base = fashion_spec(chapter.data_root)
    table = {
        (q, method): replace(vary(base, method), q=q)
        for q in FLIPPING
        for method in RECORDED_LENET
        if method != "supervised" or q == FLIPPING[0]
    }
    groups = chapter.repeat(run, table, REPEATS)
    return {
        "what": "Fashion-MNIST with LeNet, candidate sets by the flipping probability q",
        "settings": {
            "training images": base.train_size,
            "of": 60_000,
            "test images": 10_000,
            "epochs": base.epochs,
            "batch size": base.batch_size,
            "optimiser": "Adam, lr 1e-3, weight decay 1e-5, the same for all methods",
            "score": "mean of the last 3 epochs",
            "left out": "LWS, which does not learn on networks without batch norm",
        },
        "rows": [
            {"dataset": "fashion_mnist", "network": "lenet", "q": q}
            | _row(records[seed], method, 3)
            | {"curve": _rounded(records[seed]["test_accuracy"])}
            for seed in REPEATS
            for (q, method), records in groups.items()
        ],
    }


def record_networks(chapter: Setting) -> dict[str, Any]:
    """Digits with the paper's convolutional networks, three repeats. Needs no data."""
    base = Spec("CAVL", batch_size=32, track=("values",))
    networks = {
        "lenet": replace(
            base,
            network="lenet",
            inputs="28 x 28",
            epochs=15,
            optimiser=OptimiserSpec("adam", lr=2e-3, weight_decay=1e-4),
        )
    }
    for name in ("cifar_resnet", "cifar_densenet"):
        networks[name] = replace(
            base,
            network=name,
            epochs=12,
            optimiser=OptimiserSpec("adam", lr=3e-3, weight_decay=1e-4),
        )
    table = {(n, m): vary(spec, m) for n, spec in networks.items() for m in RECORDED_NETWORKS}
    groups = chapter.repeat(run, table, REPEATS[:3])
    return {
        "what": "Digits (8 x 8; 28 x 28 for LeNet) with the paper's networks, exact uniform sets",
        "settings": {
            "networks": "LeNet, ResNet-32, DenseNet-22",
            "epochs": "LeNet 15, the others 12",
            "batch size": 32,
            "optimiser": "Adam, lr 2e-3 (LeNet) or 3e-3, weight decay 1e-4",
            "score": "mean of the last 3 epochs",
        },
        "rows": [
            {"network": network} | _row(records[seed], method, 3)
            for seed in REPEATS[:3]
            for (network, method), records in groups.items()
        ],
    }


# -- what is kept of a run ------------------------------------------------------------------------


def _row(record: Record, method: str, count: int) -> dict[str, Any]:
    return {
        "method": method,
        "seed": record.spec.seed,
        "test": round(last_epochs(record, count), 3),
        "selection": round(last_epochs(record, count, "select IM-max"), 3),
        "selection CAV": round(last_epochs(record, count, "select CAV"), 3),
        "chance": round(float(record["chance"]), 3),
    }


def _curves(record: Record, epochs: int) -> dict[str, list[float]]:
    names = ("train_accuracy", "test_accuracy", "select IM-max", "select CAV", "window inside")
    return {name: _rounded(record[name][:epochs]) for name in names}


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(float(value), 2) for value in values]


RECORDS: dict[str, Callable[[Setting], dict[str, Any]]] = {
    "real_world_mlp": partial(record_real_world, "mlp"),
    "fashion_mnist": record_fashion,
    "networks": record_networks,
    "real_world_linear": partial(record_real_world, "linear"),
}
"""Recorded result -> function that computes its content."""
