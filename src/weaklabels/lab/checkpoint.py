"""The state of a training run in one file, so that a killed run goes on after its last epoch."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import torch

from weaklabels.state import pack, unpack

DAMAGE = (EOFError, RuntimeError, ValueError, KeyError, pickle.UnpicklingError)
"""What reading a damaged file raises. Anything else says nothing about the file, which stays."""


class Checkpoint:
    """Saves and restores the parts of a run.

    A part is a ``torch.Generator``, or anything with ``state_dict`` and ``load_state_dict``
    (network, optimiser, schedule, method, watch). The global generators belong to every state.

    Args:
        path: the file; ``None`` saves and finds nothing.
        parts: the parts by name; those that are None are left out.
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
        except DAMAGE:
            warnings.warn(
                f"{self.path.name} is damaged: its run starts from the beginning", stacklevel=2
            )
            self.path.unlink(missing_ok=True)
            return 0
        for name, part in self.parts.items():
            unpack(saved["parts"][name], part, name)
        torch.set_rng_state(saved["generator"])
        if saved["gpu generators"]:
            torch.cuda.set_rng_state_all(saved["gpu generators"])
        return saved["epoch"]

    def save(self, epoch: int) -> None:
        """Write the state after an epoch; a reader sees the new file or the one before it.

        Raises:
            TypeError: if a part's state holds something that could not be read back.
        """
        if self.path is None:
            return
        content = {
            "epoch": epoch,
            "parts": {name: pack(part, name) for name, part in self.parts.items()},
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
