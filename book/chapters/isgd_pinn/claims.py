"""Claims on implicit SGD for physics-informed networks: records become verdicts.

Errors are compared in *digits*, -log10 of the relative error, and a difference counts from
``HALVED`` on. *Runs* are ``{(method, learning rate): one record a seed}``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from chapters.isgd_pinn import problems, tables
from chapters.isgd_pinn.reasons import LEVEL, SHORTER, WHY_BEHIND
from chapters.isgd_pinn.runs import Key
from chapters.isgd_pinn.tables import Runs, log_accuracy
from chapters.isgd_pinn.tuning import BATCH, DEFAULT, FULL, at_an_end, chosen
from weaklabels.lab.store import Record
from weaklabels.press.claims import Row, Verdict, every_seed, exact, greater, not_testable
from weaklabels.press.verdicts import FAILS, HOLDS, OPEN

NOT_READ = "abstract; no number could be read"
FAVOURABLE = "“compares favorably to … SGD and Adam” (abstract); no number could be read"
CHECK = "none (a check of this book)"
OWN = "none (a question of this book)"
ISGD, KEPT, RESTARTED = "ISGD (L-BFGS)", "ISGD (Adam)", "ISGD (Adam, restarted)"
CHOSEN = "rates chosen by the loss of other seeds"
HALVED = math.log10(2)
"""The smallest difference that counts, in digits: the error is halved. Errors span four decades
here, and the subject reports them by orders of magnitude."""


def digits_more(ours: np.ndarray, other: np.ndarray) -> Verdict:
    """Is one method more accurate than another, both in digits, ``(seeds,)``?"""
    return greater(ours, other, worth=HALVED, digits=2)


def best(runs: Runs, method: str) -> np.ndarray:
    """Digits of the best rate, seed by seed."""
    return log_accuracy(tables.best_of_grid(runs, method))


def middle(runs: Runs, method: str) -> np.ndarray:
    """Digits of the median rate, seed by seed."""
    return log_accuracy(tables.median_of_grid(runs, method))


def at_choice(runs: Runs, group: str, method: str) -> np.ndarray:
    """Digits at the rate chosen for a problem, by the training loss of other seeds."""
    return log_accuracy(tables.last(runs[chosen(group, method)], "error"))


def grids(runs: Runs, other: str) -> str:
    """How many rates implicit SGD and another method have tried, for a row on their digits."""
    ours, theirs = (len(tables.rates_of(runs, method)) for method in (ISGD, other))
    tried = f"{ours} rates each" if ours == theirs else f"{ours} and {theirs} rates"
    return f"correct decimal digits; {tried}"


def inner_rate(runs: Runs, method: str) -> str:
    """The rate of an inner Adam, for a row."""
    key = tables.rates_of(runs, method)[0]
    return f"inner rate {runs[key][0].spec.inner_rate:g}"


HINDSIGHT = "Best rate by the true error of each seed"


def claim_1a(full: Runs) -> Row:
    """No run of inner L-BFGS at a finite rate diverges, in every seed."""
    keys = tables.rates_of(full, ISGD)
    rates = [alpha for _, alpha in keys]
    lost = np.any([np.isinf(tables.last(full[key], "error")) for key in keys], 0)
    return Row(
        "1a",
        f"Implicit SGD, full batch, does not diverge at any rate tried from {min(rates):g} to "
        f"{max(rates):g}.",
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
        "Poisson, full batch: SGD diverges at each rate tried from twice 2/λ_max on "
        f"({' and '.join(f'{alpha:g}' for alpha in fast)}).",
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
        "Poisson, full batch: SGD is stable at half of 2/λ_max, computed at the start.",
        "derived, for a kernel that does not change",
        every_seed(
            lost == 0, f"diverged after {', '.join(map(str, lost))} (0: not)", "no run diverges"
        ),
        figure="fig-pinn-curves",
        why={
            FAILS: "Perhaps because λ_max grows while the network learns: a rate below the limit "
            "at the start can be above it later."
        },
    )


def claim_2a(full: Runs) -> Row:
    """No implicit step with inner L-BFGS raises the loss at any finite rate, in every seed."""
    keys = tables.rates_of(full, ISGD)
    rises = np.sum([tables.increases(full[key]) for key in keys], 0)
    return Row(
        "2a",
        "With inner L-BFGS the full-batch loss never rises from one implicit step to the next.",
        "derived: follows if the inner solver does not climb",
        every_seed(rises == 0, _of_all_steps("rises", full, keys, rises), "no rise"),
        figure="fig-pinn-curves",
    )


def claim_2b(variants: Runs) -> list[Row]:
    """No implicit step with inner Adam raises the loss, in every seed: restarted, and not."""
    return [
        _adam_does_not_climb("2b", variants, RESTARTED, "restarted in every step", ""),
        _adam_does_not_climb("2d", variants, KEPT, "whose moments are kept", "fig-pinn-curves"),
    ]


def _adam_does_not_climb(id: str, variants: Runs, method: str, which: str, figure: str) -> Row:
    keys = tables.rates_of(variants, method)
    rises = np.sum([tables.increases(variants[key]) for key in keys], 0)
    return Row(
        id,
        f"With an inner Adam of {variants[keys[0]][0].spec.iterations} iterations, {which}, the "
        "full-batch loss never rises from one implicit step to the next.",
        CHECK,
        every_seed(rises == 0, _of_all_steps("rises", variants, keys, rises), "no rise"),
        figure=figure,
        why={
            FAILS: "Nothing keeps Adam from ending above its start, and the guarantee is for "
            "solvers that do not."
        },
    )


def claim_2c(full: Runs) -> Row:
    """No implicit step with inner L-BFGS breaks the energy inequality, in every seed."""
    keys = tables.rates_of(full, ISGD)
    broken = np.sum([tables.energy_violations(full[key]) for key in keys], 0)
    return Row(
        "2c",
        "With inner L-BFGS every implicit step keeps the energy inequality.",
        "derived: follows if the inner solver does not climb",
        every_seed(broken == 0, _of_all_steps("violations", full, keys, broken), "no violation"),
        figure="fig-pinn-curves",
    )


def _of_all_steps(what: str, full: Runs, keys: Sequence[Key], counts: np.ndarray) -> str:
    taken = sum(len(record["moved"]) for key in keys for record in full[key])
    return f"{counts.sum()} {what} in {taken} steps"


def claim_3_4(runs: Runs, name: str) -> list[Row]:
    """Digits of ISGD's best rate above SGD's; of its best and its median rate above Adam's.

    Args:
        runs: in full batch or with mini-batches.
        name: which of the two.
    """
    whole = name == "full batch"
    start = {OPEN: "Perhaps because much hangs on the start: of two of them rows 4h and 4f ask."}
    start |= {FAILS: LEVEL}
    wide = {HOLDS: "Of rates on a grid: a method that is flat over a wide range gains by it."}
    luck = {OPEN: "Perhaps because with fresh points the last state is a matter of luck."}
    return [
        Row(
            id,
            f"{text}, {name}: ISGD beats {other} ({grids(runs, other)}).",
            FAVOURABLE,
            digits_more(rule(runs, ISGD), rule(runs, other)),
            figure="fig-pinn-rates",
            why=why,
        )
        for id, other, rule, text, why in (
            ("3a" if whole else "3b", "SGD", best, HINDSIGHT, {}),
            ("4a" if whole else "4c", "Adam", best, HINDSIGHT, start if whole else luck),
            (
                "4b" if whole else "4d",
                "Adam",
                middle,
                "Median rate",
                wide if whole else luck | wide,
            ),
        )
    ]


def claim_4e(groups: Mapping[str, Runs]) -> list[Row]:
    """Digits at the chosen rates: ISGD above Adam, on each of the other problems."""
    return [
        Row(
            f"4e{i}",
            f"{name[0].upper()}{name[1:]}: ISGD beats Adam, {CHOSEN} "
            f"({grids(runs, 'Adam')}{at_an_end(name, ISGD, 'Adam')}).",
            FAVOURABLE,
            digits_more(at_choice(runs, name, ISGD), at_choice(runs, name, "Adam")),
            figure="tab-pinn-problems",
            why={FAILS: WHY_BEHIND[name]} if name in WHY_BEHIND else {},
        )
        for i, (name, runs) in enumerate(groups.items(), 1)
    ]


def claim_4f(defaults: Runs) -> Row:
    """Digits at the chosen rates from PyTorch's initial parameters: ISGD above Adam."""
    return Row(
        "4f",
        "Poisson from PyTorch's initial parameters, inputs not scaled: ISGD beats Adam, "
        f"{CHOSEN} ({grids(defaults, 'Adam')}{at_an_end(DEFAULT, ISGD, 'Adam')}).",
        CHECK,
        digits_more(at_choice(defaults, DEFAULT, ISGD), at_choice(defaults, DEFAULT, "Adam")),
        figure="tab-pinn-start",
        why={
            FAILS: "From this start Adam's median error falls to a third, that of plain L-BFGS to "
            "a seventh, and ISGD's not at all (tab-pinn-full, tab-pinn-start); whether by the "
            "random biases or by the inputs, which are not scaled, was not tried."
        },
    )


