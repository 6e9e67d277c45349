"""Measures and tables of the chapter on *Noise-Robust Bidirectional Learning* (BLDR, 2022)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from weaklabels.lab.store import Record
from weaklabels.press.claims import mean_std

FLAGGED = 0.05
"""A given label less likely than this is reported as wrong (official threshold)."""

Groups = Mapping[str, Sequence[Record]]
"""Method -> one record a seed."""


def at_share(records: Sequence[Record], share: float, curve: str = "test") -> np.ndarray:
    """A curve's value (one a run) at the first measurement after a share of all epochs."""
    values = []
    for record in records:
        epochs = record["epoch"]
        values.append(record[curve][int(np.searchsorted(epochs, share * epochs[-1]))])
    return np.array(values)


def time_to(records: Sequence[Record], accuracy: float = 80.0) -> np.ndarray:
    """Percent of all epochs until a test accuracy is first measured, one a run; 100 if never."""
    values = []
    for record in records:
        epochs, reached = record["epoch"], record["test"] >= accuracy
        values.append(100 * epochs[reached.argmax() if reached.any() else -1] / epochs[-1])
    return np.array(values)


def last(records: Sequence[Record], curve: str = "test") -> np.ndarray:
    """A curve's last value, one a run."""
    return np.array([record[curve][-1] for record in records])


def best(records: Sequence[Record]) -> np.ndarray:
    """The largest test accuracy of each run, in percent: what an early stop could have had."""
    return np.array([record["test"].max() for record in records])


def detection_f1(records: Sequence[Record]) -> np.ndarray:
    """F1 (%) with which a probability below ``FLAGGED`` finds the wrong labels, one a run."""
    values = []
    for record in records:
        flagged, wrong = record["found"] < FLAGGED, record["wrong"]
        found, both = flagged & wrong, int(flagged.sum() + wrong.sum())
        values.append(200 * float(found.sum()) / max(both, 1))
    return np.array(values)


def score_table(groups: Groups) -> pd.DataFrame:
    """Table of mean and standard deviation over runs, one row a method."""
    rows = {}
    for name, records in groups.items():
        rows[name] = {
            "last": mean_std(last(records)),
            "averaged": mean_std(last(records, "test_average")),
            "best": mean_std(best(records)),
            "to 80 %": mean_std(time_to(records), 0),
            "fitted": mean_std(last(records, "fitted"), 0),
            "AUC": mean_std(last(records, "auc"), 3),
            "F1": mean_std(detection_f1(records)),
        }
    return pd.DataFrame(rows).T
