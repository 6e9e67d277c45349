"""What a result depends on: code, found by reading it, and hashed.

A run's key covers the definitions that its function reaches, one by one: functions, classes and
constants of this project that it names, those that these name, and so on. So an edit recomputes
exactly the runs that execute the edited code. What cannot be seen by reading (a method or a loader
found by its name) the spec names itself, in ``code()``. Comments, formatting and docstrings, also
those below attributes and constants, are not part of any key, nor are calls of
``weaklabels.checks`` that stand alone: they refuse a run or leave it as it is.

Whole modules, closed under imports, are what an executed notebook depends on.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any


def _folder(package: str) -> Path | None:
    found = find_spec(package)
    return Path(found.origin).parent if found and found.origin else None


ROOTS = {name: folder for name in ("weaklabels", "chapters") if (folder := _folder(name))}
"""Packages whose code counts, with their folders; other libraries count by their version."""

MECHANICS = frozenset(f"weaklabels.lab.{name}" for name in ("sweep", "store", "keys", "checkpoint"))
"""How runs are kept, resumed and found again: tests see to it that this changes no result."""

CHECKS = "weaklabels.checks"
"""Functions that raise or do nothing: what they refuse has no result."""

FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp

Reference = tuple[str, str]
"""(module, name of a definition in it); an empty name is the whole module."""


def run_key(function: Callable[..., Any], spec: Any) -> str:
    """Key of a run: what it computes, with which code and libraries."""
    parts = _code(starts(function, spec))
    parts.append(f"{function.__module__}.{function.__qualname__}")
    parts.append(type(spec).__name__ + spec_json(spec))
    parts.append(f"torch {version('torch')} numpy {version('numpy')}")
    return _hash("\n".join(parts))


def code_key(references: Iterable[Reference]) -> str:
    """Hash of all code that some definitions reach, whatever it is called with."""
    return _hash("\n".join(_code(references)))


def executes(function: Callable[..., Any], spec: Any) -> bool:
    """Whether a run trains by ``lab.execute``, which shares its batches among several GPUs."""
    return ("weaklabels.lab.execute", "execute") in reached(starts(function, spec))


def starts(function: Callable[..., Any], spec: Any) -> set[Reference]:
    """Where the code of a run starts: its function, its spec's class, and what the spec names."""
    named = [function, type(spec), *(spec.code() if hasattr(spec, "code") else ())]
    found = {reference for each in named for reference in _references(each)}
    return {reference for reference in found if _file(reference[0]) is not None}


def _code(references: Iterable[Reference]) -> list[str]:
    definitions = reached(references)
    return [f"{module}.{name}={digest}" for (module, name), digest in definitions.items()]


def spec_json(spec: Any) -> str:
    """Canonical text of a spec.

    Raises:
        TypeError: if a field is not made of numbers, strings, lists and dicts.
    """
    return json.dumps(dataclasses.asdict(spec), sort_keys=True)


def reached(references: Iterable[Reference]) -> dict[Reference, str]:
    """Definitions reached from some, these included, each with the hash of its code."""
    waiting, seen = list(references), {}
    modules: dict[str, Module | None] = {}
    while waiting:
        reference = waiting.pop()
        name = reference[0]
        if reference in seen or name in MECHANICS:
            continue
        if name not in modules:
            modules[name] = _module(name)
        module = modules[name]
        if module is None:
            continue
        unit = module.unit(reference[1])
        seen[reference] = unit.digest
        waiting.extend(unit.references)
        waiting.append((name, Module.EFFECTS))
    return dict(sorted(seen.items()))


def modules_of(spec: Any) -> set[str]:
    """Modules of the code that a spec names."""
    named = spec.code() if hasattr(spec, "code") else ()
    found = {module for each in (type(spec), *named) for module, _ in _references(each)}
    return {module for module in found if _file(module) is not None}


def closure(modules: Iterable[str]) -> dict[str, str]:
    """Modules reached by imports from ``modules`` (these included), each with its code's hash.

    Raises:
        ModuleNotFoundError: if one of ``modules`` is not a module of the project.
    """
    waiting, seen = list(modules), {}
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        module = _module(name)
        if module is None:
            raise ModuleNotFoundError(f"{name!r} is not a module of {' or '.join(ROOTS)}")
        seen[name] = module.digest
        waiting.extend(module.imported)
    return dict(sorted(seen.items()))


_parsing = threading.Lock()


def parse(source: str) -> ast.Module:
    """``ast.parse``, by one thread at a time: notebooks are executed side by side.

    Python 3.11 counts the depth of the tree in one place for all threads, and ends with a
    SystemError where two take turns (python/cpython issue 106905).

    Raises:
        SyntaxError: if the source cannot be parsed.
    """
    with _parsing:
        return ast.parse(source)


def imports_of(source: str) -> set[str]:
    """Modules of the project that a piece of absolute-importing source imports, anywhere in it.

    Args:
        source: a module, or the code cells of a notebook joined by newlines.

    Raises:
        SyntaxError: if the source cannot be parsed.
    """
    found: set[str] = set()
    for node in ast.walk(parse(source)):
        for name in _imported_names(node):
            parts = name.split(".")
            prefixes = (".".join(parts[: i + 1]) for i in range(len(parts)))
            found.update(p for p in prefixes if _file(p) is not None)
    return found


