"""The protocol of the chapters on missing labels: train on weak labels, evaluate on full ones.

A run draws the data, weakens the training labels, starts the network (at random, from pre-training
on one-digit images, or from a linear phase), trains, and evaluates validation and test scenes after
every epoch. Both the epoch with the best validation score and the last one are reported: choosing
the best epoch on clean labels hides memorisation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from weaklabels import data, methods, models, weaken
from weaklabels.cam import class_activation_maps
from weaklabels.data import Split, Splits
from weaklabels.data.augment import pipeline
from weaklabels.ema import WeightAverage
from weaklabels.lab import distributed
from weaklabels.lab.checkpoint import Checkpoint
from weaklabels.lab.spec import Data, Learner, Net, Options, Training, options
from weaklabels.lab.store import Record
from weaklabels.lab.sweep import checkpoint_file, remember
from weaklabels.methods.base import Method
from weaklabels.metrics import accuracy, average_precision, pointing_game
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
class Annotation:
    """How the labels are weakened.

    Attributes:
        annotation, annotation_options: an annotation model, a key of ``ANNOTATIONS``, and the
            keyword arguments of its function.
        train_size: use only the first so many training examples.
    """

    annotation: str = "single positive"
    annotation_options: Options = ()
    train_size: int | None = None


@dataclass(frozen=True)
class Spec(Learner, Data, Annotation, Net, Training):
    """One run; beside its parts (see ``lab.spec``):

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
        the best validation mAP), and for each name in ``spec.track`` what it adds.
    """
    splits = load_splits(spec)
    observed = torch.from_numpy(annotate(spec, splits.train.y.numpy()))
    seed_torch(spec.seed, "dropout")
    model = build_network(spec, len(splits.classes))
    method = make_method(spec, splits.train.y)
    method.start(observed.to(spec.device))
    if spec.pretraining is not None:
        load_weights(model, remember(pretrain, backbone_spec(spec)), "features.")
    if spec.frozen:
        splits, model = _on_features(spec, splits), _head_of(model)
    if spec.linear_init:
        phase = remember(linear_phase, _linear_spec(spec))
        load_weights(model, phase, "head.")
        if "estimates" in phase.values:
            method.start_from(torch.from_numpy(phase["estimates"]).to(spec.device))
    method.prepare(model)

    model = distributed.share(model)
    watch = _Watch(spec, splits, model, method)
    optimiser = spec.optimiser.build(model, method)
    steps = math.ceil(len(splits.train) / spec.batch_size)
    schedule = spec.optimiser.schedule(optimiser, spec.epochs, steps)
    order, augmentation = (torch_rng(spec.seed, name) for name in ("batch order", "augmentation"))
    checkpoint = Checkpoint(
        checkpoint_file(run, spec) if spec.checkpoint else None,
        model=model,
        method=method,
        optimiser=optimiser,
        schedule=schedule,
        order=order,
        augmentation=augmentation,
        **watch.parts(),
    )

    def after_epoch(epoch: int) -> None:
        watch.after_epoch(epoch)
        if distributed.leads():
            checkpoint.save(epoch)

    fit(
        model,
        placed(splits.train.x, spec.device),
        method,
        epochs=spec.epochs,
        batch_size=spec.batch_size,
        optimiser=optimiser,
        schedule=schedule,
        order=order,
        average=watch.average,
        augment=pipeline(spec.augment, augmentation, spec.device) if spec.augment else None,
        after_step=watch.after_step if watch.traces else None,
        after_epoch=after_epoch,
        done=checkpoint.restore(),
    )
    results = watch.results()
    if distributed.leads():
        checkpoint.remove()
    return results


def build_network(spec: Spec, classes: int) -> Network:
    """The network of a run with its initial weights, on its device.

    Raises:
        ValueError: if the precision is unknown.
    """
    if spec.precision not in PRECISIONS:
        raise ValueError(
            f"precision is {spec.precision!r}: expected one of {', '.join(PRECISIONS)}"
        )
    model = models.build(spec.network, classes, seed=spec.seed, **dict(spec.network_options))
    if PRECISIONS[spec.precision] is not None:
        model.autocast = PRECISIONS[spec.precision]
        model.to(memory_format=torch.channels_last)  # what tensor cores want
    if spec.compiled:
        model.compile()
    return model.to(spec.device)


PRECISIONS: dict[str, torch.dtype | None] = {"float32": None, "bfloat16": torch.bfloat16}


def placed(x: Tensor, device: str) -> Tensor:
    """Inputs where they are read from: on the device, but images of whole numbers stay on disk."""
    return x if x.dtype == torch.uint8 else x.to(device)


def load_splits(spec: Spec) -> Splits:
    """The data of a run; random datasets are drawn with the run's seed."""
    return _load_splits(spec.dataset, spec.data_root, spec.data_options, spec.seed, spec.train_size)


