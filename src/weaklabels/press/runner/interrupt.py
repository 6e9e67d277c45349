"""Stop everything at once when the user interrupts, and leave nothing running or half-written."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import psutil

EXIT_STATUS = 130
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def stopping_cleanly(
    clean: Callable[[], None], message: str, budget: float | None = None
) -> Iterator[None]:
    """Within this block an interruption ends the process, its kernels and their workers.

    The process leaves at once, without unwinding: kernels that were just killed would otherwise be
    waited for, and libraries in between may swallow a ``KeyboardInterrupt``.

    Args:
        clean: called when all children are dead.
        message: the last line on the terminal.
        budget: seconds after which it ends in the same way, but with exit status 0.
    """

    def stop(received: int, _frame: FrameType | None) -> None:
        for number in (*SIGNALS, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)
        kill_descendants()
        with suppress(OSError):
            clean()
        with suppress(OSError):
            os.write(
                2, f"\r\033[K\n{message}\n".encode() if os.isatty(2) else f"{message}\n".encode()
            )
        os._exit(0 if received == signal.SIGALRM else EXIT_STATUS)

    previous = {number: signal.signal(number, stop) for number in (*SIGNALS, signal.SIGALRM)}
    signal.setitimer(signal.ITIMER_REAL, budget or 0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in previous.items():
            signal.signal(number, handler)


def kill_descendants() -> None:
    """Kill all processes below this one.

    They are halted first, top down, until no new one appears: a process whose parent is already
    dead could no longer be found.
    """
    halted: dict[int, psutil.Process] = {}
    while True:
        born = [p for p in psutil.Process().children(recursive=True) if p.pid not in halted]
        if not born:
            break
        for process in born:
            halted[process.pid] = process
            with suppress(psutil.Error):
                process.suspend()
    for process in halted.values():
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(list(halted.values()), timeout=5)