def claim_4g(ripples: Mapping[tuple[Key, int], Sequence[Record]]) -> Row:
    """Digits at the fixed rates with the highest frequency: ISGD above Adam."""
    fastest = max(k for _, k in ripples)
    digits = {
        key[0]: log_accuracy(tables.last(records, "error"))
        for (key, k), records in ripples.items()
        if k == fastest
    }
    return Row(
        "4g",
        f"Fastest ripple, k = {fastest}: ISGD beats Adam, rates chosen at k = "
        f"{problems.Poisson.k} (correct decimal digits).",
        CHECK,
        digits_more(digits[ISGD], digits["Adam"]),
        figure="fig-pinn-frequency",
        why={
            HOLDS: "At rates chosen for a slower ripple both miss the solution by tens of per "
            "cent in most seeds; the median error of L-BFGS without restarts is below either's "
            "(fig-pinn-frequency)."
        },
    )


def claim_3_4_chosen(runs: Runs, name: str) -> list[Row]:
    """Digits at the chosen rates: ISGD above SGD (3c, 3d) and above Adam (4h, 4j).

    Args:
        runs: in full batch or with mini-batches.
        name: which of the two, ``FULL`` or ``BATCH``.
    """
    ids, text, figure = {
        FULL: (("3c", "4h"), "Full batch", "tab-pinn-full"),
        BATCH: (("3d", "4j"), "Mini-batches", "tab-pinn-batch"),
    }[name]
    return [
        Row(
            id,
            f"{text}: ISGD beats {other}, {CHOSEN} ({grids(runs, other)}"
            f"{at_an_end(name, ISGD, other)}).",
            FAVOURABLE,
            digits_more(at_choice(runs, name, ISGD), at_choice(runs, name, other)),
            figure=figure,
            why={FAILS: LEVEL} if id == "4h" else {},
        )
        for id, other in zip(ids, ("SGD", "Adam"), strict=True)
    ]


