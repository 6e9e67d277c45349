"""Records of the chapter on Class Activation Value Learning as arrays and data frames."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from scipy import stats
from torch import Tensor

from chapters.class_activation_value.runs import SETS, TABLE, Settings
from weaklabels.data import Splits
from weaklabels.lab import candidate_sets
from weaklabels.lab.candidate_sets import Spec, load_splits
from weaklabels.lab.candidate_setting import IMAGES
from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Record
from weaklabels.methods.partial_label import best_candidate
from weaklabels.press.claims import mean_std
from weaklabels.press.verdicts import NOT_RECORDED

K = TypeVar("K", bound=Hashable)

Run = Record | Mapping[str, np.ndarray]
"""One run of which curves are read, computed here or recorded."""

Cells = Mapping[tuple[float, str], np.ndarray]
"""Test accuracy ``(seeds,)`` by flipping probability and method."""

SECOND_HAND = {
    "BirdSong": {"RC": 60.52, "CAVL": 70.50},
    "Lost": {"RC": 75.89, "CAVL": 63.11},
    "MSRCv2": {"RC": 58.28, "CAVL": 52.84},
}
"""Accuracies in percent from a third party's summary of a later paper (evidential deep PLL), whose
authors ran these methods again. The numbers of the CAVL paper itself could not be read."""

PLENCH = {
    "Lost": {"CC": 68.7, "PRODEN": 69.6, "CAVL": 51.6},
    "MSRCv2": {"CC": 52.1, "PRODEN": 51.3, "CAVL": 41.6},
}
"""Test accuracies in percent of the code of the benchmark PLENCH (ICLR 2025), by its protocol on
three splits of our own: MLP of 500 units, Adam at 1e-3 with weight decay 1e-5, 1,000 steps."""

REAL_NETWORKS = {"real_world_mlp": "MLP", "real_world_linear": "linear"}
"""Recorded results on real-world sets -> the network."""

NETWORKS = {"lenet": "LeNet", "cifar_resnet": "ResNet-32", "cifar_densenet": "DenseNet-22"}
"""Networks of the recorded runs on digits -> their names in tables."""

# -- data -----------------------------------------------------------------------------------------


def data_line(chapter: Setting, chosen: Settings) -> str:
    """Which data the tables are computed on, and which of the paper's are missing, in Markdown."""
    used = {spec.dataset: spec for spec in (*chosen.tables.values(), *chosen.real.values())}
    parts = [_size(spec) for spec in (*chosen.tables.values(), *chosen.real.values())]
    text = f"Data of this run: {'; '.join(dict.fromkeys(parts))}."
    if chapter.profile != "paper":
        return text
    missing = [
        f"{name} (`make data-{name.replace('_', '-')}`)" for name in IMAGES if name not in used
    ]
    missing += [f"{name} (`make data-pll`)" for name in SETS.values() if name not in chosen.real]
    if missing:
        text += f" Not on this machine, and left out: {', '.join(missing)}."
    return text


def _size(spec: Spec) -> str:
    splits = load_splits(spec)
    name = dict(spec.data_options).get("which", spec.dataset)
    return (
        f"{SETS.get(name, name)} ({len(splits.train):,} training and {len(splits.test):,} test "
        "examples)"
    )


