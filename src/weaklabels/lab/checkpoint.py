"""The state of a training run in one file, so that a killed run goes on after its last epoch."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

SIMPLE = (torch.Tensor, np.ndarray, bool, int, float, str, list, tuple, dict, type(None))
ARRAY = "numpy array"


class Checkpoint:
    """Saves and restores the parts of a run.

    A part is a ``torch.Generator``, anything with ``state_dict`` and ``load_state_dict`` (network,
    optimiser, schedule), or another object, such as a method, whose attributes that are tensors,
    arrays, numbers, texts or containers of them are its state. The global generators belong to
    every state. A method must not need its hook ``begin`` again.

    Args:
        path: the file; ``None`` saves and finds nothing.
        parts: the parts by name.
    """

    def __init__(self, path: Path | None, **parts: Any) -> None:
        self.path = path
        self.parts = {name: part for name, part in parts.items() if part is not None}

    def restore(self) -> int:
        """Bring all parts to the saved state.

        A damaged file is reported with a warning, removed, and counts as absent.

        Returns:
            how many epochs had been done: 0 if nothing was saved.
        """
        if self.path is None or not self.path.exists():
            return 0
        try:
            saved = torch.load(self.path, map_location="cpu", weights_only=True)
        except (OSError, EOFError, RuntimeError, ValueError, KeyError, pickle.UnpicklingError):
            warnings.warn(
                f"{self.path.name} is damaged: its run starts from the beginning", stacklevel=2
            )
            self.path.unlink(missing_ok=True)
            return 0
        for name, part in self.parts.items():
            put(part, saved["parts"][name])
        torch.set_rng_state(saved["generator"])
        if saved["gpu generators"]:
            torch.cuda.set_rng_state_all(saved["gpu generators"])
        return saved["epoch"]

    def save(self, epoch: int) -> None:
        """Write the state after an epoch; a reader sees the new file or the one before it."""
        if self.path is None:
            return
        content = {
            "epoch": epoch,
            "parts": {name: state(part) for name, part in self.parts.items()},
            "generator": torch.get_rng_state(),
            "gpu generators": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".tmp")
        try:
            torch.save(content, temporary)
            temporary.replace(self.path)
        finally:
            temporary.unlink(missing_ok=True)

    def remove(self) -> None:
        """Forget the state: the run is over."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def state(part: Any) -> Any:
    """What has to be saved of a part, made of tensors, numbers, texts and containers of them."""
    if isinstance(part, torch.Generator):
        return part.get_state()
    if hasattr(part, "state_dict"):
        return part.state_dict()
    return {name: _pack(value) for name, value in vars(part).items() if isinstance(value, SIMPLE)}


def put(part: Any, saved: Any) -> None:
    """Bring a part to a state, in place."""
    if isinstance(part, torch.Generator):
        part.set_state(saved)
    elif hasattr(part, "load_state_dict"):
        part.load_state_dict(saved)
    else:
        for name, value in saved.items():
            now = getattr(part, name, None)
            if isinstance(now, nn.Parameter):
                now.data.copy_(value)  # the optimiser knows this very tensor
            else:
                setattr(part, name, _unpack(value, now))


def _pack(value: Any) -> Any:
    """Arrays become tensors with a mark, because only these can be read back safely."""
    if isinstance(value, np.ndarray):
        return {ARRAY: torch.from_numpy(value)}
    if isinstance(value, torch.Tensor):
        return value.detach()
    if isinstance(value, Mapping):
        return {key: _pack(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_pack(item) for item in value)
    return value


def _unpack(value: Any, now: Any) -> Any:
    """The opposite; tensors go back to the device of what is there ``now``."""
    if isinstance(value, dict):
        if set(value) == {ARRAY}:
            return value[ARRAY].numpy()
        return {key: _unpack(item, None) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_unpack(item, None) for item in value)
    if isinstance(value, torch.Tensor) and isinstance(now, torch.Tensor):
        return value.to(now.device)
    return value
