"""Rows of a ledger as places in a built page: wherever a text says "row 5a", it leads there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_LEDGER = re.compile(r'<tr><th>(\w+)</th>(.*?<span class="verdict \w+">([^<]+)</span>)')
_BOARD = re.compile(
    r'<a id="(claim-(\w+)-(\w+))".*?<span class="verdict \w+">([^<]+)</span>.*?</tr>', re.DOTALL
)
_ID = r"[a-z]?\d+\w*"
_MENTION = re.compile(rf"\b[Rr]ows? {_ID}(?:(?:,? and |,? or | to |, ){_ID})*")
_ELSEWHERE = (" there", " of that chapter")
"""What follows rows of another chapter."""

_ANSWER = re.compile(rf" \({_ID}(?:, {_ID})*\)")
_TAG = re.compile(r"(<[^>]*>)")
_LEFT_ALONE = ("a", "code", "pre", "script", "svg")
"""Elements in whose text nothing is linked."""


class Place(NamedTuple):
    """Where a row stands, and what came out."""

    anchor: str
    outcome: str


def link_rows(body: str) -> str:
    """A page on which every mention of a row leads to it and has the row's outcome as its title.

    A number without a letter leads to the first of its rows: "row 3" to 3a.

    Args:
        body: HTML of a chapter, whose table of claims is turned into places, or of the scoreboard,
            on which an explanation means rows of its own chapter.
    """
    board = {match[1]: Place(match[1], match[4]) for match in _BOARD.finditer(body)}
    if board:
        return _BOARD.sub(lambda row: _linked(row[0], _of_chapter(board, row[2])), body)
    ledger = {row[1]: Place(f"row-{row[1]}", row[3]) for row in _LEDGER.finditer(body)}
    return _linked(_LEDGER.sub(r'<tr id="row-\1"><th>\1</th>\2', body), ledger)


def _of_chapter(board: Mapping[str, Place], slug: str) -> dict[str, Place]:
    head = f"claim-{slug}-"
    return {name.removeprefix(head): place for name, place in board.items() if head in name}


def _linked(body: str, places: Mapping[str, Place]) -> str:
    """The same with links in all texts outside of tags and of what is left alone."""
    if not places:
        return body
    pieces, within, last = [], 0, ""
    for piece in _TAG.split(body):
        if piece.startswith("<"):
            name = piece.strip("</>").partition(" ")[0].partition("\n")[0]
            if name in _LEFT_ALONE:
                within += -1 if piece.startswith("</") else 1
            last = piece
        elif not within:
            piece = _MENTION.sub(lambda mention: _each_linked(mention, places), piece)
            if last == "</strong>":  # of an outcome, before the rows that have it
                piece = _ANSWER.sub(lambda answer: _each_linked(answer, places), piece, count=1)
        pieces.append(piece)
    return "".join(pieces)


def _each_linked(mention: re.Match[str], places: Mapping[str, Place]) -> str:
    if mention.string[mention.end() :].startswith(_ELSEWHERE):
        return mention[0]

    def link(found: re.Match[str]) -> str:
        id = found[0]
        parts = (name for name in places if re.fullmatch(rf"{id}[a-z]\w*", name))
        place = places.get(id) or places.get(next(parts, ""))
        if place is None:
            return id
        return f'<a class="to-row" href="#{place.anchor}" title="{place.outcome}">{id}</a>'

    return re.sub(rf"\b{_ID}\b", link, mention[0])
