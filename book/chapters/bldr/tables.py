"""Measures and tables of the chapter on *Noise-Robust Bidirectional Learning* (BLDR, 2022)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from chapters.bldr import photographs
from weaklabels.lab.store import Record
from weaklabels.lab.tuned import Tuned
from weaklabels.press.claims import mean_std

FLAGGED = 0.05
"""A given label less likely than this is reported as wrong (official threshold)."""

VIEWS = {"0": "none", "1": "weak", "2": "strong"}
"""Strength of views on photographs -> how it is called."""

NOT_YET = "These runs have not been recorded yet."

Groups = Mapping[str, Sequence[Record]]
"""Method -> one record a seed."""


def at_share(records: Sequence[Record], share: float, curve: str = "test") -> np.ndarray:
    """A curve's value (one a run) at the first measurement after a share of all epochs."""
    values = []
    for record in records:
        epochs = record["epoch"]
        values.append(record[curve][int(np.searchsorted(epochs, share * epochs[-1]))])
    return np.array(values)


NEVER = 100
"""Time of a run that never reaches an accuracy, in percent of all epochs."""


def time_to(records: Sequence[Record], accuracy: float = 80.0) -> np.ndarray:
    """Percent of all epochs until a test accuracy is first measured, one a run; or ``NEVER``."""
    values = []
    for record in records:
        epochs, reached = record["epoch"], record["test"] >= accuracy
        values.append(100 * epochs[reached.argmax()] / epochs[-1] if reached.any() else NEVER)
    return np.array(values)


def last(records: Sequence[Record], curve: str = "test") -> np.ndarray:
    """A curve's last value, one a run."""
    return np.array([record[curve][-1] for record in records])


def best(records: Sequence[Record]) -> np.ndarray:
    """The largest test accuracy of each run, in percent: what an early stop could have had."""
    return np.array([record["test"].max() for record in records])


def detection_f1(records: Sequence[Record]) -> np.ndarray:
    """F1 (%) with which a probability below ``FLAGGED`` finds the wrong labels, one a run."""
    values = []
    for record in records:
        flagged, wrong = record["found"] < FLAGGED, record["wrong"]
        found, both = flagged & wrong, int(flagged.sum() + wrong.sum())
        values.append(200 * float(found.sum()) / max(both, 1))
    return np.array(values)


