"""The recorded studies of PU-MLC: features, context, heads, invented labels."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from chapters.pu_mlc import claims, runs, studies, tables

from tests.chapters.test_pu_mlc_room import BASE, BETTER, UNSURE, outcomes
from weaklabels.data import Split, Splits
from weaklabels.lab.multilabel import annotate
from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Record, Store


def on_photographs(**scores):
    """All rows of the study at ``BASE``, but for methods that are given (features as extracted)."""
    rows = studies.features(Setting("quick", "cpu", 1, "data", Store("."), "."))
    found = {row: np.array(BASE) for row in rows}
    for name, values in scores.items():
        for percent in studies.FEATURE_PERCENTS["as extracted"]:
            found[name, "as extracted", percent] = np.array(values)
    return found


@pytest.mark.parametrize(
    ("ours", "outcome"), [(BETTER, "holds"), (UNSURE, "open"), (BASE, "fails")]
)
def test_claims_on_photographs_follow_the_recorded_study(ours, outcome):
    found = outcomes(claims.claim_11(on_photographs(**{"PU-MLC": ours})))
    assert {found[i] for i in ("11a", "11b", "11e", "11f")} == {outcome}
    found = outcomes(claims.claim_11(on_photographs(**{"VPU + R": ours})))
    assert {found[i] for i in ("11c", "11d")} == {outcome}
    level = on_photographs()
    level |= {("PU-MLC", studies.LEVEL, percent): np.array(ours) for percent in (10, 50)}
    found = outcomes(claims.claim_11(level))
    assert {found[i] for i in ("11g", "11h", "11i", "11j")} == {outcome}
    heads = {("PU-MLC", "graph"): np.array(ours)}
    heads |= {("PU-MLC", "maximum"): np.array(BASE), ("partial BCE", "graph"): np.array(BASE)}
    assert outcomes(claims.claim_13(heads)) == {"13a": outcome, "13b": outcome}
    context = {("with the global branch",): np.array(ours), ("without",): np.array(BASE)}
    assert outcomes(claims.claim_10c(context)) == {"10c": outcome}
    rows = studies.invented(Setting("quick", "cpu", 1, "data", Store("."), "."))
    wrong = {row: np.array(ours if row[0] == "PU-MLC" else BASE) for row in rows}
    assert outcomes(claims.claim_4g(wrong)) == {"4g": outcome, "4h": outcome}


def test_what_the_temperature_costs_is_compared_with_its_cost_elsewhere():
    worse = np.array(BASE) - np.array([20.0, 21, 19, 20, 20])
    later = {"PU-MLC, temperature later": BASE, "PU-MLC": worse, "PU-MLC without mixup": BASE}
    found = on_photographs(**later)
    found["partial BCE", "centred", 50] = worse
    assert set(outcomes(claims.claim_12(found)).values()) == {"holds"}
    assert set(outcomes(claims.claim_12(on_photographs())).values()) == {"fails"}


def test_a_study_without_a_record_decides_nothing():
    nothing = studies.scores_of(None)
    rows = [
        *claims.claim_4g(nothing),
        claims.claim_10c(nothing),
        *claims.claim_11(nothing),
        *claims.claim_12(nothing),
        *claims.claim_13(nothing),
    ]
    assert {row.verdict.outcome for row in rows} == {"not testable here"}
    assert tables.study_table(nothing).empty


def test_the_rates_of_studies_are_shown_with_their_edges():
    line = {"row": ["VPU", 10], "chosen": 0.1, "validation": {"0.01": [1.0], "0.1": [2.0]}}
    inner = line | {"validation": line["validation"] | {"0.3": [1.0]}}
    shown = tables.study_rates({"a": {"rows": [line, inner]}, "b": None})
    assert [*shown["learning rate"]] == ["0.1 (edge)", "0.1"]
    assert [*shown["tried"]] == ["0.01, 0.1", "0.01, 0.1, 0.3"]


def test_a_study_chooses_rates_on_tuning_seeds_alone(tmp_path):
    seen = {}

    class Made(Setting):
        def run(self, function, specs):
            for spec in specs:
                seen.setdefault(spec.seed, set()).add(spec.optimiser.lr)
            values = {"val_ap": np.full((1, 10), 50.0), "test_ap": np.full((1, 10), 40.0)}
            values["best_epoch"] = np.array(1)
            return [
                Record(spec, values | {"val_ap": np.full((1, 10), -spec.optimiser.lr)}, {})
                for spec in specs
            ]

    made = Made("quick", "cpu", 1, "data", Store(tmp_path), tmp_path)
    content = json.loads(json.dumps({"rows": studies.compare(made, studies.context(made))}))
    assert set(seen) == {*runs.TUNING_SEEDS, *studies.RESULT_SEEDS}
    assert seen[runs.TUNING_SEEDS[0]] == set(runs.RATES)
    assert seen[studies.RESULT_SEEDS[0]] == {min(runs.RATES)}
    scores = studies.scores_of(content)
    assert set(scores) == {("without",), ("with the global branch",)}
    assert tables.study_table(scores).to_numpy().tolist() == [["40.0 ± 0.0", "40.0 ± 0.0"]]


def test_twins_are_classes_with_two_digits():
    boxes = torch.tensor([[0, 3, 0, 0, 8, 8], [0, 3, 8, 0, 16, 8], [0, 1, 16, 0, 24, 8]])
    part = Split(torch.zeros(2, 1, 24, 24), torch.ones(2, 10, dtype=torch.int8), boxes)
    found = studies.twins(Splits(tuple("0123456789"), part, part, part))
    assert np.argwhere(found.train.y.numpy()).tolist() == [[0, 3]]
    assert found.test.y.dtype == torch.int8


def test_centred_features_have_no_common_part():
    x = torch.rand(50, 4) + 3
    part = Split(x, torch.ones(50, 2, dtype=torch.int8))
    other = Split(x + 1, part.y)
    found = studies.centred(Splits(("a", "b"), part, other, other))
    torch.testing.assert_close(found.train.x.mean(0), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.test.x, other.x - x.mean(0))


def test_biases_start_at_the_level_of_the_classes():
    observed = torch.zeros(100, 3)
    observed[:20, 0], observed[:4, 1], observed[50:, 2] = 1, 1, -1
    head = torch.nn.Linear(2, 3)
    studies.start_at_level(head, observed, 0.5)
    expected = [20.5 / 51, 4.5 / 51, 0.5 / 51]
    assert head.bias.sigmoid().tolist() == pytest.approx(expected)
    assert head.bias.requires_grad


def test_only_centred_features_start_at_the_level():
    rows = studies.features(Setting("quick", "cpu", 1, "data", Store("."), "."))
    kinds = {kind: rows["partial BCE", kind, 50] for kind in ("centred", studies.LEVEL)}
    assert [spec.level for spec in kinds.values()] == [False, True]
    assert {spec.change for spec in kinds.values()} == {"centred"}
    assert not rows["partial BCE", "as extracted", 50].level


def test_every_study_runs():
    made = Setting("quick", "cpu", 1, "data", Store("."), ".")
    small = runs.SMALL.data_options
    for rows in (studies.context(made), studies.heads(made)):
        for spec in list(rows.values())[-2:]:
            found = studies.run(replace(spec, data_options=small, epochs=1))
            assert found["test_ap"].shape == (1, 10)


def test_invented_labels_are_in_training_alone():
    rows = studies.invented(Setting("quick", "cpu", 1, "data", Store("."), "."))
    assert len(rows) == len(runs.NOISE) * (1 + len(runs.INVENTED))
    right, wrong = (rows["partial BCE", f"{percent} % invented"] for percent in (0, 10))
    splits = studies.changed(wrong)
    truth, seen = splits.train.y.numpy(), annotate(wrong, splits.train.y.numpy())
    assert (annotate(right, truth) == np.where(truth > 0, 1, -1)).all()
    assert (seen[truth > 0] == 1).all()
    assert 0.08 < (seen[truth == 0] == 1).mean() < 0.12
    assert (splits.test.y == studies.changed(right).test.y).all()
    assert replace(wrong, annotation=right.annotation) == replace(
        right, annotation_options=wrong.annotation_options
    )
