"""The linear protocol: runs of the multi-label chapters on frozen features, all trained together.

The same specs as in :mod:`weaklabels.lab.multilabel`, with the network ``"linear"``. One
call trains the heads of all methods and seeds that share a learning rate (see
:mod:`weaklabels.lab.heads`); its results are those of ``multilabel.run``, spec by spec, up to
rounding.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch

from weaklabels import models
from weaklabels.lab.heads import (
    Group,
    Head,
    average_precision_together,
    fit_together,
    predict_together,
)
from weaklabels.lab.multilabel import Spec, annotate, load_splits, make_method
from weaklabels.seeding import torch_rng


@dataclass(frozen=True)
class Together:
    """Runs that differ in method, annotation and seed only.

    Attributes:
        runs: their specs; a seed among the data options fixes the data for all of them.

    Raises:
        ValueError: if the runs cannot be trained together.
    """

    runs: tuple[Spec, ...]

    def __post_init__(self) -> None:
        first = self.runs[0]
        if first.network != "linear" or "seed" not in dict(first.data_options):
            raise ValueError(
                f"network {first.network!r} with data options {dict(first.data_options)}: expected "
                "'linear' and a seed that fixes the data"
            )
        for run in self.runs:
            same = replace(
                run,
                method=first.method,
                method_options=first.method_options,
                annotation=first.annotation,
                annotation_options=first.annotation_options,
                seed=first.seed,
            )
            if same != first or run.track or run.linear_init or run.pretraining or run.average:
                raise ValueError(
                    f"the run of {run.method} with seed {run.seed} differs in more than method, "
                    "annotation and seed, or wants what linear heads do not have"
                )

    @property
    def device(self) -> str:
        """Where to compute."""
        return self.runs[0].device

    def code(self) -> list[Any]:
        """What the runs depend on besides what reading their function shows."""
        return [each for run in self.runs for each in run.code()]


def run_together(spec: Together) -> dict[str, Any]:
    """Train and evaluate.

    Returns:
        ``val_ap`` and ``test_ap`` ``(runs, epochs, C)`` in percent and ``best_epoch`` ``(runs,)``,
        in the order of the specs.
    """
    first = spec.runs[0]
    splits = load_splits(first)
    truth = splits.train.y.numpy()
    groups: dict[int, list[Head]] = defaultdict(list)
    heads = []

    @cache
    def observed(drawn: Spec) -> torch.Tensor:
        return torch.from_numpy(annotate(drawn, truth)).to(drawn.device)

    for run in spec.runs:
        model = models.build(
            run.network, len(splits.classes), seed=run.seed, **dict(run.network_options)
        )
        # One draw for all methods of a seed: the method is the one thing it does not depend on.
        drawn = observed(replace(run, method=first.method, method_options=()))
        method = make_method(run, drawn, splits.train.y)
        heads.append(Head(model.head.to(run.device), method))
        groups[run.seed].append(heads[-1])
    parts = {
        "val": (splits.val.x.to(spec.device), splits.val.y.to(spec.device)),
        "test": (splits.test.x.to(spec.device), splits.test.y.to(spec.device)),
    }
    curves: dict[str, list[np.ndarray]] = {"val": [], "test": []}

    def evaluate(_: int) -> None:
        for name, (x, y) in parts.items():
            scores = predict_together(heads, x)
            curves[name].append(average_precision_together(scores, y).cpu().numpy())

    fit_together(
        [Group(members, torch_rng(seed, "batch order")) for seed, members in groups.items()],
        splits.train.x.to(spec.device),
        epochs=first.epochs,
        batch_size=first.batch_size,
        optimiser=first.optimiser,
        after_epoch=evaluate,
    )
    val, test = (np.stack(curves[name], 1) for name in ("val", "test"))
    return {"val_ap": val, "test_ap": test, "best_epoch": val.mean(2).argmax(1) + 1}
