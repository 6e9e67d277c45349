"""The experiments of the chapter on *Class-Distribution-Aware Pseudo-Labelling* (NeurIPS 2023)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes

from weaklabels.lab import two_stage
from weaklabels.lab.multilabel import annotate, load_splits
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record
from weaklabels.lab.two_stage import Spec, Stage, Steps, mean_ap, quality, tail_weights
from weaklabels.methods.cap import class_proportions, hoeffding_bound
from weaklabels.press import style as figures
from weaklabels.seeding import numpy_rng
from weaklabels.train import OptimiserSpec

# -- published numbers ----------------------------------------------------------------------------

README = pd.DataFrame(
    {
        "warm-up": (58.30, 63.54, 66.18, 67.61),
        "CAP": (62.43, 65.22, 69.11, 70.41),
    },
    index=pd.Index([0.05, 0.10, 0.15, 0.20], name="labelled share"),
)
"""Test mAP (%), ResNet-50. Source: "training logs" in the readme of the official repository; the
data set is not stated there, the commands beside the table are for COCO with ASL."""

# -- settings -------------------------------------------------------------------------------------

METHODS = ("Supervised", "Top-1", "Top-k", "IAT", "CAP", "CAP, true proportions", "True labels")
RULES = ("Top-1", "Top-k", "IAT")
"""The instance-aware rules."""

LARGE_LOSS = ("LL-R", "LL-Ct", "LL-Cp")
SHARES = {"quick": (0.05, 0.10, 0.15, 0.20), "paper": (0.05, 0.10, 0.15, 0.20), "smoke": (0.1, 0.2)}
"""Labelled shares, by profile."""

STRENGTHS = {"quick": (0.1, 0.3, 0.6), "paper": (3, 9, 15), "smoke": (0.3, 0.6)}
"""For the study of the strong view: its noise; for photographs the magnitude of RandAugment."""

ASL = {"focus_positive": 0.0, "focus_negative": 4.0, "margin": 0.05}
BCE = {"focus_positive": 0.0, "focus_negative": 0.0, "margin": 0.0}
WEAK, STRONG = 0.05, 0.3
"""Noise of the two views of a scene, beside that of the scene itself."""

TOP_K = {"voc2012": 2, "coco2014": 3, "nuswide": 2}
"""k of the authors' warm-up script; elsewhere the mean number of labels, rounded."""

POSITIVE_SHARE = {"scenes": 0.28, "voc2012": 0.073, "coco2014": 0.036, "nuswide": 0.023}
"""Share of positives among all labels: what the large-loss schemes should have found at the end."""


def base_spec(
    chapter: Setting, share: float, seed: int = 0, dataset: str = "coco2014", loss: str = "ASL"
) -> Spec:
    """CAP at one labelled share; all other runs vary it.

    Args:
        chapter: gives profile and device.
        share: labelled share of the training images.
        seed: of everything random.
        dataset: of the paper profile: ``"voc2012"``, ``"coco2014"`` or ``"nuswide"``.
        loss: ``"ASL"`` or ``"BCE"``, of both stages.
    """
    settings = {"ASL": ASL, "BCE": BCE}[loss]
    if chapter.profile == "paper":
        return _paper_spec(chapter, share, seed, dataset, settings)
    labelled = round(80 * share)
    scenes = {
        "train": 3000,
        "val": 500,
        "test": 1000,
        "grid": 8,
        "max_digits": 5,
        "class_weights": tail_weights(seed),
        "noise": 0.3,
        "intensity": (1.0, 1.0),
        "pools": (("pretrain", 0), ("train", 900), ("val", 297), ("test", 600)),
    }
    quick = Spec(
        "CAP",
        options(warm_up=0, **settings),
        seed=seed,
        data_options=options(**scenes),
        annotation="labelled share",
        annotation_options=options(share=share),
        network_options=options(stride=8, batch_norm=False, pool="max"),
        warm_up=Stage(
            options(**settings),
            epochs=60,
            batch_size=warm_up_batch(share),
            optimiser=OptimiserSpec("adamw", lr=3e-3, weight_decay=1e-4, warm_up=0.2),
            evaluate_every=60,
            hand_over="current",
        ),
        weak=(("noise", WEAK),),
        strong=(("noise", STRONG),),
        decay=0.99,
        epochs=12,
        batch_size=64 - labelled,
        labelled_batch=labelled,
        optimiser=OptimiserSpec("adamw", lr=1e-3, weight_decay=1e-4, warm_up=0.2),
        evaluate_every=4,
        device=chapter.device,
    )
    if chapter.profile == "quick":
        return quick
    return replace(
        quick,
        data_options=options(**scenes | {"train": 200, "val": 60, "test": 60}),
        warm_up=replace(quick.warm_up, epochs=2),
        epochs=2,
        evaluate_every=1,
    )


