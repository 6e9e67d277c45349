"""The experiments of the chapter on PU-MLC (Yuan et al., ICME 2024).

A method may see labels in one of two ways: a known proportion p of all labels, positive and
negative, or the positives among these alone. The learning rates were chosen on validation scenes,
one for every method and proportion from the same small grid, by

    python -m chapters.pu_mlc.runs choose-rates

which writes ``book/recorded/pu_mlc/rates.json``.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.special import gammaln
from torch import Tensor

from weaklabels import methods, models
from weaklabels.data import Split
from weaklabels.data.augment import to_float
from weaklabels.lab import sweep
from weaklabels.lab.multilabel import (
    Pretraining,
    Spec,
    annotate,
    backbone_spec,
    load_splits,
    load_weights,
    mean_ap_at,
    pretrain,
    restore,
    run,
)
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record, Store
from weaklabels.methods.pu_mlc import LocalGlobalConv
from weaklabels.press.chapter import REPOSITORY
from weaklabels.train import OptimiserSpec

# -- methods --------------------------------------------------------------------------------------

GAMMA, ALPHA = 0.55, 1.0
"""The authors' values for MS-COCO, fixed before any run."""


@dataclass(frozen=True)
class Variant:
    """A row of the tables.

    Attributes:
        method, options: registered name and its options.
        positives_only: the method is given the known positives and nothing else.
        mean_loss: its loss is a mean over the classes; the others are sums.
    """

    method: str
    options: Mapping[str, Any]
    positives_only: bool = True
    mean_loss: bool = False


def _pu(gamma: float, alpha: float | None, **others: Any) -> Variant:
    return Variant("PU-MLC", {"gamma": gamma, "alpha": alpha} | others)


def _known(method: str, **others: Any) -> Variant:
    return Variant(method, others, positives_only=False, mean_loss=True)


VARIANTS: dict[str, Variant] = {
    "AN": _known("AN", epsilon=0.0),
    "partial BCE": _known("Partial BCE"),
    "partial BCE (Durand)": _known("Partial BCE", durand=True),
    "ASL": _known("ASL"),
    "nnPU": Variant("nnPU", {}),
    "VPU": _pu(0.0, None),
    "VPU + R": _pu(GAMMA, None),
    "PU-MLC": _pu(GAMMA, ALPHA),
    "PU-MLC (VOC setting)": _pu(0.85, 2.0),
    "VPU without mixup": _pu(0.0, None, mixup=None),
    "VPU + T": _pu(0.0, ALPHA),
    "PU-MLC without mixup": _pu(GAMMA, ALPHA, mixup=None),
    "PU-MLC, pre-trained": _pu(GAMMA, ALPHA),
    "PU-MLC, pre-trained, with LgConv": _pu(GAMMA, ALPHA, local_global=1),
}
"""R: re-balance factor, T: temperature. LgConv stands beside the 1 x 1 convolution on scenes."""

RIVALS = ("AN", "partial BCE", "partial BCE (Durand)", "ASL", "nnPU")
FAMILY = ("VPU", "VPU + R", "PU-MLC", "PU-MLC (VOC setting)")
MAIN = (*RIVALS, *FAMILY)
FULL = ("partial BCE", "ASL", *FAMILY)
"""Compared when all labels are known, where AN, BCE and partial BCE are one method."""
ABLATION = (
    "VPU without mixup",
    "VPU",
    "VPU + R",
    "VPU + T",
    "PU-MLC",
    "PU-MLC without mixup",
)
PRETRAINED = ("PU-MLC, pre-trained", "PU-MLC, pre-trained, with LgConv")

# -- settings -------------------------------------------------------------------------------------

SCENES = options(
    train=3000,
    val=500,
    test=1000,
    grid=8,
    repeats=True,
    class_weights=tuple(round(0.75**c, 6) for c in range(10)),
    intensity=(1.0, 1.0),
    noise=0.1,
    pools=(("pretrain", 300), ("train", 750), ("val", 250), ("test", 497)),
)
"""3 x 3 cells, classes with a long tail: class 0 in about half of the scenes, class 9 in 5 %."""

