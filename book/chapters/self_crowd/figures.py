"""Tables and figures of the chapter on *Learning from Crowds* (Self-Crowd, 2022).

Apart from the runs (``experiments.self_crowd``), so that a change of a figure recomputes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from chapters.self_crowd.runs import CONTINUED, TITLES
from weaklabels import crowds
from weaklabels.lab.store import Record
from weaklabels.press import style as figures
from weaklabels.press.claims import mean_std

_P = figures.PALETTE
COLOURS = {
    "MV": _P[4],
    "DS": _P[7],
    "EM": _P[3],
    "true labels": "#888888",
    "DL-CL": _P[6],
    "random": _P[5],
    "plain": _P[1],
    "aware": _P[0],
    "quota": _P[2],
}
SELF_TRAINING = ("random", "plain", "aware", "quota")
Runs = Sequence[Record]


def names(runs: Runs) -> list[str]:
    """The methods of these runs, in the order in which they were trained."""
    return [key.removesuffix("/recall") for key in runs[0].values if key.endswith("/recall")]


def accuracy(runs: Runs, name: str) -> np.ndarray:
    """Mean recall of all classes (%) after the base training and each round, ``(seeds, T)``."""
    return np.stack([record[f"{name}/recall"].mean(1) for record in runs])


def minority(runs: Runs, name: str) -> np.ndarray:
    """The same for the rarer half of the classes."""
    rare = len(runs[0]["order"]) // 2
    return np.stack([r[f"{name}/recall"][:, r["order"][-rare:]].mean(1) for r in runs])


def final(runs: Runs, name: str, *, rare: bool = False) -> np.ndarray:
    """Accuracy (or recall of the rarer half) at the end (%), one a seed."""
    return (minority if rare else accuracy)(runs, name)[:, -1]


def best(runs: Runs, name: str) -> np.ndarray:
    """Largest accuracy (%) of any round, one a seed: what an early stop could have had."""
    return accuracy(runs, name).max(1)


def ratio(runs: Runs, name: str) -> np.ndarray:
    """max N_c / min N_c of the annotations, ``(seeds, rounds + 1)``."""
    return np.array([[crowds.imbalance(row) for row in r[f"{name}/counts"]] for r in runs])


def evenness(runs: Runs, name: str) -> np.ndarray:
    """Entropy of the annotations' classes over ln K, ``(seeds, rounds + 1)``."""
    return np.array([[crowds.evenness(row) for row in r[f"{name}/counts"]] for r in runs])


def agreement(runs: Runs, name: str, *, rare: bool) -> np.ndarray:
    """Pseudo-annotations that name the true class (%), by round, ``(seeds, rounds)``.

    Those of the rarer half of the classes, or of the more frequent half; NaN where there are none.
    """
    half = len(runs[0]["order"]) // 2
    values = []
    for record in runs:
        classes = record["order"][-half:] if rare else record["order"][:-half]
        right, added = (record[f"{name}/{k}"][:, classes].sum(1) for k in ("right", "added"))
        values.append(np.where(added > 0, 100 * right / np.maximum(added, 1), np.nan))
    return np.array(values)


def score_table(groups: Mapping[str, Runs], *, rare: bool = False) -> pd.DataFrame:
    """Final accuracy, or recall of the rarer half: one row a method, one column a setting."""
    first = next(iter(groups.values()))
    order = sorted(names(first), key=list(TITLES).index)
    rows = {
        TITLES[name]: {s: mean_std(final(runs, name, rare=rare)) for s, runs in groups.items()}
        for name in order
    }
    return pd.DataFrame(rows).T


def base_table(groups: Mapping[str, Runs]) -> pd.DataFrame:
    """Accuracy, recall of the rarer half and worst class of the crowd layer alone."""
    rows = {}
    for title, runs in groups.items():
        worst = [record["DL-CL/recall"][-1].min() for record in runs]
        rows[title] = {
            "accuracy": mean_std(final(runs, "DL-CL")),
            "rarer half": mean_std(final(runs, "DL-CL", rare=True)),
            "worst class": mean_std(worst),
        }
    return pd.DataFrame(rows).T


def balance_table(groups: Mapping[str, Runs]) -> pd.DataFrame:
    """Imbalance ratio and evenness of the annotations, at first and after self-training."""
    rows = {}
    for setting, runs in groups.items():
        first, even = ratio(runs, "plain")[:, 0], evenness(runs, "plain")[:, 0]
        rows[setting, "given"] = {"ratio": mean_std(first), "evenness": mean_std(even, 2)}
        for name in SELF_TRAINING:
            rows[setting, TITLES[name]] = {
                "ratio": mean_std(ratio(runs, name)[:, -1]),
                "evenness": mean_std(evenness(runs, name)[:, -1], 2),
            }
    frame = pd.DataFrame(rows).T
    return frame["ratio"].unstack(0)[list(groups)].loc[["given", *map(TITLES.get, SELF_TRAINING)]]


