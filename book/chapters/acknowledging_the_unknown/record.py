"""What the chapter on *Acknowledging the Unknown* records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from chapters.acknowledging_the_unknown import tables
from chapters.acknowledging_the_unknown.runs import (
    ROWS,
    VOC_CHOICES,
    Benchmark,
    more_labels,
    scenes,
    vary,
)
from chapters.acknowledging_the_unknown.study import (
    OWN_EPOCHS,
    OWN_FIRST_SEED,
    OWN_RATES,
    STUDY_SEEDS,
    compare_own,
    study_apl,
    tune,
)
from weaklabels.lab import photographs, voc_features, widen
from weaklabels.lab.missing_labels import TUNING_SEEDS
from weaklabels.lab.multilabel import Spec, load_splits, run
from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Record
from weaklabels.train import OptimiserSpec

VOC_GRIDS: dict[str, tuple[str, tuple[float, ...]]] = {
    "DW": ("weight", (0.02, 0.05, 0.1, 0.2, 0.5)),
    "L1R": ("weight", (0.0, 1e-7, 1e-6, 1e-5, 1e-4)),
    "L2R": ("weight", (0.0, 1e-6, 1e-5, 1e-4, 1e-3)),
    "LS": ("smoothing", (0.05, 0.1, 0.2, 0.3, 0.4)),
    "N-LS": ("smoothing", (0.1, 0.2, 0.3, 0.4, 0.5)),
    "EntMin": ("alpha", (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)),
    "Focal": ("focus", (0.0, 1.0, 2.0, 4.0, 8.0)),
    "ASL": ("focus_negative", (1.0, 2.0, 4.0, 8.0, 16.0)),
    "EM": ("alpha", (0.05, 0.1, 0.2, 0.4, 0.8)),
    "EM+APL": ("beta", (0.005, 0.02, 0.1, 0.4, 0.9)),
}
"""Row -> option and the values tried on photographs; the paper has alpha 0.2, beta 0.02 there."""

FEATURE_GRIDS: dict[str, tuple[str, tuple[float, ...]]] = {
    "DW": ("weight", (0.02, 0.05, 0.1, 0.2, 0.5, 0.7, 1.0)),
    "L1R": ("weight", (0.0, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)),
    "L2R": ("weight", (0.0, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)),
    "LS": ("smoothing", (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)),
    "N-LS": ("smoothing", (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)),
    "EntMin": ("alpha", (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)),
    "Focal": ("focus", (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)),
    "ASL": ("focus_negative", (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)),
    "EM": ("alpha", (0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)),
    "EM+APL": ("beta", (0.0, 0.005, 0.02, 0.05, 0.1, 0.4, 0.9)),
}
"""The same on frozen features, where a run takes seconds."""

MORE_VALUES: dict[str, tuple[float, ...]] = {
    "DW": (0.001, 0.002, 0.005, 0.01, *FEATURE_GRIDS["DW"][1]),
    "LS": (0.0, *FEATURE_GRIDS["LS"][1]),
    "N-LS": (0.0, 0.005, *FEATURE_GRIDS["N-LS"][1]),
    "EntMin": (1e-5, *FEATURE_GRIDS["EntMin"][1], 1e3),
    "EM": (*FEATURE_GRIDS["EM"][1], 3.2, 6.4, 12.8),
    "EM+APL": (*FEATURE_GRIDS["EM+APL"][1], 2.0, 4.0, 8.0),
}
"""Row -> values among which a choice that stands at an end is moved on."""

NOTES = (
    "EM+APL has the alpha that was chosen for EM and the published theta 0.9; the warm-up is "
    "rescaled from 5 of 10 epochs to 12 of 25.",
    "ROLE is told the mean number of positives of the training images. ROLE+LI is left out: "
    "on frozen features there is no second phase.",
)

BINS = 50
"""Of equal width on [0, 1], for the densities of predicted probabilities."""


def rows(base: Spec) -> dict[str, voc_features.Row]:
    """Row of the table on VOC features -> its run, and what is chosen of it.

    ROLE+LI is the end-to-end phase after a linear one: there is none on frozen features.
    """
    choices = replace(VOC_CHOICES, warm_up=base.epochs // 2)
    benchmark = Benchmark("VOC, frozen features", base, choices, base.epochs)
    specs = {row: vary(benchmark, row) for row in ROWS if row != "ROLE+LI"}
    return {
        row: voc_features.Row(spec, *VOC_GRIDS[row]) if row in VOC_GRIDS else voc_features.Row(spec)
        for row, spec in specs.items()
    }


def feature_rows(setting: Setting) -> dict[str, voc_features.Row]:
    """The same on frozen features, with more values to choose from."""
    return {
        name: replace(row, values=FEATURE_GRIDS[name][1]) if row.option else row
        for name, row in rows(voc_features.protocol(setting)).items()
    }


def voc2012_features(setting: Setting) -> dict[str, Any]:
    """Test mAP of every row, its settings chosen on validation images."""
    return voc_features.record(setting, feature_rows(setting), NOTES, with_alpha_of_em)


def with_alpha_of_em(
    setting: Setting, wanted: Mapping[str, voc_features.Row]
) -> list[dict[str, Any]]:
    """``voc_features.compute``, but rows of EM+APL come last and have the alpha chosen for EM."""
    apart = {name: row for name, row in wanted.items() if "EM+APL" in name}
    others = {name: row for name, row in wanted.items() if name not in apart}
    found = {row["row"]: row for row in voc_features.compute(setting, others)}
    for name, row in apart.items():
        alpha = found[name.replace("EM+APL", "EM")]["options"]["alpha"]
        spec = voc_features.with_option(row.spec, "alpha", alpha)
        (found[name],) = voc_features.compute(setting, {name: replace(row, spec=spec)})
    return [found[name] for name in wanted]


def widened_features(setting: Setting, content: Mapping[str, Any]) -> dict[str, Any]:
    """``voc2012_features`` with values added where a choice stands at an end."""
    return _widened(setting, content, feature_rows(setting))


def widened_more_labels(setting: Setting, content: Mapping[str, Any]) -> dict[str, Any]:
    """``voc2012_more_labels`` with values added where a choice stands at an end."""
    return _widened(setting, content, more_labels_rows(setting))


def _widened(
    setting: Setting, content: Mapping[str, Any], wanted: Mapping[str, voc_features.Row]
) -> dict[str, Any]:
    """Rows of EM+APL follow the alpha of EM, and are chosen anew where that has moved."""
    before = {row["row"]: row for row in content["rows"]}
    found: dict[str, dict[str, Any]] = {}
    for name in sorted(wanted, key=lambda name: "EM+APL" in name):
        row, held = wanted[name], before[name]
        if "EM+APL" in name:
            alpha = found[name.replace("EM+APL", "EM")]["options"]["alpha"]
            row = replace(row, spec=voc_features.with_option(row.spec, "alpha", alpha))
            if alpha != held["options"]["alpha"]:
                (held,) = voc_features.compute(setting, {name: row})

        def run(chosen: voc_features.Row, rate: float, name: str = name) -> dict[str, Any]:
            (made,) = voc_features.compute(setting, {name: chosen}, [rate])
            return made

        found[name] = widen.widened(
            held,
            row,
            MORE_VALUES.get(name.split(",")[0], row.values),
            partial(voc_features.choices, setting),
            run,
        )
    return widen.noted(content, [found[name] for name in before])


def voc2012_looks(setting: Setting) -> dict[str, Any]:
    """What AN and EM make of the labels that nobody gave, on photographs.

    The learning rates are those of the recorded table, and EM has the paper's alpha.

    Raises:
        ValueError: if that table is not recorded yet.
    """
    table = setting.recorded("voc2012_features")
    if table is None:
        raise ValueError("record 'voc2012_features' is missing: expected it for its learning rates")
    rates = {row["row"]: row["learning_rate"] for row in table["rows"]}
    wanted = rows(voc_features.protocol(setting))
    specs = {
        row: replace(
            voc_features.exact(wanted[row].spec),
            optimiser=OptimiserSpec("adam", lr=rates[row]),
            track=("train_scores", "test_scores"),
        )
        for row in ("AN", "EM")
    }
    groups = setting.repeat(run, specs, voc_features.SEEDS)
    classes = list(load_splits(specs["AN"]).classes)
    return {
        "what": "AN and EM on features of VOC 2012: predictions of unannotated training labels "
        "at the best epoch, and test AP (%) by class",
        "seeds": list(voc_features.SEEDS),
        "learning_rates": {row: rates[row] for row in specs},
        "classes": classes,
        "rows": [_looks(row, records) for row, records in groups.items()],
        "person": [
            _counts(row, records, classes.index("person")) for row, records in groups.items()
        ],
    }


def voc2012_more_labels(setting: Setting) -> dict[str, Any]:
    """Test mAP where a share of all labels is annotated, settings chosen on validation images."""
    base = voc_features.protocol(setting)
    return {
        "what": "Test mAP (%) on frozen features of VOC 2012, a share of all labels annotated",
        "seeds": list(voc_features.SEEDS),
        "tuning_seeds": list(TUNING_SEEDS),
        "data": voc_features.counts(load_splits(base)),
        "differences": [*voc_features.DIFFERENCES, NOTES[0]],
        "rows": with_alpha_of_em(setting, more_labels_rows(setting)),
    }


def more_labels_rows(setting: Setting) -> dict[str, voc_features.Row]:
    """Row of that table -> its run, and what is chosen of it."""
    base = voc_features.protocol(setting)
    choices = replace(VOC_CHOICES, warm_up=base.epochs // 2)
    specs = more_labels(Benchmark("VOC, frozen features", base, choices, base.epochs))
    return {
        f"{name}, {rate:.0%}": voc_features.Row(spec, *FEATURE_GRIDS.get(name, ()))
        for (rate, name), spec in specs.items()
    }


def _looks(row: str, records: Sequence[Record]) -> dict[str, Any]:
    looks = [tables.unannotated(record) for record in records]
    return {
        "row": row,
        "wasserstein": [
            [None if np.isnan(value) else round(float(value), 4) for value in look.wasserstein()]
            for look in looks
        ],
        "medians": [[round(value, 4) for value in look.medians()] for look in looks],
        "test_ap": np.round(tables.class_ap(records), 2).tolist(),
    }


def _counts(row: str, records: Sequence[Record], c: int) -> dict[str, Any]:
    """How often the probabilities of one class fall into each bin, in the first run."""
    (parts,) = tables.densities({row: records}, c).values()
    return {"row": row} | {
        part: [np.histogram(p, BINS, (0, 1))[0].tolist() for p in pair]
        for part, pair in parts.items()
    }


def tuning(setting: Setting) -> dict[str, Any]:
    """Hyper-parameters of every row, chosen on validation scenes."""
    return {
        "what": "Choices on scenes: best validation mAP (%) of every value, one number a seed",
        "seeds": list(TUNING_SEEDS),
        "rows": tune(setting),
    }


def apl(setting: Setting) -> dict[str, Any]:
    """What APL adds to EM, under many settings."""
    return {
        "what": "EM+APL minus EM on scenes, test mAP (points), paired by seed, 95 % t-intervals",
        "seeds": list(STUDY_SEEDS),
        "rows": study_apl(setting),
    }


OWN_NOTES = (
    "The epochs are chosen at the benchmark's learning rate, the rate with these epochs, by the "
    "validation mAP after the last epoch.",
    "All other numbers of a method are those of the benchmark, chosen with its epochs at its rate.",
    "The passes of EM+APL begin after the same share of the epochs as in the benchmark.",
)


def own_rates(setting: Setting) -> dict[str, Any]:
    """Methods on scenes, each with epochs and a learning rate of its own."""
    benchmark = scenes(setting.device)
    found = compare_own(setting, benchmark)
    begun = [len(OWN_RATES), len(OWN_EPOCHS)]
    longer = [row["row"] for row in found if widen.counted(row) != begun]
    return {
        "what": "Test mAP (%) on scenes with epochs and a learning rate chosen for every method, "
        "and with those of the benchmark",
        "seeds": list(range(OWN_FIRST_SEED, OWN_FIRST_SEED + setting.seeds)),
        "tuning_seeds": list(TUNING_SEEDS),
        "benchmark": {
            "epochs": benchmark.base.epochs,
            "learning rate": benchmark.base.optimiser.lr,
        },
        "differences": [
            *OWN_NOTES,
            *([widen.NOTE.format(rows=", ".join(longer))] if longer else []),
        ],
        "rows": found,
    }


PUBLISHED_EM = "EM, published α"
"""What APL is added to on photographs: EM with the weight that EM+APL has there."""

PHOTOGRAPH_NOTES = (
    "EM+APL: the published alpha 0.2 and theta 0.9, and as many epochs of warm-up as in the paper, "
    f"5 of 10; {PUBLISHED_EM!r} is EM with that alpha, whose learning rate alone is chosen.",
    "ROLE is told the mean number of positives of the training images. ROLE+LI is left out: there "
    "is no linear phase before the training.",
)


def photograph_rows(setting: Setting) -> dict[str, voc_features.Row]:
    """The rows with the last layers trained; EM+APL also records its pseudo-labels."""
    found = rows(photographs.protocol(setting))
    apl = found["EM+APL"].spec
    watched = replace(apl, track=(*apl.track, "modified"))
    found["EM+APL"] = replace(found["EM+APL"], spec=watched)
    return found | {PUBLISHED_EM: voc_features.Row(found["EM"].spec)}


def on_photographs(setting: Setting) -> dict[str, Any]:
    """The benchmark with the last layers trained, and what each row makes of unknown labels."""
    return photographs.record(
        setting, photograph_rows(setting), PHOTOGRAPH_NOTES, measures=MEASURES
    )


def widened_photographs(setting: Setting, content: Mapping[str, Any]) -> dict[str, Any]:
    """``on_photographs`` with values added where a choice stands at an end."""
    return photographs.widened(
        setting, content, photograph_rows(setting), MORE_VALUES, measures=MEASURES
    )


def _unannotated(records: Sequence[Record]) -> dict[str, Any] | None:
    if records[0].spec.annotation == "full":
        return None
    looks = [tables.unannotated(record) for record in records]
    return {
        "wasserstein": [photographs.rounded(look.wasserstein()) for look in looks],
        "medians": [photographs.rounded(np.array(look.medians())) for look in looks],
    }


def _person(records: Sequence[Record]) -> dict[str, Any] | None:
    if records[0].spec.method not in ("AN", "EM"):
        return None
    counts = _counts("", records, load_splits(records[0].spec).classes.index("person"))
    return {part: pair for part, pair in counts.items() if part != "row"}


def _class_ap(records: Sequence[Record]) -> list[Any]:
    return photographs.rounded(tables.class_ap(records))


def _annotated_loss(records: Sequence[Record]) -> list[Any] | None:
    if records[0].spec.annotation == "full":
        return None
    return [photographs.rounded(tables.visited_loss(record)) for record in records]


def _gradients(records: Sequence[Record]) -> dict[str, Any] | None:
    if records[0].spec.method not in tables.LOSSES:
        return None
    runs = [tables.gradients(record) for record in records]
    return {kind: [photographs.rounded(100 * run[kind]) for run in runs] for kind in runs[0]}


def _pseudo_labels(records: Sequence[Record]) -> dict[str, Any] | None:
    if "modified" not in records[0].spec.track:
        return None
    frames = [tables.pseudo_label_quality(record) for record in records]
    shares = {
        name: [photographs.rounded(frame[name].to_numpy()) for frame in frames]
        for name in ("labelled", "wrong", "hidden")
    }
    return shares | {"guessing": round(tables.hidden_share(records), 3)}


MEASURES = {
    "unannotated": _unannotated,
    "person": _person,
    "test_ap": _class_ap,
    "annotated loss": _annotated_loss,
    "gradients": _gradients,
    "pseudo-labels": _pseudo_labels,
}
"""What is recorded of the runs on photographs beside their scores.

One value or curve a seed; gradients are in hundredths, and the counts of *person* are those of the
first seed."""


RECORDS = {
    "tuning": tuning,
    "apl": apl,
    "own_rates": own_rates,
    "voc2012_features": voc2012_features,
    "voc2012_looks": voc2012_looks,
    "voc2012_more_labels": voc2012_more_labels,
    "photographs": on_photographs,
}

WIDENED = {
    "voc2012_features": widened_features,
    "voc2012_more_labels": widened_more_labels,
    "photographs": widened_photographs,
}
