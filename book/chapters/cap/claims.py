"""The claims of the CAP paper, each with the rule that decides it.

Scores and F1 are in percent, gaps of shares in percent points: half a point counts, where the
readme gives no effect. Its effects are those over the warm-up alone; the supervised rival here
trains on for as many steps as CAP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from chapters.cap.runs import RULES
from chapters.cap.tables import README, Groups, Rows, curves, gains, percent
from weaklabels.lab.store import Record
from weaklabels.lab.two_stage import mean_ap
from weaklabels.press.claims import (
    Row,
    Verdict,
    all_of,
    every_seed,
    greater,
    lettered,
    mean_std,
    not_testable,
)
from weaklabels.press.verdicts import FAILS, NOT_RECORDED, answers

PHOTOGRAPH_SHARES = (0.05, 0.1, 0.2)

PAPER_GAINS: Mapping[float, float] = (README["CAP"] - README["warm-up"]).to_dict()
OTHER_RULES = (*RULES, "FreeMatch")
"""In the order of the rows 2a to 2d."""

BY_MAP = "with the settings that were chosen by validation mAP"

AS_MANY = (
    "With the threshold that was chosen for it IAT calls about as many labels present as there "
    "are, as CAP does by its rule; at the usual threshold of one half, with the same batch and "
    "learning rate, it calls more and more present, by the last epoch nearly everything, and its "
    "mAP is lower (tab-cap-drift, at 5 %). Perhaps the total number matters more than its division "
    "among the classes, which CAP meets better (row 6)."
)


def claim_1(records: Groups, places: Mapping[str, float]) -> list[Row]:
    """1a to 1d, 1e to 1h: CAP above supervised training, a row a share; last and best epoch.

    Args:
        records: by method and share.
        places: ``"a"`` to ``"d"`` -> labelled share.
    """
    return [
        Row(
            f"1{chr(ord(letter) + shift)}",
            f"{moment.capitalize()} epoch, {percent(share)} labelled: CAP beats training on the "
            "labelled images alone.",
            f"readme: {README['CAP'][share]:.2f} against {README['warm-up'][share]:.2f} "
            "(warm-up, best epoch)",
            greater(
                mean_ap(records["CAP", share], moment),
                mean_ap(records["Supervised", share], moment),
                paper_effect=PAPER_GAINS[share],
            ),
            figure=figure,
        )
        for moment, shift, figure in (
            ("last", 0, "tab-cap-map"),
            ("best", 4, "tab-cap-map-best"),
        )
        for letter, share in places.items()
    ]


def claim_1i(ours: np.ndarray, supervised: np.ndarray) -> Row:
    """The same, each at the strength of augmentation that was chosen for it."""
    return Row(
        "1i",
        "CAP beats training on the labelled images alone, 5 % labelled, where each has the "
        "strength of the strong view that validation chose for it.",
        "not in the paper",
        greater(ours, supervised),
        figure="fig-cap-strength",
    )


def claim_2(
    records: Groups, share: float, rules: Sequence[str], shift: int = 0, moment: str = "last"
) -> list[Row]:
    """CAP above another rule, which may have done best without a second stage.

    2a to 2d at the lowest share, 2e to 2h (``shift`` 4) at the next; 2i to 2l and 2m to 2p the same
    at the ``"best"`` epoch. Every rule has the settings that were chosen for it.
    """
    at = " (best epoch)" if moment == "best" else ""
    return [
        Row(
            f"2{chr(ord('a') + OTHER_RULES.index(rule) + shift)}",
            f"CAP beats {rule} at {percent(share)} labelled{at}{_still(records[rule, share])}.",
            "not in what could be read" if rule == "FreeMatch" else "abstract (in words)",
            greater(mean_ap(records["CAP", share], moment), mean_ap(records[rule, share], moment)),
            figure="tab-cap-map-best" if moment == "best" else "tab-cap-map",
        )
        for rule in rules
    ]


def _still(records: Sequence[Record]) -> str:
    stands = records[0].spec.optimiser.lr == 0
    return ", whose learning rate is 0: it is the warm-up" if stands else ""


def claim_3(records: Groups, low: float) -> list[Row]:
    """3a, 3b: CF1 and OF1 of the pseudo-labels, mean over epochs, above each other rule's."""
    return [
        Row(
            id,
            f"At {percent(low)} labelled its pseudo-labels are better ({measure}, mean over "
            f"epochs) than those of every instance-aware rule, {BY_MAP}.",
            "abstract (in words)",
            _against_rules(lambda name, m=measure: curves(records[name, low], m).mean(1)),
            figure="fig-cap-quality",
            why={FAILS: why},
        )
        for id, measure, why in (
            ("3a", "CF1", AS_MANY),
            (
                "3b",
                "OF1",
                f"{AS_MANY} Over all labels together a single threshold can besides call a class "
                "more often than its estimated share, where that is too low by chance; whether "
                "this is the point of difference, no row tests.",
            ),
        )
    ]


