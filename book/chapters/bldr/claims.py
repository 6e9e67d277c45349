"""The claims of *Noise-Robust Bidirectional Learning* (BLDR, 2022), one function each.

``symmetric`` and ``asymmetric`` are method -> records, one a seed, by kind of wrong labels. Every
method has the views of the digits that suit it; ``BARE`` ends the names of those that train on the
digits as they are. ``human`` are the recorded runs on the labels of people (see ``human_runs``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from chapters.bldr.runs import BARE, COMPARATORS, HUMAN_LABELS, HUMAN_METHODS
from chapters.bldr.tables import Groups, Human, best, detection_f1, last, time_to
from weaklabels.press.claims import Row, Verdict, all_of, greater, not_testable
from weaklabels.press.verdicts import FAILS, HOLDS, NOT_RECORDED, OPEN, answers

PAPER = "Stated in the paper (CIFAR-10N, CIFAR-100N); its tables could not be read"
OURS = "Ours; no such comparison of the paper could be read"

WORTH_AUC = 0.01
"""An area of one point in a hundred: less than the spread of one method over seeds."""


def claim_1a(symmetric: Groups) -> Row:
    """Best against last accuracy of CE on bare digits, more than ten points."""
    records = symmetric["CE" + BARE]
    return Row(
        "1a",
        "Cross-entropy memorises wrong labels: on digits as they are it loses more than ten points "
        "after its best epoch.",
        PAPER,
        greater(best(records), last(records), margin=10),
        figure="fig-bldr-curves",
    )


def claim_1b(symmetric: Groups) -> Row:
    """Share of wrong labels that CE fits on bare digits, against 95 %."""
    fitted = last(symmetric["CE" + BARE], "fitted")
    return Row(
        "1b",
        "There cross-entropy fits nearly all wrong labels: more than 95 %.",
        PAPER,
        greater(fitted, [95] * len(fitted)),
        figure="fig-bldr-curves",
    )


def claim_1c(symmetric: Groups) -> Row:
    """Last accuracy of CE with its views against CE on bare digits, more than ten points."""
    return Row(
        "1c",
        "Varied views of the digits alone cure most of that: with them cross-entropy ends more "
        "than ten points higher.",
        OURS,
        greater(last(symmetric["CE"]), last(symmetric["CE" + BARE]), margin=10),
        figure="fig-bldr-curves",
    )


def claim_2(symmetric: Groups) -> list[Row]:
    """Last accuracy of NL against CE: on bare digits, and with the views that suit each."""
    return [
        Row(
            id,
            f"Negative learning is more robust: it ends above cross-entropy, {words}.",
            paper,
            greater(last(symmetric["NL"]), last(symmetric[name])),
            figure="fig-bldr-curves",
        )
        for id, name, words, paper in (
            ("2a", "CE" + BARE, "which trains on digits as they are", PAPER),
            ("2b", "CE", "each with the views that suit it", OURS),
        )
    ]


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


def claim_6bcd(symmetric: Groups) -> list[Row]:
    """Last accuracy of BL with all of re-weighting, or with one of its parts, against BL."""
    return [
        Row(
            id,
            f"{words} improves bidirectional learning ({name} over BL).",
            paper,
            greater(last(symmetric[name]), last(symmetric["BL"])),
            figure="fig-bldr-ladder",
        )
        for id, name, words, paper in (
            ("6b", "BL+DR", "Re-weighting", PAPER),
            ("6c", "BL+weights", "Weighing the samples, at a fixed share of wrong labels,", OURS),
            ("6d", "BL+rho", "Estimating the share of wrong labels, without weights,", OURS),
        )
    ]


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


def claim_9(groups: Groups, kind: str) -> list[Row]:
    """Last accuracy of BLDR, and of BL, against each comparator; one kind of wrong labels."""
    letters = {"symmetric": ("9a", "9b"), "asymmetric": ("9c", "9d")}[kind]
    agree = (
        "Perhaps wrong labels that agree fool the negative head as well. Co-teaching is told the "
        "true rate of wrong labels."
    )
    names = (("BLDR", "BLDR", PAPER), ("BL", "Learning in both directions alone (BL)", OURS))
    return [
        Row(
            id,
            f"{words} ends above CE, GCE, NL, NLNL and Co-teaching; {kind} noise.",
            paper,
            all_of({n: greater(last(groups[name]), last(groups[n])) for n in COMPARATORS}),
            figure=f"tab-bldr-{kind}",
            why={FAILS: agree} if kind == "asymmetric" else {},
        )
        for id, (name, words, paper) in zip(letters, names, strict=True)
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


def claim_11(symmetric: Groups) -> list[Row]:
    """Last accuracy on bare digits: BL against CE, and against NL."""
    return [
        Row(
            id,
            f"On digits as they are, learning in both directions (BL) ends above {words}.",
            OURS,
            greater(last(symmetric["BL" + BARE]), last(symmetric[name + BARE])),
            figure="fig-bldr-views",
        )
        for id, name, words in (
            ("11a", "CE", "cross-entropy"),
            ("11b", "NL", "negative learning"),
        )
    ]


def _on_people(
    number: str, text: str, paper: str, human: Human, test: Callable[[str], Verdict]
) -> list[Row]:
    """One row a kind of human labels, all by the same test, which is called with their name."""
    return [
        Row(
            f"{number}{letter}",
            f"Human labels of CIFAR-10N ({labels}, recorded): {text}.",
            paper,
            test(labels) if human else not_testable(NOT_RECORDED),
            figure="tab-bldr-human",
        )
        for letter, labels in zip("abc", HUMAN_LABELS.values(), strict=True)
    ]


def claim_12(human: Human) -> list[Row]:
    """Last accuracy of BLDR against each comparator, on human labels."""

    def test(labels: str) -> Verdict:
        ours = human[labels, "BLDR"]["test"]
        rivals = [name for name in HUMAN_METHODS if name != "BLDR"]
        return all_of({name: greater(ours, human[labels, name]["test"]) for name in rivals})

    return _on_people("12", "BLDR ends above CE, GCE, NLNL and Co-teaching", PAPER, human, test)


def claim_13(human: Human) -> list[Row]:
    """AUC of BLDR's final weights against that of the probabilities of CE, on human labels."""

    def test(labels: str) -> Verdict:
        ours, other = human[labels, "BLDR"]["weights auc"], human[labels, "CE"]["auc"]
        return greater(ours, other, worth=WORTH_AUC, digits=3)

    text = "BLDR's weights tell mistakes from right labels better than the probabilities of CE"
    return _on_people("13", f"{text} (AUC)", PAPER, human, test)


