"""What `make record PROFILE=paper` keeps of runs: nothing is lost silently, each under its name."""

from __future__ import annotations

import ast
import importlib
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.press.toy_paper import CELLS, repository
from weaklabels.lab import candidate_sets
from weaklabels.lab.spec import Data
from weaklabels.lab.store import Record
from weaklabels.press.paper import work
from weaklabels.press.paper.scores import KEPT, by_difference, kept_of, name_of, scores

ROOMS = Path(__file__).parents[2] / "book" / "chapters"
VALUES = {
    "chapters.stability_attacks.runs:run": (
        {
            "natural": 80.0,
            "robust": 40.0,
            "fgsm": 50.0,
            "margin": 39.0,
            "curve": [80.0, 60.0, 40.0],
        },
        {
            "natural": 80.0,
            "robust": 40.0,
            "fgsm": 50.0,
            "margin": 39.0,
            "curve": [80.0, 60.0, 40.0],
        },
    ),
    "chapters.self_crowd.runs:run": (
        {"truth_counts": [5, 5], "BCL/recall": [[0.0, 0.0], [60.0, 80.0]], "BCL/counts": [[1, 2]]},
        {"BCL/recall": 70.0},
    ),
    "chapters.isgd_pinn.runs:run": (
        {"loss": [1.0, np.nan], "error": [1.0, 0.25], "diverged": 7, "prediction": [1.0, 2.0]},
        {"loss": None, "error": 0.25, "diverged": 7.0},
    ),
    "chapters.isgd_pinn.wide:run": (
        {"modes": [[9.0, 9.0], [3.0, 4.0]], "gap": 1.5, "eigenvalues": [2.0, 1.0]},
        {"modes": 5.0, "gap": 1.5},
    ),
    "chapters.all_e.runs:run": (
        {"psnr": [[10.0, 20.0], [20.0, 30.0]], "weights": [1.0, 2.0], "follows": [0.5, -0.5]},
        {"psnr": [15.0, 25.0], "follows": 0.0},
    ),
    "chapters.l2d.runs:run": (
        {"test": [60.0, 50.0, 40.0], "val": np.nan, "structure": [2.0, 3.0]},
        {"test mAP": 60.0, "test OF1": 50.0, "test CF1": 40.0, "val": None}
        | {"structure CD": 2.0, "structure ID": 3.0},
    ),
    "weaklabels.lab.multilabel:run": (
        {"test_ap": [[60.0, 80.0], [50.0, 70.0]], "best_epoch": 1},
        {"test_ap": 60.0, "test_ap, best epoch": 70.0},
    ),
}
"""Function -> what one of its runs returns, and what is kept of it."""


@pytest.mark.parametrize("function", VALUES)
def test_what_is_kept_says_what_it_is(function):
    values, expected = VALUES[function]
    record = Record(None, {name: np.asarray(value) for name, value in values.items()}, {})
    found = scores([record, record], kept_of(function))
    assert found == {name: [value, value] for name, value in expected.items()}


def test_three_scores_are_neither_more_nor_fewer():
    with pytest.raises(ValueError, match="zip"):
        scores([Record(None, {"test": np.zeros(4)}, {})], kept_of("chapters.l2d.runs:run"))


