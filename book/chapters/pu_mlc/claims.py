"""Claims of the paper on PU-MLC: records become verdicts.

*Records* are ``{(method, known percent): one record a seed}``; *known* are the proportions (%) of
the profile. The mAP is that of the last epoch, at a learning rate that was chosen on validation
scenes of other seeds, from five for every method; on photographs that of the best validation epoch,
by which the rates are chosen there. An effect counts from half a point on, because the paper's own
numbers could not be read; other scales say what counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from chapters.pu_mlc import demo, reasons, tables
from chapters.pu_mlc.runs import PRETRAINED
from chapters.pu_mlc.studies import LEVEL, Scores
from chapters.pu_mlc.tables import Records, average_scores, scores
from weaklabels.lab.store import Record
from weaklabels.press.claims import Row, Verdict, every_seed, exact, greater, not_testable
from weaklabels.press.verdicts import FAILS

UNREAD = "no number could be read"
IMPROVES = f"“significant improvements” (abstract); {UNREAD}"
BALANCES = f"“to address label distribution imbalance” (abstract); {UNREAD}"
SHARPENS = f"“prevent over-smoothing of probabilities” (abstract); {UNREAD}"


def beats(records: Records, name: str, other: str, percent: int) -> Verdict:
    """One method is better than another at one proportion."""
    return greater(scores(records, name, percent), scores(records, other, percent))


def beats_above(records: Records, name: str, other: str, percents: Sequence[int]) -> Verdict:
    """One method is better than another in the mean over the proportions above 10 %."""
    over = [percent for percent in percents if percent > 10]
    return greater(average_scores(records, name, over), average_scores(records, other, over))


def claim_1(records: Records, percent: int) -> Row:
    """1a, 1b: mean paired difference of the mAP to partial BCE above 0, at 10 and at 30 %."""
    return Row(
        {10: "1a", 30: "1b"}[percent],
        f"PU-MLC beats partial BCE, {percent} % known: the positives alone against all that is "
        "known.",
        IMPROVES,
        beats(records, "PU-MLC", "partial BCE", percent),
        figure="fig-pumlc-proportions",
        why={
            FAILS: "Not for want of negatives: VPU + R and the VOC setting, from the same "
            "positives, are level with partial BCE (tab-pumlc-scores). Perhaps because early "
            "certainty loses a frequent class now and then (tab-pumlc-lost)."
        },
    )


def claim_2(records: Records) -> list[Row]:
    """Mean paired difference of the mAP to AN, and to ASL, above 0 at 10 %."""
    return [
        Row(
            id,
            f"PU-MLC beats {other}, 10 % known.",
            IMPROVES,
            beats(records, "PU-MLC", other, 10),
            figure="tab-pumlc-scores",
        )
        for id, other in (("2a", "AN"), ("2b", "ASL"))
    ]


def claim_3a(records: Records, known: Sequence[int]) -> Row:
    """Mean paired difference of the mAP, averaged over the proportions, above 0."""
    return Row(
        "3a",
        "PU-MLC beats partial BCE, averaged over the known proportions.",
        IMPROVES,
        greater(
            average_scores(records, "PU-MLC", known), average_scores(records, "partial BCE", known)
        ),
        figure="tab-pumlc-scores",
        why={
            FAILS: "Perhaps because at large proportions a frequent class is now and then not "
            "learned."
        },
    )


def claim_3b(counts: pd.DataFrame) -> Row:
    """Number of known positives below that of known labels: so by construction."""
    few, all_known = tables.annotations_used(counts)
    return Row(
        "3b",
        "PU-MLC uses fewer annotations: the positives among the known labels.",
        "“with fewer annotations” (abstract)",
        exact(
            few < all_known,
            f"{few:,.0f} against {all_known:,.0f} annotations, summed over the proportions",
            "fewer annotations",
        ),
        figure="tab-pumlc-annotations",
    )


def claim_4a(records: Records) -> Row:
    """Mean paired difference of the mAP with all labels above 0."""
    return Row(
        "4a",
        "PU-MLC beats BCE, all labels right: the positives alone against all labels.",
        IMPROVES,
        beats(records, "PU-MLC", "partial BCE", 100),
        figure="tab-pumlc-full",
        why={
            FAILS: "Perhaps because a frequent class ends by saying yes to every scene; and with "
            "all labels right BCE has nothing to fear from negatives."
        },
    )


def claim_4b(records: Records, known: Sequence[int]) -> list[Row]:
    """4b to 4d: the same with positives overlooked, against AN with the rest of them known."""
    shares = {"4b": 50, "4c": 30, "4d": 10}
    return [
        Row(
            id,
            f"PU-MLC beats BCE, {share} % of the positives turned into negatives.",
            IMPROVES,
            beats(records, "PU-MLC", "AN", 100 - share),
            figure="tab-pumlc-full",
            why={FAILS: "Perhaps because a frequent class is not learned in some of the runs."},
        )
        for id, share in shares.items()
        if 100 - share in known
    ]


def claim_4e(wrong: Records) -> list[Row]:
    """4e, 4f: against BCE where absent classes are marked present (2 and 10 %)."""
    return [
        Row(
            id,
            f"PU-MLC beats BCE, {percent} % of the absent classes marked present.",
            "none: the paper takes noise to be among the negatives (abstract)",
            beats(wrong, "PU-MLC", "partial BCE", percent),
            figure="tab-pumlc-noise",
            why={
                FAILS: "A part of the distance is there with all labels right (row 4a). What wrong "
                "positives add, they add perhaps because they delay the moment at which a class is "
                "told apart, and until then the re-balance factor pushes it upwards; VPU, in the "
                "same table, has the positives alone too, and no factor."
            },
        )
        for id, percent in (("4e", 2), ("4f", 10))
    ]


def claim_4g(wrong: Scores) -> list[Row]:
    """4g, 4h: as 4e and 4f, at learning rates chosen for such labels; recorded."""
    return [
        Row(
            id,
            f"PU-MLC beats BCE, {percent} % of the absent classes marked present, each at a "
            "learning rate chosen with such labels (recorded).",
            "none: the paper takes noise to be among the negatives (abstract)",
            studied(
                wrong, ("PU-MLC", f"{percent} % invented"), ("partial BCE", f"{percent} % invented")
            ),
            figure="tab-pumlc-noise-rates",
            why={
                FAILS: "A part of the distance is there with all labels right "
                "(tab-pumlc-noise-rates). The rest is not that of a rate that suits other labels, "
                "as every method chose its own; rows 4e and 4f have a guess at what it is."
            },
        )
        for id, percent in (("4g", 2), ("4h", 10))
    ]


def claim_5a(records: Records) -> Row:
    """Mean paired difference of the mAP of VPU + R and VPU above 0 at 10 %."""
    return Row(
        "5a",
        "Re-balancing helps, 10 % known (VPU + R over VPU).",
        BALANCES,
        beats(records, "VPU + R", "VPU", 10),
        figure="fig-pumlc-ablation",
    )


def claim_5b(records: Records, known: Sequence[int]) -> Row:
    """The same, averaged over the larger proportions."""
    return Row(
        "5b",
        "Re-balancing helps, averaged over the larger proportions.",
        BALANCES,
        beats_above(records, "VPU + R", "VPU", known),
        figure="fig-pumlc-proportions",
        why={
            FAILS: "Perhaps because with many labelled positives there is little left to "
            "re-balance, while its push upwards can lose a frequent class."
        },
    )


def claim_6a(records: Records) -> Row:
    """Mean paired difference of the mAP of PU-MLC and VPU + R above 0 at 10 %."""
    return Row(
        "6a",
        "Temperature helps, 10 % known (PU-MLC over VPU + R).",
        SHARPENS,
        beats(records, "PU-MLC", "VPU + R", 10),
        figure="fig-pumlc-ablation",
        why={
            FAILS: "Perhaps because it acts in the first steps, where it sharpens the outputs "
            "of a network that knows nothing yet."
        },
    )


def claim_6b(records: Records, known: Sequence[int]) -> Row:
    """The same, averaged over the larger proportions."""
    return Row(
        "6b",
        "Temperature helps, averaged over the larger proportions.",
        SHARPENS,
        beats_above(records, "PU-MLC", "VPU + R", known),
        figure="fig-pumlc-proportions",
        why={
            FAILS: "Perhaps because early certainty makes it likelier that a class is not learned."
        },
    )


def claim_7(records: Records) -> Row:
    """Mean paired difference of the spread of the test logits above 0.

    A tenth of a logit counts: no probability moves by more than 2.5 points with less.
    """
    return Row(
        "7",
        "The temperature counters over-smoothing: test logits spread more with it, 10 % known.",
        SHARPENS,
        greater(
            tables.spread(records, "PU-MLC", 10),
            tables.spread(records, "VPU + R", 10),
            worth=0.1,
            digits=2,
        ),
        figure="fig-pumlc-histograms",
        why={FAILS: "Perhaps because at the end of training it is 1 and changes nothing."},
    )


def claim_8(records: Records) -> Row:
    """Mean paired difference of the mAP of VPU with and without mixup above 0 at 10 %."""
    return Row(
        "8",
        "Mixup is needed: VPU with it beats VPU without it, 10 % known.",
        "VPU's authors: the regulariser is part of the method",
        beats(records, "VPU", "VPU without mixup", 10),
        figure="fig-pumlc-ablation",
    )


def claim_9(line: pd.DataFrame) -> list[Row]:
    """Accuracy on the line against the Bayes rule: VPU above it minus 1, uPU below it minus 15."""
    wide = tables.line_accuracies(line)
    bayes = np.full(len(wide), demo.bayes_accuracy())
    return [
        Row(
            "9a",
            "VPU needs no class prior: on the line it comes within 1 point of the Bayes rule.",
            "VPU's authors: no prior is needed",
            greater(wide["VPU"], bayes, margin=-1),
            figure="tab-pumlc-line",
        ),
        Row(
            "9b",
            "uPU needs the right prior: told 0.1 instead of 0.3 it loses more than 15 points.",
            "none (a check of this book)",
            greater(bayes, wide["uPU, prior 0.1"], margin=15),
            figure="tab-pumlc-line",
        ),
    ]


def claim_10a(at_start: Sequence[Record]) -> Row:
    """Relative change of the features below 1e-3, in every seed."""
    change = np.array([float(record["change"]) for record in at_start])
    return Row(
        "10a",
        "The local-global convolution leaves pre-trained features as they are at the start.",
        "“without requiring backbone retraining” (abstract)",
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
        f"“to capture both local and global dependencies” (abstract); {UNREAD}",
        beats(records, with_branches, without, 10),
        figure="tab-pumlc-lgconv",
        why={
            FAILS: "Perhaps because digits are drawn independently of each other: a scene holds no "
            "context that a global view could bring."
        },
    )


def claim_10c(context: Scores) -> Row:
    """Mean paired difference of the mAP with and without it where another place decides."""
    return Row(
        "10c",
        "Where another place of the scene decides, the global branch raises the mAP.",
        f"“to capture both local and global dependencies” (abstract); {UNREAD}",
        studied(context, ("with the global branch",), ("without",)),
        figure="tab-pumlc-context",
    )


def claim_11(features: Scores) -> list[Row]:
    """The claims 1, 5, 6 on features of photographs, with 10 and with 50 % known: as extracted (11a
    to 11f); 1 and 6 on centred ones, with biases that start at the level of the classes (11g to
    11j)."""
    beats = ("PU-MLC beats partial BCE", "PU-MLC", "partial BCE", IMPROVES)
    balance = ("re-balancing helps (VPU + R over VPU)", "VPU + R", "VPU", BALANCES)
    sharper = ("the temperature helps (PU-MLC over VPU + R)", "PU-MLC", "VPU + R", SHARPENS)
    plain = ("as extracted", "as extracted")
    level = ("centred, biases that start at the level of the classes", LEVEL)
    cases = {
        "ab": (*plain, *beats),
        "cd": (*plain, *balance),
        "ef": (*plain, *sharper),
        "gh": (*level, *beats),
        "ij": (*level, *sharper),
    }
    return [
        Row(
            f"11{letter}",
            f"On features of photographs {words}, {percent} % known: {text}.",
            paper,
            studied(features, (name, kind, percent), (other, kind, percent)),
            "tab-pumlc-features",
            reasons.why(f"11{letter}"),
        )
        for letters, (words, kind, text, name, other, paper) in cases.items()
        for letter, percent in zip(letters, (10, 50), strict=True)
    ]


def claim_12(features: Scores) -> list[Row]:
    """What the temperature costs at 50 %, with features centred (12a) or with a later start (12b);
    what centring costs partial BCE, with biases that start at the level (12c); PU-MLC without mixup
    (12d) and with the setting for VOC 2007 (12e).

    12a compares two differences: PU-MLC minus VPU + R on centred features, and on features as they
    are extracted.
    """
    if not features:
        verdicts = [not_testable(NOT_RECORDED)] * 5
    else:
        cost = {
            kind: features["PU-MLC", kind, 50] - features["VPU + R", kind, 50]
            for kind in ("as extracted", "centred")
        }
        late, unmixed, other = (
            studied(features, (name, "as extracted", 50), ("PU-MLC", "as extracted", 50))
            for name in (
                "PU-MLC, temperature later",
                "PU-MLC without mixup",
                "PU-MLC (VOC setting)",
            )
        )
        verdicts = [
            greater(cost["centred"], cost["as extracted"]),
            late,
            studied(features, ("partial BCE", LEVEL, 50), ("partial BCE", "centred", 50)),
            unmixed,
            other,
        ]
    texts = (
        "The temperature does its harm through what all features have in common: it costs less "
        "where their mean is taken off, 50 % known.",
        "The temperature does its harm in the first epochs: PU-MLC is better where it begins "
        "later, 50 % known.",
        "Centring costs partial BCE because the biases alone carry the level of the classes then: "
        "it is better where they start there, 50 % known.",
        "Mixup adds to the harm on features: PU-MLC is better without it, 50 % known.",
        "The setting adds to the harm on features: PU-MLC is better with that for VOC 2007, 50 % "
        "known.",
    )
    return [
        Row(
            f"12{letter}",
            text,
            "none (an explanation of this book)",
            verdict,
            figure="tab-pumlc-features",
        )
        for letter, text, verdict in zip("abcde", texts, verdicts, strict=True)
    ]


def claim_13(heads: Scores) -> list[Row]:
    """13a, 13b: the graph head raises the mAP of PU-MLC; PU-MLC beats a rival that has it too."""
    return [
        Row(
            "13a",
            "The graph head raises the mAP of PU-MLC, 10 % known.",
            f"part of the paper's network; {UNREAD}",
            studied(heads, ("PU-MLC", "graph"), ("PU-MLC", "maximum")),
            figure="tab-pumlc-heads",
            why=reasons.why("13a"),
        ),
        Row(
            "13b",
            "PU-MLC beats partial BCE where both have the graph head, 10 % known.",
            IMPROVES,
            studied(heads, ("PU-MLC", "graph"), ("partial BCE", "graph")),
            figure="tab-pumlc-heads",
            why=reasons.why("13b"),
        ),
    ]


SCENES, FEATURES, PHOTOGRAPHS = "scenes", "features of photographs", "photographs"
FINDINGS: dict[str, dict[str, str]] = {
    "PU-MLC better than partial BCE, 10 % known": {
        SCENES: "1a",
        FEATURES: "11a",
        PHOTOGRAPHS: "14a",
    },
    "the same, 30 % known": {SCENES: "1b", PHOTOGRAPHS: "14b"},
    "PU-MLC better than AN, 10 % known": {SCENES: "2a", PHOTOGRAPHS: "15a"},
    "PU-MLC better than ASL, 10 % known": {SCENES: "2b", PHOTOGRAPHS: "15b"},
    "re-balancing helps, 10 % known": {SCENES: "5a", FEATURES: "11c", PHOTOGRAPHS: "16a"},
    "the temperature helps, 10 % known": {SCENES: "6a", FEATURES: "11e", PHOTOGRAPHS: "16b"},
    "mixup helps VPU, 10 % known": {SCENES: "8", PHOTOGRAPHS: "16c"},
    "the local-global convolution helps PU-MLC": {SCENES: "10b", PHOTOGRAPHS: "17a"},
}
"""What is asked in several places -> place -> the row that answers it there."""

NOT_RECORDED = "The study has not been recorded yet."


def studied(study: Scores, ours: tuple[object, ...], other: tuple[object, ...]) -> Verdict:
    """One row of a recorded study is better than another."""
    return greater(study[ours], study[other]) if study else not_testable(NOT_RECORDED)
