"""Every public name of the library has its place on the built page of the API."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import yaml

import weaklabels
from tests.library.test_api_page import DOCUMENTED
from weaklabels import Classifier
from weaklabels.press.html import BOOK


def public(module: str) -> Iterator[str]:
    """Addresses of what a module offers: its ``__all__``, or what is defined in it."""
    offered = import_module(module)
    for name, value in vars(offered).items():
        kind = inspect.isclass(value) or inspect.isfunction(value)
        own = kind and value.__module__ == module and not name.startswith("_")
        if name in getattr(offered, "__all__", [name] if own else []):
            yield f"{module}.{name}"


@pytest.mark.timeout(600)  # the book is built by whichever test comes first
def test_every_public_name_has_an_entry(real_book: Path) -> None:
    page = (real_book / "api.html").read_text("utf-8")
    places = re.findall(r'id="(?:module-)?(weaklabels[^"]*)"', page)
    modules = [f"weaklabels.{name}" for name in DOCUMENTED]
    names = {name for module in modules for name in public(module)}
    assert len(names) > 400
    assert {*modules, *names} - set(places) == set()


@pytest.mark.timeout(600)
def test_names_of_the_front_door_lead_to_the_same_entries(real_book: Path) -> None:
    page = (real_book / "api.html").read_text("utf-8")
    own = [name for name in vars(Classifier) if not re.match("_|set_.*_request", name)]
    names = [*weaklabels.__all__, *(f"Classifier.{name}" for name in own)]
    assert {"read_table", "Classifier.fit"} <= set(names)
    assert [name for name in names if f'id="weaklabels.{name}"' not in page] == []
    link = '<a class="reference internal" href="api.html#weaklabels.Classifier"'
    assert link in (real_book / "methods.html").read_text("utf-8")


def test_a_name_of_the_library_that_leads_nowhere_fails_the_build() -> None:
    config = yaml.safe_load((BOOK / "_config.yml").read_text("utf-8"))["sphinx"]["config"]
    for kind, name in config["nitpick_ignore_regex"]:
        for ours in ("py:class", "py:meth", "py:obj"):
            assert not (re.fullmatch(kind, ours) and re.fullmatch(name, "weaklabels.Classifier"))