@lru_cache(maxsize=8)  # all seeds of a table: drawing scenes takes a tenth of a short run
def _load_splits(
    dataset: str, root: str | None, data_options: Options, seed: int, train_size: int | None
) -> Splits:
    splits = data.load(dataset, root, **({"seed": seed} | dict(data_options)))
    if train_size is None:
        return splits
    return replace(splits, train=Split(splits.train.x[:train_size], splits.train.y[:train_size]))


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


def annotate(spec: Spec, truth: np.ndarray) -> np.ndarray:
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


def make_method(spec: Spec, truth: Tensor) -> Method:
    """The method of a run; told the true mean number of positives if, and only if, it asks."""
    extra = {}
    if methods.get(spec.method).needs_expected_positives:
        extra["expected_positives"] = float((truth == 1).double().sum(1).mean())
    return methods.create(spec.method, **dict(spec.method_options), **extra)


def pretrain(spec: Spec) -> dict[str, Any]:
    """Train features on the one-digit images of the dataset; returns their weights.

    ``accuracy`` is that on validation scenes that hold exactly one digit, in percent (nan if
    there is none).
    """
    splits, settings = load_splits(spec), spec.pretraining
    source = splits.pretrain
    if source is None or settings is None:
        raise ValueError(f"dataset {spec.dataset!r} was loaded without images for pre-training")
    model = build_network(spec, len(splits.classes))
    method = _Softmax()
    method.start(source.y.to(spec.device))
    fit(
        model,
        placed(source.x, spec.device),
        method,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        optimiser=settings.optimiser.build(model, method),
        order=torch_rng(spec.seed, "pretraining order"),
    )
    alone = splits.val.y.sum(1) == 1
    logits = predict(model, splits.val.x[alone].to(spec.device)).cpu() if alone.any() else None
    score = np.nan if logits is None else accuracy(logits, splits.val.y[alone].argmax(1))
    return _weights(model) | {"accuracy": score}


def linear_phase(spec: Spec) -> dict[str, Any]:
    """Train the head alone on frozen, pre-extracted features; keep the best validation epoch."""
    splits = load_splits(spec)
    observed = torch.from_numpy(annotate(spec, splits.train.y.numpy())).to(spec.device)
    model = build_network(spec, len(splits.classes))
    if spec.pretraining is not None:
        load_weights(model, remember(pretrain, backbone_spec(spec)), "features.")
    body = _body_of(model)
    x_train = predict(body, placed(splits.train.x, spec.device))
    x_val = predict(body, placed(splits.val.x, spec.device))
    method = make_method(spec, splits.train.y)
    method.start(observed)
    linear = _head_of(model)
    best: dict[str, Any] = {"score": -1.0}

    def keep_best(epoch: int) -> None:
        score = average_precision(predict(linear, x_val).cpu(), splits.val.y).mean()
        if score > best["score"]:
            best.update(_weights(linear), score=score, epoch=epoch)
            if method.parameters():
                best["estimates"] = torch.sigmoid(method.estimates.detach()).cpu().numpy()

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
        load_weights(model, remember(pretrain, backbone_spec(spec)), "features.")
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


def _weights(model: nn.Module) -> dict[str, np.ndarray]:
    return {name: value.cpu().numpy().copy() for name, value in model.state_dict().items()}


def load_weights(model: nn.Module, record: Record, prefix: str) -> None:
    """Copy the weights whose names start with ``prefix`` from a record into the model."""
    state = {k: torch.from_numpy(v) for k, v in record.values.items() if k.startswith(prefix)}
    model.load_state_dict(model.state_dict() | state)


