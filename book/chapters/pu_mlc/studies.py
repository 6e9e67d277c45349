"""Studies of the chapter on PU-MLC that are recorded: features, context, heads, invented labels.

Four questions that scenes of independent digits leave open. What becomes of the method on features
of photographs, made by a pre-trained network? What does the global branch do where another place of
the image decides? What does the graph head do, given to a rival as well? And what do invented
positives cost at learning rates that were chosen with them? In each study every row chooses its
learning rate from the same grid, on validation images of seeds of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor, nn

from chapters.pu_mlc.runs import (
    INVENTED,
    NOISE,
    ON_SCENES,
    RATES,
    TUNING_SEEDS,
    seeded,
    specify,
    with_invented,
)
from weaklabels import checks
from weaklabels.data import Split, Splits
from weaklabels.lab.execute import ORDER, Task, execute, placed
from weaklabels.lab.multilabel import (
    Spec,
    annotate,
    build_network,
    load_splits,
    make_method,
    mean_ap_at,
)
from weaklabels.lab.multilabel_watch import MultilabelWatch, Scene
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record
from weaklabels.lab.tuned import best
from weaklabels.seeding import torch_rng

RESULT_SEEDS = tuple(range(100, 108))
FEATURE_RATES = (1e-4, 4e-4, 1.6e-3, 6.4e-3, 2.5e-2, 1e-1, 4e-1)
LEVEL = "centred, from the level"
"""Features that are centred, under biases that start at the log-odds of the classes' shares."""
FEATURE_PERCENTS = {"as extracted": (10, 50, 100), "centred": (10, 50), LEVEL: (10, 50)}
"""Features -> known percentages."""
HEAD_RATES = (3e-4, *RATES)


# -- data that is changed -------------------------------------------------------------------------


@dataclass(frozen=True)
class ChangedSpec(Spec):
    """A run of the protocol on changed data.

    Attributes:
        change: ``"centred"``, ``"twins"`` or, as loaded, ``""``.
        level: whether the biases of the classes start at the log-odds of their shares.
    """

    change: str = ""
    level: bool = False


def changed(spec: ChangedSpec) -> Splits:
    """The data of a run.

    Raises:
        ValueError: if the change is unknown.
    """
    splits = load_splits(spec)
    if spec.change == "centred":
        return centred(splits)
    if spec.change == "twins":
        return twins(splits)
    if spec.change:
        raise ValueError(f"unknown change {spec.change!r}: expected 'centred', 'twins' or ''")
    return splits


def centred(splits: Splits) -> Splits:
    """Features minus their mean over the training images."""
    mean = splits.train.x.mean(0)
    return _each(splits, lambda part: replace(part, x=part.x - mean))


def twins(splits: Splits) -> Splits:
    """Scenes in which a class counts as present where at least two digits of it are."""
    return _each(splits, _twins_of)


def _twins_of(part: Split) -> Split:
    if part.boxes is None:
        raise ValueError("twins are counted by their boxes, and there are none")
    counts = torch.zeros(part.y.shape, dtype=torch.int64)
    image, label = part.boxes[:, 0], part.boxes[:, 1]
    counts.index_put_((image, label), torch.ones(len(image), dtype=torch.int64), accumulate=True)
    return replace(part, y=(counts >= 2).to(part.y.dtype))


def _each(splits: Splits, function: Any) -> Splits:
    return replace(
        splits,
        train=function(splits.train),
        val=function(splits.validation()),
        test=function(splits.test),
    )


def run(spec: ChangedSpec) -> dict[str, Any]:
    """Train and evaluate: ``val_ap``, ``test_ap``, ``best_epoch`` as in ``multilabel.run``."""
    checks.unused(spec, "pretraining", "linear_init", "linear_lr", "frozen", "frozen_layers")
    checks.unused(spec, "average", "augment", "views")
    spec, splits = seeded(spec), changed(spec)
    observed = torch.from_numpy(annotate(spec, splits.train.y.numpy())).to(spec.device)
    model = build_network(spec, len(splits.classes))
    if spec.level:
        start_at_level(model.linear_head(), observed, dict(spec.annotation_options)["rate"])
    method = make_method(spec, observed, splits.train.y)
    method.prepare(model)
    scene = Scene(splits, observed, method, spec.device)
    return execute(
        spec,
        Task(
            model,
            method,
            placed(splits.train.x, spec.device),
            watch=lambda net, _: MultilabelWatch(scene, net, spec.track),
            streams={ORDER: torch_rng(spec.seed, ORDER)},
        ),
    )


@torch.no_grad()
def start_at_level(head: nn.Linear, observed: Tensor, known: float) -> None:
    """Set biases to the log-odds of the classes' shares.

    Args:
        head: of the classes.
        observed: ``(N, C)``, 1 for a labelled positive.
        known: share of the labels that are annotated, from which that of the positives follows.
    """
    share = ((observed == 1).sum(0) + 0.5) / (known * len(observed) + 1)
    head.bias.copy_(torch.logit(share.to(head.bias), eps=1e-3))


# -- rows of the studies --------------------------------------------------------------------------


