r"""MoGD: meta objective guided disambiguation of candidate labels (Zou, Xie and Huang, 2022).

Every candidate label has a weight, and a small clean set judges it: if a step of gradient descent
on this one label, by itself, would lower the loss on the clean set, the label earns weight.

The paper's body could not be read and no official code is known. This is a reconstruction from its
abstract and from the online re-weighting that it builds on (Ren et al., ICML 2018, code read):
how the weights are normalised, and that they are remembered between visits, are choices made here.

Notation: batches of B samples, K classes; candidates ``(B, K)`` bool, clean labels ``(M,)`` int64.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jvp
from torch.nn import functional as F

from weaklabels import checks
from weaklabels.methods.base import Context, register, told
from weaklabels.methods.partial_label import CandidateMethod, weighted_cross_entropy

with warnings.catch_warnings():
    # What forward mode loads on its first use calls a function that PyTorch itself discourages.
    warnings.simplefilter("ignore", FutureWarning)
    import torch._decomp.decompositions_for_jvp

Clean = tuple[Tensor, Tensor]
"""Inputs ``(M, ...)`` and true labels ``(M,)`` int64 of the clean set."""

NORMALISE = ("instance", "batch")
GRADIENTS = ("closed form", "double backward")


def virtual_step_gradient(model: nn.Module, x: Tensor, clean: Clean, rate: float = 1.0) -> Tensor:
    r"""The meta-gradient by its definition: backward through a virtual step, ``(B, K)``.

    :math:`u_{ij}=-\partial\,\bar\ell\big(\hat\theta(\epsilon)\big)/\partial\epsilon_{ij}` at
    :math:`\epsilon=0`, where :math:`\hat\theta(\epsilon)=\theta-\alpha\nabla_\theta
    \frac1B\sum_{ij}\epsilon_{ij}\ell_{ij}`, :math:`\ell_{ij}=-\ln p_{ij}`, and
    :math:`\bar\ell` is the mean cross-entropy on the clean set.

    Args:
        model: in the mode in which it is to be judged; it is not changed.
        x: ``(B, ...)`` inputs.
        clean: the clean set.
        rate: alpha, the length of the virtual step.
    """
    theta = _parameters(model)

    def inner(parameters: dict[str, Tensor], epsilon: Tensor) -> Tensor:
        logs = F.log_softmax(functional_call(model, parameters, (x,)), 1)
        return -(epsilon * logs).sum() / len(x)

    def outer(epsilon: Tensor) -> Tensor:
        slopes = grad(inner)(theta, epsilon)
        moved = {name: value - rate * slopes[name] for name, value in theta.items()}
        return F.cross_entropy(functional_call(model, moved, (clean[0],)), clean[1])

    with torch.no_grad():
        shape = model(x).shape
    return -grad(outer)(torch.zeros(shape, dtype=_dtype(model), device=x.device))


def clean_slopes(model: nn.Module, x: Tensor, clean: Clean) -> tuple[Tensor, Tensor]:
    r"""Logits of a batch and their derivative along the gradient of the clean loss.

    One backward pass over the clean set for :math:`g`, one forward-mode pass over the batch for
    :math:`d_i=J_ig`.

    Returns:
        logits and d, ``(B, K)`` each, without gradient.
    """
    theta = _parameters(model)
    leaves = {name: value.detach().requires_grad_() for name, value in theta.items()}
    with torch.enable_grad():
        loss = F.cross_entropy(functional_call(model, leaves, (clean[0],)), clean[1])
        found = torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True)
    slopes = dict(zip(theta, found, strict=True))
    logits, along, *_ = jvp(
        lambda parameters: functional_call(model, parameters, (x,)), (theta,), (slopes,)
    )
    return logits, along


def closed_form_gradient(logits: Tensor, slopes: Tensor, rate: float = 1.0) -> Tensor:
    r"""The meta-gradient from what ``clean_slopes`` returns, ``(B, K)``.

    :math:`u_{ij}=\frac\alpha B\big(\sum_kp_{ik}d_{ik}-d_{ij}\big)`: a label is useful if a step
    down the clean loss raises its logit by more than the mean under p.
    """
    p = torch.softmax(logits, 1)
    return rate / len(logits) * ((p * slopes).sum(1, keepdim=True) - slopes)


def meta_gradient(model: nn.Module, x: Tensor, clean: Clean, rate: float = 1.0) -> Tensor:
    """How much each label of a batch would help on the clean set, ``(B, K)``; positive is good."""
    return closed_form_gradient(*clean_slopes(model, x, clean), rate)


def label_weights(useful: Tensor, candidates: Tensor, normalise: str = "instance") -> Tensor:
    """Weights of the candidates: the positive part of the meta-gradient, normalised.

    Args:
        useful: ``(B, K)`` meta-gradient.
        candidates: ``(B, K)`` bool.
        normalise: ``"instance"``, rows sum to 1; ``"batch"``, all together do (Ren et al.). What
            has no positive candidate is 0.

    Raises:
        ValueError: if ``normalise`` is unknown, or the candidates are not bool, of the same shape.
    """
    if normalise not in NORMALISE:
        raise ValueError(f"normalise is {normalise!r}: expected {' or '.join(NORMALISE)}")
    checks.same_shape("B, K", least=0, useful=useful, candidates=candidates)
    checks.boolean(candidates, "candidates")
    raw = useful.clamp(min=0) * candidates
    total = raw.sum(1, keepdim=True) if normalise == "instance" else raw.sum()
    return torch.where(total > 0, raw / torch.where(total > 0, total, 1), 0)


def remembered(weights: Tensor, new: Tensor, memory: float = 0.9) -> Tensor:
    """Running mean of weights; rows without new weight stay as they are, ``(B, K)``.

    Raises:
        ValueError: if the shapes differ.
    """
    checks.same_shape("B, K", least=0, weights=weights, new=new)
    mixed = memory * weights + (1 - memory) * new
    return torch.where(new.sum(1, keepdim=True) > 0, mixed, weights)


@register("MoGD")
class MoGD(CandidateMethod):
    """Meta objective guided disambiguation.

    Args:
        memory: share of the old weights that a visit keeps; 0 takes the new weights alone.
        normalise: see ``label_weights``. Weights of a batch are then times B, so that the loss
            keeps its scale; this form has no memory.
        gradient: ``"closed form"`` or ``"double backward"``; the same numbers at another cost.
        clean_batch: clean samples that judge a step, drawn anew each time; None: all of them.

    Attributes:
        useful: ``(N, K)`` meta-gradients of the last visits.

    Raises:
        ValueError: if an option is unknown or out of range.
    """

    needs = frozenset({"clean"})
    uses = frozenset({"generator"})
    state = ("useful", "generator")

    def __init__(
        self,
        memory: float = 0.9,
        *,
        normalise: str = "instance",
        gradient: str = "closed form",
        clean_batch: int | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= memory < 1:
            raise ValueError(f"memory is {memory}: expected a share in [0, 1)")
        if normalise not in NORMALISE:
            raise ValueError(f"normalise is {normalise!r}: expected {' or '.join(NORMALISE)}")
        if normalise == "batch" and memory:
            raise ValueError("normalise 'batch' has no memory: weights of two batches do not mix")
        if gradient not in GRADIENTS:
            raise ValueError(f"gradient is {gradient!r}: expected {' or '.join(GRADIENTS)}")
        if clean_batch is not None and clean_batch < 1:
            raise ValueError(f"clean_batch is {clean_batch}: expected at least one sample")
        self.memory, self.normalise, self.clean_batch = memory, normalise, clean_batch
        self.find: Callable[[nn.Module, Tensor, Clean], Tensor] = (
            meta_gradient if gradient == "closed form" else virtual_step_gradient
        )

    def start(self, context: Context) -> None:
        super().start(context)
        self.clean, self.generator = told(context.clean), context.generator
        self.useful = torch.zeros_like(self.weights)

    def step(self, model: nn.Module, x: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        self.useful[index] = self.judge(model, x).to(self.useful.dtype)
        new = label_weights(self.useful[index], self.observed[index], self.normalise)
        if self.normalise == "batch":
            self.weights[index] = len(x) * new
        elif self.memory:
            self.weights[index] = remembered(self.weights[index], new, self.memory)
        else:
            self.weights[index] = new
        logits = model(x)
        return logits, weighted_cross_entropy(logits, self.weights[index])

    def judge(self, model: nn.Module, x: Tensor) -> Tensor:
        """The meta-gradient in evaluation mode: batch norm must not couple the samples."""
        was_training = model.training
        model.eval()
        useful = self.find(model, x, self._clean_batch())
        model.train(was_training)
        return useful.detach()

    def trace(self) -> dict[str, Tensor]:
        return super().trace() | {"useful": self.useful}

    def _clean_batch(self) -> Clean:
        inputs, labels = self.clean
        if self.clean_batch is None or len(labels) <= self.clean_batch:
            return self.clean
        rows = torch.randperm(len(labels), generator=self.generator)[: self.clean_batch]
        rows = rows.to(labels.device)
        return inputs[rows], labels[rows]


def _parameters(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in model.named_parameters()}


def _dtype(model: nn.Module) -> torch.dtype:
    return next(model.parameters()).dtype
