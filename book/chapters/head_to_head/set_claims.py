"""The questions of the head to head about candidate sets: one function each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_lowercase

import numpy as np

from chapters.head_to_head.claims import OWN, same_order
from chapters.head_to_head.runs import AVERAGING, IDENTIFYING, PARTIAL
from chapters.head_to_head.set_choices import SHOWN
from chapters.head_to_head.tables import Judged, Scores, score_array
from weaklabels.lab.candidate_criteria import TRUE
from weaklabels.press.claims import Row, Verdict, greater, lettered, not_testable
from weaklabels.press.verdicts import FAILS, OPEN


def claim_13(scores: Scores, task: str) -> list[Row]:
    """Each identifying method against averaging at the largest q, ``task``."""
    return [
        Row(
            f"13{letter}",
            f"At large q ({task}) {name}, which identifies the true candidate, beats averaging.",
            "Class Activation Value and its comparators",
            greater(scores[task, name], scores[task, AVERAGING]),
            figure="fig-h2h-sets",
        )
        for letter, name in lettered(ascii_lowercase, IDENTIFYING)
    ]


def claim_14(scores: Scores, task: str) -> list[Row]:
    """Averaging at most a point behind each of them at the smallest q, ``task``."""
    return [
        Row(
            f"14{letter}",
            f"At small q ({task}) averaging is as good as {name}: at most one point behind.",
            OWN,
            greater(scores[task, AVERAGING], scores[task, name], margin=-1),
            figure="fig-h2h-sets",
            why={
                FAILS: "Perhaps because averaging, even at the learning rate that suits it, learns "
                "the sets by heart, small ones too."
            },
        )
        for letter, name in lettered(ascii_lowercase, IDENTIFYING)
    ]


def claim_15(scores: Scores, task: str) -> list[Row]:
    """Each method with soft weights against each hard choice, with the most classes, ``task``."""
    pairs = [(soft, hard) for soft in ("RC", "PRODEN") for hard in ("IM-max", "CAVL")]
    return [
        Row(
            f"15{letter}",
            f"With many classes ({task}) soft weights beat one hard choice: {soft} beats {hard}.",
            "Against the CAVL paper, in which CAVL leads" if hard == "CAVL" else OWN,
            greater(scores[task, soft], scores[task, hard]),
            figure="fig-h2h-sets",
        )
        for letter, (soft, hard) in zip("abcd", pairs, strict=True)
    ]


def claim_16(scores: Scores, smallest: str, largest: str) -> Row:
    """Rank correlation of the smallest and the largest q above 0."""
    return Row(
        "16",
        f"The methods that lead at {smallest} lead at {largest}, too.",
        OWN,
        same_order(scores, smallest, largest, PARTIAL),
        figure="fig-h2h-sets",
        why={
            OPEN: "Perhaps because at small q most methods solve the task, and their order changes "
            "from seed to seed."
        },
    )


NOT_ALL = (
    "RC and PRODEN, whose weights are soft, are behind CC as well (rows 25b and 25c), so a hard "
    "choice is not the whole reason; perhaps it is that all four sort by predictions of an epoch "
    "ago, which CC does not."
)
HARD = (
    "Perhaps because one hard choice among many candidates is mostly wrong in the first epochs, "
    "and is then learnt; rows 15a to 15d compare it with soft weights."
)
STALE = (
    "The gradient of CC is that of PRODEN with the weights of the present step, where RC and "
    "PRODEN have those of an epoch ago. Perhaps older weights keep the mistakes of early epochs "
    "longer. With many classes old ones are better (rows 25f and 25g)."
)


def claim_25(scores: Scores, tasks: Sequence[str]) -> list[Row]:
    """Each identifying method against CC, at the largest q and with the most classes."""
    pairs = [(task, name, place > 0) for place, task in enumerate(tasks) for name in IDENTIFYING]
    return [
        Row(
            f"25{letter}",
            f"Identifying the true candidate is worth it ({task}): {name} beats CC, which asks "
            "only that the truth be among the candidates.",
            "Class Activation Value and its comparators",
            greater(scores[task, name], scores[task, "CC"]),
            figure="fig-h2h-sets",
            why={FAILS: STALE if name not in ("IM-max", "CAVL") else HARD if many else NOT_ALL},
        )
        for letter, (task, name, many) in lettered(ascii_lowercase, pairs)
    ]


WITHOUT_TRUTH = tuple(each for each in SHOWN if each != TRUE)
FIGURE = "tab-h2h-sets-criteria"


AVERAGE_SPREADS = (
    "Averaging alone pays for it. It teaches a network to spread its probability over the "
    "candidates, by which this measure judges, and on large sets the rates that are chosen for it "
    "are not those at which the network is right; the mean of the others loses less than half a "
    "point everywhere (tab-h2h-sets-criteria)."
)
NOT_EQUALLY_SURE = (
    "Perhaps because this measure rewards a network for being sure of one candidate, and methods "
    "are not equally sure: with 30 classes it picks CC, which is eleven points below LWC."
)


def claim_26(judged: Judged, everything: Sequence[str], alone: Sequence[str]) -> list[Row]:
    """Rates chosen without a true label: at most a point behind, over all tasks and in some."""
    cells = [("mean over the kinds of sets", everything), *((task, [task]) for task in alone)]
    pairs = [(where, tasks, criterion) for where, tasks in cells for criterion in WITHOUT_TRUTH]
    return [
        Row(
            f"26{letter}",
            f"Learning rates chosen by {criterion}, without a true label, cost at most a point of "
            f"accuracy, mean of all methods ({where}).",
            OWN,
            _at_most_a_point(judged, over(judged[criterion], tasks), over(judged[TRUE], tasks)),
            figure=FIGURE,
            why={FAILS: AVERAGE_SPREADS},
        )
        for letter, (where, tasks, criterion) in lettered(ascii_lowercase, pairs)
    ]


def claim_27(
    judged: Judged, favourites: Mapping[str, Mapping[str, str]], tasks: Sequence[str]
) -> list[Row]:
    """Method and rate chosen without a true label: at most a point behind, over all tasks."""

    def picked(criterion: str) -> np.ndarray:
        names = favourites[criterion]
        return np.mean([judged[criterion][task, names[task]] for task in tasks], 0)

    return [
        Row(
            f"27{letter}",
            f"Method and learning rate chosen by {criterion}, without a true label, are at most a "
            "point behind those chosen by true labels (mean over the kinds of sets).",
            OWN,
            _at_most_a_point(judged, picked(criterion), picked(TRUE)),
            figure=FIGURE,
            why={FAILS: NOT_EQUALLY_SURE},
        )
        for letter, criterion in lettered(ascii_lowercase, WITHOUT_TRUTH)
    ]


def over(scores: Scores, tasks: Sequence[str]) -> np.ndarray:
    """Mean over tasks and methods, ``(seeds,)``."""
    return score_array(scores, tasks, PARTIAL).mean((0, 1))


def _at_most_a_point(judged: Judged, ours: np.ndarray, other: np.ndarray) -> Verdict:
    """Behind; nothing is compared where no rate was chosen, as on other data than digits."""
    first, *others = judged.values()
    if all(np.array_equal(first[key], each[key]) for each in others for key in first):
        return not_testable("All ways to choose have the same rates here.")
    return greater(ours, other, margin=-1)
