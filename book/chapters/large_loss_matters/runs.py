"""The experiments of the chapter on *Large Loss Matters* (Kim et al., CVPR 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from weaklabels.lab.multilabel import Pretraining, Spec, annotate, load_splits, mean_ap_at
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record
from weaklabels.metrics import separation_auc
from weaklabels.press import style as figures
from weaklabels.train import OptimiserSpec

# -- published numbers ----------------------------------------------------------------------------

TABLE_1 = pd.DataFrame(
    [
        ("VOC", 88.3, 90.7, 23.8),
        ("COCO", 64.0, 82.6, 17.3),
    ],
    columns=["data", "TP", "TN", "FN"],
).set_index("data")
"""Share (%) of labels whose highest loss falls in epoch 1. Source: the authors' slides, poster."""

COLUMNS = ("VOC", "COCO", "NUS", "CUB")
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
    index=pd.MultiIndex.from_product([["end to end", "linear init"], COLUMNS]),
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

# -- settings -------------------------------------------------------------------------------------

LL = ("LL-R", "LL-Ct", "LL-Cp")
TABLE_METHODS = ("Full label", "Naive AN", "WAN", "LSAN", "EPR", "ROLE", *LL)

RATES = {"LL-R": 0.020, "LL-Ct": 0.010, "LL-Cp": 0.008}
"""Share of the labels per epoch, on scenes, where 15 % of all labels are false negatives."""

PAPER_RATES = {
    "voc2012": {"LL-R": 0.002, "LL-Ct": 0.002, "LL-Cp": 0.001},
    "coco2014": {"LL-R": 0.004, "LL-Ct": 0.002, "LL-Cp": 0.002},
    "nuswide": {"LL-R": 0.004, "LL-Ct": 0.002, "LL-Cp": 0.002},
    "cub": {"LL-R": 0.004, "LL-Ct": 0.004, "LL-Cp": 0.002},
}
"""The authors' choices (official repository, issue 4)."""

PAPER_OPTIMISERS = {
    "voc2012": OptimiserSpec("sgd", lr=5e-3, head_lr=5e-2, weight_decay=1e-3),
    "coco2014": OptimiserSpec("adam", lr=1e-5, head_lr=1e-4),
    "nuswide": OptimiserSpec("adam", lr=1e-5, head_lr=1e-4),
    "cub": OptimiserSpec("adam", lr=7.5e-5, head_lr=7.5e-4),
}


def base_spec(chapter: Setting) -> Spec:
    """The run that all others vary: naive AN with one positive label an image."""
    scenes = Spec(
        "AN",
        options(epsilon=0.0),
        data_options=options(pretrain=3000),
        pretraining=Pretraining(),
        epochs=15,
        batch_size=16,
        optimiser=OptimiserSpec("adam", lr=1e-3, head_lr=1e-2),
        device=chapter.device,
    )
    return chapter.choose(
        quick=scenes,
        paper=Spec(
            "AN",
            options(epsilon=0.0),
            dataset="voc2012",
            data_root=chapter.data_root,
            data_options=options(resolution=448, seed=1200),
            network="resnet50",
            network_options=options(pretrained=True, normalise=True),
            epochs=10,
            batch_size=16,
            optimiser=PAPER_OPTIMISERS["voc2012"],
            device=chapter.device,
            augment=(("flip",),),
            precision="bfloat16",
            checkpoint=True,
        ),
        smoke=replace(
            scenes,
            data_options=options(pretrain=200, train=160, val=60, test=60),
            pretraining=Pretraining(epochs=1),
            epochs=3,
        ),
    )


def vary(spec: Spec, name: str, rate: float | None = None) -> Spec:
    """The same run with a method of the tables, by the name used there."""
    if name == "Full label":
        return replace(spec, method="IU", method_options=options(epsilon=0.0), annotation="full")
    if name in LL:
        rates = PAPER_RATES.get(spec.dataset, RATES)
        chosen = rates[name] if rate is None else rate
        return replace(spec, method=name, method_options=options(rate=chosen))
    if name == "Naive AN":
        return replace(spec, method="AN", method_options=options(epsilon=0.0))
    if name == "Naive IU":
        return replace(spec, method="IU", method_options=options(epsilon=0.0))
    return replace(spec, method=name, method_options=())


def table_specs(base: Spec, methods: Sequence[str], seeds: Sequence[int]) -> list[Spec]:
    """One spec per method and seed, methods outermost.

    Where anything is tracked, the LL runs also record what they modify and at which logits.
    """
    more = ("modified", "entry_logits") if base.track else ()
    return [
        replace(
            vary(base, name), seed=seed, track=(*base.track, *more) if name in LL else base.track
        )
        for name in methods
        for seed in seeds
    ]


