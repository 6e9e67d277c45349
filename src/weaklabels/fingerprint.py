"""What a result depends on: the static import closure of a module, hashed.

A run is recomputed and a chapter re-executed when code they depend on changed. Comments,
docstrings and formatting do not count as change: the hash is taken over the syntax tree.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PACKAGE = "weaklabels"
ROOT = Path(__file__).parent


def module_path(name: str, root: Path = ROOT) -> Path | None:
    """File of a module of the package, or None if there is no such module."""
    if name != PACKAGE and not name.startswith(PACKAGE + "."):
        return None
    path = root.joinpath(*name.split(".")[1:])
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file() and (name != PACKAGE or candidate.name == "__init__.py"):
            return candidate
    return None


def imports_of(source: str, root: Path = ROOT) -> set[str]:
    """Modules of the package that a piece of absolute-importing source imports, anywhere in it.

    Args:
        source: a module, or the code cells of a notebook joined by newlines.
        root: the folder of the package.

    Raises:
        SyntaxError: if the source cannot be parsed.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            prefixes = (".".join(parts[: i + 1]) for i in range(len(parts)))
            found.update(p for p in prefixes if module_path(p, root) is not None)
    return found


def closure(modules: Iterable[str], root: Path = ROOT) -> dict[str, str]:
    """Modules reached by imports from ``modules`` (these included), each with its source's hash.

    Raises:
        ModuleNotFoundError: if one of ``modules`` is not a module of the package.
    """
    waiting, seen = list(modules), {}
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        path = module_path(name, root)
        if path is None:
            raise ModuleNotFoundError(f"{name!r} is not a module of {PACKAGE} under {root}")
        stat = path.stat()
        seen[name], imported = _read(path, root, stat.st_mtime_ns, stat.st_size)
        waiting.extend(imported)
    return dict(sorted(seen.items()))


def fingerprint(modules: Iterable[str], *extra: str, root: Path = ROOT) -> str:
    """Hash of the closure of ``modules`` and of further strings."""
    parts = [f"{name}={digest}" for name, digest in closure(modules, root).items()]
    return hashlib.sha256("\n".join([*parts, *extra]).encode()).hexdigest()


@cache
def _read(path: Path, root: Path, mtime_ns: int, size: int) -> tuple[str, frozenset[str]]:
    """Hash and imports of a file; the stat values are in the cache key so that edits are seen."""
    del mtime_ns, size
    source = path.read_text(encoding="utf-8")
    tree = _without_docstrings(ast.parse(source))
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), frozenset(imports_of(source, root))


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:] or [ast.Pass()]
    return tree
