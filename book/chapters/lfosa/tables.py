"""Measures and tables of the chapter on *Active Learning for Open-set Annotation* (LfOSA, 2022)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from chapters.lfosa.runs import ABLATIONS, BALANCED, MAIN, UNTAUGHT, Spec, Task
from weaklabels.lab.store import Record
from weaklabels.methods.lfosa import fit_mixture
from weaklabels.press.claims import mean_std

Groups = Mapping[str, Sequence[Record]]
"""Strategy -> one record a seed."""


def curve(records: Sequence[Record], name: str) -> np.ndarray:
    """A curve over rounds in percent, ``(seeds, rounds)``."""
    values = np.stack([record[name] for record in records])
    return values if name == "accuracy" else 100 * values


def mean_precision(records: Sequence[Record]) -> np.ndarray:
    """Precision (%) averaged over the rounds, one a seed."""
    return curve(records, "precision").mean(1)


def final(records: Sequence[Record], name: str) -> np.ndarray:
    """Last value (%) of a curve, one a seed."""
    return curve(records, name)[:, -1]


def same_counts(records: Sequence[Record]) -> np.ndarray:
    """Accuracy (%) with random examples, as many of each class as the strategy had, one a seed."""
    return np.array([float(record["same_counts"]) for record in records])


def evenness(records: Sequence[Record]) -> np.ndarray:
    """Entropy of the classes' shares of the labelled set over ln K, in percent; 100 is even."""
    values = []
    for record in records:
        share = record["counts"][-1] / record["counts"][-1].sum()
        logs = np.log(share, where=share > 0, out=np.zeros_like(share))
        values.append(-100 * (share * logs).sum() / np.log(len(share)))
    return np.array(values)


def drawn_class(runs: Mapping[str, Record], classes: int) -> int:
    """The class whose smallest number of predicted examples over the runs is the largest."""
    counts = [np.bincount(r["predicted"], minlength=classes)[:classes] for r in runs.values()]
    return int(np.min(counts, axis=0).argmax())


