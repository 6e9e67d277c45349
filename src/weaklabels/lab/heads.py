"""Many linear heads on the same frozen features, trained together as one computation.

Every head has its own method, weak labels and weights, exactly as if it were trained alone with
``train.fit``. What they share is the arithmetic: one matrix product gives the logits of all heads
that see the same batches, the losses are added up, and one optimiser moves all weights. Since no
loss depends on another head's weights, and Adam and SGD treat every number by itself, the result is
that of separate training up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from weaklabels.methods.base import Method
from weaklabels.models import Network
from weaklabels.train import OptimiserSpec


@dataclass(frozen=True)
class Head:
    """One linear layer and the method that trains it.

    Attributes:
        linear: from features ``(B, D)`` to logits ``(B, C)``.
        method: has been given the weak labels (``method.start``). It may read the network's
            parameters and the logits of its batches; a method that changes the network, or forwards
            other inputs, cannot be trained this way.
    """

    linear: nn.Linear
    method: Method

    @property
    def network(self) -> Network:
        """The head as a network on features."""
        return Network(nn.Identity(), nn.Identity(), self.linear)


@dataclass(frozen=True)
class Group:
    """Heads that see the same batches: in practice, all methods of one seed.

    Attributes:
        heads: with the same number of classes.
        order: CPU generator of the batch order.
    """

    heads: Sequence[Head]
    order: torch.Generator


class _Given(nn.Module):
    """Stands in for a head's network in a step: its parameters, and logits computed already."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.logits: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        return self.logits


class _All(Method):
    """The trainable tensors of several methods, for one optimiser."""

    def __init__(self, methods: Sequence[Method]) -> None:
        self.methods = methods
        factors = {m.learning_rate_factor for m in methods if m.parameters()}
        if len(factors) > 1:
            raise ValueError(f"methods with different learning-rate factors: {sorted(factors)}")
        self.learning_rate_factor = next(iter(factors), Method.learning_rate_factor)

    def parameters(self) -> list[nn.Parameter]:
        return [parameter for method in self.methods for parameter in method.parameters()]


def logits_together(heads: Sequence[Head], x: Tensor) -> tuple[Tensor, ...]:
    """Logits ``(B, C)`` of every head on features ``(B, D)``, by one matrix product."""
    weight = torch.cat([head.linear.weight for head in heads])
    bias = torch.cat([head.linear.bias for head in heads])
    return F.linear(x, weight, bias).split(heads[0].linear.out_features, 1)


@torch.no_grad()
def predict_together(heads: Sequence[Head], x: Tensor) -> Tensor:
    """Logits ``(heads, N, C)`` of all rows of ``x``, without gradients."""
    return torch.stack(logits_together(heads, x))


def fit_together(
    groups: Sequence[Group],
    x: Tensor,
    *,
    epochs: int,
    batch_size: int,
    optimiser: OptimiserSpec,
    after_epoch: Callable[[int], None] | None = None,
) -> None:
    """Train all heads in place.

    Args:
        groups: the heads by batch order.
        x: features of all training examples ``(N, D)``.
        epochs: number of passes over the data.
        batch_size: examples a step; the last, smaller batch is kept.
        optimiser: of all heads; its rates stay constant (``warm_up`` is not used).
        after_epoch: observer, called with the epoch, from 1.

    Raises:
        ValueError: if methods want different rates for parameters of their own.
    """
    heads = [head for group in groups for head in group.heads]
    given = {id(head): _Given(head.network) for head in heads}
    weights = nn.ModuleList(head.linear for head in heads)
    everything = Network(nn.Identity(), nn.Identity(), weights)
    optimise = optimiser.build(everything, _All([head.method for head in heads]))
    predictions = [partial(_predict_one, head, x) for head in heads]

    for epoch in range(1, epochs + 1):
        for head, predict in zip(heads, predictions, strict=True):
            head.method.before_epoch(epoch, predict)
        orders = [torch.randperm(len(x), generator=g.order).split(batch_size) for g in groups]
        for rows in zip(*orders, strict=True):
            steps = []
            for group, index in zip(groups, (r.to(x.device) for r in rows), strict=True):
                batch = x[index]
                for head, logits in zip(
                    group.heads, logits_together(group.heads, batch), strict=True
                ):
                    given[id(head)].logits = logits
                    steps.append((head, batch, index))
            losses = [h.method.step(given[id(h)], batch, index)[1] for h, batch, index in steps]
            optimise.zero_grad()
            torch.stack(losses).sum().backward()
            optimise.step()
            for head, batch, index in steps:
                head.method.after_step(given[id(head)], batch, index)
        for head, predict in zip(heads, predictions, strict=True):
            head.method.after_epoch(predict)
        if after_epoch is not None:
            after_epoch(epoch)


def _predict_one(head: Head, x: Tensor) -> Tensor:
    return predict_together([head], x)[0]


def average_precision_together(scores: Tensor, truth: Tensor) -> Tensor:
    """``metrics.average_precision`` of many heads at once, in percent.

    Args:
        scores: ``(heads, N, C)``.
        truth: ``(N, C)`` in {0, 1}.

    Returns:
        ``(heads, C)`` float64; a class without positives counts 0.
    """
    ordered, order = scores.sort(1, descending=True)
    positive = (truth == 1).expand_as(scores).gather(1, order).double()
    rank = torch.arange(1, scores.shape[1] + 1, device=scores.device, dtype=torch.float64)
    precision = positive.cumsum(1) / rank[:, None]
    # Equal scores are one threshold: all of them get the precision at the last one.
    last = torch.ones_like(ordered, dtype=torch.bool)
    last[:, :-1] = ordered[:, :-1] != ordered[:, 1:]
    position = torch.where(last, rank[:, None].long() - 1, scores.shape[1] - 1)
    at = position.flip(1).cummin(1).values.flip(1)
    found = (positive * precision.gather(1, at)).sum(1)
    return 100 * found / (truth == 1).sum(0).clamp(min=1)
