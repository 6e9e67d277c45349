"""The room of the head to head: settings, recorded choice, class-count study, tables, claims."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from chapters.head_to_head import claims, cost, entries, figures, ranking, runs, set_claims, tables
from chapters.head_to_head.choices import Choices, choice_settings, choose, climb
from chapters.head_to_head.classes import with_classes
from chapters.head_to_head.record import RECORDS

from weaklabels import data
from weaklabels.lab.candidate_setting import comparison, rows, vary
from weaklabels.lab.multilabel import run
from weaklabels.lab.sweep import run_one
from weaklabels.press.chapter import Chapter
from weaklabels.press.verdicts import FAILS, HOLDS, NOT_TESTABLE, OPEN


def setting(profile: str) -> Chapter:
    return Chapter("head_to_head", profile, "cpu", 3)


# -- choices ----------------------------------------------------------------------------


def test_the_recorded_choice_is_that_of_the_present_settings() -> None:
    choices = Choices(setting("quick"))
    for weak, name in [("-", entries.ALL_LABELS), *entries.cells()]:
        rates, knobs = choices.rates(name, weak), choices.knobs(name, weak)
        assert set(rates) <= set(entries.RATES)
        lr, knob = choices.best(name, weak)
        assert rates[lr] == max(rates.values())
        assert knobs[knob] == max(knobs.values()) == choices.score(name, weak)
    assert tables.default_losses(choices).min().min() >= 0
    assert choices.favourite("10 % known", ("AN", "BCE on known")) in ("AN", "BCE on known")
    ends, _ = choices.at_an_edge()
    shown = tables.chosen_table(choices)
    assert shown.loc["CAP thresholds", "single positive"] == "n/a"
    assert (shown.map(lambda text: text.count("*")).to_numpy().sum()) == ends


def test_the_choice_has_seeds_of_its_own_and_lies_inside_what_was_tried() -> None:
    assert min(setting("quick").recorded("choices")["seeds"]) >= 1000
    ends, every = Choices(setting("quick")).at_an_edge()
    assert ends < every / 4


def test_a_search_ends_where_both_neighbours_are_lower() -> None:
    scores = {("a", "m"): [1, 2, 5, 4, 9], ("b", "m"): [1, 2, 3, 4, 5]}
    asked: list = []

    def score(wanted: list) -> list:
        asked.append(len(wanted))
        return [scores[cell][place] for cell, place in wanted]

    found = climb(score, dict.fromkeys(scores, 1), lambda cell: 5)
    assert found["a", "m"] == {1: 2, 0: 1, 2: 5, 3: 4}
    assert found["b", "m"] == dict(enumerate([1, 2, 3, 4, 5]))
    assert asked == [2, 4, 2, 1]


def test_a_stale_choice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    record = setting("quick").recorded("choices")
    record["settings"]["rates"] = [1.0]
    monkeypatch.setattr(Chapter, "recorded", lambda self, name: record)
    with pytest.raises(ValueError, match="made with other settings: run make record"):
        Choices(setting("quick"))
    monkeypatch.setattr(Chapter, "recorded", lambda self, name: None)
    with pytest.raises(FileNotFoundError, match=r"choices\.json is missing"):
        Choices(setting("quick"))


def test_choosing_keeps_validation_scores_by_rate_and_knob(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_all(self: Chapter, function: object, specs: Iterable) -> list:
        # The learning rate itself is the score, so that the place of each number can be seen.
        return [{"val_ap": np.full((2, 3), spec.optimiser.lr)} for spec in specs]

    monkeypatch.setattr(Chapter, "run", run_all)
    record = choose(setting("quick"))
    assert record["settings"] == choice_settings()
    assert record["seeds"] == [1000, 1001, 1002]
    for weak, name in entries.cells():
        found = record["validation"][weak][name]
        assert found["rates"] == {"0.02": 0.02, "0.06": 0.06, "0.2": 0.2, "0.6": 0.6}
        default = entries.METHODS[name].default
        beside = range(default - 1, default + 2) if default else [0]
        assert found["knobs"] == {str(k): 0.6 for k in beside}


def test_a_run_with_thresholds() -> None:
    base = runs.base_spec(setting("smoke"))
    record = run_one(run, entries.specify(base, "CAP thresholds", "50 % known", 0, 0.01, 0), None)
    assert np.isfinite(record["test_ap"]).all()


# -- candidate sets over the number of classes ----------------------------------------------------


@pytest.mark.parametrize("classes", [2, 5, 10, 20, 30])
def test_classes_are_digits_in_channels(classes: int) -> None:
    source = data.load("digits", seed=0)
    made = with_classes(source, classes, 120, 0)
    assert made.train.x.shape == (120, 3, 8, 8)
    assert len(made.classes) == classes
    assert set(made.test.y.tolist()) == set(range(classes))
    used = made.test.x.flatten(2).abs().sum(2) > 0
    assert (used.sum(1) == 1).all()
    assert torch.equal(used.int().argmax(1), made.test.y // 10)
    again = with_classes(source, classes, 120, 0)
    assert torch.equal(made.train.x, again.train.x)


def test_a_number_of_classes_that_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="classes is 15"):
        with_classes(data.load("digits"), 15, 10, 0)


@pytest.mark.parametrize("profile", ["quick", "smoke"])
def test_runs_on_sets_are_those_that_the_book_computes_anyway(profile: str) -> None:
    compared = comparison(setting(profile))
    table = runs.set_table(runs.set_specs(compared))
    flip = next(iter(compared.flips.values()))
    for q in compared.qs:
        for name, spec in rows(replace(flip, q=q), runs.PARTIAL).items():
            assert table[f"q = {q:g}", name] == spec
    assert table["uniform", "RC"] == vary(next(iter(compared.tables.values())), "RC")
    assert len({table[f"q = {q:g}", runs.SUPERVISED] for q in compared.qs}) == 1


# -- tables, costs, figures -----------------------------------------------------------------------

SCORES = {
    ("t", "a"): np.array([90.0, 91.0, 92.0]),
    ("t", "b"): np.array([89.0, 92.0, 91.5]),
    ("t", "c"): np.array([80.0, 81.0, 82.1]),
    ("u", "a"): np.array([70.0, 71.0, 72.0]),
    ("u", "b"): np.array([80.0, 81.0, 83.0]),
}


def test_who_is_not_shown_to_be_worse() -> None:
    assert tables.not_worse(SCORES, "t", "abc") == ["a", "b"]
    assert tables.not_worse(SCORES, "u", "abc") == ["b"]


def test_the_least_demanding_of_the_near_ones() -> None:
    demands = {"a": (1, 0, 1.0), "b": (0, 0, 2.0), "c": (0, 0, 1.0)}
    table = tables.decision_table(SCORES, ["t", "u"], "abc"[:2], "a", demands)
    assert table["least demanding choice"].tolist() == ["b", "b"]
    assert table.loc["t", "not shown to be worse"] == "b"
    assert table.loc["u", "lead over a"] == "10.3 ± 0.6"


def test_close_to_the_best_everywhere() -> None:
    found = tables.always_close(SCORES, ["t", "u"], ["a", "b"])
    assert found.tolist() == [[False] * 3, [True] * 3]


def test_gaps_and_tables_mark_what_does_not_apply() -> None:
    frame = tables.gaps(SCORES, ["t", "u"], ["a", "b", "c"])
    assert frame.loc["b", "u"] == 0
    assert math.isnan(frame.loc["c", "u"])
    table = tables.score_table(SCORES | {("-", "all"): np.array([99.0])}, ["t", "u"], "abc", "all")
    assert table.index.tolist() == ["all", "a", "b", "c"]
    assert table.loc["c", "u"] == "n/a"
    assert table.loc["all", "u"] == "99.0"


def test_time_is_taken_of_training_and_in_that_of_the_plain_methods() -> None:
    flip = next(iter(comparison(setting("smoke")).flips.values()))
    for train in (cost.scene_trial("AN"), cost.set_trial(flip, runs.AVERAGING)):
        train()
    assert (next(iter(entries.METHODS)), runs.PARTIAL[0]) == ("AN", runs.AVERAGING)


def test_the_recorded_cost_names_every_method() -> None:
    record = setting("quick").recorded("cost")
    assert record["scenes"].keys() == entries.METHODS.keys()
    assert record["sets"].keys() == set(runs.PARTIAL)
    demands = tables.demands(record["scenes"])
    assert demands["AN"][:2] == (False, False)
    assert demands["ROLE"][0]


def test_figures_are_drawn() -> None:
    rng = np.random.default_rng(0)
    ranked = ranking.rank(rng.normal(size=(6, 5)), list("abcde"))
    frame = pd.DataFrame({"10 % known": [0.0, 3.0, np.nan], "single positive": [1.0, 0.0, 9.0]})
    frame.index = list("abc")
    cells = {(t, n): rng.normal(size=3) for t in ("t", "u") for n in ("a", "b", "top")}
    drawn = [
        figures.draw_gaps(frame, "points"),
        figures.draw_critical({"one": ranked, "two": ranked}),
        figures.draw_agreement(np.eye(2), ["a 1", "b 2"]),
        figures.draw_losses(frame),
        figures.draw_cost({"x": {"a": (0.9, 1, 1.1)}, "y": {"a": (1, 1, 1)}}),
        figures.draw_partial(cells, {"q": {0.1: "t", 0.7: "u"}, "K": {1: "t"}}, ["a", "b"], "top"),
    ]
    for figure in drawn:
        figure.canvas.draw()
        plt.close(figure)


def test_tables_of_the_chapter_are_made_of_scores() -> None:
    found = made_scores()
    table = tables.rank_table(found)
    assert table.index[0] == "WAN"
    assert table.loc["WAN", "mean rank"] == 1
    assert table.loc["WAN", "best to worst"] == "1 to 1"
    gained = tables.moment_table(found, {key: values + 1 for key, values in found.items()})
    assert gained.loc["CAP thresholds"].tolist() == ["n/a", "1.0 ± 0.0"]
    assert "**1 different methods**" in tables.leaders_line(found)
    choice = tables.decision_table(
        found,
        tuple(entries.WEAKENINGS),
        tuple(entries.METHODS),
        "AN",
        dict.fromkeys(entries.METHODS, (0,)),
    )
    line = tables.decisions_line(found, choice, choice)
    assert "**Only positives are known**: WAN (3 of 3)." in line
    assert "every weakening**: WAN." in line


def test_records_are_made_by_name() -> None:
    found = {path.stem for path in setting("quick").recorded_results.glob("*.json")}
    assert found - {"claims", "figures", "provenance"} <= set(RECORDS)


# -- claims ---------------------------------------------------------------------------------------


def made_scores(**means: float) -> dict[tuple[str, str], np.ndarray]:
    """Scores under every weakening: WAN leads, all others lie ever further behind."""
    usual = {name: 60.0 - 3 * i for i, name in enumerate(entries.METHODS)} | {"WAN": 90.0}
    return {
        (weak, name): (usual | means)[name] + np.array([-0.1, 0.0, 0.1])
        for weak, name in entries.cells()
    }


class Favours:
    """Choices whose favourite is the first of some methods that is asked about."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def favourite(self, weakening: str, names: Iterable[str]) -> str:
        names = list(names)
        return next((name for name in self.names if name in names), names[0])

    def closest(self, names: Iterable[str]) -> str:
        return self.favourite("any", names)


