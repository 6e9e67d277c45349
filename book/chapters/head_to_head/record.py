"""The recorded results of the chapter: the choice of settings, what a step costs, other data sets,
photographs, and real candidate sets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chapters.head_to_head.choices import choose
from chapters.head_to_head.cost import measure
from chapters.head_to_head.data_sets import data_sets
from chapters.head_to_head.photographs import gathered
from chapters.head_to_head.real_sets import gathered as gathered_sets
from chapters.head_to_head.set_choices import set_choices
from weaklabels.lab.setting import Setting

RECORDS: dict[str, Callable[[Setting], dict[str, Any]]] = {
    "choices": choose,
    "set_choices": set_choices,
    "cost": measure,
    "data_sets": data_sets,
    "photographs": gathered,
    "real_sets": gathered_sets,
}
"""Recorded result -> function that computes its content."""
