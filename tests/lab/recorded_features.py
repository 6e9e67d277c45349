"""Runs on frozen features, and what every committed table on VOC features must hold."""

from dataclasses import replace

import numpy as np

from weaklabels.lab.multilabel import Spec
from weaklabels.lab.spec import options
from weaklabels.train import OptimiserSpec


def base(features, **changes):
    """A run of three epochs on a file of features; ``changes`` are fields of the spec."""
    return replace(
        Spec(
            "AN",
            options(epsilon=0.0),
            dataset="voc2012_features",
            data_options=options(file=str(features), seed=1200, balanced=True),
            network="linear",
            network_options=options(inputs=16),
            epochs=3,
            optimiser=OptimiserSpec("adam", lr=1e-2),
        ),
        **changes,
    )


def check_record(record, rows):
    """The record has the rows of the code, with their settings, and says how it came about."""
    recorded = {row["row"]: row for row in record["rows"]}
    assert rows.keys() <= recorded.keys()
    for name, row in recorded.items():
        if name in rows:
            assert row["method"] == rows[name].spec.method
        values = np.array([row["best"], row["last"]])
        assert values.shape == (2, len(record["protocol"]["seeds"]))
        assert ((values > 0) & (values < 100)).all()
    counts = record["data"]
    assert sum(counts[f"{part} images"] for part in ("training", "validation", "test")) == 3804
    assert record["differences"]
    assert {"date", "device", "torch", "numpy", "python"} <= record["provenance"].keys()
