"""The claims of the CDCR paper, each with the rule that decides it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chapters.cdcr.tables import Groups, candidate_purity, curves
from weaklabels.lab.two_stage import mean_ap
from weaklabels.press.claims import (
    Row,
    Verdict,
    all_of,
    every_seed,
    greater,
    mean_std,
    not_testable,
)

PAPER = "stated in the abstract in words; the tables could not be read"
SMALL = (
    "With few wrong candidates BCE is close to the ceiling, and a rare class that loses its "
    "positives in a single run (the figure over classes) outweighs the small gain of all others."
)


def claim_1(records: Groups, rates: Sequence[float]) -> list[Row]:
    """1a, 1b: CDCR above BCE at every rate, at the last and at the best epoch."""
    texts = {
        "1a": "CDCR beats training on all candidates at every rate of wrong ones, last epoch.",
        "1b": "It does so at the best epoch as well.",
    }
    return [
        Row(
            id,
            text,
            PAPER,
            _over(records, rates, "BCE", moment="last" if id == "1a" else "best"),
            figure="tab-cdcr-map",
            why=SMALL,
        )
        for id, text in texts.items()
    ]


def claim_2(records: Groups, rates: Sequence[float]) -> Row:
    """CDCR above the asymmetric loss at every rate."""
    return Row(
        "2",
        "CDCR beats the asymmetric loss on all candidates.",
        PAPER,
        _over(records, rates, "ASL"),
        figure="tab-cdcr-map",
        why=SMALL + " The asymmetric loss, which favours positives, is kind to rare classes.",
    )


def claim_3a(records: Groups, rates: Sequence[float]) -> Row:
    """Class difficulty at most half a point below one threshold at every rate."""
    return Row(
        "3a",
        "Thresholds by class difficulty are not worse than one threshold.",
        PAPER,
        _over(records, rates, "CDCR, one threshold", margin=-0.5),
        figure="tab-cdcr-map",
        why="One threshold starves the rare classes, whose candidates have low confidences.",
    )


def claim_3b(unequal: np.ndarray, equal: np.ndarray, profile: str) -> Row:
    """The lead of class difficulty larger with unequal class frequencies (not of photographs)."""
    frequencies = greater(unequal, equal)
    return Row(
        "3b",
        "Class difficulty gains more where classes are unequally frequent.",
        "our reading of 'varied difficulties of different classes' (abstract)",
        not_testable("Photographs have one distribution.") if profile == "paper" else frequencies,
        figure="tab-cdcr-difficulty",
        why="Wrong candidates are as many for every class, so a rare class has few true ones among "
        "its candidates, and low confidences; with equal frequencies this difference is gone.",
    )


def claim_4(records: Groups, low: float, high: float) -> Row:
    """The gain over BCE larger at the highest rate than at the lowest."""
    gain = {
        rate: mean_ap(records["CDCR", rate]) - mean_ap(records["BCE", rate]) for rate in (low, high)
    }
    return Row(
        "4",
        f"The gain over BCE is larger at a rate of {high:g} than at {low:g}.",
        "follows from the motivation",
        greater(gain[high], gain[low]),
        figure="fig-cdcr-rates",
    )


def claim_5(records: Groups, rates: Sequence[float]) -> Row:
    """Purity of the selection above that of all candidates: every epoch, seed and rate."""
    purer = {}
    for rate in rates:
        purity = curves(records["CDCR", rate], "purity")
        before = candidate_purity(records["BCE", rate])
        purer[f"rate {rate:g}"] = every_seed(
            (purity > before[:, None]).all(1),
            f"lowest purity {mean_std(purity.min(1))} against {mean_std(before)}",
            "purity above that of all candidates at every epoch",
        )
    return Row(
        "5",
        "Selected candidates are purer than all candidates, at every epoch.",
        PAPER,
        all_of(purer),
        figure="fig-cdcr-selection",
    )


def claim_6(records: Groups, high: float) -> Row:
    """Recall of the selection in the last epoch above that after a third of them."""
    recall = curves(records["CDCR", high], "recall")
    third = recall.shape[1] // 3
    return Row(
        "6",
        f"The selection grows: its recall is higher in the last epoch than in epoch {third + 1}.",
        "the curriculum, from easy to hard",
        greater(recall[:, -1], recall[:, third]),
        figure="fig-cdcr-selection",
        why="The first selection after the warm-up is generous; the next ones make it purer at the "
        "cost of recall, part of which comes back.",
    )


def claim_7(records: Groups, high: float) -> Row:
    """CDCR above its variant whose unselected candidates are negatives."""
    claim = "Ignoring unselected candidates is better than negatives."
    return _part("7", claim, records, "CDCR, rest negative", high)


def claim_8(records: Groups, high: float) -> Row:
    """CDCR above its variant that selects once."""
    claim = "Selecting anew in every epoch is better than selecting once."
    return _part("8", claim, records, "CDCR, selected once", high)


def claim_9(records: Groups, high: float) -> Row:
    """CDCR above its variant that trains on weak views."""
    claim = "Training on strong views is better than on weak ones."
    why = "The views differ by little noise here."
    return _part("9", claim, records, "CDCR, weak views", high, why)


def claim_10() -> Row:
    """Needs the earlier methods on COCO."""
    return Row(
        "10",
        "On COCO, CDCR is better than earlier methods for partial multi-label learning.",
        "stated in the abstract; the tables could not be read",
        not_testable(
            "Needs COCO and a GPU: the paper profile runs it, without the earlier methods."
        ),
        figure="tab-cdcr-map",
    )


def _over(
    records: Groups, rates: Sequence[float], name: str, margin: float = 0.0, moment: str = "last"
) -> Verdict:
    """Test mAP of CDCR above that of another method, at every rate."""
    return all_of(
        {
            f"rate {rate:g}": greater(
                mean_ap(records["CDCR", rate], moment),
                mean_ap(records[name, rate], moment),
                margin=margin,
            )
            for rate in rates
        }
    )


def _part(id: str, claim: str, records: Groups, name: str, rate: float, why: str = "") -> Row:
    verdict = greater(mean_ap(records["CDCR", rate]), mean_ap(records[name, rate]))
    return Row(id, claim, "from the method", verdict, figure="tab-cdcr-parts", why=why)
