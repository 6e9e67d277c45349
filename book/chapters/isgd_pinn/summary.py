"""What the chapter asked, and what its rows answer, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from weaklabels.press.verdicts import answers

QUESTIONS: Mapping[str, Sequence[str]] = {
    "with inner L-BFGS implicit steps are stable at rates over many decades": ("1a", "2a", "2c"),
    "with an inner Adam, restarted or not, the loss never rises": ("2b", "2d"),
    "explicit ones diverge from twice their limit on": ("1b",),
    "at half of their limit at the start explicit ones stay stable": ("1c",),
    "wide tanh networks follow the theory of a constant kernel": ("5",),
    "wide ReLU networks keep a weaker bound": ("6",),
    "at equal evaluations, and the best rate of each seed, ISGD is more accurate than SGD": (
        *("3a", "3b"),
    ),
    "ISGD is more accurate than SGD, with rates that other seeds chose": ("3c", "3d"),
    "ISGD is more accurate than Adam, at the best rate of each seed": ("4a", "4c"),
    "ISGD is more accurate than Adam, at the median rate": ("4b", "4d"),
    "ISGD is more accurate than Adam, with rates that other seeds chose": ("4h", "4j"),
    "ISGD is more accurate than Adam on other equations": ("4e1", "4e2", "4e3", "4e4"),
    "ISGD is more accurate than Adam from other initial parameters, and at a higher frequency": (
        "4f",
        "4g",
    ),
    "ISGD is more accurate than Adam with an inner Adam that keeps its moments": ("4i",),
    "an evaluation costs about as much as with Adam": ("8a",),
    "at equal time ISGD is more accurate than Adam": ("8b",),
    "ISGD is more accurate than L-BFGS alone, and than Adam followed by L-BFGS": ("7b", "7d"),
    "the proximal term helps": ("7a", "7c"),
    "an inner Adam that keeps its moments is more accurate than one restarted": ("10",),
    "ISGD solves the inverse problem as well": ("9",),
}
"""What the chapter asked -> rows that answer."""


def summary(outcomes: Mapping[str, str]) -> str:
    """The answers, one line a question, from the outcomes of the rows that are shown."""
    return answers(QUESTIONS, outcomes)
