"""A notebook's bytes depend on nothing that belongs to the user who executes it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
import pytest

from weaklabels.press.runner import execute as module
from weaklabels.press.runner.execute import execute

CELLS = (
    "import locale, sys\n"
    "import matplotlib.pyplot as plt\n"
    "print(sys.executable, locale.setlocale(locale.LC_ALL, ''), sys.stdout.encoding.lower())",
    "print(plt.rcParams['lines.linewidth'])\nfigure = plt.figure(figsize=(1, 1))\n"
    "_ = plt.plot([1, 2])",
    "print(__debug__, sys.warnoptions)",
    "'shown'",
)


def executed(folder: Path, **variables: str) -> bytes:
    """The bytes that executing a small notebook gives."""
    source, target = folder / "tiny.ipynb", folder / "made" / "tiny.ipynb"
    cells = [nbformat.v4.new_code_cell(cell, id=f"c{i}") for i, cell in enumerate(CELLS)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), source)
    with TemporaryDirectory() as settings:
        execute(source, target, {}, variables, Path(settings), {"disable": True}, lambda bar: None)
    return target.read_bytes()


def hostile(home: Path) -> dict[str, str]:
    """Variables of a user whose settings change whatever reads them."""
    for path in (home / ".config" / "matplotlib", home / "elsewhere"):
        path.mkdir(parents=True)
        (path / "matplotlibrc").write_text("lines.linewidth: 17\n")
    for path in (home / ".ipython", home / "ipython"):
        startup = path / "profile_default" / "startup"
        startup.mkdir(parents=True)
        (startup / "00.py").write_text("print('good morning')\n")
        (startup.parent / "ipython_config.py").write_text(
            "get_config().InteractiveShell.ast_node_interactivity = 'none'\n"
        )
    for path in (home / ".local" / "share" / "jupyter", home / "jupyter"):
        kernel = path / "kernels" / "python3"
        kernel.mkdir(parents=True)
        other = {"argv": ["false"], "display_name": "another Python", "language": "python"}
        (kernel / "kernel.json").write_text(json.dumps(other))
    return {
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_PATH": str(home / "jupyter"),
        "JUPYTER_PREFER_ENV_PATH": "0",
        "LANG": "de_DE.UTF-8",
        "LC_ALL": "POSIX",
        "MATPLOTLIBRC": str(home / "elsewhere"),
        "PYTHONIOENCODING": "latin-1",
        "PYTHONOPTIMIZE": "1",
        "PYTHONWARNINGS": "error",
    }


def test_settings_of_the_user_change_no_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = executed(tmp_path)
    outputs = [cell.outputs for cell in nbformat.reads(expected.decode(), 4).cells]
    assert outputs[0][0].text == f"{sys.executable} C.UTF-8 utf-8\n"
    assert outputs[1][0].text == "1.5\n"
    assert "image/png" in outputs[1][1].data
    for name, value in hostile(tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    assert executed(tmp_path) == expected


def test_a_kernel_is_told_only_what_the_runner_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEAKLABELS_GPUS", "7")
    monkeypatch.setattr(
        f"{__name__}.CELLS",
        ("import os; print(sorted(k for k in os.environ if k.startswith('WEAKLABELS')))",),
    )
    text = executed(tmp_path, WEAKLABELS_WORKERS="1").decode()
    assert "['WEAKLABELS_WORKERS']" in text


def test_a_kernel_that_dies_before_it_answers_is_started_again(tmp_path, monkeypatch):
    marker = tmp_path / "started"
    first_dies = (
        "import os, pathlib, sys; marker = pathlib.Path(sys.argv[1])\n"
        "if marker.exists(): os.execv(sys.executable, [sys.executable, *sys.argv[2:]])\n"
        "marker.touch(); sys.exit(1)"
    )
    kernel = module.get_kernel_dict()
    argv = [sys.executable, "-c", first_dies, str(marker), *kernel["argv"][1:]]
    monkeypatch.setattr(module, "get_kernel_dict", lambda: kernel | {"argv": argv})
    assert b"shown" in executed(tmp_path)
    assert marker.exists()
