"""Many runs: in parallel, each stored as it finishes, none computed twice.

A run is a function called with one frozen dataclass, its *spec*, and returns a dict of arrays and
numbers. Its record is stored under a key made of the function, the spec, the code both depend on
and the versions of the libraries; so a rerun is a look-up, an interrupted sweep goes on where it
stopped, and a change of code recomputes exactly what depends on it.

A spec may have two further members: ``modules()``, names of modules that the run depends on besides
the one that defines the function (its data loader, its method), and ``device``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import platform
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from tqdm import tqdm

from weaklabels import distributed
from weaklabels.fingerprint import fingerprint

META = "__meta__"
RunFunction = Callable[[Any], Mapping[str, Any]]
Options = tuple[tuple[str, Any], ...]


def options(**values: Any) -> Options:
    """Keyword options in the hashable form that a spec holds."""
    return tuple(sorted(values.items()))


@dataclasses.dataclass(frozen=True)
class Record:
    """What a run left behind.

    Attributes:
        spec: the spec's fields.
        values: results by name, NumPy arrays (numbers are 0-d).
        provenance: versions, device and duration in seconds; never part of a result.
    """

    spec: dict[str, Any]
    values: dict[str, np.ndarray]
    provenance: dict[str, Any]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.values[name]

    def to_bytes(self) -> bytes:
        """The record as an ``.npz`` archive; its checksums show damage."""
        meta = json.dumps({"spec": self.spec, "provenance": self.provenance}, sort_keys=True)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **{META: np.array(meta)}, **self.values)
        return buffer.getvalue()

    @classmethod
    def from_file(cls, path: Path) -> Record:
        """Read a record.

        Raises:
            Exception: of many kinds, if the file is damaged.
        """
        with np.load(path, allow_pickle=False) as archive:
            values = {name: archive[name] for name in archive.files}
        meta = json.loads(str(values.pop(META)))
        return cls(meta["spec"], values, meta["provenance"])


@dataclasses.dataclass(frozen=True)
class Store:
    """Records in a folder, one file each, written atomically."""

    folder: Path

    def path(self, function: RunFunction, spec: Any) -> Path:
        """Where the record of this run is, or would be."""
        return self.folder / f"{function.__name__}-{run_key(function, spec)[:24]}.npz"

    def load(self, path: Path) -> Record | None:
        """The record at a run's path; None if there is none.

        A damaged file is reported with a warning, removed, and counts as absent.
        """
        if not path.exists():
            return None
        try:
            return Record.from_file(path)
        except Exception as error:  # a damaged archive raises whatever its damage makes it raise
            warnings.warn(
                f"{path.name} is damaged ({type(error).__name__}): its run is computed again",
                stacklevel=2,
            )
            path.unlink(missing_ok=True)
            return None

    def save(self, path: Path, record: Record) -> None:
        """Write a record; a reader sees all of it or nothing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        try:
            temporary.write_bytes(record.to_bytes())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


