"""What decides the claims of *Acknowledging the Unknown* on photographs, the last layers trained.

Comparisons are paired by seed, in percent points unless said otherwise; all are decided from the
record (see ``photographs``), without which there are no rows. The paper's effects are those of its
VOC column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from chapters.acknowledging_the_unknown import photographs
from chapters.acknowledging_the_unknown.photographs import PUBLISHED_EM, Rows
from chapters.acknowledging_the_unknown.reasons import REASONS
from chapters.acknowledging_the_unknown.runs import ALL_NEGATIVES, FULL, SIMPLE
from chapters.acknowledging_the_unknown.tables import PUBLISHED
from weaklabels.press.claims import Row, Verdict, greater, lettered, mean_std, not_testable, order
from weaklabels.press.verdicts import HOLDS

PLACE = "photographs, last layers trained, recorded"
TABLE = "tab-atu-photographs"
TRAINING = "fig-atu-photograph-training"
LATE = "not in the paper, which reports the best epoch"
RIVALS = ("Focal", "ASL", "ROLE")

SCENES, HEADS, LAYERS = "scenes", "linear heads on photographs", "last layers on photographs"
FINDINGS: Mapping[str, Mapping[str, str]] = {
    "EM is above AN": {SCENES: "1a", HEADS: "1b", LAYERS: "19a"},
    "EM is above DW, L1R, L2R, LS and N-LS": {
        SCENES: "2a",
        HEADS: "2b",
        LAYERS: "20a 20b 20c 20d 20e",
    },
    "EM is above Focal, ASL, ROLE (and ROLE+LI, where it was trained)": {
        SCENES: "3a",
        HEADS: "3b",
        LAYERS: "21a 21b 21c",
    },
    "APL adds to EM, best epoch": {SCENES: "4a", HEADS: "4b", LAYERS: "22a"},
    "APL adds to EM, last epoch": {SCENES: "4c", HEADS: "4d", LAYERS: "22b"},
    "EM passes the run that knows all negatives": {SCENES: "5a", HEADS: "5b", LAYERS: "23"},
    "EM is within half a point of full labels": {SCENES: "6a", HEADS: "6b", LAYERS: "24"},
    "EntMin collapses": {SCENES: "7a", HEADS: "7b", LAYERS: "25"},
    "penalties do not help": {SCENES: "8a", HEADS: "8b", LAYERS: "26a 26b"},
    "label smoothing helps": {SCENES: "8d", HEADS: "8e", LAYERS: "26c 26d"},
    "EM learns the annotated labels better in every epoch": {SCENES: "9a", LAYERS: "27"},
    "EM separates the two kinds in nine of ten classes": {
        SCENES: "10a",
        HEADS: "10b",
        LAYERS: "28",
    },
    "under EM negatives wait near one half": {SCENES: "11a", HEADS: "11d", LAYERS: "29a"},
    "under EM hidden positives are near one": {SCENES: "11b", HEADS: "11e", LAYERS: "29b"},
    "under AN both are low": {SCENES: "11c", HEADS: "11f", LAYERS: "29c"},
    "EM improves nine of ten classes": {SCENES: "12a", HEADS: "12b", LAYERS: "30"},
}
"""What is asked -> place -> ids of the rows that answer it there."""


def every_claim(rows: Rows) -> list[Row]:
    """All rows that the record decides; none without a record."""
    if not rows:
        return []
    return [
        *claim_19(rows),
        *claim_20(rows),
        *claim_21(rows),
        *claim_22(rows),
        claim_23(rows),
        claim_24(rows),
        claim_25(rows),
        *claim_26(rows),
        claim_27(rows),
        claim_28(rows),
        *claim_29(rows),
        claim_30(rows),
        claim_31(rows),
        claim_32(rows),
    ]


def _effect(ours: str, other: str) -> float:
    return round(float(PUBLISHED.loc[ours, "VOC"] - PUBLISHED.loc[other, "VOC"]), 2)


def _better(rows: Rows, ours: str, other: str, when: str = "best", margin: float = 0.0) -> Verdict:
    effect = _effect(ours, other) if when == "best" else None
    return greater(rows[ours][when], rows[other][when], margin=margin, paper_effect=effect)


def as_an(rows: Rows, name: str) -> str:
    """Why a method is AN: its strength is 0 by choice. Empty if it is a method of its own."""
    zero = photographs.zero_strength(rows, name)
    return zero and (
        f"Validation wants a {zero} of 0 (tab-atu-photograph-settings): {name} is AN there, with "
        "which rows 19a and 19b compare EM."
    )


def claim_19(rows: Rows) -> list[Row]:
    """EM above AN: 19a at the best epoch, 19b at the last."""
    return _pairs("19", "EM", ("AN",), rows)


def claim_20(rows: Rows) -> list[Row]:
    """EM above each simple method, at the best epoch and then at the last."""
    return _pairs("20", "EM", SIMPLE, rows)


def claim_21(rows: Rows) -> list[Row]:
    """EM above each rival, at the best epoch and then at the last."""
    return _pairs("21", "EM", RIVALS, rows)


def _pairs(number: str, ours: str, others: Sequence[str], rows: Rows) -> list[Row]:
    """The first method against each other: all of them at the best epoch, then at the last."""
    cells = [(when, other) for when in ("best", "last") for other in others]
    return [
        Row(
            f"{number}{letter}",
            f"{ours} beats {other} ({PLACE}; {when} epoch).",
            f"{_effect(ours, other):+g} (VOC)" if when == "best" else LATE,
            not_testable(alike)
            if (alike := as_an(rows, other))
            else _better(rows, ours, other, when),
            TABLE,
            REASONS.get(f"{number}{letter}", {}),
        )
        for letter, (when, other) in lettered("abcdefghij", cells)
    ]


def claim_22(rows: Rows) -> list[Row]:
    """APL adds to EM with the same alpha: 22a at the best epoch, 22b at the last."""
    rate = {
        HOLDS: "Validation chose the weight 0 for the pseudo-labels of APL: what differs from EM "
        "is that their entries are left alone, and the learning rate, which each chose for itself. "
        "The seeds of this row do not separate the two. The repetition that chose the rates "
        "trained both at the same ones, with a weight of 0.02 and judged on validation images: at "
        "the lowest rate that both have APL is ahead, at the rate that EM chose the two are equal "
        "(recorded/photographs.json)."
    }
    return [
        Row(
            f"22{letter}",
            f"APL adds to EM, both with the published α ({PLACE}; {when} epoch).",
            "+0.10 (VOC, within one std)" if when == "best" else LATE,
            greater(
                rows["EM+APL"][when],
                rows[PUBLISHED_EM][when],
                paper_effect=_effect("EM+APL", "EM") if when == "best" else None,
                digits=2,
            ),
            TABLE,
            rate,
        )
        for letter, when in (("a", "best"), ("b", "last"))
    ]


def claim_23(rows: Rows) -> Row:
    """EM above the run with one positive and all negatives."""
    return Row(
        "23",
        f"EM passes the run that knows all negatives ({PLACE}).",
        "89.1 against 87.6 (VOC)",
        _better(rows, "EM", ALL_NEGATIVES),
        TABLE,
        REASONS["23"],
    )


def claim_24(rows: Rows) -> Row:
    """EM at most half a point below full labels."""
    return Row(
        "24",
        f"EM is nearly as good as full supervision: within half a point ({PLACE}).",
        "89.09 against 89.42 (VOC)",
        _better(rows, "EM", FULL, margin=-0.5),
        TABLE,
        REASONS["24"],
    )


def claim_25(rows: Rows) -> Row:
    """EntMin at least five points below AN."""
    return Row(
        "25",
        f"EntMin collapses: at least five points below AN ({PLACE}).",
        "53.2 against 85.9 (VOC)",
        _better(rows, "AN", "EntMin", margin=5),
        TABLE,
    )


def claim_26(rows: Rows) -> list[Row]:
    """26a, 26b: L1R and L2R gain at most 0.6 points over AN; 26c, 26d: LS and N-LS gain."""
    return [
        *(
            Row(
                f"26{letter}",
                f"A penalty on the weights does not help: {name} gains at most 0.6 points over AN "
                f"({PLACE}).",
                f"{_effect(name, 'AN'):+g} (VOC)",
                _better(rows, "AN", name, margin=-0.6),
                TABLE,
            )
            for letter, name in (("a", "L1R"), ("b", "L2R"))
        ),
        *(
            Row(
                f"26{letter}",
                f"Label smoothing helps: {name} beats AN ({PLACE}).",
                f"{_effect(name, 'AN'):+g} (VOC)",
                not_testable(alike) if (alike := as_an(rows, name)) else _better(rows, name, "AN"),
                TABLE,
                REASONS.get(f"26{letter}", {}),
            )
            for letter, name in (("c", "LS"), ("d", "N-LS"))
        ),
    ]


def claim_27(rows: Rows) -> Row:
    """In the epoch in which it is smallest EM's lead in the loss of annotated labels is above 0.

    In nats; a hundredth is the least that one sees.
    """
    loss = {name: photographs.annotated_loss(rows, name) for name in ("AN", "EM")}
    at = (loss["AN"] - loss["EM"]).argmin(1)
    an, em = (each[range(len(at)), at] for each in loss.values())
    lead = greater(an, em, worth=0.01, digits=2)
    return Row(
        "27",
        f"The loss of annotated labels is lower under EM than under AN in every epoch ({PLACE}).",
        "training curves on VOC: 0.3 against about 1.7 after 50 points",
        replace(lead, ours=f"in the epoch with the smallest lead AN {lead.ours}"),
        TRAINING,
    )


def claim_28(rows: Rows) -> Row:
    """The share of classes whose distance is larger under EM is above 90 %."""
    em, an = (photographs.wasserstein(rows, name) for name in ("EM", "AN"))
    counted = ~np.isnan(em)
    share = 100 * ((em > an) & counted).sum(1) / counted.sum(1)
    return Row(
        "28",
        "EM separates unannotated positives from negatives better than AN: its Wasserstein "
        f"distance is larger in more than 90 % of the classes ({PLACE}).",
        "96.25 % of the 80 COCO classes",
        greater(share, np.full_like(share, 90), paper_effect=6.25),
        "fig-atu-photograph-wasserstein",
    )


def claim_29(rows: Rows) -> list[Row]:
    """Medians: 29a EM's negatives in 0.4 to 0.6, 29b its positives above 0.8, 29c AN's below 0.3.

    How far inside the bound they are, as a probability; a hundredth is the least that counts.
    """
    (em_pos, em_neg), (an_pos, an_neg) = (photographs.medians(rows, m).T for m in ("EM", "AN"))
    inside = (
        (
            "Under EM unannotated negatives wait near one half, in 0.4 to 0.6",
            0.1 - abs(em_neg - 0.5),
            (em_neg,),
        ),
        ("Under EM unannotated positives are near one, above 0.8", em_pos - 0.8, (em_pos,)),
        ("Under AN both are low, below 0.3", 0.3 - np.maximum(an_pos, an_neg), (an_pos, an_neg)),
    )
    return [
        Row(
            f"29{letter}",
            f"{text} ({PLACE}; medians).",
            "densities of 'person' (figure)",
            _inside(distance, medians),
            "fig-atu-photograph-densities",
        )
        for letter, (text, distance, medians) in zip("abc", inside, strict=True)
    ]


def _inside(distance: np.ndarray, medians: Sequence[np.ndarray]) -> Verdict:
    """Are medians on the right side of a bound? Told are the medians and their distance from it."""
    found = greater(distance, np.zeros_like(distance), worth=0.01, digits=2)
    told = " and ".join(mean_std(each, 2) for each in medians)
    lead = found.ours.partition(": ")[2]
    return replace(found, ours=f"{told}; distance from the bound, inwards: {lead}")


def claim_30(rows: Rows) -> Row:
    """The share of classes with a higher AP under EM is above 90 %."""
    share = 100 * (photographs.class_gain(rows) > 0).mean(1)
    return Row(
        "30",
        f"EM improves the AP of more than 90 % of the classes ({PLACE}).",
        "nearly all classes of VOC, by up to 14 points",
        greater(share, np.full_like(share, 90)),
        "fig-atu-photograph-class-gain",
        REASONS["30"],
    )


def claim_31(rows: Rows) -> Row:
    """AN pushes hidden positives harder than negatives: mean gradient over the epochs.

    In hundredths, of which one is the least that counts; the paper's gradients go from 0 to 100.
    """
    hidden, absent = (photographs.gradients(rows, "AN", kind).mean(1) for kind in ("FN", "TN"))
    return Row(
        "31",
        "AN over-suppresses: in training it pushes hidden positives down harder than negatives "
        f"({PLACE}).",
        "gradient regimes (closed form): the push grows with the prediction",
        greater(hidden, absent, worth=1),
        TRAINING,
    )


def claim_32(rows: Rows) -> Row:
    """The order of the rows at the best epoch is that of the paper's VOC column."""
    return Row(
        "32",
        f"The order of the rows is that of the paper ({PLACE}; best epoch).",
        "benchmark slide (VOC)",
        order(*photographs.agreement(rows), f"rank correlation of {len(photographs.shared(rows))}"),
        TABLE,
    )
