"""Measures and tables of the chapter on *Learning from Crowds* (Self-Crowd, 2022)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from chapters.self_crowd.runs import Spec, Task, load_task
from weaklabels import crowds
from weaklabels.lab.store import Record
from weaklabels.lab.tuned import Tuned
from weaklabels.press.claims import mean_std
from weaklabels.press.verdicts import NOT_RECORDED

TITLES = {
    "MV": "majority vote",
    "shares": "shares of votes",
    "DS": "Dawid-Skene",
    "EM": "EM with network",
    "DL-CL": "crowd layer (DL-CL)",
    "random": "+ random pairs",
    "plain": "+ plain self-training",
    "aware": "+ Self-Crowd",
    "quota": "+ Self-Crowd, quota",
    "true labels": "true labels",
}
SELF_TRAINING = ("random", "plain", "aware", "quota")

Records = Sequence[Record]
"""One a seed."""

Skews = Mapping[tuple[float, float], Sequence[float]]
"""(ratio of the classes, answers an example) -> imbalance ratio of the answers, one a seed."""


def imbalance(counts: np.ndarray) -> float:
    """Largest over smallest count, the latter at least 1."""
    return float(counts.max() / max(counts.min(), 1))


def entropy_share(counts: np.ndarray) -> float:
    """Entropy of the shares over ln K: 1 if all classes are equally frequent."""
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum() / np.log(len(counts)))


def names(records: Records) -> list[str]:
    """The methods of these runs, in the order in which they were trained."""
    return [key.removesuffix("/recall") for key in records[0].values if key.endswith("/recall")]


def accuracy(records: Records, name: str) -> np.ndarray:
    """Mean recall of all classes (%) after the base training and each round, ``(seeds, T)``."""
    return np.stack([record[f"{name}/recall"].mean(1) for record in records])


def minority(records: Records, name: str) -> np.ndarray:
    """The same for the rarer half of the classes."""
    rare = len(records[0]["order"]) // 2
    return np.stack([r[f"{name}/recall"][:, r["order"][-rare:]].mean(1) for r in records])


def final(records: Records, name: str, *, rare: bool = False) -> np.ndarray:
    """Accuracy (or recall of the rarer half) at the end (%), one a seed."""
    return (minority if rare else accuracy)(records, name)[:, -1]


def best(records: Records, name: str) -> np.ndarray:
    """Largest accuracy (%) at any look, one a seed: what an early stop could have had."""
    keys = (f"{name}/early", f"{name}/recall")
    looks = [np.concatenate([r[key] for key in keys if key in r.values]) for r in records]
    return np.array([each.mean(1).max() for each in looks])


def best_table(groups: Mapping[str, Records]) -> pd.DataFrame:
    """Accuracy (%) at the best moment of those that train on labels, and at Self-Crowd's end."""
    rows = {
        f"{TITLES[name]}, best moment": {k: mean_std(best(r, name)) for k, r in groups.items()}
        for name in ("MV", "DS", "EM")
    }
    rows[f"{TITLES['aware']}, end"] = {k: mean_std(final(r, "aware")) for k, r in groups.items()}
    return pd.DataFrame(rows).T


def ratio(records: Records, name: str) -> np.ndarray:
    """max N_c / min N_c of the annotations, ``(seeds, rounds + 1)``."""
    return np.array([[imbalance(row) for row in r[f"{name}/counts"]] for r in records])


def evenness(records: Records, name: str) -> np.ndarray:
    """Entropy of the annotations' classes over ln K, ``(seeds, rounds + 1)``."""
    return np.array([[entropy_share(row) for row in r[f"{name}/counts"]] for r in records])


def agreement(records: Records, name: str, *, rare: bool) -> np.ndarray:
    """Pseudo-annotations that name the true class (%), by round, ``(seeds, rounds)``.

    Those of the rarer half of the classes, or of the more frequent half; NaN where there are none.
    """
    half = len(records[0]["order"]) // 2
    values = []
    for record in records:
        classes = record["order"][-half:] if rare else record["order"][:-half]
        right, added = (record[f"{name}/{k}"][:, classes].sum(1) for k in ("right", "added"))
        values.append(np.where(added > 0, 100 * right / np.maximum(added, 1), np.nan))
    return np.array(values)