def known_by_component(runs: Sequence[Record], classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Share (%) of known examples among those that the lower and the upper Gaussians claim.

    Args:
        runs: records with ``mav``, ``predicted`` and ``truth``.
        classes: K; each predicted class has a mixture of its own, if it has two examples.

    Returns:
        both shares, one a run; NaN where a run's Gaussians claim none.
    """
    shares = []
    for record in runs:
        upper, known = [], []
        for predicted in range(classes):
            mine = record["predicted"] == predicted
            if mine.sum() >= 2:
                values = record["mav"][mine].astype(float)
                upper.append(fit_mixture(values).posterior(values) > 0.5)
                known.append(record["truth"][mine] < classes)
        above, told = np.concatenate(upper), np.concatenate(known)
        shares.append(
            [100 * told[part].mean() if part.any() else np.nan for part in (~above, above)]
        )
    lower, higher = np.array(shares).T
    return lower, higher


def examples(tasks: Mapping[str, Task], count: int = 12) -> dict[str, np.ndarray]:
    """Some known and some unknown training images of each task, in [0, 1], by title."""
    shown = {}
    for title, task in tasks.items():
        rng = np.random.default_rng(1)
        for kind, wanted in (("known", task.y < task.classes), ("unknown", task.y == task.classes)):
            rows = rng.choice(np.flatnonzero(wanted.numpy()), count, replace=False)
            shown[f"{title}: {kind}"] = task.x[rows].numpy() / (255 if task.x.max() > 1 else 1)
    return shown


def task_table(settings: Mapping[str, Spec], tasks: Mapping[str, Task]) -> pd.DataFrame:
    """Sizes of the tasks, one column each."""
    facts = {}
    for title, task in tasks.items():
        known = int((task.y < task.classes).sum())
        facts[title] = {
            "known classes": task.classes,
            "training examples": len(task.y),
            "of known classes (%)": round(100 * known / len(task.y), 1),
            "labelled at first": len(task.initial),
            "queries a round": settings[title].budget,
            "rounds": settings[title].rounds,
        }
    return pd.DataFrame(facts).map("{:g}".format)


def score_table(groups: Groups, names: Sequence[str] = MAIN) -> pd.DataFrame:
    """Mean and standard deviation over seeds, one row a strategy."""
    rows = {}
    for name in names:
        records = groups[name]
        rows[name] = {
            "precision": mean_std(mean_precision(records)),
            "recall": mean_std(final(records, "recall")),
            "first acc.": mean_std(curve(records, "accuracy")[:, 0]),
            "last acc.": mean_std(final(records, "accuracy")),
            "last acc. of random, same counts": mean_std(same_counts(records)),
            "evenness": mean_std(evenness(records), 0),
        }
    return pd.DataFrame(rows).T


def ablation_table(groups: Mapping[str, Groups]) -> pd.DataFrame:
    """Precision, recall and last accuracy of LfOSA's parts, three columns a task."""
    parts = {
        title: score_table(records, (UNTAUGHT, *ABLATIONS)).iloc[:, [0, 1, 3]]
        for title, records in groups.items()
    }
    names = {UNTAUGHT: "no detector", "LfOSA": "LfOSA, T=0.5"}
    return pd.concat(parts, axis=1).rename(index=names)


def published_table(published: Mapping[str, Any]) -> pd.DataFrame:
    """LfOSA's temperatures in the authors' result logs, CIFAR-100 with 20 known classes."""
    rows = {}
    for row in published["curves"]:
        if row["known"] != 20 or not row["strategy"].startswith("LfOSA"):
            continue
        temperature = row["strategy"].removeprefix("LfOSA").removeprefix(", ") or "T=0.5"
        mean = row["mean"]
        rows[temperature] = {
            "seeds": row["seeds"],
            "last accuracy": f"{mean['accuracy'][-1]:.1f}",
            "final recall": f"{100 * mean['recall'][-1]:.1f}",
            "mean precision": f"{100 * np.mean(mean['precision']):.1f}",
        }
    return pd.DataFrame.from_dict(rows, orient="index")


# -- recorded runs on photographs -----------------------------------------------------------------

NOT_YET = "These runs have not been recorded yet."


def recorded_groups(record: Mapping[str, Any] | None) -> dict[str, dict[str, list[Record]]]:
    """Pool -> strategy -> what is recorded of each seed, in the form of a run; empty without."""
    found: dict[str, dict[str, list[Record]]] = {}
    for row in [] if record is None else record["rows"]:
        runs = [
            {
                "precision": np.array(row["precision"][i]) / 100,
                "recall": np.array(row["recall"][i]) / 100,
                "accuracy": np.array(row["accuracy"][i]),
                "counts": np.array([row["counts"][i]]),
                "same_counts": np.array(row["same counts"][i]),
            }
            for i in range(len(row["accuracy"]))
        ]
        found.setdefault(row["task"], {})[row["strategy"]] = [Record(None, r, {}) for r in runs]
    return found


def recorded_scores(groups: Mapping[str, Groups]) -> pd.DataFrame:
    """The columns of ``score_table``, one row a pool and strategy."""
    parts = {title: score_table(found, tuple(found)) for title, found in groups.items()}
    return pd.concat(parts) if parts else pd.DataFrame()


def recorded_pools(record: Mapping[str, Any] | None) -> pd.DataFrame:
    """Sizes of the recorded pools, and by learning rate the accuracy (%) on held-out images.

    A choice at an end of what was tried is marked.
    """
    if not record:
        return pd.DataFrame()
    rows = {}
    every = sorted({rate for tried in record["tried"] for rate in tried["validation"]}, key=float)
    for size, tried in zip(record["data"], record["tried"], strict=True):
        facts = {name: f"{value:,}" for name, value in size.items() if name != "task"}
        rates, chosen = list(tried["validation"]), f"{tried['chosen']:g}"
        scores = {
            f"rate {rate}": mean_std(found) if (found := tried["validation"].get(rate)) else "-"
            for rate in every
        }
        edge = " (edge)" if chosen in (rates[0], rates[-1]) else ""
        rows[size["task"]] = facts | scores | {"chosen": chosen + edge}
    return pd.DataFrame(rows)


def held_out_table(
    record: Mapping[str, Any] | None,
    detectors: Mapping[str, Any] | None,
    chosen: Mapping[str, float],
) -> pd.DataFrame:
    """Mean accuracy (%) on held-out digits by pool, learning rate and steps, and the chosen rates;
    *below half* where at least one training ended below half of what the best rate has, and
    *(detector)* where one of a detector did."""
    rows = {}
    for title, pool in (record["pools"] if record else {}).items():
        lost = detectors["pools"][title].values() if detectors else ()
        by_rate = {
            f"rate {rate}": "below half"
            if pool["broken down"][rate]
            else f"{np.mean(found):.2f}"
            + (" (detector)" if any(each["broken down"][rate] for each in lost) else "")
            for rate, found in pool["by rate"].items()
        }
        by_steps = {f"{n} steps": f"{np.mean(found):.2f}" for n, found in pool["by steps"].items()}
        rows[title] = by_rate | {"rate chosen": f"{chosen[title]:g}"} | by_steps
    return pd.DataFrame(rows).rename_axis("setting" if rows else None)


def recorded_findings(groups: Mapping[str, Groups]) -> str:
    """What the recorded runs show, one line a pool, in Markdown."""
    lines = []
    for title, found in groups.items():
        pure = {name: float(mean_precision(runs).mean()) for name, runs in found.items()}
        ends = {name: float(final(runs, "accuracy").mean()) for name, runs in found.items()}
        gap = same_counts(found["LfOSA"]) - final(found["LfOSA"], "accuracy")
        shown = ", ".join(f"{name} {value:.0f} %" for name, value in pure.items())
        lines.append(
            f"- *{title}*: mean precision {shown}. LfOSA's classifier ends "
            f"**{ends['LfOSA'] - ends['Random']:+.1f}** points from that of Random, its balanced "
            f"form {ends[BALANCED] - ends['Random']:+.1f}; random examples of the same classes "
            f"differ from LfOSA's by {gap.mean():+.1f}."
        )
    return "\n".join(lines) or NOT_YET
