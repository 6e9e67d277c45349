"""The claims of *Active Learning for Open-set Annotation* (LfOSA, 2022), one function each.

``groups`` are task -> strategy -> records, one a seed; ``published`` is the authors' result logs.
All measures are in percent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from chapters.lfosa.runs import BALANCED, COMPARATORS
from chapters.lfosa.tables import Groups, curve, final, mean_precision
from weaklabels.lab.store import Record
from weaklabels.press.claims import Row, Verdict, all_of, greater, mean_std
from weaklabels.press.verdicts import FAILS, HOLDS, OPEN

RIVALS = tuple(name for name in COMPARATORS if name != "AV+GMM")
"""Those of the paper's figures. AV+GMM, LfOSA without its detector, has a claim of its own."""

LOGGED = ("LfOSA", "Random", "Uncertainty", "Certainty")
"""Strategies of the claims about all rivals that are in the authors' logs."""

OURS = "Ours, not in the paper"

Tasks = Mapping[str, Groups]
Measure = Callable[[Sequence[Record]], np.ndarray]
Values = Mapping[str, float]
"""Strategy -> a published figure in percent."""

final_recall: Measure = partial(final, name="recall")
final_accuracy: Measure = partial(final, name="accuracy")


def logged(published: Mapping[str, Any], name: str, *, average: bool = False) -> dict[str, float]:
    """Last or mean value of a published curve by strategy (%; 20 known classes of CIFAR-100)."""
    scale = 1 if name == "accuracy" else 100
    curves = _published(published, name)
    return {s: scale * (np.mean(c) if average else c[-1]) for s, c in curves.items()}


def quote(values: Values, strategies: Sequence[str]) -> str:
    """Published figures of some strategies in words."""
    return "official logs, CIFAR-100 with 20 known: " + ", ".join(
        f"{name} {values[name]:.1f} %" for name in strategies
    )


def _published(published: Mapping[str, Any], name: str) -> dict[str, list[float]]:
    """A curve's mean by strategy."""
    return {r["strategy"]: r["mean"][name] for r in published["curves"] if r["known"] == 20}


def against(
    groups: Groups, ours: str, others: Sequence[str], measure: Measure, values: Values
) -> dict[str, Verdict]:
    """Is a strategy's measure larger than another's? By each of the others."""
    mine = measure(groups[ours])
    return {
        name: greater(
            mine,
            measure(groups[name]),
            paper_effect=values[ours] - values[name] if {ours, name} <= set(values) else None,
        )
        for name in others
    }


def against_each(groups: Groups, measure: Measure, values: Values) -> Verdict:
    """Is LfOSA's measure larger than that of each rival? The text names the differences."""
    parts = against(groups, "LfOSA", RIVALS, measure, values)
    text = ", ".join(
        f"{name} {verdict.parts[0].effect:+.1f}"
        + ("" if verdict.outcome == HOLDS else f" ({verdict.outcome})")
        for name, verdict in parts.items()
        if verdict.parts[0].effect is not None
    )
    ours = mean_std(measure(groups["LfOSA"]))
    return replace(all_of(parts), ours=f"{ours}; mean difference to {text or 'none: one seed'}")


def _tasks(number: str, groups: Tasks) -> Iterator[tuple[str, str, Groups, str]]:
    """Id of the claim, title, records and figure of both tasks."""
    figures = ("fig-lfosa-near", "fig-lfosa-far")
    for letter, figure, (title, records) in zip("ab", figures, groups.items(), strict=True):
        yield f"{number}{letter}", title, records, figure


def claim_1(groups: Tasks, published: Mapping[str, Any]) -> list[Row]:
    """Mean precision of LfOSA against each rival."""
    values = logged(published, "precision", average=True)
    paper = quote(values, LOGGED)
    return [
        Row(
            id,
            f"LfOSA's queries are purer than those of every rival (mean precision; {title}).",
            paper,
            against_each(records, mean_precision, values),
            figure,
        )
        for id, title, records, figure in _tasks("1", groups)
    ]


def claim_2(groups: Tasks, published: Mapping[str, Any]) -> list[Row]:
    """Final recall of LfOSA against each rival."""
    values = logged(published, "recall")
    paper = quote(values, LOGGED)
    return [
        Row(
            id,
            f"LfOSA finds more of the known classes than every rival (final recall; {title}).",
            paper,
            against_each(records, final_recall, values),
            figure,
        )
        for id, title, records, figure in _tasks("2", groups)
    ]


def claim_3(groups: Tasks, published: Mapping[str, Any]) -> list[Row]:
    """Last accuracy of LfOSA against each rival."""
    values = logged(published, "accuracy")
    paper = quote(values, LOGGED)
    why = (
        "Perhaps the queries are too typical, and too many of the same few classes; compare the "
        "balanced variant (8). In the official figures of CIFAR-10 LfOSA is clearly ahead with 2 "
        "and 4 known classes, with 5 it is behind Random until round 8."
    )
    return [
        Row(
            id,
            f"LfOSA's classifier ends more accurate than that of every rival ({title}).",
            paper,
            against_each(records, final_accuracy, values),
            figure,
            {FAILS: why},
        )
        for id, title, records, figure in _tasks("3", groups)
    ]


