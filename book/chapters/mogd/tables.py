"""Records of the chapter on *Meta Objective Guided Disambiguation* as arrays and data frames."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from chapters.mogd.runs import HARD, REAL, Spec, divide
from weaklabels.lab.candidate_sets import scores
from weaklabels.lab.store import Record
from weaklabels.lab.tuned import Tuned
from weaklabels.press.claims import mean_std
from weaklabels.press.verdicts import NOT_RECORDED

K = TypeVar("K", bound=Hashable)

FASHION = {kind: f"Fashion-MNIST, {kind}" for kind in HARD}
"""Kinds of drawn sets of the record on Fashion-MNIST -> their names in tables."""

PLACES = REAL | FASHION

Groups = Mapping[str, Mapping[str, Sequence[Record]]]
"""Candidate sets -> row of the tables -> one record a seed."""

Results = Mapping[K, Mapping[str, np.ndarray]]
"""Candidate sets, or number of clean samples -> row -> test accuracy ``(seeds,)`` in percent."""


def set_table(sets: Mapping[str, Spec]) -> pd.DataFrame:
    """The candidate sets of the first seed, by name."""
    lines = {}
    for name, spec in sets.items():
        sizes = divide(spec)[2].sum(1).double()
        lines[name] = {
            "mean candidates": sizes.mean().item(),
            "truth guessed (%)": 100 * (1 / sizes).mean().item(),
            "one candidate only (%)": 100 * (sizes == 1).double().mean().item(),
        }
    return pd.DataFrame(lines).T.round(1)


def score_table(
    groups: Groups, rows: Sequence[str], last: int, curve: str = "test_accuracy"
) -> pd.DataFrame:
    """Mean and standard deviation over seeds, one column a kind of candidate sets."""
    return pd.DataFrame(
        {
            kind: {row: mean_std(scores(records[row], last, curve)) for row in rows}
            for kind, records in groups.items()
        }
    )


def choices_table(
    groups: Mapping[str, Mapping[tuple[str, float], Sequence[Record]]], last: int
) -> pd.DataFrame:
    """Who finds the true label, the weights or the network, for each way to set the weights.

    Args:
        groups: candidate sets -> name and learning rate -> one record a seed.
        last: epochs of a score.
    """
    lines = {}
    for kind, each in groups.items():
        for (name, rate), records in each.items():
            lines[kind, name, f"rate {rate:g}"] = {
                "test accuracy": mean_std(scores(records, last)),
                "found by weights": mean_std(scores(records, last, "select weights")),
                "found by network": mean_std(scores(records, last, "select IM-max")),
                "dropped": mean_std(scores(records, last, "dropped")),
            }
    return pd.DataFrame(lines).T


def results(
    groups: Mapping[K, Mapping[str, Sequence[Record]]], last: int
) -> dict[K, dict[str, np.ndarray]]:
    """Test accuracy of every row, mean over the last epochs, one a seed."""
    return {
        kind: {row: scores(records, last) for row, records in rows.items()}
        for kind, rows in groups.items()
    }


def best_results(
    groups: Mapping[K, Mapping[str, Sequence[Record]]],
) -> dict[K, dict[str, np.ndarray]]:
    """The highest test accuracy of every run, one a seed: what an early stop could have had."""
    return {
        kind: {
            row: np.array([record["test_accuracy"].max() for record in records])
            for row, records in rows.items()
        }
        for kind, rows in groups.items()
    }


def accuracy_table(found: Results[str]) -> pd.DataFrame:
    """Mean and spread by row, one column a kind of candidate sets."""
    return pd.DataFrame(
        {
            kind: {row: mean_std(values) for row, values in each.items()}
            for kind, each in found.items()
        }
    )


def judge_table(groups: Groups, last: int, row: str = "MoGD") -> pd.DataFrame:
    """Weights of MoGD at the start and in the last epochs, and the AUC of its meta-gradient."""
    lines = {}
    for kind, rows in groups.items():
        auc = np.stack([record["auc"] for record in rows[row]])
        lines[kind] = {
            "1/|S|": mean_std([float(record["uniform"]) for record in rows[row]], 2),
            "true label": mean_std(scores(rows[row], last, "true weight"), 2),
            "false candidate": mean_std(scores(rows[row], last, "false weight"), 2),
            "AUC, first epoch": mean_std(auc[:, 0], 2),
            "AUC, lowest": mean_std(auc.min(1), 2),
            "AUC, last epochs": mean_std(scores(rows[row], last, "auc"), 2),
        }
    return pd.DataFrame(lines).T


def gain_table(found: Results[str]) -> pd.DataFrame:
    """MoGD's accuracy minus that of every other row, paired by seed: mean and spread, in points."""
    return pd.DataFrame(
        {
            kind: {
                row: mean_std(each["MoGD"] - values)
                for row, values in each.items()
                if row != "MoGD"
            }
            for kind, each in found.items()
        }
    )


def at_epochs(
    groups: Mapping[str, Sequence[Record]], ends: Sequence[int], last: int
) -> dict[int, dict[str, np.ndarray]]:
    """Test accuracy ``(seeds,)`` by number of epochs and row.

    Nothing in training depends on its planned length, so the first epochs of a longer run are a
    run of that length at the same learning rate.
    """
    return {
        end: {
            row: np.array([record["test_accuracy"][:end][-last:].mean() for record in records])
            for row, records in groups.items()
        }
        for end in ends
    }


def length_table(longer: Results[int]) -> pd.DataFrame:
    """Mean and spread by row, one column a number of epochs."""
    return accuracy_table({f"{epochs} epochs": each for epochs, each in longer.items()})


