"""LfOSA: active learning for open-set annotation (Ning et al., CVPR 2022), and its comparators.

Class numbers 0..K-1 are the known classes; K stands for "unknown", all others together. A query
strategy looks at a pool and returns the rows to be annotated, best first.

The room trains by ``train.fit`` and not by ``lab.execute``, which trains one network on one
training set: here every round trains new ones on the rows that are annotated so far, and what they
find decides which rows the next round has.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import brentq
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits
from torch import Tensor, nn
from torch.nn import functional as F

from weaklabels import checks
from weaklabels.dropout import dropout_passes
from weaklabels.methods.base import Method, register
from weaklabels.models import Network


def detector_loss(
    logits: Tensor, labels: Tensor, *, temperature: float = 0.5, unknown_temperature: float = 0.5
) -> Tensor:
    r"""Mean over examples of :math:`-\ln\mathrm{softmax}(a/T)_y`.

    Args:
        logits: ``(B, K + 1)``.
        labels: ``(B,)`` int64 in 0..K; K, the last output, is "unknown".
        temperature, unknown_temperature: T of known and of unknown examples.

    Raises:
        ValueError: if a label is not in 0..K, or a temperature not above 0.
    """
    checks.one_a_row(logits, labels)
    checks.class_numbers(labels, logits.shape[1], wait=False)
    checks.at_least(temperature, 0, "temperature", above=True)
    checks.at_least(unknown_temperature, 0, "unknown_temperature", above=True)
    known = (labels < logits.shape[1] - 1)[:, None]
    divisor = torch.where(
        known, logits.new_tensor(temperature), logits.new_tensor(unknown_temperature)
    )
    return F.cross_entropy(logits / divisor, labels)


@register("LfOSA")
class Detector(Method):
    """Trains the detector; ``observed`` is ``(N,)`` in 0..K (see ``detector_loss``).

    Args:
        temperature: of known examples.
        unknown_temperature: of unknown ones; by default the same.

    Raises:
        ValueError: if a temperature is not above 0.
    """

    label_form = "classes"

    def __init__(self, temperature: float = 0.5, unknown_temperature: float | None = None) -> None:
        checks.at_least(temperature, 0, "temperature", above=True)
        checks.at_least(unknown_temperature, 0, "unknown_temperature", above=True)
        self.temperature = temperature
        self.unknown_temperature = unknown_temperature or temperature

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        return detector_loss(
            logits,
            self.observed[index],
            temperature=self.temperature,
            unknown_temperature=self.unknown_temperature,
        )


@register("LfOSA classifier")
class Classifier(Method):
    """Plain cross-entropy on the labelled examples of known classes."""

    label_form = "classes"

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        return F.cross_entropy(logits, self.observed[index])


@dataclass(frozen=True)
class Mixture:
    """Two Gaussians on a line, the one with the smaller mean first.

    Attributes:
        means, deviations, weights: ``(2,)`` float64.
    """

    means: np.ndarray
    deviations: np.ndarray
    weights: np.ndarray

    def densities(self, values: np.ndarray) -> np.ndarray:
        """Weighted densities ``(N, 2)``."""
        return np.exp(self._log_densities(values))

    def posterior(self, values: np.ndarray) -> np.ndarray:
        """Probability ``(N,)`` of the Gaussian with the larger mean."""
        low, high = self._log_densities(values).T
        # Far from both, exp may overflow: the posterior is 0 there.
        with np.errstate(over="ignore"):
            return 1 / (1 + np.exp(low - high))

    def _log_densities(self, values: np.ndarray) -> np.ndarray:
        scaled = (np.asarray(values, float)[:, None] - self.means) / self.deviations
        norm = np.log(self.weights) - np.log(self.deviations * np.sqrt(2 * np.pi))
        return norm - scaled**2 / 2


def fit_mixture(values: np.ndarray, seed: int = 0) -> Mixture:
    """Fit two Gaussians by EM, with the official settings.

    Args:
        values: ``(N,)``, at least two.
        seed: of the k-means that EM starts from.
    """
    model = GaussianMixture(2, max_iter=10, tol=1e-2, reg_covar=5e-4, random_state=seed)
    with warnings.catch_warnings():  # ten steps need not converge, equal values make one cluster
        warnings.simplefilter("ignore")
        model.fit(np.asarray(values, float)[:, None])
    order = np.argsort(model.means_[:, 0], kind="stable")
    deviations = np.sqrt(model.covariances_[:, 0, 0])
    return Mixture(model.means_[order, 0], deviations[order], model.weights_[order])


def known_posterior(
    values: np.ndarray, predicted: np.ndarray, classes: int, seed: int = 0
) -> np.ndarray:
    """w(x): how surely a maximum activation belongs to the upper of two Gaussians of its class.

    Args:
        values: ``(N,)`` maximum activation values.
        predicted: ``(N,)`` predicted classes.
        classes: classes 0..classes-1 have a mixture each. All other examples have w = 0, and so do
            those of a class that is predicted fewer than two times.
        seed: of the mixtures.

    Returns:
        ``(N,)`` float64 in [0, 1].

    Raises:
        ValueError: if the lengths differ.
    """
    checks.same_shape("N", least=0, values=values, predicted=predicted)
    scores = np.zeros(len(values))
    with threadpool_limits(1):  # the same bits whatever the number of cores
        for c in range(classes):
            rows = np.flatnonzero(predicted == c)
            if len(rows) >= 2:
                scores[rows] = fit_mixture(values[rows], seed).posterior(values[rows])
    return scores


def maximum_activation(logits: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Largest raw logit (no temperature) of each row and its class, ``(N,)`` each."""
    values, predicted = logits.max(1)
    return values.double().cpu().numpy(), predicted.cpu().numpy()


