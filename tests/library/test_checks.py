"""Checks raise or do nothing: no key of a run counts them, so nothing else may come of them."""

import inspect

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from weaklabels import checks
from weaklabels.train import OptimiserSpec

TRUTH, LABELS = np.array([[1, 0], [0, 1]]), np.array([0, 1])
FINE = {
    "present_or_absent": (TRUTH,),
    "binary": (LABELS, "labels"),
    "finite": (TRUTH / 2,),
    "shaped": (TRUTH, (None, 2), "N, 2", "truth"),
    "generator": (np.random.RandomState(0),),
    "class_numbers": (LABELS, 2),
    "every_class": (LABELS, 2),
    "one_a_row": (TRUTH, LABELS),
    "at_least": (1, 1, "count"),
    "probabilities": ((0, 0.5, 1), "rates"),
    "observed": (TRUTH, np.array([[1, 0], [0, -1]])),
    "candidates": (TRUTH == 1, TRUTH),
    "answers": (np.array([[0, -1], [1, 1]]), 2),
    "weak_labels": (np.array([[0.0, 1.0], [0.5, 0.5]]), "distributions"),
    "boolean": (TRUTH == 1, "mask"),
    "floating": (TRUTH / 2, "images"),
    "rankable": (np.array([1.0, -np.inf]), "scores"),
    "one_each": (np.array([0.1, 0.2]), 2, "priors"),
    "within": (np.array([0.0, 1 + 1e-6]), 0, 1, "p"),
    "shares": (np.array([[0.0, 1.0], [0.5, 0.5]]), "votes"),
    "ascending": ((0, 2, 5), "taps"),
    "number": (np.inf, "threshold"),
    "whole": (np.int64(2), "positives"),
    "one_of": ("a", ("a", "b"), "form"),
    "among": (("a", "b", "a"), ("a", "b"), "methods"),
    "box": ((0.0, 1.0), (1.0, 2.0), 2),
    "continues": (torch.tensor([1.0, torch.nan]), torch.tensor([1.0, torch.nan])),
    "same_parameters": (nn.Linear(2, 1), nn.Linear(2, 1)),
    "unused": (OptimiserSpec(lr=3), "warm_up", "cycle_epochs"),
    "has_dropout": (nn.Sequential(nn.Dropout(0.5)),),
}


def test_every_check_is_tried():
    public = {n for n, f in inspect.getmembers(checks, inspect.isfunction) if n[0] != "_"}
    assert public == {*FINE, "same_shape", "same_length", "instances"}


@pytest.mark.parametrize("name", FINE)
@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_a_check_that_passes_returns_and_changes_nothing(name, kind):
    given = [kind(a) if isinstance(a, np.ndarray) else a for a in FINE[name]]
    assert getattr(checks, name)(*given) is None
    for now, before in zip(given, FINE[name], strict=True):
        if not isinstance(before, Tensor | nn.Module):
            assert np.array_equal(now, before)


@pytest.mark.parametrize(
    "call",
    [
        lambda: checks.at_least(None, 1, "k"),
        lambda: checks.within(None, 0, 1, "share"),
        lambda: checks.within(np.zeros((0, 2)), 0, 1, "p"),
        lambda: checks.within(TRUTH == 1, 0, 1, "p"),
        lambda: checks.within(np.array([0.5, np.nan, np.inf]), 0, 1, "p", finite=True),
        lambda: checks.boolean(None, "mask"),
        lambda: checks.shares(None, "votes"),
        lambda: checks.one_each(None, 3, "mean"),
        lambda: checks.one_each(0.5, 3, "prior"),
        lambda: checks.candidates(TRUTH.astype(float)),
        lambda: checks.observed(TRUTH, TRUTH == 1, flags=True),
        lambda: checks.weak_labels(np.array([[0, -1]]), "answers"),
        lambda: checks.weak_labels(LABELS, "classes"),
        lambda: checks.box((), (), 3),
        lambda: checks.continues(torch.ones(2), None),
        lambda: checks.same_length(rows=TRUTH, labels=LABELS, others=None),
        lambda: checks.same_shape("...", a=np.zeros((2, 1, 3)), b=np.zeros((2, 1, 3))),
        lambda: checks.one_a_row(TRUTH, weights=LABELS, keep=None),
        lambda: checks.instances(np.ndarray, truth=TRUTH, labels=LABELS),
        lambda: checks.class_numbers(np.array([0, 127], np.int8), 200),
        lambda: checks.answers(np.array([[-1, 127]], np.int8), 200),
    ],
)
def test_what_has_no_say_passes(call):
    assert call() is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: checks.same_length(x=TRUTH, y=LABELS[:1]),
            r"\(2, 2\) and y \(1,\): expected as",
        ),
        (lambda: checks.one_a_row(TRUTH, weights=LABELS[:1]), r"and weights \(1,\): expected"),
        (lambda: checks.within(1 + 1e-6, 0, 1, "share"), "share is 1.000001: expected a number in"),
        (lambda: checks.within(np.full(2, np.nan), 0, 1, "p"), "p holds nan: expected numbers in"),
        (
            lambda: checks.within(np.array([np.nan, 2.0]), 0, 1, "p", finite=True),
            "p holds 2: expected numbers in",
        ),
        (lambda: checks.number(np.nan, "threshold"), "threshold is nan: expected a number"),
        (lambda: checks.whole(1.5, "positives"), "positives is 1.5: expected a whole number"),
        (lambda: checks.whole(True, "positives"), "positives is True: expected a whole number"),
        (lambda: checks.class_numbers(np.array([-1], np.int8), 200), r"holds -1: .* in 0..199"),
        (lambda: checks.answers(np.array([[-2]], np.int8), 200), "hold -2: expected -1 .* to 199"),
        (lambda: checks.among("ac", "ab", "row"), "row is 'c': expected one of a, b"),
        (lambda: checks.at_least(0, 0, "q", above=True), "q is 0: expected a number above 0"),
        (lambda: checks.same_shape("N", least=0, a=TRUTH), r"a \(2, 2\): expected a shape \(N\)"),
    ],
)
def test_the_message_says_what_was_given_and_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("shapes", "axes", "least", "fits"),
    [
        ([(2, 3), (2, 3)], "N, C", 1, True),
        ([(2, 3), (2, 1)], "N, C", 1, False),
        ([(2,), (2,)], "N, C", 1, False),
        ([(0,), (0,)], "N", 1, False),
        ([(0,), (0,)], "N", 0, True),
        ([(3,), (3,), (4,)], "N", 0, False),
    ],
)
def test_shapes_have_to_agree_with_each_other_and_with_the_axes(shapes, axes, least, fits):
    arrays = {f"array {i}": np.zeros(shape) for i, shape in enumerate(shapes)}
    if fits:
        assert checks.same_shape(axes, least=least, **arrays) is None
    else:
        with pytest.raises(ValueError, match=r"array 0 \(.*expected the same shape"):
            checks.same_shape(axes, least=least, **arrays)


@pytest.mark.parametrize("bad", [float("nan"), -0.1, 1.1])
def test_what_is_no_probability_is_refused(bad):
    with pytest.raises(ValueError, match=f"rates hold {bad}: expected probabilities"):
        checks.probabilities((0.5, bad), "rates")


def test_a_number_that_is_none_is_not_large_enough():
    with pytest.raises(ValueError, match="count is nan: expected at least 0"):
        checks.at_least(float("nan"), 0, "count")
