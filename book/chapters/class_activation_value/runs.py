"""What the chapter on Class Activation Value Learning runs, by profile, and its data frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch import Tensor

from weaklabels import data
from weaklabels.data import Splits
from weaklabels.lab.candidate_sets import Spec, last_epochs, load_splits
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import Options, options
from weaklabels.lab.store import Record
from weaklabels.methods.partial_label import best_candidate
from weaklabels.press.claims import Verdict, all_of, greater, mean_std
from weaklabels.train import OptimiserSpec

SLUG = "class_activation_value"

SECOND_HAND = {
    "BirdSong": {"RC": 60.52, "CAVL": 70.50},
    "Lost": {"RC": 75.89, "CAVL": 63.11},
    "MSRCv2": {"RC": 58.28, "CAVL": 52.84},
}
"""Accuracies in percent from a third party's summary of a later paper (evidential deep PLL), whose
authors ran these methods again. The numbers of the CAVL paper itself could not be read."""

SETS = {
    "birdsong": "BirdSong",
    "lost": "Lost",
    "msrcv2": "MSRCv2",
    "soccer_player": "Soccer Player",
    "yahoo_news": "Yahoo! News",
}
"""Real-world sets -> their names in tables."""

REAL_NETWORKS = {"real_world_mlp": "MLP", "real_world_linear": "linear"}
"""Recorded results on them -> the network."""

IMAGES = {
    "mnist": "make data-mnist",
    "fashion_mnist": "make data-fashion-mnist",
    "kmnist": "make data-kmnist",
    "cifar10": "make data-cifar10",
}
"""The paper's image sets -> the command that brings each."""

# -- methods of the tables ------------------------------------------------------------------------

METHODS: dict[str, tuple[str, Options]] = {
    "supervised": ("IM-avg", ()),
    "IM-avg": ("IM-avg", ()),
    "IM-max": ("IM-max", ()),
    "CC": ("CC", ()),
    "RC": ("RC", ()),
    "PRODEN": ("PRODEN", ()),
    "LWS": ("LWS", options(beta=2.0)),
    "LWC": ("LWC", options(beta=2.0)),
    "CAVL": ("CAVL", ()),
    "CAVL, official masking": ("CAVL", options(official_masking=True)),
    "CAM": ("CAM selection", ()),
}
"""Name in the tables -> registered method and its options; supervised is told the truth."""

COMPARATORS = ("CC", "RC", "PRODEN", "LWS", "LWC")
"""The published methods that CAVL is compared with."""

TABLE = ("supervised", "IM-avg", "IM-max", *COMPARATORS, "CAVL", "CAVL, official masking")
FLIPPED = ("IM-avg", "IM-max", *COMPARATORS, "CAVL")
PILOT = ("IM-avg", "IM-max", "CAM", "CAVL")


def vary(spec: Spec, name: str, **method_options: Any) -> Spec:
    """The same run with a method of the tables, by the name used there."""
    method, fixed = METHODS[name]
    candidates = "truth" if name == "supervised" else spec.candidates
    merged = options(**(dict(fixed) | method_options))
    return replace(spec, method=method, method_options=merged, candidates=candidates)


def grid(base: Spec, names: Sequence[str], seeds: Sequence[int]) -> list[Spec]:
    """One spec per method and seed, methods outermost."""
    return [replace(vary(base, name), seed=seed) for name in names for seed in seeds]


def grouped(
    records: Sequence[Record], names: Sequence[str], seeds: Sequence[int]
) -> dict[str, list[Record]]:
    """Records of ``grid`` by method, one per seed."""
    rows = iter(records)
    return {name: [next(rows) for _ in seeds] for name in names}


# -- settings by profile --------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings:
    """What the chapter runs.

    Attributes:
        tables: the comparisons on uniform sets, by the name of data and network.
        flips: the runs whose flipping probability varies, likewise.
        qs: flipping probabilities.
        pilot: the pilot experiment, on a network that has class activation maps.
        later_start: the starting epoch of the pilot's runs with more warm-up.
        lenet: the network without a pooled head whose Grad-CAM is drawn.
        vectors: the run on inputs without layout.
        start: the run whose starting epoch varies.
        starts: starting epochs.
        real: the comparisons on real-world sets that are computed and not only recorded.
        last: a score is the mean over so many last epochs.
    """

    tables: dict[str, Spec]
    flips: dict[str, Spec]
    qs: tuple[float, ...]
    pilot: Spec
    later_start: int
    lenet: Spec
    vectors: Spec
    start: Spec
    starts: tuple[int, ...]
    real: dict[str, Spec]
    last: int


