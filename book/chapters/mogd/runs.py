"""The experiments of the chapter on *Meta Objective Guided Disambiguation* (MoGD, 2022).

The protocol is that of candidate sets (``lab.candidate_sets``) with one more thing: a few training
samples per class are clean. They leave the training set; who may use them, and how, is the point of
the chapter.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from weaklabels import methods
from weaklabels.data import Split, Splits
from weaklabels.lab import candidate_sets
from weaklabels.lab.execute import ORDER, Task, execute, started
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import Options, options
from weaklabels.lab.tuned import FIRST_TUNING_SEED, Tuned
from weaklabels.methods.mogd import Clean
from weaklabels.methods.partial_label import best_candidate
from weaklabels.metrics import separation_auc
from weaklabels.models import Network
from weaklabels.seeding import numpy_rng, torch_rng
from weaklabels.train import OptimiserSpec, predict

METHODS: dict[str, tuple[str, Options]] = {
    "uniform CE": ("IM-avg", ()),
    "CC": ("CC", ()),
    "PRODEN": ("PRODEN", ()),
    "LW": ("LWC", options(beta=2.0)),
    "MoGD": ("MoGD", ()),
    "MoGD, no memory": ("MoGD", options(memory=0.0)),
    "MoGD, per batch": ("MoGD", options(memory=0.0, normalise="batch")),
    "MoGD, 20 judges": ("MoGD", options(clean_batch=20)),
}
"""Name in the tables -> registered method and its options."""

COMPARATORS = ("uniform CE", "CC", "PRODEN", "LW")
"""They do not see the clean samples; with " +v" they train on them, as sets of one candidate, for
as many steps as without."""

WITH_CLEAN = tuple(f"{name} +v" for name in COMPARATORS)
CLEAN_ONLY = "clean only"

ROWS = (*COMPARATORS, "MoGD", CLEAN_ONLY, *WITH_CLEAN, "MoGD +v")
CHOICES = ("MoGD", "MoGD, no memory", "MoGD, per batch", "MoGD, 20 judges")
CHOICE_RATES = (0.05, 0.2)
"""Learning rates at which all of them train on digits, beside the one that was chosen for MoGD:
without memory a run may fail at a rate that suits one with it."""

MAIN = (*COMPARATORS, "MoGD", CLEAN_ONLY, "PRODEN +v")
"""Rows of the comparison that a check computes."""

LONGER = (*COMPARATORS, "MoGD", CLEAN_ONLY, "PRODEN +v")
"""Rows that also train for longer."""

SIZED = ("MoGD", CLEAN_ONLY, "CC +v", "PRODEN +v", "LW +v", "MoGD +v")
"""Rows of the comparison over the number of clean samples."""


@dataclass(frozen=True)
class Spec(candidate_sets.Spec):
    """One run; beside the fields of the protocol:

    Attributes:
        clean: clean samples per class, taken out of the training set.
        clean_share: a share of the training set that is clean instead, drawn without looking at the
            classes, as somebody would who labels a part of a real set; None: ``clean`` per class.
        use: ``"not"``; ``"judge"``, for MoGD's meta-gradient; ``"train"``, as candidate sets of one
            label; ``"judge and train"``; or ``"alone"``, training on nothing else. An epoch has as
            many steps for all: so many as the samples with candidate sets need. Of more samples it
            draws what these steps hold, and the clean ones alone are repeated.
    """

    clean: int = 5
    clean_share: float | None = None
    use: str = "not"


USES = ("not", "judge", "train", "judge and train", "alone")


def run(spec: Spec) -> dict[str, Any]:
    """Train and evaluate.

    Returns:
        What the protocol's ``run`` returns, measured on the samples that are not clean. For methods
        with weights also, per epoch: ``select weights``, how often (%) the heaviest candidate is
        true; ``true weight`` and ``false weight``, means over the true labels and over the false
        candidates; ``auc``, with which MoGD's meta-gradient tells them apart; ``dropped``, share
        (%) of samples none of whose candidates it finds useful. Per epoch for every method:
        ``clean loss``, the mean cross-entropy (nats) on the clean samples. Once: ``uniform``, the
        mean of 1 / |S|; ``clean samples``, their number.

    Raises:
        ValueError: if the use of the clean samples is unknown or does not fit the method.
    """
    if spec.use not in USES:
        raise ValueError(f"use is {spec.use!r}: expected one of {', '.join(USES)}")
    method = methods.create(spec.method, **dict(spec.method_options))
    if ("clean" in method.needs) != spec.use.startswith("judge"):
        raise ValueError(f"method {spec.method!r} does not fit use {spec.use!r}")
    splits, clean, candidates = divide(spec)
    clean_x, clean_y = clean.x.to(spec.device), clean.y.to(spec.device)
    watched, candidates = splits.train.x.to(spec.device), candidates.to(spec.device)
    x, sets, alone = watched, candidates, spec.use == "alone"
    if spec.use in ("train", "judge and train", "alone"):
        singles = F.one_hot(clean_y, sets.shape[1]) > 0
        again = torch.arange(len(x), device=x.device) % len(clean_x)
        x = clean_x[again] if alone else torch.cat([x, clean_x])
        sets = singles[again] if alone else torch.cat([sets, singles])
    known = {"clean": (clean_x, clean_y), "generator": torch_rng(spec.seed, "clean batches")}
    method = started(method, sets, **known)
    size = min(spec.batch_size, len(x))
    steps = math.ceil(len(watched) / size)
    return execute(
        replace(spec, batch_size=size),
        Task(
            candidate_sets.build_network(spec, splits),
            method,
            x,
            watch=lambda net, _: _Watch(
                spec,
                splits,
                candidates,
                net,
                watched,
                (clean_x, clean_y),
                None if alone else method,
            ),
            streams={ORDER: torch_rng(spec.seed, ORDER)},
            batches=partial(_drawn, len(x), steps, size),
            steps=steps,
        ),
    )


def _drawn(rows: int, steps: int, size: int, order: torch.Generator) -> Iterable[Tensor]:
    """The rows of so many steps, ``size`` a step, in random order; fewer in the last if there are
    no more."""
    return torch.randperm(rows, generator=order)[: steps * size].split(size)


def divide(spec: Spec) -> tuple[Splits, Split, Tensor]:
    """The data without the clean samples, the clean samples, and the candidate sets of the rest.

    The sets are drawn for all, so that a sample's set does not depend on how many are clean.

    Raises:
        ValueError: if a class has too few samples.
    """
    splits = candidate_sets.load_splits(spec)
    candidates = candidate_sets.draw_candidates(spec, splits)
    truth = splits.train.y.numpy()
    order = numpy_rng(spec.seed, "clean samples").permutation(len(truth))
    chosen = np.zeros(len(truth), bool)
    if spec.clean_share is not None:
        chosen[order[: round(spec.clean_share * len(truth))]] = True
    for label in np.unique(truth) if spec.clean_share is None else ():
        rows = order[truth[order] == label]
        if len(rows) <= spec.clean and spec.candidates != "given":
            raise ValueError(f"class {label} has {len(rows)} samples: more than clean are needed")
        # A class of a real set may be rarer than that: half of it stays.
        chosen[rows[: min(spec.clean, len(rows) // 2)]] = True
    clean, rest = (_subset(splits.train, np.flatnonzero(mask)) for mask in (chosen, ~chosen))
    return replace(splits, train=rest), clean, torch.from_numpy(candidates[~chosen])


def _subset(split: Split, rows: np.ndarray) -> Split:
    extra = {name: np.asarray(values)[rows] for name, values in split.extra.items()}
    return Split(split.x[rows], split.y[rows], None, extra)


class _Watch(candidate_sets.CandidateWatch):
    """Measures the loss on the clean samples, and the weights of a method (None: of nobody)."""

    def __init__(
        self,
        spec: Spec,
        splits: Splits,
        candidates: Tensor,
        model: Network,
        x_train: Tensor,
        clean: Clean,
        method: methods.Method | None,
    ) -> None:
        super().__init__(spec, splits, candidates, model, x_train)
        self.clean, self.method = clean, method

    def after_epoch(self, epoch: int) -> None:
        super().after_epoch(epoch)
        inputs, labels = self.clean
        logits = predict(self.model, inputs, candidate_sets.EVALUATION_BATCH)
        self.note("clean loss", float(F.cross_entropy(logits, labels)))
        kept = {} if self.method is None else self.method.trace()
        if "weights" not in kept:
            return
        weights = kept["weights"][: len(self.truth)]
        true = F.one_hot(self.truth, weights.shape[1]).bool()
        false = self.candidates & ~true
        selected = best_candidate(weights, self.candidates)
        self.note("select weights", self.selection_accuracy(selected))
        self.note("true weight", float(weights[true].mean()))
        self.note("false weight", float(weights[false].mean()))
        if "useful" in kept:
            useful = kept["useful"][: len(self.truth)]
            values = useful[self.candidates].cpu().numpy()
            self.note("auc", separation_auc(values, true[self.candidates].cpu().numpy()))
            none = ~((useful > 0) & self.candidates).any(1)
            self.note("dropped", 100 * float(none.double().mean()))

    def results(self) -> dict[str, Any]:
        found = super().results()
        return found | {"uniform": found["chance"] / 100, "clean samples": len(self.clean[1])}


# -- settings by profile --------------------------------------------------------------------------

RATES = (0.00625, 0.0125, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Learning rates among which every method chooses."""

