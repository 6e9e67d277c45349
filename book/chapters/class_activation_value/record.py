"""The recorded runs of the chapter: real data, too long for a reader to wait for.

``python -m chapters.class_activation_value.runs record --data <folder>`` computes them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from chapters.class_activation_value import runs as cavl
from chapters.class_activation_value.runs import SLUG, present, real_world_spec
from weaklabels.data.partial_label import FILES
from weaklabels.lab import sweep
from weaklabels.lab.candidate_sets import Spec, last_epochs, run
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record, Store
from weaklabels.press.chapter import REPOSITORY
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
    return cavl.vary(spec, name, **({"start_epoch": int(start)} if start else {}))


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
    )


def record_real_world(data_root: str, network: str, store: Store) -> dict[str, Any]:
    """Choose each method's optimiser on validation data, then run the five repeats."""
    rows, choices, curves = [], [], []
    for name in (name for name in FILES if present("partial_label", data_root, which=name)):
        base = real_world_spec(name, network, data_root)
        trial = replace(
            base,
            seed=CHOICE_SEED,
            epochs=50,
            data_options=options(which=name, validation=0.1),
        )
        trials = sweep.run(
            run,
            [
                replace(vary(trial, method), optimiser=optimiser)
                for method in RECORDED_REAL
                for optimiser in GRID
            ],
            store,
        )
        best = {}
        for i, method in enumerate(RECORDED_REAL):
            found = trials[i * len(GRID) : (i + 1) * len(GRID)]
            scores = [last_epochs(record, 10, "val_accuracy") for record in found]
            best[method] = GRID[int(np.argmax(scores))]
            choices.append(
                {
                    "dataset": name,
                    "method": method,
                    "lr": best[method].lr,
                    "weight_decay": best[method].weight_decay,
                    "validation": [round(score, 2) for score in scores],
                }
            )
        specs = [
            replace(vary(base, method), optimiser=best[method], seed=seed, track=("values",))
            for seed in REPEATS
            for method in RECORDED_REAL
        ]
        records = sweep.run(run, specs, store)
        names = [method for _ in REPEATS for method in RECORDED_REAL]
        rows += [
            {"dataset": name, "network": network} | _row(record, method, 10)
            for record, method in zip(records, names, strict=True)
        ]
        curves += [
            {"dataset": name, "method": method, "seed": record.spec.seed} | _curves(record, 60)
            for record, method in zip(records, names, strict=True)
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


def record_fashion(data_root: str, store: Store) -> dict[str, Any]:
    """Fashion-MNIST with LeNet at three flipping probabilities, five repeats."""
    base = fashion_spec(data_root)
    specs, names = [], []
    for seed in REPEATS:
        for q in FLIPPING:
            for method in RECORDED_LENET:
                if method != "supervised" or q == FLIPPING[0]:
                    specs.append(replace(vary(base, method), q=q, seed=seed, track=("values",)))
                    names.append(method)
    records = sweep.run(run, specs, store)
    rows = [
        {"dataset": "fashion_mnist", "network": "lenet", "q": spec.q}
        | _row(record, method, 3)
        | {"curve": _rounded(record["test_accuracy"])}
        for spec, record, method in zip(specs, records, names, strict=True)
    ]
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
        "rows": rows,
    }


def record_networks(data_root: str, store: Store) -> dict[str, Any]:
    """Digits with the paper's convolutional networks, three repeats. Needs no data."""
    del data_root
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
    labels = [(n, m, seed) for seed in REPEATS[:3] for n in networks for m in RECORDED_NETWORKS]
    records = sweep.run(
        run, [replace(vary(networks[n], m), seed=seed) for n, m, seed in labels], store
    )
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
            {"network": n} | _row(record, m, 3)
            for (n, m, _), record in zip(labels, records, strict=True)
        ],
    }


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


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 2) for value in values]


def write_record(name: str, content: dict[str, Any], started: str) -> Path:
    """Write ``book/recorded/<slug>/<name>.json`` with its provenance, atomically."""
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    ).stdout.strip()
    provenance = sweep.provenance("cpu") | {
        "command": f"python -m weaklabels.experiments.{SLUG} record {name}",
        "commit": commit or "unknown",
        "started": started,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    path = REPOSITORY / "book" / "recorded" / SLUG / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(_readable({"provenance": provenance} | content), encoding="utf-8")
    temporary.replace(path)
    return path


def _readable(content: dict[str, Any]) -> str:
    """JSON with one line per row of its tables."""
    parts = []
    for key, value in content.items():
        text = json.dumps(value, indent=1)
        if isinstance(value, list):
            text = "[\n" + ",\n".join(json.dumps(row) for row in value) + "\n]"
        parts.append(f"{json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


RECORDS = {
    "real_world_mlp": lambda root, store: record_real_world(root, "mlp", store),
    "fashion_mnist": record_fashion,
    "networks": record_networks,
    "real_world_linear": lambda root, store: record_real_world(root, "linear", store),
}
"""Recorded result -> function ``(data_root, store)`` that computes it."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Compute recorded results; finished runs are kept, so that it can be interrupted."""
    parser = argparse.ArgumentParser(prog=f"python -m weaklabels.experiments.{SLUG}")
    parser.add_argument("command", choices=["record"])
    parser.add_argument("names", nargs="*", default=list(RECORDS), help=", ".join(RECORDS))
    parser.add_argument("--data", default="data", help="folder of the datasets")
    wanted = parser.parse_args(arguments)
    build = Path(os.environ.get("WEAKLABELS_BUILD", REPOSITORY / "build"))
    store = Store(build / "recorded" / "runs")
    for name in wanted.names:
        if name not in RECORDS:
            parser.error(f"unknown record {name!r}: expected {', '.join(RECORDS)}")
        started = datetime.now(UTC).isoformat(timespec="seconds")
        print(write_record(name, RECORDS[name](wanted.data, store), started))
