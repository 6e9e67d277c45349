"""The one training loop of the book."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from weaklabels.methods.base import Method
from weaklabels.models import Network


@dataclass(frozen=True)
class OptimiserSpec:
    """Which optimiser, with which rates.

    Attributes:
        name: ``"adam"`` or ``"sgd"``.
        lr: learning rate of the features.
        head_lr: learning rate of the linear head; ``None`` means ``lr``.
        weight_decay: L2 penalty, added to the gradient.
        momentum: of SGD.
    """

    name: str = "adam"
    lr: float = 1e-3
    head_lr: float | None = None
    weight_decay: float = 0.0
    momentum: float = 0.9

    def build(self, model: Network, method: Method) -> torch.optim.Optimizer:
        """The optimiser over features, head and the method's own parameters.

        Raises:
            ValueError: if the name is unknown.
        """
        groups = [
            {"params": list(model.features.parameters()), "lr": self.lr},
            {"params": list(model.head.parameters()), "lr": self.head_lr or self.lr},
            {
                "params": method.parameters(),
                "lr": self.lr * method.learning_rate_factor,
                "weight_decay": 0.0,
            },
        ]
        groups = [group for group in groups if group["params"]]
        if self.name == "adam":
            return torch.optim.Adam(groups, weight_decay=self.weight_decay, fused=True)
        if self.name == "sgd":
            return torch.optim.SGD(
                groups, lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay
            )
        raise ValueError(f"unknown optimiser {self.name!r}: expected 'adam' or 'sgd'")


def predict(model: nn.Module, x: Tensor, batch_size: int = 1000) -> Tensor:
    """Evaluation-mode logits ``(N, C)`` of all inputs, without gradients.

    The model's mode is put back afterwards.
    """
    was_training = model.training
    model.eval()
    with torch.no_grad():
        logits = torch.cat([model(batch) for batch in x.split(batch_size)])
    model.train(was_training)
    return logits


def fit(
    model: Network,
    x: Tensor,
    method: Method,
    *,
    epochs: int,
    batch_size: int,
    optimiser: torch.optim.Optimizer,
    order: torch.Generator,
    augment: Callable[[Tensor], Tensor] | None = None,
    after_step: Callable[[Tensor, Tensor, Tensor], None] | None = None,
    after_epoch: Callable[[int], None] | None = None,
) -> None:
    """Train ``model`` in place.

    Args:
        model: the network, on the device of ``x``.
        x: all training inputs ``(N, ...)``, on the device; batches are slices of it.
        method: has been given the weak labels (``method.start``).
        epochs: number of passes over the data.
        batch_size: examples a step; the last, smaller batch is kept.
        optimiser: from ``OptimiserSpec.build``, so that it includes the method's own parameters.
        order: CPU generator of the batch order.
        augment: applied to each batch of inputs.
        after_step: observer, called with (index, logits, loss), all detached.
        after_epoch: observer, called with the epoch, from 1, the model in training mode.
    """
    for epoch in range(1, epochs + 1):
        method.before_epoch(epoch)
        model.train()
        permutation = torch.randperm(len(x), generator=order).to(x.device)
        for index in permutation.split(batch_size):
            batch = x[index] if augment is None else augment(x[index])
            logits, loss = method.step(model, batch, index)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            method.after_step(model, batch, index)
            if after_step is not None:
                after_step(index, logits.detach(), loss.detach())
        method.after_epoch(lambda: predict(model, x))
        if after_epoch is not None:
            after_epoch(epoch)
