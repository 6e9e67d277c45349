"""Execute chapters, some at a time; a failure of one does not stop the others."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import joblib
from tqdm import tqdm

from weaklabels.lab.sweep import ASKED, STORED_ONLY
from weaklabels.press import machine
from weaklabels.press.runner import stamps
from weaklabels.press.runner.edition import edition_of
from weaklabels.press.runner.execute import execute
from weaklabels.press.runner.files import SCRATCH, read_json, write_atomically
from weaklabels.press.runner.notebooks import Cell, Notebook, Places, read_notebook
from weaklabels.press.runner.options import Options
from weaklabels.press.runner.outcome import Failure, Outcome

REFRESH_SECONDS = 0.3


def execute_all(
    chapters: Sequence[Notebook], options: Options, places: Places, overall: tqdm
) -> Iterator[Outcome]:
    """Execute chapters, some at a time, and draw a bar for each that is running.

    Args:
        chapters: what to execute.
        options: parameters, jobs, workers and scheduler.
        places: the folders.
        overall: the bar of the whole book, to be drawn again now and then.

    Yields:
        An outcome as soon as a chapter ends.
    """
    jobs, workers = _at_a_time(len(chapters), options)
    overall.write(f"notebooks at a time: {jobs}, processes for the runs of each: {workers}")
    positions: SimpleQueue[int] = SimpleQueue()
    for position in range(1, jobs + 1):
        positions.put(position)
    scratch = places.build / options.profile / SCRATCH
    with ThreadPoolExecutor(jobs) as pool:
        running = [_Running(chapter, scratch / chapter.slug) for chapter in chapters]
        waiting: dict[Future[Outcome], _Running] = {
            pool.submit(_execute_one, each, options, places, workers, positions): each
            for each in running
        }
        while waiting:
            done, _ = wait(waiting, REFRESH_SECONDS, FIRST_COMPLETED)
            for each in waiting.values():
                each.show_runs()
            overall.refresh()
            for future in done:
                waiting.pop(future)
                yield future.result()
    shutil.rmtree(scratch)


def _at_a_time(chapters: int, options: Options) -> tuple[int, int]:
    """Notebooks at a time, and processes for the runs of each."""
    device, profile, jobs = options.device, options.profile, options.jobs
    if jobs is None:  # GPUs that work together on a run have no other
        alone = options.gpus > 1
        jobs = 1 if alone else machine.default_jobs(device, profile, options.workers or 1)
    jobs = min(chapters, jobs)
    return jobs, options.workers or machine.default_workers(device, profile, jobs)


def cores_used(chapters: int, options: Options) -> int:
    """How many cores so many chapters keep busy."""
    jobs, workers = _at_a_time(chapters, options)
    return min(jobs * workers, joblib.cpu_count())


class _Running:
    """A chapter in execution: the files through which its kernel reports, and its bar."""

    def __init__(self, chapter: Notebook, scratch: Path) -> None:
        self.chapter = chapter
        self.settings = scratch / "settings"
        self.settings.mkdir(parents=True)
        self.progress = scratch / "progress"
        self.used = scratch / "used"
        self.bar: tqdm | None = None

    def show_runs(self) -> None:
        runs = read_json(self.progress)
        if self.bar is not None and runs:
            self.bar.set_postfix_str(f"{runs['done']}/{runs['total']} runs")

    def started(self, bar: tqdm) -> None:
        self.bar = bar

    def environment(self, options: Options, places: Places, workers: int) -> dict[str, str]:
        """What the kernel is told, besides the notebook's parameters."""
        told = {
            "WEAKLABELS_BUILD": str(places.build),
            "WEAKLABELS_WORKERS": str(workers),
            "WEAKLABELS_GPUS": str(options.gpus),
            "WEAKLABELS_PROGRESS": str(self.progress),
            "WEAKLABELS_USED": str(self.used),
        }
        if options.stored_only:
            told[STORED_ONLY] = "1"
        if options.scheduler:
            told["WEAKLABELS_SCHEDULER"] = options.scheduler
        # As in the runs: the same bits whatever the number of cores, for which notebooks that
        # are executed at a time do not fight.
        told["OMP_NUM_THREADS"] = "1"
        return told

    def used_code(self) -> tuple[list[str], list[str], list[str]]:
        """Modules that its runs depend on, where their code starts, and the runs that were asked
        for (see ``sweep.run``)."""
        noted: set[str] = set()
        with suppress(OSError):
            noted = set(self.used.read_text(encoding="utf-8").splitlines())
        starts = {name for name in noted if ":" in name}
        asked = {name for name in noted if name.startswith(ASKED)}
        runs = sorted(name.removeprefix(ASKED) for name in asked)
        return sorted(noted - starts - asked), sorted(starts), runs


