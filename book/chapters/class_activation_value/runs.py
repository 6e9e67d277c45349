"""What the chapter on Class Activation Value Learning runs, by profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from weaklabels.lab import multilabel
from weaklabels.lab.candidate_sets import Spec
from weaklabels.lab.candidate_setting import (
    COMPARATORS,
    FLIPPED,
    Comparison,
    comparison,
    present,
    tiny,
)
from weaklabels.lab.candidate_setting import vary as by_name
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.tuned import FIRST_TUNING_SEED, Tuned
from weaklabels.train import OptimiserSpec

TABLE = ("supervised", "IM-avg", "IM-max", *COMPARATORS, "CAVL")
LATER = ("IM-max, later start", "CAVL, later start")
"""Rows whose starting epoch was chosen, as the learning rates are."""

MORE = ("CAVL, official masking",)
PILOT = ("IM-avg", "CAM", "CAVL")

RATES = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
"""Learning rates among which every method chooses."""

GRID = tuple(
    OptimiserSpec("adam", lr=lr, weight_decay=decay)
    for lr in (3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
    for decay in (1e-5, 1e-3)
)
"""Learning rates and weight decays among which every method chooses on real-world sets."""

LARGER = tuple(
    OptimiserSpec("adam", lr=lr, weight_decay=decay) for lr in (0.3, 1.0) for decay in (1e-5, 1e-3)
)
GRIDS = {"mlp": GRID, "linear": (*GRID, *LARGER)}
"""Network -> those that are tried; without hidden units larger rates are of use."""

STARTS = (1, 2, 5, 10, 20)
"""Starting epochs among which IM-max and CAVL choose."""

TUNING_SEEDS = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + 3)
RULE = "best validation accuracy, mean of the last epochs and of 3 seeds"

CHOSEN_RATES = {
    "supervised": 0.001,
    "IM-avg": 0.0001,
    "IM-max": 0.01,
    "CC": 0.001,
    "RC": 0.01,
    "PRODEN": 0.01,
    "LWS": 0.0003,
    "LWC": 0.01,
    "CAVL": 0.01,
}
"""Method -> learning rate chosen on digits with uniform sets (``record.tuning``)."""

CHOSEN_AT_Q = {
    0.1: {
        "IM-avg": 3e-05,
        "IM-max": 0.001,
        "CC": 0.001,
        "RC": 0.001,
        "PRODEN": 0.001,
        "LWS": 0.0003,
        "LWC": 0.0003,
        "CAVL": 0.001,
    },
    0.3: {
        "IM-avg": 0.0001,
        "IM-max": 0.001,
        "CC": 0.001,
        "RC": 0.003,
        "PRODEN": 0.01,
        "LWS": 0.0003,
        "LWC": 0.003,
        "CAVL": 0.03,
    },
    0.5: {
        "IM-avg": 0.0001,
        "IM-max": 0.01,
        "CC": 0.001,
        "RC": 0.01,
        "PRODEN": 0.01,
        "LWS": 0.0003,
        "LWC": 0.01,
        "CAVL": 0.01,
    },
    0.7: {
        "IM-avg": 0.0001,
        "IM-max": 0.01,
        "CC": 0.003,
        "RC": 0.01,
        "PRODEN": 0.01,
        "LWS": 0.0003,
        "LWC": 0.03,
        "CAVL": 0.01,
    },
}
"""Flipping probability -> method -> learning rate chosen on digits with such sets."""

CHOSEN_STARTS = {"IM-max": 1, "CAVL": 1}
"""Method -> starting epoch chosen there, at that learning rate."""

ON = "300 digits of each seed, {}"
UNIFORM = ON.format("uniform sets")
TUNED_AT_Q = tuple(
    Tuned(name, "learning rate", RATES, rate, RULE, ON.format(f"q = {q:g}"))
    for q, chosen in CHOSEN_AT_Q.items()
    for name, rate in chosen.items()
)
TUNED_ON_UNIFORM = (
    *(
        Tuned(name, "learning rate", RATES, rate, RULE, UNIFORM)
        for name, rate in CHOSEN_RATES.items()
    ),
    *(
        Tuned(f"{name}, later start", "starting epoch", STARTS, start, RULE, UNIFORM, bound=(1,))
        for name, start in CHOSEN_STARTS.items()
    ),
)
TUNED = (*TUNED_ON_UNIFORM, *TUNED_AT_Q)

LEVERAGES = (0.0, 0.5, 1.0, 2.0, 4.0)
"""Beta of LWS and LWC, the weight of what is no candidate."""

QS, WIDTHS, INTERVENED_STARTS = (0.3, 0.5, 0.7), (30, 100, 300), (1, 5, 20)
"""Flipping probability, hidden units and starting epoch that the intervention changes."""

SETS = {
    "birdsong": "BirdSong",
    "lost": "Lost",
    "msrcv2": "MSRCv2",
    "soccer_player": "Soccer Player",
    "yahoo_news": "Yahoo! News",
}
"""Real-world sets -> their names in tables."""

# -- settings by profile --------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings(Comparison):
    """What the chapter runs; beside the comparison:

    Attributes:
        pilot: the pilot experiment, on a network that has class activation maps.
        later_start: the starting epoch of the pilot's runs with more warm-up.
        lenet: the network without a pooled head whose Grad-CAM is drawn.
        vectors: the run on inputs without layout.
        start: the run whose starting epoch varies.
        starts: starting epochs.
        real: the comparisons on real-world sets that are computed and not only recorded.
    """

    pilot: Spec
    later_start: int
    lenet: Spec
    vectors: Spec
    start: Spec
    starts: tuple[int, ...]
    real: dict[str, Spec]


def settings(chapter: Setting) -> Settings:
    """The settings of the chapter's profile.

    Raises:
        FileNotFoundError: if the paper profile finds none of its datasets.
    """
    return chapter.choose(quick=_quick, smoke=_smoke, paper=_paper)(chapter)


def _quick(chapter: Setting) -> Settings:
    """Two settings on digits: for maps all training images, for comparisons few.

    Told the truth on all of them, a network makes a handful of errors, and no method can show what
    it is worth. Trained on 400 images and tested on 1,000 there is room.
    """
    compared = comparison(chapter)
    (mlp,) = compared.tables.values()
    mlp = replace(mlp, seed=chapter.first_seed)
    few = replace(mlp, data_options=options(test=1000), train_size=400, epochs=40)
    gap = replace(
        mlp,
        network="gap_cnn",
        network_options=(),
        epochs=25,
        optimiser=OptimiserSpec("adam", lr=3e-3, weight_decay=1e-4),
        track=("values", "maps"),
    )
    return Settings(
        tables={"digits, MLP": few},
        flips={"digits, MLP": replace(few, candidates="flip")},
        qs=compared.qs,
        last=compared.last,
        pilot=gap,
        later_start=5,
        lenet=_lenet(replace(gap, epochs=15)),
        vectors=replace(mlp, inputs="mixed"),
        start=few,
        starts=(0, 1, 5, 10, 20, 30),
        real={},
    )


def _lenet(spec: Spec) -> Spec:
    """The same run with LeNet, which reads its images at 28 x 28."""
    return replace(spec, network="lenet", inputs="28 x 28", track=("weights",))


def _smoke(chapter: Setting) -> Settings:
    larger = _quick(chapter)
    small = replace(tiny(larger.start), train_size=None)
    return replace(
        larger,
        tables={"digits, MLP": small},
        flips={"digits, MLP": replace(small, candidates="flip")},
        qs=(0.1, 0.7),
        last=1,
        pilot=tiny(larger.pilot),
        later_start=2,
        lenet=tiny(larger.lenet),
        vectors=tiny(larger.vectors),
        start=small,
        starts=(0, 1, 2),
    )


def _paper(chapter: Setting) -> Settings:
    compared = comparison(chapter)
    first = next(iter(compared.tables.values()))
    residual = compared.tables.get("cifar10, cifar_resnet", replace(first, network="cifar_resnet"))
    pilot = replace(residual, track=("values", "maps"))
    connected = replace(first, network="mlp")
    start = next((each for each in compared.tables.values() if each.network == "mlp"), connected)
    return Settings(
        **vars(compared),
        pilot=pilot,
        later_start=5,
        lenet=_lenet(pilot),
        vectors=replace(first, network="mlp", inputs="mixed"),
        start=start,
        starts=(0, 1, 5, 20, 50, 100, 150, 200, 240),
        real={
            label: real_world_spec(name, "mlp", chapter.data_root)
            for name, label in SETS.items()
            if present("partial_label", chapter.data_root, which=name)
        },
    )


def real_world_spec(name: str, network: str, data_root: str) -> Spec:
    """The protocol on a real-world set: random 80/20 splits, 250 epochs, batches of 128."""
    return Spec(
        "CAVL",
        dataset="partial_label",
        data_options=options(which=name),
        data_root=data_root,
        candidates="given",
        network=network,
        epochs=250,
        batch_size=128,
    )


def scene_spec(chapter: Setting) -> multilabel.Spec:
    """A network whose maps show *where*: trained with full labels on scenes of several digits."""
    small = options(train=50, val=20, test=20)
    return multilabel.Spec(
        "IU",
        options(epsilon=0.0),
        seed=chapter.first_seed,
        annotation="full",
        network_options=options(stride=2),
        data_options=chapter.choose(quick=(), paper=(), smoke=small),
        epochs=chapter.choose(quick=15, paper=15, smoke=2),
        track=("weights",),
        device=chapter.device,
    )


# -- tables of runs -------------------------------------------------------------------------------


def vary(base: Spec, name: str, **method_options: Any) -> Spec:
    """The same run with a method of the tables; on digits at the learning rate chosen for it.

    A name that ends in ``", later start"`` also gets the starting epoch chosen for it.
    """
    plain = name.removesuffix(", later start")
    if plain != name:
        method_options["start_epoch"] = min(CHOSEN_STARTS[plain], base.epochs - 1)
    chosen = CHOSEN_RATES | (CHOSEN_AT_Q.get(base.q, {}) if base.candidates == "flip" else {})
    rate = chosen.get(plain.removesuffix(", official masking"))
    spec = by_name(base, plain, **method_options)
    if base.dataset == "digits" and base.network == "mlp" and rate is not None:
        spec = replace(spec, optimiser=replace(spec.optimiser, lr=rate))
    return spec


def labelled(spec: Spec, label: str) -> Spec:
    """The same run with a row of a record, its optimiser left as it is.

    A row is a method of the tables; ``", T0 = n"`` after its name starts it later.
    """
    name, _, start = label.partition(", T0 = ")
    return by_name(spec, name, **({"start_epoch": int(start)} if start else {}))


def rows(base: Spec, names: Sequence[str]) -> dict[str, Spec]:
    """The run with each of several methods, by name."""
    return {name: vary(base, name) for name in names}


def pilot_table(chosen: Settings) -> dict[str, Spec]:
    """The rows of the pilot experiment."""
    return rows(chosen.pilot, PILOT)


def later_table(chosen: Settings) -> dict[str, Spec]:
    """Training by maps with more warm-up, beside averaging."""
    name, start = "CAM", chosen.later_start
    later = vary(chosen.pilot, name, start_epoch=start)
    return rows(chosen.pilot, ("IM-avg",)) | {f"{name} from epoch {start + 1}": later}


def flip_table(base: Spec, qs: Sequence[float]) -> dict[tuple[float, str], Spec]:
    """One run per flipping probability and method."""
    return {(q, name): spec for q in qs for name, spec in rows(replace(base, q=q), FLIPPED).items()}


def leverage_table(base: Spec) -> dict[tuple[str, float], Spec]:
    """Both forms of LW by beta; that of the main table stays as it is there."""
    return {
        (name, beta): vary(base, name, beta=beta) for name in ("LWS", "LWC") for beta in LEVERAGES
    }


def intervention_table(base: Spec) -> dict[tuple[float, int, str], Spec]:
    """PRODEN, and CAVL by starting epoch, at each flipping probability and width.

    The learning rates are those of the widest network at each flipping probability.
    """
    table = {}
    for q in QS:
        for width in WIDTHS:
            network = dict(base.network_options) | {"hidden": (width, width + 1)}
            spec = replace(base, candidates="flip", q=q, network_options=options(**network))
            table[q, width, "PRODEN"] = vary(spec, "PRODEN")
            for start in INTERVENED_STARTS:
                table[q, width, f"T0 = {start}"] = vary(spec, "CAVL", start_epoch=start)
    return table


def start_table(base: Spec, starts: Sequence[int]) -> dict[int, Spec]:
    """CAVL with as many epochs of CAV as with T0 = 1, so that a prefix has the fixed total.

    Nothing in training depends on its planned length, so the first ``base.epochs`` epochs of a
    longer run are the run of that length.
    """
    return {
        start: replace(spec, epochs=base.epochs + max(start - 1, 0))
        for start, spec in _started(base, "CAVL", starts).items()
    }


def hard_start_table(base: Spec, starts: Sequence[int]) -> dict[int, Spec]:
    """The same with the most probable candidate, at the fixed total only."""
    return _started(base, "IM-max", starts)


def _started(base: Spec, name: str, starts: Sequence[int]) -> dict[int, Spec]:
    # The default stays unnamed, so that the run is the one of the tables.
    return {
        start: vary(base, name, **({} if start == 1 else {"start_epoch": start}))
        for start in starts
    }
