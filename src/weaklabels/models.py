"""Networks. Every one is ``features -> pool -> head``: a linear head on pooled feature maps.

So class activation maps, class activation values and frozen-feature runs need no hooks into
private layers: ``model.features(x)`` are the maps (or the vector), ``model.head`` is the last
linear layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from weaklabels.networks import efficientnet_lite as lite
from weaklabels.networks.label_decoder import ClasswiseLinear, LabelDecoder
from weaklabels.seeding import seed_torch


class Network(nn.Module):
    """A network in three parts.

    Args:
        features: inputs to maps ``(B, D, h, w)`` or vectors ``(B, D)``.
        pool: maps to vectors ``(B, D)``; the identity for vectors.
        head: vectors to logits ``(B, classes)``; one linear layer, unless a method or a
            ``ClasswiseLinear`` takes its place.

    Attributes:
        autocast: type in which matrix products and convolutions are computed, such as
            ``torch.bfloat16``; logits are float32 all the same. ``None`` leaves all as it is.
        pretrained: whether the features came with their weights; the head never does.
    """

    autocast: torch.dtype | None = None
    pretrained: bool = False

    def __init__(self, features: nn.Module, pool: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.pool = pool
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(B, classes)``."""
        if self.autocast is None:
            return self.head(self.pool(self.features(x)))
        with torch.autocast(x.device.type, self.autocast):
            return self.head(self.pool(self.features(x))).float()

    def linear_head(self) -> nn.Linear:
        """The head, for those who need one linear layer.

        Raises:
            TypeError: if it is something else.
        """
        if not isinstance(self.head, nn.Linear):
            raise TypeError(f"the head is a {type(self.head).__name__}: expected a linear layer")
        return self.head


class GlobalAveragePool(nn.Module):
    """Mean over the two spatial dimensions: ``(B, D, h, w) -> (B, D)``."""

    def forward(self, maps: Tensor) -> Tensor:
        # The gradient of a mean is divided place by place, that of a sum not at all.
        return maps.sum((2, 3)) / (maps.shape[2] * maps.shape[3])


class GlobalMaxPool(nn.Module):
    """Largest value over the two spatial dimensions: ``(B, D, h, w) -> (B, D)``."""

    def forward(self, maps: Tensor) -> Tensor:
        return F.adaptive_max_pool2d(maps, 1).flatten(1)


POOLS = {"avg": GlobalAveragePool, "max": GlobalMaxPool}


class PatchConv(nn.Conv2d):
    """A convolution without padding, computed as one matrix product over all patches.

    Weights, shapes and results are those of ``nn.Conv2d``; the maps ``(B, D, h, w)`` have their
    channels last in memory. On a CPU a training step of the small scene network takes a third less
    time like this, and an evaluation half of it.
    """

    def forward(self, x: Tensor) -> Tensor:
        (height, width), (down, right) = self.kernel_size, self.stride
        patches = x.unfold(2, height, down).unfold(3, width, right).permute(0, 2, 3, 1, 4, 5)
        maps = F.linear(patches.flatten(3), self.weight.flatten(1), self.bias)
        return maps.permute(0, 3, 1, 2)


def patch_net(
    classes: int,
    *,
    channels: int = 1,
    width: int = 128,
    patch: int = 8,
    stride: int = 4,
    depth: int = 2,
    batch_norm: bool = True,
    pool: str = "avg",
    normalise: tuple[float, float] | None = None,
) -> Network:
    """The small scene network: a digit-sized convolution, a 1 x 1 convolution, a global pool.

    On 24 x 24 scenes with patch 8 and stride 4 the maps are 5 x 5. ``depth`` counts the
    convolutions; all but the first are 1 x 1. ``normalise`` is a mean to be taken off all pixels
    first and a deviation to divide them by.
    """

    def norm() -> list[nn.Module]:
        return [nn.BatchNorm2d(width)] if batch_norm else []

    layers = [PatchConv(channels, width, patch, stride), *norm(), nn.ReLU()]
    for _ in range(depth - 1):
        layers += [PatchConv(width, width, 1), *norm(), nn.ReLU()]
    if normalise is not None:
        layers.insert(0, _Normalise(normalise[:1], normalise[1:]))
    network = Network(nn.Sequential(*layers), POOLS[pool](), nn.Linear(width, classes))
    return network.to(memory_format=torch.channels_last)


