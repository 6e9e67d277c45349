"""Claims on implicit SGD for physics-informed networks: records become verdicts.

Errors are compared in *digits*, -log10 of the relative error. *Runs* are
``{(method, learning rate): one record a seed}``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from chapters.isgd_pinn import tables
from chapters.isgd_pinn.runs import Key
from chapters.isgd_pinn.tables import Runs, log_accuracy
from weaklabels.lab.store import Record
from weaklabels.press.claims import Row, Verdict, all_of, every_seed, exact, greater, not_testable

NOT_READ = "abstract; no number could be read"
CHECK = "none (a check of this book)"
UNIT = "(digits)"
ISGD = "ISGD (L-BFGS)"


def best(runs: Runs, method: str) -> np.ndarray:
    """Digits of the best rate, seed by seed."""
    return log_accuracy(tables.best_of_grid(runs, method))


def middle(runs: Runs, method: str) -> np.ndarray:
    """Digits of the median rate, seed by seed."""
    return log_accuracy(tables.median_of_grid(runs, method))


def at_choice(runs: Runs, method: str) -> np.ndarray:
    """Digits at the rate chosen by the training loss."""
    return log_accuracy(tables.last(runs[tables.chosen(runs, method)], "error"))


def claim_1a(full: Runs) -> Row:
    """No run of inner L-BFGS at a finite rate diverges, in every seed."""
    keys = tables.rates_of(full, ISGD)
    rates = [alpha for _, alpha in keys]
    lost = np.any([np.isinf(tables.last(full[key], "error")) for key in keys], 0)
    return Row(
        "1a",
        f"Implicit SGD does not diverge at any rate from {min(rates):g} to {max(rates):g}.",
        NOT_READ,
        every_seed(~lost, f"{len(keys)} rates with inner L-BFGS", "no run diverges"),
        figure="fig-pinn-rates",
    )


def diverged(full: Runs) -> dict[float, np.ndarray]:
    """Rate of SGD -> evaluations until divergence (0: none), ``(seeds,)``."""
    keys = tables.rates_of(full, "SGD")
    return {key[1]: np.array([int(r["diverged"]) for r in full[key]]) for key in keys}


def claim_1b(full: Runs) -> Row:
    """Every run of SGD at twice the limit or more diverges, in every seed."""
    fast = {alpha: lost for alpha, lost in diverged(full).items() if alpha >= 2}
    return Row(
        "1b",
        "SGD diverges at every rate from twice 2/λ_max on.",
        "derived: stability of the explicit step",
        every_seed(
            np.all([lost > 0 for lost in fast.values()], 0),
            "; ".join(f"{a:g} · 2/λ_max: after {max(lost)} at most" for a, lost in fast.items()),
            "every such run diverges",
        ),
        figure="fig-pinn-curves",
    )


def claim_1c(full: Runs) -> Row:
    """No run of SGD at half of the limit diverges, in every seed."""
    lost = diverged(full)[0.5]
    return Row(
        "1c",
        "SGD is stable at half of 2/λ_max, computed at the start.",
        "derived, for a kernel that does not change",
        every_seed(
            lost == 0, f"diverged after {', '.join(map(str, lost))} (0: not)", "no run diverges"
        ),
        figure="fig-pinn-stiffness",
        why="λ_max grows while the network learns, so that a rate below the limit at the start can "
        "be above it later: the limit is a statement about one moment.",
    )


def claim_2a(full: Runs) -> Row:
    """No implicit step with inner L-BFGS raises the loss or breaks the energy inequality."""
    keys = [key for key in full if key[0] == ISGD]
    rises = np.sum([tables.increases(full[key]) for key in keys], 0)
    finite = tables.rates_of(full, ISGD)
    broken = np.sum([tables.energy_violations(full[key]) for key in finite], 0)
    return Row(
        "2a",
        "With inner L-BFGS the full-batch loss never rises from one implicit step to the next, and "
        "the energy inequality holds.",
        "derived: follows if the inner solver does not climb",
        every_seed((rises == 0) & (broken == 0), _rises_of_all(full, keys, rises), "no rise"),
        figure="fig-pinn-curves",
    )


def claim_2b(full: Runs) -> Row:
    """No implicit step with inner Adam raises the loss."""
    keys = tables.rates_of(full, "ISGD (Adam)")
    rises = np.sum([tables.increases(full[key]) for key in keys], 0)
    return Row(
        "2b",
        f"So it is with an inner Adam of {full[keys[0]][0].spec.iterations} iterations.",
        CHECK,
        every_seed(rises == 0, _rises_of_all(full, keys, rises), "no rise"),
        figure="fig-pinn-curves",
        why="Twenty iterations of Adam do not solve the inner problem, and nothing stops them from "
        "ending above its start: the guarantee belongs to a solver that descends.",
    )


def _rises_of_all(full: Runs, keys: Sequence[Key], rises: np.ndarray) -> str:
    taken = sum(len(record["moved"]) for key in keys for record in full[key])
    return f"{rises.sum()} rises in {taken} steps"


def claim_3(full: Runs, batch: Runs) -> Row:
    """Digits of the best rates: ISGD above SGD, in full batch and with mini-batches."""
    parts = {
        name: greater(best(runs, ISGD), best(runs, "SGD"), digits=2)
        for name, runs in (("full batch", full), ("mini-batches", batch))
    }
    return Row(
        "3",
        f"The best rate of implicit SGD is more accurate than the best of SGD {UNIT}.",
        NOT_READ,
        all_of(parts),
        figure="fig-pinn-rates",
    )


def claim_4(full: Runs, batch: Runs) -> list[Row]:
    """Digits of ISGD above Adam's: best and median rate, in full batch and with mini-batches."""
    start = (
        "Adam's seeds spread widely, and the order depends on the initial parameters: see the row "
        "on PyTorch's."
    )
    wide = "Of rates on a grid: a method that is flat over a wide range gains by a wide grid."
    luck = "Few seeds, and with fresh points the last state is a matter of luck."
    return [
        Row(
            id,
            f"Implicit SGD beats Adam: {text}, {name} {UNIT}.",
            "“favourably”; no number could be read",
            greater(rule(runs, ISGD), rule(runs, "Adam"), digits=2),
            figure="fig-pinn-rates",
            why=why,
        )
        for id, runs, name, rule, text, why in (
            ("4a", full, "full batch", best, "best rate", start),
            ("4b", full, "full batch", middle, "median over its rates", wide),
            ("4c", batch, "mini-batches", best, "best rate", luck),
            ("4d", batch, "mini-batches", middle, "median over its rates", luck),
        )
    ]


