"""Records of the CDCR runs as tables and arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from weaklabels.lab.multilabel import annotate
from weaklabels.lab.photographs import rounded
from weaklabels.lab.store import Record
from weaklabels.lab.tuned import Tuned
from weaklabels.lab.two_stage import Spec, mean_ap, quality
from weaklabels.press import style
from weaklabels.press.claims import mean_std

Groups = Mapping[tuple[str, float], Sequence[Record]]
"""Records by (method, rate), one a seed."""


def candidate_sets(settings: Mapping[float, Spec], truth: np.ndarray) -> pd.DataFrame:
    """What the rates mean on the training labels ``truth`` ``(N, C)``, one draw."""

    def describe(spec: Spec) -> dict[str, float]:
        found = annotate(spec, truth) == 1
        return {
            "candidates an image": found.sum(1).mean().round(1),
            "wrong ones an image": (found & (truth == 0)).sum(1).mean().round(1),
            "true among the candidates (%)": (100 * truth[found].mean()).round(1),
        }

    rows = {f"{rate:g}": describe(spec) for rate, spec in settings.items()}
    return pd.DataFrame(rows).T.rename_axis("rate")


def long_table(groups: Groups) -> pd.DataFrame:
    """Long frame (method, rate, moment, seed, mAP)."""
    rows = [
        {"method": name, "rate": f"{rate:g}", "moment": moment, "seed": i, "mAP": value}
        for (name, rate), records in groups.items()
        for moment in ("last", "best")
        for i, value in enumerate(mean_ap(records, moment))
    ]
    return pd.DataFrame(rows)


def curves(records: Sequence[Record], name: str) -> np.ndarray:
    """A measure of the selected candidates by epoch of the second stage, ``(seeds, epochs)``.

    Args:
        records: of ``two_stage.run``.
        name: ``"purity"`` (share of true labels among the selected ones) or ``"recall"`` (share of
            the true labels that are selected), in percent.
    """
    key = {"purity": "OP", "recall": "OR"}[name]
    return np.stack([quality(record["tally"])[key] for record in records])


def selected(records: Sequence[Record]) -> np.ndarray:
    """How many candidates of an image are trained on as positives, ``(seeds, epochs)``."""
    counts = np.stack([record["tally"] for record in records])
    return counts[..., 1, 1, :].sum((-2, -1)) / counts[:, :, 0].sum((-3, -2, -1))


def shown_curves(records: Sequence[Record], name: str) -> np.ndarray:
    """``curves``, with NaN for the purity of a selection in which there is nothing."""
    values = curves(records, name)
    return values if name == "recall" else np.where(selected(records) == 0, np.nan, values)


def _known(values: np.ndarray) -> str:
    """Mean and standard deviation of the runs that have a value."""
    values = values[~np.isnan(values)]
    return mean_std(values) if values.size else "-"


def labels_an_image(records: Sequence[Record]) -> float:
    """How many true labels an image has, mean over runs."""
    counts = np.stack([record["tally"][0] for record in records])
    return float((counts[..., 1].sum((1, 2, 3)) / counts[:, 0].sum((1, 2, 3))).mean())


def candidate_purity(records: Sequence[Record]) -> np.ndarray:
    """Share (%) of true labels among all candidates, ``(seeds,)``; from runs on all candidates."""
    return curves(records, "purity")[:, 0]


def selection(records: Groups, rates: Sequence[float]) -> pd.DataFrame:
    """Purity and recall of what is selected first and last, for the reader; of purity the mean and
    the lowest over epochs, too."""
    rows = {}
    for name in ("CDCR", "CDCR, one threshold"):
        for rate in rates:
            purity, recall = (
                shown_curves(records[name, rate], key) for key in ("purity", "recall")
            )
            rows[name, f"{rate:g}"] = {
                "all candidates": mean_std(candidate_purity(records["BCE", rate])),
                "purity, first": _known(purity[:, 0]),
                "purity, last": _known(purity[:, -1]),
                "purity, mean": _known(purity.mean(1)),
                "purity, lowest": _known(purity.min(1)),
                "recall, first": mean_std(recall[:, 0]),
                "recall, last": mean_std(recall[:, -1]),
            }
    return pd.DataFrame(rows).T.rename_axis(["method", "rate"])


def scores(records: Groups) -> pd.DataFrame:
    """Test mAP by method and rate, at the last and at the best epoch."""
    frame = long_table(records)
    together = {
        f"{moment} epoch": style.mean_std_table(rows, "method", "rate", "mAP")
        for moment, rows in frame.groupby("moment", sort=False)
    }
    return pd.concat(together, axis=1).rename_axis(index=None, columns=["", "rate"])


def parts(groups: Mapping[str, Sequence[Record]]) -> pd.DataFrame:
    """Test mAP of methods at the last and at the best epoch, and purity and recall of what they
    train on as positives in the last one."""
    rows = {
        name: {
            "test mAP (%), last": mean_std(mean_ap(group)),
            "best": mean_std(mean_ap(group, "best")),
            "purity (%)": _known(shown_curves(group, "purity")[:, -1]),
            "recall (%)": mean_std(curves(group, "recall")[:, -1]),
        }
        for name, group in groups.items()
    }
    return pd.DataFrame(rows).T


def choices(settings: Sequence[Tuned]) -> pd.DataFrame:
    """Epochs of the warm-up and learning rate that were chosen, by method and kind of scenes.

    A choice at an end of what was tried is marked.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for each in settings:
        unit = f" {each.setting.split()[0]}" if each.setting.startswith("epochs") else ""
        text = f"{each.chosen:g}{unit}" + ("" if each.interior else " (edge)")
        found.setdefault(each.data, {}).setdefault(each.method, []).append(text)
    return pd.DataFrame(found).map(", ".join)


