"""Stability attacks on photographs: what is run, and rows on made-up records."""

import numpy as np
import pytest
from chapters.stability_attacks import figures, photograph_claims, photographs, runs, tables, tuning

from weaklabels.data import Split, Splits
from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Record, Store
from weaklabels.press.chapter import Chapter
from weaklabels.press.verdicts import FAILS, HOLDS, NOT_TESTABLE, OPEN

SPREAD = np.array([-0.1, 0.0, 0.1])
CHOSEN, RATE = 1.5, 0.1


@pytest.fixture
def setting(tmp_path):
    return Setting("quick", "cpu", 3, str(tmp_path), Store(tmp_path / "runs"), tmp_path)


def test_the_budget_is_chosen_on_validation_photographs_of_another_seed(setting, monkeypatch):
    asked = []

    def run_all(self, function, specs):
        specs = list(specs)
        asked.extend((function.__name__, spec) for spec in specs)
        return [Record(spec, made(spec), {}) for spec in specs]

    def made(spec):
        accuracy = 40 - abs(spec.budget - CHOSEN) + spec.seed / 1000
        accuracy -= abs(spec.optimiser.lr - RATE)
        names = ("natural", "fgsm", "robust", "margin", "validation")
        return dict.fromkeys(names, accuracy) | {"curve": np.full(len(runs.STRENGTHS), accuracy)}

    part = Split(np.zeros((2, 1)), np.zeros(2))
    monkeypatch.setattr(Setting, "run", run_all)
    monkeypatch.setattr(photographs, "load_splits", lambda _: Splits(("a",), part, part, part))
    record = photographs.photographs(setting)
    assert record["chosen"] == CHOSEN
    assert set(record["tried"]) == {f"{budget:g}" for budget in tuning.BUDGETS[1:]}
    assert record["protocol"]["seeds"] == [100, 101, 102]
    rows = {(row["images"], row["budget"]): row for row in record["rows"]}
    assert set(rows) == {(kind, 1.0) for kind in runs.ATTACKS} | {("hypocritical", CHOSEN)}
    assert rows["clean", 1.0]["robust"] == [39.6, 39.6, 39.6]
    trained = [spec for name, spec in asked if name == "run"]
    assert {s.seed for s in trained if s.budget not in (1.0, CHOSEN)} == {1000}
    assert {s.seed for s in trained if s.optimiser.lr != RATE} == {1000}
    assert set(record["rates"]) == {f"{rate:g}" for rate in photographs.RATES}
    poisons = {spec for name, spec in asked if name == "craft"}
    assert {runs.crafting_spec(s) for s in trained if s.attack != "clean"} == poisons
    seen = tables.on_photographs(record)
    assert seen.rows["hypocritical", CHOSEN]["curve"].shape == (3, len(runs.STRENGTHS))
    assert tables.photograph_table(seen).shape == (5, 4)
    assert tables.budget_table(record)["chosen"].tolist().count("yes") == 1
    assert figures.draw_strengths(tables.photograph_strengths(seen), runs.STRENGTHS).axes


def test_network_and_crafting_are_those_of_the_digits(setting):
    ours, digits = photographs.base_spec(setting), runs.base_spec(setting)
    for name in ("network", "steps", "test_steps", "craft_budget", "craft_epochs", "craft_steps"):
        assert getattr(ours, name) == getattr(digits, name)
    hidden = [dict(spec.network_options)["hidden"] for spec in (ours, digits)]
    assert hidden[0] == hidden[1]


def found(spread=1.0, **changed):
    """Accuracies as in the paper's tables; ``kind=(natural, robust)`` changes."""
    rows = {
        "clean": (82.0, 50.0),
        "random": (82.0, 49.0),
        "adversarial": (77.0, 48.0),
        "hypocritical": (88.0, 37.0),
        "repaired": (80.0, 52.0),
    } | changed
    return tables.OnPhotographs(
        {
            ("hypocritical", CHOSEN) if kind == "repaired" else (kind, 1.0): {
                "natural": natural + spread * SPREAD,
                "robust": robust + spread * SPREAD * (-1 if kind == "hypocritical" else 1),
            }
            for kind, (natural, robust) in rows.items()
        },
        CHOSEN,
    )


def outcomes(seen):
    return {row.id: row.verdict.outcome for row in photograph_claims.claim_15(seen)}


@pytest.mark.parametrize(
    ("id", "kind", "fails"),
    [
        ("15a", "hypocritical", (88.0, 46.0)),
        ("15b", "hypocritical", (81.0, 37.0)),
        ("15c", "hypocritical", (79.0, 37.0)),
        ("15d", "adversarial", (77.0, 36.0)),
        ("15e", "adversarial", (77.0, 51.0)),
        ("15f", "random", (82.0, 44.0)),
        ("15g", "repaired", (80.0, 36.0)),
        ("15h", "repaired", (80.0, 46.0)),
        ("15i", "repaired", (88.5, 52.0)),
        ("15j", "adversarial", (82.5, 48.0)),
    ],
)
def test_a_row_on_photographs_holds_as_published_and_not_otherwise(id, kind, fails):
    assert outcomes(found())[id] == HOLDS
    assert outcomes(found(**{kind: fails}))[id] == FAILS


def test_rows_are_open_where_seeds_disagree_and_not_testable_without_a_record():
    assert outcomes(found(spread=200, hypocritical=(88.0, 45.0)))["15a"] == OPEN
    assert set(outcomes(None).values()) == {NOT_TESTABLE}
    assert tables.on_photographs(None) is None
    assert tables.photograph_table(None).empty
    assert tables.budget_table(None).empty
    assert figures.draw_strengths({}, runs.STRENGTHS).axes[0].texts


def test_a_budget_that_is_not_enlarged_repairs_nothing():
    seen = found()
    usual = tables.OnPhotographs(seen.rows, 1.0)
    assert outcomes(usual)["15g"] == FAILS


def test_effects_are_those_of_the_published_tables():
    rows = {row.id: row for row in photograph_claims.claim_15(found())}
    (part,) = rows["15a"].verdict.parts
    assert part.paper_effect == pytest.approx(50.63 - 37.61)
    (part,) = rows["15g"].verdict.parts
    assert part.paper_effect == pytest.approx(52.92 - 37.61)


def test_the_summary_stands_beside_the_digits():
    numbers = ("1", "2", "3", "4", "5", "6", "7", "8", "11", "16")
    on_digits = {f"{n}a": OPEN for n in numbers} | {f"{n}b": FAILS for n in numbers}
    text = photograph_claims.summary(outcomes(found()) | on_digits)
    assert "holds (15f); on digits fails (11b) and open (11a)" in text
    assert text.count("; on digits fails") == len(photograph_claims.TESTS)


def test_on_photographs_one_stranger_has_another_architecture():
    paper = runs.strangers(runs.settings(Chapter("stability_attacks", "paper")))
    assert {victim for victim, _ in paper} == {"same", "other draws", "convolutional"}
