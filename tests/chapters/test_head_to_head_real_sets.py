"""What the head to head gathers from the records of real candidate sets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from chapters.head_to_head import real_sets
from chapters.head_to_head.runs import PARTIAL

from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Store
from weaklabels.press.chapter import Chapter
from weaklabels.press.verdicts import HOLDS, NOT_TESTABLE, OPEN


def write(rooms: Path, leave_out: tuple[str, str, int] | None = None) -> Setting:
    """Records in which a method reaches its place in ``PARTIAL``, plus the split."""
    folder = rooms / real_sets.ROOM / "recorded"
    folder.mkdir(parents=True)
    for name in real_sets.NETWORKS.values():
        rows = [
            {"dataset": dataset, "method": method, "seed": seed, "test": float(place + seed)}
            for dataset in real_sets.SETS
            for place, method in enumerate((*PARTIAL, "supervised"))
            for seed in (2, 0, 1)
            if (dataset, method, seed) != leave_out
        ]
        (folder / f"{name}.json").write_text(json.dumps({"command": "c", "rows": rows}))
    own = rooms / "head_to_head" / "recorded"
    return Setting("record", "cpu", 3, "", Store(rooms / "runs"), own)


def test_rows_are_gathered_split_by_split(tmp_path: Path) -> None:
    found = real_sets.read(real_sets.gathered(write(tmp_path)))
    assert set(found) == {"linear", "MLP"}
    assert set(found["MLP"]) == {(s, m) for s in real_sets.SETS.values() for m in PARTIAL}
    np.testing.assert_array_equal(found["MLP"]["Lost", PARTIAL[3]], [3, 4, 5])
    table = real_sets.table(found)
    assert list(table.loc["MLP", "mean rank"]) == [f"{place:.1f}" for place in range(8, 0, -1)]
    assert real_sets.table({}).empty


def test_methods_with_other_splits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"real_world_linear.json, lost: expected the same splits"):
        real_sets.gathered(write(tmp_path, ("lost", PARTIAL[0], 1)))


def test_the_record_is_what_the_other_room_says_now() -> None:
    chapter = Chapter("head_to_head", "record", "cpu", 1)
    committed = chapter.recorded("real_sets")
    made = real_sets.gathered(chapter)
    assert {key: committed[key] for key in made} == made


def test_kinds_of_digits_count_alike_however_far_methods_lie_apart() -> None:
    """The last of two kinds spreads methods by fifty points, the first two by one."""
    tasks = ["q = 0.1", "q = 0.3", "30 classes"]
    digits = {}
    for place, name in enumerate(PARTIAL):
        for task, spread in zip(tasks, (1.0, 1.0, -50.0), strict=True):
            digits[task, name] = np.full(3, 50 + spread * place / len(PARTIAL))
    found = real_sets.on_digits(digits, tasks)
    assert np.argsort(found).tolist() == list(range(len(PARTIAL)))
    assert found[0] == -(8 + 8 + 1) / 3


def test_the_order_is_compared_with_that_on_digits(tmp_path: Path) -> None:
    found = real_sets.read(real_sets.gathered(write(tmp_path)))
    tasks = ("q = 0.1", "q = 0.7")
    same = {
        (task, name): np.array([10.0 * place, 10.0 * place])
        for task in tasks
        for place, name in enumerate(PARTIAL)
    }
    mixed = {key: -((values / 10 - 3.4) ** 2) for key, values in same.items()}
    rows = real_sets.claim_29(found, same, tasks)
    assert [(row.id, row.verdict.outcome) for row in rows] == [("29a", HOLDS), ("29b", HOLDS)]
    assert {row.verdict.outcome for row in real_sets.claim_29(found, mixed, tasks)} == {OPEN}
    assert {row.verdict.outcome for row in real_sets.claim_29({}, same, tasks)} == {NOT_TESTABLE}
    over = real_sets.rankings(found, same, tasks)
    assert {each.tasks for each in over.values()} == {1 + len(real_sets.SETS)}
    assert {each.names[0] for each in over.values()} == {PARTIAL[-1]}
    assert real_sets.rankings({}, same, tasks) == {}