def linear(classes: int, *, inputs: int) -> Network:
    """One linear layer on flattened inputs of ``inputs`` values."""
    return Network(nn.Flatten(), nn.Identity(), nn.Linear(inputs, classes))


def mlp(
    classes: int,
    *,
    inputs: int,
    hidden: tuple[int, ...] = (500,),
    batch_norm: bool = False,
    xavier: bool = False,
) -> Network:
    """Fully connected ReLU network; with batch norm the hidden layers have no bias.

    With ``xavier`` the weights start uniform after Glorot and Bengio (AISTATS 2010), as in the
    code of RC, CC and LW.
    """
    layers: list[nn.Module] = [nn.Flatten()]
    for width_in, width_out in zip((inputs, *hidden[:-1]), hidden, strict=True):
        layers.append(nn.Linear(width_in, width_out, bias=not batch_norm))
        layers += [nn.BatchNorm1d(width_out)] if batch_norm else []
        layers.append(nn.ReLU())
    network = Network(nn.Sequential(*layers), nn.Identity(), nn.Linear(hidden[-1], classes))
    if xavier:
        for weight in network.parameters():
            if weight.ndim == 2:
                nn.init.xavier_uniform_(weight)
    return network


def gap_cnn(
    classes: int, *, channels: int = 1, widths: tuple[int, int, int] = (16, 16, 32)
) -> Network:
    """Three 3 x 3 convolutions with batch norm, one max pool, global average pooling.

    On 8 x 8 digits the maps are 4 x 4. Channels come last in memory, which is faster on a CPU.
    """
    layers: list[nn.Module] = []
    for i, (width_in, width_out) in enumerate(zip((channels, *widths[:-1]), widths, strict=True)):
        layers += [nn.MaxPool2d(2)] if i == 2 else []
        layers += [nn.Conv2d(width_in, width_out, 3, padding=1), nn.BatchNorm2d(width_out)]
        layers.append(nn.ReLU())
    network = Network(nn.Sequential(*layers), GlobalAveragePool(), nn.Linear(widths[-1], classes))
    return network.to(memory_format=torch.channels_last)


