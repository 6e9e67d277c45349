"""Does what one machine measured agree with the record?

Both measure the same effect on other seeds, so their spread is one and the same, and Student's
t-test with the pooled spread decides; with the few seeds of a check it sees much more than Welch's,
which has to estimate the spread of two or three values on their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from weaklabels.press.verdicts import AGREES, DISAGREES, NOT_CHECKED, NOT_TESTABLE

LEVEL = 0.01
"""Share of chapters in which some row would be said to disagree if nothing differed."""


def checked(
    record: Sequence[Mapping[str, Any]], measured: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The recorded rows of a chapter, with what a check says of each.

    Args:
        record, measured: rows as ``claims.Row.as_dict`` gives them.

    Returns:
        the recorded rows, each with ``"check"``: ``{"found": text, "says": "yes" | "no" | "not
        checked", "p": smallest p-value times number of parts, or None}``. A row whose numbers
        are read from a committed record, and not measured, is not checked.
    """
    found = {row["id"]: row for row in measured}
    values = {row["id"]: _p_of_row(row, found[row["id"]]) for row in record if row["id"] in found}
    tested = sum(p is not None for p in values.values())
    return [
        {**row, "check": _check(found.get(row["id"]), values.get(row["id"]), tested)}
        for row in record
    ]


def _check(row: Mapping[str, Any] | None, p: float | None, tested: int) -> dict[str, Any]:
    if row is None or p is None:
        return {"found": row["ours"] if row else "-", "says": NOT_CHECKED, "p": None}
    says = DISAGREES if p < LEVEL / tested else AGREES
    return {"found": row["ours"], "says": says, "p": p}


def _p_of_row(recorded: Mapping[str, Any], measured: Mapping[str, Any]) -> float | None:
    """p-value of a row, corrected for its parts (Bonferroni); None if none can be compared."""
    parts = {part["name"]: part for part in measured["parts"]}
    pairs = [(part, parts[part["name"]]) for part in recorded["parts"] if part["name"] in parts]
    if all(_read_from_the_record(*pair) for pair in pairs):
        return None
    values = [p for p in (p_same(*pair) for pair in pairs) if p is not None]
    return min(1.0, min(values) * len(values)) if values else None


def _read_from_the_record(recorded: Mapping[str, Any], measured: Mapping[str, Any]) -> bool:
    """Whether nothing was measured: a row on recorded runs has the same numbers in every check.

    Other seeds never have them all. What is decided without chance is computed anew every time.
    """
    if recorded["kind"] in ("exact", "not testable"):
        return False
    ours, theirs = (
        np.array([part.get(name) for name in ("effect", "low", "high")], float)
        for part in (recorded, measured)
    )
    alike = np.allclose(ours, theirs, rtol=1e-9, atol=1e-12, equal_nan=True)  # libraries round
    return alike and list(recorded["values"]) == list(measured["values"])


def p_same(recorded: Mapping[str, Any], measured: Mapping[str, Any]) -> float | None:
    """p-value of two measurements of one part differing as much as they do, were they alike.

    Comparisons: Student's t-test with pooled spread, two-sided. Shares of seeds: Fisher's exact
    test. Exact statements: 0 if the outcomes differ, else 1. Rank correlations: 0 if the intervals
    do not meet, else 1.

    Args:
        recorded, measured: parts as ``claims.Part.as_dict`` gives them.

    Returns:
        None where one of the two could not be tested.
    """
    if recorded["outcome"] == NOT_TESTABLE or recorded["kind"] != measured["kind"]:
        return None
    a, b = np.asarray(recorded["values"], float), np.asarray(measured["values"], float)
    if recorded["kind"] in ("comparison", "margin"):
        return _p_of_means(a, b)
    if recorded["kind"] == "every seed":
        table = [[int(each.sum()), len(each) - int(each.sum())] for each in (a, b)]
        return float(stats.fisher_exact(table).pvalue)
    if measured["outcome"] == NOT_TESTABLE:
        return None
    if recorded["kind"] == "exact":
        return float(recorded["outcome"] == measured["outcome"])
    return float(recorded["low"] <= measured["high"] and measured["low"] <= recorded["high"])


def _p_of_means(a: np.ndarray, b: np.ndarray) -> float | None:
    if len(a) < 2 or not len(b):
        return None
    deviation = float(b.std(ddof=1)) if len(b) > 1 else 0.0  # one value: the record's spread alone
    if max(np.ptp(a), np.ptp(b)) <= 1e-9 * max(1.0, np.abs(a).max(), np.abs(b).max()):
        return float(np.isclose(a.mean(), b.mean(), rtol=1e-6, atol=1e-9))
    test = stats.ttest_ind_from_stats(a.mean(), a.std(ddof=1), len(a), b.mean(), deviation, len(b))
    return float(test.pvalue)
