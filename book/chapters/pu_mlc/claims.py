"""Claims of the paper on PU-MLC: records become verdicts.

*Records* are ``{(method, known percent): one record a seed}``; *known* are the proportions (%) of
the profile.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from chapters.pu_mlc import demo, tables
from chapters.pu_mlc.runs import PRETRAINED
from chapters.pu_mlc.tables import Records, average_scores, scores
from weaklabels.lab.store import Record
from weaklabels.press.claims import Row, Verdict, all_of, every_seed, exact, greater

UNREAD = "direction from the abstract; the paper's figures are not available to us"


def beats(records: Records, name: str, other: str, over: Sequence[int]) -> Verdict:
    """One method is better than another at each of some proportions."""
    return all_of(
        {
            f"{percent} %": greater(scores(records, name, percent), scores(records, other, percent))
            for percent in over
        }
    )


def claim_1(records: Records, known: Sequence[int]) -> Row:
    """Mean paired difference of the mAP above 0 at every proportion up to 30 %."""
    return Row(
        "1",
        "With few known labels PU-MLC, on the positives alone, beats partial BCE on all of them.",
        UNREAD,
        beats(records, "PU-MLC", "partial BCE", [p for p in known if p <= 30]),
        figure="fig-pumlc-proportions",
        why="With a learning rate of its own partial BCE is strong, and it knows five times as "
        "many labels. PU-MLC keeps up with it at 10 % on the positives alone.",
    )


def claim_2(records: Records) -> Row:
    """Mean paired difference of the mAP to AN and to ASL above 0 at 10 %."""
    ours = scores(records, "PU-MLC", 10)
    return Row(
        "2",
        "With 10 % of the labels known PU-MLC beats AN and ASL.",
        UNREAD,
        all_of({other: greater(ours, scores(records, other, 10)) for other in ("AN", "ASL")}),
        figure="tab-pumlc-scores",
    )


def claim_3(records: Records, known: Sequence[int], counts: pd.DataFrame) -> Row:
    """Paired difference of the mAP averaged over the proportions above 0, annotations counted."""
    few, all_known = tables.annotations_used(counts)
    fewer = exact(
        few < all_known, f"{few:,.0f} against {all_known:,.0f} annotations", "fewer annotations"
    )
    average = greater(
        average_scores(records, "PU-MLC", known), average_scores(records, "partial BCE", known)
    )
    return Row(
        "3",
        "Averaged over the known proportions PU-MLC beats partial BCE, with fewer annotations.",
        UNREAD,
        all_of({"mAP": average, "annotations": fewer}),
        figure="tab-pumlc-scores",
        why="PU-MLC uses about a fifth of the annotations. In mAP it is held back at large "
        "proportions, where now and then a frequent class is not learned.",
    )


def claim_4a(records: Records) -> Row:
    """Mean paired difference of the mAP with all labels above 0."""
    return Row(
        "4a",
        "With all labels right PU-MLC, on the positives alone, beats BCE on all labels.",
        UNREAD,
        greater(scores(records, "PU-MLC", 100), scores(records, "partial BCE", 100)),
        figure="tab-pumlc-full",
        why="A frequent class that ends by saying yes to every scene costs some five points of "
        "mAP, and with all labels right BCE has nothing to fear from negatives.",
    )


def claim_4b(records: Records) -> Row:
    """The same with half of the positives overlooked: against AN at 50 %."""
    return Row(
        "4b",
        "With half of the positives turned into negatives PU-MLC beats BCE.",
        UNREAD,
        greater(scores(records, "PU-MLC", 50), scores(records, "AN", 50)),
        figure="tab-pumlc-full",
        why="VPU and VPU + R gain more from ignoring wrong negatives; the full method loses a "
        "frequent class in some of the runs.",
    )


def claim_5(records: Records, known: Sequence[int]) -> list[Row]:
    """Mean paired difference of the mAP of VPU + R and VPU above 0: at 10 %, at all others."""
    return [
        Row(
            "5a",
            "The re-balance factor helps (VPU + R over VPU), 10 % known.",
            UNREAD,
            beats(records, "VPU + R", "VPU", [10]),
            figure="fig-pumlc-ablation",
        ),
        Row(
            "5b",
            "The re-balance factor helps at every larger proportion as well.",
            UNREAD,
            beats(records, "VPU + R", "VPU", [p for p in known if p > 10]),
            figure="fig-pumlc-proportions",
            why="It helps where labelled positives are scarce. With many there is little left to "
            "re-balance, and its push upwards can lose a frequent class.",
        ),
    ]


def claim_6(records: Records, known: Sequence[int]) -> list[Row]:
    """Mean paired difference of the mAP of PU-MLC and VPU + R above 0: at 10 %, at all others."""
    return [
        Row(
            "6a",
            "The temperature helps (PU-MLC over VPU + R), 10 % known.",
            UNREAD,
            beats(records, "PU-MLC", "VPU + R", [10]),
            figure="fig-pumlc-ablation",
            why="The temperature is below 1 in the first steps only; there it sharpens the outputs "
            "of a network that knows nothing yet.",
        ),
        Row(
            "6b",
            "The temperature helps at every larger proportion as well.",
            UNREAD,
            beats(records, "PU-MLC", "VPU + R", [p for p in known if p > 10]),
            figure="fig-pumlc-proportions",
            why="As at 10 %; and early certainty makes it likelier that a class is not learned.",
        ),
    ]


def claim_7(records: Records) -> Row:
    """Mean paired difference of the spread of the test logits above 0."""
    return Row(
        "7",
        "The temperature counters over-smoothing: test logits spread more with it, 10 % known.",
        UNREAD,
        greater(
            tables.spread(records, "PU-MLC", 10), tables.spread(records, "VPU + R", 10), digits=2
        ),
        figure="fig-pumlc-histograms",
        why="At the end of training the temperature is 1 and changes nothing.",
    )


def claim_8(records: Records) -> Row:
    """Mean paired difference of the mAP of VPU with and without mixup above 0 at 10 %."""
    return Row(
        "8",
        "Mixup is needed: VPU with it beats VPU without it, 10 % known.",
        "VPU's authors: the regulariser is part of the method",
        beats(records, "VPU", "VPU without mixup", [10]),
        figure="fig-pumlc-ablation",
    )


def claim_9(line: pd.DataFrame) -> Row:
    """Accuracy on the line against the Bayes rule: VPU above it minus 1, uPU below it minus 15."""
    wide = tables.line_accuracies(line)
    bayes = np.full(len(wide), demo.bayes_accuracy())
    return Row(
        "9",
        "No class prior is needed: on the line VPU comes within 1 point of the Bayes rule, while "
        "uPU told 0.1 instead of 0.3 loses more than 15.",
        "VPU's authors: no prior is needed",
        all_of(
            {
                "VPU over Bayes minus 1": greater(wide["VPU"], bayes - 1),
                "Bayes minus 15 over uPU": greater(bayes - 15, wide["uPU, prior 0.1"]),
            }
        ),
        figure="tab-pumlc-line",
    )


def claim_10a(at_start: Sequence[Record]) -> Row:
    """Relative change of the features below 1e-3, in every seed."""
    change = np.array([float(record["change"]) for record in at_start])
    return Row(
        "10a",
        "The local-global convolution leaves pre-trained features as they are at the start.",
        "needs no new pre-training of the backbone (abstract)",
        every_seed(
            change < 1e-3, f"relative change {change.mean():.1e}", "relative change below 1e-3"
        ),
        figure="tab-pumlc-lgconv",
    )


def claim_10b(records: Records) -> Row:
    """Mean paired difference of the mAP with and without the convolution above 0."""
    without, with_branches = PRETRAINED
    return Row(
        "10b",
        "The local-global convolution raises the mAP, 10 % known.",
        UNREAD,
        greater(scores(records, with_branches, 10), scores(records, without, 10)),
        figure="tab-pumlc-lgconv",
        why="Digits are drawn independently of each other: a scene holds no context that a global "
        "view could bring. The paper's photographs do.",
    )
