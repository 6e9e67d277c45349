"""A setting that a protocol would not look at is refused, and not ignored in silence."""

import pytest

from weaklabels.lab import candidate_sets, multilabel, noisy_labels
from weaklabels.lab.spec import options
from weaklabels.train import OptimiserSpec

CASES = {
    "views": (multilabel.run, multilabel.Spec("AN", views=((("flip",),),)), "views is"),
    "flipping probability": (
        candidate_sets.run,
        candidate_sets.Spec("PRODEN", candidates="uniform", q=0.3),
        "q is 0.3",
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
