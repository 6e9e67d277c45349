"""What an annotator tells about an example, what is left unsaid, and what networks make of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from weaklabels.lab.multilabel import Spec, annotate, load_splits
from weaklabels.lab.store import Record

PRESENT, ABSENT, UNKNOWN, POSSIBLE = 1, -1, 0, 2
"""What is told about one class of one example; ``POSSIBLE`` is a candidate."""


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """``(N,)`` class numbers -> ``(N, K)`` int8 in {0, 1}; a row for -1 is all zeros."""
    return (np.asarray(labels)[:, None] == np.arange(classes)).astype(np.int8)


def open_set(truth: np.ndarray, known: int, asked: np.ndarray) -> np.ndarray:
    """What is told in open-set annotation, where only the first classes have a name.

    Args:
        truth: ``(N, K)`` in {0, 1}, one class per row.
        known: number of classes that the annotator has a name for.
        asked: ``(N,)`` bool, the examples that were bought.

    Returns:
        ``(N, K)``: of an example that was asked about, its class, or that it is none of the known
        ones; nothing of the others.
    """
    told = np.where(truth == 1, PRESENT, ABSENT)
    told[:, known:] = UNKNOWN
    return np.where(asked[:, None], told, UNKNOWN)


def what_is_left(told: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """How much of the truth an annotation tells, in percent.

    Args:
        told: ``(N, K)``, the codes above.
        truth: ``(N, K)`` in {0, 1}.

    Returns:
        the share of entries that are told for certain, the share of the present classes that are,
        and how many of the certain statements are wrong (NaN if there are none).
    """
    certain = np.isin(told, (PRESENT, ABSENT))
    wrong = certain & ((told == PRESENT) != (truth == 1))
    return {
        "entries told (%)": 100 * certain.mean(),
        "present classes told (%)": 100 * (told[truth == 1] == PRESENT).mean(),
        "told wrongly (%)": 100 * wrong.sum() / certain.sum() if certain.any() else np.nan,
    }


def settings_table(settings: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> pd.DataFrame:
    """``what_is_left`` of each setting, ready to show.

    Args:
        settings: name -> what is told and the truth, each ``(N, K)``.
    """
    rows = {name: what_is_left(told, truth) for name, (told, truth) in settings.items()}
    return pd.DataFrame(rows).T.map(lambda value: "-" if np.isnan(value) else f"{value:.1f}")


def written_down(truth: np.ndarray, told: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """How often a true label is written down, by the number of classes of its scene.

    Args:
        truth: ``(N, K)`` in {0, 1}.
        told: what is told by setting; of these "positive-unlabelled" and "single positive".
    """
    objects = truth.sum(1)
    rows = {}
    for m in np.unique(objects[objects > 0]):
        here, present = objects == m, truth[objects == m] == 1
        rows[f"{m} classes" if m > 1 else "1 class"] = {
            "scenes": here.sum(),
            "positive-unlabelled": (told["positive-unlabelled"][here] == 1)[present].mean(),
            "expected there": 0.5,
            "single positive": (told["single positive"][here] == 1)[present].mean(),
            "expected there ": 1 / m,
        }
    return pd.DataFrame(rows).T.round(2).astype({"scenes": int})


# -- what the network knows -----------------------------------------------------------------------


def beliefs(records: Sequence[Record]) -> np.ndarray:
    """Mean probability (%) that a network gives to the true labels nobody wrote down.

    Args:
        records: runs that tracked ``"entry_logits"``, on single positive labels or on all of them.

    Returns:
        ``(runs, epochs)``, see ``left_out``.
    """
    rows = []
    for record in records:
        logits = record["entry_logits"].astype(float)[:, left_out(record.spec)]
        rows.append(100 * (1 / (1 + np.exp(-logits))).mean(1))
    return np.array(rows)


def left_out(spec: Spec) -> np.ndarray:
    """``(N, C)`` bool: the true labels that the single positive annotation of a seed leaves out.

    Drawn here, since runs that were told all labels are asked for it too.
    """
    truth = load_splits(spec).train.y.numpy()
    told = annotate(replace(spec, annotation="single positive", annotation_options=()), truth)
    return (truth == 1) & (told == 0)


def map_curves(records: Sequence[Record]) -> np.ndarray:
    """Test mAP (%) after every epoch, ``(runs, epochs)``."""
    return np.array([record["test_ap"].mean(1) for record in records])
