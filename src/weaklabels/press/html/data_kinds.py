"""Which kind of data a claim was measured on, told from its words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from weaklabels.press.html.papers import Paper

NAMED = {
    kind: re.compile(words, re.IGNORECASE)
    for kind, words in {
        "other data sets": "other data sets",
        "Fashion-MNIST": "Fashion-MNIST",
        "real candidate sets": r"real-world sets|BirdSong|MSRCv2|(?-i:; Lost\b)|MirFlickr",
        "photographs labelled by people": "CIFAR-10[NH]",
        "features of photographs": (
            r"(heads on|features of) photographs|CIFAR-10|-features$|tab-llm-schedules$"
        ),
        "photographs": "photograph",
        "scenes of digits": "scenes",
        "digits": r"(?<!decimal )\bdigits\b|(fig-h2h-sets|tab-h2h-sets-criteria)$",
    }.items()
}
"""kind -> words or labels that name it, the narrower kinds first."""


def kind_of(row: Mapping[str, Any], paper: Paper | None) -> str:
    """The first kind that the claim, or the label of what decides it, names.

    Args:
        row: a claim.
        paper: what its chapter rests on; its first kind is meant where a claim names none.

    Returns:
        empty for a claim that nothing was measured for, or that names none in a chapter without a
        paper.
    """
    if row.get("ours") == "-":  # see claims.not_testable
        return ""
    words = f"{row.get('claim', '')} {row.get('figure') or ''}"
    named = (kind for kind, pattern in NAMED.items() if pattern.search(words))
    return next(named, paper.data[0] if paper else "")
