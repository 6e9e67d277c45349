r"""Class-Distribution-Aware Pseudo-Labelling (Xie et al., NeurIPS 2023), CAP.

Semi-supervised multi-label learning: few rows are fully annotated, the others not at all. The
unannotated rows get pseudo-labels at the start of every epoch, from the averaged network where
training keeps one (the estimator does not), class by class: as large a share of them becomes
positive as among the annotated rows.

Rules work on scores ``(M, C)`` of the unannotated rows and return pseudo-labels and a mask of the
entries to be used, both ``(M, C)`` bool. Only the order of a class's scores matters to CAP, so
logits do as well as probabilities and are not rounded to ties by the sigmoid.
"""

from __future__ import annotations

import math
from typing import Unpack

import torch
from torch import Tensor

from weaklabels import checks
from weaklabels.methods.base import Context, register, told
from weaklabels.methods.pseudo_labels import Renewed, Schedule

NEGATIVE_LIMIT = 0.998
"""The authors' code uses at most this share of the would-be negatives of a class."""


def class_proportions(observed: Tensor) -> Tensor:
    r"""Share of positives of each class among the annotated rows, :math:`\hat\gamma_k`.

    Args:
        observed: ``(N, C)`` in {-1, 0, +1}; a row counts if it is annotated for the class.

    Returns:
        ``(C,)`` float64 on the CPU, as some devices lack that type; 0 for a class without
        annotations.

    Raises:
        ValueError: if the labels are not (N, C) in +1, 0 and -1.
    """
    checks.observed(observed, observed)
    positives, known = (observed == 1).sum(0).cpu(), (observed != 0).sum(0).cpu()
    return positives.double() / known.clamp(min=1)


def class_aware(
    scores: Tensor,
    proportions: Tensor,
    positive_share: float = 1.0,
    negative_share: float = 1.0,
    *,
    as_released: bool = False,
) -> tuple[Tensor, Tensor]:
    r"""Class-aware thresholding (CAT): one threshold per class, set by counting.

    With :math:`s_k(1)\ge\dots\ge s_k(M)` the scores of class k in falling order, the
    :math:`\lfloor\gamma_kM\rfloor` highest become positive. Used are the
    :math:`\lfloor\eta_1\gamma_kM\rfloor` highest and the
    :math:`\lfloor\eta_2(1-\gamma_k)M\rfloor` lowest; entries tied with a threshold are included.

    Args:
        scores: ``(M, C)``, logits or probabilities.
        proportions: ``(C,)`` shares of positives.
        positive_share: :math:`\eta_1`, clipped to [0, 1].
        negative_share: :math:`\eta_2`, clipped to [0, 0.998] as in the authors' code.
        as_released: where a count is 0, do as that code does: its index -1 makes the *lowest* score
            the threshold, so that every row becomes positive. By default none does.

    Returns:
        pseudo-labels and mask, ``(M, C)`` bool.

    Raises:
        ValueError: if the shapes do not fit.
    """
    if scores.ndim != 2 or proportions.shape != scores.shape[1:]:
        raise ValueError(
            f"scores {tuple(scores.shape)} and proportions {tuple(proportions.shape)}: "
            "expected (M, C) and (C,)"
        )
    eta_1 = min(max(positive_share, 0.0), 1.0)
    eta_2 = min(max(negative_share, 0.0), NEGATIVE_LIMIT)
    rows = len(scores)
    falling = scores.sort(0, descending=True).values if rows else scores
    labels = torch.zeros_like(scores, dtype=torch.bool)
    mask = labels.clone()
    for k, share in enumerate(proportions.tolist()):
        # Another order of the factors may truncate differently. The authors' code has the counted
        # share of the negatives in place of 1 - share: at most one label more or less.
        counts = int(share * rows), int(eta_1 * share * rows), int(eta_2 * (1 - share) * rows)

        def bound(count: int, column: Tensor, none: float) -> Tensor | float:
            return column[count - 1] if count or (as_released and rows) else none

        column, high = scores[:, k], falling[:, k]
        labels[:, k] = column >= bound(counts[0], high, math.inf)
        mask[:, k] = (column >= bound(counts[1], high, math.inf)) | (
            column <= bound(counts[2], high.flip(0), -math.inf)
        )
    return labels, mask


