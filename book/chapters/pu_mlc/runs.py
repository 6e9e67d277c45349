"""Settings and runs of the chapter on PU-MLC (Yuan et al., ICME 2024).

A method may see labels in one of two ways: a known proportion p of all labels, positive and
negative, or the positives among these alone. The learning rates were chosen on validation scenes,
one for every method and proportion from the same small grid: see ``record``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from chapters.pu_mlc.demo import FlexibleSpec, LineSpec
from weaklabels.lab import multilabel
from weaklabels.lab.multilabel import Pretraining, Spec
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.tuned import FIRST_TUNING_SEED, Tuned
from weaklabels.train import OptimiserSpec

# -- methods --------------------------------------------------------------------------------------

GAMMA, ALPHA = 0.55, 1.0
"""The authors' values for MS-COCO, fixed before any run."""


@dataclass(frozen=True)
class Variant:
    """A row of the tables.

    Attributes:
        method, options: registered name and its options.
        positives_only: the method is given the known positives and nothing else.
        mean_loss: its loss is a mean over the classes; the others are sums.
    """

    method: str
    options: Mapping[str, Any]
    positives_only: bool = True
    mean_loss: bool = False


def _pu(gamma: float, alpha: float | None, **others: Any) -> Variant:
    return Variant("PU-MLC", {"gamma": gamma, "alpha": alpha} | others)


def _known(method: str, **others: Any) -> Variant:
    return Variant(method, others, positives_only=False, mean_loss=True)


VARIANTS: dict[str, Variant] = {
    "AN": _known("AN", epsilon=0.0),
    "partial BCE": _known("Partial BCE"),
    "partial BCE (Durand)": _known("Partial BCE", durand=True),
    "ASL": _known("ASL"),
    "nnPU": Variant("nnPU", {}),
    "VPU": _pu(0.0, None),
    "VPU + R": _pu(GAMMA, None),
    "PU-MLC": _pu(GAMMA, ALPHA),
    "PU-MLC (VOC setting)": _pu(0.85, 2.0),
    "VPU without mixup": _pu(0.0, None, mixup=None),
    "VPU + T": _pu(0.0, ALPHA),
    "PU-MLC without mixup": _pu(GAMMA, ALPHA, mixup=None),
    "PU-MLC, temperature later": _pu(GAMMA, ALPHA, plain_epochs=4),
    "PU-MLC, pre-trained": _pu(GAMMA, ALPHA),
    "PU-MLC, pre-trained, with LgConv": _pu(GAMMA, ALPHA, local_global=1),
}
"""R: re-balance factor, T: temperature. LgConv stands beside the 1 x 1 convolution on scenes."""

RIVALS = ("AN", "partial BCE", "partial BCE (Durand)", "ASL", "nnPU")
FAMILY = ("VPU", "VPU + R", "PU-MLC", "PU-MLC (VOC setting)")
MAIN = (*RIVALS, *FAMILY)
FULL = ("partial BCE", "ASL", *FAMILY)
"""Compared when all labels are known, where AN, BCE and partial BCE are one method."""
ABLATION = (
    "VPU without mixup",
    "VPU",
    "VPU + R",
    "VPU + T",
    "PU-MLC",
    "PU-MLC without mixup",
)
CHECKED = ("AN", "partial BCE", "ASL", "VPU", "VPU + R", "PU-MLC")
"""Compared in every check, at 10 %; all else are studies."""
NOISE = ("partial BCE", "ASL", "VPU", "VPU + R", "PU-MLC")
INVENTED = (2, 5, 10)
"""Of the absent classes of a scene, how many (%) are marked present."""
PRETRAINED = ("PU-MLC, pre-trained", "PU-MLC, pre-trained, with LgConv")

# -- settings -------------------------------------------------------------------------------------

SCENES = options(
    train=3000,
    val=500,
    test=1000,
    grid=8,
    repeats=True,
    class_weights=tuple(round(0.75**c, 6) for c in range(10)),
    intensity=(1.0, 1.0),
    noise=0.1,
    pools=(("pretrain", 300), ("train", 750), ("val", 250), ("test", 497)),
)
"""3 x 3 cells, classes with a long tail: class 0 in about half of the scenes, class 9 in 5 %."""

CLASSES = {"scenes": 10, "coco2014": 80, "voc2007": 20, "voc2012": 20, "voc2012_features": 20}
PHOTOGRAPHS = ("coco2014", "voc2007")
RATES = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
"""Learning rates from which the validation scenes choose."""
TUNING_SEEDS = tuple(range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + 3))
"""Seeds of the choice, which no result is reported for."""
PERCENTS = (10, 30, 50, 70, 90)
ABLATION_PERCENTS = (10, 50)

