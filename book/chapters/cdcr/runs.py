"""The experiments of the chapter on CDCR, partial multi-label images (Sun, Xie, Huang, 2024)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from weaklabels.lab.multilabel import annotate, load_splits
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record
from weaklabels.lab.two_stage import (
    Spec,
    Stage,
    first_stage,
    mean_ap,
    quality,
    run,
    tail_weights,
    warmed_up,
)
from weaklabels.metrics import separation_auc
from weaklabels.press import style as figures
from weaklabels.train import OptimiserSpec

# -- settings -------------------------------------------------------------------------------------

METHODS = ("BCE", "ASL", "CDCR, one threshold", "CDCR", "True labels")
ABLATIONS = ("BCE", "CDCR", "CDCR, selected once", "CDCR, rest negative", "CDCR, weak views")
RATES = {"quick": (0.1, 0.3, 0.5), "paper": (0.05, 0.1, 0.2), "smoke": (0.3, 0.5)}
"""Probability with which a wrong label becomes a candidate, by profile."""

ASL = {"focus_positive": 1.0, "focus_negative": 4.0, "margin": 0.05}
WEAK, STRONG = 0.02, 0.1
"""Noise of the two views of a scene, beside that of the scene itself."""

SCENES = {
    "train": 1500,
    "val": 500,
    "test": 1000,
    "grid": 8,
    "noise": 0.25,
    "intensity": (1.0, 1.0),
    "pools": (("pretrain", 0), ("train", 900), ("val", 297), ("test", 600)),
}
TAIL = 0.2
"""How likely the rarest digit is to be drawn, relative to the most frequent one."""


def base_spec(chapter: Setting, rate: float, seed: int = 0, dataset: str = "coco2014") -> Spec:
    """CDCR with class difficulty at one rate of wrong candidates; all other runs vary it.

    Args:
        chapter: gives profile and device.
        rate: of wrong candidates.
        seed: of everything random.
        dataset: of the paper profile.
    """
    if chapter.profile == "paper":
        return _paper_spec(chapter, rate, seed, dataset)
    optimiser = OptimiserSpec("adam", lr=2e-3, warm_up=0.2)
    data = SCENES | {"class_weights": tail_weights(seed, TAIL)}
    quick = Spec(
        "CDCR",
        options(warm_up=0),
        seed=seed,
        data_options=options(**data),
        annotation="candidates",
        annotation_options=options(rate=rate),
        network_options=options(stride=8, batch_norm=False, pool="max"),
        warm_up=Stage(epochs=20, batch_size=50, optimiser=optimiser, evaluate_every=5),
        weak=(("noise", WEAK),),
        strong=(("noise", STRONG),),
        decay=0.99,
        epochs=15,
        batch_size=50,
        optimiser=optimiser,
        evaluate_every=3,
        device=chapter.device,
    )
    if chapter.profile == "quick":
        return quick
    return replace(
        quick,
        data_options=options(**data | {"train": 200, "val": 60, "test": 60}),
        warm_up=replace(quick.warm_up, epochs=2, evaluate_every=1),
        epochs=2,
        evaluate_every=1,
    )


def _paper_spec(chapter: Setting, rate: float, seed: int, dataset: str) -> Spec:
    """The authors' settings, from their code, with a ResNet-101 in place of their TResNet-L."""
    optimiser = OptimiserSpec(
        "adam", lr=1e-4, weight_decay=1e-4, decay_vectors=False, warm_up=0.2, cycle_epochs=80
    )
    return Spec(
        "CDCR",
        options(warm_up=0),
        seed=seed,
        dataset=dataset,
        data_root=chapter.data_root,
        data_options=options(resolution=224, empty=True),
        annotation="candidates",
        annotation_options=options(rate=rate),
        network="resnet101",
        network_options=options(pretrained=True),
        warm_up=Stage(epochs=16, batch_size=128, optimiser=optimiser),
        strong=(("flip",), ("cutout", 0.5, None), ("rand_augment",)),
        decay=0.9997,
        epochs=21,
        batch_size=128,
        optimiser=optimiser,
        device=chapter.device,
    )


