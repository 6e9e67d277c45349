"""`make test DEVICE=cuda` on a machine that has PyTorch and little else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ABSENT = [
    *("IPython", "bs4", "docutils", "ipykernel", "jupyter_client", "nbclient", "nbformat"),
    *("papermill", "playwright", "pybtex", "pypdf", "pytorch_grad_cam", "sphinx"),
]
"""What builds and tests the book, and computes nothing."""

COLLECT = f"""
import sys

import pytest

class Absent:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in {ABSENT}:
            raise ModuleNotFoundError(f"No module named {{name!r}}")

sys.meta_path.insert(0, Absent())
sys.exit(pytest.main(["--collect-only", "-q", "-m", "gpu", "-p", "no:cacheprovider"]))
"""


@pytest.mark.timeout(600)
def test_tests_of_a_gpu_are_collected_without_what_the_book_needs():
    done = subprocess.run(
        [sys.executable, "-c", COLLECT],
        cwd=ROOT,
        env=os.environ | {"WEAKLABELS_TEST_DEVICE": "cuda"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    collected = {line.partition("::")[0] for line in done.stdout.splitlines() if "::" in line}
    mark = ".".join(("pytest", "mark", "gpu"))  # this file has none
    marked = {path for path in ROOT.glob("tests/*/test_*.py") if mark in path.read_text()}
    assert collected == {str(path.relative_to(ROOT)) for path in marked}
