"""What the chapter on L2D records: the choice of every term's weight, and runs on photographs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chapters.l2d import photographs
from chapters.l2d.choices import choose_weights
from weaklabels.lab.setting import Setting

RECORDS: dict[str, Callable[[Setting], dict[str, Any]]] = {
    "tuning": choose_weights,
    "photographs": photographs.record,
}
