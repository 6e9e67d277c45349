"""Every chapter that the book names, end to end at its smallest setting."""

import json
from pathlib import Path

import nbformat
import pytest

from tests.chapters.test_solutions import solutions
from weaklabels.press.runner.execute import execute

REPOSITORY = Path(__file__).parents[2]
NOTEBOOKS = sorted((REPOSITORY / "book" / "chapters").glob("*/*.ipynb"))

TWICE = {"field_guide": "from nothing", "your_own_labels": "with stored runs"}
"""Chapters executed a second time for outputs of the same bytes, in a kernel that has imported
nothing; `make verify` does it for all."""


def execute_in(build: Path, notebook: Path) -> nbformat.NotebookNode:
    """The notebook as `make reproduce` executes it, one process, at its smallest setting."""
    told = {
        "WEAKLABELS_BUILD": str(build),
        "WEAKLABELS_WORKERS": "1",
        "WEAKLABELS_PROGRESS": str(build / "progress"),
        "OMP_NUM_THREADS": "1",
    }
    parameters = {"profile": "smoke", "seeds": 2}
    (build / "settings").mkdir(parents=True, exist_ok=True)
    target = build / notebook.name
    execute(notebook, target, parameters, told, build / "settings", {"disable": True}, str)
    return nbformat.read(target, 4)


def with_solutions(notebook: Path, folder: Path) -> Path:
    """A copy of a chapter that ends with the solutions of its exercises, as a reader tries them."""
    copy = nbformat.read(notebook, 4)
    copy.cells += [nbformat.v4.new_code_cell(code) for code in solutions(notebook.stem)]
    folder.mkdir()
    nbformat.write(copy, folder / notebook.name)
    return folder / notebook.name


def outputs(notebook: nbformat.NotebookNode) -> list[str]:
    return [
        json.dumps(cell.outputs, sort_keys=True, ensure_ascii=False)
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_and_decides_its_claims(path, tmp_path, warm_kernels):
    source = with_solutions(path, tmp_path / "source")
    with warm_kernels():
        executed = execute_in(tmp_path, source)
    streams = [
        output.text
        for cell in executed.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream" and output.name == "stderr"
    ]
    assert streams == []
    claims = tmp_path / "smoke" / "claims" / f"{path.stem}.json"
    rows = json.loads(claims.read_text()) if "ledger" in path.read_text() else None
    assert rows != []
    labels = {
        cell.metadata.get("mystnb", {}).get("figure", {}).get("name") for cell in executed.cells
    }
    assert {row["figure"] for row in rows or () if row["figure"]} <= labels
    assert " rows × " not in "".join(outputs(executed))  # what pandas says when it leaves rows out
    if path.stem in TWICE:
        build = tmp_path / "again" if TWICE[path.stem] == "from nothing" else tmp_path
        assert outputs(execute_in(build, source)) == outputs(executed)
