"""What the head to head gathers from the records of other rooms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chapters.head_to_head import data_set_tables, photographs
from chapters.head_to_head.entries import RANKED

from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Store
from weaklabels.press.chapter import Chapter
from weaklabels.press.verdicts import HOLDS, NOT_TESTABLE, OPEN


def write(rooms: Path, room: str, seeds: list[int], **rules: Any) -> None:
    """A record in which a method reaches its place among the rows, plus the seed."""
    names = [row for there, row in photographs.ROWS.values() if there == room]
    rows = [
        {"row": name, "last": [float(place + seed) for seed in seeds]}
        for place, name in enumerate(names)
    ]
    protocol = {"seeds": seeds, "epochs": 10} | rules
    content = {"protocol": protocol, "data": {"images": 9}, "command": "c", "rows": rows}
    path = rooms / room / "recorded" / "photographs.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def setting(rooms: Path) -> Setting:
    folder = rooms / "head_to_head" / "recorded"
    return Setting("record", "cpu", 3, "", Store(rooms / "runs"), folder)


def test_rows_of_the_seeds_that_both_have_are_gathered(tmp_path: Path) -> None:
    write(tmp_path, photographs.LARGE_LOSS, [4, 5, 6])
    write(tmp_path, photographs.UNKNOWN, [3, 5, 6])
    found = photographs.gathered(setting(tmp_path))
    assert found["protocol"]["seeds"] == [5, 6]
    scores = photographs.read(found)
    assert set(scores) == set(photographs.ROWS) <= set(RANKED)
    np.testing.assert_array_equal(scores["AN"], [5, 6])
    np.testing.assert_array_equal(scores["ASL"], [6, 7])


def test_another_protocol_is_refused(tmp_path: Path) -> None:
    write(tmp_path, photographs.LARGE_LOSS, [4])
    write(tmp_path, photographs.UNKNOWN, [4], epochs=20)
    with pytest.raises(ValueError, match="differ in protocol or data"):
        photographs.gathered(setting(tmp_path))


def test_the_record_is_what_the_other_rooms_say_now() -> None:
    """Which of a changed record nobody would be told otherwise."""
    chapter = Chapter("head_to_head", "record", "cpu", 1)
    committed = chapter.recorded("photographs")
    made = photographs.gathered(chapter)
    assert {key: committed[key] for key in made} == made


def test_the_order_is_compared_with_that_on_scenes() -> None:
    names = list(photographs.ROWS)
    found = {name: place + np.array([0.0, 0.1]) for place, name in enumerate(names)}
    same = {(photographs.SINGLE, name): values for name, values in found.items()}
    mixed = {
        (photographs.SINGLE, name): np.array([(7 * place) % 12.0])
        for place, name in enumerate(names)
    }
    assert photographs.claim_28(found, same).verdict.outcome == HOLDS
    assert photographs.claim_28(found, mixed).verdict.outcome == OPEN
    assert photographs.claim_28({}, same).verdict.outcome == NOT_TESTABLE
    table = photographs.table(found, same)
    assert table.index[0] == names[-1]
    assert list(table["rank"]) == [str(rank) for rank in range(1, 13)]
    assert photographs.table({}, same).empty


def test_photographs_are_one_of_the_data_sets_that_rank() -> None:
    names = list(photographs.ROWS)
    chapter = Chapter("head_to_head", "record", "cpu", 1)
    study = data_set_tables.Study(chapter.recorded("data_sets"))
    scenes = {(photographs.SINGLE, name): np.array([1.0, 2.0]) for name in names}
    first = {name: np.array([float(name == "EPR")]) for name in names}
    (found,) = photographs.rankings(first, study, scenes).values()
    assert (found.tasks, set(found.names)) == (2 + len(study.sets), set(names))
    others = {name: -values for name, values in first.items()}
    (moved,) = photographs.rankings(others, study, scenes).values()
    worse = moved.mean_ranks[moved.names.index("EPR")] - found.mean_ranks[found.names.index("EPR")]
    assert worse == pytest.approx((len(names) - 1) / found.tasks)
    assert photographs.rankings({}, study, scenes) == {}
    assert photographs.rankings(first, None, scenes) == {}