def rate_table(record: Mapping[str, Any] | None) -> pd.DataFrame:
    """Validation accuracy (%) by learning rate, of the recorded choice; empty without a record.

    Rows with "+v" are left out: the table would be twice as long.
    """
    lines = {
        (line["tuned on"], line["row"]): dict(
            zip((f"{rate:g}" for rate in record["values"]), line["validation"], strict=True)
        )
        for line in (record["rows"] if record else ())
        if not line["row"].endswith(" +v")
    }
    return pd.DataFrame(lines).T.round(1)


def recorded_real(
    record: Mapping[str, Any] | None, names: Mapping[str, str] = REAL
) -> dict[str, dict[str, dict[str, np.ndarray]]]:
    """The recorded runs on real data: set -> row -> what was kept, ``(seeds,)`` each.

    Args:
        record: without one there are none.
        names: a record's datasets -> their names in tables.
    """
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    for line in record["rows"] if record else ():
        kept = found.setdefault(names[line["dataset"]], {}).setdefault(line["row"], {})
        for name, value in line.items():
            if name not in ("dataset", "row", "seed"):
                kept.setdefault(name, []).append(value)
    return {
        name: {
            row: {what: np.array(values) for what, values in kept.items()}
            for row, kept in each.items()
        }
        for name, each in found.items()
    }


def real_table(found: Mapping[str, Mapping[str, Mapping[str, np.ndarray]]]) -> pd.DataFrame:
    """Test accuracy on real data, how well MoGD judges at the end, and the weight of the true label
    then and when all candidates weigh the same; mean and spread."""
    columns = {}
    for name, each in found.items():
        accuracies = {row: mean_std(kept["test_accuracy"]) for row, kept in each.items()}
        judged = {f"{row}: AUC": mean_std(each[row]["auc"], 2) for row in ("MoGD", "MoGD +v")}
        weights = {
            f"MoGD: {what}": mean_std(each["MoGD"][kept], 2)
            for what, kept in (("weight", "true weight"), ("weight at first", "uniform"))
        }
        columns[name] = accuracies | judged | weights
    return pd.DataFrame(columns)


def tuned_table(tuned: Sequence[Tuned]) -> pd.DataFrame:
    """The learning rates that were chosen on digits, by what they were chosen on and row.

    A dash: not chosen anew; a rate at an edge of what was tried is marked.
    """
    lines: dict[str, dict[str, str]] = {}
    for each in tuned:
        line = lines.setdefault(each.setting.removeprefix("learning rate, "), {})
        line[each.method] = f"{each.chosen:g}" + ("" if each.interior else " (edge)")
    return pd.DataFrame(lines).T.fillna("-")


def chosen_table(records: Mapping[str, Mapping[str, Any] | None]) -> pd.DataFrame:
    """The learning rate of every row that chose one, a column a set, and what was tried.

    A choice at an end of what was tried is marked, and so are rates that were tried for one row
    beyond the others.

    Args:
        records: name of the data -> record; those without are left out.
    """
    columns: dict[str, dict[str, str]] = {}
    for record in records.values():
        for line in record["choices"] if record else ():
            column = columns.setdefault(PLACES[line["dataset"]], {})
            tried = line.get("tried", record["tried"])
            added = ", ".join(f"{rate:g}" for rate in tried if rate not in record["tried"])
            mark = f" (also tried: {added})" if added else ""
            mark += " (edge)" if line["chosen"] in (tried[0], tried[-1]) else ""
            column[line["row"]] = f"{line['chosen']:g}{mark}"
        for place in {PLACES[line["dataset"]] for line in record["choices"]} if record else ():
            rates = sorted(record["tried"])
            columns[place]["tried"] = f"{len(rates)}, {rates[0]:g} to {rates[-1]:g}"
    return pd.DataFrame(columns)


def data_table(records: Mapping[str, Mapping[str, Any] | None]) -> pd.DataFrame:
    """How much of what the recorded sets hold, one column a set."""
    return pd.DataFrame(
        {
            PLACES[name]: {what: f"{number:,}" for what, number in held.items()}
            for record in records.values()
            if record
            for name, held in record["data"].items()
        }
    )


def record_note(record: Mapping[str, Any] | None) -> str:
    """Where a record comes from, by which protocol, and what differs, in Markdown."""
    if record is None:
        return f"*These runs are {NOT_RECORDED}.*"
    known = record["provenance"]
    made = (
        f"*Recorded*, not computed here: `{record['command']}`, commit `{known['commit'][:10]}`, "
        f"PyTorch {known['torch']}, {known['device']}."
    )
    seeds = {line["seed"] for line in record["rows"]}
    lines = [f"repetitions: {len(seeds)}."]
    lines += [f"{what}: {_by_place(how)}." for what, how in record["protocol"].items()]
    return "\n".join([made, "", *(f"- {line}" for line in (*lines, *record["differences"]))])


def _by_place(how: Any) -> Any:
    """What differs from set to set, in words."""
    if not isinstance(how, Mapping):
        return how
    return ", ".join(f"{each} on {PLACES[name]}" for name, each in how.items())


def cost_table(counts: Mapping[int, Mapping[str, int]]) -> pd.DataFrame:
    """Operations of a step with the meta-gradient, as multiples of a plain step.

    Args:
        counts: clean samples in a step -> what ``cost.operations`` returns.
    """
    rows = {
        size: {
            name: f"{(found['plain'] + found[name]) / found['plain']:.2f} x"
            for name in ("closed form", "double backward")
        }
        for size, found in counts.items()
    }
    return pd.DataFrame(rows).T.rename_axis("clean samples")