def score_table(groups: Groups, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Table of mean and standard deviation over runs, one row a method.

    Args:
        groups: method -> records.
        names: of the rows, in their order; all methods, if left out.
    """
    rows = {}
    for name in groups if names is None else names:
        records = groups[name]
        rows[name] = {
            "last": mean_std(last(records)),
            "averaged": mean_std(last(records, "test_average")),
            "best": mean_std(best(records)),
            "to 80 %": mean_std(time_to(records), 0),
            "fitted": mean_std(last(records, "fitted"), 0),
            "AUC": mean_std(last(records, "auc"), 3),
            "F1": mean_std(detection_f1(records)),
        }
    return pd.DataFrame(rows).T


def chosen_table(tuned: Sequence[Tuned]) -> pd.DataFrame:
    """The settings of each method, one column a kind of noise and setting; a choice at an edge of
    what was tried is marked."""
    rows: dict[str, dict[str, str]] = {}
    for each in tuned:
        noise = "symmetric" if "asymmetric" not in each.data else "asymmetric"
        chosen = f"{each.chosen:g}" + ("" if each.interior else " (edge)")
        rows.setdefault(each.method, {})[f"{noise}: {each.setting}"] = chosen
    return pd.DataFrame.from_dict(rows, orient="index")


def tuning_findings(record: Mapping[str, Any] | None) -> str:
    """What views and learning rates are worth in the recorded study of both, in Markdown."""
    if record is None:
        return NOT_YET
    lines = ["Accuracy (%) in this study, the highest first:", ""]
    alone = bare_scores(record)
    for noise in dict.fromkeys(row["noise"] for row in record["tried"]):
        steps: dict[str, list[dict[str, float]]] = {}  # method -> value -> mean, one a step
        for row in (row for row in record["tried"] if row["noise"] == noise):
            means = {value: float(np.mean(each)) for value, each in row["validation"].items()}
            steps.setdefault(row["method"], []).append(means)
        for where, scores in (
            (
                "one learning rate for all, on digits as they are (strength 0; a strong view is "
                "varied even then)",
                {name: first["0"] for name, (first, *_) in steps.items()},
            ),
            (
                "the same rate and the views that suit each method",
                {name: max(first.values()) for name, (first, *_) in steps.items()},
            ),
            (
                "a learning rate of its own as well",
                {name: max(last_one.values()) for name, (*_, last_one) in steps.items()},
            ),
            ("no view varied, and the learning rate that is best there", alone.get(noise, {})),
        ):
            order = sorted(scores, key=lambda name: -scores[name])
            ranking = ", ".join(f"{name} {scores[name]:.1f}" for name in order)
            lines += [f"- {noise.capitalize()} noise, {where}: {ranking}."] if scores else []
    return "\n".join(lines)


def bare_scores(record: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Kind of noise -> method -> mean accuracy without views at the rate that is best there."""
    found: dict[str, dict[str, float]] = {}
    for row in record.get("no views", ()):
        means = [float(np.mean(scores)) for scores in row["validation"].values()]
        found.setdefault(row["noise"], {})[row["method"]] = max(means)
    return found


# -- recorded runs on human labels ----------------------------------------------------------------

Human = Mapping[tuple[str, str], Mapping[str, np.ndarray]]
"""Name of the labels and method -> measure -> one value, or one list, a seed."""


def human_runs(record: Mapping[str, Any] | None) -> Human:
    """The recorded runs on the labels of people; none if nothing is recorded."""
    rows = [] if record is None else record["rows"]
    return {
        (photographs.LABELS[row["labels"]], row["method"]): {
            name: np.array(value, float)
            for name, value in row.items()
            if name not in ("labels", "method")
        }
        for row in rows
    }


def human_table(human: Human) -> pd.DataFrame:
    """Mean and standard deviation over seeds, one row a method and kind of labels."""
    headings = {
        "test": ("test accuracy", 1),
        "validation": ("held-out labels", 1),
        "fitted": ("mistakes fitted", 0),
        "auc": ("AUC", 3),
        "weights auc": ("AUC of weights", 3),
    }
    rows = {
        key: {
            heading: mean_std(found[name], digits) if name in found else "-"
            for name, (heading, digits) in headings.items()
        }
        for key, found in human.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def human_rates(record: Mapping[str, Any] | None) -> pd.DataFrame:
    """Accuracy (%) on held-out labels by learning rate, then by views, and what was chosen; one
    column a method.

    A rate at an end of what was tried is marked.
    """
    columns: dict[str, dict[str, str]] = {}
    for row in [] if record is None else record["tried"]:
        values, chosen = list(row["validation"]), f"{row['chosen']:g}"
        cells = {value: mean_std(scores) for value, scores in row["validation"].items()}
        if row["setting"] == "learning rate":
            cells = {f"rate {value}": cell for value, cell in cells.items()}
            chosen += " (edge)" if chosen in (values[0], values[-1]) else ""
        else:
            cells = {f"views: {VIEWS[value]}": cell for value, cell in cells.items()}
            chosen = VIEWS[chosen]
        columns.setdefault(row["method"], {}).update(cells | {row["setting"]: chosen})
    return pd.DataFrame.from_dict(columns)


def human_findings(record: Mapping[str, Any] | None) -> str:
    """What the recorded runs show, one line a kind of labels, in Markdown."""
    if record is None:
        return NOT_YET
    human, lines = human_runs(record), []
    for labels, name in photographs.LABELS.items():
        ce, ours = human[name, "CE"], human[name, "BLDR"]
        gains = ", ".join(
            f"{np.mean(ours['test'] - found['test']):+.1f} to {method}"
            for (of, method), found in human.items()
            if of == name and method != "BLDR"
        )
        lines.append(
            f"- *{name}*, {np.mean(record['data']['wrong'][labels]):.1f} % wrong: cross-entropy "
            f"fits {np.mean(ce['fitted']):.0f} % of the mistakes, BLDR "
            f"{np.mean(ours['fitted']):.0f} %. In points of accuracy BLDR differs by {gains}. The "
            f"AUC of its weights is **{np.mean(ours['weights auc']):.3f}**, that of what "
            f"cross-entropy makes of the given label {np.mean(ce['auc']):.3f}; BLDR takes "
            f"{np.mean(ours['noise share']):.0f} % of the labels for wrong."
        )
    return "\n".join(lines)
