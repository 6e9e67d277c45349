"""A reproduction that is stopped at any moment goes on and ends with the same results."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest

from tests.press.toy_book import ToyBook
from weaklabels.press.runner.options import UsageError

DRIVER = """
import sys
from pathlib import Path
from weaklabels.lab import definitions
from weaklabels.press.runner.notebooks import Places
from weaklabels.press.runner.options import Options
from weaklabels.press.runner.reproduction import reproduce
root = Path(sys.argv[1])
definitions.ROOTS = {"weaklabels": root / "weaklabels"}
def build_book(profile, build):
    return Path(__file__)
sys.exit(reproduce(
    Options(profile="smoke", jobs=int(sys.argv[2])),
    Places(root / "book", root / "build", root / "requirements.lock"),
    build_book,
))
"""
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


def _start(toy: ToyBook) -> subprocess.Popen[str]:
    driver = toy.root / "scripts" / "driver.py"  # not beside the toy's package
    driver.parent.mkdir(exist_ok=True)
    driver.write_text(DRIVER)
    environment = {**os.environ, "PYTHONPATH": ""}
    return subprocess.Popen(
        [sys.executable, str(driver), str(toy.root), "2"], env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def test_interrupted_at_random_moments_it_ends_with_the_same_results(empty: ToyBook) -> None:
    toy = empty
    for slug in ("slow_a", "slow_b"):
        toy.chapter(slug, SLOW.format(slug=slug, marker=MARKER), "print('end')")
    whole = _start(toy)
    printed, said = whole.communicate(timeout=120)
    assert whole.returncode == 0, printed + said
    expected = toy.executed()
    assert len(expected) == 2

    shutil.rmtree(toy.places.build)
    moments = random.Random(2022)
    for sent in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL) * 2:
        lock = toy.places.build / "smoke" / ".lock"
        lock.unlink(missing_ok=True)
        process = _start(toy)
        while not lock.exists() and process.poll() is None:  # it is still importing
            time.sleep(0.02)
        seen: dict[int, psutil.Process] = {}
        until = time.monotonic() + moments.uniform(0.1, 2.0)
        while time.monotonic() < until and process.poll() is None:
            seen |= {each.pid: each for each in _descendants(process.pid)}
            time.sleep(0.02)
        process.send_signal(sent)
        _, said = process.communicate(timeout=20)
        _, alive = psutil.wait_procs(list(seen.values()), timeout=3)
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
        if process.returncode != 0:  # it may have been done already
            assert process.returncode == 130, said
            # A kernel that dies while it starts may have a last word of its own.
            assert any(line.startswith("Interrupted: ") for line in said.splitlines())
            assert "Traceback" not in said
    last = _start(toy)
    printed, said = last.communicate(timeout=120)
    assert last.returncode == 0, printed + said
    assert toy.executed() == expected


def test_two_at_once_are_refused(empty: ToyBook) -> None:
    toy = empty
    toy.chapter("slow", SLOW.format(slug="slow", marker=MARKER))
    first = _start(toy)
    try:
        lock = toy.places.build / "smoke" / ".lock"
        while not lock.exists() and first.poll() is None:
            time.sleep(0.05)
        time.sleep(0.3)
        with pytest.raises(UsageError, match="Another command executes notebooks in"):
            toy.reproduce()
    finally:
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=20)
