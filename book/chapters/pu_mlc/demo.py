"""Learning from positive and unlabelled points on a line, where the right answer is known.

Positives are Normal(1.5, 1), negatives Normal(-1.5, 1), and 30 % of all points are positive: the
Bayes rule is a logistic function, :math:`\\sigma(3x-0.85)`. Accuracies are integrals over the true
densities, without sampling noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.stats import norm
from torch import Tensor

from weaklabels.methods import pu_mlc
from weaklabels.methods.baselines import assume_negative
from weaklabels.seeding import numpy_rng

PRIOR, MEAN = 0.3, 1.5
GRID = np.linspace(-8, 8, 3201)
BOUND = 50.0
"""Largest coefficient of a fit: the logistic uPU risk with too large a prior has no minimum."""

Loss = Callable[[Tensor, Tensor], Tensor]


def posterior(x: np.ndarray) -> np.ndarray:
    """P(y = 1 | x)."""
    positive = PRIOR * norm.pdf(x, MEAN)
    return positive / (positive + (1 - PRIOR) * norm.pdf(x, -MEAN))


def accuracy(decisions: np.ndarray) -> float:
    """Accuracy (%) of the decisions ``(len(GRID),)`` bool at the points of ``GRID``."""
    positive = PRIOR * norm.pdf(GRID, MEAN)
    negative = (1 - PRIOR) * norm.pdf(GRID, -MEAN)
    return float(100 * np.where(decisions, positive, negative).sum() * (GRID[1] - GRID[0]))


def bayes_accuracy() -> float:
    """Accuracy (%) of the best possible rule."""
    return accuracy(posterior(GRID) > 0.5)


def sample(seed: int, labelled: int, unlabeled: int) -> tuple[np.ndarray, np.ndarray]:
    """Labelled positives ``(labelled,)`` and unlabelled points ``(unlabeled,)``."""
    rng = numpy_rng(seed, "line", labelled)
    positives = rng.normal(MEAN, 1, labelled)
    signs = np.where(rng.random(unlabeled) < PRIOR, 1, -1)
    return positives, rng.normal(MEAN * signs, 1)


def _told(function: Callable[..., Tensor], prior: float, **options: object) -> Loss:
    def loss(logits: Tensor, known: Tensor) -> Tensor:
        return function(logits, known, prior, unlabeled="rest", **options)

    return loss


def _variational(logits: Tensor, known: Tensor) -> Tensor:
    return pu_mlc.variational_pu(logits[known == 1], logits[known == 0])


ESTIMATORS: dict[str, Loss] = {
    "unlabelled as negative": lambda logits, known: assume_negative(logits, known, 0.0),
    **{
        f"{name}, prior {prior}": _told(function, prior, **how)
        for name, function, how in (
            ("uPU", pu_mlc.unbiased_pu, {}),
            ("nnPU", pu_mlc.non_negative_pu, {"ascend": False}),
        )
        for prior in (0.3, 0.1, 0.6)
    },
    "VPU": _variational,
}
"""Name -> loss of (logits ``(n, 1)``, 1 for a labelled positive, else 0)."""


@dataclass(frozen=True)
class LineSpec:
    """A logistic model fitted by every estimator.

    Attributes:
        seed: of the sample.
        labelled, unlabeled: sizes of the two samples.
    """

    seed: int
    labelled: int = 200
    unlabeled: int = 4000


def fit_line(spec: LineSpec) -> dict[str, Any]:
    """Fit slope and intercept by L-BFGS.

    Returns:
        ``weights`` ``(estimators, 2)`` slope and intercept, ``accuracy`` ``(estimators,)`` in
        percent, ``probability`` ``(estimators, len(GRID))``.
    """
    positives, unlabeled = sample(spec.seed, spec.labelled, spec.unlabeled)
    x = torch.from_numpy(np.concatenate([positives, unlabeled]))
    known = torch.cat([torch.ones(len(positives)), torch.zeros(len(unlabeled))])[:, None]
    weights, probabilities = [], []
    for name, loss in ESTIMATORS.items():

        def value_and_gradient(w: np.ndarray, loss: Loss = loss) -> tuple[float, np.ndarray]:
            weight = torch.tensor(w, requires_grad=True)
            value = loss((weight[0] * x + weight[1])[:, None], known)
            value.backward()
            return value.item(), weight.grad.numpy()

        found = minimize(value_and_gradient, np.zeros(2), jac=True, bounds=[(-BOUND, BOUND)] * 2).x
        with np.errstate(over="ignore"):
            probability = 1 / (1 + np.exp(-(found[0] * GRID + found[1])))
        if name == "VPU":
            # VPU fixes the classifier up to a factor; its authors take the training maximum as 1.
            top = 1 / (1 + np.exp(-max(found[0] * x.numpy() + found[1])))
            probability = np.minimum(probability / top, 1)
        weights.append(found)
        probabilities.append(probability)
    return {
        "weights": np.array(weights),
        "probability": np.array(probabilities, np.float32),
        "accuracy": np.array([accuracy(p > 0.5) for p in probabilities]),
    }


@dataclass(frozen=True)
class FlexibleSpec:
    """A flexible model, which can tell single points apart, trained by gradient descent.

    Attributes:
        seed: of the sample.
        method: ``"uPU"``, ``"nnPU"``, ``"VPU"`` or ``"VPU with mixup"``.
        labelled, unlabeled: sizes of the two samples.
        bumps: number of Gaussian basis functions on [-5, 5].
        steps, every: gradient steps, and how often they are recorded.
    """

    seed: int
    method: str
    labelled: int = 100
    unlabeled: int = 400
    bumps: int = 200
    steps: int = 400
    every: int = 10


def _bumps(x: Tensor, count: int) -> Tensor:
    """Features ``(n, count + 2)``: Gaussians two spacings wide, x itself and a constant."""
    centres = torch.linspace(-5, 5, count, dtype=x.dtype)
    width = 2 * 10 / (count - 1)
    local = torch.exp(-(((x[:, None] - centres) / width) ** 2) / 2)
    return torch.cat([local, x[:, None], torch.ones_like(x[:, None])], 1)


def fit_flexible(spec: FlexibleSpec) -> dict[str, Any]:
    """Train and record.

    Returns:
        ``steps``, and at each of them ``risk`` (the estimate of the risk on negatives by
        ``pu_risks``, the half that cannot truly be negative), ``accuracy`` (%), and at the end
        ``probability`` ``(len(GRID),)``.
    """
    positives, unlabeled = sample(spec.seed, spec.labelled, spec.unlabeled)
    x = torch.from_numpy(np.concatenate([positives, unlabeled]))
    known = torch.zeros(len(x), 1)
    known[: len(positives)] = 1
    features = _bumps(x, spec.bumps)
    on_grid = _bumps(torch.from_numpy(GRID), spec.bumps)
    weight = torch.zeros(features.shape[1], dtype=x.dtype, requires_grad=True)
    optimiser = torch.optim.Adam([weight], lr=0.05)
    rng = numpy_rng(spec.seed, "line mixup")

    def loss() -> Tensor:
        logits = (features @ weight)[:, None]
        if spec.method in ("uPU", "nnPU"):
            function = pu_mlc.unbiased_pu if spec.method == "uPU" else pu_mlc.non_negative_pu
            return function(logits, known, PRIOR, unlabeled="rest")
        value = _variational(logits, known)
        if spec.method == "VPU":
            return value
        # As many unlabelled points as labelled ones, and each mixed with one of these.
        drawn = rng.choice(spec.unlabeled, spec.labelled, replace=False) + spec.labelled
        rows = torch.cat([torch.arange(spec.labelled), torch.from_numpy(drawn)])
        order = torch.from_numpy(rng.permutation(spec.labelled))
        share = rng.beta(0.3, 0.3)
        labels = pu_mlc.mix(pu_mlc.soft_labels(logits[rows], known[rows]), order, share)
        mixed = _bumps(pu_mlc.mix(x[rows], order, share), spec.bumps) @ weight
        return value + pu_mlc.consistency(mixed[:, None], labels)

    steps, risks, accuracies = [], [], []
    for step in range(spec.steps + 1):
        if step % spec.every == 0:
            with torch.no_grad():
                logits = (features @ weight)[:, None]
                _, risk = pu_mlc.pu_risks(logits, known, PRIOR, unlabeled="rest")
                probability = torch.sigmoid(on_grid @ weight)
                top = torch.sigmoid(logits).max() if spec.method.startswith("VPU") else 1.0
                steps.append(step)
                risks.append(float(risk))
                accuracies.append(accuracy((probability / top > 0.5).numpy()))
        value = loss()
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
    return {
        "steps": np.array(steps),
        "risk": np.array(risks),
        "accuracy": np.array(accuracies),
        "probability": (probability / top).clamp(max=1).numpy().astype(np.float32),
    }
