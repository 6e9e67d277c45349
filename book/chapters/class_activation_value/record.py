"""The recorded runs of the chapter: real data, too long for a reader to wait for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from chapters.class_activation_value import photographs, real_sets, runs
from chapters.class_activation_value.runs import (
    GRIDS,
    RATES,
    RULE,
    STARTS,
    TUNING_SEEDS,
    labelled,
    real_world_spec,
)
from weaklabels.data.partial_label import FILES
from weaklabels.lab import candidate_setting
from weaklabels.lab.candidate_sets import Spec, last_epochs, run, scores
from weaklabels.lab.candidate_setting import present
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record
from weaklabels.lab.tuned import best as best_of
from weaklabels.train import OptimiserSpec

REPEATS = range(5)
FLIPPING = (0.1, 0.3, 0.5)
RECORDED_LENET = ("supervised", "IM-avg", "IM-max", "CC", "RC", "PRODEN", "LWC", "CAVL")
"""Without LWS, which learned badly without batch norm in trials on digits: LeNet has none."""
RECORDED_REAL = (*RECORDED_LENET, "LWS", "IM-max, T0 = 10", "CAVL, T0 = 10")
"""One epoch of a small set is a handful of steps, so a later start is run as well."""
RECORDED_NETWORKS = (*RECORDED_LENET, "IM-max, T0 = 5", "CAVL, T0 = 5")

LARGEST = ("supervised", "IM-avg", "IM-max", "CC", "RC", "PRODEN", "LWC", "CAVL")
"""Rows on all of Fashion-MNIST; without LWS, as the MLP has no batch norm there."""

# -- real-world sets ------------------------------------------------------------------------------


def record_real_world(network: str, chapter: Setting) -> dict[str, Any]:
    """Choose each method's optimiser on validation data, then run the five repeats."""
    rows, choices, curves = [], [], []
    for name in FILES:
        if not present("partial_label", chapter.data_root, which=name):
            continue
        base = real_world_spec(name, network, chapter.data_root)
        chosen = _choices(chapter, base, name, GRIDS[network])
        best = {choice["method"]: choice for choice in chosen}
        choices += chosen
        groups = chapter.repeat(
            run,
            {
                method: replace(
                    labelled(base, method),
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
            "mean validation accuracy of three further splits (10 % of the data, 50 epochs)",
            "score": "mean of the last 10 epochs",
        },
        "rows": rows,
        "tried": [{"lr": each.lr, "weight_decay": each.weight_decay} for each in GRIDS[network]],
        "choices": choices,
        "curves": curves,
    }


def _choices(
    chapter: Setting, base: Spec, name: str, grid: Sequence[OptimiserSpec]
) -> list[dict[str, Any]]:
    """The optimiser of each method with the best validation accuracy on further splits."""
    trial = replace(base, epochs=50, data_options=options(which=name, validation=0.1))
    table = {
        (method, optimiser): replace(labelled(trial, method), optimiser=optimiser)
        for method in RECORDED_REAL
        for optimiser in grid
    }
    trials = chapter.repeat(run, table, TUNING_SEEDS)
    choices = []
    for method in RECORDED_REAL:
        found = [scores(trials[method, o], 10, "val_accuracy").mean() for o in grid]
        best = grid[int(np.argmax(found))]
        choices.append(
            {
                "dataset": name,
                "method": method,
                "lr": best.lr,
                "weight_decay": best.weight_decay,
                "validation": [round(float(score), 2) for score in found],
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
        (q, method): replace(labelled(base, method), q=q)
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
    table = {(n, m): labelled(spec, m) for n, spec in networks.items() for m in RECORDED_NETWORKS}
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


def record_largest(chapter: Setting) -> dict[str, Any]:
    """All of Fashion-MNIST, where an epoch of warm-up is as long as in the paper."""
    base = Spec(
        "CAVL",
        dataset="fashion_mnist",
        data_root=chapter.data_root,
        candidates="uniform official",
        network="mlp",
        epochs=8,
        batch_size=64,
        track=("values",),
    )
    trial = replace(base, train_size=10_000, data_options=options(validation=0.1))
    found = _rates(chapter, trial, LARGEST, TUNING_SEEDS[:1], 3)
    rates = {choice["method"]: choice["chosen"] for choice in found}
    table = {name: _at_rate(candidate_setting.vary(base, name), rates[name]) for name in LARGEST}
    groups = chapter.repeat(run, table)
    return {
        "what": "All of Fashion-MNIST with the MLP, uniform sets by the authors' generator",
        "settings": {
            "training images": 60_000,
            "epochs": base.epochs,
            "batch size": base.batch_size,
            "optimiser": "Adam; learning rate per method by validation accuracy on 10,000 images",
            "score": "mean of the last 3 epochs",
        },
        "rows": [_row(record, name, 3) for name in LARGEST for record in groups[name]],
        "choices": found,
    }


# -- learning rates and starting epochs on digits -------------------------------------------------


def _at_rate(spec: Spec, rate: float) -> Spec:
    return replace(spec, optimiser=replace(spec.optimiser, lr=rate))


def _rates(
    chapter: Setting, trial: Spec, names: Sequence[str], seeds: Sequence[int], last: int
) -> list[dict[str, Any]]:
    """Validation accuracies of each method by learning rate, and the choice."""
    table = {
        (name, rate): _at_rate(candidate_setting.vary(trial, name), rate)
        for name in names
        for rate in RATES
    }
    found = chapter.repeat(run, table, seeds)
    lines = []
    for name in names:
        values = {rate: scores(found[name, rate], last, "val_accuracy") for rate in RATES}
        means = [round(float(each.mean()), 2) for each in values.values()]
        lines.append({"method": name, "chosen": best_of(values), "validation": means})
    return lines


def tuning(chapter: Setting) -> dict[str, Any]:
    """The learning rates on digits, for every kind of sets, then the starting epochs, on uniform
    sets and at the rates chosen there."""
    chosen = runs.settings(replace(chapter, profile="quick"))
    held_out = {"data_options": options(test=1000, val=300), "track": ()}
    trial = replace(chosen.start, **held_out)
    (flip,) = chosen.flips.values()
    flips = {
        f"{q:g}": _rates(
            chapter, replace(flip, q=q, **held_out), runs.FLIPPED, TUNING_SEEDS, chosen.last
        )
        for q in chosen.qs
    }
    rates = _rates(chapter, trial, runs.TABLE, TUNING_SEEDS, chosen.last)
    rate = {line["method"]: line["chosen"] for line in rates}
    table = {
        (name, start): _at_rate(candidate_setting.vary(trial, name, start_epoch=start), rate[name])
        for name in runs.CHOSEN_STARTS
        for start in STARTS
    }
    found = chapter.repeat(run, table, TUNING_SEEDS)
    starts = []
    for name in runs.CHOSEN_STARTS:
        values = {s: scores(found[name, s], chosen.last, "val_accuracy") for s in STARTS}
        means = [round(float(each.mean()), 2) for each in values.values()]
        starts.append({"method": name, "chosen": best_of(values), "validation": means})
    return {
        "what": "Learning rates on digits with uniform and with flipped sets, and starting epochs",
        "rule": RULE,
        "values": {"learning rate": list(RATES), "starting epoch": list(STARTS)},
        "rates": rates,
        "flips": flips,
        "starts": starts,
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
    "tuning": tuning,
    "fashion_mnist_full": record_largest,
    "plench": real_sets.plench,
    "selection": real_sets.selection,
    "cifar10": photographs.cifar10,
}
"""Recorded result -> function that computes its content."""
