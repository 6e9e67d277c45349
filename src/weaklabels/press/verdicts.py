"""Outcomes, their numbers in words, and the unit of effects, where reading them costs nothing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

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
    """How many rows of each kind hold, fail, are open and are not testable, in Markdown.

    Args:
        told: what is summed up -> its rows' ids without their last letter.
        outcomes: id -> outcome.
    """
    lines = []
    for what, prefixes in told.items():
        found = [outcome for id, outcome in outcomes.items() if id[:-1] in prefixes]
        counts = Counter(word for word in found if word in OUTCOMES)
        if set(counts) - {NOT_TESTABLE}:
            said = in_words(counts)
            lines.append(f"- {what}: of {len(found)} rows {', '.join(said)}.")
    return "\n".join(lines)


def answers(questions: Mapping[str, Sequence[str]], outcomes: Mapping[str, str]) -> str:
    """What the rows answer, one line a question, in Markdown: ``holds (1a, 1b), fails (1c)``.

    Args:
        questions: question -> ids of the rows that answer it.
        outcomes: id -> outcome; rows that it lacks are left out, and so is a question none of
            whose rows could be tested.
    """
    lines = []
    for question, ids in questions.items():
        found = {outcome: [id for id in ids if outcomes.get(id) == outcome] for outcome in OUTCOMES}
        said = [f"**{outcome}** ({', '.join(each)})" for outcome, each in found.items() if each]
        if any(each for outcome, each in found.items() if outcome != NOT_TESTABLE):
            lines.append(f"- {question[0].upper()}{question[1:]}: {', '.join(said)}.")
    return "\n".join(lines) or NOT_RECORDED.capitalize() + "."


def together(ids: str, outcomes: Mapping[str, str]) -> str:
    """The outcome of several rows as of one claim: all of them hold, or one fails, or it is open.

    Rows that are not testable say nothing, unless there is no other.

    Args:
        ids: separated by spaces.
        outcomes: id -> outcome.
    """
    found = {outcomes[id] for id in ids.split()}
    found = found - {NOT_TESTABLE} or found
    if len(found) == 1:
        return found.pop()
    return FAILS if FAILS in found else NOT_RECORDED if NOT_RECORDED in found else OPEN


def carried_over(pairs: Sequence[tuple[str, str]], outcomes: Mapping[str, str]) -> str:
    """How many findings on scenes stand on photographs, in two sentences.

    Args:
        pairs: ids of the rows on scenes and of those on photographs, a pair for each finding.
        outcomes: id -> outcome.
    """
    found = [(together(here, outcomes), together(there, outcomes)) for here, there in pairs]
    firm = [there for here, there in found if here == HOLDS]
    other = [there for here, there in found if here != HOLDS]
    counts = [", ".join(in_words(Counter(each))) or NOT_RECORDED for each in (firm, other)]
    return (
        f"Of {len(pairs)} findings that were asked for in both places {len(firm)} hold on the "
        f"scenes; of these on photographs, as far as they can be tested: {counts[0]}. Of the other "
        f"{len(other)} on photographs: {counts[1]}."
    )


def unit_of(part: Mapping[str, Any]) -> float:
    """The effect that is drawn at 1: what would count, or the margin of a "no worse"."""
    unit = abs(part["margin"]) if part["kind"] == "margin" else part["worth"]
    return unit or 1.0
