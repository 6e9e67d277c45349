"""This machine and this checkout: what can be done at a time, what a result came about with."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import joblib

from weaklabels import __version__

PACKAGES = (
    "torch", "torchvision", "torchmetrics", "numpy", "scipy", "scikit-learn",
    "pandas", "joblib", "matplotlib", "papermill", "ipykernel", "jupyter-book",
)  # fmt: skip


def default_workers(device: str, jobs: int = 1) -> int:
    """Processes for the runs of each of ``jobs`` notebooks, if nothing is said.

    The cores that this process may use (a container's limit counts) are shared out. Runs on a GPU
    share its memory, however many cores stand beside it: one at a time.
    """
    return 1 if device != "cpu" else max(1, joblib.cpu_count() // jobs)


def versions() -> Mapping[str, str]:
    """Python's, and those of the packages that matter."""
    # The metadata of an editable installation is as old as the installation.
    found = {"python": platform.python_version(), "weaklabels": __version__}
    for package in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def device_name(device: str) -> str:
    """What computes: the processor with the number of usable cores, or the GPU."""
    if device != "cpu":
        names = _output(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]).splitlines()
        number = int(device.partition(":")[2] or 0)
        return names[number] if number < len(names) else device
    name = platform.processor() or platform.machine()
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
    return f"{name} ({joblib.cpu_count()} cores)"


def commit(folder: Path) -> str:
    """The checked-out commit, with a ``+`` if files differ from it; empty outside a repository."""
    git = ["git", "-C", str(folder)]
    commit = _output([*git, "rev-parse", "HEAD"]).strip()
    changed = _output([*git, "status", "--porcelain", "--untracked-files=no"]).strip()
    return commit + ("+" if commit and changed else "")


def _output(command: Sequence[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
