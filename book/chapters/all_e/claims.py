"""What decides the claims of the chapter on ALL-E.

``ablation`` and ``longer`` hold the outcomes of agents by the terms of their reward (see
``tables``), the latter after longer training; ``records`` are runs of one kind of agents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chapters.all_e.runs import ALL, NO_SCORE
from chapters.all_e.tables import Outcomes, by_step
from weaklabels.lab.store import Record
from weaklabels.methods import all_e
from weaklabels.press.claims import (
    Row,
    Verdict,
    all_of,
    every_seed,
    exact,
    greater,
    mean_std,
    not_testable,
)

DIGITS = {"score": 2, "psnr": 2, "ssim": 3}


def _helps(outcomes: Outcomes, measure: str) -> Verdict:
    """Is a measure greater with the aesthetic term than without it?"""
    ours, other = outcomes[ALL][measure], outcomes[NO_SCORE][measure]
    return greater(ours, other, digits=DIGITS[measure])


def claim_1a(ablation: Outcomes) -> Row:
    """The judge's score with the aesthetic term less that without it: above 0."""
    return Row(
        "1a",
        "With the aesthetic term in the reward, outputs score higher with the judge than without "
        "it.",
        "no number read; Figure 1: contest photographs 7.081 in normal, 5.694 in low light (NIMA)",
        _helps(ablation, "score"),
        figure="tab-alle-ablation",
        why="The judge is the formula A, not NIMA, and its gain is one number for all pixels: "
        "policies stay broad, and their most probable actions differ from seed to seed.",
    )


def claim_2ab(ablation: Outcomes) -> list[Row]:
    """PSNR (2a) and SSIM (2b) with the aesthetic term less those without it: above 0."""
    return [
        Row(
            id,
            f"The aesthetic term raises {measure.upper()} as well.",
            "abstract: improves both subjective experience and objective evaluation; no number "
            "read",
            _helps(ablation, measure),
            figure="tab-alle-ablation",
            why="What A does to fidelity depends on where its maximum lies, nearer to the "
            "reference or to the overexposed end; and outcomes differ from seed to seed "
            "(claim 1a).",
        )
        for id, measure in (("2a", "psnr"), ("2b", "ssim"))
    ]


def _after_longer_training(id: str, longer: Outcomes, measure: str, what: str, why: str) -> Row:
    return Row(
        id,
        f"Longer training, six seeds (recorded): the aesthetic term raises {what}.",
        "abstract, as claims 1 and 2; no number read",
        _helps(longer, measure),
        figure="tab-alle-longer",
        why=why,
    )


def claim_1b(longer: Outcomes) -> Row:
    """As claim 1a, after longer training."""
    return _after_longer_training("1b", longer, "score", "the judge's score", "")


def claim_2cd(longer: Outcomes) -> list[Row]:
    """As claims 2a and 2b, after longer training."""
    why = "Each cell is led to the value 0.6, which the reference has not."
    return [
        _after_longer_training(id, longer, measure, measure.upper(), why)
        for id, measure in (("2c", "psnr"), ("2d", "ssim"))
    ]


def claim_3ab(records: Sequence[Record]) -> list[Row]:
    """In every seed, each step: luminance error smaller (3a), judge's score higher (3b)."""
    rows = []
    for id, measure, sign, text in (
        ("3a", "error", -1, "the luminance error falls in every step"),
        ("3b", "score", 1, "the judge's score rises in every step"),
    ):
        means = by_step(records, measure)
        path = " → ".join(f"{v:.3g}" for v in means.mean(0))
        passed = (sign * np.diff(means, axis=1) > 0).all(1)
        rows.append(
            Row(
                id,
                f"Enhancement is progressive: {text}.",
                "the design of the method; no number read",
                every_seed(passed, f"mean over seeds {path}", "strictly better after each step"),
                figure="fig-alle-progress",
                why="Steps never stop: once a picture is bright enough the next step overshoots, "
                "unless the agents have learned to do nothing.",
            )
        )
    return rows


