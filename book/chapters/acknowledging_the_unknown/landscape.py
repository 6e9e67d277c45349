r"""Loss surfaces around trained weights, along filter-normalised directions (Li et al., 2018).

A network's weights :math:`\theta^*` are moved along two random directions, and a measure is taken
at :math:`\theta^*+\lambda_1\delta+\lambda_2\eta`. Each filter of a direction has the norm of the
trained filter, so that networks with weights of different scale can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

Direction = Mapping[str, Tensor]


def normalise_filters(direction: Tensor, weights: Tensor) -> Tensor:
    """Give every filter of a direction the norm of the filter in the weights.

    A filter is a slice along the first axis: of a convolution's kernel, or a row of a linear
    layer. Tensors of fewer than two dimensions (biases, batch norm) get the zero direction.

    Args:
        direction, weights: of one shape.

    Raises:
        ValueError: if the shapes differ.
    """
    if direction.shape != weights.shape:
        raise ValueError(
            f"direction {tuple(direction.shape)} and weights {tuple(weights.shape)}: "
            "expected the same shape"
        )
    if weights.ndim < 2:
        return torch.zeros_like(direction)
    axes = tuple(range(1, weights.ndim))
    size = direction.pow(2).sum(axes, keepdim=True).sqrt()
    wanted = weights.pow(2).sum(axes, keepdim=True).sqrt()
    return direction * (wanted / (size + 1e-10))


def random_direction(model: nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
    """A filter-normalised Gaussian direction for every parameter, drawn on the CPU."""
    return {
        name: normalise_filters(
            torch.randn(weights.shape, generator=generator).to(weights), weights.detach()
        )
        for name, weights in model.named_parameters()
    }


def surface(
    model: nn.Module,
    x: Tensor,
    measures: Sequence[Callable[[Tensor], float]],
    first: Direction,
    second: Direction,
    steps: np.ndarray,
) -> np.ndarray:
    """Measure the network on a grid of moved weights, in evaluation mode; the model stays as it is.

    Args:
        model: trained.
        x: ``(N, ...)`` inputs.
        measures: functions of the logits ``(N, C)``.
        first, second: directions, by parameter name.
        steps: ``(G,)`` distances along either direction.

    Returns:
        ``(G, G, measures)`` float64; the first axis goes along ``first``.
    """
    weights = {name: value.detach() for name, value in model.named_parameters()}
    values = np.empty((len(steps), len(steps), len(measures)))
    was_training = model.training
    model.eval()
    with torch.no_grad():
        for i, a in enumerate(steps.tolist()):
            for j, b in enumerate(steps.tolist()):
                moved = {n: w + a * first[n] + b * second[n] for n, w in weights.items()}
                logits = functional_call(model, moved, (x,))
                values[i, j] = [measure(logits) for measure in measures]
    model.train(was_training)
    return values


def rise(values: np.ndarray, steps: np.ndarray, distance: float) -> np.ndarray:
    """Mean increase over the centre, at a distance along the four half-axes.

    Args:
        values: ``(G, G, ...)`` from ``surface``.
        steps: ``(G,)``, symmetric, with 0 and ``distance`` among them.
        distance: from the centre, more than 0.

    Raises:
        ValueError: if one of the points is not on the grid.
    """
    wanted = (0.0, distance, -distance)
    places = [int(np.abs(steps - w).argmin()) for w in wanted]
    if not np.allclose(steps[places], wanted):
        raise ValueError(f"steps {steps.tolist()} do not hold 0 and ±{distance}")
    centre, ends = places[0], places[1:]
    around = [values[end, centre] for end in ends] + [values[centre, end] for end in ends]
    return np.mean(around, 0) - values[centre, centre]
