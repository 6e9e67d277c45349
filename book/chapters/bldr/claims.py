"""The claims of *Noise-Robust Bidirectional Learning* (BLDR, 2022), one function each.

``symmetric`` and ``asymmetric`` are method -> records, one a seed, by kind of wrong labels. Every
method has the views of the digits and the learning rate that suit it; ``BARE`` ends the names of
those that train on the digits as they are, at the learning rate that suits them there. Those on
the labels of people stand in ``human_claims``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from chapters.bldr import reasons
from chapters.bldr.runs import BARE, COMPARATORS, SAME_RATE
from chapters.bldr.tables import NEVER, Groups, best, detection_f1, last, time_to
from weaklabels.press.claims import Row, Verdict, greater, mean_std, not_testable
from weaklabels.press.verdicts import FAILS, HOLDS, OPEN, answers

PAPER = "Stated in the abstract of the paper, in words; its tables could not be read"
OURS = "Ours; no such comparison of the paper could be read"

WORTH_AUC = 0.01
"""An area of one point in a hundred: less than the spread of one method over seeds."""

NOT_IN_PAPER_PROFILE = "Human labels take its place in the paper profile."


def claim_1a(symmetric: Groups) -> Row:
    """Best against last accuracy of CE on bare digits, more than ten points."""
    records = symmetric[SAME_RATE]
    return Row(
        "1a",
        "Cross-entropy memorises wrong labels: on digits as they are, at the learning rate that it "
        "has with views, it loses more than ten points after its best epoch.",
        PAPER,
        greater(best(records), last(records), margin=10),
        figure="tab-bldr-symmetric",
    )


def claim_1b(symmetric: Groups) -> Row:
    """Share of wrong labels that CE fits on bare digits, against 95 %."""
    fitted = last(symmetric[SAME_RATE], "fitted")
    return Row(
        "1b",
        "There cross-entropy fits nearly all wrong labels: more than 95 %.",
        PAPER,
        greater(fitted, [95] * len(fitted)),
        figure="fig-bldr-curves",
    )


def claim_1c(symmetric: Groups) -> list[Row]:
    """1c to 1e: what cures CE on bare digits, by its accuracy at the last epoch.

    Views alone and a learning rate of its own alone, more than ten points each; and views on top.
    """
    views, own, neither = (last(symmetric[name]) for name in ("CE", "CE" + BARE, SAME_RATE))
    return [
        Row(id, text, OURS, verdict, figure="fig-bldr-curves", why=reasons.why(id))
        for id, text, verdict in (
            (
                "1c",
                "Varied views of the digits alone cure most of that: with them cross-entropy ends "
                "more than ten points higher.",
                greater(views, neither, margin=10),
            ),
            (
                "1d",
                "So does a learning rate alone: with the one that was chosen on digits as they "
                "are, cross-entropy ends more than ten points higher on them.",
                greater(own, neither, margin=10),
            ),
            (
                "1e",
                "With varied views cross-entropy ends higher than on digits as they are, each at "
                "the learning rate that was chosen there.",
                greater(views, own),
            ),
        )
    ]


def claim_2(symmetric: Groups) -> list[Row]:
    """Accuracy of NL against CE at the last epoch: bare, and with the settings of each."""
    ours, plain, bare = (symmetric[name] for name in ("NL", "CE", "CE" + BARE))
    robust = "Negative learning is more robust: it ends above cross-entropy,"
    rows = (
        ("2a", f"{robust} both on digits as they are.", PAPER, last(ours), last(bare)),
        ("2b", f"{robust} each with its own settings.", OURS, last(ours), last(plain)),
    )
    return [
        Row(id, claim, paper, greater(one, other), "fig-bldr-curves", reasons.why(id))
        for id, claim, paper, one, other in rows
    ]


def claim_3(symmetric: Groups) -> list[Row]:
    """Time to 80 % accuracy: NL takes more than a tenth of the training longer than CE."""
    return [
        Row(
            id,
            "Negative learning converges much more slowly than positive learning: it comes to "
            f"80 % accuracy more than a tenth of the training later, {words}.",
            paper,
            _later(time_to(symmetric["NL"]), time_to(symmetric[name]), margin=10),
            figure="tab-bldr-symmetric",
            why=reasons.why(id),
        )
        for id, name, words, paper in (
            ("3a", "CE" + BARE, "both on digits as they are", PAPER),
            ("3b", "CE", "each with its own settings", OURS),
        )
    ]


def claim_4(symmetric: Groups) -> list[Row]:
    """Time to 80 % accuracy: BL at most 2 % of the training (one measurement) after CE and PL."""
    alone = {HOLDS: "The positive head alone is not faster by more than one measurement."}
    return [
        _as_soon(symmetric, "4a", "BL", "CE", "cross-entropy, each with its own settings"),
        _as_soon(symmetric, "4b", "BL", "PL", "its positive head alone (PL)", OURS, alone),
    ]


def claim_4c(every: Groups) -> Row:
    """Time to 80 % accuracy on bare digits: BL at most 2 % of the training after CE."""
    words = "cross-entropy, both on digits as they are"
    return _as_soon(every, "4c", "BL" + BARE, "CE" + BARE, words, why=reasons.why("4c"))


def _as_soon(
    groups: Groups,
    id: str,
    ours: str,
    other: str,
    words: str,
    paper: str = PAPER,
    why: Mapping[str, str] = MappingProxyType({}),
) -> Row:
    return Row(
        id,
        f"Learning in both directions comes to 80 % accuracy as soon as {words}.",
        paper,
        _sooner(time_to(groups[ours]), time_to(groups[other]), margin=-2),
        figure="tab-bldr-symmetric",
        why=why,
    )


def _later(ours: np.ndarray, other: np.ndarray, margin: float) -> Verdict:
    """Are times (% of the training) longer than others by more than a margin?"""
    found = greater(ours, other, margin=margin)
    return replace(found, ours=found.ours + _never(ours, other))


def _sooner(ours: np.ndarray, other: np.ndarray, margin: float) -> Verdict:
    """Are times shorter than others, or longer by less than a margin? Ours are told first."""
    found = greater(other, ours, margin=margin)
    lead = found.ours.partition(": ")[2]
    return replace(
        found,
        ours=f"{mean_std(ours)} against {mean_std(other)}, sooner by {lead}{_never(ours, other)}",
    )


def _never(ours: np.ndarray, other: np.ndarray) -> str:
    never = [int((each == NEVER).sum()) for each in (ours, other)]
    return (
        f"; of {len(ours)} runs each {never[0]} and {never[1]} come to it at the end or never, "
        f"which counts as {NEVER}"
        if any(never)
        else ""
    )


def claim_5(symmetric: Groups) -> list[Row]:
    """AUC of the given label's probability: NL and the negative head of BLDR, each against CE."""
    return [
        Row(
            id,
            f"Probabilities of {words} tell wrong from right labels better than those of "
            f"cross-entropy (AUC), {views}.",
            PAPER,
            greater(
                last(symmetric[name], "auc"),
                last(symmetric[other], "auc"),
                worth=WORTH_AUC,
                digits=3,
            ),
            figure="tab-bldr-symmetric",
            why=reasons.why(id),
        )
        for id, name, other, words, views in (
            ("5a", "NL", "CE", "negative learning", "each with its own settings"),
            ("5b", "BLDR", "CE", "the negative head of BLDR", "each with its own settings"),
            ("5c", "NL", "CE" + BARE, "negative learning", "both on digits as they are"),
        )
    ]


