"""The claims of the chapter on Class Activation Value Learning: one function a claim."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from string import ascii_lowercase

import numpy as np
from scipy import stats

from chapters.class_activation_value.reasons import REASONS
from chapters.class_activation_value.runs import CHOSEN_STARTS
from chapters.class_activation_value.tables import (
    PLENCH,
    Cells,
    Run,
    change_correlations,
    curve,
)
from weaklabels.lab.candidate_setting import COMPARATORS
from weaklabels.press.claims import Row, Verdict, all_of, exact, greater, lettered, mean_std
from weaklabels.press.verdicts import FAILS, NOT_TESTABLE, tally

Scores = Mapping[str, np.ndarray]
"""Test accuracy ``(seeds,)`` by method."""

WORDS = "in words only"
OURS = "-"
SAME = "outside the window both select the same label"
COUNT = "select CAM, count"
SUM = "select CAM, relu_sum"

CORRELATION_WORTH = 0.2
"""The smallest correlation that would count: with a smaller one, one curve tells less than 4 % of
the variance of the other."""


# -- the properties -------------------------------------------------------------------------------


def claim_1(averaging: Sequence[Run]) -> list[Row]:
    """Under average training: maps against chance, early (a); maps against the model (b)."""
    maps, own = (curve(averaging, name).mean(1) for name in (COUNT, "select IM-max"))
    return [
        Row(
            "1a",
            "Power: early on, maps find the true label among the candidates, 20 points above "
            "chance",
            WORDS,
            power(averaging, COUNT),
            figure="fig-cavl-pilot",
        ),
        Row(
            "1b",
            "Power, early abstract: maps find it better than the model itself",
            WORDS,
            greater(maps, own),
            figure="tab-cavl-pilot",
            why={
                FAILS: "the mean of a map is the logit up to its bias; counting positive positions "
                "loses information (tab-cavl-rules)"
            },
        ),
    ]


def claim_2(pilot: Mapping[str, Sequence[Run]]) -> list[Row]:
    """Changes of maps and classifier, in step: count (a, b) and sum (c, d), by training run."""
    runs = {"training on the average": pilot["IM-avg"], "training by maps": pilot["CAM"]}
    counted = "Dynamic: the maps' accuracy moves with the classifier's"
    summed = (
        "The same with the sum of the maps' positive values (ours; correlations of curves that are "
        "not drawn)"
    )
    rows = [
        (f"{claim}; {name}", paper, in_step(records, rule), figure)
        for claim, paper, rule, figure in (
            (counted, WORDS, COUNT, "tab-cavl-pilot"),
            (summed, OURS, SUM, "tab-cavl-rules"),
        )
        for name, records in runs.items()
    ]
    return [Row(f"2{letter}", *row) for letter, row in zip("abcd", rows, strict=True)]


def claim_3(final: Scores) -> Row:
    """Test accuracy of training by maps against averaging."""
    return Row(
        "3a",
        "Maps guide training: better than averaging",
        WORDS,
        greater(final["CAM"], final["IM-avg"]),
        figure="tab-cavl-pilot",
        why={FAILS: "whether the warm-up is to blame, 45 steps here and 938 in the paper: 3b"},
    )


def claim_3_later(final: Scores, later: str) -> Row:
    """The same for the row ``later``, which starts later."""
    return Row(
        "3b",
        "The same with more epochs of warm-up (ours)",
        OURS,
        greater(final[later], final["IM-avg"]),
        figure="tab-cavl-later",
    )


def claim_4(groups: Mapping[str, Sequence[Run]]) -> list[Row]:
    """Both properties for CAV, data by data: selection above chance, then changes in step."""
    rules = {
        "CAV has the power property, 20 points above chance": power,
        "CAV has the dynamic property": in_step,
    }
    rows = [
        (f"{claim}; {name}", rule(records, "select CAV"))
        for claim, rule in rules.items()
        for name, records in groups.items()
    ]
    return [
        Row(
            id := f"4{letter}",
            claim,
            WORDS,
            verdict,
            figure="fig-cavl-values",
            why=REASONS.get(id, {}),
        )
        for letter, (claim, verdict) in lettered(ascii_lowercase, rows)
    ]


def power(records: Sequence[Run], selection: str, epochs: int = 5) -> Verdict:
    """Does a rule select the truth at least 20 points above chance in the first epochs?"""
    early = curve(records, selection)[:, :epochs].mean(1)
    verdict = greater(early, [float(record["chance"]) for record in records], margin=20)
    return replace(verdict, test=f"mean of the first {epochs} epochs minus chance; {verdict.test}")


def in_step(records: Sequence[Run], selection: str) -> Verdict:
    """Do selection and classifier change together, more than with another seed's classifier?

    Curves that rise correlate whatever they show; their changes from epoch to epoch do not.
    """
    own, other = change_correlations(records, selection)
    verdict = greater(own, other, worth=CORRELATION_WORTH, digits=2)
    test = f"correlation of changes, own run minus the next run; {verdict.test}"
    return replace(verdict, test=test)


# -- comparisons ----------------------------------------------------------------------------------


def claim_5(results: Scores) -> list[Row]:
    """CAVL against IM-max on uniform sets, with an epoch of warm-up (a) and as chosen (b)."""
    cells = {
        "The final form is better than the first (IM-max)": ("CAVL", "IM-max", WORDS),
        "The same, each with the start that was chosen for it (ours)": (
            "CAVL, later start",
            "IM-max, later start",
            OURS,
        ),
    }
    return [
        Row(
            f"5{letter}",
            claim,
            paper,
            greater(results[ours], results[rival]),
            figure="tab-cavl-uniform",
            why={FAILS: SAME},
        )
        for letter, (claim, (ours, rival, paper)) in zip("ab", cells.items(), strict=True)
    ]


def claim_6(
    results: Mapping[str, Scores], networks: Mapping[str, Scores], largest: Mapping[str, Scores]
) -> list[Row]:
    """CAVL against each comparator, by data and network.

    Here with an epoch of warm-up, and with the start that was chosen (l); recorded by network (r),
    these with T0 = 5 (w); recorded on all of Fashion-MNIST (f).
    """
    recorded = "tab-cavl-networks"
    short = {FAILS: "whether the warm-up is to blame, a dozen steps here: 9a to 9c"}
    warm = {FAILS: "whether the warm-up is to blame, 45 steps here: 6w"}
    uniform = "tab-cavl-uniform"
    return [
        *best("6", "CAVL is best on uniform sets", results, uniform, short),
        *best(
            "6l",
            "The same with the start that was chosen (ours)",
            results,
            uniform,
            ours="CAVL, later start",
        ),
        *best("6r", "CAVL is best on uniform sets (recorded)", networks, recorded, warm),
        *best(
            "6w",
            "The same with five epochs of warm-up (ours, recorded)",
            networks,
            recorded,
            ours="CAVL, T0 = 5",
        ),
        *best("6f", "CAVL is best with epochs of 938 steps (recorded)", largest, "tab-cavl-full"),
    ]


def claim_7(cells: Mapping[str, Cells], recorded: Cells) -> list[Row]:
    """CAVL against each comparator: at every q; recorded (r); in what is lost with q (s)."""
    at = {f"{name}, {q}": found for name, each in cells.items() for q, found in by_q(each).items()}
    label, figure = "Fashion-MNIST, LeNet", "fig-cavl-flipping"
    fashion = {f"{label}, {q}": found for q, found in by_q(recorded).items()}
    return [
        *best("7", "CAVL is best at this flipping probability", at, figure),
        *best("7r", "The same (recorded, on a subset)", fashion, figure),
        *best(
            "7s",
            "CAVL loses least from the smallest to the largest q",
            {name: kept(each) for name, each in cells.items()},
            figure,
        ),
    ]


def claim_8(results: Mapping[str, Scores]) -> list[Row]:
    """On every real-world set: CAVL against each comparator; with T0 = 10 (w); to IM-max (m)."""
    figure, later = "tab-cavl-real", "CAVL, T0 = 10"
    warm = {label: found for label, found in results.items() if later in found}
    return [
        *best("8", "CAVL is best on real-world sets (recorded)", results, figure),
        *best(
            "8w", "The same with ten epochs of warm-up (ours, recorded)", warm, figure, ours=later
        ),
        *best(
            "8m",
            "On real-world sets CAVL is better than IM-max (ours, recorded)",
            results,
            figure,
            {FAILS: SAME},
            rivals=("IM-max",),
        ),
    ]


def best(
    id: str,
    claim: str,
    results: Mapping[str, Scores],
    figure: str,
    why: Mapping[str, str] | None = None,
    *,
    rivals: Sequence[str] = COMPARATORS,
    ours: str = "CAVL",
) -> list[Row]:
    """One row for each data set or network: is ``ours`` better than each rival that was run?

    Without a ``why`` for all of them, each has that of ``REASONS``, if there is one.
    """
    paper = OURS if "(ours" in claim else WORDS
    return [
        Row(
            f"{id}{letter}",
            f"{claim}; {label}",
            paper,
            all_of({name: greater(found[ours], found[name]) for name in rivals if name in found}),
            figure=figure,
            why=why or REASONS.get(f"{id}{letter}", {}),
        )
        for letter, (label, found) in lettered(ascii_lowercase, results.items())
    ]


def by_q(cells: Cells) -> dict[str, dict[str, np.ndarray]]:
    """The cells as ``"q = ..."`` -> method -> scores."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for (q, name), values in cells.items():
        found.setdefault(f"q = {q:g}", {})[name] = values
    return found


