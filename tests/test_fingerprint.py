"""What a result depends on is found, and only real changes of code count."""

import pytest

from weaklabels.fingerprint import closure, fingerprint, imports_of


@pytest.fixture
def package(tmp_path):
    root = tmp_path / "weaklabels"
    (root / "sub").mkdir(parents=True)
    (root / "__init__.py").write_text("")
    (root / "sub" / "__init__.py").write_text("")
    (root / "a.py").write_text("from weaklabels import b\n")
    (root / "b.py").write_text("def f():\n    from weaklabels.sub.c import x\n    return x\n")
    (root / "sub" / "c.py").write_text("x = 1\n")
    (root / "alone.py").write_text("import os\n")
    return root


def test_closure_follows_imports_inside_functions_and_packages(package):
    names = set(closure(["weaklabels.a"], package))
    assert names == {
        "weaklabels",
        "weaklabels.a",
        "weaklabels.b",
        "weaklabels.sub",
        "weaklabels.sub.c",
    }


def test_an_edit_changes_those_who_depend_on_it_and_no_others(package):
    before = {m: fingerprint([f"weaklabels.{m}"], root=package) for m in ("a", "alone")}
    (package / "sub" / "c.py").write_text("x = 2\n")
    assert fingerprint(["weaklabels.a"], root=package) != before["a"]
    assert fingerprint(["weaklabels.alone"], root=package) == before["alone"]


def test_comments_docstrings_and_layout_do_not_count(package):
    before = fingerprint(["weaklabels.a"], root=package)
    (package / "sub" / "c.py").write_text('"""What x is."""\n\n# one\nx = (1)\n')
    assert fingerprint(["weaklabels.a"], root=package) == before


def test_imports_of_a_notebook_cell():
    source = (
        "import numpy as np\nfrom weaklabels import metrics, __version__\nimport weaklabels.cam"
    )
    assert imports_of(source) == {"weaklabels", "weaklabels.metrics", "weaklabels.cam"}


def test_unknown_module_is_named(package):
    with pytest.raises(ModuleNotFoundError, match=r"'weaklabels\.zzz' is not a module"):
        closure(["weaklabels.zzz"], package)
