"""The claims of the chapter on *Meta Objective Guided Disambiguation*: one function a claim.

"Not worse" means at most one point behind; this margin was fixed before the runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_lowercase

import numpy as np
from torch import Tensor

from chapters.mogd.runs import CLEAN_ONLY, COMPARATORS, WITH_CLEAN
from chapters.mogd.tables import Groups, Results
from weaklabels.lab.candidate_sets import scores
from weaklabels.press.claims import Row, Verdict, all_of, exact, greater, not_testable
from weaklabels.press.verdicts import FAILS, HOLDS

PAPER = "Abstract, in words; the tables could not be read"
IMPLIED = "Implied by the idea: self-training confirms its own errors"
OURS = "Our control; not in the paper"

WEIGHT_WORTH = 0.05
"""The smallest gain in weight that would count: a twentieth of the weight of a sample. With less
the loss is practically that of uniform weights."""

AUC_WORTH = 0.05
"""The smallest distance from guessing (0.5) that would count: one pair of labels in twenty more
ordered rightly than by lot."""


def _uniform_and_pair(found: Mapping[str, object]) -> tuple[list[str], str]:
    """Kinds of candidate sets: uniform ones by growing q, and the pair sets, which come last."""
    *uniform, pair = found
    return uniform, pair


def claim_1(found: Results[str]) -> list[Row]:
    """MoGD at most a point behind every comparator; one row a kind of sets."""
    uniform, _ = _uniform_and_pair(found)
    self_trained = (
        "Perhaps because false candidates that agree on nothing cancel out, and a network that "
        "trusts itself is right: a judge as good as a few clean samples."
    )
    alone = "Perhaps because LW, which also pushes down what is no candidate, needs no judge."
    why = dict.fromkeys(uniform[:-1], self_trained) | {uniform[-1]: alone}
    return [
        Row(
            f"1{letter}",
            "MoGD is not worse (by more than a point) than uniform CE, CC, RC, PRODEN and LW; "
            f"{kind}.",
            PAPER,
            all_of({rival: greater(each["MoGD"], each[rival], margin=-1) for rival in COMPARATORS}),
            figure="tab-mogd-main",
            why={FAILS: why[kind]} if kind in why else {},
        )
        for letter, (kind, each) in zip(ascii_lowercase, found.items(), strict=False)
    ]


def claim_2(found: Results[str], longer: Results[str]) -> list[Row]:
    """MoGD's lead over PRODEN and CC against that at the smallest q (a to d), and later (e, f).

    Args:
        found: test accuracies by kind of candidate sets.
        longer: those on the largest uniform sets by length of training; the last is the longest.
    """
    uniform, pair = _uniform_and_pair(found)
    rivals = ("PRODEN", "CC")

    def lead(kind: str, rival: str) -> np.ndarray:
        return found[kind]["MoGD"] - found[kind][rival]

    speed = "At this length of training; how much of it is speed is asked in 2e and 2f."
    rows = [
        Row(
            f"2{letter}",
            f"Its advantage over self-training by {rival} is larger for {kind} than for "
            f"{uniform[0]}.",
            IMPLIED,
            greater(lead(kind, rival), lead(uniform[0], rival)),
            figure="tab-mogd-main",
            why={HOLDS: speed} if kind == uniform[-1] else {},
        )
        for letter, (kind, rival) in zip(
            "abcd", [(kind, rival) for kind in (uniform[-1], pair) for rival in rivals], strict=True
        )
    ]
    length, long = list(longer.items())[-1]
    return rows + [
        Row(
            f"2{letter}",
            f"It is ahead of {rival} after longer training, too ({uniform[-1]}, {length}).",
            OURS,
            greater(long["MoGD"], long[rival]),
            figure="tab-mogd-longer",
        )
        for letter, rival in zip("ef", rivals, strict=True)
    ]


def claim_3(groups: Groups, last: int) -> list[Row]:
    """By kind of sets: true labels end above their first weight; lowest AUC above 0.5."""
    weights, judged = {}, {}
    for kind, rows in groups.items():
        records = rows["MoGD"]
        weight, first = scores(records, last, "true weight"), [float(r["uniform"]) for r in records]
        weights[kind] = greater(weight, first, worth=WEIGHT_WORTH, digits=2)
        # The worst epoch counts: "from the first epoch on".
        auc = [float(record["auc"].min()) for record in records]
        judged[kind] = greater(auc, [0.5] * len(auc), worth=AUC_WORTH, digits=2)
    rises = "The weight of the true label ends above the 1/|S| that it starts from"
    tells = "The meta-gradient tells true labels from false candidates in every epoch"
    rows = [(f"{rises}; {kind}.", verdict, "weights") for kind, verdict in weights.items()]
    rows += [(f"{tells}; {kind}.", verdict, "auc") for kind, verdict in judged.items()]
    return [
        Row(f"3{letter}", claim, PAPER, verdict, figure=f"fig-mogd-{figure}")
        for letter, (claim, verdict, figure) in zip(ascii_lowercase, rows, strict=False)
    ]


def claim_4(found: Results[str], sizes: Results[int], clean: int) -> list[Row]:
    """MoGD against training on the clean samples alone: by kind, then by their number.

    Args:
        found, sizes: test accuracies.
        clean: samples per class in ``found``.
    """
    uniform, _ = _uniform_and_pair(found)
    cells = [(clean, kind, each, "tab-mogd-main") for kind, each in found.items()]
    cells += [
        (count, uniform[-1], each, "fig-mogd-sizes")
        for count, each in sizes.items()
        if count != clean
    ]
    return [
        Row(
            f"4{letter}",
            f"MoGD beats training on the clean samples alone ({count} per class; {kind}).",
            OURS,
            greater(each["MoGD"], each[CLEAN_ONLY]),
            figure=figure,
            why={
                HOLDS: "Both train for the same number of epochs, which is fewer steps on the "
                "clean samples alone: part of the lead may be that.",
                FAILS: "Perhaps because enough clean samples teach more than they can judge.",
            },
        )
        for letter, (count, kind, each, figure) in zip(ascii_lowercase, cells, strict=False)
    ]


def claim_5(found: Results[str]) -> list[Row]:
    """Against each comparator that trains on the clean samples: MoGD, then MoGD +v; by kind."""
    fair = (
        "Perhaps because self-training from a sound start is hard to beat; MoGD only takes advice "
        "from the clean samples."
    )
    texts = {
        "MoGD": "MoGD beats every comparator that trains on the same clean samples",
        "MoGD +v": "MoGD that trains on the clean samples, too, beats them (MoGD +v)",
    }
    cells = [(ours, kind) for ours in texts for kind in found]
    return [
        Row(
            f"5{letter}",
            f"{texts[ours]}; {kind}.",
            OURS,
            _beats(found[kind], ours, WITH_CLEAN),
            figure="tab-mogd-main",
            why={FAILS: fair} if ours == "MoGD" else {},
        )
        for letter, (ours, kind) in zip(ascii_lowercase, cells, strict=False)
    ]


def _beats(found: Mapping[str, np.ndarray], ours: str, rivals: Sequence[str]) -> Verdict:
    return all_of({rival: greater(found[ours], found[rival]) for rival in rivals})


def claim_6(closed: Tensor, double: Tensor, numeric: Tensor) -> Row:
    """The meta-gradient in closed form, by double backward and by finite differences, alike."""
    gap = ((closed - double).abs().max() / double.abs().max()).item()
    far = ((closed - numeric).abs().max() / numeric.abs().max()).item()
    return Row(
        "6",
        "The weights follow from one ordinary backward and one forward-mode pass, exactly.",
        OURS,
        exact(
            gap < 1e-9 and far < 1e-4,
            "closed form, double backward and finite differences agree",
            "relative deviation below 1e-9 and 1e-4, float64",
        ),
        figure="tab-mogd-gradient",
    )


def claim_7(counted: Mapping[int, Mapping[str, int]], clean: int) -> list[Row]:
    """Operations below 4 plain steps and double backward: ``clean`` samples (a), most (b).

    Args:
        counted: number of clean samples -> operations of a step, see ``runs.operations``.
        clean: how many there are in the main comparison.
    """
    rows = []
    for letter, size in zip("ab", dict.fromkeys((clean, max(counted))), strict=False):
        found = counted[size]
        closed, double = (
            1 + found[way] / found["plain"] for way in ("closed form", "double backward")
        )
        text = f"{closed:.1f} x a plain step, {double:.1f} x by double backward"
        row = Row(
            f"7{letter}",
            "Disambiguation by a meta-objective is affordable: less than four times a plain step, "
            f"with {size} clean samples.",
            "Abstract: 'easily implemented' with ordinary SGD; the bound is ours",
            exact(
                closed < min(4, double),
                text,
                "operations counted; below 4 x and below double backward",
            ),
            figure="tab-mogd-cost",
            why={FAILS: "The backward pass over the clean samples grows with their number."},
        )
        rows.append(row)
    return rows


def claim_8() -> Row:
    """Theorems: nothing here decides them."""
    return Row(
        "8",
        "The meta-objective converges, and the estimation error is bounded.",
        "Abstract (theorems)",
        not_testable("Theorems; their conditions could not be read."),
    )
