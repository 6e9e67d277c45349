"""Judging settings where the validation examples have candidate sets alone.

Nobody who has candidate sets alone knows a validation accuracy. PLENCH (Wang et al., *Realistic
Evaluation of Deep Partial-Label Learning Algorithms*, ICLR 2025; its code was read) therefore
judges on validation examples that keep their sets, by the two criteria of this module.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from weaklabels import methods
from weaklabels.data import Splits
from weaklabels.lab.candidate_sets import (
    CANDIDATES,
    EVALUATION_BATCH,
    CandidateWatch,
    Spec,
    build_network,
    draw_candidates,
)
from weaklabels.lab.execute import ORDER, Task, execute, started
from weaklabels.methods.partial_label import candidate_posterior
from weaklabels.models import Network
from weaklabels.seeding import numpy_rng, torch_rng
from weaklabels.train import predict

TRUE = "true labels"
CRITERIA = {
    "covering rate": "covering rate",
    "approximated accuracy": "approximated accuracy",
    TRUE: "val_accuracy",
}
"""What settings are chosen by -> the curve that holds it; the first two need candidates alone."""


def covering_rate(logits: Tensor, candidates: Tensor) -> float:
    """Share of examples (%) whose predicted class is one of their candidates.

    Args:
        logits: ``(N, K)``.
        candidates: ``(N, K)`` bool.
    """
    inside = candidates.gather(1, logits.argmax(1, keepdim=True))
    return 100 * float(inside.double().mean())


def approximated_accuracy(logits: Tensor, candidates: Tensor) -> float:
    """Mean posterior (%) of the predicted class among the candidates; 0 where it is none of them.

    The arguments are those of ``covering_rate``.
    """
    posterior = candidate_posterior(logits.double(), candidates)
    return 100 * float(posterior.gather(1, logits.argmax(1, keepdim=True)).mean())


def held_out_sets(spec: Spec, splits: Splits) -> Tensor:
    """Candidate sets ``(N, K)`` bool of the validation part: its own, or drawn as for training."""
    held_out = splits.validation()
    if spec.candidates == "given":
        return torch.as_tensor(held_out.extra["candidates"])
    truth, rng = held_out.y.numpy(), numpy_rng(spec.seed, "candidates", "validation")
    return torch.from_numpy(CANDIDATES[spec.candidates](truth, len(splits.classes), spec.q, rng))


def train(spec: Spec, splits: Splits, **task: Any) -> dict[str, Any]:
    """``candidate_sets.train``, with the validation part judged by its sets as well.

    Args:
        spec: of the run.
        splits: its data, with a validation part.
        task: fields of the ``Task`` that differ, such as its batches.

    Returns:
        What ``candidate_sets.run`` returns; and per epoch, in percent, ``covering rate`` and
        ``approximated accuracy`` of the validation part.
    """
    candidates = torch.from_numpy(draw_candidates(spec, splits)).to(spec.device)
    method = started(methods.create(spec.method, **dict(spec.method_options)), candidates)
    x_train = splits.train.x.to(spec.device)
    return execute(
        spec,
        Task(
            build_network(spec, splits),
            method,
            x_train,
            watch=lambda net, _: _Watch(spec, splits, candidates, net, x_train),
            streams={ORDER: torch_rng(spec.seed, ORDER)},
            **task,
        ),
    )


class _Watch(CandidateWatch):
    """Judges on the validation part by its candidate sets, too."""

    def __init__(
        self, spec: Spec, splits: Splits, candidates: Tensor, model: Network, x_train: Tensor
    ) -> None:
        super().__init__(spec, splits, candidates, model, x_train)
        self.x_val = splits.validation().x.to(spec.device)
        self.sets = held_out_sets(spec, splits).to(spec.device)

    def after_epoch(self, epoch: int) -> None:
        super().after_epoch(epoch)
        logits = predict(self.model, self.x_val, EVALUATION_BATCH)
        self.note("covering rate", covering_rate(logits, self.sets))
        self.note("approximated accuracy", approximated_accuracy(logits, self.sets))
