"""A setting that a room's own run would not look at is refused, and not ignored in silence."""

import pytest
from chapters.l2d import photographs as l2d
from chapters.pu_mlc import studies
from chapters.stability_attacks import runs as stability

from weaklabels.train import OptimiserSpec

CASES = {
    "augmentation": (studies.run, studies.ChangedSpec("PU-MLC", augment=(("flip",),)), "augment"),
    "average": (l2d.run, l2d.PhotographSpec("BCE", average=0.9), "average is 0.9"),
    "schedule": (
        stability.run,
        stability.Spec(optimiser=OptimiserSpec(cycle_epochs=3)),
        "cycle_epochs is 3, which this run ignores: expected None",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_room_would_ignore_is_refused(case):
    run, spec, message = CASES[case]
    with pytest.raises(ValueError, match=message):
        run(spec)
