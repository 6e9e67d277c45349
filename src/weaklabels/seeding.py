"""Independent random streams from one seed.

Every use of randomness names its purpose, so that adding one use never shifts another, and the
same (seed, purpose) gives the same stream in every process and on every run.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch


def derive(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed that depends on ``seed`` and every word of ``purpose``."""
    words = "/".join([str(seed), *map(str, purpose)])
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], "big") >> 1


def numpy_rng(seed: int, *purpose: str | int) -> np.random.Generator:
    """NumPy generator for one purpose."""
    return np.random.default_rng(derive(seed, *purpose))


def torch_rng(seed: int, *purpose: str | int) -> torch.Generator:
    """PyTorch CPU generator for one purpose; draw on the CPU and move, so that devices agree."""
    return torch.Generator().manual_seed(derive(seed, *purpose))


def seed_torch(seed: int, *purpose: str | int) -> None:
    """Seed PyTorch's global generators (network initialisation, dropout)."""
    torch.manual_seed(derive(seed, *purpose))
