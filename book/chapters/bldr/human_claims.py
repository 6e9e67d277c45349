"""The claims of BLDR on the labels of people: CIFAR-10N, recorded.

``human`` are the recorded runs (see ``human_runs``); empty, while nothing is recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from string import ascii_lowercase

from chapters.bldr import photographs
from chapters.bldr.claims import OURS, PAPER, WORTH_AUC
from chapters.bldr.tables import Human
from weaklabels.press.claims import Row, Verdict, greater, lettered, not_testable
from weaklabels.press.verdicts import FAILS, NOT_RECORDED

WHY_NOT_ABOVE = {
    "GCE": "Perhaps there is little to gain where few labels are wrong: with two of five wrong "
    "(row 12j) BLDR is ahead.",
    "Co-teaching": "Knowing the share of mistakes need not be the reason: on aggregate and random "
    "1 the positive head alone (PL), which is told nothing, ends level with Co-teaching "
    "(tab-bldr-human). Perhaps there is little to gain where few labels are wrong.",
}


def _on_people(
    number: str,
    text: str,
    paper: str,
    human: Human,
    test: Callable[[str], Verdict],
    fails: str = "",
) -> list[Row]:
    """One row a kind of human labels, all by the same test, which is called with their name; with
    a reason where it fails."""
    return [
        Row(
            f"{number}{letter}",
            f"Human labels of CIFAR-10N ({labels}, recorded): {text}.",
            paper,
            test(labels) if human else not_testable(NOT_RECORDED),
            figure="tab-bldr-human",
            why={FAILS: fails} if fails else {},
        )
        for letter, labels in zip("abc", photographs.LABELS.values(), strict=True)
    ]


def claim_12(human: Human) -> list[Row]:
    """Last accuracy of BLDR against each comparator, on human labels."""
    pairs = [
        (labels, name) for labels in photographs.LABELS.values() for name in photographs.RIVALS
    ]
    return [
        Row(
            f"12{letter}",
            f"Human labels of CIFAR-10N ({labels}, recorded): BLDR ends above {name}.",
            PAPER if name == "CE" else OURS,
            greater(human[labels, "BLDR"]["test"], human[labels, name]["test"])
            if human
            else not_testable(NOT_RECORDED),
            figure="tab-bldr-human",
            why={FAILS: WHY_NOT_ABOVE[name]} if name in WHY_NOT_ABOVE else {},
        )
        for letter, (labels, name) in lettered(ascii_lowercase, pairs)
    ]


def claim_13(human: Human) -> list[Row]:
    """AUC of BLDR's final weights against that of the probabilities of CE, on human labels."""

    def test(labels: str) -> Verdict:
        ours, other = human[labels, "BLDR"]["weights auc"], human[labels, "CE"]["auc"]
        return greater(ours, other, worth=WORTH_AUC, digits=3)

    text = "BLDR's weights tell mistakes from right labels better than the probabilities of CE"
    fails = "The probabilities of CE tell mistakes apart here as well as these weights do; with "
    fails += "more mistakes the weights are ahead (rows 13b, 13c)."
    return _on_people("13", f"{text} (AUC)", PAPER, human, test, fails)


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
    fails = "CE predicts the held-out labels of one person best at a small learning rate "
    fails += "(tab-bldr-human-rates); perhaps training ends there before mistakes are learnt."
    return _on_people("15", text, PAPER, human, test, fails)


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


def claim_17(human: Human) -> list[Row]:
    """AUC of the given label's probability at the end, BLDR's negative head against CE."""

    def test(labels: str) -> Verdict:
        ours, other = human[labels, "BLDR"]["auc"], human[labels, "CE"]["auc"]
        return greater(ours, other, worth=WORTH_AUC, digits=3)

    text = "probabilities of BLDR's negative head tell mistakes from right labels better than"
    return _on_people("17", f"{text} those of CE, measured alike (AUC)", PAPER, human, test)


def claim_22(human: Human) -> list[Row]:
    """AUC of the given label's probability at the end: BLDR's negative head against the two
    rivals that tell mistakes apart without a head of their own."""
    pairs = [(labels, name) for labels in photographs.LABELS.values() for name in ("GCE", "NLNL")]
    return [
        Row(
            f"22{letter}",
            f"BLDR's negative head tells mistakes from right labels better than {name}, {labels}: "
            "probabilities, measured alike (AUC; human labels of CIFAR-10N, recorded).",
            OURS,
            greater(
                human[labels, "BLDR"]["auc"], human[labels, name]["auc"], worth=WORTH_AUC, digits=3
            )
            if human
            else not_testable(NOT_RECORDED),
            figure="tab-bldr-human",
        )
        for letter, (labels, name) in lettered(ascii_lowercase, pairs)
    ]


def claim_23(human: Human) -> list[Row]:
    """Last accuracy of BLDR against PL, on human labels."""

    def test(labels: str) -> Verdict:
        return greater(human[labels, "BLDR"]["test"], human[labels, "PL"]["test"])

    text = "all steps together pay, BLDR ends above its positive head alone (PL)"
    fails = (
        "Perhaps, on labels of people, what BLDR adds to its positive head pays only where "
        "mistakes are many: with two of five labels wrong (row 23c) BLDR is ahead. Many wrong "
        "labels are not enough: on digits, with as many or more of them, it is not ahead (rows 6e, "
        "6g)."
    )
    return _on_people("23", text, PAPER, human, test, fails)