def claim_4e(groups: Mapping[str, Runs]) -> Row:
    """Digits at the chosen rates: ISGD above Adam on each of the other problems."""
    parts = {
        name: greater(at_choice(runs, ISGD), at_choice(runs, "Adam"), digits=2)
        for name, runs in groups.items()
    }
    return Row(
        "4e",
        f"On every other problem implicit SGD is ahead of Adam, rates chosen by the loss {UNIT}.",
        NOT_READ,
        all_of(parts),
        figure="tab-pinn-problems",
        why="The budget is small for the problems in two dimensions, and none of the methods is "
        "near the end of what it can do; a few seeds spread widely there.",
    )


def claim_4f(defaults: Runs) -> Row:
    """Digits of the best rates from PyTorch's initial parameters: ISGD above Adam."""
    return Row(
        "4f",
        f"So it is on the Poisson problem with PyTorch's initial parameters: best rate {UNIT}.",
        CHECK,
        greater(best(defaults, ISGD), best(defaults, "Adam"), digits=2),
        figure="tab-pinn-start",
        why="With random biases Adam has an easy time: who wins depends on the start.",
    )


def claim_4g(ripples: Mapping[tuple[Key, int], Sequence[Record]]) -> Row:
    """Digits at the fixed rates with the highest frequency: ISGD above Adam."""
    fastest = max(k for _, k in ripples)
    runs = {key: records for (key, k), records in ripples.items() if k == fastest}
    return Row(
        "4g",
        f"And with the fastest small component, k = {fastest}, at rates fixed beforehand {UNIT}.",
        CHECK,
        greater(at_choice(runs, ISGD), at_choice(runs, "Adam"), digits=2),
        figure="fig-pinn-frequency",
        why="The many short steps of Adam get further than a few dozen restarted searches there.",
    )


