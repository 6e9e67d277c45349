"""The claims of *Learning from Crowds with Sparse and Imbalanced Annotations*, one function each.

``records`` are the runs of the main setting, one a seed; ``groups`` are setting -> records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chapters.self_crowd.tables import (
    TITLES,
    Known,
    Own,
    Records,
    Skews,
    final,
    own_scores,
    ratio,
    scores,
)
from weaklabels.press.claims import Row, Verdict, all_of, every_seed, greater, lettered, mean_std
from weaklabels.press.verdicts import FAILS, HOLDS, OPEN, answers

OURS = "Ours, not in the paper"
PAPER = "Stated in the abstract or the paper's opening, in words; its tables could not be read"

WORTH_RATIO = 0.5
"""An imbalance ratio (largest over smallest class) that is higher by one half; an even set has 1,
and chance alone brings the answers to a balanced set to less than that above it."""

CLOSE = {
    OPEN: "The two differ only in which pairs they fill in; within a seed they share crowd, base "
    "model and batches."
}

BELOW_THE_VOTE = (
    "At the one learning rate of all methods the crowd layer, from which Self-Crowd starts, is "
    "itself below the majority vote on average ({table}), and what Self-Crowd adds to the layer "
    "(row {gain}) does not make that up. With a learning rate of its own for each method the layer "
    "and Self-Crowd are above the vote (tab-crowd-photographs-own)."
)

Groups = Mapping[str, Records]


def claim_1(skews: Skews, answers: float) -> list[Row]:
    """Imbalance of the answers at 10 : 1, so many an example, against 1 : 1, and above 1.5."""
    skewed, even = (np.array(skews[size, answers]) for size in (10, 1))
    where = f"({answers:g} answers an example, classes 10 : 1)"
    return [
        Row(
            "1a",
            "Sparse annotations of an imbalanced set are more skewed than those of a balanced one "
            f"{where}.",
            PAPER,
            greater(skewed, even, worth=WORTH_RATIO),
            figure="tab-crowd-skew",
        ),
        Row(
            "1b",
            "They are skewed by more than one half: the largest class has more than 1.5 times the "
            f"annotations of the smallest {where}.",
            PAPER,
            greater(skewed, np.ones(len(skewed)), margin=0.5, worth=WORTH_RATIO),
            figure="tab-crowd-skew",
        ),
    ]


def claim_2(records: Records) -> Row:
    """Imbalance of the annotations after plain self-training against that of the given ones."""
    plain = ratio(records, "plain")
    return Row(
        "2",
        "Plain self-training makes the annotations more skewed.",
        PAPER,
        greater(plain[:, -1], plain[:, 0], worth=WORTH_RATIO),
        figure="fig-crowd-balance",
    )


def claim_3(records: Records) -> list[Row]:
    """Every seed: imbalance below that of plain self-training in each round from 2; and that of the
    given annotations less that at the end: above ``-WORTH_RATIO``."""
    plain, aware = ratio(records, "plain"), ratio(records, "aware")
    return [
        Row(
            "3a",
            "With Self-Crowd they are less skewed than with plain self-training in every round "
            "from the second on.",
            PAPER,
            every_seed(
                (aware[:, 2:] < plain[:, 2:]).all(1),
                f"at the end {mean_std(aware[:, -1])} against {mean_std(plain[:, -1])}",
                "imbalance ratio lower in each round from 2",
            ),
            figure="fig-crowd-balance",
        ),
        Row(
            "3b",
            "With Self-Crowd they stay as balanced as they were given: at the end the largest "
            f"class over the smallest is higher by at most {WORTH_RATIO:g}.",
            PAPER,
            greater(aware[:, 0], aware[:, -1], margin=-WORTH_RATIO, worth=WORTH_RATIO),
            figure="fig-crowd-balance",
        ),
    ]


def claim_4(records: Records) -> list[Row]:
    """Final accuracy: Self-Crowd against plain, plain and Self-Crowd against the crowd layer."""
    outweighed = {
        FAILS: "Perhaps because the annotations that it adds repeat what the base model believes; "
        "being skewed to frequent classes, they may cost recall of the rare ones."
    }
    layer = "the crowd layer alone"
    return [
        Row(
            id,
            text,
            source,
            greater(final(records, ours), final(records, other)),
            figure="tab-crowd-accuracy",
            why=why,
        )
        for id, ours, other, text, source, why in (
            (
                "4a",
                "aware",
                "plain",
                "Self-Crowd is more accurate than plain self-training.",
                PAPER,
                CLOSE,
            ),
            (
                "4b",
                "plain",
                "DL-CL",
                f"Plain self-training is more accurate than {layer}.",
                OURS,
                outweighed,
            ),
            ("4c", "aware", "DL-CL", f"Self-Crowd is more accurate than {layer}.", OURS, {}),
        )
    ]


def claim_5(records: Records) -> Row:
    """Final recall of the rarer half: Self-Crowd against plain."""
    return Row(
        "5",
        "Self-Crowd recognises the rarer classes better than plain self-training.",
        OURS,
        greater(final(records, "aware", rare=True), final(records, "plain", rare=True)),
        figure="tab-crowd-minority",
        why=CLOSE,
    )


def claim_6a(groups: Groups) -> Row:
    """Final accuracy of Self-Crowd against plain self-training in each setting."""
    parts = {name: greater(final(r, "aware"), final(r, "plain")) for name, r in groups.items()}
    return Row(
        "6a",
        "The gain over plain self-training (accuracy) is there at every sparsity and ratio.",
        PAPER,
        all_of(parts),
        "tab-crowd-paired",
        dict.fromkeys((FAILS, OPEN), FEW) if _missing(parts) == ["4 answers"] else {},
    )


def claim_6b(groups: Groups) -> Row:
    """Final recall of the rarer half against plain self-training, mean over the settings."""
    ours, other = (_over(groups, name, final, rare=True) for name in ("aware", "plain"))
    text = f"Self-Crowd recognises the rarer half better than plain self-training, {MEAN}."
    return Row("6b", text, OURS, greater(ours, other), "tab-crowd-paired")


MEAN = "mean over sparsities and ratios"


def _over(groups: Groups, method: str, score: Callable[..., Any], **which: bool) -> np.ndarray:
    """A method's score by seed, mean over the settings."""
    return np.mean([score(records, method, **which) for records in groups.values()], axis=0)


