"""An edition brought up to date without its runs: what needs none of them is executed anew.

A chapter's tables and rows about a record (``chapter.recorded``) change with it, while its runs
stay as they were. ``make record NAME=claims REFRESH=1`` executes the notebook without computing
runs. A statement that asks for one which is not stored is passed over, and so is every one that
reads a name which such a statement would have set; the cell keeps its recorded outputs. Rows are
added to the ledger one by one, and those that were not measured stay as they are recorded.
"""

from __future__ import annotations

import ast
import os
from types import TracebackType
from typing import Any

from weaklabels.lab.sweep import STORED_ONLY, NotStored
from weaklabels.press.runner.edition import KEPT


def wanted() -> bool:
    """Whether this kernel is to refresh."""
    return bool(os.environ.get(STORED_ONLY))


def register() -> None:
    """Let cells of this kernel pass over statements of which a run is not stored."""
    from IPython.core.getipython import get_ipython
    from IPython.display import display

    shell = get_ipython()
    if shell is None:
        return
    missing = Missing(shell.user_ns)

    def stopped(
        shell: Any, kind: type[Exception], error: Exception, trace: TracebackType, **_: Any
    ) -> None:
        try:
            missing.go_on(shell.user_ns["In"][-1], error, trace)
        except Exception:
            shell.showtraceback()  # an error output: the execution has failed
        else:
            display({KEPT: {}}, raw=True)

    shell.set_custom_exc((NotStored, NameError), stopped)


class Missing:
    """Names that have no value because a run is not stored.

    Args:
        namespace: in which cells are executed.
    """

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.namespace = namespace
        self.names: set[str] = set()

    def go_on(self, source: str, error: Exception, trace: TracebackType | None) -> None:
        """Execute what follows on the statement at which a cell stopped.

        Args:
            source: of the cell.
            error, trace: by which it stopped.

        Raises:
            Exception: any but that runs are not stored, or that a name is missing for this reason.
        """
        line = self._line(trace)
        statements = ast.parse(source).body
        first, *following = (each for each in statements if (each.end_lineno or 0) >= line)
        parts = apart(first)
        if len(parts) == 1:
            self._passed_over(error, first)
        else:
            following = [*parts, *following]
        for statement in (part for each in following for part in apart(each)):
            try:
                exec(compile(ast.Module([statement], []), "cell", "exec"), self.namespace)
            except (NotStored, NameError) as another:
                self._passed_over(another, statement)

    def _line(self, trace: TracebackType | None) -> int:
        """Line of the cell at which it stopped."""
        while trace is not None and trace.tb_frame.f_globals is not self.namespace:
            trace = trace.tb_next
        return trace.tb_lineno if trace else 0

    def _passed_over(self, error: Exception, statement: ast.stmt) -> None:
        if isinstance(error, NameError) and error.name not in self.names:
            raise error
        for name in assigned(statement):
            self.names.add(name)
            self.namespace.pop(name, None)  # an older value of that name belongs to other cells


def apart(statement: ast.stmt) -> list[ast.stmt]:
    """A statement that adds rows to the ledger as several, each of which adds one argument."""
    match statement:
        case ast.Expr(
            ast.Call(ast.Attribute(ast.Name("ledger"), "add") as add, [_, _, *_] as rows)
        ):
            calls = [ast.Expr(ast.Call(add, [row], [])) for row in rows]
            return [ast.fix_missing_locations(ast.copy_location(each, statement)) for each in calls]
    return [statement]


def assigned(statement: ast.stmt) -> set[str]:
    """Names that a statement sets or changes: targets of assignments, loops, ``with``,
    definitions, imports; of an item or an attribute the object that it belongs to."""
    found = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store):
            inner: ast.expr = node
            while isinstance(inner, ast.Subscript | ast.Attribute):
                inner = inner.value
            found |= {inner.id} if isinstance(inner, ast.Name) else set()
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(each.asname or each.name).partition(".")[0] for each in node.names}
    return found