def claim_4(gaps: pd.DataFrame) -> list[Row]:
    """4a, 4b: at the lowest share every seed's gap within the bound, and correlation above 0.9."""
    labelled = gaps["labelled"].iloc[0]
    rows = gaps[gaps["labelled"] == labelled]
    return [
        Row(
            "4a",
            "Estimated proportions stay within Hoeffding's bound (5 % risk) of the true ones at "
            f"{labelled} labelled.",
            "the bound is the textbook one; the paper's theorem could not be read",
            every_seed(
                rows["largest gap"] <= rows["bound"],
                f"largest gap {mean_std(rows['largest gap'])} points, "
                f"bound {rows['bound'].iloc[0]:.1f}",
                "largest gap within the bound",
            ),
            figure="tab-cap-proportions",
        ),
        Row(
            "4b",
            f"Estimated proportions follow the true ones at {labelled} labelled: their correlation "
            "over the classes is above 0.9.",
            "Figure 1b (curves on COCO and VOC nearly coincide)",
            every_seed(
                rows["correlation"] > 0.9,
                f"correlation {mean_std(rows['correlation'], 2)}",
                "correlation above 0.9",
            ),
            figure="tab-cap-proportions",
        ),
    ]


def claim_5(records: Groups, shares: Sequence[float]) -> list[Row]:
    """5a, 5b: with estimated proportions less than one point below the true ones, a row a share."""
    return [
        Row(
            id,
            f"At {percent(share)} labelled, CAP with estimated proportions is as good as with the "
            "true ones (less than 1 point below).",
            "abstract (in words)",
            greater(
                mean_ap(records["CAP", share]),
                mean_ap(records["CAP, true proportions", share]),
                margin=-1.0,
            ),
            figure="tab-cap-map",
        )
        for id, share in lettered(("5a", "5b"), shares)
    ]


def claim_6(records: Groups, low: float) -> Row:
    """Gap to the true shares, mean over epochs, larger with each instance-aware rule."""
    return Row(
        "6",
        f"At {percent(low)} labelled, class by class, the share of pseudo positives is closest to "
        f"the true share with CAP, {BY_MAP}.",
        "title and abstract (in words)",
        _against_rules(lambda name: curves(records[name, low], "share gap").mean(1), smaller=True),
        figure="fig-cap-distribution",
    )


def claim_7(records: Groups, low: float, high: float) -> Row:
    """Gain over supervised training at the lowest share above that at the highest."""
    gain = gains(records, (low, high))
    return Row(
        "7",
        f"The gain over supervised training is larger at {percent(low)} labelled than at "
        f"{percent(high)}.",
        "readme: +4.13, +1.68, +2.93, +2.80 (over warm-up; not monotone)",
        greater(gain[:, 0], gain[:, 1], paper_effect=PAPER_GAINS[low] - PAPER_GAINS[high]),
        figure="fig-cap-map",
    )


def claim_8(records: Groups, profile: str) -> Row:
    """Best epoch on COCO less than one point below the readme, at every share (paper profile)."""
    verdict = not_testable("COCO is not at hand in this profile; `paper` runs it.")
    if profile == "paper":
        found = {p: mean_ap(records["CAP", p], "best") for p in README.index}
        verdict = all_of(
            {
                percent(p): greater(ours, np.full(len(ours), README["CAP"][p]), margin=-1.0)
                for p, ours in found.items()
            }
        )
    return Row(
        "8",
        "On COCO with a ResNet-50, CAP reaches 62.4 to 70.4 mAP at 5 to 20 % labelled (less than 1 "
        "point below).",
        "readme, table of training logs",
        verdict,
        figure="tab-cap-readme",
    )


