"""The registry of tuned settings: what was chosen, among which values, by which rule, on what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

FIRST_TUNING_SEED = 1000
"""Choices are made on repetitions numbered from here, which no result is reported for."""


@dataclass(frozen=True)
class Tuned:
    """One setting of one method.

    Attributes:
        method: name, as in the chapter's tables.
        setting: what was chosen, such as ``"learning rate"``, with its unit if it has one.
        values: what was tried, in ascending order.
        chosen: one of them.
        rule: how, such as ``"best validation mAP, mean of 3 seeds"``.
        data: what it was chosen on.
        bound: ends of the values that are natural, beyond which there is nothing to try (0 for a
            weight), so that a choice there is no sign of a grid that is too narrow.

    Raises:
        ValueError: if the chosen value was not tried, or the values are not ascending.
    """

    method: str
    setting: str
    values: tuple[float, ...]
    chosen: float
    rule: str
    data: str
    bound: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.chosen not in self.values:
            raise ValueError(
                f"{self.setting} of {self.method}: {self.chosen} was chosen, but tried were "
                f"{', '.join(map(str, self.values))}"
            )
        if list(self.values) != sorted(set(self.values)):
            raise ValueError(f"{self.setting} of {self.method}: expected ascending values")

    @property
    def interior(self) -> bool:
        """Whether the choice lies inside the values that were tried, or at a natural bound."""
        return self.chosen in self.bound or self.values[0] < self.chosen < self.values[-1]


def best(scores: Mapping[float, Sequence[float]]) -> float:
    """The value with the highest mean score; the smallest of those that tie.

    Args:
        scores: value -> validation score of each tuning seed.
    """
    return max(sorted(scores), key=lambda value: float(np.mean(scores[value])))
