"""Records of the CAP runs as tables and arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from weaklabels.lab.multilabel import annotate, load_splits
from weaklabels.lab.photographs import rounded
from weaklabels.lab.store import Record
from weaklabels.lab.tuned import Tuned
from weaklabels.lab.two_stage import Spec, mean_ap, quality
from weaklabels.methods.cap import class_proportions, hoeffding_bound
from weaklabels.press.claims import interval, mean_std
from weaklabels.seeding import numpy_rng

Groups = Mapping[tuple, Sequence[Record]]
"""Records by (method, labelled share), one a seed; of studies by their other keys."""

README = pd.DataFrame(
    {
        "warm-up": (58.30, 63.54, 66.18, 67.61),
        "CAP": (62.43, 65.22, 69.11, 70.41),
    },
    index=pd.Index([0.05, 0.10, 0.15, 0.20], name="labelled share"),
)
"""Test mAP (%), ResNet-50. Source: "training logs" in the readme of the official repository; the
data set is not stated there, the commands beside the table are for COCO with ASL."""


def long_table(groups: Groups) -> pd.DataFrame:
    """Long frame (method, labelled, moment, seed, mAP)."""
    rows = [
        {"method": name, "labelled": percent(share), "moment": moment, "seed": i, "mAP": value}
        for (name, share), records in groups.items()
        for moment in ("last", "best")
        for i, value in enumerate(mean_ap(records, moment))
    ]
    return pd.DataFrame(rows)


def percent(share: float) -> str:
    """``0.05`` as ``"5 %"``."""
    return f"{100 * share:g} %"


def published() -> pd.DataFrame:
    """``README`` with the gain, for the reader."""
    frame = README.assign(gain=(README["CAP"] - README["warm-up"]).round(2))
    return frame.rename(index=percent).rename_axis("labelled")


def chosen_table(tuned: Sequence[Tuned]) -> pd.DataFrame:
    """What was tried for each setting of each method, and what was chosen, a column a share.

    A choice at an edge of what was tried is marked; a method is chosen for where it is shown.
    """
    rows: dict[tuple[str, str], list[Tuned]] = {}
    values: dict[str, set[float]] = {}
    for each in tuned:
        rows.setdefault((each.method, each.setting), []).append(each)
        values[each.setting] = values.get(each.setting, {*each.values}) & {*each.values}
    names = pd.MultiIndex.from_tuples(rows, names=("method", "setting"))
    return pd.DataFrame(
        [_chosen(row, sorted(values[setting])) for (_, setting), row in rows.items()], index=names
    ).fillna("-")


def _chosen(row: Sequence[Tuned], shared: Sequence[float]) -> dict[str, str]:
    """Of one setting; ``shared`` are the values that are tried at every share."""
    names = [f"{value:g}" for value in shared] + ["all"] * (len(shared) < len(row[0].values))
    tried = names if len(names) < 8 else [*names[:3], "...", names[-1]]  # the page is not wider
    return {"tried": ", ".join(tried)} | {
        each.data.split(" labelled")[0]: f"{each.chosen:g}" + ("" if each.interior else " (edge)")
        for each in row
    }


def gains(records: Groups, shares: Sequence[float]) -> np.ndarray:
    """What CAP gains over supervised training, points of test mAP, ``(seeds, shares)``."""
    pairs = [(records["CAP", p], records["Supervised", p]) for p in shares]
    return np.array([mean_ap(ours) - mean_ap(other) for ours, other in pairs]).T


def gain_table(study: Groups, shares: Sequence[float], batches: Sequence[int]) -> pd.DataFrame:
    """What CAP gains over supervised training by labelled batch, with its interval.

    Args:
        study: records by (method, share, labelled batch).
        shares, batches: of the study.
    """

    def gain(share: float, batch: int) -> str:
        ours, other = (mean_ap(study[name, share, batch]) for name in ("CAP", "Supervised"))
        mean, low, high = interval(ours - other)
        return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"

    frame = pd.DataFrame(
        {percent(share): [gain(share, batch) for batch in batches] for share in shares},
        index=pd.Index(batches, name="labelled batch"),
    )
    return frame.rename_axis("labelled", axis=1)


def drift(groups: Mapping[str, Sequence[Record]]) -> pd.DataFrame:
    """Share (%) of entries called positive, first and last, and in truth, with test mAP."""

    def share(counts: np.ndarray) -> float:
        return float(100 * counts.sum() / total)

    rows = {}
    for name, records in groups.items():
        total = records[0]["tally"][-1].sum()
        made = {
            moment: [share(every_label(record)[at][:, 1, 1]) for record in records]
            for moment, at in (("first", 0), ("last", -1))
        }
        rows[name] = {
            "called positive, first": mean_std(made["first"]),
            "called positive, last": mean_std(made["last"]),
            "positive": mean_std([share(record["tally"][-1][..., 1]) for record in records]),
            "test mAP": mean_std(mean_ap(records)),
        }
    return pd.DataFrame(rows).T


def headroom(records: Groups, share: float) -> float:
    """What CAP gains over supervised training, in percent of what the true labels would gain."""
    mean = {
        name: mean_ap(records[name, share]).mean() for name in ("Supervised", "CAP", "True labels")
    }
    return float(
        100 * (mean["CAP"] - mean["Supervised"]) / (mean["True labels"] - mean["Supervised"])
    )


def losses(by_loss: Mapping[str, Groups]) -> pd.DataFrame:
    """Test mAP by method and loss, of groups at one share."""
    return pd.DataFrame(
        {
            loss: {name: mean_std(mean_ap(group)) for (name, _), group in groups.items()}
            for loss, groups in by_loss.items()
        }
    )


def curves(records: Sequence[Record], name: str) -> np.ndarray:
    """One measure of ``two_stage.quality`` over the epochs, of every label, ``(seeds, epochs)``."""
    return np.stack([quality(every_label(record))[name] for record in records])


def every_label(record: Record) -> np.ndarray:
    """The tally (see ``two_stage.quality``) as it is when the mask leaves no label out.

    Rules are compared by all that they say, since only CAP has a mask.
    """
    counts = record["tally"]
    whole = np.zeros_like(counts)
    whole[..., 1, :, :] = counts.sum(-3)
    return whole


def positives_by_class(record: Record) -> np.ndarray:
    """``(C, 2)``: pseudo positives in the last epoch and true positives, per class."""
    counts = every_label(record)[-1]
    return np.stack([counts[:, 1, 1].sum(-1), counts[..., 1].sum((1, 2))], 1)


def validation(records: Sequence[Record]) -> float:
    """Validation mAP (%) after the last epoch, mean over runs: what a choice may look at."""
    return float(np.mean([record["val_ap"][-1].mean() for record in records]))


def proportions(spec: Spec) -> dict[str, np.ndarray]:
    """Proportions of the classes: ``estimated`` on the labelled rows, ``true`` on the others.

    ``rows`` and ``others`` count these rows.
    """
    truth = load_splits(spec).train.y
    observed = torch.from_numpy(annotate(spec, truth.numpy()))
    unlabelled = (observed == 0).all(1)
    return {
        "estimated": class_proportions(observed).numpy(),
        "true": (truth[unlabelled] == 1).double().mean(0).numpy(),
        "rows": np.array(int((~unlabelled).sum())),
        "others": np.array(int(unlabelled.sum())),
    }


def proportion_gaps(settings: Mapping[float, Spec], seeds: Iterable[int]) -> pd.DataFrame:
    """How close the estimates come: one line per share and seed, in percent points.

    Estimate and truth are means over two random samples, n labelled and M unlabelled images, so
    that Hoeffding's bound on their difference has 1/n + 1/M in place of 1/n.
    """
    rows = []
    for seed in seeds:
        for share, base in settings.items():
            found = proportions(replace(base, seed=seed))
            gap = np.abs(found["estimated"] - found["true"])
            labelled, others = int(found["rows"]), int(found["others"])
            bound = hoeffding_bound(labelled, len(gap)) * np.sqrt(1 + labelled / others)
            rows.append(
                {
                    "labelled": percent(share),
                    "images": labelled,
                    "seed": seed,
                    "mean gap": 100 * gap.mean(),
                    "largest gap": 100 * gap.max(),
                    "bound": 100 * bound,
                    "correlation": np.corrcoef(found["estimated"], found["true"])[0, 1],
                }
            )
    return pd.DataFrame(rows)


def proportion_table(gaps: pd.DataFrame) -> pd.DataFrame:
    """``proportion_gaps`` by share, for the reader."""
    groups = gaps.groupby("labelled", sort=False)
    digits = {"mean gap": 1, "largest gap": 1, "correlation": 3}
    table = pd.DataFrame(
        {name: groups[name].apply(mean_std, digits=count) for name, count in digits.items()}
    )
    table.insert(2, "bound (5 % risk)", groups["bound"].first().round(1))
    return table.rename(columns=lambda name: name.replace("gap", "gap (points)"))


def resampled_gaps(
    truth: np.ndarray, sizes: Sequence[int], draws: int, seed: int = 0
) -> np.ndarray:
    """Largest gap over the classes for random labelled sets, ``(draws, sizes)``, percent points.

    The gap is to the proportions of all rows of ``truth`` ``(N, C)``.
    """
    rng = numpy_rng(seed, "labelled sets")
    whole = truth.mean(0)
    return np.array(
        [
            [
                100 * np.abs(truth[rng.permutation(len(truth))[:n]].mean(0) - whole).max()
                for n in sizes
            ]
            for _ in range(draws)
        ]
    )


# -- photographs ----------------------------------------------------------------------------------

ON_PHOTOGRAPHS = ("Supervised", "Top-k", "IAT", "CAP")
"""Methods of the record on photographs, the rules after the training that has none."""

Rows = Mapping[tuple[str, float], Mapping[str, Any]]
"""Rows of the record on photographs by (method, labelled share)."""


def pseudo_labels(records: Sequence[Record]) -> dict[str, Any] | None:
    """What is recorded of the pseudo-labels of a row; None where there are none.

    Returns:
        one list a seed: images by class that are ``called`` positive in the last epoch, that are
            ``positive``, and by epoch the measures of ``two_stage.quality``.
    """
    if records[0].spec.labelled_only:
        return None
    counts = np.stack([positives_by_class(record) for record in records])
    measures = {name: rounded(curves(records, name)) for name in ("CF1", "OF1", "share gap")}
    return {"called": counts[..., 0].tolist(), "positive": counts[..., 1].tolist(), **measures}


def photograph_rows(record: Mapping[str, Any] | None) -> Rows:
    """The rows of the record on photographs; none without a record."""
    rows = record["rows"] if record else []
    return {(row["name"], row["share"]): row for row in rows}


def shares_of(rows: Rows) -> list[float]:
    """Labelled shares of the record on photographs, ascending."""
    return sorted({share for _, share in rows})


def by_share(rows: Rows, method: str, moment: str = "last") -> np.ndarray:
    """Test mAP (%) of a method on photographs, ``(seeds, shares)``."""
    return np.array([rows[method, share][moment] for share in shares_of(rows)]).T


def photograph_table(rows: Rows) -> pd.DataFrame:
    """Test mAP (%) on photographs by method, moment and share."""
    columns: dict[tuple[str, str], dict[str, str]] = {}
    for (name, share), row in rows.items():
        for moment in ("last", "best"):
            column = columns.setdefault((f"{moment} epoch", percent(share)), {})
            column[name] = mean_std(row[moment])
    return pd.DataFrame(columns)


def distribution_table(rows: Rows, classes: Sequence[str]) -> pd.DataFrame:
    """Unlabelled photographs of each class at the lowest and the highest share, frequent first.

    Columns: how many have the class, and how many each rule calls so in the last epoch, means over
    seeds; and the precision (%) on test photographs of CAP.
    """
    columns = {}
    for share in shares_of(rows)[:: max(1, len(shares_of(rows)) - 1)]:
        ours = rows["CAP", share]
        columns[percent(share), "true"] = _by_class(ours["pseudo-labels"]["positive"], 0)
        for name in reversed(ON_PHOTOGRAPHS[1:]):
            called = rows[name, share]["pseudo-labels"]["called"]
            columns[percent(share), name] = _by_class(called, 0)
        columns[percent(share), "AP, CAP"] = _by_class(ours["by class"], 1)
    frame = pd.DataFrame(columns, index=pd.Index(classes, name="class") if columns else None)
    return frame.sort_values(list(columns)[:1], ascending=False, kind="stable") if rows else frame


def _by_class(values: Sequence[Sequence[float]], digits: int) -> np.ndarray:
    return np.array(values, float).mean(0).round(digits)


def one_stands_for(record: Mapping[str, Any]) -> float:
    """How many unlabelled photographs one labelled one speaks for at the lowest share."""
    images, share = record["data"]["training images"], min(shares_of(photograph_rows(record)))
    labelled = int(share * images)
    return (images - labelled) / labelled


def never_called(rows: Rows, share: float) -> list[int]:
    """Classes without a labelled photograph, so that CAP calls none positive; one number a seed."""
    called = np.array(rows["CAP", share]["pseudo-labels"]["called"])
    return (called == 0).sum(1).tolist()
