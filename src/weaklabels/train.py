"""The one training loop of the book."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

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
        warm_up: share of the steps in which a one-cycle schedule (Smith and Topin, 2019) rises from
            1/25 of the rates to the rates themselves, before it falls to 0 along a cosine; ``None``
            keeps the rates constant.
        cycle_epochs: length of that schedule, if training stops before its end.
    """

    name: str = "adam"
    lr: float = 1e-3
    head_lr: float | None = None
    weight_decay: float = 0.0
    momentum: float = 0.9
    warm_up: float | None = None
    cycle_epochs: int | None = None

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

    def schedule(
        self, optimiser: torch.optim.Optimizer, epochs: int, steps_per_epoch: int
    ) -> LRScheduler | None:
        """The schedule of the learning rates, to be advanced after every step; None if constant."""
        if self.warm_up is None:
            return None
        return OneCycleLR(
            optimiser,
            [group["lr"] for group in optimiser.param_groups],
            total_steps=(self.cycle_epochs or epochs) * steps_per_epoch,
            pct_start=self.warm_up,
        )


class WeightAverage:
    """Exponential running average of a model's state, weights and buffers alike.

    Attributes:
        model: a copy of the model with the averaged state, in evaluation mode.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """After an optimiser's step: average = decay * average + (1 - decay) * new."""
        new = model.state_dict()
        for name, value in self.model.state_dict().items():
            if value.is_floating_point():
                value.lerp_(new[name], 1 - self.decay)
            else:
                value.copy_(new[name])


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
    schedule: LRScheduler | None = None,
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
        schedule: from ``OptimiserSpec.schedule``; advanced after every step.
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
            if schedule is not None:
                schedule.step()
            method.after_step(model, batch, index)
            if after_step is not None:
                after_step(index, logits.detach(), loss.detach())
        method.after_epoch(lambda: predict(model, x))
        if after_epoch is not None:
            after_epoch(epoch)
