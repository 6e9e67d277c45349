"""The room of stability attacks: its runs, what was tuned, its rows and tables."""

from dataclasses import replace

import numpy as np
import pytest
from chapters.stability_attacks import claims, gaussian_claims, record, runs, tables, tuning

from weaklabels.lab.loading import load_splits
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record
from weaklabels.lab.sweep import run_one
from weaklabels.methods.stability_attacks import Gaussians
from weaklabels.press.chapter import Chapter
from weaklabels.press.verdicts import FAILS, HOLDS, OPEN


def test_a_run_learns_from_what_the_crafting_network_made():
    spec = runs.Spec(
        attack="hypocritical",
        data_options=options(test=50),
        network_options=options(inputs=64, hidden=(8,)),
        epochs=1,
        craft_epochs=1,
        craft_steps=2,
        steps=1,
        test_steps=2,
    )
    crafting = runs.crafting_spec(spec)
    assert crafting.budget == spec.craft_budget
    assert crafting == runs.crafting_spec(replace(spec, method="MART", budget=1.5, epochs=2))
    moved = runs.craft(crafting)["x"] - load_splits(spec).train.x.numpy()
    assert 0 < np.abs(moved).max() <= spec.eps + 1e-6
    found = run_one(runs.run, spec, None)
    assert found["curve"].shape == (len(runs.STRENGTHS),)
    assert found["curve"][0] == found["natural"]
    assert found["robust"] <= found["natural"]


def test_poison_depends_on_the_draws_of_the_crafting_network_alone():
    spec = runs.Spec(attack="hypocritical", network_options=options(inputs=64, hidden=(8,)))
    crafting = runs.crafting_spec(
        replace(spec, craft_draws=7, craft_network=("linear", (("inputs", 64),)), craft_lr=0.2)
    )
    assert (crafting.seed, crafting.chance, crafting.draws) == (0, 7, 7)
    assert (crafting.network, dict(crafting.network_options)) == ("linear", {"inputs": 64})
    assert (crafting.optimiser.lr, spec.optimiser.lr) == (0.2, 0.05)
    assert runs.crafting_spec(spec).chance == spec.chance == 0
    victims = runs.strangers(runs.settings(Chapter("stability_attacks")))
    poisons = {runs.crafting_spec(s) for (_, kind), s in victims.items() if kind == "hypocritical"}
    assert len(poisons) == 2  # the victim's double, and one stranger to all the others


def test_every_seed_has_a_crafting_network_of_its_own(monkeypatch):
    asked = []
    monkeypatch.setattr(
        runs, "remember", lambda _, spec: asked.append(spec) or Record(spec, {"natural": 1}, {})
    )
    spec = runs.Spec(attack="hypocritical", seed=3)
    assert runs.among_strangers(spec) == {"natural": 1}
    runs.among_strangers(replace(spec, craft_draws=runs.OWN_DRAWS))
    runs.among_strangers(replace(spec, seed=4, craft_draws=runs.OWN_DRAWS))
    assert [runs.crafting_spec(each).chance for each in asked] == [3, 10_003, 10_004]
    assert [each.chance for each in asked] == [3, 3, 4]


def test_other_defences_have_the_chosen_budget_or_that_of_the_paper():
    quick = runs.defences(runs.settings(Chapter("stability_attacks")))
    assert list(quick) == ["PGD-AT, ε", "PGD-AT, 1.5 ε", "TRADES, 1.75 ε", "MART, 1.25 ε"]
    assert [each.optimiser.lr for each in quick.values()] == [0.1, 0.1, 0.1, 0.05]
    assert {each.craft_lr for each in quick.values()} == {0.05}
    paper = runs.defences(runs.settings(Chapter("stability_attacks", "paper")))
    assert list(paper) == ["PGD-AT, ε", "PGD-AT, 1.75 ε", "TRADES, 1.5 ε", "MART, 1.75 ε"]
    assert [each.optimiser.lr for each in paper.values()] == [0.1, 0.1, 0.1, 0.05]


