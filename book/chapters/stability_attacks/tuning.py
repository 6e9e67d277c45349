"""The settings of the chapter that were tuned on validation digits: learning rates and budgets.

The learning rate is chosen after training on clean images with the conventional budget, then the
defence's larger budget after training on hypocritical ones at that rate; ``record.tune`` does it.
"""

from __future__ import annotations

from weaklabels.lab.tuned import Tuned

RATES = (0.01, 0.02, 0.05, 0.1, 0.2)
"""Learning rates that are tried."""

USUAL, PAPERS = 1.0, 1.75
"""Budgets of the defence, in units of eps: the conventional one, and the larger one of the paper's
table, 14/255 for 8/255."""

BUDGETS = (USUAL, 1.25, 1.5, PAPERS, 2.0)
"""Budgets that are tried; 2 eps is the largest that can be needed."""

TUNING_SEEDS = 3
"""Of the recorded study."""

Choice = tuple[str, float]
"""Method or victim (see ``runs.VICTIMS``), radius."""

DEFENCES: tuple[Choice, ...] = (
    ("PGD-AT", 0.15),
    ("PGD-AT", 0.1),
    ("TRADES", 0.15),
    ("MART", 0.15),
)
"""What a learning rate and a larger budget are chosen for; victims have a learning rate."""

CHOSEN_RATES: dict[Choice, float] = {
    ("PGD-AT", 0.15): 0.1,
    ("PGD-AT", 0.1): 0.1,
    ("TRADES", 0.15): 0.1,
    ("MART", 0.15): 0.05,
    ("wider", 0.15): 0.1,
    ("narrower", 0.15): 0.1,
    ("deeper", 0.15): 0.1,
    ("convolutional", 0.15): 0.1,
}
CHOSEN_BUDGETS: dict[Choice, float] = {
    ("PGD-AT", 0.15): 1.5,
    ("PGD-AT", 0.1): 1.75,
    ("TRADES", 0.15): 1.75,
    ("MART", 0.15): 1.25,
}
"""What the record chose (a test compares them)."""

HELD_OUT = "200 clean digits, taken from the training digits"
RULE = f"best robust accuracy, mean over seeds ({TUNING_SEEDS})"

TUNED: tuple[Tuned, ...] = (
    *(
        Tuned(name, f"learning rate, ε = {eps:g}", RATES, rate, f"{RULE}; clean images", HELD_OUT)
        for (name, eps), rate in CHOSEN_RATES.items()
    ),
    *(
        Tuned(
            name,
            f"budget / ε, ε = {eps:g}",
            BUDGETS,
            budget,
            f"{RULE}; hypocritical images",
            HELD_OUT,
            (BUDGETS[0], BUDGETS[-1]),
        )
        for (name, eps), budget in CHOSEN_BUDGETS.items()
    ),
)


def chosen_rate(name: str, eps: float, default: float) -> float:
    """The learning rate that was chosen for a method or a victim; elsewhere the ``default``, and
    half of it for MART, as in the authors' code."""
    return CHOSEN_RATES.get((name, eps), default / 2 if name == "MART" else default)


def chosen_budget(eps: float, method: str = "PGD-AT") -> float:
    """A defence's larger budget in units of eps: the chosen one, or the paper's, which is smaller
    for TRADES (12/255)."""
    return CHOSEN_BUDGETS.get((method, eps), 1.5 if method == "TRADES" else PAPERS)
