"""What the chapter on Class Activation Value Learning runs, by profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from weaklabels.lab import multilabel
from weaklabels.lab.candidate_sets import Spec
from weaklabels.lab.candidate_setting import (
    COMPARATORS,
    FLIPPED,
    Comparison,
    comparison,
    present,
    rows,
    tiny,
    vary,
)
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.train import OptimiserSpec

TABLE = ("supervised", "IM-avg", "IM-max", *COMPARATORS, "CAVL", "CAVL, official masking")
PILOT = ("IM-avg", "IM-max", "CAM", "CAVL")

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
    compared = comparison(chapter)
    mlp = next(iter(compared.tables.values()))
    gap = replace(
        mlp,
        network="gap_cnn",
        network_options=(),
        epochs=25,
        optimiser=OptimiserSpec("adam", lr=3e-3, weight_decay=1e-4),
        track=("values", "maps"),
    )
    return Settings(
        **vars(compared),
        pilot=gap,
        later_start=5,
        lenet=_lenet(replace(gap, epochs=15)),
        vectors=replace(mlp, inputs="mixed"),
        start=mlp,
        starts=(0, 1, 4, 8, 16, 26),
        real={},
    )


def _lenet(spec: Spec) -> Spec:
    """The same run with LeNet, which reads its images at 28 x 28."""
    return replace(spec, network="lenet", inputs="28 x 28", track=("weights",))


def _smoke(chapter: Setting) -> Settings:
    larger = _quick(chapter)
    return replace(
        larger,
        pilot=tiny(larger.pilot),
        later_start=2,
        lenet=tiny(larger.lenet),
        starts=(0, 1, 2),
    )


def _paper(chapter: Setting) -> Settings:
    compared = comparison(chapter)
    first = next(iter(compared.tables.values()))
    residual = compared.tables.get("cifar10, cifar_resnet", replace(first, network="cifar_resnet"))
    pilot = replace(residual, track=("values", "maps"))
    return Settings(
        **vars(compared),
        pilot=pilot,
        later_start=5,
        lenet=_lenet(pilot),
        vectors=replace(first, network="mlp", inputs="mixed"),
        start=first,
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
    small = options(train=100, val=20, test=20)
    return multilabel.Spec(
        "IU",
        options(epsilon=0.0),
        annotation="full",
        network_options=options(stride=2),
        data_options=chapter.choose(quick=(), paper=(), smoke=small),
        epochs=chapter.choose(quick=15, paper=15, smoke=2),
        track=("weights",),
    )


# -- tables of runs -------------------------------------------------------------------------------


def pilot_table(chosen: Settings) -> dict[str, Spec]:
    """The rows of the pilot experiment, and those with more warm-up."""
    later = {
        f"{name} from epoch {chosen.later_start + 1}": vary(
            chosen.pilot, name, start_epoch=chosen.later_start
        )
        for name in ("CAM", "CAVL")
    }
    return rows(chosen.pilot, PILOT) | later


def flip_table(base: Spec, qs: Sequence[float]) -> dict[tuple[float, str], Spec]:
    """One run per flipping probability and method."""
    return {(q, name): spec for q in qs for name, spec in rows(replace(base, q=q), FLIPPED).items()}


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
