"""The claims of *Active Learning for Open-set Annotation* (LfOSA, 2022), one function each.

``groups`` are task -> strategy -> records, one a seed; a task without strategies has no row.
``published`` is the authors' result logs. Rows up to 12 and rows 19 are about digits: those that
end in a and b speak of near and of far unknowns, those that end in c and d say the same of rivals
that are not in those logs. ``recorded`` are the recorded runs on CIFAR-10: rows 13 to 18 and 20,
one a pool. All measures are in percent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from chapters.lfosa.runs import BALANCED, FURTHER, LOGGED, POOLS, UNTAUGHT
from chapters.lfosa.tables import Groups, curve, final, mean_precision, same_counts
from weaklabels.lab.store import Record
from weaklabels.press.claims import Row, Verdict, all_of, greater, mean_std, not_testable
from weaklabels.press.verdicts import FAILS, HOLDS, NOT_RECORDED, OPEN

AUTHORS_SEED_1 = {"LfOSA": 39.3, "LfOSA, T=1": 37.8, "LfOSA, T=2": 36.4}
"""Mean precision in the authors' logs of their seed 1, the only one that they have at T = 1 and 2;
CIFAR-100 with 20 known classes."""

OURS = "Ours, not in the paper"

EVEN_ALREADY = (
    "Its classes are even without filling in turns (evenness in tab-lfosa-cifar), more so than on "
    "digits (rows 8a and 8b)."
)
TYPICAL = (
    "Its examples, not their number or classes: random ones of the same classes, as many of each, "
    "train a more accurate classifier (row {})."
)
WHY: Mapping[str, str] = {
    "11b": "Most of what LfOSA found there is of a few classes (fig-lfosa-counts); of the rarest "
    "both sets hold little more than the first labels. For Certainty, whose counts are more "
    "lopsided still, random examples are worse in both pools (fig-lfosa-control): perhaps varied "
    "examples of the classes bought most crowd out the rare ones. Row 12b has the control with the "
    "budget filled in turns.",
    "14a": "It is the choice within the classes: random examples of the same classes, as many of "
    "each, train a classifier that is more accurate by more than LfOSA is behind here (row 18a). "
    "Perhaps its examples are too typical. Lopsided classes are not the reason: its classes are "
    "nearly even (evenness in tab-lfosa-cifar), and filling the budget in turns does not help (row "
    "17a). Rivals that look for known examples were not run there.",
    "14b": "More known examples would help here: random ones, as many of each class as LfOSA "
    "found, end above Random (tab-lfosa-cifar). With LfOSA's own the classifier ends hardly above "
    "that of Random; its choice within the classes costs nearly all of that gain (row 18b).",
    "14c": "Random and Coreset are the parts that fail. Random finds fewer than half as many known "
    "examples as LfOSA, Coreset nearly as many (recall in tab-lfosa-cifar), and neither ends "
    "lower, so their number alone does not decide. Coreset's examples teach no less than random "
    "ones of the same classes, those of balanced LfOSA less (last two accuracies in "
    "tab-lfosa-cifar); row 18c asks the same of LfOSA's.",
    "16b": "The first query is about as pure as in the pool of row 16a, where precision rises "
    "first and falls later (fig-lfosa-cifar). Here it falls in the second round already, when few "
    "of the known examples have been found; we do not know why. That they run out can explain only "
    "the last rounds.",
    "16c": "Every query of the first round is of a known class, so the precision cannot rise.",
    "17a": EVEN_ALREADY,
    "17b": EVEN_ALREADY,
    "19a": TYPICAL.format("12a"),
    "19b": TYPICAL.format("12b"),
    "20a": "Its examples, not their number or classes: random ones of the same classes, as many of "
    "each, train a more accurate classifier by more than this (tab-lfosa-cifar).",
    "20b": "As for row 20a: random examples of the same classes, as many of each, train a more "
    "accurate classifier (tab-lfosa-cifar).",
    "20c": "Random queries find fewer than half as many known examples, and end no lower: as for "
    "row 20a, random examples of the same classes, as many of each, train a more accurate "
    "classifier (tab-lfosa-cifar).",
}
"""Row -> why it fails."""

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


def against_each(
    groups: Groups, rivals: Sequence[str], measure: Measure, values: Values
) -> Verdict:
    """Is LfOSA's measure larger than that of each rival? The text names the differences."""
    parts = against(groups, "LfOSA", rivals, measure, values)
    text = ", ".join(
        f"{name} {part.effect:+.1f} [{part.low:+.1f}, {part.high:+.1f}]"
        + ("" if verdict.outcome == HOLDS else f" ({verdict.outcome})")
        for name, verdict in parts.items()
        if (part := verdict.parts[0]).effect is not None
    )
    ours = mean_std(measure(groups["LfOSA"]))
    return replace(all_of(parts), ours=f"{ours}; mean difference to {text or 'none: one seed'}")


