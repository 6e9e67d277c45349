"""The protocol of the chapters on missing labels: train on weak labels, evaluate on full ones.

A run draws the data, weakens the training labels, starts the network (at random, from pre-training
on one-digit images, or from a linear phase), trains, and evaluates validation and test scenes after
every epoch. Both the epoch with the best validation score and the last one are reported: choosing
the best epoch on clean labels hides memorisation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from weaklabels import checks, methods, weaken
from weaklabels.data import Split, Splits
from weaklabels.data.augment import pipeline
from weaklabels.lab import loading, weights
from weaklabels.lab.execute import ORDER, Task, execute, network, placed, started
from weaklabels.lab.multilabel_watch import MultilabelWatch, Scene
from weaklabels.lab.spec import Data, Learner, Options, Trained, options
from weaklabels.lab.store import Record
from weaklabels.lab.sweep import remember
from weaklabels.lab.trunk import Trunk, on_maps
from weaklabels.lab.weights import load_part, weights_of
from weaklabels.methods.base import Context, Method
from weaklabels.metrics import accuracy, average_precision
from weaklabels.models import Network
from weaklabels.seeding import numpy_rng, seed_torch, torch_rng
from weaklabels.train import OptimiserSpec, fit, predict

LINEAR_PHASE = {"LL-R": "AN", "LL-Ct": "AN", "LL-Cp": "AN"}
"""Method -> method of its linear phase, where that is another one."""


@dataclass(frozen=True)
class Pretraining:
    """Softmax training on the one-digit images of a dataset; stands in for ImageNet weights."""

    epochs: int = 8
    batch_size: int = 64
    optimiser: OptimiserSpec = OptimiserSpec(lr=2e-3)


@dataclass(frozen=True, kw_only=True)
class AnnotatedData(Data):
    """Multi-label data and how its labels are weakened; beside its parts:

    Attributes:
        annotation, annotation_options: an annotation model, a key of ``ANNOTATIONS``, and the
            keyword arguments of its function.
        train_size: use only the first so many training examples.
    """

    annotation: str = "single positive"
    annotation_options: Options = ()
    train_size: int | None = None


@dataclass(frozen=True)
class Spec(Learner, AnnotatedData, Trained, Trunk):
    """One run; beside its parts (see ``lab.spec``, ``lab.trunk``):

    Attributes:
        pretraining: None starts from random weights.
        linear_init: train the head alone on frozen features first (25 epochs), start from it.
        linear_lr: learning rate of that phase; None: that of the head.
        frozen: train nothing but the head, on features that are extracted once (the linear
            protocol).
        augment: steps for ``data.augment.pipeline``, applied to each training batch.
        average: decay, per step, of a running average of the weights, which is then evaluated and
            tracked instead of the weights; None evaluates these.
        track: what to record beside the scores, keys of ``TRACES`` or ``SNAPSHOTS``.
    """

    _: KW_ONLY
    pretraining: Pretraining | None = None
    linear_init: bool = False
    linear_lr: float | None = None
    frozen: bool = False
    augment: tuple[tuple[Any, ...], ...] = ()
    average: float | None = None
    track: tuple[str, ...] = ()


def run(spec: Spec) -> dict[str, Any]:
    """Train and evaluate.

    Returns:
        ``val_ap`` and ``test_ap`` ``(epochs, C)`` in percent, ``best_epoch`` (from 1: the first of
        the best validation mAP), and for each name in ``spec.track`` what it adds. If anything is
        tracked also ``observed`` ``(N, C)`` int8, the weak labels of the training images, and with
        their entries tracked one by one ``truth`` ``(N, C)`` int8. Other runs are many, and nobody
        looks into them: they go without.

    Raises:
        ValueError: if layers are to be frozen that are pre-trained here, or extracted anyway.
    """
    if spec.frozen_layers and (spec.frozen or spec.pretraining is not None):
        raise ValueError("frozen_layers: expected neither frozen nor pretraining beside it")
    checks.unused(spec, *(() if spec.frozen_layers else ["views"]))
    splits = load_splits(spec)
    frame = tuple(splits.test.x.shape[2:])
    observed = torch.from_numpy(annotate(spec, splits.train.y.numpy())).to(spec.device)
    seed_torch(spec.seed, "dropout")
    model = build_network(spec, len(splits.classes))
    method = make_method(spec, observed, splits.train.y)
    if spec.pretraining is not None:
        load_part(model, remember(pretrain, backbone_spec(spec)), "features.")
    if spec.frozen:
        splits, model = _on_features(spec, splits), _head_of(model)
    else:
        splits, model = on_maps(spec, splits, model)
    if spec.linear_init:
        phase = remember(linear_phase, _linear_spec(spec))
        load_part(model, phase, "head.")
        if "estimates" in phase.values:
            method.start_from(torch.from_numpy(phase["estimates"]).to(spec.device))
    method.prepare(model)
    streams = {name: torch_rng(spec.seed, name) for name in (ORDER, "augmentation")}
    scene = Scene(splits, observed, method, spec.device, frame)
    return execute(
        spec,
        Task(
            model,
            method,
            placed(splits.train.x, spec.device),
            watch=lambda net, average: MultilabelWatch(
                scene, average.model if average else net, spec.track
            ),
            streams=streams,
            decay=spec.average,
            augment=pipeline(spec.augment, streams["augmentation"], spec.device)
            if spec.augment
            else None,
        ),
    )


def build_network(spec: Spec, classes: int) -> Network:
    """The network of a run with its initial weights, on its device."""
    return network(spec, classes, spec.seed)


def load_splits(spec: AnnotatedData) -> Splits:
    """The data of a run, its training part cut to size."""
    splits, size = loading.load_splits(spec), spec.train_size
    if size is None:
        return splits
    return replace(splits, train=Split(splits.train.x[:size], splits.train.y[:size]))


def _single_positive_all_negatives(truth: np.ndarray, rng: weaken.Rng) -> np.ndarray:
    return np.where(truth == 0, -1, weaken.single_positive(truth, rng)).astype(np.int8)


def _fraction_of_positives(truth: np.ndarray, rate: float, rng: weaken.Rng) -> np.ndarray:
    # The positives that "fraction" keeps at this rate, and nothing else.
    return weaken.keep_fraction(truth, rate, rng).clip(0)


def _candidates(truth: np.ndarray, rate: float, rng: weaken.Rng) -> np.ndarray:
    # Over-annotation: a positive may be wrong, a negative is certain.
    return weaken.full(weaken.candidates(truth, rate, rng))


ANNOTATIONS: dict[str, Callable[..., np.ndarray]] = {
    "full": lambda truth, rng: weaken.full(truth),
    "single positive": weaken.single_positive,
    "single positive, all negatives": _single_positive_all_negatives,
    "few labels": weaken.few_labels,
    "fraction": weaken.keep_fraction,
    "fraction of positives": _fraction_of_positives,
    "labelled share": weaken.labelled_share,
    "candidates": _candidates,
}
"""Annotation model -> function ``(truth, rng=..., **options)`` that weakens ``(N, C)`` truth."""


def annotate(spec: AnnotatedData, truth: np.ndarray) -> np.ndarray:
    """The weak labels of a run, ``(N, C)`` int8; the same draw for every method of a seed.

    Raises:
        ValueError: if the annotation model is unknown.
    """
    if spec.annotation not in ANNOTATIONS:
        raise ValueError(
            f"unknown annotation {spec.annotation!r}: expected one of {', '.join(ANNOTATIONS)}"
        )
    rng = numpy_rng(spec.seed, "annotation")
    return ANNOTATIONS[spec.annotation](truth, rng=rng, **dict(spec.annotation_options))


def make_method(spec: Spec, observed: Tensor, truth: Tensor) -> Method:
    """The method of a run, started; told the true mean number of positives if it asks for it."""
    method = methods.create(spec.method, **dict(spec.method_options))
    positives = float((truth == 1).double().sum(1).mean())
    return started(method, observed, expected_positives=positives)


def pretrain(spec: Spec) -> dict[str, Any]:
    """Train features on the one-digit images of the dataset; returns their weights.

    ``accuracy`` is that on validation scenes that hold exactly one digit, in percent (nan if
    there is none).

    By ``fit`` and not by ``execute``: epochs, batches and optimiser are those of the pre-training
    and not the spec's. It is short and kept whole for all runs that start from it; one that is
    killed begins anew.
    """
    splits, settings = load_splits(spec), spec.pretraining
    source = splits.pretrain
    if source is None or settings is None:
        raise ValueError(f"dataset {spec.dataset!r} was loaded without images for pre-training")
    model = build_network(spec, len(splits.classes))
    method = _Softmax()
    method.start(Context(source.y.to(spec.device)))
    fit(
        model,
        placed(source.x, spec.device),
        method,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        optimiser=settings.optimiser.build(model, method),
        order=torch_rng(spec.seed, "pretraining order"),
    )
    val = splits.validation()
    alone = val.y.sum(1) == 1
    logits = predict(model, val.x[alone].to(spec.device)).cpu() if alone.any() else None
    score = np.nan if logits is None else accuracy(logits, val.y[alone].argmax(1))
    return weights_of(model) | {"accuracy": score}


def linear_phase(spec: Spec) -> dict[str, Any]:
    """Train the head alone on frozen, pre-extracted features; keep the best validation epoch.

    By ``fit`` and not by ``execute``, whose schedule and average are for the phase that follows: a
    linear layer on features is trained in so short a time that one that is killed begins anew.
    """
    splits = load_splits(spec)
    val = splits.validation()
    observed = torch.from_numpy(annotate(spec, splits.train.y.numpy())).to(spec.device)
    model = build_network(spec, len(splits.classes))
    if spec.pretraining is not None:
        load_part(model, remember(pretrain, backbone_spec(spec)), "features.")
    body = _body_of(model)
    x_train = predict(body, placed(splits.train.x, spec.device))
    x_val = predict(body, placed(val.x, spec.device))
    method = make_method(spec, observed, splits.train.y)
    linear = _head_of(model)
    best: dict[str, Any] = {"score": -1.0}

    def keep_best(epoch: int) -> None:
        score = average_precision(predict(linear, x_val).cpu(), val.y).mean()
        if score > best["score"]:
            best.update(weights_of(linear), score=score, epoch=epoch)
            if (estimates := method.estimated_labels()) is not None:
                best["estimates"] = estimates.cpu().numpy()

    rate = spec.linear_lr or spec.optimiser.head_lr or spec.optimiser.lr
    fit(
        linear,
        x_train,
        method,
        epochs=spec.epochs,
        batch_size=spec.batch_size,
        optimiser=replace(spec.optimiser, lr=rate, head_lr=rate).build(linear, method),
        order=torch_rng(spec.seed, "linear phase order"),
        after_epoch=keep_best,
    )
    return best


def frozen_features(spec: Spec) -> dict[str, Any]:
    """What the network's initial body makes of all inputs: ``train``, ``val``, ``test`` (N, D)."""
    splits = load_splits(spec)
    model = build_network(spec, len(splits.classes))
    if spec.pretraining is not None:
        load_part(model, remember(pretrain, backbone_spec(spec)), "features.")
    body = _body_of(model)
    return {
        name: predict(body, placed(getattr(splits, name).x, spec.device)).float().cpu().numpy()
        for name in ("train", "val", "test")
    }


