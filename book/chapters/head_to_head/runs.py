"""Head to head: all methods on the same data, network and seeds, one weakening after another.

What is compared stands in ``entries``; learning rate and the one knob of each method are chosen on
validation scenes of other seeds (``choices``), by the same search for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TypeVar

from chapters.head_to_head.choices import Choices
from chapters.head_to_head.classes import ClassSpec, run_classes
from chapters.head_to_head.entries import ALL_LABELS, SCENES, cells, scene_spec, specify
from weaklabels.lab import candidate_sets, candidate_setting
from weaklabels.lab.candidate_setting import Comparison
from weaklabels.lab.missing_labels import photographs
from weaklabels.lab.multilabel import Spec, run
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record

S = TypeVar("S", bound=candidate_sets.Spec)

# -- scenes ---------------------------------------------------------------------------------------


def base_spec(chapter: Setting) -> Spec:
    """The run that all others vary: AN."""
    scenes = scene_spec(chapter.device)
    small = options(**dict(SCENES) | {"train": 50, "val": 30, "test": 40})
    return chapter.choose(
        quick=scenes,
        smoke=replace(scenes, data_options=small, epochs=2),
        paper=photographs(chapter.data_root, chapter.device),
    )


FIRST = ("single positive", "50 % known")
"""Weakenings that every execution trains under: one of each family."""


def run_scenes(
    chapter: Setting, base: Spec, choices: Choices, weakenings: Sequence[str]
) -> dict[tuple[str, str], list[Record]]:
    """Train all methods under some weakenings, with all seeds.

    Returns:
        (weakening, method) -> one record per seed; ``("-", ALL_LABELS)`` is the reference.
    """
    keys = [("-", ALL_LABELS), *(cell for cell in cells() if cell[0] in weakenings)]
    seeds = chapter.seed_numbers
    # Not by chapter.repeat: among the options of PU-MLC is a seed.
    specs = {
        (weak, name, seed): specify(base, name, weak, seed, *choices.best(name, weak))
        for seed in seeds
        for weak, name in keys
    }
    found = dict(zip(specs, chapter.run(run, specs.values()), strict=True))
    return {(weak, name): [found[weak, name, seed] for seed in seeds] for weak, name in keys}


# -- candidate sets -------------------------------------------------------------------------------

PARTIAL = candidate_setting.FLIPPED
"""Methods on candidate sets that need nothing but the sets."""

SUPERVISED = "supervised"
AVERAGING = "IM-avg"
IDENTIFYING = ("IM-max", "RC", "PRODEN", "CAVL")
"""Methods whose weights move to the candidate that the network believes in."""


def set_specs(compared: Comparison) -> dict[str, candidate_sets.Spec]:
    """The runs over the flipping probability, and those on uniform sets, by task."""
    flip = next(iter(compared.flips.values()))
    tasks = {f"q = {q:g}": replace(flip, q=q) for q in compared.qs}
    # Every set that holds the truth is equally likely: nearly q = 0.5, and half as long again.
    return tasks | {"uniform": next(iter(compared.tables.values()))}


def class_specs(chapter: Setting, compared: Comparison) -> dict[str, ClassSpec]:
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
    small = options(hidden=(16,), batch_norm=True)
    base = chapter.choose(
        quick=mlp,
        smoke=replace(mlp, network_options=small, epochs=2, examples=60),
        paper=replace(
            mlp,
            dataset=next(iter(compared.flips.values())).dataset,
            data_root=chapter.data_root,
            data_options=(),
            network="mlp",
            epochs=100,
            batch_size=64,
            examples=20_000,
        ),
    )
    return {f"{k} classes": replace(base, classes=k) for k in (10, 20, 30)}


Rates = Mapping[tuple[str, str], float]
"""(task, method) -> learning rate."""


def set_table(
    tasks: Mapping[str, S], rates: Rates = MappingProxyType({})
) -> dict[tuple[str, str], S]:
    """Every task with every method, and told the truth: then a run does not depend on q.

    Args:
        tasks: the runs to be varied, by name.
        rates: for digits, on which they were chosen; elsewhere, and where there is none, the rate
            of the task stays.
    """
    table = {
        (task, name): spec
        for task, base in tasks.items()
        for name, spec in candidate_setting.rows(base, PARTIAL).items()
    }
    table |= {
        (task, SUPERVISED): candidate_setting.vary(replace(base, q=0.0), SUPERVISED)
        for task, base in tasks.items()
    }
    return {
        key: replace(spec, optimiser=replace(spec.optimiser, lr=rates[key]))
        if key in rates and spec.dataset == "digits"
        else spec
        for key, spec in table.items()
    }


def run_sets(
    chapter: Setting,
    tasks: Mapping[str, candidate_sets.Spec],
    class_tasks: Mapping[str, ClassSpec],
    rates: Rates,
) -> dict[tuple[str, str], list[Record]]:
    """Train on all kinds of sets with all methods: (task, method) -> one record per seed."""
    found = chapter.repeat(candidate_sets.run, set_table(tasks, rates))
    return found | chapter.repeat(run_classes, set_table(class_tasks, rates))
