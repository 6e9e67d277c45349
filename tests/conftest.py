"""How the tests are shared between processes (``pytest -n 2 --dist loadgroup``)."""

import pytest


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests together, as they share fixtures; notebooks go each on its own."""
    for item in items:
        if "notebooks" not in item.path.parts:
            item.add_marker(pytest.mark.xdist_group(str(item.path)))
