"""Claims and their tests: what a paper says, what was measured here, and an outcome by rule.

A claim *holds* if the interval of its effect lies on the claim's side, it *fails* if the interval
excludes every effect that would count, and it is *open* if the interval allows both. So an outcome
speaks of what is known, and more seeds can only turn what is open into one of the others, but for
errors at the rate of 5 %. All intervals have two one-sided 95 % ends.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from weaklabels.press.verdicts import FAILS, HOLDS, MOST_SEEDS, NOT_TESTABLE, OPEN

T = TypeVar("T")

LEVEL = 0.95
"""Confidence of each end of an interval."""

WORTH = 0.5
"""The smallest effect that counts, in percent points, where the paper gives no effect."""

LARGEST_WORTH = 1.0
"""The largest one, in percent points, where it does: half of the paper's effect, but not more."""

ONE_SEED = "one seed shows no spread: use at least 3"


@dataclass(frozen=True)
class Part:
    """One test within a verdict.

    Attributes:
        name: what is compared; empty where a verdict has one part.
        kind: ``"comparison"``, ``"margin"``, ``"every seed"``, ``"order"``, ``"exact"`` or
            ``"not testable"``.
        outcome: one of ``OUTCOMES``.
        effect, low, high: what was measured, and the ends of its interval; None of exact
            statements.
        worth: smallest effect that would count.
        margin: what the claim itself asks for, beyond which the interval must lie.
        paper_effect: the paper's effect on the same scale, if it gives one.
        seeds: how many repetitions stand behind it; 0 for an exact statement.
        needed: where open, how many seeds would decide at the effect and spread seen; None if
            more than ``MOST_SEEDS``.
        values: ``(seeds,)``, of which the effect is the mean: differences, or 1 where a seed passes
            and 0 where not; empty for other kinds.
        p_fails: probability of a result as low as this if the effect were what would count.
    """

    name: str
    kind: str
    outcome: str
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    worth: float | None = None
    margin: float | None = None
    paper_effect: float | None = None
    seeds: int = 0
    needed: int | None = None
    values: tuple[float, ...] = ()
    p_fails: float = 1.0

    def as_dict(self) -> dict[str, object]:
        """The part as it is saved."""
        kept = asdict(self)
        del kept["p_fails"]
        return kept


@dataclass(frozen=True)
class Verdict:
    """The outcome of a test.

    Attributes:
        outcome: one of ``OUTCOMES``.
        ours: what was measured, with its spread.
        test: the rule that was applied.
        parts: the tests of which it is made.
        why: the reason why it cannot be tested.
    """

    outcome: str
    ours: str
    test: str
    parts: tuple[Part, ...]
    why: str = ""

    @property
    def seeds(self) -> int:
        """The largest number of repetitions behind a part."""
        return max(part.seeds for part in self.parts)


def lettered(letters: Sequence[str], items: Iterable[T]) -> Iterator[tuple[str, T]]:
    """Items with the letters of their rows; letters may be left over.

    Raises:
        ValueError: if there are more items, whose rows would be lost.
    """
    found = list(items)
    if len(found) > len(letters):
        raise ValueError(f"{len(found)} rows: expected at most {len(letters)}, one a letter")
    return zip(letters, found, strict=False)


def mean_std(values: Sequence[float] | np.ndarray, digits: int = 1) -> str:
    """``"84.1 ± 0.6"``; a single value stands alone. The std is the sample's (n - 1)."""
    array = np.asarray(values, float)
    if array.size == 1:
        return f"{array[0]:.{digits}f}"
    return f"{array.mean():.{digits}f} ± {array.std(ddof=1):.{digits}f}"


def greater(
    ours: Sequence[float],
    other: Sequence[float],
    *,
    margin: float = 0.0,
    worth: float | None = None,
    paper_effect: float | None = None,
    digits: int = 1,
) -> Verdict:
    """Is ``ours`` larger than ``other``, paired by seed, by more than ``margin``?

    The effect is the mean paired difference with its t-interval. The claim holds if the lower end
    is above ``margin``; it fails if the upper end is below ``worth`` (or below the margin, if that
    is larger). A negative margin claims that ours is no worse by so much: this fails if the upper
    end is below the margin.

    Args:
        ours, other: ``(seeds,)``, paired.
        margin: that the claim itself states.
        worth: smallest effect that would count. By default half of the paper's effect, at most
            ``LARGEST_WORTH``, or ``WORTH`` without one: for values in percent. On other scales it
            must be given.
        paper_effect: the difference in the paper, on the same scale.
        digits: of the numbers in the text.

    Raises:
        ValueError: if the two are not paired or empty, or hold a value that is not finite.
    """
    a, b = _paired(ours, other)
    if worth is None:
        worth = WORTH if paper_effect is None else min(abs(paper_effect) / 2, LARGEST_WORTH)
    decisive = margin if margin < 0 else max(worth, margin)
    test = f"mean paired difference > {margin:g}; fails below {decisive:g}; 95 % t-interval ends"
    lead = float((a - b).mean())
    text = f"{mean_std(a, digits)} against {mean_std(b, digits)}: {lead:+.{digits}f}"
    kind = "margin" if margin < 0 else "comparison"
    part = Part(
        "",
        kind,
        NOT_TESTABLE,
        worth=worth,
        margin=margin,
        paper_effect=paper_effect,
        seeds=len(a),
        values=tuple((a - b).tolist()),
    )
    if len(a) == 1:
        return Verdict(NOT_TESTABLE, text, test, (part,), ONE_SEED)
    part = _decided(part, a - b, margin, decisive)
    text += f" [{part.low:+.{digits}f}, {part.high:+.{digits}f}]"
    if part.outcome == HOLDS and margin >= 0 and lead < worth:
        text += ", small"
    return Verdict(part.outcome, text, test, (part,))


