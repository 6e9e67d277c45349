"""Self-Crowd: the settings that are chosen for every method, and the rows on them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from chapters.self_crowd import claims, runs, tables, tuning

from tests.chapters.test_self_crowd_claims import BALANCED, HIGH, LOW, RECALLS, made, outcomes
from weaklabels.lab.loading import load_splits
from weaklabels.lab.spec import options
from weaklabels.press.chapter import Chapter

RECORD = Path(tuning.__file__).parent / "recorded" / "tuning.json"
SHORT = replace(
    runs.Spec(seed=3), warm_up=5, base_steps=5, rounds=2, round_steps=3,
    data_options=options(test=500, val=tuning.VALIDATION),
)  # fmt: skip


def test_every_method_has_a_choice_in_every_setting_that_the_record_made():
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    assert list(tuning.CHOSEN) == list(runs.settings(Chapter("self_crowd")))
    assert list(record["settings"]) == list(tuning.CHOSEN)
    for setting, of_method in tuning.CHOSEN.items():
        assert set(of_method) == set(tuning.METHODS)
        for method, choice in of_method.items():
            found = record["settings"][setting][method]
            assert found["rate"]["chosen"] == choice.rate
            assert list(map(float, found["rate"]["validation"])) == list(tuning.RATES)
            if method in tuning.STRATEGIES:
                assert found["share"]["chosen"] == choice.share
                assert list(map(float, found["share"]["validation"])) == list(tuning.SHARES)
            for each in found.values():
                best = max(np.mean(scores) for scores in each["validation"].values())
                assert np.mean(each["validation"][f"{each['chosen']:g}"]) == best


def test_a_trial_is_judged_on_validation_digits_alone():
    found = tuning.trial(tuning.with_choice(SHORT, "MV", tuning.Choice()))
    splits = load_splits(SHORT)
    judged = np.bincount(splits.validation().y)
    right = found["MV/recall"][-1] * judged / 100
    np.testing.assert_allclose(right, right.round(), atol=1e-9)  # whole numbers of those digits
    assert judged.sum() == tuning.VALIDATION
    assert found["truth_counts"].sum() < len(splits.train)


@pytest.mark.parametrize("strategy", tuning.STRATEGIES)
def test_with_a_share_of_0_the_crowd_layer_is_trained_on(strategy):
    own, alone = (
        tuning.trial(tuning.with_choice(SHORT, method, tuning.Choice(share=0)))
        for method in (strategy, "DL-CL")
    )
    np.testing.assert_array_equal(own[f"{strategy}/recall"], alone["DL-CL/recall"])


def test_a_run_has_the_settings_of_its_method():
    table = tuning.table(Chapter("self_crowd"))
    for (setting, method), spec in table.items():
        chosen = tuning.CHOSEN[setting][method]
        assert spec.methods == (method,)
        assert spec.optimiser.lr == chosen.rate
        assert spec.share == chosen.share
    assert tuning.table(Chapter("self_crowd", "paper")) == {}


def own_runs(ours, others):
    recalls = dict.fromkeys(RECALLS, others) | {"random": others, "aware": ours}
    return {
        (setting, method): made({method: ends}, BALANCED)
        for setting in ("2 answers", "1 answer")
        for method, ends in recalls.items()
    }


def test_claims_with_settings_chosen_for_each_method():
    rows = claims.claim_17(own_runs(HIGH, LOW))
    assert [row.id for row in rows] == [f"17{letter}" for letter in "abcdefg"]
    assert outcomes(rows) == ["holds"] * 7
    assert outcomes(claims.claim_17(own_runs(LOW, HIGH))) == ["fails"] * 7
    assert claims.claim_17({}) == []


def test_tables_of_chosen_settings():
    own = own_runs(HIGH, LOW)
    assert tables.own_table(own).shape == (7, 2)
    np.testing.assert_allclose(tables.own_scores(own, "aware"), HIGH)
    shown = tables.chosen_table(tuning.TUNED)
    assert list(shown.columns) == list(tuning.CHOSEN)
    assert len(shown) == len(tuning.METHODS) + len(tuning.STRATEGIES)
