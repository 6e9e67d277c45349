"""Which packages a Python lacks that a command needs: ``make ... SYNC=no`` takes one as it is.

They are found by reading the code, as far as modules import when they are imported themselves. Only
the standard library is used here: the Python that is asked may have nothing else.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
OURS = ("weaklabels", "chapters")

COMMANDS = {
    "paper-check": ("weaklabels.press.paper.check", "weaklabels.press.paper.__main__"),
    "paper-plan": ("weaklabels.press.paper.plan",),
    "record": ("weaklabels.press.paper.work", "weaklabels.press.record"),
    "env": ("weaklabels.press.html", "weaklabels.press.runner.schedule", "jupyter_book"),
    "test": ("pytest", "pytest_timeout", "xdist"),
}
"""Command -> what it imports first; ``make reproduce`` asks for ``env``."""

PACKAGES = {
    "IPython": "ipython", "PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml",
    "xdist": "pytest-xdist",
}  # fmt: skip
"""What is imported -> the package that brings it, where more than hyphens tell them apart."""


def lacking(command: str) -> list[str]:
    """Packages that this Python lacks and a command needs; a notebook needs what its cells do."""
    waiting, seen = [*COMMANDS[command], *_first_imports(command)], set()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            if name.partition(".")[0] in OURS and (path := _file(name)):
                waiting += _imported(path.read_text(encoding="utf-8"))
    others = {name.partition(".")[0] for name in seen} - {*OURS, *sys.stdlib_module_names}
    missing = (name for name in others if find_spec(name) is None)
    return sorted(PACKAGES.get(name, name.replace("_", "-")) for name in missing)


def _first_imports(command: str) -> Iterator[str]:
    """What notebooks import, or the tests that need a GPU."""
    if command == "test":
        for path in REPOSITORY.glob("tests/*/test_*.py"):
            source = path.read_text(encoding="utf-8")
            if "pytest.mark.gpu" in source:
                yield from _imported(source)
    elif command != "paper-plan":
        for path in REPOSITORY.glob("book/chapters/*/*.ipynb"):
            for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
                if cell["cell_type"] == "code":
                    yield from _imported("".join(cell["source"]))


def _file(module: str) -> Path | None:
    """Where a module of this project is; None if the name is that of something in one."""
    folder = REPOSITORY / ("src" if module.startswith("weaklabels") else "book")
    base = folder.joinpath(*module.split("."))
    return next(
        (path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None
    )


def _imported(source: str) -> Iterator[str]:
    """Names that a source imports when it is executed, not in its functions, each with what is
    above it."""
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from _with_parents(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from _with_parents(f"{node.module}.{alias.name}" for alias in node.names)
        elif not isinstance(node, ast.FunctionDef | ast.Lambda):
            only_types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            waiting += [] if only_types else ast.iter_child_nodes(node)


def _with_parents(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        parts = name.split(".")
        yield from (".".join(parts[: end + 1]) for end in range(len(parts)))


def main(arguments: list[str]) -> int:
    """Say in one sentence what is missing. Returns 1 if anything is, 2 for another command."""
    for command in arguments:
        if command not in COMMANDS:
            expected = ", ".join(COMMANDS)
            print(f"make {command} SYNC=no is not possible: expected {expected}.", file=sys.stderr)
            return 2
        if missing := lacking(command):
            print(
                f"{sys.executable} lacks {', '.join(missing)}, which `make {command}` needs: "
                "CONTRIBUTING.md says how wheels get there without network.",
                file=sys.stderr,
            )
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
