"""The API page documents the library: every public module of it, every public name of those."""

import ast
import re
from pathlib import Path

import pytest

import weaklabels

REPOSITORY = Path(__file__).parents[2]
SOURCE = Path(weaklabels.__file__).parent
PAGE = (REPOSITORY / "book" / "api.md").read_text()
DOCUMENTED = re.findall(r"automodule:: weaklabels\.(\S+)\n +:members:", PAGE)

INNER = ("classifier", "extras", "files", "labels", "saving", "tables", "training")
BEHIND_THE_DOOR = {f"estimator.{name}" for name in INNER}
"""What `weaklabels.estimator` offers under its own name, or nobody calls."""


def modules():
    for path in sorted(SOURCE.rglob("*.py")):
        name = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        if not name.startswith(("lab", "press", "__init__")):
            yield name, path


def test_every_public_module_of_the_library_is_on_the_page():
    public = {
        name
        for name, path in modules()
        if any(not n.startswith("_") for n in names_of(path)) or name == "estimator"
    }
    assert {n for n in DOCUMENTED if not n.startswith("press")} == public - BEHIND_THE_DOOR
    assert len(DOCUMENTED) == len(set(DOCUMENTED))


def names_of(path):
    definitions = (ast.FunctionDef, ast.ClassDef)
    return [n.name for n in ast.parse(path.read_text()).body if isinstance(n, definitions)]


@pytest.mark.parametrize(("name", "path"), list(modules()))
def test_every_public_name_has_a_docstring(name, path):
    """Without one autodoc passes it over."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{name}.{node.name}"
