"""Stability attacks on colour photographs: what is run for the chapter's record on CIFAR-10."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chapters.stability_attacks.runs import ATTACKS, BUDGETS, USUAL, Spec, craft, crafting_spec, run
from weaklabels.lab.loading import load_splits
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record
from weaklabels.lab.tuned import FIRST_TUNING_SEED, best
from weaklabels.train import OptimiserSpec

FIRST_SEED = 100
TUNING_SEEDS = (FIRST_TUNING_SEED,)
VALIDATION = 0.1
POISON = "hypocritical"

Cell = tuple[str, float]
"""Training images, budget of the defence in units of eps."""

DIFFERENCES = (
    "CIFAR-10: 15,000 training and 3,000 test images where the subset stands in for the whole set; "
    "a tenth of the training images, clean, is kept aside. The authors keep a validation part of "
    "the poisoned images.",
    "A ResNet-14 with 16, 32 and 64 channels, 15 epochs, 5 attack steps in training; the paper: "
    "ResNet-18, 100 epochs, 10 steps. Rate, decay, radius, augmentation and the crafting of the "
    "poison (ε/4, 100 steps, shifts and flips) are the paper's.",
    "The last epoch counts. The learning rate is the paper's for all rows and was not tuned; the "
    "defence's larger budget is chosen by robust accuracy on validation images with a seed of its "
    "own.",
    "Crafting network and victim share architecture, initial weights and order of batches.",
)


def base_spec(setting: Setting) -> Spec:
    """Adversarial training on clean photographs, which all other runs vary."""
    base = Spec(
        eps=8 / 255,
        dataset="cifar10",
        data_root=setting.data_root,
        data_options=options(validation=VALIDATION),
        network="cifar_resnet",
        network_options=options(depth=14),
        epochs=15,
        batch_size=128,
        optimiser=OptimiserSpec("sgd", lr=0.1, weight_decay=5e-4),
        drops=(11, 13),
        steps=5,
        craft_shift=8,
        augment=(("pad_crop", 4), ("flip",)),
        device=setting.device,
    )
    smoke = replace(
        base,
        network_options=options(depth=8),
        epochs=1,
        drops=(),
        steps=1,
        test_steps=2,
        craft_epochs=1,
        craft_steps=2,
    )
    return setting.choose(quick=base, paper=base, smoke=smoke)


def vary(base: Spec, cell: Cell) -> Spec:
    """The run of one kind of training images and one budget."""
    kind, budget = cell
    return replace(base, attack=kind, budget=budget)


def photographs(setting: Setting) -> dict[str, Any]:
    """All kinds of images with the conventional budget, and hypocritical ones with the chosen one.

    Returns:
        The record: ``protocol``, ``data``, ``differences``; ``tried``, budget -> robust accuracy
        (%) on clean validation images of each tuning seed, and ``chosen``, the best budget; a row
        for each cell with its test accuracies (%), one a seed, and ``curve``, one list a seed.
    """
    base = base_spec(setting)
    seeds = range(FIRST_SEED, FIRST_SEED + setting.seeds)
    usual = [(kind, USUAL) for kind in ATTACKS]
    trials = [(POISON, budget) for budget in BUDGETS]
    _craft_first(setting, base, seeds)
    # One sweep for both, so that no process waits for the other kind to end.
    wanted = _seeded(base, trials, TUNING_SEEDS) + _seeded(base, usual, seeds)
    records = setting.run(run, wanted)
    tuning = _grouped(records, trials, len(TUNING_SEEDS))
    tried = {b: [float(r["validation"]) for r in tuning[POISON, b]] for b in BUDGETS}
    chosen = best(tried)
    found = _grouped(records[len(trials) * len(TUNING_SEEDS) :], usual, len(seeds))
    found |= setting.repeat(run, {(POISON, chosen): vary(base, (POISON, chosen))}, seeds)
    return {
        "what": "Test accuracy (%) of adversarial training on clean and on poisoned images of "
        "CIFAR-10, untouched and attacked",
        "protocol": _protocol(base, seeds),
        "data": _counts(base),
        "differences": list(DIFFERENCES),
        "tried": {f"{budget:g}": _rounded(values) for budget, values in tried.items()},
        "chosen": chosen,
        "rows": [_row(cell, group) for cell, group in found.items()],
    }


def _craft_first(setting: Setting, base: Spec, seeds: Sequence[int]) -> None:
    """Every poison once: runs that start together would each make their own."""
    kinds = [(kind, USUAL) for kind in ATTACKS if kind != "clean"]
    wanted = _seeded(base, [(POISON, USUAL)], TUNING_SEEDS) + _seeded(base, kinds, seeds)
    setting.run(craft, [crafting_spec(spec) for spec in wanted])


def _seeded(base: Spec, cells: Sequence[Cell], seeds: Sequence[int]) -> list[Spec]:
    return [replace(vary(base, cell), seed=seed) for cell in cells for seed in seeds]


def _grouped(
    records: Sequence[Record], cells: Sequence[Cell], seeds: int
) -> dict[Cell, list[Record]]:
    """The records of ``_seeded`` specs by cell."""
    remaining = iter(records)
    return {cell: [next(remaining) for _ in range(seeds)] for cell in cells}


def _protocol(base: Spec, seeds: Sequence[int]) -> dict[str, Any]:
    return {
        "network": f"{base.network}, depth {dict(base.network_options)['depth']}",
        "eps": base.eps,
        "epochs": base.epochs,
        "batch_size": base.batch_size,
        "learning_rate": base.optimiser.lr,
        "weight_decay": base.optimiser.weight_decay,
        "drops_after": list(base.drops),
        "steps_in_training": base.steps,
        "steps_at_test_time": base.test_steps,
        "craft_budget": base.craft_budget,
        "craft_epochs": base.craft_epochs,
        "craft_steps": base.craft_steps,
        "budgets_tried": list(BUDGETS),
        "selection": "best robust accuracy on clean validation images",
        "seeds": list(seeds),
        "tuning_seeds": list(TUNING_SEEDS),
    }


def _counts(base: Spec) -> dict[str, Any]:
    splits = load_splits(base)
    parts = {"training": splits.train, "validation": splits.validation(), "test": splits.test}
    return {"set": "CIFAR-10", **{name: len(part) for name, part in parts.items()}}


def _row(cell: Cell, records: Sequence[Record]) -> dict[str, Any]:
    kind, budget = cell
    scores = {
        measure: _rounded(record[measure] for record in records)
        for measure in ("natural", "fgsm", "robust", "margin")
    }
    curves = [_rounded(record["curve"]) for record in records]
    return {"images": kind, "budget": budget} | scores | {"curve": curves}


def _rounded(values: Any) -> list[float]:
    return [round(float(value), 2) for value in values]
