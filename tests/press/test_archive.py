"""The archive: what it holds, damage that is found, a recomputation that differs."""

import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager as Kernels
from pathlib import Path

import pytest

from tests.press.toy_book import CLAIM, ToyBook
from weaklabels.press import archive
from weaklabels.press.runner.options import UsageError


@pytest.fixture(scope="module")
def toy(
    tmp_path_factory: pytest.TempPathFactory, warm_kernels: Callable[[], Kernels]
) -> Iterator[ToyBook]:
    """A reproduced book of one chapter."""
    root = tmp_path_factory.mktemp("toy")
    with pytest.MonkeyPatch.context() as patch, warm_kernels():
        patch.setenv("PYTHONPATH", str(root))
        toy = ToyBook(root)
        toy.chapter("alone", "print(1 + 1)", CLAIM.format(slug="alone"))
        toy.reproduce()
        yield toy


@pytest.fixture
def packed(toy: ToyBook, tmp_path: Path) -> Path:
    return archive.pack(toy.places.build / "smoke", tmp_path / "book.zip")


def rewritten(path: Path, name: str, content: bytes | None) -> Path:
    """The archive with one file replaced, or left out."""
    target = path.with_name("other.zip")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.namelist():
            if entry != name:
                new.writestr(entry, old.read(entry))
            elif content is not None:
                new.writestr(entry, content)
    return target


def test_it_holds_everything_and_its_checksums(toy, packed):
    with zipfile.ZipFile(packed) as held:
        names = set(held.namelist())
    assert {"html/index.html", "notebooks/alone.ipynb", "claims/alone.json"} < names
    assert {"state/alone.json", "SHA256SUMS"} < names
    assert archive.damaged(packed) == []
    first = packed.read_bytes()
    assert archive.pack(toy.places.build / "smoke", packed).read_bytes() == first


@pytest.mark.parametrize("content", [b"[]", None])
def test_damage_is_found(toy, packed, capsys, content):
    path = rewritten(packed, "claims/alone.json", content)
    assert archive.damaged(path) == ["claims/alone.json"]
    assert archive.verify(path, toy.places, toy._build) == 1
    assert "damaged: claims/alone.json" in capsys.readouterr().out


def test_what_is_no_archive_is_refused(tmp_path):
    with pytest.raises(UsageError, match="call `make reproduce` first"):
        archive.pack(tmp_path / "build" / "smoke", tmp_path / "book.zip")
    with pytest.raises(UsageError, match="does not exist"):
        archive.damaged(tmp_path / "book.zip")
    (tmp_path / "book.zip").write_text("hello")
    with pytest.raises(UsageError, match="not an archive"):
        archive.damaged(tmp_path / "book.zip")


def test_an_archive_of_another_book_is_refused(toy, packed, tmp_path):
    other = ToyBook(tmp_path / "other")
    other.chapter("other", "print(1)")
    with pytest.raises(UsageError, match="holds alone, which this book does not have"):
        archive.verify(packed, other.places, toy._build)


def test_what_is_made_again_is_compared(toy, packed, capsys):
    before = toy.executed()
    assert archive.verify(packed, toy.places, toy._build) == 0
    assert "is the same" in capsys.readouterr().out
    assert toy.executed() == before
    toy.chapter("alone", "print(1 + 2)", CLAIM.format(slug="alone").replace("holds", "fails"))
    assert archive.verify(packed, toy.places, toy._build) == 1
    told = capsys.readouterr().out
    assert "alone.ipynb: output of code cell 2 differs" in told
    assert "alone.json: claim 1 differs" in told
    assert [path.name for path in packed.parent.iterdir()] == ["book.zip"]


def test_cells_that_came_or_went_are_noticed(toy, packed, tmp_path):
    held = json.loads(toy.executed()["alone"])
    held["cells"].append(held["cells"][-1])
    content = json.dumps(held).encode()
    longer = rewritten(packed, "notebooks/alone.ipynb", content)
    told = archive.differences(longer, toy.places.build / "smoke")
    assert told == ["alone.ipynb: 4 code cells, and now 3"]


def test_data_are_looked_for_where_they_were_or_where_the_user_says(toy, packed, tmp_path):
    with zipfile.ZipFile(packed) as zipped:
        state = json.loads(zipped.read("state/alone.json"))
    state["fingerprints"]["parameters"]["data_root"] = str(tmp_path / "gone")
    moved = rewritten(packed, "state/alone.json", json.dumps(state).encode())
    with pytest.raises(UsageError, match="name their folder with DATA"):
        archive._options_of(moved, toy.places, None)
    assert archive._options_of(moved, toy.places, str(tmp_path)).data_root == str(tmp_path)
    (tmp_path / "gone").mkdir()
    assert archive._options_of(moved, toy.places, None).data_root == str(tmp_path / "gone")
    assert archive._options_of(packed, toy.places, None).data_root == "data"
