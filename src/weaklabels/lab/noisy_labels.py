"""The protocol for wrong single labels: train on given labels, evaluate on true ones.

A run draws the data and the wrong labels, trains, and between epochs measures the network on the
test set and on the training set. No epoch is chosen: the best one (by test accuracy, for the reader
to see what is lost afterwards) and the last one are both reported, and the score is the last.
Beside the network itself its moving average over epochs is measured, for every method alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from weaklabels import data, methods, models, weaken
from weaklabels.data import Splits
from weaklabels.data.augment import pipeline, to_float
from weaklabels.ema import WeightAverage
from weaklabels.lab.spec import Data, Learner, Net, Options, Training
from weaklabels.methods.base import Method
from weaklabels.methods.bldr import BLDR, NegativeHead, PositiveHead
from weaklabels.metrics import accuracy, separation_auc
from weaklabels.models import Network
from weaklabels.seeding import numpy_rng, seed_torch, torch_rng
from weaklabels.train import OptimiserSpec, fit, predict


@dataclass(frozen=True)
class Spec(Learner, Data, Net, Training):
    """One run; beside its parts (see ``lab.spec``):

    Attributes:
        noise: ``"symmetric"``, ``"asymmetric"``, or the name of the given labels that the dataset
            brings along (see its loader).
        rate: share of wrong labels of the first two.
        constant_epochs: the learning rate is constant for so many epochs, then falls to
            ``final_rate`` along a cosine.
        evaluate_every: epochs between two measurements; the number of epochs is a multiple of it.
        weak, strong: the two views of an image (see ``augment.pipeline``). Methods without two
            views see the weak one.
    """

    _: KW_ONLY
    dataset: str = "digits"
    network: str = "mlp"
    epochs: int = 100
    batch_size: int = 128
    optimiser: OptimiserSpec = OptimiserSpec("sgd", lr=0.02, weight_decay=5e-4)
    noise: str = "symmetric"
    rate: float = 0.5
    constant_epochs: int = 40
    final_rate: float = 2e-4
    evaluate_every: int = 1
    weak: tuple = ()
    strong: tuple = ()


def run(spec: Spec) -> dict[str, Any]:
    """Train and evaluate.

    Returns:
        Per measurement: ``epoch``; ``test`` and ``test_average``, test accuracy in percent of the
        network and of its moving average; ``fitted``, share (%) of the wrong labels that it
        predicts; ``auc``, with which the probability of the given label tells right from wrong
        labels; for BLDR ``positive`` and ``negative``, test accuracies of the averaged heads,
        ``noise_share``, its estimate of the share of wrong labels, and ``weights``
        ``(measurements, N)``. Once: ``wrong`` ``(N,)``, which labels are wrong, and ``found``
        ``(N,)``, the final probability of each given label.
    """
    splits = load_splits(spec)
    given = torch.from_numpy(given_labels(spec, splits))
    seed_torch(spec.seed, "method", spec.method)
    model = models.build(
        spec.network, len(splits.classes), seed=spec.seed, **dict(spec.network_options)
    ).to(spec.device)
    method = methods.create(spec.method, **dict(spec.method_options))
    method.start(given.to(spec.device))
    method.prepare(model)
    generator = torch_rng(spec.seed, "views")
    weak, strong = (pipeline(steps, generator, spec.device) for steps in (spec.weak, spec.strong))
    two_views = isinstance(method, BLDR)
    if two_views:
        method.views = (weak, strong)
    optimiser = spec.optimiser.build(model, method)
    watch = _Watch(spec, splits, given, model, method)
    fit(
        model,
        splits.train.x,
        method,
        epochs=spec.epochs,
        batch_size=spec.batch_size,
        optimiser=optimiser,
        schedule=cosine_after(spec, optimiser, math.ceil(len(given) / spec.batch_size)),
        order=torch_rng(spec.seed, "batch order"),
        augment=_untouched if two_views else weak,
        after_epoch=watch.after_epoch,
    )
    return watch.results()


def _untouched(images: Tensor) -> Tensor:
    """For methods that make their views themselves."""
    return images


def load_splits(spec: Spec) -> Splits:
    """The data of a run; random splits are drawn with the run's seed."""
    seed = spec.seed if spec.dataset == "digits" else None
    return _load_splits(spec.dataset, spec.data_root, spec.data_options, seed)


@lru_cache(maxsize=2)
def _load_splits(dataset: str, root: str | None, options: Options, seed: int | None) -> Splits:
    extra = {} if seed is None else {"seed": seed}
    return data.load(dataset, root, **(extra | dict(options)))