def test_settings_are_those_of_the_record():
    recorded = Chapter("stability_attacks").recorded("tuning")
    for of, chosen in (("rates", tuning.CHOSEN_RATES), ("budgets", tuning.CHOSEN_BUDGETS)):
        assert {(row["name"], row["eps"]): row["chosen"] for row in recorded[of]} == chosen
    assert recorded["seeds"] == list(range(1000, 1000 + tuning.TUNING_SEEDS))
    assert all(each.interior for each in tuning.TUNED)
    assert tuning.chosen_budget(8 / 255) == tuning.PAPERS
    assert tuning.chosen_rate("PGD-AT", 8 / 255, 0.3) == 0.3


def test_rates_are_chosen_on_clean_images_and_budgets_at_the_chosen_rate(monkeypatch):
    asked = []

    def run_all(self, function, specs):
        asked.append(specs)
        found = [abs(spec.budget - 1.5) + abs(spec.optimiser.lr - 0.05) for spec in specs]
        return [
            {"validation": 50 - lost - spec.eps} for lost, spec in zip(found, specs, strict=True)
        ]

    monkeypatch.setattr(Chapter, "run", run_all)
    found = record.tune(Chapter("stability_attacks", "smoke"))
    assert {row["chosen"] for row in found["rates"]} == {0.05}
    assert {row["chosen"] for row in found["budgets"]} == {1.5}
    assert found["budgets"][1]["name"] == "PGD-AT"
    assert found["budgets"][1]["validation"]["2"] == [49.4] * 3
    first, second = asked
    assert {spec.attack for spec in first} == {"clean"}
    assert {(spec.attack, spec.optimiser.lr) for spec in second} == {("hypocritical", 0.05)}
    assert {dict(spec.data_options)["val"] for spec in first + second} == {record.HELD_OUT}
    assert {spec.network for spec in first} == {"mlp", "gap_cnn"}


def records(natural, robust, spread=0.1):
    """One record a seed, with a little spread."""
    scores = {"natural": natural, "robust": robust, "fgsm": robust, "margin": robust}
    return [
        Record(None, {name: np.array(values + d) for name, values in scores.items()}, {})
        for d in (-spread, 0.0, spread)
    ]


def found(**changed):
    """Records as the paper's table has them, one radius; ``kind=(natural, robust)`` changes."""
    rows = {
        "clean": (82.0, 50.0),
        "random": (82.0, 49.0),
        "adversarial": (77.0, 48.0),
        "hypocritical": (88.0, 37.0),
    }
    table = {(0.1, kind, 1.0): records(*values) for kind, values in (rows | changed).items()}
    larger = {1.25: (84.0, 45.0)}
    larger[tuning.chosen_budget(0.1)] = changed.get("repaired", (80.0, 49.0))
    return table | {(0.1, "hypocritical", b): records(*values) for b, values in larger.items()}


def outcomes(rows):
    return [row.verdict.outcome for row in rows]


@pytest.mark.parametrize(
    ("number", "kind", "fails", "unclear"),
    [
        ("1", "hypocritical", (88.0, 46.0), (88.0, 44.0, 9.0)),
        ("2", "hypocritical", (81.0, 37.0), (82.5, 37.0, 9.0)),
        ("3", "hypocritical", (79.0, 37.0), (81.0, 37.0, 9.0)),
        ("4", "adversarial", (77.0, 36.0), (77.0, 38.0, 9.0)),
        ("5", "adversarial", (77.0, 51.0), (77.0, 49.5, 9.0)),
        ("16", "adversarial", (82.5, 48.0), (81.0, 48.0, 9.0)),
        ("6", "repaired", (80.0, 36.0), (80.0, 40.0, 9.0)),
        ("7", "repaired", (80.0, 46.0), (80.0, 48.0, 9.0)),
        ("8", "repaired", (88.5, 49.0), (87.0, 49.0, 9.0)),
        ("11", "random", (82.0, 44.0), (82.0, 46.0, 9.0)),
    ],
)
def test_a_claim_on_digits_holds_as_published_and_not_otherwise(number, kind, fails, unclear):
    decide = getattr(claims, f"claim_{number}")
    assert [row.id for row in decide(found())] == [f"{number}a"]
    assert outcomes(decide(found())) == [HOLDS]
    assert outcomes(decide(found(**{kind: fails}))) == [FAILS]
    assert outcomes(decide(found(**{kind: unclear}))) == [OPEN]


