"""What is at hand of what a table needs: tables over several datasets, of which some are not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

RANDOM = "random weights"
"""Where networks are named whose weights were random, as ImageNet's were not at hand."""

CARRIED = "carried weights"
"""Where networks are named that began with the weights of ImageNet."""

LEFT_OUT = "left out"
"""Where datasets are named that were not at hand: rows that learn from them are not in a table."""

K = TypeVar("K")
V = TypeVar("V")


def by_data(table: Mapping[K, Any]) -> dict[str, dict[K, Any]]:
    """A table apart by what its runs learn from.

    Args:
        table: row -> spec.

    Returns:
        names of datasets -> their rows, in the order of the table.
    """
    parts: dict[str, dict[K, Any]] = {}
    for row, spec in table.items():
        names = dict.fromkeys(_datasets(spec))
        parts.setdefault(" and ".join(names), {})[row] = spec
    return parts


def _datasets(spec: Any) -> Iterator[str]:
    """Datasets that a spec or its parts name, each with those of its options that are words: some
    are several under one name."""
    if isinstance(dataset := getattr(spec, "dataset", None), str):
        chosen = dict(getattr(spec, "data_options", ()))
        words = [f"{name}={each}" for name, each in chosen.items() if isinstance(each, str)]
        yield f"{dataset} ({', '.join(words)})" if words else dataset
    for field in dataclasses.fields(spec):
        if dataclasses.is_dataclass(part := getattr(spec, field.name)):
            yield from _datasets(part)


def rows_at_hand(
    table: Mapping[K, Any], compute: Callable[[dict[K, Any]], Mapping[K, V]]
) -> tuple[dict[K, V], dict[str, FileNotFoundError]]:
    """The rows of a table whose data are at hand.

    Args:
        table: row -> spec.
        compute: what is found of some rows that learn from the same data.

    Returns:
        what was found, by row in the order of the table, and dataset -> what is missing of it.

    Raises:
        Exception: whatever else ``compute`` raises.
    """
    found: dict[K, V] = {}
    missing = {}
    for name, rows in by_data(table).items():
        try:
            found |= compute(rows)
        except FileNotFoundError as error:
            missing[name] = error
    return {row: found[row] for row in table if row in found}, missing