def claim_4i(full: Runs, variants: Runs) -> Row:
    """Digits at the chosen rates: ISGD with an inner Adam that is kept above Adam."""
    return Row(
        "4i",
        f"Full batch: ISGD with an inner Adam that is kept ({inner_rate(variants, KEPT)}) beats "
        f"Adam, {CHOSEN} (correct decimal digits; Adam keeps the best of all evaluations, ISGD "
        f"that of its outer steps{at_an_end(FULL, KEPT, 'Adam')}).",
        FAVOURABLE,
        digits_more(at_choice(variants, FULL, KEPT), at_choice(full, FULL, "Adam")),
        figure="tab-pinn-variants",
        why={
            FAILS: "Without the proximal term an Adam that keeps its moments is plain Adam, and "
            "both take the same rate (tab-pinn-tuned): at the α that was chosen the term "
            "perhaps changes little."
        },
    )


def claim_5(tanh: Mapping[float, Sequence[Record]]) -> Row:
    """The residual misses the prediction by less than 5 % at every rate, in every seed."""
    worst = np.max([tables.misses(records) for records in tanh.values()], 0)
    rates = list(tanh)
    return Row(
        "5",
        "In a wide two-layer network the residual after 5 steps is, at each of three rates, within "
        "5 % of the first residual's length of what 1/(1 + αλ) predicts.",
        "derived; the setting of the paper's theorem",
        every_seed(
            worst < 0.05,
            f"largest miss after 5 steps {100 * worst.max():.2g} % of the first residual, α λ_max "
            f"from {rates[0]:g} to {rates[-1]:g}",
            "below 5 % of the first residual",
        ),
        figure="fig-pinn-wide",
        why={HOLDS: SHORTER},
    )


