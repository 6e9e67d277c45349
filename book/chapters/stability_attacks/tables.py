"""Tables of the chapter on stability attacks: closed forms, records, published numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from weaklabels.lab.loading import load_splits
from weaklabels.lab.store import Record
from weaklabels.lab.tuned import Tuned
from weaklabels.methods.stability_attacks import Gaussians
from weaklabels.press.claims import mean_std

# -- the statistical setting ----------------------------------------------------------------------


def closed_forms(setting: Gaussians) -> pd.DataFrame:
    """Weights and accuracies for three kinds of training data and three budgets of the defence."""
    rows = {}
    for attack in ("clean", "adversarial", "hypocritical"):
        for budget in (0.0, setting.eps, setting.eps + setting.eta):
            w = setting.robust_weights(attack, budget)
            natural, robust = setting.accuracy(w), setting.accuracy(w, setting.eps)
            rows[attack, f"{budget:.1f}"] = [w[0], w[1], 100 * natural, 100 * robust]
    columns = ["strong weight", "weak weight", "natural (%)", "robust (%)"]
    return pd.DataFrame(rows, index=columns).T.round(2).rename_axis(["training data", "budget"])


def closed_form(setting: Gaussians, attack: str, budgets: np.ndarray) -> pd.DataFrame:
    """Natural and robust accuracy (%) for each defence budget, by the closed form."""
    weights = [setting.robust_weights(attack, budget) for budget in budgets]
    return pd.DataFrame(
        {
            "budget": budgets,
            "natural": [100 * setting.accuracy(w) for w in weights],
            "robust": [100 * setting.accuracy(w, setting.eps) for w in weights],
        }
    )


def fits(
    found: Mapping[tuple[str, float], Sequence[Record]],
) -> dict[str, dict[float, np.ndarray]]:
    """Training data -> budget -> ``(seeds, 2)`` natural and robust accuracy (%) of classifiers."""
    grouped: dict[str, dict[float, np.ndarray]] = {}
    for (kind, budget), records in found.items():
        both = [scores(records, measure) for measure in ("natural", "robust")]
        grouped.setdefault(kind, {})[budget] = np.stack(both, 1)
    return grouped


# -- digits ---------------------------------------------------------------------------------------

Found = Mapping[tuple[float, str, float], Sequence[Record]]
"""Radius, training images, budget of the defence -> one record a seed."""

MEASURES = {"natural": "natural", "fgsm": "FGSM", "robust": "PGD-20", "margin": "CW"}
"""Measure of a record -> its heading."""


def scores(records: Sequence[Record], measure: str) -> np.ndarray:
    """``(seeds,)`` of one measure."""
    return np.array([float(record[measure]) for record in records])


def radii(found: Found) -> list[float]:
    """Radii of the attacks, in the order of the runs."""
    return list(dict.fromkeys(eps for eps, _, _ in found))


def budgets(found: Found) -> list[float]:
    """Budgets that the defence of hypocritical images was given, in the order of the runs."""
    return list(dict.fromkeys(budget for _, kind, budget in found if kind == "hypocritical"))


def accuracies(groups: Mapping[str, Sequence[Record]]) -> pd.DataFrame:
    """Rows of runs, columns of test accuracies as ``mean ± std``."""
    return pd.DataFrame(
        {
            heading: {name: mean_std(scores(group, measure)) for name, group in groups.items()}
            for measure, heading in MEASURES.items()
        }
    )


def chosen(tuned: Sequence[Tuned]) -> pd.DataFrame:
    """What was chosen: one row a defence or victim, one column a setting. A star marks an end of
    what was tried that is no natural bound."""
    rows: dict[str, dict[str, str]] = {}
    for each in tuned:
        row = rows.setdefault(each.method, {})
        row[each.setting] = f"{each.chosen:g}" + "*" * (not each.interior)
    return pd.DataFrame(rows).T.fillna("-").rename_axis("defence or victim")


def strongest_attack(groups: Mapping[str, Sequence[Record]]) -> str:
    """Mean accuracy (%) of every row under the attack that leaves least, in Markdown."""
    left = []
    for name, group in groups.items():
        means = {MEASURES[m]: scores(group, m).mean() for m in ("robust", "margin")}
        attack = min(means, key=means.__getitem__)
        left.append(f"{name} {means[attack]:.1f} ({attack})")
    return "Under that of the two attacks which leaves less: " + ", ".join(left) + "."


def conventional(found: Found, eps: float) -> dict[str, Sequence[Record]]:
    """Training images -> records of the runs with the conventional budget at one radius."""
    return {kind: group for (e, kind, budget), group in found.items() if (e, budget) == (eps, 1.0)}


def by_radius(found: Found) -> pd.DataFrame:
    """Accuracies with the conventional budget: radius and training images."""
    return pd.concat(
        {f"{eps:.3g}": accuracies(conventional(found, eps)) for eps in radii(found)},
        names=["ε", "training images"],
    )


def strangers(found: Mapping[tuple[str, str], Sequence[Record]]) -> pd.DataFrame:
    """Accuracies by victim and training images (see ``runs.strangers``)."""
    frame = accuracies({f"{victim}|{kind}": group for (victim, kind), group in found.items()})
    frame.index = pd.MultiIndex.from_tuples(list(found), names=["victim", "training images"])
    return frame


def strengths(found: Found) -> dict[str, np.ndarray]:
    """Training images -> ``(seeds, strengths)`` accuracy by radius at test time, first radius."""
    groups = conventional(found, radii(found)[0])
    return {kind: np.array([record["curve"] for record in group]) for kind, group in groups.items()}


def by_budget(found: Found) -> dict[float, dict[str, dict[str, np.ndarray]]]:
    """Radius -> training images -> measure -> ``(seeds, budgets)`` accuracy."""
    return {
        eps: {
            kind: {
                measure: np.stack([scores(found[eps, kind, b], measure) for b in budgets(found)], 1)
                for measure in ("natural", "robust")
            }
            for kind in ("clean", "hypocritical")
        }
        for eps in radii(found)
    }


def pictures(images: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Stored images, bytes or fractions, with values in [0, 1]."""
    return {
        name: stored / (255 if stored.dtype == np.uint8 else 1) for name, stored in images.items()
    }


