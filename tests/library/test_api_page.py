"""The API page documents the library and the lab: every public module, every public name of those,
and what else the notebooks import."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest
import yaml
from docutils import nodes
from docutils.utils import new_document
from sphinx import addnodes

import weaklabels
from weaklabels.press.runner.notebooks import read_notebook, source_of

REPOSITORY = Path(__file__).parents[2]
SOURCE = Path(weaklabels.__file__).parent
PAGE = (REPOSITORY / "book" / "api.md").read_text()
DOCUMENTED = re.findall(r"automodule:: weaklabels\.(\S+)\n +:members:", PAGE)

INNER = (
    "augmenting", "class_names", "classifier", "extras", "files", "labels", "saving",
    "settings", "tables", "training", "votes",
)  # fmt: skip
BEHIND_THE_DOOR = {f"estimator.{name}" for name in INNER}
"""What `weaklabels.estimator` offers under its own name, or nobody calls."""


def modules():
    for path in sorted(SOURCE.rglob("*.py")):
        name = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        if not name.startswith(("press", "__init__")):
            yield name, path


def test_every_public_module_of_the_library_and_the_lab_is_on_the_page():
    public = {
        name
        for name, path in modules()
        if any(not n.startswith("_") for n in names_of(path)) or name == "estimator"
    }
    assert {n for n in DOCUMENTED if not n.startswith("press")} == public - BEHIND_THE_DOOR
    assert len(DOCUMENTED) == len(set(DOCUMENTED))


def test_every_module_that_a_notebook_imports_is_on_the_page():
    imported = {
        module
        for path in (REPOSITORY / "book" / "chapters").glob("*/*.ipynb")
        for cell in read_notebook(path)["cells"]
        if cell["cell_type"] == "code"
        for module in modules_in(source_of(cell))
    }
    assert {"weaklabels.lab.multilabel", "weaklabels.press.chapter"} <= imported
    assert {name.removeprefix("weaklabels.") for name in imported} <= set(DOCUMENTED)


def modules_in(code):
    """Modules of the library that code imports, or imports names from."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("weaklabels"):
            parts = {f"{node.module}.{alias.name}" for alias in node.names}
            inner = {part for part in parts if is_module(part)}
            yield from inner
            if inner != parts and node.module != "weaklabels":
                yield node.module


def is_module(name):
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # what stands before its last dot is no package
        return False


def names_of(path):
    definitions = (ast.FunctionDef, ast.ClassDef)
    return [n.name for n in ast.parse(path.read_text()).body if isinstance(n, definitions)]


@pytest.mark.parametrize(("name", "path"), list(modules()))
def test_every_public_name_has_a_docstring(name, path):
    """Without one autodoc passes it over."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{name}.{node.name}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<function g.<locals>.<lambda> at 0x7f01>", "..."),
        ("{'A': <function f>, 'B': partial(<class 'm.C'>, 1)}", "{'A': ..., 'B': partial(..., 1)}"),
        ("<factory>", "..."),
        ("0.1", "0.1"),
    ],
)
def test_values_without_a_name_are_not_shown(monkeypatch, text, shown):
    monkeypatch.syspath_prepend(REPOSITORY / "book" / "_ext")
    from weaklabels_book import HideRepresentations

    document = new_document("api")
    signature = addnodes.desc_signature("", "", addnodes.desc_annotation("", "", nodes.Text(text)))
    prose = nodes.paragraph("", "", nodes.Text("under <root>"))
    document += [signature, prose]
    HideRepresentations(document).apply()
    assert signature.astext() == shown
    assert prose.astext() == "under <root>"


def test_entries_lead_to_their_code_without_a_network():
    config = yaml.safe_load((REPOSITORY / "book" / "_config.yml").read_text())["sphinx"]["config"]
    assert "sphinx.ext.viewcode" in config["extensions"]
    assert config["autodoc_preserve_defaults"] is True


@pytest.mark.parametrize(("page", "kept"), [("_modules/weaklabels/ema", []), ("api", ["nav"])])
def test_listings_of_code_cost_little(monkeypatch, page, kept):
    """The side bar takes nine tenths of the time of such a page, and there is one a module."""
    monkeypatch.syspath_prepend(REPOSITORY / "book" / "_ext")
    from weaklabels_book import listings_are_plain

    context = {"sidebars": ["nav"]}
    listings_are_plain(None, page, "page.html", context, None)
    assert context["sidebars"] == kept
