"""L2D on photographs of VOC 2012: EfficientNet-Lite2 teaches EfficientNet-Lite0.

The protocol is that of ``lab.photographs`` but for the batches, which must hold several images of a
class for its embeddings to be compared, and for the layers that are trained, so that the record
takes half an hour of two cores. Both networks are pre-trained on ImageNet; all but the last
convolution stays frozen, and the maps below it are computed once. A student's run reads the maps of
both, channel by channel in one tensor, so that its teacher sees the same view of every image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from chapters.l2d.choices import weight_grid
from chapters.l2d.runs import TERMS, structure_to
from weaklabels import checks, methods
from weaklabels.data import Splits
from weaklabels.data.augment import pipeline
from weaklabels.lab import missing_labels, multilabel, photographs
from weaklabels.lab.execute import ORDER, Task, execute, network, placed, started
from weaklabels.lab.multilabel import annotate, load_splits
from weaklabels.lab.multilabel_watch import MultilabelWatch, Scene
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record
from weaklabels.lab.sweep import remember
from weaklabels.lab.trunk import FirstView, maps, maps_spec
from weaklabels.lab.tuned import Tuned
from weaklabels.lab.voc_features import Row, with_option
from weaklabels.methods import l2d
from weaklabels.models import Network
from weaklabels.press import style
from weaklabels.press.claims import interval, mean_std
from weaklabels.seeding import seed_torch, torch_rng

TEACHER, STUDENT = "efficientnet_lite2", "efficientnet_lite0"
MORE_FROZEN = 5
"""So many more blocks than the student has the teacher, all of them frozen."""

DECODER = options(width=128, heads=8, hidden=256)
BATCH_SIZE, EPOCHS = 64, 15
RATES = (1e-4, 3e-4, 1e-3, 3e-3)
SHARES = (0.0, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Weights of a term that are tried, as shares of the hard-label loss before training."""

MORE_SHARES = (*SHARES, 30.0, 100.0, 300.0, 1000.0)
"""Those among which a choice that stands at an end is moved on."""

TRIAL_SHARE = 0.1
"""With this weight the learning rates are tried."""

DISTILLED = ("RKD", "MLD", "LED")
CONTROL = "LED, untrained teacher"
STUDENTS = ("Vanilla", *DISTILLED, CONTROL, "L2D")

NOTES = (
    "EfficientNet-Lite2 teaches EfficientNet-Lite0 instead of ResNet-101 and ResNet-34. Both read "
    "images of 160 x 160 pixels; in the teacher, too, the last convolution alone is trained. A "
    "decoder as in ML-Decoder stands on the maps of either: embeddings of 128 numbers, 8 heads.",
    f"Batches hold {BATCH_SIZE} images, as in the released code, instead of the 16 of this book's "
    "protocol on photographs, since the embeddings of a class are compared within a batch; every "
    f"network trains for {EPOCHS} epochs, "
    "about 250 steps, with Adam at a constant rate, ten times as high for the last layer; the "
    "image or its mirror image.",
    "All labels are known. The teacher has the weights of its best validation epoch.",
    f"The learning rate of every network is chosen from {len(RATES)} values by the best validation "
    f"mAP with a repetition of its own, that of a distilled student at the share {TRIAL_SHARE}. "
    f"The weight of a term is then chosen in the same way, from {len(SHARES)} shares of the "
    "hard-label loss before training, 0 among them; within L2D one weight multiplies MLD and LED, "
    "which have equal shares.",
    "The split is the same for all seeds; the weights of decoder and head and the order of the "
    "batches are drawn anew, and so is the teacher.",
    "An untrained teacher has ImageNet weights below a decoder with random ones.",
    "Distillation of logits by binary cross-entropy has the gradient of MLD and is no row; that by "
    "the squared difference of probabilities (MSE) is compared on scenes alone.",
)


