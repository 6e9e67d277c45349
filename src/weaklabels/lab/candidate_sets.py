"""The protocol of the chapters on candidate sets: train on the sets, evaluate on the truth.

A run draws the data and one candidate set per training example, trains, and after every epoch
passes over the training and the test set in evaluation mode. On the training set it measures how
often the truth is found: by the classifier that ignores the set (classifier accuracy), and by rules
that choose one of the candidates (selection accuracy). No choice of an epoch is made on the test
set: a run's score is the mean of its last epochs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from weaklabels import checks, methods, weaken
from weaklabels.cam import class_activation_maps
from weaklabels.data import Split, Splits
from weaklabels.lab import loading
from weaklabels.lab.execute import ORDER, Task, Watch, execute, network, started
from weaklabels.lab.spec import Data, Learner, Trained
from weaklabels.lab.store import Record
from weaklabels.lab.weights import weights_of
from weaklabels.methods.class_activation_value import (
    MAP_RULES,
    WINDOW,
    class_activation_value,
    first_class_activation_value,
    map_scores,
    select,
)
from weaklabels.methods.partial_label import best_candidate
from weaklabels.metrics import accuracy
from weaklabels.models import Network
from weaklabels.seeding import numpy_rng, torch_rng
from weaklabels.train import OptimiserSpec, predict

EVALUATION_BATCH = 128
"""Inputs per forward pass in evaluation; small convolutions stay in the cache of a CPU core."""


@dataclass(frozen=True)
class Spec(Learner, Data, Trained):
    """One run; beside its parts (see ``lab.spec``):

    Attributes:
        network_options: numbers of inputs and channels are filled in from the data.
        inputs: what is done to them, a key of ``INPUTS``.
        train_size: train on a random subset of so many examples.
        candidates: a key of ``CANDIDATES``.
        q: flipping probability, or rate, of those that need one.
        track: what to measure after each epoch beside the accuracies, keys of ``TRACKERS``; or
            ``"weights"``, to keep the trained network (see ``lab.weights``).
    """

    _: KW_ONLY
    dataset: str = "digits"
    network: str = "mlp"
    epochs: int = 30
    batch_size: int = 32
    optimiser: OptimiserSpec = OptimiserSpec(lr=1e-3, weight_decay=1e-4)
    inputs: str = "as they are"
    train_size: int | None = None
    candidates: str = "uniform"
    q: float = 0.0
    track: tuple[str, ...] = ()


def run(spec: Spec) -> dict[str, Any]:
    """Train and evaluate.

    Returns:
        Per epoch, ``(epochs,)`` in percent: ``train_accuracy`` and ``test_accuracy`` of the
        classifier (``val_accuracy`` where there is a validation split), ``select IM-max``, the
        selection accuracy of the most probable candidate, and what ``spec.track`` adds. Once:
        ``chance``, the selection accuracy of guessing, in percent, and ``set_sizes`` ``(K + 1,)``,
        the number of candidate sets of each size.
    """
    return train(spec, load_splits(spec))


def train(spec: Spec, splits: Splits) -> dict[str, Any]:
    """``run`` on data that are there."""
    checks.unused(spec, *(["q"] if spec.candidates in WITHOUT_Q else ()))
    candidates = torch.from_numpy(draw_candidates(spec, splits)).to(spec.device)
    model = build_network(spec, splits)
    method = started(methods.create(spec.method, **dict(spec.method_options)), candidates)
    x_train = splits.train.x.to(spec.device)
    return execute(
        spec,
        Task(
            model,
            method,
            x_train,
            watch=lambda net, _: CandidateWatch(spec, splits, candidates, net, x_train),
            streams={ORDER: torch_rng(spec.seed, ORDER)},
        ),
    )


# -- data -----------------------------------------------------------------------------------------


def load_splits(spec: Spec) -> Splits:
    """The data of a run, its inputs prepared and the training part cut to size."""
    if spec.inputs not in INPUTS:
        raise ValueError(f"unknown inputs {spec.inputs!r}: expected one of {', '.join(INPUTS)}")
    splits, size = loading.load_splits(spec), spec.train_size
    if size is not None:
        if not 1 <= size <= len(splits.train):
            raise ValueError(
                f"train_size is {size}: there are {len(splits.train)} training examples"
            )
        rows = numpy_rng(spec.seed, "subset").permutation(len(splits.train))[:size]
        splits = replace(splits, train=_rows(splits.train, rows))
    return INPUTS[spec.inputs](splits)


def _rows(split: Split, rows: np.ndarray) -> Split:
    extra = {name: values[rows] for name, values in split.extra.items()}
    return Split(split.x[rows], split.y[rows], None, extra)


def _mapped(splits: Splits, change: Callable[[Tensor], Tensor]) -> Splits:
    def part(split: Split) -> Split:
        return replace(split, x=change(split.x))

    val = None if splits.val is None else part(splits.val)
    return replace(splits, train=part(splits.train), val=val, test=part(splits.test))


def _mixed(splits: Splits) -> Splits:
    size = splits.train.x[0].numel()
    gauss = numpy_rng(0, "mixing matrix").standard_normal((size, size))
    mixing = torch.from_numpy(np.linalg.qr(gauss)[0].astype(np.float32))
    return _mapped(splits, lambda x: x.flatten(1) @ mixing)


def _standard(splits: Splits) -> Splits:
    x = splits.train.x
    axes = [axis for axis in range(x.ndim) if axis != 1]
    mean, std = x.mean(axes, keepdim=True), x.std(axes, keepdim=True)
    return _mapped(splits, lambda x: (x - mean) / std)


INPUTS: dict[str, Callable[[Splits], Splits]] = {
    "as they are": lambda splits: splits,
    "mixed": _mixed,
    "standard": _standard,
    "28 x 28": lambda splits: _mapped(
        splits, lambda x: F.interpolate(x, (28, 28), mode="bilinear", align_corners=False)
    ),
}
"""What is done to the inputs.