ON_SCENES = Spec(
    "PU-MLC",
    data_options=SCENES,
    network_options=options(
        width=64, stride=8, batch_norm=False, pool="max", normalise=(0.12, 0.3)
    ),
    epochs=20,
    batch_size=100,
    optimiser=OptimiserSpec(lr=1e-2, weight_decay=1e-4, warm_up=0.2),
)
SMALL = replace(
    ON_SCENES,
    data_options=options(**dict(SCENES) | {"train": 200, "val": 60, "test": 60}),
    epochs=2,
)
# 41 epochs of a schedule made for 80, evaluated with averaged weights: the authors' script.
ON_PHOTOGRAPHS = Spec(
    "PU-MLC",
    dataset="coco2014",
    data_options=options(
        resolution=448, resample="bicubic", empty=True, validation=0.05, seed=1200
    ),
    network="resnet101",
    network_options=options(pretrained=True, normalise=True),
    epochs=41,
    batch_size=70,
    optimiser=OptimiserSpec(lr=1e-4, weight_decay=1e-4, warm_up=0.2, cycle_epochs=80),
    # The crops of 256 to 512 pixels from images of 512, on images of 448.
    augment=(("square_crop", (448, 392, 336, 280, 224), 448), ("flip",)),
    average=0.9997,
)


@dataclass(frozen=True)
class Settings:
    """What a profile runs.

    Attributes:
        base: the run that all others vary.
        known: known proportions of the labels (%).
        rates: the recorded choice of the learning rates.
        line: number of labelled positives -> logistic models fitted to a sample of the line.
        draws: samples of the line.
        flexible: method -> a flexible model trained on a sample of the line.
    """

    base: Spec
    known: tuple[int, ...]
    rates: Mapping[str, Any]
    line: Mapping[int, LineSpec]
    draws: int
    flexible: Mapping[str, FlexibleSpec]

    def rate(self, name: str, percent: int) -> float:
        """The learning rate: on scenes the recorded choice, on photographs the authors'."""
        if self.base.dataset != "scenes":
            return self.base.optimiser.lr
        return self.rates["chosen"][name][str(percent)]


def settings(chapter: Setting) -> Settings:
    """The settings of the chapter's profile.

    Raises:
        FileNotFoundError: if the recorded choice of the learning rates is missing.
        ValueError: if it was made with other settings than the present ones.
    """
    base = chapter.choose(quick=ON_SCENES, paper=ON_PHOTOGRAPHS, smoke=SMALL)
    root = chapter.data_root if base.dataset != "scenes" else None
    sizes = chapter.choose(
        quick=(10, 30, 100, 200, 1000, 3000), paper=(10, 30, 100, 200, 1000, 3000), smoke=(30, 200)
    )
    unlabeled = chapter.choose(quick=4000, paper=4000, smoke=400)
    steps = chapter.choose(quick=400, paper=400, smoke=20)
    return Settings(
        base=replace(base, device=chapter.device, data_root=root),
        known=chapter.choose(quick=PERCENTS, paper=tuple(range(10, 100, 10)), smoke=(10, 30, 50)),
        rates=recorded_rates(chapter),
        line={n: LineSpec(0, n, unlabeled) for n in sizes},
        draws=chapter.choose(quick=4 * chapter.seeds, paper=20, smoke=2),
        flexible={
            name: FlexibleSpec(0, name, steps=steps)
            for name in ("uPU", "nnPU", "VPU", "VPU with mixup")
        },
    )


def recorded_rates(chapter: Setting) -> dict[str, Any]:
    """The recorded choice of the learning rates, if it belongs to the present settings.

    Raises:
        FileNotFoundError: if it is missing.
        ValueError: if it was made with other settings.
    """
    found = chapter.recorded("rates")
    again = "run make record CHAPTERS=pu_mlc NAME=rates"
    if found is None:
        raise FileNotFoundError(f"recorded/rates.json of pu_mlc is missing: {again}")
    if found["settings"] != rate_settings():
        raise ValueError(f"recorded/rates.json of pu_mlc was made with other settings: {again}")
    return found


def tuned(rates: Mapping[str, Any]) -> dict[tuple[str, int], Tuned]:
    """(method, known percent) -> its learning rate in the registry of tuned settings."""
    seeds = ", ".join(map(str, rates["seeds"]))
    return {
        (name, int(percent)): Tuned(
            name,
            f"learning rate, {percent} % known",
            tuple(map(float, rates["validation"][name][percent])),
            rate,
            "best validation mAP at the last epoch, mean over seeds",
            f"validation scenes of seeds {seeds}",
        )
        for name, row in rates["chosen"].items()
        for percent, rate in row.items()
    }


