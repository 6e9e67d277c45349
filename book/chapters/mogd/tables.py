"""Records of the chapter on *Meta Objective Guided Disambiguation* as arrays and data frames."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import pandas as pd

from chapters.mogd.runs import CLEAN_ONLY, COMPARATORS, WITH_CLEAN, Spec, divide
from weaklabels.lab.candidate_sets import scores
from weaklabels.lab.store import Record
from weaklabels.press.claims import mean_std

K = TypeVar("K", bound=Hashable)

Groups = Mapping[str, Mapping[str, Sequence[Record]]]
"""Candidate sets -> row of the tables -> one record a seed."""

Results = Mapping[K, Mapping[str, np.ndarray]]
"""Candidate sets, or number of clean samples -> row -> test accuracy ``(seeds,)`` in percent."""


def set_table(sets: Mapping[str, Spec]) -> pd.DataFrame:
    """The candidate sets of the first seed, by name."""
    lines = {}
    for name, spec in sets.items():
        sizes = divide(spec)[2].sum(1).double()
        lines[name] = {
            "mean candidates": sizes.mean().item(),
            "truth guessed (%)": 100 * (1 / sizes).mean().item(),
            "one candidate only (%)": 100 * (sizes == 1).double().mean().item(),
        }
    return pd.DataFrame(lines).T.round(1)


def score_table(
    groups: Groups, rows: Sequence[str], last: int, curve: str = "test_accuracy"
) -> pd.DataFrame:
    """Mean and standard deviation over seeds, one column a kind of candidate sets."""
    return pd.DataFrame(
        {
            kind: {row: mean_std(scores(records[row], last, curve)) for row in rows}
            for kind, records in groups.items()
        }
    )


def choices_table(groups: Groups, rows: Sequence[str], last: int) -> pd.DataFrame:
    """Who finds the true label, the weights or the network, for each way to set the weights."""
    lines = {}
    for kind, records in groups.items():
        for row in rows:
            lines[kind, row] = {
                "test accuracy": mean_std(scores(records[row], last)),
                "found by weights": mean_std(scores(records[row], last, "select weights")),
                "found by network": mean_std(scores(records[row], last, "select IM-max")),
                "dropped": mean_std(scores(records[row], last, "dropped")),
            }
    return pd.DataFrame(lines).T


def results(
    groups: Mapping[K, Mapping[str, Sequence[Record]]], last: int
) -> dict[K, dict[str, np.ndarray]]:
    """Test accuracy of every row, mean over the last epochs, one a seed."""
    return {
        kind: {row: scores(records, last) for row, records in rows.items()}
        for kind, rows in groups.items()
    }


def best(found: Mapping[str, np.ndarray], names: Sequence[str]) -> str:
    """The row with the highest mean."""
    return max(names, key=lambda row: found[row].mean())


def gains_line(found: Results[str]) -> str:
    """MoGD's distance to the best comparators, in Markdown."""
    parts = []
    for kind, each in found.items():
        rivals = best(each, COMPARATORS), best(each, WITH_CLEAN), CLEAN_ONLY
        gains = (f"{each['MoGD'].mean() - each[rival].mean():+.1f} to {rival}" for rival in rivals)
        parts.append(f"- {kind}: {', '.join(gains)}")
    return "MoGD's test accuracy minus that of the best comparator, in points:\n\n" + "\n".join(
        parts
    )


def cost_table(counts: Mapping[int, Mapping[str, int]]) -> pd.DataFrame:
    """Operations of a step with the meta-gradient, as multiples of a plain step.

    Args:
        counts: clean samples in a step -> what ``runs.operations`` returns.
    """
    rows = {
        size: {
            name: f"{(found['plain'] + found[name]) / found['plain']:.2f} x"
            for name in ("closed form", "double backward")
        }
        for size, found in counts.items()
    }
    return pd.DataFrame(rows).T.rename_axis("clean samples")
