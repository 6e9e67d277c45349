"""The experiments of the chapter on *Acknowledging the Unknown* (Zhou et al., ECCV 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from chapters.acknowledging_the_unknown import landscape
from chapters.acknowledging_the_unknown.figures import Example
from weaklabels import models
from weaklabels.lab.multilabel import (
    Spec,
    annotate,
    load_splits,
    make_method,
    mean_ap_at,
    restore,
    run,
)
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record
from weaklabels.lab.sweep import remember
from weaklabels.metrics import class_wasserstein, mean_average_precision
from weaklabels.press.claims import mean_std
from weaklabels.seeding import torch_rng
from weaklabels.train import OptimiserSpec

# -- published numbers ----------------------------------------------------------------------------

COLUMNS = ("VOC", "COCO", "NUS", "CUB")
_TABLE = {
    "BCE, all P & all N": ((89.42, 0.27), (76.78, 0.13), (52.08, 0.20), (30.90, 0.64)),
    "BCE, 1 P & all N": ((87.60, 0.31), (71.39, 0.19), (46.45, 0.27), (20.65, 1.11)),
    "AN": ((85.89, 0.38), (64.92, 0.19), (42.27, 0.56), (18.31, 0.47)),
    "DW": ((86.98, 0.36), (67.59, 0.11), (45.71, 0.23), (19.15, 0.56)),
    "L1R": ((85.97, 0.31), (64.44, 0.20), (42.15, 0.46), (17.59, 1.82)),
    "L2R": ((85.96, 0.36), (64.41, 0.24), (42.72, 0.12), (17.71, 1.79)),
    "LS": ((87.90, 0.21), (67.15, 0.13), (43.77, 0.29), (16.26, 0.45)),
    "N-LS": ((88.12, 0.32), (67.15, 0.10), (43.86, 0.54), (16.82, 0.42)),
    "EntMin": ((53.16, 2.81), (32.52, 5.55), (19.38, 3.64), (13.08, 0.15)),
    "Focal": ((87.59, 0.58), (68.79, 0.14), (47.00, 0.14), (19.80, 0.30)),
    "ASL": ((87.76, 0.51), (68.78, 0.32), (46.93, 0.30), (18.81, 0.48)),
    "ROLE": ((87.77, 0.22), (67.04, 0.19), (41.63, 0.35), (13.66, 0.24)),
    "ROLE+LI": ((88.26, 0.21), (69.12, 0.13), (45.98, 0.26), (14.86, 0.72)),
    "EM": ((89.09, 0.17), (70.70, 0.31), (47.15, 0.11), (20.85, 0.42)),
    "EM+APL": ((89.19, 0.31), (70.87, 0.23), (47.59, 0.22), (21.84, 0.34)),
}
ROWS = tuple(_TABLE)
PUBLISHED = pd.DataFrame(
    {row: [mean for mean, _ in cells] for row, cells in _TABLE.items()}, index=COLUMNS
).T
PUBLISHED_STD = pd.DataFrame(
    {row: [std for _, std in cells] for row, cells in _TABLE.items()}, index=COLUMNS
).T
"""Test mAP (%), mean and std. Source: benchmark slide of the authors, same on their poster."""

MLML_PUBLISHED = pd.DataFrame(
    {
        "BCE (Ign.)": (78.5, 86.2, 89.1),
        "BCE (Neg.)": (np.nan, 81.1, 87.9),
        "EM": (79.4, 86.8, 89.2),
        "EM+APL": (80.8, 86.9, 89.1),
    },
    index=(0.2, 0.5, 0.8),
)
"""mAP (%) read off the plotted points of the authors' poster, ± 0.1; NaN: below the axis (78.2)."""

ORACLES = ROWS[:2]
SIMPLE = ("DW", "L1R", "L2R", "LS", "N-LS")
OTHERS = ("Focal", "ASL", "ROLE", "ROLE+LI")
RATES = (0.2, 0.5, 0.8)

