"""The data scripts, which import each other from their folder, and a server to fetch from."""

import pytest

from tests.library.fetching import SCRIPTS, Server


@pytest.fixture
def fetch(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    import download
    import fetch

    monkeypatch.setattr(download, "WAIT", 0.001)
    return fetch


@pytest.fixture
def server():
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()
