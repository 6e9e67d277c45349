"""What is noted about a run of the chapter on *implicit SGD for physics-informed networks*."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from weaklabels.methods import isgd_pinn as pinn
from weaklabels.state import pack, unpack

if TYPE_CHECKING:
    from chapters.isgd_pinn.runs import Task

MARKS = 45
"""Places, evenly spaced in the logarithm of the evaluations, at which a run is looked at."""

SPECTRA = 11
"""Places at which the tangent kernel is looked at."""

BLOWN_UP = 1e3
"""A run has diverged when the loss of its state is this many times the first one, or no number."""

STATE = ("kept", "lowest", "rows", "kernels", "outer", "moved")


class Watch:
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

    def blown_up(self, theta: Tensor, loss: float) -> bool:
        """Whether a run has diverged, by its last parameters and the last loss of a state."""
        return not loss < BLOWN_UP * self.first or not bool(torch.isfinite(theta).all())

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

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return pack({name: getattr(self, name) for name in STATE}, type(self).__name__)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        for name in STATE:
            setattr(self, name, unpack(state[name], getattr(self, name), name))

    def results(self) -> dict[str, Any]:
        """What ``runs.run`` returns of them."""
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
