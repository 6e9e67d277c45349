"""The room of Class Activation Value Learning: settings, tables, recorded results, claims."""

import dataclasses

import numpy as np
import pytest
import torch
from chapters.class_activation_value import claims, record, runs, tables

from tests.library import tiny_datasets as tiny
from tests.library.candidate_sets import TINY
from weaklabels.lab import candidate_sets
from weaklabels.lab.candidate_setting import comparison
from weaklabels.lab.store import Record
from weaklabels.press.chapter import Chapter
from weaklabels.press.verdicts import FAILS, HOLDS, NOT_TESTABLE, OPEN

# -- the chapter ---------------------------------------------------------------------------------


def chapter(profile, root="data"):
    return Chapter("class_activation_value", profile, "cpu", 2, str(root))


def test_paper_profile_without_data_names_the_command(tmp_path):
    with pytest.raises(FileNotFoundError, match="make data-fashion-mnist"):
        runs.settings(chapter("paper", tmp_path))


def test_paper_profile_runs_on_the_sets_that_are_there(tmp_path):
    tiny.mnist_like(tmp_path, "FashionMNIST", train=20, test=10)
    here = chapter("paper", tmp_path)
    chosen = runs.settings(here)
    assert list(chosen.tables) == ["fashion_mnist, mlp", "fashion_mnist, lenet"]
    assert chosen.real == {}
    line = tables.data_line(here, chosen)
    assert "fashion_mnist (20 training and 10 test examples)" in line
    assert "left out: mnist (`make data-mnist`), kmnist (`make data-kmnist`), cifar10" in line
    assert "BirdSong (`make data-pll`)" in line
    base = next(iter(chosen.tables.values()))
    assert (base.epochs, base.batch_size, base.candidates) == (250, 64, "uniform official")
    assert (base.optimiser.lr, base.optimiser.weight_decay, chosen.last) == (1e-3, 1e-3, 10)
    specs = [*chosen.tables.values(), *chosen.flips.values(), chosen.pilot, chosen.lenet]
    for spec in (*specs, chosen.vectors, chosen.start):
        flips = {"q": 0.3} if spec.candidates == "flip" else {}
        found = candidate_sets.run(dataclasses.replace(spec, epochs=1, batch_size=8, **flips))
        assert 0 <= found["test_accuracy"][0] <= 100


def test_paper_profile_changes_the_width_of_a_connected_network(tmp_path):
    tiny.cifar10_subset(tmp_path)  # whose tables have residual networks alone
    chosen = runs.settings(chapter("paper", tmp_path))
    assert {spec.network for spec in chosen.tables.values()} == {"cifar_resnet", "cifar_densenet"}
    spec = runs.intervention_table(chosen.start)[0.7, 30, "PRODEN"]
    found = candidate_sets.run(dataclasses.replace(spec, epochs=1, batch_size=20))
    assert 0 <= found["test_accuracy"][0] <= 100


def test_quick_profile_says_what_it_uses():
    here = chapter("quick")
    chosen = runs.settings(here)
    assert tables.data_line(here, chosen) == (
        "Data of this run: digits (400 training and 1,000 test examples)."
    )
    assert chosen.start == next(iter(chosen.tables.values()))  # T0 = 1 is a run of the tables


def test_longer_runs_begin_as_the_shorter_one():
    short = dataclasses.replace(TINY, epochs=2)
    long = dataclasses.replace(TINY, epochs=4)
    a, b = candidate_sets.run(short), candidate_sets.run(long)
    assert a["test_accuracy"].tolist() == b["test_accuracy"][:2].tolist()


def test_starts_have_equal_numbers_of_cav_epochs():
    table = runs.start_table(TINY, (0, 1, 4))
    assert [spec.epochs - TINY.epochs for spec in table.values()] == [0, 0, 3]
    assert table[1] == runs.vary(TINY, "CAVL")
    assert {spec.epochs for spec in runs.hard_start_table(TINY, (0, 4)).values()} == {TINY.epochs}


