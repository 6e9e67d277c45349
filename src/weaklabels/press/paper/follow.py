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
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import patch

from weaklabels.lab import sweep
from weaklabels.lab.checkpoint import Checkpoint
from weaklabels.lab.store import Record
from weaklabels.press import chapter as chapters
from weaklabels.press.paper import slices
from weaklabels.press.paper.shorten import ONCE, kind_of, lighter, shortened
from weaklabels.press.paper.throughput import Cost, add_cost
from weaklabels.press.runner.notebooks import read_notebook, source_of, tags_of

REPOSITORY = Path(__file__).parents[4]


CELL_SECONDS = 15
"""Processor time that a cell may take for itself, runs not counted, when it is followed: some
compute at the paper's size what a check need not."""


class _TooLong(Exception):
    """A cell takes more than its time."""


class _Killed(BaseException):
    """Stands for the end of a process."""


@dataclass(frozen=True)
class Case:
    """One shortened run, on a slice.

    Attributes:
        function: what runs, ``module:name``.
        spec: of the run, shortened.
        device: where it computes.
    """

    function: str
    spec: Any
    device: str

    def code(self) -> list[Any]:
        own = self.spec.code() if hasattr(self.spec, "code") else []
        return [_named(self.function), type(self.spec), *own]


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
        seconds: that the shortened ones took.
    """

    section: str
    runs: int = 0
    kinds: int = 0
    cost: Cost = field(default_factory=dict)
    seconds: float = 0.0


@dataclass
class Trace:
    """What was found when a chapter was followed.

    Attributes:
        slug: of the chapter.
        cells, silent: number of code cells, and those that say nothing on a slice: (line, error).
        failed: kinds of runs that raised: (section, error).
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

    def run(self, function: sweep.RunFunction, specs: Iterable[Any]) -> list[Record]:
        specs, size = list(specs), slices.size_for(self.device)
        table = Table(self.trace.section, len(specs))
        self.trace.tables.append(table)
        started = time.monotonic()
        short = [shortened(spec, size) for spec in specs]
        chosen = [self._stands_in(function, spec) for spec in short]
        short = [
            spec
            if self.whole.setdefault(function.__qualname__, key) == key
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
            raise RuntimeError("a run that this cell shows has failed")
        table.seconds = round(time.monotonic() - started, 1)
        for spec in dict.fromkeys(specs):
            add_cost(table.cost, spec)
        return [replace(self.done[key], spec=spec) for key, spec in zip(chosen, short, strict=True)]

    def _stands_in(self, function: sweep.RunFunction, spec: Any) -> Any:
        """The kind whose record is shown for a run."""
        own = (function.__qualname__, *(getattr(spec, name, None) for name in ONCE))
        kind = (function.__qualname__, kind_of(spec))
        return (own, kind) if self.firsts.setdefault(own, kind) == kind else kind

    def _compute(self, function: sweep.RunFunction, wanted: Mapping[Any, Any]) -> None:
        name = f"{function.__module__}:{function.__qualname__}"
        cases = {key: Case(name, spec, self.device) for key, spec in wanted.items()}
        try:
            self.done |= dict(zip(cases, super().run(run_case, cases.values()), strict=True))
        except Exception:
            for key, case in cases.items():  # one at a time, to see which of them raise
                try:
                    (self.done[key],) = super().run(run_case, [case])
                except Exception as error:
                    self.trace.failed.append((self.trace.section, _told(case, error)))


def _told(case: Case, error: Exception) -> str:
    method = getattr(case.spec, "method", getattr(case.spec, "strategy", ""))
    return f"{case.function.partition(':')[2]} {method}: {_line(error)}"


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


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
        with slices.installed(size, trace.made_up.__setitem__):
            execute_cells(trace, Here, "profile, seeds = 'paper', 1", CELL_SECONDS)
    finally:
        signal.signal(signal.SIGPROF, previous)
    return trace


def _end_cell(_signal: int, _frame: FrameType | None) -> None:
    raise _TooLong(f"more than {CELL_SECONDS} seconds of its own")


def execute_cells(
    trace: Any, kind: type[chapters.Chapter], parameters: str, seconds: float = 0
) -> None:
    """Execute the code cells of a notebook in their order, in this process.

    Args:
        trace: has the ``slug`` of the notebook, and is told in ``section`` the heading above the
            cell that is executed, in ``cells`` their number, in ``silent`` those that raise.
        kind: what stands in for ``Chapter``.
        parameters: what is executed after the cell of the parameters.
        seconds: processor time after which a cell gets SIGPROF; 0: never.
    """
    import matplotlib.pyplot as plt

    path = REPOSITORY / "book" / "chapters" / trace.slug / f"{trace.slug}.ipynb"
    names: dict[str, Any] = {"__name__": "__main__", "display": lambda *_: None}
    with patch.object(chapters, "Chapter", kind), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for cell in read_notebook(path)["cells"]:
            source = source_of(cell)
            if cell["cell_type"] == "markdown":
                headings = [line for line in source.splitlines() if line.startswith("#")]
                trace.section = headings[-1].lstrip("# ") if headings else trace.section
            elif cell["cell_type"] == "code":
                if "parameters" in tags_of(cell):
                    source += f"\n{parameters}"
                trace.cells += 1
                _execute(source, names, trace, seconds)
                plt.close("all")


def _execute(source: str, names: dict[str, Any], trace: Any, seconds: float) -> None:
    try:
        signal.setitimer(signal.ITIMER_PROF, seconds)
        exec(compile(source, f"{trace.slug}: {trace.section}", "exec"), names)
    except Exception as error:
        trace.silent.append((source.strip().splitlines()[0], _line(error)))
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
