"""What decides the claims of the chapter on ALL-E.

``trained`` holds the outcomes of agents by the terms of their reward (see ``tables``); ``records``
are runs of one kind of agents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chapters.all_e.runs import ALL, NO_SCORE, WHOLE
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
from weaklabels.press.verdicts import FAILS, NOT_RECORDED, OPEN, answers

DIGITS = {"score": 2, "psnr": 2, "ssim": 3, "error": 3}

WORTH = {"score": 0.1, "psnr": 0.5, "ssim": 0.01, "error": 0.01, "exposure": 0.01}
"""Smallest difference between results that counts. The paper gives no effect on any of these
scales, so: a tenth of a point of the judge, whose ratings of photographs in normal and in low light
differ by 1.4 in the paper; half a decibel, a ninth of the squared error; a hundredth of SSIM and of
the range of luminance; of the exposure loss, a square, that of cells which are a tenth too dark.
One step of six has to bring a fifth of that."""

TRIALS = (
    "after 1,200 episodes, last step; agents' settings from trials on this photograph with other "
    "seeds"
)
"""When agents are compared, and how weights and rates were found; the simple methods had no
trials."""

EARLY = "after 400 episodes, last step; the same settings"

WORTH_CORRELATION = 0.3
"""A correlation that explains less than a tenth of the variance is no refinement."""


def _better(measure: str, better: np.ndarray, worse: np.ndarray) -> Verdict:
    return greater(better, worse, worth=WORTH[measure], digits=DIGITS[measure])


def _helps(outcomes: Outcomes, measure: str) -> Verdict:
    """Is a measure greater with the aesthetic term than without it?"""
    return _better(measure, outcomes[ALL][measure], outcomes[NO_SCORE][measure])


def claim_1a(trained: Outcomes) -> Row:
    """The judge's score with the aesthetic term less that without it: above 0."""
    return Row(
        "1a",
        "With the aesthetic term in the reward, outputs score higher with the judge than without "
        f"it ({TRIALS}).",
        "no number read; Figure 1: contest photographs 7.081 in normal, 5.694 in low light (NIMA)",
        _helps(trained, "score"),
        figure="tab-alle-long",
        why={
            FAILS: "Perhaps because the gain of the judge, here the formula A, is one number for "
            "all pixels, from which a single pixel learns little.",
            OPEN: "Perhaps because the gain of the judge, here the formula A, is one number for "
            "all pixels: policies stay broad, and which action is the most probable is partly "
            "chance.",
        },
    )


def claim_2ab(trained: Outcomes) -> list[Row]:
    """PSNR (2a) and SSIM (2b) with the aesthetic term less those without it: above 0."""
    why = {
        FAILS: "Perhaps because the maximum of A lies at a darker picture than the reference.",
        OPEN: "The sign hangs on the step: up to the fifth, agents without the term have the "
        "higher PSNR, and after it they overshoot (fig-alle-progress). In the mean the term is "
        "worth more after 400 episodes (rows 2c and 2d); that the length decides, twelve seeds do "
        "not show.",
    }
    return _fidelity(trained, "ab", TRIALS, "tab-alle-long", why)


def claim_2cd(ablation: Outcomes) -> list[Row]:
    """Rows 2a and 2b once more, with the agents of the ablation, trained for less long."""
    return _fidelity(ablation, "cd", EARLY, "tab-alle-differences", {})


def _fidelity(
    outcomes: Outcomes, letters: str, when: str, figure: str, why: Mapping[str, str]
) -> list[Row]:
    return [
        Row(
            f"2{letter}",
            f"The aesthetic term raises {measure.upper()} as well ({when}).",
            "abstract: improves both subjective experience and objective evaluation; no number "
            "read",
            _helps(outcomes, measure),
            figure=figure,
            why=why,
        )
        for letter, measure in zip(letters, ("psnr", "ssim"), strict=True)
    ]


