"""The page of all methods, and the lines of the chapters' boxes that use them."""

import re

import pytest

from weaklabels import Classifier, methods
from weaklabels.press.html import BOOK
from weaklabels.press.html.method_list import method_list
from weaklabels.press.html.papers import entries_of
from weaklabels.press.runner.notebooks import chapters_of

CHAPTERS = {chapter.slug for chapter in chapters_of(BOOK)}
PAGE = method_list(CHAPTERS, entries_of(BOOK))
ROWS = {
    name: row
    for row in PAGE.partition("## Beside")[0].split("\n* - ")[1:]
    for name in re.findall(r"^`([^`]+)`", row)
}


@pytest.mark.parametrize("name", methods.names())
def test_every_registered_method_has_a_row_with_its_chapter(name: str) -> None:
    [slug] = re.findall(r"\{doc\}`(\w+)`", ROWS[name])
    assert slug in CHAPTERS


def test_only_registered_methods_have_a_row() -> None:
    assert list(ROWS) == methods.names()


def test_what_is_no_classifier_is_listed_with_its_functions() -> None:
    beside = PAGE.partition("## Beside")[2]
    for name in ("self_crowd.pseudo_annotations", "all_e.enhance", "isgd_pinn.Implicit"):
        assert f"{{py:obj}}`~weaklabels.methods.{name}`" in beside
    assert "{doc}`stability_attacks`" in beside
    assert method_list({"bldr"}, entries_of(BOOK)).count("* - ") == len(methods.names()) + 1


@pytest.mark.parametrize("kind", ["missing", "candidates", "noisy", "partly labelled", "crowd"])
def test_a_method_stands_under_its_kinds_of_labels(kind: str) -> None:
    cells = {name: row.split("\n  - ")[2].strip().split(", ") for name, row in ROWS.items()}
    assert [name for name, kinds in cells.items() if kind in kinds] == Classifier.methods(kind)


def test_options_have_their_defaults_also_those_of_the_class_below() -> None:
    assert "`alpha` [no default]{.small}, `epsilon=1e-05`" in ROWS["EM"]
    assert "`threshold=0.6`, `warm_up=" in ROWS["CDCR"]
    assert "`local_global=None`" in ROWS["PU-MLC"]
    assert "`gamma=0.55`" in ROWS["PU-MLC"]
    assert not re.search("`(self|args|kwargs)[`=]", "".join(ROWS.values()))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("slug", entries_of(BOOK))
def test_the_lines_of_a_box_run_as_they_stand(slug: str) -> None:
    lines = entries_of(BOOK)[slug].library
    assert "weaklabels" in lines
    assert max(map(len, lines.splitlines())) <= 76, "wider ones scroll in the box"
    exec(re.sub(r"epochs=\d+", "epochs=2", lines), {})