def largest(scores: np.ndarray, budget: int) -> np.ndarray:
    """Rows of the ``budget`` largest scores, best first; equal scores in the order of the rows.

    Raises:
        ValueError: if scores have no order or no sign, or the budget is negative.
    """
    checks.rankable(np.asarray(scores), "scores")
    checks.at_least(budget, 0, "budget")
    return np.argsort(-np.asarray(scores), kind="stable")[:budget]


def balanced(
    scores: np.ndarray, predicted: np.ndarray, classes: int, budget: int, *, sure: float = 0.5
) -> np.ndarray:
    """Rows with large scores, taken in turn from the predicted classes (not in the paper).

    First the best row of every class, then the second best, and so on. Rows with a score of at
    most ``sure``, and those of other classes, come after all others.

    Args:
        scores, predicted: ``(N,)``.
        classes: classes 0..classes-1 take turns.
        budget: rows wanted.
        sure: threshold.

    Raises:
        ValueError: if the lengths differ, scores have no order or no sign, or the budget is
            negative.
    """
    checks.same_shape("N", least=0, scores=scores, predicted=predicted)
    checks.rankable(scores, "scores")
    checks.at_least(budget, 0, "budget")
    order = np.argsort(-np.asarray(scores), kind="stable")
    turn = np.empty(len(order), int)
    for c in np.unique(predicted):
        mine = order[predicted[order] == c]
        turn[mine] = np.arange(len(mine))
    late = (scores <= sure) | (predicted >= classes)
    return np.lexsort((-scores, np.where(late, 0, turn), late))[:budget]


def entropy(logits: Tensor) -> Tensor:
    """Entropy of the softmax of each row, in nats."""
    logs = torch.log_softmax(logits, 1)
    return -(logs.exp() * logs).sum(1)


def mutual_information(logits: Tensor) -> Tensor:
    """BALD: entropy of the mean prediction minus mean entropy, nats.

    Args:
        logits: ``(passes, N, K)``, one network drawn by dropout each.
    """
    p = torch.softmax(logits, 2)
    mean = p.mean(0)
    of_mean = -torch.special.xlogy(mean, mean).sum(1)
    return of_mean + torch.special.xlogy(p, p).sum(2).mean(0)


