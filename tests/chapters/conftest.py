"""Kernels for the notebooks of the chapters, and figures that do not outlive their test."""

import sys
from collections.abc import Callable, Iterator
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


@pytest.fixture(autouse=True)
def closed_figures() -> Iterator[None]:
    """Pyplot keeps every figure that nobody closes."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
