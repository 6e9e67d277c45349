r"""Multi-Label Knowledge Distillation (Yang, Xie et al., ICCV 2023).

A frozen teacher and a student give every image one logit and one embedding per class. L2D is the
hard-label loss plus multi-label logits distillation (MLD) plus the class-aware (CD) and
instance-aware (ID) distillation of the label-wise embeddings (LED = 100 CD + 1000 ID as shipped).

Notation: N images, q classes (C in code), logits ``(N, C)``, embeddings ``(N, C, D)``, truth
``(N, C)`` in {0, 1}. Teacher tensors never receive a gradient.

The comparators of the paper's code are in :mod:`weaklabels.methods.distillation`. Source of all
formulas: the official code.
"""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from weaklabels import checks
from weaklabels.methods.base import Context, Method, at_least_float32, register, told
from weaklabels.models import Network
from weaklabels.networks.label_decoder import LabelDecoder

FLOOR = 1e-8
"""Smallest probability inside a logarithm of the hard-label loss."""

REDUCTIONS = ("batchmean", "sum", "mean")

# -- losses on logits -----------------------------------------------------------------------------


def hard_label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    r"""Binary cross-entropy, SUMMED over images and classes.

    :math:`-\sum_{ik} y\ln\max(p,10^{-8})+(1-y)\ln\max(1-p,10^{-8})`. All weights of the
    distillation terms are relative to this sum, hence to the batch size.

    Args:
        logits: ``(N, C)``; half precision is computed in float32.
        labels: ``(N, C)`` in {0, 1}, or shares in between.

    Raises:
        ValueError: if the shapes differ, or a label is not in [0, 1].
    """
    checks.same_shape("N, C", least=0, logits=logits, labels=labels)
    checks.within(labels, 0, 1, "labels")
    logits, labels = at_least_float32(logits), labels.to(logits.device)
    present = F.logsigmoid(logits).clamp(min=math.log(FLOOR))
    absent = F.logsigmoid(-logits).clamp(min=math.log(FLOOR))
    return -(labels * present + (1 - labels) * absent).sum()


