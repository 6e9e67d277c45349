"""The ledger of claims: what a paper says, what was measured here, and a computed verdict."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from weaklabels.press.verdicts import FAILS, HOLDS, NOT_TESTABLE, VERDICTS

LEVEL = 0.95


@dataclass(frozen=True)
class Verdict:
    """The outcome of a test.

    Attributes:
        verdict: one of ``HOLDS``, ``FAILS``, ``NOT_TESTABLE``.
        ours: what was measured, with its spread.
        test: the rule that was applied.
        seeds: how many repetitions stand behind it; 0 for an exact statement.
        why: the reason, of what cannot be tested or of a comparison that fails.
    """

    verdict: str
    ours: str
    test: str
    seeds: int = 0
    why: str = ""


def mean_std(values: Sequence[float], digits: int = 1) -> str:
    """``"84.1 ± 0.6"``; a single value stands alone. The std is the sample's (n - 1)."""
    array = np.asarray(values, float)
    if array.size == 1:
        return f"{array[0]:.{digits}f}"
    return f"{array.mean():.{digits}f} ± {array.std(ddof=1):.{digits}f}"


def greater(
    ours: Sequence[float], other: Sequence[float], *, digits: int = 1, margin: float = 0.0
) -> Verdict:
    """Is ``ours`` larger than ``other``, paired by seed, by more than the spread explains?

    Holds if the lower end of the one-sided 95 % t-interval of the mean paired difference is above
    ``margin``. With one seed there is no spread, hence no verdict.

    Raises:
        ValueError: if the two are not paired or empty.
    """
    a, b = np.asarray(ours, float), np.asarray(other, float)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ValueError(f"paired values have shapes {a.shape} and {b.shape}: expected (seeds,)")
    test = f"mean paired difference > {margin:g}, one-sided 95 % t-interval over seeds"
    difference = a - b
    text = f"{mean_std(a, digits)} against {mean_std(b, digits)}: {difference.mean():+.{digits}f}"
    if len(a) == 1:
        return Verdict(NOT_TESTABLE, text, test, 1, "one seed shows no spread: use at least 3")
    error = difference.std(ddof=1) / np.sqrt(len(a))
    low = difference.mean() - stats.t.ppf(LEVEL, len(a) - 1) * error
    text += f" (lower end {low:+.{digits}f})"
    if low > margin:
        return Verdict(HOLDS, text, test, len(a))
    why = "the mean is as claimed, but not by more than the spread over the seeds"
    if difference.mean() <= margin:
        why = "the mean difference falls short" if margin else "the mean points the other way"
    return Verdict(FAILS, text, test, len(a), why)


def every_seed(outcomes: Sequence[bool], ours: str, test: str) -> Verdict:
    """Holds if the test is passed in every seed (at least two)."""
    passed = np.asarray(outcomes, bool)
    text = f"{ours} ({int(passed.sum())} of {len(passed)} seeds)"
    if len(passed) < 2:
        return Verdict(NOT_TESTABLE, text, test, len(passed), "one seed shows no spread")
    return Verdict(HOLDS if passed.all() else FAILS, text, f"{test}, in every seed", len(passed))


def exact(passed: bool, ours: str, test: str) -> Verdict:
    """Verdict on a statement without randomness (a closed form, an identity)."""
    return Verdict(HOLDS if passed else FAILS, ours, test)


def not_testable(why: str) -> Verdict:
    """A claim that this setting cannot decide, with the reason."""
    return Verdict(NOT_TESTABLE, "-", "-", why=why)


def all_of(parts: dict[str, Verdict]) -> Verdict:
    """Holds if every part holds; the text names each part's outcome.

    If a part fails the whole fails; if none fails but one cannot be tested, neither can the whole.
    """
    verdicts = [part.verdict for part in parts.values()]
    whole = FAILS if FAILS in verdicts else NOT_TESTABLE if NOT_TESTABLE in verdicts else HOLDS
    text = "; ".join(f"{name}: {part.ours}, {part.verdict}" for name, part in parts.items())
    tests = list(dict.fromkeys(part.test for part in parts.values()))
    why = "; ".join(dict.fromkeys(part.why for part in parts.values() if part.why))
    seeds = max(part.seeds for part in parts.values())
    return Verdict(whole, text, f"all of: {'; '.join(tests)}", seeds, why)


