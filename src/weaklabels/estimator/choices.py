"""Which method takes which labels, and what it is told unless its user says otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

from torch import Tensor

from weaklabels import methods
from weaklabels.estimator.settings import options_of

DISTILLATION = ("FitNet", "L2D", "MLD", "MSE", "PKT", "PS", "RKD", "ReviewKD", "Softmax KD")
"""Methods that compare a student with a teacher: their networks have an embedding a class."""

SETS_OF_LABELS = ("CDCR",)
"""Methods on candidate sets of which several labels may be true."""

PSEUDO_LABELS = ("CAP", "CAP, true proportions", "FreeMatch", "Top-k", "IAT", "True labels")
"""Methods on rows without any label beside rows with all."""

NEED_NEGATIVES = {
    "Annotated", "CAP", "CAP thresholds", "Curriculum", "FreeMatch", "IAT", "IU", "Partial BCE",
    "Top-k", "True labels",
}  # fmt: skip
"""Methods that learn what is absent from negative labels alone."""

NEED_IMAGES = {"CAM selection", *DISTILLATION}
"""Methods that work on maps."""

NEED_PIXELS = {"MART", "PGD-AT", "TRADES"}
"""Methods that move inputs, within [0, 1]."""


def lineage(name: str) -> list[str]:
    """The method and those that it is made from, whose rules are its own, nearest first."""
    return [cls.__dict__["name"] for cls in methods.get(name).__mro__ if "name" in cls.__dict__]


def is_any(name: str, names: Collection[str]) -> bool:
    """Whether a method is one of these, or made from one."""
    return any(each in names for each in lineage(name))


def kinds_of(name: str) -> set[str]:
    """The kinds of labels that a method takes, keys of ``KINDS``."""
    form = methods.get(name).label_form
    if form == "candidates" or is_any(name, SETS_OF_LABELS):
        return {"candidates"}
    if form == "partial":
        kinds = set() if is_any(name, PSEUDO_LABELS) else {"missing"}
        also = {"Annotated", "IU", "Partial BCE", *PSEUDO_LABELS}
        return kinds | ({"partly labelled"} if is_any(name, also) else set())
    if form == "answers":
        return {"crowd"}
    return {"noisy", "crowd"}


KINDS = {
    "missing": "(N, C) of +1 present, -1 absent, 0 unknown",
    "candidates": "(N, C) bool, True for a label that may be the right one",
    "noisy": "(N,) one class a row, some of them wrong",
    "partly labelled": "(N, C) of +1 and -1 in some rows, 0 in all others",
    "crowd": "(N, R) number of the class that each of R workers named, -1 for none",
}
"""Kinds of labels, in words."""


def fitting(kind: str) -> list[str]:
    """Names of the methods for a kind of labels, sorted.

    Raises:
        ValueError: if the kind is unknown.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind of labels {kind!r}: expected one of {', '.join(KINDS)}")
    return [name for name in methods.names() if kind in kinds_of(name)]


# --- options -------------------------------------------------------------------------------------


def false_negative_share(observed: Tensor) -> float:
    """Estimated share of present labels among the unknown ones.

    Where negatives are annotated: the share of present ones among the known labels. Where only
    present ones are, nothing tells, and half the share of annotated labels is taken: for an image
    with one annotated label of one and a half. Never above a half.
    """
    present, absent = int((observed == 1).sum()), int((observed == -1).sum())
    share = present / (present + absent) if absent else present / observed.numel() / 2
    return min(share, 0.5)


def expected_positives(observed: Tensor) -> float | None:
    """Mean number of present labels of a row, where negatives tell it; else None.

    The sum over classes of the share of present ones among the known labels of the class.
    """
    known = (observed != 0).sum(0)
    if not (observed == -1).any() or not known.all():
        return None
    return float(((observed == 1).sum(0) / known).sum())


def _large_loss(observed: Tensor, epochs: int) -> dict[str, Any]:
    return {"rate": false_negative_share(observed) / max(epochs - 1, 1)}


def _warm_up(share: float, most: int) -> Callable[[Tensor, int], dict[str, Any]]:
    def rule(observed: Tensor, epochs: int) -> dict[str, Any]:
        return {"warm_up": min(most, math.ceil(share * epochs))}

    return rule


def _apl(observed: Tensor, epochs: int) -> dict[str, Any]:
    if epochs < 2:
        raise ValueError("method 'EM+APL' labels between epochs: give it two epochs or more")
    return {"alpha": 0.1, "beta": 0.5, "warm_up": max(1, 3 * epochs // 4), "epochs": epochs}


def _nlnl(observed: Tensor, epochs: int) -> dict[str, Any]:
    return {"negative": math.ceil(epochs / 2), "selective": math.ceil(3 * epochs / 4)}


RULES: dict[str, Callable[[Tensor, int], dict[str, Any]]] = {
    "EM": lambda observed, epochs: {"alpha": 0.1},
    "EntMin": lambda observed, epochs: {"alpha": 0.1},
    "EM+APL": _apl,
    "L1R": lambda observed, epochs: {"weight": 1e-5},
    "L2R": lambda observed, epochs: {"weight": 1e-4},
    **dict.fromkeys(("LL-R", "LL-Ct", "LL-Cp"), _large_loss),
    **dict.fromkeys((*PSEUDO_LABELS, "CAP thresholds"), _warm_up(1 / 2, 12)),
    **dict.fromkeys(SETS_OF_LABELS, _warm_up(1 / 3, 16)),
    "BLDR": _warm_up(1 / 3, 20),
    "Co-teaching": lambda observed, epochs: {"forget": 0.2, "ramp": max(1, epochs // 2)},
    "NLNL": _nlnl,
    "MART": lambda observed, epochs: {"eps": 8 / 255},
    "PGD-AT": lambda observed, epochs: {"eps": 8 / 255},
    "TRADES": lambda observed, epochs: {"eps": 8 / 255},
}
"""What methods are told beyond their own defaults: functions of labels and number of epochs."""


def options_for(
    name: str,
    named: Mapping[str, Any],
    observed: Tensor,
    *,
    epochs: int,
    classes: int,
    expected: float | None,
    seed: int,
) -> dict[str, Any]:
    """Options of a method: those that its user names, and what fits the labels for the others.

    Args:
        name: of the method.
        named: by the user.
        observed: the labels in the method's form.
        epochs: of the training.
        classes: C.
        expected: mean number of present labels of a row, if it is known.
        seed: for methods that draw.

    Raises:
        ValueError: if an option contradicts the labels, or the method cannot be told what it needs.
    """
    found: dict[str, Any] = {"seed": seed} if "seed" in options_of(name) else {}
    if name == "DL-CL":
        found |= {"classes": classes, "workers": observed.shape[1]}
        for option, value in named.items():
            if found.get(option, value) != value:
                raise ValueError(
                    f"option {option} of method {name!r} is {value}: expected {found[option]}, as "
                    "in the labels"
                )
    elif is_any(name, ("nnPU",)) and "known_share" not in named:
        if expected is None:
            raise ValueError(
                f"method {name!r} needs to know which share of the present labels is annotated, "
                "which labels without negatives do not tell: fit(..., expected_positives=), the "
                "mean number of present labels of a row"
            )
        share = float((observed == 1).double().sum()) / len(observed) / expected
        found["known_share"] = min(max(share, 1e-6), 1.0)
    elif is_any(name, RULES):
        found |= RULES[next(each for each in lineage(name) if each in RULES)](observed, epochs)
    return found | dict(named)
