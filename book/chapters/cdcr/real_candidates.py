"""Partial multi-label data that come with their candidates, on features: one stage, no views.

The protocol of images (``lab.two_stage``) draws its candidates; these were given. There is nothing
to augment, so what is left of the method is the selection: all candidates for the first epochs,
then those that are selected at the start of every epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

import numpy as np
import torch

from weaklabels import checks, methods
from weaklabels.data import Splits
from weaklabels.ema import WeightAverage
from weaklabels.lab.execute import ORDER, Task, Watch, execute, network, started
from weaklabels.lab.loading import load_splits
from weaklabels.lab.spec import Data, Learner, Options, Trained, options
from weaklabels.methods.base import Method
from weaklabels.methods.pseudo_labels import tally
from weaklabels.metrics import average_precision
from weaklabels.models import Network
from weaklabels.seeding import torch_rng
from weaklabels.train import OptimiserSpec, predict

METHODS = ("BCE", "ASL", "CDCR, one threshold", "CDCR", "True labels")
WARM_UP = 5
"""Epochs on all candidates before the first selection."""

RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
DIALS: Mapping[str, tuple[str, tuple[float, ...]]] = {
    "ASL": ("focus_negative", (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)),
    "CDCR, one threshold": ("threshold", (0.0, 0.2, 0.4, 0.6, 0.8, 0.9)),
    "CDCR": ("threshold", (0.0, 0.2, 0.4, 0.6, 0.8, 0.9)),
}
"""Method -> its option that is chosen and the values tried; the authors have 4 and 0.6."""


@dataclass(frozen=True)
class Spec(Learner, Data, Trained):
    """One run; beside its parts (see ``lab.spec``):

    Attributes:
        told: train on ``"candidates"`` or on the ``"truth"``.
        decay: of the moving average of the weights, per step; the average is evaluated.
    """

    _: KW_ONLY
    told: str = "candidates"
    decay: float = 0.99


def run(spec: Spec) -> dict[str, Any]:
    """Train and evaluate after every epoch.

    Returns:
        ``val_ap``, ``test_ap`` ``(epochs, C)`` of the averaged weights, in percent, and ``tally``
        ``(epochs, C, 2, 2, 2)`` of the labels that were trained on (see ``pseudo_labels.tally``).
    """
    checks.one_of(spec.told, ("candidates", "truth"), "told")
    splits = load_splits(spec)
    candidates = torch.as_tensor(splits.train.extra["candidates"])
    positive = candidates if spec.told == "candidates" else splits.train.y == 1
    observed = torch.where(positive, 1, -1).to(torch.int8).to(spec.device)
    inputs = splits.train.x.shape[1]
    model = network(spec, len(splits.classes), spec.seed, inputs=inputs)
    method = started(methods.create(spec.method, **dict(spec.method_options)), observed)
    return execute(
        spec,
        Task(
            model,
            method,
            splits.train.x.to(spec.device),
            watch=lambda _, average: _Watch(splits, method, average),
            streams={ORDER: torch_rng(spec.seed, ORDER)},
            decay=spec.decay,
        ),
    )


class _Watch(Watch):
    """Evaluates the averaged weights and counts the labels that were trained on."""

    def __init__(
        self, splits: Splits, method: Method, average: WeightAverage[Network] | None
    ) -> None:
        super().__init__()
        assert average is not None  # this protocol has one always
        self.splits, self.method, self.model = splits, method, average.model

    def after_epoch(self, epoch: int) -> None:
        for part, split in (("val", self.splits.validation()), ("test", self.splits.test)):
            logits = predict(self.model, split.x.to(next(self.model.parameters()).device))
            self.note(f"{part}_ap", average_precision(logits.cpu(), split.y))
        used = self.method.trained_on()
        assert used is not None  # every method here has targets and weights
        targets, weights = (each.cpu() for each in used)
        self.note("tally", tally(targets, weights, self.splits.train.y).numpy())


def mirflickr(data_root: str, asl: Mapping[str, float]) -> dict[str, Spec]:
    """The runs on MirFlickr by method, their settings to be chosen.

    Args:
        data_root: folder of the datasets.
        asl: options of the asymmetric loss.
    """
    base = Spec(
        "CDCR",
        options(warm_up=WARM_UP, threshold=0.6),
        dataset="mirflickr",
        data_root=data_root,
        data_options=options(test=0.2, validation=0.2),
        network="mlp",
        network_options=options(hidden=(100,)),
        epochs=20,
        batch_size=50,
        optimiser=OptimiserSpec("adam", lr=1e-3),
    )
    plain = replace(base, method="Annotated", method_options=())
    return {
        "BCE": plain,
        "ASL": replace(plain, method_options=options(**asl)),
        "CDCR, one threshold": replace(base, method="CDCR, one threshold"),
        "CDCR": base,
        "True labels": replace(plain, told="truth"),
    }


def with_rate(spec: Spec, rate: float) -> Spec:
    """The same run with another learning rate."""
    return replace(spec, optimiser=replace(spec.optimiser, lr=rate))


def with_dial(spec: Spec, option: str, value: float) -> Spec:
    """The same run with one of the method's options changed."""
    chosen: Options = options(**dict(spec.method_options) | {option: value})
    return replace(spec, method_options=chosen)


def counts(splits: Splits) -> dict[str, Any]:
    """How many images there are, and what labels and candidates those of the training have."""
    truth = splits.train.y.numpy() == 1
    candidates = np.asarray(splits.train.extra["candidates"])
    return {
        "training images": len(splits.train),
        "validation images": len(splits.validation()),
        "test images": len(splits.test),
        "classes": len(splits.classes),
        "labels an image": round(float(truth.sum(1).mean()), 3),
        "candidates an image": round(float(candidates.sum(1).mean()), 3),
        "true among the candidates (%)": round(float(100 * truth[candidates].mean()), 1),
    }