SPLIT = (
    "The runs differ: in the four whose classes are nearly even (evenness above 98 %) random "
    "examples are ahead, in the other four (at most 91 %) behind. With a budget that is filled in "
    "turns they are ahead (tab-lfosa-cifar)."
)


def _why(id: str) -> dict[str, str]:
    """Outcome -> explanation of a row; empty without one."""
    return ({FAILS: WHY[id]} if id in WHY else {}) | ({OPEN: SPLIT} if id == "18c" else {})


def _tasks(
    number: str, groups: Tasks, *, further: bool = False
) -> Iterator[tuple[str, str, Groups, str]]:
    """Id of the claim, title, records and figure of each task that was run."""
    figures = ("tab-lfosa-further",) * 2 if further else ("fig-lfosa-near", "fig-lfosa-far")
    letters = "cd" if further else "ab"
    for letter, figure, (title, records) in zip(letters, figures, groups.items(), strict=True):
        if records:
            yield f"{number}{letter}", title, records, figure


def _against_rivals(
    number: str,
    text: str,
    groups: Tasks,
    measure: Measure,
    values: Values,
    *,
    further: bool,
    why: Mapping[str, str] | None = None,
) -> list[Row]:
    """LfOSA's measure against that of each rival, one row a task; ``text`` holds ``{rivals}``."""
    rivals = FURTHER if further else LOGGED
    words = ", ".join(rivals[:-1]) + f" and {rivals[-1]}"
    return [
        Row(
            id,
            f"{text.format(rivals=words)} ({title}).",
            "Figures on CIFAR-10" if further else quote(values, ("LfOSA", *LOGGED)),
            against_each(records, rivals, measure, values),
            figure,
            dict(why or {}),
        )
        for id, title, records, figure in _tasks(number, groups, further=further)
    ]


def claim_1(groups: Tasks, published: Mapping[str, Any], *, further: bool = False) -> list[Row]:
    """Mean precision of LfOSA against each rival."""
    values = logged(published, "precision", average=True)
    text = "LfOSA's queries are purer, on average over the rounds, than those of {rivals}"
    return _against_rivals("1", text, groups, mean_precision, values, further=further)


def claim_2(groups: Tasks, published: Mapping[str, Any], *, further: bool = False) -> list[Row]:
    """Final recall of LfOSA against each rival."""
    values = logged(published, "recall")
    text = "LfOSA finds more of the known classes (final recall) than {rivals}"
    return _against_rivals("2", text, groups, final_recall, values, further=further)


def claim_3(groups: Tasks, published: Mapping[str, Any], *, further: bool = False) -> list[Row]:
    """Last accuracy of LfOSA against each rival."""
    values = logged(published, "accuracy")
    why = (
        "Row 8 says what filling the budget in turns changes here, rows 11 and 12 what random "
        "examples of the same classes bring in place of those of LfOSA and of its balanced form. "
        "Where they bring more, the chosen ones are perhaps too typical. "
        "In the official figures of CIFAR-10 LfOSA ends ahead, with 5 known classes after being "
        "behind Random until round 8."
    )
    text = "LfOSA's classifier ends more accurate than those of {rivals}"
    return _against_rivals(
        "3", text, groups, final_accuracy, values, further=further, why={FAILS: why}
    )


