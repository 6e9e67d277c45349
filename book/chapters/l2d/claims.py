"""The claims of the L2D paper, each with the rule that decides it.

Scores are in percent: half a point counts; other scales say in their rows what does. The weight of
every distillation beside labels is chosen on validation images of other seeds, from a grid that
begins at 0, no distillation; on photographs a choice at the grid's end was given further values.
Students without labels have the weight at which the term is as large as the hard-label loss. A row
about a method for which 0 was chosen is not testable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chapters.l2d.photographs import CONTROL, Found, applied
from chapters.l2d.tables import METRICS, Groups, score, structure_losses
from weaklabels.lab.store import Record
from weaklabels.press.claims import Row, Verdict, greater, lettered, not_testable
from weaklabels.press.verdicts import FAILS, HOLDS, OPEN

PAPER = "abstract (in words; its tables could not be read)"
ASKED = "none (not in what could be read of the paper)"


def _undistilled(found: Groups | Found, ours: str, other: str, asked: str = "") -> Verdict | None:
    """Not testable where a chosen weight is 0, on scenes and on photographs; else None.

    Such a method is the student without distillation, and a row about it says nothing of it.

    Args:
        found: records or recorded rows, by method.
        ours, other: the two sides of the row.
        asked: id of the row that compares ``ours`` with the student without distillation.
    """
    names = [name for name in (ours, other) if _weighs_nothing(_options(found[name]))]
    if not names:
        return None
    what = "each of them is" if len(names) > 1 else "it is"
    text = f"Validation chose the weight 0 for {' and '.join(names)}: {what} the student without "
    text += "distillation"
    asks = f", of which row {asked} asks" if names == [other] and asked else ""
    recorded = isinstance(found[names[0]], Mapping)
    table = "tab-l2d-photograph-settings" if recorded else "tab-l2d-weights"
    return not_testable(f"{text}{asks} ({table}).")


def _options(side: Sequence[Record] | Mapping[str, Any]) -> dict[str, Any]:
    """The options of a method, of its records or of its recorded row."""
    return dict(side["options"] if isinstance(side, Mapping) else side[0].spec.method_options)


def _weighs_nothing(options: Mapping[str, Any]) -> bool:
    """Whether no distillation term has a weight; a weight that is not told is not 0."""
    parts = [options.get(f"{part}_weight", 1.0) for part in ("logits", "class", "instance")]
    return options.get("weight") == 0 or not any(parts)


def claim_1(groups: Groups) -> list[Row]:
    """1a to 1c: L2D above the student without distillation, a row a measure."""
    return [
        Row(
            id,
            f"{metric}: an L2D student is better than the same student without distillation.",
            PAPER,
            _undistilled(groups, "L2D", "Vanilla")
            or greater(score(groups["L2D"], metric), score(groups["Vanilla"], metric)),
            figure="tab-l2d-scores",
            why={HOLDS: "This is one size of the student; fig-l2d-budgets has two more, in mAP."},
        )
        for id, metric in zip(("1a", "1b", "1c"), METRICS, strict=True)
    ]


def claim_2(groups: Groups) -> Row:
    """L2D above MLD; L2D is MLD alone where the weight of LED is 0."""
    return Row(
        "2",
        "Label-wise embeddings add something beyond logits: L2D is better than MLD alone.",
        ASKED,
        _undistilled(groups, "LED", "MLD", "1a")
        or greater(score(groups["L2D"]), score(groups["MLD"])),
        figure="fig-l2d-scores",
    )


def claim_3(groups: Groups, rivals: Sequence[str]) -> list[Row]:
    """3a to 3d: L2D above a distillation of whole-image features, a row a rival."""
    less_mixed = (
        "Perhaps because an average-pooled map of a scene is nearly the sum of its digits, and so "
        "less mixed than that of a photograph."
    )
    return [
        Row(
            f"3{letter}",
            f"L2D is better than {name}, which distils whole-image features.",
            PAPER,
            _undistilled(groups, "L2D", name, "1a")
            or greater(score(groups["L2D"]), score(groups[name])),
            figure="fig-l2d-scores",
            why={FAILS: less_mixed},
        )
        for letter, name in lettered("abcd", rivals)
    ]


def claim_4(groups: Groups) -> list[Row]:
    """4a to 4c: MLD at most half a point below another distillation of logits."""
    return [
        Row(
            id,
            f"MLD is not worse than {name}, which distils logits otherwise (at most half a point "
            "below).",
            ASKED,
            _undistilled(groups, "MLD", name)
            or greater(score(groups["MLD"]), score(groups[name]), margin=-0.5),
            figure="fig-l2d-scores",
            why={OPEN: "Perhaps next to complete labels the teacher's answers have little to add."},
        )
        for id, name in (("4a", "PS"), ("4b", "MSE"), ("4c", "Softmax KD"))
    ]


def claim_5(groups: Groups) -> list[Row]:
    """5a, 5b: CD, ID above no distillation; 5c, 5d: LED at most half a point below either."""
    vanilla, together = score(groups["Vanilla"]), score(groups["LED"])
    kinds = ("CD", "ID")
    alone = [
        Row(
            id,
            f"{name} alone helps the student.",
            ASKED,
            _undistilled(groups, name, "Vanilla") or greater(score(groups[name]), vanilla),
            figure="tab-l2d-scores",
        )
        for id, name in zip(("5a", "5b"), kinds, strict=True)
    ]
    both = [
        Row(
            id,
            f"CD and ID together (LED) are not worse than {name} alone (at most half a point "
            "below).",
            ASKED,
            _undistilled(groups, "LED", name)
            or greater(together, score(groups[name]), margin=-0.5),
            figure="tab-l2d-scores",
            why={FAILS: RATIO} if id == "5c" else {},
        )
        for id, name in zip(("5c", "5d"), kinds, strict=True)
    ]
    return alone + both


def claim_10(groups: Groups) -> list[Row]:
    """10a to 10d: the control of 1a, 5a, 5b and of LED: the trained teacher above an untrained one.

    Both have a weight that was chosen for them. L2D stands against LED with an untrained teacher,
    since nobody would imitate the answers of such a teacher.
    """
    pairs = (("10a", "L2D", "LED"), ("10b", "CD", "CD"), ("10c", "ID", "ID"), ("10d", "LED", "LED"))
    same = {"10a": "1a", "10b": "5a", "10c": "5b"}
    return [
        Row(
            id,
            f"What the teacher has learnt adds to the gain of {name}: it is better than {control} "
            "with an untrained teacher.",
            "none (a control of this book); the paper credits the teacher",
            _undistilled(groups, name, f"{control}, untrained teacher", same.get(id, ""))
            or greater(score(groups[name]), score(groups[f"{control}, untrained teacher"])),
            figure="fig-l2d-scores",
            why={
                FAILS: "Perhaps any geometry of the same images, a random one included, keeps "
                "the student from over-fitting."
            },
        )
        for id, name, control in pairs
    ]


def claim_6(groups: Groups) -> list[Row]:
    """6a, 6b: structure loss to the teacher on test scenes smaller with LED, a row a kind.

    In percent of the loss of the student without distillation, since its scale depends on how many
    labels a batch has. A twentieth of it counts; the paper gives no figures.
    """
    vanilla, ours = (structure_losses(groups[name]) for name in ("Vanilla", "LED"))
    return [
        Row(
            id,
            f"{kind}: embeddings of the LED student are closer to the teacher's structure on "
            "unseen images (structure loss in % of the vanilla student's).",
            "Motivation of the method (overview figure)",
            _undistilled(groups, "LED", "Vanilla")
            or greater(np.full(len(ours), 100.0), 100 * ours[:, i] / vanilla[:, i], worth=5.0),
            figure="tab-l2d-structure",
            why={
                HOLDS: "On average a part of it comes without what the teacher has learnt: the "
                "student of an untrained one is nearer to it than the vanilla student, too "
                "(tab-l2d-structure-control); rows 6c and 6d ask for the rest. The loss also falls "
                "when distances become alike, so that it does not tell what was copied "
                "(tab-l2d-agreement)."
            },
        )
        for i, (id, kind) in enumerate((("6a", "CD"), ("6b", "ID")))
    ]


def claim_6_control(groups: Groups, controls: Groups) -> list[Row]:
    """6c, 6d: the control of 6a and 6b: structure loss to the trained teacher smaller with LED than
    with LED whose teacher was untrained, both in percent of the vanilla student's.

    Args:
        groups: students of the trained teacher.
        controls: those of an untrained one, measured against the trained one; empty where there
            are none.
    """
    if not controls:
        verdicts = [not_testable("no student of an untrained teacher")] * 2
    else:
        ((name, records),) = controls.items()
        vanilla, ours = (structure_losses(groups[each]) for each in ("Vanilla", "LED"))
        near, own = (100 * each / vanilla for each in (structure_losses(records), ours))
        verdicts = [
            _undistilled({**groups, **controls}, "LED", name)
            or greater(near[:, i], own[:, i], worth=5.0)
            for i in range(2)
        ]
    return _control_rows(("6c", "6d"), "", verdicts, "tab-l2d-structure-control")


def _control_rows(
    ids: Sequence[str], where: str, verdicts: Sequence[Verdict], figure: str
) -> list[Row]:
    """What training the teacher adds to the nearness of its student, of CD and of ID."""
    return [
        Row(
            id,
            f"{where}{kind}: training the teacher brings its student closer to its structure: "
            "embeddings of the LED student are closer to it than those of LED with an untrained "
            "teacher (structure loss on unseen images in % of the vanilla student's).",
            "none (a control of this book)",
            verdict,
            figure=figure,
        )
        for id, kind, verdict in zip(ids, ("CD", "ID"), verdicts, strict=True)
    ]


def claim_7(groups: Groups) -> Row:
    """The teacher above L2D."""
    return Row(
        "7",
        "The teacher remains better than the L2D student.",
        ASKED,
        _undistilled(groups, "teacher", "L2D")
        or greater(score(groups["teacher"]), score(groups["L2D"])),
        figure="fig-l2d-scores",
    )


def claim_8(
    alone: Groups, errors: Mapping[str, np.ndarray], at_cut: Mapping[str, np.ndarray]
) -> list[Row]:
    """Without labels: softmax miscounts labels more (8a, 8c) and ranks worse (8b) than MLD.

    Of the miscount a tenth of a digit a scene counts; scenes have two to six. In 8a a label counts
    from a probability of one half. An offset of the logits that all scenes share is enough to
    miscount there; 8c takes it out, since each student is cut where it errs least on validation
    scenes.

    Args:
        alone: of the teacher and the students without labels.
        errors: mean absolute error of the number of labels, cut at one half, ``(seeds,)``.
        at_cut: the same, cut where validation scenes say; NaN where there are none.
    """
    ours, other = "MLD alone", "Softmax KD alone"
    premise = "Premise of the paper: the probabilities do not sum to one"
    chosen = not_testable("There are no validation images to choose where to cut.")
    if np.isfinite([at_cut[other], at_cut[ours]]).all():
        chosen = greater(at_cut[other], at_cut[ours], worth=0.1, digits=2)
    return [
        Row(
            "8a",
            "Without labels, and cut at a probability of one half, a student taught through the "
            "softmax makes larger errors in the number of labels of an image than one taught by "
            "MLD.",
            premise,
            greater(errors[other], errors[ours], worth=0.1, digits=2),
            figure="tab-l2d-alone",
            why={
                HOLDS: "One offset of the logits, the same for all scenes, would be enough for "
                "this; row 8c takes it out."
            },
        ),
        Row(
            "8b",
            "Without labels, a student taught through the softmax also ranks worse (mAP) than by "
            "MLD.",
            "Our reading of the same premise",
            greater(score(alone[ours]), score(alone[other])),
            figure="tab-l2d-alone",
            why={
                FAILS: "Perhaps the constant that the softmax hides varies less from scene to "
                "scene than the logits of a class do, so that it does little harm to the ranking."
            },
        ),
        Row(
            "8c",
            "Without labels, and each cut where it errs least on validation images, a student "
            "taught through the softmax makes larger errors in the number of labels of an image "
            "than one taught by MLD.",
            premise,
            chosen,
            figure="tab-l2d-alone",
        ),
    ]


def claim_9() -> Row:
    """Needs the paper's data and networks."""
    return Row(
        "9",
        "L2D is the best method on VOC 2007, MS-COCO and NUS-WIDE with the released networks "
        "(ResNet-101 teaches ResNet-34).",
        "abstract (in words: best on several data sets); data sets and networks from the code",
        not_testable("Needs the paper's data and days of a GPU; the paper profile runs it."),
    )


