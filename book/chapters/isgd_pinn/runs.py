"""The experiments of the chapter on *implicit SGD for physics-informed networks* (AAAI 2023).

A run trains one network on one equation with one optimiser, until a number of gradients is spent.
Two smaller experiments look at wide two-layer networks, where theory says what to expect.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chapters.isgd_pinn import problems
from weaklabels.lab.spec import Options
from weaklabels.methods import isgd_pinn as pinn
from weaklabels.seeding import torch_rng

MARKS = 45
"""Places, evenly spaced in the logarithm of the evaluations, at which a run is looked at."""

SPECTRA = 11
"""Places at which the tangent kernel is looked at."""

BLOWN_UP = 1e3
"""A run has diverged when its loss is this many times the first one, or not a number."""


@dataclass(frozen=True)
class Spec:
    """One run.

    Attributes:
        method: a key of ``METHODS``.
        alpha: learning rate: of SGD in units of 2 / lambda_max of the tangent kernel at the start,
            of the others as it is; L-BFGS with line search has none.
        seed: of the initial weights and the batches.
        problem, problem_options: see ``isgd_pinn_problems``.
        hidden: widths of the hidden layers.
        points: collocation points inside.
        batch: fresh uniform points for every step; 0 takes all ``points`` every time.
        budget: evaluations of a loss with its gradient.
        iterations, inner_rate: of the inner optimiser in one implicit step; learning rate of an
            inner Adam.
        spectra: whether to follow the tangent kernel.
        device: where to compute.
    """

    method: str = "ISGD (L-BFGS)"
    alpha: float = 1.0
    seed: int = 0
    problem: str = "poisson"
    problem_options: Options = ()
    hidden: tuple[int, ...] = (40, 40)
    points: int = 64
    batch: int = 0
    budget: int = 1500
    iterations: int = 20
    inner_rate: float = 1e-3
    spectra: bool = False
    device: str = "cpu"

    def code(self) -> list[Any]:
        """What the run depends on besides what reading its function shows."""
        return [problems]


def _implicit_adam(spec: Spec, alpha: float) -> pinn.Optimiser:
    return pinn.Implicit(alpha, partial(pinn.Adam, spec.inner_rate), spec.iterations)


def _lbfgs(spec: Spec, rate: float | None = None) -> pinn.LBFGS:
    return pinn.LBFGS(spec.iterations, spec.iterations * 5 // 4, rate)


METHODS: dict[str, Callable[[Spec, float], pinn.Optimiser]] = {
    "SGD": lambda spec, alpha: pinn.Explicit(alpha),
    "Adam": lambda spec, alpha: pinn.Adam(alpha),
    "ISGD (L-BFGS)": lambda spec, alpha: pinn.Implicit(alpha, partial(_lbfgs, spec)),
    "ISGD (Adam)": _implicit_adam,
    "L-BFGS": lambda spec, alpha: _lbfgs(spec),
    "L-BFGS, fixed step": lambda spec, alpha: _lbfgs(spec, alpha),
}
"""Name in the tables -> optimiser. ISGD of infinite alpha is L-BFGS restarted again and again."""


# -- training -------------------------------------------------------------------------------------


class Task:
    """A run's problem made ready: network, first parameters, residuals on all points, truth."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.problem = problems.create(spec.problem, **dict(spec.problem_options))
        self.network = self.problem.network(spec.hidden)
        points = self.problem.grid(spec.points).to(spec.device)
        self.residuals = self.problem.residuals(self.network, points)
        generator = torch_rng(spec.seed, "weights")
        self.start = self.problem.start(self.network, generator).to(spec.device)
        dense = self.problem.dense()
        self.dense, self.truth = dense.to(spec.device), self.problem.exact(dense).to(spec.device)

    def loss(self, theta: Tensor) -> Tensor:
        return _loss_of(self.residuals, theta)

    def error(self, theta: Tensor) -> float:
        with torch.no_grad():
            return pinn.relative_error(self.network(theta, self.dense), self.truth)


