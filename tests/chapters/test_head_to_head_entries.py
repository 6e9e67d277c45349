"""Head to head: what is compared, as runs."""

from __future__ import annotations

import inspect
from dataclasses import replace

import numpy as np
import pytest
import torch
from chapters.head_to_head import entries, runs

from weaklabels import methods
from weaklabels.lab.multilabel import annotate, load_splits, make_method, run
from weaklabels.lab.sweep import run_one
from weaklabels.press.chapter import Chapter


def setting(profile: str) -> Chapter:
    return Chapter("head_to_head", profile, "cpu", 3)


@pytest.mark.parametrize("profile", ["quick", "smoke", "paper"])
def test_every_cell_is_a_method_on_its_weak_labels(profile: str) -> None:
    base = runs.base_spec(setting(profile))
    truth = (np.random.default_rng(0).uniform(size=(300, 6)) < 0.3).astype(np.int8)
    for weak, name in entries.cells():
        knobs = len(entries.METHODS[name].knobs)
        for knob in range(knobs):
            spec = entries.specify(base, name, weak, 1, 0.01, knob)
            observed = annotate(spec, truth)
            method = make_method(spec, torch.from_numpy(observed), torch.from_numpy(truth))
            assert isinstance(method, methods.get(spec.method))
        uses = entries.METHODS[name].negatives not in (entries.SAME, entries.THROWN)
        assert (entries.WEAKENINGS[weak].negatives and uses) == bool((observed == -1).any())
        assert set(observed[truth == 0].ravel()) <= {-1, 0}


def test_known_share_of_positives_is_what_nnpu_is_told() -> None:
    truth = (np.random.default_rng(0).uniform(size=(4000, 6)) < 0.3).astype(np.int8)
    for weak in entries.WEAKENINGS:
        spec = entries.specify(entries.scene_spec(), "nnPU", weak, 0, 0.01, 0)
        told = dict(spec.method_options)["known_share"]
        if weak == "single positive":
            truth_ = load_splits(entries.scene_spec()).train.y.numpy()
            assert told == pytest.approx(len(truth_) / truth_.sum(), abs=0.01)
        else:
            found = (annotate(spec, truth) == 1).sum() / truth.sum()
            assert found == pytest.approx(told, abs=0.02)


@pytest.mark.parametrize("name", entries.RANKED)
def test_who_makes_nothing_of_negatives_learns_the_same_without(name: str) -> None:
    base = runs.base_spec(setting("smoke"))
    spec = entries.specify(base, name, "50 % known", 0, 0.01, entries.METHODS[name].default)
    if spec.annotation == "fraction":
        return
    known = replace(spec, annotation="fraction")
    one, other = (run_one(run, s, None) for s in (spec, known))
    assert np.array_equal(one["test_ap"], other["test_ap"])


def test_on_photographs_the_settings_of_the_authors_count() -> None:
    base = runs.base_spec(setting("paper"))
    for name, entry in entries.METHODS.items():
        specs = [entries.specify(base, name, "50 % known", 0, 0.6, k) for k in (0, -1)]
        assert specs[0] == specs[1], name
        if entry.paper is None:
            usual = entries.specify(entries.scene_spec(), name, "50 % known", 0, 0.6, entry.default)
            own = dict(usual.method_options)
            assert dict(specs[0].method_options).get(entry.dial) == own.get(entry.dial), name
    sums = {"VPU", "PU-MLC", "nnPU", "CAP thresholds"}
    adam = {
        name
        for name in entries.METHODS
        if entries.specify(base, name, "50 % known", 0, 0.6, 0).optimiser.name == "adam"
    }
    assert adam == sums | {"ROLE"}
    assert base.optimiser.name == "sgd"


@pytest.mark.parametrize("name", list(entries.METHODS))
def test_what_a_method_draws_itself_has_the_seed_of_the_run(name: str) -> None:
    spec = entries.specify(entries.scene_spec(), name, "50 % known", 7, 0.6, 0)
    draws = "seed" in inspect.signature(methods.get(spec.method)).parameters
    assert dict(spec.method_options).get("seed") == (7 if draws else None)


def test_the_reference_is_told_everything_once() -> None:
    spec = entries.specify(entries.scene_spec(), entries.ALL_LABELS, "-", 2, 0.01, 0)
    assert (spec.annotation, spec.seed, spec.optimiser.lr) == ("full", 2, 0.01)


def test_methods_that_need_negatives_are_not_ranked() -> None:
    assert "CAP thresholds" not in entries.RANKED
    assert not entries.applies("CAP thresholds", "single positive")
    assert entries.applies("CAP thresholds", "10 % known")
    assert set(entries.POSITIVES_ONLY) | set(entries.BOTH_SIGNS) == set(entries.WEAKENINGS)
