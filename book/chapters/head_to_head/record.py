"""The recorded results of the chapter: the choice of settings, and what a step costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chapters.head_to_head.choices import choose
from chapters.head_to_head.cost import measure
from weaklabels.lab.setting import Setting

RECORDS: dict[str, Callable[[Setting], dict[str, Any]]] = {"choices": choose, "cost": measure}
"""Recorded result -> function that computes its content."""
