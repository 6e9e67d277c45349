"""Implicit SGD for physics-informed networks: Li, Chen and Huang, AAAI 2023 (arXiv 2303.01767).

A physics-informed network is trained until it satisfies a differential equation at collocation
points. Here the parameters of a network are one flat vector ``theta`` (P,), float64, and a loss is
a function of it; an optimiser is a step from one ``theta`` to the next. The paper's body could not
be read and it has no public code: the method is what its definition fixes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from weaklabels import checks

Loss = Callable[[Tensor], Tensor]
"""Parameters ``(P,)`` -> scalar."""

# -- networks whose derivatives are known ---------------------------------------------------------


class Jet(NamedTuple):
    """A function of q inputs at N points: value ``(N,)``, d/dx_i and d²/dx_i² ``(q, N)``."""

    value: Tensor
    first: Tensor
    second: Tensor


@dataclass(frozen=True)
class Network:
    """A fully connected tanh network from q inputs to one output.

    Attributes:
        widths: ``(q, hidden ..., 1)``.
        lower, upper: box of the inputs, which is mapped to [-1, 1]; empty for inputs as they are.
    """

    widths: tuple[int, ...]
    lower: tuple[float, ...] = ()
    upper: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """Number of parameters; theta holds W (out, in) and b (out,) of layer after layer."""
        return sum(b * (a + 1) for a, b in zip(self.widths, self.widths[1:], strict=False))

    def initial(self, generator: torch.Generator, kind: str = "xavier") -> Tensor:
        """First parameters, ``(P,)`` float64.

        Args:
            generator: of the draws.
            kind: ``"xavier"``: normal weights, zero biases; ``"torch"``: as ``torch.nn.Linear``,
                weights and biases uniform within one over the square root of the inputs.

        Raises:
            ValueError: if there is no such kind.
        """
        if kind not in ("xavier", "torch"):
            raise ValueError(f"initial parameters {kind!r}: expected 'xavier' or 'torch'")
        parts = []
        for a, b in zip(self.widths, self.widths[1:], strict=False):
            if kind == "xavier":
                draw = torch.randn(a * b, generator=generator, dtype=torch.float64)
                parts += [draw * math.sqrt(2 / (a + b)), draw.new_zeros(b)]
            else:
                draw = torch.rand(a * b + b, generator=generator, dtype=torch.float64)
                parts.append((2 * draw - 1) / math.sqrt(a))
        return torch.cat(parts)

    def jet(self, theta: Tensor, x: Tensor, order: int = 2) -> Jet:
        """Value and pure derivatives up to ``order``, carried forward layer by layer.

        With h = tanh z: h' = (1 - h²) z' and h'' = (1 - h²) z'' - 2 h h' z'. One backward pass
        then gives the gradient of any loss of the three; reverse mode applied twice for the
        derivatives and once for the gradient gives the same numbers several times slower.

        Args:
            theta: ``(P,)``.
            x: ``(N, q)``.
            order: 0, 1 or 2; what is not asked for is empty.

        Raises:
            ValueError: if the order is another, or the box has not two ends for each input.
        """
        checks.one_of(order, (0, 1, 2), "order")
        checks.box(self.lower, self.upper, self.widths[0])
        scale = torch.ones_like(x[0])
        if self.lower:
            low, high = x.new_tensor(self.lower), x.new_tensor(self.upper)
            scale = 2 / (high - low)
            x = (x - low) * scale - 1
        q = x.shape[1]
        directions = torch.diag(scale)[:, None, :].expand(q, len(x), q)
        streams = torch.cat([x[None], directions, torch.zeros_like(directions)][: order + 1])
        parts = [1, *(q if order >= n else 0 for n in (1, 2))]
        *hidden, (weight, bias) = self._layers(theta)
        for w, b in hidden:
            z, z1, z2 = F.linear(streams, w).split(parts)
            h = torch.tanh(z + b)
            slope = 1 - h * h
            h1 = slope * z1
            h2 = slope * z2 - 2 * h * h1 * z1 if order > 1 else z2
            streams = torch.cat([h, h1, h2])
        value, first, second = F.linear(streams, weight)[..., 0].split(parts)
        return Jet(value[0] + bias, first, second)

    def __call__(self, theta: Tensor, x: Tensor) -> Tensor:
        """The network's values at ``x`` (N, q): ``(N,)``."""
        return self.jet(theta, x, 0).value

    def _layers(self, theta: Tensor) -> list[tuple[Tensor, Tensor]]:
        shapes = list(zip(self.widths, self.widths[1:], strict=False))
        parts = theta[: self.size].split([n for a, b in shapes for n in (a * b, b)])
        weights = [w.view(b, a) for w, (a, b) in zip(parts[::2], shapes, strict=True)]
        return list(zip(weights, parts[1::2], strict=True))