def top_k(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Instance-aware: the k highest classes of each row are positive, the others negative.

    Raises:
        ValueError: if there are fewer than k classes or k is not positive.
    """
    if not 1 <= k <= scores.shape[1]:
        raise ValueError(f"k is {k}: expected 1 to {scores.shape[1]}, the number of classes")
    labels = torch.zeros_like(scores, dtype=torch.bool)
    labels.scatter_(1, scores.topk(k, 1).indices, True)
    return labels, torch.ones_like(labels)


def fixed_threshold(logits: Tensor, probability: float = 0.5) -> tuple[Tensor, Tensor]:
    """Instance-aware thresholding (IAT): one threshold for every row and class.

    Args:
        logits: ``(M, C)``.
        probability: positive are the entries with at least this sigmoid, in (0, 1).

    Raises:
        ValueError: if the probability is out of range.
    """
    if not 0 < probability < 1:
        raise ValueError(f"threshold {probability}: expected a probability strictly within (0, 1)")
    labels = logits >= math.log(probability / (1 - probability))
    return labels, torch.ones_like(labels)


def self_adaptive(logits: Tensor) -> tuple[Tensor, Tensor]:
    r"""Self-adaptive thresholds (FreeMatch, Wang et al., ICLR 2023), class by class.

    Each class is a problem of two outcomes. A label is the more probable outcome, and it is used if
    its probability is at least :math:`\tau_k\,\bar p_k/\max(\bar p_k,1-\bar p_k)`, with
    :math:`\tau_k` the mean confidence and :math:`\bar p_k` the mean probability of that outcome.
    FreeMatch keeps running means over batches; these are means over all rows.

    Args:
        logits: ``(M, C)``.
    """
    p = torch.sigmoid(logits)
    labels = p >= 0.5
    confidence = torch.maximum(p, 1 - p)
    mean = p.mean(0) if len(p) else p.new_full(p.shape[1:], 0.5)
    level = confidence.mean(0) / torch.maximum(mean, 1 - mean)
    return labels, confidence >= level * torch.where(labels, mean, 1 - mean)


def hoeffding_bound(rows: int, classes: int, risk: float = 0.05) -> float:
    r"""How far estimated proportions can be from the true ones.

    With probability at least ``1 - risk`` all classes have
    :math:`|\hat\gamma_k-\gamma_k|\le\sqrt{\ln(2C/\delta)/(2n)}`: Hoeffding's inequality and a union
    bound over the classes.

    Args:
        rows: n, annotated rows.
        classes: C.
        risk: :math:`\delta`.
    """
    return math.sqrt(math.log(2 * classes / risk) / (2 * rows))


class PseudoLabelling(Renewed):
    """Semi-supervised learning with pseudo-labels; subclasses give the rule.

    A row without any annotation is unlabelled. The defaults of the loss are the paper's: asymmetric
    loss with focus 4 on negatives and margin 0.05.

    Attributes:
        unlabelled: ``(M,)`` row numbers.
    """

    def __init__(
        self,
        *,
        warm_up: int = 12,
        focus_positive: float = 0.0,
        focus_negative: float = 4.0,
        margin: float = 0.05,
    ) -> None:
        super().__init__(
            warm_up=warm_up,
            focus_positive=focus_positive,
            focus_negative=focus_negative,
            margin=margin,
        )

    def start(self, context: Context) -> None:
        super().start(context)
        self.unlabelled = (self.observed == 0).all(1).nonzero()[:, 0]

    def renew(self, logits: Tensor) -> None:
        labels, mask = self.rule(logits[self.unlabelled])
        self.targets[self.unlabelled] = labels
        self.weights[self.unlabelled] = mask.to(self.weights.dtype)

    def rule(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Pseudo-labels and mask, ``(M, C)`` bool, of the unlabelled rows."""
        raise TypeError(f"{type(self).__name__} must define rule(logits)")


@register("CAP")
class ClassAware(PseudoLabelling):
    """CAP; the shares are those of ``class_aware``."""

    def __init__(
        self, positive_share: float = 1.0, negative_share: float = 1.0, **settings: Unpack[Schedule]
    ) -> None:
        super().__init__(**settings)
        self.shares = positive_share, negative_share

    def start(self, context: Context) -> None:
        super().start(context)
        self.proportions = class_proportions(self.observed)

    def rule(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        return class_aware(logits, self.proportions, *self.shares)


@register("CAP, true proportions")
class TrueProportions(ClassAware):
    """CAP that is told the true proportions of the unlabelled rows: an upper bound."""

    needs = frozenset({"truth"})

    def start(self, context: Context) -> None:
        super().start(context)
        present = told(context.truth)[self.unlabelled] == 1
        self.proportions = present.cpu().double().mean(0)  # some devices lack float64


@register("Top-k")
class TopK(PseudoLabelling):
    """The k most probable classes of each row; by default k is the mean number of labels.

    Raises:
        ValueError: if k is not positive.
    """

    def __init__(self, k: int | None = None, **settings: Unpack[Schedule]) -> None:
        checks.at_least(k, 1, "k")
        super().__init__(**settings)
        self.k = k

    def rule(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        k = self.k or max(1, round(float(class_proportions(self.observed).sum())))
        return top_k(logits, min(k, logits.shape[1]))


@register("IAT")
class FixedThreshold(PseudoLabelling):
    """One probability threshold for all rows and classes.

    Raises:
        ValueError: if the probability is none.
    """

    def __init__(self, probability: float = 0.5, **settings: Unpack[Schedule]) -> None:
        checks.within(probability, 0, 1, "probability")
        super().__init__(**settings)
        self.probability = probability

    def rule(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        return fixed_threshold(logits, self.probability)


@register("FreeMatch")
class SelfAdaptive(PseudoLabelling):
    """The more probable outcome of each label, used where self-adaptive thresholds let it."""

    def rule(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        return self_adaptive(logits)


@register("True labels")
class TrueLabels(PseudoLabelling):
    """Is told the truth of the unlabelled rows: what perfect pseudo-labels would give."""

    needs = frozenset({"truth"})

    def start(self, context: Context) -> None:
        super().start(context)
        self.truth = told(context.truth) == 1

    def rule(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        labels = self.truth[self.unlabelled]
        return labels, torch.ones_like(labels)
