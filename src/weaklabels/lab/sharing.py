"""How many runs one card serves best at a time: measured with copies of a short run.

A small network leaves most of a GPU idle, and processes that share it finish more runs a minute,
until the card, its memory or the cores beside it are full.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Barrier
from typing import Any

import joblib
import torch

from weaklabels.lab import sweep

COUNTS = (1, 2, 4, 8, 16)
CONTEXT = 600_000_000
"""Bytes of a card's memory that a process takes before it computes anything."""
PAYS = 1.1
"""More processes are worth their memory if they finish a tenth more runs."""
SECONDS = 3.0
READY = 120.0
"""Seconds after which a process no longer waits for the others."""


@dataclass(frozen=True)
class Shared:
    """How one kind of run shares a card.

    Attributes:
        rates: number of processes -> runs a minute, those of all processes together.
        peak: bytes of the card's memory that one process held, without its context; 0 on a CPU.
    """

    rates: Mapping[int, float]
    peak: int

    @property
    def best(self) -> int:
        """The number of processes that finishes most runs, as far as more of them pay."""
        chosen = min(self.rates)
        for count in sorted(self.rates):
            if self.rates[count] >= PAYS * self.rates[chosen]:
                chosen = count
        return chosen


def measure(
    function: sweep.RunFunction,
    spec: Any,
    device: str,
    counts: Sequence[int] = COUNTS,
    seconds: float = SECONDS,
) -> Shared:
    """Runs a minute by number of processes.

    Each process computes the run once, so that it has imported, loaded and compiled what it needs;
    then all begin together, and repeat it until the time is over. It ends with the first number
    that no longer pays, does not fit, or of which a process fails.

    Args:
        function, spec: a short run (see ``sweep.run``); nothing of it is stored.
        device: where it computes.
        counts: numbers of processes, rising from 1.
        seconds: how long each number is measured; a run that was begun is finished.

    Raises:
        Exception: what the run raises when it is alone.
    """
    torch.cuda.empty_cache()  # what this process holds for nothing is not free for others
    shared = Shared({}, 0)
    for count in counts:
        if shared.rates and count > that_fit(device, shared.peak):
            break
        try:
            rate, peak = _together(function, spec, device, count, seconds)
        except (RuntimeError, BrokenProcessPool):
            if not shared.rates:
                raise
            break
        shared = Shared({**shared.rates, count: round(rate, 2)}, max(peak, shared.peak))
        if shared.best != count:
            break
    return shared


def that_fit(device: str, peak: int) -> int:
    """How many processes, each of which holds ``peak`` bytes, have room on a card and a core each;
    at least 1. To ask a card, this process takes a context there as well."""
    cores = joblib.cpu_count()
    if device.startswith("cuda"):
        free, _ = torch.cuda.mem_get_info(device)
        cores = min(cores, free // (peak + CONTEXT))
    return max(1, cores)


def _together(
    function: sweep.RunFunction, spec: Any, device: str, count: int, seconds: float
) -> tuple[float, int]:
    """Runs a minute of so many processes together, and the most memory that one of them held."""
    spawn = multiprocessing.get_context("spawn")
    given = (spawn.Barrier(count),)
    with ProcessPoolExecutor(count, spawn, _begin, given) as pool:
        # None can take two of them: each waits for all others.
        waiting = [pool.submit(_repeat, function, spec, device, seconds) for _ in range(count)]
        found = [each.result() for each in waiting]
    return sum(rate for rate, _ in found), max(peak for _, peak in found)


_all_ready: Barrier


def _begin(all_ready: Barrier) -> None:
    global _all_ready
    _all_ready = all_ready
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _repeat(
    function: sweep.RunFunction, spec: Any, device: str, seconds: float
) -> tuple[float, int]:
    """Runs a minute of this process, and the bytes that it held on the card."""
    try:
        sweep.run_one(function, spec, None)
    except BaseException:
        _all_ready.abort()
        raise
    _all_ready.wait(READY)
    started, runs, took = time.perf_counter(), 0, 0.0
    while took < seconds:
        sweep.run_one(function, spec, None)
        runs, took = runs + 1, time.perf_counter() - started
    peak = torch.cuda.max_memory_reserved(device) if device.startswith("cuda") else 0
    return 60 * runs / took, peak


def written(by_kind: Mapping[str, Shared]) -> str:
    """What was measured as text, kind by kind of run."""
    return json.dumps({kind: asdict(shared) for kind, shared in by_kind.items()}, indent=1) + "\n"


def read(path: Path) -> dict[str, Shared]:
    """What was measured, by kind of run; nothing where there is no such file, or a damaged one."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {
            kind: Shared({int(n): float(rate) for n, rate in told["rates"].items()}, told["peak"])
            for kind, told in found.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
