"""What decides claim 11: are enhanced real photographs more natural, by BRISQUE?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from chapters.all_e.runs import ALL, NO_SCORE
from weaklabels.press.claims import Row, greater, not_testable
from weaklabels.press.verdicts import FAILS, NOT_RECORDED, OPEN

WORTH = 5.0
"""Smallest difference of BRISQUE that counts: a twentieth of its scale, which goes from 0 to 100 as
the opinions of viewers do to which it was fitted. The paper gives no effect on it."""

BOOK = "none (a comparison of this book)"

ONE_CURVE = (
    "The rows say only that no gain of 5 is there; whether the agents are worse, nine photographs "
    "do not show. If they are, perhaps because neighbours choose different strengths, which makes "
    "a pattern that no photograph has and one curve does not make."
)


CASES = (
    (
        "a",
        "input",
        "after the last step they are more natural than as they are",
        "no number read",
        {
            FAILS: "Perhaps because whoever brightens a dark photograph shows its noise and "
            "its compression as well, which BRISQUE counts as damage.",
            OPEN: "Perhaps because what comes out of the dark differs: detail in some "
            "photographs, noise and compression in others.",
        },
    ),
    (
        "b",
        "gamma 0.5",
        "the agents make them more natural than gamma correction with exponent ½ does",
        BOOK,
        {FAILS: ONE_CURVE},
    ),
    (
        "c",
        "constant curve",
        "the agents make them more natural than one curve for all pixels, chosen without "
        "references, does",
        BOOK,
        {FAILS: ONE_CURVE},
    ),
    (
        "d",
        f"agents, {NO_SCORE}",
        "agents make them more natural with the aesthetic term than without it",
        "no number read",
        dict.fromkeys(
            (FAILS, OPEN),
            "Perhaps because the judge, here the formula A, looks at brightness, contrast and "
            "colour of a whole picture, and BRISQUE at its noise and its edges.",
        ),
    ),
)
"""Letter, the method compared with, claim, the paper's figures, and reasons by outcome."""


def claim_11(natural: Mapping[str, np.ndarray]) -> list[Row]:
    """BRISQUE of others less that of the agents, photograph by photograph: above 0. Others are the
    photographs as they are (11a), gamma 0.5 (11b), one curve for all pixels (11c), and agents
    without the aesthetic term (11d).

    Args:
        natural: BRISQUE by method and photograph, mean over seeds (see ``tables.natural``); empty
            if none is recorded.
    """
    ours = f"agents, {ALL}"
    return [
        Row(
            f"11{letter}",
            f"Real low-light photographs (LIME, recorded): {text} (BRISQUE, photograph by "
            "photograph, agents' mean over seeds).",
            paper,
            greater(natural[other], natural[ours], worth=WORTH)
            if natural
            else not_testable(NOT_RECORDED),
            figure="tab-alle-lime",
            why=why,
        )
        for letter, other, text, paper, why in CASES
    ]
