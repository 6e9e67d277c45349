"""The decoder of ML-Decoder (Ridnik et al., WACV 2023): one embedding and one logit per class."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ClasswiseLinear(nn.Module):
    """One weight vector and one bias per class: ``(B, C, D) -> (B, C)``.

    Args:
        width: D.
        classes: C.
    """

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.xavier_normal_(torch.empty(classes, width)))
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, embeddings: Tensor) -> Tensor:
        return (embeddings * self.weight).sum(2) + self.bias


class LabelDecoder(nn.Module):
    """Embeddings of an image for every class: ``(B, channels, h, w) -> (B, classes, width)``.

    One decoder layer without self-attention (ML-Decoder, Ridnik et al., WACV 2023): fixed random
    queries, one per class, attend to the places of the maps.

    Args:
        channels: of the maps.
        classes: number of queries.
        width: of the embeddings.
        heads: of the attention.
        hidden: width of the feed-forward part.
        dropout: share of dropped values.
    """

    queries: Tensor

    def __init__(
        self, channels: int, classes: int, *, width: int, heads: int, hidden: int, dropout: float
    ) -> None:
        super().__init__()
        self.channels = channels
        self.register_buffer("queries", torch.randn(classes, width))
        self.memory = nn.Sequential(nn.Linear(channels, width), nn.ReLU())
        self.attention = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, width)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.dropout = nn.Dropout(dropout)

    def forward(self, maps: Tensor) -> Tensor:
        memory = self.memory(maps.flatten(2).transpose(1, 2))
        t = self.queries.expand(len(maps), -1, -1)
        t = self.norms[0](t + self.dropout(t))
        attended, _ = self.attention(t, memory, memory, need_weights=False)
        t = self.norms[1](t + self.dropout(attended))
        return self.norms[2](t + self.dropout(self.feed_forward(t)))
