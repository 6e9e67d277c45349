"""The head to head: ranking statistics, the recorded choice, the data of the class-count study."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from chapters.head_to_head import cost, ranking
from chapters.head_to_head import figures as draw
from chapters.head_to_head import runs as h2h
from chapters.head_to_head.classes import with_classes
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from weaklabels import data, methods
from weaklabels.lab.multilabel import annotate, load_splits, make_method, run
from weaklabels.lab.sweep import run_one
from weaklabels.methods.base import Context
from weaklabels.methods.cap import class_aware, class_proportions
from weaklabels.press.chapter import REPOSITORY, Chapter

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


# -- specs and choices ----------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["quick", "smoke", "paper"])
def test_every_cell_is_a_method_on_its_weak_labels(profile: str) -> None:
    base = h2h.base_spec(profile)
    truth = (np.random.default_rng(0).uniform(size=(300, 6)) < 0.3).astype(np.int8)
    for weak, name in h2h.cells():
        knobs = len(h2h.METHODS[name].knobs)
        for knob in range(knobs):
            spec = h2h.specify(base, name, weak, 1, 0.01, knob)
            method = make_method(
                spec, *(torch.from_numpy(y) for y in (annotate(spec, truth), truth))
            )
            assert isinstance(method, methods.get(spec.method))
        uses = h2h.METHODS[name].negatives not in (h2h.SAME, h2h.THROWN)
        assert (h2h.WEAKENINGS[weak].negatives and uses) == bool((observed == -1).any())
        assert set(observed[truth == 0].ravel()) <= {-1, 0}


def test_known_share_of_positives_is_what_nnpu_is_told() -> None:
    truth = (np.random.default_rng(0).uniform(size=(4000, 6)) < 0.3).astype(np.int8)
    for weak in h2h.WEAKENINGS:
        spec = h2h.specify(h2h.base_spec("quick"), "nnPU", weak, 0, 0.01, 0)
        told = dict(spec.method_options)["known_share"]
        if weak == "single positive":
            truth_ = load_splits(h2h.base_spec("quick")).train.y.numpy()
            assert told == pytest.approx(len(truth_) / truth_.sum(), abs=0.01)
        else:
            found = (annotate(spec, truth) == 1).sum() / truth.sum()
            assert found == pytest.approx(told, abs=0.02)


@pytest.mark.parametrize("name", h2h.RANKED)
def test_who_makes_nothing_of_negatives_learns_the_same_without(name: str) -> None:
    base = h2h.base_spec("smoke")
    spec = h2h.specify(base, name, "50 % known", 0, 0.01, 0)
    if spec.annotation == "fraction":
        return
    known = replace(spec, annotation="fraction")
    one, other = (run_one(run, s, None) for s in (spec, known))
    assert np.array_equal(one["test_ap"], other["test_ap"])


def test_the_reference_is_told_everything_once() -> None:
    spec = h2h.specify(h2h.base_spec("quick"), h2h.ALL_LABELS, "-", 2, 0.01, 0)
    assert (spec.annotation, spec.seed, spec.optimiser.lr) == ("full", 2, 0.01)


def test_methods_that_need_negatives_are_not_ranked() -> None:
    assert "CAP thresholds" not in h2h.RANKED
    assert not h2h.applies("CAP thresholds", "single positive")
    assert h2h.applies("CAP thresholds", "10 % known")
    assert set(h2h.POSITIVES_ONLY) | set(h2h.BOTH_SIGNS) == set(h2h.WEAKENINGS)


def test_the_recorded_choice_is_that_of_the_present_settings() -> None:
    choices = h2h.Choices(Chapter("head_to_head"))
    for weak, name in [("-", h2h.ALL_LABELS), *h2h.cells()]:
        table = choices.table(name, weak)
        knobs = 1 if name == h2h.ALL_LABELS else len(h2h.METHODS[name].knobs)
        assert table.shape == (len(h2h.RATES), knobs)
        lr, knob = choices.best(name, weak)
        assert table[h2h.RATES.index(lr), knob] == table.max() == choices.score(name, weak)
    assert choices.default_losses().min().min() >= 0
    assert choices.favourite("10 % known", ("AN", "BCE on known")) in ("AN", "BCE on known")


def test_a_stale_choice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    record = json.loads((REPOSITORY / "book/recorded/head_to_head/choices.json").read_text())
    record["settings"]["rates"] = [1.0]
    monkeypatch.setattr(Chapter, "recorded", lambda self, name: record)
    with pytest.raises(ValueError, match="made with other settings: run python -m"):
        h2h.Choices(Chapter("head_to_head"))
    monkeypatch.setattr(Chapter, "recorded", lambda self, name: None)
    with pytest.raises(FileNotFoundError, match=r"choices\.json is missing"):
        h2h.Choices(Chapter("head_to_head"))


def test_choosing_keeps_validation_scores_by_rate_and_knob() -> None:
    def run_all(specs: list) -> list:
        # The learning rate itself is the score, so that the place of each number can be seen.
        return [{"val_ap": np.full((2, 3), spec.optimiser.lr)} for spec in specs]

    record = h2h.choose(run_all)
    assert record["settings"] == h2h.choice_settings()
    for weak, name in h2h.cells():
        table = np.array(record["validation"][weak][name])
        assert table == pytest.approx(np.tile(np.round(h2h.RATES, 2)[:, None], table.shape[1]))


def test_a_run_with_thresholds() -> None:
    base = h2h.base_spec("smoke")
    record = run_one(run, h2h.specify(base, "CAP thresholds", "50 % known", 0, 0.01, 0), None)
    assert np.isfinite(record["test_ap"]).all()


# -- candidate sets over the number of classes ----------------------------------------------------


@pytest.mark.parametrize("classes", [2, 5, 10, 20, 30])
def test_classes_are_digits_in_channels(classes: int) -> None:
    source = data.load("digits", seed=0)
    made = with_classes(source, classes, 120, 0)
    assert made.train.x.shape == (120, 3, 8, 8)
    assert len(made.classes) == classes
    assert set(made.test.y.tolist()) == set(range(classes))
    used = made.test.x.flatten(2).abs().sum(2) > 0
    assert (used.sum(1) == 1).all()
    assert torch.equal(used.int().argmax(1), made.test.y // 10)
    again = with_classes(source, classes, 120, 0)
    assert torch.equal(made.train.x, again.train.x)


def test_a_number_of_classes_that_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="classes is 15"):
        with_classes(data.load("digits"), 15, 10, 0)


@pytest.mark.parametrize("profile", ["quick", "smoke"])
def test_runs_on_sets_are_those_of_the_chapter_on_cavl(profile: str) -> None:
    from chapters.class_activation_value import runs as cavl

    mine, _ = h2h.partial_specs(Chapter("head_to_head", profile, seeds=3))
    theirs = cavl.settings(Chapter(cavl.SLUG, profile))
    base = next(iter(theirs.flips.values()))
    specs = cavl.flip_specs(base, theirs.qs, cavl.FLIPPED, range(3))
    assert cavl.grid(mine["q = 0.1"], h2h.PARTIAL, range(3)) == specs[: 3 * len(h2h.PARTIAL)]
    assert mine["uniform"] == next(iter(theirs.tables.values()))


# -- tables, costs, figures -----------------------------------------------------------------------

SCORES = {
    ("t", "a"): np.array([90.0, 91.0, 92.0]),
    ("t", "b"): np.array([89.0, 92.0, 91.5]),
    ("t", "c"): np.array([80.0, 81.0, 82.1]),
    ("u", "a"): np.array([70.0, 71.0, 72.0]),
    ("u", "b"): np.array([80.0, 81.0, 83.0]),
}


def test_who_is_not_shown_to_be_worse() -> None:
    assert h2h.not_worse(SCORES, "t", "abc") == ["a", "b"]
    assert h2h.not_worse(SCORES, "u", "abc") == ["b"]


def test_the_least_demanding_of_the_near_ones() -> None:
    demands = {"a": (1, 0, 1.0), "b": (0, 0, 2.0), "c": (0, 0, 1.0)}
    table = h2h.decision_table(SCORES, ["t", "u"], "abc"[:2], "a", demands)
    assert table["least demanding choice"].tolist() == ["b", "b"]
    assert table.loc["t", "not shown to be worse"] == "b"
    assert table.loc["u", "lead over a"] == "10.3 ± 0.6"


def test_a_short_text_of_several_leads() -> None:
    from weaklabels.press.claims import greater

    parts = {"t": greater(SCORES["t", "a"], SCORES["t", "c"]), "u": greater(*[np.arange(3.0)] * 2)}
    found = h2h.leads(parts)
    assert found.verdict == "fails"
    assert found.ours == ("t: +10.0 (lower end +9.9), holds; u: +0.0 (lower end +0.0), fails")


def test_close_to_the_best_everywhere() -> None:
    found = h2h.always_close(SCORES, ["t", "u"], ["a", "b"])
    assert found.tolist() == [[False] * 3, [True] * 3]


def test_gaps_and_tables_mark_what_does_not_apply() -> None:
    frame = h2h.gaps(SCORES, ["t", "u"], ["a", "b", "c"])
    assert frame.loc["b", "u"] == 0
    assert math.isnan(frame.loc["c", "u"])
    table = h2h.score_table(SCORES | {("-", "all"): np.array([99.0])}, ["t", "u"], "abc", "all")
    assert table.index.tolist() == ["all", "a", "b", "c"]
    assert table.loc["c", "u"] == "n/a"
    assert table.loc["all", "u"] == "99.0"


def test_ratios_of_time_are_taken_within_a_round() -> None:
    def work(n: int):
        return lambda: sum(i * i for i in range(n))

    found = cost.ratios([("plain", work(40_000)), ("twice", work(80_000))], "plain", 5)
    assert found["plain"] == [1, 1, 1]
    assert 1.4 < found["twice"][1] < 2.8


def test_the_recorded_cost_names_every_method() -> None:
    record = json.loads((REPOSITORY / "book/recorded/head_to_head/cost.json").read_text())
    assert record["scenes"].keys() == h2h.METHODS.keys()
    assert record["sets"].keys() == set(h2h.PARTIAL)
    demands = h2h.demands(record["scenes"])
    assert demands["AN"][:2] == (False, False)
    assert demands["ROLE"][0]


def test_figures_are_drawn() -> None:
    rng = np.random.default_rng(0)
    ranked = ranking.rank(rng.normal(size=(6, 5)), list("abcde"))
    frame = pd.DataFrame({"10 % known": [0.0, 3.0, np.nan], "single positive": [1.0, 0.0, 9.0]})
    frame.index = list("abc")
    cells = {(t, n): rng.normal(size=3) for t in ("t", "u") for n in ("a", "b", "top")}
    drawn = [
        draw.figure_gaps(frame, "points"),
        draw.figure_critical({"one": ranked, "two": ranked}),
        draw.figure_agreement(np.eye(2), ["a 1", "b 2"]),
        draw.figure_losses(frame),
        draw.figure_cost({"x": {"a": (0.9, 1, 1.1)}, "y": {"a": (1, 1, 1)}}),
        draw.figure_partial(cells, {"q": {0.1: "t", 0.7: "u"}, "K": {1: "t"}}, ["a", "b"], "top"),
    ]
    for figure in drawn:
        figure.canvas.draw()
        plt.close(figure)
