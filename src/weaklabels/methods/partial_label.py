r"""Learning from candidate sets: the averages, and the comparators that several chapters share.

Each example comes with a set :math:`S_i` of candidate labels, one of which is true. Candidates are
``(N, K)`` bool; losses take logits ``(B, K)`` and average over the batch. Methods that keep a
weight for every example and class hold them in ``weights`` ``(N, K)``.

Sources: CC and RC (Feng et al., NeurIPS 2020), PRODEN (Lv et al., ICML 2020), LW (Wen et al.,
ICML 2021), each after its authors' code.
"""

from __future__ import annotations

import math
from typing import ClassVar, TypedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from weaklabels import checks
from weaklabels.methods.base import Context, Method, Predict, register
from weaklabels.models import Network

LW_EPSILON = 1e-8
"""Added in the logarithms and in every entry of the denominators of the LW code."""

REFRESH = ("post_step", "pre_step")


def uniform_weights(candidates: Tensor) -> Tensor:
    """Equal weights for the candidates of a row, ``(N, K)`` with rows that sum to 1.

    Candidates in a floating-point type give weights of that type, others of the default one.

    Raises:
        ValueError: if a row has no candidate, or a candidate is neither 0 nor 1.
    """
    checks.candidates(candidates)
    return candidates / candidates.sum(1, keepdim=True)


def weighted_cross_entropy(logits: Tensor, weights: Tensor, reduction: str = "mean") -> Tensor:
    r"""Cross-entropy against constant weights, :math:`-\frac1B\sum_i\sum_j w_{ij}\log p_{ij}`.

    Args:
        logits: ``(B, K)``.
        weights: ``(B, K)``, not negative; no gradient flows into them.
        reduction: ``"mean"`` over the rows, or ``"none"`` for ``(B,)``.

    Raises:
        ValueError: if the reduction is unknown, or if the shapes differ.
    """
    checks.same_shape("B, K", least=0, logits=logits, weights=weights)
    rows = -(weights.detach() * F.log_softmax(logits, 1)).sum(1)
    if reduction not in ("mean", "none"):
        raise ValueError(f"unknown reduction {reduction!r}: expected 'mean' or 'none'")
    return rows.mean() if reduction == "mean" else rows


def average_loss(logits: Tensor, candidates: Tensor) -> Tensor:
    r"""The averaging strategy: :math:`-\frac1B\sum_i\frac1{|S_i|}\sum_{j\in S_i}\log p_{ij}`.

    Raises:
        ValueError: if the candidates are not bool, one for every logit and at least one a row.
    """
    checks.candidates(candidates, logits)
    return weighted_cross_entropy(logits, uniform_weights(candidates.to(logits.dtype)))


def cc_loss(logits: Tensor, candidates: Tensor) -> Tensor:
    r"""CC, classifier-consistent: :math:`-\frac1B\sum_i\log\sum_{j\in S_i}p_{ij}`.

    The sum stands inside the logarithm; the mean of the logarithms would be ``average_loss``.

    Raises:
        ValueError: if the candidates are not bool, one for every logit and at least one a row.
    """
    checks.candidates(candidates, logits)
    inside = logits.masked_fill(~candidates, -math.inf).logsumexp(1)
    return (logits.logsumexp(1) - inside).mean()


def candidate_posterior(logits: Tensor, candidates: Tensor) -> Tensor:
    r"""Softmax over the candidates alone, :math:`p_{ij}/\sum_{l\in S_i}p_{il}` (RC, PRODEN).

    Raises:
        ValueError: if the candidates are not bool, one for every logit and at least one a row.
    """
    checks.candidates(candidates, logits)
    return logits.masked_fill(~candidates, -math.inf).softmax(1)


def best_candidate(scores: Tensor, candidates: Tensor) -> Tensor:
    """The candidate with the largest score, ``(B,)`` int64; the first index on ties.

    Raises:
        ValueError: if the candidates are not bool, one for every score and at least one a row.
    """
    checks.candidates(candidates, scores)
    if not scores.is_floating_point():
        scores = scores.to(torch.get_default_dtype())
    return scores.masked_fill(~candidates, -math.inf).argmax(1)


def lw_sigmoid(logits: Tensor, candidates: Tensor, weights: Tensor, beta: float = 2.0) -> Tensor:
    r"""LW with the sigmoid loss :math:`\psi(z)=\sigma(-z)`.

    :math:`\frac1B\sum_i\big[\sum_{j\in S_i}w_{ij}\sigma(-z_{ij})
    +\beta\sum_{j\notin S_i}w_{ij}\sigma(z_{ij})\big]`.

    Args:
        logits: ``(B, K)``.
        candidates: ``(B, K)`` bool.
        weights: ``(B, K)``, constant.
        beta: the leverage of the non-candidates.

    Raises:
        ValueError: if the candidates are not bool, one for every logit and at least one a row, or
            the weights have another shape.
    """
    checks.candidates(candidates, logits)
    checks.same_shape("B, K", least=0, logits=logits, weights=weights)
    entries = torch.sigmoid(torch.where(candidates, -logits, logits))
    return _leveraged(entries, candidates, weights, beta)


