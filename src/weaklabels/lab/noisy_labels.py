"""The protocol for wrong single labels: train on given labels, evaluate on true ones.

A run draws the data and the wrong labels, trains, and between epochs measures the network on the
test set and on the training set. No epoch is chosen: the best one (by test accuracy, for the reader
to see what is lost afterwards) and the last one are both reported, and the score is the last.
Beside the network itself its moving average over epochs is measured, for every method alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from weaklabels import checks, methods, weaken
from weaklabels.data import Split, Splits
from weaklabels.data.augment import pipeline, to_float
from weaklabels.data.files import train_val_indices
from weaklabels.ema import WeightAverage
from weaklabels.lab import loading
from weaklabels.lab.execute import ORDER, Task, Watch, execute, network, started
from weaklabels.lab.spec import Data, Learner, Trained
from weaklabels.methods.base import Method
from weaklabels.metrics import accuracy, separation_auc
from weaklabels.models import Network
from weaklabels.seeding import numpy_rng, seed_torch, torch_rng
from weaklabels.state import pack, unpack
from weaklabels.train import OptimiserSpec, predict


@dataclass(frozen=True)
class Spec(Learner, Data, Trained):
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
        held_out: share of the training images that are not trained on, drawn with the seed; how
            well their given labels are predicted is what settings can be chosen by where nobody
            knows the truth.
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
    held_out: float = 0.0


def run(spec: Spec) -> dict[str, Any]:
    """Train and evaluate.

    Returns:
        Per measurement: ``epoch``; ``test`` and ``test_average``, test accuracy in percent of the
        network and of its moving average; ``fitted``, share (%) of the wrong labels that it
        predicts; ``auc``, with which the probability of the given label tells right from wrong
        labels; ``validation``, accuracy (%) on the given labels of images held out, if there are
        such; test accuracies of the averaged heads of a method that has several; and what the
        method traces. Once: ``wrong`` ``(N,)``, which labels are wrong, and ``found`` ``(N,)``, the
        final probability of each given label.
    """
    splits = loading.load_splits(spec)
    return run_on(spec, splits, network(spec, len(splits.classes), spec.seed))


def run_on(spec: Spec, splits: Splits, model: Network) -> dict[str, Any]:
    """Train a network with its initial weights on data that are there, and evaluate (see ``run``).

    Args:
        spec: of the run.
        splits: its data, or what takes the place of their images.
        model: is trained in place.
    """
    checks.unused(spec.optimiser, "warm_up", "cycle_epochs")
    checks.unused(spec, *(() if spec.noise in NOISE else ["rate"]))
    splits, given, held_out = _parts(spec, splits)
    seed_torch(spec.seed, "method", spec.method)
    streams = {name: torch_rng(spec.seed, name) for name in ("views", ORDER)}
    weak, strong = (
        pipeline(steps, streams["views"], spec.device) for steps in (spec.weak, spec.strong)
    )
    method = methods.create(spec.method, **dict(spec.method_options))
    started(method, given.to(spec.device), views=(weak, strong))
    method.prepare(model)
    return execute(
        spec,
        Task(
            model,
            method,
            splits.train.x,
            watch=lambda net, _: _Watch(spec, splits, given, held_out, net, method),
            streams=streams,
            augment=_untouched if "views" in method.wanted(views=True) else weak,
            schedule=lambda optimiser, _, steps: cosine_after(spec, optimiser, steps),
        ),
    )


HeldOut = tuple[Tensor, Tensor]
"""Images held out and their given labels."""


def _parts(spec: Spec, splits: Splits) -> tuple[Splits, Tensor, HeldOut | None]:
    """The data with the images that are trained on, their given labels, and what is held out."""
    given = torch.from_numpy(given_labels(spec, splits))
    if not spec.held_out:
        return splits, given, None
    rows, kept = train_val_indices(len(given), spec.held_out, spec.seed)
    train = Split(splits.train.x[rows], splits.train.y[rows])
    return replace(splits, train=train), given[rows], (splits.train.x[kept], given[kept])


def _untouched(images: Tensor) -> Tensor:
    """For methods that make their views themselves."""
    return images


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


class _EpochAverage(WeightAverage[Network]):
    """Moving average of the parameters, once an epoch; buffers are those of the network itself."""

    def __init__(self, model: Network) -> None:
        super().__init__(model, 0.0)

    def after_epoch(self, model: Network, epoch: int) -> None:
        """Take in epoch ``epoch``, counted from 0; the first is copied."""
        self.decay = epoch_decay(epoch) if epoch else 0.0
        self.update(model)
        for own, new in zip(self.model.buffers(), model.buffers(), strict=True):
            own.copy_(new)


class _Watch(Watch):
    """Measures every ``evaluate_every`` epochs."""

    def __init__(
        self,
        spec: Spec,
        splits: Splits,
        given: Tensor,
        held_out: HeldOut | None,
        model: Network,
        method: Method,
    ) -> None:
        super().__init__()
        self.spec, self.splits, self.model, self.method = spec, splits, model, method
        self.given, self.held_out = given, held_out
        self.wrong = (given != splits.train.y).numpy()
        self.average = _EpochAverage(model)
        self.found_last = np.ones(len(given), np.float32)

    def _predict(self, network: torch.nn.Module, x: Tensor) -> Tensor:
        return predict(network, x, view=lambda batch: to_float(batch.to(self.spec.device))).cpu()

    def after_epoch(self, epoch: int) -> None:
        self.average.after_epoch(self.model, epoch - 1)
        if epoch % self.spec.evaluate_every:
            return
        test, train = self.splits.test, self.splits.train
        logits = self._predict(self.model, train.x)
        fitted = (logits.argmax(1) == self.given).numpy()[self.wrong]
        referee = self.method.referee(self.model)
        if referee is not self.model:
            logits = self._predict(referee, train.x)
        self.found_last = torch.softmax(logits, 1).gather(1, self.given[:, None])[:, 0].numpy()
        self.note("epoch", epoch)
        self.note("test", accuracy(self._predict(self.model, test.x), test.y))
        self.note("test_average", accuracy(self._predict(self.average.model, test.x), test.y))
        self.note("fitted", 100 * fitted.mean() if len(fitted) else np.nan)
        self.note("auc", separation_auc(self.found_last, ~self.wrong))
        if self.held_out is not None:
            x, given = self.held_out
            self.note("validation", accuracy(self._predict(self.model, x), given))
        for name, head in self.method.heads.items():
            averaged = head(self.average.model)
            self.note(name, accuracy(self._predict(averaged, test.x), test.y))
        for name, value in self.method.trace().items():
            self.note(name, value)

    def state_dict(self) -> dict[str, Any]:
        own = {"found_last": self.found_last, "average": dict(self.average.model.state_dict())}
        return super().state_dict() | pack(own, "watch")

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.average.model.load_state_dict(state["average"])
        self.found_last = unpack(state["found_last"], None, "watch")

    def results(self) -> dict[str, Any]:
        return super().results() | {"wrong": self.wrong, "found": self.found_last}
