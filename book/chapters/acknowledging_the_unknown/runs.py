"""What is run for the chapter on *Acknowledging the Unknown* (Zhou et al., ECCV 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from chapters.acknowledging_the_unknown.landscape import LandscapeSpec
from weaklabels.lab.multilabel import Spec
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.tuned import Tuned
from weaklabels.train import OptimiserSpec

FULL, ALL_NEGATIVES = "BCE, all P & all N", "BCE, 1 P & all N"
SIMPLE = ("DW", "L1R", "L2R", "LS", "N-LS")
OTHERS = ("Focal", "ASL", "ROLE", "ROLE+LI")
ROWS = (FULL, ALL_NEGATIVES, "AN", *SIMPLE, "EntMin", *OTHERS, "EM", "EM+APL")
"""Rows of the benchmark table."""

CHECKED = ("AN", "EM", "EM+APL")
"""The rows that the explanations, the pseudo-labels and a check need."""

REFERENCE_EPOCHS = 160

RATES = (0.2, 0.5, 0.8)
"""Shares of the labels that are annotated in the experiment with more labels."""


@dataclass(frozen=True)
class Choices:
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
        name: in tables; a published column where the authors have numbers.
        base: the AN run that all others vary.
        choices: of the methods.
        short_epochs: length of the runs with more labels.
    """

    name: str
    base: Spec
    choices: Choices
    short_epochs: int


@dataclass(frozen=True)
class Settings:
    """The settings of a profile.

    Attributes:
        benchmarks: the first is the one that the figures show.
        betas: weights of the pseudo-labels that are compared.
        points: of a loss surface, along each direction.
        reference_epochs: length of the runs of the references, after which little is still gained.
    """

    benchmarks: tuple[Benchmark, ...]
    betas: tuple[float, ...]
    points: int
    reference_epochs: int


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
"""Scenes of 30 classes (ten digits, three colours); the first has six times the weight of any
other in a draw."""

NETWORK = options(channels=3, width=96, patch=8, stride=8, batch_norm=False, pool="max")

GRIDS: dict[tuple[str, str], tuple[float, ...]] = {
    ("N-LS", "negative_smoothing"): (0.1, 0.2, 0.3, 0.4, 0.5),
    ("EM", "alpha"): (0.025, 0.05, 0.1, 0.2, 0.4),
    ("LS", "smoothing"): (0.0125, 0.025, 0.05, 0.1, 0.2),
    ("DW", "down_weight"): (0.02, 0.05, 0.1, 0.2, 0.5),
    ("ASL", "asl_focus"): (1.0, 2.0, 4.0, 8.0, 16.0),
    ("Focal", "focus"): (0.0, 1.0, 2.0, 4.0, 8.0),
    ("EM+APL", "beta"): (0.1, 0.4, 0.9, 2.0, 4.0),
    ("EM+APL", "warm_up"): (3, 6, 10, 15, 18),
    ("EntMin", "entropy_weight"): (1e-5, 1e-4, 1e-3, 1e-2, 1e-1),
    ("L1R", "l1"): (0.0, 1e-7, 1e-6, 1e-5, 1e-4),
    ("L2R", "l2"): (0.0, 1e-6, 1e-5, 1e-4, 1e-3),
}
"""(Row, field of ``Choices``) -> values tried on scenes, as many for each; AN and ROLE have none.

They are chosen in this order: EM+APL has the alpha of EM, its beta is chosen with passes that begin
after half of the epochs, as in the paper, and then when they begin."""

_BOUNDS = {"l1": (0.0,), "l2": (0.0,), "negative_smoothing": (0.5,), "focus": (0.0,)}
"""Without a penalty or a focus there is AN; a target of one half is no label at all."""

_CHOSEN = {
    "down_weight": 0.05,
    "l1": 1e-06,
    "l2": 1e-05,
    "smoothing": 0.05,
    "negative_smoothing": 0.5,
    "entropy_weight": 0.0001,
    "focus": 2.0,
    "asl_focus": 4.0,
    "alpha": 0.1,
    "beta": 2.0,
    "warm_up": 15,
}

TUNED = tuple(
    Tuned(
        row,
        field,
        values,
        _CHOSEN[field],
        "best validation mAP, mean of 3 seeds",
        "validation scenes of seeds 1000 to 1002",
        _BOUNDS.get(field, ()),
    )
    for (row, field), values in GRIDS.items()
)
"""The choices on scenes, as the recorded tuning made them."""

SCENE_CHOICES = Choices(**_CHOSEN)

VOC_CHOICES = Choices(alpha=0.2, beta=0.02, warm_up=5)

PAPER_SETTINGS = {
    "VOC": ("voc2012", 8, 1e-5, VOC_CHOICES),
    "COCO": ("coco2014", 16, 1e-5, Choices(alpha=0.1, beta=0.9, warm_up=5)),
    "NUS": ("nuswide", 16, 1e-5, Choices(alpha=0.1, beta=0.2, warm_up=4)),
    "CUB": ("cub", 8, 1e-4, Choices(alpha=0.01, beta=0.4, warm_up=3)),
}
"""Loader, batch size, learning rate and the authors' alpha, beta and warm-up (official code)."""


def settings(chapter: Setting) -> Settings:
    """The settings of the chapter's profile."""
    four = (0.02, 0.1, 0.4, 0.9)
    return Settings(
        _benchmarks(chapter),
        betas=chapter.choose(quick=four, paper=four, smoke=(0.1, 0.9)),
        points=chapter.choose(quick=21, paper=21, smoke=11),
        reference_epochs=chapter.choose(quick=REFERENCE_EPOCHS, paper=50, smoke=2),
    )


