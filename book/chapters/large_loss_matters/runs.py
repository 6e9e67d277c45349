"""What is run for the chapter on *Large Loss Matters* (Kim et al., CVPR 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from weaklabels.lab.missing_labels import single_positive_spec
from weaklabels.lab.multilabel import Spec
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.tuned import Tuned
from weaklabels.train import OptimiserSpec

LL = ("LL-R", "LL-Ct", "LL-Cp")
TABLE_METHODS = ("Full label", "Naive AN", "WAN", "LSAN", "EPR", "ROLE", *LL)
CHECKED = ("Naive AN", *LL)
"""What a check trains; the other rows of Table 2 are left to the record."""

FEWER_METHODS = ("Naive AN", "LSAN", "ROLE", "LL-Ct", "Full label")
SPARSE_METHODS = ("Naive IU", "Curriculum", "Naive AN", "WAN", "LSAN", *LL)
MAP_METHODS = ("Naive AN", "ROLE", "LL-Ct")
RATE_METHODS = ("Naive AN", "WAN", "LSAN", "EPR", "ROLE", "LL-R")
LEARNING_RATE_FACTORS = (0.1, 0.3, 1, 3, 10, 30)
"""On the learning rates of the main table, in the study of learning rates: up to where the best
epoch of every method has become worse."""
SLOW, FAST = 0.1, 3
"""The two of them that row 14a compares; it was written when they were the ends."""

VOC_RATES = {"LL-R": 0.002, "LL-Ct": 0.002, "LL-Cp": 0.001}
"""Share of the labels per epoch, the authors' choice for VOC (official repository, issue 4)."""

GRIDS: dict[str, tuple[str, tuple[float, ...]]] = {
    "WAN": ("weight", (0.002, 0.005, 0.01, 0.02, 0.05)),
    "LSAN": ("smoothing", (0.05, 0.1, 0.2, 0.3, 0.4)),
    "LL-R": ("rate", (0.010, 0.015, 0.020, 0.030, 0.045)),
    "LL-Ct": ("rate", (0.005, 0.010, 0.015, 0.020, 0.030)),
    "LL-Cp": ("rate", (0.004, 0.008, 0.016, 0.024, 0.032)),
}
"""Method -> its option and the values tried on scenes; AN, EPR and ROLE have none to choose."""

_CHOSEN = {"WAN": 0.005, "LSAN": 0.3, "LL-R": 0.030, "LL-Ct": 0.015, "LL-Cp": 0.016}

TUNED = tuple(
    Tuned(
        method,
        option,
        values,
        _CHOSEN[method],
        "best validation mAP, mean of 3 seeds",
        "validation scenes of seeds 1000 to 1002",
    )
    for method, (option, values) in GRIDS.items()
)
"""The options on scenes, as the recorded tuning chose them."""

OPTIONS: dict[str, dict[str, float]] = {
    "scenes": {each.method: each.chosen for each in TUNED},
    "voc2012": VOC_RATES,
    "voc2012_features": VOC_RATES,
}
"""Dataset -> method -> its option; methods that it lacks have their usual one."""


@dataclass(frozen=True)
class Settings:
    """The settings of a profile.

    Attributes:
        base: the run that all others vary, naive AN with one positive label an image.
        watched_epochs: length of the run in which memorisation is watched.
        rates: of LL-Ct, for the study of Figure 5.
        sizes: numbers of training images, for the study of Figure 6; all of them come on top.
    """

    base: Spec
    watched_epochs: int
    rates: tuple[float, ...]
    sizes: tuple[int, ...]


def settings(chapter: Setting) -> Settings:
    """The settings of the chapter's profile."""
    return Settings(
        single_positive_spec(chapter),
        watched_epochs=chapter.choose(quick=35, paper=10, smoke=2),
        rates=chapter.choose(
            quick=(0.0025, 0.005, 0.010, 0.015, 0.020, 0.030, 0.060),
            paper=(0.001, 0.002, 0.003, 0.004, 0.005),
            smoke=(OPTIONS["scenes"]["LL-Ct"], 0.060),
        ),
        sizes=chapter.choose(quick=(125, 250, 500), paper=(457, 1143, 2287), smoke=(32,)),
    )


def vary(base: Spec, name: str, value: float | None = None) -> Spec:
    """The same run with a method of the tables, by the name used there.

    Args:
        base: what is varied.
        name: of the method.
        value: of its option (see ``GRIDS``); None: the one of the dataset.
    """
    if name == "Full label":
        return replace(base, method="IU", method_options=options(epsilon=0.0), annotation="full")
    if name.startswith("Naive "):
        method = name.removeprefix("Naive ")
        return replace(base, method=method, method_options=options(epsilon=0.0))
    chosen = OPTIONS[base.dataset].get(name) if value is None else value
    own = {} if chosen is None else {GRIDS[name][0]: chosen}
    varied = replace(base, method=name, method_options=options(**own))
    if name == "ROLE" and base.optimiser.name == "sgd":
        # An estimate's gradient is a share of 1 / (B C): with SGD it would stay where it began.
        varied = replace(varied, optimiser=OptimiserSpec("adam", lr=1e-5), linear_lr=1e-3)
    return varied


