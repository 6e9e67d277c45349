"""Wide two-layer networks under implicit steps, where theory says what to expect."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from chapters.isgd_pinn.problems import loss_of
from weaklabels.methods import isgd_pinn as pinn
from weaklabels.seeding import torch_rng


@dataclass(frozen=True)
class WideSpec:
    """Implicit steps of a wide two-layer network on a quadratic loss.

    Attributes:
        kind: ``"tanh"``: one input, all parameters learn; ``"relu"``: inputs of length 1, only the
            first layer learns.
        stiffness: alpha times the largest (tanh) or least (ReLU) eigenvalue of the kernel.
        seed: of weights, and of inputs and targets where they are random.
        width: of the hidden layer.
        steps: implicit steps.
        iterations: of the inner L-BFGS in each, unless it stands still before.
    """

    kind: str = "tanh"
    stiffness: float = 10.0
    seed: int = 0
    width: int = 2000
    steps: int = 5
    iterations: int = 300


def run(spec: WideSpec) -> dict[str, Any]:
    """Implicit steps, and what a frozen kernel predicts.

    Returns:
        ``modes`` and ``predicted`` ``(steps + 1, n)``: residual along the eigenvectors of the first
        kernel; ``eigenvalues`` ``(n,)``; ``limit_eigenvalues`` of the infinitely wide network
        (ReLU) and ``gap``, the spectral norm of the difference between both kernels; ``explicit``:
        length of the residual after as many explicit steps with the frozen kernel; ``alpha``.
    """
    theta, residuals, limit = (_wide_tanh if spec.kind == "tanh" else _wide_relu)(spec)
    kernel = pinn.tangent_kernel(residuals, theta)
    values, vectors = torch.linalg.eigh(kernel)
    alpha = spec.stiffness / float(values[-1] if spec.kind == "tanh" else values[0])
    optimiser = pinn.Implicit(alpha, partial(pinn.LBFGS, spec.iterations, 2 * spec.iterations))
    objective = pinn.Objective(partial(loss_of, residuals))
    first = residuals(theta)
    states = [first]
    for _ in range(spec.steps):
        theta = optimiser.step(objective, theta)
        states.append(residuals(theta))
    predicted = [pinn.frozen_decay(kernel, first, alpha, n) for n in range(spec.steps + 1)]
    explicit = pinn.frozen_decay(kernel, first, alpha, spec.steps, implicit=False)
    return {
        "modes": (torch.stack(states) @ vectors).numpy(),
        "predicted": (torch.stack(predicted) @ vectors).numpy(),
        "eigenvalues": values.numpy(),
        "limit_eigenvalues": torch.linalg.eigvalsh(limit).numpy(),
        "gap": float(torch.linalg.matrix_norm(kernel - limit, 2)),
        "explicit": float(explicit.norm()),
        "alpha": alpha,
    }


def _wide_tanh(spec: WideSpec) -> tuple[Tensor, Callable[[Tensor], Tensor], Tensor]:
    """20 points on [-1, 1], target sin(2 pi x) + 0.1 sin(10 pi x)."""
    m, generator = spec.width, torch_rng(spec.seed, "wide tanh")
    x = torch.linspace(-1, 1, 20, dtype=torch.float64)
    target = torch.sin(2 * math.pi * x) + 0.1 * torch.sin(10 * math.pi * x)
    w, b, a = torch.randn(3, m, generator=generator, dtype=torch.float64)
    theta = torch.cat([2 * w, b, a.sign()])

    def residuals(theta: Tensor) -> Tensor:
        w, b, a = theta.view(3, m)
        return torch.tanh(x[:, None] * w + b) @ a / math.sqrt(m) - target

    return theta, residuals, pinn.tangent_kernel(residuals, theta)


def _wide_relu(spec: WideSpec) -> tuple[Tensor, Callable[[Tensor], Tensor], Tensor]:
    """12 random points on the sphere in 4 dimensions, random targets."""
    m, generator = spec.width, torch_rng(spec.seed, "wide relu")
    x = torch.randn(12, 4, generator=generator, dtype=torch.float64)
    x = x / x.norm(dim=1, keepdim=True)
    target = torch.randn(12, generator=generator, dtype=torch.float64)
    a = torch.randn(m, generator=generator, dtype=torch.float64).sign()
    theta = torch.randn(m * 4, generator=generator, dtype=torch.float64)

    def residuals(theta: Tensor) -> Tensor:
        return torch.relu(x @ theta.view(m, 4).T) @ a / math.sqrt(m) - target

    return theta, residuals, pinn.relu_limit_gram(x)
