"""The experiments of the chapter on *Class-Distribution-Aware Pseudo-Labelling* (NeurIPS 2023)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from weaklabels.lab import two_stage
from weaklabels.lab.multilabel import load_splits
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

BATCHES = (4, 16, 32, 64, 128)
"""Labelled images a batch that are tried for every method, beside all that are labelled."""

RATES = (0.0, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)
"""Learning rates of the second stage that are tried for every method; with 0 it changes nothing."""


@dataclass(frozen=True)
class Dial:
    """The setting of a method's own that is tuned, beside labelled batch and learning rate.

    Attributes:
        setting: its name.
        values: what is tried.
        usual: what it is while the batch is tuned.
        options: those of the method that it sets.
        bound: natural ends of the values.
    """

    setting: str
    values: tuple[float, ...]
    usual: float
    options: tuple[str, ...]
    bound: tuple[float, ...] = ()


DIALS = {
    "CAP": Dial(
        "share used",
        (0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
        1.0,
        ("positive_share", "negative_share"),
        (1.0,),
    ),
    "IAT": Dial("threshold", (0.5, 0.6, 0.7, 0.8, 0.9, 0.95), 0.5, ("probability",)),
    "Top-k": Dial("k", (1, 2, 3, 5, 8, 10), 3, ("k",), (1, 10)),
    **dict.fromkeys(
        LARGE_LOSS,
        Dial("rate an epoch", (0.0, 0.005, 0.01, 0.025, 0.05, 0.08), 0.025, ("rate",), (0.0,)),
    ),
}
CHOOSING = ("Supervised", "CAP", "IAT", "Top-k", "FreeMatch", "Top-1", *LARGE_LOSS)
"""Methods whose settings are chosen."""

SHOWN_AT = {"Top-1": 2, **dict.fromkeys(LARGE_LOSS, 1)}
"""Method -> at how many of the lowest labelled shares it is shown, and so chosen for."""


@dataclass(frozen=True)
class Choice:
    """Settings of a method: labelled batch, position of its dial if it has one, learning rate.

    In this order they are chosen, each with those before it.
    """

    batch: int = 64
    dial: float | None = None
    rate: float = 1e-3


CHOSEN: Mapping[float, Mapping[str, Choice]] = {
    0.05: {
        "Supervised": Choice(150, rate=1e-2),
        "CAP": Choice(32, 0.9, 3e-2),
        "IAT": Choice(150, 0.8, 3e-2),
        "Top-k": Choice(150, 8, 0.0),
        "FreeMatch": Choice(128, rate=3e-2),
        "Top-1": Choice(150, rate=0.0),
        "LL-R": Choice(150, 0.05, 1e-2),
        "LL-Ct": Choice(128, 0.025, 3e-3),
        "LL-Cp": Choice(128, 0.025, 1e-2),
    },
    0.10: {
        "Supervised": Choice(300, rate=3e-3),
        "CAP": Choice(64, 0.9, 3e-2),
        "IAT": Choice(300, 0.8, 3e-2),
        "Top-k": Choice(300, 10, 1e-3),
        "FreeMatch": Choice(300, rate=1e-1),
        "Top-1": Choice(300, rate=3e-4),
    },
    0.15: {
        "Supervised": Choice(450, rate=1e-3),
        "CAP": Choice(128, 1.0, 3e-2),
        "IAT": Choice(450, 0.8, 3e-2),
        "Top-k": Choice(450, 10, 1e-3),
        "FreeMatch": Choice(450, rate=3e-2),
    },
    0.20: {
        "Supervised": Choice(600, rate=1e-1),
        "CAP": Choice(600, 1.0, 1e-1),
        "IAT": Choice(600, 0.7, 1e-1),
        "Top-k": Choice(600, 10, 3e-3),
        "FreeMatch": Choice(600, rate=3e-2),
    },
}
"""Labelled share -> method -> what was chosen; see ``record.tuning``."""

TUNING_SEEDS = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + 3)

_RULE = "best validation mAP at the last epoch, mean of 3 seeds"
_RATE_RULE = f"{_RULE}, among those at which none of its runs breaks down"
_IMAGES = 3000
"""Training scenes."""


def choosing(place: int) -> tuple[str, ...]:
    """The methods whose settings are chosen at a labelled share, the lowest of which is place 0."""
    return tuple(name for name in CHOOSING if place < SHOWN_AT.get(name, place + 1))


def batches(share: float) -> tuple[int, ...]:
    """The labelled batches that are tried at a labelled share; the last holds every such image."""
    return (*BATCHES, round(share * _IMAGES))


def _tuned(share: float, method: str, chosen: Choice) -> Iterator[Tuned]:
    data, sizes = f"{100 * share:g} % labelled", batches(share)
    yield Tuned(method, "labelled batch", sizes, chosen.batch, _RULE, data, sizes[-1:])
    if chosen.dial is not None:
        dial = DIALS[method]
        yield Tuned(method, dial.setting, dial.values, chosen.dial, _RULE, data, dial.bound)
    yield Tuned(method, "learning rate", RATES, chosen.rate, _RATE_RULE, data, RATES[:1])


TUNED = tuple(
    tuned
    for share, of_method in CHOSEN.items()
    for method, chosen in of_method.items()
    for tuned in _tuned(share, method, chosen)
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
        "train": _IMAGES,
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
        data_options=options(**scenes | {"train": 200, "val": 20, "test": 20}),
        warm_up=replace(quick.warm_up, epochs=1),
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
            optimiser=replace(optimiser, cycle_epochs=None),  # a whole cycle of its own
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
    """The same run with a method of the tables, by the name used there.

    On scenes with the settings that were tuned for it, at the labelled share that is nearest; on
    photographs with the authors'.
    """
    spec = _with_method(base, name)
    if base.dataset != "scenes":
        return spec
    model = name if name in CHOOSING else "CAP"
    choice = chosen_at(base, model)
    return with_choice(spec, model, replace(choice, dial=None) if name == "True labels" else choice)


def chosen_at(base: Spec, name: str) -> Choice:
    """What was chosen for a method at the labelled share nearest to that of a run."""
    share = dict(base.annotation_options)["share"]
    tried = [each for each in CHOSEN if name in CHOSEN[each]]
    return CHOSEN[min(tried, key=lambda each: abs(each - share))][name]


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


def with_dial(spec: Spec, name: str, value: float) -> Spec:
    """The same run with another position of its method's dial."""
    chosen = dict(spec.method_options) | dict.fromkeys(DIALS[name].options, value)
    return replace(spec, method_options=options(**chosen))


