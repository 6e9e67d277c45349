"""Label noise: the transitions and the labels drawn from them; what no model takes for a truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weaklabels import weaken
from weaklabels.weaken import asymmetric_noise, noisy_labels, symmetric_noise


@given(
    classes=st.integers(2, 12), rate=st.floats(0, 1), seed=st.integers(0, 99), pair=st.booleans()
)
def test_noise_transitions_are_distributions_with_the_asked_rate(classes, rate, seed, pair):
    transition = (asymmetric_noise if pair else symmetric_noise)(classes, rate)
    np.testing.assert_allclose(transition.sum(1), 1)
    np.testing.assert_allclose(np.diag(transition), 1 - rate)
    truth = np.arange(200) % classes
    given_labels = noisy_labels(truth, transition, np.random.default_rng(seed))
    assert given_labels.dtype == np.int64
    assert (transition[truth, given_labels] > 0).all()
    again = noisy_labels(truth, transition, np.random.default_rng(seed))
    np.testing.assert_array_equal(given_labels, again)


def test_noise_has_the_asked_frequencies():
    truth = np.repeat(np.arange(5), 20_000)
    for transition in (symmetric_noise(5, 0.4), asymmetric_noise(5, 0.4, (1, 0, 2, 4, 3))):
        labels = noisy_labels(truth, transition, np.random.default_rng(0))
        counts = np.zeros((5, 5))
        np.add.at(counts, (truth, labels), 1)
        np.testing.assert_allclose(counts / 20_000, transition, atol=0.015)


def test_pair_flipping_is_the_default_asymmetric_noise():
    expected = [[0.7, 0.3, 0], [0, 0.7, 0.3], [0.3, 0, 0.7]]
    np.testing.assert_allclose(asymmetric_noise(3, 0.3), expected)
    truth = np.array([0, 1, 2])
    rng = np.random.default_rng(0)
    assert noisy_labels(truth, asymmetric_noise(3, 1.0), rng).tolist() == [1, 2, 0]
    assert noisy_labels(truth, symmetric_noise(3, 0.0), rng).tolist() == [0, 1, 2]
    assert noisy_labels(truth[:0], symmetric_noise(3, 0.5), rng).shape == (0,)


def test_bad_noise_is_refused_in_one_sentence():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"rate is 1\.2: expected a share"):
        symmetric_noise(3, 1.2)
    with pytest.raises(ValueError, match=r"shape \(2, 3\): expected"):
        noisy_labels(np.array([0]), np.ones((2, 3)) / 3, rng)
    with pytest.raises(ValueError, match=r"class numbers in 0\.\.2"):
        noisy_labels(np.array([3]), symmetric_noise(3, 0.1), rng)


MULTI_LABEL = {
    "single_positive": weaken.single_positive,
    "few_labels": lambda y, rng: weaken.few_labels(y, rng, positives=1, negatives=1),
    "keep_fraction": lambda y, rng: weaken.keep_fraction(y, 0.5, rng),
    "full": lambda y, rng: weaken.full(y),
    "labelled_share": lambda y, rng: weaken.labelled_share(y, 1.0, rng),
    "candidates": lambda y, rng: weaken.candidates(y, 0.5, rng),
}
ONE_CLASS = {
    "uniform_candidates": lambda y, rng: weaken.uniform_candidates(y, 3, rng),
    "flip_candidates": lambda y, rng: weaken.flip_candidates(y, 3, 0.5, rng),
    "class_dependent_candidates": lambda y, rng: weaken.class_dependent_candidates(
        y, symmetric_noise(3, 0.5), rng
    ),
    "noisy_labels": lambda y, rng: noisy_labels(y, symmetric_noise(3, 0.5), rng),
}
OF_NO_TRUTH = {"symmetric_noise", "asymmetric_noise", "cyclic_transition"}


def test_every_annotation_model_is_tried():
    public = {n for n, f in vars(weaken).items() if getattr(f, "__module__", "") == weaken.__name__}
    assert {n for n in public if not n.startswith("_")} == {*MULTI_LABEL, *ONE_CLASS, *OF_NO_TRUTH}


@pytest.mark.parametrize("name", MULTI_LABEL)
def test_a_truth_in_another_code_is_refused(name):
    truth, rng = np.array([[1, 0, 1], [0, 1, 0]]), np.random.default_rng(0)
    for fine in (truth, truth.astype(bool), truth.astype(float)):
        assert MULTI_LABEL[name](fine, rng).shape == (2, 3)
    for bad, value in ((2 * truth - 1, -1), (2 * truth, 2), (truth + 0.5, 1.5)):
        with pytest.raises(ValueError, match=f"truth holds {value}: expected 1 present and 0 abs"):
            MULTI_LABEL[name](bad, rng)
    with pytest.raises(ValueError, match=r"truth has shape \(3,\): expected \(N, C\)"):
        MULTI_LABEL[name](truth[0], rng)


@pytest.mark.parametrize("name", ONE_CLASS)
def test_what_is_no_class_number_is_refused(name):
    rng = np.random.default_rng(0)
    for kind in (np.int64, np.uint8):
        assert len(ONE_CLASS[name](np.array([0, 2], kind), rng)) == 2
    for bad in (np.array([0.0, 1.5]), np.array([False, True])):
        with pytest.raises(ValueError, match=r"truth is of type torch\.\w+: expected whole"):
            ONE_CLASS[name](bad, rng)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: weaken.cyclic_transition(3, (0.5, 1.2)), r"rates hold 1\.2: expected prob"),
        (lambda: weaken.cyclic_transition(2, (0.5, 0.1)), "classes is 2: expected at least 3"),
        (lambda: symmetric_noise(1, 0.1), "classes is 1: expected at least 2"),
        (lambda: asymmetric_noise(3, 0.1, (1, 2, -1)), "mistaken_for holds -1: expected"),
        (lambda: asymmetric_noise(3, 0.1, (1, 2)), r"mistaken_for \(2,\): expected the same"),
        (
            lambda: weaken.few_labels(np.eye(2), np.random, positives=-1, negatives=0),
            "positives is -1: expected at least 0",
        ),
        (
            lambda: weaken.few_labels(np.eye(2), np.random, positives=1.5, negatives=0),
            "positives is 1.5: expected a whole number",
        ),
        (
            lambda: weaken.labelled_share(np.eye(2), 1.5, np.random),
            r"share is 1.5: expected a number in \[0, 1\]",
        ),
    ],
)
def test_settings_that_mean_nothing_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
