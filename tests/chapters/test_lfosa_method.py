"""LfOSA and its comparators against the authors' code, closed forms and boundaries."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from tests.golden import cases
from weaklabels import methods
from weaklabels.methods import lfosa
from weaklabels.methods.base import Context

GOLDEN = cases("lfosa")


@pytest.mark.parametrize("name", [n for n in GOLDEN if n.startswith("detector_loss")])
def test_detector_loss_agrees_with_the_authors_code(name):
    inputs, expected = GOLDEN[name]["inputs"], GOLDEN[name]["expected"]
    logits = torch.tensor(inputs["logits"], dtype=torch.float64, requires_grad=True)
    labels = torch.tensor(inputs["original_labels"])
    labels[inputs["invalid_indices"]] = inputs["num_known"]
    assert labels.tolist() == expected["relabelled"]
    loss = lfosa.detector_loss(
        logits,
        labels,
        temperature=inputs["known_T"],
        unknown_temperature=inputs["unknown_T"],
    )
    assert loss.item() == pytest.approx(expected["loss"], abs=1e-9)
    (gradient,) = torch.autograd.grad(loss, logits)
    np.testing.assert_allclose(gradient, expected["grad_logits"], atol=1e-9, rtol=0)


def scores_of(name, logits):
    """Scores that the four official queries of the golden values rank by."""
    if name == "query_uncertainty":
        return lfosa.entropy(logits).numpy()
    values, predicted = lfosa.maximum_activation(logits)
    if name == "query_certainty_max_av":
        return values
    outputs = logits.shape[1]
    classes = outputs if name == "query_av_gmm_no_unknown_class" else outputs - 1
    return lfosa.known_posterior(values, predicted, classes)


def known_and_unknown(case, chosen):
    """Ids that a query found to be known and unknown, and its precision and recall."""
    ids, truth = np.array(case["pool_ids"]), np.array(case["true_labels"])
    known = truth < case["num_known"]
    before = case["n_labeled_known_before"]
    return {
        "valid_query_ids": sorted(ids[chosen[known[chosen]]].tolist()),
        "invalid_query_ids": sorted(ids[chosen[~known[chosen]]].tolist()),
        "precision": known[chosen].mean(),
        "recall": (known[chosen].sum() + before) / (known.sum() + before),
    }


def nearly(expected):
    """The same with a tolerance for numbers."""
    return {k: pytest.approx(v) if isinstance(v, float) else v for k, v in expected.items()}


@pytest.mark.parametrize("name", ["query_uncertainty", "query_certainty_max_av"])
def test_plain_queries_agree_with_the_authors_code(name):
    inputs, expected = GOLDEN[name]["inputs"], GOLDEN[name]["expected"]
    logits = torch.tensor(inputs["logits"], dtype=torch.float64)
    uncertain = name == "query_uncertainty"
    scores = lfosa.entropy(logits) if uncertain else lfosa.maximum_activation(logits)[0]
    chosen = lfosa.largest(np.asarray(scores), inputs["query_batch"])
    assert known_and_unknown(inputs, chosen) == nearly(expected)


@pytest.mark.parametrize(
    ("name", "extra"), [("query_lfosa_av_temperature", 0), ("query_av_gmm_no_unknown_class", 1)]
)
def test_mixture_queries_agree_with_the_authors_code(name, extra):
    inputs, expected = GOLDEN[name]["inputs"], GOLDEN[name]["expected"]
    classes = inputs["num_known"] + extra
    logits = torch.tensor(inputs["logits"], dtype=torch.float64)
    values, predicted = lfosa.maximum_activation(logits)
    np.testing.assert_allclose(values, expected["mav"], atol=1e-9, rtol=0)
    assert predicted.tolist() == expected["predicted_class"]
    scores = lfosa.known_posterior(values, predicted, classes, seed=0)
    np.testing.assert_allclose(scores, expected["score_per_pool_position"], atol=1e-7, rtol=0)
    # The query was made from another start of the mixtures, and sixteen posteriors are 1 to the
    # last bit: which fifteen of them are taken depends on the sort.
    scores = lfosa.known_posterior(values, predicted, classes, seed=1)
    ids = np.array(inputs["pool_ids"])
    official = np.isin(ids, expected["valid_query_ids"] + expected["invalid_query_ids"])
    ours = lfosa.largest(scores, inputs["query_batch"])
    assert (scores[official] == 1).all()
    assert (scores[ours] == 1).all()
    assert official[ours].sum() >= inputs["query_batch"] - 1
    found = known_and_unknown(inputs, np.flatnonzero(official))
    assert found == nearly({key: expected[key] for key in found})


def test_gradient_of_the_detector_loss():
    logits = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 1, 2, 3, 3, 0])

    def loss(z):
        return lfosa.detector_loss(z, labels, temperature=0.3, unknown_temperature=2.0)

    assert torch.autograd.gradcheck(loss, logits)


def test_temperature_divides_the_logits_and_nothing_else():
    logits, labels = torch.randn(5, 3, dtype=torch.float64), torch.tensor([0, 1, 2, 2, 0])
    at_one = lfosa.detector_loss(logits / 0.1, labels, temperature=1, unknown_temperature=1)
    cold = lfosa.detector_loss(logits, labels, temperature=0.1, unknown_temperature=0.1)
    assert cold.item() == pytest.approx(at_one.item(), abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_detector_loss_is_finite_for_extreme_logits(dtype):
    logits = torch.tensor([[100.0, -100.0, 0.0], [-100.0, 100.0, 100.0]], dtype=dtype)
    logits.requires_grad_()
    loss = lfosa.detector_loss(logits, torch.tensor([1, 2]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


def test_methods_train_with_their_temperatures():
    logits = torch.randn(4, 3)
    detector = methods.create("LfOSA", temperature=0.5, unknown_temperature=2.0)
    detector.start(Context(torch.tensor([2, 0, 1, 2, 0])))
    index = torch.tensor([4, 3, 2, 0])
    wanted = lfosa.detector_loss(logits, torch.tensor([0, 2, 1, 2]), unknown_temperature=2.0)
    assert detector.loss(logits, index) == wanted
    assert methods.create("LfOSA", temperature=0.7).unknown_temperature == 0.7
    classifier = methods.create("LfOSA classifier")
    classifier.start(Context(torch.tensor([2, 0, 1, 2, 0])))
    plain = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 2, 1, 2]))
    assert classifier.loss(logits, index) == plain


def test_the_upper_gaussian_is_that_of_the_larger_mean_not_of_the_larger_weight():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0, 1, 300), rng.normal(10, 1, 30)])
    mixture = lfosa.fit_mixture(values)
    assert mixture.means == pytest.approx([0, 10], abs=0.5)
    assert mixture.weights == pytest.approx([10 / 11, 1 / 11], abs=0.02)
    scores = mixture.posterior(values)
    assert scores[:300].max() < 0.5 < scores[300:].min()
    # Bayes' rule with SciPy's densities.
    low, high = (
        mixture.weights[i] * stats.norm.pdf(values, mixture.means[i], mixture.deviations[i])
        for i in (0, 1)
    )
    np.testing.assert_allclose(scores, high / (low + high), atol=1e-12)
    np.testing.assert_allclose(mixture.densities(values), np.stack([low, high], 1), atol=1e-12)


def test_posterior_far_from_both_gaussians_is_a_probability():
    mixture = lfosa.Mixture(np.array([0.0, 1.0]), np.array([1.0, 0.01]), np.array([0.5, 0.5]))
    scores = mixture.posterior(np.array([-1e4, 0.5, 1.0, 1e4]))
    assert np.isfinite(scores).all()
    assert ((scores >= 0) & (scores <= 1)).all()


def test_unknown_and_rare_classes_have_no_score():
    values = np.array([9.0, 1.0, 2.0, 8.0, 3.0])
    predicted = np.array([2, 0, 0, 1, 0])
    scores = lfosa.known_posterior(values, predicted, classes=2)
    assert scores[0] == 0  # predicted unknown
    assert scores[3] == 0  # the only one of its class
    assert (scores[[1, 2, 4]] > 0).any()
    assert lfosa.known_posterior(np.empty(0), np.empty(0, int), 3).shape == (0,)
    assert (lfosa.known_posterior(np.full(6, 2.0), np.zeros(6, int), 1) <= 1).all()


def test_equal_scores_are_taken_in_order():
    assert lfosa.largest(np.array([1.0, 2.0, 2.0, 0.0, 2.0]), 3).tolist() == [1, 2, 4]
    assert lfosa.largest(np.array([1.0]), 5).tolist() == [0]


def test_balanced_takes_turns_and_leaves_the_doubtful_to_the_end():
    scores = np.array([0.9, 0.8, 0.7, 0.99, 0.4, 0.95])
    predicted = np.array([0, 0, 0, 1, 1, 2])
    # Class 2 is unknown; row 4 is doubtful: both come last, by their scores.
    assert lfosa.balanced(scores, predicted, 2, 6).tolist() == [3, 0, 1, 2, 5, 4]


@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 2**20))
def test_balanced_is_a_choice_without_repetition(count, classes, seed):
    rng = np.random.default_rng(seed)
    scores, predicted = rng.random(count), rng.integers(0, classes + 1, count)
    chosen = lfosa.balanced(scores, predicted, classes, 10)
    assert len(chosen) == min(count, 10) == len(set(chosen))
    sure = (scores > 0.5) & (predicted < classes)
    assert sure[chosen].sum() == min(sure.sum(), 10)
    shares = np.bincount(predicted[chosen[sure[chosen]]], minlength=classes + 1)[:classes]
    offered = np.bincount(predicted[sure], minlength=classes + 1)[:classes]
    # A class has two fewer than another only if it has no more to offer.
    assert all(s >= shares.max() - 1 or s == o for s, o in zip(shares, offered, strict=True))


def test_entropy_and_mutual_information():
    logits = torch.tensor([[0.0, 0.0, 0.0], [100.0, -100.0, 0.0]], dtype=torch.float64)
    assert lfosa.entropy(logits).tolist() == pytest.approx([np.log(3), 0], abs=1e-12)
    agree = logits.expand(4, -1, -1)
    assert lfosa.mutual_information(agree).tolist() == pytest.approx([0, 0], abs=1e-12)
    sure = torch.tensor([[[100.0, -100.0]], [[-100.0, 100.0]]], dtype=torch.float64)
    assert lfosa.mutual_information(sure).item() == pytest.approx(np.log(2))  # sure, and at odds


@settings(deadline=None)
@given(arrays(np.float64, (3, 4, 5), elements=st.floats(-20, 20)))
def test_mutual_information_is_not_negative(values):
    logits = torch.from_numpy(values)
    found = lfosa.mutual_information(logits)
    assert (found >= -1e-12).all()
    assert (found <= np.log(5) + 1e-12).all()


def test_core_set_goes_where_nothing_is():
    candidates = torch.tensor([[0.0], [1.0], [10.0], [6.0]])
    chosen = lfosa.k_centre_greedy(candidates, torch.tensor([[0.0]]), 3)
    assert chosen.tolist() == [2, 3, 1]  # 10 is farthest from 0; 6 from {0, 10}; 1 from {0, 6, 10}
    same = lfosa.k_centre_greedy(torch.zeros(3, 2), torch.zeros(1, 2), 9)
    assert sorted(same.tolist()) == [0, 1, 2]


def test_weibull_tail_agrees_with_scipy():
    distances = np.random.default_rng(1).gamma(3, 1, 60)
    fitted = lfosa.WeibullTail.fit(distances, tail=20)
    tail = np.sort(distances)[-20:]
    shape, _, scale = stats.weibull_min.fit(tail - tail[0] + 1, floc=0)
    assert (fitted.shape, fitted.scale) == pytest.approx((shape, scale), rel=1e-3)
    grid = np.linspace(tail[0] - 2, 20, 30)
    wanted = stats.weibull_min.cdf(grid - tail[0] + 1, fitted.shape, scale=fitted.scale)
    np.testing.assert_allclose(fitted.cdf(grid), wanted, atol=1e-12)


@pytest.mark.parametrize("distances", [[2.0], [2.0, 2.0, 2.0]])
def test_weibull_tail_of_equal_distances_is_a_step(distances):
    fitted = lfosa.WeibullTail.fit(np.array(distances))
    assert fitted.cdf(np.array([1.0, 2.0, 2.1])).tolist() == [0, 0, 1]


def test_openmax_doubts_what_lies_far_from_all_means():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 30)
    labelled = rng.normal(0, 0.5, (60, 2)) + 6 * np.eye(2)[labels]
    pool = np.array([[6.0, 0.0], [0.0, 6.0], [14.0, 9.0]])
    unknown = lfosa.openmax_unknown(pool, labelled, labels)
    assert unknown[2] > 0.5 > max(unknown[:2])
    wrong = lfosa.openmax_unknown(pool, labelled[:, ::-1], labels)  # no example is classified right
    assert np.isfinite(wrong).all()
