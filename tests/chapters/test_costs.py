"""What a training step costs, in the rooms that record it: the smallest record of each."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Store
from weaklabels.press.html import BOOK
from weaklabels.press.html.papers import entries_of

RIVALS = {
    "l2d": "Vanilla",
    "cdcr": "BCE",
    "bldr": "CE",
    "lfosa": "Random",
    "self_crowd": "crowd layer (DL-CL)",
    "stability_attacks": "plain training",
    "all_e": "no aesthetic term",
}
"""Room -> what it compares with."""

SMALL = {
    "l2d": {"EPOCHS": 1},
    "cdcr": {"EPOCHS": 1},
    "bldr": {"EPOCHS": 4, "WARM_UP": 1},
    "stability_attacks": {"EPOCHS": 1},
    "all_e": {"EPISODES": 1},
}
"""Less to do in a trial."""


@pytest.mark.parametrize(("slug", "rival"), RIVALS.items())
def test_a_room_measures_what_its_box_tells(
    slug: str, rival: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = import_module(f"chapters.{slug}.cost")
    for name, value in SMALL.get(slug, {}).items():
        monkeypatch.setattr(room, name, value)
    record = import_module(f"chapters.{slug}.record").RECORDS["cost"]
    found = record(Setting("smoke", "cpu", 1, "", Store(tmp_path), tmp_path))
    assert next(iter(found["steps"])) == rival
    assert found["steps"][rival] == [1, 1, 1]
    assert all(0 < low <= middle <= high for low, middle, high in found["steps"].values())
    assert f"divided by that of {rival} in" in found["what"]
    assert found["steps"].keys() >= set(entries_of(BOOK)[slug].costs)
    assert not list(tmp_path.iterdir())  # no run, and no teacher trained