def _paper_spec(
    chapter: Setting, share: float, seed: int, dataset: str, settings: Mapping[str, float]
) -> Spec:
    """The authors' settings, from their code."""
    optimiser = OptimiserSpec("adamw", lr=1e-4, weight_decay=1e-4, warm_up=0.2, cycle_epochs=40)
    halved = 2 if dataset == "voc2012" else 1
    labelled = round(80 * share)
    return Spec(
        "CAP",
        options(warm_up=0, **settings),
        seed=seed,
        dataset=dataset,
        data_root=chapter.data_root,
        data_options=options(resolution=224),
        annotation="labelled share",
        annotation_options=options(share=share),
        network="resnet50",
        network_options=options(pretrained=True),
        warm_up=Stage(
            options(**settings),
            epochs=12,
            batch_size=warm_up_batch(share),
            optimiser=optimiser,
            strong=(("flip",), ("rand_augment",)),
            hand_over="average" if dataset == "nuswide" else "current",
        ),
        weak=(("flip",),),
        strong=(("flip",), ("cutout", 0.5, None), ("rand_augment",)),
        decay=0.9997,
        epochs=28,
        batch_size=(64 - labelled) // halved,
        labelled_batch=labelled // halved,
        optimiser=optimiser,
        device=chapter.device,
    )


def warm_up_batch(share: float) -> int:
    """16 images at 5 % labelled, 64 at 20 %: the number of steps stays, as in the authors' code."""
    return 16 * max(1, round(20 * share))


def vary(base: Spec, name: str) -> Spec:
    """The same run with a method of the tables, by the name used there."""
    settings = tuple(item for item in base.method_options if item[0] != "warm_up")
    if name == "Supervised":
        return replace(base, method="Annotated", method_options=settings, labelled_only=True)
    if name in LARGE_LOSS:
        rate = POSITIVE_SHARE[base.dataset] / max(base.epochs - 1, 1)
        return replace(base, method=name, method_options=options(rate=round(rate, 6)))
    if name in ("Top-1", "Top-k"):
        k = 1 if name == "Top-1" else TOP_K.get(base.dataset)
        chosen = () if k is None else (("k", k),)
        return replace(base, method="Top-k", method_options=base.method_options + chosen)
    return replace(base, method=name)


def with_strength(spec: Spec, strength: float) -> Spec:
    """The same run with another strength of the strong view, in both stages (see ``STRENGTHS``)."""

    def changed(steps: Steps) -> Steps:
        dials = {"noise": (strength,), "rand_augment": (2, strength)}
        return tuple((name, *dials.get(name, rest)) for name, *rest in steps)

    first = spec.warm_up
    return replace(
        spec,
        strong=changed(spec.strong),
        warm_up=replace(first, strong=changed(first.strong)) if first.strong else first,
    )


def table_cells(shares: Sequence[float]) -> list[tuple[str, float]]:
    """(method, share) of the main table: everything at the two lowest shares, less above."""
    cells = [(name, share) for share in shares[:2] for name in METHODS]
    return cells + [(name, share) for share in shares[2:] for name in ("Supervised", "IAT", "CAP")]