def given_labels(spec: Spec, splits: Splits) -> np.ndarray:
    """The given labels of the training set, ``(N,)`` int64; the same for every method of a seed.

    Raises:
        ValueError: if the dataset brings no labels of that name.
    """
    truth, classes = splits.train.y.numpy(), len(splits.classes)
    if spec.noise in NOISE:
        rng = numpy_rng(spec.seed, "label noise")
        return weaken.noisy_labels(truth, NOISE[spec.noise](classes, spec.rate), rng)
    if spec.noise not in splits.train.extra:
        known = ", ".join([*NOISE, *splits.train.extra])
        raise ValueError(f"unknown noise {spec.noise!r} of {spec.dataset!r}: expected {known}")
    return np.asarray(splits.train.extra[spec.noise], np.int64)


NOISE: dict[str, Callable[[int, float], np.ndarray]] = {
    "symmetric": weaken.symmetric_noise,
    "asymmetric": weaken.asymmetric_noise,
}
"""Name -> function ``(classes, rate)`` that gives a transition."""


def cosine_after(spec: Spec, optimiser: torch.optim.Optimizer, steps_per_epoch: int) -> LRScheduler:
    """Constant learning rates at first, then a cosine down to ``spec.final_rate``, by epochs."""
    falling = max(spec.epochs - spec.constant_epochs, 1)
    floor = spec.final_rate / spec.optimiser.lr

    def factor(step: int) -> float:
        done = max(step // steps_per_epoch - spec.constant_epochs, 0) / falling
        return floor + (1 - floor) * (1 + math.cos(math.pi * min(done, 1))) / 2

    return LambdaLR(optimiser, factor)


def epoch_decay(epoch: int) -> float:
    """Decay of the moving average over epochs, min(0.9, (1 + e) / (10 + e)), e counted from 0."""
    return min(0.9, (1 + epoch) / (10 + epoch))


class _EpochAverage(WeightAverage):
    """Moving average of the parameters, once an epoch; buffers are those of the network itself."""

    def __init__(self, model: Network) -> None:
        super().__init__(model, 0.0)

    def after_epoch(self, model: Network, epoch: int) -> None:
        """Take in epoch ``epoch``, counted from 0; the first is copied."""
        self.decay = epoch_decay(epoch) if epoch else 0.0
        self.update(model)
        for own, new in zip(self.model.buffers(), model.buffers(), strict=True):
            own.copy_(new)


class _Watch:
    """Measures after every epoch."""

    def __init__(
        self, spec: Spec, splits: Splits, given: Tensor, model: Network, method: Method
    ) -> None:
        self.spec, self.splits, self.model, self.method = spec, splits, model, method
        self.given = given
        self.wrong = (given != splits.train.y).numpy()
        self.average = _EpochAverage(model)
        self.epochs: list[dict[str, Any]] = []

    def _predict(self, network: torch.nn.Module, x: Tensor) -> Tensor:
        return predict(network, x, view=lambda batch: to_float(batch.to(self.spec.device))).cpu()

    def after_epoch(self, epoch: int) -> None:
        self.average.after_epoch(self.model, epoch - 1)
        if epoch % self.spec.evaluate_every:
            return
        test, two_heads = self.splits.test, isinstance(self.method, BLDR)
        train_logits = self._predict(self.model, self.splits.train.x)
        fitted = (train_logits.argmax(1) == self.given).numpy()[self.wrong]
        if two_heads and self.method.negative:
            train_logits = self._predict(NegativeHead(self.model), self.splits.train.x)
        self.found = torch.softmax(train_logits, 1).gather(1, self.given[:, None])[:, 0].numpy()
        row = {
            "epoch": epoch,
            "test": accuracy(self._predict(self.model, test.x), test.y),
            "test_average": accuracy(self._predict(self.average.model, test.x), test.y),
            "fitted": 100 * fitted.mean() if len(fitted) else np.nan,
            "auc": separation_auc(self.found, ~self.wrong),
        }
        if two_heads:
            heads = {"positive": PositiveHead, "negative": NegativeHead}
            for name, head in heads.items():
                row[name] = accuracy(self._predict(head(self.average.model), test.x), test.y)
            row["noise_share"] = self.method.noise_share
            row["weights"] = self.method.weights.half().cpu().numpy()
        self.epochs.append(row)

    def results(self) -> dict[str, Any]:
        curves = {name: np.array([row[name] for row in self.epochs]) for name in self.epochs[0]}
        return curves | {"wrong": self.wrong, "found": self.found}