def run(spec: Spec) -> dict[str, Any]:
    """Train once.

    In full batch the state with the lowest loss so far is *kept*, as anybody would: every step
    begins with a look at the loss. With mini-batches no such look is free, and the last one is.

    Returns:
        ``evaluations`` ``(marks,)`` and, at them, the full ``loss`` and relative ``error``, and of
        the kept state ``kept_loss``, ``kept_error`` and the unknown ``coefficient``, NaN after
        divergence. ``diverged``: evaluations until then, or 0. ``limit``: 2 / lambda_max at the
        start, for SGD. ``alpha``: the learning rate in absolute terms. ``outer`` ``(steps + 1,)``:
        full loss at the ends of implicit steps (for other methods: empty). ``moved`` ``(steps,)``:
        squared length of those steps. ``prediction``: of the kept state on the dense grid. With
        ``spectra``: ``kernel_at`` and ``kernel`` ``(places, residuals)``, eigenvalues, and
        ``share``, what part of the squared residual lies along each eigenvector.
    """
    task = Task(spec)
    limit = math.nan
    if spec.method == "SGD":
        limit = pinn.explicit_limit(pinn.tangent_kernel(task.residuals, task.start))
    alpha = spec.alpha * (limit if spec.method == "SGD" else 1)
    optimiser = METHODS[spec.method](spec, alpha)
    watch = _Watch(task)
    generator = torch_rng(spec.seed, "batches")
    theta, spent, diverged = task.start, 0, 0
    while spent < spec.budget:
        loss = task.loss
        if spec.batch:
            points = task.problem.draw(spec.batch, generator).to(spec.device)
            residuals = task.problem.residuals(task.network, points)
            loss = partial(_loss_of, residuals)
        objective = pinn.Objective(loss)
        new = optimiser.step(objective, theta)
        spent += objective.evaluations
        watch.step(theta, new, spent, objective.values[0])
        theta = new
        if not objective.values[-1] < BLOWN_UP * watch.first or not torch.isfinite(theta).all():
            diverged = spent
            break
    watch.end(theta if not diverged else None)
    return watch.results() | {
        "diverged": diverged,
        "limit": limit,
        "alpha": alpha,
        "prediction": task.network(watch.kept, task.dense).detach().cpu().numpy(),
    }


def _loss_of(residuals: Callable[[Tensor], Tensor], theta: Tensor) -> Tensor:
    s = residuals(theta)
    return 0.5 * s @ s