def settings(chapter: Setting) -> Settings:
    """The settings of the chapter's profile."""
    return {"quick": _quick, "smoke": _smoke, "paper": _paper}[chapter.profile](chapter)


def _quick(chapter: Setting) -> Settings:
    network = options(hidden=(300, 301), batch_norm=True, xavier=True)
    mlp = Spec(
        "CAVL",
        network="mlp",
        network_options=network,
        epochs=30,
        batch_size=32,
        optimiser=OptimiserSpec("adam", lr=1e-3, weight_decay=1e-4),
        track=("values",),
        device=chapter.device,
    )
    gap = replace(
        mlp,
        network="gap_cnn",
        network_options=(),
        epochs=25,
        optimiser=OptimiserSpec("adam", lr=3e-3, weight_decay=1e-4),
        track=("values", "maps"),
    )
    return Settings(
        tables={"digits, MLP": mlp},
        flips={"digits, MLP": replace(mlp, candidates="flip", epochs=20)},
        qs=(0.1, 0.3, 0.5, 0.7),
        pilot=gap,
        later_start=5,
        lenet=_lenet(replace(gap, epochs=15)),
        vectors=replace(mlp, inputs="mixed"),
        start=mlp,
        starts=(0, 1, 4, 8, 16, 26),
        real={},
        last=5,
    )


def _lenet(spec: Spec) -> Spec:
    """The same run with LeNet, which reads its images at 28 x 28."""
    return replace(spec, network="lenet", inputs="28 x 28", track=("weights",))


def _smoke(chapter: Setting) -> Settings:
    quick = _quick(chapter)

    def tiny(spec: Spec) -> Spec:
        small = options(hidden=(16,), batch_norm=True) if spec.network == "mlp" else ()
        return replace(
            spec, data_options=options(test=1500), network_options=small, epochs=3, batch_size=64
        )

    return replace(
        quick,
        tables={name: tiny(spec) for name, spec in quick.tables.items()},
        flips={name: tiny(spec) for name, spec in quick.flips.items()},
        qs=(0.1, 0.7),
        pilot=tiny(quick.pilot),
        later_start=2,
        lenet=tiny(quick.lenet),
        vectors=tiny(quick.vectors),
        start=tiny(quick.start),
        starts=(0, 1, 2),
        last=1,
    )


def _paper(chapter: Setting) -> Settings:
    """The authors' settings, on those of the paper's datasets that are there.

    Raises:
        FileNotFoundError: if none is; the message names the command that brings Fashion-MNIST.
    """
    image = Spec(
        "CAVL",
        data_root=chapter.data_root,
        candidates="uniform official",
        epochs=250,
        batch_size=64,
        optimiser=OptimiserSpec("adam", lr=1e-3, weight_decay=1e-3),
        track=("values",),
        device=chapter.device,
    )
    there = [name for name in IMAGES if present(name, chapter.data_root)]
    if not there:
        data.load("fashion_mnist", chapter.data_root)
    grey, colour = [name for name in there if name != "cifar10"], "cifar10" in there
    specs = {
        f"{name}, {network}": replace(image, dataset=name, network=network)
        for name in grey
        for network in ("mlp", "lenet")
    }
    if colour:
        specs |= {
            f"cifar10, {network}": replace(
                image, dataset="cifar10", network=network, inputs="standard"
            )
            for network in ("cifar_resnet", "cifar_densenet")
        }
    first = next(iter(specs.values()))
    pilot = replace(
        specs["cifar10, cifar_resnet"] if colour else replace(first, network="cifar_resnet"),
        track=("values", "maps"),
    )
    return Settings(
        tables=specs,
        flips={
            name: replace(spec, candidates="flip")
            for name, spec in specs.items()
            if spec.network in ("lenet", "cifar_densenet")
        },
        qs=(0.1, 0.3, 0.5, 0.7),
        pilot=pilot,
        later_start=5,
        lenet=_lenet(pilot),
        vectors=replace(first, network="mlp", inputs="mixed"),
        start=first,
        starts=(0, 1, 5, 20, 50, 100, 150, 200, 240),
        real={
            label: real_world_spec(name, "mlp", chapter.data_root)
            for name, label in SETS.items()
            if present("partial_label", chapter.data_root, which=name)
        },
        last=10,
    )