CLASSES = {"scenes": 10, "coco2014": 80, "voc2007": 20}
GRID = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
"""Learning rates from which the validation scenes choose."""
RATE_SEEDS = (100, 101)
"""Seeds of the choice; those of the results start at 0."""
PERCENTS = (10, 30, 50, 70, 90)
ABLATION_PERCENTS = (10, 50)


def base_spec(profile: str, device: str = "cpu", data_root: str | None = None) -> Spec:
    """The run that all others vary."""
    scenes = Spec(
        "PU-MLC",
        data_options=SCENES,
        network_options=options(
            width=64, stride=8, batch_norm=False, pool="max", normalise=(0.12, 0.3)
        ),
        epochs=20,
        batch_size=100,
        optimiser=OptimiserSpec(lr=1e-2, weight_decay=1e-4, warm_up=0.2),
        device=device,
    )
    if profile == "quick":
        return scenes
    if profile == "smoke":
        small = options(**dict(SCENES) | {"train": 200, "val": 60, "test": 60})
        return replace(scenes, data_options=small, epochs=2)
    # 41 epochs of a schedule made for 80, evaluated with averaged weights: the authors' script.
    return replace(
        scenes,
        dataset="coco2014",
        data_root=data_root,
        data_options=options(
            resolution=448, resample="bicubic", empty=True, validation=0.05, seed=1200
        ),
        network="resnet101",
        network_options=options(pretrained=True, normalise=True),
        epochs=41,
        batch_size=70,
        optimiser=OptimiserSpec(lr=1e-4, weight_decay=1e-4, warm_up=0.2, cycle_epochs=80),
        # The crops of 256 to 512 pixels from images of 512, on images of 448.
        augment=(("square_crop", (448, 392, 336, 280, 224), 448), ("flip",)),
        average=0.9997,
    )


def percents(profile: str) -> tuple[int, ...]:
    """Known proportions (%) of the profile."""
    return {"quick": PERCENTS, "paper": tuple(range(10, 100, 10)), "smoke": (10, 50)}[profile]


def specify(base: Spec, name: str, percent: int, seed: int, lr: float) -> Spec:
    """One run.

    Args:
        base: from ``base_spec``.
        name: of ``VARIANTS``.
        percent: known proportion of the labels; 100 is the task with all labels.
        seed: of everything.
        lr: learning rate.
    """
    variant = VARIANTS[name]
    given = dict(variant.options)
    if variant.method == "PU-MLC":
        given["seed"] = seed
        if base.dataset != "scenes":
            # The paper's network; on scenes the convolution alone is the subject of an ablation.
            given |= {"graph_head": True, "train_features": ("8",)}
            given["local_global"] = None if name == PRETRAINED[0] else 3
    if variant.method == "nnPU":
        given["known_share"] = percent / 100
    # Adam does not see the scale of a loss, but its L2 penalty does: the penalty of a mean over
    # the classes is that of a sum, divided by their number.
    decay = base.optimiser.weight_decay
    spec = replace(
        base,
        method=variant.method,
        method_options=options(**given),
        seed=seed,
        annotation="fraction of positives" if variant.positives_only else "fraction",
        annotation_options=options(rate=percent / 100),
        optimiser=replace(
            base.optimiser,
            lr=lr,
            weight_decay=decay / CLASSES[base.dataset] if variant.mean_loss else decay,
        ),
        track=_tracked(name, percent, seed),
    )
    if name in PRETRAINED and base.dataset == "scenes":
        images = {"pretrain": 300 if base.epochs < 5 else 2000}
        spec = replace(
            spec,
            data_options=options(**dict(base.data_options) | images),
            pretraining=Pretraining(epochs=min(8, base.epochs)),
        )
    return spec


