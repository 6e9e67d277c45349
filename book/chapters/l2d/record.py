"""What the chapter on L2D records: the choice of every term's weight, runs on photographs and their
control, and what a step costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chapters.l2d import cost, photograph_control, photographs
from chapters.l2d.choices import choose_weights
from weaklabels.lab.setting import Setting

RECORDS: dict[str, Callable[[Setting], dict[str, Any]]] = {
    "tuning": choose_weights,
    "photographs": photographs.record,
    "structure_control": photograph_control.record,
    "cost": cost.measure,
}

WIDENED = {"photographs": photographs.widened}
