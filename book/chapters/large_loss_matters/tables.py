"""Records of the chapter on *Large Loss Matters* as tables, beside the published ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from weaklabels import models
from weaklabels.cam import class_activation_maps
from weaklabels.lab.missing_labels import (
    best_validation,
    label_kinds,
    mean_ap,
    modified_labels,
)
from weaklabels.lab.multilabel import restore
from weaklabels.lab.photographs import rounded
from weaklabels.lab.store import Record
from weaklabels.methods.large_loss_matters import modified_count
from weaklabels.metrics import separation_auc
from weaklabels.press import style
from weaklabels.press.claims import mean_std

MOMENTS = ("best", "last")

# -- published numbers ----------------------------------------------------------------------------

TABLE_1 = pd.DataFrame(
    [
        ("VOC", 88.3, 90.7, 23.8),
        ("COCO", 64.0, 82.6, 17.3),
    ],
    columns=["data", "TP", "TN", "FN"],
).set_index("data")
"""Share (%) of labels whose highest loss falls in epoch 1. Source: the authors' slides, poster."""

_TABLE_2 = {
    "Full label": (90.2, 78.0, 54.5, 32.9, 91.1, 77.2, 54.9, 34.0),
    "Naive AN": (85.1, 64.1, 42.0, 19.1, 86.9, 68.7, 47.6, 20.9),
    "WAN": (86.5, 64.8, 46.3, 20.3, 87.1, 68.0, 47.5, 21.1),
    "LSAN": (86.7, 66.9, 44.9, 17.9, 86.5, 69.2, 50.5, 16.6),
    "EPR": (85.5, 63.3, 46.0, 20.0, 84.9, 66.8, 48.1, 21.2),
    "ROLE": (87.9, 66.3, 43.1, 15.0, 88.2, 69.0, 51.0, 16.8),
    "LL-R": (89.2, 71.0, 47.4, 19.5, 89.4, 71.9, 49.1, 21.5),
    "LL-Ct": (89.0, 70.5, 48.0, 20.4, 89.3, 71.6, 49.6, 21.8),
    "LL-Cp": (88.4, 70.7, 48.3, 20.1, 88.3, 71.0, 49.4, 21.4),
}
TABLE_2 = pd.DataFrame(
    _TABLE_2,
    index=pd.MultiIndex.from_product(
        [["end to end", "linear init"], ["VOC", "COCO", "NUS", "CUB"]]
    ),
).T
"""Table 2, test mAP (%), one positive label an image. Source: the official repository's image."""

TABLE_3 = pd.DataFrame(
    {
        "Naive IU": (69.5, 70.3, 74.8, 79.2, 85.5, 75.9),
        "Curriculum": (70.4, 71.3, 76.2, 80.5, 86.8, 77.1),
        "IMCL": (71.0, 72.6, 77.6, 81.8, 87.3, 78.1),
        "Naive AN": (77.1, 78.7, 81.5, 84.1, 88.8, 82.0),
        "WAN": (71.8, 72.8, 76.3, 79.7, 84.7, 77.0),
        "LSAN": (68.4, 69.3, 73.7, 77.9, 85.6, 75.0),
        "LL-R": (77.4, 79.1, 82.0, 84.5, 89.5, 82.5),
        "LL-Ct": (77.7, 79.3, 82.1, 84.7, 89.4, 82.6),
        "LL-Cp": (77.6, 79.1, 81.9, 84.6, 89.4, 82.5),
    },
    index=["G1", "G2", "G3", "G4", "G5", "All"],
).T
"""Table 3, OpenImages V3 mAP (%). Source: the official repository's image."""

TABLE_4 = pd.DataFrame(
    {
        "Naive AN": (78.9, 46.4),
        "WAN": (79.8, 47.7),
        "LSAN": (79.5, 49.1),
        "EPR": (80.2, 48.1),
        "ROLE": (82.5, 51.5),
        "LL-R": (83.7, 54.0),
        "LL-Ct": (83.7, 54.1),
        "LL-Cp": (83.5, 53.3),
    },
    index=["VOC", "COCO"],
).T
"""Table 4, pointing game (%). Source: the authors' poster and slides."""