TUNING_SEEDS = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + 3)
RULE = "best validation accuracy, mean of the last epochs and of all repetitions"
HARD = ("q = 0.8", "pair 0.9")
"""The candidate sets of the check: the largest uniform ones, and the pair sets."""

USUAL = 5
"""Clean samples a class, where their number does not vary."""

LONG = 240
"""Epochs from which on a training is long, and has learning rates of its own."""

CHOSEN = {
    "q = 0.8": {
        "uniform CE": 0.1, "CC": 0.4, "PRODEN": 0.8, "LW": 0.8, "MoGD": 0.8, CLEAN_ONLY: 0.025,
        "uniform CE +v": 0.05, "CC +v": 0.4, "PRODEN +v": 0.8, "LW +v": 0.4, "MoGD +v": 0.8,
    },
    "pair 0.9": {
        "uniform CE": 0.4, "CC": 0.4, "PRODEN": 0.4, "LW": 0.4, "MoGD": 0.4, CLEAN_ONLY: 0.025,
        "uniform CE +v": 0.025, "CC +v": 0.2, "PRODEN +v": 0.4, "LW +v": 0.4, "MoGD +v": 0.2,
    },
    "q = 0.1": {
        "uniform CE": 0.05, "CC": 0.4, "PRODEN": 0.4, "LW": 0.2, "MoGD": 0.05, CLEAN_ONLY: 0.025,
        "uniform CE +v": 0.025, "CC +v": 0.4, "PRODEN +v": 0.4, "LW +v": 0.2, "MoGD +v": 0.1,
    },
    "q = 0.5": {
        "uniform CE": 0.05, "CC": 0.2, "PRODEN": 0.8, "LW": 0.4, "MoGD": 0.05, CLEAN_ONLY: 0.025,
        "uniform CE +v": 0.05, "CC +v": 0.4, "PRODEN +v": 0.8, "LW +v": 0.2, "MoGD +v": 0.8,
    },
    "q = 0.8, long": {
        "uniform CE": 0.0125, "CC": 0.8, "PRODEN": 0.8, "LW": 0.4, "MoGD": 0.8, CLEAN_ONLY: 0.2,
        "PRODEN +v": 0.8,
    },
    "q = 0.8, 1 a class": {
        "MoGD": 0.8, CLEAN_ONLY: 0.0125, "CC +v": 0.8, "PRODEN +v": 0.8, "LW +v": 0.8,
        "MoGD +v": 0.8,
    },
    "q = 0.8, 2 a class": {
        "MoGD": 0.8, CLEAN_ONLY: 0.025, "CC +v": 0.4, "PRODEN +v": 0.8, "LW +v": 0.8,
        "MoGD +v": 0.8,
    },
    "q = 0.8, 10 a class": {
        "MoGD": 0.8, CLEAN_ONLY: 0.05, "CC +v": 0.4, "PRODEN +v": 0.8, "LW +v": 0.8,
        "MoGD +v": 0.8,
    },
    "q = 0.8, 20 a class": {
        "MoGD": 0.8, CLEAN_ONLY: 0.2, "CC +v": 0.4, "PRODEN +v": 0.4, "LW +v": 0.4,
        "MoGD +v": 0.8,
    },
}  # fmt: skip
"""What was tuned on (see ``tuned_on``) -> row -> learning rate chosen on digits
(``record.tuning``)."""

