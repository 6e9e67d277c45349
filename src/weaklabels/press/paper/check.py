"""``make paper-check``: every chapter with the profile ``paper``, on a slice, in ten minutes.

Each notebook is followed in a process of its own (see ``follow``), and the networks that the runs
asked for are timed (see ``throughput``); one run is shared by two processes, two runs by two
workers, and a card by as many as it serves best (see ``sharing``). What is finished is kept in
``build/paper-check``: stopped at any moment, or by the end of ``BUDGET``, the same command goes on
from there. A chapter in which something failed is followed again, when all others are done.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from weaklabels import data
from weaklabels.lab import sharing, sweep
from weaklabels.lab.missing_labels import photographs
from weaklabels.lab.spec import options as options_of
from weaklabels.lab.store import Store
from weaklabels.press.paper import plan, slices, throughput
from weaklabels.press.paper.cells import MISSING, line_of
from weaklabels.press.paper.follow import FAILED, Case, run_case
from weaklabels.press.paper.sharing import time_sharing
from weaklabels.press.paper.shorten import lighter, shortened
from weaklabels.press.runner import options
from weaklabels.press.runner.files import only_one, read_json, remove_leftovers, write_atomically
from weaklabels.press.runner.interrupt import stopping_cleanly

AGAIN = "Stopped: what is finished is kept, and the same command goes on from here."
JOBS = 8
LARGEST = 20_000_000_000
"""Bytes of a card's memory that a run on a slice may take: of ResNet-101 in single precision, on 32
photographs of 448 pixels, 16.4 GB are kept for the backward pass, by the shapes of its layers."""


def at_a_time(device: str) -> int:
    """How many chapters are followed at a time, if nothing is said: as many as have cores, and on a
    card memory for the largest run of any."""
    return min(JOBS, sharing.that_fit(device, LARGEST))


def follow_all(
    slugs: Sequence[str], device: str, data_root: str, folder: Path, jobs: int
) -> list[bool]:
    """Follow chapters that have changed since, several at a time; says how each of them went.

    Returns:
        whether nothing failed, by chapter.
    """

    def one(slug: str) -> bool:
        path, stamp = folder / f"{slug}.json", _stamp(slug, data_root)
        if (read_json(path) or {}).get("stamp") != stamp:
            environment = os.environ | {"WEAKLABELS_BUILD": str(folder), "OMP_NUM_THREADS": "1"}
            command = [sys.executable, "-m", "weaklabels.press.paper", slug]
            command += ["--device", device, "--data", data_root, "--guarded"]
            done = subprocess.run(
                command, env=environment, stdin=guard, stderr=subprocess.PIPE, text=True
            )
            if done.returncode not in (0, FAILED):
                last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
                print(f"{slug}: could not be followed: {last}\n{done.stderr[-2000:]}", flush=True)
                return False
            if done.returncode == 0:  # else it is tried again
                found = json.loads(path.read_text()) | {"stamp": stamp}
                write_atomically(path, json.dumps(found, indent=1) + "\n")
        found = json.loads(path.read_text())
        print("\n".join(lines(found)), flush=True)
        return not found["failed"]

    guard, held = os.pipe()  # ends when this process does, in whatever way
    try:
        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(one, slugs))
    finally:
        os.close(guard)
        os.close(held)


def _stamp(slug: str, data_root: str) -> str:
    """Hash of the chapter's sources, of the package's, and of what lies in the folder of data."""
    rooms = plan.REPOSITORY / "book" / "chapters" / slug
    sources = [*rooms.glob("*.py"), *rooms.glob("*.ipynb"), *rooms.glob("recorded/*.json")]
    sources += (plan.REPOSITORY / "src").rglob("*.py")
    root = Path(data_root)
    state = hashlib.sha256(str(root).encode())
    for path in sorted([*root.glob("*"), *root.glob("*/*")]):
        state.update(str(path).encode())
    for path in sorted(sources):
        state.update(path.read_bytes())
    return state.hexdigest()[:16]


def lines(trace: dict[str, Any]) -> list[str]:
    """How a chapter went, in a few lines."""
    asked = sum(table["runs"] for table in trace["tables"])
    tried = sum(table["kinds"] for table in trace["tables"])
    made_up = [name for name, is_so in trace["made_up"].items() if is_so]
    broken = sum(error.startswith("cell ") for _, error in trace["failed"])
    spoke = trace["cells"] - len(trace["silent"]) - broken
    found = [
        f"{trace['slug']}: {tried} kinds of {asked} runs tried, {len(trace['failed'])} failed; "
        f"{spoke} of {trace['cells']} cells executed; {trace['seconds']:.0f} s"
        + (f"; made up: {', '.join(made_up)}" if made_up else "")
    ]
    found += [f"  failed: {section}: {error}" for section, error in trace["failed"]]
    own = [(line, error) for line, error in trace["silent"] if not error.startswith(MISSING)]
    found += [f"  silent: {line[:60]}: {error[:120]}" for line, error in own]
    after = len(trace["silent"]) - len(own)
    return found + ([f"  silent: {after} cells that need what others were to define"] * bool(after))


def two_processes(data_root: str, folder: Path) -> None:
    """One run on photographs, every batch of which two processes of this machine share."""
    size = slices.size_for("cpu")
    spec = lighter(shortened(photographs(data_root, "cpu"), size), "cpu")
    # Each process normalises three images alone: at the paper's rate weights grow without end.
    careful = replace(spec, optimiser=replace(spec.optimiser, lr=1e-7, head_lr=1e-7))
    case = Case("weaklabels.lab.multilabel:run", careful, "cpu")
    (record,) = sweep.run(run_case, [case], Store(folder / "two processes"), gpus=2)
    print(f"two processes share a run: {len(record['test_ap'])} epochs", flush=True)


def two_workers(data_root: str, folder: Path) -> None:
    """Two runs, each of which has a process of this machine."""
    size = slices.size_for("cpu")
    spec = lighter(shortened(photographs(data_root, "cpu"), size), "cpu")
    small = replace(spec, network="patch_net", network_options=options_of(channels=3, width=8))
    cases = [
        Case("weaklabels.lab.multilabel:run", replace(small, seed=seed), "cpu") for seed in (0, 1)
    ]
    sweep.run(run_case, cases, Store(folder / "two workers"), workers=2)
    print("two workers share two runs", flush=True)


def time_networks(device: str, folder: Path) -> None:
    """Time every network that a chapter asked for and that has not been timed."""
    path = throughput.file_of(folder.parent, device)
    speeds = {key: speed for key, speed in (read_json(path) or {}).items() if speed}
    size = slices.size_for(device)
    for trace in filter(None, map(read_json, sorted(folder.glob("*.json")))):
        for key in (key for table in trace.get("tables", ()) for key in table["cost"]):
            if key not in speeds:
                try:
                    speeds[key] = round(throughput.measure(key, device, size), 2)
                except (RuntimeError, TypeError, ValueError) as error:  # it is tried again
                    print(f"not timed: {key}: {line_of(error)}", flush=True)
                    continue
                write_atomically(path, json.dumps(speeds, indent=1) + "\n")


def tell_speeds(device: str, folder: Path) -> None:
    """Say how fast the networks are that were timed."""
    for key, speed in (read_json(throughput.file_of(folder.parent, device)) or {}).items():
        if speed:
            told = json.loads(key)
            side = "x".join(map(str, told["shape"]))
            network = f"{told['network']} {side} {told['precision']} batch {told['batch']}"
            print(f"{network}: {speed} im/s", flush=True)


def time_reading(device: str, data_root: str) -> None:
    """Say how fast the network of the multi-label chapters learns from photographs, and what share
    that is of its speed on tensors that lie ready."""
    size = slices.size_for(device)
    made_up: dict[str, bool] = {}
    with slices.installed(size, made_up.__setitem__):
        spec = shortened(photographs(data_root, device), size)
        data.load(spec.dataset, data_root, **dict(spec.data_options))  # others may be remembered
        speed = throughput.measure_reading(spec, epochs=1 if device == "cpu" else 5)
    ready = throughput.measure(throughput.signature(spec), device, size)
    source = "made up in memory" if made_up[spec.dataset] else "on disk"
    print(
        f"{spec.network} from photographs {source}, with its augmentation: {speed:.1f} im/s, "
        f"{speed / ready:.0%} of the {ready:.1f} im/s on synthetic tensors"
    )


def time_compiled(device: str, data_root: str) -> None:
    """Say how fast the same network is when it is compiled."""
    if device == "cpu":
        print("not compiled: on a CPU compiling a network takes longer than a check")
        return
    size = slices.size_for(device)
    key = throughput.signature(shortened(photographs(data_root, device), size))
    plain, compiled = (
        throughput.measure(key, device, size, compiled=compiled) for compiled in (False, True)
    )
    network = json.loads(key)["network"]
    print(f"{network} compiled: {compiled:.1f} im/s, {compiled / plain:.0%} of {plain:.1f} im/s")


def _check(slugs: Sequence[str], device: str, root: str, folder: Path, jobs: int) -> bool:
    """All of it, in the order in which most is known when the time is up.

    Networks are timed as soon as the chapters that ask for them have been followed, by this call or
    an earlier one; chapters that have failed before come last.

    Returns:
        whether nothing failed.
    """
    failed = [slug for slug in slugs if _failed_before(slug, folder)]
    others = [slug for slug in slugs if slug not in failed]
    timed = partial(time_networks, device, folder)
    well = [_well(timed)]
    well += follow_all(others, device, root, folder, jobs)
    well += map(
        _well,
        (
            timed,
            partial(time_reading, device, root),
            partial(time_compiled, device, root),
            partial(two_processes, root, folder),
            partial(two_workers, root, folder),
            partial(time_sharing, device, root, folder.parent),
        ),
    )
    well += follow_all(failed, device, root, folder, jobs)
    well += map(_well, (timed, partial(tell_speeds, device, folder)))
    return all(well)


def _well(part: partial[None]) -> bool:
    """Do a part of the check. Returns whether it did not fail, and says so if it did."""
    try:
        part()
    except Exception as error:
        print(f"failed: {part.func.__name__}: {line_of(error)}", flush=True)
        return False
    return True


def _failed_before(slug: str, folder: Path) -> bool:
    return bool((read_json(folder / f"{slug}.json") or {}).get("failed"))


def main(arguments: list[str] | None = None) -> int:
    """The command behind ``make paper-check``. Returns 1 if anything failed, 2 for misuse."""
    parser = options.Parser(prog="python -m weaklabels.press.paper.check")
    parser.add_argument("--chapters", default="", help="comma-separated slugs; all if left out")
    parser.add_argument("--device", default="cpu", help="cpu | cuda | cuda:N")
    parser.add_argument("--data", default="", help="folder of the downloaded datasets")
    parser.add_argument("--jobs", default="", help="chapters followed at a time")
    parser.add_argument("--budget", default="10m", help="time after which it stops: 90s, 10m")
    try:
        given = parser.parse_args(arguments)
        device, root = options.device(given.device), options.data_root(given.data)
        slugs = options.chapters(given.chapters, plan.slugs()) or tuple(plan.slugs())
        jobs = options.number("JOBS", given.jobs) or at_a_time(device)
        limit = options.budget(given.budget)
        folder = plan.FOUND / device.partition(":")[0]
        os.environ["WEAKLABELS_BUILD"] = str(folder)
        root = str(plan.REPOSITORY / root)
        clean = partial(_clean, folder)
        with only_one(plan.FOUND), stopping_cleanly(clean, AGAIN, limit):
            clean()
            well = _check(slugs, device, root, folder, jobs)
    except options.UsageError as error:
        print(error, file=sys.stderr)
        return 2
    return 0 if well else 1


def _clean(folder: Path) -> None:
    """Remove what a process that is dead has half written."""
    for place in (plan.FOUND, folder, folder / "paper"):
        remove_leftovers(place)


if __name__ == "__main__":
    sys.exit(main())
