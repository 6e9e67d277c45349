"""Labels from crowds: simulated workers, sparse answers, and inference without a network.

Answers are ``(n, R)`` int64: what worker r said about example i, -1 where they were not asked. A
worker's confusion is ``(K, K)``: row true class, column answer; rows sum to 1. All workers' are
``(R, K, K)``, but in ``reliability`` and ``network_posterior`` ``(K, K, R)``, as in the official
code.
"""

from __future__ import annotations

import numpy as np

from weaklabels import checks

FLOOR = 1e-10
"""Smallest share that counts as possible, before rows are normalised."""


def draw_workers(
    count: int,
    classes: int,
    rng: np.random.Generator,
    *,
    right: tuple[float, float] = (0.3, 0.8),
    concentration: float = 0.5,
) -> np.ndarray:
    """Confusions of random workers, ``(count, K, K)``.

    Each is right on each class at a rate drawn from ``right``; a Dirichlet distribution says how
    the wrong answers are spread (small concentrations: the same mistake again and again).

    Raises:
        TypeError: if ``rng`` is no generator.
        ValueError: if there is one class, a rate is no probability, or the concentration not finite
            and above 0.
    """
    checks.generator(rng)
    checks.at_least(classes, 2, "classes")
    checks.probabilities(right, "right")
    checks.at_least(concentration, 0, "concentration", above=True)
    checks.number(concentration, "concentration", finite=True)
    rates = rng.uniform(*right, size=(count, classes))
    spread = rng.dirichlet(np.full(classes - 1, concentration), size=(count, classes))
    confusion = np.empty((count, classes, classes))
    for c in range(classes):
        confusion[:, c, c] = rates[:, c]
        others = np.arange(classes) != c
        confusion[:, c, others] = (1 - rates[:, c, None]) * spread[:, c]
    return confusion


