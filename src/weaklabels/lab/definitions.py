"""The project's code as a graph: modules taken apart into definitions, and what each of them names.

Comments, formatting and docstrings, also those below attributes and constants, are not part of a
definition, nor are calls of ``weaklabels.checks`` that stand alone: they refuse a run or leave it
as it is.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def _folder(package: str) -> Path | None:
    found = find_spec(package)
    return Path(found.origin).parent if found and found.origin else None


ROOTS = {name: folder for name in ("weaklabels", "chapters") if (folder := _folder(name))}
"""Packages whose code counts, with their folders; other libraries count by their version."""

CHECKS = "weaklabels.checks"
"""Functions that raise or do nothing: what they refuse has no result."""

Named = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp

Reference = tuple[str, str]
"""(module, name of a definition in it); an empty name is the whole module, ``NAME[key]`` an entry
of a dictionary."""

BY_NAME: frozenset[Reference] = frozenset(
    (f"weaklabels.{module}", name)
    for module, names in {
        "models": ("BUILDERS", "POOLS"),
        "data.augment": ("AUGMENTATIONS",),
        "methods.lfosa": ("STRATEGIES",),
        "lab.multilabel": ("ANNOTATIONS",),
        "lab.multilabel_watch": ("TRACES", "SNAPSHOTS"),
        "lab.candidate_sets": ("INPUTS", "CANDIDATES", "TRACKERS"),
        "lab.noisy_labels": ("NOISE",),
    }.items()
    for name in names
)
"""Dictionaries of which a run uses the entries that it names, and no others."""

REGISTER: Reference = ("weaklabels.methods.base", "register")
"""Makes what it decorates known by a name, and does nothing else."""


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
            found.update(p for p in prefixes if file_of(p) is not None)
    return found


def texts_in(node: ast.AST) -> Iterator[str]:
    """Constants of a piece of code that are texts."""
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


@dataclasses.dataclass(frozen=True)
class Unit:
    """A definition.

    Attributes:
        digest: the hash of its code.
        references: what it names.
        words: texts in its code.
        entries: by name, what else belongs to it where that name is said.
    """

    digest: str = ""
    references: frozenset[Reference] = frozenset()
    words: frozenset[str] = frozenset()
    entries: Mapping[str, Reference] = dataclasses.field(default_factory=dict)


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
        self.registered: dict[str, Reference] = {}
        for node in self.tree.body:
            self._sort(node)
        self._units: dict[str, Unit] = {}

    @cached_property
    def digest(self) -> str:
        """Hash of all of its code."""
        return digest_of(_text(self.tree))

    def unit(self, name: str) -> Unit:
        """A definition; what the module only imports leads on; an unknown name is all of it."""
        if name not in self._units:
            self._units[name] = self._take(name)
        return self._units[name]

    def _take(self, name: str) -> Unit:
        if (self.name, name) in BY_NAME:
            return self._dictionary(name)
        if name in self.definitions:
            return self._of(self.definitions[name], self.registered if name == self.EFFECTS else {})
        if name in self.bindings:
            return Unit(references=frozenset([self.bindings[name]]))
        if name and file_of(f"{self.name}.{name}") is not None:
            return Unit(references=frozenset([(f"{self.name}.{name}", "")]))
        dictionary, _, key = name.removesuffix("]").partition("[")
        if (self.name, dictionary) in BY_NAME and key in (known := self._entries(dictionary)):
            return self._of([known[key]])
        everything = ((self.name, each) for each in self.definitions)
        return Unit(references=frozenset([*everything, *self.bindings.values()]))

    def _of(self, nodes: Sequence[ast.AST], entries: Mapping[str, Reference] | None = None) -> Unit:
        return Unit(
            digest_of("\n".join(_text(node) for node in nodes)),
            frozenset(r for node in nodes for r in self._named_in(node)),
            frozenset(word for node in nodes for word in texts_in(node)),
            entries or {},
        )

    def _dictionary(self, name: str) -> Unit:
        """A dictionary without its entries, and these by name."""
        return Unit(entries={key: (self.name, f"{name}[{key}]") for key in self._entries(name)})

    def _entries(self, name: str) -> dict[str, ast.expr]:
        """Entries of a dictionary by name.

        Raises:
            ValueError: if it is not written out as one.
        """
        [node] = self.definitions[name]
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        found = {}
        if isinstance(value, ast.Dict):
            for key, entry in zip(value.keys, value.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    found[key.value] = entry
        if not isinstance(value, ast.Dict) or len(found) < len(value.keys):
            raise ValueError(
                f"{self.name}.{name} is not written out: expected {{'name': ..., ...}}"
            )
        return found

    def _sort(self, node: ast.stmt) -> None:
        """Put a statement of the module with the name that it defines, or with the effects."""
        if isinstance(node, ast.Import | ast.ImportFrom):
            self.bindings |= _bound(node)
        elif isinstance(node, Named):
            self._define(node.name, node)
            for decorator in node.decorator_list:
                self._sort_decorated(node, decorator)
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

    def _sort_decorated(self, node: Named, decorator: ast.expr) -> None:
        named = set(self._named_in(decorator))
        if named == {REGISTER} and (words := set(texts_in(decorator))):
            self.registered |= dict.fromkeys(words, (self.name, node.name))
        elif named and node not in self.definitions[self.EFFECTS]:
            self.definitions[self.EFFECTS].append(node)  # it may register what it decorates

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
                if name and file_of(f"{module}.{name}") is not None:
                    module, name = f"{module}.{name}", rest.pop(0)
                elif not name:
                    name = rest.pop(0)
                else:
                    break
            if file_of(module) is not None:
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
            is_module = file_of(whole) is not None
            found[alias.asname or alias.name] = (
                (whole, "") if is_module else (node.module, alias.name)
            )
    return {name: where for name, where in found.items() if file_of(where[0]) is not None}


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


def digest_of(text: str) -> str:
    """SHA-256 of a text, in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def read_module(name: str) -> Module | None:
    """The module of that name if it belongs to the project."""
    path = file_of(name)
    if path is None:
        return None
    stat = path.stat()
    return _read(name, path, stat.st_mtime_ns, stat.st_size)


@cache
def _read(name: str, path: Path, mtime_ns: int, size: int) -> Module:
    """A module's file taken apart; its stat is in the cache's key, so that edits are seen."""
    del mtime_ns, size
    return Module(name, path.read_text(encoding="utf-8"))


def file_of(name: str) -> Path | None:
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