def table_specs(
    chapter: Setting, cells: Sequence[tuple[str, float]], seeds: Sequence[int], **kind: str
) -> list[Spec]:
    """One spec per seed and (method, share), seeds outermost so that scenes are drawn once."""
    return [
        vary(base_spec(chapter, share, seed, **kind), name)
        for seed in seeds
        for name, share in cells
    ]


def by_cell(
    records: Sequence[Record], cells: Sequence[tuple], seeds: Sequence[int]
) -> dict[tuple, list[Record]]:
    """Records in the order of ``table_specs``, by cell, one per seed."""
    table = [records[i * len(cells) : (i + 1) * len(cells)] for i in range(len(seeds))]
    return {cell: [row[j] for row in table] for j, cell in enumerate(cells)}


# -- tables ---------------------------------------------------------------------------------------


def long_table(groups: Mapping[tuple[str, float], Sequence[Record]]) -> pd.DataFrame:
    """Long frame (method, labelled, moment, seed, mAP)."""
    rows = [
        {"method": name, "labelled": percent(share), "moment": moment, "seed": i, "mAP": value}
        for (name, share), runs in groups.items()
        for moment in ("last", "best")
        for i, value in enumerate(mean_ap(runs, moment))
    ]
    return pd.DataFrame(rows)


def percent(share: float) -> str:
    """``0.05`` as ``"5 %"``."""
    return f"{100 * share:g} %"


def curves(runs: Sequence[Record], name: str) -> np.ndarray:
    """One measure of ``two_stage.quality`` over the epochs, ``(seeds, epochs)``."""
    return np.stack([quality(record["tally"])[name] for record in runs])


def positives_by_class(record: Record) -> np.ndarray:
    """``(C, 2)``: pseudo positives in the last epoch and true positives, per class."""
    counts = record["tally"][-1]
    return np.stack([counts[:, 1, 1].sum(-1), counts[..., 1].sum((1, 2))], 1)


def validation(runs: Sequence[Record]) -> float:
    """Validation mAP (%) after the last epoch, mean over runs: what a choice may look at."""
    return float(np.mean([record["val_ap"][-1].mean() for record in runs]))


def warmed_up(record: Record, spec: Spec) -> dict[str, torch.Tensor]:
    """What the second stage starts from, on the unannotated training images.

    Args:
        record: of ``two_stage.warm_up``.
        spec: the run whose first stage it is.

    Returns:
        ``logits`` ``(M, C)`` of the averaged weights on clean images, ``truth`` ``(M, C)`` and
        ``proportions`` ``(C,)``, estimated on the annotated images.
    """
    truth = load_splits(spec).train.y
    observed = torch.from_numpy(annotate(spec, truth.numpy()))
    rows = (observed == 0).all(1)
    return {
        "logits": two_stage.warmed_up(record, spec)[rows],
        "truth": truth[rows],
        "proportions": class_proportions(observed),
    }


# -- class proportions ----------------------------------------------------------------------------


def proportions(spec: Spec) -> dict[str, np.ndarray]:
    """Proportions of the classes: ``estimated`` on the labelled rows, ``true`` on the others."""
    truth = load_splits(spec).train.y
    observed = torch.from_numpy(annotate(spec, truth.numpy()))
    unlabelled = (observed == 0).all(1)
    return {
        "estimated": class_proportions(observed).numpy(),
        "true": (truth[unlabelled] == 1).double().mean(0).numpy(),
        "rows": np.array(int((~unlabelled).sum())),
    }