def _tracked(name: str, percent: int, seed: int) -> tuple[str, ...]:
    if percent in (10, 100) and name in ("VPU", "VPU + R", "PU-MLC"):
        return ("readings", "test_scores")
    return ("weights",) if name == PRETRAINED[1] and seed == 0 else ()


# -- learning rates -------------------------------------------------------------------------------


def choices() -> list[tuple[str, int]]:
    """(method, percent) pairs whose learning rate is chosen."""
    pairs = [(name, percent) for name in MAIN for percent in PERCENTS]
    pairs += [(name, 100) for name in FULL]
    pairs += [(name, percent) for name in ABLATION for percent in ABLATION_PERCENTS]
    return list(dict.fromkeys([*pairs, *((name, 10) for name in PRETRAINED)]))


def rate_settings() -> dict[str, Any]:
    """What the choice depends on, as it is recorded."""
    base = base_spec("quick")
    settings = {
        "run": _set_fields(replace(base, optimiser=OptimiserSpec()), Spec("PU-MLC")),
        "optimiser": _set_fields(base.optimiser, OptimiserSpec()),
        "grid": GRID,
        "seeds": RATE_SEEDS,
        "variants": {name: asdict(variant) for name, variant in VARIANTS.items()},
    }
    return json.loads(json.dumps(settings))


def _set_fields(values: Any, default: Any) -> dict[str, Any]:
    """Fields that are not the default's: fields added to the class later change nothing."""
    known, usual = asdict(values), asdict(default)
    return {name: value for name, value in known.items() if value != usual[name]}


def choose_rates(run_all: Callable[[list[Spec]], list[Record]]) -> dict[str, Any]:
    """Train everything at every rate; the rate with the best mean validation mAP wins.

    Args:
        run_all: runs specs and returns their records in order.

    Returns:
        The record: ``settings``, ``validation`` (method -> percent -> rate -> mAP in percent, last
        epoch, mean over seeds), ``chosen`` (method -> percent -> rate), ``provenance``.
    """
    base, pairs = base_spec("quick"), choices()
    keys = [(name, percent, lr) for name, percent in pairs for lr in GRID]
    # Seed by seed, so that the scenes of a seed are composed once.
    specs = [
        replace(specify(base, *key[:2], seed, key[2]), track=())
        for seed in RATE_SEEDS
        for key in keys
    ]
    reached = np.array([record["val_ap"][-1].mean() for record in run_all(specs)])
    validation: dict[str, dict[str, dict[str, float]]] = {}
    means = reached.reshape(len(RATE_SEEDS), -1).mean(0)
    for (name, percent, lr), value in zip(keys, means, strict=True):
        row = validation.setdefault(name, {}).setdefault(str(percent), {})
        row[str(lr)] = round(float(value), 2)
    return {
        "what": "Validation mAP (%) on scenes by learning rate, last epoch, mean over seeds",
        "settings": rate_settings(),
        "validation": validation,
        "chosen": {
            name: {percent: float(max(row, key=row.get)) for percent, row in rows.items()}
            for name, rows in validation.items()
        },
        "provenance": sweep.provenance("cpu"),
    }


class Rates:
    """Learning rates of a profile: the recorded choice on scenes, the authors' on photographs.

    Args:
        chapter: whose profile and recorded results count.
        base: of the profile.

    Raises:
        FileNotFoundError: if the recorded choice is missing.
        ValueError: if it was made with other settings than the present ones.
    """

    def __init__(self, chapter: Setting, base: Spec) -> None:
        self.base = base
        self.record = chapter.recorded("rates")
        again = "run python -m chapters.pu_mlc.runs choose-rates"
        if self.record is None:
            raise FileNotFoundError(f"book/recorded/pu_mlc/rates.json is missing: {again}")
        if self.record["settings"] != rate_settings():
            raise ValueError(
                f"book/recorded/pu_mlc/rates.json was made with other settings: {again}"
            )

    def __call__(self, name: str, percent: int) -> float:
        """The learning rate of a method at a known proportion."""
        if self.base.dataset != "scenes":
            return self.base.optimiser.lr
        return self.record["chosen"][name][str(percent)]


