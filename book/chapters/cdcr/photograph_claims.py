"""The claims of the CDCR paper on what is recorded: photographs, and real candidate sets.

Scores, purity and recall are in percent: half a point counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chapters.cdcr import reasons
from chapters.cdcr.claims import AGAINST_RIVALS, DIFFICULTY, PAPER, PROGRESSIVE, README
from chapters.cdcr.real_candidates import WARM_UP
from chapters.cdcr.runs import PAIR
from chapters.cdcr.tables import Rows, measured
from weaklabels.press.claims import Row, Verdict, greater, not_testable
from weaklabels.press.verdicts import FAILS, NOT_RECORDED

OF_IMAGES = "our reading of the abstract, which is about images"

NOISE = (0.1, 0.4)
"""Rates of wrong candidates on photographs."""


def claim_16(rows: Rows) -> list[Row]:
    """16a, 16b, 16c, 16d: CDCR above BCE on photographs, last and best epoch, a row a rate."""
    return [
        _on_photographs(
            f"16{letter}",
            f"{moment} epoch: CDCR beats training on all candidates (BCE)",
            rows,
            ("CDCR", "BCE"),
            rate,
            moment,
        )
        for moment, letters in (("last", "ab"), ("best", "cd"))
        for letter, rate in zip(letters, NOISE, strict=True)
    ]


def claim_17(rows: Rows) -> list[Row]:
    """Photographs; 17a, 17b: CDCR above the asymmetric loss, 17c, 17d: one threshold above BCE,
    last epoch; 17e to 17h: the same at the best epoch."""
    against_asl = (("CDCR", "ASL"), "CDCR beats the asymmetric loss on all candidates", PAPER)
    one_threshold = ((PAIR[1], "BCE"), "CDCR with one threshold beats BCE", README)
    cases = {
        "ab": ("last", *against_asl),
        "cd": ("last", *one_threshold),
        "ef": ("best", *against_asl),
        "gh": ("best", *one_threshold),
    }
    return [
        _on_photographs(
            f"17{letter}", f"{moment} epoch: {text}", rows, pair, rate, moment, source=source
        )
        for letters, (moment, pair, text, source) in cases.items()
        for letter, rate in zip(letters, NOISE, strict=True)
    ]


def claim_18(rows: Rows) -> list[Row]:
    """18a, 18b: class difficulty at most half a point below one threshold on photographs."""
    text = (
        "last epoch: class difficulty is not worse than one threshold (at most half a point below)"
    )
    return [
        _on_photographs(
            f"18{letter}",
            text,
            rows,
            PAIR,
            rate,
            margin=-0.5,
            fails=reasons.LEAVES_OUT,
            source=DIFFICULTY,
        )
        for letter, rate in zip("ab", NOISE, strict=True)
    ]


def claim_19(rows: Rows) -> list[Row]:
    """19a, 19b: CDCR's selection, mean over epochs, purer than all candidates of photographs."""
    return [
        Row(
            f"19{letter}",
            f"Photographs of VOC 2012, rate {rate:g}: selected candidates are purer than all, mean "
            "over epochs (recorded).",
            PROGRESSIVE,
            _purer(rows.get(("CDCR", rate)), rows.get(("BCE", rate))),
            figure="fig-cdcr-photographs-selection",
        )
        for letter, rate in zip("ab", NOISE, strict=True)
    ]


def claim_20(rows: Rows) -> list[Row]:
    """20a, 20b: recall of CDCR's selection on photographs higher in the last epoch than first."""
    return [
        Row(
            f"20{letter}",
            f"Photographs of VOC 2012, rate {rate:g}: the selection grows over the second stage, "
            "its recall is higher in the last epoch than in the first (recorded).",
            "the curriculum, from easy to hard",
            _grows(rows.get(("CDCR", rate))),
            figure="fig-cdcr-photographs-selection",
            why={FAILS: reasons.STEEP},
        )
        for letter, rate in zip("ab", NOISE, strict=True)
    ]


def claim_21(rows: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """MirFlickr: 21a to 21c a method above another, 21d the selection, once there is one, purer
    than all candidates, 21e class difficulty at most half a point below one threshold."""
    found = [
        Row(
            f"21{letter}",
            f"MirFlickr with its own candidates, last epoch: {ours} beats {other} on all "
            "candidates, both with tuned settings (recorded).",
            README if ours == PAIR[1] else OF_IMAGES,
            _compared(rows.get(ours), rows.get(other)),
            figure="tab-cdcr-mirflickr",
            why={FAILS: reasons.NEARLY_ALL} if ours == "CDCR" else {},
        )
        for letter, (ours, other) in zip("abc", AGAINST_RIVALS, strict=True)
    ]
    purer = Row(
        "21d",
        "MirFlickr with its own candidates: those that CDCR selects are purer than all, mean over "
        "the epochs after the warm-up (recorded).",
        OF_IMAGES,
        _purer(rows.get("CDCR"), rows.get("BCE"), WARM_UP),
        figure="fig-cdcr-mirflickr",
    )
    level = Row(
        "21e",
        "MirFlickr with its own candidates, last epoch: class difficulty is not worse than one "
        "threshold (at most half a point below), both with tuned settings (recorded).",
        DIFFICULTY,
        _compared(*(rows.get(name) for name in PAIR), margin=-0.5),
        figure="tab-cdcr-mirflickr",
        why={FAILS: reasons.NEARLY_ALL},
    )
    return [*found, purer, level]


RecordedRow = Mapping[str, Any] | None
"""A row of a record; None without one."""


def _on_photographs(
    id: str,
    text: str,
    rows: Rows,
    pair: tuple[str, str],
    rate: float,
    moment: str = "last",
    margin: float = 0.0,
    fails: str | None = None,
    source: str = PAPER,
) -> Row:
    """The first of two methods better on photographs at one rate; ``fails``: why, should it not."""
    ours, other = (rows.get((name, rate)) for name in pair)
    claim = f"Photographs of VOC 2012, rate {rate:g}, {text} (recorded)."
    verdict = _compared(ours, other, moment, margin)
    why = {FAILS: fails} if fails else {}
    return Row(id, claim, source, verdict, figure="tab-cdcr-photographs", why=why)


def _compared(
    ours: RecordedRow, other: RecordedRow, moment: str = "last", margin: float = 0.0
) -> Verdict:
    if ours is None or other is None:
        return not_testable(NOT_RECORDED)
    return greater(ours[moment], other[moment], margin=margin)


def _purer(ours: RecordedRow, everything: RecordedRow, first: int = 0) -> Verdict:
    """Purity of what is selected, mean over epochs from ``first`` on, above that of all."""
    if ours is None or everything is None:
        return not_testable(NOT_RECORDED)
    return greater(*(measured(row, "purity")[:, first:].mean(1) for row in (ours, everything)))


def _grows(row: RecordedRow) -> Verdict:
    """Recall in the last epoch above that in the first."""
    if row is None:
        return not_testable(NOT_RECORDED)
    recall = measured(row, "recall")
    return greater(recall[:, -1], recall[:, 0])
