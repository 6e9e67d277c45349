"""The experiments of the chapter on *Multi-Label Knowledge Distillation* (L2D, ICCV 2023).

A teacher is trained once per seed; every student of that seed learns from it. Students see all
labels: what is scarce is capacity. The last epoch is reported, where the one-cycle schedule has
brought the learning rate to zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from weaklabels import methods, models, weaken
from weaklabels.data import Split
from weaklabels.data.augment import pipeline, to_float
from weaklabels.lab import multilabel
from weaklabels.lab.multilabel import load_splits
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import Options, options
from weaklabels.lab.store import Record
from weaklabels.lab.sweep import remember
from weaklabels.methods import l2d
from weaklabels.methods.base import Context
from weaklabels.metrics import known_count_f1, mean_average_precision
from weaklabels.models import Network
from weaklabels.seeding import seed_torch, torch_rng
from weaklabels.train import OptimiserSpec, fit, predict


@dataclass(frozen=True)
class Spec(multilabel.Spec):
    """One training run, of a teacher or of a student.

    Attributes:
        teacher: the run whose network teaches; None trains on the labels alone.
    """

    teacher: Spec | None = None


# -- settings -------------------------------------------------------------------------------------

DATASETS = {
    "quick": ("scenes",),
    "smoke": ("scenes",),
    "paper": ("voc2007", "coco2014", "nuswide"),
}
"""Datasets of the main table, by profile."""

TERMS: dict[str, tuple[str, Options]] = {
    "Softmax KD": ("Softmax KD", ()),
    "MSE": ("MSE", ()),
    "PS": ("PS", ()),
    "MLD": ("MLD", ()),
    "FitNet": ("FitNet", ()),
    "RKD": ("RKD", ()),
    "PKT": ("PKT", ()),
    "CD": ("L2D", options(logits_weight=0.0, instance_weight=0.0)),
    "ID": ("L2D", options(logits_weight=0.0, class_weight=0.0)),
    "LED": ("L2D", options(logits_weight=0.0)),
}
"""Distillation terms with a weight of their own: table name -> registered method, options."""

REVIEW_KD = {"ReviewKD": ("ReviewKD", options(stages=(4, 5, 6, 7)))}
"""Needs a backbone in stages, so it is in the ``paper`` profile only."""

FEATURE_TERMS = ("FitNet", "RKD", "PKT")
LOGIT_TERMS = ("Softmax KD", "MSE", "PS", "MLD")

SHARES = {"quick": (0.01, 0.03, 0.1, 0.3, 1.0), "smoke": (0.1, 1.0), "paper": ()}
"""Grid of every method's weight: the weighted term as a share of the hard-label loss, both with
initial weights. With the papers' data the shipped weights are used."""

EPOCHS = {"quick": (10, 20, 40), "smoke": (1, 2), "paper": (20, 40, 80)}
"""Lengths of training for the study of speed."""


def terms(profile: str) -> dict[str, tuple[str, Options]]:
    """``TERMS`` of a profile."""
    return TERMS | REVIEW_KD if profile == "paper" else TERMS


def base_spec(chapter: Setting, dataset: str = "scenes") -> Spec:
    """The vanilla student of seed 0, with its teacher; all other runs vary it."""
    if dataset != "scenes":
        return _photographs(chapter, dataset)

    sizes = chapter.choose(
        quick={"train": 600, "val": 500, "test": 1000},
        smoke={"train": 100, "val": 50, "test": 50},
        paper={"train": 600, "val": 500, "test": 1000},
    )
    teacher = Spec(
        "Vanilla",
        data_options=options(
            grid=8, min_digits=2, max_digits=6, intensity=(1.0, 1.0), noise=0.3, **sizes
        ),
        annotation="full",
        network="label_decoder",
        network_options=_scene_network(256),
        epochs=chapter.choose(quick=30, smoke=2, paper=30),
        batch_size=50,
        optimiser=OptimiserSpec(lr=1e-2, warm_up=0.2),
        track=("weights", "embeddings", "scores"),
        device=chapter.device,
    )
    return replace(
        teacher,
        teacher=teacher,
        network_options=_scene_network(8),
        epochs=chapter.choose(quick=20, smoke=2, paper=20),
        track=(),
    )


def _scene_network(width: int) -> Options:
    """A backbone of one convolution with so many channels, and a small decoder."""
    body = options(width=width, patch=8, stride=8, depth=1)
    return options(
        backbone="patch_net", backbone_options=body, width=32, heads=4, hidden=64, dropout=0.0
    )


