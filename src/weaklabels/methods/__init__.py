"""Learning methods, one file per paper. ``create("LL-R", rate=0.02)`` makes one by its name."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from weaklabels.methods.base import REGISTRY, Context, Method

__all__ = ["Context", "Method", "create", "get", "names"]


def names() -> list[str]:
    """Names of all methods, sorted."""
    _import_all()
    return sorted(REGISTRY)


def get(name: str) -> type[Method]:
    """The class behind a name.

    Raises:
        ValueError: if no method has that name.
    """
    _import_all()
    if name not in REGISTRY:
        raise ValueError(f"unknown method {name!r}: expected one of {', '.join(names())}")
    return REGISTRY[name]


def create(name: str, **options: Any) -> Method:
    """A fresh method; ``options`` go to its constructor."""
    return get(name)(**options)


@cache
def _import_all() -> None:
    for module in iter_modules(__path__, prefix=f"{__name__}."):
        import_module(module.name)
