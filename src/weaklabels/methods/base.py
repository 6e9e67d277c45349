"""What a method is: its loss on a batch of logits, and a few hooks for the state it keeps.

The one training loop (``weaklabels.train.fit``) calls the hooks in this order::

    start(context)                 once, before training (by the caller)
    prepare(model)                 once, with its initial weights (by the caller)
    before_epoch(epoch, predict)   epochs are counted 1, 2, ...
      step(model, x, index)        per batch: forward and loss
      after_step(model, x, index)  per batch: after the optimiser's step
    after_epoch(predict)

``predict()`` gives eval-mode logits of all training inputs, ``predict(averaged=True)`` those of the
averaged weights. A run may stop after any epoch and go on in a new process: there a fresh method is
started and prepared in the same way and gets its ``state_dict`` back, so what a hook keeps for a
later epoch belongs to ``Method.state``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from weaklabels import checks
from weaklabels.models import Network
from weaklabels.state import pack, unpack

REGISTRY: dict[str, type[Method]] = {}
"""Name used in the tables -> method class."""

Predict = Callable[..., Tensor]
"""Gives the logits ``(N, C)`` of all training inputs (see the head of this file)."""

View = Callable[[Tensor], Tensor]
"""Makes another view of a batch of inputs."""


@dataclass(frozen=True)
class Context:
    """What a method may be told of the examples that it trains on.

    Tensors lie on the device that trains. N examples, C classes.

    Attributes:
        observed: the weak labels of all training examples, of the form ``Method.label_form``.
        expected_positives: mean number of positives of an example.
        truth: ``(N, C)``, 1 where a class is really there.
        clean: inputs ``(M, ...)`` and true classes ``(M,)`` int64 of examples that judge the others
            and are not trained on.
        generator: CPU generator of what the method draws.
        teacher: a trained network to learn from; it is frozen from now on.
        inputs: all training inputs ``(N, ...)``, if they are not augmented: a teacher is then asked
            once instead of at every step.
        views: a weak and a strong view of a batch of inputs.
    """

    observed: Tensor
    _: KW_ONLY
    expected_positives: float | None = None
    truth: Tensor | None = None
    clean: tuple[Tensor, Tensor] | None = None
    generator: torch.Generator | None = None
    teacher: Network | None = None
    inputs: Tensor | None = None
    views: tuple[View, View] | None = None


T = TypeVar("T")


def told(value: T | None) -> T:
    """A value of the context that the method ``needs``; ``Method.start`` has seen that it is there.

    Raises:
        ValueError: if the class does not say that it needs it, and it is not there.
    """
    if value is None:
        raise ValueError("nothing is told of what the method uses: name it in its `needs`")
    return value


EXTRAS = {
    "expected_positives": "the mean number of positives of an example",
    "truth": "the true labels (N, C) of the training examples",
    "clean": "inputs and true classes of a clean set",
    "generator": "a CPU generator",
    "teacher": "a trained network",
    "inputs": "all training inputs",
    "views": "a weak and a strong view of a batch of inputs",
}
"""What a context may hold beside the weak labels, in words."""


def _signs(observed: Tensor) -> bool:
    return bool(((observed == 0) | (observed.abs() == 1)).all())


LABEL_FORMS: dict[str, tuple[str, int, Callable[[Tensor], bool]]] = {
    "partial": (
        "(N, C) numbers of +1, 0 (unknown) and -1",
        2,
        lambda y: y.dtype != torch.bool and _signs(y),
    ),
    "candidates": ("(N, K) bool", 2, lambda y: y.dtype == torch.bool),
    "classes": ("(N,) int64 class numbers", 1, lambda y: y.dtype == torch.int64),
    "answers": (
        "(N, R) int64 answers of R workers, -1 where missing",
        2,
        lambda y: y.dtype == torch.int64,
    ),
    "distributions": ("(N, K) floating-point numbers", 2, torch.is_floating_point),
}
"""Forms of weak labels: in words, number of dimensions, and a check of type or values."""


class Method:
    """Base of all methods; alone it only knows how to forward a batch.

    Attributes:
        name: in the tables and in errors.
        label_form: of the weak labels, a key of ``LABEL_FORMS``.
        needs: what of ``EXTRAS`` it must be told.
        uses: what of ``EXTRAS`` it is better told; it does without.
        state: attributes that training changes, beside those of the base classes.
        observed: the weak labels of all training examples, on the training device.
        epoch: the current epoch, from 1.
        readings: what the last step measured, by name, without gradient; for the curious.
        learning_rate_factor: learning rate of the method's own parameters, as a multiple of the
            features' rate.
        decays: whether the method's own parameters shrink as those of the network do.
        heads: classifiers within the trained network that are worth a score of their own, by name:
            functions of the network.
    """

    name: ClassVar[str] = "unregistered"
    label_form: ClassVar[str] = "partial"
    needs: ClassVar[frozenset[str]] = frozenset()
    uses: ClassVar[frozenset[str]] = frozenset()
    state: ClassVar[tuple[str, ...]] = ("epoch",)
    heads: ClassVar[Mapping[str, Callable[[Network], nn.Module]]] = MappingProxyType({})
    learning_rate_factor: float = 10.0
    decays: bool = False
    observed: Tensor
    epoch: int = 0
    readings: Mapping[str, Tensor] = MappingProxyType({})

    def wanted(self, **offered: Any) -> dict[str, Any]:
        """What of the ``EXTRAS`` offered the method asks for: arguments of its context."""
        return {name: value for name, value in offered.items() if name in self.needs | self.uses}

    def start(self, context: Context) -> None:
        """Take what may be known; a method that changes the labels works on its own copy.

        Raises:
            ValueError: if something needed is missing, something is told that the method does not
                ask for, or the weak labels have another form, such as -1 among class numbers or
                distributions that add up to more than 1.
        """
        for name, meaning in EXTRAS.items():
            told = getattr(context, name) is not None
            if name in self.needs and not told:
                raise ValueError(f"method {self.name!r} needs {name}, {meaning}: none is given")
            if told and name not in self.needs | self.uses:
                raise ValueError(f"method {self.name!r} does not use {name}, {meaning}")
        observed = context.observed
        form, dimensions, fits = LABEL_FORMS[self.label_form]
        if observed.ndim != dimensions or not fits(observed):
            raise ValueError(
                f"weak labels for method {self.name!r} are {tuple(observed.shape)} "
                f"{observed.dtype}: expected {form}"
            )
        checks.weak_labels(observed, self.label_form)
        self.observed = observed

    def prepare(self, model: Network) -> None:
        """Change the network in place, say, add branches to a backbone; often nothing."""

    def parameters(self) -> list[nn.Parameter]:
        """Trainable tensors of the method itself (say, estimated labels); none by default."""
        return []

    def before_epoch(self, epoch: int, predict: Predict) -> None:
        """Note the epoch."""
        self.epoch = epoch

    def step(self, model: Network, x: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        """Forward a batch.

        Args:
            model: the network, in training mode.
            x: ``(B, ...)`` inputs.
            index: ``(B,)`` int64, rows of the training set.

        Returns:
            logits ``(B, C)``, of no columns where a method shows none (adversarial training), and
            the scalar loss, in their type or a wider one.
        """
        logits = model(x)
        return logits, self.loss(logits, index)

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        """Scalar loss of the batch whose training-set rows are ``index``."""
        raise TypeError(f"{type(self).__name__} must define loss(logits, index)")

    def after_step(self, model: Network, x: Tensor, index: Tensor) -> None:
        """Called after the optimiser's step on the batch; does nothing by default."""

    def after_epoch(self, predict: Predict) -> None:
        """Called after each epoch; does nothing by default."""

    def trained_on(self) -> tuple[Tensor, Tensor] | None:
        """Targets ``(N, C)`` bool and weights ``(N, C)`` that are trained on, if there are such."""
        return None

    def modified_labels(self) -> Tensor | None:
        """Labels ``(N, C)`` bool that this epoch takes for others, if there ever are such."""
        return None

    def estimated_labels(self) -> Tensor | None:
        """Probabilities ``(N, C)`` of the labels that training has estimated, if it does so."""
        return None

    def start_from(self, probabilities: Tensor) -> None:
        """Go on from labels ``(N, C)`` that an earlier phase has estimated."""
        raise TypeError(f"method {self.name!r} does not estimate labels")

    def trace(self) -> dict[str, Tensor]:
        """What else may be recorded after an epoch, by name."""
        return {}

    def referee(self, model: Network) -> nn.Module:
        """The classifier that tells how likely a given label is; the network itself by default."""
        return model

    def state_dict(self) -> dict[str, Any]:
        """What training has changed, as plain values (see ``weaklabels.state``).

        Raises:
            RuntimeError: if the method has not been started and prepared.
            TypeError: if an attribute cannot be saved.
        """
        names = self._state_names()
        if missing := [name for name in names if not hasattr(self, name)]:
            raise RuntimeError(f"method {self.name!r} has no {missing[0]} yet: start, then prepare")
        return {name: pack(getattr(self, name), f"{self.name}: {name}") for name in names}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go back to a saved state; the method has been started and prepared as the saved one was.

        Raises:
            ValueError: if the state is that of another method.
        """
        if set(saved) != set(self._state_names()):
            raise ValueError(
                f"a state of {', '.join(sorted(saved))} for method {self.name!r}: expected "
                f"{', '.join(sorted(self._state_names()))}"
            )
        for name, value in saved.items():
            now = getattr(self, name, None)
            setattr(self, name, unpack(value, now, f"{self.name}: {name}"))

    @classmethod
    def _state_names(cls) -> list[str]:
        """The attributes in ``state`` of all classes, base classes first."""
        return [name for each in reversed(cls.__mro__) for name in vars(each).get("state", ())]


def register(name: str) -> Callable[[type[Method]], type[Method]]:
    """Class decorator: make a method known by the name the tables use."""

    def add(cls: type[Method]) -> type[Method]:
        if name in REGISTRY and REGISTRY[name].__module__ != cls.__module__:
            raise ValueError(f"method {name!r} is already defined in {REGISTRY[name].__module__}")
        REGISTRY[name] = cls
        cls.name = name
        return cls

    return add


def at_least_float32(values: Tensor) -> Tensor:
    """Half precision as float32, other types as they are."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def negative_log_sigmoid(logits: Tensor, epsilon: float = 0.0) -> Tensor:
    r"""Entry-wise :math:`-\ln(\sigma(z)+\epsilon)`; exact for any logit when epsilon is 0.

    The papers' code adds :math:`\epsilon=10^{-5}` inside the logarithm, which bounds the loss at
    11.5 and lets the gradient fade beyond logits of about -11.
    """
    if epsilon == 0:
        return F.softplus(-logits)
    return -torch.log(torch.sigmoid(logits) + epsilon)
