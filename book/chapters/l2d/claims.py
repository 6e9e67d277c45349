"""The claims of the L2D paper, each with the rule that decides it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from chapters.l2d.tables import METRICS, Groups, score, structure_losses
from weaklabels.press.claims import Row, all_of, greater, not_testable

PAPER = "Stated in the paper (VOC, MS-COCO, NUS-WIDE); its tables could not be read"


def claim_1(groups: Groups) -> Row:
    """L2D above the student without distillation in each of three measures."""
    return Row(
        "1",
        "An L2D student is better than the same student without distillation in mAP, OF1 and CF1.",
        PAPER,
        all_of(
            {
                metric: greater(*(score(groups[n], metric) for n in ("L2D", "Vanilla")))
                for metric in METRICS
            }
        ),
        figure="tab-l2d-scores",
        why="The gain depends on how weak the student is, see the figure over its size.",
    )


def claim_2(groups: Groups) -> Row:
    """L2D above MLD."""
    return Row(
        "2",
        "Label-wise embeddings add something beyond logits: L2D is better than MLD alone.",
        PAPER,
        greater(score(groups["L2D"]), score(groups["MLD"])),
        figure="fig-l2d-scores",
    )


def claim_3(groups: Groups, rivals: Sequence[str]) -> Row:
    """L2D above each distillation of whole-image features."""
    return Row(
        "3",
        "L2D is better than every distillation of whole-image features.",
        PAPER,
        all_of({name: greater(score(groups["L2D"]), score(groups[name])) for name in rivals}),
        figure="fig-l2d-scores",
        why="Every method had its weight chosen on validation scenes from the same grid. With "
        "that, the relations among whole images (RKD, PKT) help as well: an average-pooled map of "
        "a scene is nearly the sum of its digits, so it is less mixed than that of a photograph.",
    )


def claim_4(groups: Groups) -> Row:
    """MLD at most half a point below each other distillation of logits."""
    others = ("PS", "MSE", "Softmax KD")
    ours = score(groups["MLD"])
    return Row(
        "4",
        "MLD is not worse than other distillations of logits: PS, MSE, softmax.",
        PAPER,
        all_of({name: greater(ours, score(groups[name]), margin=-0.5) for name in others}),
        figure="fig-l2d-scores",
        why="Next to complete labels all distillations of logits do little; they differ by less "
        "than the seeds do.",
    )


def claim_5(groups: Groups) -> Row:
    """CD and ID above no distillation; LED at most half a point below either."""
    both = ("CD", "ID")
    vanilla, together = score(groups["Vanilla"]), score(groups["LED"])
    parts = {f"{name} over vanilla": greater(score(groups[name]), vanilla) for name in both}
    for name in both:
        parts[f"LED against {name}"] = greater(together, score(groups[name]), margin=-0.5)
    return Row(
        "5",
        "CD and ID each help alone, and both together are not worse than either.",
        PAPER,
        all_of(parts),
        figure="fig-l2d-scores",
        why="ID sees an image's three to six digits, CD some twenty scenes of a class in each "
        "batch: most of the signal is in CD. The choice of one weight from a coarse grid adds "
        "noise.",
    )


def claim_6(groups: Groups) -> Row:
    """Structure losses to the teacher on test scenes smaller with LED, both kinds."""
    vanilla, ours = (structure_losses(groups[name]) for name in ("Vanilla", "LED"))
    return Row(
        "6",
        "Distilled embeddings are closer to the teacher's structure on unseen images.",
        "Motivation of the method (overview figure)",
        all_of(
            {
                kind: greater(vanilla[:, i], ours[:, i], digits=2)
                for i, kind in enumerate(("CD", "ID"))
            }
        ),
        figure="tab-l2d-structure",
    )


def claim_7(groups: Groups) -> Row:
    """The teacher above L2D."""
    return Row(
        "7",
        "The teacher remains better than the student.",
        PAPER,
        greater(score(groups["teacher"]), score(groups["L2D"])),
        figure="fig-l2d-scores",
    )


def claim_8(alone: Groups, errors: Mapping[str, np.ndarray]) -> list[Row]:
    """Without labels: softmax miscounts labels more (8a) and ranks worse (8b) than MLD."""
    ours, other = "MLD alone", "Softmax KD alone"
    return [
        Row(
            "8a",
            "Softmax distillation hides how many labels an image has; one question per class does "
            "not.",
            "Premise of the paper: the probabilities do not sum to one",
            greater(errors[other], errors[ours], digits=2),
            figure="fig-l2d-softmax",
        ),
        Row(
            "8b",
            "Without labels, a student taught through the softmax also ranks worse (mAP) than by "
            "MLD.",
            "Our reading of the same premise",
            greater(score(alone[ours]), score(alone[other])),
            figure="tab-l2d-alone",
            why="The constant that the softmax hides varies from scene to scene less than the "
            "logits of a class do, so it does limited harm to the ranking.",
        ),
    ]


def claim_9() -> Row:
    """Needs the photographs."""
    return Row(
        "9",
        "L2D is the best method on VOC 2007, MS-COCO and NUS-WIDE (ResNet-101 teaches ResNet-34).",
        PAPER,
        not_testable("Needs the photographs and days of a GPU; the paper profile runs it."),
        figure="tab-l2d-scores",
    )