def vary(base: Spec, name: str) -> Spec:
    """The same run with a method of the tables, by the name used there."""
    if name == "BCE":
        return replace(base, method="Annotated", method_options=())
    if name == "ASL":
        settings = options(**ASL)
        first = replace(base.warm_up, options=settings)
        return replace(base, method="Annotated", method_options=settings, warm_up=first)
    if name == "True labels":
        return replace(vary(base, "BCE"), annotation="full", annotation_options=())
    if name == "CDCR, selected once":
        return replace(base, method_options=(*base.method_options, ("once", True)))
    if name == "CDCR, rest negative":
        return replace(base, method_options=(*base.method_options, ("unselected", "negative")))
    if name == "CDCR, weak views":
        first = replace(base.warm_up, strong=base.strong)
        return replace(base, strong=base.weak, warm_up=first)
    if name == "CDCR, one threshold" and base.dataset == "coco2014":
        return replace(base, method=name, epochs=41)
    return replace(base, method=name)


def balanced(spec: Spec, noise: float) -> Spec:
    """The same run with equally frequent classes and another noise of the scenes.

    Photographs have the frequencies they have: their runs stay as they are.
    """
    if spec.dataset != "scenes":
        return spec
    kept = {key: value for key, value in spec.data_options if key != "class_weights"}
    return replace(spec, data_options=options(**kept | {"noise": noise}))