FIGURE_6 = pd.DataFrame(
    {
        "Naive AN": (45.7, 52.0, 54.8, 57.0, 58.6, 60.7, 61.4, 63.1, 63.7, 64.1),
        "LSAN": (52.6, 57.6, 60.4, 62.0, 63.2, 64.3, 65.8, 66.3, 66.7, 66.9),
        "ROLE": (53.9, 59.5, 61.9, 63.2, 64.1, 64.7, 65.1, 66.0, 66.1, 66.3),
        "LL-Ct": (54.9, 60.3, 63.1, 65.0, 66.2, 68.0, 69.1, 69.3, 70.3, 70.5),
    },
    index=range(10, 101, 10),
)
"""Figure 6, COCO mAP (%) by share (%) of the images, read off the authors' poster (± 0.2)."""

# -- scores ---------------------------------------------------------------------------------------


def pointing(records: Sequence[Record], moment: str, *, class_mean: bool = False) -> np.ndarray:
    """Pointing-game accuracy (%) of each run: pooled over all pairs, or the mean over classes."""
    values = []
    for record in records:
        _, label, hit = record[f"pointing_{moment}"].T
        pooled = hit.mean()
        values.append(
            np.mean([hit[label == c].mean() for c in np.unique(label)]) if class_mean else pooled
        )
    return 100 * np.array(values)


def scores(groups: dict[str, list[Record]]) -> pd.DataFrame:
    """Long frame: method, moment, seed, test mAP, and the pointing game where it was tracked.

    Args:
        groups: method -> runs.
    """
    frames = []
    for name, records in groups.items():
        for moment in MOMENTS:
            values = {"mAP": mean_ap(records, moment)}
            if f"pointing_{moment}" in records[0].values:
                values["pointing"] = pointing(records, moment)
                values["class mean"] = pointing(records, moment, class_mean=True)
            seeds = [record.spec.seed for record in records]
            frames.append(pd.DataFrame({"method": name, "moment": moment, "seed": seeds, **values}))
    return pd.concat(frames, ignore_index=True)


def protocol_scores(
    scenes: Mapping[str, Mapping[str, Sequence[Record]]], recorded: Mapping[str, Any] | None
) -> dict[str, dict[str, dict[str, Sequence[float]]]]:
    """Protocol -> method -> moment -> test mAP (%) of each run.

    Args:
        scenes: ``"end to end"``, ``"linear init"`` -> method -> runs.
        recorded: the record of linear heads on photographs, ``"photographs"`` in the result.
    """
    found: dict[str, dict[str, dict[str, Sequence[float]]]] = {
        protocol: {
            name: {when: mean_ap(records, when) for when in MOMENTS}
            for name, records in groups.items()
        }
        for protocol, groups in scenes.items()
    }
    if recorded is not None:
        rows = {row["row"]: {when: row[when] for when in MOMENTS} for row in recorded["rows"]}
        found["photographs"] = rows
    return found


def table_2(protocols: dict[str, dict[str, list[Record]]]) -> pd.DataFrame:
    """Test mAP (%) as ready text, one column for each protocol and moment.

    Args:
        protocols: ``"end to end"``, ``"linear init"`` -> method -> runs.
    """
    blocks = {}
    for protocol, groups in protocols.items():
        wide = style.mean_std_table(scores(groups), "method", "moment", "mAP")
        blocks |= {(protocol, f"{moment} epoch"): wide[moment] for moment in MOMENTS}
    return pd.DataFrame(blocks).rename_axis(index=None)


def table_4(groups: dict[str, list[Record]]) -> pd.DataFrame:
    """The pointing game (%) as ready text, beside the published one.

    Args:
        groups: method -> runs that tracked ``"pointing"``.
    """
    frame, columns = scores(groups), {}
    for value in ("pointing", "class mean"):
        wide = style.mean_std_table(frame, "method", "moment", value)
        columns |= {f"{value}, {moment} epoch": wide[moment] for moment in MOMENTS}
    published = TABLE_4.add_suffix(" (paper)").astype(str)
    return pd.DataFrame(columns).join(published).fillna("-").rename_axis(None)


# -- learning rates and counts --------------------------------------------------------------------


