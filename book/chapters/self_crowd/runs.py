"""The experiments of the chapter on *Learning from Crowds with Sparse and Imbalanced Annotations*.

A run trains the base model of one seed once, lets every self-training strategy go on from there,
and trains the comparators that need no crowd layer with as many steps.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from weaklabels import checks, crowds, models
from weaklabels.dropout import add_dropout
from weaklabels.lab import sweep
from weaklabels.lab.checkpoint import Checkpoint, Progress
from weaklabels.lab.loading import load_splits
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import Data, Options, options
from weaklabels.methods.base import Context, Method
from weaklabels.methods.self_crowd import FORMS, SHARED, CrowdLayer, SoftLabels, pseudo_annotations
from weaklabels.models import Network
from weaklabels.seeding import derive, numpy_rng, seed_torch, torch_rng
from weaklabels.train import OptimiserSpec, fit, predict

LOOK = 50
"""Steps of the warm-up between looks at a network that learns labels: it may be best early."""

LABEL_METHODS = ("MV", "shares", "DS", "EM", "true labels")
"""Networks that learn from one label an example (or a distribution)."""

CONTINUED = ("DL-CL", "random", "plain", "aware", "quota")
"""What follows the base training: nothing new, or pseudo-annotations."""


@dataclass(frozen=True)
class Spec(Data):
    """One run; beside the data (see ``lab.spec``), of which a set that brings ``answers`` keeps its
    crowd and others get a simulated one:

    Attributes:
        ratio: of the largest to the smallest class in the training set; 0 leaves it as it is.
        mean_answers: an example has 1 + Poisson(mean_answers - 1).
        workers: of a simulated crowd.
        network, network_options, dropout: see ``models.build`` and ``dropout.add_dropout``.
        optimiser, batch_size: of all training.
        warm_up: steps on majority votes, before the crowd layer.
        base_steps: steps with the crowd layer, before the first pseudo-annotations.
        rounds, round_steps: of self-training.
        share: pseudo-annotations of a round, as a multiple of the given annotations.
        form: of the crowd layer.
        methods: what to train, of ``LABEL_METHODS`` and ``CONTINUED``.
        device: where to compute.
        checkpoint: a run that was killed goes on after its last method.
    """

    checkpoint: ClassVar[bool] = True
    _: KW_ONLY
    dataset: str = "digits"
    data_options: Options = (("test", 500),)
    ratio: float = 10
    mean_answers: float = 2
    workers: int = 20
    network: str = "mlp"
    network_options: Options = (("hidden", (128,)), ("inputs", 64))
    dropout: float = 0.3
    optimiser: OptimiserSpec = OptimiserSpec("adam", lr=2e-3)
    batch_size: int = 64
    warm_up: int = 300
    base_steps: int = 500
    rounds: int = 6
    round_steps: int = 200
    share: float = 0.5
    form: str = "MW"
    methods: tuple[str, ...] = ("MV", "DS", "EM", "true labels", *CONTINUED)
    device: str = "cpu"


@dataclass(frozen=True)
class Task:
    """Data of a run.

    Attributes:
        x, truth: training examples, and their true classes, which no method sees.
        answers: ``(n, R)``, -1 where missing.
        order: classes from the most frequent to the rarest.
        test_x, test_y: the test set.
        confusion: ``(R, K, K)`` of a simulated crowd, otherwise None.
    """

    x: Tensor
    truth: np.ndarray
    answers: np.ndarray
    order: np.ndarray
    test_x: Tensor
    test_y: np.ndarray
    confusion: np.ndarray | None

    @property
    def classes(self) -> int:
        return len(self.order)


def run(spec: Spec) -> dict[str, Any]:
    """Train every method of the spec.

    Returns:
        ``truth_counts`` and ``order``; for every method ``"<name>/recall"`` ``(rounds + 1, K)``,
        recall (%) of each class on the test set, after the base training and after each round (or
        as many steps); for those that train on labels also ``early`` ``(looks, K)``, the same after
        every ``LOOK`` steps of the warm-up. For the methods of ``CONTINUED`` also ``counts``
        ``(rounds + 1, K)``, annotations of each class, ``added`` and ``right`` ``(rounds, K)``,
        pseudo-annotations of a round by their class, all of them and those that name the true
        class, and ``kernel``.
    """
    return run_on(spec, load_task(spec))


def run_on(spec: Spec, task: Task) -> dict[str, Any]:
    """The same on data that are at hand."""
    checks.among(spec.methods, (*LABEL_METHODS, *CONTINUED), "a method")
    state = Progress(found={})
    kept = Checkpoint(sweep.checkpoint_file(), state=state)
    base = None
    names = sorted(spec.methods, key=CONTINUED.__contains__)
    done = kept.restore()
    for number, name in enumerate(names[done:], done + 1):
        if name in LABEL_METHODS:
            results = _train_on_labels(spec, task, name)
        else:
            base = base or _train_base(spec, task)
            results = _continue(spec, task, name, copy.deepcopy(base))
        state.found |= {f"{name}/{key}": value for key, value in results.items()}
        kept.save(number)
    kept.remove()
    counts = np.bincount(task.truth, minlength=task.classes)
    return {"truth_counts": counts, "order": task.order, **state.found}


@dataclass
class _Training:
    """A network, its method and its optimiser, which go on together (and are copied together)."""

    model: Network
    method: Method
    optimiser: torch.optim.Optimizer

    def go_on(self, spec: Spec, task: Task, steps: int, *purpose: str | int) -> None:
        """Some more steps."""

        def batches(order: torch.Generator) -> Iterable[Tensor]:
            drawn: list[Tensor] = []
            while len(drawn) < steps:
                drawn += torch.randperm(len(task.x), generator=order).split(spec.batch_size)
            return drawn[:steps]

        seed_torch(spec.seed, "dropout", *purpose)
        fit(
            self.model,
            task.x,
            self.method,
            epochs=1,
            batch_size=spec.batch_size,
            optimiser=self.optimiser,
            order=torch_rng(spec.seed, "batches", *purpose),
            batches=batches,
        )


def _network(spec: Spec, classes: int) -> Network:
    model = models.build(
        spec.network,
        classes,
        seed=derive(spec.seed, "network") % 2**31,
        **dict(spec.network_options),
    )
    return add_dropout(model, spec.dropout).to(spec.device)


def _on_labels(spec: Spec, model: Network, labels: np.ndarray) -> _Training:
    method = SoftLabels()
    method.start(Context(torch.from_numpy(labels).float().to(spec.device)))
    return _Training(model, method, spec.optimiser.build(model, method))


def _one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    return np.eye(classes)[labels]


def _first_votes(spec: Spec, task: Task) -> np.ndarray:
    rng = numpy_rng(spec.seed, "ties")
    return _one_hot(crowds.majority_vote(task.answers, task.classes, rng), task.classes)


def _vote_shares(task: Task) -> np.ndarray:
    """How often each class was said of an example, as a distribution; every one has an answer."""
    votes = np.stack([(task.answers == c).sum(1) for c in range(task.classes)], 1)
    return votes / votes.sum(1, keepdims=True)


def _train_on_labels(spec: Spec, task: Task, name: str) -> dict[str, np.ndarray]:
    """As many steps as the others have; ``early`` recalls ``(looks, K)`` and ``recall``
    ``(rounds + 1, K)``."""
    if name == "DS":
        labels = crowds.dawid_skene(task.answers, task.classes)[0]
    elif name == "shares":
        labels = _vote_shares(task)
    elif name == "true labels":
        labels = _one_hot(task.truth, task.classes)
    else:
        labels = _first_votes(spec, task)
    if name == "shares":  # compared with crowd layers, which start on votes
        training, early = _on_labels(spec, _warm_start(spec, task), labels), []
    else:
        training = _on_labels(spec, _network(spec, task.classes), labels)
        early = _looked_at(spec, task, name, training)
    recall = []
    for part in range(spec.rounds + 1):
        steps = spec.round_steps if part else spec.base_steps
        # EM estimates the truth anew once in every pass over the data.
        each = -(-len(task.x) // spec.batch_size) if name == "EM" else steps
        for done in range(0, steps, each):
            if name == "EM":
                training.method.observed = _estimate(spec, task, training.model)
            training.go_on(spec, task, min(each, steps - done), name, part, done)
        recall.append(_recall(training.model, task))
    return {"early": np.array(early).reshape(-1, task.classes), "recall": np.array(recall)}


def _looked_at(spec: Spec, task: Task, name: str, training: _Training) -> list[np.ndarray]:
    """The steps of the warm-up; recalls after every ``LOOK`` of them."""
    early = []
    for done in range(0, spec.warm_up, LOOK):
        training.go_on(spec, task, min(LOOK, spec.warm_up - done), name, "warm-up", done)
        early.append(_recall(training.model, task))
    return early


def _estimate(spec: Spec, task: Task, model: Network) -> Tensor:
    """The truth by CrowdLayer's EM, from the network and the workers together."""
    p = torch.softmax(predict(model, task.x), 1).double().cpu().numpy()
    labels = crowds.network_posterior(task.answers, p, crowds.reliability(task.answers, p))
    return torch.from_numpy(labels).float().to(spec.device)


