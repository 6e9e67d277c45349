"""The recorded runs of the chapter on *Meta Objective Guided Disambiguation*."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chapters.mogd import runs
from chapters.mogd.runs import RATES, RULE, Spec
from weaklabels.lab import widen
from weaklabels.lab.candidate_sets import scores
from weaklabels.lab.candidate_setting import present
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record
from weaklabels.lab.tuned import best
from weaklabels.train import OptimiserSpec


def tuning(chapter: Setting) -> dict[str, Any]:
    """The learning rates on digits, chosen anew: for all candidate sets, for long training, and
    for other numbers of clean samples."""
    base = runs.settings(replace(chapter, profile="quick"))
    longest = replace(base.sizes, epochs=max(base.lengths))
    sized = [replace(base.sizes, clean=n) for n in base.counts if n != runs.USUAL]
    rows = []
    for spec in (*base.sets.values(), longest, *sized):
        held_out = replace(spec, data_options=options(test=500, val=300))
        seeds = runs.TUNING_SEEDS[:2] if spec is longest else runs.TUNING_SEEDS
        choosing = runs.SIZED if spec in sized else runs.LONGER if spec is longest else runs.ROWS
        found = _tried(chapter, held_out, choosing, seeds, RATES, base.last)
        rows += [{"tuned on": runs.tuned_on(spec), "seeds": len(seeds), **row} for row in found]
    return {
        "what": "Learning rates on digits, by candidate sets and row",
        "rule": RULE,
        "values": list(RATES),
        "rows": rows,
    }


def _tried(
    chapter: Setting,
    spec: Spec,
    choosing: Sequence[str],
    seeds: Sequence[int],
    rates: Sequence[float],
    last: int,
) -> list[dict[str, Any]]:
    """Validation accuracies of every row that chooses, by rate, and the choice."""
    lines = []
    for row in choosing:
        varied = runs.with_row(spec, row)
        at = {rate: replace(varied, optimiser=replace(varied.optimiser, lr=rate)) for rate in rates}
        values = {rate: _validated(chapter, each, seeds, last) for rate, each in at.items()}
        means = [round(float(each.mean()), 2) for each in values.values()]
        lines.append({"row": row, "chosen": best(values), "validation": means})
    return lines


def _validated(chapter: Setting, spec: Spec, seeds: Sequence[int], last: int) -> np.ndarray:
    """Validation accuracy ``(seeds,)`` in percent: 0 where a training of them diverges."""
    try:
        (records,) = chapter.repeat(runs.run, {"": spec}, seeds).values()
    except (FloatingPointError, ValueError) as error:  # of the loss, or of the scores
        if "finite" not in str(error):
            raise
        return np.zeros(len(seeds))
    return scores(records, last, "val_accuracy")


# -- real-world sets ------------------------------------------------------------------------------

CLEAN_SHARE = 0.1
"""Share of the training set whose true labels are known, drawn at random."""

EPOCHS = {"lost": 180, "msrcv2": 120, "birdsong": 45}
"""About 1,400 steps each."""

REAL_RATES = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
MORE_RATES = (0.0002, 0.0005, 0.001, *REAL_RATES, 1.6)
"""Those among which a choice that stands at an end is moved on."""

REAL_TUNING_SEEDS = runs.TUNING_SEEDS[:2]
REAL_LAST = 10
CURVES = ("test_accuracy", "auc", "true weight", "clean loss")

CHOICE = (
    "learning rate of SGD with momentum, for every row on its own, by validation accuracy on true "
    f"labels, mean of two repetitions numbered from {REAL_TUNING_SEEDS[0]}"
)
RECONSTRUCTED = "MoGD is a reconstruction; data, networks and settings of the paper are not known."


def real_spec(name: str, data_root: str) -> Spec:
    """The protocol on a real-world set: random 80/20 splits, a tenth of the training part clean.

    The tables are small: whatever the setting's device, the CPU computes.
    """
    return Spec(
        "MoGD",
        dataset="partial_label",
        data_options=options(which=name),
        data_root=data_root,
        candidates="given",
        network="mlp",
        epochs=EPOCHS[name],
        batch_size=128,
        optimiser=OptimiserSpec("sgd", lr=0.1, weight_decay=1e-4),
        clean_share=CLEAN_SHARE,
    )


def real_sets(chapter: Setting) -> dict[str, Any]:
    """Real candidate sets: each row at the rate chosen on validation data of other splits."""
    bases = {
        name: real_spec(name, chapter.data_root)
        for name in runs.REAL
        if present("partial_label", chapter.data_root, which=name)
    }
    trials = {
        name: replace(base, data_options=options(which=name, validation=0.1))
        for name, base in bases.items()
    }
    return {
        "what": "Real-world partial-label sets, a tenth of the training examples clean",
        "protocol": {
            "split": "80/20 at random, drawn anew for every seed; clean samples drawn at random",
            "network": "MLP d-500-classes",
            "epochs": EPOCHS,
            "batch size": 128,
            "choice": CHOICE,
            "score": f"mean of the last {REAL_LAST} epochs",
        },
        "differences": [RECONSTRUCTED, "Soccer Player and Yahoo! News are not at hand."],
        **_compared(chapter, bases, trials, REAL_LAST),
    }


# -- photographs of clothes -----------------------------------------------------------------------

FASHION_SIZE, FASHION_EPOCHS, FASHION_LAST = 10_000, 20, 5
SPLIT_SEED = 1200


def fashion_specs(data_root: str) -> dict[str, Spec]:
    """The two hardest kinds of sets of the chapter, drawn for photographs of clothes.

    The network is that of the digits, and small: whatever the setting's device, the CPU computes.
    """
    base = Spec(
        "MoGD",
        dataset="fashion_mnist",
        data_options=options(seed=SPLIT_SEED),
        data_root=data_root,
        train_size=FASHION_SIZE,
        candidates="flip",
        network="mlp",
        network_options=options(hidden=(128, 128)),
        epochs=FASHION_EPOCHS,
        batch_size=100,
        optimiser=OptimiserSpec("sgd", lr=0.1, weight_decay=1e-4),
    )
    return runs.kinds_of_sets(base, (0.8,))


def fashion_mnist(chapter: Setting) -> dict[str, Any]:
    """The comparison of the chapter on Fashion-MNIST, five clean images a class."""
    bases = fashion_specs(chapter.data_root)
    trials = {
        kind: replace(base, data_options=options(seed=SPLIT_SEED, validation=0.1))
        for kind, base in bases.items()
    }
    return {
        "what": "Fashion-MNIST with drawn candidate sets, five clean images a class",
        "protocol": {
            "images": f"{FASHION_SIZE:,} of 60,000 train, drawn anew for every seed, as are sets "
            "and clean images",
            "network": "MLP d-128-128-classes",
            "epochs": FASHION_EPOCHS,
            "batch size": 100,
            "choice": CHOICE,
            "score": f"mean of the last {FASHION_LAST} epochs",
        },
        "differences": [RECONSTRUCTED],
        **_compared(chapter, bases, trials, FASHION_LAST),
    }


def _compared(
    chapter: Setting,
    bases: Mapping[str, Spec],
    trials: Mapping[str, Spec],
    last: int,
) -> dict[str, Any]:
    """All rows on some data, each at the rate chosen with the data's trial."""
    rows, choices, data = [], [], {}
    for name, base in bases.items():
        chosen = _tried(chapter, trials[name], runs.ROWS, REAL_TUNING_SEEDS, REAL_RATES, last)
        choices += [{"dataset": name, **row} for row in chosen]
        groups = chapter.repeat(runs.run, at_rates(base, {c["row"]: c["chosen"] for c in chosen}))
        rows += [
            {"dataset": name, "row": row, "seed": record.spec.seed} | _kept(record, last)
            for row, records in groups.items()
            for record in records
        ]
        data[name] = counts(base)
    return {"data": data, "tried": list(REAL_RATES), "choices": choices, "rows": rows}


