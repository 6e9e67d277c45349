"""The names of the verdicts, where reading them costs nothing: the runner needs no more."""

HOLDS, FAILS, NOT_TESTABLE = VERDICTS = ("holds", "fails", "not testable here")
