"""What decides the claims of *Large Loss Matters*, one function a claim.

Comparisons are paired by seed, in percent points unless said otherwise. Where the paper speaks of
"our method", ``OURS`` stands for it, fixed beforehand. The paper reports the best validation epoch;
rows about the last epoch are questions of this book.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from chapters.large_loss_matters.runs import LL
from chapters.large_loss_matters.tables import MOMENTS, TABLE_1, TABLE_2, TABLE_4, pointing
from weaklabels.lab.store import Record
from weaklabels.press.claims import (
    Row,
    Verdict,
    all_of,
    every_seed,
    greater,
    mean_std,
    not_testable,
)
from weaklabels.press.verdicts import FAILS, answers

Groups = Mapping[str, Sequence[Record]]
"""Method -> one run a seed."""

Reason = tuple[Sequence[str], str]
"""Methods, and why the comparisons with them may fail."""

Curves = Mapping[str, np.ndarray]
"""Of ``tables.memorisation``."""

Protocols = Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]
"""Of ``tables.protocol_scores``."""

OURS = "LL-R"
"""The paper's best scheme on VOC and COCO (Table 2)."""

RIVALS = ("WAN", "LSAN", "EPR", "ROLE")

PLACES = {
    "end to end": ("end to end", "scenes, end to end", "tab-llm-table2"),
    "linear init": ("linear init", "scenes, linear init", "tab-llm-linear-init"),
    "photographs": ("linear init", "linear heads on photographs, recorded", "tab-llm-voc"),
}
"""Protocol -> the paper's column beside it, where it was run, and the table here."""


PHOTOGRAPHS = "photographs, last layers trained, recorded"
"""Said of the rows of ``photograph_claims``."""

SEPARATION = {"scenes": "fig-llm-separation", PHOTOGRAPHS: "fig-llm-photograph-separation"}
"""Where memorisation was watched -> the figure of its separation."""


def claim_1(curves: Curves) -> Row:
    """In every seed the FN loss peaks after epoch 1 and halves again, and the TN loss falls."""
    fn, tn = curves["FN"], curves["TN"]
    peak = fn.max(1)
    verdict = every_seed(
        (peak > fn[:, 0]) & (fn[:, -1] < peak / 2) & (tn[:, -1] < tn[:, 0]),
        f"FN {mean_std(fn[:, 0], 2)}, peak {mean_std(peak, 2)}, end {mean_std(fn[:, -1], 2)}",
        "FN: peak > first epoch, end < half the peak; TN: end < first epoch",
    )
    return Row(
        "1",
        "Under naive AN the loss of false negatives rises, peaks and ends far lower, while that of "
        "true negatives falls.",
        "Figure 1 (VOC): one FN label peaks at 0.12 and ends below 0.01",
        verdict,
        figure="fig-llm-memorisation",
    )


def claim_2(
    curves: Curves, number: str = "2", column: str = "COCO", place: str = "scenes"
) -> list[Row]:
    """Shares of labels whose largest loss is in epoch 1: their order, and against 50 and 25 %.

    Args:
        curves: see above.
        number: of the claim; a letter is added.
        column: of Table 1, for the paper's effects.
        place: a key of ``SEPARATION``.
    """
    tp, tn, fn = (curves[f"first {kind}"] for kind in ("TP", "TN", "FN"))
    half, quarter = np.full_like(tp, 50), np.full_like(tp, 25)
    published = TABLE_1.loc[column]
    paper = ", ".join(f"{kind} {published[kind]}" for kind in ("TP", "TN", "FN"))
    early = (
        "The length of an epoch (here some sixty steps, in the paper hundreds on VOC and thousands "
        "on COCO) cannot be the whole reason: on photographs, with epochs about as short (but ten "
        "of them, not thirty-five), more than half of the true labels do (row 17b)."
    )
    rows = (
        (
            "The largest loss falls in epoch 1 for more of the true labels than of the false "
            "negatives",
            {
                "TP over FN": greater(tp, fn, paper_effect=published.TP - published.FN),
                "TN over FN": greater(tn, fn, paper_effect=published.TN - published.FN),
            },
            {},
        ),
        (
            "It does so for more than half of the true labels",
            {
                "TP over 50 %": greater(tp, half, paper_effect=published.TP - 50),
                "TN over 50 %": greater(tn, half, paper_effect=published.TN - 50),
            },
            {FAILS: early},
        ),
        (
            "It does so for less than a quarter of the false negatives",
            {"25 % over FN": greater(quarter, fn, paper_effect=25 - published.FN)},
            {},
        ),
    )
    return [
        Row(
            f"{number}{letter}",
            f"{text} ({place}).",
            f"Table 1 ({column}): {paper} %",
            all_of(parts),
            SEPARATION[place],
            why,
        )
        for letter, (text, parts, why) in zip("abc", rows, strict=True)
    ]


