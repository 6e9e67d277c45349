"""Batches of a memory-mapped tensor, read ahead by a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor


def read_ahead(
    x: Tensor, batches: Iterable[Tensor], device: str | torch.device = "cpu", *, prefetch: int = 2
) -> Iterator[tuple[Tensor, Tensor]]:
    """Read the rows of each batch while the one before is worked on.

    Args:
        x: ``(N, ...)``; a uint8 tensor stays uint8 on its way (see ``augment.to_float``).
        batches: ``(b,)`` int64 row numbers each, on the CPU.
        device: where the batches go; towards a GPU they pass through pinned memory.
        prefetch: batches held ready.

    Yields:
        ``(rows, batch)``: the row numbers as given, and ``(b, ...)`` on the device.
    """
    device = torch.device(device)
    ready: queue.Queue[tuple[Tensor, Tensor] | BaseException | None] = queue.Queue(prefetch)
    closed = threading.Event()

    def put(item: tuple[Tensor, Tensor] | BaseException | None) -> bool:
        while not closed.is_set():
            try:
                ready.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def read() -> None:
        try:
            for rows in batches:
                batch = x.index_select(0, rows.to(x.device))
                if device.type == "cuda" and batch.device.type == "cpu":
                    batch = batch.pin_memory()
                if not put((rows, batch)):
                    return
            put(None)
        except BaseException as error:  # handed to the consumer, which raises it
            put(error)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            rows, batch = item
            yield rows, batch.to(device, non_blocking=True)
    finally:
        closed.set()
        thread.join()