def claim_6(relu: Mapping[float, Sequence[Record]]) -> Row:
    """The squared residual is never above the bound (beyond rounding), in every seed."""
    squares, bounds = tables.squared_lengths(relu), tables.bounds(relu)
    kept = np.all([(squares[a] <= bounds[a] * (1 + 1e-9) + 1e-15).all(1) for a in relu], 0)
    rates = list(relu)
    return Row(
        "6",
        "Wide ReLU networks converge at least like (1 + αλ₀)^−n in the squared residual, at each "
        "of three rates.",
        "derived: the usual form, with c = 1; the abstract says that a global optimum is found",
        every_seed(kept, f"α λ₀ from {rates[0]:g} to {rates[-1]:g}", "never above the bound"),
        figure="fig-pinn-relu",
        why={
            HOLDS: "Of the two seeds above the bound one passes it by 1 %, the other by a factor "
            "of up to 19. With a constant kernel the squared residual would fall at least about "
            "like the square of the bound; at α λ₀ = 1 more than half of the seeds are slower "
            "(fig-pinn-relu). Perhaps the kernel moves, and perhaps the steps are not the implicit "
            "ones: the inner solver looks for a minimum that lies on kinks of the ReLU, where the "
            "gradient jumps, and may stop before it."
        },
    )


def claim_6b() -> Row:
    """Cannot be decided without the paper's body."""
    return Row(
        "6b",
        "The width from which the theorem holds.",
        "not read",
        not_testable("the paper's body could not be read: its constants are unknown here"),
    )


def claim_7a(full: Runs) -> Row:
    """Digits at the chosen rate above those of an infinite one, in full batch."""
    return Row(
        "7a",
        f"Proximal term helps, full batch: with it ({CHOSEN}) the restarted solver is more "
        "accurate (correct decimal digits).",
        OWN,
        _gain_of_the_term(full, FULL),
        figure="tab-pinn-full",
        why={
            FAILS: "Perhaps because the inner line search brings the stability already: between "
            "α = 0.1 and 1000 the size of the term changes little (fig-pinn-rates)."
        },
    )


def claim_7b(full: Runs) -> Row:
    """Digits at the chosen rate above those of L-BFGS with line search."""
    return Row(
        "7b",
        f"ISGD ({CHOSEN}) beats plain L-BFGS, which keeps its memory and has no rate, in full "
        "batch (correct decimal digits).",
        OWN,
        digits_more(at_choice(full, FULL, ISGD), at_choice(full, FULL, "L-BFGS")),
        figure="tab-pinn-full",
        why={
            FAILS: "Perhaps because on a loss that stays the same, forgetting curvature in every "
            "step is a handicap."
        },
    )