def paired_table(groups: Mapping[str, Runs], ours: str, other: str) -> pd.DataFrame:
    """Difference in accuracy (points) between two methods, seed by seed."""
    rows = {}
    for setting, runs in groups.items():
        difference = final(runs, ours) - final(runs, other)
        rows[setting] = {f"seed {s}": f"{d:+.1f}" for s, d in enumerate(difference)}
        rows[setting]["mean"] = f"{difference.mean():+.1f}"
    return pd.DataFrame(rows).T


def figure_shares(runs: Runs) -> Figure:
    """Class shares of truth and annotations, sorted from the most frequent class to the rarest."""
    fig, ax = figures.panels(1, height=3.4)
    order = [r["order"] for r in runs]

    def shares(key: str, row: int | None) -> np.ndarray:
        counts = [r[key] if row is None else r[key][row] for r in runs]
        return np.array([100 * c[o] / c.sum() for c, o in zip(counts, order, strict=True)])

    kinds = {
        "true classes": (shares("truth_counts", None), "#BBBBBB"),
        "given annotations": (shares("plain/counts", 0), _P[6]),
        "after plain self-training": (shares("plain/counts", -1), COLOURS["plain"]),
        "after Self-Crowd": (shares("aware/counts", -1), COLOURS["aware"]),
    }
    for i, (label, (values, colour)) in enumerate(kinds.items()):
        x = np.arange(values.shape[1]) + 0.2 * (i - 1.5)
        spread = values.std(0, ddof=1) if len(values) > 1 else None
        ax.bar(x, values.mean(0), 0.2, yerr=spread, label=label, color=colour, error_kw={"lw": 0.8})
    ax.set_xticks(range(values.shape[1]), range(1, values.shape[1] + 1))
    ax.set(xlabel="class, from the most frequent to the rarest", ylabel="share (%)")
    ax.legend()
    return fig


def _rounds(ax: Any) -> None:
    ax.set_xlabel("round of self-training")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def figure_balance(runs: Runs) -> Figure:
    """Imbalance ratio and evenness of the annotations by round."""
    fig, (left, right) = figures.panels(2, height=3.6)
    for name in SELF_TRAINING:
        x = np.arange(ratio(runs, name).shape[1])
        figures.band(left, x, ratio(runs, name), TITLES[name], colour=COLOURS[name])
        figures.band(right, x, evenness(runs, name), TITLES[name], colour=COLOURS[name])
    left.set(ylabel="largest over smallest class of annotations", yscale="log")
    left.set_yticks([1, 2, 5, 10, 20], ["1", "2", "5", "10", "20"])
    left.minorticks_off()
    right.set(ylabel="evenness of annotations (1: even)")
    for ax in (left, right):
        _rounds(ax)
    fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncol=4)
    return fig


def figure_learning(runs: Runs) -> Figure:
    """Accuracy and recall of the rarer half by round, and what each strategy adds to the base."""
    fig, axes = figures.panels(2, 2, height=3.1)
    kinds = ((accuracy, "test accuracy"), (minority, "recall of the rarer half"))
    for (upper, lower), (curve, label) in zip(axes.T, kinds, strict=True):
        for name in ("MV", "EM", "DL-CL", "aware"):
            values = curve(runs, name)
            x = np.arange(values.shape[1])
            figures.band(upper, x, values, TITLES[name], colour=COLOURS[name])
        for name in CONTINUED:
            # Seeds differ much more than strategies: differences within a seed.
            values = curve(runs, name)
            figures.band(lower, x, values - values[:, :1], TITLES[name], colour=COLOURS[name])
        upper.set(ylabel=f"{label} (%)", title=label)
        lower.set_ylabel("gain over the base (points)")
        for ax in (upper, lower):
            _rounds(ax)
    labels = {}
    for ax in axes[:, 0]:
        labels |= dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    fig.legend(labels.values(), labels.keys(), loc="outside lower center", ncol=3)
    return fig


def figure_sparsity(groups: Mapping[float, Runs]) -> Figure:
    """Accuracy and recall of the rarer half against the number of answers an example."""
    fig, axes = figures.panels(2, height=4.0)
    levels = sorted(groups)
    for ax, rare, label in (
        (axes[0], False, "test accuracy (%)"),
        (axes[1], True, "recall of the rarer half (%)"),
    ):
        for name in ("MV", "DS", "EM", *CONTINUED, "true labels"):
            values = np.stack([final(groups[m], name, rare=rare) for m in levels], 1)
            figures.band(ax, range(len(levels)), values, TITLES[name], colour=COLOURS[name])
        ax.set_xticks(range(len(levels)), [f"{m:g}" for m in levels])
        ax.set(xlabel="answers an example", ylabel=label)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncol=3)
    return fig