def test_comparisons_train_on_few_digits_and_maps_on_all():
    chosen, shared = runs.settings(chapter("quick")), comparison(chapter("quick"))
    assert chosen.qs == shared.qs
    for spec in (*chosen.tables.values(), *chosen.flips.values(), chosen.start):
        splits = candidate_sets.load_splits(spec)
        assert (len(splits.train), len(splits.test)) == (400, 1000)
    assert len(candidate_sets.load_splits(chosen.pilot).train) == 1437


def test_every_method_trains_at_the_rate_that_was_chosen_for_it():
    (base,) = runs.settings(chapter("quick")).tables.values()
    for name, rate in runs.CHOSEN_RATES.items():
        assert runs.vary(base, name).optimiser.lr == rate
    assert runs.vary(base, "CAVL, official masking").optimiser.lr == runs.CHOSEN_RATES["CAVL"]
    later = dict(runs.vary(base, "CAVL, later start").method_options)
    assert later["start_epoch"] == runs.CHOSEN_STARTS["CAVL"]
    flipped = dataclasses.replace(base, candidates="flip", q=0.1)
    assert runs.vary(flipped, "CAVL").optimiser.lr == runs.CHOSEN_AT_Q[0.1]["CAVL"]
    assert runs.vary(flipped, "supervised").optimiser.lr == runs.CHOSEN_RATES["supervised"]
    elsewhere = dataclasses.replace(base, dataset="fashion_mnist")
    assert runs.vary(elsewhere, "CC").optimiser == base.optimiser


def test_the_intervention_changes_one_thing_at_a_time():
    (base,) = runs.settings(chapter("quick")).tables.values()
    table = runs.intervention_table(base)
    cells = len(runs.QS) * len(runs.WIDTHS)
    assert len(table) == cells * (1 + len(runs.INTERVENED_STARTS))
    spec = table[0.7, 30, "T0 = 20"]
    assert (spec.q, dict(spec.network_options)["hidden"]) == (0.7, (30, 31))
    assert dict(spec.method_options) == {"start_epoch": 20}
    other = table[0.3, 30, "T0 = 20"]  # at another q with the rate that was chosen there
    assert dataclasses.replace(spec, q=0.3, optimiser=other.optimiser) == other
    assert other.optimiser.lr == runs.CHOSEN_AT_Q[0.3]["CAVL"]
    betas = [dict(spec.method_options)["beta"] for spec in runs.leverage_table(base).values()]
    assert betas == [*runs.LEVERAGES, *runs.LEVERAGES]


def test_a_curve_that_stands_still_has_no_correlation():
    assert tables._pearson(np.ones(3), np.arange(3.0)) == 0
    assert tables._pearson(np.arange(3.0), 2 * np.arange(3.0)) == pytest.approx(1)


def test_telling_rows_end_with_an_error():
    candidates = torch.zeros(6, 5, dtype=torch.bool)
    candidates[:, :4] = True
    candidates[0, 4] = True  # five candidates: never chosen
    scores = torch.zeros(6, 5)
    scores[:, 1] = 1
    truth = torch.tensor([1, 1, 2, 1, 1, 2])
    assert tables.telling_rows(scores, candidates, truth) == [1, 3, 2]


def test_strongest_channels_by_weight_times_mean():
    activations = torch.tensor([1.0, 4.0, 2.0])[:, None, None].expand(3, 2, 2)
    channels, weights, means = tables.strongest(activations, torch.tensor([3.0, -2.0, 1.0]), 2)
    assert (channels, weights, means) == ([1, 0], [-2.0, 3.0], [4.0, 1.0])


