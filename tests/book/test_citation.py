"""`CITATION.cff` has the papers behind the chapters as the bibliography has them."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pybtex.database import Entry

from tests.book.test_bibliography import BOOK, CITED, ENTRIES, links_of, paper_line
from weaklabels.press.html.papers import papers_of

CITATION = BOOK.parent / "CITATION.cff"
PAPERS = [CITED.findall(paper_line(slug))[0] for slug in papers_of(BOOK)]
"""Keys of the papers that the chapters reproduce, in the order of the chapters."""


def references(path: Path) -> list[dict[str, Any]]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))["references"]


def venue(entry: Entry) -> dict[str, Any]:
    """What a reference says of where a paper appeared: proceedings, journal or arXiv."""
    fields = entry.fields
    if "booktitle" in fields:
        return {"type": "conference-paper", "conference": {"name": fields["booktitle"]}}
    if "journal" in fields:
        return {"type": "article", "journal": fields["journal"]}
    return {"type": "generic", "publisher": {"name": "arXiv"}}


def reference(entry: Entry) -> dict[str, Any]:
    """An entry of the bibliography in the words of the citation file format."""
    fields = entry.fields
    [url] = [link for link in links_of(entry) if "doi.org" not in link]
    return {
        **venue(entry),
        "title": fields["title"].replace("{", "").replace("}", ""),
        "authors": [
            {
                "family-names": " ".join([*person.prelast_names, *person.last_names]),
                "given-names": " ".join([*person.first_names, *person.middle_names]),
            }
            for person in entry.persons["author"]
        ],
        "year": int(fields["year"]),
        **({"doi": fields["doi"]} if "doi" in fields else {}),
        "url": url,
    }


def test_there_is_one_reference_for_each_paper() -> None:
    assert len(references(CITATION)) == len(papers_of(BOOK)) == len(set(PAPERS))


@pytest.mark.parametrize("place", range(len(PAPERS)), ids=PAPERS)
def test_a_reference_agrees_with_the_bibliography(place: int) -> None:
    assert references(CITATION)[place] == reference(ENTRIES[PAPERS[place]])


def test_the_front_page_says_that_they_are_there() -> None:
    text = " ".join((BOOK / "index.md").read_text(encoding="utf-8").split())
    assert "`CITATION.cff` in the repository has the same, and the references of the papers" in text
