"""The toy book, built once for all tests of this folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.book import toy
from weaklabels.press.html import build


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
