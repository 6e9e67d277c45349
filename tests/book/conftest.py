"""Two books, built and visited once for all tests of this folder.

The toy book has one of everything; the real one is that of the committed record. Tests of the real
one have the mark ``book``: `make test-book` runs them, `make test` does not.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup

from tests.book import toy
from tests.book.browsing import CHROMIUM, Site, launched, served
from weaklabels.press.html import build
from weaklabels.press.html.repository import SETTING
from weaklabels.press.html.staging import stage

ADDRESS = "https://github.com/somebody/weak-labels"


@pytest.hookimpl(tryfirst=True)  # before those without a mark are left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if {"real_book", "real_site"}.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("book")


@cache
def parsed(page: Path) -> BeautifulSoup:
    """A page of a book, parsed once for all tests: what is to be changed is copied first."""
    return BeautifulSoup(page.read_bytes(), "html.parser")


@dataclass(frozen=True)
class ToyBook:
    """Where the toy book and its build are."""

    book: Path
    build: Path

    @property
    def html(self) -> Path:
        return self.build / "smoke" / "html"


@pytest.fixture(scope="session")
def toy_book(tmp_path_factory: pytest.TempPathFactory) -> ToyBook:
    folder = tmp_path_factory.mktemp("toy")
    made = ToyBook(folder / "book", folder / "build")
    made.book.mkdir()
    toy.write(made.book, made.build / "smoke")
    build("smoke", made.build, made.book)
    return made


@pytest.fixture(scope="session")
def addressed(toy_book: ToyBook, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages that Jupyter Book's own command makes of the toy book, told its repository."""
    folder = tmp_path_factory.mktemp("addressed")
    shutil.copytree(toy_book.build / "smoke", folder / "smoke")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(SETTING, ADDRESS)
        source = stage("smoke", folder / "smoke", toy_book.book)
    assert not (source / "conf.py").exists(), "that of our own build"
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", ".", "-q", "-n", "-W"]
    command += ["--keep-going", "--path-output", str(folder)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "_build" / "html"


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if not Path(CHROMIUM).exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{CHROMIUM} is missing: in CI the browser tests must run")
        pytest.skip(f"{CHROMIUM} is missing: install Debian's chromium to run the browser tests")
    with launched() as chromium:
        yield chromium


@pytest.fixture(scope="session")
def real_book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("record", tmp_path_factory.mktemp("real")).parent


@pytest.fixture(scope="session")
def toy_site(toy_book: ToyBook, browser: Any) -> Iterator[Site]:
    with served(toy_book.html) as made:
        yield made


@pytest.fixture(scope="session")
def real_site(real_book: Path, browser: Any) -> Iterator[Site]:
    with served(real_book) as made:
        yield made


@pytest.fixture(params=["toy_site", pytest.param("real_site", marks=pytest.mark.book)])
def site(request: pytest.FixtureRequest) -> Site:
    return request.getfixturevalue(request.param)
