"""Longer runs behind *Acknowledging the Unknown*, recorded once and shown in the chapter.

The scenes, labels and weights come from seeds that the chapter itself does not use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scipy import stats

from chapters.acknowledging_the_unknown.runs import (
    GRIDS,
    Benchmark,
    Choices,
    scenes,
    vary,
    with_options,
)
from weaklabels.lab import tuned, widen
from weaklabels.lab.missing_labels import TUNING_SEEDS, mean_ap, validation_scores
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


# -- what are epochs and a learning rate of its own worth to each method? -------------------------

OWN_ROWS = ("AN", "DW", "LS", "N-LS", "ROLE", "EM", "EM+APL")
"""Rows of the benchmark that choose both for themselves."""

OWN_EPOCHS = (10, 20, 40, 80)
OWN_RATES = (5e-4, 1e-3, 2e-3, 4e-3, 8e-3)
MORE_EPOCHS = (2, 5, *OWN_EPOCHS, 160)
MORE_RATES = (1.25e-4, 2.5e-4, *OWN_RATES, 1.6e-2, 3.2e-2)
"""What every row tries, and the values among which a choice that stands at an end is moved on."""

OWN_FIRST_SEED = 300
"""Number of the first repetition that the rows are compared on."""


def with_schedule(benchmark: Benchmark, row: str, epochs: int, rate: float) -> Spec:
    """A row's run with other epochs and another learning rate (seed 0).

    The passes of EM+APL begin after the same share of the epochs.
    """
    base, choices = benchmark.base, benchmark.choices
    warm_up = max(1, choices.warm_up * epochs // base.epochs)
    optimiser = replace(base.optimiser, lr=rate)
    changed = replace(base, epochs=epochs, optimiser=optimiser)
    return vary(replace(benchmark, base=changed, choices=replace(choices, warm_up=warm_up)), row)


def choose_own(setting: Setting, benchmark: Benchmark) -> dict[str, tuple[widen.Choice, ...]]:
    """Row -> its choices of the epochs, at the benchmark's rate, and of the rate, with these."""
    rate = benchmark.base.optimiser.lr
    lengths = _choices(
        setting,
        OWN_EPOCHS,
        MORE_EPOCHS,
        lambda row, epochs: with_schedule(benchmark, row, epochs, rate),
    )
    epochs = {row: int(choice["chosen"]) for row, choice in lengths.items()}
    rates = _choices(
        setting,
        OWN_RATES,
        MORE_RATES,
        lambda row, rate: with_schedule(benchmark, row, epochs[row], rate),
    )
    return {row: (lengths[row] | {"chosen": epochs[row]}, rates[row]) for row in OWN_ROWS}


def _choices(
    setting: Setting,
    values: Sequence[Any],
    more: Sequence[Any],
    spec: Callable[[str, Any], Spec],
) -> dict[str, widen.Choice]:
    """One choice a row by validation mAP (%) after the last epoch, moved on from an end."""

    def among(row: str, values: Sequence[Any]) -> dict[Any, Spec]:
        return {value: spec(row, value) for value in values}

    def score(row: str, value: Any) -> widen.Choice:
        return tuned.choose(setting, run, {row: among(row, [value])}, TUNING_SEEDS)[row]

    trials = {row: among(row, values) for row in OWN_ROWS}
    found = tuned.choose(setting, run, trials, TUNING_SEEDS)
    return {
        row: widen.inside(choice, more, lambda value, row=row: score(row, value))
        for row, choice in found.items()
    }


def compare_own(setting: Setting, benchmark: Benchmark) -> list[dict[str, Any]]:
    """Test mAP (%) of every row with its own settings, and with the benchmark's.

    Returns:
        one dict a row: ``row``, the ``options`` of its method, ``tried`` (learning rate and epochs,
        each with what was ``chosen`` and the ``validation`` mAP), and of every repetition the mAP
        at the ``best`` and at the ``last`` epoch; under ``usual`` that of the benchmark's settings.
    """
    usual = benchmark.base.epochs, benchmark.base.optimiser.lr
    chosen = choose_own(setting, benchmark)
    own = {
        row: with_schedule(benchmark, row, *(choice["chosen"] for choice in choices))
        for row, choices in chosen.items()
    }
    table = {("own", row): spec for row, spec in own.items()}
    table |= {("usual", row): with_schedule(benchmark, row, *usual) for row in own}
    seeds = range(OWN_FIRST_SEED, OWN_FIRST_SEED + setting.seeds)
    records = setting.repeat(run, table, seeds)
    scores = {
        key: {when: mean_ap(group, when).round(3).tolist() for when in ("best", "last")}
        for key, group in records.items()
    }
    return [
        {
            "row": row,
            "options": dict(own[row].method_options),
            "tried": [{"setting": "learning rate", **rates}, {"setting": "epochs", **lengths}],
            **scores["own", row],
            "usual": scores["usual", row],
        }
        for row, (lengths, rates) in chosen.items()
    ]
