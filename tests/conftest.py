"""How tests are shared between processes (``pytest -n 2``), and where those of a GPU compute."""

import os
from pathlib import PurePosixPath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling


class FilesAndNotebooks(LoadScopeScheduling):
    """A file's tests stay together, and those of the book, which share what is slow to build;
    notebooks go each on its own, last."""

    def _split_scope(self, nodeid: str) -> str:
        file = PurePosixPath(nodeid.split("::")[0])
        return {"notebooks": nodeid, "book": "book"}.get(file.parent.name, str(file))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FilesAndNotebooks:
    return FilesAndNotebooks(config, log)


@pytest.fixture(scope="session")
def gpu() -> str:
    """The device of the tests marked ``gpu``: that of `make test DEVICE=...`, else CUDA."""
    import torch

    device = os.environ.get("WEAKLABELS_TEST_DEVICE", "")
    if not device and not torch.cuda.is_available():
        pytest.skip("this needs an NVIDIA GPU, and PyTorch sees none")
    return device or "cuda"
