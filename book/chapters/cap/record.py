"""What is recorded of the CAP chapter: how its settings were tuned, and runs on photographs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from chapters.cap import runs, tables
from chapters.cap.runs import Choice
from weaklabels.lab import photographs, trunk
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.tuned import best, choose
from weaklabels.lab.two_stage import Spec, Stage, first_stage, run, warm_up
from weaklabels.lab.voc_features import Row, with_option


def tuning(setting: Setting) -> dict[str, Any]:
    """Choose batch, then dial, then learning rate of every method at every labelled share.

    A learning rate at which one of its runs breaks down is not chosen for a method.
    """
    return _tuned(setting, {})


def widened_tuning(setting: Setting, content: Mapping[str, Any]) -> dict[str, Any]:
    """``tuning`` with the methods and values that it has not got yet."""
    return _tuned(setting, content["shares"])


def _tuned(setting: Setting, held: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """The record; of what is held, share -> method -> field, no score is computed again."""
    bases = runs.settings(replace(setting, profile="quick"))
    choices = {
        (share, name): Choice(dial=runs.DIALS[name].usual if name in runs.DIALS else None)
        for place, share in enumerate(bases)
        for name in runs.choosing(place)
    }
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for field in ("batch", "dial", "rate"):
        trials = {
            (share, name): runs.tuning_table(bases[share], name, field, choice)
            for (share, name), choice in choices.items()
            if field != "dial" or name in runs.DIALS
        }
        scores = _scores(setting, trials, field, held)
        lost = broken_down([*scores.values()]) if field == "rate" else {}
        for (share, name), validation in scores.items():
            tried = {value: validation[f"{value:g}"] for value in trials[share, name]}
            own = broken_down([validation]) if field == "rate" else {}
            chosen = best({value: each for value, each in tried.items() if not own.get(value)})
            found.setdefault(tables.percent(share), {}).setdefault(name, {})[field] = {
                "chosen": chosen,
                "validation": validation,
            }
            choices[share, name] = replace(choices[share, name], **{field: chosen})
    return {
        "what": "Validation mAP (%) at the last epoch by setting, one value a tuning seed",
        "seeds": [*runs.TUNING_SEEDS],
        "runs that broke down": {f"{rate:g}": number for rate, number in lost.items()},
        "shares": found,
    }


def _scores(
    setting: Setting,
    trials: Mapping[tuple[float, str], Mapping[float, Spec]],
    field: str,
    held: Mapping[str, Mapping[str, Mapping[str, Any]]],
) -> dict[tuple[float, str], dict[str, list[float]]]:
    """Validation scores of all trials by value; only those that are not held are computed."""
    before = {
        (share, name): held.get(tables.percent(share), {}).get(name, {}).get(field, {})
        for share, name in trials
    }
    old = {key: dict(each.get("validation", {})) for key, each in before.items()}
    missing = {
        key: {value: spec for value, spec in each.items() if f"{value:g}" not in old[key]}
        for key, each in trials.items()
    }
    new = choose(setting, run, {k: each for k, each in missing.items() if each}, runs.TUNING_SEEDS)
    scores = {key: old[key] | (new[key]["validation"] if key in new else {}) for key in trials}
    return {key: {f"{v:g}": scores[key][f"{v:g}"] for v in each} for key, each in trials.items()}


def broken_down(validation: Sequence[Mapping[str, Sequence[float]]]) -> dict[float, int]:
    """How many runs lost more than half of the score that the second stage began with.

    Args:
        validation: of each choice the scores of the seeds, by learning rate; at the rate 0 stands
            what the second stage begins with.

    Returns:
        learning rate -> number of such runs.
    """
    return {
        float(rate): sum(
            score < start / 2
            for each in validation
            for score, start in zip(each[rate], each["0"], strict=True)
        )
        for rate in validation[0]
    }


# -- photographs ----------------------------------------------------------------------------------

SHARES = (0.05, 0.10, 0.20)
"""Of the training photographs, labelled."""

FIRST_EPOCHS = 60
LABELLED, UNLABELLED = 16, 32
"""Photographs of each kind in a batch of the second stage, for every method."""

DECAY = 0.98
RATES = (1e-5, *photographs.LEARNING_RATES)

DIALS: Mapping[str, tuple[str, float, tuple[float, ...]]] = {
    "CAP": ("positive_share", 1.0, (0.4, 0.6, 0.8, 0.9, 1.0)),
    "IAT": ("probability", 0.8, (0.5, 0.6, 0.7, 0.8, 0.9)),
    "Top-k": ("k", 2, (1, 3, 5, 8, 10)),
}
"""Rule -> its option that is chosen, what it is while the learning rate is, and what is tried."""

NOTES = (
    f"{photographs.EPOCHS} epochs over the unlabelled photographs, {UNLABELLED} of them and "
    f"{LABELLED} labelled ones in a batch, for every method; training on the labelled ones alone "
    "makes as many steps. Adam at a constant rate, ten times as high for the head.",
    f"Before that {FIRST_EPOCHS} epochs on the labelled photographs, four batches each. The second "
    "stage starts from the moving average of the weights, the same for all methods.",
    "Weak view: the photograph or its mirror image. Strong view: one of three that were drawn once "
    "for each photograph, by flip, a crop of 60 to 100 % of the side (in place of RandAugment) and "
    "Cutout of half the side.",
    f"Decay {DECAY} of the moving average: the second stage has some three hundred steps.",
    "Learning rates of the first and of the second stage, and the dial of each of the three rules, "
    "from five values, are chosen at every share by validation mAP, on complete labels.",
    "The split is the same for all seeds; which photographs are labelled, the weights of the head "
    "and the order of the batches are drawn anew.",
)


def on_photographs(setting: Setting) -> dict[str, Any]:
    """Supervised training and three rules by labelled share, and what they call positive."""
    names = {
        f"{name}, {tables.percent(share)}": (name, share)
        for share in SHARES
        for name in tables.ON_PHOTOGRAPHS
    }
    rates = _first_rates(setting)
    rows = {
        row: photograph_row(photograph_base(setting, share, rates[share]["chosen"]), name)
        for row, (name, share) in names.items()
    }
    seeds = range(photographs.FIRST_SEED, photographs.FIRST_SEED + setting.seeds)
    first = {share: first_stage(rows[row].spec) for row, (_, share) in names.items()}
    setting.repeat(warm_up, first, seeds)
    found = photographs.record(
        setting,
        rows,
        how=photographs.TWO_STAGE,
        what="Test mAP (%) on photographs of VOC 2012 of which few are labelled",
        measures={"pseudo-labels": tables.pseudo_labels},
        rates=RATES,
    )
    first_stages = {tables.percent(share): each for share, each in rates.items()}
    return found | {
        "first stage": first_stages,
        "differences": [*photographs.LAST_ONLY_DIFFERENCES, *NOTES],
        "rows": [
            {"name": names[row["row"]][0], "share": names[row["row"]][1], **row}
            for row in found["rows"]
        ],
    }


MORE_VALUES: Mapping[str, tuple[float, ...]] = {
    "CAP": (0.05, 0.1, 0.2, *DIALS["CAP"][2]),
    "IAT": (0.1, 0.2, 0.3, 0.4, *DIALS["IAT"][2], 0.95, 0.99),
    "Top-k": (*DIALS["Top-k"][2], 15, 20),
}
"""Rule -> values among which a choice that stands at an end is moved on."""


def widened(setting: Setting, content: Mapping[str, Any]) -> dict[str, Any]:
    """``on_photographs`` with values added where a choice stands at an end."""
    rates = {share: each["chosen"] for share, each in content["first stage"].items()}
    bases = {
        share: photograph_base(setting, share, rates[tables.percent(share)]) for share in SHARES
    }
    return photographs.widened(
        setting,
        content,
        {row["row"]: photograph_row(bases[row["share"]], row["name"]) for row in content["rows"]},
        {row["row"]: MORE_VALUES.get(row["name"], ()) for row in content["rows"]},
        how=photographs.TWO_STAGE,
        measures={"pseudo-labels": tables.pseudo_labels},
    )


def photograph_base(setting: Setting, share: float, first_rate: float = 1e-4) -> Spec:
    """CAP on photographs at one labelled share and one learning rate of the first stage."""
    fields = photographs.photographs(setting) | {
        "frozen_layers": photographs.LAST_ONLY,
        "views": photographs.strong_views(),
        "batch_size": UNLABELLED,
    }
    loss = options(**runs.ASL)
    return Spec(
        "CAP",
        options(warm_up=0, **runs.ASL),
        annotation="labelled share",
        annotation_options=options(share=share),
        warm_up=Stage(
            loss,
            epochs=FIRST_EPOCHS,
            batch_size=runs.warm_up_batch(share),
            optimiser=photographs.rated(fields["optimiser"], first_rate),
            evaluate_every=FIRST_EPOCHS,
        ),
        weak=photographs.EITHER,
        strong=photographs.STRONG,
        decay=DECAY,
        labelled_batch=LABELLED,
        **fields,
    )


def photograph_row(base: Spec, name: str) -> Row:
    """A method on photographs, and what is chosen of it beside the learning rate."""
    spec = runs.vary(base, name)
    if name not in DIALS:
        return Row(spec)
    option, usual, values = DIALS[name]
    return Row(with_option(spec, option, usual), option, values)


def _first_rates(setting: Setting) -> dict[float, dict[str, Any]]:
    """The learning rate of the first stage at every share, and what was tried for it."""
    setting.run(trunk.maps, [trunk.maps_spec(photograph_base(setting, SHARES[0]))])
    trials = {
        share: {rate: first_stage(photograph_base(setting, share, rate)) for rate in RATES}
        for share in SHARES
    }
    return choose(setting, warm_up, trials, photographs.TUNING_SEEDS)


RECORDS = {"tuning": tuning, "photographs": on_photographs}
WIDENED = {"photographs": widened, "tuning": widened_tuning}