def claim_5(tanh: Mapping[float, Sequence[Record]]) -> Row:
    """The residual misses the prediction by less than 5 % at every rate, in every seed."""
    worst = np.max([tables.misses(records) for records in tanh.values()], 0)
    rates = list(tanh)
    return Row(
        "5",
        "In a wide two-layer network residual patterns decay like 1/(1 + αλ), for any α.",
        "derived; the setting of the paper's theorem",
        every_seed(
            worst < 0.05,
            f"largest miss after 5 steps {100 * worst.max():.2g} % of the first residual, α λ_max "
            f"from {rates[0]:g} to {rates[-1]:g}",
            "below 5 % of the first residual",
        ),
        figure="fig-pinn-wide",
    )


def claim_6(relu: Mapping[float, Sequence[Record]]) -> Row:
    """The squared residual is never above the bound (beyond rounding), in every seed."""
    squares, bounds = tables.squared_lengths(relu), tables.bounds(relu)
    kept = np.all([(squares[a] <= bounds[a] * (1 + 1e-9) + 1e-15).all(1) for a in relu], 0)
    rates = list(relu)
    return Row(
        "6",
        "Wide ReLU networks converge at least like (1 + αλ₀)^−n in the squared residual, for any "
        "α.",
        "the form of the theorem (abstract); constants not read",
        every_seed(kept, f"α λ₀ from {rates[0]:g} to {rates[-1]:g}", "never above the bound"),
        figure="fig-pinn-relu",
    )


def claim_6b() -> Row:
    """Cannot be decided without the paper's body."""
    return Row(
        "6b",
        "The width from which the theorem holds.",
        "not read",
        not_testable("the paper's body could not be read: its constants are unknown here"),
    )


def claim_7a(full: Runs, batch: Runs) -> Row:
    """Digits at the chosen rate above those of an infinite one, full batch and mini-batches."""

    def gain(runs: Runs) -> Verdict:
        without = log_accuracy(tables.last(runs[ISGD, math.inf], "error"))
        return greater(at_choice(runs, ISGD), without, digits=2)

    return Row(
        "7a",
        "The proximal term helps: with it (α by the loss) the restarted solver does better "
        f"{UNIT}.",
        "none (a question of this book)",
        all_of({"full batch": gain(full), "mini-batches": gain(batch)}),
        figure="fig-pinn-rates",
        why="The inner line search brings the stability already, and a large α makes the term "
        "small. With mini-batches the term keeps a step from fitting its own few points too "
        "closely.",
    )


def claim_7b(full: Runs) -> Row:
    """Digits at the chosen rate above those of L-BFGS with line search."""
    return Row(
        "7b",
        f"In full batch it also beats plain L-BFGS, which keeps its memory {UNIT}.",
        "none (a question of this book)",
        greater(at_choice(full, ISGD), at_choice(full, "L-BFGS"), digits=2),
        figure="fig-pinn-rates",
        why="On a loss that stays the same, forgetting curvature every 20 iterations is a "
        "handicap.",
    )


def claim_8a(cost: Mapping[str, float]) -> Row:
    """Ratio of the recorded costs below 1.5."""
    ratio = cost[ISGD] / cost["Adam"]
    return Row(
        "8a",
        "An evaluation costs about as much as with Adam: at most 1.5 times as much.",
        "“comparable” (a summary of the paper)",
        exact(ratio < 1.5, f"{ratio:.2f} times (recorded)", "ratio of the recorded medians"),
        figure="tab-pinn-cost",
    )


def claim_8b(full: Runs, cost: Mapping[str, float]) -> Row:
    """Digits at the chosen rates after equal time: ISGD above Adam."""
    errors = tables.at_equal_time(full, cost)
    return Row(
        "8b",
        f"At equal time implicit SGD is ahead of Adam, rates chosen by the loss {UNIT}.",
        "“comparable” (a summary of the paper)",
        greater(log_accuracy(errors[ISGD]), log_accuracy(errors["Adam"]), digits=2),
        figure="tab-pinn-equal",
        why="A few seeds spread over more than a decade: the difference is not beyond their "
        "spread.",
    )


def claim_9(inverse: Runs) -> Row:
    """The coefficient of the inverse problem missed by less than 10 %, in every seed."""
    missed = tables.coefficient_misses(inverse[tables.chosen(inverse, ISGD)])
    return Row(
        "9",
        "Implicit SGD solves the inverse problem as well: D within 10 %.",
        "none (a problem of this book)",
        every_seed(missed < 0.1, f"missed by {tables.spread(100 * missed)} %", "less than 10 %"),
        figure="tab-pinn-inverse",
    )
