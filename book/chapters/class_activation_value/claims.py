"""The claims of the chapter on Class Activation Value Learning: one function a claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy import stats

from chapters.class_activation_value.tables import Cells, correlations, curve
from weaklabels.lab.candidate_setting import COMPARATORS
from weaklabels.lab.store import Record
from weaklabels.press.claims import Row, Verdict, all_of, exact, greater, mean_std

Scores = Mapping[str, np.ndarray]
"""Test accuracy ``(seeds,)`` by method."""

WORDS = "in words only"
SOFT = "soft weights can be corrected; a wrong hard label is trained on until it is true"
SAME = "outside the window both select the same label"
COUNT = "select CAM, count"


# -- the properties -------------------------------------------------------------------------------


def claim_1(averaging: Sequence[Record]) -> list[Row]:
    """Under average training, early: maps against chance (a); maps against the model (b)."""
    maps, own = (curve(averaging, name).mean(1) for name in (COUNT, "select IM-max"))
    return [
        Row(
            "1a",
            "Power: maps find the true label among the candidates early on",
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
            why="the mean of a map is the logit; counting positive positions loses information",
        ),
    ]


def claim_2(pilot: Mapping[str, Sequence[Record]]) -> list[Row]:
    """Correlation with the classifier, both training runs: counted maps; summed maps (b)."""
    counted, summed = (
        all_of({name: in_sync(pilot[name], rule) for name in ("IM-avg", "CAM")})
        for rule in (COUNT, "select CAM, relu_sum")
    )
    return [
        Row(
            "2",
            "Dynamic: the maps' accuracy moves with the classifier's",
            WORDS,
            counted,
            figure="tab-cavl-pilot",
            why="a count on small maps is a coarse reading of them: see 2b",
        ),
        Row(
            "2b",
            "The same with the sum of the maps' positive values (ours)",
            "-",
            summed,
            figure="tab-cavl-rules",
        ),
    ]


def claim_3(final: Scores, later: str) -> list[Row]:
    """Test accuracy of training by maps against averaging; the row ``later`` starts later (b)."""
    return [
        Row(
            "3",
            "Maps guide training: better than averaging",
            WORDS,
            greater(final["CAM"], final["IM-avg"]),
            figure="tab-cavl-pilot",
            why="one epoch of warm-up is 45 steps here, 938 in the paper: see 3b",
        ),
        Row(
            "3b",
            "The same with more epochs of warm-up (ours)",
            "-",
            greater(final[later], final["IM-avg"]),
            figure="tab-cavl-pilot",
        ),
    ]


def claim_4(groups: Mapping[str, Sequence[Record]]) -> list[Row]:
    """Both properties for CAV, on all data: selection above chance (a), correlation (b)."""
    return [
        Row(
            "4a",
            "CAV has the power property, also where there are no maps",
            WORDS,
            all_of({name: power(records, "select CAV") for name, records in groups.items()}),
            figure="fig-cavl-values",
        ),
        Row(
            "4b",
            "CAV has the dynamic property, also where there are no maps",
            WORDS,
            all_of({name: in_sync(records, "select CAV") for name, records in groups.items()}),
            figure="fig-cavl-values",
        ),
    ]


def power(records: Sequence[Record], selection: str, epochs: int = 5) -> Verdict:
    """Does a rule select the truth at least 20 points above chance in the first epochs?"""
    early = curve(records, selection)[:, :epochs].mean(1)
    verdict = greater(early, [float(record["chance"]) for record in records], margin=20)
    return replace(verdict, test=f"mean of the first {epochs} epochs minus chance; {verdict.test}")


def in_sync(records: Sequence[Record], selection: str, least: float = 0.8) -> Verdict:
    """Is the correlation of selection and classifier over the epochs at least 0.8?"""
    found = correlations(records, selection)
    verdict = greater(found, np.zeros(len(records)), digits=2, margin=least)
    test = f"mean correlation over epochs > {least:g}, one-sided 95 % t-interval over seeds"
    return replace(verdict, ours=f"r = {mean_std(found, 2)}", test=test)


# -- comparisons ----------------------------------------------------------------------------------


def claim_5(results: Scores) -> Row:
    """CAVL against IM-max on uniform sets."""
    return Row(
        "5",
        "The final form is better than the first (IM-max)",
        WORDS,
        greater(results["CAVL"], results["IM-max"]),
        figure="tab-cavl-uniform",
        why=SAME,
    )


def claim_6(results: Mapping[str, Scores], networks: Mapping[str, Scores]) -> list[Row]:
    """CAVL against the best comparator on every data set; on every recorded network (r, b)."""
    return [
        Row(
            "6",
            "CAVL is best on uniform sets",
            WORDS,
            each_best(results),
            figure="tab-cavl-uniform",
            why=SOFT,
        ),
        Row(
            "6r",
            "The same with LeNet, ResNet and DenseNet (recorded)",
            WORDS,
            each_best(networks),
            figure="tab-cavl-networks",
            why="one epoch of warm-up is 45 steps here: see 6b",
        ),
        Row(
            "6b",
            "The same with five epochs of warm-up (ours, recorded)",
            "-",
            each_best(networks, ours="CAVL, T0 = 5"),
            figure="tab-cavl-networks",
            why=SOFT,
        ),
    ]


def claim_7(cells: Mapping[str, Cells], recorded: Cells) -> list[Row]:
    """CAVL against the best comparator at every q; recorded (r); what is lost with q (s)."""
    return [
        Row(
            "7",
            "CAVL is best at every flipping probability",
            WORDS,
            all_of({name: best_at_every_q(found) for name, found in cells.items()}),
            figure="fig-cavl-flipping",
            why=SOFT,
        ),
        Row(
            "7r",
            "The same on Fashion-MNIST with LeNet (recorded, subset)",
            WORDS,
            best_at_every_q(recorded),
            figure="fig-cavl-flipping",
            why=SOFT,
        ),
        Row(
            "7s",
            "CAVL loses least from the smallest to the largest q",
            WORDS,
            all_of({name: flattest(found) for name, found in cells.items()}),
            figure="fig-cavl-flipping",
            why=SOFT,
        ),
    ]


def claim_8(results: Mapping[str, Scores]) -> list[Row]:
    """CAVL on every real-world set: against the best comparator; against IM-max (b)."""
    return [
        Row(
            "8",
            "CAVL is best on real-world sets (recorded)",
            WORDS,
            each_best(results),
            figure="tab-cavl-real",
            why=SOFT,
        ),
        Row(
            "8b",
            "On real-world sets CAVL is better than IM-max (ours, recorded)",
            "-",
            each_best(results, ("IM-max",)),
            figure="tab-cavl-real",
            why=SAME,
        ),
    ]


def against_best(
    results: Scores, rivals: Sequence[str] = COMPARATORS, ours: str = "CAVL"
) -> Verdict:
    """Is ``ours`` better than the best of ``rivals`` (the one with the highest mean)?"""
    rival = max((name for name in rivals if name in results), key=lambda n: results[n].mean())
    verdict = greater(results[ours], results[rival])
    return replace(verdict, ours=f"against {rival} {verdict.ours}")


def each_best(
    results: Mapping[str, Scores], rivals: Sequence[str] = COMPARATORS, ours: str = "CAVL"
) -> Verdict:
    """Is ``ours`` better than the best of ``rivals`` everywhere?"""
    return all_of({label: against_best(found, rivals, ours) for label, found in results.items()})


def best_at_every_q(cells: Cells) -> Verdict:
    """Is CAVL better than the best comparator at each q?"""
    qs = dict.fromkeys(q for q, _ in cells)
    return each_best({f"q = {q}": {n: v for (p, n), v in cells.items() if p == q} for q in qs})


def flattest(cells: Cells) -> Verdict:
    """Does CAVL lose less, from the smallest to the largest q, than who else loses least?"""
    low, high = min(q for q, _ in cells), max(q for q, _ in cells)
    lost = {name: cells[low, name] - cells[high, name] for q, name in cells if q == low}
    rival = min((name for name in COMPARATORS if name in lost), key=lambda n: lost[n].mean())
    verdict = greater(lost[rival], lost["CAVL"])
    return replace(verdict, ours=f"loss of {rival} against that of CAVL: {verdict.ours}")


# -- the start ------------------------------------------------------------------------------------


def claim_9(starts: Sequence[int], fixed: np.ndarray, equal: np.ndarray) -> list[Row]:
    """Accuracy falls with the start at a fixed total; first against last at equal CAV epochs (b).

    Args:
        starts: T0.
        fixed, equal: test accuracies ``(starts, seeds)``.
    """
    first, last = starts.index(1), len(starts) - 1
    return [
        Row(
            "9",
            "The later the start, the lower the accuracy",
            WORDS,
            all_of(
                {
                    "trend": falling(starts, fixed),
                    "first against last": greater(fixed[first], fixed[last]),
                }
            ),
            figure="fig-cavl-start",
        ),
        Row(
            "9b",
            "A late start hurts at equal numbers of CAV epochs too (ours)",
            "-",
            greater(equal[first], equal[last]),
            figure="fig-cavl-start",
        ),
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
    verdict = greater(-rho, np.zeros_like(rho), digits=2)
    test = "Spearman's rho of accuracy and T0 < 0, one-sided 95 % t-interval over seeds"
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
