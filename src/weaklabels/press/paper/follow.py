"""The code of a chapter's notebook, followed with the profile ``paper`` on a slice of the data.

All code cells are executed in their order, in one process and without a kernel. Where they ask for
runs, one run of each kind is computed, shortened: its record stands in for those of its kind. So
each step of each run is executed at the paper's network and precision, and the cells that read the
records are executed as well; a cell that cannot say anything of so little is noted.
"""

from __future__ import annotations

import importlib
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar
from unittest.mock import patch

from weaklabels.lab import loading, sweep
from weaklabels.lab.checkpoint import Checkpoint
from weaklabels.lab.store import Record
from weaklabels.press import chapter as chapters
from weaklabels.press.paper import slices
from weaklabels.press.paper.cells import Silent, execute_cells, line_of, notebook_of, parameters
from weaklabels.press.paper.shorten import (
    APART,
    ONCE,
    apart,
    downloading_no_weights,
    kind_of,
    lighter,
    resumable,
    shortened,
)
from weaklabels.press.paper.throughput import Cost, add_cost, on_cpu

T = TypeVar("T")

REPOSITORY = Path(__file__).parents[4]


CELL_SECONDS = 15
"""Processor time that a cell may take for itself, runs not counted, when it is followed: some
compute at the paper's size what a check need not."""


FAILED = 3
"""Exit status if a chapter was followed, and a run or a cell failed."""


class _TooLong(Exception):
    """A cell takes more than its time."""


TOO_LITTLE = (FileNotFoundError, _TooLong, IndexError, ValueError)
"""What cells raise that data or records lack, or that find fewer examples or epochs in a slice than
they show; not what a device, a missing package or a wrong name raises."""

MOST_SILENT = 1 / 5
"""Share of a chapter's cells that may say nothing for such a reason."""


class _Killed(BaseException):
    """Stands for the end of a process."""


@dataclass(frozen=True)
class Case:
    """One shortened run, on a slice.

    Attributes:
        function: what runs, ``module:name``.
        spec: of the run, shortened.
        device: where it computes.
        made_up: whether its examples are.
    """

    function: str
    spec: Any
    device: str
    made_up: bool = False

    def code(self) -> list[Any]:
        own = self.spec.code() if hasattr(self.spec, "code") else []
        return [_named(self.function), type(self.spec), *own]


def _name_of(function: sweep.RunFunction) -> str:
    """``module:name``: the functions of several protocols are called ``run``."""
    return f"{function.__module__}:{function.__qualname__}"


def _named(function: str) -> sweep.RunFunction:
    module, _, name = function.partition(":")
    return getattr(importlib.import_module(module), name)


def run_case(case: Case) -> Mapping[str, Any]:
    """Run it; a run that keeps checkpoints is killed after its first epoch, and resumed."""
    function = _named(case.function)
    with slices.installed(slices.size_for(case.device)):
        if getattr(case.spec, "checkpoint", False):
            with _dying_after_an_epoch(), suppress(_Killed):
                function(case.spec)
        return function(case.spec)


@contextmanager
def _dying_after_an_epoch() -> Iterator[None]:
    save = Checkpoint.save

    def save_and_die(self: Checkpoint, epoch: int) -> None:
        save(self, epoch)
        raise _Killed

    with patch.object(Checkpoint, "save", save_and_die):
        yield


@dataclass
class Table:
    """The runs that one call of a notebook asks for.

    Attributes:
        section: heading above it.
        runs, kinds: their number, and that of the shortened runs that stand in for them.
        cost: of training them all.
        uncosted: runs whose cost is not known.
        on_cpu: runs that compute there, though another device is asked for.
        seconds: that the shortened ones took.
    """

    section: str
    runs: int = 0
    kinds: int = 0
    cost: Cost = field(default_factory=dict)
    uncosted: int = 0
    on_cpu: int = 0
    seconds: float = 0.0


@dataclass
class Trace:
    """What was found when a chapter was followed.

    Attributes:
        slug: of the chapter.
        cells, silent: number of code cells, and those that say nothing on a slice: (line, error).
        failed: kinds of runs, and other cells, that raised: (section, error).
        tables: see ``Table``.
        made_up: dataset -> whether its examples were made up.
    """

    slug: str
    cells: int = 0
    silent: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    made_up: dict[str, bool] = field(default_factory=dict)
    section: str = ""
    line: str = ""

    def saw(self, dataset: str, made_up: bool) -> None:
        """Note a dataset; several may stand under one name."""
        self.made_up[dataset] = made_up or self.made_up.get(dataset, False)


