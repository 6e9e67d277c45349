"""A setting that a protocol would not look at, or does not know, is refused, and not ignored in
silence."""

import pytest

from weaklabels.lab import candidate_sets, multilabel, noisy_labels, two_stage
from weaklabels.lab.spec import options
from weaklabels.train import OptimiserSpec

CASES = {
    "views": (multilabel.run, multilabel.Spec("AN", views=((("flip",),),)), "views is"),
    **{
        f"flipping probability, {kind}": (
            candidate_sets.run,
            candidate_sets.Spec("PRODEN", candidates=kind, q=0.3),
            "q is 0.3",
        )
        for kind in ("uniform", "uniform official", "given")
    },
    "views, two stages": (
        two_stage.run,
        two_stage.Spec("Annotated", views=((("flip",),),)),
        "views is",
    ),
    "weights handed over": (
        two_stage.run,
        two_stage.Spec(
            "Annotated",
            data_options=options(train=20, val=4, test=4),
            warm_up=two_stage.Stage(hand_over="zzz"),
        ),
        "hand_over is 'zzz': expected one of average, current",
    ),
    "momentum of Adam": (
        candidate_sets.run,
        candidate_sets.Spec("PRODEN", optimiser=OptimiserSpec("adam", momentum=0.5)),
        "momentum is 0.5, which this run ignores: expected 0.9",
    ),
    "length of no schedule": (
        candidate_sets.run,
        candidate_sets.Spec("PRODEN", optimiser=OptimiserSpec(cycle_epochs=3)),
        "cycle_epochs is 3, which this run ignores: expected None",
    ),
    "schedule": (
        noisy_labels.run,
        noisy_labels.Spec(
            "CE", network_options=options(inputs=64), optimiser=OptimiserSpec(warm_up=0.2)
        ),
        "warm_up is 0.2, which this run ignores: expected None",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_protocol_would_ignore_is_refused(case):
    run, spec, message = CASES[case]
    with pytest.raises(ValueError, match=message):
        run(spec)
