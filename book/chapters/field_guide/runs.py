"""The settings side by side: what an annotator tells about an example, and what is left unsaid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from chapters.large_loss_matters import runs as llm
from weaklabels.lab.store import Record
from weaklabels.press import style as figures

PRESENT, ABSENT, UNKNOWN, POSSIBLE = 1, -1, 0, 2
"""What is told about one class of one example; ``POSSIBLE`` is a candidate."""

FILL = {PRESENT: "#0072B2", POSSIBLE: "#9CCBEA", ABSENT: "#FFFFFF", UNKNOWN: "#D4D4D4"}
NAMES = {
    PRESENT: "told: present",
    POSSIBLE: "told: may be present",
    ABSENT: "told: absent",
    UNKNOWN: "nothing told",
}


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


def draw_setting(ax: Axes, told: np.ndarray, truth: np.ndarray, title: str) -> None:
    """One example a row, one class a column; a dot marks what is truly present, a cross an error.

    Args:
        ax: where to draw.
        told: ``(N, K)``, the codes above.
        truth: ``(N, K)`` in {0, 1}.
        title: of the panel.
    """
    rows, columns = truth.shape
    for i in range(rows):
        for k in range(columns):
            fill = FILL[int(told[i, k])]
            ax.add_patch(Rectangle((k, i), 1, 1, fc=fill, ec="#888888", lw=0.6))
            claims = {PRESENT: 1, ABSENT: 0}.get(int(told[i, k]))
            if claims is not None and claims != truth[i, k]:
                ax.plot(k + 0.5, i + 0.5, "x", color="#D55E00", ms=7, mew=2)
            elif truth[i, k]:
                ax.plot(k + 0.5, i + 0.5, "o", color="black", mec="white", mew=0.8, ms=5.5)
    ax.set(xlim=(0, columns), ylim=(rows, 0), aspect="equal")
    ax.set_xticks(np.arange(columns) + 0.5, range(columns))
    ax.tick_params(axis="x", length=0, pad=1)
    ax.set_yticks([])
    ax.grid(False)
    ax.set_title(title, fontsize=10)


def legend(fig: Figure) -> None:
    """Explain fills and marks below the panels."""
    handles: list = [Patch(fc=FILL[code], ec="#888888", label=NAMES[code]) for code in NAMES]
    handles += [
        Line2D([], [], marker="o", color="black", mec="white", ls="", ms=6, label="truly present"),
        Line2D([], [], marker="x", color="#D55E00", ls="", ms=7, mew=2, label="told wrongly"),
    ]
    fig.legend(handles=handles, loc="outside lower center", ncols=3)


# -- what the network knows -----------------------------------------------------------------------


def beliefs(records: Sequence[Record]) -> np.ndarray:
    """Mean probability (%) that a network gives to the true labels nobody wrote down.

    Args:
        records: runs that tracked ``"entry_logits"``, on single positive labels or on all of them.

    Returns:
        ``(runs, epochs)``. The labels are those that the single positive annotation of the same
        seed leaves out, whatever the run itself was told.
    """
    rows = []
    for record in records:
        hidden = llm.entry_kinds(single_positive_twin(record))["FN"]
        logits = record["entry_logits"].astype(float)
        rows.append(100 * (1 / (1 + np.exp(-logits[:, hidden]))).mean(1))
    return np.array(rows)


def single_positive_twin(record: Record) -> Record:
    """The record with the annotation of a single-positive run of the same data and seed."""
    spec = record.spec | {"annotation": "single positive", "annotation_options": []}
    return Record(spec, record.values, record.provenance)


def map_curves(records: Sequence[Record]) -> np.ndarray:
    """Test mAP (%) after every epoch, ``(runs, epochs)``."""
    return np.array([record["test_ap"].mean(1) for record in records])


def figure_knowledge(
    image: np.ndarray,
    present: Sequence[str],
    kept: str,
    runs: dict[str, Sequence[Record]],
) -> Figure:
    """A scene with its one label, what networks believe of the others, and what they learn.

    Args:
        image: ``(c, h, w)`` in [0, 1].
        present: names of the classes on it.
        kept: the one that was written down.
        runs: by the name to show.
    """
    fig, (scene, belief, score) = figures.panels(3, height=3.3, width_ratios=(0.8, 1.1, 1.1))
    figures.show_image(scene, image)
    others = ", ".join(name for name in present if name != kept)
    scene.set_title(f"written down: {kept}\nalso there: {others}", fontsize=10)
    for name, records in runs.items():
        epochs = np.arange(1, len(records[0]["entry_logits"]) + 1)
        figures.band(belief, epochs, beliefs(records), name)
        figures.band(score, epochs, map_curves(records), name)
    belief.set(ylabel="belief in labels left out (%)", ylim=(0, 100))
    score.set(ylabel="test mAP (%)")
    for ax in (belief, score):
        figures.epoch_axis(ax)
    fig.legend(*belief.get_legend_handles_labels(), loc="outside lower center", ncols=len(runs))
    return fig


def settings_table(settings: dict[str, tuple[np.ndarray, np.ndarray]]) -> pd.DataFrame:
    """``what_is_left`` of each setting, ready to show.

    Args:
        settings: name -> what is told and the truth, each ``(N, K)``.
    """
    rows = {name: what_is_left(told, truth) for name, (told, truth) in settings.items()}
    return pd.DataFrame(rows).T.map(lambda value: "-" if np.isnan(value) else f"{value:.1f}")