class _Watch:
    """What is noted about a run; its own evaluations are not counted."""

    def __init__(self, task: Task) -> None:
        self.task, spec = task, task.spec
        self.marks = np.unique(np.geomspace(1, spec.budget, MARKS).round().astype(int))
        places = np.geomspace(1, spec.budget, SPECTRA - 1).round().astype(int)
        self.places = np.unique([0, *places]) if spec.spectra else np.zeros(0, int)
        self.first = float(task.loss(task.start))
        self.kept, self.lowest = task.start, math.inf
        self.rows: list[tuple[float, ...]] = []
        self.kernels: list[tuple[np.ndarray, np.ndarray]] = []
        self.outer = [self.first] if spec.method.startswith("ISGD") else []
        self.moved: list[float] = []

    def step(self, old: Tensor, new: Tensor, after: int, loss: float) -> None:
        """A step that began with this loss and ended after so many evaluations of the run."""
        self._keep(old, loss)
        self._fill(old, after)
        if self.outer:
            self.outer.append(float(self.task.loss(new)))
            self.moved.append(float((new - old) @ (new - old)))

    def end(self, theta: Tensor | None) -> None:
        """Fill what is left with the last state, or with NaN after divergence."""
        if theta is None:
            self.rows += [(math.nan,) * 5] * (len(self.marks) - len(self.rows))
        else:
            self._keep(theta, float(self.task.loss(theta)))
            self._fill(theta, self.task.spec.budget + 1)

    def results(self) -> dict[str, Any]:
        names = ("loss", "error", "kept_loss", "kept_error", "coefficient")
        found = dict(zip(names, np.array(self.rows).T, strict=True))
        found["evaluations"] = self.marks
        found |= {"outer": np.array(self.outer), "moved": np.array(self.moved)}
        if len(self.kernels):
            found["kernel_at"] = self.places[: len(self.kernels)]
            found["kernel"], found["share"] = map(np.array, zip(*self.kernels, strict=True))
        return found

    def _keep(self, theta: Tensor, loss: float) -> None:
        if self.task.spec.batch or loss < self.lowest:
            self.kept, self.lowest = theta, loss

    def _fill(self, theta: Tensor, after: int) -> None:
        """Note the state for all places before ``after`` evaluations that are still empty."""
        rows = int((self.marks < after).sum()) - len(self.rows)
        if rows > 0:
            self.rows += [self._look(theta)] * rows
        kernels = int((self.places < after).sum()) - len(self.kernels)
        if kernels > 0:
            self.kernels += [self._kernel(theta)] * kernels

    def _look(self, theta: Tensor) -> tuple[float, ...]:
        size = self.task.network.size
        last = self._loss_and_error(theta)
        kept = last if self.kept is theta else self._loss_and_error(self.kept)
        coefficient = float(self.kept[size]) if len(theta) > size else math.nan
        return *last, *kept, coefficient

    def _loss_and_error(self, theta: Tensor) -> tuple[float, float]:
        with torch.no_grad():
            return float(self.task.loss(theta)), self.task.error(theta)

    def _kernel(self, theta: Tensor) -> tuple[np.ndarray, np.ndarray]:
        kernel = pinn.tangent_kernel(self.task.residuals, theta)
        values, vectors = torch.linalg.eigh(kernel)
        part = (vectors.T @ self.task.residuals(theta).detach()) ** 2
        return values.flip(0).cpu().numpy(), (part / part.sum()).flip(0).cpu().numpy()


# -- wide networks --------------------------------------------------------------------------------


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


def wide(spec: WideSpec) -> dict[str, Any]:
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
    objective = pinn.Objective(partial(_loss_of, residuals))
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


# -- one implicit step, looked at closely ---------------------------------------------------------


@dataclass(frozen=True)
class InnerSpec:
    """The first implicit step of a run, with more and more inner iterations.

    Attributes:
        of: the run.
        iterations: of the inner optimiser.
    """

    of: Spec
    iterations: tuple[int, ...] = (1, 2, 5, 10, 20, 50, 100)


def inner(spec: InnerSpec) -> dict[str, Any]:
    """How far the inner optimiser is from solving the implicit equation.

    Returns:
        ``evaluations`` and ``defect`` ``(iterations,)``: gradients spent, and the largest entry of
        |theta' - theta + alpha grad L(theta')| as a part of that of |alpha grad L(theta)|.
    """
    task = Task(spec.of)
    aside = pinn.Objective(task.loss)
    scale = pinn.implicit_defect(aside, task.start, task.start, spec.of.alpha)
    spent, defects = [], []
    for iterations in spec.iterations:
        objective = pinn.Objective(task.loss)
        optimiser = METHODS[spec.of.method](replace(spec.of, iterations=iterations), spec.of.alpha)
        new = optimiser.step(objective, task.start)
        spent.append(objective.evaluations)
        defects.append(pinn.implicit_defect(aside, task.start, new, spec.of.alpha) / scale)
    return {"evaluations": np.array(spent), "defect": np.array(defects)}


def start_spectrum(spec: Spec) -> np.ndarray:
    """Eigenvalues of the tangent kernel at the start of a run, largest first."""
    task = Task(spec)
    return pinn.spectrum(pinn.tangent_kernel(task.residuals, task.start)).cpu().numpy()
