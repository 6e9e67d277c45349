"""Which kind of data a claim was measured on, told from its words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from weaklabels.press.html.papers import Paper

NAMED = {
    kind: re.compile(words, re.IGNORECASE)
    for kind, words in {
        "Fashion-MNIST": "Fashion-MNIST",
        "real candidate sets": r"real-world sets|BirdSong|MSRCv2|(?-i:; Lost\b)|MirFlickr",
        "real crowds": "^real labels",
        "features of photographs": "(heads on|features of) photographs|CIFAR-10|-features$",
        "photographs": "photograph",
        "scenes of digits": "scenes",
        "digits": r"\bdigits\b",
    }.items()
}
"""kind -> words that name it, the narrower kinds first."""


def kind_of(row: Mapping[str, Any], paper: Paper | None) -> str:
    """The first kind that the claim, or the label of what decides it, names.

    Args:
        row: a claim.
        paper: what its chapter rests on; its first kind is meant where a claim names none.

    Returns:
        empty for a claim that names none in a chapter without a paper.
    """
    words = f"{row.get('claim', '')} {row.get('figure') or ''}"
    named = (kind for kind, pattern in NAMED.items() if pattern.search(words))
    return next(named, paper.data[0] if paper else "")