def claim_6a(symmetric: Groups) -> Row:
    """Last accuracy of BL against PL."""
    return Row(
        "6a",
        "Learning in both directions is better than in the positive one (BL over PL).",
        PAPER,
        greater(last(symmetric["BL"]), last(symmetric["PL"])),
        figure="fig-bldr-ladder",
        why=reasons.why("6a"),
    )


def claim_6e(symmetric: Groups) -> Row:
    """Last accuracy of BLDR against PL, each with its own settings: all steps at once."""
    return Row(
        "6e",
        "All steps together pay: BLDR ends above its positive head alone (PL), each with its own "
        "settings.",
        PAPER,
        greater(last(symmetric["BLDR"]), last(symmetric["PL"])),
        figure="fig-bldr-ladder",
        why=reasons.why("6e"),
    )


def claim_6fg(asymmetric: Groups) -> list[Row]:
    """Last accuracy against PL where wrong labels agree: of BL (6f) and of BLDR (6g)."""
    return [
        Row(
            id,
            f"Asymmetric noise: {name}, {text}, ends above its positive head alone (PL).",
            OURS,
            greater(last(asymmetric[name]), last(asymmetric["PL"]))
            if asymmetric
            else not_testable(NOT_IN_PAPER_PROFILE),
            figure="tab-bldr-asymmetric",
            why=reasons.why(id),
        )
        for id, name, text in (
            ("6f", "BL", "learning in both directions"),
            ("6g", "BLDR", "all steps together"),
        )
    ]