def claim_3(curves: Curves, number: str = "3", place: str = "scenes") -> list[Row]:
    """AUC at the peak of the FN loss: a above one half, b above the AUC at the end.

    On the scale of the AUC the paper has no number. 0.05 over chance is the least with which the
    largest losses are clearly richer in false negatives; a fall of 0.02 is the least that one sees.

    Args:
        curves: see above.
        number: of the claim.
        place: a key of ``SEPARATION``.
    """
    auc = curves["AUC"]
    peak = auc[np.arange(len(auc)), curves["FN"].argmax(1)]
    return [
        Row(
            f"{number}a",
            f"Before memorisation the loss separates false from true negatives ({place}).",
            "the premise of the method; no number could be read",
            greater(peak, np.full_like(peak, 0.5), worth=0.05, digits=2),
            figure=SEPARATION[place],
        ),
        Row(
            f"{number}b",
            f"With memorisation it does so less ({place}).",
            "the premise of the method; no number could be read",
            greater(peak, auc[:, -1], worth=0.02, digits=2),
            figure=SEPARATION[place],
        ),
    ]


def _rows_of_table_2(
    number: str,
    text: str,
    pairs: Sequence[tuple[str, str]],
    protocols: Protocols,
    why: Mapping[str, Sequence[Reason]],
) -> list[Row]:
    """A row for each moment and protocol, which holds if the first of every pair is better.

    Args:
        number: of the claim; a letter is added, a to c for the best epoch, d to f for the last.
        text: of the claim.
        pairs: methods to be compared.
        protocols: see above.
        why: id -> reasons. The first is said that speaks of every comparison that fails.
    """
    rows: list[Row] = []
    cells = [(when, protocol) for when in MOMENTS for protocol in PLACES]
    for letter, (when, protocol) in zip("abcdef", cells, strict=True):
        if protocol in protocols:
            column, place, figure = PLACES[protocol]
            scores, published = protocols[protocol], TABLE_2[column, "VOC"]
            methods = dict.fromkeys(method for pair in pairs for method in pair)
            paper = ", ".join(f"{method} {published[method]}" for method in methods)
            parts = {
                f"{ours} over {other}": greater(
                    scores[ours][when],
                    scores[other][when],
                    paper_effect=round(published[ours] - published[other], 1)
                    if when == "best"
                    else None,
                )
                for ours, other in pairs
            }
            id = f"{number}{letter}"
            lost = [pair for pair, each in zip(pairs, parts.values(), strict=True) if _fails(each)]
            said = [
                reason
                for named, reason in why.get(id, ())
                if all(set(pair) & set(named) for pair in lost)
            ]
            rows.append(
                Row(
                    id,
                    f"{text} ({place}; {when} epoch).",
                    f"Table 2 (VOC, {column}): {paper}"
                    if when == "best"
                    else "not in the paper, which reports the best epoch",
                    all_of(parts),
                    figure,
                    {FAILS: said[0]} if said else {},
                )
            )
    return rows


def _fails(verdict: Verdict) -> bool:
    return verdict.outcome == FAILS


