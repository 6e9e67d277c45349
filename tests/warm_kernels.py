"""Kernels that are forked from a process which has imported what chapters import.

Importing PyTorch and the rest takes a quarter of a chapter's smallest setting; all else is as in
the kernels of `make reproduce`.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.forkserver import ensure_running
from pathlib import Path
from typing import Any

import pytest

FORKED = get_context("forkserver")
IMPORTED = (
    *("ipykernel.kernelapp", "matplotlib.pyplot", "seaborn"),
    *("scipy.stats", "sklearn.datasets", "torch", "torch._dynamo", "torchvision"),
    *("weaklabels.press.chapter", "weaklabels.press.style", __name__),
)
"""Without matplotlib's backend for notebooks, which looks for its kernel when it is imported."""


class Kernel:
    """What jupyter_client asks of the process that it would have started."""

    stdin = stdout = stderr = None

    def __init__(self, command: Sequence[str], env: Mapping[str, str], cwd: str, **_: Any) -> None:
        argv = ["ipykernel_launcher", *command[command.index("ipykernel_launcher") + 1 :]]
        self.process = FORKED.Process(target=serve, args=(argv, dict(env), cwd))
        self.process.start()
        self.pid = self.process.pid
        while self.poll() is None and os.getpgid(self.pid) != self.pid:
            time.sleep(0.01)  # else its group, which is signalled, is still that of the tests

    def poll(self) -> int | None:
        return self.process.exitcode

    def wait(self) -> int | None:
        self.process.join()
        return self.process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def serve(argv: list[str], env: dict[str, str], cwd: str) -> None:
    """Become a kernel."""
    os.setsid()
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.argv = argv
    sys.path[0] = ""  # as with `python -m`
    sys.path[1:1] = filter(None, env.get("PYTHONPATH", "").split(os.pathsep))
    for name in [name for name in sys.modules if name.partition(".")[0] == "weaklabels"]:
        del sys.modules[name]  # a toy book may have a package, or rooms, of its own
    from ipykernel.kernelapp import launch_new_instance

    launch_new_instance()


def warm_up(settings: Path) -> None:
    """Start the process that kernels are forked from, with the environment of a kernel."""
    from weaklabels.press.runner.execute import kernel_environment  # of which kernels need nothing

    with pytest.MonkeyPatch.context() as patched:
        for name, value in kernel_environment(settings).items():
            patched.setenv(name, value)
        FORKED.set_forkserver_preload([*IMPORTED])
        ensure_running()


@contextmanager
def forked() -> Iterator[None]:
    """Kernels that start meanwhile are forked."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("jupyter_client.provisioning.local_provisioner.launch_kernel", Kernel)
        yield