def rank_agreement(
    ours: np.ndarray, published: Sequence[float], *, resamples: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """Spearman's rank correlation of two orders of the same methods, with a 95 % interval.

    The interval is the percentile bootstrap over the methods; in every resample the seeds of ours
    are drawn anew as well. With few methods it is wide, and that is what it is for.

    Args:
        ours: ``(methods, seeds)``.
        published: ``(methods,)``.
        resamples: of the bootstrap.
        seed: of its draws.

    Returns:
        the correlation of the means over seeds, and the ends of its interval.

    Raises:
        ValueError: if the two do not hold the same number of methods, at least three.
    """
    scores, other = np.asarray(ours, float), np.asarray(published, float)
    if scores.ndim != 2 or other.shape != scores.shape[:1] or len(other) < 3:
        raise ValueError(
            f"ours {scores.shape} and published {other.shape}: expected (methods, seeds) and "
            "(methods,) with at least 3 methods"
        )
    rng = np.random.default_rng(seed)
    rows = rng.integers(len(other), size=(resamples, len(other)))
    columns = rng.integers(scores.shape[1], size=(resamples, len(other), scores.shape[1]))
    drawn = scores[rows[..., None], columns].mean(2)
    with np.errstate(invalid="ignore"):  # a resample of one method alone has no correlation
        values = _spearman(drawn, other[rows])
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(_spearman(scores.mean(1)[None], other[None])[0]), float(low), float(high)


def _spearman(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Rank correlation of the rows of two ``(n, methods)`` arrays, ties at their mean rank."""
    x, y = (stats.rankdata(values, axis=1) for values in (a, b))
    x, y = (ranks - ranks.mean(1, keepdims=True) for ranks in (x, y))
    return (x * y).sum(1) / np.sqrt((x**2).sum(1) * (y**2).sum(1))


@dataclass(frozen=True)
class Row:
    """A claim and its verdict.

    Attributes:
        id: unique within the chapter, say ``"4"`` or ``"4a"``.
        claim: what the paper says, one sentence.
        paper: the paper's own figures, with their place in it.
        verdict: from one of the tests of this module.
        figure: label of the figure or table that decides it.
        why: the best explanation, above all where a claim fails.
    """

    id: str
    claim: str
    paper: str
    verdict: Verdict
    figure: str = ""
    why: str = ""

    def as_dict(self) -> dict[str, object]:
        """The row as it is saved."""
        return {
            "id": self.id,
            "claim": self.claim,
            "paper": self.paper,
            **asdict(self.verdict),
            "figure": self.figure,
            "why": self.why or self.verdict.why,
        }


@dataclass
class Ledger:
    """The claims of one chapter.

    Attributes:
        path: the JSON file that ``save`` writes.
        rows: claims in the order in which they were added.
    """

    path: Path
    rows: list[dict[str, object]] = field(default_factory=list)

    def add(self, *rows: Row) -> None:
        """Add claims.

        Raises:
            ValueError: if an id stands already.
        """
        for row in rows:
            if any(known["id"] == row.id for known in self.rows):
                raise ValueError(f"claim {row.id!r} is in the ledger already")
            self.rows.append(row.as_dict())

    def table(self) -> pd.DataFrame:
        """The claims as a table for the reader."""
        frame = pd.DataFrame(self.rows).set_index("id").rename_axis(None)
        return frame[["claim", "paper", "ours", "verdict", "why"]].rename(columns={"ours": "here"})

    def totals(self) -> dict[str, int]:
        """Number of claims by verdict."""
        return {
            verdict: sum(row["verdict"] == verdict for row in self.rows) for verdict in VERDICTS
        }

    def save(self) -> None:
        """Write the claims as JSON, atomically."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(self.rows, indent=1, ensure_ascii=False), encoding="utf-8")
        temporary.replace(self.path)
