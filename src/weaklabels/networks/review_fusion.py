"""The fusion of a student's maps that ReviewKD (Chen et al., CVPR 2021) trains."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ReviewFusion(nn.Module):
    """Top-down fusion of a student's stages for ReviewKD.

    The deepest stage is reduced to ``width`` channels; every shallower one is blended with the
    fused map of the next deeper stage by two attention maps; each fused map is projected to the
    teacher's channels.

    Args:
        student, teacher: channels of the stages, shallow to deep.
        width: channels of the fused maps.
    """

    def __init__(self, student: Sequence[int], teacher: Sequence[int], width: int = 256) -> None:
        super().__init__()

        def convolution(inputs: int, outputs: int, kernel: int) -> nn.Module:
            layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
            return nn.Sequential(layer, nn.BatchNorm2d(outputs))

        self.reduce = nn.ModuleList(convolution(c, width, 1) for c in student)
        self.project = nn.ModuleList(convolution(width, c, 3) for c in teacher)
        self.attention = nn.ModuleList(nn.Conv2d(2 * width, 2, 1) for _ in student[:-1])

    def forward(self, stages: Sequence[Tensor]) -> list[Tensor]:
        """Fused maps with the teacher's channels, shallow to deep."""
        fused = [self.reduce[-1](stages[-1])]
        for level in range(len(stages) - 2, -1, -1):
            own = self.reduce[level](stages[level])
            deeper = F.interpolate(fused[0], own.shape[-2:], mode="nearest")
            weights = torch.sigmoid(self.attention[level](torch.cat([own, deeper], 1)))
            fused.insert(0, own * weights[:, :1] + deeper * weights[:, 1:])
        return [project(maps) for project, maps in zip(self.project, fused, strict=True)]