# -- settings -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings:
    """The choices that the rows of the table need.

    Attributes:
        alpha: weight of the entropy (EM, EM+APL).
        beta, warm_up, share: of EM+APL.
        down_weight: of an assumed negative (DW).
        l1, l2: strength of the penalties (L1R, L2R).
        smoothing, negative_smoothing: of LS and N-LS.
        entropy_weight: of EntMin.
        focus: of the focal loss.
        asl_focus: on the negatives of ASL.
    """

    alpha: float
    beta: float
    warm_up: int
    share: float = 0.9
    down_weight: float = 0.1
    l1: float = 1e-6
    l2: float = 1e-5
    smoothing: float = 0.1
    negative_smoothing: float = 0.1
    entropy_weight: float = 0.1
    focus: float = 2.0
    asl_focus: float = 4.0


@dataclass(frozen=True)
class Benchmark:
    """A dataset with the settings of its runs.

    Attributes:
        name: in tables; one of ``COLUMNS`` where the authors published numbers.
        base: the AN run that all others vary.
        settings: of the methods.
        mlml_epochs: length of the runs with missing labels.
    """

    name: str
    base: Spec
    settings: Settings
    mlml_epochs: int


SCENES = options(
    colours=3,
    canvas=24,
    grid=8,
    first_class_weight=6.0,
    intensity=(1.0, 1.0),
    noise=0.15,
    train=2000,
    val=500,
    test=1000,
    pools=(("train", 1000), ("val", 300), ("test", 497)),
)
"""Scenes of 30 classes (ten digits, three colours); the first is six times as frequent."""

NETWORK = options(channels=3, width=96, patch=8, stride=8, batch_norm=False, pool="max")

SCENE_SETTINGS = Settings(
    alpha=0.1,
    beta=0.9,
    warm_up=15,
    down_weight=0.1,
    l1=1e-6,
    l2=1e-5,
    smoothing=0.1,
    negative_smoothing=0.5,
    entropy_weight=0.001,
    focus=2.0,
    asl_focus=8.0,
)
"""Chosen on validation scenes of other seeds: see ``acknowledging_the_unknown_study``."""

PAPER_SETTINGS = {
    "VOC": ("voc2012", 8, 1e-5, Settings(alpha=0.2, beta=0.02, warm_up=5)),
    "COCO": ("coco2014", 16, 1e-5, Settings(alpha=0.1, beta=0.9, warm_up=5)),
    "NUS": ("nuswide", 16, 1e-5, Settings(alpha=0.1, beta=0.2, warm_up=4)),
    "CUB": ("cub", 8, 1e-4, Settings(alpha=0.01, beta=0.4, warm_up=3)),
}
"""Loader, batch size, learning rate and the authors' alpha, beta and warm-up (official code)."""


def benchmarks(chapter: Setting) -> list[Benchmark]:
    """The benchmarks of the profile; the first is the one that the figures show."""
    scenes = Spec(
        "AN",
        dataset="scenes",
        data_options=SCENES,
        network="patch_net",
        network_options=NETWORK,
        epochs=20,
        batch_size=32,
        optimiser=OptimiserSpec("adam", lr=2e-3),
        device=chapter.device,
    )
    if chapter.profile == "quick":
        return [Benchmark("scenes", scenes, SCENE_SETTINGS, mlml_epochs=12)]
    if chapter.profile == "smoke":
        small = dict(SCENES) | {"train": 96, "val": 40, "test": 40}
        tiny = replace(scenes, data_options=options(**small), epochs=2)
        return [Benchmark("scenes", tiny, replace(SCENE_SETTINGS, warm_up=1), mlml_epochs=2)]
    photographs = _photographs(chapter)
    return [*photographs, *(_frozen(benchmark) for benchmark in photographs)]


