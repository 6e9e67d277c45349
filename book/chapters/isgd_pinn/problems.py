"""Differential equations with known solutions, for the chapter on implicit SGD."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from weaklabels.methods.isgd_pinn import Jet, Network, scaled
from weaklabels.seeding import numpy_rng

PI = math.pi


@dataclass(frozen=True)
class Problem(ABC):
    """An equation on a box, its boundary conditions or data, and its exact solution.

    Attributes:
        lower, upper: the box, one entry an input.
        weight: of the edge in the loss.
        order: highest derivative of the equation.
        side: points along each edge of a two-dimensional box.
        initial: ``"xavier"``: inputs scaled to [-1, 1], zero biases; ``"torch"``: inputs as they
            are, PyTorch's defaults.
    """

    lower: tuple[float, ...] = (0.0,)
    upper: tuple[float, ...] = (1.0,)
    weight: float = 1000.0
    order: int = 2
    side: int = 16
    initial: str = "xavier"

    def network(self, hidden: tuple[int, ...]) -> Network:
        """A network for the problem."""
        box = (self.lower, self.upper) if self.initial == "xavier" else ()
        return Network((len(self.lower), *hidden, 1), *box)

    def start(self, network: Network, generator: torch.Generator) -> Tensor:
        """Initial parameters, unknown coefficients last."""
        return network.initial(generator, self.initial)

    def grid(self, points: int) -> Tensor:
        """Collocation points ``(points, q)``: regular, off the edge; points is a q-th power."""
        return _product(self.lower, self.upper, points, 1)

    def draw(self, points: int, generator: torch.Generator) -> Tensor:
        """Uniform collocation points ``(points, q)``."""
        uniform = torch.rand(points, len(self.lower), generator=generator, dtype=torch.float64)
        low, high = (torch.tensor(end, dtype=torch.float64) for end in (self.lower, self.upper))
        return low + (high - low) * uniform

    def dense(self) -> Tensor:
        """Points at which errors are measured."""
        return _product(self.lower, self.upper, 501 if len(self.lower) == 1 else 51**2, 0)

    def residuals(self, network: Network, x: Tensor):
        """The function theta -> scaled residual vector s, with loss 0.5 |s|², for points ``x``."""
        source, edge = self.source(x), self.edge().to(x)
        target = self.target().to(x)
        both, n = torch.cat([x, edge]), len(x)

        def residuals(theta: Tensor) -> Tensor:
            jet = network.jet(theta, both, self.order)
            value, at_edge = jet.value.split([n, len(edge)])
            inside = Jet(value, jet.first[:, :n], jet.second[:, :n])
            missed = self.operator(inside, theta[network.size :]) - source
            return scaled(missed, self.conditions(at_edge) - target, self.weight)

        return residuals

    # What each problem says for itself.

    @abstractmethod
    def operator(self, u: Jet, coefficients: Tensor) -> Tensor:
        """Left side of the equation."""

    def source(self, x: Tensor) -> Tensor:
        """Right side of the equation at ``x``."""
        return torch.zeros_like(x[:, 0])

    @abstractmethod
    def edge(self) -> Tensor:
        """Points of the boundary conditions or data, ``(E, q)``."""

    def conditions(self, u: Tensor) -> Tensor:
        """What the conditions are about, from the values ``(E,)`` at the edge."""
        return u

    def target(self) -> Tensor:
        """What the conditions ask for."""
        return self.exact(self.edge())

    @abstractmethod
    def exact(self, x: Tensor) -> Tensor:
        """The solution."""


@dataclass(frozen=True)
class Poisson(Problem):
    """u'' = f on (0, 1) with u = sin(2 pi x) + amplitude sin(k pi x)."""

    k: int = 10
    amplitude: float = 0.1

    def operator(self, u: Jet, coefficients: Tensor) -> Tensor:
        return u.second[0]

    def source(self, x: Tensor) -> Tensor:
        k, z = self.k * PI, x[:, 0]
        return -((2 * PI) ** 2) * torch.sin(2 * PI * z) - self.amplitude * k**2 * torch.sin(k * z)

    def edge(self) -> Tensor:
        return torch.tensor([[0.0], [1.0]], dtype=torch.float64)

    def exact(self, x: Tensor) -> Tensor:
        z = x[:, 0]
        return torch.sin(2 * PI * z) + self.amplitude * torch.sin(self.k * PI * z)


@dataclass(frozen=True)
class InversePoisson(Poisson):
    """D u'' = f with an unknown D, from noisy observations of u.

    Attributes:
        coefficient: the true D; the search begins at 1.
        sensors: number of observations, at regular places from 0 to 1.
        noise: their standard deviation.
        seed: of the noise.
    """

    coefficient: float = 0.4
    sensors: int = 21
    noise: float = 0.01
    seed: int = 0

    def start(self, network: Network, generator: torch.Generator) -> Tensor:
        theta = super().start(network, generator)
        return torch.cat([theta, torch.ones_like(theta[:1])])

    def operator(self, u: Jet, coefficients: Tensor) -> Tensor:
        return coefficients[0] * u.second[0]

    def source(self, x: Tensor) -> Tensor:
        return self.coefficient * super().source(x)

    def edge(self) -> Tensor:
        return torch.linspace(0, 1, self.sensors, dtype=torch.float64)[:, None]

    def target(self) -> Tensor:
        noise = numpy_rng(self.seed, "sensor noise").standard_normal(self.sensors)
        return self.exact(self.edge()) + self.noise * torch.from_numpy(noise)


@dataclass(frozen=True)
class Helmholtz(Problem):
    """u_xx + u_yy + u = q on [-1, 1]² with u = sin(a pi x) sin(b pi y), zero at the edge."""

    lower: tuple[float, ...] = (-1.0, -1.0)
    upper: tuple[float, ...] = (1.0, 1.0)
    a: int = 1
    b: int = 4

    def operator(self, u: Jet, coefficients: Tensor) -> Tensor:
        return u.second[0] + u.second[1] + u.value

    def source(self, x: Tensor) -> Tensor:
        return (1 - (self.a**2 + self.b**2) * PI**2) * self.exact(x)

    def edge(self) -> Tensor:
        line = torch.linspace(-1, 1, self.side + 1, dtype=torch.float64)[:-1]
        one = torch.ones_like(line)
        sides = [(line, -one), (one, line), (-line, one), (-one, -line)]
        return torch.cat([torch.stack(side, 1) for side in sides])

    def exact(self, x: Tensor) -> Tensor:
        return torch.sin(self.a * PI * x[:, 0]) * torch.sin(self.b * PI * x[:, 1])


@dataclass(frozen=True)
class Reaction(Problem):
    """u_t = rate u (1 - u), periodic in x; inputs (x, t) in [0, 2 pi] x [0, 1].

    It begins with a Gaussian bump h; u = h e^(rate t) / (h e^(rate t) + 1 - h).
    """

    upper: tuple[float, ...] = (2 * PI, 1.0)
    lower: tuple[float, ...] = (0.0, 0.0)
    order: int = 1
    rate: float = 5.0

    def operator(self, u: Jet, coefficients: Tensor) -> Tensor:
        return u.first[1] - self.rate * u.value * (1 - u.value)

    def edge(self) -> Tensor:
        across = torch.linspace(0, 2 * PI, 2 * self.side + 1, dtype=torch.float64)
        times = torch.linspace(0, 1, self.side, dtype=torch.float64)
        first = torch.stack([across, torch.zeros_like(across)], 1)
        left = torch.stack([torch.zeros_like(times), times], 1)
        right = torch.stack([torch.full_like(times, 2 * PI), times], 1)
        return torch.cat([first, left, right])

    def conditions(self, u: Tensor) -> Tensor:
        first, left, right = u.split([2 * self.side + 1, self.side, self.side])
        return torch.cat([first, left - right])

    def target(self) -> Tensor:
        first = self.exact(self.edge()[: 2 * self.side + 1])
        return torch.cat([first, first.new_zeros(self.side)])

    def exact(self, x: Tensor) -> Tensor:
        h = torch.exp(-((x[:, 0] - PI) ** 2) / (2 * (PI / 4) ** 2))
        grown = h * torch.exp(self.rate * x[:, 1])
        return grown / (grown + 1 - h)


@dataclass(frozen=True)
class Burgers(Problem):
    """u_t + u u_x = viscosity u_xx for x in [-1, 1], t in [0, 1], from u = -sin(pi x), 0 at +-1.

    The solution is steep at x = 0. Its closed form (Hopf and Cole) is a quotient of two Gaussian
    integrals, computed by Gauss-Hermite quadrature.
    """

    lower: tuple[float, ...] = (-1.0, 0.0)
    upper: tuple[float, ...] = (1.0, 1.0)
    weight: float = 10.0
    viscosity: float = 0.01 / PI
    nodes: int = 100

    def operator(self, u: Jet, coefficients: Tensor) -> Tensor:
        return u.first[1] + u.value * u.first[0] - self.viscosity * u.second[0]

    def edge(self) -> Tensor:
        across = torch.linspace(-1, 1, 2 * self.side + 1, dtype=torch.float64)
        times = torch.linspace(0, 1, self.side, dtype=torch.float64)
        first = torch.stack([across, torch.zeros_like(across)], 1)
        walls = [torch.stack([torch.full_like(times, end), times], 1) for end in (-1.0, 1.0)]
        return torch.cat([first, *walls])

    def exact(self, x: Tensor) -> Tensor:
        nodes, weights = (torch.from_numpy(a) for a in np.polynomial.hermite.hermgauss(self.nodes))
        y = x[:, :1] - nodes * torch.sqrt(4 * self.viscosity * x[:, 1:])
        strength = torch.cos(PI * y) / (2 * PI * self.viscosity)
        mass = weights * torch.exp(-strength + strength.amin(1, keepdim=True))
        return -(torch.sin(PI * y) * mass).sum(1) / mass.sum(1)


PROBLEMS = {
    "poisson": Poisson,
    "inverse": InversePoisson,
    "helmholtz": Helmholtz,
    "reaction": Reaction,
    "burgers": Burgers,
}


def create(name: str, **options) -> Problem:
    """A problem by its name.

    Raises:
        ValueError: if there is none of that name.
    """
    if name not in PROBLEMS:
        raise ValueError(f"unknown problem {name!r}: expected one of {', '.join(PROBLEMS)}")
    return PROBLEMS[name](**options)


def loss_of(residuals: Callable[[Tensor], Tensor], theta: Tensor) -> Tensor:
    """Half the squared length of the residual vector."""
    s = residuals(theta)
    return 0.5 * s @ s


def _product(lower: tuple[float, ...], upper: tuple[float, ...], points: int, skip: int) -> Tensor:
    """A regular grid of ``points`` points, first input slowest, without ``skip`` layers of edge."""
    each = round(points ** (1 / len(lower)))
    if each ** len(lower) != points:
        raise ValueError(f"{points} points do not make a square grid in {len(lower)} dimensions")
    lines = [
        torch.linspace(low, high, each + 2 * skip, dtype=torch.float64)[skip : skip + each]
        for low, high in zip(lower, upper, strict=True)
    ]
    return torch.cartesian_prod(*lines).reshape(points, len(lower))