def by_method(
    records: Sequence[Record], methods: Sequence[str], seeds: Sequence[int]
) -> dict[str, list[Record]]:
    """Records of ``table_specs`` by method, one per seed."""
    rows = iter(records)
    return {name: [next(rows) for _ in seeds] for name in methods}


def mean_ap(runs: Sequence[Record], moment: str) -> np.ndarray:
    """Test mAP (%) of each run at the ``"best"`` validation epoch or the ``"last"``."""
    return np.array([mean_ap_at(record, moment) for record in runs])


def validation(runs: Sequence[Record]) -> float:
    """Best validation mAP (%), mean over runs: what a choice may look at."""
    return float(np.mean([record["val_ap"].mean(1).max() for record in runs]))


def pointing(runs: Sequence[Record], moment: str, *, class_mean: bool = False) -> np.ndarray:
    """Pointing-game accuracy (%) of each run: pooled over all pairs, or the mean over classes."""
    values = []
    for record in runs:
        _, label, hit = record[f"pointing_{moment}"].T
        pooled = hit.mean()
        values.append(
            np.mean([hit[label == c].mean() for c in np.unique(label)]) if class_mean else pooled
        )
    return 100 * np.array(values)


def long_table(groups: dict[str, list[Record]]) -> pd.DataFrame:
    """Long frame for the tables: method, moment, seed, mAP, and the pointing game if tracked."""
    rows = []
    for name, runs in groups.items():
        for moment in ("best", "last"):
            values = {"mAP": mean_ap(runs, moment)}
            if f"pointing_{moment}" in runs[0].values:
                values["pointing"] = pointing(runs, moment)
                values["class mean"] = pointing(runs, moment, class_mean=True)
            rows += [
                {
                    "method": name,
                    "moment": moment,
                    "seed": i,
                    **{k: v[i] for k, v in values.items()},
                }
                for i in range(len(runs))
            ]
    return pd.DataFrame(rows)


# -- memorisation ---------------------------------------------------------------------------------

COLOURS = {"FN": figures.PALETTE[1], "TN": figures.PALETTE[0], "TP": figures.PALETTE[2]}
KINDS = {"FN": "false negatives", "TN": "true negatives", "TP": "annotated positives"}


def entry_kinds(record: Record) -> dict[str, np.ndarray]:
    """Masks ``(N, C)`` of the training labels of a run: TP, TN and FN under assume-negative."""
    spec = spec_of(record)
    truth = load_splits(spec).train.y.numpy()
    observed = annotate(spec, truth)
    return {
        "TP": observed == 1,
        "FN": (observed == 0) & (truth == 1),
        "TN": (observed == 0) & (truth == 0),
    }


def spec_of(record: Record) -> Spec:
    """The part of a record's spec that decides its data and weak labels."""
    known = record.spec

    def frozen(pairs: list) -> tuple:
        return tuple((key, value) for key, value in pairs)

    return Spec(
        known["method"],
        seed=known["seed"],
        dataset=known["dataset"],
        data_options=frozen(known["data_options"]),
        data_root=known["data_root"],
        annotation=known["annotation"],
        annotation_options=frozen(known["annotation_options"]),
        train_size=known["train_size"],
    )


def entry_losses(record: Record, kinds: dict[str, np.ndarray]) -> np.ndarray:
    """Assume-negative loss of every training label when last visited, ``(epochs, N, C)``."""
    logits = record["entry_logits"].astype(np.float32)
    return np.logaddexp(0, np.where(kinds["TP"], -logits, logits))


def memorisation(records: Sequence[Record]) -> dict[str, np.ndarray]:
    """Curves over epochs, one row per run.

    Returns:
        mean training loss ``TP``, ``TN``, ``FN``, and ``AUC``, with which the loss tells false
        from true negatives; and ``first TP`` ...: share (%) of labels whose largest loss is in
        the first epoch, ``(runs,)``.
    """
    rows: dict[str, list] = {}
    for record in records:
        kinds = entry_kinds(record)
        losses = entry_losses(record, kinds)
        unknown = ~kinds["TP"]
        for kind, mask in kinds.items():
            rows.setdefault(kind, []).append(losses[:, mask].mean(1))
            first = losses[:, mask].argmax(0) == 0
            rows.setdefault(f"first {kind}", []).append(100 * first.mean())
        auc = [separation_auc(epoch[unknown], kinds["FN"][unknown]) for epoch in losses]
        rows.setdefault("AUC", []).append(auc)
    return {name: np.array(values) for name, values in rows.items()}


