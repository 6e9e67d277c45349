"""Tables of the chapter on PU-MLC: records become data frames and arrays.

*Records* are ``{(method, known percent): one record a seed}`` everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.special import gammaln

from chapters.pu_mlc import demo
from chapters.pu_mlc.runs import ABLATION, ABLATION_PERCENTS, FULL, MAIN, PERCENTS, PRETRAINED
from chapters.pu_mlc.studies import Scores
from weaklabels.lab.loading import load_splits as load_data
from weaklabels.lab.multilabel import Spec, annotate, load_splits, mean_ap_at
from weaklabels.lab.spec import Data, Options
from weaklabels.lab.store import Record
from weaklabels.lab.tuned import Tuned
from weaklabels.metrics import precision_recall_f1
from weaklabels.press.claims import mean_std
from weaklabels.press.style import mean_std_table

Records = Mapping[tuple[str, int], Sequence[Record]]

# -- the line -------------------------------------------------------------------------------------


def line(records: Mapping[int, Sequence[Record]]) -> pd.DataFrame:
    """One line per estimator and sample: estimator, labelled, draw, accuracy (%).

    Args:
        records: number of labelled positives -> fits, one a sample.
    """
    return pd.DataFrame(
        {"estimator": name, "labelled": labelled, "draw": draw, "accuracy": accuracy}
        for labelled, fits in records.items()
        for draw, fit in enumerate(fits)
        for name, accuracy in zip(demo.ESTIMATORS, fit["accuracy"], strict=True)
    )


def line_accuracies(frame: pd.DataFrame, labelled: int = 200) -> pd.DataFrame:
    """Accuracy (%) with so many labelled positives: a row a sample, a column an estimator."""
    rows = frame[frame.labelled == labelled]
    return rows.pivot(index="draw", columns="estimator", values="accuracy")


def median_draw(frame: pd.DataFrame) -> int:
    """The draw whose accuracies lie nearest to every estimator's median (200 labelled)."""
    wide = line_accuracies(frame)
    return int((wide - wide.median()).abs().sum(axis=1).idxmin())


