"""What each chapter rests on: how much of its paper could be read, and which data it has."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pybtex.database import Entry, parse_file

from weaklabels.press.html.chapters import Shown
from weaklabels.press.html.markup import plain, span
from weaklabels.press.runner.files import read_json
from weaklabels.press.verdicts import FAILS, HOLDS, OPEN, OUTCOMES, in_words

PAPERS = "papers.yml"
BIBLIOGRAPHY = "references.bib"
SHARED = "head_to_head"
"""The room that measures methods of several chapters."""

KINDS = ("steps", "scenes", "sets")
"""Where a room's record ``cost`` has its ratios; one of another form is for its room alone."""

Steps = Mapping[str, Mapping[str, float]]
"""Room -> method -> time of a training step, in those of its simplest rival, which stands first."""

_IN_BRACES = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Paper:
    """One entry of ``papers.yml``, which says what its fields mean."""

    name: str
    idea: str
    read: str
    data: tuple[str, ...]
    use: str
    library: str
    cite: str = ""
    step: str = ""
    costs: tuple[str, ...] = ()
    timed: str = "A training step"
    main: tuple[str, ...] = ()
    found_by: tuple[str, ...] = ()


def entries_of(book: Path) -> dict[str, Paper]:
    """slug -> what the chapter rests on; empty if the book has no such file.

    Raises:
        ValueError: naming the entry that has an unknown field or lacks one.
    """
    path = book / PAPERS
    if not path.is_file():
        return {}
    found = {}
    for slug, entry in yaml.safe_load(path.read_text(encoding="utf-8")).items():
        lists = {key: tuple(value) for key, value in entry.items() if isinstance(value, list)}
        try:
            found[slug] = Paper(**{**entry, **lists})
        except TypeError as error:
            raise ValueError(f"{PAPERS}, {slug}: {error}") from None
    return found


def papers_of(book: Path) -> dict[str, Paper]:
    """The entries of the chapters that reproduce a paper (see ``entries_of``)."""
    return {slug: entry for slug, entry in entries_of(book).items() if entry.cite}


def sources_of(book: Path, papers: Mapping[str, Paper]) -> dict[str, str]:
    """slug -> authors, venue and year of its paper, a Markdown link, from the bibliography.

    Raises:
        ValueError: if the bibliography lacks a paper.
    """
    if not papers:
        return {}
    known = parse_file(book / BIBLIOGRAPHY).entries
    if lost := [paper.cite for paper in papers.values() if paper.cite not in known]:
        raise ValueError(f"{PAPERS}: {BIBLIOGRAPHY} has no {lost[0]!r}")
    return {slug: _source(known[paper.cite]) for slug, paper in papers.items()}


def _source(entry: Entry) -> str:
    """``"[Kim et al., CVPR 2022](address)"``; what appeared nowhere else is of arXiv."""
    names = [" ".join([*p.prelast_names, *p.last_names]) for p in entry.persons["author"]]
    several = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
    fields = entry.fields
    venue = fields.get("booktitle") or fields.get("journal") or "arXiv"
    said = plain(f"{several}, {venue} {fields['year']}")
    return f"[{said}]({_address(entry)})"


def _address(entry: Entry) -> str:
    """Where a paper can be read: arXiv, where everybody can, before its venue."""
    fields = entry.fields
    if "eprint" in fields:
        return f"https://arxiv.org/abs/{fields['eprint']}"
    return f"https://doi.org/{fields['doi']}" if "doi" in fields else fields["url"]


def box(paper: Paper, chapter: Shown, steps: Steps) -> str:
    """What stands below the title of a chapter, in Markdown.

    Args:
        paper: what the chapter rests on.
        chapter: whose rows are counted.
        steps: of all rooms.
    """
    lines = [
        paper.idea,
        f"*Read of the paper:* {paper.read}. *Measured on:* {', '.join(paper.data)}.",
    ]
    if chapter.claims:
        counts = in_words({name: count for name, count in chapter.totals().items() if count})
        lines.append(f"*Of its {len(chapter.claims)} claims here* {', '.join(counts)}.")
        lines += [_with_outcome(row) for row in _one_of_each(chapter, paper)]
    lines.append(f"*When to use it:* {paper.use}")
    lines += _cost(paper, chapter, steps)
    lines.append(f"*In the library:*\n\n```python\n{paper.library.strip()}\n```")
    body = "\n\n".join(lines)
    names = ", ".join([paper.name, *paper.found_by])
    return (
        f"```{{found-by}} {names}\n```\n\n"
        f"````{{admonition}} {paper.name}\n:class: rests\n{body}\n````"
    )