def memory_gap(records: Sequence[Record]) -> np.ndarray:
    """Test mAP (%) at the best epoch minus that at the last, of each run."""
    return mean_ap(records, "best") - mean_ap(records, "last")


def at_own_rate(
    by_rate: Mapping[tuple[float, str], Sequence[Record]], moment: str
) -> dict[str, np.ndarray]:
    """Test mAP (%) of each run at the learning rate that suits its method.

    For every seed that is the rate with the best mean validation mAP of all *other* seeds, so that
    no run takes part in the choice that it is reported for.

    Args:
        by_rate: (factor on the learning rates, method) -> runs, the same seeds in each.
        moment: ``"best"`` or ``"last"``.
    """
    found = {}
    for name, (groups, chosen) in _own_rates(by_rate).items():
        test = np.array([mean_ap(group, moment) for group in groups])
        found[name] = test[chosen, np.arange(test.shape[1])]
    return found


def _own_rates(
    by_rate: Mapping[tuple[float, str], Sequence[Record]],
) -> dict[str, tuple[list[Sequence[Record]], np.ndarray]]:
    """Method -> its runs at each rate, from the lowest, and which rate each of its seeds has."""
    factors = sorted({factor for factor, _ in by_rate})
    found = {}
    for name in dict.fromkeys(name for _, name in by_rate):
        groups = [by_rate[factor, name] for factor in factors]
        validation = np.array([[best_validation([run]) for run in group] for group in groups])
        others = validation.sum(1, keepdims=True) - validation
        found[name] = groups, others.argmax(0)
    return found


def own_rates(by_rate: Mapping[tuple[float, str], Sequence[Record]]) -> pd.DataFrame:
    """In how many seeds ``at_own_rate`` takes which rate; both ends of what was tried are marked.

    Args:
        by_rate: (factor on the learning rates, method) -> runs, the same seeds in each.
    """
    factors = sorted({factor for factor, _ in by_rate})
    names = [f"{factor:g}" for factor in factors]
    names[0], names[-1] = f"{names[0]} (end)", f"{names[-1]} (end)"
    counts = {
        method: np.bincount(chosen, minlength=len(factors))
        for method, (_, chosen) in _own_rates(by_rate).items()
    }
    return pd.DataFrame.from_dict(counts, orient="index", columns=names)


def count_table(
    counted: Mapping[tuple[str, str], Sequence[Record]], told: Mapping[str, Sequence[Record]]
) -> pd.DataFrame:
    """Test mAP (%) by what is known of the number of positives, as ready text.

    Args:
        counted: (what is known, method) -> runs.
        told: method -> runs of the main table: EPR and ROLE know the number, LL-R does not.
    """
    usual = {"EPR": "told", "ROLE": "told", "LL-R": "not told"}
    groups = dict(counted) | {(known, name): told[name] for name, known in usual.items()}
    order = [
        (known, name)
        for name in usual
        for known in ("not told", "half too low", "told", "half too high")
        if (known, name) in groups
    ]
    table = {
        (name, known): {
            f"{when} epoch": mean_std(mean_ap(groups[known, name], when)) for when in MOMENTS
        }
        for known, name in order
    }
    return pd.DataFrame(table).T


def applied_rates(
    batch: int, classes: int, images: int, epochs: int, rate: float
) -> dict[str, float]:
    """What LL-Cp's rate amounts to once k is a whole number.

    Returns:
        ``asked`` and ``applied`` rate (% of a batch's labels an epoch), and ``flips`` in all.
    """
    full, rest = divmod(images, batch)
    k, last = (modified_count(size, classes, 2, rate, growing=False) for size in (batch, rest))
    flips = (k * full + last) * (epochs - 1)
    return {"asked": 100 * rate, "applied": 100 * k / (batch * classes), "flips": flips}


