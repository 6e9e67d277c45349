"""The experiments of the chapter on *Active Learning for Open-set Annotation* (LfOSA, 2022)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim.lr_scheduler import StepLR

from chapters.lfosa import patches
from weaklabels import data, models
from weaklabels.data.augment import flip, pad_crop, to_float
from weaklabels.dropout import add_dropout
from weaklabels.lab import sweep
from weaklabels.lab.checkpoint import Checkpoint, Progress
from weaklabels.lab.features import WIDTH, extracted, standardised
from weaklabels.lab.loading import load_splits
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import Data, Options, options
from weaklabels.methods import lfosa
from weaklabels.methods.base import Context, Method
from weaklabels.metrics import accuracy
from weaklabels.models import Network
from weaklabels.seeding import derive, numpy_rng, seed_torch, torch_rng
from weaklabels.train import OptimiserSpec, fit, predict

LOGGED = ("Random", "Uncertainty", "Certainty")
"""Rivals that are in the authors' result logs."""

FURTHER = ("BALD", "Coreset", "OpenMax")
"""Rivals of the paper's figures that are not."""

UNTAUGHT = "AV+GMM"
"""The authors' own ablation, no detector."""

BALANCED = "LfOSA, balanced"
MAIN = (*LOGGED, UNTAUGHT, "LfOSA", BALANCED)
PARTS = ("LfOSA, T=0.2", "LfOSA, T=1", "LfOSA, T=2", "LfOSA, no GMM")
STUDIES = (*FURTHER, *PARTS)
"""Strategies beyond the main comparison: further rivals, and LfOSA with a part changed."""

ABLATIONS = ("LfOSA, T=0.2", "LfOSA", "LfOSA, T=1", "LfOSA, T=2", "LfOSA, no GMM")
ALL = (*MAIN, *STUDIES)
FEW = ("Random", "Certainty", "LfOSA", BALANCED)
"""Strategies of the study over mismatch ratios, and of the figures of what was bought."""

DRAWN = (*LOGGED, "LfOSA")
"""Strategies whose curves are drawn."""


@dataclass(frozen=True)
class Spec(Data):
    """One run, all query rounds of one strategy; beside the data (see ``lab.spec``):

    Attributes:
        strategy: a key of ``lfosa.STRATEGIES``.
        temperature: of the detector.
        known: the known classes; all others are unknown.
        patches: further unknown examples, patches of photographs.
        far: a dataset of small grey images that take the place of the unknown classes, as many as
            there are of these; empty for none.
        initial: labelled at the beginning: so many examples of each known class, or below 1 this
            share of all examples of known classes.
        budget: queries in a round.
        rounds: number of rounds.
        network, network_options: for ``models.build``.
        dropout: share of dropped values.
        features: folder in which the features of a frozen network are kept that take the place of
            the photographs (see ``lab.features``); empty for the photographs themselves.
        steps: of each training; 0 where ``epochs`` count.
        epochs: passes over the data if ``steps`` is 0.
        batch_size, optimiser: of each training; the learning rate is halved after each fifth of it,
            and the pools of digits have one of their own (see ``tuning``).
        augment: train on shifted, mirrored and rotated photographs.
        device: where to compute.
        checkpoint: a run that was killed goes on after its last round.
    """

    checkpoint: ClassVar[bool] = True
    strategy: str
    _: KW_ONLY
    temperature: float = 0.5
    dataset: str = "digits"
    data_options: Options = (("test", 500),)
    known: tuple[int, ...] = (3, 5, 8, 9)
    patches: int = 0
    far: str = ""
    initial: float = 5
    budget: int = 40
    rounds: int = 8
    network: str = "mlp"
    network_options: Options = (("hidden", (128, 64)), ("inputs", 64))
    dropout: float = 0.2
    steps: int = 300
    epochs: int = 0
    batch_size: int = 32
    optimiser: OptimiserSpec = OptimiserSpec("sgd", lr=0.05, weight_decay=5e-4)
    augment: bool = False
    features: str = ""
    device: str = "cpu"

    def code(self) -> list[Any]:
        return [*super().code(), *([data.loader(self.far)] if self.far else [])]


