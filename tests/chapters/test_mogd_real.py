"""Real data in the room of MoGD: what its records hold."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from chapters.mogd import record, runs, tables

from tests.library import tiny_datasets as tiny
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Store


@pytest.fixture
def setting(tmp_path, monkeypatch):
    """Two repetitions of two epochs, with one rate to choose from and few rows."""
    monkeypatch.setattr(record, "REAL_RATES", (0.05,))
    monkeypatch.setattr(record, "FASHION_RATES", (0.05,))
    monkeypatch.setattr(record, "CHOOSING", ("PRODEN", "MoGD", runs.CLEAN_ONLY))
    monkeypatch.setattr(runs, "ROWS", ("PRODEN", "MoGD", runs.CLEAN_ONLY, "PRODEN +v", "MoGD +v"))
    return Setting("quick", "cpu", 2, str(tmp_path), Store(tmp_path / "runs"), tmp_path)


def cells(made):
    return [(row["dataset"], row["row"], row["seed"]) for row in made["rows"]]


def test_real_sets_are_recorded_with_their_counts(setting, monkeypatch):
    rng = np.random.default_rng(0)
    truth = rng.integers(3, size=60)
    target = np.eye(3)[truth]
    sets = target + np.eye(3)[(truth + 1) % 3]
    folder = Path(setting.data_root) / "pll-realworld"
    folder.mkdir()
    content = {"data": rng.normal(size=(60, 4)), "target": target.T, "partial_target": sets.T}
    scipy.io.savemat(folder / "lost.mat", content)
    monkeypatch.setattr(record, "EPOCHS", {"lost": 2})
    made = record.real_sets(setting)
    assert cells(made) == [("lost", row, seed) for row in runs.ROWS for seed in (0, 1)]
    # A tenth of the 48 training examples is clean.
    assert made["data"]["lost"]["clean samples"] == 5
    assert made["data"]["lost"]["samples with candidate sets"] == 43
    assert [each["row"] for each in made["choices"]] == list(record.CHOOSING)
    found = tables.recorded_real(made)
    assert found["Lost"]["MoGD"]["auc"].shape == (2,)


def test_photographs_of_clothes_are_compared_as_digits_are(setting, monkeypatch):
    tiny.mnist_like(Path(setting.data_root), "FashionMNIST", train=200, test=20)
    monkeypatch.setattr(record, "FASHION_SIZE", 160)
    monkeypatch.setattr(record, "FASHION_EPOCHS", 2)
    made_specs = record.fashion_specs

    def small(root):
        return {
            kind: replace(spec, network_options=options(hidden=(8,)))
            for kind, spec in made_specs(root).items()
        }

    assert list(made_specs(setting.data_root)) == list(runs.TUNED_ON.values())
    monkeypatch.setattr(record, "fashion_specs", small)
    made = record.fashion_mnist(setting)
    assert {name for name, _, _ in cells(made)} == set(runs.TUNED_ON.values())
    assert all(each["clean samples"] == 50 for each in made["data"].values())
    assert len(made["rows"]) == 2 * 2 * len(runs.ROWS)
