"""What a Python lacks that commands take as it is (`make ... SYNC=no`)."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from weaklabels.press import needs

ROOT = Path(__file__).parents[2]


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Modules that are not to be found."""
    names: set[str] = set()
    monkeypatch.setattr(needs, "find_spec", lambda name: None if name in names else find_spec(name))
    return names


@pytest.mark.parametrize("command", needs.COMMANDS)
def test_the_environment_lacks_nothing(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT)  # as for a program that is started there
    assert needs.main([command]) == 0
    assert capsys.readouterr() == ("", "")


def test_what_lacks_is_told_in_one_sentence(
    absent: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    absent |= {"IPython", "PIL", "papermill", "sphinx", "pytest_timeout"}
    assert needs.main(["paper-check"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(
        f"{sys.executable} lacks ipython, pillow, which `make paper-check` needs"
    )
    assert said.count("\n") == 1
    assert needs.lacking("paper-plan") == []
    assert "papermill" in needs.lacking("env")
    assert "pytest-timeout" in needs.lacking("test")


def test_another_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert needs.main(["lint"]) == 2
    assert capsys.readouterr().err.startswith("make lint SYNC=no is not possible: expected paper-")


def test_only_what_is_executed_counts() -> None:
    source = """
from typing import TYPE_CHECKING
import a.b as c
from d import e
if TYPE_CHECKING:
    import f
try:
    import g
except ImportError:
    pass
def later():
    import h
class Now:
    import i
"""
    found = {"typing", "typing.TYPE_CHECKING", "a", "a.b", "d", "d.e", "g", "i"}
    assert set(needs._imported(source)) == found


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A Python with its standard library alone."""
    path = tmp_path / "bare"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    path.chmod(0o755)
    return path


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    # Without what `make test` tells the makes that it starts.
    told = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFL"))
    }
    return subprocess.run(["make", *arguments], cwd=ROOT, env=told, capture_output=True, text=True)


def test_a_python_without_packages_is_told_what_it_lacks(bare: Path) -> None:
    done = make("paper-check", "SYNC=no", f"PYTHON={bare}")
    assert done.returncode == 2
    sentence, of_make = done.stderr.splitlines()
    assert "torch" in sentence
    assert "which `make paper-check` needs" in sentence
    assert of_make.startswith("make: ***")
    assert done.stdout == ""


@pytest.mark.parametrize("command", ["paper-check", "paper-plan", "record", "test"])
def test_nothing_is_synced(command: str) -> None:
    done = make("-n", command, "SYNC=no", "PYTHON=python9", "DEVICE=cuda")
    first, *others = done.stdout.splitlines()
    assert first == f"python9 -B -m weaklabels.press.needs {command}"
    assert "python9 -m" in others[0]
    assert not any(word in done.stdout for word in (".venv", "uv", "npm"))


def test_it_is_no_or_nothing() -> None:
    done = make("-n", "paper-check", "SYNC=yes")
    assert done.returncode == 2
    assert "SYNC=yes is unknown: expected no" in done.stderr
