"""The head of SSGRL (Chen et al., ICCV 2019), which PU-MLC takes over: classes as a graph."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from weaklabels.networks.local_global import ConstantBatchNorm


def cooccurrence(observed: Tensor) -> Tensor:
    """Share of the rows with class i observed positive in which class j is too.

    Args:
        observed: ``(N, C)``.

    Returns:
        ``(C, C)`` float32, with ones on the diagonal. A class that is never observed has no other
        entries (the authors' code divides by zero there).
    """
    positive = (observed == 1).float()
    counts = positive.T @ positive
    shares = counts / positive.sum(0).clamp(min=1)[:, None]
    return shares.fill_diagonal_(1.0)


class SemanticDecoupling(nn.Module):
    """One feature vector per class, gathered by attention that a class vector guides (SSGRL).

    Args:
        channels: D, of the feature maps.
        words: ``(C, d)`` one vector per class, say word vectors; the identity matrix leaves the
            classes' vectors to be learned.
        width: of the space in which maps and words meet.
    """

    words: Tensor

    def __init__(self, channels: int, words: Tensor, width: int = 512) -> None:
        super().__init__()
        self.register_buffer("words", words)
        self.of_image = nn.Linear(channels, width, bias=False)
        self.of_word = nn.Linear(words.shape[1], width, bias=False)
        self.joint = nn.Linear(width, width)
        self.score = nn.Linear(width, 1)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Maps ``(B, D, h, w)`` to features ``(B, C, D)`` and attention ``(B, C, h, w)``."""
        places = maps.flatten(2).transpose(1, 2)
        image, word = self.of_image(places), self.of_word(self.words)
        joint = self.joint(torch.tanh(image[:, None] * word[None, :, None]))
        weights = self.score(joint).squeeze(3).softmax(2)
        return weights @ places, weights.unflatten(2, maps.shape[2:])


class GatedGraph(nn.Module):
    """Gated graph network over the classes: neighbours along A and its transpose (Li et al., 2016).

    Args:
        channels: D, of a class's feature.
        adjacency: ``(C, C)``.
        steps: rounds of message passing.
    """

    adjacency: Tensor

    def __init__(self, channels: int, adjacency: Tensor, steps: int = 3) -> None:
        super().__init__()
        self.register_buffer("adjacency", adjacency)
        self.steps = steps
        self.update_message, self.reset_message, self.new_message = (
            nn.Linear(2 * channels, channels) for _ in range(3)
        )
        self.update_state, self.reset_state, self.new_state = (
            nn.Linear(channels, channels) for _ in range(3)
        )

    def forward(self, features: Tensor) -> Tensor:
        """``(B, C, D)`` to ``(B, C, D)``."""
        state = features
        for _ in range(self.steps):
            message = torch.cat([self.adjacency @ state, self.adjacency.T @ state], 2)
            update = torch.sigmoid(self.update_message(message) + self.update_state(state))
            reset = torch.sigmoid(self.reset_message(message) + self.reset_state(state))
            new = torch.tanh(self.new_message(message) + self.new_state(reset * state))
            state = (1 - update) * state + update * new
        return state


class PerClassLinear(nn.Module):
    """A weight vector and a bias per class: ``(B, C, D)`` to logits ``(B, C)``."""

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(channels)
        self.weight = nn.Parameter(torch.empty(classes, channels).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(classes).uniform_(-bound, bound))

    def forward(self, features: Tensor) -> Tensor:
        return (features * self.weight).sum(2) + self.bias


class GraphHead(nn.Module):
    """The head of SSGRL (Chen et al., ICCV 2019), from feature maps to logits.

    Args:
        inputs: channels of the maps.
        adjacency: ``(C, C)`` of ``cooccurrence``.
        words: ``(C, d)``; None: learned class vectors.
        channels: D, to which the maps are reduced.
        width: of ``SemanticDecoupling``.
    """

    def __init__(
        self,
        inputs: int,
        adjacency: Tensor,
        words: Tensor | None = None,
        channels: int = 1024,
        width: int = 512,
    ) -> None:
        super().__init__()
        classes = len(adjacency)
        self.shrink = nn.Sequential(
            nn.AvgPool2d(2, 2, ceil_mode=True),
            nn.Conv2d(inputs, channels, 1, bias=False),
            ConstantBatchNorm(channels).eval(),
        )
        words = torch.eye(classes) if words is None else words
        self.decoupling = SemanticDecoupling(channels, words, width)
        self.graph = GatedGraph(channels, adjacency)
        self.joint = nn.Linear(2 * channels, channels)
        self.read_out = PerClassLinear(classes, channels)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps ``(B, inputs, h, w)`` to logits ``(B, C)``."""
        features, _ = self.decoupling(self.shrink(maps))
        both = torch.cat([self.graph(features), features], 2)
        return self.read_out(torch.tanh(self.joint(both)))