def tuned(groups: Mapping[tuple[str, str], Sequence[Record]]) -> pd.DataFrame:
    """Test mAP by method and kind of scenes."""
    columns: dict[str, dict[str, str]] = {}
    for (kind, name), records in groups.items():
        columns.setdefault(kind, {})[name] = mean_std(mean_ap(records))
    return pd.DataFrame(columns)


def lead(records: Groups, rate: float) -> np.ndarray:
    """By how much class difficulty is ahead of one threshold, points of test mAP, one a seed."""
    return mean_ap(records["CDCR", rate]) - mean_ap(records["CDCR, one threshold", rate])


def collapse(records: Groups) -> pd.DataFrame:
    """Test mAP, and the recall of the labels trained on, first and last."""
    rows = {}
    for (name, rate), group in records.items():
        recall = curves(group, "recall")
        rows[f"{rate:g}", name] = {
            "test mAP (%)": mean_std(mean_ap(group)),
            "recall, first (%)": mean_std(recall[:, 0]),
            "recall, last (%)": mean_std(recall[:, -1]),
        }
    return pd.DataFrame(rows).T.rename_axis(["rate", "method"])


def test_curve(first: Sequence[Record], records: Sequence[Record]) -> tuple[np.ndarray, np.ndarray]:
    """Test mAP (%) of the averaged weights over both stages: epochs, and ``(seeds, epochs)``."""
    start = int(first[0]["evaluated"][-1])
    epochs = np.concatenate([first[0]["evaluated"], start + records[0]["evaluated"]])
    scores = [
        np.concatenate([a["test_ap"].mean(1), b["test_ap"].mean(1)])
        for a, b in zip(first, records, strict=True)
    ]
    return epochs, np.array(scores)


def frequency_order(records: Sequence[Record], epoch: int) -> np.ndarray:
    """Rank correlation of a class's training images with its threshold, ``(seeds,)``.

    Args:
        records: of runs of CDCR.
        epoch: of the second stage, from 0, or -1.
    """
    return np.array(
        [
            spearmanr(record["tally"][0][..., 1].sum((1, 2)), record["thresholds"][epoch]).statistic
            for record in records
        ]
    )