def skews(
    spec: Spec, ratios: Iterable[float], levels: Iterable[float], seeds: Iterable[int]
) -> dict[tuple[float, float], list[float]]:
    """Imbalance ratio of the given answers, one a seed (see ``Skews``).

    Args:
        spec: of the other settings.
        ratios: of the largest to the smallest true class.
        levels: numbers of answers an example.
        seeds: of data and crowds.
    """
    found = {}
    for size, level in product(ratios, levels):
        specs = (replace(spec, ratio=size, mean_answers=level, seed=seed) for seed in seeds)
        tasks = map(load_task, specs)
        counts = [crowds.class_counts(task.answers, task.classes) for task in tasks]
        found[size, level] = [imbalance(each) for each in counts]
    return found


def skew_table(skews: Skews) -> pd.DataFrame:
    """Imbalance of the answers: one row a ratio of the classes, one column a number of answers."""
    columns: dict[str, dict[str, str]] = {}
    for (size, level), values in skews.items():
        columns.setdefault(f"m = {level:g}", {})[f"truth {size} : 1"] = mean_std(values)
    return pd.DataFrame(columns)


def score_table(groups: Mapping[str, Records], *, rare: bool = False) -> pd.DataFrame:
    """Final accuracy, or recall of the rarer half: one row a method, one column a setting."""
    first = next(iter(groups.values()))
    order = sorted(names(first), key=list(TITLES).index)
    rows = {
        TITLES[name]: {
            s: mean_std(final(records, name, rare=rare)) for s, records in groups.items()
        }
        for name in order
    }
    return pd.DataFrame(rows).T


def own_scores(own: Own, method: str, *, rare: bool = False) -> np.ndarray:
    """A method's final accuracy (or recall of the rarer half) with settings of its own (%), one a
    seed: mean over the crowds' settings."""
    found = [
        final(records, name, rare=rare) for (_, name), records in own.items() if name == method
    ]
    return np.mean(found, axis=0)


def own_table(own: Own) -> pd.DataFrame:
    """Final accuracy (%) with settings of its own: one row a method, one column a setting."""
    order = sorted(dict.fromkeys(name for _, name in own), key=list(TITLES).index)
    rows = {
        TITLES[name]: {
            setting: mean_std(final(records, name))
            for (setting, method), records in own.items()
            if method == name
        }
        for name in order
    }
    return pd.DataFrame(rows).T


