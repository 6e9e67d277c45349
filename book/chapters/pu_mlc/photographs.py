"""PU-MLC on photographs of VOC 2012, the last convolution of a pre-trained network trained.

The protocol is that of ``lab.photographs`` but for the layers that are trained, so that the record
takes half an hour of two cores, and for the batches: the losses of the PU family are made of means
over a batch, which must hold some labelled positives of a class to say anything of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.special import expit
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from chapters.pu_mlc import runs
from weaklabels.lab import missing_labels, photographs
from weaklabels.lab.execute import network
from weaklabels.lab.multilabel import Spec
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record
from weaklabels.lab.trunk import layers_of
from weaklabels.lab.tuned import Tuned
from weaklabels.lab.voc_features import Row
from weaklabels.models import Network
from weaklabels.networks.local_global import add_global_branches
from weaklabels.press import style
from weaklabels.press.claims import mean_std

PERCENTS = (10, 30, 60, 90)
CURVES = ("AN", "partial BCE", "ASL", "PU-MLC")
"""Methods at every known percent."""

PARTS = ("VPU without mixup", "VPU", "VPU + R", "VPU + T", "PU-MLC without mixup")
"""Parts of the method, at ``FEW`` percent, where PU-MLC is as well."""

FEW = PERCENTS[0]
WITH_BRANCHES = {"partial BCE": "partial BCE with LgConv", "PU-MLC": "PU-MLC with LgConv"}
KERNEL = 1
"""A branch stands beside the convolution of this size, the only one that is trained."""

FOR_VOC = {"gamma": 0.85, "alpha": 2.0}
"""The authors' values for VOC 2007."""

NOTHING = "The runs on photographs have not been recorded yet."

BATCH_SIZE, EPOCHS = 64, 15
RATES = (1e-5, *photographs.LEARNING_RATES, 3e-3)

NOTES = (
    f"Here batches hold {BATCH_SIZE} images instead of 16, near the 70 of the authors' code, since "
    f"the losses of the PU family are made of means over a batch; every method trains for {EPOCHS} "
    "epochs, about 250 steps, with Adam at a constant rate, ten times as high for the head; the "
    "image or its mirror image.",
    "Re-balance factor and temperature have the authors' values for VOC 2007 (gamma 0.85, alpha 2) "
    "wherever they are switched on.",
    "Mixup mixes the maps that the frozen layers make of two images, not the images: what comes "
    "after them is the last convolution, the mean over its 5 x 5 places and the head.",
    f"The local-global convolution stands beside the last convolution, {KERNEL} x {KERNEL}, the "
    "only one that is trained, and not beside 3 x 3 ones; there is no graph head, for any method.",
    f"The parts of the method, VPU + R among them, are compared at {FEW} % known alone.",
)


def specify(base: Spec, name: str, percent: int) -> Spec:
    """One run of ``rows``.

    Args:
        base: the run that is varied.
        name: of ``runs.VARIANTS``, or of ``WITH_BRANCHES``.
        percent: known proportion of the labels.
    """
    plain = next((key for key, value in WITH_BRANCHES.items() if value == name), name)
    spec = runs.specify(base, plain, percent, base.optimiser.lr)
    given = dict(spec.method_options)
    given |= {key: value for key, value in FOR_VOC.items() if given.get(key)}
    method = spec.method
    if name != plain:
        given["local_global"] = KERNEL
        method = method if method == "PU-MLC" else f"{method} on PU-MLC's network"
    return replace(spec, method=method, method_options=options(**given), track=("test_scores",))


def row_name(name: str, percent: int) -> str:
    """What a row of the record is called."""
    return f"{name}, {percent} % known"


def rows(setting: Setting) -> dict[str, Row]:
    """Row of the record -> its run; the learning rate is to be chosen."""
    base = replace(
        photographs.protocol(setting),
        frozen_layers=photographs.LAST_ONLY,
        batch_size=BATCH_SIZE,
        epochs=EPOCHS,
    )
    pairs = [(name, percent) for name in CURVES for percent in PERCENTS]
    pairs += [(name, FEW) for name in (*PARTS, *WITH_BRANCHES.values())]
    return {row_name(name, percent): Row(specify(base, name, percent)) for name, percent in pairs}


def record(setting: Setting) -> dict[str, Any]:
    """Test mAP by method and known percent, and what the branches of the network cost."""
    wanted = rows(setting)
    how = photographs.Protocol(runs.run, missing_labels.best_validation, missing_labels.mean_ap)
    content = photographs.record(
        setting,
        wanted,
        how=how,
        what="Test mAP (%) on photographs of VOC 2012, a share of all labels known",
        measures={"predicted": predicted, "spread": spread},
        rates=RATES,
    )
    plain, changed = ((name, FEW) for name in ("PU-MLC", WITH_BRANCHES["PU-MLC"]))
    costs = {
        "without": cost(wanted[row_name(*plain)].spec),
        "with": cost(wanted[row_name(*changed)].spec),
    }
    shared = photographs.LAST_ONLY_DIFFERENCES, photographs.DIFFERENCES[3:]
    return content | {"differences": [*shared[0], *NOTES, *shared[1]], "cost": costs}


# -- what is measured -----------------------------------------------------------------------------