def short_warm_up(spec: Spec) -> Spec:
    """A warm-up that ends while the learning rate still rises, as in the authors' schedule."""
    first = spec.warm_up
    epochs = max(1, first.epochs // 2)
    optimiser = replace(first.optimiser, cycle_epochs=5 * epochs)
    return replace(spec, warm_up=replace(first, epochs=epochs, optimiser=optimiser))


def first_stages(specs: Sequence[Spec]) -> list[Spec]:
    """The different first stages of some runs."""
    return list(dict.fromkeys(first_stage(spec) for spec in specs))


Groups = dict[tuple[str, float], list[Record]]
"""Records by (method, rate), one per seed."""


def run_cells(
    chapter: Setting,
    cells: Sequence[tuple[str, float]],
    seeds: Sequence[int],
    change: Callable[[Spec], Spec] = lambda spec: spec,
) -> Groups:
    """Run (method, rate) cells with every seed; seeds outermost, so that scenes are drawn once.

    Args:
        chapter: runs them.
        cells: what to run.
        seeds: one run each.
        change: of the setting, before the method is chosen.
    """
    specs = [
        vary(change(base_spec(chapter, rate, seed)), name) for seed in seeds for name, rate in cells
    ]
    records = chapter.run(run, specs)
    return {cell: records[j :: len(cells)] for j, cell in enumerate(cells)}


def judged(record: Record, spec: Spec) -> dict[str, np.ndarray]:
    """What the network thinks of the candidates at the end of the first stage.

    Args:
        record: of ``two_stage.warm_up``.
        spec: the run whose first stage it is.

    Returns:
        ``confidence`` of every candidate, whether it is ``true``, and the ``auc`` with which the
        confidence tells the two kinds apart.
    """
    truth = load_splits(spec).train.y.numpy()
    chosen = annotate(spec, truth) == 1
    confidence = torch.sigmoid(warmed_up(record, spec)).numpy()[chosen]
    true = truth[chosen] == 1
    auc = np.array(separation_auc(confidence, true))
    return {"confidence": confidence, "true": true, "auc": auc}


# -- tables ---------------------------------------------------------------------------------------


def long_table(groups: Mapping[tuple[str, float], Sequence[Record]]) -> pd.DataFrame:
    """Long frame (method, rate, moment, seed, mAP)."""
    rows = [
        {"method": name, "rate": f"{rate:g}", "moment": moment, "seed": i, "mAP": value}
        for (name, rate), runs in groups.items()
        for moment in ("last", "best")
        for i, value in enumerate(mean_ap(runs, moment))
    ]
    return pd.DataFrame(rows)


def curves(runs: Sequence[Record], name: str) -> np.ndarray:
    """A measure of the selected candidates by epoch of the second stage, ``(seeds, epochs)``.

    Args:
        runs: records.
        name: ``"purity"`` (share of true labels among the selected ones) or ``"recall"`` (share of
            the true labels that are selected), in percent.
    """
    key = {"purity": "OP", "recall": "OR"}[name]
    return np.stack([quality(record["tally"])[key] for record in runs])


def candidate_purity(runs: Sequence[Record]) -> np.ndarray:
    """Share (%) of true labels among all candidates, ``(seeds,)``; from runs on all candidates."""
    return curves(runs, "purity")[:, 0]


def test_curve(first: Sequence[Record], runs: Sequence[Record]) -> tuple[np.ndarray, np.ndarray]:
    """Test mAP (%) of the averaged weights over both stages: epochs, and ``(seeds, epochs)``."""
    start = int(first[0]["evaluated"][-1])
    epochs = np.concatenate([first[0]["evaluated"], start + runs[0]["evaluated"]])
    scores = [
        np.concatenate([a["test_ap"].mean(1), b["test_ap"].mean(1)])
        for a, b in zip(first, runs, strict=True)
    ]
    return epochs, np.array(scores)


def class_gains(runs: Sequence[Record], against: Sequence[Record]) -> np.ndarray:
    """How much the test AP of each class gains, ``(seeds, C)``, classes from frequent to rare."""
    rows = []
    for ours, other in zip(runs, against, strict=True):
        frequency = ours["tally"][0][..., 1].sum((1, 2))
        gain = ours["test_ap"][-1] - other["test_ap"][-1]
        rows.append(gain[np.argsort(-frequency, kind="stable")])
    return np.array(rows)


# -- figures --------------------------------------------------------------------------------------

COLOURS = dict(
    zip(
        (
            "CDCR",
            "CDCR, one threshold",
            "True labels",
            "ASL",
            "BCE",
            "CDCR, selected once",
            "CDCR, rest negative",
            "CDCR, weak views",
        ),
        (*figures.PALETTE[:6], figures.PALETTE[7], figures.PALETTE[6]),
        strict=True,
    )
)


def draw_thresholds(ax: Axes, record: Record, epoch: int, classes: Sequence[str]) -> None:
    """Mean candidate confidence and threshold of each class, classes sorted by frequency.

    Args:
        ax: where to draw.
        record: of a run of CDCR.
        epoch: of the second stage, from 0.
        classes: names.
    """
    frequency = record["tally"][epoch][..., 1].sum((1, 2))
    order = np.argsort(-frequency, kind="stable")
    x = np.arange(len(order))
    ax.bar(x, record["confidences"][epoch][order], color=figures.PALETTE[5], label="confidence")
    ax.plot(x, record["thresholds"][epoch][order], "kD", ms=5, label="threshold")
    names = [classes[i] for i in order] if len(order) <= 20 else [""] * len(order)
    ax.set_xticks(x, names)
    ax.set(xlabel="class, by frequency", ylim=(0, 1))


def draw_confidences(ax: Axes, found: Mapping[str, np.ndarray], threshold: float) -> None:
    """Histogram of the confidences of true and wrong candidates, with the threshold.

    Args:
        ax: where to draw.
        found: of ``judged``.
        threshold: of the selection.
    """
    bins = np.linspace(0, 1, 26)
    for name, mask, colour in (
        ("true candidates", found["true"], figures.PALETTE[2]),
        ("wrong candidates", ~found["true"], figures.PALETTE[1]),
    ):
        ax.hist(found["confidence"][mask], bins, color=colour, alpha=0.6, label=name)
    ax.axvline(threshold, color="black", ls="--", lw=1.2, label="threshold")
    ax.set(xlabel="confidence after the warm-up", ylabel="candidates")
    ax.legend()


def draw_curves(ax: Axes, groups: Mapping[str, Sequence[Record]], name: str) -> None:
    """Purity or recall of the selected candidates by epoch of the second stage (see ``curves``)."""
    for style, (method, runs) in zip(("-", "--", "-.", ":"), groups.items(), strict=False):
        values = curves(runs, name)
        epochs = np.arange(1, values.shape[1] + 1)
        figures.band(ax, epochs, values, method, colour=COLOURS[method], style=style)
    figures.epoch_axis(ax)
    ax.set_ylabel(
        {"purity": "true among the selected (%)", "recall": "true that are selected (%)"}[name]
    )


def draw_class_gains(ax: Axes, gains: Mapping[str, np.ndarray]) -> None:
    """Gains by class (see ``class_gains``): one dot a seed, a line through the means."""
    for marker, (name, values) in zip("oXs^", gains.items(), strict=False):
        x = np.tile(np.arange(1, values.shape[1] + 1), (len(values), 1))
        colour = COLOURS[name]
        ax.plot(x.T, values.T, marker, ls="none", ms=4, color=colour, alpha=0.5)
        ax.plot(x[0], values.mean(0), color=colour, lw=1.8, marker=marker, label=name)
    ax.axhline(0, color="#888888", lw=1)
    ax.set(xlabel="class, from frequent to rare", ylabel="gain over BCE (points of test AP)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(loc="lower left")
