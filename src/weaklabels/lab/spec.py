"""Parts of which specs are composed, each field in one place.

A protocol's spec inherits the parts that it uses, so a setting that it would ignore is refused by
its constructor. All fields but the method are given by name::

    @dataclass(frozen=True)
    class Spec(Learner, Data, Trained):
        noise: str = field(default="symmetric", kw_only=True)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from weaklabels import data, methods
from weaklabels.train import OptimiserSpec

Options = tuple[tuple[str, Any], ...]


def options(**values: Any) -> Options:
    """Keyword options in the hashable form that a spec holds."""
    return tuple(sorted(values.items()))


class Part:
    """Base of all parts."""

    def code(self) -> list[Any]:
        """Functions, classes and modules that the run depends on besides what reading its function
        shows: found by a name that the spec holds."""
        return []


@dataclass(frozen=True)
class Learner(Part):
    """What is learnt with.

    Attributes:
        method, method_options: by its registered name.
    """

    method: str
    method_options: Options = ()

    def code(self) -> list[Any]:
        return [*super().code(), methods.get(self.method)]


@dataclass(frozen=True, kw_only=True)
class Data(Part):
    """What is learnt from.

    Attributes:
        seed: of everything random: data or their split, weak labels, initial weights, batch order.
        dataset, data_options: for ``data.load``. A seed among the options fixes the data, or their
            split, for all runs.
        data_root: folder of downloaded datasets, where files are needed.
    """

    seed: int = 0
    dataset: str = "scenes"
    data_options: Options = ()
    data_root: str | None = None

    def code(self) -> list[Any]:
        return [*super().code(), data.loader(self.dataset)]


@dataclass(frozen=True, kw_only=True)
class Net:
    """The network and where it computes.

    Attributes:
        network, network_options: for ``models.build``.
        device: where to compute.
        precision: ``"float32"`` or ``"bfloat16"`` (products and convolutions only).
        compiled: whether ``torch.compile`` makes the network faster, after minutes of its own.
    """

    network: str = "patch_net"
    network_options: Options = ()
    device: str = "cpu"
    precision: str = "float32"
    compiled: bool = False


@dataclass(frozen=True, kw_only=True)
class Training:
    """How long and how it is trained.

    Attributes:
        epochs, batch_size, optimiser: of the training.
        checkpoint: whether the state is kept after every epoch, so that a killed run goes on.
    """

    epochs: int = 15
    batch_size: int = 16
    optimiser: OptimiserSpec = OptimiserSpec()
    checkpoint: bool = False


@dataclass(frozen=True, kw_only=True)
class Trained(Net, Training):
    """A network that is trained: what ``lab.execute`` needs to know."""
