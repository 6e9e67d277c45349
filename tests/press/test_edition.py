"""What is committed of an execution with the profile ``record``, and what it is good for."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager as Kernels
from dataclasses import replace
from pathlib import Path

import chapters
import matplotlib.pyplot as plt
import nbformat
import pytest

from tests.press.toy_book import CLAIM, ToyBook
from weaklabels import __version__
from weaklabels.press import record
from weaklabels.press.figure_data import numbers
from weaklabels.press.html import pages
from weaklabels.press.html.chapters import Shown
from weaklabels.press.runner.edition import Edition
from weaklabels.press.runner.files import only_one
from weaklabels.press.runner.notebooks import read_notebook
from weaklabels.press.runner.reproduction import reproduce
from weaklabels.press.stale import stale

STUDY = "print('study', profile, seeds)"
MAIN = "print('main', profile, seeds)"
FIGURE = """
from matplotlib import pyplot as plt
from weaklabels.press.chapter import Chapter
chapter = Chapter("toy", profile, device, seeds, data_root)
"""
RUN = """
from pathlib import Path
from weaklabels.lab import multilabel, sweep
from weaklabels.lab.spec import options
small = options(train=8, val=4, test=4)
spec = multilabel.Spec("AN", data_options=small, annotation="single positive", epochs=1)
sweep.run(multilabel.run, [spec], sweep.Store(Path(os.environ["WEAKLABELS_BUILD"])))
"""
DRAWN = "plt.plot([1, 2], [3, 4]);"


@pytest.fixture
def toy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm_kernels: Callable[[], Kernels]
) -> Iterator[ToyBook]:
    """A book with one chapter, whose third cell is a study."""
    book = ToyBook(tmp_path)
    book.chapter("toy", CLAIM.format(slug="toy"), STUDY, MAIN)
    edit(book, STUDY)
    monkeypatch.setattr(chapters, "__path__", [str(book.room("toy").parent)])
    monkeypatch.setenv("WEAKLABELS_BUILD", str(tmp_path / "build"))
    with warm_kernels():
        yield book
    for name in [name for name in sys.modules if name.startswith("chapters.toy")]:
        del sys.modules[name]


def edit(book: ToyBook, study: str) -> None:
    """Write the chapter with another study."""
    path = book.room("toy") / "toy.ipynb"
    notebook = nbformat.read(path, 4)
    notebook.cells[2].source = study
    notebook.cells[2].metadata["tags"] = ["study"]
    nbformat.write(notebook, path)


def make(book: ToyBook) -> int:
    return record.main(["--chapters=toy", "--workers=1", "--seeds=4"], book.root)


def texts(notebook: dict) -> list[str]:
    return [
        "".join(output.get("text", ""))
        for cell in notebook["cells"]
        for output in cell.get("outputs", [])
        if "text" in output
    ]


def test_the_edition_is_written_with_its_provenance(toy: ToyBook) -> None:
    assert make(toy) == 0
    folder = toy.room("toy") / "recorded"
    names = ["claims.json", "edition.ipynb", "figures.json", "provenance.json"]
    assert sorted(path.name for path in folder.iterdir()) == names
    found = Edition(folder)
    assert found.claims == [{"id": "1", "outcome": "holds"}]
    assert found.provenance["what"].endswith("the 4 seeds 100 to 103")
    assert found.provenance["command"] == "make record CHAPTERS=toy NAME=claims SEEDS=4"
    assert found.provenance["keys"]["code"] == []
    assert found.provenance["versions"]["weaklabels"] == __version__
    shown = [Shown("toy", toy.room("toy") / "toy.ipynb", toy.root, from_record=True)]
    assert "newer" not in pages.provenance(shown)
    refreshed = {"cells executed": 7, "start": "2026-11-29T19:42:00+00:00", "commit": "0123456"}
    path = folder / "provenance.json"
    path.write_text(json.dumps(found.provenance | {"refreshed": refreshed}))
    shown = [Shown("toy", toy.room("toy") / "toy.ipynb", toy.root, from_record=True)]
    assert "(7 cells, 2026" in pages.provenance(shown).partition("newer")[2]
    assert stale(folder) == {}
    assert str(toy.root) not in (folder / "edition.ipynb").read_text() + json.dumps(
        found.provenance
    )
    assert texts(found.notebook or {}) == ["study record 4\n", "main record 4\n"]


def test_the_code_of_runs_is_noted_with_blanks_in_its_names(toy: ToyBook) -> None:
    toy.chapter("toy", CLAIM.format(slug="toy"), RUN)
    assert make(toy) == 0
    code = Edition(toy.room("toy") / "recorded").provenance["keys"]["code"]
    assert "weaklabels.lab.multilabel:ANNOTATIONS[single positive]" in code
    assert {name.partition(":")[2] for name in code} >= {"run", "Spec", "BUILDERS[patch_net]"}


def test_a_check_shows_the_studies_of_the_record_and_runs_the_rest(toy: ToyBook) -> None:
    make(toy)
    quick = replace(toy.options, profile="quick")
    assert reproduce(quick, toy.places, toy._build) == 0
    path = toy.places.build / "quick" / "notebooks" / "toy.ipynb"
    assert texts(read_notebook(path)) == ["study record 4\n", "main quick 3\n"]
    nbformat.validate(nbformat.read(path, 4))
    edit(toy, f"{STUDY}  # edited: the record is of another chapter")
    assert reproduce(quick, toy.places, toy._build) == 0
    assert texts(read_notebook(path)) == ["main quick 3\n"]


def test_a_study_without_a_record_keeps_the_place_of_its_figure(toy: ToyBook) -> None:
    source = read_notebook(toy.room("toy") / "toy.ipynb")
    source["cells"][2]["metadata"]["mystnb"] = {"figure": {"name": "fig-x"}}
    [cell] = Edition(toy.room("toy") / "recorded").studies_in(source).values()
    assert "has not been recorded yet" in cell["outputs"][0]["data"]["text/html"]


def test_prose_may_change_under_a_record_and_code_may_not(toy: ToyBook) -> None:
    make(toy)
    edition = Edition(toy.room("toy") / "recorded")
    source = read_notebook(toy.room("toy") / "toy.ipynb")
    source["cells"].insert(0, {"cell_type": "markdown", "id": "new", "metadata": {}, "source": "x"})
    shown = edition.outputs_in(source)
    assert shown is not None
    assert texts(shown) == ["study record 4\n", "main record 4\n"]
    source["cells"][0]["source"], source["cells"][1]["source"] = "x", "seeds = 7"
    assert edition.outputs_in(source) is not None, "defaults of parameters: the record had others"
    source["cells"][-1]["source"] = "1 + 1"
    assert edition.outputs_in(source) is None


def test_a_cell_that_fails_leaves_no_edition(
    toy: ToyBook, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(toy, "1 / 0")
    assert make(toy) == 1
    assert "ZeroDivisionError: division by zero, in this cell:\n1 / 0" in capsys.readouterr().err
    assert not (toy.room("toy") / "recorded").exists()


def test_the_figures_of_an_edition_lie_beside_it_as_numbers(toy: ToyBook) -> None:
    toy.chapter("toy", FIGURE, STUDY, DRAWN)
    path = toy.room("toy") / "toy.ipynb"
    notebook = nbformat.read(path, 4)
    notebook.cells[3].metadata["mystnb"] = {"figure": {"name": "fig-toy-line"}}
    nbformat.write(notebook, path)
    assert make(toy) == 0
    folder = toy.room("toy") / "recorded"
    (panel,) = json.loads((folder / "figures.json").read_text())["fig-toy-line"]
    assert panel["lines"] == [{"label": "", "x": [1, 2], "y": [3, 4]}]
    shown = (Edition(folder).notebook or {})["cells"][-1]["outputs"]
    assert [sorted(output["data"]) for output in shown] == [["image/png", "text/plain"]]


def test_two_commands_do_not_execute_notebooks_of_one_profile(
    toy: ToyBook, capsys: pytest.CaptureFixture[str]
) -> None:
    with only_one(toy.places.build / "record"):
        assert make(toy) == 2
    assert "Another command executes notebooks in" in capsys.readouterr().err
    assert not (toy.room("toy") / "recorded").exists()


def test_the_numbers_of_a_figure_are_read_off_its_axes() -> None:
    figure, (left, right, image) = plt.subplots(1, 3)
    left.plot([1, 2], [0.123456789, float("nan")], label="a")
    left.set(title="t", xlabel="epoch", ylabel="mAP (%)")
    right.bar(["x", "y"], [3, 4], label="b")
    right.scatter([1.0], [2.0], label="c")
    right.fill_between([0, 1], [0, 0], [1, 1], label="d")
    image.imshow([[0, 1]])
    first, second = numbers(figure)
    plt.close(figure)
    assert first == {
        "title": "t",
        "x": "epoch",
        "y": "mAP (%)",
        "lines": [{"label": "a", "x": [1, 2], "y": [0.12346, None]}],
    }
    assert second["bars"] == [{"label": "b", "x": [0, 1], "y": [3, 4]}]
    assert second["points"] == [{"label": "c", "x": [1], "y": [2]}]
    assert second["bands"][0]["label"] == "d"
    json.dumps([first, second], allow_nan=False)
