"""Short labels of the lines of a forest plot, by which those of one chapter can be told apart."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

LENGTH = 38
"""Characters of a label, without the claim's number."""

GAP = "…"
"""Stands for words that are left out."""

_STOPS = ".,;:"
_SPACE = re.compile(r"\s+(?![%=])(?<!=\s)")
"""Between words: ``20 %`` and ``q = 0.7`` are one."""


def line_labels(lines: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> list[str]:
    """``["20a  EM beats DW … best", "20f  EM beats DW … last"]``: what differs, and the beginning.

    A part's name stands first. Of the claim follow the words that tell the line from the others
    of its name. A part without a name has as many more of the claim's first words as there is room
    for.

    Args:
        lines: rows of one chapter, each with the part that is drawn.
    """
    alike = defaultdict(list)
    for row, part in lines:
        alike[part["name"]].append(_words(row["claim"]))
    return [
        f"{row['id']}  {_label(_words(row['claim']), part['name'], alike[part['name']])}"
        for row, part in lines
    ]


def telling(words: Sequence[str], others: Iterable[Sequence[str]]) -> list[int]:
    """Places of the few words by which a sentence can be told from others, most telling first.

    Args:
        words: of the sentence.
        others: the words of each other sentence. One that has all of ``words`` is left aside: its
            own label says what it has beyond them.
    """
    ours, theirs = _counted(words), [set(_counted(other)) for other in others]
    left = [other for other in theirs if not other.issuperset(ours)]
    places = []
    while left:
        value = [(sum(word not in other for other in left), len(_bare(word[0]))) for word in ours]
        places.append(value.index(max(value)))
        left = [other for other in left if ours[places[-1]] in other]
    return places


def _words(sentence: str) -> list[str]:
    return _SPACE.split(sentence.strip())


def _counted(words: Sequence[str]) -> list[tuple[str, int]]:
    """Each word with how often it stood before: "CD and ID ... ID" is not "CD and ID ... CD"."""
    return [(word, words[:place].count(word)) for place, word in enumerate(words)]


def _label(words: Sequence[str], name: str, others: Iterable[Sequence[str]]) -> str:
    """The label of one line, without its number."""
    begin, kept = f"{name}: " if name else "", set[int]()
    for place in telling(words, others):
        if not kept or len(begin + _excerpt(words, kept | {place})) <= LENGTH:
            kept.add(place)
    for place in () if name else range(len(words)):  # what the line is about
        if kept and len(_excerpt(words, kept | {place})) > LENGTH:
            break
        kept.add(place)
    label = begin + _excerpt(words, kept) if kept else name
    return label if len(label) <= LENGTH else f"{label[: LENGTH - 1]}{GAP}"


def _excerpt(words: Sequence[str], kept: Collection[int]) -> str:
    """Some words of a sentence in their order, with a mark where others are left out."""
    places = sorted(kept)
    text = _bare(words[places[0]])
    for before, place in pairwise(places):
        text = f"{text} " if place == before + 1 else f"{text.rstrip(_STOPS)} {GAP} "
        text += _bare(words[place])
    return text if len(places) == len(words) else text.rstrip(_STOPS)


def _bare(word: str) -> str:
    """A word without a bracket whose other half may be left out."""
    return word if word.count("(") == word.count(")") else re.sub("[()]", "", word)