def _photographs(chapter: Setting) -> list[Benchmark]:
    """The paper's four datasets, end to end, with the settings of its code.

    The split and the one label that is kept are drawn with seed 1200 and a run's seed.
    """
    return [
        Benchmark(
            name,
            Spec(
                "AN",
                dataset=dataset,
                data_root=chapter.data_root,
                data_options=options(resolution=448, seed=1200),
                network="resnet50",
                network_options=options(pretrained=True, normalise=True),
                linear_lr=1e-3,
                epochs=10,
                batch_size=batch,
                optimiser=OptimiserSpec("adam", lr=rate),
                augment=(("flip",),),
                device=chapter.device,
                checkpoint=True,
            ),
            settings,
            mlml_epochs=10,
        )
        for name, (dataset, batch, rate, settings) in PAPER_SETTINGS.items()
    ]


def _frozen(benchmark: Benchmark) -> Benchmark:
    """The linear protocol of Cole et al.: 25 epochs of one layer on features extracted once."""
    warm_up = benchmark.settings.warm_up * 25 // benchmark.base.epochs
    return Benchmark(
        f"{benchmark.name}, frozen features",
        replace(
            benchmark.base,
            frozen=True,
            augment=(),
            epochs=25,
            batch_size=16,
            optimiser=OptimiserSpec("adam", lr=1e-3),
            checkpoint=False,
        ),
        replace(benchmark.settings, warm_up=warm_up),
        mlml_epochs=25,
    )


def vary(benchmark: Benchmark, row: str) -> Spec:
    """The run behind a row of the table (seed 0).

    Raises:
        KeyError: if the table has no such row.
    """
    chosen, base = benchmark.settings, benchmark.base
    apl = {"beta": chosen.beta, "share": chosen.share, "epochs": base.epochs}
    method, own = {
        "BCE, all P & all N": ("IU", {}),
        "BCE, 1 P & all N": ("IU", {}),
        "positives only": ("IU", {}),
        "AN": ("AN", {}),
        "DW": ("WAN", {"weight": chosen.down_weight}),
        "L1R": ("L1R", {"weight": chosen.l1}),
        "L2R": ("L2R", {"weight": chosen.l2}),
        "LS": ("LSAN", {"smoothing": chosen.smoothing}),
        "N-LS": ("LSAN", {"smoothing": chosen.negative_smoothing, "negatives_only": True}),
        "EntMin": ("EntMin", {"alpha": chosen.entropy_weight}),
        "Focal": ("Focal", {"focus": chosen.focus}),
        "ASL": ("ASL", {"focus_negative": chosen.asl_focus}),
        "ROLE": ("ROLE", {}),
        "ROLE+LI": ("ROLE", {}),
        "EM": ("EM", {"alpha": chosen.alpha}),
        "EM+APL": ("EM+APL", {"alpha": chosen.alpha, "warm_up": chosen.warm_up, **apl}),
    }[row]
    annotation = {
        "BCE, all P & all N": "full",
        "BCE, 1 P & all N": "single positive, all negatives",
    }.get(row, "single positive")
    return replace(
        base,
        method=method,
        method_options=options(**own),
        annotation=annotation,
        linear_init=row == "ROLE+LI" and not base.frozen,
    )


def with_options(spec: Spec, **changes: Any) -> Spec:
    """The same run with some of the method's options changed."""
    return replace(spec, method_options=options(**(dict(spec.method_options) | changes)))


TRACKED = ("annotated_loss", "train_scores", "val_scores", "test_scores", "weights")


def table_specs(benchmark: Benchmark, *, track: bool) -> dict[str, Spec]:
    """All rows of the benchmark table; with ``track`` AN and EM record what the figures need."""
    specs = {row: vary(benchmark, row) for row in ROWS}
    if track:
        for row in ("AN", "EM"):
            specs[row] = replace(specs[row], track=TRACKED)
        specs["EM+APL"] = replace(specs["EM+APL"], track=("modified",))
    return specs


