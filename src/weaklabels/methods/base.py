"""What a method is: its loss on a batch of logits, and a few hooks for the state it keeps.

The one training loop (``weaklabels.train.fit``) calls the hooks in this order::

    start(observed)                     once, before training (by the caller)
    prepare(model)                      once, when the network has its initial weights (the same)
    begin(predict)                      once, when the loop starts
    before_epoch(epoch)                 epochs are counted 1, 2, ...
      step(model, x, index)             per batch: forward and loss
      after_step(model, x, index)       per batch: after the optimiser's step
    after_epoch(predict)                predict() gives eval-mode logits of all training inputs,
                                        predict(averaged=True) those of the averaged weights
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from weaklabels.models import Network

REGISTRY: dict[str, type[Method]] = {}
"""Name used in the tables -> method class."""


class Method:
    """Base of all methods; alone it only knows how to forward a batch.

    Attributes:
        observed: the weak labels of all training examples, on the training device.
        epoch: the current epoch, from 1.
        readings: what the last step measured, by name, without gradient; for the curious.
        needs_expected_positives: the method wants the mean number of positives per example
            (``expected_positives``), knowledge that the others do without.
    """

    needs_expected_positives = False
    observed: Tensor
    epoch: int = 0
    readings: Mapping[str, Tensor] = MappingProxyType({})

    def start(self, observed: Tensor) -> None:
        """Take the weak labels, ``(N, C)``; a method that changes them works on its own copy."""
        self.observed = observed

    def prepare(self, model: Network) -> None:
        """Change the network in place, say, add branches to a backbone; often nothing."""

    def parameters(self) -> list[nn.Parameter]:
        """Trainable tensors of the method itself (say, estimated labels); none by default."""
        return []

    learning_rate_factor = 10.0
    """Learning rate of the method's own parameters, as a multiple of the features' rate."""

    def begin(self, predict: Callable[..., Tensor]) -> None:
        """Called once before the first epoch; does nothing by default."""

    def before_epoch(self, epoch: int) -> None:
        """Note the epoch."""
        self.epoch = epoch

    def step(self, model: nn.Module, x: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        """Forward a batch.

        Args:
            model: the network, in training mode.
            x: ``(B, ...)`` inputs.
            index: ``(B,)`` int64, rows of the training set.

        Returns:
            logits ``(B, C)`` and the scalar loss.
        """
        logits = model(x)
        return logits, self.loss(logits, index)

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        """Scalar loss of the batch whose training-set rows are ``index``."""
        raise TypeError(f"{type(self).__name__} must define loss(logits, index)")

    def after_step(self, model: nn.Module, x: Tensor, index: Tensor) -> None:
        """Called after the optimiser's step on the batch; does nothing by default."""

    def after_epoch(self, predict: Callable[..., Tensor]) -> None:
        """Called after each epoch; does nothing by default."""


def register(name: str) -> Callable[[type[Method]], type[Method]]:
    """Class decorator: make a method known by the name the tables use."""

    def add(cls: type[Method]) -> type[Method]:
        if name in REGISTRY and REGISTRY[name].__module__ != cls.__module__:
            raise ValueError(f"method {name!r} is already defined in {REGISTRY[name].__module__}")
        REGISTRY[name] = cls
        return cls

    return add


def negative_log_sigmoid(logits: Tensor, epsilon: float = 0.0) -> Tensor:
    r"""Entry-wise :math:`-\ln(\sigma(z)+\epsilon)`; exact for any logit when epsilon is 0.

    The papers' code adds :math:`\epsilon=10^{-5}` inside the logarithm, which bounds the loss at
    11.5 and lets the gradient fade beyond logits of about -11.
    """
    if epsilon == 0:
        return F.softplus(-logits)
    return -torch.log(torch.sigmoid(logits) + epsilon)