def test_recorded_results_have_what_the_chapter_reads():
    here = chapter("quick")
    real = tables.recorded_real(here)
    assert {"BirdSong, MLP", "Lost, MLP", "MSRCv2, MLP"} <= set(real)
    for results in real.values():
        assert set(results) == set(record.RECORDED_REAL)
        assert all(len(values) == 5 for values in results.values())
    assert "elsewhere" in " ".join(tables.real_table(real).columns)
    cells = tables.recorded_cells(here.recorded("fashion_mnist"))
    assert {q for q, _ in cells} == set(record.FLIPPING)
    assert all(len(values) == 5 for values in cells.values())
    networks = tables.recorded_networks(here.recorded("networks"))
    assert set(networks) == {"LeNet", "ResNet-32", "DenseNet-22"}
    assert set(tables.mean_table(networks).index) == set(record.RECORDED_NETWORKS)


def test_a_record_is_made_of_the_runs_of_its_table(monkeypatch):
    here, asked = chapter("quick"), {}

    def repeat(function, table, seeds):
        asked.update(table)
        return {key: [finished(spec, seed) for seed in seeds] for key, spec in table.items()}

    def finished(spec, seed):
        values = dict.fromkeys(("test_accuracy", "select IM-max", "select CAV"), np.full(4, 50.0))
        return Record(dataclasses.replace(spec, seed=seed), values | {"chance": np.array(20.0)}, {})

    monkeypatch.setattr(Chapter, "repeat", lambda self, *arguments: repeat(*arguments))
    made = record.RECORDS["fashion_mnist"](here)
    committed = here.recorded("fashion_mnist")
    names = [(row["seed"], row["q"], row["method"]) for row in committed["rows"]]
    assert [(row["seed"], row["q"], row["method"]) for row in made["rows"]] == names
    assert made["settings"] == committed["settings"]
    assert all(spec.track == ("values",) for spec in asked.values())
    made = record.RECORDS["networks"](here)
    names = [(r["seed"], r["network"], r["method"]) for r in here.recorded("networks")["rows"]]
    assert [(r["seed"], r["network"], r["method"]) for r in made["rows"]] == names


RECORDED = chapter("quick").recorded("tuning")


@pytest.mark.skipif(RECORDED is None, reason="the choice is not recorded yet")
def test_chosen_settings_are_those_of_the_record():
    assert RECORDED["values"]["learning rate"] == list(runs.RATES)
    assert RECORDED["values"]["starting epoch"] == list(runs.STARTS)
    for lines, chosen in (
        (RECORDED["rates"], runs.CHOSEN_RATES),
        (RECORDED["starts"], runs.CHOSEN_STARTS),
    ):
        assert {line["method"]: line["chosen"] for line in lines} == chosen
    at_q = {
        float(q): {line["method"]: line["chosen"] for line in lines}
        for q, lines in RECORDED["flips"].items()
    }
    assert at_q == runs.CHOSEN_AT_Q


def test_plench_stands_beside_what_its_code_gives():
    rows = [
        {"dataset": name, "method": "PRODEN", "seed": seed, "test": 50.0}
        for name in ("lost", "birdsong")
        for seed in range(2)
    ]
    shown = tables.plench_table(tables.recorded_sets({"rows": rows}))
    assert shown.loc["PRODEN", "Lost, its code"] == "69.6"
    assert shown.loc["PRODEN", "Lost"] == "50.0 ± 0.0"
    assert "BirdSong, its code" not in shown.columns
    assert tables.recorded_sets(None) == {}


# -- claims ---------------------------------------------------------------------------------------


def outcomes(rows):
    return {row.id: row.verdict.outcome for row in rows}


def records(**curves):
    """Three runs whose curves differ a little."""
    chance = {"chance": np.array(20.0)}
    return [
        Record(TINY, {n: np.array(v, float) + 0.1 * i for n, v in curves.items()} | chance, {})
        for i in range(3)
    ]


def around(mean, spread=0.1):
    return mean + spread * np.array([-1.0, 0.0, 1.0])


