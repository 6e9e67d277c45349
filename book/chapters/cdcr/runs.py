"""The experiments of the chapter on CDCR, partial multi-label images (Sun, Xie, Huang, 2024)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from weaklabels.lab.multilabel import load_splits
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record
from weaklabels.lab.tuned import FIRST_TUNING_SEED, Tuned
from weaklabels.lab.two_stage import Spec, Stage, warmed_up
from weaklabels.metrics import separation_auc
from weaklabels.train import OptimiserSpec

METHODS = ("BCE", "ASL", "CDCR, one threshold", "CDCR", "True labels")
PAIR = ("CDCR", "CDCR, one threshold")
MAIN = ("BCE", "CDCR")
"""What a check runs at every rate."""

PROPORTION = ("CDCR, in proportion", "CDCR, one threshold, in proportion")
"""The two rules, with the negatives of a class weighing as much as the share of its candidates that
is selected: an intervention on what is thought to make them break down, not the paper's."""

PARTS = ("CDCR, selected once", "CDCR, rest negative", "CDCR, weak views")
"""What CDCR becomes when one of its parts is changed."""

RATES = {"quick": (0.1, 0.3, 0.5), "paper": (0.05, 0.1, 0.2), "smoke": (0.3, 0.5)}
"""Probability with which a wrong label becomes a candidate, by profile."""

THRESHOLDS = {
    "quick": (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
    "paper": (0.0, 0.2, 0.4, 0.6, 0.8),
    "smoke": (0.0, 0.6),
}
r"""Values of :math:`\alpha`, by profile; with 0 one threshold is BCE."""

MANY_RATE = 0.2
"""Rate of wrong candidates on scenes of thirty classes: the highest of the authors' on COCO."""

WARM_UPS = (5, 10, 20, 40, 80, 160)
LEARNING_RATES = (5e-4, 1e-3, 2e-3, 4e-3, 8e-3)
"""Epochs of the warm-up and learning rates of both stages that are tried, for every method."""

TUNED_METHODS = ("BCE", "ASL", "CDCR, one threshold", "CDCR")
KINDS = ("ten classes", "thirty classes")
OTHER_RATES = {0.1: "ten classes, rate 0.1", 0.5: "ten classes, rate 0.5"}
"""Rate of wrong candidates -> kind of scenes; ``KINDS`` have the middle rate and ``MANY_RATE``."""

CHOSEN: Mapping[tuple[str, str], tuple[int, float]] = {
    ("ten classes", "BCE"): (20, 4e-3),
    ("ten classes", "ASL"): (20, 4e-3),
    ("ten classes", "CDCR, one threshold"): (40, 2e-3),
    ("ten classes", "CDCR"): (40, 2e-3),
    ("thirty classes", "BCE"): (20, 2e-3),
    ("thirty classes", "ASL"): (10, 2e-3),
    ("thirty classes", "CDCR, one threshold"): (80, 2e-3),
    ("thirty classes", "CDCR"): (40, 2e-3),
    ("ten classes, rate 0.1", "BCE"): (40, 2e-3),
    ("ten classes, rate 0.1", "ASL"): (20, 2e-3),
    ("ten classes, rate 0.1", "CDCR, one threshold"): (40, 4e-3),
    ("ten classes, rate 0.1", "CDCR"): (40, 2e-3),
    ("ten classes, rate 0.5", "BCE"): (20, 2e-3),
    ("ten classes, rate 0.5", "ASL"): (20, 2e-3),
    ("ten classes, rate 0.5", "CDCR, one threshold"): (40, 2e-3),
    ("ten classes, rate 0.5", "CDCR"): (20, 4e-3),
}
"""Epochs and learning rate by kind of scenes and method; see ``record.tuning``."""

TUNING_RATE = 0.3
TUNING_SEEDS = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + 3)

_RULE = "best validation mAP at the last epoch, mean of 3 seeds"
TUNED = tuple(
    Tuned(name, setting, values, value, _RULE, kind)
    for (kind, name), chosen in CHOSEN.items()
    for setting, values, value in zip(
        ("epochs of the warm-up", "learning rate"), (WARM_UPS, LEARNING_RATES), chosen, strict=True
    )
)