def restore(model: nn.Module, record: Record, moment: str = "last") -> nn.Module:
    """Put the tracked weights of a run into ``model`` (``moment``: ``"best"`` or ``"last"``)."""
    prefix = f"weights_{moment}/"
    state = {
        name.removeprefix(prefix): torch.from_numpy(value)
        for name, value in record.values.items()
        if name.startswith(prefix)
    }
    model.load_state_dict(state)
    return model.eval()


# -- what is recorded -----------------------------------------------------------------------------


class _EntryLogits:
    """Every training entry's logit when it was last visited in training mode, per epoch."""

    def __init__(self, watch: _Watch) -> None:
        self.now = torch.zeros(watch.splits.train.y.shape, device=watch.spec.device)
        self.epochs: list[np.ndarray] = []

    def after_step(self, index: Tensor, logits: Tensor, loss: Tensor) -> None:
        self.now[index] = logits

    def after_epoch(self) -> None:
        self.epochs.append(self.now.half().cpu().numpy())

    def results(self) -> dict[str, Any]:
        return {"entry_logits": np.stack(self.epochs)}


class _Modified:
    """Which entries the method modified, per epoch, as packed bits."""

    def __init__(self, watch: _Watch) -> None:
        self.method = watch.method
        self.epochs: list[np.ndarray] = []

    def after_step(self, index: Tensor, logits: Tensor, loss: Tensor) -> None:
        pass

    def after_epoch(self) -> None:
        self.epochs.append(np.packbits(self.method.modified.cpu().numpy(), axis=1))

    def results(self) -> dict[str, Any]:
        return {"modified": np.stack(self.epochs)}


class _Readings:
    """What the method measured in every step (``Method.readings``)."""

    def __init__(self, watch: _Watch) -> None:
        self.method = watch.method
        self.steps: list[dict[str, Tensor]] = []

    def after_step(self, index: Tensor, logits: Tensor, loss: Tensor) -> None:
        self.steps.append(self.method.readings)

    def after_epoch(self) -> None:
        pass

    def results(self) -> dict[str, Any]:
        return {
            f"readings/{name}": torch.stack([step[name] for step in self.steps]).cpu().numpy()
            for name in self.steps[0]
        }


class _AnnotatedLoss:
    """Mean of -ln p over the annotated positives of every batch; NaN where it has none."""

    def __init__(self, watch: _Watch) -> None:
        self.annotated = watch.method.observed.clone() == 1
        self.steps: list[Tensor] = []

    def after_step(self, index: Tensor, logits: Tensor, loss: Tensor) -> None:
        self.steps.append(F.softplus(-logits[self.annotated[index]]).mean())

    def after_epoch(self) -> None:
        pass

    def results(self) -> dict[str, Any]:
        return {"annotated_loss": torch.stack([loss.cpu() for loss in self.steps]).numpy()}


TRACES: dict[str, type] = {
    "annotated_loss": _AnnotatedLoss,
    "entry_logits": _EntryLogits,
    "modified": _Modified,
    "readings": _Readings,
}
"""Recorded along the way: name -> class with ``after_step``, ``after_epoch`` and ``results``."""


