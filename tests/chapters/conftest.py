"""Kernels for the notebooks of the chapters."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from tests.chapters.warm_kernels import forked, warm_up


@pytest.fixture(scope="session")
def warm_kernels(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[], AbstractContextManager[None]]:
    """While this is entered kernels have imported what chapters import."""
    warm_up(tmp_path_factory.mktemp("settings"))
    return forked