@dataclass(frozen=True)
class PhotographSpec(multilabel.Spec):
    """A run; the network is the backbone, on which stands a decoder.

    Attributes:
        teacher: the run whose network teaches, with the seed of this one; None trains on the
            labels alone.
        untrained: the teacher keeps its initial weights.
    """

    teacher: PhotographSpec | None = None
    untrained: bool = False

    def code(self) -> list[Any]:
        """What the run depends on besides what reading its function shows."""
        return [*super().code(), *(self.teacher.code() if self.teacher else [])]


# -- runs -----------------------------------------------------------------------------------------


class Channels(nn.Module):
    """Some of the channels of maps ``(B, D, h, w)``: those of one network."""

    def __init__(self, first: int, count: int) -> None:
        super().__init__()
        self.first, self.count = first, count

    def forward(self, x: Tensor) -> Tensor:
        return x[:, self.first : self.first + self.count]


def run(spec: PhotographSpec) -> dict[str, Any]:
    """Train a teacher or a student and evaluate it after every epoch.

    Returns:
        what ``multilabel.run`` does, and with a teacher ``structure`` ``(2,)``: mean over test
        batches of the structure losses CD and ID to it, at the best epoch.
    """
    checks.unused(spec, "pretraining", "linear_init", "linear_lr", "frozen", "average")
    splits, model, teacher = prepared(spec)
    seed_torch(spec.seed, "dropout and projections")  # a teacher may have been trained just now
    method = methods.create(spec.method, **dict(spec.method_options))
    observed = torch.from_numpy(annotate(spec, splits.train.y.numpy())).to(spec.device)
    started(method, observed, teacher=teacher)
    method.prepare(model)
    streams = {name: torch_rng(spec.seed, name) for name in (ORDER, "augmentation")}
    scene = Scene(splits, observed, method, spec.device)
    found = execute(
        spec,
        Task(
            model,
            method,
            placed(splits.train.x, spec.device),
            watch=lambda net, _: MultilabelWatch(scene, net, spec.track),
            streams=streams,
            augment=pipeline(spec.augment, streams["augmentation"], spec.device),
        ),
    )
    if teacher is not None:  # the network has the weights of its best epoch now
        found["structure"] = structure_to(
            model, teacher, splits.test, spec.batch_size, lambda x: x.to(spec.device)
        )
    return found


def prepared(spec: PhotographSpec) -> tuple[Splits, Network, Network | None]:
    """Data whose inputs are maps, the network of a run with its initial weights, its teacher."""
    splits = load_splits(spec)
    taught = replace(spec.teacher, seed=spec.seed) if spec.teacher else None
    found = [remember(maps, maps_spec(each)) for each in (spec, taught) if each is not None]
    parts = {
        name: replace(
            getattr(splits, name),
            x=torch.cat([torch.from_numpy(record[name]) for record in found], 2),
        )
        for name in ("train", "val", "test")
    }
    own, *its = (record["test"].shape[2] for record in found)
    model = build(spec, len(splits.classes), Channels(0, own))
    teacher = None
    if taught is not None:
        teacher = build(taught, len(splits.classes), Channels(own, its[0]))
        if not spec.untrained:
            multilabel.restore(teacher, remember(run, taught), "best")
    return replace(splits, **parts), model, teacher


def build(spec: PhotographSpec, classes: int, channels: Channels) -> Network:
    """The layers of a network that are trained, for maps of which it reads some channels."""
    decoder = options(backbone=spec.network, backbone_options=spec.network_options, **dict(DECODER))
    whole = replace(spec, network="label_decoder", network_options=decoder)
    model = network(whole, classes, spec.seed)
    backbone, decoder_part = l2d.parts(model)
    above = nn.Sequential(FirstView(), channels, *backbone[spec.frozen_layers :])
    model.features = nn.Sequential(above, decoder_part)
    return model


