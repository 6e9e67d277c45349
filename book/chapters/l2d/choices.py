"""The choice of every term's weight for L2D, and what was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chapters.l2d.runs import (
    REVIEW_KD,
    TERMS,
    UNTRAINED,
    distil,
    grid_table,
    initial_sizes,
    run,
    scenes,
)
from weaklabels.lab.setting import Setting
from weaklabels.lab.tuned import FIRST_TUNING_SEED, Tuned, best

SCENE_SHARES = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Grid of every term's weight: the weighted term as a share of the hard-label loss, both with
initial weights. At 0 there is no distillation."""

TUNING_SEEDS = tuple(range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + 3))
"""Seeds of the choice of the weights, which no result is reported for."""


def weight_grid(
    unit: Mapping[str, float], shares: Sequence[float]
) -> dict[str, dict[float, float]]:
    """Weights of each term at which it has the given shares of the hard-label loss, by share.

    Args:
        unit: term -> weight at which it is as large as the hard-label loss before training.
        shares: of that loss.

    Returns:
        term -> share -> weight, rounded to two digits.
    """
    return {
        name: {share: float(f"{share * weight:.2g}") for share in shares}
        for name, weight in unit.items()
    }


def choose_weights(
    chapter: Setting,
    shares: Sequence[float] = SCENE_SHARES,
    seeds: Sequence[int] = TUNING_SEEDS,
) -> dict[str, Any]:
    """Train a student at every weight of every term; the best mean validation mAP wins.

    Args:
        chapter: where to compute and what to keep.
        shares: the grid; 0, the student without distillation, stands first.
        seeds: of the students, which no result is reported for.

    Returns:
        The record: ``seeds``, ``shares``, ``unit`` (term -> weight at which it is as large as the
        hard-label loss before training), ``weights`` (term -> weight at each share),
        ``validation`` (term -> share -> mAP in percent of each seed), ``chosen`` (term -> share).
    """
    base = scenes(chapter)
    terms = {name: distil(base, name) for name in (*TERMS, *UNTRAINED)}
    unit = {
        name: float(np.mean([record["hard"] / record["term"] for record in records]))
        for name, records in chapter.repeat(initial_sizes, terms, seeds).items()
    }
    grid = weight_grid(unit, shares[1:])
    found = {
        key: [round(float(record["val"]), 2) for record in records]
        for key, records in chapter.repeat(run, grid_table(base, grid), seeds).items()
    }
    validation = {
        name: {0.0: found["Vanilla"]} | {share: found[name, share] for share in weights}
        for name, weights in grid.items()
    }
    return {
        "what": "Validation mAP (%) of students by weight of the term, a value a tuning seed",
        "seeds": list(seeds),
        "shares": list(shares),
        "unit": {name: float(f"{value:.3g}") for name, value in unit.items()},
        "weights": {name: [0.0, *weights.values()] for name, weights in grid.items()},
        "validation": {
            name: {f"{share:g}": scores for share, scores in rows.items()}
            for name, rows in validation.items()
        },
        "chosen": {name: best(scores) for name, scores in validation.items()},
    }


def choice(chapter: Setting) -> dict[str, Any]:
    """The choice of the weights: the recorded one; in ``smoke`` a small one, made now.

    Raises:
        FileNotFoundError: if it is not recorded.
    """
    if chapter.profile == "smoke":
        return choose_weights(chapter, (0.0, 0.1), TUNING_SEEDS[:1])
    found = chapter.recorded("tuning")
    if found is None:
        raise FileNotFoundError(
            "recorded/tuning.json of l2d is missing: run make record CHAPTERS=l2d NAME=tuning"
        )
    return found


def chosen_weights(tuning: Mapping[str, Any]) -> dict[str, float | None]:
    """The weight of every term: of ``tuning``, or where that is empty None, the shipped one."""
    if not tuning:
        return dict.fromkeys((*TERMS, *UNTRAINED, *REVIEW_KD))
    return {
        name: tuning["weights"][name][tuning["shares"].index(share)]
        for name, share in tuning["chosen"].items()
    }


def tuned(tuning: Mapping[str, Any]) -> tuple[Tuned, ...]:
    """The choice of ``tuning`` for the registry of tuned settings; weights as shares."""
    return tuple(
        Tuned(
            name,
            "share of the hard-label loss",
            tuple(tuning["shares"]),
            share,
            f"best validation mAP, mean of {len(tuning['seeds'])} seeds",
            "validation scenes of other seeds",
            bound=(0.0,),
        )
        for name, share in tuning["chosen"].items()
    )
