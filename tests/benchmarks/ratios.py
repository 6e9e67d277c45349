"""Timing two pieces of work against each other on a noisy machine."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock seconds of one call, the device's work included."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def cpu_seconds(work: Callable[[], object]) -> float:
    """Processor seconds of one call in this process: what other programs do does not count."""
    start = time.process_time()
    work()
    return time.process_time() - start


def ratio(
    ours: Callable[[], object],
    reference: Callable[[], object],
    rounds: int = 15,
    clock: Callable[[Callable[[], object]], float] = cpu_seconds,
) -> float:
    """Time of ``ours`` over that of ``reference``: the median over rounds in which both run.

    The two alternate, so that whatever else the machine does meets both alike. Work with one
    thread is timed in processor seconds; pass ``clock=seconds`` where processes or a GPU work.
    """
    ours()
    reference()
    return float(np.median([clock(ours) / clock(reference) for _ in range(rounds)]))
