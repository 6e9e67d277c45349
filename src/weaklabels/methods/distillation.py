"""Distillation of other papers, with which L2D compares: of logits, features and maps.

Notation: N images, logits ``(N, C)``, features of whole images ``(N, d)``. Teacher tensors never
receive a gradient. Source of the formulas: the official code of L2D.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from weaklabels import checks
from weaklabels.methods.base import register
from weaklabels.methods.l2d import Distillation, Outputs, parts, structure_losses
from weaklabels.models import Network
from weaklabels.networks.review_fusion import ReviewFusion

# -- losses on logits -----------------------------------------------------------------------------


def softmax_distillation(student: Tensor, teacher: Tensor, temperature: float = 4.0) -> Tensor:
    """Single-label distillation (Hinton et al., 2015): KL of softened softmaxes times T^2, mean.

    Blind to a constant added to all logits of an image, so to how many labels it has.

    Raises:
        ValueError: if the shapes differ, or the temperature is not above 0.
    """
    checks.same_shape("N, C", least=0, student=student, teacher=teacher)
    checks.at_least(temperature, 0, "temperature", above=True)
    p = F.log_softmax(teacher.detach() / temperature, 1)
    q = F.log_softmax(student / temperature, 1)
    return temperature**2 * F.kl_div(q, p, log_target=True, reduction="batchmean")


def probability_mse(student: Tensor, teacher: Tensor) -> Tensor:
    """Squared difference of the sigmoid probabilities, summed over classes, mean over N.

    Raises:
        ValueError: if the shapes differ.
    """
    checks.same_shape("N, C", least=0, student=student, teacher=teacher)
    gap = torch.sigmoid(student) - torch.sigmoid(teacher.detach())
    return gap.square().sum() / max(len(student), 1)


def partial_softmax(student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
    """PS: for each positive class, softmax over it and all negatives of the image; KL of the two.

    Summed over entries, positives and images, divided by N (images without positives count).

    Args:
        student, teacher: logits ``(N, C)``.
        labels: ``(N, C)`` in {0, 1}.

    Raises:
        ValueError: if the shapes differ, or a label is neither 0 nor 1.
    """
    checks.same_shape("N, C", least=0, student=student, teacher=teacher, labels=labels)
    checks.binary(labels, "labels", wait=False)
    image, label = (labels == 1).nonzero(as_tuple=True)
    if not len(image):
        return student.sum() * 0
    keep = labels[image] != 1
    keep[torch.arange(len(image), device=label.device), label] = True

    def log_probabilities(logits: Tensor) -> Tensor:
        return F.log_softmax(logits[image].masked_fill(~keep, -math.inf), 1).masked_fill(~keep, 0)

    p, q = log_probabilities(teacher.detach()), log_probabilities(student)
    return (p.exp() * (p - q) * keep).sum() / len(student)


# -- comparators on features of whole images ------------------------------------------------------


def relational_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """RKD, distances (Park et al., CVPR 2019): H of the whole batch, features ``(N, d)``.

    Raises:
        ValueError: if the numbers of rows differ.
    """
    checks.same_length(student=student, teacher=teacher)
    everyone = torch.ones(1, len(student), dtype=torch.bool, device=student.device)
    return structure_losses(student[None], teacher[None], everyone)[0]


def relational_angle(student: Tensor, teacher: Tensor) -> Tensor:
    """RKD, angles: smooth L1 between the cosines of all triplets, mean over N^3 entries.

    Raises:
        ValueError: if the numbers of rows differ.
    """

    checks.same_length(student=student, teacher=teacher)

    def cosines(features: Tensor) -> Tensor:
        directions = F.normalize(features[None] - features[:, None], dim=2)
        return directions @ directions.transpose(1, 2)

    return F.smooth_l1_loss(cosines(student), cosines(teacher.detach()))


def relational(
    student: Tensor, teacher: Tensor, distance_weight: float = 10.0, angle_weight: float = 10.0
) -> Tensor:
    """RKD: weighted distances and angles."""
    distances = relational_distance(student, teacher)
    return distance_weight * distances + angle_weight * relational_angle(student, teacher)


def probabilistic_transfer(student: Tensor, teacher: Tensor) -> Tensor:
    """PKT (Passalis and Tefas, ECCV 2018): KL of cosine similarities, rows normalised to sum 1.

    Mean over N^2 entries, the diagonal included.

    Args:
        student: ``(N, d)``.
        teacher: ``(N, d')``.

    Raises:
        ValueError: if the numbers of rows differ.
    """
    checks.same_length(student=student, teacher=teacher)
    small = 1e-7

    def similarities(features: Tensor) -> Tensor:
        unit = features / (features.norm(dim=1, keepdim=True) + small)
        shares = (unit @ unit.T + 1) / 2
        return shares / shares.sum(1, keepdim=True)

    s, t = similarities(student), similarities(teacher.detach())
    return (t * torch.log((t + small) / (s + small))).mean()


def hierarchical_context(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """Loss of ReviewKD (Chen et al., CVPR 2021) on fused student maps, summed over levels.

    Per level, the MSE of the maps, and of the maps pooled to 4, 2 and 1 pixels where that is
    smaller, weighted 1, 1/2, 1/4, ... and divided by the sum of the weights.

    Args:
        student, teacher: per level ``(N, c, h, h)``, of equal shapes.

    Raises:
        ValueError: if the shapes of a level differ.
    """
    total = torch.zeros((), dtype=student[0].dtype, device=student[0].device)
    for fused, target in zip(student, teacher, strict=True):
        checks.same_shape("N, c, h, h", least=0, student=fused, teacher=target)
        target = target.detach()
        level, weight, weights = F.mse_loss(fused, target), 1.0, 1.0
        for size in (4, 2, 1):
            if size < fused.shape[-1]:
                weight /= 2
                weights += weight
                own, its = (F.adaptive_avg_pool2d(maps, size) for maps in (fused, target))
                level = level + weight * F.mse_loss(own, its)
        total = total + level / weights
    return total


# -- methods --------------------------------------------------------------------------------------


@register("Softmax KD")
class SoftmaxDistillation(Distillation):
    """Single-label distillation, applied to multi-label logits.

    Raises:
        ValueError: if the temperature is not above 0.
    """

    def __init__(
        self, weight: float | None = None, hard: float = 1.0, temperature: float = 4.0
    ) -> None:
        checks.at_least(temperature, 0, "temperature", above=True)
        super().__init__(weight, hard)
        self.temperature = temperature

    def term(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        return softmax_distillation(student.logits, teacher.logits, self.temperature)


@register("MSE")
class ProbabilityMse(Distillation):
    """Squared difference of the probabilities."""

    def term(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        return probability_mse(student.logits, teacher.logits)


@register("PS")
class PartialSoftmax(Distillation):
    """Partial softmax: one positive against all negatives."""

    def term(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        return partial_softmax(student.logits, teacher.logits, labels)


@register("RKD")
class Relational(Distillation):
    """Relations among the features of whole images: 10 distances + 10 angles."""

    def term(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        return relational(student.features, teacher.features)


@register("PKT")
class ProbabilisticTransfer(Distillation):
    """Similarities among the features of whole images as probabilities."""

    def term(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        return probabilistic_transfer(student.features, teacher.features)


class _WithProjection(Distillation):
    """Features of the student are compared after layers that are trained with it."""

    state = ("projection",)
    projection: nn.Module

    def parameters(self) -> list[nn.Parameter]:
        return list(self.projection.parameters())


@register("FitNet")
class FitNet(_WithProjection):
    """MSE between a learned linear projection of the student's feature and the teacher's."""

    def prepare(self, model: Network) -> None:
        own, target = (parts(network)[1].channels for network in (model, self.teacher))
        self.projection = nn.Linear(own, target).to(next(model.parameters()))

    def term(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        return F.mse_loss(self.projection(student.features), teacher.features)


@register("ReviewKD")
class ReviewKD(_WithProjection):
    """Maps of several stages, fused top-down (see ``ReviewFusion``).

    Args:
        weight, hard: see ``Distillation``.
        stages: which parts of the backbone are the stages.
        width: channels of the fused maps.
    """

    def __init__(
        self,
        weight: float | None = None,
        hard: float = 1.0,
        stages: Sequence[int] = (-1,),
        width: int = 256,
    ) -> None:
        super().__init__(weight, hard)
        self.stages, self.width = tuple(stages), width

    def prepare(self, model: Network) -> None:
        own, target = (self._channels(parts(network)[0]) for network in (model, self.teacher))
        fusion = ReviewFusion(own, target, self.width)
        self.projection = fusion.to(next(model.parameters()))

    def _channels(self, backbone: nn.Sequential) -> list[int]:
        """Channels of the stages: those of the last convolution up to each."""
        channels, last = [], 0
        for part in backbone:
            widths = [m.out_channels for m in part.modules() if isinstance(m, nn.Conv2d)]
            last = widths[-1] if widths else last
            channels.append(last)
        return [channels[i] for i in self.stages]

    def term(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        own, target = ([out.stages[i] for i in self.stages] for out in (student, teacher))
        return hierarchical_context(self.projection(own), target)