def claim_9(study: Groups, places: Mapping[str, tuple[float, int]]) -> list[Row]:
    """9a to 9f: CAP above supervised training with labelled batches of one size for both.

    Args:
        study: records by method, share and labelled batch.
        places: letter -> share and labelled batch.
    """
    return [
        Row(
            f"9{letter}",
            f"{percent(share)} labelled, {batch} labelled images in every batch of both, otherwise "
            "each with its settings: CAP beats training on the labelled images alone.",
            "not in the paper, whose labelled batches have 4 to 16 images",
            greater(
                mean_ap(study["CAP", share, batch]), mean_ap(study["Supervised", share, batch])
            ),
            figure="tab-cap-batches",
        )
        for letter, (share, batch) in places.items()
    ]


def claim_10(study: Groups) -> list[Row]:
    """10a, 10b: all pseudo-labels at most half a point below the surest 80 and 60 %."""
    return [
        Row(
            f"10{letter}",
            f"Using every pseudo-label is not worse than using the surest {percent(share)} (at "
            "most half a point below).",
            "the released settings use all",
            greater(mean_ap(study["CAP", 1.0]), mean_ap(study["CAP", share]), margin=-0.5),
            figure="fig-cap-shares",
        )
        for letter, share in (("a", 0.8), ("b", 0.6))
    ]


# -- photographs ----------------------------------------------------------------------------------


def claim_11(rows: Rows) -> list[Row]:
    """11a to 11c, 11d to 11f: CAP above supervised training on photographs; last and best epoch."""
    return [
        Row(
            f"11{letter}",
            f"Photographs of VOC 2012, {percent(share)} labelled, {moment} epoch: CAP beats "
            "training on the labelled ones alone (recorded).",
            f"readme (data set not named, probably COCO): {README['CAP'][share]:.2f} against "
            f"{README['warm-up'][share]:.2f}",
            _better(rows, ("CAP", "Supervised"), share, moment, PAPER_GAINS[share]),
            figure="tab-cap-photographs",
        )
        for moment, letters in (("last", "abc"), ("best", "def"))
        for letter, share in zip(letters, PHOTOGRAPH_SHARES, strict=True)
    ]


def claim_12(rows: Rows) -> list[Row]:
    """12a to 12c: CAP above the instance-aware threshold on photographs, 12d to 12f above top-k."""
    return [
        Row(
            f"12{letter}",
            f"Photographs of VOC 2012, {percent(share)} labelled: CAP beats {rule}, whose setting "
            "is chosen (recorded).",
            "abstract (in words)",
            _better(rows, ("CAP", rule), share, "last"),
            figure="tab-cap-photographs",
        )
        for rule, letters in (("IAT", "abc"), ("Top-k", "def"))
        for letter, share in zip(letters, PHOTOGRAPH_SHARES, strict=True)
    ]


def claim_13(rows: Rows) -> list[Row]:
    """13a to 13c: gap to the true shares, mean over epochs, larger with either other rule."""
    return [
        Row(
            f"13{letter}",
            f"Photographs of VOC 2012, {percent(share)} labelled: class by class, the share of "
            "pseudo positives is closest to the true share with CAP (recorded).",
            "title and abstract (in words)",
            _closest(rows, share, "share gap"),
            figure="fig-cap-photographs-gap",
        )
        for letter, share in zip("abc", PHOTOGRAPH_SHARES, strict=True)
    ]


def claim_14(rows: Rows) -> list[Row]:
    """14a, 14b: CF1 and OF1 of the pseudo-labels at the lowest share above either other rule's."""
    low = PHOTOGRAPH_SHARES[0]
    return [
        Row(
            f"14{letter}",
            f"Photographs of VOC 2012, {percent(low)} labelled: CAP's pseudo-labels are better "
            f"({measure}, mean over epochs) than those of either instance-aware rule (recorded).",
            "abstract (in words)",
            _closest(rows, low, measure),
            figure="fig-cap-photographs-gap",
        )
        for letter, measure in (("a", "CF1"), ("b", "OF1"))
    ]


