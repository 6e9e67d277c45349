r"""Acknowledging the Unknown (Zhou et al., ECCV 2022): EM loss and asymmetric pseudo-labelling.

Unknown labels are neither called negative nor left out: the entropy of their predictions is
maximised (EM), so that only annotated labels teach. After a warm-up, the lowest-scored unknown
labels of each class become soft negative pseudo-labels, a few more after every epoch (APL).

Also here: the rows of the paper's benchmark that no other chapter needs (L1R, L2R, EntMin). As in
:mod:`weaklabels.methods.baselines` losses take logits and average over all B * C entries, and
``epsilon`` is the constant inside the logarithm.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn import functional as F

from weaklabels import checks
from weaklabels.methods.base import Context, Method, Predict, register
from weaklabels.methods.baselines import EPSILON, AssumeNegative
from weaklabels.models import Network

TARGETS = ("soft", "hard")


def costs(logits: Tensor, epsilon: float = EPSILON) -> tuple[Tensor, Tensor, Tensor]:
    """Probabilities, and the costs of a present and of an absent label, entry by entry."""
    p = torch.sigmoid(logits)
    if epsilon == 0:
        return p, F.softplus(-logits), F.softplus(logits)
    return p, -torch.log(p + epsilon), -torch.log((1 - p) + epsilon)


def entropy_maximisation(
    logits: Tensor,
    observed: Tensor,
    alpha: float,
    epsilon: float = EPSILON,
    reduction: str = "mean",
) -> Tensor:
    r"""EM loss: cross-entropy where annotated, :math:`-\alpha H(p)` where unknown.

    These are the paper's Eq. 3 and 4.

    It is negative in normal operation, at least :math:`-\alpha\ln 2`; a negative ``alpha`` gives
    entropy minimisation.

    Args:
        logits: ``(B, C)``.
        observed: ``(B, C)`` in {-1, 0, +1}.
        alpha: weight of the entropy.
        epsilon: inside the logarithm.
        reduction: ``"mean"`` or ``"none"``.

    Raises:
        ValueError: if the reduction is unknown.
    """
    return em_apl(logits, observed, None, None, alpha, 0.0, epsilon, reduction)


def em_apl(
    logits: Tensor,
    observed: Tensor,
    labelled: Tensor | None,
    targets: Tensor | None,
    alpha: float,
    beta: float,
    epsilon: float = EPSILON,
    reduction: str = "mean",
) -> Tensor:
    r"""The loss of EM with pseudo-labels (the paper's Eq. 8).

    Annotated: :math:`-\ln p` or :math:`-\ln(1-p)`. Pseudo-labelled: :math:`\beta` times the
    cross-entropy with the soft target. Still unknown: :math:`-\alpha H(p)`. All are a target's
    cross-entropy with a weight: the entropy is that with the target p itself.

    Args:
        logits: ``(B, C)``.
        observed: ``(B, C)`` in {-1, 0, +1}.
        labelled: ``(B, C)`` bool, the unknown entries that carry a pseudo-label; None for none.
        targets: ``(B, C)`` in [0, 1], read where ``labelled``; no gradient flows through them.
        alpha: weight of the entropy.
        beta: weight of the pseudo-labels.
        epsilon: inside the logarithm.
        reduction: ``"mean"`` or ``"none"``.

    Raises:
        ValueError: if the reduction is unknown, or if the labels are not +1, 0 and -1 for every
            logit, or pseudo-labels have another shape or type.
    """
    if reduction not in ("mean", "none"):
        raise ValueError(f"unknown reduction {reduction!r}: expected 'mean' or 'none'")
    checks.observed(logits, observed)
    checks.same_shape("B, C", least=0, logits=logits, labelled=labelled, targets=targets)
    checks.boolean(labelled, "labelled")
    p, present, absent = costs(logits, epsilon)
    unknown = observed == 0
    target = torch.where(unknown, p, (observed == 1).to(p.dtype))
    weight = torch.ones_like(p).masked_fill(unknown, -alpha)
    if labelled is not None and targets is not None:
        target = torch.where(labelled, targets.detach().to(p.dtype), target)
        weight = weight.masked_fill(labelled, beta)
    entries = weight * (absent + target * (present - absent))
    return entries.mean() if reduction == "mean" else entries


def labels_per_pass(observed: Tensor, share: float, passes: int) -> Tensor:
    r"""How many entries of each class a pass labels, :math:`k_c=\lfloor\theta K_c/P\rfloor`.

    :math:`K_c` counts the unknown labels of class c before training. 1e-9 is added before rounding
    down, because a product such as 0.29 * 100 falls a hair short of its whole number.

    Args:
        observed: ``(N, C)``, as annotated.
        share: :math:`\theta`, of the unknown labels that are labelled in the end.
        passes: P, the paper's :math:`T_t-T_w`.

    Returns:
        ``(C,)`` int64, on the CPU.

    Raises:
        ValueError: if the labels are not +1, 0 and -1, or share or passes are out of range.
    """
    checks.observed(observed, observed)
    checks.within(share, 0, 1, "share")
    checks.at_least(passes, 1, "passes")
    unknown = (observed == 0).sum(0).tolist()
    return torch.tensor([math.floor(share * count / passes + 1e-9) for count in unknown])


def lowest_scored(logits: Tensor, candidates: Tensor, counts: Tensor) -> Tensor:
    """Per class, the ``counts`` candidates with the smallest scores (the paper's Eq. 6).

    The order is that of the logits, in which scores that saturate as probabilities still differ;
    ties go to the lower row. If a class has too few candidates, all of them are taken.

    Args:
        logits: ``(N, C)`` of the whole training set, in evaluation mode.
        candidates: ``(N, C)`` bool, the entries that are still unknown.
        counts: ``(C,)`` int64.

    Returns:
        ``(N, C)`` bool.

    Raises:
        ValueError: if the candidates are not one bool for every logit.
    """
    checks.same_shape("N, C", least=0, logits=logits, candidates=candidates)
    checks.boolean(candidates, "candidates")
    order = logits.masked_fill(~candidates, math.inf).argsort(dim=0, stable=True)
    first = torch.arange(len(logits), device=logits.device)[:, None] < counts.to(logits.device)
    return torch.zeros_like(candidates).scatter(0, order, first) & candidates


@register("EM")
class EntropyMaximisation(Method):
    """Entropy maximisation on unknown labels.

    Raises:
        ValueError: if the weight is negative or no number.
    """

    def __init__(self, alpha: float, epsilon: float = EPSILON) -> None:
        if alpha < 0:
            raise ValueError(f"alpha is {alpha}: expected a weight of at least 0")
        checks.at_least(alpha, 0, "alpha")
        self.alpha = alpha
        self.epsilon = epsilon

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        return entropy_maximisation(logits, self.observed[index], self.alpha, self.epsilon)


@register("EntMin")
class EntropyMinimisation(EntropyMaximisation):
    """Entropy minimisation on unknown labels: EM with the opposite sign."""

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        return entropy_maximisation(logits, self.observed[index], -self.alpha, self.epsilon)


@register("EM+APL")
class AsymmetricPseudoLabels(EntropyMaximisation):
    r"""EM with asymmetric pseudo-labelling (the paper's Algorithm 1).

    Passes happen after epochs :math:`T_w, T_w+1, \ldots`, ``passes`` of them; up to the first the
    method is exactly EM. The official code makes one more pass after the last epoch, which teaches
    nothing.

    Attributes:
        labelled: ``(N, C)`` bool, the entries with a pseudo-label; they never change again.
        targets: ``(N, C)`` float32, the probability predicted when the label was given.

    Args:
        alpha, beta: weights of the entropy and of the pseudo-labels.
        warm_up: :math:`T_w`, epochs of EM alone, at least 1.
        epochs: :math:`T_t`, epochs in all.
        share: :math:`\theta`, of the unknown labels.
        passes: over how many passes the share is spread; ``None``: one after each epoch from
            :math:`T_w` to :math:`T_t-1`.
        targets: ``"soft"``, or ``"hard"`` to use 0 instead of the probability.
        epsilon: inside the logarithm.

    Raises:
        ValueError: if the schedule leaves no pass, or an argument is out of range.
    """

    state = ("labelled", "targets")

    def __init__(
        self,
        alpha: float,
        beta: float,
        warm_up: int,
        epochs: int,
        share: float = 0.9,
        passes: int | None = None,
        targets: str = "soft",
        epsilon: float = EPSILON,
    ) -> None:
        super().__init__(alpha, epsilon)
        if not 1 <= warm_up < epochs:
            raise ValueError(f"warm_up is {warm_up}: expected 1 to {epochs - 1} of {epochs} epochs")
        if not 0 <= share <= 1:
            raise ValueError(f"share is {share}: expected a share of the unknown labels in [0, 1]")
        if targets not in TARGETS:
            raise ValueError(f"unknown targets {targets!r}: expected one of {', '.join(TARGETS)}")
        self.passes = epochs - warm_up if passes is None else passes
        if not 1 <= self.passes <= epochs - warm_up:
            raise ValueError(f"passes is {passes}: expected 1 to {epochs - warm_up}")
        self.beta = beta
        self.warm_up = warm_up
        self.share = share
        self.soft = targets == "soft"

    def start(self, context: Context) -> None:
        super().start(context)
        self.labelled = torch.zeros_like(self.observed, dtype=torch.bool)
        self.targets = torch.zeros_like(self.observed, dtype=torch.float32)
        self.counts = labels_per_pass(self.observed, self.share, self.passes)

    def modified_labels(self) -> Tensor:
        """The entries that no longer count as unknown."""
        return self.labelled

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        return em_apl(
            logits,
            self.observed[index],
            self.labelled[index],
            self.targets[index],
            self.alpha,
            self.beta,
            self.epsilon,
        )

    def after_epoch(self, predict: Predict) -> None:
        if self.warm_up <= self.epoch < self.warm_up + self.passes:
            self.label(predict())

    def label(self, logits: Tensor) -> None:
        """One pass: give the lowest-scored unknown entries of each class their pseudo-labels.

        Args:
            logits: ``(N, C)`` of the training set, in evaluation mode.
        """
        candidates = (self.observed == 0) & ~self.labelled
        new = lowest_scored(logits, candidates, self.counts)
        self.labelled |= new
        if self.soft:
            scores = torch.sigmoid(logits).to(self.targets.dtype)
            self.targets = torch.where(new, scores, self.targets)


class _PenalisedAssumeNegative(AssumeNegative, ABC):
    """AN with a penalty on all trainable parameters of the network, outside the mean."""

    def __init__(self, weight: float, epsilon: float = EPSILON) -> None:
        super().__init__(epsilon)
        self.weight = weight

    def step(self, model: Network, x: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        logits, loss = super().step(model, x, index)
        penalties = [self.penalty(p) for p in model.parameters() if p.requires_grad]
        return logits, loss + self.weight * torch.stack(penalties).sum()

    @abstractmethod
    def penalty(self, parameter: Tensor) -> Tensor:
        """Penalty of one tensor, a scalar."""


@register("L1R")
class L1Regularised(_PenalisedAssumeNegative):
    """AN plus weight * sum of the parameters' absolute values."""

    def penalty(self, parameter: Tensor) -> Tensor:
        return parameter.abs().sum()


@register("L2R")
class L2Regularised(_PenalisedAssumeNegative):
    """AN plus weight * sum of the parameters' squares."""

    def penalty(self, parameter: Tensor) -> Tensor:
        return parameter.square().sum()