def single_labels(record: Record) -> dict[str, np.ndarray]:
    """Loss curves of two single labels: the FN and the TN entry of median total loss."""
    kinds = entry_kinds(record)
    losses = entry_losses(record, kinds)
    curves = {}
    for kind in ("FN", "TN"):
        entries = losses[:, kinds[kind]]
        order = np.argsort(entries.sum(0), kind="stable")
        curves[kind] = entries[:, order[len(order) // 2]]
    return curves


def draw_losses(ax: Axes, curves: dict[str, np.ndarray], kinds: Sequence[str]) -> None:
    """Mean loss by kind of label, with bands over seeds (Figure 1 of the paper, averaged)."""
    epochs = np.arange(1, curves["TN"].shape[1] + 1)
    for kind in kinds:
        figures.band(ax, epochs, curves[kind], KINDS[kind], colour=COLOURS[kind])
    figures.epoch_axis(ax)
    ax.set(ylabel="mean loss (nats)", ylim=(0, None))
    ax.legend()


# -- what the schemes modify ----------------------------------------------------------------------


def modified_entries(record: Record) -> np.ndarray:
    """Entries modified in each epoch, ``(epochs, N, C)`` bool."""
    classes = record["test_ap"].shape[1]
    return np.unpackbits(record["modified"], axis=2, count=classes).astype(bool)


def precision_curve(record: Record) -> np.ndarray:
    """Share (%) of true false negatives among the modified entries, per epoch; NaN before any."""
    kinds = entry_kinds(record)
    modified = modified_entries(record)
    count = modified.sum((1, 2))
    right = (modified & kinds["FN"]).sum((1, 2))
    return np.where(count > 0, 100 * right / np.maximum(count, 1), np.nan)


def base_rate(record: Record) -> float:
    """Share (%) of false negatives among the unannotated labels: the precision of guessing."""
    kinds = entry_kinds(record)
    return 100 * kinds["FN"].sum() / (~kinds["TP"]).sum()


def persistence(record: Record) -> np.ndarray:
    """Of the labels modified in an epoch, the share (%) modified again in the next."""
    modified = modified_entries(record)[1:]
    again = (modified[:-1] & modified[1:]).sum((1, 2))
    return 100 * again / np.maximum(modified[:-1].sum((1, 2)), 1)


def telling_scenes(record: Record, count: int) -> list[int]:
    """Scenes for the qualitative figure, by a fixed rule.

    Of the scenes with the most true labels: those with the largest share of hidden positives
    found by the last epoch, and, as the last one, the scene with most wrong corrections.
    """
    kinds = entry_kinds(record)
    last = modified_entries(record)[-1]
    hidden = kinds["FN"].sum(1)
    found = (last & kinds["FN"]).sum(1)
    wrong = (last & kinds["TN"]).sum(1)
    crowded = np.flatnonzero(hidden == hidden.max())
    best = crowded[np.lexsort((crowded, wrong[crowded], -found[crowded]))]
    return [*best[: count - 1].tolist(), int(np.argmax(wrong))]


def draw_corrections(ax: Axes, record: Record, scene: int, classes: Sequence[str]) -> None:
    """Which labels of one scene count as positive, by epoch: given, rightly or wrongly added."""
    kinds = entry_kinds(record)
    modified = modified_entries(record)[:, scene].T
    marks = {
        "given": (kinds["TP"][scene][:, None] & np.ones_like(modified), figures.PALETTE[6], "s"),
        "added, right": (modified & kinds["FN"][scene][:, None], figures.PALETTE[0], "s"),
        "added, wrong": (modified & kinds["TN"][scene][:, None], figures.PALETTE[1], "X"),
    }
    for label, (mask, colour, marker) in marks.items():
        row, epoch = np.nonzero(mask)
        ax.scatter(epoch + 1, row, color=colour, marker=marker, s=22, label=label)
    present = ~kinds["TN"][scene]
    names = [f"[{c}]" if p else c for c, p in zip(classes, present, strict=True)]
    ax.set_yticks(range(len(classes)), names)
    ax.set(xlim=(0.5, modified.shape[1] + 0.5), ylim=(len(classes) - 0.5, -0.5), xlabel="epoch")


# -- studies --------------------------------------------------------------------------------------

RATE_GRID = {
    "quick": (0.0025, 0.005, 0.010, 0.015, 0.020, 0.030, 0.060),
    "paper": (0.001, 0.002, 0.003, 0.004, 0.005),
    "smoke": (0.010, 0.060),
}
"""Rates of LL-Ct for the hyper-parameter study, by profile."""

SIZE_GRID = {
    "quick": (125, 250, 500),
    "paper": (457, 1143, 2287),
    "smoke": (80,),
}
"""Numbers of training images for the study of Figure 6, by profile; all of them come on top."""

FEWER_METHODS = ("Naive AN", "LSAN", "ROLE", "LL-Ct", "Full label")
SPARSE_METHODS = ("Naive IU", "Curriculum", "Naive AN", "WAN", "LSAN", *LL)