def claim_4(groups: Tasks, published: Mapping[str, Any], *, further: bool = False) -> list[Row]:
    """Mean precision of Random against Uncertainty, or against BALD."""
    values = logged(published, "precision", average=True)
    other = "BALD" if further else "Uncertainty"
    return [
        Row(
            id,
            f"Queries by {other} are less pure than random ones ({title}).",
            "Figures on CIFAR-10" if further else quote(values, ("Random", "Uncertainty")),
            against(records, "Random", (other,), mean_precision, values)[other],
            figure,
        )
        for id, title, records, figure in _tasks("4", groups, further=further)
    ]


def claim_5(groups: Tasks) -> list[Row]:
    """Mean precision of LfOSA at T = 0.5 against T = 1 and T = 2."""
    warmer = ("LfOSA, T=1", "LfOSA, T=2")
    paper = quote(AUTHORS_SEED_1, ("LfOSA", *warmer)) + " (one seed)"
    why = (
        "In purity the temperatures differ by about two points at most where nearly every query is "
        "known: T = 0.5 is ahead of 2 and not of 1. In accuracy they differ more "
        "(tab-lfosa-ablations), which no row tests."
    )
    return [
        Row(
            id,
            f"A low temperature, T = 0.5, is better than 1 and 2 (mean precision; {title}).",
            paper,
            all_of(against(records, "LfOSA", warmer, mean_precision, AUTHORS_SEED_1)),
            "tab-lfosa-ablations",
            {FAILS: why},
        )
        for id, title, records, _ in _tasks("5", groups)
    ]


def _close(groups: Groups) -> str:
    """In how many seeds the same mixtures without a detector come close."""
    ours, other = (mean_precision(groups[name]) for name in ("LfOSA", UNTAUGHT))
    close = f"{(ours - other < 2).sum()} of {len(ours)} seeds"
    return f"The same mixtures without a detector come within two points of purity in {close}."