def claim_4(protocols: Protocols) -> list[Row]:
    """Each scheme beats naive AN: 4a to 4c at the best epoch, 4d to 4f at the last."""
    flips = (
        ("LL-Cp",),
        "Perhaps because LL-Cp flips at least one label in every batch, over 25 epochs several "
        "times as many as there are false negatives: rows 15a and 15b ask whether it helps to "
        "flip fewer.",
    )
    linear = (
        LL,
        "Perhaps a linear head memorises less than a network that is trained whole, so that there "
        "is less to repair: naive AN loses less from its best to its last epoch there "
        "(tab-llm-voc) than on scenes (tab-llm-table2). With the last layers trained it loses less "
        "still, though in fewer epochs (tab-llm-photographs). LL-Cp, besides, flips at least one "
        "label in every batch, which adds up to several times as many as are false (rows 15a and "
        "15b). Learning rates from 0.003 on differ by one to about two points in validation, as "
        "much as the schemes do from naive AN, so that the choice among them matters.",
    )
    return _rows_of_table_2(
        "4",
        "LL-R, LL-Ct and LL-Cp beat naive AN",
        [(name, "Naive AN") for name in LL],
        protocols,
        {"4c": (flips, linear), "4f": (flips,)},
    )


def claim_5(protocols: Protocols) -> list[Row]:
    """LL-R beats each of four rivals: 5a to 5c at the best epoch, 5d to 5f at the last.

    In the paper the best scheme does so in seven of eight columns, all but NUS with linear init.
    """
    told = (
        ("EPR", "ROLE"),
        "ROLE is ahead; EPR is level with LL-R or behind it. Perhaps because ROLE is told the true "
        "mean number of positives, and LL is not: rows 13a to 13d ask what that is worth.",
    )
    smoothed = (
        ("WAN", "LSAN", "ROLE"),
        "Being told the number of positives, as ROLE is, is not the whole story: LSAN is not told "
        "it, and is further ahead. Perhaps a linear head on fixed features has so little freedom "
        'to memorise that saying less firmly "negative", as LSAN does of all labels, is worth more '
        "than rejecting a few.",
    )
    return _rows_of_table_2(
        "5",
        "LL-R, the paper's best scheme there, beats WAN, LSAN, EPR and ROLE",
        [(OURS, other) for other in RIVALS],
        protocols,
        dict.fromkeys(("5a", "5b", "5d", "5e"), (told,)) | dict.fromkeys(("5c", "5f"), (smoothed,)),
    )


def claim_6(protocols: Protocols) -> Row:
    """Naive AN with a linear phase beats naive AN without; what LL gains over it is 4b."""
    naive = {name: protocols[name]["Naive AN"]["best"] for name in ("linear init", "end to end")}
    return Row(
        "6",
        "Linear initialisation improves naive AN.",
        "Table 2: 85.1 to 86.9 (VOC), 64.1 to 68.7 (COCO)",
        greater(naive["linear init"], naive["end to end"], paper_effect=1.8),
        figure="tab-llm-linear-init",
        why={
            FAILS: "Perhaps features pre-trained on the very same kind of digits leave a linear "
            "phase little to add."
        },
    )


def claim_7() -> Row:
    """Nothing here can decide it: there are no images with nearly nothing annotated."""
    return Row(
        "7",
        "On OpenImages naive AN beats IU, Curriculum and IMCL, and LL beats AN by half a point.",
        "Table 3: AN 82.0, IU 75.9, LL 82.5-82.6",
        not_testable(
            "The images are not at hand, and a setting in which nearly nothing is annotated cannot "
            "be made from ten classes; with 30 % of the labels known IU is strong by nature."
        ),
        figure="tab-llm-sparse",
    )


def claim_8(precision: Curves, guessing: Curves) -> list[Row]:
    """In every seed precision is above guessing in every epoch (8a), and ends lower (8b).

    Args:
        precision: scheme -> ``(runs, epochs)`` in percent, NaN in epoch 1.
        guessing: the same of false negatives among the labels that an epoch may modify.
    """
    margins = {name: np.nanmin(runs - guessing[name], 1) for name, runs in precision.items()}
    above = {
        name: every_seed(
            margin > 0,
            f"at least {mean_std(margin, 0)} points above guessing",
            "precision above guessing in every epoch",
        )
        for name, margin in margins.items()
    }
    falls = {
        name: every_seed(
            runs[:, -1] < runs[:, 1],
            f"{mean_std(runs[:, 1], 0)} % in epoch 2, {mean_std(runs[:, -1], 0)} % at the end",
            "precision lower at the end than in epoch 2",
        )
        for name, runs in precision.items()
    }
    texts = (
        ("8a", "is above the share of false negatives among those that may be modified.", above),
        ("8b", "is lower in the last epoch than in the second.", falls),
    )
    return [
        Row(
            id,
            f"The precision of modified labels {text}",
            "Figure 4 (COCO; its numbers could not be read)",
            all_of(parts),
            figure="fig-llm-precision",
        )
        for id, text, parts in texts
    ]


