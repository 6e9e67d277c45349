r"""Large Loss Matters in Weakly Supervised Multi-Label Classification (Kim et al., CVPR 2022).

Unknown labels are assumed negative, and the entries of a batch with the largest losses among them
are treated as false negatives: rejected (LL-R), corrected for this step (LL-Ct), or corrected for
good (LL-Cp). Rates are shares per epoch: the paper's :math:`\Delta_{rel}` of 0.2 percent is 0.002.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from weaklabels import checks
from weaklabels.methods.base import Context, Method, Predict, register
from weaklabels.methods.baselines import durand_cross_entropy

SCHEMES = ("reject", "correct temporarily", "correct permanently")


def modified_count(batch: int, classes: int, epoch: int, rate: float, *, growing: bool) -> int:
    r"""How many entries of a batch are modified, k in the text.

    Nothing in epoch 1. Later :math:`k=\lceil BKr\rceil` with :math:`r=(t-1)\Delta_{rel}` when
    growing (LL-R, LL-Ct) and :math:`r=\Delta_{rel}` when not (LL-Cp). The share is of all B * K
    entries, as in the authors' code. 1e-9 is taken off before rounding up: the code accumulates the
    rate in floating point, and a hair above a whole number would add an entry.

    Args:
        batch, classes: B and K.
        epoch: t, from 1.
        rate: share of the labels per epoch, :math:`\Delta_{rel}`/100 of the paper.
        growing: whether the share grows with the epoch.

    Raises:
        ValueError: if the rate is no share.
    """
    checks.within(rate, 0, 1, "rate")
    if epoch <= 1 or rate <= 0:
        return 0
    share = min(1.0, (epoch - 1) * rate if growing else rate)
    return math.ceil(batch * classes * share - 1e-9)


def large_loss_entries(logits: Tensor, observed: Tensor, k: int, *, strict: bool = False) -> Tensor:
    """The unknown entries with the k largest losses of the batch (section 3.3, step 4).

    Entries tied with the k-th are included; with ``strict`` the k-th and its ties are not (the
    first release's rule for writing labels back). If fewer than k entries are unknown all of them
    are taken; observed entries never are.

    Args:
        logits: ``(B, K)``.
        observed: ``(B, K)`` in {-1, 0, +1}.
        k: how many.
        strict: leave out the k-th largest loss.

    Returns:
        ``(B, K)`` bool; no gradient flows through it.

    Raises:
        ValueError: if the labels are not +1, 0 and -1 for every logit.
    """
    checks.observed(logits, observed)
    unknown = observed == 0
    if k <= 0:
        return torch.zeros_like(unknown)
    with torch.no_grad():
        # Among unknown entries the loss softplus(z) rises with z, so the logits give the order
        # without its rounding; observed entries are put below all of them.
        scores = logits.masked_fill(~unknown, -math.inf)
        largest = scores.flatten().topk(min(k, scores.numel()), sorted=False).values
        threshold = largest.min()
        return unknown & (scores > threshold if strict else scores >= threshold)


def large_loss(
    logits: Tensor, observed: Tensor, modified: Tensor, scheme: str, reduction: str = "mean"
) -> Tensor:
    r"""The weighted objective of section 3.2.

    The entries of ``modified`` contribute 0 ("reject") or the loss of the flipped label, softplus
    of minus the logit ("correct ..."); the mean is over all B * K entries, rejected ones included.

    Multiplying by the paper's :math:`\lambda=\log f/\log(1-f)` instead would be 0 times infinity
    at a saturated f, and a detached :math:`\lambda` would turn the gradient's sign.

    Args:
        logits, observed: ``(B, K)``.
        modified: ``(B, K)`` bool.
        scheme: one of ``SCHEMES``.
        reduction: ``"mean"`` or ``"none"``.

    Raises:
        ValueError: if the scheme or the reduction is unknown, or if the labels are not +1, 0 and -1
            for every logit, or the modified entries are not as many bools.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"unknown scheme {scheme!r}: expected one of {', '.join(SCHEMES)}")
    if reduction not in ("mean", "none"):
        raise ValueError(f"unknown reduction {reduction!r}: expected 'mean' or 'none'")
    checks.observed(logits, observed)
    checks.same_shape("B, K", least=0, logits=logits, modified=modified)
    checks.boolean(modified, "modified")
    positive = observed == 1
    if scheme == "reject":
        kept = (~modified).to(logits.dtype)
        target = positive.to(logits.dtype)
        return F.binary_cross_entropy_with_logits(logits, target, kept, reduction=reduction)
    target = (positive | modified).to(logits.dtype)
    return F.binary_cross_entropy_with_logits(logits, target, reduction=reduction)


