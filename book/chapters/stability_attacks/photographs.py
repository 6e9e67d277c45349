"""Stability attacks on photographs of clothes: the chapter's record on Fashion-MNIST."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from chapters.stability_attacks.runs import ATTACKS, Spec, at_rate, craft, crafting_spec, run
from chapters.stability_attacks.tuning import BUDGETS, USUAL
from weaklabels.lab.loading import load_splits
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record
from weaklabels.lab.tuned import FIRST_TUNING_SEED, best

FIRST_SEED = 100
TUNING_SEEDS = (FIRST_TUNING_SEED,)
POISON = "hypocritical"

Cell = tuple[str, float]
"""Training images, budget of the defence in units of eps."""

RATES = (0.01, 0.03, 0.1, 0.3)
"""Learning rates that are tried."""

DIFFERENCES = (
    "Fashion-MNIST, 28 x 28 grey pixels, in place of CIFAR-10: half of the 60,000 training images, "
    "clean, is kept aside to validate. The authors keep a validation part of the poisoned images.",
    "A fully connected network (784-128-64-10) in place of ResNet-18, 15 epochs in place of 100; "
    "radius 0.1 of the range of a pixel, customary for this set, in place of 8/255; no shifts and "
    "flips. Budget and steps of the crafting (ε/4, 100 steps) are the paper's.",
    "The last epoch counts. The learning rate is chosen by robust accuracy on validation images "
    "after training on clean ones, and is that of all rows; the defence's larger budget by robust "
    "accuracy on validation images after training on hypocritical ones. Both with a seed of their "
    "own.",
    "Crafting network and victim share architecture, learning rate, initial weights and order of "
    "batches.",
)


def base_spec(setting: Setting) -> Spec:
    """Adversarial training on clean photographs, which all other runs vary.

    The network is that of the digits, and small: whatever the setting's device, the CPU computes.
    """
    base = Spec(
        eps=0.1,
        dataset="fashion_mnist",
        data_root=setting.data_root,
        data_options=options(validation=0.5),
        network_options=options(inputs=784, hidden=(128, 64)),
        epochs=15,
        batch_size=128,
        drops=(11, 13),
    )
    smoke = replace(base, epochs=1, drops=(), steps=1, test_steps=2, craft_epochs=1, craft_steps=2)
    return setting.choose(quick=base, paper=base, smoke=smoke)


def crafted_alike(base: Spec) -> Spec:
    """The same with a crafting network that has the victim's learning rate."""
    return replace(base, craft_lr=base.optimiser.lr)


def vary(base: Spec, cell: Cell) -> Spec:
    """The run of one kind of training images and one budget."""
    kind, budget = cell
    return replace(base, attack=kind, budget=budget)


def photographs(setting: Setting) -> dict[str, Any]:
    """All kinds of images with the conventional budget, and hypocritical ones with the chosen one.

    Returns:
        The record: ``protocol``, ``data``, ``differences``; ``rates`` and ``tried``, learning rate
        and budget -> robust accuracy (%) on clean validation images of each tuning seed, and
        ``chosen``, the best budget; a row for each cell with its test accuracies (%), one a seed,
        and ``curve``, one list a seed.
    """
    first = base_spec(setting)
    rates = _validated(setting, {rate: at_rate(first, rate) for rate in RATES})
    base = crafted_alike(at_rate(first, best(rates)))
    seeds = range(FIRST_SEED, FIRST_SEED + setting.seeds)
    cells = {(kind, USUAL): vary(base, (kind, USUAL)) for kind in ATTACKS}
    _craft_first(setting, base, seeds)
    tried = _validated(setting, {budget: vary(base, (POISON, budget)) for budget in BUDGETS[1:]})
    chosen = best(tried)
    cells[POISON, chosen] = vary(base, (POISON, chosen))
    found = setting.repeat(run, cells, seeds)
    return {
        "what": "Test accuracy (%) of adversarial training on clean and on poisoned images of "
        "Fashion-MNIST, untouched and attacked",
        "protocol": _protocol(base, seeds),
        "data": _counts(base),
        "differences": list(DIFFERENCES),
        "rates": {f"{rate:g}": _rounded(values) for rate, values in rates.items()},
        "tried": {f"{budget:g}": _rounded(values) for budget, values in tried.items()},
        "chosen": chosen,
        "rows": [_row(cell, group) for cell, group in found.items()],
    }


def _validated(setting: Setting, trials: Mapping[float, Spec]) -> dict[float, list[float]]:
    """Value -> robust accuracy (%) on clean validation images of each tuning seed."""
    records = setting.repeat(run, trials, TUNING_SEEDS)
    return {value: [float(r["validation"]) for r in group] for value, group in records.items()}


def _craft_first(setting: Setting, base: Spec, seeds: Sequence[int]) -> None:
    """Every poison once: runs that start together would each make their own."""
    wanted = [replace(vary(base, (POISON, USUAL)), seed=seed) for seed in TUNING_SEEDS]
    wanted += [
        replace(vary(base, (kind, USUAL)), seed=seed)
        for kind in ATTACKS
        if kind != "clean"
        for seed in seeds
    ]
    setting.run(craft, [crafting_spec(spec) for spec in wanted])


def _protocol(base: Spec, seeds: Sequence[int]) -> dict[str, Any]:
    return {
        "network": f"{base.network}, {dict(base.network_options)}",
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
        "learning_rates_tried": list(RATES),
        "budgets_tried": list(BUDGETS[1:]),
        "selection": "best robust accuracy on clean validation images",
        "seeds": list(seeds),
        "tuning_seeds": list(TUNING_SEEDS),
    }


def _counts(base: Spec) -> dict[str, Any]:
    splits = load_splits(base)
    parts = {"training": splits.train, "validation": splits.validation(), "test": splits.test}
    return {"set": "Fashion-MNIST", **{name: len(part) for name, part in parts.items()}}


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