def _warm_start(spec: Spec, task: Task) -> Network:
    """The first network after its steps on majority votes."""
    model = _network(spec, task.classes)
    if spec.warm_up:
        start = _on_labels(spec, model, _first_votes(spec, task))
        start.go_on(spec, task, spec.warm_up, "warm-up")
    return model


def _train_base(spec: Spec, task: Task) -> _Training:
    """Warm start on majority votes, then the crowd layer."""
    model = _warm_start(spec, task)
    method = CrowdLayer(task.classes, task.answers.shape[1], spec.form)
    method.start(Context(torch.from_numpy(task.answers).to(spec.device)))
    training = _Training(model, method, spec.optimiser.build(model, method))
    training.go_on(spec, task, spec.base_steps, "base")
    return training


def _continue(spec: Spec, task: Task, name: str, training: _Training) -> dict[str, np.ndarray]:
    answers = task.answers.copy()
    budget = round(spec.share * int((answers >= 0).sum()))
    recall = [_recall(training.model, task)]
    counts = [crowds.class_counts(answers, task.classes)]
    right, added = [], []
    rng = numpy_rng(spec.seed, "random pairs")
    for r in range(spec.rounds):
        if name != "DL-CL":
            q = _answer_distributions(training, task)
            rows, workers, said = pseudo_annotations(q, answers, budget, name, rng)
            answers[rows, workers] = said
            training.method.observed = torch.from_numpy(answers).to(spec.device)
            agree = task.truth[rows] == said
            right.append(np.bincount(said[agree], minlength=task.classes))
            added.append(np.bincount(said, minlength=task.classes))
        training.go_on(spec, task, spec.round_steps, "round", r)
        recall.append(_recall(training.model, task))
        counts.append(crowds.class_counts(answers, task.classes))
    results = {"recall": np.array(recall), "counts": np.array(counts)}
    results["kernel"] = training.method.kernel.detach().cpu().numpy()
    if added:
        results |= {"right": np.array(right), "added": np.array(added)}
    return results


