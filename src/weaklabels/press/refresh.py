"""An edition brought up to date without its runs: what needs none of them is executed anew.

A chapter's tables and rows about a record (``chapter.recorded``) change with it, while its runs
stay as they were. ``make record NAME=claims REFRESH=1`` executes the notebook without computing
runs. A statement that asks for one which is not stored is passed over, and so is every one that
reads a name which such a statement would have set; the cell keeps its recorded outputs. Rows are
added to the ledger one by one, and those that were not measured stay as they are recorded. What is
kept and reads a record as well is of that record as it was: if it has changed, nothing is written.
"""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from weaklabels.lab.definitions import parse
from weaklabels.lab.sweep import STORED_ONLY, NotStored
from weaklabels.press.runner.edition import KEPT
from weaklabels.press.statements import apart, assigned, called, ledger_call


def wanted() -> bool:
    """Whether this kernel is to refresh."""
    return bool(os.environ.get(STORED_ONLY))


def kept_rows(claims: Path) -> Callable[[], list[dict[str, Any]]]:
    """Let cells of this kernel pass over statements of which a run is not stored.

    Args:
        claims: the recorded rows.

    Returns:
        what gives the rows that stay, once all cells were executed: none if no row was passed over.
    """
    from IPython.core.getipython import get_ipython
    from IPython.display import display

    shell: Any = get_ipython()
    missing = Missing(shell.user_ns)

    def stopped(
        shell: Any, kind: type[Exception], error: Exception, trace: TracebackType, **_: Any
    ) -> None:
        try:
            passed = missing.go_on(shell.user_ns["In"][-1], error, trace)
        except Exception:
            shell.showtraceback()  # an error output: the execution has failed
        else:
            display({KEPT: passed}, raw=True)

    shell.set_custom_exc((NotStored, NameError), stopped)
    return lambda: json.loads(claims.read_text(encoding="utf-8")) if missing.rows else []


class Missing:
    """Names that have no value because a run is not stored.

    Args:
        namespace: in which cells are executed.

    Attributes:
        names: see above.
        rows: whether rows of the ledger were passed over.
    """

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.namespace = namespace
        self.names: set[str] = set()
        self.rows = False

    def go_on(self, source: str, error: Exception, trace: TracebackType | None) -> list[str]:
        """Execute what follows on the statement at which a cell stopped.

        Args:
            source: of the cell.
            error, trace: by which it stopped.

        Returns:
            the statements that were passed over, as ``ast.unparse`` gives them.

        Raises:
            Exception: any but that runs are not stored, or that a name is missing for this reason.
        """
        line = self._line(trace)
        statements = parse(source).body
        first, *following = (each for each in statements if (each.end_lineno or 0) >= line)
        parts = apart(first)
        passed = []
        if len(parts) == 1:
            self._passed_over(error, first)
            passed.append(ast.unparse(first))
        else:
            following = [*parts, *following]
        for statement in (part for each in following for part in apart(each)):
            try:
                exec(compile(ast.Module([statement], []), "cell", "exec"), self.namespace)
            except (NotStored, NameError) as another:
                self._passed_over(another, statement)
                passed.append(ast.unparse(statement))
        return passed

    def _line(self, trace: TracebackType | None) -> int:
        """Line of the cell at which it stopped."""
        while trace is not None and trace.tb_frame.f_globals is not self.namespace:
            trace = trace.tb_next
        return trace.tb_lineno if trace else 0

    def _passed_over(self, error: Exception, statement: ast.stmt) -> None:
        if isinstance(error, NameError) and error.name not in self.names:
            raise error
        self.rows = self.rows or ledger_call(statement) is not None
        filled = {
            name for name in called(statement) if isinstance(self.namespace.get(name), FILLED)
        }
        for name in assigned(statement) | filled:
            self.names.add(name)
            self.namespace.pop(name, None)  # an older value of that name belongs to other cells


FILLED = (list, dict, set)
"""What a statement fills by a call of one of its methods."""