def claim_14(human: Human) -> list[Row]:
    """AUC of BLDR's final weights against 0.8, on human labels."""

    def test(labels: str) -> Verdict:
        ours = human[labels, "BLDR"]["weights auc"]
        return greater(ours, [0.8] * len(ours), worth=WORTH_AUC, digits=3)

    return _on_people("14", "BLDR's weights find the mistakes, AUC above 0.8", OURS, human, test)


def claim_15(human: Human) -> list[Row]:
    """Share of the mistakes that CE fits by the last epoch, against a half, on human labels."""

    def test(labels: str) -> Verdict:
        fitted = human[labels, "CE"]["fitted"]
        return greater(fitted, [50] * len(fitted))

    text = "cross-entropy learns mistakes by heart, more than half of them"
    return _on_people("15", text, PAPER, human, test)


def claim_16(human: Human) -> list[Row]:
    """Last accuracy of NLNL against CE, on human labels."""

    def test(labels: str) -> Verdict:
        return greater(human[labels, "NLNL"]["test"], human[labels, "CE"]["test"])

    return _on_people(
        "16",
        "negative learning, then selection (NLNL), ends above cross-entropy",
        PAPER,
        human,
        test,
    )


QUESTIONS = {
    "Cross-entropy memorises wrong labels, and views cure most of it": ("1a", "1b", "1c"),
    "Negative learning is more robust, and slower": ("2a", "2b", "3"),
    "Both directions together are as fast as positive learning": ("4a", "4b"),
    "and end higher than it": ("6a",),
    "Re-weighting helps; so do its weights alone; so does its estimate alone": ("6b", "6c", "6d"),
    "Self-distillation helps, and not only by training u faster": ("7a", "7b"),
    "BLDR ends above the five comparators; so do both directions alone": ("9a", "9b"),
    "The same where wrong labels agree": ("9c", "9d"),
    "Without any views both directions beat cross-entropy, and negative learning": ("11a", "11b"),
    "On human labels BLDR ends above four comparators": ("12a", "12b", "12c"),
    "there its weights find the mistakes better than cross-entropy; with an AUC above 0.8": (
        *("13a", "13b", "13c"),
        *("14a", "14b", "14c"),
    ),
    "there cross-entropy learns more than half of the mistakes by heart": ("15a", "15b", "15c"),
    "there negative learning with selection ends above cross-entropy": ("16a", "16b", "16c"),
}
"""What the chapter asked -> rows that answer."""


def summary(outcomes: Mapping[str, str]) -> str:
    """The answers, one line a question, from the outcomes of the rows that are shown."""
    return answers(QUESTIONS, outcomes)
