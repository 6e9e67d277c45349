r"""Loss surfaces around trained weights, along filter-normalised directions (Li et al., 2018).

A network's weights :math:`\theta^*` are moved along two random directions, and a measure is taken
at :math:`\theta^*+\lambda_1\delta+\lambda_2\eta`. Each filter of a direction has the norm of the
trained filter, so that networks with weights of different scale can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from weaklabels import models
from weaklabels.lab.missing_labels import training_labels
from weaklabels.lab.multilabel import Spec, load_splits, make_method, restore, run
from weaklabels.lab.store import Record
from weaklabels.lab.sweep import remember
from weaklabels.metrics import mean_average_precision
from weaklabels.seeding import torch_rng

Direction = Mapping[str, Tensor]
MEASURES = ("own loss", "BCE with true labels")
DISTANCES = (0.2, 0.6, 1.0)


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


# -- around the weights of a run ------------------------------------------------------------------


@dataclass(frozen=True)
class LandscapeSpec:
    """A surface around the weights of a tracked run, at its best validation epoch.

    Attributes:
        run: the run, with ``"weights"`` among what it tracks.
        seed: of the run, in place of its own.
        points: grid points along each direction.
        images: training images it is measured on.
    """

    run: Spec
    seed: int = 0
    points: int = 21
    images: int = 500

    @property
    def device(self) -> str:
        """Where to compute."""
        return self.run.device

    def code(self) -> list[Any]:
        """What the run depends on besides what reading its function shows."""
        return self.run.code()


def loss_landscape(spec: LandscapeSpec) -> dict[str, Any]:
    """Own training loss, BCE with the true labels, and mAP on a plane through trained weights.

    The two directions are Gaussian and filter-normalised, drawn with the run's seed, so that AN
    and EM of one seed share the draw before normalisation.

    Returns:
        ``steps`` ``(G,)`` and ``values`` ``(G, G, 2)`` in nats, measures as in ``MEASURES``; the
        mAP (%) on a coarser grid, ``map_steps`` and ``map``.
    """
    trained = replace(spec.run, seed=spec.seed)
    splits, observed = load_splits(trained), training_labels(trained)[1]
    truth = splits.train.y[: spec.images]
    x = splits.train.x[: spec.images].to(spec.device)
    model = models.build(
        trained.network, len(splits.classes), seed=0, **dict(trained.network_options)
    ).to(spec.device)
    restore(model, remember(run, trained), "best")
    told = torch.from_numpy(observed)[: spec.images].to(spec.device)
    method = make_method(trained, told, splits.train.y)
    rows = torch.arange(len(x), device=spec.device)
    target = truth.float().to(spec.device)

    def own(logits: Tensor) -> float:
        return float(method.loss(logits, rows))

    def common(logits: Tensor) -> float:
        return float(F.binary_cross_entropy_with_logits(logits, target))

    def ranking(logits: Tensor) -> float:
        return mean_average_precision(logits.cpu(), truth)

    generator = torch_rng(spec.seed, "landscape")
    first, second = (random_direction(model, generator) for _ in range(2))
    steps = np.round(np.linspace(-1, 1, spec.points), 6)
    coarse = np.array([*(-d for d in reversed(DISTANCES)), 0.0, *DISTANCES])
    return {
        "steps": steps,
        "values": surface(model, x, (own, common), first, second, steps),
        "map_steps": coarse,
        "map": surface(model, x, (ranking,), first, second, coarse),
    }


def rises(record: Record) -> np.ndarray:
    """Rise of both losses over the centre (nats) and fall of the mAP (points) along the axes.

    Args:
        record: of ``loss_landscape``.

    Returns:
        ``(distances, 3)``, distances as in ``DISTANCES``.
    """
    losses = [rise(record["values"], record["steps"], d) for d in DISTANCES]
    falls = [-rise(record["map"], record["map_steps"], d) for d in DISTANCES]
    return np.concatenate([losses, falls], 1)
