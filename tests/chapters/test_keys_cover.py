"""The keys of what rooms run in ways of their own cover what is executed when it is computed."""

from collections.abc import Sequence
from pathlib import Path

import chapters
import pytest
from chapters.acknowledging_the_unknown import landscape

from tests.chapters import smallest_runs
from tests.chapters.smallest_runs import ROOMS, Room
from tests.executed_code import outside_of_key
from tests.run_functions import RunFunction, name_of, run_functions
from weaklabels.lab.setting import Setting


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        yield smallest_runs.prepared(tmp_path_factory.mktemp("data"), patch)


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__)
def test_what_a_run_executes_is_part_of_its_key(room: Room, setting: Setting) -> None:
    found = {
        f"{name_of(function)}, {name}": outside_of_key(function, spec)
        for function, specs in room(setting)
        for name, spec in specs.items()
    }
    assert found
    assert {run: missing for run, missing in found.items() if missing} == {}


@pytest.fixture(scope="module")
def made() -> set[RunFunction]:
    """Functions of rooms that make runs."""
    found = run_functions(Path(chapters.__file__).parent)
    return {function for function in found if name_of(function).startswith(chapters.__name__)}


def watched(rooms: Sequence[Room], setting: Setting) -> set[RunFunction]:
    return {function for room in rooms for function, _ in room(setting)}


def test_every_function_that_makes_runs_is_watched(
    made: set[RunFunction], setting: Setting
) -> None:
    missing = sorted(map(name_of, made - watched(ROOMS, setting)))
    told = f"{', '.join(missing)}: expected a small run of each in tests/chapters/smallest_runs.py"
    assert not missing, told


def test_a_function_that_is_not_watched_is_found(made: set[RunFunction], setting: Setting) -> None:
    (missing,) = made - watched(ROOMS[1:], setting)
    assert missing is landscape.loss_landscape