ALL = tuple(entries.WEAKENINGS)


def outcomes(*rows: claims.Row) -> dict[str, str]:
    return {row.id: row.verdict.outcome for row in rows}


def scattered(mean: float) -> np.ndarray:
    """Three scores that show nothing about differences of some points."""
    return mean + np.array([-8.0, 0.0, 8.0])


def test_claims_about_single_methods_follow_their_scores() -> None:
    high = made_scores(**{"EM": 80.0, "LL-R": 80.0, "LL-Ct": 80.0, "LL-Cp": 80.0})
    low = made_scores(**{"EM": 10.0, "LL-R": 10.0, "LL-Cp": 10.0, "BCE on known": 11.0})
    high |= {(weak, "BCE on known"): high[weak, "WAN"] - 0.5 for weak in entries.WEAKENINGS}
    for scores, expected in ((high, HOLDS), (low, FAILS)):
        rows = *claims.claim_1(scores, ALL), *claims.claim_2(scores), *claims.claim_5(scores, ALL)
        assert set(outcomes(*rows).values()) == {expected}
        for weak, id in (("50 % known", "4a"), ("90 % known", "4b")):
            assert outcomes(claims.claim_4(scores, Favours("WAN"), weak)) == {id: expected}


def test_a_method_that_validation_made_bce_on_known_is_no_rival_of_it() -> None:
    scores = made_scores(**{"EM": 80.0, "BCE on known": 80.0})
    assert outcomes(*claims.claim_1(scores, runs.FIRST)) == {"1a": HOLDS, "1c": NOT_TESTABLE}
    assert "(WAN)" in claims.claim_4(scores, Favours("EM", "WAN"), "50 % known").claim


