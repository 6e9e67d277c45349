"""What a method may be told beyond the labels, and how it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from weaklabels import methods
from weaklabels.data.augment import to_float
from weaklabels.estimator import choices, judging, labels, networks
from weaklabels.estimator.class_names import check_columns
from weaklabels.estimator.inputs import Form, differing
from weaklabels.estimator.settings import pair
from weaklabels.methods.l2d import parts
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
class View:
    """One of the user's views of a batch, which must not lose rows.

    Attributes:
        name: "weak" or "strong".
        make: the user's function.
    """

    name: str
    make: Callable[[Tensor], Any]

    def __call__(self, x: Tensor) -> Tensor:
        """The view of a batch ``(B, ...)``, B rows as well.

        Raises:
            ValueError: if it is anything else.
        """
        found = self.make(x)
        if not isinstance(found, Tensor) or found.shape[:1] != x.shape[:1] or found.ndim != x.ndim:
            kind = f"something of type {type(found).__name__}"
            shown = str(tuple(found.shape)) if isinstance(found, Tensor) else kind
            raise ValueError(
                f"views: the {self.name} one makes {shown} of a batch {tuple(x.shape)}: expected "
                "a tensor with a view of each input"
            )
        return found


@dataclass(frozen=True)
class Told:
    """Arguments of ``Classifier.fit`` of that name, None where not given.

    Raises:
        ValueError: if what should be a pair is none, or views are no functions.
    """

    expected_positives: float | None = None
    clean: tuple[Any, Any] | None = None
    views: tuple[Any, Any] | None = None
    teacher: Classifier | Network | None = None
    truth: Any = None

    def __post_init__(self) -> None:
        if self.clean is not None:
            pair(self.clean, "clean", "(inputs, classes)")
        if self.views is not None:
            for each in pair(self.views, "views", "(weak, strong)"):
                if not callable(each):
                    raise ValueError(
                        f"views hold {each!r}: expected functions of a batch of inputs"
                    )

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
        expected = None
        if self.expected_positives is not None:
            expected = _count(self.expected_positives, observed)
        elif kind.label_form == "partial":
            expected = choices.expected_positives(observed)
        found: dict[str, Any] = {
            "expected_positives": expected,
            "clean": self._clean(form, classes, observed.device),
            "generator": torch_rng(seed, "method"),
            "teacher": self._teacher(x, form, classes, observed.device),
            "truth": self._truth(observed, classes),
            "views": self._views(),
        }
        for need in sorted(kind.needs):
            if found[need] is None:
                raise ValueError(f"method {name!r} needs {ASKED[need]}")
        wanted = {key: value for key, value in found.items() if key in kind.needs | kind.uses}
        return methods.Context(observed, **wanted), expected

    def identity(self, context: methods.Context) -> dict[str, Any]:
        """What was told, by its names, of the kinds that ``training.identity_of`` takes."""
        found = {name: getattr(context, name) for name in ("observed", "clean", "teacher", "truth")}
        return found | {"views": self.views}

    def _clean(
        self, form: Form, classes: np.ndarray, device: torch.device
    ) -> tuple[Tensor, Tensor] | None:
        if self.clean is None:
            return None
        inputs, right = self.clean
        x, found = judging.read(form, inputs, right, classes, several=False)
        places = torch.from_numpy(found).to(device)
        x = x.to(device)
        return to_float(x) if form.are_images else x, places

    def _teacher(
        self, x: Tensor, form: Form, classes: np.ndarray, device: torch.device
    ) -> Network | None:
        if self.teacher is None:
            return None
        network = self.teacher
        if not isinstance(network, Network):
            if not hasattr(network, "classes_") and not hasattr(network, "predict_proba"):
                kind = type(network).__name__
                raise ValueError(f"teacher is of type {kind}: expected a Classifier, or a Network")
            if not hasattr(network, "model_"):
                raise ValueError("the teacher is not trained yet: fit it first")
            _check_form(network.form_, x, form)
            _check_classes(network.classes_, classes)
            network = network.model_
        network = network.to(device)
        try:
            parts(network)
        except TypeError as error:
            raise ValueError(f"teacher: {error}, or train it by method 'Vanilla'") from error
        networks.check_scores(network, "teacher", form, len(classes))
        return network

    def _truth(self, observed: Tensor, classes: np.ndarray) -> Tensor | None:
        if self.truth is None:
            return None
        check_columns(self.truth, classes)
        truth = labels.array_of(self.truth)
        if truth.shape != tuple(observed.shape):
            raise ValueError(
                f"truth {truth.shape}: expected the shape of the labels, {tuple(observed.shape)}"
            )
        other = truth[~np.isin(truth, (0, 1))].tolist()
        if other:
            raise ValueError(f"truth holds {other[0]!r}: expected 1 present and 0 absent")
        found = torch.from_numpy(truth.astype(np.int64)).to(observed.device)
        wrong = ((observed != 0) & ((observed == 1) != (found == 1))).nonzero().tolist()
        if wrong:
            row, place = wrong[0]
            raise ValueError(
                f"truth is {found[row, place].item()} in row {row}, class {classes[place]}, where "
                f"the label is {observed[row, place].item():+d}: expected labels that are true"
            )
        return found

    def _views(self) -> tuple[View, View] | None:
        if self.views is None:
            return None
        weak, strong = self.views
        return View("weak", weak), View("strong", strong)


def check_words(zeros: Any, aggregate: Any) -> None:
    """Refuse words that ``fit`` does not know, also where the labels are such that none is needed.

    Raises:
        ValueError: naming the argument, its value and what is expected.
    """
    if zeros not in (None, "absent", "unknown"):
        raise ValueError(f"zeros is {zeros!r}: expected 'absent' or 'unknown'")
    if aggregate not in labels.AGGREGATIONS:
        expected = " or ".join(labels.AGGREGATIONS)
        raise ValueError(f"aggregate is {aggregate!r}: expected {expected}")


def _count(value: Any, observed: Tensor) -> float:
    """A mean number of present labels of a row, which fits those that are known."""
    if isinstance(value, Tensor | np.ndarray) and value.ndim == 0:
        value = value.item()
    if not isinstance(value, Real) or isinstance(value, bool):
        raise ValueError(f"expected_positives is {value!r}: expected a number of labels")
    count = float(value)
    if not 0 < count <= observed.shape[1]:
        raise ValueError(
            f"expected_positives is {count:g}: expected a number of labels above 0 and up to "
            f"{observed.shape[1]}"
        )
    present, absent = (int((observed == sign).sum()) / len(observed) for sign in (1, -1))
    rounding = 1e-6 * observed.shape[1]
    if count < present - rounding:
        raise ValueError(
            f"expected_positives is {count:g}: expected {present:.4g} or more, as so many labels a "
            "row are annotated as present"
        )
    if count > observed.shape[1] - absent + rounding:
        raise ValueError(
            f"expected_positives is {count:g}: expected {observed.shape[1] - absent:.4g} or less, "
            "as all other labels are annotated as absent"
        )
    return count


def _check_form(taught: Form, x: Tensor, form: Form) -> None:
    """Refuse a teacher of inputs of another form or scale."""
    if taught.shape != form.shape:
        raise ValueError(f"the teacher takes {taught}: expected {form}")
    if not form.are_images:
        return
    scale = 255 if x.dtype == torch.uint8 else 1
    least, most = x.min().item() / scale, x.max().item() / scale
    low, high = taught.reach if taught.free and taught.reach else (0.0, 1.0)
    slack = high - low if taught.free else 0.0
    if least < low - slack or most > high + slack or most - least < slack / 50:
        raise ValueError(
            f"the teacher takes images from {low:g} to {high:g}, and these reach from {least:g} to "
            f"{most:g}: expected the same scale"
        )


def _check_classes(taught: np.ndarray, classes: np.ndarray) -> None:
    """Refuse a teacher of other classes, or of the same in another order.

    Those that are but numbered are the columns of an array, and may be any.
    """
    known, wanted = ([str(name) for name in each] for each in (taught, classes))
    numbered = [str(number) for number in range(len(wanted))]
    unnamed = numbered in (known, wanted) and set(known) != set(wanted)
    if known != wanted and not (unnamed and len(known) == len(wanted)):
        raise ValueError(f"the teacher knows classes {differing(known, wanted)} as in the labels")


def _check_inputs(name: str, x: Tensor) -> None:
    """Refuse features for methods on maps, and what leaves [0, 1] for those that stay there."""
    if choices.is_any(name, choices.NEED_IMAGES) and x.ndim != 4:
        raise ValueError(f"method {name!r} works on the maps of images: the inputs are features")
    bytes_ = x.dtype == torch.uint8  # which become numbers in [0, 1]
    if choices.is_any(name, choices.NEED_PIXELS) and not bytes_ and (x.min() < 0 or x.max() > 1):
        raise ValueError(
            f"method {name!r} moves inputs within [0, 1]: these reach from "
            f"{x.min().item():g} to {x.max().item():g}"
        )