def on_empty(crafted: Mapping[str, Sequence[Record]], most: int = 1000) -> dict[str, np.ndarray]:
    """Share (%) of the pixels that are 0 in the clean images, and of what each attack adds there.

    Args:
        crafted: attack -> poisoned images, one record a seed (see ``runs.craft``).
        most: images that are looked at, the first ones.

    Returns:
        ``"pixels"`` and attack -> ``(seeds,)``.
    """
    found: dict[str, list[float]] = {}
    for records in zip(*crafted.values(), strict=True):
        clean = load_splits(records[0].spec).train.x[:most].numpy()
        stored = {kind: r["x"][:most] for kind, r in zip(crafted, records, strict=True)}
        added = {kind: np.abs(x - clean) for kind, x in pictures(stored).items()}
        for name, amount in ({"pixels": np.ones_like(clean)} | added).items():
            found.setdefault(name, []).append(100 * amount[clean == 0].sum() / amount.sum())
    return {name: np.array(shares) for name, shares in found.items()}


COLLAPSED = 50.0
"""Natural accuracy (%) below which a network is said to have collapsed."""


def collapses(found: Found) -> str:
    """Which runs have collapsed, in Markdown: a mean and a band hide them."""
    seen = []
    for (eps, kind, budget), records in found.items():
        fallen = int((scores(records, "natural") < COLLAPSED).sum())
        if fallen:
            seen.append(
                f"{fallen} of {len(records)} seeds on {kind} images with {budget:g} ε "
                f"(ε = {eps:.3g})"
            )
    if not seen:
        return f"In no run of this figure does natural accuracy end below {COLLAPSED:g} %."
    return (
        f"A mean hides that training can collapse. Natural accuracy ends below {COLLAPSED:g} % in "
        f"{', '.join(seen)}."
    )