def test_every_weakening_and_method_has_a_row_of_its_own() -> None:
    scores = made_scores(**{"EM": 80.0, "LL-R": 80.0})
    scores["single positive", "EM"] = scattered(62)
    scores["90 % known", "BCE on known"] = scattered(62)
    found = claims.claim_1(scores, ALL)
    assert [row.verdict.outcome for row in found] == [OPEN] + [HOLDS] * (len(ALL) - 1)
    assert [row.paper == claims.OWN for row in found] == [False] + [True] * (len(ALL) - 1)
    assert [row.id for row in claims.claim_1(scores, runs.FIRST)] == ["1a", "1c"]
    assert outcomes(*claims.claim_2(scores)) == {"2a": HOLDS, "2b": FAILS, "2c": FAILS}
    assert outcomes(*claims.claim_5(scores, ALL)) == {"5a": FAILS, "5b": FAILS, "5c": OPEN}
    assert outcomes(claims.claim_4(scores, Favours("AN"), "90 % known")) == {"4b": OPEN}
    for weak in entries.POSITIVES_ONLY:
        scores[weak, "LL-Ct"] = scattered(62)
    assert outcomes(*claims.claim_2(scores))["2b"] == OPEN


def test_claims_about_the_best_take_the_favourite_of_the_validation_scenes() -> None:
    scores = made_scores(ROLE=80.0, **{"BCE on known": 55.0})
    assert "(WAN)" in claims.claim_3(scores, Favours("WAN")).claim
    assert outcomes(claims.claim_3(scores, Favours("WAN"))) == {"3": HOLDS}
    assert outcomes(claims.claim_3(scores, Favours("nnPU"))) == {"3": FAILS}
    assert outcomes(claims.claim_9(scores, Favours("ROLE", "LL-R"))) == {"9": HOLDS}
    assert outcomes(claims.claim_9(scores, Favours("ROLE", "WAN"))) == {"9": FAILS}
    favours = Favours("WAN", "ROLE")
    assert outcomes(claims.claim_10(scores, favours, "50 % known")) == {"10b": HOLDS}
    scores["10 % known", "ROLE"] = scattered(89)
    assert outcomes(claims.claim_10(scores, favours, "10 % known")) == {"10a": OPEN}
    assert outcomes(claims.claim_10(scores, Favours("EM", "ROLE"), "10 % known")) == {"10a": FAILS}
    scores["single positive", "ROLE"] = scattered(62)
    scores["90 % known", "WAN"] = scattered(62)
    assert outcomes(claims.claim_9(scores, Favours("ROLE", "AN"))) == {"9": OPEN}
    assert outcomes(claims.claim_3(scores, Favours("WAN"))) == {"3": OPEN}


