"""Which functions make runs: found in the code that hands them on, say to ``chapter.repeat``."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from weaklabels.lab.keys import ROOTS
from weaklabels.press.runner.notebooks import read_notebook, source_of

RunFunction = Callable[[Any], Mapping[str, Any]]


def run_functions(folder: Path) -> set[RunFunction]:
    """All functions of this project that make runs and that modules or notebooks hand on, without
    calling them.

    They take a spec, which has a seed, and return values by name.

    Args:
        folder: of the project's modules and notebooks, with the folders in it.
    """
    paths = sorted(folder.rglob("*"))
    return set(filter(_makes_runs, {each for path in paths for each in _handed_on(*_read(path))}))


def name_of(function: RunFunction) -> str:
    """Its module and its name."""
    return f"{function.__module__}.{function.__name__}"


def _read(path: Path) -> tuple[ast.Module, Mapping[str, Any]]:
    """The code of a module or a notebook, and what the names in it stand for that it imports or
    defines (a notebook: imports); of other files nothing."""
    nothing = ast.Module([], [])
    if path.suffix == ".py" and path.name != "__init__.py":
        source = path.read_text(encoding="utf-8")
        if "# /// script" in source:  # it has an environment of its own
            return nothing, {}
        return ast.parse(source), vars(import_module(_module(path)))
    if path.suffix == ".ipynb" and path.parent.name != "recorded":
        cells = read_notebook(path)["cells"]
        code = [source_of(cell) for cell in cells if cell["cell_type"] == "code"]
        tree = ast.parse("\n".join(code))
        scope: dict[str, Any] = {}
        imports: list[ast.stmt] = [
            node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        exec(compile(ast.Module(imports, []), str(path), "exec"), scope)
        return tree, scope
    return nothing, {}


def _module(path: Path) -> str:
    (root,) = (root for root in ROOTS.values() if path.is_relative_to(root))
    return ".".join(path.with_suffix("").relative_to(root.parent).parts)


def _handed_on(tree: ast.Module, scope: Mapping[str, Any]) -> Iterator[Callable[..., Any]]:
    called = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and node not in called:
            value = _value(node, scope)
            if inspect.isfunction(value):
                yield value


def _value(node: ast.expr, scope: Mapping[str, Any]) -> Any:
    """What ``name`` or ``module.name`` stands for; None for anything else."""
    if isinstance(node, ast.Name):
        return scope.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = _value(node.value, scope)
        return getattr(owner, node.attr, None) if inspect.ismodule(owner) else None
    return None


def _makes_runs(function: Callable[..., Any]) -> bool:
    if function.__module__.partition(".")[0] not in ROOTS:
        return False
    hints, parameters = get_type_hints(function), inspect.signature(function).parameters
    if len(parameters) != 1:
        return False
    spec, result = hints.get(next(iter(parameters))), hints.get("return")
    takes_spec = dataclasses.is_dataclass(spec) and hasattr(spec, "seed")
    kind = get_origin(result)
    by_name = isinstance(kind, type) and issubclass(kind, Mapping)
    # A table of specs is no result.
    return takes_spec and by_name and not dataclasses.is_dataclass(get_args(result)[-1])
