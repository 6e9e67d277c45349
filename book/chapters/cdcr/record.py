"""What is recorded of the CDCR chapter: how its runs were tuned, photographs, real candidates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chapters.cdcr import cost, real_candidates, runs, tables
from chapters.cdcr.real_candidates import DIALS, with_dial, with_rate
from weaklabels.lab import photographs, trunk
from weaklabels.lab.loading import load_splits
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.tuned import choose
from weaklabels.lab.two_stage import Spec, Stage, first_stage, mean_ap, run, warm_up
from weaklabels.lab.voc_features import Row


def tuning(setting: Setting) -> dict[str, Any]:
    """Choose the epochs of the warm-up, then, with them, the learning rate, for every method."""
    settings = runs.settings(replace(setting, profile="quick"))
    kinds = runs.tuned_kinds(settings, runs.TUNING_RATE)
    specs = {
        (kind, name): runs.vary(spec, name)
        for kind, spec in kinds.items()
        for name in runs.TUNED_METHODS
    }
    lengths = choose(
        setting,
        run,
        {
            key: {n: runs.with_schedule(spec, n, spec.optimiser.lr) for n in runs.WARM_UPS}
            for key, spec in specs.items()
        },
        runs.TUNING_SEEDS,
    )
    rates = choose(
        setting,
        run,
        {
            key: {
                rate: runs.with_schedule(spec, lengths[key]["chosen"], rate)
                for rate in runs.LEARNING_RATES
            }
            for key, spec in specs.items()
        },
        runs.TUNING_SEEDS,
    )
    return {
        "what": "Validation mAP (%) at the last epoch by setting, one value a tuning seed",
        "seeds": [*runs.TUNING_SEEDS],
        "scenes": {
            kind: {
                name: {
                    "epochs of the warm-up": lengths[kind, name],
                    "learning rate": rates[kind, name],
                }
                for name in runs.TUNED_METHODS
            }
            for kind in kinds
        },
    }


# -- photographs ----------------------------------------------------------------------------------

NOISE = (0.1, 0.4)
"""Rates at which candidates are a little purer than those of COCO at the authors' lowest and
highest."""

FIRST_EPOCHS = 5
BATCH = 32
DECAY = 0.98
RATES = (1e-5, *photographs.LEARNING_RATES, 3e-3)

NOTES = (
    f"{FIRST_EPOCHS} epochs on all candidates, then {photographs.EPOCHS} with the selection, in "
    f"batches of {BATCH}; the rivals go on with all candidates. Adam at a constant rate, ten times "
    "as high for the head.",
    "Weak view, from which labels are accepted: the photograph or its mirror image. Strong view, "
    "which is trained on: one of three that were drawn once for each photograph, by flip, a crop "
    "of 60 to 100 % of the side (in place of RandAugment) and Cutout of half the side.",
    f"Decay {DECAY} of the moving average: the second stage has some three hundred steps.",
    "Threshold 0.6 and the asymmetric loss have the authors' settings for photographs. Learning "
    "rates of the first and of the second stage are chosen for every method at every rate of wrong "
    "candidates, from as many values, by validation mAP on complete labels.",
    "The split is the same for all seeds; the wrong candidates, the weights of the head and the "
    "order of the batches are drawn anew.",
)


def on_photographs(setting: Setting) -> dict[str, Any]:
    """Every method at two rates of wrong candidates, and what the rules select, by epoch."""
    names = {
        f"{name}, rate {rate:g}": (name, rate)
        for rate in NOISE
        for name in runs.METHODS
        if name != "True labels" or rate == NOISE[0]
    }
    specs = {row: photograph_spec(setting, *key) for row, key in names.items()}
    first = _first_rates(setting, specs)
    rows = {row: with_first_rate(spec, first[row]["chosen"]) for row, spec in specs.items()}
    seeds = range(photographs.FIRST_SEED, photographs.FIRST_SEED + setting.seeds)
    setting.repeat(warm_up, {row: first_stage(spec) for row, spec in rows.items()}, seeds)
    found = photographs.record(
        setting,
        {row: Row(spec) for row, spec in rows.items()},
        how=photographs.TWO_STAGE,
        what="Test mAP (%) on photographs of VOC 2012 with wrong labels among the candidates",
        measures={"selection": tables.selected_by_epoch},
        rates=RATES,
    )
    return found | {
        "first stage": first,
        "differences": [*photographs.LAST_ONLY_DIFFERENCES, *NOTES],
        "rows": [
            {"name": names[row["row"]][0], "rate": names[row["row"]][1], **row}
            for row in found["rows"]
        ],
    }


def photograph_spec(setting: Setting, name: str, rate: float) -> Spec:
    """A method on photographs at one rate of wrong candidates."""
    fields = photographs.photographs(setting) | {
        "frozen_layers": photographs.LAST_ONLY,
        "views": photographs.strong_views(),
        "batch_size": BATCH,
    }
    base = Spec(
        "CDCR",
        options(warm_up=0),
        annotation="candidates",
        annotation_options=options(rate=rate),
        warm_up=Stage(
            epochs=FIRST_EPOCHS,
            batch_size=BATCH,
            optimiser=fields["optimiser"],
            evaluate_every=FIRST_EPOCHS,
        ),
        weak=photographs.EITHER,
        strong=photographs.STRONG,
        decay=DECAY,
        **fields,
    )
    return runs.vary(base, name)


def with_first_rate(spec: Spec, rate: float) -> Spec:
    """The same run with another learning rate of the first stage."""
    optimiser = photographs.rated(spec.warm_up.optimiser, rate)
    return replace(spec, warm_up=replace(spec.warm_up, optimiser=optimiser))


def _first_rates(setting: Setting, specs: dict[str, Spec]) -> dict[str, dict[str, Any]]:
    """The learning rate of the first stage of every row, and what was tried for it."""
    setting.run(trunk.maps, {trunk.maps_spec(spec): None for spec in specs.values()})
    trials = {
        row: {rate: first_stage(with_first_rate(spec, rate)) for rate in RATES}
        for row, spec in specs.items()
    }
    return choose(setting, warm_up, trials, photographs.TUNING_SEEDS)


# -- real candidates ------------------------------------------------------------------------------

MIRFLICKR_SEEDS = range(photographs.FIRST_SEED, photographs.FIRST_SEED + 12)

MIRFLICKR_DIFFERENCES = (
    "5,000 of the set's 10,433 examples, 100 features each, standardised; split 60/20/20 anew for "
    "every seed.",
    "One hidden layer of 100 units, 20 epochs in batches of 50, Adam at a constant rate; the "
    f"selection begins after {real_candidates.WARM_UP} epochs on all candidates. Features have no "
    "views: the consistency between views is left out.",
    "The learning rate, from five values, and then the option of every method, from six, are "
    "chosen by the validation mAP on true labels, with three repetitions of their own.",
)


def mirflickr(setting: Setting) -> dict[str, Any]:
    """Test mAP on MirFlickr with the candidates that it comes with; small, so on the CPU."""
    specs = real_candidates.mirflickr(setting.data_root, runs.ASL)
    rates = choose(
        setting,
        real_candidates.run,
        {name: {r: with_rate(s, r) for r in real_candidates.RATES} for name, s in specs.items()},
        runs.TUNING_SEEDS,
    )
    specs = {name: with_rate(spec, rates[name]["chosen"]) for name, spec in specs.items()}
    dials = choose(
        setting,
        real_candidates.run,
        {
            name: {value: with_dial(specs[name], option, value) for value in values}
            for name, (option, values) in DIALS.items()
        },
        runs.TUNING_SEEDS,
    )
    tried = {name: [{"setting": "learning rate", **rates[name]}] for name in specs}
    for name, (option, _) in DIALS.items():
        specs[name] = with_dial(specs[name], option, dials[name]["chosen"])
        tried[name].append({"setting": option, **dials[name]})
    records = setting.repeat(real_candidates.run, specs, MIRFLICKR_SEEDS)
    return {
        "what": "Test mAP (%) on MirFlickr with its own candidates, last epoch",
        "data": real_candidates.counts(load_splits(replace(specs["BCE"], seed=MIRFLICKR_SEEDS[0]))),
        "protocol": {"seeds": [*MIRFLICKR_SEEDS], "tuning_seeds": [*runs.TUNING_SEEDS]},
        "differences": [*MIRFLICKR_DIFFERENCES],
        "rows": [
            {
                "row": name,
                "tried": tried[name],
                "last": photographs.rounded(mean_ap(each)),
                "selection": tables.selected_by_epoch(each),
            }
            for name, each in records.items()
        ],
    }


RECORDS = {
    "tuning": tuning,
    "photographs": on_photographs,
    "mirflickr": mirflickr,
    "cost": cost.measure,
}
