"""The one training loop of the book."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

from weaklabels import checks
from weaklabels.data.augment import to_float
from weaklabels.data.reading import read_ahead
from weaklabels.ema import WeightAverage
from weaklabels.methods.base import Method
from weaklabels.models import Network


@dataclass(frozen=True)
class OptimiserSpec:
    """Which optimiser, with which rates.

    Attributes:
        name: ``"adam"``, ``"adamw"`` or ``"sgd"``.
        lr: learning rate of the features (and of a pool that learns).
        head_lr: learning rate of the linear head; ``None`` means ``lr``.
        weight_decay: L2 penalty, added to the gradient; in AdamW the weights shrink directly.
        decay_vectors: whether biases and normalisation shrink too, or weight matrices only.
        momentum: of SGD.
        warm_up: share of the steps in which a one-cycle schedule (Smith and Topin, 2019) rises from
            1/25 of the rates to the rates themselves, before it falls to 0 along a cosine; ``None``
            keeps the rates constant.
        cycle_epochs: length of that schedule, if training stops before its end.

    What the chosen optimiser and schedule would ignore is refused when they are built.
    """

    name: str = "adam"
    lr: float = 1e-3
    head_lr: float | None = None
    weight_decay: float = 0.0
    decay_vectors: bool = True
    momentum: float = 0.9
    warm_up: float | None = None
    cycle_epochs: int | None = None

    def build(self, model: Network, method: Method) -> torch.optim.Optimizer:
        """The optimiser over features, head and the method's own parameters.

        Raises:
            ValueError: if the name is unknown, the head's rate is not above 0, or a setting is
                given that this optimiser or its schedule would ignore.
        """
        checks.unused(self, *(() if self.name == "sgd" else ["momentum"]))
        checks.unused(self, *(["cycle_epochs"] if self.warm_up is None else ()))
        checks.at_least(self.head_lr, 0, "head_lr", above=True)
        groups = [
            *self._groups(model.features, self.lr),
            *self._groups(model.pool, self.lr),
            *self._groups(model.head, self.head_lr or self.lr),
            {
                "params": method.parameters(),
                "lr": self.lr * method.learning_rate_factor,
                "weight_decay": self.weight_decay if method.decays else 0.0,
            },
        ]
        groups = _merged(groups)
        if self.name == "adam":
            return torch.optim.Adam(groups, weight_decay=self.weight_decay, fused=True)
        if self.name == "adamw":
            return torch.optim.AdamW(groups, weight_decay=self.weight_decay, fused=True)
        if self.name == "sgd":
            return torch.optim.SGD(
                groups,
                lr=self.lr,
                momentum=self.momentum,
                weight_decay=self.weight_decay,
                fused=True,
            )
        raise ValueError(f"unknown optimiser {self.name!r}: expected 'adam', 'adamw' or 'sgd'")

    def _groups(self, part: nn.Module, lr: float) -> list[dict[str, Any]]:
        parameters = list(part.parameters())
        if self.decay_vectors:
            return [{"params": parameters, "lr": lr}]
        return [
            {"params": [p for p in parameters if p.ndim > 1], "lr": lr},
            {"params": [p for p in parameters if p.ndim <= 1], "lr": lr, "weight_decay": 0.0},
        ]

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


def _merged(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The groups that are not empty, those with equal settings as one: each costs a call a step."""
    merged: dict[tuple[Any, ...], dict[str, Any]] = {}
    for group in groups:
        if group["params"]:
            settings = (group["lr"], group.get("weight_decay"))
            merged.setdefault(settings, group | {"params": []})["params"] += group["params"]
    return list(merged.values())


