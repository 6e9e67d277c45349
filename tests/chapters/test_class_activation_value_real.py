"""Real data in the room of Class Activation Value Learning: its protocols and its records."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from chapters.class_activation_value import photographs, real_sets, runs

from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Store
from weaklabels.train import OptimiserSpec


@pytest.fixture
def setting(tmp_path):
    """Two repetitions on tiny data in the official formats."""
    return Setting("quick", "cpu", 2, str(tmp_path), Store(tmp_path / "runs"), tmp_path)


def write_lost(root, count=60):
    """A partial-label set of three classes, some with a second candidate."""
    rng = np.random.default_rng(0)
    truth = rng.integers(3, size=count)
    target = np.eye(3)[truth]
    other = np.eye(3)[(truth + 1) % 3] * (rng.random(count) < 0.5)[:, None]
    data = target @ rng.normal(size=(3, 4)) + 0.1 * rng.normal(size=(count, 4))
    (root / "pll-realworld").mkdir()
    content = {"data": data, "target": target.T, "partial_target": (target + other).T}
    scipy.io.savemat(root / "pll-realworld" / "lost.mat", content)


def write_cifar10(root):
    """Sixty photographs in the layout of the subset."""
    rng = np.random.default_rng(0)
    content = {}
    for part, count in (("train", 40), ("test", 20)):
        content[f"x_{part}"] = rng.integers(256, size=(count, 32, 32, 3), dtype=np.uint8)
        content[f"y_{part}"] = np.arange(count) % 10
        content[f"index_{part}"] = np.arange(count)
    (root / "cifar10-subset").mkdir()
    np.savez(root / "cifar10-subset" / "cifar10_subset_15k_3k.npz", **content)


# -- judging without truth ------------------------------------------------------------------------


def test_candidates_alone_judge_a_prediction():
    logits = torch.tensor([[4.0, 1.0, 0.0], [0.0, 3.0, 1.0], [0.0, 1.0, 5.0]])
    sets = torch.tensor([[True, True, False], [True, False, True], [False, False, True]])
    assert real_sets.covering_rate(logits, sets) == pytest.approx(200 / 3)
    p = torch.tensor([4.0, 1.0]).softmax(0)[0].item()
    # As in PLENCH's code: 1 minus what the other candidates have of the posterior.
    assert real_sets.approximated_accuracy(logits, sets) == pytest.approx(100 * (p + 0 + 1) / 3)


def test_batches_are_whole_and_the_validation_part_keeps_its_sets(tmp_path, monkeypatch):
    write_lost(tmp_path)
    seen = []

    def execute(spec, task):
        seen.extend(len(batch) for batch in task.batches(torch.Generator()))
        return {"steps": task.steps}

    base = dataclasses.replace(real_sets.base_spec("lost", str(tmp_path)), batch_size=16, epochs=1)
    spec = dataclasses.replace(base, track=())
    found = real_sets.run(spec)
    assert {"covering rate", "approximated accuracy", "val_accuracy"} <= set(found)
    assert found["covering rate"][0] >= found["val_accuracy"][0]
    monkeypatch.setattr(real_sets, "execute", execute)
    assert real_sets.run(spec) == {"steps": 3}
    assert seen == [16, 16, 16]  # of 49 training examples
    assert real_sets.counts(spec)["validation examples"] == 5


# -- records --------------------------------------------------------------------------------------


def small_steps(monkeypatch):
    """One epoch in batches that fit, and few values."""
    made = real_sets.base_spec

    def base_spec(name, root):
        return dataclasses.replace(made(name, root), batch_size=16, epochs=2)

    monkeypatch.setattr(real_sets, "base_spec", base_spec)
    monkeypatch.setattr(real_sets, "GRID", runs.GRID[:2])


def test_plench_is_followed_with_the_rows_that_do_what_its_code_does(setting, monkeypatch):
    write_lost(Path(setting.data_root))
    spec = real_sets.base_spec("lost", setting.data_root)
    assert (spec.epochs, spec.batch_size, spec.network) == (143, 128, "mlp")
    assert spec.optimiser == OptimiserSpec("adam", lr=1e-3, weight_decay=1e-5)
    assert real_sets.PLENCH_ROWS["PRODEN"] == "RC"
    assert real_sets.PLENCH_ROWS["CAVL"] == "CAVL, official masking"
    small_steps(monkeypatch)
    made = real_sets.plench(setting)
    assert [(row["method"], row["seed"]) for row in made["rows"]] == [
        (method, seed) for method in real_sets.PLENCH_ROWS for seed in (0, 1)
    ]
    assert made["data"]["lost"]["training examples"] == 49


def test_settings_are_chosen_by_each_criterion_on_other_splits(setting, monkeypatch):
    write_lost(Path(setting.data_root))
    small_steps(monkeypatch)
    monkeypatch.setattr(real_sets, "RANKED", ("CC", "CAVL"))
    made = real_sets.selection(setting)
    cells = [(c, m) for c in real_sets.CRITERIA for m in real_sets.RANKED]
    assert [(each["criterion"], each["method"]) for each in made["choices"]] == cells
    assert all(len(each["validation"]) == 2 for each in made["choices"])
    assert len(made["rows"]) == 2 * len(cells)
    assert {row["seed"] for row in made["rows"]} == {0, 1}


def test_the_pilot_on_photographs_keeps_its_curves(setting, monkeypatch):
    write_cifar10(Path(setting.data_root))
    for name, value in (("EPOCHS", 2), ("TRIAL_EPOCHS", 1), ("LATE", 1), ("RATES", (1e-3,))):
        monkeypatch.setattr(photographs, name, value)
    rows = ("IM-avg", "CAM", "CAM, T0 = 1")
    monkeypatch.setattr(photographs, "ROWS", rows)
    made = photographs.cifar10(setting)
    assert made["data"]["training images"] == 40
    assert [each["method"] for each in made["choices"]] == list(rows)
    found = photographs.recorded_pilot(made)
    assert list(found) == list(rows)
    assert all(len(each) == 2 for each in found.values())
    assert found["CAM"][0]["select CAM, count"].shape == (2,)
    assert photographs.recorded_pilot(None) == {}