def claim_3ab(records: Sequence[Record]) -> list[Row]:
    """Each step: luminance error smaller (3a), judge's score higher (3b) than before it."""
    rows = []
    for id, measure, text, why in (
        (
            "3a",
            "error",
            "the luminance error falls in every step",
            "Perhaps because steps never stop: once a picture is bright enough the next step "
            "overshoots, unless the agents have learned to do nothing.",
        ),
        (
            "3b",
            "score",
            "the judge's score rises in every step",
            "Perhaps because the exposure term pays for going on to a mean of 0.6, past the "
            "brightness that the judge likes best; that the last step ends above 0.6 as well "
            "(tab-alle-long) it does not explain.",
        ),
    ):
        means = by_step(records, measure)
        pairs = zip(means.T[:-1], means.T[1:], strict=True)
        parts = {
            f"step {t}": greater(
                *((before, after) if measure == "error" else (after, before)),
                worth=WORTH[measure] / 5,
                digits=DIGITS[measure],
            )
            for t, (before, after) in enumerate(pairs, 1)
        }
        rows.append(
            Row(
                id,
                f"Enhancement is progressive: {text}.",
                "the design of the method; no number read",
                all_of(parts),
                figure="fig-alle-progress",
                why={FAILS: why},
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
            _better(measure, better, worse),
            figure="fig-alle-progress",
        )
        for id, measure, what, better, worse in (
            ("3c", "error", "luminance error is smaller", errors[:, 0], errors[:, -1]),
            ("3d", "score", "judge's score is higher", judged[:, -1], judged[:, 0]),
        )
    ]


def claim_4(groups: Outcomes) -> list[Row]:
    """PSNR (4a-4c) and SSIM (4d-4f) of the agents less those of each simple method: above 0."""
    simple = (
        ("gamma 0.5", "gamma correction with exponent ½"),
        ("gamma to mean 0.6", "gamma correction to the mean 0.6"),
        ("histogram equalisation", "histogram equalisation"),
    )
    rows = []
    for measure in ("psnr", "ssim"):
        ours = groups[f"agents, {ALL}"][measure]
        for name, text in simple:
            other = np.full(len(ours), groups[name][measure][0])
            rows.append(
                Row(
                    f"4{'abcdef'[len(rows)]}",
                    f"Agents with all terms beat {text} in {measure.upper()} ({TRIALS}).",
                    "no number read",
                    _better(measure, ours, other),
                    figure="tab-alle-comparators",
                    why={FAILS: CELLS} | ({OPEN: DIFFER} if name == "gamma to mean 0.6" else {}),
                )
            )
    return rows


def claim_4_curve(groups: Outcomes, ablation: Outcomes) -> list[Row]:
    """PSNR (4g) and SSIM (4h) of the agents less those of a constant curve: above 0; the same with
    the agents of the ablation (4i, 4j).

    All choose on the same training photographs, seed by seed, and without references.
    """
    cases = (
        ("gh", groups[f"agents, {ALL}"], TRIALS, "tab-alle-comparators"),
        ("ij", ablation[ALL], EARLY, "tab-alle-ablation"),
    )
    return [
        Row(
            f"4{letter}",
            "Agents with all terms beat one curve for all pixels, chosen without references, in "
            f"{measure.upper()} ({when}).",
            "none (a comparison of this book)",
            _better(measure, ours[measure], groups["constant curve"][measure]),
            figure=figure,
            why={
                FAILS: f"{LEVELLED}, the more the longer one trains."
                if when == TRIALS
                else NOT_ALONE
            },
        )
        for letters, ours, when, figure in cases
        for letter, measure in zip(letters, ("psnr", "ssim"), strict=True)
    ]


CELLS = (
    "Perhaps because bringing every cell to the same brightness levels what is dark and what is "
    "bright in the photograph; rows 9a and 9b pay for a whole patch instead."
)
DIFFER = (
    "Agents differ from seed to seed: the two whose strengths do not fall with luminance are both "
    "above this curve in PSNR, the others below it in the mean. Perhaps adapting to the place "
    "costs more than it gains."
)
NOT_ALONE = (
    "Not levelling alone: without the exposure term, which pays for it, SSIM is about the same "
    "after 400 episodes (tab-alle-differences)."
)
LEVELLED = (
    "Perhaps because bringing every cell to the same brightness levels what is dark and what is "
    "bright, which one curve cannot do (rows 9a and 9b)"
)