# -- runs and frames ------------------------------------------------------------------------------

Groups = dict[tuple[str, int], list[Record]]
"""(method, percent) -> one record per seed."""


def run_groups(
    chapter: Setting,
    base: Spec,
    rates: Rates,
    pairs: Sequence[tuple[str, int]],
) -> Groups:
    """Run all (method, percent) pairs with all seeds of the chapter."""
    pairs = list(dict.fromkeys(pairs))
    # Seed by seed, so that the scenes of a seed are composed once.
    specs = [
        specify(base, name, percent, seed, rates(name, percent))
        for seed in range(chapter.seeds)
        for name, percent in pairs
    ]
    records = chapter.run(run, specs)
    return {pair: records[i :: len(pairs)] for i, pair in enumerate(pairs)}


def scores(groups: Groups, name: str, percent: int, moment: str = "last") -> np.ndarray:
    """Test mAP (%) of every seed."""
    return np.array([mean_ap_at(record, moment) for record in groups[name, percent]])


def average_scores(groups: Groups, name: str, over: Sequence[int]) -> np.ndarray:
    """Test mAP (%) of every seed at the last epoch, mean over the proportions."""
    return np.mean([scores(groups, name, percent) for percent in over], 0)


def frame(groups: Groups) -> pd.DataFrame:
    """One line per run: method, known (percent), seed, best, last (test mAP in percent)."""
    return pd.DataFrame(
        [
            {
                "method": name,
                "known": percent,
                "seed": seed,
                "best": mean_ap_at(record, "best"),
                "last": mean_ap_at(record, "last"),
            }
            for (name, percent), records in groups.items()
            for seed, record in enumerate(records)
        ]
    )


def annotations(base: Spec, seeds: int, over: Sequence[int]) -> pd.DataFrame:
    """Labels that were known and labels that PU methods use, mean over seeds.

    Returns:
        A line per proportion: known (%), positive and negative (counts), share (% of the known
        labels that are positive).
    """
    rows = []
    for percent in over:
        counts = []
        for seed in range(seeds):
            spec = specify(base, "partial BCE", percent, seed, 1.0)
            observed = annotate(spec, load_splits(spec).train.y.numpy())
            counts.append(((observed == 1).sum(), (observed == -1).sum()))
        positive, negative = np.mean(counts, 0)
        rows.append(
            {
                "known": percent,
                "positive": positive,
                "negative": negative,
                "share": 100 * positive / (positive + negative),
            }
        )
    return pd.DataFrame(rows)


def class_table(groups: Groups, base: Spec, percent: int, names: Sequence[str]) -> pd.DataFrame:
    """What happens to each class at one proportion, means over seeds, by falling frequency.

    Returns:
        A line per class: class, frequency (% of the test scenes), batches (% with a labelled
        positive) and, for each method, its AP (%), and for those that record it, mean predicted
        probability (%) on test scenes.
    """
    seeds = range(len(groups[names[0], percent]))
    frequency, share = [], []
    for seed in seeds:
        spec = specify(base, "PU-MLC", percent, seed, 1.0)
        splits = load_splits(spec)
        positives = (annotate(spec, splits.train.y.numpy()) == 1).sum(0)
        frequency.append(100 * splits.test.y.numpy().mean(0))
        share.append(100 * _batches_with(positives, len(splits.train), base.batch_size))
    table = pd.DataFrame(
        {
            "class": load_splits(spec).classes,
            "frequency": np.mean(frequency, 0),
            "batches": np.mean(share, 0),
        }
    )
    for name in names:
        records = groups[name, percent]
        table[name] = np.mean([record["test_ap"][-1] for record in records], 0)
        if "test_scores_last" in records[0].values:
            table[f"{name}, probability"] = 100 * np.mean(
                [_sigmoid(record["test_scores_last"]).mean(0) for record in records], 0
            )
    return table.sort_values("frequency", ascending=False, ignore_index=True)


