"""Claims of the paper on PU-MLC with the last convolution trained on photographs.

Rows 14 to 17 are decided at the best validation epoch, by which the learning rates are chosen; rows
18 ask the same at the last one.
"""

from __future__ import annotations

from string import ascii_lowercase

from chapters.pu_mlc import photographs
from chapters.pu_mlc.claims import BALANCES, IMPROVES, SHARPENS, UNREAD, studied
from chapters.pu_mlc.reasons import why
from chapters.pu_mlc.studies import Scores
from weaklabels.press.claims import Row, lettered

FEW = photographs.FEW
"""Known percent at which the parts of the method are compared on photographs."""

REGULARISER = "VPU's authors: the regulariser is part of the method"
PARTS = (
    ("re-balancing helps", "VPU + R", "VPU", BALANCES),
    ("the temperature helps", "PU-MLC", "VPU + R", SHARPENS),
    ("mixup helps VPU", "VPU", "VPU without mixup", REGULARISER),
    ("mixup helps PU-MLC", "PU-MLC", "PU-MLC without mixup", REGULARISER),
)
"""What is said of a part -> with it, without it, and who says so."""


def claim_14(found: Scores) -> list[Row]:
    """14a to 14d: claim 1 with the last convolution trained on photographs, by proportion."""
    return [
        Row(
            f"14{letter}",
            f"On photographs PU-MLC beats partial BCE, {percent} % known.",
            IMPROVES,
            studied(found, ("PU-MLC", percent), ("partial BCE", percent)),
            "fig-pumlc-photographs",
            why(f"14{letter}"),
        )
        for letter, percent in zip("abcd", photographs.PERCENTS, strict=True)
    ]


def claim_15(found: Scores) -> list[Row]:
    """15a, 15b: claim 2 there: PU-MLC against AN and against ASL."""
    return [
        Row(
            id,
            f"On photographs PU-MLC beats {other}, {FEW} % known.",
            IMPROVES,
            studied(found, ("PU-MLC", FEW), (other, FEW)),
            figure="fig-pumlc-photographs",
        )
        for id, other in (("15a", "AN"), ("15b", "ASL"))
    ]


def claim_16(found: Scores) -> list[Row]:
    """16a to 16d: claims 5, 6 and 8 there, and mixup within PU-MLC."""
    return [
        Row(
            f"16{letter}",
            f"On photographs {text}, {FEW} % known ({name} over {other}).",
            paper,
            studied(found, (name, FEW), (other, FEW)),
            "tab-pumlc-photograph-parts",
            why(f"16{letter}"),
        )
        for letter, (text, name, other, paper) in zip("abcd", PARTS, strict=True)
    ]


def claim_17(found: Scores) -> list[Row]:
    """17a, 17b: claim 10b on the backbone of the photographs, for PU-MLC and for a rival."""
    return [
        Row(
            f"17{letter}",
            f"On photographs the local-global convolution raises the mAP of {name}, {FEW} % known.",
            f"“to capture both local and global dependencies” (abstract); {UNREAD}",
            studied(found, (changed, FEW), (name, FEW)),
            "tab-pumlc-photograph-parts",
            why(f"17{letter}"),
        )
        for letter, (changed, name) in zip(
            "ab",
            ((photographs.WITH_BRANCHES[name], name) for name in ("PU-MLC", "partial BCE")),
            strict=True,
        )
    ]


def claim_18(last: Scores) -> list[Row]:
    """18a to 18j: claims 14, 15 and 16 at the last epoch.

    Args:
        last: the scores of that epoch.
    """
    asked = [
        *(
            (f"PU-MLC beats partial BCE, {percent} % known", "PU-MLC", "partial BCE", percent)
            for percent in photographs.PERCENTS
        ),
        *(
            (f"PU-MLC beats {other}, {FEW} % known", "PU-MLC", other, FEW)
            for other in ("AN", "ASL")
        ),
        *((f"{text}, {FEW} % known", name, other, FEW) for text, name, other, _ in PARTS),
    ]
    return [
        Row(
            f"18{letter}",
            f"On photographs, at the last epoch: {text}.",
            "none (the epoch is our choice; rows 14 to 16 have the best one)",
            studied(last, (name, percent), (other, percent)),
            "tab-pumlc-photographs-last",
            why(f"18{letter}"),
        )
        for letter, (text, name, other, percent) in lettered(ascii_lowercase, asked)
    ]