def claim_3cd(records: Sequence[Record]) -> list[Row]:
    """Input against last step: luminance error smaller (3c), judge's score higher (3d)."""
    errors, judged = by_step(records, "error"), by_step(records, "score")
    return [
        Row(
            id,
            f"The weaker form: after the last step the {what} than in the input.",
            "the design of the method; no number read",
            greater(better, worse, digits=3),
            figure="fig-alle-progress",
        )
        for id, what, better, worse in (
            ("3c", "luminance error is smaller", errors[:, 0], errors[:, -1]),
            ("3d", "judge's score is higher", judged[:, -1], judged[:, 0]),
        )
    ]


def claim_4(groups: Outcomes) -> list[Row]:
    """PSNR (4a) and SSIM (4b) of the agents less those of each simple method: all above 0."""
    simple = ("gamma 0.5", "gamma to mean 0.6", "histogram equalisation")

    def beats(measure: str) -> Verdict:
        ours = groups[f"agents, {ALL}"][measure]
        others = {name: np.full(len(ours), groups[name][measure][0]) for name in simple}
        return all_of(
            {name: greater(ours, o, digits=DIGITS[measure]) for name, o in others.items()}
        )

    return [
        Row(
            id,
            f"It beats gamma correction and histogram equalisation in {measure.upper()}.",
            "no number read",
            beats(measure),
            figure="tab-alle-comparators",
            why="The spread over seeds is larger than the advantage: a policy that stops too early "
            "or overshoots loses more than adapting to the place can gain.",
        )
        for id, measure in (("4a", "psnr"), ("4b", "ssim"))
    ]


def _follows(outcomes: Outcomes) -> Verdict:
    follows = outcomes[ALL]["follows"]
    return every_seed(follows < -0.3, mean_std(follows, 2), "correlation < -0.3")


def claim_5a(ablation: Outcomes) -> Row:
    """In every seed: correlation of strengths with luminance below -0.3."""
    return Row(
        "5a",
        "Every pixel refines itself: strengths fall with local luminance (correlation below -0.3).",
        "the design of the method; no number read",
        _follows(ablation),
        figure="tab-alle-ablation",
        why="Where it fails, a seed has settled on one action, or on a pattern that does not "
        "depend on luminance; what pays most is the brightness of all pixels together.",
    )


def claim_5b(longer: Outcomes) -> Row:
    """As claim 5a, after longer training."""
    return Row(
        "5b",
        "Longer training, six seeds (recorded): strengths fall with local luminance.",
        "as claim 5a; no number read",
        _follows(longer),
        figure="tab-alle-longer",
    )


def claim_5c(audit: Mapping[str, Any]) -> Row:
    """In no channel of the released policy (recorded) do 95 % of pixels take one action."""
    shares = audit["share_at_least"]
    return Row(
        "5c",
        "The released policy refines each pixel: no action is taken by more than 95 % of pixels.",
        "released weights, most probable actions",
        exact(
            max(shares) < 95,
            f"recorded: one action at {min(shares):g} % of pixels or more",
            "share of the most frequent action",
        ),
        figure="fig-alle-curves",
        why="The noise of drawing is punished far more than anything else, so one constant action "
        "is the first thing to be learned (claim 6).",
    )


def claim_6a() -> Row:
    """Closed forms: expected variation term of uniform actions above the largest exposure term."""
    uniform, most = 200 * all_e.expected_variation(), 80 * 0.6**2
    return Row(
        "6a",
        "In the reward as coded, variation outweighs every possible exposure loss for random "
        "actions.",
        "an audit of this book; weights of the code",
        exact(uniform > most, f"{uniform:.1f} against at most {most:.1f} a step", "closed forms"),
        figure="tab-alle-terms",
    )


def claim_6b(records: Sequence[Record]) -> Row:
    """Reward as coded, every seed: in each channel 95 % of pixels or more take one action."""
    collapsed = np.array([record["common"].min() for record in records])
    return Row(
        "6b",
        "Trained with it, agents collapse: one action at 95 % of pixels or more, in each channel.",
        "an audit of this book",
        every_seed(collapsed >= 0.95, f"{mean_std(100 * collapsed)} %", "share of 95 % or more"),
        figure="fig-alle-collapse",
    )


def claim_7() -> Row:
    """Nothing here can decide it."""
    return Row(
        "7",
        "Human viewers prefer the results (user study), and so does NIMA on LOL.",
        "a user study and tables exist in the paper; they could not be read",
        not_testable("needs viewers, NIMA trained on AVA, and the LOL pairs"),
        figure="tab-alle-comparators",
    )