def proportion_frame(
    chapter: Setting, shares: Sequence[float], seeds: Sequence[int]
) -> pd.DataFrame:
    """How close the estimates come: one line per share and seed, in percent points."""
    rows = []
    for seed in seeds:
        for share in shares:
            found = proportions(base_spec(chapter, share, seed))
            gap = np.abs(found["estimated"] - found["true"])
            rows.append(
                {
                    "labelled": percent(share),
                    "images": int(found["rows"]),
                    "seed": seed,
                    "mean gap": 100 * gap.mean(),
                    "largest gap": 100 * gap.max(),
                    "bound": 100 * hoeffding_bound(int(found["rows"]), len(gap)),
                    "correlation": np.corrcoef(found["estimated"], found["true"])[0, 1],
                }
            )
    return pd.DataFrame(rows)


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


# -- figures --------------------------------------------------------------------------------------

COLOURS = dict(
    zip(
        ("CAP", "Top-1", "Top-k", "IAT", "Supervised", "True labels", "CAP, true proportions"),
        (*figures.PALETTE[:6], figures.PALETTE[7]),
        strict=True,
    )
)


def draw_decisions(
    ax: Axes, scores: np.ndarray, labels: np.ndarray, truth: np.ndarray, lines: str
) -> None:
    """Scores of a few images (rows) and classes (columns), with the positives of a rule.

    Args:
        ax: where to draw.
        scores: ``(M, C)`` in [0, 1].
        labels: ``(M, C)`` bool, marked by a ring, or by a cross if it is wrong.
        truth: ``(M, C)`` in {0, 1}; a missed positive is marked by a diamond.
        lines: ``"rows"`` or ``"columns"``: what the rule looks at together.
    """
    ax.imshow(scores, cmap="Greys", vmin=0, vmax=2, aspect="auto")  # light, so that marks show
    marks = {
        "positive, right": (labels & (truth == 1), "o", figures.PALETTE[0]),
        "positive, wrong": (labels & (truth == 0), "X", figures.PALETTE[1]),
        "missed": (~labels & (truth == 1), "D", figures.PALETTE[6]),
    }
    for name, (mask, marker, colour) in marks.items():
        row, column = np.nonzero(mask)
        face = colour if marker == "X" else "none"
        ax.scatter(column, row, marker=marker, s=38, fc=face, ec=colour, lw=1.6, label=name)
    edges = np.arange(scores.shape[0 if lines == "rows" else 1] + 1) - 0.5
    for edge in edges:
        (ax.axhline if lines == "rows" else ax.axvline)(edge, color="#888888", lw=0.8)
    ax.set(xlabel="class", ylabel="image")
    ax.set_xticks(range(scores.shape[1]))
    ax.set_yticks([])
    ax.grid(False)


def draw_shares(ax: Axes, runs: Mapping[str, Record]) -> None:
    """Share of pseudo positives per class in the last epoch, classes sorted by their true share."""
    tables = {name: positives_by_class(record) for name, record in runs.items()}
    rows = {name: record["tally"][-1].sum((1, 2, 3)) for name, record in runs.items()}
    for marker, (name, table) in zip("oXs^", tables.items(), strict=False):
        order = np.argsort(-table[:, 1], kind="stable")
        share = 100 * table / rows[name][:, None]
        ax.plot(
            share[order, 0], marker, ls=":", lw=1, ms=5, color=COLOURS[name], label=name, zorder=3
        )
    ax.plot(share[order, 1], "k-", lw=1.8, label="truth")
    ax.set_xticks(range(len(order)), order if len(order) <= 20 else [""] * len(order))
    ax.set(xlabel="class, by true frequency", ylabel="positives (% of the images)")
    ax.legend()


def draw_counts(ax: Axes, runs: Mapping[str, Record]) -> None:
    """Pseudo positives against true positives, one mark per class and rule."""
    for marker, (name, record) in zip("oXs^", runs.items(), strict=False):
        found, wanted = positives_by_class(record).T
        ax.scatter(wanted, found, marker=marker, s=34, color=COLOURS[name], label=name, alpha=0.9)
    limit = max(line for line in ax.axis())
    ax.plot([0, limit], [0, limit], color="#888888", ls=":", lw=1)
    ax.set(xlabel="true positives of the class", ylabel="pseudo positives of the class")
    ax.legend()
