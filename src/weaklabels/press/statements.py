"""What the statements of a notebook set, and which records they read."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from typing import Any

from weaklabels.lab.definitions import parse

Statement = tuple[str, str]
"""Id of its cell, and the statement as ``ast.unparse`` gives it; a call that adds rows to the
ledger counts as several, one for each row (see ``apart``)."""


def records_read(notebook: dict[str, Any], known: Collection[str]) -> dict[Statement, set[str]]:
    """Records that the statements of a notebook read by ``recorded``, or by way of names.

    Args:
        notebook: whose code cells have ids.
        known: names of the records; a statement that names none in its call may read any of them.

    Returns:
        every statement -> names of records.
    """
    found: dict[Statement, set[str]] = {}
    told: dict[str, set[str]] = {}
    imported: set[str] = set()
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        for statement in parse("".join(cell["source"])).body:
            for part in apart(statement):
                reads = _asked(part, known).union(*(told.get(name, set()) for name in _used(part)))
                # The same statement may stand in a cell twice.
                found.setdefault((cell["id"], ast.unparse(part)), set()).update(reads)
                if isinstance(part, ast.Import | ast.ImportFrom):
                    imported |= assigned(part)
                elif ledger_call(part) is None:
                    for name in assigned(part) | called(part) - imported:
                        told[name] = reads
    return found


def _used(statement: ast.stmt) -> set[str]:
    """Names whose values a statement uses, without those of its comprehensions."""
    nodes = list(ast.walk(statement))
    names = [node for node in nodes if isinstance(node, ast.Name)]
    own = {
        name.id
        for node in nodes
        if isinstance(node, ast.comprehension)
        for name in ast.walk(node.target)
        if isinstance(name, ast.Name)
    }
    found = {name.id for name in names if isinstance(name.ctx, ast.Load)} - own
    return found | (assigned(statement) if isinstance(statement, ast.AugAssign) else set())


def _asked(statement: ast.stmt, known: Collection[str]) -> set[str]:
    """Records that a statement itself asks for: ``chapter.recorded``, or a function of that kind
    which is given the chapter."""
    found: set[str] = set()
    nodes = list(ast.walk(statement))
    words = {node.value for node in nodes if isinstance(node, ast.Constant)}
    for call in (node for node in nodes if isinstance(node, ast.Call) and _asks(node)):
        match call.args:
            case [ast.Constant(value=str(name))]:
                found |= {name} & set(known)  # which may not have been made yet
            case _:
                found |= {name for name in known if name in words} or set(known)
    return found


def _asks(call: ast.Call) -> bool:
    match call.func:
        case ast.Attribute(attr="recorded"):
            return True
        case ast.Attribute(attr=name):
            given = {each.id for each in call.args if isinstance(each, ast.Name)}
            return name.startswith("recorded") and "chapter" in given
    return False


def apart(statement: ast.stmt) -> list[ast.stmt]:
    """A statement that adds rows to the ledger as several, each of which adds one argument."""
    call = ledger_call(statement)
    if call is None or len(call.args) < 2:
        return [statement]
    calls = [ast.Expr(ast.Call(call.func, [row], [])) for row in call.args]
    return [ast.fix_missing_locations(ast.copy_location(each, statement)) for each in calls]


def ledger_call(statement: ast.stmt) -> ast.Call | None:
    match statement:
        case ast.Expr(ast.Call(ast.Attribute(ast.Name("ledger"), "add")) as call):
            return call
    return None


def assigned(statement: ast.stmt) -> set[str]:
    """Names that a statement sets or changes: targets of assignments, loops, ``with``,
    definitions, imports, patterns; of an item or an attribute the object that it belongs to.

    Raises:
        ValueError: if the statement is a magic or sets a global name, whose effects are not seen.
    """
    found = set()
    for node in _here(statement):
        if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store):
            inner: ast.expr = node
            while isinstance(inner, ast.Subscript | ast.Attribute):
                inner = inner.value
            found |= {inner.id} if isinstance(inner, ast.Name) else set()
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(each.asname or each.name).partition(".")[0] for each in node.names}
        elif isinstance(node, ast.MatchAs | ast.MatchStar) and node.name:
            found.add(node.name)
        elif isinstance(node, ast.Global) or (
            isinstance(node, ast.Name) and node.id == "get_ipython"
        ):
            raise ValueError(f"a cell needs runs and its effects are not seen: {ast.unparse(node)}")
    return found


def called(statement: ast.stmt) -> set[str]:
    """Names of objects of which a statement calls a method without using what it returns."""
    found = set()
    for node in _here(statement):
        match node:
            case ast.Expr(ast.Call(ast.Attribute(ast.Name(name)))):
                found.add(name)
    return found


def _here(node: ast.AST) -> Iterator[ast.AST]:
    """A node and what is below it, without what has names of its own: bodies of functions and
    classes, and comprehensions, of which only a walrus reaches further."""
    yield node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
        yield from (each for each in ast.walk(node) if isinstance(each, ast.Global))
        return
    if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        walruses = (each for each in ast.walk(node) if isinstance(each, ast.NamedExpr))
        yield from (each.target for each in walruses)
        return
    for child in ast.iter_child_nodes(node):
        yield from _here(child)
