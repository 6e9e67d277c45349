"""What the interpreter executes of this project while a run is computed."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from weaklabels.lab import definitions, keys
from weaklabels.lab.definitions import Reference


def outside_of_key(function: Callable[[Any], Any], spec: Any) -> set[Reference]:
    """The definitions of this project whose code a run executes and its key does not cover.

    What the process remembers of earlier runs, such as data, is not executed again and not seen.

    Args:
        function: makes runs.
        spec: of the run, which is computed.

    Returns:
        (module, name of a definition in it); none, if the key is right.

    Raises:
        AssertionError: if not even the function itself was seen.
    """
    executed = _executed(function, spec)
    assert (function.__module__, function.__name__) in executed
    free = keys.MECHANICS | {definitions.CHECKS}
    covered = keys.reached(keys.starts(function, spec))
    return {each for each in executed if each[0] not in free} - set(covered)


def _executed(function: Callable[[Any], Any], spec: Any) -> set[Reference]:
    called = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            module = frame.f_globals.get("__name__", "")
            if module.partition(".")[0] in definitions.ROOTS:
                called.add((module, frame.f_code.co_name, frame.f_code.co_firstlineno))

    sys.setprofile(note)
    try:
        function(spec)
    finally:
        sys.setprofile(None)
    found = ((module, _definition_of(module, code, line)) for module, code, line in called)
    return {(module, name) for module, name in found if name is not None}


def _definition_of(module: str, code: str, line: int) -> str | None:
    """Name of the definition in a module to which code belongs; None for what is executed when
    the module is imported, as some are while a run is computed.

    Args:
        module: its full name.
        code: name of the function, or ``<lambda>`` and the like.
        line: where it begins.
    """
    for node in _statements(module):
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(each.lineno for each in decorators)])
        if first <= line <= (node.end_lineno or first):
            if isinstance(node, ast.FunctionDef):
                return node.name
            if isinstance(node, ast.ClassDef):
                return None if code == node.name else node.name
            names = [each.id for each in ast.walk(node) if isinstance(each, ast.Name)]
            is_constant = isinstance(node, ast.Assign | ast.AnnAssign)
            return names[0] if is_constant and code == "<lambda>" else None
    return None


@cache
def _statements(module: str) -> list[ast.stmt]:
    source = Path(sys.modules[module].__file__ or "").read_text(encoding="utf-8")
    return ast.parse(source).body
