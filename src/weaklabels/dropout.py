"""Dropout for networks that have none, and predictions with it switched on."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from weaklabels import checks
from weaklabels.models import Network
from weaklabels.seeding import seed_torch


class Dropout(nn.Dropout):
    """Dropout from uniform numbers: on a CPU twice as fast as PyTorch's Bernoulli numbers."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        kept = torch.rand(x.shape, device=x.device) >= self.p
        scale = 1 / (1 - self.p) if self.p < 1 else 0.0
        return x * (kept.to(x.dtype) * scale)


def add_dropout(model: Network, share: float) -> Network:
    """Insert dropout: after every ReLU of a fully connected network, else before the head.

    Args:
        model: changed in place; its numbering of ``features`` changes.
        share: of values set to 0 in training; 0 leaves the network as it is.

    Returns:
        the same network.

    Raises:
        ValueError: if the share is none.
    """
    checks.within(share, 0, 1, "share")
    if not share:
        return model
    layers = list(model.features.children())
    if any(isinstance(layer, nn.Linear) for layer in layers):
        parts = [[a, Dropout(share)] if isinstance(a, nn.ReLU) else [a] for a in layers]
        model.features = nn.Sequential(*(layer for part in parts for layer in part))
    else:
        model.pool = nn.Sequential(model.pool, Dropout(share))
    return model


def dropout_passes(model: Network, x: Tensor, passes: int, seed: int) -> Tensor:
    """Logits ``(passes, N, C)`` with dropout on and everything else as in evaluation.

    Args:
        model: with dropout layers; its mode is put back afterwards.
        x: ``(N, ...)`` floating-point inputs on the model's device.
        passes: how many networks are drawn.
        seed: of the draws.

    Raises:
        ValueError: if the network has no dropout: all passes would be the same.
    """
    checks.has_dropout(model)
    was_training = model.training
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.train()
    with torch.no_grad(), torch.random.fork_rng():
        seed_torch(seed, "dropout passes")
        logits = torch.stack([model(x) for _ in range(passes)])
    model.train(was_training)
    return logits
