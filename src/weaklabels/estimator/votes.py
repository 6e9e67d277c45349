"""Answers of workers, one column each, or a column for each class, as of counts of votes?

Both are whole numbers in several columns. What can be nothing but a column for each class is
refused, and what may be either makes a warning, in the name of the line that calls ``fit``.
"""

from __future__ import annotations

import warnings

import numpy as np

SURE_ROWS = 10
"""Rows from which on it is no accident that the answers of all add up to the same number."""


def warn_of_missing(answers: np.ndarray) -> None:
    """Ask about classes that nobody ever named, such as all up to 98 where 99 is no answer."""
    found = np.unique(answers[answers >= 0])
    missing = int(found[-1]) + 1 - len(found) if len(found) else 0
    if missing:
        first = np.flatnonzero(found != np.arange(len(found)))[0]
        warnings.warn(
            f"the answers reach up to class {found[-1]}, and {missing} of the classes below it are "
            f"never named, the first is {first}: is each number a class? What is no answer is -1, "
            "and classes= names the classes",
            stacklevel=6,
        )


def refuse_counts(name: str, answers: np.ndarray) -> None:
    """Refuse votes, percent, or a 1, in a column for each class: all rows add up to the same.

    Answers of workers hardly do so without a gap, except in a few rows: these make a warning.
    """
    sums, found = answers.sum(1), np.unique(answers)
    low, high = int(sums.min()), int(sums.max())
    percent = low >= 98 and high <= 102  # rounded
    if found[0] < 0 or len(found) < 2 or answers.shape[1] < 2 or not (low == high or percent):
        return
    text = (
        f"labels {answers.shape} of method {name!r} look like a column for each class, and would "
        f"be taken for answers of workers: every row adds up to {low}"
        + (f" to {high}" if high > low else "")
        + ", expected (N,), such as observed.argmax(1), or shares for method 'soft labels' (divide "
        "rows by their sum)"
    )
    if len(answers) >= SURE_ROWS and (len(found) > 2 or (high == 1 and answers.shape[1] > 2)):
        raise ValueError(text)
    if found[-1] > 1:
        warnings.warn(text, stacklevel=6)


def warn_of_counts(answers: np.ndarray) -> None:
    """Ask about columns that share something out, as classes do the votes on a row.

    Workers agree, so that the sums of the rows vary more than the columns do one by one, or as much
    if they guess; a vote for one class is none for the others, and the sums vary less.
    """
    rows = len(answers)
    if answers.min() < 0 or answers.max() < 2 or rows < SURE_ROWS:
        return
    # By accident the sums of guesses vary a little less than the columns, more so in few rows.
    guessed = max(0.5, 1 - 3 / rows**0.5)
    if 0 < answers.sum(1).var() < guessed * answers.var(0).sum():
        warnings.warn(
            f"no answer is missing in any column of labels {answers.shape}, and where one is high "
            "the others are low: if the columns are classes and the numbers counts of votes, "
            "divide rows by their sum and take 'soft labels'; if they are answers of workers, name "
            "the classes by classes=",
            stacklevel=6,
        )


def refuse_presence(name: str, answers: np.ndarray, classes: int) -> None:
    """Refuse answers that look like a column for each class, which have the same numbers.

    What may be either, two classes that workers named, is taken with a warning.
    """
    if answers.max() > 1:
        return
    one_hot = answers.min() == 0 and bool((answers.sum(1) == 1).all())
    if one_hot or answers.shape[1] == classes > 2:
        raise ValueError(
            f"labels {answers.shape} of method {name!r} look like a column for each class, and "
            "would be taken for answers of workers: expected (N,), such as observed.argmax(1)"
        )
    if classes == 2:
        warnings.warn(
            f"labels {answers.shape} of method {name!r} are taken for what {answers.shape[1]} "
            "workers said, class 0 or 1, and -1 for nothing",
            stacklevel=6,
        )
