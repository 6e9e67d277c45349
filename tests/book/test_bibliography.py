"""Every cited paper can be reached: from the bibliography, its chapter and the neighbours."""

import re
from pathlib import Path

import pytest
from pybtex.database import Entry, parse_file

from weaklabels.press.html.papers import papers_of
from weaklabels.press.runner.notebooks import read_notebook, source_of

BOOK = Path(__file__).parents[2] / "book"
ENTRIES: dict[str, Entry] = parse_file(BOOK / "references.bib").entries
FORMS = {
    "eprint": r"\d{2}(0[1-9]|1[0-2])\.(\d{4}|\d{5})",
    "doi": r"10\.\d{4,9}/[-._;()/:\w]+",
    "url": r"https://[a-z.]+/\S+",
}
CITED = re.compile(r"\{cite(?::[pt])?\}`(\w+)`")
NEIGHBOURS = (BOOK / "neighbours.md").read_text(encoding="utf-8")


def links_of(entry: Entry) -> set[str]:
    """Where an entry leads, one address for each identifier."""
    fields = entry.fields
    links = {f"https://arxiv.org/abs/{fields['eprint']}"} if "eprint" in fields else set()
    links |= {f"https://doi.org/{fields['doi']}"} if "doi" in fields else set()
    return links | ({fields["url"]} if "url" in fields else set())


def paper_line(slug: str) -> str:
    """What a chapter says first of its paper."""
    notebook = read_notebook(BOOK / "chapters" / slug / f"{slug}.ipynb")
    lines = [line for cell in notebook["cells"] for line in source_of(cell).splitlines()]
    return next(line for line in lines if line.startswith("**Paper.**"))


@pytest.mark.parametrize("key", ENTRIES)
def test_every_entry_has_a_link_of_the_right_form(key: str) -> None:
    entry = ENTRIES[key]
    assert links_of(entry), f"{key} has no eprint, doi or url"
    for field, form in FORMS.items():
        if field in entry.fields:
            assert re.fullmatch(form, entry.fields[field]), f"{key}: {field}"
    assert ("eprint" in entry.fields) == (entry.fields.get("archiveprefix") == "arXiv")


def test_no_two_entries_lead_to_the_same_paper() -> None:
    links = [link for entry in ENTRIES.values() for link in links_of(entry)]
    assert len(links) == len(set(links))


@pytest.mark.parametrize("slug", papers_of(BOOK))
def test_a_chapter_links_its_paper_and_the_code_of_the_authors(slug: str) -> None:
    line = paper_line(slug)
    linked = set(re.findall(r"\]\((https://[^)]+)\)", line))
    (key,) = CITED.findall(line)
    assert links_of(ENTRIES[key]) <= linked
    code = [link for link in linked if re.fullmatch(r"https://github\.com/[\w-]+/[\w-]+", link)]
    assert len(code) == ("[code of the authors](" in line)
    assert bool(code) != ("no code of the authors is known" in line)


@pytest.mark.parametrize("key", CITED.findall(NEIGHBOURS))
def test_a_neighbour_is_linked_where_it_is_named(key: str) -> None:
    items = re.split(r"\n(?=[-|] )|\n\n", NEIGHBOURS)
    (item,) = (item for item in items if f"`{key}`" in item)
    linked = set(re.findall(r"\[paper\]\(([^)\s]+)\)", item))
    assert linked
    assert linked <= links_of(ENTRIES[key])
    assert "code](" in item or "in the code" in item or "urvey" in item


@pytest.mark.parametrize("name", ["Scob", "E2OAL", "E²OAL"])
def test_a_neighbour_is_found_by_its_name(name: str) -> None:
    assert name in NEIGHBOURS
