"""ALL-E: BRISQUE of real photographs, and the rows that ask for it."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from chapters.all_e import naturalness, runs, tables
from chapters.all_e.naturalness_claims import WORTH, claim_11

from weaklabels.press.verdicts import FAILS, HOLDS, NOT_TESTABLE, OPEN

RECORD = Path(naturalness.__file__).parent / "recorded" / "lime.json"
PHOTOGRAPHS = np.linspace(-1, 1, 9)


def natural(others: float, ours: float, spread: float = 0.1) -> dict[str, np.ndarray]:
    """BRISQUE by method: all others alike."""
    names = ("input", "gamma 0.5", "constant curve", f"agents, {runs.NO_SCORE}")
    scores = {name: np.full(9, others) for name in names}
    return scores | {f"agents, {runs.ALL}": ours + spread * PHOTOGRAPHS}


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        (natural(40.0, 30.0), HOLDS),
        (natural(40.0, 40.0), FAILS),
        (natural(40.0, 40.0 - WORTH / 2, spread=1000), OPEN),
        ({}, NOT_TESTABLE),
    ],
)
def test_rows_by_photograph(found, outcome):
    rows = claim_11(found)
    assert [row.id for row in rows] == ["11a", "11b", "11c", "11d"]
    assert {row.verdict.outcome for row in rows} == {outcome}


def test_seeds_are_averaged_and_photographs_kept():
    rows = [{"method": "a", "brisque": [1.0, 5.0]}, {"method": "a", "brisque": [3.0, 9.0]}]
    assert tables.natural({"rows": rows})["a"].tolist() == [2.0, 7.0]
    assert tables.natural(None) == {}


def test_the_record_has_it_for_every_photograph_and_damage_counts():
    record = json.loads(RECORD.read_text())
    assert {len(row["brisque"]) for row in record["rows"]} == {record["data"]["photographs"]}
    scores = {(row["photograph"], row["change"]): row["brisque"] for row in known(record)}
    damage = {change for _, change in scores} - {"as it is", "gamma 0.5"}
    assert len(damage) == 4
    for name in naturalness.PHOTOGRAPHS:
        assert all(scores[name, change] > scores[name, "as it is"] + 20 for change in damage)
    shown = tables.known(record)
    assert shown.columns.tolist() == list(naturalness.PHOTOGRAPHS)
    assert shown.index[0] == "as it is"


def known(record):
    return record["brisque"]["known"]


def test_the_recorded_scores_come_out_again(monkeypatch):
    monkeypatch.setenv("UV_OFFLINE", "1")
    try:
        found = naturalness.known()
    except RuntimeError as error:
        pytest.skip(f"the environment of brisque_scores is not on this machine: {error}")
    recorded = known(json.loads(RECORD.read_text()))
    for ours, theirs in zip(found, recorded, strict=True):
        assert ours["brisque"] == pytest.approx(theirs["brisque"], abs=0.5), ours


def script(text: str, folder: Path) -> Path:
    path = folder / "uv"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_what_is_missing_is_told(tmp_path, monkeypatch):
    image = torch.rand(1, 3, 8, 8)
    script("echo error: no such package >&2; exit 1", tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(RuntimeError, match=r"environment of its own: error: no such package$"):
        naturalness.brisque([image])
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    monkeypatch.setattr(naturalness, "PRIVATE_UV", tmp_path / "none")
    with pytest.raises(RuntimeError, match="needs uv, which is missing"):
        naturalness.brisque([image])


def test_scores_come_in_the_order_of_the_images(tmp_path, monkeypatch):
    script('echo "{\\"scores\\": {\\"000001.png\\": 2.0, \\"000000.png\\": 1.0}}"', tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert naturalness.brisque([torch.rand(1, 3, 8, 8)] * 2) == [1.0, 2.0]