def real_world_spec(name: str, network: str, data_root: str) -> Spec:
    """The protocol on a real-world set: random 80/20 splits, 250 epochs, batches of 128."""
    return Spec(
        "CAVL",
        dataset="partial_label",
        data_options=options(which=name),
        data_root=data_root,
        candidates="given",
        network=network,
        epochs=250,
        batch_size=128,
    )


def present(dataset: str, root: str, **load_options: Any) -> bool:
    """Whether a dataset's files are there."""
    try:
        data.load(dataset, root, **load_options)
    except FileNotFoundError:
        return False
    return True


def data_line(chapter: Setting, chosen: Settings) -> str:
    """Which data the tables are computed on, and which of the paper's are missing, in Markdown."""
    used = {spec.dataset: spec for spec in (*chosen.tables.values(), *chosen.real.values())}
    parts = [_size(spec) for spec in (*chosen.tables.values(), *chosen.real.values())]
    text = f"Data of this run: {'; '.join(dict.fromkeys(parts))}."
    if chapter.profile != "paper":
        return text
    missing = [f"{name} (`{command}`)" for name, command in IMAGES.items() if name not in used]
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


# -- tables ---------------------------------------------------------------------------------------


def scores(groups: Mapping[str, Sequence[Record]], last: int) -> dict[str, np.ndarray]:
    """Test accuracy of each method, ``(seeds,)`` in percent, mean over the last epochs."""
    return {name: np.array([last_epochs(r, last) for r in runs]) for name, runs in groups.items()}


def comparison(groups: Mapping[str, Sequence[Record]], last: int) -> pd.DataFrame:
    """One row per method: test accuracy, selection accuracy, paired advantage of CAVL."""
    test = scores(groups, last)
    rows = {}
    for name, runs in groups.items():
        found = [last_epochs(record, last, "select IM-max") for record in runs]
        rows[name] = {
            "test accuracy": mean_std(test[name]),
            "selection accuracy": "-" if name == "supervised" else mean_std(found),
            "CAVL minus it": "-" if name == "CAVL" else signed(test["CAVL"] - test[name]),
        }
    return pd.DataFrame(rows).T


def signed(differences: Sequence[float]) -> str:
    """``"+1.2 ± 0.4"``."""
    text = mean_std(differences)
    return text if text.startswith("-") else f"+{text}"


def best(results: Mapping[str, np.ndarray], names: Sequence[str]) -> str:
    """The one of ``names`` with the highest mean."""
    return max((name for name in names if name in results), key=lambda n: results[n].mean())


def against_best(
    results: Mapping[str, np.ndarray], names: Sequence[str] = COMPARATORS, ours: str = "CAVL"
) -> Verdict:
    """Is ``ours`` better than the best of ``names`` (the one with the highest mean)?"""
    rival = best(results, names)
    verdict = greater(results[ours], results[rival])
    return replace(verdict, ours=f"against {rival} {verdict.ours}")


def curve(runs: Sequence[Record], name: str) -> np.ndarray:
    """A curve of all runs, ``(seeds, epochs)``."""
    return np.stack([record[name] for record in runs])


# -- the pilot ------------------------------------------------------------------------------------


def power(runs: Sequence[Record], selection: str, epochs: int = 5) -> Verdict:
    """Does a rule select the truth at least 20 points above chance in the first epochs?"""
    early = curve(runs, selection)[:, :epochs].mean(1)
    verdict = greater(early, [float(record["chance"]) for record in runs], margin=20)
    return replace(verdict, test=f"mean of the first {epochs} epochs minus chance; {verdict.test}")


