"""The claims of *Noise-Robust Bidirectional Learning* (BLDR, 2022), one function each.

``symmetric`` and ``asymmetric`` are method -> records, one a seed, by kind of wrong labels.
"""

from __future__ import annotations

from chapters.bldr.runs import COMPARATORS
from chapters.bldr.tables import Groups, at_share, best, detection_f1, last
from weaklabels.press.claims import Row, all_of, every_seed, greater, mean_std, not_testable

PAPER = "Stated in the paper (CIFAR-10N, CIFAR-100N); its tables could not be read"


def claim_1(symmetric: Groups) -> Row:
    """Every seed: the loss after the best epoch, and the share of wrong labels fitted."""
    lost = best(symmetric["CE"]) - last(symmetric["CE"])
    fitted = last(symmetric["CE"], "fitted")
    return Row(
        "1",
        "Cross-entropy memorises wrong labels: it loses more than ten points after its best epoch "
        "and fits more than 95 % of them.",
        PAPER,
        every_seed(
            (lost > 10) & (fitted > 95),
            f"loses {mean_std(lost)} points, fits {mean_std(fitted)} %",
            "more than 10 points lost and more than 95 % fitted",
        ),
        figure="fig-bldr-curves",
    )


def claim_2(symmetric: Groups) -> Row:
    """Last accuracy of NL against CE."""
    return Row(
        "2",
        "Negative learning is more robust: it ends above cross-entropy.",
        PAPER,
        greater(last(symmetric["NL"]), last(symmetric["CE"])),
        figure="fig-bldr-curves",
    )


def claim_3(symmetric: Groups) -> Row:
    """Accuracy after a tenth of the epochs: CE more than ten points above NL."""
    return Row(
        "3",
        "Negative learning converges much more slowly than positive learning.",
        PAPER,
        greater(at_share(symmetric["CE"], 0.1), at_share(symmetric["NL"], 0.1), margin=10),
        figure="tab-bldr-symmetric",
    )


def claim_4(symmetric: Groups) -> Row:
    """Accuracy after a tenth of the epochs: BL less than a point below CE."""
    return Row(
        "4",
        "Learning in both directions is as fast as positive learning.",
        PAPER,
        greater(at_share(symmetric["BL"], 0.1), at_share(symmetric["CE"], 0.1), margin=-1),
        figure="tab-bldr-symmetric",
    )


def claim_5(symmetric: Groups) -> Row:
    """AUC of the given label's probability: NL and BLDR, each against CE."""
    auc = {name: last(symmetric[name], "auc") for name in ("CE", "NL", "BLDR")}
    parts = {
        "NL": greater(auc["NL"], auc["CE"], digits=3),
        "negative head of BLDR": greater(auc["BLDR"], auc["CE"], digits=3),
    }
    return Row(
        "5",
        "Probabilities of negative learning tell wrong from right labels better than those of CE.",
        PAPER,
        all_of(parts),
        figure="tab-bldr-symmetric",
    )


def claim_6(symmetric: Groups) -> Row:
    """Last accuracy of BL+DR against BL."""
    return Row(
        "6",
        "Re-weighting improves bidirectional learning (BL+DR over BL).",
        PAPER,
        greater(last(symmetric["BL+DR"]), last(symmetric["BL"])),
        figure="fig-bldr-ladder",
    )


def claim_7a(symmetric: Groups) -> Row:
    """Last accuracy of BLDR against BL+DR."""
    return Row(
        "7a",
        "Self-distillation improves it further (BLDR over BL+DR).",
        PAPER,
        greater(last(symmetric["BLDR"]), last(symmetric["BL+DR"])),
        figure="fig-bldr-ladder",
        why="Confounded with a three times faster training of u: see 7b.",
    )


def claim_7b(symmetric: Groups) -> Row:
    """Last accuracy of BLDR against BL+DR whose u has three times the rate."""
    return Row(
        "7b",
        "Control: the gain of self-distillation is more than that of training u faster.",
        "Our control; not in the paper",
        greater(last(symmetric["BLDR"]), last(symmetric["BL+DR, faster u"])),
        figure="fig-bldr-ladder",
        why="Losses of all branches act on the same u: with three heads it moves three times as "
        "far. A faster u alone brings most of the gain, at the price of a wider spread over seeds.",
    )


def claim_8(symmetric: Groups) -> Row:
    """F1 of flagged labels of BLDR against BL+DR."""
    return Row(
        "8",
        "BLDR finds wrong labels better than without self-distillation (F1, the challenge's "
        "score).",
        PAPER,
        greater(detection_f1(symmetric["BLDR"]), detection_f1(symmetric["BL+DR"])),
        figure="tab-bldr-symmetric",
    )


def claim_9(symmetric: Groups, asymmetric: Groups) -> list[Row]:
    """Last accuracy of BLDR against each comparator, by kind of wrong labels."""
    agree = (
        "Wrong labels that agree fool the negative head as well: it finds the next digit likely "
        "too. Co-teaching is told the true rate of wrong labels."
    )
    return [
        Row(
            id,
            f"BLDR ends above CE, GCE, NL, NLNL and Co-teaching; {kind} noise.",
            PAPER,
            all_of({n: greater(last(groups["BLDR"]), last(groups[n])) for n in COMPARATORS}),
            figure=f"tab-bldr-{kind}",
            why=why,
        )
        for id, groups, kind, why in (
            ("9a", symmetric, "symmetric", ""),
            ("9b", asymmetric, "asymmetric", agree),
        )
    ]


def claim_10() -> Row:
    """Nothing here decides it: it needs the images of CIFAR."""
    return Row(
        "10",
        "One setting per data set wins on the human noise of CIFAR-10N and CIFAR-100N.",
        PAPER,
        not_testable("Needs hours of a GPU on the CIFAR images; the paper profile runs it."),
        figure="tab-bldr-symmetric",
    )