def chosen_table(tuned: Sequence[Tuned]) -> pd.DataFrame:
    """What was chosen: one row a method and setting, one column a setting of the crowd; a choice
    at an edge of what was tried is marked."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for each in tuned:
        row = rows.setdefault((TITLES[each.method], each.setting), {})
        row[each.data] = f"{each.chosen:g}" + ("" if each.interior else " (edge)")
    return pd.DataFrame(rows).T.rename_axis(["method", "setting"])


def base_table(groups: Mapping[str, Records]) -> pd.DataFrame:
    """Accuracy, recall of the rarer half and worst class of the crowd layer alone."""
    rows = {}
    for title, records in groups.items():
        worst = [record["DL-CL/recall"][-1].min() for record in records]
        rows[title] = {
            "accuracy": mean_std(final(records, "DL-CL")),
            "rarer half": mean_std(final(records, "DL-CL", rare=True)),
            "worst class": mean_std(worst),
        }
    return pd.DataFrame(rows).T


def balance_table(groups: Mapping[str, Records]) -> pd.DataFrame:
    """Imbalance ratio of the annotations, as given and after self-training."""
    columns = {}
    for setting, records in groups.items():
        columns[setting] = {"given": mean_std(ratio(records, "plain")[:, 0])}
        for name in SELF_TRAINING:
            columns[setting][TITLES[name]] = mean_std(ratio(records, name)[:, -1])
    return pd.DataFrame(columns)


def paired_table(groups: Mapping[str, Records], ours: str, other: str) -> pd.DataFrame:
    """Difference in accuracy and in recall of the rarer half (points), paired by crowd."""
    rows = {}
    for setting, records in groups.items():
        rows[setting] = {}
        for measure, rare in (("accuracy", False), ("rarer half", True)):
            difference = final(records, ours, rare=rare) - final(records, other, rare=rare)
            rows[setting][measure] = mean_std(difference)
            rows[setting][f"{measure}: crowds ahead"] = (
                f"{(difference > 0).sum()} of {len(difference)}"
            )
    return pd.DataFrame(rows).T


Own = Mapping[tuple[str, str], Records]
"""(Setting of the crowd, method) -> records with settings that were chosen for it there."""

Known = Mapping[tuple[float, str], Records]
"""(answers an example, what is known of them) -> records, see ``runs.who_answered``."""


def scores(records: Records, *, rare: bool = False) -> np.ndarray:
    """Final accuracy (or recall of the rarer half) of the one method of these runs, one a seed."""
    (name,) = names(records)
    return final(records, name, rare=rare)


def known_table(groups: Known) -> pd.DataFrame:
    """Accuracy and recall of the rarer half by what is known of the answers."""
    rows: dict[str, dict[str, str]] = {}
    for (level, known), records in groups.items():
        answers = f"{level:g} answer" + "s" * (level > 1)
        cells = rows.setdefault(known, {})
        cells[f"accuracy, {answers}"] = mean_std(scores(records))
        cells[f"rarer half, {answers}"] = mean_std(scores(records, rare=True))
    return pd.DataFrame(rows).T


def filled_share(records: Records, name: str) -> np.ndarray:
    """Share (%) of the missing pairs that the rounds have filled in, one a seed.

    Args:
        records: with a matrix layer.
        name: of a form of self-training.
    """
    values = []
    for record in records:
        pairs = record["truth_counts"].sum() * record[f"{name}/kernel"].shape[-1]
        given = record[f"{name}/counts"][0].sum()
        values.append(100 * record[f"{name}/added"].sum() / (pairs - given))
    return np.array(values)


def implied_confusion(kernel: np.ndarray) -> np.ndarray:
    """What a matrix crowd layer believes: ``(R, K, K)``, row true class, column answer.

    The softmax of the worker's column, for a network that is sure of the class.
    """
    powers = np.exp(kernel - kernel.max(0, keepdims=True))
    return (powers / powers.sum(0)).transpose(2, 1, 0)


def confusions(tasks: Iterable[Task]) -> list[np.ndarray]:
    """True confusions ``(R, K, K)`` of each crowd; a real one's shares of answers to each class."""
    found = []
    for task in tasks:
        shares = crowds.reliability(task.answers, np.eye(task.classes)[task.truth], 0.0)
        found.append(shares.transpose(2, 0, 1) if task.confusion is None else task.confusion)
    return found


def confusion_correlation(
    records: Records, confusions: Sequence[np.ndarray], *, diagonal: bool
) -> np.ndarray:
    """Correlation of what the crowd layer learnt with the truth about the workers, one a seed.

    Args:
        records: with a matrix layer.
        confusions: ``(R, K, K)`` true ones, one a run.
        diagonal: compare the rates of right answers, otherwise the mistakes.
    """
    values = []
    for record, confusion in zip(records, confusions, strict=True):
        learnt = implied_confusion(record["aware/kernel"])
        chosen = np.broadcast_to(np.eye(learnt.shape[1], dtype=bool) == diagonal, learnt.shape)
        values.append(np.corrcoef(learnt[chosen], confusion[chosen])[0, 1])
    return np.array(values)


def recorded_inference_table(record: Mapping[str, Any] | None) -> pd.DataFrame:
    """Recorded truth inference: right tasks (%) of majority vote and, where workers have names, of
    Dawid-Skene; imbalance of answers and truth."""
    rows = [
        {
            "set": row["set"],
            "answers a task": f"{row['answers']:g}",
            "majority vote": mean_std(row["majority vote"]),
            "Dawid-Skene": mean_std(row["Dawid-Skene"]) if row["Dawid-Skene"] else "-",
            "ratio of answers": mean_std(row["ratio"]),
            "ratio of truth": f"{row['truth ratio']:.1f}",
        }
        for row in (record["truth_inference"] if record else [])
    ]
    index = ["set", "answers a task"]
    return pd.DataFrame(rows, columns=None if rows else index).set_index(index)