def initial_sizes(spec: PhotographSpec) -> dict[str, Any]:
    """Size of the hard-label loss and of the distillation term, before training.

    ``hard`` and ``term``, of the first batch of training images.
    """
    splits, model, teacher = prepared(spec)
    seed_torch(spec.seed, "dropout and projections")
    method = methods.create(spec.method, **dict(spec.method_options))
    labels = splits.train.y[: spec.batch_size].to(spec.device).float()
    started(method, 2 * labels - 1, teacher=teacher)
    method.prepare(model)
    x = splits.train.x[: spec.batch_size].to(spec.device)
    with torch.no_grad():
        own, target = l2d.outputs(model, x), l2d.outputs(teacher, x)
        hard = l2d.hard_label_loss(own.logits, labels)
        return {"hard": float(hard), "term": float(method.term(own, target, labels))}


# -- rows -----------------------------------------------------------------------------------------


def teacher_spec(setting: Setting) -> PhotographSpec:
    """The teacher's run; its learning rate is to be chosen."""
    shared = photographs.photographs(setting) | {
        "batch_size": BATCH_SIZE,
        "epochs": EPOCHS,
        "network": TEACHER,
        "frozen_layers": photographs.LAST_ONLY + MORE_FROZEN,
    }
    return PhotographSpec(
        "Vanilla", annotation="full", augment=photographs.EITHER, track=("weights",), **shared
    )


def student_spec(teacher: PhotographSpec) -> PhotographSpec:
    """The student without distillation, of this teacher: it is compared with it at the end."""
    return replace(
        teacher,
        network=STUDENT,
        frozen_layers=teacher.frozen_layers - MORE_FROZEN,
        teacher=teacher,
        track=(),
    )


def distil(student: PhotographSpec, name: str, weight: float = 1.0) -> PhotographSpec:
    """The student with the term of one of ``DISTILLED``, or with ``CONTROL``."""
    method, own = TERMS["LED" if name == CONTROL else name]
    return replace(
        student,
        method=method,
        method_options=options(**dict(own), weight=weight),
        untrained=name == CONTROL,
    )


def rows(student: PhotographSpec, unit: Mapping[str, float]) -> dict[str, Row]:
    """Row of the record -> its run, and the weights to be tried.

    Args:
        student: without distillation.
        unit: term -> weight at which it is as large as the hard-label loss before training.
    """
    grid = weight_grid(unit, SHARES)
    table = {"Vanilla": Row(student)}
    for name, weights in grid.items():
        trial = distil(student, name, weights[TRIAL_SHARE])
        table[name] = Row(trial, "weight", tuple(weights.values()))
    led = unit["LED"] / 2
    parts = {
        "logits_weight": unit["MLD"] / 2,
        "class_weight": 100 * led,
        "instance_weight": 1000 * led,
    }
    both = replace(student, method="L2D", method_options=options(**parts, weight=TRIAL_SHARE))
    table["L2D"] = Row(both, "weight", SHARES)
    return table


def units(setting: Setting, student: PhotographSpec) -> dict[str, float]:
    """Term -> weight at which it is as large as the hard-label loss before training."""
    terms = {name: distil(student, name) for name in (*DISTILLED, CONTROL)}
    found = setting.repeat(initial_sizes, terms, photographs.TUNING_SEEDS)
    return {
        name: float(np.mean([record["hard"] / record["term"] for record in records]))
        for name, records in found.items()
    }


def record(setting: Setting) -> dict[str, Any]:
    """Test mAP of the teacher and of students, and how near they come to its structure."""
    how = photographs.Protocol(run, missing_labels.best_validation, missing_labels.mean_ap)
    first = teacher_spec(setting)
    seeds = range(photographs.FIRST_SEED, photographs.FIRST_SEED + setting.seeds)
    taught = photographs.compute(setting, {"teacher": Row(first)}, seeds, how, rates=RATES)
    rate = taught[0]["learning_rate"]
    teacher = replace(first, optimiser=photographs.rated(first.optimiser, rate))
    student = student_spec(teacher)
    unit = units(setting, student)
    content = photographs.record(
        setting,
        rows(student, unit),
        how=how,
        what="Test mAP (%) of students on photographs of VOC 2012 with all labels, by distillation",
        measures={"structure": structure},
        rates=RATES,
    )
    return content | {
        "differences": [*photographs.LAST_ONLY_DIFFERENCES, *NOTES],
        "rows": [*taught, *content["rows"]],
        "unit": {name: float(f"{value:.3g}") for name, value in unit.items()},
        "shares": list(SHARES),
        "weights": {
            name: size_of(spec) for name, spec in (("teacher", teacher), ("student", student))
        },
    }