def _follows(outcomes: Outcomes) -> Verdict:
    follows = outcomes[ALL]["follows"]
    return greater(np.zeros(len(follows)), follows, worth=WORTH_CORRELATION, digits=2)


def claim_5a(trained: Outcomes) -> Row:
    """Correlation of strengths with luminance: below 0."""
    return Row(
        "5a",
        "Every pixel refines itself: strengths fall with local luminance (with a reward of its own "
        "for every pixel, which the paper does not have).",
        "the design of the method; no number read",
        _follows(trained),
        figure="tab-alle-long",
        why=dict.fromkeys(
            (FAILS, OPEN),
            "Perhaps because what pays most is the brightness of all pixels together: a seed can "
            "settle on one action, or on a pattern that does not depend on luminance.",
        ),
    )


def claim_5d(trained: Outcomes) -> Row:
    """The same for agents that are paid for a whole patch: below 0."""
    return Row(
        "5d",
        "Strengths fall with local luminance where the brightness of a whole patch is paid, one "
        "number for all of its pixels.",
        "the design of the method; no number read",
        _follows({ALL: trained[WHOLE]}),
        figure="tab-alle-whole",
        why={
            FAILS: "Perhaps because the mean of a patch asks for no difference between dark and "
            "bright pixels: without any exposure term strengths follow as little (after 400 "
            "episodes, tab-alle-ablation)."
        },
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
            f"recorded: one action at {', '.join(f'{share:g}' for share in shares)} % of pixels at "
            "least, by channel",
            "below 95 % in every channel",
        ),
        figure="tab-alle-common",
        why={
            FAILS: "Perhaps because the noise of drawing is punished far more than anything else, "
            "so that one constant action is the first thing to be learned (rows 6a and 6b)."
        },
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
        "Trained with it, agents collapse: in each channel a step's most frequent action is that "
        "of 95 % of pixels or more, on average over steps and photographs (the channel in which it "
        "is least, seed by seed).",
        "an audit of this book",
        every_seed(collapsed >= 0.95, f"{mean_std(100 * collapsed)} %", "share of 95 % or more"),
        figure="tab-alle-common",
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


def claim_8(lime: Outcomes) -> list[Row]:
    """The tests of 1a (8a), 3d (8b) and 5a (8d) on real photographs, recorded; exposure (8c).

    Args:
        lime: outcomes by method (see ``tables.lime_outcomes``); empty if none is recorded.
    """
    ours, plain, dark = f"agents, {ALL}", f"agents, {NO_SCORE}", "input"
    tests = (
        (
            "8a",
            "with the aesthetic term outputs score higher with the judge than without it",
            lambda: _better("score", lime[ours]["score"], lime[plain]["score"]),
        ),
        (
            "8b",
            "the judge's score is higher after the last step than in the input",
            lambda: _better("score", lime[ours]["score"], _as_often(lime[dark]["score"], lime)),
        ),
        (
            "8c",
            "the exposure error is smaller after the last step than in the input",
            lambda: greater(
                _as_often(lime[dark]["exposure"], lime),
                lime[ours]["exposure"],
                worth=WORTH["exposure"],
                digits=3,
            ),
        ),
        ("8d", "strengths fall with local luminance", lambda: _follows({ALL: lime[ours]})),
    )
    return [
        Row(
            id,
            f"Real low-light photographs (LIME, recorded): {text}.",
            "no number read",
            test() if lime else not_testable(NOT_RECORDED),
            figure="tab-alle-lime",
        )
        for id, text, test in tests
    ]


