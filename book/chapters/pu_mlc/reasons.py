"""Why rows on features and on photographs fail: what is printed beside them."""

from __future__ import annotations

from collections.abc import Mapping

from weaklabels.press.verdicts import FAILS

KNOWN_NEGATIVES = "perhaps because partial BCE is told the known negatives too"
CAUSES = (
    "Rows 12a and 12b each change one thing that may bring it about: what the features have in "
    "common, and the first epochs."
)
FEW_POSITIVES = (
    "Perhaps because a tenth of the labels gives the rarer classes hardly a positive in a batch of "
    "64; rows 14b to 14d, with as many negatives for each positive, ask the same with more of both."
)
AFTERWARDS = (
    "PU-MLC is at its best after two to four epochs (by the record), and falls by eight to nine "
    "points afterwards (tab-pumlc-photograph-parts): the level of the classes, perhaps, which "
    "nothing holds from above. The temperature is not needed for it: VPU with re-balance falls as "
    "far."
)
LOSES_MORE = (
    "At the best epoch the two are level (row 14b), and from there to the last one PU-MLC loses a "
    "little more (tab-pumlc-photographs, tab-pumlc-photographs-last)."
)
REASONS: Mapping[str, str] = {
    "11a": f"For the larger part it is the temperature (row 11e); what is left {KNOWN_NEGATIVES}. "
    "With centred features it comes out the other way round (tab-pumlc-features).",
    "11b": f"For the larger part it is the temperature (row 11f); what is left {KNOWN_NEGATIVES}. "
    "With centred features it comes out the other way round (tab-pumlc-features).",
    "11e": CAUSES,
    "11f": CAUSES,
    "13a": "The head learns from nothing in some 600 steps, and stands beside a maximum over the "
    "cells, which these scenes are made for. With independent digits, besides, there is no graph "
    "of classes that could help. Perhaps it takes features that are there already, as the paper "
    "has.",
    "13b": "It is probably the temperature: without it the same loss is above partial BCE with "
    "this head (tab-pumlc-heads).",
    "14a": FEW_POSITIVES,
    "16b": "With α = 2 the temperature is 1, switched off, where the logits of a class spread by "
    "more than one half, and for the median class, at the best epoch, they do "
    "(tab-pumlc-photograph-parts).",
    "18a": AFTERWARDS,
    "18b": LOSES_MORE,
    "18e": AFTERWARDS,
    "18f": AFTERWARDS,
    "18j": "Without mixup less is lost after the best epoch (tab-pumlc-photograph-parts); why, "
    "nothing here says.",
    "17a": "The branch begins with a scale near 0, and some 250 steps are perhaps too few for it "
    "to grow: it changes next to nothing.",
}
"""Row -> why it fails."""


def why(id: str) -> dict[str, str]:
    """Outcome -> explanation of a row; empty without one."""
    return {FAILS: REASONS[id]} if id in REASONS else {}