def not_learned(groups: Groups, base: Spec, margin: float = 10.0) -> pd.DataFrame:
    """Classes that a run ranks hardly better than by chance at its last epoch.

    The expected average precision of a random order is the frequency of the class.

    Args:
        groups: of ``run_groups``.
        base: of the profile.
        margin: a class counts whose AP (%) is less than this above its frequency.

    Returns:
        A line per run: method, known (percent), seed, and how many of the more frequent half of
        the classes (frequent) and of the other half (rare).
    """
    rows = []
    for seed in range(max(len(records) for records in groups.values())):
        frequency = 100 * load_splits(replace(base, seed=seed)).test.y.numpy().mean(0)
        order = np.argsort(-frequency)
        for (name, percent), records in groups.items():
            if seed < len(records):
                guessed = (records[seed]["test_ap"][-1] < frequency + margin)[order]
                half = len(order) // 2
                rows.append((name, percent, seed, guessed[:half].sum(), guessed[half:].sum()))
    return pd.DataFrame(rows, columns=["method", "known", "seed", "frequent", "rare"])


def _batches_with(positives: np.ndarray, rows: int, batch: int) -> np.ndarray:
    """Chance that a batch drawn without replacement holds at least one of so many rows."""
    batch = min(batch, rows)
    without = np.maximum(rows - positives, batch - 1)  # too few others: surely one of them
    log_none = (
        gammaln(without + 1)
        - gammaln(without - batch + 1)
        - gammaln(rows + 1)
        + gammaln(rows - batch + 1)
    )
    return 1 - np.where(rows - positives < batch, 0.0, np.exp(log_none))


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z.astype(np.float64)))


def spread(groups: Groups, name: str, percent: int) -> np.ndarray:
    """Median over classes of the standard deviation of the test logits, for every seed."""
    return np.array([np.median(r["test_scores_last"].std(0)) for r in groups[name, percent]], float)


def steps_to_one(records: Sequence[Record]) -> np.ndarray:
    """Share (%) of the training steps, over all classes, in which the temperature is below 1."""
    return np.array([100 * (record["readings/tau"] < 1).mean() for record in records])


# -- the local-global convolution -----------------------------------------------------------------


def backbones(chapter: Setting, specs: Sequence[Spec]) -> list[Record | None]:
    """What each run starts from: its pre-training, or None where weights come with the network."""
    if specs[0].pretraining is None:
        return [None] * len(specs)
    return chapter.run(pretrain, [backbone_spec(spec) for spec in specs])


def with_branches(spec: Spec, record: Record) -> models.Network:
    """The network of a run, branches included, with the weights of its last epoch."""
    classes = len(load_splits(spec).classes)
    model = models.build(spec.network, classes, seed=spec.seed, **dict(spec.network_options))
    _prepare(spec, model)
    return restore(model, record, "last")


def _prepare(spec: Spec, model: models.Network) -> None:
    method = methods.create(spec.method, **dict(spec.method_options))
    method.start(torch.from_numpy(annotate(spec, load_splits(spec).train.y.numpy())))
    method.prepare(model)


def change_at_start(spec: Spec, backbone: Record | None) -> float:
    """Relative change of a pre-trained network's feature maps when it is given branches.

    Args:
        spec: a run whose method adds branches.
        backbone: what ``multilabel.pretrain`` left for it; None if ``models.build`` loads weights.
    """
    splits = load_splits(spec)
    model = models.build(
        spec.network, len(splits.classes), seed=spec.seed, **dict(spec.network_options)
    ).eval()
    if backbone is not None:
        load_weights(model, backbone, "features.")
    x = _floating(splits.test.x[:50])
    with torch.no_grad():
        before = model.features(x)
        _prepare(spec, model)
        after = model.features(x)
    return float((after - before).norm() / before.norm())


