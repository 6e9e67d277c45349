"""Values computed with the authors' own code; ``cases(slug)`` reads a chapter's file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def cases(slug: str) -> dict[str, dict[str, Any]]:
    """Case name -> ``{"inputs": ..., "expected": ..., ...}`` of ``tests/golden/<slug>.json``."""
    path = Path(__file__).with_name(f"{slug}.json")
    return {case["case"]: case for case in json.loads(path.read_text())["cases"]}