def rate_settings() -> dict[str, Any]:
    """What the choice of the learning rates depends on, as it is recorded."""
    found = {
        "run": _set_fields(replace(ON_SCENES, optimiser=OptimiserSpec()), Spec("PU-MLC")),
        "optimiser": _set_fields(ON_SCENES.optimiser, OptimiserSpec()),
        "grid": RATES,
        "variants": {
            name: asdict(VARIANTS[name])
            for name in dict.fromkeys((*MAIN, *FULL, *ABLATION, *PRETRAINED))
        },
    }
    return json.loads(json.dumps(found))


def _set_fields(values: Any, default: Any) -> dict[str, Any]:
    """Fields that are not the default's: fields added to the class later change nothing."""
    known, usual = asdict(values), asdict(default)
    return {name: value for name, value in known.items() if value != usual[name]}


# -- runs -----------------------------------------------------------------------------------------


def table(
    settings: Settings, names: Iterable[str], percents: Iterable[int]
) -> dict[tuple[str, int], Spec]:
    """(method, percent) -> run, for all pairs, each with its learning rate."""
    return {
        (name, percent): specify(settings.base, name, percent, settings.rate(name, percent))
        for name in names
        for percent in percents
    }


def specify(base: Spec, name: str, percent: int, lr: float) -> Spec:
    """One run.

    Args:
        base: the run that is varied.
        name: of ``VARIANTS``.
        percent: known proportion of the labels; 100 is the task with all labels.
        lr: learning rate.
    """
    variant = VARIANTS[name]
    given = dict(variant.options)
    method = variant.method
    if base.dataset in PHOTOGRAPHS:
        # The paper's network, for every method; on scenes its parts are subjects of studies.
        given |= {"graph_head": True, "train_features": ("8",)}
        given["local_global"] = None if name == PRETRAINED[0] else 3
        method = method if method == "PU-MLC" else f"{method} on PU-MLC's network"
    if variant.method == "nnPU":
        given["known_share"] = percent / 100
    # Adam does not see the scale of a loss, but its L2 penalty does: the penalty of a mean over
    # the classes is that of a sum, divided by their number.
    decay = base.optimiser.weight_decay
    spec = replace(
        base,
        method=method,
        method_options=options(**given),
        annotation="fraction of positives" if variant.positives_only else "fraction",
        annotation_options=options(rate=percent / 100),
        optimiser=replace(
            base.optimiser,
            lr=lr,
            weight_decay=decay / CLASSES[base.dataset] if variant.mean_loss else decay,
        ),
        track=_tracked(name, percent),
    )
    if name in PRETRAINED and base.dataset == "scenes":
        images = {"pretrain": 300 if base.epochs < 5 else 2000}
        spec = replace(
            spec,
            data_options=options(**dict(base.data_options) | images),
            pretraining=Pretraining(epochs=min(8, base.epochs)),
        )
    return spec


def _tracked(name: str, percent: int) -> tuple[str, ...]:
    if percent in (10, 100) and name in MAIN:
        readings = ("readings",) if name in ("VPU", "VPU + R", "PU-MLC") else ()
        return (*readings, "test_scores", "val_scores")
    return ("weights",) if name == PRETRAINED[1] else ()


def invented(
    settings: Settings, names: Iterable[str], percents: Iterable[int]
) -> dict[tuple[str, int], Spec]:
    """(method, percent) -> run: all labels known, so many of the absent classes marked present.

    The learning rate is that chosen for labels that are all right.
    """
    return {
        (name, percent): with_invented(
            specify(settings.base, name, 100, settings.rate(name, 100)), percent
        )
        for name in names
        for percent in percents
    }


def with_invented(spec: Spec, percent: int) -> Spec:
    """The run with so many (%) of the absent classes marked present, and all labels known."""
    return replace(
        spec,
        annotation="candidates",
        annotation_options=options(rate=percent / 100),
        track=(),
    )


def run(spec: Spec) -> dict[str, Any]:
    """Train and evaluate (see ``multilabel.run``)."""
    return multilabel.run(seeded(spec))


def seeded(spec: Spec) -> Spec:
    """The run as the protocol takes it: what the method draws itself has the seed of the run."""
    if "PU-MLC" not in spec.method:
        return spec
    given = dict(spec.method_options) | {"seed": spec.seed}
    return replace(spec, method_options=options(**given))