TUNED = tuple(
    Tuned(row, f"learning rate, {name}", RATES, rate, RULE, "300 digits of each repetition")
    for name, rates in CHOSEN.items()
    for row, rate in rates.items()
)


def kind_of(spec: Spec) -> str:
    """Name of the candidate sets of a run."""
    return HARD[1] if spec.candidates == "cyclic" else f"q = {spec.q:g}"


def tuned_on(spec: Spec) -> str:
    """What the rate of a run on digits was chosen on: the name of its candidate sets, with the
    number of its clean samples where that varies, and whether it is long."""
    if spec.epochs >= LONG:
        return f"{kind_of(spec)}, long"
    return kind_of(spec) + ("" if spec.clean == USUAL else f", {spec.clean} a class")


def chosen_rate(spec: Spec, row: str) -> float:
    """The learning rate of a row on digits; one that sees no clean samples has the same whatever
    their number, and one that changes a choice of MoGD that of MoGD."""
    rates = CHOSEN[tuned_on(replace(spec, clean=USUAL))] | CHOSEN[tuned_on(spec)]
    return rates[row.partition(",")[0]]


@dataclass(frozen=True)
class Settings:
    """What the chapter runs.

    Attributes:
        sets: candidate sets of the main comparison, by the name used in tables; the hardest of each
            kind first.
        sizes: the run whose number of clean samples varies.
        counts: clean samples per class.
        lengths: epochs after which the runs of ``sizes`` are compared, trained for the longest.
        last: a score is the mean over so many last epochs.
        other: further data of the paper profile, by name.
    """

    sets: dict[str, Spec]
    sizes: Spec
    counts: tuple[int, ...]
    lengths: tuple[int, ...]
    last: int = 5
    other: dict[str, Spec] = field(default_factory=dict)

    @property
    def hard(self) -> dict[str, Spec]:
        """The sets on which a check compares: the largest uniform ones, and the pair sets."""
        return dict(list(self.sets.items())[:2])

    @property
    def easy(self) -> dict[str, Spec]:
        """The others."""
        return dict(list(self.sets.items())[2:])