def k_centre_greedy(candidates: Tensor, centres: Tensor, budget: int) -> np.ndarray:
    """Core-set: again and again the candidate that is farthest from all centres becomes one.

    Args:
        candidates: ``(N, D)`` features.
        centres: ``(M, D)`` features of the labelled examples, M >= 1.
        budget: centres to add.

    Raises:
        ValueError: if a feature is not a number, or the budget is negative.
    """
    checks.rankable(candidates, "candidates")
    checks.rankable(centres, "centres")
    checks.at_least(budget, 0, "budget")
    gap = torch.cdist(candidates, centres).amin(1)
    picked = []
    for _ in range(min(budget, len(candidates))):
        row = int(gap.argmax())
        picked.append(row)
        gap = torch.minimum(gap, (candidates - candidates[row]).norm(dim=1))
        gap[picked] = -1.0  # a copy of a centre is as near, but a centre is not taken twice
    return np.array(picked, int)


@dataclass(frozen=True)
class WeibullTail:
    """Distribution of large distances: Weibull, moved so that its smallest value lies at 1.

    Attributes:
        start: smallest distance of the tail.
        shape, scale: of the moved values; shape infinite for a step at ``start``.
    """

    start: float
    shape: float
    scale: float

    @classmethod
    def fit(cls, distances: np.ndarray, tail: int = 20) -> WeibullTail:
        """Maximum likelihood on the ``tail`` largest distances (at least one).

        Raises:
            ValueError: if the tail is empty.
        """
        checks.at_least(tail, 1, "tail")
        values = np.sort(np.asarray(distances, float))[-tail:]
        start = float(values[0])
        x = values - start + 1
        logs = np.log(x)
        if logs[-1] < 1e-9:
            return cls(start, np.inf, 1.0)

        def slope(shape: float) -> float:
            powers = np.exp(shape * (logs - logs[-1]))
            return (powers * logs).sum() / powers.sum() - 1 / shape - logs.mean()

        high = 1.0
        while slope(high) < 0:
            high *= 2
        shape = brentq(slope, 1e-6, high)
        scale = np.exp(logs[-1]) * np.mean(np.exp(shape * (logs - logs[-1]))) ** (1 / shape)
        return cls(start, float(shape), float(scale))

    def cdf(self, distances: np.ndarray) -> np.ndarray:
        """Share of the tail below each distance."""
        x = np.asarray(distances, float) - self.start + 1
        if np.isinf(self.shape):
            return (x > 1).astype(float)
        powers = np.minimum((np.maximum(x, 0) / self.scale) ** self.shape, 700)
        return -np.expm1(-powers)


def openmax_unknown(
    pool: np.ndarray, labelled: np.ndarray, labels: np.ndarray, tail: int = 20
) -> np.ndarray:
    """Probability of "unknown" by OpenMax (Bendale and Boult, CVPR 2016).

    Args:
        pool: ``(N, K)`` logits.
        labelled: ``(M, K)`` logits of the labelled examples.
        labels: ``(M,)`` in 0..K-1, every class at least once.
        tail: how many of the largest distances a class's Weibull distribution is fitted to.

    Raises:
        ValueError: if a label is none of the classes, a class has no example, or the tail is empty.
    """
    checks.class_numbers(labels, pool.shape[1])
    checks.every_class(labels, pool.shape[1])
    checks.at_least(tail, 1, "tail")
    count, classes = pool.shape
    right = labelled.argmax(1) == labels
    outlying = np.empty((count, classes))
    for c in range(classes):
        mine = labels == c
        vectors = labelled[mine & right] if (mine & right).any() else labelled[mine]
        mean = vectors.mean(0)
        fitted = WeibullTail.fit(np.linalg.norm(vectors - mean, axis=1), tail)
        outlying[:, c] = fitted.cdf(np.linalg.norm(pool - mean, axis=1))
    rank = np.argsort(np.argsort(-pool, axis=1, kind="stable"), axis=1, kind="stable")
    removed = pool * outlying * (classes - rank) / classes
    logits = np.concatenate([pool - removed, removed.sum(1, keepdims=True)], 1)
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers[:, -1] / powers.sum(1)


