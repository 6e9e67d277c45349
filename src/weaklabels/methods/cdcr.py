r"""Curriculum-Based Disambiguation and Consistency Regularisation (Sun, Xie, Huang, 2024), CDCR.

Partial multi-label learning: an image comes with a set of candidate labels that holds all true ones
and some wrong ones. At the start of every epoch the candidates with high confidence are selected as
positives; the others are left out of the loss. What is no candidate is certainly negative.

Observed labels: +1 for a candidate, -1 for everything else.
"""

from __future__ import annotations

from typing import TypedDict, Unpack

import torch
from torch import Tensor

from weaklabels import checks
from weaklabels.methods.base import Context, register
from weaklabels.methods.pseudo_labels import Renewed

THRESHOLD = 0.6
r""":math:`\alpha`; the authors' code parses an option of 0.8 as well and does not use it."""

UNSELECTED = ("ignored", "negative")
NEGATIVES = ("all", "in proportion")


def class_confidences(confidences: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
    r"""How easy each class is: mean confidence :math:`m_k` over its candidates, and over all, m.

    m pools the candidate entries of all classes; it is not the mean of the :math:`m_k`.

    Args:
        confidences: ``(N, C)`` in [0, 1].
        candidates: ``(N, C)`` bool.

    Returns:
        ``(C,)`` and a scalar; a class without candidates gets m, and m is 0 if there are none.

    Raises:
        ValueError: if the candidates are not bool, of the same shape, or the confidences no
            probabilities.
    """
    checks.same_shape("N, C", least=0, confidences=confidences, candidates=candidates)
    checks.boolean(candidates, "candidates")
    checks.within(confidences, 0, 1, "confidences", finite=True)
    entries = confidences * candidates
    count = candidates.sum(0)
    mean = entries.sum() / candidates.sum().clamp(min=1)
    return torch.where(count > 0, entries.sum(0) / count.clamp(min=1), mean), mean


def select(
    confidences: Tensor,
    candidates: Tensor,
    threshold: float = THRESHOLD,
    *,
    class_difficulty: bool = True,
) -> Tensor:
    r"""The candidates that are taken as positives.

    With class difficulty a candidate is selected if :math:`P_{ik}-m_k\ge\alpha-m`: the threshold of
    a class is :math:`\alpha_k=\alpha+m_k-m`, lower for hard classes. Without, if
    :math:`P_{ik}\ge\alpha`.

    Args:
        confidences: ``(N, C)`` in [0, 1].
        candidates: ``(N, C)`` bool.
        threshold: :math:`\alpha`.
        class_difficulty: one threshold per class or one for all.

    Returns:
        ``(N, C)`` bool, within the candidates.

    Raises:
        ValueError: if the shapes differ, or if the candidates are not bool or the confidences no
            probabilities.
    """
    if confidences.shape != candidates.shape or candidates.ndim != 2:
        raise ValueError(
            f"confidences {tuple(confidences.shape)} and candidates {tuple(candidates.shape)}: "
            "expected the same shape (N, C)"
        )
    checks.boolean(candidates, "candidates")
    checks.within(confidences, 0, 1, "confidences", finite=True)
    candidates = candidates.bool()
    if not class_difficulty:
        return candidates & (confidences >= threshold)
    by_class, mean = class_confidences(confidences, candidates)
    # Compared in the authors' form: rounding differs when the terms are moved.
    return candidates & (confidences - by_class >= threshold - mean)


def curriculum_weights(
    candidates: Tensor, selected: Tensor, *, in_proportion: bool = False
) -> Tensor:
    """Weights of the loss, float32: 1 for non-candidates and selected candidates, 0 for the rest.

    Args:
        candidates, selected: ``(N, C)`` bool.
        in_proportion: an extension, not the paper's: the non-candidates of a class weigh as much as
            the share of its candidates that are selected, so that leaving candidates out does not
            shift the balance of the class towards its negatives.

    Raises:
        ValueError: if the arguments are not bool, of the same shape.
    """
    checks.same_shape("N, C", least=0, candidates=candidates, selected=selected)
    checks.boolean(candidates, "candidates")
    checks.boolean(selected, "selected")
    weights = (~candidates | selected).float()
    if not in_proportion:
        return weights
    count = candidates.sum(0)
    share = torch.where(count > 0, selected.sum(0) / count.clamp(min=1), 1.0)
    return torch.where(candidates, weights, share)


class Settings(TypedDict, total=False):
    """Settings of ``Curriculum`` beside the threshold and what it depends on."""

    warm_up: int
    unselected: str
    negatives: str
    once: bool


@register("CDCR")
class Curriculum(Renewed):
    """CDCR with class difficulty.

    Args:
        threshold: see ``select``.
        warm_up: epochs on all candidates; 0 where the network has been warmed up.
        class_difficulty: see ``select``.
        unselected: what becomes of unselected candidates: ``"ignored"`` (the paper) or
            ``"negative"``.
        negatives: how much non-candidates count: ``"all"`` (the paper) or ``"in proportion"`` (see
            ``curriculum_weights``).
        once: select in the first epoch after the warm-up and keep that selection.

    Attributes:
        selected: ``(N, C)`` bool, the selected candidates of this epoch.
        thresholds: ``(C,)`` of this epoch; ``confidences`` the class means they are made of.

    Raises:
        ValueError: if ``unselected`` or ``negatives`` is unknown, or the threshold is no share.
    """

    averaged = False
    state = ("selected", "confidences", "thresholds")

    def __init__(
        self,
        threshold: float = THRESHOLD,
        *,
        warm_up: int = 16,
        class_difficulty: bool = True,
        unselected: str = "ignored",
        negatives: str = "all",
        once: bool = False,
    ) -> None:
        checks.within(threshold, 0, 1, "threshold")
        if unselected not in UNSELECTED:
            raise ValueError(f"unselected is {unselected!r}: expected {', '.join(UNSELECTED)}")
        if negatives not in NEGATIVES:
            raise ValueError(f"negatives is {negatives!r}: expected {', '.join(NEGATIVES)}")
        super().__init__(warm_up=warm_up)
        self.threshold = threshold
        self.class_difficulty = class_difficulty
        self.unselected = unselected
        self.in_proportion = negatives == "in proportion"
        self.once = once

    def start(self, context: Context) -> None:
        super().start(context)
        self.candidates = self.observed == 1
        self.selected = self.candidates
        shape = self.observed.shape[1:]
        self.confidences = torch.full(shape, torch.nan, device=self.observed.device)
        self.thresholds = self.confidences

    def renew(self, logits: Tensor) -> None:
        if self.once and self.epoch > self.warm_up + 1:
            return
        p = torch.sigmoid(logits)
        self.confidences, mean = class_confidences(p, self.candidates)
        self.thresholds = self.threshold + self.class_difficulty * (self.confidences - mean)
        self.selected = select(
            p, self.candidates, self.threshold, class_difficulty=self.class_difficulty
        )
        if self.unselected == "ignored":
            self.weights = curriculum_weights(
                self.candidates, self.selected, in_proportion=self.in_proportion
            )
        else:
            self.targets = self.selected

    def trace(self) -> dict[str, Tensor]:
        return {"thresholds": self.thresholds, "confidences": self.confidences}


@register("CDCR, one threshold")
class GlobalThreshold(Curriculum):
    """CDCR with the same threshold for all classes."""

    def __init__(self, threshold: float = THRESHOLD, **settings: Unpack[Settings]) -> None:
        super().__init__(threshold, class_difficulty=False, **settings)
