"""The learning rate of every pool of digits, as the record of held-out digits chooses it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chapters.lfosa import held_out
from chapters.lfosa.runs import Spec
from weaklabels.lab.tuned import Tuned, best

RULE = (
    "highest mean accuracy of classifiers, early and late, of 12 seeds, where no training of a "
    "classifier or a detector breaks down"
)

CHOSEN = {
    "near unknowns": 0.05,
    "far unknowns": 0.05,
    "2 of 10": 0.05,
    "4 of 10": 0.05,
    "6 of 10": 0.1,
    "8 of 10": 0.1,
}
"""Pool -> rate of every strategy, of classifier and detector."""

TUNED = tuple(
    Tuned("all strategies", "learning rate", held_out.RATES, rate, RULE, f"known digits, {title}")
    for title, rate in CHOSEN.items()
)


def rates_of(record: Mapping[str, Any], detectors: Mapping[str, Any]) -> dict[str, float]:
    """Pool -> the rate that the rule chooses by what ``held_out`` has recorded.

    Args:
        record: of classifiers, ``held_out.held_out``.
        detectors: ``held_out.detectors``.
    """
    return {
        title: best(
            {
                float(rate): np.ravel(pairs).tolist()
                for rate, pairs in pool["by rate"].items()
                if not any(
                    each["broken down"][rate]
                    for each in (pool, *detectors["pools"][title].values())
                )
            }
        )
        for title, pool in record["pools"].items()
    }


def at_chosen_rates(pools: Mapping[str, Spec]) -> dict[str, Spec]:
    """Pools of digits with the rate that was chosen for each; photographs keep theirs."""
    return {
        title: held_out.at_rate(pool, CHOSEN[title]) if pool.dataset == Spec.dataset else pool
        for title, pool in pools.items()
    }