def claim_9(trained: Outcomes) -> list[Row]:
    """The cause of claim 4: agents paid for the brightness of a whole patch less those paid for
    that of every cell, in PSNR (9a) and SSIM (9b): above 0."""
    return [
        Row(
            id,
            "Agents that are paid for the brightness of a whole patch, not of every cell, come "
            f"nearer to the reference in {measure.upper()}.",
            "none (a control of this book)",
            _better(measure, trained[WHOLE][measure], trained[ALL][measure]),
            figure="tab-alle-whole",
        )
        for id, measure in (("9a", "psnr"), ("9b", "ssim"))
    ]


def claim_10(groups: Outcomes, lime: Outcomes) -> list[Row]:
    """The judge's score of the agents less that of two simple methods, which no judge pays: above
    0; on the test photograph (10a, 10b) and on real ones, recorded (10c, 10d)."""
    ours = f"agents, {ALL}"
    simple = {
        "gamma 0.5": "gamma correction with exponent ½",
        "histogram equalisation": "histogram equalisation",
    }
    places = (("", groups, "tab-alle-comparators"), (" (LIME, recorded)", lime, "tab-alle-lime"))
    cells = [(*place, name, text) for place in places for name, text in simple.items()]
    return [
        Row(
            f"10{letter}",
            f"Outputs of the agents, which the judge pays, score higher with it than those of "
            f"{text}{where}.",
            "none (a comparison of this book)",
            _better(
                "score",
                outcomes[ours]["score"],
                np.full(len(outcomes[ours]["score"]), outcomes[name]["score"][0]),
            )
            if outcomes
            else not_testable(NOT_RECORDED),
            figure=figure,
            why={FAILS: CONTRAST if where else PAST},
        )
        for letter, (where, outcomes, figure, name, text) in zip("abcd", cells, strict=True)
    ]


PAST = (
    "The judge is one of five terms of the reward. After the third step the agents' mean score is "
    "above both methods and falls from there (fig-alle-progress), perhaps because the exposure "
    "term pays for more brightness: without it agents score higher at the end, about as histogram "
    "equalisation does (after 400 episodes, tab-alle-ablation)."
)
CONTRAST = (
    "The pictures are about as bright in the mean (tab-alle-lime). Perhaps it is contrast or "
    "colour, which no other term of the reward pays."
)


def _as_often(value: np.ndarray, lime: Outcomes) -> np.ndarray:
    """The one value of the input, once for each seed of the agents."""
    return np.full(len(lime[f"agents, {ALL}"]["score"]), value[0])


QUESTIONS: Mapping[str, Sequence[str]] = {
    "the aesthetic term raises the judge's score": ("1a", "8a", "12a"),
    "it raises PSNR and SSIM": ("2a", "2b", "2c", "2d", "12b", "12c"),
    "the judge likes what it pays for better than what two simple methods make": (
        *("10a", "10b", "10c", "10d"),
    ),
    "agents are closer to the reference than simple methods, in PSNR": (
        *("4a", "4b", "4c", "4g", "4i"),
        *("12f", "12g", "12h", "12i"),
    ),
    "in SSIM": ("4d", "4e", "4f", "4h", "4j", "12j", "12k", "12l", "12m"),
    "paid for the brightness of a whole patch they come nearer to it": ("9a", "9b"),
    "enhancement is progressive, step by step": ("3a", "3b"),
    "and from the first step to the last": ("3c", "3d", "8b", "8c", "12d", "12e"),
    "strengths fall with local luminance, with a reward for every pixel": ("5a", "8d", "12n"),
    "and with one for a whole patch": ("5d",),
    "with the reward as coded agents collapse": ("6a", "6b"),
    "real dark photographs are more natural, by BRISQUE, after the agents than before": ("11a",),
    "and than after one curve for all pixels": ("11b", "11c"),
    "and with the aesthetic term than without it": ("11d",),
}
"""What the chapter asked -> rows that answer."""


def summary(outcomes: Mapping[str, str]) -> str:
    """The answers, one line a question, from the outcomes of the rows that are shown."""
    return answers(QUESTIONS, outcomes)