def best_thresholds(
    panels: Mapping[str, tuple[Groups, np.ndarray]],
    thresholds: Sequence[float],
    names: Sequence[str],
) -> str:
    """By kind of scenes and rule, the threshold that validation chooses; ends are marked.

    Args:
        panels: kind of scenes -> records by (rule, threshold), and the test mAP (%) of BCE,
            ``(seeds,)``.
        thresholds: that were tried.
        names: of the rules.

    Returns:
        A list: the threshold with the best mean validation mAP (%) after the last epoch, and the
        mean test mAP (%) there.
    """
    lines = []
    for kind, (groups, bce) in panels.items():
        for name in names:
            validation = [
                np.mean([run["val_ap"][-1].mean() for run in groups[name, value]])
                for value in thresholds
            ]
            at = int(np.argmax(validation))
            end = " *(edge)*" if at in (0, len(thresholds) - 1) else ""
            test = mean_ap(groups[name, thresholds[at]]).mean()
            lines.append(
                f"- {kind}, {name}: {thresholds[at]:g}{end}, test mAP {test:.1f} % "
                f"(BCE {bce.mean():.1f} %)."
            )
    return "\n".join(lines)


def class_gains(records: Sequence[Record], against: Sequence[Record]) -> np.ndarray:
    """How much the test AP of each class gains, ``(seeds, C)``, classes from frequent to rare."""
    rows = []
    for ours, other in zip(records, against, strict=True):
        frequency = ours["tally"][0][..., 1].sum((1, 2))
        gain = ours["test_ap"][-1] - other["test_ap"][-1]
        rows.append(gain[np.argsort(-frequency, kind="stable")])
    return np.array(rows)


# -- photographs and real candidates --------------------------------------------------------------

Rows = Mapping[tuple[str, float], Mapping[str, Any]]
"""Rows of the record on photographs by (method, rate of wrong candidates)."""


def selected_by_epoch(records: Sequence[Record]) -> dict[str, Any]:
    """What is recorded of the labels trained on as positives: curves over epochs, a list a seed.

    Returns:
        ``purity`` and ``recall`` (%) over all labels together and as means over classes, and how
        many are ``selected`` an image.
    """
    found = [quality(record["tally"]) for record in records]
    names = {"purity": "OP", "recall": "OR", "purity by class": "CP", "recall by class": "CR"}
    measures = {name: rounded(np.stack([q[key] for q in found])) for name, key in names.items()}
    return {**measures, "selected": rounded(selected(records))}


def photograph_rows(record: Mapping[str, Any] | None) -> Rows:
    """The rows of the record on photographs; none without a record."""
    rows = record["rows"] if record else []
    return {(row["name"], row["rate"]): row for row in rows}


def mirflickr_rows(record: Mapping[str, Any] | None) -> dict[str, Mapping[str, Any]]:
    """The rows of the record on MirFlickr by method; none without a record."""
    rows = record["rows"] if record else []
    return {row["row"]: row for row in rows}


def measured(row: Mapping[str, Any], name: str) -> np.ndarray:
    """A curve of ``selected_by_epoch`` as it was recorded, ``(seeds, epochs)``."""
    return np.array(row["selection"][name], float)


def recorded_table(rows: Mapping[Any, Mapping[str, Any]], index: Sequence[str]) -> pd.DataFrame:
    """Test mAP (%), and purity and recall of what is selected last, of recorded rows.

    Args:
        rows: name, or names, of a row -> its content.
        index: what these names are.
    """
    found = {
        key: {
            **{
                f"mAP, {moment} epoch": mean_std(row[moment])
                for moment in ("last", "best")
                if moment in row
            },
            **{
                f"{name}, {kind}": mean_std(measured(row, name + suffix)[:, -1])
                for name in ("purity", "recall")
                for kind, suffix in (("all", ""), ("class mean", " by class"))
            },
            "selected": mean_std(measured(row, "selected")[:, -1]),
        }
        for key, row in rows.items()
    }
    frame = pd.DataFrame(found).T
    return frame.rename_axis(index) if found else frame


def recorded_class_gains(rows: Rows, name: str, rate: float) -> np.ndarray:
    """What a rule gains over BCE in the test AP of each class on photographs, ``(seeds, C)``."""
    ours, other = (np.array(rows[each, rate]["by class"], float) for each in (name, "BCE"))
    return ours - other
