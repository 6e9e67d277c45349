"""The claims of *Noise-Robust Bidirectional Learning* (BLDR, 2022), one function each.

``symmetric`` and ``asymmetric`` are method -> records, one a seed, by kind of wrong labels.
"""

from __future__ import annotations

from chapters.bldr.runs import COMPARATORS
from chapters.bldr.tables import Groups, best, detection_f1, last, time_to
from weaklabels.press.claims import Row, all_of, greater, not_testable
from weaklabels.press.verdicts import FAILS, HOLDS, OPEN

PAPER = "Stated in the paper (CIFAR-10N, CIFAR-100N); its tables could not be read"
OURS = "Ours; no such comparison of the paper could be read"

WORTH_AUC = 0.01
"""An area of one point in a hundred: less than the spread of one method over seeds."""


def claim_1a(symmetric: Groups) -> Row:
    """Best against last accuracy of CE, more than ten points."""
    return Row(
        "1a",
        "Cross-entropy memorises wrong labels: it loses more than ten points after its best epoch.",
        PAPER,
        greater(best(symmetric["CE"]), last(symmetric["CE"]), margin=10),
        figure="fig-bldr-curves",
    )


def claim_1b(symmetric: Groups) -> Row:
    """Share of wrong labels that CE fits, against 95 %."""
    fitted = last(symmetric["CE"], "fitted")
    return Row(
        "1b",
        "Cross-entropy fits nearly all wrong labels: more than 95 %.",
        PAPER,
        greater(fitted, [95] * len(fitted)),
        figure="fig-bldr-curves",
    )


def claim_2(symmetric: Groups) -> Row:
    """Last accuracy of NL against CE."""
    return Row(
        "2",
        "Negative learning is more robust: it ends above cross-entropy.",
        PAPER,
        greater(last(symmetric["NL"]), last(symmetric["CE"])),
        figure="fig-bldr-curves",
    )


def claim_3(symmetric: Groups) -> Row:
    """Time to 80 % accuracy: NL takes more than a tenth of the training longer than CE."""
    return Row(
        "3",
        "Negative learning converges much more slowly than positive learning: it comes to 80 % "
        "accuracy more than a tenth of the training later.",
        PAPER,
        greater(time_to(symmetric["NL"]), time_to(symmetric["CE"]), margin=10),
        figure="tab-bldr-symmetric",
    )


def claim_4(symmetric: Groups) -> list[Row]:
    """Time to 80 % accuracy: BL at most 2 % of the training (one measurement) after CE and PL."""
    pairs = (
        ("4a", "CE", "cross-entropy", PAPER, {}),
        (
            "4b",
            "PL",
            "its positive head alone (PL)",
            OURS,
            {HOLDS: "The positive head alone is as fast: its speed needs no second direction."},
        ),
    )
    return [
        Row(
            id,
            f"Learning in both directions comes to 80 % accuracy as soon as {words}.",
            paper,
            greater(time_to(symmetric[name]), time_to(symmetric["BL"]), margin=-2),
            figure="tab-bldr-symmetric",
            why=why,
        )
        for id, name, words, paper, why in pairs
    ]


def claim_5(symmetric: Groups) -> list[Row]:
    """AUC of the given label's probability: NL and the negative head of BLDR, each against CE."""
    return [
        Row(
            id,
            f"Probabilities of {words} tell wrong from right labels better than those of CE (AUC).",
            PAPER,
            greater(
                last(symmetric[name], "auc"),
                last(symmetric["CE"], "auc"),
                worth=WORTH_AUC,
                digits=3,
            ),
            figure="tab-bldr-symmetric",
        )
        for id, name, words in (
            ("5a", "NL", "negative learning"),
            ("5b", "BLDR", "the negative head of BLDR"),
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
    )


def claim_6b(symmetric: Groups) -> Row:
    """Last accuracy of BL+DR against BL."""
    return Row(
        "6b",
        "Re-weighting improves bidirectional learning (BL+DR over BL).",
        PAPER,
        greater(last(symmetric["BL+DR"]), last(symmetric["BL"])),
        figure="fig-bldr-ladder",
        why={
            HOLDS: "Weights of samples and the estimated share of wrong labels, which weighs one "
            "of the losses, change together: which of them helps is not separated here."
        },
    )


def claim_7a(symmetric: Groups) -> Row:
    """Last accuracy of BLDR against BL+DR."""
    return Row(
        "7a",
        "Self-distillation improves it further (BLDR over BL+DR).",
        PAPER,
        greater(last(symmetric["BLDR"]), last(symmetric["BL+DR"])),
        figure="fig-bldr-ladder",
        why={HOLDS: "Confounded with a three times faster training of u: see 7b."},
    )


def claim_7b(symmetric: Groups) -> Row:
    """Last accuracy of BLDR against BL+DR whose u has three times the rate."""
    return Row(
        "7b",
        "Control: the gain of self-distillation is more than that of training u faster.",
        "Our control; not in the paper",
        greater(last(symmetric["BLDR"]), last(symmetric["BL+DR, faster u"])),
        figure="fig-bldr-ladder",
        why={
            FAILS: "Losses of all branches act on the same u: with three heads it moves three "
            "times as far. A faster u alone does as much as the branches.",
            OPEN: "Losses of all branches act on the same u. What a faster u alone adds to BL+DR "
            "is printed above.",
        },
    )


def claim_8(symmetric: Groups) -> Row:
    """F1 of flagged labels of BLDR against BL+DR."""
    return Row(
        "8",
        "BLDR finds wrong labels better than without self-distillation (F1, the challenge's "
        "score).",
        OURS,
        greater(detection_f1(symmetric["BLDR"]), detection_f1(symmetric["BL+DR"])),
        figure="tab-bldr-symmetric",
    )


def claim_9(symmetric: Groups, asymmetric: Groups) -> list[Row]:
    """Last accuracy of BLDR against each comparator, by kind of wrong labels."""
    views = (
        "Perhaps its views: BLDR alone trains on shifted and noisy images as well; what the others "
        "would do with them is not run here."
    )
    agree = (
        "Perhaps wrong labels that agree fool the negative head as well. Co-teaching is told the "
        "true rate of wrong labels."
    )
    return [
        Row(
            id,
            f"BLDR ends above CE, GCE, NL, NLNL and Co-teaching; {kind} noise.",
            PAPER,
            all_of({n: greater(last(groups["BLDR"]), last(groups[n])) for n in COMPARATORS}),
            figure=f"tab-bldr-{kind}",
            why={HOLDS: views} | why,
        )
        for id, groups, kind, why in (
            ("9a", symmetric, "symmetric", {}),
            ("9b", asymmetric, "asymmetric", {FAILS: agree}),
        )
    ]


def claim_10() -> Row:
    """Nothing here decides it: it needs the images of CIFAR."""
    return Row(
        "10",
        "One setting per data set wins on the human noise of CIFAR-10N and CIFAR-100N.",
        PAPER,
        not_testable("Needs hours of a GPU on the CIFAR images; the paper profile runs it."),
        figure="tab-bldr-symmetric",
    )