NOT_RECORDED = "The runs on photographs have not been recorded yet."
NO_CONTROL = (
    "The student of an untrained teacher has not been measured against the trained one yet."
)
RATIO = (
    "Perhaps because one weight multiplies both in the released ratio, so that CD has a smaller "
    "weight within LED than alone."
)
LESS = (
    "MLD has a smaller weight inside L2D than alone, since one number scales MLD and LED there "
    "(tab-l2d-photograph-settings): the row does not ask what LED adds to MLD as chosen."
)
"""Why 11c may fail or be open, given only where it is so."""

SOURCES = {
    ("LED", CONTROL): "none (a control of this book)",
    ("MLD", "Vanilla"): ASKED,
    ("L2D", "MLD"): ASKED,
    ("teacher", "L2D"): ASKED,
}
"""What is compared on photographs -> where it comes from, if not from the abstract."""


def claim_11(found: Found) -> list[Row]:
    """11a to 11f: on photographs, the best validation epoch; the first above the second."""
    pairs = (
        ("an L2D student is better than the same student without distillation", "L2D", "Vanilla"),
        ("MLD alone helps the student", "MLD", "Vanilla"),
        ("L2D is better than MLD alone", "L2D", "MLD"),
        ("L2D is better than RKD, which distils whole-image features", "L2D", "RKD"),
        ("LED is better than LED with an untrained teacher", "LED", CONTROL),
        ("the teacher remains better than the L2D student", "teacher", "L2D"),
    )
    return [
        Row(
            f"11{letter}",
            f"On photographs {text}.",
            SOURCES.get((ours, other), PAPER),
            _on_photographs(found, ours, other),
            figure="fig-l2d-photographs",
            why=dict.fromkeys((FAILS, OPEN), LESS)
            if (ours, other) == ("L2D", "MLD") and _less_mld(found)
            else {},
        )
        for letter, (text, ours, other) in zip("abcdef", pairs, strict=True)
    ]