def table(base: Spec, methods: Sequence[str] = TABLE_METHODS) -> dict[str, Spec]:
    """A run with each of the methods."""
    return {name: vary(base, name) for name in methods}


def watched(chosen: Settings) -> dict[str, Spec]:
    """Figure 1 and Table 1: naive AN, longer than is good for it, with all training logits."""
    longer = replace(chosen.base, epochs=chosen.watched_epochs, track=("entry_logits",))
    return {"Naive AN": longer}


def end_to_end(chosen: Settings, methods: Sequence[str] = TABLE_METHODS) -> dict[str, Spec]:
    """Table 2 without linear phase, and Table 4; LL also records what it modifies, at which logits.

    Figures 3 and 4 come from the same runs, and the activation maps from the weights of some.
    """
    tracked = {}
    for name, spec in table(chosen.base, methods).items():
        more = ("modified", "entry_logits") if name in LL else ()
        maps = ("weights",) if name in MAP_METHODS else ()
        tracked[name] = replace(spec, track=("pointing", *more, *maps))
    return tracked


def linear_init(chosen: Settings) -> dict[str, Spec]:
    """Table 2 with a linear phase first."""
    return table(replace(chosen.base, linear_init=True))


def rate_study(chosen: Settings) -> dict[float, Spec]:
    """Figure 5: LL-Ct at each rate."""
    return {rate: vary(chosen.base, "LL-Ct", rate) for rate in chosen.rates}


def size_study(
    chosen: Settings, all_images: int, *, equal_steps: bool = False
) -> dict[tuple[int, str], Spec]:
    """Figure 6: (number of training images, method) -> run.

    Args:
        chosen: settings.
        all_images: size of the whole training set; a size above it is no reason to train less.
        equal_steps: train with fewer images for as many steps as with all of them, that is for more
            epochs; LL's rate is then as large per step, and its schedule ends with the same share.
            Otherwise the number of epochs is the same.
    """
    table = {}
    for size in chosen.sizes:
        factor = max(all_images / size, 1.0) if equal_steps else 1.0
        epochs = round(factor * chosen.base.epochs)
        base = replace(chosen.base, train_size=size, epochs=epochs)
        for name in FEWER_METHODS:
            usual = OPTIONS[base.dataset].get(name)
            value = usual / factor if usual is not None and name in LL else None
            table[size, name] = vary(base, name, value)
    return table


def learning_rates(chosen: Settings) -> dict[tuple[float, str], Spec]:
    """(Factor on the learning rates of network and head, method) -> run; 1 is in the main table."""
    optimiser = chosen.base.optimiser
    table = {}
    for factor in LEARNING_RATE_FACTORS:
        changed = replace(
            optimiser,
            lr=factor * optimiser.lr,
            head_lr=factor * (optimiser.head_lr or optimiser.lr),
        )
        base = replace(chosen.base, optimiser=changed)
        table |= {(factor, name): vary(base, name) for name in RATE_METHODS if factor != 1}
    return table


def counted(chosen: Settings, positives: float, classes: int) -> dict[tuple[str, str], Spec]:
    """(What is known of the number of positives, method) -> run.

    EPR and ROLE are told the true mean number in the main table. Here they expect the one positive
    that an image is known to have, or a number that is wrong by half of the true one. LL-R needs no
    number; told it, it has the rate at which it rejects in the last epoch as large a share as is
    false.

    Args:
        chosen: settings.
        positives: true mean number of positives of an image, more than 1.
        classes: number of labels of an image.
    """
    base = chosen.base
    counts = {"not told": 1.0, "half too low": 0.5 * positives, "half too high": 1.5 * positives}
    table = {
        (known, name): replace(vary(base, name), method_options=options(count=count))
        for known, count in counts.items()
        for name in ("EPR", "ROLE")
    }
    rate = (positives - 1) / classes / (base.epochs - 1)
    return table | {("told", "LL-R"): vary(base, "LL-R", rate)}


def sparse(chosen: Settings) -> dict[str, Spec]:
    """In place of Table 3: one positive and two negatives are annotated."""
    known = options(positives=1, negatives=2)
    base = replace(chosen.base, annotation="few labels", annotation_options=known)
    return table(base, SPARSE_METHODS)