def lw_cross_entropy(
    logits: Tensor, candidates: Tensor, weights: Tensor, beta: float = 2.0
) -> Tensor:
    r"""LW with the logarithmic loss: :math:`-\log p` inside the set, :math:`-\log(1-p)` outside.

    Arguments as in ``lw_sigmoid``. 1e-8 is added inside both logarithms, as in the authors' code.

    Raises:
        ValueError: if the candidates are not bool, one for every logit and at least one a row, or
            the weights have another shape.
    """
    checks.candidates(candidates, logits)
    checks.same_shape("B, K", least=0, logits=logits, weights=weights)
    p = at_least_single(logits).softmax(1)
    entries = -torch.log(torch.where(candidates, p, 1 - p) + LW_EPSILON)
    return _leveraged(entries, candidates, weights, beta)


def _leveraged(entries: Tensor, candidates: Tensor, weights: Tensor, beta: float) -> Tensor:
    leverage = torch.where(candidates, 1.0, float(beta)).to(entries.dtype)
    return (leverage * weights.detach() * entries).sum(1).mean()


def lw_weights(logits: Tensor, candidates: Tensor) -> Tensor:
    """LW's weights: softmax renormalised among the candidates, and apart among the others.

    So a row sums to 2 (to 1 where every class is a candidate). Every entry of a denominator has
    1e-8 added, those outside its group included.

    Raises:
        ValueError: if the candidates are not bool, one for every logit and at least one a row.
    """
    checks.candidates(candidates, logits)
    p = at_least_single(logits).softmax(1)
    slack = logits.shape[1] * LW_EPSILON
    inside = (p * candidates).sum(1, keepdim=True) + slack
    outside = (p * ~candidates).sum(1, keepdim=True) + slack
    return p / torch.where(candidates, inside, outside)


def at_least_single(values: Tensor) -> Tensor:
    """The values in float32, or in float64 if they are: half precision has no room for 1e-8."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def updated_logits(model: nn.Module, x: Tensor, mode: str) -> Tensor:
    """Logits of a batch after the optimiser's step, without gradient.

    Args:
        model: in training mode, in which it is left.
        x: ``(B, ...)``.
        mode: ``"train"``, as in the authors' code: batch norm uses and updates the batch's
            statistics, dropout is drawn again; or ``"eval"``.
    """
    with torch.no_grad():
        if mode == "train":
            return model(x)
        model.eval()
        logits = model(x)
        model.train()
        return logits


class CandidateMethod(Method):
    """What all methods on candidate sets share: the check of the sets, and the weights.

    Attributes:
        weights: ``(N, K)``; equal for the candidates of a row at the start.
    """

    label_form = "candidates"
    state: ClassVar[tuple[str, ...]] = ("weights",)

    def __init__(self, *, mode: str = "train") -> None:
        if mode not in ("train", "eval"):
            raise ValueError(f"mode is {mode!r}: expected 'train' or 'eval'")
        self.mode = mode

    def start(self, context: Context) -> None:
        """Take the candidate sets.

        Raises:
            ValueError: if a set is empty.
        """
        super().start(context)
        if empty := (~self.observed.any(1)).nonzero().flatten().tolist():
            raise ValueError(f"example {empty[0]} has no candidate label ({len(empty)} such)")
        self.weights = uniform_weights(self.observed)

    def trace(self) -> dict[str, Tensor]:
        return {"weights": self.weights}

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        return weighted_cross_entropy(logits, self.weights[index])

    def _store(self, index: Tensor, weights: Tensor) -> None:
        """Set the weights of some rows; those of logits in half precision become full ones."""
        self.weights[index] = weights.to(self.weights.dtype)


@register("IM-avg")
class Average(CandidateMethod):
    """The averaging strategy: every candidate counts equally, to the end.

    On sets that hold only the truth this is ordinary supervised training.
    """


@register("CC")
class ClassifierConsistent(CandidateMethod):
    """CC: the probability of the candidate set is made large."""

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        return cc_loss(logits, self.observed[index])


@register("RC")
class RiskConsistent(CandidateMethod):
    """RC: candidates are weighted by the network's own posterior among them.

    Args:
        refresh: ``"post_step"`` (RC): new weights from a second forward pass after the step;
            ``"pre_step"`` (PRODEN): from the pass of the loss, and a weight once 0 stays 0.
        mode: of the second pass (see ``updated_logits``).
    """

    def __init__(self, refresh: str = "post_step", *, mode: str = "train") -> None:
        super().__init__(mode=mode)
        if refresh not in REFRESH:
            raise ValueError(f"refresh is {refresh!r}: expected one of {', '.join(REFRESH)}")
        self.refresh = refresh

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        weights = self.weights[index]
        if self.refresh == "pre_step":
            self._store(index, candidate_posterior(logits.detach(), weights > 0))
        return weighted_cross_entropy(logits, weights)

    def after_step(self, model: Network, x: Tensor, index: Tensor) -> None:
        if self.refresh == "post_step":
            logits = updated_logits(model, x, self.mode)
            self._store(index, candidate_posterior(logits, self.observed[index]))


@register("PRODEN")
class Proden(RiskConsistent):
    """PRODEN: RC's weights, taken from the forward pass of the loss."""

    def __init__(self, refresh: str = "pre_step", *, mode: str = "train") -> None:
        super().__init__(refresh, mode=mode)