def _on_photographs(found: Found, ours: str, other: str) -> Verdict:
    if not found:
        return not_testable(NOT_RECORDED)
    return _undistilled(found, ours, other, "11a" if ours == "L2D" else "") or greater(
        np.array(found[ours]["best"]), np.array(found[other]["best"])
    )


def _less_mld(found: Found) -> bool:
    """Whether MLD has a smaller weight inside L2D than alone."""
    within, alone = (
        applied(found[name]).get("MLD", 0.0) if found else 0 for name in ("L2D", "MLD")
    )
    return within < alone


NOT_ALL = (
    "The row does not tell what of it is owed to what the teacher has learnt: rows 12c and 12d "
    "compare with the student of an untrained teacher (tab-l2d-photographs). What distances that "
    "have become alike would give was not measured here."
)


def claim_12(found: Found) -> list[Row]:
    """12a, 12b: claim 6 on photographs, in percent of the loss without distillation."""
    rows = []
    for i, (id, kind) in enumerate((("12a", "CD"), ("12b", "ID"))):
        verdict = not_testable(NOT_RECORDED)
        if found:
            vanilla, ours = (
                np.array(found[name]["structure"])[:, i] for name in ("Vanilla", "LED")
            )
            verdict = _undistilled(found, "LED", "Vanilla") or greater(
                np.full(len(ours), 100.0), 100 * ours / vanilla, worth=5.0
            )
        rows.append(
            Row(
                id,
                f"On photographs, {kind}: embeddings of the LED student are closer to the "
                "teacher's structure on unseen images (structure loss in % of the vanilla "
                "student's).",
                "Motivation of the method (overview figure)",
                verdict,
                figure="tab-l2d-photographs",
                why={HOLDS: NOT_ALL},
            )
        )
    return rows