def _cost(paper: Paper, chapter: Shown, steps: Steps) -> list[str]:
    """What a step costs, of what has been measured; nothing else is said."""
    lines = []
    found = costs_of(paper, chapter.slug, steps)
    if costs := [f"{step:.2f} ({plain(name)})" for name, step in found.items()]:
        own = steps.get(chapter.slug, {}) if chapter.slug != SHARED else {}
        rival = plain(next(iter(own), "its simplest rival"))
        lines.append(f"*{paper.timed} takes,* where that of {rival} takes 1: {', '.join(costs)}.")
    measured = {row["id"]: row["ours"] for row in chapter.claims}
    if paper.step and set(_IN_BRACES.findall(paper.step)) <= measured.keys():
        said = _IN_BRACES.sub(lambda found: measured[found[1]], paper.step)
        lines.append(f"*What a step costs:* {plain(said)}.")
    return lines


def _one_of_each(chapter: Shown, paper: Paper) -> list[dict[str, Any]]:
    """The rows that a chapter is about, and the first of each outcome that these lack."""
    main = [row for row in chapter.claims if row["id"] in paper.main]
    had = {row["outcome"] for row in main}
    for outcome in (HOLDS, FAILS, OPEN):
        rows = [row for row in chapter.claims if row["outcome"] == outcome]
        main += rows[:1] if outcome not in had else []
    return main


def _with_outcome(row: Mapping[str, Any]) -> str:
    """A claim behind its outcome."""
    return f"{span(row['outcome'], 'verdict', row['outcome'].split()[0])} {plain(row['claim'])}"


def steps_of(book: Path) -> dict[str, dict[str, float]]:
    """Room -> method -> median time of a training step, of every room that has recorded it."""
    found = {}
    for path in sorted(book.glob("chapters/*/recorded/cost.json")):
        record = read_json(path) or {}
        rows = (row for kind in KINDS for row in record.get(kind, {}).items())
        if medians := {name: median for name, (_, median, _) in rows}:
            found[path.parents[1].name] = medians
    return found


def costs_of(paper: Paper, slug: str, steps: Steps) -> dict[str, float]:
    """Method -> time of a training step, of the methods that the entry names.

    They are those of one record: that of the chapter's room or else of the head to head, whichever
    has them all; none if both lack one.
    """
    for known in (steps.get(room, {}) for room in (slug, SHARED)):
        if known.keys() >= set(paper.costs):
            return {name: known[name] for name in paper.costs}
    return {}


def cards(
    chapters: Sequence[Shown], papers: Mapping[str, Paper], sources: Mapping[str, str]
) -> str:
    """The chapters that have a paper, as cards for the front page, in Markdown.

    Args:
        chapters: of the book.
        papers: what they rest on, by slug.
        sources: authors, venue and year of their papers as links, by slug.
    """
    shown = [_card(c, papers[c.slug], sources[c.slug]) for c in chapters if c.slug in papers]
    if not shown:
        return ""
    body = "\n\n".join(shown)
    return f"`````{{grid}} 1 1 2 2\n:gutter: 3\n:class-container: papers\n\n{body}\n`````\n"


def _card(chapter: Shown, paper: Paper, source: str) -> str:
    rows = {row["id"]: row for row in chapter.claims}
    main = [_with_outcome(rows[id]) for id in paper.main if id in rows]
    lines = [source, plain(paper.idea), *main]
    lines.append(span(plain(f"{paper.read}; {', '.join(paper.data)}"), "small"))
    if chapter.claims:
        counts = chapter.totals()
        said = ", ".join(in_words({name: count for name, count in counts.items() if count}))
        lines += [_bar(counts), span(plain(said), "small", "counts")]
    body = "\n\n".join(lines)
    return (
        f"````{{grid-item-card}} {plain(chapter.title)}\n:link: {chapter.slug}\n:link-type: doc\n\n"
        f"{body}\n````"
    )


def _bar(counts: Mapping[str, int]) -> str:
    """Outcomes as a bar of colours; the words below it say the same."""
    parts = [
        f'<span class="{outcome.split()[0]}" style="flex-grow:{counts[outcome]}"></span>'
        for outcome in OUTCOMES
        if counts[outcome]
    ]
    return f'<div class="outcomes" aria-hidden="true">{"".join(parts)}</div>'
