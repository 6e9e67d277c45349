"""How tests are shared between processes (``pytest -n 2``), where those of a GPU compute, and
kernels that start at once."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

MARKED = re.compile(r"pytest\.mark\.gpu\b")


class FilesAndNotebooks(LoadScopeScheduling):
    """A file's tests stay together, and those of the book, which share what is slow to build;
    notebooks go each on its own, last."""

    def _split_scope(self, nodeid: str) -> str:
        file = PurePosixPath(nodeid.split("::")[0])
        if file.name == "test_notebooks.py":
            return nodeid
        return "book" if file.parent.name == "book" else str(file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FilesAndNotebooks:
    return FilesAndNotebooks(config, log)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """For `make test DEVICE=...` only files with marked tests are imported: a machine with a GPU
    may lack what the others, or the ``conftest.py`` of their folder, import."""
    if not os.environ.get("WEAKLABELS_TEST_DEVICE"):
        return None
    folder = collection_path.is_dir()
    files = collection_path.rglob("test_*.py") if folder else [collection_path]
    sources = (file.read_text() for file in files if file.suffix == ".py")
    return None if any(map(MARKED.search, sources)) else True


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as ``pip install`` gets it, built from what a release holds."""
    root, folder = Path(__file__).parents[1], tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, folder)
    shutil.copytree(root / "src", folder / "src", ignore=shutil.ignore_patterns("*.egg-info"))
    build = "from setuptools.build_meta import build_wheel; build_wheel('.')"
    subprocess.run([sys.executable, "-c", build], cwd=folder, capture_output=True, check=True)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def gpu() -> str:
    """The device of the tests marked ``gpu``: that of `make test DEVICE=...`, else CUDA."""
    import torch

    device = os.environ.get("WEAKLABELS_TEST_DEVICE", "")
    if not device and not torch.cuda.is_available():
        pytest.skip("this needs an NVIDIA GPU, and PyTorch sees none")
    return device or "cuda"


@pytest.fixture
def pretended() -> Iterator[str]:
    """A device on which a test notices that code mixes devices (see ``tests.pretended_gpu``)."""
    from tests.pretended_gpu import pretended_gpu

    with pretended_gpu() as device:
        yield device


@pytest.fixture(scope="session")
def warm_kernels(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[], AbstractContextManager[None]]:
    """While this is entered kernels have imported what chapters import."""
    from tests.warm_kernels import forked, warm_up

    warm_up(tmp_path_factory.mktemp("settings"))
    return forked