def features(setting: Setting) -> dict[tuple[str, str, int], ChangedSpec]:
    """(method, features, known percent) -> run: linear heads on features of VOC 2012.

    Features are ``"as extracted"``, ``"centred"`` or centred with biases at the ``LEVEL``.
    """
    base = ChangedSpec(
        "PU-MLC",
        dataset="voc2012_features",
        data_root=setting.data_root,
        data_options=options(balanced=True, seed=1200),
        network="linear",
        network_options=options(inputs=1024),
        epochs=15,
        batch_size=ON_SCENES.batch_size,
        optimiser=ON_SCENES.optimiser,
        device=setting.device,
    )
    few = ("partial BCE", "VPU + R", "PU-MLC")
    parts = ("PU-MLC, temperature later", "PU-MLC without mixup", "PU-MLC (VOC setting)")
    rows = [(name, "as extracted") for name in ("VPU", *few, *parts)]
    rows += [(name, kind) for kind in ("centred", LEVEL) for name in few]
    return {
        (name, kind, percent): replace(
            specify(base, name, percent, base.optimiser.lr),
            change="" if kind == "as extracted" else "centred",
            level=kind == LEVEL,
            track=("test_scores",),
        )
        for name, kind in rows
        for percent in FEATURE_PERCENTS[kind]
    }


def context(setting: Setting) -> dict[str, ChangedSpec]:
    """Row -> run: does a scene hold a digit twice? All labels known, BCE.

    No single place can tell, and the maximum over the places does not count.
    """
    digits = options(**dict(ON_SCENES.data_options) | {"min_digits": 4, "max_digits": 8})
    uniform = options(**{k: v for k, v in dict(digits).items() if k != "class_weights"})
    base = replace(
        specify(ON_SCENES, "partial BCE", 100, ON_SCENES.optimiser.lr),
        method="Partial BCE on PU-MLC's network",
        track=(),
        data_options=uniform,
        device=setting.device,
    )
    names = {"without": None, "with the global branch": 1}
    return {
        name: changing(base, change="twins", method_options=options(local_global=kernel))
        for name, kernel in names.items()
    }


def heads(setting: Setting) -> dict[tuple[str, str], ChangedSpec]:
    """(method, head) -> run on scenes, 10 % known: maximum and linear layer, or the graph head."""
    found = {}
    for name in ("partial BCE", "VPU + R", "PU-MLC"):
        spec = replace(
            specify(ON_SCENES, name, 10, ON_SCENES.optimiser.lr), track=(), device=setting.device
        )
        found[name, "maximum"] = changing(spec)
        method = spec.method if spec.method == "PU-MLC" else f"{spec.method} on PU-MLC's network"
        head = dict(spec.method_options) | {"graph_head": True, "graph_channels": 64}
        found[name, "graph"] = changing(spec, method=method, method_options=options(**head))
    return found


def invented(setting: Setting) -> dict[tuple[str, str], ChangedSpec]:
    """(method, share) -> run on scenes, all labels known: a share of the absent classes is marked
    present, in training alone."""
    rate = ON_SCENES.optimiser.lr
    found = {}
    for name in NOISE:
        right = replace(specify(ON_SCENES, name, 100, rate), track=(), device=setting.device)
        for percent in (0, *INVENTED):
            spec = with_invented(right, percent) if percent else right
            found[name, f"{percent} % invented"] = changing(spec)
    return found


def changing(spec: Spec, **fields: Any) -> ChangedSpec:
    """The same run as a run on changed data, with other fields."""
    return ChangedSpec(**{name: getattr(spec, name) for name in spec.__dataclass_fields__} | fields)


# -- what is recorded -----------------------------------------------------------------------------


def compare(
    setting: Setting,
    rows: Mapping[Any, ChangedSpec],
    rates: Sequence[float] = RATES,
    seeds: Sequence[int] = RESULT_SEEDS,
) -> list[dict[str, Any]]:
    """Choose a learning rate for every row, and run it with that.

    Returns:
        one dict a row: ``row`` (a list of its names), ``validation`` (rate -> mAP in percent at
        the last epoch, a value a tuning seed), ``chosen``, ``test``, mAP in percent at the last
        epoch, a value a seed; and for runs that track their test scores ``predicted``, the mean
        predicted probability in percent, mean over seeds.
    """
    trials = {
        (row, rate): replace(spec, optimiser=replace(spec.optimiser, lr=rate))
        for row, spec in rows.items()
        for rate in rates
    }
    tried = setting.repeat(run, trials, TUNING_SEEDS)
    validation = {
        row: {rate: [_validation(record) for record in tried[row, rate]] for rate in rates}
        for row in rows
    }
    chosen = {row: best(scores) for row, scores in validation.items()}
    final = setting.repeat(run, {row: trials[row, chosen[row]] for row in rows}, seeds)
    return [
        {
            "row": list(row) if isinstance(row, tuple) else [row],
            "validation": validation[row],
            "chosen": chosen[row],
            "test": [round(mean_ap_at(record, "last"), 2) for record in final[row]],
            **_predicted(final[row]),
        }
        for row in rows
    ]


def _validation(record: Record) -> float:
    return round(float(np.mean(record["val_ap"][-1])), 2)


def _predicted(records: Sequence[Record]) -> dict[str, float]:
    if "test_scores" not in records[0].spec.track:
        return {}
    means = [expit(record["test_scores_last"].astype(np.float64)).mean() for record in records]
    return {"predicted": round(100 * float(np.mean(means)), 1)}


def common_part(spec: ChangedSpec) -> dict[str, float]:
    """Length of the mean feature of the training images, and root mean square distance to it."""
    x = changed(spec).train.x
    mean = x.mean(0)
    spread = (x - mean).square().sum(1).mean().sqrt()
    return {"mean_length": round(float(mean.norm()), 2), "spread": round(float(spread), 2)}


Scores = Mapping[tuple[Any, ...], np.ndarray]
"""Names of a row of a recorded study -> its test mAP (%), a value a seed."""


def scores_of(study: Mapping[str, Any] | None) -> dict[tuple[Any, ...], np.ndarray]:
    """``Scores`` of a recorded study; none of one that has not been recorded."""
    rows = study["rows"] if study else []
    return {tuple(row["row"]): np.array(row["test"]) for row in rows}