def batch_table(records: Sequence[Mapping[str, Any]], rate: float) -> pd.DataFrame:
    """LL-Cp on photographs in batches of different size: what is flipped, and what it gains.

    Args:
        records: tables with naive AN and LL-Cp.
        rate: published rate of LL-Cp.
    """
    found = {}
    for record in records:
        protocol, data = record["protocol"], record["data"]
        rows = {row["row"]: row for row in record["rows"]}
        ours, naive = rows["LL-Cp"], rows["Naive AN"]
        applied = applied_rates(
            protocol["batch_size"],
            len(data["training images by class"]),
            data["training images"],
            protocol["epochs"],
            ours["options"].get("rate", rate),
        )
        found[f"batches of {protocol['batch_size']}, {protocol['epochs']} epochs"] = {
            "rate asked (%)": f"{applied['asked']:.2f}",
            "rate applied (%)": f"{applied['applied']:.2f}",
            "flips in all": f"{applied['flips']:,.0f}",
        } | {
            f"gain over AN, {when}": mean_std(np.subtract(ours[when], naive[when]))
            for when in MOMENTS
        }
    return pd.DataFrame(found).T


# -- memorisation ---------------------------------------------------------------------------------


def _kinds(record: Record) -> dict[str, np.ndarray]:
    return label_kinds(record["truth"], record["observed"])


def memorisation(records: Sequence[Record]) -> dict[str, np.ndarray]:
    """Curves over epochs, one row per run that tracked ``"entry_logits"``.

    Returns:
        mean training loss ``TP``, ``TN``, ``FN``, and ``AUC``, with which the loss tells false
        from true negatives; and ``first TP`` ...: share (%) of labels whose largest loss is in
        the first epoch, ``(runs,)``.
    """
    rows: dict[str, list] = {}
    for record in records:
        kinds = _kinds(record)
        losses = _losses(record, kinds)
        unknown = ~kinds["TP"]
        for kind, mask in kinds.items():
            rows.setdefault(kind, []).append(losses[:, mask].mean(1))
            first = losses[:, mask].argmax(0) == 0
            rows.setdefault(f"first {kind}", []).append(100 * first.mean())
        auc = [separation_auc(epoch[unknown], kinds["FN"][unknown]) for epoch in losses]
        rows.setdefault("AUC", []).append(auc)
    return {name: np.array(values) for name, values in rows.items()}


def single_labels(record: Record) -> dict[str, np.ndarray]:
    """Loss curves of two single labels, a false and a true negative.

    Of each kind the label whose curve is nearest to the median of all of its kind, epoch by epoch.
    """
    kinds = _kinds(record)
    losses = _losses(record, kinds)
    curves = {}
    for kind in ("FN", "TN"):
        entries = losses[:, kinds[kind]]
        distance = np.abs(entries - np.median(entries, 1, keepdims=True)).sum(0)
        curves[kind] = entries[:, distance.argmin()]
    return curves


def _losses(record: Record, kinds: dict[str, np.ndarray]) -> np.ndarray:
    """Assume-negative loss of every training label when last visited, ``(epochs, N, C)``."""
    logits = record["entry_logits"].astype(np.float32)
    return np.logaddexp(0, np.where(kinds["TP"], -logits, logits))


def table_1(ours: Mapping[str, Mapping[str, np.ndarray]]) -> pd.DataFrame:
    """Share (%) of labels whose largest loss falls in the first epoch, published and ours.

    Args:
        ours: name of a line -> curves of ``memorisation``.
    """
    table = TABLE_1.astype(str)
    for name, curves in ours.items():
        table.loc[name] = [mean_std(curves[f"first {kind}"]) for kind in ("TP", "TN", "FN")]
    return table


# -- what the schemes modify ----------------------------------------------------------------------


def precision(records: Sequence[Record]) -> np.ndarray:
    """Share (%) of true false negatives among the modified entries, ``(runs, epochs)``; NaN where
    nothing is modified."""
    rows = []
    for record in records:
        modified = modified_labels(record)
        count = modified.sum((1, 2))
        right = (modified & _kinds(record)["FN"]).sum((1, 2))
        rows.append(np.where(count > 0, 100 * right / np.maximum(count, 1), np.nan))
    return np.array(rows)


def guessing(records: Sequence[Record]) -> np.ndarray:
    """Share (%) of false negatives among the unannotated labels: the precision of guessing."""
    found = [_kinds(record) for record in records]
    return np.array([100 * kinds["FN"].sum() / (~kinds["TP"]).sum() for kinds in found])


