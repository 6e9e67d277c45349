"""Why rows on digits fail: what is printed beside them."""

from __future__ import annotations

from collections.abc import Mapping

from weaklabels.press.verdicts import FAILS

DOUBTFUL = (
    "Perhaps because hardly any wrong label is fitted without weights either "
    "(tab-bldr-symmetric), while right labels that look doubtful lose part of their weight."
)
OWN_RATE = (
    "Without views each method has the learning rate that is best at the end of training on bare "
    "digits (tab-bldr-tuned)."
)
SMALL_RATE = (
    f"{OWN_RATE} For cross-entropy it is a small one, with which training ends before all wrong "
    "labels are learnt by heart."
)
REASONS: Mapping[str, str] = {
    **dict.fromkeys(("1d", "1e", "2a", "5c"), SMALL_RATE),
    **dict.fromkeys(("3a", "4c", "11a"), OWN_RATE),
    "2b": "Cross-entropy has varied views here (row 1c), while for negative learning no strength "
    "of them was better than none, at the learning rate of all and at its own (tab-bldr-tuned). It "
    "is slow besides (row 3b).",
    "5a": "With varied views cross-entropy fits next to none of the wrong labels and tells them "
    "apart nearly perfectly (tab-bldr-symmetric). Row 5c compares the two on bare digits.",
    "5b": "With varied views cross-entropy fits next to none of the wrong labels and tells them "
    "apart nearly perfectly (tab-bldr-symmetric): nothing that counts is left to gain.",
    "6a": "With the views that suit it the positive head alone fits about one wrong label in a "
    "hundred (tab-bldr-symmetric), which perhaps leaves little to gain. fig-bldr-views has both "
    "on bare digits as well.",
    "6b": "It is the weights: at the same settings BL+DR ends below BL+rho, which lacks nothing "
    f"but the weights (tab-bldr-symmetric). {DOUBTFUL}",
    "6c": DOUBTFUL,
    "6d": "Perhaps because hardly any wrong label is fitted at the fixed share either (BL in "
    "tab-bldr-symmetric), so that a better one has little to mend.",
    "6e": "Step by step none is shown to gain anything here, and two cost a little: the second "
    "direction (row 6a) and the weights (row 6c). What self-distillation does by itself these rows "
    "do not tell: BLDR's weak view is the bare digit, that of the other steps is shifted "
    "(tab-bldr-tuned). At BLDR's settings re-weighting does gain (BLDR without DR in "
    "tab-bldr-symmetric).",
    "6f": "Some trainings in both directions end far below the others: BL has a standard deviation "
    "of eight points in tab-bldr-asymmetric, PL of two, and the settings of both were chosen on "
    "three seeds.",
    "6g": "In the means of tab-bldr-asymmetric the second direction and re-weighting cost most, "
    "and self-distillation gives back a part of it. What learns in two directions differs there by "
    "six to nine points from seed to seed, and its settings were chosen on three seeds.",
    "8": "Perhaps because BLDR's weak view is the bare digit (tab-bldr-tuned): it fits four wrong "
    "labels in a hundred, BL+DR fewer than one (tab-bldr-symmetric).",
    "11b": f"{OWN_RATE} What each of the two directions fits of the wrong labels there, "
    "tab-bldr-symmetric tells (PL, BL and NL without views).",
}
"""Row -> why it fails."""


def why(id: str) -> dict[str, str]:
    """Outcome -> explanation of a row; empty without one."""
    return {FAILS: REASONS[id]} if id in REASONS else {}