def _references(thing: Any) -> Iterator[Reference]:
    """Where a function, a class or a module is defined, if it belongs to the project."""
    if isinstance(thing, ModuleType):
        yield thing.__name__, ""
    elif isinstance(thing, type):
        for base in thing.__mro__:
            yield base.__module__, base.__qualname__.partition(".")[0]
    else:
        yield thing.__module__, thing.__qualname__.partition(".")[0]


# -- modules as graphs of definitions -------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Unit:
    """A definition: the hash of its code, and what it names."""

    digest: str
    references: frozenset[Reference]


class Module:
    """A module of the project, read and taken apart.

    Args:
        name: its full name.
        source: its text.
    """

    EFFECTS = "<effects>"
    """Name of the unit of what a module does when it is imported, beside defining: it registers,
    checks, changes something. It belongs to every run that reaches any of its definitions."""

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.tree = _without_checks(_without_docstrings(parse(source)))
        self.imported = frozenset(imports_of(source)) - {name}
        self.bindings: dict[str, Reference] = {}
        self.definitions: dict[str, list[ast.stmt]] = {self.EFFECTS: []}
        for node in self.tree.body:
            self._sort(node)
        self._units: dict[str, Unit] = {}

    @cached_property
    def digest(self) -> str:
        """Hash of all of its code."""
        return _hash(_text(self.tree))

    def unit(self, name: str) -> Unit:
        """A definition; what the module only imports leads on; an unknown name is all of it."""
        if name not in self._units:
            self._units[name] = self._take(name)
        return self._units[name]

    def _take(self, name: str) -> Unit:
        if name in self.definitions:
            nodes = self.definitions[name]
            text = "\n".join(_text(node) for node in nodes)
            named = (r for node in nodes for r in self._named_in(node))
            return Unit(_hash(text), frozenset(named))
        if name in self.bindings:
            return Unit("", frozenset([self.bindings[name]]))
        if name and _file(f"{self.name}.{name}") is not None:
            return Unit("", frozenset([(f"{self.name}.{name}", "")]))
        everything = ((self.name, each) for each in self.definitions)
        return Unit("", frozenset([*everything, *self.bindings.values()]))

    def _sort(self, node: ast.stmt) -> None:
        """Put a statement of the module with the name that it defines, or with the effects."""
        if isinstance(node, ast.Import | ast.ImportFrom):
            self.bindings |= _bound(node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self._define(node.name, node)
            if any(self._is_ours(decorator) for decorator in node.decorator_list):
                self.definitions[self.EFFECTS].append(node)  # it may register what it decorates
        elif isinstance(node, ast.Assign) and all(map(_is_plain, node.targets)):
            for target in node.targets:
                for part in ast.walk(target):
                    if isinstance(part, ast.Name):
                        self._define(part.id, node)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            self._define(node.target.id, node)
        elif isinstance(node, ast.If) and _is_not_for_runs(node.test):
            return
        else:
            for inner in ast.walk(node):
                if isinstance(inner, ast.Import | ast.ImportFrom):
                    self.bindings |= _bound(inner)
            self.definitions[self.EFFECTS].append(node)

    def _define(self, name: str, node: ast.stmt) -> None:
        self.definitions.setdefault(name, []).append(node)

    def _is_ours(self, decorator: ast.expr) -> bool:
        return any(True for _ in self._named_in(decorator))

    def _named_in(self, tree: ast.AST) -> Iterator[Reference]:
        """Definitions of the project that a piece of the module's code names."""
        local = dict(self.bindings)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                local |= _bound(node)
        for chain in _chains(tree):
            yield from self._resolve(chain, local)

    def _resolve(self, chain: list[str], local: dict[str, Reference]) -> Iterator[Reference]:
        first, *rest = chain
        if first in self.definitions:
            yield self.name, first
        elif first in local:
            module, name = local[first]
            while rest:  # packages before modules before definitions
                if name and _file(f"{module}.{name}") is not None:
                    module, name = f"{module}.{name}", rest.pop(0)
                elif not name:
                    name = rest.pop(0)
                else:
                    break
            if _file(module) is not None:
                yield module, name


def _imported_names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def _bound(node: ast.Import | ast.ImportFrom) -> dict[str, Reference]:
    """Names that an import binds, those of the project only, with what they stand for."""
    found: dict[str, Reference] = {}
    if isinstance(node, ast.Import):
        for alias in node.names:
            bound = alias.name if alias.asname else alias.name.partition(".")[0]
            found[alias.asname or bound] = (bound, "")
    elif node.module and not node.level:
        for alias in node.names:
            whole = f"{node.module}.{alias.name}"
            is_module = _file(whole) is not None
            found[alias.asname or alias.name] = (
                (whole, "") if is_module else (node.module, alias.name)
            )
    return {name: where for name, where in found.items() if _file(where[0]) is not None}


def _chains(node: ast.AST, hidden: frozenset[str] = frozenset()) -> Iterator[list[str]]:
    """Every ``a.b.c`` of a piece of code, as a list, but for those that begin with a variable.

    Args:
        node: the piece.
        hidden: the variables of the functions around it.
    """
    if chain := _chain(node):
        if chain[0] not in hidden:
            yield chain
        return
    for part, variables in _parts(node, hidden):
        yield from _chains(part, variables)


def _parts(node: ast.AST, hidden: frozenset[str]) -> Iterator[tuple[ast.AST, frozenset[str]]]:
    """The parts of a node, each with the variables that it sees.

    Decorators and defaults of a function do not see its own, nor does what a comprehension goes
    through first.
    """
    parts = list(ast.iter_child_nodes(node))
    inside: Sequence[ast.AST] = ()
    own: set[str] = set()
    if isinstance(node, FUNCTIONS):
        inside = node.body if isinstance(node.body, list) else [node.body]
        own = {each.arg for each in ast.walk(node.args) if isinstance(each, ast.arg)}
        own |= _assigned(inside)
    elif isinstance(node, COMPREHENSIONS):
        first, *others = node.generators
        values = [part for part in parts if part not in node.generators]
        inside = [*values, first.target, *first.ifs, *others]
        own = _assigned(each.target for each in node.generators)
        parts = [first.iter, *inside]
    declared = {each for one in ast.walk(node) if isinstance(one, ast.Global) for each in one.names}
    for part in parts:
        yield part, (hidden | own) - declared if part in inside else hidden


def _assigned(parts: Iterable[ast.AST]) -> set[str]:
    """Names that are assigned in some parts of a function, but for those of scopes within. Other
    ways to bind a name (``except ... as``, patterns) are left out: they hide nothing."""
    found, waiting = set(), list(parts)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if not isinstance(node, FUNCTIONS | COMPREHENSIONS | ast.ClassDef):
            waiting.extend(ast.iter_child_nodes(node))
    return found


def _chain(node: ast.AST) -> list[str]:
    """``a.b.c`` as a list; empty if it does not begin with a name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return [node.id, *reversed(parts)] if isinstance(node, ast.Name) else []


def _is_plain(target: ast.expr) -> bool:
    """Whether an assignment defines names, and does not change something that is there."""
    return not any(isinstance(n, ast.Attribute | ast.Subscript) for n in ast.walk(target))


def _is_not_for_runs(test: ast.expr) -> bool:
    return ast.unparse(test) in ("TYPE_CHECKING", "__name__ == '__main__'")


def _without_docstrings(tree: ast.Module) -> ast.Module:
    """Bodies without strings that stand alone: docstrings of definitions and of attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            kept = [line for line in node.body if not _is_text(line)]
            node.body = kept or ([] if isinstance(node, ast.Module) else [ast.Pass()])
    return tree


def _without_checks(tree: ast.Module) -> ast.Module:
    """Bodies without lines that only check, in modules that import the checks under their name."""
    if any(CHECKS in _imported_names(line) for line in tree.body):
        for node in ast.walk(tree):
            for field in ("body", "orelse", "finalbody"):
                lines = getattr(node, field, None)
                if isinstance(lines, list) and any(map(_is_check, lines)):
                    setattr(node, field, [line for line in lines if not _is_check(line)])
    return tree


def _is_check(line: ast.stmt) -> bool:
    return (
        isinstance(line, ast.Expr)
        and isinstance(line.value, ast.Call)
        and _chain(line.value.func)[:1] == ["checks"]
    )


def _is_text(line: ast.stmt) -> bool:
    return (
        isinstance(line, ast.Expr)
        and isinstance(line.value, ast.Constant)
        and isinstance(line.value.value, str)
    )


def _text(node: Any) -> str:
    """A syntax tree as text that is the same in every version of Python.

    ``ast.unparse`` writes f-strings, and ``ast.dump`` empty fields, otherwise from one version to
    the next, and early 3.12 puts empty texts into f-strings.
    """
    if isinstance(node, ast.JoinedStr):
        node = ast.JoinedStr([part for part in node.values if not _is_empty_text(part)])
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if value not in (None, []))
        inner = ",".join(f"{name}={_text(value)}" for name, value in fields)
        return f"{type(node).__name__}({inner})"
    if isinstance(node, list):
        return f"[{','.join(map(_text, node))}]"
    return repr(node)


def _is_empty_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == ""


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _module(name: str) -> Module | None:
    """The module of that name if it belongs to the project."""
    path = _file(name)
    if path is None:
        return None
    stat = path.stat()
    return _read(name, path, stat.st_mtime_ns, stat.st_size)


@cache
def _read(name: str, path: Path, mtime_ns: int, size: int) -> Module:
    """A module's file taken apart; its stat is in the cache's key, so that edits are seen."""
    del mtime_ns, size
    return Module(name, path.read_text(encoding="utf-8"))


def _file(name: str) -> Path | None:
    """File of a module of the project, or None if there is no such module."""
    package, *parts = name.split(".")
    root = ROOTS.get(package)
    if root is None:
        return None
    path = root.joinpath(*parts)
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file() and (parts or candidate.name == "__init__.py"):
            return candidate
    return None
