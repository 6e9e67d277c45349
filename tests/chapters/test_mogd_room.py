"""The room of MoGD: its protocol, settings, tables and claims."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from chapters.mogd import claims, cost, figures, record, runs, tables

from weaklabels.data import Split, Splits
from weaklabels.lab import candidate_sets, sweep
from weaklabels.lab.store import Record, Store, digest
from weaklabels.press.chapter import Chapter
from weaklabels.press.verdicts import FAILS, HOLDS, NOT_TESTABLE, OPEN

# -- protocol -------------------------------------------------------------------------------------


def smoke_spec(name="MoGD", **changes):
    base = runs.settings(Chapter("mogd", "smoke", "cpu", 1)).sizes
    return replace(runs.vary(base, name), **changes)


@pytest.mark.parametrize("name", dict.fromkeys((*runs.ROWS, *runs.CHOICES)))
def test_every_row_runs_and_reports(name):
    result = runs.run(smoke_spec(name))
    assert np.isfinite(result["test_accuracy"]).all()
    assert ("auc" in result) == name.startswith("MoGD")
    assert ("true weight" in result) == (name != runs.CLEAN_ONLY)
    assert 0.1 <= result["uniform"] <= 0.5


def test_clean_samples_leave_the_training_set():
    spec = smoke_spec()
    whole = candidate_sets.load_splits(spec)
    splits, clean, sets = runs.divide(spec)
    assert len(clean) + len(splits.train) == len(whole.train)
    assert torch.bincount(clean.y).tolist() == [5] * 10
    assert sets.shape == (len(splits.train), 10)
    assert sets.gather(1, splits.train.y[:, None]).all()

    def rows(x):
        return {tuple(row) for row in x.flatten(1).round(decimals=4).tolist()}

    taken = rows(clean.x)
    assert not taken & rows(splits.train.x)
    assert not taken & rows(splits.test.x)
    # One more clean sample takes nothing back, and leaves the other sets as they are.
    more = runs.divide(replace(spec, clean=6))
    assert taken < rows(more[1].x)
    with pytest.raises(ValueError, match="more than clean are needed"):
        runs.divide(replace(spec, clean=500))


def test_a_run_is_reproducible_and_its_use_of_clean_samples_checked(tmp_path):
    spec = smoke_spec()
    first, second = (sweep.run(runs.run, [spec], Store(tmp_path / folder))[0] for folder in "ab")
    assert digest(first.values) == digest(second.values)
    with pytest.raises(ValueError, match="expected one of not, judge"):
        runs.run(replace(spec, use="peek"))
    with pytest.raises(ValueError, match="does not fit use 'not'"):
        runs.run(replace(spec, use="not"))
    with pytest.raises(ValueError, match="unknown row 'MoGD2'"):
        runs.vary(spec, "MoGD2")


def test_operations_grow_with_the_clean_set_and_the_closed_form_is_cheaper():
    few, many = (cost.operations(smoke_spec(clean=count)) for count in (1, 5))
    assert few["plain"] == many["plain"]
    for name in ("closed form", "double backward"):
        assert few[name] < many[name]
    for counted in (few, many):
        assert counted["closed form"] < counted["double backward"]


def test_paper_profile_names_data_that_can_be_loaded():
    found = runs.settings(Chapter("mogd", "paper", "cpu", 1))
    specs = [*found.sets.values(), found.sizes, *found.other.values()]
    assert {spec.dataset for spec in specs} == {
        "cifar10", "mnist", "kmnist", "fashion_mnist", "partial_label",
    }  # fmt: skip
    for spec in specs:
        for name in runs.ROWS:
            assert runs.vary(spec, name).code()
    assert max(found.lengths) == found.sizes.epochs


def test_a_rare_class_of_a_real_set_keeps_half_of_its_samples(monkeypatch):
    spec = smoke_spec(candidates="given", clean=5)
    y = torch.tensor([0] * 20 + [1] * 3 + [2])
    sets = np.ones((24, 3), bool)
    part = Split(torch.rand(24, 4), y, None, {"candidates": sets})
    monkeypatch.setattr(
        candidate_sets, "load_splits", lambda _: Splits(("a", "b", "c"), part, None, part)
    )
    splits, clean, left = runs.divide(spec)
    assert torch.bincount(clean.y, minlength=3).tolist() == [5, 1, 0]
    assert len(left) == len(splits.train) == 18


# -- tables and claims ----------------------------------------------------------------------------

KINDS = ("q = 0.1", "q = 0.8", "pair 0.9")


def around(mean, spread=0.1):
    return mean + spread * np.array([-1.0, 0.0, 1.0])


def made_results(**means):
    """Accuracies by kind of sets and row; a mean may be one number, or one a kind."""
    usual = dict.fromkeys(runs.ROWS, 70.0) | means
    return {
        kind: {
            row: around(mean[i] if isinstance(mean, tuple) else mean) for row, mean in usual.items()
        }
        for i, kind in enumerate(KINDS)
    }


def outcomes(rows):
    return {row.id: row.verdict.outcome for row in rows}


def scattered(mean):
    """Three values that show nothing about differences of some points."""
    return around(mean, 8)


def test_not_worse_is_a_margin_against_every_comparator():
    found = made_results(MoGD=(69.5, 80.0, 69.5), LW=(60.0, 60.0, 72.0))
    rows = claims.claim_1(found)
    assert outcomes(rows) == {"1a": HOLDS, "1b": HOLDS, "1c": FAILS}
    assert rows[2].claim.endswith("without clean samples; pair 0.9.")
    found["q = 0.1"]["LW"] = scattered(69)
    others = claims.claim_1(found, "1s", "tab-mogd-all")
    assert outcomes(others)["1sa"] == OPEN
    assert {row.figure for row in others} == {"tab-mogd-all"}


def test_an_advantage_grows_or_does_not_against_each_self_trainer():
    found = made_results(MoGD=(71.0, 80.0, 80.0), CC=(70.0, 70.0, 79.5))
    rows = claims.claim_2(found, KINDS[0], KINDS[1:])
    ids = ("2a", "2b", "2c", "2d", "2e", "2f")
    decided = dict(zip(ids, (HOLDS, HOLDS, HOLDS, HOLDS, FAILS, HOLDS), strict=True))
    assert outcomes(rows) == decided
    assert "minus that of CC, which trusts itself, is larger for pair 0.9" in rows[4].claim
    found["pair 0.9"]["CC"] = scattered(78)
    assert outcomes(claims.claim_2(found, KINDS[0], KINDS[1:]))["2e"] == OPEN


def test_after_longer_training_each_self_trainer_is_a_row():
    longer = {
        60: made_results(MoGD=80.0)["q = 0.8"],
        240: made_results(MoGD=60.0)["q = 0.8"] | {"LW": scattered(60)},
    }
    rows = claims.claim_2_longer(longer, "q = 0.8")
    decided = (HOLDS, HOLDS, HOLDS, FAILS, FAILS, OPEN)
    assert tuple(row.verdict.outcome for row in rows) == decided
    assert rows[3].id == "2ld"
    assert rows[3].claim == "After 240 epochs MoGD is ahead of PRODEN (q = 0.8)."


def test_lengths_are_read_from_the_longest_run():
    record = Record(None, {"test_accuracy": np.arange(10.0)}, {})
    found = tables.at_epochs({"MoGD": [record, record]}, (4, 10), 2)
    assert {end: each["MoGD"].tolist() for end, each in found.items()} == {
        4: [2.5, 2.5],
        10: [8.5, 8.5],
    }
    assert tables.length_table(found).loc["MoGD", "4 epochs"] == "2.5 ± 0.0"


def test_the_best_epoch_is_that_of_each_run():
    curves = ([50.0, 90.0, 60.0], [80.0, 50.0, 60.0])
    records = [Record(None, {"test_accuracy": np.array(curve)}, {}) for curve in curves]
    found = tables.best_results({"q": {"MoGD": records}})
    assert found["q"]["MoGD"].tolist() == [90, 80]
    assert tables.accuracy_table(found).loc["MoGD", "q"] == "85.0 ± 7.1"


def long_record(shift):
    rising = np.linspace(0.5, 0.9, 10) + shift
    values = {"auc": rising, "true weight": rising, "false weight": 1 - rising}
    values |= {"test_accuracy": 100 * rising, "clean loss": 1 - rising}
    return Record(None, values | {"uniform": np.array(0.5)}, {})


def test_judge_and_weights_are_shown_for_every_kind():
    records = [long_record(shift) for shift in (0.0, 0.02)]
    shown = tables.judge_table({"q": {"MoGD": records}, "pair": {"MoGD": records}}, 1)
    assert list(shown.index) == ["q", "pair"]
    assert shown.loc["q", "AUC, lowest"] == shown.loc["q", "AUC, first epoch"] == "0.51 ± 0.01"
    assert shown.loc["q", "true label"] == shown.loc["q", "AUC, last epochs"] == "0.91 ± 0.01"
    rows = claims.claim_3({"q": {"MoGD": records}}, 1, "3s", "tab-mogd-judge")
    assert [(row.id, row.figure) for row in rows] == [
        ("3sa", "tab-mogd-judge"),
        ("3sb", "tab-mogd-judge"),
    ]


def test_a_long_training_is_drawn_with_the_clean_loss_beside_it():
    records = {"MoGD": [long_record(0.0), long_record(0.02)]}
    accuracy, loss = figures.draw_longer(records, ("MoGD",), (4, 10)).axes
    assert (accuracy.get_ylabel(), loss.get_ylabel()) == ("test accuracy (%)", "clean loss (nats)")
    assert loss.get_yscale() == "log"
    (auc,) = figures.draw_auc({"q": records}).axes
    assert auc.get_ylim() == (0.4, 1)


def test_weights_and_judge_are_looked_at_in_every_kind():
    def decide(true, auc):
        values = [
            {"true weight": np.array([0.2, t]), "auc": np.array([0.9, a])}
            for t, a in zip(true, auc, strict=True)
        ]
        records = [
            Record(None, each | {"uniform": np.array(0.2 + 0.01 * i)}, {})
            for i, each in enumerate(values)
        ]
        return outcomes(claims.claim_3({kind: {"MoGD": records} for kind in KINDS}, 1))

    ids = ("3a", "3b", "3c", "3d", "3e", "3f")
    assert decide((0.9, 0.91), (0.6, 0.61)) == dict.fromkeys(ids, HOLDS)
    assert decide((0.1, 0.11), (0.4, 0.41)) == dict.fromkeys(ids, FAILS)
    assert decide((0.2, 0.4), (0.5, 0.6)) == dict.fromkeys(ids, OPEN)


def test_clean_samples_alone_are_a_rival_in_every_kind_and_at_every_number():
    found = made_results(MoGD=80.0)
    found["pair 0.9"]["clean only"] = around(90)
    rows = claims.claim_4(found, "tab-mogd-main")
    assert outcomes(rows) == {"4a": HOLDS, "4b": HOLDS, "4c": FAILS}
    sizes = {"20 a class": {"MoGD": around(80), "clean only": scattered(78)}}
    longer = {"after 240 epochs (q = 0.8)": {"MoGD": around(80), "clean only": around(78)}}
    (row,) = claims.claim_4(longer, "tab-mogd-longer", "4l")
    assert (row.id, row.verdict.outcome) == ("4la", HOLDS)
    (row,) = claims.claim_4(sizes, "fig-mogd-sizes", "4n")
    assert (row.id, row.verdict.outcome) == ("4na", OPEN)
    assert row.claim.endswith("20 a class.")
    assert row.as_dict()["why"] == ""


def test_each_rival_with_the_same_clean_samples_is_a_row():
    found = made_results(**{"MoGD": 80.0, "CC +v": (75.0, 75.0, 85.0)})
    found["q = 0.8"]["CC +v"] = scattered(78)
    rows = claims.claim_5(found, "MoGD", ["CC +v", "LW +v"], "tab-mogd-all", "5s")
    decided = (HOLDS, HOLDS, OPEN, HOLDS, FAILS, HOLDS)
    assert tuple(row.verdict.outcome for row in rows) == decided
    assert [row.id for row in rows[:2]] == ["5sa", "5sb"]
    assert rows[4].claim == "MoGD beats CC that trains on the same clean samples; pair 0.9."
    gains = tables.gain_table(found)
    assert gains.loc["CC +v", "pair 0.9"] == "-5.0 ± 0.0"
    assert "MoGD" not in gains.index


def real_record(**means):
    """A recorded result with three splits of one set."""
    rows = []
    for seed in range(3):
        for row in runs.ROWS:
            kept = {"test_accuracy": means.get(row, 60.0) + 0.1 * seed}
            if row.startswith("MoGD"):
                kept |= {"auc": means["auc"] + 0.01 * seed, "true weight": 0.7 + 0.01 * seed}
            line = {"dataset": "lost", "row": row, "seed": seed, "uniform": 0.48}
            rows.append(line | kept)
    return {"rows": rows}


def test_real_sets_are_read_from_the_record_and_each_question_is_a_row():
    found = tables.recorded_real(real_record(MoGD=70.0, **{"PRODEN +v": 75.0, "auc": 0.6}))
    rows = claims.claim_real(found)
    assert outcomes(rows) == {
        "r1a": HOLDS, "r2a": HOLDS, "r3a": FAILS, "r4a": FAILS, "r5a": HOLDS, "r6a": HOLDS,
        "r7a": HOLDS, "r8a": HOLDS, "r9a": HOLDS, "r10a": FAILS, "r11a": FAILS, "r12a": FAILS,
    }  # fmt: skip
    assert rows[0].claim.endswith("(recorded); Lost.")
    weak = tables.recorded_real(real_record(MoGD=50.0, auc=0.5))
    assert outcomes(claims.claim_real(weak))["r1a"] == FAILS
    assert outcomes(claims.claim_real(weak))["r5a"] == FAILS
    assert tables.real_table(found).loc["MoGD: AUC", "Lost"] == "0.61 ± 0.01"
    assert tables.recorded_real(None) == {}


def test_the_clean_loss_falls_and_settles_or_does_not():
    def falling(*losses):
        return [
            Record(None, {"clean loss": np.array(losses) * (1 + 0.01 * i)}, {}) for i in range(3)
        ]

    groups = {"q": {"MoGD": falling(2.0, 1.0, 0.1)}, "pair": {"MoGD": falling(1.0, 1.0, 1.0)}}
    assert outcomes(claims.claim_8(groups, 1)) == {"8a": HOLDS, "8b": FAILS, "8c": NOT_TESTABLE}
    settled = claims.claim_8_settles(falling(2.0, 1.0, 0.5, 0.1, 0.1), "q")
    assert settled.verdict.outcome == HOLDS
    rising = claims.claim_8_settles(falling(2.0, 1.0, 0.5, 0.1, 0.9), "q")
    assert rising.verdict.outcome == FAILS


def test_the_summary_counts_outcomes_and_leaves_out_what_has_no_rows():
    text = claims.summary({"1a": HOLDS, "1sb": FAILS, "r1a": OPEN, "2la": FAILS, "6": HOLDS})
    assert "no clean samples: of 3 rows 1 holds, 1 fails, 1 is open." in text
    assert "60 epochs and after more: of 1 rows 1 fails." in text
    assert "judge tells" not in text


RECORDED = Chapter("mogd", "quick", "cpu", 1).recorded("tuning")


@pytest.mark.skipif(RECORDED is None, reason="the choice is not recorded yet")
def test_what_was_chosen_is_shown_by_sets_and_row():
    shown = tables.tuned_table(runs.TUNED)
    assert shown.shape == (len(runs.CHOSEN), len(runs.ROWS))
    assert shown.loc["q = 0.8", "MoGD"] == f"{runs.CHOSEN['q = 0.8']['MoGD']:g}"
    assert shown.loc["q = 0.8, 1 a class", "CC"] == "-"
    low = replace(runs.TUNED[0], chosen=runs.RATES[0])
    assert tables.tuned_table([low]).loc["q = 0.8", low.method] == "0.00625 (edge)"
    assert tuple(0.00625 * 2**k for k in range(9)) == runs.RATES  # as the caption says


def test_chosen_learning_rates_are_those_of_the_record():
    assert tuple(RECORDED["values"]) == runs.RATES
    chosen: dict[str, dict[str, float]] = {}
    for row in RECORDED["rows"]:
        chosen.setdefault(row["tuned on"], {})[row["row"]] = row["chosen"]
    assert chosen == runs.CHOSEN


def test_validation_accuracies_are_shown_by_rate():
    line = {"tuned on": "q = 0.8", "row": "CC", "chosen": 0.2, "validation": [60.04, 70.0]}
    rows = [line, line | {"row": "CC +v"}]
    shown = tables.rate_table({"values": [0.1, 0.2], "rows": rows})
    assert [*shown.index] == [("q = 0.8", "CC")]
    assert shown.loc[("q = 0.8", "CC")].to_dict() == {"0.1": 60.0, "0.2": 70.0}
    assert tables.rate_table(None).empty


def test_a_rate_belongs_to_the_method_and_the_kind_of_sets():
    settings = runs.settings(Chapter("mogd", "quick", "cpu", 1))
    lengths = [replace(settings.sizes, epochs=epochs) for epochs in settings.lengths]
    for spec in (*settings.sets.values(), *lengths):
        for name in runs.LONGER if spec in lengths[1:] else (*runs.ROWS, *runs.CHOICES):
            own = runs.CHOSEN[runs.tuned_on(spec)][name.partition(",")[0]]
            assert runs.vary(spec, name).optimiser.lr == own
    for count in settings.counts:
        spec = replace(settings.sizes, clean=count)
        key = "q = 0.8" if count == runs.USUAL else f"q = 0.8, {count} a class"
        for name in runs.SIZED:
            assert runs.vary(spec, name).optimiser.lr == runs.CHOSEN[key][name]
        # Who sees no clean samples has one rate whatever their number.
        assert runs.vary(spec, "CC").optimiser.lr == runs.CHOSEN["q = 0.8"]["CC"]
    paper = runs.settings(Chapter("mogd", "paper", "cpu", 1)).sizes
    assert runs.vary(paper, "CC").optimiser == paper.optimiser


def test_the_choices_of_mogd_train_at_the_same_rates():
    base = runs.settings(Chapter("mogd", "quick", "cpu", 1)).hard
    for spec in base.values():
        specs = runs.choices(spec)
        assert {name for name, _ in specs} == set(runs.CHOICES)
        for (name, rate), made in specs.items():
            assert made.optimiser.lr == rate
            assert made.method_options == runs.vary(spec, name).method_options
        rates = [rate for name, rate in specs if name == "MoGD"]
        assert rates == [*runs.CHOICE_RATES, runs.CHOSEN[runs.tuned_on(spec)]["MoGD"]]
    paper = runs.settings(Chapter("mogd", "paper", "cpu", 1)).sizes
    assert {rate for _, rate in runs.choices(paper)} == {paper.optimiser.lr}
    values = dict.fromkeys(("test_accuracy", "select weights", "select IM-max", "dropped"))
    record = Record(None, {name: np.array([50.0]) for name in values}, {})
    shown = tables.choices_table({"q": {("MoGD", 0.05): [record]}}, 1)
    assert shown.loc[("q", "MoGD", "rate 0.05"), "dropped"] == "50.0"


@pytest.mark.parametrize("name", runs.ROWS)
def test_every_row_trains_for_as_many_steps(name, monkeypatch):
    drawn, execute = [], runs.execute

    def count(spec, task):
        def batches(order):
            drawn.append([len(rows) for rows in task.batches(order)])
            return task.batches(order)

        assert task.steps == 3  # as the schedule counts
        return execute(spec, replace(task, batches=batches))

    monkeypatch.setattr(runs, "execute", count)
    runs.run(smoke_spec(name, clean=20))  # of 497 samples 297 keep their sets
    assert drawn == [[100, 100, 100 if name.endswith("+v") else 97]] * 2


def test_an_epoch_draws_from_sets_and_clean_samples_alike():
    seen = [torch.cat([*runs._drawn(8, 3, 2, torch.Generator().manual_seed(k))]) for k in range(99)]
    assert {len(rows.unique()) for rows in seen} == {6}
    assert torch.cat(seen).bincount(minlength=8).min() > 50
    once = torch.cat([*runs._drawn(8, 3, 3, torch.Generator())])
    assert sorted(once.tolist()) == [*range(8)]


def test_a_share_of_the_training_set_is_clean():
    spec = smoke_spec(clean_share=0.1)
    whole = candidate_sets.load_splits(spec)
    _, clean, sets = runs.divide(spec)
    assert len(clean) == round(0.1 * len(whole.train))
    assert len(clean) + len(sets) == len(whole.train)


def test_a_row_of_a_real_set_trains_at_a_rate_of_its_own():
    rates = {name: 0.1 * (i + 1) for i, name in enumerate(runs.ROWS)}
    specs = record.at_rates(record.real_spec("lost", "data"), rates)
    assert {name: spec.optimiser.lr for name, spec in specs.items()} == rates


def test_exact_claims_have_a_tolerance():
    u = torch.tensor([1.0, -2.0], dtype=torch.float64)
    assert claims.claim_6(u, u + 1e-12, u + 1e-6).verdict.outcome == HOLDS
    assert claims.claim_6(u, u + 1e-6, u).verdict.outcome == FAILS
    cheap = {"plain": 10, "closed form": 20, "double backward": 50}
    counted = {10: cheap, 50: cheap, 200: cheap | {"closed form": 31}}
    assert outcomes(claims.claim_7(counted, 50)) == {"7a": HOLDS, "7b": FAILS}
    assert outcomes(claims.claim_7(counted, 200)) == {"7a": FAILS}