def asked_in(tree: ast.AST, names: dict[str, object]) -> Iterator[object]:
    """Functions that a piece of code gives to ``run`` or ``repeat``, and those in the functions to
    which it gives the chapter."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("run", "repeat"):
            if ast.unparse(node.func.value) in ("chapter", "setting"):
                yield eval(ast.unparse(node.args[0]), names)
        elif any(isinstance(each, ast.Name) and each.id == "chapter" for each in node.args):
            with suppress(NameError):  # what a cell itself defines
                called = eval(ast.unparse(node.func), names)
                if getattr(called, "__module__", "").startswith("chapters."):
                    module = importlib.import_module(called.__module__)
                    for each in ast.parse(Path(module.__file__).read_text()).body:
                        if getattr(each, "name", "") == called.__name__:
                            yield from asked_in(each, vars(module))


def test_every_run_that_a_chapter_asks_for_has_its_line():
    found = {}
    for path in ROOMS.glob("*/*.ipynb"):
        cells = json.loads(path.read_text())["cells"]
        code = [ast.parse("".join(c["source"])) for c in cells if c["cell_type"] == "code"]
        names: dict[str, object] = {}
        for node in (each for tree in code for each in tree.body):
            if isinstance(node, ast.Import | ast.ImportFrom):
                exec(ast.unparse(node), names)
        for function in (each for tree in code for each in asked_in(tree, names)):
            found[name_of(function)] = path.stem
    assert len(found) > 20
    assert {name: slug for name, slug in found.items() if name not in KEPT} == {}


def test_lines_are_of_functions_that_there_are():
    for name in KEPT:
        module, _, function = name.partition(":")
        assert name_of(getattr(importlib.import_module(module), function)) == name


@dataclass(frozen=True)
class Of:
    """A part of a spec."""

    lr: float


@dataclass(frozen=True)
class Spec:
    """Of a run that is told apart by its fields."""

    method: str
    optimiser: Of
    seed: int = 0
    device: str = "cpu"


def test_runs_without_names_are_named_by_what_differs():
    specs = [
        Spec("AN", Of(0.1)), Spec("AN", Of(0.1), seed=1), Spec("EM", Of(0.1)), Spec("EM", Of(1.0)),
    ]  # fmt: skip
    rows = by_difference([Record(spec, {}, {}) for spec in specs])
    assert {name: [record.spec for record in records] for name, records in rows.items()} == {
        "method AN, optimiser.lr 0.1": specs[:2],
        "method EM, optimiser.lr 0.1": specs[2:3],
        "method EM, optimiser.lr 1.0": specs[3:],
    }
    assert list(by_difference([Record(specs[0], {}, {})])) == ["all"]


# -- in the command -------------------------------------------------------------------------------


@pytest.fixture
def scored(monkeypatch):
    """Runs that cost nothing: their values, and the specs that were computed."""
    values, computed = {"test_accuracy": np.array([50.0])}, []

    def run(self, function, specs):
        computed.extend(specs)
        return [Record(spec, dict(values), {}) for spec in specs]

    monkeypatch.setattr("weaklabels.press.chapter.Chapter.run", run, raising=False)
    return values, computed


def compute(root):
    tables = work.Tables("toy", "cpu", "make record PROFILE=paper CHAPTERS=toy")
    work.compute(tables, 2, str(root / "data"), workers=1)
    return tables


def tables_of(root):
    path = root / "book" / "chapters" / "toy" / "recorded" / "paper.json"
    return json.loads(path.read_text())["tables"] if path.exists() else []


def test_runs_that_are_asked_for_one_by_one_are_a_table(tmp_path, monkeypatch, scored):
    alone = (
        "specs = [replace(base, method=m, seed=s) for m in ('CC', 'PRODEN') for s in (0, 1)]\n"
        "chapter.run(run, specs)\nchapter.repeat(run, {'one': base})"
    )
    repository(tmp_path, monkeypatch, [*CELLS[:3], alone])
    assert compute(tmp_path).added == 2
    first, second = tables_of(tmp_path)
    assert list(first["rows"]) == ["method CC", "method PRODEN"]
    assert first["rows"]["method CC"] == {"test_accuracy": [50.0, 50.0]}
    assert (list(second["rows"]), second["number"]) == (["one"], 2)
    assert first["function"] == name_of(candidate_sets.run)


def test_a_table_of_which_nothing_can_be_kept_is_a_failure(tmp_path, monkeypatch, scored):
    values, _ = scored
    values.clear()
    values["natural"] = np.array(80.0)
    repository(tmp_path, monkeypatch, [*CELLS[:4], "found[0.5][0]['natural']"])
    assert work.main(["--chapters", "toy"]) == 1
    ((section, told),) = compute(tmp_path).failed
    assert section == "Tables"
    assert told.startswith("no value of weaklabels.lab.candidate_sets:run can be kept: expected")
    assert tables_of(tmp_path) == []


def test_runs_that_nothing_is_said_of_are_refused_before_they_are_computed(
    tmp_path, monkeypatch, scored
):
    monkeypatch.delitem(KEPT, name_of(candidate_sets.run))
    repository(tmp_path, monkeypatch, CELLS[:4])
    ((_, told),) = compute(tmp_path).failed
    assert told.endswith(
        "nothing is said of what to keep of weaklabels.lab.candidate_sets:run: "
        "expected a line in KEPT"
    )
    assert scored[1] == []


def test_runs_that_others_use_are_no_table_and_no_failure(tmp_path, monkeypatch, scored):
    monkeypatch.setitem(KEPT, name_of(candidate_sets.run), {})
    repository(tmp_path, monkeypatch, CELLS[:4])
    tables = compute(tmp_path)
    assert (tables.added, tables.failed) == (0, [])


def test_a_table_names_what_computed_its_runs(tmp_path, monkeypatch):
    def run(self, function, specs):
        on = ({"device": name} for name in ("x86_64", "NVIDIA H200", "x86_64"))
        return [Record(spec, {"test_accuracy": np.array(1.0)}, next(on)) for spec in specs]

    monkeypatch.setattr("weaklabels.press.chapter.Chapter.run", run, raising=False)
    repository(tmp_path, monkeypatch, CELLS[:4])
    tables = work.Tables("toy", "cpu", "make record PROFILE=paper")
    work.compute(tables, 1, str(tmp_path / "data"), workers=1)
    (table,) = tables_of(tmp_path)
    assert table["provenance"]["device"] == "NVIDIA H200, x86_64"


ONE_GO = [
    CELLS[0],
    CELLS[1].replace(", run", "") + "\nfrom chapters.isgd_pinn.runs import InnerSpec, Spec, inner",
    "chapter.repeat(inner, {'one': InnerSpec(Spec())})",
]


def test_runs_that_begin_anew_are_told_where_there_is_a_budget(
    tmp_path, monkeypatch, scored, capsys
):
    scored[0]["defect"] = np.zeros(2)
    for cells, budget, told in ((ONE_GO, "25m", 1), (ONE_GO, "", 0), (CELLS[:4], "25m", 0)):
        repository(tmp_path, monkeypatch, cells)
        tables = work.Tables("toy", "cpu", "make record PROFILE=paper", budget)
        work.compute(tables, 1, str(tmp_path / "data"), workers=1)
        assert (tables.added, tables.failed) == (1, [])
        said = capsys.readouterr().out
        assert said.count("toy: runs of chapters.isgd_pinn.runs:inner keep no checkpoints") == told


def test_all_that_is_not_finite_is_nothing():
    record = Record(Data(), {"error": np.array(np.nan)}, {})
    rows = {"SGD": scores([record], kept_of("chapters.isgd_pinn.runs:run"))}
    assert rows == {"SGD": {"error": [None]}}
    assert not work.says_something(rows)