class _Halve(nn.Module):
    """The largest of every 2 x 2 values.

    Without a gradient to come, two maxima of slices take a third of the time of a pooling layer on
    a CPU; with one, their backward pass takes twice as long.
    """

    def forward(self, maps: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            return F.max_pool2d(maps, 2)
        height, width = (2 * (side // 2) for side in maps.shape[2:])
        rows = torch.maximum(maps[:, :, 0:height:2], maps[:, :, 1:height:2])
        return torch.maximum(rows[..., 0:width:2], rows[..., 1:width:2])


def lenet(classes: int, *, channels: int = 1) -> Network:
    """LeNet for 28 x 28 images: two 5 x 5 convolutions, then 400-120-84-classes, all with ReLU.

    Its features are the maps of the second convolution, ``(B, 16, 10, 10)``, so that Grad-CAM can
    be taken there; the hidden linear layers make up its ``pool``. Channels come last in memory and
    the first maximum is taken before the ReLU: the same values, faster on a CPU.
    """
    features = nn.Sequential(
        nn.Conv2d(channels, 6, 5, padding=2),
        _Halve(),
        nn.ReLU(),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
    )
    hidden = nn.Sequential(
        _Halve(), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU()
    )
    return Network(features, hidden, nn.Linear(84, classes)).to(memory_format=torch.channels_last)


class _BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut, projected where the shape changes."""

    def __init__(self, width_in: int, width_out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width_in, width_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width_out),
            nn.ReLU(),
            nn.Conv2d(width_out, width_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width_out),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or width_in != width_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(width_in, width_out, 1, stride, bias=False), nn.BatchNorm2d(width_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


def cifar_resnet(classes: int, *, channels: int = 3, depth: int = 32) -> Network:
    """ResNet for small images (He et al., 2016).

    Three stages of (depth - 2) / 6 basic blocks with 16, 32 and 64 channels.

    Raises:
        ValueError: if the depth is not 6n + 2.
    """
    if depth < 8 or (depth - 2) % 6:
        raise ValueError(f"depth is {depth}: expected 6n + 2, such as 20, 32 or 44")
    layers: list[nn.Module] = [
        nn.Conv2d(channels, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
    ]
    width_in = 16
    for width, first_stride in ((16, 1), (32, 2), (64, 2)):
        for block in range((depth - 2) // 6):
            layers.append(_BasicBlock(width_in, width, first_stride if block == 0 else 1))
            width_in = width
    network = Network(nn.Sequential(*layers), GlobalAveragePool(), nn.Linear(64, classes))
    _normal_convolutions(network)
    return network


class _DenseLayer(nn.Module):
    """Bottleneck: BN-ReLU-1x1 to 4 x growth, BN-ReLU-3x3 to growth, appended to the input."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, 4 * growth, 1, bias=False),
            nn.BatchNorm2d(4 * growth),
            nn.ReLU(),
            nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, self.body(x)), 1)


def cifar_densenet(
    classes: int, *, channels: int = 3, depth: int = 22, growth: int = 12
) -> Network:
    """DenseNet-BC for small images: three blocks of (depth - 4) / 6 bottlenecks, compression 2.

    Raises:
        ValueError: if the depth is not 6n + 4.
    """
    if depth < 10 or (depth - 4) % 6:
        raise ValueError(f"depth is {depth}: expected 6n + 4, such as 22, 40 or 100")
    width = 2 * growth
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1, bias=False)]
    for block in range(3):
        for _ in range((depth - 4) // 6):
            layers.append(_DenseLayer(width, growth))
            width += growth
        if block < 2:
            layers += [
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.Conv2d(width, width // 2, 1, bias=False),
            ]
            layers.append(nn.AvgPool2d(2))
            width //= 2
    layers += [nn.BatchNorm2d(width), nn.ReLU()]
    network = Network(nn.Sequential(*layers), GlobalAveragePool(), nn.Linear(width, classes))
    _normal_convolutions(network)
    return network


def convnet(classes: int, *, channels: int = 3, dropout: float = 0.25) -> Network:
    """The nine-layer network of Co-teaching (Han et al., NeurIPS 2018) for 32 x 32 images."""

    def layer(width_in: int, width_out: int, size: int, padding: int) -> list[nn.Module]:
        return [
            nn.Conv2d(width_in, width_out, size, padding=padding),
            nn.BatchNorm2d(width_out),
            nn.LeakyReLU(0.01),
        ]

    layers: list[nn.Module] = []
    width = channels
    for wider in (128, 256):
        for width_in in (width, wider, wider):
            layers += layer(width_in, wider, 3, 1)
        layers += [nn.MaxPool2d(2), nn.Dropout2d(dropout)]
        width = wider
    for wider in (512, 256, 128):
        layers += layer(width, wider, 3, 0)
        width = wider
    return Network(nn.Sequential(*layers), GlobalAveragePool(), nn.Linear(width, classes))


def _normal_convolutions(network: nn.Module) -> None:
    """Start convolutions from normal weights of standard deviation sqrt(2 / (kh kw out))."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            height, width = module.kernel_size
            nn.init.normal_(module.weight, 0, (2 / (height * width * module.out_channels)) ** 0.5)


def label_decoder(
    classes: int,
    *,
    backbone: str = "patch_net",
    backbone_options: tuple[tuple[str, object], ...] = (),
    width: int = 768,
    heads: int = 8,
    hidden: int = 2048,
    dropout: float = 0.1,
) -> Network:
    """A network with one embedding per class between the maps and the logits.

    Its features are ``Sequential(backbone, LabelDecoder)``, its head is a ``ClasswiseLinear``.

    Args:
        classes: number of classes.
        backbone, backbone_options: a network of ``BUILDERS`` whose features are maps in a
            ``Sequential``; only these are used.
        width, heads, hidden, dropout: see ``LabelDecoder``.
    """
    body = BUILDERS[backbone](classes, **dict(backbone_options))
    channels = body.linear_head().in_features
    decoder = LabelDecoder(
        channels, classes, width=width, heads=heads, hidden=hidden, dropout=dropout
    )
    features = nn.Sequential(body.features, decoder)
    return Network(features, nn.Identity(), ClasswiseLinear(width, classes))


def torchvision_resnet(
    classes: int,
    *,
    depth: int,
    pretrained: bool = True,
    weights: str | None = None,
    normalise: bool = False,
    small: bool = False,
) -> Network:
    """ResNet of torchvision with a new linear head, for photographs.

    Args:
        classes: number of classes.
        depth: 18, 34, 50, 101 or 152.
        pretrained: start from the ImageNet weights (torchvision's first set); otherwise from random
            ones.
        weights: their file, such as ``resnet50-0676ba61.pth``; torchvision downloads it once if
            none is named.
        normalise: subtract ImageNet's mean and divide by its deviation first, for papers that do;
            inputs are in [0, 1].
        small: start with a 3 x 3 convolution of stride 1 and no max pool, for 32 x 32 images; its
            layers 3, 4, 5 and 6 are then the four stages.

    Raises:
        FileNotFoundError: if the weights are not at hand and cannot be downloaded.
        ValueError: if torchvision has no such depth, or the file holds other weights.
    """
    from torchvision.models import get_model, get_model_weights

    from weaklabels.backbones import fill_imagenet
    from weaklabels.data.augment import IMAGENET_MEAN, IMAGENET_STD

    if depth not in (18, 34, 50, 101, 152):
        raise ValueError(f"depth is {depth}: expected 18, 34, 50, 101 or 152")
    body = get_model(f"resnet{depth}")
    if pretrained:
        fill_imagenet(body, get_model_weights(f"resnet{depth}").IMAGENET1K_V1, weights)
    width = body.fc.in_features
    layers = list(body.children())[:-2]
    if small:
        stem = nn.Conv2d(3, body.conv1.out_channels, 3, padding=1, bias=False)
        layers = [stem, *layers[1:3], *layers[4:]]
    if normalise:
        layers.insert(0, _Normalise(IMAGENET_MEAN, IMAGENET_STD))
    network = Network(nn.Sequential(*layers), GlobalAveragePool(), nn.Linear(width, classes))
    network.pretrained = pretrained
    return network


def efficientnet_lite(
    classes: int, *, size: int, pretrained: bool = True, classifier: bool = False
) -> Network:
    """EfficientNet-Lite with a new linear head, for photographs of few pixels.

    Inputs are in [0, 1]. Its features are the scaling of the pixels and the layers of
    ``networks.efficientnet_lite``, one after the other.

    Args:
        classes: number of classes.
        size: 0, 1 or 2.
        pretrained: start from the ImageNet weights; otherwise from random ones.
        classifier: keep the head of the 1,000 ImageNet classes as well.

    Raises:
        ModuleNotFoundError: if the package of the weights is not installed.
        ValueError: if there is no such size.
    """
    layers = nn.Sequential(*lite.layers(size))
    head = nn.Linear(lite.WIDTH, classes)
    if pretrained:
        lite.fill(layers, head if classifier else None, lite.imagenet(size))
    features = nn.Sequential(_Normalise(lite.PIXELS[:1], lite.PIXELS[1:]), *layers)
    network = Network(features, GlobalAveragePool(), head)
    network.pretrained = pretrained
    return network.to(memory_format=torch.channels_last)


class _Normalise(nn.Module):
    """Subtract a mean and divide by a deviation, channel by channel."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).view(-1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.deviation


BUILDERS: dict[str, Callable[..., Network]] = {
    "patch_net": patch_net,
    "linear": linear,
    "mlp": mlp,
    "gap_cnn": gap_cnn,
    "lenet": lenet,
    "cifar_resnet": cifar_resnet,
    "cifar_densenet": cifar_densenet,
    "convnet": convnet,
    "label_decoder": label_decoder,
    "resnet18": partial(torchvision_resnet, depth=18),
    "resnet34": partial(torchvision_resnet, depth=34),
    "resnet50": partial(torchvision_resnet, depth=50),
    "resnet101": partial(torchvision_resnet, depth=101),
    "resnet152": partial(torchvision_resnet, depth=152),
    "efficientnet_lite0": partial(efficientnet_lite, size=0),
    "efficientnet_lite1": partial(efficientnet_lite, size=1),
    "efficientnet_lite2": partial(efficientnet_lite, size=2),
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