def claim_4(groups: Tasks, published: Mapping[str, Any]) -> list[Row]:
    """Mean precision of Random against Uncertainty and BALD."""
    values = logged(published, "precision", average=True)
    paper = quote(values, ("Random", "Uncertainty"))
    return [
        Row(
            id,
            f"Queries by uncertainty are less pure than random ones ({title}).",
            paper,
            all_of(against(records, "Random", ("Uncertainty", "BALD"), mean_precision, values)),
            figure,
        )
        for id, title, records, figure in _tasks("4", groups)
    ]


def claim_5(groups: Tasks, published: Mapping[str, Any]) -> list[Row]:
    """Mean precision of LfOSA at T = 0.5 against T = 1 and T = 2."""
    warmer = ("LfOSA, T=1", "LfOSA, T=2")
    values = logged(published, "precision", average=True)
    paper = quote(values, ("LfOSA", *warmer)) + " (T=1, T=2: one seed)"
    why = (
        "Four temperatures differ by a few points at most, and where nearly every query is known "
        "at any of them there is little to gain."
    )
    return [
        Row(
            id,
            f"A low temperature, T = 0.5, is better than 1 and 2 (mean precision; {title}).",
            paper,
            all_of(against(records, "LfOSA", warmer, mean_precision, values)),
            "tab-lfosa-ablations",
            {FAILS: why},
        )
        for id, title, records, _ in _tasks("5", groups)
    ]


def _close(groups: Groups) -> str:
    """In how many seeds the same mixtures without a detector come close."""
    ours, other = (mean_precision(groups[name]) for name in ("LfOSA", "AV+GMM"))
    close = f"{(ours - other < 2).sum()} of {len(ours)} seeds"
    return f"The same mixtures without a detector come within two points of purity in {close}."


def claim_6(groups: Tasks, published: Mapping[str, Any]) -> list[Row]:
    """Mean precision of LfOSA against the same mixtures without a detector."""
    values = logged(published, "precision", average=True)
    paper = quote(values, ("LfOSA", "AV+GMM"))
    return [
        Row(
            id,
            "The detector, which learns from unknown answers, makes queries purer "
            f"(mean precision; {title}).",
            paper,
            against(records, "LfOSA", ("AV+GMM",), mean_precision, values)["AV+GMM"],
            "tab-lfosa-ablations",
            dict.fromkeys((FAILS, OPEN), _close(records)),
        )
        for id, title, records, _ in _tasks("6", groups)
    ]


def claim_7(groups: Tasks, published: Mapping[str, Any]) -> list[Row]:
    """Precision of LfOSA in round 3 against round 1."""
    first, third = (100 * _published(published, "precision")["LfOSA"][r] for r in (0, 2))
    paper = f"official logs, CIFAR-100 with 20 known: {first:.1f} % to {third:.1f} %"
    why = (
        "Perhaps a few labels a class are enough to know the typical examples of small digits: the "
        "first query can be as pure as all others."
    )
    rows = []
    for id, title, records, figure in _tasks("7", groups):
        text = f"LfOSA's precision rises from round 1 to round 3 ({title})."
        precision = curve(records["LfOSA"], "precision")
        verdict = greater(precision[:, 2], precision[:, 0], paper_effect=third - first)
        rows.append(Row(id, text, paper, verdict, figure, {FAILS: why}))
    return rows


def claim_8(groups: Tasks) -> list[Row]:
    """Last accuracy of balanced LfOSA against LfOSA."""
    return [
        Row(
            id,
            f"Filling the budget in turns gives a more accurate classifier ({title}).",
            OURS,
            greater(final_accuracy(records[BALANCED]), final_accuracy(records["LfOSA"])),
            "fig-lfosa-balance",
        )
        for id, title, records, _ in _tasks("8", groups)
    ]


def claim_9(groups: Tasks) -> list[Row]:
    """Mean precision of balanced LfOSA: at most two points below LfOSA's."""
    return [
        Row(
            id,
            f"Filling the budget in turns costs at most two points of purity ({title}).",
            OURS,
            greater(mean_precision(records[BALANCED]), mean_precision(records["LfOSA"]), margin=-2),
            figure,
        )
        for id, title, records, figure in _tasks("9", groups)
    ]


def claim_10(ratios: Tasks) -> Row:
    """Mean precision of LfOSA against Random, at each mismatch ratio."""
    parts = {
        title: greater(mean_precision(records["LfOSA"]), mean_precision(records["Random"]))
        for title, records in ratios.items()
    }
    return Row(
        "10",
        "LfOSA is purer than Random at every mismatch ratio.",
        "Figures on CIFAR-10 (2 to 5 known) and CIFAR-100 (20 to 50 known)",
        all_of(parts),
        figure="fig-lfosa-openness",
    )
