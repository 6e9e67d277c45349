"""BLDR's network: a positive and a negative head, and branches that leave after earlier stages.

Notation: batches of B samples, K classes, features of d values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from weaklabels import checks

if TYPE_CHECKING:
    from weaklabels.models import Network


class Outputs(NamedTuple):
    """What a two-headed network says about a batch.

    Attributes:
        positive, negative: logits of the two heads, ``(B, K)``.
        middle: logits of M branches, ``(M, B, K)``.
        features: final features, ``(B, d)``.
        middle_features: those of the branches, ``(M, B, d)``.
    """

    positive: Tensor
    negative: Tensor
    middle: Tensor
    features: Tensor
    middle_features: Tensor


class Branch(nn.Module):
    """From an earlier stage to a feature of the final width.

    Vectors: a linear layer. Maps: 1 x 1 to d / 4, ``shrink`` x ``shrink`` with that stride, 1 x 1
    to d, average pool. Batch norm and ReLU follow every layer.

    Args:
        width_in: channels of the stage.
        width: d.
        shrink: how much smaller the last maps are than those of this stage; None for vectors.
    """

    def __init__(self, width_in: int, width: int, shrink: int | None) -> None:
        super().__init__()
        if shrink is None:
            layers = [nn.Linear(width_in, width), nn.BatchNorm1d(width), nn.ReLU()]
        else:
            layers = []
            shapes = ((width_in, width // 4, 1), (width // 4, width // 4, shrink))
            for inputs, made, size in (*shapes, (width // 4, width, 1)):
                layers += [nn.Conv2d(inputs, made, size, size, bias=False)]
                layers += [nn.BatchNorm2d(made), nn.ReLU()]
            layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class TwoHeads(nn.Module):
    """Positive, negative and middle heads; called on features it predicts with the first two.

    The prediction is ln of the mean of both softmaxes: its largest entry is that of their sum.

    Args:
        positive: the positive head.
        branches: number of middle heads.
        negative: whether the negative head is trained; if not, the positive one predicts alone.
    """

    def __init__(self, positive: nn.Linear, branches: int, *, negative: bool) -> None:
        super().__init__()
        shape = positive.in_features, positive.out_features
        self.positive, self.trained = positive, negative
        self.negative = nn.Linear(*shape)
        self.middle = nn.ModuleList(nn.Linear(*shape) for _ in range(branches))

    def forward(self, features: Tensor) -> Tensor:
        if not self.trained:
            return self.positive(features)
        both = [F.log_softmax(h(features), 1) for h in (self.positive, self.negative)]
        return torch.logaddexp(*both) - math.log(2)


class Staged(nn.Module):
    """A sequential backbone that remembers what to branch off after which layers.

    Args:
        layers: the backbone.
        taps: layers after which a branch leaves.
        branches: one for each.
    """

    def __init__(
        self, layers: nn.Sequential, taps: Sequence[int], branches: Sequence[nn.Module]
    ) -> None:
        super().__init__()
        self.layers, self.taps = layers, tuple(taps)
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)

    def stages(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Final maps or vectors, and the features of the branches."""
        leaving = iter(self.branches)
        middle = []
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i in self.taps:
                middle.append(next(leaving)(x))
        return x, middle


def add_heads(
    model: Network, taps: Sequence[int] = (), shrink: Sequence[int] = (), *, negative: bool = True
) -> None:
    """Give a network a negative head and branches, in place.

    Args:
        model: its features are a ``Sequential``; its linear head becomes the positive head.
        taps: layers of the features after which a branch leaves, in ascending order.
        shrink: for maps, how much smaller the last maps are than those at each tap.
        negative: whether the negative head takes part in predictions.

    Raises:
        TypeError: if the network is made in another way.
        ValueError: if the taps do not ascend.
    """
    checks.ascending(taps, "taps")
    if not isinstance(model.features, nn.Sequential):
        raise TypeError(
            f"the features are a {type(model.features).__name__}: expected a Sequential"
        )
    head = model.linear_head()
    widths, last = [], 0
    for layer in model.features:
        made = [m for m in layer.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        last = made[-1].weight.shape[0] if made else last
        widths.append(last)
    factors = tuple(shrink) or (None,) * len(taps)
    branches = [Branch(widths[t], head.in_features, s) for t, s in zip(taps, factors, strict=True)]
    like = head.weight  # its device and type
    model.features = Staged(model.features, taps, branches).to(like)
    model.head = TwoHeads(head, len(branches), negative=negative).to(like)


def _two_headed(model: Network) -> tuple[Staged, TwoHeads]:
    if not (isinstance(model.features, Staged) and isinstance(model.head, TwoHeads)):
        raise TypeError("the network has one head: add_heads gives it two")
    return model.features, model.head


def outputs(model: Network, x: Tensor) -> Outputs:
    """Forward a batch through all heads of a network that ``add_heads`` has changed."""
    features, heads = _two_headed(model)
    maps, middle = features.stages(x)
    h = model.pool(maps)
    logits = [head(e) for head, e in zip(heads.middle, middle, strict=True)]
    positive, negative = heads.positive(h), heads.negative(h)
    none = h.new_zeros(0, len(h), 1)
    return Outputs(
        positive,
        negative,
        torch.stack(logits) if logits else none.expand(-1, -1, positive.shape[1]),
        h,
        torch.stack(middle) if middle else none.expand(-1, -1, h.shape[1]),
    )


class _OneHead(nn.Module):
    name: ClassVar[str]

    def __init__(self, model: Network) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        features, heads = _two_headed(self.model)
        return heads.get_submodule(self.name)(self.model.pool(features(x)))


class PositiveHead(_OneHead):
    """The positive head of a two-headed network as a classifier of its own."""

    name = "positive"


class NegativeHead(_OneHead):
    """The negative head of a two-headed network as a classifier of its own."""

    name = "negative"
