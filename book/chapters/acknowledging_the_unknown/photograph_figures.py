"""The figures of *Acknowledging the Unknown* on photographs, or a note that there is no record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from chapters.acknowledging_the_unknown import figures, photographs, tables
from weaklabels.press import style


def draw_wasserstein(rows: photographs.Rows) -> Figure:
    """Distances per class, EM against AN."""
    if not rows:
        return style.draw_note(photographs.NOTHING)
    return figures.draw_wasserstein(
        photographs.wasserstein(rows, "EM"), photographs.wasserstein(rows, "AN")
    )


def draw_densities(rows: photographs.Rows) -> Figure:
    """Densities of *person* under AN and EM, on training and on test photographs."""
    if not rows:
        return style.draw_note(photographs.NOTHING)
    person = [{"row": name, **rows[name]["person"]} for name in ("AN", "EM")]
    return figures.draw_densities(tables.recorded_densities({"person": person}))


def draw_class_gain(rows: photographs.Rows, record: Mapping[str, Any] | None) -> Figure:
    """AP of EM minus that of AN, class by class."""
    if record is None:
        return style.draw_note(photographs.NOTHING)
    return figures.draw_class_gain(photographs.class_gain(rows), photographs.classes_of(record))


def draw_training(rows: photographs.Rows) -> Figure:
    """Loss of the annotated labels, and the gradients that the others felt, by epoch."""
    if not rows:
        return style.draw_note(photographs.NOTHING)
    fig, (left, right) = style.panels(2)
    for name, colour in (("AN", figures.AN), ("EM", figures.EM)):
        losses = photographs.annotated_loss(rows, name)
        epochs = np.arange(1, losses.shape[1] + 1)
        style.band(left, epochs, losses, name, colour=colour)
        for kind, line, what in (("FN", "-", "hidden positives"), ("TN", "--", "negatives")):
            runs = photographs.gradients(rows, name, kind)
            style.band(right, epochs, runs, f"{name}, {what}", colour=colour, style=line)
    left.set(ylabel="loss of annotated labels (nats)", ylim=(0, None))
    right.axhline(0, color="black", linewidth=0.8)
    right.set(ylabel="mean gradient (hundredths)")
    for ax in (left, right):
        style.epoch_axis(ax)
    left.legend()
    fig.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig


def draw_pseudo_labels(rows: photographs.Rows) -> Figure:
    """Errors of the pseudo-labels, and what they change in validation mAP."""
    if not rows:
        return style.draw_note(photographs.NOTHING)
    guessing = rows["EM+APL"]["pseudo-labels"]["guessing"]
    gain = np.subtract(rows["EM+APL"]["validation"], rows[photographs.PUBLISHED_EM]["validation"])
    return figures.draw_pseudo_labels(photographs.pseudo_labels(rows), guessing, gain)
