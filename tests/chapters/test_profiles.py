"""The record has the sizes of the check: only seeds and studies differ between the two."""

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Store

ROOMS = Path(__file__).parents[2] / "book" / "chapters"


def settings() -> list[Any]:
    """Every public function of a room's ``runs.py`` that needs a setting and nothing else."""
    found = []
    for path in sorted(ROOMS.glob("*/runs.py")):
        module = import_module(f"chapters.{path.parent.name}.runs")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            wanted = [
                p for p in inspect.signature(function).parameters.values() if p.default is p.empty
            ]
            told = [str(p.annotation) for p in wanted] == ["Setting"]
            if told and function.__module__ == module.__name__ and not name.startswith("_"):
                found.append(pytest.param(function, id=f"{path.parent.name}.{name}"))
    return found


@pytest.mark.parametrize("specs", settings())
def test_the_record_trains_as_the_check_does(specs, tmp_path):
    recorded = Path(inspect.getfile(specs)).parent / "recorded"

    def of(profile: str) -> Any:
        return specs(Setting(profile, "cpu", 2, "data", Store(tmp_path), recorded))

    assert of("record") == of("quick")
