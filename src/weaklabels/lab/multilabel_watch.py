"""What a multi-label run records: scores after every epoch, and what its spec asks to track."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from weaklabels.cam import class_activation_maps
from weaklabels.data import Splits
from weaklabels.lab.execute import Watch, placed
from weaklabels.lab.weights import weights_of
from weaklabels.methods.base import Method
from weaklabels.metrics import average_precision, pointing_game
from weaklabels.models import Network
from weaklabels.train import predict


@dataclass(frozen=True)
class Scene:
    """What is watched: the data of a run, its weak labels, and its method.

    Attributes:
        frame: height and width of the images, in pixels of which boxes are given.
    """

    splits: Splits
    observed: Tensor
    method: Method
    device: str
    frame: tuple[int, ...] = ()


class Trace:
    """Records along the way, into the watch; keeps nothing that is not there by default."""

    def __init__(self, watch: MultilabelWatch) -> None:
        self.watch = watch

    def after_step(self, index: Tensor, logits: Tensor, loss: Tensor) -> None:
        """After every step."""

    def after_epoch(self) -> None:
        """After every epoch."""


class EntryLogits(Trace):
    """``entry_logits`` ``(epochs, N, C)`` float16: every training entry's logit when it was last
    visited in training mode."""

    def __init__(self, watch: MultilabelWatch) -> None:
        super().__init__(watch)
        shape = watch.scene.splits.train.y.shape
        self.now = torch.zeros(shape, device=watch.scene.device)  # all of it new in every epoch

    def after_step(self, index: Tensor, logits: Tensor, loss: Tensor) -> None:
        self.now[index] = logits

    def after_epoch(self) -> None:
        self.watch.note("entry_logits", self.now.half().cpu().numpy())


class Modified(Trace):
    """``modified`` ``(epochs, N, C / 8)``: which entries the method modified, as packed bits."""

    def after_epoch(self) -> None:
        method = self.watch.scene.method
        if (modified := method.modified_labels()) is None:
            raise ValueError(f"method {method.name!r} modifies no labels: do not track 'modified'")
        self.watch.note("modified", np.packbits(modified.cpu().numpy(), axis=1))


class Readings(Trace):
    """``readings/<name>`` ``(steps, ...)``: what the method measured in every step."""

    def after_step(self, index: Tensor, logits: Tensor, loss: Tensor) -> None:
        for name, value in self.watch.scene.method.readings.items():
            self.watch.note(f"readings/{name}", value)


class AnnotatedLoss(Trace):
    """``annotated_loss`` ``(steps,)``: mean of -ln p over the annotated positives of the batch; NaN
    where it has none."""

    def __init__(self, watch: MultilabelWatch) -> None:
        super().__init__(watch)
        self.annotated = watch.scene.observed == 1

    def after_step(self, index: Tensor, logits: Tensor, loss: Tensor) -> None:
        self.watch.note("annotated_loss", F.softplus(-logits[self.annotated[index]]).mean())


TRACES: dict[str, type[Trace]] = {
    "annotated_loss": AnnotatedLoss,
    "entry_logits": EntryLogits,
    "modified": Modified,
    "readings": Readings,
}
"""Recorded along the way."""


class Maps(nn.Module):
    """A network that answers with its class activation maps."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return class_activation_maps(self.network, x)


def pointing(watch: MultilabelWatch) -> dict[str, Any]:
    """Pointing game of the test images' maps."""
    # Small scenes go through the network at once, photographs in batches.
    size = None if watch.test_x.dtype != torch.float32 else len(watch.test_x)
    maps = predict(Maps(watch.model), watch.test_x, size).cpu()
    test = watch.scene.splits.test
    if test.boxes is None:
        raise ValueError("the test images have no boxes: do not track 'pointing'")
    height, width = watch.scene.frame
    return {"pointing": pointing_game(maps, test.y, test.boxes, (height, width))}


