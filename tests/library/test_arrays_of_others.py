"""Arrays as other people have them: any layout and type gives the same, and gaps are refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_matrix

from weaklabels import checks, crowds, metrics, weaken

TRUTH = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 0], [0, 0, 1]])
CLASSES = np.array([0, 2, 1, 1])
ANSWERS = np.array([[0, 1], [1, 1], [0, -1], [1, 0]])
SHARES = np.array([[0.7, 0.3], [0.2, 0.8], [0.5, 0.5], [0.1, 0.9]])
WORKERS = np.stack([[[0.8, 0.6], [0.2, 0.4]], [[0.3, 0.1], [0.7, 0.9]]])  # (K, K, R)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def twisted(values: np.ndarray) -> np.ndarray:
    """The same values in an array with negative strides."""
    return values[::-1].copy()[::-1]


FORMS = {
    "negative strides": twisted,
    "another byte order": lambda a: a.astype(">i4"),
    "unsigned": lambda a: a.astype(np.uint16),
    "a frame": pd.DataFrame,
    "a list": lambda a: a.tolist(),
    "truth values": lambda a: a.astype(bool),
    "a tensor": torch.tensor,
    "half precision": lambda a: torch.tensor(a).bfloat16().requires_grad_(),
    "Fortran's order": np.asfortranarray,
}


@pytest.mark.parametrize("form", FORMS)
def test_any_form_of_a_truth_is_weakened_alike(form: str) -> None:
    truth = FORMS[form](TRUTH)
    for weakened in (
        lambda y: weaken.full(y),
        lambda y: weaken.single_positive(y, rng()),
        lambda y: weaken.few_labels(y, rng(), positives=1, negatives=1),
        lambda y: weaken.keep_fraction(y, 0.5, rng()),
        lambda y: weaken.labelled_share(y, 0.5, rng()),
        lambda y: weaken.candidates(y, 0.5, rng()),
    ):
        found, expected = weakened(truth), weakened(TRUTH)
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("form", ["negative strides", "unsigned", "a list", "a tensor"])
def test_any_form_of_classes_is_weakened_alike(form: str) -> None:
    classes, turned = FORMS[form](CLASSES), weaken.symmetric_noise(3, 0.4)
    for weakened in (
        lambda y: weaken.uniform_candidates(y, 3, rng()),
        lambda y: weaken.flip_candidates(y, 3, 0.3, rng()),
        lambda y: weaken.class_dependent_candidates(y, turned, rng()),
        lambda y: weaken.noisy_labels(y, turned, rng()),
    ):
        assert np.array_equal(weakened(classes), weakened(CLASSES))
    assert weaken.flip_candidates(CLASSES.astype(np.uint64), 3, 0.3, rng()).shape == (4, 3)


def test_any_layout_is_measured_alike() -> None:
    scores, positive = np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])
    assert metrics.separation_auc(twisted(scores), twisted(positive)) == 0.75
    p, mask = SHARES[:, :1], np.ones((4, 1), bool)
    truth = np.array([[1], [0], [1], [0]])
    assert metrics.class_wasserstein(twisted(p), twisted(truth), twisted(mask)) == pytest.approx(
        metrics.class_wasserstein(p, truth, mask)
    )
    labels = torch.tensor([0, 1, 1, 1])
    for kind in (torch.uint8, torch.int16, torch.uint16):
        assert metrics.accuracy(torch.tensor(SHARES), labels.to(kind)) == 75


MASKED = np.ma.array(TRUTH, mask=TRUTH == 1)
HIDDEN = np.ma.array(ANSWERS, mask=[[0, 1], [0, 0], [0, 0], [0, 0]])
REFUSED = {
    "masked truth": (lambda: weaken.full(MASKED), "truth has masked values: expected"),
    "objects": (lambda: weaken.full(TRUTH.astype(object)), "truth is of type object: expected num"),
    "a sparse matrix": (lambda: weaken.full(csr_matrix(TRUTH)), "truth is of type object"),
    "names": (lambda: weaken.full(TRUTH.astype(str)), "truth is of type <U"),
    "nothing": (lambda: weaken.full(None), "truth is of type object"),
    "a wrong probability": (
        lambda: weaken.class_dependent_candidates(CLASSES, np.full((3, 3), 1.4), rng()),
        "transition hold 1.4: expected probabilities",
    ),
    "rows that do not add up": (
        lambda: weaken.noisy_labels(CLASSES, np.full((3, 3), 0.3), rng()),
        "rows of transition add up to 0.9",
    ),
    "masked answers, counted": (lambda: crowds.class_counts(HIDDEN, 2), "answers has masked"),
    "masked answers, votes": (lambda: crowds.votes(HIDDEN, 2), "answers has masked values"),
    "masked scores": (
        lambda: metrics.separation_auc(np.ma.array(SHARES[:, 0], mask=[0, 0, 0, 1]), TRUTH[:, 0]),
        "scores has masked values",
    ),
    "one worker for two": (
        lambda: crowds.network_posterior(ANSWERS[:, :1], SHARES, WORKERS),
        r"confusion has shape \(2, 2, 2\): expected \(K, K, R\) = \(2, 2, 1\)",
    ),
    "two workers for one": (
        lambda: crowds.network_posterior(ANSWERS, SHARES, WORKERS[:, :, :1]),
        r"confusion has shape \(2, 2, 1\): expected \(K, K, R\) = \(2, 2, 2\)",
    ),
    "answers of three axes": (
        lambda: crowds.majority_vote(np.zeros((2, 2, 2), int), 2),
        r"answers \(2, 2, 2\): expected a shape \(n, R\)",
    ),
    "answers of one": (lambda: crowds.votes(np.array([0, 1]), 2), r"answers \(2,\): expected"),
    "classes that are no number": (lambda: crowds.votes(ANSWERS, 2.7), "classes is 2.7: expected"),
    "workers who never end": (
        lambda: crowds.draw_workers(2, 3, rng(), concentration=np.inf),
        "concentration is inf: expected a finite number",
    ),
    "an endless smoothing": (
        lambda: crowds.dawid_skene(ANSWERS, 2, smoothing=np.inf),
        "smoothing is inf: expected a finite number",
    ),
    "half an iteration": (
        lambda: crowds.dawid_skene(ANSWERS, 2, iterations=2.5),
        "iterations is 2.5: expected a whole number",
    ),
    "a prior below nothing": (
        lambda: crowds.reliability(ANSWERS, SHARES, -5.0),
        "prior is -5.0: expected at least 0",
    ),
    "a prior that is no number": (
        lambda: crowds.reliability(ANSWERS, SHARES, np.nan),
        "prior is nan: expected at least 0",
    ),
    "no classes": (
        lambda: metrics.mean_average_precision(torch.zeros(2, 0), torch.zeros(2, 0)),
        r"truth \(2, 0\): expected the same shape \(N, C\) with C >= 1",
    ),
    "truth values for annotations": (
        lambda: metrics.annotated_average_precision(torch.rand(2, 2), torch.ones(2, 2).bool()),
        "observed is of type torch.bool",
    ),
    "no probabilities": (
        lambda: metrics.class_wasserstein(
            np.full((2, 1), 50.0), np.array([[0], [1]]), np.ones((2, 1), bool)
        ),
        r"probabilities holds 50: expected numbers in \[0, 1\]",
    ),
    "boxes of five numbers": (
        lambda: metrics.pointing_game(
            torch.rand(1, 1, 2, 2), torch.ones(1, 1), torch.zeros(0, 5), (2, 2)
        ),
        r"boxes has shape \(0, 5\): expected \(M, 6\) = \(any, 6\)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_counted_is_refused(name: str) -> None:
    call, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: weaken.keep_fraction(TRUTH, 0.5, 0), "rng is 0: expected a NumPy generator"),
        (lambda: weaken.flip_candidates(CLASSES, 3, 0.3, None), "rng is None: expected a NumPy"),
        (lambda: crowds.draw_workers(2, 3, 0), "rng is 0: expected a NumPy generator"),
        (lambda: crowds.class_counts(ANSWERS.tolist(), 2), "answers is a list: expected a NumPy"),
        (lambda: crowds.reliability(ANSWERS, SHARES.tolist()), "predictions is a list: expected"),
        (lambda: metrics.accuracy(torch.zeros(1, 2), [0]), "labels is a list: expected a tensor"),
        (lambda: metrics.separation_auc([0.1], np.array([1])), "scores is a list: expected a Num"),
    ],
)
def test_what_is_no_array_is_refused(call, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call()


def test_boxes_of_bytes_are_numbers_and_no_mask() -> None:
    maps = torch.rand(3, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    boxes = torch.tensor([[1, 1, 0, 0, 4, 4]] * 3)
    found = [
        metrics.pointing_game(maps, torch.ones(3, 3), boxes.to(kind), (4, 4)).tolist()
        for kind in (torch.int64, torch.uint8, torch.int16)
    ]
    assert found == [[[1, 1, 1]]] * 3
    none = metrics.pointing_game(maps, torch.ones(3, 3), torch.zeros(0, 6), (4, 4))
    assert none.shape == (0, 3)


def test_peaks_of_double_precision_are_seen() -> None:
    maps = torch.tensor([[[[1.0, 1 + 1e-9]]]], dtype=torch.float64)
    found = metrics.pointing_game(
        maps, torch.ones(1, 1), torch.tensor([[0, 0, 0, 1, 1, 2]]), (1, 2)
    )
    assert found.tolist() == [[0, 0, 1]]


def test_a_long_double_is_looked_at() -> None:
    assert checks.within(np.array([0.5], np.longdouble), 0, 1, "p") is None
    with pytest.raises(ValueError, match="p holds 2: expected numbers in"):
        checks.within(np.array([2], np.uint16), 0, 1, "p")