def settings(chapter: Setting) -> Settings:
    """The settings of the chapter's profile."""
    return chapter.choose(quick=_quick, smoke=_smoke, paper=_paper)(chapter)


def _quick(chapter: Setting) -> Settings:
    base = Spec(
        "MoGD",
        data_options=options(test=500),
        candidates="flip",
        network="mlp",
        network_options=options(hidden=(128, 128)),
        epochs=60,
        batch_size=100,
        optimiser=OptimiserSpec("sgd", lr=0.05, weight_decay=1e-4),
        device=chapter.device,
    )
    return Settings(
        kinds_of_sets(base, (0.8, 0.1, 0.5)),
        replace(base, q=0.8),
        (1, 2, 5, 10, 20),
        (60, 240, 500),
    )


def _smoke(chapter: Setting) -> Settings:
    larger = _quick(chapter)

    def tiny(spec: Spec) -> Spec:
        small = options(hidden=(16,))
        return replace(spec, data_options=options(test=1300), network_options=small, epochs=2)

    sets = {name: tiny(spec) for name, spec in larger.sets.items()}
    return replace(larger, sets=sets, sizes=tiny(larger.sizes), counts=(1, 5), lengths=(2, 10))


def kinds_of_sets(base: Spec, qs: Sequence[float]) -> dict[str, Spec]:
    """The run by kind of candidate sets: uniform at the first q, pairs, uniform at the others."""
    hardest, *others = ((f"q = {q:g}", replace(base, candidates="flip", q=q)) for q in qs)
    return dict([hardest, ("pair 0.9", replace(base, candidates="cyclic", q=0.9)), *others])