def _photographs(chapter: Setting, dataset: str) -> Spec:
    """The shipped configuration: ResNet-101 teaches ResNet-34, both from ImageNet weights.

    The teacher stops after 30 of the 80 epochs of its schedule.
    """
    optimiser = OptimiserSpec(
        lr=1e-4, weight_decay=1e-4, decay_vectors=False, warm_up=0.2, cycle_epochs=80
    )
    teacher = Spec(
        "Vanilla",
        dataset=dataset,
        data_root=chapter.data_root,
        data_options=options(resolution=224, validation=0.0),
        annotation="full",
        network="label_decoder",
        network_options=options(backbone="resnet101"),
        epochs=30,
        batch_size=64,
        optimiser=optimiser,
        augment=(("cutout", 0.5, None), ("rand_augment",)),
        track=("weights", "embeddings", "scores"),
        device=chapter.device,
    )
    student = options(backbone="resnet34")
    return replace(teacher, teacher=teacher, network_options=student, epochs=80, track=())


def students(base: Spec) -> dict[str, Spec]:
    """The same student in several sizes, by a name of the size."""
    if base.dataset == "scenes":
        sizes = {f"{n} channels": _scene_network(n) for n in (4, 8, 16)}
    else:
        sizes = {name: options(backbone=name) for name in ("resnet18", "resnet34")}
    return {name: replace(base, network_options=network) for name, network in sizes.items()}


def repeat(spec: Spec, seed: int) -> Spec:
    """The same run, teacher included, with another seed."""
    return replace(spec, seed=seed, teacher=replace(spec.teacher, seed=seed))


def distil(
    base: Spec, name: str, weight: float | None = None, *, hard: float = 1.0, track: tuple = ()
) -> Spec:
    """The student with a distillation term of ``TERMS`` (``weight=None``: the shipped weight)."""
    method, own = (TERMS | REVIEW_KD)[name]
    chosen = dict(own) | {"weight": weight, "hard": hard}
    return replace(base, method=method, method_options=options(**chosen), track=track)


def full_l2d(base: Spec, weights: dict[str, float | None], *, track: tuple = ()) -> Spec:
    """The student with MLD and LED at the weights chosen for each alone (None: shipped)."""
    led = 1.0 if weights["LED"] is None else weights["LED"]
    chosen = {
        "logits_weight": 10.0 if weights["MLD"] is None else weights["MLD"],
        "class_weight": 100 * led,
        "instance_weight": 1000 * led,
    }
    return replace(base, method="L2D", method_options=options(**chosen), track=track)


def table_specs(
    base: Spec, weights: dict[str, float | None], seeds: Sequence[int]
) -> dict[str, list[Spec]]:
    """The runs of the main table, by method; the teacher stands first.

    Args:
        base: of ``base_spec``.
        weights: of each term that is to be compared; None is the shipped weight.
        seeds: one run each.
    """
    kinds = {"Vanilla": replace(base, track=("embeddings",))}
    kinds |= {name: distil(base, name, weight) for name, weight in weights.items()}
    kinds["L2D"] = full_l2d(base, weights, track=("embeddings",))
    groups = {name: [repeat(spec, seed) for seed in seeds] for name, spec in kinds.items()}
    return {"teacher": [spec.teacher for spec in groups["Vanilla"]]} | groups


def run_groups(chapter: Setting, groups: dict[str, list[Spec]]) -> dict[str, list[Record]]:
    """Run all specs in one sweep; the records keep their groups."""
    records = iter(chapter.run(run, [spec for specs in groups.values() for spec in specs]))
    return {name: [next(records) for _ in specs] for name, specs in groups.items()}


# -- runs -----------------------------------------------------------------------------------------


def run(spec: Spec) -> dict[str, Any]:
    """Train a teacher or a student and evaluate it after the last epoch.

    Returns:
        ``test`` (3,): mAP, OF1 and CF1 in percent (F1 with known label counts); ``val``: mAP, NaN
        without validation scenes; ``structure`` (2,): mean over test batches of the structure
        losses CD and ID to the teacher, NaN without one; ``embeddings`` of the first test batch
        and ``scores``, the test logits, where the spec tracks them; the weights of a teacher.
    """
    splits = load_splits(spec)
    seed_torch(spec.seed, "dropout and projections")
    model = build(spec)
    method = methods.create(spec.method, **dict(spec.method_options))
    teacher = restore(spec.teacher) if spec.teacher else None
    known = {"teacher": teacher, "inputs": None if spec.augment else splits.train.x.to(spec.device)}
    observed = torch.from_numpy(weaken.full(splits.train.y.numpy())).to(spec.device)
    method.start(Context(observed, **method.wanted(**known)))
    method.prepare(model)

    optimiser = spec.optimiser.build(model, method)
    steps = math.ceil(len(splits.train) / spec.batch_size)
    fit(
        model,
        splits.train.x,
        method,
        epochs=spec.epochs,
        batch_size=spec.batch_size,
        optimiser=optimiser,
        schedule=spec.optimiser.schedule(optimiser, spec.epochs, steps),
        order=torch_rng(spec.seed, "batch order"),
        augment=pipeline(spec.augment, torch_rng(spec.seed, "augmentation"), spec.device),
    )
    return evaluate(spec, model, teacher)


