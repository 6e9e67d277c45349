"""Longer runs behind *Acknowledging the Unknown*, recorded once and shown in the chapter.

The scenes, labels and weights come from seeds that the chapter itself does not use.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from chapters.acknowledging_the_unknown.runs import Choices, scenes, vary, with_options
from weaklabels.lab.missing_labels import best_validation, mean_ap
from weaklabels.lab.multilabel import Spec, run
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.train import OptimiserSpec

TUNING_SEEDS = (100, 101, 102)
STUDY_SEEDS = (200, 201, 202, 203)

# -- choosing hyper-parameters on validation ------------------------------------------------------

GRIDS: dict[str, dict[str, tuple[float, ...]]] = {
    "DW": {"down_weight": (0.02, 0.05, 0.1, 0.2, 0.5)},
    "L1R": {"l1": (1e-7, 1e-6, 1e-5, 1e-4)},
    "L2R": {"l2": (1e-6, 1e-5, 1e-4, 1e-3)},
    "LS": {"smoothing": (0.05, 0.1, 0.2, 0.3)},
    "N-LS": {"negative_smoothing": (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)},
    "EntMin": {"entropy_weight": (0.001, 0.01, 0.1)},
    "Focal": {"focus": (1.0, 2.0, 4.0)},
    "ASL": {"asl_focus": (2.0, 4.0, 8.0, 16.0)},
    "EM": {"alpha": (0.025, 0.05, 0.1, 0.2, 0.4)},
    "EM+APL": {"beta": (0.02, 0.1, 0.4, 0.9), "warm_up": (5, 10, 15)},
}
"""Row -> fields of ``Choices`` and the values tried; EM+APL takes the alpha chosen for EM.

Its passes begin after epoch 5, 10 or 15 of 20 (the paper: 3 to 5 of 10). Later ones would come
after the best epoch of EM, and the choice would be between EM and EM."""


def grid_points(row: str) -> list[dict[str, float]]:
    """All combinations of a row's grid."""
    fields = GRIDS[row]
    mesh = np.meshgrid(*(np.arange(len(values)) for values in fields.values()), indexing="ij")
    return [
        {name: fields[name][i] for name, i in zip(fields, point, strict=True)}
        for point in zip(*(axis.ravel() for axis in mesh), strict=True)
    ]


def tune(setting: Setting, seeds: Sequence[int] = TUNING_SEEDS) -> list[dict[str, Any]]:
    """Validation and test mAP (%), means over seeds, of every point of every grid.

    The test column is there to be looked at, not to choose by.
    """
    benchmark, rows = scenes(setting.device), []
    for row in GRIDS:
        points = grid_points(row)
        trials = {
            i: vary(replace(benchmark, choices=replace(benchmark.choices, **point)), row)
            for i, point in enumerate(points)
        }
        rows += [
            {
                "row": row,
                "settings": points[i],
                "validation": round(best_validation(records), 3),
                "test": round(float(mean_ap(records).mean()), 3),
            }
            for i, records in setting.repeat(run, trials, seeds).items()
        ]
        if row == "EM":
            best = replace(benchmark.choices, **chosen(rows)["EM"])
            benchmark = replace(benchmark, choices=best)
    return rows


def chosen(rows: Iterable[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Row -> the settings with the best validation mAP, the first of equals."""
    best: dict[str, dict[str, Any]] = {}
    for entry in rows:
        name = entry["row"]
        if name not in best or entry["validation"] > best[name]["validation"]:
            best[name] = entry
    return {name: entry["settings"] for name, entry in best.items()}


# -- does APL add to EM? --------------------------------------------------------------------------

BASE_EPOCHS = 30
BASE = Choices(alpha=0.05, beta=0.9, warm_up=20)
"""What the study varies one at a time. EM has levelled off when the passes begin, and beta is the
best of the tuning, so that APL has its chance."""


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