def _paired(ours: Sequence[float], other: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(ours, float), np.asarray(other, float)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ValueError(f"paired values have shapes {a.shape} and {b.shape}: expected (seeds,)")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("a value to be compared is not finite: expected numbers only")
    return a, b


def _decided(part: Part, difference: np.ndarray, margin: float, decisive: float) -> Part:
    """A comparison with its interval and its outcome (see ``greater``)."""
    effect, low, high = interval(difference)
    outcome = HOLDS if low > margin else FAILS if high < decisive else OPEN
    return replace(
        part,
        outcome=outcome,
        effect=effect,
        low=low,
        high=high,
        needed=seeds_needed(difference, margin, decisive) if outcome == OPEN else None,
        p_fails=_p_below(difference, decisive),
    )


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Mean and both one-sided 95 % ends of the t-interval of some ``(n,)`` values.

    The ends are infinite for one value, and the mean itself where all are the same.
    """
    mean = float(values.mean())
    if len(values) == 1:
        return mean, -np.inf, np.inf
    if _same(values):
        return mean, mean, mean
    ends = stats.ttest_1samp(values, 0.0).confidence_interval(2 * LEVEL - 1)
    return mean, float(ends.low), float(ends.high)


def seeds_needed(difference: np.ndarray, margin: float, decisive: float) -> int | None:
    """Number of seeds at which mean and spread as seen would decide (see ``greater``)."""
    n = np.arange(2, MOST_SEEDS + 1)
    half = stats.t.ppf(LEVEL, n - 1) * difference.std(ddof=1) / np.sqrt(n)
    decided = (difference.mean() - half > margin) | (difference.mean() + half < decisive)
    return int(n[decided][0]) if decided.any() else None


def _same(values: np.ndarray) -> bool:
    """Whether values differ by rounding only; SciPy's tests want a spread."""
    return bool(np.ptp(values) <= 1e-12 * np.abs(values).max())


def _p_below(difference: np.ndarray, effect: float) -> float:
    """p-value of the difference being below an effect, one-sided."""
    if _same(difference):
        return float(difference.mean() >= effect)
    return float(stats.ttest_1samp(difference, effect, alternative="less").pvalue)


def every_seed(outcomes: Sequence[bool], ours: str, test: str) -> Verdict:
    """Does a test come out in every seed (at least two)?

    The share of seeds that pass, with its Clopper-Pearson interval: holds if the lower end is above
    one half (five of five), fails if the upper end is below.
    """
    passed = np.asarray(outcomes, bool)
    count, n = int(passed.sum()), len(passed)
    text, test = f"{ours} ({count} of {n} seeds)", f"{test}, in every seed"
    part = Part(
        "", "every seed", NOT_TESTABLE, seeds=n, values=tuple(passed.astype(float).tolist())
    )
    if n < 2:
        return Verdict(NOT_TESTABLE, text, test, (part,), ONE_SEED)
    low, high = map(float, _share(count, n))
    outcome = HOLDS if low > 0.5 else FAILS if high < 0.5 else OPEN
    needed = None
    if outcome == OPEN:
        sizes = np.arange(n + 1, MOST_SEEDS + 1)
        lows, highs = _share(np.round(sizes * count / n), sizes)
        deciding = sizes[(lows > 0.5) | (highs < 0.5)]
        needed = int(deciding[0]) if len(deciding) else None
    p = float(stats.binomtest(count, n, 0.5, alternative="less").pvalue)
    part = replace(
        part,
        outcome=outcome,
        effect=count / n,
        low=low,
        high=high,
        worth=0.5,
        needed=needed,
        p_fails=p,
    )
    return Verdict(outcome, text, test, (part,))


def _share(count: ArrayLike, n: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both one-sided 95 % ends of shares, after Clopper and Pearson."""
    count, n = np.asarray(count, float), np.asarray(n, float)
    low = np.where(count > 0, stats.beta.ppf(1 - LEVEL, np.maximum(count, 1), n - count + 1), 0)
    high = np.where(count < n, stats.beta.ppf(LEVEL, count + 1, np.maximum(n - count, 1)), 1)
    return low, high


def exact(passed: bool, ours: str, test: str) -> Verdict:
    """Verdict on a statement without randomness (a closed form, an identity)."""
    outcome = HOLDS if passed else FAILS
    return Verdict(outcome, ours, test, (Part("", "exact", outcome, p_fails=float(passed)),))


def not_testable(why: str) -> Verdict:
    """A claim that this setting cannot decide, with the reason."""
    return Verdict(NOT_TESTABLE, "-", "-", (Part("", "not testable", NOT_TESTABLE),), why)


def order(correlation: float, low: float, high: float, ours: str) -> Verdict:
    """Is the order of methods that of the paper: the interval of a rank correlation above 0?

    Args:
        correlation, low, high: see ``rank_agreement``.
        ours: what was measured, in words.
    """
    outcome = HOLDS if low > 0 else FAILS if high < 0 else OPEN
    part = Part("", "order", outcome, correlation, low, high, p_fails=float(high >= 0))
    text = f"{ours}: {correlation:.2f} [{low:.2f}, {high:.2f}]"
    return Verdict(outcome, text, "interval of the rank correlation above 0", (part,))


def all_of(verdicts: Mapping[str, Verdict]) -> Verdict:
    """A claim that consists of several: holds if every part holds.

    It fails if a part fails at 5 % divided by the number of parts (Holm's first step), and is open
    otherwise; if nothing fails and a part cannot be tested, neither can the whole.
    """
    named = {name: _named(name, verdict) for name, verdict in verdicts.items()}
    parts = tuple(part for each in named.values() for part in each)
    outcomes = {part.outcome for part in parts}
    doubtful = [part for part in parts if part.outcome != HOLDS]  # a small effect holds as well
    if any(part.p_fails <= (1 - LEVEL) / len(parts) for part in doubtful):
        whole = FAILS
    elif NOT_TESTABLE in outcomes:
        whole = NOT_TESTABLE
    else:
        whole = HOLDS if outcomes == {HOLDS} else OPEN
    text = "; ".join(f"{name}: {each.ours}, {each.outcome}" for name, each in verdicts.items())
    tests = list(dict.fromkeys(each.test for each in verdicts.values()))
    why = "; ".join(dict.fromkeys(each.why for each in verdicts.values() if each.why))
    return Verdict(whole, text, f"all of: {'; '.join(tests)}", parts, why)


def _named(name: str, verdict: Verdict) -> tuple[Part, ...]:
    return tuple(
        replace(part, name=f"{name}, {part.name}" if part.name else name) for part in verdict.parts
    )


def rank_agreement(
    ours: np.ndarray, published: Sequence[float], *, resamples: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """Spearman's rank correlation of two orders of the same methods, with a 95 % interval.

    The interval is the percentile bootstrap over the methods; in every resample the seeds of ours
    are drawn anew as well, the same for all methods, which share them. A bootstrap of one level,
    such as SciPy's, does not do that. With few methods it is wide, and that is what it is for.

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
    columns = rng.integers(scores.shape[1], size=(resamples, 1, scores.shape[1]))
    drawn = scores[rows[..., None], columns].mean(2)
    with warnings.catch_warnings():  # a resample of one method alone has no correlation
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        values = stats.spearmanrho(drawn, other[rows], axis=1).statistic
        found = stats.spearmanrho(scores.mean(1), other).statistic
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(found), float(low), float(high)


@dataclass(frozen=True)
class Row:
    """A claim and its verdict.

    Attributes:
        id: unique within the chapter, say ``"4"`` or ``"4a"``.
        claim: what the paper says, one sentence.
        paper: the paper's own figures, with their place in it.
        verdict: from one of the tests of this module.
        figure: label of the figure or table that decides it.
        why: outcome -> the best explanation of it; beside another outcome it is not printed.
    """

    id: str
    claim: str
    paper: str
    verdict: Verdict
    figure: str = ""
    why: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """The row as it is saved."""
        return {
            "id": self.id,
            "claim": self.claim,
            "paper": self.paper,
            "test": self.verdict.test,
            "ours": self.verdict.ours,
            "outcome": self.verdict.outcome,
            "seeds": self.verdict.seeds,
            "figure": self.figure,
            "why": self.why.get(self.verdict.outcome, self.verdict.why),
            "parts": [part.as_dict() for part in self.verdict.parts],
        }
