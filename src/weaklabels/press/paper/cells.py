"""The code cells of a notebook, executed in one process, and what is told of those that raise."""

from __future__ import annotations

import ast
import signal
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

from weaklabels.press import chapter as chapters
from weaklabels.press.runner.notebooks import read_notebook, source_of, tags_of

MISSING = "an earlier cell is missing"
"""How the reason begins of cells that read what an earlier one was to define."""


class Silent(Exception):
    """A cell says nothing, for a reason that is told elsewhere."""


class Names:
    """What the cells have defined, and what they were to define or to change and have not."""

    def __init__(self) -> None:
        self.known: dict[str, Any] = {"__name__": "__main__", "display": lambda *_: None}
        self.lost: set[str] = set()

    def execute(self, source: str, title: str) -> None:
        """Execute a cell.

        Raises:
            Silent: if it raises anything, and reads what was lost when an earlier cell raised.
            Exception: whatever else it raises.
        """
        before = dict(self.known)
        assigned, changed, read = _names_in(source)
        try:
            exec(compile(source, title, "exec"), self.known)
        except Exception as error:
            follows = not self.lost.isdisjoint(read)
            fresh = {name for name in assigned if self.known.get(name) is not before.get(name)}
            self.lost |= (assigned - fresh) | set(filter(self._may_change, changed))
            if follows:
                raise Silent(f"{MISSING} ({line_of(error)})") from error
            raise
        self.lost -= assigned

    def _may_change(self, name: str) -> bool:
        return not isinstance(self.known.get(name), ModuleType | chapters.Chapter)


def _names_in(source: str) -> tuple[set[str], set[str], set[str]]:
    """Names that a piece of code assigns, those whose objects it changes, and those it reads.

    ``x |= y`` reads and changes ``x``: afterwards it lacks what it lacked before.
    """
    assigned: set[str] = set()
    changed: set[str] = set()
    read: set[str] = set()
    tree = ast.parse(source)
    augmented = {node.target for node in ast.walk(tree) if isinstance(node, ast.AugAssign)}
    for node in ast.walk(tree):
        if node in augmented and isinstance(node, ast.Name):
            changed.add(node.id)
            read.add(node.id)
        elif isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else assigned).add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            assigned |= {(each.asname or each.name).partition(".")[0] for each in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            assigned.add(node.name)
        elif isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store):
            changed |= _root(node)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            changed |= _root(node.value.func) - {getattr(node.value.func, "id", "")}
    return assigned, changed, read


def _root(node: ast.expr) -> set[str]:
    """The name with which ``a.b[c].d`` begins."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def notebook_of(repository: Path, slug: str) -> Path:
    """Where the notebook of a chapter is."""
    return repository / "book" / "chapters" / slug / f"{slug}.ipynb"


def parameters(device: str, seeds: int) -> str:
    """What is executed after the cell of the parameters."""
    return f"profile, device, seeds = 'paper', {device!r}, {seeds}"


def execute_cells(
    trace: Any,
    notebook: Path,
    kind: type[chapters.Chapter],
    parameters: str,
    *,
    excused: Callable[[Exception], bool],
    seconds: float = 0,
) -> None:
    """Execute the code cells of a notebook in their order, in this process.

    Args:
        trace: has the ``slug`` of the notebook, and is told in ``section`` the heading above the
            cell that is executed, in ``line`` its first line, in ``cells`` their number, in
            ``silent`` (line, error) of those that raise what is excused or need what an earlier one
            was to define, and in ``failed`` (section, line and error) of all others that raise.
        notebook: where it is.
        kind: what stands in for ``Chapter``.
        parameters: what is executed after the cell of the parameters.
        excused: whether an error is none of the code.
        seconds: processor time after which a cell gets SIGPROF; 0: never.
    """
    import matplotlib.pyplot as plt

    names = Names()
    with patch.object(chapters, "Chapter", kind), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for cell in read_notebook(notebook)["cells"]:
            source = source_of(cell)
            if cell["cell_type"] == "markdown":
                headings = [line for line in source.splitlines() if line.startswith("#")]
                trace.section = headings[-1].lstrip("# ") if headings else trace.section
            elif cell["cell_type"] == "code" and source.strip():
                if "parameters" in tags_of(cell):
                    source += f"\n{parameters}"
                trace.cells += 1
                trace.line = source.strip().splitlines()[0]
                _execute(source, names, trace, excused, seconds)
                plt.close("all")


def _execute(
    source: str,
    names: Names,
    trace: Any,
    excused: Callable[[Exception], bool],
    seconds: float,
) -> None:
    try:
        signal.setitimer(signal.ITIMER_PROF, seconds)
        names.execute(source, f"{trace.slug}: {trace.section}")
    except Silent as error:
        trace.silent.append((trace.line, str(error)))
    except Exception as error:
        if excused(error):
            trace.silent.append((trace.line, line_of(error)))
        else:
            trace.failed.append((trace.section, f"cell {trace.line[:60]!r}: {line_of(error)}"))
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def line_of(error: BaseException) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
