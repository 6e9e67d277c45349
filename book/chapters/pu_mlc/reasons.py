"""Why rows on features and on photographs fail: what is printed beside them."""

from __future__ import annotations

from collections.abc import Mapping

from weaklabels.press.verdicts import FAILS

KNOWN_NEGATIVES = "perhaps because partial BCE is told the known negatives too"
CAUSES = (
    "Rows 12a and 12b each change one thing that may bring it about: what the features have in "
    "common, and the first epochs."
)
REASONS: Mapping[str, str] = {
    "11a": f"For the larger part it is the temperature (row 11e); what is left {KNOWN_NEGATIVES}.",
    "11b": f"For the larger part it is the temperature (row 11f); what is left {KNOWN_NEGATIVES}.",
    "11e": CAUSES,
    "11f": CAUSES,
    "13a": "The head learns from nothing in some 600 steps, and stands beside a maximum over the "
    "cells, which these scenes are made for. With independent digits, besides, there is no graph "
    "of classes that could help. Perhaps it takes features that are there already, as the paper "
    "has.",
    "13b": "With this head neither learns much in so few steps (row 13a), so that the comparison "
    "says little of the two losses.",
    "14a": f"{KNOWN_NEGATIVES.capitalize().replace('bce', 'BCE')}, ten and more for each positive; "
    "rows 14b to 14d ask the same where more labels are known.",
    "16b": "With α = 2 the temperature is 1, switched off, where the logits of a class spread by "
    "more than one half, and in the end they do (tab-pumlc-photograph-parts).",
    "17a": "The branch begins with a scale near 0, and some 250 steps are perhaps too few for it "
    "to grow: it changes next to nothing.",
}
"""Row -> why it fails."""


def why(id: str) -> dict[str, str]:
    """Outcome -> explanation of a row; empty without one."""
    return {FAILS: REASONS[id]} if id in REASONS else {}