@dataclass(frozen=True)
class Task:
    """Data of a run.

    Attributes:
        x, y: all training examples and their classes, 0..K-1 known and K unknown.
        kind: ``(N,)`` true classes as the dataset numbers them; -1 for patches and far images.
        initial: rows that are labelled at the beginning.
        test_x, test_y: test examples of known classes.
        classes: K.
    """

    x: Tensor
    y: Tensor
    kind: np.ndarray
    initial: np.ndarray
    test_x: Tensor
    test_y: Tensor
    classes: int


def run(spec: Spec) -> dict[str, Any]:
    """Query round after round.

    Returns:
        Per round: ``accuracy`` (%) of the classifier before the round's query, ``precision``, share
        of known classes in the query, ``recall``, share of all known-class examples that are
        labelled after it; ``counts`` ``(rounds + 1, K)``, labelled examples of each class;
        ``queried`` ``(rounds, kinds)``, queries by true class (last: patches). Of the detector in
        the middle of the rounds: ``mav``, ``predicted`` and ``truth`` of the pool. Once:
        ``same_counts``, accuracy (%) of the last round's classifier trained on random examples
        instead, as many of each class (see ``same_counts``).
    """
    task = load_task(spec)
    y = task.y.numpy()
    found = Progress(
        labelled=task.initial.tolist(),
        invalid=[],
        curves={"accuracy": [], "precision": [], "recall": [], "queried": []},
        counts=[np.bincount(y[task.initial], minlength=task.classes)],
        look={},
    )
    kept = Checkpoint(sweep.checkpoint_file(), found=found)
    for r in range(kept.restore(), spec.rounds):
        _query(spec, task, r, found)
        kept.save(r + 1)
    control = same_counts(task, found.counts[-2], numpy_rng(spec.seed, "same counts"))
    classifier = _train(spec, task, control, lfosa.Classifier(), "classifier", spec.rounds - 1)
    scores = predict(classifier, task.test_x).cpu()
    kept.remove()
    return {name: np.array(values) for name, values in found.curves.items()} | found.look | {
        "counts": np.array(found.counts), "same_counts": accuracy(scores, task.test_y)
    }  # fmt: skip


def _query(spec: Spec, task: Task, r: int, found: Progress) -> None:
    """One round: train, look, ask, and note what came of it."""
    y, curves = task.y.numpy(), found.curves
    pool = np.setdiff1d(np.arange(len(y)), found.labelled + found.invalid)
    situation = _train_and_look(spec, task, r, pool, found.labelled, found.invalid)
    scores = predict(situation.classifier, task.test_x).cpu()
    curves["accuracy"].append(accuracy(scores, task.test_y))
    if r == spec.rounds // 2 and situation.detector is not None:
        mav, predicted = lfosa.maximum_activation(predict(situation.detector, situation.pool))
        found.look = {"mav": mav.astype(np.float32), "predicted": predicted, "truth": y[pool]}
    chosen = pool[lfosa.STRATEGIES[spec.strategy](situation)]
    valid = y[chosen] < task.classes
    found.labelled += chosen[valid].tolist()
    found.invalid += chosen[~valid].tolist()
    curves["precision"].append(valid.mean())
    curves["recall"].append(len(found.labelled) / int((y < task.classes).sum()))
    kinds = np.where(task.kind[chosen] < 0, task.kind.max() + 1, task.kind[chosen])
    curves["queried"].append(np.bincount(kinds, minlength=task.kind.max() + 2))
    found.counts.append(np.bincount(y[found.labelled], minlength=task.classes))


