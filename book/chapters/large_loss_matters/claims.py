"""What decides the claims of *Large Loss Matters*, one function a claim.

Comparisons are paired by seed: the one-sided 95 % interval of the difference must exclude zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chapters.large_loss_matters.runs import LL
from chapters.large_loss_matters.tables import MOMENTS, pointing
from weaklabels.lab.missing_labels import best_validation, mean_ap
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

Groups = Mapping[str, Sequence[Record]]
"""Method -> one run a seed."""

Curves = Mapping[str, np.ndarray]
"""Of ``tables.memorisation``."""


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


def claim_2(curves: Curves) -> list[Row]:
    """Shares of labels whose largest loss falls in epoch 1: their order, and how far apart."""
    shares = {kind: curves[f"first {kind}"] for kind in ("TP", "TN", "FN")}
    text = ", ".join(f"{kind} {mean_std(share)} %" for kind, share in shares.items())
    true_labels, fn = np.minimum(shares["TP"], shares["TN"]), shares["FN"]
    return [
        Row(
            "2a",
            "The largest loss falls in epoch 1 for more of the true labels than of the false "
            "negatives.",
            "Table 1 (COCO): TP 64.0, TN 82.6, FN 17.3 %",
            every_seed(true_labels > fn, text, "TP and TN above FN"),
            figure="fig-llm-separation",
        ),
        Row(
            "2b",
            "It does so for more than half of the TP and TN, and for less than a quarter of the "
            "FN.",
            "Table 1 (both data sets)",
            every_seed((true_labels > 50) & (fn < 25), text, "TP, TN > 50 %, FN < 25 %"),
            figure="fig-llm-separation",
            why="An epoch here is some sixty steps, on COCO thousands: fewer labels peak in the "
            "first.",
        ),
    ]


def claim_3(curves: Curves) -> Row:
    """In every seed the AUC stays above one half and ends 0.02 below its best early value."""
    auc = curves["AUC"]
    early = auc[:, : auc.shape[1] // 3].max(1)
    verdict = every_seed(
        (auc.min(1) > 0.5) & (auc[:, -1] < early - 0.02),
        f"AUC {mean_std(early, 2)} early, {mean_std(auc[:, -1], 2)} at the end",
        "AUC > 0.5 throughout; at the end 0.02 or more below the best of the first third",
    )
    return Row(
        "3",
        "Before memorisation the loss separates false from true negatives; later it does so less.",
        "section 3 (in words)",
        verdict,
        figure="fig-llm-separation",
    )


def claim_4(end_to_end: Groups, linear_init: Groups, recorded: Mapping[str, Any]) -> list[Row]:
    """All three schemes beat naive AN, at the best and at the last epoch."""
    text = "LL-R, LL-Ct and LL-Cp beat naive AN ({})."
    photographs = {row["row"]: row for row in recorded["rows"]}
    return [
        Row(
            "4a",
            text.format("end to end"),
            "Table 2: VOC 85.1 to 88.4-89.2, COCO 64.1 to 70.5-71.0",
            _all_beat_naive(_scores(end_to_end)),
            figure="tab-llm-table2",
        ),
        Row(
            "4b",
            text.format("linear init"),
            "Table 2: VOC 86.9 to 88.3-89.4, COCO 68.7 to 71.0-71.9",
            _all_beat_naive(_scores(linear_init)),
            figure="tab-llm-table2",
        ),
        Row(
            "4c",
            "The same with linear heads on features of real VOC photographs (recorded).",
            "Table 2, linear init, VOC: 86.9 to 88.3-89.4",
            _all_beat_naive(photographs),
            figure="tab-llm-voc",
            why="A frozen feature and a linear head memorise less, so there is less to protect; "
            "with rare classes, which have ten to twenty images here, permanent corrections do "
            "more harm than good.",
        ),
    ]


def _scores(groups: Groups) -> dict[str, dict[str, np.ndarray]]:
    """Method -> moment -> test mAP (%) of each run."""
    return {
        name: {when: mean_ap(records, when) for when in MOMENTS} for name, records in groups.items()
    }


def _all_beat_naive(scores: Mapping[str, Mapping[str, Sequence[float]]]) -> Verdict:
    """Verdict on LL against naive AN; scores by method and moment."""
    return all_of(
        {
            f"{name}, {when}": greater(scores[name][when], scores["Naive AN"][when])
            for name in LL
            for when in MOMENTS
        }
    )


def best_scheme(groups: Groups) -> str:
    """The LL scheme with the best *validation* score."""
    return max(LL, key=lambda name: best_validation(groups[name]))


def _beats(
    score: Callable[[Sequence[Record], str], np.ndarray],
    groups: Groups,
    rivals: Sequence[str],
    when: str,
) -> Verdict:
    """Verdict on the scheme that validation chooses against each rival, at one moment."""
    ours = score(groups[best_scheme(groups)], when)
    return all_of({other: greater(ours, score(groups[other], when)) for other in rivals})


def claim_5(end_to_end: Groups) -> list[Row]:
    """The scheme that validation chooses beats each of the four rivals: 5a best, 5b last epoch."""
    best = best_scheme(end_to_end)
    why = (
        "EPR and ROLE are told the true mean number of positives. With one label in seven a false "
        "negative, that knowledge is worth more here than on the paper's data; LL needs none."
    )
    return [
        Row(
            id,
            f"The best LL scheme ({best} by validation) beats WAN, LSAN, EPR, ROLE; {when} epoch.",
            "Table 2: in seven of eight columns (VOC 89.2 against 87.9)",
            _beats(mean_ap, end_to_end, ("WAN", "LSAN", "EPR", "ROLE"), when),
            figure="fig-llm-table2",
            why=why if when == "best" else "",
        )
        for id, when in (("5a", "best"), ("5b", "last"))
    ]


def claim_6(end_to_end: Groups, linear_init: Groups) -> Row:
    """With a linear phase AN is better than without, and each scheme better than AN."""
    naive = mean_ap(linear_init["Naive AN"])
    before = mean_ap(end_to_end["Naive AN"])
    parts = {"AN, linear init over end to end": greater(naive, before)}
    parts |= {f"{name} over AN": greater(mean_ap(linear_init[name]), naive) for name in LL}
    return Row(
        "6",
        "Linear initialisation improves naive AN, and LL still gains over it.",
        "Table 2: AN 85.1 to 86.9 (VOC), 64.1 to 68.7 (COCO)",
        all_of(parts),
        figure="tab-llm-table2",
        why="Features pre-trained on the very same kind of digits leave a linear phase little to "
        "add.",
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


def claim_8(precision: Mapping[str, np.ndarray], guessing: np.ndarray) -> Row:
    """In every seed and epoch the precision is above guessing, and lower at the end than first.

    Args:
        precision: scheme -> ``(runs, epochs)`` in percent, NaN in epoch 1.
        guessing: ``(runs,)`` in percent.
    """
    parts = {
        name: every_seed(
            (np.nanmin(runs, 1) > guessing) & (runs[:, -1] < runs[:, 1]),
            f"{mean_std(runs[:, 1], 0)} % in epoch 2, {mean_std(runs[:, -1], 0)} % at the end",
            "precision above guessing in every epoch, lower at the end than in epoch 2",
        )
        for name, runs in precision.items()
    }
    return Row(
        "8",
        "The precision of modified labels is above the share of false negatives throughout and "
        "falls as the rate grows.",
        "Figure 4 (COCO; its numbers could not be read)",
        all_of(parts),
        figure="fig-llm-precision",
    )


def claim_9(by_rate: Mapping[float, Sequence[Record]], naive: Sequence[Record]) -> Row:
    """The rate that validation chooses beats naive AN, and the largest rate at the last epoch.

    Args:
        by_rate: rate -> runs of LL-Ct.
        naive: runs of naive AN, the same seeds.
    """
    good, largest = max(by_rate, key=lambda rate: best_validation(by_rate[rate])), max(by_rate)
    parts = {
        f"rate {100 * good:g} % over AN": greater(mean_ap(by_rate[good]), mean_ap(naive)),
        f"over rate {100 * largest:g} %, last epoch": greater(
            mean_ap(by_rate[good], "last"), mean_ap(by_rate[largest], "last")
        ),
    }
    return Row(
        "9",
        "There is a range of rates in which LL-Ct beats AN; too large a rate costs accuracy.",
        "Figure 5 (COCO; its numbers could not be read)",
        all_of(parts),
        figure="fig-llm-rate",
    )


def claim_10(by_size: Mapping[tuple[int, str], Sequence[Record]]) -> Row:
    """LL-Ct beats AN, LSAN and ROLE at every size, best epoch.

    Args:
        by_size: (number of training images, method) -> runs.
    """
    parts = {
        f"{size} scenes, {other}": greater(
            mean_ap(by_size[size, "LL-Ct"]), mean_ap(by_size[size, other])
        )
        for size in dict.fromkeys(size for size, _ in by_size)
        for other in ("Naive AN", "LSAN", "ROLE")
    }
    return Row(
        "10",
        "LL-Ct is above AN, LSAN and ROLE at every share of the data.",
        "Figure 6 (COCO): 10 %: 54.9 against 53.9 (ROLE); 100 %: 70.5 against 66.9 (LSAN)",
        all_of(parts),
        figure="fig-llm-fewer",
        why="The schedule counts epochs: with 125 scenes an epoch is eight steps, and corrections "
        "start before anything is learnt. ROLE is told the number of positives.",
    )


def claim_11(end_to_end: Groups) -> list[Row]:
    """The scheme that validation chooses points better than all rivals: 11a best, 11b last."""
    best = best_scheme(end_to_end)
    return [
        Row(
            id,
            f"LL ({best}) points better than AN, WAN, LSAN, EPR and ROLE, {when} epoch.",
            "Table 4 (VOC): 83.7 against 78.9-82.5",
            _beats(pointing, end_to_end, ("Naive AN", "WAN", "LSAN", "EPR", "ROLE"), when),
            figure="tab-llm-pointing",
            why="Localisation decays with memorisation, and the best epoch comes before it; at the "
            "last epoch LL is ahead of the methods that memorise, not of EPR and ROLE.",
        )
        for id, when in (("11a", "best"), ("11b", "last"))
    ]


def claim_12(persistence: np.ndarray) -> Row:
    """In every seed more than half of the corrected labels are corrected again.

    Args:
        persistence: ``(runs,)`` in percent.
    """
    return Row(
        "12",
        "Labels that LL-Ct corrects mostly stay corrected in the next epoch.",
        "Figure 3 (qualitative)",
        every_seed(
            persistence > 50,
            f"{mean_std(persistence)} % corrected again in the next epoch",
            "more than half",
        ),
        figure="fig-llm-corrections",
    )
