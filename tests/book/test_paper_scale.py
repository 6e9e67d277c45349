"""What runs at the papers' settings gave, at the end of a chapter that has such a record."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.press.toy_paper import CELLS, repository
from weaklabels.lab.store import Record
from weaklabels.press.html.chapters import Shown
from weaklabels.press.html.notebooks import staged
from weaklabels.press.paper import shorten, work

TABLE = (
    "nets = {n: replace(base, network=f'resnet{n}') for n in (18, 34)}\n"
    "found = chapter.repeat(run, {**nets, 'CC': replace(base, method='CC')})"
)


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """A repository whose chapter computes its tables at no cost; runs of CC have no number."""

    def run(self, function, specs):
        found = []
        for spec in specs:
            if spec.dataset == "mnist":
                raise FileNotFoundError("mnist is missing")
            number = np.nan if spec.method == "CC" else 50.0 + spec.seed
            found.append(Record(spec, {"test_accuracy": np.array(number)}, {"device": "H200"}))
        return found

    monkeypatch.setattr("weaklabels.press.chapter.Chapter.run", run, raising=False)
    monkeypatch.setattr(shorten, "weights_at_hand", lambda name: name == "resnet34")
    repository(tmp_path, monkeypatch, CELLS[:1])

    def compute(*cells):
        repository(tmp_path, monkeypatch, [*CELLS[:3], *cells])
        tables = work.Tables("toy", "cpu", "make record PROFILE=paper CHAPTERS=toy")
        work.compute(tables, 2, str(tmp_path), workers=1)
        return shown(tmp_path)

    return compute


def shown(root):
    """The last cell of the staged chapter."""
    path = root / "book" / "chapters" / "toy" / "toy.ipynb"
    return "".join(staged(Shown("toy", path, root / "build"), "quick")["cells"][-1]["source"])


def test_without_a_record_there_is_nothing(recorded):
    assert "papers' settings" not in recorded("found = 1")


def test_tables_say_their_scores_and_whose_weights_they_had(recorded):
    text = recorded(TABLE, "chapter.repeat(run, {1: base, 2: replace(base, dataset='mnist')})")
    assert text.startswith("## At the papers' settings\n")
    first, second = text.split("**Tables.** ")[1:]
    assert "**random weights**, as ImageNet's were not at hand, of resnet18;" in first
    assert "**carried weights**, those of ImageNet, of resnet34." in first
    assert "2 seeds on H200" in first
    assert "`make record PROFILE=paper CHAPTERS=toy`" in first
    cells = [line.strip("*- ") for line in first.splitlines() if line.lstrip("* ").startswith("-")]
    assert cells == ["", "test\\_accuracy", "18", "50.5 ± 0.71", "34", "50.5 ± 0.71", "CC", "–"]
    assert "weights" not in second
    assert "left out, as their data were not at hand: rows of mnist." in second


def test_what_is_more_than_a_number_stays_in_the_record(tmp_path, recorded):
    recorded(TABLE)
    path = tmp_path / "book" / "chapters" / "toy" / "recorded" / "paper.json"
    content = json.loads(path.read_text())
    content["tables"][0]["rows"]["18"]["curve"] = [[1.0, 2.0], [3.0, 4.0]]
    path.write_text(json.dumps(content))
    assert "curve" not in shown(tmp_path)
