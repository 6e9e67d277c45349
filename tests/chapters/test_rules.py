"""What decides a row is found by its number, and none of it is in the key of a record."""

import json
import re
from pathlib import Path

import pytest

from weaklabels.lab import keys
from weaklabels.lab.definitions import Reference, read_module
from weaklabels.press.stale import NO_KEY, reference, stale

CHAPTERS = Path(__file__).parents[2] / "book" / "chapters"
ROOMS = [
    path.parents[1]
    for path in sorted(CHAPTERS.glob("*/recorded/claims.json"))
    if json.loads(path.read_text())
]


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_every_row_is_decided_by_a_function_of_its_number(room: Path) -> None:
    """Rows of real data have a letter before their number, and come from `claim_real`."""
    code = "\n".join(path.read_text() for path in room.glob("*.py"))
    rules = set(re.findall(r"^def claim_(\d+)", code, re.M))
    rows = json.loads((room / "recorded" / "claims.json").read_text())
    numbers = {found[0] for row in rows if (found := re.match(r"\d+", row["id"]))}
    assert numbers <= rules


@pytest.fixture(scope="module")
def starts() -> set[Reference]:
    """Where the code of committed records starts."""
    return {
        reference(start)
        for path in CHAPTERS.glob("*/recorded/*.json")
        if isinstance(held := json.loads(path.read_text()), dict) and "keys" in held
        for start in held["keys"]["code"]
    }


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_every_record_has_the_key_of_its_code(room: Path) -> None:
    assert NO_KEY not in stale(room / "recorded").values()


def test_the_code_of_a_record_starts_at_what_there_is(starts: set[Reference]) -> None:
    """A name that is not there stands for its whole module."""
    for module, name in starts - {(module, "") for module, _ in starts}:
        read = read_module(module)
        dictionary = name.partition("[")[0]
        assert read is not None
        known = {*read.definitions, *read.bindings}
        if dictionary != name:
            known |= {entry for _, entry in read.unit(dictionary).entries.values()}
        assert name in known


def test_no_key_of_a_record_counts_how_rows_are_decided_and_shown(starts: set[Reference]) -> None:
    """Rewording a reason or moving a legend must make no record stale."""
    modules = {module for module, _ in keys.reached(starts)}
    assert "weaklabels.lab.execute" in modules
    shows = re.compile(r"weaklabels\.press\b.*|chapters\.\w+\.(\w+_)?(claims|figures|reasons)")
    assert [module for module in sorted(modules) if shows.fullmatch(module)] == []
