"""What a result depends on is found, and only real changes of code count."""

from __future__ import annotations

import ast
import gc
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

from weaklabels.lab import definitions, keys
from weaklabels.lab.definitions import imports_of
from weaklabels.lab.keys import closure, reached

RUNS = """
    from weaklabels import b
    from weaklabels.sub import c as other

    LIMIT: int = 3
    UNUSED = 4

    def run(spec):
        return b.used(spec) + LIMIT

    def late():
        from weaklabels.b import thing
        return thing

    def through_package():
        return other.x
"""
B = '''
    from weaklabels.sub.c import x as y
    from weaklabels.base import register

    def used(spec):
        return helper(spec)

    def helper(spec):
        """What it does."""
        return y

    def unused():
        return 1

    class Old:
        size = 2
        """What size is."""

    @register("thing")
    def thing():
        return 5
'''


class Package:
    """A package on disk whose files are edited."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name, source in (
            ("__init__", ""),
            ("sub/__init__", ""),
            ("runs", RUNS),
            ("b", B),
            ("base", "REGISTRY = {}\n\ndef register(name):\n    return lambda f: f\n"),
            ("sub/c", "x = 1\n"),
            ("alone", "import os\n"),
        ):
            self.write(name, source)

    def write(self, name: str, source: str) -> None:
        path = self.root / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.root / f"{name}.py"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    made = Package(tmp_path / "weaklabels")
    monkeypatch.setattr(definitions, "ROOTS", {"weaklabels": made.root})
    return made


def run(name: str = "run") -> dict:
    return reached([("weaklabels.runs", name)])


def named(name: str = "run") -> set[str]:
    return {f"{module.removeprefix('weaklabels.')}:{unit}" for module, unit in run(name)}


def test_a_run_reaches_the_definitions_it_names_and_no_others(package: Package) -> None:
    found = named()
    assert {"runs:run", "runs:LIMIT", "b:used", "b:helper", "sub.c:x"} <= found
    assert not {"runs:UNUSED", "runs:late", "b:unused", "b:Old", "alone:"} & found


def test_imports_inside_functions_and_modules_under_other_names_are_followed(
    package: Package,
) -> None:
    assert "b:thing" in named("late")
    assert "sub.c:x" in named("through_package")


EDITS = {
    "the function": ("runs", "+ LIMIT", "- LIMIT"),
    "a constant": ("runs", "LIMIT: int = 3", "LIMIT: int = 5"),
    "a helper in another module": ("b", "return y", "return y + 1"),
    "a constant two modules away": ("sub/c", "x = 1", "x = 2"),
    "what is registered beside it": ("b", "return 5", "return 6"),
    "the registering decorator": ("base", "lambda f: f", "lambda f: None"),
}
NO_EDITS = {
    "a function that is not called": ("b", "return 1", "return 2"),
    "a constant that is not read": ("runs", "UNUSED = 4", "UNUSED = 5"),
    "a docstring": ("b", "What it does.", "What else it does."),
    "an attribute's docstring": ("b", "What size is.", "What it is."),
    "a comment": ("runs", "LIMIT: int = 3", "LIMIT: int = 3  # three"),
    "the layout": ("sub/c", "x = 1", "\nx = (\n    1\n)"),
    "a module of its own": ("alone", "import os", "import sys"),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edit_of_code_that_runs_counts(package: Package, edit: tuple[str, str, str]) -> None:
    before = run()
    package.edit(*edit)
    assert run() != before


@pytest.mark.parametrize("edit", NO_EDITS.values(), ids=NO_EDITS)
def test_other_edits_do_not_count(package: Package, edit: tuple[str, str, str]) -> None:
    before = run()
    package.edit(*edit)
    assert run() == before


CHECKED = """
    from weaklabels import checks

    def run(spec):
        if spec:
            checks.at_least(spec, 0, "spec")
            spec = 2 * spec
        checks.whole(spec)
        return spec