def test_power_is_a_margin_above_chance_in_the_first_epochs():
    found = {
        "select CAM, count": [50, 60, 60, 60, 60, 0],
        "select IM-max": [30, 30, 30, 30, 30, 30],
    }
    assert outcomes(claims.claim_1(records(**found))) == {"1a": HOLDS, "1b": HOLDS}
    swapped = dict(zip(found, reversed(found.values()), strict=True))
    assert outcomes(claims.claim_1(records(**swapped))) == {"1a": FAILS, "1b": FAILS}
    level = records(**found | {"select CAM, count": [40.0] * 6, "select IM-max": [40.0] * 6})
    level[0].values["select CAM, count"] += 3
    assert outcomes(claims.claim_1(level)) == {"1a": OPEN, "1b": OPEN}


def moving(*, together, epochs=20):
    """Five runs that rise alike; the changes of selection are the classifier's, or others'."""
    rng = np.random.default_rng(0)
    trend = np.linspace(30, 80, epochs)
    found = []
    for _ in range(5):
        classifier, other = trend + rng.normal(0, 2, (2, epochs))
        selection = classifier if together else other
        names = ("select CAM, count", "select CAM, relu_sum", "select CAV")
        curves = dict.fromkeys(names, selection) | {"train_accuracy": classifier}
        found.append(Record(TINY, curves | {"chance": np.array(5.0)}, {}))
    return found


def test_dynamic_asks_for_changes_in_step_and_not_for_curves_that_both_rise():
    moved, apart = moving(together=True), moving(together=False)
    assert tables.correlations(apart, "select CAV").min() > 0.8
    own, other = tables.change_correlations(moved, "select CAV")
    assert own == pytest.approx(1)
    assert np.abs(other).max() < 0.5
    found = outcomes(claims.claim_2({"IM-avg": moved, "CAM": apart}))
    assert {found["2a"], found["2c"]} == {HOLDS}
    assert HOLDS not in {found["2b"], found["2d"]}
    same = [moved[0]] * 5
    assert outcomes(claims.claim_2({"IM-avg": moved, "CAM": same}))["2b"] == FAILS
    few = claims.claim_2({"IM-avg": moved[:2], "CAM": apart[:1]})
    assert [row.verdict.outcome for row in few[:2]] == [HOLDS, NOT_TESTABLE]
    found = claims.claim_4({"images": moved, "vectors": same})
    assert outcomes(found) == {"4a": HOLDS, "4b": HOLDS, "4c": HOLDS, "4d": FAILS}
    assert found[2].claim.endswith("images")


def test_dynamic_is_open_where_few_runs_say_different_things():
    mixed = [*moving(together=True)[:1], *moving(together=False)[2:4]]
    assert outcomes(claims.claim_4({"mixed": mixed}))["4b"] == OPEN


def test_the_later_row_decides_the_second_part_of_claim_3():
    final = {"CAM": around(60), "IM-avg": around(70), "later": around(80)}
    assert claims.claim_3(final).verdict.outcome == FAILS
    assert claims.claim_3_later(final, "later").verdict.outcome == HOLDS
    assert claims.claim_3_later(final | {"later": around(72, 5)}, "later").verdict.outcome == OPEN


def test_cavl_is_best_if_it_beats_every_comparator():
    good = {"IM-max": around(70), "CC": around(60), "RC": around(75), "CAVL": around(80)}
    good |= {"CAVL, T0 = 5": around(50), "CAVL, later start": around(50)}
    bad, unclear = good | {"CAVL": around(72)}, good | {"RC": around(79, 5)}
    found = claims.claim_6({"a": good, "b": bad, "c": unclear}, {"LeNet": good}, {"full": good})
    decided = {"6a": HOLDS, "6b": FAILS, "6c": OPEN, "6ra": HOLDS, "6wa": FAILS, "6fa": HOLDS}
    assert outcomes(found) == decided | {"6la": FAILS, "6lb": FAILS, "6lc": FAILS}
    assert claims.claim_6({}, {}, {}) == []
    row = claims.claim_6({"a": bad}, {"LeNet": bad}, {})[2]
    assert [part.name for part in row.verdict.parts] == ["CC", "RC"]
    assert row.claim.endswith("LeNet")
    assert row.as_dict()["why"].startswith("whether the warm-up")
    assert outcomes(claims.claim_8({"Lost": bad})) == {"8a": FAILS, "8ma": HOLDS}
    late = {"Lost": bad | {"CAVL, T0 = 10": around(90)}, "computed here": bad}
    assert outcomes(claims.claim_8(late))["8wa"] == HOLDS