def widened(setting: Setting, content: Mapping[str, Any]) -> dict[str, Any]:
    """The record with shares added where a chosen one stands at an end.

    Raises:
        ValueError: if the teacher's learning rate does, as all students are distilled anew then.
    """
    first, (held, *_) = teacher_spec(setting), content["rows"]
    rate = held["learning_rate"]
    if not min(RATES) < rate < max(RATES):
        raise ValueError(f"the teacher's learning rate {rate:g} is at an end: expected more RATES")
    student = student_spec(replace(first, optimiser=photographs.rated(first.optimiser, rate)))
    weights = weight_grid(content["unit"], MORE_SHARES)
    grids = {name: tuple(of_share.values()) for name, of_share in weights.items()}
    wanted = rows(student, content["unit"])
    for row in content["rows"][2:]:  # those with a weight: as they are recorded, not rounded again
        name, values = row["row"], tuple(map(float, row["tried"][1]["validation"]))
        spec = replace(wanted[name].spec, method_options=options(**row["options"]))
        trial = values[SHARES.index(TRIAL_SHARE)]
        wanted[name] = Row(with_option(spec, "weight", trial), "weight", values[: len(SHARES)])
        grids[name] = values + grids.get(name, MORE_SHARES)[len(values) :]
    found = photographs.widened(
        setting,
        content,
        wanted,
        grids,
        how=photographs.Protocol(run, missing_labels.best_validation, missing_labels.mean_ap),
        measures={"structure": structure},
    )
    most = max(len(choice["validation"]) for row in found["rows"] for choice in row["tried"][1:])
    return found | {"shares": list(MORE_SHARES[:most])}


def structure(records: Sequence[Record]) -> list[list[float]]:
    """Structure losses CD and ID to the teacher on test images, a pair a seed."""
    return [[float(f"{loss:.4g}") for loss in record["structure"]] for record in records]


def size_of(spec: PhotographSpec) -> dict[str, int]:
    """Number of weights of the whole network below the decoder, and of those that are trained."""
    backbone = network(replace(spec, device="cpu"), 1, 0).features
    parts = {"all": backbone, "trained": backbone[spec.frozen_layers :]}
    return {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}


# -- the record as tables -------------------------------------------------------------------------

NOTHING = "The runs on photographs have not been recorded yet."

Found = Mapping[str, Mapping[str, Any]]
"""Name -> a row of the record; empty while there is none."""


def found(content: Mapping[str, Any] | None) -> dict[str, Mapping[str, Any]]:
    """The rows of the record, ``Found``."""
    return {row["row"]: row for row in content["rows"]} if content else {}


def score_table(rows: Found, control: Found) -> pd.DataFrame:
    """Test mAP (%) at both epochs, and the structure losses to the trained teacher.

    In ``rows`` those of ``CONTROL`` are to its own teacher, which is another: they are taken from
    ``control``, the record of its students beside the trained teacher.
    """
    losses = {
        name: np.array(row["structure"])
        for name, row in {**rows, CONTROL: control.get(CONTROL, {})}.items()
        if "structure" in row
    }
    columns = {
        f"mAP, {moment} epoch (%)": {name: mean_std(row[moment]) for name, row in rows.items()}
        for moment in ("best", "last")
    } | {
        kind: {name: mean_std(values[:, i], digits) for name, values in losses.items()}
        for i, (kind, digits) in enumerate((("CD", 2), ("ID", 3)))
    }
    return pd.DataFrame(columns).reindex([*rows]).fillna("-")