class Following(chapters.Chapter):
    """A chapter whose runs are shortened, and traced.

    Attributes:
        trace: what was found.
        done: kind of run -> the record that stands in for it.
        firsts: function and dataset -> the kind of its first run.
        whole: function -> the kind of the run that shows all of it; all others are ``lighter``.
    """

    trace: Trace
    done: dict[Any, Record]
    firsts: dict[Any, Any]
    whole: dict[str, Any]

    def choose(self, **by_profile: T) -> T:
        chosen, names = super().choose(**by_profile), APART.get(self.slug)
        return apart(chosen, names) if names else chosen

    def run(self, function: sweep.RunFunction, specs: Iterable[Any]) -> list[Record]:
        specs, size = list(specs), slices.size_for(self.device)
        table = Table(self.trace.section, len(specs))
        asked = dict.fromkeys(specs)
        table.uncosted = sum(not add_cost(table.cost, spec, self.device) for spec in asked)
        table.on_cpu = sum(on_cpu(spec, self.device) for spec in specs)
        self.trace.tables.append(table)
        started = time.monotonic()
        short = [shortened(resumable(spec), size) for spec in specs]
        chosen = [self._stands_in(function, spec) for spec in short]
        short = [
            spec
            if self.whole.setdefault(_name_of(function), key) == key
            else lighter(spec, self.device)
            for key, spec in zip(chosen, short, strict=True)
        ]
        new = {key: spec for key, spec in zip(chosen, short, strict=True) if key not in self.done}
        table.kinds = len(new)
        left, _ = signal.setitimer(signal.ITIMER_PROF, 0)
        try:
            self._compute(function, new)
        finally:
            signal.setitimer(signal.ITIMER_PROF, left)
        if not all(key in self.done for key in chosen):
            raise Silent("a run that this cell shows has failed")
        table.seconds = round(time.monotonic() - started, 1)
        return [replace(self.done[key], spec=spec) for key, spec in zip(chosen, short, strict=True)]

    def _stands_in(self, function: sweep.RunFunction, spec: Any) -> Any:
        """The kind whose record is shown for a run."""
        own = (_name_of(function), *(getattr(spec, name, None) for name in ONCE))
        kind = (_name_of(function), kind_of(spec))
        return (own, kind) if self.firsts.setdefault(own, kind) == kind else kind

    def _compute(self, function: sweep.RunFunction, wanted: Mapping[Any, Any]) -> None:
        name = _name_of(function)
        cases = {
            key: Case(name, spec, self.device, self._made_up(spec)) for key, spec in wanted.items()
        }
        try:
            self.done |= dict(zip(cases, super().run(run_case, cases.values()), strict=True))
        except Exception:
            for key, case in cases.items():  # one at a time, to see which of them raise
                try:
                    (self.done[key],) = super().run(run_case, [case])
                except Exception as error:
                    self.trace.failed.append((self.trace.section, _told(case, error)))

    def _made_up(self, spec: Any) -> bool:
        """Whether a run's examples are made up; told here, as a run that is stored loads none."""
        name = getattr(spec, "dataset", None)
        if name not in slices.PUBLISHED:
            return False
        with suppress(Exception):  # which the run will tell
            loading.load_splits(spec)
        return self.trace.made_up.get(name, False)


def _told(case: Case, error: Exception) -> str:
    method = getattr(case.spec, "method", getattr(case.spec, "strategy", ""))
    return f"{case.function.partition(':')[2]} {method}: {line_of(error)}"


def follow(slug: str, device: str, data_root: str, workers: int) -> Trace:
    """Execute the code of a chapter's notebook on slices."""
    trace, size = Trace(slug), slices.size_for(device)

    class Here(Following):
        def __init__(self, slug: str, *_: Any) -> None:
            super().__init__(slug, "paper", device, 1, data_root)
            told = {"trace": trace, "done": {}, "firsts": {}, "whole": {}, "workers": workers}
            for name, value in told.items():
                object.__setattr__(self, name, value)

    previous = signal.signal(signal.SIGPROF, _end_cell)
    try:
        with slices.installed(size, trace.saw), downloading_no_weights():
            execute_cells(
                trace,
                notebook_of(REPOSITORY, slug),
                Here,
                parameters(device, 1),
                excused=lambda error: isinstance(error, TOO_LITTLE),
                seconds=CELL_SECONDS,
            )
    finally:
        signal.signal(signal.SIGPROF, previous)
    silent = len(trace.silent)
    if not trace.failed and silent > MOST_SILENT * trace.cells:
        most = f"expected at most {MOST_SILENT:.0%}"
        trace.failed.append(("all", f"{silent} of {trace.cells} cells are silent: {most}"))
    return trace


def _end_cell(_signal: int, _frame: FrameType | None) -> None:
    raise _TooLong(f"more than {CELL_SECONDS} seconds of its own")
