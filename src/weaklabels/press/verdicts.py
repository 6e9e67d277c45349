"""The names of the outcomes, where reading them costs nothing: the runner needs no more."""

HOLDS, FAILS, OPEN, NOT_TESTABLE = OUTCOMES = ("holds", "fails", "open", "not testable here")
