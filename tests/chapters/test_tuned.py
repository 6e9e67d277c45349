"""Settings that were tuned lie inside what was tried, or at a natural bound, or are listed here."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from weaklabels.lab.tuned import Tuned

ROOMS = Path(__file__).parents[2] / "book" / "chapters"

AT_AN_EDGE = {
    "acknowledging_the_unknown": {
        *("photographs DW weight", "photographs LS smoothing", "photographs N-LS smoothing"),
        *("photographs EntMin alpha", "photographs ASL learning rate"),
        *("photographs EM+APL learning rate", "photographs EM+APL beta"),
        "voc2012_more_labels EM+APL, 50% beta",
    },
    "cap": {
        *(f"TUNED {name} labelled batch" for name in ("IAT", "Top-k", "FreeMatch")),
        *("photographs Supervised, 10 % learning rate", "photographs Top-k, 10 % learning rate"),
        "photographs CAP, 5 % positive_share",
    },
    "cdcr": {
        "TUNED CDCR, one threshold epochs of the warm-up",
        "mirflickr CDCR, one threshold threshold",
    },
    "isgd_pinn": {
        f"TUNED {name} learning rate"
        for name in (
            *("ISGD (Adam)", "ISGD (Adam, restarted)", "ISGD (L-BFGS)"),
            *("L-BFGS, fixed step", "Adam", "SGD"),
        )
    },
    "l2d": {"photographs MLD weight"},
    "large_loss_matters": {
        *("photographs WAN weight", "photographs LSAN smoothing", "photographs LL-R rate"),
        "voc2012_features Full label learning rate",  # flat from 0.003 on
    },
    "mogd": {"TUNED uniform CE learning rate, q = 0.8, long"},
}
"""Room -> choices at an edge that is no natural bound, which tables mark as such: their values are
to be widened when the record is made again. Each counts against the rows that rest on it."""

NATURAL = {"large_loss_matters": {"voc2012_features LL-Cp rate", "voc2012_features WAN weight"}}
"""The least that can be tried, one label a batch, and the weight of 1, which is naive AN's."""


def choices_of(registry: tuple[Tuned, ...]) -> Iterator[tuple[str, bool]]:
    """Name of each choice, and whether it lies inside."""
    for each in registry:
        yield f"TUNED {each.method} {each.setting}", each.interior


def tried_in(content: Any, name: str) -> Iterator[tuple[str, bool]]:
    """The same of the choices that a record of runs tells, a list of ``tried`` to a row."""
    for row in content.get("rows", ()) if isinstance(content, dict) else ():
        for choice in row.get("tried", ()) if isinstance(row, dict) else ():
            values = sorted(map(float, choice["validation"]))
            inside = choice["chosen"] == 0 or values[0] < choice["chosen"] < values[-1]
            yield f"{name} {row['row']} {choice['setting']}", inside


@pytest.mark.parametrize("room", sorted(path.parent.name for path in ROOMS.glob("*/runs.py")))
def test_choices_lie_inside_what_was_tried(room: str) -> None:
    found = []
    for module in ("runs", "tuning"):
        if (ROOMS / room / f"{module}.py").exists():
            registry = getattr(importlib.import_module(f"chapters.{room}.{module}"), "TUNED", ())
            found += choices_of(registry)
    for path in sorted((ROOMS / room / "recorded").glob("*.json")):
        found += tried_in(json.loads(path.read_text(encoding="utf-8")), path.stem)
    edges = {name for name, inside in found if not inside} - NATURAL.get(room, set())
    assert edges == AT_AN_EDGE.get(room, set())


def test_an_edge_is_noticed() -> None:
    inside, edge, bound = (
        Tuned("m", "s", (0.0, 0.1, 1.0), chosen, "", "", bound=(0,)) for chosen in (0.1, 1.0, 0.0)
    )
    assert [each for _, each in choices_of((inside, edge, bound))] == [True, False, True]
    row = {"row": "m", "tried": [{"setting": "s", "chosen": 3.0, "validation": {"1": 0, "3": 1}}]}
    assert list(tried_in({"rows": [row]}, "record")) == [("record m s", False)]
