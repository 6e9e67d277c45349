"""Why rows on digits fail: what is printed beside them."""

from __future__ import annotations

from collections.abc import Mapping

from weaklabels.press.verdicts import FAILS

DOUBTFUL = (
    "Perhaps because hardly any wrong label is fitted without weights either "
    "(tab-bldr-symmetric), while right labels that look doubtful lose part of theirs."
)
REASONS: Mapping[str, str] = {
    "2b": "Varied views lift cross-entropy by more than ten points (row 1c), while for negative "
    "learning no strength of them was better than none (tab-bldr-tuned). It is slow besides "
    "(row 3b); perhaps the learning rate, which is the same for all, does not suit it.",
    "5a": "With varied views cross-entropy fits next to none of the wrong labels and tells them "
    "apart nearly perfectly (tab-bldr-symmetric). On bare digits, where it fits them all, negative "
    "learning is far ahead (row 5c).",
    "6a": "With the views that suit it the positive head alone fits about one wrong label in a "
    "hundred (tab-bldr-symmetric), which perhaps leaves little to gain. On bare digits the two end "
    "close to each other as well, and far lower: the views change much more than the second "
    "direction.",
    "6b": "It is the weights: alone they cost as much (row 6c), and the estimated share alone "
    f"costs nothing that counts (row 6d). {DOUBTFUL}",
    "6c": DOUBTFUL,
    "6d": "Perhaps because hardly any wrong label is fitted at the fixed share either (BL in "
    "tab-bldr-symmetric), so that a better one has little to mend.",
    "6e": "Two of the steps cost accuracy here, the weights (row 6c) and the step to "
    "self-distillation (row 7a), of which training u and v three times as fast makes up a part "
    "(BL+DR, faster u, v in tab-bldr-symmetric); and learning in both directions adds nothing that "
    "makes it up (row 6a).",
    "6f": "No explanation was found: five of the twelve seeds end more than five points lower in "
    "both directions than in the positive one (spreads in tab-bldr-asymmetric).",
    "6g": "As for rows 6e and 6f: both directions and re-weighting cost something there, of which "
    "self-distillation gives back a part (means in tab-bldr-asymmetric).",
    "8": "Training u and v three times as fast, which self-distillation does on the way, gives "
    "about the same F1 without any branches (BL+DR, faster u, v in tab-bldr-symmetric).",
    "11b": "On bare digits the positive head alone fits most of the wrong labels, and both "
    "directions together fit hardly fewer, while negative learning alone fits few (PL, BL and NL "
    "without views in tab-bldr-symmetric).",
}
"""Row -> why it fails."""


def why(id: str) -> dict[str, str]:
    """Outcome -> explanation of a row; empty without one."""
    return {FAILS: REASONS[id]} if id in REASONS else {}