ASL = {"focus_positive": 1.0, "focus_negative": 4.0, "margin": 0.05}
WEAK, STRONG = 0.02, 0.1
"""Noise of the two views of a scene, beside that of the scene itself."""

SCENES = {
    "train": 1500,
    "val": 500,
    "test": 1000,
    "grid": 8,
    "noise": 0.25,
    "intensity": (1.0, 1.0),
    "tail": 0.2,
    "pools": (("pretrain", 0), ("train", 900), ("val", 297), ("test", 600)),
}


def settings(chapter: Setting) -> dict[float, Spec]:
    """CDCR with class difficulty at every rate of wrong candidates; all other runs vary it."""
    spec = _paper_spec if chapter.profile == "paper" else _scene_spec
    return {rate: spec(chapter, rate) for rate in chapter.choose(**RATES)}


def _scene_spec(chapter: Setting, rate: float) -> Spec:
    optimiser = OptimiserSpec("adam", lr=2e-3, warm_up=0.2)
    quick = Spec(
        "CDCR",
        options(warm_up=0),
        data_options=options(**SCENES),
        annotation="candidates",
        annotation_options=options(rate=rate),
        network_options=options(stride=8, batch_norm=False, pool="max"),
        warm_up=Stage(epochs=20, batch_size=50, optimiser=optimiser, evaluate_every=5),
        weak=(("noise", WEAK),),
        strong=(("noise", STRONG),),
        decay=0.99,
        epochs=15,
        batch_size=50,
        optimiser=optimiser,
        evaluate_every=3,
        device=chapter.device,
    )
    if chapter.profile != "smoke":
        return quick
    return replace(
        quick,
        data_options=options(**SCENES | {"train": 200, "val": 20, "test": 20}),
        warm_up=replace(quick.warm_up, epochs=2, batch_size=100, evaluate_every=1),
        epochs=2,
        batch_size=100,
        evaluate_every=1,
    )


def _paper_spec(chapter: Setting, rate: float) -> Spec:
    """The authors' settings, from their code, with a ResNet-101 in place of their TResNet-L."""
    optimiser = OptimiserSpec(
        "adam", lr=1e-4, weight_decay=1e-4, decay_vectors=False, warm_up=0.2, cycle_epochs=80
    )
    return Spec(
        "CDCR",
        options(warm_up=0),
        dataset="coco2014",
        data_root=chapter.data_root,
        data_options=options(resolution=224, empty=True),
        annotation="candidates",
        annotation_options=options(rate=rate),
        network="resnet101",
        network_options=options(pretrained=True),
        warm_up=Stage(epochs=16, batch_size=128, optimiser=optimiser),
        weak=(("flip",),),
        strong=(("flip",), ("cutout", 0.5, None), ("rand_augment",)),
        decay=0.9997,
        epochs=21,
        batch_size=128,
        optimiser=optimiser,
        device=chapter.device,
    )


def vary(base: Spec, name: str) -> Spec:
    """The same run with a method of the tables, by the name used there."""
    if name == "BCE":
        return replace(base, method="Annotated", method_options=())
    if name == "ASL":
        settings = options(**ASL)
        first = replace(base.warm_up, options=settings)
        return replace(base, method="Annotated", method_options=settings, warm_up=first)
    if name == "True labels":
        return replace(vary(base, "BCE"), annotation="full", annotation_options=())
    if name == "CDCR, selected once":
        return replace(base, method_options=(*base.method_options, ("once", True)))
    if name == "CDCR, rest negative":
        return replace(base, method_options=(*base.method_options, ("unselected", "negative")))
    if name == "CDCR, weak views":
        first = replace(base.warm_up, strong=base.strong)
        return replace(base, strong=base.weak, warm_up=first)
    if name in PROPORTION:
        rule = vary(base, name.removesuffix(", in proportion"))
        return replace(rule, method_options=(*rule.method_options, ("negatives", "in proportion")))
    if name == "CDCR, one threshold" and base.dataset == "coco2014":
        return replace(base, method=name, epochs=41)
    return replace(base, method=name)


