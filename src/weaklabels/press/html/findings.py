"""Sentences of the front page: typed words, with numbers and outcomes that the record decides."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from weaklabels.press.html.chapters import Shown
from weaklabels.press.verdicts import FAILS, HOLDS, OPEN

FINDINGS = "findings.yml"
FOUND = {
    HOLDS: "What stands",
    FAILS: "What does not, at the size of these runs",
    OPEN: "What these runs leave open",
}

_PLACE = re.compile(r"\{([a-z]\w*) (\w+)((?: [^{}]+)?)\}")
_ITEM = re.compile(r"\n\s*- ")
_COMPARED = ("comparison", "margin")


@dataclass(frozen=True)
class Findings:
    """Content of ``findings.yml``, which says how its sentences are written.

    Attributes:
        found: outcome -> the sentence of all that came out so.
        methods: kind of weak labels -> outcome -> a sentence that says what to use.
    """

    found: Mapping[str, str]
    methods: Mapping[str, Mapping[str, str]]


def findings_of(book: Path) -> Findings:
    """The sentences of a book; none if it has no such file.

    Raises:
        ValueError: if a sentence stands under something that is no outcome of a test.
    """
    path = book / FINDINGS
    if not path.is_file():
        return Findings({}, {})
    given = yaml.safe_load(path.read_text(encoding="utf-8"))
    made = Findings(given["found"], given["methods"])
    for group in (made.found, *made.methods.values()):
        if unknown := [name for name in group if name not in FOUND]:
            raise ValueError(f"{FINDINGS}: {unknown[0]!r} is none of {', '.join(FOUND)}")
    return made


def found(findings: Findings, chapters: Sequence[Shown]) -> str:
    """What was found, a paragraph an outcome, in Markdown.

    Raises:
        ValueError: see ``filled``.
    """
    return "\n\n".join(
        f"**{FOUND[outcome]}.** {filled(text, outcome, chapters)}"
        for outcome, text in findings.found.items()
    )


def guide(findings: Findings, chapters: Sequence[Shown]) -> str:
    """Which method for which labels, an item a kind, in Markdown.

    Raises:
        ValueError: see ``filled``.
    """
    return "\n".join(
        f"- **{kind}.** "
        + "\n\n  ".join(filled(text, name, chapters) for name, text in said.items())
        for kind, said in findings.methods.items()
    )


def filled(text: str, outcome: str, chapters: Sequence[Shown]) -> str:
    """A sentence with what was measured, each number a link to its row on the scoreboard.

    Args:
        text: with places such as ``{large_loss_matters 19a points}``: chapter, row, unit; lines
            that begin with a hyphen are items below it.
        outcome: which every row that it names must have.
        chapters: of the book; numbers are those of their records.

    Raises:
        ValueError: if the text names no row, a row is not recorded, has another outcome or no
            number.
    """
    known = {chapter.slug: chapter for chapter in chapters}
    words = "\n  - ".join(" ".join(item.split()) for item in _ITEM.split(text))
    if not _PLACE.search(words):
        raise ValueError(f"{FINDINGS}: no row stands behind {words!r}")

    def fill(place: re.Match[str]) -> str:
        slug, id, unit = place[1], place[2], place[3].strip()
        rows = {row["id"]: row for row in known[slug].edition.claims} if slug in known else {}
        if id not in rows:
            raise ValueError(f"{FINDINGS}: {slug} {id} is not recorded")
        if rows[id]["outcome"] != outcome:
            raise ValueError(
                f"{FINDINGS}: {slug} {id} has the outcome {rows[id]['outcome']!r}, and the "
                f"sentence stands under {outcome!r}: {words!r}"
            )
        return _linked(known[slug], id, measured(rows[id], unit))

    return _PLACE.sub(fill, words)


def _linked(chapter: Shown, id: str, said: str) -> str:
    """Text that leads to a row, where this build's scoreboard has it."""
    if id not in {row["id"] for row in chapter.claims}:
        return said
    return f'<a href="scoreboard.html#claim-{chapter.slug}-{id}">{said}</a>'


def measured(row: Mapping[str, Any], unit: str = "") -> str:
    """What a row measured: ``+7.5 points [7.2, 7.9]``, ``+1.0 to +3.2 points``, ``12 of 12 seeds``.

    Args:
        row: one comparison with its interval, several with the range of their effects, or a test
            in every seed.
        unit: of the effects.

    Raises:
        ValueError: if it has no such number.
    """
    parts = row["parts"]
    kinds = {part["kind"] for part in parts}
    if kinds == {"every seed"} and len(parts) == 1:
        return f"{round(parts[0]['effect'] * parts[0]['seeds'])} of {parts[0]['seeds']} seeds"
    if not kinds <= {*_COMPARED} or any(part["effect"] is None for part in parts):
        raise ValueError(f"{FINDINGS}: row {row['id']} ({row['claim']}) has no effect to be shown")
    after = f" {unit}" if unit else ""
    effects = sorted(part["effect"] for part in parts)
    if len(parts) > 1:
        low, high = _numbers(effects[0], effects[-1], signed=True)
        return f"{low} to {high}{after}"
    [part] = parts
    effect, low, high = _numbers(part["effect"], part["low"], part["high"])
    return f"{'' if effect.startswith('−') else '+'}{effect}{after} [{low}, {high}]"


def _numbers(*values: float, signed: bool = False) -> list[str]:
    """Numbers with as many digits as the largest needs, and a true minus."""
    digits = 1 if max(map(abs, values)) >= 1 else 2
    sign = "+" if signed else ""
    return [f"{value:{sign}.{digits}f}".replace("-", "−") for value in values]