def figure_agreement(runs: Runs) -> Figure:
    """Share of pseudo-annotations that name the true class, by round and group of classes."""
    fig, axes = figures.panels(2, height=3.6, sharey=True)
    for ax, rare in zip(axes, (False, True), strict=True):
        for name in SELF_TRAINING:
            values = agreement(runs, name, rare=rare)
            x = np.arange(1, values.shape[1] + 1)
            # A strategy may add none of these classes at all.
            keep = (~np.isnan(values)).sum(0) >= min(2, len(values))
            if keep.any():
                figures.band(ax, x[keep], values[:, keep], TITLES[name], colour=COLOURS[name])
        ax.set_title("rarer half of the classes" if rare else "more frequent half")
        _rounds(ax)
    axes[0].set_ylabel("pseudo-annotations naming the truth (%)")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncol=4)
    return fig


def implied_confusion(kernel: np.ndarray) -> np.ndarray:
    """What a matrix crowd layer believes: ``(R, K, K)``, row true class, column answer.

    The softmax of the worker's column, for a network that is sure of the class.
    """
    powers = np.exp(kernel - kernel.max(0, keepdims=True))
    return (powers / powers.sum(0)).transpose(2, 1, 0)


def figure_workers(record: Record, confusion: np.ndarray, chosen: Sequence[int]) -> Figure:
    """True confusions of some workers above those that the crowd layer has learnt."""
    learnt = implied_confusion(record["aware/kernel"])
    fig, axes = figures.panels(len(chosen), 2, height=2.5, sharex=True, sharey=True)
    for column, r in zip(axes.T, chosen, strict=True):
        for ax, matrix in zip(column, (confusion[r], learnt[r]), strict=True):
            picture = ax.imshow(matrix, cmap="Blues", vmin=0, vmax=0.8)
            ax.grid(False)
            ax.set_xticks(range(0, len(matrix), 3))
            ax.set_yticks(range(0, len(matrix), 3))
        column[0].set_title(f"worker {r}")
        column[1].set_xlabel("answer")
    axes[0, 0].set_ylabel("simulated\ntrue class")
    axes[1, 0].set_ylabel("learnt\ntrue class")
    fig.colorbar(picture, ax=axes, label="probability")
    return fig


def confusion_correlation(
    runs: Runs, confusions: Sequence[np.ndarray], *, diagonal: bool
) -> np.ndarray:
    """Correlation of what the crowd layer learnt with the truth about the workers, one a seed.

    Args:
        runs: with a matrix layer.
        confusions: ``(R, K, K)`` true ones, one a run.
        diagonal: compare the rates of right answers, otherwise the mistakes.
    """
    values = []
    for record, confusion in zip(runs, confusions, strict=True):
        learnt = implied_confusion(record["aware/kernel"])
        chosen = np.broadcast_to(np.eye(learnt.shape[1], dtype=bool) == diagonal, learnt.shape)
        values.append(np.corrcoef(learnt[chosen], confusion[chosen])[0, 1])
    return np.array(values)


def recorded_inference_table(record: Mapping[str, Any]) -> pd.DataFrame:
    """Recorded truth inference: accuracy of majority vote and Dawid-Skene, imbalance of answers."""
    rows = {}
    for row in record["truth_inference"]:
        rows[row["set"], f"{row['answers']:g}"] = {
            "majority vote": mean_std(row["majority vote"]),
            "Dawid-Skene": mean_std(row["Dawid-Skene"]),
            "ratio of answers": mean_std(row["ratio"]),
            "ratio of truth": f"{row['truth ratio']:.1f}",
        }
    return pd.DataFrame(rows).T.rename_axis(["set", "answers a task"])


def recorded_network_table(record: Mapping[str, Any]) -> pd.DataFrame:
    """Recorded networks on CIFAR-10N: accuracy, recall of the rarer half, ratio of annotations."""
    rows: dict[str, dict[str, str]] = {}
    for row in record["networks"]:
        column = f"ratio {row['ratio']}"
        cells = rows.setdefault(TITLES[row["method"]], {})
        cells[f"accuracy, {column}"] = mean_std(row["accuracy"])
        cells[f"rarer half, {column}"] = mean_std(row["minority"])
        cells[f"annotations, {column}"] = mean_std(row["balance"]) if row["balance"] else "-"
    return pd.DataFrame(rows).T.fillna("-")
