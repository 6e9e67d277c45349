"""The experiments of the chapter on *implicit SGD for physics-informed networks* (AAAI 2023).

A run trains one network on one equation with one optimiser, until a number of gradients is spent.
A smaller experiment looks at a single implicit step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from chapters.isgd_pinn import problems
from chapters.isgd_pinn.watch import Watch
from chapters.isgd_pinn.wide import WideSpec
from weaklabels.lab import sweep
from weaklabels.lab.checkpoint import Checkpoint, Progress
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import Options, options
from weaklabels.methods import isgd_pinn as pinn
from weaklabels.seeding import torch_rng

BLOCK = 2000
"""After so many evaluations, at most, the state of a run is kept."""


@dataclass(frozen=True)
class Spec:
    """One run.

    Attributes:
        method: a key of ``METHODS``.
        alpha: learning rate: of SGD in units of 2 / lambda_max of the tangent kernel at the start,
            of the others as it is; L-BFGS with line search has none.
        seed: of the initial weights and the batches.
        problem, problem_options: see ``problems``.
        hidden: widths of the hidden layers.
        points: collocation points inside.
        batch: fresh uniform points for every step; 0 takes all ``points`` every time.
        budget: evaluations of a loss with its gradient.
        iterations, inner_rate: of the inner optimiser in one implicit step; learning rate of an
            inner Adam.
        spectra: whether to follow the tangent kernel.
        device: where to compute.
        checkpoint: a run that was killed goes on after its last block of evaluations.
    """

    checkpoint: ClassVar[bool] = True
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


def _implicit_adam(spec: Spec, alpha: float, keep: bool = True) -> pinn.Optimiser:
    return pinn.Implicit(alpha, partial(pinn.Adam, spec.inner_rate), spec.iterations, keep)


def _lbfgs(spec: Spec, rate: float | None = None) -> pinn.LBFGS:
    return pinn.LBFGS(spec.iterations, spec.iterations * 5 // 4, rate)


METHODS: dict[str, Callable[[Spec, float], pinn.Optimiser]] = {
    "SGD": lambda spec, alpha: pinn.Explicit(alpha),
    "Adam": lambda spec, alpha: pinn.Adam(alpha),
    "ISGD (L-BFGS)": lambda spec, alpha: pinn.Implicit(alpha, partial(_lbfgs, spec)),
    "ISGD (Adam)": _implicit_adam,
    "ISGD (Adam, restarted)": partial(_implicit_adam, keep=False),
    "L-BFGS": lambda spec, alpha: _lbfgs(spec),
    "Adam, then L-BFGS": lambda spec, alpha: pinn.Followed(
        pinn.Adam(alpha), _lbfgs(spec), spec.budget // 2
    ),
    "L-BFGS, fixed step": lambda spec, alpha: _lbfgs(spec, alpha),
}
"""Name in the tables -> optimiser. ISGD of infinite alpha is L-BFGS restarted again and again; an
inner Adam keeps its moments unless it is said to be restarted; Adam is followed by L-BFGS after
half of the budget."""


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
        return problems.loss_of(self.residuals, theta)

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
    watch = Watch(task)
    generator = torch_rng(spec.seed, "batches")
    state = Progress(theta=task.start, spent=0, memory={}, watch=watch, batches=generator)
    kept = Checkpoint(sweep.checkpoint_file(), state=state)
    block = max(min(BLOCK, spec.budget // 2), 1)
    if kept.restore():
        optimiser.recall(state.memory, state.theta)
    theta, spent, diverged = state.theta, state.spent, False
    while spent < spec.budget:
        loss = task.loss
        if spec.batch:
            points = task.problem.draw(spec.batch, generator).to(spec.device)
            residuals = task.problem.residuals(task.network, points)
            loss = partial(problems.loss_of, residuals)
        objective = pinn.Objective(loss)
        new = optimiser.step(objective, theta)
        spent += objective.evaluations
        watch.step(theta, new, spent, objective.values[0])
        theta = new
        # Only the first loss is of a state of the run: a line search may try far worse ones.
        diverged = watch.blown_up(theta, objective.values[0])
        if diverged:
            break
        if spent // block > state.spent // block:
            state.theta, state.spent, state.memory = theta, spent, optimiser.memory()
            kept.save(spent)
    diverged = diverged or watch.blown_up(theta, float(task.loss(theta)))
    watch.end(theta if not diverged else None)
    kept.remove()
    return watch.results() | {
        "diverged": spent if diverged else 0,
        "limit": limit,
        "alpha": alpha,
        "prediction": task.network(watch.kept, task.dense).detach().cpu().numpy(),
    }


# -- one implicit step, looked at closely ---------------------------------------------------------


@dataclass(frozen=True)
class InnerSpec:
    """The first implicit step of a run, with more and more inner iterations.

    Attributes:
        of: the run.
        iterations: of the inner optimiser.
        seed: in place of the run's.
    """

    of: Spec
    iterations: tuple[int, ...] = (1, 2, 5, 10, 20, 50, 100)
    seed: int = 0


def inner(spec: InnerSpec) -> dict[str, Any]:
    """How far the inner optimiser is from solving the implicit equation.

    Returns:
        ``evaluations`` and ``defect`` ``(iterations,)``: gradients spent, and the largest entry of
        |theta' - theta + alpha grad L(theta')| as a part of that of |alpha grad L(theta)|.
    """
    of = replace(spec.of, seed=spec.seed)
    task = Task(of)
    aside = pinn.Objective(task.loss)
    scale = pinn.implicit_defect(aside, task.start, task.start, of.alpha)
    spent, defects = [], []
    for iterations in spec.iterations:
        objective = pinn.Objective(task.loss)
        optimiser = METHODS[of.method](replace(of, iterations=iterations), of.alpha)
        new = optimiser.step(objective, task.start)
        spent.append(objective.evaluations)
        defects.append(pinn.implicit_defect(aside, task.start, new, of.alpha) / scale)
    return {"evaluations": np.array(spent), "defect": np.array(defects)}


def start_spectrum(spec: Spec) -> np.ndarray:
    """Eigenvalues of the tangent kernel at the start of a run, largest first."""
    task = Task(spec)
    return pinn.spectrum(pinn.tangent_kernel(task.residuals, task.start)).cpu().numpy()


# -- settings -------------------------------------------------------------------------------------

Key = tuple[str, float]
"""Method and learning rate; L-BFGS with line search has the rate 0."""

FOLLOWED: tuple[Key, ...] = (("SGD", 0.1), ("Adam", 3e-2), ("ISGD (L-BFGS)", 10), ("L-BFGS", 0))
"""Runs whose tangent kernel is followed, at the rates that were chosen in full batch."""

RIPPLES: tuple[Key, ...] = FOLLOWED[1:]
"""Runs on the Poisson problem with other frequencies, at the rates that were chosen at k = 10."""


def _keys(**rates: tuple[float, ...]) -> tuple[Key, ...]:
    names = {"sgd": "SGD", "adam": "Adam", "isgd": "ISGD (L-BFGS)", "isgd_adam": "ISGD (Adam)"}
    names |= {"restarted": "ISGD (Adam, restarted)", "both": "Adam, then L-BFGS"}
    names |= {"lbfgs": "L-BFGS", "lbfgs_fixed": "L-BFGS, fixed step"}
    return tuple((names[name], alpha) for name, alphas in rates.items() for alpha in alphas)


def _in_two_dimensions(
    side: int, points: tuple[int, int, int], viscosity: float, **others: Any
) -> dict[str, dict[str, Any]]:
    """Changes of the base run: the problems with two inputs, Burgers of viscosity / pi."""
    kinds = {
        "Helmholtz": ("helmholtz", {"weight": 100.0}),
        "Reaction": ("reaction", {"weight": 10.0}),
        "Burgers": ("burgers", {"viscosity": viscosity / math.pi}),
    }
    return {
        name: {"problem": problem, "problem_options": options(side=side, **extra), "points": n}
        | others
        for (name, (problem, extra)), n in zip(kinds.items(), points, strict=True)
    }


@dataclass(frozen=True)
class Settings:
    """What a profile runs.

    Attributes:
        base: the Poisson problem in full batch, which the other runs vary.
        full, variants: methods and rates in full batch: those compared first, and relatives.
        batch, defaults, few: the same with mini-batches, from PyTorch's initial parameters, on the
            other problems.
        frequencies: k of the Poisson problem's small component.
        points_per_wave: collocation points that a frequency asks for, times k, at least.
        others: name of another problem -> how its run differs from ``base``.
        inner: iterations of the inner optimiser, for ``inner``.
        wide: sizes of the wide networks, where they differ from ``WideSpec``'s.
    """

    base: Spec
    full: tuple[Key, ...]
    variants: tuple[Key, ...]
    batch: tuple[Key, ...]
    defaults: tuple[Key, ...]
    few: tuple[Key, ...]
    frequencies: tuple[int, ...]
    points_per_wave: int
    others: Mapping[str, Mapping[str, Any]]
    inner: tuple[int, ...]
    wide: Mapping[str, int]


SGD_RATES = (0.01, 0.1, 0.5, 1, 2, 10)
ADAM_RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
FIRST_ADAM_RATES = ADAM_RATES  # of an Adam that L-BFGS follows
ISGD_RATES = (1e-5, 1e-3, 0.1, 1, 10, 1e3)
INNER_ADAM_RATES = (0.01, 0.1, 1, 10, 100, 1e3)
FEW_SGD = (1e-3, 0.01, 0.1, 0.2, 0.5, 1, 2, 5, 10)
FEW_ADAM = (3e-4, 1e-3, 3e-3, 1e-2, 2e-2, 3e-2, 1e-1, 3e-1, 1)
FEW_ISGD = (0.01, 0.1, 1, 10, 100, 1e3, 1e4, 1e5, 1e6)

INNER_RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
"""Learning rates of an inner Adam that are tried, at ``INNER_AT``."""

INNER_AT = 1.0
INNER: Mapping[str, float] = {"ISGD (Adam)": 3e-2, "ISGD (Adam, restarted)": 1e-2}
"""Method -> learning rate of its inner Adam that was chosen; see ``tuning.study``."""

QUICK = Settings(
    base=Spec(),
    full=_keys(sgd=SGD_RATES, adam=ADAM_RATES, isgd=(*ISGD_RATES, math.inf), lbfgs=(0,)),
    variants=_keys(
        isgd_adam=INNER_ADAM_RATES,
        restarted=INNER_ADAM_RATES,
        both=FIRST_ADAM_RATES,
        lbfgs_fixed=(0.01, 0.1, 1),
    ),
    batch=_keys(sgd=FEW_SGD, adam=FEW_ADAM, isgd=(*FEW_ISGD, math.inf)),
    defaults=_keys(adam=FEW_ADAM, isgd=FEW_ISGD, both=FEW_ADAM, lbfgs=(0,)),
    few=_keys(sgd=FEW_SGD, adam=FEW_ADAM, isgd=FEW_ISGD, lbfgs=(0,)),
    frequencies=(4, 10, 20),
    points_per_wave=0,
    others={"inverse Poisson": {"problem": "inverse"}}
    | _in_two_dimensions(12, (196, 144, 144), 0.05, budget=800),
    inner=(1, 2, 5, 10, 20, 50, 100),
    wide={},
)
PAPER = replace(
    QUICK,
    base=Spec(hidden=(50,) * 4, points=128, budget=50_000),
    full=_keys(
        sgd=(0.001, *SGD_RATES),
        adam=(1e-4, *ADAM_RATES),
        isgd=(*ISGD_RATES, 1e5, math.inf),
        lbfgs=(0,),
    ),
    frequencies=(10, 50),
    points_per_wave=8,
    others={"inverse Poisson": {"problem": "inverse"}} | _in_two_dimensions(64, (4096,) * 3, 0.01),
    inner=(1, 2, 5, 10, 20, 50, 100, 500),
    wide={"width": 20_000, "iterations": 1000},
)
SMOKE = replace(
    QUICK,
    base=Spec(hidden=(6,), points=16, budget=12, iterations=3),
    full=_keys(sgd=SGD_RATES, adam=(1e-3, 3e-2), isgd=(0.1, 10, math.inf), lbfgs=(0,)),
    variants=_keys(isgd_adam=(1, 10), restarted=(10, 100), both=(3e-2,), lbfgs_fixed=(0.1, 1)),
    batch=_keys(sgd=(0.1, 0.2), adam=(1e-2, 3e-2), isgd=(1, 10, math.inf)),
    defaults=_keys(adam=(1e-2, 2e-2), isgd=(10, 1e4), both=(1e-2,), lbfgs=(0,)),
    few=_keys(sgd=(0.5, 1), adam=(1e-2, 3e-2, 0.1), isgd=(10, 100, 1e3, 1e5), lbfgs=(0,)),
    frequencies=(4, 10),
    others={"inverse Poisson": {"problem": "inverse"}} | _in_two_dimensions(3, (9,) * 3, 0.05),
    inner=(1, 3),
    wide={"width": 30, "iterations": 20},
)


def settings(chapter: Setting) -> Settings:
    """The settings of the chapter's profile."""
    found = chapter.choose(quick=QUICK, paper=PAPER, smoke=SMOKE)
    return replace(found, base=replace(found.base, device=chapter.device))