def widened(chapter: Setting, content: Mapping[str, Any]) -> dict[str, Any]:
    """``real_sets`` with rates added where a chosen one stands at an end.

    Such a choice has its own ``tried``; the runs of its row are made again if it is another now.
    """
    choices = [_inside(chapter, choice, content["tried"]) for choice in content["choices"]]
    rows = content["rows"]
    for old, new in zip(content["choices"], choices, strict=True):
        if new["chosen"] != old["chosen"]:
            rows = [_at(chapter, new, row) if _is_of(row, new) else row for row in rows]
    return {**content, "choices": choices, "rows": rows}


def _inside(chapter: Setting, choice: dict[str, Any], tried: Sequence[float]) -> dict[str, Any]:
    """A choice on real sets with more rates, if it stands at an end of them."""
    name, row = choice["dataset"], choice["row"]
    trial = replace(
        real_spec(name, chapter.data_root), data_options=options(which=name, validation=0.1)
    )

    def score(rate: float) -> dict[str, Any]:
        (line,) = _tried(chapter, trial, [row], REAL_TUNING_SEEDS, [rate], REAL_LAST)
        return {"validation": {rate: line["validation"][0]}}

    tried = choice.get("tried", tried)
    scores = dict(zip(tried, choice["validation"], strict=True))
    found = widen.inside({"chosen": choice["chosen"], "validation": scores}, MORE_RATES, score)
    if len(found["validation"]) == len(tried):
        return choice
    validation = list(found["validation"].values())
    rates = [float(rate) for rate in found["validation"]]
    return choice | {"chosen": found["chosen"], "validation": validation, "tried": rates}


