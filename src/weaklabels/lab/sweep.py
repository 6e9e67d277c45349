"""Many runs: in parallel, each stored as it finishes, none computed twice.

A run is a function called with one frozen dataclass, its *spec*, and returns a dict of arrays and
numbers. Its record is stored under a key made of the function, the spec, the code both depend on
(see :mod:`weaklabels.lab.keys`) and the versions of the libraries; so a rerun is a look-up, an
interrupted sweep goes on where it stopped, and a change of code recomputes exactly what depends on
it.

Not ``joblib.Memory``, which looks at the text of the function itself: here a change of anything
that it calls counts as well, and of nothing else (``tests/lab/test_keys.py``), and a run that was
killed goes on from its checkpoint.

A spec may have two further members: ``code()``, functions, classes and modules that the run depends
on besides those that reading its function shows (its data loader, its method), and ``device``.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
import torch.distributed as dist
from tqdm import tqdm

from weaklabels.lab import distributed
from weaklabels.lab.keys import executes, modules_of, spec_json, starts
from weaklabels.lab.store import Record, Store

RunFunction = Callable[[Any], Mapping[str, Any]]

STORED_ONLY = "WEAKLABELS_STORED_ONLY"
"""Environment variable: where it is set, runs are looked up and none is computed."""


ASKED = "run="
"""How a line of what a notebook used begins that names a run."""


class NotStored(Exception):
    """Runs were asked for that are not stored, where none is to be computed."""


_active_store: ContextVar[Store | None] = ContextVar("active_store", default=None)
_active_path: ContextVar[Path | None] = ContextVar("active_path", default=None)


def run(
    function: RunFunction,
    specs: Iterable[Any],
    store: Store,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    gpus: int = 1,
) -> list[Record]:
    """Run ``function`` on every spec and return the records, in the order of the specs.

    Results do not depend on the number of workers: each run uses one thread and seeds itself.

    Args:
        function: importable by name, ``spec -> {name: array or number}``.
        specs: frozen dataclasses.
        store: where finished runs are found and kept.
        workers: processes on this machine.
        scheduler: address of a Dask scheduler whose workers share the store's file system and have
            this package; the runs go to them instead, one at a time in each worker process. Runs
            of a worker that dies go to the others.
        gpus: GPUs of this machine (on the CPU: processes) that work together on each run, one run
            after the other (see :mod:`weaklabels.lab.distributed`); a run that trains no network
            by ``lab.execute`` has one.

    Raises:
        NotStored: if a run is missing and ``STORED_ONLY`` is set.
    """
    specs = list(specs)
    _note_code(function, specs)
    # Keys are taken once: code edited while the runs go on belongs to the next call.
    paths = [store.path(function, spec) for spec in specs]
    spec_at = dict(zip(paths, specs, strict=True))
    loaded = {path: store.load(path, spec) for path, spec in spec_at.items()}
    found = {path: record for path, record in loaded.items() if record is not None}
    missing = {path: spec for path, spec in spec_at.items() if path not in found}
    if missing and os.environ.get(STORED_ONLY):
        raise NotStored(f"{len(missing)} runs of {function.__name__} are not stored")
    with _Progress(len(spec_at), len(found)) as progress:
        for _ in _compute(function, missing, store, workers, scheduler, gpus):
            progress.advance()
    found |= {path: _stored(store, path, spec) for path, spec in missing.items()}
    return [found[path] for path in paths]


def remember(function: RunFunction, spec: Any) -> Record:
    """Inside a run: the record of another run it builds on, computed if it is not stored yet."""
    store = _active_store.get()
    if store is None:
        return run_one(function, spec, None)
    path = store.path(function, spec)
    found = store.load(path, spec)
    stored = _everywhere(found is not None)
    return found if found and stored else _run_and_save(function, spec, store, path)


def checkpoint_file() -> Path | None:
    """Inside a run: where it may keep its state; None if nothing is stored."""
    store, path = _active_store.get(), _active_path.get()
    if store is None or path is None:
        return None
    return store.folder / "checkpoints" / path.with_suffix(".pt").name


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread: the same bits whatever the number of cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def provenance(device: str) -> dict[str, Any]:
    """Versions and machine type of this process."""
    cuda = device.startswith("cuda")
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "device": torch.cuda.get_device_name(device) if cuda else platform.machine(),
    }


def _compute(
    function: RunFunction,
    missing: Mapping[Path, Any],
    store: Store,
    workers: int,
    scheduler: str | None,
    gpus: int,
) -> Iterable[object]:
    """Compute and store the missing runs; yields once for each."""
    # Seed by seed: runs of one seed share their data, which a process keeps in memory.
    by_seed = sorted(missing.items(), key=lambda item: getattr(item[1], "seed", 0))
    jobs = [(function, spec, store, path) for path, spec in by_seed]
    if scheduler is not None and jobs:
        from distributed import Client

        with Client(scheduler), joblib.parallel_config("dask"):
            parallel = joblib.Parallel(return_as="generator_unordered")
            yield from parallel(joblib.delayed(_run_alone_and_forget)(*job) for job in jobs)
    elif gpus > 1 and jobs and executes(function, jobs[0][1]):
        for job in jobs:
            on_gpu = getattr(job[1], "device", "cpu").startswith("cuda")
            distributed.launch(partial(_run_and_save, *job), gpus, on_gpu=on_gpu)
            yield None
    elif workers == 1 or len(jobs) <= 1:
        yield from (_run_and_save(*job) for job in jobs)
    else:
        # Idle workers end by themselves, soon, should this process be killed; one that ends just
        # as jobs arrive is replaced, of which a chapter need not print a warning.
        told = joblib.parallel_config(
            "loky", n_jobs=workers, inner_max_num_threads=1, idle_worker_timeout=60
        )
        with warnings.catch_warnings(), told:
            warnings.filterwarnings("ignore", "A worker stopped while some jobs")
            parallel = joblib.Parallel(return_as="generator_unordered")
            yield from parallel(joblib.delayed(_run_and_forget)(*job) for job in jobs)


def _run_and_save(function: RunFunction, spec: Any, store: Store, path: Path) -> Record:
    # The worker itself saves: a finished run survives whatever happens to the process that asked.
    record = run_one(function, spec, store, path)
    if distributed.leads():
        store.save(path, record)
    _everywhere(True)
    return record


def _everywhere(stored: bool) -> bool:
    """Whether a record is stored for every process that works on this run: they compute it
    together, and none goes on before all have said so."""
    if not (dist.is_available() and dist.is_initialized()):
        return stored
    said: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(said, stored)
    return all(said)


def _run_and_forget(function: RunFunction, spec: Any, store: Store, path: Path) -> None:
    # The record is on disk: sending it between processes as well would only cost time.
    _run_and_save(function, spec, store, path)


_alone = threading.Lock()


def _run_alone_and_forget(function: RunFunction, spec: Any, store: Store, path: Path) -> None:
    # A Dask worker has as many threads as its machine has cores, and runs seed global generators.
    with _alone:
        if store.load(path, spec) is None:  # a worker that died may have stored it first
            _run_and_forget(function, spec, store, path)


def run_one(
    function: RunFunction, spec: Any, store: Store | None, path: Path | None = None
) -> Record:
    """Compute one run here and now; what it builds on is looked up and kept in the store.

    ``path`` is where its record will be, and beside it its checkpoint.
    """
    tokens = _active_store.set(store), _active_path.set(path)
    started = time.perf_counter()
    try:
        with one_thread():
            values = function(spec)
    finally:
        _active_store.reset(tokens[0])
        _active_path.reset(tokens[1])
    seconds = round(time.perf_counter() - started, 3)
    return Record(
        spec,
        {name: np.asarray(value) for name, value in values.items()},
        provenance(getattr(spec, "device", "cpu")) | {"seconds": seconds},
    )


def _stored(store: Store, path: Path, spec: Any) -> Record:
    record = store.load(path, spec)
    if record is None:
        raise FileNotFoundError(f"the record {path.name} is gone: run again")
    return record


def _note_code(function: RunFunction, specs: Sequence[Any]) -> None:
    """Tell the runner of the book which modules these runs depend on, where their code starts
    (``module:definition``), and which runs they are."""
    path = os.environ.get("WEAKLABELS_USED")
    if path:
        used = {function.__module__}
        used.update(module for spec in specs for module in modules_of(spec))
        used.update(":".join(start) for spec in specs for start in starts(function, spec))
        used.update(f"{ASKED}{question(function, spec)}" for spec in specs)
        with open(path, "a", encoding="utf-8") as file:
            file.write("".join(f"{module}\n" for module in sorted(used)))


def question(function: RunFunction, spec: Any) -> str:
    """What a run computes, hashed: whichever its code, the versions, and the machine."""
    fields = json.loads(spec_json(spec))
    settings = {name: fields[name] for name in fields if name not in ("data_root", "device")}
    text = f"{function.__qualname__} {type(spec).__name__} {json.dumps(settings, sort_keys=True)}"
    return hashlib.sha256(text.encode()).hexdigest()[:10]


class _Progress:
    """Runs done out of runs asked for: to the book's runner if there is one, else to the screen."""

    def __init__(self, total: int, done: int) -> None:
        self.path = os.environ.get("WEAKLABELS_PROGRESS")
        self.total, self.done = total, done
        self.bar = None

    def __enter__(self) -> _Progress:
        if not self.path and self.done < self.total:
            self.bar = tqdm(
                total=self.total, initial=self.done, unit="run", leave=False, file=sys.stderr
            )
        self._write()
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def advance(self) -> None:
        self.done += 1
        if self.bar is not None:
            self.bar.update()
        self._write()

    def _write(self) -> None:
        if self.path:
            temporary = Path(f"{self.path}.tmp")
            temporary.write_text(json.dumps({"done": self.done, "total": self.total}))
            temporary.replace(self.path)
