"""PU-MLC's local-global convolution: a branch beside a convolution that sees the whole image."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ConstantBatchNorm(nn.BatchNorm2d):
    """Batch norm that always uses its stored statistics: a scale and a shift per channel."""

    def train(self, mode: bool = True) -> ConstantBatchNorm:
        return super().train(False)


class GlobalBranch(nn.Module):
    """The branch beside a convolution that sees the whole image (the authors' Global_Branch).

    Each of K heads gathers its share of the channels into one vector, by attention over all
    positions, and hands it back to every position through a gate.

    Args:
        inputs, outputs: channels.
        stride: of the convolution beside it.
        heads: K, a divisor of ``inputs``.
        reduction: ``inputs`` over the channels from which attention and gate are computed.

    Raises:
        ValueError: if the channels cannot be divided so.
    """

    def __init__(
        self, inputs: int, outputs: int, stride: int = 1, heads: int = 8, reduction: int = 4
    ) -> None:
        super().__init__()
        if inputs % heads or inputs < reduction:
            raise ValueError(
                f"{inputs} channels with {heads} heads and reduction {reduction}: expected a "
                "multiple of the heads and no fewer than the reduction"
            )
        middle = inputs // reduction
        self.heads = heads
        self.reduce = nn.Conv2d(inputs, middle, 1)
        self.gather = nn.Conv2d(2 * middle, heads, 1)
        self.broadcast = nn.Conv2d(2 * middle, heads, 1)
        self.value = nn.Conv2d(inputs, inputs, 1)
        self.project = nn.Conv2d(inputs, outputs, 1, stride)
        self.norm = ConstantBatchNorm(outputs).eval()
        # So small a scale that a pre-trained network starts with its own features.
        nn.init.normal_(self.norm.weight, std=1e-4)

    def attention(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Where each head gathers from (sums to 1) and where it hands back to (a gate in (0, 1)).

        Args:
            x: ``(B, inputs, h, w)``.

        Returns:
            ``(B, K, h, w)`` each.
        """
        local = F.relu(self.reduce(x))
        both = torch.cat([local, local.mean((2, 3), keepdim=True).expand_as(local)], 1)
        weights = self.gather(both).flatten(2).softmax(2).unflatten(2, x.shape[2:])
        return weights, torch.sigmoid(self.broadcast(both))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, inputs, h, w)`` to ``(B, outputs, h', w')``."""
        weights, gate = self.attention(x)
        values = self.value(x).unflatten(1, (self.heads, -1))
        vectors = torch.einsum("bkhw,bkdhw->bkd", weights, values)
        handed_back = torch.einsum("bkd,bkhw->bkdhw", vectors, gate).flatten(1, 2)
        return self.norm(self.project(x + handed_back))


class LocalGlobalConv(nn.Module):
    """A convolution, kept as it is, plus a ``GlobalBranch``.

    Raises:
        ValueError: if the convolution does not keep the size of its input up to its stride.
    """

    def __init__(self, conv: nn.Conv2d, heads: int = 8, reduction: int = 4) -> None:
        super().__init__()
        shrinks = any(
            not isinstance(p, int) or 2 * p != d * (k - 1)
            for p, d, k in zip(conv.padding, conv.dilation, conv.kernel_size, strict=False)
        )
        if shrinks or conv.stride[0] != conv.stride[1]:
            raise ValueError(f"{conv}: expected padding that keeps the size, and one stride")
        self.local = conv
        self.branch = GlobalBranch(
            conv.in_channels, conv.out_channels, conv.stride[0], heads, reduction
        ).to(conv.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.local(x) + self.branch(x)


def add_global_branches(
    backbone: nn.Module, kernel: int = 3, heads: int = 8, reduction: int = 4
) -> list[GlobalBranch]:
    """Put a branch beside every convolution with this kernel size, in place.

    Args:
        backbone: say, a pre-trained ResNet, whose 3 x 3 convolutions are the ones of the paper.
        kernel, heads, reduction: see ``GlobalBranch``.

    Returns:
        The new branches, whose parameters are to be trained.

    Raises:
        ValueError: if there is no such convolution.
    """
    branches = []
    for parent in list(backbone.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d) and child.kernel_size == (kernel, kernel):
                both = LocalGlobalConv(child, heads, reduction)
                setattr(parent, name, both)
                branches.append(both.branch)
    if not branches:
        raise ValueError(f"the backbone has no {kernel} x {kernel} convolution")
    return branches