def test_scores(watch: MultilabelWatch) -> dict[str, Any]:
    """Logits of the test images."""
    return {"test_scores": predict(watch.model, watch.test_x).cpu().numpy()}


def val_scores(watch: MultilabelWatch) -> dict[str, Any]:
    """Logits of the validation images."""
    return {"val_scores": predict(watch.model, watch.val_x).cpu().numpy()}


def train_scores(watch: MultilabelWatch) -> dict[str, Any]:
    """Logits of the training images."""
    x = placed(watch.scene.splits.train.x, watch.scene.device)
    return {"train_scores": predict(watch.model, x).cpu().numpy()}


def all_weights(watch: MultilabelWatch) -> dict[str, Any]:
    """Weights and buffers."""
    return weights_of(watch.model, "weights/")


SNAPSHOTS: dict[str, Callable[[MultilabelWatch], dict[str, Any]]] = {
    "pointing": pointing,
    "test_scores": test_scores,
    "val_scores": val_scores,
    "train_scores": train_scores,
    "weights": all_weights,
}
"""Recorded with the weights of the best and of the last epoch: ``name_best``, ``name_last``."""


class MultilabelWatch(Watch):
    """Evaluates after every epoch, keeps the weights of the best, and records what is tracked.

    Args:
        scene: what is watched.
        model: the weights that are evaluated, moving averages where there are some.
        track: keys of ``TRACES`` or ``SNAPSHOTS``.

    Raises:
        ValueError: if something unknown is to be tracked.
    """

    def __init__(self, scene: Scene, model: Network, track: tuple[str, ...]) -> None:
        super().__init__()
        unknown = set(track) - TRACES.keys() - SNAPSHOTS.keys()
        if unknown:
            raise ValueError(f"cannot track {', '.join(sorted(unknown))}: see TRACES, SNAPSHOTS")
        self.scene, self.model, self.track = scene, model, track
        self.val_x = placed(scene.splits.validation().x, scene.device)
        self.test_x = placed(scene.splits.test.x, scene.device)
        self.traces = [TRACES[name](self) for name in track if name in TRACES]
        self.best_epoch = 0
        self.best_weights: dict[str, Tensor] = {}

    def after_step(self, index: Tensor, logits: Tensor, loss: Tensor) -> None:
        for trace in self.traces:
            trace.after_step(index, logits, loss)

    def after_epoch(self, epoch: int) -> None:
        splits = self.scene.splits
        val, test = splits.validation(), splits.test
        for name, x, split in (("val", self.val_x, val), ("test", self.test_x, test)):
            self.note(f"{name}_ap", average_precision(predict(self.model, x).cpu(), split.y))
        curve, best = self.found["val_ap"], self.best_epoch
        if not best or curve[-1].mean() > curve[best - 1].mean():
            self.best_epoch = epoch
            self.best_weights = {k: v.clone() for k, v in self.model.state_dict().items()}
        for trace in self.traces:
            trace.after_epoch()

    def state_dict(self) -> dict[str, Any]:
        best = {"best_epoch": self.best_epoch, "best_weights": self.best_weights}
        return super().state_dict() | best

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.best_epoch, self.best_weights = state["best_epoch"], dict(state["best_weights"])

    def results(self) -> dict[str, Any]:
        found = super().results() | {"best_epoch": self.best_epoch}
        if self.track:  # who looks into a run asks what it was told
            found["observed"] = self.scene.observed.cpu().numpy()
        if {"entry_logits", "modified", "train_scores"} & set(self.track):  # to tell label kinds
            found["truth"] = self.scene.splits.train.y.cpu().numpy()
        for moment in ("last", "best"):
            if moment == "best":
                self.model.load_state_dict(self.best_weights)
            for name in self.track:
                if name in SNAPSHOTS:
                    for key, value in SNAPSHOTS[name](self).items():
                        found[key.replace(name, f"{name}_{moment}", 1)] = value
        return found
