"""Why rows on features and on photographs fail: what is printed beside them."""

from __future__ import annotations

from collections.abc import Mapping

from weaklabels.press.verdicts import FAILS

KNOWN_NEGATIVES = "perhaps because partial BCE is told the known negatives too"
CAUSES = (
    "Rows 12a and 12b change, with 50 % known, what may bring it about: what the features have in "
    "common, and the first epochs. Rows 12d and 12e say only that PU-MLC does better without mixup "
    "or with the other setting; whether the temperature costs less there, they do not ask. On "
    "centred features, with biases that start at the level of the classes, little of it is left "
    "(rows 11i and 11j)."
)
LEVEL_LOST = (
    "On centred features, with biases that start at the level of the classes, most of the distance "
    "is gone"
)
UNSHARP = (
    "Perhaps because it sharpens the predictions of the first epochs, before anything is known: on "
    "features as extracted a later start helps (row 12b)."
)
FEW_POSITIVES = (
    "Perhaps because a tenth of the labels gives the rarer classes hardly a positive in a batch of "
    "64; rows 14b to 14d, with as many negatives for each positive, ask the same with more of both."
)
AFTERWARDS = (
    "PU-MLC is at its best after two to four epochs (by the record), and falls by seven to ten "
    "points afterwards, which it does not do where more labels are known (tab-pumlc-photographs, "
    "tab-pumlc-photographs-last). That speaks against the level of the classes, which more labels "
    "would push up further; perhaps the few labelled positives are memorised. The temperature is "
    "not needed for it: VPU with re-balance falls as far. Less is lost without mixup (row 18j)."
)
LOSES_MORE = (
    "At the best epoch the two are level (row 14b), and from there to the last one PU-MLC loses a "
    "little more (tab-pumlc-photographs, tab-pumlc-photographs-last)."
)
REASONS: Mapping[str, str] = {
    "11a": f"For the larger part it is the temperature (row 11e). {LEVEL_LOST} (row 11g); the mean "
    "predictions alone do not explain it (tab-pumlc-feature-levels).",
    "11b": f"For the larger part it is the temperature (row 11f). {LEVEL_LOST} (row 11h): perhaps "
    "it is the level that is lost (tab-pumlc-feature-levels).",
    "11e": CAUSES,
    "11f": CAUSES,
    "11g": f"In part it is the temperature (row 11i); what is left {KNOWN_NEGATIVES}.",
    "11h": "For the larger part it is the temperature (row 11j); without it the two are about "
    "level (tab-pumlc-features).",
    "11i": UNSHARP,
    "11j": UNSHARP,
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
