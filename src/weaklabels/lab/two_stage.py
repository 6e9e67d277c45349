"""The protocol of CAP and CDCR: warm up, then train on labels that are renewed every epoch.

Both stages train on strongly augmented images and keep a moving average of the weights. The second
stage starts from the weights of the first with a new optimiser and a new average. Every few epochs
(``evaluate_every``), and at the end, both the averaged and the current weights are evaluated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from weaklabels import checks, methods
from weaklabels.data import Split
from weaklabels.data.augment import pipeline
from weaklabels.ema import WeightAverage
from weaklabels.lab.execute import ORDER, Task, Watch, execute, network, started
from weaklabels.lab.multilabel import AnnotatedData, annotate, load_splits
from weaklabels.lab.spec import Learner, Options, Trained
from weaklabels.lab.store import Record
from weaklabels.lab.sweep import remember
from weaklabels.lab.trunk import Steps, Trunk, on_maps
from weaklabels.lab.weights import restore, weights_of
from weaklabels.methods.pseudo_labels import Annotated, tally
from weaklabels.metrics import average_precision
from weaklabels.models import Network
from weaklabels.seeding import torch_rng
from weaklabels.train import OptimiserSpec, paired_batches, predict


@dataclass(frozen=True)
class Stage:
    """The first stage: training on the annotated rows with ``methods.pseudo_labels.Annotated``.

    Attributes:
        options: of the loss.
        epochs, batch_size, optimiser: of the training.
        strong: augmentation, if it differs from that of the second stage.
        evaluate_every: epochs between evaluations.
        hand_over: which weights start the second stage, ``"average"`` or ``"current"``.
    """

    options: Options = ()
    epochs: int = 20
    batch_size: int = 50
    optimiser: OptimiserSpec = OptimiserSpec()
    strong: Steps | None = None
    evaluate_every: int = 1
    hand_over: str = "average"


@dataclass(frozen=True)
class Spec(Learner, AnnotatedData, Trained, Trunk):
    """One run; beside its parts (see ``lab.spec`` and ``lab.trunk``), of which training is that of
    the second stage:

    Attributes:
        warm_up: the first stage; None trains in one stage from random weights.
        weak, strong: augmentations for predictions and for training (see ``augment.pipeline``).
        decay: of the moving average of the weights, per step, in both stages.
        labelled_batch: annotated rows that join the ``batch_size`` unannotated rows of each batch;
            0: a batch holds ``batch_size`` annotated rows and no others.
        labelled_only: leave the unannotated rows out of the batches (the number of steps stays).
        evaluate_every: epochs between evaluations; the last epoch is always evaluated.
    """

    _: KW_ONLY
    warm_up: Stage | None = None
    weak: Steps = ()
    strong: Steps = ()
    decay: float = 0.99
    labelled_batch: int = 0
    labelled_only: bool = False
    evaluate_every: int = 1

    def code(self) -> list[Any]:
        """What the run depends on besides what reading its function shows."""
        return [*super().code(), *([Annotated] if self.warm_up else [])]


def warm_up(spec: Spec) -> dict[str, Any]:
    """The first stage of a run (see ``first_stage``).

    Returns:
        the scores of ``run``, the weights after the last epoch, named ``average/...`` and
        ``current/...``, and ``observed`` ``(N, C)`` int8, the weak labels of the training images.
    """
    setting = _Setting(spec)
    return _train(setting, keep_weights=True) | {"observed": setting.observed.numpy()}


def run(spec: Spec) -> dict[str, Any]:
    """Both stages; the first is shared by all runs that agree on it.

    Returns:
        ``evaluated`` ``(E,)``, the epochs after which the scores were taken, from 1; ``val_ap``,
        ``test_ap`` ``(E, C)`` of the averaged weights, in percent, and ``val_ap_current``,
        ``test_ap_current`` of the current ones; ``tally`` ``(epochs, C, 2, 2, 2)`` of the labels
        that were trained on (see ``pseudo_labels.tally``), of the unannotated rows where there are
        some; and what the method traces, one row per epoch.
    """
    setting = _Setting(spec)
    if spec.warm_up is not None:
        checks.one_of(spec.warm_up.hand_over, ("average", "current"), "hand_over")
        first = remember(warm_up, first_stage(spec))
        restore(setting.model, first, f"{spec.warm_up.hand_over}/")
    return _train(setting)


def warmed_up(record: Record) -> Tensor:
    """Logits ``(N, C)`` of all training images, as they are, at the end of a first stage.

    Args:
        record: of ``warm_up``.
    """
    spec = record.spec
    splits = load_splits(spec)
    splits, model = on_maps(spec, splits, network(spec, len(splits.classes), spec.seed))
    restore(model, record, "average/")
    clean = pipeline((), torch.Generator(), spec.device)
    return predict(model, splits.train.x, view=clean).cpu()


def first_stage(spec: Spec) -> Spec:
    """The spec of the first stage alone, for ``warm_up``."""
    stage = spec.warm_up
    if stage is None:
        raise ValueError("this run has no first stage")
    return replace(
        spec,
        method="Annotated",
        method_options=stage.options,
        epochs=stage.epochs,
        batch_size=stage.batch_size,
        optimiser=stage.optimiser,
        strong=spec.strong if stage.strong is None else stage.strong,
        evaluate_every=stage.evaluate_every,
        warm_up=None,
        labelled_batch=0,
        labelled_only=True,
    )


class _Setting:
    """Data, network and method of a run, before training."""

    def __init__(self, spec: Spec) -> None:
        checks.unused(spec, *(() if spec.frozen_layers else ["views"]))
        self.spec = spec
        splits = load_splits(spec)
        model = network(spec, len(splits.classes), spec.seed)
        self.splits, self.model = on_maps(spec, splits, model)
        self.observed = torch.from_numpy(annotate(spec, self.splits.train.y.numpy()))
        self.truth = self.splits.train.y.to(spec.device)
        method = methods.create(spec.method, **dict(spec.method_options))
        self.method = started(method, self.observed.to(spec.device), truth=self.truth)
        known = (self.observed != 0).any(1)
        self.labelled, self.unlabelled = known.nonzero()[:, 0], (~known).nonzero()[:, 0]
        stage = "first stage" if spec.warm_up is None else "second stage"
        names = (ORDER, "strong view", "weak view")
        self.streams = {name: torch_rng(spec.seed, stage, name) for name in names}

    def view(self, steps: Steps, stream: str) -> Callable[[Tensor], Tensor]:
        return pipeline(steps, self.streams[stream], self.spec.device)

    def batches(self) -> tuple[Callable[[torch.Generator], Iterable[Tensor]], int]:
        """The batches of an epoch, and how many there are."""
        spec = self.spec
        if not spec.labelled_batch:
            rows = self.labelled
            steps = math.ceil(len(rows) / spec.batch_size)
            return lambda order: rows[torch.randperm(len(rows), generator=order)].split(
                spec.batch_size
            ), steps
        steps = math.ceil(len(self.unlabelled) / spec.batch_size)
        pairs = paired_batches(
            self.labelled, self.unlabelled, (spec.labelled_batch, spec.batch_size)
        )
        if spec.labelled_only:
            return lambda order: [rows[: spec.labelled_batch] for rows in pairs(order)], steps
        return pairs, steps


def _train(setting: _Setting, keep_weights: bool = False) -> dict[str, Any]:
    batches, steps = setting.batches()
    return execute(
        setting.spec,
        Task(
            setting.model,
            setting.method,
            setting.splits.train.x,
            watch=lambda net, average: _Watch(setting, net, average, keep_weights),
            streams=setting.streams,
            decay=setting.spec.decay,
            augment=setting.view(setting.spec.strong, "strong view"),
            view=setting.view(setting.spec.weak, "weak view"),
            batches=batches,
            steps=steps,
        ),
    )


class _Watch(Watch):
    """Evaluates between epochs and counts the labels that were trained on."""

    def __init__(
        self,
        setting: _Setting,
        net: Network,
        average: WeightAverage[Network] | None,
        keep_weights: bool,
    ) -> None:
        super().__init__()
        assert average is not None  # this protocol has one always
        self.setting, self.keep_weights = setting, keep_weights
        self.models = {"average": average.model, "current": net}
        self.rows = setting.unlabelled if len(setting.unlabelled) else setting.labelled

    def after_epoch(self, epoch: int) -> None:
        spec, splits, method = self.setting.spec, self.setting.splits, self.setting.method
        if epoch % spec.evaluate_every == 0 or epoch == spec.epochs:
            self.note("evaluated", epoch)
            for name, model in self.models.items():
                suffix = "" if name == "average" else "_current"
                for part, split in (("val", splits.val), ("test", splits.test)):
                    self.note(f"{part}_ap{suffix}", self._score(model, split))
        if (used := method.trained_on()) is not None:
            rows = self.rows.to(spec.device)
            counts = tally(*(each[rows] for each in (*used, self.setting.truth)))
            self.note("tally", counts.cpu().numpy())
        for name, value in method.trace().items():
            self.note(name, value.detach().cpu().numpy())

    def _score(self, model: Network, split: Split | None) -> np.ndarray:
        if split is None:
            return np.full(len(self.setting.splits.classes), np.nan)
        clean = pipeline((), torch.Generator(), self.setting.spec.device)
        return average_precision(predict(model, split.x, view=clean).cpu(), split.y)

    def results(self) -> dict[str, Any]:
        found = super().results()
        if self.keep_weights:
            for name, model in self.models.items():
                found |= weights_of(model, f"{name}/")
        return found


# -- records as numbers ---------------------------------------------------------------------------


def mean_ap(runs: Sequence[Record], moment: str = "last") -> np.ndarray:
    """Test mAP (%) of each run.

    Args:
        runs: records of ``run``.
        moment: ``"last"``: the averaged weights after the last epoch; ``"best"``: the weights,
            averaged or current, and the epoch with the best validation mAP.
    """
    if moment == "last":
        return np.array([record["test_ap"][-1].mean() for record in runs])
    return np.array(
        [_by_weights(run, "test").flat[_by_weights(run, "val").argmax()] for run in runs]
    )


def best_validation(runs: Sequence[Record]) -> float:
    """Best validation mAP (%), of either weights, mean over runs: what a choice may look at."""
    return float(np.mean([_by_weights(run, "val").max() for run in runs]))


def _by_weights(run: Record, part: str) -> np.ndarray:
    """mAP (%) of the averaged and of the current weights, ``(2, E)``; 0 where there is none."""
    scores = np.stack([run[f"{part}_ap{kind}"].mean(1) for kind in ("", "_current")])
    return np.nan_to_num(scores)


def quality(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Quality of the labels used, from tallies; left-out entries are not counted as predictions.

    Args:
        counts: ``(..., C, 2, 2, 2)`` (see ``pseudo_labels.tally``).

    Returns:
        Percentages ``(...,)``: ``OP``, ``OR``, ``OF1`` over all labels together, ``CP``, ``CR``
        (means over classes) and ``CF1``, their harmonic mean; and ``share gap``, the mean over
        classes of the difference between the shares of positives here and in truth.
    """
    positives = counts[..., 1, 1, :].astype(float)
    right, made = positives[..., 1], positives.sum(-1)
    wanted = counts[..., 1].sum((-2, -1)).astype(float)
    rows = counts.sum((-3, -2, -1)).astype(float)

    def ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return 100 * a / np.maximum(b, 1)

    def f1(p: np.ndarray, r: np.ndarray) -> np.ndarray:
        return 2 * p * r / np.maximum(p + r, 1e-12)

    found = {
        "OP": ratio(right.sum(-1), made.sum(-1)),
        "OR": ratio(right.sum(-1), wanted.sum(-1)),
        "CP": ratio(right, made).mean(-1),
        "CR": ratio(right, wanted).mean(-1),
    }
    found["OF1"] = f1(found["OP"], found["OR"])
    found["CF1"] = f1(found["CP"], found["CR"])
    found["share gap"] = ratio(np.abs(made - wanted), rows).mean(-1)
    return found
