"""Settings that were tuned lie inside what was tried, or at a natural bound."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from weaklabels.lab.tuned import Tuned
from weaklabels.lab.widen import NOTE
from weaklabels.press.chapter import Chapter

ROOMS = Path(__file__).parents[2] / "book" / "chapters"

NATURAL = {
    "large_loss_matters": {"voc2012_features LL-Cp rate"},
    "head_to_head": {"set_choices q = 0.7, IM-avg approximated accuracy"},
    "self_crowd": {"tuned_photographs CIFAR-10N, 30 : 1, plain share"},
}
"""Room -> choices at an end beyond which there is nothing to try (``make record ... WIDEN=1`` goes
on where there is): one label a batch is the least; the nearest to no training at all is best by
that criterion (an untrained network has 29 %, the best of those that were trained 21 %); and with a
share of 1 all missing pairs are filled."""


def choices_of(registry: Sequence[Tuned]) -> Iterator[tuple[str, bool]]:
    """Name of each choice, and whether it lies inside."""
    for each in registry:
        yield f"TUNED {each.method} {each.setting}, {each.data}", each.interior


def tried_in(content: Any, name: str) -> Iterator[tuple[str, bool]]:
    """The same of every choice that a record tells: what was ``chosen``, beside the values that
    were tried, with their ``validation``; named by the words that stand around it."""
    if isinstance(content, list):
        for each in content:
            yield from tried_in(each, name)
    elif isinstance(content, dict):
        here = f"{name} {words_of(content)}".strip()
        tried, chosen = content.get("validation", content.get("tried")), content.get("chosen")
        if isinstance(tried, dict) and isinstance(chosen, dict):
            for key, each in chosen.items():
                yield from tried_in({"validation": tried[key], "chosen": each}, f"{here} {key}")
        elif isinstance(tried, dict) and chosen is not None:
            values = sorted(map(float, tried))
            yield here, chosen == 0 or values[0] < chosen < values[-1]
        elif isinstance(tried, list) and isinstance(chosen, float):  # in the order of the values
            yield here, 0 < tried.index(max(tried)) < len(tried) - 1
        for key, each in content.items():
            if isinstance(each, list | dict):
                yield from tried_in(each, f"{here} {key}" if isinstance(each, dict) else here)


def words_of(content: dict[str, Any]) -> str:
    """What a part of a record is about: its row, or all of its texts."""
    row = content.get("row", [each for each in content.values() if isinstance(each, str)])
    return ", ".join(map(str, row)) if isinstance(row, list) else row


def rates_in(content: Any, name: str) -> Iterator[tuple[str, bool]]:
    """Learning rates of a record of real candidate sets, which lists once what was tried."""
    rates = {each["lr"] for each in content["tried"]}
    for each in content["choices"]:
        words = " ".join(each[key] for key in ("dataset", "criterion", "method") if key in each)
        yield f"{name} {words} lr", min(rates) < each["lr"] < max(rates)


ALL = sorted(path.parent.name for path in ROOMS.glob("*/runs.py"))

FEWER = {"isgd_pinn": {"L-BFGS, fixed step"}}
"""Room -> methods with fewer values than others of a table: beyond the last there is nothing."""


def registry_of(room: str) -> list[Tuned]:
    """The tuned settings that stand in a room's code."""
    modules = [name for name in ("runs", "tuning") if (ROOMS / room / f"{name}.py").exists()]
    found = (importlib.import_module(f"chapters.{room}.{name}") for name in modules)
    return [each for module in found for each in getattr(module, "TUNED", ())]


@pytest.mark.parametrize("room", ALL)
def test_every_method_chooses_among_as_many_values(room: str) -> None:
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for each in registry_of(room):
        if each.method not in FEWER.get(room, ()):
            counts.setdefault((each.setting, each.data), {})[each.method] = len(each.values)
    assert {key: of for key, of in counts.items() if len(set(of.values())) > 1} == {}


SEARCHED = {("head_to_head", "data_sets"), ("head_to_head", "choices")}
"""Records whose values are found by a search, so that their number follows from what it meets."""


@pytest.mark.parametrize("room", ALL)
def test_rows_of_a_record_begin_with_as_many_values(room: str) -> None:
    """Those which the record does not name as having more, since their choice stood at an end."""
    for path in sorted((ROOMS / room / "recorded").glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or (room, path.stem) in SEARCHED:
            continue
        longer = " ".join(content.get("differences", ())).partition(NOTE.partition("{rows}")[0])[2]
        rows = [
            each["tried"]
            for each in content.get("rows", ())
            if isinstance(each, dict)
            and isinstance(each.get("tried"), list)
            and not re.search(rf"(^|, ){re.escape(str(each.get('row')))}(,| have)", longer)
        ]
        for place in range(2):  # the learning rate, and then an option
            counts = {len(each[place]["validation"]) for each in rows if len(each) > place}
            assert len(counts) <= 1, f"{path.stem}, setting {place}"


@pytest.mark.parametrize("room", ALL)
def test_choices_lie_inside_what_was_tried(room: str) -> None:
    found = [*choices_of(registry_of(room))]
    registered = bool(found)
    if (ROOMS / room / "recorded" / "choices.json").exists():
        chosen = importlib.import_module(f"chapters.{room}.choices").Choices(Chapter(room))
        found += choices_of([each for tuned in chosen.tuned().values() for each in tuned])
    for path in sorted((ROOMS / room / "recorded").glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict) and not (registered and path.stem == "tuning"):
            told = {k: v for k, v in content.items() if type(v) is not str} | {"row": path.stem}
            found += tried_in(told, "")
            if any("lr" in each for each in content.get("choices", ())):
                found += rates_in(content, path.stem)
    assert {name for name, inside in found if not inside} == NATURAL.get(room, set())


def test_an_edge_is_noticed() -> None:
    inside, edge, bound = (
        Tuned("m", "s", (0.0, 0.1, 1.0), chosen, "", "", bound=(0,)) for chosen in (0.1, 1.0, 0.0)
    )
    assert [each for _, each in choices_of((inside, edge, bound))] == [True, False, True]
    row = {"row": "m", "tried": [{"setting": "s", "chosen": 3.0, "validation": {"1": 0, "3": 1}}]}
    assert list(tried_in({"rows": [row]}, "record")) == [("record m s", False)]
    rows = [
        {"row": name, "chosen": 0.1, "validation": [1, middle, 2]}
        for name, middle in (("a", 3), ("b", 1))
    ]
    assert list(tried_in(rows, "r")) == [("r a", True), ("r b", False)]