def correlations(runs: Sequence[Record], selection: str) -> np.ndarray:
    """Pearson's r over the epochs of selection and classifier accuracy on the training set."""
    pairs = zip(curve(runs, selection), curve(runs, "train_accuracy"), strict=True)
    return np.array([_pearson(a, b) for a, b in pairs])


def _pearson(a: np.ndarray, b: np.ndarray) -> float:
    return float(stats.pearsonr(a, b)[0]) if a.std() > 0 and b.std() > 0 else 0.0


def in_sync(runs: Sequence[Record], selection: str, least: float = 0.8) -> Verdict:
    """Is that correlation at least 0.8?"""
    verdict = greater(correlations(runs, selection), np.zeros(len(runs)), digits=2, margin=least)
    r = mean_std(correlations(runs, selection), 2)
    test = f"mean correlation over epochs > {least:g}, one-sided 95 % t-interval over seeds"
    return replace(verdict, ours=f"r = {r}", test=test)


def pilot_table(groups: Mapping[str, Sequence[Record]], last: int) -> pd.DataFrame:
    """One row per training run of the pilot experiment."""
    rows = {}
    for name, runs in groups.items():
        chance = np.array([float(record["chance"]) for record in runs])
        cam, own = curve(runs, "select CAM, count"), curve(runs, "select IM-max")
        rows[name] = {
            "CAM minus chance, epochs 1-5": signed(cam[:, :5].mean(1) - chance),
            "CAM minus IM-max, all epochs": signed((cam - own).mean(1)),
            "r of CAM and classifier": mean_std(correlations(runs, "select CAM, count"), 2),
            "final test accuracy": mean_std([last_epochs(record, last) for record in runs]),
        }
    return pd.DataFrame(rows).T


def rules_table(runs: Sequence[Record], rules: Mapping[str, str]) -> pd.DataFrame:
    """Selection accuracy of each rule: early, on average, and at the end."""
    rows = {}
    for label, name in rules.items():
        values = curve(runs, name)
        rows[label] = {
            "first 5 epochs": mean_std(values[:, :5].mean(1)),
            "all epochs": mean_std(values.mean(1)),
            "last epoch": mean_std(values[:, -1]),
        }
    return pd.DataFrame(rows).T


def chance(runs: Sequence[Record]) -> float:
    """Mean selection accuracy of guessing, in percent."""
    return float(np.mean([record["chance"] for record in runs]))


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
    fitting = fitting if fitting.sum() >= count else torch.ones_like(fitting)
    right = best_candidate(scores, candidates) == truth
    rows = (fitting & right).nonzero().flatten().tolist()
    wrong = (fitting & ~right).nonzero().flatten().tolist()
    kept = count - min(len(wrong), 1)
    return [*rows[:kept], *wrong[: count - min(kept, len(rows))]]


def map_row(
    index: int, splits: Splits, candidates: Tensor, maps: Tensor, scores: Tensor
) -> dict[str, Any]:
    """A training image with the maps of its first four candidates, for ``figure_maps``."""
    labels = candidates[index].nonzero().flatten()[:4]
    return {
        "image": splits.train.x[index].numpy(),
        "maps": maps[index, labels].numpy(),
        "titles": [f"{splits.classes[c]} ({int(scores[index, c])})" for c in labels.tolist()],
        "true": [c == int(splits.train.y[index]) for c in labels.tolist()],
    }


def scene_row(index: int, splits: Splits, maps: Tensor) -> dict[str, Any]:
    """A test scene with the maps of its classes and of one that is absent, for ``figure_maps``."""
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


# -- starting epoch -------------------------------------------------------------------------------


def start_specs(base: Spec, starts: Sequence[int], seeds: Sequence[int]) -> list[Spec]:
    """CAVL with as many epochs of CAV as with T0 = 1, so that a prefix has the fixed total.

    Nothing in training depends on its planned length, so the first ``base.epochs`` epochs of a
    longer run are the run of that length.
    """
    return [
        replace(
            vary(base, "CAVL", **_start(start)),
            epochs=base.epochs + max(start - 1, 0),
            seed=seed,
        )
        for start in starts
        for seed in seeds
    ]