``"mixed"`` flattens images and multiplies them by a fixed random orthogonal matrix: the same
information without any layout. ``"standard"`` gives each channel mean 0 and variance 1 on the
training part.
"""


# -- candidate sets -------------------------------------------------------------------------------


def draw_candidates(spec: Spec, splits: Splits) -> np.ndarray:
    """The candidate sets of a run, ``(N, K)`` bool; the same draw for every method of a seed.

    Raises:
        ValueError: if the kind is unknown, or the dataset brings none where it should.
    """
    if spec.candidates not in CANDIDATES:
        raise ValueError(
            f"unknown candidates {spec.candidates!r}: expected one of {', '.join(CANDIDATES)}"
        )
    if spec.candidates == "given":
        if "candidates" not in splits.train.extra:
            raise ValueError(f"dataset {spec.dataset!r} brings no candidate sets of its own")
        return np.asarray(splits.train.extra["candidates"])
    truth, classes = splits.train.y.numpy(), len(splits.classes)
    return CANDIDATES[spec.candidates](truth, classes, spec.q, numpy_rng(spec.seed, "candidates"))


CANDIDATES: dict[str, Callable[..., np.ndarray]] = {
    "uniform": lambda y, k, q, rng: weaken.uniform_candidates(y, k, rng),
    "uniform official": lambda y, k, q, rng: weaken.uniform_candidates(y, k, rng, official=True),
    "flip": weaken.flip_candidates,
    "cyclic": lambda y, k, q, rng: weaken.class_dependent_candidates(
        y, weaken.cyclic_transition(k, (q,)), rng
    ),
    "truth": lambda y, k, q, rng: y[:, None] == np.arange(k),
    "given": NotImplemented,
}
"""How candidate sets arise, ``(truth, classes, q, rng) -> (N, K)``.

