"""What decides the rows on photographs (recorded).

CIFAR-10N as a sparse crowd with one answer an image and two, and, with one answer, its classes at
30 : 1 and CIFAR-10H, where nobody knows who answered. All four crowds come again with settings
chosen for each method (row 18).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from chapters.self_crowd.claims import BELOW_THE_VOTE, CLOSE, IN_WORDS, OURS, PAPER, WORTH_RATIO
from chapters.self_crowd.tables import NAMED, NAMELESS, TITLES, Cells
from weaklabels.press.claims import Row, Verdict, every_seed, greater, mean_std, not_testable
from weaklabels.press.verdicts import FAILS, NOT_RECORDED, OPEN

FIGURE = "tab-crowd-photographs"
BALANCE = "fig-crowd-photograph-balance"
OTHERS = "tab-crowd-networks"
OWN = "tab-crowd-photographs-own"

BOTH = "CIFAR-10N and CIFAR-10H"
NAMES_NEEDED = ("DS", "EM")
"""Methods that estimate the errors of every worker: they are not run without names."""

LEVELS = {1: "one answer", 2: "two answers"}
"""Answers an image -> in words; the rows of a claim are lettered in this order."""

NOT_ALL = (
    "That a column of these labels is not a person cannot be the whole reason: with two answers "
    "from the same columns the layer is above the vote ({})."
)
NEARLY_RIGHT = (
    "Nearly all answers are right here (tab-crowd-inference), so one more answer to an image "
    "mostly repeats what is known. Perhaps it matters little therefore to which images it is "
    "added; but twelve crowds do not exclude a gain of half a point."
)
WHY: Mapping[str, Mapping[str, str]] = {
    FAILS: {
        "8j": f"{BELOW_THE_VOTE.format(table=OTHERS, gain='8i')} {NOT_ALL.format(FIGURE)}",
        "13h": "Plain self-training costs the crowd layer some accuracy here, and Self-Crowd does "
        "no more than make up for that (row 12b and tab-crowd-photographs). Perhaps little can "
        "change: the rounds fill half of the pairs that are missing, and with two answers an image "
        "these are few.",
        "14a": f"{BELOW_THE_VOTE.format(table=FIGURE, gain='13g')} {NOT_ALL.format('same table')}",
        "14e": "EM with network ends above the crowd layer, from which Self-Crowd starts, though "
        "both estimate the errors of the same three columns (tab-crowd-photographs). What "
        "Self-Crowd adds to the layer (row 13g) does not make that up.",
        "14f": "EM with network ends about level with the crowd layer (tab-crowd-photographs), "
        "from which Self-Crowd starts and to which it adds nothing that counts (row 13h).",
        "16e": "The crowd layer, from which Self-Crowd starts, is itself below the majority vote "
        "(tab-crowd-networks), and what Self-Crowd adds to it (row 16d) does not make that up. "
        "With nearly all answers right the vote is nearly the truth, and the layer has next to "
        "nothing to correct; perhaps its matrix then explains what the network should learn.",
    },
    OPEN: {
        "8k": CLOSE[OPEN],
        "16b": NEARLY_RIGHT,
        "16c": NEARLY_RIGHT,
        "16d": "Nearly all answers are right here (tab-crowd-inference): what Self-Crowd adds "
        "mostly repeats what is known. Perhaps only its balance could help, and crowds differ in "
        "how much.",
        "16f": NEARLY_RIGHT,
        "16g": NEARLY_RIGHT,
    },
}
"""Outcome -> row -> why it is so."""


def _why(id: str) -> dict[str, str]:
    return {outcome: texts[id] for outcome, texts in WHY.items() if id in texts}


def _each_level(
    number: str,
    text: str,
    cells: Cells,
    decide: Callable[[int], Verdict],
    figure: str,
    letters: str = "ab",
    source: str = PAPER,
) -> list[Row]:
    """The rows of one claim, one a number of answers; not testable without a record."""
    return [
        Row(
            id := f"{number}{letter}",
            f"Photographs (CIFAR-10N, {words} an image, recorded): {text}",
            source,
            decide(level) if cells else not_testable(NOT_RECORDED),
            figure=figure,
            why=_why(id),
        )
        for letter, (level, words) in zip(letters, LEVELS.items(), strict=True)
    ]


def claim_10(cells: Cells) -> list[Row]:
    """Imbalance of the annotations after plain self-training against that of the given ones."""

    def decide(level: int) -> Verdict:
        balance = cells[level, "plain"]["balance"]
        return greater(balance[:, -1], balance[:, 0], worth=WORTH_RATIO)

    text = "plain self-training makes the annotations more skewed."
    return _each_level("10", text, cells, decide, BALANCE)


def claim_11(cells: Cells) -> list[Row]:
    """Every seed: imbalance below that of plain self-training in each round from 2 (11a, 11b); that
    of the given annotations less that at the end: above ``-WORTH_RATIO`` (11c, 11d)."""

    def less(level: int) -> Verdict:
        plain, aware = (cells[level, name]["balance"] for name in ("plain", "aware"))
        return every_seed(
            (aware[:, 2:] < plain[:, 2:]).all(1),
            f"at the end {mean_std(aware[:, -1])} against {mean_std(plain[:, -1])}",
            "imbalance ratio lower in each round from 2",
        )

    def kept(level: int) -> Verdict:
        aware = cells[level, "aware"]["balance"]
        return greater(aware[:, 0], aware[:, -1], margin=-WORTH_RATIO, worth=WORTH_RATIO)

    text = "with Self-Crowd they are less skewed than with plain self-training from round two on."
    rows = _each_level("11", text, cells, less, BALANCE)
    text = (
        "with Self-Crowd they stay as balanced as they were given: at the end the largest class "
        f"over the smallest is higher by at most {WORTH_RATIO:g}."
    )
    return rows + _each_level("11", text, cells, kept, BALANCE, "cd")


def _better(cells: Cells, measure: str, other: str) -> Callable[[int], Verdict]:
    """Self-Crowd's last round against that of another method."""
    return lambda level: greater(cells[level, "aware"][measure], cells[level, other][measure])