def mlml_specs(benchmark: Benchmark, rate: float) -> dict[str, Spec]:
    """The four methods of the missing-label experiment at one annotated label rate."""
    short = replace(
        benchmark,
        base=replace(benchmark.base, epochs=benchmark.mlml_epochs),
        settings=replace(benchmark.settings, warm_up=max(1, benchmark.mlml_epochs // 2)),
    )
    rows = {"BCE (Ign.)": "positives only", "BCE (Neg.)": "AN", "EM": "EM", "EM+APL": "EM+APL"}
    return {
        name: replace(
            vary(short, row), annotation="fraction", annotation_options=options(rate=rate)
        )
        for name, row in rows.items()
    }


# -- tables ---------------------------------------------------------------------------------------


def mean_ap(runs: Sequence[Record], moment: str = "best") -> np.ndarray:
    """Test mAP (%) of each run at the ``"best"`` validation epoch or the ``"last"``."""
    return np.array([mean_ap_at(record, moment) for record in runs])


def validation(runs: Sequence[Record]) -> float:
    """Best validation mAP (%), mean over runs: what a choice may look at."""
    return float(np.mean([record["val_ap"].mean(1).max() for record in runs]))


def benchmark_table(groups: dict[str, dict[str, list[Record]]]) -> pd.DataFrame:
    """Ours at the best and the last epoch next to the published columns, as ready text.

    Args:
        groups: benchmark name -> row -> runs.
    """
    columns = {}
    for name, rows in groups.items():
        for moment in ("best", "last"):
            columns["here", f"{name}, {moment}"] = {
                row: mean_std(mean_ap(runs, moment)) for row, runs in rows.items()
            }
    for column in COLUMNS:
        columns["published", column] = {
            row: f"{PUBLISHED.loc[row, column]:.1f} ± {PUBLISHED_STD.loc[row, column]:.1f}"
            for row in ROWS
        }
    return pd.DataFrame(columns).loc[list(ROWS)]


def displaced(ours: pd.Series, published: pd.Series, steps: int = 3) -> pd.DataFrame:
    """Rows whose rank (1 is best) differs by ``steps`` or more from the published one."""
    ranks = pd.DataFrame(
        {
            "rank here": ours.rank(ascending=False),
            "rank published": published[ours.index].rank(ascending=False),
        }
    ).astype(int)
    return ranks[(ranks["rank here"] - ranks["rank published"]).abs() >= steps]


def f1_table(benchmark: Benchmark, groups: dict[str, list[Record]]) -> pd.DataFrame:
    """Micro-F1 (%) on test at thresholds 0.5, 0.75 and the best one on validation."""
    rows = {}
    for name, runs in groups.items():
        scores: dict[str, list[float]] = {"0.5": [], "0.75": [], "chosen on validation": []}
        for record in runs:
            spec = replace(benchmark.base, seed=record.spec.seed)
            splits = load_splits(spec)
            val, test = splits.val.y.numpy() == 1, splits.test.y.numpy() == 1
            p_val, p_test = sigmoid(record["val_scores_best"]), sigmoid(record["test_scores_best"])
            grid = np.linspace(0.02, 0.98, 49)
            best = grid[np.argmax([micro_f1(p_val > t, val) for t in grid])]
            for key, threshold in zip(scores, (0.5, 0.75, best), strict=True):
                scores[key].append(100 * micro_f1(p_test > threshold, test))
        rows[name] = {f"threshold {key}": mean_std(values) for key, values in scores.items()}
    return pd.DataFrame(rows).T


def micro_f1(predicted: np.ndarray, truth: np.ndarray) -> float:
    """F1 over all (image, class) pairs; 0 if nothing is true or predicted."""
    total = predicted.sum() + truth.sum()
    return float(2 * (predicted & truth).sum() / total) if total else 0.0


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Probabilities, float64."""
    return torch.sigmoid(torch.from_numpy(logits).double()).numpy()


# -- what the network thinks of unannotated labels ------------------------------------------------


@dataclass(frozen=True)
class Unannotated:
    """Training labels and predictions of one run at its best validation epoch.

    Attributes:
        p: ``(N, C)`` probabilities.
        positive, negative: ``(N, C)`` bool, the unannotated entries by their truth.
    """

    p: np.ndarray
    positive: np.ndarray
    negative: np.ndarray

    def wasserstein(self) -> np.ndarray:
        """W1 distance per class between the two kinds, NaN where a class lacks one of them."""
        return class_wasserstein(self.p, self.positive, self.positive | self.negative)

    def medians(self) -> tuple[float, float]:
        """Median probability of unannotated positives and of unannotated negatives."""
        return float(np.median(self.p[self.positive])), float(np.median(self.p[self.negative]))

    def of_class(self, c: int) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities of class ``c`` for its unannotated positives and negatives."""
        p = self.p[:, c]
        return p[self.positive[:, c]], p[self.negative[:, c]]


def unannotated(benchmark: Benchmark, record: Record) -> Unannotated:
    """Predictions of a tracked run on the training labels that nobody gave."""
    truth, observed = training_labels(replace(benchmark.base, seed=record.spec.seed))
    unknown = observed == 0
    p = sigmoid(record["train_scores_best"])
    return Unannotated(p, unknown & (truth == 1), unknown & (truth == 0))


def training_labels(spec: Spec) -> tuple[np.ndarray, np.ndarray]:
    """Truth and observed labels of the training set, ``(N, C)``."""
    truth = load_splits(spec).train.y.numpy()
    return truth, annotate(spec, truth)


def annotated_loss_curve(runs: Sequence[Record], steps: int = 10) -> np.ndarray:
    """Mean loss (nats) of annotated labels over windows of ``steps`` steps, ``(runs, windows)``."""
    curves = np.stack([record["annotated_loss"] for record in runs])
    steps = min(steps, curves.shape[1])
    windows = curves.shape[1] // steps
    return np.nanmean(curves[:, : windows * steps].reshape(len(runs), windows, steps), 2)


def annotated_loss_by_epoch(runs: Sequence[Record], epochs: int) -> np.ndarray:
    """Mean loss (nats) of annotated labels in every epoch, ``(runs, epochs)``."""
    curves = np.stack([record["annotated_loss"] for record in runs])
    return np.nanmean(curves.reshape(len(runs), epochs, -1), 2)


def examples(
    benchmark: Benchmark,
    runs: dict[str, Record],
    part: str,
    count: int,
    wanted: tuple[int, int] = (3, 4),
) -> list[Example]:
    """The first ``count`` images of a part with so many true labels, and what was predicted.

    Args:
        benchmark: whose base spec made the data.
        runs: method -> tracked run, all of one seed.
        part: ``"train"`` or ``"test"``.
        count: of images.
        wanted: smallest and largest number of true labels.
    """
    spec = replace(benchmark.base, seed=next(iter(runs.values())).spec.seed)
    splits = load_splits(spec)
    split = getattr(splits, part)
    truth = split.y.numpy()
    observed = training_labels(spec)[1] if part == "train" else np.zeros_like(truth)
    total = truth.sum(1)
    rows = np.flatnonzero((total >= wanted[0]) & (total <= wanted[1]))[:count]
    p = {name: sigmoid(record[f"{part}_scores_best"]) for name, record in runs.items()}
    found = []
    for row in rows:
        labels = np.flatnonzero(truth[row])
        boxes = {} if split.boxes is None else {
            c: tuple(box) for image, c, *box in split.boxes.tolist() if image == row
        }  # fmt: skip
        found.append(
            Example(
                f"{part} {row}",
                split.x[row].numpy(),
                [splits.classes[c] for c in labels],
                [bool(observed[row, c] == 1) for c in labels],
                {name: values[row, labels] for name, values in p.items()},
                [boxes[c] for c in labels if c in boxes],
            )
        )
    return found


# -- pseudo-labels --------------------------------------------------------------------------------


def pseudo_label_quality(benchmark: Benchmark, record: Record) -> pd.DataFrame:
    """Per epoch of an EM+APL run: share of unknown labels with a pseudo-label, and its errors.

    ``wrong`` is the share (%) of hidden positives among all pseudo-labels given so far, ``hidden``
    the share (%) of all hidden positives that have been given one.
    """
    truth, observed = training_labels(replace(benchmark.base, seed=record.spec.seed))
    labelled = np.unpackbits(record["modified"], axis=2, count=truth.shape[1]).astype(bool)
    unknown = observed == 0
    positive = unknown & (truth == 1)
    count = labelled.sum((1, 2))
    wrong = (labelled & positive).sum((1, 2))
    return pd.DataFrame(
        {
            "epoch": np.arange(1, len(labelled) + 1),
            "labelled": 100 * count / unknown.sum(),
            "wrong": np.where(count > 0, 100 * wrong / np.maximum(count, 1), np.nan),
            "hidden": 100 * wrong / positive.sum(),
        }
    )


# -- loss landscapes ------------------------------------------------------------------------------


@dataclass(frozen=True)
class LandscapeSpec:
    """A surface around the weights of a tracked run, at its best validation epoch.

    Attributes:
        run: the run, with ``"weights"`` among what it tracks.
        points: grid points along each direction.
        images: training images it is measured on.
        device: where to compute.
    """

    run: Spec
    points: int = 21
    images: int = 500
    device: str = "cpu"

    def code(self) -> list[Any]:
        """What the run depends on besides what reading its function shows."""
        return self.run.code()


MEASURES = ("own loss", "BCE with true labels")
DISTANCES = (0.2, 0.6, 1.0)


def loss_landscape(spec: LandscapeSpec) -> dict[str, Any]:
    """Own training loss, BCE with the true labels, and mAP on a plane through trained weights.

    The two directions are Gaussian and filter-normalised, drawn with the run's seed, so that AN
    and EM of one seed share the draw before normalisation.

    Returns:
        ``steps`` ``(G,)`` and ``values`` ``(G, G, 2)`` in nats, measures as in ``MEASURES``; the
        mAP (%) on a coarser grid, ``map_steps`` and ``map``.
    """
    splits = load_splits(spec.run)
    truth = splits.train.y[: spec.images]
    observed = torch.from_numpy(annotate(spec.run, splits.train.y.numpy())).to(spec.device)
    x = splits.train.x[: spec.images].to(spec.device)
    model = models.build(
        spec.run.network, len(splits.classes), seed=0, **dict(spec.run.network_options)
    ).to(spec.device)
    restore(model, remember(run, spec.run), "best")
    method = make_method(spec.run, observed[: spec.images], splits.train.y)
    rows = torch.arange(len(x), device=spec.device)
    target = truth.float().to(spec.device)

    def own(logits: Tensor) -> float:
        return float(method.loss(logits, rows))

    def common(logits: Tensor) -> float:
        return float(F.binary_cross_entropy_with_logits(logits, target))

    generator = torch_rng(spec.run.seed, "landscape")
    first, second = (landscape.random_direction(model, generator) for _ in range(2))
    steps = np.round(np.linspace(-1, 1, spec.points), 6)
    values = landscape.surface(model, x, (own, common), first, second, steps)
    coarse = np.array([*(-d for d in reversed(DISTANCES)), 0.0, *DISTANCES])

    def ranking(logits: Tensor) -> float:
        return mean_average_precision(logits.cpu(), truth)

    return {
        "steps": steps,
        "values": values,
        "map_steps": coarse,
        "map": landscape.surface(model, x, (ranking,), first, second, coarse),
    }


def rises(record: Record) -> np.ndarray:
    """Rise of both losses over the centre (nats) and fall of the mAP (points) along the axes.

    Returns:
        ``(distances, 3)``, distances as in ``DISTANCES``.
    """
    losses = [landscape.rise(record["values"], record["steps"], d) for d in DISTANCES]
    falls = [-landscape.rise(record["map"], record["map_steps"], d) for d in DISTANCES]
    return np.concatenate([losses, falls], 1)
