"""What is recorded of the runs of *Large Loss Matters* on photographs, as tables and curves.

The record is made by ``record.on_photographs``; without it there are no rows, and what is shown is
what the paper published.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from chapters.large_loss_matters.runs import LL
from chapters.large_loss_matters.tables import MOMENTS, TABLE_2, TABLE_4
from weaklabels.press.claims import mean_std

Rows = Mapping[str, Mapping[str, Any]]
"""Method -> what is recorded of its runs (see ``lab.photographs.compute``, ``tables.MEASURES``)."""

NOTHING = "The runs on photographs have not been recorded yet."
COLUMNS = ("end to end", "linear init")
NAIVE = "Naive AN"


def rows_of(record: Mapping[str, Any] | None) -> Rows:
    """The rows of the record by method; none without a record."""
    return {row["row"]: row for row in record["rows"]} if record else {}


def table_2(rows: Rows) -> pd.DataFrame:
    """Test mAP (%) as ready text beside the published VOC columns."""
    columns = {
        ("photographs", f"{moment} epoch"): {
            name: mean_std(row[moment]) for name, row in rows.items()
        }
        for moment in MOMENTS
    }
    columns |= {
        ("published, VOC", column): TABLE_2[column, "VOC"].map("{:.1f}".format).to_dict()
        for column in COLUMNS
    }
    return pd.DataFrame(columns).reindex(TABLE_2.index).fillna("-")


def table_4(rows: Rows) -> pd.DataFrame:
    """The pointing game (%) as ready text beside the published one."""
    names = [f"{kind}, {when} epoch" for kind in ("pooled", "class mean") for when in MOMENTS]
    columns = {
        name: {method: mean_std(row["pointing"][name]) for method, row in rows.items()}
        for name in names
    }
    published = TABLE_4.add_suffix(" (paper)").astype(str)
    return pd.DataFrame(columns, index=[*rows] or TABLE_4.index).join(published).fillna("-")


def curves(row: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Of one method what ``tables.memorisation`` makes of its runs."""
    return {name: np.array(values, float) for name, values in row["memorisation"].items()}


def precision(rows: Rows) -> dict[str, np.ndarray]:
    """Scheme -> precision (%) of what it modifies, ``(runs, epochs)``; NaN: it modifies nothing."""
    return {name: np.array(rows[name]["modified"]["precision"], float) for name in LL}


def guessing(rows: Rows) -> np.ndarray:
    """Share (%) of false negatives among the unannotated labels, ``(runs,)``."""
    return np.array(rows[LL[0]]["modified"]["guessing"])


def persistence(rows: Rows, scheme: str) -> np.ndarray:
    """Share (%) of modified labels that are modified again in the next epoch, ``(runs,)``."""
    return np.array(rows[scheme]["modified"]["persistence"])


def modified(rows: Rows) -> pd.DataFrame:
    """By scheme, as ready text (%): precision early and late, and what is modified again.

    LL-Cp's flips stay, so that it modifies nothing twice.
    """
    lines = {}
    for name in LL if rows else ():
        found = precision(rows)[name]
        lines[name] = {
            "precision, second epoch": mean_std(found[:, 1]),
            "precision, last epoch": mean_std(found[:, -1]),
            "modified again": "-" if name == "LL-Cp" else mean_std(persistence(rows, name)),
        }
    return pd.DataFrame.from_dict(lines, orient="index")


def scores(rows: Rows) -> pd.DataFrame:
    """Long frame: method, moment, test mAP (%), as ``figures.draw_methods`` wants it."""
    return pd.DataFrame(
        [
            {"method": name, "moment": moment, "mAP": value}
            for name, row in rows.items()
            for moment in MOMENTS
            for value in row[moment]
        ]
    )
