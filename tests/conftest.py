"""How the tests are shared between processes (``pytest -n 2``)."""

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
