"""Checks raise or do nothing: no key of a run counts them, so nothing else may come of them."""

import inspect

import numpy as np
import pytest
import torch

from weaklabels import checks

TRUTH, LABELS = np.array([[1, 0], [0, 1]]), np.array([0, 1])
FINE = {
    "present_or_absent": (TRUTH,),
    "binary": (LABELS, "labels"),
    "class_numbers": (LABELS, 2),
    "one_a_row": (TRUTH, LABELS),
    "at_least": (1, 1, "count"),
    "probabilities": ((0, 0.5, 1), "rates"),
}


def test_every_check_is_tried():
    public = {n for n, f in inspect.getmembers(checks, inspect.isfunction) if n[0] != "_"}
    assert public == {*FINE, "same_shape"}


@pytest.mark.parametrize("name", FINE)
@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_a_check_that_passes_returns_and_changes_nothing(name, kind):
    given = [kind(a) if isinstance(a, np.ndarray) else a for a in FINE[name]]
    assert getattr(checks, name)(*given) is None
    for now, before in zip(given, FINE[name], strict=True):
        assert np.array_equal(now, before)


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