# -- tables of runs -------------------------------------------------------------------------------


def table(
    base: Spec, keys: Iterable[Key], inner_rates: Mapping[str, float] = INNER
) -> dict[Key, Spec]:
    """A run with other methods and rates; an inner Adam has that of its method."""
    return {
        (method, alpha): replace(
            base,
            method=method,
            alpha=alpha,
            inner_rate=inner_rates.get(method, base.inner_rate),
        )
        for method, alpha in keys
    }


def full_batch(settings: Settings) -> dict[Key, Spec]:
    """The Poisson problem in full batch; some kernels are followed."""
    found = table(settings.base, settings.full)
    return {key: replace(spec, spectra=key in FOLLOWED) for key, spec in found.items()}


def variants(settings: Settings) -> dict[Key, Spec]:
    """The Poisson problem in full batch, with relatives of the methods that are compared first."""
    return table(settings.base, settings.variants)


def mini_batches(settings: Settings) -> dict[Key, Spec]:
    """With fresh points in every step, half as many."""
    return table(replace(settings.base, batch=settings.base.points // 2), settings.batch)


def default_start(settings: Settings) -> dict[Key, Spec]:
    """From PyTorch's initial parameters."""
    start = replace(settings.base, problem_options=options(initial="torch"))
    return table(start, settings.defaults)


def other_problems(settings: Settings) -> dict[str, Spec]:
    """The other problems: name in the tables -> run to be varied."""
    return {name: replace(settings.base, **how) for name, how in settings.others.items()}


def ripples(settings: Settings) -> dict[tuple[Key, int], Spec]:
    """Other frequencies of the small component: (key, k) -> run."""
    base = settings.base
    return {
        (key, k): replace(
            spec,
            problem_options=options(k=k),
            points=max(base.points, settings.points_per_wave * k),
        )
        for key, spec in table(base, RIPPLES).items()
        for k in settings.frequencies
        if k != problems.Poisson.k
    }


def inner_steps(settings: Settings) -> dict[Key, InnerSpec]:
    """The first implicit step, by inner optimiser and rate."""
    keys = _keys(isgd=(1e-3, 0.1, 10), isgd_adam=(1e-3, 0.1, 10))
    return {key: InnerSpec(run, settings.inner) for key, run in table(settings.base, keys).items()}


def wide_tanh(settings: Settings) -> dict[float, WideSpec]:
    """Wide tanh networks, by alpha lambda_max."""
    return {a: WideSpec("tanh", a, **settings.wide) for a in (0.1, 10.0, 1000.0)}


def wide_relu(settings: Settings) -> dict[float, WideSpec]:
    """Wide ReLU networks, by alpha lambda_0."""
    sizes = {"width": 1000} | settings.wide
    return {a: WideSpec("relu", a, **sizes) for a in (1.0, 10.0, 1000.0)}