def kept(cells: Cells) -> dict[str, np.ndarray]:
    """Accuracy at the largest minus that at the smallest q, by method."""
    low, high = min(q for q, _ in cells), max(q for q, _ in cells)
    return {name: cells[high, name] - cells[low, name] for q, name in cells if q == low}


# -- the start ------------------------------------------------------------------------------------


def claim_9(
    starts: Sequence[int], fixed: np.ndarray, equal: np.ndarray, hard: np.ndarray
) -> list[Row]:
    """Trend over the start (a); first against last start (b), at equal CAV epochs (c), IM-max (d).

    Args:
        starts: T0.
        fixed, equal, hard: test accuracies ``(starts, seeds)``: of CAVL at a fixed total and at
            equal numbers of CAV epochs, of IM-max at a fixed total.
    """
    first, last = starts.index(1), len(starts) - 1
    rows = [
        ("The later the start, the lower the accuracy", WORDS, falling(starts, fixed)),
        ("A late start is worse than T0 = 1", WORDS, greater(fixed[first], fixed[last])),
        (
            "A late start hurts at equal numbers of CAV epochs too (ours)",
            OURS,
            greater(equal[first], equal[last]),
        ),
        ("A late start hurts IM-max too (ours)", OURS, greater(hard[first], hard[last])),
    ]
    return [
        Row(f"9{letter}", *row, figure="fig-cavl-start")
        for letter, row in zip("abcd", rows, strict=True)
    ]