def line_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Accuracy with 200 labelled positives and what is missing to the Bayes rule."""
    wide = line_accuracies(frame)
    return pd.DataFrame(
        {
            "accuracy (%)": [mean_std(wide[name]) for name in demo.ESTIMATORS],
            "below Bayes (points)": [
                mean_std(demo.bayes_accuracy() - wide[name]) for name in demo.ESTIMATORS
            ],
        },
        index=list(demo.ESTIMATORS),
    )


# -- what is known --------------------------------------------------------------------------------


def annotations(specs: Mapping[int, Spec], seeds: Sequence[int]) -> pd.DataFrame:
    """Labels that were known and labels that PU methods use, mean over seeds.

    Args:
        specs: known percent -> run of a method that uses all known labels.
        seeds: over which the mean is taken.

    Returns:
        A line per proportion: known (%), positive and negative (counts), share (% of the known
        labels that are positive).
    """
    rows = []
    for percent, spec in specs.items():
        counts = []
        for seed in seeds:
            run = replace(spec, seed=seed)
            observed = annotate(run, load_splits(run).train.y.numpy())
            counts.append(((observed == 1).sum(), (observed == -1).sum()))
        positive, negative = np.mean(counts, 0)
        share = 100 * positive / (positive + negative)
        rows.append((percent, positive, negative, share))
    return pd.DataFrame(rows, columns=["known", "positive", "negative", "share"])


def annotation_table(counts: pd.DataFrame) -> pd.DataFrame:
    """The counts for the reader."""
    by_known = counts.set_index("known")
    used = pd.DataFrame(
        {
            "used by PU methods (positives)": by_known.positive,
            "used by the others (all known)": by_known.positive + by_known.negative,
        }
    )
    shown = used.round().astype(int)
    shown["share of positives (%)"] = by_known.share.round(1)
    return shown.rename_axis(index="known (%)")


def annotations_used(counts: pd.DataFrame) -> tuple[float, float]:
    """Annotations at all proportions below 100 %: used by PU methods, used by the others."""
    partly = counts[counts.known < 100]
    return partly.positive.sum(), (partly.positive + partly.negative).sum()


def chosen_rates(tuned: Mapping[tuple[str, int], Tuned]) -> pd.DataFrame:
    """The chosen learning rates, a row a method, a column a proportion; ``*`` marks the end of the
    values that were tried."""

    def cell(name: str, percent: int) -> str:
        if (name, percent) not in tuned:
            return "-"
        each = tuned[name, percent]
        return f"{each.chosen:g}" + ("" if each.interior else " *")

    return pd.DataFrame(
        {
            f"{percent} %": {name: cell(name, percent) for name in (*MAIN, *ABLATION, *PRETRAINED)}
            for percent in (*PERCENTS, 100)
        }
    )


# -- scores ---------------------------------------------------------------------------------------


def scores(records: Records, name: str, percent: int) -> np.ndarray:
    """Test mAP (%) of every seed at the last epoch."""
    return np.array([mean_ap_at(record, "last") for record in records[name, percent]])


def average_scores(records: Records, name: str, over: Sequence[int]) -> np.ndarray:
    """Test mAP (%) of every seed at the last epoch, mean over the proportions."""
    return np.mean([scores(records, name, percent) for percent in over], 0)


def frame(records: Records) -> pd.DataFrame:
    """One line per run: method, known (percent), seed, best, last (test mAP in percent)."""
    return pd.DataFrame(
        [
            {
                "method": name,
                "known": percent,
                "seed": seed,
                "best": mean_ap_at(record, "best"),
                "last": mean_ap_at(record, "last"),
            }
            for (name, percent), runs in records.items()
            for seed, record in enumerate(runs)
        ]
    )


def score_table(records: Records, over: Sequence[int]) -> pd.DataFrame:
    """Test mAP of the main methods by proportion, and its average over these."""
    return pd.DataFrame(
        {
            **{
                f"{percent} %": {name: mean_std(scores(records, name, percent)) for name in MAIN}
                for percent in over
            },
            "average": {name: mean_std(average_scores(records, name, over)) for name in MAIN},
        }
    )


def moments(results: pd.DataFrame, percent: int) -> pd.DataFrame:
    """Test mAP at one proportion, at the best validation epoch and at the last one.

    Args:
        results: of ``frame``.
        percent: which proportion.
    """
    long = results[results.known == percent].melt(
        id_vars=["method", "seed"], value_vars=["best", "last"], var_name="epoch", value_name="mAP"
    )
    table = mean_std_table(long, "method", "epoch", "mAP")
    table.columns = ["best validation epoch", "last epoch"]
    return table.rename_axis(index=None)


def full_labels(records: Records, known: Sequence[int]) -> pd.DataFrame:
    """Test mAP with all labels, right or with a share of the positives overlooked.

    For BCE the latter is AN with the rest of the labels known, for the others the method itself.

    Args:
        records: with ``FULL`` at 100 % and all methods at ``known``.
        known: proportions; 100 minus each is the share that is overlooked.
    """

    def row(name: str) -> dict[str, str]:
        blind = "AN" if name == "partial BCE" else name
        return {"all labels right": mean_std(scores(records, name, 100))} | {
            f"{100 - percent} % overlooked": mean_std(scores(records, blind, percent))
            for percent in sorted(known, reverse=True)
        }

    shown = {"BCE" if name == "partial BCE" else name: row(name) for name in FULL}
    return pd.DataFrame(shown).T


def noise_table(right: Records, wrong: Records) -> pd.DataFrame:
    """Test mAP with all labels known, right or with absent classes marked present.

    Args:
        right: with all labels right, at 100 %.
        wrong: of ``runs.invented``.
    """
    names = list(dict.fromkeys(name for name, _ in wrong))
    percents = list(dict.fromkeys(percent for _, percent in wrong))
    table = {"none invented": {name: mean_std(scores(right, name, 100)) for name in names}} | {
        f"{percent} % invented": {name: mean_std(scores(wrong, name, percent)) for name in names}
        for percent in percents
    }
    return pd.DataFrame(table).rename(index={"partial BCE": "BCE"})


THRESHOLDS = np.arange(0.01, 1.0, 0.01)


def f1(record: Record) -> dict[str, float]:
    """OF1 and CF1 (%) of the test labels at the last epoch, at a probability of one half and at
    the one threshold that is best on the validation labels."""
    splits = load_splits(record.spec)
    truth, held_out = splits.test.y, splits.validation().y
    test, val = (
        torch.sigmoid(torch.from_numpy(record[f"{name}_scores_last"])) for name in ("test", "val")
    )
    found = {}
    for kind in ("OF1", "CF1"):
        tried = [precision_recall_f1(val, held_out, float(t))[kind] for t in THRESHOLDS]
        chosen = float(THRESHOLDS[int(np.argmax(tried))])
        for where, threshold in (("at one half", 0.5), ("validated", chosen)):
            found[f"{kind}, {where}"] = 100 * precision_recall_f1(test, truth, threshold)[kind]
    return found


def f1_table(records: Records, names: Sequence[str], percent: int) -> pd.DataFrame:
    """``f1`` of methods at one proportion, mean and spread over seeds."""
    found = {name: [f1(record) for record in records[name, percent]] for name in names}
    return pd.DataFrame(
        {
            name: {key: mean_std([each[key] for each in rows]) for key in rows[0]}
            for name, rows in found.items()
        }
    ).T


def study_table(study: Scores, columns: int = 1) -> pd.DataFrame:
    """A recorded study for the reader: mean and spread over its seeds.

    Args:
        study: row names -> scores.
        columns: so many of the last names of a row tell its column, joined.
    """
    table: dict[str, dict[str, str]] = {}
    for names, values in study.items():
        row, column = (
            ", ".join(str(name) for name in part) for part in (names[:-columns], names[-columns:])
        )
        table.setdefault(column, {})[row or "test mAP (%)"] = mean_std(values)
    return pd.DataFrame(table).fillna("-")


def level_table(study: Mapping[str, Any] | None) -> pd.DataFrame:
    """Mean predicted probability (%) of a recorded study, laid out as ``study_table`` does."""
    table: dict[str, dict[str, str]] = {}
    for line in study["rows"] if study else ():
        name, *column = map(str, line["row"])
        table.setdefault(", ".join(column), {})[name] = f"{line['predicted']:.0f}"
    return pd.DataFrame(table).fillna("-")


def study_rates(studies: Mapping[str, Mapping[str, Any] | None]) -> pd.DataFrame:
    """The learning rate of every row of recorded studies, and what was tried.

    Args:
        studies: what is studied -> record; those without are left out.
    """
    rows = []
    for place, study in studies.items():
        for line in study["rows"] if study else ():
            tried = [float(rate) for rate in line["validation"]]
            edge = " (edge)" if line["chosen"] in (tried[0], tried[-1]) else ""
            rows.append(
                {
                    "study": place,
                    "row": ", ".join(map(str, line["row"])),
                    "learning rate": f"{line['chosen']:g}{edge}",
                    "tried": ", ".join(f"{rate:g}" for rate in tried),
                }
            )
    return pd.DataFrame(rows).set_index("study").rename_axis(None) if rows else pd.DataFrame()


def gains(records: Records) -> pd.DataFrame:
    """What each part of the method adds, in points, paired by seed."""
    steps = {
        "mixup, in VPU": ("VPU", "VPU without mixup"),
        "mixup, in PU-MLC": ("PU-MLC", "PU-MLC without mixup"),
        "re-balance factor, in VPU": ("VPU + R", "VPU"),
        "re-balance factor, in PU-MLC": ("PU-MLC", "VPU + T"),
        "temperature, in VPU": ("VPU + T", "VPU"),
        "temperature, in PU-MLC": ("PU-MLC", "VPU + R"),
    }
    return pd.DataFrame(
        {
            f"{percent} % known": {
                part: mean_std(scores(records, name, percent) - scores(records, without, percent))
                for part, (name, without) in steps.items()
            }
            for percent in ABLATION_PERCENTS
        }
    )


# -- classes --------------------------------------------------------------------------------------

MARGIN = 10.0
"""A class counts as not learned whose AP (%) is less than this above its frequency, which is the
expected average precision of a random order."""


def frequencies(record: Record) -> np.ndarray:
    """``(C,)``: share of the test images in which each class is present, in percent."""
    spec = record.spec
    return _frequencies(spec.dataset, spec.data_root, spec.data_options, spec.seed)


@cache
def _frequencies(dataset: str, root: str | None, chosen: Options, seed: int) -> np.ndarray:
    splits = load_data(Data(dataset=dataset, data_root=root, data_options=chosen, seed=seed))
    return 100 * splits.test.y.numpy().mean(0)


def guessed(record: Record) -> np.ndarray:
    """``(C,)`` bool: classes that a run ranks hardly better than by chance at its last epoch."""
    return record["test_ap"][-1] < frequencies(record) + MARGIN


def not_learned(records: Records) -> pd.DataFrame:
    """How many classes a run has not learned.

    Returns:
        A line per run: method, known (percent), seed, and how many of the more frequent half of
        the classes (frequent) and of the other half (rare).
    """
    rows = []
    for (name, percent), runs in records.items():
        for seed, record in enumerate(runs):
            lost = guessed(record)[np.argsort(-frequencies(record))]
            half = len(lost) // 2
            rows.append((name, percent, seed, lost[:half].sum(), lost[half:].sum()))
    return pd.DataFrame(rows, columns=["method", "known", "seed", "frequent", "rare"])


def lost_classes(records: Records) -> pd.DataFrame:
    """``not_learned`` of the main methods, means over seeds: frequent / rare, by proportion."""
    lost = not_learned({key: runs for key, runs in records.items() if key[0] in MAIN})
    means = lost.groupby(["method", "known"], sort=False)[["frequent", "rare"]].mean()
    cells = means.apply(lambda row: f"{row.frequent:.1f} / {row.rare:.1f}", axis=1).unstack()
    cells.columns = [f"{percent} %" for percent in cells.columns]
    return cells.reindex(MAIN).fillna("-").rename_axis(index=None)


def lost_predictions(runs: Sequence[Record]) -> pd.DataFrame:
    """Classes that some runs have not learned: mean prediction and frequency, in percent."""
    found = [
        np.stack([100 * probabilities(run).mean(0), frequencies(run)])[:, guessed(run)].T
        for run in runs
    ]
    return pd.DataFrame(np.concatenate(found), columns=["predicted", "true"])


def by_class(records: Records, percent: int, names: Sequence[str]) -> pd.DataFrame:
    """What happens to each class at one proportion, means over seeds, by falling frequency.

    Returns:
        A line per class: class, frequency (% of the test scenes), batches (% with a labelled
        positive) and, for each method, its AP (%), and for those that record it, mean predicted
        probability (%) on test scenes.
    """
    runs = records["PU-MLC", percent]
    share = []
    for run in runs:
        known = run["observed"]
        share.append(100 * batches_with((known == 1).sum(0), len(known), run.spec.batch_size))
    table = pd.DataFrame(
        {
            "class": load_splits(runs[0].spec).classes,
            "frequency": np.mean([frequencies(run) for run in runs], 0),
            "batches": np.mean(share, 0),
        }
    )
    for name in names:
        runs = records[name, percent]
        table[name] = np.mean([run["test_ap"][-1] for run in runs], 0)
        if "test_scores_last" in runs[0].values:
            means = [probabilities(run).mean(0) for run in runs]
            table[f"{name}, probability"] = 100 * np.mean(means, 0)
    return table.sort_values("frequency", ascending=False, ignore_index=True)


def batches_with(positives: np.ndarray, rows: int, batch: int) -> np.ndarray:
    """Chance that a batch drawn without replacement holds at least one of so many rows."""
    batch = min(batch, rows)
    without = np.maximum(rows - positives, batch - 1)  # too few others: surely one of them
    log_none = (
        gammaln(without + 1)
        - gammaln(without - batch + 1)
        - gammaln(rows + 1)
        + gammaln(rows - batch + 1)
    )
    return 1 - np.where(rows - positives < batch, 0.0, np.exp(log_none))


# -- predictions ----------------------------------------------------------------------------------


def probabilities(record: Record) -> np.ndarray:
    """``(N, C)``: predicted for the test images at the last epoch."""
    return 1 / (1 + np.exp(-record["test_scores_last"].astype(np.float64)))


def spread(records: Records, name: str, percent: int) -> np.ndarray:
    """Median over classes of the standard deviation of the test logits, for every seed."""
    runs = records[name, percent]
    return np.array([np.median(run["test_scores_last"].std(0)) for run in runs], float)


def temperatures(runs: Sequence[Record]) -> pd.DataFrame:
    """A line per run: mean temperature of the first and the last step, and below (% of the steps,
    over all classes, in which it is below 1)."""
    tau = [run["readings/tau"] for run in runs]
    return pd.DataFrame(
        {
            "first": [t[0].mean() for t in tau],
            "last": [t[-1].mean() for t in tau],
            "below": [100 * (t < 1).mean() for t in tau],
        }
    )


def highest_mean_probability(runs: Sequence[Record]) -> np.ndarray:
    """Highest mean probability (%) of a batch in the course of every run, over all classes."""
    return np.array([100 * run["readings/mean_probability"].mean(1).max() for run in runs])


# -- published numbers ----------------------------------------------------------------------------

PUBLISHED = pd.DataFrame.from_dict(
    {
        "ResNet-101, global average pooling": ("77.3", "91.7", "ML-GCN"),
        "ResNet-101, global max pooling": ("81.5", "93.0", "ML-GCN"),
        "ML-GCN": ("83.0", "94.0", "ML-GCN"),
        "SSGRL": ("83.8", "93.4", "SSGRL"),
        "CSRA, ResNet-101": ("83.3", "94.7", "CSRA"),
        "CSRA, ResNet-101 CutMix": ("85.6", "95.2", "CSRA"),
        "Query2Label, ResNet-101, 448": ("84.9", "-", "Query2Label"),
        "Query2Label, TResNet-L, 448": ("87.3", "-", "Query2Label"),
        "ASL, TResNet-L, 448": ("86.6", "-", "ASL"),
        "ASL, TResNet-XL": ("88.4", "96.0", "ASL"),
    },
    orient="index",
    columns=["MS-COCO", "VOC 2007", "read in the readme of"],
)
"""Test mAP (%) with full labels, from the readmes of the projects named."""

PUBLISHED_VPU = pd.DataFrame(
    {"VPU": (92.7, 89.5, 79.7), "nnPU": (90.8, 85.6, 78.3)},
    index=["FashionMNIST", "CIFAR-10", "STL-10"],
)
"""Binary PU learning, accuracy (%), from the readme of VPU."""
