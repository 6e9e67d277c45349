"""The questions of the head to head: one function each.

Where a question needs "the best of" some methods, the recorded validation scores pick it, not the
test scores that then decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from chapters.head_to_head import ranking
from chapters.head_to_head.choices import Choices
from chapters.head_to_head.entries import (
    BOTH_SIGNS,
    LARGE_LOSS,
    METHODS,
    POSITIVES_ONLY,
    RANKED,
    TOLD,
    WEAKENINGS,
)
from chapters.head_to_head.runs import AVERAGING, IDENTIFYING, PARTIAL
from chapters.head_to_head.tables import Scores, always_close, score_array
from weaklabels.press.claims import Row, Verdict, all_of, every_seed, exact, greater, mean_std

OWN = "Our question"

# -- missing labels -------------------------------------------------------------------------------


def claim_1(scores: Scores) -> Row:
    """EM against AN under each weakening."""
    return Row(
        "1",
        "EM beats assume-negative under every weakening.",
        "On four data sets with single positives (Acknowledging the Unknown)",
        leads({weak: greater(scores[weak, "EM"], scores[weak, "AN"]) for weak in WEAKENINGS}),
        figure="tab-h2h-scenes",
    )


def claim_2(scores: Scores) -> Row:
    """Each large-loss method against AN, mean over the weakenings with positives only."""

    def over(name: str) -> np.ndarray:
        return np.mean([scores[task, name] for task in POSITIVES_ONLY], 0)

    return Row(
        "2",
        "Where only positives are known, each of LL-R, LL-Ct and LL-Cp beats assume-negative "
        "(mean over these weakenings).",
        "On VOC, COCO, NUS and CUB with single positives (Large Loss Matters)",
        leads({name: greater(over(name), over("AN")) for name in LARGE_LOSS}),
        figure="tab-h2h-scenes",
    )


def claim_3(scores: Scores, choices: Choices) -> Row:
    """The favourite among all others against AN, with 90 % known."""
    rival = choices.favourite("90 % known", [name for name in RANKED if name != "AN"])
    return Row(
        "3",
        f"Even with 90 % known there is a method that beats assume-negative ({rival}).",
        OWN,
        greater(scores["90 % known", rival], scores["90 % known", "AN"]),
        figure="tab-h2h-scenes",
    )


def claim_4(scores: Scores, choices: Choices) -> Row:
    """BCE on known at most a point behind the favourite of the others, with 50 and 90 % known."""
    parts = {}
    for weak in ("50 % known", "90 % known"):
        rival = choices.favourite(weak, [name for name in METHODS if name != "BCE on known"])
        pair = scores[weak, "BCE on known"], scores[weak, rival]
        parts[f"{weak}, {rival}"] = greater(*pair, margin=-1)
    return Row(
        "4",
        "With half of all labels known, positive and negative, it is enough to ignore the others: "
        "BCE on known is at most one point behind the best.",
        "Our question; in the published experiment with missing labels EM and BCE (Ign.) meet at "
        "80 %",
        leads(parts),
        figure="tab-h2h-scenes",
    )


def claim_5(scores: Scores) -> Row:
    """BCE on known against AN under each weakening with annotated negatives."""
    return Row(
        "5",
        "Where negatives are annotated too, ignoring unknown labels beats calling them negative.",
        "BCE (Ign.) over BCE (Neg.) at 20, 50 and 80 % (Acknowledging the Unknown)",
        leads(
            {weak: greater(scores[weak, "BCE on known"], scores[weak, "AN"]) for weak in BOTH_SIGNS}
        ),
        figure="tab-h2h-scenes",
    )


def claim_6(scores: Scores) -> Row:
    """Rank correlation of single positives and 10 % known above 0.8."""
    return Row(
        "6",
        "The order of the methods with single positives is their order with 10 % known.",
        "Our question: papers test one and speak of missing labels in general",
        same_order(scores, "single positive", "10 % known"),
        figure="fig-h2h-agreement",
        why="With annotated negatives BCE on known comes first, without them last; and repairs of "
        "assume-negative are made for few false negatives.",
    )


def claim_7(scores: Scores) -> Row:
    """Rank correlation of 50 % and 80 % missed above 0.8."""
    return Row(
        "7",
        "Within a family the order persists: 50 % missed against 80 % missed.",
        OWN,
        same_order(scores, "50 % missed", "80 % missed"),
        figure="fig-h2h-agreement",
        why="Single seeds lie on both sides of 0.8; the order of the means agrees better.",
    )


def claim_8(scores: Scores, choices: Choices) -> Row:
    """Lead of the favourite over AN: larger with fewer labels, in both families."""

    def lead(weak: str) -> np.ndarray:
        return scores[weak, choices.favourite(weak, RANKED)] - scores[weak, "AN"]

    pairs = (("10 % known", "90 % known"), ("80 % missed", "20 % missed"))
    return Row(
        "8",
        "The rarer the labels, the more there is to gain over assume-negative.",
        OWN,
        leads({f"{few} over {many}": greater(lead(few), lead(many)) for few, many in pairs}),
        figure="fig-h2h-gaps",
    )


def claim_9(scores: Scores, choices: Choices) -> Row:
    """With single positives: the favourite of those told something against that of the others."""
    told = choices.favourite("single positive", TOLD)
    untold = choices.favourite("single positive", [n for n in RANKED if n not in TOLD])
    return Row(
        "9",
        "With single positives it pays to know the number of positives: the best of those that are "
        f"told something ({told}) beats the best of the others ({untold}).",
        "LL-R, which is told nothing, beats EPR and ROLE on VOC and COCO (Table 2 of Large Loss "
        "Matters)",
        greater(scores["single positive", told], scores["single positive", untold]),
        figure="tab-h2h-scenes",
        why="The count bounds how many labels are positive; the entropy term of EM does so "
        "unasked.",
    )


def claim_10(scores: Scores, choices: Choices) -> Row:
    """Favourite of those that use negatives against that of the others, 10 and 50 % known."""
    deaf = [name for name, entry in METHODS.items() if entry.negatives not in ("used", "needed")]
    parts = {}
    for weak in ("10 % known", "50 % known"):
        hearing = choices.favourite(weak, [name for name in METHODS if name not in deaf])
        rival = choices.favourite(weak, deaf)
        pair = scores[weak, hearing], scores[weak, rival]
        parts[f"{weak}, {hearing} over {rival}"] = greater(*pair)
    return Row(
        "10",
        "Annotated negatives are worth using: the best method that does beats the best that does "
        "not.",
        "Against the premise of PU-MLC, which throws them away",
        leads(parts),
        figure="tab-h2h-scenes",
        why="Where few labels are known PU-MLC comes close without them, and seeds scatter.",
    )


def claim_11(cost: Mapping[str, Sequence[float]]) -> Row:
    """The largest recorded median of a step's time, without PU-MLC, at most 1.25 times AN's."""
    most = max((name for name in METHODS if name != "PU-MLC"), key=lambda name: cost[name][1])
    return Row(
        "11",
        "A better loss is nearly free: apart from PU-MLC, which passes mixed images through the "
        "network too, no method takes more than 1.25 times the time of assume-negative (recorded).",
        OWN,
        exact(
            cost[most][1] <= 1.25,
            f"at most {cost[most][1]:.2f} ({most})",
            "median of the recorded ratios at most 1.25",
        ),
        figure="fig-h2h-cost",
        why="EM+APL and CAP thresholds look at all training images once more after an epoch, and "
        "ROLE updates an estimate of every label; the losses themselves are nearly free.",
    )


def claim_12(scores: Scores) -> Row:
    """One method within two points of the seed's best under all weakenings, in every seed."""
    tasks = tuple(WEAKENINGS)
    close = always_close(scores, tasks, RANKED)
    first = int(close.sum(1).argmax())
    leader = ranking.rank(score_array(scores, tasks, RANKED).mean(2), RANKED).names[0]
    return Row(
        "12",
        "One method will do: it is within two points of the best under all eight weakenings.",
        OWN,
        every_seed(
            close[first],
            f"{RANKED[first]}, the one that comes closest to it"
            if close.any()
            else f"none in any seed; {leader} has the best mean rank",
            "within two points of the seed's best under every weakening",
        ),
        figure="fig-h2h-gaps",
        why="BCE on known is nothing without negatives, and at 10 % known what works without them "
        "falls behind it.",
    )


