"""Head to head: all methods on the same data, network and seeds, one weakening after another.

Learning rate and the one knob of each method are chosen on validation scenes of other seeds, for
every weakening, from as many values for each. The choice is recorded by

    python -m chapters.head_to_head.runs choose

which writes ``book/recorded/head_to_head/choices.json``. What a step costs is recorded by

    python -m chapters.head_to_head.runs measure-cost
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from chapters.class_activation_value import runs as cavl
from chapters.head_to_head.classes import ClassSpec, run_classes
from chapters.large_loss_matters import runs as llm
from weaklabels.lab import candidate_sets as partial_label
from weaklabels.lab import sweep
from weaklabels.lab.multilabel import Spec, annotate, load_splits, mean_ap_at, run
from weaklabels.lab.spec import Options, options
from weaklabels.lab.store import Record, Store
from weaklabels.press.chapter import REPOSITORY, Chapter
from weaklabels.press.claims import HOLDS, Verdict, all_of, greater, mean_std
from weaklabels.train import OptimiserSpec

SLUG = "head_to_head"

# -- weakenings -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Weakening:
    """One way in which full labels become weak.

    Attributes:
        annotation, options: for ``multilabel.annotate``.
        negatives: whether negatives are annotated, too.
        known: probability with which a positive is known; None: one of each image.
    """

    annotation: str
    options: Options = ()
    negatives: bool = False
    known: float | None = None


def _share(percent: int) -> Weakening:
    return Weakening("fraction", options(rate=percent / 100), True, percent / 100)


def _missed(percent: int) -> Weakening:
    kept = round(1 - percent / 100, 2)
    return Weakening("fraction of positives", options(rate=kept), False, kept)


WEAKENINGS: dict[str, Weakening] = {
    "single positive": Weakening("single positive"),
    "10 % known": _share(10),
    "30 % known": _share(30),
    "50 % known": _share(50),
    "90 % known": _share(90),
    "20 % missed": _missed(20),
    "50 % missed": _missed(50),
    "80 % missed": _missed(80),
}
"""Known: so many of all labels, positive and negative. Missed: a list of positives lacks so many of
them, and says nothing of negatives."""

POSITIVES_ONLY = tuple(name for name, weak in WEAKENINGS.items() if not weak.negatives)
BOTH_SIGNS = tuple(name for name, weak in WEAKENINGS.items() if weak.negatives)

ALL_LABELS = "all labels"
"""The reference that is told everything."""

# -- methods --------------------------------------------------------------------------------------

RATES = (6e-3, 2e-2, 6e-2)
"""Learning rates from which the validation scenes choose, for every method."""


@dataclass(frozen=True)
class Entry:
    """A method of the comparison.

    Attributes:
        method: registered name.
        knobs: three settings of its own dial (or the only one), the middle one being the default.
        paper: its settings on photographs, where the authors' differ from the default.
        told: knowledge beyond the weak labels.
        negatives: what becomes of annotated negatives, a word for the table.
        both_signs: needs annotated negatives.
    """

    method: str
    knobs: tuple[Options, ...]
    paper: Options | None = None
    told: str = ""
    negatives: str = "used"
    both_signs: bool = False

    @property
    def default(self) -> int:
        """Which knob is the default."""
        return len(self.knobs) // 2


def _dial(name: str, values: Sequence[float], **fixed: Any) -> tuple[Options, ...]:
    return tuple(options(**{name: value}, **fixed) for value in values)


SAME, THROWN, START = "as if unknown", "thrown away", "a first guess"
EXACT = options(epsilon=0.0)
COUNT = "the mean number of positives"
LARGE_LOSS_RATES = (0.003, 0.008, 0.02)

METHODS: dict[str, Entry] = {
    "AN": Entry("AN", (EXACT,), negatives=SAME),
    "BCE on known": Entry("IU", (EXACT,)),
    "WAN": Entry("WAN", _dial("weight", (0.03, 0.1, 0.3), epsilon=0.0), EXACT),
    "LSAN": Entry("LSAN", _dial("smoothing", (0.05, 0.1, 0.2), epsilon=0.0), negatives=SAME),
    "Focal": Entry("Focal", _dial("focus", (1.0, 2.0, 4.0)), negatives=SAME),
    "ASL": Entry("ASL", _dial("focus_negative", (2.0, 4.0, 8.0)), negatives=SAME),
    "EPR": Entry("EPR", (EXACT,), told=COUNT, negatives=THROWN),
    "ROLE": Entry("ROLE", (EXACT,), told=COUNT, negatives=START),
    "EM": Entry("EM", _dial("alpha", (0.03, 0.1, 0.3), epsilon=0.0), options(alpha=0.2)),
    "EM+APL": Entry(
        "EM+APL",
        _dial("alpha", (0.03, 0.1, 0.3), beta=0.3, warm_up=6, epochs=12, epsilon=0.0),
        options(alpha=0.2, beta=0.02, warm_up=5, epochs=10),
    ),
    "LL-R": Entry("LL-R", _dial("rate", LARGE_LOSS_RATES), options(rate=0.002)),
    "LL-Ct": Entry("LL-Ct", _dial("rate", LARGE_LOSS_RATES), options(rate=0.002)),
    "LL-Cp": Entry("LL-Cp", _dial("rate", LARGE_LOSS_RATES), options(rate=0.001)),
    "PU-MLC": Entry(
        "PU-MLC",
        (
            options(gamma=0.0, alpha=None),
            options(gamma=0.55, alpha=1.0),
            options(gamma=0.85, alpha=2.0),
        ),
        options(gamma=0.85, alpha=2.0),
        negatives=THROWN,
    ),
    "nnPU": Entry("nnPU", ((),), told="the share of positives that are known", negatives=THROWN),
    "CAP thresholds": Entry(
        "CAP thresholds", _dial("warm_up", (3, 6, 9)), negatives="needed", both_signs=True
    ),
}
"""Name in the tables -> what is run. The knobs bracket the authors' values; on small scenes they
reach further, because a larger share of the labels is hidden than on photographs. The dial of
EM+APL is that of EM; its beta hardly mattered in trials."""

RANKED = tuple(name for name, entry in METHODS.items() if not entry.both_signs)
"""Methods that apply under every weakening: those that can be ranked over all."""

TOLD = tuple(name for name, entry in METHODS.items() if entry.told)
"""Methods that are told something that annotators do not say."""

LARGE_LOSS = ("LL-R", "LL-Ct", "LL-Cp")


def applies(name: str, weakening: str) -> bool:
    """Whether a method can be used under a weakening."""
    return WEAKENINGS[weakening].negatives or not METHODS[name].both_signs


def information_table() -> pd.DataFrame:
    """What each method makes of the labels, and what else it must know."""
    rows = {
        name: {
            "annotated negatives": entry.negatives,
            "told besides": entry.told or "-",
            "its dial": _dial_text(entry),
        }
        for name, entry in METHODS.items()
    }
    return pd.DataFrame(rows).T


def _dial_text(entry: Entry) -> str:
    if len(entry.knobs) == 1:
        return "-"
    settings = [dict(knob) for knob in entry.knobs]
    moving = [key for key in settings[0] if len({s[key] for s in settings}) > 1]
    return "; ".join(f"{key}: {', '.join(str(s[key]) for s in settings)}" for key in moving)


# -- runs on scenes -------------------------------------------------------------------------------

SCENES = options(
    train=1000,
    val=200,
    test=600,
    grid=8,
    intensity=(0.6, 1.0),
    noise=0.15,
    pools=(("pretrain", 0), ("train", 900), ("val", 297), ("test", 600)),
)
"""One to four digits in the nine cells of a scene."""

SINGLE_SHARE = {"scenes": 0.4, "voc2012": 0.68}
"""Positives that are known if every image has one: 1 / (mean number of positives)."""


def base_spec(profile: str, device: str = "cpu", data_root: str = "data") -> Spec:
    """The run that all others vary: AN."""
    scenes = Spec(
        "AN",
        EXACT,
        data_options=SCENES,
        network_options=options(width=64, stride=8, pool="max"),
        epochs=12,
        batch_size=50,
        optimiser=OptimiserSpec("adam", lr=RATES[1], warm_up=0.2),
        device=device,
    )
    if profile == "quick":
        return scenes
    if profile == "smoke":
        small = options(**dict(SCENES) | {"train": 50, "val": 30, "test": 40})
        return replace(scenes, data_options=small, epochs=2)
    return llm.base_spec(Chapter("large_loss_matters", profile, device, 1, data_root))


def specify(base: Spec, name: str, weakening: str, seed: int, lr: float, knob: int) -> Spec:
    """One run.

    Args:
        base: from ``base_spec``.
        name: of ``METHODS``, or ``ALL_LABELS``.
        weakening: of ``WEAKENINGS``.
        seed: of everything.
        lr: learning rate; on photographs that of ``base`` counts.
        knob: which of the method's settings; on photographs the authors' count.
    """
    spec = replace(base, seed=seed)
    if base.dataset == "scenes":
        spec = replace(spec, optimiser=replace(base.optimiser, lr=lr))
    if name == ALL_LABELS:
        return replace(spec, method="IU", method_options=EXACT, annotation="full")
    entry, weak = METHODS[name], WEAKENINGS[weakening]
    own = dict(entry.knobs[knob])
    if base.dataset != "scenes" and entry.paper is not None:
        own = dict(entry.paper)
    if entry.method == "nnPU":
        own["known_share"] = weak.known or SINGLE_SHARE[base.dataset]
    if entry.method == "PU-MLC":
        own["seed"] = seed
    if base.epochs < own.get("epochs", own.get("warm_up", 0) + 1):
        own |= {key: value for key, value in _shortest(base.epochs).items() if key in own}
    # Who makes nothing of annotated negatives does not get them: 50 % known is 50 % missed.
    deaf = weak.negatives and entry.negatives in (SAME, THROWN)
    return replace(
        spec,
        method=entry.method,
        method_options=options(**own),
        annotation="fraction of positives" if deaf else weak.annotation,
        annotation_options=weak.options,
    )


def _shortest(epochs: int) -> dict[str, int]:
    """Schedules of runs that only show that the code works."""
    return {"warm_up": 1, "epochs": epochs}


# -- choices --------------------------------------------------------------------------------------

CHOICE_SEEDS = (100, 101)
"""Seeds of the choice; those of the results start at 0."""


def cells() -> list[tuple[str, str]]:
    """All (weakening, method) pairs of the comparison."""
    return [(weak, name) for weak in WEAKENINGS for name in METHODS if applies(name, weak)]


def choice_settings() -> dict[str, Any]:
    """What the choice depends on, as it is recorded."""
    base, usual = asdict(base_spec("quick")), asdict(Spec("AN"))
    settings = {
        "run": {key: value for key, value in base.items() if value != usual[key]},
        "rates": RATES,
        "seeds": CHOICE_SEEDS,
        "weakenings": {name: asdict(weak) for name, weak in WEAKENINGS.items()},
        "methods": {name: (entry.method, entry.knobs) for name, entry in METHODS.items()},
    }
    return json.loads(json.dumps(settings))


def choose(run_all: Callable[[list[Spec]], list[Record]]) -> dict[str, Any]:
    """Train everything with every learning rate and knob; keep validation scores only.

    Args:
        run_all: runs specs and returns their records in order.

    Returns:
        The record: ``settings``, ``validation`` (weakening -> method -> one row per learning rate
        with a column per knob: mAP in percent at the last epoch, mean over seeds), ``provenance``.
    """
    base = base_spec("quick")
    everything = [("-", ALL_LABELS), *cells()]
    keys = [
        (weak, name, lr, knob)
        for weak, name in everything
        for lr in RATES
        for knob in range(1 if name == ALL_LABELS else len(METHODS[name].knobs))
    ]
    specs = [
        specify(base, name, weak, seed, lr, knob)
        for seed in CHOICE_SEEDS
        for weak, name, lr, knob in keys
    ]
    reached = np.array([record["val_ap"][-1].mean() for record in run_all(specs)])
    means = iter(reached.reshape(len(CHOICE_SEEDS), -1).mean(0).round(2).tolist())
    validation: dict[str, dict[str, list[list[float]]]] = {}
    for weak, name in everything:
        knobs = 1 if name == ALL_LABELS else len(METHODS[name].knobs)
        table = [[next(means) for _ in range(knobs)] for _ in RATES]
        validation.setdefault(weak, {})[name] = table
    return {
        "what": "Validation mAP (%) on scenes by learning rate (rows) and knob (columns), last "
        "epoch, mean over seeds",
        "settings": choice_settings(),
        "validation": validation,
        "provenance": sweep.provenance("cpu"),
    }


class Choices:
    """The recorded choice of learning rate and knob for every method and weakening.

    Args:
        chapter: whose recorded results count.

    Raises:
        FileNotFoundError: if the record is missing.
        ValueError: if it was made with other settings than the present ones.
    """

    def __init__(self, chapter: Chapter) -> None:
        record = chapter.recorded("choices")
        again = "run python -m chapters.head_to_head.runs choose"
        if record is None:
            raise FileNotFoundError(f"book/recorded/{SLUG}/choices.json is missing: {again}")
        if record["settings"] != choice_settings():
            raise ValueError(
                f"book/recorded/{SLUG}/choices.json was made with other settings: {again}"
            )
        self.validation = record["validation"]

    def table(self, name: str, weakening: str) -> np.ndarray:
        """Validation mAP (%) by learning rate and knob, ``(rates, knobs)``."""
        return np.array(self.validation["-" if name == ALL_LABELS else weakening][name])

    def best(self, name: str, weakening: str) -> tuple[float, int]:
        """The learning rate and knob with the best validation score; the first on ties."""
        table = self.table(name, weakening)
        row, knob = np.unravel_index(table.argmax(), table.shape)
        return RATES[row], int(knob)

    def score(self, name: str, weakening: str) -> float:
        """Validation mAP (%) of that choice."""
        return float(self.table(name, weakening).max())

    def favourite(self, weakening: str, names: Sequence[str]) -> str:
        """The one of ``names`` with the best validation score under a weakening."""
        usable = [name for name in names if applies(name, weakening)]
        return max(usable, key=lambda name: self.score(name, weakening))

    def default_loss(self, name: str, weakening: str) -> float:
        """Points lost by not choosing: middle learning rate and default knob in place of the best.

        Measured on the validation scenes on which the best was chosen, so rather too large.
        """
        table = self.table(name, weakening)
        return float(table.max() - table[len(RATES) // 2, METHODS[name].default])

    def leaders(self, weakening: str) -> tuple[str, str]:
        """Best method on the validation scenes with chosen settings, and with the default ones."""
        names = [name for name in METHODS if applies(name, weakening)]
        chosen = {name: self.score(name, weakening) for name in names}
        plain = {name: chosen[name] - self.default_loss(name, weakening) for name in names}
        return max(chosen, key=chosen.get), max(plain, key=plain.get)

    def default_losses(self) -> pd.DataFrame:
        """That loss, methods x weakenings, NaN where a method does not apply."""
        return pd.DataFrame(
            {
                weak: {
                    name: self.default_loss(name, weak) if applies(name, weak) else np.nan
                    for name in METHODS
                }
                for weak in WEAKENINGS
            }
        )

    def largest_rate(self) -> float:
        """Share (%) of the choices that fell on the largest learning rate."""
        chosen = [self.best(name, weak)[0] for weak, name in cells()]
        return 100 * float(np.mean([lr == RATES[-1] for lr in chosen]))


# -- multi-label results --------------------------------------------------------------------------

Scores = dict[tuple[str, str], np.ndarray]
"""(weakening, method) -> a score in percent for each seed."""


def run_scenes(chapter: Chapter, base: Spec, choices: Choices) -> dict[tuple[str, str], list]:
    """Train all methods under all weakenings, with all seeds.

    Returns:
        (weakening, method) -> one record per seed; ``("-", ALL_LABELS)`` is the reference.
    """
    keys = [("-", ALL_LABELS), *cells()]
    # Seed by seed, so that the scenes of a seed are composed once.
    specs = [
        specify(base, name, weak, seed, *choices.best(name, weak))
        for seed in range(chapter.seeds)
        for weak, name in keys
    ]
    records = chapter.run(run, specs)
    return {key: records[i :: len(keys)] for i, key in enumerate(keys)}


def mean_ap(groups: Mapping[tuple[str, str], Sequence[Record]], moment: str = "last") -> Scores:
    """Test mAP (%) of every run at the last or the best validation epoch."""
    return {
        key: np.array([mean_ap_at(record, moment) for record in records])
        for key, records in groups.items()
    }


def score_array(scores: Scores, tasks: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """The scores as ``(tasks, methods, seeds)``."""
    return np.array([[scores[task, name] for name in names] for task in tasks])


def score_table(
    scores: Scores, tasks: Sequence[str], names: Sequence[str], top: str | None = None
) -> pd.DataFrame:
    """Mean and spread: methods x tasks; ``top`` is a reference that is the same for all tasks."""
    rows = {}
    if top is not None:
        rows[top] = {task: mean_std(scores["-", top]) for task in tasks}
    for name in names:
        rows[name] = {
            task: mean_std(scores[task, name]) if (task, name) in scores else "n/a"
            for task in tasks
        }
    return pd.DataFrame(rows).T[list(tasks)]


def gaps(scores: Scores, tasks: Sequence[str], names: Sequence[str]) -> pd.DataFrame:
    """Points behind the best mean of a task, methods x tasks; NaN where a method does not apply."""
    means = pd.DataFrame(
        {
            task: {name: scores[task, name].mean() for name in names if (task, name) in scores}
            for task in tasks
        }
    ).reindex(index=list(names), columns=list(tasks))
    return means.max() - means


def label_counts(base: Spec) -> pd.DataFrame:
    """What each weakening leaves of the training labels of seed 0, in percent."""
    truth = load_splits(base).train.y.numpy()
    rows = {}
    for name, weak in WEAKENINGS.items():
        spec = replace(base, annotation=weak.annotation, annotation_options=weak.options)
        observed = annotate(spec, truth)
        rows[name] = {
            "positives known": (observed == 1)[truth == 1].mean(),
            "negatives known": (observed == -1)[truth == 0].mean(),
            "hidden positives among all labels": ((observed == 0) & (truth == 1)).mean(),
            "hidden positives among unknown labels": truth[observed == 0].mean(),
        }
    return (100 * pd.DataFrame(rows).T).round(1)


def rank_agreement_matrix(scores: Scores, tasks: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """Spearman's correlation of the methods' mean scores between every two tasks."""
    means = pd.DataFrame(score_array(scores, tasks, names).mean(2).T, columns=list(tasks))
    return means.corr(method="spearman").to_numpy()


# -- candidate sets -------------------------------------------------------------------------------

PARTIAL = cavl.FLIPPED
"""Methods on candidate sets that need nothing but the sets."""

SUPERVISED = "supervised"
AVERAGING = "IM-avg"
IDENTIFYING = ("IM-max", "RC", "PRODEN", "CAVL")
"""Methods whose weights move to the candidate that the network believes in."""


def partial_specs(chapter: Chapter) -> tuple[dict[str, partial_label.Spec], int]:
    """The runs over the flipping probability, and those on uniform sets, by task.

    They are those of the chapter on class activation values, so that the book computes them once.

    Returns:
        task -> the run that methods and seeds vary, and the number of last epochs that count.
    """
    settings = cavl.settings(
        Chapter(cavl.SLUG, chapter.profile, chapter.device, chapter.seeds, chapter.data_root)
    )
    flip = next(iter(settings.flips.values()))
    tasks = {f"q = {q:g}": replace(flip, q=q) for q in settings.qs}
    # Every set that holds the truth is equally likely: nearly q = 0.5, and half as long again.
    tasks["uniform"] = next(iter(settings.tables.values()))
    return tasks, settings.last


def class_specs(chapter: Chapter) -> dict[str, ClassSpec]:
    """The runs over the number of classes, by task."""
    mlp = ClassSpec(
        "CAVL",
        data_options=options(test=500),
        candidates="flip",
        q=0.5,
        network_options=options(hidden=(300, 301), batch_norm=True, xavier=True),
        epochs=20,
        batch_size=32,
        device=chapter.device,
        examples=600,
    )
    if chapter.profile == "smoke":
        small = options(hidden=(16,), batch_norm=True)
        mlp = replace(mlp, network_options=small, epochs=2, examples=120)
    if chapter.profile == "paper":
        flip = next(iter(partial_specs(chapter)[0].values()))
        mlp = replace(
            mlp,
            dataset=flip.dataset,
            data_root=chapter.data_root,
            data_options=(),
            network="mlp",
            epochs=100,
            batch_size=64,
            examples=20_000,
        )
    return {f"{k} classes": replace(mlp, classes=k) for k in (10, 20, 30)}


def run_partial(chapter: Chapter) -> tuple[Scores, list[str], list[str]]:
    """Train all methods on all candidate sets, with all seeds.

    Returns:
        test accuracy (%) by task and method, ``SUPERVISED`` included; the tasks of the protocol
        with ten classes; those over the number of classes.
    """
    sets, last = partial_specs(chapter)
    counts = class_specs(chapter)
    seeds, found = range(chapter.seeds), {}
    for function, tasks in ((partial_label.run, sets), (run_classes, counts)):
        wanted = [spec for base in tasks.values() for spec in cavl.grid(base, PARTIAL, seeds)]
        # Told the truth, a run does not depend on q.
        told = [replace(base, q=0.0) for base in tasks.values()]
        wanted += [spec for base in told for spec in cavl.grid(base, [SUPERVISED], seeds)]
        records = iter(chapter.run(function, wanted))
        keys = [(task, name) for task in tasks for name in PARTIAL]
        for key in (*keys, *((task, SUPERVISED) for task in tasks)):
            runs = [next(records) for _ in seeds]
            found[key] = np.array([partial_label.last_epochs(r, last) for r in runs])
    return found, list(sets), list(counts)


# -- verdicts for a reader ------------------------------------------------------------------------


TOLERANCE = 2.0
"""Points behind the best mean that a reader may give away for a method with fewer demands."""


def not_worse(scores: Scores, task: str, names: Sequence[str]) -> list[str]:
    """Methods that are not shown to be worse than the one with the best mean, which comes first.

    A method is worse if the best one beats it in ``claims.greater``: the one-sided 95 % interval of
    the paired difference over seeds excludes 0. With one seed nothing is shown.
    """
    usable = [name for name in names if (task, name) in scores]
    top = max(usable, key=lambda name: scores[task, name].mean())
    close = [
        name
        for name in usable
        if name != top and greater(scores[task, top], scores[task, name]).verdict != HOLDS
    ]
    return [top, *sorted(close, key=lambda name: -scores[task, name].mean())]


def decision_table(
    scores: Scores,
    tasks: Sequence[str],
    names: Sequence[str],
    plain: str,
    demands: Mapping[str, tuple[float, ...]],
) -> pd.DataFrame:
    """For every task: who wins, who is not shown to be worse, and what to take.

    Args:
        scores: of the runs.
        tasks, names: rows, and methods in question.
        plain: the method that one would use without a thought.
        demands: of each method, compared in order, less is better. The second column names the
            method with the least demands among those at most ``TOLERANCE`` points behind in the
            mean.
    """
    rows = {}
    for task in tasks:
        close = not_worse(scores, task, names)
        top = scores[task, close[0]]
        usable = [name for name in names if (task, name) in scores]
        near = [n for n in usable if top.mean() - scores[task, n].mean() <= TOLERANCE]
        rows[task] = {
            "highest mean": f"{close[0]} ({mean_std(top)})",
            "least demanding choice": min(near, key=lambda name: demands[name]),
            f"lead over {plain}": mean_std(top - scores[task, plain]),
            "not shown to be worse": ", ".join(close[1:]) or "-",
        }
    return pd.DataFrame(rows).T


def demands(cost: Mapping[str, Sequence[float]]) -> dict[str, tuple[float, ...]]:
    """What a multi-label method asks of its user: knowledge, a dial, time; in this order.

    Args:
        cost: quartiles of its time per step relative to AN, as recorded.
    """
    return {
        name: (bool(entry.told), len(entry.knobs) > 1, cost[name][1])
        for name, entry in METHODS.items()
    }


def leads(parts: Mapping[str, Verdict]) -> Verdict:
    """All of several comparisons by ``claims.greater``, in a text with the differences alone."""
    short = {name: replace(part, ours=part.ours.partition(": ")[2]) for name, part in parts.items()}
    return all_of(short)


def always_close(scores: Scores, tasks: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """Which methods are within ``TOLERANCE`` of the best under every task, ``(methods, seeds)``."""
    values = score_array(scores, tasks, names)
    return (values.max(1, keepdims=True) - values <= TOLERANCE).all(0)


# -- command line ---------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> None:
    """Make a record of the chapter again."""
    from chapters.head_to_head import cost as head_to_head_cost

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("command", choices=("choose", "measure-cost"))
    command = parser.parse_args(arguments).command
    if command == "choose":
        build = os.environ.get("WEAKLABELS_BUILD", REPOSITORY / "build" / "recorded")
        store = Store(REPOSITORY / build / SLUG)
        workers = int(os.environ.get("WEAKLABELS_WORKERS", os.cpu_count() or 1))
        name, record = "choices", choose(lambda s: sweep.run(run, s, store, workers=workers))
    else:
        name, record = "cost", head_to_head_cost.measure()
    path = REPOSITORY / "book" / "recorded" / SLUG / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)


if __name__ == "__main__":
    main()