PRODEN_DECAY = {"mnist": 1e-3, "kmnist": 1e-4, "fashion_mnist": 1e-5}
"""Weight decays of the MLP in PRODEN's parameter file."""

REAL = {"lost": "Lost", "msrcv2": "MSRCv2", "birdsong": "BirdSong"}
"""Real-world sets of the record -> their names in tables."""


def _paper(chapter: Setting) -> Settings:
    """PRODEN's protocol on the usual data; what MoGD itself used could not be read.

    CIFAR-10 is the main comparison, the grey images and the real-world sets follow.
    """
    cifar = Spec(
        "MoGD",
        dataset="cifar10",
        data_root=chapter.data_root,
        inputs="standard",
        candidates="flip",
        network="cifar_resnet",
        epochs=500,
        batch_size=256,
        optimiser=OptimiserSpec("sgd", lr=5e-2, weight_decay=1e-3),
        clean=10,
        device=chapter.device,
    )
    widths = options(hidden=(300, 301, 302, 303), batch_norm=True)
    other = {}
    for name, decay in PRODEN_DECAY.items():
        grey = replace(
            cifar,
            dataset=name,
            inputs="as they are",
            network="mlp",
            network_options=widths,
            optimiser=OptimiserSpec("sgd", lr=1e-2, weight_decay=decay),
        )
        kinds = kinds_of_sets(grey, (0.7, 0.1, 0.3, 0.5))
        other |= {f"{name}, {kind}": spec for kind, spec in kinds.items()}
    for name in (*REAL, "soccer_player", "yahoo_news"):
        other[name] = replace(
            cifar,
            dataset="partial_label",
            data_options=options(which=name),
            inputs="as they are",
            candidates="given",
            network="linear",
            optimiser=OptimiserSpec("sgd", lr=1e-2, weight_decay=1e-3),
            clean=2,
        )
    return Settings(
        kinds_of_sets(cifar, (0.7, 0.1, 0.3, 0.5)),
        replace(cifar, q=0.7),
        (1, 2, 5, 10, 20, 50),
        (cifar.epochs,),
        last=10,
        other=other,
    )


def vary(base: Spec, name: str) -> Spec:
    """The same run with a row of the tables (see ``with_row``).

    On digits each row trains at the learning rate that was chosen for it; one that changes a choice
    of MoGD at that of MoGD.
    """
    varied = with_row(base, name)
    if base.dataset != "digits":
        return varied
    return replace(varied, optimiser=replace(base.optimiser, lr=chosen_rate(base, name)))


def with_row(base: Spec, name: str) -> Spec:
    """The same run, at its own learning rate, with a row of the tables, by the name used there.

    Raises:
        ValueError: if there is no such row.
    """
    if name not in (*ROWS, *CHOICES):
        known = ", ".join(dict.fromkeys((*ROWS, *CHOICES)))
        raise ValueError(f"unknown row {name!r}: expected one of {known}")
    plain = name.removesuffix(" +v")
    if name == CLEAN_ONLY:
        return replace(base, method="IM-avg", method_options=(), use="alone")
    method, chosen = METHODS[plain]
    words = [word for word, on in (("judge", method == "MoGD"), ("train", plain != name)) if on]
    return replace(base, method=method, method_options=chosen, use=" and ".join(words) or "not")


def rows(base: Spec, names: Sequence[str]) -> dict[str, Spec]:
    """The run with each of several rows of the tables, by name."""
    return {name: vary(base, name) for name in names}


def choices(base: Spec) -> dict[tuple[str, float], Spec]:
    """MoGD and its other choices, each at every one of some learning rates: name, rate -> run."""
    own = vary(base, "MoGD").optimiser.lr
    rates = sorted({own, *CHOICE_RATES}) if base.dataset == "digits" else [own]
    return {
        (name, rate): replace(spec, optimiser=replace(spec.optimiser, lr=rate))
        for name, spec in rows(base, CHOICES).items()
        for rate in rates
    }