def test_the_final_form_is_compared_with_the_first_at_both_starts():
    def found(first, late):
        names = ("CAVL", "IM-max", "CAVL, later start", "IM-max, later start")
        return claims.claim_5(dict(zip(names, (around(80), first, around(80), late), strict=True)))

    rows = outcomes(found(around(70), around(80)))
    assert rows == {"5a": HOLDS, "5b": FAILS}
    assert outcomes(found(around(79, 5), around(70))) == {"5a": OPEN, "5b": HOLDS}


def made_losses(change):
    """Losses to PRODEN of 5 points everywhere, but where changed."""
    cells = {
        (q, width, f"T0 = {start}"): around(5.0)
        for q in runs.QS
        for width in runs.WIDTHS
        for start in runs.INTERVENED_STARTS
    }
    return cells | change


def test_a_cause_is_one_if_changing_it_alone_changes_the_gap():
    ids = ("13a", "13b", "13c", "13d")
    assert outcomes(claims.claim_13(made_losses({}))) == dict.fromkeys(ids, FAILS)
    early = made_losses({(0.7, 300, "T0 = 1"): around(9.0)})
    found = outcomes(claims.claim_13(early))
    assert found == dict(zip(ids, (HOLDS, FAILS, HOLDS, HOLDS), strict=True))
    unclear = made_losses({(0.3, 300, "T0 = 20"): around(4, 5)})
    assert outcomes(claims.claim_13(unclear))["13b"] == OPEN
    shown = tables.intervention_table(early)
    assert shown.loc[("q = 0.7", 300), "T0 = 1"] == "9.0 ± 0.1"


def test_plench_rows_hold_if_the_rivals_are_ahead_and_name_its_effect():
    found = {
        "Lost": {"CC": around(68), "PRODEN": around(70), "CAVL": around(52)},
        "BirdSong": {"CC": around(60), "PRODEN": around(59, 5), "CAVL": around(60)},
    }
    rows = claims.claim_14(found)
    assert outcomes(rows) == {"14a1": HOLDS, "14a2": HOLDS, "14b1": OPEN, "14b2": FAILS}
    assert (rows[0].paper, rows[2].paper) == ("PLENCH's code: +18.0", "-")


def test_soft_labels_are_better_than_hard_ones_or_not():
    soft = {"RC": around(80), "IM-max": around(70)}
    assert claims.claim_16(soft).verdict.outcome == HOLDS
    assert claims.claim_16(soft | {"RC": around(70)}).verdict.outcome == FAILS
    assert claims.claim_16(soft | {"RC": around(71, 5)}).verdict.outcome == OPEN


def test_every_leverage_of_lws_is_a_row():
    found = {("LWS", 0.0): around(50), ("LWS", 2.0): around(90), ("LWC", 2.0): around(99)}
    assert outcomes(claims.claim_15(found, around(80))) == {"15a": HOLDS, "15b": FAILS}


