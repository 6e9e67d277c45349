"""Attacks on adversarial training: Tao et al., NeurIPS 2022 (arXiv 2201.13329).

A *stability attack* changes training inputs by at most eps, so that adversarial training with the
usual budget yields a network that is accurate and not robust. Attacks and losses here take a model
and inputs in [0, 1]; any normalisation is inside the model. Gradients are those of the authors'
code: sign steps, then the projection onto the ball around the clean input, then [0, 1].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import norm as normal
from torch import Tensor, nn
from torch.nn import functional as F

from weaklabels import checks
from weaklabels.methods.base import Method, register
from weaklabels.seeding import torch_rng

Objective = Callable[[Tensor], Tensor]
"""Logits ``(B, C)`` -> scalar."""

MARGIN = 50.0
BETA = 6.0

# -- steps ----------------------------------------------------------------------------------------


def step(x: Tensor, gradient: Tensor, size: float, norm: str = "linf") -> Tensor:
    """One step of ``size`` along the sign of the gradient (``"linf"``) or the gradient (``"l2"``).

    Args:
        x, gradient: ``(B, ...)``.
        size: positive to climb, negative to descend. The sign of 0 is 0.
        norm: ``"linf"`` or ``"l2"`` (the gradient of each row is scaled to length 1).

    Raises:
        ValueError: if the norm is neither.
    """
    if norm == "linf":
        return x + size * gradient.sign()
    if norm == "l2":
        length = gradient.flatten(1).norm(dim=1).view(-1, *[1] * (x.ndim - 1))
        return x + size * gradient / (length + 1e-10)
    raise ValueError(f"norm {norm!r}: expected 'linf' or 'l2'")


def project(x: Tensor, centre: Tensor, eps: float, norm: str = "linf") -> Tensor:
    """The point of the ball of radius ``eps`` around ``centre`` that is closest to ``x``.

    Raises:
        ValueError: if the norm is neither ``"linf"`` nor ``"l2"``.
    """
    if norm == "linf":
        return centre + (x - centre).clamp(-eps, eps)
    if norm == "l2":
        return centre + (x - centre).renorm(2, 0, eps)
    raise ValueError(f"norm {norm!r}: expected 'linf' or 'l2'")


def climb(
    model: nn.Module,
    x: Tensor,
    objective: Objective,
    *,
    eps: float,
    size: float,
    steps: int,
    start: Tensor | None = None,
    transform: Callable[[Tensor, int], Tensor] | None = None,
) -> Tensor:
    """Move inputs by sign steps within the eps-ball and [0, 1], to raise an objective.

    Args:
        model: its mode is left as it is; the attacks of the paper want evaluation mode.
        x: ``(B, ...)`` clean inputs in [0, 1].
        objective: of the logits; climbed, or descended with a negative ``size``.
        eps: radius of the ball around ``x``.
        size, steps: of the search.
        start: where to begin; default: ``x``.
        transform: applied to the inputs before the model, with the number of the step.

    Returns:
        ``(B, ...)``, without gradient.

    Raises:
        ValueError: if an input is not in [0, 1], or eps is negative.
    """
    checks.within(x, 0, 1, "x", finite=True)
    checks.at_least(eps, 0, "eps")
    moved = (x if start is None else start).detach()
    for t in range(steps):
        moved = moved.requires_grad_()
        seen = moved if transform is None else transform(moved, t)
        (gradient,) = torch.autograd.grad(objective(model(seen)), moved)
        with torch.no_grad():
            moved = project(step(moved, gradient, size), x, eps).clamp(0, 1)
    return moved.detach()


# -- attacks at test time -------------------------------------------------------------------------


def random_start(x: Tensor, eps: float, uniform: Tensor) -> Tensor:
    """A uniform point of the ball, cut to [0, 1]; ``uniform`` in [0, 1), shaped like ``x``.

    Raises:
        ValueError: if an input is not in [0, 1], or eps is negative, or the shapes differ.
    """
    checks.within(x, 0, 1, "x", finite=True)
    checks.at_least(eps, 0, "eps")
    checks.same_shape("...", x=x, uniform=uniform)
    return (x + 2 * (uniform - 0.5) * eps).clamp(0, 1)


def pgd(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    eps: float,
    *,
    steps: int = 20,
    size: float | None = None,
    start: Tensor | None = None,
    objective: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
) -> Tensor:
    """Projected gradient ascent on the loss of the true labels; ``size`` is eps / 4 by default.

    FGSM is one step of size eps from ``x`` itself.
    """
    size = eps / 4 if size is None else size
    return climb(model, x, lambda z: objective(z, y), eps=eps, size=size, steps=steps, start=start)


def carlini_wagner(logits: Tensor, y: Tensor) -> Tensor:
    """Objective of the CW attack: minus the mean margin of the true class, kept above -50."""
    chosen = logits.gather(1, y[:, None])[:, 0]
    others = logits.scatter(1, y[:, None], -torch.inf).amax(1)
    return -(chosen - others + MARGIN).clamp(min=0).mean()


# -- attacks on training data ---------------------------------------------------------------------


def poison(
    model: nn.Module,
    x: Tensor,
    target: Tensor,
    eps: float,
    *,
    steps: int = 100,
    transform: Callable[[Tensor, int], Tensor] | None = None,
) -> Tensor:
    """Training inputs moved *down* the loss of ``target``, in steps of eps / 10.

    With the true labels these are **hypocritical** perturbations, adversarial examples with the
    opposite sign; with the next class (``adversarial_target``) the baseline *adversarial poison*.
    """
    return climb(
        model,
        x,
        lambda z: F.cross_entropy(z, target),
        eps=eps,
        size=-eps / 10,
        steps=steps,
        transform=transform,
    )


def adversarial_target(y: Tensor, classes: int) -> Tensor:
    """The label towards which an adversarial poison moves: the next class.

    Raises:
        ValueError: if a label is none of the classes.
    """
    checks.class_numbers(y, classes, "y", wait=False)
    return (y + 1) % classes


def random_sign(x: Tensor, eps: float, generator: torch.Generator) -> Tensor:
    """The control: every input value moved by plus or minus eps at random, cut to [0, 1].

    Raises:
        ValueError: if an input is not in [0, 1], or eps is negative.
    """
    checks.within(x, 0, 1, "x")
    checks.at_least(eps, 0, "eps")
    signs = torch.randint(0, 2, x.shape, generator=generator, dtype=x.dtype) * 2 - 1
    return (x + eps * signs.to(x.device)).clamp(0, 1)


def shift_and_flip(x: Tensor, draws: Tensor, shift: int) -> Tensor:
    """Differentiable random shift and horizontal flip, as in the crafting of the paper.

    Args:
        x: ``(B, c, H, H)``.
        draws: ``(B, 4)`` uniform in [0, 1): right-left, up-down, flip (above one half), unused.
        shift: twice the largest shift in pixels: 8 moves an image by 4 at most, as in the authors'
            code, whose 8 is a place on half of the grid from -1 to 1.

    Returns:
        Bilinear samples, zeros outside.
    """
    side = x.shape[2]
    line = torch.linspace(-1, 1, side).to(x)
    most = torch.linspace(0, 1, side).to(x)[shift]
    across = line.view(1, 1, -1) + (draws[:, 0] - 0.5).view(-1, 1, 1) * 2 * most
    down = line.view(1, -1, 1) + (draws[:, 1] - 0.5).view(-1, 1, 1) * 2 * most
    across = torch.where((draws[:, 2] > 0.5).view(-1, 1, 1), -across, across)
    across, down = torch.broadcast_tensors(across, down)
    grid = torch.stack([across, down], -1)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=True)


def as_bytes(x: Tensor) -> Tensor:
    """Images in [0, 1] as they are stored: cut down to whole 255ths, uint8.

    Raises:
        ValueError: if a value is not in [0, 1].
    """
    checks.within(x, 0, 1, "x")
    return (x * 255).to(torch.uint8)


# -- defences -------------------------------------------------------------------------------------


def adversarial_loss(model: nn.Module, moved: Tensor, y: Tensor) -> Tensor:
    """PGD-AT (Madry et al., ICLR 2018): cross-entropy at the attacked inputs."""
    return F.cross_entropy(model(moved), y)


def trades_attack(
    model: nn.Module, x: Tensor, noise: Tensor, eps: float, size: float, steps: int
) -> Tensor:
    """Ascent on the divergence from the clean prediction, from ``x + 0.01 noise``.

    At ``x`` itself the divergence is flat, hence the noise (standard normal, shaped like ``x``).
    """
    with torch.no_grad():
        clean = model(x)
    return climb(
        model,
        x,
        lambda z: _divergence(clean, z).mean(),
        eps=eps,
        size=size,
        steps=steps,
        start=(x + 0.01 * noise).clamp(0, 1),
    )


def trades_loss(
    model: nn.Module, x: Tensor, moved: Tensor, y: Tensor, beta: float = BETA
) -> Tensor:
    """TRADES (Zhang et al., ICML 2019): clean cross-entropy + beta KL(clean || attacked).

    Clean and attacked inputs go through the model in one batch.
    """
    clean, attacked = model(torch.cat([x, moved])).chunk(2)
    return F.cross_entropy(clean, y) + beta * _divergence(clean, attacked).mean()


def mart_loss(model: nn.Module, x: Tensor, moved: Tensor, y: Tensor, beta: float = BETA) -> Tensor:
    """MART (Wang et al., ICLR 2020): margin-aware loss, weighted by how wrong the clean input is.

    ``moved`` comes from ``pgd`` started at ``x`` plus 0.001 times standard normal noise.
    """
    natural, attacked = model(x).log_softmax(1), model(moved)
    p = attacked.softmax(1)
    wrong = p.scatter(1, y[:, None], -1.0).amax(1)
    boosted = F.cross_entropy(attacked, y) - torch.log(1.0001 - wrong + 1e-12).mean()
    divergence = (natural.exp() * (natural - torch.log(p + 1e-12))).sum(1)
    doubt = 1.0000001 - natural.gather(1, y[:, None])[:, 0].exp()
    return boosted + beta * (divergence * doubt).mean()


def _divergence(logits: Tensor, other: Tensor) -> Tensor:
    """KL(softmax(logits) || softmax(other)) of each row; finite slopes at any logits."""
    log_p = logits.log_softmax(1)
    return (log_p.exp() * (log_p - other.log_softmax(1))).sum(1)


# -- the statistical setting ----------------------------------------------------------------------


@dataclass(frozen=True)
class Gaussians:
    """Two classes in d + 1 dimensions: one strong feature, d weak ones.

    The label is +1 or -1 with equal chance; the strong feature is normal with mean y, each weak one
    with mean eta y, all with deviation sigma. Inputs may be moved by eps per coordinate, with
    0 < eta < eps < 1: only the strong feature can be trusted.
    """

    d: int = 100
    eta: float = 0.1
    eps: float = 0.2
    sigma: float = 1.0

    @property
    def mean(self) -> np.ndarray:
        """Mean of the features of class +1, ``(d + 1,)``."""
        return np.array([1.0] + [self.eta] * self.d)

    def training_mean(self, attack: str) -> np.ndarray:
        """The same in training data under an attack.

        Args:
            attack: ``"clean"``; ``"adversarial"``, weak features moved against the label;
                ``"hypocritical"``, weak features moved along it; ``"hypocritical, all features"``.

        Raises:
            ValueError: if there is no such attack.
        """
        weak = np.array([0.0] + [self.eps] * self.d)
        moves = {
            "clean": 0 * weak,
            "adversarial": -weak,
            "hypocritical": weak,
            "hypocritical, all features": np.full(self.d + 1, self.eps),
        }
        if attack not in moves:
            raise ValueError(f"attack {attack!r}: expected one of {', '.join(moves)}")
        return self.mean + moves[attack]

    def robust_weights(self, attack: str, defence: float) -> np.ndarray:
        """Weights of the linear classifier with the smallest robust error on the training data.

        A margin of ``defence`` per coordinate is what an attacker takes away from the mean, so the
        best direction is the mean after soft thresholding. All zero if no feature survives.
        """
        mean = self.training_mean(attack)
        return np.sign(mean) * np.maximum(np.abs(mean) - defence, 0)

    def accuracy(self, weights: np.ndarray, eps: float = 0.0) -> float:
        """Share of clean test points classified rightly by sign(w x) whatever is added within eps.

        One half for weights that are all zero.
        """
        length = np.linalg.norm(weights)
        if length == 0:
            return 0.5
        margin = weights @ self.mean - eps * np.abs(weights).sum()
        return float(normal.cdf(margin / (self.sigma * length)))


# -- training -------------------------------------------------------------------------------------


class _AdversarialTraining(Method, ABC):
    """Training on attacked inputs; the attack sees the model in evaluation mode.

    Args:
        eps: the defender's budget; 0 is plain training.
        steps: of the attack, each of eps / 4.
        seed: of the random starts, which are drawn on the CPU.

    Raises:
        ValueError: if the budget is negative.
    """

    label_form = "classes"
    state = ("generator",)

    def __init__(self, eps: float, steps: int = 10, seed: int = 0) -> None:
        checks.at_least(eps, 0, "eps")
        self.eps, self.steps = eps, steps
        self.generator = torch_rng(seed, "starts of attacks")

    def step(self, model: nn.Module, x: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        y = self.observed[index]
        if self.eps == 0:
            logits = model(x)
            return logits, F.cross_entropy(logits, y)
        model.eval()
        moved = self.attack(model, x, y)
        model.train()
        loss = self.defend(model, x, moved, y)
        return loss.new_zeros(len(x), 0), loss

    @abstractmethod
    def attack(self, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """Attacked inputs ``(B, ...)``."""

    @abstractmethod
    def defend(self, model: nn.Module, x: Tensor, moved: Tensor, y: Tensor) -> Tensor:
        """The loss."""

    def _normal(self, x: Tensor) -> Tensor:
        return torch.randn(x.shape, generator=self.generator).to(x)


@register("PGD-AT")
class PGDTraining(_AdversarialTraining):
    """Adversarial training of Madry et al. (ICLR 2018), with random starts."""

    def attack(self, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        uniform = torch.rand(x.shape, generator=self.generator).to(x)
        start = random_start(x, self.eps, uniform)
        return pgd(model, x, y, self.eps, steps=self.steps, start=start)

    def defend(self, model: nn.Module, x: Tensor, moved: Tensor, y: Tensor) -> Tensor:
        del x
        return adversarial_loss(model, moved, y)


@register("TRADES")
class TRADES(_AdversarialTraining):
    """TRADES: clean cross-entropy plus 6 times the divergence of clean and attacked predictions.

    Zhang et al., ICML 2019.
    """

    def attack(self, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        del y
        return trades_attack(model, x, self._normal(x), self.eps, self.eps / 4, self.steps)

    def defend(self, model: nn.Module, x: Tensor, moved: Tensor, y: Tensor) -> Tensor:
        return trades_loss(model, x, moved, y)


@register("MART")
class MART(_AdversarialTraining):
    """MART: adversarial training in which misclassified images weigh more; beta is 6.

    Wang et al., ICLR 2020.
    """

    def attack(self, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        start = x + 0.001 * self._normal(x)
        return pgd(model, x, y, self.eps, steps=self.steps, start=start)

    def defend(self, model: nn.Module, x: Tensor, moved: Tensor, y: Tensor) -> Tensor:
        return mart_loss(model, x, moved, y)
