r"""Exploiting Class Activation Value for Partial-Label Learning (Zhang et al., ICLR 2022).

CAVL trains on all candidates equally for one epoch, then on the candidate with the largest class
activation value :math:`v_j=|f_j-1|\,f_j`, where :math:`f` are the logits. Beside it stands the
selection by class activation maps of the paper's pilot experiment.
"""

from __future__ import annotations

import math
from typing import Unpack

import torch
from torch import Tensor

from weaklabels import checks
from weaklabels.cam import class_activation_maps
from weaklabels.methods.base import register
from weaklabels.methods.partial_label import (
    Identification,
    Identify,
    at_least_single,
    best_candidate,
)
from weaklabels.models import Network

WINDOW = (0.5, (1 + math.sqrt(2)) / 2)
"""Only when the largest candidate logit lies in here can the value prefer another candidate."""

VALUES = ("final", "first")
MAP_RULES = ("count", "relu_sum", "max", "raw_mean")


def class_activation_value(logits: Tensor) -> Tensor:
    r"""The final form, :math:`v_j=|f_j-1|\,f_j` on raw logits, ``(B, K)``.

    Not unchanged when a constant is added to all logits, as a softmax would be. It falls from
    f = 0.5 to f = 1 and exceeds its value at 0.5 only beyond :math:`(1+\sqrt2)/2`.
    """
    return logits * (1 - logits).abs()


def first_class_activation_value(logits: Tensor) -> Tensor:
    r"""The first form, :math:`v_j=|\partial(-\log p_j)/\partial f_j|\,p_j=(1-p_j)\,p_j`.

    1 - p is the sum of the other probabilities: in float32 the difference is 0 as soon as p rounds
    to 1, and the second candidate would win.
    """
    p = at_least_single(logits).softmax(1)
    others = ~torch.eye(p.shape[1], dtype=torch.bool, device=p.device)
    return p * (p @ others.to(p.dtype))


def select(values: Tensor, candidates: Tensor, *, official_masking: bool = False) -> Tensor:
    """The candidate with the largest value, ``(B,)`` int64; the first index on ties.

    The authors' code (``official_masking``) multiplies by the candidate matrix instead of leaving
    the others out: where no candidate has a positive value a non-candidate wins with its 0.

    Raises:
        ValueError: if the candidates are not bool, one for every value and at least one a row.
    """
    checks.candidates(candidates, values)
    if official_masking:
        return (values * candidates).argmax(1)
    return best_candidate(values, candidates)


def map_scores(maps: Tensor, rule: str = "count") -> Tensor:
    """One score per class from class activation maps.

    Args:
        maps: ``(B, K, h, w)``, without bias and ReLU.
        rule: ``"count"``, the number of positions with a positive value (the authors' code);
            ``"relu_sum"``, the sum of the positive values; ``"max"``; or ``"raw_mean"``, which is
            the logit without its bias.

    Returns:
        ``(B, K)``.

    Raises:
        ValueError: if the rule is unknown.
    """
    if rule == "count":
        return (maps > 0).sum((2, 3)).to(maps.dtype)
    if rule == "relu_sum":
        return maps.relu().sum((2, 3))
    if rule == "max":
        return maps.amax((2, 3))
    if rule == "raw_mean":
        return maps.mean((2, 3))
    raise ValueError(f"unknown rule {rule!r}: expected one of {', '.join(MAP_RULES)}")


@register("CAVL")
class ClassActivationValueLearning(Identify):
    """CAVL: candidates are identified by their class activation value.

    Args:
        start_epoch: T0, the epochs of equal weights before (see ``Identify``); 1 in the paper.
        value: ``"final"`` or ``"first"`` (which chooses as IM-max does).
        official_masking: as the authors' code masks (see ``select``).
        options: of ``Identify``.
    """

    def __init__(
        self,
        start_epoch: int = 1,
        *,
        value: str = "final",
        official_masking: bool = False,
        **options: Unpack[Identification],
    ) -> None:
        super().__init__(start_epoch, **options)
        if value not in VALUES:
            raise ValueError(f"value is {value!r}: expected one of {', '.join(VALUES)}")
        self.value = value
        self.official_masking = official_masking

    def choose(self, logits: Tensor, candidates: Tensor) -> Tensor:
        form = class_activation_value if self.value == "final" else first_class_activation_value
        return select(form(logits), candidates, official_masking=self.official_masking)


@register("CAM selection")
class MapSelection(Identify):
    """The pilot experiment: candidates are identified by their class activation map.

    Needs a network with a linear head on pooled maps.

    Args:
        start_epoch: as in CAVL, at least 1.
        rule: how a map becomes a score (see ``map_scores``).
        mode: of the second pass.
    """

    def __init__(self, start_epoch: int = 1, *, rule: str = "count", mode: str = "train") -> None:
        if start_epoch < 1:
            raise ValueError(f"start_epoch is {start_epoch}: expected at least 1")
        super().__init__(start_epoch, mode=mode)
        self.rule = rule

    def identify(self, model: Network, x: Tensor, candidates: Tensor) -> Tensor:
        was_training = model.training
        model.train(self.mode == "train")
        maps = class_activation_maps(model, x)
        model.train(was_training)
        return best_candidate(map_scores(maps, self.rule), candidates)
