"""Moving average of a network's weights.

Not PyTorch's ``AveragedModel``, which begins with the weights after the first step, averages or
copies all buffers alike, and passes over layers that a longer network has beyond its own: here the
average begins with the initial weights, the statistics of batch normalisation are averaged and its
counters copied, and another network is refused (``test_ema.py`` and
``test_refusals.py`` of ``tests/library``).
"""

from __future__ import annotations

from copy import deepcopy
from typing import Generic, TypeVar

import torch
from torch import nn

from weaklabels import checks

M = TypeVar("M", bound=nn.Module)


class WeightAverage(Generic[M]):
    """Exponential moving average of a network's state, weights and buffers alike.

    It starts as a copy of the model and is not corrected for that start; the last
    ``1 / (1 - decay)`` steps weigh most, so the decay must fit the number of steps.

    Attributes:
        model: a copy of the model with the averaged state, in evaluation mode.
        decay: share of the old average that a step keeps.

    Raises:
        ValueError: if the decay is not in [0, 1).
    """

    def __init__(self, model: M, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay is {decay}: expected a number in [0, 1)")
        self.model: M = deepcopy(model).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """After an optimiser's step: average = decay * average + (1 - decay) * new.

        Whole numbers (the step counters of batch normalisation) are copied.

        Raises:
            ValueError: if the network has other shapes.
        """
        checks.same_parameters(self.model, model)
        new = model.state_dict()
        for name, value in self.model.state_dict().items():
            if value.is_floating_point():
                value.lerp_(new[name], 1 - self.decay)
            else:
                value.copy_(new[name])
