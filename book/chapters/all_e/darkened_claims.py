"""What decides claim 12: the chapter's questions on photographs that had no part in the trials."""

from __future__ import annotations

import numpy as np

from chapters.all_e.claims import DIGITS, LEVELLED, WORTH, WORTH_CORRELATION
from chapters.all_e.runs import ALL, NO_SCORE
from chapters.all_e.tables import Outcomes
from weaklabels.press.claims import Row, Verdict, greater, not_testable
from weaklabels.press.verdicts import FAILS, NOT_RECORDED

OURS, PLAIN = f"agents, {ALL}", f"agents, {NO_SCORE}"

ABSTRACT = "abstract: improves both subjective experience and objective evaluation; no number read"
DESIGN = "the design of the method; no number read"
BOOK = "none (a comparison of this book)"

TOO_BRIGHT = (
    "They brighten too far: the exposure term asks for a mean of 0.6, and these photographs have a "
    "lower one; the two curves that end nearest to it have the highest PSNR (tab-alle-darkened)."
)
LEVELLED_TOO = f"In part they brighten too far (rows 12f and 12h). {LEVELLED}."
AS_BRIGHT = f"The curve ends as bright as the agents (tab-alle-darkened). {LEVELLED}."

CASES = (
    ("the aesthetic term raises the judge's score", "score", PLAIN, ABSTRACT, ""),
    ("the aesthetic term raises PSNR", "psnr", PLAIN, ABSTRACT, ""),
    ("the aesthetic term raises SSIM", "ssim", PLAIN, ABSTRACT, ""),
    (
        *("after the last step the luminance error is smaller than in the input", "error"),
        *("input", DESIGN, ""),
    ),
    (
        *("after the last step the judge's score is higher than in the input", "score"),
        *("input", DESIGN, ""),
    ),
    *(
        (
            *(f"the agents beat {text} in {measure.upper()}", measure, other, BOOK),
            AS_BRIGHT if other == "constant curve" else why,
        )
        for measure, why in (("psnr", TOO_BRIGHT), ("ssim", LEVELLED_TOO))
        for other, text in (
            ("gamma 0.5", "gamma correction with exponent ½"),
            ("gamma to mean 0.6", "gamma correction to the mean 0.6"),
            ("histogram equalisation", "histogram equalisation"),
            ("constant curve", "one curve for all pixels, chosen without references,"),
        )
    ),
)
"""What is claimed, the measure that decides it, whom the agents meet, the paper's figures, and why
it fails."""


def claim_12(found: Outcomes) -> list[Row]:
    """The tests of 1a, 2a, 2b, 3c, 3d (12a to 12e), of 4 in PSNR (12f to 12i) and in SSIM (12j to
    12m), of 5a (12n), where nobody looked while settings were sought.

    Args:
        found: outcomes by method (see ``tables.darkened_outcomes``); empty if none is recorded.
    """
    cases = [
        (text, paper, why, lambda m=measure, o=other: _better(found, m, o))
        for text, measure, other, paper, why in CASES
    ]
    cases.append(("strengths fall with local luminance", DESIGN, "", lambda: _follows(found)))
    return [
        Row(
            f"12{letter}",
            f"Photographs that had no part in the trials (VOC, darkened, recorded): {text}.",
            paper,
            test() if found else not_testable(NOT_RECORDED),
            figure="tab-alle-darkened",
            why={FAILS: why} if why else {},
        )
        for letter, (text, paper, why, test) in zip("abcdefghijklmn", cases, strict=True)
    ]


def _better(found: Outcomes, measure: str, other: str) -> Verdict:
    ours = found[OURS][measure]
    theirs = np.broadcast_to(found[other][measure], ours.shape)
    better, worse = (theirs, ours) if measure == "error" else (ours, theirs)
    return greater(better, worse, worth=WORTH[measure], digits=DIGITS[measure])


def _follows(found: Outcomes) -> Verdict:
    follows = found[OURS]["follows"]
    return greater(np.zeros(len(follows)), follows, worth=WORTH_CORRELATION, digits=2)
