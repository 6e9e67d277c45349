"""Frozen pretrained networks and the features they compute, cached with their identity."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor, nn
from torch.nn import functional as F

from weaklabels.data.augment import IMAGENET_MEAN, IMAGENET_STD

MOBILENET_FILE = "imagenet-weights/mobilenet_v1_imagenet_to_conv_dw_13.pth"
MOBILENET_STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
MOBILENET_CHANNELS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024)


@dataclass(frozen=True)
class Backbone:
    """A frozen network from images to feature maps.

    Attributes:
        name: for file names and captions.
        network: ``(B, 3, h, w)`` -> ``(B, D, h', w')``, in evaluation mode, without gradients.
        mean, std: subtracted from and divided into pixels in [0, 1].
        identity: sha256 of the name and of all weights: two backbones with the same identity
            compute the same features.
        pretrained: false if the weights are random, which every caption must then say.
    """

    name: str
    network: nn.Module
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    identity: str
    pretrained: bool


def _frozen(
    name: str,
    network: nn.Module,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
    pretrained: bool,
) -> Backbone:
    network.eval().requires_grad_(False)
    digest = hashlib.sha256(name.encode())
    for key, value in sorted(network.state_dict().items()):
        digest.update(key.encode())
        digest.update(np.ascontiguousarray(value.cpu().numpy()).tobytes())
    return Backbone(name, network, mean, std, digest.hexdigest(), pretrained)


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        weights = torch.load(path, weights_only=True, map_location="cpu")
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is not there: bring it, or name another file") from None
    except Exception as error:  # a damaged file raises almost anything
        raise ValueError(f"{path}: not a readable file of weights ({error})"[:300]) from None
    if not isinstance(weights, dict):
        raise ValueError(f"{path}: {type(weights).__name__}, expected a dictionary of weights")
    return weights


def _fill(network: nn.Module, weights: dict[str, Tensor], path: Path) -> None:
    try:
        outcome = network.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise ValueError(f"{path}: {str(error).splitlines()[-1].strip()}") from None
    missing = [key for key in outcome.missing_keys if "num_batches_tracked" not in key]
    if missing or outcome.unexpected_keys:
        raise ValueError(
            f"{path}: lacks {missing[:3] or 'nothing'}, has unknown {outcome.unexpected_keys[:3]}"
        )


def fill_imagenet(network: nn.Module, weights: Any, file: str | Path | None = None) -> None:
    """Put ImageNet weights into a network of torchvision.

    Args:
        network: as torchvision builds it, with its classifier.
        weights: torchvision's entry for them, such as ``ResNet50_Weights.IMAGENET1K_V1``.
        file: where they are; ``None`` lets torchvision find or download them.

    Raises:
        FileNotFoundError: if the file is missing, or the weights cannot be downloaded.
        ValueError: if the file is damaged or holds other weights.
    """
    if file is not None:
        _fill(network, _read_weights(Path(file)), Path(file))
        return
    try:
        network.load_state_dict(weights.get_state_dict(progress=True, check_hash=True))
    except OSError as error:
        raise FileNotFoundError(
            f"{weights.url} cannot be downloaded ({error}): give the weights as a file, or ask for "
            "random ones"
        ) from None


def mobilenet_v1(file: str | Path) -> Backbone:
    """MobileNet v1 (1.0, 224) up to and including conv_dw_13: 1,024 channels, stride 32.

    Source of the weights: Keras applications. Padding is 1 on every side, batch normalisation
    uses eps 1e-3, the activation is ReLU6, and pixels are scaled to [-1, 1].

    Args:
        file: weights by name, ``<layer>.weight`` and ``<layer>_bn.{weight,bias,running_mean,
            running_var}``.

    Raises:
        FileNotFoundError: if the file is missing.
        ValueError: if it is damaged or holds other weights.
    """
    layers: list[tuple[str, nn.Module]] = []

    def block(name: str, convolution: nn.Conv2d) -> None:
        layers.append((name, convolution))
        layers.append((f"{name}_bn", nn.BatchNorm2d(convolution.out_channels, eps=1e-3)))
        layers.append((f"{name}_relu", nn.ReLU6()))

    block("conv1", nn.Conv2d(3, 32, 3, stride=2, padding=1, bias=False))
    channels = 32
    for number, stride in enumerate(MOBILENET_STRIDES, start=1):
        depthwise = nn.Conv2d(
            channels, channels, 3, stride=stride, padding=1, groups=channels, bias=False
        )
        block(f"conv_dw_{number}", depthwise)
        if number <= len(MOBILENET_CHANNELS):
            out = MOBILENET_CHANNELS[number - 1]
            block(f"conv_pw_{number}", nn.Conv2d(channels, out, 1, bias=False))
            channels = out
    network = nn.Sequential(OrderedDict(layers))
    path = Path(file)
    weights = _read_weights(path)
    # The file goes on with the normalisation of a convolution that it does not hold.
    weights = {key: value for key, value in weights.items() if "_pw_13" not in key}
    _fill(network, weights, path)
    return _frozen("mobilenet_v1_dw13", network, (0.5,) * 3, (0.5,) * 3, True)


def resnet50(file: str | Path | None = None, *, pretrained: bool = True, seed: int = 0) -> Backbone:
    """ResNet-50 up to its last feature map: 2,048 channels, stride 32.

    Args:
        file: torchvision weights (``resnet50-0676ba61.pth``, the classic ImageNet set); ``None``
            lets torchvision find or download them.
        pretrained: if false, the weights are random (and ``Backbone.pretrained`` says so).
        seed: of random weights.

    Raises:
        FileNotFoundError: if the file is missing, or the weights cannot be downloaded.
        ValueError: if the file is damaged or holds other weights.
    """
    from torchvision.models import ResNet50_Weights
    from torchvision.models import resnet50 as build

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build()
    name = "resnet50_imagenet"
    if not pretrained:
        name = f"resnet50_random{seed}"
    else:
        fill_imagenet(network, ResNet50_Weights.IMAGENET1K_V1, file)
    features = nn.Sequential(OrderedDict(list(network.named_children())[:-2]))
    return _frozen(name, features, IMAGENET_MEAN, IMAGENET_STD, pretrained)


def extract_features(
    images: Tensor,
    backbone: Backbone,
    *,
    resolution: int | None = None,
    cache: str | Path | None = None,
    data_identity: str | None = None,
    batch_size: int = 64,
    device: str | torch.device = "cpu",
    dtype: np.dtype | type = np.float32,
) -> Tensor:
    """Globally averaged features of a frozen backbone, computed once.

    Args:
        images: ``(N, 3, h, w)`` uint8 (memory-mapped or not), or float in [0, 1].
        backbone: the frozen network.
        resolution: side to which batches are resized (bilinear with antialiasing, on the
            device); ``None`` keeps the size.
        cache: folder in which the features are kept; ``None`` computes them every time.
        data_identity: what names the images' content; default: a digest of all pixels.
        batch_size: images a batch.
        device: where the network runs.
        dtype: of the stored features.

    Returns:
        ``(N, D)`` tensor of ``dtype``, on the CPU.
    """
    if cache is None:
        return torch.from_numpy(
            _compute(images, backbone, resolution, batch_size, device).astype(dtype)
        )
    key = hashlib.sha256(
        f"{backbone.identity} {resolution} {data_identity or digest_images(images)} "
        f"{tuple(images.shape)} {np.dtype(dtype).name}".encode()
    ).hexdigest()
    folder = Path(cache)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{backbone.name}-{resolution or images.shape[-1]}-{key[:12]}.npy"
    with FileLock(folder / f".{path.name}.lock"):
        if not path.exists():
            features = _compute(images, backbone, resolution, batch_size, device).astype(dtype)
            partial = path.with_suffix(".partial")
            try:
                with open(partial, "wb") as file:
                    np.save(file, features)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
            partial.replace(path)
    return torch.from_numpy(np.load(path, allow_pickle=False))


def digest_images(images: Tensor) -> str:
    """sha256 of all pixels, read a block at a time."""
    digest = hashlib.sha256(f"{images.dtype} {tuple(images.shape)}".encode())
    for block in images.split(256):
        digest.update(np.ascontiguousarray(block.cpu().numpy()).tobytes())
    return digest.hexdigest()


@torch.inference_mode()
def _compute(
    images: Tensor,
    backbone: Backbone,
    resolution: int | None,
    batch_size: int,
    device: str | torch.device,
) -> np.ndarray:
    network = backbone.network.to(device).to(memory_format=torch.channels_last)
    mean, std = (
        torch.tensor(values, device=device).view(1, 3, 1, 1)
        for values in (backbone.mean, backbone.std)
    )
    parts = []
    for batch in images.split(batch_size):
        x = batch.to(device).float()
        if batch.dtype == torch.uint8:
            x = x / 255
        if resolution is not None and x.shape[-2:] != (resolution, resolution):
            x = F.interpolate(x, (resolution, resolution), mode="bilinear", antialias=True)
        x = ((x - mean) / std).contiguous(memory_format=torch.channels_last)
        parts.append(network(x).mean((2, 3)).float().cpu().numpy())
    return np.concatenate(parts)
