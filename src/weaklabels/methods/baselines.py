"""Losses that several papers compare with, for labels that are partly unknown.

All take logits ``(B, C)`` and observed labels ``(B, C)`` (+1 positive, 0 unknown, -1 negative) and
average over all B * C entries, the ignored ones included, as the papers' code does. ``epsilon`` is
the constant inside the logarithm, 1e-5 in the code of Cole et al. (CVPR 2021); 0 gives the exact
logit form.
"""

from __future__ import annotations

import math
from typing import TypedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from weaklabels import checks
from weaklabels.methods.base import (
    Context,
    Method,
    at_least_float32,
    negative_log_sigmoid,
    register,
    told,
)

EPSILON = 1e-5


class Focus(TypedDict, total=False):
    """Settings of the asymmetric loss (see ``asymmetric``)."""

    focus_positive: float
    focus_negative: float
    margin: float


def assume_negative(logits: Tensor, observed: Tensor, epsilon: float = EPSILON) -> Tensor:
    """AN: unknown labels are taken to be negative."""
    return weighted_assume_negative(logits, observed, 1.0, epsilon)


def ignore_unobserved(logits: Tensor, observed: Tensor, epsilon: float = EPSILON) -> Tensor:
    """IU: unknown labels contribute nothing (and stay in the divisor).

    With every label known this is plain binary cross-entropy; with positives only, calling
    everything positive minimises it.

    Raises:
        ValueError: if the labels are not +1, 0 and -1 for every logit.
    """
    checks.observed(logits, observed)
    signed = logits * observed
    return (negative_log_sigmoid(signed, epsilon) * observed.abs()).mean()


def partial_cross_entropy(logits: Tensor, observed: Tensor) -> Tensor:
    """Binary cross-entropy, the mean over the known labels (0 if there are none).

    IU with the number of known labels as divisor; the partial BCE inside SST and SARB.

    Raises:
        ValueError: if the labels are not +1, 0 and -1 for every logit.
    """
    checks.observed(logits, observed)
    known = (observed != 0).sum().clamp(min=1)
    return ignore_unobserved(logits, observed, 0.0) * (observed.numel() / known)


def durand_cross_entropy(logits: Tensor, observed: Tensor) -> Tensor:
    r"""Partial BCE of Durand, Mehrasa and Mori (CVPR 2019), averaged over the images.

    An image with a share q of its C labels known contributes :math:`g(q)/C` times the sum of the
    losses of its known labels; :math:`g(q)=-4.45\,q+5.45`, so that g(1) = 1 and g(0.1) = 5. The
    constants are those of a re-implementation by others; the authors' code is not public.

    Raises:
        ValueError: if the labels are not +1, 0 and -1 for every logit.
    """
    checks.observed(logits, observed)
    share = (observed != 0).float().mean(1, keepdim=True)
    entries = negative_log_sigmoid(logits * observed) * observed.abs()
    return ((5.45 - 4.45 * share) * entries).mean()


def weighted_assume_negative(
    logits: Tensor, observed: Tensor, weight: float | None = None, epsilon: float = EPSILON
) -> Tensor:
    """WAN / DW: as AN, with the unknown labels weighted.

    Args:
        logits: ``(B, C)``.
        observed: ``(B, C)``.
        weight: of an unknown label; ``None`` means 1 / (C - 1), the WAN of Cole et al.
        epsilon: inside the logarithm.

    Raises:
        ValueError: if the labels are not +1, 0 and -1 for every logit, or the weight is negative.
    """
    checks.observed(logits, observed)
    checks.at_least(weight, 0, "weight")
    if weight is None:
        weight = 1 / max(logits.shape[1] - 1, 1)
    positive = observed == 1
    entries = negative_log_sigmoid(torch.where(positive, logits, -logits), epsilon)
    if weight != 1:
        entries = torch.where(observed == 0, weight * entries, entries)
    return entries.mean()


