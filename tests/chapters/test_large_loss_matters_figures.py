"""The figures of *Large Loss Matters* tell their curves apart by more than colour."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from chapters.large_loss_matters import figures, runs

RUNS = np.array([[1.0, 3.0, 2.0], [2.0, 4.0, 3.0]])
NAMES = {"fewer": runs.FEWER_METHODS, "modified": runs.LL}


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def looks(ax):
    """Line and marker of every curve and level line of a panel with a name."""
    named = [line for line in ax.lines if not line.get_label().startswith("_")]
    return [(line.get_linestyle(), line.get_marker()) for line in named]


def each_is_its_own(ax, count):
    assert len(looks(ax)) == count == len(set(looks(ax)))


def test_methods_are_told_by_line_and_marker():
    fig = figures.draw_precision(
        dict.fromkeys(NAMES["modified"], RUNS),
        dict.fromkeys(NAMES["modified"], np.full_like(RUNS, 10)),
        dict.fromkeys(("LL-R", "naive AN"), RUNS),
    )
    for ax, count in zip(fig.axes, (4, 2), strict=True):
        each_is_its_own(ax, count)
    found = dict.fromkeys(NAMES["fewer"], RUNS)
    for ax in figures.draw_sizes((10, 20, 40), {"epochs": found, "steps": found}, 10).axes:
        each_is_its_own(ax, len(NAMES["fewer"]))


def test_moments_are_told_by_line_and_marker():
    found = dict.fromkeys(("best", "last"), RUNS)
    fig = figures.draw_rates((0.01, 0.02, 0.03), found, {"best": 1.0, "last": 2.0})
    each_is_its_own(fig.axes[0], 4)


def test_kinds_of_labels_are_told_by_line_with_single_labels_and_without():
    curves = {"FN": RUNS, "TN": RUNS}
    fig = figures.draw_memorisation({"FN": RUNS[0], "TN": RUNS[1]}, curves)
    left, right = fig.axes
    assert [line.get_linestyle() for line in left.lines[:2]] == ["-", "--"]
    each_is_its_own(right, 2)
    (ax,) = figures.draw_mean_memorisation(curves).axes
    each_is_its_own(ax, 2)
    assert [text.get_text() for text in ax.texts if text.get_text()] == ["rise", "memorisation"]