def test_every_radius_has_a_row():
    weaker = {(0.2, kind, b): group for (_, kind, b), group in found(clean=(82.0, 40.0)).items()}
    assert [row.id for row in claims.on_digits(found(), "b")][:3] == ["1b", "2b", "3b"]
    assert claims.on_digits({}, "b") == []
    rows = claims.claim_1(found() | weaker)
    assert [row.figure for row in rows] == ["tab-stab-digits", "tab-stab-weaker"]
    assert [row.id for row in rows] == ["1a", "1b"]
    assert outcomes(rows) == [HOLDS, FAILS]
    assert rows[0].verdict.parts[0].paper_effect == pytest.approx(50.63 - 37.61)


def test_claims_on_the_closed_forms():
    assert outcomes(gaussian_claims.claim_9(Gaussians())) == [HOLDS, HOLDS]
    few = Gaussians(d=1)  # one weak feature cannot outweigh the strong one
    assert outcomes(gaussian_claims.claim_9(few))[0] == FAILS
    none = Gaussians(eta=0.0)  # a budget of ε is enough already
    assert outcomes(gaussian_claims.claim_9(none))[1] == FAILS


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [((2.0,) * 5, HOLDS), ((4.0,) * 5, FAILS), ((2.0, 2.0, 2.0, 4.0, 4.0), OPEN)],
)
def test_fits_agree_with_the_closed_form_within_three_points(gaps, expected):
    setting = Gaussians()
    weights = setting.robust_weights("hypocritical", setting.eps)
    robust = 100 * setting.accuracy(weights, setting.eps)
    fits = [Record(None, {"robust": np.array(robust + gap)}, {}) for gap in gaps]
    row = gaussian_claims.claim_10(setting, {("hypocritical", setting.eps): fits})
    assert row.verdict.outcome == expected


def test_claims_on_the_crafting_network():
    crafted = {"0 ε": records(0, 40), "0.25 ε": records(0, 37), "1 ε": records(0, 35)}
    assert outcomes(claims.claim_12(crafted)) == [HOLDS, FAILS]
    crafted["1 ε"] = records(0, 37, spread=9.0)
    assert outcomes(claims.claim_12(crafted)) == [HOLDS, OPEN]
    del crafted["0 ε"]
    assert [row.id for row in claims.claim_12(crafted)] == ["12b"]


def strange(own, other):
    """Robust accuracies of victims on hypocritical images: the crafter's double, others."""
    found = {("same", "hypocritical"): records(0, own)}
    for name in ("other draws", *runs.VICTIMS):
        found |= {(name, "hypocritical"): records(0, other), (name, "clean"): records(0, 50)}
    return found


def test_claims_on_victims_that_the_crafting_network_does_not_know():
    assert outcomes(claims.claim_13(strange(37, 40))) == [HOLDS] * 5
    assert outcomes(claims.claim_13(strange(37, 47))) == [FAILS] * 5
    assert outcomes([claims.claim_14(strange(37, 40))]) == [HOLDS]
    assert outcomes([claims.claim_14(strange(40, 37))]) == [FAILS]
    alone = {key: found for key, found in strange(37, 40).items() if key[0] not in runs.VICTIMS}
    assert outcomes(claims.claim_13(alone)) == [HOLDS, *4 * ["not testable here"]]
    assert tables.strangers(strange(37, 40)).shape[0] == 2 * 5 + 1


def test_other_defences_are_compared_with_the_conventional_budget():
    defended = {"PGD-AT, ε": records(88, 37.6), "PGD-AT, 1.5 ε": records(80, 53)}
    defended |= {"TRADES, 1.75 ε": records(80, 52), "MART, 1.25 ε": records(77, 54)}
    rows = claims.claim_18(defended)
    assert [row.id for row in rows] == ["18a", "18b", "18c", "18d"]
    assert outcomes(rows) == [HOLDS] * 4
    assert rows[0].verdict.parts[0].paper_effect == pytest.approx(51.77 - 37.61)
    assert rows[1].verdict.parts[0].paper_effect == pytest.approx(53.82 - 37.61)
    assert rows[2].verdict.parts[0].paper_effect == pytest.approx(52.92 - 51.77)
    assert rows[3].verdict.parts[0].paper_effect == pytest.approx(53.82 - 52.92)
    weak = claims.claim_18(defended | {"MART, 1.25 ε": records(77, 36)})
    assert outcomes(weak) == [HOLDS, FAILS, HOLDS, FAILS]
    strong = claims.claim_18(defended | {"TRADES, 1.75 ε": records(77, 60)})
    assert outcomes(strong) == [HOLDS, HOLDS, FAILS, HOLDS]


