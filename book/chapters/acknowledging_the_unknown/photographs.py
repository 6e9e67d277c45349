"""What is recorded of the runs of *Acknowledging the Unknown* on photographs, as tables and arrays.

The record is made by ``record.on_photographs``; without it there are no rows, and what is shown is
what the paper published.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from chapters.acknowledging_the_unknown import tables
from chapters.acknowledging_the_unknown.record import PUBLISHED_EM
from chapters.acknowledging_the_unknown.runs import ALL_NEGATIVES, FULL, ROWS
from weaklabels.press.claims import mean_std, rank_agreement

Rows = Mapping[str, Mapping[str, Any]]
"""Row of the benchmark -> what is recorded of its runs (see ``record.MEASURES``)."""

NOTHING = "The runs on photographs have not been recorded yet."


def rows_of(record: Mapping[str, Any] | None) -> Rows:
    """The rows of the record by name; none without a record."""
    return {row["row"]: row for row in record["rows"]} if record else {}


def classes_of(record: Mapping[str, Any]) -> list[str]:
    """Names of the classes."""
    return list(record["data"]["training images by class"])


def benchmark_table(rows: Rows) -> pd.DataFrame:
    """Test mAP (%) at the best and at the last epoch beside the published VOC column, as text."""
    names = [*ROWS, PUBLISHED_EM]
    columns = {
        ("photographs", f"{moment} epoch"): {
            name: mean_std(row[moment]) for name, row in rows.items()
        }
        for moment in tables.MOMENTS
    }
    columns["published", "VOC"] = {
        row: f"{tables.PUBLISHED.loc[row, 'VOC']:.1f} ± {tables.PUBLISHED_STD.loc[row, 'VOC']:.1f}"
        for row in ROWS
    }
    return pd.DataFrame(columns).reindex(names).fillna("-")


def zero_strength(rows: Rows, name: str) -> str:
    """The option that validation chose to be 0, so that a method is AN; empty if none is."""
    given = rows[name]["options"]
    return next((option for option in ("smoothing", "focus") if given.get(option) == 0), "")


def shared(rows: Rows) -> list[str]:
    """Names of the rows that the paper has too, without those that are AN by their options."""
    return [name for name in rows if name in ROWS and not zero_strength(rows, name)]


def agreement(rows: Rows) -> tuple[float, float, float]:
    """Rank correlation of the rows' order at the best epoch with the paper's VOC column."""
    names = shared(rows)
    return rank_agreement(
        np.array([rows[name]["best"] for name in names]), tables.PUBLISHED.loc[names, "VOC"]
    )


def summary(rows: Rows) -> str:
    """EM's gain, the order of the rows, and who is ahead of EM, in Markdown."""
    if not rows:
        return NOTHING
    rho, low, high = agreement(rows)
    gain = np.subtract(rows["EM"]["best"], rows["AN"]["best"])
    ahead = [
        name
        for name in shared(rows)
        if name not in (FULL, ALL_NEGATIVES)
        and np.mean(rows[name]["best"]) > np.mean(rows["EM"]["best"])
    ]
    return (
        f"EM minus AN: {mean_std(gain)} points at the best epoch (published, VOC: 3.2). The "
        f"order of the rows agrees with the published one with a rank correlation of "
        f"**{rho:.2f}** [{low:.2f}, {high:.2f}]. With one label an image, ahead of EM: "
        f"{', '.join(ahead) or 'no row'}."
    )


def wasserstein(rows: Rows, name: str) -> np.ndarray:
    """Distances per class, ``(runs, C)``; NaN where a class has no unannotated positive."""
    return np.array(rows[name]["unannotated"]["wasserstein"], float)


def medians(rows: Rows, name: str) -> np.ndarray:
    """Median probability of unannotated positives and of unannotated negatives, ``(runs, 2)``."""
    return np.array(rows[name]["unannotated"]["medians"], float)


def class_gain(rows: Rows) -> np.ndarray:
    """AP of EM minus AP of AN at the best epoch, ``(runs, C)`` in points."""
    return np.subtract(rows["EM"]["test_ap"], rows["AN"]["test_ap"])


def annotated_loss(rows: Rows, name: str) -> np.ndarray:
    """Mean loss (nats) of the annotated labels in training, ``(runs, epochs)``."""
    return np.array(rows[name]["annotated loss"])


def gradients(rows: Rows, name: str, kind: str) -> np.ndarray:
    """Mean gradient of the entries of a kind, in hundredths, ``(runs, epochs)``; up is positive.

    Args:
        rows: see above.
        name: ``"AN"`` or ``"EM"``.
        kind: ``"TP"``, ``"FN"`` or ``"TN"``.
    """
    return np.array(rows[name]["gradients"][kind])


def pseudo_labels(rows: Rows) -> list[pd.DataFrame]:
    """Per run of EM+APL what ``tables.pseudo_label_quality`` makes of it."""
    found = rows["EM+APL"]["pseudo-labels"]
    columns = ("labelled", "wrong", "hidden")
    return [
        pd.DataFrame(dict(zip(columns, run, strict=True)), dtype=float).assign(
            epoch=range(1, len(run[0]) + 1)
        )
        for run in zip(*(found[column] for column in columns), strict=True)
    ]
