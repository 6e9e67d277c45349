"""``make record``, on a toy room."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import chapters
import pytest

from tests.press.toy_book import ToyBook
from weaklabels.lab import definitions, keys
from weaklabels.lab.store import Store
from weaklabels.press import record
from weaklabels.press.stale import CHANGED, NO_KEY, stale

ROOM = """
from dataclasses import dataclass
from functools import partial

from weaklabels.lab.setting import Setting

@dataclass(frozen=True)
class Run:
    seed: int = 0
    log: str = ""

def square(spec):
    with open(spec.log, "a") as file:
        file.write(f"{spec.seed}\\n")
    return {"value": spec.seed ** 2}

def squares(power, setting: Setting):
    table = {"square": Run(log=setting.data_root + "/log")}
    rows = [
        {"seed": record.spec.seed, "value": float(record["value"]) ** power}
        for record in setting.repeat(square, table)["square"]
    ]
    if not (setting.recorded_results.parent / "ready").exists():
        raise RuntimeError("too early")
    return {"what": "Squares", "seeds": [row["seed"] for row in rows], "rows": rows}

RECORDS = {"first": partial(squares, 1), "second": partial(squares, 2), "bad": lambda setting: {}}
"""


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A room with records in a book of its own; it stays until the file ``ready`` is there."""
    toy = ToyBook(tmp_path)
    toy.chapter("toy", "1")
    folder = toy.room("toy")
    (folder / "__init__.py").touch()
    (folder / "record.py").write_text(ROOM)
    monkeypatch.setattr(chapters, "__path__", [str(folder.parent)])
    monkeypatch.setattr(definitions, "ROOTS", {**definitions.ROOTS, "chapters": folder.parent})
    monkeypatch.setenv("WEAKLABELS_BUILD", str(tmp_path / "build"))
    monkeypatch.delenv("WEAKLABELS_USED", raising=False)
    yield folder
    for name in [name for name in sys.modules if name.startswith("chapters.toy")]:
        del sys.modules[name]


WIDENED = """
def wider(setting, content):
    (record,) = setting.repeat(square, {"": Run(log=setting.data_root + "/log")}, [9])[""]
    return {**content, "rows": [*content["rows"], {"seed": 9, "value": float(record["value"])}]}

WIDENED = {"second": wider}
"""


def make(room: Path, *arguments: str) -> int:
    repository = room.parents[2]
    given = ["--chapters=toy", f"--data={repository}", "--workers=1", *arguments]
    return record.main(given, repository)


