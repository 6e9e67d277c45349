"""Figures of the CDCR chapter."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from chapters.cdcr.runs import METHODS, PAIR
from chapters.cdcr.tables import (
    Groups,
    Rows,
    labels_an_image,
    measured,
    recorded_class_gains,
    selected,
    shown_curves,
)
from weaklabels.lab.store import Record
from weaklabels.lab.two_stage import mean_ap
from weaklabels.press import style

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
        (*style.PALETTE[:6], style.PALETTE[7], style.PALETTE[6]),
        strict=True,
    )
)
COLOURS |= {f"{name}, in proportion": COLOURS[name] for name in PAIR}


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
    ax.bar(x, record["confidences"][epoch][order], color=style.PALETTE[5], label="confidence")
    ax.plot(x, record["thresholds"][epoch][order], "kD", ms=5, label="threshold")
    names = [classes[i] for i in order] if len(order) <= 20 else [""] * len(order)
    ax.set_xticks(x, names)
    top = max(1.0, 1.05 * float(record["thresholds"].max()))  # a bar may be above 1
    ax.set(xlabel="class, from frequent to rare", ylim=(0, top))


def draw_confidences(ax: Axes, found: Mapping[str, np.ndarray], threshold: float) -> None:
    """Histogram of the confidences of true and wrong candidates, with the threshold.

    Args:
        ax: where to draw.
        found: of ``runs.judged``.
        threshold: of the selection.
    """
    bins = np.linspace(0, 1, 26)
    for name, mask, colour in (
        ("true candidates", found["true"], style.PALETTE[2]),
        ("wrong candidates", ~found["true"], style.PALETTE[1]),
    ):
        ax.hist(found["confidence"][mask], bins, color=colour, alpha=0.6, label=name)
    ax.axvline(threshold, color="black", ls="--", lw=1.2, label="threshold")
    ax.set(xlabel="confidence after the warm-up", ylabel="candidates")
    ax.legend()


def draw_curves(ax: Axes, groups: Mapping[str, Sequence[Record]], name: str) -> None:
    """Purity or recall of the selected candidates by epoch of the second stage (see ``curves``)."""
    for line, (method, records) in zip(("-", "--", "-.", ":"), groups.items(), strict=False):
        values = shown_curves(records, name)
        epochs = np.arange(1, values.shape[1] + 1)
        with warnings.catch_warnings():  # an epoch at which no seed selects anything
            warnings.simplefilter("ignore", RuntimeWarning)
            style.band(ax, epochs, values, method, colour=COLOURS[method], style=line)
    style.epoch_axis(ax)
    if ax.get_ylim()[1] > 102:  # a band may pass 100, no share does
        ax.set_ylim(top=102)
    ax.set_ylabel(
        {"purity": "true among the selected (%)", "recall": "true that are selected (%)"}[name]
    )


def draw_selected(ax: Axes, groups: Mapping[str, Sequence[Record]]) -> None:
    """Selected candidates an image by epoch of the second stage, with the number of true labels."""
    for line, (method, records) in zip(("-", "--", "-.", ":"), groups.items(), strict=False):
        values = selected(records)
        epochs = np.arange(1, values.shape[1] + 1)
        style.band(ax, epochs, values, method, colour=COLOURS[method], style=line)
    ax.axhline(labels_an_image(records), color="grey", ls=":", label="true labels")
    style.epoch_axis(ax)
    ax.set(ylabel="selected an image", ylim=(0, None))


def draw_broken(groups: Mapping[str, Sequence[Record]]) -> Figure:
    """Recall of the selection and number selected an image, on the scenes where it breaks down."""
    fig, axes = style.panels(2, height=3.6)
    draw_curves(axes[0], groups, "recall")
    draw_selected(axes[1], groups)
    axes[0].set(ylim=(0, 102))
    fig.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncol=2)
    return fig


def draw_thresholds_tried(
    panels: Mapping[str, tuple[Groups, np.ndarray]], thresholds: Sequence[float]
) -> Figure:
    """Test mAP against the threshold, one panel a kind of scenes, with BCE as a line.

    Args:
        panels: title -> records by (rule, threshold), and the test mAP of BCE.
        thresholds: that were tried.
    """
    fig, axes = style.panels(len(panels), height=3.6)
    for ax, (title, (groups, bce)) in zip(axes, panels.items(), strict=True):
        for line, name in zip(("-", "--"), PAIR, strict=True):
            values = np.array([mean_ap(groups[name, value]) for value in thresholds]).T
            style.band(ax, thresholds, values, name, colour=COLOURS[name], style=line)
        ax.axhline(bce.mean(), color=COLOURS["BCE"], ls=":", label="BCE")
        ax.set(xlabel="threshold", title=title)
    axes[0].set_ylabel("test mAP (%)")
    axes[0].legend()
    return fig


def draw_rates(records: Groups, rates: Sequence[float]) -> Figure:
    """Test mAP of all methods against the rate of wrong candidates."""
    fig, ax = style.panels(1, height=3.8)
    for line, name in zip(("--", "-.", "--", "-", ":"), METHODS, strict=True):
        values = np.array([mean_ap(records[name, rate]) for rate in rates]).T
        style.band(ax, rates, values, name, colour=COLOURS[name], style=line)
    ax.set_xticks(rates)
    ax.set(xlabel="rate of wrong candidates", ylabel="test mAP (%)")
    ax.legend()
    return fig


def draw_epochs(found: Mapping[str, tuple[np.ndarray, np.ndarray]], warm_up: int) -> Figure:
    """Test mAP over both stages.

    Args:
        found: method -> of ``tables.test_curve``.
        warm_up: epochs of the first stage.
    """
    fig, ax = style.panels(1, height=3.6)
    for line, (name, (epochs, scores)) in zip((":", "-", "--"), found.items(), strict=True):
        style.band(ax, epochs, scores, name, colour=COLOURS[name], style=line)
    ax.axvline(warm_up, color="#888888", lw=1)
    style.epoch_axis(ax)
    ax.set(ylabel="test mAP (%)")
    ax.legend(loc="lower right")
    return fig


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


# -- photographs and real candidates --------------------------------------------------------------

AXES = {
    "purity": "true among the selected (%)",
    "recall": "true that are selected (%)",
    "selected": "selected an example",
}


def draw_photograph_selection(rows: Rows) -> Figure:
    """Purity, recall and number of what is selected on photographs, by epoch; one row a rate."""
    rates = sorted({rate for _, rate in rows})
    fig, axes = style.panels(3, max(1, len(rates)), height=2.8, squeeze=False)
    for line, rate in zip(axes, rates, strict=False):
        groups = {name: rows[name, rate] for name in ("BCE", *PAIR)}
        draw_recorded_selection(line, groups)
        line[0].set_title(f"rate {rate:g}")
    style.legend_or_note(axes.ravel(), rows)
    return fig


def draw_mirflickr_selection(rows: Mapping[str, Mapping[str, Any]]) -> Figure:
    """The same on MirFlickr, from the first epoch of the warm-up on."""
    fig, axes = style.panels(3, height=3.0)
    draw_recorded_selection(axes, {name: rows[name] for name in ("BCE", *PAIR) if rows})
    style.legend_or_note(axes, rows)
    return fig


def draw_recorded_selection(axes: Sequence[Axes], groups: Mapping[str, Mapping[str, Any]]) -> None:
    """Three measures of ``tables.selected_by_epoch`` of recorded rows, BCE being all candidates."""
    for ax, (measure, label) in zip(axes, AXES.items(), strict=True):
        for line, (name, row) in zip((":", "-", "--"), groups.items(), strict=False):
            values = measured(row, measure)
            epochs = np.arange(1, values.shape[1] + 1)
            shown = "all candidates" if name == "BCE" else name
            style.band(ax, epochs, values, shown, colour=COLOURS[name], style=line)
        style.epoch_axis(ax)
        ax.set(ylabel=label, ylim=(0, None))
        if measure != "selected":
            ax.set_ylim(top=min(ax.get_ylim()[1], 102))


def draw_photograph_classes(rows: Rows, images: Mapping[str, int]) -> Figure:
    """Gain over BCE in the test AP of each class on photographs, one panel a rate.

    Args:
        rows: of the record.
        images: class -> training images.
    """
    rates = sorted({rate for _, rate in rows})
    fig, axes = style.panels(1, max(1, len(rates)), height=2.8, squeeze=False)
    order = np.argsort([-count for count in images.values()], kind="stable")
    ticks = [f"{name} ({count})" for name, count in images.items()]
    for ax, rate in zip(axes[:, 0], rates, strict=False):
        for marker, name in zip("oX", PAIR, strict=True):
            gains = recorded_class_gains(rows, name, rate)[:, order]
            x = np.tile(np.arange(gains.shape[1]), (len(gains), 1))
            ax.plot(x.T, gains.T, marker, ls="none", ms=4, color=COLOURS[name], alpha=0.5)
            ax.plot(x[0], gains.mean(0), color=COLOURS[name], lw=1.8, marker=marker, label=name)
        ax.axhline(0, color="#888888", lw=1)
        ax.set_xticks(range(len(ticks)), [ticks[i] for i in order], rotation=60, ha="right")
        ax.set(title=f"rate {rate:g}", ylabel="gain over BCE\n(points of test AP)")
    axes[-1, 0].set_xlabel("class (training images), from frequent to rare")
    style.legend_or_note(axes[:, 0], rows)
    return fig