def hard_start_specs(base: Spec, starts: Sequence[int], seeds: Sequence[int]) -> list[Spec]:
    """The same with the most probable candidate, at the fixed total only."""
    return [
        replace(vary(base, "IM-max", **_start(start)), seed=seed)
        for start in starts
        for seed in seeds
    ]


def _start(start: int) -> dict[str, int]:
    # The default stays unnamed, so that the run is the one of the tables.
    return {} if start == 1 else {"start_epoch": start}


def start_scores(
    records: Sequence[Record],
    starts: Sequence[int],
    seeds: Sequence[int],
    end: int | None,
    last: int,
) -> np.ndarray:
    """Test accuracy ``(starts, seeds)``: mean of the ``last`` epochs up to ``end`` (None: all)."""
    values = [record["test_accuracy"][:end][-last:].mean() for record in records]
    return np.array(values).reshape(len(starts), len(seeds))


def falling(starts: Sequence[int], values: np.ndarray) -> Verdict:
    """Does accuracy fall with the starting epoch (Spearman's rho below 0, from T0 = 1 on)?"""
    from_one = [i for i, start in enumerate(starts) if start >= 1]
    rho = np.array([_spearman(from_one, values[from_one, s]) for s in range(values.shape[1])])
    verdict = greater(-rho, np.zeros_like(rho), digits=2)
    test = "Spearman's rho of accuracy and T0 < 0, one-sided 95 % t-interval over seeds"
    return replace(verdict, ours=f"rho = {mean_std(rho, 2)}", test=test)


def _spearman(a: Sequence[float], b: np.ndarray) -> float:
    return float(stats.spearmanr(a, b)[0]) if np.std(b) > 0 else 0.0


# -- flipping probability -------------------------------------------------------------------------

Cells = dict[tuple[float, str], np.ndarray]
"""Test accuracy ``(seeds,)`` by flipping probability and method."""


def flip_specs(
    base: Spec, qs: Sequence[float], names: Sequence[str], seeds: Sequence[int]
) -> list[Spec]:
    """One spec per q, method and seed, q outermost."""
    return [spec for q in qs for spec in grid(replace(base, q=q), names, seeds)]


def flip_cells(
    records: Sequence[Record], qs: Sequence[float], names: Sequence[str], count: int, last: int
) -> Cells:
    """Records of ``flip_specs``, ``count`` seeds each, by q and method."""
    values = iter([last_epochs(record, last) for record in records])
    return {(q, name): np.array([next(values) for _ in range(count)]) for q in qs for name in names}


def flip_table(panels: Mapping[str, Cells]) -> pd.DataFrame:
    """Mean and spread by method, one column per data set and q."""
    columns = {}
    for title, cells in panels.items():
        for q in dict.fromkeys(q for q, _ in cells):
            columns[title, f"q = {q}"] = {
                name: mean_std(values) for (p, name), values in cells.items() if p == q
            }
    return pd.DataFrame(columns).fillna("-")


def flip_claims(cells: Cells) -> Verdict:
    """Is CAVL better than the best comparator at each q?"""
    qs = dict.fromkeys(q for q, _ in cells)
    return all_of(
        {f"q = {q}": against_best({n: v for (p, n), v in cells.items() if p == q}) for q in qs}
    )


def slopes(cells: Cells) -> dict[str, np.ndarray]:
    """Accuracy lost from the smallest to the largest q, ``(seeds,)`` by method."""
    qs = sorted({q for q, _ in cells})
    return {n: cells[qs[0], n] - cells[qs[-1], n] for n in dict.fromkeys(n for _, n in cells)}


def flattest(cells: Cells) -> Verdict:
    """Does CAVL lose less than the comparator that loses least?"""
    lost = slopes(cells)
    rival = min((n for n in COMPARATORS if n in lost), key=lambda n: lost[n].mean())
    verdict = greater(lost[rival], lost["CAVL"])
    return replace(verdict, ours=f"loss of {rival} against that of CAVL: {verdict.ours}")


# -- recorded results -----------------------------------------------------------------------------


