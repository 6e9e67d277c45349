"""What ``make reproduce`` can be told, and the one sentence that answers a wrong value.

Only the standard library is used here, so that the Makefile can check a command before it creates
the environment.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

PROFILES = ("quick", "paper", "smoke")
SIGNS_OF_A_GPU = ("/dev/nvidiactl", "/dev/dxg")


class UsageError(Exception):
    """A wrong parameter; the message is one sentence for the user."""


@dataclass(frozen=True)
class Options:
    """A checked request.

    Attributes:
        profile: size of the experiments.
        device: where the chapters compute.
        seeds: repetitions of every experiment; None leaves each chapter its own number.
        data_root: folder of the downloaded datasets; absolute when the user named one.
        chapters: slugs asked for; empty means all.
        jobs: notebooks executed at a time; None: two on two or more cores, where there are two to
            do, as one draws figures while the other computes, and one on a GPU.
        scheduler: address of a Dask scheduler that takes the runs, or None.
    """

    profile: str = "quick"
    device: str = "cpu"
    seeds: int | None = None
    data_root: str = "data"
    chapters: tuple[str, ...] = ()
    jobs: int | None = None
    scheduler: str | None = None

    def parameters(self) -> dict[str, Any]:
        """Values for the parameters cell of a notebook; what is left out keeps its default."""
        given = {"profile": self.profile, "device": self.device, "data_root": self.data_root}
        return given if self.seeds is None else {**given, "seeds": self.seeds}


class _Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one sentence, without a usage text."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}: see `make help`.")


def parse(arguments: Sequence[str], book: Path) -> tuple[Options, bool]:
    """Read and check the command line; nothing is created or changed.

    Args:
        arguments: the command line without the program.
        book: folder with the notebooks, for the names of the chapters.

    Returns:
        The options, and whether only the check was asked for.

    Raises:
        UsageError: at the first wrong value.
    """
    parser = _Parser(
        prog="python -m weaklabels.press.reproduce",
        description="Execute the chapters that changed, build the book, total the claims.",
        allow_abbrev=False,
    )
    parser.add_argument("--profile", default="quick", help=" | ".join(PROFILES))
    parser.add_argument("--chapters", default="", help="comma-separated slugs; all if left out")
    parser.add_argument("--device", default="cpu", help="cpu | cuda | cuda:N")
    parser.add_argument("--seeds", default="", help="repetitions; else each chapter's own number")
    parser.add_argument("--jobs", default="", help="notebooks executed at a time")
    parser.add_argument("--data", default="", help="folder of the downloaded datasets")
    parser.add_argument("--scheduler", default="", help="tcp:// address of a Dask scheduler")
    parser.add_argument("--check", action="store_true", help="only check these parameters")
    given = parser.parse_args(arguments)
    options = Options(
        profile=_profile(given.profile),
        device=_device(given.device),
        seeds=_positive("SEEDS", given.seeds) if given.seeds else None,
        data_root=_folder(given.data),
        chapters=_chapters(given.chapters, book),
        jobs=_positive("JOBS", given.jobs) if given.jobs else None,
        scheduler=_scheduler(given.scheduler),
    )
    return options, given.check


def _profile(value: str) -> str:
    if value not in PROFILES:
        raise UsageError(f"PROFILE={value} is unknown: expected {', '.join(PROFILES)}.")
    return value


def _positive(name: str, value: str) -> int:
    if not re.fullmatch(r"0*[1-9][0-9]{0,5}", value.strip()):
        raise UsageError(f"{name}={value} is not a whole number of 1 or more.")
    return int(value)


def _device(value: str) -> str:
    if not re.fullmatch(r"cpu|cuda(:[0-9]+)?", value):
        raise UsageError(f"DEVICE={value} is unknown: expected cpu, cuda or cuda:N.")
    has_gpu = shutil.which("nvidia-smi") or any(map(os.path.exists, SIGNS_OF_A_GPU))
    if value != "cpu" and not has_gpu:
        raise UsageError(f"DEVICE={value} needs an NVIDIA GPU, and this machine shows none.")
    return value


def _folder(value: str) -> str:
    if not value:
        return Options.data_root
    folder = Path(value).expanduser().resolve()
    try:
        os.scandir(folder).close()
    except OSError as error:
        raise UsageError(
            f"DATA={value} is not a readable folder ({error.strerror}): expected the folder that "
            "holds the datasets."
        ) from None
    return str(folder)


def _chapters(value: str, book: Path) -> tuple[str, ...]:
    if not value:
        return ()
    known = sorted(path.stem for path in book.glob("**/*.ipynb"))
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",")))
    for name in names:
        if name not in known:
            raise UsageError(f"CHAPTERS={name} is unknown: expected {', '.join(known)}.")
    return names


def _scheduler(value: str) -> str | None:
    if value and not re.fullmatch(r"(tcp|tls)://[^\s/]+:[0-9]+", value):
        raise UsageError(f"SCHEDULER={value} is not an address: expected tcp://host:port.")
    return value or None
