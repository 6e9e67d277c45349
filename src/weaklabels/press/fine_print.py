"""What stands small beside a claim: its test, its seeds, what counts, and what would decide it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from weaklabels.press.verdicts import MOST_SEEDS, OPEN

FEW_METHODS = "more seeds do not decide: the interval is as wide as the methods are few"
NOT_BY_HOLM = (
    "a part fails, though not at 5 % divided by the number of parts: more seeds would decide"
)


def conditions(row: Mapping[str, Any]) -> list[str]:
    """The rule of a claim, its seeds, the paper's effects, and the smallest effect that counts.

    Args:
        row: as ``claims.Row.as_dict`` gives it; what it lacks is not said.
    """
    test, seeds, parts = row.get("test") or "-", row.get("seeds"), row.get("parts", [])
    said = [] if test == "-" else [f"Test: {test}"]
    said += [f"{seeds} seed{'' if seeds == 1 else 's'}"] if seeds else []
    return [*said, *_in_the_paper(parts), *_that_counts(parts)]


def needed(row: Mapping[str, Any]) -> str:
    """What would decide an open claim: how many seeds, or that more of them do not."""
    parts = [part for part in row.get("parts", []) if part["outcome"] == OPEN]
    if not parts:
        return NOT_BY_HOLM
    if any(part["kind"] == "order" for part in parts):
        return FEW_METHODS
    seeds = [part["needed"] for part in parts]
    many = f"more than {MOST_SEEDS}" if None in seeds else f"about {max(seeds)}"
    return f"{many} seeds would decide"


def _in_the_paper(parts: Sequence[Mapping[str, Any]]) -> list[str]:
    found = {p["name"]: p["paper_effect"] for p in parts if p.get("paper_effect") is not None}
    if len(parts) == 1:
        return [f"effect in the paper {effect:+g}" for effect in found.values()]
    effects = ", ".join(f"{name} {effect:+g}" for name, effect in found.items())
    return [f"effects in the paper: {effects}"] if effects else []


def _that_counts(parts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Of comparisons alone: other claims state themselves what they ask for."""
    worths = [
        part["worth"]
        for part in parts
        if part["kind"] == "comparison" and part.get("worth") and not part["margin"]
    ]
    ends = dict.fromkeys(f"{end:.3g}" for end in (min(worths), max(worths))) if worths else {}
    return [f"smallest effect that counts {' to '.join(ends)}"] if ends else []
