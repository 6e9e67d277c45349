"""The statistical setting: classifiers that are trained on a finite sample of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR

from chapters.stability_attacks.runs import Settings
from weaklabels.methods import stability_attacks
from weaklabels.seeding import numpy_rng


@dataclass(frozen=True)
class GaussianSpec:
    """Logistic adversarial training in the statistical setting, on a finite sample.

    Attributes:
        attack: see ``Gaussians.training_mean``.
        defence: budget per coordinate.
        seed: of the sample.
        n: points; ``steps`` of full-batch SGD (momentum 0.9), whose rate falls linearly from 0.5.
    """

    attack: str
    defence: float
    seed: int = 0
    n: int = 10_000
    steps: int = 400
    d: int = 100
    eta: float = 0.1
    eps: float = 0.2


def fit(spec: GaussianSpec) -> dict[str, Any]:
    """Train and measure; the inner maximum is exact: the margin less ``defence * |w|_1``.

    Returns:
        ``natural`` and ``robust``, accuracies (%) of the fitted weights by the closed form.
    """
    setting = stability_attacks.Gaussians(spec.d, spec.eta, spec.eps)
    rng = numpy_rng(spec.seed, "sample", spec.attack)
    y = rng.choice([-1.0, 1.0], spec.n)
    noise = setting.sigma * rng.standard_normal((spec.n, spec.d + 1))
    signed = torch.from_numpy(setting.training_mean(spec.attack) + y[:, None] * noise)
    w = torch.zeros(spec.d + 1, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.SGD([w], lr=0.5, momentum=0.9)
    schedule = LambdaLR(optimiser, lambda step: 1 - step / spec.steps)
    for _ in range(spec.steps):
        loss = F.softplus(-(signed @ w - spec.defence * w.abs().sum())).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    weights = w.detach().numpy()
    return {
        "natural": 100 * setting.accuracy(weights),
        "robust": 100 * setting.accuracy(weights, setting.eps),
    }


def table(settings: Settings) -> dict[tuple[str, float], GaussianSpec]:
    """Training data, budget of the defence -> run in the statistical setting."""
    return {
        (kind, budget): GaussianSpec(kind, budget, steps=settings.gaussian_steps)
        for kind in ("clean", "adversarial", "hypocritical")
        for budget in settings.gaussian_budgets
    }
