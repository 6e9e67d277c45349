"""What a method may be told beyond the labels, and how it is asked for."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from weaklabels import methods
from weaklabels.data.augment import to_float
from weaklabels.estimator import choices, judging, labels
from weaklabels.estimator.inputs import Form
from weaklabels.models import Network
from weaklabels.seeding import torch_rng

if TYPE_CHECKING:
    from weaklabels.estimator.classifier import Classifier

ASKED = {
    "expected_positives": "the mean number of present labels of a row, which labels without "
    "negatives do not tell: fit(..., expected_positives=)",
    "clean": "some inputs whose classes are surely right: fit(..., clean=(inputs, classes))",
    "teacher": "a trained network: fit(..., teacher=) takes a Classifier of 'Vanilla', for example",
    "truth": "the true labels of all rows, (N, C) of 1 and 0: fit(..., truth=)",
}
"""What ``fit`` says if something is missing."""


@dataclass(frozen=True)
class Told:
    """Arguments of ``Classifier.fit`` of that name, None where not given."""

    expected_positives: float | None = None
    clean: tuple[Any, Any] | None = None
    views: tuple[Any, Any] | None = None
    teacher: Classifier | Network | None = None
    truth: Any = None

    def context(
        self, name: str, observed: Tensor, x: Tensor, form: Form, classes: np.ndarray, seed: int
    ) -> tuple[methods.Context, float | None]:
        """What a method is started with, and the mean number of present labels if it is known.

        Raises:
            ValueError: if the method needs more, gets something of no use, or takes other inputs.
        """
        kind = methods.get(name)
        _check_inputs(name, x)
        takes = (
            kind.needs
            | kind.uses
            | ({"expected_positives"} if choices.is_any(name, ("nnPU",)) else set())
        )
        for field in fields(self):
            if getattr(self, field.name) is not None and field.name not in takes:
                raise ValueError(f"method {name!r} does not use {field.name}: leave it out")
        expected = self.expected_positives
        if kind.label_form == "partial" and expected is None:
            expected = choices.expected_positives(observed)
        if expected is not None and not 0 < expected <= len(classes):
            raise ValueError(
                f"expected_positives is {expected:g}: expected a number of labels above 0 and up "
                f"to {len(classes)}"
            )
        found: dict[str, Any] = {
            "expected_positives": expected,
            "clean": self._clean(form, classes, observed.device),
            "generator": torch_rng(seed, "method"),
            "teacher": self._teacher(form, len(classes), observed.device),
            "truth": self._truth(observed, classes),
            "views": self.views,
        }
        for need in sorted(kind.needs):
            if found[need] is None:
                raise ValueError(f"method {name!r} needs {ASKED[need]}")
        wanted = {key: value for key, value in found.items() if key in kind.needs | kind.uses}
        return methods.Context(observed, **wanted), expected

    def _clean(
        self, form: Form, classes: np.ndarray, device: torch.device
    ) -> tuple[Tensor, Tensor] | None:
        if self.clean is None:
            return None
        x, found = judging.read(form, *self.clean, classes, several=False)
        places = torch.from_numpy(found).to(device)
        x = x.to(device)
        return to_float(x) if form.are_images else x, places

    def _teacher(self, form: Form, classes: int, device: torch.device) -> Network | None:
        if self.teacher is None:
            return None
        network = self.teacher
        if not isinstance(network, Network):
            if not hasattr(network, "model_"):
                raise ValueError("the teacher is not trained yet: fit it first")
            if network.form_.shape != form.shape or len(network.classes_) != classes:
                raise ValueError(
                    f"the teacher takes {network.form_} and knows {len(network.classes_)} classes: "
                    f"expected {form} and {classes}"
                )
            network = network.model_
        return network.to(device)

    def _truth(self, observed: Tensor, classes: np.ndarray) -> Tensor | None:
        if self.truth is None:
            return None
        labels.check_columns(self.truth, classes)
        truth = labels.array_of(self.truth)
        if truth.shape != tuple(observed.shape) or not np.isin(truth, (0, 1)).all():
            raise ValueError(
                f"truth {truth.shape}: expected 1 and 0 in the shape of the labels, "
                f"{tuple(observed.shape)}"
            )
        return torch.from_numpy(truth.astype(np.int64)).to(observed.device)


def _check_inputs(name: str, x: Tensor) -> None:
    """Refuse features for methods on maps, and what leaves [0, 1] for those that stay there."""
    if choices.is_any(name, choices.NEED_IMAGES) and x.ndim != 4:
        raise ValueError(f"method {name!r} works on the maps of images: the inputs are features")
    if choices.is_any(name, choices.NEED_PIXELS) and x.ndim != 4 and (x.min() < 0 or x.max() > 1):
        raise ValueError(
            f"method {name!r} moves inputs within [0, 1]: these reach from "
            f"{x.min().item():g} to {x.max().item():g}"
        )