@dataclass(frozen=True)
class Situation:
    """What a strategy knows when it chooses.

    Attributes:
        predict: gives a network's logits of inputs, such as ``weaklabels.train.predict``: how a
            network is trained and asked is the caller's matter.
        classifier: K outputs, trained on the labelled examples.
        detector: K + 1 outputs; None if the strategy does not ask for one.
        pool: ``(N, ...)`` inputs to choose from.
        labelled, labels: the labelled examples of known classes.
        classes: K.
        budget: rows wanted.
        seed: of whatever is drawn.
    """

    predict: Callable[[nn.Module, Tensor], Tensor]
    classifier: Network
    detector: Network | None
    pool: Tensor
    labelled: Tensor
    labels: Tensor
    classes: int
    budget: int
    seed: int = 0

    def trained_detector(self) -> Network:
        """The detector.

        Raises:
            ValueError: if there is none.
        """
        if self.detector is None:
            raise ValueError("this strategy asks the detector: train one")
        return self.detector

    def known_scores(self, *, detector: bool) -> tuple[np.ndarray, np.ndarray]:
        """w(x) of the pool and its predicted classes, by the detector or by the classifier."""
        network = self.trained_detector() if detector else self.classifier
        values, predicted = maximum_activation(self.predict(network, self.pool))
        return known_posterior(values, predicted, self.classes, self.seed % 2**31), predicted


Strategy = Callable[[Situation], np.ndarray]


def _random(s: Situation) -> np.ndarray:
    return np.random.default_rng(s.seed).permutation(len(s.pool))[: s.budget]


def _uncertainty(s: Situation) -> np.ndarray:
    return largest(entropy(s.predict(s.classifier, s.pool)).cpu().numpy(), s.budget)


def _certainty(s: Situation) -> np.ndarray:
    return largest(maximum_activation(s.predict(s.classifier, s.pool))[0], s.budget)


def _coreset(s: Situation) -> np.ndarray:
    body = Network(s.classifier.features, s.classifier.pool, nn.Identity())
    return k_centre_greedy(s.predict(body, s.pool), s.predict(body, s.labelled), s.budget)


def _openmax(s: Situation) -> np.ndarray:
    pool, labelled = (
        s.predict(s.classifier, x).double().cpu().numpy() for x in (s.pool, s.labelled)
    )
    return largest(-openmax_unknown(pool, labelled, s.labels.cpu().numpy()), s.budget)


def _bald(s: Situation) -> np.ndarray:
    device = next(s.classifier.parameters()).device
    scores = []
    for rows in torch.arange(len(s.pool)).split(2000):
        x = s.pool[rows].to(device)
        x = x.float() / 255 if x.dtype == torch.uint8 else x
        scores.append(mutual_information(dropout_passes(s.classifier, x, 20, s.seed)))
    return largest(torch.cat(scores).cpu().numpy(), s.budget)


def _without_detector(s: Situation) -> np.ndarray:
    return largest(s.known_scores(detector=False)[0], s.budget)


def _lfosa(s: Situation) -> np.ndarray:
    return largest(s.known_scores(detector=True)[0], s.budget)


def _without_mixtures(s: Situation) -> np.ndarray:
    values, predicted = maximum_activation(s.predict(s.trained_detector(), s.pool))
    return largest(np.where(predicted < s.classes, values, -np.inf), s.budget)


def _lfosa_balanced(s: Situation) -> np.ndarray:
    scores, predicted = s.known_scores(detector=True)
    return balanced(scores, predicted, s.classes, s.budget)


STRATEGIES: dict[str, Strategy] = {
    "Random": _random,
    "Uncertainty": _uncertainty,
    "BALD": _bald,
    "Coreset": _coreset,
    "Certainty": _certainty,
    "OpenMax": _openmax,
    "AV+GMM": _without_detector,
    "LfOSA, no GMM": _without_mixtures,
    "LfOSA": _lfosa,
    "LfOSA, balanced": _lfosa_balanced,
}
"""Name -> rows of the pool to query, best first.

"AV+GMM" is LfOSA with the classifier in place of the detector; "no GMM" ranks by the maximum
activation itself; "balanced" takes turns among the predicted classes.
"""


def needs_detector(strategy: str) -> bool:
    """Whether a strategy trains the network with K + 1 outputs."""
    return strategy.startswith("LfOSA")