"""


SHADOWS = {
    "an argument": "def run(used):\n    return used + 1",
    "an assignment": "def run():\n    used = 1\n    return used",
    "a loop": "def run():\n    for used in (1, 2):\n        print(used)",
    "a comprehension": "def run():\n    return [used + 1 for used in (1, 2)]",
    "a variable of the function around": "def run(used):\n    return lambda: used",
    "a function within": "def run():\n    def used():\n        return 1\n    return used()",
}
SEEN = {
    "what a comprehension goes through first": "def run():\n    return [used for used in used()]",
    "a default": "def run(used=used):\n    return used",
    "a decorator": "@used\ndef run(used):\n    return used",
    "a variable of another function": "def run(a):\n    b = lambda used: used\n    return used",
    "an attribute of a class": "class run:\n    used = 1\n\n    def at(self):\n        return used",
    "what is declared global": "def run():\n    global used\n    used = 1\n    return used",
}


@pytest.mark.parametrize("source", SHADOWS.values(), ids=SHADOWS)
def test_a_variable_is_not_what_the_module_calls_so(package: Package, source: str) -> None:
    package.write("shadow", f"def used():\n    return 2\n\n{source}\n")
    assert ("weaklabels.shadow", "used") not in reached([("weaklabels.shadow", "run")])


@pytest.mark.parametrize("source", SEEN.values(), ids=SEEN)
def test_a_variable_hides_nothing_where_it_is_not_seen(package: Package, source: str) -> None:
    package.write("shadow", f"def used():\n    return 2\n\n{source}\n")
    assert ("weaklabels.shadow", "used") in reached([("weaklabels.shadow", "run")])


def test_a_check_that_stands_alone_does_not_count(package: Package) -> None:
    """With or without it, a run that ends has the same result."""
    package.write("checks", "def whole(x): ...\ndef at_least(x, least, name): ...\n")
    package.write("runs", CHECKED)
    before = run()
    assert "checks:whole" not in named()
    package.edit("checks", "...", "print(x)")
    package.edit("runs", "    checks.whole(spec)\n", "")
    package.edit("runs", '"spec"', '"the spec"')
    assert run() == before
    package.edit("runs", "return spec", "return checks.whole(spec)")
    assert run() != before
    assert "checks:whole" in named()


def test_only_the_modules_checks_are_left_out(package: Package) -> None:
    package.write("runs", "def run(spec, checks):\n    checks.append(spec)\n    return checks\n")
    before = run()
    package.edit("runs", "append(spec)", "append(0)")
    assert run() != before


def test_what_a_module_does_when_imported_counts(package: Package) -> None:
    before = run()
    package.edit("b", "def unused", "REGISTERED = []\nREGISTERED.append(1)\n\ndef unused")
    assert run() != before
    between = run()
    package.edit("b", "append(1)", "append(2)")
    assert run() != between


def test_code_for_type_checkers_and_for_programs_does_not_count(package: Package) -> None:
    before = run()
    package.edit(
        "runs",
        "UNUSED = 4",
        'UNUSED = 4\nif __name__ == "__main__":\n    print(1)\nif TYPE_CHECKING:\n    import os',
    )
    assert run() == before


NETS = """
    from weaklabels.base import register

    def small():
        return helper()

    def helper():
        return 1

    def large():
        return 2

    NETS = {"small": small, "large": lambda: large() + 1}

    def build(name):
        return NETS[name]()

    def always():
        return build("small")

    @register("first")
    class First:
        x = 1

    @register("second")
    class Second:
        x = 2
