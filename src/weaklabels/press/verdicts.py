"""The names of the outcomes and their numbers in words, where reading them costs nothing."""

from collections.abc import Mapping, Sequence

HOLDS, FAILS, OPEN, NOT_TESTABLE = OUTCOMES = ("holds", "fails", "open", "not testable here")

AGREES, DISAGREES, NOT_CHECKED = "yes", "no", "not checked"
"""What a check says of a recorded row."""

NOT_RECORDED = "not recorded yet"
"""Said in place of an outcome of a row that no execution at hand has decided."""

MOST_SEEDS = 1000
"""Up to how many seeds it is said how many would decide what is open."""

_ONE = dict(zip(OUTCOMES, ("holds", "fails", "is open", "not testable"), strict=True))
_MANY = dict(zip(OUTCOMES, ("hold", "fail", "are open", "not testable"), strict=True))


def in_words(found: Mapping[str, int]) -> list[str]:
    """``["12 hold", "1 fails", "3 are open"]``, for the outcomes that ``found`` counts."""
    return [
        f"{found[name]} {(_ONE if found[name] == 1 else _MANY)[name]}"
        for name in OUTCOMES
        if name in found
    ]


def tally(told: Mapping[str, Sequence[str]], outcomes: Mapping[str, str]) -> str:
    """How many rows of each kind hold, fail and are open, in Markdown.

    Args:
        told: what is summed up -> its rows' ids without their last letter.
        outcomes: id -> outcome.
    """
    lines = []
    for what, prefixes in told.items():
        found = [outcome for id, outcome in outcomes.items() if id[:-1] in prefixes]
        counts = [f"{found.count(word)} {word}" for word in (HOLDS, FAILS, OPEN) if word in found]
        if counts:
            lines.append(f"- {what}: of {len(found)} rows {', '.join(counts)}.")
    return "\n".join(lines)
