"""The setting in which methods on candidate sets are compared: rows of the tables, runs by profile.

Several chapters show these runs; the book computes them once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from weaklabels import data
from weaklabels.lab.candidate_sets import Spec
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import Options, options
from weaklabels.train import OptimiserSpec

METHODS: dict[str, tuple[str, Options]] = {
    "supervised": ("IM-avg", ()),
    "IM-avg": ("IM-avg", ()),
    "IM-max": ("IM-max", ()),
    "CC": ("CC", ()),
    "RC": ("RC", ()),
    "PRODEN": ("PRODEN", ()),
    "LWS": ("LWS", options(beta=2.0)),
    "LWC": ("LWC", options(beta=2.0)),
    "CAVL": ("CAVL", ()),
    "CAVL, official masking": ("CAVL", options(official_masking=True)),
    "CAM": ("CAM selection", ()),
}
"""Name in the tables -> registered method and its options; supervised is told the truth."""

COMPARATORS = ("CC", "RC", "PRODEN", "LWS", "LWC")
"""The published methods that CAVL is compared with."""

FLIPPED = ("IM-avg", "IM-max", *COMPARATORS, "CAVL")
"""Rows over the flipping probability: methods that need nothing but the sets."""

IMAGES = ("mnist", "fashion_mnist", "kmnist", "cifar10")
"""Image sets of the paper profile, where they are there."""


def vary(spec: Spec, name: str, **method_options: Any) -> Spec:
    """The same run with a method of the tables, by the name used there."""
    method, fixed = METHODS[name]
    candidates = "truth" if name == "supervised" else spec.candidates
    merged = options(**(dict(fixed) | method_options))
    return replace(spec, method=method, method_options=merged, candidates=candidates)


def rows(base: Spec, names: Sequence[str]) -> dict[str, Spec]:
    """The run with each of several methods, by name."""
    return {name: vary(base, name) for name in names}


@dataclass(frozen=True)
class Comparison:
    """What is compared.

    Attributes:
        tables: the comparisons on uniform sets, by the name of data and network.
        flips: the runs whose flipping probability varies, likewise.
        qs: flipping probabilities.
        last: a score is the mean over so many last epochs.
    """

    tables: dict[str, Spec]
    flips: dict[str, Spec]
    qs: tuple[float, ...]
    last: int


def comparison(chapter: Setting) -> Comparison:
    """The comparison of a profile.

    Raises:
        FileNotFoundError: if the paper profile finds none of its datasets; the message names the
            command that brings Fashion-MNIST.
    """
    return chapter.choose(quick=_quick, smoke=_smoke, paper=_paper)(chapter)


def _quick(chapter: Setting) -> Comparison:
    mlp = Spec(
        "CAVL",
        network="mlp",
        network_options=options(hidden=(300, 301), batch_norm=True, xavier=True),
        epochs=30,
        batch_size=32,
        optimiser=OptimiserSpec("adam", lr=1e-3, weight_decay=1e-4),
        track=("values",),
        device=chapter.device,
    )
    return Comparison(
        tables={"digits, MLP": mlp},
        flips={"digits, MLP": replace(mlp, candidates="flip", epochs=20)},
        qs=(0.1, 0.3, 0.5, 0.7),
        last=5,
    )


def _smoke(chapter: Setting) -> Comparison:
    quick = _quick(chapter)
    return Comparison(
        tables={name: tiny(spec) for name, spec in quick.tables.items()},
        flips={name: tiny(spec) for name, spec in quick.flips.items()},
        qs=(0.1, 0.7),
        last=1,
    )


def tiny(spec: Spec) -> Spec:
    """The same run in a second."""
    small = options(hidden=(16,), batch_norm=True) if spec.network == "mlp" else ()
    return replace(
        spec, data_options=options(test=1500), network_options=small, epochs=3, batch_size=128
    )


def _paper(chapter: Setting) -> Comparison:
    """The authors' settings, on those of the paper's datasets that are there."""
    image = Spec(
        "CAVL",
        data_root=chapter.data_root,
        candidates="uniform official",
        epochs=250,
        batch_size=64,
        optimiser=OptimiserSpec("adam", lr=1e-3, weight_decay=1e-3),
        track=("values",),
        device=chapter.device,
    )
    there = [name for name in IMAGES if present(name, chapter.data_root)]
    if not there:
        data.load("fashion_mnist", chapter.data_root)
    specs = {
        f"{name}, {network}": replace(image, dataset=name, network=network)
        for name in there
        if name != "cifar10"
        for network in ("mlp", "lenet")
    }
    if "cifar10" in there:
        specs |= {
            f"cifar10, {network}": replace(
                image, dataset="cifar10", network=network, inputs="standard"
            )
            for network in ("cifar_resnet", "cifar_densenet")
        }
    return Comparison(
        tables=specs,
        flips={
            name: replace(spec, candidates="flip")
            for name, spec in specs.items()
            if spec.network in ("lenet", "cifar_densenet")
        },
        qs=(0.1, 0.3, 0.5, 0.7),
        last=10,
    )


def present(dataset: str, root: str, **load_options: Any) -> bool:
    """Whether a dataset's files are there."""
    try:
        data.load(dataset, root, **load_options)
    except FileNotFoundError:
        return False
    return True
