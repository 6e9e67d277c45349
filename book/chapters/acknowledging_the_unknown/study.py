"""Longer runs behind *Acknowledging the Unknown*, recorded once and shown in the chapter.

    python -m chapters.acknowledging_the_unknown.study tuning
    python -m chapters.acknowledging_the_unknown.study apl

Each writes one file to ``book/recorded/acknowledging_the_unknown``. Runs are stored under
``build/recorded`` as they finish, so an interrupted command goes on where it stopped. The scenes,
labels and weights come from seeds that the chapter itself does not use.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from chapters.acknowledging_the_unknown import runs as atu
from weaklabels.lab import sweep
from weaklabels.lab.multilabel import Spec, run
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record, Store
from weaklabels.press.chapter import REPOSITORY, Chapter
from weaklabels.train import OptimiserSpec

RECORDED = REPOSITORY / "book" / "recorded" / "acknowledging_the_unknown"
TUNING_SEEDS = (100, 101, 102)
STUDY_SEEDS = (200, 201, 202, 203)

Runner = Callable[[Sequence[Spec]], list[Record]]


def scenes() -> atu.Benchmark:
    """The benchmark of the quick profile."""
    return atu.benchmarks(Chapter("acknowledging_the_unknown"))[0]


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
"""Row -> fields of ``Settings`` and the values tried; EM+APL takes the alpha chosen for EM.

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


def tune(run_all: Runner, seeds: Sequence[int] = TUNING_SEEDS) -> list[dict[str, Any]]:
    """Validation and test mAP (%), means over seeds, of every point of every grid.

    The test column is there to be looked at, not to choose by.
    """
    benchmark, rows = scenes(), []
    for row in GRIDS:
        for point in grid_points(row):
            trial = replace(benchmark, settings=replace(benchmark.settings, **point))
            spec = atu.vary(trial, row)
            records = run_all([replace(spec, seed=seed) for seed in seeds])
            rows.append(
                {
                    "row": row,
                    "settings": point,
                    "validation": round(atu.validation(records), 3),
                    "test": round(float(atu.mean_ap(records).mean()), 3),
                }
            )
        if row == "EM":
            benchmark = replace(
                benchmark, settings=replace(benchmark.settings, **chosen(rows)["EM"])
            )
    return rows


