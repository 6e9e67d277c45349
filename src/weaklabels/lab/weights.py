"""Networks' weights inside records."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from torch import nn

from weaklabels.lab.store import Record

M = TypeVar("M", bound=nn.Module)


def weights_of(model: nn.Module, prefix: str = "") -> dict[str, np.ndarray]:
    """Copies of a network's weights and buffers, by name behind a prefix."""
    state = model.state_dict()
    return {f"{prefix}{name}": value.cpu().numpy().copy() for name, value in state.items()}


def restore(model: M, record: Record, prefix: str = "weights/") -> M:
    """Put the weights that a run recorded behind a prefix into ``model``, in evaluation mode."""
    state = {
        name.removeprefix(prefix): torch.from_numpy(value)
        for name, value in record.values.items()
        if name.startswith(prefix)
    }
    model.load_state_dict(state)
    return model.eval()


def restore_on_cpu(model: M, record: Record, prefix: str = "weights/") -> M:
    """``restore``, and bring the network to the CPU: beside the data, where a notebook looks at it.

    The network may have been built on the device of its run.
    """
    return restore(model, record, prefix).cpu()


def load_part(model: nn.Module, record: Record, part: str) -> None:
    """Copy the weights whose names start with ``part`` from a record into the model."""
    state = {k: torch.from_numpy(v) for k, v in record.values.items() if k.startswith(part)}
    model.load_state_dict(model.state_dict() | state)
