"""The experiments of the chapter on *Class-Distribution-Aware Pseudo-Labelling* (NeurIPS 2023)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from weaklabels.lab import two_stage
from weaklabels.lab.multilabel import annotate, load_splits
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record
from weaklabels.lab.tuned import FIRST_TUNING_SEED, Tuned
from weaklabels.lab.two_stage import Spec, Stage, Steps
from weaklabels.methods.cap import class_proportions
from weaklabels.train import OptimiserSpec

METHODS = (
    "Supervised",
    "Top-1",
    "Top-k",
    "IAT",
    "FreeMatch",
    "CAP",
    "CAP, true proportions",
    "True labels",
)
MAIN = ("Supervised", "Top-k", "IAT", "CAP")
"""What a check runs at the lowest labelled share."""

FEW_METHODS = ("Supervised", "IAT", "CAP")
PAIR = ("Supervised", "CAP")
RULES = ("Top-1", "Top-k", "IAT")
"""The instance-aware rules."""

LARGE_LOSS = ("LL-R", "LL-Ct", "LL-Cp")
SHARES = {"quick": (0.05, 0.10, 0.15, 0.20), "paper": (0.05, 0.10, 0.15, 0.20), "smoke": (0.1, 0.2)}
"""Labelled shares, by profile."""

STRENGTHS = {"quick": (0.1, 0.3, 0.6, 0.9, 1.2), "paper": (3, 9, 15), "smoke": (0.3, 0.6)}
"""For the study of the strong view: its noise; for photographs the magnitude of RandAugment."""

ASL = {"focus_positive": 0.0, "focus_negative": 4.0, "margin": 0.05}
BCE = {"focus_positive": 0.0, "focus_negative": 0.0, "margin": 0.0}
WEAK, STRONG = 0.05, 0.3
"""Noise of the two views of a scene, beside that of the scene itself."""

TOP_K = {"voc2012": 2, "coco2014": 3, "nuswide": 2}
"""k of the authors' warm-up script; elsewhere the mean number of labels, rounded."""

BATCHES = (4, 16, 32, 64, 128, 256)
"""Labelled images a batch that are tried, for every method."""


@dataclass(frozen=True)
class Dial:
    """The setting of a method's own that is tuned, beside the labelled batch.

    Attributes:
        setting: its name; the learning rate, or options of the method.
        values: what is tried, as many for every method.
        usual: what it is while the labelled batch is tuned.
        options: those of the method that it sets; none for the learning rate of the second stage.
        bound: natural ends of the values.
    """

    setting: str
    values: tuple[float, ...]
    usual: float
    options: tuple[str, ...] = ()
    bound: tuple[float, ...] = ()


RATE = Dial("learning rate", (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1), 1e-3)
DIALS = {
    "Supervised": RATE,
    "CAP": Dial(
        "share used",
        (0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
        1.0,
        ("positive_share", "negative_share"),
        (1.0,),
    ),
    "IAT": Dial("threshold", (0.5, 0.6, 0.7, 0.8, 0.9, 0.95), 0.5, ("probability",)),
    "Top-k": Dial("k", (1, 2, 3, 5, 8, 10), 3, ("k",), (1, 10)),
    "FreeMatch": RATE,
}

CHOSEN: Mapping[float, Mapping[str, tuple[int, float]]] = {
    share: {
        "Supervised": (64, 3e-3),
        "CAP": (32, 0.9),
        "IAT": (128, 0.8),
        "Top-k": (128, 10),
        "FreeMatch": (128, 3e-2),
    }
    for share in SHARES["quick"]
}
"""Labelled share -> labelled batch and position of the dial; see ``record.tuning``."""

TUNING_SEEDS = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + 3)

_RULE = "best validation mAP at the last epoch, mean of 3 seeds"
TUNED = tuple(
    tuned
    for share, of_method in CHOSEN.items()
    for method, (batch, own) in of_method.items()
    for data, dial in ((f"{100 * share:g} % labelled", DIALS[method]),)
    for tuned in (
        Tuned(method, "labelled batch", BATCHES, batch, _RULE, data),
        Tuned(method, dial.setting, dial.values, own, _RULE, data, dial.bound),
    )
)

