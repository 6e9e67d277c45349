"""From a checked request to executed chapters, a built book and a summary."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tqdm import tqdm

from weaklabels.press.runner import estimate, report, stamps
from weaklabels.press.runner.files import only_one, read_json, remove_leftovers, write_atomically
from weaklabels.press.runner.interrupt import stopping_cleanly
from weaklabels.press.runner.notebooks import Notebook, Places, chapters_of, select
from weaklabels.press.runner.options import Options, UsageError
from weaklabels.press.runner.outcome import Outcome

BookBuilder = Callable[[str, Path], Path]
BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
"""The bar of the book: it advances by what the chapters usually take."""

COUNT_GPUS = "import torch; print(torch.cuda.device_count())"


def places_of(repository: Path) -> Places:
    """The usual folders; ``WEAKLABELS_BUILD`` moves the build folder."""
    build = Path(os.environ.get("WEAKLABELS_BUILD", repository / "build")).absolute()
    return Places(repository / "book", build, repository / "requirements.lock")


def reproduce(options: Options, places: Places, build_book: BookBuilder) -> int:
    """Execute what is stale, build the book, tell what came out.

    Args:
        options: the request.
        places: the folders.
        build_book: builds the HTML from a profile's name and the build folder: ``html.build``.

    Returns:
        0, or 1 if a chapter or the book failed.

    Raises:
        UsageError: if the request does not fit the book or this machine.
    """
    clock = time.perf_counter()
    book = chapters_of(places.book)
    chosen = select(book, options.chapters)
    if options.device != "cpu":
        _check_gpus(options)
    profile = places.build / options.profile
    again = "Interrupted: finished runs are kept, and the same command goes on from here."
    with only_one(profile), stopping_cleanly(lambda: remove_leftovers(profile), again):
        remove_leftovers(profile)
        _remove_strangers(book, profile)
        outcomes = _execute_stale(chosen, options, places)
        try:
            index = _build_if_stale(options, places, build_book)
        except Exception as error:
            index = None
            trouble = f"The book was not built: {type(error).__name__}: {error}"
    failures = [outcome for outcome in outcomes if outcome.failure]
    print(report.summary(chosen, profile, [outcome.slug for outcome in outcomes]))
    for outcome in failures:
        print(f"\n{report.failure_text(outcome, profile)}")
    if not outcomes:
        print("Every chapter was up to date.")
    print(f"Book: {index}" if index else trouble)
    print(f"Took {report.clock(time.perf_counter() - clock)}.")
    return 1 if failures or index is None else 0


def _check_gpus(options: Options) -> None:
    """Ask a process of its own, which frees the GPU again, what torch can use."""
    command = [sys.executable, "-c", COUNT_GPUS]
    there = int(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    if not there:
        raise UsageError(f"DEVICE={options.device} needs a GPU, and torch sees none here.")
    if options.gpus > there:
        raise UsageError(f"GPUS={options.gpus} is more than torch sees here: {there}.")


def _execute_stale(chosen: Sequence[Notebook], options: Options, places: Places) -> list[Outcome]:
    """Execute first the ordinary chapters, then those that read the claims of all others."""
    outcomes: list[Outcome] = []
    for group in ([c for c in chosen if not c.after], [c for c in chosen if c.after]):
        reasons = {chapter: stamps.why_stale(chapter, options, places) for chapter in group}
        stale = [chapter for chapter, reason in reasons.items() if reason]
        if not stale:
            continue
        from weaklabels.press.runner.schedule import (
            execute_all,  # papermill takes a second to import
        )

        shares = estimate.shares(places.book, [chapter.slug for chapter in stale])
        with tqdm(total=100, desc="book", disable=None, bar_format=BAR) as overall:
            for chapter in stale:
                overall.write(f"{chapter.slug}: {reasons[chapter]}")
            if said := _duration(stale, options, places):
                overall.write(said)
            for outcome in execute_all(stale, options, places, overall):
                outcomes.append(outcome)
                overall.update(shares[outcome.slug])
                how = "failed after" if outcome.failure else "done in"
                overall.write(f"{outcome.slug}: {how} {report.clock(outcome.seconds)}")
    return outcomes


def _duration(stale: Sequence[Notebook], options: Options, places: Places) -> str:
    """How long this will take here; empty where it cannot be known."""
    if options.profile != estimate.PROFILE or options.device != "cpu" or options.scheduler:
        return ""
    if not (places.book / estimate.COSTS).is_file():
        return ""
    from weaklabels.press.runner.schedule import cores_used  # as above

    slugs = [chapter.slug for chapter in stale]
    cores = cores_used(len(slugs), options)
    work = estimate.work_here()
    seconds = estimate.seconds(places.book, slugs, jobs=cores, seeds=options.seeds, work=work)
    return f"On this machine this takes about {report.clock(seconds)}." if seconds else ""


def _build_if_stale(options: Options, places: Places, build_book: BookBuilder) -> Path:
    """Path of the book's first page."""
    stamp = places.build / options.profile / "book.json"
    built, now = read_json(stamp), stamps.book_inputs(options, places)
    if isinstance(built, dict) and built.get("inputs") == now and Path(built["index"]).is_file():
        return Path(built["index"])
    stamp.unlink(missing_ok=True)
    index = build_book(options.profile, places.build)
    write_atomically(stamp, json.dumps({"inputs": now, "index": str(index)}, indent=1))
    return index


def _remove_strangers(book: Sequence[Notebook], profile: Path) -> None:
    """Remove results of notebooks that are no longer in the book, so that nothing counts them."""
    slugs = {chapter.slug for chapter in book}
    for folder in ("notebooks", "claims", "state", "failed"):
        for path in (profile / folder).glob("*.*"):
            if path.stem not in slugs:
                path.unlink()