def label_smoothing(
    logits: Tensor,
    observed: Tensor,
    smoothing: float = 0.1,
    epsilon: float = EPSILON,
    *,
    negatives_only: bool = False,
) -> Tensor:
    """LS (AN with label smoothing) and N-LS (only the assumed negatives are smoothed).

    The target of a positive is ``1 - smoothing``, that of all others ``smoothing``.

    Raises:
        ValueError: if the labels are not +1, 0 and -1 for every logit, or the smoothing is no
            share.
    """
    checks.observed(logits, observed)
    checks.within(smoothing, 0, 1, "smoothing")
    positive = observed == 1
    signed = torch.where(positive, logits, -logits)
    share = (smoothing * ~positive).to(logits.dtype) if negatives_only else smoothing
    return -torch.lerp(*_log_likelihoods(signed, epsilon), share).mean()


def _log_likelihoods(signed: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """Logarithms of the probability of each label and of its opposite, with one sigmoid."""
    if epsilon == 0:
        return F.logsigmoid(signed), F.logsigmoid(-signed)
    p = torch.sigmoid(signed)
    # Not (1 + epsilon) - p, which is 0 for p = 1 in half precision.
    return torch.log(p + epsilon), torch.log((1 - p) + epsilon)


def count_penalty(probabilities: Tensor, expected_positives: float) -> Tensor:
    """Squared gap between the batch's mean predicted count and the expected one, over C^2."""
    rows, classes = probabilities.shape
    return ((probabilities.sum() / rows - expected_positives) / classes) ** 2


def expected_positive_regularisation(
    logits: Tensor, observed: Tensor, expected_positives: float, epsilon: float = EPSILON
) -> Tensor:
    """EPR: positives only, plus a penalty on the expected number of positives (Cole et al.).

    Raises:
        ValueError: if the labels are not +1, 0 and -1 for every logit.
    """
    checks.observed(logits, observed)
    p = torch.sigmoid(logits)
    likelihood = torch.log(p + epsilon) if epsilon else F.logsigmoid(logits)
    return count_penalty(p, expected_positives) - (likelihood * (observed == 1)).mean()


def role_half(
    logits: Tensor,
    observed: Tensor,
    target: Tensor,
    expected_positives: float,
    epsilon: float = EPSILON,
) -> Tensor:
    """One side of ROLE: fit ``logits`` to soft targets ``(B, C)`` that receive no gradient.

    Raises:
        ValueError: if the labels are not +1, 0 and -1 for every logit, or the targets have another
            shape.
    """
    checks.observed(logits, observed)
    checks.same_shape("B, C", least=0, logits=logits, target=target)
    right = negative_log_sigmoid(logits, epsilon)
    wrong = negative_log_sigmoid(-logits, epsilon)
    cross = target * right + (1 - target) * wrong
    known = (right * (observed == 1)).mean()
    return known + cross.mean() + count_penalty(torch.sigmoid(logits), expected_positives)


def role(
    logits: Tensor,
    estimator_logits: Tensor,
    observed: Tensor,
    expected_positives: float,
    epsilon: float = EPSILON,
) -> Tensor:
    """ROLE: classifier and free label estimates ``(B, C)`` teach each other (Cole et al.).

    Raises:
        ValueError: if the labels are not +1, 0 and -1 for every logit, or the estimates have
            another shape.
    """
    checks.observed(logits, observed)
    checks.same_shape("B, C", least=0, logits=logits, estimator_logits=estimator_logits)
    p, q = torch.sigmoid(logits).detach(), torch.sigmoid(estimator_logits).detach()
    return 0.5 * role_half(logits, observed, q, expected_positives, epsilon) + 0.5 * role_half(
        estimator_logits, observed, p, expected_positives, epsilon
    )


def asymmetric(
    logits: Tensor,
    observed: Tensor,
    *,
    focus_positive: float = 0.0,
    focus_negative: float = 4.0,
    margin: float = 0.05,
    detach_weight: bool = True,
    reduction: str = "mean",
) -> Tensor:
    r"""ASL (Ridnik et al., ICCV 2021); all labels but the positives are taken to be negative.

    With :math:`p_m=\max(p-m,0)`: :math:`(1-p)^{\gamma_+}(-\ln p)` for a positive,
    :math:`p_m^{\gamma_-}(-\ln(1-p_m))` for the others; probabilities inside the logarithm are at
    least 1e-8, as in the authors' code. That code sums over the entries; here they are averaged, so
    that learning rates are comparable.

    Args:
        logits: ``(B, C)``; half precision is computed in float32.
        observed: ``(B, C)``.
        focus_positive: :math:`\gamma_+`; 0 in the authors' training script.
        focus_negative: :math:`\gamma_-`.
        margin: m, the probability below which a negative costs nothing.
        detach_weight: treat the focusing weight as a constant, as that script does.
        reduction: ``"mean"`` or ``"none"``.

    Raises:
        ValueError: if the reduction is unknown, or if the labels are not +1, 0 and -1 for every
            logit.
    """
    if reduction not in ("mean", "none"):
        raise ValueError(f"unknown reduction {reduction!r}: expected 'mean' or 'none'")
    checks.observed(logits, observed, flags=True)
    p = torch.sigmoid(at_least_float32(logits))
    right = torch.where(observed == 1, p, (1 - p + margin).clamp(max=1))
    # A power below 1 has no finite slope at 0.
    wrong = (1 - right).clamp(min=torch.finfo(p.dtype).tiny)
    weight = torch.where(observed == 1, wrong**focus_positive, wrong**focus_negative)
    entries = -torch.log(right.clamp(min=1e-8)) * (weight.detach() if detach_weight else weight)
    return entries.mean() if reduction == "mean" else entries


def focal(logits: Tensor, observed: Tensor, focus: float = 2.0, reduction: str = "mean") -> Tensor:
    """Focal loss without class weight (Lin et al., ICCV 2017), unknown labels taken as negative."""
    return asymmetric(
        logits,
        observed,
        focus_positive=focus,
        focus_negative=focus,
        margin=0.0,
        detach_weight=False,
        reduction=reduction,
    )


def initial_estimates(observed: Tensor, seed: int = 0) -> Tensor:
    """Initial label-estimate logits of ROLE, ``(N, C)`` float32.

    Annotated labels start at probability 0.995 or 0.005, unknown ones uniform between the logits
    of 0.4 and 0.6.

    Raises:
        ValueError: if the labels are not (N, C) in +1, 0 and -1.
    """
    checks.observed(observed, observed)
    generator = torch.Generator().manual_seed(seed)
    bound = math.log(0.6 / 0.4)
    unknown = (2 * torch.rand(observed.shape, generator=generator) - 1) * bound
    known = observed.cpu().float() * math.log(0.995 / 0.005)
    return torch.where(observed.cpu() == 0, unknown, known)


class _Stateless(Method):
    """A method that is only a loss function of (logits, observed)."""

    def __init__(self, epsilon: float = EPSILON) -> None:
        self.epsilon = epsilon


@register("AN")
class AssumeNegative(_Stateless):
    """Assume negative: every unknown label is trained as a negative."""

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        return assume_negative(logits, self.observed[index], self.epsilon)


@register("IU")
class IgnoreUnobserved(_Stateless):
    """Ignore unobserved; on fully annotated labels this is plain BCE."""

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        return ignore_unobserved(logits, self.observed[index], self.epsilon)


@register("Partial BCE")
class PartialCrossEntropy(Method):
    """Binary cross-entropy on the known labels; ``durand`` weights images by how many are known."""

    def __init__(self, *, durand: bool = False) -> None:
        self.durand = durand

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        function = durand_cross_entropy if self.durand else partial_cross_entropy
        return function(logits, self.observed[index])


@register("WAN")
class WeightedAssumeNegative(_Stateless):
    """Weak assume negative; ``weight=None`` is 1 / (C - 1). DW is the same with another weight.

    Raises:
        ValueError: if the weight is negative.
    """

    def __init__(self, weight: float | None = None, epsilon: float = EPSILON) -> None:
        checks.at_least(weight, 0, "weight")
        super().__init__(epsilon)
        self.weight = weight

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        return weighted_assume_negative(logits, self.observed[index], self.weight, self.epsilon)


@register("LSAN")
class LabelSmoothing(_Stateless):
    """AN with label smoothing; ``negatives_only`` gives N-LS.

    Raises:
        ValueError: if the smoothing is no share.
    """

    def __init__(
        self, smoothing: float = 0.1, epsilon: float = EPSILON, *, negatives_only: bool = False
    ) -> None:
        checks.within(smoothing, 0, 1, "smoothing")
        super().__init__(epsilon)
        self.smoothing = smoothing
        self.negatives_only = negatives_only

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        return label_smoothing(
            logits,
            self.observed[index],
            self.smoothing,
            self.epsilon,
            negatives_only=self.negatives_only,
        )


@register("ASL")
class Asymmetric(Method):
    """Asymmetric loss: negatives are focused harder than positives, very easy ones ignored.

    See ``asymmetric`` for the options.
    """

    def __init__(
        self,
        focus_positive: float = 0.0,
        focus_negative: float = 4.0,
        margin: float = 0.05,
        *,
        detach_weight: bool = True,
    ) -> None:
        self.focus: Focus = {
            "focus_positive": focus_positive,
            "focus_negative": focus_negative,
            "margin": margin,
        }
        self.detach_weight = detach_weight

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        observed = self.observed[index]
        return asymmetric(logits, observed, **self.focus, detach_weight=self.detach_weight)


@register("Focal")
class Focal(Method):
    """Focal loss on assumed negatives."""

    def __init__(self, focus: float = 2.0) -> None:
        self.focus = focus

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        return focal(logits, self.observed[index], self.focus)


@register("EPR")
class ExpectedPositives(_Stateless):
    """Expected positive regularisation; must be told the mean number of positives.

    Args:
        epsilon: inside the logarithm.
        count: expected instead of the number that it is told, to see what that is worth.

    Raises:
        ValueError: if the count is not above 0.
    """

    needs = frozenset({"expected_positives"})

    def __init__(self, epsilon: float = EPSILON, *, count: float | None = None) -> None:
        checks.at_least(count, 0, "count", above=True)
        super().__init__(epsilon)
        self.count = count

    def start(self, context: Context) -> None:
        super().start(context)
        self.expected_positives = self.count or told(context.expected_positives)

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        return expected_positive_regularisation(
            logits, self.observed[index], self.expected_positives, self.epsilon
        )


@register("ROLE")
class Role(_Stateless):
    """Regularised online label estimation; keeps one logit per training example and class.

    Args:
        epsilon: inside the logarithm.
        seed: of the initial estimates.
        count: expected instead of the number of positives that it is told.

    Raises:
        ValueError: if the count is not above 0.
    """

    needs = frozenset({"expected_positives"})
    state = ("estimates",)

    def __init__(
        self, epsilon: float = EPSILON, *, seed: int = 0, count: float | None = None
    ) -> None:
        checks.at_least(count, 0, "count", above=True)
        super().__init__(epsilon)
        self.seed = seed
        self.count = count

    def start(self, context: Context) -> None:
        super().start(context)
        self.expected_positives = self.count or told(context.expected_positives)
        initial = initial_estimates(self.observed, self.seed).to(self.observed.device)
        self.estimates = nn.Parameter(initial)

    def start_from(self, probabilities: Tensor) -> None:
        """Linear initialisation: the logits of the estimates of an earlier phase.

        Raises:
            ValueError: if the probabilities have another shape than the estimates.
        """
        checks.same_shape("N, C", least=0, estimates=self.estimates, probabilities=probabilities)
        self.estimates.data.copy_(torch.logit(probabilities.clamp(EPSILON, 1 - EPSILON)))

    def estimated_labels(self) -> Tensor:
        return torch.sigmoid(self.estimates.detach())

    def parameters(self) -> list[nn.Parameter]:
        return [self.estimates]

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        return role(
            logits,
            self.estimates[index],
            self.observed[index],
            self.expected_positives,
            self.epsilon,
        )
