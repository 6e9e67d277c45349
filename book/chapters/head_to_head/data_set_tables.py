"""The recorded comparison on other data sets as arrays and data frames, beside that on scenes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from chapters.head_to_head import ranking
from chapters.head_to_head.entries import ALL_LABELS, METHODS, RANKED
from chapters.head_to_head.ranking import Ranking
from chapters.head_to_head.runs import FIRST
from chapters.head_to_head.tables import Scores, rank_agreement_matrix, score_array, score_table
from weaklabels.press.claims import rank_agreement
from weaklabels.press.verdicts import NOT_RECORDED


class Study:
    """The record of ``data_sets``.

    Args:
        record: its content.

    Attributes:
        sets: names of the data sets.
    """

    def __init__(self, record: Mapping[str, Any]) -> None:
        self.sets = tuple(record["data"])
        self._rows = {
            (row["weakening"], row["data set"], row["method"]): row for row in record["rows"]
        }

    def scores(self, weakening: str) -> Scores:
        """(data set, method) -> test mAP (%) of every seed, the reference among the methods."""
        return {
            (where, name): np.array(row["last"])
            for (weak, where, name), row in self._rows.items()
            if weak in (weakening, "-")
        }

    def tried(self, weakening: str, where: str, name: str) -> Sequence[Mapping[str, Any]]:
        """What was tried and chosen for a method on a data set: learning rate, then the dial."""
        found: Sequence[Mapping[str, Any]] = self._rows[weakening, where, name]["tried"]
        return found

    def favourites(self, weakening: str, names: Sequence[str]) -> dict[str, str]:
        """Data set -> the one of ``names`` with the best validation score there."""

        def score(where: str, name: str) -> float:
            return float(max(self.tried(weakening, where, name)[-1]["validation"].values()))

        return {each: max(names, key=lambda name: score(each, name)) for each in self.sets}

    def best_of(self, weakening: str, names: Sequence[str]) -> np.ndarray:
        """Test mAP (%) of each data set's favourite (of one method: its own), mean over seeds."""
        chosen = self.favourites(weakening, names)
        return np.array(
            [np.mean(self._rows[weakening, where, name]["last"]) for where, name in chosen.items()]
        )

    def ranks(self, weakening: str) -> np.ndarray:
        """Ranks of ``RANKED`` by the means over seeds, ``(data sets, methods)``."""
        return ranking.ranks(score_array(self.scores(weakening), self.sets, RANKED).mean(2))


def read(record: Mapping[str, Any] | None) -> Study | None:
    """The study of a record; None if it is not recorded yet."""
    return None if record is None else Study(record)


def note(record: Mapping[str, Any] | None) -> str:
    """Where the record comes from, and what has to be known of it, in Markdown."""
    if record is None:
        return f"*These runs are {NOT_RECORDED}.*"
    made, rules = record["provenance"], record["protocol"]
    sizes = ", ".join(f"{name} {size}" for name, size in rules["batch_size"].items())
    lines = [
        f"Network: {rules['network']}. {rules['optimiser']}, {rules['epochs']} epochs; images a "
        f"batch: {sizes}.",
        f"Learning rates: {', '.join(f'{rate:g}' for rate in rules['rates'])}; chosen with "
        f"{len(rules['tuning_seeds'])} seeds numbered from {min(rules['tuning_seeds'])}. Results: "
        f"{len(rules['seeds'])} seeds numbered from {min(rules['seeds'])}.",
        *record["differences"],
    ]
    return "\n".join(
        [
            f"*Recorded*, not computed here: `{record['command']}` on {made['date']} "
            f"(torch {made['torch']}).",
            "",
            *(f"- {line}" for line in lines),
        ]
    )


def data_table(record: Mapping[str, Any] | None) -> pd.DataFrame:
    """What the data sets hold, one row each."""
    if record is None:
        return nothing()
    return pd.DataFrame(
        {
            name: {what: f"{n:,}" for what, n in each.items()}
            for name, each in record["data"].items()
        }
    )


def nothing() -> pd.DataFrame:
    """An empty table whose head says that there is no record yet."""
    return pd.DataFrame({NOT_RECORDED: []})


