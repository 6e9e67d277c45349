"""The methods on real candidate sets, gathered from the records of the chapter on CAVL.

Nothing is trained here: that chapter compares the same methods on three sets by one protocol, with
two networks, and settings that every method chose on every set by validation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from chapters.head_to_head import ranking
from chapters.head_to_head.ranking import Ranking
from chapters.head_to_head.runs import PARTIAL
from chapters.head_to_head.tables import Scores, score_array, score_table
from weaklabels.lab.setting import Setting
from weaklabels.press.claims import Row, not_testable, order, rank_agreement
from weaklabels.press.verdicts import NOT_RECORDED

ROOM = "class_activation_value"
NETWORKS = {"linear": "real_world_linear", "MLP": "real_world_mlp"}
"""Network -> the record of that room."""

SETS = {"lost": "Lost", "msrcv2": "MSRCv2", "birdsong": "BirdSong"}


def gathered(setting: Setting) -> dict[str, Any]:
    """The rows of both records.

    Returns:
        ``rows``, one for every network, data set and method of this chapter, with ``test``, the
        test accuracies (%) of the splits.

    Raises:
        ValueError: if methods differ in their splits, so that they cannot be ranked.
    """
    folder = setting.recorded_results.parents[1] / ROOM / "recorded"
    rows, commands = [], {}
    for network, name in NETWORKS.items():
        path = folder / f"{name}.json"
        found = json.loads(path.read_text(encoding="utf-8"))
        commands[network] = found["command"]
        for dataset, title in SETS.items():
            splits = {
                method: {
                    row["seed"]: row["test"]
                    for row in found["rows"]
                    if (row["dataset"], row["method"]) == (dataset, method)
                }
                for method in PARTIAL
            }
            if len({tuple(sorted(each)) for each in splits.values()}) != 1:
                raise ValueError(f"{path}, {dataset}: expected the same splits for every method")
            rows += [
                {
                    "network": network,
                    "set": title,
                    "method": method,
                    "test": [each[seed] for seed in sorted(each)],
                }
                for method, each in splits.items()
            ]
    return {
        "what": "Test accuracy (%) on real candidate sets, mean of the last 10 epochs, each split",
        "from": commands,
        "rows": rows,
    }


def read(record: Mapping[str, Any] | None) -> dict[str, Scores]:
    """Network -> data set, method -> test accuracy (%) ``(splits,)``; empty without a record."""
    found: dict[str, dict[tuple[str, str], np.ndarray]] = {}
    for row in record["rows"] if record else ():
        found.setdefault(row["network"], {})[row["set"], row["method"]] = np.array(row["test"])
    return dict(found)


def table(found: Mapping[str, Scores]) -> pd.DataFrame:
    """Scores and the mean rank over the data sets, by network and method."""
    if not found:
        return pd.DataFrame({NOT_RECORDED: []})
    frames = {
        network: score_table(scores, tuple(SETS.values()), PARTIAL).assign(
            **{"mean rank": [f"{mean:.1f}" for mean in ranks(scores).mean(0)]}
        )
        for network, scores in found.items()
    }
    return pd.concat(frames, names=["network", "method"])


def ranks(scores: Scores) -> np.ndarray:
    """Ranks of the methods on each data set, by the means over splits: ``(sets, methods)``."""
    return ranking.ranks(score_array(scores, tuple(SETS.values()), PARTIAL).mean(2))


def rankings(
    found: Mapping[str, Scores], digits: Scores, tasks: Sequence[str]
) -> dict[str, Ranking]:
    """Ranks over the real sets and, as one more, the digits by the mean rank over their kinds of
    sets; by network, empty without a record."""
    own = on_digits(digits, tasks)[None]
    over = {}
    for network, scores in found.items():
        real = score_array(scores, tuple(SETS.values()), PARTIAL).mean(2)
        over[f"three real sets ({network}) and digits"] = ranking.rank(
            np.concatenate([real, own]), PARTIAL
        )
    return over


def on_digits(digits: Scores, tasks: Sequence[str]) -> np.ndarray:
    """Minus the mean rank over the kinds of candidate sets, ``(methods,)``: of means over seeds.

    Accuracies are not averaged over kinds, since those with many classes, in which methods lie far
    apart, would decide.
    """
    return -ranking.ranks(score_array(digits, tasks, PARTIAL).mean(2)).mean(0)


def claim_29(found: Mapping[str, Scores], digits: Scores, tasks: Sequence[str]) -> list[Row]:
    """Rank correlation of the mean ranks over the real sets with the order on digits above 0; in
    its bootstrap the data sets are drawn anew as well."""
    rows = []
    for letter, network in zip("ab", NETWORKS, strict=True):
        if network in found:
            agreement = rank_agreement(-ranks(found[network]).T, on_digits(digits, tasks).tolist())
            verdict = order(*agreement, "rank correlation")
        else:
            verdict = not_testable(NOT_RECORDED)
        rows.append(
            Row(
                f"29{letter}",
                "The methods that lead on digits, by mean rank over all kinds of candidate sets, "
                f"lead on real ones, too (Lost, MSRCv2 and BirdSong, {network} network, recorded).",
                "Our question",
                verdict,
                figure="tab-h2h-real-sets",
            )
        )
    return rows