def paired_batches(
    first: Tensor, second: Tensor, sizes: tuple[int, int]
) -> Callable[[torch.Generator], Iterable[Tensor]]:
    """Batches that join rows of two kinds, such as labelled and unlabelled (see ``fit``).

    An epoch is one pass over ``second``, in random order; ``first`` is cycled through, in a new
    random order each time round. The last, smaller batch keeps its full share of ``first``.

    Args:
        first, second: row numbers.
        sizes: how many of each a batch holds.

    Raises:
        ValueError: if a kind is empty or a size is not positive.
    """
    if not (len(first) and len(second)) or min(sizes) < 1:
        raise ValueError(
            f"{len(first)} and {len(second)} rows in batches of {sizes[0]} + {sizes[1]}: "
            "expected at least one of each"
        )

    def batches(order: torch.Generator) -> Iterable[Tensor]:
        passed = second[torch.randperm(len(second), generator=order)].split(sizes[1])
        rounds = -(-len(passed) * sizes[0] // len(first))
        cycled = torch.cat(
            [first[torch.randperm(len(first), generator=order)] for _ in range(rounds)]
        ).split(sizes[0])
        return [torch.cat(pair) for pair in zip(cycled, passed, strict=False)]

    return batches


def predict(
    model: nn.Module,
    x: Tensor,
    batch_size: int | None = None,
    view: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Evaluation-mode logits ``(N, C)`` of all inputs, without gradients.

    The model's mode is put back afterwards. ``view`` is applied to each batch of inputs, on the
    model's device; without it images of whole numbers are scaled to [0, 1]. Batches hold 1000
    inputs (on a CPU 128, whose maps stay in its cache), or fewer of large images, unless
    ``batch_size`` says otherwise.
    """
    if batch_size is None:
        on_cpu = next(model.parameters(), x).device.type == "cpu"
        batch_size = max(1, min(128 if on_cpu else 1000, 2**24 // max(1, x[:1].numel())))
    view = view or _plain
    was_training = model.training
    model.eval()
    with torch.no_grad():
        rows = torch.arange(len(x)).split(batch_size)
        logits = torch.cat([model(view(batch)) for _, batch in _read(x, rows, model)])
    model.train(was_training)
    return logits


def _plain(batch: Tensor) -> Tensor:
    return to_float(batch) if batch.dtype == torch.uint8 else batch


def _read(
    x: Tensor, batches: Iterable[Tensor], model: nn.Module
) -> Iterator[tuple[Tensor, Tensor]]:
    """Row numbers and inputs of each batch on the model's device; images are read ahead."""
    device = next(model.parameters(), x).device
    if x.dtype == torch.uint8:
        batches_read = read_ahead(x, batches, device)
    else:
        batches_read = ((rows, x[rows.to(x.device)].to(device)) for rows in batches)
    for rows, batch in batches_read:
        yield rows.to(device), batch


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
    average: WeightAverage | None = None,
    augment: Callable[[Tensor], Tensor] | None = None,
    view: Callable[[Tensor], Tensor] | None = None,
    batches: Callable[[torch.Generator], Iterable[Tensor]] | None = None,
    after_step: Callable[[Tensor, Tensor, Tensor], None] | None = None,
    after_epoch: Callable[[int], None] | None = None,
    done: int = 0,
) -> None:
    """Train ``model`` in place.

    Args:
        model: the network, on the device that computes.
        x: all training inputs ``(N, ...)``; uint8 images may lie in a memory map.
        method: started and prepared.
        epochs: number of passes over the data.
        batch_size: examples a step; the last, smaller batch is kept.
        optimiser, schedule: from ``OptimiserSpec``; both advance with every step.
        order: CPU generator of the batch order.
        average: moving average of the weights; updated after every step.
        augment: applied to each batch; without it images of whole numbers are scaled to [0, 1].
        view: the same for the predictions that the method asks for.
        batches: the batches of an epoch, as row numbers, drawn with ``order``; by default all rows
            in random order, ``batch_size`` at a time.
        after_step: observer, called with (index, logits, loss), all detached.
        after_epoch: observer, called with the epoch, from 1, the model in training mode.
        done: epochs trained before; everything given here must be as it was after them.

    Raises:
        FloatingPointError: if a loss is not finite; on a CPU before the step changes anything.
        ValueError: if there are not as many weak labels as inputs.
    """
    checks.same_length(inputs=x, labels=getattr(method, "observed", None))
    predictions = partial(_predictions, model, average, x, view)
    draw = batches or partial(_shuffled, len(x), batch_size)
    for epoch in range(done + 1, epochs + 1):
        method.before_epoch(epoch, predictions)
        model.train()
        losses = Losses(method, epoch)
        for index, inputs in _read(x, draw(order), model):
            batch = (augment or _plain)(inputs)
            logits, loss = method.step(model, batch, index)
            losses.add(loss.detach())
            _update(model, loss, optimiser, schedule, average)
            method.after_step(model, batch, index)
            if after_step is not None:
                after_step(index, logits.detach(), loss.detach())
        losses.check()
        method.after_epoch(predictions)
        if after_epoch is not None:
            after_epoch(epoch)


def _predictions(
    model: Network,
    average: WeightAverage | None,
    x: Tensor,
    view: Callable[[Tensor], Tensor] | None,
    *,
    averaged: bool = False,
) -> Tensor:
    """What a method's hooks call ``predict``."""
    network = average.model if averaged and average is not None else model
    return predict(network, x, view=view)


def _shuffled(rows: int, batch_size: int, order: torch.Generator) -> Iterable[Tensor]:
    return torch.randperm(rows, generator=order).split(batch_size)


def _update(
    model: Network,
    loss: Tensor,
    optimiser: torch.optim.Optimizer,
    schedule: LRScheduler | None,
    average: WeightAverage | None,
) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    if schedule is not None:
        schedule.step()
    if average is not None:
        average.update(model)


class Losses:
    """The losses of an epoch, none of which may be anything but a finite number.

    A GPU is not made to wait for every step: there the losses are looked at once, after the epoch.
    """

    def __init__(self, method: Method, epoch: int) -> None:
        self.method, self.epoch = method, epoch
        self.steps = 0
        self.unseen: list[Tensor] = []

    def add(self, loss: Tensor) -> None:
        """Take the loss of the next step, a scalar without gradient."""
        self.unseen.append(loss)
        if not loss.is_cuda:
            self.check()

    def check(self) -> None:
        """Look at those that have not been looked at.

        Raises:
            FloatingPointError: naming the method, the epoch and the step of the first bad one.
        """
        for loss in torch.stack(self.unseen).tolist() if self.unseen else ():
            self.steps += 1
            if not math.isfinite(loss):
                raise FloatingPointError(
                    f"method {self.method.name!r}: the loss of epoch {self.epoch}, step "
                    f"{self.steps} is {loss}: expected a finite number"
                )
        self.unseen = []
