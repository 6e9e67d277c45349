"""Toy books."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from weaklabels.lab import definitions

if TYPE_CHECKING:  # a machine with a GPU may lack what executes notebooks
    from tests.press.toy_book import ToyBook


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ToyBook:
    """A book without chapters, whose package kernels import."""
    from tests.press.toy_book import ToyBook

    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(definitions, "ROOTS", {"weaklabels": tmp_path / "weaklabels"})
    return ToyBook(tmp_path)


@pytest.fixture
def toy(
    empty: ToyBook, warm_kernels: Callable[[], AbstractContextManager[None]]
) -> Iterator[ToyBook]:
    """Two chapters, one of which uses a module, and a third that reads the others' claims."""
    from tests.press.toy_book import CLAIM

    toy = empty
    toy.module("shared", "def double(x):\n    return 2 * x\n")
    toy.module("dynamic", "VALUE = 1\n")
    toy.chapter("alone", "print(1 + 1)", CLAIM.format(slug="alone"))
    toy.chapter(
        "sharing",
        "from weaklabels.shared import double",
        "import os\nwith open(os.environ['WEAKLABELS_USED'], 'a') as f:\n"
        "    _ = f.write('weaklabels.dynamic\\n')",
        "print(profile, seeds)",
    )
    toy.chapter(
        "board",
        "import os\nfrom pathlib import Path",
        "folder = Path(os.environ['WEAKLABELS_BUILD'], profile, 'claims')\n"
        "print(sorted(p.name for p in folder.glob('*.json')))",
        after="chapters",
    )
    with warm_kernels():
        yield toy


@pytest.fixture(scope="session")
def gpu(gpu: str) -> str:
    """The device of the tests marked ``gpu``. What the press runs measures in double precision."""
    if gpu.startswith("mps"):
        pytest.skip("MPS has no double precision")
    return gpu