# -- the loss and its stiffness -------------------------------------------------------------------


def scaled(interior: Tensor, edge: Tensor, weight: float) -> Tensor:
    """The residual vector s whose half squared length is the loss.

    L = mean of squares inside + weight * mean of squares at the edge = ``0.5 |s|²``.

    Args:
        interior: ``(N,)``, by how much the equation is missed at the collocation points.
        edge: ``(M,)``, by how much the boundary conditions or the data are missed.
        weight: of the edge.
    """
    return torch.cat(
        [math.sqrt(2 / len(interior)) * interior, math.sqrt(2 * weight / len(edge)) * edge]
    )


def tangent_kernel(residuals: Callable[[Tensor], Tensor], theta: Tensor) -> Tensor:
    """K = J Jᵀ, ``(n, n)``, where J is the Jacobian of the residual vector at ``theta``."""
    theta = theta.detach().requires_grad_()
    rows = [torch.autograd.grad(s, theta, retain_graph=True)[0] for s in residuals(theta)]
    jacobian = torch.stack(rows)
    return jacobian @ jacobian.T


def spectrum(kernel: Tensor) -> Tensor:
    """Eigenvalues of a symmetric matrix, largest first."""
    return torch.linalg.eigvalsh(kernel).flip(0)


def explicit_limit(kernel: Tensor) -> float:
    """2 / lambda_max: the learning rate beyond which an explicit step enlarges some residual."""
    return 2 / float(spectrum(kernel)[0])


def frozen_decay(
    kernel: Tensor, residual: Tensor, alpha: float, steps: int, implicit: bool = True
) -> Tensor:
    """Residual after some steps, were the kernel constant: (I + alpha K)^-n s or (I - alpha K)^n s.

    Args:
        kernel: ``(n, n)``.
        residual: ``(n,)`` at the start.
        alpha: learning rate.
        steps: how many.
        implicit: which of the two.

    Raises:
        ValueError: if the residual is not one number for each row of the kernel.
    """
    checks.same_shape("n", least=0, residual=residual, diagonal=kernel.diagonal())
    values, vectors = torch.linalg.eigh(kernel)
    factor = 1 / (1 + alpha * values) if implicit else 1 - alpha * values
    return vectors @ (factor**steps * (vectors.T @ residual))


def relative_error(prediction: Tensor, truth: Tensor) -> float:
    """``|prediction - truth|₂ / |truth|₂``.

    Raises:
        ValueError: if the shapes differ.
    """
    checks.same_shape("N", least=0, prediction=prediction, truth=truth)
    return float((prediction - truth).norm() / truth.norm())


def relu_limit_gram(x: Tensor) -> Tensor:
    """Tangent kernel of an infinitely wide two-layer ReLU network of which the first layer learns.

    H_ij = x_i·x_j (pi - arccos x_i·x_j) / (2 pi), for rows ``x`` (N, d) of length 1.
    """
    cosine = (x @ x.T).clamp(-1, 1)
    return cosine * (math.pi - torch.arccos(cosine)) / (2 * math.pi)


# -- optimisers -----------------------------------------------------------------------------------