class Leveraged(CandidateMethod):
    """What the two forms of LW share.

    Args:
        beta: the leverage of the non-candidates; 1 or 2 in the paper.
        mode: of the second pass (see ``updated_logits``).
    """

    def __init__(self, beta: float = 2.0, *, mode: str = "train") -> None:
        super().__init__(mode=mode)
        if beta < 0:
            raise ValueError(f"beta is {beta}: expected a leverage of at least 0")
        self.beta = beta

    def start(self, context: Context) -> None:
        super().start(context)
        self.weights = torch.full_like(self.weights, 1 / self.observed.shape[1])

    def after_step(self, model: Network, x: Tensor, index: Tensor) -> None:
        logits = updated_logits(model, x, self.mode)
        self._store(index, lw_weights(logits, self.observed[index]))


@register("LWS")
class LeveragedSigmoid(Leveraged):
    """LW with the sigmoid loss; needs batch norm to train on small networks."""

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        return lw_sigmoid(logits, self.observed[index], self.weights[index], self.beta)


@register("LWC")
class LeveragedCrossEntropy(Leveraged):
    """LW with the logarithmic loss."""

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        return lw_cross_entropy(logits, self.observed[index], self.weights[index], self.beta)


class Identification(TypedDict, total=False):
    """Settings of ``Identify``."""

    online: bool
    mode: str
    smoothing: float


class Identify(CandidateMethod):
    """The identification strategy: train on the one candidate that a rule holds to be true.

    Up to epoch ``start_epoch`` all candidates count equally. The labels are identified after each
    step of that epoch and of all later ones, by a second forward pass, and used at the example's
    next visit; so they come into use in epoch ``start_epoch`` + 1 and are up to an epoch old.

    Args:
        start_epoch: T0; 0 identifies all labels with the initial network (in evaluation mode).
        online: identify on the forward pass of the loss and use the labels at once, without a
            second pass.
        mode: of the second pass (see ``updated_logits``).
        smoothing: share of the target spread evenly over all classes.
    """

    def __init__(
        self,
        start_epoch: int = 1,
        *,
        online: bool = False,
        mode: str = "train",
        smoothing: float = 0.0,
    ) -> None:
        super().__init__(mode=mode)
        if start_epoch < 0:
            raise ValueError(f"start_epoch is {start_epoch}: expected 0 or more")
        self.start_epoch = start_epoch
        self.online = online
        self.smoothing = smoothing

    def choose(self, logits: Tensor, candidates: Tensor) -> Tensor:
        """The candidates held to be true, ``(B,)`` int64."""
        raise TypeError(f"{type(self).__name__} must define choose(logits, candidates)")

    def identify(self, model: Network, x: Tensor, candidates: Tensor) -> Tensor:
        """The labels of a batch after the step, ``(B,)`` int64."""
        return self.choose(updated_logits(model, x, self.mode), candidates)

    def before_epoch(self, epoch: int, predict: Predict) -> None:
        super().before_epoch(epoch, predict)
        if epoch == 1 and self.start_epoch == 0:
            self.weights = self._targets(self.choose(predict(), self.observed))

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        if self.online and self.epoch > self.start_epoch:
            self._store(index, self._targets(self.choose(logits.detach(), self.observed[index])))
        return super().loss(logits, index)

    def after_step(self, model: Network, x: Tensor, index: Tensor) -> None:
        if not self.online and self.epoch >= self.start_epoch:
            self._store(index, self._targets(self.identify(model, x, self.observed[index])))

    def _targets(self, labels: Tensor) -> Tensor:
        targets = F.one_hot(labels, self.observed.shape[1]).to(self.weights.dtype)
        return smooth(targets, self.smoothing) if self.smoothing else targets


def smooth(targets: Tensor, smoothing: float) -> Tensor:
    """Label smoothing: ``smoothing`` of each target is spread evenly over all K classes."""
    return (1 - smoothing) * targets + smoothing / targets.shape[1]


@register("IM-max")
class MostProbable(Identify):
    """Hard self-training: the network's own most probable candidate is held to be true."""

    def choose(self, logits: Tensor, candidates: Tensor) -> Tensor:
        return best_candidate(logits, candidates)
