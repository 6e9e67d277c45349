"""What the chapter asked, and what its rows answer, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from weaklabels.press.verdicts import answers

QUESTIONS: Mapping[str, Sequence[str]] = {
    "only what is present is annotated: taking no side on the rest (EM) beats calling it absent": (
        *("1a", "1e", "1f"),
        "18a",
    ),
    "rejecting the largest losses beats calling the rest absent": ("2a", "2b", "2c", "19"),
    "knowing how many labels are present beats every method that does not": ("9", "22"),
    "absence is annotated, too: ignoring the rest beats calling it absent": (
        *("5a", "5b", "5c"),
        "20",
    ),
    "ignoring the rest is enough": ("4a", "4b", "21"),
    "losses that use annotated absences beat all others": ("10a", "10b", "23"),
    "there is more to gain where fewer labels are known": ("8a", "8b"),
    "the orders of the methods under two weakenings go together": ("6", "7"),
    "the orders of the methods on scenes and on other data, photographs among them, go together": (
        "24a",
        "24b",
        "24c",
        "24d",
        "28",
    ),
    "one method will do": ("12",),
    "large candidate sets: sorting the candidates out beats averaging over them": (
        *("13a", "13b", "13c", "13d"),
    ),
    "large candidate sets: sorting out beats asking only that the truth be among them (CC)": (
        "25a",
        "25b",
        "25c",
        "25d",
    ),
    "large sets of many classes: sorting out beats asking only that (CC)": (
        "25e",
        "25f",
        "25g",
        "25h",
    ),
    "small sets: averaging is as good": ("14a", "14b", "14c", "14d"),
    "many classes: soft weights beat one hard choice": ("15a", "15b", "15c", "15d"),
    "the orders on small and on large candidate sets go together": ("16",),
    "the orders on digits and on real candidate sets go together": ("29a", "29b"),
    "the covering rate chooses learning rates, and a method, as well as true labels do": (
        *("26a", "26c", "26e"),
        "27a",
    ),
    "so does the approximated accuracy": ("26b", "26d", "26f", "27b"),
    "a better loss costs next to nothing": ("11",),
}
"""What the chapter asked -> rows that answer."""


def summary(outcomes: Mapping[str, str]) -> str:
    """The answers, one line a question, from the outcomes of the rows that are shown."""
    return answers(QUESTIONS, outcomes)
