"""Values are added where a choice stands at an end of those that were tried.

All rows of a table begin with as many values of a setting. Where the one chosen on validation data
is the first or the last of them, the next value beyond it is tried too, until the choice stands
between two others or there is nothing beyond; so it is for every row alike. What a record has of
its other rows stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from weaklabels.lab.tuned import best
from weaklabels.lab.voc_features import Row

RATES = tuple(float(f"{digit}e{power}") for power in range(-7, 2) for digit in (1, 3))
"""Learning rates in half decades, from 1e-7 to 30."""

NOTE = (
    "Where a choice stood at an end of its values, the next value beyond it was tried as well, "
    "until it stood between two others or at a natural bound: the rows {rows} have more values "
    "than others."
)

Choice = dict[str, Any]
"""One setting of a row: ``setting``, what was ``chosen``, ``validation`` scores by value."""

Choose = Callable[[Row, Sequence[float]], list[Choice]]
"""The choices of a row among some learning rates and its own values."""

Run = Callable[[Row, float], dict[str, Any]]
"""What is recorded of a row with one learning rate and one value, or none, of its option."""


def widened(
    held: Mapping[str, Any], row: Row, values: Sequence[float], choose: Choose, run: Run
) -> dict[str, Any]:
    """A row of a record whose choices lie inside, run again if that changed one of them.

    Args:
        held: the row as it is recorded, as ``voc_features.compute`` returns it.
        row: its run while choices are made, and the values that every row begins with.
        values: all values of its option that make sense, ascending.
        choose: tries values of the row.
        run: makes its runs.

    Returns:
        ``held`` with all values in ``tried``; what else it has is of the new choices.
    """
    of_rate, *of_option = held["tried"]
    alone = replace(row, option="", values=())
    tried = [inside(of_rate, RATES, lambda rate: choose(alone, [rate])[0])]
    rate = tried[0]["chosen"]
    if of_option:
        old = of_option if rate == of_rate["chosen"] else choose(row, [rate])
        tried.append(
            inside(old[-1], values, lambda value: choose(replace(row, values=(value,)), [rate])[-1])
        )
    if chosen(tried) == chosen(held["tried"]):
        return {**held, "tried": tried}
    # As the row has them: a whole number stays one.
    value = tuple(each for each in {*values, *row.values} if each in chosen(tried)[1:])
    return {**held, **run(replace(row, values=value), rate), "tried": tried}


def chosen(tried: Sequence[Choice]) -> tuple[float, ...]:
    """What was chosen of each setting."""
    return tuple(choice["chosen"] for choice in tried)


def inside(choice: Choice, values: Sequence[float], score: Callable[[float], Choice]) -> Choice:
    """The choice among more values, so that it stands at no end with a value beyond.

    Args:
        choice: made already; its scores are percents.
        values: that make sense, ascending.
        score: tries one value; where its training diverges the scores are 0.
    """
    while True:
        scores = {float(value): each for value, each in choice["validation"].items()}
        at, lowest, highest = choice["chosen"], min(scores), max(scores)
        beyond = [value for value in values if at == lowest and value < lowest][-1:]
        beyond += [value for value in values if at == highest and value > highest][:1]
        if not beyond:
            return choice
        for value in beyond:
            try:
                (scores[value],) = score(value)["validation"].values()
            except (FloatingPointError, ValueError) as error:  # of the loss, or of the scores
                if "finite" not in str(error):
                    raise
                scores[value] = np.zeros_like(scores[at]).tolist()
        validation = {f"{value:g}": scores[value] for value in sorted(scores)}
        choice = choice | {"chosen": best(scores), "validation": validation}


def noted(content: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The content of a record with other rows, and a note on those with more values than before."""
    longer = [
        new["row"]
        for old, new in zip(content["rows"], rows, strict=True)
        if counted(new) != counted(old)
    ]
    notes = [NOTE.format(rows=", ".join(longer))] if longer else []
    return {**content, "rows": list(rows), "differences": [*content["differences"], *notes]}


def counted(row: Mapping[str, Any]) -> list[int]:
    """How many values were tried of each setting."""
    return [len(choice["validation"]) for choice in row["tried"]]