FEW = (
    "It is not shown with four answers an example. Perhaps little is left to gain there, and "
    "little to choose: the share of all missing pairs that the rounds fill stands above."
)


def _missing(parts: Mapping[str, Verdict]) -> list[str]:
    """The parts of a conjunction that do not hold."""
    return [name for name, verdict in parts.items() if verdict.outcome != HOLDS]


def claim_6c(groups: Groups) -> Row:
    """Every seed of each setting: final imbalance below that of plain self-training."""
    parts = {}
    for name, records in groups.items():
        aware, plain = (ratio(records, n)[:, -1] for n in ("aware", "plain"))
        text = f"{mean_std(aware)} against {mean_std(plain)}"
        parts[name] = every_seed(aware < plain, text, "imbalance ratio lower at the end")
    return Row(
        "6c",
        "The annotations are more balanced than after plain self-training at every sparsity and "
        "ratio.",
        PAPER,
        all_of(parts),
        figure="tab-crowd-balance",
    )


USED_UP = (
    "Perhaps because little is left to choose from with four answers an example: once the pairs of "
    "the rare classes are filled, those that remain are of frequent ones."
)


def claim_6d(groups: Groups) -> list[Row]:
    """Row 3b once more, setting by setting."""
    return [
        Row(
            f"6{letter}",
            "With Self-Crowd they stay as balanced as they were given, to within "
            f"{WORTH_RATIO:g} of the ratio: {name}.",
            PAPER,
            greater(
                ratio(records, "aware")[:, 0],
                ratio(records, "aware")[:, -1],
                margin=-WORTH_RATIO,
                worth=WORTH_RATIO,
            ),
            figure="tab-crowd-balance",
            why={FAILS: USED_UP} if name == "4 answers" else {},
        )
        for letter, (name, records) in lettered("defghij", groups.items())
    ]


BREAKS_DOWN = (
    "Dawid-Skene breaks down where an example has one answer (tab-crowd-accuracy), and that "
    "setting gives a large part of the mean difference."
)


def claim_7(groups: Groups) -> list[Row]:
    """Self-Crowd's final accuracy against that of each comparator, mean over the settings."""
    ours = _over(groups, "aware", final)
    return [
        Row(
            f"7{letter}",
            f"Self-Crowd is more accurate than {TITLES[other]}, {MEAN} (both at the end).",
            OURS,
            greater(ours, _over(groups, other, final)),
            "tab-crowd-accuracy",
            why={HOLDS: BREAKS_DOWN} if other == "DS" else {},
        )
        for letter, other in zip("def", ("MV", "DS", "EM"), strict=True)
    ]