def answer(
    truth: np.ndarray, confusion: np.ndarray, asked: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Answers of the workers that are asked, ``(n, R)``; -1 elsewhere.

    Args:
        truth: ``(n,)``.
        confusion: ``(R, K, K)``.
        asked: ``(n, R)`` bool.
        rng: source of randomness; one number is drawn for each pair, asked or not.

    Raises:
        TypeError: if the arrays are no NumPy arrays, or ``rng`` is no generator.
        ValueError: if a truth is no class, a row of a confusion does not add up to 1, or the shapes
            do not fit.
    """
    checks.instances(np.ndarray, truth=truth, confusion=confusion, asked=asked)
    checks.generator(rng)
    checks.shaped(confusion, (None, None, confusion.shape[-1]), "R, K, K", "confusion")
    checks.shaped(asked, (None, len(confusion)), "n, R", "asked")
    checks.class_numbers(truth, confusion.shape[1], "truth")
    checks.shares(confusion, "rows of confusion")
    checks.same_length(truth=truth, asked=asked)
    checks.boolean(asked, "asked")
    drawn = rng.uniform(size=asked.shape)
    steps = confusion[:, truth].cumsum(2).transpose(1, 0, 2)[:, :, :-1]
    return np.where(asked, (drawn[:, :, None] >= steps).sum(2), -1)


def few_workers(possible: np.ndarray, mean: float, rng: np.random.Generator) -> np.ndarray:
    """Which workers are asked: 1 + Poisson(mean - 1) of the possible ones for each example.

    Args:
        possible: ``(n, R)`` bool; an example is asked about at most as often as it allows.
        mean: number of answers, at least 1.
        rng: source of randomness.

    Raises:
        TypeError: if what is possible is no NumPy array, or ``rng`` no generator.
        ValueError: if the mean is below 1, or what is possible not ``(n, R)`` bool.
    """
    checks.instances(np.ndarray, possible=possible)
    checks.generator(rng)
    checks.same_shape("n, R", least=0, possible=possible)
    checks.boolean(possible, "possible")
    checks.at_least(mean, 1, "mean")
    wanted = 1 + rng.poisson(mean - 1, len(possible))
    turn = np.where(possible, rng.uniform(size=possible.shape), 2).argsort(1).argsort(1)
    return (turn < wanted[:, None]) & possible


def votes(answers: np.ndarray, classes: int) -> np.ndarray:
    """Number of answers for each class, ``(n, K)`` float64.

    Raises:
        TypeError: if the answers are no NumPy array.
        ValueError: if an answer is neither a class nor -1, or masked.
    """
    checks.instances(np.ndarray, answers=answers)
    checks.whole(classes, "classes")
    checks.same_shape("n, R", least=0, answers=answers)
    if answers.dtype.kind not in "iu":  # a gap as NaN would count as no answer, and so would 0.5
        raise ValueError(f"answers are {answers.dtype}: expected whole numbers, -1 for none")
    if ((answers < -1) | (answers >= classes)).any():
        raise ValueError(
            f"answers from {answers.min()} to {answers.max()}: expected -1 (none) to {classes - 1}"
        )
    return (answers[:, :, None] == np.arange(classes)).sum(1).astype(float)


def class_counts(answers: np.ndarray, classes: int) -> np.ndarray:
    """Number of annotations of each class, ``(K,)`` int64.

    Raises:
        TypeError: if the answers are no NumPy array.
        ValueError: if an answer is neither a class nor -1, or masked.
    """
    checks.instances(np.ndarray, answers=answers)
    checks.answers(answers, classes)
    return np.bincount(answers[answers >= 0], minlength=classes)


def majority_vote(
    answers: np.ndarray, classes: int, rng: np.random.Generator | None = None
) -> np.ndarray:
    """The most frequent answer, ``(n,)``; ties at random, or to the smallest class without ``rng``.

    An example without answers counts as a tie of all classes.
    """
    count = votes(answers, classes)
    if rng is not None:
        count = count + 0.5 * rng.uniform(size=count.shape)
    return count.argmax(1)


def dawid_skene(
    answers: np.ndarray, classes: int, *, iterations: int = 50, smoothing: float = 0.01
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """EM for the truth and the workers' confusions (Dawid and Skene, 1979), from vote shares.

    An example without answers plays no part; its posterior is the class shares. What keeps this
    beside crowd-kit's is the smoothing; without it the values are those of crowd-kit, to which the
    tests hold it.

    Args:
        answers: at least one in all.
        classes: K.
        iterations: E- and M-steps.
        smoothing: added to every count, so that few answers do not make certainties.

    Returns:
        posterior ``(n, K)``, class shares ``(K,)``, confusions ``(R, K, K)``.

    Raises:
        TypeError: if the answers are no NumPy array.
        ValueError: if no answer is given, one is neither a class nor -1, or masked, the smoothing
            is not finite, or it or the iterations are below 0.
    """
    checks.at_least(smoothing, 0, "smoothing")
    checks.number(smoothing, "smoothing", finite=True)
    checks.whole(iterations, "iterations")
    checks.at_least(iterations, 0, "iterations")
    count = votes(answers, classes)
    answered = count.any(1)
    if not answered.any():
        raise ValueError("no answer is given: there is nothing to infer from")
    given = (answers[:, :, None] == np.arange(classes))[answered]
    posterior = count[answered] / count[answered].sum(1, keepdims=True)
    shares, confusion = _maximise(posterior, given, smoothing)
    for _ in range(iterations):
        scores = np.log(np.maximum(shares, FLOOR)) + _evidence(
            given, np.log(np.maximum(confusion, FLOOR))
        )
        posterior = _normalised(scores)
        shares, confusion = _maximise(posterior, given, smoothing)
    everyone = np.tile(shares, (len(answers), 1))
    everyone[answered] = posterior
    return everyone, shares, confusion


def _maximise(
    posterior: np.ndarray, given: np.ndarray, smoothing: float
) -> tuple[np.ndarray, np.ndarray]:
    counts = np.einsum("ic,irl->rcl", posterior, given.astype(float)) + smoothing
    # What a worker never says tells nothing about anybody, and takes no share without smoothing.
    possible = np.asarray(given.any(0))[:, None] | (smoothing > 0)
    counts = np.where(possible, np.maximum(counts, FLOOR), 0)
    return posterior.mean(0), counts / np.maximum(counts.sum(2, keepdims=True), FLOOR)


def _evidence(given: np.ndarray, logs: np.ndarray) -> np.ndarray:
    """Log-likelihood of an example's answers under each class, ``(n, K)``."""
    return np.einsum("irl,rcl->ic", given.astype(float), logs)


def _normalised(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def _check(predictions: np.ndarray) -> None:
    bad = np.flatnonzero(~np.isfinite(predictions).all(1))
    if len(bad):
        raise ValueError(f"the prediction of example {bad[0]} is not finite")


def reliability(answers: np.ndarray, predictions: np.ndarray, prior: float = 1.0) -> np.ndarray:
    """The workers' confusions as the EM of CrowdLayer estimates them, ``(K, K, R)``.

    The worker comes last, unlike in the ``(R, K, K)`` of this module's other functions:
    ``[c, l, r]`` is (prior + expected answers l of worker r to class c) / expected answers to
    class c. As in the official code the prior is not in the divisor, so rows need not sum to 1.

    Args:
        answers: every worker has at least one.
        predictions: ``(n, K)`` class probabilities of a network.
        prior: added to every count.

    Raises:
        TypeError: if the arrays are no NumPy arrays.
        ValueError: if a prediction is not finite, or no probability, an answer is neither a class
            nor -1, or the prior is not finite and at least 0.
    """
    checks.instances(np.ndarray, answers=answers, predictions=predictions)
    checks.same_shape("n, K", least=0, predictions=predictions)
    checks.at_least(prior, 0, "prior")
    checks.number(prior, "prior", finite=True)
    _check(predictions)
    checks.answers(answers, predictions.shape[1])
    checks.same_length(answers=answers, predictions=predictions)
    checks.within(predictions, 0, 1, "predictions")
    classes = predictions.shape[1]
    given = (answers[:, :, None] == np.arange(classes)).astype(float)
    counts = np.einsum("ic,irl->clr", predictions, given)
    return (prior + counts) / np.maximum(counts.sum(1, keepdims=True), FLOOR)


def network_posterior(
    answers: np.ndarray, predictions: np.ndarray, confusion: np.ndarray
) -> np.ndarray:
    """E-step of CrowdLayer's EM, ``(n, K)``: network times workers, normalised.

    Args:
        answers: ``(n, R)``.
        predictions: ``(n, K)`` class probabilities.
        confusion: ``(K, K, R)``, from ``reliability``. Those of ``dawid_skene`` and of
            ``draw_workers`` are ``(R, K, K)``; where R = K nothing tells the two apart.

    Raises:
        TypeError: if the arrays are no NumPy arrays.
        ValueError: if a prediction or a confusion is not finite, a prediction is no probability, an
            answer neither a class nor -1, or the confusions are not those of as many classes and
            workers.
    """
    checks.instances(np.ndarray, answers=answers, predictions=predictions, confusion=confusion)
    checks.same_shape("n, K", least=0, predictions=predictions)
    checks.same_shape("n, R", least=0, answers=answers)
    expected = (predictions.shape[1], predictions.shape[1], answers.shape[1])
    checks.shaped(confusion, expected, "K, K, R", "confusion")
    _check(predictions)
    if not np.isfinite(confusion).all():
        raise ValueError("the confusions are not all finite")
    checks.answers(answers, predictions.shape[1])
    checks.same_length(answers=answers, predictions=predictions)
    checks.within(predictions, 0, 1, "predictions")
    given = answers[:, :, None] == np.arange(predictions.shape[1])
    logs = np.log(np.maximum(confusion, FLOOR)).transpose(2, 0, 1)
    return _normalised(np.log(np.maximum(predictions, FLOOR)) + _evidence(given, logs))
