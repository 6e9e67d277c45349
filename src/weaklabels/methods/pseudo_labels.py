r"""Targets and weights for every training label: what CAP and CDCR share.

Both train on the weighted sum

.. math:: L=\sum_i\sum_k w_{ik}\,\ell(z_{ik}, t_{ik})

over a batch. What differs is how the targets t and the weights w are renewed at the start of every
epoch, from predictions of all training inputs.
"""

from __future__ import annotations

from typing import ClassVar, Unpack

import torch
from torch import Tensor

from weaklabels import checks
from weaklabels.methods.base import Context, Method, Predict, register
from weaklabels.methods.baselines import Focus, asymmetric


def weighted_loss(
    logits: Tensor,
    targets: Tensor,
    weights: Tensor,
    *,
    focus_positive: float = 0.0,
    focus_negative: float = 0.0,
    margin: float = 0.0,
    reduction: str = "sum",
) -> Tensor:
    r"""Sum of asymmetric losses (``baselines.asymmetric``), each with its weight.

    With the defaults the loss is binary cross-entropy, :math:`-\ln\max(p,10^{-8})` for a positive
    and :math:`-\ln\max(1-p,10^{-8})` for a negative. The papers' code sums over the batch and the
    classes: learning rate and batch size act together.

    Args:
        logits: ``(B, C)``; half precision is computed in float32.
        targets: ``(B, C)``, 1 where positive.
        weights: ``(B, C)``; 0 leaves an entry out, without loss or gradient.
        focus_positive, focus_negative, margin: of the asymmetric loss; its focusing weight receives
            no gradient.
        reduction: ``"sum"`` or ``"none"``.

    Raises:
        ValueError: if the reduction is unknown, or if the shapes differ.
    """
    if reduction not in ("sum", "none"):
        raise ValueError(f"unknown reduction {reduction!r}: expected 'sum' or 'none'")
    checks.same_shape("B, C", least=0, logits=logits, targets=targets, weights=weights)
    entries = weights * asymmetric(
        logits,
        targets,
        focus_positive=focus_positive,
        focus_negative=focus_negative,
        margin=margin,
        reduction="none",
    )
    return entries.sum() if reduction == "sum" else entries


@register("Annotated")
class Annotated(Method):
    """The weighted loss on what is annotated; everything else weighs nothing.

    With all labels annotated this is the papers' plain training (summed BCE or ASL); with some rows
    annotated it is their supervised baseline.

    Attributes:
        targets: ``(N, C)`` bool, the labels trained on.
        weights: ``(N, C)`` float32 in {0, 1}.
    """

    def __init__(
        self, focus_positive: float = 0.0, focus_negative: float = 0.0, margin: float = 0.0
    ) -> None:
        self.focus: Focus = {
            "focus_positive": focus_positive,
            "focus_negative": focus_negative,
            "margin": margin,
        }

    def start(self, context: Context) -> None:
        super().start(context)
        self.targets = self.observed == 1
        self.weights = (self.observed != 0).float()

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        return weighted_loss(logits, self.targets[index], self.weights[index], **self.focus)

    def trained_on(self) -> tuple[Tensor, Tensor]:
        return self.targets, self.weights


class Schedule(Focus, total=False):
    """Settings of a method that renews what it trains on, and of its loss."""

    warm_up: int


class Renewed(Annotated):
    """Targets or weights are renewed at the start of every epoch after the warm-up.

    Args:
        warm_up: epochs on the annotated labels alone; 0 where the network has been warmed up.
        loss: settings of the loss, see ``Annotated``.
    """

    averaged = True
    """Whether the averaged weights predict, or the current ones."""

    state: ClassVar[tuple[str, ...]] = ("targets", "weights")

    def __init__(self, *, warm_up: int, **loss: Unpack[Focus]) -> None:
        super().__init__(**loss)
        self.warm_up = warm_up

    def before_epoch(self, epoch: int, predict: Predict) -> None:
        super().before_epoch(epoch, predict)
        if epoch > self.warm_up:
            self.renew(predict(averaged=self.averaged).to(self.weights.device))

    def renew(self, logits: Tensor) -> None:
        """Set targets and weights from the logits ``(N, C)`` of all training inputs."""
        raise TypeError(f"{type(self).__name__} must define renew(logits)")


@torch.no_grad()
def tally(targets: Tensor, weights: Tensor, truth: Tensor) -> Tensor:
    """How many labels of each class are left out or used, with which target and truth.

    Args:
        targets, weights, truth: ``(N, C)``.

    Returns:
        ``(C, 2, 2, 2)`` int64, indexed by class, weight above 0, target, truth.

    Raises:
        ValueError: if the shapes differ.
    """
    checks.same_shape("N, C", least=0, targets=targets, weights=weights, truth=truth)
    code = 4 * (weights > 0).long() + 2 * (targets == 1).long() + (truth == 1).long()
    code = code + 8 * torch.arange(truth.shape[1], device=code.device)
    counts = torch.bincount(code.flatten(), minlength=8 * truth.shape[1])
    return counts.reshape(-1, 2, 2, 2)
