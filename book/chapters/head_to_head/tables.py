"""Records and the recorded choice of the head to head as arrays and data frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from chapters.head_to_head import ranking
from chapters.head_to_head.choices import Choices
from chapters.head_to_head.entries import (
    BOTH_SIGNS,
    METHODS,
    POSITIVES_ONLY,
    RANKED,
    WEAKENINGS,
    Entry,
    applies,
)
from chapters.head_to_head.runs import AVERAGING, PARTIAL
from weaklabels.lab import candidate_sets, missing_labels
from weaklabels.lab.multilabel import Spec
from weaklabels.lab.store import Record
from weaklabels.press.claims import greater, mean_std
from weaklabels.press.verdicts import HOLDS

Scores = Mapping[tuple[str, str], np.ndarray]
"""(task, method) -> a score in percent for each seed; a task is a weakening or a kind of sets."""

SORTING = tuple(name for name in PARTIAL if name != AVERAGING)

Judged = Mapping[str, Scores]
"""What settings were chosen by -> the scores at these settings."""

FAMILIES = {"only positives": POSITIVES_ONLY, "both signs": BOTH_SIGNS}

# -- what is compared -----------------------------------------------------------------------------


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
    if not entry.dial:
        return "-"
    return f"{entry.dial}: {', '.join(f'{value:g}' for value in entry.values)}"


def chosen_table(choices: Choices) -> pd.DataFrame:
    """The chosen learning rate and setting of the dial, methods x weakenings.

    A star marks a choice at an end of what was tried that is no natural bound.
    """
    rows: dict[str, dict[str, str]] = {name: {} for name in METHODS}
    for (weak, name), tuned in choices.tuned().items():
        texts = [f"{each.chosen:g}" + ("" if each.interior else "*") for each in tuned]
        rows[name][weak] = "; ".join(texts)
    return pd.DataFrame(rows).T.reindex(columns=list(WEAKENINGS)).fillna("n/a")


def label_counts(base: Spec) -> pd.DataFrame:
    """What each weakening leaves of the training labels of seed 0, in percent."""
    rows = {}
    for name, weak in WEAKENINGS.items():
        spec = replace(base, annotation=weak.annotation, annotation_options=weak.options)
        truth, observed = missing_labels.training_labels(spec)
        rows[name] = {
            "positives known": (observed == 1)[truth == 1].mean(),
            "negatives known": (observed == -1)[truth == 0].mean(),
            "hidden positives among all labels": ((observed == 0) & (truth == 1)).mean(),
            "hidden positives among unknown labels": truth[observed == 0].mean(),
        }
    return (100 * pd.DataFrame(rows).T).round(1)


# -- scores -------------------------------------------------------------------------------------


def mean_ap(
    groups: Mapping[tuple[str, str], Sequence[Record]], moment: str = "last"
) -> dict[tuple[str, str], np.ndarray]:
    """Test mAP (%) of every run at the last or the best validation epoch."""
    return {key: missing_labels.mean_ap(records, moment) for key, records in groups.items()}


def set_accuracy(
    groups: Mapping[tuple[str, str], Sequence[Record]], last: int
) -> dict[tuple[str, str], np.ndarray]:
    """Test accuracy (%) of every run on candidate sets, mean over the last epochs."""
    return {key: candidate_sets.scores(records, last) for key, records in groups.items()}


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


def leaders_line(scores: Scores) -> str:
    """Who leads under the weakenings, and how far the methods lie apart, in Markdown."""
    weakenings, everyone = tuple(WEAKENINGS), tuple(METHODS)
    top = [not_worse(scores, weak, everyone)[0] for weak in weakenings]
    spread = gaps(scores, weakenings, everyone).drop(index="BCE on known").max()
    return (
        f"**{len(set(top))} different methods** have the highest mean under the "
        f"{len(weakenings)} weakenings ({', '.join(dict.fromkeys(top))}). The distance from best "
        f"to worst (without *BCE on known*) ranges from {spread.min():.0f} points "
        f"({spread.idxmin()}) to "
        f"{spread.max():.0f} ({spread.idxmax()})."
    )


def moment_table(scores: Scores, best: Scores) -> pd.DataFrame:
    """Points gained by the best validation epoch, mean over a family's weakenings, by method."""
    return pd.DataFrame(
        {
            title: {name: _gain(scores, best, tasks, name) for name in METHODS}
            for title, tasks in FAMILIES.items()
        }
    )


def _gain(scores: Scores, best: Scores, tasks: Sequence[str], name: str) -> str:
    there = [(task, name) for task in tasks if (task, name) in scores]
    if not there:
        return "n/a"
    gained = np.mean([best[key] - scores[key] for key in there], 0)
    return mean_std(gained).replace("-0.0 ", "0.0 ")


# -- ranks ----------------------------------------------------------------------------------------


def rank_table(scores: Scores) -> pd.DataFrame:
    """Mean ranks over all weakenings and by family, their interval over seeds, and their range."""
    values = score_array(scores, tuple(WEAKENINGS), RANKED)
    each = ranking.ranks(values.mean(2))
    frame = pd.DataFrame({"mean rank": each.mean(0).round(1)}, index=list(RANKED))
    for title, tasks in FAMILIES.items():
        means = score_array(scores, tasks, RANKED).mean(2)
        frame[title] = ranking.ranks(means).mean(0).round(1)
    interval = ranking.seed_intervals(values)
    frame["over seeds"] = [f"{low:.1f} to {high:.1f}" for low, high in interval]
    frame["best to worst"] = [f"{a:g} to {b:g}" for a, b in np.sort(each, 0)[[0, -1]].T]
    return frame.sort_values("mean rank", kind="stable")