_active_store: ContextVar[Store | None] = ContextVar("active_store", default=None)


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
            after the other (see :mod:`weaklabels.distributed`).
    """
    specs = list(specs)
    _note_modules(function, specs)
    # Keys are taken once: code edited while the runs go on belongs to the next call.
    paths = [store.path(function, spec) for spec in specs]
    found = {path: store.load(path) for path in dict.fromkeys(paths)}
    spec_at = dict(zip(paths, specs, strict=True))
    missing = {path: spec_at[path] for path, record in found.items() if record is None}
    with _Progress(len(found), len(found) - len(missing)) as progress:
        for _ in _compute(function, missing, store, workers, scheduler, gpus):
            progress.advance()
    found |= {path: _stored(store, path) for path in missing}
    return [found[path] for path in paths]


def remember(function: RunFunction, spec: Any) -> Record:
    """Inside a run: the record of another run it builds on, computed if it is not stored yet."""
    store = _active_store.get()
    if store is None:
        return run_one(function, spec, None)
    path = store.path(function, spec)
    return store.load(path) or _run_and_save(function, spec, store, path)


def checkpoint_file(function: RunFunction, spec: Any) -> Path | None:
    """Inside a run: where it may keep its state; None if nothing is stored."""
    store = _active_store.get()
    if store is None:
        return None
    return store.folder / "checkpoints" / store.path(function, spec).with_suffix(".pt").name


def run_key(function: RunFunction, spec: Any) -> str:
    """Key of a run: what it computes, with which code and libraries."""
    modules = {function.__module__, *(spec.modules() if hasattr(spec, "modules") else ())}
    return fingerprint(
        sorted(m for m in modules if m.startswith("weaklabels")),
        f"{function.__module__}.{function.__qualname__}",
        type(spec).__name__ + spec_json(spec),
        f"torch {torch.__version__} numpy {np.__version__}",
    )


def spec_json(spec: Any) -> str:
    """Canonical text of a spec.

    Raises:
        TypeError: if a field is not made of numbers, strings, lists and dicts.
    """
    return json.dumps(dataclasses.asdict(spec), sort_keys=True)


@contextmanager
def one_thread() -> Iterable[None]:
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
    jobs = [(function, spec, store, path) for path, spec in missing.items()]
    if scheduler is not None and jobs:
        from distributed import Client

        with Client(scheduler), joblib.parallel_config("dask"):
            parallel = joblib.Parallel(return_as="generator_unordered")
            yield from parallel(joblib.delayed(_run_alone_and_forget)(*job) for job in jobs)
    elif gpus > 1:
        yield from (distributed.launch(*job, gpus) for job in jobs)
    elif workers == 1 or len(jobs) <= 1:
        yield from (_run_and_save(*job) for job in jobs)
    else:
        # Idle workers end by themselves, soon, should this process be killed.
        with joblib.parallel_config(
            "loky", n_jobs=workers, inner_max_num_threads=1, idle_worker_timeout=60
        ):
            parallel = joblib.Parallel(return_as="generator_unordered")
            yield from parallel(joblib.delayed(_run_and_forget)(*job) for job in jobs)


def _run_and_save(function: RunFunction, spec: Any, store: Store, path: Path) -> Record:
    # The worker itself saves: a finished run survives whatever happens to the process that asked.
    record = run_one(function, spec, store)
    store.save(path, record)
    return record


def _run_and_forget(function: RunFunction, spec: Any, store: Store, path: Path) -> None:
    # The record is on disk: sending it between processes as well would only cost time.
    _run_and_save(function, spec, store, path)


_alone = threading.Lock()


def _run_alone_and_forget(function: RunFunction, spec: Any, store: Store, path: Path) -> None:
    # A Dask worker has as many threads as its machine has cores, and runs seed global generators.
    with _alone:
        if store.load(path) is None:  # a worker that died may have stored it first
            _run_and_forget(function, spec, store, path)


def run_one(function: RunFunction, spec: Any, store: Store | None) -> Record:
    """Compute one run here and now; what it builds on is looked up and kept in the store."""
    token = _active_store.set(store)
    started = time.perf_counter()
    try:
        with one_thread():
            values = function(spec)
    finally:
        _active_store.reset(token)
    seconds = round(time.perf_counter() - started, 3)
    return Record(
        json.loads(spec_json(spec)),
        {name: np.asarray(value) for name, value in values.items()},
        provenance(getattr(spec, "device", "cpu")) | {"seconds": seconds},
    )


def _stored(store: Store, path: Path) -> Record:
    record = store.load(path)
    if record is None:
        raise FileNotFoundError(f"the record {path.name} is gone: run again")
    return record


def _note_modules(function: RunFunction, specs: Sequence[Any]) -> None:
    """Tell the runner of the book which modules these runs depend on."""
    path = os.environ.get("WEAKLABELS_USED")
    if path:
        used = {function.__module__}
        used.update(m for spec in specs if hasattr(spec, "modules") for m in spec.modules())
        with open(path, "a", encoding="utf-8") as file:
            file.write("".join(f"{module}\n" for module in sorted(used)))


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


def digest(values: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of a record's values, for comparing runs bit by bit."""
    state = hashlib.sha256()
    for name in sorted(values):
        array = np.ascontiguousarray(values[name])
        state.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    return state.hexdigest()