class LargeLoss(Method):
    """What the three schemes share.

    Attributes:
        modified: ``(N, K)`` bool, the entries modified in the current epoch.
    """

    scheme: str
    growing = True
    state = ("modified",)

    def __init__(self, rate: float) -> None:
        if not 0 <= rate <= 1:
            raise ValueError(f"rate is {rate}: expected a share of the labels in [0, 1]")
        self.rate = rate

    def start(self, context: Context) -> None:
        super().start(context)
        self.observed = self.observed.clone()
        self.modified = torch.zeros_like(self.observed, dtype=torch.bool)

    def before_epoch(self, epoch: int, predict: Predict) -> None:
        super().before_epoch(epoch, predict)
        self.modified.zero_()

    def modified_labels(self) -> Tensor:
        return self.modified

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        observed = self.observed[index]
        k = self._count(logits)
        modified = large_loss_entries(logits, observed, k)
        if k:
            self.modified[index] = modified
        return large_loss(logits, observed, modified, self.scheme)

    def _count(self, logits: Tensor) -> int:
        batch, classes = logits.shape
        return modified_count(batch, classes, self.epoch, self.rate, growing=self.growing)


@register("LL-R")
class Reject(LargeLoss):
    """LL-R: the loss of suspected false negatives is dropped."""

    scheme = "reject"


@register("LL-Ct")
class CorrectTemporarily(LargeLoss):
    """LL-Ct: suspected false negatives count as positives in this step."""

    scheme = "correct temporarily"


@register("LL-Cp")
class CorrectPermanently(LargeLoss):
    """LL-Cp: suspected false negatives are positives from now on.

    ``strict=True`` writes back only entries strictly above the k-th loss, the rule of the first
    release; the default writes all k, as the authors' follow-up does.
    """

    scheme = "correct permanently"
    growing = False
    state = ("observed",)

    def __init__(self, rate: float, *, strict: bool = False) -> None:
        super().__init__(rate)
        self.strict = strict

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        if self.strict:
            k = self._count(logits)
            self._flips = large_loss_entries(logits, self.observed[index], k, strict=True)
        return super().loss(logits, index)

    def after_step(self, model: nn.Module, x: Tensor, index: Tensor) -> None:
        if self.epoch > 1 and self.rate > 0:
            flips = self._flips if self.strict else self.modified[index]
            self.observed[index] = self.observed[index].masked_fill(flips, 1)


@register("Curriculum")
class CurriculumLabelling(Method):
    """Curriculum labelling (Durand et al., CVPR 2019), a rival in the paper's Table 3.

    Partial BCE with the weight of Durand et al. on the known labels; from the second epoch on, an
    unknown label whose last score is beyond the threshold counts as known, with the sign of the
    score. These labels are drawn anew after every epoch. Threshold and timing are ours: the paper's
    details could not be read.

    Args:
        threshold: on the absolute logit.
    """

    state = ("labels",)

    def __init__(self, threshold: float = 3.0) -> None:
        if threshold < 0:
            raise ValueError(f"threshold is {threshold}: expected a logit of at least 0")
        self.threshold = threshold

    def start(self, context: Context) -> None:
        super().start(context)
        self.labels = self.observed

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        return durand_cross_entropy(logits, self.labels[index])

    def after_epoch(self, predict: Predict) -> None:
        scores = predict()
        guesses = scores.sign() * (scores.abs() > self.threshold)
        self.labels = torch.where(self.observed == 0, guesses.to(self.observed), self.observed)