POSITIVE_SHARE = {"scenes": 0.28, "voc2012": 0.073, "coco2014": 0.036, "nuswide": 0.023}
"""Share of positives among all labels: what the large-loss schemes should have found at the end."""


def settings(chapter: Setting, loss: str = "ASL") -> dict[float, Spec]:
    """CAP at every labelled share (see ``base_spec``); all other runs vary it."""
    return {share: base_spec(chapter, share, loss=loss) for share in chapter.choose(**SHARES)}


def base_spec(chapter: Setting, share: float, dataset: str = "coco2014", loss: str = "ASL") -> Spec:
    """CAP at one labelled share.

    Args:
        chapter: gives profile and device.
        share: labelled share of the training images.
        dataset: of the paper profile: ``"voc2012"``, ``"coco2014"`` or ``"nuswide"``.
        loss: ``"ASL"`` or ``"BCE"``, of both stages.
    """
    loss_options = {"ASL": ASL, "BCE": BCE}[loss]
    if chapter.profile == "paper":
        return _paper_spec(chapter, share, dataset, loss_options)
    labelled = round(80 * share)
    scenes = {
        "train": 3000,
        "val": 500,
        "test": 1000,
        "grid": 8,
        "max_digits": 5,
        "tail": 0.1,
        "noise": 0.3,
        "intensity": (1.0, 1.0),
        "pools": (("pretrain", 0), ("train", 900), ("val", 297), ("test", 600)),
    }
    quick = Spec(
        "CAP",
        options(warm_up=0, **loss_options),
        data_options=options(**scenes),
        annotation="labelled share",
        annotation_options=options(share=share),
        network_options=options(stride=8, batch_norm=False, pool="max"),
        warm_up=Stage(
            options(**loss_options),
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
    if chapter.profile != "smoke":
        return quick
    return replace(
        quick,
        data_options=options(**scenes | {"train": 200, "val": 60, "test": 60}),
        warm_up=replace(quick.warm_up, epochs=2),
        epochs=2,
        evaluate_every=1,
    )


def _paper_spec(
    chapter: Setting, share: float, dataset: str, loss_options: Mapping[str, float]
) -> Spec:
    """The authors' settings, from their code."""
    optimiser = OptimiserSpec("adamw", lr=1e-4, weight_decay=1e-4, warm_up=0.2, cycle_epochs=40)
    halved = 2 if dataset == "voc2012" else 1
    labelled = round(80 * share)
    return Spec(
        "CAP",
        options(warm_up=0, **loss_options),
        dataset=dataset,
        data_root=chapter.data_root,
        data_options=options(resolution=224),
        annotation="labelled share",
        annotation_options=options(share=share),
        network="resnet50",
        network_options=options(pretrained=True),
        warm_up=Stage(
            options(**loss_options),
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


_TUNED_AS = {"Top-1": "Top-k", "CAP, true proportions": "CAP"}
"""Method -> the one whose settings it has: all of them, but for the k of Top-1."""


def vary(base: Spec, name: str) -> Spec:
    """The same run with a method of the tables, by the name used there.

    On scenes with the settings that were tuned for it, at the labelled share that is nearest; on
    photographs with the authors'.
    """
    spec = _with_method(base, name)
    if base.dataset != "scenes":
        return spec
    model, chosen = _TUNED_AS.get(name, name), chosen_at(base)
    if model not in DIALS:
        return with_batch(spec, chosen["CAP"][0])
    batch, own = chosen[model]
    return with_batch(spec, batch) if name == "Top-1" else with_settings(spec, batch, model, own)


def chosen_at(base: Spec) -> Mapping[str, tuple[int, float]]:
    """What was chosen at the labelled share nearest to that of a run."""
    share = dict(base.annotation_options)["share"]
    return CHOSEN[min(CHOSEN, key=lambda tried: abs(tried - share))]


def _with_method(base: Spec, name: str) -> Spec:
    loss_options = tuple(item for item in base.method_options if item[0] != "warm_up")
    if name == "Supervised":
        return replace(base, method="Annotated", method_options=loss_options, labelled_only=True)
    if name in LARGE_LOSS:
        rate = POSITIVE_SHARE[base.dataset] / max(base.epochs - 1, 1)
        return replace(base, method=name, method_options=options(rate=round(rate, 6)))
    if name in ("Top-1", "Top-k"):
        k = 1 if name == "Top-1" else TOP_K.get(base.dataset)
        chosen = () if k is None else (("k", k),)
        return replace(base, method="Top-k", method_options=base.method_options + chosen)
    return replace(base, method=name)


def with_batch(spec: Spec, batch: int) -> Spec:
    """The same run with so many labelled images in every batch, beside the unlabelled ones."""
    return replace(spec, labelled_batch=batch)


def with_settings(spec: Spec, batch: int, name: str, value: float) -> Spec:
    """The run of a method that has a dial, with a labelled batch and a position of the dial."""
    dial = DIALS[name]
    spec = with_batch(spec, batch)
    if not dial.options:
        return replace(spec, optimiser=replace(spec.optimiser, lr=value))
    chosen = dict(spec.method_options) | dict.fromkeys(dial.options, value)
    return replace(spec, method_options=options(**chosen))


def tuning_table(base: Spec, name: str, batch: int | None = None) -> dict[float, Spec]:
    """The runs among which a setting is chosen.

    Args:
        base: CAP at the share at which it is chosen.
        name: a method that has a dial.
        batch: the labelled batch that was chosen; without it the runs among which it is.

    Returns:
        value -> run.
    """
    spec, dial = _with_method(base, name), DIALS[name]
    if batch is None:
        return {size: with_settings(spec, size, name, dial.usual) for size in BATCHES}
    return {value: with_settings(spec, batch, name, value) for value in dial.values}


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


def table(
    settings: Mapping[float, Spec], names: Sequence[str] | None = None
) -> dict[tuple[str, float], Spec]:
    """Runs by method and share.

    Args:
        settings: share -> CAP.
        names: of the methods; without them those of the main table: all at the two lowest shares,
            fewer above.
    """
    return {
        (name, share): vary(base, name)
        for place, (share, base) in enumerate(settings.items())
        for name in names or (METHODS if place < 2 else FEW_METHODS)
    }


def batch_table(
    settings: Mapping[float, Spec], batches: Sequence[int]
) -> dict[tuple[str, float, int], Spec]:
    """Supervised training and CAP by share and labelled batch, else with their chosen settings."""
    return {
        (name, share, batch): with_batch(vary(base, name), batch)
        for share, base in settings.items()
        for batch in batches
        for name in PAIR
    }


def share_table(base: Spec) -> dict[tuple[str, float], Spec]:
    """CAP by the share of the pseudo-labels that it uses."""
    batch, _ = chosen_at(base)["CAP"]
    return {
        ("CAP", share): with_settings(base, batch, "CAP", share) for share in DIALS["CAP"].values
    }


def strength_table(base: Spec, strengths: Sequence[float]) -> dict[tuple[str, float], Spec]:
    """Supervised training and CAP by strength of the strong view."""
    return {
        (name, strength): with_strength(vary(base, name), strength)
        for strength in strengths
        for name in PAIR
    }


def warmed_up(record: Record) -> dict[str, Tensor]:
    """What the second stage starts from, on the unannotated training images.

    Args:
        record: of ``two_stage.warm_up``.

    Returns:
        ``logits`` ``(M, C)`` of the averaged weights on clean images, ``truth`` ``(M, C)`` and
        ``proportions`` ``(C,)``, estimated on the annotated images.
    """
    truth = load_splits(record.spec).train.y
    observed = torch.from_numpy(annotate(record.spec, truth.numpy()))
    rows = (observed == 0).all(1)
    return {
        "logits": two_stage.warmed_up(record)[rows],
        "truth": truth[rows],
        "proportions": class_proportions(observed),
    }
