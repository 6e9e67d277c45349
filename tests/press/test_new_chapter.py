"""A new chapter: written whole or not at all, and running as it is."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.chapters.test_notebooks import execute_in
from weaklabels.press.new_chapter import FILES, NEXT_PART, main
from weaklabels.press.runner.notebooks import chapters_of

ROOT = Path(__file__).parents[2]
TITLE = 'It\'s "new": a method'


@pytest.fixture
def copy(tmp_path):
    """The places of a repository in which chapters are found, without any chapter."""
    (tmp_path / "book" / "chapters").mkdir(parents=True)
    (tmp_path / "book" / "chapters" / "__init__.py").touch()
    (tmp_path / "book" / "_toc.yml").write_bytes((ROOT / "book" / "_toc.yml").read_bytes())
    return tmp_path


def files_in(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_runs_as_it_is(copy, monkeypatch, warm_kernels):
    assert main(["--slug=my_paper", f"--title={TITLE}"], copy) == 0
    [chapter] = chapters_of(copy / "book")
    assert chapter.path == copy / "book" / "chapters" / "my_paper" / "my_paper.ipynb"
    monkeypatch.setenv("PYTHONPATH", str(copy / "book"))
    with warm_kernels():
        executed = execute_in(copy / "build", chapter.path)
    assert f"# {TITLE}" in executed.cells[0].source
    [row] = json.loads((copy / "build" / "smoke" / "claims" / "my_paper.json").read_text())
    labels = [
        cell.metadata.get("mystnb", {}).get("figure", {}).get("name") for cell in executed.cells
    ]
    assert row["figure"] == "fig-my-paper-curves"
    assert row["figure"] in labels
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(tests, cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_its_code_passes_lint(copy):
    main(["--slug=my_paper", f"--title={TITLE}"], copy)
    ruff = [sys.executable, "-m", "ruff"]
    for command in (["check"], ["format", "--check"]):
        options = ["--no-cache", "--config", str(ROOT / "pyproject.toml"), str(copy)]
        done = subprocess.run([*ruff, *command, *options], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--slug=My-Paper", "--title=x"], "SLUG=My-Paper is malformed"),
        (["--slug=a/../b", "--title=x"], "SLUG=a/../b is malformed"),
        (["--slug=lambda", "--title=x"], "SLUG=lambda is malformed"),
        (["--title=x"], "SLUG= is malformed"),
        (["--slug=my_paper"], "TITLE is missing"),
        (["--slug=api", "--title=x"], "SLUG=api is taken"),
        (["--slug=cap", "--title=x"], "SLUG=cap is taken"),
    ],
)
def test_a_name_that_cannot_be_is_answered_with_one_sentence(copy, capsys, arguments, message):
    before = files_in(copy)
    assert main(arguments, copy) == 2
    error = capsys.readouterr().err
    assert error.startswith(message)
    assert error.count("\n") == 1
    assert files_in(copy) == before


def test_what_is_there_is_not_overwritten(copy, capsys):
    main(["--slug=my_paper", "--title=x"], copy)
    before = files_in(copy)
    assert main(["--slug=my_paper", "--title=another"], copy) == 2
    assert "SLUG=my_paper is taken" in capsys.readouterr().err
    assert files_in(copy) == before


def test_a_table_of_contents_without_the_place_is_named(copy, capsys):
    (copy / "book" / "_toc.yml").write_text("root: index\n")
    assert main(["--slug=my_paper", "--title=x"], copy) == 2
    assert NEXT_PART.strip() in capsys.readouterr().err
    assert not (copy / "book" / "chapters" / "my_paper").exists()


def test_the_wheel_brings_the_templates(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"weaklabels/press/template/{name}.template" for name in FILES.values()} <= set(names)