def claim_9(known: Known) -> list[Row]:
    """Final accuracy: a matrix each against one for all, and that against shares of votes."""
    rows = []
    levels = sorted({level for level, _ in known}, reverse=True)
    steps = (
        ("a matrix each", "one matrix", "Knowing who answered helps: a matrix for each worker"),
        ("one matrix", "shares", "Knowing that answers err helps: one matrix for all workers"),
    )
    for letters, (ours, other, words) in zip(("ab", "cd"), steps, strict=True):
        for letter, level in zip(letters, levels, strict=True):
            rows.append(
                Row(
                    f"9{letter}",
                    f"{words} is more accurate than {other} ({level:g} answer{'s' * (level > 1)} "
                    "an example, no self-training).",
                    OURS,
                    greater(scores(known[level, ours]), scores(known[level, other])),
                    figure="tab-crowd-known",
                )
            )
    return rows


def claim_17(own: Own) -> list[Row]:
    """Final accuracy of Self-Crowd against each method, and recall of the rarer half against plain
    self-training, all with settings of their own, mean over the crowds' settings."""
    if not own:
        return []
    ours = own_scores(own, "aware")
    rivals = ("plain", "random", "DL-CL", "MV", "DS", "EM")
    rows = [
        Row(
            f"17{letter}",
            "With settings chosen for each method Self-Crowd is more accurate than "
            f"{IN_WORDS.get(other, TITLES[other])}, {MEAN}.",
            OURS,
            greater(ours, own_scores(own, other)),
            figure="tab-crowd-own",
        )
        for letter, other in zip("abcdef", rivals, strict=True)
    ]
    rare = (own_scores(own, name, rare=True) for name in ("aware", "plain"))
    text = (
        "With settings chosen for each method Self-Crowd recognises the rarer half better than "
        f"plain self-training, {MEAN}."
    )
    return [*rows, Row("17g", text, OURS, greater(*rare), figure="tab-crowd-own")]


IN_WORDS = {
    "plain": "plain self-training",
    "random": "self-training with random pairs",
    "DL-CL": "the crowd layer alone",
}

QUESTIONS = {
    "Sparse answers to an imbalanced set are skewed": ("1a", "1b"),
    "Plain self-training makes it worse": ("2", "10a", "10b"),
    "With Self-Crowd the annotations are less skewed than with plain self-training": (
        *("3a", "6c", "8f"),
        *("11a", "11b", "16a"),
    ),
    "With Self-Crowd they stay as balanced as they were given": (
        *("3b", "6d", "6e", "6f"),
        *("11c", "11d"),
    ),
    "Self-Crowd is more accurate than plain self-training": (
        *("4a", "6a", "8g"),
        *("12a", "12b", "16b"),
    ),
    "It recognises the rarer classes better than plain self-training": (
        *("5", "6b", "8h"),
        *("12c", "12d", "16c"),
    ),
    "Plain self-training is more accurate than the crowd layer, trained on for as many steps": (
        "4b",
    ),
    "Self-Crowd is more accurate than the crowd layer": (
        *("4c", "8i"),
        *("13g", "13h", "16d"),
    ),
    "Self-Crowd is more accurate than majority vote, Dawid-Skene and EM, all at the end": (
        *("7d", "7e", "7f", "8j"),
        *("14a", "14b", "14c", "14d", "14e", "14f", "16e"),
    ),
    "Self-Crowd is more accurate than with as many pairs filled in at random": (
        *("15a", "15b"),
        *("8k", "16f"),
    ),
    "It recognises the rarer classes better than with as many pairs filled in at random": (
        "8l",
        "16g",
    ),
    "With settings chosen for each method Self-Crowd is more accurate than plain self-training, "
    "random pairs and the crowd layer": ("17a", "17b", "17c"),
    "With settings chosen for each method it is more accurate than majority vote, Dawid-Skene and "
    "EM": ("17d", "17e", "17f"),
    "With settings chosen for each method it recognises the rarer classes better than plain "
    "self-training": ("17g",),
    "On photographs, with settings chosen for each method, Self-Crowd is more accurate than plain "
    "self-training, random pairs and the crowd layer": ("18a", "18b", "18c"),
    "On photographs, with settings chosen for each method, it is more accurate than majority vote, "
    "Dawid-Skene and EM": ("18d", "18e", "18f"),
    "On photographs, with settings chosen for each method, it recognises the rarer classes better "
    "than plain self-training": ("18g",),
    "Knowing who answered helps (two answers, one answer)": ("9a", "9b"),
    "Knowing that answers err helps (two answers, one answer)": ("9c", "9d"),
}
"""What the chapter asked -> rows that answer."""


def summary(outcomes: Mapping[str, str]) -> str:
    """The answers, one line a question, from the outcomes of the rows that are shown."""
    return answers(QUESTIONS, outcomes)