def _execute_one(
    running: _Running, options: Options, places: Places, workers: int, positions: SimpleQueue[int]
) -> Outcome:
    """Execute one chapter and record what it was made from; on failure, leave no result of it."""
    chapter = running.chapter
    profile = places.build / options.profile
    state = profile / "state" / f"{chapter.slug}.json"
    notebook = profile / "notebooks" / f"{chapter.slug}.ipynb"
    failed = profile / "failed" / f"{chapter.slug}.ipynb"
    before = _known_used(state)
    state.unlink(missing_ok=True)  # from here on an interruption means: not executed
    fingerprints = stamps.inputs(chapter, options, places, before)
    position = positions.get()
    start, clock = datetime.now(UTC), time.perf_counter()
    failure = None
    try:
        execute(
            chapter.path,
            notebook,
            options.parameters(),
            running.environment(options, places, workers),
            running.settings,
            {"desc": chapter.slug, "position": position, "leave": False, "disable": None},
            running.started,
            _left_to_the_record(chapter) if options.profile == "quick" else {},
            ("NotStored", "NameError") if options.stored_only else (),
        )
    except Failure as error:
        failure = error
    finally:
        running.bar = None
        positions.put(position)
    seconds = time.perf_counter() - clock
    if failure is not None:
        notebook.unlink(missing_ok=True)
        (profile / "claims" / f"{chapter.slug}.json").unlink(missing_ok=True)
        if failure.notebook is not None:
            write_atomically(failed, failure.notebook)
        return Outcome(chapter.slug, seconds, failure)
    failed.unlink(missing_ok=True)
    used, code, runs = running.used_code()
    # Modules known before the execution keep the hash they had then: an edit meanwhile counts.
    modules = stamps.inputs(chapter, options, places, used)["modules"]
    known = {name: fingerprints["modules"].get(name, digest) for name, digest in modules.items()}
    record = {
        "slug": chapter.slug,
        "fingerprints": {**fingerprints, "modules": known},
        "used": used,
        "code": code,
        "runs": runs,
        "outputs": stamps.outputs(chapter, options, places),
        "workers": workers,
        "start": start.isoformat(timespec="seconds"),
        "duration": round(seconds, 2),
        **_circumstances(fingerprints["parameters"], places),
    }
    write_atomically(state, json.dumps(record, indent=1, sort_keys=True))
    return Outcome(chapter.slug, seconds, None)


def _left_to_the_record(chapter: Notebook) -> Mapping[str, Cell]:
    try:
        source = read_notebook(chapter.path)
    except ValueError:  # execution will say so
        return {}
    return edition_of(chapter.path).studies_in(source)


def _circumstances(parameters: Mapping[str, Any], places: Places) -> dict[str, Any]:
    """What the page on provenance tells beside the times."""
    return {
        "parameters": parameters,
        "seeds": parameters.get("seeds"),
        "device": machine.device_name(parameters["device"]),
        "versions": machine.versions(),
        "commit": machine.commit(places.book),
    }


def _known_used(state: Path) -> Sequence[str]:
    previous = read_json(state)
    return previous.get("used", ()) if isinstance(previous, dict) else ()