# -- photographs ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class OnPhotographs:
    """The recorded runs on Fashion-MNIST.

    Attributes:
        rows: training images, budget of the defence -> measure -> ``(seeds,)`` accuracy (%), and
            ``"curve"`` ``(seeds, strengths)``.
        chosen: the budget that validation images chose, in units of eps.
    """

    rows: Mapping[tuple[str, float], Mapping[str, np.ndarray]]
    chosen: float


def on_photographs(record: Mapping[str, Any] | None) -> OnPhotographs | None:
    """What is recorded of photographs; None if nothing is."""
    if record is None:
        return None
    measures = (*MEASURES, "curve")
    rows = {
        (row["images"], float(row["budget"])): {name: np.array(row[name]) for name in measures}
        for row in record["rows"]
    }
    return OnPhotographs(rows, float(record["chosen"]))


def photograph_table(found: OnPhotographs | None) -> pd.DataFrame:
    """Test accuracies (%) on photographs by training images and budget, ``mean ± std``."""
    rows = {} if found is None else found.rows
    frame = pd.DataFrame(
        {
            heading: {key: mean_std(values[measure]) for key, values in rows.items()}
            for measure, heading in MEASURES.items()
        },
        index=pd.MultiIndex.from_tuples(list(rows), names=["training images", "budget / ε"])
        if rows
        else None,
    )
    return frame.rename_axis(None, axis=1)


def photograph_strengths(found: OnPhotographs | None) -> dict[str, np.ndarray]:
    """Training images -> ``(seeds, strengths)`` accuracy (%), with the conventional budget."""
    rows = {} if found is None else found.rows
    return {kind: values["curve"] for (kind, budget), values in rows.items() if budget == 1.0}


def budget_table(record: Mapping[str, Any] | None) -> pd.DataFrame:
    """Robust accuracy (%) on validation photographs by budget, and which was chosen."""
    tried = {} if record is None else record["tried"]
    return pd.DataFrame(
        {
            "robust on validation images (%)": {b: mean_std(values) for b, values in tried.items()},
            "chosen": {b: "yes" if float(b) == float(record["chosen"]) else "" for b in tried},
        }
    ).rename_axis("budget / ε")


# -- published numbers ----------------------------------------------------------------------------

PUBLISHED = pd.DataFrame(
    {
        "natural": [82.17, 81.25, 83.67, 82.99, 77.35, 88.07],
        "FGSM": [56.63, 54.14, 57.51, 55.71, 53.93, 47.93],
        "PGD-20": [50.63, 48.25, 50.74, 49.17, 49.95, 37.61],
        "PGD-100": [50.35, 48.02, 50.31, 48.82, 49.76, 36.96],
        "CW": [49.37, 47.34, 49.81, 47.96, 48.35, 38.58],
        "AutoAttack": [46.99, 44.79, 47.25, 45.36, 46.13, 35.44],
    },
    index=[
        "clean",
        "DeepConfuse",
        "Unlearnable Examples",
        "NTGA",
        "adversarial",
        "hypocritical",
    ],
)
"""Table 2: PGD-AT with 8/255 on CIFAR-10, test accuracy (%), by training data."""

PUBLISHED_DEFENCES = pd.DataFrame(
    {
        "natural": [88.07, 87.62, 83.95, 88.26, 86.24, 80.00, 79.63, 77.29],
        "FGSM": [47.93, 47.46, 50.96, 49.23, 48.87, 56.86, 55.73, 57.10],
        "PGD-20": [37.61, 38.35, 42.80, 39.77, 40.19, 52.92, 51.77, 53.82],
        "PGD-100": [36.96, 37.90, 42.34, 39.25, 39.65, 52.83, 51.63, 53.71],
        "CW": [38.58, 39.07, 42.41, 40.38, 37.66, 50.36, 48.68, 49.03],
        "AutoAttack": [35.44, 36.25, 40.07, 37.61, 35.07, 48.63, 47.83, 47.67],
    },
    index=[
        "PGD-AT 8/255",
        "+ random noise",
        "+ Gaussian smoothing",
        "+ Cutout",
        "+ AutoAugment",
        "PGD-AT 14/255",
        "TRADES 12/255",
        "MART 14/255",
    ],
)
"""Table 5: defences on hypocritically perturbed CIFAR-10, test accuracy (%)."""
