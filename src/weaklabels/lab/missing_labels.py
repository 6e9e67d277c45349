"""Missing labels: the run that others vary, the labels it draws, and how its records are read.

Everything here belongs to the protocol of :mod:`weaklabels.lab.multilabel`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from weaklabels.lab.multilabel import Pretraining, Spec, annotate, load_splits, mean_ap_at, run
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record
from weaklabels.lab.tuned import FIRST_TUNING_SEED
from weaklabels.train import OptimiserSpec

TUNING_SEEDS = tuple(range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + 3))

K = TypeVar("K", bound=Hashable)


def single_positive_spec(setting: Setting) -> Spec:
    """The run that others vary: naive assume-negative, one positive label an image."""
    scenes = Spec(
        "AN",
        options(epsilon=0.0),
        data_options=options(pretrain=3000),
        pretraining=Pretraining(),
        epochs=15,
        batch_size=16,
        optimiser=OptimiserSpec("adam", lr=1e-3, head_lr=1e-2),
        device=setting.device,
    )
    return setting.choose(
        quick=scenes,
        paper=photographs(setting.data_root, setting.device),
        smoke=replace(
            scenes,
            data_options=options(pretrain=60, train=64, val=30, test=30),
            pretraining=Pretraining(epochs=1),
            epochs=3,
        ),
    )


def photographs(data_root: str, device: str) -> Spec:
    """The same on VOC 2012, with the settings of Kim et al. (CVPR 2022); the split is fixed."""
    return Spec(
        "AN",
        options(epsilon=0.0),
        dataset="voc2012",
        data_root=data_root,
        data_options=options(resolution=448, seed=1200),
        network="resnet50",
        network_options=options(pretrained=True, normalise=True),
        epochs=10,
        batch_size=16,
        optimiser=OptimiserSpec("sgd", lr=5e-3, head_lr=5e-2, weight_decay=1e-3),
        device=device,
        augment=(("flip",),),
        precision="bfloat16",
        checkpoint=True,
    )


def training_labels(spec: Spec) -> tuple[np.ndarray, np.ndarray]:
    """Truth and observed labels of the training set of a run, ``(N, C)``."""
    truth = load_splits(spec).train.y.numpy()
    return truth, annotate(spec, truth)


def label_kinds(truth: np.ndarray, observed: np.ndarray) -> dict[str, np.ndarray]:
    """Masks of training labels: TP, TN and FN if what is unknown is assumed negative.

    Args:
        truth, observed: ``(N, C)``, from a record that tracked entries or ``training_labels``.
    """
    return {
        "TP": observed == 1,
        "FN": (observed == 0) & (truth == 1),
        "TN": (observed == 0) & (truth == 0),
    }


def modified_labels(record: Record) -> np.ndarray:
    """Entries that the method modified in each epoch, ``(epochs, N, C)`` bool.

    Args:
        record: of a run that tracked ``"modified"``.
    """
    classes = record["test_ap"].shape[1]
    return np.unpackbits(record["modified"], axis=2, count=classes).astype(bool)


def mean_ap(records: Sequence[Record], moment: str = "best") -> np.ndarray:
    """Test mAP (%) of each run at the ``"best"`` validation epoch or the ``"last"``."""
    return np.array([mean_ap_at(record, moment) for record in records])


def best_validation(records: Sequence[Record]) -> float:
    """Best validation mAP (%), mean over runs: what a choice may look at."""
    return float(np.mean([record["val_ap"].mean(1).max() for record in records]))


def validation_scores(
    setting: Setting, trials: Mapping[K, Spec], seeds: Sequence[int] = TUNING_SEEDS
) -> dict[K, list[float]]:
    """Best validation mAP (%) over the epochs of every trial, one value a tuning seed.

    Args:
        setting: where to compute and what to keep.
        trials: what is tried -> its run.
        seeds: of the repetitions.
    """
    return {
        name: [round(best_validation([record]), 3) for record in records]
        for name, records in setting.repeat(run, trials, seeds).items()
    }
