"""Annotation models: how full truth becomes weak labels.

Pure functions of (truth, parameters, generator). The truth is an array, or what can be made one: a
list, a frame, a tensor. Observed multi-labels are int8: +1 annotated positive, 0 unknown, -1
annotated negative; candidate sets are bool, ``(N, K)``. Any NumPy generator will do, the legacy
``RandomState`` of the papers' code included.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from torch import Tensor

from weaklabels import checks

Rng = np.random.Generator | np.random.RandomState


def single_positive(truth: np.ndarray, rng: Rng) -> np.ndarray:
    """Keep one positive label per row, chosen uniformly; everything else becomes unknown.

    A row without positives stays wholly unknown.

    Args:
        truth: ``(N, C)`` in {0, 1}.
        rng: source of randomness.

    Returns:
        ``(N, C)`` int8 in {0, +1}.

    Raises:
        ValueError: if the truth is not as described.
    """
    return few_labels(truth, rng, positives=1, negatives=0)


def few_labels(truth: np.ndarray, rng: Rng, *, positives: int, negatives: int) -> np.ndarray:
    """Annotate at most so many positives and negatives per row, chosen uniformly.

    Row by row, the positives are shuffled and the first ones kept, then the negatives (shuffled
    even when none is kept), as in the code of Cole et al. (CVPR 2021): ``RandomState(1200)`` gives
    the papers' draw.

    Args:
        truth: ``(N, C)`` in {0, 1}.
        rng: source of randomness.
        positives, negatives: labels kept per row, where the row has that many.

    Returns:
        ``(N, C)`` int8 in {-1, 0, +1}.

    Raises:
        ValueError: if the truth is not as described, or a count is no whole number of at least 0.
    """
    truth = _present(truth)
    checks.generator(rng)
    checks.whole(positives, "positives")
    checks.whole(negatives, "negatives")
    checks.at_least(positives, 0, "positives")
    checks.at_least(negatives, 0, "negatives")
    observed = np.zeros(truth.shape, np.int8)
    for row, labels in enumerate(truth):
        for value, sign, count in ((1, 1, positives), (0, -1, negatives)):
            candidates = np.flatnonzero(labels == value)
            rng.shuffle(candidates)
            observed[row, candidates[:count]] = sign
    return observed


def keep_fraction(truth: np.ndarray, rate: float, rng: Rng) -> np.ndarray:
    """Annotate every label, positive or negative, independently with probability ``rate``.

    Args:
        truth: ``(N, C)`` in {0, 1}.
        rate: share of labels that are annotated, in [0, 1].
        rng: source of randomness.

    Returns:
        ``(N, C)`` int8 in {-1, 0, +1}.

    Raises:
        ValueError: if the truth is not as described, or the rate is not in [0, 1].
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"rate is {rate}: expected a share in [0, 1]")
    checks.generator(rng)
    truth = _present(truth)
    signed = 2 * np.asarray(truth, np.int8) - 1
    return np.where(rng.uniform(size=truth.shape) < rate, signed, 0).astype(np.int8)


def full(truth: np.ndarray) -> np.ndarray:
    """Annotate everything: +1 for present, -1 for absent.

    Args:
        truth: ``(N, C)`` in {0, 1}.

    Returns:
        ``(N, C)`` int8 in {-1, +1}.

    Raises:
        ValueError: if the truth is not as described.
    """
    return (2 * np.asarray(_present(truth), np.int8) - 1).astype(np.int8)


def labelled_share(truth: np.ndarray, share: float, rng: Rng) -> np.ndarray:
    """Annotate some rows fully and the others not at all (semi-supervised learning).

    The first ``int(share * N)`` rows of a random permutation are annotated: ``RandomState(1)``
    gives the draw of the CAP code.

    Args:
        truth: ``(N, C)`` in {0, 1}.
        share: of the rows, in (0, 1].
        rng: source of randomness.

    Returns:
        ``(N, C)`` int8 in {-1, 0, +1}.

    Raises:
        ValueError: if the truth is not as described, the share is not in [0, 1], or no row would be
            annotated.
    """
    truth = _present(truth)
    checks.generator(rng)
    checks.within(share, 0, 1, "share")
    count = int(share * len(truth))
    if not 1 <= count <= len(truth):
        raise ValueError(f"a share of {share} of {len(truth)} rows: expected at least one row")
    observed = np.zeros(truth.shape, np.int8)
    rows = rng.permutation(len(truth))[:count]
    observed[rows] = full(truth[rows])
    return observed