class _Maps(nn.Module):
    """A network that answers with its class activation maps."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return class_activation_maps(self.network, x)


def _pointing(watch: _Watch) -> dict[str, Any]:
    # Small scenes go through the network at once, photographs in batches.
    size = None if watch.test_x.dtype == torch.uint8 else len(watch.test_x)
    maps = predict(_Maps(watch.model), watch.test_x, size).cpu()
    test = watch.splits.test
    return {"pointing": pointing_game(maps, test.y, test.boxes, tuple(test.x.shape[2:]))}


def _test_scores(watch: _Watch) -> dict[str, Any]:
    return {"test_scores": predict(watch.model, watch.test_x).cpu().numpy()}


def _val_scores(watch: _Watch) -> dict[str, Any]:
    return {"val_scores": predict(watch.model, watch.val_x).cpu().numpy()}


def _train_scores(watch: _Watch) -> dict[str, Any]:
    x = placed(watch.splits.train.x, watch.spec.device)
    return {"train_scores": predict(watch.model, x).cpu().numpy()}


def _all_weights(watch: _Watch) -> dict[str, Any]:
    return {f"weights/{name}": value for name, value in _weights(watch.model).items()}


SNAPSHOTS: dict[str, Callable[[_Watch], dict[str, Any]]] = {
    "pointing": _pointing,
    "test_scores": _test_scores,
    "val_scores": _val_scores,
    "train_scores": _train_scores,
    "weights": _all_weights,
}
"""Recorded with the weights of the best and of the last epoch: ``name_best``, ``name_last``."""


@dataclass
class _Scores:
    """Average precision per epoch, and the weights of the best one."""

    val_ap: list[np.ndarray] = field(default_factory=list)
    test_ap: list[np.ndarray] = field(default_factory=list)
    best_epoch: int = 0
    best_weights: dict[str, Tensor] = field(default_factory=dict)


class _Watch:
    """Evaluates after every epoch and records what the spec asks for."""

    def __init__(self, spec: Spec, splits: Splits, model: Network, method: Method) -> None:
        unknown = set(spec.track) - TRACES.keys() - SNAPSHOTS.keys()
        if unknown:
            raise ValueError(f"cannot track {', '.join(sorted(unknown))}: see TRACES, SNAPSHOTS")
        self.spec, self.splits, self.method = spec, splits, method
        self.average = WeightAverage(model, spec.average) if spec.average is not None else None
        self.model = self.average.model if self.average else model
        self.val_x = placed(splits.val.x, spec.device)
        self.test_x = placed(splits.test.x, spec.device)
        self.traces = [TRACES[name](self) for name in spec.track if name in TRACES]
        self.scores = _Scores()

    def after_step(self, index: Tensor, logits: Tensor, loss: Tensor) -> None:
        for trace in self.traces:
            trace.after_step(index, logits, loss)

    def after_epoch(self, epoch: int) -> None:
        scores = self.scores
        for curve, x, split in (
            (scores.val_ap, self.val_x, self.splits.val),
            (scores.test_ap, self.test_x, self.splits.test),
        ):
            curve.append(average_precision(predict(self.model, x).cpu(), split.y))
        best = scores.best_epoch
        if not best or scores.val_ap[-1].mean() > scores.val_ap[best - 1].mean():
            scores.best_epoch = epoch
            scores.best_weights = {k: v.clone() for k, v in self.model.state_dict().items()}
        for trace in self.traces:
            trace.after_epoch()

    def parts(self) -> dict[str, Any]:
        """What a checkpoint keeps, by name."""
        average = {"average": self.average.model} if self.average else {}
        traces = {f"trace {i}": trace for i, trace in enumerate(self.traces)}
        return {"scores": self.scores, **average, **traces}

    def results(self) -> dict[str, Any]:
        found = {
            "val_ap": np.stack(self.scores.val_ap),
            "test_ap": np.stack(self.scores.test_ap),
            "best_epoch": self.scores.best_epoch,
        }
        for trace in self.traces:
            found |= trace.results()
        for moment in ("last", "best"):
            if moment == "best":
                self.model.load_state_dict(self.scores.best_weights)
            for name in self.spec.track:
                if name in SNAPSHOTS:
                    for key, value in SNAPSHOTS[name](self).items():
                        found[key.replace(name, f"{name}_{moment}", 1)] = value
        return found


# -- records as tables ----------------------------------------------------------------------------


def mean_ap_at(record: Record, moment: str = "best") -> float:
    """Test mAP in percent at the best-validation or the last epoch."""
    epoch = int(record["best_epoch"]) - 1 if moment == "best" else -1
    return float(record["test_ap"][epoch].mean())


def scores(records: list[Record], names: list[str]) -> pd.DataFrame:
    """One line per run: method, seed, test mAP at the best and at the last epoch (percent)."""
    return pd.DataFrame(
        {
            "method": names,
            "seed": [record.spec.seed for record in records],
            "best": [mean_ap_at(record, "best") for record in records],
            "last": [mean_ap_at(record, "last") for record in records],
        }
    )
