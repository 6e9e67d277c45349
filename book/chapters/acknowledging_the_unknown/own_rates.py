"""What is recorded of methods with epochs and a learning rate of their own, as a table.

The record is made by ``record.own_rates``; without it there are no rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from chapters.acknowledging_the_unknown.photographs import rows_of
from weaklabels.press.claims import mean_std


def gain(row: Mapping[str, Any]) -> np.ndarray:
    """Test mAP after the last epoch with a method's own settings minus that with the benchmark's.

    Args:
        row: of the record.

    Returns:
        ``(runs,)`` in points.
    """
    return np.subtract(row["last"], row["usual"]["last"])


def table(record: Mapping[str, Any] | None) -> pd.DataFrame:
    """What was chosen among which values, and test mAP (%), as ready text; a line a method.

    A choice at an end of what was tried is marked.
    """
    lines = {name: _line(row, record["benchmark"]) for name, row in rows_of(record).items()}
    return pd.DataFrame.from_dict(lines, orient="index")


def _line(row: Mapping[str, Any], usual: Mapping[str, float]) -> dict[tuple[str, str], str]:
    rates, epochs = row["tried"]
    cells = {}
    for choice in (epochs, rates):
        values, chosen = list(choice["validation"]), f"{choice['chosen']:g}"
        end = " (end)" if chosen in (values[0], values[-1]) else ""
        cells[choice["setting"], "chosen"] = f"{chosen}{end}"
        cells[choice["setting"], "tried"] = ", ".join(values)
    own, given = "its own settings", f"{usual['epochs']} epochs, {usual['learning rate']:g}"
    return cells | {
        (own, "best epoch"): mean_std(row["best"]),
        (own, "last epoch"): mean_std(row["last"]),
        (given, "last epoch"): mean_std(row["usual"]["last"]),
        ("gain (points)", "last epoch"): mean_std(gain(row)),
    }
