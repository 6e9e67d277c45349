"""This machine and this checkout: what can be done at a time, what a result came about with."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import joblib
import torch

from weaklabels import __version__
from weaklabels.lab import sharing

PACKAGES = (
    "torch", "torchvision", "torchmetrics", "numpy", "scipy", "scikit-learn",
    "pandas", "joblib", "matplotlib", "papermill", "ipykernel", "jupyter-book",
)  # fmt: skip

FOUND = Path(__file__).parents[3] / "build" / "paper-check"
"""What `make paper-check` measures on this machine."""

MOST_JOBS = 8
SMALL = 500_000_000
"""Bytes of a card's memory that a run of the profile ``quick`` may take; no measured number."""


def default_jobs(device: str, profile: str = "quick", workers: int = 1) -> int:
    """Notebooks to execute at a time, each with so many processes for its runs.

    Two on two or more cores, as one draws figures while the other computes. On a GPU up to eight,
    with two cores each, but together no more runs than share it best; where that was never
    measured, as many as have room, and one notebook at the papers' settings.
    """
    cores = joblib.cpu_count()
    if device == "cpu":
        return min(2, cores)
    shared = at_once(device, profile)
    if shared is None:
        small = torch.cuda.is_available() and profile != "paper"
        shared = sharing.that_fit(device, SMALL) if small else 1
    return max(1, min(MOST_JOBS, cores // 2, shared // workers))


def default_workers(device: str, profile: str = "quick", jobs: int = 1) -> int:
    """Processes for the runs of each of ``jobs`` notebooks, if nothing is said.

    The cores that this process may use (a container's limit counts) are shared out; on a GPU as
    many runs as share it best, and one a notebook where that was never measured.
    """
    shared = joblib.cpu_count() if device == "cpu" else at_once(device, profile) or 1
    return max(1, shared // jobs)


def at_once(device: str, profile: str) -> int | None:
    """How many runs of a profile share a card best, as `make paper-check` has measured; not more
    than now have room. None if it was never measured."""
    measured = sharing.read(sharing_file(FOUND, device, profile)).values()
    if not measured:
        return None
    return min(min(one.best, sharing.that_fit(device, one.peak)) for one in measured)


def sharing_file(folder: Path, device: str, profile: str) -> Path:
    """Where it is kept how runs share a card: those at the papers' settings, or all others."""
    kind = "paper" if profile == "paper" else "quick"
    return folder / f"sharing-{kind}-{card(device)}.json"


def card(device: str) -> str:
    """The name of a card as part of a file's name; the kind of device where there is none."""
    on_gpu = device != "cpu" and torch.cuda.is_available()
    name = torch.cuda.get_device_name(device) if on_gpu else device.partition(":")[0]
    return re.sub(r"[^A-Za-z0-9]+", "-", name)


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