FINDINGS: Mapping[str, Mapping[str, str]] = {
    "CAP beats training on the labelled images alone, 5 % labelled": {
        "scenes": "1a",
        "photographs": "11a",
    },
    "CAP beats training on the labelled images alone, 10 % labelled": {
        "scenes": "1b",
        "photographs": "11b",
    },
    "CAP beats training on the labelled images alone, 20 % labelled": {
        "scenes": "1d",
        "photographs": "11c",
    },
    "CAP beats the instance-aware threshold, 5 % labelled": {"scenes": "2c", "photographs": "12a"},
    "CAP beats top-k, 10 % labelled": {"scenes": "2f", "photographs": "12e"},
    "its shares of the classes are closest to the truth": {"scenes": "6", "photographs": "13a"},
    "its pseudo-labels have the better CF1": {"scenes": "3a", "photographs": "14a"},
    "its pseudo-labels have the better OF1": {"scenes": "3b", "photographs": "14b"},
}
"""What is asked -> where -> the row that answers it there."""


def _better(
    rows: Rows, pair: tuple[str, str], share: float, moment: str, effect: float | None = None
) -> Verdict:
    """The first of two methods better at a recorded share, if it is recorded."""
    if not rows:
        return not_testable(NOT_RECORDED)
    ours, other = (rows[name, share][moment] for name in pair)
    return greater(ours, other, paper_effect=effect)


def _closest(rows: Rows, share: float, measure: str) -> Verdict:
    """CAP's measure above that of IAT and of top-k, or below for the gap to the true shares."""
    if not rows:
        return not_testable(NOT_RECORDED)

    def mean(name: str) -> np.ndarray:
        return np.array(rows[name, share]["pseudo-labels"][measure]).mean(1)

    smaller = measure == "share gap"
    pairs = {rule: (mean("CAP"), mean(rule)) for rule in ("IAT", "Top-k")}
    return all_of({rule: greater(*(p[::-1] if smaller else p)) for rule, p in pairs.items()})


def _against_rules(measure: Callable[[str], np.ndarray], smaller: bool = False) -> Verdict:
    """CAP's measure above (or below) that of each instance-aware rule."""
    ours = measure("CAP")
    pairs = {rule: (ours, measure(rule)) for rule in RULES}
    return all_of({rule: greater(*(p[::-1] if smaller else p)) for rule, p in pairs.items()})


GAIN = "CAP beats training on the labelled images alone"
QUESTIONS: Mapping[str, Sequence[str]] = {
    f"{GAIN}, at every labelled share": ("1a", "1b", "1c", "1d"),
    f"{GAIN}, with labelled batches of one size for both": (*("9a", "9b", "9c", "9d", "9e", "9f"),),
    f"{GAIN}, each with the strength of view that suits it": ("1i",),
    "CAP beats Top-1, at 5 and at 10 % labelled": ("2a", "2e"),
    "CAP beats Top-k, at 5 and at 10 % labelled": ("2b", "2f"),
    "CAP beats one threshold for all classes (IAT), at 5 and at 10 % labelled": ("2c", "2g"),
    "CAP beats FreeMatch, at 5 and at 10 % labelled": ("2d", "2h"),
    "CAP's pseudo-labels are better than those of Top-1, Top-k and IAT (CF1, OF1), at 5 % "
    "labelled": ("3a", "3b"),
    "CAP's pseudo-labels are distributed better than those of Top-1, Top-k and IAT, at 5 % "
    "labelled": ("6",),
    "estimated proportions cost less than one point of mAP, at 5 and at 10 % labelled": (
        *("5a", "5b"),
    ),
    "using every pseudo-label costs at most half a point against using the surest 80 or 60 %, at "
    "5 % labelled": ("10a", "10b"),
    f"on photographs {GAIN}": ("11a", "11b", "11c"),
    "on photographs CAP beats IAT": ("12a", "12b", "12c"),
    "on photographs CAP beats Top-k": ("12d", "12e", "12f"),
    "on photographs CAP's pseudo-labels are distributed best": ("13a", "13b", "13c"),
}
"""What the chapter asked -> rows that answer, of the last epoch."""


def takeaway(outcomes: Mapping[str, str]) -> str:
    """The answers, one line a question, from the outcomes of the rows that are shown."""
    return answers(QUESTIONS, outcomes)
