"""A run's key covers what the interpreter executes of this project when the run is computed."""

import ast
import sys
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tests.lab.test_on_a_gpu import PROTOCOLS
from weaklabels.lab import definitions, keys
from weaklabels.lab.spec import options


def called_in(function: Any, spec: Any) -> set[tuple[str, str, int]]:
    """Module, name and line of all code of this project that a run calls."""
    found = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        module = frame.f_globals.get("__name__", "")
        if event == "call" and module.partition(".")[0] in definitions.ROOTS:
            found.add((module, frame.f_code.co_name, frame.f_code.co_firstlineno))

    sys.setprofile(note)
    try:
        function(spec)
    finally:
        sys.setprofile(None)
    return found


def definition_at(module: str, line: int) -> str | None:
    """Name of the module's function or class to which a line belongs."""
    source = Path(sys.modules[module].__file__ or "").read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            if first <= line <= (node.end_lineno or first):
                return node.name
    return None


two_stages, stages = PROTOCOLS["two stages"]
RUNS = PROTOCOLS | {
    "a first stage of another method": (
        two_stages,
        replace(stages, method="LL-R", method_options=options(rate=0.02)),
    )
}


@pytest.mark.parametrize("name", RUNS)
def test_what_a_run_calls_is_part_of_its_key(name: str) -> None:
    function, spec = RUNS[name]
    covered = keys.reached(keys.starts(function, spec))
    called = called_in(function, spec)
    assert len(called) > 20
    missing = {
        (module, definition)
        for module, what, line in called
        if module not in keys.MECHANICS | {definitions.CHECKS}
        for definition in [definition_at(module, line)]
        if definition not in (None, what if what[0].isupper() else None)  # a class being defined
        and (module, definition) not in covered
    }
    assert missing == set()
