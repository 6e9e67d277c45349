"""A setting that a room's own run would not look at, or does not know, is refused, and not ignored
in silence."""

from dataclasses import replace

import pytest
from chapters.bldr import photographs as bldr
from chapters.cdcr import real_candidates
from chapters.l2d import photographs as l2d
from chapters.pu_mlc import studies
from chapters.self_crowd import anonymous
from chapters.self_crowd import photographs as crowd
from chapters.self_crowd import runs as self_crowd
from chapters.stability_attacks import runs as stability

from weaklabels.lab.spec import options
from weaklabels.train import OptimiserSpec

NAMED = crowd.Spec(dataset="cifar10n", data_root="data", data_options=(), cache="features")
NAMELESS = anonymous.without_names(NAMED)
NOISY = bldr.Spec(
    "CE",
    dataset="cifar10n",
    data_root="data",
    data_options=options(raw=True),
    cache="features",
)

CASES = {
    "augmentation": (studies.run, studies.ChangedSpec("PU-MLC", augment=(("flip",),)), "augment"),
    "average": (l2d.run, l2d.PhotographSpec("BCE", average=0.9), "average is 0.9"),
    "schedule": (
        stability.run,
        stability.Spec(optimiser=OptimiserSpec(cycle_epochs=3)),
        "cycle_epochs is 3, which this run ignores: expected None",
    ),
    "methods": (
        self_crowd.run_on,
        self_crowd.Spec(methods=("MV", "zzz")),
        "a method is 'zzz': expected one of MV, shares",
    ),
    "candidates or truth": (
        real_candidates.run,
        real_candidates.Spec("Annotated", told="zzz"),
        "told is 'zzz': expected one of candidates, truth",
    ),
    **{
        f"{name}, {field}": (run, replace(spec, **{field: value}), f"{field} is")
        for name, run, spec in (
            ("named crowd", crowd.run, NAMED),
            ("nameless crowd", anonymous.run, NAMELESS),
            ("noisy photographs", bldr.run, NOISY),
        )
        for field, value in (
            ("dataset", "digits"),
            ("data_options", options(test=500)),
            ("workers", 5),
        )
        if hasattr(spec, field)
    },
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_room_would_ignore_is_refused(case):
    run, spec, message = CASES[case]
    no_data = [None] * (run is self_crowd.run_on)
    with pytest.raises(ValueError, match=message):
        run(spec, *no_data)