def set_scores(study: Study | None) -> pd.DataFrame:
    """Test mAP (%), mean and spread over seeds: weakenings and methods x data sets."""
    if study is None:
        return nothing()
    names = (ALL_LABELS, *RANKED)
    parts = {weak: score_table(study.scores(weak), study.sets, names) for weak in FIRST}
    return pd.concat(parts)


def chosen_settings(study: Study | None) -> pd.DataFrame:
    """The chosen learning rate and setting of the dial: weakenings and methods x data sets.

    A star marks a choice at an end of what was tried that is no natural bound.
    """
    if study is None:
        return nothing()
    cells = [("-", ALL_LABELS), *((weak, name) for weak in FIRST for name in RANKED)]
    rows = {
        cell: {
            where: "; ".join(
                _marked(cell[1], each) for each in study.tried(cell[0], where, cell[1])
            )
            for where in study.sets
        }
        for cell in cells
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def _marked(name: str, tried: Mapping[str, Any]) -> str:
    values, chosen = list(tried["validation"]), f"{tried['chosen']:g}"
    natural = tried["setting"] != "learning rate" and tried["chosen"] in METHODS[name].bounds
    return chosen + ("*" if chosen in (values[0], values[-1]) and not natural else "")


# -- ranks ----------------------------------------------------------------------------------------


def rankings(study: Study | None, scenes: Scores) -> dict[str, Ranking]:
    """The ranking over the data sets and the scenes, by weakening; none without a record."""
    if study is None:
        return {}
    found = {}
    for weak in FIRST:
        here = score_array(scenes, [weak], RANKED).mean(2)
        there = score_array(study.scores(weak), study.sets, RANKED).mean(2)
        over = ranking.rank(np.concatenate([here, there]), RANKED)
        found[f"{weak}: {over.tasks} data sets, the scenes among them"] = over
    return found


def agreement(study: Study, scenes: Scores, weakening: str) -> tuple[float, float, float]:
    """Rank correlation of the mean ranks over the data sets with the order on scenes, and the ends
    of its interval: a bootstrap over methods, in which the data sets are drawn anew as well."""
    here = score_array(scenes, [weakening], RANKED)[0].mean(1)
    return rank_agreement(-study.ranks(weakening).T, here)


def agreement_on(
    study: Study, scenes: Scores, weakening: str, name: str
) -> tuple[float, float, float]:
    """The same for one data set: its order by the means over seeds."""
    here = score_array(scenes, [weakening], RANKED)[0].mean(1)
    return rank_agreement(score_array(study.scores(weakening), [name], RANKED)[0], here)


def among_themselves(study: Study, weakening: str) -> float:
    """Rank correlation between the orders on two of the data sets, mean over all pairs."""
    matrix = rank_agreement_matrix(study.scores(weakening), study.sets, RANKED)
    return float(matrix[np.triu_indices(len(matrix), 1)].mean())


def order_table(study: Study | None, scenes: Scores) -> pd.DataFrame:
    """Rank correlation of the order on scenes with that on every data set, and with the mean ranks;
    beside them that between two of the data sets, mean over pairs."""
    if study is None:
        return nothing()
    rows = {}
    for weak in FIRST:
        together = {("scenes", name): scenes[weak, name] for name in RANKED}
        together |= study.scores(weak)
        means = {key: values.mean(keepdims=True) for key, values in together.items()}
        matrix = rank_agreement_matrix(means, ("scenes", *study.sets), RANKED)
        middle, low, high = agreement(study, scenes, weak)
        rows[weak] = {
            **{name: f"{value:.2f}" for name, value in zip(study.sets, matrix[0, 1:], strict=True)},
            "mean ranks": f"{middle:.2f} [{low:.2f}, {high:.2f}]",
            "between two sets": f"{among_themselves(study, weak):.2f}",
        }
    return pd.DataFrame(rows)


def findings(study: Study | None, scenes: Scores) -> str:
    """Friedman's test and who is not told apart from the first, by weakening, in Markdown."""
    if study is None:
        return f"*These runs are {NOT_RECORDED}.*"
    lines = []
    for title, found in rankings(study, scenes).items():
        leaders = found.leaders()
        lines.append(
            f"- *{title}*: Friedman {found.statistic:.1f}, p = {found.p:.1g}; critical difference "
            f"{found.difference:.1f}. Not told apart from the best mean rank: {len(leaders)} of "
            f"{len(found.names)} ({', '.join(leaders)})."
        )
    return "\n".join(lines)
