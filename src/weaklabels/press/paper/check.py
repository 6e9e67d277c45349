"""``make paper-check``: every chapter with the profile ``paper``, on a slice, in ten minutes.

Each notebook is followed in a process of its own (see ``follow``); then one run is shared by two
processes, and the networks that the runs asked for are timed (see ``throughput``). What is finished
is kept in ``build/paper-check``: stopped at any moment, or by the end of ``BUDGET``, the same
command goes on from there.
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
from pathlib import Path
from typing import Any

import joblib
import torch

from weaklabels.lab import sweep
from weaklabels.lab.missing_labels import photographs
from weaklabels.lab.store import Store
from weaklabels.press.paper import plan, slices, throughput
from weaklabels.press.paper.follow import Case, run_case
from weaklabels.press.paper.shorten import lighter, shortened
from weaklabels.press.runner import options
from weaklabels.press.runner.files import read_json, write_atomically
from weaklabels.press.runner.interrupt import stopping_cleanly

AGAIN = "Stopped: what is finished is kept, and the same command goes on from here."
JOBS = 8


def follow_all(slugs: Sequence[str], device: str, data_root: str, folder: Path, jobs: int) -> None:
    """Follow chapters that have changed since, several at a time; says how each of them went."""

    def one(slug: str) -> None:
        path, stamp = folder / f"{slug}.json", _stamp(slug)
        if (read_json(path) or {}).get("stamp") != stamp:
            environment = os.environ | {"WEAKLABELS_BUILD": str(folder), "OMP_NUM_THREADS": "1"}
            command = [sys.executable, "-m", "weaklabels.press.paper", slug]
            command += ["--device", device, "--data", data_root]
            done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True)
            if done.returncode not in (0, 1) or not path.exists():
                print(f"{slug}: could not be followed\n{done.stderr[-2000:]}", flush=True)
                return
            found = json.loads(path.read_text()) | {"stamp": stamp}
            write_atomically(path, json.dumps(found, indent=1) + "\n")
        print("\n".join(lines(json.loads(path.read_text()))), flush=True)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, slugs))


def _stamp(slug: str) -> str:
    """Hash of the chapter's sources and of the package's."""
    rooms = plan.REPOSITORY / "book" / "chapters" / slug
    sources = [*rooms.glob("*.py"), *rooms.glob("*.ipynb"), *rooms.glob("recorded/*.json")]
    sources += (plan.REPOSITORY / "src").rglob("*.py")
    state = hashlib.sha256()
    for path in sorted(sources):
        state.update(path.read_bytes())
    return state.hexdigest()[:16]


def lines(trace: dict[str, Any]) -> list[str]:
    """How a chapter went, in a few lines."""
    asked = sum(table["runs"] for table in trace["tables"])
    tried = sum(table["kinds"] for table in trace["tables"])
    made_up = [name for name, is_so in trace["made_up"].items() if is_so]
    spoke = trace["cells"] - len(trace["silent"])
    found = [
        f"{trace['slug']}: {tried} kinds of {asked} runs tried, {len(trace['failed'])} failed; "
        f"{spoke} of {trace['cells']} cells executed; {trace['seconds']:.0f} s"
        + (f"; made up: {', '.join(made_up)}" if made_up else "")
    ]
    found += [f"  failed: {section}: {error}" for section, error in trace["failed"]]
    return found + [f"  silent: {line[:60]}: {error[:120]}" for line, error in trace["silent"]]


def two_processes(data_root: str, folder: Path) -> None:
    """One run on photographs, every batch of which two processes of this machine share."""
    size = slices.size_for("cpu")
    spec = lighter(shortened(photographs(data_root, "cpu"), size), "cpu")
    # Each process normalises two images alone: at the paper's rate weights would grow without end.
    careful = replace(spec, optimiser=replace(spec.optimiser, lr=1e-7, head_lr=1e-7))
    case = Case("weaklabels.lab.multilabel:run", careful, "cpu")
    (record,) = sweep.run(run_case, [case], Store(folder / "two processes"), gpus=2)
    print(f"two processes share a run: {len(record['test_ap'])} epochs", flush=True)


def time_networks(device: str, folder: Path) -> None:
    """Time every network that a chapter asked for, and say how fast it is."""
    path = throughput.file_of(folder.parent, device)
    speeds = read_json(path) or {}
    size = slices.size_for(device)
    for trace in filter(None, map(read_json, sorted(folder.glob("*.json")))):
        for key in (key for table in trace.get("tables", ()) for key in table["cost"]):
            if key not in speeds:
                try:
                    speeds[key] = round(throughput.measure(key, device, size), 2)
                except torch.OutOfMemoryError as error:  # of the moment: it is tried again
                    print(f"not timed: {key}: {error}", flush=True)
                    continue
                except (RuntimeError, TypeError, ValueError) as error:
                    print(f"not timed: {key}: {error}", flush=True)
                    speeds[key] = None
                write_atomically(path, json.dumps(speeds, indent=1) + "\n")
    for key, speed in speeds.items():
        told = json.loads(key)
        side = "x".join(map(str, told["shape"]))
        print(f"{told['network']} {side} {told['precision']} batch {told['batch']}: {speed} im/s")


def time_reading(device: str, data_root: str) -> None:
    """Say how fast the network of the multi-label chapters learns from photographs on disk."""
    size = slices.size_for(device)
    with slices.installed(size):
        spec = shortened(photographs(data_root, device), size)
        speed = throughput.measure_reading(spec, epochs=1 if device == "cpu" else 5)
    print(f"{spec.network} from photographs on disk, with its augmentation: {speed:.1f} im/s")


def main(arguments: list[str] | None = None) -> int:
    """The command behind ``make paper-check``. Returns 1 if a run failed."""
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
        jobs = options.number("JOBS", given.jobs) or min(JOBS, joblib.cpu_count())
        limit = options.budget(given.budget)
    except options.UsageError as error:
        print(error, file=sys.stderr)
        return 2
    folder = plan.FOUND / device.partition(":")[0]
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["WEAKLABELS_BUILD"] = str(folder)
    root = str(plan.REPOSITORY / root)
    with stopping_cleanly(lambda: None, AGAIN, limit):
        follow_all(slugs, device, root, folder, jobs)
        two_processes(root, folder)
        time_networks(device, folder)
        time_reading(device, root)
    traces = [read_json(folder / f"{slug}.json") for slug in slugs]
    return int(any(trace is None or trace["failed"] for trace in traces))


if __name__ == "__main__":
    sys.exit(main())