def claim_7c(batch: Runs) -> Row:
    """Digits at the chosen rate above those of an infinite one, with mini-batches."""
    return Row(
        "7c",
        f"Proximal term helps, fresh mini-batches: with it ({CHOSEN}) the restarted solver is "
        f"more accurate (correct decimal digits{at_an_end(BATCH, ISGD)}).",
        OWN,
        _gain_of_the_term(batch, BATCH),
        figure="tab-pinn-batch",
        why={HOLDS: "Perhaps because it keeps a step from fitting its own few points too closely."},
    )


def claim_7d(full: Runs, variants: Runs) -> Row:
    """Digits at the chosen rate above those of Adam followed by L-BFGS."""
    return Row(
        "7d",
        f"ISGD beats Adam followed by L-BFGS, the custom of the subject, {CHOSEN} (correct "
        "decimal digits).",
        OWN,
        digits_more(at_choice(full, FULL, ISGD), at_choice(variants, FULL, "Adam, then L-BFGS")),
        figure="tab-pinn-variants",
        why={
            FAILS: "Perhaps for the reason of row 7b: L-BFGS keeps its curvature from step to step "
            "and ISGD forgets it. Adam's part adds to that: the median error of L-BFGS alone is "
            "larger (tab-pinn-variants, tab-pinn-full)."
        },
    )


def _gain_of_the_term(runs: Runs, group: str) -> Verdict:
    without = log_accuracy(tables.last(runs[ISGD, math.inf], "error"))
    return digits_more(at_choice(runs, group, ISGD), without)


def claim_8a(cost: Mapping[str, float]) -> Row:
    """Ratio of the recorded costs below 1.5."""
    ratio = cost[ISGD] / cost["Adam"]
    return Row(
        "8a",
        "An evaluation costs about as much as with Adam: at most 1.5 times as much.",
        "“comparable” (a summary of the paper; of what is not known, the limit is ours)",
        exact(ratio < 1.5, f"{ratio:.2f} times (recorded)", "ratio of the recorded medians"),
        figure="tab-pinn-cost",
    )


def claim_8b(full: Runs, cost: Mapping[str, float]) -> Row:
    """Digits at the chosen rates after equal time: ISGD above Adam."""
    errors = tables.at_equal_time(full, cost)
    return Row(
        "8b",
        f"Full batch, at equal time: ISGD beats Adam, {CHOSEN} ({grids(full, 'Adam')}"
        f"{at_an_end(FULL, ISGD, 'Adam')}).",
        FAVOURABLE,
        digits_more(log_accuracy(errors[ISGD]), log_accuracy(errors["Adam"])),
        figure="tab-pinn-equal",
        why={
            FAILS: "An evaluation costs more than with Adam (row 8a), so ISGD gets fewer of them, "
            "and its error is read up to a sixth of them earlier (tab-pinn-equal). Row 4h "
            "compares the two at equal evaluations."
        },
    )


def claim_9(inverse: Runs) -> Row:
    """The coefficient of the inverse problem missed by less than 10 %, in every seed."""
    missed = tables.coefficient_misses(inverse[chosen(tables.INVERSE, ISGD)])
    return Row(
        "9",
        "Implicit SGD solves the inverse problem as well: D within 10 %, one draw of the sensors' "
        "noise.",
        "none (a problem of this book)",
        every_seed(missed < 0.1, f"missed by {tables.spread(100 * missed)} %", "less than 10 %"),
        figure="tab-pinn-inverse",
    )


def claim_10(variants: Runs) -> Row:
    """Digits at the chosen rates: inner Adam with its moments kept above one that is restarted."""
    return Row(
        "10",
        f"An inner Adam that keeps its moments is more accurate than one restarted, {CHOSEN}, "
        f"inner rates too (correct decimal digits{at_an_end(FULL, KEPT, RESTARTED)}).",
        CHECK,
        digits_more(at_choice(variants, FULL, KEPT), at_choice(variants, FULL, RESTARTED)),
        figure="tab-pinn-variants",
    )
