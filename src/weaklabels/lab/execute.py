"""The one way in which a run trains, under every protocol.

A protocol loads its data, weakens the labels, builds network and method, and says what is measured;
``execute`` trains. So checkpoints, precision, moving averages, several GPUs and devices work
everywhere alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from weaklabels import models
from weaklabels.ema import WeightAverage
from weaklabels.lab import distributed, sweep
from weaklabels.lab.checkpoint import Checkpoint
from weaklabels.lab.spec import Net, Trained
from weaklabels.methods.base import Context, Method
from weaklabels.models import Network
from weaklabels.state import pack, unpack
from weaklabels.train import fit

PRECISIONS: dict[str, torch.dtype | None] = {"float32": None, "bfloat16": torch.bfloat16}
ORDER = "batch order"


class Watch:
    """Measures while a network trains.

    Attributes:
        found: what was measured so far, by name: one value an epoch, or one a step.
    """

    def __init__(self) -> None:
        self.found: dict[str, list[np.ndarray | Tensor]] = {}

    def note(self, name: str, value: Any) -> None:
        """Append to what was measured under a name."""
        kept = value if isinstance(value, Tensor) else np.asarray(value)
        self.found.setdefault(name, []).append(kept)

    def after_step(self, index: Tensor, logits: Tensor, loss: Tensor) -> None:
        """Called after every step with rows, logits and loss, all without gradient."""

    def after_epoch(self, epoch: int) -> None:
        """Called after every epoch, counted from 1."""

    def results(self) -> dict[str, Any]:
        """What the run returns: the values of each name, stacked."""
        return {
            name: np.stack([v.cpu().numpy() if isinstance(v, Tensor) else v for v in values])
            for name, values in self.found.items()
        }

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return pack({"found": self.found}, type(self).__name__)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.found = unpack(state["found"], None, type(self).__name__)


@dataclass
class Task:
    """A run ready to be trained.

    Attributes:
        model: the network with its initial weights, on its device.
        method: has been started.
        x: training inputs ``(N, ...)``.
        watch: makes what measures, from the network and its moving average (None without one).
        streams: the generators that are drawn from during training, one of them ``ORDER``; they are
            part of every checkpoint.
        decay: of a moving average of the weights, per step; None without one.
        augment, view, batches: as for ``train.fit``.
        steps: number of steps in an epoch, if ``batches`` says which.
        schedule: makes the schedule from optimiser, epochs and steps an epoch; the optimiser
            spec's own by default.
    """

    model: Network
    method: Method
    x: Tensor
    watch: Callable[[Network, WeightAverage[Network] | None], Watch]
    streams: dict[str, torch.Generator]
    decay: float | None = None
    augment: Callable[[Tensor], Tensor] | None = None
    view: Callable[[Tensor], Tensor] | None = None
    batches: Callable[[torch.Generator], Iterable[Tensor]] | None = None
    steps: int | None = None
    schedule: Callable[[torch.optim.Optimizer, int, int], LRScheduler | None] | None = None


def execute(spec: Trained, task: Task) -> dict[str, Any]:
    """Train, and return what was measured.

    With ``spec.checkpoint`` the state is kept after every epoch while the run is part of a sweep; a
    run that was killed goes on from there and ends with the same results.
    """
    model = distributed.share(task.model)
    average = None if task.decay is None else WeightAverage(model, task.decay)
    watch = task.watch(model, average)
    optimiser = spec.optimiser.build(model, task.method)
    steps = task.steps or math.ceil(len(task.x) / spec.batch_size)
    schedule = (task.schedule or spec.optimiser.schedule)(optimiser, spec.epochs, steps)
    checkpoint = Checkpoint(
        sweep.checkpoint_file() if spec.checkpoint else None,
        model=model,
        method=task.method,
        optimiser=optimiser,
        schedule=schedule,
        average=average and average.model,
        watch=watch,
        **task.streams,
    )

    def after_epoch(epoch: int) -> None:
        watch.after_epoch(epoch)
        if distributed.leads():
            checkpoint.save(epoch)

    done = checkpoint.restore()
    fit(
        model,
        task.x,
        task.method,
        epochs=spec.epochs,
        batch_size=spec.batch_size,
        optimiser=optimiser,
        schedule=schedule,
        order=task.streams[ORDER],
        average=average,
        augment=task.augment,
        view=task.view,
        batches=task.batches,
        after_step=watch.after_step,
        after_epoch=after_epoch,
        done=done,
    )
    results = watch.results()
    if distributed.leads():
        checkpoint.remove()
    return results


def started(method: Method, observed: Tensor, **known: Any) -> Method:
    """A method that was told the weak labels and, of what else is known, what it asks for.

    Args:
        method: not started yet.
        observed: the weak labels, on the device.
        known: values of further fields of ``methods.base.Context``.
    """
    method.start(Context(observed, **method.wanted(**known)))
    return method


def network(spec: Net, classes: int, seed: int, **fitted: Any) -> Network:
    """The network of a run with its initial weights, on its device.

    Args:
        spec: names network, options, precision and device.
        classes: number of outputs.
        seed: of the weights.
        fitted: options that follow from the data; those of the spec come first.

    Raises:
        ValueError: if the precision is unknown.
    """
    if spec.precision not in PRECISIONS:
        raise ValueError(
            f"precision is {spec.precision!r}: expected one of {', '.join(PRECISIONS)}"
        )
    chosen = fitted | dict(spec.network_options)
    model = models.build(spec.network, classes, seed=seed, **chosen)
    if PRECISIONS[spec.precision] is not None:
        model.autocast = PRECISIONS[spec.precision]
        model.to(memory_format=torch.channels_last)  # what tensor cores want
    if spec.compiled:
        model.compile()
    return model.to(spec.device)


def placed(x: Tensor, device: str) -> Tensor:
    """Inputs where they are read from: on the device, but images of whole numbers stay on disk."""
    return x if x.dtype == torch.uint8 else x.to(device)
