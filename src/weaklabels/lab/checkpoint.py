"""The state of a training run in one file, so that a killed run goes on after its last epoch."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from weaklabels import kept
from weaklabels.state import device_of, global_generators, pack, set_global_generators, unpack


class Progress(SimpleNamespace):
    """What a run that does not train by ``lab.execute`` has come to, as attributes: one part of its
    checkpoint.

    They are tensors, arrays, numbers, texts, generators, whatever has a ``state_dict`` that is made
    of such values, and lists, tuples and dictionaries of them.
    """

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return pack(vars(self), type(self).__name__)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        for name, value in state.items():
            setattr(self, name, unpack(value, getattr(self, name), name))


class Checkpoint:
    """Saves and restores the parts of a run.

    A part is a ``torch.Generator``, or anything with ``state_dict`` and ``load_state_dict``
    (network, optimiser, schedule, method, watch). The global generators of the network's device
    and of the CPU belong to every state.

    Args:
        path: the file; ``None`` saves and finds nothing.
        parts: the parts by name; those that are None are left out.
    """

    def __init__(self, path: Path | None, **parts: Any) -> None:
        self.path = path
        self.parts = {name: part for name, part in parts.items() if part is not None}

    def restore(self) -> int:
        """Bring all parts to the saved state.

        A damaged file is reported with a warning, removed, and counts as absent. Any other failure
        (out of memory, a file system that hiccups) says nothing about the file, which stays.

        Returns:
            how many epochs had been done: 0 if nothing was saved.
        """
        if self.path is None:
            return 0
        # What a process was writing when it was killed.
        for left in self.path.parent.glob(f".{self.path.name}.*.tmp"):
            left.unlink(missing_ok=True)
        if not self.path.exists():
            return 0
        try:
            damaged = f"{self.path.name} is damaged: its run starts from the beginning"
            saved = kept.read(self.path, damaged)
        except ValueError as error:
            warnings.warn(str(error), stacklevel=2)
            self.path.unlink(missing_ok=True)
            return 0
        for name, part in self.parts.items():
            unpack(saved["parts"][name], part, name)
        set_global_generators(saved, self._device())
        return saved["epoch"]

    def save(self, epoch: int) -> None:
        """Write the state after an epoch; a reader sees the new file or the one before it.

        Raises:
            OSError: in one sentence, if it cannot be written.
            TypeError: if a part's state holds something that could not be read back.
        """
        if self.path is None:
            return
        content = {
            "epoch": epoch,
            "parts": {name: pack(part, name) for name, part in self.parts.items()},
            "generators": global_generators(self._device()),
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kept.write(content, self.path)

    def remove(self) -> None:
        """Forget the state: the run is over."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def _device(self) -> torch.device:
        """Where the run computes, as its network says; without one, the CPU."""
        networks = (part for part in self.parts.values() if isinstance(part, nn.Module))
        return device_of(next(networks, nn.Module()))