def evaluate(spec: Spec, model: Network, teacher: Network | None) -> dict[str, Any]:
    """What ``run`` returns."""
    splits = load_splits(spec)

    def view(x: Tensor) -> Tensor:
        return to_float(x.to(spec.device))

    scores = predict(model, splits.test.x, view=view).cpu()
    result: dict[str, Any] = {
        "test": [
            mean_average_precision(scores, splits.test.y),
            *known_count_f1(scores, splits.test.y),
        ],
        "val": np.nan,
        "structure": [np.nan, np.nan],
    }
    if splits.val is not None and len(splits.val):
        val_scores = predict(model, splits.val.x, view=view).cpu()
        result["val"] = mean_average_precision(val_scores, splits.val.y)
    if teacher is not None:
        result["structure"] = structure_to(model, teacher, splits.test, spec.batch_size, view)
    if "scores" in spec.track:
        result["scores"] = scores.numpy()
    if "embeddings" in spec.track:
        first = view(splits.test.x[: spec.batch_size])
        result["embeddings"] = predict(model.features, first).cpu().numpy()
    if "weights" in spec.track:
        result |= {f"weights/{k}": v.cpu().numpy() for k, v in model.state_dict().items()}
    return result


def structure_to(
    model: Network, teacher: Network, test: Split, batch_size: int, view: Callable[[Tensor], Tensor]
) -> list[float]:
    """Mean over test batches of the structure losses CD and ID to the teacher."""
    losses = []
    for x, y in zip(test.x.split(batch_size), test.y.split(batch_size), strict=True):
        own, target = (predict(net.features, view(x)) for net in (model, teacher))
        labels = y.to(own.device)
        losses.append(
            [float(f(own, target, labels)) for f in (l2d.class_aware, l2d.instance_aware)]
        )
    return np.mean(losses, 0).tolist()


def initial_sizes(spec: Spec) -> dict[str, Any]:
    """Size of the hard-label loss and of the unweighted distillation term, before training.

    ``hard`` and ``term``, of the first batch of training scenes.
    """
    splits = load_splits(spec)
    seed_torch(spec.seed, "dropout and projections")
    model = build(spec)
    method = methods.create(spec.method, **dict(spec.method_options))
    labels = splits.train.y[: spec.batch_size].to(spec.device).float()
    method.start(Context(2 * labels - 1, teacher=restore(spec.teacher)))
    method.prepare(model)
    x = to_float(splits.train.x[: spec.batch_size].to(spec.device))
    with torch.no_grad():
        own, target = l2d.outputs(model, x), l2d.outputs(method.teacher, x)
        hard = l2d.hard_label_loss(own.logits, labels)
        return {"hard": float(hard), "term": float(method.term(own, target, labels))}


def build(spec: Spec) -> Network:
    """The network of a run with its initial weights."""
    classes = len(load_splits(spec).classes)
    built = models.build(spec.network, classes, seed=spec.seed, **dict(spec.network_options))
    return built.to(spec.device)


def restore(spec: Spec) -> Network:
    """The trained network of a run that tracks its weights (the run is done if it was not yet)."""
    record = remember(run, spec)
    model = build(spec)
    prefix = "weights/"
    state = {
        name.removeprefix(prefix): torch.from_numpy(value)
        for name, value in record.values.items()
        if name.startswith(prefix)
    }
    model.load_state_dict(state)
    return model.eval()


# -- choosing weights -----------------------------------------------------------------------------


def weight_grid(sizes: dict[str, Record], shares: Sequence[float]) -> dict[str, list[float]]:
    """Weights of each term at which it has the given shares of the hard-label loss.

    Rounded to two digits.
    """
    return {
        name: [float(f"{share * record['hard'] / record['term']:.2g}") for share in shares]
        for name, record in sizes.items()
    }


def best_weights(
    grid: dict[str, list[float]], validation: dict[str, list[float]]
) -> dict[str, float]:
    """The weight of each method at which a student validates best (the smallest, if several)."""
    return {name: grid[name][int(np.argmax(validation[name]))] for name in grid}