def same_counts(task: Task, counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows with as many examples of each known class, drawn at random beyond the first labels.

    Args:
        task: data of the run.
        counts: ``(K,)`` examples wanted of each class, the first labels included.
        rng: of the draw; from the same state more counts give more of the same examples.
    """
    y = task.y.numpy()
    wanted = counts - np.bincount(y[task.initial], minlength=task.classes)
    order = rng.permutation(np.setdiff1d(np.arange(len(y)), task.initial))
    drawn = [order[y[order] == c][:count] for c, count in enumerate(wanted)]
    return np.concatenate([task.initial, *drawn])


def _train_and_look(
    spec: Spec, task: Task, r: int, pool: np.ndarray, labelled: list[int], invalid: list[int]
) -> lfosa.Situation:
    """Train this round's networks, from scratch."""
    classifier = _train(spec, task, labelled, lfosa.Classifier(), "classifier", r)
    detector = None
    if lfosa.needs_detector(spec.strategy):
        method = lfosa.Detector(spec.temperature)
        detector = _train(spec, task, labelled + invalid, method, "detector", r)
    return lfosa.Situation(
        predict=predict,
        classifier=classifier,
        detector=detector,
        pool=task.x[pool],
        labelled=task.x[labelled],
        labels=task.y[labelled],
        classes=task.classes,
        budget=spec.budget,
        seed=derive(spec.seed, "query", r),
    )


def ask(spec: Spec, task: Task) -> np.ndarray:
    """The first round's query: ``(budget,)`` rows of the training examples, best first."""
    pool = np.setdiff1d(np.arange(len(task.y)), task.initial)
    situation = _train_and_look(spec, task, 0, pool, task.initial.tolist(), [])
    return pool[lfosa.STRATEGIES[spec.strategy](situation)]


def held_out_accuracy(spec: Spec) -> dict[str, Any]:
    """How good a classifier is that learns from random known examples, on those that are left.

    Returns:
        ``validation``, accuracy (%) on the known training examples that it was not trained on; the
        examples it learns from are the first labels and as many more as one round asks for.
    """
    task = load_task(spec)
    known = np.setdiff1d(np.flatnonzero(task.y.numpy() < task.classes), task.initial)
    drawn = numpy_rng(spec.seed, "held out").permutation(known)
    rows = np.concatenate([task.initial, drawn[: spec.budget]])
    classifier = _train(spec, task, rows.tolist(), lfosa.Classifier(), "classifier", 0)
    left = drawn[spec.budget :]
    scores = predict(classifier, task.x[left]).cpu()
    return {"validation": accuracy(scores, task.y[left])}


def first_detector_accuracy(spec: Spec) -> dict[str, Any]:
    """How good the first round's detector is, which learns from the first labels alone.

    Returns:
        ``validation``, accuracy (%) on the known training examples that it was not trained on; an
        answer *unknown* is wrong.
    """
    task = load_task(spec)
    known = np.setdiff1d(np.flatnonzero(task.y.numpy() < task.classes), task.initial)
    method = lfosa.Detector(spec.temperature)
    detector = _train(spec, task, task.initial.tolist(), method, "detector", 0)
    scores = predict(detector, task.x[known]).cpu()
    return {"validation": accuracy(scores, task.y[known])}


def _train(
    spec: Spec, task: Task, rows: Sequence[int], method: Method, part: str, r: int
) -> Network:
    outputs = task.classes + (part == "detector")
    seed_torch(spec.seed, "dropout", part, r)
    model = models.build(
        spec.network,
        outputs,
        seed=derive(spec.seed, part, r) % 2**31,
        **dict(spec.network_options),
    )
    model = add_dropout(model, spec.dropout).to(spec.device)
    method.start(Context(task.y[rows].to(spec.device)))
    optimiser = spec.optimiser.build(model, method)
    steps = spec.steps or spec.epochs * math.ceil(len(rows) / spec.batch_size)
    generator = torch_rng(spec.seed, "views", part, r)

    def augment(batch: Tensor) -> Tensor:
        return to_float(rotate(flip(pad_crop(batch, generator), generator), generator))

    def batches(order: torch.Generator) -> Iterable[Tensor]:
        drawn: list[Tensor] = []
        while len(drawn) < steps:
            drawn += torch.randperm(len(rows), generator=order).split(spec.batch_size)
        return drawn[:steps]

    fit(
        model,
        task.x[rows],
        method,
        epochs=1,
        batch_size=spec.batch_size,
        optimiser=optimiser,
        order=torch_rng(spec.seed, "batches", part, r),
        schedule=StepLR(optimiser, max(steps // 5, 1), 0.5),
        augment=augment if spec.augment else None,
        batches=batches,
    )
    return model


def rotate(batch: Tensor, generator: torch.Generator, degrees: float = 15.0) -> Tensor:
    """Turn each image by an angle up to ``degrees``, either way; black comes in at the corners."""
    angle = (2 * torch.rand(len(batch), generator=generator) - 1) * math.radians(degrees)
    zero = torch.zeros_like(angle)
    rows = ((angle.cos(), -angle.sin(), zero), (angle.sin(), angle.cos(), zero))
    turn = torch.stack([torch.stack(row, 1) for row in rows], 1).to(batch.device)
    grid = F.affine_grid(turn, list(batch.shape), align_corners=False)
    turned = F.grid_sample(batch.float(), grid, mode="nearest", align_corners=False)
    return turned.to(batch.dtype)


def load_task(spec: Spec) -> Task:
    """Data of a run; the same for all strategies of a seed."""
    splits, seed, known = load_splits(spec), spec.seed, spec.known
    number = torch.full((len(splits.classes),), len(known))
    number[list(known)] = torch.arange(len(known))
    x, kind = splits.train.x, splits.train.y.numpy()
    y = number[splits.train.y]
    if count := spec.patches:
        x = torch.cat([x, torch.from_numpy(patches.draw(count, numpy_rng(seed, "patches")))])
        kind = np.append(kind, np.full(count, -1))
        y = torch.cat([y, torch.full((count,), len(known))])
    if spec.far:
        kept = y < len(known)
        others = far_images(spec, int((~kept).sum()), x.shape[-1])
        x, kind = torch.cat([x[kept], others]), np.append(kind[kept], np.full(len(others), -1))
        y = torch.cat([y[kept], torch.full((len(others),), len(known))])
    test = number[splits.test.y] < len(known)
    rows = _first_labels(y.numpy(), len(known), spec.initial, numpy_rng(seed, "first labels"))
    test_x = splits.test.x[test]
    if spec.features:
        assert spec.data_root is not None
        x, test_x = _on_features(x, test_x, spec.data_root, spec.features)
    return Task(x, y, kind, rows, test_x, number[splits.test.y][test], len(known))


def _on_features(pool: Tensor, tested: Tensor, root: str, folder: str) -> tuple[Tensor, ...]:
    return standardised(*(extracted(images, root, folder) for images in (pool, tested)))


def far_images(spec: Spec, count: int, side: int) -> Tensor:
    """Grey images of another dataset as photographs: three equal channels, a black frame.

    Args:
        spec: names the dataset; the draw is the same for all seeds.
        count: images wanted.
        side: their height and width in pixels.

    Returns:
        ``(count, 3, side, side)`` uint8.
    """
    images = data.load(spec.far, spec.data_root, raw=True).train.x
    drawn = numpy_rng(0, "far images").permutation(len(images))[:count]
    frame = (side - images.shape[-1]) // 2
    return F.pad(images[drawn], (frame,) * 4).expand(-1, 3, -1, -1)


def _first_labels(
    y: np.ndarray, classes: int, initial: float, rng: np.random.Generator
) -> np.ndarray:
    if initial < 1:
        known = rng.permutation(np.flatnonzero(y < classes))
        return known[: round(initial * len(known))]
    mixed = rng.permutation(len(y))
    return np.concatenate([mixed[y[mixed] == c][: int(initial)] for c in range(classes)])


def settings(chapter: Setting) -> dict[str, Spec]:
    """The two main tasks of the profile by name; the strategy is to be filled in."""
    if chapter.profile == "paper":
        return {
            "CIFAR-10, 4 known": photographs(chapter, "cifar10", 4),
            "CIFAR-100, 20 known": photographs(chapter, "cifar100", 20),
        }
    near = Spec("Random", device=chapter.device)
    far = replace(near, known=(0, 1, 2, 3, 4, 5, 8, 9), patches=4000, initial=3)
    both = {"near unknowns": near, "far unknowns": far}
    if chapter.profile != "smoke":
        return both
    return {
        name: replace(spec, rounds=3, steps=2, budget=20, patches=spec.patches // 20)
        for name, spec in both.items()
    }


def openness(chapter: Setting) -> dict[str, Spec]:
    """The same task with more and more known classes, the first ones of the dataset."""
    if chapter.profile == "paper":
        wanted = (
            ("CIFAR-10", "cifar10", 10, (2, 3, 4, 5)),
            ("CIFAR-100", "cifar100", 100, (20, 30, 40, 50)),
            ("Tiny-ImageNet", "tiny_imagenet", 200, (40, 60, 80)),
        )
        return {
            f"{title}, {k} of {total}": photographs(chapter, name, k)
            for title, name, total, known in wanted
            for k in known
        }
    near = settings(chapter)["near unknowns"]
    return {f"{k} of 10": replace(near, known=tuple(range(k))) for k in (2, 4, 6, 8)}


def photographs(chapter: Setting, dataset: str, known: int) -> Spec:
    """The official settings (see the chapter for what differs)."""
    initial = {"cifar10": 0.06 if known == 3 else 0.01, "cifar100": 0.08, "tiny_imagenet": 0.08}
    tiny = dataset == "tiny_imagenet"
    return Spec(
        "Random",
        dataset=dataset,
        data_root=chapter.data_root,
        data_options=() if tiny else options(raw=True),
        known=tuple(range(known)),
        initial=initial[dataset],
        budget=1500,
        rounds=10,
        network="resnet18",
        network_options=options(pretrained=tiny, small=True),
        dropout=0.0,
        steps=0,
        epochs=100,
        batch_size=128,
        optimiser=OptimiserSpec("sgd", lr=0.01, weight_decay=5e-4),
        augment=True,
        device=chapter.device,
    )


ON_PHOTOGRAPHS = ("Random", "Uncertainty", "Coreset", "LfOSA", BALANCED)
"""Strategies that run on CIFAR-10 outside of the paper profile."""


POOLS = ("4 of 10 known, near", "2 of 10 known, near", "4 known, far")
"""What they choose from there."""


def small_photographs(setting: Setting) -> dict[str, Spec]:
    """Three pools from the photographs at hand, with the network of the digits on features of them.

    As in the paper the known classes are the first ones, and a round asks about 3 % of the pool;
    each training has so many steps instead of epochs, so that no strategy trains longer because it
    found more. The far pool is the first one with clothes in place of the unknown photographs.
    """
    near = {
        known: replace(
            photographs(setting, "cifar10", known),
            initial=1 / 30,
            budget=450,
            rounds=6,
            network="mlp",
            network_options=options(inputs=WIDTH, hidden=(128, 64)),
            dropout=0.2,
            steps=500,
            epochs=0,
            augment=False,
            features=str(setting.store.folder.parent / "features"),
        )
        for known in (4, 2)
    }
    far = replace(near[4], far="fashion_mnist")
    return dict(zip(POOLS, (near[4], near[2], far), strict=True))


def vary(task: Spec, name: str) -> Spec:
    """The same task with a strategy of the tables; ``"..., T=1"`` sets the temperature.

    Raises:
        ValueError: if there is no such strategy.
    """
    strategy, _, temperature = name.partition(", T=")
    if strategy not in lfosa.STRATEGIES:
        known = ", ".join(lfosa.STRATEGIES)
        raise ValueError(f"unknown strategy {strategy!r}: expected one of {known}")
    # Photographs have no dropout but for BALD, whose networks it draws.
    dropout = 0.5 if strategy == "BALD" and not task.dropout else task.dropout
    chosen = float(temperature) if temperature else task.temperature
    return replace(task, strategy=strategy, temperature=chosen, dropout=dropout)


def table(settings: Mapping[str, Spec], names: Sequence[str] = MAIN) -> dict[str, dict[str, Spec]]:
    """Task -> strategy -> spec."""
    return {title: {name: vary(task, name) for name in names} for title, task in settings.items()}