def looks(model: models.Network, x: Tensor) -> dict[str, np.ndarray]:
    """What the last local-global convolution of a network does with images.

    Args:
        model: from ``with_branches``.
        x: ``(B, ...)`` images.

    Returns:
        ``(B, h, w)`` maps: ``local`` and ``global``, the norms over channels of the two summands;
        ``gather``, where the heads gather from, and ``gate``, where they hand back to, means over
        the heads.

    Raises:
        ValueError: if the network has no such convolution.
    """
    place, seen = None, {}
    for module in model.modules():
        if isinstance(module, LocalGlobalConv):
            place = module
    if place is None:
        raise ValueError("the network has no local-global convolution")
    handle = place.register_forward_pre_hook(lambda _, inputs: seen.update(x=inputs[0]))
    with torch.no_grad():
        model(_floating(x))
        handle.remove()
        heads, gate = place.branch.attention(seen["x"])
        maps = {
            "local": place.local(seen["x"]).norm(dim=1),
            "global": place.branch(seen["x"]).norm(dim=1),
            "gather": heads.mean(1),
            "gate": gate.mean(1),
        }
    return {name: value.numpy() for name, value in maps.items()}


def cells_with_objects(split: Split, shape: tuple[int, int, int]) -> np.ndarray:
    """Which cells of the maps of the first images overlap an object.

    Args:
        split: with boxes.
        shape: images, rows and columns of the maps.

    Returns:
        Bool of that shape.
    """
    images, rows, columns = shape
    height, width = split.x.shape[2:]
    inside = np.zeros(shape, bool)
    for image, _, top, left, bottom, right in split.boxes.tolist():
        if image < images:
            last_row, last_column = -(-bottom * rows // height), -(-right * columns // width)
            first_row, first_column = top * rows // height, left * columns // width
            inside[image, first_row:last_row, first_column:last_column] = True
    return inside


def _floating(x: Tensor) -> Tensor:
    return to_float(x) if x.dtype == torch.uint8 else x


# -- published numbers ----------------------------------------------------------------------------

PUBLISHED = pd.DataFrame(
    [
        ("ResNet-101, global average pooling", 77.3, 91.7, "ML-GCN"),
        ("ResNet-101, global max pooling", 81.5, 93.0, "ML-GCN"),
        ("ML-GCN", 83.0, 94.0, "ML-GCN"),
        ("SSGRL", 83.8, 93.4, "SSGRL"),
        ("CSRA, ResNet-101", 83.3, 94.7, "CSRA"),
        ("CSRA, ResNet-101 CutMix", 85.6, 95.2, "CSRA"),
        ("Query2Label, ResNet-101, 448", 84.9, np.nan, "Query2Label"),
        ("Query2Label, TResNet-L, 448", 87.3, np.nan, "Query2Label"),
        ("ASL, TResNet-L, 448", 86.6, np.nan, "ASL"),
        ("ASL, TResNet-XL", 88.4, 96.0, "ASL"),
    ],
    columns=["method", "MS-COCO", "VOC 2007", "read in the readme of"],
).set_index("method")
"""Test mAP (%) with full labels, from the readmes of the projects named."""

PUBLISHED_VPU = pd.DataFrame(
    {"VPU": (92.7, 89.5, 79.7), "nnPU": (90.8, 85.6, 78.3)},
    index=["FashionMNIST", "CIFAR-10", "STL-10"],
)
"""Binary PU learning, accuracy (%), from the readme of VPU."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Choose the learning rates and write their record."""
    parser = argparse.ArgumentParser(description="Compute what the chapter on PU-MLC records.")
    parser.add_argument("what", choices=("choose-rates",))
    parser.add_argument("--workers", type=int, default=1, help="processes (default 1)")
    given = parser.parse_args(arguments)
    store = Store(REPOSITORY / "build" / "recorded" / "runs")
    found = choose_rates(lambda specs: sweep.run(run, specs, store, workers=given.workers))
    path = REPOSITORY / "book" / "recorded" / "pu_mlc" / "rates.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)
    print(path.relative_to(REPOSITORY))


if __name__ == "__main__":
    main()
