"""State as plain values, which ``torch.load(weights_only=True)`` reads back, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from weaklabels import checks

KIND = "kind of state"
"""The key that marks a dictionary as a packed value of another type."""


def pack(value: Any, name: str) -> Any:
    """A value as tensors, numbers, texts, and lists, tuples and dictionaries of them.

    Tensors are not copied. Arrays, generators (PyTorch's and NumPy's) and whatever has a
    ``state_dict`` become dictionaries with a mark.

    Args:
        value: the value.
        name: what it is called in an error.

    Raises:
        TypeError: if it is of another type, which could not be read back.
    """
    if isinstance(value, Tensor):
        return value.detach()
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) in (list, tuple):
        return type(value)(pack(item, f"{name}[{i}]") for i, item in enumerate(value))
    if type(value) is dict and KIND not in value:
        return {key: pack(item, f"{name}[{key!r}]") for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufc":
        kind = "array" if isinstance(value, np.ndarray) else "scalar"
        return {KIND: kind, "value": torch.from_numpy(np.array(value))}
    if isinstance(value, torch.Generator):
        return {KIND: "generator", "value": value.get_state()}
    if isinstance(value, np.random.Generator):
        return {KIND: "numpy generator", "value": pack(value.bit_generator.state, name)}
    if hasattr(value, "state_dict") and hasattr(value, "load_state_dict"):
        return {KIND: "object", "value": value.state_dict()}
    raise TypeError(
        f"{name} is a {type(value).__name__}, which cannot be saved: expected tensors, arrays, "
        "numbers, texts, generators, networks, optimisers or containers of them"
    )


def unpack(saved: Any, now: Any, name: str) -> Any:
    """The value that ``pack`` saved.

    Parameters, generators and objects that are there ``now`` are changed in place, because others
    hold them too; tensors go to the device of the present one.

    Args:
        saved: what ``pack`` returned, perhaps by way of a file.
        now: the present value.
        name: what it is called in an error.

    Raises:
        TypeError: if a generator or an object is to be restored and none is there.
        ValueError: if a saved parameter has another shape than the present one.
    """
    if isinstance(saved, Tensor):
        if isinstance(now, nn.Parameter):
            checks.same_shape("...", saved=saved, present=now)
            with torch.no_grad():
                now.copy_(saved)
            return now
        return saved.to(now.device if isinstance(now, Tensor) else saved.device, copy=True)
    if isinstance(saved, list | tuple):
        items = now if isinstance(now, list | tuple) and len(now) == len(saved) else saved
        pairs = enumerate(zip(saved, items, strict=True))
        return type(saved)(unpack(each, here, f"{name}[{i}]") for i, (each, here) in pairs)
    if not isinstance(saved, dict):
        return saved
    if KIND not in saved:
        present = now if isinstance(now, dict) else {}
        return {k: unpack(each, present.get(k), f"{name}[{k!r}]") for k, each in saved.items()}
    return _restore(saved[KIND], saved["value"], now, name)


def device_of(model: nn.Module) -> torch.device:
    """Where a network lies: the CPU if it has no weights."""
    return next((weight.device for weight in model.parameters()), torch.device("cpu"))


def global_generators(device: torch.device) -> dict[str, Tensor]:
    """States of the global generators from which a training on a device draws, by kind of device.

    A GPU that takes no part is not touched: each process that does holds some of its memory.
    """
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    if device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def set_global_generators(saved: Mapping[str, Any], device: torch.device) -> None:
    """Set the global generators of a training on a device; those of other devices stay.

    Args:
        saved: a file's content: ``"generators"``, as ``global_generators`` returns them, or, before
            December 2026, ``"generator"`` and ``"gpu generators"``, a list of every GPU's.
        device: with its number, if it is a GPU.
    """
    states = saved.get("generators")
    if states is None:
        gpus = saved["gpu generators"]
        known = device.type == "cuda" and device.index < len(gpus)
        states = {"cpu": saved["generator"]} | ({"cuda": gpus[device.index]} if known else {})
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
    if device.type == "mps" and "mps" in states:
        torch.mps.set_rng_state(states["mps"])


def _restore(kind: str, value: Any, now: Any, name: str) -> Any:
    if kind in ("array", "scalar"):
        array = value.numpy().copy()
        return array if kind == "array" else array[()]
    try:
        if kind == "generator":
            now.set_state(value)
        elif kind == "numpy generator":
            now.bit_generator.state = unpack(value, None, name)
        else:
            now.load_state_dict(value)
    except AttributeError as error:
        raise TypeError(f"{name} is {now!r}: expected a {kind} to take the saved state") from error
    return now
