"""What is kept of the runs of the profile ``paper``: numbers in place of curves, by function.

Everything that a run returns lies in ``build/paper/runs``; what is committed is small, and says
what each number is. Nothing is guessed from a shape: three numbers may be three scores, three
epochs, or three classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from weaklabels.lab.store import Record

Reading = Callable[[np.ndarray], dict[str, Any]]
"""A value of a run -> what is kept of it, by what is added to the value's name."""

Kept = dict[str, list[Any]]
"""Name -> what is kept of each run: a number, some in lists, or None where one is not finite."""


def last(value: np.ndarray) -> dict[str, Any]:
    """Of a curve ``(times, ...)`` the end, mean over classes; a number as it is."""
    return {"": np.mean(np.atleast_1d(value)[-1])}


def each(value: np.ndarray) -> dict[str, Any]:
    """All of a few numbers."""
    return {"": value}


def mean(value: np.ndarray) -> dict[str, Any]:
    """Of ``(images, ...)`` the mean over images."""
    return {"": np.mean(value, axis=0)}


def length(value: np.ndarray) -> dict[str, Any]:
    """Of vectors ``(times, n)`` the length of the last one."""
    return {"": np.linalg.norm(value[-1])}


def parts(*names: str) -> Reading:
    """Of several scores in one array each under its own name.

    Raises:
        ValueError: from the reading, if there are more or fewer than names.
    """
    return lambda value: {f" {name}": n for name, n in zip(names, value, strict=True)}


MULTILABEL = {"val_ap": last, "test_ap": last}
TWO_STAGE = {**MULTILABEL, "val_ap_current": last, "test_ap_current": last}
CANDIDATES = dict.fromkeys(
    ("train_accuracy", "val_accuracy", "test_accuracy", "select IM-max"), last
)
NOISY = dict.fromkeys(("test", "test_average", "validation", "fitted", "auc"), last)
MOGD = dict.fromkeys(("select weights", "auc", "dropped", "clean loss"), last)
ATTACKED = dict.fromkeys(("natural", "robust", "fgsm", "margin", "validation"), last)
EQUATION = dict.fromkeys(
    ("loss", "error", "kept_loss", "kept_error", "coefficient", "diverged", "alpha"), last
)
ENHANCED = dict.fromkeys(("psnr", "ssim", "score", "light", "error", "follows"), mean)
STRUCTURE = parts("CD", "ID")

KEPT: dict[str, Mapping[str, Reading]] = {
    "weaklabels.lab.multilabel:run": MULTILABEL,
    "weaklabels.lab.candidate_sets:run": CANDIDATES,
    "weaklabels.lab.noisy_labels:run": NOISY,
    "weaklabels.lab.two_stage:run": TWO_STAGE,
    "weaklabels.lab.two_stage:warm_up": TWO_STAGE,
    "chapters.acknowledging_the_unknown.landscape:loss_landscape": {"map_steps": each, "map": each},
    "chapters.all_e.comparators:compare": ENHANCED,
    "chapters.all_e.comparators:direct_descent": ENHANCED,
    "chapters.all_e.runs:run": {**ENHANCED, "common": each},
    "chapters.head_to_head.classes:run_classes": CANDIDATES,
    "chapters.isgd_pinn.runs:inner": {"evaluations": each, "defect": each},
    "chapters.isgd_pinn.runs:run": EQUATION,
    "chapters.isgd_pinn.wide:run": {
        "modes": length, "predicted": length, "gap": last, "explicit": last, "alpha": last,
    },
    "chapters.l2d.runs:run": {
        "test": parts("mAP", "OF1", "CF1"), "val": last, "structure": STRUCTURE,
    },
    "chapters.l2d.runs:near_trained": {"structure": STRUCTURE},
    "chapters.l2d.runs:initial_sizes": {"hard": last, "term": last},
    "chapters.lfosa.runs:run": dict.fromkeys(
        ("accuracy", "precision", "recall", "same_counts"), last
    ),
    "chapters.mogd.runs:run": {**CANDIDATES, **MOGD},
    "chapters.pu_mlc.branches:change_at_start": {"change": last},
    "chapters.pu_mlc.demo:fit_flexible": {"risk": last, "accuracy": last},
    "chapters.pu_mlc.demo:fit_line": {"weights": each, "accuracy": each},
    "chapters.pu_mlc.runs:run": MULTILABEL,
    "chapters.self_crowd.runs:run": {"*/recall": last},
    "chapters.stability_attacks.gaussian:fit": ATTACKED,
    "chapters.stability_attacks.runs:among_strangers": {**ATTACKED, "curve": each},
    "chapters.stability_attacks.runs:craft": {},
    "chapters.stability_attacks.runs:run": {**ATTACKED, "curve": each},
}  # fmt: skip
"""Function, ``module:name`` -> value of its runs, or a pattern of names -> how it is read. Nothing
is kept of functions that make what other runs use, such as images."""


def name_of(function: Callable[..., Any]) -> str:
    """How a function is named in ``KEPT``."""
    return f"{function.__module__}:{function.__qualname__}"


def kept_of(function: str) -> Mapping[str, Reading]:
    """What is kept of the runs of a function, ``module:name``.

    Raises:
        ValueError: if nothing is said of it, so that what its runs find would be lost.
    """
    if function not in KEPT:
        raise ValueError(f"nothing is said of what to keep of {function}: expected a line in KEPT")
    return KEPT[function]


def scores(records: Sequence[Record], kept: Mapping[str, Reading]) -> Kept:
    """What is kept of runs, one entry each, of the values that all of them have.

    Where runs say which epoch was best in validation, scores of that one stand beside the last.
    """
    names = [
        (name, reading)
        for name in records[0].values
        for pattern, reading in kept.items()
        if fnmatchcase(name, pattern) and all(name in record.values for record in records)
    ]
    found: Kept = {}
    for name, reading in names:
        for record in records:
            for part, value in reading(record[name]).items():
                found.setdefault(f"{name}{part}", []).append(_plain(value))
            if reading is last and "best_epoch" in record.values:
                value = last(record[name][: int(record["best_epoch"])])[""]
                found.setdefault(f"{name}, best epoch", []).append(_plain(value))
    return found


def _plain(value: Any) -> Any:
    """Numbers as JSON has them, to six digits."""
    if isinstance(value, np.ndarray) and value.ndim:
        return [_plain(part) for part in value]
    return float(f"{float(value):.6g}") if np.isfinite(value) else None


def says_something(rows: Mapping[str, Kept]) -> bool:
    """Whether anything in a table is a number."""

    def numbers(value: Any) -> bool:
        return any(map(numbers, value)) if isinstance(value, list) else value is not None

    return any(numbers(runs) for kept in rows.values() for runs in kept.values())


def by_difference(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Runs without names: a row is named by the fields in which its specs differ from others', and
    holds those that differ in the seed alone."""
    fields = [dict(_fields(asdict(record.spec))) for record in records]
    names = dict.fromkeys(name for one in fields for name in one if name != "seed")
    differing = [name for name in names if len({str(one.get(name)) for one in fields}) > 1]
    rows: dict[str, list[Record]] = {}
    for one, record in zip(fields, records, strict=True):
        row = ", ".join(f"{name} {one.get(name)}" for name in differing) or "all"
        rows.setdefault(row, []).append(record)
    return rows


def _fields(value: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Fields of a spec, those of its parts as ``part.field``."""
    found = []
    for name, part in value.items():
        inner = isinstance(part, Mapping)
        found += _fields(part, f"{before}{name}.") if inner else [(f"{before}{name}", part)]
    return found