def claim_12(cells: Cells) -> list[Row]:
    """Final accuracy (12a, 12b) and recall of the rarer half (12c, 12d): against plain."""
    return [
        row
        for letters, measure, text, source in (
            ("ab", "accuracy", "Self-Crowd is more accurate than plain self-training.", PAPER),
            (
                "cd",
                "minority",
                "it recognises the rarer half better than plain self-training.",
                OURS,
            ),
        )
        for row in _each_level(
            "12", text, cells, _better(cells, measure, "plain"), FIGURE, letters, source
        )
    ]


def claim_13(cells: Cells) -> list[Row]:
    """Self-Crowd's final accuracy against that of the crowd layer."""
    return _each_level(
        "13",
        f"Self-Crowd is more accurate than {TITLES['DL-CL']}, both at the end.",
        cells,
        _better(cells, "accuracy", "DL-CL"),
        FIGURE,
        "gh",
        OURS,
    )


def claim_14(cells: Cells) -> list[Row]:
    """Self-Crowd's final accuracy against that of MV, DS and EM."""
    return [
        row
        for letters, other in (("ab", "MV"), ("cd", "DS"), ("ef", "EM"))
        for row in _each_level(
            "14",
            f"Self-Crowd is more accurate than {TITLES[other]}, both at the end.",
            cells,
            _better(cells, "accuracy", other),
            FIGURE,
            letters,
            OURS,
        )
    ]


def claim_15(cells: Cells) -> list[Row]:
    """Self-Crowd's final accuracy against that with pairs filled in at random."""
    return _each_level(
        "15",
        "Self-Crowd is more accurate than with as many pairs filled in at random.",
        cells,
        _better(cells, "accuracy", "random"),
        FIGURE,
        source=OURS,
    )


def on_photographs(cells: Cells) -> list[Row]:
    """All rows on the sparse crowd."""
    rules = (claim_10, claim_11, claim_12, claim_13, claim_14, claim_15)
    return [row for rule in rules for row in rule(cells)]