class Objective:
    """A loss that hands out its value and gradient, and counts how often.

    Attributes:
        loss: parameters -> scalar.
        values: all losses so far.
    """

    def __init__(self, loss: Loss) -> None:
        self.loss = loss
        self.values: list[float] = []

    @property
    def evaluations(self) -> int:
        """Losses with gradients so far: the cost that optimisers are compared at."""
        return len(self.values)

    def __call__(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        theta = theta.detach().requires_grad_()
        value = self.loss(theta)
        (gradient,) = torch.autograd.grad(value, theta)
        self.values.append(float(value.detach()))
        return value.detach(), gradient


Evaluate = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Parameters -> value and gradient."""


class Optimiser(Protocol):
    """A way from one vector of parameters to the next."""

    def step(self, objective: Evaluate, theta: Tensor) -> Tensor:
        """The next parameters; ``theta`` is not changed."""

    def memory(self) -> dict[str, Any]:
        """What it remembers from step to step: tensors, numbers, and lists and dicts of them."""

    def recall(self, memory: dict[str, Any], theta: Tensor) -> None:
        """Go on from the parameters at which another one had this ``memory``."""


@dataclass
class Explicit:
    """SGD: theta - alpha grad L(theta), forward Euler for the gradient flow."""

    alpha: float

    def step(self, objective: Evaluate, theta: Tensor) -> Tensor:
        _, gradient = objective(theta)
        return theta - self.alpha * gradient

    def memory(self) -> dict[str, Any]:
        return {}

    def recall(self, memory: dict[str, Any], theta: Tensor) -> None:
        pass


@dataclass
class Adam:
    """Adam (Kingma and Ba, ICLR 2015) with its usual constants."""

    alpha: float
    moments: tuple[Tensor, Tensor] | None = None
    count: int = 0

    def step(self, objective: Evaluate, theta: Tensor) -> Tensor:
        _, gradient = objective(theta)
        first, second = self.moments or (torch.zeros_like(theta), torch.zeros_like(theta))
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        self.moments, self.count = (first, second), self.count + 1
        mean, scale = first / (1 - 0.9**self.count), second / (1 - 0.999**self.count)
        return theta - self.alpha * mean / (scale.sqrt() + 1e-8)

    def memory(self) -> dict[str, Any]:
        return {"moments": self.moments, "count": self.count}

    def recall(self, memory: dict[str, Any], theta: Tensor) -> None:
        if memory["moments"] is not None:
            first, second = memory["moments"]
            self.moments, self.count = (first.to(theta), second.to(theta)), memory["count"]


@dataclass
class LBFGS:
    """L-BFGS, which remembers its curvature from step to step.

    Attributes:
        iterations: in one step, unless they need more than ``evaluations``.
        evaluations: see above; one line search may exceed them.
        rate: length of its steps without line search; with it (``None``) strong Wolfe decides.
        history: pairs that it remembers.

    Raises:
        ValueError: if a later step starts elsewhere than the last one ended (on a CPU; a GPU is not
            asked).
    """

    iterations: int = 20
    evaluations: int = 25
    rate: float | None = None
    history: int = 50
    _state: tuple[Tensor, torch.optim.LBFGS] | None = field(default=None, repr=False)

    def step(self, objective: Evaluate, theta: Tensor) -> Tensor:
        checks.continues(theta, self._state[0] if self._state else None)
        if self._state is None:
            self._state = self._begin(theta)
        free, optimiser = self._state

        def closure() -> Tensor:
            value, free.grad = objective(free)
            return value

        optimiser.step(closure)
        return free.detach().clone()

    def _begin(self, theta: Tensor) -> tuple[Tensor, torch.optim.LBFGS]:
        free = theta.detach().clone().requires_grad_()
        optimiser = torch.optim.LBFGS(
            [free],
            lr=self.rate or 1,
            max_iter=self.iterations,
            max_eval=self.evaluations,
            history_size=self.history,
            tolerance_grad=1e-11,
            tolerance_change=1e-15,
            line_search_fn=None if self.rate else "strong_wolfe",
        )
        return free, optimiser

    def memory(self) -> dict[str, Any]:
        return self._state[1].state_dict() if self._state else {}

    def recall(self, memory: dict[str, Any], theta: Tensor) -> None:
        if memory:
            self._state = self._begin(theta)
            self._state[1].load_state_dict(memory)


@dataclass
class Implicit:
    """Implicit SGD: theta' = theta - alpha grad L(theta'), backward Euler for the gradient flow.

    The equation says that theta' is a stationary point of ``J(t) = 0.5 |t - theta|² + alpha L(t)``
    (``proximal``), and an inner optimiser descends J from theta. An infinite alpha leaves the
    proximal term out.

    Attributes:
        alpha: learning rate, which is not that of the inner optimiser.
        inner: makes an inner optimiser.
        steps: of the inner optimiser.
        keep: whether what the inner optimiser remembers, such as Adam's moments, outlives the outer
            step; if not, every step makes a new one.
    """

    alpha: float
    inner: Callable[[], Optimiser] = LBFGS
    steps: int = 1
    keep: bool = False
    _kept: Optimiser | None = field(default=None, repr=False)

    def step(self, objective: Evaluate, theta: Tensor) -> Tensor:
        inner, descended = proximal(objective, theta, self.alpha), theta
        optimiser = self._kept or self.inner()
        for _ in range(self.steps):
            descended = optimiser.step(inner, descended)
        self._kept = optimiser if self.keep else None
        return descended

    def memory(self) -> dict[str, Any]:
        return {"inner": self._kept.memory()} if self._kept else {}

    def recall(self, memory: dict[str, Any], theta: Tensor) -> None:
        if memory:
            self._kept = self.inner()
            self._kept.recall(memory["inner"], theta)


@dataclass
class Followed:
    """One optimiser, then another: Adam and then L-BFGS is the custom of the subject.

    Attributes:
        first, then: the optimisers.
        steps: of the first.
    """

    first: Optimiser
    then: Optimiser
    steps: int
    _taken: int = 0

    def step(self, objective: Evaluate, theta: Tensor) -> Tensor:
        self._taken += 1
        now = self.first if self._taken <= self.steps else self.then
        return now.step(objective, theta)

    def memory(self) -> dict[str, Any]:
        parts = {"first": self.first.memory(), "then": self.then.memory()}
        return {"taken": self._taken, **parts}

    def recall(self, memory: dict[str, Any], theta: Tensor) -> None:
        self._taken = memory["taken"]
        self.first.recall(memory["first"], theta)
        self.then.recall(memory["then"], theta)


def proximal(objective: Evaluate, theta: Tensor, alpha: float) -> Evaluate:
    """``J(t) = 0.5 |t - theta|² + alpha L(t)``, its gradient; L itself if alpha is infinite."""
    if math.isinf(alpha):
        return objective
    centre = theta.detach().clone()

    def evaluate(t: Tensor) -> tuple[Tensor, Tensor]:
        value, gradient = objective(t)
        away = t.detach() - centre
        return 0.5 * away @ away + alpha * value, away + alpha * gradient

    return evaluate


def implicit_defect(objective: Evaluate, old: Tensor, new: Tensor, alpha: float) -> float:
    """Largest entry of ``|new - old + alpha grad L(new)|``: zero for an exact implicit step."""
    return float((new - old + alpha * objective(new)[1]).abs().max())


def newton_step(
    loss: Loss, theta: Tensor, alpha: float, start: Tensor | None = None, iterations: int = 50
) -> Tensor:
    """The implicit step to rounding, by Newton's method on its equation: for few parameters.

    Args:
        loss: twice differentiable.
        theta: ``(P,)``.
        alpha: learning rate.
        start: of the search, for continuation from a smaller alpha; default ``theta``.
        iterations: at most.

    Raises:
        ArithmeticError: if the equation is not solved to 1e-10 of its scale.
    """
    centre = theta.detach()
    objective = Objective(loss)
    new = centre if start is None else start.detach()
    identity = torch.eye(len(centre), dtype=centre.dtype)
    for _ in range(iterations):
        defect = new - centre + alpha * objective(new)[1]
        hessian = torch.autograd.functional.hessian(loss, new)
        change = torch.linalg.solve(identity + alpha * hessian, defect)
        new = new - change
        if float(change.abs().max()) < 1e-14 * (1 + float(new.abs().max())):
            break
    missed = implicit_defect(objective, centre, new, alpha)
    if not missed < 1e-10 * (1 + float(new.abs().max())):
        raise ArithmeticError(
            f"the implicit step with alpha {alpha:g} is missed by {missed:.1e}: start from the "
            "solution for a smaller alpha"
        )
    return new
