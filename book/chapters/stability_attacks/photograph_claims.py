"""What decides the rows on photographs: the tests of those on digits, on Fashion-MNIST."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from chapters.stability_attacks.claims import SIGN_ALONE
from chapters.stability_attacks.tables import PUBLISHED, PUBLISHED_DEFENCES, OnPhotographs
from chapters.stability_attacks.tuning import USUAL
from weaklabels.press.claims import Row, greater, not_testable
from weaklabels.press.verdicts import HOLDS, NOT_RECORDED, OPEN

LARGER = "PGD-AT 14/255"


@dataclass(frozen=True)
class Test:
    """One accuracy less another, in points.

    Attributes:
        text, paper: of the row.
        measure: ``"robust"`` or ``"natural"``.
        ours, other: training images, and whether the defence has the chosen budget.
        margin: that the claim itself states.
        paper_effect: the paper's difference.
    """

    text: str
    paper: str
    measure: str
    ours: tuple[str, bool]
    other: tuple[str, bool]
    margin: float = 0.0
    paper_effect: float | None = None


def _published(measure: str, ours: str, other: str) -> float:
    """The difference in the paper's tables; ``LARGER`` is a row of the second one."""
    column = {"robust": "PGD-20", "natural": "natural"}[measure]
    a, b = (
        PUBLISHED_DEFENCES[column][name] if name == LARGER else PUBLISHED[column][name]
        for name in (ours, other)
    )
    return float(a - b)


CLEAN, RANDOM, ADVERSARIAL, POISONED = (
    (kind, False) for kind in ("clean", "random", "adversarial", "hypocritical")
)
REPAIRED = ("hypocritical", True)

TESTS = {
    "15a": Test(
        "adversarial training on hypocritical images is far less robust: at least 5 points",
        "PGD-20: 37.61 against 50.63 (Table 2)",
        "robust",
        CLEAN,
        POISONED,
        5.0,
        _published("robust", "clean", "hypocritical"),
    ),
    "15b": Test(
        "natural accuracy rises on hypocritical images",
        "88.07 against 82.17 (Table 2)",
        "natural",
        POISONED,
        CLEAN,
        0.0,
        _published("natural", "hypocritical", "clean"),
    ),
    "15c": Test(
        "the weaker form: natural accuracy does not drop by more than 2 points",
        "88.07 against 82.17 (Table 2)",
        "natural",
        POISONED,
        CLEAN,
        -2.0,
        _published("natural", "hypocritical", "clean"),
    ),
    "15d": Test(
        "hypocritical images cost more robust accuracy than the adversarial poison",
        "37.61 against 49.95 (PGD-20, Table 2)",
        "robust",
        ADVERSARIAL,
        POISONED,
        0.0,
        _published("robust", "adversarial", "hypocritical"),
    ),
    "15e": Test(
        "the adversarial poison costs some robust accuracy",
        "49.95 against 50.63 on clean images (PGD-20, Table 2)",
        "robust",
        CLEAN,
        ADVERSARIAL,
        0.0,
        _published("robust", "clean", "adversarial"),
    ),
    "15f": Test(
        "random changes of the same radius are no stability attack: within 5 points of clean data",
        "none (a control of this book)",
        "robust",
        RANDOM,
        CLEAN,
        -5.0,
    ),
    "15g": Test(
        "the larger budget that validation chooses is more robust on hypocritical images",
        "52.92 with 14/255 against 37.61 with 8/255 (PGD-20, Table 5)",
        "robust",
        REPAIRED,
        POISONED,
        0.0,
        _published("robust", LARGER, "hypocritical"),
    ),
    "15h": Test(
        "the larger budget restores robustness: within 3 points of what clean images give with "
        "the budget ε",
        "52.92 with 14/255, clean 50.63 with 8/255 (PGD-20, Tables 2 and 5)",
        "robust",
        REPAIRED,
        CLEAN,
        -3.0,
        _published("robust", LARGER, "clean"),
    ),
    "15i": Test(
        "the larger budget costs natural accuracy",
        "80.00 against 88.07 (Table 5)",
        "natural",
        POISONED,
        REPAIRED,
        0.0,
        _published("natural", "hypocritical", LARGER),
    ),
    "15j": Test(
        "the adversarial poison costs natural accuracy",
        "77.35 against 82.17 on clean images (Table 2)",
        "natural",
        CLEAN,
        ADVERSARIAL,
        0.0,
        _published("natural", "clean", "adversarial"),
    ),
}
"""Id -> test. Radius and network are fixed; learning rate and budget are the record's choice."""


WHY: Mapping[str, Mapping[str, str]] = {
    "15e": {HOLDS: SIGN_ALONE},
    "15h": {
        OPEN: "The mean lies near the margin. What the larger budget costs on clean photographs "
        "was not measured."
    },
}


def claim_15(found: OnPhotographs | None) -> list[Row]:
    """The tests of claims 1 to 8, 11 and 16 on photographs; not testable without a record."""
    return [
        Row(
            id,
            f"On photographs (Fashion-MNIST, recorded) {test.text}.",
            test.paper,
            not_testable(NOT_RECORDED)
            if found is None
            else greater(
                _accuracy(found, test.measure, test.ours),
                _accuracy(found, test.measure, test.other),
                margin=test.margin,
                paper_effect=test.paper_effect,
            ),
            figure="tab-stab-photographs",
            why=WHY.get(id, {}),
        )
        for id, test in TESTS.items()
    ]


def _accuracy(found: OnPhotographs, measure: str, which: tuple[str, bool]) -> np.ndarray:
    kind, repaired = which
    return found.rows[kind, found.chosen if repaired else USUAL][measure]


def summary(outcomes: Mapping[str, str]) -> str:
    """The outcomes of the rows on photographs beside those on digits, in Markdown.

    Args:
        outcomes: id -> outcome.
    """
    numbers = (1, 2, 3, 4, 5, 11, 6, 7, 8, 16)
    lines = [
        f"- {test.text[0].upper()}{test.text[1:]}: {outcomes[id]} ({id}); on digits "
        f"{outcomes[f'{number}b']} ({number}b) and {outcomes[f'{number}a']} ({number}a)."
        for number, (id, test) in zip(numbers, TESTS.items(), strict=True)
    ]
    head = (
        "The same tests on photographs, with ε = 0.1, and on digits, with ε = 0.1 (rows b) and "
        "0.15 (rows a):"
    )
    return f"{head}\n\n" + "\n".join(lines)