"""


@dataclass(frozen=True)
class Chosen:
    """A spec that names a network, inside of one of its values."""

    network: tuple = ()


@pytest.fixture
def nets(package: Package, monkeypatch: pytest.MonkeyPatch) -> Package:
    monkeypatch.setattr(definitions, "BY_NAME", {("weaklabels.nets", "NETS")})
    monkeypatch.setattr(definitions, "REGISTER", ("weaklabels.base", "register"))
    package.write("nets", NETS)
    return package


def built_with(*words: str) -> tuple[str, set[str]]:
    """Key of the code of a run that builds a network which its spec names, and what it reaches."""

    def build() -> None: ...

    build.__module__, build.__qualname__ = "weaklabels.nets", "build"
    starts = keys.starts(build, Chosen(words))
    return keys.code_key(starts), {name for _, name in reached(starts)}


def test_of_a_dictionary_the_entries_count_that_the_spec_names(nets: Package) -> None:
    key, found = built_with("small")
    assert found == {"build", "NETS", "NETS[small]", "small", "helper", definitions.Module.EFFECTS}
    nets.edit("nets", "return 2", "return 3")
    nets.edit("nets", "large() + 1", "large() + 2")
    nets.edit("nets", "x = 1", "x = 3")
    assert built_with("small")[0] == key
    nets.edit("nets", '"large": lambda', '"larger": large, "large": lambda')
    assert built_with("small")[0] == key
    nets.edit("nets", "return 1", "return 4")
    assert built_with("small")[0] != key


def test_an_entry_that_is_replaced_counts(nets: Package) -> None:
    key, _ = built_with(("deep", ["large"]))
    nets.edit("nets", "large() + 1", "large() + 2")
    assert built_with(("deep", ["large"]))[0] != key


def test_an_entry_that_the_code_names_counts(nets: Package) -> None:
    assert {"small", "helper"} <= {name for _, name in reached([("weaklabels.nets", "always")])}


def test_what_is_registered_counts_where_its_name_is_said(nets: Package) -> None:
    assert {"First", "register"} <= built_with("first")[1]
    assert not {"First", "Second"} & built_with("small")[1]


def test_an_entry_that_is_gone_changes_the_key(nets: Package) -> None:
    start = ("weaklabels.nets", "NETS[small]")
    before = keys.code_key([start])
    nets.edit("nets", '"small": small, ', "")
    assert keys.code_key([start]) != before


def test_a_dictionary_that_is_not_written_out_is_told(nets: Package) -> None:
    nets.edit("nets", '"small": small', '**{"small": small}')
    with pytest.raises(ValueError, match=r"weaklabels\.nets\.NETS is not written out"):
        built_with("small")


@pytest.mark.parametrize(("module", "name"), sorted(definitions.BY_NAME))
def test_dictionaries_by_name_are_written_out(module: str, name: str) -> None:
    read = definitions.read_module(module)
    assert read is not None
    assert set(read.unit(name).entries) == set(getattr(import_module(module), name))


def test_a_module_as_a_value_counts_as_a_whole(package: Package) -> None:
    package.write("runs", "from weaklabels import b\n\ndef run(spec):\n    return [b]\n")
    assert {"b:unused", "b:Old"} <= named()


def test_a_spec_names_what_reading_does_not_show() -> None:
    from tests.lab.sweep_runs import walk
    from weaklabels import metrics, train

    @dataclass(frozen=True)
    class Named:
        which: int

        def code(self) -> list:
            return [(), (metrics,), (metrics, train.fit)][self.which]

    found = {keys.run_key(walk, Named(which)) for which in range(3)}
    assert len(found) == 3
    assert keys.modules_of(Named(2)) >= {"weaklabels.metrics", "weaklabels.train"}


def test_closure_follows_imports_inside_functions_and_packages(package: Package) -> None:
    assert set(closure(["weaklabels.runs"])) == {
        "weaklabels",
        "weaklabels.b",
        "weaklabels.base",
        "weaklabels.runs",
        "weaklabels.sub",
        "weaklabels.sub.c",
    }


def test_imports_of_a_notebook_cell() -> None:
    source = (
        "import numpy as np\nfrom weaklabels import metrics, __version__\nimport weaklabels.cam"
    )
    assert imports_of(source) == {"weaklabels", "weaklabels.metrics", "weaklabels.cam"}


def test_unknown_module_is_named(package: Package) -> None:
    with pytest.raises(ModuleNotFoundError, match=r"'weaklabels\.zzz' is not a module"):
        closure(["weaklabels.zzz"])


def test_a_key_is_the_same_in_every_version_of_python() -> None:
    """The digest of code that versions write differently: committed keys are compared with it."""
    source = """
def describe(value, *, width=None, **others):
    text = f'{value!r:>{width}} of {others["a"]}'
    return text if value else None

class Thing:
    size: int = -1_000
    pair = (1.5, b'x', ...)
"""
    digest = definitions.Module("weaklabels.zzz", source).digest
    assert digest == "b752302cb70c6e620ae78207a3a723ec26daf011ab733ea25ca85ee738819fdb"


def test_empty_texts_count_but_for_those_in_a_formatted_one() -> None:
    """Early versions of 3.12 end the format of ``f"{x:{n}}"`` with an empty text."""
    plain, early = ast.parse("f'{x:{n}}'"), ast.parse("f'{x:{n}}'")
    spec = early.body[0].value.values[0].format_spec
    spec.values.append(ast.Constant(""))
    assert definitions._text(early) == definitions._text(plain)
    assert definitions._text(ast.parse("['a', '']")) != definitions._text(ast.parse("['a']"))


def test_two_threads_parse_at_the_same_time() -> None:
    """As two notebooks do; one waits in the middle, where the garbage collector runs Python."""

    def wait(*_: object) -> None:
        time.sleep(0.0005)

    source, before = Path(definitions.__file__).read_text(), gc.get_threshold()
    gc.callbacks.append(wait)
    gc.set_threshold(50)
    try:
        with ThreadPoolExecutor(2) as pool:
            trees = list(pool.map(definitions.parse, [source] * 6))
    finally:
        gc.callbacks.remove(wait)
        gc.set_threshold(*before)
    assert {ast.dump(tree) for tree in trees} == {ast.dump(ast.parse(source))}
