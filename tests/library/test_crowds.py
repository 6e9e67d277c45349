"""Crowd answers: simulated workers, and truth inference against other code."""

import numpy as np
import pytest
import torch

from tests.golden import cases
from weaklabels import crowds

GOLDEN = cases("self_crowd")
TOLERANCE = 1e-9


def case(name):
    return GOLDEN[name]["inputs"], GOLDEN[name]["expected"]


def test_em_agrees_with_the_authors_code():
    inputs, expected = case("em_aggregator")
    answers, p = np.array(inputs["answers"]), np.array(inputs["predictions"])
    votes = crowds.majority_vote(answers, p.shape[1])
    assert votes.tolist() == expected["majority_vote"]
    confusion = crowds.reliability(answers, p, inputs["pi_prior"])
    np.testing.assert_allclose(confusion, expected["pi"], atol=TOLERANCE, rtol=0)
    posterior = crowds.network_posterior(answers, p, confusion)
    wanted = np.array(expected["posterior_unnormalised"])
    wanted /= wanted.sum(1, keepdims=True)
    np.testing.assert_allclose(posterior, wanted, atol=TOLERANCE, rtol=0)
    assert posterior.argmax(1).tolist() == expected["posterior_argmax"]


@pytest.mark.parametrize("iterations", [1, 5, 15])
def test_dawid_skene_agrees_with_crowd_kit(iterations):
    inputs, expected = case("dawid_skene")
    answers = np.array(inputs["answers"])
    posterior, shares, confusion = crowds.dawid_skene(
        answers, 3, iterations=iterations, smoothing=0
    )
    for found, key in ((posterior, "posterior"), (shares, "priors"), (confusion, "confusion")):
        wanted = expected[f"{key}_after_{iterations}"]
        np.testing.assert_allclose(found, wanted, atol=TOLERANCE, rtol=0)


def test_workers_are_distributions_with_the_wanted_rates():
    confusion = crowds.draw_workers(6, 5, np.random.default_rng(0), right=(0.4, 0.6))
    np.testing.assert_allclose(confusion.sum(2), 1)
    diagonal = confusion[:, np.arange(5), np.arange(5)]
    assert diagonal.min() >= 0.4
    assert diagonal.max() <= 0.6


def test_answers_follow_the_confusions():
    rng = np.random.default_rng(0)
    confusion = crowds.draw_workers(2, 3, rng)
    truth = np.repeat(np.arange(3), 4000)
    answers = crowds.answer(truth, confusion, np.ones((12000, 2), bool), rng)
    for r in range(2):
        shares = np.stack(
            [np.bincount(answers[truth == c, r], minlength=3) / 4000 for c in range(3)]
        )
        np.testing.assert_allclose(shares, confusion[r], atol=0.03)
    asked = np.zeros((5, 2), bool)
    assert (crowds.answer(truth[:5], confusion, asked, rng) == -1).all()


def test_few_workers_are_asked():
    rng = np.random.default_rng(0)
    asked = crowds.few_workers(np.ones((4000, 20), bool), 2.0, rng)
    assert asked.sum(1).min() == 1
    assert asked.sum(1).mean() == pytest.approx(2, abs=0.06)
    one = crowds.few_workers(np.ones((50, 4), bool), 1.0, rng)
    assert (one.sum(1) == 1).all()
    possible = rng.random((200, 5)) < 0.3
    few = crowds.few_workers(possible, 4.0, rng)
    assert not (few & ~possible).any()
    assert (few.sum(1) >= np.minimum(possible.sum(1), 1)).all()


def test_votes_break_ties_at_random_or_downwards():
    answers = np.tile([2, 1, -1], (400, 1))
    assert set(crowds.majority_vote(answers, 3)) == {1}
    drawn = crowds.majority_vote(answers, 3, np.random.default_rng(0))
    assert 100 < (drawn == 2).sum() < 300
    assert 0 not in drawn
    clear = crowds.majority_vote(np.array([[0, 0, 2]]), 3, np.random.default_rng(0))
    assert clear.tolist() == [0]


