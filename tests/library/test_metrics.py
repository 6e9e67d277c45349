"""Metrics against scikit-learn, torchmetrics, SciPy and hand-made cases."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance
from sklearn.metrics import average_precision_score
from torchmetrics.functional.classification import multilabel_average_precision

from weaklabels import metrics


@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=40, deadline=None)
def test_average_precision_is_scikit_learns(rows, classes, seed, ties):
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 3, (rows, classes))
    if ties:
        scores = scores.round(0)
    truth = (rng.random((rows, classes)) < 0.4).astype(int)
    found = metrics.average_precision(torch.tensor(scores), torch.tensor(truth))
    for c in range(classes):
        wanted = average_precision_score(truth[:, c], scores[:, c]) if truth[:, c].any() else 0.0
        assert found[c] == pytest.approx(100 * wanted, abs=1e-9)


def test_saturated_logits_keep_their_order():
    scores = torch.tensor([[200.0], [100.0], [150.0]])
    truth = torch.tensor([[1], [0], [0]])
    assert metrics.average_precision(scores, truth)[0] == pytest.approx(100)


def test_class_without_positives_counts_zero():
    found = metrics.mean_average_precision(torch.rand(4, 2), torch.tensor([[1, 0]] * 4))
    assert found == pytest.approx(50)


@pytest.mark.parametrize("shape", [(0, 3), (3,)])
def test_average_precision_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match="expected the same shape"):
        metrics.average_precision(torch.zeros(shape), torch.zeros(shape))


def test_average_precision_is_torchmetrics():
    scores, truth = torch.rand(50, 4, dtype=torch.float64), torch.rand(50, 4) < 0.3
    wanted = multilabel_average_precision(scores, truth.long(), num_labels=4, average=None)
    np.testing.assert_allclose(metrics.average_precision(scores, truth), 100 * wanted, rtol=1e-6)


def test_class_without_annotation_is_left_out():
    observed = torch.tensor([[1, 0], [-1, 0]])
    found = metrics.annotated_average_precision(torch.tensor([[2.0, 0], [1.0, 0]]), observed)
    assert found[0] == pytest.approx(100)
    assert np.isnan(found[1])


def test_wasserstein_distance_is_scipys():
    rng = np.random.default_rng(0)
    p, truth = rng.random((50, 2)), (rng.random((50, 2)) < 0.3).astype(int)
    truth[:, 1] = 0
    mask = rng.random((50, 2)) < 0.7
    found = metrics.class_wasserstein(p, truth, mask)
    on = mask[:, 0]
    wanted = wasserstein_distance(p[on & (truth[:, 0] == 1), 0], p[on & (truth[:, 0] == 0), 0])
    assert found[0] == pytest.approx(wanted)
    assert np.isnan(found[1])


def test_separation_needs_both_kinds():
    assert np.isnan(metrics.separation_auc(np.arange(3.0), np.ones(3, bool)))
    assert metrics.separation_auc(np.array([0.0, 1.0]), np.array([False, True])) == 1


def peak_at(row, column, size=6):
    maps = torch.zeros(1, 1, size, size)
    maps[0, 0, row, column] = 1
    return maps


@pytest.mark.parametrize(
    ("row", "column", "tolerance", "hit"),
    [(2, 2, 0, 1), (3, 3, 0, 1), (4, 3, 0, 0), (4, 3, 1, 1), (5, 5, 1, 0), (5, 5, 3, 1)],
)
def test_pointing_game_boxes_are_half_open_and_tolerance_is_euclidean(row, column, tolerance, hit):
    boxes = torch.tensor([[0, 0, 2, 2, 4, 4]])
    found = metrics.pointing_game(
        peak_at(row, column), torch.tensor([[1]]), boxes, (6, 6), tolerance
    )
    assert found.tolist() == [[0, 0, hit]]


def test_pointing_game_takes_any_box_of_the_class_and_only_present_classes():
    maps = torch.cat([peak_at(0, 0), peak_at(5, 5)], 1)
    boxes = torch.tensor([[0, 0, 4, 4, 6, 6], [0, 0, 0, 0, 1, 1], [0, 1, 0, 0, 6, 6]])
    found = metrics.pointing_game(maps, torch.tensor([[1, 0]]), boxes, (6, 6))
    assert found.tolist() == [[0, 0, 1]]


def test_accuracy_takes_the_first_of_equal_logits():
    assert metrics.accuracy(torch.tensor([[1.0, 1.0], [0.0, 1.0]]), torch.tensor([0, 1])) == 100


BAD = (float("nan"), float("inf"), -float("inf"))
TRUTH = torch.tensor([[1, 0], [0, 1], [1, 0]])
OF_SCORES = {
    "average_precision": lambda s: metrics.average_precision(s, TRUTH),
    "mean_average_precision": lambda s: metrics.mean_average_precision(s, TRUTH),
    "annotated_average_precision": lambda s: metrics.annotated_average_precision(s, 2 * TRUTH - 1),
    "precision_recall_f1": lambda s: metrics.precision_recall_f1(s, TRUTH, 0.5),
    "known_count_f1": lambda s: metrics.known_count_f1(s, TRUTH),
    "accuracy": lambda s: metrics.accuracy(s, TRUTH.argmax(1)),
    "separation_auc": lambda s: metrics.separation_auc(s[:, 0].numpy(), TRUTH[:, 0].numpy() == 1),
    "class_wasserstein": lambda s: metrics.class_wasserstein(
        s.numpy(), TRUTH.numpy(), np.ones((3, 2), bool)
    ),
    "pointing_game": lambda s: metrics.pointing_game(
        s[:, :, None, None].repeat(1, 1, 2, 2), TRUTH, torch.tensor([[0, 0, 0, 0, 1, 1]]), (2, 2)
    ),
}


def test_every_metric_is_tried_with_bad_scores():
    public = {
        n for n, f in vars(metrics).items() if callable(f) and f.__module__ == metrics.__name__
    }
    assert {n for n in public if not n.startswith("_")} == set(OF_SCORES)


@pytest.mark.parametrize("name", OF_SCORES)
@pytest.mark.parametrize("bad", BAD)
def test_scores_that_are_not_finite_are_refused(name, bad):
    scores = torch.tensor([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
    OF_SCORES[name](scores)
    for row in range(3):
        with pytest.raises(ValueError, match=f"score .* is {bad}: expected finite numbers"):
            OF_SCORES[name](
                scores.index_put((torch.tensor(row), torch.tensor(0)), torch.tensor(bad))
            )


@pytest.mark.parametrize("wrong", [-1, 2])
def test_unknown_labels_are_no_truth(wrong):
    truth = TRUTH.clone()
    truth[2, 1] = wrong
    scores = torch.rand(3, 2)
    for call in (
        lambda: metrics.average_precision(scores, truth),
        lambda: metrics.precision_recall_f1(scores, truth, 0.5),
        lambda: metrics.known_count_f1(scores, truth),
        lambda: metrics.class_wasserstein(scores.numpy(), truth.numpy(), truth.numpy() < 3),
    ):
        with pytest.raises(ValueError, match=f"truth holds {wrong}: expected 1 present and 0 abs"):
            call()
    with pytest.raises(ValueError, match=r"observed holds 2: expected \+1, 0 \(unknown\) and -1"):
        metrics.annotated_average_precision(scores, torch.full((3, 2), 2))


LABELS, SCORES = TRUTH.argmax(1), torch.tensor([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
MAPS, BOX = SCORES[:, :, None, None].repeat(1, 1, 2, 2), torch.tensor([[0, 0, 0, 0, 1, 1]])
MISFITS = {
    "labels in a column": (lambda: metrics.accuracy(SCORES, LABELS[:, None]), "expected .N, K."),
    "an unknown label": (lambda: metrics.accuracy(SCORES, LABELS - 1), "labels holds -1: expected"),
    "class 2 of two": (lambda: metrics.accuracy(SCORES, LABELS + 1), r"holds 2: .* in 0\.\.1"),
    "labels as floats": (lambda: metrics.accuracy(SCORES, LABELS / 1), "torch.float32: expected"),
    "no rows": (lambda: metrics.accuracy(SCORES[:0], LABELS[:0]), "with N >= 1"),
    "F1 of one column": (lambda: metrics.precision_recall_f1(SCORES, TRUTH[:, :1], 0), "N, C"),
    "F1 of a row": (lambda: metrics.known_count_f1(SCORES, TRUTH[0]), "the same shape .N, C."),
    "AUC of a column": (
        lambda: metrics.separation_auc(SCORES[:, 0].numpy(), TRUTH[:, :1].numpy()),
        r"scores \(3,\) and positive \(3, 1\): expected the same shape",
    ),
    "AUC of signs": (
        lambda: metrics.separation_auc(SCORES[:, 0].numpy(), np.array([1, -1, 1])),
        "positive holds -1: expected 1 present",
    ),
    "a mask for all classes": (
        lambda: metrics.class_wasserstein(SCORES.numpy(), TRUTH.numpy(), np.ones((3, 1), bool)),
        r"mask \(3, 1\): expected the same shape",
    ),
    "a mask of numbers": (
        lambda: metrics.class_wasserstein(SCORES.numpy(), TRUTH.numpy(), np.ones((3, 2), int)),
        "mask is of type int64: expected bool",
    ),
    "a threshold that is none": (
        lambda: metrics.precision_recall_f1(SCORES, TRUTH, float("nan")),
        "threshold is nan: expected a number",
    ),
    "whole scores": (
        lambda: metrics.known_count_f1((10 * SCORES).long(), TRUTH),
        "scores is of type torch.int64: expected floating-point numbers",
    ),
    "a tolerance below 0": (
        lambda: metrics.pointing_game(MAPS, TRUTH, BOX, (2, 2), -15),
        "tolerance is -15: expected at least 0",
    ),
    "maps of other images": (lambda: metrics.pointing_game(MAPS[1:], TRUTH, BOX, (2, 2)), "maps"),
    "a box of no image": (
        lambda: metrics.pointing_game(MAPS, TRUTH, BOX - 1, (2, 2)),
        "images of boxes holds -1: expected",
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_what_does_not_fit_is_refused(name):
    call, message = MISFITS[name]
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    "name",
    [n for n in OF_SCORES if n not in ("separation_auc", "class_wasserstein", "pointing_game")],
)
def test_arrays_for_tensors_are_named(name):
    kind = "logits" if name == "accuracy" else "scores"
    with pytest.raises(
        TypeError, match=f"{kind} is a ndarray: expected a tensor .torch.from_numpy"
    ):
        OF_SCORES[name](SCORES.numpy())
    with pytest.raises(TypeError, match="truth is a ndarray: expected a tensor"):
        metrics.average_precision(SCORES, TRUTH.numpy())


def test_pointing_game_leaves_out_what_has_no_box():
    boxes = torch.tensor([[0, 1, 0, 0, 6, 6]])
    found = metrics.pointing_game(
        torch.cat([peak_at(0, 0), peak_at(5, 5)], 1), torch.tensor([[1, 1]]), boxes, (6, 6)
    )
    assert found.tolist() == [[0, 1, 1]]