def claim_10(starts: Sequence[int], fixed: np.ndarray) -> Row:
    """One epoch of averaging against none; accuracies ``(starts, seeds)``."""
    return Row(
        "10",
        "The first-epoch trick helps: T0 = 1 beats T0 = 0",
        WORDS,
        greater(fixed[starts.index(1)], fixed[starts.index(0)]),
        figure="fig-cavl-start",
    )


def falling(starts: Sequence[int], values: np.ndarray) -> Verdict:
    """Does accuracy fall with the starting epoch (Spearman's rho below 0, from T0 = 1 on)?"""
    from_one = [i for i, start in enumerate(starts) if start >= 1]
    rho = np.array([_spearman(from_one, values[from_one, s]) for s in range(values.shape[1])])
    verdict = greater(-rho, np.zeros_like(rho), worth=CORRELATION_WORTH, digits=2)
    test = f"minus Spearman's rho of accuracy and T0; {verdict.test}"
    return replace(verdict, ours=f"rho = {mean_std(rho, 2)}", test=test)


def _spearman(a: Sequence[float], b: np.ndarray) -> float:
    return float(stats.spearmanr(a, b)[0]) if np.std(b) > 0 else 0.0


# -- what is behind a gap --------------------------------------------------------------------------


def claim_13(losses: Mapping[tuple[float, int, str], np.ndarray]) -> list[Row]:
    """CAVL's loss to PRODEN, one cause changed at a time: start (a, b), sets (c), width (d).

    Args:
        losses: accuracy of PRODEN minus that of CAVL, by q, width and ``"T0 = ..."``; see
            ``tables.losses_to_proden``.
    """
    (low, *_, high), (narrow, *_, wide), (first, *_, last) = (
        list(dict.fromkeys(key[place] for key in losses)) for place in range(3)
    )
    base = losses[high, wide, first]
    rows = [
        (f"A later start makes CAVL's loss to PRODEN smaller ({last}, q = {high:g})",
         greater(base, losses[high, wide, last])),
        (f"A later start makes it smaller ({last}, q = {low:g})",
         greater(losses[low, wide, first], losses[low, wide, last])),
        (f"It is larger at q = {high:g} than at q = {low:g} ({first})",
         greater(base, losses[low, wide, first])),
        (f"It is larger for a wide network than for a narrow one ({first}, q = {high:g})",
         greater(base, losses[high, narrow, first])),
    ]  # fmt: skip
    return [
        Row(
            f"13{letter}",
            f"{claim} (ours)",
            OURS,
            verdict,
            figure="tab-cavl-intervention",
            why=REASONS.get(f"13{letter}", {}),
        )
        for letter, (claim, verdict) in zip("abcd", rows, strict=True)
    ]


