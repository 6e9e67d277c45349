"""Solutions of the exercises: their code uses what a reader has, and each chapter's draws once."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from weaklabels.press.runner.edition import STUDY
from weaklabels.press.runner.notebooks import read_notebook, source_of, tags_of

CHAPTERS = Path(__file__).parents[2] / "book" / "chapters"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
EXERCISES = "## Exercises"


def solutions(slug: str) -> list[str]:
    """Code of the solutions, one text each."""
    cells = read_notebook(CHAPTERS / slug / f"{slug}.ipynb")["cells"]
    texts = [source_of(cell) for cell in cells if cell["cell_type"] == "markdown"]
    parts = [text.split(EXERCISES, 1)[1] for text in texts if EXERCISES in text]
    return [code for part in parts for code in BLOCK.findall(part)]


NOTEBOOKS = sorted(path.stem for path in CHAPTERS.glob("*/*.ipynb"))
WITH_EXERCISES = [slug for slug in NOTEBOOKS if solutions(slug)]
FIGURES = {
    "all_e": "fig-alle-judge",
    "head_to_head": "fig-h2h-cd",
    "isgd_pinn": "fig-pinn-spectra",
    "l2d": "fig-l2d-scores",
    "lfosa": "fig-lfosa-near",
    "stability_attacks": "fig-stab-closed",
}
"""Chapter -> its figure that a solution draws once more, with something changed."""


def drawers(code: str) -> set[str]:
    """Functions of the chapter's figures that code calls."""
    return set(re.findall(r"\bfigures\.(draw_\w+)\(", code))


def cells(slug: str, *, studies: bool) -> list[dict]:
    """Code cells of a chapter, with or without those that a check leaves out."""
    found = read_notebook(CHAPTERS / slug / f"{slug}.ipynb")["cells"]
    code = [cell for cell in found if cell["cell_type"] == "code"]
    return [cell for cell in code if studies or STUDY not in tags_of(cell)]


def bound(tree: ast.AST) -> Iterator[str]:
    """Names that code gives a meaning."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                yield (alias.asname or alias.name).split(".")[0]


def test_all_chapters_but_the_guides_have_exercises() -> None:
    assert set(NOTEBOOKS) - set(WITH_EXERCISES) == {"field_guide", "your_own_labels"}


@pytest.mark.parametrize("slug", WITH_EXERCISES)
def test_a_solution_uses_names_that_exist(slug: str) -> None:
    """The chapter's cells define them, those that a check executes too, or the solution does."""
    known = set(dir(builtins))
    for cell in cells(slug, studies=False):
        known |= set(bound(ast.parse(source_of(cell))))
    for code in solutions(slug):
        tree = ast.parse(code)
        used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
        known |= set(bound(tree))
        assert used <= known, used - known


@pytest.mark.parametrize("slug", WITH_EXERCISES)
def test_a_solution_draws_with_functions_of_the_chapter(slug: str) -> None:
    figures = import_module(f"chapters.{slug}.figures")
    for code in solutions(slug):
        assert all(hasattr(figures, name) for name in drawers(code))
        assert drawers(code) or re.search(r"style\.panels\(|plt\.\w+\(", code)
        assert max(map(len, code.splitlines())) <= 80


@pytest.mark.parametrize(("slug", "label"), FIGURES.items())
def test_one_solution_ends_with_a_figure_of_the_chapter(slug: str, label: str) -> None:
    (drawn,) = (
        drawers(source_of(cell))
        for cell in cells(slug, studies=True)
        if cell["metadata"].get("mystnb", {}).get("figure", {}).get("name") == label
    )
    last = [ast.unparse(ast.parse(code).body[-1]) for code in solutions(slug)]
    assert any(drawers(statement) & drawn for statement in last)
