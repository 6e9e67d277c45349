"""What the chapter asked, and what its rows answer, in words and by place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from weaklabels.press.verdicts import answers

QUESTIONS: Mapping[str, Sequence[str]] = {
    "LfOSA's queries are purer than the rivals'": ("1a", "1b", "1c", "1d"),
    "LfOSA finds more of the known classes": ("2a", "2b", "2c", "2d"),
    "LfOSA's classifier ends more accurate": ("3a", "3b", "3c", "3d"),
    "queries by uncertainty are less pure than random ones": ("4a", "4b", "4c", "4d"),
    "LfOSA's detector, with its low temperature, makes queries purer": ("6a", "6b"),
    "LfOSA's queries get purer from round 1 to 3": ("7a", "7b"),
    "LfOSA's queries are purer than random ones at every mismatch ratio tried": ("10",),
    "queries are purer at the temperature 0.5 than at both 1 and 2": ("5a", "5b"),
    "filling the budget in turns gives a better classifier": ("8a", "8b"),
    "filling the budget in turns costs little purity": ("9a", "9b"),
    "random examples of the same classes teach more than LfOSA's": ("11a", "11b"),
    "random examples of the same classes teach more than those of its balanced form": (
        "12a",
        "12b",
    ),
    "balanced, LfOSA's classifier ends ahead of one trained on random queries": ("19a", "19b"),
    "on CIFAR-10 LfOSA's queries are purer than those of Random, Uncertainty and Coreset": (
        "13a",
        "13b",
        "13c",
    ),
    "on CIFAR-10 its classifier ends more accurate": ("14a", "14b", "14c"),
    "on CIFAR-10 queries by uncertainty are less pure than random ones": ("15a", "15b", "15c"),
    "on CIFAR-10 its queries get purer from round 1 to 3": ("16a", "16b", "16c"),
    "on CIFAR-10 filling the budget in turns gives a better classifier": ("17a", "17b", "17c"),
    "on CIFAR-10 random examples of the same classes teach more": ("18a", "18b", "18c"),
    "on CIFAR-10, balanced, it ends ahead of random queries": ("20a", "20b", "20c"),
}
"""What the chapter asked -> rows that answer; near unknowns first, then far ones. On CIFAR-10: 4
known classes, 2, and 4 among far unknowns."""


def summary(outcomes: Mapping[str, str]) -> str:
    """The answers, one line a question, from the outcomes of the rows that are shown."""
    return answers(QUESTIONS, outcomes)


ASKED_TWICE = {
    "its queries are purer": ("1", "13"),
    "its classifier ends more accurate": ("3", "14"),
    "queries by uncertainty are less pure than random ones": ("4", "15"),
    "its queries get purer from round 1 to 3": ("7", "16"),
    "filling the budget in turns gives a better classifier": ("8", "17"),
    "random examples of the same classes teach more": ("11", "18"),
    "balanced, it ends ahead of random queries": ("19", "20"),
}
"""What is asked of digits and of photographs -> numbers of the claims."""

FINDINGS: Mapping[str, Mapping[str, str]] = {
    f"{what}, {kind} unknowns": {"digits": f"{here}{a}", "photographs": f"{there}{b}"}
    for kind, a, b in (("near", "a", "a"), ("far", "b", "c"))
    for what, (here, there) in ASKED_TWICE.items()
}
"""What is asked -> where -> the row that answers it there; four of ten classes are known."""