def _answer_distributions(training: _Training, task: Task) -> np.ndarray:
    """q, ``(n, R, K)``."""
    with torch.no_grad():
        logits = training.method.answers(predict(training.model, task.x))
        return F.softmax(logits, 1).transpose(1, 2).double().cpu().numpy()


def _recall(model: Network, task: Task) -> np.ndarray:
    """Recall (%) of each class on the test set."""
    predicted = predict(model, task.test_x).argmax(1).cpu().numpy()
    hits = np.bincount(task.test_y[predicted == task.test_y], minlength=task.classes)
    return 100 * hits / np.maximum(np.bincount(task.test_y, minlength=task.classes), 1)


def load_task(spec: Spec) -> Task:
    """Data of a run."""
    splits = load_splits(spec)
    given = splits.train.extra.get("answers")
    return make_task(
        splits.train.x,
        splits.train.y.numpy(),
        splits.test.x,
        splits.test.y.numpy(),
        answers=None if given is None else np.asarray(given),
        ratio=spec.ratio,
        mean_answers=spec.mean_answers,
        workers=spec.workers,
        seed=spec.seed,
    )


def make_task(
    x: Tensor,
    truth: np.ndarray,
    test_x: Tensor,
    test_y: np.ndarray,
    *,
    answers: np.ndarray | None,
    ratio: float,
    mean_answers: float,
    workers: int,
    seed: int,
) -> Task:
    """Impose imbalance and sparsity on data; simulate the crowd if there is none."""
    classes = int(truth.max()) + 1
    if ratio:
        rows, order = long_tail(truth, classes, ratio, numpy_rng(seed, "long tail"))
    else:
        rows = np.arange(len(truth))
        order = np.argsort(-np.bincount(truth, minlength=classes), kind="stable")
    x, truth = x[torch.from_numpy(rows)], truth[rows]
    rng = numpy_rng(seed, "crowd")
    confusion = None
    if answers is None:
        confusion = crowds.draw_workers(workers, classes, rng)
        asked = crowds.few_workers(np.ones((len(x), workers), bool), mean_answers, rng)
        answers = crowds.answer(truth, confusion, asked, rng)
    else:
        answers = answers[rows]
        asked = crowds.few_workers(answers >= 0, mean_answers, rng)
        answers = np.where(asked, answers, -1)
        answers = answers[:, (answers >= 0).any(0)]  # workers that are never asked are not there
    return Task(x, truth, answers, order, test_x, test_y, confusion)