def claim_11(end_to_end: Groups) -> list[Row]:
    """LL-R points better than each of AN and the rivals: 11a best epoch, 11b last."""
    published = TABLE_4["VOC"]
    methods = ("Naive AN", *RIVALS)
    paper = ", ".join(f"{method} {published[method]}" for method in (OURS, *methods))
    why = {
        "best": "WAN, LSAN, EPR and ROLE point better than LL-R at the best epoch already, which "
        "comes before most of the memorisation. Row 22d has a guess for WAN and EPR alone: in the "
        "pooled score on photographs LSAN and ROLE are below naive AN.",
        "last": "LL-R loses less than AN and the rivals between the best epoch and the last "
        "(tab-llm-pointing), and comes level with most of them. WAN, whose weight of assumed "
        "negatives was chosen to be small (tab-llm-tuned), stays ahead: perhaps for the reason of "
        "row 22h.",
    }
    rows = []
    for id, when in zip(("11a", "11b"), MOMENTS, strict=True):
        parts = {
            f"{OURS} over {other}": greater(
                pointing(end_to_end[OURS], when),
                pointing(end_to_end[other], when),
                paper_effect=round(published[OURS] - published[other], 1),
            )
            for other in methods
        }
        rows.append(
            Row(
                id,
                f"LL-R points better than AN, WAN, LSAN, EPR and ROLE; {when} epoch.",
                f"Table 4 (VOC; its epoch is not stated): {paper}",
                all_of(parts),
                figure="tab-llm-pointing",
                why={FAILS: why[when]},
            )
        )
    return rows


def claim_12(persistence: np.ndarray) -> Row:
    """More than half of the corrected labels are corrected again.

    Args:
        persistence: ``(runs,)`` in percent.
    """
    return Row(
        "12",
        "Labels that LL-Ct corrects mostly stay corrected in the next epoch.",
        "Figure 3 (qualitative)",
        greater(persistence, np.full_like(persistence, 50)),
        figure="fig-llm-corrections",
    )


QUESTIONS = {
    "False negatives have their largest loss later than true labels, and the loss gives them "
    "away": (
        "1",
        "2a",
        "3a",
        "8a",
    ),
    "LL is better than naive AN at the best epoch: on scenes, after a linear phase, with linear "
    "heads on photographs": ("4a", "4b", "4c"),
    "LL-R is better than WAN, LSAN, EPR and ROLE, in the same three places": ("5a", "5b", "5c"),
    "The same two questions at the last epoch": ("4d", "4e", "4f", "5d", "5e", "5f"),
    "Each method with the learning rate that suits it, at the best and the last epoch": (
        "14b",
        "14c",
    ),
    "LL-R is better than EPR and ROLE that are not told the number of positives": ("13b", "13c"),
    "LL-R points better than naive AN and the rivals, at the best and at the last epoch": (
        *("11a", "11b"),
    ),
    "On photographs, the last layers trained, LL-R, LL-Ct and LL-Cp are better than naive AN, at "
    "the best and at the last epoch": ("19a", "19b", "19c", "19d", "19e", "19f"),
    "LL-R is better there than WAN, LSAN, EPR and ROLE, one by one, at the best and at the last "
    "epoch": (
        "20a",
        "20b",
        "20c",
        "20d",
        "20e",
        "20f",
        "20g",
        "20h",
    ),
}
"""What the chapter asked -> rows that answer."""


def takeaway(outcomes: Mapping[str, str]) -> str:
    """The answers, one line a question, from the outcomes of the rows that are shown."""
    return answers(QUESTIONS, outcomes)