def claim_6bcd(symmetric: Groups) -> list[Row]:
    """Last accuracy of BL with all of re-weighting, or with one of its parts, against BL."""
    of_dr = "with the settings of BL+DR against BL with its own"
    return [
        Row(
            id,
            f"{words} improves bidirectional learning ({name} over BL), {settings}.",
            paper,
            greater(last(symmetric[name]), last(symmetric["BL"])),
            figure="fig-bldr-ladder",
            why=reasons.why(id),
        )
        for id, name, words, settings, paper in (
            ("6b", "BL+DR", "Re-weighting", "each with its own settings", PAPER),
            (
                "6c",
                "BL+weights",
                "Weighing the samples, at a fixed share of wrong labels,",
                of_dr,
                OURS,
            ),
            ("6d", "BL+rho", "Estimating the share of wrong labels, without weights,", of_dr, OURS),
        )
    ]


def claim_7a(symmetric: Groups) -> Row:
    """Last accuracy of BLDR against BL+DR."""
    return Row(
        "7a",
        "Self-distillation improves it further (BLDR over BL+DR), each with its own settings.",
        PAPER,
        greater(last(symmetric["BLDR"]), last(symmetric["BL+DR"])),
        figure="fig-bldr-ladder",
        why=dict.fromkeys((HOLDS, FAILS), "The two differ in how fast u and v train as well (7b)."),
    )


def claim_7b(every: Groups) -> Row:
    """Last accuracy of BLDR against BL+DR with u and v at three times their rates."""
    return Row(
        "7b",
        "Control: the gain of self-distillation is more than that of training u and v three times "
        "as fast; BLDR has settings of its own, the other those of BL+DR.",
        "Our control; not in the paper",
        greater(last(every["BLDR"]), last(every["BL+DR, faster u, v"])),
        figure="tab-bldr-symmetric",
        why={
            FAILS: "Losses of all branches act on the same u and v: with three positive heads they "
            "move about three times as far. At three times the rates training ends as high "
            "without the branches.",
            OPEN: "Losses of all branches act on the same u and v. What faster ones alone add to "
            "BL+DR is printed above.",
        },
    )


def claim_8(symmetric: Groups) -> Row:
    """F1 of flagged labels of BLDR against BL+DR."""
    return Row(
        "8",
        "BLDR finds wrong labels better than without self-distillation (F1, the challenge's "
        "score), each with its own settings.",
        OURS,
        greater(detection_f1(symmetric["BLDR"]), detection_f1(symmetric["BL+DR"])),
        figure="tab-bldr-symmetric",
        why=reasons.why("8"),
    )


def claim_9(groups: Groups, kind: str) -> list[Row]:
    """Last accuracy of BLDR against each comparator; one kind of wrong labels."""
    paper = PAPER if kind == "symmetric" else OURS
    return _above_comparators(groups, kind, "9", "BLDR", "BLDR", paper)


def claim_19(groups: Groups, kind: str) -> list[Row]:
    """Both directions alone at the last epoch against each comparator; one kind of wrong labels."""
    words = "Learning in both directions alone (BL)"
    return _above_comparators(groups, kind, "19", "BL", words, OURS)


def _above_comparators(
    groups: Groups, kind: str, number: str, ours: str, words: str, paper: str
) -> list[Row]:
    letters = {"symmetric": "abcde", "asymmetric": "fghij"}[kind]
    return [
        Row(
            f"{number}{letter}",
            f"{words} ends above {other}; {kind} noise.",
            paper if other == "CE" else OURS,
            greater(last(groups[ours]), last(groups[other]))
            if groups
            else not_testable(NOT_IN_PAPER_PROFILE),
            figure=f"tab-bldr-{kind}",
            why=reasons.why(f"{number}{letter}"),
        )
        for letter, other in zip(letters, COMPARATORS, strict=True)
    ]


def claim_10() -> Row:
    """Nothing here decides it: it needs the images of CIFAR."""
    return Row(
        "10",
        "One setting per data set wins on the human noise of CIFAR-10N and CIFAR-100N.",
        "Ours, after a rule of the challenge; no such comparison of the paper could be read",
        not_testable("Needs hours of a GPU on the CIFAR images; the paper profile runs it."),
        figure="tab-bldr-human",
    )


