"""Label noise: the transitions and the labels drawn from them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