def test_the_summary_counts_outcomes():
    found = {"1a": HOLDS, "6ra": FAILS, "6b": OPEN, "6wa": FAILS, "13a": HOLDS, "8mf": OPEN}
    found |= {"10": HOLDS, "11": HOLDS, "16": FAILS, "14a1": HOLDS, "17a": OPEN, "5a": HOLDS}
    text = claims.summary(found | {"17g": NOT_TESTABLE, "5b": HOLDS, "6la": FAILS})
    assert "guiding the training): of 1 rows 1 holds." in text  # and not row 10
    assert "An early start, but not none: of 1 rows 1 holds." in text
    assert (
        "hard self-training: of 2 rows 1 holds, 1 is open." in text
    )  # and not 5b, which repeats 5a
    assert "one epoch of warm-up: of 2 rows 1 fails, 1 is open." in text
    assert "later start: of 1 rows 1 fails." in text
    assert "PRODEN and CC ahead of CAVL: of 1 rows 1 holds." in text
    assert "given by ours: of 1 rows 1 is open." in text


def test_every_q_is_a_row_and_so_is_what_is_lost_in_between():
    steep = {(0.1, "CC"): around(90), (0.7, "CC"): around(70)}
    steep |= {(0.1, "RC"): around(85), (0.7, "RC"): around(75)}
    ids = ("7a", "7b", "7ra", "7rb", "7sa")
    cells = steep | {(0.1, "CAVL"): around(95), (0.7, "CAVL"): around(94)}
    assert outcomes(claims.claim_7({"a": cells}, cells)) == dict.fromkeys(ids, HOLDS)
    cells = steep | {(0.1, "CAVL"): around(95), (0.7, "CAVL"): around(72)}
    found = claims.claim_7({"a": cells}, cells)
    assert outcomes(found) == dict(zip(ids, (HOLDS, FAILS, HOLDS, FAILS, FAILS), strict=True))
    assert found[1].claim.endswith("a, q = 0.7")
    cells[0.7, "CAVL"] = around(78, 5)
    assert outcomes(claims.claim_7({"a": cells}, cells))["7b"] == OPEN


def test_a_late_start_hurts_and_the_start_without_warm_up_is_left_out_of_the_trend():
    starts = (0, 1, 4, 8)
    falls = np.stack([around(10), around(90), around(80), around(70)])
    rises = falls[[0, 3, 2, 1]]
    found = outcomes(claims.claim_9(starts, falls, rises, falls))
    assert found == {"9a": HOLDS, "9b": HOLDS, "9c": FAILS, "9d": HOLDS}
    found = outcomes(claims.claim_9(starts, rises, falls, rises))
    assert found == {"9a": FAILS, "9b": FAILS, "9c": HOLDS, "9d": FAILS}
    mixed = np.stack([falls[:, 0], rises[:, 1], falls[:, 2]], axis=1)
    found = outcomes(claims.claim_9(starts, mixed, mixed, mixed))
    assert found == dict.fromkeys(("9a", "9b", "9c", "9d"), OPEN)
    assert claims.claim_10(starts, falls).verdict.outcome == HOLDS
    assert claims.claim_10(starts, falls[[1, 0, 2, 3]]).verdict.outcome == FAILS
    assert claims.claim_10(starts, mixed[[1, 3, 2, 0]]).verdict.outcome == OPEN


def test_a_single_difference_refutes_an_exact_claim():
    def found(*counts):
        names = ("final differs", "final differs outside window", "first differs")
        runs_of = [Record(TINY, {n: np.array([c]) for n, c in zip(names, counts, strict=True)}, {})]
        return tables.differences(runs_of * 2)

    assert claims.claim_11(found(3, 0, 0)).verdict.outcome == HOLDS
    assert claims.claim_11(found(3, 0, 1)).verdict.outcome == FAILS
    assert claims.claim_12(found(3, 0, 0)).verdict.ours == "0 of 6 outside"
    assert claims.claim_12(found(3, 1, 0)).verdict.outcome == FAILS


def test_recorded_runs_are_read_seed_by_seed():
    found = tables.recorded_runs(chapter("quick").recorded("real_world_mlp"), "birdsong", "CAVL")
    assert len(found) == 5
    assert 50 < tables.chance(found) < 65
    assert tables.curve(found, "select CAV").shape == (5, len(found[0]["train_accuracy"]))