# -- candidate sets -------------------------------------------------------------------------------


def claim_13(scores: Scores, task: str) -> Row:
    """Each identifying method against averaging at the largest q, ``task``."""
    parts = {n: greater(scores[task, n], scores[task, AVERAGING]) for n in IDENTIFYING}
    return Row(
        "13",
        f"At large q ({task}) methods that identify the true candidate (IM-max, RC, PRODEN, CAVL) "
        "beat averaging.",
        "Class Activation Value and its comparators",
        leads(parts),
        figure="fig-h2h-sets",
    )


def claim_14(scores: Scores, task: str) -> Row:
    """Averaging at most a point behind each of them at the smallest q, ``task``."""
    parts = {n: greater(scores[task, AVERAGING], scores[task, n], margin=-1) for n in IDENTIFYING}
    return Row(
        "14",
        f"At small q ({task}) averaging is as good: at most one point behind them.",
        OWN,
        leads(parts),
        figure="fig-h2h-sets",
        why="Averaging is best in its first epochs and then learns the sets by heart, small ones "
        "too.",
    )


def claim_15(scores: Scores, task: str) -> Row:
    """Each method with soft weights against each hard choice, with the most classes, ``task``."""
    parts = {
        f"{soft} over {hard}": greater(scores[task, soft], scores[task, hard])
        for soft in ("RC", "PRODEN")
        for hard in ("IM-max", "CAVL")
    }
    return Row(
        "15",
        f"With many classes ({task}) soft weights (RC, PRODEN) beat one hard choice (IM-max, "
        "CAVL).",
        "Against the CAVL paper, in which CAVL leads",
        leads(parts),
        figure="fig-h2h-sets",
    )


def claim_16(scores: Scores, smallest: str, largest: str) -> Row:
    """Rank correlation of the smallest and the largest q above 0.8."""
    return Row(
        "16",
        f"The order of the methods at {smallest} is their order at {largest}.",
        OWN,
        same_order(scores, smallest, largest, PARTIAL, "correlation above 0.8"),
        figure="fig-h2h-sets",
        why="At small q all but averaging solve the task, and their order is chance.",
    )


# -- rules ----------------------------------------------------------------------------------------


def leads(parts: Mapping[str, Verdict]) -> Verdict:
    """All of several comparisons by ``greater``, in a text with the differences alone."""
    short = {name: replace(part, ours=part.ours.partition(": ")[2]) for name, part in parts.items()}
    return all_of(short)


def same_order(
    scores: Scores,
    first: str,
    second: str,
    names: Sequence[str] = RANKED,
    test: str = "Spearman's correlation above 0.8",
) -> Verdict:
    """Do two tasks order the methods alike, in every seed?"""
    pair = (score_array(scores, [task], names)[0] for task in (first, second))
    rho = ranking.agreement(*pair)
    return every_seed(rho > 0.8, f"rank correlation {mean_std(rho, 2)}", test)
