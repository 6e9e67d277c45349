"""The figures of *Large Loss Matters* on photographs, or a note that nothing is recorded yet."""

from __future__ import annotations

from matplotlib.figure import Figure

from chapters.large_loss_matters import figures, photographs
from weaklabels.press import style


def draw_memorisation(rows: photographs.Rows) -> Figure:
    """Figure 1 of the paper under naive AN: the mean over all labels of a kind."""
    if not rows:
        return style.draw_note(photographs.NOTHING)
    return figures.draw_mean_memorisation(photographs.curves(rows[photographs.NAIVE]))


def draw_separation(rows: photographs.Rows) -> Figure:
    """How well the loss separates the two kinds under naive AN, and Table 1."""
    if not rows:
        return style.draw_note(photographs.NOTHING)
    return figures.draw_separation(photographs.curves(rows[photographs.NAIVE]))


def draw_methods(rows: photographs.Rows) -> Figure:
    """Table 2 as a dot plot."""
    if not rows:
        return style.draw_note(photographs.NOTHING)
    return figures.draw_methods(photographs.scores(rows), "photographs")


def draw_precision(rows: photographs.Rows) -> Figure:
    """Figure 4 of the paper, and what modifying does to the separation."""
    if not rows:
        return style.draw_note(photographs.NOTHING)
    auc = {
        "LL-R": photographs.curves(rows["LL-R"])["AUC"],
        "naive AN": photographs.curves(rows[photographs.NAIVE])["AUC"],
    }
    precision, guessing = photographs.precision(rows), photographs.guessing(rows)[:, None]
    constant = {name: guessing.repeat(runs.shape[1], 1) for name, runs in precision.items()}
    return figures.draw_precision(precision, constant, auc)
