"""Self-Crowd (Shi, Li and Huang, 2022): self-training on sparse, imbalanced crowd annotations.

The paper's method section could not be read: steps marked "our choice" are a reconstruction from
its abstract. The base model is the crowd layer of Rodrigues and Pereira (AAAI 2018).

The room trains by ``train.fit`` and not by ``lab.execute``, which takes one network through its
epochs: here a trained network is copied with its optimiser, each copy goes on with other answers,
round by round, and all are counted in steps.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from weaklabels import checks
from weaklabels.methods.base import Context, Method, register

FORMS = ("MW", "VW", "VW+B", "SW")
"""Of the crowd layer: a matrix, K scales, K scales and shifts, or one scale for each worker."""


SHARED = "MW, shared"
"""A crowd layer that knows that answers err, and not who gave them: one matrix for all workers."""


def first_kernel(classes: int, workers: int, form: str = "MW") -> Tensor:
    """Parameters with which every worker says what the network says.

    Returns:
        "MW": ``(K, K, R)``, [answer, class, worker]; "VW": ``(K, R)``; "VW+B": ``(2, K, R)``; "SW":
        ``(R, 1)``; ``SHARED``: ``(K, K, 1)``.

    Raises:
        ValueError: if there is no such form.
    """
    if form == "MW":
        return torch.eye(classes)[:, :, None].repeat(1, 1, workers)
    if form == SHARED:
        return torch.eye(classes)[:, :, None]
    if form == "VW":
        return torch.ones(classes, workers)
    if form == "VW+B":
        return torch.stack([torch.ones(classes, workers), torch.zeros(classes, workers)])
    if form == "SW":
        return torch.ones(workers, 1)
    raise ValueError(f"unknown crowd layer {form!r}: expected one of {', '.join([*FORMS, SHARED])}")


def crowd_layer(p: Tensor, kernel: Tensor, form: str = "MW") -> Tensor:
    """Logits of every worker's answer.

    Args:
        p: ``(B, K)`` softmax output of the network, not its logits.
        kernel: see ``first_kernel``.
        form: one of ``FORMS``, or ``SHARED``.

    Returns:
        ``(B, K, R)``, [example, answer, worker]; R is 1 where workers share.

    Raises:
        ValueError: if there is no such form, or p holds no probabilities.
    """
    checks.one_of(form, (*FORMS, SHARED), "form")
    checks.within(p, 0, 1, "p", finite=True)
    if form in ("MW", SHARED):
        return torch.einsum("bj,ijr->bir", p, kernel)
    if form == "VW":
        return p[:, :, None] * kernel
    if form == "VW+B":
        return p[:, :, None] * kernel[0] + kernel[1]
    return p[:, :, None] * kernel[:, 0]


def annotation_loss(logits: Tensor, answers: Tensor) -> Tensor:
    """Mean cross-entropy over the answers that were given.

    Args:
        logits: ``(B, K, R)``.
        answers: ``(B, R)`` int64, -1 where missing.
    """
    total = F.cross_entropy(logits, answers, ignore_index=-1, reduction="sum")
    return total / (answers >= 0).sum().clamp(min=1)


@register("DL-CL")
class CrowdLayer(Method):
    """A network and a crowd layer, trained on the annotations together.

    The answers ``observed`` may be replaced between epochs.

    Args:
        classes, workers: K and R.
        form: of the crowd layer.
    """

    label_form = "answers"
    state = ("observed", "kernel")
    learning_rate_factor = 1.0

    def __init__(self, classes: int, workers: int, form: str = "MW") -> None:
        self.form, self.workers = form, workers
        self.kernel = nn.Parameter(first_kernel(classes, workers, form))

    def start(self, context: Context) -> None:
        super().start(context)
        self.kernel = nn.Parameter(self.kernel.detach().to(self.observed.device))

    def parameters(self) -> list[nn.Parameter]:
        return [self.kernel]

    def answers(self, logits: Tensor) -> Tensor:
        """Logits of the workers' answers, ``(B, K, R)``, from those of the network."""
        p = torch.softmax(logits.to(torch.promote_types(logits.dtype, self.kernel.dtype)), 1)
        return crowd_layer(p, self.kernel, self.form).expand(-1, -1, self.workers)

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        return annotation_loss(self.answers(logits), self.observed[index])


@register("soft labels")
class SoftLabels(Method):
    """Cross-entropy with a distribution over the classes for each example, ``(N, K)``.

    The distributions ``observed`` may be replaced between epochs.
    """

    label_form = "distributions"
    state = ("observed",)

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        return F.cross_entropy(logits, self.observed[index])


Selection = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Examples, workers and pseudo-annotations, ``(b,)`` each, best first."""


def pseudo_annotations(
    q: np.ndarray,
    answers: np.ndarray,
    budget: int,
    strategy: str = "aware",
    rng: np.random.Generator | None = None,
) -> Selection:
    """Missing answers to fill in, with what the worker would most likely say.

    Args:
        q: ``(n, R, K)`` predicted distributions of the answers.
        answers: ``(n, R)`` current annotations, earlier pseudo-annotations included.
        budget: how many.
        strategy: "plain", by confidence; "aware", by confidence times max N / N_c, N_c being the
            current number of annotations of the pseudo-annotation's class, at least 1 (our choice
            of the correction); "quota", see ``quotas``; "random".
        rng: for "random".

    Raises:
        ValueError: if there is no such strategy, the shapes do not fit, an answer is neither a
            class nor -1, or the budget is negative.
    """
    checks.same_shape("n, R, K", least=0, q=q)
    checks.answers(answers, q.shape[2])
    checks.same_shape("n, R", least=0, q_of_a_class=q[:, :, 0], answers=answers)
    checks.at_least(budget, 0, "budget")
    _, workers, classes = q.shape
    flat = q.reshape(-1, classes)
    missing = np.flatnonzero(answers.ravel() < 0)
    said = flat[missing].argmax(1)
    confidence = flat[missing, said]
    current = np.bincount(answers[answers >= 0], minlength=classes)
    if strategy == "quota":
        chosen = _fill_quotas(confidence, said, quotas(current, budget))
    elif strategy == "random":
        if rng is None:
            raise ValueError("strategy 'random' draws: give it a generator")
        chosen = rng.permutation(len(missing))[:budget]
    elif strategy in ("plain", "aware"):
        weight = current.max() / np.maximum(current, 1)
        scores = confidence * weight[said] if strategy == "aware" else confidence
        chosen = np.argsort(-scores, kind="stable")[:budget]
    else:
        raise ValueError(f"unknown strategy {strategy!r}: expected one of {', '.join(STRATEGIES)}")
    return missing[chosen] // workers, missing[chosen] % workers, said[chosen]


STRATEGIES = ("random", "plain", "aware", "quota")


def quotas(counts: np.ndarray, budget: int) -> np.ndarray:
    """Pairs for each class, in proportion to 1 / N_c (our choice; N_c at least 1), ``(K,)``.

    Raises:
        ValueError: if the budget is negative.
    """
    checks.at_least(budget, 0, "budget")
    inverse = 1 / np.maximum(counts, 1)
    return np.round(budget * inverse / inverse.sum()).astype(int)


def _fill_quotas(confidence: np.ndarray, said: np.ndarray, quota: np.ndarray) -> np.ndarray:
    """The most confident pairs of each class; what a class cannot fill is lost."""
    parts = []
    for c, size in enumerate(quota):
        mine = np.flatnonzero(said == c)
        parts.append(mine[np.argsort(-confidence[mine], kind="stable")[:size]])
    return np.concatenate(parts)