def recorded_scores(rows: Sequence[Mapping[str, Any]], **where: Any) -> dict[str, np.ndarray]:
    """Test accuracy ``(seeds,)`` by method, of the rows that match ``where``."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if all(row[key] == value for key, value in where.items()):
            found.setdefault(row["method"], []).append(row["test"])
    return {name: np.array(values) for name, values in found.items()}


def recorded_cells(record: Mapping[str, Any]) -> Cells:
    """The recorded Fashion-MNIST runs by q and method; supervised stands at every q."""
    qs = dict.fromkeys(row["q"] for row in record["rows"])
    return {
        (q, name): values
        for q in qs
        for name, values in recorded_scores(record["rows"], q=q).items()
        if name != "supervised"
    }


def recorded_table(
    record: Mapping[str, Any], column: str, names: Mapping[Any, str]
) -> pd.DataFrame:
    """Mean and spread of the recorded test accuracies: methods x values of ``column``."""
    return pd.DataFrame(
        {
            label: {
                method: mean_std(values)
                for method, values in recorded_scores(record["rows"], **{column: value}).items()
            }
            for value, label in names.items()
        }
    ).fillna("-")


def recorded_claim(
    record: Mapping[str, Any],
    column: str,
    names: Mapping[Any, str],
    ours: str = "CAVL",
    rivals: Sequence[str] = COMPARATORS,
) -> Verdict:
    """Is ``ours`` better than the best of ``rivals`` on every recorded value of ``column``?"""
    results = {
        label: recorded_scores(record["rows"], **{column: value}) for value, label in names.items()
    }
    return each_best(results, rivals, ours)


def recorded_real(chapter: Setting) -> dict[str, dict[str, np.ndarray]]:
    """Recorded test accuracies on real-world sets: ``"<set>, <network>"`` -> method -> seeds."""
    found = {}
    for name, network in REAL_NETWORKS.items():
        record = chapter.recorded(name)
        for which in dict.fromkeys(row["dataset"] for row in record["rows"]) if record else ():
            found[f"{SETS[which]}, {network}"] = recorded_scores(record["rows"], dataset=which)
    return found


def real_table(results: Mapping[str, Mapping[str, np.ndarray]]) -> pd.DataFrame:
    """Mean and spread: methods x sets, and what others found for some of them."""
    columns = {label: {n: mean_std(v) for n, v in r.items()} for label, r in results.items()}
    columns |= {
        f"{name}, elsewhere": {method: f"{value:.2f}" for method, value in known.items()}
        for name, known in SECOND_HAND.items()
    }
    methods = dict.fromkeys(name for found in results.values() for name in found)
    return pd.DataFrame(columns).fillna("-").loc[list(methods)]


def each_best(
    results: Mapping[str, Mapping[str, np.ndarray]],
    rivals: Sequence[str] = COMPARATORS,
    ours: str = "CAVL",
) -> Verdict:
    """Is ``ours`` better than the best of ``rivals`` on every set?"""
    return all_of({label: against_best(r, rivals, ours) for label, r in results.items()})


def recorded_curves(
    record: Mapping[str, Any], dataset: str, method: str
) -> tuple[dict[str, np.ndarray], float]:
    """Recorded curves ``(seeds, epochs)`` by name, and the chance level in percent."""
    found = [c for c in record["curves"] if (c["dataset"], c["method"]) == (dataset, method)]
    curves = {
        name: np.array([entry[name] for entry in found])
        for name in ("train_accuracy", "test_accuracy", "select IM-max", "select CAV")
    }
    # The first form selects as IM-max does.
    curves["select CAV, first form"] = curves["select IM-max"]
    rows = [r for r in record["rows"] if (r["dataset"], r["method"]) == (dataset, method)]
    return curves, float(np.mean([row["chance"] for row in rows]))


def provenance_line(record: Mapping[str, Any]) -> str:
    """Where a recorded result comes from, in one sentence of Markdown."""
    known = record["provenance"]
    return (
        f"*Recorded*, not computed here: `{known['command']}`, commit `{known['commit'][:10]}`, "
        f"PyTorch {known['torch']}, {known['device']}."
    )


if __name__ == "__main__":
    from chapters.class_activation_value.record import main

    main()
