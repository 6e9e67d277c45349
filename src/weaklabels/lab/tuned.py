"""The registry of tuned settings: what was chosen, among which values, by which rule, on what."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from weaklabels.lab.setting import Setting
from weaklabels.lab.sweep import RunFunction

K = TypeVar("K", bound=Hashable)

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


def choose(
    setting: Setting,
    run: RunFunction,
    trials: Mapping[K, Mapping[float, Any]],
    seeds: Sequence[int],
) -> dict[K, dict[str, Any]]:
    """Make choices by validation mAP (%) after the last epoch, all in one sweep.

    Args:
        setting: where to compute and what to keep.
        run: whose records have ``val_ap`` ``(E, C)``.
        trials: what a choice is for -> value -> its run.
        seeds: of the repetitions.

    Returns:
        of every choice, as JSON takes it, the value that was ``chosen`` and the ``validation`` mAP
        of all, one number a seed.
    """
    table = {(name, value): spec for name, each in trials.items() for value, spec in each.items()}
    records = setting.repeat(run, table, seeds)
    found = {}
    for name, each in trials.items():
        scores = {
            value: [round(float(one["val_ap"][-1].mean()), 3) for one in records[name, value]]
            for value in each
        }
        validation = {f"{value:g}": kept for value, kept in scores.items()}
        found[name] = {"chosen": best(scores), "validation": validation}
    return found