def predicted(records: Sequence[Record]) -> list[Any]:
    """Mean predicted probability (%) of test labels at the best epoch, a value a seed."""
    scores = (record["test_scores_best"].astype(float) for record in records)
    return photographs.rounded(np.array([100 * expit(each).mean() for each in scores]))


def spread(records: Sequence[Record]) -> list[Any]:
    """Standard deviation of the test logits at the best epoch, the median class, a value a seed."""
    scores = (record["test_scores_best"].astype(float) for record in records)
    return photographs.rounded(np.array([np.median(each.std(0)) for each in scores]))


def cost(spec: Spec) -> dict[str, int]:
    """Weights and multiplications with addition for one image, of the layers that are trained."""
    model = network(replace(spec, device="cpu"), runs.CLASSES[spec.dataset], 0).eval()
    below, above = (
        nn.Sequential(*part)
        for part in (
            layers_of(model)[: spec.frozen_layers],
            layers_of(model)[spec.frozen_layers :],
        )
    )
    kernel = dict(spec.method_options).get("local_global")
    if kernel is not None:
        add_global_branches(above, kernel)
    trained = Network(above, model.pool, model.head).eval()
    side = dict(spec.data_options)["resolution"]
    with torch.no_grad():
        maps = below(torch.zeros(1, 3, side, side))
        with FlopCounterMode(display=False) as counter:
            trained(maps)
    return {
        "weights": sum(p.numel() for p in trained.parameters()),
        "multiply-adds": counter.get_total_flops() // 2,
    }


# -- the record as tables -------------------------------------------------------------------------

Found = Mapping[tuple[str, int], Mapping[str, Any]]
"""(method, known percent) -> a row of the record; empty while there is none."""


def found(content: Mapping[str, Any] | None) -> dict[tuple[str, int], Mapping[str, Any]]:
    """The rows of the record, ``Found``."""
    by_name = {row["row"]: row for row in content["rows"]} if content else {}
    names = (*CURVES, *PARTS, *WITH_BRANCHES.values())
    keys = ((name, percent) for name in names for percent in PERCENTS)
    return {key: by_name[row_name(*key)] for key in keys if row_name(*key) in by_name}


def scores(rows: Found, epoch: str = "best") -> dict[tuple[str, int], np.ndarray]:
    """Test mAP (%) at the ``"best"`` validation epoch or the ``"last"`` one, a value a seed."""
    return {key: np.array(row[epoch]) for key, row in rows.items()}


def frame(rows: Found) -> pd.DataFrame:
    """One line per run, as ``tables.frame``: method, known (percent), seed, best, last."""
    return pd.DataFrame(
        [
            {"method": name, "known": percent, "seed": seed, "best": best, "last": last}
            for (name, percent), row in rows.items()
            for seed, (best, last) in enumerate(zip(row["best"], row["last"], strict=True))
        ],
        columns=["method", "known", "seed", "best", "last"],
    )


def score_table(rows: Found, epoch: str = "best") -> pd.DataFrame:
    """Test mAP (%) as ``scores`` has it, a row a method, a column a known percent."""
    cells: dict[str, dict[str, str]] = {}
    for (name, percent), values in scores(rows, epoch).items():
        cells.setdefault(f"{percent} % known", {})[name] = mean_std(values)
    return pd.DataFrame(cells).fillna("-")


def part_table(rows: Found) -> pd.DataFrame:
    """The parts of the method where few labels are known: scores, and what is predicted."""
    names = ("partial BCE", *PARTS, "PU-MLC", *WITH_BRANCHES.values())
    shown = {name: rows[name, FEW] for name in names if (name, FEW) in rows}
    columns = {
        "mAP, best epoch (%)": ("best", 1),
        "mAP, last epoch (%)": ("last", 1),
        "mean prediction (%)": ("predicted", 1),
        "spread of the logits": ("spread", 2),
    }
    return pd.DataFrame(
        {
            title: {name: mean_std(row[key], digits) for name, row in shown.items()}
            for title, (key, digits) in columns.items()
        }
    )


def cost_text(content: Mapping[str, Any] | None) -> str:
    """What the branches cost, in one sentence."""
    if not content:
        return NOTHING
    without, with_them = content["cost"]["without"], content["cost"]["with"]
    more = {key: with_them[key] / without[key] - 1 for key in without}
    return (
        f"The branch adds {100 * more['weights']:.0f} % to the {without['weights'] / 1e6:.1f} "
        f"million weights that are trained, and {100 * more['multiply-adds']:.0f} % to the "
        f"{without['multiply-adds'] / 1e6:.0f} million multiplications of these layers for one "
        "image."
    )


def tuned(content: Mapping[str, Any] | None) -> tuple[Tuned, ...]:
    """The learning rates that were chosen, for the registry of tuned settings."""
    if not content:
        return ()
    seeds = ", ".join(map(str, content["protocol"]["tuning_seeds"]))
    return tuple(
        Tuned(
            row["row"],
            "learning rate",
            tuple(content["protocol"]["learning_rates_tried"]),
            row["learning_rate"],
            "best validation mAP",
            f"validation images, repetition {seeds}",
        )
        for row in content["rows"]
    )


def tuned_table(content: Mapping[str, Any] | None) -> pd.DataFrame:
    """The learning rates that were chosen, for the reader; empty while there is no record."""
    return style.tuned_table(tuned(content)) if content else pd.DataFrame()