def test_what_was_chosen_stands_in_one_row_a_name():
    table = tables.chosen(tuning.TUNED)
    assert list(table.loc["MART"]) == ["0.05", "-", "1.25", "-"]
    assert list(table.loc["PGD-AT"]) == ["0.1", "0.1", "1.5", "1.75"]
    assert list(table.index[-4:]) == list(runs.VICTIMS)
    end = replace(tuning.TUNED[0], chosen=0.2)
    assert tables.chosen([end]).iloc[0, 0] == "0.2*"


def test_the_stronger_of_two_attacks_is_named():
    group = records(90, 60)
    for each in group:
        each.values["margin"] = each.values["robust"] - 5
    text = tables.strongest_attack({"a": records(90, 60), "b": group})
    assert text.endswith("a 60.0 (PGD-20), b 55.0 (CW).")


def test_the_price_of_a_larger_budget_is_told_from_that_of_the_poison():
    larger = tuning.chosen_budget(0.1)

    # 50 with the conventional budget on clean images; 49 with the larger one on hypocritical ones.
    expected = {45.0: [HOLDS, HOLDS], 50.0: [FAILS, HOLDS], 55.0: [FAILS, FAILS]}
    for clean, wanted in expected.items():
        rows = claims.claim_17(found() | {(0.1, "clean", larger): records(80.0, clean)})
        assert [row.id for row in rows] == ["17a", "17c"]
        assert outcomes(rows) == wanted


def test_the_takeaway_says_what_the_rows_say():
    text = claims.takeaway({"1a": HOLDS, "1b": OPEN, "11a": FAILS, "6a": FAILS})
    assert "falls by more than 5 points: holds (1a), open (1b)." in text
    assert "a larger budget" in text.lower()
    assert "natural accuracy" not in text
    ids = [row.id for row in claims.on_digits(found())] + [
        "12a",
        "12b",
        "13a",
        "13e",
        "14",
        "18b",
        "18d",
    ]
    text = claims.takeaway(dict.fromkeys(ids, HOLDS))
    assert all(f"({id})" in text for id in ids)


def test_reasons_belong_to_what_was_measured():
    text = claims.claim_2(found(hypocritical=(81.0, 37.0)))[0].why[FAILS]
    assert "82.0 %" in text
    assert not claims.claim_2(found())[0].why.get(HOLDS)
    assert claims._outlier(np.array([2.0, 3.0, 4.0, 8.0])) == {}
    assert "falls" in text
    assert "gains" in claims.claim_2(found(hypocritical=(82.1, 37.0, 9.0)))[0].why[OPEN]
    assert "One of 4 seeds has +26.8" in claims._outlier(np.array([2.0, 26.8, 3.0, 4.0]))[OPEN]


def test_runs_that_collapse_are_counted():
    assert "In no run" in tables.collapses(found())
    fallen = found() | {(0.1, "clean", 2.0): records(10.0, 10.0)}
    assert "3 of 3 seeds on clean images with 2 ε (ε = 0.1)" in tables.collapses(fallen)


def test_what_is_added_to_empty_pixels():
    spec = runs.Spec()
    clean = load_splits(spec).train.x.numpy()
    everywhere = Record(spec, {"x": clean + 0.1}, {})
    there = Record(spec, {"x": clean + 0.1 * (clean == 0)}, {})
    found = tables.on_empty({"a": [everywhere], "b": [there]})
    assert found["a"] == pytest.approx(found["pixels"], abs=0.01)
    assert found["b"] == pytest.approx([100])


def test_tables_of_records():
    groups = found()
    assert tables.radii(groups) == [0.1]
    assert set(tables.budgets(groups)) == {1.0, 1.25, tuning.chosen_budget(0.1)}
    assert tables.fits({("clean", 0.2): records(90, 50)})["clean"][0.2].shape == (3, 2)
    assert tables.pictures({"a": np.full(1, 255, np.uint8), "b": np.ones(1)}) == {"a": 1, "b": 1}