def claim_12_control(found: Found) -> list[Row]:
    """12c, 12d: 6c and 6d on photographs, by the record of the students that were measured against
    the trained teacher alone."""
    verdicts = [not_testable(NO_CONTROL)] * 2
    if found:
        vanilla, ours, near = (
            np.array(found[name]["structure"]) for name in ("Vanilla", "LED", CONTROL)
        )
        verdicts = [
            _undistilled(found, "LED", CONTROL)
            or greater((100 * near / vanilla)[:, i], (100 * ours / vanilla)[:, i], worth=5.0)
            for i in range(2)
        ]
    return _control_rows(("12c", "12d"), "On photographs, ", verdicts, "tab-l2d-photographs")


SCENES, PHOTOGRAPHS = "scenes", "photographs"
FINDINGS: dict[str, dict[str, str]] = {
    "L2D better than no distillation": {SCENES: "1a", PHOTOGRAPHS: "11a"},
    "L2D better than MLD alone": {SCENES: "2", PHOTOGRAPHS: "11c"},
    "L2D (scenes), LED (photographs) better than LED with an untrained teacher": {
        SCENES: "10a",
        PHOTOGRAPHS: "11e",
    },
    "the teacher better than L2D": {SCENES: "7", PHOTOGRAPHS: "11f"},
    "class-aware structure loss on unseen images below that of no distillation": {
        SCENES: "6a",
        PHOTOGRAPHS: "12a",
    },
    "instance-aware structure loss on unseen images below that of no distillation": {
        SCENES: "6b",
        PHOTOGRAPHS: "12b",
    },
    "class-aware structure loss on unseen images below that of LED with an untrained teacher": {
        SCENES: "6c",
        PHOTOGRAPHS: "12c",
    },
    "instance-aware structure loss on unseen images below that of LED with an untrained teacher": {
        SCENES: "6d",
        PHOTOGRAPHS: "12d",
    },
}
"""What is asked in both places -> place -> the row that answers it there."""
