"""The experiments of the chapter on *Multi-Label Knowledge Distillation* (L2D, ICCV 2023).

A teacher is trained once per seed; every student of that seed learns from it. Students see all
labels: what is scarce is capacity. The last epoch is reported, where the one-cycle schedule has
brought the learning rate to zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from weaklabels import methods, weaken
from weaklabels.data import Split, Splits
from weaklabels.data.augment import pipeline, to_float
from weaklabels.lab.execute import ORDER, Task, Watch, execute, network, started
from weaklabels.lab.loading import load_splits
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import Data, Learner, Options, Trained, options
from weaklabels.lab.store import Record
from weaklabels.lab.sweep import remember
from weaklabels.lab.weights import restore, weights_of
from weaklabels.methods import l2d
from weaklabels.metrics import known_count_f1, mean_average_precision
from weaklabels.models import Network
from weaklabels.seeding import seed_torch, torch_rng
from weaklabels.train import OptimiserSpec, predict


@dataclass(frozen=True)
class Spec(Learner, Data, Trained):
    """One training run, of a teacher or of a student; beside its parts (see ``lab.spec``):

    Attributes:
        teacher: the run whose network teaches, with the seed of this one; None trains on the
            labels alone.
        untrained: the teacher keeps its initial weights.
        augment: steps for ``data.augment.pipeline``, applied to each training batch.
        track: what to record besides, of ``TRACKED``.
    """

    _: KW_ONLY
    teacher: Spec | None = None
    untrained: bool = False
    augment: tuple[tuple[Any, ...], ...] = ()
    track: tuple[str, ...] = ()

    def code(self) -> list[Any]:
        """What the run depends on besides what reading its function shows."""
        return [*super().code(), *(self.teacher.code() if self.teacher else [])]


# -- settings -------------------------------------------------------------------------------------

TRACKED = ("weights", "embeddings", "scores")

PHOTOGRAPHS = ("voc2007", "coco2014", "nuswide")
"""Datasets of the profile ``paper``."""

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

UNTRAINED = {f"{name}, untrained teacher": name for name in ("CD", "ID", "LED")}
"""Controls: the same term, computed with a teacher that has learnt nothing -> its name."""

REVIEW_KD = {"ReviewKD": ("ReviewKD", options(stages=(4, 5, 6, 7)))}
"""Needs a backbone in stages, so it is in the ``paper`` profile only."""

FEATURE_TERMS = ("FitNet", "RKD", "PKT")
LOGIT_TERMS = ("Softmax KD", "MSE", "PS", "MLD")

EPOCHS: dict[str, tuple[int, ...]] = {
    "quick": (10, 20, 40),
    "smoke": (1, 2),
    "paper": (20, 40, 80),
}
"""Lengths of training for the study of speed."""

MAIN_TERMS = ("MLD", "CD", "ID", "LED")
"""Compared in every check; the other terms and the controls are studies."""


def settings(chapter: Setting) -> dict[str, Spec]:
    """The vanilla student on each dataset, with its teacher; all other runs vary it."""
    if chapter.profile == "paper":
        return {dataset: _photographs(chapter, dataset) for dataset in PHOTOGRAPHS}
    return {"scenes": scenes(chapter)}


def scenes(chapter: Setting) -> Spec:
    """A teacher of 256 channels, a student of 8."""
    sizes = chapter.choose(
        quick={"train": 600, "val": 500, "test": 1000},
        smoke={"train": 100, "val": 50, "test": 50},
    )
    teacher = Spec(
        "Vanilla",
        data_options=options(
            grid=8, min_digits=2, max_digits=6, intensity=(1.0, 1.0), noise=0.3, **sizes
        ),
        network="label_decoder",
        network_options=_scene_network(256),
        epochs=chapter.choose(quick=30, smoke=2),
        batch_size=50,
        optimiser=OptimiserSpec(lr=1e-2, warm_up=0.2),
        track=("weights", "embeddings", "scores"),
        device=chapter.device,
    )
    return replace(
        teacher,
        teacher=teacher,
        network_options=_scene_network(8),
        epochs=chapter.choose(quick=20, smoke=2),
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


def distil(
    base: Spec, name: str, weight: float | None = None, *, hard: float = 1.0, track: tuple = ()
) -> Spec:
    """The student with a distillation term of ``TERMS`` or ``UNTRAINED``.

    Args:
        base: of ``settings``.
        name: of the term.
        weight: of the term; None is the shipped one.
        hard: weight of the hard-label loss.
        track: what to record.
    """
    method, own = (TERMS | REVIEW_KD)[UNTRAINED.get(name, name)]
    return replace(
        base,
        method=method,
        method_options=options(**dict(own), weight=weight, hard=hard),
        untrained=name in UNTRAINED,
        track=track,
    )


def full_l2d(base: Spec, weights: dict[str, float | None], *, track: tuple = ()) -> Spec:
    """The student with MLD and LED at the weights chosen for each alone (None: shipped)."""
    led = 1.0 if weights["LED"] is None else weights["LED"]
    chosen = {
        "logits_weight": 10.0 if weights["MLD"] is None else weights["MLD"],
        "class_weight": 100 * led,
        "instance_weight": 1000 * led,
    }
    return replace(base, method="L2D", method_options=options(**chosen), track=track)


def table(base: Spec, weights: Mapping[str, float | None]) -> dict[str, Spec]:
    """The runs of the main table, by method; the teacher stands first.

    Args:
        base: of ``settings``.
        weights: of each term that is to be compared; None is the shipped weight.
    """
    return {
        "teacher": base.teacher,
        "Vanilla": replace(base, track=("embeddings",)),
        **{name: distil(base, name, weight) for name, weight in weights.items()},
        "L2D": full_l2d(base, weights, track=("embeddings",)),
    }


def alone_table(base: Spec, weights: Mapping[str, float]) -> dict[str, Spec]:
    """The teacher, and students that learn from it alone, without labels.

    Args:
        base: of ``settings``.
        weights: of the terms; those that are left out have their shipped weight.
    """
    table = {"teacher": base.teacher}
    for name in ("MLD", "Softmax KD"):
        weight = weights.get(name)
        track = ("weights", "scores")
        table[f"{name} alone"] = distil(base, name, weight, hard=0.0, track=track)
    return table


def grid_table(base: Spec, grid: Mapping[str, Mapping[float, float]]) -> dict[Any, Spec]:
    """The vanilla student, and one for each (term, share) of a grid of weights."""
    return {"Vanilla": replace(base, track=("embeddings",))} | {
        (name, share): distil(base, name, weight)
        for name, weights in grid.items()
        for share, weight in weights.items()
    }


def budgets(
    base: Spec, lengths: Sequence[int], rival: str, weights: Mapping[str, float | None]
) -> dict[tuple[str, str, Any], Spec]:
    """Students by (method, ``"length"``, epochs) and by (method, ``"size"``, size).

    Args:
        base: of ``settings``.
        lengths: of training, epochs.
        rival: a term that is to be compared over sizes.
        weights: as for ``table``.
    """

    def kinds(student: Spec) -> dict[str, Spec]:
        table_of = table(student, weights)
        return {name: table_of[name] for name in ("Vanilla", rival, "L2D")}

    by_length = {
        (name, "length", epochs): spec
        for epochs in lengths
        for name, spec in kinds(replace(base, epochs=epochs)).items()
        if name != rival
    }
    by_size = {
        (name, "size", size): spec
        for size, student in students(base).items()
        for name, spec in kinds(student).items()
    }
    return by_length | by_size


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
    teacher = taught_by(spec)
    seed_torch(spec.seed, "dropout and projections")
    model = build(spec)
    method = methods.create(spec.method, **dict(spec.method_options))
    observed = torch.from_numpy(weaken.full(splits.train.y.numpy())).to(spec.device)
    inputs = None if spec.augment else splits.train.x.to(spec.device)
    started(method, observed, teacher=teacher, inputs=inputs)
    method.prepare(model)
    streams = {name: torch_rng(spec.seed, name) for name in (ORDER, "augmentation")}
    return execute(
        spec,
        Task(
            model,
            method,
            splits.train.x,
            watch=lambda net, _: _AtTheEnd(spec, splits, net, teacher),
            streams=streams,
            augment=pipeline(spec.augment, streams["augmentation"], spec.device),
        ),
    )


class _AtTheEnd(Watch):
    """Measures the trained network alone."""

    def __init__(self, spec: Spec, splits: Splits, model: Network, teacher: Network | None) -> None:
        super().__init__()
        unknown = set(spec.track) - set(TRACKED)
        if unknown:
            raise ValueError(f"cannot track {', '.join(sorted(unknown))}: {', '.join(TRACKED)} can")
        self.spec, self.splits, self.model, self.teacher = spec, splits, model, teacher

    def _view(self, x: Tensor) -> Tensor:
        return to_float(x.to(self.spec.device))

    def results(self) -> dict[str, Any]:
        """What ``run`` returns."""
        spec, test, val, model = self.spec, self.splits.test, self.splits.val, self.model
        scores = predict(model, test.x, view=self._view).cpu()
        found: dict[str, Any] = {
            "test": [mean_average_precision(scores, test.y), *known_count_f1(scores, test.y)],
            "val": np.nan,
            "structure": [np.nan, np.nan],
        }
        if val is not None and len(val):
            val_scores = predict(model, val.x, view=self._view).cpu()
            found["val"] = mean_average_precision(val_scores, val.y)
        if self.teacher is not None:
            found["structure"] = structure_to(
                model, self.teacher, test, spec.batch_size, self._view
            )
        if "scores" in spec.track:
            found["scores"] = scores.numpy()
        if "embeddings" in spec.track:
            first = self._view(test.x[: spec.batch_size])
            found["embeddings"] = predict(model.features, first).cpu().numpy()
        if "weights" in spec.track:
            found |= weights_of(model, "weights/")
        return found


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


def near_trained(spec: Spec) -> dict[str, Any]:
    """Train the student of an untrained teacher, and measure it against the trained one.

    Returns:
        ``structure`` (2,), as ``run`` has it, but to the trained teacher.
    """
    spec = replace(spec, track=("weights",))
    student = restore(build(spec), remember(run, spec))
    teacher = taught_by(replace(spec, untrained=False))
    if teacher is None:
        raise ValueError("the run has no teacher: expected one that is left untrained")

    def view(x: Tensor) -> Tensor:
        return to_float(x.to(spec.device))

    test = load_splits(spec).test
    return {"structure": structure_to(student, teacher, test, spec.batch_size, view)}


def initial_sizes(spec: Spec) -> dict[str, Any]:
    """Size of the hard-label loss and of the unweighted distillation term, before training.

    ``hard`` and ``term``, of the first batch of training scenes.
    """
    splits = load_splits(spec)
    teacher = taught_by(spec)
    seed_torch(spec.seed, "dropout and projections")
    model = build(spec)
    method = methods.create(spec.method, **dict(spec.method_options))
    labels = splits.train.y[: spec.batch_size].to(spec.device).float()
    started(method, 2 * labels - 1, teacher=teacher)
    method.prepare(model)
    x = to_float(splits.train.x[: spec.batch_size].to(spec.device))
    with torch.no_grad():
        own, target = l2d.outputs(model, x), l2d.outputs(teacher, x)
        hard = l2d.hard_label_loss(own.logits, labels)
        return {"hard": float(hard), "term": float(method.term(own, target, labels))}


def build(spec: Spec) -> Network:
    """The network of a run with its initial weights."""
    return network(spec, len(load_splits(spec).classes), spec.seed)


def validation_scores(record: Record) -> tuple[np.ndarray, np.ndarray]:
    """What the trained network of a run says of its validation images.

    Args:
        record: of ``run``, with the weights.

    Returns:
        logits ``(N, C)``, and the labels ``(N, C)`` in {0, 1}; N is 0 without validation images.
    """
    spec, splits = record.spec, load_splits(record.spec)
    if splits.val is None or not len(splits.val):
        nothing = np.zeros((0, len(splits.classes)))
        return nothing, nothing
    model = restore(build(spec), record)
    scores = predict(model, splits.val.x, view=lambda x: to_float(x.to(spec.device)))
    return scores.cpu().numpy(), splits.val.y.numpy()


def taught_by(spec: Spec) -> Network | None:
    """The network of a run's teacher (trained now if it was not yet); None without one."""
    if spec.teacher is None:
        return None
    teacher = replace(spec.teacher, seed=spec.seed)
    if spec.untrained:
        return build(teacher)
    return restore(build(teacher), remember(run, teacher))
