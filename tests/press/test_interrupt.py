"""A reproduction that is stopped at any moment goes on and ends with the same results."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from multiprocessing import get_context
from multiprocessing.context import ForkProcess

import psutil
import pytest

from tests.press.toy_book import ToyBook
from weaklabels.press.runner import execute  # noqa: F401  imported here, each command has it
from weaklabels.press.runner.options import UsageError

# A chapter that takes a moment, whose work survives interruption as the library's sweeps do, and
# which starts a process of its own as they do.
SLOW = """
import json, os, subprocess, sys, time
from pathlib import Path
store = Path(os.environ["WEAKLABELS_BUILD"], "runs")
store.mkdir(parents=True, exist_ok=True)
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep({marker})"])
for run in range(6):
    path = store / f"{slug}-{{run}}"
    if not path.exists():
        time.sleep(0.1)
        path.with_suffix(".tmp").write_text(str(run ** 2))
        path.with_suffix(".tmp").replace(path)
    print(path.read_text())
worker.kill()
_ = worker.wait()
"""
MARKER = 86_399


def _command(toy: ToyBook) -> None:
    with (toy.root / "said").open("w") as said:
        for stream in (1, 2):
            os.dup2(said.fileno(), stream)
        sys.stdout = sys.stderr = said
        sys.exit(toy.reproduce(jobs=2)[0])


def _start(toy: ToyBook) -> ForkProcess:
    process = get_context("fork").Process(target=_command, args=(toy,))
    process.start()
    return process


def _ended(process: ForkProcess, toy: ToyBook, timeout: float) -> str:
    """What it has said; its exit status is known now."""
    process.join(timeout)
    assert process.exitcode is not None
    return (toy.root / "said").read_text()


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _lives(process: psutil.Process) -> bool:
    """An orphan that has ended is a zombie until the first process of the machine looks at it."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_interrupted_at_random_moments_it_ends_with_the_same_results(empty: ToyBook) -> None:
    toy = empty
    for slug in ("slow_a", "slow_b"):
        toy.chapter(slug, SLOW.format(slug=slug, marker=MARKER), "print('end')")
    whole = _start(toy)
    said = _ended(whole, toy, timeout=120)
    assert whole.exitcode == 0, said
    expected = toy.executed()
    assert len(expected) == 2

    shutil.rmtree(toy.places.build)
    moments = random.Random(2022)
    for sent in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL) * 2:
        lock = toy.places.build / "smoke" / ".lock"
        lock.unlink(missing_ok=True)
        process = _start(toy)
        while not lock.exists() and process.is_alive():
            time.sleep(0.02)
        seen: dict[int, psutil.Process] = {}
        until = time.monotonic() + moments.uniform(0.1, 2.0)
        while time.monotonic() < until and process.is_alive():
            seen |= {each.pid: each for each in _descendants(process.pid)}
            time.sleep(0.1)
        if process.is_alive():
            os.kill(process.pid, sent)
        said = _ended(process, toy, timeout=20)
        _, left = psutil.wait_procs(list(seen.values()), timeout=3)
        alive = list(filter(_lives, left))
        for path in toy.places.build.glob("smoke/notebooks/*.ipynb"):
            assert path.read_bytes() == expected[path.stem]  # whole or not there
        if sent == signal.SIGKILL:  # nobody can clean up after that; the toy's workers are ours
            for orphan in alive:
                assert orphan.cmdline()[1] == "-c", "a kernel must notice that its parent is gone"
                orphan.kill()
            continue
        assert not alive
        assert not list(toy.places.build.glob("smoke/*/*.part"))
        assert not (toy.places.build / "smoke" / "scratch").exists()
        if process.exitcode != 0:  # it may have been done already
            assert process.exitcode == 130, said
            # A kernel that dies while it starts may have a last word of its own.
            assert any(line.startswith("Interrupted: ") for line in said.splitlines())
            assert "Traceback" not in said
    last = _start(toy)
    said = _ended(last, toy, timeout=120)
    assert last.exitcode == 0, said
    assert toy.executed() == expected


def test_two_at_once_are_refused(empty: ToyBook) -> None:
    toy = empty
    toy.chapter("slow", SLOW.format(slug="slow", marker=MARKER))
    first = _start(toy)
    try:
        lock = toy.places.build / "smoke" / ".lock"
        while not lock.exists() and first.is_alive():
            time.sleep(0.05)
        time.sleep(0.3)
        with pytest.raises(UsageError, match="Another command executes notebooks in"):
            toy.reproduce()
    finally:
        os.kill(first.pid, signal.SIGINT)
        _ended(first, toy, timeout=20)
