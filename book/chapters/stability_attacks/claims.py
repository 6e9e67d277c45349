"""What decides the claims of the chapter on stability attacks.

``found`` holds the records of ``runs.table``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from chapters.stability_attacks.tables import Found, budgets, radii, scores
from weaklabels.lab.store import Record
from weaklabels.methods.stability_attacks import Gaussians
from weaklabels.press.claims import Row, Verdict, all_of, every_seed, exact, greater, mean_std


def _at_each(found: Found, decide: Callable[[float], Verdict]) -> Verdict:
    return all_of({f"ε = {eps:.3g}": decide(eps) for eps in radii(found)})


def _compare(found: Found, measure: str, kind: str, other: str, *, margin: float = 0.0) -> Verdict:
    """Is a measure greater after training on one kind of images than on the other?"""

    def decide(eps: float) -> Verdict:
        ours, theirs = (scores(found[eps, k, 1.0], measure) for k in (kind, other))
        return greater(ours, theirs, margin=margin)

    return _at_each(found, decide)


def claim_1(found: Found) -> Row:
    """Robust accuracy on clean less that on hypocritical images, at every radius: above 5."""
    return Row(
        "1",
        "Adversarial training on hypocritical images is far less robust: at least 5 points.",
        "PGD-20: 37.61 against 50.63 (Table 2)",
        _compare(found, "robust", "clean", "hypocritical", margin=5),
        figure="tab-stab-digits",
    )


def claim_2a(found: Found) -> Row:
    """Natural accuracy on hypocritical images less that on clean ones, at every radius: above 0."""
    return Row(
        "2a",
        "Natural accuracy rises on hypocritical images.",
        "88.07 against 82.17 (Table 2)",
        _compare(found, "natural", "hypocritical", "clean"),
        figure="tab-stab-digits",
        why="Natural accuracy after adversarial training is near 98 % on digits: there is no room.",
    )


def claim_2b(found: Found) -> Row:
    """The difference of claim 2a: above -2."""
    return Row(
        "2b",
        "The weaker form: natural accuracy does not drop by more than 2 points.",
        "88.07 against 82.17 (Table 2)",
        _compare(found, "natural", "hypocritical", "clean", margin=-2),
        figure="tab-stab-digits",
    )


def claim_3(found: Found) -> Row:
    """Robust accuracy: adversarial above hypocritical, and clean above adversarial images."""
    pairs = (("hypocritical", "adversarial"), ("adversarial", "clean"))
    return Row(
        "3",
        "In robust accuracy hypocritical < adversarial poison < clean.",
        "37.61, 49.95, 50.63 (PGD-20, Table 2)",
        all_of(
            {
                f"ε = {eps:.3g}, {low} < {high}": greater(
                    scores(found[eps, high, 1.0], "robust"), scores(found[eps, low, 1.0], "robust")
                )
                for eps in radii(found)
                for low, high in pairs
            }
        ),
        figure="tab-stab-digits",
        why="On this small task the adversarial poison hurts as well, most at the larger radius; "
        "but the natural accuracy falls with it, so it is noticed.",
    )


def _repaired(found: Found, eps: float) -> Sequence[Record]:
    """Runs on hypocritical images with the larger budget that makes them most robust."""
    larger = [found[eps, "hypocritical", budget] for budget in budgets(found)[1:]]
    return max(larger, key=lambda records: scores(records, "robust").mean())


def claim_4a(found: Found) -> Row:
    """Robust accuracy with the best of the larger budgets less that on clean images: above -3."""

    def decide(eps: float) -> Verdict:
        clean = scores(found[eps, "clean", 1.0], "robust")
        return greater(scores(_repaired(found, eps), "robust"), clean, margin=-3)

    return Row(
        "4a",
        "A larger budget of the defence restores robustness: within 3 points of clean data.",
        "52.92 with 14/255, clean 50.63 with 8/255 (PGD-20, Tables 2 and 5)",
        _at_each(found, decide),
        figure="fig-stab-budgets",
        why="The best of the larger budgets is taken. Where it falls short, the ball that repairs "
        "already holds much of what tells the digits apart.",
    )


def claim_4b(found: Found) -> Row:
    """Natural accuracy with the conventional budget less that with the best larger one: above 0."""

    def decide(eps: float) -> Verdict:
        usual = scores(found[eps, "hypocritical", 1.0], "natural")
        return greater(usual, scores(_repaired(found, eps), "natural"))

    return Row(
        "4b",
        "It costs natural accuracy, compared with the conventional budget on the same images.",
        "80.00 against 88.07 (Table 5)",
        _at_each(found, decide),
        figure="fig-stab-budgets",
        why="Digits are easy enough that the repairing budget costs them a point or less.",
    )


def _robust(setting: Gaussians, attack: str, budget: float) -> float:
    """Robust accuracy by the closed form."""
    return setting.accuracy(setting.robust_weights(attack, budget), setting.eps)


def claim_5a(setting: Gaussians) -> Row:
    """Closed forms: below one half at ε, that of clean data at ε + η, less just below it."""
    eps, eta = setting.eps, setting.eta
    usual = _robust(setting, "hypocritical", eps)
    almost = _robust(setting, "hypocritical", eps + 0.99 * eta)
    repaired = _robust(setting, "hypocritical", eps + (1 + 1e-9) * eta)
    clean = _robust(setting, "clean", eps)
    return Row(
        "5a",
        "In the statistical setting the budget ε leaves hypocritical data below one half in robust "
        "accuracy; ε + η repairs it and no smaller budget does.",
        "theorems of the paper (abstract; derived here)",
        exact(
            usual < 0.5 and abs(repaired - clean) < 1e-9 > almost - clean,
            f"robust {100 * usual:.1f} % at ε, {100 * almost:.1f} % at ε + 0.99 η, "
            f"{100 * repaired:.1f} % at ε + η; clean {100 * clean:.1f} %",
            "closed forms",
        ),
        figure="fig-stab-closed",
    )


def claim_5b(setting: Gaussians, fitted: Mapping[tuple[str, float], Sequence[Record]]) -> Row:
    """Trained on hypocritical data with budget ε, every seed: within 3 points of the form."""
    robust = scores(fitted["hypocritical", setting.eps], "robust")
    expected = 100 * _robust(setting, "hypocritical", setting.eps)
    return Row(
        "5b",
        "Trained classifiers agree with the closed form: robust accuracy within 3 points at ε.",
        "none; a check of the derivation",
        every_seed(
            np.abs(robust - expected) < 3,
            f"{mean_std(robust)} against {expected:.1f} %",
            "within 3 points",
        ),
        figure="fig-stab-closed",
    )


def claim_6(found: Found) -> Row:
    """Robust accuracy on randomly changed images less that on clean ones: above -5."""
    return Row(
        "6",
        "Random changes of the same size are no stability attack: within 5 points of clean data.",
        "none (a control of this book)",
        _compare(found, "robust", "random", "clean", margin=-5),
        figure="tab-stab-digits",
    )


def claim_7(crafted: Mapping[str, Sequence[Record]]) -> list[Row]:
    """The victim's robust accuracy when ε/4 crafts, against 0 (above -1) and against ε (above 0).

    Args:
        crafted: budget of the crafting network -> records; a comparison without one is left out.
    """
    quarter = scores(crafted["0.25 ε"], "robust")
    compared = (
        ("7a", "0 ε", "at least as well as one that is not robust (within 1 point)", -1.0),
        ("7b", "1 ε", "better than one that is as robust as the victim", 0.0),
    )
    return [
        Row(
            id,
            f"A slightly robust network (ε/4) crafts {text}.",
            "the choice of the official code; no number read",
            greater(scores(crafted[other], "robust"), quarter, margin=margin),
            figure="tab-stab-craft",
        )
        for id, other, text, margin in compared
        if other in crafted
    ]
