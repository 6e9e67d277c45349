"""The claims of the chapter on Class Activation Value Learning: one function a claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from string import ascii_lowercase

import numpy as np
from scipy import stats

from chapters.class_activation_value.tables import Cells, Run, change_correlations, curve
from weaklabels.lab.candidate_setting import COMPARATORS
from weaklabels.press.claims import Row, Verdict, all_of, exact, greater, mean_std
from weaklabels.press.verdicts import FAILS

Scores = Mapping[str, np.ndarray]
"""Test accuracy ``(seeds,)`` by method."""

WORDS = "in words only"
OURS = "-"
SAME = "outside the window both select the same label"
CEILING = "on digits all but averaging are near the ceiling: a point is four test images"
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
    summed = "The same with the sum of the maps' positive values (ours)"
    rows = [
        (f"{claim}; {name}", paper, in_step(records, rule), figure)
        for claim, paper, rule, figure in (
            (counted, WORDS, COUNT, "tab-cavl-pilot"),
            (summed, OURS, SUM, "tab-cavl-rules"),
        )
        for name, records in runs.items()
    ]
    return [Row(f"2{letter}", *row) for letter, row in zip("abcd", rows, strict=True)]


def claim_3(final: Scores, later: str) -> list[Row]:
    """Test accuracy of training by maps against averaging; the row ``later`` starts later (b)."""
    return [
        Row(
            "3a",
            "Maps guide training: better than averaging",
            WORDS,
            greater(final["CAM"], final["IM-avg"]),
            figure="tab-cavl-pilot",
            why={FAILS: "perhaps the warm-up: an epoch is 45 steps here, 938 in the paper; see 3b"},
        ),
        Row(
            "3b",
            "The same with more epochs of warm-up (ours)",
            OURS,
            greater(final[later], final["IM-avg"]),
            figure="tab-cavl-pilot",
        ),
    ]


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
        Row(f"4{letter}", claim, WORDS, verdict, figure="fig-cavl-values")
        for letter, (claim, verdict) in zip(ascii_lowercase, rows, strict=False)
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
    test = f"correlation of changes, own run minus other runs; {verdict.test}"
    return replace(verdict, test=test)


# -- comparisons ----------------------------------------------------------------------------------


def claim_5(results: Scores) -> Row:
    """CAVL against IM-max on uniform sets."""
    return Row(
        "5",
        "The final form is better than the first (IM-max)",
        WORDS,
        greater(results["CAVL"], results["IM-max"]),
        figure="tab-cavl-uniform",
        why={FAILS: SAME},
    )


def claim_6(results: Mapping[str, Scores], networks: Mapping[str, Scores]) -> list[Row]:
    """CAVL against each comparator: by data; by recorded network (r); these with T0 = 5 (w)."""
    recorded = "tab-cavl-networks"
    warm = {FAILS: "perhaps the warm-up: one epoch is 45 steps here; see 6w"}
    return [
        *best("6", "CAVL is best on uniform sets", results, "tab-cavl-uniform", {FAILS: CEILING}),
        *best("6r", "CAVL is best on uniform sets (recorded)", networks, recorded, warm),
        *best(
            "6w",
            "The same with five epochs of warm-up (ours, recorded)",
            networks,
            recorded,
            ours="CAVL, T0 = 5",
        ),
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
    """One row for each data set or network: is ``ours`` better than each rival that was run?"""
    paper = OURS if "(ours" in claim else WORDS
    return [
        Row(
            f"{id}{letter}",
            f"{claim}; {label}",
            paper,
            all_of({name: greater(found[ours], found[name]) for name in rivals if name in found}),
            figure=figure,
            why=why or {},
        )
        for letter, (label, found) in zip(ascii_lowercase, results.items(), strict=False)
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
