"""How the execution of a chapter ended."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(eq=False)  # not frozen: raising an exception sets attributes of it
class Failure(Exception):
    """A cell that did not get through.

    Attributes:
        source: the cell, or an empty string if the trouble lay outside the cells.
        error: name and message of the exception.
        notebook: the notebook as far as it came, as JSON; None if it was never started.
    """

    source: str
    error: str
    notebook: str | None = None


@dataclass(frozen=True)
class Outcome:
    """A chapter, how long it took in seconds, and what went wrong, if anything did."""

    slug: str
    seconds: float
    failure: Failure | None
