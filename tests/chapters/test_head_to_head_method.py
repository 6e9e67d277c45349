"""Statistics of the head to head, and CAP's thresholds on single labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from chapters.head_to_head import ranking
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from weaklabels import methods
from weaklabels.methods.base import Context
from weaklabels.methods.cap import class_aware, class_proportions

# -- ranking --------------------------------------------------------------------------------------

DEMSAR = (1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164)
"""q at 5 % for 2 to 10 methods: Demsar (2006), Table 5."""


def test_nemenyi_values_are_those_of_demsar() -> None:
    found = [ranking.studentised(k) for k in range(2, 11)]
    assert found == pytest.approx(DEMSAR, abs=1.1e-3)


def test_critical_difference_of_demsars_example() -> None:
    # Four methods on 14 data sets (section 3.2.4): CD = 2.569 sqrt(4 * 5 / (6 * 14)) = 1.25.
    assert ranking.critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)


def test_demsars_example_joins_all_four_methods() -> None:
    # Mean ranks of section 3.2: the largest difference, 1.18, is within the critical one.
    means = np.array([1.964, 2.000, 2.893, 3.143])
    example = ranking.Ranking(tuple("abcd"), means, 14, 9.28, 0.026, 1.25)
    assert example.groups() == [(0, 3)]
    assert example.leaders() == list("abcd")


def test_ranks_by_hand_with_a_tie() -> None:
    scores = np.array([[90.0, 80.0, 80.0, 70.0], [1.0, 2.0, 3.0, 4.0]])
    assert ranking.ranks(scores).tolist() == [[1, 2.5, 2.5, 4], [4, 3, 2, 1]]


def test_friedman_without_ties_is_the_textbook_formula() -> None:
    scores = np.random.default_rng(0).normal(size=(9, 5))
    found = ranking.rank(scores, list("abcde"))
    n, k = scores.shape
    means = ranking.ranks(scores).mean(0)
    expected = 12 * n / (k * (k + 1)) * ((means**2).sum() - k * (k + 1) ** 2 / 4)
    assert found.statistic == pytest.approx(expected)
    assert found.mean_ranks == pytest.approx(np.sort(means))
    assert 0 < found.p < 1


@given(arrays(float, (4, 5), elements=st.integers(-9, 9).map(float)))
def test_mean_ranks_add_up_whatever_the_ties(scores: np.ndarray) -> None:
    assert ranking.ranks(scores).sum(1) == pytest.approx(np.full(4, 15.0))


def test_groups_are_the_longest_runs() -> None:
    means = np.array([1.0, 2.0, 3.5, 5.0, 5.5])
    found = ranking.Ranking(tuple("abcde"), means, 5, 1.0, 0.1, 1.6)
    assert found.groups() == [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert found.leaders() == ["a", "b"]


def test_a_clear_order_is_found_and_its_ends_told_apart() -> None:
    scores = np.arange(10.0) + 0.1 * np.random.default_rng(1).normal(size=(12, 10))
    found = ranking.rank(scores, [str(i) for i in range(10)])
    assert found.names == tuple("9876543210")
    assert found.p < 1e-6
    assert "0" not in found.leaders()


@pytest.mark.parametrize("shape", [(1, 4), (5, 2), (5,), (5, 3)])
def test_too_little_to_rank(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least 2 tasks and 3 methods"):
        ranking.rank(np.zeros(shape), list("abcd"))


def test_blocks_keep_the_methods_together() -> None:
    scores = np.arange(24.0).reshape(2, 3, 4)
    found = ranking.blocks(scores)
    assert found.shape == (8, 3)
    assert found[1].tolist() == scores[0, :, 1].tolist()


@pytest.mark.parametrize("seeds", [1, 3, 6])
def test_intervals_over_seeds_hold_the_mean_rank(seeds: int) -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(5, 4, 1)) + 0.5 * rng.normal(size=(5, 4, seeds))
    low, high = ranking.seed_intervals(scores).T
    middle = ranking.ranks(scores.mean(2)).mean(0)
    assert (low <= middle).all()
    assert (middle <= high).all()
    assert (low == high).all() == (seeds == 1)


def test_agreement_is_seed_by_seed() -> None:
    first = np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    second = first.copy()
    second[:, 1] *= -1
    assert ranking.agreement(first, second) == pytest.approx([1, -1])


# -- CAP's thresholds on single labels ------------------------------------------------------------


def test_thresholds_cut_the_unknown_labels_of_each_class() -> None:
    rng = np.random.default_rng(0)
    observed = torch.from_numpy(rng.integers(-1, 2, (40, 3)).astype(np.int8))
    logits = torch.from_numpy(rng.normal(size=(40, 3)))
    method = methods.create("CAP thresholds", warm_up=0)
    method.start(Context(observed))
    before = method.targets.clone(), method.weights.clone()
    method.before_epoch(1, lambda averaged: logits)
    unknown = observed == 0
    assert torch.equal(method.targets[~unknown], before[0][~unknown])
    assert torch.equal(method.weights[~unknown], before[1][~unknown])
    shares = class_proportions(observed)
    for k in range(3):
        found = method.targets[unknown[:, k], k]
        assert found.sum() == int(shares[k] * len(found))
        scores = logits[unknown[:, k], k]
        assert scores[found].min() > scores[~found].max()
        expected, mask = class_aware(scores[:, None], shares[k : k + 1])
        assert torch.equal(found, expected[:, 0])
        assert torch.equal(method.weights[unknown[:, k], k] > 0, mask[:, 0])


def test_thresholds_wait_for_the_warm_up() -> None:
    observed = torch.tensor([[1, 0], [-1, 0], [0, 1], [0, -1]], dtype=torch.int8)
    method = methods.create("CAP thresholds", warm_up=1)
    method.start(Context(observed))
    method.before_epoch(1, lambda averaged: torch.zeros(4, 2))
    assert method.weights.sum() == 4
    method.before_epoch(2, lambda averaged: torch.zeros(4, 2))
    assert method.weights.sum() > 4


def test_thresholds_do_not_apply_to_positives_alone() -> None:
    method = methods.create("CAP thresholds", warm_up=1)
    with pytest.raises(ValueError, match="need annotated negatives"):
        method.start(Context(torch.tensor([[1, 0], [0, 1]], dtype=torch.int8)))