def claim_16(results: Scores) -> Row:
    """RC against IM-max on uniform sets: the same logits at the same time, soft or hard."""
    return Row(
        "16",
        "Hard labels cost: RC, which is IM-max with soft labels, is better than it (ours)",
        OURS,
        greater(results["RC"], results["IM-max"]),
        figure="tab-cavl-uniform",
    )


def claim_14(found: Mapping[str, Scores]) -> list[Row]:
    """By PLENCH's protocol CAVL is behind PRODEN and CC, as with its code (recorded)."""
    rows = []
    for letter, (name, each) in lettered(ascii_lowercase, found.items()):
        theirs = PLENCH.get(name)
        for number, rival in enumerate(("PRODEN", "CC"), 1):
            effect = None if theirs is None else theirs[rival] - theirs["CAVL"]
            row = Row(
                f"14{letter}{number}",
                f"By PLENCH's protocol {rival} is ahead of CAVL (recorded); {name}",
                "-" if effect is None else f"PLENCH's code: {effect:+.1f}",
                greater(each[rival], each["CAVL"], paper_effect=effect),
                figure="tab-cavl-plench",
            )
            rows.append(row)
    return rows


def claim_15(found: Mapping[tuple[str, float], np.ndarray], ours: np.ndarray) -> list[Row]:
    """CAVL against LWS at each leverage; accuracies ``(seeds,)``."""
    cells = [(beta, values) for (name, beta), values in found.items() if name == "LWS"]
    return [
        Row(
            f"15{letter}",
            f"CAVL is better than LWS with beta = {beta:g} (ours)",
            OURS,
            greater(ours, values),
            figure="tab-cavl-leverage",
            why=REASONS.get(f"15{letter}", {}),
        )
        for letter, (beta, values) in lettered(ascii_lowercase, cells)
    ]


# -- the two forms --------------------------------------------------------------------------------


def claim_11(differences: Mapping[str, int]) -> Row:
    """No selection of the first form differs from IM-max (see ``tables.differences``)."""
    wrong = differences["first differs"]
    return Row(
        "11",
        "The first form selects what IM-max selects (ours)",
        "-",
        exact(wrong == 0, f"{wrong} differences", "none but float ties"),
        figure="tab-cavl-window",
    )


def claim_12(differences: Mapping[str, int]) -> Row:
    """No selection of the final form differs from IM-max outside the window."""
    outside = differences["final differs outside window"]
    return Row(
        "12",
        "The final form differs from it only inside the window (ours)",
        "-",
        exact(outside == 0, f"{outside} of {differences['final differs']} outside", "none outside"),
        figure="tab-cavl-window",
    )


# -- in words -------------------------------------------------------------------------------------

TOLD = {
    "The properties of maps and values (power, dynamic, guiding the training)": (
        "1", "2", "3", "4",
    ),
    "An early start, but not none": ("9", "10"),
    "The final form better than the first, which is hard self-training": ("5", "8m"),
    "CAVL best, with one epoch of warm-up": ("6", "6r", "6f", "7", "7r", "8"),
    "CAVL best, with a later start": ("6l", "6w", "8w"),
    "CAVL best on real sets by PLENCH's protocol, settings chosen on candidate or on true labels": (
        "18",
    ),
    "Settings chosen on candidate labels cost at most a point of accuracy": ("19",),
    "By PLENCH's protocol PRODEN and CC ahead of CAVL": ("14",),
    "What PLENCH's code gives, given by ours": ("17",),
    "The properties on colour photographs": ("20",),
}  # fmt: skip
"""What is summed up at the end -> how the ids of its rows begin."""


def summary(outcomes: Mapping[str, str]) -> str:
    """How many rows of each kind hold, fail and are open, in Markdown.

    Rows that cannot be tested are left out, and so are those that repeat a plain row because the
    first epoch was chosen for the start.

    Args:
        outcomes: id -> outcome.
    """
    again = {"5b", "6la"} if set(CHOSEN_STARTS.values()) == {1} else set()
    kept = {
        id: outcome
        for id, outcome in outcomes.items()
        if id not in again and outcome != NOT_TESTABLE
    }
    return tally(TOLD, {f"{_kind(id)}{chr(ord('!') + n)}": kept[id] for n, id in enumerate(kept)})


def _kind(id: str) -> str:
    """How the id of a row begins: its number, and a letter if another one follows."""
    found = re.match(r"\d+([a-z](?=[a-z]))?", id)
    return found.group() if found else id