def guessing_by_epoch(records: Sequence[Record], *, stays: bool) -> np.ndarray:
    """The same of the labels that each epoch may modify, ``(runs, epochs)``: where a modified label
    stays so, as with LL-Cp, those that were modified before are not among them."""
    rows = []
    for record in records:
        kinds, modified = _kinds(record), modified_labels(record)
        before = np.maximum.accumulate(modified) & ~modified & stays
        left = ~kinds["TP"] & ~before
        rows.append(100 * (left & kinds["FN"]).sum((1, 2)) / left.sum((1, 2)))
    return np.array(rows)


def persistence(records: Sequence[Record]) -> np.ndarray:
    """Of the labels modified in an epoch, the share (%) modified again in the next: the mean over
    epochs, ``(runs,)``."""
    shares = []
    for record in records:
        modified = modified_labels(record)[1:]
        again = (modified[:-1] & modified[1:]).sum((1, 2))
        shares.append((100 * again / np.maximum(modified[:-1].sum((1, 2)), 1)).mean())
    return np.array(shares)


def _pointing_of(records: Sequence[Record]) -> dict[str, Any]:
    return {
        f"{kind}, {moment} epoch": rounded(pointing(records, moment, class_mean=kind != "pooled"))
        for kind in ("pooled", "class mean")
        for moment in MOMENTS
    }


def _memorisation_of(records: Sequence[Record]) -> dict[str, Any] | None:
    if records[0].spec.annotation == "full":
        return None
    return {name: rounded(values) for name, values in memorisation(records).items()}


def _single_labels_of(records: Sequence[Record]) -> dict[str, Any] | None:
    if records[0].spec.annotation == "full":
        return None
    return {kind: rounded(curve) for kind, curve in single_labels(records[0]).items()}


def _precision_of(records: Sequence[Record]) -> dict[str, Any] | None:
    if "modified" not in records[0].spec.track:
        return None
    measures = {"precision": precision, "guessing": guessing, "persistence": persistence}
    return {name: rounded(measure(records)) for name, measure in measures.items()}


MEASURES = {
    "pointing": _pointing_of,
    "memorisation": _memorisation_of,
    "single labels": _single_labels_of,
    "modified": _precision_of,
}
"""What is recorded of the runs on photographs beside their scores.

One value or curve a seed; the single labels are those of the first one."""


def telling_scenes(record: Record, count: int) -> list[int]:
    """Scenes for the qualitative figure, by a fixed rule.

    Of the scenes with the most true labels: those with the largest share of hidden positives
    found by the last epoch, and, as the last one, the scene with most wrong corrections.
    """
    kinds = _kinds(record)
    last = modified_labels(record)[-1]
    hidden = kinds["FN"].sum(1)
    found = (last & kinds["FN"]).sum(1)
    wrong = (last & kinds["TN"]).sum(1)
    crowded = np.flatnonzero(hidden == hidden.max())
    best = crowded[np.lexsort((crowded, wrong[crowded], -found[crowded]))]
    return [*best[: count - 1].tolist(), int(np.argmax(wrong))]


def corrections(record: Record, scene: int) -> dict[str, np.ndarray]:
    """Which labels of one scene count as positive, and why.

    Returns:
        ``given``, ``added, right``, ``added, wrong``, each ``(C, epochs)`` bool.
    """
    kinds = {kind: mask[scene][:, None] for kind, mask in _kinds(record).items()}
    modified = modified_labels(record)[:, scene].T
    return {
        "given": kinds["TP"] & np.ones_like(modified),
        "added, right": modified & kinds["FN"],
        "added, wrong": modified & kinds["TN"],
    }


def activation_maps(records: dict[str, list[Record]], image: Tensor) -> dict[str, Tensor]:
    """Class activation maps of one image after the last epoch, ``(C, h, w)`` for each method.

    Args:
        records: method -> runs that tracked ``"weights"``; the first one counts.
        image: ``(1, c, h, w)``.
    """
    found = {}
    for name, (record, *_) in records.items():
        spec, classes = record.spec, record["test_ap"].shape[1]
        network = restore(models.build(spec.network, classes, **dict(spec.network_options)), record)
        small = class_activation_maps(network, image)
        found[name] = torch.nn.functional.interpolate(small, image.shape[2:], mode="bilinear")[0]
    return found