def _benchmarks(chapter: Setting) -> tuple[Benchmark, ...]:
    if chapter.profile == "paper":
        photographs = _photographs(chapter)
        return (*photographs, *(_frozen(benchmark) for benchmark in photographs))
    whole = scenes(chapter.device)
    if chapter.profile != "smoke":
        return (whole,)
    small = dict(SCENES) | {"train": 64, "val": 40, "test": 40}
    base = replace(whole.base, data_options=options(**small), epochs=2)
    return (Benchmark("scenes", base, replace(SCENE_CHOICES, warm_up=1), short_epochs=2),)


def scenes(device: str) -> Benchmark:
    """The benchmark that is embedded in the book."""
    base = Spec(
        "AN",
        dataset="scenes",
        data_options=SCENES,
        network="patch_net",
        network_options=NETWORK,
        epochs=20,
        batch_size=32,
        optimiser=OptimiserSpec("adam", lr=2e-3),
        device=device,
    )
    return Benchmark("scenes", base, SCENE_CHOICES, short_epochs=12)


def _photographs(chapter: Setting) -> list[Benchmark]:
    """The paper's four datasets, end to end, with the settings of its code.

    The split and the one label that is kept are drawn with seed 1200 and a run's seed. The linear
    phase of ROLE+LI has the batches of the phase that follows: 8 on VOC, where the paper has 16.
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
            choices,
            short_epochs=10,
        )
        for name, (dataset, batch, rate, choices) in PAPER_SETTINGS.items()
    ]


def _frozen(benchmark: Benchmark) -> Benchmark:
    """The linear protocol of Cole et al.: 25 epochs of one layer on features extracted once."""
    warm_up = benchmark.choices.warm_up * 25 // benchmark.base.epochs
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
        replace(benchmark.choices, warm_up=warm_up),
        short_epochs=25,
    )


def vary(benchmark: Benchmark, row: str) -> Spec:
    """The run behind a row of the table (seed 0).

    Raises:
        KeyError: if the table has no such row.
    """
    chosen, base = benchmark.choices, benchmark.base
    apl = {"beta": chosen.beta, "share": chosen.share, "epochs": base.epochs}
    method, own = {
        FULL: ("IU", {}),
        ALL_NEGATIVES: ("IU", {}),
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
    annotation = {FULL: "full", ALL_NEGATIVES: "single positive, all negatives"}
    return replace(
        base,
        method=method,
        method_options=options(**own),
        annotation=annotation.get(row, "single positive"),
        linear_init=row == "ROLE+LI" and not base.frozen,
    )


def with_options(spec: Spec, **changes: Any) -> Spec:
    """The same run with some of the method's options changed."""
    return replace(spec, method_options=options(**(dict(spec.method_options) | changes)))


TRACKED = ("annotated_loss", "train_scores", "val_scores", "test_scores", "weights")


def tracked(benchmark: Benchmark) -> dict[str, Spec]:
    """The rows of ``CHECKED``, which record what the figures need."""
    track = {"AN": TRACKED, "EM": TRACKED, "EM+APL": ("modified",)}
    return {row: replace(vary(benchmark, row), track=track[row]) for row in CHECKED}


def benchmarks(chosen: Settings, rows: Sequence[str] = ROWS) -> dict[tuple[str, str], Spec]:
    """(benchmark, row) -> run; those of the first benchmark are tracked."""
    specs = {(each.name, row): vary(each, row) for each in chosen.benchmarks for row in rows}
    first = chosen.benchmarks[0]
    marked = {(first.name, row): spec for row, spec in tracked(first).items()}
    return {key: marked.get(key, spec) for key, spec in specs.items()}


def tricks(chosen: Settings) -> dict[str, Spec]:
    """EM+APL with one of its tricks changed."""
    base = tracked(chosen.benchmarks[0])["EM+APL"]
    return {
        "as proposed": base,
        "hard targets": with_options(base, targets="hard"),
        "all in one pass": with_options(base, passes=1),
        **{f"β = {beta}": with_options(base, beta=beta) for beta in chosen.betas},
    }


def references(chosen: Settings) -> dict[str, Spec]:
    """Both references, trained for ``reference_epochs``, after which little is still gained."""
    benchmark = chosen.benchmarks[0]
    return {
        row: replace(vary(benchmark, row), epochs=chosen.reference_epochs)
        for row in (FULL, ALL_NEGATIVES)
    }


def smoothings(chosen: Settings) -> dict[float, Spec]:
    """N-LS at every strength that was tried."""
    benchmark = chosen.benchmarks[0]
    return {
        strength: vary(
            replace(benchmark, choices=replace(benchmark.choices, negative_smoothing=strength)),
            "N-LS",
        )
        for strength in GRIDS["N-LS", "negative_smoothing"]
    }


def landscapes(chosen: Settings) -> dict[str, LandscapeSpec]:
    """Surfaces around the weights of AN and EM at their best validation epoch."""
    runs = tracked(chosen.benchmarks[0])
    return {row: LandscapeSpec(runs[row], points=chosen.points) for row in ("AN", "EM")}


def more_labels(benchmark: Benchmark) -> dict[tuple[float, str], Spec]:
    """(annotated label rate, method) -> run, where negatives are annotated as well."""
    short = replace(
        benchmark,
        base=replace(benchmark.base, epochs=benchmark.short_epochs),
        choices=replace(benchmark.choices, warm_up=max(1, benchmark.short_epochs // 2)),
    )
    rows = {"BCE (Ign.)": "positives only", "BCE (Neg.)": "AN", "EM": "EM", "EM+APL": "EM+APL"}
    return {
        (rate, name): replace(
            vary(short, row), annotation="fraction", annotation_options=options(rate=rate)
        )
        for rate in RATES
        for name, row in rows.items()
    }