def chosen(rows: Iterable[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Row -> the settings with the best validation mAP, the first of equals."""
    best: dict[str, dict[str, Any]] = {}
    for entry in rows:
        name = entry["row"]
        if name not in best or entry["validation"] > best[name]["validation"]:
            best[name] = entry
    return {name: entry["settings"] for name, entry in best.items()}


def tuning_table(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """For every row of the table: what was tried, what was chosen, and its validation mAP."""
    rows = list(rows)
    table = {}
    for name, settings in chosen(rows).items():
        tried = [entry for entry in rows if entry["row"] == name]
        best = max(entry["validation"] for entry in tried)
        worst = min(entry["validation"] for entry in tried)
        table[name] = {
            "tried": len(tried),
            "chosen": ", ".join(f"{k.replace('_', ' ')} {v:g}" for k, v in settings.items()),
            "best validation mAP": round(best, 1),
            "worst": round(worst, 1),
        }
    return pd.DataFrame(table).T


# -- does APL add to EM? --------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One comparison of EM+APL with EM.

    Attributes:
        factor: what is varied.
        setting: to which value.
        em, apl: the two runs, which differ in nothing but the pseudo-labels.
    """

    factor: str
    setting: str
    em: Spec
    apl: Spec


BASE_EPOCHS = 30
BASE = atu.Settings(alpha=0.05, beta=0.9, warm_up=20)
"""The settings that the study varies one at a time. EM has levelled off when the passes begin, and
beta is the best of the tuning, so that APL has its chance."""


def cases() -> list[Case]:
    """All comparisons of the study."""
    benchmark = scenes()
    found: list[Case] = []

    def add(
        factor: str,
        setting: str,
        *,
        epochs: int = BASE_EPOCHS,
        data: dict[str, Any] | None = None,
        net: dict[str, Any] | None = None,
        annotation: tuple[str, dict[str, Any]] | None = None,
        apl: dict[str, Any] | None = None,
        lr: float | None = None,
        **settings: float,
    ) -> None:
        base = replace(
            benchmark.base,
            epochs=epochs,
            data_options=options(**(dict(benchmark.base.data_options) | (data or {}))),
            network_options=options(**(dict(benchmark.base.network_options) | (net or {}))),
        )
        if lr is not None:
            base = replace(base, optimiser=OptimiserSpec("adam", lr=lr))
        trial = replace(benchmark, base=base, settings=replace(BASE, **settings))
        em, with_apl = atu.vary(trial, "EM"), atu.vary(trial, "EM+APL")
        if annotation is not None:
            change = {
                "annotation": annotation[0],
                "annotation_options": options(**annotation[1]),
            }
            em, with_apl = replace(em, **change), replace(with_apl, **change)
        with_apl = atu.with_options(with_apl, **(apl or {}))
        found.append(Case(factor, setting, em, with_apl))

    add("base", "30 epochs, $T_w$ 20, α 0.05, β 0.9, θ 0.9")
    for warm_up in (5, 12, 25):
        add("warm-up", f"$T_w$ {warm_up}", warm_up=warm_up)
    for beta in (0.02, 0.2, 2.0):
        add("β", f"β {beta}", beta=beta)
    for share in (0.3, 1.0):
        add("θ", f"θ {share}", share=share)
    # The larger alpha, the sooner EM is at its best.
    for alpha, warm_up in ((0.025, 25), (0.2, 12)):
        add("α", f"α {alpha}, $T_w$ {warm_up}", alpha=alpha, warm_up=warm_up)
    add("targets", "hard", apl={"targets": "hard"})
    add("targets", "one pass", apl={"passes": 1})
    add("length", "20 epochs, $T_w$ 15", epochs=20, warm_up=15)
    for warm_up, beta, share in ((20, 0.1, 0.9), (20, 0.9, 0.9), (40, 0.9, 0.9)):
        text = f"60 epochs, $T_w$ {warm_up}, β {beta}, θ {share}"
        add("length", text, epochs=60, warm_up=warm_up, beta=beta, share=share)
    add("learning rate", "0.0005", lr=5e-4)
    add("network", "width 32", net={"width": 32})
    add("network", "average pooling", net={"pool": "avg"})
    for count in (500, 4000):
        add("training scenes", f"{count}", data={"train": count})
    add("labels", "1 to 9 positives a scene", data={"max_digits": 9})
    for rate in (0.1, 0.5):
        add("labels", f"{rate:.0%} of all labels", annotation=("fraction", {"rate": rate}))
    return found


def study_apl(run_all: Runner, seeds: Sequence[int] = STUDY_SEEDS) -> list[dict[str, Any]]:
    """EM+APL minus EM in test mAP (points), paired by seed, for every case.

    Returns:
        one row per case: ``factor``, ``setting``, and for the best-validation and the last epoch
        the mAP of ``em`` (%), the ``gain`` and the ends of its two-sided 95 % t-interval.
    """
    rows = []
    for case in cases():
        em, apl = (
            run_all([replace(spec, seed=seed) for seed in seeds]) for spec in (case.em, case.apl)
        )
        row: dict[str, Any] = {"factor": case.factor, "setting": case.setting}
        for moment in ("best", "last"):
            base = atu.mean_ap(em, moment)
            difference = atu.mean_ap(apl, moment) - base
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


def study_frame(rows: Iterable[dict[str, Any]], moment: str) -> pd.DataFrame:
    """The study as a table for one moment, ``"best"`` or ``"last"``."""
    return pd.DataFrame(
        [{"factor": r["factor"], "setting": r["setting"], **r[moment]} for r in rows]
    )


# -- the command ----------------------------------------------------------------------------------


def write(name: str, what: str, rows: list[dict[str, Any]], seeds: Sequence[int]) -> Path:
    """Write a record, atomically."""
    RECORDED.mkdir(parents=True, exist_ok=True)
    path = RECORDED / f"{name}.json"
    content = {
        "what": what,
        "command": f"python -m {__spec__.name if __spec__ else __name__} {name}",
        "seeds": list(seeds),
        "provenance": sweep.provenance("cpu"),
        "rows": rows,
    }
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
    temporary.replace(path)
    return path


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one study and write its record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", choices=("tuning", "apl"))
    parser.add_argument("--workers", type=int, default=1, help="processes (default 1)")
    given = parser.parse_args(arguments)
    store = Store(REPOSITORY / "build" / "recorded" / "runs")

    def run_all(specs: Sequence[Spec]) -> list[Record]:
        return sweep.run(run, specs, store, workers=given.workers)

    if given.study == "tuning":
        what = "Hyper-parameters on scenes: best validation mAP and its test mAP (%), mean of seeds"
        path = write("tuning", what, tune(run_all), TUNING_SEEDS)
    else:
        what = "EM+APL minus EM on scenes, test mAP (points), paired by seed, 95 % t-intervals"
        path = write("apl", what, study_apl(run_all), STUDY_SEEDS)
    print(path.relative_to(REPOSITORY))


if __name__ == "__main__":
    main()
