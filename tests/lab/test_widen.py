"""Values that are added where a choice stands at an end of those that were tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weaklabels.lab import widen
from weaklabels.lab.voc_features import Row

VALUES = tuple(float(value) for value in range(10))


def choice_of(values: list[float], best: float, setting: str = "s") -> dict[str, Any]:
    """Made among some values, where the score falls with the distance from the best of all."""
    scores = {f"{value:g}": [-abs(value - best)] for value in values}
    chosen = max(values, key=lambda value: -abs(value - best))
    return {"setting": setting, "chosen": chosen, "validation": scores}


@given(best=st.integers(0, 9), first=st.integers(0, 7), count=st.integers(3, 4))
def test_a_choice_ends_at_the_best_of_all_values(best: int, first: int, count: int) -> None:
    asked = []

    def score(value: float) -> dict[str, Any]:
        asked.append(value)
        return choice_of([value], best)

    begun = list(VALUES[first : first + count])
    found = widen.inside(choice_of(begun, best), VALUES, score)
    assert found["chosen"] == best
    tried = [float(value) for value in found["validation"]]
    assert tried == sorted(tried)
    assert set(begun) <= set(tried)
    assert tried[0] < best < tried[-1] or best in (VALUES[0], VALUES[-1], begun[-1])
    assert sorted(asked) == sorted(set(tried) - set(begun))  # none twice, none for nothing


def test_a_choice_inside_is_left_as_it_is() -> None:
    choice = choice_of([1.0, 2.0, 3.0], 2)
    assert widen.inside(choice, VALUES, lambda value: pytest.fail(f"{value} tried")) == choice


def test_a_value_at_which_training_diverges_is_the_worst() -> None:
    def score(value: float) -> dict[str, Any]:
        raise FloatingPointError("the loss is not finite")

    choice = {"chosen": 3.0, "validation": {"2": [50.0, 60.0], "3": [70.0, 80.0]}}
    found = widen.inside(choice, VALUES, score)
    assert found == {"chosen": 3.0, "validation": choice["validation"] | {"4": [0.0, 0.0]}}
    with pytest.raises(ValueError, match="another"):
        widen.inside(choice, VALUES, _broken)


def _broken(value: float) -> dict[str, Any]:
    raise ValueError(f"another error at {value}")


@dataclass(frozen=True)
class Spec:
    option: float = 0.0


class Table:
    """Scores are best at one rate and one value; what was run is noted."""

    def __init__(self, rate: float, value: float) -> None:
        self.best = rate, value
        self.ran: list[tuple[float, tuple[float, ...]]] = []

    def choose(self, row: Row, rates: list[float]) -> list[dict[str, Any]]:
        found = [choice_of(list(rates), self.best[0], "learning rate")]
        return found + ([choice_of(list(row.values), self.best[1])] if row.option else [])

    def run(self, row: Row, rate: float) -> dict[str, Any]:
        self.ran.append((rate, row.values))
        return {"best": "new", "learning_rate": rate}


def held(rate: float, value: int, rates: list[float], values: list[float]) -> dict[str, Any]:
    choices = [choice_of(rates, rate, "learning rate"), choice_of(values, value)]
    chosen = choices[0]["chosen"]
    return {"row": "m", "share": 0.1, "best": "old", "learning_rate": chosen, "tried": choices}


def test_a_row_is_run_again_only_if_its_choice_has_moved() -> None:
    row = Row(Spec(), "s", (3, 4, 5))
    stays, moves = Table(0.1, 3), Table(0.1, 2)
    old = held(0.1, 3, [0.03, 0.1, 0.3], [3, 4, 5])
    found = widen.widened(old, row, (1, 2, 3, 4, 5), stays.choose, stays.run)
    assert (found["best"], stays.ran) == ("old", [])
    assert list(found["tried"][1]["validation"]) == ["2", "3", "4", "5"]
    old = held(0.1, 2, [0.03, 0.1, 0.3], [3, 4, 5])
    found = widen.widened(old, row, (1, 2, 3, 4, 5), moves.choose, moves.run)
    assert (found["best"], found["share"]) == ("new", 0.1)
    assert moves.ran == [(0.1, (2,))]
    assert isinstance(moves.ran[0][1][0], int)
    assert found["tried"][1]["chosen"] == 2


def test_where_the_rate_moves_the_option_is_chosen_anew() -> None:
    old = held(1.0, 3, [0.03, 0.1, 0.3], [3, 4, 5])
    table = Table(1.0, 4)
    found = widen.widened(old, Row(Spec(), "s", (3, 4, 5)), (), table.choose, table.run)
    assert table.ran == [(1.0, (4,))]
    assert [choice["chosen"] for choice in found["tried"]] == [1.0, 4]
    assert list(found["tried"][0]["validation"]) == ["0.03", "0.1", "0.3", "1", "3"]


def test_a_note_names_the_rows_with_more_values() -> None:
    rows = [held(0.1, 4, [0.03, 0.1, 0.3], [3, 4, 5]) | {"row": name} for name in "ab"]
    content = {"rows": rows, "differences": ["first"], "data": 1}
    longer = rows[1] | {"tried": [rows[1]["tried"][0], choice_of([2, 3, 4, 5], 3)]}
    found = widen.noted(content, [rows[0], longer])
    assert found["differences"] == ["first", widen.NOTE.format(rows="b")]
    assert (found["data"], found["rows"]) == (1, [rows[0], longer])
    assert widen.noted(content, rows) == content