def _on_features(spec: Spec, splits: Splits) -> Splits:
    """The same data with features in place of the inputs."""
    source = replace(backbone_spec(spec), train_size=spec.train_size, precision=spec.precision)
    record = remember(frozen_features, source)
    parts = {
        name: replace(getattr(splits, name), x=torch.from_numpy(record[name]))
        for name in ("train", "val", "test")
    }
    return replace(splits, **parts)


def _body_of(model: Network) -> Network:
    """Everything but the head."""
    body = Network(model.features, model.pool, nn.Identity())
    body.autocast = model.autocast
    return body


def _head_of(model: Network) -> Network:
    """The head alone, for inputs that are features."""
    return Network(nn.Identity(), nn.Identity(), model.head)


class _Softmax(Method):
    """Ordinary single-label training, for the pre-training only."""

    label_form = "classes"

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        return F.cross_entropy(logits, self.observed[index])


def backbone_spec(spec: Spec) -> Spec:
    """The spec with only what pre-training depends on, so that all methods share one."""
    return Spec(
        method="AN",
        seed=spec.seed,
        dataset=spec.dataset,
        data_options=spec.data_options,
        data_root=spec.data_root,
        network=spec.network,
        network_options=spec.network_options,
        pretraining=spec.pretraining,
        device=spec.device,
    )


def _linear_spec(spec: Spec) -> Spec:
    """The linear phase that a run starts from (SPML protocol: 25 epochs)."""
    method = LINEAR_PHASE.get(spec.method, spec.method)
    own = spec.method_options if method == spec.method else options(epsilon=0.0)
    epochs = 25 if spec.epochs > 2 else spec.epochs
    return replace(
        spec,
        method=method,
        method_options=own,
        epochs=epochs,
        average=None,
        track=(),
        linear_init=False,
    )


def restore(model: nn.Module, record: Record, moment: str = "last") -> nn.Module:
    """Put the tracked weights of a run into ``model`` (``moment``: ``"best"`` or ``"last"``)."""
    return weights.restore(model, record, f"weights_{moment}/")


# -- records as tables ----------------------------------------------------------------------------


def mean_ap_at(record: Record, moment: str = "best") -> float:
    """Test mAP in percent at the best-validation or the last epoch."""
    epoch = int(record["best_epoch"]) - 1 if moment == "best" else -1
    return float(record["test_ap"][epoch].mean())