def long_tail(
    truth: np.ndarray, classes: int, ratio: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Rows that keep fewer and fewer examples of each class, in a random order of the classes.

    The k-th class keeps ``m * ratio ** (-k / (K - 1))`` examples, m being the size of the smallest
    class.

    Args:
        truth: ``(N,)``.
        classes: K, at least 2.
        ratio: of the largest to the smallest class.
        rng: source of randomness.

    Returns:
        sorted row numbers, and the classes from the most frequent to the rarest.
    """
    order = rng.permutation(classes)
    largest = np.bincount(truth, minlength=classes).min()
    rows = []
    for k, c in enumerate(order):
        size = max(round(largest * ratio ** (-k / (classes - 1))), 1)
        rows.append(rng.permutation(np.flatnonzero(truth == c))[:size])
    return np.sort(np.concatenate(rows)), order


def settings(chapter: Setting) -> dict[str, Spec]:
    """The settings of the profile by name; the first is the main one."""
    if chapter.profile == "paper":
        base, levels = labelme(chapter), (2, 1, 2.5)
    else:
        base, levels = Spec(device=chapter.device), (2, 1, 4)
    if chapter.profile == "smoke":
        base = replace(base, warm_up=4, base_steps=4, rounds=2, round_steps=2)
    found = {f"{m:g} answer{'s' * (m > 1)}": replace(base, mean_answers=float(m)) for m in levels}
    return found | {"2 answers, ratio 30": replace(base, ratio=30, mean_answers=2.0)}


def variants(chapter: Setting) -> dict[str, Spec]:
    """The base model alone: cheaper forms of the crowd layer, and no warm start."""
    base = replace(next(iter(settings(chapter).values())), methods=("DL-CL",))
    found = {f"form {form}": replace(base, form=form) for form in FORMS[1:]}
    late = replace(base, warm_up=0, base_steps=base.base_steps + base.warm_up)
    return found | {"no warm start": late}


def who_answered(chapter: Setting) -> dict[tuple[float, str], Spec]:
    """(answers an example, what is known of them) -> spec of a network without self-training.

    The same crowds each time: shares of the votes, one matrix for all workers, one for each.
    """
    found = {}
    for spec in settings(chapter).values():
        if spec.ratio == Spec.ratio and spec.mean_answers <= 2:
            level = spec.mean_answers
            found[level, "shares"] = replace(spec, methods=("shares",))
            found[level, "one matrix"] = replace(spec, methods=("DL-CL",), form=SHARED)
            found[level, "a matrix each"] = replace(spec, methods=("DL-CL",))
    return found


def labelme(chapter: Setting) -> Spec:
    """LabelMe with the network and optimiser of CrowdLayer; imbalance and sparsity are imposed.

    The 10,000 training images are about 160 batches an epoch before thinning; 50 epochs of what a
    ratio of 10 leaves are about 3,000 steps.
    """
    return Spec(
        dataset="labelme",
        data_root=chapter.data_root,
        data_options=(),
        network_options=options(inputs=512 * 4 * 4, hidden=(128,)),
        dropout=0.5,
        optimiser=OptimiserSpec("adam", lr=1e-3),
        warm_up=600,
        base_steps=1200,
        rounds=6,
        round_steps=200,
        device=chapter.device,
    )