def test_rare_labels_make_leads_larger() -> None:
    scores = made_scores()
    assert outcomes(*claims.claim_8(scores, Favours("WAN"))) == {"8a": FAILS, "8b": FAILS}
    scores["90 % known", "WAN"] = scores["90 % known", "AN"] + 1
    scores["20 % missed", "WAN"] = scattered(88)
    assert outcomes(*claims.claim_8(scores, Favours("WAN"))) == {"8a": HOLDS, "8b": OPEN}


def test_pu_mlc_against_vpu() -> None:
    scores = made_scores(**{"PU-MLC": 50.0, "VPU": 40.0})
    assert outcomes(*claims.claim_17(scores)) == {"17a": HOLDS, "17b": HOLDS}
    scores = made_scores(**{"PU-MLC": 40.0, "VPU": 50.0})
    assert outcomes(*claims.claim_17(scores)) == {"17a": FAILS, "17b": FAILS}
    for weak in entries.BOTH_SIGNS:
        scores[weak, "PU-MLC"] = scattered(50)
    assert outcomes(*claims.claim_17(scores)) == {"17a": FAILS, "17b": OPEN}


def test_orders_agree_or_not() -> None:
    scores = made_scores()
    assert outcomes(claims.claim_6(scores), claims.claim_7(scores)) == {"6": HOLDS, "7": HOLDS}
    for weak in ("10 % known", "80 % missed"):
        for name in entries.RANKED:
            scores[weak, name] = -scores[weak, name]
    found = claims.claim_6(scores)
    assert outcomes(found, claims.claim_7(scores)) == {"6": FAILS, "7": FAILS}
    assert "between seeds within a task 1.00 and 1.00" in found.verdict.ours
    alone = {key: values[:1] for key, values in scores.items()}
    assert outcomes(claims.claim_6(alone)) == {"6": NOT_TESTABLE}
    rng = np.random.default_rng(0)
    for name in entries.RANKED:
        scores["10 % known", name] = rng.normal(size=3)
    assert outcomes(claims.claim_6(scores)) == {"6": OPEN}


