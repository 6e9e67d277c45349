"""What each chapter rests on: how much of its paper could be read, and which data it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from weaklabels.press.html.chapters import Shown
from weaklabels.press.html.markup import plain, span
from weaklabels.press.runner.files import read_json
from weaklabels.press.verdicts import FAILS, HOLDS, OPEN, OUTCOMES, in_words

PAPERS = "papers.yml"
COSTS = "chapters/head_to_head/recorded/cost.json"


@dataclass(frozen=True)
class Paper:
    """One entry of ``papers.yml``, which says what its fields mean."""

    name: str
    idea: str
    read: str
    data: tuple[str, ...]
    use: str
    library: str
    costs: tuple[str, ...] = ()
    main: tuple[str, ...] = ()


def papers_of(book: Path) -> dict[str, Paper]:
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


def box(paper: Paper, chapter: Shown, steps: Mapping[str, float]) -> str:
    """What stands below the title of a chapter, in Markdown.

    Args:
        paper: what the chapter rests on.
        chapter: whose rows are counted.
        steps: method -> time of a training step, in those of its simplest rival.
    """
    lines = [paper.idea]
    if chapter.claims:
        counts = in_words({name: count for name, count in chapter.totals().items() if count})
        lines.append(f"*Of its {len(chapter.claims)} claims here* {', '.join(counts)}.")
        lines += _main_rows(chapter, paper)
    lines.append(f"*When to use it:* {paper.use}")
    if costs := [f"{steps[name]:.2f} ({name})" for name in paper.costs if name in steps]:
        lines.append(
            f"*A training step takes,* in those of its simplest rival: {', '.join(costs)}."
        )
    lines += [
        f"*In the library:* `{paper.library}`",
        f"*Read of the paper:* {paper.read}. *Measured on:* {', '.join(paper.data)}.",
    ]
    body = "\n\n".join(lines)
    return f"```{{admonition}} {paper.name}\n:class: rests\n{body}\n```"


def _main_rows(chapter: Shown, paper: Paper) -> list[str]:
    """The rows that a chapter is about, each with its outcome."""
    rows = {row["id"]: row for row in chapter.claims}
    return [
        f"{span(row['outcome'], 'verdict', row['outcome'].split()[0])} {plain(row['claim'])}"
        for row in (rows[id] for id in paper.main if id in rows)
    ]


def steps_of(book: Path) -> dict[str, float]:
    """Method -> median time of a training step in the record of the head to head."""
    record = read_json(book / COSTS) or {}
    return {
        name: median
        for kind in ("scenes", "sets")
        for name, (_, median, _) in record.get(kind, {}).items()
    }


def cards(chapters: Sequence[Shown], papers: Mapping[str, Paper]) -> str:
    """The chapters that have a paper, as cards for the front page, in Markdown."""
    shown = [_card(c, papers[c.slug]) for c in chapters if c.slug in papers]
    if not shown:
        return ""
    body = "\n\n".join(shown)
    return f"`````{{grid}} 1 1 2 2\n:gutter: 3\n:class-container: papers\n\n{body}\n`````\n"


FOUND = {HOLDS: "What stands here", FAILS: "What does not", OPEN: "What nobody knows yet"}


def found(chapters: Sequence[Shown], papers: Mapping[str, Paper]) -> str:
    """Main rows of every paper by outcome, in Markdown: the first one, and of the others those that
    are open; empty without rows."""
    lines: dict[str, list[str]] = {outcome: [] for outcome in FOUND}
    for chapter in chapters:
        main = papers[chapter.slug].main if chapter.slug in papers else ()
        for row in chapter.claims:
            wanted = main if row["outcome"] == OPEN else main[:1]
            if row["id"] in wanted and row["outcome"] in lines:
                lines[row["outcome"]].append(f"{_link_to(chapter, row)} {_effect(row)}".rstrip())
    return "\n".join(
        f"- **{title}:** {'; '.join(lines[outcome])}."
        for outcome, title in FOUND.items()
        if lines[outcome]
    )


def _link_to(chapter: Shown, row: Mapping[str, Any]) -> str:
    """A claim in its own words without the final stop, which leads to its row."""
    claim = plain(row["claim"].rstrip("."))
    return f'<a href="scoreboard.html#claim-{chapter.slug}-{row["id"]}">{claim}</a>'


def _effect(row: Mapping[str, Any]) -> str:
    """``(+1.2 [0.4, 2.0])`` of a claim that is one comparison, else nothing."""
    parts = [p for p in row.get("parts") or () if p["kind"] in ("comparison", "margin")]
    one = len(parts) == 1 == len(row["parts"])
    numbers = [parts[0].get(name) for name in ("effect", "low", "high")] if one else []
    if not numbers or None in numbers:
        return ""
    effect, low, high = numbers
    return f"({effect:+.2g} [{low:+.2g}, {high:+.2g}])"


def _card(chapter: Shown, paper: Paper) -> str:
    lines = [plain(paper.idea), *_main_rows(chapter, paper)]
    lines.append(span(plain(f"{paper.read}; {', '.join(paper.data)}"), "small"))
    counts = chapter.totals()
    if chapter.claims:
        lines.append(_bar([counts[outcome] for outcome in OUTCOMES]))
    body = "\n\n".join(lines)
    return (
        f"````{{grid-item-card}} {plain(chapter.title)}\n:link: {chapter.slug}\n:link-type: doc\n\n"
        f"{body}\n````"
    )


def _bar(counts: Sequence[int]) -> str:
    """Outcomes as a bar of colours, said in words for those who do not see it."""
    parts = [
        f'<span class="{outcome.split()[0]}" style="flex-grow:{count}"></span>'
        for outcome, count in zip(OUTCOMES, counts, strict=True)
        if count
    ]
    words = ", ".join(f"{count} {name}" for name, count in zip(OUTCOMES, counts, strict=True))
    return f'<div class="outcomes" role="img" aria-label="{words}">{"".join(parts)}</div>'