def test_a_record_says_how_it_came_about(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (room / "ready").touch()
    assert make(room, "--name=second", "--seeds=2") == 0
    assert capsys.readouterr().out == "book/chapters/toy/recorded/second.json\n"
    text = (room / "recorded" / "second.json").read_text()
    found = json.loads(text)
    assert list(found) == ["what", "command", "provenance", "seeds", "rows", "keys"]
    assert found["command"] == "make record CHAPTERS=toy NAME=second DATA=folder SEEDS=2"
    made = {"python", "torch", "numpy", "device", "commit", "date", "seeds"}
    assert made == found["provenance"].keys()
    assert found["provenance"]["seeds"] == [0, 1]
    assert found["rows"][1] == {"seed": 1, "value": 1.0}
    assert ' "seeds": [0, 1],\n "rows": [\n  {"seed": 0, "value": 0.0},\n' in text
    assert found["keys"]["code"] == [
        f"chapters.toy.record:{n}" for n in ("Run", "square", "squares")
    ]
    assert str(room.parents[2]) not in text


def test_a_record_names_what_computed_its_runs(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"cuda": "NVIDIA H200", "cpu": "x86_64"}
    monkeypatch.setattr(record.sweep, "provenance", lambda device: {"device": names[device]})
    (room / "ready").touch()
    root = room.parents[2]
    setting = record.Noting("quick", "cuda", 1, str(root), Store(root / "runs"), room / "recorded")
    squares = importlib.import_module("chapters.toy.record").RECORDS["first"]
    assert record._provenance(setting, "abc")["device"] == "NVIDIA H200"
    assert "seeds" not in record._provenance(setting, "abc")
    assert record.record(squares, setting, "", "abc")["provenance"]["device"] == "x86_64"


def test_made_again_it_has_as_many_seeds(room: Path) -> None:
    (room / "ready").touch()
    path = room / "recorded" / "second.json"
    assert record.seeds_of(path) is None
    make(room, "--name=second", "--seeds=3")
    make(room, "--name=second")
    found = json.loads(path.read_text())
    assert found["seeds"] == [0, 1, 2]
    assert found["command"] == "make record CHAPTERS=toy NAME=second DATA=folder SEEDS=3"


def test_a_record_without_a_key_is_named_unless_it_was_taken_over(room: Path) -> None:
    (room / "recorded").mkdir()
    (room / "recorded" / "old.json").write_text('{"what": "made before records had keys"}')
    (room / "recorded" / "theirs.json").write_text('{"what": "curves", "source": "their logs"}')
    assert stale(room / "recorded") == {"old.json": NO_KEY}


def test_the_keys_are_those_of_the_code(room: Path) -> None:
    (room / "ready").touch()
    make(room, "--name=first")
    held = json.loads((room / "recorded" / "first.json").read_text())["keys"]
    code = [tuple(start.split(":")) for start in held["code"]]
    path = room / "record.py"
    path.write_text(ROOM.replace("def square(spec):", 'def square(spec):\n    """Words."""'))
    assert keys.code_key(code) == held["key"]
    assert stale(room / "recorded") == {}
    path.write_text(ROOM.replace("spec.seed ** 2", "spec.seed ** 3"))
    assert keys.code_key(code) != held["key"]
    assert stale(room / "recorded") == {"first.json": CHANGED}


def test_finished_runs_are_kept_and_nothing_half_written(room: Path) -> None:
    log = room.parents[2] / "log"
    with pytest.raises(RuntimeError, match="too early"):
        make(room, "--name=first")
    assert not (room / "recorded").exists()
    (room / "ready").touch()
    assert make(room, "--name=first") == 0
    assert sorted(log.read_text().split()) == ["0", "1", "2"]
    assert [path.name for path in (room / "recorded").iterdir()] == ["first.json"]
    with pytest.raises(ValueError, match="no 'what'"):
        make(room, "--name=bad")


def test_a_record_is_widened_when_it_is_made_or_afterwards(
    room: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (room / "ready").touch()
    path = room / "recorded" / "second.json"
    (room / "record.py").write_text(ROOM + WIDENED)
    assert make(room, "--name=second", "--seeds=2") == 0
    whole = json.loads(path.read_text())
    assert [row["value"] for row in whole["rows"]] == [0, 1, 81]

    (room / "record.py").write_text(ROOM)
    del sys.modules["chapters.toy.record"]
    assert make(room, "--name=second", "--seeds=2") == 0
    assert make(room, "--name=second", "--widen") == 2
    expected = "second.json cannot be widened: expected a record that is named in WIDENED.\n"
    assert capsys.readouterr().err.endswith(expected)
    (room / "record.py").write_text(ROOM + WIDENED)
    del sys.modules["chapters.toy.record"]
    assert make(room, "--name=second", "--widen") == 0
    after = json.loads(path.read_text())
    (added,) = after["provenance"].pop("widened")
    assert added["command"].endswith("SEEDS=2 WIDEN=1")
    assert (whole["provenance"]["seeds"], added["seeds"]) == ([0, 1, 9], [9])
    assert after["provenance"]["seeds"] == [0, 1]
    assert after == whole | {"provenance": after["provenance"]}
    assert stale(room / "recorded") == {}

    path.write_text(path.read_text().replace(after["keys"]["key"], "0"))
    assert make(room, "--name=second", "--widen") == 2
    assert "its code has changed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--chapters="], "CHAPTERS is missing: expected some of toy."),
        (["--chapters=toys"], "CHAPTERS=toys is unknown: expected toy."),
        (["--name=third"], "NAME=third is unknown in toy: expected first, second, bad, claims."),
        (["--profile=fast"], "PROFILE=fast is unknown: expected quick, record, paper, smoke."),
        (["--seeds=0"], "SEEDS=0 is not a whole number of 1 or more."),
        (["--refresh"], "REFRESH=1 is for NAME=claims alone."),
        (["--name=first", "--refresh"], "REFRESH=1 is for NAME=claims alone."),
        (["--widen"], "WIDEN=1 is for one record: expected its NAME."),
        (["--name=claims", "--widen"], "WIDEN=1 is for one record: expected its NAME."),
    ],
)
def test_misuse_is_answered_with_one_sentence(
    room: Path, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make(room, *arguments) == 2
    assert capsys.readouterr().err == f"{sentence}\n"


def test_json_is_readable_and_holds_finite_numbers_only() -> None:
    value = {
        "a": {"b": [1, 2], "c": {}},
        "d": [{"e": [1, {"f": 2}]}],
        "g": ["x", "ä"],
        "h": [[1], [2]],
    }
    text = record.readable(value)
    assert json.loads(text) == value
    assert text.splitlines()[1:4] == [' "a": {', '  "b": [1, 2],', '  "c": {}']
    assert ' "d": [\n  {"e": [1, {"f": 2}]}\n ],\n "g": [\n  "x",\n  "ä"\n ]' in text
    with pytest.raises(ValueError, match="not JSON compliant"):
        record.readable({"a": [float("nan")]})
