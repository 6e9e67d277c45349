"""What decides the rows on CIFAR-10N as a sparse crowd (recorded), one answer an image and two."""

from __future__ import annotations

from collections.abc import Callable

from chapters.self_crowd.claims import PAPER, WORTH_RATIO
from chapters.self_crowd.tables import TITLES, Cells
from weaklabels.press.claims import Row, Verdict, every_seed, greater, mean_std, not_testable
from weaklabels.press.verdicts import NOT_RECORDED

FIGURE = "tab-crowd-photographs"
BALANCE = "fig-crowd-photograph-balance"

LEVELS = {1: "one answer", 2: "two answers"}
"""Answers an image -> in words; the rows of a claim are lettered in this order."""


def _each_level(
    number: str,
    text: str,
    cells: Cells,
    decide: Callable[[int], Verdict],
    figure: str,
    letters: str = "ab",
) -> list[Row]:
    """The rows of one claim, one a number of answers; not testable without a record."""
    return [
        Row(
            f"{number}{letter}",
            f"Photographs (CIFAR-10N, {words} an image, recorded): {text}",
            PAPER,
            decide(level) if cells else not_testable(NOT_RECORDED),
            figure=figure,
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
    """Every seed: imbalance below that of plain self-training in each round from 2."""

    def decide(level: int) -> Verdict:
        plain, aware = (cells[level, name]["balance"] for name in ("plain", "aware"))
        return every_seed(
            (aware[:, 2:] < plain[:, 2:]).all(1),
            f"at the end {mean_std(aware[:, -1])} against {mean_std(plain[:, -1])}",
            "imbalance ratio lower in each round from 2",
        )

    text = "with Self-Crowd they are less skewed than with plain self-training from round two on."
    return _each_level("11", text, cells, decide, BALANCE)


def _better(cells: Cells, measure: str, other: str, theirs: str = "") -> Callable[[int], Verdict]:
    """Self-Crowd's last round against another method, of which another measure may count."""
    return lambda level: greater(
        cells[level, "aware"][measure], cells[level, other][theirs or measure]
    )


def claim_12(cells: Cells) -> list[Row]:
    """Final accuracy (12a, 12b) and recall of the rarer half (12c, 12d): against plain."""
    return [
        row
        for letters, measure, text in (
            ("ab", "accuracy", "Self-Crowd is more accurate than plain self-training."),
            ("cd", "minority", "it recognises the rarer half better than plain self-training."),
        )
        for row in _each_level("12", text, cells, _better(cells, measure, "plain"), FIGURE, letters)
    ]


def claim_13(cells: Cells) -> list[Row]:
    """Self-Crowd's final accuracy against the best moment of MV, DS and EM, chosen on the test set,
    and against the crowd layer's end."""
    rivals = (
        ("ab", "MV", "best", " at its best"),
        ("cd", "DS", "best", " at its best"),
        ("ef", "EM", "best", " at its best"),
        ("gh", "DL-CL", "accuracy", ""),
    )
    return [
        row
        for letters, other, theirs, when in rivals
        for row in _each_level(
            "13",
            f"Self-Crowd is more accurate than {TITLES[other]}{when}.",
            cells,
            _better(cells, "accuracy", other, theirs),
            FIGURE,
            letters,
        )
    ]


def on_photographs(cells: Cells) -> list[Row]:
    """All rows on the photographs."""
    rules = (claim_10, claim_11, claim_12, claim_13)
    return [row for rule in rules for row in rule(cells)]