def rank_agreement_matrix(scores: Scores, tasks: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """Spearman's correlation of the methods' mean scores between every two tasks."""
    means = pd.DataFrame(score_array(scores, tasks, names).mean(2).T, columns=list(tasks))
    return means.corr(method="spearman").to_numpy()


def set_ranks_line(scores: Scores, tasks: Sequence[str]) -> str:
    """Friedman's test and mean ranks of the methods on candidate sets, in Markdown."""
    values = score_array(scores, tasks, PARTIAL)
    found = ranking.rank(values.mean(2), PARTIAL)
    low, high = ranking.seed_intervals(values).T
    means = ranking.ranks(values.mean(2)).mean(0)
    text = ", ".join(
        f"{name} {mean:.1f} ({a:.1f} to {b:.1f})"
        for mean, name, a, b in sorted(zip(means, PARTIAL, low, high, strict=True))
    )
    return (
        f"Friedman's test over the {found.tasks} kinds of sets: {found.statistic:.1f}, "
        f"p = {found.p:.1g}. Mean ranks, with the bootstrap interval over seeds: {text}."
    )


def criteria_table(
    judged: Judged, favourites: Mapping[str, Mapping[str, str]], tasks: Sequence[str]
) -> pd.DataFrame:
    """Mean of all methods and of those that do not average to the end, and the method that is
    picked, with rates chosen by each criterion.

    Args:
        judged: the scores.
        favourites: criterion -> task -> the method that it picks.
        tasks: the columns.
    """
    rows = {}
    for criterion, scores in judged.items():
        names = favourites[criterion]
        for title, group in (("all methods", PARTIAL), (f"all but {AVERAGING}", SORTING)):
            means = {task: score_array(scores, [task], group)[0].mean(0) for task in tasks}
            rows[criterion, title] = {task: mean_std(each) for task, each in means.items()}
        rows[criterion, "its pick"] = {
            task: f"{names[task]} {scores[task, names[task]].mean():.1f}" for task in tasks
        }
    return pd.DataFrame(rows).T


def default_losses(choices: Choices) -> pd.DataFrame:
    """Points lost without a choice, methods x weakenings, NaN where a method does not apply."""
    return pd.DataFrame(
        {
            weak: {
                name: choices.default_loss(name, weak) if applies(name, weak) else np.nan
                for name in METHODS
            }
            for weak in WEAKENINGS
        }
    )


def choices_line(choices: Choices, scores: Scores) -> str:
    """What is lost without a choice, beside the distance between methods, in Markdown."""
    losses = default_losses(choices)
    worst = losses.stack().idxmax()
    changed = sum(len(set(choices.leaders(weak))) == 2 for weak in WEAKENINGS)
    ends, every = choices.at_an_edge()
    apart = gaps(scores, tuple(WEAKENINGS), tuple(METHODS)).stack()
    return (
        f"*Recorded.* The largest loss is that of {worst[0]} under *{worst[1]}*: "
        f"{losses.loc[worst]:.0f} points. On average over all cells it is "
        f"{np.nanmean(losses):.1f} points; the average distance from the best method, with chosen "
        f"settings and on test scenes, is {apart.mean():.1f}. With default settings for everybody "
        f"**another method would lead under {changed} of {len(WEAKENINGS)} weakenings**. "
        f"{ends} of {every} choices lie at an end of what was tried that is no natural bound."
    )


# -- decisions ----------------------------------------------------------------------------------

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
        if name != top and greater(scores[task, top], scores[task, name]).outcome != HOLDS
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


def always_close(scores: Scores, tasks: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """Which methods are within ``TOLERANCE`` of the best under every task, ``(methods, seeds)``."""
    values = score_array(scores, tasks, names)
    return (values.max(1, keepdims=True) - values <= TOLERANCE).all(0)


def decisions_line(
    scores: Scores, multilabel_choice: pd.DataFrame, set_choice: pd.DataFrame
) -> str:
    """How often each method is the least demanding choice, in Markdown.

    Args:
        scores: on scenes.
        multilabel_choice, set_choice: from ``decision_table``.
    """

    def counted(table: pd.DataFrame) -> str:
        found = table["least demanding choice"].value_counts()
        return ", ".join(f"{name} ({n} of {len(table)})" for name, n in found.items())

    close = always_close(scores, tuple(WEAKENINGS), RANKED).all(1)
    everywhere = ", ".join(name for name, always in zip(RANKED, close, strict=True) if always)
    lines = {
        "Only positives are known": counted(multilabel_choice.loc[list(POSITIVES_ONLY)]),
        "Positives and negatives are known": counted(multilabel_choice.loc[list(BOTH_SIGNS)]),
        "Candidate sets": counted(set_choice),
        "Within two points of the best under every weakening": everywhere or "no method",
    }
    text = "\n".join(f"- **{situation}**: {names}." for situation, names in lines.items())
    return f"The least demanding choices, counted:\n\n{text}"