COMPARED = (
    ("balance", "plain", "the annotations end more balanced than with plain self-training.", PAPER),
    ("accuracy", "plain", "Self-Crowd is more accurate than plain self-training.", PAPER),
    (
        "minority",
        "plain",
        "it recognises the rarer half better than plain self-training.",
        OURS,
    ),
    (
        "accuracy",
        "DL-CL",
        f"Self-Crowd is more accurate than {TITLES['DL-CL']} alone, both at the end.",
        OURS,
    ),
    (
        "accuracy",
        "MV",
        f"Self-Crowd is more accurate than {TITLES['MV']} alone, both at the end.",
        OURS,
    ),
    (
        "accuracy",
        "random",
        "Self-Crowd is more accurate than with as many pairs filled in at random.",
        OURS,
    ),
    (
        "minority",
        "random",
        "it recognises the rarer half better than with as many pairs filled in at random.",
        OURS,
    ),
)
"""Measure, whom Self-Crowd meets, sentence and source of each row on one more crowd."""


def _one_more(number: str, letters: str, crowd: str, words: str, cells: Cells) -> list[Row]:
    """The rows on a crowd of ``real_crowds``; not testable without a record."""

    def decide(measure: str, other: str) -> Verdict:
        if measure != "balance":
            return greater(cells[crowd, "aware"][measure], cells[crowd, other][measure])
        ends = (cells[crowd, name]["balance"][:, -1] for name in (other, "aware"))
        return greater(*ends, worth=WORTH_RATIO)

    return [
        Row(
            id := f"{number}{letter}",
            f"Photographs ({words}, recorded): {text}",
            source,
            decide(measure, other) if cells else not_testable(NOT_RECORDED),
            figure=OTHERS,
            why=_why(id),
        )
        for letter, (measure, other, text, source) in zip(letters, COMPARED, strict=True)
    ]


def claim_8(cells: Cells) -> list[Row]:
    """CIFAR-10N at 30 : 1: imbalance at the end, accuracy and recall of the rarer half against
    plain; accuracy against crowd layer and vote; accuracy and recall against random pairs."""
    words = "CIFAR-10N, one answer an image, classes 30 : 1"
    return _one_more("8", "fghijkl", NAMED, words, cells)


def claim_16(cells: Cells) -> list[Row]:
    """The same with the answers of CIFAR-10H, which have no names, at 10 : 1."""
    words = "CIFAR-10H, one answer an image and no names"
    return _one_more("16", "abcdefg", NAMELESS, words, cells)


def claim_18(cells: Cells) -> list[Row]:
    """Final accuracy of Self-Crowd against each method, and recall of the rarer half against plain
    self-training, all with settings of their own, mean over the crowds in which both are run."""
    rivals = ("plain", "random", "DL-CL", "MV", "DS", "EM")
    asked = [
        *((other, "accuracy", f"is more accurate than {IN_WORDS.get(other, TITLES[other])}")
          for other in rivals),
        ("plain", "minority", f"recognises the rarer half better than {IN_WORDS['plain']}"),
    ]  # fmt: skip
    return [
        Row(
            id := f"18{letter}",
            f"Photographs ({'CIFAR-10N' if other in NAMES_NEEDED else BOTH}, recorded), "
            f"settings chosen for each method: Self-Crowd {words}, mean over the "
            f"{'three crowds with names' if other in NAMES_NEEDED else 'four crowds'}.",
            OURS,
            _over_crowds(cells, measure, other) if cells else not_testable(NOT_RECORDED),
            figure=OWN,
            why=_why(id),
        )
        for letter, (other, measure, words) in zip("abcdefg", asked, strict=True)
    ]


def _over_crowds(cells: Cells, measure: str, other: str) -> Verdict:
    crowds = [crowd for crowd, method in cells if method == other]
    ours, theirs = (
        np.mean([cells[crowd, name][measure] for crowd in crowds], axis=0)
        for name in ("aware", other)
    )
    return greater(ours, theirs)
