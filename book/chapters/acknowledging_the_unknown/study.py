"""Longer runs behind *Acknowledging the Unknown*, recorded once and shown in the chapter.

The scenes, labels and weights come from seeds that the chapter itself does not use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from scipy import stats

from chapters.acknowledging_the_unknown.runs import GRIDS, Choices, scenes, vary, with_options
from weaklabels.lab import tuned
from weaklabels.lab.missing_labels import mean_ap, validation_scores
from weaklabels.lab.multilabel import Spec, run
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.train import OptimiserSpec

STUDY_SEEDS = (200, 201, 202, 203)

# -- choosing hyper-parameters on validation ------------------------------------------------------

HALF = {"warm_up": 10}
"""Where the passes begin while beta is chosen: after half of the epochs, as in the paper."""


def tune(setting: Setting) -> list[dict[str, Any]]:
    """Validation mAP (%) of every value of every grid, and the choice.

    Returns:
        one dict a grid: ``method``, ``setting``, ``chosen``, and ``validation``: value -> best
        validation mAP (%) of each tuning seed.
    """
    benchmark = scenes(setting.device)
    benchmark = replace(benchmark, choices=replace(benchmark.choices, **HALF))
    rows = []
    for (row, field), values in GRIDS.items():
        trials = {
            value: vary(
                replace(benchmark, choices=replace(benchmark.choices, **{field: value})), row
            )
            for value in values
        }
        found = validation_scores(setting, trials)
        chosen = tuned.best(found)
        benchmark = replace(benchmark, choices=replace(benchmark.choices, **{field: chosen}))
        rows.append(
            {
                "method": row,
                "setting": field,
                "chosen": chosen,
                "validation": {f"{value:g}": found[value] for value in values},
            }
        )
    return rows


# -- does APL add to EM? --------------------------------------------------------------------------

BASE_EPOCHS = 30
BASE = Choices(alpha=0.05, beta=0.9, warm_up=20)
"""What the study varies one at a time. EM has levelled off when the passes begin, so that
APL has its chance, and beta is that of the official code for COCO."""


@dataclass(frozen=True)
class Case:
    """One comparison of EM+APL with EM.

    Attributes:
        factor: what is varied.
        setting: to which value.
        epochs: length of the runs.
        lr: learning rate; None: that of the benchmark.
        data, net: options of the data and of the network, beside those of the benchmark.
        annotation, labels: annotation model and its options.
        apl: further options of EM+APL.
        choices: fields of ``Choices``, beside those of ``BASE``.
    """

    factor: str
    setting: str
    epochs: int = BASE_EPOCHS
    lr: float | None = None
    data: tuple[tuple[str, Any], ...] = ()
    net: tuple[tuple[str, Any], ...] = ()
    annotation: str = "single positive"
    labels: tuple[tuple[str, Any], ...] = ()
    apl: tuple[tuple[str, Any], ...] = ()
    choices: tuple[tuple[str, float], ...] = ()

    def specs(self, device: str = "cpu") -> dict[str, Spec]:
        """The two runs, ``EM`` and ``EM+APL``, which differ in nothing but the pseudo-labels."""
        benchmark = scenes(device)
        base, lr = benchmark.base, self.lr or benchmark.base.optimiser.lr
        base = replace(
            base,
            epochs=self.epochs,
            data_options=options(**dict(base.data_options) | dict(self.data)),
            network_options=options(**dict(base.network_options) | dict(self.net)),
            optimiser=OptimiserSpec("adam", lr=lr),
        )
        trial = replace(benchmark, base=base, choices=replace(BASE, **dict(self.choices)))
        specs = {
            row: replace(
                vary(trial, row), annotation=self.annotation, annotation_options=self.labels
            )
            for row in ("EM", "EM+APL")
        }
        return specs | {"EM+APL": with_options(specs["EM+APL"], **dict(self.apl))}


def _longer(warm_up: int, beta: float, share: float) -> Case:
    text = f"60 epochs, $T_w$ {warm_up}, β {beta}, θ {share}"
    choices = options(warm_up=warm_up, beta=beta, share=share)
    return Case("length", text, epochs=60, choices=choices)


CASES = (
    Case("base", "30 epochs, $T_w$ 20, α 0.05, β 0.9, θ 0.9"),
    *(Case("warm-up", f"$T_w$ {n}", choices=options(warm_up=n)) for n in (5, 12, 25)),
    *(Case("β", f"β {beta}", choices=options(beta=beta)) for beta in (0.02, 0.2, 2.0)),
    *(Case("θ", f"θ {share}", choices=options(share=share)) for share in (0.3, 1.0)),
    # The larger alpha, the sooner EM is at its best.
    *(
        Case("α", f"α {alpha}, $T_w$ {n}", choices=options(alpha=alpha, warm_up=n))
        for alpha, n in ((0.025, 25), (0.2, 12))
    ),
    Case("targets", "hard", apl=options(targets="hard")),
    Case("targets", "one pass", apl=options(passes=1)),
    Case("length", "20 epochs, $T_w$ 15", epochs=20, choices=options(warm_up=15)),
    *(_longer(n, beta, share=0.9) for n, beta in ((20, 0.1), (20, 0.9), (40, 0.9))),
    Case("learning rate", "0.0005", lr=5e-4),
    Case("network", "width 32", net=options(width=32)),
    Case("network", "average pooling", net=options(pool="avg")),
    *(Case("training scenes", f"{n}", data=options(train=n)) for n in (500, 4000)),
    Case("labels", "1 to 9 positives a scene", data=options(max_digits=9)),
    *(
        Case("labels", f"{r:.0%} of all labels", annotation="fraction", labels=options(rate=r))
        for r in (0.1, 0.5)
    ),
)
"""All comparisons of the study."""


def study_apl(setting: Setting, seeds: Sequence[int] = STUDY_SEEDS) -> list[dict[str, Any]]:
    """EM+APL minus EM in test mAP (points), paired by seed, for every case.

    Returns:
        one row per case: ``factor``, ``setting``, and for the best-validation and the last epoch
        the mAP of ``em`` (%), the ``gain`` and the ends of its two-sided 95 % t-interval.
    """
    table = {
        (i, row): spec
        for i, case in enumerate(CASES)
        for row, spec in case.specs(setting.device).items()
    }
    records, rows = setting.repeat(run, table, seeds), []
    for i, case in enumerate(CASES):
        em, apl = records[i, "EM"], records[i, "EM+APL"]
        row: dict[str, Any] = {"factor": case.factor, "setting": case.setting}
        for moment in ("best", "last"):
            base = mean_ap(em, moment)
            difference = mean_ap(apl, moment) - base
            half = stats.t.ppf(0.975, len(seeds) - 1) * difference.std(ddof=1) / len(seeds) ** 0.5
            row[moment] = {
                "em": round(float(base.mean()), 3),
                "gain": round(float(difference.mean()), 3),
                "low": round(float(difference.mean() - half), 3),
                "high": round(float(difference.mean() + half), 3),
            }
        row["em_best_epochs"] = [int(record["best_epoch"]) for record in em]
        rows.append(row)
    return rows