def balanced(spec: Spec, noise: float) -> Spec:
    """The same run with equally frequent classes and another noise of the scenes.

    Photographs have the frequencies they have: their runs stay as they are.
    """
    if spec.dataset != "scenes":
        return spec
    kept = {key: value for key, value in spec.data_options if key != "tail"}
    return replace(spec, data_options=options(**kept | {"noise": noise}))


def many_classes(base: Spec) -> Spec:
    """The same run on scenes of thirty classes: ten digits in three colours, the rarest ten times
    less likely than the most frequent. Photographs have the classes they have."""
    if base.dataset != "scenes":
        return base
    return replace(
        base,
        data_options=options(**dict(base.data_options) | {"colours": 3, "tail": 0.1}),
        annotation_options=options(rate=MANY_RATE),
        network_options=options(**dict(base.network_options) | {"channels": 3}),
    )


def tuned_kinds(settings: Mapping[float, Spec], middle: float) -> dict[str, Spec]:
    """Kind of scenes -> CDCR, for all kinds on which length and rate are chosen; photographs have
    the first two.

    Args:
        settings: rate of wrong candidates -> CDCR.
        middle: the rate of ``KINDS[0]``.
    """
    base = settings[middle]
    found = dict(zip(KINDS, (base, many_classes(base)), strict=True))
    if base.dataset != "scenes":
        return found
    return found | {OTHER_RATES[r]: spec for r, spec in settings.items() if r in OTHER_RATES}


def threshold_table(
    base: Spec, thresholds: Sequence[float], names: Sequence[str] = PAIR
) -> dict[tuple[str, float], Spec]:
    """Runs by rule and threshold."""

    def at(name: str, threshold: float) -> Spec:
        spec = vary(base, name)
        return replace(spec, method_options=(*spec.method_options, ("threshold", threshold)))

    return {(name, value): at(name, value) for name in names for value in thresholds}


def with_schedule(spec: Spec, epochs: int, rate: float) -> Spec:
    """The same run with another length of the warm-up and another learning rate of both stages."""
    first = spec.warm_up
    optimiser = replace(first.optimiser, lr=rate)
    return replace(
        spec,
        optimiser=replace(spec.optimiser, lr=rate),
        warm_up=replace(first, epochs=epochs, optimiser=optimiser),
    )


def tuned_table(kinds: Mapping[str, Spec]) -> dict[tuple[str, str], Spec]:
    """Runs by kind of scenes and method, each with the schedule chosen for it; on photographs with
    the authors', and where a warm-up is shorter than all that were tried with that."""

    def chosen(base: Spec) -> bool:
        return base.dataset == "scenes" and base.warm_up.epochs >= min(WARM_UPS)

    return {
        (kind, name): with_schedule(vary(base, name), *CHOSEN[kind, name])
        if chosen(base)
        else vary(base, name)
        for kind, base in kinds.items()
        for name in TUNED_METHODS
    }


def short_warm_up(spec: Spec) -> Spec:
    """A warm-up that ends while the learning rate still rises, as in the authors' schedule."""
    first = spec.warm_up
    epochs = max(1, first.epochs // 2)
    optimiser = replace(first.optimiser, cycle_epochs=5 * epochs)
    return replace(spec, warm_up=replace(first, epochs=epochs, optimiser=optimiser))


def table(
    settings: Mapping[float, Spec], names: Sequence[str] = METHODS
) -> dict[tuple[str, float], Spec]:
    """Runs by method and rate.

    Args:
        settings: rate -> CDCR.
        names: of the methods.
    """
    return {(name, rate): vary(base, name) for rate, base in settings.items() for name in names}


def judged(record: Record) -> dict[str, np.ndarray]:
    """What the network thinks of the candidates at the end of the first stage.

    Args:
        record: of ``two_stage.warm_up``.

    Returns:
        ``confidence`` of every candidate, whether it is ``true``, and the ``auc`` with which the
        confidence tells the two kinds apart.
    """
    truth = load_splits(record.spec).train.y.numpy()
    chosen = record["observed"] == 1
    confidence = torch.sigmoid(warmed_up(record)).numpy()[chosen]
    true = truth[chosen] == 1
    auc = np.array(separation_auc(confidence, true))
    return {"confidence": confidence, "true": true, "auc": auc}
