"""Real data in the room of MoGD: what its records hold."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from chapters.mogd import claims, figures, record, runs, tables

from tests.library import tiny_datasets as tiny
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Store
from weaklabels.press.verdicts import FAILS, HOLDS, OPEN


@pytest.fixture
def setting(tmp_path, monkeypatch):
    """Two repetitions of two epochs, with one rate to choose from and few rows."""
    monkeypatch.setattr(record, "REAL_RATES", (0.05,))
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
    assert [each["row"] for each in made["choices"]] == list(runs.ROWS)
    found = tables.recorded_real(made)
    assert found["Lost"]["MoGD"]["auc"].shape == (2,)


@pytest.mark.parametrize("error", [FloatingPointError, ValueError])
def test_a_rate_at_which_training_diverges_is_not_chosen(setting, monkeypatch, error):
    def diverging(spec):
        if spec.optimiser.lr > 0.1:
            raise error("the loss is inf: expected a finite number")
        return {"val_accuracy": np.full(spec.epochs, 100 * spec.optimiser.lr)}

    monkeypatch.setattr(runs, "run", diverging)
    spec = record.real_spec("lost", "data")
    (line,) = record._tried(setting, spec, ("MoGD",), (0, 1), (0.05, 0.1, 0.2), 1)
    assert line == {"row": "MoGD", "chosen": 0.1, "validation": [5.0, 10.0, 0.0]}


def test_another_error_stops_the_choice(setting, monkeypatch):
    def failing(spec):
        raise ValueError("no such data")

    monkeypatch.setattr(runs, "run", failing)
    with pytest.raises(ValueError, match="no such data"):
        record._tried(setting, record.real_spec("lost", "data"), ("MoGD",), (0, 1), (0.1,), 1)


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

    assert list(made_specs(setting.data_root)) == list(runs.HARD)
    monkeypatch.setattr(record, "fashion_specs", small)
    made = record.fashion_mnist(setting)
    assert {name for name, _, _ in cells(made)} == set(runs.HARD)
    assert all(each["clean samples"] == 50 for each in made["data"].values())
    assert len(made["rows"]) == 2 * 2 * len(runs.ROWS)


def made_record(**means):
    """A record with three repetitions of every row on each kind of drawn sets."""
    rows = []
    for kind in tables.FASHION:
        for row in runs.ROWS:
            for seed in range(3):
                kept = {"test_accuracy": means.get(row, 60.0) + 0.1 * seed, "uniform": 0.2}
                if row.startswith("MoGD"):
                    kept |= {"auc": 0.8 + 0.01 * seed, "true weight": 0.7 + 0.01 * seed}
                rows.append({"dataset": kind, "row": row, "seed": seed} | kept)
    return {
        "command": "make record",
        "provenance": {"commit": "0123456789ab", "torch": "2", "device": "x86_64"},
        "protocol": {"network": "MLP"},
        "data": {"pair 0.9": {"clean samples": 1050}},
        "differences": ["A reconstruction."],
        "tried": [0.1, 0.2],
        "choices": [{"dataset": "pair 0.9", "row": "CC", "chosen": 0.2, "validation": [1.0, 2.0]}],
        "rows": rows,
    }


def test_photographs_have_rows_of_their_own():
    found = tables.recorded_real(made_record(MoGD=70.0), tables.FASHION)
    rows = claims.claim_real(found, "On photographs of clothes", "f")
    assert rows[0].id == "f1a"
    assert rows[12].id == "f1b"
    assert rows[12].claim.endswith("(recorded); Fashion-MNIST, pair 0.9.")
    outcomes = {row.id: row.verdict.outcome for row in rows}
    assert [outcomes[f"f{number}a"] for number in (7, 8, 9)] == [HOLDS] * 3
    assert [outcomes[f"f{number}a"] for number in (10, 11, 12)] == [FAILS] * 3
    # 0.1 points a repetition, the same for all rows: no spread between rows.
    scattered = tables.recorded_real(made_record(), tables.FASHION)
    scattered["Fashion-MNIST, q = 0.8"]["CC +v"]["test_accuracy"] = np.array([50.0, 60.0, 71.0])
    outcomes = {row.id: row.verdict.outcome for row in claims.claim_real(scattered)}
    assert [outcomes[f"r{number}a"] for number in (7, 8, 9)] == [FAILS, OPEN, FAILS]


def test_every_finding_names_rows_that_exist():
    asked = {row.id for row in claims.claim_real(dict.fromkeys("abc", real_row()))}
    asked |= {row.id for row in claims.claim_real(dict.fromkeys("ab", real_row()), id="f")}
    for places in claims.FINDINGS.values():
        assert set(places["Fashion-MNIST"].split()) <= asked
        assert set(places["real candidate sets"].split()) <= asked


def real_row():
    return tables.recorded_real(made_record(), tables.FASHION)["Fashion-MNIST, q = 0.8"]


def test_a_record_is_told_and_a_missing_one_is_said_to_be_missing():
    made = made_record()
    note = tables.record_note(made)
    assert "`make record`, commit `0123456789`" in note
    assert note.endswith("- repetitions: 3.\n- network: MLP.\n- A reconstruction.")
    by_set = made | {"protocol": {"epochs": {"lost": 180, "birdsong": 45}}}
    assert "- epochs: 180 on Lost, 45 on BirdSong." in tables.record_note(by_set)
    assert "not recorded yet" in tables.record_note(None)
    records = {"fashion_mnist": made, "real_sets": None}
    shown = tables.chosen_table(records)["Fashion-MNIST, pair 0.9"]
    assert (shown["CC"], shown["tried"]) == ("0.2 (edge)", "2, 0.1 to 0.2")
    wider = made["choices"][0] | {"chosen": 0.4, "tried": [0.1, 0.2, 0.4, 0.8]}
    shown = tables.chosen_table({"": made | {"choices": [wider]}})["Fashion-MNIST, pair 0.9"]
    assert (shown["CC"], shown["tried"]) == ("0.4 (also tried: 0.4, 0.8)", "2, 0.1 to 0.2")
    assert tables.data_table(records).loc["clean samples"].tolist() == ["1,050"]
    assert tables.data_table({"real_sets": None}).empty
    found = tables.recorded_real(made, tables.FASHION)
    assert len(figures.draw_real(found).axes) == 2
    assert figures.draw_real({}).axes


def test_rates_are_chosen_with_runs_that_know_no_earlier_choice(monkeypatch):
    spec = record.real_spec("lost", "data")
    digits = replace(spec, dataset="digits")
    before = [runs.with_row(digits, row) for row in runs.ROWS]
    monkeypatch.setattr(runs, "CHOSEN", {})
    assert [runs.with_row(digits, row) for row in runs.ROWS] == before
