"""What decides the claims of *Large Loss Matters* on photographs whose last layers are trained.

Comparisons are paired by seed, in percent points unless said otherwise; all are decided from the
record (see ``photographs``), without which there are no rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

from chapters.large_loss_matters import photographs
from chapters.large_loss_matters.claims import (
    OURS,
    PHOTOGRAPHS,
    RIVALS,
    Curves,
    claim_2,
    claim_3,
)
from chapters.large_loss_matters.photographs import NAIVE, Rows
from chapters.large_loss_matters.runs import LL
from chapters.large_loss_matters.tables import MOMENTS, TABLE_2, TABLE_4
from weaklabels.press.claims import (
    Row,
    Verdict,
    all_of,
    greater,
    lettered,
    not_testable,
    order,
    rank_agreement,
)
from weaklabels.press.verdicts import FAILS

LATE = "not in the paper, which reports the best epoch"
TABLE, POINTING = "tab-llm-photographs", "tab-llm-photograph-pointing"
PUBLISHED = TABLE_2["end to end", "VOC"]

FLIPS_STAY = (
    "Perhaps because its flips stay: it loses two points from its best to its last epoch "
    "(tab-llm-photographs), LL-R and LL-Ct, which take nothing over to the next step, less than "
    "half a point. At the rate that validation chose it flips, over ten epochs, about three times "
    "as many labels as are false. One label a batch was no better at the best epoch of the one "
    "repetition with which the rate was chosen; whether it is better at the last epoch was not "
    "asked."
)
PUSHED_LESS = (
    "Perhaps because WAN and EPR push the assumed negatives less or not at all. That cannot be "
    "all: LL-R, which pushes all but the rejected ones in full, is level with EPR, and like WAN "
    "and EPR it points better than a network with full labels (tab-llm-photograph-pointing)."
)


HEADS, LAYERS = "linear heads on photographs", "last layers on photographs"

FINDINGS: Mapping[str, Mapping[str, str]] = {
    "the largest loss comes in epoch 1 for more of the true labels than of the false negatives": {
        "scenes": "2a",
        LAYERS: "17a",
    },
    "the loss separates false from true negatives": {"scenes": "3a", LAYERS: "18a"},
    "with memorisation it does so less": {"scenes": "3b", LAYERS: "18b"},
    "modified labels are false negatives more often than by guessing": {
        "scenes": "8a",
        LAYERS: "21a",
    },
    "their precision is lower in the last epoch than in the second": {
        "scenes": "8b",
        LAYERS: "21b",
    },
    "LL is above naive AN, best epoch": {"scenes": "4a", HEADS: "4c", LAYERS: "19a 19b 19c"},
    "LL is above naive AN, last epoch": {"scenes": "4d", HEADS: "4f", LAYERS: "19d 19e 19f"},
    "LL-R is above WAN, LSAN, EPR and ROLE, best epoch": {
        "scenes": "5a",
        HEADS: "5c",
        LAYERS: "20a 20b 20c 20d",
    },
    "LL-R is above them, last epoch": {
        "scenes": "5d",
        HEADS: "5f",
        LAYERS: "20e 20f 20g 20h",
    },
    "LL-R points better than naive AN and the rivals, best epoch": {
        "scenes": "11a",
        LAYERS: "22a 22d",
    },
    "LL-R points better than naive AN and the rivals, last epoch": {
        "scenes": "11b",
        LAYERS: "22e 22h",
    },
    "what LL-Ct corrects mostly stays corrected": {"scenes": "12", LAYERS: "25"},
}
"""What is asked -> place -> ids of the rows that answer it there."""


def every_claim(rows: Rows) -> list[Row]:
    """All rows that the record decides; none without a record."""
    if not rows:
        return []
    watched = photographs.curves(rows[NAIVE])
    return [
        *claim_16(watched),
        *claim_17(watched),
        *claim_18(watched),
        *claim_19(rows),
        *claim_20(rows),
        *claim_21(photographs.precision(rows), photographs.guessing(rows)),
        *claim_22(rows),
        claim_23(rows),
        claim_24(rows),
        claim_25(photographs.persistence(rows, "LL-Ct")),
    ]


def claim_16(curves: Curves) -> list[Row]:
    """16a: the FN loss rises after epoch 1, 16b: it ends below half its peak; 16c: TN's falls.

    In nats. The least rise or fall that counts is 0.1 for false negatives, fit for a loss of about
    one, and 0.01 for true negatives, fit for one of about a tenth. The mean loss of false negatives
    is a few tenths at most, so that what holds of it is called small.
    """
    fn, tn = curves["FN"], curves["TN"]
    peak = fn.max(1)
    wrong, right = "one FN label peaks at 0.12 and ends below 0.01", "one TN label falls to about 0"
    rows = (
        (
            "Under naive AN the mean loss of false negatives rises after the first epoch",
            greater(peak, fn[:, 0], worth=0.1, digits=2),
            {},
        ),
        (
            "It ends at less than half of its peak",
            greater(peak / 2, fn[:, -1], worth=0.1, digits=2),
            {
                FAILS: "Perhaps ten epochs are too few to memorise: on scenes, row 1, they are "
                "thirty-five."
            },
        ),
        (
            "The mean loss of true negatives falls",
            greater(tn[:, 0], tn[:, -1], worth=0.01, digits=3),
            {},
        ),
    )
    return [
        Row(
            f"16{letter}",
            f"{text} ({PHOTOGRAPHS}).",
            f"Figure 1 (VOC): {right if letter == 'c' else wrong}",
            verdict,
            "fig-llm-photograph-memorisation",
            why,
        )
        for letter, (text, verdict, why) in zip("abc", rows, strict=True)
    ]


UNSMOOTHED = (
    "Validation wants no smoothing at all (tab-llm-photograph-settings): LSAN is naive AN here, at "
    "the learning rate that suited a smoothing of 0.1. Rows 19a and 19d have naive AN at its own."
)


def rivals(rows: Rows) -> list[str]:
    """The rivals of Table 2, without LSAN where its smoothing is 0, which makes it naive AN."""
    return [name for name in RIVALS if rows[name]["options"].get("smoothing") != 0]


def _pairs(
    number: str, pairs: Sequence[tuple[str, str]], rows: Rows, why: Mapping[str, Mapping[str, str]]
) -> list[Row]:
    """A row a pair of methods of Table 2, at the best epoch and then at the last.

    ``why`` is by rival, or by the letter of one row.
    """
    found = []
    for letter, (when, (ours, other)) in lettered("abcdefgh", product(MOMENTS, pairs)):
        effect = round(PUBLISHED[ours] - PUBLISHED[other], 1) if when == "best" else None
        paper = f"Table 2 (VOC, end to end): {PUBLISHED[ours]} against {PUBLISHED[other]}"
        alike = other in RIVALS and other not in rivals(rows)
        found.append(
            Row(
                f"{number}{letter}",
                f"{ours} beats {other.replace('Naive', 'naive')} ({PHOTOGRAPHS}; {when} epoch).",
                paper if when == "best" else LATE,
                not_testable(UNSMOOTHED)
                if alike
                else greater(rows[ours][when], rows[other][when], paper_effect=effect),
                TABLE,
                why.get(letter, why.get(other, {})),
            )
        )
    return found


def claim_17(curves: Curves) -> list[Row]:
    """Claim 2 on photographs."""
    return claim_2(curves, "17", "VOC", PHOTOGRAPHS)


def claim_18(curves: Curves) -> list[Row]:
    """Claim 3 on photographs."""
    return claim_3(curves, "18", PHOTOGRAPHS)


def claim_19(rows: Rows) -> list[Row]:
    """Each scheme beats naive AN: 19a to 19c at the best epoch, 19d to 19f at the last."""
    why = {letter: {FAILS: FLIPS_STAY} for letter in "cf"}
    return _pairs("19", [(scheme, NAIVE) for scheme in LL], rows, why)


def claim_20(rows: Rows) -> list[Row]:
    """LL-R beats each rival: 20a to 20d at the best epoch, 20e to 20h at the last."""
    told = {
        FAILS: "Perhaps because EPR is told the true mean number of positives, and LL-R is not."
    }
    why = {"EPR": told, "ROLE": told}
    return _pairs("20", [(OURS, other) for other in RIVALS], rows, why)


def claim_21(precision: Mapping[str, np.ndarray], guessing: np.ndarray) -> list[Row]:
    """21a: precision is above guessing in every epoch; 21b: it is lower at the end than in epoch 2.

    Five points above guessing are the least with which a scheme is worth its modifications.

    Args:
        precision: scheme -> ``(runs, epochs)`` in percent, NaN in epoch 1.
        guessing: ``(runs,)`` in percent.
    """
    above = {
        name: greater(np.nanmin(runs, 1), guessing, worth=5) for name, runs in precision.items()
    }
    falls = {name: greater(runs[:, 1], runs[:, -1], worth=1) for name, runs in precision.items()}
    texts = (
        ("21a", "is above the share of false negatives in every epoch", above),
        ("21b", "is lower in the last epoch than in the second", falls),
    )
    return [
        Row(
            id,
            f"The precision of modified labels {text} ({PHOTOGRAPHS}).",
            "Figure 4 (COCO; its numbers could not be read)",
            all_of(parts),
            figure="fig-llm-photograph-precision",
        )
        for id, text, parts in texts
    ]


def claim_22(rows: Rows) -> list[Row]:
    """The pointing game: 22a to 22c each scheme against naive AN, 22d LL-R against all rivals.

    At the best epoch; 22e to 22h the same at the last. Pooled over all pairs of image and class.
    """
    others = rivals(rows)
    published = TABLE_4["VOC"]

    def better(ours: str, other: str, when: str) -> Verdict:
        name = f"pooled, {when} epoch"
        effect = round(published[ours] - published[other], 1)
        hits = (rows[each]["pointing"][name] for each in (ours, other))
        return greater(*hits, paper_effect=effect)

    found = []
    for when, letters in zip(MOMENTS, ("abc", "efg"), strict=True):
        for letter, scheme in zip(letters, LL, strict=True):
            found.append(
                Row(
                    f"22{letter}",
                    f"{scheme} points better than naive AN ({PHOTOGRAPHS}; {when} epoch).",
                    f"Table 4 (VOC; its epoch is not stated): {published[scheme]} against "
                    f"{published[NAIVE]}",
                    better(scheme, NAIVE, when),
                    POINTING,
                )
            )
        paper = ", ".join(f"{name} {published[name]}" for name in (OURS, *others))
        parts = {f"{OURS} over {other}": better(OURS, other, when) for other in others}
        found.append(
            Row(
                f"22{chr(ord(letters[-1]) + 1)}",
                f"LL-R points better than {', '.join(others[:-1])} and {others[-1]} "
                f"({PHOTOGRAPHS}; {when} epoch).",
                f"Table 4 (VOC; its epoch is not stated): {paper}",
                all_of(parts),
                POINTING,
                {FAILS: PUSHED_LESS},
            )
        )
    return found


def claim_23(rows: Rows) -> Row:
    """The order of the methods at the best epoch is that of Table 2, without full labels."""
    names = [name for name in rows if name != "Full label"]
    found = rank_agreement(np.array([rows[name]["best"] for name in names]), PUBLISHED[names])
    return Row(
        "23",
        f"The order of the methods is that of the paper ({PHOTOGRAPHS}; best epoch).",
        "Table 2 (VOC, end to end)",
        order(*found, f"rank correlation of {len(names)} methods"),
        figure=TABLE,
    )


def claim_24(rows: Rows) -> Row:
    """LL-R loses less than naive AN from its best to its last epoch."""
    loss = {name: np.subtract(rows[name]["best"], rows[name]["last"]) for name in (NAIVE, OURS)}
    return Row(
        "24",
        f"From its best epoch to its last naive AN loses more than LL-R ({PHOTOGRAPHS}).",
        LATE,
        greater(loss[NAIVE], loss[OURS]),
        figure="fig-llm-photographs",
    )


def claim_25(persistence: np.ndarray) -> Row:
    """More than half of the labels that LL-Ct corrects are corrected again in the next epoch."""
    return Row(
        "25",
        f"Labels that LL-Ct corrects mostly stay corrected in the next epoch ({PHOTOGRAPHS}).",
        "Figure 3 (qualitative)",
        greater(persistence, np.full_like(persistence, 50)),
        figure="tab-llm-photograph-modified",
    )