def test_dawid_skene_finds_who_is_reliable():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 300)
    good, bad = np.full((3, 3), 0.05) + 0.85 * np.eye(3), np.full((3, 3), 1 / 3)
    confusion = np.stack([good, good, bad, bad, bad])
    answers = crowds.answer(truth, confusion, np.ones((300, 5), bool), rng)
    posterior, shares, found = crowds.dawid_skene(answers, 3)
    vote = crowds.majority_vote(answers, 3, rng)
    assert (posterior.argmax(1) == truth).mean() > (vote == truth).mean() + 0.05
    np.testing.assert_allclose(posterior.sum(1), 1)
    np.testing.assert_allclose(found.sum(2), 1)
    np.testing.assert_allclose(shares.sum(), 1)
    assert found[0, 0, 0] > 0.8 > found[3, 0, 0]


@pytest.mark.parametrize("gap", [np.nan, 0.5])
def test_a_gap_in_the_answers_is_no_silence(gap):
    answers = np.array([[0, 1], [gap, 1]])
    for infer in (crowds.dawid_skene, crowds.majority_vote):
        with pytest.raises(ValueError, match="answers are float64: expected whole numbers, -1 for"):
            infer(answers, 2)
    with pytest.raises(ValueError, match="the confusions are not all finite"):
        crowds.network_posterior(
            np.zeros((2, 1), int), np.full((2, 2), 0.5), np.full((2, 2, 1), np.inf)
        )


def test_dawid_skene_survives_one_answer_an_example():
    posterior, _, confusion = crowds.dawid_skene(np.array([[0, -1], [-1, 1], [1, -1]]), 3)
    assert np.isfinite(posterior).all()
    assert np.isfinite(confusion).all()


def test_annotations_are_counted_by_class():
    assert crowds.class_counts(np.array([[0, -1], [2, 2]]), 4).tolist() == [1, 0, 2, 0]


@pytest.mark.parametrize("smoothing", [0, 0.01])
def test_a_task_without_answers_changes_nothing_and_is_as_likely_as_its_class(smoothing):
    rng = np.random.default_rng(0)
    answers = rng.integers(-1, 3, (30, 4))
    answers[:, 0] = rng.integers(0, 3, 30)
    wanted = crowds.dawid_skene(answers, 3, smoothing=smoothing)
    holes = np.insert(answers, [0, 7, 30], -1, axis=0)
    posterior, shares, confusion = crowds.dawid_skene(holes, 3, smoothing=smoothing)
    empty = (holes < 0).all(1)
    assert empty.sum() == 3
    np.testing.assert_array_equal(posterior[~empty], wanted[0])
    np.testing.assert_array_equal(shares, wanted[1])
    np.testing.assert_array_equal(confusion, wanted[2])
    np.testing.assert_array_equal(posterior[empty], np.tile(shares, (3, 1)))


def test_answers_that_say_nothing_are_refused():
    with pytest.raises(ValueError, match="no answer is given"):
        crowds.dawid_skene(np.full((3, 2), -1), 2)
    for wrong in (2, -2):
        with pytest.raises(ValueError, match=r"expected -1 \(none\) to 1"):
            crowds.votes(np.array([[0, wrong]]), 2)


def test_what_inference_cannot_take_is_named():
    answers = np.array([[0, 1], [1, 1]])
    for infer in (crowds.dawid_skene, crowds.majority_vote, crowds.votes):
        with pytest.raises(
            TypeError, match=r"answers is a Tensor: expected a NumPy array .its nump"
        ):
            infer(torch.from_numpy(answers), 2)
    for smoothing in (float("nan"), -0.1):
        with pytest.raises(ValueError, match=f"smoothing is {smoothing}: expected at least 0"):
            crowds.dawid_skene(answers, 2, smoothing=smoothing)
    for concentration in (0, float("nan")):
        with pytest.raises(
            ValueError, match=f"concentration is {concentration}: expected a number"
        ):
            crowds.draw_workers(2, 3, np.random.default_rng(0), concentration=concentration)


def test_predictions_that_are_not_finite_are_refused():
    answers, p = np.array([[0, 1], [1, 1]]), np.array([[0.5, 0.5], [np.nan, 0.5]])
    with pytest.raises(ValueError, match="prediction of example 1 is not finite"):
        crowds.reliability(answers, p)
    with pytest.raises(ValueError, match="prediction of example 1 is not finite"):
        crowds.network_posterior(answers, p, np.ones((2, 2, 2)))