def candidates(truth: np.ndarray, rate: float, rng: Rng) -> np.ndarray:
    """Candidate sets: every true label, and each wrong one independently with ``rate``.

    Args:
        truth: ``(N, C)`` in {0, 1}.
        rate: in [0, 1].
        rng: source of randomness.

    Returns:
        ``(N, C)`` bool.

    Raises:
        ValueError: if the truth is not as described, or the rate is not in [0, 1].
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"rate is {rate}: expected a probability in [0, 1]")
    checks.generator(rng)
    truth = _present(truth)
    return (truth == 1) | (rng.uniform(size=truth.shape) < rate)


def uniform_candidates(
    truth: np.ndarray, classes: int, rng: Rng, *, official: bool = False
) -> np.ndarray:
    """Candidate sets that say nothing but "the truth is in here" (partial labels).

    Every set that holds the true label, but for the set of all classes, is equally likely: each
    other class joins with probability 1/2, and full rows are drawn again (RC/CC, NeurIPS 2020).

    The authors' generator (``official``) does something else: it draws the size s with probability
    C(K, s) / (2^K - 2) and then s - 1 wrong classes, so that with ten classes a set holds 5.00
    labels on average instead of 5.49.

    Args:
        truth: ``(N,)`` class numbers.
        classes: K, at least 2.
        rng: source of randomness; a ``RandomState`` gives the official code's draw.
        official: use the authors' generator.

    Returns:
        ``(N, K)`` bool.

    Raises:
        ValueError: if a class number or K is out of range.
    """
    truth = _class_numbers(truth, classes)
    checks.generator(rng)
    if official:
        return _official_uniform(truth, classes, rng)
    candidates = np.empty((len(truth), classes), bool)
    rows = np.arange(len(truth))
    while len(rows):
        candidates[rows] = rng.uniform(size=(len(rows), classes)) < 0.5
        candidates[rows, truth[rows]] = True
        rows = rows[candidates[rows].all(1)]
    return candidates


def _official_uniform(truth: np.ndarray, classes: int, rng: Rng) -> np.ndarray:
    sizes = np.array([math.comb(classes, s) for s in range(1, classes)])
    # Searched in float32, as the authors' tensors are.
    steps = np.cumsum((sizes / sizes.sum()).astype(np.float32), dtype=np.float32)
    drawn = rng.uniform(size=len(truth)).astype(np.float32)
    wrong = np.minimum(np.searchsorted(steps, drawn), classes - 2)
    place = _permutations(len(truth), classes, rng).argsort(1)
    # A class's place among the wrong ones: the truth, which is skipped, moves those behind it up.
    own = place[np.arange(len(truth)), truth][:, None]
    return (place - (place > own) < wrong[:, None]) | _one_hot(truth, classes)


def _permutations(rows: int, size: int, rng: Rng) -> np.ndarray:
    """Independent permutations, ``(rows, size)``."""
    if isinstance(rng, np.random.RandomState):  # it has no vectorised form
        drawn = [rng.permutation(size) for _ in range(rows)]
        return np.array(drawn, int).reshape(rows, size)
    return rng.permuted(np.tile(np.arange(size), (rows, 1)), axis=1)


def flip_candidates(
    truth: np.ndarray, classes: int, q: float, rng: Rng, *, singletons: bool = False
) -> np.ndarray:
    """Candidate sets by the flipping probability: each wrong class joins with probability ``q``.

    Rows that no wrong class has joined follow PRODEN's reference code: one wrong class, chosen
    uniformly, is added, so that every set has at least two labels. With ``singletons`` they stay as
    they are. Sets of all classes are kept.

    Args:
        truth: ``(N,)`` class numbers.
        classes: K, at least 2.
        q: in [0, 1].
        rng: source of randomness; a ``RandomState`` gives the reference code's draw.
        singletons: allow sets that hold the true label alone.

    Returns:
        ``(N, K)`` bool.

    Raises:
        ValueError: if a class number, K or q is out of range.
    """
    truth = _class_numbers(truth, classes)
    if not 0 <= q <= 1:
        raise ValueError(f"q is {q}: expected a probability in [0, 1]")
    checks.generator(rng)
    own = _one_hot(truth, classes)
    if isinstance(rng, np.random.RandomState):
        return _reference_flips(own, q, rng, singletons)
    candidates = (rng.uniform(size=own.shape) < q) | own
    if not singletons:
        alone = np.flatnonzero(candidates.sum(1) == 1)
        shift = rng.integers(1, classes, len(alone))
        candidates[alone, (truth[alone] + shift) % classes] = True
    return candidates


def _reference_flips(
    own: np.ndarray, q: float, rng: np.random.RandomState, singletons: bool
) -> np.ndarray:
    """The stream of PRODEN's code: the rows' draws are interleaved with the added classes'."""
    candidates = own.copy()
    for row in candidates:
        row |= rng.binomial(1, q, len(row)) == 1
        while not singletons and row.sum() == 1:
            row[rng.randint(0, len(row))] = True
    return candidates


