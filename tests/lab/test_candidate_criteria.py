"""Judging on validation examples that have candidate sets alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from weaklabels.lab import candidate_criteria, candidate_sets
from weaklabels.lab.candidate_criteria import approximated_accuracy, covering_rate, held_out_sets
from weaklabels.lab.candidate_sets import Spec
from weaklabels.lab.spec import options


def small(candidates: str = "flip") -> Spec:
    return Spec(
        "CC",
        data_options=options(test=1500, val=100),
        candidates=candidates,
        q=0.5,
        network_options=options(hidden=(8,)),
        epochs=2,
    )


def test_candidates_alone_judge_a_prediction() -> None:
    logits = torch.tensor([[4.0, 1.0, 0.0], [0.0, 3.0, 1.0], [0.0, 1.0, 5.0]])
    sets = torch.tensor([[True, True, False], [True, False, True], [False, False, True]])
    assert covering_rate(logits, sets) == pytest.approx(200 / 3)
    p = torch.tensor([4.0, 1.0]).softmax(0)[0].item()
    # As in PLENCH's code: 1 minus what the other candidates have of the posterior.
    assert approximated_accuracy(logits, sets) == pytest.approx(100 * (p + 0 + 1) / 3)


@pytest.mark.parametrize("candidates", ["flip", "uniform"])
def test_sets_of_the_validation_part_are_drawn_as_those_of_training(candidates: str) -> None:
    spec = small(candidates)
    splits = candidate_sets.load_splits(spec)
    sets, truth = held_out_sets(spec, splits), splits.validation().y
    assert sets.shape == (100, 10)
    assert sets.gather(1, truth[:, None]).all()  # the truth is among them
    assert sets.sum(1).double().mean() == pytest.approx(1 + 9 / 2, abs=0.5)
    assert sets.equal(held_out_sets(replace(spec, method="CAVL"), splits))
    assert not sets.equal(held_out_sets(replace(spec, seed=1), splits))


def test_what_is_trained_is_the_same_with_and_without_the_criteria() -> None:
    spec = small()
    plain = candidate_sets.run(spec)
    judged = candidate_criteria.train(spec, candidate_sets.load_splits(spec))
    assert set(judged) - set(plain) == {"covering rate", "approximated accuracy"}
    for name in plain:
        np.testing.assert_array_equal(plain[name], judged[name])
    for curve in candidate_criteria.CRITERIA.values():
        assert judged[curve].shape == (2,)
    assert (judged["covering rate"] >= judged["val_accuracy"]).all()
    assert (judged["covering rate"] >= judged["approximated accuracy"]).all()
