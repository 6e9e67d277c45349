"""What is run for the chapter on *Large Loss Matters* (Kim et al., CVPR 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from weaklabels.lab.missing_labels import single_positive_spec
from weaklabels.lab.multilabel import Spec
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options

LL = ("LL-R", "LL-Ct", "LL-Cp")
TABLE_METHODS = ("Full label", "Naive AN", "WAN", "LSAN", "EPR", "ROLE", *LL)
FEWER_METHODS = ("Naive AN", "LSAN", "ROLE", "LL-Ct", "Full label")
SPARSE_METHODS = ("Naive IU", "Curriculum", "Naive AN", "WAN", "LSAN", *LL)
MAP_METHODS = ("Naive AN", "ROLE", "LL-Ct")

VOC_RATES = {"LL-R": 0.002, "LL-Ct": 0.002, "LL-Cp": 0.001}
"""Share of the labels per epoch, the authors' choice for VOC (official repository, issue 4)."""

RATES = {
    "scenes": {"LL-R": 0.020, "LL-Ct": 0.010, "LL-Cp": 0.008},
    "voc2012": VOC_RATES,
    "voc2012_features": VOC_RATES,
}
"""The same by dataset; on scenes 15 % of all labels are false negatives."""


@dataclass(frozen=True)
class Settings:
    """The settings of a profile.

    Attributes:
        base: the run that all others vary, naive AN with one positive label an image.
        watched_epochs: length of the run in which memorisation is watched.
        rates: of LL-Ct, for the study of Figure 5.
        sizes: numbers of training images, for the study of Figure 6; all of them come on top.
    """

    base: Spec
    watched_epochs: int
    rates: tuple[float, ...]
    sizes: tuple[int, ...]


def settings(chapter: Setting) -> Settings:
    """The settings of the chapter's profile."""
    return Settings(
        single_positive_spec(chapter),
        watched_epochs=chapter.choose(quick=35, paper=10, smoke=3),
        rates=chapter.choose(
            quick=(0.0025, 0.005, 0.010, 0.015, 0.020, 0.030, 0.060),
            paper=(0.001, 0.002, 0.003, 0.004, 0.005),
            smoke=(0.010, 0.060),
        ),
        sizes=chapter.choose(quick=(125, 250, 500), paper=(457, 1143, 2287), smoke=(80,)),
    )


def vary(base: Spec, name: str, rate: float | None = None) -> Spec:
    """The same run with a method of the tables, by the name used there.

    Args:
        base: what is varied.
        name: of the method.
        rate: of LL; None: the one of the dataset.
    """
    if name == "Full label":
        return replace(base, method="IU", method_options=options(epsilon=0.0), annotation="full")
    if name in LL:
        chosen = RATES[base.dataset][name] if rate is None else rate
        return replace(base, method=name, method_options=options(rate=chosen))
    if name.startswith("Naive "):
        method = name.removeprefix("Naive ")
        return replace(base, method=method, method_options=options(epsilon=0.0))
    return replace(base, method=name, method_options=())


def table(base: Spec, methods: Sequence[str] = TABLE_METHODS) -> dict[str, Spec]:
    """A run with each of the methods."""
    return {name: vary(base, name) for name in methods}


def watched(chosen: Settings) -> dict[str, Spec]:
    """Figure 1 and Table 1: naive AN, longer than is good for it, with all training logits."""
    longer = replace(chosen.base, epochs=chosen.watched_epochs, track=("entry_logits",))
    return {"Naive AN": longer}


def end_to_end(chosen: Settings) -> dict[str, Spec]:
    """Table 2 without linear phase, and Table 4; LL also records what it modifies, at which logits.

    Figures 3 and 4 come from the same runs.
    """
    rows = table(replace(chosen.base, track=("pointing",)))
    more = ("pointing", "modified", "entry_logits")
    return rows | {name: replace(rows[name], track=more) for name in LL}


def linear_init(chosen: Settings) -> dict[str, Spec]:
    """Table 2 with a linear phase first."""
    return table(replace(chosen.base, linear_init=True))


def rate_study(chosen: Settings) -> dict[float, Spec]:
    """Figure 5: LL-Ct at each rate."""
    return {rate: vary(chosen.base, "LL-Ct", rate) for rate in chosen.rates}


def size_study(chosen: Settings) -> dict[tuple[int, str], Spec]:
    """Figure 6: (number of training images, method) -> run."""
    return {
        (size, name): vary(replace(chosen.base, train_size=size), name)
        for size in chosen.sizes
        for name in FEWER_METHODS
    }


def sparse(chosen: Settings) -> dict[str, Spec]:
    """In place of Table 3: one positive and two negatives are annotated."""
    known = options(positives=1, negatives=2)
    base = replace(chosen.base, annotation="few labels", annotation_options=known)
    return table(base, SPARSE_METHODS)


def maps(chosen: Settings) -> dict[str, Spec]:
    """Runs that keep their weights, for class activation maps."""
    return table(replace(chosen.base, track=("weights",)), MAP_METHODS)