def gain_table(rows: Found) -> pd.DataFrame:
    """Test mAP minus that without distillation (points), paired by seed, at both epochs.

    Returns:
        ``mean [ends of the intervals]``, students x epochs.
    """
    students = [name for name in rows if name not in ("teacher", "Vanilla")]
    return pd.DataFrame(
        {
            f"{moment} epoch": {
                name: "{:+.1f} [{:+.1f}, {:+.1f}]".format(
                    *interval(np.subtract(rows[name][moment], rows["Vanilla"][moment]))
                )
                for name in students
            }
            for moment in ("best", "last")
        }
    )


def long_table(rows: Found) -> pd.DataFrame:
    """As ``tables.long_table``: test mAP (%) at the best validation epoch."""
    return pd.DataFrame(
        [
            {"method": name, "seed": seed, "metric": "mAP", "value": value}
            for name, row in rows.items()
            for seed, value in enumerate(row["best"])
        ]
    )


def size_text(content: Mapping[str, Any] | None) -> str:
    """How large the two networks are, in one sentence."""
    if not content:
        return NOTHING
    teacher, student = (content["weights"][name] for name in ("teacher", "student"))
    return (
        f"Below its decoder the teacher has {teacher['all'] / 1e6:.1f} million weights, "
        f"{teacher['trained'] / 1e6:.1f} million of them trained; the student has "
        f"{student['all'] / 1e6:.1f} and {student['trained'] / 1e6:.1f} million."
    )


SHARE = "weight (share of the hard-label loss)"


def tuned(content: Mapping[str, Any] | None) -> tuple[Tuned, ...]:
    """What was chosen on validation photographs, for the registry of tuned settings.

    All weights are on one scale: at share 1 what is distilled is as large as the hard-label loss
    before training. The record has factors of the terms, and for L2D shares; where values were
    added they are the largest.
    """
    if not content:
        return ()
    seeds = ", ".join(map(str, content["protocol"]["tuning_seeds"]))
    found = []
    for row in content["rows"]:
        for choice in row["tried"]:
            setting, tried = choice["setting"], [float(value) for value in choice["validation"]]
            values = dict(zip(tried, tried, strict=True))
            if setting == "weight":
                setting, values = SHARE, dict(zip(tried, content["shares"], strict=False))
            each = Tuned(
                row["row"],
                setting,
                tuple(values.values()),
                values[float(f"{choice['chosen']:g}")],
                "best validation mAP",
                f"validation images, repetition {seeds}",
                bound=(0.0,),
            )
            found.append(each)
    return tuple(found)


PARTS = {"MLD": "logits_weight", "CD": "class_weight", "ID": "instance_weight"}
"""Term of L2D -> option of the method."""


def applied(row: Mapping[str, Any]) -> dict[str, float]:
    """Term -> the factor that multiplies it in the objective, of a row of the record.

    Terms that are left out have none; empty where nothing is distilled.
    """
    given, usual = row["options"], l2d.L2D()
    factor = given.get("weight", 0.0)
    if row["method"] != "L2D":
        return {row["row"]: factor} if factor else {}
    parts = {
        term: factor * given.get(option, getattr(usual, option)) for term, option in PARTS.items()
    }
    return {term: weight for term, weight in parts.items() if weight}


def tuned_table(content: Mapping[str, Any] | None) -> pd.DataFrame:
    """``tuned`` for the reader, with the factors of the terms; empty while there is no record.

    All choices are made by one rule on the same data, which the caption tells.
    """
    if not content:
        return pd.DataFrame()
    table = style.tuned_table(tuned(content)).drop(columns=["by", "on"])
    factors = {row["row"]: _factors_text(applied(row)) for row in content["rows"]}
    told = [
        factors[name] if setting == SHARE else "-"
        for name, setting in zip(table.index, table["setting"], strict=True)
    ]
    table.insert(table.columns.get_loc("chosen") + 1, "factors in the objective", told)
    return table


def _factors_text(factors: Mapping[str, float]) -> str:
    """Factors with two digits, or ``none``."""
    shown = {term: float(f"{weight:.2g}") for term, weight in factors.items()}
    return ", ".join(f"{term} {weight:g}" for term, weight in shown.items()) or "none"
