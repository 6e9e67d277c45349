"""The network of an estimator: chosen for the inputs, built, and built again from its recipe."""

from __future__ import annotations

import math
from collections import OrderedDict
from copy import deepcopy
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn

from weaklabels import models
from weaklabels.cam import class_activation_maps
from weaklabels.data.augment import to_float
from weaklabels.estimator.choices import DISTILLATION, is_any
from weaklabels.estimator.inputs import Form
from weaklabels.models import Network
from weaklabels.train import OptimiserSpec

PRETRAINED = ("resnet", "efficientnet")
"""Beginnings of the names of networks that may start from ImageNet weights."""

DECODER = {"width": 128, "heads": 4, "hidden": 256}
"""Sizes of the label decoder, for small data."""


class Normalise(nn.Module):
    """Subtract a mean and divide by a deviation, channel by channel or feature by feature."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Tensor, deviation: Tensor, form: Form) -> None:
        super().__init__()
        shape = (-1, 1, 1) if form.are_images else (-1,)
        self.register_buffer("mean", mean.view(shape))
        self.register_buffer("deviation", deviation.view(shape))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.deviation


class Grey(nn.Module):
    """One channel three times, for networks that expect colours."""

    def forward(self, x: Tensor) -> Tensor:
        return x.expand(-1, 3, -1, -1)


def recipe(
    network: str | nn.Module,
    options: dict[str, Any] | None,
    form: Form,
    method: str,
    *,
    pretrained: bool,
) -> dict[str, Any] | nn.Module:
    """Name and options with which the network is built; a module of the user's own stays itself.

    ``"auto"`` is EfficientNet-Lite0 if it is to be pretrained, a patch network of an eighth of the
    image's side (at least 8 pixels) for other images, three 3 x 3 convolutions for images of less
    than 8 pixels, and a fully connected network with batch norm for features. Methods of
    distillation (and ``"Vanilla"``, the student without a teacher) get a label decoder on top of
    the one that is named, for images.

    Raises:
        ValueError: if pretrained weights are asked for where there are none.
    """
    if isinstance(network, nn.Module):
        return network
    given = dict(options or {})
    if network == "auto":
        network, own = _chosen(form, pretrained=pretrained)
        given = own | given
    if network.startswith(PRETRAINED):
        given = {"pretrained": pretrained} | given
        if network.startswith("resnet"):
            given = {"normalise": True} | given
    elif pretrained:
        known = [name for name in models.BUILDERS if name.startswith(PRETRAINED)]
        raise ValueError(
            f"network {network!r} has no pretrained weights: expected 'auto' or one of "
            f"{', '.join(known)}"
        )
    given = _sizes(network, form) | given
    decoded = is_any(method, ("Vanilla", *DISTILLATION)) and form.are_images
    if decoded and network != "label_decoder":
        body = {"backbone": network, "backbone_options": tuple(sorted(given.items()))}
        network, given = "label_decoder", DECODER | body
    return {"name": network, "options": given}


def _sizes(network: str, form: Form) -> dict[str, Any]:
    """What a builder must be told of the inputs."""
    if network not in models.BUILDERS:
        return {}  # refused when it is built
    parameters = signature(models.BUILDERS[network]).parameters
    sizes = {"channels": form.shape[0], "inputs": math.prod(form.shape)}
    return {name: size for name, size in sizes.items() if name in parameters}


def _chosen(form: Form, *, pretrained: bool) -> tuple[str, dict[str, Any]]:
    if not form.are_images:
        if pretrained:
            raise ValueError("pretrained=True is for images: the inputs are rows of features")
        return "mlp", {"batch_norm": True}
    if pretrained:
        return "efficientnet_lite0", {}
    side = min(form.shape[1:])
    if side < 8:
        return "gap_cnn", {}
    patch = max(8, side // 8)
    return "patch_net", {"patch": patch, "stride": patch // 2}


def build(
    network: dict[str, Any] | nn.Module,
    form: Form,
    classes: int,
    *,
    seed: int = 0,
    statistics: tuple[Tensor, Tensor] | None = None,
) -> Network:
    """The network, which normalises its inputs itself.

    Args:
        network: a recipe, or a module of the user's own (a copy of it is taken, and it gets the
            inputs as they are). One with ``features``, ``pool`` and ``head`` has class maps.
        form: of the inputs.
        classes: number of outputs.
        seed: of the initial weights.
        statistics: mean and deviation of the inputs, for networks without weights of their own;
            None makes room for those of a file.

    Raises:
        ValueError: if a builder cannot take its options, or the network cannot take such inputs,
            or gives something else than a score for each class.
    """
    if isinstance(network, nn.Module):
        model = _wrapped(deepcopy(network))
        name = type(network).__name__
    else:
        name = network["name"]
        try:
            model = models.build(name, classes, seed=seed, **network["options"])
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError) as error:
            takes = ", ".join([*signature(models.BUILDERS[name]).parameters][1:])
            raise ValueError(
                f"network {name!r} cannot be built with options {network['options']}: "
                f"{str(error).splitlines()[0]} (its options are {takes or 'none'})"
            ) from error
        _put_in_front(model, name, network["options"], form, statistics)
    check_scores(model, name, form, classes)
    return model


def _wrapped(module: nn.Module) -> Network:
    if isinstance(module, Network):
        return module
    parts = [getattr(module, part, None) for part in ("features", "pool", "head")]
    if all(isinstance(part, nn.Module) for part in parts):
        return Network(*parts)  # type: ignore[arg-type]
    return Network(module, nn.Identity(), nn.Identity())


def _put_in_front(
    model: Network,
    name: str,
    options: dict[str, Any],
    form: Form,
    statistics: tuple[Tensor, Tensor] | None,
) -> None:
    """Let the features begin with what makes the inputs fit."""
    body = options.get("backbone", name) if name == "label_decoder" else name
    layers: dict[str, nn.Module] = {}
    if body.startswith(PRETRAINED):
        if form.are_images and form.shape[0] == 1:
            layers["grey"] = Grey()
    else:
        zeros = torch.zeros(form.shape[0])
        layers["normalise"] = Normalise(*(statistics or (zeros, zeros + 1)), form)
    if not layers:
        return
    # The old names stay, as methods may be told which layers to train.
    decoded = isinstance(model.features, nn.Sequential) and name == "label_decoder"
    features = next(model.features.children()) if decoded else model.features
    longer = nn.Sequential(OrderedDict([*layers.items(), *features.named_children()]))
    if decoded:
        _, decoder = model.features.children()
        longer = nn.Sequential(longer, decoder)
    model.features = longer


def check_scores(model: Network, name: str, form: Form, classes: int) -> None:
    """Refuse a network that cannot take the inputs, before hours of training.

    Raises:
        ValueError: if it cannot, or gives something else than a score for each class.
    """
    was_training = model.training
    zeros = torch.zeros(2, *form.shape, device=next(model.parameters(), torch.empty(0)).device)
    try:
        with torch.no_grad():
            scores = model.eval()(zeros)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"network {name!r} cannot take {form}: {reason}") from error
    model.train(was_training)
    if not isinstance(scores, Tensor) or scores.shape != (2, classes):
        shape = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise ValueError(
            f"network {name!r} gives {shape} for two inputs: expected (2, {classes}), a score for "
            "each class"
        )


def maps(model: Network, x: Tensor, form: Form) -> Tensor:
    """Class activation maps ``(N, C, h, w)`` on the CPU, of inputs of the form.

    Raises:
        ValueError: if the network has none.
    """
    device = next(model.parameters()).device
    parts = []
    for batch in x.split(64):
        pixels = to_float(batch.to(device)) if form.are_images else batch.to(device)
        try:
            parts.append(class_activation_maps(model, pixels).cpu())
        except (TypeError, ValueError) as error:
            raise ValueError(f"this network has no class activation maps: {error}") from error
    return torch.cat(parts)


def optimiser(lr: float | None, *, pretrained: bool) -> OptimiserSpec:
    """Adam at the rate that is named, or at one that suits the weights it starts from."""
    if pretrained:
        return OptimiserSpec("adam", lr=lr or 1e-4, head_lr=10 * (lr or 1e-4))
    return OptimiserSpec("adam", lr=lr or 1e-3)


def device_of(name: str | torch.device) -> torch.device:
    """The device of a name; ``"auto"`` is CUDA, or Apple's MPS, or the CPU.

    Raises:
        ValueError: if it is not there.
    """
    if not isinstance(name, str | int | torch.device):
        raise ValueError(f"device is {name!r}: expected 'auto', or a name such as 'cpu' or 'cuda'")
    if name != "auto":
        try:
            torch.empty(1, device=name)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"device {name!r} cannot be used here: {reason}") from error
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def devices_of(device: torch.device) -> list[int]:
    """Numbers of the GPUs whose generators a training there may draw from."""
    return list(range(torch.cuda.device_count())) if device.type == "cuda" else []