def with_choice(spec: Spec, name: str, choice: Choice) -> Spec:
    """The run of a method with the settings that were chosen for it."""
    spec = with_batch(spec, choice.batch)
    spec = replace(spec, optimiser=replace(spec.optimiser, lr=choice.rate))
    return spec if choice.dial is None else with_dial(spec, name, choice.dial)


def tuning_table(base: Spec, name: str, field: str, choice: Choice) -> dict[float, Spec]:
    """The runs among which a setting is chosen.

    Args:
        base: CAP at the share at which it is chosen.
        name: a method of ``CHOOSING``.
        field: of ``Choice``; a dial only of a method that has one.
        choice: its other settings.

    Returns:
        value -> run.
    """
    spec = _with_method(base, name)
    values: dict[str, Sequence[float]] = {
        "batch": batches(dict(base.annotation_options)["share"]),
        "dial": DIALS[name].values if name in DIALS else (),
        "rate": RATES,
    }
    return {
        value: with_choice(spec, name, replace(choice, **{field: value})) for value in values[field]
    }


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
    spec = vary(base, "CAP")
    return {("CAP", share): with_dial(spec, "CAP", share) for share in DIALS["CAP"].values}


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
    observed = torch.from_numpy(record["observed"])
    rows = (observed == 0).all(1)
    return {
        "logits": two_stage.warmed_up(record)[rows],
        "truth": truth[rows],
        "proportions": class_proportions(observed),
    }