def test_what_a_seed_shares_makes_no_two_orders_agree() -> None:
    rng = np.random.default_rng(0)
    shared = {name: rng.normal(size=20) for name in entries.RANKED}
    scores = {
        (weak, name): values
        for weak in ("single positive", "10 % known")
        for name, values in shared.items()
    }
    assert outcomes(claims.claim_6(scores)) == {"6": OPEN}


def test_the_dearest_step_but_that_of_pu_mlc_decides() -> None:
    cost = {name: [1.0, 1.1, 1.2] for name in entries.METHODS}
    cost |= {name: [2.0, 2.0, 2.0] for name in ("VPU", "PU-MLC")}
    assert outcomes(claims.claim_11(cost)) == {"11": HOLDS}
    assert claims.claim_11(cost | {"EM": [1.0, 1.3, 1.4]}).verdict.ours == "at most 1.30 (EM)"
    assert outcomes(claims.claim_11(cost | {"EM": [1.0, 1.3, 1.4]})) == {"11": FAILS}


def test_one_method_will_do_only_if_it_is_near_everywhere() -> None:
    five = {key: np.repeat(values, 2)[:5] for key, values in made_scores().items()}
    found = claims.claim_12(five, Favours("WAN"))
    assert "(WAN)" in found.claim
    assert outcomes(found) == {"12": HOLDS}
    assert outcomes(claims.claim_12(made_scores(), Favours("WAN"))) == {"12": OPEN}
    five["90 % known", "WAN"] = five["90 % known", "AN"] - 20
    assert outcomes(claims.claim_12(five, Favours("WAN"))) == {"12": FAILS}


def test_the_closest_method_is_that_of_the_validation_scenes() -> None:
    choices = Choices(setting("quick"))
    name = choices.closest(entries.RANKED)

    def worst(name: str) -> float:
        return max(
            max(choices.score(other, weak) for other in entries.RANKED) - choices.score(name, weak)
            for weak in entries.WEAKENINGS
        )

    assert worst(name) == min(worst(other) for other in entries.RANKED)


def test_identifying_against_the_likelihood_of_the_set() -> None:
    scores = {(task, name): scattered(80) for task in ("a", "b") for name in runs.PARTIAL}
    scores |= {("a", "CC"): scattered(70), ("b", "CC"): scattered(90)}
    found = outcomes(*set_claims.claim_25(scores, ["a", "b"]))
    assert found == dict.fromkeys((f"25{x}" for x in "abcd"), HOLDS) | dict.fromkeys(
        (f"25{x}" for x in "efgh"), FAILS
    )


def on_sets(scores: dict[tuple[str, str], np.ndarray], smallest: str) -> dict[str, str]:
    return outcomes(
        *set_claims.claim_13(scores, "q = 0.7"),
        *set_claims.claim_14(scores, smallest),
        *set_claims.claim_15(scores, "30 classes"),
        set_claims.claim_16(scores, "q = 0.1", "q = 0.7"),
    )


def test_claims_about_candidate_sets() -> None:
    means = dict(zip(runs.PARTIAL, (50.0, 60.0, 61.0, 90.0, 91.0, 62.0, 63.0, 64.0), strict=True))
    scores = {
        (task, name): mean + np.array([-0.1, 0.0, 0.1])
        for task in ("q = 0.1", "q = 0.7", "30 classes")
        for name, mean in means.items()
    }
    ids = {number: [f"{number}{letter}" for letter in "abcd"] for number in (13, 14, 15)}
    high = dict.fromkeys((*ids[13], *ids[15], "16"), HOLDS) | dict.fromkeys(ids[14], FAILS)
    assert on_sets(scores, "q = 0.1") == high
    scores["q = 0.7", "RC"] = scattered(52)
    scores["30 classes", "PRODEN"] = scattered(66)
    scores["q = 0.1", "IM-max"] = scattered(52)
    found = on_sets(scores, "q = 0.1")
    assert [key for key, outcome in found.items() if outcome == OPEN][:4] == [
        "13b",
        "14a",
        "15c",
        "15d",
    ]
    low = {key: values if key[0] == "q = 0.1" else -values for key, values in scores.items()}
    low["q = 0.7", "RC"] = -91.0 + np.array([-0.1, 0.0, 0.1])
    low["30 classes", "PRODEN"] = -92.0 + np.array([-0.1, 0.0, 0.1])
    low["q = 0.1", "IM-max"] = 60.0 + np.array([-0.1, 0.0, 0.1])
    assert on_sets(low, "q = 0.7") == {
        key: FAILS if outcome == HOLDS else HOLDS for key, outcome in high.items()
    }
