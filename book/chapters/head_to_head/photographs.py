"""The methods on photographs, gathered from the records of two chapters that share a protocol.

Nothing is trained here: both chapters compare methods with single positive labels on the same
photographs, by ``lab.photographs``, and their repetitions have the same numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from chapters.head_to_head import ranking
from chapters.head_to_head.data_set_tables import Study
from chapters.head_to_head.ranking import Ranking
from chapters.head_to_head.runs import FIRST
from chapters.head_to_head.tables import Scores, score_array
from weaklabels.lab.setting import Setting
from weaklabels.press.claims import Row, mean_std, not_testable, order, rank_agreement
from weaklabels.press.verdicts import NOT_RECORDED

LARGE_LOSS, UNKNOWN = "large_loss_matters", "acknowledging_the_unknown"
ROOMS = (LARGE_LOSS, UNKNOWN)
"""The rooms whose records are gathered."""

ROWS = {
    "AN": (LARGE_LOSS, "Naive AN"),
    "WAN": (LARGE_LOSS, "WAN"),
    "LSAN": (LARGE_LOSS, "LSAN"),
    "EPR": (LARGE_LOSS, "EPR"),
    "ROLE": (LARGE_LOSS, "ROLE"),
    "LL-R": (LARGE_LOSS, "LL-R"),
    "LL-Ct": (LARGE_LOSS, "LL-Ct"),
    "LL-Cp": (LARGE_LOSS, "LL-Cp"),
    "Focal": (UNKNOWN, "Focal"),
    "ASL": (UNKNOWN, "ASL"),
    "EM": (UNKNOWN, "EM"),
    "EM+APL": (UNKNOWN, "EM+APL"),
}
"""Method -> the room and the row of its record. BCE on known, VPU, PU-MLC and nnPU have none with
single positives."""

SINGLE = FIRST[0]


def gathered(setting: Setting) -> dict[str, Any]:
    """The rows of both records, for the seeds that both have.

    Returns:
        ``rows``, one for every method: the ``chapter`` and ``row`` it comes from, and in ``last``
        the test mAP (%) at the last epoch, one number a seed.

    Raises:
        ValueError: if the two were not made by one protocol, on one set of data.
    """
    folder = setting.recorded_results.parents[1]
    paths = {room: folder / room / "recorded" / "photographs.json" for room in ROOMS}
    found = {room: json.loads(path.read_text(encoding="utf-8")) for room, path in paths.items()}
    rules = [
        {key: value for key, value in each["protocol"].items() if key != "seeds"} | each["data"]
        for each in found.values()
    ]
    if rules[0] != rules[1]:
        raise ValueError(
            f"{' and '.join(map(str, paths.values()))} differ in protocol or data: expected the "
            "same, as their numbers are compared"
        )
    seeds = {room: each["protocol"]["seeds"] for room, each in found.items()}
    shared = sorted(set.intersection(*map(set, seeds.values())))
    rows = {(room, row["row"]): row for room, each in found.items() for row in each["rows"]}
    return {
        "what": "Test mAP (%) on photographs of VOC 2012, one positive label an image, last epoch",
        "protocol": found[LARGE_LOSS]["protocol"] | {"seeds": shared},
        "from": {room: each["command"] for room, each in found.items()},
        "rows": [
            {
                "method": name,
                "chapter": room,
                "row": row,
                "last": [rows[room, row]["last"][seeds[room].index(seed)] for seed in shared],
            }
            for name, (room, row) in ROWS.items()
        ],
    }


def read(record: Mapping[str, Any] | None) -> dict[str, np.ndarray]:
    """Method -> test mAP (%) ``(seeds,)``; empty without a record."""
    return {row["method"]: np.array(row["last"]) for row in (record["rows"] if record else ())}


def table(found: Mapping[str, np.ndarray], scenes: Scores) -> pd.DataFrame:
    """Scores and ranks on photographs and on scenes, in the order on photographs."""
    if not found:
        return pd.DataFrame({NOT_RECORDED: []})
    here = {name: scenes[SINGLE, name] for name in found}
    means = np.array([[each[name].mean() for name in found] for each in (found, here)])
    there, on_scenes = ranking.ranks(means)
    frame = pd.DataFrame(
        {
            "photographs": [mean_std(values) for values in found.values()],
            "rank": there,
            "scenes": [mean_std(values) for values in here.values()],
            "rank on scenes": on_scenes,
        },
        index=list(found),
    ).sort_values("rank", kind="stable")
    whole = {name: frame[name].map("{:g}".format) for name in ("rank", "rank on scenes")}
    return frame.assign(**whole)


def rankings(
    found: Mapping[str, np.ndarray], study: Study | None, scenes: Scores
) -> dict[str, Ranking]:
    """Ranks of these methods over all data sets: the scenes, the six others and the photographs;
    empty without a record."""
    if not found or study is None:
        return {}
    names = list(ROWS)
    here = score_array(scenes, [SINGLE], names).mean(2)
    there = score_array(study.scores(SINGLE), study.sets, names).mean(2)
    own = np.array([[found[name].mean() for name in names]])
    over = ranking.rank(np.concatenate([here, there, own]), names)
    return {f"{SINGLE}: {over.tasks} data sets, photographs among them": over}


def claim_28(found: Mapping[str, np.ndarray], scenes: Scores) -> Row:
    """Rank correlation of the order on photographs with that on scenes above 0."""
    if found:
        here = [float(scenes[SINGLE, name].mean()) for name in found]
        agreement = rank_agreement(np.array([*found.values()]), here)
        verdict = order(*agreement, "rank correlation")
    else:
        verdict = not_testable(NOT_RECORDED)
    return Row(
        "28",
        "The methods that lead on scenes lead on photographs, too, where the last blocks of a "
        f"pre-trained network are trained ({len(ROWS)} of the methods, recorded); {SINGLE}.",
        "Our question",
        verdict,
        figure="tab-h2h-photographs",
    )