def multi_label_distillation(
    student: Tensor, teacher: Tensor, reduction: str = "batchmean"
) -> Tensor:
    r"""MLD: every class is a binary problem of its own.

    :math:`\frac1N\sum_{ik}\big[p^T\ln\frac{p^T}{p^S}+(1-p^T)\ln\frac{1-p^T}{1-p^S}\big]`, no
    temperature. Computed from the logits: the clamp of the code is a no-op at the top in float32
    (:math:`1-10^{-8}` rounds to 1), where a large logit gives infinity or NaN.

    Args:
        student, teacher: logits ``(N, C)``.
        reduction: ``"batchmean"`` (sum over classes, mean over images; the default of the code),
            ``"sum"`` or ``"mean"`` (over all entries).

    Raises:
        ValueError: if the reduction is unknown, or if the shapes differ.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"unknown reduction {reduction!r}: expected {', '.join(REDUCTIONS)}")
    checks.same_shape("N, C", least=0, student=student, teacher=teacher)
    student, teacher = at_least_float32(student), at_least_float32(teacher.detach())
    p = torch.sigmoid(teacher)
    present = p * (F.logsigmoid(teacher) - F.logsigmoid(student))
    absent = (1 - p) * (F.logsigmoid(-teacher) - F.logsigmoid(-student))
    total = (present + absent).sum()
    return (
        total / {"batchmean": max(len(student), 1), "sum": 1, "mean": max(p.numel(), 1)}[reduction]
    )


def soft_label_bce(student: Tensor, teacher: Tensor) -> Tensor:
    """Cross-entropy with the teacher's probabilities as labels, summed over classes, mean over N.

    It differs from MLD by the teacher's entropy, a constant: the gradients are the same.

    Raises:
        ValueError: if the shapes differ.
    """
    checks.same_shape("N, C", least=0, student=student, teacher=teacher)
    return F.binary_cross_entropy_with_logits(
        student, torch.sigmoid(teacher.detach()), reduction="sum"
    ) / max(len(student), 1)


# -- structure of embeddings ----------------------------------------------------------------------


def pairwise_distances(rows: Tensor) -> Tensor:
    r"""Distances :math:`\sqrt{\max(|a|^2+|b|^2-2a\cdot b,\,10^{-12})}`, 0 on the diagonal.

    Args:
        rows: ``(..., M, D)``.

    Returns:
        ``(..., M, M)``. The diagonal is cut out before the root, whose slope there would be huge.
    """
    squares = rows.square().sum(-1)
    gram = rows @ rows.transpose(-1, -2)
    diagonal = torch.eye(rows.shape[-2], dtype=torch.bool, device=rows.device)
    squared = (squares[..., :, None] + squares[..., None, :] - 2 * gram).masked_fill(diagonal, 1)
    return squared.clamp(min=1e-12).sqrt().masked_fill(diagonal, 0)


def normalised_distances(rows: Tensor, mask: Tensor) -> Tensor:
    """Distances among the marked rows, divided by their mean over pairs; 0 for other pairs.

    Args:
        rows: ``(G, M, D)``, G groups.
        mask: ``(G, M)`` bool, the rows that count.

    Returns:
        ``(G, M, M)``.
    """
    diagonal = torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
    pairs = mask[:, :, None] & mask[:, None, :] & ~diagonal
    distances = pairwise_distances(rows).masked_fill(~pairs, 0)
    mean = distances.sum((1, 2)) / pairs.sum((1, 2)).clamp(min=1)
    return distances / torch.where(mean > 0, mean, 1)[:, None, None]


def structure_losses(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    r"""H of each group: :math:`\frac1m\sum_{ab}\mathrm{huber}(d^S_{ab}-d^T_{ab})`.

    d are normalised distances among the m marked rows; each pair counts twice. The student's mean
    distance is part of the graph. With two rows both matrices are [[0, 1], [1, 0]]: no signal.

    Args:
        student: ``(G, M, D)``.
        teacher: ``(G, M, D')``.
        mask: ``(G, M)`` bool.

    Returns:
        ``(G,)``; 0 for groups with fewer than two rows.

    Raises:
        ValueError: if groups or rows differ, or the mask is not bool.
    """
    checks.same_shape("G, M", least=0, student=student[..., 0], teacher=teacher[..., 0], mask=mask)
    checks.boolean(mask, "mask")
    student, teacher = at_least_float32(student), at_least_float32(teacher.detach())
    gap = normalised_distances(student, mask) - normalised_distances(teacher, mask)
    entries = F.smooth_l1_loss(gap, torch.zeros_like(gap), reduction="none")
    return entries.sum((1, 2)) / mask.sum(1).clamp(min=1)


def instance_aware(student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
    """ID: structure among the embeddings of one image's positive classes, summed over images.

    Args:
        student, teacher: embeddings ``(N, C, D)``.
        labels: ``(N, C)`` in {0, 1}.

    Raises:
        ValueError: if a label is neither 0 nor 1, or the shapes do not fit.
    """
    checks.binary(labels, "labels", wait=False)
    return structure_losses(student, teacher, labels == 1).sum()


def class_aware(student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
    """CD: structure among one class's embeddings of its positive images, summed over classes.

    Arguments as for ``instance_aware``.
    """
    return instance_aware(student.transpose(0, 1), teacher.transpose(0, 1), labels.T)


def label_wise_embedding(
    student: Tensor,
    teacher: Tensor,
    labels: Tensor,
    class_weight: float = 100.0,
    instance_weight: float = 1000.0,
) -> Tensor:
    """LED: the two structure terms with their shipped weights."""
    terms = torch.zeros((), device=student.device)
    if class_weight:
        terms = terms + class_weight * class_aware(student, teacher, labels)
    if instance_weight:
        terms = terms + instance_weight * instance_aware(student, teacher, labels)
    return terms


# -- methods --------------------------------------------------------------------------------------


class Outputs(NamedTuple):
    """What a network of ``models.label_decoder`` says about a batch.

    Attributes:
        stages: maps ``(N, c, h, w)`` after each part of the backbone.
        embeddings: ``(N, C, D)``.
        logits: ``(N, C)``.
    """

    stages: list[Tensor]
    embeddings: Tensor
    logits: Tensor

    @property
    def features(self) -> Tensor:
        """Average-pooled maps of the last stage, ``(N, c)``."""
        return self.stages[-1].mean((2, 3))

    def rows(self, index: Tensor) -> Outputs:
        """The same for some images."""
        stages = [maps[index] for maps in self.stages]
        return Outputs(stages, self.embeddings[index], self.logits[index])


def parts(model: Network) -> tuple[nn.Sequential, LabelDecoder]:
    """Backbone and decoder of a network of ``models.label_decoder``.

    Raises:
        TypeError: if it is another network.
    """
    match list(model.features.children()):
        case [nn.Sequential() as backbone, LabelDecoder() as decoder]:
            return backbone, decoder
    raise TypeError("the network has no embedding for every class: build it as 'label_decoder'")


def outputs(model: Network, x: Tensor) -> Outputs:
    """Forward a batch and keep the stages, the embeddings and the logits."""
    backbone, decoder = parts(model)
    stages = []
    for part in backbone:
        x = part(x)
        stages.append(x)
    embeddings = decoder(x)
    return Outputs(stages, embeddings, model.head(embeddings))


@register("Vanilla")
class HardLabels(Method):
    """Hard-label loss alone (summed), the student without a teacher."""

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        return hard_label_loss(logits, (self.observed[index] == 1).to(logits.dtype))


class Distillation(HardLabels):
    """Hard-label loss plus ``weight`` times a term that compares the student with a teacher.

    Args:
        weight: of the term; by default the shipped one, or 1 where none is shipped.
        hard: weight of the hard-label loss; 0 learns from the teacher alone.
    """

    needs = frozenset({"teacher"})
    uses = frozenset({"inputs"})
    learning_rate_factor = 1.0
    shipped_weight: ClassVar[float] = 1.0

    def __init__(self, weight: float | None = None, hard: float = 1.0) -> None:
        self.weight = self.shipped_weight if weight is None else weight
        self.hard = hard

    def start(self, context: Context) -> None:
        """Take the labels and the teacher, frozen and in evaluation mode from now on."""
        super().start(context)
        self.teacher = told(context.teacher).eval().requires_grad_(False)
        self.known = None if context.inputs is None else outputs(self.teacher, context.inputs)

    def step(self, model: Network, x: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        student = outputs(model, x)
        if self.known is None:
            with torch.no_grad():
                teacher = outputs(self.teacher, x)
        else:
            teacher = self.known.rows(index)
        labels = (self.observed[index] == 1).to(student.logits.dtype)
        loss = self.weight * self.term(student, teacher, labels)
        if self.hard:
            loss = loss + self.hard * hard_label_loss(student.logits, labels)
        return student.logits, loss

    def term(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        """The distillation term, a scalar."""
        raise TypeError(f"{type(self).__name__} must define term(student, teacher, labels)")


@register("MLD")
class MultiLabelDistillation(Distillation):
    """Multi-label logits distillation; BCE with the teacher's probabilities has its gradient."""

    shipped_weight = 10.0

    def term(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        return multi_label_distillation(student.logits, teacher.logits)


@register("L2D")
class L2D(Distillation):
    """MLD and LED together; with a weight of 0 a part is left out.

    Args:
        weight: of everything but the hard-label loss.
        hard: weight of the hard-label loss.
        logits_weight, class_weight, instance_weight: of MLD, CD and ID; the shipped ones.
    """

    def __init__(
        self,
        weight: float | None = None,
        hard: float = 1.0,
        logits_weight: float = 10.0,
        class_weight: float = 100.0,
        instance_weight: float = 1000.0,
    ) -> None:
        super().__init__(weight, hard)
        self.logits_weight = logits_weight
        self.class_weight = class_weight
        self.instance_weight = instance_weight

    def term(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        loss = label_wise_embedding(
            student.embeddings, teacher.embeddings, labels, self.class_weight, self.instance_weight
        )
        if self.logits_weight:
            loss = loss + self.logits_weight * multi_label_distillation(
                student.logits, teacher.logits
            )
        return loss
