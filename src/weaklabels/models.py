"""Networks. Every one is ``features -> pool -> head``: a linear head on pooled feature maps.

So class activation maps, class activation values and frozen-feature runs need no hooks into
private layers: ``model.features(x)`` are the maps (or the vector), ``model.head`` is the last
linear layer.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from weaklabels.seeding import seed_torch


class Network(nn.Module):
    """A network in three parts.

    Args:
        features: inputs to maps ``(B, D, h, w)`` or vectors ``(B, D)``.
        pool: maps to vectors ``(B, D)``; the identity for vectors.
        head: linear layer ``D -> classes``.
    """

    def __init__(self, features: nn.Module, pool: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.features = features
        self.pool = pool
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(B, classes)``."""
        return self.head(self.pool(self.features(x)))


class GlobalAveragePool(nn.Module):
    """Mean over the two spatial dimensions: ``(B, D, h, w) -> (B, D)``."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.mean((2, 3))


class GlobalMaxPool(nn.Module):
    """Largest value over the two spatial dimensions: ``(B, D, h, w) -> (B, D)``."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.amax((2, 3))


POOLS = {"avg": GlobalAveragePool, "max": GlobalMaxPool}


def patch_net(
    classes: int,
    *,
    channels: int = 1,
    width: int = 128,
    patch: int = 8,
    stride: int = 4,
    batch_norm: bool = True,
    pool: str = "avg",
) -> Network:
    """The small scene network: a digit-sized convolution, a 1 x 1 convolution, a global pool.

    On 24 x 24 scenes with patch 8 and stride 4 the maps are 5 x 5.
    """

    def norm() -> list[nn.Module]:
        return [nn.BatchNorm2d(width)] if batch_norm else []

    features = nn.Sequential(
        nn.Conv2d(channels, width, patch, stride),
        *norm(),
        nn.ReLU(),
        nn.Conv2d(width, width, 1),
        *norm(),
        nn.ReLU(),
    )
    return Network(features, POOLS[pool](), nn.Linear(width, classes))


def linear(classes: int, *, inputs: int) -> Network:
    """One linear layer on flattened inputs of ``inputs`` values."""
    return Network(nn.Flatten(), nn.Identity(), nn.Linear(inputs, classes))


def mlp(
    classes: int, *, inputs: int, hidden: tuple[int, ...] = (500,), batch_norm: bool = False
) -> Network:
    """Fully connected ReLU network; with batch norm the hidden layers have no bias."""
    layers: list[nn.Module] = [nn.Flatten()]
    for width_in, width_out in zip((inputs, *hidden[:-1]), hidden, strict=True):
        layers.append(nn.Linear(width_in, width_out, bias=not batch_norm))
        layers += [nn.BatchNorm1d(width_out)] if batch_norm else []
        layers.append(nn.ReLU())
    return Network(nn.Sequential(*layers), nn.Identity(), nn.Linear(hidden[-1], classes))


BUILDERS: dict[str, Callable[..., Network]] = {
    "patch_net": patch_net,
    "linear": linear,
    "mlp": mlp,
}
"""Name -> function ``(classes, **options) -> Network``."""


def build(name: str, classes: int, *, seed: int = 0, **options: object) -> Network:
    """Build a network whose initial weights depend on ``seed`` alone.

    Raises:
        ValueError: if the name is unknown.
    """
    if name not in BUILDERS:
        raise ValueError(f"unknown network {name!r}: expected one of {', '.join(sorted(BUILDERS))}")
    with torch.random.fork_rng(devices=[]):
        seed_torch(seed, "network", name)
        return BUILDERS[name](classes, **options)