ONE, TWO = "CIFAR-10N, 10 : 1", "CIFAR-10N, 10 : 1, two answers"
"""Crowds of the record ``sparse_crowd``, as ``tuned_photographs`` names them."""

NAMED, NAMELESS = "CIFAR-10N, 30 : 1", "CIFAR-10H, 10 : 1"
"""Crowds with one answer an image of the record ``real_crowds``, and the ratio of their classes."""

LEVELS: Mapping[int | str, str] = {1: "1 answer", 2: "2 answers"}
"""Answers an image of the record ``sparse_crowd`` -> heading."""

Cells = Mapping[tuple[int | str, str], Mapping[str, np.ndarray]]
"""(answers an image or crowd, method) -> measure -> ``(seeds,)``, or ``(seeds, rounds + 1)`` of
``"balance"`` (with the given answers first) and ``(seeds, rounds)`` of ``"agreement"``, which
``tuned_photographs`` does not have; empty where nothing is recorded."""


def photograph_cells(record: Mapping[str, Any] | None, by: str) -> Cells:
    """Recorded runs on photographs.

    Args:
        record: ``sparse_crowd``, ``real_crowds`` or ``tuned_photographs``.
        by: what tells its crowds apart, ``"answers"`` of the first and ``"crowd"`` of the others.
    """
    names = ("accuracy", "best", "minority", "balance", "agreement")
    rows = record["rows"] if record else []
    return {
        (row[by], row["method"]): {name: np.array(row[name]) for name in names if name in row}
        for row in rows
    }


def photograph_table(cells: Cells) -> pd.DataFrame:
    """Accuracy at the end and at its best, recall of the rarer half and imbalance of the
    annotations at the end, by method."""
    rows: dict[str, dict[str, str]] = {}
    for (level, name), found in cells.items():
        crowd = LEVELS.get(level, level)
        row = rows.setdefault(TITLES[name], {})
        row[f"accuracy, {crowd}"] = mean_std(found["accuracy"])
        row[f"best, {crowd}"] = mean_std(found["best"])
        row[f"rarer half, {crowd}"] = mean_std(found["minority"])
        row[f"imbalance, {crowd}"] = (
            mean_std(found["balance"][:, -1]) if "balance" in found else "-"
        )
    return pd.DataFrame(rows).T.fillna("-").rename_axis("method")


def photograph_choices(record: Mapping[str, Any] | None) -> pd.DataFrame:
    """What ``tuned_photographs`` chose: one row a method and setting, one column a crowd."""
    titles = {"rate": "learning rate", "share": "share of the missing pairs"}
    choices = sorted(record["choices"], key=_by_title) if record else []
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for each, (setting, title) in product(choices, titles.items()):
        if setting in each:
            row = rows.setdefault((TITLES[each["method"]], title), {})
            row[each["crowd"]] = f"{each[setting]['chosen']:g}"
    return pd.DataFrame(rows).T.fillna("-").rename_axis(["method", "setting"] if rows else None)


def _by_title(choice: Mapping[str, Any]) -> int:
    return list(TITLES).index(choice["method"])


def photograph_own_table(cells: Cells) -> pd.DataFrame:
    """Accuracy and recall of the rarer half with settings of its own, by method and crowd."""
    measures = {"accuracy": "accuracy", "minority": "rarer half"}
    order = sorted(dict.fromkeys(name for _, name in cells), key=list(TITLES).index)
    rows = {
        (title, TITLES[name]): {
            crowd: mean_std(found[measure])
            for (crowd, method), found in cells.items()
            if method == name
        }
        for measure, title in measures.items()
        for name in order
    }
    return pd.DataFrame(rows).T.fillna("-").rename_axis(["measure", "method"] if rows else None)


def photograph_note(record: Mapping[str, Any] | None) -> str:
    """How a record on photographs was made, in Markdown."""
    if record is None:
        return NOT_RECORDED
    made = record["provenance"]
    lines = [f"{name}: {text}" for name, text in (record["protocol"] | record["data"]).items()]
    lines += [f"differs from the paper: {text}" for text in record["differences"]]
    return f"Made with `{record['command']}` on {made['date']} (torch {made['torch']}).\n\n" + (
        "\n".join(f"- {line}" for line in lines)
    )