def _is_of(row: Mapping[str, Any], choice: Mapping[str, Any]) -> bool:
    return (row["dataset"], row["row"]) == (choice["dataset"], choice["row"])


def _at(chapter: Setting, choice: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """One run of a row on real sets, made at the rate that was chosen."""
    base = real_spec(row["dataset"], chapter.data_root)
    spec = replace(
        runs.with_row(base, row["row"]), optimiser=replace(base.optimiser, lr=choice["chosen"])
    )
    ((record,),) = chapter.repeat(runs.run, {"": spec}, [row["seed"]]).values()
    return {key: row[key] for key in ("dataset", "row", "seed")} | _kept(record, REAL_LAST)


def counts(spec: Spec) -> dict[str, Any]:
    """What the data hold, in the split of the spec's seed."""
    splits, clean, candidates = runs.divide(spec)
    return {
        "samples with candidate sets": len(splits.train),
        "clean samples": len(clean),
        "test samples": len(splits.test),
        "classes": len(splits.classes),
        "mean candidates": round(float(candidates.sum(1).double().mean()), 2),
    }


def at_rates(base: Spec, rates: Mapping[str, float]) -> dict[str, Spec]:
    """All rows of the tables, each at its rate."""
    return {
        name: replace(runs.with_row(base, name), optimiser=replace(base.optimiser, lr=rates[name]))
        for name in runs.ROWS
    }


def _kept(record: Record, last: int) -> dict[str, float]:
    """Means of the last epochs, and the weight at which all true labels start."""
    kept = {
        curve: round(float(scores([record], last, curve)[0]), 4)
        for curve in CURVES
        if curve in record.values
    }
    return kept | {"uniform": round(float(record["uniform"]), 4)}


RECORDS: dict[str, Callable[[Setting], dict[str, Any]]] = {
    "tuning": tuning,
    "real_sets": real_sets,
    "fashion_mnist": fashion_mnist,
}
"""Recorded result -> function that computes its content."""

WIDENED = {"real_sets": widened}