def claim_11(symmetric: Groups) -> list[Row]:
    """Last accuracy on bare digits: BL against CE, and against NL."""
    return [
        Row(
            id,
            f"On digits as they are, learning in both directions (BL) ends above {words}.",
            OURS,
            greater(last(symmetric["BL" + BARE]), last(symmetric[name + BARE])),
            figure="fig-bldr-views",
            why=reasons.why(id),
        )
        for id, name, words in (
            ("11a", "CE", "cross-entropy"),
            ("11b", "NL", "negative learning"),
        )
    ]


QUESTIONS = {
    "Cross-entropy memorises wrong labels, and views cure most of it": ("1a", "1b", "1c"),
    "A learning rate of its own cures most of it as well": ("1d",),
    "Views add to it": ("1e",),
    "Negative learning is more robust": ("2a", "2b"),
    "Negative learning is slower": ("3a", "3b"),
    "Both directions together are as fast as positive learning": ("4a", "4b", "4c"),
    "Negative learning, and the negative head of BLDR, tell wrong from right labels better than "
    "cross-entropy": ("5a", "5b", "5c"),
    "Both directions together end higher than positive learning": ("6a",),
    "All of BLDR ends higher than positive learning": ("6e",),
    "Where wrong labels agree both directions and all of BLDR end higher than positive learning": (
        "6f",
        "6g",
    ),
    "To both directions re-weighting adds; so do its weights alone; so does its estimate alone": (
        *("6b", "6c", "6d"),
    ),
    "Self-distillation helps": ("7a",),
    "Self-distillation helps by more than training u and v faster": ("7b",),
    "BLDR finds wrong labels better than without self-distillation": ("8",),
    "BLDR ends above CE, GCE, NL, NLNL and Co-teaching": (*("9a", "9b", "9c", "9d", "9e"),),
    "BLDR ends above these five where wrong labels agree": (*("9f", "9g", "9h", "9i", "9j"),),
    "Both directions alone end above CE, GCE, NL, NLNL and Co-teaching": (
        *("19a", "19b", "19c", "19d", "19e"),
    ),
    "Both directions alone end above these five where wrong labels agree": (
        *("19f", "19g", "19h", "19i", "19j"),
    ),
    "Without any views both directions beat cross-entropy, and negative learning": ("11a", "11b"),
    "On human labels BLDR ends above CE, GCE, NLNL and Co-teaching, on aggregate ones": (
        *("12a", "12b", "12c", "12d"),
    ),
    "On human labels BLDR ends above these four, on those called random 1": (
        "12e",
        "12f",
        "12g",
        "12h",
    ),
    "On human labels BLDR ends above these four, on those called worst": (
        "12i",
        "12j",
        "12k",
        "12l",
    ),
    "On human labels its weights find mistakes better than cross-entropy; with an AUC above 0.8": (
        *("13a", "13b", "13c"),
        *("14a", "14b", "14c"),
    ),
    "On human labels its negative head finds them better than cross-entropy, measured alike": (
        "17a",
        "17b",
        "17c",
    ),
    "On human labels its negative head finds them better than GCE and NLNL, measured alike": (
        *("22a", "22b", "22c", "22d", "22e", "22f"),
    ),
    "On human labels all of BLDR ends higher than positive learning": ("23a", "23b", "23c"),
    "On human labels cross-entropy learns more than half of the mistakes by heart": (
        "15a",
        "15b",
        "15c",
    ),
    "On human labels negative learning with selection ends above cross-entropy": (
        "16a",
        "16b",
        "16c",
    ),
}
"""What the chapter asked -> rows that answer."""

FINDINGS: Mapping[str, Mapping[str, str]] = {
    "negative learning ends above cross-entropy": {"digits": "2b", "human labels": "16a 16b 16c"},
    "the negative head tells mistakes from right labels better than cross-entropy": {
        "digits": "5b",
        "human labels": "17a 17b 17c",
    },
    "all of BLDR ends above its positive head alone": {
        "digits": "6e",
        "human labels": "23a 23b 23c",
    },
    "BLDR ends above cross-entropy": {"digits": "9a", "human labels": "12a 12e 12i"},
    "BLDR ends above Co-teaching": {"digits": "9e", "human labels": "12d 12h 12l"},
}
"""What is asked -> where -> the rows that answer it there."""


def summary(outcomes: Mapping[str, str]) -> str:
    """The answers, one line a question, from the outcomes of the rows that are shown."""
    return answers(QUESTIONS, outcomes)