``"truth"`` holds the true label alone (ordinary supervision); ``"cyclic"`` adds the next class with
probability q; ``"given"`` are those of a real-world partial-label set.
"""

WITHOUT_Q = ("uniform", "uniform official", "given")
"""Kinds that know no q. ``"truth"`` does not look at it either, but its rows stand in tables over
q."""


def build_network(spec: Spec, splits: Splits) -> Network:
    """The network of a run, fitted to the shape of the inputs, on its device."""
    shape = splits.train.x.shape[1:]
    fitted = {"inputs": shape.numel()} if spec.network in FLAT else {"channels": shape[0]}
    return network(spec, len(splits.classes), spec.seed, **fitted)


FLAT = ("linear", "mlp")
"""Networks that flatten their inputs."""


# -- what is measured -----------------------------------------------------------------------------


class CandidateWatch(Watch):
    """Measures a model on training and test set after every epoch.

    Attributes:
        candidates: ``(N, K)`` bool, on the device.
        truth: ``(N,)`` int64, on the device; used for measuring only.
        logits: ``(N, K)`` of the training set at the end of the epoch, evaluation mode.
    """

    def __init__(
        self, spec: Spec, splits: Splits, candidates: Tensor, model: Network, x_train: Tensor
    ) -> None:
        super().__init__()
        if unknown := set(spec.track) - TRACKERS.keys() - {"weights"}:
            raise ValueError(f"cannot track {', '.join(sorted(unknown))}: see TRACKERS")
        self.model, self.x_train, self.track = model, x_train, spec.track
        self.candidates = candidates
        self.truth = splits.train.y.to(spec.device)
        self.held_out = {
            name: split.to(spec.device)
            for name, split in (("val", splits.val), ("test", splits.test))
            if split is not None
        }

    def after_epoch(self, epoch: int) -> None:
        """Measure."""
        self.logits = predict(self.model, self.x_train, EVALUATION_BATCH)
        found = {
            "train_accuracy": accuracy(self.logits, self.truth),
            "select IM-max": self.selection_accuracy(best_candidate(self.logits, self.candidates)),
        }
        for name, split in self.held_out.items():
            found[f"{name}_accuracy"] = accuracy(
                predict(self.model, split.x, EVALUATION_BATCH), split.y
            )
        for name in self.track:
            if name in TRACKERS:
                found |= TRACKERS[name](self)
        for name, value in found.items():
            self.note(name, value)

    def selection_accuracy(self, selected: Tensor) -> float:
        """Share of the training set for which ``selected`` ``(N,)`` is the truth, in percent."""
        return 100 * float((selected == self.truth).double().mean())

    def results(self) -> dict[str, Any]:
        """What ``run`` returns."""
        sizes = self.candidates.sum(1).cpu()
        kept = weights_of(self.model, "weights/") if "weights" in self.track else {}
        return (
            super().results()
            | kept
            | {
                "chance": 100 * float((1 / sizes.double()).mean()),
                "set_sizes": torch.bincount(sizes, minlength=self.candidates.shape[1] + 1).numpy(),
            }
        )


def _values(watch: CandidateWatch) -> dict[str, float]:
    """Selection by both class activation values, and where they part from the largest logit."""
    logits, candidates = watch.logits, watch.candidates
    final = select(class_activation_value(logits), candidates)
    values = first_class_activation_value(logits.double())
    first = select(values, candidates)
    largest = best_candidate(logits, candidates)
    top = logits.gather(1, largest[:, None])[:, 0]
    inside = (top > WINDOW[0]) & (top < WINDOW[1])
    # Of two candidates that share all the mass both have the same first value.
    gap = values.gather(1, first[:, None]) / values.gather(1, largest[:, None])
    tie = gap[:, 0] < 1 + 1e-9
    return {
        "select CAV": watch.selection_accuracy(final),
        "select CAV, first form": watch.selection_accuracy(first),
        "window inside": 100 * float(inside.double().mean()),
        "window below": 100 * float((top <= WINDOW[0]).double().mean()),
        "final differs": int((final != largest).sum()),
        "final differs outside window": int(((final != largest) & ~inside).sum()),
        "first differs": int(((first != largest) & ~tie).sum()),
    }


def _maps(watch: CandidateWatch) -> dict[str, float]:
    """Selection by class activation maps, for each rule that turns a map into a score."""
    was_training = watch.model.training
    watch.model.eval()
    scores: dict[str, list[Tensor]] = {rule: [] for rule in MAP_RULES}
    for batch in watch.x_train.split(EVALUATION_BATCH):
        maps = class_activation_maps(watch.model, batch)
        for rule in MAP_RULES:
            scores[rule].append(map_scores(maps, rule))
    watch.model.train(was_training)
    return {
        f"select CAM, {rule}": watch.selection_accuracy(
            best_candidate(torch.cat(values), watch.candidates)
        )
        for rule, values in scores.items()
    }


TRACKERS: dict[str, Callable[[CandidateWatch], dict[str, float]]] = {
    "values": _values,
    "maps": _maps,
}
"""Measured after each epoch: name -> function of the watch that gives numbers by name."""


# -- records as tables ----------------------------------------------------------------------------


def last_epochs(record: Record, count: int, curve: str = "test_accuracy") -> float:
    """Mean of a curve over the last ``count`` epochs (over all, if there are fewer)."""
    return float(record[curve][-count:].mean())


def scores(records: Sequence[Record], count: int, curve: str = "test_accuracy") -> np.ndarray:
    """That mean for every run, ``(runs,)``."""
    return np.array([last_epochs(record, count, curve) for record in records])