def claim_6(groups: Tasks, published: Mapping[str, Any]) -> list[Row]:
    """Mean precision of LfOSA (T = 0.5) against the same mixtures without a detector."""
    values = logged(published, "precision", average=True)
    paper = quote(values, ("LfOSA", UNTAUGHT))
    return [
        Row(
            id,
            "The detector, which learns from unknown answers, makes queries purer at its low "
            f"temperature (mean precision; {title}).",
            paper,
            against(records, "LfOSA", (UNTAUGHT,), mean_precision, values)[UNTAUGHT],
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
            figure.replace("fig", "tab"),
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
        "LfOSA is purer than Random at every mismatch ratio tried.",
        "Figures on CIFAR-10 (2 to 5 known) and CIFAR-100 (20 to 50 known)",
        all_of(parts),
        figure="fig-lfosa-openness",
    )


def _control(number: str, groups: Tasks, ours: str, words: str) -> list[Row]:
    """Accuracy with random examples, as many of each class, against that with the queries."""
    return [
        Row(
            id,
            f"Random examples, as many of each class as {words} found, train a more accurate "
            f"classifier than its own ({title}).",
            OURS,
            greater(same_counts(records[ours]), final_accuracy(records[ours])),
            "fig-lfosa-control",
            _why(id),
        )
        for id, title, records, _ in _tasks(number, groups)
    ]


def claim_11(groups: Tasks) -> list[Row]:
    """The control of LfOSA: what its examples, not their number or classes, cost in accuracy."""
    return _control("11", groups, "LfOSA", "LfOSA")


def claim_12(groups: Tasks) -> list[Row]:
    """The same control of balanced LfOSA."""
    return _control("12", groups, BALANCED, "balanced LfOSA")


ON_CIFAR = ("Random", "Uncertainty", "Coreset")
"""Rivals on photographs."""

FIGURES = "Figures on CIFAR-10 with 2 to 5 known classes; far unknowns are ours"


def _on_cifar(
    number: str,
    text: str,
    paper: str,
    recorded: Tasks,
    test: Callable[[Groups], Verdict],
    figure: str = "tab-lfosa-cifar",
) -> list[Row]:
    """One row a recorded pool, all by the same test."""
    return [
        Row(
            id := f"{number}{letter}",
            f"{text} (CIFAR-10, {title}; recorded).",
            paper,
            test(recorded[title]) if recorded else not_testable(NOT_RECORDED),
            figure,
            _why(id),
        )
        for letter, title in zip("abc", POOLS, strict=True)
    ]


def claim_13(recorded: Tasks) -> list[Row]:
    """Mean precision of LfOSA against each of three rivals on photographs."""
    text = "LfOSA's queries are purer than those of Random, Uncertainty and Coreset"
    return _on_cifar(
        "13", text, FIGURES, recorded, lambda g: against_each(g, ON_CIFAR, mean_precision, {})
    )


def claim_14(recorded: Tasks) -> list[Row]:
    """Last accuracy of LfOSA against each of three rivals on photographs."""
    text = "LfOSA's classifier ends more accurate than those of Random, Uncertainty and Coreset"
    return _on_cifar(
        "14", text, FIGURES, recorded, lambda g: against_each(g, ON_CIFAR, final_accuracy, {})
    )


def claim_15(recorded: Tasks) -> list[Row]:
    """Mean precision of Random against Uncertainty on photographs."""

    def test(groups: Groups) -> Verdict:
        return against(groups, "Random", ("Uncertainty",), mean_precision, {})["Uncertainty"]

    return _on_cifar(
        "15", "Queries by Uncertainty are less pure than random ones", FIGURES, recorded, test
    )


def claim_16(recorded: Tasks) -> list[Row]:
    """Claim 7 on photographs."""

    def test(groups: Groups) -> Verdict:
        precision = curve(groups["LfOSA"], "precision")
        return greater(precision[:, 2], precision[:, 0])

    text = "On photographs LfOSA's precision rises from round 1 to round 3"
    return _on_cifar("16", text, FIGURES, recorded, test, "fig-lfosa-cifar")


def claim_17(recorded: Tasks) -> list[Row]:
    """Last accuracy of balanced LfOSA against LfOSA on photographs."""

    def test(groups: Groups) -> Verdict:
        return greater(final_accuracy(groups[BALANCED]), final_accuracy(groups["LfOSA"]))

    text = "Filling the budget in turns gives a more accurate classifier"
    return _on_cifar("17", text, OURS, recorded, test)


def claim_18(recorded: Tasks) -> list[Row]:
    """The control of LfOSA on photographs: random examples, as many of each class."""

    def test(groups: Groups) -> Verdict:
        return greater(same_counts(groups["LfOSA"]), final_accuracy(groups["LfOSA"]))

    text = (
        "Random examples, as many of each class as LfOSA found, train a more accurate classifier "
        "than its own"
    )
    return _on_cifar("18", text, OURS, recorded, test)


def claim_19(groups: Tasks) -> list[Row]:
    """Last accuracy of balanced LfOSA against Random."""
    return [
        Row(
            id,
            f"Balanced LfOSA ends above random queries in accuracy ({title}).",
            OURS,
            greater(final_accuracy(records[BALANCED]), final_accuracy(records["Random"])),
            "fig-lfosa-balance",
            _why(id),
        )
        for id, title, records, _ in _tasks("19", groups)
    ]


def claim_20(recorded: Tasks) -> list[Row]:
    """Claim 19 on photographs."""

    def test(groups: Groups) -> Verdict:
        return greater(final_accuracy(groups[BALANCED]), final_accuracy(groups["Random"]))

    text = "On photographs balanced LfOSA ends above random queries in accuracy"
    return _on_cifar("20", text, OURS, recorded, test)
