"""The learning rates on candidate sets: how they are chosen, where they are used."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from chapters.head_to_head import runs, set_choices, set_claims, tables

from weaklabels.lab.candidate_criteria import TRUE
from weaklabels.lab.candidate_setting import comparison
from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Record, Store
from weaklabels.press.chapter import Chapter
from weaklabels.press.verdicts import FAILS, HOLDS, NOT_TESTABLE


def setting(profile: str) -> Chapter:
    return Chapter("head_to_head", profile, "cpu", 3)


PEAKS = {"val_accuracy": 3e-3, "covering rate": 3e-2, "approximated accuracy": 3e-4}


class Pretended(Setting):
    """Whose runs reach the more on validation digits the nearer the rate is to a peak; CC more."""

    def repeat(self, function, table, seeds=None):
        def record(spec):
            assert dict(spec.data_options)["val"] == set_choices.VALIDATION
            lead = spec.method == "CC"
            curves = {
                curve: np.full(spec.epochs, 90 + lead - abs(math.log10(spec.optimiser.lr / peak)))
                for curve, peak in PEAKS.items()
            }
            return Record(spec, curves, {})

        return {key: [record(spec) for _ in seeds] for key, spec in table.items()}


def test_rates_on_sets_are_chosen_by_task_and_used_on_digits_alone(tmp_path: Path) -> None:
    pretended = Pretended("record", "cpu", 3, "", Store(tmp_path), tmp_path)
    found = set_choices.set_choices(pretended)
    rates = set_choices.rates(found)
    assert set(rates.values()) == {3e-3}
    tasks = runs.set_specs(comparison(setting("quick")))
    assert {key for key in rates if key[0] in tasks} == set(runs.set_table(tasks))
    table = runs.set_table(tasks, rates | {("q = 0.1", "CC"): 1e-5})
    assert table["q = 0.1", "CC"].optimiser.lr == 1e-5
    assert table["q = 0.3", "CC"].optimiser.lr == 3e-3
    elsewhere = {task: replace(spec, dataset="mnist") for task, spec in tasks.items()}
    assert runs.set_table(elsewhere, rates) == runs.set_table(elsewhere)
    shown = set_choices.choice_table(found, list(tasks))
    assert shown.loc[(TRUE, "CC"), "uniform"] == "0.003"
    assert shown.loc[("covering rate", "CC"), "uniform"] == "0.03"
    assert ("covering rate", runs.SUPERVISED) not in shown.index  # it has no sets
    assert set_choices.choice_table(None, list(tasks)).empty
    assert set(set_choices.rates(found, "approximated accuracy").values()) == {3e-4}
    assert set(set_choices.favourites(found, "covering rate").values()) == {"CC"}


def reached(by_criterion: dict[str, float]) -> dict[str, dict[tuple[str, str], np.ndarray]]:
    """Scores of three seeds, all methods and tasks alike, CC two points higher."""
    wobble = np.array([-0.1, 0.0, 0.1])
    return {
        criterion: {
            (task, name): level + 2 * (name == "CC") + wobble
            for task in ("q = 0.7", "30 classes")
            for name in runs.PARTIAL
        }
        for criterion, level in by_criterion.items()
    }


def test_choosing_without_truth_may_cost_a_point() -> None:
    tasks = ("q = 0.7", "30 classes")
    judged = reached({TRUE: 90.0, "covering rate": 89.5, "approximated accuracy": 85.0})
    found = [row.verdict.outcome for row in set_claims.claim_26(judged, tasks, tasks)]
    assert found == [HOLDS, FAILS] * 3
    cc = dict.fromkeys(tasks, "CC")
    picks = {TRUE: cc, "covering rate": dict.fromkeys(tasks, "RC"), "approximated accuracy": cc}
    rows = set_claims.claim_27(judged, picks, tasks)
    assert [row.verdict.outcome for row in rows] == [FAILS, FAILS]  # RC is two points lower than CC
    rows = set_claims.claim_27(judged, dict.fromkeys(judged, cc), tasks)
    assert [row.verdict.outcome for row in rows] == [HOLDS, FAILS]
    table = tables.criteria_table(judged, picks, tasks)
    assert table.loc[("covering rate", "its pick"), "q = 0.7"] == "RC 89.5"
    assert table.loc[(TRUE, "all methods"), "30 classes"] == "90.2 ± 0.1"


def test_where_no_rate_was_chosen_nothing_is_said_of_choosing() -> None:
    judged = reached({TRUE: 90.0, "covering rate": 90.0, "approximated accuracy": 90.0})
    rows = set_claims.claim_26(judged, ["q = 0.7"], [])
    assert [row.verdict.outcome for row in rows] == [NOT_TESTABLE] * 2