def class_dependent_candidates(truth: np.ndarray, transition: np.ndarray, rng: Rng) -> np.ndarray:
    """Candidate sets in which label j joins those of class y with probability ``transition[y, j]``.

    Args:
        truth: ``(N,)`` class numbers.
        transition: ``(K, K)`` probabilities (see ``cyclic_transition``); the diagonal is ignored.
        rng: source of randomness.

    Returns:
        ``(N, K)`` bool.

    Raises:
        ValueError: if a class number or a probability is out of range.
    """
    transition = np.asarray(transition)
    classes = len(transition)
    checks.shaped(transition, (classes, classes), "K, K", "transition")
    checks.probabilities(transition.ravel().tolist(), "transition")
    checks.generator(rng)
    truth = _class_numbers(truth, classes)
    drawn = rng.uniform(size=(len(truth), classes))
    return (drawn < transition[truth]) | _one_hot(truth, classes)


def cyclic_transition(
    classes: int, rates: tuple[float, ...], *, both_ways: bool = False
) -> np.ndarray:
    """Label (y + d) mod K joins class y with probability ``rates[d - 1]``, ``(K, K)`` float64.

    With ``both_ways`` so does (y - d) mod K. In the LW code (ICML 2021) type 01 is ``(0.5,)`` and
    type 04 ``(0.5, 0.3, 0.1)`` both ways.

    Raises:
        ValueError: if there are not more classes than rates, or a rate is not in [0, 1].
    """
    checks.at_least(classes, len(rates) + 1, "classes")
    checks.probabilities(rates, "rates")
    transition = np.zeros((classes, classes))
    labels = np.arange(classes)
    for distance, rate in enumerate(rates, start=1):
        transition[labels, (labels + distance) % classes] = rate
        if both_ways:
            transition[labels, (labels - distance) % classes] = rate
    return transition


def noisy_labels(truth: np.ndarray, transition: np.ndarray, rng: Rng) -> np.ndarray:
    """Wrong single labels: class y is given as class j with probability ``transition[y, j]``.

    Args:
        truth: ``(N,)`` class numbers.
        transition: ``(K, K)`` probabilities, every row sums to 1 (see ``symmetric_noise`` and
            ``asymmetric_noise``).
        rng: source of randomness; one number is drawn per example.

    Returns:
        ``(N,)`` int64 given labels.

    Raises:
        ValueError: if a class number or the transition is not as described.
    """
    transition = np.asarray(transition, float)
    checks.shaped(transition, (len(transition), len(transition)), "K, K", "transition")
    checks.shares(transition, "rows of transition")
    checks.generator(rng)
    truth = _class_numbers(truth, len(transition))
    drawn = rng.uniform(size=len(truth))
    # The last class takes what rounding leaves of the row's total.
    return (drawn[:, None] >= transition.cumsum(1)[truth, :-1]).sum(1)


def symmetric_noise(classes: int, rate: float) -> np.ndarray:
    """Transition in which a label is wrong with probability ``rate``, uniformly among the others.

    ``(K, K)`` float64, for ``noisy_labels``. (Some papers draw the wrong label among all K classes:
    their rate r is r (K - 1) / K here.)

    Raises:
        ValueError: if the rate is not in [0, 1], or there are fewer than two classes.
    """
    checks.at_least(classes, 2, "classes")
    others = np.ones((classes, classes)) - np.eye(classes)
    return (1 - _share(rate)) * np.eye(classes) + rate / (classes - 1) * others


def asymmetric_noise(
    classes: int, rate: float, mistaken_for: tuple[int, ...] | None = None
) -> np.ndarray:
    """Transition in which class c is given as ``mistaken_for[c]`` with probability ``rate``.

    ``(K, K)`` float64, for ``noisy_labels``. By default every class is mistaken for the next one,
    the last for the first (pair flipping); a class mistaken for itself stays clean.

    Raises:
        ValueError: if the rate is not in [0, 1], or ``mistaken_for`` is not a class for each class.
    """
    next_ones = (np.arange(classes) + 1) % classes
    wrong = next_ones if mistaken_for is None else np.asarray(mistaken_for)
    checks.class_numbers(wrong, classes, "mistaken_for")
    checks.same_shape("K", classes=next_ones, mistaken_for=wrong)
    return (1 - _share(rate)) * np.eye(classes) + rate * np.eye(classes)[wrong]


def _share(rate: float) -> float:
    if not 0 <= rate <= 1:
        raise ValueError(f"rate is {rate}: expected a share in [0, 1]")
    return rate


def _one_hot(truth: np.ndarray, classes: int) -> np.ndarray:
    return truth[:, None] == np.arange(classes)


def _present(truth: Any) -> np.ndarray:
    """A truth ``(N, C)`` in {0, 1} as an array; raises ValueError."""
    checks.present_or_absent(truth)
    return _array(truth)


def _class_numbers(truth: Any, classes: int) -> np.ndarray:
    """Class numbers ``(N,)`` as int64; raises ValueError."""
    if classes < 2:
        raise ValueError(f"classes is {classes}: candidate sets need at least 2")
    checks.class_numbers(truth, classes, "truth")
    return _array(truth).astype(np.int64)


def _array(truth: Any) -> np.ndarray:
    return truth.detach().cpu().long().numpy() if isinstance(truth, Tensor) else np.asarray(truth)
