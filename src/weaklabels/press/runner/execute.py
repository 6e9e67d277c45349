"""Execute one notebook with papermill, in a kernel with its own environment variables."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import distribution
from pathlib import Path
from types import MappingProxyType
from typing import Any

import nbformat
import papermill
from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines
from papermill.exceptions import PapermillExecutionError
from traitlets import default

from weaklabels.press.runner.files import write_atomically
from weaklabels.press.runner.notebooks import Cell, default_parameters, read_notebook
from weaklabels.press.runner.outcome import Failure

ENGINE = "weaklabels"
RECORDED = "recorded"
"""Tag of a cell whose outputs are the record's."""
PERSONAL = (
    *("IPYTHON", "JUPYTER", "LANG", "LC_", "MATPLOTLIB", "WEAKLABELS_"),
    *("PYTHONDEVMODE", "PYTHONIO", "PYTHONOPTIMIZE", "PYTHONWARNINGS"),
)
"""Beginnings of the names of variables that a kernel does not inherit: whose user it is must not
show in a chapter, and what the runner has to say it says itself."""


STARTS = 3
"""A kernel that dies before it answers is started so many times: its ports are chosen before it
takes them, and another process may have been faster."""

_NEVER_STARTED = "Kernel died before replying"
"""In what nbclient says then."""


class _ThisPython(KernelSpecManager):
    """Knows one kernel, by any name: the interpreter that is running."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(resource_dir=RESOURCES, **get_kernel_dict())


class _KernelManager(AsyncKernelManager):
    """Starts this interpreter's kernel, whatever kernels a user or another Python has installed."""

    @default("kernel_spec_manager")
    def _of_this_python(self) -> KernelSpecManager:
        return _ThisPython()


class _Engine(NBClientEngine):
    """papermill's own engine, with environment variables and a folder for this one kernel.

    papermill's ``cwd`` changes the folder of the whole process, which several notebooks share.
    """

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: NotebookExecutionManager,
        kernel_name: str,
        *,
        environment: Mapping[str, str],
        folder: Path,
        started: Callable[[NotebookExecutionManager], None],
        passed_over: Sequence[str],
        **_: Any,
    ) -> None:
        started(nb_man)
        for start in range(1, STARTS + 1):
            client = PapermillNotebookClient(
                nb_man,
                kernel_name=kernel_name,
                kernel_manager_class=_KernelManager,
                startup_timeout=120,
                timeout=None,
                allow_error_names=list(passed_over),
                extra_arguments=["--log-level=CRITICAL"],
                coalesce_streams=True,  # else what is printed is cut where the clock cuts it
            )
            try:
                client.execute(env=dict(environment), cwd=str(folder))
                break
            except RuntimeError as error:
                if _NEVER_STARTED not in str(error) or start == STARTS:
                    raise


papermill_engines.register(ENGINE, _Engine)


def execute(
    source: Path,
    target: Path,
    parameters: Mapping[str, Any],
    environment: Mapping[str, str],
    settings: Path,
    bar: Mapping[str, Any],
    started: Callable[[Any], None],
    recorded: Mapping[str, Cell] = MappingProxyType({}),
    passed_over: Sequence[str] = (),
) -> None:
    """Execute a notebook in the folder in which it lies and write the result atomically.

    Two executions with equal outputs give equal files: times and paths are left out. A user's own
    settings (matplotlib, locale, IPython, Jupyter) and other kernels make no difference.

    Args:
        source: the notebook.
        target: where the executed notebook goes.
        parameters: values for its parameters cell; those that equal the default are not injected.
        environment: variables for the kernel, on top of this process's own that are not personal.
        settings: an empty folder for what IPython would look for, and keep, in the user's own.
        bar: options of the tqdm bar that counts its cells.
        started: called with that bar as soon as it is drawn.
        recorded: id -> a cell with the outputs that are shown in place of an execution.
        passed_over: names of errors that stop a cell and not the notebook, if the kernel shows
            no traceback of them.

    Raises:
        Failure: if a cell raised or the kernel died.
    """
    managers: list[NotebookExecutionManager] = []

    def remember(manager: NotebookExecutionManager) -> None:
        managers.append(manager)
        started(manager.pbar)

    try:
        notebook = papermill.execute_notebook(
            _without(nbformat.from_dict(read_notebook(source)), recorded),
            None,
            parameters=_differing(source, parameters),
            engine_name=ENGINE,
            kernel_name="python3",
            language="python",
            progress_bar=dict(bar),
            environment={**kernel_environment(settings), **environment},
            folder=source.parent,
            started=remember,
            passed_over=passed_over,
        )
    except PapermillExecutionError as error:
        raise Failure(error.source, f"{error.ename}: {error.evalue}", _as_far(managers)) from error
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        raise Failure(_running_cell(managers), message, _as_far(managers)) from error
    write_atomically(target, nbformat.writes(_without_times(_with(notebook, recorded))))


def _without(
    notebook: nbformat.NotebookNode, recorded: Mapping[str, Cell]
) -> nbformat.NotebookNode:
    """The notebook with some of its code cells as raw ones, which no kernel executes."""
    for cell in notebook.cells:
        if cell["id"] in recorded:
            cell.cell_type = "raw"
            del cell["outputs"], cell["execution_count"]
    return notebook


def _with(notebook: nbformat.NotebookNode, recorded: Mapping[str, Cell]) -> nbformat.NotebookNode:
    """The same cells as code again, with the outputs of the record."""
    for cell in notebook.cells:
        if cell["id"] in recorded:
            known = nbformat.from_dict(recorded[cell["id"]])
            cell.cell_type = "code"
            cell.outputs, cell.execution_count = known.outputs, known.execution_count
            cell.metadata.tags = [*cell.metadata.get("tags", []), RECORDED]
    return notebook


def kernel_environment(settings: Path) -> dict[str, str]:
    """Variables of a kernel that depends neither on whose machine this is nor on hash seeds."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(PERSONAL)}
    matplotlib = Path(str(distribution("matplotlib").locate_file("matplotlib")))
    return {
        **inherited,
        "IPYTHONDIR": str(settings),
        "LC_ALL": "C.UTF-8",
        "MATPLOTLIBRC": str(matplotlib / "mpl-data" / "matplotlibrc"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
    }


def _differing(source: Path, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters that differ from the defaults in the notebook's parameters cell."""
    known = default_parameters(read_notebook(source))
    return {name: value for name, value in parameters.items() if known.get(name) != value}


def _without_times(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drop what papermill adds about the moment of execution, and its random cell name."""
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell["id"] = "injected-parameters"
    return notebook


def _as_far(managers: list[NotebookExecutionManager]) -> str | None:
    return nbformat.writes(_without_times(managers[0].nb)) if managers else None


def _running_cell(managers: list[NotebookExecutionManager]) -> str:
    """Source of the last cell that was begun, for errors that do not name it."""
    cells = managers[0].nb.cells if managers else []
    begun = [cell for cell in cells if cell.metadata.get("papermill", {}).get("start_time")]
    return begun[-1].source if begun and begun[-1].cell_type == "code" else ""
