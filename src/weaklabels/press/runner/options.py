"""What the commands can be told, and the one sentence that answers a wrong value.

Only the standard library is used here, so that the Makefile can check a command before it creates
the environment.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

PROFILES = ("quick", "record", "paper", "smoke")
FIRST_RECORD_SEED = 100
"""Number of the record's first seed; those of other profiles begin at 0, so that no check repeats a
run of the record."""
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
        jobs: notebooks executed at a time; None: what ``machine.default_jobs`` says, where there
            are so many to do.
        workers: processes in which each of these notebooks computes its runs; None: what
            ``machine.default_workers`` says.
        gpus: GPUs that work together on each run.
        scheduler: address of a Dask scheduler that takes the runs, or None.
        stored_only: no run is computed; cells that need one which is not stored are left out.
    """

    profile: str = "quick"
    device: str = "cpu"
    seeds: int | None = None
    data_root: str = "data"
    chapters: tuple[str, ...] = ()
    jobs: int | None = None
    workers: int | None = None
    gpus: int = 1
    scheduler: str | None = None
    stored_only: bool = False

    def parameters(self) -> dict[str, Any]:
        """Values for the parameters cell of a notebook; what is left out keeps its default."""
        given = {"profile": self.profile, "device": self.device, "data_root": self.data_root}
        return given if self.seeds is None else {**given, "seeds": self.seeds}


class Parser(argparse.ArgumentParser):
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
    parser = Parser(
        prog="python -m weaklabels.press.reproduce",
        description="Execute the chapters that changed, build the book, total the claims.",
        allow_abbrev=False,
    )
    parser.add_argument("--profile", default="quick", help=" | ".join(PROFILES))
    parser.add_argument("--chapters", default="", help="comma-separated slugs; all if left out")
    parser.add_argument("--device", default="cpu", help="cpu | cuda | cuda:N")
    parser.add_argument("--seeds", default="", help="repetitions; else each chapter's own number")
    parser.add_argument("--jobs", default="", help="notebooks executed at a time")
    add_workers(parser)
    parser.add_argument("--gpus", default="1", help="GPUs that work together on each run")
    parser.add_argument("--data", default="", help="folder of the downloaded datasets")
    parser.add_argument("--scheduler", default="", help="tcp:// address of a Dask scheduler")
    parser.add_argument("--budget", default="", help="refused: for other commands")
    parser.add_argument("--check", action="store_true", help="only check these parameters")
    given = parser.parse_args(arguments)
    if given.budget:
        raise UsageError(
            f"BUDGET={given.budget} is for `make record` and `make paper-check`: `make reproduce` "
            "can be stopped at any time with Ctrl-C, and the same command goes on from there."
        )
    if given.profile == "record":
        raise UsageError(
            "PROFILE=record is computed by `make record` and shown by `make book PROFILE=record`."
        )
    options = Options(
        profile=profile(given.profile),
        device=device(given.device),
        seeds=number("SEEDS", given.seeds),
        data_root=data_root(given.data),
        chapters=chapters(given.chapters, (path.stem for path in book.glob("chapters/*/*.ipynb"))),
        jobs=number("JOBS", given.jobs),
        workers=number("WORKERS", given.workers),
        gpus=_gpus(given.gpus, given.device, given.scheduler),
        scheduler=_scheduler(given.scheduler),
    )
    return options, given.check


def add_workers(parser: argparse.ArgumentParser) -> None:
    """The option that ``WEAKLABELS_WORKERS`` gives as well."""
    given = os.environ.get("WEAKLABELS_WORKERS", "")
    parser.add_argument("--workers", default=given, help="processes for the runs of each notebook")


def profile(value: str) -> str:
    """A profile's name, checked."""
    if value not in PROFILES:
        raise UsageError(f"PROFILE={value} is unknown: expected {', '.join(PROFILES)}.")
    return value


def number(name: str, value: str) -> int | None:
    """A whole number of at least 1; None for an empty text, which leaves the choice."""
    if not value:
        return None
    if not re.fullmatch(r"0*[1-9][0-9]{0,5}", value.strip()):
        raise UsageError(f"{name}={value} is not a whole number of 1 or more.")
    return int(value)


def budget(value: str) -> float | None:
    """A length of time such as 90s, 25m or 1.5h, in seconds; None for an empty text: no limit."""
    if not value:
        return None
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smh])", value.strip())
    if not found or not float(found[1]):
        raise UsageError(f"BUDGET={value} is not a length of time such as 90s, 25m or 1.5h.")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


def device(value: str) -> str:
    """A device that this machine seems to have."""
    if value.startswith("mps"):
        raise UsageError(
            f"DEVICE={value} is for `make test` alone (and device='mps' for Classifier): chapters "
            "measure in double precision, which MPS lacks; expected cpu, cuda or cuda:N."
        )
    if not re.fullmatch(r"cpu|cuda(:[0-9]+)?", value):
        raise UsageError(f"DEVICE={value} is unknown: expected cpu, cuda or cuda:N.")
    has_gpu = shutil.which("nvidia-smi") or any(map(os.path.exists, SIGNS_OF_A_GPU))
    if value != "cpu" and not has_gpu:
        raise UsageError(f"DEVICE={value} needs an NVIDIA GPU, and this machine shows none.")
    return value


def data_root(value: str) -> str:
    """The absolute path of a folder of datasets; the default's name for an empty text."""
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


def chapters(value: str, known: Iterable[str]) -> tuple[str, ...]:
    """Slugs separated by commas, each of which must be known; none for an empty text."""
    names = tuple(dict.fromkeys(name.strip() for name in value.split(","))) if value else ()
    expected = sorted(known)
    for name in names:
        if name not in expected:
            raise UsageError(f"CHAPTERS={name} is unknown: expected {', '.join(expected)}.")
    return names


def _gpus(value: str, device: str, scheduler: str) -> int:
    gpus = number("GPUS", value) or 1
    if gpus > 1 and device != "cuda":
        raise UsageError(f"GPUS={value} needs DEVICE=cuda, not DEVICE={device}.")
    if gpus > 1 and scheduler:
        raise UsageError(f"GPUS={value} is for this machine: leave it out with SCHEDULER.")
    return gpus


def _scheduler(value: str) -> str | None:
    if value and not re.fullmatch(r"(tcp|tls)://[^\s/]+:[0-9]+", value):
        raise UsageError(f"SCHEDULER={value} is not an address: expected tcp://host:port.")
    return value or None