def set_table(sets: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Sizes of candidate sets ``(N, K)`` and the accuracy of guessing, by generator."""
    return pd.DataFrame(
        {
            name: {
                "mean size": f"{drawn.sum(1).mean():.2f}",
                "smallest": str(drawn.sum(1).min()),
                "largest": str(drawn.sum(1).max()),
                "chance (%)": f"{100 * (1 / drawn.sum(1)).mean():.1f}",
            }
            for name, drawn in sets.items()
        }
    ).T


# -- comparisons ----------------------------------------------------------------------------------


def scores(groups: Mapping[K, Sequence[Run]], last: int) -> dict[K, np.ndarray]:
    """Test accuracy of each row, ``(seeds,)`` in percent, mean over the last epochs."""
    return {name: candidate_sets.scores(records, last) for name, records in groups.items()}


def comparison(groups: Mapping[str, Sequence[Record]], last: int) -> pd.DataFrame:
    """One row per method: test accuracy, selection accuracy, paired advantage of CAVL."""
    test = scores(groups, last)
    lines = {}
    for name, records in groups.items():
        found = candidate_sets.scores(records, last, "select IM-max")
        lines[name] = {
            "test accuracy": mean_std(test[name]),
            "selection accuracy": "-" if name == "supervised" else mean_std(found),
            "CAVL minus it": "-" if name == "CAVL" else signed(test["CAVL"] - test[name]),
        }
    return pd.DataFrame(lines).T


def signed(differences: Sequence[float]) -> str:
    """``"+1.2 ± 0.4"``."""
    text = mean_std(differences)
    return text if text.startswith("-") else f"+{text}"


def flip_table(panels: Mapping[str, Cells]) -> pd.DataFrame:
    """Mean and spread by method, one column per data set and q."""
    columns = {}
    for title, cells in panels.items():
        for q in dict.fromkeys(q for q, _ in cells):
            columns[title, f"q = {q}"] = {
                name: mean_std(values) for (p, name), values in cells.items() if p == q
            }
    return pd.DataFrame(columns).fillna("-")


def leverage_table(groups: Mapping[tuple[str, float], Sequence[Record]], last: int) -> pd.DataFrame:
    """Test accuracy of both forms of LW, one column a leverage; mean and spread."""
    found: dict[str, dict[str, str]] = {}
    for (name, beta), values in scores(groups, last).items():
        found.setdefault(f"beta = {beta:g}", {})[name] = mean_std(values)
    return pd.DataFrame(found)


def losses_to_proden(
    groups: Mapping[tuple[float, int, str], Sequence[Record]], last: int
) -> dict[tuple[float, int, str], np.ndarray]:
    """PRODEN's accuracy minus CAVL's ``(seeds,)``, by q, width and starting epoch."""
    test = scores(groups, last)
    return {
        (q, width, name): test[q, width, "PRODEN"] - values
        for (q, width, name), values in test.items()
        if name != "PRODEN"
    }


def intervention_table(losses: Mapping[tuple[float, int, str], np.ndarray]) -> pd.DataFrame:
    """These losses, mean and spread: one row per q and width, one column a starting epoch."""
    found: dict[str, dict[tuple[str, int], str]] = {}
    for (q, width, name), values in losses.items():
        found.setdefault(name, {})[f"q = {q:g}", width] = mean_std(values)
    return pd.DataFrame(found).rename_axis(["", "hidden units"])


def start_scores(groups: Mapping[int, Sequence[Record]], end: int | None, last: int) -> np.ndarray:
    """Test accuracy ``(starts, seeds)``: mean of the ``last`` epochs up to ``end`` (None: all)."""
    return np.array(
        [
            [record["test_accuracy"][:end][-last:].mean() for record in records]
            for records in groups.values()
        ]
    )


# -- the pilot ------------------------------------------------------------------------------------


def curve(records: Sequence[Run], name: str) -> np.ndarray:
    """A curve of all runs, ``(seeds, epochs)``."""
    return np.stack([record[name] for record in records])


def chance(records: Sequence[Run]) -> float:
    """Mean selection accuracy of guessing, in percent."""
    return float(np.mean([record["chance"] for record in records]))


def curves(records: Sequence[Run], names: Sequence[str]) -> tuple[dict[str, np.ndarray], float]:
    """Several curves by name, and the chance level in percent: a panel of ``draw_selection``."""
    return {name: curve(records, name) for name in names}, chance(records)


def correlations(records: Sequence[Run], selection: str) -> np.ndarray:
    """Pearson's r over the epochs of selection and classifier accuracy on the training set."""
    pairs = zip(curve(records, selection), curve(records, "train_accuracy"), strict=True)
    return np.array([_pearson(a, b) for a, b in pairs])


def change_correlations(records: Sequence[Run], selection: str) -> tuple[np.ndarray, np.ndarray]:
    """The same of the changes from one epoch to the next, ``(seeds,)`` each.

    Returns:
        r of selection and classifier within each run; and r of the run's selection and the
        classifier of the next run (0 if there is none). One other run, not the mean over all: so
        a value means the same whatever the number of seeds.
    """
    chosen, known = (np.diff(curve(records, n), axis=1) for n in (selection, "train_accuracy"))
    own = np.array([_pearson(a, b) for a, b in zip(chosen, known, strict=True)])
    after = np.roll(known, -1, axis=0)
    other = np.array([_pearson(a, b) for a, b in zip(chosen, after, strict=True)])
    return own, other if len(own) > 1 else np.zeros_like(own)


def _pearson(a: np.ndarray, b: np.ndarray) -> float:
    return float(stats.pearsonr(a, b)[0]) if a.std() > 0 and b.std() > 0 else 0.0


def pilot_table(groups: Mapping[str, Sequence[Run]], last: int) -> pd.DataFrame:
    """One row per training run of the pilot experiment; empty without runs."""
    lines = {}
    for name, records in groups.items():
        guessing = np.array([float(record["chance"]) for record in records])
        cam, own = curve(records, "select CAM, count"), curve(records, "select IM-max")
        changes = change_correlations(records, "select CAM, count")
        lines[name] = {
            "CAM minus chance, epochs 1-5": signed(cam[:, :5].mean(1) - guessing),
            "CAM minus IM-max, all epochs": signed((cam - own).mean(1)),
            "r of CAM and classifier": mean_std(correlations(records, "select CAM, count"), 2),
            "r of their changes": mean_std(changes[0], 2),
            "... with the next run": mean_std(changes[1], 2),
            "final test accuracy": mean_std(candidate_sets.scores(records, last)),
        }
    return or_note(pd.DataFrame(lines).T)


def rules_table(records: Sequence[Run], rules: Mapping[str, str]) -> pd.DataFrame:
    """Selection accuracy of each rule: early, on average, and at the end; empty without runs."""
    lines = {}
    for label, name in rules.items() if records else ():
        values = curve(records, name)
        lines[label] = {
            "first 5 epochs": mean_std(values[:, :5].mean(1)),
            "all epochs": mean_std(values.mean(1)),
            "last epoch": mean_std(values[:, -1]),
        }
    return or_note(pd.DataFrame(lines).T)


def differences(records: Sequence[Record]) -> dict[str, int]:
    """How many selections of all runs and epochs the forms of the value make differently."""
    names = ("final differs", "final differs outside window", "first differs")
    return {name: int(sum(record[name].sum() for record in records)) for name in names}


def window_table(records: Sequence[Record]) -> pd.DataFrame:
    """Selections of all runs and epochs, and those in which the forms of the value differ."""
    found = differences(records)
    compared = sum(r["set_sizes"].sum() * len(r["train_accuracy"]) for r in records)
    return pd.Series(
        {
            "selections compared": compared,
            "first form differs from IM-max": found["first differs"],
            "final form differs from IM-max": found["final differs"],
            "... with the largest candidate logit outside the window": found[
                "final differs outside window"
            ],
        }
    ).to_frame("instances")


# -- maps on images -------------------------------------------------------------------------------


def telling_rows(scores: Tensor, candidates: Tensor, truth: Tensor, count: int = 3) -> list[int]:
    """Instances for the figure of maps, by a fixed rule.

    Of those with four candidates (or, lacking them, of all) the first ones selected rightly and, as
    the last, the first selected wrongly.

    Args:
        scores: ``(N, K)``.
        candidates: ``(N, K)`` bool.
        truth: ``(N,)``.
        count: how many.
    """
    fitting = candidates.sum(1) == 4
    if fitting.sum() < count:
        fitting[:] = True
    right = best_candidate(scores, candidates) == truth
    rows = (fitting & right).nonzero().flatten().tolist()
    wrong = (fitting & ~right).nonzero().flatten().tolist()
    kept = count - min(len(wrong), 1)
    return [*rows[:kept], *wrong[: count - min(kept, len(rows))]]


def map_row(
    index: int, splits: Splits, candidates: Tensor, maps: Tensor, scores: Tensor
) -> dict[str, Any]:
    """A training image with the maps of its first four candidates, for ``draw_maps``."""
    labels = candidates[index].nonzero().flatten()[:4]
    return {
        "image": splits.train.x[index].numpy(),
        "maps": maps[index, labels].numpy(),
        "titles": [f"{splits.classes[c]} ({int(scores[index, c])})" for c in labels.tolist()],
        "true": [c == int(splits.train.y[index]) for c in labels.tolist()],
    }


def scene_row(index: int, splits: Splits, maps: Tensor) -> dict[str, Any]:
    """A test scene with the maps of its classes and of one that is absent, for ``draw_maps``."""
    there = splits.test.y[index].nonzero().flatten().tolist()
    absent = int((splits.test.y[index] == 0).nonzero()[0])
    labels = [*there, absent]
    return {
        "image": splits.test.x[index].numpy(),
        "maps": maps[labels].numpy(),
        "titles": [splits.classes[c] for c in labels],
        "true": [c != absent for c in labels],
    }


def strongest(
    activations: Tensor, weights: Tensor, count: int = 4
) -> tuple[list[int], list[float], list[float]]:
    """The channels that move one logit most: their numbers, weights and spatial means.

    Args:
        activations: ``(C, h, w)`` of one image.
        weights: ``(C,)`` of one class.
        count: how many, by the absolute product of weight and mean.
    """
    means = activations.mean((1, 2))
    channels = (weights * means).abs().topk(count).indices.tolist()
    return channels, weights[channels].tolist(), means[channels].tolist()


# -- recorded results -----------------------------------------------------------------------------


def recorded_scores(rows: Sequence[Mapping[str, Any]], **where: Any) -> dict[str, np.ndarray]:
    """Test accuracy ``(seeds,)`` by method, of the rows that match ``where``."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if all(row[key] == value for key, value in where.items()):
            found.setdefault(row["method"], []).append(row["test"])
    return {name: np.array(values) for name, values in found.items()}


def recorded_cells(record: Mapping[str, Any]) -> dict[tuple[float, str], np.ndarray]:
    """The recorded Fashion-MNIST runs by q and method, without supervised, which was run once."""
    qs = dict.fromkeys(row["q"] for row in record["rows"])
    return {
        (q, name): values
        for q in qs
        for name, values in recorded_scores(record["rows"], q=q).items()
        if name != "supervised"
    }


def recorded_networks(record: Mapping[str, Any]) -> dict[str, dict[str, np.ndarray]]:
    """Recorded test accuracies on digits: network -> method -> seeds."""
    return {
        label: recorded_scores(record["rows"], network=name) for name, label in NETWORKS.items()
    }


def recorded_real(chapter: Setting) -> dict[str, dict[str, np.ndarray]]:
    """Recorded test accuracies on real-world sets: ``"<set>, <network>"`` -> method -> seeds."""
    found = {}
    for name, network in REAL_NETWORKS.items():
        record = chapter.recorded(name)
        for which in dict.fromkeys(row["dataset"] for row in record["rows"]) if record else ():
            found[f"{SETS[which]}, {network}"] = recorded_scores(record["rows"], dataset=which)
    return found


def mean_table(results: Mapping[str, Mapping[str, np.ndarray]]) -> pd.DataFrame:
    """Mean and spread: methods x data or networks; empty without results."""
    table = pd.DataFrame(
        {
            label: {method: mean_std(values) for method, values in found.items()}
            for label, found in results.items()
        }
    ).fillna("-")
    return or_note(table.loc[in_order(table.index)])


def real_table(results: Mapping[str, Mapping[str, np.ndarray]]) -> pd.DataFrame:
    """Mean and spread: methods x sets, and what others found for some of them."""
    columns = {label: {n: mean_std(v) for n, v in r.items()} for label, r in results.items()}
    columns |= {
        f"{name}, elsewhere": {method: f"{value:.2f}" for method, value in known.items()}
        for name, known in SECOND_HAND.items()
    }
    methods = dict.fromkeys(name for found in results.values() for name in found)
    return pd.DataFrame(columns).fillna("-").loc[in_order(methods)]


def in_order(methods: Iterable[str]) -> list[str]:
    """The methods as the main table has them, those with a later start last."""
    return sorted(methods, key=lambda name: ("T0" in name, TABLE.index(name.partition(",")[0])))


def or_note(table: pd.DataFrame) -> pd.DataFrame:
    """The table, or an empty one whose head says that there are no runs yet."""
    return pd.DataFrame({NOT_RECORDED: []}) if table.empty else table


def recorded_runs(
    record: Mapping[str, Any], dataset: str, method: str
) -> list[dict[str, np.ndarray]]:
    """Recorded curves of each seed's run, and its chance level in percent."""
    chances = {
        row["seed"]: row["chance"]
        for row in record["rows"]
        if (row["dataset"], row["method"]) == (dataset, method)
    }
    names = ("train_accuracy", "select IM-max", "select CAV")
    return [
        {name: np.array(entry[name]) for name in names}
        # The first form selects as IM-max does.
        | {"select CAV, first form": np.array(entry["select IM-max"])}
        | {"chance": np.array(chances[entry["seed"]])}
        for entry in record["curves"]
        if (entry["dataset"], entry["method"]) == (dataset, method)
    ]


def recorded_sets(record: Mapping[str, Any] | None) -> dict[str, dict[str, np.ndarray]]:
    """Recorded test accuracies by real-world set and method; none without a record."""
    rows = record["rows"] if record else []
    return {
        SETS[which]: recorded_scores(rows, dataset=which)
        for which in dict.fromkeys(row["dataset"] for row in rows)
    }


def plench_table(found: Mapping[str, Mapping[str, np.ndarray]]) -> pd.DataFrame:
    """Ours by PLENCH's protocol, mean and spread, beside what its own code gives."""
    columns = {}
    for name, each in found.items():
        columns[name] = {method: mean_std(values) for method, values in each.items()}
        if name in PLENCH:
            theirs = {method: f"{value:.1f}" for method, value in PLENCH[name].items()}
            columns[f"{name}, its code"] = theirs
    return pd.DataFrame(columns).fillna("-")


def choice_table(records: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Learning rate and weight decay that each method chose, by set and network (the keys of
    ``records``). A star marks a rate at an end of what was tried."""
    columns: dict[str, dict[str, str]] = {}
    for network, record in records.items():
        rates = [each["lr"] for each in record["tried"]]
        for choice in record["choices"]:
            star = "*" * (choice["lr"] in (min(rates), max(rates)))
            column = columns.setdefault(f"{SETS[choice['dataset']]}, {network}", {})
            column[choice["method"]] = choice_text(choice) + star
    return pd.DataFrame(columns)


def choice_text(choice: Mapping[str, Any]) -> str:
    """``"0.001, 1e-05"``: learning rate and weight decay."""
    return f"{choice['lr']:g}, {choice['weight_decay']:g}"


def provenance_line(record: Mapping[str, Any]) -> str:
    """Where a recorded result comes from, in one sentence of Markdown."""
    known = {**record, **record["provenance"]}
    return (
        f"*Recorded*, not computed here: by `{known['command']}` as of commit "
        f"`{known['commit'][:10]}`, PyTorch {known['torch']}, {known['device']}."
    )


def record_note(record: Mapping[str, Any] | None) -> str:
    """Where a record comes from, on how much data, and what differs, in Markdown."""
    if record is None:
        return f"*These runs are {NOT_RECORDED}.*"
    held = record["data"]
    nested = held if all(isinstance(each, dict) for each in held.values()) else {"": held}
    counted = "; ".join(
        (f"{SETS[name]}: " if name else "") + ", ".join(f"{what} {n}" for what, n in each.items())
        for name, each in nested.items()
    )
    differences = "\n".join(f"- {text}" for text in record["differences"])
    return f"{provenance_line(record)} Data: {counted}. What differs:\n\n{differences}"


def fashion_line(record: Mapping[str, Any]) -> str:
    """How the recorded Fashion-MNIST runs differ from the paper's, in Markdown."""
    known = record["settings"]
    told = mean_std(recorded_scores(record["rows"])["supervised"])
    return (
        f"The Fashion-MNIST runs use {known['training images']:,} of {known['of']:,} training "
        f"images, drawn anew for each of five repeats, all {known['test images']:,} test images, "
        f"{known['epochs']} epochs in batches of {known['batch size']} ({known['optimiser']}); "
        "the paper trains on all images for 250 epochs. LWS is left out: LeNet has no batch norm, "
        "without which it learned badly in trials on digits; on real sets it does learn without it "
        f"(tab-cavl-real). Told the truth, LeNet reaches {told} % in that time; where methods have "
        "means above that, a small lead says little about how well a method finds the label."
    )
